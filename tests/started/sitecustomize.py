"""Runs first in each process that a test starts, and writes down what it holds, prints and logs.

See `secrecy`.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any

_where = os.environ.get("XFS4IOT_SECRECY")


class _Copied(io.FileIO):
    """Writes to a file, and keeps a copy of what was written."""

    suffix: str

    def write(self, data: Any, /) -> int:
        count = super().write(data)
        if count:
            _append(self.suffix, bytes(data[:count]))
        return count


def _append(suffix: str, data: bytes) -> None:
    """Append to a file of this process; it may be a fork of one."""
    assert _where is not None
    # A full disk, or too few open files, are the test's business.
    with contextlib.suppress(OSError):
        os.makedirs(_where, 0o700, exist_ok=True)
        with open(os.path.join(_where, f"{os.getpid()}.{suffix}"), "ab", buffering=0) as file:
            file.write(data)


def _copy_of(stream: Any, suffix: str) -> Any:
    raw = _Copied(stream.fileno(), "w", closefd=False)
    raw.suffix = suffix
    buffer: Any = raw if stream.write_through else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _begin() -> None:
    tests = str(Path(__file__).parents[1])
    sys.path.insert(0, tests)
    try:
        import elsewhere  # noqa: F401 - takes effect
        import secrecy
    finally:
        sys.path.remove(tests)
    noted: set[tuple[str, bytes]] = set()

    def note(what: str, value: bytes) -> None:
        if (what, value) not in noted:
            noted.add((what, value))
            _append("secrets", f"{what} {value.hex()}\n".encode())

    secrecy.watch_what_is_imported(note)
    # What a client prints that was asked for it is no leak; what it logs is.
    names = ("stderr",) if secrecy.is_answer(sys.orig_argv) else ("stdout", "stderr")
    for name in names:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream = _copy_of(getattr(sys, name), name)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


if _where:
    _begin()
