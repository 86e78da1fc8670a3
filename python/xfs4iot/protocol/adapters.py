"""What differs in structure between an older version's messages and the newest's.

Most differences are properties that one version has and the other has not: what an older
client does not know is cut off by its schema, what the newest does not know is ignored. Only
where the same thing is said in another shape does a message need an adapter, listed here by
version, part and name. Between 2023-2 and 2024-3 no message of the cash interfaces differs
so; 2021-1 keeps flat what later versions group.

Adapters work on plain objects: of a request from the older shape to the newest, of a
completion or event the other way, before the cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from xfs4iot.protocol.index import COMMANDS, EVENTS, OLDER

__all__ = ["ADAPTERS", "FALLBACKS", "TOLD_BY", "WITHOUT_ADAPTER", "Adapter", "Part"]

Part = Literal["request", "completion", "event"]
_Plain = dict[str, Any]
Adapter = Callable[[_Plain], _Plain]


def _amounts_grouped(cash_box: Any) -> Any:
    return {"currencies": cash_box} if isinstance(cash_box, dict) else cash_box


def _denomination_asked(asked: _Plain, mix: Any, teller: Any) -> _Plain:
    """A mix given asks the service to choose; without one the client has chosen."""
    common = {"currencies": asked.get("currencies"), "cashBox": _amounts_grouped(asked.get("cashBox"))}
    if mix:
        chosen: _Plain = {"service": {**common, "mix": mix, "partial": asked.get("values")}}
    else:
        chosen = {"app": {**common, "counts": asked.get("values")}}
    return {"denomination": chosen, "tellerID": teller}


def _denominate_request(old: _Plain) -> _Plain:
    asked = old.get("denomination")
    if not isinstance(asked, dict):
        return {}
    return {"request": _denomination_asked(asked, old.get("mix"), old.get("tellerID"))}


def _dispense_request(old: _Plain) -> _Plain:
    outer = old.get("denomination")
    asked = outer.get("denomination") if isinstance(outer, dict) else None
    new = {name: old.get(name) for name in ("position", "token")}
    if isinstance(outer, dict) and isinstance(asked, dict):
        new["denomination"] = _denomination_asked(asked, outer.get("mix"), outer.get("tellerID"))
    return new


def _target(old: Any) -> _Plain | None:
    """Where items are to go: one of unit, retract area or output position."""
    if not isinstance(old, dict):
        return None
    area = old.get("retractArea")
    if old.get("unit"):
        return {"target": "singleUnit", "unit": old["unit"]}
    if isinstance(area, dict) and area.get("retractArea"):
        return {"target": area["retractArea"], "index": area.get("index")}
    if old.get("outputPosition"):
        return {"target": old["outputPosition"]}
    return None


def _target_down(new: Any) -> _Plain:
    if not isinstance(new, dict):
        return {}
    target = new.get("target")
    if target == "singleUnit":
        return {"unit": new.get("unit")}
    if isinstance(target, str) and target.startswith("out"):
        return {"outputPosition": target}
    return {"retractArea": {"retractArea": target, "index": new.get("index")}}


def _retract_request(old: _Plain) -> _Plain:
    location = {name: old[name] for name in ("outputPosition", "retractArea", "index") if name in old}
    return {"location": location} if location else {}


def _denomination_down(new: _Plain) -> _Plain:
    box = new.get("cashBox")
    return {**new, "cashBox": box.get("currencies")} if isinstance(box, dict) else new


def _with_denomination(new: _Plain) -> _Plain:
    inner = new.get("denomination")
    return {**new, "denomination": _denomination_down(inner)} if isinstance(inner, dict) else new


def _denominate_completion(new: _Plain) -> _Plain:
    result = new.get("result")
    flat = _denomination_down(result) if isinstance(result, dict) else {}
    return {**flat, "errorCode": new.get("errorCode")}


def _present_completion(new: _Plain) -> _Plain:
    position = new.get("position")
    return {"errorCode": new.get("errorCode"), **(position if isinstance(position, dict) else {})}


def _calibrate_completion(new: _Plain) -> _Plain:
    result = new.get("result")
    flat: _Plain = {"errorCode": new.get("errorCode")}
    if isinstance(result, dict):
        flat |= {**result, "position": _target_down(result.get("position"))}
    return flat


def _position_grouped(new: _Plain) -> _Plain:
    return {"position": new}


def _status_changed(new: _Plain) -> _Plain:
    common = new.get("common")
    return common if isinstance(common, dict) else {}


def _capabilities(specification: str) -> Adapter:
    """Leaves out commands, events and interfaces that the older version does not have."""
    known, newest = OLDER[specification], COMMANDS.keys() | EVENTS.keys()

    def adapt(new: _Plain) -> _Plain:
        listed = []
        for interface in new.get("interfaces", ()):
            left = {
                kind: {
                    name: one for name, one in interface[kind].items() if name in known or name not in newest
                }
                for kind in ("commands", "events")
                if kind in interface
            }
            if left.get("commands"):
                listed.append({**interface, **left})
        return {**new, "interfaces": listed}

    return adapt


ADAPTERS: dict[tuple[str, Part, str], Adapter] = {
    ("2021-1", "request", "CashDispenser.Count"): lambda old: {
        **old,
        "unit": None if old.get("unit") == "all" else old.get("unit"),
    },
    ("2021-1", "request", "CashDispenser.Denominate"): _denominate_request,
    ("2021-1", "request", "CashDispenser.Dispense"): _dispense_request,
    ("2021-1", "request", "CashDispenser.TestCashUnits"): lambda old: {"target": _target(old)},
    ("2021-1", "request", "CashManagement.CalibrateCashUnit"): lambda old: {
        **old,
        "position": _target(old.get("position")),
    },
    ("2021-1", "request", "CashManagement.Reset"): lambda old: {"position": _target(old)},
    ("2021-1", "request", "CashManagement.Retract"): _retract_request,
    ("2021-1", "completion", "Common.Capabilities"): _capabilities("2021-1"),
    ("2023-2", "completion", "Common.Capabilities"): _capabilities("2023-2"),
    ("2021-1", "completion", "CashDispenser.Denominate"): _denominate_completion,
    ("2021-1", "completion", "CashDispenser.Dispense"): _with_denomination,
    ("2021-1", "completion", "CashDispenser.GetPresentStatus"): _with_denomination,
    ("2021-1", "completion", "CashDispenser.Present"): _present_completion,
    ("2021-1", "completion", "CashManagement.CalibrateCashUnit"): _calibrate_completion,
    ("2021-1", "event", "CashDispenser.IncompleteDispenseEvent"): _denomination_down,
    ("2021-1", "event", "CashManagement.ItemsPresentedEvent"): _position_grouped,
    ("2021-1", "event", "CashManagement.ItemsTakenEvent"): _position_grouped,
    ("2021-1", "event", "CashManagement.MediaDetectedEvent"): _target_down,
    ("2021-1", "event", "Common.StatusChangedEvent"): _status_changed,
}

_NOT_SERVED = "parts of devices that are not served yet; all optional"
WITHOUT_ADAPTER: dict[tuple[str, Part, str], str] = {
    ("2021-1", "completion", "Common.Status"): (
        "parts of devices that are not served yet, and safeDoor, which no served device reports; all optional"
    ),
    ("2023-2", "completion", "Common.Status"): _NOT_SERVED,
    (
        "2023-2",
        "event",
        "Common.StatusChangedEvent",
    ): _NOT_SERVED,
}
"""Older shapes that need no adapter although the newest lacks something of them, and why."""

FALLBACKS: dict[str, str] = {
    "exchangeActive": "sequenceError",
    "itemsLeft": "sequenceError",
    "positionNotEmpty": "sequenceError",
    "safeDoorOpen": "userError",
}
"""The completion code for an error code that an older version of a command lacks; else `hardwareError`."""

TOLD_BY: dict[str, str] = {"Storage.CountsChangedEvent": "Storage.StorageChangedEvent"}
"""The event that tells the same, in the same shape, in versions that have none of that name."""
