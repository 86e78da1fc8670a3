"""What clients of an older version say where a test asks for something, and how it reads what they hear.

A test is written for the newest version. Run again with clients of an older one (see `older_clients`), it
takes the same steps, sent in that version's envelope and shapes. What is said there comes back up, by the
adapters of the services, as the very request that the test wrote, and is valid there: else the version cannot
say it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, cast

from traffic import catalogue
from xfs4iot.conformance.schemas import problems
from xfs4iot.protocol.adaptation import adapt
from xfs4iot.protocol.adapters import (
    CHANGES,
    NEWEST,
    SENT_OTHERWISE,
    SPECIFICATIONS,
    canonical,
    spelling,
)
from xfs4iot.protocol.adapters.cash_management import target_up
from xfs4iot.protocol.adapters.changes import Change, Moved, Part, Plain, Reshaped, Values, compiled

__all__ = ["CannotSay", "can_say", "command_of", "heard", "is_standard", "said", "spoken"]

_OLDEST = SPECIFICATIONS[0]
_IN_HEADER = {
    "acknowledge": ("status", "errorDescription"),
    "completion": ("completionCode", "errorDescription"),
}
"""What the oldest version has in the payload, by type of the message."""
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class CannotSay(Exception):
    """A version of the standard cannot say what a test asks."""


class Spoken:
    """What the clients of the running test speak.

    Attributes:
        version: unless the test says otherwise.
        otherwise: it does, of a client at least.
    """

    version = NEWEST
    otherwise = False


spoken = Spoken()


def _choice_down(new: Plain) -> Any:
    """Who chooses the items, and the amounts of a cash box, laid flat."""
    chosen = new.get("denomination", {})
    by = chosen.get("service") or chosen.get("app") or {}
    flat = {"currencies": by.get("currencies"), "values": by.get("partial", by.get("counts"))}
    if "cashBox" in by:
        flat["cashBox"] = by["cashBox"].get("currencies")
    return _without_none({"denomination": flat, "mix": by.get("mix"), "tellerID": new.get("tellerID")})


def _without_none(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    return {name: _without_none(one) for name, one in content.items() if one is not None}


def _target_down(target: Plain | None) -> Plain:
    """One of unit, retract area and output position."""
    if target is None:
        return {}
    kind = target.get("target")
    if kind == "singleUnit":
        return {"unit": target.get("unit")}
    if isinstance(kind, str) and kind.startswith("out"):
        return {"outputPosition": kind}
    return {"retractArea": _without_none({"retractArea": kind, "index": target.get("index")})}


def _lights_down(new: Plain) -> Plain:
    return {
        light: {**({} if at == "default" else {"position": at}), **how}
        for light, places in new.items()
        for at, how in places.items()
    }


def _control_down(new: Plain) -> Plain:
    found = {name: one for name, one in new.items() if name not in ("move", "turnPage")}
    return found | {new[name]: True for name in ("move", "turnPage") if name in new}


def _bin(place: Any) -> Any:
    return int(place.removeprefix("unit")) if isinstance(place, str) and place[4:].isdigit() else place


def _reset_down(new: Plain) -> Plain:
    place = new.get("mediaControl")
    if place is None or not str(place).startswith("unit"):
        return new
    return {**new, "mediaControl": "retract", "retractBinNumber": _bin(place)}


def _keys_down(new: Plain) -> Plain:
    keys = new.get("activeKeys")
    if not isinstance(keys, list):
        return new
    return {**new, "activeKeys": "".join(str(_DIGITS.index(key)) if key in _DIGITS else key for key in keys)}


_DOWN: Mapping[tuple[str, str], Callable[[Plain], Plain]] = {
    ("2021-1", "CardReader.WriteRawData"): lambda new: {
        "data": [{"destination": track, **how} for track, how in new.items()]
    },
    ("2021-1", "CashDispenser.Denominate"): lambda new: _choice_down(new.get("request", {})),
    ("2021-1", "CashDispenser.Dispense"): lambda new: {
        **{name: new[name] for name in ("position", "token") if name in new},
        **({"denomination": _choice_down(new["denomination"])} if "denomination" in new else {}),
    },
    ("2021-1", "CashDispenser.TestCashUnits"): lambda new: _target_down(new.get("target")),
    ("2021-1", "CashManagement.Reset"): lambda new: _target_down(new.get("position")),
    ("2021-1", "CashManagement.CalibrateCashUnit"): lambda new: {
        **new,
        **({"position": _target_down(new["position"])} if "position" in new else {}),
    },
    ("2023-2", "Lights.SetLight"): _lights_down,
    ("2021-1", "Printer.Reset"): _reset_down,
    ("2021-1", "Printer.RetractMedia"): lambda new: {"binNumber": _bin(new["mediaControl"])} if new else {},
    ("2021-1", "TextTerminal.DefineKeys"): _keys_down,
    ("2021-1", "TextTerminal.Read"): _keys_down,
    **{
        ("2023-2", f"Printer.{name}"): lambda new: (
            {**new, "mediaControl": _control_down(new["mediaControl"])} if "mediaControl" in new else new
        )
        for name in ("ControlMedia", "PrintForm", "PrintNative", "ReadForm")
    },
}
"""How a step's older version says what it shapes otherwise; the rest follows from the adapters."""


def _cash_in_up(old: Plain) -> Plain:
    """What came in, counted in one place."""
    items = {name: old.pop(name) for name in list(old) if name != "errorCode"}
    return old | ({"items": items} if items else {})


def _calibrate_up(old: Plain) -> Plain:
    result = {name: old.pop(name) for name in list(old) if name != "errorCode"}
    if "position" in result:
        result["position"] = target_up(result["position"])
    return old | ({"result": _without_none(result)} if result else {})


def _lights_up(old: Plain) -> Plain:
    lights = old.get("lights")
    if not isinstance(lights, dict):
        return old
    places = {
        name: {
            light.get("position", "default"): {key: one for key, one in light.items() if key != "position"}
        }
        for name, light in lights.items()
    }
    return {**old, "lights": places}


_UP: Mapping[tuple[str, str], Callable[[Plain], Plain]] = {
    ("2021-1", "CashAcceptor.CashIn"): _cash_in_up,
    ("2021-1", "CashManagement.CalibrateCashUnit"): _calibrate_up,
    ("2023-2", "Common.Status"): _lights_up,
    ("2023-2", "Common.StatusChangedEvent"): _lights_up,
}
"""How a step's older version is read in the next, where the adapters only go down."""


def _turned(change: Change) -> Change | None:
    """A change of a request, so that going down undoes it."""
    if isinstance(change, Values):
        return Values(change.path, {}, {newer: older for older, newer in change.up.items() if newer})
    return change if isinstance(change, Moved) else None


def _down(name: str, payload: Plain, version: str) -> Plain:
    """A request of the newest version as an older one has it."""
    content = deepcopy(payload)
    for step in reversed(SPECIFICATIONS[SPECIFICATIONS.index(version) : -1]):
        changes = CHANGES.get((step, "request", name), ())
        if any(isinstance(one, Reshaped) for one in changes) and (step, name) in _DOWN:
            content = _DOWN[step, name](content)
        turned = [one for change in changes if (one := _turned(change)) is not None]
        if (adapter := compiled(turned, up=False)) is not None:
            content = adapter(content)
    return content


def is_standard(name: str) -> bool:
    """Whether a command is of the standard."""
    return name.partition(".")[0] in catalogue(NEWEST)["interfaces"]


def command_of(version: str, name: str) -> dict[str, Any] | None:
    """What the catalogue says of a command; None where a version has none of that name."""
    interface, _, short = spelling(name, version).partition(".")
    commands = catalogue(version)["interfaces"].get(interface, {"commands": {}})["commands"]
    return cast("dict[str, Any] | None", commands.get(short))


def _problems(version: str, name: str, payload: Any) -> list[str]:
    """What is wrong with a command of a version."""
    own = spelling(name, version)
    command = command_of(version, name)
    if command is None:
        return [f"{version} has no {own}"]
    header = {"type": "command", "name": own, "requestId": 1}
    if version == _OLDEST:
        payload = {**(payload or {}), "timeout": 0}
    else:
        header["version"] = command["version"]
    message = {"header": header} | ({} if payload is None else {"payload": payload})
    return problems(version, _plain(message))


def _plain(content: Any) -> Any:
    """As JSON has it."""
    return json.loads(json.dumps(content, default=float))


def can_say(version: str, name: str, payload: Any) -> bool:
    """Whether a valid request of the newest version is one of an older version, too."""
    try:
        return not _problems(version, name, said(name, payload, version))
    except CannotSay:
        return False


def said(name: str, payload: Any, version: str) -> Any:
    """The payload of a request of the newest version, as an older one has it.

    Raises:
        CannotSay: it has no such command, or cannot say this.
    """
    if isinstance(payload, dict):
        try:
            found = _down(name, payload, version)
        except (AttributeError, KeyError, TypeError) as error:
            raise CannotSay(f"{version} has no words for {payload} in {name}: {error!r}") from error
        again = adapt("request", name, json.dumps(found, default=float).encode(), version)
        if _without_none(json.loads(again or b"{}")) != _without_none(_plain(payload)):
            raise CannotSay(f"{version} says {payload} in {name} as {found}, which is {again!r}")
    else:
        found = payload
    # What a test asks wrongly on purpose may be wrong in every version.
    if (wrong := _problems(version, name, found)) and not _problems(NEWEST, name, payload):
        raise CannotSay(f"{version} does not allow {found} in {name}: {wrong}")
    return found


_PARTS: Mapping[str, Part] = {"completion": "completion", "event": "event", "unsolicited": "event"}


def heard(message: dict[str, Any], version: str) -> dict[str, Any]:
    """A message of an older version as the newest has it, as far as the adapters say how."""
    header, payload = message["header"], message.get("payload", {})
    name = canonical(header.get("name", ""))
    if not is_standard(name):
        return message
    if version == _OLDEST:
        own = {one: payload.pop(one) for one in _IN_HEADER.get(header["type"], ()) if one in payload}
        header |= {one: value for one, value in own.items() if value not in ("success", "ok")}
    if (part := _PARTS.get(header["type"])) is not None:
        for step in SPECIFICATIONS[SPECIFICATIONS.index(version) : -1]:
            if (adapter := compiled(CHANGES.get((step, part, name), ()), up=True)) is not None:
                payload = adapter(payload)
            if (step, name) in _UP:
                payload = _UP[step, name](payload)
    sent = SENT_OTHERWISE.get((version, name))
    if sent == "command" and header["type"] == "event":
        header = {**header, "type": "unsolicited"}
        del header["requestId"]
    elif sent == "unsolicited" and header["type"] == "unsolicited":
        header = {**header, "type": "event"}
    rest = {key: one for key, one in message.items() if key != "payload"}
    return rest | {"header": header | {"name": name}} | ({"payload": payload} if payload else {})
