"""A simulated depository: envelopes and bags that are each at one place, a printer, a supply, bad luck.

Every item is in the supply, in the slot, on its way, in the container, with the customer, or lost, also after
a restart; the device recalls where its last movement has left what it moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import trio
from msgspec import Meta

from xfs4iot import devices
from xfs4iot.devices import DepositMoved, DepositReset
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import deposit as messages
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.commands import Completion, Count, Milliseconds, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedDeposit"]

CONTAINER, SUPPLY = "unitCONTAINER", "unitSUPPLY"
_TONER = 500
"""Envelopes that a new toner prints on; the last tenth is low."""


@dataclass(frozen=True)
class DepositPrinterSettings:
    """The printer: characters that fit on an item, whether it knows those beyond ASCII, what it prints on."""

    max_chars: Annotated[int, Meta(ge=1)] = 32
    unicode: bool = False
    on_retract: bool = True


@dataclass(frozen=True)
class SupplySettings:
    """The supply of envelopes: how many there are at first, how many fit, and when it is low.

    Attributes:
        kind: `motorized`, or `manual`: unlocked for `unlock_seconds`.
    """

    kind: Literal["motorized", "manual"] = "motorized"
    count: Annotated[int, Meta(ge=0)] = 100
    capacity: Annotated[int, Meta(ge=1)] = 150
    low: Annotated[int, Meta(ge=0)] = 20
    unlock_seconds: Annotated[float, Meta(gt=0)] = 30.0


@dataclass(frozen=True)
class DepositSettings:
    """What a profile may say.

    Attributes:
        types: what the slot takes.
        shutter, transport: whether it has them.
        printer, supply: without them there is none.
        capacity, high: of the container.
        retract: where an envelope goes that nobody took; "" for nowhere.
        customer: somebody puts an envelope in whenever one is asked for.
    """

    types: tuple[Literal["envelope", "bag"], ...] = ("envelope",)
    shutter: bool = True
    transport: bool = True
    printer: DepositPrinterSettings | None = None
    supply: SupplySettings | None = None
    capacity: Annotated[int, Meta(ge=1)] = 200
    high: Annotated[int, Meta(ge=1)] = 180
    retract: Literal["container", "dispenser", ""] = "container"
    customer: bool = False

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        if not self.types:
            yield ("types",), "envelope, bag or both"
        if self.supply is not None and self.supply.count > self.supply.capacity:
            yield ("supply", "count"), f"{self.supply.count} envelopes do not go into {self.supply.capacity}"
        if self.retract == "dispenser" and self.supply is None:
            yield ("retract",), "without a supply there is no dispenser: container"


class Envelope(msgspec.Struct, rename="camel"):
    """An item that somebody puts in, or that is dispensed empty.

    Attributes:
        kind: what it is.
        long_edge, short_edge, thickness: in millimetres.
        content: what is in it; "" for nothing.
        printed: what the device has printed on it.
        dispensed: it came from the supply.
    """

    kind: Literal["envelope", "bag"] = "envelope"
    long_edge: Annotated[int, Meta(ge=1, le=1000)] = 220
    short_edge: Annotated[int, Meta(ge=1, le=1000)] = 110
    thickness: Annotated[int, Meta(ge=0, le=500)] = 5
    content: Annotated[str, Meta(max_length=200)] = "100.00 EUR"
    printed: str | None = None
    dispensed: bool = False

    @property
    def fits(self) -> bool:
        """Whether it goes through the slot."""
        most = (240, 130, 20) if self.kind == "envelope" else (350, 250, 80)
        size = (self.long_edge, self.short_edge, self.thickness)
        return all(one <= limit for one, limit in zip(size, most, strict=True))


class _State(msgspec.Struct):
    """What is kept.

    Attributes:
        way, place: what is on its way, and at which point of it.
        open: the shutter is.
        pulled: the container is not in its place.
        toner: items that it still prints on.
        operation, moved: the last movement, and where it has left what it moved.
        reset: what it has found and where that is, if it was a reset.
    """

    supply: int = 0
    slot: Envelope | None = None
    way: Envelope | None = None
    place: Literal["transport", "printer", "dispenser"] = "transport"
    container: list[Envelope] = []
    customer: list[Envelope] = []
    lost: list[Envelope] = []
    open: bool = False
    pulled: bool = False
    toner: int = _TONER
    operation: int = 0
    moved: devices.DepositPlace = "shutter"
    reset: tuple[str, str | None] | None = None


class InsertEnvelope(Request):
    """An item that somebody puts into the slot, now or so many milliseconds later."""

    envelope: Envelope = msgspec.field(default_factory=Envelope)
    after: Milliseconds | None = None


class TakeEnvelope(Request):
    """Somebody takes what lies in the slot, or in an unlocked supply, now or so many milliseconds later."""

    after: Milliseconds | None = None


class PutContainer(Request):
    """The container is put back, emptied before or not."""

    emptied: bool = False


class FillSupply(Request):
    """How many envelopes are in the supply from now on."""

    count: Count = 100


class ShownEnvelopes(Completion):
    """Where all items are; `place` is that of the one on its way."""

    supply: int
    slot: Envelope | None
    way: Envelope | None
    place: str | None
    container: list[Envelope]
    customer: list[Envelope]
    lost: list[Envelope]


class SimulatedDeposit(SimulatedDevice, devices.Deposit):
    """A depository."""

    Settings: ClassVar = DepositSettings
    FAULTS: ClassVar = {
        "shutterBlockedClosed": Fault("lasts", "the shutter does not open"),
        "shutterBlockedOpen": Fault("lasts", "the shutter does not close; what was put in is deposited"),
        "depositJams": Fault("once", "the next item is stuck on the transport until Reset"),
        "printerJams": Fault("once", "the next item is stuck in the printer until Reset"),
        "printerFails": Fault("once", "nothing is printed; the item is deposited"),
        "envelopeJams": Fault("once", "the next envelope is stuck in the dispenser until Reset"),
        "depositLost": Fault("once", "the next item drops where no sensor sees it"),
        "customerHolds": Fault("once", "the customer holds on to the next item, and pulls it back"),
        "depositHangs": Fault("once", "the next movement does not come to an end"),
    }
    service_version = "1.0"

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.setup = setup = self.configured(DepositSettings)
        self.deposit_types = frozenset(setup.types)
        self.dep_transport, self.has_shutter = setup.transport, setup.shutter
        self.retract_envelope = setup.retract or None
        self.supply_sensors = frozenset({"toner", "envelope"})
        if setup.printer is not None:
            self.deposit_printer = messages.PrintCapabilities(
                toner=True,
                print_on_retract=setup.printer.on_retract,
                max_num_chars=setup.printer.max_chars,
                unicode_support=setup.printer.unicode,
            )
        first = setup.supply.count if setup.supply is not None else 0
        self._truth = self.world.document(name, _State(supply=first))
        self._came = trio.Event()
        self._unlocked = trio.Event()
        self._clockwork = Timeline(self.clock)

    @property
    def _state(self) -> _State:
        state: _State = self._truth.state
        return state

    async def open(self) -> None:
        self._show()
        await super().open()

    async def run(self) -> None:
        """Lock a supply again that was unlocked."""
        while True:
            await self._unlocked.wait()
            assert self.setup.supply is not None
            await self.clock.until(self.clock.now + self.setup.supply.unlock_seconds)
            self._unlocked = trio.Event()
            self._tell_levels()

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        container = devices.DepositUnit(
            capacity=self.setup.capacity,
            status="missing" if self._state.pulled else "ok",
            container_level=self._container_level,
            initial=len(self._state.container),
        )
        if self.setup.supply is None:
            return {CONTAINER: container}
        supply = devices.DepositUnit(
            container=False,
            env_supply=self.setup.supply.kind,
            capacity=self.setup.supply.capacity,
            supply_level=self._supply_level,
        )
        return {CONTAINER: container, SUPPLY: supply}

    @property
    def _container_level(self) -> Literal["ok", "high", "full"]:
        count = len(self._state.container)
        return "full" if count >= self.setup.capacity else "high" if count >= self.setup.high else "ok"

    @property
    def _supply_level(self) -> Literal["ok", "low", "empty", "unlocked"]:
        assert self.setup.supply is not None
        if self._unlocked.is_set():
            return "unlocked"
        count = self._state.supply
        return "empty" if not count else "low" if count <= self.setup.supply.low else "ok"

    def _tell_levels(self) -> None:
        self.deposit_levels(CONTAINER, container=self._container_level)
        if self.setup.supply is not None:
            self.deposit_levels(SUPPLY, supply=self._supply_level)

    def _show(self) -> None:
        state, status = self._state, self.status.deposit
        if self.has_shutter and status.shutter != "jammed":
            status.shutter = "open" if state.open else "closed"
        if self.dep_transport:
            stuck = state.way is not None and state.place == "transport"
            status.dep_transport = "inoperative" if stuck else "ok"
        if self.deposit_printer is not None:
            stuck = state.way is not None and state.place == "printer"
            status.printer = "inoperative" if stuck else "ok"
            status.toner = "out" if not state.toner else "low" if state.toner <= _TONER // 10 else "full"
        if self.setup.supply is not None:
            stuck = state.way is not None and state.place == "dispenser"
            status.env_dispenser = "inoperative" if stuck else "ok"

    def _save(self) -> None:
        self._truth.save()
        self._show()

    async def _time(self) -> None:
        if self.faults.strikes("depositHangs"):
            await trio.sleep_forever()
        await self._clockwork.step(self.seconds)

    def _begin(self, operation: int | None = None) -> None:
        self._clockwork = Timeline(self.clock)
        if operation is not None:
            self._state.operation, self._state.moved, self._state.reset = operation, "shutter", None
            self._truth.save()

    def _open_shutter(self) -> None:
        if not self.has_shutter:
            return
        if self.faults.active("shutterBlockedClosed"):
            self.status.deposit.shutter = "jammed"
            raise errors.CommandError("shutterNotOpened", "the shutter does not open")
        self.status.deposit.shutter, self._state.open = "open", True

    def _close_shutter(self) -> errors.CommandError | None:
        """Close it; what went wrong."""
        if not self.has_shutter:
            return None
        if self.faults.active("shutterBlockedOpen"):
            self.status.deposit.shutter = "jammed"
            return errors.CommandError("shutterNotClosed", "the shutter does not close")
        self.status.deposit.shutter, self._state.open = "closed", False
        return None

    def _require_way_clear(self, code: str) -> None:
        if self._state.way is not None:
            raise errors.CommandError(code, "something is stuck; see Deposit.Reset")

    async def entry(self) -> None:
        self._begin()
        self._require_way_clear("depJammed")
        self._open_shutter()
        if self._state.slot is None:
            self._came = trio.Event()
            self.insert_deposit()
            if self.setup.customer:
                self.insert_envelope(InsertEnvelope())
            await self._came.wait()
        await trio.lowlevel.checkpoint()

    async def stop_entry(self) -> bool:
        self._close_shutter()
        return self._state.slot is not None

    async def deposit_inside(self) -> devices.DepositPlace | Literal["none"]:
        return "none" if self._state.slot is None else "shutter"

    async def deposit(self, print_data: str | None, events: devices.MovingDeposit) -> DepositMoved:
        self._begin(events.operation)
        await self._time()
        state = self._state
        if state.slot is None:
            state.moved = "removed"
            return DepositMoved("removed", errors.CommandError("unknown", "the customer took it back"))
        if not state.slot.fits or state.slot.kind not in self.deposit_types:
            return DepositMoved("shutter", errors.CommandError("envSize", "it does not fit"))
        if self.faults.strikes("customerHolds"):
            state.customer.append(state.slot)
            state.slot, state.moved = None, "removed"
            self._save()
            self._close_shutter()
            return DepositMoved("removed", errors.CommandError("unknown", "the customer held on to it"))
        failure = self._close_shutter()
        state.way, state.slot = state.slot, None
        return await self._into_container(print_data, failure)

    async def _into_container(self, text: str | None, failure: errors.XfsError | None) -> DepositMoved:
        """Print on what is on its way, and bring it into the container; where it is then.

        Args:
            failure: what went wrong before.
        """
        state = self._state
        if text is not None:
            self._at("printer")
            await self._time()
            if self.faults.strikes("printerJams"):
                self._save()
                return DepositMoved("printer", errors.CommandError("printerFail", "stuck in the printer"))
            failure = self._print(text) or failure
        self._at("transport")
        await self._time()
        if self.faults.strikes("depositJams"):
            self._save()
            return DepositMoved("transport", errors.CommandError("depJammed", "stuck on the transport"))
        assert state.way is not None
        if self.faults.strikes("depositLost"):
            state.lost.append(state.way)
            return self._left("unknown", errors.CommandError("unknown", "it reached no sensor"))
        if (refusal := self._container_refuses()) is not None:
            self._save()
            return DepositMoved("transport", refusal)
        state.container.append(state.way)
        moved = self._left("container", failure)
        self._tell_levels()
        return moved

    def _at(self, place: Literal["transport", "printer"]) -> None:
        self._state.place = self._state.moved = place
        self._truth.save()

    def _left(self, place: devices.DepositPlace, failure: errors.XfsError | None) -> DepositMoved:
        """What was on its way is at its place."""
        self._state.way, self._state.moved = None, place
        self._save()
        return DepositMoved(place, failure)

    def _print(self, text: str) -> errors.CommandError | None:
        """Print on what is on its way; what went wrong."""
        state = self._state
        assert state.way is not None
        if not state.toner:
            return errors.CommandError("tonerOut", "the toner is used up")
        if self.faults.strikes("printerFails"):
            return errors.CommandError("printerFail", "nothing was printed")
        state.way.printed = text
        state.toner -= 1
        return None

    def _container_refuses(self) -> errors.CommandError | None:
        if self._state.pulled:
            return errors.CommandError("containerMissing", "the container is not in its place")
        if len(self._state.container) >= self.setup.capacity:
            return errors.CommandError("depFull", "the container is full")
        return None

    async def dispense(self) -> None:
        self._begin()
        self._require_way_clear("jammed")
        state = self._state
        if state.slot is not None:
            raise errors.SequenceError("something lies in the slot; see Deposit.Retract")
        if not state.supply:
            raise errors.CommandError("empty", "there are no envelopes")
        assert self.setup.supply is not None
        if self.setup.supply.kind == "manual":
            self._unlocked.set()
            self._tell_levels()
            return
        await self._time()
        state.supply -= 1
        envelope = Envelope(content="", dispensed=True)
        if self.faults.strikes("envelopeJams"):
            state.way, state.place = envelope, "dispenser"
            self._save()
            raise errors.CommandError("jammed", "an envelope is stuck; see Deposit.Reset")
        try:
            self._open_shutter()
        except errors.CommandError:
            state.supply += 1
            raise
        state.slot = envelope
        self._save()
        self._tell_levels()

    async def retract(self, print_data: str | None, events: devices.MovingDeposit) -> DepositMoved:
        self._begin(events.operation)
        state = self._state
        if state.slot is None:
            raise errors.CommandError("noEnv", "there is nothing in the slot")
        self._require_way_clear("depJammed")
        if self.faults.active("shutterBlockedOpen"):
            raise errors.CommandError("shutterNotClosed", "the shutter does not close")
        await self._time()
        # The customer may have been faster.
        if state.slot is None:
            state.moved = "removed"
            raise errors.CommandError("noEnv", "the customer took it")
        self._close_shutter()
        state.way, state.slot = state.slot, None
        if self.retract_envelope == "container":
            return await self._into_container(print_data, None)
        if self.faults.strikes("envelopeJams"):
            state.place, state.moved = "dispenser", "unknown"
            self._save()
            return DepositMoved("unknown", errors.CommandError("envJammed", "stuck in the dispenser"))
        state.supply += 1
        moved = self._left("dispenser", None)
        self._tell_levels()
        return moved

    async def reset(
        self, control: Literal["eject", "retract"] | None, events: devices.MovingDeposit
    ) -> DepositReset:
        self._begin(events.operation)
        state = self._state
        found: dict[bool, str] = {False: "noMedia", True: "noMedia"}
        state.reset = ("noMedia", self._dispensed(found))
        await self._time()
        failure: errors.CommandError | None = None
        # The slot first: what is stuck may have to go there.
        for item in (state.slot, state.way):
            if item is not None:
                try:
                    found[item.dispensed] = self._clear(item, control)
                except errors.CommandError as fault:
                    found[item.dispensed], failure = "jammed", fault
                state.reset = (found[False], self._dispensed(found))
                self._save()
        if state.slot is None:
            self._close_shutter()
        self._tell_levels()
        deposit_media: Any = found[False]
        dispense_media: Any = self._dispensed(found)
        return DepositReset(deposit_media=deposit_media, dispense_media=dispense_media, failure=failure)

    def _dispensed(self, found: Mapping[bool, str]) -> str | None:
        return found[True] if self.setup.supply is not None else None

    def _clear(self, item: Envelope, control: str | None) -> str:
        """Bring an item out of the way; where it is then.

        Raises:
            CommandError: it stays where it is.
        """
        state = self._state
        stuck = item is state.way
        slot_free = state.slot is None or not stuck
        refusal = self._container_refuses()
        if control != "eject" or not slot_free:
            if item.dispensed and self.retract_envelope == "dispenser":
                state.supply += 1
                self._remove(stuck)
                return "dispenser"
            if refusal is None:
                state.container.append(item)
                self._remove(stuck)
                return "retracted"
        if not slot_free:
            raise refusal or errors.CommandError("depJammed", "there is no place for it")
        self._open_shutter()
        self._remove(stuck)
        state.slot = item
        return "ejected"

    def _remove(self, stuck: bool) -> None:
        if stuck:
            self._state.way = None
        else:
            self._state.slot = None

    async def supply_replenish(self, supplies: frozenset[Any]) -> None:
        if "toner" in supplies:
            self._state.toner = _TONER
        if "envelope" in supplies:
            assert self.setup.supply is not None
            self._state.supply = self.setup.supply.capacity
        self._save()
        self._tell_levels()
        await trio.lowlevel.checkpoint()

    async def recall_deposit(self, operation: int) -> DepositMoved | DepositReset | None:
        state = self._state
        if state.operation != operation:
            return None
        if state.reset is not None:
            deposit_media: Any = state.reset[0]
            dispense_media: Any = state.reset[1]
            return DepositReset(deposit_media=deposit_media, dispense_media=dispense_media)
        return DepositMoved(state.moved)

    @command
    def insert_envelope(self, request: InsertEnvelope) -> None:
        """Somebody puts an item into the slot, or will."""

        def insert() -> None:
            if self._state.slot is not None:
                raise errors.SequenceError("something lies in the slot already")
            if self.has_shutter and not self._state.open:
                raise errors.SequenceError("the slot is closed; see Deposit.Entry")
            self._state.slot = msgspec.structs.replace(request.envelope, printed=None, dispensed=False)
            self._truth.save()
            self._came.set()

        self._later(request.after, insert)

    def _later(self, after: int | None, action: Any) -> None:
        if after is not None:
            self.world.later(after / 1000, action)
        else:
            action()

    @command
    def take_envelope(self, request: TakeEnvelope) -> None:
        """Somebody takes what lies in the slot, or an envelope of an unlocked supply."""

        def take() -> None:
            state = self._state
            if self._unlocked.is_set() and state.supply:
                state.supply -= 1
                state.customer.append(Envelope(content="", dispensed=True))
                self._save()
                return
            if state.slot is None:
                raise errors.SequenceError("there is nothing to take")
            state.customer.append(state.slot)
            state.slot = None
            self._save()
            self._close_shutter()
            self.envelope_taken()

        self._later(request.after, take)

    @command
    def pull_container(self, request: Request) -> None:
        """Somebody takes the container out."""
        self._state.pulled = True
        self._truth.save()
        self.unit_changed(CONTAINER, "missing")

    @command
    def put_container(self, request: PutContainer) -> None:
        """Somebody puts the container back."""
        self._state.pulled = False
        if request.emptied:
            self._state.container = []
        self._truth.save()
        self.unit_changed(CONTAINER, "ok")
        self._tell_levels()

    @command
    def fill_supply(self, request: FillSupply) -> None:
        """Somebody puts envelopes into the supply, or takes them out."""
        supply = self.setup.supply
        if supply is None or request.count > supply.capacity:
            raise errors.InvalidData(f"$.count: the supply has room for {supply.capacity if supply else 0}")
        self._state.supply = request.count
        self._truth.save()
        self._tell_levels()

    def shown_truth(self) -> ShownEnvelopes:
        state = self._state
        return ShownEnvelopes(
            supply=state.supply,
            slot=state.slot,
            way=state.way,
            place=state.place if state.way is not None else None,
            container=state.container,
            customer=state.customer,
            lost=state.lost,
        )
