"""PrintForm and ReadForm: a form with its values on paper, and off it.

All is worked out before anything moves: values, layout, whether it fits. What is wrong with a field is told
in a FieldErrorEvent before the command ends with it; what was cut, in a FieldWarningEvent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from xfs4iot import devices
from xfs4iot.devices import PrintJob, ReadWanted
from xfs4iot.interfaces.forms.device_fonts import DeviceFonts
from xfs4iot.interfaces.forms.form_fit import field_misfit
from xfs4iot.interfaces.forms.form_pages import FormPages, Placement
from xfs4iot.interfaces.forms.media_definitions import Media
from xfs4iot.interfaces.forms.print_geometry import Grid, Sheet
from xfs4iot.interfaces.forms.printer_forms import named
from xfs4iot.interfaces.forms.printer_state import PrinterState
from xfs4iot.interfaces.forms.printer_values import FieldFailure, refused, target_of, values_of
from xfs4iot.interfaces.forms.ready_form import FormField, ReadyForm
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.printer import PrintFormEvents, ReadFormEvents
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.messages import printer as messages
from xfs4iot.server.command import Command

__all__ = ["as_large", "filled", "form_read", "laid_out", "placement_of"]

_MOST_NAMED = 16
"""Characters that a line of the log names."""


async def laid_out(
    on: PrinterState, request: messages.PrintForm, command: Command[PrintFormEvents]
) -> PrintJob:
    """A form with its values, as pages.

    Raises:
        CommandError: `fieldSpecFailure`, `fieldError`, `charSetData`, `mediaOverflow`.
    """
    name = cast(str, request.form_name)
    form = await on.ready_form(name)
    media = on.media_for(request)
    source = on.source_for(request.paper_source, media) if not on.media.is_present else None
    placement = placement_of(form, request)
    sheet = on.sheet_for(media, source) or as_large(form, placement)
    pages = FormPages(form, on.device, DeviceFonts(on.service), name)
    try:
        if form.misfit is not None:
            raise FieldFailure(form.misfit[0] or "", None, form.misfit[1])
        laid = await on.in_thread(filled, pages, form, request.fields, sheet, placement)
    except FieldFailure as wrong:
        raise refused(name, wrong, command) from None
    for field in dict.fromkeys(pages.warnings):
        command.send(messages.FieldWarningEvent(form_name=name, field_name=field, failure="overflow"))
    for field in pages.replaced.keys() & form.fields.keys():
        # The standard has no word for it: a failure that is absent is something that the device cannot print.
        command.send(messages.FieldWarningEvent(form_name=name, field_name=field))
    if pages.replaced:
        _log_replaced(on, name, set().union(*pages.replaced.values()))
    return PrintJob(
        laid,
        source,
        request.resolution,
        request.media_name or None,
        (media.media_type if media is not None else None) or "generic",
        form.definition.skew,
        **({} if media is None else _folded(media, on.device)),
    )


def _folded(media: Media, device: devices.Printer) -> dict[str, Any]:
    """What a definition says of a medium's folds and pages, as a job has it."""
    unit, staggering = cast(messages.Unit, media.unit), media.staggering
    return {
        "fold": media.fold,
        "staggering": None if staggering is None else Grid(unit, device).y(staggering),
        "page_count": media.page,
        "line_count": media.lines,
    }


def _log_replaced(on: PrinterState, form_name: str, characters: set[str]) -> None:
    """Say which characters are printed as a replacement: which there are, not where, nor how many of each."""
    numbers = sorted(map(ord, characters))
    on.service.log.warning(
        "form %s: the printer's fonts lack %d characters, for which it prints a replacement: %s%s",
        named(form_name),
        len(numbers),
        ", ".join(f"U+{number:04X}" for number in numbers[:_MOST_NAMED]),
        ", ..." if len(numbers) > _MOST_NAMED else "",
    )


def filled(
    pages: FormPages,
    form: ReadyForm,
    given: Mapping[str, str | list[str]] | None,
    sheet: Sheet,
    placement: Placement,
) -> tuple[devices.PrintPage, ...]:
    """All fields with their values, laid out.

    Raises:
        FieldFailure: one of them cannot be printed.
        CommandError: `mediaOverflow`.
    """
    values = values_of(form, given)
    for name, field in form.fields.items():
        pages.put(field, values[name] if name in values else [None] * len(field.places))
    return pages.pages(sheet, placement)


def placement_of(form: ReadyForm, request: messages.PrintForm | None) -> Placement:
    """Where the form stands, as the client says it or the form does."""
    own = form.definition.alignment
    corner = request.alignment if request is not None else None
    if corner in (None, "formDefinition"):
        if own is None:
            return Placement()
        return Placement(own.relative or "topLeft", form.grid.x(own.x or 0), form.grid.y(own.y or 0))
    assert request is not None
    x, y = request.offset_x, request.offset_y
    if own is not None:
        # An offset that is not given is the form's.
        x, y = (own.x if x is None else x), (own.y if y is None else y)
    return Placement(cast(Any, corner), form.grid.x(x or 0), form.grid.y(y or 0))


def as_large(form: ReadyForm, placement: Placement) -> Sheet:
    """Endless paper on which the form has just room: nothing says how large the medium is."""
    width = (form.height + placement.y) if form.landscape else (form.width + placement.x)
    return Sheet(width, None, 0, 0, width, None)


async def form_read(
    on: PrinterState, request: messages.ReadForm, command: Command[ReadFormEvents]
) -> dict[str, str | list[str]]:
    """The values of a form's fields, read from the medium.

    Raises:
        CommandError: `fieldSpecFailure`, `fieldError`, `readNotSupported`.
    """
    name = cast(str, request.form_name)
    form = await on.ready_form(name)
    try:
        wanted = _wanted(on, form, request.field_names)
    except FieldFailure as wrong:
        raise refused(name, wrong, command) from None
    places = await on.in_thread(_places, on, form, on.media_for(request), wanted)
    await on.media_in(command, form.definition.user_prompt)
    values = await on.ask_whole(
        command,
        devices.Printer.read_form,
        tuple(place for _, _, place in places),
        command,
        believe=lambda read: _as_many(read, len(places)),
    )
    found: dict[str, str | list[str]] = {}
    for (key, is_list, place), value in zip(places, values, strict=True):
        if value is None:
            command.send(messages.FieldErrorEvent(form_name=name, field_name=place.name, failure="hwerror"))
            raise errors.CommandError(
                "fieldError", f"form {named(name)}, field {named(place.name)}: it cannot be read"
            )
        if is_list:
            cast("list[str]", found.setdefault(key, [])).append(value)
        else:
            found[key] = value
    return found


def _as_many(read: tuple[str | None, ...], count: int) -> None:
    if len(read) != count:
        raise Mismatch(f"{count} values, one for each field", f"{len(read)} values")


def _wanted(
    on: PrinterState, form: ReadyForm, names: list[str] | None
) -> list[tuple[str, FormField, int | None]]:
    """The fields that are to be read: key, field, and the element if only one is wanted."""
    if not names:
        found: list[tuple[str, FormField, int | None]] = [
            (name, one, None) for name, one in form.fields.items() if one.access != "write"
        ]
        if not found:
            raise errors.CommandError("readNotSupported", "the form has no field that can be read")
    else:
        if len(set(names)) != len(names):
            raise errors.CommandError("fieldSpecFailure", "$.fieldNames: a field stands there twice")
        found = [(key, *target_of(form, key)) for key in names]
    for key, field, _ in found:
        if field.access == "write":
            raise FieldFailure(key, "notRead", "the field can only be printed")
        if field_misfit(field, on.device) is not None:
            raise errors.CommandError(
                "readNotSupported",
                f"field {named(key)}: the device does not read fields of type {field.kind}",
            )
    return found


def _places(
    on: PrinterState,
    form: ReadyForm,
    media: Media | None,
    wanted: list[tuple[str, FormField, int | None]],
) -> list[tuple[str, bool, ReadWanted]]:
    """Where each element is on the medium: key, whether its values are a list, and the place."""
    placement = placement_of(form, None)
    sheet = on.sheet_for(media, None) or as_large(form, placement)
    pages = FormPages(form, on.device, DeviceFonts(on.service))
    found: list[tuple[str, bool, ReadWanted]] = []
    for key, field, index in wanted:
        boxes = pages.place_of(field, sheet, placement)
        for number, box in enumerate(boxes):
            if index not in (None, number):
                continue
            place = ReadWanted(
                key,
                cast(Any, field.kind),
                box.x,
                box.y,
                box.width,
                box.height,
                field.pages[0],
                field.side,
                field.definition.format,
                field.definition.coercivity or "auto",
            )
            found.append((key, field.indexed and index is None, place))
    return found
