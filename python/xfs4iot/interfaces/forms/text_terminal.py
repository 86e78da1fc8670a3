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

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from xfs4iot import devices
from xfs4iot.devices import CellAttributes
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.forms import terminal_checks as checks
from xfs4iot.interfaces.forms.definitions import definition_of, fields_told, form_told, log_ignored
from xfs4iot.interfaces.forms.screen import Screen
from xfs4iot.interfaces.forms.terminal_entry import Entry
from xfs4iot.interfaces.forms.terminal_forms import Form, sound
from xfs4iot.interfaces.forms.terminal_keys import ActiveKeys, of_device, typed_on_the_wire
from xfs4iot.interfaces.forms.terminal_state import TerminalState
from xfs4iot.interfaces.forms.tokens import DefinitionError
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.text_terminal import (
    LoadFormEvents,
    ReadEvents,
    ReadFormEvents,
    WriteFormEvents,
)
from xfs4iot.protocol.messages import text_terminal as messages
from xfs4iot.protocol.registry import NEWEST
from xfs4iot.server.command import Command
from xfs4iot.server.handler import handles, step

__all__ = ["TextTerminal"]


def _attributes(wanted: Any) -> CellAttributes:
    if wanted is None:
        return CellAttributes()
    return CellAttributes(bool(wanted.underline), bool(wanted.inverted), bool(wanted.flash))


def _form_loaded(content: Mapping[str, Any], device: devices.TextTerminal) -> Form:
    """A form that was read from text."""
    return sound(definition_of(content, messages.SetFormForm, "formInvalid"), device)


def _has_forms(on: TerminalState) -> bool:
    return on.device.has_forms


def _reads_forms(on: TerminalState) -> bool:
    return on.device.has_forms and on.device.reads_keys


def _reads(on: TerminalState) -> bool:
    return on.device.reads_keys


class TextTerminal(TerminalState):
    """The interface of text terminals."""

    name: ClassVar[str] = "TextTerminal"

    # What is shown.

    @handles("TextTerminal.Beep", checks=(given("beep"), checks.beep_exists, device_ready))
    async def beep(self, request: messages.Beep, command: Command) -> None:
        """`TextTerminal.Beep` 2.0. Without a type: silence."""
        assert request.beep is not None
        kind = request.beep.beep_type
        await self.ask(devices.TextTerminal.beep, kind, kind is not None and bool(request.beep.continuous))

    @handles(
        "TextTerminal.ClearScreen",
        checks=(checks.area_whole, checks.area_on_screen, device_ready),
        asks="show",
    )
    async def clear_screen(self, request: messages.ClearScreen | None, command: Command) -> None:
        """`TextTerminal.ClearScreen` 2.0: the cursor goes to the top left of what is cleared."""
        self.screen.clear(*self.area(request))
        await self.show()

    @handles(
        "TextTerminal.SetResolution", checks=(checks.resolution_whole, checks.resolution_exists, device_ready)
    )
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
            checks.text_bounded,
            checks.start_on_screen,
            checks.characters_shown,
            device_ready,
        ),
        asks="show",
    )
    async def write(self, request: messages.Write, command: Command) -> None:
        """`TextTerminal.Write` 2.0: an empty text moves the cursor only."""
        assert request.text is not None
        self.screen.x, self.screen.y = self.start_of(request)
        how = _attributes(request.text_attr), self.device.scrolls
        lost = await self.worked_out(self.screen.write, len(request.text), request.text, *how)
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
        self.defined.clear()
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
            checks.keys_active,
            checks.keys_bounded,
            checks.can_end,
            checks.keys_exist,
            checks.keys_on_device,
            given("num_of_chars", "say how many characters may be typed"),
            given("pos_x"),
            given("pos_y"),
            checks.start_on_screen,
            checks.input_fits,
            device_ready,
            checks.keys_unlocked,
        ),
        asks="read_key",
    )
    async def read(self, request: messages.Read, command: Command[ReadEvents]) -> messages.ReadCompletion:
        """`TextTerminal.Read` 2.0: until a terminating command key, or the last character if `autoEnd`."""
        most = request.num_of_chars or 0
        x, y = self.start_of(request)
        echo = request.echo_mode or "text"
        active = checks.active_keys(request)
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
        async with self.keyboard(flush=bool(request.flush)):
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

    @handles(
        "TextTerminal.DefineKeys",
        checks=(checks.keys_active, checks.keys_bounded, checks.keys_exist, checks.keys_on_device),
        asks=None,
        offered=_reads_forms,
    )
    async def define_keys(self, request: messages.DefineKeys, command: Command) -> None:
        """`TextTerminal.DefineKeys` 2.0: for the next ReadForm of this client.

        In turn: one that the client has sent before must not get them.
        """
        self.defined[command.session] = checks.active_keys(request)

    # Forms.

    @handles("TextTerminal.GetFormList", asks=None, offered=_has_forms)
    def get_form_list(self, request: None, command: Command) -> messages.GetFormListCompletion:
        """`TextTerminal.GetFormList` 2.0."""
        return messages.GetFormListCompletion(form_list=self.forms.names)

    @handles(
        "TextTerminal.GetQueryForm",
        checks=(given("form_name"), checks.form_exists),
        asks=None,
        offered=_has_forms,
        beside_queue=True,
    )
    async def get_query_form(self, request: messages.GetQueryForm, command: Command) -> bytes:
        """`TextTerminal.GetQueryForm` 2.0, completion 3.0."""
        form = self.forms[cast(str, request.form_name)]
        kinds = messages.GetQueryFormCompletion, messages.GetQueryFormCompletionForm
        name = request.form_name if command.specification != NEWEST else None
        return await self.forms.in_thread(form_told, form, name, *kinds)

    @handles(
        "TextTerminal.GetQueryField",
        checks=(given("form_name"), checks.form_exists, checks.field_exists),
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
            step(
                "definition_read",
                "whether the definition is a form, sound in itself, and one that the device can show",
                "formInvalid",
            ),
            step("form_new", "whether there is no such form yet, unless `overwrite`", "definitionExists"),
        ),
        asks=None,
        offered=_has_forms,
    )
    async def load_form(self, request: messages.LoadForm, command: Command[LoadFormEvents]) -> None:
        """`TextTerminal.LoadForm` of 2021-1 and 2023-2: a form in the form language."""
        # Here, for only older clients write this language.
        from xfs4iot.interfaces.forms import terminal_language

        assert request.definition is not None
        if not request.definition.strip():
            raise errors.InvalidData("$.definition is empty; give a form")
        try:
            found = await self.forms.in_thread(terminal_language.read_definition, request.definition)
        except DefinitionError as wrong:
            raise errors.CommandError("formInvalid", f"$.definition: {wrong}") from None
        form = await self.forms.in_thread(_form_loaded, found.content, self.device)
        if found.name in self.forms and not request.overwrite:
            raise errors.CommandError(
                "definitionExists", "there is a form of this name already; say overwrite to replace it"
            )
        await self.forms.set(found.name, form)
        log_ignored(self.service.log, found)
        command.send(messages.FormLoadedEvent(name=found.name))

    @handles(
        "TextTerminal.SetForm",
        checks=(
            given("name", "name the form", filled=True),
            checks.form_whole,
            checks.form_sound,
            checks.form_to_delete_exists,
        ),
        asks=None,
        offered=_has_forms,
    )
    async def set_form(self, request: messages.SetForm, command: Command) -> None:
        """`TextTerminal.SetForm` 2.0: sets a form, or deletes it if `form` is null."""
        assert request.name is not None
        form = request.form
        if form is not None:
            form = await self.forms.in_thread(sound, form, self.device)
        await self.forms.set(request.name, form)

    @handles(
        "TextTerminal.WriteForm",
        checks=(
            given("form_name"),
            checks.form_exists,
            checks.form_on_screen,
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
        from xfs4iot.interfaces.forms.terminal_form_work import form_written

        await form_written(self, request, command)

    @handles(
        "TextTerminal.ReadForm",
        checks=(
            given("form_name"),
            checks.form_exists,
            checks.form_readable,
            device_ready,
            checks.keys_unlocked,
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
        from xfs4iot.interfaces.forms.terminal_form_work import FormReading

        # Cleared before anything can fail: the keys count for this ReadForm, whatever becomes of it.
        active = self.defined.pop(command.session, None) or of_device(self.device)
        reading = FormReading(self, request, active, command)
        await reading.begin()
        async with self.keyboard(flush=False):
            return messages.ReadFormCompletion(fields=await reading.values())
