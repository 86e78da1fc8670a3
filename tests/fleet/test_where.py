"""The language of `--where`: what it means, that it is read as written, and what it says of mistakes."""

from __future__ import annotations

import fnmatch
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfs4iot.fleet.where import FIELDS, Row, WhereError, parse

PAGE = Path(__file__).parents[2] / "docs" / "fleet.md"
UNITS: list[Row] = [
    {"device": "atm1", "online": True, "service.name": "CashDispenser", "unit.name": "unit1",
     "service.interface": ("Common", "CashDispenser"), "unit.currency": "EUR", "unit.count": Decimal(20),
     "unit.replenishmentStatus": "low"},
    {"device": "atm1", "online": True, "service.name": "CashDispenser", "unit.name": "unit2",
     "service.interface": ("Common", "CashDispenser"), "unit.currency": "USD", "unit.count": Decimal(900),
     "unit.replenishmentStatus": "ok"},
    {"device": "atm1", "online": True, "service.name": "Lights", "service.interface": ("Common", "Lights")},
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("unit.replenishmentStatus == low", True),
        ("unit.replenishmentStatus == 'low'", True),
        ("unit.currency == USD and unit.count < 100", False),  # said of one and the same unit
        ("any(unit.currency == USD) and any(unit.count < 100)", True),
        ("not any(unit.replenishmentStatus == empty)", True),
        ("not any(unit.replenishmentStatus == low)", False),
        ("not unit.replenishmentStatus == low", True),  # of another unit
        ("unit.count == 20.0 or device == nobody", True),
        ("unit.count > 20 and unit.count < 900", False),
        ("unit.name == missing", True),
        ("unit.name == missing and service.interface == CashDispenser", False),
        ("unit.count != 20 and unit.count != 900", True),  # that of the service without units
        ("unit.count < 0 or unit.count >= 901", False),
        ("online", True),
        ("online == false", False),
        ("not online", False),
        ("device ~ 'atm*' and service.name ~ '*Disp?nser'", True),
        ("device ~ '[a]tm1'", False),
        ("version == missing", True),
        ("version > '0'", False),
        ("service.interface != CashDispenser and unit.name == missing", True),
        ("device == atm1 or device == atm2 and not online", True),
        ("(device == atm1 or device == atm2) and not online", False),
    ],
)
def test_what_an_expression_means(text: str, meant: bool) -> None:
    assert parse(text).matches(UNITS) is meant


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "a field is missing here, not the end"),
        ("unit.count < low", 14, "unit.count is a number"),
        ("count < 5", 1, "did you mean unit.count?"),
        ("unit.replenishmentstatus == low", 1, "did you mean unit.replenishmentStatus?"),
        ("unit.count = 5", 12, "write =="),
        ("unit.count ! 5", 12, "write !="),
        ("device == 'atm1", 11, "there is no second '"),
        ("(online", 8, "the ( of column 1 is not closed"),
        ("online)", 7, "there is no ( for this )"),
        ("online online", 8, "join conditions by and, or"),
        ("device", 7, "is to be compared"),
        ("device ==", 10, "a value is missing here"),
        ("any online", 5, "any needs ("),
        ("online < true", 8, "cannot be compared by <"),
        ("online == yes", 11, "true or false"),
        ("unit.count ~ 5", 12, "cannot be compared by ~"),
        ("device < missing", 10, "by == and != only"),
        ("device == and", 11, "write 'and'"),
        ("unit.count < 1e999999999", 14, "is a number"),
        ("not " * 40 + "online", 129, "more than 32"),
        ("(" * 400, 33, "more than 32"),
        ("x" * 1001, 1001, "1000 characters"),
        ("device == \x1b[2J and \x1b", 20, "\\x1b is not a field"),
    ],
)
def test_a_mistake_is_told_with_its_column(text: str, column: int, said: str) -> None:
    with pytest.raises(WhereError) as raised:
        parse(text)
    assert (raised.value.column, said in str(raised.value)) == (column, True), str(raised.value)
    assert "\x1b" not in str(raised.value)


@given(st.text(st.sampled_from("ab1.=!<>~()'\" \n\x1b[*") | st.characters(), max_size=60))
def test_whatever_is_written_is_an_expression_or_a_mistake(text: str) -> None:
    wrong = None
    try:
        parse(text).matches(UNITS)
    except WhereError as raised:
        wrong = raised
    assert wrong is None or 1 <= wrong.column <= len(text) + 1


def _texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_characters="'\""), max_size=5) | st.sampled_from(["low", "and", "5"])


_NUMBERS = st.decimals(-1000, 1000, places=2, allow_nan=False)
_CONDITIONS = st.one_of(
    st.tuples(
        st.just("compare"), st.sampled_from([name for name, one in FIELDS.items() if one.kind == "text"]),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "~"]), _texts(),
    ),
    st.tuples(
        st.just("compare"), st.sampled_from([name for name, one in FIELDS.items() if one.kind == "number"]),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), _NUMBERS,
    ),
    st.tuples(st.just("compare"), st.sampled_from(list(FIELDS)), st.sampled_from(["==", "!="]), st.none()),
)  # fmt: skip
_TREES = st.recursive(
    _CONDITIONS,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.just("any"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    ),
    max_leaves=8,
)
_ROWS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            name: {"text": _texts(), "number": _NUMBERS, "truth": st.booleans()}[one.kind]
            for name, one in FIELDS.items()
        },
    ),
    min_size=1,
    max_size=4,
)


def written(tree: Any) -> str:
    match tree:
        case ("compare", name, sign, value):
            said = "missing" if value is None else f"'{value}'" if isinstance(value, str) else f"{value}"
            return f"{name}{sign}{said}"
        case ("not" | "any" as word, inner):
            return f"{word} ({written(inner)})"
        case (word, one, other):
            return f"({written(one)}) {word} ({written(other)})"


def meant(tree: Any, row: Row, rows: list[Row]) -> bool:
    """The same said a second time, as plainly as can be."""
    match tree:
        case ("not", inner):
            return not meant(inner, row, rows)
        case ("any", inner):
            return any(meant(inner, other, rows) for other in rows)
        case ("and", one, other):
            return meant(one, row, rows) and meant(other, row, rows)
        case ("or", one, other):
            return meant(one, row, rows) or meant(other, row, rows)
    _, name, sign, value = tree
    found = row.get(name)
    if sign == "==":
        return bool(found == value)
    if sign == "!=":
        return bool(found != value)
    if found is None:
        return False
    if sign == "~":
        return fnmatch.fnmatchcase(found, value.replace("[", "[[]"))
    return bool(eval(f"found {sign} value", {"found": found, "value": value}))


@given(_TREES, _ROWS)
def test_what_is_read_means_what_is_written(tree: Any, rows: list[Row]) -> None:
    expression = parse(written(tree))
    wanted = any(meant(tree, row, rows) for row in rows)
    assert expression.matches(rows) is wanted
    assert parse(str(expression)).matches(rows) is wanted


class Counted(dict[str, Any]):
    asked = 0

    def get(self, *name: Any) -> Any:
        Counted.asked += 1
        return super().get(*name)


def test_what_is_nested_costs_no_more_with_each_level() -> None:
    rows: list[Row] = [Counted(one) for one in UNITS * 100]
    assert not parse("any(" * 30 + "unit.count == 7" + ")" * 30).matches(rows)
    assert Counted.asked == len(rows)


def test_a_pattern_of_stars_ends() -> None:
    assert not parse("device ~ '" + "*a" * 400 + "'").matches([{"device": "a" * 10_000 + "b"}])


def test_the_page_has_every_field_and_no_example_that_is_wrong() -> None:
    page = PAGE.read_text("utf-8")
    for name, field in FIELDS.items():
        assert f"| `{name}` | {field.kind}: {field.meaning} |" in page
    shown = re.findall(r"""--where (?:'([^'\n]*)'|"([^"\n]*)")""", page)
    assert len(shown) >= 7
    for quoted in shown:
        parse("".join(quoted))
