"""What customers and operators see and touch: TextTerminal, Lights, Auxiliaries, BarcodeReader, others."""

from __future__ import annotations

from typing import Any

from xfs4iot.conformance.attended import done
from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable
from xfs4iot.conformance.person import Act
from xfs4iot.conformance.rules import refuses, waits
from xfs4iot.conformance.target import Target

_NO_FORM = "formNotThere"
_READS = "nothing; somebody who presses keys is listened to"

refuses(
    "TT-FORM-01N", "A form that is not there is formNotFound",
    "TextTerminal.GetQueryForm", {"formName": _NO_FORM}, "formNotFound",
)  # fmt: skip
refuses(
    "TT-FORM-02N", "A form that is not there cannot be shown",
    "TextTerminal.WriteForm", {"formName": _NO_FORM, "clearScreen": False, "fields": {}}, "formNotFound",
)  # fmt: skip
refuses(
    "TT-FORM-03N", "A form that is not there cannot be filled in",
    "TextTerminal.ReadForm", {"formName": _NO_FORM, "fields": ["fieldNotThere"]}, "formNotFound",
)  # fmt: skip
refuses(
    "TT-LOAD-01N", "A definition that is none is refused",
    "TextTerminal.LoadForm", {"definition": "this is no definition", "overwrite": False},
    "formInvalid", level="destructive",
)  # fmt: skip
refuses(
    "TT-RESOLUTION-01N", "A resolution that the display does not have cannot be set",
    "TextTerminal.SetResolution", {"resolution": {"sizeX": 9999, "sizeY": 9999}}, "resolutionNotSupported",
)  # fmt: skip
refuses(
    "LT-SET-01N", "A light that is not there cannot be set",
    "Lights.SetLight", {"cardReader2": {"unitNotThere": {"flashRate": "off"}}},
    "invalidLight", "unsupportedData", "invalidData",
)  # fmt: skip
refuses(
    "BIO-MATCH-01N", "Nothing can be compared when nothing was captured",
    "Biometric.Match",
    {"compareMode": "verify", "identifier": "idNotThere", "maximum": 1, "threshold": 80},
    "noImportedData", "noCaptureData", "invalidIdentifier", "invalidCompareMode", "modeNotSupported",
)  # fmt: skip
refuses(
    "CAM-PICTURE-01N", "A picture needs a camera",
    "Camera.TakePicture", {}, "invalidData", "cameraNotSupported",
)  # fmt: skip


async def _barcode(target: Target) -> dict[str, Any]:
    return {"symbologies": {}}


async def _keys(target: Target) -> dict[str, Any]:
    """A read of a key that the terminal has.

    Raises:
        NotApplicable: it has none.
    """
    async with target.conversation() as talk:
        told = await talk.call("TextTerminal.GetKeyDetail")
    keys = told.payload.get("keys")
    if not keys:
        raise NotApplicable("the terminal has no keys")
    return {
        "numOfChars": 4, "mode": "absolute", "posX": 0, "posY": 0, "echoMode": "text",
        "visible": False, "flush": True, "autoEnd": True,
        "activeKeys": keys if isinstance(keys, str) else keys[:1],
    }  # fmt: skip


waits("TT-READ", "TextTerminal.Read", _keys, level="moves", moves=_READS)
waits("BR-READ", "BarcodeReader.Read", _barcode, level="moves", moves="nothing; the scanner is switched on")


@case("LT-SET-02P", "A light that is set is told in the status, and can be put out",
      cites="CWA 17852, Lights.SetLight", interface="Lights", level="moves",
      moves="one light is lit for a moment", command="Lights.SetLight")  # fmt: skip
async def lit(target: Target) -> None:
    async with target.conversation() as talk:
        path, before = _out(await talk.status("lights"))
        wanted = _shows(target, path)
        answer = await talk.call("Lights.SetLight", _at(path, wanted))
        answer.require_success()
        during = await talk.status("lights", *path, "flashRate")
        back = await talk.call("Lights.SetLight", _at(path, before))
        after = await talk.status("lights", *path, "flashRate")
    if during != wanted["flashRate"]:
        raise Deviates(f"{'.'.join(path)} {wanted['flashRate']}", str(during))
    if back.code != "success" or after != "off":
        raise Deviates(f"{'.'.join(path)} off again", f"{back.told()}, {after}")


def _out(lights: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """A light that is out, and what it shows: in newer versions lights have positions.

    Raises:
        NotApplicable: none is.
    """
    for light, shown in (lights or {}).items():
        places = shown if isinstance(shown, dict) else {}
        if places.get("flashRate") == "off":
            return (light,), {"flashRate": "off"}
        for place, inner in places.items():
            if isinstance(inner, dict) and inner.get("flashRate") == "off":
                return (light, place), {"flashRate": "off"}
    raise NotApplicable("no light is out")


def _shows(target: Target, path: tuple[str, ...]) -> dict[str, Any]:
    """What a light can show when it is lit.

    Raises:
        NotApplicable: the capabilities do not say.
    """
    told: Any = target.capabilities.get("lights") or {}
    told = told.get("lights") or told
    for name in path:
        told = told.get(name) or {}
    can = {
        kind: [name for name, able in (told.get(kind) or {}).items() if able and name != "off"]
        for kind in ("flashRate", "color", "direction")
    }
    if not can["flashRate"]:
        raise NotApplicable(f"{'.'.join(path)} cannot be lit")
    return {kind: names[0] for kind, names in can.items() if names}


def _at(path: tuple[str, ...], content: dict[str, Any]) -> dict[str, Any]:
    for name in reversed(path):
        content = {name: content}
    return content


@case("AUX-STARTUP-01P", "The time at which the machine starts by itself is told as it was set",
      cites="CWA 17852, Auxiliaries.SetAutoStartupTime", interface="Auxiliaries", level="destructive",
      moves="the start-up time is set, and cleared or put back",
      command="Auxiliaries.SetAutoStartupTime")  # fmt: skip
async def start_up(target: Target) -> None:
    target.requires("Auxiliaries.GetAutoStartupTime")
    target.requires("Auxiliaries.ClearAutoStartupTime")
    wanted = {"mode": "daily", "startTime": {"hour": 5, "minute": 30}}
    async with target.conversation() as talk:
        before = (await talk.call("Auxiliaries.GetAutoStartupTime")).payload
        answer = await talk.call("Auxiliaries.SetAutoStartupTime", wanted)
        if answer.code in ("unsupportedData", "invalidData"):
            raise NotApplicable("it does not start daily")
        if answer.code != "success":
            raise Deviates("success", answer.told())
        during = (await talk.call("Auxiliaries.GetAutoStartupTime")).payload
        await talk.call("Auxiliaries.ClearAutoStartupTime")
        if before.get("mode") and before.get("startTime"):
            await talk.call(
                "Auxiliaries.SetAutoStartupTime", {name: before[name] for name in ("mode", "startTime")}
            )
    time = during.get("startTime") or {}
    if (during.get("mode"), time.get("hour"), time.get("minute")) != ("daily", 5, 30):
        raise Deviates(f"{wanted}", f"{during}")


@case("PM-SAVE-01P", "A device that is to recover in no time is ready",
      cites="CWA 17852, PowerManagement.PowerSaveControl", interface="PowerManagement", level="moves",
      moves="nothing; the device leaves power saving",
      command="PowerManagement.PowerSaveControl")  # fmt: skip
async def full_power(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("PowerManagement.PowerSaveControl", {"maxPowerSaveRecoveryTime": 0})
        if answer.code != "success":
            raise Deviates("success", answer.told())
        left = await talk.status("powerManagement", "powerSaveRecoveryTime")
    if left not in (None, 0):
        raise Deviates("powerSaveRecoveryTime 0", str(left))


@case("TT-CLEAR-01P", "The screen can be cleared",
      cites="CWA 17852, TextTerminal.ClearScreen", interface="TextTerminal", level="destructive",
      moves="the screen is cleared", command="TextTerminal.ClearScreen")  # fmt: skip
async def cleared(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("TextTerminal.ClearScreen", {})
    if answer.code != "success":
        raise Deviates("success", answer.told())


@case("VA-INTERFACE-01P", "The interface that is active is told",
      cites="CWA 17852, VendorApplication.GetActiveInterface", interface="VendorApplication",
      command="VendorApplication.GetActiveInterface")  # fmt: skip
async def active_interface(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("VendorApplication.GetActiveInterface")
    if answer.code != "success":
        raise Deviates("success", answer.told())
    if not answer.payload.get("activeInterface"):
        raise Deviates("activeInterface", "none")


@case("DK-STATUS-01P", "The state of the security module is told",
      cites="CWA 17852, German.GetHSMTData", interface="German", command="German.GetHSMTData")  # fmt: skip
async def security_module(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("German.GetHSMTData")
    if answer.code != "success":
        raise Deviates("success", answer.told())
    if answer.payload.get("hsmStatus") is None:
        raise Advises("hsmStatus", "none")


@case("TT-KEYS-01P", "Keys that are pressed at the terminal are told as they were pressed",
      cites="CWA 17852, TextTerminal.Read", interface="TextTerminal", level="moves", moves=_READS,
      command="TextTerminal.Read", attended="presses keys of the text terminal")  # fmt: skip
async def read_keys(target: Target) -> None:
    wanted = await _keys(target)
    key = wanted["activeKeys"][0]
    act = Act("pressTerminalKeys", f"press the key {key} of the text terminal four times", (key,) * 4)
    async with target.conversation() as talk:
        answer = await done(target, talk, act, "TextTerminal.Read", wanted)
    answer.require_success()
    if (found := answer.payload.get("input")) != key * 4:
        raise Deviates(f"input {key * 4}", str(found))


@case("BR-CODE-01P", "A barcode that is shown is told with its symbology and its data",
      cites="CWA 17852, BarcodeReader.Read", interface="BarcodeReader", level="moves",
      moves="nothing; the scanner is switched on", command="BarcodeReader.Read",
      attended="holds a barcode before the scanner")  # fmt: skip
async def code_read(target: Target) -> None:
    act = Act("showBarcode", "hold a barcode before the scanner, such as that of any product")
    async with target.conversation() as talk:
        answer = await done(target, talk, act, "BarcodeReader.Read", await _barcode(target))
    answer.require_success()
    found = answer.payload.get("readOutput") or []
    if not found or not all(one.get("symbology") and one.get("barcodeData") for one in found):
        raise Deviates("readOutput with symbology and barcodeData", f"{[sorted(one) for one in found]}")


@case("BIO-FINGER-01P", "What is captured of somebody has the format that was asked for",
      cites="CWA 17852, Biometric.Read", interface="Biometric", level="moves",
      moves="nothing; the sensor is switched on", command="Biometric.Read",
      attended="lays a finger on the sensor, or what else it captures")  # fmt: skip
async def captured(target: Target) -> None:
    formats = (target.capabilities.get("biometric") or {}).get("dataFormats") or {}
    wanted = next((name for name, able in formats.items() if able), None)
    if wanted is None:
        raise NotApplicable("the capabilities name no data format")
    act = Act("presentFinger", "lay a finger on the sensor, and lift it")
    async with target.conversation() as talk:
        answer = await done(
            target, talk, act, "Biometric.Read",
            {"dataTypes": [{"format": wanted}], "numCaptures": 1, "mode": "scan"},
        )  # fmt: skip
        await talk.call("Biometric.Clear", {})
    answer.require_success()
    found = [(one.get("type") or {}).get("format") for one in answer.payload.get("dataRead") or []]
    if found != [wanted]:
        raise Deviates(f"dataRead in the format {wanted}", f"{found}")
