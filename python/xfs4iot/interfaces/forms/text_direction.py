"""The direction in which a text is read, and the order in which its words are seen.

By words, after the Unicode bidirectional algorithm (UAX 9): words of one direction stand together in it, what
is written the other way is turned within the line, and a number behind Hebrew or Arabic belongs to that.
Within a word, whoever draws it does the same by letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

__all__ = ["Direction", "direction_of", "seen_order"]

Direction = Literal["ltr", "rtl"]
_Kind = Literal["left", "right", "number", "neutral"]
_KINDS: dict[str, _Kind] = {"L": "left", "R": "right", "AL": "right", "EN": "number", "AN": "number"}


def direction_of(text: str) -> Direction:
    """The direction of the first letter that has one."""
    return "rtl" if not text.isascii() and _kind_of(text) == "right" else "ltr"


def _kind_of(word: str) -> _Kind:
    """What the first letter of a word says; a number has none, and all else is neutral."""
    found: _Kind = "neutral"
    for one in word:
        kind = _KINDS.get(unicodedata.bidirectional(one), "neutral")
        if kind in ("left", "right"):
            return kind
        if kind == "number":
            found = "number"
    return found


def seen_order(words: Sequence[str], direction: Direction) -> list[tuple[int, Direction]]:
    """The words of a line from left to right: the number of each, and the direction that it is drawn in.

    Args:
        words: as they are read.
        direction: of the paragraph.
    """
    if direction == "ltr" and all(word.isascii() for word in words):
        return [(number, direction) for number in range(len(words))]
    # With the blanks between them, which are part of what stands around them, or part it.
    kinds: list[_Kind] = ["neutral"] * (2 * len(words) - 1)
    kinds[::2] = map(_kind_of, words)
    levels = _levels(kinds, direction)
    order = list(range(len(levels)))
    for level in range(max(levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = max(end, start + 1)
    return [(place // 2, _drawn(place, levels, direction)) for place in order if place % 2 == 0]


def _drawn(place: int, levels: Sequence[int], direction: Direction) -> Direction:
    """A sign at the end of a word stands behind it as long as the blank that follows goes the same way."""
    goes_on = place + 1 < len(levels) and levels[place] == levels[place + 1]
    own: Direction = "rtl" if levels[place] % 2 else "ltr"
    return own if goes_on else direction


def _levels(kinds: Sequence[_Kind], direction: Direction) -> list[int]:
    """How often each word is turned: those with an even number are read from the left."""
    base: _Kind = "right" if direction == "rtl" else "left"
    found: list[_Kind] = []
    before = base
    for kind in kinds:
        if kind in ("left", "right"):
            before = kind
        # A number behind letters that are read from the left is as they are.
        found.append("left" if kind == "number" and before == "left" else kind)
    level: dict[_Kind, int] = {"left": 2 if base == "right" else 0, "right": 1, "number": 2}
    return [
        level[_between(found, number, base) if kind == "neutral" else kind]
        for number, kind in enumerate(found)
    ]


def _between(kinds: Sequence[_Kind], number: int, base: _Kind) -> _Kind:
    """What signs without a direction are: as both their neighbours, or else as the paragraph."""
    sides = []
    for side in (kinds[number::-1], kinds[number:]):
        near = next((kind for kind in side if kind != "neutral"), base)
        sides.append("left" if near == "left" else "right")
    return base if sides[0] != sides[1] else "right" if sides[0] == "right" else "left"
