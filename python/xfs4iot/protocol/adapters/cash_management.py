"""CashManagement between the versions of the standard; 2021-1 says apart where items go, by its kind."""

from __future__ import annotations

from typing import Any

from xfs4iot.protocol.adapters.changes import (
    Changes,
    Left,
    Moved,
    Plain,
    Reshaped,
    SentOtherwise,
    ToldApart,
    Withdrawn,
)

__all__ = ["CHANGES", "SENT_OTHERWISE", "TOLD_APART", "WITHDRAWN", "target_up"]


def target_up(old: Any) -> Any:
    """Where items are to go: one of unit, retract area or output position.

    Nothing that was given is lost on the way, so that what is wrong is refused as in the newest version.
    """
    if not isinstance(old, dict):
        return old
    unit, area, position = (old.get(name) for name in ("unit", "retractArea", "outputPosition"))
    if unit is not None:
        return {"target": "singleUnit", "unit": unit}
    if isinstance(area, dict) and area:
        kind = area.get("retractArea")
        return {
            "target": area.get("outputPosition") if kind is None else kind,
            "index": area.get("index"),
        }
    if area:
        return {"target": area}
    return None if position is None else {"target": position}


def _target_down(new: Any) -> Plain:
    if not isinstance(new, dict):
        return {}
    target = new.get("target")
    if target == "singleUnit":
        return {"unit": new.get("unit")}
    if isinstance(target, str) and target.startswith("out"):
        return {"outputPosition": target}
    return {"retractArea": {"retractArea": target, "index": new.get("index")}}


def _calibrate_down(new: Plain) -> Plain:
    result = new.get("result")
    flat: Plain = {"errorCode": new.get("errorCode")}
    if isinstance(result, dict):
        flat |= {**result, "position": _target_down(result.get("position"))}
    return flat


def _shutters(changed: Plain) -> list[Plain]:
    """What `Common.StatusChangedEvent` says of shutters, as `ShutterStatusChangedEvent`s.

    An output of a recycler is one thing, of which dispenser and acceptor both tell: it is told once.
    """
    found: dict[str, str] = {}
    for interface in ("cashDispenser", "cashAcceptor"):
        for at in (changed.get(interface) or {}).get("positions") or ():
            if shutter := at.get("shutter"):
                found.setdefault(at["position"], "jammed" if shutter.startswith("jammed") else shutter)
    return [{"position": position, "shutter": shutter} for position, shutter in found.items()]


_GROUPED = (Moved("position.position", "position"), Moved("position.additionalBunches", "additionalBunches"))
_TARGETS = ("outputPosition", "retractArea", "unit")

_SAFE_DOOR = "the safe door is one of Auxiliaries since 2023-2: its status, and SetAuxiliaries"

CHANGES: Changes = {
    ("2021-1", "request", "CashManagement.CalibrateCashUnit"): (
        Reshaped(
            ("position",),
            up=lambda old: {**old, "position": target_up(old.get("position"))} if "position" in old else old,
        ),
    ),
    ("2021-1", "completion", "CashManagement.CalibrateCashUnit"): (
        Reshaped(("numOfBills", "position", "unit"), down=_calibrate_down),
    ),
    ("2021-1", "request", "CashManagement.Reset"): (
        Reshaped(_TARGETS, up=lambda old: {"position": target_up(old)}),
    ),
    ("2021-1", "request", "CashManagement.Retract"): (
        Moved("outputPosition", "location.outputPosition"),
        Moved("retractArea", "location.retractArea"),
        Moved("index", "location.index"),
    ),
    ("2021-1", "event", "CashManagement.ItemsPresentedEvent"): _GROUPED,
    ("2021-1", "event", "CashManagement.ItemsTakenEvent"): _GROUPED,
    ("2021-1", "event", "CashManagement.MediaDetectedEvent"): (
        Reshaped(("outputPosition", "retractArea"), down=_target_down),
    ),
    ("2021-1", "completion", "Common.Status"): (
        Left(("cashManagement.safeDoor",), "the safe door is one of Auxiliaries since 2023-2"),
    ),
}

SENT_OTHERWISE: SentOtherwise = {
    ("2021-1", "CashManagement.MediaDetectedEvent"): "command",
    ("2021-1", "CashManagement.TellerInfoChangedEvent"): "command",
}

TOLD_APART: ToldApart = {
    ("2021-1", "Common.StatusChangedEvent"): (("CashManagement.ShutterStatusChangedEvent", _shutters),),
}

WITHDRAWN: Withdrawn = {
    ("2021-1", "CashManagement.OpenSafeDoor"): _SAFE_DOOR,
    ("2021-1", "CashManagement.SafeDoorClosedEvent"): _SAFE_DOOR,
    ("2021-1", "CashManagement.SafeDoorOpenEvent"): _SAFE_DOOR,
}
