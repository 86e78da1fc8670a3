"""The machine of a simulated depository: its slot, its way, its container, its supply, and bad luck.

    customer ──▶ slot ──▶ printer ──▶ transport ──▶ container      Entry
    supply ──▶ slot ──▶ customer, container or supply              Dispense, Retract

Every item is at one of these places, or lost, also after a restart; the device recalls where its last
movement has left what it moved.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.devices import DepositMoved
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import deposit as messages
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.deposit.items import TONER, DepositSettings, Envelope, State
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["CONTAINER", "SUPPLY", "DepositMachine"]

CONTAINER, SUPPLY = "unitCONTAINER", "unitSUPPLY"


class DepositMachine(SimulatedDevice, devices.Deposit):
    """The machine."""

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
        self._truth = self.world.document(name, State(supply=first))
        self._came = trio.Event()
        self._unlocked = trio.Event()
        self._clockwork = Timeline(self.clock)

    @property
    def _state(self) -> State:
        state: State = self._truth.state
        return state

    async def open(self) -> None:
        # It may have lost its power with an open slot, into which anybody could put something unasked.
        if self._state.slot is None:
            self._close_shutter()
        self._save()
        await super().open()

    async def run(self) -> None:
        """Lock a supply again that was unlocked."""
        while True:
            await self._unlocked.wait()
            assert self.setup.supply is not None
            await self.clock.until(self.clock.now + self.setup.supply.unlock_seconds)
            self._unlocked = trio.Event()
            self._tell_levels()

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
            status.toner = "out" if not state.toner else "low" if state.toner <= TONER // 10 else "full"
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

    def _insert(self, envelope: Envelope) -> None:
        """Somebody puts an item into the slot.

        Raises:
            SequenceError: it is closed, or something lies in it.
        """
        if self._state.slot is not None:
            raise errors.SequenceError("something lies in the slot already")
        if self.has_shutter and not self._state.open:
            raise errors.SequenceError("the slot is closed; wait for Deposit.InsertDepositEvent")
        self._state.slot = msgspec.structs.replace(envelope, printed=None, dispensed=False)
        self._truth.save()
        self._came.set()
