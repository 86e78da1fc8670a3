"""What is sensitive is masked wherever it stands; the rest stays readable."""

from __future__ import annotations

import json

import pytest

from xfs4iot.protocol.sensitive import MASK, masked


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
    ],
)
def test_a_secret_does_not_pass(message: dict[str, object]) -> None:
    text = masked(json.dumps(message))
    assert "SECRET" not in text
    assert MASK in text


def test_amounts_and_flags_stay() -> None:
    message = {"cash": {"value": 20, "currency": "EUR"}, "track2": True, "name": "Common.Status"}
    assert json.loads(masked(json.dumps(message))) == message


def test_what_is_no_json_does_not_pass_at_all() -> None:
    assert "4111111111111111" not in masked('{"track2": "4111111111111111"')
