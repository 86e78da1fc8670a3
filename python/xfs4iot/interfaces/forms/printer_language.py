"""The form language of printers: XFSFORM with fields, frames and subforms, and XFSMEDIA.

Source: form and media definition language of CEN/XFS 3, printers; the definitions that Printer.SetForm
and Printer.SetMedia have in 2024-3.
"""

from __future__ import annotations

from typing import Any

from xfs4iot.interfaces.forms.grammar import (
    Block,
    Definition,
    Flags,
    Keyword,
    Number,
    Pages,
    Rgb,
    Text,
    Value,
    Version,
    Word,
    read,
    words,
    write,
)

__all__ = ["FORM", "MEDIA", "form_text", "media_text", "read_definition"]

_COLORS = words("black", "white", "gray", "red", "blue", "green", "yellow")
_STYLES: dict[str, tuple[str, Any] | None] = {
    "NORMAL": None,
    "BOLD": ("bold", True),
    "ITALIC": ("italic", True),
    "UNDER": ("underline", "single"),
    "DOUBLEUNDER": ("underline", "double"),
    "DOUBLE": ("width", "double"),
    "TRIPLE": ("width", "triple"),
    "QUADRUPLE": ("width", "quadruple"),
    "STRIKETHROUGH": ("strike", "single"),
    "DOUBLESTRIKE": ("strike", "double"),
    "ROTATE90": ("rotate", "ninety"),
    "ROTATE270": ("rotate", "twoSeventy"),
    "UPSIDEDOWN": ("rotate", "upsideDown"),
    "PROPORTIONAL": ("characterSpacing", "proportional"),
    "CONDENSED": ("characterSpacing", "condensed"),
    "DOUBLEHIGH": ("lineSpacing", "double"),
    "TRIPLEHIGH": ("lineSpacing", "triple"),
    "QUADRUPLEHIGH": ("lineSpacing", "quadruple"),
    "SUPERSCRIPT": ("script", "superscript"),
    "SUBSCRIPT": ("script", "subscript"),
    "OVERSCORE": ("overscore", True),
    "LETTERQUALITY": ("quality", "letter"),
    "NEARLETTERQUALITY": ("quality", "nearLetter"),
    "OPAQUE": ("opaque", True),
}
_FRAME_STYLES = words(
    "singleThin",
    "doubleThin",
    "singleThick",
    "doubleThick",
    "dotted",
    singleThin="SINGLE_THIN",
    doubleThin="DOUBLE_THIN",
    singleThick="SINGLE_THICK",
    doubleThick="DOUBLE_THICK",
)


def _pair(*path: str, names: tuple[str, str] = ("x", "y"), least: int = 0) -> tuple[Value, Value]:
    return Number((*path, names[0]), least), Number((*path, names[1]), least)


def _size(least_height: int = 1) -> tuple[Value, Value]:
    # The newest version leaves the height of endless paper out; the language says 0.
    return (
        Number(("size", "width"), 1),
        Number(("size", "height"), least_height, absent=None if least_height else 0),
    )


def _color(keyword: str, path: str) -> tuple[Keyword, Keyword]:
    return (
        Keyword(keyword, (Word((path,), _COLORS, also_numbers=True),)),
        Keyword(f"RGB{keyword}", (Rgb((path,)),)),
    )


_UNIT = Keyword(
    "UNIT",
    (Word(("unit", "base"), words("inch", "mm", "rowColumn")), *_pair("unit", least=1)),
    required=True,
)
_SIDE = Keyword("SIDE", (Word(("side",), words("front", "back")),))
_PAGES = (Keyword("HEADER", (Pages(("header",)),)), Keyword("FOOTER", (Pages(("footer",)),)))


def _field(content: dict[str, Any]) -> None:
    """A field as the newest version has it: an index without elements is not an index."""
    if content.get("index", {}).get("repeatCount") == 0:
        del content["index"]
    if "position" not in content and "follows" not in content:
        raise ValueError("it needs a POSITION, or FOLLOWS with the field above it")


FIELD = Block(
    "XFSFIELD",
    (
        Keyword("POSITION", (*_pair("position"), Number(("position", "z"))), least=2),
        Keyword("FOLLOWS", (Text(("follows",)),)),
        *_PAGES,
        _SIDE,
        Keyword("SIZE", _size(), required=True),
        Keyword(
            "INDEX",
            (
                Number(("index", "repeatCount")),
                Number(("index", "x"), default=0),
                Number(("index", "y"), default=0),
            ),
        ),
        Keyword(
            "TYPE",
            (Word(("fieldType",), words("text", "micr", "ocr", "msf", "barcode", "graphic", "pagemark")),),
        ),
        Keyword("SCALING", (Word(("scaling",), words("bestFit", "asIs", "maintainAspect")),)),
        Keyword("BARCODE", (Word(("barcode",), words("none", "above", "below", "both")),)),
        Keyword("COERCIVITY", (Word(("coercivity",), words("auto", "low", "high")),)),
        Keyword("CLASS", (Word(("class",), words("optional", "static", "required")),)),
        Keyword("ACCESS", (Word(("access",), words("write", "read", "readWrite")),)),
        Keyword(
            "OVERFLOW",
            (Word(("overflow",), words("terminate", "truncate", "bestFit", "overwrite", "wordWrap")),),
        ),
        Keyword("STYLE", (Flags(("style",), _STYLES),)),
        Keyword("CASE", (Word(("case",), words("noChange", "upper", "lower")),)),
        Keyword("HORIZONTAL", (Word(("horizontal",), words("left", "right", "center", "justify")),)),
        Keyword("VERTICAL", (Word(("vertical",), words("bottom", "center", "top")),)),
        *_color("COLOR", "color"),
        Keyword("LANGUAGE", (Number(("language",)),), ignored=True),
        Keyword("FONT", (Text(("font", "name")),)),
        Keyword("POINTSIZE", (Number(("font", "pointSize")),)),
        Keyword("CPI", (Number(("font", "cpi")),)),
        Keyword("LPI", (Number(("font", "lpi")),)),
        Keyword("FORMAT", (Text(("format",)),)),
        Keyword("INITIALVALUE", (Text(("initialValue",)),)),
    ),
    normal=_field,
    unsaid=("initialGraphic",),
)
FRAME = Block(
    "XFSFRAME",
    (
        Keyword("POSITION", (*_pair("position"), Number(("position", "z"))), least=2),
        Keyword("FRAMES", (Text(("frames",)),)),
        *_PAGES,
        _SIDE,
        Keyword("SIZE", _size(), required=True),
        Keyword("REPEATONX", _pair("repeat", names=("repeatCountX", "offsetX"))),
        Keyword("REPEATONY", _pair("repeat", names=("repeatCountY", "offsetY"))),
        Keyword(
            "TYPE",
            (
                Word(
                    ("fieldType",),
                    words("rectangle", "roundedCorner", "ellipse", roundedCorner="ROUNDED_CORNER"),
                ),
            ),
        ),
        Keyword("CLASS", (Word(("class",), words("static", "optional")),)),
        Keyword("OVERFLOW", (Word(("overflow",), words("terminate", "truncate", "bestFit")),)),
        Keyword("STYLE", (Word(("style",), _FRAME_STYLES),)),
        *_color("COLOR", "color"),
        *_color("FILLCOLOR", "fillColor"),
        Keyword(
            "FILLSTYLE",
            (
                Word(
                    ("fillStyle",),
                    words(
                        "none",
                        "solid",
                        "bdiagonal",
                        "cross",
                        "diagcross",
                        "fdiagonal",
                        "horizontal",
                        "vertical",
                    ),
                ),
            ),
        ),
        Keyword("SUBSTSIGN", (Text(("substSign",)),)),
        Keyword("TITLE", (Text(("title",)),)),
        Keyword("HORIZONTAL", (Word(("horizontal",), words("left", "right", "center")),)),
        Keyword("VERTICAL", (Word(("vertical",), words("bottom", "top")),)),
    ),
)
SUBFORM = Block(
    "XFSSUBFORM",
    (
        Keyword("POSITION", (*_pair("position"), Number(("position", "z"))), least=2, required=True),
        Keyword("SIZE", _size(), required=True),
    ),
    blocks={"fields": FIELD, "frames": FRAME},
)
FORM = Block(
    "XFSFORM",
    (
        _UNIT,
        Keyword("SIZE", _size(), required=True),
        Keyword(
            "ALIGNMENT",
            (
                Word(
                    ("alignment", "relative"),
                    words("topLeft", "topRight", "bottomLeft", "bottomRight"),
                    default="TOPLEFT",
                ),
                Number(("alignment", "x"), default=0),
                Number(("alignment", "y"), default=0),
            ),
        ),
        Keyword("ORIENTATION", (Word(("orientation",), words("portrait", "landscape")),)),
        Keyword("SKEW", (Number(("skew",)),)),
        Keyword(
            "VERSION",
            (
                Version(("version", "version")),
                Text(("version", "date"), default=""),
                Text(("version", "author"), default=""),
            ),
        ),
        Keyword("CPI", (Number(("cpi",), 1),)),
        Keyword("LPI", (Number(("lpi",), 1),)),
        Keyword("POINTSIZE", (Number(("pointSize",), 1),)),
        Keyword("COPYRIGHT", (Text(("copyright",)),)),
        Keyword("TITLE", (Text(("title",)),)),
        Keyword("COMMENT", (Text(("comment",)),)),
        Keyword("USERPROMPT", (Text(("userPrompt",)),)),
        Keyword("LANGUAGE", (Number(("language",)),), ignored=True),
    ),
    blocks={"fields": FIELD, "frames": FRAME, "subForms": SUBFORM},
)
_AREA = {"x": 0, "y": 0, "width": 1, "height": 1}
MEDIA = Block(
    "XFSMEDIA",
    (
        Keyword("TYPE", (Word(("mediaType",), words("generic", "passbook", "multipart")),)),
        Keyword(
            "SOURCE",
            (Word(("source",), words("any", "upper", "lower", "external", "aux", "aux2", "park")),),
        ),
        _UNIT,
        Keyword("SIZE", _size(least_height=0), required=True),
        *(
            Keyword(keyword, tuple(Number((path, one), least) for one, least in _AREA.items()))
            for keyword, path in (("PRINTAREA", "printArea"), ("RESTRICTED", "restricted"))
        ),
        Keyword("FOLD", (Word(("fold",), words("horizontal", "vertical", none="NONE")),)),
        Keyword("STAGGERING", (Number(("staggering",)),)),
        Keyword("PAGE", (Number(("page",), absent=0),)),
        Keyword("LINES", (Number(("lines",), absent=0),)),
    ),
)


def read_definition(text: str) -> Definition:
    """The form or media in a text of Printer.LoadDefinition.

    Raises:
        DefinitionError: it cannot be read; says where and what was expected.
    """
    return read(text, (FORM, MEDIA))


def form_text(name: str, form: dict[str, Any]) -> str:
    """A form, as Printer.SetForm has it, in the form language.

    Raises:
        CannotBeSaid: the language has no words for something in it.
    """
    return write(FORM, name, _counted(form))


def _counted(part: dict[str, Any]) -> dict[str, Any]:
    """A form, or a sub form, whose indexed fields all say of how many elements: the language must."""
    found = dict(part)
    if found.get("fields"):
        found["fields"] = {
            name: {**one, "index": {"repeatCount": 1, **one["index"]}}
            if one.get("index") is not None
            else one
            for name, one in found["fields"].items()
        }
    if found.get("subForms"):
        found["subForms"] = {name: _counted(one) for name, one in found["subForms"].items()}
    return found


def media_text(name: str, media: dict[str, Any]) -> str:
    """A media, as Printer.SetMedia has it, in the form language.

    Raises:
        CannotBeSaid: the language has no words for something in it.
    """
    return write(MEDIA, name, media)
