"""What printers are given and what they return."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import CommandEvents
from xfs4iot.devices._pages import PrintItem
from xfs4iot.devices.storage import Count
from xfs4iot.protocol import errors

__all__ = [
    "CodelineFormat",
    "ImageWanted",
    "MediaAction",
    "MovingPrinterMedia",
    "Printed",
    "PrinterMediaMoved",
    "ReadWanted",
    "UnprintableItem",
]

MediaAction = Literal[
    "alarm",
    "pageForward",
    "pageBackward",
    "turnMedia",
    "rotate180",
    "stamp",
    "perforate",
    "skip",
    "cut",
    "partialCut",
    "eject",
    "ejectToTransport",
    "expel",
    "park",
    "retract",
    "stack",
]
"""What can be done with the medium, in the order in which it is done. The last six move it, and exclude each
other."""
MediaPlace = Annotated[
    str,
    Meta(
        pattern=r"^(present|notPresent|entering|jammed|unknown|expelled|parked|stacker|transport|unit[0-9A-Za-z]+)\Z"
    ),
]
"""Where the medium is: in the print position, nowhere, in the slot, stuck, lost to the sensors, thrown out,
in the parking station, on the stacker, in the transport, or in the retract bin of this name."""
Source = Annotated[str, Meta(pattern=r"^[a-zA-Z][a-zA-Z0-9]*\Z")]
Unit = Annotated[str, Meta(pattern=r"^unit[0-9A-Za-z]+\Z")]
Supply = Literal["unknown", "full", "low", "out", "jammed"]
ImageSource = Literal["front", "back", "passportDataGroup1", "passportDataGroup2"]
CodelineFormat = Literal["cmc7", "e13b", "ocr"]
Symbols = Annotated[str, Meta(pattern=r"^[!-~]{0,16}\Z")]
Codeline = Annotated[str, Meta(pattern=r"^[ -~]{1,256}\Z")]
Range = tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]]


class MovingPrinterMedia(CommandEvents[Any], Protocol):
    """What a printer is given while it moves the medium.

    Attributes:
        operation: the movement's number, for a device that keeps what it moved; see `recall_media`.
    """

    operation: int


@dataclass(frozen=True, kw_only=True)
class Printed:
    """How printing has ended.

    Attributes:
        pages: that were printed whole; None: all.
        length: µm that were printed of the page that was not finished.
        at: where the medium is now; None: in the print position.
        failure: what went wrong, such as `CommandError("paperOut")`.
    """

    pages: Count | None = None
    length: Count | None = None
    at: MediaPlace | None = None
    failure: errors.XfsError | None = None


class UnprintableItem(errors.CommandError):
    """Something on a page cannot be printed: a broken picture, a barcode that cannot hold its value.

    As `charSetData`; the service knows the field that it is printed for, and tells the client.

    Args:
        item: what it is.
        description: what is wrong with it.
    """

    def __init__(self, item: PrintItem, description: str) -> None:
        super().__init__("charSetData", description)
        self.item = item


@dataclass(frozen=True, kw_only=True)
class PrinterMediaMoved:
    """Where the medium is after it was to be moved.

    Attributes:
        at: None: where it was to go or, with a failure, where it was; of a reset: there was none.
        on_stacker: media on the stacker; None: as follows from what was asked.
        failure: what went wrong.
    """

    at: MediaPlace | None = None
    on_stacker: Count | None = None
    failure: errors.XfsError | None = None


@dataclass(frozen=True)
class ReadWanted:
    """One field that is to be read, and where it is on the medium.

    Attributes:
        name: of the field; a repeated one comes once for each of its places.
        kind: what stands there.
        x, y, width, height: its place, in µm.
        page: from 0.
        side: of the medium.
        format: as the form says it.
        coercivity: of a magnetic stripe.
    """

    name: str
    kind: Literal["text", "micr", "ocr", "msf", "barcode", "graphic", "pagemark"]
    x: int
    y: int
    width: int
    height: int
    page: int = 0
    side: Literal["front", "back"] = "front"
    format: str | None = None
    coercivity: Literal["auto", "low", "high"] = "auto"


@dataclass(frozen=True)
class ImageWanted:
    """How an image is wanted."""

    type: Literal["tif", "wmf", "bmp", "jpg", "png", "gif", "svg"]
    color_format: Literal["binary", "grayscale", "fullcolor"]


def media_status(place: str) -> Any:
    """What `status.printer.media` says of a medium in this place."""
    if place in ("notPresent", "expelled", "parked"):
        return "notPresent"
    if place in ("stacker", "transport"):
        return "present"
    return "retracted" if place.startswith("unit") else place
