"""How `discover`, `simulate` and `demo` show what is published: whole URIs, ready to be copied."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from xfs4iot.protocol.visible import visible

if TYPE_CHECKING:
    from xfs4iot.cli.prose import Console

__all__ = ["Line", "published", "say", "show_published"]

Line: TypeAlias = tuple[tuple[str, Literal["", "bold", "dim", "cyan"]], ...]
"""Texts, each with how it looks."""

_MOST_SHOWN = 500
"""Services that are shown; no ATM has as many."""
_CODES = {"bold": "1", "dim": "2", "cyan": "36"}


def _line(text: str) -> str:
    return visible(text).replace("\n", "\\u000a")


def published(
    publisher: str, services: Mapping[str, str], note: str = "", *, headers: bool = False
) -> Iterator[Line]:
    """A publisher and its services as a table, one to a line.

    Args:
        note: stands beside the publisher.
        headers: with a line that says what stands in the columns.
    """
    shown = {_line(name): _line(uri) for name, uri in list(services.items())[:_MOST_SHOWN]}
    more = len(services) - _MOST_SHOWN
    width = max(map(len, shown), default=0)
    yield (_line(publisher), "bold"), (note and f"  {_line(note)}", "dim")
    if headers and services:
        yield ((f"    {'Service':{width}}  URI", "dim"),)
    for name, uri in shown.items():
        yield ("    ", ""), (f"{name:{width}}", "cyan"), (f"  {uri}", "")
    if more > 0:
        yield ((f"    and {more} more; --json shows all", "dim"),)


def show_published(
    console: Console, publisher: str, services: Mapping[str, str], note: str = "", *, headers: bool = False
) -> None:
    """Print a publisher and its services; see `published`. No line is ever cut short."""
    from rich.text import Text

    for line in published(publisher, services, note, headers=headers):
        console.print(Text.assemble(*line), soft_wrap=True)


def say(*line: tuple[str, Literal["", "bold", "dim", "cyan"]]) -> None:
    """Print a line as rich would, but without it: what prints a few lines and then runs for months keeps it.

    As with rich `NO_COLOR` takes the colours, `FORCE_COLOR` gives a pipe all that a terminal gets.
    """
    environment = os.environ
    # Older consoles of Windows would show the codes.
    plain = os.name == "nt" or environment.get("TERM") in ("dumb", "unknown")
    without = {"cyan"} if environment.get("NO_COLOR") else set()
    text = "".join(
        f"\x1b[{_CODES[style]}m{one}\x1b[0m" if one and style and style not in without else one
        for one, style in line
    )
    click.echo(text, color=False if plain else True if environment.get("FORCE_COLOR") else None)
