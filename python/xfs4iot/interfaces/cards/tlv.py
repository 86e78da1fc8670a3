"""BER-TLV objects, as EMV writes them (Book 3, annex B)."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["objects", "written"]

_LONG_TAG, _MORE = 0x1F, 0x80
_LONGEST_TAG = 4
"""Bytes; EMV has tags of two, card schemes of three."""


def objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values, one after the other; what is inside a value is left as it is.

    Raises:
        ValueError: it is cut off, or a tag or a length is not one that EMV knows.
    """
    at = 0
    while at < len(data):
        # EMV allows these bytes as padding before, between and after objects.
        if data[at] in (0x00, 0xFF):
            at += 1
            continue
        tag, at = _tag(data, at)
        length, at = _length(data, at)
        if at + length > len(data):
            raise ValueError(f"the value of tag {tag:X} is cut off: {len(data) - at} of {length} bytes")
        yield tag, data[at : at + length]
        at += length


def _tag(data: bytes, at: int) -> tuple[int, int]:
    start = at
    if data[at] & _LONG_TAG == _LONG_TAG:
        at += 1
        while at < len(data) and data[at] & _MORE:
            at += 1
    if at >= len(data):
        raise ValueError("a tag is cut off")
    if at + 1 - start > _LONGEST_TAG:
        raise ValueError(f"a tag has more than {_LONGEST_TAG} bytes")
    return int.from_bytes(data[start : at + 1]), at + 1


def _length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise ValueError("a length is missing")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    # 0x80, the indefinite length, is refused as well: its size would be 0 here.
    if not 1 <= size <= 2 or at + 1 + size > len(data):
        raise ValueError("a length has more than two bytes, or is cut off")
    return int.from_bytes(data[at + 1 : at + 1 + size]), at + 1 + size


def written(tag: int, value: bytes) -> bytes:
    """One object."""
    name = tag.to_bytes((tag.bit_length() + 7) // 8)
    if len(value) < 0x80:
        return name + bytes([len(value)]) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8)
    return name + bytes([0x80 | len(size)]) + size + value
