"""Logs of a running service: for people on a console, or one JSON object a line for machines.

A line about a client carries who (`connection`, `identity`, and `subject`, `sans` and
`fingerprint` of its certificate) and what (`command`, `requestId`, `completionCode`,
`seconds`) as fields of their own, so that a log collector need not take sentences apart. So
does a line that a device class writes while it is at work for a client's command. Payloads
are logged only if the operator asks for them, and never with what is sensitive in them.

Lines are written by a thread of their own: a terminal, a pipe or a disk that takes no more
must not hold up the event loop, which serves every client. What does not fit into the queue
meanwhile is counted, and the count is logged when lines are taken again.
"""

from __future__ import annotations

import atexit
import logging
import queue
import sys
import threading
from datetime import UTC, datetime

import orjson
from rich.console import Console
from rich.logging import RichHandler

from xfs4iot.server.command import running

__all__ = ["FIELDS", "configure", "finish"]

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
    """Adds for whom the task that logs is at work, if the line does not say it already."""

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
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class _Console(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        text = super().formatMessage(record)
        identity = record.__dict__.get("identity")
        text = f"{identity}: {text}" if identity else text
        # Clients choose the names of messages: none may look like a line of its own.
        return text if record.name in _OF_MANY_LINES else text.translate(_CONTROL)


_OF_MANY_LINES = {"xfs4iot.stalls"}
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_QUEUED = 10_000
_LAST_SECONDS = 2.0
"""How long the end of the process waits for the last lines to be taken."""


class _Background(logging.Handler):
    """Hands records to `handler` in a thread of its own; never waits.

    Attributes:
        lost: records that found the queue full and are not reported yet.
    """

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self.lost = 0
        self._handler = handler
        self._queue: queue.SimpleQueue[logging.LogRecord | threading.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="xfs4iot log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        if self._queue.qsize() >= _QUEUED:
            self.lost += 1
            return
        # The arguments may change before the thread comes to them.
        record.msg, record.args = record.getMessage(), None
        self._queue.put(record)

    def _write(self) -> None:
        while (record := self._queue.get()) is not None:
            if isinstance(record, threading.Event):
                record.set()
                continue
            self._handler.handle(record)
            if self.lost:
                lost, self.lost = self.lost, 0
                text = f"{lost} lines were lost: the log took no more"
                self._handler.handle(
                    logging.makeLogRecord(
                        {"name": "xfs4iot.log", "levelno": 40, "levelname": "ERROR", "msg": text}
                    )
                )

    def flush(self) -> None:
        """Wait until what was logged so far is written; not for ever."""
        written = threading.Event()
        self._queue.put(written)
        written.wait(_LAST_SECONDS)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(_LAST_SECONDS)
        super().close()

    @property
    def hangs(self) -> bool:
        """After closing: whether the last lines are not taken."""
        return self._thread.is_alive()


def finish() -> bool:
    """Write what is left; whether it was taken. If not, an orderly exit of Python would hang as well."""
    handlers = [one for one in logging.getLogger("xfs4iot").handlers if isinstance(one, _Background)]
    for handler in handlers:
        handler.close()
    return not any(handler.hangs for handler in handlers)


def configure(format: str, level: str) -> None:
    """Send the logs of `xfs4iot` to standard error, from a thread that may wait for it.

    Args:
        format: `console` or `json`.
        level: `debug`, `info`, `warning` or `error`.
    """
    handler: logging.Handler
    if format == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_JSON())
    else:
        handler = RichHandler(console=Console(stderr=True), show_path=False, log_time_format="[%X]")
        handler.setFormatter(_Console("%(message)s"))
    background = _Background(handler)
    # Who it was is known where the line is written, not in the thread that takes it away.
    background.addFilter(_Who())
    logger = logging.getLogger("xfs4iot")
    for old in logger.handlers:
        old.close()
    logger.handlers[:] = [background]
    logger.propagate = False
    logger.setLevel(level.upper())
