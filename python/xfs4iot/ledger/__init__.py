"""What must outlive power loss: cash counts, the journal of movements, documents, secrets."""

from xfs4iot.ledger.book import Ledger
from xfs4iot.ledger.document import Document, unreadable
from xfs4iot.ledger.errors import (
    CountBelowZero,
    LedgerCorrupt,
    LedgerError,
    LedgerFull,
    LedgerUnavailable,
    NewerLedger,
    NoLedger,
    VaultError,
)
from xfs4iot.ledger.journal import LedgerReader, Selection, Verification
from xfs4iot.ledger.records import MOST_ITEMS, CounterKey, Intent, JournalLine, Movement, Posting, SetPosting
from xfs4iot.ledger.recovery import Recovery, recover
from xfs4iot.ledger.service_ledger import ServiceLedger
from xfs4iot.ledger.vault import Vault

__all__ = [
    "MOST_ITEMS",
    "CountBelowZero",
    "CounterKey",
    "Document",
    "Intent",
    "JournalLine",
    "Ledger",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerFull",
    "LedgerReader",
    "LedgerUnavailable",
    "Movement",
    "NewerLedger",
    "NoLedger",
    "Posting",
    "Recovery",
    "Selection",
    "ServiceLedger",
    "SetPosting",
    "Vault",
    "VaultError",
    "Verification",
    "recover",
    "unreadable",
]
