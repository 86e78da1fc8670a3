"""CashDispenser: paying out cash.

    Dispense          units → stacker            Present   stacker → output
    Reject            stacker → reject unit      Retract   output, stacker → retract unit (CashManagement)
    Count             units → output             TestCashUnits   an item of each unit → reject unit

A device without a stacker dispenses to the output at once. A dispense needs a clear way: items
on the stacker, the transport or at the output (`itemsLeft`), an open shutter (`shutterOpen`) and
an exchange all rule it out. Checks come before anything moves and change nothing, not even the
present status. What was dispensed is what the device reports, not what was planned.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

from xfs4iot import devices
from xfs4iot.devices import (
    CashUnitError,
    Destination,
    DispenseRequest,
    items_from,
)
from xfs4iot.interfaces.cash.cash_management import CashManagement
from xfs4iot.interfaces.cash.checks import (
    device_there,
    items_inside,
    no_cash_in_active,
    no_exchange,
    position_exists,
    shutter_closed,
    still_available,
    way_free,
)
from xfs4iot.interfaces.cash.denomination import STEPS, Denominator, Planned
from xfs4iot.interfaces.cash.mixes import Mixes
from xfs4iot.interfaces.cash.payout import Payout
from xfs4iot.interfaces.cash.positions import (
    destination,
    output_position,
    require_closed_shutter,
    require_free_way,
    status_of,
)
from xfs4iot.interfaces.cash.present_status import PresentStatuses
from xfs4iot.interfaces.cash.reported import (
    counted_as_asked,
    dispensed_as_asked,
    presented_as_asked,
    rejected_as_asked,
    tested_as_asked,
)
from xfs4iot.interfaces.cash.results import storage_changes
from xfs4iot.interfaces.cash.search import LongSearch
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.common.common import Common
from xfs4iot.interfaces.common.end_to_end_security import token_allows
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.cash_dispenser import DispenseEvents, TestCashUnitsEvents
from xfs4iot.protocol.messages import cash_dispenser as messages
from xfs4iot.protocol.messages import cash_management as cash
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, Later, Token, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["CashDispenser"]


def _reject_unit(on: CashDispenser) -> str:
    """The unit that rejected items go to.

    Raises:
        CashUnitError: none of them works and has room.
    """
    where = destination(
        on.cash,
        cash.ItemTargetData(target="reject"),
        not_supported="cashUnitError",
        wrong_index="cashUnitError",
    )
    if where.unit is None or on.cash.replenishment_status(where.unit) == "full":
        units = on.cash.names_of_type("reject")
        raise CashUnitError("full", units, "no reject unit has room; see Storage.GetStorage")
    return where.unit


def _units_to_count(on: CashDispenser, request: messages.Count) -> tuple[str, ...]:
    """The unit named; without a name all that cash is dispensed from.

    Raises:
        InvalidData: there is no such unit.
    """
    if request.unit is None:
        return tuple(on.cash.names_of_type("cashOut"))
    if request.unit not in on.cash.units:
        raise errors.InvalidData(f"$.unit: there is no unit {request.unit!r}; see Storage.GetStorage")
    return (request.unit,)


def _test_target(on: CashDispenser, request: messages.TestCashUnits) -> Destination:
    return destination(
        on.cash,
        request.target,
        not_supported="unsupportedPosition",
        wrong_index="unsupportedPosition",
        prefer=("reject", "retract"),
    )


@check("unsupportedPosition")
def named_position_exists(on: CashDispenser, request: messages.Dispense) -> None:
    """the position that is named, and the device's default if no teller pays"""
    by_teller = request.denomination is not None and request.denomination.teller_id is not None
    if request.position is not None or not (by_teller and on.tellers.present):
        output_position(on.device, request.position)


@check("shutterOpen")
def shutter_not_left_open(on: CashDispenser, request: messages.Present) -> None:
    """a shutter that the device moves by itself and that is open: what is there must be taken first"""
    position = output_position(on.device, request.position)
    at = status_of(on.device, position)
    capabilities = on.device.capabilities.cash_dispenser
    implicit = capabilities is None or capabilities.shutter_control is not False
    if implicit and at is not None and at.shutter == "open":
        raise errors.CommandError(
            "shutterOpen", f"the shutter at {position} is open; what is there must be taken or retracted"
        )


@check("cashUnitError")
def reject_unit_has_room(on: CashDispenser, request: None) -> None:
    """whether a reject unit works and has room"""
    _reject_unit(on)


@check("invalidData")
def unit_exists(on: CashDispenser, request: messages.Count) -> None:
    """the unit"""
    _units_to_count(on, request)


@check("cashUnitError")
def units_work(on: CashDispenser, request: messages.Count) -> None:
    """whether the units work"""
    units = _units_to_count(on, request)
    if broken := tuple(unit for unit in units if on.cash.hardware_status(unit) != "ok"):
        raise CashUnitError("error", broken, f"{', '.join(broken)} cannot be counted")


@check("unsupportedPosition", "invalidCashUnit", "cashUnitError", "invalidData")
def target_exists(on: CashDispenser, request: messages.TestCashUnits) -> None:
    """where the items are to go"""
    _test_target(on, request)


@check("shutterOpen")
def target_shutter_closed(on: CashDispenser, request: messages.TestCashUnits) -> None:
    """the shutter, if they are to go to an output"""
    where = _test_target(on, request)
    if where.target.startswith("out"):
        require_closed_shutter(on.device, where.target)


class CashDispenser(Interface[devices.CashDispenser]):
    """The interface of cash dispensers."""

    name: ClassVar[str] = "CashDispenser"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        management = service.interface(CashManagement)
        self.cash = management.cash
        self.tellers = management.tellers
        self.transaction = management.transaction
        self._movements = management.movements
        self._mixes = Mixes(service)
        self._denominator = Denominator(self.cash, self._mixes, self.tellers)
        self._present_status = PresentStatuses(service.ledger)
        self._tokens = service.interface(Common).tokens
        self._payout = Payout(self.cash, self._denominator, self.tellers, self._tokens, self._present_status)
        for kind, consequence in (
            ("dispense", self._payout.after_dispense),
            ("present", self._payout.after_present),
            ("retract", self._payout.after_retract),
            ("reset", self._payout.after_retract),
        ):
            self._movements.consequences[kind].append(consequence)

    async def start(self) -> None:
        """Recall the mix tables."""
        self._mixes.start()

    @handles("CashDispenser.GetMixTypes")
    def get_mix_types(self, request: None, command: Command) -> messages.GetMixTypesCompletion:
        """`CashDispenser.GetMixTypes` 2.0."""
        return messages.GetMixTypesCompletion(mixes=self._mixes.types())

    @handles(
        "CashDispenser.GetMixTable",
        checks=(step("table exists", "whether there is such a table", "invalidMix"),),
    )
    def get_mix_table(
        self, request: messages.GetMixTable, command: Command
    ) -> messages.GetMixTableCompletion:
        """`CashDispenser.GetMixTable` 2.0."""
        return self._mixes.table(request.mix)

    @handles(
        "CashDispenser.SetMixTable",
        checks=(
            step("table complete", "what is missing", "invalidData"),
            step("number free", "the number, which no algorithm of the standard has", "invalidMixNumber"),
            step("rows add up", "whether each row adds up", "invalidMixTable"),
        ),
    )
    async def set_mix_table(self, request: messages.SetMixTable, command: Command) -> None:
        """`CashDispenser.SetMixTable` 2.0."""
        await self._mixes.set_table(request)

    @handles("CashDispenser.GetPresentStatus", checks=(position_exists,))
    async def get_present_status(
        self, request: messages.GetPresentStatus, command: Command
    ) -> messages.GetPresentStatusCompletion:
        """`CashDispenser.GetPresentStatus` 2.0, completion 3.0.

        Waits for its turn, so that a client that was cut off learns of its dispense that still runs.
        """
        position = output_position(self.device, request.position)
        known = self._present_status.at(position)
        planned = Planned(known.currencies, known.values, known.cash_box)
        return messages.GetPresentStatusCompletion(
            denomination=planned.message() if known.values or known.cash_box else None,
            present_state=known.state,
            token=await self._tokens.present_token(request.nonce, known.report()),
        )

    def everyday_denominate(self, payload: bytes | None, specification: str) -> bytes | None:
        """`CashDispenser.Denominate` of an amount of one currency by a mix; None for all others."""
        return None if payload is None else self._denominator.everyday(payload, specification)

    @handles("CashDispenser.Denominate", asks="dispense", checks=STEPS, everyday=everyday_denominate)
    def denominate(
        self, request: messages.Denominate, command: Command
    ) -> messages.DenominateCompletion | Later:
        """`CashDispenser.Denominate` 3.0: nothing moves and nothing is reserved."""
        try:
            planned = self._denominator.plan_at_once(request.request, "$.request")
        except LongSearch as search:
            return Later(partial(self._denominate_later, request, search))
        return messages.DenominateCompletion(result=planned.message())

    async def _denominate_later(
        self, request: messages.Denominate, search: LongSearch
    ) -> messages.DenominateCompletion:
        planned = await self._denominator.plan(request.request, "$.request", search)
        return messages.DenominateCompletion(result=planned.message())

    @handles(
        "CashDispenser.Dispense",
        checks=(
            named_position_exists,
            no_cash_in_active,
            *STEPS,
            step("teller's position", "the teller's own position", "unsupportedPosition"),
            shutter_closed,
            way_free,
            token_allows,
            device_there,
            still_available,
        ),
        device=("safeDoorOpen", "itemsLeft", "cashUnitError", "notDispensable"),
        token=Token("DISPENSE"),
    )
    async def dispense(
        self, request: messages.Dispense, command: Command[DispenseEvents]
    ) -> messages.DispenseCompletion:
        """`CashDispenser.Dispense` 3.0."""
        planned = await self._denominator.plan(request.denomination, "$.denomination")
        position = self._dispense_position(request)
        # After the plan, whose search may have taken a while: the way has to be free now.
        require_closed_shutter(self.device, position)
        require_free_way(self.device, position)
        async with self._tokens.authorised(
            request.token, self._payout.token_amounts(planned.counts)
        ) as token:
            result, booking = await self._movements.move(
                command,
                "dispense",
                devices.CashDispenser.dispense,
                # A copy that cannot be changed: the result is compared with what was planned.
                DispenseRequest(MappingProxyType(dict(planned.counts)), position, request.token),
                believe=dispensed_as_asked(planned.counts),
                planned=items_from(planned.counts, "stacker" if self._has_stacker() else "output"),
                # Any item may be rejected on its way.
                units=self.cash.names_of_type("reject"),
                check=partial(self._denominator.require_available, planned.counts),
                detail={
                    "position": position,
                    "requestId": command.request_id,
                    "identity": command.identity,
                    "cashBox": {name: str(amount) for name, amount in planned.cash_box.items()},
                    "teller": planned.teller,
                    **token,
                },
            )
        paid = self._payout.paid(result)
        done = Planned(self._payout.with_cash_box(paid, planned.cash_box), paid, planned.cash_box)
        if result.failure is not None:
            if done.counts:
                whole = done.message()
                command.send(
                    messages.IncompleteDispenseEvent(
                        currencies=whole.currencies, values=whole.values, cash_box=whole.cash_box
                    )
                )
            raise result.failure
        bunches = "unknown" if result.bunches is None else str(result.bunches)
        return messages.DispenseCompletion(
            denomination=done.message(), bunches=bunches, storage=storage_changes(booking)
        )

    def _dispense_position(self, request: messages.Dispense) -> Any:
        """The position asked for; without one, the teller's own or the default."""
        asked = request.denomination
        if (
            request.position is None
            and asked is not None
            and asked.teller_id is not None
            and self.tellers.present
        ):
            teller = self.tellers.require(asked.teller_id, "invalidTellerID")
            return output_position(self.device, teller.output_position)
        return output_position(self.device, request.position)

    def _has_stacker(self) -> bool:
        capabilities = self.device.capabilities.cash_dispenser
        return bool(capabilities is not None and capabilities.intermediate_stacker)

    @handles(
        "CashDispenser.Present",
        checks=(
            no_exchange,
            no_cash_in_active,
            position_exists,
            items_inside,
            shutter_not_left_open,
            device_there,
        ),
        device=("shutterNotOpen", "presentErrorNoItems", "presentErrorItems", "presentErrorUnknown"),
    )
    async def present(self, request: messages.Present, command: Command) -> messages.PresentCompletion:
        """`CashDispenser.Present` 2.0."""
        position = output_position(self.device, request.position)
        result, _ = await self._movements.move(
            command,
            "present",
            devices.CashDispenser.present,
            position,
            believe=presented_as_asked(self.cash),
            units=self.cash.counts.at("stacker"),
            detail={"position": position},
        )
        if result.failure is not None:
            raise result.failure
        bunches = "unknown" if result.additional_bunches is None else str(result.additional_bunches)
        return messages.PresentCompletion(
            position=cash.PositionInfoNullable(position=position, additional_bunches=bunches)
        )

    @handles(
        "CashDispenser.Reject",
        checks=(no_exchange, no_cash_in_active, items_inside, reject_unit_has_room, device_there),
        device=("cashUnitError",),
    )
    async def reject(self, request: None, command: Command) -> None:
        """`CashDispenser.Reject` 2.0."""
        unit = _reject_unit(self)
        result, _ = await self._movements.move(
            command,
            "reject",
            devices.CashDispenser.reject,
            unit,
            units=[unit],
            believe=rejected_as_asked(self.cash, unit),
        )
        if result.failure is not None:
            raise result.failure

    @handles(
        "CashDispenser.PrepareDispense",
        checks=(given("action", "say start or stop"), no_exchange, device_ready),
    )
    async def prepare_dispense(self, request: messages.PrepareDispense, command: Command) -> None:
        """`CashDispenser.PrepareDispense` 2.0."""
        assert request.action is not None
        await self.ask(devices.CashDispenser.prepare_dispense, request.action)

    @handles(
        "CashDispenser.Count",
        checks=(no_exchange, no_cash_in_active, position_exists, unit_exists, units_work, device_there),
        device=("safeDoorOpen", "cashUnitError"),
    )
    async def count(self, request: messages.Count, command: Command) -> messages.CountCompletion:
        """`CashDispenser.Count` 2.0: one unit, or without one all that cash is dispensed from."""
        position = output_position(self.device, request.position)
        units = _units_to_count(self, request)
        result, _ = await self._movements.move(
            command,
            "count",
            devices.CashDispenser.count,
            units,
            position,
            units=units,
            believe=counted_as_asked(units),
        )
        counted = {
            unit: messages.CountCompletionCountedCashUnits(
                dispensed=result.dispensed[unit],
                counted=result.counted.get(unit) or None,
                replenishment_status=self.cash.replenishment_status(unit),
                status=self.cash.hardware_status(unit),
            )
            for unit in units
            if result.dispensed.get(unit)
        }
        payload = messages.CountCompletion(counted_cash_units=counted or None)
        if result.failure is not None:
            if isinstance(result.failure, errors.CommandError):
                result.failure.payload = payload
            raise result.failure
        return payload

    @handles(
        "CashDispenser.TestCashUnits",
        checks=(
            no_exchange,
            no_cash_in_active,
            target_exists,
            target_shutter_closed,
            step("units", "whether any unit can be tested; each that cannot is told", "cashUnitError"),
            device_there,
        ),
        device=(
            "cashUnitError",
            "shutterNotOpen",
            "presentErrorNoItems",
            "presentErrorItems",
            "presentErrorUnknown",
        ),
    )
    async def test_cash_units(
        self, request: messages.TestCashUnits, command: Command[TestCashUnitsEvents]
    ) -> None:
        """`CashDispenser.TestCashUnits` 2.0: succeeds if an item came from one unit at least."""
        where = _test_target(self, request)
        units: list[str] = []
        for unit in self.cash.names_of_type("cashOut"):
            if reason := self.cash.out_of_use(unit, tried=True):
                self.cash.storage.error(command, reason.failure, reason.units)
            else:
                units.append(unit)
        if not units:
            raise errors.CommandError("cashUnitError", "no unit can be tested; see Storage.GetStorage")
        result, _ = await self._movements.move(
            command,
            "test",
            devices.CashDispenser.test_cash_units,
            tuple(units),
            where,
            believe=tested_as_asked(units),
            units=[*units, *([where.unit] if where.unit else [])],
        )
        for unit, failure in result.failed.items():
            self.cash.storage.error(command, failure, (unit,))
        if result.failure is not None:
            raise result.failure
        if result.failed and set(result.failed) >= set(units):
            raise CashUnitError("error", units, "no unit passed the test; see the events")
