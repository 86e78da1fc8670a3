"""The form language of printers and text terminals: read, written, and refused with a place."""

from __future__ import annotations

from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies

from xfs4iot.interfaces.forms import printer_language, terminal_language
from xfs4iot.interfaces.forms.grammar import CannotBeSaid
from xfs4iot.interfaces.forms.tokens import DefinitionError, tokens
from xfs4iot.protocol.messages import printer, text_terminal

RECEIPT = r"""// a receipt
XFSFORM "Receipt" BEGIN
    UNIT ROWCOLUMN, 1, 1   SIZE 40, 20
    ALIGNMENT TOPLEFT, 2, 3  ORIENTATION PORTRAIT
    VERSION 1, 2, "2024-01-31", "A \"quoted\" author"
    TITLE "two \
lines of source, one of text"
    LANGUAGE 1031
    XFSFIELD "Amount" BEGIN
        POSITION 0, 4
        SIZE 20, 1
        STYLE BOLD | // a comment between
              DOUBLEUNDER | DOUBLE
        HORIZONTAL RIGHT CLASS REQUIRED ACCESS READWRITE
        RGBCOLOR 1,2,3 FONT "Courier" POINTSIZE 10
        INDEX 3, 0, 2
    END
    XFSFIELD "Below" BEGIN FOLLOWS "Amount" SIZE 20,1 INDEX 0,0,0 HEADER 0,2-4 END
    XFSFRAME "Box" BEGIN POSITION 0,0 SIZE 40,20 STYLE DOUBLE_THIN FILLSTYLE NONE END
    XFSSUBFORM "Foot" BEGIN POSITION 0,18 SIZE 40,2
        XFSFIELD "Amount" BEGIN POSITION 0,0 SIZE 1,1 INITIALVALUE "\x41\101\t" END
    END
END // the end
"""


def printed(**more: Any) -> dict[str, Any]:
    return {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 9, "height": 9}} | more


def test_a_form_is_read_as_the_newest_version_has_it() -> None:
    found = printer_language.read_definition(RECEIPT)
    assert (found.kind, found.name, found.ignored) == ("XFSFORM", "Receipt", ("LANGUAGE",))
    assert found.content == {
        "unit": {"base": "rowColumn", "x": 1, "y": 1},
        "size": {"width": 40, "height": 20},
        "alignment": {"relative": "topLeft", "x": 2, "y": 3},
        "orientation": "portrait",
        "version": {"version": "1.2", "date": "2024-01-31", "author": 'A "quoted" author'},
        "title": "two lines of source, one of text",
        "fields": {
            "Amount": {
                "position": {"x": 0, "y": 4},
                "size": {"width": 20, "height": 1},
                "style": {"bold": True, "underline": "double", "width": "double"},
                "horizontal": "right",
                "class": "required",
                "access": "readWrite",
                "color": "1,2,3",
                "font": {"name": "Courier", "pointSize": 10},
                "index": {"repeatCount": 3, "x": 0, "y": 2},
            },
            "Below": {"follows": "Amount", "size": {"width": 20, "height": 1}, "header": "0,2-4"},
        },
        "frames": {
            "Box": {
                "position": {"x": 0, "y": 0},
                "size": {"width": 40, "height": 20},
                "style": "doubleThin",
                "fillStyle": "none",
            }
        },
        "subForms": {
            "Foot": {
                "position": {"x": 0, "y": 18},
                "size": {"width": 40, "height": 2},
                "fields": {
                    "Amount": {
                        "position": {"x": 0, "y": 0},
                        "size": {"width": 1, "height": 1},
                        "initialValue": "AA\t",
                    }
                },
            }
        },
    }
    msgspec.convert(found.content, printer.SetFormForm)


def test_a_media_is_read_and_an_endless_roll_has_no_height() -> None:
    found = printer_language.read_definition(
        'XFSMEDIA "Roll" BEGIN TYPE GENERIC SOURCE LOWER UNIT MM,1,1 SIZE 80,0 PRINTAREA 4,0,72,100\n'
        "FOLD HORIZONTAL STAGGERING 2 PAGE 0 LINES 12 END"
    )
    assert found.content == {
        "mediaType": "generic",
        "source": "lower",
        "unit": {"base": "mm", "x": 1, "y": 1},
        "size": {"width": 80},
        "printArea": {"x": 4, "y": 0, "width": 72, "height": 100},
        "fold": "horizontal",
        "staggering": 2,
        "lines": 12,
    }
    assert "SIZE 80, 0" in printer_language.media_text("Roll", found.content)
    assert "FOLD NONE" not in printer_language.media_text("Roll", found.content)


def test_a_form_of_a_terminal_is_read() -> None:
    found = terminal_language.read_definition(
        'XFSFORM "Ask" BEGIN SIZE 16,2 VERSION 0,1,"","" XFSFIELD "Pin" BEGIN POSITION 3,1 SIZE 4\n'
        "TYPE PASSWORD KEYS NUMERIC ACCESS READ STYLE INVERTED|FLASHING END END"
    )
    assert found.content == {
        "size": {"width": 16, "height": 2},
        "version": {"date": "", "author": ""},
        "fields": {
            "Pin": {
                "position": {"x": 3, "y": 1},
                "size": {"width": 4},
                "fieldType": "password",
                "keys": "numeric",
                "access": "read",
                "style": {"inverted": True, "flashing": True},
            }
        },
    }


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_lines_end_in_three_ways_and_are_counted(end: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        printer_language.read_definition(f'XFSFORM "A"{end}BEGIN{end}  UNIT METER, 1, 1')
    assert (caught.value.line, caught.value.column) == (3, 8)


START = 'XFSFORM "A" BEGIN UNIT MM,1,1 SIZE 9,9 '


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("", 1, 1, "expected XFSFORM or XFSMEDIA, found the end of the text"),
        ('"XFSFORM"', 1, 1, "expected XFSFORM or XFSMEDIA"),
        ("xfsform", 1, 1, "expected XFSFORM"),
        ("XFSFORM A BEGIN", 1, 9, "name of the XFSFORM in quotes"),
        ('XFSFORM " " BEGIN', 1, 9, "is empty"),
        ('XFSFORM "A" END', 1, 13, "expected BEGIN"),
        ('XFSFORM "A', 1, 9, "the string does not end on its line"),
        ('XFSFORM "A\n" BEGIN', 1, 9, "the string does not end on its line"),
        ('XFSFORM "A\\q"', 1, 11, "is not an escape"),
        ('XFSFORM "A\\xD800"', 1, 11, "is not a character"),
        (START + "\n SKEW ten", 2, 7, "expected a whole number"),
        (START + "\n SKEW 9999999999", 2, 7, "at most 9 digits"),
        (START + "\n SKEW ٣", 2, 7, "expected a whole number"),
        (START + "\n SKEW -1", 2, 7, "expected a whole number"),
        (START + "\n SKEW 10//x", 2, 7, "expected a whole number"),
        (START + "\n CPI 0", 2, 6, "at least 1"),
        (START + "\n ALIGNMENT TOPLEFT 0 0", 2, 20, "expected a comma"),
        (START + "\n ORIENTATION Portrait", 2, 14, "expected one of PORTRAIT, LANDSCAPE"),
        (START + "\n SKEW 1 SKEW 1", 2, 9, "a second time"),
        (START + "\n ORIENTATON PORTRAIT", 2, 2, "did you mean ORIENTATION?"),
        (START + "\n KEYS NUMERIC", 2, 2, "XFSFORM has no keyword"),
        (START + "\n XFSTABLE", 2, 2, "XFSFORM has no keyword"),
        (START + '\n XFSFIELD "F" BEGIN POSITION 0,0 END END', 2, 11, "has no SIZE"),
        (START + '\n XFSFIELD "F" BEGIN SIZE 1,1 END END', 2, 11, "needs a POSITION"),
        (START + '\n XFSFIELD "F" BEGIN POSITION 0,0 SIZE 0,1', 2, 39, "at least 1"),
        (START + '\n XFSFIELD "F" BEGIN POSITION 0,0 SIZE 1,1 STYLE UNDER|DOUBLEUNDER', 2, 55, "exclude"),
        (START + '\n XFSFIELD "F" BEGIN POSITION 0,0 SIZE 1,1 RGBCOLOR 1,2,256', 2, 56, "up to 255"),
        (START + '\n XFSFIELD "F" BEGIN POSITION 0,0 SIZE 1,1 HEADER 1,b', 2, 52, "expected a page"),
        (START + 2 * '\nXFSFIELD "F" BEGIN FOLLOWS "G" SIZE 1,1 END', 3, 10, "another"),
        (START + "END\nEND", 2, 1, "expected the end of the text"),
        (START + 'END\nXFSMEDIA "B"', 2, 1, "expected the end of the text"),
        (START, 1, 40, "a keyword or END, found the end of the text"),
        ('XFSFORM "A" BEGIN SIZE 9,9 END', 1, 9, "has no UNIT"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(text: str, line: int, column: int, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        printer_language.read_definition(text)
    assert says in caught.value.reason
    assert (caught.value.line, caught.value.column) == (line, column), caught.value
    assert len(str(caught.value)) < 500


def test_a_message_shows_no_more_than_a_little_of_a_long_word() -> None:
    with pytest.raises(DefinitionError) as caught:
        printer_language.read_definition("\x1b" + "A" * 1_000_000)
    assert len(str(caught.value)) < 200
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"fields": {"Logo": {"position": {"x": 0, "y": 0}, "initialGraphic": "AA=="}}}, "initialGraphic"),
        ({"fields": {"F": {"position": {"x": 0}, "size": {"width": 1, "height": 1}}}}, "position.y"),
        ({"cpi": 10**9}, "cpi: the form language has no number of 10 digits"),
        ({"version": {"version": "12345678901.0"}}, "no number of 11 digits"),
    ],
)
def test_what_the_language_has_no_words_for_is_refused_when_written(more: Any, says: str) -> None:
    with pytest.raises(CannotBeSaid, match=says):
        printer_language.form_text("A", printed(**more))
    with pytest.raises(CannotBeSaid, match="source"):
        printer_language.media_text("A", printed(source="bypassTray"))


@pytest.mark.parametrize(
    ("index", "again"),
    [
        ({}, {"repeatCount": 1, "x": 0, "y": 0}),
        ({"x": 2}, {"repeatCount": 1, "x": 2, "y": 0}),
        ({"repeatCount": 3, "y": 2}, {"repeatCount": 3, "x": 0, "y": 2}),
        (None, None),
    ],
)
def test_a_field_stays_indexed_or_not(index: Any, again: Any) -> None:
    field: dict[str, Any] = {"position": {"x": 0, "y": 0}, "size": {"width": 5, "height": 1}}
    if index is not None:
        field["index"] = index
    size = {"width": 10, "height": 10}
    part = {"position": {"x": 0, "y": 0}, "size": size, "fields": {"f": field}}
    form = {
        "unit": {"base": "mm", "x": 1, "y": 1},
        "size": size,
        "fields": {"f": field},
        "subForms": {"s": part},
    }
    found = printer_language.read_definition(printer_language.form_text("F", form)).content
    assert found["fields"]["f"].get("index") == again
    assert found["subForms"]["s"]["fields"]["f"].get("index") == again


def test_fields_are_written_in_the_order_in_which_they_are_printed() -> None:
    place = {"position": {"x": 0, "y": 0}, "size": {"width": 1, "height": 1}}
    fields = {"last": place, "second": place | {"order": 7}, "first": place | {"order": 2}}
    text = printer_language.form_text("A", printed(fields=fields))
    assert list(printer_language.read_definition(text).content["fields"]) == ["first", "second", "last"]


# Texts have no lone surrogates: no message on the wire can have them.
_TEXT = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=8)
_NAMES = _TEXT.filter(lambda text: bool(text.strip()))
_PAGES = strategies.sampled_from(["ALL", "0", "1-2", "0,3-4,7"])
_COLOR = strategies.sampled_from(["black", "yellow", "0,10,255"])
_LEFT_OUT = {"order", "initialGraphic"}
# What stands for nothing being said has no word of its own.
_SAYS_NOTHING = {
    "underline": {"none"},
    "strike": {"none"},
    "rotate": {"none"},
    "width": {"single"},
    **{one: {"standard"} for one in ("characterSpacing", "lineSpacing", "script", "quality")},
}


def definitions(kind: Any, name: str = "") -> strategies.SearchStrategy[Any]:
    """Values of a type of the catalogue, as they are on the wire."""
    special = {"header": _PAGES, "footer": _PAGES, "color": _COLOR, "fillColor": _COLOR}
    if name in special:
        return special[name]
    if name == "source":
        return strategies.sampled_from(["any", "aux2"])
    if name == "version" and isinstance(kind, msgspec.inspect.StrType):
        return strategies.sampled_from(["1.0", "3.14"])
    match kind:
        case msgspec.inspect.StructType():
            whole = name in {"position", "size", "unit", "repeat", "index", "printArea", "restricted"}
            fields = {
                field.encode_name: definitions(field.type, field.encode_name)
                for field in kind.fields
                if field.encode_name not in _LEFT_OUT
            }
            if name in {"position", "alignment", "version"}:
                return strategies.fixed_dictionaries(fields)
            needed = {
                one: value for one, value in fields.items() if whole or one in {"position", "size", "unit"}
            }
            return strategies.fixed_dictionaries(
                needed, optional={one: value for one, value in fields.items() if one not in needed}
            )
        case msgspec.inspect.UnionType():
            (inner,) = (one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType))
            return definitions(inner, name)
        case msgspec.inspect.DictType():
            return strategies.dictionaries(_NAMES, definitions(kind.value_type), min_size=1, max_size=3)
        case msgspec.inspect.LiteralType():
            return strategies.sampled_from(
                [value for value in kind.values if value not in _SAYS_NOTHING.get(name, ())]
            )
        case msgspec.inspect.IntType():
            return strategies.integers(kind.ge or 0, 999_999_999)
        case msgspec.inspect.BoolType():
            return strategies.just(True)
        case msgspec.inspect.StrType():
            return _TEXT
    raise AssertionError(kind)


def _said(content: Any) -> Any:
    """Without empty objects: an object that says nothing is not written."""
    if not isinstance(content, dict):
        return content
    found = {name: _said(value) for name, value in content.items()}
    return {name: value for name, value in found.items() if value != {}}


ROUND_TRIPS = {
    "printer form": (printer.SetFormForm, printer_language.form_text, printer_language.read_definition),
    "media": (printer.SetMediaMedia, printer_language.media_text, printer_language.read_definition),
    "terminal form": (
        text_terminal.SetFormForm,
        terminal_language.form_text,
        terminal_language.read_definition,
    ),
}


@pytest.mark.parametrize("what", ROUND_TRIPS)
def test_what_is_written_is_read_as_it_was(what: str) -> None:
    kind, text_of, read = ROUND_TRIPS[what]

    @hypothesis.given(name=_NAMES, content=definitions(msgspec.inspect.type_info(kind)))
    @hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
    def trip(name: str, content: Any) -> None:
        text = text_of(name, content)
        found = read(text)
        assert (found.name, found.content) == (name, _said(content))
        assert text_of(name, found.content) == text

    trip()


_PIECES = strategies.sampled_from(
    [*RECEIPT.split(), '"', "\\", "//", "\n", "|", ",", "0", '"x"', "END", "BEGIN", "XFSFIELD", "XFSFORM"]
)


@hypothesis.given(
    strategies.one_of(
        strategies.text(max_size=200),
        strategies.lists(_PIECES, max_size=60).map(" ".join),
        strategies.tuples(strategies.integers(0, len(RECEIPT)), _PIECES).map(
            lambda change: RECEIPT[: change[0]] + change[1] + RECEIPT[change[0] :]
        ),
    )
)
@hypothesis.settings(max_examples=500, deadline=None)
def test_no_text_raises_anything_but_the_one_error(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for read in (printer_language.read_definition, terminal_language.read_definition):
        wrong = None
        try:
            read(text)
        except DefinitionError as error:
            wrong = error
        if wrong is not None:
            assert 1 <= wrong.line <= len(lines)
            assert 1 <= wrong.column <= len(lines[wrong.line - 1]) + 1


def test_a_large_text_takes_time_by_its_length_alone() -> None:
    """A million of what could be looked at again and again ends as one error or one token each."""
    assert sum(1 for _ in tokens("\\\n" * 500_000)) == 1
    assert sum(1 for _ in tokens("// \n" * 250_000)) == 1
    assert sum(1 for _ in tokens('"' + "\\\n" * 500_000 + '"')) == 2
    assert sum(1 for _ in tokens("," * 100_000)) == 100_001
