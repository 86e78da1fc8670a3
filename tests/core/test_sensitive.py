"""What is sensitive is masked wherever it stands; the rest stays readable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from traffic import catalogue
from xfs4iot.protocol.sensitive import MASK, SENSITIVE, masked


@pytest.mark.parametrize(
    "message",
    [
        {"token": "SECRET"},
        {"header": {"name": "CashDispenser.Dispense"}, "payload": {"token": "SECRET"}},
        {"track2": {"status": "ok", "data": "SECRET"}},
        {"chip": [{"data": "SECRET"}]},
        {"pinBlock": "SECRET", "format": "ansi"},
        {"digit": "SECRET"},
        {"keys": [{"completion": "enter", "digit": "SECRET"}]},
        {"commandNonce": "SECRET"},
        {"value": "SECRET"},
        {"pan": "SECRET"},
        {"Token": "SECRET"},
        {"TOKEN": {"any": "SECRET"}},
        {"access_token": "SECRET"},
        {"Track-2": "SECRET"},
        {"PIN_BLOCK": ["SECRET"]},
        {"header": {"name": "CashDispenser.Dispense"}, "payload": "SECRET"},
        {"header": {"name": "CashDispenser.Dispense"}, "payload": ["SECRET"]},
        {"NONCE=SECRET,TOKENFORMAT=1": 1},
        {"comment": "token=SECRET"},
        "SECRET",
        ["SECRET"],
    ],
)
def test_a_secret_does_not_pass(message: Any) -> None:
    text = masked(json.dumps(message))
    assert "SECRET" not in text
    assert MASK in text


def test_a_number_that_is_a_secret_does_not_pass() -> None:
    text = masked('{"pin": 471147114711, "Track2": [471147114711], "data": {"x": 471147114711}}')
    assert "4711" not in text


def test_a_very_long_message_is_only_counted() -> None:
    assert len(masked('{"x": "%s"}' % ("A" * 1_000_000))) < 100
    assert len(masked('{"x": "%s"}' % ("A" * 60_000))) < 20_000


def test_amounts_and_flags_stay() -> None:
    message = {"cash": {"value": 20, "currency": "EUR"}, "track2": True, "name": "Common.Status"}
    assert json.loads(masked(json.dumps(message))) == message


def test_what_is_no_json_does_not_pass_at_all() -> None:
    assert "4111111111111111" not in masked('{"track2": "4111111111111111"')


def properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of every message, at any depth."""
    if isinstance(schema, dict):
        found = schema.get("properties")
        if isinstance(found, dict):
            yield from found.items()
        for inner in schema.values():
            yield from properties(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from properties(inner)


@pytest.mark.parametrize("version", ["2021-1", "2023-2", "2024-3"])
def test_what_the_catalogue_marks_and_all_binary_data_is_sensitive(version: str) -> None:
    secret = {
        name
        for name, schema in properties(catalogue(version))
        if isinstance(schema, dict)
        and (schema.get("x-sensitive") or schema.get("contentEncoding") == "base64")
    }
    assert secret
    assert secret <= SENSITIVE
