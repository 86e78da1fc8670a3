"""What clients are told of items: their places, their code lines and their images, which are personal."""

from __future__ import annotations

from typing import Any

import msgspec

from xfs4iot.devices import ImageWish
from xfs4iot.interfaces.documents.checks import takes_image
from xfs4iot.interfaces.documents.media import MediaState
from xfs4iot.interfaces.documents.media_transaction import Item, Private
from xfs4iot.protocol.messages import check as messages

__all__ = ["count_told", "image_read", "images_wished", "media_told"]

_MOST_BYTES = 4 * 1024 * 1024
"""Of images that GetTransactionStatus tells, half of what may wait for a client; ReadImage has the others."""


def media_told(on: MediaState, *, with_images: bool) -> list[messages.MediaStatus]:
    """All items, with as many of their images as one answer holds."""
    room = _MOST_BYTES if with_images else None
    media: list[messages.MediaStatus] = []
    for number, item in on.transaction.items.items():
        images = _shown_images(on, number, room)
        if room is not None:
            room -= sum(len(one.image or b"") for one in images or ())
        media.append(_told(on, number, item, images))
    return media


def _shown_images(on: MediaState, number: int, room: int | None) -> list[messages.ImageData] | None:
    """An item's images, without their bytes where there is no room; none at all if `room` is None."""
    found = list(on.private.get(number, Private()).images.values()) if room is not None else []
    shown = []
    for one in found:
        assert room is not None
        room -= len(one.image or b"")
        shown.append(one if room >= 0 else msgspec.structs.replace(one, image=None))
    return shown or None


def _told(
    on: MediaState, number: int, item: Item, images: list[messages.ImageData] | None
) -> messages.MediaStatus:
    private = on.private.get(number, Private())
    return messages.MediaStatus(
        media_id=number,
        media_location=item.place,
        codeline_data=private.codeline,
        magnetic_read_indicator=item.magnetic,
        image=images,
        insert_orientation=item.orientation,
        media_size=item.size,
        media_validity=item.validity,
        customer_access=item.access,
    )


def image_read(on: MediaState, private: Private, source: Any) -> messages.ImageData:
    """An image of an item, or why there is none."""
    if (found := private.images.get(source)) is not None:
        return found
    known = takes_image(on, source)
    return messages.ImageData(
        image_source=source, image_status="sourceMissing" if known else "sourceNotSupported"
    )


def images_wished(wishes: list[messages.ImageRequest] | None) -> tuple[ImageWish, ...]:
    """The images of a request that was found good."""
    return tuple(
        ImageWish(one.source, one.type, one.color_format, one.scan_color)
        for one in wishes or ()
        if one.source is not None
        and one.type is not None
        and one.color_format is not None
        and one.scan_color is not None
    )


def count_told(number: int | None) -> str:
    """A count as the standard writes it."""
    return "unknown" if number is None else str(number)
