"""Writing a form of a text terminal to the screen, and letting the operator fill it in.

Every value is checked before the first cell changes, in a thread: there may be thousands, or one of a
million characters, of which only so much is looked at as its field can hold. A problem that ends the command
is reported in a FieldErrorEvent, one that does not in a FieldWarningEvent.

Reading goes from field to field in the order in which they were asked for. `enter` and `arrowDown` lead
to the next, `arrowUp` to the one before; `enter` in the last one ends, unless a required field is empty:
then the client is told (FieldWarningEvent) and the operator taken there. `cancel` ends without values,
any other terminating key ends with them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from itertools import chain
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, cast

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import CellAttributes, ScreenPosition
from xfs4iot.interfaces.forms.definitions import Definitions
from xfs4iot.interfaces.forms.screen import Screen, columns
from xfs4iot.interfaces.forms.terminal_entry import Echo, Entry
from xfs4iot.interfaces.forms.terminal_forms import Field, Form, box_of, lines_of
from xfs4iot.interfaces.forms.terminal_keys import ActiveKeys
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.text_terminal import ReadFormEvents, WriteFormEvents
from xfs4iot.protocol.messages import text_terminal as messages
from xfs4iot.server.command import Command

__all__ = ["FormReading", "form_written"]

_Result = TypeVar("_Result")

Failure = Literal[
    "required",
    "staticOverwrite",
    "overflow",
    "notFound",
    "notRead",
    "notWrite",
    "typeNotSupported",
    "charSetForm",
]
_LONGEST_TEXT = 65_536
"""Characters of a value that are looked at."""
_ECHO: Mapping[str, Echo] = {"text": "text", "password": "password", "invisible": "invisible"}
_TYPED: Mapping[str, frozenset[str] | None] = {
    "numeric": frozenset("0123456789"),
    "hexadecimal": frozenset("0123456789ABCDEF"),
    "alphanumeric": None,
}
"""Characters of each class of keys; None for all that are active."""
_WHY: Mapping[Failure, str] = {
    "required": "a value is required",
    "staticOverwrite": "a static field shows its own text",
    "overflow": "the value is too long for the field",
    "notFound": "the form has no such field; see TextTerminal.GetQueryForm",
    "notRead": "the field cannot be read; see its access, class and fieldType",
    "notWrite": "the field cannot be written",
    "typeNotSupported": "the value is not a picture in base64",
    "charSetForm": "the device cannot show a character of the value",
}


class Terminal(Protocol):
    """The interface, as far as forms reach it."""

    screen: Screen
    forms: Definitions[Form]

    def cannot_show(self, characters: Iterable[str]) -> str | None: ...

    async def show(self, cursor: bool = False) -> None: ...

    async def key(self, active: ActiveKeys) -> str: ...

    async def ask(self, operation: Any, *arguments: Any) -> Any: ...


class _Box:
    """A field with its place on the screen."""

    def __init__(self, name: str, field: Field) -> None:
        self.name, self.field = name, field
        self.x, self.y, self.width, self.height = box_of(field)
        style = field.style
        self.attributes = (
            CellAttributes()
            if style is None
            else CellAttributes(bool(style.underline), bool(style.inverted), bool(style.flashing))
        )


def _boxes(on: Terminal, form_name: str) -> dict[str, _Box]:
    return {name: _Box(name, field) for name, field in (on.forms[form_name].fields or {}).items()}


class _Refused(Exception):
    """A field is wrong.

    Attributes:
        field, why: its name, and what is wrong.
        code: that the command ends with.
    """

    def __init__(self, field: str, why: Failure, code: str = "fieldError") -> None:
        super().__init__(field, why)
        self.field, self.why, self.code = field, why, code


async def _worked_out(
    on: Terminal, command: Command[Any], form: str, work: Callable[..., _Result], *arguments: Any
) -> _Result:
    """Work something out in a thread; what is wrong with a field is told, and ends the command.

    Raises:
        CommandError: a field is wrong.
    """
    try:
        return await on.forms.in_thread(work, on, form, *arguments)
    except _Refused as wrong:
        command.send(messages.FieldErrorEvent(form_name=form, field_name=wrong.field, failure=wrong.why))
        raise errors.CommandError(wrong.code, f"$.fields.{wrong.field[:100]}: {_WHY[wrong.why]}") from None


@dataclass
class _Filled:
    """A form with its values: lines and pictures to show, and the fields whose text is cut."""

    texts: list[tuple[_Box, list[list[str]]]] = field(default_factory=list)
    pictures: list[tuple[_Box, bytes]] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)


def _filled(on: Terminal, form: str, given: Mapping[str, str]) -> _Filled:
    """What a form shows: first each value by itself is looked at, then what lacks one, then the room."""
    boxes, filled = _boxes(on, form), _Filled()
    contents: dict[str, _Lines | bytes | None] = {}
    for name, value in given.items():
        if name not in boxes:
            raise _Refused(name, "notFound")
        definition = boxes[name].field
        if definition.class_ == "static":
            raise _Refused(name, "staticOverwrite")
        if definition.access == "read":
            raise _Refused(name, "notWrite")
        contents[name] = _content(on, boxes[name], value)
    for name, box in boxes.items():
        # One that cannot be written is required of the operator, who fills it in with ReadForm.
        written = box.field.access != "read"
        if name not in contents and box.field.class_ == "required" and written:
            raise _Refused(name, "required")
    for name, box in boxes.items():
        content = contents[name] if name in contents else _content(on, box, None)
        if isinstance(content, _Lines):
            filled.texts.append((box, _shown_lines(box, content, filled.cut)))
        elif content is not None:
            filled.pictures.append((box, content))
    return filled


async def form_written(on: Terminal, request: messages.WriteForm, command: Command[WriteFormEvents]) -> None:
    """Show a form.

    Raises:
        CommandError: `fieldError` or `characterSetsData`; nothing has changed then.
    """
    form = cast(str, request.form_name)
    filled = await _worked_out(on, command, form, _filled, request.fields or {})
    for name in filled.cut:
        command.send(messages.FieldWarningEvent(form_name=form, field_name=name, failure="overflow"))
    # From here on nothing is refused any more: all values have been looked at.
    screen = on.screen
    if request.clear_screen:
        screen.clear(0, 0, screen.width, screen.height)
    for box, shown in filled.texts:
        _put(on, box, shown)
    # Pictures go on top of the text, and the screen does not know of them: they come last.
    await on.show()
    for box, picture in filled.pictures:
        place = ScreenPosition(box.x, box.y)
        scaling = box.field.scaling or "bestFit"
        await on.ask(devices.TextTerminal.draw_graphic, place, box.width, box.height, scaling, picture)


class _Lines(NamedTuple):
    """A text as lines of its field, none of which is below that.

    Attributes:
        lines: of the text.
        whole: whether they are all.
    """

    lines: list[list[str]]
    whole: bool


def _content(on: Terminal, box: _Box, value: str | None) -> _Lines | bytes | None:
    """The text or picture that a field shows; None for no picture."""
    if box.field.field_type == "graphic":
        if value is None:
            return box.field.initial_graphic
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise _Refused(box.name, "typeNotSupported") from None
    text = value if value is not None else box.field.initial_value or ""
    if box.field.field_type == "invisible":
        return _Lines([[]], True)
    # No field has so many cells; what is behind them must not cost anything.
    whole, text = len(text) <= _LONGEST_TEXT, text[:_LONGEST_TEXT]
    if box.field.field_type == "password":
        text = "*" * len(text)
    width = on.screen.width - box.x if box.field.overflow == "overwrite" else box.width
    lines = lines_of(text, width, box.height + 1)
    shown = _Lines(lines[: box.height], whole and len(lines) <= box.height)
    if on.cannot_show(chain.from_iterable(shown.lines)) is not None:
        raise _Refused(box.name, "charSetForm", "characterSetsData")
    return shown


def _shown_lines(box: _Box, text: _Lines, cut: list[str]) -> list[list[str]]:
    """The lines of a text in its field; the field's name is added to those that are cut."""
    if not text.whole:
        if box.field.overflow == "terminate":
            raise _Refused(box.name, "overflow")
        if box.field.overflow != "overwrite":
            cut.append(box.name)
    return text.lines


def _put(on: Terminal, box: _Box, lines: list[list[str]]) -> None:
    """Put the lines of a field on the screen, with blanks around them."""
    for row in range(box.height):
        line = lines[row] if row < len(lines) else []
        taken = sum(map(columns, line))
        room = max(box.width - taken, 0)
        before = {"left": 0, "right": room, "center": room // 2}[box.field.horizontal or "left"]
        x = box.x
        for one in [*" " * before, *line, *" " * (room - before)]:
            x += on.screen.put(x, box.y + row, one, box.attributes)
        on.screen.x, on.screen.y = x, box.y + row


class FormReading:
    """One ReadForm.

    Args:
        on: the interface.
        request: what is to be read.
        active: the keys, and which of them end the input.
        command: which is told what is wrong with a field.
    """

    def __init__(
        self, on: Terminal, request: messages.ReadForm, active: ActiveKeys, command: Command[ReadFormEvents]
    ) -> None:
        self._on, self._command, self._active = on, command, active
        self._form = cast(str, request.form_name)
        self._names = request.fields
        self._boxes: list[_Box] = []

    async def begin(self) -> None:
        """Find the fields.

        Raises:
            CommandError: a field cannot be read.
            InvalidData: no key ends the input.
        """
        self._boxes = await _worked_out(self._on, self._command, self._form, _readable_boxes, self._names)
        if not self._active.ends:
            raise errors.InvalidData(
                "no terminating command key is active: the input could not end; see TextTerminal.DefineKeys"
            )

    async def values(self) -> dict[str, str]:
        """What the operator has filled in, by field.

        Raises:
            CommandError: `keyCanceled`.
        """
        standing = [self._standing(box) for box in self._boxes]
        for box in self._boxes:
            # What was there, aligned otherwise or from an input before, must not be taken for input.
            _put(self._on, box, [])
        entries = [self._entry(box, text) for box, text in zip(self._boxes, standing, strict=True)]
        now = 0
        try:
            while True:
                entries[now].place()
                await self._on.show(cursor=True)
                key = await self._on.key(self._keys_of(self._boxes[now]))
                if key == "cancel":
                    # Inside the `try`, so that passwords are blanked on this way out as well.
                    raise errors.CommandError("keyCanceled", "the operator pressed cancel")
                if key == "arrowUp":
                    now = max(now - 1, 0)
                elif key in ("arrowDown", "enter") and now + 1 < len(entries):
                    now += 1
                elif key == "enter" or self._active.commands.get(key):
                    empty = self._first_empty(entries)
                    if empty is None:
                        return {box.name: entry.text for box, entry in zip(self._boxes, entries, strict=True)}
                    now = empty
                else:
                    entries[now].press(key)
        except BaseException:
            for box, entry in zip(self._boxes, entries, strict=True):
                if box.field.field_type == "password":
                    entry.blank()
            raise

    def _entry(self, box: _Box, standing: str) -> Entry:
        return Entry(
            self._on.screen,
            box.x,
            box.y,
            box.width,
            box.height,
            most=box.width * box.height,
            echo=_ECHO[box.field.field_type or "text"],
            attributes=box.attributes,
            blank=box.attributes,
            first=standing,
        )

    def _standing(self, box: _Box) -> str:
        """What stands in a field on the screen, without the blanks around it; nothing if it is only read."""
        if box.field.access != "readWrite" or box.field.field_type != "text":
            return ""
        return self._on.screen.text_of(box.x, box.y, box.width, box.height).strip()

    def _keys_of(self, box: _Box) -> ActiveKeys:
        """The active keys that may be typed in a field."""
        allowed = _TYPED[box.field.keys or "alphanumeric"]
        characters = self._active.characters
        return ActiveKeys(
            # `_TYPED` is in upper case; a client may have made the lower-case digits active.
            characters if allowed is None else characters & (allowed | {one.lower() for one in allowed}),
            self._active.commands,
        )

    def _first_empty(self, entries: list[Entry]) -> int | None:
        """The first required field that is empty; the client is told."""
        for number, (box, entry) in enumerate(zip(self._boxes, entries, strict=True)):
            if box.field.class_ == "required" and not entry.text:
                self._command.send(
                    messages.FieldWarningEvent(form_name=self._form, field_name=box.name, failure="required")
                )
                return number
        return None


def _readable_boxes(on: Terminal, form: str, names: list[str] | None) -> list[_Box]:
    """The fields that are to be read; without names all that can be."""
    boxes = _boxes(on, form)
    if not names:
        names = [name for name, box in boxes.items() if _readable(box)]
    for name in names:
        if name not in boxes:
            raise _Refused(name, "notFound")
        if not _readable(boxes[name]):
            raise _Refused(name, "notRead")
    if not names or len(set(names)) != len(names):
        raise errors.CommandError(
            "fieldSpecFailure",
            "$.fields: a field stands there twice" if names else "the form has no field that can be read",
        )
    return [boxes[name] for name in names]


def _readable(box: _Box) -> bool:
    return (
        box.field.access in ("read", "readWrite")
        and box.field.class_ != "static"
        and (box.field.field_type != "graphic")
    )
