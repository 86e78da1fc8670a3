"""Minutiae: the points at which the ridges of a finger end or fork, and how alike two sets of them are.

The score is what simple real matchers make of it. Every pair of points of the same kind suggests how one set
must be turned and shifted to lie on the other; suggestions are counted in coarse cells. With the best of them
one set is laid on the other, and points pair off that are nearer than `DISTANCE`, point in the same direction
to within `TURN`, and are of the same kind, the nearest first. The score is the share of points that have
found a partner:

    100 * 2 * pairs / (points of one + points of the other)

Two impressions of one finger give 80 or more, of a dirty one about 30 to 70, those of two fingers below 20.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

__all__ = ["DISTANCE", "TURN", "Minutia", "score"]

DISTANCE = 10.0
"""In pixels at 500 per inch: about half a millimetre, one ridge."""
TURN = 20.0
"""In degrees."""

_LEAST = 4
"""Fewer points say nothing."""
_TURN_CELL, _SHIFT_CELL = 12.0, 16.0
_MOST_TURNED = 60.0
_TRIED = 6


class Minutia(NamedTuple):
    """One point.

    Attributes:
        x, y: in pixels at 500 per inch, from the upper left corner.
        angle: of the ridge, in degrees against the clock, 0 to below 360.
        kind: `other` fits both.
        quality: 1 to 100; 0: not known.
    """

    x: int
    y: int
    angle: float
    kind: Literal["ending", "bifurcation", "other"] = "ending"
    quality: int = 0


def apart(one: float, other: float) -> float:
    """The angle between two directions, 0 to 180."""
    return abs((one - other + 180) % 360 - 180)


def _alike(one: Minutia, other: Minutia) -> bool:
    return one.kind == other.kind or "other" in (one.kind, other.kind)


def _turned(x: float, y: float, degrees: float) -> tuple[float, float]:
    """A place turned about the corner; y grows downwards, so the sense of the sine is the other one."""
    turn = math.radians(degrees)
    return x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)


def score(one: Sequence[Minutia], other: Sequence[Minutia]) -> int:
    """How alike two sets of points are, 0 to 100."""
    if min(len(one), len(other)) < _LEAST:
        return 0
    votes: Counter[tuple[int, int, int]] = Counter()
    best: dict[tuple[int, int, int], tuple[float, float, float]] = {}
    for a in one:
        for b in other:
            turn = (b.angle - a.angle + 180) % 360 - 180
            if abs(turn) > _MOST_TURNED or not _alike(a, b):
                continue
            x, y = _turned(a.x, a.y, turn)
            how = turn, b.x - x, b.y - y
            cell = (round(turn / _TURN_CELL), round(how[1] / _SHIFT_CELL), round(how[2] / _SHIFT_CELL))
            votes[cell] += 1
            best.setdefault(cell, how)
    pairs = 0
    for cell, _ in votes.most_common(_TRIED):
        pairs = max(pairs, _pairs(one, other, *_refined(one, other, *best[cell])))
    return round(200 * pairs / (len(one) + len(other)))


def _laid(one: Sequence[Minutia], turn: float, right: float, down: float) -> list[Minutia]:
    laid = []
    for a in one:
        x, y = _turned(a.x, a.y, turn)
        laid.append(a._replace(x=x + right, y=y + down, angle=(a.angle + turn) % 360))  # type: ignore[arg-type]
    return laid


def _partners(laid: Sequence[Minutia], other: Sequence[Minutia], distance: float) -> list[tuple[int, int]]:
    """Indexes of points that pair off, the nearest first."""
    near = sorted(
        (math.hypot(a.x - b.x, a.y - b.y), i, j)
        for i, a in enumerate(laid)
        for j, b in enumerate(other)
        if abs(a.x - b.x) <= distance
        and abs(a.y - b.y) <= distance
        and _alike(a, b)
        and apart(a.angle, b.angle) <= TURN
    )
    taken: tuple[set[int], set[int]] = set(), set()
    found = []
    for far, i, j in near:
        if far <= distance and i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            found.append((i, j))
    return found


def _refined(
    one: Sequence[Minutia], other: Sequence[Minutia], turn: float, right: float, down: float
) -> tuple[float, float, float]:
    """A better way to lay one on the other: as those points say that pair off at first, roughly."""
    laid = _laid(one, turn, right, down)
    found = _partners(laid, other, 2 * DISTANCE)
    if len(found) < 2:
        return turn, right, down
    count = len(found)
    turn += sum((other[j].angle - laid[i].angle + 180) % 360 - 180 for i, j in found) / count
    places = [(_turned(one[i].x, one[i].y, turn), other[j]) for i, j in found]
    right = sum(b.x - x for (x, _), b in places) / count
    down = sum(b.y - y for (_, y), b in places) / count
    return turn, right, down


def _pairs(one: Sequence[Minutia], other: Sequence[Minutia], turn: float, right: float, down: float) -> int:
    return len(_partners(_laid(one, turn, right, down), other, DISTANCE))
