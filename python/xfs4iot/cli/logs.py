"""Logs of a running service: for people on a console, or one JSON object a line for machines.

A line about a client carries who (`connection`, `identity`, and `subject`, `sans` and
`fingerprint` of its certificate) and what (`command`, `requestId`, `completionCode`,
`seconds`) as fields of their own, so that a log collector need not take sentences apart. So
does a line that a device class writes while it is at work for a client's command. Payloads
are logged only if the operator asks for them, and never with what is sensitive in them.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson
from rich.console import Console
from rich.logging import RichHandler

from xfs4iot.server.command import running

__all__ = ["FIELDS", "configure"]

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
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        identity = record.__dict__.get("identity")
        return f"{identity}: {text}" if identity else text


def configure(format: str, level: str) -> None:
    """Send the logs of `xfs4iot` to standard error.

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
    handler.addFilter(_Who())
    logger = logging.getLogger("xfs4iot")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
