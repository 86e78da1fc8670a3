"""Check: what a vendor writes for a device that takes in cheques.

class MyScanner(devices.Check):
    data_source = frozenset({"imageFront", "codeLine"})
    codeline_format = frozenset({"e13b"})
    max_media_on_stacker = 50

    async def units(self):
        return {"unit1": devices.CheckUnit(index=1, capacity=500, types=frozenset({"mediaIn"}))}

    async def media_in(self, request, events):
        events.send(NoMediaEvent())
        number = request.number
        async for item in self.port.feed(request.most):
            events.send(MediaDataEvent(media_id=number, codeline_data=item.line))
            number += 1
        new = number - request.number
        return devices.MediaTakenIn(on_stacker=number - 1, last=new, last_on_stacker=new)

    async def media_in_end(self, events):
        count = await self.port.store()
        items = dict.fromkeys(range(1, count + 1), "unit1")
        return devices.MediaStored(stored={"unit1": count}, items=items, returned=0)

    async def media_in_rollback(self, events):
        count = await self.port.give_back()
        items = dict.fromkeys(range(1, count + 1), "customer")
        return devices.MediaStored(items=items, returned=count)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import CommandEvents
from xfs4iot.devices._operation import operation, waits_for_people
from xfs4iot.devices._parts import derived
from xfs4iot.devices.storage import Count, Storage
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.check import GetNextItemEvents, MediaInEvents, PresentMediaEvents
from xfs4iot.protocol.message import SentEvent
from xfs4iot.protocol.messages import check as messages

__all__ = [
    "Check",
    "ImageWish",
    "MediaInRequest",
    "MediaParameters",
    "MediaPresented",
    "MediaRetracted",
    "MediaStored",
    "MediaTakenIn",
    "MovingMedia",
]

Unit = Annotated[str, Meta(pattern=r"^unit[0-9A-Za-z]+\Z")]
MediaPlace = Annotated[str, Meta(pattern=r"^(device|customer|unknown|unit[0-9A-Za-z]+)\Z")]
MediaID = Annotated[int, Meta(ge=1)]
Position = Literal["input", "refused", "output"]
Codeline = Literal["cmc7", "e13b", "ocr", "ocra", "ocrb"]
Area = Annotated[str, Meta(pattern=r"^(stacker|transport|rebuncher|unit[0-9A-Za-z]+)\Z")]


class MovingMedia(CommandEvents[SentEvent], Protocol[SentEvent]):
    """What a device is given while it moves items to where they stay.

    Attributes:
        operation: the movement's number, for a device that keeps what it moved; see `recall_media`.
    """

    operation: int


@dataclass(frozen=True)
class ImageWish:
    """A request for an image of one side."""

    source: Literal["front", "back"]
    type: Literal["tif", "wmf", "bmp", "jpg"]
    color_format: Literal["binary", "grayScale", "full"]
    scan_color: Literal["red", "green", "blue", "yellow", "white", "infraRed", "ultraViolet"]


@dataclass(frozen=True)
class MediaInRequest:
    """What is wanted of items that are taken in.

    Attributes:
        codeline: format of the code line; None: it is not wanted.
        images: at most one of each side.
        most: items on the stacker; what comes beyond is refused with `stackerFull`.
        application_refuses: the device takes one item at a time, and the application decides on it.
        number: of the next item: 1 in a new transaction, else one more than the last that was told.
    """

    codeline: Codeline | None
    images: tuple[ImageWish, ...]
    most: int
    application_refuses: bool
    number: int = 1


@dataclass(frozen=True)
class MediaParameters:
    """What is to become of items.

    Attributes:
        media_id: the item; None for all.
        destination: `customer`, or a unit.
        stamp: whether it is stamped.
        print_data: what is printed on it: lines end with CR LF, back and front are parted by CR FF.
        images: taken afterwards.
    """

    media_id: int | None
    destination: str
    stamp: bool
    print_data: str | None = field(repr=False)
    images: tuple[ImageWish, ...]


@dataclass(frozen=True, kw_only=True)
class MediaTakenIn:
    """How taking items in has ended.

    Attributes:
        on_stacker: items on the stacker now; None if not known, or there is no stacker.
        last: items that this command took in.
        last_on_stacker: those of them that are on the stacker.
        failure: what went wrong. Refused items are no failure.
    """

    on_stacker: Count | None = None
    last: Count | None = None
    last_on_stacker: Count | None = None
    failure: errors.XfsError | None = None


@dataclass(frozen=True, kw_only=True)
class MediaStored:
    """Where the items of a transaction have gone.

    Attributes:
        stored: items that were accepted into units, by unit.
        items: where each item is now, by its number; those that are not named are `unknown`. A success tells
            of all that were inside, here or by `stored` and `returned`.
        returned: items that go back to the customer.
        refused, bunches_refused: of the transaction; None: as the events have told.
        must_present: of a movement that is recalled: whether refused items wait that must be presented first;
            None: as the events have told.
        more: what goes back does so in several bunches, and the first is presented; see `present_next`.
            `items` names those of the first bunch `customer`, and the others `device`.
        failure: what went wrong; what had moved before is booked.
    """

    stored: Mapping[Unit, Count] = field(default_factory=dict)
    items: Mapping[MediaID, MediaPlace] = field(default_factory=dict)
    returned: Count | None = None
    refused: Count | None = None
    bunches_refused: Count | None = None
    must_present: bool | None = None
    more: bool = False
    failure: errors.XfsError | None = None


@dataclass(frozen=True, kw_only=True)
class MediaPresented:
    """What the customer can take now.

    Attributes:
        items: by their numbers; none of them named: what was refused, or, if no other bunch waits, all
            that are inside.
        more: another bunch waits, to be presented when this was taken; see `present_next`.
    """

    items: frozenset[MediaID] = frozenset()
    more: bool = False


@dataclass(frozen=True, kw_only=True)
class MediaRetracted:
    """Where a retract or a reset has brought what it found.

    Attributes:
        count: items; None if they cannot be counted, 0 for nothing found. If they are fewer than there
            should have been, it is not known which.
        location: where they are now; None: nothing was moved, or it was presented.
        presented: what a reset has ejected.
        failure: what went wrong.
    """

    count: Count | None = None
    location: Area | None = None
    presented: MediaPresented | None = None
    failure: errors.XfsError | None = None


def _stacker(device: Any) -> str | None:
    return "empty" if device.max_media_on_stacker else None


class Check(
    Storage,
    messages=messages,
    capabilities={
        "type": "scanner_type",
        "positions": "media_positions",
        "present_control": "media_present_control",
    },
    status={
        "acceptor": "ok",
        "media": "notPresent",
        "stacker": derived(_stacker),
        "media_feeder": derived(lambda device: "empty" if device.scanner_type == "bunchMediaInput" else None),
    },
    needs=(("media_in",), ("media_in_end",), ("media_in_rollback",)),
):
    """A device that takes in cheques, stores them or gives them back.

    The service keeps the transaction: its state, each item and where it is, what was refused. The device
    sets what only it can know of the status: `toner`, `ink`, the scanners, `positions`, `rebuncher`, `media`.

    Attributes:
        scanner_type: `singleMediaInput` or `bunchMediaInput`.
        max_media_on_stacker: items that wait inside; 0 for no stacker.
        print_size, print_size_front: rows and columns that it prints; None: it does not.
        stamp, rescan, media_present_control, application_refuse, image_after_endorse: see the capabilities.
        retract_location: `storage`, `transport`, `stacker`, `rebuncher`.
        reset_control: `eject`, `storageUnit`, `transport`, `rebuncher`.
        image_type, codeline_format, data_source, insert_orientation, returned_items_processing: by name.
        front_image, back_image: what images of each side can be.
        media_positions: see the capabilities.
        private_seconds: how long code lines and images are in memory after the transaction has ended.
    """

    scanner_type: Literal["singleMediaInput", "bunchMediaInput"] = "singleMediaInput"
    max_media_on_stacker: Annotated[int, Meta(ge=0)] = 0
    print_size: messages.Printsize | None = None
    print_size_front: messages.Printsize | None = None
    stamp: bool = False
    rescan: bool = False
    media_present_control: bool = True
    application_refuse: bool = False
    image_after_endorse: bool = False
    retract_location: frozenset[Literal["storage", "transport", "stacker", "rebuncher"]] = frozenset()
    reset_control: frozenset[Literal["eject", "storageUnit", "transport", "rebuncher"]] = frozenset()
    image_type: frozenset[Literal["tif", "wmf", "bmp", "jpg"]] = frozenset()
    codeline_format: frozenset[Codeline] = frozenset()
    data_source: frozenset[Literal["imageFront", "imageBack", "codeLine"]] = frozenset()
    insert_orientation: frozenset[
        Literal["codeLineRight", "codeLineLeft", "codeLineBottom", "codeLineTop", "faceUp", "faceDown"]
    ] = frozenset()
    returned_items_processing: frozenset[Literal["endorse", "endorseImage"]] = frozenset()
    front_image: messages.ImageCapabilities | None = None
    back_image: messages.ImageCapabilities | None = None
    media_positions: messages.CapabilitiesPositions | None = None
    private_seconds: Annotated[float, Meta(ge=0)] = 600.0

    def media_taken(self, position: Position) -> None:
        """Tell that the customer has taken what was presented: sends `MediaTakenEvent`."""
        self.send(messages.MediaTakenEvent(position=position))

    def media_detected(self, position: str) -> None:
        """Tell where something was found: `device`, `position`, `jammed`, `customer`, `unknown` or a unit."""
        self.send(messages.MediaDetectedEvent(position=position))

    @waits_for_people
    @operation
    async def media_in(self, request: MediaInRequest, events: MovingMedia[MediaInEvents]) -> MediaTakenIn:
        """`Check.MediaIn`: take items in.

        Sends `NoMediaEvent` when the customer is to insert, `MediaInsertedEvent`, and for each item a
        `MediaDataEvent` or a `MediaRefusedEvent`. Cancelled when the client gives up: see `stop_media_in`.

        Raises:
            CommandError: nothing was taken in: `shutterFail`, `scannerInop`, `micrInop`, `positionNotEmpty`,
                `feederNotEmpty`, `mediaRejected`, `feederInop`, `stackerFull`.
        """
        raise NotImplementedError

    @operation
    async def stop_media_in(self) -> MediaTakenIn:
        """Close the slot after `media_in` was cancelled, finish the item that moves, and tell what is in."""
        raise NotImplementedError

    @operation
    async def media_in_end(self, events: MovingMedia[Any]) -> MediaStored:
        """`Check.MediaInEnd`: bring each item to where `set_media_parameters` said, and end."""
        raise NotImplementedError

    @operation
    async def media_in_rollback(self, events: MovingMedia[Any]) -> MediaStored:
        """`Check.MediaInRollback`: give all items back."""
        raise NotImplementedError

    @operation
    async def get_next_item(self, events: MovingMedia[GetNextItemEvents]) -> None:
        """`Check.GetNextItem`: take the next item in from the feeder.

        Raises:
            CommandError: `noItems`, `mediaJammed`, `positionNotEmpty`, `scannerInop`, `micrInop`,
                `feederInop`.
        """
        raise NotImplementedError

    @operation
    async def accept_item(self, accept: bool, events: MovingMedia[Any]) -> None:
        """`Check.AcceptItem`: put the item on the stacker, or refuse it.

        Raises:
            CommandError: `mediaJammed`, `positionNotEmpty`.
        """
        raise NotImplementedError

    @operation
    async def action_item(self, events: MovingMedia[Any]) -> MediaStored:
        """`Check.ActionItem`: bring the one item to where `set_media_parameters` said."""
        raise NotImplementedError

    @operation
    async def set_media_parameters(self, parameters: MediaParameters) -> None:
        """`Check.SetMediaParameters`: learn what is to become of items; later values replace earlier ones.

        Raises:
            CommandError: `mediaJammed`, `scannerInop`, `tonerOut`, `inkOut`.
        """
        raise NotImplementedError

    @operation
    async def read_image(
        self, media_id: int, codeline: Codeline | None, images: tuple[ImageWish, ...]
    ) -> messages.MediaData:
        """`Check.ReadImage`, of a device that can `rescan`; without it the service tells what it knows.

        Raises:
            CommandError: `mediaJammed`, `scannerInop`, `micrInop`.
        """
        raise NotImplementedError

    @operation
    async def return_media(
        self,
        source: Literal["input", "refused", "rebuncher"] | None,
        events: MovingMedia[PresentMediaEvents],
    ) -> MediaPresented | None:
        """`Check.PresentMedia`: present what goes back; None: all. To return None says the same of all of it.

        Raises:
            CommandError: `shutterFail`, `mediaJammed`, `positionNotEmpty`.
        """
        raise NotImplementedError

    @operation
    async def present_next(self, events: MovingMedia[PresentMediaEvents]) -> MediaPresented:
        """Present the next bunch of what goes back; the customer has taken the one before.

        Asked when an operation that presents has said that there is `more`, by the same command: the service
        waits for `media_taken` in between, and who gives up then leaves the rest inside.

        Raises:
            CommandError: `shutterFail`, `mediaJammed`, `positionNotEmpty`.
        """
        raise NotImplementedError

    @operation
    async def expel_media(self) -> None:
        """`Check.ExpelMedia`: push out what was presented.

        Raises:
            CommandError: `shutterFail`, `mediaJammed`, `noItems`.
        """
        raise NotImplementedError

    @operation
    async def retract_media(self, location: str | None, events: MovingMedia[Any]) -> MediaRetracted:
        """`Check.RetractMedia`: bring what the customer did not take inside; None: where the device likes.

        Raises:
            CommandError: `noMediaPresent`, `mediaJammed`, `stackerFull`, `shutterFail`,
                `foreignItemsDetected`.
        """
        raise NotImplementedError

    @operation
    async def reset_media(self, control: str | None, events: MovingMedia[Any]) -> MediaRetracted:
        """`Check.Reset`: make the device ready, and bring what is found in it to `eject`, `transport`,
        `rebuncher` or a unit; None: where the device likes.

        Raises:
            CommandError: `shutterFail`, `mediaJammed`.
        """
        raise NotImplementedError

    @operation
    async def supply_replenish(self, supplies: frozenset[Literal["toner", "ink"]]) -> None:
        """`Check.SupplyReplenish`: learn that supplies were refilled."""
        raise NotImplementedError

    @operation
    async def recall_media(self, operation: int) -> MediaStored | None:
        """What the movement of this number has moved; None if it has not begun. Asked after a crash.

        Of items that came in (MediaIn, GetNextItem, AcceptItem) `items` says where each is: `device`, or
        `customer` if it was given back at once. Of one that presents: `customer` for what was presented.
        """
        raise NotImplementedError

    @operation
    async def media_inside(self) -> frozenset[MediaID]:
        """The numbers of the items that are inside and that the customer cannot reach.

        Asked when a transaction goes on after a restart.
        """
        raise NotImplementedError

    @operation
    async def media_presented(self) -> frozenset[MediaID]:
        """The numbers of the items that the customer can reach.

        Asked after a restart, if there were such before; without it the positions of the status tell whether
        they were taken since.
        """
        raise NotImplementedError
