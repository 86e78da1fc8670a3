"""CashDispenser between the versions of the standard.

2021-1 keeps flat what later versions group: who chooses the items (`app`, `service`), the amounts
of a cash box, where items were presented.
"""

from __future__ import annotations

from typing import Any

from xfs4iot.protocol.adapters.cash_management import target_up
from xfs4iot.protocol.adapters.changes import Changes, Moved, Plain, Reshaped, Values

__all__ = ["CHANGES"]


def _amounts_grouped(cash_box: Any) -> Any:
    return {"currencies": cash_box} if isinstance(cash_box, dict) else cash_box


def _denomination_asked(asked: Plain, mix: Any, teller: Any) -> Plain:
    """A mix given asks the service to choose; without one the client has chosen."""
    common = {"currencies": asked.get("currencies"), "cashBox": _amounts_grouped(asked.get("cashBox"))}
    if mix:
        chosen: Plain = {"service": {**common, "mix": mix, "partial": asked.get("values")}}
    else:
        chosen = {"app": {**common, "counts": asked.get("values")}}
    return {"denomination": chosen, "tellerID": teller}


def _denominate_up(old: Plain) -> Plain:
    asked = old.get("denomination")
    if not isinstance(asked, dict):
        return {}
    return {"request": _denomination_asked(asked, old.get("mix"), old.get("tellerID"))}


def _dispense_up(old: Plain) -> Plain:
    outer = old.get("denomination")
    asked = outer.get("denomination") if isinstance(outer, dict) else None
    new = {name: old.get(name) for name in ("position", "token")}
    if isinstance(outer, dict) and isinstance(asked, dict):
        new["denomination"] = _denomination_asked(asked, outer.get("mix"), outer.get("tellerID"))
    return new


CHANGES: Changes = {
    ("2021-1", "request", "CashDispenser.Count"): (Values("unit", up={"all": None}, down={}),),
    ("2021-1", "request", "CashDispenser.Denominate"): (
        Reshaped(("denomination", "mix", "tellerID"), up=_denominate_up),
    ),
    ("2021-1", "completion", "CashDispenser.Denominate"): (
        Moved("currencies", "result.currencies"),
        Moved("values", "result.values"),
        Moved("cashBox", "result.cashBox.currencies"),
    ),
    ("2021-1", "request", "CashDispenser.Dispense"): (
        Reshaped(("denomination.denomination", "denomination.mix"), up=_dispense_up),
    ),
    ("2021-1", "completion", "CashDispenser.Dispense"): (
        Moved("denomination.cashBox", "denomination.cashBox.currencies"),
    ),
    ("2021-1", "completion", "CashDispenser.GetPresentStatus"): (
        Moved("denomination.cashBox", "denomination.cashBox.currencies"),
    ),
    ("2021-1", "event", "CashDispenser.IncompleteDispenseEvent"): (Moved("cashBox", "cashBox.currencies"),),
    ("2021-1", "completion", "CashDispenser.Present"): (
        Moved("position", "position.position"),
        Moved("additionalBunches", "position.additionalBunches"),
    ),
    ("2021-1", "request", "CashDispenser.TestCashUnits"): (
        Reshaped(("outputPosition", "retractArea", "unit"), up=lambda old: {"target": target_up(old)}),
    ),
}
