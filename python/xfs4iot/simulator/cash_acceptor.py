"""A simulated cash acceptor, alone or, with a `SimulatedCashDispenser`, as a recycler.

    customer → input → stacker            (cash-in; what is not accepted → output)
               stacker → units            (end of the cash-in)
               stacker → output           (rollback)
    unit → units                          (replenish, deplete)

What it accepts is said in `simulator.cash.accepting`. A note that is good goes to the unit for its kind, from
which a recycler gives it again; all others, and those whose unit is full, go to a unit of mixed notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.cash_acceptor import (
    CashInEndEvents,
    CashInEvents,
    CashInRollbackEvents,
    CashUnitCountEvents,
    CreateSignatureEvents,
    DepleteEvents,
    DeviceLockControlEvents,
    ReplenishEvents,
)
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management
from xfs4iot.simulator.cash.accepting import Accepting, NoteAcceptor, Reason
from xfs4iot.simulator.cash.description import UnitSettings, without_use
from xfs4iot.simulator.cash.device import CashDevice
from xfs4iot.simulator.cash.inserting import Inserting
from xfs4iot.simulator.cash.truth import CUSTOMER, Notes
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedCashAcceptor"]


@dataclass(frozen=True)
class CashAcceptorSettings:
    """What a profile may say of a cash acceptor, beside what all cash devices have.

    Attributes:
        units: see `CashSettings`.
        stacker: how many notes wait until a cash-in ends; 0: they are stored at once.
    """

    units: dict[str, UnitSettings]
    stacker: Annotated[int, Meta(ge=0)] = 200

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """That no unit is there for it."""
        yield from without_use(self.units, "cashIn")


class SimulatedCashAcceptor(NoteAcceptor, Inserting, CashDevice):
    """The device; for its arguments see `SimulatedDevice`."""

    items_taken_sensor = True
    retract_areas = frozenset({"retract", "stacker", "reject"})
    retract_stacker_actions = frozenset({"present", "retract", "reject"})

    Settings: ClassVar = CashAcceptorSettings
    FAULTS: ClassVar = {
        "takesBack": Fault("once", "the customer takes the notes back when the next cash-in begins"),
        "locksStuck": Fault("once", "the next lock neither locks nor unlocks"),
    }

    def __init__(self, name: str, options: Mapping[str, Any] | None = None, **world: Any) -> None:
        super().__init__(name, options, **world)
        settings = self.configured(CashAcceptorSettings)
        self.stacker_capacity = settings.stacker
        self.stacker_room = settings.stacker or self.stacker_room
        self._locks: dict[str, Any] = {}
        # Where doubtful notes go: as the last CashIn says, which may have been before a restart.
        self._taking = tuple(unit for unit, uses in self.layout.uses.items() if "cashIn" in uses)
        places: list[Any] = ["inDefault", "outDefault"]
        slots = [
            messages.Position(
                position=place,
                shutter="closed",
                position_status="empty",
                transport="ok",
                transport_status="empty",
            )
            for place in places
        ]
        self.positions += slots
        stacked: Any = "empty" if settings.stacker else None
        self.acceptor_status = messages.Status(
            intermediate_stacker=stacked,
            stacker_items="noItems" if settings.stacker else None,
            banknote_reader="ok",
            positions=slots,
        )
        self.status.cash_acceptor = self.acceptor_status

    def _show(self) -> None:
        super()._show()
        status, held = self.acceptor_status, self.truth.at("stacker")
        status.banknote_reader = self._reader_state
        if not self.stacker_capacity:
            return
        seen = self._seen("stacker")
        full = seen == "notEmpty" and sum(held.values()) >= self.stacker_capacity
        status.intermediate_stacker = "full" if full else seen
        customers: Any = "customerAccess" if CUSTOMER in held else "noCustomerAccess"
        status.stacker_items = {"unknown": "accessUnknown", "empty": "noItems"}.get(seen, customers)
        for position in status.positions or ():
            if position.transport_status == "notEmpty" and CUSTOMER in self.truth.at("transport"):
                position.transport_status = "notEmptyCustomer"

    async def cash_in_start(self, request: devices.CashInStartRequest) -> None:
        self._require_closed_door(errors.CommandError("safeDoorOpen", "the safe door is open"))
        self._require_way()

    async def wait_inserted(self, position: str) -> None:
        await self._wait_for_notes()

    async def cash_in(
        self, request: devices.CashInRequest, events: devices.CashEvents[CashInEvents]
    ) -> devices.CashedIn:
        self._require_closed_door(errors.CommandError("safeDoorOpen", "the safe door is open"))
        self._require_reader()
        self._require_bunch(self.acceptance.max_insert)
        self._taking = request.units
        self._begin(events)
        self._notes_read = []
        accepting = Accepting.of(request)
        failure, refused = await self._take_in(accepting, events)
        self._offer_back(refused)
        self._tell_stage(accepting, events)
        self._tell_read(events)
        return devices.CashedIn(moved=self.truth.moved, refused=refused, failure=failure)

    def _require_reader(self) -> None:
        self._require_way()
        super()._require_reader()

    async def _take_in(
        self, accepting: Accepting, events: devices.CashEvents[CashInEvents]
    ) -> tuple[errors.XfsError | None, int]:
        """Feed the bunch, note by note; returns what stopped that, and how many notes were refused."""
        total, refused = self.truth.total("input"), 0
        while self.truth.total("input"):
            await self._time(1 / total)
            if events.cancel_requested:
                break
            if self.faults.strikes("jam"):
                self.truth.move("input", "transport")
                return self._tell_jam("a note is"), refused
            reason: Reason | None
            together = 1
            if self.faults.strikes("doubleInsert"):
                events.send(cash_management.NoteErrorEvent(reason="doubleNote"))
                together, reason = min(2, self.truth.total("input")), "invalidBill"
            else:
                note = self._next_read()
                reason = self._note_refusal(note, accepting)
            if reason is None:
                self._accept(note, accepting, events)
                self._break()
                continue
            self.truth.move("input", "output", count=together)
            for _ in range(together):
                events.send(messages.InputRefuseEvent(reason=reason))
            refused += together
        # What a client that has given up does not wait for goes back as it came.
        if left := self.truth.total("input"):
            self.truth.move("input", "output", count=left)
            refused += left
        return None, refused

    def _next_read(self) -> Notes:
        """The next note in the slot, as it is read."""
        found = self.truth.next("input")
        assert found is not None
        return self._at_reader(found)

    def _home(self, note: Notes, units: tuple[str, ...]) -> str | None:
        return self.layout.home(note.item, note.level, units, self.truth)

    def _on_stacker(self) -> int:
        return self.truth.total("stacker")

    def _accept(self, note: Notes, accepting: Accepting, events: devices.CashEvents[CashInEvents]) -> None:
        home = "stacker" if self.stacker_capacity else self._home(note, accepting.request.units)
        assert home is not None
        self.truth.move("input", home)
        self._note(home)
        self._count(note, accepting, events)

    async def cash_in_end(
        self, request: devices.StoreRequest, events: devices.CashEvents[CashInEndEvents]
    ) -> devices.CashMovement:
        self._require_closed_door(errors.CommandError("safeDoorOpen", "the safe door is open"))
        self._require_way()
        self._begin(events)
        failure = await self._sort(lambda note: self._home(note, request.units), request.units)
        self._show()
        return devices.CashMovement(moved=self.truth.moved, failure=failure)

    async def _sort(
        self, home_of: Callable[[Notes], str | None], units: tuple[str, ...]
    ) -> errors.XfsError | None:
        """Bring each note from the stacker to its place; what stopped that, or that no unit has room."""
        total = self.truth.total("stacker")
        while (note := self.truth.next("stacker")) is not None:
            await self._time(1 / total)
            home = home_of(note)
            if self.faults.strikes("jam"):
                self.truth.move("stacker", "transport")
                return self._tell_jam("a note is")
            if home is None:
                return devices.CashUnitError("full", units, "no unit has room for the note")
            self.truth.move("stacker", home)
            self._reads_move("stacker", home, 1)
            self._break()
        return None

    async def cash_in_rollback(
        self, position: str, events: devices.CashEvents[CashInRollbackEvents]
    ) -> devices.CashReturned:
        self._require_way()
        if self.faults.active("shutterJammed"):
            raise errors.CommandError("shutterNotOpen", "the shutter does not open")
        self._begin(events)

        def home(note: Notes) -> str | None:
            # What may be false is kept, also from a customer who changes his mind.
            return self._home(note, self._taking) if note.level in self.retain_action else "output"

        failure = await self._sort(home, self._taking)
        out = self.truth.total("output")
        if out:
            self._offer_back(out)
        self._show()
        return devices.CashReturned(moved=self.truth.moved, failure=failure, presented=bool(out))

    async def create_signature(
        self, events: devices.CashEvents[CreateSignatureEvents]
    ) -> devices.SignatureCreated:
        self._require_reader()
        events.send(messages.InsertItemsEvent())
        if not await self._wait_for_notes(lambda: events.cancel_requested):
            raise errors.Canceled("nothing was inserted")
        if self.truth.total("input") > 1:
            raise errors.CommandError("tooManyItems", "insert one note only")
        self._require_bunch(1)
        # Its booking is that it came back, so nothing of it is recorded as a movement.
        self._begin(events)
        await self._time()
        self._notes_read = []
        note = self._note("input")
        self._tell_read(events)
        self.truth.shift("input", "output")
        self._offer_back(1)
        return self._signature(note, events)

    async def cash_unit_count(
        self, units: tuple[str, ...], events: devices.CashEvents[CashUnitCountEvents]
    ) -> devices.UnitsCounted:
        self._require_way()
        self._begin(events)
        await self._time()
        counted = {
            unit: tuple(
                devices.UnitContent(count, *self.truth.told(*kind))
                for kind, count in self.truth.content(unit).items()
                if count
            )
            for unit in units
        }
        return devices.UnitsCounted(counted=counted)

    async def replenish(
        self, source: str, targets: Mapping[str, int | None], events: devices.CashEvents[ReplenishEvents]
    ) -> devices.CashMovement:
        return await self._refill([(source, target, count) for target, count in targets.items()], events)

    async def deplete(
        self, sources: Mapping[str, int | None], target: str, events: devices.CashEvents[DepleteEvents]
    ) -> devices.CashMovement:
        return await self._refill([(source, target, count) for source, count in sources.items()], events)

    async def _refill(
        self, orders: list[tuple[str, str, int | None]], events: devices.CashEvents[Any]
    ) -> devices.CashMovement:
        """Move notes between units; what does not belong into the target is rejected."""
        self._require_closed_door(errors.UserError("the safe door is open; close it"))
        self._require_way()
        self._begin(events)
        failure: errors.XfsError | None = None
        for source, target, count in orders:
            left = self.truth.total(source) if count is None else count
            total = left
            while left and failure is None:
                await self._time(1 / total)
                note = self.truth.next(source)
                wrong = note is not None and self.layout.notes.get(target, note.item) != note.item
                where = self.layout.reject if wrong else target
                failure = self._unit_failure(source) or self._full(where)
                if failure is None and self.faults.strikes("jam"):
                    self.truth.move(source, "transport")
                    failure = self._tell_jam("a note is")
                elif failure is None:
                    self.truth.move(source, where)
                    self._break()
                    left -= 1
        self._show()
        return devices.CashMovement(moved=self.truth.moved, failure=failure)

    async def device_lock_control(
        self,
        device: Literal["lock", "unlock"] | None,
        units: Mapping[str, Literal["lock", "unlock"]],
        events: devices.CommandEvents[DeviceLockControlEvents],
    ) -> None:
        if self.faults.strikes("locksStuck"):
            raise errors.CommandError("deviceLockFailure", "a lock is stuck")
        self._timeline = Timeline(self.clock)
        await self._time()
