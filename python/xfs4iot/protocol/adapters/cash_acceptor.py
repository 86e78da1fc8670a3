"""CashAcceptor between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Left, Plain, Reshaped, Values, Withdrawn

__all__ = ["CHANGES", "WITHDRAWN"]


def _cash_in_down(new: Plain) -> Plain:
    """2021-1 counts the items beside the error code."""
    items = new.get("items")
    return {**(items if isinstance(items, dict) else {}), "errorCode": new.get("errorCode")}


def _positions_down(new: Plain) -> Plain:
    """2021-1 says which positions there are, and nothing about them."""
    positions = new.get("positions")
    if not isinstance(positions, list):
        return new
    names = (one.get("position") for one in positions if isinstance(one, dict))
    return {**new, "positions": {name: True for name in names if name}}


CHANGES: Changes = {
    ("2021-1", "completion", "Common.Status"): (
        Values("cashAcceptor.positions[].positionStatus", up={}, down={"foreignItems": "notEmpty"}),
    ),
    ("2021-1", "completion", "CashAcceptor.CashIn"): (Reshaped(("*", "unrecognized"), down=_cash_in_down),),
    ("2021-1", "request", "CashAcceptor.CompareSignature"): (
        Values("referenceSignatures[].orientation", up={"notSupported": None}, down={}),
        Values("signatures[].orientation", up={"notSupported": None}, down={}),
    ),
    ("2021-1", "completion", "CashAcceptor.PreparePresent"): (
        Left(("position",), "the position is the one that was asked for"),
    ),
    ("2021-1", "completion", "Common.Capabilities"): (
        Reshaped(("cashAcceptor.positions",), down=_positions_down, at="cashAcceptor"),
        Left(("cashAcceptor.counterfeitAction",), "said by cashManagement.classifications since 2023-2"),
    ),
}

WITHDRAWN: Withdrawn = {
    (
        "2021-1",
        "CashAcceptor.GetPositionCapabilities",
    ): "still served: Common.Capabilities tells it since 2023-2",
}
