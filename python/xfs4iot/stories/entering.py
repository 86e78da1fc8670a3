"""What a customer enters at the keys of the PIN pad."""

from __future__ import annotations

from typing import Any

from xfs4iot.stories.stage import Stage

__all__ = ["ENTER_ONLY", "confirm", "enter_pin"]

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ENTER_ONLY: dict[str, Any] = {"enter": {"terminate": True}, "cancel": {"terminate": True}}


async def enter_pin(stage: Stage, pin: str) -> None:
    """One step: a PIN is entered, and stays in the device."""
    async with stage.step("PIN entered") as step:
        request = {
            "minLen": 4,
            "maxLen": 12,
            "autoEnd": False,
            "activeKeys": {name: {} for name in (*_DIGITS, "clear")} | ENTER_ONLY,
        }
        keys = [*(_DIGITS[int(digit)] for digit in pin), "enter"]
        pressed = ("Simulator.PressPinPadKeys", {"keys": keys, "every": 20})
        done = await stage.call("Keyboard.PinEntry", request, when={"Keyboard.EnterDataEvent": pressed})
        stage.expect("the entry to end by", "enter", done["completion"])
        step.saw(f"{done['digits']} digits, which stay in the PIN pad")


async def confirm(stage: Stage, what: str) -> None:
    """One step: the customer agrees by the enter key."""
    async with stage.step("Confirmed") as step:
        pressed = ("Simulator.PressPinPadKeys", {"keys": ["enter"]})
        done = await stage.call(
            "Keyboard.DataEntry",
            {"maxLen": 0, "autoEnd": False, "activeKeys": ENTER_ONLY},
            when={"Keyboard.EnterDataEvent": pressed},
        )
        stage.expect("the entry to end by", "enter", done["completion"])
        step.saw(f"the customer agrees to {what}")
