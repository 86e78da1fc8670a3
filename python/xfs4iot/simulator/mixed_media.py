"""A simulated device that takes in notes and cheques through one slot, in one bunch.

It is the simulated scanner with a reader of notes in its way. Whichever of CashIn and MediaIn draws a bunch
in reports what is of its kind; what is of the other kind waits inside for the other command, or is refused if
the device does not take it now, or no cash-in is active. Notes and cheques share the slot and the units; each
item is at one place, also after a restart, and the device recalls what its movements did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import trio
from msgspec import Meta

from xfs4iot import devices
from xfs4iot.devices import CashedIn, CashMovement, CashReturned, ItemsMoved, Retracted
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_acceptor, cash_management
from xfs4iot.protocol.messages import check as messages
from xfs4iot.simulator.check import SimulatedCheck
from xfs4iot.simulator.check.items import CheckSettings, CheckUnitSettings, Cheque, State
from xfs4iot.simulator.commands import Completion

__all__ = ["SimulatedMixedMedia"]


@dataclass(frozen=True)
class MixedUnitSettings(CheckUnitSettings):
    """One unit: what it is used for, and how many items of both kinds it has room for.

    Attributes:
        cash: what it is used for of notes; without it for the same as of cheques.
    """

    cash: tuple[Literal["cashIn", "cashInRetract"], ...] | None = None

    @property
    def cash_uses(self) -> frozenset[Literal["cashIn", "cashInRetract"]]:
        """What it is used for of notes."""
        if self.cash is not None:
            return frozenset(self.cash)
        return frozenset("cashIn" if use == "mediaIn" else "cashInRetract" for use in self.uses)


@dataclass(frozen=True)
class MixedMediaSettings(CheckSettings):
    """What a profile may say, besides what it may say of a scanner.

    Attributes:
        notes: values that it knows, by currency.
        dynamic: whether the modes may change while a transaction is active.
    """

    units: dict[str, MixedUnitSettings] = field(default_factory=dict)  # type: ignore[assignment]
    notes: dict[str, tuple[Annotated[int, Meta(ge=1)], ...]] = field(
        default_factory=lambda: {"EUR": (5, 10, 20, 50, 100)}
    )
    dynamic: bool = False


class Moved(msgspec.Struct):
    """Notes of one kind that a movement has moved."""

    count: int
    source: str
    target: str
    item: str


class MixedState(State):
    """What is kept.

    Attributes:
        cash_in: a cash-in is active.
        notes: accepted, on the stacker.
        notes_aside, cheques_aside: drawn in by the command of the other kind.
        notes_stored: by unit.
        cash_operation, cash_moved: the last movement of notes.
    """

    cash_in: bool = False
    notes: list[Cheque] = msgspec.field(default_factory=list)
    notes_aside: list[Cheque] = msgspec.field(default_factory=list)
    cheques_aside: list[Cheque] = msgspec.field(default_factory=list)
    notes_stored: dict[str, list[Cheque]] = msgspec.field(default_factory=dict)
    cash_operation: int = 0
    cash_moved: list[Moved] = msgspec.field(default_factory=list)


class ShownMixed(Completion):
    """How many notes and cheques are where."""

    slot: int
    stacker: int
    waiting: int
    refused: int
    presented: int
    notes: int
    notes_aside: int
    cheques_aside: int
    units: dict[str, int]
    notes_stored: dict[str, dict[str, int]]


class SimulatedMixedMedia(SimulatedCheck, devices.MixedMedia):
    """A device for notes and cheques."""

    Settings: ClassVar = MixedMediaSettings
    STATE: ClassVar = MixedState

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.mixed = self.configured(MixedMediaSettings)
        self.dynamic_modes = self.mixed.dynamic
        self.stacker_capacity = self.setup.stacker
        self.media_positions = messages.CapabilitiesPositions(
            input=self.media_positions.input if self.media_positions is not None else None
        )
        values = [(currency, value) for currency, many in self.mixed.notes.items() for value in many]
        self.bank_notes = {
            f"type{currency}{value}": cash_management.BankNote(
                cash_item=cash_management.CashItem(
                    note_id=number, currency=currency, value=Decimal(value), release=1
                ),
                enabled=True,
            )
            for number, (currency, value) in enumerate(values, 1)
        }
        self._took = trio.Event()

    @classmethod
    def settings_classes(cls) -> tuple[type[Any], ...]:
        """Those of the mixed device alone: they have all of a scanner's."""
        return tuple(kind for kind in super().settings_classes() if kind is not CheckSettings)

    @property
    def _both(self) -> MixedState:
        state: MixedState = self._truth.state  # type: ignore[assignment]
        return state

    async def units(self) -> Mapping[str, Any]:
        cheques = await super().units()
        found: dict[str, Any] = {}
        for number, (name, unit) in enumerate(self.mixed.units.items(), 1):
            parts: list[devices.StorageUnit] = [cheques[name]]
            if unit.cash_uses:
                parts.append(
                    devices.CashUnit(
                        index=number,
                        types=unit.cash_uses,
                        items=frozenset({"fit", "unfit", "unrecognized"}),
                        capacity=unit.capacity,
                        cash_items=tuple(self.bank_notes),
                        serial_number=cheques[name].serial_number,
                        status=cheques[name].status,
                    )
                )
            found[name] = tuple(parts)
        return found

    async def set_mode(self, cash: bool, check: bool) -> None:
        await self._time()

    @property
    def _accepts(self) -> tuple[bool, bool]:
        """Whether notes are taken now, and whether cheques are."""
        modes = self.status.mixed_media.modes
        cash, check = (modes.cash_accept, modes.check_accept) if modes is not None else (True, True)
        return bool(cash) and self._both.cash_in, bool(check)

    @property
    def _source(self) -> list[Cheque]:
        return self._both.cheques_aside or self._state.slot

    async def _feed(self, events: Any) -> int:
        """Draw the next item in, for MediaIn: a note waits for CashIn, or is refused."""
        state = self._both
        if state.cheques_aside or state.slot[0].kind != "banknote":
            return await super()._feed(events)
        self._require_feeder()
        await self._time()
        note = state.slot.pop(0)
        if self._accepts[0] and note.note in self.bank_notes:
            state.notes_aside.append(note)
            self._save()
            return 0
        state.presented.append(note)
        self._save()
        events.send(
            messages.MediaRefusedEvent(reason="foreignItems", location="input", present_required=False)
        )
        return 0

    def _held(self, unit: str) -> int:
        return super()._held(unit) + len(self._both.notes_stored.get(unit, ()))

    async def _leave(self, events: devices.MovingMedia, rollback: bool) -> devices.MediaStored:
        done = await super()._leave(events, rollback)
        if done.failure is None:
            self._hand_back()
        return done

    def _hand_back(self) -> None:
        """What waits for a command that did not come goes back with what was refused."""
        state = self._both
        state.presented += [*state.notes_aside, *state.cheques_aside]
        state.notes_aside, state.cheques_aside = [], []
        self._save()

    @contextmanager
    def _without_notes(self) -> Iterator[None]:
        """Notes that lie in the slot are no cheques: they stay there."""
        state = self._both
        notes = [item for item in state.presented if item.kind == "banknote"]
        state.presented = [item for item in state.presented if item.kind != "banknote"]
        try:
            yield
        finally:
            state.presented += notes
            self._save()

    async def retract_media(
        self, location: str | None, events: devices.MovingMedia
    ) -> devices.MediaRetracted:
        with self._without_notes():
            return await super().retract_media(location, events)

    async def reset_media(self, control: str | None, events: devices.MovingMedia) -> devices.MediaRetracted:
        state = self._both
        state.stacker += state.cheques_aside
        state.cheques_aside = []
        with self._without_notes():
            return await super().reset_media(control, events)

    async def cash_in_start(self, request: devices.CashInStartRequest) -> None:
        self._both.cash_in = True
        self._save()

    async def wait_inserted(self, position: str) -> None:
        self._require_no_jam()
        state = self._both
        if state.presented and self.setup.customer:
            self._take()
        if not state.slot and not state.notes_aside:
            self._came = trio.Event()
            self._open = True
            self._show()
            try:
                if self.setup.customer:
                    self._insert((Cheque(kind="banknote"),) * self.setup.customer)
                await self._came.wait()
            finally:
                self._open = False
                self._show()
        await trio.lowlevel.checkpoint()

    async def cash_in(self, request: devices.CashInRequest, events: Any) -> CashedIn:
        self._begin_cash(events.operation)
        if self.faults.active("slotStuck"):
            raise errors.CommandError("shutterNotOpen", "the shutter does not move")
        state = self._both
        refused = 0
        while state.notes_aside or state.slot:
            await self._time()
            source = state.notes_aside or state.slot
            item = source[0]
            if self.faults.strikes("chequeJams"):
                state.jammed = True
                self._save()
                fault = errors.HardwareError("an item is stuck; see CashManagement.Reset")
                return CashedIn(moved=self._cash_moved(), refused=refused, failure=fault)
            source.pop(0)
            if item.kind != "banknote" and self._takes_cheque(item):
                state.cheques_aside.append(item)
            elif item.kind == "banknote" and (reason := self._refusal_of(item, request)) is None:
                item.counted = True
                state.notes.append(item)
                self._moved("customer", "stacker", item)
            else:
                state.presented.append(item)
                refused += 1
                why: Any = reason if item.kind == "banknote" else "foreignItemsDetected"
                self._save()
                events.send(cash_acceptor.InputRefuseEvent(reason=why))
            self._save()
        return CashedIn(moved=self._cash_moved(), refused=refused)

    def _takes_cheque(self, item: Cheque) -> bool:
        """Whether a cheque waits for MediaIn, which may still refuse it."""
        return self._accepts[1] and item.refusal(self.setup.orientations) is None

    def _refusal_of(self, note: Cheque, request: devices.CashInRequest) -> str | None:
        """Why a note is not accepted."""
        came = sum(one.count for one in self._both.cash_moved)
        if note.note not in self.bank_notes or (request.items is not None and note.note not in request.items):
            return "invalidBill"
        if request.most is not None and came >= request.most:
            return "stackerFull"
        return None

    def _require_no_jam(self) -> None:
        if self._state.jammed:
            raise errors.HardwareError("an item is stuck; see CashManagement.Reset")

    def _begin_cash(self, operation: int) -> None:
        self._require_no_jam()
        self._restart()
        self._both.cash_operation, self._both.cash_moved = operation, []
        self._save()

    def _moved(self, source: str, target: str, note: Cheque) -> None:
        """Note one note that has moved."""
        for one in self._both.cash_moved:
            if (one.source, one.target, one.item) == (source, target, note.note):
                one.count += 1
                return
        self._both.cash_moved.append(Moved(1, source, target, note.note))

    def _cash_moved(self) -> tuple[ItemsMoved, ...]:
        return tuple(
            ItemsMoved(one.count, one.source, one.target, item=one.item, level="fit")
            for one in self._both.cash_moved
        )

    async def cash_in_end(self, request: devices.StoreRequest, events: Any) -> CashMovement:
        self._begin_cash(events.operation)
        state = self._both
        for note in list(state.notes):
            await self._time()
            if self.faults.strikes("returnJams"):
                state.jammed = True
                self._save()
                fault = errors.HardwareError("a note is stuck; see CashManagement.Reset")
                return CashMovement(moved=self._cash_moved(), failure=fault)
            unit = next((one for one in request.units if self._has_room(one)), None)
            if unit is None:
                full = devices.CashUnitError("full", request.units, "no unit has room")
                return CashMovement(moved=self._cash_moved(), failure=full)
            self._store(note, state.notes, unit, "stacker")
        state.cash_in = False
        self._hand_back()
        return CashMovement(moved=self._cash_moved())

    def _has_room(self, unit: str) -> bool:
        return unit not in self._state.pulled and self._held(unit) < self.setup.units[unit].capacity

    def _store(self, note: Cheque, place: list[Cheque], unit: str, source: str) -> None:
        place.remove(note)
        self._both.notes_stored.setdefault(unit, []).append(note)
        self._moved(source, unit, note)
        self._save()

    async def cash_in_rollback(self, position: str, events: Any) -> CashReturned:
        self._begin_cash(events.operation)
        if self.faults.active("slotStuck"):
            raise errors.CommandError("shutterNotOpen", "the shutter does not move")
        state = self._both
        await self._time()
        for note in state.notes:
            self._moved("stacker", "output", note)
        state.presented += state.notes
        state.notes, state.cash_in = [], False
        self._hand_back()
        return CashReturned(moved=self._cash_moved(), presented=True)

    async def wait_taken(self, position: str) -> None:
        while any(item.kind == "banknote" for item in self._state.presented):
            await self._took.wait()

    def _take(self) -> int:
        state = self._both
        if not state.presented:
            raise errors.SequenceError("nothing was presented")
        cheques = any(item.kind != "banknote" for item in state.presented)
        count, state.presented = len(state.presented), []
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
            for note in state.notes:
                self._moved("stacker", "output", note)
            state.presented += state.notes
            state.notes = []
            self._save()
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

    def shown_truth(self) -> Any:
        state = self._both
        return ShownMixed(
            slot=len(state.slot),
            stacker=len(state.stacker),
            waiting=len(state.waiting),
            refused=len(state.refused),
            presented=len(state.presented),
            notes=len(state.notes),
            notes_aside=len(state.notes_aside),
            cheques_aside=len(state.cheques_aside),
            units={unit: len(held) for unit, held in state.units.items()},
            notes_stored={
                unit: dict(Counter(note.note for note in held)) for unit, held in state.notes_stored.items()
            },
        )
