"""Printer: forms on paper, and what happens to the paper.

Forms and media are definitions that clients set; a form has one model, whichever language it came in.
PrintForm works out pages (`form_printing`, `form_pages`), which are printed at once or, with `flush` false,
wait (`print_buffer`) until something flushes them: every action with the medium but an alarm does. Then the
medium is moved (`print_media`). Whatever can be refused is refused before paper moves, also what is wanted of
the medium.

A command that needs an inserted medium waits for it; a timeout ends the wait, and never what has begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.devices import ImageWanted, implements
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.forms import codelines
from xfs4iot.interfaces.forms import printer_checks as checks
from xfs4iot.interfaces.forms.definitions import converted, definition_of, fields_told, form_told, log_ignored
from xfs4iot.interfaces.forms.media_definitions import Media
from xfs4iot.interfaces.forms.print_geometry import Grid
from xfs4iot.interfaces.forms.printer_failures import as_defined, failures_of
from xfs4iot.interfaces.forms.printer_forms import fields_of
from xfs4iot.interfaces.forms.printer_state import PrinterState, actions_of
from xfs4iot.interfaces.forms.ready_form import Form
from xfs4iot.interfaces.forms.tokens import DefinitionError
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.printer import (
    ControlMediaEvents,
    DispensePaperEvents,
    MediaExtentsEvents,
    PrintFormEvents,
    PrintNativeEvents,
    PrintRawEvents,
    ReadFormEvents,
    ReadImageEvents,
    ResetEvents,
)
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.messages import printer as messages
from xfs4iot.protocol.messages import storage
from xfs4iot.protocol.registry import NEWEST
from xfs4iot.server.command import Command
from xfs4iot.server.handler import handles, step

__all__ = ["Printer"]

_FIELDS = (
    step(
        "values_fit",
        "whether all values are for fields of the form, and can be printed in them",
        "fieldSpecFailure",
        "fieldError",
        "charSetData",
    ),
    step("form_on_media", "whether the form is within what can be printed on", "mediaOverflow"),
)


class Printer(PrinterState):
    """The interface of printers."""

    name: ClassVar[str] = "Printer"

    # Definitions.

    @handles("Printer.GetFormList", offered=checks.has_forms)
    def get_form_list(self, request: None, command: Command) -> messages.GetFormListCompletion:
        """`Printer.GetFormList` 2.0."""
        return messages.GetFormListCompletion(form_list=self.forms.names)

    @handles("Printer.GetMediaList", offered=checks.has_forms)
    def get_media_list(self, request: None, command: Command) -> messages.GetMediaListCompletion:
        """`Printer.GetMediaList` 2.0."""
        return messages.GetMediaListCompletion(media_list=self.media_definitions.names)

    @handles(
        "Printer.GetQueryForm",
        checks=(checks.form_named, checks.form_exists),
        offered=checks.has_forms,
        beside_queue=True,
    )
    async def get_query_form(self, request: messages.GetQueryForm, command: Command) -> bytes:
        """`Printer.GetQueryForm` 2.0, completion 3.0."""
        form = self.forms[cast(str, request.form_name)]
        kinds = messages.GetQueryFormCompletion, messages.GetQueryFormCompletionForm
        name = request.form_name if command.specification != NEWEST else None
        return await self.in_thread(form_told, form, name, *kinds)

    @handles(
        "Printer.GetQueryField",
        checks=(checks.form_named, checks.form_exists, checks.field_exists),
        offered=checks.has_forms,
        beside_queue=True,
    )
    async def get_query_field(self, request: messages.GetQueryField, command: Command) -> bytes:
        """`Printer.GetQueryField` 2.0, completion 3.0: one field, or all, those of sub forms included."""
        fields = fields_of(self.forms[cast(str, request.form_name)])
        kinds = messages.GetQueryFieldCompletion, messages.GetQueryFieldCompletionFields
        return await self.in_thread(fields_told, fields, request.field_name, *kinds)

    @handles(
        "Printer.GetQueryMedia",
        checks=(given("name", "name the media"), checks.queried_media_exists),
        offered=checks.has_forms,
    )
    def get_query_media(
        self, request: messages.GetQueryMedia, command: Command
    ) -> messages.GetQueryMediaCompletion:
        """`Printer.GetQueryMedia` 3.0."""
        media = self.media_definitions[cast(str, request.name)]
        return messages.GetQueryMediaCompletion(media=converted(media, messages.GetQueryMediaCompletionMedia))

    @handles(
        "Printer.SetForm",
        checks=(checks.name_given, checks.form_whole, checks.form_sound, checks.form_to_delete_exists),
        offered=checks.has_forms,
    )
    async def set_form(self, request: messages.SetForm, command: Command) -> None:
        """`Printer.SetForm` 1.0: sets a form, or deletes it if `form` is null."""
        await self.forms.set(cast(str, request.name), request.form)

    @handles(
        "Printer.SetMedia",
        checks=(checks.name_given, checks.media_whole, checks.media_sound, checks.media_to_delete_exists),
        offered=checks.has_forms,
    )
    async def set_media(self, request: messages.SetMedia, command: Command) -> None:
        """`Printer.SetMedia` 1.0: sets a media, or deletes it if `media` is null."""
        await self.media_definitions.set(cast(str, request.name), request.media)

    @handles(
        "Printer.LoadDefinition",
        checks=(
            given("definition"),
            step(
                "definition_read",
                "whether the definition can be read, is sound, and one that the device prints",
                "formInvalid",
                "mediaInvalid",
            ),
            step(
                "definition_new",
                "whether there is none of its name yet, unless `overwrite`",
                "definitionExists",
            ),
        ),
        offered=checks.has_forms,
    )
    async def load_definition(self, request: messages.LoadDefinition, command: Command) -> None:
        """`Printer.LoadDefinition` of 2021-1 and 2023-2: a form or a media in the form language."""
        # Here, for only older clients, and those that carry forms along, write this language.
        from xfs4iot.interfaces.forms import printer_language

        text = cast(str, request.definition)
        if not text.strip():
            raise errors.InvalidData("$.definition is empty; give one form or one media")
        try:
            # In a thread: a long definition must not hold up the event loop.
            found = await self.in_thread(printer_language.read_definition, text)
        except DefinitionError as wrong:
            code = (
                "mediaInvalid" if text.lstrip("\ufeff \t\r\n\f\v").startswith("XFSMEDIA") else "formInvalid"
            )
            raise errors.CommandError(code, f"$.definition: {wrong}") from None
        kept: Any
        definition: Form | Media
        if found.kind == "XFSFORM":
            kept = self.forms
            kind = messages.SetFormForm
            definition = await self.in_thread(definition_of, found.content, kind, "formInvalid")
            await self.in_thread(checks.require_printable, definition, self.device)
        else:
            kept = self.media_definitions
            definition = definition_of(found.content, messages.SetMediaMedia, "mediaInvalid")
            checks.require_fit(definition, self.device)
        if found.name in kept and not request.overwrite:
            raise errors.CommandError(
                "definitionExists", "there is a definition of this name; say overwrite to replace it"
            )
        await kept.set(found.name, definition)
        log_ignored(self.service.log, found)
        self.service.broadcast(
            messages.DefinitionLoadedEvent(
                name=found.name, type="form" if found.kind == "XFSFORM" else "media"
            )
        )

    # Printing.

    @handles(
        "Printer.PrintForm",
        checks=(
            checks.form_named,
            checks.form_exists,
            checks.form_fits,
            checks.media_exists,
            checks.media_fits,
            checks.resolution_supported,
            checks.control_supported,
            device_ready,
            checks.source_exists,
            checks.bin_has_room,
            checks.stacker_has_room,
            *_FIELDS,
        ),
        device=(
            "flushFail",
            "mediaSkewed",
            "pageTurnFail",
            "mediaTurnFail",
            "shutterFail",
            "mediaJammed",
            "paperJammed",
            "paperOut",
            "inkOut",
            "tonerOut",
            "sequenceInvalid",
            "mediaRetained",
            "blackMark",
            "mediaSize",
            "mediaRejected",
            "mediaRetracted",
            "msfError",
            "noMSF",
        ),
        asks="print_pages",
    )
    async def print_form(self, request: messages.PrintForm, command: Command[PrintFormEvents]) -> None:
        """`Printer.PrintForm` 3.0: nothing is printed unless everything can be."""
        from xfs4iot.interfaces.forms.form_printing import laid_out

        actions = actions_of(request.media_control)
        async with self.media.turn:
            job = await laid_out(self, request, command)
            self.throw_away(request.media_control)
            if not self.buffer.takes(job):
                await self.flush(command)
            joined = self.buffer.joined(job)
            waits = request.media_control is not None and request.media_control.flush is False
            if waits and not set(actions) - {"alarm"}:
                self.buffer.keep(joined)
            else:
                form = await self.ready_form(cast(str, request.form_name))
                await self.print_job(joined, command, form.definition.user_prompt)
            await self.control(command, actions, "all was printed" if self.buffer.is_empty else "")

    @handles(
        "Printer.PrintRaw",
        checks=(checks.raw_data_given, device_ready),
        device=(
            "shutterFail",
            "mediaJammed",
            "paperJammed",
            "paperOut",
            "tonerOut",
            "mediaRetained",
            "blackMark",
            "mediaRetracted",
        ),
    )
    async def print_raw(
        self, request: messages.PrintRaw, command: Command[PrintRawEvents]
    ) -> messages.PrintRawCompletion:
        """`Printer.PrintRaw` 3.0: the bytes as they are; what waits is printed before them."""
        answers = request.input_data == "yes"
        async with self.media.turn:
            await self.flush(command)
            if not self.media.is_present:
                # The device chooses by itself what it prints on.
                self.drawn_from = None
            answer = await self.ask_whole(
                command, devices.Printer.print_raw, cast(bytes, request.data), answers, command
            )
        # No version knows empty data: a device that says nothing has no data.
        return messages.PrintRawCompletion(data=(answer or None) if answers else None)

    @handles(
        "Printer.PrintNative",
        checks=(
            checks.native_data_given,
            checks.control_supported,
            device_ready,
            checks.source_exists,
            checks.bin_has_room,
            checks.stacker_has_room,
        ),
        device=(
            "shutterFail",
            "mediaJammed",
            "paperJammed",
            "paperOut",
            "tonerOut",
            "noMediaPresent",
            "flushFail",
            "pageTurnFail",
            "mediaTurnFail",
            "inkOut",
            "sequenceInvalid",
            "mediaOverflow",
            "mediaRetained",
            "blackMark",
            "mediaRejected",
            "mediaRetracted",
        ),
    )
    async def print_native(self, request: messages.PrintNative, command: Command[PrintNativeEvents]) -> None:
        """`Printer.PrintNative` 3.0, completion 2.0: the medium is handled so after each page."""
        actions = actions_of(request.media_control)
        async with self.media.turn:
            self.throw_away(request.media_control)
            await self.flush(command)
            source = None if self.media.is_present else self.source_for(request.paper_source, None)
            if source is None:
                await self.media_in(command)
            with trio.CancelScope(shield=True):
                printed = await self.ask_whole(
                    command,
                    devices.Printer.print_native,
                    cast(bytes, request.data),
                    source,
                    actions,
                    command,
                    source=source,
                    believe=self.possible_for(command, None),
                )
                await self.was_printed(printed, source, command, None)
            await self.control(command, actions, "all was printed")

    @handles("Printer.ClearBuffer", asks=None, offered=lambda on: implements(on.device, "print_pages"))
    async def clear_buffer(self, request: None, command: Command) -> None:
        """`Printer.ClearBuffer` 2.0: what waits is not printed."""
        self.buffer.clear()

    # Reading.

    @handles(
        "Printer.ReadForm",
        checks=(
            checks.form_named,
            checks.form_exists,
            checks.form_fits,
            checks.media_exists,
            checks.media_fits,
            checks.control_supported,
            device_ready,
            checks.bin_has_room,
            step(
                "fields_readable",
                "whether the fields exist, each once, and can be read",
                "fieldSpecFailure",
                "fieldError",
                "readNotSupported",
            ),
        ),
        device=(
            "mediaSkewed",
            "shutterFail",
            "mediaJammed",
            "inkOut",
            "lampInoperative",
            "sequenceInvalid",
            "mediaSize",
            "mediaRejected",
            "msfError",
            "noMSF",
        ),
    )
    async def read_form(
        self, request: messages.ReadForm, command: Command[ReadFormEvents]
    ) -> messages.ReadFormCompletion:
        """`Printer.ReadForm` 3.0: without names, all fields that can be read."""
        from xfs4iot.interfaces.forms.form_printing import form_read

        async with self.media.turn:
            fields = await form_read(self, request, command)
            actions = actions_of(request.media_control)
            self.throw_away(request.media_control)
            if set(actions) - {"alarm"}:
                await self.flush(command)
            await self.control(command, actions)
        return messages.ReadFormCompletion(fields=fields)

    @handles(
        "Printer.ReadImage",
        checks=(checks.images_possible, device_ready),
        device=("shutterFail", "mediaJammed", "lampInoperative", "mediaSize", "mediaRejected"),
    )
    async def read_image(
        self, request: messages.ReadImage, command: Command[ReadImageEvents]
    ) -> messages.ReadImageCompletion:
        """`Printer.ReadImage` 3.0; for clients of 2021-1 also the code line."""
        wanted: dict[Any, ImageWanted | None] = {}
        for side, image in (("front", request.front_image), ("back", request.back_image)):
            if image is not None:
                wanted[side] = ImageWanted(cast(Any, image.image_type), cast(Any, image.color_format))
        for number in (1, 2):
            if getattr(request, f"passport_data_group{number}"):
                wanted[f"passportDataGroup{number}"] = None
        form = codelines.codeline_wanted(request)
        legible = form is not None and form in codelines.reads(self.device)
        read: Mapping[Any, bytes | None] = {}
        line = None
        async with self.media.turn:
            await self.media_in(command)
            if wanted:
                read = await self.ask_whole(command, devices.Printer.read_image, wanted, command)
            if form is not None and legible:
                possible = codelines.codeline_possible(self.device, form)
                line = await self.ask_whole(
                    command, devices.Printer.read_codeline, form, command, believe=possible
                )
        images = messages.ReadImageCompletionImages()
        if form is not None:
            images.codeline = messages.ReadImageCompletionImagesCodeline(
                status="notSupported" if not legible else "missing" if line is None else "ok",
                data=None if line is None else line.encode("ascii"),
            )
        for field in msgspec.structs.fields(images):
            if field.encode_name in wanted:
                data = read.get(cast(Any, field.encode_name))
                kind: Any = next(one for one in field.type.__args__ if one is not type(None))
                told = kind(status="missing" if data is None else "ok", data=data)
                setattr(images, field.name, told)
        return messages.ReadImageCompletion(images=images)

    @handles(
        "Printer.GetCodelineMapping", checks=(codelines.codeline_mapped,), offered=codelines.maps_codelines
    )
    def get_codeline_mapping(
        self, request: messages.GetCodelineMapping, command: Command
    ) -> messages.GetCodelineMappingCompletion:
        """`Printer.GetCodelineMapping` of 2021-1: the characters that stand for symbols in a code line."""
        form = cast(Any, request.codeline_format)
        try:
            symbols = codelines.symbols_of(self.device, form)
        except Mismatch as wrong:
            self.service.log.error("the device class is wrong about its code lines: %s", wrong)
            raise errors.HardwareError("the device states impossible code lines; see its log") from None
        return messages.GetCodelineMappingCompletion(codeline_format=form, char_mapping=symbols)

    @handles(
        "Printer.MediaExtents",
        checks=(checks.unit_given, device_ready, checks.extents_measured),
        device=("mediaJammed", "lampInoperative", "mediaSize", "mediaRejected"),
    )
    async def media_extents(
        self, request: messages.MediaExtents, command: Command[MediaExtentsEvents]
    ) -> messages.MediaExtentsCompletion:
        """`Printer.MediaExtents` 3.0: in the client's unit, a direction that is not measured left out."""
        async with self.media.turn:
            await self.media_in(command)
            width, height = await self.ask_whole(command, devices.Printer.media_extents)
        grid = Grid(cast(messages.Unit, request.unit), self.device)
        return messages.MediaExtentsCompletion(
            x=None if width is None else grid.units_x(width) or None,
            y=None if height is None else grid.units_y(height) or None,
        )

    # The medium.

    @handles(
        "Printer.ControlMedia",
        checks=(
            checks.control_given,
            checks.control_supported,
            device_ready,
            checks.media_there,
            checks.bin_has_room,
            checks.stacker_has_room,
        ),
        device=(
            "flushFail",
            "pageTurnFail",
            "mediaTurnFail",
            "shutterFail",
            "mediaJammed",
            "paperJammed",
            "paperOut",
            "inkOut",
            "tonerOut",
            "sequenceInvalid",
            "mediaRetained",
            "blackMark",
            "mediaRetracted",
        ),
        asks=None,
        offered=lambda on: implements(on.device, "control_media") or implements(on.device, "print_pages"),
    )
    async def control_media(
        self, request: messages.ControlMedia, command: Command[ControlMediaEvents]
    ) -> None:
        """`Printer.ControlMedia` 3.0, completion 2.0: but for an alarm alone, what waits is printed first.

        Older clients, which have no ClearBuffer, throw away by a flag what waits.
        """
        control = cast(messages.MediaControl, request.media_control)
        actions = actions_of(control)
        async with self.media.turn:
            self.throw_away(control)
            if control.flush or set(actions) - {"alarm"}:
                await self.flush(command)
            await self.control(command, actions)

    @handles(
        "Printer.DispensePaper",
        checks=(device_ready, checks.source_to_draw_from, checks.no_sheet_there),
        device=("paperJammed", "paperOut", "mediaRetracted"),
    )
    async def dispense_paper(
        self, request: messages.DispensePaper | None, command: Command[DispensePaperEvents]
    ) -> None:
        """`Printer.DispensePaper` 2.0: a blank sheet to the print position."""
        source = cast(str, self.source_for(request.paper_source if request is not None else None, None))
        async with self.media.turn:
            with trio.CancelScope(shield=True):
                await self.ask_whole(command, devices.Printer.dispense_paper, source, command, source=source)
                self.drawn_from = source
                await self.worked_at("present")

    @handles(
        "Printer.RetractMedia",
        checks=(
            checks.retract_place_known,
            device_ready,
            checks.media_to_retract,
            checks.place_has_room,
        ),
        device=("mediaJammed",),
        offered=checks.can_retract,
    )
    async def retract_media(
        self, request: messages.RetractMedia | None, command: Command
    ) -> messages.RetractMediaCompletion:
        """`Printer.RetractMedia` 3.0: without a place, to a bin with room, or else the transport."""
        asked = request.media_control if request is not None else None
        to = self.media.named(asked) or self.media.place_to_retract()
        async with self.media.turn:
            result = await self.media.retract(command, cast(str, to))
        self.show_failure(result.failure)
        if result.failure is not None:
            raise as_defined(result.failure, command)
        place = cast(str, result.at or to)
        if place == "notPresent":
            # Somebody took it at the last moment.
            return messages.RetractMediaCompletion(result="nomedia")
        if place == "jammed":
            raise errors.CommandError("mediaJammed", "the medium is stuck; reset the printer")
        if place != "transport" and place not in self.media.bins:
            raise errors.HardwareError(
                f"the device says of no failure, and that the medium is {place} instead of in {to}"
            )
        return messages.RetractMediaCompletion(result=place)

    @handles(
        "Printer.Reset",
        checks=(checks.reset_place_known, checks.place_has_room, device_ready),
        device=("shutterFail", "mediaJammed", "paperJammed"),
    )
    async def reset(self, request: messages.Reset | None, command: Command[ResetEvents]) -> None:
        """`Printer.Reset` 3.0, completion 2.0: what waits is gone; what is found goes where it is to."""
        async with self.media.turn:
            self.buffer.clear()
            result = await self.media.reset(
                command, self.media.named(request.media_control if request is not None else None)
            )
        self.show_failure(result.failure)
        if result.failure is not None:
            raise as_defined(result.failure, command)

    @handles(
        "Printer.ResetCount",
        checks=(device_ready, checks.bin_exists),
        asks=None,
        offered=lambda on: on.media.units is not None,
    )
    async def reset_count(self, request: messages.ResetCount | None, command: Command) -> None:
        """`Printer.ResetCount` of 2021-1 and 2023-2: one bin, or all, is empty."""
        assert self.media.storage is not None
        empty = messages.StorageSet(status=messages.StorageStatusSet(initial=0))
        units = {name: storage.SetStorageUnit(printer=empty) for name in checks.bins_to_reset(self, request)}
        await self.media.storage.set_storage(storage.SetStorage(storage=units), command)

    @handles(
        "Printer.ControlPassbook",
        checks=(checks.action_possible, device_ready, checks.passbook_there),
        device=("pageTurnFail", "mediaJammed", "passbookClosed", "lastOrFirstPageReached", "mediaSize"),
    )
    async def control_passbook(self, request: messages.ControlPassbook, command: Command) -> None:
        """`Printer.ControlPassbook` 2.0: one page if no number is given."""
        async with self.media.turn:
            await self.ask_whole(
                command, devices.Printer.control_passbook, cast(Any, request.action), request.count or 1
            )

    # Settings and supplies.

    @handles("Printer.SetBlackMarkMode", checks=(checks.mode_given, device_ready))
    async def set_black_mark_mode(self, request: messages.SetBlackMarkMode, command: Command) -> None:
        """`Printer.SetBlackMarkMode` 2.0."""
        on = cast(bool, request.black_mark_mode)
        async with self.media.turn:
            await self.ask_whole(command, devices.Printer.set_black_mark_mode, on)
        self.device.status.printer.black_mark_mode = "on" if on else "off"

    @handles("Printer.SupplyReplenish", checks=(checks.supplies_named, device_ready), asks=None)
    async def supply_replenish(self, request: messages.SupplyReplenish, command: Command) -> None:
        """`Printer.SupplyReplenish` 2.0: what was refilled is full, unless the device measures it."""
        names: Any = frozenset(checks.replenished(request))
        if implements(self.device, "supply_replenish"):
            await self.ask(devices.Printer.supply_replenish, names, rename=failures_of(command.name))
        if self.device.measures_supplies:
            return
        status = self.device.status.printer
        for name in names:
            if name in self.device.paper_sources:
                self.device.paper_is(name, "full")
            elif name in self.device.supplies:
                setattr(status, name, "ok" if name == "lamp" else "full")
