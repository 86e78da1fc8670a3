"""Which command of one recording is which of another: their names are aligned, as `diff` aligns lines.

A day has tens of thousands of commands of a few names, and two days have nearly the same: what is looked
at grows with the differences (Myers, "An O(ND) Difference Algorithm and Its Variations", 1986), not with the
days.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["pairs"]

_MOST_EDITS = 1000
"""Commands that are in only one of two recordings; with more, the nth of each name are paired."""
Pair = tuple[int | None, int | None]


def pairs(names: Sequence[str], others: Sequence[str]) -> list[Pair]:
    """Pair two sequences of names.

    Returns:
        Places of equal names, in order; None beside one that the other sequence does not have.
    """
    first, last, other_last = 0, len(names), len(others)
    while first < min(last, other_last) and names[first] == others[first]:
        first += 1
    while first < min(last, other_last) and names[last - 1] == others[other_last - 1]:
        last, other_last = last - 1, other_last - 1
    middle = _aligned(names[first:last], others[first:other_last])
    return [
        *((place, place) for place in range(first)),
        *((None if i is None else i + first, None if j is None else j + first) for i, j in middle),
        *((last + place, other_last + place) for place in range(len(names) - last)),
    ]


def _aligned(names: Sequence[str], others: Sequence[str]) -> list[Pair]:
    reached = {1: 0}
    history: list[dict[int, int]] = []
    for edits in range(min(len(names) + len(others), _MOST_EDITS) + 1):
        history.append(dict(reached))
        for diagonal in range(-edits, edits + 1, 2):
            down = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
            i = reached[diagonal + 1] if down else reached[diagonal - 1] + 1
            j = i - diagonal
            while i < len(names) and j < len(others) and names[i] == others[j]:
                i, j = i + 1, j + 1
            reached[diagonal] = i
            if i >= len(names) and j >= len(others):
                return list(_back(history, len(names), len(others)))[::-1]
    return _by_occurrence(names, others)


def _back(history: Sequence[dict[int, int]], i: int, j: int) -> Iterator[Pair]:
    """The pairs of the way that was found, from its end."""
    for edits in range(len(history) - 1, -1, -1):
        reached, diagonal = history[edits], i - j
        down = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
        before = diagonal + 1 if down else diagonal - 1
        start = reached[before]
        while i > start + (not down) and j > start - before + down and i > 0 and j > 0:
            i, j = i - 1, j - 1
            yield i, j
        if edits == 0:
            return
        if down:
            j -= 1
            yield None, j
        else:
            i -= 1
            yield i, None


def _by_occurrence(names: Sequence[str], others: Sequence[str]) -> list[Pair]:
    places: dict[str, list[int]] = {}
    for j in range(len(others) - 1, -1, -1):
        places.setdefault(others[j], []).append(j)
    found: list[Pair] = [
        (i, places[name].pop() if places.get(name) else None) for i, name in enumerate(names)
    ]
    return [*found, *((None, j) for j in sorted(place for rest in places.values() for place in rest))]
