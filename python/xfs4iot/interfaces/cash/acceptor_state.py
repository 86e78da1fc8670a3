"""What is kept of a device that takes in cash, and what its commands do alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.devices import CashedIn, CashMovement, CashReturned, UnitsCounted, implements
from xfs4iot.interfaces.cash.cash_in import Step
from xfs4iot.interfaces.cash.cash_management import CashManagement
from xfs4iot.interfaces.cash.counts import Booking
from xfs4iot.interfaces.cash.locks import Locks
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface
from xfs4iot.server.service import Service

__all__ = ["AcceptorState", "completed", "refusals_counted"]

_Completion = TypeVar("_Completion", bound=msgspec.Struct)


class AcceptorState(Interface[devices.CashAcceptor]):
    """The cash-in, the note types, the locks, and how what is inside is moved."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        management = service.interface(CashManagement)
        self.cash = management.cash
        self.transaction = management.transaction
        self.note_types = management.note_types
        self.tellers = management.tellers
        self._movements = management.movements
        self._locks = Locks(self.cash)
        for kind, consequence in (
            ("cashIn", self.transaction.after_cash_in),
            ("cashInEnd", self.transaction.after_end),
            ("cashInEnd", self._after_end),
            ("cashInRollback", self.transaction.after_rollback),
            ("retract", self.transaction.after_retract),
            ("reset", self.transaction.after_reset),
            ("preparePresent", self.transaction.after_present),
            ("presentMedia", self.transaction.after_present),
            ("unitCount", self._after_count),
        ):
            self._movements.consequences[kind].append(consequence)

    async def start(self) -> None:
        """Tell the device which items it is to accept."""
        await self._tell_note_types_again()

    async def reopened(self) -> None:
        """Tell it again."""
        await self._tell_note_types_again()

    def _units_by_unit(self, attribute: str) -> Mapping[str, frozenset[str]]:
        stated: Mapping[str, frozenset[str]]
        stated = self.service.operations.stated(attribute, Mapping[str, frozenset[str]], {})
        known = self.cash.units.keys()
        return {one: many & known for one, many in stated.items() if one in known}

    @property
    def replenish_targets(self) -> Mapping[str, frozenset[str]]:
        """By unit that Replenish empties, the units it can fill."""
        return self._units_by_unit("replenish_targets")

    @property
    def deplete_sources(self) -> Mapping[str, frozenset[str]]:
        """By unit that Deplete fills, the units it can empty."""
        return self._units_by_unit("deplete_sources")

    def _warn_of_units(self, booking: Booking, units: tuple[str, ...]) -> None:
        """Name the units that took items which they should not have."""
        rejects = self.cash.names_of_type("reject", "cashInRetract")
        if strange := booking.taken_in.keys() - {*units, *rejects}:
            self.service.log.error(
                "%s stored items in %s, which can take none now; see Storage.GetStorage",
                type(self.device).__name__,
                ", ".join(sorted(strange)),
            )

    async def _settled(self, how: Step) -> None:
        """Book what is still open, which may have ended the cash-in, or brought more into it.

        Raises:
            CommandError: `noCashInActive`.
        """
        async with self._movements.settled():
            self.transaction.require(how)

    def _all_known(self) -> bool:
        """Whether the books have all that this cash-in has brought inside."""
        return self.transaction.record.reliable

    async def _end_empty(self, how: Literal["CashInEnd", "CashInRollback"]) -> None:
        """End a cash-in in which nothing was accepted.

        Raises:
            CommandError: `noItems`, always.
        """
        with trio.CancelScope(shield=True):
            await self.transaction.end_empty(how)
        raise errors.CommandError("noItems", "nothing was accepted; the cash-in is over")

    def _after_end(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes of a teller's totals when items were stored."""
        teller = detail.get("teller")
        if teller is None or result is None:
            return {}
        stored: dict[str, Decimal] = {}
        for buckets in booking.taken_in.values():
            for currency, amount in self.cash.worth(buckets.get("deposited", {})).items():
                stored[currency] = stored.get(currency, Decimal(0)) + amount
        coins = self.device.acceptor_type.endswith("Coin")
        return self.tellers.received(teller, stored, coins)

    async def _give_back(
        self,
        command: Command[Any],
        kind: str,
        operation: Any,
        position: str,
        believe: Callable[[CashReturned], None],
    ) -> tuple[CashReturned, Booking]:
        """Let items move to an output, or get ready to."""

        def clears(result: CashReturned) -> tuple[str, ...]:
            # Only a rollback brings out all that is inside; after one bunch more may stay there.
            done = result.presented is True and result.additional_bunches == 0
            return ("stacker", "transport") if done and kind == "cashInRollback" else ()

        return await self._movements.move(
            command,
            kind,
            operation,
            position,
            believe=believe,
            clears=clears,
            # Items may be kept instead of given back.
            units=self.cash.names_of_type("cashIn", "reject"),
            detail=lambda: {
                "position": position,
                "givesBack": True,
                "inserted": self.transaction.inserted,
            },
        )

    async def _tell_note_types_again(self) -> None:
        if not self.note_types.configured or not implements(self.device, "configure_note_types"):
            return
        try:
            await self.ask(devices.CashAcceptor.configure_note_types, self.note_types.enabled())
        except errors.XfsError as fault:
            self.service.log.error("the device did not take its note types: %s", fault)

    def _after_count(
        self, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> dict[str, bytes]:
        """What changes when units were counted: their counts are accurate."""
        if not isinstance(result, UnitsCounted) or not result.counted:
            return {}
        for unit in result.counted:
            self.cash.kept[unit].accuracy = "accurate"
            booking.inaccurate.discard(unit)
        return self.cash.documents()


def refusals_counted(result: CashedIn, sent: Mapping[type, int]) -> CashedIn:
    """A cash-in with the refused items, where the device told them by events only."""
    told = sent.get(messages.InputRefuseEvent, 0)
    out = sum(items.count for items in result.moved if (items.source, items.target) == ("customer", "output"))
    return dataclasses.replace(result, refused=max(told, out)) if result.refused is None else result


def completed(completion: _Completion, result: CashMovement) -> _Completion:
    """The completion of a movement, or its failure with it.

    Raises:
        XfsError: the failure.
    """
    if result.failure is None:
        return completion
    if isinstance(result.failure, errors.CommandError):
        result.failure.payload = completion
    raise result.failure
