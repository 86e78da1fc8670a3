"""How every command says on standard error why it could not do what it was asked."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from xfs4iot.cli.characters import escape
from xfs4iot.reasons import reason

__all__ = ["complain", "has_a_name", "innermost", "no_room", "nobody_reads", "subcommand"]

_FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
"""A disk is full, a user has used what he may, a file is as long as one can be."""


def innermost(problem: BaseException | str) -> BaseException | str:
    """Of several problems that came together in a group, the first."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem


def has_a_name(problem: BaseException) -> bool:
    """Whether we or the system foresaw a failure, so that what it says is enough, and a traceback too much.

    Classes of ours are made for what may happen; a ValueError or KeyError that nobody caught is a mistake in
    the program, which a traceback tells best. Of a group, all must have a name.
    """
    if isinstance(problem, BaseExceptionGroup):
        return all(map(has_a_name, problem.exceptions))
    return isinstance(problem, OSError) or type(problem).__module__.partition(".")[0] == "xfs4iot"


def no_room(problem: BaseException | str) -> bool:
    """Whether something could not be written for want of room: a file, or what standard output leads to."""
    return isinstance(problem, OSError) and problem.errno in _FULL


def complain(problem: BaseException | str) -> None:
    """Print a problem; of several that came together in a group, the first."""
    from xfs4iot.cli.prose import Console

    problem = innermost(problem)
    said = reason(problem) if isinstance(problem, BaseException) else problem
    if no_room(problem):
        said = f"{said}; make room where it is written to, and try again"
    Console(stderr=True).print(f"[bold red]error:[/] {escape(said)}", highlight=False)


def nobody_reads() -> None:
    """After a closed pipe (`| head`) or a full disk: do not write the rest when the process ends."""
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
                if no_room(problem):
                    nobody_reads()
                code = 1
            sys.exit(code or 0)

        command: click.Command = group.command(wrapped)
        return command

    return made
