"""How every command says on standard error why it could not do what it was asked."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from xfs4iot.cli.characters import escape

__all__ = ["complain", "innermost", "nobody_reads", "subcommand"]


def innermost(problem: BaseException | str) -> BaseException | str:
    """Of several problems that came together in a group, the first."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem


def complain(problem: BaseException | str) -> None:
    """Print a problem; of several that came together in a group, the first."""
    from rich.console import Console

    text = f"[bold red]error:[/] {escape(str(innermost(problem)))}"
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)


def nobody_reads() -> None:
    """After a closed pipe (`| head`): no reason to complain, nor to write the rest when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def subcommand(
    group: click.Group, *expected: type[Exception]
) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make functions subcommands of `group`: what they return is the exit code, None is 0.

    Args:
        group: of which they become part, each by its own name.
        expected: what may go wrong; then the reason is printed, and the exit code is 1.
    """

    def made(function: Callable[..., int | None]) -> click.Command:
        @functools.wraps(function)
        def wrapped(*args: Any, **options: Any) -> None:
            try:
                code = function(*args, **options)
            except BrokenPipeError:
                nobody_reads()
                code = 1
            except expected as problem:
                complain(problem)
                code = 1
            sys.exit(code or 0)

        command: click.Command = group.command(wrapped)
        return command

    return made
