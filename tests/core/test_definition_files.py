"""Files with forms: whatever is in them, what is wrong is told with a place that is in the file."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from xfs4iot.interfaces.forms.definition_files import as_json, as_text, problems_of, read_file
from xfs4iot.interfaces.forms.json_places import read_json
from xfs4iot.interfaces.forms.tokens import DefinitionError

VALUES = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(10**6), 10**6)
    | strategies.floats(allow_nan=False)
    | strategies.text(max_size=5),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)
KEYS = [
    "name", "form", "media", "unit", "base", "x", "y", "size", "width", "height", "fields", "frames",
    "subForms", "position", "follows", "index", "repeatCount", "style", "bold", "class", "header",
]  # fmt: skip
FORMS = strategies.recursive(
    strategies.sampled_from([0, 1, 72, "mm", "a", "ALL", "static", True, None]),
    lambda inner: strategies.dictionaries(strategies.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)
WORDS = strategies.sampled_from(
    [
        *(
            "XFSFORM",
            "XFSMEDIA",
            "XFSFIELD",
            "XFSFRAME",
            "XFSSUBFORM",
            '"a"',
            '"b"',
            "BEGIN",
            "END",
            "UNIT",
            "MM",
        ),
        *(
            ",",
            "1",
            "SIZE",
            "POSITION",
            "0",
            "9",
            "CLASS",
            "STATIC",
            "LANGUAGE",
            "TYPE",
            "BARCODE",
            "KEYS",
            "|",
        ),
        *("NUMERIC", "STYLE", "BOLD", "FOLLOWS"),
    ]
)


def at(text: str, place: tuple[int, int]) -> str:
    """What begins at a line and a column."""
    line, column = place
    return "\n".join(text.split("\n")[line - 1 :])[column - 1 :]


@hypothesis.given(VALUES, strategies.sampled_from([None, 0, 2]), strategies.booleans())
def test_each_value_of_a_json_text_has_its_place(content: Any, indent: int | None, ascii_: bool) -> None:
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_)
    again, places = read_json(text)
    assert again == content
    for path, place in places.items():
        value = content
        for step in path:
            value = value[step]
        wanted = value if not path or isinstance(path[-1], int) else path[-1]
        found, _ = json.JSONDecoder().raw_decode(at(text, place))
        assert found == wanted
    count = 0

    def counted(value: Any) -> None:
        nonlocal count
        count += 1
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            counted(one)

    counted(content)
    assert len(places) == count


@hypothesis.given(
    FORMS.map(json.dumps) | strategies.lists(WORDS, max_size=40).map(" ".join) | strategies.text(max_size=40)
)
def test_whatever_is_in_a_file_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        found = read_file(text, "file")
    except DefinitionError as refused:
        wrong = refused
    else:
        assert [one.content for one in read_file(as_json(found), "file")] == [one.content for one in found]
        for one in found:
            problems = list(problems_of(one))
            assert all(at(text, (problem.line, problem.column)) for problem in problems)
            if not any(problem.severity == "error" for problem in problems):
                as_text(one)
        return
    assert wrong.line >= 1
    assert wrong.column >= 1


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a": ' + "9" * 5_000 + "}", "[]", "[1]", '{"form": 1}', '{"name": 7, "size": {}}'],
)
def test_what_is_no_definition_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError):
        read_file(text, "file")
