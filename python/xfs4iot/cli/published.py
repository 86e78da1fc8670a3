"""How `discover`, `simulate` and `demo` show what is published: whole URIs, ready to be copied."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

__all__ = ["show_published"]


def show_published(
    console: Console, publisher: str, services: Mapping[str, str], note: str = "", *, headers: bool = False
) -> None:
    """Print a publisher and its services as a table, one to a line and never cut short.

    Args:
        headers: with a line that says what stands in the columns.
    """
    width = max(map(len, services), default=0)
    console.print(f"[bold]{publisher}[/]{note and f'  [dim]{note}[/]'}", highlight=False, soft_wrap=True)
    if headers and services:
        console.print(f"    [dim]{'Service':{width}}  URI[/]", highlight=False, soft_wrap=True)
    for name, uri in services.items():
        console.print(f"    [cyan]{name:{width}}[/]  {uri}", highlight=False, soft_wrap=True)
