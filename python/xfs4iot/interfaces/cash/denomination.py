"""Denomination: from what a client asks for to items by unit.

A client asks for amounts and a mix (`service`), where `partial` gives the least number of
items from some units, or names the items itself (`app`); then amounts that are given must be
exactly what the items are worth, currency by currency. What is to come from a teller's cash
box is part of the amounts, and not an item.

A unit takes part if it is configured for cashOut, works, holds items and is not locked by an
application. `STEPS` is the order in which errors are found.

A plan is made in one go from what there is at that moment (see `stock`); what takes the solver long is
searched for beforehand, see `search`. Most requests are everyday ones, an amount of one currency by a mix:
they are answered from their text, and what is said here of all requests holds for them as well, since
whatever could be an error is left to the plan.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.cash.mixes import Mixes
from xfs4iot.interfaces.cash.money import is_exact, is_possible
from xfs4iot.interfaces.cash.search import Answer, LongSearch, Question
from xfs4iot.interfaces.cash.stock import Stock, Stocks
from xfs4iot.interfaces.cash.tellers import Tellers
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_dispenser as messages
from xfs4iot.server.handler import step

__all__ = ["STEPS", "Denominator", "Planned"]

_FLAT = frozenset({"2021-1"})
"""Versions in which a Denominate has its amounts and its mix side by side, and its completion no `result`."""
STEPS = (
    step(
        "what is missing",
        "what is missing: `denomination`, one of `app` and `service`, `mix`",
        "invalidData",
    ),
    step("no exchange", "an exchange", "exchangeActive"),
    step("teller", "the teller, at teller devices", "invalidTellerID"),
    step("cash box", "the cash box", "noCashBoxPresent", "invalidDenomination", "notDispensable"),
    step(
        "currencies",
        "currencies: three letters, and some unit is configured for them; without any, `invalidDenomination`",
        "invalidCurrency",
        "invalidDenomination",
    ),
    step(
        "amounts",
        "amounts: not negative, five decimals at most; of any size, in constant time",
        "invalidDenomination",
        "notDispensable",
    ),
    step("mix", "the mix; amounts that are all 0 are `invalidData`", "invalidMixNumber", "invalidData"),
    step(
        "counts",
        "counts and partial counts: negative ones are `invalidDenomination`, those not from this unit or "
        "more than it holds `notDispensable`; why a unit is locked or does not work, "
        "`StorageErrorEvent` says",
        "invalidDenomination",
        "notDispensable",
        "cashUnitError",
    ),
    step("stock", "what the units in use hold, currency by currency", "notDispensable"),
    step(
        "the mix's answer",
        "the mix's answer; `internalError` if it is not found within the solver's limit of work",
        "notDispensable",
        "amountNotInMixTable",
        "tooManyItems",
    ),
    step("worth", "`app`: what the items are worth", "invalidCurrency", "invalidDenomination"),
    step("one currency", "several currencies at a device that dispenses one at a time", "noCurrencyMix"),
    step("max items", "`maxDispenseItems`", "tooManyItems"),
)
"""What `Denominator.plan_at_once` looks at, in its order."""

_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Planned:
    """What is to be paid out.

    Attributes:
        currencies: amounts, with those from the cash box.
        counts: items by unit.
        cash_box: amounts that the teller takes from the cash box.
        teller: who pays, at a teller device.
    """

    currencies: Mapping[str, Decimal]
    counts: Mapping[str, int]
    cash_box: Mapping[str, Decimal]
    teller: int | None = None

    def message(self) -> messages.Denomination:
        """As the standard writes it."""
        return messages.Denomination(
            currencies=dict(self.currencies) or None,
            values=dict(self.counts) or None,
            cash_box=messages.DenominationCashBox(currencies=dict(self.cash_box)) if self.cash_box else None,
        )


class Denominator:
    """Denominates for one service."""

    def __init__(self, cash: CashUnits, mixes: Mixes, tellers: Tellers) -> None:
        self._cash = cash
        self._mixes = mixes
        self._tellers = tellers
        self._stocks = Stocks(cash, mixes)
        # A command whose turn it is does not wait for the searches of those beside the queue.
        self._threads_in_turn, self._threads_beside = trio.CapacityLimiter(1), trio.CapacityLimiter(1)

    def everyday(self, payload: bytes, specification: str) -> bytes | None:
        """The completion of a Denominate, both in a version of the standard; None if it is to be planned."""
        if self._cash.storage.exchange_active:
            return None
        return self._stocks.now().everyday.answer(payload, self._limit(), specification in _FLAT)

    async def plan(
        self, request: messages.DenominateRequest | None, path: str, beside: LongSearch | None = None
    ) -> Planned:
        """Items for a request; nothing is awaited unless they take long to find.

        What is there may have changed during a search; then the plan is another one, which may
        need a search of its own.

        Args:
            path: where the request stands, for error descriptions.
            beside: the search that a command beside the queue has found to need; None for one whose
                turn it is.

        Raises:
            InvalidData, CommandError: as the catalogue has them for `CashDispenser.Denominate`.
            InternalError: the solver has come to its limit of work.
        """
        search, answer = beside, None
        threads = self._threads_in_turn if beside is None else self._threads_beside
        while True:
            if search is not None:
                answer = await search.answer(threads)
            try:
                return self.plan_at_once(request, path, answer)
            except LongSearch as needed:
                search = needed

    def plan_at_once(
        self, request: messages.DenominateRequest | None, path: str, answer: Answer | None = None
    ) -> Planned:
        """Items for a request, of what the units hold now.

        Args:
            path: where the request stands, for error descriptions.
            answer: what a long search has found.

        Raises:
            InvalidData, CommandError: as the catalogue has them for `CashDispenser.Denominate`.
            InternalError: the solver has come to its limit of work.
            LongSearch: the items take long to find.
        """
        if request is None or request.denomination is None:
            raise errors.InvalidData(f"{path}.denomination is missing")
        app, service = request.denomination.app, request.denomination.service
        asked = app if app is not None else service
        if asked is None or (app is not None and service is not None):
            raise errors.InvalidData(f"{path}.denomination: give either app or service")
        if service is not None and not service.mix:
            raise errors.InvalidData(
                f"{path}.denomination.service.mix is missing; see CashDispenser.GetMixTypes"
            )
        self._cash.storage.require_no_exchange()
        teller = request.teller_id
        if self._tellers.present and teller is not None:
            self._tellers.require(teller, "invalidTellerID")
        stock = self._stocks.now()
        cash_box = self._cash_box(asked.cash_box)
        currencies = self._currencies(asked.currencies, cash_box, stock)
        amounts = {
            currency: amount - cash_box.get(currency, Decimal(0)) for currency, amount in currencies.items()
        }
        if any(amount < 0 for amount in amounts.values()):
            raise errors.CommandError("invalidDenomination", "the cash box is to give more than the amount")
        if service is not None:
            counts = self._mixed(service, amounts, stock, path, answer)
        else:
            assert app is not None
            counts = self._chosen(app, amounts, stock, bool(cash_box))
        self._check_currency_mix(counts)
        self._check_limit(counts)
        return Planned(currencies or self._worth(counts), counts, cash_box, teller)

    def _cash_box(self, wanted: messages.DenominationCashBox | None) -> dict[str, Decimal]:
        amounts = dict(wanted.currencies or {}) if wanted is not None else {}
        if not any(amounts.values()):
            return {}
        capabilities = self._cash.device.capabilities.cash_management
        if capabilities is None or not capabilities.cash_box:
            raise errors.CommandError("noCashBoxPresent", "this device has no cash box")
        _check_money(amounts, "from the cash box")
        return amounts

    def _currencies(
        self, wanted: Mapping[str, Decimal] | None, cash_box: Mapping[str, Decimal], stock: Stock
    ) -> dict[str, Decimal]:
        if wanted is None:
            raise errors.CommandError("invalidDenomination", "no currencies are given")
        known = stock.currencies | cash_box.keys()
        if not wanted:
            raise errors.CommandError("invalidCurrency", "no currency is given")
        for currency in [*wanted, *cash_box]:
            if not _CURRENCY.fullmatch(currency) or currency not in known:
                raise errors.CommandError(
                    "invalidCurrency",
                    f"{currency!r} cannot be dispensed; the units have "
                    f"{', '.join(sorted(filter(None, known))) or 'no currency'}",
                )
            if currency not in wanted:
                raise errors.CommandError(
                    "invalidCurrency", f"{currency!r} of the cash box is not among the amounts"
                )
        _check_money(wanted, "asked for")
        return dict(wanted)

    def _mixed(
        self,
        asked: messages.ServiceMix,
        amounts: Mapping[str, Decimal],
        stock: Stock,
        path: str,
        answer: Answer | None,
    ) -> dict[str, int]:
        assert asked.mix is not None
        mix = self._mixes.chosen(asked.mix)
        wanted = {currency: amount for currency, amount in amounts.items() if amount}
        if not wanted:
            if any(asked.currencies.values() if asked.currencies else ()):
                return {}
            raise errors.InvalidData(f"{path}.denomination.service.currencies: the amounts are 0")
        partial = self._within_units(asked.partial or {}, stock)
        _check_stock(wanted, stock)
        question = Question(wanted, stock.units, mix, self._limit(), partial)
        # What the units hold may have changed during the search: then its answer is to another question.
        if answer is None or answer.question != question:
            answer = question.answer_at_once()
        return answer.items()

    def require_available(self, counts: Mapping[str, int]) -> None:
        """Refuse items by unit that are not there any more.

        Raises:
            CommandError: `notDispensable`, `cashUnitError`.
        """
        self._within_units(counts, self._stocks.now())

    def _within_units(self, counts: Mapping[str, int], stock: Stock) -> dict[str, int]:
        """The counts above 0, each of which its unit can give."""
        cash = self._cash
        if negative := [unit for unit, count in counts.items() if count < 0]:
            raise errors.CommandError("invalidDenomination", f"the count of {negative[0]} is negative")
        able = stock.able
        for unit, count in counts.items():
            if count == 0:
                continue
            if unit not in able:
                raise errors.CommandError(
                    "notDispensable", f"nothing can be dispensed from {unit!r}; units: {', '.join(able)}"
                )
            reason = cash.out_of_use(unit)
            # Emptiness is for the count below to find; a unit that only fed nothing may still be named.
            if reason is not None and reason.failure != "empty":
                raise reason
            held = cash.counts.total(unit)
            if count > held:
                raise errors.CommandError(
                    "notDispensable",
                    f"unit {unit!r} holds {held} items, {count} asked for; see Storage.GetStorage",
                )
        return {unit: count for unit, count in counts.items() if count}

    def _chosen(
        self, asked: messages.ApplicationMix, amounts: Mapping[str, Decimal], stock: Stock, cash_box: bool
    ) -> dict[str, int]:
        counts = self._within_units(asked.counts or {}, stock)
        if not counts and not cash_box:
            raise errors.CommandError("invalidDenomination", "no items are given, and no mix")
        worth = self._worth(counts)
        if strange := sorted(worth.keys() - amounts.keys()):
            raise errors.CommandError(
                "invalidCurrency", f"items of {', '.join(strange)} are given, but no amount of it"
            )
        if any(amounts.values()):
            for currency, amount in amounts.items():
                if worth.get(currency, Decimal(0)) != amount:
                    raise errors.CommandError(
                        "invalidDenomination",
                        f"the items are worth {worth.get(currency, 0)} {currency}, {amount} asked for",
                    )
        return counts

    def _worth(self, counts: Mapping[str, int]) -> dict[str, Decimal]:
        """What items by unit are worth, by currency."""
        worth: dict[str, Decimal] = {}
        for unit, count in counts.items():
            configuration = self._cash.configuration(unit)
            if configuration.currency and configuration.value:
                before = worth.get(configuration.currency, Decimal(0))
                worth[configuration.currency] = before + configuration.value * count
        return worth

    def worth(self, counts: Mapping[str, int]) -> dict[str, Decimal]:
        """What items by unit are worth, by currency."""
        return self._worth(counts)

    def _check_currency_mix(self, counts: Mapping[str, int]) -> None:
        currencies = sorted(self._worth(counts))
        if len(currencies) > 1 and not self._cash.service.operations.stated("currency_mix", bool, True):
            raise errors.CommandError(
                "noCurrencyMix",
                f"this device dispenses one currency at a time, not {' and '.join(currencies)}",
            )

    def _limit(self) -> int | None:
        capabilities: Any = self._cash.device.capabilities.cash_dispenser
        return capabilities.max_dispense_items if capabilities is not None else None

    def _check_limit(self, counts: Mapping[str, int]) -> None:
        limit, items = self._limit(), sum(counts.values())
        if limit is not None and items > limit:
            raise errors.CommandError(
                "tooManyItems", f"{items} items are needed, the device dispenses {limit} at once"
            )


def _check_money(amounts: Mapping[str, Decimal], what: str) -> None:
    """Refuse what is not an amount of money, before anything is reckoned with it.

    Raises:
        CommandError: `invalidDenomination`, `notDispensable`.
    """
    for currency, amount in amounts.items():
        if amount < 0:
            raise errors.CommandError("invalidDenomination", f"the {currency} {what} are negative")
        if not is_possible(amount):
            raise errors.CommandError("notDispensable", f"no device holds as many {currency} as are {what}")
        if not is_exact(amount):
            raise errors.CommandError(
                "invalidDenomination", f"the {currency} {what} have more than five decimals"
            )


def _check_stock(wanted: Mapping[str, Decimal], stock: Stock) -> None:
    """Refuse amounts above what the units hold, currency by currency, without looking for a mix.

    Raises:
        CommandError: `notDispensable`.
    """
    for currency, amount in wanted.items():
        held = stock.held.get(currency, Decimal(0))
        if amount > held:
            raise errors.CommandError(
                "notDispensable",
                f"{amount} {currency} asked for, the units in use hold {held}; see Storage.GetStorage",
            )
