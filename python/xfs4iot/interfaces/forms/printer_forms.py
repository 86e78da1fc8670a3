"""The forms of a printer, made ready for use: every place in µm, every default filled in.

A form is held against three things. It must be *whole* (what the standard requires is there), *sound* (it
does not contradict itself), and the device must be able to print it. The first two are seen to when it is
set; the third as well, and again when it is used, for it may have been kept from another device.

Fields of sub forms are fields like others, moved by the sub form's position; a name stands for one field of
the whole form. Frames that belong to a field take its place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import PrintFont, PrintRotation, PrintStyle
from xfs4iot.interfaces.forms.definitions import converted, name_misfit, version_misfit
from xfs4iot.interfaces.forms.form_fit import form_misfit
from xfs4iot.interfaces.forms.print_geometry import Grid
from xfs4iot.interfaces.forms.ready_form import Field, Form, FormField, FormFrame, Frame, ReadyForm, color_of
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import printer as messages

__all__ = ["fields_of", "named", "ready", "require_whole"]

_MOST_PAGES = 100
_LONGEST_LIST = 1_000
"""Characters of a list of pages."""
_MOST_ELEMENTS = 10_000
"""Places of all fields and frames of a form together."""
_LONGEST = 100_000_000
"""µm; no form is longer than 100 m."""
_WIDEST = 2_000_000
"""µm; no form is wider than 2 m."""
_MOST_PER_INCH = 1_000
"""Characters or lines."""
_LARGEST_POINTS = 5_000
_TIMES: Mapping[str | None, Literal[1, 2, 3, 4]] = {"double": 2, "triple": 3, "quadruple": 4}
_TURNS: Mapping[str | None, PrintRotation] = {"ninety": 90, "upsideDown": 180, "twoSeventy": 270}


class _Wrong(Exception):
    """What is wrong with a form; the text says where."""


def named(name: str) -> str:
    """A client's name as error texts show it: not too long, and all of it printable."""
    return "".join(one if one.isprintable() else "?" for one in name[:100])


def require_whole(form: Form) -> None:
    """Refuse a form that lacks what every form has.

    Raises:
        InvalidData: names the property.
    """
    unit, size = form.unit, form.size
    if unit is None or unit.base is None or unit.x is None or unit.y is None:
        raise errors.InvalidData("$.form.unit is missing; give base, x and y")
    if size is None or size.width is None or size.height is None:
        raise errors.InvalidData("$.form.size is missing; give width and height in units")
    if not form.fields and not form.frames and not form.sub_forms:
        raise errors.InvalidData("$.form.fields is missing; a form has one field at least")


def fields_of(form: Form) -> Iterator[tuple[str, Field]]:
    """All fields of a form, those of its sub forms too, as they were set."""
    yield from (form.fields or {}).items()
    for sub in (form.sub_forms or {}).values():
        for name, one in (sub.fields or {}).items():
            yield name, converted(one, messages.SetFormFormFields)


def ready(form: Form, device: devices.Printer) -> ReadyForm:
    """Make a whole form ready.

    Raises:
        CommandError: `formInvalid`, it contradicts itself; says where.
    """
    try:
        found = _Preparing(form, device).form()
        return dataclasses.replace(found, misfit=form_misfit(found, device))
    except _Wrong as wrong:
        raise errors.CommandError("formInvalid", str(wrong)) from None


@dataclass
class _Part:
    """A field or frame, and the box that it must lie in."""

    name: str
    definition: Any
    x: int
    y: int
    page: int
    width: int
    height: int


class _Preparing:
    """Makes one form ready."""

    def __init__(self, form: Form, device: devices.Printer) -> None:
        self._form = form
        size = cast(messages.Size, form.size)
        self._require_sane("the form", form.cpi, form.lpi, form.point_size)
        self._width, self._height = cast(int, size.width), cast(int, size.height)
        self._grid = Grid(cast(messages.Unit, form.unit), device, form.cpi, form.lpi)
        self._elements = 0

    def form(self) -> ReadyForm:
        grid = self._grid
        if (why := version_misfit(self._form)) is not None:
            raise _Wrong(f"the form: {why}")
        width, height = grid.x(self._width), grid.y(self._height)
        if not (0 < width <= _WIDEST and 0 < height <= _LONGEST):
            raise _Wrong("the form is larger than 2 m x 100 m, or smaller than can be printed")
        # Before anything is made of them; each stands in one place at least.
        forms: list[Any] = [self._form, *(self._form.sub_forms or {}).values()]
        self._counts(sum(len(one.fields or ()) + len(one.frames or ()) for one in forms))
        self._elements = 0
        parts = list(self._parts("fields"))
        frames = list(self._parts("frames"))
        pages = self._count_pages([*parts, *frames])
        by_name: dict[str, _Part] = {}
        for part in parts:
            if part.name in by_name:
                raise _Wrong(f"there are two fields {named(part.name)}; a name stands for one field")
            by_name[part.name] = part
        fields: dict[str, FormField] = {}
        for part in self._in_order(parts, by_name):
            fields[part.name] = self._field(part, pages, fields)
        drawn = tuple(self._frame(part, pages, fields) for part in frames)
        return ReadyForm(
            definition=self._form,
            grid=grid,
            width=width,
            height=height,
            landscape=self._form.orientation == "landscape",
            fields=fields,
            frames=drawn,
            pages=pages,
        )

    def _parts(self, what: str) -> Iterator[_Part]:
        """The fields, or the frames, of the form and its sub forms."""
        kind: Any = messages.SetFormFormFields if what == "fields" else messages.SetFormFormFrames
        for name, one in (getattr(self._form, what) or {}).items():
            yield _Part(name, one, 0, 0, 0, self._width, self._height)
        for sub_name, sub in (self._form.sub_forms or {}).items():
            place, size = sub.position, sub.size
            if place is None or place.x is None or place.y is None:
                raise _Wrong(f"sub form {named(sub_name)} has no position; give x and y")
            if size is None or size.width is None or size.height is None:
                raise _Wrong(f"sub form {named(sub_name)} has no size; give width and height")
            if place.x + size.width > self._width or place.y + size.height > self._height:
                raise _Wrong(f"sub form {named(sub_name)} is not within the form")
            for name, one in (getattr(sub, what) or {}).items():
                yield _Part(
                    name, converted(one, kind), place.x, place.y, place.z or 0, size.width, size.height
                )

    def _count_pages(self, parts: list[_Part]) -> int:
        last = 0
        for part in parts:
            place = part.definition.position
            last = max(last, part.page + ((place.z or 0) if place is not None else 0))
            for listed in (part.definition.header, part.definition.footer):
                if listed is not None and len(listed) > _LONGEST_LIST:
                    raise _Wrong(f"{named(part.name)}: list its pages in {_LONGEST_LIST} characters at most")
                if listed is not None and listed != "ALL":
                    last = max(last, *map(_page_number, listed.replace("-", ",").split(",")))
        if last >= _MOST_PAGES:
            raise _Wrong(f"a form has at most {_MOST_PAGES} pages, counted from 0")
        return last + 1

    def _pages(self, part: _Part, pages: int) -> tuple[int, ...]:
        """The pages that a part stands on."""
        listed = [one for one in (part.definition.header, part.definition.footer) if one is not None]
        if "ALL" in listed:
            return tuple(range(pages))
        if listed:
            found: set[int] = set()
            for one in ",".join(listed).split(","):
                first, _, last = one.partition("-")
                found.update(range(_page_number(first), _page_number(last or first) + 1))
            return tuple(sorted(found))
        place = part.definition.position
        return (part.page + ((place.z or 0) if place is not None else 0),)

    def _in_order(self, parts: list[_Part], by_name: Mapping[str, _Part]) -> list[_Part]:
        """Fields in the order in which they are printed: by `order`, each behind the one it follows."""
        seen: dict[int, str] = {}
        for part in parts:
            order = part.definition.order
            if order is not None and seen.setdefault(order, part.name) != part.name:
                raise _Wrong(f"fields {named(seen[order])} and {named(part.name)} have the same order")
        parts = sorted(parts, key=lambda part: (part.definition.order is None, part.definition.order or 0))
        sorted_parts: list[_Part] = []
        done: set[str] = set()
        for part in parts:
            chain: list[_Part] = []
            one: _Part | None = part
            while one is not None and one.name not in done:
                if one in chain:
                    raise _Wrong(f"field {named(part.name)}: what it follows leads back to itself")
                chain.append(one)
                followed = one.definition.follows
                if followed is not None and followed not in by_name:
                    raise _Wrong(f"field {named(one.name)} follows {named(followed)}, which does not exist")
                one = by_name[followed] if followed is not None else None
            sorted_parts += reversed(chain)
            done.update(link.name for link in chain)
        return sorted_parts

    def _field(self, part: _Part, pages: int, before: Mapping[str, FormField]) -> FormField:
        definition: Field = part.definition
        where = f"field {named(part.name)}"
        size = self._size(part, where)
        followed = before[definition.follows] if definition.follows is not None else None
        x, y = (0, 0) if followed is not None else self._position(part, where)
        index = definition.index
        count = (index.repeat_count or 1) if index is not None else 1
        step_x, step_y = ((index.x or 0), (index.y or 0)) if index is not None else (0, 0)
        self._counts(count)
        last = (x + (count - 1) * step_x + size[0], y + (count - 1) * step_y + size[1])
        if last[0] > part.width or last[1] > part.height:
            raise _Wrong(
                f"{where}: {size[0]} x {size[1]} at {x}, {y}"
                + (f", repeated {count} times," if count > 1 else "")
                + f" is outside of {part.width} x {part.height}"
            )
        # What follows another has its x, and its y is counted from where that ends.
        left, top = (0, 0) if followed is not None else (part.x, part.y)
        places = tuple(
            self._grid.box(left + x + number * step_x, top + y + number * step_y, *size)
            for number in range(count)
        )
        if followed is not None:
            places = tuple(place.moved(followed.places[0].x, 0) for place in places)
        style = definition.style
        return FormField(
            name=part.name,
            definition=definition,
            kind=definition.field_type or "text",
            places=places,
            pages=self._pages(part, pages) if followed is None else followed.pages,
            side=(definition.side or "front") if followed is None else followed.side,
            font=self._font(definition, where),
            color=color_of(definition.color),
            rotation=_TURNS.get(style.rotate, 0) if style is not None else 0,
            indexed=index is not None,
        )

    def _frame(self, part: _Part, pages: int, fields: Mapping[str, FormField]) -> FormFrame:
        definition: Frame = part.definition
        where = f"frame {named(part.name)}"
        width, height = self._size(part, where)
        framed = definition.frames
        if framed is not None and framed not in fields:
            raise _Wrong(f"{where} belongs to field {named(framed)}, which does not exist")
        side: Literal["front", "back"] = definition.side or "front"
        on_pages = self._pages(part, pages)
        repeat = definition.repeat
        across, down, step_x, step_y = 1, 1, 0, 0
        if repeat is not None:
            across, down = max(repeat.repeat_count_x or 1, 1), max(repeat.repeat_count_y or 1, 1)
            step_x, step_y = repeat.offset_x or 0, repeat.offset_y or 0
        self._counts(across * down)
        if framed is None:
            x, y = self._position(part, where)
            last_x, last_y = x + (across - 1) * step_x + width, y + (down - 1) * step_y + height
            outside = last_x > part.width or last_y > part.height
            if outside and (definition.overflow or "terminate") == "terminate":
                raise _Wrong(f"{where} is outside of {part.width} x {part.height}")
            x, y = x + part.x, y + part.y
        else:
            # Its place is the field's, which is only known in full when values are there.
            x = y = 0
            side, on_pages = fields[framed].side, fields[framed].pages
        places = tuple(
            self._grid.box(x + column * step_x, y + row * step_y, width, height)
            for row in range(down)
            for column in range(across)
        )
        return FormFrame(part.name, definition, places, on_pages, side, framed)

    def _counts(self, count: int) -> None:
        self._elements += count
        if self._elements > _MOST_ELEMENTS:
            raise _Wrong(f"the form has more than {_MOST_ELEMENTS} places, repeated ones included")

    @staticmethod
    def _size(part: _Part, where: str) -> tuple[int, int]:
        size = part.definition.size
        if size is None or size.width is None or size.height is None:
            raise _Wrong(f"{where} has no size; give width and height in units")
        return size.width, size.height

    @staticmethod
    def _position(part: _Part, where: str) -> tuple[int, int]:
        place = part.definition.position
        if place is None or place.x is None or place.y is None:
            raise _Wrong(f"{where} has no position; give x and y in units")
        return place.x, place.y

    @staticmethod
    def _require_sane(where: str, cpi: int | None, lpi: int | None, points: int | None) -> None:
        """Refuse characters that are too small to be seen, or larger than any paper."""
        for what, value, most in (("cpi", cpi, _MOST_PER_INCH), ("lpi", lpi, _MOST_PER_INCH)):
            if value is not None and value > most:
                raise _Wrong(f"{where}: {what} is at most {most}")
        if points is not None and points > _LARGEST_POINTS:
            raise _Wrong(f"{where}: pointSize is at most {_LARGEST_POINTS}")

    def _font(self, definition: Field, where: str) -> PrintFont:
        """A field's font; what it does not say, the form does."""
        font, form = definition.font or messages.SetFormFormFieldsFont(), self._form
        style = definition.style or messages.SetFormFormFieldsStyle()
        cpi, lpi = (font.cpi or form.cpi), (font.lpi or form.lpi)
        if self._grid.in_cells:
            # A cell is what the form says, whatever its fields say.
            cpi, lpi = form.cpi or cpi, form.lpi or lpi
        points = font.point_size or form.point_size
        self._require_sane(where, cpi, lpi, points)
        if font.name and (why := name_misfit(font.name)) is not None:
            raise _Wrong(f"{where}: font: {why}")
        return PrintFont(
            name=font.name or None,
            point_size=points,
            cpi=cpi,
            lpi=lpi,
            style=PrintStyle(
                bold=bool(style.bold),
                italic=bool(style.italic),
                underline=style.underline or "none",
                width=_TIMES.get(style.width, 1),
                height=_TIMES.get(style.line_spacing, 1),
                strike=style.strike or "none",
                overscore=bool(style.overscore),
                spacing=style.character_spacing or "standard",
                script=style.script or "standard",
                quality=style.quality or "standard",
                opaque=bool(style.opaque),
            ),
        )


def _page_number(text: str) -> int:
    """A page of a list; a number may have any length, and no page has so long a one."""
    digits = text.lstrip("0")
    return _MOST_PAGES if len(digits) > 3 else int(digits or "0")
