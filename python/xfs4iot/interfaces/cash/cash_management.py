"""CashManagement: what all devices that move cash have in common.

Retract and Reset bring items to where no customer reaches them; the shutter closes with
them. An exchange excludes every movement but Reset. Opening an open shutter, or closing a
closed one, is an error of its own. The known items are the device's. The classification list is
the service's, and given to the device at each start; so are the tellers and their totals.
"""

from __future__ import annotations

from copy import deepcopy
from operator import attrgetter
from typing import Any, ClassVar, TypeVar

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.devices import Destination, Retracted, RetractRequest, implements
from xfs4iot.interfaces.cash.cash_in import CashIn
from xfs4iot.interfaces.cash.checks import device_there, no_cash_in_active, no_exchange
from xfs4iot.interfaces.cash.classification import is_listed
from xfs4iot.interfaces.cash.counts import Booking, cash_counts
from xfs4iot.interfaces.cash.money import is_item_value
from xfs4iot.interfaces.cash.movement import CashMovements
from xfs4iot.interfaces.cash.note_types import NoteTypes
from xfs4iot.interfaces.cash.places import Places
from xfs4iot.interfaces.cash.positions import (
    destination,
    input_position,
    output_position,
    position_of_either_side,
    require_items,
    require_room,
    status_of,
)
from xfs4iot.interfaces.cash.reported import calibrated_as_asked
from xfs4iot.interfaces.cash.results import taken_in
from xfs4iot.interfaces.cash.tellers import Tellers
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.interfaces.checks import device_ready
from xfs4iot.interfaces.resetting import AlsoReset, reset_all
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.command_events.cash_management import ResetEvents, RetractEvents
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import cash_management as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["CashManagement"]

_CLASSIFICATION = Document(
    "CashManagement.classificationList",
    read=lambda kept: wire.decode(messages.GetClassificationListCompletion, kept),
)

_Target = TypeVar("_Target", "messages.ItemTargetData", "messages.MediaDetectedEvent")


def _retract_position(on: CashManagement, request: messages.Retract) -> str:
    """The output position that items are retracted from.

    Raises:
        UnsupportedData: the device lacks it; Retract has no error code for that.
    """
    location = request.location
    try:
        position: str = output_position(on.device, location.output_position if location else None)
    except errors.CommandError as unknown:
        raise errors.UnsupportedData(f"$.location.outputPosition: {unknown.description}") from None
    return position


def _destination(on: CashManagement, request: messages.Retract | messages.Reset) -> Destination:
    """Where the items of a Retract or Reset are to go."""
    if isinstance(request, messages.Reset):
        return destination(on.cash, request.position)
    location = request.location
    if location is None or location.retract_area is None:
        return destination(on.cash, None)
    wanted = messages.ItemTargetData(target=location.retract_area, index=location.index)
    return destination(on.cash, wanted)


def _calibration_target(on: CashManagement, request: messages.CalibrateCashUnit) -> Destination:
    return destination(
        on.cash,
        request.position,
        not_supported="unsupportedPosition",
        wrong_index="unsupportedPosition",
        prefer=("reject", "retract"),
    )


def _currencies(on: CashManagement) -> set[str | None]:
    """Those of the items that the device knows."""
    return {note.cash_item.currency for note in on.cash.bank_notes.values() if note.cash_item}


@check("unsupportedData")
def retract_position_exists(on: CashManagement, request: messages.Retract) -> None:
    """the position"""
    _retract_position(on, request)


@check("notRetractArea", "invalidRetractPosition", "cashUnitError")
def retract_area_exists(on: CashManagement, request: messages.Retract) -> None:
    """the retract area, and whether a unit there works"""
    _destination(on, request)


@check("noItems")
def something_to_retract(on: CashManagement, request: messages.Retract) -> None:
    """whether items are at the position or inside"""
    require_items(on.device, _retract_position(on, request))


@check(
    "unsupportedPosition",
    "notRetractArea",
    "invalidRetractPosition",
    "invalidCashUnit",
    "cashUnitError",
    "invalidData",
)
def target_exists(on: CashManagement, request: messages.Reset) -> None:
    """where the items are to go, and whether a unit there works"""
    _destination(on, request)


@check("positionNotEmpty")
def room(on: CashManagement, request: messages.Retract | messages.Reset) -> None:
    """the stacker, if items are to go there"""
    require_room(on.device, _destination(on, request))


def _shutter_is_not(on: CashManagement, position: str | None, state: str, code: str) -> None:
    where = position_of_either_side(on.device, position)
    at = status_of(on.device, where)
    if at is not None and at.shutter == state:
        raise errors.CommandError(code, f"the shutter at {where} is {state} already")


@check("unsupportedPosition", name="position_exists")
def shutter_position_exists(on: CashManagement, request: Any) -> None:
    """the position"""
    position_of_either_side(on.device, request.position)


@check("shutterOpen")
def shutter_not_open(on: CashManagement, request: messages.OpenShutter) -> None:
    """whether the shutter is open already"""
    _shutter_is_not(on, request.position, "open", "shutterOpen")


@check("shutterClosed")
def shutter_not_closed(on: CashManagement, request: messages.CloseShutter) -> None:
    """whether the shutter is closed already"""
    _shutter_is_not(on, request.position, "closed", "shutterClosed")


@check("invalidData")
def unit_and_number_given(on: CashManagement, request: messages.CalibrateCashUnit) -> None:
    """`unit` and `numOfBills`"""
    if not request.unit or not request.num_of_bills:
        raise errors.InvalidData("$.unit and $.numOfBills are needed; name a unit and how many items")


@check("invalidCashUnit")
def unit_exists(on: CashManagement, request: messages.CalibrateCashUnit) -> None:
    """the unit"""
    if request.unit not in on.cash.units:
        raise errors.CommandError(
            "invalidCashUnit", f"there is no unit {request.unit!r}; see Storage.GetStorage"
        )


@check("unsupportedPosition", "invalidCashUnit", "cashUnitError", "invalidData")
def calibration_target_exists(on: CashManagement, request: messages.CalibrateCashUnit) -> None:
    """where the items are to go"""
    _calibration_target(on, request)


@check("invalidData")
def levels_given(on: CashManagement, request: messages.SetClassificationList) -> None:
    """the level and the value of each element"""
    for number, element in enumerate(request.classification_elements or []):
        if element.level is None:
            raise errors.InvalidData(f"$.classificationElements[{number}].level is missing")
        if element.value is not None and not is_item_value(element.value):
            raise errors.InvalidData(
                f"$.classificationElements[{number}].value: {element.value} is not the value of an item"
            )


@check("invalidCurrency")
def currency_known(on: CashManagement, request: messages.GetTellerInfo) -> None:
    """the currency"""
    if request.currency is not None and request.currency not in _currencies(on):
        raise errors.CommandError(
            "invalidCurrency",
            f"the device has no {request.currency}; see CashManagement.GetBankNoteTypes",
        )


@check("invalidData")
def action_and_teller_given(on: CashManagement, request: messages.SetTellerInfo) -> None:
    """`action` and `tellerDetails`"""
    if request.action is None or request.teller_details is None:
        raise errors.InvalidData("$.action and $.tellerDetails are needed")


@check("unsupportedPosition")
def teller_position_exists(on: CashManagement, request: messages.SetTellerInfo) -> None:
    """the teller's positions"""
    if request.action != "delete" and request.teller_details is not None:
        output_position(on.device, request.teller_details.output_position)
        if on.device.status.cash_acceptor is not None:
            input_position(on.device, request.teller_details.input_position)


@check("invalidCurrency")
def totals_known(on: CashManagement, request: messages.SetTellerInfo) -> None:
    """the currencies of the teller's totals"""
    if request.action == "delete" or request.teller_details is None:
        return
    if strange := sorted(set(request.teller_details.teller_totals or {}) - _currencies(on)):
        raise errors.CommandError("invalidCurrency", f"the device has no {', '.join(strange)}")


@check("invalidData")
def totals_are_money(on: CashManagement, request: messages.SetTellerInfo) -> None:
    """the teller's totals"""
    if request.action != "delete" and request.teller_details is not None:
        on.tellers.check_totals(request.teller_details)


class CashManagement(Interface[devices.CashManagement]):
    """The interface of all devices that move cash.

    Attributes:
        movements: carries out and books what moves.
        cash: the units.
        tellers: who works at the device, for teller devices.
        transaction: the cash-in, for devices that take in cash.
        note_types: which items those accept.
        also_reset: called after a reset to clear the rest of the device.
    """

    name: ClassVar[str] = "CashManagement"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        storage = service.interface(Storage)
        self.cash = storage.kind(CashUnits)
        self.movements = CashMovements(self.cash)
        self.movements.places = self._places = Places(self.cash, self.device)
        self.tellers = Tellers(service)
        self.transaction = CashIn(self.cash)
        self.movements.inserted_known = lambda: self.transaction.record.reliable
        self.note_types = NoteTypes(self.cash)
        self.also_reset: list[AlsoReset] = []
        storage.busy.append(lambda: self.transaction.active)
        self._classification: messages.GetClassificationListCompletion | None = None
        storage.changed.append(self._derive_health)

    async def start(self) -> None:
        """Settle what a crash left open; tell the device its classification list."""
        self._classification = _CLASSIFICATION.of(self.service.ledger)
        await self._tell_classification_again()
        self.tellers.start()
        self.transaction.start()
        self.note_types.start()
        await self.movements.start()
        self._places.start()
        self._derive_health()

    def observe(self, event: Payload) -> None:
        """Take notice of items that were taken or inserted."""
        self._places.observe(event)

    async def reopened(self) -> None:
        """Settle what could not be settled without the device."""
        await self._tell_classification_again()
        await self.movements.start()
        self._derive_health()

    def _derive_health(self) -> None:
        """`dispenser` and `acceptor` of the status: whether all, some or no units can be used for that."""
        status = self.device.status.cash_management
        if status is None:
            return
        cash = self.cash
        for side, use, useless, nearly in (
            ("dispenser", "cashOut", "empty", "low"),
            ("acceptor", "cashIn", "full", "high"),
        ):
            if getattr(status, side) is None:
                continue
            usable = troubled = 0
            for name in cash.names_of_type(use):
                replenishment = cash.replenishment_status(name)
                if cash.hardware_status(name) != "ok" or replenishment == useless:
                    troubled += 1
                else:
                    usable += 1
                    troubled += replenishment == nearly
            for name in cash.names_of_type("reject", "cashOutRetract", "cashInRetract"):
                troubled += cash.hardware_status(name) != "ok" or cash.replenishment_status(name) in (
                    "full",
                    "high",
                )
            setattr(status, side, "stop" if not usable else "attention" if troubled else "ok")

    @handles("CashManagement.GetBankNoteTypes")
    def get_bank_note_types(self, request: None, command: Command) -> messages.GetBankNoteTypesCompletion:
        """`CashManagement.GetBankNoteTypes` 2.0."""
        return messages.GetBankNoteTypesCompletion(items=self.note_types.shown() or None)

    @handles(
        "CashManagement.Retract",
        checks=(
            no_exchange,
            retract_position_exists,
            retract_area_exists,
            something_to_retract,
            room,
            device_there,
        ),
        device=(
            "cashUnitError",
            "shutterNotClosed",
            "itemsTaken",
            "foreignItemsDetected",
            "incompleteRetract",
        ),
    )
    async def retract(
        self, request: messages.Retract, command: Command[RetractEvents]
    ) -> messages.RetractCompletion:
        """`CashManagement.Retract` 2.0: items at an output position, or else inside, go to a retract area."""
        position, where = _retract_position(self, request), _destination(self, request)
        result, booking = await self.movements.move(
            command,
            "retract",
            devices.CashManagement.retract,
            RetractRequest(position, where),
            units=[where.unit] if where.unit else (),
            detail={"position": position, "target": where.target},
        )
        completion: messages.RetractCompletion
        completion = self._brought_in(command, result, booking, messages.RetractCompletion)
        return completion

    @handles(
        "CashManagement.Reset",
        checks=(target_exists, room, device_there),
        device=("cashUnitError", "foreignItemsDetected", "incompleteRetract"),
    )
    async def reset(self, request: messages.Reset, command: Command[ResetEvents]) -> messages.ResetCompletion:
        """`CashManagement.Reset` 2.0: clear the way and make the device ready."""
        unit = request.position.unit if request.position is not None else None
        return await reset_all(self.reset_items(request, command), self.also_reset, command, unit)

    async def reset_items(self, request: messages.Reset, command: Command[Any]) -> messages.ResetCompletion:
        """Let the device clear its way of items."""
        where = _destination(self, request)
        result, booking = await self.movements.move(
            command,
            "reset",
            devices.CashManagement.reset,
            where,
            # Nothing may be left inside after a reset, except where it was to go.
            clears=lambda _: {"transport", "stacker"} - {where.target},
            units=[where.unit] if where.unit else (),
            detail={"target": where.target},
        )
        if result.moved:
            self.service.broadcast(target_of(where, messages.MediaDetectedEvent))
        completion: messages.ResetCompletion
        completion = self._brought_in(command, result, booking, messages.ResetCompletion)
        return completion

    def _brought_in(
        self,
        command: Command[messages.IncompleteRetractEvent],
        result: Retracted,
        booking: Booking,
        completion: type[Any],
    ) -> Any:
        """The completion of a command that brought items in, or its failure."""
        storage = taken_in(booking) or None
        payload = completion(
            storage=storage,
            transport=cash_counts(booking.arrived.get("transport", {})),
            stacker=cash_counts(booking.arrived.get("stacker", {})),
        )
        if result.failure is None:
            return payload
        failure = result.failure
        if isinstance(failure, errors.CommandError):
            if failure.error_code == "incompleteRetract":
                command.send(messages.IncompleteRetractEvent(item_number_list=storage, reason=result.reason))
            failure.payload = payload
        raise failure

    @handles(
        "CashManagement.OpenShutter",
        checks=(no_exchange, shutter_position_exists, device_ready, shutter_not_open),
        device=("shutterNotOpen", "foreignItemsDetected"),
    )
    async def open_shutter(self, request: messages.OpenShutter, command: Command) -> None:
        """`CashManagement.OpenShutter` 2.0."""
        await self._shutter(request, devices.CashManagement.open_shutter)

    @handles(
        "CashManagement.CloseShutter",
        checks=(no_exchange, shutter_position_exists, device_ready, shutter_not_closed),
        device=("shutterNotClosed", "tooManyItems", "foreignItemsDetected"),
    )
    async def close_shutter(self, request: messages.CloseShutter, command: Command) -> None:
        """`CashManagement.CloseShutter` 2.0."""
        await self._shutter(request, devices.CashManagement.close_shutter)

    async def _shutter(self, request: messages.OpenShutter | messages.CloseShutter, operation: Any) -> None:
        position = position_of_either_side(self.device, request.position)
        await self.ask(operation, position, moving=True)
        state = "open" if operation is devices.CashManagement.open_shutter else "closed"
        self._places.shutter(position, state)

    @handles(
        "CashManagement.CalibrateCashUnit",
        checks=(
            unit_and_number_given,
            no_exchange,
            no_cash_in_active,
            unit_exists,
            calibration_target_exists,
            device_there,
        ),
        device=("cashUnitError",),
    )
    async def calibrate_cash_unit(
        self, request: messages.CalibrateCashUnit, command: Command
    ) -> messages.CalibrateCashUnitCompletion:
        """`CashManagement.CalibrateCashUnit` 2.0."""
        assert request.unit is not None
        assert request.num_of_bills is not None
        where = _calibration_target(self, request)
        result, _ = await self.movements.move(
            command,
            "calibrate",
            devices.CashManagement.calibrate_cash_unit,
            request.unit,
            request.num_of_bills,
            where,
            believe=calibrated_as_asked(request.unit, request.num_of_bills),
            units=[request.unit, *([where.unit] if where.unit else [])],
        )
        if result.failure is not None:
            raise result.failure
        return messages.CalibrateCashUnitCompletion(
            result=messages.CalibrateCashUnitCompletionResult(
                unit=request.unit,
                num_of_bills=sum(items.count for items in result.moved if items.source == request.unit),
                position=target_of(where, messages.ItemTargetData),
            )
        )

    @handles("CashManagement.GetItemInfo", checks=(device_ready,))
    async def get_item_info(
        self, request: messages.GetItemInfo, command: Command
    ) -> messages.GetItemInfoCompletion:
        """`CashManagement.GetItemInfo` 2.0, completion 3.0: of all items, or of one level, or one of them."""
        found = await self.ask(devices.CashManagement.get_item_info)
        found = [self._classified(item) for item in found]
        if request.items is not None:
            if request.items.level is not None:
                found = [item for item in found if item.level == request.items.level]
            if request.items.index:
                found = found[request.items.index - 1 : request.items.index]
        chosen = request.item_info_type
        if chosen is not None and (chosen.serial_number or chosen.signature or chosen.image):
            unwanted = {
                name: None for name in ("serial_number", "signature", "image") if not getattr(chosen, name)
            }
            found = [msgspec.structs.replace(item, **unwanted) for item in found]
        return messages.GetItemInfoCompletion(items_list=found or None)

    @handles("CashManagement.GetClassificationList", asks="set_classification_list")
    def get_classification_list(
        self, request: None, command: Command
    ) -> messages.GetClassificationListCompletion:
        """`CashManagement.GetClassificationList` 2.0."""
        return self._classification or messages.GetClassificationListCompletion()

    @handles("CashManagement.SetClassificationList", checks=(levels_given,))
    async def set_classification_list(
        self, request: messages.SetClassificationList, command: Command
    ) -> None:
        """`CashManagement.SetClassificationList` 2.0: replaces the whole list."""
        wanted = messages.GetClassificationListCompletion(
            version=request.version, classification_elements=request.classification_elements
        )
        # A cancel between the two would leave the device with a list that the service does not have.
        with trio.CancelScope(shield=True):
            await self.ask(
                devices.CashManagement.set_classification_list,
                wanted.version,
                # A copy: the device class may change what it is given, and this is kept and given again.
                deepcopy(wanted.classification_elements or []),
            )
            await self.service.ledger.put_document(_CLASSIFICATION.name, wire.encode(wanted))
            self._classification = wanted

    def _classified(self, item: messages.ItemInfo) -> messages.ItemInfo:
        """With whether the item is on the classification list, unless the device says so itself."""
        elements = self._classification.classification_elements if self._classification else None
        if item.on_classification_list is not None or not elements:
            return item
        note = self.cash.bank_notes.get(item.note_type or "")
        listed = is_listed(item.serial_number, note.cash_item if note else None, elements)
        return msgspec.structs.replace(item, on_classification_list=listed)

    async def _tell_classification_again(self) -> None:
        kept = self._classification
        if kept is None or not kept.classification_elements:
            return
        if not implements(self.device, "set_classification_list"):
            return
        operation = devices.CashManagement.set_classification_list
        try:
            await self.ask(operation, kept.version, deepcopy(kept.classification_elements))
        except errors.XfsError as fault:
            self.service.log.error("the device did not take its classification list: %s", fault)

    @handles(
        "CashManagement.GetTellerInfo",
        checks=(currency_known, step("teller", "the teller", "invalidTellerId")),
        offered=attrgetter("tellers.present"),
    )
    def get_teller_info(
        self, request: messages.GetTellerInfo, command: Command
    ) -> messages.GetTellerInfoCompletion:
        """`CashManagement.GetTellerInfo` 2.0: of one teller or all, in one currency or all."""
        return messages.GetTellerInfoCompletion(
            teller_details=self.tellers.details(request.teller_id, request.currency)
        )

    @handles(
        "CashManagement.SetTellerInfo",
        checks=(
            action_and_teller_given,
            no_exchange,
            teller_position_exists,
            totals_known,
            totals_are_money,
            step("teller", "the teller", "invalidTellerId"),
        ),
        offered=attrgetter("tellers.present"),
    )
    async def set_teller_info(self, request: messages.SetTellerInfo, command: Command) -> None:
        """`CashManagement.SetTellerInfo` 2.0: create, modify or delete a teller."""
        details = request.teller_details
        assert request.action is not None
        assert details is not None
        await self.tellers.set(request.action, details)
        assert details.teller_id is not None
        self.service.broadcast(messages.TellerInfoChangedEvent(teller_id=details.teller_id))


def target_of(where: Destination, kind: type[_Target]) -> _Target:
    """A destination as the standard writes it."""
    return kind(
        target="singleUnit" if where.unit else where.target,  # type: ignore[arg-type]
        unit=where.unit,
        index=where.index,
    )
