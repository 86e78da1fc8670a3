"""Questions at the terminal. Where nobody can answer, that is bad usage, and the message names the option
that says the same."""

from __future__ import annotations

import getpass
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["ask", "go_on"]

_Answer = TypeVar("_Answer")


def ask(what: str, instead: str, *, hide: bool = False, twice: bool = False) -> str:
    """Ask for a text.

    Args:
        what: it is.
        instead: what to do where nobody can be asked, such as ``add --password-file FILE``.
        hide: show nothing of it.
        twice: have it repeated.

    Raises:
        click.UsageError: standard input has ended.
        click.Abort: Ctrl-C.
    """
    # On standard error, so that --json has standard output to itself.
    return str(_asked(click.prompt, instead, what, hide_input=hide, confirmation_prompt=twice, err=True))


def go_on(instead: str) -> None:
    """Ask whether to go on.

    Args:
        instead: what to do where nobody can be asked, such as ``add --yes``.

    Raises:
        click.UsageError: standard input has ended.
        click.Abort: the answer is no, or Ctrl-C.
    """
    if not _asked(click.confirm, instead, "Go on?", err=True):
        raise click.Abort


def _asked(question: Callable[..., _Answer], instead: str, *args: Any, **options: Any) -> _Answer:
    try:
        with warnings.catch_warnings():
            # That a pipe shows what it is given need not be told to whoever wrote the pipe.
            warnings.simplefilter("ignore", getpass.GetPassWarning)
            return question(*args, **options)
    except click.Abort as ended:
        # click makes one of both; only the end of the input means that there is nobody.
        if isinstance(ended.__context__, EOFError):
            raise click.UsageError(f"standard input has ended, and nobody can be asked; {instead}") from None
        raise
