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
from xfs4iot.devices import CashMovement, implements
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol import observed
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import cash_management as messages

__all__ = ["Places"]


class Places:
    """The places of one dispenser outside its units."""

    def __init__(self, cash: CashUnits, device: devices.CashDispenser) -> None:
        self._cash = cash
        self._device = device
        self._output: Counter[str] = Counter()
        self._known = {"stacker": True, "transport": True, "output": False}
        self._waiting: trio.CancelScope | None = None

    def start(self) -> None:
        """Show what is known before anything moves."""
        self._show(None)

    def held(self, place: str) -> dict[str, int]:
        """Items at a place, by the unit that they came from."""
        # The unary plus leaves out units with nothing there any more.
        return dict(+self._output) if place == "output" else self._cash.counts.at(place)

    def followed(self, kind: str, detail: Mapping[str, Any], result: CashMovement | None) -> None:
        """Follow a movement that is booked; its result is None if nobody knows what it did."""
        position = detail.get("position")
        if result is None:
            self._known = dict.fromkeys(self._known, False)
            self._output.clear()
        else:
            before = self._output.total()
            for items in result.moved:
                origin = items.origin or items.source
                if items.source == "output":
                    self._output[origin] -= min(items.count, self._output[origin])
                if items.target == "output":
                    self._output[origin] += items.count
            if kind in ("retract", "reset") and result.failure is None:
                self._known = dict.fromkeys(self._known, True)
            if self._output.total() > before:
                self._known["output"] = True
                self._presented(position)
        # Nothing is left there to be taken: a wait would end with the next bunch, or never.
        if not self._output.total() and self._waiting is not None:
            self._waiting.cancel()
        self._show(position)

    def observe(self, event: Payload) -> None:
        """Take notice that a customer has taken what was at an output."""
        if isinstance(event, messages.ItemsTakenEvent):
            self._output.clear()
            self._known["output"] = True
            self._show(event.position)

    def shutter(self, position: str, state: str) -> None:
        """Show a shutter that was moved by command."""
        for one in self._device.status.cash_dispenser.positions or []:
            if one.position == position:
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
        status = self._device.status.cash_dispenser
        told = {place: self._told(place) for place in self._known}
        if self._device.intermediate_stacker:
            observed.keep(status, "intermediate_stacker", told["stacker"])
        senses = self._device.capabilities.cash_dispenser.items_taken_sensor
        for one in status.positions or []:
            observed.keep(one, "transport_status", told["transport"])
            if position in (None, one.position):
                at = "unknown" if told["output"] == "notEmpty" and not senses else told["output"]
                observed.keep(one, "position_status", at)
                if one.shutter is not None and told["output"] != "unknown":
                    observed.keep(one, "shutter", "open" if told["output"] == "notEmpty" else "closed")

    def _told(self, place: str) -> str:
        if not self._known[place]:
            return "unknown"
        return "notEmpty" if any(self.held(place).values()) else "empty"
