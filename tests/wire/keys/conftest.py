"""What the tests of keys share: the simulated PIN pad of the default profile."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue


@pytest.fixture
async def pad(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("PinPad"))
    return found


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


KEYS = (
    "0123456789ABCDEFFEDCBA9876543210",
    "00112233445566778899AABBCCDDEEFF",
    "2B7E151628AED2A6ABF7158809CF4F3C",
    "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6",
    "89E88CF7931444F334BD7547FC3F380C",
)
PINS = ("730519", "123456", "998070", "4321")
"""Keys and PINs that the tests of this folder use."""


@pytest.fixture(autouse=True)
def no_key_and_no_pin_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does: none of its keys and PINs is in the log, in any form."""
    caplog.set_level("DEBUG")
    yield
    text = "".join(record.getMessage() + (record.exc_text or "") for record in caplog.get_records("call"))
    for key in KEYS:
        value = bytes.fromhex(key)
        for form in (key, key.lower(), base64.b64encode(value).decode(), repr(value), str(list(value))):
            assert form not in text
    for pin in PINS:
        digits = [int(digit) for digit in pin]
        for form in (str(digits), repr(bytes(digits)), repr(bytearray(digits)), f'"{pin}"', f"'{pin}'"):
            assert form not in text
