"""What can go wrong with the ledger. Each completes a command with `internalError`, but for a full disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from xfs4iot.protocol.errors import InternalError

__all__ = [
    "CountBelowZero",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerFull",
    "LedgerUnavailable",
    "NewerLedger",
    "NoLedger",
    "VaultError",
    "remedy",
]


_REMEDIES = {
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_BUSY: "another program holds the file: end it (a backup, a database tool)",
    sqlite3.SQLITE_LOCKED: "another program holds the file: end it (a backup, a database tool)",
    sqlite3.SQLITE_READONLY: "give this process the right to write the file and its directory, and see that "
    "its file system is not mounted read-only (a disk that fails is)",
    sqlite3.SQLITE_PERM: "give this process the right to write the file and its directory",
    sqlite3.SQLITE_AUTH: "give this process the right to write the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "see that file and directory are there, and may be written by this process",
    sqlite3.SQLITE_IOERR: "the disk fails: mend or replace it",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: stop the service and see `xfs4iot ledger check`",
    sqlite3.SQLITE_NOTADB: "the file is damaged: stop the service and see `xfs4iot ledger check`",
}


def remedy(error: BaseException) -> str:
    """What to do about a file that cannot be written or opened."""
    code = getattr(error, "sqlite_errorcode", None)
    return _REMEDIES.get((code or 0) & 0xFF, "see that path, rights and disk are in order")


class LedgerError(InternalError):
    """The ledger refuses: what was asked breaks its rules. Nothing was written."""


class CountBelowZero(LedgerError):
    """A booking would leave fewer than no items in a unit: the count and the device disagree.

    Attributes:
        service, unit: whose count it is.
        held, delta: the items on the books, and the change that was refused.
    """

    def __init__(self, service: str, unit: str, item: str, held: int, delta: int) -> None:
        super().__init__(
            f'{service}: unit "{unit}" holds {held} of {item or "its items"} on the books, '
            f"a change of {delta} was refused; set the count and mark the unit as inaccurate"
        )
        self.service = service
        self.unit = unit
        self.held = held
        self.delta = delta


class LedgerUnavailable(LedgerError):
    """A write failed (disk full, I/O error), or the file cannot be opened or is in use.

    Each further write first finds out how far the failed one got; reads go on with what was
    last known to be synced.
    """


class LedgerFull(LedgerUnavailable):
    """The disk is full: `notEnoughSpace`."""

    completion_code = "notEnoughSpace"


class LedgerCorrupt(LedgerError):
    """The file is damaged or was altered. It is left as it is.

    Attributes:
        path: the file.
        problems: what is wrong, in words.
        advice: what to do, in words.
    """

    def __init__(self, path: Path, problems: list[str], advice: str | None = None) -> None:
        shown = "; ".join(problems[:3])
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        self.advice = advice or (
            f"See everything with `xfs4iot ledger check {path}`; save what can be read into a new ledger "
            f"with `xfs4iot ledger recover {path} NEW`; then put it in the place of the old one, count the "
            "units and set their counts (Storage.SetStorage)"
        )
        super().__init__(
            f"ledger {path} cannot be trusted: {shown}{more}. Nothing was changed in it. {self.advice}"
        )
        self.path = path
        self.problems = problems


class NoLedger(LedgerCorrupt):
    """The file is not a ledger that is known here: nothing of it can be recovered by this version."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            path,
            [problem],
            "If it was one, its first pages are gone: move it away, keep it, start without it, count the "
            "units and set their counts (Storage.SetStorage); if not, give the path of a ledger, or of a "
            "file that is not there yet",
        )


class NewerLedger(LedgerCorrupt):
    """The file was written by a newer xfs4iot."""

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(
            path,
            [f"it has schema {version} of a newer xfs4iot, this one knows up to {known}"],
            "It is sound as far as this one can tell: use the xfs4iot that wrote it, or a newer one",
        )


class VaultError(LedgerError):
    """A secret cannot be opened: another key than the one that sealed it, or the record was altered."""
