"""A form with values, drawn as a receipt printer would print it: what `forms draw` shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from xfs4iot.devices import PrintFont
from xfs4iot.interfaces.forms.definition_files import AnyPrinter, FileDefinition
from xfs4iot.interfaces.forms.definitions import converted
from xfs4iot.interfaces.forms.form_pages import FormPages
from xfs4iot.interfaces.forms.form_printing import as_large, filled, placement_of
from xfs4iot.interfaces.forms.media_definitions import sheet_of
from xfs4iot.interfaces.forms.printer_forms import ready
from xfs4iot.interfaces.forms.printer_values import FieldFailure, unprintable_field
from xfs4iot.printing.pages import Head
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import printer as messages

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["drawn"]


class _Fonts:
    """The fonts of a head, for laying out."""

    def __init__(self, device: AnyPrinter, head: Head) -> None:
        self._device, self._head = device, head

    def width(self, text: str, font: PrintFont) -> int:
        return self._head.measure(text, font)

    def height(self, font: PrintFont) -> int:
        return self._device.text_height(font)

    def lacks(self, text: str, font: PrintFont) -> str:
        return self._head.lacks(text, font)


def drawn(
    form: FileDefinition,
    media: FileDefinition | None,
    values: Mapping[str, str | list[str]],
    head: Head,
) -> Iterator[tuple[Image, list[str]]]:
    """Each side of each page that is not blank, the first in any case, and with it what was cut on it.

    Args:
        form: one of a printer, in which nothing is wrong.
        media: what it is printed on, likewise; None: endless paper as wide as the form.
        values: as PrintForm has them.

    Raises:
        XfsError: it cannot be printed; says which field.
    """
    device = AnyPrinter("drawing")
    device.columns_per_inch, device.rows_per_inch = head.columns, head.rows
    made = ready(converted(form.content, messages.SetFormForm), device)
    placement = placement_of(made, None)
    sheet = (
        as_large(made, placement)
        if media is None
        else sheet_of(converted(media.content, messages.SetMediaMedia), device)
    )
    pages = FormPages(made, device, _Fonts(device, head), form.name)
    try:
        laid = filled(pages, made, values, sheet, placement)
        head.require_drawable(laid)
        warnings = [
            f"field {name}: the value does not fit, and is cut" for name in dict.fromkeys(pages.warnings)
        ]
        warnings += [
            f"{name}: the font lacks {' '.join(sorted(lacking))}, and prints a replacement"
            for name, lacking in pages.replaced.items()
        ]
        for number, page in enumerate(laid):
            yield head.draw(page).finished(), warnings if number == 0 else []
            if page.back:
                yield head.draw(page, "back").finished(), []
    except FieldFailure as wrong:
        raise errors.CommandError(wrong.code, f"field {wrong.field}: {wrong}") from None
    except errors.XfsError as wrong:
        if (found := unprintable_field(wrong)) is not None:
            raise errors.CommandError("charSetData", f"field {found[1].field}: {found[1]}") from None
        raise
