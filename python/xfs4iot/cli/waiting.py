"""Somebody who looks on is shown that something goes on, once it has taken a moment."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xfs4iot.cli.prose import Console

__all__ = ["waiting"]

_AFTER_SECONDS = 1.5
"""What takes no longer needs no word."""


@contextmanager
def waiting(what: str, console: Console | None = None, *, traced: bool = False) -> Iterator[None]:
    """Show what is being done while the block lasts, if it lasts, and take it away again.

    On a terminal only: pipes and files get nothing of it.

    Args:
        what: is done; it may come from elsewhere.
        console: on which the block prints meanwhile, if it does; default: one for standard error.
        traced: every message is printed as it comes; that is enough.
    """
    if traced or not (sys.stderr.isatty() if console is None else console.is_terminal):
        yield
        return
    # A service that nobody looks at need not hold what draws.
    from rich.text import Text

    from xfs4iot.cli.prose import Console

    console = console or Console(stderr=True)
    text = Text(f"{what} …")
    # On one line, with the spinner.
    text.truncate(max(8, console.width - 4), overflow="ellipsis")
    status = console.status(text)
    timer = threading.Timer(_AFTER_SECONDS, status.start)
    # Else a process that is told to end would wait for it.
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
