"""A deposit: notes in, one of them refused, counted by denomination, confirmed, stored, receipt."""

from __future__ import annotations

from xfs4iot.stories.books import compare_cash, units_of
from xfs4iot.stories.depositing import insert_notes, keep_notes
from xfs4iot.stories.entering import confirm
from xfs4iot.stories.receipt import print_receipt
from xfs4iot.stories.stage import Stage

__all__ = ["play"]

BUNCH = (
    {"note": "EUR10", "count": 2},
    {"note": "EUR20", "count": 2},
    {"note": "EUR50", "count": 1},
    # No bank note.
    {"count": 1},
)


async def play(stage: Stage) -> None:
    """A customer deposits 110 EUR, and a piece of paper."""
    before = await units_of(stage, "CashAcceptor")
    counted = await insert_notes(stage, BUNCH)
    total = sum(amount for _, _, amount in counted)
    await confirm(stage, f"{total} EUR")
    await keep_notes(stage)
    lines = [(f"{count} x {name}", f"{amount} EUR") for name, count, amount in counted]
    await print_receipt(stage, "Deposit", [*lines, ("In all", f"{total} EUR")])
    await compare_cash(stage, before)
