"""What lies on the stacker, on the transport and at the output: kept for devices that do not say.

What is on the stacker and the transport follows from the books, what is at the output from the
movements since the start. A device that senses its places sets the attributes of the status itself;
those are then left alone (`protocol.observed`).

What nobody knows is `unknown`: the output before the first movement, everything after a movement of
which the device could not tell what it did, and the output of a device that cannot sense that items are
taken. A device that implements `wait_taken` is asked to wait once items are at the output; clients are
told by ItemsPresentedEvent and ItemsTakenEvent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import trio

from xfs4iot import devices
from xfs4iot.devices import CashMovement, ItemsMoved, implements
from xfs4iot.interfaces.cash.counts import CUSTOMER, Booking, origin_of
from xfs4iot.interfaces.cash.positions import entries_of, sides, stacker_capacity
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol import observed
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import cash_management as messages

__all__ = ["Places"]


class Places:
    """The places of one device outside its units."""

    def __init__(self, cash: CashUnits, device: devices.CashManagement) -> None:
        self._cash = cash
        self._device = device
        self._output: Counter[str] = Counter()
        self._inserted: Counter[tuple[str, str]] = Counter()
        """At the output, of what a customer had inserted: by item and level."""
        self._known = {"stacker": True, "transport": True, "output": False, "input": False}
        self._waiting: trio.CancelScope | None = None

    def start(self) -> None:
        """Show what is known before anything moves."""
        self._show(None)

    def at_output(self, target: str) -> tuple[ItemsMoved, ...]:
        """All that is at the output, moved to `target`."""
        # The unary plus leaves out what is not there any more.
        dispensed = (
            ItemsMoved(count, "output", target, origin=unit) for unit, count in (+self._output).items()
        )
        inserted = (
            ItemsMoved(count, "output", target, item=item or None, level=level)  # type: ignore[arg-type]
            for (item, level), count in (+self._inserted).items()
        )
        return (*dispensed, *inserted)

    @property
    def dispensed(self) -> Mapping[str, int] | None:
        """What was dispensed and is at the output, by unit; None if nobody knows."""
        return +self._output if self._known["output"] else None

    def followed(
        self, kind: str, detail: Mapping[str, Any], result: CashMovement | None, booking: Booking
    ) -> None:
        """Follow a movement that is booked; its result is None if nobody knows what it did."""
        position = detail.get("position")
        if result is None:
            self._known = dict.fromkeys(self._known, False)
            self._output.clear()
            self._inserted.clear()
        else:
            before = self._at_output()
            for items in result.moved:
                origin = origin_of(items)
                if items.source == "output" and origin is not None:
                    self._output[origin] -= min(items.count, self._output[origin])
                if items.target == "output" and origin is not None:
                    self._output[origin] += items.count
            self._follow_inserted(result, booking)
            if kind in ("retract", "reset") and result.failure is None:
                self._known = dict.fromkeys(self._known, True)
            if kind == "cashIn":
                self._known["input"] = result.failure is None
            if self._at_output() > before:
                self._known["output"] = True
                self._presented(position)
        # Nothing is left there to be taken: a wait would end with the next bunch, or never.
        if not self._at_output() and self._waiting is not None:
            self._waiting.cancel()
        self._show(position)

    def _follow_inserted(self, result: CashMovement, booking: Booking) -> None:
        """What was returned is at the output, unless the device says that it was taken at once."""
        to_output = any(items.target == "output" for items in result.moved)
        for posting in booking.postings:
            if posting.unit == CUSTOMER and posting.bucket == "returned" and (to_output or posting.delta < 0):
                kind = posting.item, posting.level
                self._inserted[kind] = max(self._inserted[kind] + posting.delta, 0)

    def _at_output(self) -> int:
        return self._output.total() + self._inserted.total()

    def observe(self, event: Payload) -> None:
        """Take notice that a customer has taken what was at an output, or inserted something."""
        if isinstance(event, messages.ItemsTakenEvent):
            self._output.clear()
            self._inserted.clear()
            self._known["output"] = True
            self._show(event.position)
        elif isinstance(event, messages.ItemsInsertedEvent) and event.position is not None:
            for one in entries_of(self._device, event.position):
                observed.keep(one, "position_status", "notEmpty")

    def shutter(self, position: str, state: str) -> None:
        """Show a shutter that was moved by command."""
        for one in entries_of(self._device, position):
            observed.keep(one, "shutter", state)

    def _presented(self, position: str | None) -> None:
        """Let the device wait until what is at the output is taken."""
        service = self._cash.storage.service
        if not implements(self._device, "wait_taken") or self._waiting is not None:
            return
        where: Any = position or "outDefault"
        service.device_event(messages.ItemsPresentedEvent(position=where, additional_bunches="0"))
        service.nursery.start_soon(self._wait, where)

    async def _wait(self, position: Any) -> None:
        service = self._cash.storage.service
        taken = False
        with trio.CancelScope() as self._waiting:
            try:
                await self._device.wait_taken(position)
                taken = True
            except trio.Cancelled:
                raise
            except Exception:
                service.log.exception("%s.wait_taken failed", type(self._device).__name__)
                self._known["output"] = False
                self._show(position)
        self._waiting = None
        if taken:
            service.device_event(messages.ItemsTakenEvent(position=position, additional_bunches="0"))

    def _show(self, position: str | None) -> None:
        """Set what the device has not set itself."""
        told = {place: self._told(place) for place in self._known}
        stacked = sum(self._cash.counts.at("stacker").values())
        inserted = sum(self._cash.counts.inserted_at("stacker").values())
        dispenser, acceptor = self._device.status.cash_dispenser, self._device.status.cash_acceptor
        if dispenser is not None and dispenser.intermediate_stacker is not None:
            observed.keep(dispenser, "intermediate_stacker", told["stacker"])
        if acceptor is not None and acceptor.intermediate_stacker is not None:
            capacity = stacker_capacity(self._device)
            full = self._known["stacker"] and 0 < capacity <= stacked + inserted
            observed.keep(acceptor, "intermediate_stacker", "full" if full else told["stacker"])
            had_access = "customerAccess" if inserted else "noCustomerAccess"
            state = {"empty": "noItems", "notEmpty": had_access, "unknown": "accessUnknown"}
            observed.keep(acceptor, "stacker_items", state[told["stacker"]])
        for side in sides(self._device.status):
            for one in side.positions or ():
                if (one.position or "").startswith("in"):
                    observed.keep(one, "position_status", told["input"])
                else:
                    self._show_output(one, position, told)

    def _show_output(self, one: Any, position: str | None, told: Mapping[str, str]) -> None:
        transport = told["transport"]
        if transport == "notEmpty" and self._cash.counts.inserted_at("transport"):
            transport = "notEmptyCustomer"
        observed.keep(one, "transport_status", transport)
        if position in (None, one.position):
            at = "unknown" if told["output"] == "notEmpty" and not self._senses_taking() else told["output"]
            observed.keep(one, "position_status", at)
            if one.shutter is not None and told["output"] != "unknown":
                observed.keep(one, "shutter", "open" if told["output"] == "notEmpty" else "closed")

    def _senses_taking(self) -> bool:
        return any(side.items_taken_sensor for side in sides(self._device.capabilities))

    def _told(self, place: str) -> str:
        if not self._known[place]:
            return "unknown"
        return "notEmpty" if self._held(place) else "empty"

    def _held(self, place: str) -> int:
        if place == "input":
            return 0
        if place == "output":
            return self._at_output()
        return self._cash.counts.total(place) + sum(self._cash.counts.at(place).values())
