"""A form of a printer with everything worked out: what `printer_forms` makes and all others use."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Literal, TypeAlias

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import PrintColor, PrintFont, PrintRotation
from xfs4iot.interfaces.forms.print_geometry import Box, Grid
from xfs4iot.protocol.messages import printer as messages

__all__ = ["Field", "Form", "FormField", "FormFrame", "Frame", "ReadyForm", "color_of", "initial_of"]

Form: TypeAlias = "messages.SetFormForm"
Field: TypeAlias = "messages.SetFormFormFields"
Frame: TypeAlias = "messages.SetFormFormFrames"

_COLORS: Mapping[str, PrintColor] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 128, 0),
    "yellow": (255, 255, 0),
}


@dataclass(frozen=True)
class FormField:
    """A field with everything worked out.

    Attributes:
        name: of the field.
        definition: as it was set.
        kind: of the field.
        places: where each of its elements is, in the form; one that is not repeated has one. Of a field
            that follows another, y counts from where that ends.
        pages: from 0; several for heads and feet.
        side: of the medium.
        font, color, rotation: of what is printed.
        indexed: whether it is repeated, so that values name an element.
    """

    name: str
    definition: Field
    kind: str
    places: tuple[Box, ...]
    pages: tuple[int, ...]
    side: Literal["front", "back"]
    font: PrintFont
    color: PrintColor
    rotation: PrintRotation
    indexed: bool

    @property
    def class_(self) -> str:
        return self.definition.class_ or "optional"

    @property
    def access(self) -> str:
        return self.definition.access or "write"


@dataclass(frozen=True)
class FormFrame:
    """A frame with everything worked out.

    Attributes:
        name: of the frame.
        definition: as it was set.
        places: where it is drawn, in the form.
        pages: from 0.
        side: of the medium.
        framed: the field that it belongs to.
    """

    name: str
    definition: Frame
    places: tuple[Box, ...]
    pages: tuple[int, ...]
    side: Literal["front", "back"]
    framed: str | None


@dataclass(frozen=True)
class ReadyForm:
    """A form with everything worked out.

    Attributes:
        definition: as it was set.
        grid: its units.
        width, height: of the form, in µm.
        landscape: whether its x runs along the medium.
        fields: by name, in the order in which they are printed.
        frames: in the order in which they are drawn.
        pages: how many there are.
        misfit: the first field that the device cannot print, and why; the name is None where it is the
            form as a whole.
    """

    definition: Form
    grid: Grid
    width: int
    height: int
    landscape: bool
    fields: Mapping[str, FormField]
    frames: tuple[FormFrame, ...]
    pages: int
    misfit: tuple[str | None, str] | None = None


def color_of(color: str | None) -> PrintColor:
    """A colour as the standard writes it, as red, green and blue."""
    if color is None:
        return 0, 0, 0
    if color in _COLORS:
        return _COLORS[color]
    red, green, blue = (min(int(one or 0), 255) for one in color.split(","))
    return red, green, blue


def initial_of(one: FormField) -> str | bytes | None:
    """What a field shows without a value: text, or a picture.

    Raises:
        ValueError: its picture is not base64.
    """
    definition = one.definition
    if one.kind != "graphic":
        return definition.initial_value
    if definition.initial_graphic is not None or definition.initial_value is None:
        return definition.initial_graphic
    try:
        # The form language has only text for it.
        return base64.b64decode(definition.initial_value, validate=True)
    except binascii.Error:
        raise ValueError("its initial value is not a picture in base64") from None
