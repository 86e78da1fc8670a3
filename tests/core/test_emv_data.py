"""EMV data from a card or a client: whatever it is, it is read as objects or refused as a `ValueError`."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies

from xfs4iot.interfaces.cards.tlv import objects, written

TAGS = strategies.sampled_from([0x50, 0x57, 0x5A, 0x6F, 0x70, 0x84, 0x9F02, 0x9F26, 0xBF0C, 0xDF8129])
OBJECTS = strategies.lists(strategies.tuples(TAGS, strategies.binary(max_size=300)), max_size=8)
SETTINGS = hypothesis.settings(max_examples=300, deadline=None, derandomize=True)


@SETTINGS
@hypothesis.given(OBJECTS)
def test_what_was_written_is_read_again(content: list[tuple[int, bytes]]) -> None:
    assert list(objects(b"".join(written(*one) for one in content))) == content


@SETTINGS
@hypothesis.given(
    strategies.one_of(
        strategies.binary(max_size=400),
        strategies.tuples(OBJECTS, strategies.integers(0, 400), strategies.binary(max_size=4)).map(
            lambda one: (
                (whole := b"".join(written(*pair) for pair in one[0]))[: one[1]]
                + one[2]
                + whole[one[1] + 1 :]
            )
        ),
    )
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = list(objects(data))
    except ValueError:
        return
    # What was read is in the data, once each.
    assert sum(len(value) for _, value in found) <= len(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("9F", "tag is cut off"),
        ("1F8182838401", "more than 4 bytes"),
        ("1F" + "81" * 100_000 + "0100", "more than 4 bytes"),
        ("50", "length is missing"),
        ("5080", "length has more"),
        ("508400000001AA", "length has more"),
        ("5003AABB", "cut off: 2 of 3"),
    ],
)
def test_what_is_wrong_is_said_shortly(data: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        list(objects(bytes.fromhex(data)))
    assert len(str(refused.value)) < 100
