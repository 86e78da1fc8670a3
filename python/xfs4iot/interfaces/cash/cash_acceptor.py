"""CashAcceptor: taking in cash.

    CashIn        customer → stacker (or units)     CashInEnd   stacker → units
    CashInRollback   stacker → output               PresentMedia   stacker, transport → output
    Replenish, Deplete   unit → units               Retract, Reset   see CashManagement

All that one customer inserts is a cash-in, from CashInStart to one of its ends; its states are in `cash_in`,
what it may accept in `accepting`. What is inside belongs to the customer until it is stored, so nothing else
moves items meanwhile: not a dispenser's commands, not an exchange, not Replenish or Deplete; and no cash-in
begins while anything else is inside. What was accepted is what the device reports.
"""

from __future__ import annotations

from typing import Any, ClassVar

import trio

from xfs4iot import devices
from xfs4iot.devices import (
    DeviceLocks,
    StoreRequest,
    implements,
)
from xfs4iot.interfaces.cash import (
    accepting,
    locks,
    note_types,
    presenting,
    refilling,
    signatures,
    unit_count,
)
from xfs4iot.interfaces.cash.acceptor_state import AcceptorState, completed, refusals_counted
from xfs4iot.interfaces.cash.cash_in import from_list
from xfs4iot.interfaces.cash.checks import device_there, no_exchange
from xfs4iot.interfaces.cash.counts import cash_counts
from xfs4iot.interfaces.cash.positions import (
    output_position,
)
from xfs4iot.interfaces.cash.reported import (
    bunch_as_asked,
    content_as_possible,
    emptied_as_asked,
    prepared_as_asked,
    refilled_as_asked,
    returned_as_asked,
    stored_as_asked,
    taken_in_as_possible,
)
from xfs4iot.interfaces.cash.results import taken_in
from xfs4iot.interfaces.checks import cash_mode_on, device_ready
from xfs4iot.protocol import errors, exact, wire
from xfs4iot.protocol.command_events.cash_acceptor import (
    CashInEvents,
    DepleteEvents,
    DeviceLockControlEvents,
    ReplenishEvents,
)
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management as cash
from xfs4iot.server.command import Command
from xfs4iot.server.handler import handles, step

__all__ = ["CashAcceptor"]

items_accepted = step(
    "items accepted", "whether anything was accepted; if not, the cash-in ends all the same", "noItems"
)


class CashAcceptor(AcceptorState):
    """The interface of devices that take in cash."""

    name: ClassVar[str] = "CashAcceptor"

    @handles("CashAcceptor.GetCashInStatus", asks=None)
    def get_cash_in_status(self, request: None, command: Command) -> messages.GetCashInStatusCompletion:
        """`CashAcceptor.GetCashInStatus` 2.0: of the cash-in that is active, or else of the last one."""
        record = self.transaction.record
        return messages.GetCashInStatusCompletion(
            status=record.told(self._movements.in_doubt),
            num_of_refused=record.refused,
            note_number_list=cash_counts(record.counts),
        )

    @handles("CashAcceptor.GetPositionCapabilities", asks=None)
    def get_position_capabilities(
        self, request: None, command: Command
    ) -> messages.GetPositionCapabilitiesCompletion:
        """`CashAcceptor.GetPositionCapabilities` of 2021-1; Common.Capabilities tells it since."""
        # Attributes cannot be set to what is not, but a list that is changed in place has no such guard.
        told, problems = exact.sound(self.device.capabilities.cash_acceptor)
        for wrong in problems:
            self.service.log.error("the device class is wrong about its positions: %s", wrong)
        written = wire.encode({"posCapabilities": told.positions or []})
        return wire.decode(messages.GetPositionCapabilitiesCompletion, written)

    @handles("CashAcceptor.GetPresentStatus", asks=None)
    def get_present_status(self, request: None, command: Command) -> messages.GetPresentStatusCompletion:
        """`CashAcceptor.GetPresentStatus` 2.0: what came out last, and what is still to come."""
        known = self.transaction.returned
        position: Any = known.position or output_position(self.device, None)
        doubtful = self._movements.in_doubt
        presented = None if doubtful or known.position is None else known.presented
        bunches = None if doubtful or known.position is None else known.bunches
        return messages.GetPresentStatusCompletion(
            position=position,
            present_state={True: "presented", False: "notPresented", None: "unknown"}[presented],  # type: ignore[arg-type]
            additional_bunches="unknown" if bunches is None else "oneMore" if bunches else "none",
            bunches_remaining=bunches or None,
            returned_items=cash_counts(from_list(known.items)),
            total_returned_items=cash_counts(from_list(known.total)),
            remaining_items=cash_counts(self.cash.counts.inside())
            if known.position is not None and bunches != 0
            else None,
        )

    @handles(
        "CashAcceptor.CashInStart",
        asks="cash_in",
        checks=(
            accepting.limits_given,
            no_exchange,
            accepting.no_cash_in,
            accepting.teller_known,
            accepting.positions_exist,
            accepting.limits_possible,
            accepting.nothing_inside,
            device_ready,
            step("teller's position", "the teller's own positions", "unsupportedPosition"),
        ),
        device=("safeDoorOpen",),
    )
    async def cash_in_start(self, request: messages.CashInStart, command: Command) -> None:
        """`CashAcceptor.CashInStart` 2.0: nothing moves yet."""
        wanted = accepting.start_of(self, request)
        # A movement whose outcome is not booked yet may belong to the cash-in before.
        async with self._movements.settled():
            self.transaction.require("CashInStart")
            accepting.require_nothing_inside(self)
            with trio.CancelScope(shield=True):
                if implements(self.device, "cash_in_start"):
                    await self.ask(devices.CashAcceptor.cash_in_start, wanted)
                await self.transaction.begin(wanted)

    @handles(
        "CashAcceptor.CashIn",
        checks=(
            no_exchange,
            accepting.cash_in_active,
            cash_mode_on,
            accepting.output_empty,
            accepting.limit_not_reached,
            accepting.units_accept,
            device_ready,
        ),
        device=(
            "noItems",
            "shutterNotClosed",
            "shutterNotOpen",
            "safeDoorOpen",
            "foreignItemsDetected",
        ),
    )
    async def cash_in(self, request: None, command: Command[CashInEvents]) -> messages.CashInCompletion:
        """`CashAcceptor.CashIn` 2.0: what the device says it has accepted is booked, whatever goes wrong."""
        await self._settled("CashIn")
        record = self.transaction.record
        if implements(self.device, "wait_inserted"):
            command.send(messages.InsertItemsEvent())
            await self.service.operations.ask(devices.CashAcceptor.wait_inserted, record.input_position)
            where: Any = record.input_position
            self.service.device_event(cash.ItemsInsertedEvent(position=where))
        allowed = accepting.request_of(self)
        result, booking = await self._movements.move(
            command,
            "cashIn",
            devices.CashAcceptor.cash_in,
            allowed,
            believe=taken_in_as_possible(accepting.most_at_once(self)),
            # Without a stacker they go into any of these at once.
            units=() if self.device.stacker_capacity else allowed.units,
            detail={"position": record.output_position},
            # Without that operation it waits for the customer by itself.
            waits=not implements(self.device, "wait_inserted"),
            finish=refusals_counted,
        )
        came = booking.accepted
        completion = messages.CashInCompletion(items=cash_counts(came))
        if result.failure is not None:
            if isinstance(result.failure, errors.CommandError):
                result.failure.payload = completion
            raise result.failure
        if beyond := accepting.beyond_orders(self, allowed, came):
            self.service.log.error("%s accepted %s", type(self.device).__name__, beyond)
            self.service.operations.blame(moving=True)
            raise errors.HardwareError(
                f"the device accepted {beyond}; it is inside: see CashAcceptor.GetCashInStatus, give it back"
            )
        if not result.moved and not result.refused and command.cancel_requested:
            # Nothing came before the client gave up: that is how the command ends.
            await trio.lowlevel.checkpoint()
        return completion

    @handles(
        "CashAcceptor.CashInEnd",
        checks=(no_exchange, accepting.cash_in_active, accepting.units_store, device_ready, items_accepted),
        device=("positionNotEmpty", "safeDoorOpen"),
    )
    async def cash_in_end(self, request: None, command: Command[Any]) -> messages.CashInEndCompletion:
        """`CashAcceptor.CashInEnd` 2.0: all that was accepted is stored."""
        await self._settled("CashInEnd")
        if self.transaction.empty:
            await self._end_empty("CashInEnd")
        recycling = self.transaction.record.use_recycle_units
        units = tuple(self.cash.accepting(recycling=recycling))
        result, booking = await self._movements.move(
            command,
            "cashInEnd",
            devices.CashAcceptor.cash_in_end,
            StoreRequest(units),
            believe=stored_as_asked(self.cash, self._all_known),
            clears=lambda _: ("stacker", "transport"),
            units=units,
            detail=lambda: {"teller": self.transaction.record.teller, "inserted": self.transaction.inserted},
        )
        self._warn_of_units(booking, units)
        completion = messages.CashInEndCompletion(storage=taken_in(booking) or None)
        return completed(completion, result)

    @handles(
        "CashAcceptor.CashInRollback",
        checks=(no_exchange, accepting.cash_in_active, accepting.output_empty, device_ready, items_accepted),
        device=("cashUnitError", "shutterNotOpen"),
    )
    async def cash_in_rollback(
        self, request: None, command: Command[Any]
    ) -> messages.CashInRollbackCompletion:
        """`CashAcceptor.CashInRollback` 2.0: all that was accepted goes back to the customer."""
        await self._settled("CashInRollback")
        if self.transaction.empty:
            await self._end_empty("CashInRollback")
        elif self.transaction.record.reliable and not self.cash.counts.inside():
            raise errors.CommandError(
                "noItems", "what was accepted is stored already; see CashAcceptor.CashInEnd"
            )
        position = self.transaction.record.output_position
        result, booking = await self._give_back(
            command,
            "cashInRollback",
            devices.CashAcceptor.cash_in_rollback,
            position,
            returned_as_asked(self.cash, sum(self.cash.counts.inside().values()), self._all_known),
        )
        completion = messages.CashInRollbackCompletion(storage=taken_in(booking) or None)
        return completed(completion, result)

    @handles(
        "CashAcceptor.PreparePresent",
        checks=(
            presenting.output_exists,
            presenting.units_not_exchanged,
            presenting.named_output_empty,
            presenting.items_to_present,
            device_there,
        ),
        device=("cashUnitError",),
    )
    async def prepare_present(self, request: messages.PreparePresent, command: Command[Any]) -> None:
        """`CashAcceptor.PreparePresent` 2.0."""
        position = output_position(self.device, request.position)
        result, _ = await self._give_back(
            command, "preparePresent", devices.CashAcceptor.prepare_present, position, prepared_as_asked
        )
        if result.failure is not None:
            raise result.failure

    @handles(
        "CashAcceptor.PresentMedia",
        checks=(
            no_exchange,
            presenting.output_exists,
            presenting.presented_by_command,
            presenting.items_to_present,
            device_there,
        ),
        device=("shutterNotOpen", "foreignItemsDetected"),
    )
    async def present_media(self, request: messages.PresentMedia, command: Command[Any]) -> None:
        """`CashAcceptor.PresentMedia` 2.0: where returning items does not present them."""
        position = output_position(self.device, request.position)
        result, _ = await self._give_back(
            command,
            "presentMedia",
            devices.CashAcceptor.present_media,
            position,
            bunch_as_asked(self.cash),
        )
        if result.failure is not None:
            raise result.failure

    @handles(
        "CashAcceptor.ConfigureNoteTypes",
        checks=(
            note_types.note_types_given,
            no_exchange,
            accepting.no_cash_in,
            note_types.note_types_exist,
            device_ready,
        ),
    )
    async def configure_note_types(self, request: messages.ConfigureNoteTypes, command: Command) -> None:
        """`CashAcceptor.ConfigureNoteTypes` 2.0: kept, and shown by CashManagement.GetBankNoteTypes."""
        changed = {str(one.item): bool(one.enabled) for one in request.items or ()}
        with trio.CancelScope(shield=True):
            await self.ask(devices.CashAcceptor.configure_note_types, self.note_types.enabled(changed))
            await self.note_types.configure(changed)

    @handles(
        "CashAcceptor.ConfigureNoteReader",
        checks=(no_exchange, accepting.no_cash_in, device_ready),
        device=("loadFailed",),
    )
    async def configure_note_reader(
        self, request: messages.ConfigureNoteReader | None, command: Command
    ) -> messages.ConfigureNoteReaderCompletion:
        """`CashAcceptor.ConfigureNoteReader` 2.0."""
        always = bool(request is not None and request.load_always)
        reboot = await self.ask(devices.CashAcceptor.configure_note_reader, always)
        return messages.ConfigureNoteReaderCompletion(reboot_necessary=reboot)

    @handles(
        "CashAcceptor.CreateSignature",
        checks=(signatures.signatures_supported, no_exchange, accepting.no_cash_in, device_there),
        device=(
            "tooManyItems",
            "noItems",
            "positionNotEmpty",
            "shutterNotOpen",
            "shutterNotClosed",
            "foreignItemsDetected",
        ),
    )
    async def create_signature(
        self, request: None, command: Command[Any]
    ) -> messages.CreateSignatureCompletion:
        """`CashAcceptor.CreateSignature` 2.0, completion 3.0: of one item, which goes back."""
        result, _ = await self._movements.move(
            command,
            "createSignature",
            devices.CashAcceptor.create_signature,
            believe=signatures.created_as_asked(self.cash.known_items),
            waits=True,
        )
        if result.failure is not None:
            raise result.failure
        made = result.signature
        assert made is not None
        return messages.CreateSignatureCompletion(
            note_type=made.note_type, orientation=made.orientation, signature=made.signature
        )

    @handles(
        "CashAcceptor.CompareSignature",
        checks=(
            signatures.signatures_supported,
            no_exchange,
            accepting.no_cash_in,
            signatures.references_given,
            signatures.candidates_given,
            device_ready,
        ),
    )
    async def compare_signature(
        self, request: messages.CompareSignature, command: Command
    ) -> messages.CompareSignatureCompletion:
        """`CashAcceptor.CompareSignature` 3.0, completion 2.0."""
        references = tuple(request.reference_signatures or ())
        candidates = tuple(request.signatures or ())
        matches = await self.ask(
            devices.CashAcceptor.compare_signature,
            references,
            candidates,
            believe=signatures.matched_as_asked(len(candidates)),
        )
        found = [
            messages.CompareSignatureCompletionSignaturesIndexItem(
                index=match.index, confidence_level=match.confidence, comparison_data=match.comparison_data
            )
            for match in matches
        ]
        return messages.CompareSignatureCompletion(signatures_index=found or None)

    @handles(
        "CashAcceptor.CashUnitCount",
        checks=(
            unit_count.count_possible,
            no_exchange,
            accepting.no_cash_in,
            unit_count.units_to_count_exist,
            unit_count.units_to_count_work,
            device_there,
        ),
        device=("tooManyItemsToCount", "countPositionNotEmpty"),
    )
    async def cash_unit_count(self, request: messages.CashUnitCount, command: Command[Any]) -> None:
        """`CashAcceptor.CashUnitCount` 2.0: some units, or all; their counts are accurate then."""
        units = tuple(unit_count.units_to_count(self, request))
        result, _ = await self._movements.move(
            command,
            "unitCount",
            devices.CashAcceptor.cash_unit_count,
            units,
            believe=content_as_possible(self.cash, units),
            units=[*units, *self.cash.names_of_type("reject")],
            finish=lambda result, _: unit_count.corrected(self.cash, result),
        )
        if result.failure is not None:
            raise result.failure

    @handles(
        "CashAcceptor.Replenish",
        checks=(
            refilling.replenish_given,
            no_exchange,
            accepting.no_cash_in,
            refilling.replenish_units_exist,
            refilling.replenish_units_work,
            device_there,
        ),
    )
    async def replenish(
        self, request: messages.Replenish, command: Command[ReplenishEvents]
    ) -> messages.ReplenishCompletion:
        """`CashAcceptor.Replenish` 2.0: from one unit into others."""
        source, targets = str(request.source), refilling.targets_of(request)
        emptied = {source: None} if None in targets.values() else {}
        result, booking = await self._movements.move(
            command,
            "replenish",
            devices.CashAcceptor.replenish,
            source,
            dict(targets),
            believe=refilled_as_asked(self.cash, targets, "target", [source]),
            units=[source, *targets, *self.cash.names_of_type("reject")],
            finish=lambda result, _: emptied_as_asked(self.cash, emptied, result),
        )
        completion = refilling.replenished(self.cash, booking, source, targets)
        if result.failure is not None and result.moved:
            command.send(refilling.incomplete_replenish(completion))
        return completed(completion, result)

    @handles(
        "CashAcceptor.Deplete",
        checks=(
            refilling.deplete_given,
            no_exchange,
            accepting.no_cash_in,
            refilling.deplete_units_exist,
            refilling.deplete_units_work,
            device_there,
        ),
    )
    async def deplete(
        self, request: messages.Deplete, command: Command[DepleteEvents]
    ) -> messages.DepleteCompletion:
        """`CashAcceptor.Deplete` 2.0: from some units into one."""
        sources, target = refilling.sources_of(request), str(request.cash_unit_target)
        result, booking = await self._movements.move(
            command,
            "deplete",
            devices.CashAcceptor.deplete,
            dict(sources),
            target,
            believe=refilled_as_asked(self.cash, sources, "source", sources),
            units=[*sources, target, *self.cash.names_of_type("reject")],
            finish=lambda result, _: emptied_as_asked(self.cash, sources, result),
        )
        completion = refilling.depleted(self.cash, booking, sources, target)
        if result.failure is not None and result.moved:
            command.send(refilling.incomplete_deplete(completion))
        return completed(completion, result)

    @handles("CashAcceptor.GetReplenishTarget", asks="replenish", checks=(refilling.replenish_source_exists,))
    def get_replenish_target(
        self, request: messages.GetReplenishTarget, command: Command
    ) -> messages.GetReplenishTargetCompletion:
        """`CashAcceptor.GetReplenishTarget` 2.0."""
        targets = sorted(self.replenish_targets[str(request.source)])
        found = [messages.GetReplenishTargetCompletionTargetsItem(target=target) for target in targets]
        return messages.GetReplenishTargetCompletion(targets=found or None)

    @handles("CashAcceptor.GetDepleteSource", asks="deplete", checks=(refilling.deplete_target_exists,))
    def get_deplete_source(
        self, request: messages.GetDepleteSource, command: Command
    ) -> messages.GetDepleteSourceCompletion:
        """`CashAcceptor.GetDepleteSource` 2.0."""
        sources = sorted(self.deplete_sources[str(request.cash_unit_target)])
        found = [
            messages.GetDepleteSourceCompletionDepleteSourcesItem(cash_unit_source=source)
            for source in sources
        ]
        return messages.GetDepleteSourceCompletion(deplete_sources=found or None)

    @handles(
        "CashAcceptor.DeviceLockControl",
        checks=(
            locks.locks_given,
            no_exchange,
            accepting.no_cash_in,
            locks.units_to_lock_exist,
            device_ready,
        ),
        device=("deviceLockFailure",),
    )
    async def device_lock_control(
        self, request: messages.DeviceLockControl, command: Command[DeviceLockControlEvents]
    ) -> None:
        """`CashAcceptor.DeviceLockControl` 2.0: the device, all units, or some of them."""
        device, units = locks.locks_of(self.cash, request)
        if device is None and not units:
            return
        with trio.CancelScope(shield=True):
            operation = devices.CashAcceptor.device_lock_control
            async with self._locks.moving(device, units):
                await self.ask(operation, device, dict(units), command, moving=True)

    @handles(
        "CashAcceptor.GetDeviceLockStatus",
        asks=None,
        offered=lambda on: (
            implements(on.device, "device_lock_control") or implements(on.device, "device_locks")
        ),
    )
    async def get_device_lock_status(
        self, request: None, command: Command
    ) -> messages.GetDeviceLockStatusCompletion:
        """`CashAcceptor.GetDeviceLockStatus` 2.0: as the device senses it, else what was locked last."""
        known: DeviceLocks = self._locks.known()
        if implements(self.device, "device_locks"):
            known = await self.ask(devices.CashAcceptor.device_locks, believe=self._locks.believe)
        units = [
            messages.GetDeviceLockStatusCompletionUnitLockItem(storage_unit=unit, unit_lock_status=status)
            for unit, status in known.units.items()
        ]
        return messages.GetDeviceLockStatusCompletion(
            device_lock_status=known.device, unit_lock=units or None
        )
