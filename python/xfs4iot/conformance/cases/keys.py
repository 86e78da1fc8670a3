"""KeyManagement, Crypto, PinPad, Keyboard: keys serve what they are for; entries that nobody makes."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from xfs4iot.conformance.attended import done
from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable
from xfs4iot.conformance.person import Act
from xfs4iot.conformance.rules import must_refuse, refuses, waits
from xfs4iot.conformance.target import Answer, Conversation, Target

_NO_KEY = {"key": "keyNotThere"}
_DATA = base64.b64encode(bytes(16)).decode()
_CIPHERS = ("D0", "D1", "D2")
"""Usages of keys, by X9.143, with which data may be enciphered."""
_ENTERED = "nothing; somebody who presses keys is listened to"

refuses(
    "KM-DETAIL-01N", "Of a key that is not there nothing is told",
    "KeyManagement.GetKeyDetail", {"keyName": "keyNotThere"}, "keyNotFound",
)  # fmt: skip
refuses(
    "KM-KCV-01N", "A key that is not there has no check value",
    "KeyManagement.GenerateKCV", {**_NO_KEY, "keyCheckMode": "zero"}, "keyNotFound", level="moves",
)  # fmt: skip
refuses(
    "KM-DELETE-01N", "A key that is not there cannot be deleted",
    "KeyManagement.DeleteKey", _NO_KEY, "keyNotFound", "authenticationRequired", level="destructive",
)  # fmt: skip
refuses(
    "CRY-DATA-01N", "Data cannot be enciphered with a key that is not there",
    "Crypto.CryptoData", {**_NO_KEY, "modeOfUse": "E", "cryptoMethod": "ecb", "data": _DATA}, "keyNotFound",
)  # fmt: skip
refuses(
    "CRY-MAC-01N", "No MAC is made with a key that is not there",
    "Crypto.GenerateAuthentication", {**_NO_KEY, "data": _DATA}, "keyNotFound",
)  # fmt: skip
refuses(
    "CRY-VERIFY-01N", "No MAC is verified with a key that is not there",
    "Crypto.VerifyAuthentication", {**_NO_KEY, "data": _DATA, "verifyData": _DATA}, "keyNotFound",
)  # fmt: skip
refuses(
    "PIN-BLOCK-01N", "There is no PIN block with a key that is not there",
    "PinPad.GetPinBlock",
    {**_NO_KEY, "customerData": "123456789012", "padding": 15, "format": "iso0", "cryptoMethod": "ecb"},
    "keyNotFound", "noPin",
)  # fmt: skip
refuses(
    "PIN-VISA-01N", "A PIN is not verified with a key that is not there",
    "PinPad.LocalVisa", {**_NO_KEY, "pan": "4" * 23, "pvv": "1234"}, "keyNotFound", "noPin",
)  # fmt: skip
refuses(
    "KB-DATA-01N", "No data can be entered if no key is active",
    "Keyboard.DataEntry", {"activeKeys": {}}, "noActivekeys", "noActiveKeys", "invalidData",
)  # fmt: skip
refuses(
    "KB-DATA-02N", "A key that the keyboard does not have cannot be active",
    "Keyboard.DataEntry", {"activeKeys": {"keyNotThere": {"terminate": True}}},
    "keyInvalid", "keyNotSupported", "invalidData",
)  # fmt: skip
refuses(
    "KB-PIN-01N", "A PIN of more digits at least than at most cannot be entered",
    "Keyboard.PinEntry",
    {"minLen": 9, "maxLen": 4, "activeKeys": {"one": {}, "enter": {"terminate": True}}},
    "invalidData", "minimumLength",
)  # fmt: skip


async def _entry(target: Target) -> dict[str, Any]:
    return {"maxLen": 4, "autoEnd": False, "activeKeys": {"one": {}, "enter": {"terminate": True}}}


async def _pin(target: Target) -> dict[str, Any]:
    return {"minLen": 4, "autoEnd": False, "activeKeys": {"one": {}, "enter": {"terminate": True}}}


async def _forget(talk: Conversation) -> None:
    await talk.call("Keyboard.Reset")


waits("KB-DATA", "Keyboard.DataEntry", _entry, level="moves", moves=_ENTERED, after=_forget)
waits("KB-PIN", "Keyboard.PinEntry", _pin, level="moves", moves=_ENTERED, after=_forget)


def _succeeded(answer: Answer) -> dict[str, Any]:
    if answer.code != "success":
        raise Deviates("success", answer.told())
    return answer.payload


async def _keys(target: Target) -> dict[str, dict[str, Any]]:
    """What is told of each key."""
    target.requires("KeyManagement.GetKeyDetail")
    async with target.conversation() as talk:
        found = _succeeded(await talk.call("KeyManagement.GetKeyDetail"))
    return found.get("keyDetails") or {}


@case("KM-DETAIL-02P", "Each key that is told of can be asked for by its name",
      cites="CWA 17852, KeyManagement.GetKeyDetail", interface="KeyManagement",
      command="KeyManagement.GetKeyDetail")  # fmt: skip
async def by_name(target: Target) -> None:
    keys = await _keys(target)
    if not keys:
        raise NotApplicable("there are no keys")
    async with target.conversation() as talk:
        for name in list(keys)[:20]:
            found = _succeeded(await talk.call("KeyManagement.GetKeyDetail", {"keyName": name}))
            if set(found.get("keyDetails") or {}) != {name}:
                raise Deviates(f"{name} alone", f"{set(found.get('keyDetails') or {})}")


@case("KM-DETAIL-03P", "No detail of a key shows a value",
      cites="CWA 17852, KeyManagement.GetKeyDetail", interface="KeyManagement",
      command="KeyManagement.GetKeyDetail")  # fmt: skip
async def no_values(target: Target) -> None:
    for name, told in (await _keys(target)).items():
        shown = {"value", "keyValue", "data"} & set(told)
        if shown:
            raise Deviates(f"no value of {name}", ", ".join(sorted(shown)))


@case("CRY-USAGE-01N", "A key that is not for data does not encipher data",
      cites="CWA 17852, Crypto.CryptoData, useViolation", interface="Crypto",
      command="Crypto.CryptoData")  # fmt: skip
async def for_its_use(target: Target) -> None:
    tried = 0
    for name, told in (await _keys(target)).items():
        attributes = told.get("keyBlockInfo") or told
        usage = attributes.get("keyUsage")
        if not usage or usage in _CIPHERS:
            continue
        tried += 1
        async with target.conversation() as talk:
            wanted = {"key": name, "modeOfUse": "E", "cryptoMethod": "ecb", "data": _DATA}
            must_refuse(
                await talk.call("Crypto.CryptoData", wanted),
                ("useViolation", "modeOfUseNotSupported", "keyNoValue", "accessDenied"),
            )
        if tried == 10:
            break
    if not tried:
        raise NotApplicable("there is no key for anything but data")


@case("CRY-RANDOM-01P", "Random numbers are not the same twice",
      cites="CWA 17852, Crypto.GenerateRandom", interface="Crypto",
      command="Crypto.GenerateRandom")  # fmt: skip
async def random(target: Target) -> None:
    async with target.conversation() as talk:
        found = [_succeeded(await talk.call("Crypto.GenerateRandom")).get("randomNumber") for _ in range(5)]
    if None in found or len(set(found)) < len(found):
        raise Deviates("five different numbers", "the same twice, or none")


@case("CRY-DIGEST-01P", "A digest is what its algorithm says",
      cites="CWA 17852, Crypto.Digest", interface="Crypto", command="Crypto.Digest")  # fmt: skip
async def digest(target: Target) -> None:
    data = b"conformance"
    async with target.conversation() as talk:
        for algorithm in ("sha256", "sha1"):
            answer = await talk.call(
                "Crypto.Digest",
                {"hashAlgorithm": algorithm, "data": base64.b64encode(data).decode()},
            )
            if answer.code in ("unsupportedData", "invalidData"):
                continue
            expected = base64.b64encode(hashlib.new(algorithm, data).digest()).decode()
            if (seen := _succeeded(answer).get("digest")) != expected:
                raise Deviates(f"{algorithm} {expected}", str(seen))
            return
    raise NotApplicable("neither sha256 nor sha1 is supported")


@case("KB-LAYOUT-01P", "The layouts that are told are for entries of the standard, and have keys",
      cites="CWA 17852, Keyboard.GetLayout", interface="Keyboard", command="Keyboard.GetLayout")  # fmt: skip
async def layouts(target: Target) -> None:
    async with target.conversation() as talk:
        found = _succeeded(await talk.call("Keyboard.GetLayout"))
    layout = found.get("layout") or {}
    if not any(layout.values()):
        raise Deviates("a layout", "none")
    for mode, frames in layout.items():
        for frame in frames or []:
            if not frame.get("keys"):
                raise Advises(f"keys in each frame of {mode}", "a frame without")


_DIGITS = ("one", "two", "three")
_ACTIVE = {**{key: {} for key in (*_DIGITS, "four")}, "enter": {"terminate": True}}
_ENTRY = Act("pressKeys", "press 1, 2, 3 and Enter on the PIN pad", (*_DIGITS, "enter"))
_PIN = Act(
    "pressKeys", "enter any PIN of four digits from 1 to 4, and press Enter",
    ("four", "two", "three", "one", "enter"),
)  # fmt: skip
_CANCEL = Act("pressKeys", "press 1 and Cancel on the PIN pad", ("one", "cancel"))
_ASKS = "Keyboard.EnterDataEvent"
_PRESSES = "presses keys of the PIN pad"


@case("KB-KEYS-01P", "Keys that are pressed are told in their order, and which one ended the entry",
      cites="CWA 17852, Keyboard.DataEntry", interface="Keyboard", level="moves", moves=_ENTERED,
      command="Keyboard.DataEntry", attended=_PRESSES)  # fmt: skip
async def in_order(target: Target) -> None:
    async with target.conversation() as talk:
        wanted = {"maxLen": 8, "autoEnd": False, "activeKeys": _ACTIVE}
        answer = await done(target, talk, _ENTRY, "Keyboard.DataEntry", wanted, asks=_ASKS)
    told = _succeeded(answer)
    pressed = [one.get("digit") for one in told.get("pinKeys") or []]
    if [one for one in pressed if one in _ACTIVE and one != "enter"] != [*_DIGITS]:
        raise Deviates(f"pinKeys {', '.join(_DIGITS)}", f"{pressed}")
    if told.get("completion") != "enter":
        raise Deviates("completion enter", str(told.get("completion")))


@case("KB-KEYS-02P", "Of a PIN nothing is told but how many digits it has",
      cites="CWA 17852, Keyboard.PinEntry and KeyEvent", interface="Keyboard", level="moves", moves=_ENTERED,
      command="Keyboard.PinEntry", attended=_PRESSES)  # fmt: skip
async def only_counted(target: Target) -> None:
    async with target.conversation() as talk:
        wanted = {"minLen": 4, "maxLen": 6, "autoEnd": False, "activeKeys": _ACTIVE}
        try:
            answer = await done(target, talk, _PIN, "Keyboard.PinEntry", wanted, asks=_ASKS)
        finally:
            await _forget(talk)
    told = _succeeded(answer)
    if told.get("digits") != 4:
        raise Deviates("digits 4", str(told.get("digits")))
    shown = {payload.get("digit") for name, payload in answer.events if name == "Keyboard.KeyEvent"}
    if shown & {*_DIGITS, "four"} or "pinKeys" in told:
        raise Deviates("no digit of the PIN", "some are told")


@case("KB-KEYS-03P", "An entry that is ended by the cancel key says so",
      cites="CWA 17852, Keyboard.DataEntry", interface="Keyboard", level="moves", moves=_ENTERED,
      command="Keyboard.DataEntry", attended=_PRESSES)  # fmt: skip
async def cancelled(target: Target) -> None:
    async with target.conversation() as talk:
        active = {"one": {}, "cancel": {"terminate": True}}
        wanted = {"maxLen": 8, "autoEnd": False, "activeKeys": active}
        answer = await done(target, talk, _CANCEL, "Keyboard.DataEntry", wanted, asks=_ASKS)
    if answer.error_code in ("keyInvalid", "keyNotSupported"):
        raise NotApplicable("there is no cancel key")
    if (found := _succeeded(answer).get("completion")) != "cancel":
        raise Deviates("completion cancel", str(found))
