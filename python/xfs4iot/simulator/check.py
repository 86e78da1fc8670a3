"""A simulated scanner of cheques: items that are each at one place, pictures that are drawn, bad luck.

What is refused follows from the item: its size, a staple in it, what it is at all. Every item is in the slot,
on the stacker, with what was presented, in a unit, or with the customer, also after a restart.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import trio
from msgspec import Meta

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import check as messages
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.commands import Completion, Milliseconds, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedCheck"]

_LONGEST, _SHORTEST, _WIDEST, _NARROWEST = 230, 120, 105, 60
_MODES = {"binary": "1", "grayScale": "L", "full": "RGB"}
_FORMATS = {"jpg": "JPEG", "tif": "TIFF", "bmp": "BMP"}
_COLORS = messages.ImageCapabilitiesColorFormat(binary=True, gray_scale=True, full=True)
_SIDE = messages.ImageCapabilities(
    color_format=_COLORS,
    scan_color=messages.ImageCapabilitiesScanColor(white=True),
    default_scan_color="white",
)


@dataclass(frozen=True)
class CheckUnitSettings:
    """One unit: what it is used for, how many items it has room for, and when it is high."""

    uses: tuple[Literal["mediaIn", "retract"], ...] = ("mediaIn",)
    capacity: Annotated[int, Meta(ge=1)] = 200
    high: Annotated[int, Meta(ge=1)] | None = None


@dataclass(frozen=True)
class CheckSettings:
    """What a profile may say.

    Attributes:
        flow: `bunch` with a stacker, `refusing`: the application decides on each item, `single`: without one.
        stacker: items that it has room for.
        units: by name.
        customer: items that somebody inserts by himself whenever some are asked for, and takes again.
    """

    flow: Literal["bunch", "refusing", "single"] = "bunch"
    stacker: Annotated[int, Meta(ge=2)] = 50
    units: dict[str, CheckUnitSettings] = field(default_factory=dict)
    customer: Annotated[int, Meta(ge=0)] = 0

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        for name, unit in self.units.items():
            if not name.startswith("unit") or not name.isalnum():
                yield ("units", name), "names of units are `unit` and then letters or digits"
            if not unit.uses:
                yield ("units", name, "uses"), "mediaIn, retract or both"


class Cheque(msgspec.Struct, rename="camel"):
    """An item that somebody inserts.

    Attributes:
        kind: what it is.
        codeline: in E-13B; None for none.
        magnetic: whether its ink is.
        amount, payee: what is written on it.
        long_edge, short_edge: in millimetres.
        staple: one is in it.
    """

    kind: Literal["cheque", "paper", "banknote"] = "cheque"
    codeline: str | None = "t111000025t 0123456789o 1001"
    magnetic: bool = True
    amount: str = "100.00"
    payee: str = "Somebody"
    long_edge: Annotated[int, Meta(ge=1, le=1000)] = 152
    short_edge: Annotated[int, Meta(ge=1, le=1000)] = 70
    staple: bool = False
    number: int = 0

    @property
    def refusal(self) -> str | None:
        """Why the device does not take it."""
        reasons = (
            (self.kind == "banknote", "foreignItems"),
            (self.staple, "metal"),
            (self.long_edge > _LONGEST, "tooLong"),
            (self.long_edge < _SHORTEST, "tooShort"),
            (self.short_edge > _WIDEST, "tooWide"),
            (self.short_edge < _NARROWEST, "tooNarrow"),
            (self.kind == "paper", "invalidMedia"),
        )
        return next((reason for is_so, reason in reasons if is_so), None)


class _State(msgspec.Struct):
    """What is kept: items by place, what is to become of them, what the last movement did."""

    slot: list[Cheque] = []
    stacker: list[Cheque] = []
    presented: list[Cheque] = []
    units: dict[str, list[Cheque]] = {}
    wishes: dict[str, str] = {}
    last: int = 0
    jammed: bool = False
    operation: int = 0
    stored: dict[str, int] = {}
    places: dict[str, str] = {}


class InsertCheques(Request):
    """Items that are put into the slot, now or so many milliseconds later."""

    items: tuple[Cheque, ...] = (Cheque(),)
    after: Milliseconds | None = None


class CountOfCheques(Completion):
    """How many items."""

    count: int


class ShownTruth(Completion):
    """How many items are where."""

    slot: int
    stacker: int
    presented: int
    units: dict[str, int]


class SimulatedCheck(SimulatedDevice, devices.Check):
    """A scanner of cheques."""

    Settings: ClassVar = CheckSettings
    FAULTS: ClassVar = {
        "chequeJams": Fault("once", "the next item is stuck on its way: `mediaJammed` until Reset"),
        "doubleFeed": Fault("once", "two items are drawn in at once and refused"),
        "slotStuck": Fault("lasts", "the shutter does not move"),
        "micrDead": Fault("lasts", "code lines cannot be read"),
        "scannerDead": Fault("lasts", "no pictures can be taken"),
        "pocketJams": Fault("once", "a unit jams when the next item is to be stored"),
        "chequesHang": Fault("once", "the next movement does not come to an end"),
    }
    service_version = "1.0"

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.setup = self.configured(CheckSettings)
        single = self.setup.flow == "single"
        self.scanner_type = "singleMediaInput" if single else "bunchMediaInput"
        self.max_media_on_stacker = 0 if single else self.setup.stacker
        self.application_refuse = self.setup.flow == "refusing"
        self.rescan = not single
        self.stamp = True
        self.print_size = messages.Printsize(rows=3, cols=40)
        self.retract_location = frozenset({"storage"})
        self.reset_control = frozenset({"eject", "storageUnit"})
        self.image_type = frozenset({"jpg", "tif", "bmp"})
        self.codeline_format = frozenset({"e13b"})
        self.data_source = frozenset({"imageFront", "imageBack", "codeLine"})
        self.front_image = self.back_image = _SIDE
        position = messages.PositionCapabilities(items_taken_sensor=True, items_inserted_sensor=True)
        self.media_positions = messages.CapabilitiesPositions(input=position, refused=position)
        self._truth = self.world.document(name, _State(units={unit: [] for unit in self.setup.units}))
        self._came = trio.Event()
        self._request = devices.MediaInRequest(None, (), 0, False)
        self._clockwork: Timeline | None = None

    @property
    def _state(self) -> _State:
        state: _State = self._truth.state
        return state

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {
            name: devices.CheckUnit(
                index=number,
                types=frozenset(unit.uses),
                capacity=unit.capacity,
                high_threshold=unit.high,
                initial=len(self._state.units[name]),
                serial_number=f"SIM-{name}",
            )
            for number, (name, unit) in enumerate(self.setup.units.items(), 1)
        }

    def _begin(self) -> None:
        if self._state.jammed:
            raise errors.CommandError("mediaJammed", "an item is stuck; see Check.Reset")
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

    async def media_in(self, request: devices.MediaInRequest, events: Any) -> devices.MediaTakenIn:
        self._begin()
        self._require_shutter()
        state = self._state
        if state.presented and self.setup.customer:
            self.take_cheques(Request())
        if state.presented:
            raise errors.CommandError("positionNotEmpty", "items are in the slot that were given back")
        # Kept for GetNextItem, which draws in further items under the same wishes.
        self._request = request
        if not state.slot:
            self._came = trio.Event()
            events.send(messages.NoMediaEvent())
            if self.setup.customer:
                self.insert_cheques(InsertCheques(items=(Cheque(),) * self.setup.customer))
            await self._came.wait()
        self._begin()
        events.send(messages.MediaInsertedEvent())
        new = 0
        while state.slot:
            new += await self._feed(events)
            if self.setup.flow != "bunch":
                break
        self.status.check.media_feeder = self._feeder
        return devices.MediaTakenIn(
            on_stacker=len(state.stacker) if self.max_media_on_stacker else None,
            last=new,
            last_on_stacker=new if self.max_media_on_stacker else None,
        )

    @property
    def _feeder(self) -> Any:
        if self.setup.flow == "single":
            return None
        return "notEmpty" if self._state.slot else "empty"

    async def _feed(self, events: Any) -> int:
        """Draw the next item in; how many were taken."""
        state = self._state
        await self._time()
        item = state.slot.pop(0)
        if self.faults.strikes("chequeJams"):
            state.stacker.append(item)
            state.jammed = True
            self._truth.save()
            raise errors.CommandError("mediaJammed", "an item is stuck; see Check.Reset")
        reason: Any = item.refusal
        if self.faults.strikes("doubleFeed"):
            reason = "doubleDetect"
        if reason is None and self.max_media_on_stacker and len(state.stacker) >= self._request.most:
            reason = "stackerFull"
        if reason is not None:
            state.presented.append(item)
            self._truth.save()
            events.send(messages.MediaRefusedEvent(reason=reason, location="input", present_required=False))
            return 0
        state.last += 1
        item.number = state.last
        state.stacker.append(item)
        self._truth.save()
        events.send(self._told(item))
        return 1

    def _told(self, item: Cheque) -> messages.MediaDataEvent:
        dead = self.faults.active("micrDead")
        wanted = self._request.codeline is not None
        return messages.MediaDataEvent(
            media_id=item.number,
            codeline_data=item.codeline if wanted and not dead else None,
            magnetic_read_indicator="notRead"
            if dead or not wanted
            else "micr"
            if item.magnetic
            else "notMicr",
            image=[self._image(item, wish) for wish in self._request.images] or None,
            media_size=messages.MediaSize(long_edge=item.long_edge, short_edge=item.short_edge),
            media_validity="noValidation",
        )

    def _image(self, item: Cheque, wish: devices.ImageWish) -> messages.ImageData:
        dead = bool(self.faults.active("scannerDead"))
        return messages.ImageData(
            image_source=wish.source,
            image_type=wish.type,
            image_color_format=wish.color_format,
            image_scan_color=wish.scan_color,
            image_status="sourceMissing" if dead else "ok",
            image=None if dead else _drawn(item, wish),
        )

    async def stop_media_in(self) -> devices.MediaTakenIn:
        held = len(self._state.stacker) if self.max_media_on_stacker else None
        return devices.MediaTakenIn(on_stacker=held, last=0)

    async def get_next_item(self, events: Any) -> None:
        self._begin()
        if not self._state.slot:
            raise errors.CommandError("noItems", "the feeder is empty")
        await self._feed(events)
        self.status.check.media_feeder = self._feeder

    async def accept_item(self, accept: bool) -> None:
        self._begin()
        state = self._state
        await self._time()
        if not accept and state.stacker:
            state.presented.append(state.stacker.pop())
            self._truth.save()

    async def set_media_parameters(self, parameters: devices.MediaParameters) -> None:
        self._state.wishes[str(parameters.media_id or 0)] = parameters.destination
        self._truth.save()

    async def media_in_end(self, events: devices.MovingMedia) -> devices.MediaStored:
        return await self._leave(events, rollback=False)

    async def media_in_rollback(self, events: devices.MovingMedia) -> devices.MediaStored:
        return await self._leave(events, rollback=True)

    async def action_item(self, events: devices.MovingMedia) -> devices.MediaStored:
        return await self._leave(events, rollback=False)

    async def _leave(self, events: devices.MovingMedia, rollback: bool) -> devices.MediaStored:
        """Bring every item that is inside to where it is to go."""
        self._begin()
        self._require_shutter()
        state = self._state
        state.operation, state.stored, state.places = events.operation, {}, {}
        self._truth.save()
        failure: errors.XfsError | None = None
        # Copied, as items leave the stacker in the loop.
        for item in list(state.stacker):
            wish = state.wishes.get(str(item.number), state.wishes.get("0", "customer"))
            target = "customer" if rollback else wish
            await self._time()
            if target != "customer" and (failure := self._pocket_fails(target)) is not None:
                break
            state.stacker.remove(item)
            if target == "customer":
                state.presented.append(item)
            else:
                state.units[target].append(item)
                state.stored[target] = state.stored.get(target, 0) + 1
            state.places[str(item.number)] = target
            self._truth.save()
        # After a failure the items still inside keep their wishes for the next attempt.
        state.wishes = {} if failure is None else state.wishes
        self._truth.save()
        if state.presented:
            events.send(messages.MediaPresentedEvent(position="input", bunch_index=1, total_bunches="1"))
        result = self._kept()
        return devices.MediaStored(
            stored=result.stored, items=result.items, returned=len(state.presented), failure=failure
        )

    def _pocket_fails(self, unit: str) -> errors.XfsError | None:
        if self.faults.strikes("pocketJams"):
            return devices.UnitError("mediaBinError", "error", [unit], f"{unit} jams")
        if len(self._state.units[unit]) >= self.setup.units[unit].capacity:
            return devices.UnitError("mediaBinError", "full", [unit], f"{unit} is full")
        return None

    def _kept(self) -> devices.MediaStored:
        state = self._state
        items = {int(number): place for number, place in state.places.items()}
        return devices.MediaStored(stored=dict(state.stored), items=items)

    async def recall_media(self, operation: int) -> devices.MediaStored | None:
        return self._kept() if self._state.operation == operation else None

    async def media_inside(self) -> frozenset[int]:
        return frozenset(item.number for item in self._state.stacker)

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
        return messages.MediaData(
            codeline_data=item.codeline if codeline is not None else None,
            image=[self._image(item, wish) for wish in images] or None,
        )

    async def present_media(self, source: Any, events: Any) -> None:
        self._begin()
        self._require_shutter()
        events.send(messages.MediaPresentedEvent(position="input", bunch_index=1, total_bunches="1"))

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
        return await self._bring(list(state.presented), location, events)

    async def reset(self, control: str | None, events: devices.MovingMedia) -> devices.MediaRetracted:
        state = self._state
        self._clockwork = Timeline(self.clock)
        state.jammed, state.wishes = False, {}
        self._truth.save()
        found = [*state.stacker, *state.presented]
        if control is not None and control.startswith("unit"):
            return await self._bring(found, control, events)
        state.operation, state.stored, state.places = events.operation, {}, {}
        await self._time()
        state.places = {str(item.number): "customer" for item in state.stacker}
        state.presented, state.stacker = found, []
        self._truth.save()
        if found:
            events.send(messages.MediaPresentedEvent(position="input", bunch_index=1, total_bunches="1"))
        return devices.MediaRetracted(count=len(found))

    async def _bring(
        self, items: list[Cheque], unit: str | None, events: devices.MovingMedia
    ) -> devices.MediaRetracted:
        """Bring items into a unit for what is retracted."""
        state = self._state
        bins = [name for name, one in self.setup.units.items() if "retract" in one.uses]
        target = unit or next(iter(bins), None)
        if target is None:
            raise errors.CommandError("invalidBin", "no unit is for what is retracted")
        state.operation, state.stored, state.places = events.operation, {}, {}
        self._truth.save()
        await self._time()
        if (failure := self._pocket_fails(target)) is not None:
            return devices.MediaRetracted(failure=failure)
        # By identity: two cheques may be equal without being the same piece of paper.
        moved = {id(item) for item in items}
        state.stacker = [item for item in state.stacker if id(item) not in moved]
        state.presented = [item for item in state.presented if id(item) not in moved]
        state.units[target] += items
        if items:
            state.stored = {target: len(items)}
        state.places = {str(item.number): target for item in items if item.number}
        self._truth.save()
        return devices.MediaRetracted(count=len(items), location=target if items else None)

    async def supply_replenish(self, supplies: frozenset[Any]) -> None:
        await trio.lowlevel.checkpoint()

    @command
    def insert_cheques(self, request: InsertCheques) -> None:
        """Somebody puts items into the slot, or will."""

        def insert() -> None:
            self._state.slot += [msgspec.structs.replace(item, number=0) for item in request.items]
            self._truth.save()
            self._came.set()

        if request.after is not None:
            self.world.later(request.after / 1000, insert)
        else:
            insert()

    @command
    def take_cheques(self, request: Request) -> CountOfCheques:
        """Somebody takes what was presented."""
        state = self._state
        if not state.presented:
            raise errors.SequenceError("nothing was presented")
        count, state.presented = len(state.presented), []
        self._truth.save()
        self.media_taken("input")
        return CountOfCheques(count=count)

    @command
    def empty_pocket(self, request: Request) -> CountOfCheques:
        """Somebody takes the items out of all units."""
        count = sum(map(len, self._state.units.values()))
        for held in self._state.units.values():
            held.clear()
        self._truth.save()
        return CountOfCheques(count=count)

    def shown_truth(self) -> ShownTruth:
        state = self._state
        return ShownTruth(
            slot=len(state.slot),
            stacker=len(state.stacker),
            presented=len(state.presented),
            units={unit: len(held) for unit, held in state.units.items()},
        )


def _drawn(item: Cheque, wish: devices.ImageWish) -> bytes:
    """A picture of one side of an item."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise errors.HardwareError("the scanner cannot draw: pip install 'xfs4iot[simulator]'") from None
    size = item.long_edge * 4, item.short_edge * 4
    picture: Image.Image = Image.new("RGB", size, "#f4f0e0")
    pen = ImageDraw.Draw(picture)
    if wish.source == "front":
        pen.text((20, 20), f"PAY TO {item.payee}", fill="black", font_size=20)
        pen.text((size[0] - 180, 20), item.amount, fill="black", font_size=24)
        pen.text((20, size[1] - 40), item.codeline or "", fill="black", font_size=22)
    else:
        pen.text((20, 20), "ENDORSE HERE", fill="#808080", font_size=16)
    file = io.BytesIO()
    picture.convert(_MODES[wish.color_format]).save(file, _FORMATS[wish.type])
    return file.getvalue()
