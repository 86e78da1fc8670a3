"""What can go wrong with the ledger. Each completes a command with `internalError`, but for a full disk."""

from __future__ import annotations

from pathlib import Path

from xfs4iot.protocol.errors import InternalError

__all__ = ["CountBelowZero", "LedgerCorrupt", "LedgerError", "LedgerFull", "LedgerUnavailable", "VaultError"]


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
    """

    def __init__(self, path: Path, problems: list[str]) -> None:
        shown = "; ".join(problems[:3])
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        super().__init__(
            f"ledger {path} cannot be trusted: {shown}{more}. Nothing was changed in it. "
            f"See everything with `xfs4iot ledger check {path}`; save what can be read into a new ledger "
            f"with `xfs4iot ledger recover {path} NEW`; then put it in the place of the old one, count the "
            "units and set their counts (Storage.SetStorage)"
        )
        self.path = path
        self.problems = problems


class VaultError(LedgerError):
    """A secret cannot be opened: another key than the one that sealed it, or the record was altered."""
