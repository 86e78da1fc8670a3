"""Why something failed, in words for people: of one of the system file and reason, no numbers."""

from __future__ import annotations

import os
import socket

__all__ = ["reason"]


def reason(problem: BaseException) -> str:
    """What to tell of a failure.

    Python's own text of an `OSError` begins with `[Errno 2]`, and that of trio's connections says only that
    all attempts failed; of several attempts the first is told.
    """
    if not isinstance(problem, OSError):
        return str(problem)
    first: BaseException = problem
    if problem.errno is None and problem.__cause__ is not None:
        first = problem.__cause__
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
    if not isinstance(first, OSError) or not first.errno:
        return str(first)
    # getaddrinfo numbers its errors in its own way, which strerror would misread.
    resolved = isinstance(first, socket.gaierror)
    said = first.strerror if resolved or first.errno < 0 else os.strerror(first.errno)
    text = said or str(first)
    return text if first.filename is None else f"{os.fsdecode(first.filename)}: {text}"
