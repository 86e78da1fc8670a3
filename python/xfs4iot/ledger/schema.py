"""The ledger's tables, one script for each schema version.

A file's `user_version` says how many of the scripts it has seen. Released scripts are never
edited; a change of the schema is a further script.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

__all__ = ["APPLICATION_ID", "MIGRATIONS", "migrate", "tables", "version"]

APPLICATION_ID = 0x5846534C
"""Marks a SQLite file as a ledger ("XFSL")."""

_COUNTS = """
CREATE TABLE journal (
    sequence   INTEGER PRIMARY KEY,
    time       TEXT NOT NULL,
    entry      TEXT NOT NULL CHECK (entry IN ('begin', 'post', 'end')),
    service    TEXT NOT NULL,
    intent     INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    command    TEXT NOT NULL,
    request_id INTEGER NOT NULL,
    identity   TEXT NOT NULL,
    unit       TEXT NOT NULL,
    bucket     TEXT NOT NULL,
    item       TEXT NOT NULL,
    level      TEXT NOT NULL,
    delta      INTEGER NOT NULL,
    detail     TEXT NOT NULL,
    hash       BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
-- A REPLACE deletes without firing the trigger above; only the next number is ever let in.
CREATE TRIGGER journal_in_sequence BEFORE INSERT ON journal
    WHEN NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM journal)
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only: not the next sequence number'); END;
CREATE TABLE counter (
    service TEXT NOT NULL,
    unit    TEXT NOT NULL,
    bucket  TEXT NOT NULL,
    item    TEXT NOT NULL,
    level   TEXT NOT NULL,
    value   INTEGER NOT NULL CHECK (bucket <> 'count' OR value >= 0),
    PRIMARY KEY (service, unit, bucket, item, level)
) STRICT, WITHOUT ROWID;
CREATE TABLE open_intent (intent INTEGER PRIMARY KEY) STRICT;
CREATE TABLE document (
    service TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   BLOB NOT NULL,
    digest  BLOB NOT NULL,
    PRIMARY KEY (service, name)
) STRICT, WITHOUT ROWID;
"""

_SECRETS = """
CREATE TABLE vendor_data (
    service TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   BLOB NOT NULL,
    digest  BLOB NOT NULL,
    PRIMARY KEY (service, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE vault (
    service    TEXT NOT NULL,
    name       TEXT NOT NULL,
    attributes BLOB NOT NULL,
    nonce      BLOB NOT NULL,
    sealed     BLOB NOT NULL,
    PRIMARY KEY (service, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE nonce (
    service TEXT NOT NULL,
    nonce   TEXT NOT NULL,
    PRIMARY KEY (service, nonce)
) STRICT, WITHOUT ROWID;
"""

# After a recovery the numbers go on far above all that were ever used: see `recovery`.
_RECOVERY = """
DROP TRIGGER journal_in_sequence;
CREATE TRIGGER journal_in_sequence BEFORE INSERT ON journal
    WHEN NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM journal) AND NOT (
        NEW.kind = 'recover' AND NEW.entry = 'begin'
        AND NEW.sequence > (SELECT coalesce(max(sequence), 0) FROM journal)
    )
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only: not the next sequence number'); END;
"""

# Nonces are documents, which change in one transaction with what a token has paid; see `nonces`.
_NO_NONCES = "DROP TABLE nonce;"

MIGRATIONS = (_COUNTS, _SECRETS, _RECOVERY, _NO_NONCES)


def version(connection: sqlite3.Connection) -> int:
    """The file's schema version; 0 for a new file."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def tables(number: int) -> frozenset[str]:
    """The tables of a schema version."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(" ".join(MIGRATIONS[:number]))
        rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return frozenset(name for (name,) in rows)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest schema, each step in one transaction."""
    for number in range(version(connection), len(MIGRATIONS)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {MIGRATIONS[number]} "
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number + 1}; COMMIT;"
        )
