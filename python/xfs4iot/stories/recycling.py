"""Recycling: the very notes that one customer deposits are paid out to the next."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from xfs4iot.stories.books import compare_cash, units_of
from xfs4iot.stories.depositing import insert_notes, keep_notes
from xfs4iot.stories.paying import pay_out
from xfs4iot.stories.stage import Stage

__all__ = ["play"]

SERIALS = ("EA1000000015", "EA2000000024", "EA3000000033")
BUNCH = tuple({"note": "EUR50", "count": 1, "serial": serial} for serial in SERIALS)
AMOUNT = Decimal(150)


async def play(stage: Stage) -> None:
    """One customer deposits three notes of 50 EUR; the next one withdraws as many."""
    before = await units_of(stage, "CashAcceptor")
    await insert_notes(stage, BUNCH)
    await serials_are(stage, "Notes identified")
    stored = await keep_notes(stage)
    between = await compare_cash(stage, before)
    await pay_out(stage, AMOUNT, {"app": {"currencies": {"EUR": AMOUNT}, "counts": stored}})
    await serials_are(stage, "Notes recognised")
    await compare_cash(stage, between)


async def serials_are(stage: Stage, title: str) -> None:
    """One step: the notes that moved last have the serial numbers of the first customer's."""
    async with stage.step(title) as step:
        request = {"itemInfoType": {"serialNumber": True}}
        answer = await stage.call("CashManagement.GetItemInfo", request)
        found: Sequence[str] = sorted(one["serialNumber"] for one in answer["itemsList"])
        stage.expect("serial numbers", list(SERIALS), found)
        step.saw(f"serial numbers {', '.join(found)}")
