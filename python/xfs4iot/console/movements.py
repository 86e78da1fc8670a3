"""The ledger's last movements, for the console."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from xfs4iot.ledger import LedgerReader

__all__ = ["last_movements"]


def last_movements(file: Path, count: int, services: Container[str]) -> list[dict[str, Any]]:
    """The newest first; of these services.

    Raises:
        LedgerUnavailable, LedgerCorrupt: the file cannot be read.
    """
    with LedgerReader.open(file) as reader:
        found = [one for one in reader.last_movements(count) if one.intent.service in services]
    found.sort(key=lambda one: one.intent.id, reverse=True)
    return [
        {
            "number": one.intent.id,
            "time": one.intent.time,
            "service": one.intent.service,
            "kind": one.intent.kind,
            "command": one.intent.command,
            "requestId": one.intent.request_id,
            "identity": one.intent.identity,
            "outcome": one.outcome,
            "changes": [{**change.key._asdict(), "delta": change.delta} for change in one.changes],
        }
        for one in found
    ]
