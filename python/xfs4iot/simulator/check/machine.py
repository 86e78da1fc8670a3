"""The machine of a simulated scanner of cheques: its ways, its places, its status, what goes wrong with it.

slot ──▶ stacker ──▶ units                    MediaIn; MediaInEnd
          └──▶ waiting ──▶ presented           what goes back, bunch by bunch
slot ──▶ refused ──▶ presented                 with a slot for it; else presented at once
presented ──▶ a unit, or the customer          RetractMedia; taken
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.devices import MediaPresented
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import check as messages
from xfs4iot.simulator.check.items import CheckSettings, Cheque, State, Wish
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["CheckMachine"]

_SIDE = messages.ImageCapabilities(
    color_format=messages.ImageCapabilitiesColorFormat(binary=True, gray_scale=True, full=True),
    scan_color=messages.ImageCapabilitiesScanColor(red=True, green=True, blue=True, white=True),
    default_scan_color="white",
)
_Drawn = TypeVar("_Drawn")
_Wish = TypeVar("_Wish")
_COLUMNS = 40
"""Characters of a line that it prints."""


class CheckMachine(SimulatedDevice, devices.Check):
    """The machine."""

    Settings: ClassVar[type[Any]] = CheckSettings
    STATE: ClassVar[type[State]] = State
    FAULTS: ClassVar = {
        "chequeJams": Fault("once", "the next item is stuck on its way in: `mediaJammed` until Reset"),
        "returnJams": Fault("once", "the next item that is stored or goes back is stuck until Reset"),
        "doubleFeed": Fault("once", "two items are drawn in at once and refused"),
        "pulledBack": Fault("once", "the customer pulls the next item back: `mediaRejected`"),
        "slotStuck": Fault("lasts", "the shutter does not move"),
        "feederDead": Fault("lasts", "the feeder does not draw items in"),
        "micrDead": Fault("lasts", "code lines cannot be read"),
        "scannerDead": Fault("lasts", "no pictures can be taken"),
        "tonerEmpty": Fault("lasts", "nothing can be printed, until SupplyReplenish"),
        "inkEmpty": Fault("lasts", "nothing can be stamped, until SupplyReplenish"),
        "pocketJams": Fault("once", "a unit jams when the next item is to be stored"),
        "chequesHang": Fault("once", "the next movement does not come to an end"),
    }
    service_version = "1.0"

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.setup = setup = self.configured(CheckSettings)
        single = setup.flow == "single"
        self.scanner_type = "singleMediaInput" if single else "bunchMediaInput"
        self.max_media_on_stacker = 0 if single else setup.stacker
        self.application_refuse = setup.flow == "refusing"
        self.rescan = setup.rescan and not single
        self.media_present_control = setup.present_control
        self.stamp = setup.stamp
        if setup.print_rows:
            self.print_size = messages.Printsize(rows=setup.print_rows, cols=_COLUMNS)
        if setup.print_rows_front:
            self.print_size_front = messages.Printsize(rows=setup.print_rows_front, cols=_COLUMNS)
        self.image_after_endorse = True
        self.returned_items_processing = frozenset({"endorse", "endorseImage"})
        self.retract_location = frozenset({"storage"})
        self.reset_control = frozenset({"eject", "storageUnit"})
        self.image_type = frozenset({"jpg", "tif", "bmp"})
        self.codeline_format = frozenset({"e13b", "cmc7"})
        self.data_source = frozenset({"imageFront", "imageBack", "codeLine"})
        self.insert_orientation = frozenset(setup.orientations)
        self.front_image = self.back_image = _SIDE
        position = messages.PositionCapabilities(items_taken_sensor=True, items_inserted_sensor=True)
        self.media_positions = messages.CapabilitiesPositions(
            input=position,
            output=position if setup.output else None,
            refused=position if setup.refused else None,
        )
        self._truth = self.world.document(name, self.STATE(units={unit: [] for unit in setup.units}))
        self._came = trio.Event()
        self._request = devices.MediaInRequest(None, (), 0, False)
        self._clockwork: Timeline | None = None
        self._open = False

    @property
    def _state(self) -> State:
        state: State = self._truth.state
        return state

    def _save(self) -> None:
        self._truth.save()
        self._show()

    def _show(self) -> None:
        state, status = self._state, self.status.check
        dead = self.faults.active("scannerDead")
        status.front_image_scanner = status.back_image_scanner = "inoperative" if dead else "ok"
        status.m_icr_reader = "inoperative" if self.faults.active("micrDead") else "ok"
        if self.print_size is not None or self.print_size_front is not None:
            status.toner = "out" if self.faults.active("tonerEmpty") else "full"
        if self.stamp:
            status.ink = "out" if self.faults.active("inkEmpty") else "full"
        if self.setup.rebuncher:
            status.rebuncher = "notEmpty" if state.waiting else "empty"
        if self.setup.flow != "single":
            feeder = "notEmpty" if state.slot else "empty"
            status.media_feeder = "inoperative" if self.faults.active("feederDead") else feeder  # type: ignore[assignment]
        positions = status.positions or messages.StatusPositions()
        for name in ("input", "output", "refused"):
            if getattr(self.media_positions, name) is not None:
                one = getattr(positions, name) or messages.PositionStatus(transport="ok")
                one.shutter, one.position_status = self._shown_position(name)
                setattr(positions, name, one)
        if status.positions is None:
            status.positions = positions

    def _shown_position(self, name: str) -> tuple[Any, Any]:
        """Shutter and content of a position."""
        state = self._state
        held = (state.position == name and state.presented) or (name == "input" and state.slot)
        if self.faults.active("slotStuck"):
            return "jammed", "notEmpty" if held else "empty"
        return (
            ("open", "notEmpty")
            if held
            else ("open" if name == "input" and self._open else "closed", "empty")
        )

    async def open(self) -> None:
        self._show()
        await super().open()

    def _begin(self) -> None:
        if self._state.jammed:
            raise errors.CommandError("mediaJammed", "an item is stuck; see Check.Reset")
        self._restart()

    def _restart(self) -> None:
        """A movement begins: its steps are timed from here on."""
        self._clockwork = Timeline(self.clock)

    async def _time(self) -> None:
        if self.faults.strikes("chequesHang"):
            await trio.sleep_forever()
        if self.seconds and self._clockwork is not None:
            await self._clockwork.step(self.seconds)
        else:
            await trio.lowlevel.checkpoint()

    def _require_shutter(self) -> None:
        if self.faults.active("slotStuck"):
            raise errors.CommandError("shutterFail", "the shutter does not move")

    def _require_feeder(self) -> None:
        if self.faults.active("feederDead"):
            raise errors.CommandError("feederInop", "the feeder does not move")

    @property
    def _source(self) -> list[Cheque]:
        """Where items are drawn in from."""
        return self._state.slot

    async def _feed(self, events: Any) -> int:
        """Draw the next item in; how many were taken."""
        state = self._state
        self._require_feeder()
        await self._time()
        source = self._source
        item = source[0]
        if self.faults.strikes("pulledBack"):
            source.pop(0)
            state.taken += 1
            self._save()
            events.send(messages.MediaRejectedEvent(reason="removed"))
            raise errors.CommandError("mediaRejected", "the customer pulled the item back")
        if self.faults.strikes("chequeJams"):
            state.stacker.append(source.pop(0))
            state.jammed = True
            self._save()
            raise errors.CommandError("mediaJammed", "an item is stuck; see Check.Reset")
        told = await self._told(item)
        source.pop(0)
        reason = self._refusal(item, told.codeline_data)
        if reason is not None:
            (state.refused if self.setup.refused else state.presented).append(item)
            self._save()
            events.send(
                messages.MediaRefusedEvent(
                    reason=reason,
                    location="refused" if self.setup.refused else "input",
                    present_required=self.setup.refused,
                    media_size=told.media_size,
                )
            )
            return 0
        state.last += 1
        item.number = told.media_id = state.last
        state.stacker.append(item)
        state.places[str(item.number)] = "device"
        self._save()
        events.send(told)
        return 1

    def _refusal(self, item: Cheque, line: str | None) -> Any:
        """Why an item is not taken."""
        if self.faults.strikes("doubleFeed"):
            return "doubleDetect"
        if (reason := item.refusal(self.setup.orientations)) is not None:
            return reason
        wanted = self.setup.refuse_unreadable and self._request.codeline is not None
        if wanted and (line is None or "?" in line):
            return "codelineInvalid"
        if self.max_media_on_stacker and len(self._state.stacker) >= self._request.most:
            return "stackerFull"
        return None

    async def _told(self, item: Cheque) -> messages.MediaDataEvent:
        line, indicator = await self._read(item, self._request.codeline)
        return messages.MediaDataEvent(
            codeline_data=line,
            magnetic_read_indicator=indicator,
            image=[await self._image(item, wish) for wish in self._request.images] or None,
            insert_orientation=messages.InsertOrientation(codeline=item.code_line, media=item.face),
            media_size=messages.MediaSize(long_edge=item.long_edge, short_edge=item.short_edge),
            media_validity="noValidation",
        )

    async def _read(self, item: Cheque, font: str | None) -> tuple[str | None, Any]:
        """The code line as it is read, and what its magnetic reader says."""
        if font is None or self.faults.active("micrDead"):
            return None, "notRead"
        from xfs4iot.simulator.check.pictures import codeline_of

        line = await _drawn(codeline_of, item, font) if item.codeline else None
        if not item.codeline:
            return None, "noMicr"
        if not item.magnetic:
            return line, "notMicr"
        return line, "micr" if line is not None else "notMicrFormat"

    async def _image(self, item: Cheque, wish: devices.ImageWish) -> messages.ImageData:
        from xfs4iot.simulator.check.pictures import pictured

        dead = bool(self.faults.active("scannerDead"))
        return messages.ImageData(
            image_source=wish.source,
            image_type=wish.type,
            image_color_format=wish.color_format,
            image_scan_color=wish.scan_color,
            image_status="sourceMissing" if dead else "ok",
            image=None if dead else await _drawn(pictured, item, wish),
        )

    def _move_begins(self, operation: int) -> None:
        """A movement that the device will recall."""
        state = self._state
        state.operation, state.stored, state.places = operation, {}, {}
        self._truth.save()

    async def _leave(self, events: devices.MovingMedia, rollback: bool) -> devices.MediaStored:
        """Bring every item that is inside to where it is to go."""
        self._begin()
        self._require_shutter()
        self._require_position()
        state = self._state
        self._move_begins(events.operation)
        failure: errors.XfsError | None = None
        returned = 0
        # Copied, as items leave the stacker in the loop.
        for item in list(state.stacker):
            wish = state.wishes.get(str(item.number), state.wishes.get("0", Wish()))
            target = "customer" if rollback else wish.destination
            await self._time()
            if self.faults.strikes("returnJams"):
                state.jammed = True
                failure = errors.CommandError("mediaJammed", "an item is stuck; see Check.Reset")
                break
            if target != "customer" and (failure := self._pocket_fails(target)) is not None:
                break
            if not rollback:
                await self._endorse(item, wish, events)
            state.stacker.remove(item)
            if target == "customer":
                state.waiting.append(item)
                returned += 1
            else:
                state.units[target].append(item)
                state.stored[target] = state.stored.get(target, 0) + 1
            state.places[str(item.number)] = "device" if target == "customer" else target
            self._save()
        # After a failure the items still inside keep their wishes for the next attempt.
        state.wishes = {} if failure is None else state.wishes
        state.bunches = 0
        presented = MediaPresented()
        if failure is None and state.waiting:
            if self.media_present_control:
                presented = self._present(events)
            else:
                state.places |= {str(one.number): "customer" for one in state.waiting}
        self._save()
        result = self._kept()
        return devices.MediaStored(
            stored=result.stored,
            items=result.items,
            returned=returned,
            more=presented.more,
            failure=failure,
        )

    async def _endorse(self, item: Cheque, wish: Wish, events: devices.MovingMedia[Any]) -> None:
        """Print on an item, stamp it, and take pictures of it afterwards."""
        item.printed, item.printed_front = wish.back or item.printed, wish.front or item.printed_front
        item.stamped = item.stamped or wish.stamp
        if wish.images:
            images = [await self._image(item, one) for one in wish.images]
            events.send(messages.MediaDataEvent(media_id=item.number, image=images))

    def _require_position(self) -> None:
        """See that a bunch can be presented; what was refused and lies in the slot is taken with it."""
        if any(item.number for item in self._state.presented):
            raise errors.CommandError("positionNotEmpty", "something is to be taken first")

    def _present(self, events: Any) -> MediaPresented:
        """Present the next bunch of what goes back.

        Raises:
            CommandError: the one before has not been taken, or the shutter does not move.
        """
        state = self._state
        self._require_shutter()
        self._require_position()
        count = self.setup.bunch or len(state.waiting) or 1
        state.presented, state.waiting = state.presented + state.waiting[:count], state.waiting[count:]
        state.position = "output" if self.setup.output else "input"
        state.bunches += 1
        total = state.bunches + -(-len(state.waiting) // count)
        state.places |= {str(item.number): "customer" for item in state.presented if item.number}
        self._save()
        events.send(
            messages.MediaPresentedEvent(
                position=state.position, bunch_index=state.bunches, total_bunches=str(total)
            )
        )
        return MediaPresented(
            items=frozenset(item.number for item in state.presented if item.number), more=bool(state.waiting)
        )

    def _pocket_fails(self, unit: str, items: int = 1) -> errors.XfsError | None:
        if unit in self._state.pulled:
            return devices.UnitError("mediaBinError", "config", [unit], f"{unit} is not in its place")
        if self.faults.strikes("pocketJams"):
            return devices.UnitError("mediaBinError", "error", [unit], f"{unit} jams")
        if self._held(unit) + items > self.setup.units[unit].capacity:
            return devices.UnitError("mediaBinError", "full", [unit], f"{unit} is full")
        return None

    def _held(self, unit: str) -> int:
        """How many items are in a unit."""
        return len(self._state.units[unit])

    def _kept(self) -> devices.MediaStored:
        state = self._state
        items = {int(number): place for number, place in state.places.items()}
        return devices.MediaStored(stored=dict(state.stored), items=items, must_present=bool(state.refused))

    async def _bring(
        self, items: Iterable[Cheque], unit: str | None, events: devices.MovingMedia
    ) -> devices.MediaRetracted:
        """Bring items into a unit for what is retracted."""
        state, items = self._state, list(items)
        bins = [name for name, one in self.setup.units.items() if "retract" in one.uses]
        target = unit or next(iter(bins), None)
        if target is None:
            raise errors.CommandError("mediaBinError", "no unit is for what is retracted")
        self._move_begins(events.operation)
        await self._time()
        # A bunch goes in whole or not at all.
        if (failure := self._pocket_fails(target, max(1, len(items)))) is not None:
            return devices.MediaRetracted(failure=failure)
        # By identity: two cheques may be equal without being the same piece of paper.
        moved = {id(item) for item in items}
        for place in (state.stacker, state.presented, state.waiting, state.refused):
            place[:] = [item for item in place if id(item) not in moved]
        state.units[target] += items
        if items:
            state.stored = {target: len(items)}
        state.places = {str(item.number): target for item in items if item.number}
        self._save()
        return devices.MediaRetracted(count=len(items), location=target if items else None)

    @property
    def where_presented(self) -> Literal["input", "refused", "output"]:
        """Where the customer can take something."""
        return self._state.position


async def _drawn(draw: Callable[[Cheque, _Wish], _Drawn], item: Cheque, wish: _Wish) -> _Drawn:
    """What takes a while to be drawn or read; a movement that is given up does not wait for it."""
    return await trio.to_thread.run_sync(draw, item, wish, abandon_on_cancel=True)
