"""Logs of a running service: one line each for people, or one JSON object a line for machines.

A line about a client carries who (`connection`, `identity`, and `subject`, `sans` and
`fingerprint` of its certificate) and what (`command`, `requestId`, `completionCode`,
`seconds`) as fields of their own, so that a log collector need not take sentences apart. So
does a line that a device class writes while it is at work for a client's command. Payloads
are logged only if the operator asks for them, and never with what is sensitive in them.

Lines are written by a thread of their own: a terminal, a pipe or a disk that takes no more
must not hold up the event loop, which serves every client. What does not fit into the queue
meanwhile is counted, and the count is logged when lines are taken again.

Lines go to standard error, or to a file that is rotated when it is full (or by someone else: a
file that was moved away is started anew), and also to a handler of the operator's own.
A line may contain anything: it has been through `xfs4iot.telling`, and is never parsed.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from xfs4iot import telling
from xfs4iot.dataclass import dataclass
from xfs4iot.server.command import running

__all__ = ["FIELDS", "LogFile", "configure", "finish"]

FIELDS = (
    "connection",
    "identity",
    "subject",
    "sans",
    "fingerprint",
    "command",
    "requestId",
    "completionCode",
    "seconds",
)
"""Fields a log record of the server may carry besides its text."""


class _Who(logging.Filter):
    """Adds whose command the logging task is working on, unless the line already says so."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "connection" not in record.__dict__ and (command := running()) is not None:
            record.__dict__.update(
                command.session.peer.log_fields, command=command.name, requestId=command.request_id
            )
        return True


class _JSON(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        line.update({name: record.__dict__[name] for name in FIELDS if name in record.__dict__})
        if record.exc_text:
            line["exception"] = record.exc_text
        return msgspec.json.encode(line, enc_hook=str).decode()


class _Plain(logging.Formatter):
    """`2026-01-05 09:12:44.120 WARNING switch at 10.0.0.7:50412: CashDispenser.Dispense timeOut`.

    Args:
        when: writes the time, of seconds since the epoch.
        level: writes the level, of its name and number.
    """

    def __init__(
        self, when: Callable[[float], str] | None = None, level: Callable[[str, int], str] | None = None
    ) -> None:
        super().__init__("%(message)s")
        self._when = when or _date_and_time
        self._level = level or _named

    def formatMessage(self, record: logging.LogRecord) -> str:
        identity = record.__dict__.get("identity")
        who = f"{identity}: " if identity else ""
        level = self._level(record.levelname, record.levelno)
        return f"{self._when(record.created)}{level}{who}{record.getMessage()}"


def _date_and_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).isoformat(' ', 'milliseconds')} "


def _named(name: str, number: int) -> str:
    return f"{name:<8} "


_COLOURS = {"DEBUG": 32, "INFO": 34, "WARNING": 33, "ERROR": 31, "CRITICAL": 41}


def _coloured(name: str, number: int) -> str:
    return f"\x1b[1;{_COLOURS.get(name, 0)}m{name:<8}\x1b[0m "


def _for_journal(name: str, number: int) -> str:
    """As journald reads it (sd-daemon(3)): critical is 2, debug 7."""
    return (
        f"<{2 if number >= 50 else 3 if number >= 40 else 4 if number >= 30 else 6 if number >= 20 else 7}>"
    )


def _plain() -> _Plain:
    """For standard error, whatever that is: a terminal, the journal of systemd, a file or a pipe."""
    if _is_journal():
        return _Plain(lambda seconds: "", _for_journal)
    if not (sys.stderr.isatty() or {"FORCE_COLOR", "TTY_COMPATIBLE"} & os.environ.keys()):
        return _Plain()
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        return _Plain()
    colours = not console.no_color and console.color_system not in (None, "windows")
    return _Plain(lambda seconds: f"{datetime.fromtimestamp(seconds):%X} ", _coloured if colours else None)


def _is_journal() -> bool:
    with suppress(OSError, ValueError):
        # The variable is inherited even where standard error was redirected: compare the file.
        status = os.fstat(sys.stderr.fileno())
        return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return False


@dataclass(frozen=True)
class LogFile:
    """A file for the log.

    Attributes:
        path: made if need be, readable by its owner and group.
        bytes: how long it becomes before it is put aside as `.1`; 0 never does that.
        kept: how many are kept beside it: `.1` is the youngest.
    """

    path: Path
    bytes: int
    kept: int


_QUEUED = 10_000
_LAST_SECONDS = 2.0
"""How long the end of the process waits for the last lines to be taken."""


class _Background(logging.Handler):
    """Hands records to `handlers` in a thread of its own; never waits.

    Attributes:
        lost: records that found the queue full, or that a handler could not write, and that are not
            reported yet.
    """

    def __init__(self, handlers: Iterable[logging.Handler]) -> None:
        super().__init__()
        self.lost = 0
        self._handlers = tuple(handlers)
        self._failed = False
        for handler in self._handlers:
            # Handlers of `logging` swallow their errors into this: only here is a lost line noticed.
            handler.handleError = partial(self._not_written, handler)  # type: ignore[method-assign]
        # Its `put` never blocks and is reentrant; `emit` keeps the bound.
        self._queue: queue.SimpleQueue[logging.LogRecord | threading.Event | None] = queue.SimpleQueue()
        # A daemon: a write that never returns must not keep the process alive.
        self._thread = threading.Thread(target=self._write, name="xfs4iot log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        if self._queue.qsize() >= _QUEUED:
            self.lost += 1
        else:
            self._queue.put(record)

    def _write(self) -> None:
        while (record := self._queue.get()) is not None:
            if isinstance(record, threading.Event):
                record.set()
            elif self._written(record):
                while (lost := self.lost) and self._written(_lost(lost)):
                    # Not set to 0: more may have been lost since it was read.
                    self.lost -= lost
            else:
                self.lost += 1

    def _written(self, record: logging.LogRecord) -> bool:
        self._failed = False
        for handler in self._handlers:
            try:
                handler.handle(record)
            except Exception:
                # An operator's own handler may raise anything; the others still get the line.
                self._failed = True
        return not self._failed

    def _not_written(self, handler: logging.Handler, record: logging.LogRecord) -> None:
        self._failed = True
        # A handler of the operator's own has nothing of the kind.
        if let_go := getattr(handler, "let_go", None):
            let_go()

    def flush(self) -> None:
        """Wait until what was logged so far is written; not for ever."""
        written = threading.Event()
        # Records leave in order: once the event is taken, all before it were.
        self._queue.put(written)
        written.wait(_LAST_SECONDS)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(_LAST_SECONDS)
        # A stuck write holds its handler's lock, and closing may wait for that.
        if not self.hangs:
            for handler in self._handlers:
                handler.close()
        super().close()

    @property
    def hangs(self) -> bool:
        """After closing: whether the last lines are not taken."""
        return self._thread.is_alive()


def _lost(count: int) -> logging.LogRecord:
    text = f"{count} line{'s were' if count > 1 else ' was'} lost: the log took no more"
    return logging.makeLogRecord({"name": "xfs4iot.log", "levelno": 40, "levelname": "ERROR", "msg": text})


def finish() -> bool:
    """Write what is left; whether it was taken. If not, an orderly exit of Python would hang as well."""
    handlers = [one for one in logging.getLogger("xfs4iot").handlers if isinstance(one, _Background)]
    for handler in handlers:
        handler.close()
    return not any(handler.hangs for handler in handlers)


def configure(
    format: str, level: str, *, file: LogFile | None = None, also: Iterable[logging.Handler] = ()
) -> None:
    """Send the logs of `xfs4iot` to where they belong, from a thread that may wait for it.

    Args:
        format: `console` or `json`.
        level: `debug`, `info`, `warning` or `error`.
        file: in place of standard error.
        also: handlers that get every line as well, in their own format if they have one.

    Raises:
        OSError: the file cannot be written.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file is not None:
        # Here, for the handlers of files bring sockets and mail with them.
        from xfs4iot.cli.log_file import FileHandler

        handler = FileHandler(file.path, file.bytes, file.kept)
    handler.setFormatter(_JSON() if format == "json" else _plain() if file is None else _Plain())
    handlers = [handler, *also]
    for one in handlers[1:]:
        if one.formatter is None:
            one.setFormatter(handler.formatter)
    background = _Background(handlers)
    # Who it was is known where the line is written, not in the thread that takes it away.
    background.addFilter(_Who())
    background.addFilter(telling.guard)
    logger = logging.getLogger("xfs4iot")
    for old in logger.handlers:
        old.close()
    logger.handlers[:] = [background]
    logger.propagate = False
    logger.setLevel(level.upper())
