"""Places on forms and media: units as µm, boxes, and how they are turned.

Edges are rounded down to whole µm, never sizes: boxes that touch in a form touch on paper, and so many
characters as a box has columns always fit into it.
"""

from __future__ import annotations

from typing import Protocol, cast

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import MICROMETRES_PER_INCH, PrintRotation
from xfs4iot.protocol.messages import printer as messages

__all__ = ["Box", "Grid", "HasCells", "Sheet"]


class HasCells(Protocol):
    """What says how large a character's cell is."""

    columns_per_inch: int
    rows_per_inch: int


@dataclass(frozen=True)
class Box:
    """A rectangle in µm; its x and y may be negative where it hangs over an edge."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height

    def moved(self, x: int, y: int) -> Box:
        return Box(self.x + x, self.y + y, self.width, self.height)

    def holds(self, other: Box) -> bool:
        """Whether another lies within this one."""
        return (
            other.x >= self.x
            and other.y >= self.y
            and other.right <= self.right
            and other.bottom <= self.bottom
        )

    def touches(self, other: Box) -> bool:
        """Whether the two have any place in common."""
        return (
            other.x < self.right and self.x < other.right and other.y < self.bottom and self.y < other.bottom
        )

    def turned(self, width: int, height: int, rotation: PrintRotation) -> Box:
        """This box after all of what is `width` x `height` was turned clockwise."""
        if rotation == 90:
            return Box(height - self.bottom, self.x, self.height, self.width)
        if rotation == 180:
            return Box(width - self.right, height - self.bottom, self.width, self.height)
        if rotation == 270:
            return Box(self.y, width - self.right, self.height, self.width)
        return self


class Grid:
    """The units of a form or a medium, in µm.

    Attributes:
        in_cells: whether they are rows and columns.
        column: width of a cell; 1 if there are none.
        rows_per_inch: of cells; None if there are none.

    Args:
        unit: the whole one of a definition.
        cells: the size of a cell, for rows and columns.
        cpi, lpi: the same, of a form that says it itself.
    """

    def __init__(
        self, unit: messages.Unit, cells: HasCells, cpi: int | None = None, lpi: int | None = None
    ) -> None:
        x, y = cast(int, unit.x), cast(int, unit.y)
        self.in_cells = unit.base == "rowColumn"
        base = 1000 if unit.base == "mm" else MICROMETRES_PER_INCH
        across, down = (
            (cpi or cells.columns_per_inch, lpi or cells.rows_per_inch) if self.in_cells else (1, 1)
        )
        self._x, self._y = (base, x * across), (base, y * down)
        self.column = base // across if self.in_cells else 1
        self.rows_per_inch = down if self.in_cells else None

    def x(self, units: int) -> int:
        return units * self._x[0] // self._x[1]

    def y(self, units: int) -> int:
        return units * self._y[0] // self._y[1]

    def box(self, x: int, y: int, width: int, height: int) -> Box:
        """A box of so many units."""
        left, top = self.x(x), self.y(y)
        return Box(left, top, self.x(x + width) - left, self.y(y + height) - top)

    def units_x(self, length: int) -> int:
        """A length in units, rounded to the nearest."""
        return (2 * length * self._x[1] + self._x[0]) // (2 * self._x[0])

    def units_y(self, length: int) -> int:
        return (2 * length * self._y[1] + self._y[0]) // (2 * self._y[0])


@dataclass(frozen=True)
class Sheet:
    """A medium as it is printed on, in µm.

    Attributes:
        width, length: of the whole; no length for endless paper.
        left, top, right, bottom: edges of what can be printed on; no bottom on endless paper.
        restricted: what must stay free.
    """

    width: int
    length: int | None
    left: int
    top: int
    right: int
    bottom: int | None
    restricted: Box | None = None
