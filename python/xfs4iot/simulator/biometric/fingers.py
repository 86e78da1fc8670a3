"""Fingers, and what a sensor gets of them.

A finger is a set of minutiae, made from a number or given point by point. An impression of it is never twice
the same: it is turned and shifted, its points tremble, some are missing, and some are there that are none.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Annotated, Literal, get_args

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.simulator.biometric.minutiae import Minutia

__all__ = [
    "HEIGHT",
    "POSITIONS",
    "WIDTH",
    "FingerSettings",
    "Impression",
    "Position",
    "minutiae_of",
    "pressed",
]

WIDTH, HEIGHT = 320, 400
"""Pixels of the sensor, 500 per inch."""

Position = Literal[
    "unknown", "rightThumb", "rightIndex", "rightMiddle", "rightRing", "rightLittle",
    "leftThumb", "leftIndex", "leftMiddle", "leftRing", "leftLittle",
]  # fmt: skip
POSITIONS: tuple[str, ...] = get_args(Position)
"""In the order of ISO/IEC 19794-2, from code 0 on."""

_POINTS = 36
_ROOM = 18.0
_CENTRE = WIDTH / 2, HEIGHT / 2
_REACH = 110.0, 145.0
_TREMBLE, _ANGLE_TREMBLE = 1.3, 4.0


@dataclass(frozen=True)
class FingerSettings:
    """A finger.

    Attributes:
        seed: what its points are made from; None: from its name.
        position: which finger it is.
        minutiae: its points instead: x, y (pixels of 500 per inch), angle (degrees), and 1 for an ending,
            2 for a bifurcation.
    """

    seed: int | None = None
    position: Position = "rightIndex"
    minutiae: tuple[tuple[int, int, Annotated[int, Meta(ge=0, le=359)], Literal[1, 2]], ...] = field(
        default=(), repr=False
    )

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What no single value shows: the way to it, and what to do."""
        if len(self.minutiae) > 255:
            yield ("minutiae",), "255 points at most, as a record has"
        if any(not (0 <= x < WIDTH and 0 <= y < HEIGHT) for x, y, _, _ in self.minutiae):
            yield ("minutiae",), f"x below {WIDTH}, y below {HEIGHT}"


@dataclass(frozen=True)
class Impression:
    """What a sensor has of a finger.

    Attributes:
        minutiae: its points, as the sensor sees them.
        position: which finger it is.
        quality: 0 to 100.
    """

    minutiae: tuple[Minutia, ...] = field(repr=False)
    position: Position
    quality: int


def minutiae_of(name: str, finger: FingerSettings) -> tuple[Minutia, ...]:
    """The points of a finger."""
    if finger.minutiae:
        kinds: tuple[Literal["ending", "bifurcation"], ...] = ("ending", "bifurcation")
        return tuple(Minutia(x, y, angle, kinds[kind - 1], 90) for x, y, angle, kind in finger.minutiae)
    chance = random.Random(f"finger:{name if finger.seed is None else finger.seed}")
    found: list[Minutia] = []
    while len(found) < _POINTS:
        way, far = chance.uniform(0, math.tau), math.sqrt(chance.random())
        x, y = _CENTRE[0] + far * _REACH[0] * math.cos(way), _CENTRE[1] + far * _REACH[1] * math.sin(way)
        if all(math.hypot(x - one.x, y - one.y) >= _ROOM for one in found):
            kind: Literal["ending", "bifurcation"] = "ending" if chance.random() < 0.6 else "bifurcation"
            found.append(Minutia(round(x), round(y), chance.randrange(360), kind, chance.randint(60, 100)))
    return tuple(found)


def pressed(
    points: Sequence[Minutia], position: Position, chance: random.Random, dirty: bool = False
) -> Impression:
    """An impression of a finger, on a sensor that is clean or dirty."""
    turn = math.radians(chance.uniform(-12, 12))
    right, down = chance.uniform(-15, 15), chance.uniform(-15, 15)
    missing, false = (0.6, 14) if dirty else (0.08, 2)
    seen: list[Minutia] = []
    for one in points:
        x, y = one.x - _CENTRE[0], one.y - _CENTRE[1]
        there = (
            _CENTRE[0] + x * math.cos(turn) + y * math.sin(turn) + right + chance.gauss(0, _TREMBLE),
            _CENTRE[1] + y * math.cos(turn) - x * math.sin(turn) + down + chance.gauss(0, _TREMBLE),
        )
        angle = (one.angle + math.degrees(turn) + chance.gauss(0, _ANGLE_TREMBLE)) % 360
        if chance.random() >= missing and 0 <= there[0] < WIDTH - 1 and 0 <= there[1] < HEIGHT - 1:
            seen.append(Minutia(round(there[0]), round(there[1]), angle, one.kind, one.quality))
    for _ in range(chance.randint(0, false)):
        seen.append(
            Minutia(chance.randrange(WIDTH), chance.randrange(HEIGHT), chance.randrange(360), "ending", 30)
        )
    # In no order that would tell which point was which.
    chance.shuffle(seen)
    return Impression(tuple(seen[:255]), position, 20 if dirty else chance.randint(70, 95))
