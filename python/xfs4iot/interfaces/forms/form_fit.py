"""Whether a device can print, or read, what a form has; and if not, what it is."""

from __future__ import annotations

from typing import Any

import msgspec

from xfs4iot import devices
from xfs4iot.interfaces.forms.barcode_values import symbology_named
from xfs4iot.interfaces.forms.ready_form import FormField, ReadyForm, color_of

__all__ = ["field_misfit", "form_misfit"]


def form_misfit(form: ReadyForm, device: devices.Printer) -> tuple[str | None, str] | None:
    """The first field or frame that a device cannot print, and why; no name where it is the whole form."""
    orientation = form.definition.orientation or "portrait"
    if device.row_column_only and not form.grid.in_cells:
        return None, "the device prints forms in rows and columns only; use the base rowColumn"
    if orientation not in device.orientations:
        return None, f"the device does not print {orientation} forms"
    if form.pages > 1 and not device.multi_page:
        return None, "the form has several pages, and the device prints single ones"
    for name, one in form.fields.items():
        if (why := field_misfit(one, device)) is not None:
            return name, why
    for frame in form.frames:
        if frame.side == "back" and device.print_sides != "dual":
            return frame.name, "the device does not print on the back"
        for color in (frame.definition.color, frame.definition.fill_color):
            if (why := _color_misfit(color, device)) is not None:
                return frame.name, why
    return None


def field_misfit(one: FormField, device: devices.Printer) -> str | None:
    """Why a device cannot print or read a field; None if it can."""
    definition = one.definition
    if one.side == "back" and device.print_sides != "dual":
        return "the device does not print on the back"
    if one.access != "read" and (why := _write_misfit(one, device)) is not None:
        return why
    if one.access != "write" and (why := _read_misfit(one, device)) is not None:
        return why
    if (why := _style_misfit(definition.style, device)) is not None:
        return why
    return _color_misfit(definition.color, device) or _font_misfit(one, device)


def _write_misfit(one: FormField, device: devices.Printer) -> str | None:
    if one.kind == "pagemark":
        return "page marks are read, not printed"
    if one.kind == "graphic":
        if not device.graphics:
            return "the device prints no graphics"
        wanted = (one.definition.format or "").lower()
        if wanted and wanted not in device.graphics:
            return f"the device prints graphics of format {' and '.join(sorted(device.graphics))}"
    elif one.kind == "barcode":
        if not device.barcodes:
            return "the device prints no barcodes"
        if symbology_named(one.font.name, one.definition.format) not in device.barcodes:
            return "its font names no barcode that the device prints; those are " + ", ".join(
                sorted(device.barcodes)
            )
    elif one.kind not in device.writes:
        return f"the device does not print fields of type {one.kind}"
    coercivity = one.definition.coercivity
    if one.kind == "msf" and coercivity is not None and coercivity not in device.coercivities:
        return f"the device does not write with coercivity {coercivity}"
    return None


def _read_misfit(one: FormField, device: devices.Printer) -> str | None:
    needs = {"text": "ocr", "pagemark": "pageMark"}.get(one.kind, one.kind)
    if one.kind == "graphic":
        return None if devices.implements(device, "read_image") else "the device reads no images"
    return None if needs in device.reads else f"the device does not read fields of type {one.kind}"


def _style_misfit(style: Any, device: devices.Printer) -> str | None:
    if style is None or device.styles is None:
        return None
    plain = (None, False, "none", "single", "standard")
    for told in msgspec.structs.fields(style):
        value = getattr(style, told.name)
        # `single` is a normal width, but a line for underline and strike.
        set_ = value not in plain or (value == "single" and told.name in ("underline", "strike"))
        if set_ and told.encode_name not in device.styles:
            return f"the device does not print the style {told.encode_name}"
    return None


def _color_misfit(color: str | None, device: devices.Printer) -> str | None:
    if color is None or device.colors is None or color_of(color) in map(color_of, device.colors):
        return None
    return f"the device does not print the colour {color}"


def _font_misfit(one: FormField, device: devices.Printer) -> str | None:
    font = one.font
    # A barcode's font says what kind of barcode it is.
    if one.kind != "barcode" and font.name is not None and device.fonts is not None:
        known = {name.casefold() for name in device.fonts}
        if font.name.casefold() not in known:
            return "the device does not have the font; it has " + ", ".join(sorted(device.fonts))[:200]
    for what, value, limits in (
        ("pointSize", font.point_size, device.point_sizes),
        ("cpi", font.cpi, device.cpi),
        ("lpi", font.lpi, device.lpi),
    ):
        if value is not None and limits is not None and not limits[0] <= value <= limits[1]:
            return f"the device prints a {what} from {limits[0]} to {limits[1]}"
    return None
