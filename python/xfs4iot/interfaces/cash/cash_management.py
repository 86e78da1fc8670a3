"""CashManagement: what all devices that move cash have in common.

Retract and Reset bring items to where no customer reaches them; the shutter closes with
them. An exchange excludes every movement but Reset. Opening an open shutter, or closing a
closed one, is an error of its own. Known items are the device's; the classification list is
the service's, told to the device at each start; tellers and their totals are the service's.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar, TypeVar

import msgspec

from xfs4iot import devices
from xfs4iot.devices import CashMovement, Destination, Retracted, RetractRequest, implements
from xfs4iot.interfaces.cash.classification import is_listed
from xfs4iot.interfaces.cash.counts import Booking
from xfs4iot.interfaces.cash.movement import CashMovements
from xfs4iot.interfaces.cash.positions import (
    destination,
    output_position,
    require_items,
    require_room,
    status_of,
)
from xfs4iot.interfaces.cash.results import arrived_at, taken_in
from xfs4iot.interfaces.cash.tellers import Tellers
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import cash_management as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, handles
from xfs4iot.server.service import Service

__all__ = ["CashManagement"]

_CLASSIFICATION = "CashManagement.classificationList"

_Target = TypeVar("_Target", messages.ItemTargetData, messages.MediaDetectedEvent)


class CashManagement(Interface[devices.CashManagement]):
    """The interface of all devices that move cash.

    Attributes:
        movements: carries out and books what moves.
        tellers: who works at the device, for teller devices.
    """

    name: ClassVar[str] = "CashManagement"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.storage = storage = service.interface(Storage)
        self.movements = CashMovements(storage)
        self.tellers = Tellers(service)
        self._classification = messages.GetClassificationListCompletion()
        storage.changed.append(self._derive_health)

    async def start(self) -> None:
        """Settle what a crash left open; tell the device its classification list."""
        if kept := self.service.ledger.document(_CLASSIFICATION):
            self._classification = wire.decode(messages.GetClassificationListCompletion, kept)
        await self._tell_classification_again()
        self.tellers.start()
        await self.movements.start()
        self._derive_health()

    async def reopened(self) -> None:
        """Settle what could not be settled without the device."""
        await self._tell_classification_again()
        await self.movements.start()
        self._derive_health()

    def _derive_health(self) -> None:
        """`dispenser` of the status: whether items can be dispensed from all, some or no units."""
        status = self.device.status.cash_management
        if status is None or status.dispenser is None:
            return
        storage = self.storage
        usable = troubled = 0
        for name in storage.names_of_type("cashOut"):
            replenishment = storage.replenishment_status(name)
            if storage.hardware_status(name) != "ok" or replenishment == "empty":
                troubled += 1
            else:
                usable += 1
                troubled += replenishment == "low"
        for name in storage.names_of_type("reject", "cashOutRetract", "cashInRetract"):
            troubled += storage.hardware_status(name) != "ok" or storage.replenishment_status(name) in (
                "full",
                "high",
            )
        status.dispenser = "stop" if not usable else "attention" if troubled else "ok"

    @handles("CashManagement.GetBankNoteTypes")
    def get_bank_note_types(self, request: None, command: Command) -> messages.GetBankNoteTypesCompletion:
        """`CashManagement.GetBankNoteTypes`."""
        return messages.GetBankNoteTypesCompletion(items=dict(self.device.bank_notes) or None)

    @handles("CashManagement.Retract", asks="retract")
    async def retract(self, request: messages.Retract, command: Command) -> messages.RetractCompletion:
        """`CashManagement.Retract`: items at an output position, or else inside, go to a retract area."""
        storage = self.storage
        storage.require_no_exchange()
        location = request.location
        try:
            position = output_position(self.device, location.output_position if location else None)
        except errors.CommandError as unknown:
            # Retract has no error code for a position that the device lacks.
            raise errors.UnsupportedData(f"$.location.outputPosition: {unknown.description}") from None
        where = destination(
            storage,
            None
            if location is None or location.retract_area is None
            else messages.ItemTargetData(target=location.retract_area, index=location.index),
        )
        require_items(self.device, position)
        require_room(self.device, where)
        result, booking = await self.movements.move(
            command,
            "retract",
            self.device.retract,
            RetractRequest(position, where),
            expect=Retracted,
            units=[where.unit] if where.unit else (),
            detail={"position": position},
        )
        completion: messages.RetractCompletion
        completion = self._brought_in(command, result, booking, messages.RetractCompletion)
        return completion

    @handles("CashManagement.Reset", asks="reset")
    async def reset(self, request: messages.Reset, command: Command) -> messages.ResetCompletion:
        """`CashManagement.Reset`: clear the way and make the device ready."""
        where = destination(self.storage, request.position)
        require_room(self.device, where)
        result, booking = await self.movements.move(
            command,
            "reset",
            self.device.reset,
            where,
            expect=Retracted,
            units=[where.unit] if where.unit else (),
            detail={},
        )
        if result.moved:
            self.service.broadcast(target_of(where, messages.MediaDetectedEvent))
        completion: messages.ResetCompletion
        completion = self._brought_in(command, result, booking, messages.ResetCompletion)
        return completion

    def _brought_in(
        self, command: Command, result: Retracted, booking: Booking, completion: type[Any]
    ) -> Any:
        """The completion of a command that brought items in, or its failure."""
        storage = taken_in(booking) or None
        payload = completion(
            storage=storage,
            transport=arrived_at("transport", result),
            stacker=arrived_at("stacker", result),
        )
        if result.failure is None:
            return payload
        failure = result.failure
        if isinstance(failure, errors.CommandError):
            if failure.error_code == "incompleteRetract":
                command.send(messages.IncompleteRetractEvent(item_number_list=storage, reason=result.reason))
            failure.payload = payload
        raise failure

    @handles("CashManagement.OpenShutter", asks="open_shutter")
    async def open_shutter(self, request: messages.OpenShutter, command: Command) -> None:
        """`CashManagement.OpenShutter`."""
        await self._shutter(request.position, "open", "shutterOpen", self.device.open_shutter)

    @handles("CashManagement.CloseShutter", asks="close_shutter")
    async def close_shutter(self, request: messages.CloseShutter, command: Command) -> None:
        """`CashManagement.CloseShutter`."""
        await self._shutter(request.position, "closed", "shutterClosed", self.device.close_shutter)

    async def _shutter(self, wanted: str | None, state: str, already: str, operation: Any) -> None:
        self.storage.require_no_exchange()
        position = output_position(self.device, wanted)
        self.movements.require_ready()
        at = status_of(self.device, position)
        if at is not None and at.shutter == state:
            raise errors.CommandError(already, f"the shutter at {position} is {state} already")
        await self.ask(operation, position, expect=type(None), moving=True)

    @handles("CashManagement.CalibrateCashUnit", asks="calibrate_cash_unit")
    async def calibrate_cash_unit(
        self, request: messages.CalibrateCashUnit, command: Command
    ) -> messages.CalibrateCashUnitCompletion:
        """`CashManagement.CalibrateCashUnit`."""
        storage = self.storage
        if not request.unit or not request.num_of_bills:
            raise errors.InvalidData("$.unit and $.numOfBills are needed; name a unit and how many items")
        storage.require_no_exchange()
        if request.unit not in storage.units:
            raise errors.CommandError(
                "invalidCashUnit", f"there is no unit {request.unit!r}; see Storage.GetStorage"
            )
        where = destination(
            storage,
            request.position,
            not_supported="unsupportedPosition",
            wrong_index="unsupportedPosition",
            prefer=("reject", "retract"),
        )
        result, _ = await self.movements.move(
            command,
            "calibrate",
            self.device.calibrate_cash_unit,
            request.unit,
            request.num_of_bills,
            where,
            expect=CashMovement,
            units=[request.unit],
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

    @handles("CashManagement.GetItemInfo", asks="get_item_info")
    async def get_item_info(
        self, request: messages.GetItemInfo, command: Command
    ) -> messages.GetItemInfoCompletion:
        """`CashManagement.GetItemInfo` 3.0: of all items, or of one level, or one of them."""
        self.movements.require_ready()
        found: list[messages.ItemInfo] = await self.ask(self.device.get_item_info, expect=list)
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
        """`CashManagement.GetClassificationList`."""
        return self._classification

    @handles("CashManagement.SetClassificationList", asks="set_classification_list")
    async def set_classification_list(
        self, request: messages.SetClassificationList, command: Command
    ) -> None:
        """`CashManagement.SetClassificationList`: replaces the whole list."""
        for number, element in enumerate(request.classification_elements or []):
            if element.level is None:
                raise errors.InvalidData(f"$.classificationElements[{number}].level is missing")
        wanted = messages.GetClassificationListCompletion(
            version=request.version, classification_elements=request.classification_elements
        )
        await self.ask(
            self.device.set_classification_list,
            wanted.version,
            wanted.classification_elements or [],
            expect=type(None),
        )
        await self.service.ledger.put_document(_CLASSIFICATION, wire.encode(wanted))
        self._classification = wanted

    def _classified(self, item: messages.ItemInfo) -> messages.ItemInfo:
        """With whether the item is on the classification list, unless the device says so itself."""
        if item.on_classification_list is not None or not self._classification.classification_elements:
            return item
        note = self.device.bank_notes.get(item.note_type or "")
        listed = is_listed(
            item.serial_number, note.cash_item if note else None, self._classification.classification_elements
        )
        return msgspec.structs.replace(item, on_classification_list=listed)

    async def _tell_classification_again(self) -> None:
        kept = self._classification
        if not kept.classification_elements or not implements(self.device, "set_classification_list"):
            return
        operation = self.device.set_classification_list
        try:
            await self.ask(operation, kept.version, kept.classification_elements, expect=type(None))
        except errors.XfsError as fault:
            self.service.log.error("the device did not take its classification list: %s", fault)

    @handles("CashManagement.GetTellerInfo", offered=attrgetter("tellers.present"))
    def get_teller_info(
        self, request: messages.GetTellerInfo, command: Command
    ) -> messages.GetTellerInfoCompletion:
        """`CashManagement.GetTellerInfo`: of one teller or all, in one currency or all."""
        currencies = {note.cash_item.currency for note in self.device.bank_notes.values() if note.cash_item}
        if request.currency is not None and request.currency not in currencies:
            raise errors.CommandError(
                "invalidCurrency",
                f"the device has no {request.currency}; see CashManagement.GetBankNoteTypes",
            )
        return messages.GetTellerInfoCompletion(
            teller_details=self.tellers.details(request.teller_id, request.currency)
        )

    @handles("CashManagement.SetTellerInfo", offered=attrgetter("tellers.present"))
    async def set_teller_info(self, request: messages.SetTellerInfo, command: Command) -> None:
        """`CashManagement.SetTellerInfo`: create, modify or delete a teller."""
        if request.action is None or request.teller_details is None:
            raise errors.InvalidData("$.action and $.tellerDetails are needed")
        self.storage.require_no_exchange()
        details = request.teller_details
        if request.action != "delete":
            output_position(self.device, details.output_position)
            known = {note.cash_item.currency for note in self.device.bank_notes.values() if note.cash_item}
            if strange := sorted(set(details.teller_totals or {}) - known):
                raise errors.CommandError("invalidCurrency", f"the device has no {', '.join(strange)}")
            self.tellers.check_totals(details)
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
