"""Finger minutiae records: what is written can be read, and nothing else can do harm."""

from __future__ import annotations

import contextlib
import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfs4iot.simulator.biometric import image_records
from xfs4iot.simulator.biometric.fingers import (
    HEIGHT,
    WIDTH,
    FingerSettings,
    Impression,
    minutiae_of,
    pressed,
)
from xfs4iot.simulator.biometric.minutiae import Minutia, apart, score
from xfs4iot.simulator.biometric.minutiae_records import BadRecord, MinutiaeRecord, decode, encode

FORMATS = ["isoFmd", "ansiFmd"]
UNIT = {"isoFmd": 360 / 256, "ansiFmd": 2.0}
# By hand from the tables of the standards: one ending at (10, 20), 90 degrees, quality 80.
ISO = bytes.fromhex(
    "464d5200 20323000 00000024 0000 0140 0190 00c5 00c5 01 00 02 00 55 01 400a 0014 40 50 0000"
)
ANSI = bytes.fromhex(
    "464d5200 20323000 0026 0000 0000 0000 0140 0190 00c5 00c5 01 00 02 00 55 01 400a 0014 2d 50 0000"
)
ONE = MinutiaeRecord((Minutia(10, 20, 90.0, "ending", 80),), 2, 85, 320, 400)

points = st.builds(
    Minutia,
    st.integers(0, 319),
    st.integers(0, 399),
    st.floats(0, 359.99),
    st.sampled_from(["ending", "bifurcation", "other"]),
    st.integers(0, 100),
)
records = st.builds(
    MinutiaeRecord,
    st.lists(points, min_size=1, max_size=255).map(tuple),
    st.integers(0, 10),
    st.integers(0, 100),
    st.just(320),
    st.just(400),
)


@pytest.mark.parametrize(("format", "data"), [("isoFmd", ISO), ("ansiFmd", ANSI)])
def test_a_record_is_laid_out_as_the_standard_says(format: Any, data: bytes) -> None:
    assert encode(ONE, format) == data
    assert decode(data, format) == ONE


@pytest.mark.parametrize("format", FORMATS)
@given(record=records)
def test_what_is_written_is_read(format: Any, record: MinutiaeRecord) -> None:
    read = decode(encode(record, format), format)
    assert (read.position, read.quality) == (record.position, record.quality)
    assert (read.width, read.height) == (320, 400)
    for before, after in zip(record.minutiae, read.minutiae, strict=True):
        assert before._replace(angle=0) == after._replace(angle=0)
        assert apart(before.angle, after.angle) <= UNIT[format] / 2 + 1e-9
        assert 0 <= after.angle < 360


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data(), record=records)
def test_a_damaged_record_is_read_or_refused(
    format: Any, data: st.DataObject, record: MinutiaeRecord
) -> None:
    written = bytearray(encode(record, format))
    for _ in range(data.draw(st.integers(1, 4))):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(written[: data.draw(st.integers(0, len(written)))])
    for damaged in (bytes(written), cut):
        with contextlib.suppress(BadRecord):
            assert 1 <= len(decode(damaged, format).minutiae) <= 255


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.binary(max_size=300), head=st.booleans())
def test_anything_is_read_or_refused(format: Any, data: bytes, head: bool) -> None:
    with contextlib.suppress(BadRecord):
        decode((b"FMR\0 20\0" if head else b"") + data, format)


def test_the_first_view_with_points_counts_and_extended_data_is_passed_over() -> None:
    empty = bytes((2, 0, 85, 0)) + struct.pack(">H", 6) + b"\0\1\0\6ab"
    body = ISO[22:23].replace(b"\1", b"\2") + ISO[23:24] + empty + ISO[24:]
    two = ISO[:8] + struct.pack(">I", 22 + len(body)) + ISO[12:22] + body
    assert decode(two, "isoFmd") == ONE


def test_a_picture_of_another_resolution_is_scaled() -> None:
    coarse = ISO[:18] + struct.pack(">HH", 98, 98) + ISO[22:]
    scaled = decode(coarse, "isoFmd")
    assert scaled.minutiae[0][:2] == (20, 40)
    assert decode(encode(scaled, "ansiFmd"), "ansiFmd").minutiae == scaled.minutiae


def test_a_picture_too_large_to_be_written_again_is_refused() -> None:
    with pytest.raises(BadRecord, match="16383 pixels a side"):
        decode(ISO[:18] + struct.pack(">HH", 1, 1) + ISO[22:], "isoFmd")


def test_a_record_of_more_than_64_kilobytes_is_read() -> None:
    view = ANSI[26:-2] + struct.pack(">H", 0xFFFF) + bytes(0xFFFF)
    long = ANSI[:8] + struct.pack(">HI", 0, 30 + len(view)) + ANSI[10:26] + view
    assert decode(long, "ansiFmd") == ONE


@pytest.mark.parametrize("padding", [0, 1, 15])
def test_zeros_behind_a_record_are_those_of_a_cipher(padding: int) -> None:
    assert decode(ISO + bytes(padding), "isoFmd", padded=True) == ONE
    with pytest.raises(BadRecord, match="bytes"):
        decode(ISO + bytes(padding) + b"x", "isoFmd", padded=True)
    if padding:
        with pytest.raises(BadRecord, match="bytes"):
            decode(ISO + bytes(padding), "isoFmd")


@pytest.mark.parametrize("format", ["isoFid", "ansiFid"])
def test_a_picture_is_laid_out_as_the_standard_says(format: Any) -> None:
    finger = minutiae_of("alice", FingerSettings())
    record = image_records.encode(Impression(finger, "leftThumb", 80), format)
    head = 32 if format == "isoFid" else 36
    assert record[:8] == b"FIR\x00010\0"
    assert int.from_bytes(record[8:14], "big") == len(record) == head + 14 + WIDTH * HEIGHT
    length, position, _, _, quality, _, width, height = struct.unpack_from(">IBBBBBHH", record, head)
    assert (length, position, quality, width, height) == (14 + WIDTH * HEIGHT, 6, 80, WIDTH, HEIGHT)
    pixels = record[head + 14 :]
    # Ridges and valleys, about as many of either.
    dark = sum(pixel < 128 for pixel in pixels) / len(pixels)
    assert 0.4 < dark < 0.6


def test_the_same_finger_is_alike_and_another_is_not() -> None:
    chance = random.Random(4711)
    fingers = [minutiae_of(f"finger {number}", FingerSettings()) for number in range(20)]

    def impression(number: int, dirty: bool = False) -> tuple[Minutia, ...]:
        return pressed(fingers[number % 20], "rightIndex", chance, dirty).minutiae

    for number in range(20):
        assert score(impression(number), impression(number)) >= 70
        assert score(impression(number), impression(number + 1)) < 30
        assert score(impression(number), impression(number, dirty=True)) < 80
        assert impression(number) != impression(number)


@given(one=st.lists(points, max_size=40), other=st.lists(points, max_size=40))
def test_a_score_is_one_whatever_is_compared(one: list[Minutia], other: list[Minutia]) -> None:
    assert 0 <= score(one, other) <= 100


def test_too_few_points_are_like_nothing() -> None:
    few = minutiae_of("alice", FingerSettings())[:3]
    assert score(few, few) == 0


def test_a_finger_may_be_given_point_by_point() -> None:
    told = FingerSettings(minutiae=((10, 20, 90, 1), (30, 40, 180, 2)))
    assert [one[:4] for one in minutiae_of("x", told)] == [
        (10, 20, 90, "ending"),
        (30, 40, 180, "bifurcation"),
    ]
    assert minutiae_of("x", FingerSettings(seed=1)) == minutiae_of("y", FingerSettings(seed=1))
