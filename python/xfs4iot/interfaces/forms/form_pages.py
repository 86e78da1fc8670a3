"""A form with its values, as pages: everything that is printed gets its place on the medium.

Everything is laid out in the form's own coordinates first. Then the form is put on the medium: moved to
where its alignment says and, if it is a landscape form, turned clockwise, so that its x runs along the
medium's length and its y from right to left.

A field that follows another begins where what was printed of that one ends; on endless paper the form grows
with it. Frames are drawn below everything else.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from typing import Literal, cast

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import (
    GraphicFormat,
    PrintBarcode,
    PrintFont,
    PrintFrame,
    PrintGraphic,
    PrintItem,
    PrintOrigin,
    PrintPage,
    PrintRotation,
    PrintStripe,
    PrintText,
)
from xfs4iot.interfaces.forms.barcode_values import barcode_value, symbology_named
from xfs4iot.interfaces.forms.print_geometry import Box, Sheet
from xfs4iot.interfaces.forms.printer_values import FieldFailure, Value
from xfs4iot.interfaces.forms.ready_form import FormField, FormFrame, ReadyForm, color_of
from xfs4iot.interfaces.forms.text_layout import Alignment, Block, Fonts, block_of
from xfs4iot.protocol import errors

__all__ = ["FormPages", "Placement"]

Corner = Literal["topLeft", "topRight", "bottomLeft", "bottomRight"]
_SMALLEST_POINTS = 4
_FURTHEST = 2**31 - 1
_LONGEST_TITLE = 1_000
"""Characters; more have no room on any paper."""
_BEVEL = (1 - 2**-0.5) / 2
"""How far in the box within a circle begins, as a part of the circle's diameter."""
_MAGIC: tuple[tuple[bytes, GraphicFormat], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"BM", "bmp"),
    (b"GIF8", "gif"),
    (b"II*\x00", "tif"),
    (b"MM\x00*", "tif"),
)


@dataclass(frozen=True)
class Placement:
    """Where a form stands: so far inward from a corner of the print area."""

    corner: Corner = "topLeft"
    x: int = 0
    y: int = 0


@dataclass
class _Put:
    """Something with its place in the form."""

    page: int
    side: Literal["front", "back"]
    item: PrintItem


class FormPages:
    """Lays out one form.

    Args:
        form: the form.
        device: for what it can print.
        fonts: how wide its texts are.
        name: of the form.

    Attributes:
        warnings: fields whose value did not fit and was cut.
        replaced: fields, and titles of frames, with characters that the device prints as a replacement.
    """

    def __init__(self, form: ReadyForm, device: devices.Printer, fonts: Fonts, name: str = "") -> None:
        self._form, self._device, self._fonts, self._name = form, device, fonts, name
        self._puts: list[_Put] = []
        self._ends: dict[str, int] = {}
        self._starts: dict[str, Box] = {}
        self._printed: set[str] = set()
        self.warnings: list[str] = []
        self.replaced: dict[str, set[str]] = {}
        self._allowed = None if device.characters is None else frozenset(device.characters)

    def put(self, field: FormField, values: list[Value | None]) -> None:
        """Lay out one field; fields come in the form's order.

        Raises:
            FieldFailure: it cannot be printed.
        """
        followed = field.definition.follows
        start = self._ends[followed] if followed is not None else 0
        first = field.places[0].moved(0, start)
        self._starts[field.name] = first
        end = first.y
        for place, value in zip(field.places, values, strict=True):
            if value is None or value == "" or value == b"":
                continue
            box = place.moved(0, start)
            items = self._items(field, box, value)
            for page in field.pages:
                self._puts += [_Put(page, field.side, item) for item in items]
            if items:
                self._printed.add(field.name)
                end = max(end, *(_box(item).bottom for item in items))
        self._ends[field.name] = end

    def _items(self, field: FormField, box: Box, value: Value) -> list[PrintItem]:
        if field.kind == "graphic":
            return [self._graphic(field, box, cast(bytes, value))]
        text = str(value)
        case = field.definition.case
        text = text.upper() if case == "upper" else text.lower() if case == "lower" else text
        if field.kind == "barcode":
            return [self._barcode(field, box, text)]
        self._see_characters(field, text)
        if field.kind == "msf":
            coercivity = field.definition.coercivity or "auto"
            return [PrintStripe(text, field.definition.format, coercivity)]
        return self._text(field, box, text)

    def _see_characters(self, field: FormField, text: str) -> None:
        """Refuse control characters, which are commands to many printers, and what the device lacks."""
        if text.isascii() and text.isprintable() and self._allowed is None:
            return
        for one in text:
            if one in "\r\n\t":
                continue
            if unicodedata.category(one) == "Cc":
                raise FieldFailure(field.name, None, "the value has a control character", "charSetData")
            if self._allowed is not None and one not in self._allowed and one != " ":
                raise FieldFailure(
                    field.name, None, "the device cannot print a character of the value", "charSetData"
                )

    def _see_lacking(self, name: str, text: str, font: PrintFont) -> None:
        """Remember what is not printed as it is."""
        lacks = set(text).intersection(self._fonts.lacks(text, font))
        if lacks:
            self.replaced.setdefault(name, set()).update(lacks)

    def _graphic(self, field: FormField, box: Box, data: bytes) -> PrintGraphic:
        found = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
        stated = (field.definition.format or "").lower() or found
        if found is None or stated != found or found not in self._device.graphics:
            raise FieldFailure(
                field.name,
                "graphic",
                f"the value is not a picture that can be printed: {', '.join(sorted(self._device.graphics))}",
            )
        scaling = field.definition.scaling or "bestFit"
        place = box.x, box.y, box.width, box.height
        return PrintGraphic(*place, data, found, scaling, field.rotation, self._origin(field))

    def _origin(self, field: FormField) -> PrintOrigin:
        return PrintOrigin(self._name, field.name)

    def _barcode(self, field: FormField, box: Box, value: str) -> PrintBarcode:
        symbology = symbology_named(field.font.name, field.definition.format)
        if symbology is None or symbology not in self._device.barcodes:
            raise FieldFailure(
                field.name,
                None,
                "its font names no barcode that the device prints; those are "
                + ", ".join(sorted(self._device.barcodes)),
            )
        try:
            value = barcode_value(symbology, value)
        except ValueError as wrong:
            raise FieldFailure(field.name, None, str(wrong), "charSetData") from None
        font = dataclasses.replace(field.font, name=None)
        place = field.definition.barcode or "none"
        return PrintBarcode(
            box.x,
            box.y,
            box.width,
            box.height,
            value,
            symbology,
            place,
            font,
            field.color,
            field.rotation,
            self._origin(field),
        )

    def _text(self, field: FormField, box: Box, text: str) -> list[PrintItem]:
        text = text.replace("\t", " ")
        block, font, box = self._block(field, box, text)
        if not block.whole and field.definition.overflow in (None, "terminate"):
            raise FieldFailure(field.name, "overflow", "the value does not fit into the field")
        if not block.whole:
            self.warnings.append(field.name)
        self._see_lacking(field.name, text, font)
        kind = cast(Literal["text", "ocr", "micr"], field.kind)
        items: list[PrintItem] = []
        origin = self._origin(field)
        across, down = _local(box, field.rotation)
        for piece in block.pieces:
            local = Box(piece.x, piece.y, piece.width, piece.height)
            place = local.turned(across, down, field.rotation).moved(box.x, box.y)
            items.append(
                PrintText(
                    place.x,
                    place.y,
                    place.width,
                    place.height,
                    piece.text,
                    font,
                    field.color,
                    field.rotation,
                    piece.direction,
                    kind,
                    origin,
                )
            )
        return items

    def _block(self, field: FormField, box: Box, text: str) -> tuple[Block, PrintFont, Box]:
        """A text laid out as its field's `overflow` says, the font it is in, and the box."""
        definition, font = field.definition, field.font
        grid = self._form.grid
        alignment = Alignment(
            definition.horizontal or "left", definition.vertical or "bottom", grid.column, grid.rows_per_inch
        )
        across, down = _local(box, field.rotation)
        overflow = definition.overflow or "terminate"
        how: Literal["wrap", "chop"] = "chop" if overflow in ("truncate", "overwrite") else "wrap"
        block = block_of(text, how, self._fonts, font, across, down, alignment)
        if block.whole:
            return block, font, box
        if overflow == "overwrite":
            # Beyond the field, up to the edge of the form.
            wide = Box(
                box.x,
                box.y,
                max(self._form.width - box.x, box.width),
                max(self._form.height - box.y, box.height),
            )
            across, down = _local(wide, field.rotation)
            alignment = dataclasses.replace(alignment, vertical="top")
            return block_of(text, how, self._fonts, font, across, down, alignment), font, wide
        if overflow in ("terminate", "bestFit"):
            block = max(
                (block, block_of(text, "chop", self._fonts, font, across, down, alignment)),
                key=lambda one: one.whole,
            )
        if overflow == "bestFit" and not block.whole and font.point_size is not None:
            limits = self._device.point_sizes
            # Halving: a text that fits in one size fits in all smaller ones.
            least, most = max(limits[0] if limits else 0, _SMALLEST_POINTS), font.point_size - 1
            best: tuple[Block, PrintFont] | None = None
            while least <= most:
                points = (least + most) // 2
                smaller = dataclasses.replace(font, point_size=points)
                tried = block_of(text, "wrap", self._fonts, smaller, across, down, alignment)
                if tried.whole:
                    best, least = (tried, smaller), points + 1
                else:
                    most = points - 1
            if best is not None:
                return *best, box
        return block, font, box

    def frame(self, frame: FormFrame) -> list[_Put]:
        """What is drawn of a frame, after all fields were laid out."""
        definition = frame.definition
        x = y = 0
        if frame.framed is not None:
            if definition.class_ == "optional" and frame.framed not in self._printed:
                return []
            place = self._starts[frame.framed]
            x, y = place.x, place.y
        found: list[_Put] = []
        end = self._end()
        for place in frame.places:
            whole = place.moved(x, y)
            box = _clipped(whole, self._form.width, end)
            if box is None:
                continue
            drawn = self._drawn(frame, box)
            if definition.overflow == "truncate":
                # Left open where it goes on; best fit closes it there.
                over = (min(whole.right - box.right, _FURTHEST), min(whole.bottom - box.bottom, _FURTHEST))
                drawn = dataclasses.replace(drawn, beyond=(0, 0, *over))
            items = [drawn, *self._title(frame, drawn)]
            found += [_Put(page, frame.side, item) for page in frame.pages for item in items]
        return found

    @staticmethod
    def _drawn(frame: FormFrame, box: Box) -> PrintFrame:
        definition = frame.definition
        return PrintFrame(
            box.x,
            box.y,
            box.width,
            box.height,
            definition.field_type or "rectangle",
            definition.style or "singleThin",
            color_of(definition.color),
            None if definition.fill_color is None else color_of(definition.fill_color),
            definition.fill_style or "none",
            (definition.subst_sign or "")[:1] or None,
        )

    def _title(self, frame: FormFrame, drawn: PrintFrame) -> list[PrintItem]:
        """A frame's title: within its lines, above or below, a blank away from those at its sides.

        Where the form does not say which, it is above, or below if there is text above and none below.
        """
        definition = frame.definition
        title = "".join(one for one in (definition.title or "")[:_LONGEST_TITLE] if one.isprintable())
        if not title:
            return []
        alignment = Alignment(
            definition.horizontal or "left", definition.vertical or "top", self._form.grid.column
        )
        self._see_lacking(frame.name, title, PrintFont())
        height = min(self._fonts.height(PrintFont()), drawn.height)
        room = _within(drawn, min(self._device.dots_per_inch), height)
        # Rather no blanks than letters lost.
        spare = max(0, room.width - self._fonts.width(title, PrintFont())) // 2
        beside = min(self._fonts.width(" ", PrintFont()), spare)
        block = block_of(title, "chop", self._fonts, PrintFont(), room.width - 2 * beside, height, alignment)
        above, below = room.y, room.bottom - height
        y = above if alignment.vertical == "top" else below
        if definition.vertical is None and self._has_text(frame, room.x, above, room.width, height):
            y = above if self._has_text(frame, room.x, below, room.width, height) else below
        return [
            PrintText(
                room.x + beside + piece.x,
                y,
                piece.width,
                piece.height,
                piece.text,
                color=color_of(definition.color),
                direction=piece.direction,
            )
            for piece in block.pieces
        ]

    def _has_text(self, frame: FormFrame, x: int, y: int, width: int, height: int) -> bool:
        """Whether fields have text here, on a page that a frame stands on."""
        return any(
            isinstance(item := put.item, PrintText)
            and item.y < y + height
            and y < item.y + item.height
            and item.x < x + width
            and x < item.x + item.width
            and put.side == frame.side
            and put.page in frame.pages
            for put in self._puts
        )

    def _end(self) -> int:
        """Where the form ends: below its size, where fields that follow others have made it grow."""
        grown = (_box(put.item).bottom for put in self._puts if not isinstance(put.item, PrintStripe))
        return max(self._form.height, max(grown, default=0))

    def pages(self, sheet: Sheet, placement: Placement) -> tuple[PrintPage, ...]:
        """Everything that was laid out, on the medium.

        Raises:
            CommandError: `mediaOverflow`.
        """
        form = self._form
        puts = [put for frame in form.frames for put in self.frame(frame)] + self._puts
        end = self._end()
        origin = _origin(sheet, placement, form.width, end, form.landscape)
        if end > form.height and sheet.length is not None:
            raise errors.CommandError(
                "mediaOverflow", "what follows a field of the form ends below the form's own size"
            )
        sides: dict[tuple[int, str], list[PrintItem]] = {}
        for put in puts:
            item = put.item
            if not isinstance(item, PrintStripe):
                item = _on_sheet(item, origin, sheet, form.landscape)
                if sheet.restricted is not None and sheet.restricted.touches(_box(item)):
                    raise errors.CommandError(
                        "mediaOverflow", "the form touches the restricted area of the media"
                    )
            sides.setdefault((put.page, put.side), []).append(item)
        return tuple(
            PrintPage(
                sheet.width,
                sheet.length,
                tuple(sides.get((page, "front"), ())),
                tuple(sides.get((page, "back"), ())),
            )
            for page in range(form.pages)
        )

    def place_of(self, field: FormField, sheet: Sheet, placement: Placement) -> tuple[Box, ...]:
        """Where a field's elements are on the medium, to read them there."""
        form = self._form
        origin = _origin(sheet, placement, form.width, form.height, form.landscape)
        return tuple(_turned(place, origin, sheet, form.landscape) for place in field.places)


def _local(box: Box, rotation: PrintRotation) -> tuple[int, int]:
    """Width and height of a box as its rotated content sees it."""
    return (box.height, box.width) if rotation in (90, 270) else (box.width, box.height)


def _box(item: PrintItem) -> Box:
    if isinstance(item, PrintStripe):
        return Box(0, 0, 0, 0)
    return Box(item.x, item.y, item.width, item.height)


def _within(frame: PrintFrame, dots: int, height: int) -> Box:
    """Where a text of that height meets none of a frame's lines; what there is where it has no such place."""
    left, top, right, bottom = frame.beyond
    whole = frame.width + left + right, frame.height + top + bottom
    # The largest box within the curves: how wide and high the ellipse is that they are parts of.
    curves = {"ellipse": whole, "roundedCorner": (min(whole) * 2 // 5,) * 2}
    depth = frame.depth(dots)
    across, down = (depth + int(curve * _BEVEL) for curve in curves.get(frame.shape, (0, 0)))
    most = frame.width // 4, max(0, frame.height - height) // 2
    # Lines that are not drawn need no room.
    x, to_right = (min(max(0, across - over), most[0]) for over in (left, right))
    y, to_bottom = (min(max(0, down - over), most[1]) for over in (top, bottom))
    return Box(frame.x + x, frame.y + y, frame.width - x - to_right, frame.height - y - to_bottom)


def _clipped(box: Box, width: int, height: int) -> Box | None:
    right, bottom = min(box.right, width), min(box.bottom, height)
    return Box(box.x, box.y, right - box.x, bottom - box.y) if right > box.x and bottom > box.y else None


def _origin(sheet: Sheet, placement: Placement, width: int, height: int, landscape: bool) -> tuple[int, int]:
    """Where a form's top left corner is, seen in the direction in which the form is read."""
    edges: tuple[int, int | None, int, int | None]
    if landscape:
        # Seen so, the medium's length is its width, and its right edge is at the top.
        edges = (sheet.top, sheet.bottom, sheet.width - sheet.right, sheet.width - sheet.left)
    else:
        edges = (sheet.left, sheet.right, sheet.top, sheet.bottom)
    left, right, top, bottom = edges
    # Endless paper has no end from which one could count.
    from_right = placement.corner in ("topRight", "bottomRight") and right is not None
    from_bottom = placement.corner in ("bottomLeft", "bottomRight") and bottom is not None
    x = (right or 0) - placement.x - width if from_right else left + placement.x
    y = (bottom or 0) - placement.y - height if from_bottom else top + placement.y
    over = [
        edge
        for edge, is_over in (
            ("left", x < left),
            ("right", right is not None and x + width > right),
            ("top", y < top),
            ("bottom", bottom is not None and y + height > bottom),
        )
        if is_over
    ]
    if over:
        raise errors.CommandError(
            "mediaOverflow", f"the form goes beyond the {' and '.join(over)} edge of the media's print area"
        )
    return x, y


def _turned(box: Box, origin: tuple[int, int], sheet: Sheet, landscape: bool) -> Box:
    placed = box.moved(*origin)
    # Only the height that is seen, the medium's width, matters for a turn by 90.
    return placed.turned(0, sheet.width, 90) if landscape else placed


def _on_sheet(item: PrintItem, origin: tuple[int, int], sheet: Sheet, landscape: bool) -> PrintItem:
    """An item of the form where it is on the medium."""
    box = _turned(_box(item), origin, sheet, landscape)
    place = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
    if landscape and not isinstance(item, PrintFrame | PrintStripe):
        return dataclasses.replace(item, **place, rotation=(item.rotation + 90) % 360)  # type: ignore[arg-type]
    if landscape and isinstance(item, PrintFrame):
        left, top, right, bottom = item.beyond
        return dataclasses.replace(item, **place, beyond=(bottom, left, top, right))  # type: ignore[arg-type]
    return dataclasses.replace(item, **place)  # type: ignore[arg-type]
