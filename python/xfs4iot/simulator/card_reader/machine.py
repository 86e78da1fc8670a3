"""The simulated card reader as a machine: where each card is, whatever the service's books say.

A card is at one place: in somebody's hands, in the entrance (`exit`), in the transport, or in a unit. The
places are kept in the truth of the ATM, along with what changes on each card and where the last movement left
its card, so that all of it outlives the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import common
from xfs4iot.simulator.card_reader.cards import Card, CardMemory
from xfs4iot.simulator.card_reader.description import CardReaderSettings, capabilities_of
from xfs4iot.simulator.card_reader.faults import FAULTS
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.device import SimulatedDevice

if TYPE_CHECKING:
    from xfs4iot.simulator.card_reader.chip import ChipSession

__all__ = ["CardMachine", "Offered"]


class _State(msgspec.Struct):
    """What is kept.

    Attributes:
        transport, exit: the card there.
        latched, jammed: what holds it.
        units: cards in those that retain or park, by unit.
        stock: how many are in those that give cards out.
        given: which card each one is that was given out, by its name.
        memory: what of each card has changed.
        operation, place: the last movement, and where it has left its card.
        defined: cards that were made while the ATM ran, as JSON.
    """

    transport: str | None = None
    exit: str | None = None
    latched: bool = False
    jammed: bool = False
    units: dict[str, list[str]] = {}
    stock: dict[str, int] = {}
    given: dict[str, str] = {}
    memory: dict[str, CardMemory] = {}
    operation: int = 0
    place: str = ""
    defined: dict[str, str] = {}


class Offered(msgspec.Struct):
    """What is held to the entrance.

    Attributes:
        card: its name; None for something that is not a card.
        way: how it is held.
    """

    card: str | None
    way: str = "right"


class CardMachine(SimulatedDevice, devices.CardReader, devices.Storage):
    """The truth of the reader, and what its hardware can do by itself."""

    Settings: ClassVar = CardReaderSettings
    FAULTS: ClassVar = FAULTS
    service_version = "1.0"
    device_information = (
        common.DeviceInformation(
            model_name="Simulated card reader", serial_number="SIM-1", revision_number="1"
        ),
    )
    anti_fraud_module = True

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.setup = self.configured(CardReaderSettings)
        for attribute, value in capabilities_of(self.setup).items():
            setattr(self, attribute, value)
        self.layout = self.setup.units if self.reader_type == "motor" else {}
        new = _State(
            transport=self.setup.built_in if self.reader_type == "permanent" else None,
            units={unit: [] for unit, one in self.layout.items() if one.type != "dispense"},
            stock={unit: one.count for unit, one in self.layout.items() if one.type == "dispense"},
        )
        self._truth = self.world.document(name, new)
        self.session: ChipSession | None = None
        self.field: tuple[str, ...] = ()
        """The cards in the field of a contactless reader."""
        self.passed: str | None = None
        """The card that has passed the head of one that holds none."""
        self.pulled = trio.Event()
        self.entrance_open = False
        self._hand: Offered | None = None
        self._came = trio.Event()
        self._timeline: Timeline | None = None
        self._outages = 0
        self._left_out: str | None = None

    @property
    def state(self) -> Any:
        """The truth; `save` after changing it."""
        return self._truth.state

    def save(self) -> None:
        self._truth.save()

    def card(self, name: str) -> Card:
        """A card by its name."""
        state = self._truth.state
        if name in state.defined:
            return msgspec.json.decode(state.defined[name], type=Card)
        return self.setup.cards[state.given.get(name, name)]

    def memory(self, name: str) -> CardMemory:
        """What of a card has changed so far."""
        found: CardMemory = self._truth.state.memory.setdefault(name, CardMemory())
        return found

    def place_of(self, name: str) -> str | None:
        """Where a card is; None if somebody has it in his hands."""
        state = self._truth.state
        if state.transport == name:
            return "transport"
        if state.exit == name:
            return "exit"
        return next((unit for unit, held in state.units.items() if name in held), None)

    @property
    def inside(self) -> str | None:
        """The card that the reader holds, or that has passed it, or is in its field."""
        state = self._truth.state
        found: str | None = state.transport or (self.field[0] if self.field else self.passed)
        return found

    @property
    def contacted(self) -> str | None:
        """The card whose chip can be talked to."""
        found: str | None = self._truth.state.transport or (self.field[0] if self.field else None)
        return found

    def shift(self, name: str, target: str | None) -> None:
        """Move a card, in truth; None: into somebody's hands."""
        state = self._truth.state
        if state.transport == name:
            state.transport, state.latched = None, False
        if state.exit == name:
            state.exit = None
        for held in state.units.values():
            if name in held:
                held.remove(name)
        if target == "transport":
            state.transport = name
        elif target == "exit":
            state.exit = name
        elif target is not None:
            state.units[target].append(name)
        if target != "transport":
            self.session = None
        state.place = target or "exit"
        self.save()

    def give(self, unit: str) -> str:
        """Take a card from a stack; its name."""
        state = self._truth.state
        kind = self.layout[unit].card
        assert kind is not None
        name = f"{kind}-{len(state.given) + 1}"
        state.stock[unit] -= 1
        state.given[name] = kind
        return name

    def held_in(self, unit: str) -> int:
        """How many cards are in a unit."""
        state = self._truth.state
        return state.stock[unit] if unit in state.stock else len(state.units[unit])

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {
            name: devices.CardUnit(
                type=unit.type,
                capacity=unit.capacity,
                threshold=unit.threshold,
                card_id=unit.card,
                initial=self.held_in(name),
                serial_number=f"SIM-{name}",
            )
            for name, unit in self.layout.items()
        }

    async def start_exchange(self) -> None:
        """Somebody opens the reader."""
        self.begin()
        await self.time()

    async def end_exchange(self) -> None:
        """Somebody closes it."""
        self.begin()
        await self.time()

    async def open(self) -> None:
        await super().open()
        self._wake_up()

    async def run(self) -> None:
        """Retain what came out when the process began: before now nothing could happen later."""
        name, self._left_out = self._left_out, None
        if name is not None:
            self._retain(name)

    def _show(self) -> None:
        """Make the status say what the faults make of the device."""
        shown = self.status.common
        off, offline = self.faults.active("readerPowerOff"), self.faults.active("readerOffline")
        before = shown.device
        if off or offline:
            shown.device = "powerOff" if off else "offline"
            self.card_at("unknown")
            self.session = None
            self.entrance_open = False
            # Fails the movement under way, even if power is back before its wait ends.
            self._outages += 1
            self.pulled.set()
            # Who waits for a card must see that the entrance is dead.
            self._came.set()
        elif before in ("powerOff", "offline"):
            shown.device = "online"
            self._wake_up()
        else:
            self.show_place()
        shown.anti_fraud_module = "deviceDetected" if self.faults.active("skimmer") else "ok"

    def _wake_up(self) -> None:
        """Power is there: the firmware does with a card inside what it is set to."""
        state = self._truth.state
        name, wish = state.transport, self.setup.power_on
        if self.reader_type == "motor" and name is not None and not state.jammed and wish != "transport":
            bins = [
                unit for unit, one in self.layout.items() if one.type == "retain" and self._has_room(unit)
            ]
            target = "exit" if wish != "retain" else next(iter(bins), "exit")
            self.shift(name, target)
            self.show_place()
            self.card_acted("transport", target)
            if wish == "exitThenRetain" and self.world.nursery is not None:
                self._retain_later(name, 0.0)
            elif wish == "exitThenRetain":
                self._left_out = name
        self.show_place()

    def show_place(self) -> None:
        """Tell what the sensors see."""
        state = self._truth.state
        if self.reader_type == "permanent":
            return
        if self.faults.active("readerBlind"):
            self.card_at("unknown")
        elif state.jammed:
            self.card_at("jammed")
        elif state.transport is not None:
            self.card_at("latched" if state.latched else "transport")
        else:
            self.card_at("exit" if state.exit is not None else None)

    def _has_room(self, unit: str) -> bool:
        return self.held_in(unit) < self.layout[unit].capacity

    def require_power(self) -> None:
        """Refuse what the reader cannot do now."""
        if self.faults.active("readerPowerOff") or self.faults.active("readerOffline"):
            raise errors.DeviceNotReady("the reader cannot be reached; see Simulator.ClearFaults")

    def begin(self) -> None:
        """A movement begins."""
        self.require_power()
        self._timeline = Timeline(self.clock)
        self.pulled = trio.Event()

    async def time(self, part: float = 1.0) -> None:
        """Let a part of a movement's time pass, unless power goes or the card is pulled out."""
        if self.faults.strikes("readerHangs"):
            await trio.sleep_forever()
        # Counted rather than asked: power may go and come back within one wait.
        visit = self._outages
        if self.seconds and self._timeline is not None:
            await self._timeline.step(self.seconds * part)
        else:
            await trio.lowlevel.checkpoint()
        if visit != self._outages:
            raise errors.HardwareError("the reader has lost its power; see Common.Status")

    # People at the entrance.

    def hold(self, offered: Offered) -> None:
        """Somebody holds something to the entrance; it goes in when that is open."""
        self._hand = offered
        self._came.set()

    def let_go(self) -> None:
        """Nobody holds anything to the entrance."""
        self._hand = None

    async def next_in(self) -> Offered:
        """Wait for what comes in, by whoever is at the ATM."""
        while True:
            if self._hand is not None and (self._hand.card is None or self.place_of(self._hand.card) is None):
                found, self._hand = self._hand, None
                return found
            self._came = trio.Event()
            customer = self.setup.customer
            if customer is not None and self.place_of(customer) is None:
                moment = self.clock.now + float(self.setup.inserts_after)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._bring, moment, customer)
                    await self._came.wait()
                    # Someone else may have been quicker than the scheduled customer.
                    nursery.cancel_scope.cancel()
            else:
                await self._came.wait()
            # Nothing has moved yet.
            self.require_power()

    async def _bring(self, moment: float, card: str) -> None:
        await self.clock.until(moment)
        self.hold(Offered(card))

    def take(self) -> str:
        """Whoever is at the ATM takes the card from the exit, or pulls it out of a dip.

        Raises:
            SequenceError: there is none that can be taken.
        """
        state = self._truth.state
        name = state.exit
        if name is None and self.reader_type in ("dip", "latchedDip") and not state.latched:
            name = state.transport
        if name is None or state.jammed:
            raise errors.SequenceError("there is no card at the exit to take")
        self.shift(name, None)
        self.pulled.set()
        self.card_taken()
        return str(name)

    def at_exit(self, name: str) -> None:
        """A card has come out: the customer takes it, or the firmware retains it, after a while."""
        if self.world.nursery is None:
            return
        if self.setup.takes_after is not None:
            self.world.later(float(self.setup.takes_after), lambda: self._take_if(name))
        if self.setup.retain_after is not None:
            self._retain_later(name, float(self.setup.retain_after))

    def _take_if(self, name: str) -> None:
        # The card may have been taken, or drawn in again, since this was scheduled.
        if self._truth.state.exit == name or self.reader_type == "latchedDip":
            self.take()

    def _retain_later(self, name: str, seconds: float) -> None:
        if self.world.nursery is not None:
            self.world.later(seconds, lambda: self._retain(name))

    def _retain(self, name: str) -> None:
        """The firmware retains a card that nobody has taken."""
        bins = [unit for unit, one in self.layout.items() if one.type == "retain" and self._has_room(unit)]
        # Looked up only now: the card may be gone, or the bin full, since this was scheduled.
        if self._truth.state.exit == name and bins:
            self.shift(name, bins[0])
            self.card_acted("exit", bins[0])
