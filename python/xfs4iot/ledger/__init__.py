"""What must outlive power loss: cash counts, the journal of movements, documents."""

from xfs4iot.ledger.book import Ledger, ServiceLedger
from xfs4iot.ledger.errors import CountBelowZero, LedgerCorrupt, LedgerError, LedgerUnavailable
from xfs4iot.ledger.journal import LedgerReader, Verification
from xfs4iot.ledger.records import CounterKey, Intent, JournalLine, Posting, SetPosting

__all__ = [
    "CountBelowZero",
    "CounterKey",
    "Intent",
    "JournalLine",
    "Ledger",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerReader",
    "LedgerUnavailable",
    "Posting",
    "ServiceLedger",
    "SetPosting",
    "Verification",
]
