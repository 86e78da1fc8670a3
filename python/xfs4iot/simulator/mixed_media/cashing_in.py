"""The notes of a simulated device for notes and cheques: their way from the slot into units, or back.

slot, notes aside ──▶ stacker ──▶ units          CashIn; CashInEnd
                      stacker ──▶ presented      CashInRollback

Its reader is that of a cash acceptor; see `simulator.cash.accepting`.
"""

from __future__ import annotations

from typing import Any, Literal

import trio

from xfs4iot import devices
from xfs4iot.devices import CashedIn, CashMovement, CashReturned, ItemsMoved, Retracted
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_acceptor, cash_management
from xfs4iot.simulator.cash.accepting import Accepting, NoteAcceptor, Reason
from xfs4iot.simulator.cash.truth import Notes
from xfs4iot.simulator.check import SimulatedCheck
from xfs4iot.simulator.check.items import Cheque
from xfs4iot.simulator.mixed_media.items import MixedState, Moved, note_of

__all__ = ["CashingIn"]


class CashingIn(NoteAcceptor, SimulatedCheck):
    """What the service asks of the device for notes."""

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self._took = trio.Event()

    @property
    def _both(self) -> MixedState:
        state: MixedState = self._truth.state  # type: ignore[assignment]
        return state

    def _takes_cheque(self, item: Cheque) -> bool:
        """Whether a cheque waits for MediaIn, which may still refuse it."""
        raise NotImplementedError

    def _hand_back(self) -> None:
        """Let what waits for a command that did not come go back with what was refused."""
        raise NotImplementedError

    def _home(self, note: Notes, units: tuple[str, ...]) -> str | None:
        return next((unit for unit in units if self._has_room(unit)), None)

    def _has_room(self, unit: str) -> bool:
        return unit not in self._state.pulled and self._held(unit) < self.setup.units[unit].capacity

    def _on_stacker(self) -> int:
        return len(self._both.notes)

    async def cash_in_start(self, request: devices.CashInStartRequest) -> None:
        self._both.cash_in = True
        self._save()

    async def wait_inserted(self, position: str) -> None:
        self._require_no_jam()
        state = self._both
        if state.presented and self.setup.customer:
            self._take()
        if not state.notes_aside:
            await self._wait_for_slot(Cheque(kind="banknote"))
        await trio.lowlevel.checkpoint()

    async def _wait_for_slot(self, of_customer: Cheque) -> None:
        """Open the slot until something is in it, which a customer of its own may put there."""
        if self._both.slot:
            return
        self._came = trio.Event()
        self._open = True
        self._show()
        try:
            if self.setup.customer:
                self._insert((of_customer,) * self.setup.customer)
            await self._came.wait()
        finally:
            self._open = False
            self._show()

    async def cash_in(self, request: devices.CashInRequest, events: Any) -> CashedIn:
        self._require_reader()
        self._begin_cash(events.operation)
        self._require_slot()
        self._notes_read = []
        accepting = Accepting.of(request)
        failure, refused = await self._take_in(accepting, events)
        self._tell_stage(accepting, events)
        self._tell_read(events)
        return CashedIn(moved=self._cash_moved(), refused=refused, failure=failure)

    def _require_slot(self) -> None:
        if self.faults.active("slotStuck"):
            raise errors.CommandError("shutterNotOpen", "the shutter does not move")

    async def _take_in(self, accepting: Accepting, events: Any) -> tuple[errors.XfsError | None, int]:
        """Feed the bunch, item by item; returns what stopped that, and how many items were refused."""
        state, refused = self._both, 0
        while state.notes_aside or state.slot:
            await self._time()
            if events.cancel_requested:
                # What a client that has given up does not wait for goes back as it came.
                return None, refused + self._refuse(state.slot, len(state.slot), None, events)
            source = state.notes_aside or state.slot
            item = source[0]
            if self.faults.strikes("chequeJams"):
                state.jammed = True
                self._save()
                return errors.HardwareError("an item is stuck; see CashManagement.Reset"), refused
            if self.faults.strikes("doubleInsert"):
                events.send(cash_management.NoteErrorEvent(reason="doubleNote"))
                refused += self._refuse(source, 2, "invalidBill", events)
            elif item.kind != "banknote" and self._takes_cheque(item):
                state.cheques_aside.append(source.pop(0))
                self._save()
            elif item.kind != "banknote":
                refused += self._refuse(source, 1, "foreignItemsDetected", events)
            elif (reason := self._note_refusal(self._at_reader(note_of(item)), accepting)) is not None:
                refused += self._refuse(source, 1, reason, events)
            else:
                self._accept(source.pop(0), accepting, events)
        return None, refused

    def _refuse(self, source: list[Cheque], count: int, reason: Reason | None, events: Any) -> int:
        """Let the next items go back, and tell why; how many those are."""
        some = source[:count]
        del source[:count]
        self._both.presented += some
        self._save()
        for _ in some if reason is not None else ():
            events.send(cash_acceptor.InputRefuseEvent(reason=reason))
        return len(some)

    def _accept(self, item: Cheque, accepting: Accepting, events: Any) -> None:
        state = self._both
        item.counted = True
        self._number(item)
        state.notes.append(item)
        self._moved("customer", "stacker", item)
        self._save()
        self._keep_read(note_of(item), "stacker")
        self._count(note_of(item), accepting, events)

    def _number(self, item: Cheque) -> None:
        """Let a note that nobody has read yet have a serial number, which it keeps."""
        state = self._both
        if not item.serial:
            state.notes_read += 1
            item.serial = self._serial(state.notes_read)

    def _require_no_jam(self) -> None:
        if self._state.jammed:
            raise errors.HardwareError("an item is stuck; see CashManagement.Reset")

    def _begin_cash(self, operation: int) -> None:
        self._require_no_jam()
        self._restart()
        self._both.cash_operation, self._both.cash_moved = operation, []
        self._save()

    def _moved(self, source: str, target: str, note: Cheque) -> None:
        """Keep that a note has moved."""
        moved = (source, target, note.note, note.condition)
        for one in self._both.cash_moved:
            if (one.source, one.target, one.item, one.level) == moved:
                one.count += 1
                return
        self._both.cash_moved.append(Moved(1, *moved))

    def _cash_moved(self) -> tuple[ItemsMoved, ...]:
        found = []
        for one in self._both.cash_moved:
            level: Any = one.level
            found.append(ItemsMoved(one.count, one.source, one.target, item=one.item, level=level))
        return tuple(found)

    async def cash_in_end(self, request: devices.StoreRequest, events: Any) -> CashMovement:
        self._begin_cash(events.operation)
        state = self._both
        # Copied, as notes leave the stacker in the loop.
        for note in list(state.notes):
            await self._time()
            if self.faults.strikes("returnJams"):
                state.jammed = True
                self._save()
                fault = errors.HardwareError("a note is stuck; see CashManagement.Reset")
                return CashMovement(moved=self._cash_moved(), failure=fault)
            unit = self._home(note_of(note), request.units)
            if unit is None:
                full = devices.CashUnitError("full", request.units, "no unit has room")
                return CashMovement(moved=self._cash_moved(), failure=full)
            self._store(note, state.notes, unit, "stacker")
        state.cash_in = False
        self._hand_back()
        return CashMovement(moved=self._cash_moved())

    def _store(self, note: Cheque, place: list[Cheque], unit: str, source: str) -> None:
        # By identity: two notes may be equal without being the same piece of paper.
        place[:] = [one for one in place if one is not note]
        self._both.notes_stored.setdefault(unit, []).append(note)
        self._moved(source, unit, note)
        self._reads_move(source, unit, 1)
        self._save()

    async def cash_in_rollback(self, position: str, events: Any) -> CashReturned:
        self._begin_cash(events.operation)
        self._require_slot()
        await self._time()
        self._return_notes()
        self._both.cash_in = False
        self._hand_back()
        return CashReturned(moved=self._cash_moved(), presented=True)

    def _return_notes(self) -> None:
        """Let the notes on the stacker go back to the customer."""
        state = self._both
        for note in state.notes:
            self._moved("stacker", "output", note)
        state.presented += state.notes
        state.notes = []
        self._reads_move("stacker", "output")
        self._save()

    async def create_signature(self, events: Any) -> devices.SignatureCreated:
        self._require_reader()
        self._require_no_jam()
        events.send(cash_acceptor.InsertItemsEvent())
        await self._wait_for_slot(Cheque(kind="banknote"))
        state = self._both
        if len(state.slot) > 1:
            raise errors.CommandError("tooManyItems", "insert one note only")
        # Its booking is that it came back, so nothing of it is recorded as a movement.
        self._begin_cash(events.operation)
        await self._time()
        self._notes_read = []
        item = state.slot.pop(0)
        note = Notes("customer", "", "unrecognized")
        if item.kind == "banknote":
            self._number(item)
            note = note_of(item)
            self._keep_read(note, "output")
        state.presented.append(item)
        self._save()
        self._tell_read(events)
        return self._signature(note, events)

    async def wait_taken(self, position: str) -> None:
        while any(item.kind == "banknote" for item in self._state.presented):
            await self._took.wait()

    def _take(self) -> int:
        state = self._both
        if not state.presented:
            raise errors.SequenceError("nothing was presented")
        cheques = any(item.kind != "banknote" for item in state.presented)
        count, state.presented = len(state.presented), []
        self._reads_move("output", "customer")
        self._save()
        if cheques:
            self.media_taken(self.where_presented)
        self._took.set()
        self._took = trio.Event()
        return count

    async def retract(self, request: devices.RetractRequest, events: Any) -> Retracted:
        return await self._clear_notes(request.destination, events.operation)

    async def reset(self, destination: devices.Destination, events: Any) -> Retracted:
        state = self._both
        state.jammed = state.cash_in = False
        self._hand_back()
        return await self._clear_notes(destination, events.operation)

    async def _clear_notes(self, destination: devices.Destination, operation: int) -> Retracted:
        """Bring the notes that are inside, and those that went back and were not taken, to one place."""
        self._begin_cash(operation)
        state = self._both
        await self._time()
        unit = destination.unit
        if unit is None:
            self._return_notes()
            return Retracted(moved=self._cash_moved())
        for place, source in ((state.presented, "output"), (state.notes, "stacker")):
            for note in [one for one in place if one.kind == "banknote" and one.counted]:
                if not self._has_room(unit):
                    full = devices.CashUnitError("full", [unit], f"{unit} is full")
                    return Retracted(moved=self._cash_moved(), failure=full)
                self._store(note, place, unit, source)
        return Retracted(moved=self._cash_moved())

    async def recall(self, operation: int) -> CashMovement | None:
        if self._both.cash_operation != operation:
            return CashMovement() if operation > self._both.cash_operation else None
        return CashMovement(moved=self._cash_moved())

    def _show_cash(self) -> None:
        """Make the status of the acceptor say of what it shares with the scanner what that says."""
        status, state = self.status.cash_acceptor, self._both
        status.banknote_reader = self._reader_state
        for position in status.positions or ():
            held = state.slot if (position.position or "").startswith("in") else state.presented
            shutter: Literal["open", "closed"] = "open" if held or self._open else "closed"
            position.position_status = "notEmpty" if held else "empty"
            position.shutter = "jammedClosed" if self.faults.active("slotStuck") else shutter
