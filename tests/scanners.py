"""Devices for cheques as vendors write them, each told by a test what comes in and what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from xfs4iot import devices
from xfs4iot.protocol.messages import check as messages

__all__ = ["Scanner", "Single"]

COLORS = messages.ImageCapabilitiesColorFormat(binary=True, gray_scale=True, full=False)
LIGHT = messages.ImageCapabilitiesScanColor(white=True, red=True)
SIDE = messages.ImageCapabilities(color_format=COLORS, scan_color=LIGHT, default_scan_color="white")


class Scanner(devices.Check):
    """A device with a stacker.

    Attributes:
        slot: what a MediaIn finds: `good` items, or reasons of refusal.
        refuses: what an operation raises or ends with, by its name.
        hand: what happens while an operation runs, by its name.
        called: operations that were asked for, with their arguments.
        bunch: items that are returned at once; 0 for all.
        found: items that a retract finds.
        picture: of every item.
    """

    scanner_type = "bunchMediaInput"
    max_media_on_stacker = 5
    application_refuse = True
    stamp = True
    retract_location = frozenset({"storage", "stacker"})
    reset_control = frozenset({"eject", "storageUnit"})
    image_type = frozenset({"jpg", "tif"})
    codeline_format = frozenset({"e13b"})
    data_source = frozenset({"imageFront", "codeLine"})

    def __init__(self) -> None:
        super().__init__("Check")
        self.front_image = SIDE
        self.print_size = messages.Printsize(rows=2, cols=10)
        self.media_positions = messages.CapabilitiesPositions(
            input=messages.PositionCapabilities(items_taken_sensor=True)
        )
        self.slot: list[str] = []
        self.refuses: dict[str, Any] = {}
        self.hand: dict[str, Any] = {}
        self.called: list[tuple[Any, ...]] = []
        self.wishes: dict[int | None, str] = {}
        self.inside: list[int] = []
        self.kept: dict[int, devices.MediaStored] = {}
        self.presents_first = False
        self.bunch = 0
        self.found = 2
        self.waiting: list[int] = []
        self.ejects: devices.MediaPresented | None = None
        self.picture = b"picture of a cheque"

    async def _do(self, name: str, *arguments: Any) -> None:
        self.called.append((name, *arguments))
        if name in self.hand:
            await self.hand[name]()
        if name in self.refuses:
            raise self.refuses[name]

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {
            "unit1": devices.CheckUnit(index=1, types=frozenset({"mediaIn"}), capacity=10, high_threshold=2),
            "unit2": devices.CheckUnit(index=2, types=frozenset({"mediaIn"}), capacity=10),
            "unitR": devices.CheckUnit(index=3, types=frozenset({"retract"}), retract_high_threshold=1),
        }

    async def media_in(self, request: devices.MediaInRequest, events: Any) -> devices.MediaTakenIn:
        self.request = request
        if not self.slot:
            events.send(messages.NoMediaEvent())
        await self._do("media_in")
        events.send(messages.MediaInsertedEvent())
        new = 0
        for item in self.slot:
            if item != "good" or len(self.inside) >= max(request.most, 1):
                reason: Any = item if item != "good" else "stackerFull"
                event = messages.MediaRefusedEvent(
                    reason=reason, location="refused", present_required=self.presents_first
                )
                events.send(event)
                continue
            new += 1
            self._take(events, request)
        self.slot = []
        held = len(self.inside)
        return devices.MediaTakenIn(on_stacker=held, last=new, last_on_stacker=new)

    def _take(self, events: Any, request: devices.MediaInRequest) -> None:
        number = len(self.inside) + 1
        self.inside.append(number)
        images = [
            messages.ImageData(
                image_source=one.source, image_type=one.type, image_status="ok", image=self.picture
            )
            for one in request.images
        ]
        events.send(
            messages.MediaDataEvent(
                media_id=number,
                codeline_data=f"LINE{number}" if request.codeline else None,
                magnetic_read_indicator="micr",
                image=images or None,
                media_size=messages.MediaSize(long_edge=150, short_edge=70),
                media_validity="ok",
            )
        )

    async def stop_media_in(self) -> devices.MediaTakenIn:
        await self._do("stop_media_in")
        return devices.MediaTakenIn(on_stacker=len(self.inside), last=0, last_on_stacker=0)

    def _stored(self, numbers: list[int], rollback: bool, events: Any) -> devices.MediaStored:
        stored: dict[str, int] = {}
        places: dict[int, str] = {}
        for number in numbers:
            wish = self.wishes.get(number, self.wishes.get(None, "customer"))
            places[number] = "customer" if rollback else wish
            if places[number] != "customer":
                stored[places[number]] = stored.get(places[number], 0) + 1
        self.waiting = [number for number, place in places.items() if place == "customer"]
        returned, self.index = len(self.waiting), 0
        places |= dict.fromkeys(self.waiting, "device")
        more = False
        if self.media_present_control:
            presented = self._present(events)
            places |= dict.fromkeys(presented.items, "customer")
            more = presented.more
        else:
            places |= dict.fromkeys(self.waiting, "customer")
        self.inside = []
        found = devices.MediaStored(stored=stored, items=places, returned=returned, more=more)
        self.kept[events.operation] = found
        return found

    def _present(self, events: Any) -> devices.MediaPresented:
        """Present the next bunch of what waits."""
        count = self.bunch or len(self.waiting)
        bunch, self.waiting = self.waiting[:count], self.waiting[count:]
        if bunch:
            self.index += 1
            total = self.index + -(-len(self.waiting) // count)
            events.send(
                messages.MediaPresentedEvent(
                    position="input", bunch_index=self.index, total_bunches=str(total)
                )
            )
        return devices.MediaPresented(items=frozenset(bunch), more=bool(self.waiting))

    async def media_in_end(self, events: Any) -> devices.MediaStored:
        await self._do("media_in_end")
        if "end partly" in self.refuses:
            return devices.MediaStored(
                stored={"unit1": 1}, items={1: "unit1"}, failure=self.refuses["end partly"]
            )
        return self._stored(list(self.inside), False, events)

    async def media_in_rollback(self, events: Any) -> devices.MediaStored:
        await self._do("media_in_rollback")
        return self._stored(list(self.inside), True, events)

    async def get_next_item(self, events: Any) -> None:
        await self._do("get_next_item")
        self._take(events, self.request)

    async def accept_item(self, accept: bool, events: Any) -> None:
        await self._do("accept_item", accept)

    async def action_item(self, events: Any) -> devices.MediaStored:
        await self._do("action_item")
        return self._stored(list(self.inside), False, events)

    async def set_media_parameters(self, parameters: devices.MediaParameters) -> None:
        await self._do("set_media_parameters", parameters)
        self.wishes[parameters.media_id] = parameters.destination

    async def read_image(self, media_id: int, codeline: Any, images: Any) -> messages.MediaData:
        await self._do("read_image", media_id)
        return messages.MediaData(
            codeline_data="AGAIN",
            image=[messages.ImageData(image_source="front", image_status="ok", image=b"again")],
        )

    async def return_media(self, source: Any, events: Any) -> devices.MediaPresented | None:
        await self._do("return_media", source)
        return self._present(events) if self.waiting else None

    async def present_next(self, events: Any) -> devices.MediaPresented:
        await self._do("present_next")
        return self._present(events)

    async def expel_media(self) -> None:
        await self._do("expel_media")

    async def retract_media(self, location: str | None, events: Any) -> devices.MediaRetracted:
        await self._do("retract_media", location)
        return devices.MediaRetracted(count=self.found, location=location or "unitR")

    async def reset_media(self, control: str | None, events: Any) -> devices.MediaRetracted:
        await self._do("reset_media", control)
        place = control if control is not None and control.startswith("unit") else None
        count, self.inside = len(self.inside) or None, []
        return devices.MediaRetracted(count=count, location=place, presented=self.ejects)

    async def supply_replenish(self, supplies: frozenset[Any]) -> None:
        await self._do("supply_replenish", supplies)


class Single(Scanner):
    """A device without a stacker."""

    scanner_type = "singleMediaInput"
    max_media_on_stacker = 0
    application_refuse = False


async def forever() -> None:
    await trio.sleep_forever()
