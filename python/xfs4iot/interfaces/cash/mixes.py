"""Mixes: the ways of making up an amount, by algorithm or by a bank's own table.

`mix1` to `mix3` are the algorithms. A table with the number 21 is `mixTable21`; setting it
again replaces it. Tables are kept in the ledger. An amount may stand in several rows of a
table; they are tried in the table's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from xfs4iot.denominate import MixTable
from xfs4iot.interfaces.cash.money import is_exact, is_possible
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import cash_dispenser as messages
from xfs4iot.server.service import Service

__all__ = ["Mixes"]

_KEPT = Document(
    "CashDispenser.mixTables", read=lambda kept: wire.decode(dict[str, messages.GetMixTableCompletion], kept)
)
_ALGORITHMS = {
    "mix1": ("minimumBills", "Minimum number of bills"),
    "mix2": ("equalEmptying", "Equal emptying of the units"),
    "mix3": ("maxCashUnits", "Maximum number of units"),
}
_TABLE = "mixTable"
_MOST_ITEMS = 1_000_000


class Mixes:
    """The mixes of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tables: dict[str, messages.GetMixTableCompletion] = {}
        self.chosen_by_name: dict[str, str | MixTable] = _for_solver({})
        """What the solver is told for each mix; another mapping when a table has been set."""

    def start(self) -> None:
        """Recall the tables."""
        self._tables = _KEPT.of(self._service.ledger) or {}
        self.chosen_by_name = _for_solver(self._tables)

    def types(self) -> dict[str, messages.Mix]:
        """All mixes, by name."""
        mixes = {
            name: messages.Mix(type="algorithm", algorithm=algorithm, name=title)
            for name, (algorithm, title) in _ALGORITHMS.items()
        }
        for name, table in self._tables.items():
            mixes[name] = messages.Mix(type="table", name=table.name)
        return mixes

    def table(self, mix: str | None) -> messages.GetMixTableCompletion:
        """A table of the bank's own.

        Raises:
            CommandError: `invalidMix`.
        """
        if mix is None or mix not in self._tables:
            raise errors.CommandError(
                "invalidMix", f"{mix!r} is not a mix table; see CashDispenser.GetMixTypes for those there are"
            )
        return self._tables[mix]

    def chosen(self, mix: str) -> str | MixTable:
        """What the solver is to be told for `mix`.

        Raises:
            CommandError: `invalidMixNumber`.
        """
        if mix not in self.chosen_by_name:
            raise errors.CommandError(
                "invalidMixNumber", f"there is no mix {mix!r}; see CashDispenser.GetMixTypes"
            )
        return self.chosen_by_name[mix]

    async def set_table(self, request: messages.SetMixTable) -> None:
        """Check and keep a table.

        Raises:
            InvalidData: something is missing.
            CommandError: `invalidMixNumber`, `invalidMixTable`.
        """
        if request.mix_number is None or not request.name or not request.mix_rows:
            raise errors.InvalidData("$.mixNumber, $.name and $.mixRows are needed")
        if request.mix_number <= len(_ALGORITHMS):
            raise errors.CommandError(
                "invalidMixNumber",
                f"mix number {request.mix_number} is taken by an algorithm; use one above {len(_ALGORITHMS)}",
            )
        for number, row in enumerate(request.mix_rows):
            _check_row(row, f"$.mixRows[{number}]")
        name = f"{_TABLE}{request.mix_number}"
        tables = {
            **self._tables,
            name: messages.GetMixTableCompletion(
                mix_number=request.mix_number, name=request.name, mix_rows=request.mix_rows
            ),
        }
        await self._service.ledger.put_document(_KEPT.name, wire.encode(tables))
        # Only now that it is durable.
        self._tables = tables
        self.chosen_by_name = _for_solver(tables)


def _check_row(row: messages.MixRow, path: str) -> None:
    if row.amount is None or not row.mix:
        raise errors.InvalidData(f"{path}: amount and mix are needed")
    total = Decimal(0)
    for number, entry in enumerate(row.mix):
        if entry.value is None or entry.count is None:
            raise errors.InvalidData(f"{path}.mix[{number}]: value and count are needed")
        if not _is_item_value(entry.value) or not 0 < entry.count <= _MOST_ITEMS:
            raise errors.CommandError(
                "invalidMixTable",
                f"{path}.mix[{number}]: no device dispenses {entry.count} items of {entry.value}",
            )
        total += entry.value * entry.count
    if total != row.amount:
        raise errors.CommandError(
            "invalidMixTable", f"{path}: its items are worth {total}, its amount is {row.amount}"
        )


def _is_item_value(value: Decimal) -> bool:
    return value > 0 and is_possible(value) and is_exact(value)


def _for_solver(tables: Mapping[str, messages.GetMixTableCompletion]) -> dict[str, str | MixTable]:
    mixes: dict[str, str | MixTable] = {name: algorithm for name, (algorithm, _) in _ALGORITHMS.items()}
    return mixes | {name: _solvers_table(table.mix_rows or []) for name, table in tables.items()}


def _solvers_table(rows: list[messages.MixRow]) -> MixTable:
    mixes: list[tuple[Decimal, dict[Decimal, int]]] = []
    for row in rows:
        assert row.amount is not None
        counts: dict[Decimal, int] = {}
        for entry in row.mix or []:
            assert entry.value is not None
            assert entry.count is not None
            counts[entry.value] = counts.get(entry.value, 0) + entry.count
        mixes.append((row.amount, counts))
    return MixTable(mixes)
