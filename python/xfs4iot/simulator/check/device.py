"""The operations of a simulated scanner of cheques."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.devices import MediaPresented
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import check as messages
from xfs4iot.simulator.check.items import Cheque, Wish
from xfs4iot.simulator.check.machine import CheckMachine

__all__ = ["CheckDevice"]


class CheckDevice(CheckMachine):
    """What the service asks of the scanner."""

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {
            name: devices.CheckUnit(
                index=number,
                types=frozenset(unit.uses),
                capacity=unit.capacity,
                high_threshold=unit.high,
                initial=len(self._state.units[name]),
                serial_number=f"SIM-{name}",
                status="missing" if name in self._state.pulled else "ok",
            )
            for number, (name, unit) in enumerate(self.setup.units.items(), 1)
        }

    async def media_in(self, request: devices.MediaInRequest, events: Any) -> devices.MediaTakenIn:
        self._begin()
        self._move_begins(events.operation)
        self._require_shutter()
        self._require_feeder()
        if request.codeline is not None and not request.images and self.faults.active("micrDead"):
            raise errors.CommandError("micrInop", "code lines cannot be read")
        if request.images and request.codeline is None and self.faults.active("scannerDead"):
            raise errors.CommandError("scannerInop", "no pictures can be taken")
        state = self._state
        if state.presented and self.setup.customer:
            self._take()
        if state.presented:
            raise errors.CommandError("positionNotEmpty", "items are in the slot that were given back")
        # Kept for GetNextItem, which draws in further items under the same wishes.
        self._request = request
        if not self._source:
            self._came = trio.Event()
            self._open = True
            self._show()
            events.send(messages.NoMediaEvent())
            if self.setup.customer:
                self._insert((Cheque(),) * self.setup.customer)
            await self._came.wait()
        self._begin()
        events.send(messages.MediaInsertedEvent())
        # Each transaction numbers its items from 1; what is inside keeps its number, told or not.
        inside = (item.number for item in (*state.stacker, *state.waiting))
        state.last = max(request.number - 1, *inside, 0)
        if request.number == 1:
            state.wishes = {}
            for item in (item for held in state.units.values() for item in held if item.number):
                item.number = 0
        new = 0
        while self._source:
            new += await self._feed(events)
            if self.setup.flow != "bunch":
                break
        self._open = False
        self._show()
        return devices.MediaTakenIn(
            on_stacker=len(state.stacker) if self.max_media_on_stacker else None,
            last=new,
            last_on_stacker=new if self.max_media_on_stacker else None,
        )

    def _insert(self, items: Iterable[Cheque]) -> None:
        """Items are put into the slot, as nobody has seen them before."""
        fresh = {"number": 0, "printed": "", "printed_front": "", "stamped": False, "counted": False}
        new = [msgspec.structs.replace(item, **fresh) for item in items]
        self._state.slot += new
        self._state.inserted += len(new)
        self._save()
        self._came.set()

    def _take(self) -> int:
        """What was presented is taken; how many items."""
        state = self._state
        if not state.presented:
            raise errors.SequenceError("nothing was presented")
        count, state.presented = len(state.presented), []
        state.taken += count
        self._save()
        self.media_taken(self.where_presented)
        return count

    async def stop_media_in(self) -> devices.MediaTakenIn:
        self._open = False
        self._show()
        held = len(self._state.stacker) if self.max_media_on_stacker else None
        return devices.MediaTakenIn(on_stacker=held, last=0)

    async def get_next_item(self, events: Any) -> None:
        self._begin()
        self._move_begins(events.operation)
        if not self._source:
            raise errors.CommandError("noItems", "the feeder is empty")
        await self._feed(events)

    async def accept_item(self, accept: bool, events: Any) -> None:
        self._begin()
        self._move_begins(events.operation)
        state = self._state
        await self._time()
        if not accept and state.stacker:
            item = state.stacker.pop()
            state.places[str(item.number)] = "customer"
            item.number = 0
            (state.refused if self.setup.refused else state.presented).append(item)
            self._save()

    async def set_media_parameters(self, parameters: devices.MediaParameters) -> None:
        if parameters.stamp and self.faults.active("inkEmpty"):
            raise errors.CommandError("inkOut", "the stamp has no ink")
        if parameters.print_data and self.faults.active("tonerEmpty"):
            raise errors.CommandError("tonerOut", "the printer has no toner")
        self._state.wishes[str(parameters.media_id or 0)] = Wish.of(parameters)
        self._save()

    async def media_in_end(self, events: devices.MovingMedia) -> devices.MediaStored:
        return await self._leave(events, rollback=False)

    async def media_in_rollback(self, events: devices.MovingMedia) -> devices.MediaStored:
        return await self._leave(events, rollback=True)

    async def action_item(self, events: devices.MovingMedia) -> devices.MediaStored:
        return await self._leave(events, rollback=False)

    async def recall_media(self, operation: int) -> devices.MediaStored | None:
        return self._kept() if self._state.operation == operation else None

    async def media_inside(self) -> frozenset[int]:
        held = (*self._state.stacker, *self._state.waiting)
        return frozenset(item.number for item in held if item.number)

    async def media_presented(self) -> frozenset[int]:
        return frozenset(item.number for item in self._state.presented if item.number)

    async def read_image(self, media_id: int, codeline: Any, images: Any) -> messages.MediaData:
        self._begin()
        item = next((one for one in self._state.stacker if one.number == media_id), None)
        if item is None:
            raise errors.CommandError("noMedia", f"item {media_id} is not inside")
        if self.faults.active("micrDead") and codeline is not None:
            raise errors.CommandError("micrInop", "code lines cannot be read")
        if self.faults.active("scannerDead") and images:
            raise errors.CommandError("scannerInop", "no pictures can be taken")
        await self._time()
        line, _ = await self._read(item, codeline)
        return messages.MediaData(
            codeline_data=line, image=[await self._image(item, wish) for wish in images] or None
        )

    async def return_media(self, source: Any, events: Any) -> MediaPresented | None:
        self._begin()
        self._move_begins(events.operation)
        self._require_shutter()
        state = self._state
        if state.refused and source in (None, "refused"):
            if state.presented:
                raise errors.CommandError("positionNotEmpty", "something is to be taken first")
            state.presented, state.refused, state.position = state.refused, [], "refused"
            self._save()
            events.send(messages.MediaPresentedEvent(position="refused", bunch_index=1, total_bunches="1"))
            return None
        return self._present(events) if state.waiting else None

    async def present_next(self, events: Any) -> MediaPresented:
        self._begin()
        self._move_begins(events.operation)
        await self._time()
        return self._present(events)

    async def expel_media(self) -> None:
        self._begin()
        self._require_shutter()
        if not self._state.presented:
            raise errors.CommandError("noItems", "nothing was presented")

    async def retract_media(
        self, location: str | None, events: devices.MovingMedia
    ) -> devices.MediaRetracted:
        self._begin()
        self._require_shutter()
        state = self._state
        if not state.presented:
            raise errors.CommandError("noMediaPresent", "nothing was presented")
        return await self._bring(state.presented, location, events)

    async def reset_media(self, control: str | None, events: devices.MovingMedia) -> devices.MediaRetracted:
        state = self._state
        self._restart()
        state.jammed, state.wishes = False, {}
        self._save()
        found = [*state.presented, *state.refused, *state.waiting, *state.stacker]
        if control is not None and control.startswith("unit"):
            brought = await self._bring(found, control, events)
            if brought.location is not None:
                self.media_detected(brought.location)
            return brought
        self._move_begins(events.operation)
        await self._time()
        state.places = {str(item.number): "device" for item in found if item.number}
        state.presented, state.refused, state.stacker, state.bunches = [], [], [], 0
        state.waiting = found
        self._save()
        presented = self._present(events) if found else None
        if found:
            self.media_detected("position")
        return devices.MediaRetracted(count=len(found), presented=presented)

    async def supply_replenish(self, supplies: frozenset[Any]) -> None:
        for supply, fault in (("toner", "tonerEmpty"), ("ink", "inkEmpty")):
            if supply in supplies:
                self.faults.take(fault)
        self._show()
        await trio.lowlevel.checkpoint()
