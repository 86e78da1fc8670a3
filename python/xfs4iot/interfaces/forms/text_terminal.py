"""TextTerminal: an operator's display with keys.

The screen is kept here (`screen`), and the device shows what has changed: where text goes, how it wraps
and scrolls, and what an input looks like is the same on every device. A text with a character that the
device cannot show is refused before anything is written.

Only one command uses screen and keys at a time. The keyboard is on while a Read or ReadForm waits, and
off before its completion leaves, however it ends. What was typed before a timeout or a cancel is not
returned; a password's echo is then removed from the screen.

Forms (`terminal_forms`) are written and read on the same screen (`terminal_form_work`), and kept in the
ledger. DefineKeys applies to the next ReadForm only, whatever becomes of that.

What is typed, and what the fields of a form contain, is never logged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, cast

import trio

from xfs4iot import devices
from xfs4iot.devices import CellAttributes
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.forms import terminal_language
from xfs4iot.interfaces.forms.definitions import (
    Definitions,
    definition_of,
    fields_told,
    form_told,
    log_ignored,
)
from xfs4iot.interfaces.forms.screen import Screen, columns, graphemes
from xfs4iot.interfaces.forms.terminal_entry import Entry
from xfs4iot.interfaces.forms.terminal_form_work import FormReading, form_written
from xfs4iot.interfaces.forms.terminal_forms import Form, require_whole, size_of, sound
from xfs4iot.interfaces.forms.terminal_keys import ActiveKeys, of_device, typed_on_the_wire
from xfs4iot.interfaces.forms.tokens import DefinitionError
from xfs4iot.protocol import errors, exact
from xfs4iot.protocol.command_events.text_terminal import (
    LoadFormEvents,
    ReadEvents,
    ReadFormEvents,
    WriteFormEvents,
)
from xfs4iot.protocol.messages import text_terminal as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["TextTerminal"]

_DOCUMENT = "TextTerminal.forms"
_LONGEST_TEXT = 65_536
_SECONDS_TO_TIDY_UP = 5


def _attributes(wanted: Any) -> CellAttributes:
    if wanted is None:
        return CellAttributes()
    return CellAttributes(bool(wanted.underline), bool(wanted.inverted), bool(wanted.flash))


@check("deviceNotReady")
def keys_unlocked(on: TextTerminal, request: object) -> None:
    """whether the keys are there, and not locked"""
    if on.device.status.text_terminal.key_lock == "on":
        raise errors.DeviceNotReady("the keys are locked; see keyLock in Common.Status")


@check("unsupportedData")
def beep_exists(on: TextTerminal, request: messages.Beep) -> None:
    """the kind of beep"""
    assert request.beep is not None
    kind = request.beep.beep_type
    if kind is not None and kind not in on.device.beep_types:
        raise errors.UnsupportedData(
            f"$.beep.beepType: the device has no sound {kind}; "
            f"it has {', '.join(sorted(on.device.beep_types)) or 'none'}"
        )


@check("invalidData")
def area_whole(on: TextTerminal, request: messages.ClearScreen | None) -> None:
    """whether all of an area is given, or nothing"""
    area = request.screen if request is not None else None
    if area is None:
        return
    found = {name: getattr(area, name) for name in ("position_x", "position_y", "width", "height")}
    if any(value is not None for value in found.values()):
        wire = {"position_x": "positionX", "position_y": "positionY"}
        for name, value in found.items():
            if value is None:
                raise errors.InvalidData(f"$.screen.{wire.get(name, name)} is missing; give all four or none")


@check("invalidData")
def area_on_screen(on: TextTerminal, request: messages.ClearScreen | None) -> None:
    """whether the area is on the screen"""
    x, y, width, height = on.area(request)
    if x + width > on.screen.width or y + height > on.screen.height:
        raise errors.InvalidData(
            f"$.screen: {width} x {height} at {x}, {y} is beyond {on.screen.width} x {on.screen.height}"
        )


@check("invalidData")
def resolution_whole(on: TextTerminal, request: messages.SetResolution) -> None:
    """`resolution.sizeX` and `resolution.sizeY`"""
    wanted = request.resolution
    if wanted is None or wanted.size_x is None or wanted.size_y is None:
        raise errors.InvalidData("$.resolution: give sizeX and sizeY")


@check("resolutionNotSupported")
def resolution_exists(on: TextTerminal, request: messages.SetResolution) -> None:
    """whether the device has the resolution"""
    wanted = cast(messages.Resolution, request.resolution)
    if (wanted.size_x, wanted.size_y) not in on.device.resolutions:
        known = ", ".join(f"{width} x {height}" for width, height in on.device.resolutions)
        raise errors.CommandError(
            "resolutionNotSupported", f"$.resolution: {wanted.size_x} x {wanted.size_y} is not one of {known}"
        )


@check("invalidData")
def text_bounded(on: TextTerminal, request: messages.Write) -> None:
    """whether the text has at most 65,536 characters"""
    length = len(request.text or "")
    if length > _LONGEST_TEXT:
        raise errors.InvalidData(f"$.text: {length} characters; write {_LONGEST_TEXT} at most at once")


@check("invalidData")
def start_on_screen(on: TextTerminal, request: messages.Write | messages.Read) -> None:
    """whether the place is on the screen"""
    x, y = on.start_of(request)
    # A filled row leaves the cursor behind its last column: what is written from there begins a new one.
    waiting = request.mode == "relative" and (x, y) == (on.screen.x, on.screen.y)
    if y >= on.screen.height or (x >= on.screen.width and not waiting):
        raise errors.InvalidData(
            f"$.posX, $.posY: {x}, {y} is beyond the screen of {on.screen.width} x {on.screen.height}"
        )


@check("characterSetsData")
def characters_shown(on: TextTerminal, request: messages.Write) -> None:
    """whether the device can show every character"""
    text = (request.text or "").replace("\r", "").replace("\n", "")
    if strange := on.cannot_show(text):
        raise errors.CommandError(
            "characterSetsData", f"$.text: the device cannot show U+{ord(strange[0]):04X}; nothing is written"
        )


@check("noActiveKeys")
def keys_active(on: TextTerminal, request: messages.Read | messages.DefineKeys | None) -> None:
    """whether a key is active"""
    if request is None or not (request.active_keys or request.active_command_keys):
        raise errors.CommandError("noActiveKeys", "list keys in activeKeys or activeCommandKeys")


@check("invalidData")
def can_end(on: TextTerminal, request: messages.Read) -> None:
    """whether the input can end: by itself, or by a command key"""
    if request.auto_end is False and not _active(request).ends:
        raise errors.InvalidData("$.autoEnd is false, and no command key terminates: the input could not end")


@check("keyInvalid")
def keys_exist(on: TextTerminal, request: messages.Read | messages.DefineKeys) -> None:
    """whether the keys are keys of the standard"""
    _active(request).require_keys()


@check("keyNotSupported")
def keys_on_device(on: TextTerminal, request: messages.Read | messages.DefineKeys) -> None:
    """whether the device has the keys"""
    _active(request).require_on(on.device)


@check("invalidData")
def input_fits(on: TextTerminal, request: messages.Read) -> None:
    """whether the input has room in its row, if it is shown"""
    x, _ = on.start_of(request)
    if request.echo_mode != "invisible" and x + (request.num_of_chars or 0) > on.screen.width:
        raise errors.InvalidData(
            f"$.numOfChars: {request.num_of_chars} from column {x} on is beyond the row of {on.screen.width}"
        )


@check("formNotFound")
def form_exists(on: TextTerminal, request: Any) -> None:
    """whether the form exists"""
    if request.form_name not in on.forms:
        raise errors.CommandError(
            "formNotFound", "$.formName: there is no such form; see TextTerminal.GetFormList"
        )


@check("fieldNotFound")
def field_exists(on: TextTerminal, request: messages.GetQueryField) -> None:
    """whether the form has the field, if one is named"""
    fields = on.forms[cast(str, request.form_name)].fields or {}
    if request.field_name and request.field_name not in fields:
        raise errors.CommandError(
            "fieldNotFound", "$.fieldName: the form has no such field; see TextTerminal.GetQueryForm"
        )


def _smaller_than_screen(code: str) -> Callable[[TextTerminal, Any], None]:
    def fits(on: TextTerminal, request: Any) -> None:
        """whether the form fits the screen"""
        width, height = size_of(on.forms[request.form_name])
        if width > on.screen.width or height > on.screen.height:
            raise errors.CommandError(
                code,
                f"the form has {width} x {height}, the screen {on.screen.width} x {on.screen.height}; "
                "see TextTerminal.SetResolution",
            )

    return fits


form_on_screen = check("mediaOverflow", name="form_on_screen")(_smaller_than_screen("mediaOverflow"))
form_readable = check("formInvalid", name="form_readable")(_smaller_than_screen("formInvalid"))


@check("invalidData")
def form_whole(on: TextTerminal, request: messages.SetForm) -> None:
    """whether the form has a size, and fields with a place and size each"""
    if request.form is not None:
        require_whole(request.form)


@check("formInvalid")
async def form_sound(on: TextTerminal, request: messages.SetForm) -> None:
    """whether the fields are inside the form and such as the device can show"""
    if request.form is not None:
        await on.forms.in_thread(sound, request.form, on.device.shows_graphics)


@check("formNotFound")
def form_to_delete_exists(on: TextTerminal, request: messages.SetForm) -> None:
    """whether a form that is to be deleted exists"""
    if request.form is None and request.name not in on.forms:
        raise errors.CommandError(
            "formNotFound", "$.name: there is no such form; see TextTerminal.GetFormList"
        )


def _active(request: messages.Read | messages.DefineKeys) -> ActiveKeys:
    return ActiveKeys.of(request.active_keys, request.active_command_keys)


def _printable(grapheme: str) -> bool:
    # A joiner between two parts of one character is not printable by itself.
    return grapheme.replace("\u200d", "").isprintable()


def _form_loaded(content: Mapping[str, Any], shows_graphics: bool) -> Form:
    """A form that was read from text."""
    return sound(definition_of(content, Form, "formInvalid"), shows_graphics)


def _has_forms(on: TextTerminal) -> bool:
    return on.device.has_forms


def _reads_forms(on: TextTerminal) -> bool:
    return on.device.has_forms and on.device.reads_keys


def _reads(on: TextTerminal) -> bool:
    return on.device.reads_keys


class TextTerminal(Interface[devices.TextTerminal]):
    """The interface of text terminals."""

    name: ClassVar[str] = "TextTerminal"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.screen = Screen(*self.device.resolutions[0])
        self.forms: Definitions[Form] = Definitions(service, _DOCUMENT, Form)
        self._defined: ActiveKeys | None = None

    async def start(self) -> None:
        """Recall the forms."""
        self.forms.start()

    async def reopened(self) -> None:
        """Another unit may have been plugged in: show everything the next time."""
        self.screen.forget_shown()

    def area(self, request: messages.ClearScreen | None) -> tuple[int, int, int, int]:
        """What is to be cleared: x, y, width, height; the whole screen if nothing is said."""
        area = request.screen if request is not None else None
        if area is None or area.width is None:
            return 0, 0, self.screen.width, self.screen.height
        return cast(tuple[int, int, int, int], (area.position_x, area.position_y, area.width, area.height))

    def start_of(self, request: messages.Write | messages.Read) -> tuple[int, int]:
        """Where a text or an input begins."""
        x, y = request.pos_x or 0, request.pos_y or 0
        if request.mode == "relative":
            return self.screen.x + x, self.screen.y + y
        return x, y

    def cannot_show(self, text: str) -> str | None:
        """The first character that the device cannot show."""
        known = None if self.device.characters is None else set(self.device.characters)
        for one in graphemes(text):
            if columns(one) < 0 or not (set(one) <= known if known is not None else _printable(one)):
                return one
        return None

    async def show(self, cursor: bool = False) -> None:
        """Let the device show what has changed."""
        runs = self.screen.changes()
        place = self.screen.cursor if cursor and self.device.has_cursor else None
        try:
            await self.ask(devices.TextTerminal.show, runs, place)
        except BaseException:
            # The device may have shown some of it: the next time everything is sent.
            self.screen.forget_shown()
            raise

    # What is shown.

    @handles("TextTerminal.Beep", checks=(given("beep"), beep_exists, device_ready))
    async def beep(self, request: messages.Beep, command: Command) -> None:
        """`TextTerminal.Beep` 2.0. Without a type: silence."""
        assert request.beep is not None
        kind = request.beep.beep_type
        await self.ask(devices.TextTerminal.beep, kind, kind is not None and bool(request.beep.continuous))

    @handles("TextTerminal.ClearScreen", checks=(area_whole, area_on_screen, device_ready), asks="show")
    async def clear_screen(self, request: messages.ClearScreen | None, command: Command) -> None:
        """`TextTerminal.ClearScreen` 2.0: the cursor goes to the top left of what is cleared."""
        self.screen.clear(*self.area(request))
        await self.show()

    @handles("TextTerminal.SetResolution", checks=(resolution_whole, resolution_exists, device_ready))
    async def set_resolution(self, request: messages.SetResolution, command: Command) -> None:
        """`TextTerminal.SetResolution` 2.0: the screen is blank after it; unchanged if it fails."""
        wanted = cast(messages.Resolution, request.resolution)
        width, height = cast(tuple[int, int], (wanted.size_x, wanted.size_y))
        await self.ask(devices.TextTerminal.set_resolution, width, height)
        # Only after the device has agreed, so that a refusal leaves the old screen.
        self.screen = Screen(width, height)
        status = self.device.status.text_terminal
        status.display_size_x, status.display_size_y = width, height
        await self.show()

    @handles(
        "TextTerminal.Write",
        checks=(
            given("mode", "say absolute or relative"),
            given("pos_x"),
            given("pos_y"),
            given("text"),
            text_bounded,
            start_on_screen,
            characters_shown,
            device_ready,
        ),
        asks="show",
    )
    async def write(self, request: messages.Write, command: Command) -> None:
        """`TextTerminal.Write` 2.0: an empty text moves the cursor only."""
        assert request.text is not None
        self.screen.x, self.screen.y = self.start_of(request)
        lost = self.screen.write(request.text, _attributes(request.text_attr), self.device.scrolls)
        if lost:
            self.service.log.warning(
                "TextTerminal.Write: %d characters are lost below the last row: the device does not scroll",
                lost,
            )
        await self.show()

    @handles("TextTerminal.Reset", checks=(device_ready,))
    async def reset(self, request: None, command: Command) -> None:
        """`TextTerminal.Reset` 2.0: a blank screen, silence, no defined keys; forms stay."""
        await self.ask(devices.TextTerminal.reset)
        if devices.implements(self.device, "beep"):
            await self.ask(devices.TextTerminal.beep, None, False)
        self._defined = None
        self.screen.clear(0, 0, self.screen.width, self.screen.height)
        self.screen.forget_shown()
        await self.show()

    # What is typed.

    @handles("TextTerminal.GetKeyDetail", offered=_reads)
    def get_key_detail(self, request: None, command: Command) -> messages.GetKeyDetailCompletion:
        """`TextTerminal.GetKeyDetail` 2.0."""
        keys = of_device(self.device)
        return messages.GetKeyDetailCompletion(
            keys=[typed_on_the_wire(key) for key in dict.fromkeys(self.device.keys)],
            command_keys={name: messages.Key(terminate=ends) for name, ends in keys.commands.items()},
        )

    @handles(
        "TextTerminal.Read",
        checks=(
            keys_active,
            can_end,
            keys_exist,
            keys_on_device,
            given("num_of_chars", "say how many characters may be typed"),
            given("pos_x"),
            given("pos_y"),
            start_on_screen,
            input_fits,
            device_ready,
            keys_unlocked,
        ),
        asks="read_key",
    )
    async def read(self, request: messages.Read, command: Command[ReadEvents]) -> messages.ReadCompletion:
        """`TextTerminal.Read` 2.0: until a terminating command key, or the last character if `autoEnd`."""
        most = request.num_of_chars or 0
        x, y = self.start_of(request)
        echo = request.echo_mode or "text"
        active = _active(request)
        # A row that is full leaves the cursor behind it: an input that shows nothing may stand there.
        entry = Entry(
            self.screen,
            min(x, self.screen.width - 1),
            y,
            self.screen.width - min(x, self.screen.width - 1),
            1,
            most=most,
            echo=echo,
            attributes=_attributes(request.echo_attr),
        )
        ends = request.auto_end is not False and entry.full
        async with self._keyboard(flush=bool(request.flush)):
            try:
                await self.show(cursor=bool(request.visible))
                while not ends:
                    key = await self.key(active)
                    entry.press(key)
                    command.send(self._key_event(key, active))
                    await self.show(cursor=bool(request.visible))
                    ends = active.commands.get(key, False) or (request.auto_end is not False and entry.full)
            except BaseException:
                if echo == "password":
                    entry.blank()
                raise
        return messages.ReadCompletion(input=entry.text or None)

    def _key_event(self, key: str, active: ActiveKeys) -> messages.KeyEvent:
        if key in active.commands:
            return messages.KeyEvent(command_key=key)
        return messages.KeyEvent(key=typed_on_the_wire(key))

    async def key(self, active: ActiveKeys) -> str:
        """The next active key that is typed."""
        known = of_device(self.device)

        def believe(typed: str) -> None:
            if typed not in known.names and typed.upper() not in known.characters:
                raise exact.Mismatch("one of the device's keys", "another text")

        while True:
            # A device may hand over keys that are not active; those are skipped.
            typed = await self.ask(devices.TextTerminal.read_key, active.names, believe=believe)
            key = active.counts_as(typed)
            if key is not None:
                return key

    @asynccontextmanager
    async def _keyboard(self, flush: bool) -> AsyncIterator[None]:
        """Keep the keyboard on inside; if that ends badly, tidy up the screen."""
        status = self.device.status.text_terminal
        if flush and devices.implements(self.device, "flush_keys"):
            await self.ask(devices.TextTerminal.flush_keys)
        status.keyboard = "on"
        ended_well = False
        try:
            yield
            ended_well = True
        finally:
            status.keyboard = "off"
            # The cursor is hidden again, and an echo taken off, even when the client's time is over.
            with trio.move_on_after(_SECONDS_TO_TIDY_UP) as patience:
                patience.shield = not ended_well
                try:
                    await self.show()
                except errors.XfsError:
                    if ended_well:
                        raise

    @handles(
        "TextTerminal.DefineKeys",
        checks=(keys_active, keys_exist, keys_on_device),
        asks=None,
        offered=_reads_forms,
    )
    def define_keys(self, request: messages.DefineKeys, command: Command) -> None:
        """`TextTerminal.DefineKeys` 2.0: for the next ReadForm."""
        self._defined = _active(request)

    # Forms.

    @handles("TextTerminal.GetFormList", asks=None, offered=_has_forms)
    def get_form_list(self, request: None, command: Command) -> messages.GetFormListCompletion:
        """`TextTerminal.GetFormList` 2.0."""
        return messages.GetFormListCompletion(form_list=self.forms.names)

    @handles(
        "TextTerminal.GetQueryForm",
        checks=(given("form_name"), form_exists),
        asks=None,
        offered=_has_forms,
        beside_queue=True,
    )
    async def get_query_form(self, request: messages.GetQueryForm, command: Command) -> bytes:
        """`TextTerminal.GetQueryForm` 2.0, completion 3.0."""
        form = self.forms[cast(str, request.form_name)]
        kinds = messages.GetQueryFormCompletion, messages.GetQueryFormCompletionForm
        return await self.forms.in_thread(form_told, form, *kinds)

    @handles(
        "TextTerminal.GetQueryField",
        checks=(given("form_name"), form_exists, field_exists),
        asks=None,
        offered=_has_forms,
        beside_queue=True,
    )
    async def get_query_field(self, request: messages.GetQueryField, command: Command) -> bytes:
        """`TextTerminal.GetQueryField` 2.0, completion 3.0: one field, or all."""
        fields = (self.forms[cast(str, request.form_name)].fields or {}).items()
        kinds = messages.GetQueryFieldCompletion, messages.GetQueryFieldCompletionFields
        return await self.forms.in_thread(fields_told, fields, request.field_name, *kinds)

    @handles(
        "TextTerminal.LoadForm",
        checks=(
            given("definition"),
            step("definition_read", "whether the definition is a form, and sound in itself", "formInvalid"),
            step("form_new", "whether there is no such form yet, unless `overwrite`", "definitionExists"),
        ),
        asks=None,
        offered=_has_forms,
    )
    async def load_form(self, request: messages.LoadForm, command: Command[LoadFormEvents]) -> None:
        """`TextTerminal.LoadForm` of 2021-1 and 2023-2: a form in the form language."""
        assert request.definition is not None
        try:
            found = await self.forms.in_thread(terminal_language.read_definition, request.definition)
        except DefinitionError as wrong:
            raise errors.CommandError("formInvalid", f"$.definition: {wrong}") from None
        form = await self.forms.in_thread(_form_loaded, found.content, self.device.shows_graphics)
        if found.name in self.forms and not request.overwrite:
            raise errors.CommandError(
                "definitionExists", "there is a form of this name already; say overwrite to replace it"
            )
        await self.forms.set(found.name, form)
        log_ignored(self.service.log, found)
        command.send(messages.FormLoadedEvent(name=found.name))

    @handles(
        "TextTerminal.SetForm",
        checks=(given("name", "name the form", filled=True), form_whole, form_sound, form_to_delete_exists),
        asks=None,
        offered=_has_forms,
    )
    async def set_form(self, request: messages.SetForm, command: Command) -> None:
        """`TextTerminal.SetForm` 2.0: sets a form, or deletes it if `form` is null."""
        assert request.name is not None
        form = request.form
        if form is not None:
            form = await self.forms.in_thread(sound, form, self.device.shows_graphics)
        await self.forms.set(request.name, form)

    @handles(
        "TextTerminal.WriteForm",
        checks=(
            given("form_name"),
            form_exists,
            form_on_screen,
            device_ready,
            step(
                "values_fit",
                "whether every value can be shown in its field",
                "characterSetsData",
                "fieldError",
            ),
        ),
        asks="show",
        offered=_has_forms,
        never={
            "formInvalid": "a form is held against the device when it is set",
            "fieldSpecFailure": "fields come as an object: what is wrong with one is `fieldError`",
        },
    )
    async def write_form(self, request: messages.WriteForm, command: Command[WriteFormEvents]) -> None:
        """`TextTerminal.WriteForm` 2.0: nothing is shown unless everything can be."""
        await form_written(self, request, command)

    @handles(
        "TextTerminal.ReadForm",
        checks=(
            given("form_name"),
            form_exists,
            form_readable,
            device_ready,
            keys_unlocked,
            step(
                "fields_readable", "whether fields can be read, each once", "fieldError", "fieldSpecFailure"
            ),
            step("reading_can_end", "whether a terminating command key is active", "invalidData"),
            step("not_cancelled", "whether the operator presses `cancel`", "keyCanceled"),
        ),
        asks="read_key",
        offered=_has_forms,
    )
    async def read_form(
        self, request: messages.ReadForm, command: Command[ReadFormEvents]
    ) -> messages.ReadFormCompletion:
        """`TextTerminal.ReadForm` 2.0: the operator fills in the fields."""
        # Cleared before anything can fail: the keys count for this ReadForm, whatever becomes of it.
        active, self._defined = self._defined or of_device(self.device), None
        reading = FormReading(self, request, active, command)
        await reading.begin()
        async with self._keyboard(flush=False):
            return messages.ReadFormCompletion(fields=await reading.values())
