"""Checks before a printer does something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from xfs4iot import devices
from xfs4iot.devices import implements
from xfs4iot.interfaces.checks import given, there_to_delete
from xfs4iot.interfaces.forms import codelines
from xfs4iot.interfaces.forms.media_definitions import media_misfit, require_whole_media, sheet_of
from xfs4iot.interfaces.forms.printer_forms import fields_of, named, ready, require_whole
from xfs4iot.interfaces.forms.printer_state import PrinterState, actions_of
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import printer as messages
from xfs4iot.server.handler import Check, check

__all__: list[str] = []

form_named = given("form_name")
name_given = given("name", "name the definition", filled=True)


@check("formNotFound")
def form_exists(on: PrinterState, request: Any) -> None:
    """whether the form exists"""
    if request.form_name not in on.forms:
        raise errors.CommandError("formNotFound", "there is no such form; see Printer.GetFormList")


@check("fieldNotFound")
def field_exists(on: PrinterState, request: messages.GetQueryField) -> None:
    """whether the form has the field, if one is named"""
    if request.field_name and request.field_name not in dict(fields_of(on.forms[str(request.form_name)])):
        raise errors.CommandError("fieldNotFound", "the form has no such field; see Printer.GetQueryForm")


@check("formNotFound", name="form_fits")
async def form_fits(on: PrinterState, request: Any) -> None:
    """whether the form as a whole is one that the device prints: unit, orientation, pages"""
    try:
        form = await on.ready_form(request.form_name)
    except errors.CommandError as wrong:
        raise errors.CommandError("formNotFound", wrong.description) from None
    if form.misfit is not None and form.misfit[0] is None:
        raise errors.CommandError("formNotFound", form.misfit[1])


@check("mediaNotFound")
def media_exists(on: PrinterState, request: Any) -> None:
    """whether the media exists, if one is named"""
    on.media_for(request)


@check("mediaNotFound", name="media_exists")
def queried_media_exists(on: PrinterState, request: messages.GetQueryMedia) -> None:
    """whether the media exists"""
    on.media_named(request.name)


@check("mediaNotFound")
def media_fits(on: PrinterState, request: Any) -> None:
    """whether the media is one that the device prints on"""
    media = on.media_for(request)
    if media is None:
        return
    try:
        why = media_misfit(media, sheet_of(media, on.device), on.device)
    except errors.CommandError as wrong:
        why = wrong.description
    if why is not None:
        raise errors.CommandError("mediaNotFound", why)


@check("invalidData")
def form_whole(on: PrinterState, request: messages.SetForm) -> None:
    """whether the form has all that a form needs"""
    if request.form is not None:
        require_whole(request.form)


@check("formInvalid")
async def form_sound(on: PrinterState, request: messages.SetForm) -> None:
    """whether the form contradicts itself, or has what the device cannot print"""
    if request.form is not None:
        await on.in_thread(require_printable, request.form, on.device)


def require_printable(form: messages.SetFormForm, device: devices.Printer) -> None:
    """Refuse a form that is unsound, or that the device cannot print.

    Raises:
        CommandError: `formInvalid`.
    """
    made = ready(form, device)
    if made.misfit is not None:
        name, why = made.misfit
        what = "field" if name in made.fields else "frame"
        raise errors.CommandError("formInvalid", why if name is None else f"{what} {named(name)}: {why}")


form_to_delete_exists = there_to_delete("form", "formNotFound", "forms")


@check("invalidData")
def media_whole(on: PrinterState, request: messages.SetMedia) -> None:
    """whether the media has all that a media needs"""
    if request.media is not None:
        require_whole_media(request.media)


@check("mediaInvalid")
def media_sound(on: PrinterState, request: messages.SetMedia) -> None:
    """whether the media contradicts itself, or is none for the device"""
    if request.media is not None:
        require_fit(request.media, on.device)


def require_fit(media: messages.SetMediaMedia, device: devices.Printer) -> None:
    """Refuse a medium that is unsound, or that the device cannot print on.

    Raises:
        CommandError: `mediaInvalid`.
    """
    why = media_misfit(media, sheet_of(media, device), device)
    if why is not None:
        raise errors.CommandError("mediaInvalid", why)


media_to_delete_exists = there_to_delete("media", "mediaNotFound", "media_definitions")


@check("invalidData")
def control_given(on: PrinterState, request: messages.ControlMedia | None) -> None:
    """`mediaControl`: something to do"""
    control = request.media_control if request is not None else None
    if control is None or not (actions_of(control) or control.flush or control.clear_buffer):
        raise errors.InvalidData("$.mediaControl is missing or names nothing to do")


@check("invalidData")
def control_supported(on: PrinterState, request: Any) -> None:
    """`mediaControl`: whether the device can do it, all of it together"""
    control = request.media_control
    if control is not None and control.flush and control.clear_buffer:
        raise errors.InvalidData("$.mediaControl: flush and clearBuffer exclude each other")
    actions = actions_of(control)
    possible = set(on.device.controls)
    if not on.media.bins and not on.device.retract_to_transport:
        # A device class may name it all the same.
        possible.discard("retract")
    for action in actions:
        if action not in possible:
            raise errors.InvalidData(
                f"$.mediaControl: the device cannot {action}; it can "
                + (", ".join(sorted(possible)) or "do nothing of the kind")
            )
    if "cut" in actions and "partialCut" in actions:
        raise errors.InvalidData("$.mediaControl: cut and partialCut exclude each other")


@check("invalidData")
def resolution_supported(on: PrinterState, request: messages.PrintForm) -> None:
    """`resolution`: whether the device has it"""
    if request.resolution is not None and request.resolution not in on.device.resolutions:
        raise errors.InvalidData(
            f"$.resolution: the device has {', '.join(sorted(on.device.resolutions)) or 'none'}"
        )


@check("sourceInvalid")
def source_exists(on: PrinterState, request: Any) -> None:
    """`paperSource`, or that of the media: whether the device has it; not looked at if paper is in place"""
    if not on.media.is_present:
        on.source_for(request.paper_source if request is not None else None, on.media_for(request))


@check("retractBinFull")
def bin_has_room(on: PrinterState, request: Any) -> None:
    """with a retract: whether a bin has room"""
    on.bin_for(actions_of(request.media_control))


@check("stackerFull")
def stacker_has_room(on: PrinterState, request: Any) -> None:
    """with a cut or a move to the stacker: whether that has room"""
    most, now = on.device.max_media_on_stacker, on.device.status.printer.media_on_stacker
    actions = actions_of(request.media_control)
    if most and now is not None and now >= most and {"cut", "stack"} & set(actions):
        raise errors.CommandError("stackerFull", f"the stacker holds {most}; eject what is on it")


@check("noMediaPresent")
def media_there(on: PrinterState, request: messages.ControlMedia) -> None:
    """whether there is a medium, unless it is only for an alarm, or something waits to be printed"""
    control = cast(messages.MediaControl, request.media_control)
    if set(actions_of(control)) - {"alarm"} and (on.buffer.is_empty or control.clear_buffer):
        require_media(on)


def require_media(on: PrinterState) -> None:
    """Refuse what needs a medium.

    Raises:
        CommandError: `noMediaPresent`.
    """
    if not on.media.is_somewhere:
        raise errors.CommandError("noMediaPresent", "there is no medium; see status.printer.media")


@check("invalidData")
def raw_data_given(on: PrinterState, request: messages.PrintRaw | None) -> None:
    """`data`"""
    if request is None or not request.data:
        raise errors.InvalidData("$.data is missing or empty; give the bytes in base64")


@check("invalidData")
def native_data_given(on: PrinterState, request: messages.PrintNative | None) -> None:
    """`data`"""
    if request is None or not request.data:
        raise errors.InvalidData("$.data is missing or empty; give the job in base64")


@check("sequenceInvalid")
def no_sheet_there(on: PrinterState, request: Any) -> None:
    """whether a sheet is in the print position already"""
    if on.media.is_present:
        raise errors.CommandError("sequenceInvalid", "a medium is in the print position; eject it first")


@check("sourceInvalid")
def source_to_draw_from(on: PrinterState, request: messages.DispensePaper | None) -> None:
    """`paperSource`: whether the device has it"""
    source = on.source_for(request.paper_source if request is not None else None, None)
    if source is None:
        raise errors.CommandError("sourceInvalid", "the device has no paper source")


@check("extentNotSupported")
def extents_measured(on: PrinterState, request: object) -> None:
    """whether the device measures media"""
    if not on.device.extents:
        raise errors.CommandError("extentNotSupported", "the device does not measure media")


@check("invalidData")
def unit_given(on: PrinterState, request: messages.MediaExtents | None) -> None:
    """`unit`"""
    unit = request.unit if request is not None else None
    if unit is None or unit.base is None or unit.x is None or unit.y is None:
        raise errors.InvalidData("$.unit is missing; give base, x and y")


_SIDES: tuple[tuple[str, str, str], ...] = (
    ("front_image", "imageFront", "front_scan_colors"),
    ("back_image", "imageBack", "back_scan_colors"),
)


@check("invalidData")
def images_possible(on: PrinterState, request: messages.ReadImage | None) -> None:
    """`frontImage`, `backImage`, the passport's data, the code line: one at least, and such as it reads"""
    device = on.device
    wanted = False
    for field, source, colors in _SIDES:
        image: Any = getattr(request, field) if request is not None else None
        if image is None:
            continue
        wanted = True
        path = f"$.{source.replace('image', '').lower()}Image"
        if source not in device.scan_sources:
            raise errors.InvalidData(f"{path}: the device does not read this side")
        if image.image_type is None or image.color_format is None:
            raise errors.InvalidData(f"{path}: give both imageType and colorFormat")
        if image.image_type not in device.scan_types:
            raise errors.InvalidData(
                f"{path}.imageType: {image.image_type} is not one of {', '.join(sorted(device.scan_types))}"
            )
        known = {"full" if one == "full" else one.lower() for one in getattr(device, colors)}
        if {"fullcolor": "full"}.get(image.color_format, image.color_format) not in known:
            raise errors.InvalidData(
                f"{path}.colorFormat: {image.color_format} is not one of {', '.join(sorted(known)) or 'none'}"
            )
    for number in (1, 2):
        if request is not None and getattr(request, f"passport_data_group{number}"):
            wanted = True
            if f"passportDataGroup{number}" not in device.scan_sources:
                raise errors.InvalidData(
                    f"$.passportDataGroup{number}: the device does not read a passport's chip"
                )
    form = None if request is None else codelines.codeline_wanted(request)
    if not wanted and form not in codelines.reads(device):
        if form is not None:
            formats = ", ".join(sorted(codelines.reads(device)))
            raise errors.InvalidData(
                f"$.codelineFormat: {form} is not one of {formats}"
                if formats
                else "$.codelineFormat: the device reads no code lines; ask for an image"
            )
        raise errors.InvalidData("no image is asked for; give frontImage, backImage or a data group")


def _place_known(field_of: Callable[[Any], str | None], others: Callable[[PrinterState], set[str]]) -> Check:
    """That a place to bring a medium to exists."""

    def known(on: PrinterState, request: Any) -> None:
        """`mediaControl`: whether the device has the place"""
        place = field_of(request)
        places = others(on) | set(on.media.bins)
        if place is not None and on.media.named(place) not in places:
            raise errors.InvalidData(
                "$.mediaControl: there is no such place here; it can be "
                + (", ".join(sorted(places)) or "left out only")
            )

    return check("invalidData", name="place_known")(known)


def _control_of(request: Any) -> str | None:
    return request.media_control if request is not None else None


retract_place_known = _place_known(
    _control_of, lambda on: {"transport"} if on.device.retract_to_transport else set()
)
reset_place_known = _place_known(_control_of, lambda on: {"eject", "expel"} & set(on.device.controls))


@check("retractBinFull")
def place_has_room(on: PrinterState, request: Any) -> None:
    """whether the bin has room, or any if none is named"""
    place = on.media.named(_control_of(request))
    if place in on.media.bins and place not in on.media.roomy_bins:
        raise errors.CommandError("retractBinFull", f"{place} has no room, or does not work")
    if (
        isinstance(request, messages.RetractMedia | None)
        and place is None
        and not on.media.place_to_retract()
    ):
        raise errors.CommandError("retractBinFull", "no retract bin has room; empty one")


@check("noMediaPresent")
def media_to_retract(on: PrinterState, request: object) -> None:
    """whether there is a medium"""
    try:
        require_media(on)
    except errors.CommandError as fault:
        fault.payload = messages.RetractMediaCompletion(result="nomedia")
        raise


@check("invalidData")
def action_possible(on: PrinterState, request: messages.ControlPassbook | None) -> None:
    """`action`: whether the device can do it"""
    action = request.action if request is not None else None
    if action is None:
        raise errors.InvalidData("$.action is missing; say what is done with the passbook")
    named_so = {
        "forward": "turnForward",
        "backward": "turnBackward",
        "closeForward": "closeForward",
        "closeBackward": "closeBackward",
    }
    if named_so[action] not in on.device.passbook_actions:
        raise errors.InvalidData(f"$.action: the device cannot {action}; see Common.Capabilities")


@check("noMediaPresent")
def passbook_there(on: PrinterState, request: object) -> None:
    """whether there is a passbook"""
    require_media(on)


@check("invalidData")
def bin_exists(on: PrinterState, request: messages.ResetCount | None) -> None:
    """`binNumber`: whether there is such a bin; 0 or none: all"""
    if not bins_to_reset(on, request):
        raise errors.InvalidData("$.binNumber: there is no such retract bin; see Storage.GetStorage")


def bins_to_reset(on: PrinterState, request: messages.ResetCount | None) -> list[str]:
    """The bins whose counts begin anew."""
    number = request.bin_number if request is not None else None
    units = on.media.units.units if on.media.units is not None else {}
    return [name for name, unit in units.items() if number in (None, 0, unit.index)]


mode_given = given("black_mark_mode", "say whether black marks are looked for")


@check("invalidData")
def supplies_named(on: PrinterState, request: messages.SupplyReplenish | None) -> None:
    """what was refilled: something that the device has"""
    device = on.device
    names = replenished(request)
    if not names:
        raise errors.InvalidData("nothing is said to be refilled; name at least one supply")
    strange = names - set(device.paper_sources) - device.supplies
    if strange:
        raise errors.InvalidData(f"$.{min(strange)}: the device has no such supply")


def replenished(request: messages.SupplyReplenish | None) -> set[str]:
    """The supplies that a client says were refilled."""
    names = ("upper", "lower", "aux", "aux2", "toner", "ink", "lamp")
    return {name for name in names if request is not None and getattr(request, name)}


def has_forms(on: PrinterState) -> bool:
    """Whether the device prints or reads forms."""
    return implements(on.device, "print_pages") or implements(on.device, "read_form")


def can_retract(on: PrinterState) -> bool:
    """Whether the device takes back what nobody takes, and has a place for it."""
    return implements(on.device, "retract_media") and (
        on.media.units is not None or on.device.retract_to_transport
    )
