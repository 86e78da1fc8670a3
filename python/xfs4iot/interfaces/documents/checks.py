"""Checks before a device that takes in cheques does something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xfs4iot.interfaces.checks import given
from xfs4iot.interfaces.documents.media import MediaState
from xfs4iot.protocol import errors
from xfs4iot.protocol.flags import chosen
from xfs4iot.protocol.messages import check as messages
from xfs4iot.server.handler import Check, check

__all__: list[str] = []

accept_given = given("accept", "say whether the item is accepted")
destination_given = given("destination", "say customer, or a unit")


@check("invalidData")
def media_given(on: MediaState, request: messages.ReadImage | None) -> None:
    """`mediaID`"""
    if request is None or request.media_id is None:
        raise errors.InvalidData("$.mediaID is missing; say which item")


@check("invalidData")
def codeline_readable(on: MediaState, request: Any) -> None:
    """`codelineFormat`"""
    wanted = request.codeline_format if request is not None else None
    if wanted is None:
        return
    if "codeLine" not in on.device.data_source or wanted not in on.device.codeline_format:
        raise errors.InvalidData(
            f"$.codelineFormat: the device does not read {wanted}; see Common.Capabilities"
        )


@check("invalidData")
def images_possible(on: MediaState, request: Any) -> None:
    """`image`: each side once, with all its properties, and such as the device can take"""
    _require_images(on, request, every_side=True)


@check("invalidData")
def images_readable(on: MediaState, request: messages.ReadImage) -> None:
    """`image`: likewise; a side that the device takes no image of is answered as `sourceNotSupported`"""
    _require_images(on, request, every_side=False)


def _require_images(on: MediaState, request: Any, *, every_side: bool) -> None:
    seen: set[str] = set()
    for number, wish in enumerate((request.image if request is not None else None) or ()):
        path = f"$.image[{number}]"
        _require_image(on, path, wish, every_side=every_side)
        if wish.source in seen:
            raise errors.InvalidData(f"{path}.source: {wish.source} is named twice")
        seen.add(wish.source)


def takes_image(on: MediaState, source: str) -> bool:
    """Whether the device takes images of a side."""
    return _side(on, source) is not None


def _side(on: MediaState, source: str) -> messages.ImageCapabilities | None:
    data = "imageFront" if source == "front" else "imageBack"
    side: messages.ImageCapabilities | None
    side = on.device.front_image if source == "front" else on.device.back_image
    return side if data in on.device.data_source else None


def _require_image(on: MediaState, path: str, wish: messages.ImageRequest, *, every_side: bool) -> None:
    device = on.device
    for field, name in (
        ("source", "source"),
        ("type", "type"),
        ("color_format", "colorFormat"),
        ("scan_color", "scanColor"),
    ):
        if getattr(wish, field, None) is None:
            raise errors.InvalidData(f"{path}.{name} is missing")
    assert wish.source is not None
    if (side := _side(on, wish.source)) is None:
        if not every_side:
            return
        raise errors.InvalidData(f"{path}.source: the device takes no image of the {wish.source}")
    for value, known, name in (
        (wish.type, device.image_type, "type"),
        (wish.color_format, chosen(side.color_format), "colorFormat"),
        (wish.scan_color, chosen(side.scan_color), "scanColor"),
    ):
        if value not in known:
            raise errors.InvalidData(
                f"{path}.{name}: {value} is not one of {', '.join(sorted(map(str, known))) or 'none'}"
            )


@check("invalidData")
def stacker_large_enough(on: MediaState, request: messages.MediaIn | None) -> None:
    """`maxMediaOnStacker`: not above the capability"""
    wanted, most = (
        (request.max_media_on_stacker if request is not None else None),
        on.device.max_media_on_stacker,
    )
    if wanted is not None and wanted > most:
        raise errors.InvalidData(f"$.maxMediaOnStacker: {wanted} items do not fit; the stacker holds {most}")


@check("sequenceError")
def units_not_exchanged(on: MediaState, request: object) -> None:
    """an exchange"""
    if on.storage.exchange_active:
        raise errors.SequenceError("units are being exchanged; see Storage.EndExchange")


@check("refusedItems")
def nothing_to_present(on: MediaState, request: object) -> None:
    """refused items that must be presented first"""
    if on.transaction.must_present:
        raise errors.CommandError("refusedItems", "refused items wait; see Check.PresentMedia")


@check("mediaPresent")
def no_media_left(on: MediaState, request: object) -> None:
    """items inside, without a transaction that they belong to"""
    if on.transaction.state == "active" or not on.transaction.inside:
        return
    if on.transaction.kept_inside:
        raise errors.CommandError("mediaPresent", "items are inside; see Check.RetractMedia and Check.Reset")
    raise errors.CommandError(
        "mediaPresent",
        "what was given back is not taken yet; wait for Check.MediaTakenEvent, or see Check.RetractMedia",
    )


@check("stackerFull")
def stacker_has_room(on: MediaState, request: object) -> None:
    """room on the stacker"""
    transaction = on.transaction
    if (
        # Outside a transaction the count is what the last one left, and the limit not set yet.
        transaction.state == "active"
        and transaction.most
        and transaction.on_stacker is not None
        and transaction.on_stacker >= transaction.most
    ):
        raise errors.CommandError("stackerFull", f"{transaction.on_stacker} items are on the stacker")


@check("allBinsFull")
def bins_have_room(on: MediaState, request: object) -> None:
    """whether a unit works and has room"""
    units = on.units_for("mediaIn")
    if units and not on.usable(units):
        raise errors.CommandError("allBinsFull", f"{', '.join(units)} cannot take anything")


def active(code: str, name: str) -> Check:
    """That a transaction is active."""

    def is_active(on: MediaState, request: object) -> None:
        if on.transaction.state != "active":
            raise errors.CommandError(code, "no transaction is active; see Check.MediaIn")

    is_active.__doc__ = "whether a transaction is active"
    return check(code, name=name)(is_active)


active_for_media = active("noMedia", "transaction active")
active_for_items = active("noItems", "transaction active")
active_for_action = active("noMediaPresent", "transaction active")


@check("noMedia")
def media_known_of(on: MediaState, request: object) -> None:
    """whether there are items in the record"""
    if not on.transaction.items:
        raise errors.CommandError("noMedia", "there are no items; see Check.MediaIn")


@check("noMedia")
def media_to_present(on: MediaState, request: object) -> None:
    """whether there is something to present"""
    if not on.transaction.inside and not on.transaction.must_present:
        raise errors.CommandError("noMedia", "there is nothing to present")


@check("invalidMediaID")
def media_exists(on: MediaState, request: Any) -> None:
    """the item"""
    if request.media_id is not None and request.media_id not in on.transaction.items:
        raise errors.CommandError(
            "invalidMediaID",
            f"$.mediaID: there is no item {request.media_id}; see Check.GetTransactionStatus",
        )


@check("invalidData")
def printing_possible(on: MediaState, request: messages.SetMediaParameters) -> None:
    """`stamp` and `printData`: what the device can do, and what fits"""
    if request.stamp and not on.device.stamp:
        raise errors.InvalidData("$.stamp: the device has no stamp")
    if not request.print_data:
        return
    sides = request.print_data.split("\r\f")
    for text, size, side in zip(
        sides, (on.device.print_size, on.device.print_size_front), ("back", "front"), strict=False
    ):
        if text and size is None:
            raise errors.InvalidData(f"$.printData: the device does not print on the {side}")
        lines = text.split("\r\n")
        rows, columns = (size.rows or 0, size.cols or 0) if size is not None else (0, 0)
        if text and (len(lines) > rows or max(map(len, lines)) > columns):
            raise errors.InvalidData(f"$.printData: {rows} rows of {columns} characters fit on the {side}")
    # `zip` stops after the second side, so a third is noticed only here.
    if len(sides) > 2:
        raise errors.InvalidData("$.printData: an item has two sides")


def _unit(place: str | None) -> str | None:
    return place if place is not None and place.startswith("unit") else None


def _require_unit(on: MediaState, path: str, unit: str | None, code: str) -> None:
    if unit is not None and unit not in on.units.units:
        raise errors.CommandError(code, f"{path}: there is no unit {unit}; see Storage.GetStorage")


def _require_use(on: MediaState, path: str, unit: str | None, use: str) -> None:
    if unit is not None and unit not in on.units_for(use):
        raise errors.CommandError("invalidBin", f"{path}: {unit} is not used for {use}")


@check("noBin")
def destination_exists(on: MediaState, request: messages.SetMediaParameters) -> None:
    """the unit of `destination`"""
    _require_unit(on, "$.destination", _unit(request.destination), "noBin")


@check("invalidBin")
def destination_fits(on: MediaState, request: messages.SetMediaParameters) -> None:
    """whether it is used for accepted items"""
    _require_use(on, "$.destination", _unit(request.destination), "mediaIn")


@check("mediaBinFull")
def destination_has_room(on: MediaState, request: messages.SetMediaParameters) -> None:
    """whether it has room"""
    unit = _unit(request.destination)
    if unit is not None and on.units.is_full(unit):
        raise errors.CommandError("mediaBinFull", f"$.destination: {unit} is full")


@check("invalidData")
def position_exists(on: MediaState, request: messages.PresentMedia | None) -> None:
    """`source`: a position of the device"""
    source = request.source.position if request is not None and request.source is not None else None
    if source is None:
        return
    positions = on.device.media_positions
    has = (
        on.device.status.check.rebuncher is not None
        if source == "rebuncher"
        else (positions is None or getattr(positions, source) is not None)
    )
    if not has:
        raise errors.InvalidData(f"$.source.position: the device has no {source}; see Common.Capabilities")


def _require_area(path: str, place: str | None, known: Iterable[str], of_units: str) -> None:
    if place is not None and (of_units if _unit(place) else place) not in known:
        raise errors.InvalidData(f"{path}: the device cannot do that; see Common.Capabilities")


@check("invalidData")
def retract_possible(on: MediaState, request: messages.RetractMedia | None) -> None:
    """`retractLocation`: one that the device has"""
    place = request.retract_location if request is not None else None
    _require_area("$.retractLocation", place, on.device.retract_location, "storage")


@check("noBin")
def retract_unit_exists(on: MediaState, request: messages.RetractMedia | None) -> None:
    """its unit"""
    place = _unit(request.retract_location) if request is not None else None
    _require_unit(on, "$.retractLocation", place, "noBin")


@check("invalidBin")
def retract_unit_fits(on: MediaState, request: messages.RetractMedia | None) -> None:
    """whether it is used for retracted items"""
    place = _unit(request.retract_location) if request is not None else None
    _require_use(on, "$.retractLocation", place, "retract")


@check("invalidData")
def reset_possible(on: MediaState, request: messages.Reset | None) -> None:
    """`mediaControl`: what the device can do"""
    place = request.media_control if request is not None else None
    _require_area("$.mediaControl", place, on.device.reset_control, "storageUnit")


@check("invalidBin")
def reset_unit_fits(on: MediaState, request: messages.Reset | None) -> None:
    """its unit, one that is used for retracted items"""
    place = _unit(request.media_control) if request is not None else None
    _require_unit(on, "$.mediaControl", place, "invalidBin")
    _require_use(on, "$.mediaControl", place, "retract")


@check("invalidData")
def supplies_given(on: MediaState, request: messages.SupplyReplenish | None) -> None:
    """whether a supply is named"""
    if request is None or not (request.toner or request.ink):
        raise errors.InvalidData("name what was refilled: toner, ink")
