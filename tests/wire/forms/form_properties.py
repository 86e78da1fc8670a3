"""Every property of a form and of a media, with what shows that a printer does not ignore it.

A case gives a property several values, each in the same form, which is then printed, and read. What comes of
it must be different for each value: on paper, or where the case says that it shows. What the standard has,
the catalogue says: see `test_form_properties.py`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["FIELD", "FORM", "FRAME", "MEDIA", "SUB_FORM", "Case"]


def _png(dots: str) -> str:
    """A picture of 8 x 8 dots, as a form has it."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.frombytes("1", (8, 8), bytes.fromhex(dots)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


STRIPED, DOTTED = _png("00ff" * 4), _png("55aa" * 4)
LINE = "Some words, And More of them"


@dataclass(frozen=True)
class Case:
    """What shows a property.

    Attributes:
        values: that it is given; none for all that the catalogue lists.
        around: what the part has besides.
        form, fields, frames: what the form has besides, the field `f` among others.
        prints: values of the fields, each for a PrintForm.
        media: that is printed on.
        seen: where the values show: on `paper`; in the `job`, which the device class is given; in what is
            `read`; what is asked of people, `prompt`; or only in what is `told` of the definition.
        why: it does not show on paper.
    """

    values: tuple[Any, ...] = ()
    around: dict[str, Any] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    frames: dict[str, Any] = field(default_factory=dict)
    prints: tuple[dict[str, Any], ...] = ({"f": LINE},)
    media: dict[str, Any] = field(default_factory=dict)
    seen: Literal["paper", "job", "read", "prompt", "told"] = "paper"
    why: str = ""


def placed(x: int, y: int, width: int = 40, height: int = 6, **more: Any) -> dict[str, Any]:
    return {"position": {"x": x, "y": y}, "size": {"width": width, "height": height}, **more}


SECOND_PAGE = {"second": placed(0, 0, position={"x": 0, "y": 0, "z": 1}, initialValue="second")}
COLORS = ("black", "white", "gray", "red", "blue", "green", "yellow", "1,2,200")
PINK = {"fillStyle": "solid", "fillColor": "250,1,250"}
OTHERS = {
    "other": placed(
        10, 20, 20, 12, overflow="wordWrap", vertical="top", initialValue="of two lines, or of three"
    ),
    "else": placed(30, 40, 20, 12, vertical="top", initialValue="short"),
}
GRAPHIC = {"fieldType": "graphic", "size": {"width": 30, "height": 10}}
PICTURE = ({"f": STRIPED},)
BARCODE = {"fieldType": "barcode", "font": {"name": "CODE39"}, "size": {"width": 60, "height": 20}}
STRIPE = {"fieldType": "msf"}
TEXTS = ({"f": "short"}, {"f": LINE + ", " + LINE})
NUMBER_ROWS = {"repeatCount": 3, "x": 4, "y": 7}

FIELD: dict[str, Case] = {
    "order": Case(
        (1, 9),
        {"style": {"opaque": True}},
        fields={"over": placed(4, 3, order=5, style={"opaque": True}, initialValue="over it")},
    ),
    "position.x": Case((2, 5)),
    "position.y": Case((2, 5)),
    "position.z": Case((0, 1)),
    "follows": Case(("other", "else"), fields=OTHERS),
    "header": Case(("0", "1", "0-1"), fields=SECOND_PAGE),
    "footer": Case(("0", "1", "ALL"), fields=SECOND_PAGE),
    "side": Case(),
    "size.width": Case((25, 65)),
    "size.height": Case((6, 12)),
    "index.repeatCount": Case((1, 2, 3), {"initialValue": "x", "index": {"y": 7}}, prints=({},)),
    "index.x": Case((0, 3), {"initialValue": "x", "index": NUMBER_ROWS}, prints=({},)),
    "index.y": Case((8, 9), {"initialValue": "x", "index": NUMBER_ROWS}, prints=({},)),
    "fieldType": Case(
        around={"font": {"name": "QR"}, "size": {"width": 60, "height": 20}},
        prints=({"f": STRIPED},),
        seen="job",
        why="machines read MICR and OCR by ink and letters that the device knows",
    ),
    "scaling": Case(around=GRAPHIC, prints=PICTURE),
    "barcode": Case(around=BARCODE, prints=({"f": "TEXT"},)),
    "coercivity": Case(around=STRIPE, seen="job", why="it is how a stripe is written"),
    "class": Case(around={"initialValue": "initial"}, prints=({}, {"f": "given"})),
    "access": Case(around={"fieldType": "ocr"}, seen="read", why="it says whether the field is read"),
    "overflow": Case(around={"font": {"pointSize": 12}, "size": {"width": 40, "height": 14}}, prints=TEXTS),
    "style.bold": Case((False, True)),
    "style.italic": Case((False, True)),
    "style.underline": Case(),
    "style.width": Case(around={"size": {"width": 65, "height": 12}}, prints=({"f": "word"},)),
    "style.strike": Case(),
    "style.rotate": Case(around={"size": {"width": 40, "height": 40}}, prints=({"f": "word"},)),
    "style.characterSpacing": Case(),
    "style.lineSpacing": Case(around={"size": {"width": 65, "height": 30}}, prints=({"f": "word"},)),
    "style.script": Case(),
    "style.overscore": Case((False, True)),
    "style.quality": Case(seen="job", why="it is how carefully the device prints"),
    "style.opaque": Case((False, True), frames={"below": placed(0, 0, fillStyle="solid", fillColor="gray")}),
    "case": Case(),
    "horizontal": Case(around={"size": {"width": 38, "height": 12}}),
    "vertical": Case(around={"size": {"width": 65, "height": 20}}),
    "color": Case(COLORS, frames={"below": placed(0, 0, **PINK)}),
    "font.name": Case(("Courier", "Arial")),
    "font.pointSize": Case((6, 9)),
    "font.cpi": Case((12, 15)),
    "font.lpi": Case((6, 12)),
    "format": Case(("PNG", "BMP"), GRAPHIC, prints=PICTURE),
    "initialValue": Case(("one", "two"), prints=({},)),
    "initialGraphic": Case((STRIPED, DOTTED), GRAPHIC, prints=({},)),
}

FRAME: dict[str, Case] = {
    "position.x": Case((2, 5)),
    "position.y": Case((2, 5)),
    "position.z": Case((0, 1)),
    "frames": Case(("other", "else"), fields=OTHERS),
    "header": Case(("0", "1", "0-1"), fields=SECOND_PAGE),
    "footer": Case(("0", "1", "ALL"), fields=SECOND_PAGE),
    "side": Case(),
    "size.width": Case((25, 65)),
    "size.height": Case((6, 12)),
    "repeat.repeatCountX": Case((1, 2), {"size": {"width": 5, "height": 5}, "repeat": {"offsetX": 8}}),
    "repeat.offsetX": Case((6, 8), {"size": {"width": 5, "height": 5}, "repeat": {"repeatCountX": 2}}),
    "repeat.repeatCountY": Case((1, 2), {"size": {"width": 5, "height": 5}, "repeat": {"offsetY": 8}}),
    "repeat.offsetY": Case((6, 8), {"size": {"width": 5, "height": 5}, "repeat": {"repeatCountY": 2}}),
    "fieldType": Case(),
    "class": Case(around={"frames": "f"}, prints=({}, {"f": "x"})),
    "overflow": Case(around={"size": {"width": 100, "height": 100}}),
    "style": Case(),
    "color": Case(COLORS, PINK),
    "fillColor": Case(COLORS, {"fillStyle": "solid"}),
    "fillStyle": Case(),
    "substSign": Case(("*", "+"), seen="job", why="it is printed where the device cannot draw lines"),
    "title": Case(("one", "two")),
    "horizontal": Case(around={"title": "Title"}),
    "vertical": Case(around={"title": "Title"}),
}

SUB_FORM: dict[str, Case] = {
    "position.x": Case((0, 3)),
    "position.y": Case((0, 3)),
    "position.z": Case((0, 1)),
    "size.width": Case((10, 60)),
    "size.height": Case((4, 50)),
}

SMALL: dict[str, Any] = {
    "form": {"size": {"width": 20, "height": 20}, "unit": {"base": "mm", "x": 10, "y": 10}},
    "fields": {"f": placed(0, 0, 20, 20, overflow="truncate")},
    "frames": {"r": placed(0, 0, 20, 20)},
}
TOLD = "it is for who looks after the form"

FORM: dict[str, Case] = {
    "unit.base": Case(**SMALL),
    "unit.x": Case((1, 2)),
    "unit.y": Case((1, 2)),
    "size.width": Case((50, 60), form={"alignment": {"relative": "topRight"}}),
    "size.height": Case((30, 40), form={"alignment": {"relative": "bottomLeft"}}),
    "alignment.relative": Case(form={"alignment": {"x": 1, "y": 1}, "size": {"width": 60, "height": 50}}),
    "alignment.x": Case((0, 3), form={"alignment": {"relative": "topLeft"}}),
    "alignment.y": Case((0, 3), form={"alignment": {"relative": "topLeft"}}),
    "orientation": Case(form={"size": {"width": 55, "height": 55}}),
    "skew": Case((0, 5), seen="job", why="the device looks whether a medium is askew"),
    "version.version": Case(("1.0", "2.0"), seen="told", why=TOLD),
    "version.date": Case(
        ("2024-01-01", "2025-01-01"), form={"version": {"version": "1.0"}}, seen="told", why=TOLD
    ),
    "version.author": Case(("one", "two"), form={"version": {"version": "1.0"}}, seen="told", why=TOLD),
    "cpi": Case((12, 15)),
    "lpi": Case((6, 12)),
    "pointSize": Case((6, 9)),
    "copyright": Case(("one", "two"), seen="told", why=TOLD),
    "title": Case(("one", "two"), seen="told", why=TOLD),
    "comment": Case(("one", "two"), seen="told", why=TOLD),
    "userPrompt": Case(("one", "two"), seen="prompt", why="it is shown to who inserts the medium"),
}

CORNER = {"alignment": {"relative": "bottomRight"}, "size": {"width": 30, "height": 20}}
HERE = {"x": 0, "y": 0, "width": 50, "height": 40}
THERE = {"x": 40, "y": 30, "width": 10, "height": 10}
BOOK = "it is the device that folds and turns passbooks"

MEDIA: dict[str, Case] = {
    "mediaType": Case(seen="job", why="it is how the device handles it"),
    "source": Case(("upper", "lower"), seen="job", why="it is where the paper comes from"),
    "unit.base": Case(media={"size": {"width": 20, "height": 20}, "unit": {"x": 8, "y": 8}}, **SMALL),
    "unit.x": Case((1, 2), form=CORNER, fields={"f": placed(0, 0, 20)}),
    "unit.y": Case((1, 2), form=CORNER, fields={"f": placed(0, 0, 20)}),
    "size.width": Case((70, 75)),
    "size.height": Case((60, 65)),
    "printArea.x": Case((0, 3), media={"printArea": HERE}, form={"size": {"width": 45, "height": 30}}),
    "printArea.y": Case((0, 3), media={"printArea": HERE}, form={"size": {"width": 45, "height": 30}}),
    "printArea.width": Case((50, 55), media={"printArea": HERE}, form=CORNER, fields={"f": placed(0, 0, 20)}),
    "printArea.height": Case(
        (40, 45), media={"printArea": HERE}, form=CORNER, fields={"f": placed(0, 0, 20)}
    ),
    "restricted.x": Case((5, 60), media={"restricted": {**THERE, "y": 2}}),
    "restricted.y": Case((5, 40), media={"restricted": {**THERE, "x": 2}}),
    "restricted.width": Case((1, 10), media={"restricted": {**THERE, "x": 0, "y": 2}}),
    "restricted.height": Case((1, 10), media={"restricted": {**THERE, "x": 2, "y": 0}}),
    "fold": Case(seen="job", why=BOOK),
    "staggering": Case((5, 10), seen="job", why=BOOK),
    "page": Case((4, 8), seen="job", why=BOOK),
    "lines": Case((20, 30), seen="job", why=BOOK),
}
