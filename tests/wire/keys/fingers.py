"""Fingers on the simulated PIN pad."""

from __future__ import annotations

from typing import Any

from dialogue import Dialogue

__all__ = ["DIGITS", "SECURE_KEYS", "entry", "keys_of", "pin_entered", "secure_entered"]

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SECURE_KEYS = {name: {} for name in (*DIGITS, *"abcdef", "shift", "clear", "backspace")} | {
    "enter": {"terminate": True},
    "cancel": {"terminate": True},
}


def keys_of(text: str) -> list[str]:
    """`12 enter` as keys: `one`, `two`, `enter`."""
    pressed: list[str] = []
    for word in text.split():
        if word.isdigit():
            pressed += [DIGITS[int(digit)] for digit in word]
        else:
            pressed.append(word)
    return pressed


async def entry(
    pad: Dialogue, simulator: Dialogue, command: str, request: dict[str, Any], text: str
) -> dict[str, Any]:
    """Begin an entry, press keys once it waits for them, and return its completion."""
    number = await pad.send(command, request)
    await pad.until("event", number, "Keyboard.EnterDataEvent")
    await simulator.success("Simulator.PressPinPadKeys", {"keys": keys_of(text)})
    return await pad.until("completion", number)


async def pin_entered(pad: Dialogue, simulator: Dialogue, pin: str) -> None:
    """Let a PIN be entered."""
    active = {name: {} for name in DIGITS} | {"enter": {"terminate": True}}
    request = {"minLen": 4, "maxLen": 12, "autoEnd": False, "activeKeys": active}
    done = await entry(pad, simulator, "Keyboard.PinEntry", request, f"{pin} enter")
    assert done["payload"]["digits"] == len(pin), done


async def secure_entered(
    pad: Dialogue, simulator: Dialogue, part: bytes, method: str = "tripleDes", text: str = " enter"
) -> dict[str, Any]:
    """Let a part of a key be entered."""
    request = {
        "keyLen": 2 * len(part),
        "autoEnd": False,
        "verificationType": "zero",
        "cryptoMethod": method,
        "activeKeys": SECURE_KEYS,
    }
    words = " ".join(part.hex()) + text
    return await entry(pad, simulator, "Keyboard.SecureKeyEntry", request, words)
