"""The command line as a page, from the commands themselves: docs/commands.md.

python tools/generate_commands.py [--check]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from current import keep_current

from xfs4iot.cli import cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"

_HEAD = """\
# The command line

What `--help` says of each command. Exit codes are 0 for good, 1 for a command that failed, 2 for wrong
usage; Ctrl-C gives 130 where it does not simply end what runs until it is told. SIGTERM and SIGHUP clear
up as Ctrl-C does, and then end the process as they always do. `--json` prints for programs, in UTF-8; the
rest is for people, and goes without colour into pipes, and where `NO_COLOR` is set.
"""
_COLUMNS = 100


def described(command: click.Command, name: str, parent: click.Context | None, level: int) -> Iterator[str]:
    """A command and those under it, each with a heading."""
    settings = {**command.context_settings, "terminal_width": _COLUMNS, "max_content_width": _COLUMNS}
    context = click.Context(command, parent, info_name=name, **settings)
    yield f"\n{'#' * level} {context.command_path}\n"
    told = re.sub(r"[ \t]+$", "", command.get_help(context), flags=re.MULTILINE)
    yield f"```text\n{told}\n```"
    if isinstance(command, click.Group):
        for under in command.list_commands(context):
            found = command.get_command(context, under)
            if found is not None and not found.hidden:
                yield from described(found, under, context, level + 1)


def main() -> int:
    """Write the page, or with `--check` look whether it is current."""
    lines = described(cli, "xfs4iot", None, 2)
    return keep_current(PAGE, "\n".join([_HEAD.rstrip(), *lines]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
