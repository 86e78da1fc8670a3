"""The form language of text terminals: XFSFORM with fields, sizes in characters.

Source: form definition language of CEN/XFS 3, text terminals; the definition that TextTerminal.SetForm has
in 2024-3.
"""

from __future__ import annotations

from typing import Any

from xfs4iot.interfaces.forms.grammar import (
    Block,
    Definition,
    Flags,
    Keyword,
    Number,
    Text,
    Version,
    Word,
    read,
    words,
    write,
)

__all__ = ["FORM", "form_text", "read_definition"]

_STYLES: dict[str, tuple[str, Any] | None] = {
    "NORMAL": None,
    "UNDERLINE": ("underline", True),
    "INVERTED": ("inverted", True),
    "FLASHING": ("flashing", True),
}

FIELD = Block(
    "XFSFIELD",
    (
        Keyword("POSITION", (Number(("position", "x")), Number(("position", "y"))), required=True),
        Keyword(
            "SIZE",
            (Number(("size", "width"), 1), Number(("size", "height"), 1)),
            least=1,
            required=True,
        ),
        Keyword("TYPE", (Word(("fieldType",), words("text", "invisible", "password", "graphic")),)),
        Keyword("SCALING", (Word(("scaling",), words("bestFit", "asIs", "maintainAspect")),)),
        Keyword("CLASS", (Word(("class",), words("optional", "static", "required")),)),
        Keyword("KEYS", (Word(("keys",), words("numeric", "hexadecimal", "alphanumeric")),)),
        Keyword("ACCESS", (Word(("access",), words("write", "read", "readWrite")),)),
        Keyword("OVERFLOW", (Word(("overflow",), words("terminate", "truncate", "overwrite")),)),
        Keyword("STYLE", (Flags(("style",), _STYLES),)),
        Keyword("HORIZONTAL", (Word(("horizontal",), words("left", "right", "center")),)),
        Keyword("FORMAT", (Text(("format",)),)),
        Keyword("INITIALVALUE", (Text(("initialValue",)),)),
        Keyword("LANGUAGE", (Number(("language",)),), ignored=True),
    ),
    unsaid=("initialGraphic",),
)
FORM = Block(
    "XFSFORM",
    (
        Keyword("SIZE", (Number(("size", "width"), 1), Number(("size", "height"), 1)), required=True),
        Keyword(
            "VERSION",
            (
                Version(("version", "version")),
                Text(("version", "date"), default=""),
                Text(("version", "author"), default=""),
            ),
        ),
        Keyword("COPYRIGHT", (Text(("copyright",)),)),
        Keyword("TITLE", (Text(("title",)),)),
        Keyword("COMMENT", (Text(("comment",)),)),
        Keyword("LANGUAGE", (Number(("language",)),), ignored=True),
    ),
    blocks={"fields": FIELD},
)


def read_definition(text: str) -> Definition:
    """The form in a text of TextTerminal.LoadForm.

    Raises:
        DefinitionError: it cannot be read; says where and what was expected.
    """
    return read(text, (FORM,))


def form_text(name: str, form: dict[str, Any]) -> str:
    """A form, as TextTerminal.SetForm has it, in the form language.

    Raises:
        CannotBeSaid: the language has no words for something in it.
    """
    return write(FORM, name, form)
