"""`xfs4iot denominate`: what it prints and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from xfs4iot.cli.denominate import denominate

EXAMPLE = ("--unit", "50x200", "--unit", "20x3000", "--unit", "20x100", "--unit", "10x0", "--max-items", "60")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(denominate, arguments)


def as_json(*arguments: str) -> dict[str, Any]:
    answer = json.loads(run(*arguments, "--json").output)
    assert isinstance(answer, dict)
    return answer


def test_the_result_is_a_table_of_units() -> None:
    result = run("1230", *EXAMPLE)
    assert result.exit_code == 0
    assert "27" in result.output
    assert "unit1" in result.output


def test_json_has_the_items_by_unit() -> None:
    answer = as_json("1230", *EXAMPLE)
    assert answer["items"] == 27
    assert answer["values"] == {"unit1": 23, "unit2": 4}
    assert (answer["amount"], answer["currency"], answer["mix"]) == ("1230", "EUR", "minimumBills")


def test_what_is_not_dispensable_names_the_nearest_amounts() -> None:
    result = run("1215", *EXAMPLE)
    assert result.exit_code == 1
    assert "notDispensable" in result.output
    assert "1210 EUR" in result.output
    assert "1220 EUR" in result.output
    answer = as_json("1215", *EXAMPLE)
    assert answer["errorCode"] == "notDispensable"
    assert answer["nearest"] == {"below": "1210", "above": "1220"}


def test_too_many_items_names_the_largest_amount() -> None:
    answer = as_json("5000", *EXAMPLE)
    assert answer["errorCode"] == "tooManyItems"
    assert answer["nearest"] == {"below": "3000", "above": None}


def test_mixes_side_by_side() -> None:
    answer = as_json("1230", *EXAMPLE, "--mix", "all")
    assert set(answer["mixes"]) == {"minimumBills", "equalEmptying", "maxCashUnits"}
    assert len(answer["mixes"]["maxCashUnits"]["values"]) == 3
    assert run("1230", *EXAMPLE, "--mix", "all").exit_code == 0
    answer = as_json("1230", *EXAMPLE, "--mix", "maxCashUnits", "--mix", "minimumBills")
    assert list(answer["mixes"]) == ["maxCashUnits", "minimumBills"]


def test_what_fails_for_every_mix_is_said_once() -> None:
    result = run("80", "--unit", "20x9", "--unit", "50x9", "--mix", "all", "--max-items", "3")
    assert result.exit_code == 1
    assert result.output.count("tooManyItems") == 1
    assert "70 EUR" in result.output
    assert "90 EUR" in result.output


def test_named_units_and_partial_counts() -> None:
    answer = as_json("100", "--unit", "A=20x9", "--unit", "B=10x9", "--partial", "B=2", "--currency", "CHF")
    assert answer["values"] == {"A": 4, "B": 2}


@pytest.mark.parametrize(
    "arguments",
    [
        ("ten", "--unit", "10x1"),
        ("10",),
        ("10", "--unit", "10"),
        ("10", "--unit", "ax1"),
        ("10", "--unit", "10x-1"),
        ("10", "--unit", "A=10x1", "--unit", "A=5x1"),
        ("10", "--unit", "10x1", "--partial", "unit1"),
        ("10", "--unit", "10x1", "--mix", "none"),
        ("10", "--unit", "10x1", "--partial", "unit2=1"),
        ("10", "--unit", "10x1", "--partial", "unit1=1", "--partial", "unit1=0"),
        ("1" + 18 * "0", "--unit", "10x1"),
        ("10", "--unit", "10x1" + 18 * "0"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
