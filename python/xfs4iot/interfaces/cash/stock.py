"""What the units can give, worked out when it changes and not for each command.

Which units take part, what they hold, in which currencies, and by which mixes they may be asked follows
from four things: the units as `Storage` has them, whose `revision` counts their changes; what bars
units, such as ink, which changes without a word; the counts, which change when the ledger is written; and the
bank's mix tables. As long as all are as they were, so is the `Stock`.

The solver's part of it reads everyday requests from their text by itself and writes the answers, see
`rust/src/denominate/everyday.rs`; for all others there are the same units, for `Denominator` to plan with.
"""

from __future__ import annotations

from decimal import Decimal

from xfs4iot import denominate
from xfs4iot.denominate import MixTable, Unit
from xfs4iot.interfaces.cash.mixes import Mixes
from xfs4iot.interfaces.cash.units import CashUnits

__all__ = ["Stock", "Stocks"]

_MAX_UNITS = 64
"""Units that the solver takes."""


class Stock:
    """What the units can give at one moment.

    Attributes:
        able: units configured for cashOut, by index, whatever they hold.
        currencies: those that `able` units are configured for.
        units: those that take part in a denomination: they work, hold items and are not locked.
        held: what `units` are worth, by currency.
        everyday: answers everyday requests.
    """

    __slots__ = ("able", "currencies", "everyday", "held", "units")

    def __init__(self, cash: CashUnits, mixes: dict[str, str | MixTable]) -> None:
        self.able = cash.names_of_type("cashOut")
        self.currencies = {cash.configuration(name).currency for name in self.able}
        self.units: list[Unit] = []
        self.held: dict[str, Decimal] = {}
        for name in self.able:
            configuration = cash.configuration(name)
            currency, value = configuration.currency, configuration.value
            if currency and value and cash.out_of_use(name) is None:
                count = cash.counts.total(name)
                self.units.append(Unit(name, currency, value, count))
                self.held[currency] = self.held.get(currency, Decimal(0)) + value * count
        # More units than the solver takes are refused with the request, which can be told so.
        self.everyday = denominate.Stock(self.units if len(self.units) <= _MAX_UNITS else (), mixes)


class Stocks:
    """The stock of one service at any moment."""

    def __init__(self, cash: CashUnits, mixes: Mixes) -> None:
        self._cash = cash
        self._mixes = mixes
        self._of: tuple[int, int, list[object]] | None = None
        self._by: dict[str, str | MixTable] = {}
        self._stock: Stock | None = None

    def now(self) -> Stock:
        """What the units can give now."""
        storage = self._cash.storage
        state = (storage.revision, self._cash.service.ledger.revision, storage.barred_by())
        mixes = self._mixes.chosen_by_name
        if self._stock is None or state != self._of or mixes is not self._by:
            self._stock = Stock(self._cash, mixes)
            self._of, self._by = state, mixes
        return self._stock
