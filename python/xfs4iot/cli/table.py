"""Tables that lose nothing: on a narrow terminal what does not fit goes on in the next line.

Where a column has no room for short words either, each row becomes a list of `header: cell`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import table
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

__all__ = ["Table"]

_SHORT = 12
"""Words of up to this many characters are not broken; longer ones are (URIs, hashes), unless it is said."""
_FRAME = 3
"""What the frame takes for each column: a line, and a space at both sides."""


class Table(table.Table):
    """A `rich.table.Table` whose columns fold, where rich's would cut, and which knows when to give up.

    Args:
        whole: longest word that is never broken; more than the default where names are to be copied.
    """

    def __init__(self, *headers: str, whole: int = _SHORT, **settings: Any) -> None:
        self._whole = whole
        super().__init__(*headers, **settings)

    def add_column(self, *args: Any, **settings: Any) -> None:
        super().add_column(*args, **{"overflow": "fold", **settings})

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._needed(console, options) > options.max_width:
            yield from self._records(console)
        else:
            yield from super().__rich_console__(console, options)

    def _needed(self, console: Console, options: ConsoleOptions) -> int:
        """How wide it is with all words whole that are to be."""
        unbound = options.update(max_width=10_000)
        needed = 1
        for column in self.columns:
            cells = [column.header, column.footer, *column.cells]
            longest = max(Measurement.get(console, unbound, one).minimum for one in cells)
            needed += min(longest, self._whole) + _FRAME
        return needed

    def _records(self, console: Console) -> Iterator[RenderableType]:
        """Title, rows with an empty line around each, and caption."""
        if self.title:
            yield Text.assemble((_text(console, self.title).plain, "bold"))
        rows = list(zip(*(column.cells for column in self.columns), strict=True))
        if self.show_footer:
            rows.append(tuple(column.footer for column in self.columns))
        for row in rows:
            yield Text("")
            for column, cell in zip(self.columns, row, strict=True):
                said, header = _text(console, cell), _text(console, column.header)
                if said:
                    line = Text.assemble((f"{header.plain}: ", "bold"), said) if header else said
                    line.overflow = "fold"
                    yield line
        yield Text("")
        if self.caption:
            yield _text(console, self.caption)


def _text(console: Console, cell: RenderableType) -> Text:
    return cell if isinstance(cell, Text) else console.render_str(str(cell))
