"""How `discover`, `simulate` and `demo` show what is published: whole URIs, ready to be copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xfs4iot.cli.characters import escape
from xfs4iot.protocol.visible import visible

if TYPE_CHECKING:
    from xfs4iot.cli.prose import Console

__all__ = ["show_published"]

_MOST_SHOWN = 500
"""Services that are shown; no ATM has as many."""


def _line(text: str) -> str:
    return visible(text).replace("\n", "\\u000a")


def show_published(
    console: Console, publisher: str, services: Mapping[str, str], note: str = "", *, headers: bool = False
) -> None:
    """Print a publisher and its services as a table, one to a line and never cut short.

    Args:
        headers: with a line that says what stands in the columns.
    """
    shown = {_line(name): _line(uri) for name, uri in list(services.items())[:_MOST_SHOWN]}
    more = len(services) - _MOST_SHOWN
    width = max(map(len, shown), default=0)
    console.print(
        f"[bold]{escape(publisher)}[/]{note and f'  [dim]{note}[/]'}", highlight=False, soft_wrap=True
    )
    if headers and services:
        console.print(f"    [dim]{'Service':{width}}  URI[/]", highlight=False, soft_wrap=True)
    for name, uri in shown.items():
        console.print(
            f"    [cyan]{escape(f'{name:{width}}')}[/]  {escape(uri)}", highlight=False, soft_wrap=True
        )
    if more > 0:
        console.print(f"    [dim]and {more} more; --json shows all[/]", highlight=False)
