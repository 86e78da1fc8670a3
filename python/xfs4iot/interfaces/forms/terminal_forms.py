"""The forms of a text terminal: completed, checked against the device, and laid out.

A form has every default filled in, so that it is the same whether it came as text or as JSON. It must be
sound in itself, every field inside the form, and one that the device can show: no picture where that shows
none, no larger than every resolution that it has. Whether it fits the resolution that is set is checked when
it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import msgspec

from xfs4iot import devices
from xfs4iot.interfaces.forms.definitions import version_misfit
from xfs4iot.interfaces.forms.screen import columns, each_grapheme
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import text_terminal as messages

__all__ = ["Field", "Form", "box_of", "lines_of", "require_whole", "size_of", "sound"]

Field: TypeAlias = "messages.SetFormFormFields"
Form: TypeAlias = "messages.SetFormForm"

_MOST_CELLS = 65_536
"""Of all fields of a form together; larger screens than 200 x 200 are not known."""

_MOST_FIELDS = 10_000
"""More than there are characters on most screens."""

_DEFAULTS: Mapping[str, Any] = {
    "field_type": "text",
    "scaling": "bestFit",
    "class_": "optional",
    "keys": "alphanumeric",
    "access": "write",
    "overflow": "terminate",
    "horizontal": "left",
}


def size_of(form: Form) -> tuple[int, int]:
    """Width and height of a whole form, in characters."""
    size = cast(messages.Size, form.size)
    return cast(int, size.width), cast(int, size.height)


def box_of(field: Field) -> tuple[int, int, int, int]:
    """Column, row, width and height of a field of a whole form."""
    place, size = cast(messages.Position, field.position), cast(messages.Size, field.size)
    return cast(int, place.x), cast(int, place.y), cast(int, size.width), size.height or 1


def require_whole(form: Form) -> None:
    """Refuse a form that lacks what every form has.

    Raises:
        InvalidData: names the property.
    """
    if form.size is None or form.size.width is None or form.size.height is None:
        raise errors.InvalidData("$.form.size is missing; give width and height in characters")
    if not form.fields:
        raise errors.InvalidData("$.form.fields is missing; a form has one field at least")
    if len(form.fields) > _MOST_FIELDS:
        raise errors.InvalidData(f"$.form.fields: {len(form.fields):,} fields; {_MOST_FIELDS:,} at most")
    for name, field in form.fields.items():
        where = f"$.form.fields.{name[:100]}"
        if field.position is None or field.position.x is None or field.position.y is None:
            raise errors.InvalidData(f"{where}.position is missing; give x and y")
        if field.size is None or field.size.width is None:
            raise errors.InvalidData(f"{where}.size is missing; give width and height in characters")


def sound(form: Form, device: devices.TextTerminal) -> Form:
    """A whole form with its defaults, if it does not contradict itself, and the device can show it.

    Raises:
        CommandError: `formInvalid`; says which field and why.
    """
    whole, fields = size_of(form), dict(form.fields or {})
    if not fields:
        raise errors.CommandError("formInvalid", "the form has no field")
    if (why := version_misfit(form)) is not None:
        raise errors.CommandError("formInvalid", f"the form: {why}")
    if not any(whole[0] <= width and whole[1] <= height for width, height in device.resolutions):
        known = ", ".join(f"{width} x {height}" for width, height in device.resolutions)
        raise errors.CommandError(
            "formInvalid",
            f"the form of {whole[0]} x {whole[1]} is larger than every screen of the device: {known[:200]}",
        )
    cells = 0
    for name, field in fields.items():
        x, y, width, height = box_of(field)
        cells += width * height
        if cells > _MOST_CELLS:
            raise errors.CommandError(
                "formInvalid",
                f"field {name[:100]}: with it the fields have more than {_MOST_CELLS} characters together; "
                "make them smaller, or fewer",
            )
        if x + width > whole[0] or y + height > whole[1]:
            raise errors.CommandError(
                "formInvalid",
                f"field {name[:100]}: {width} x {height} at {x}, {y} is outside the form of "
                f"{whole[0]} x {whole[1]}",
            )
        if field.field_type == "graphic" and not device.shows_graphics:
            raise errors.CommandError("formInvalid", f"field {name[:100]}: the device shows no graphics")
        missing = {one: value for one, value in _DEFAULTS.items() if getattr(field, one) is None}
        # The size is given, but perhaps without a height: `box_of` has filled that in.
        missing["size"] = messages.Size(width=width, height=height)
        fields[name] = msgspec.structs.replace(field, **missing)
    return msgspec.structs.replace(form, fields=fields)


def lines_of(text: str, width: int, most: int | None = None) -> list[list[str]]:
    """A value as lines of a field, broken at line ends and where a line is full.

    Args:
        most: lines; what is behind them is not looked at.
    """
    lines: list[list[str]] = []
    for part in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if len(lines) == most:
            return lines
        lines.append([])
        room = width
        for one in each_grapheme(part):
            if (taken := columns(one)) > room:
                if len(lines) == most:
                    return lines
                lines.append([])
                room = width
            lines[-1].append(one)
            room -= max(taken, 0)
    return lines
