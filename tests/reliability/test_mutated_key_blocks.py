"""Key blocks that were changed anywhere are never taken, and stop nothing."""

from __future__ import annotations

import random

import pytest

from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import ciphers, key_block

PROTECTION = {
    "A": bytes.fromhex("89E88CF7931444F334BD7547FC3F380C"),
    "B": bytes.fromhex("DD7515F2BFC17F85CE48F3CA25CB21F6"),
    "C": bytes.fromhex("B8ED59E0A279A295E9F5ED7944FD06B9"),
    "D": bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6"),
}


@pytest.mark.parametrize("version", PROTECTION)
@pytest.mark.parametrize("count", [2_000, pytest.param(250_000, marks=pytest.mark.long)])
def test_a_mutated_key_block_is_never_taken(version: str, count: int) -> None:
    luck = random.Random(f"{version}:{count}")
    good = key_block.wrap(PROTECTION[version], f"{version}0000P0TE00E0000", bytes(range(16)))
    assert bytes(key_block.unwrap(PROTECTION[version], good)[1]) == bytes(range(16))
    for _ in range(count):
        changed = bytearray(good)
        for _ in range(luck.randint(1, 4)):
            match luck.randrange(3):
                case 0:
                    changed[luck.randrange(len(changed))] = luck.randrange(256)
                case 1:
                    del changed[luck.randrange(len(changed))]
                case _:
                    changed.insert(luck.randrange(len(changed)), luck.randrange(32, 127))
        if bytes(changed) == good:
            continue
        with pytest.raises((errors.CommandError, key_block.NotAuthentic, ciphers.BadKey)):
            key_block.unwrap(PROTECTION[version], bytes(changed))


@pytest.mark.parametrize("version", PROTECTION)
@pytest.mark.parametrize("length", [16, 24])
def test_what_was_wrapped_is_unwrapped_with_optional_blocks(version: str, length: int) -> None:
    block = "KS1800604B120F9292800000" if version != "D" else "LB20" + "a" * 28
    header = f"{version}0000K0TD00N0100{block}"
    made = key_block.wrap(PROTECTION[version], header, bytes(range(length)), 24)
    found, key = key_block.unwrap(PROTECTION[version], made)
    assert bytes(key) == bytes(range(length))
    assert found.attributes.optional_block_header == block


@pytest.mark.parametrize("version", PROTECTION)
@pytest.mark.parametrize("length", [1, 8, 15, 32, 40])
def test_a_block_that_is_relabelled_is_refused_whatever_the_length_of_the_key(
    version: str, length: int
) -> None:
    good = key_block.wrap(PROTECTION[version], f"{version}0000P0TE00E0000", bytes(range(16)))
    for label in PROTECTION:
        with pytest.raises((errors.CommandError, key_block.NotAuthentic, ciphers.BadKey)):
            key_block.unwrap(bytes(range(1, length + 1)), label.encode() + good[1:])
