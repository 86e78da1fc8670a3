"""Tables that lose nothing: on a narrow terminal what does not fit goes on in the next line."""

from __future__ import annotations

from typing import Any

from rich import table

__all__ = ["Table"]


class Table(table.Table):
    """A `rich.table.Table` whose columns fold, where rich's would cut."""

    def add_column(self, *args: Any, **settings: Any) -> None:
        super().add_column(*args, **{"overflow": "fold", **settings})
