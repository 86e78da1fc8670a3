"""A string is never a number: not in any number of any command, in any version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic import catalogue
from xfs4iot.protocol import errors, registry, versions, wire
from xfs4iot.protocol.adapters import canonical
from xfs4iot.protocol.index import COMMANDS
from xfs4iot.protocol.messages import cash_management

VERSIONS = ("2021-1", "2023-2", "2024-3")
LIKE_NUMBERS = (
    "50",
    " 50 ",
    "5_0",
    "+5",
    "-0",
    ".5",
    "5.",
    "1e50",
    "NaN",
    "-nan",
    "sNaN1",
    "Infinity",
    "-inf",
    "",
    "٥٠",
    "５０",
    "\t5",
    "_5",
    "i_n_f",
    "\u001cNaN",
    "\u00a05",
    "\u20035",
)


def numbers(schema: dict[str, Any], version: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every number in a schema: names of properties, `None` for an element of an array."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from numbers(catalogue(version)["definitions"][name], version, (*seen, name))
        return
    for option in schema.get("anyOf", ()):
        yield from numbers(option, version, seen)
    types = schema.get("type")
    if {"number", "integer"} & set(types if isinstance(types, list) else [types]):
        yield ()
    for name, inner in schema.get("properties", {}).items():
        yield from ((name, *way) for way in numbers(inner, version, seen))
    free = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
    for inner in free:
        if isinstance(inner, dict):
            yield from (("unit1", *way) for way in numbers(inner, version, seen))
    if isinstance(schema.get("items"), dict):
        yield from ((None, *way) for way in numbers(schema["items"], version, seen))


def payload(way: tuple[Any, ...], value: Any) -> Any:
    for step in reversed(way):
        value = [value] if step is None else {step: value}
    return value


def accepted(version: str, command: str, content: Any) -> bool:
    body: bytes | None = orjson.dumps(content) if isinstance(content, dict) else content
    request = registry.command(command).request
    assert request is not None
    try:
        if version != registry.NEWEST:
            body = versions.adapt_request(command, body, version)
        wire.decode(request, body)
    except errors.InvalidData:
        return False
    return True


def every_number(version: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for interface, own in catalogue(version)["interfaces"].items():
        for short, command in own["commands"].items():
            name = canonical(f"{interface}.{short}")
            if command["payload"] and name in COMMANDS and registry.command(name).request:
                yield from ((name, way) for way in numbers(command["payload"], version) if way)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_number_of_any_command_is_taken_from_a_string(version: str) -> None:
    found = list(every_number(version))
    assert len(found) > 50
    for command, way in found:
        # An older version's property that says nothing to the newest is ignored, whatever it holds.
        ignored = version != registry.NEWEST and accepted(version, command, payload(way, "x"))
        for text in LIKE_NUMBERS:
            assert accepted(version, command, payload(way, text)) is ignored, (command, way, text)


LETTERS = st.characters(categories=["Nd", "Zs"], include_characters="+-._eEinfatysNI\t\n")


@given(st.text(alphabet=LETTERS, max_size=8))
def test_whatever_a_string_is_made_of_it_is_no_amount(text: str) -> None:
    way = ("denomination", "denomination", "service", "currencies", "EUR")
    assert not accepted("2024-3", "CashDispenser.Dispense", payload(way, text))


@pytest.mark.parametrize("text", [b"i\\u006e\\u0066", b"\\u0035", b"n\\u0061n", b"sn\\u0061N", b"\\u002b5"])
def test_a_string_written_with_escapes_is_no_amount(text: bytes) -> None:
    body = b'{"denomination":{"denomination":{"service":{"currencies":{"EUR":"%s"}}}}}' % text
    assert not accepted("2024-3", "CashDispenser.Dispense", body)


def test_texts_that_look_like_numbers_stay_texts() -> None:
    body = b'{"version":"50","classificationElements":[{"serialNumber":"12","currency":"INF","value":5}]}'
    read = wire.decode(cash_management.SetClassificationList, body)
    assert read.version == "50"
    assert (read.classification_elements or [])[0].serial_number == "12"
    with pytest.raises(errors.InvalidData, match=r"^\$\.classificationElements\[1\]\.value: expected"):
        wire.decode(
            cash_management.SetClassificationList,
            b'{"classificationElements":[{"value":5},{"serialNumber":"7","value":"5"}]}',
        )


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**19, 10**300])
def test_an_integer_that_nothing_can_hold_is_refused(number: int) -> None:
    with pytest.raises(errors.InvalidData, match="beyond"):
        wire.decode(cash_management.SetTellerInfo, b'{"tellerDetails":{"tellerID":%d}}' % number)
