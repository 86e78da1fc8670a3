"""What `--help` says of each command reads well in 80 columns, and on consoles of few characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from wcwidth import wcswidth

from xfs4iot.cli import cli


def every(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    context = command.context_class(
        command, parent, info_name=name, terminal_width=80, **command.context_settings
    )
    yield context
    if isinstance(command, click.Group):
        for under in command.list_commands(context):
            found = command.get_command(context, under)
            assert found is not None
            yield from every(found, under, context)


@pytest.mark.parametrize(
    "context", list(every(cli, "xfs4iot")), ids=lambda one: one.command_path.replace(" ", "-")
)
def test_help_fits_any_console(context: click.Context) -> None:
    told = context.command.get_help(context)
    assert [line for line in told.splitlines() if wcswidth(line) > 80] == []
    # What the program replaces by itself, see `xfs4iot.cli.characters`.
    re.sub("[✓✗▸→←…]", "", told).encode("cp1252")
