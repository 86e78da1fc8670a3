"""Ledgers whose files are moved, lost or swapped, and whose contents cannot be read."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from click.testing import CliRunner

import xfs4iot
from cash import dispense
from dialogue import Dialogue, dialogue
from xfs4iot.cli.ledger import ledger as command
from xfs4iot.ledger import LedgerReader, LedgerUnavailable
from xfs4iot.ledger.journal import digest
from xfs4iot.simulator import atm as simulated_atm

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be moved there")


@asynccontextmanager
async def serving(file: Path) -> AsyncIterator[Dialogue]:
    """A simulated ATM on the ledger `file`, the device's own memory beside it."""
    async with trio.open_nursery() as nursery:
        with xfs4iot.Ledger.open(file) as ledger:
            services = simulated_atm(ledger=ledger, state=file.parent, seconds=0)
            publisher = xfs4iot.Publisher(services, port=0)
            await nursery.start(publisher.serve)
            yield await nursery.start(dialogue, publisher.uri("CashDispenser"))
            nursery.cancel_scope.cancel()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def checked(file: Path) -> dict[str, Any]:
    result = CliRunner().invoke(command, ["check", str(file), "--json"])
    assert result.exit_code in (0, 1), result.output
    found: dict[str, Any] = orjson.loads(result.stdout)
    return found


async def accuracies(client: Dialogue) -> set[str]:
    storage = (await client.success("Storage.GetStorage"))["storage"]
    return {unit["cash"]["status"]["accuracy"] for unit in storage.values()}


def renamed(file: Path) -> Callable[[], None]:
    away = file.with_suffix(".away")
    file.rename(away)
    return lambda: os.replace(away, file)


def replaced(file: Path) -> Callable[[], None]:
    away = file.with_suffix(".away")
    file.rename(away)
    shutil.copy(away, file)
    return lambda: os.replace(away, file)


def deleted(file: Path) -> Callable[[], None]:
    kept = file.with_suffix(".kept")
    os.link(file, kept)
    file.unlink()
    return lambda: os.replace(kept, file)


def log_renamed(file: Path) -> Callable[[], None]:
    log, away = Path(f"{file}-wal"), file.with_suffix(".log")
    log.rename(away)
    return lambda: None


def log_deleted(file: Path) -> Callable[[], None]:
    Path(f"{file}-wal").unlink()
    return lambda: None


@pytest.mark.posix
@pytest.mark.parametrize("displace", [renamed, replaced, deleted])
async def test_a_file_that_is_displaced_under_a_service_stops_movements_until_it_is_back(
    file: Path, displace: Callable[[Path], Callable[[], None]]
) -> None:
    async with serving(file) as client:
        await dispense(client, 50)
        put_back = displace(file)
        for _ in range(2):
            completion = await client.completion("CashDispenser.Reject")
            assert completion["header"]["completionCode"] == "internalError"
            assert "removed or replaced" in completion["header"]["errorDescription"]
        put_back()
        await client.success("CashDispenser.Reject")
        await dispense(client, 20)
    assert checked(file)["good"]


@pytest.mark.parametrize("displace", [log_renamed, log_deleted])
async def test_nothing_is_lost_when_the_write_ahead_log_is_removed_under_a_service(
    file: Path, displace: Callable[[Path], Callable[[], None]]
) -> None:
    async with serving(file) as client:
        await dispense(client, 50)
        await client.success("CashDispenser.Reject")
        displace(file)
        await dispense(client, 20)
        await client.success("CashDispenser.Reject")
    found = checked(file)
    assert found["good"], found
    with LedgerReader.open(file) as reader:
        kinds = [movement.intent.kind for movement in reader.movements()]
    assert kinds.count("dispense") == kinds.count("reject") == 2
    async with serving(file) as client:
        assert "inaccurate" not in await accuracies(client)


def killed(file: Path, to: Path) -> Path:
    """The files as a power cut leaves them, elsewhere."""
    to.mkdir()
    for one in file.parent.iterdir():
        if one.is_file() and not one.name.endswith(("-shm", ".lock")):
            shutil.copy(one, to / one.name)
    return to / file.name


def lose(cut: Path, old: Path, lost: str) -> None:
    Path(f"{cut}-wal").unlink()
    if lost == "everything":
        cut.unlink()
    elif lost != "log":
        shutil.copy(old, cut)
    if lost == "by the device's record":
        Path(f"{cut}.mark").unlink()


@pytest.mark.parametrize("lost", ["log", "old copy", "everything", "by the device's record"])
async def test_a_ledger_that_lacks_movements_is_told_at_the_start_and_no_count_is_believed(
    file: Path, tmp_path: Path, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(file) as client:
        await dispense(client, 50)
        await client.success("CashDispenser.Reject")
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        old = tmp_path / "old.sqlite"
        shutil.copy(file, old)
        await dispense(client, 20)
        await client.success("CashDispenser.Reject")
        cut = killed(file, tmp_path / "cut")
    number = checked(file)["lines"]
    lose(cut, old, lost)
    caplog.clear()
    async with serving(cut) as client:
        assert await accuracies(client) == {"inaccurate"}
        assert "lacks movements" in caplog.text
        await dispense(client, 20)
        storage = (await client.success("Storage.GetStorage"))["storage"]
        initial = {"initial": storage["unit1"]["cash"]["status"]["initial"]}
        await client.success("Storage.StartExchange")
        await client.success("Storage.SetStorage", {"storage": {"unit1": {"cash": {"status": initial}}}})
        await client.success("Storage.EndExchange")
    with LedgerReader.open(cut) as reader:
        last = max(movement.intent.id for movement in reader.movements())
    assert last > number
    assert checked(cut)["good"]
    caplog.clear()
    async with serving(cut) as client:
        assert "lacks movements" not in caplog.text
        assert "accurateSet" in await accuracies(client)


DOCUMENTS = {
    "CashManagement.classificationList": b'{"classificationElements": [{"value": "NaN"}]}',
    "CashDispenser.mixTables": b"NaN",
    "CashManagement.tellers": b'[{"tellerID": "one"}]',
    "CashDispenser.presentStatus.outDefault": b"\xff\xfe",
    "Common.transaction": b'{"state": 7}',
    "Storage.units": b'{"unit1": 3}',
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_document_that_cannot_be_read_never_keeps_a_service_from_starting(
    file: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(file) as client:
        await dispense(client, 50)
        await client.success("CashDispenser.Reject")
    with closing(sqlite3.connect(file)) as connection:
        before = DOCUMENTS[name]
        connection.execute(
            "INSERT OR REPLACE INTO document VALUES ('CashDispenser', ?, ?, ?)",
            (name, before, digest(before)),
        )
        connection.commit()
    found = checked(file)
    assert not found["good"]
    assert name in found["unreadable"][0]
    async with serving(file) as client:
        await client.success("CashDispenser.GetPresentStatus", {})
        assert f"what is kept as {name} cannot be read" in caplog.text
        storage = (await client.success("Storage.GetStorage"))["storage"]
        held = sum(
            unit["cash"]["status"]["initial"].get(item, {}).get("fit", 0)
            for unit in storage.values()
            for item in unit["cash"]["status"].get("initial", {})
            if item.startswith("type")
        )
        assert held == 1700, "counts are those of the ledger, not of the device's first description"
        doubtful = name == "Storage.units"
        assert (await accuracies(client) == {"inaccurate"}) is doubtful
        await dispense(client, 50)
        await client.success("CashDispenser.Reject")
        await client.success("Common.SetTransactionState", {"state": "active", "transactionID": "1"})
        await client.success(
            "CashManagement.SetClassificationList",
            {"classificationElements": [{"serialNumber": "B*", "level": "fit"}]},
        )
    kept = "CashManagement.classificationList"
    if name == kept:
        assert "put aside" in checked(file)["unreadable"][0]
        with LedgerReader.open(file) as reader:
            contents = {one[1]: one[2] for one in reader.documents()}
        assert contents[f"{kept} (unreadable)"] == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET kind = CAST(x'ff41' AS TEXT) WHERE sequence = 3",
        "UPDATE journal SET detail = CAST(x'7b22ff' AS TEXT) WHERE entry = 'begin'",
        "UPDATE counter SET unit = CAST(x'fe' AS TEXT) WHERE unit = 'unit1'",
        "UPDATE document SET name = CAST(x'fe' AS TEXT) WHERE name = 'Storage.units'",
    ],
)
async def test_damaged_text_is_a_finding_and_no_traceback(file: Path, tmp_path: Path, statement: str) -> None:
    async with serving(file) as client:
        await dispense(client, 50)
    with closing(sqlite3.connect(file)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement).rowcount
        connection.commit()
    found = checked(file)
    assert not found["good"]
    assert found["problems"] or found["unreadable"]
    with pytest.raises(xfs4iot.ledger.LedgerError), xfs4iot.Ledger.open(file):
        pass
    for subcommand in ("show", "export", "recover"):
        arguments = [subcommand, str(file), *([str(tmp_path / "new")] if subcommand == "recover" else [])]
        result = CliRunner().invoke(command, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception


async def test_a_blob_in_the_place_of_text_is_a_finding(file: Path) -> None:
    async with serving(file) as client:
        await dispense(client, 50)
    with closing(sqlite3.connect(file)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        # STRICT tables take no BLOB for TEXT; a damaged page, or another tool, knows no such rule.
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'journal'"
        )
        connection.commit()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE journal SET kind = x'0102' WHERE sequence = 3")
        connection.commit()
    assert not checked(file)["good"]


@pytest.mark.posix
def test_the_lock_holds_by_every_name_of_the_file(file: Path, tmp_path: Path) -> None:
    links = {"symbolic": tmp_path / "symbolic.sqlite", "hard": tmp_path / "elsewhere" / "hard.sqlite"}
    (tmp_path / "elsewhere").mkdir()
    with xfs4iot.Ledger.open(file):
        links["symbolic"].symlink_to(file)
        os.link(file, links["hard"])
        for name in (file, *links.values()):
            with pytest.raises(LedgerUnavailable, match="in use by process"):
                xfs4iot.Ledger.open(name)
        Path(f"{file}.lock").unlink()
        with pytest.raises(LedgerUnavailable, match="in use by process"):
            xfs4iot.Ledger.open(file)
    xfs4iot.Ledger.open(file).close()


@pytest.mark.posix
def test_a_lock_that_is_a_link_is_refused_and_its_target_left_alone(file: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("not to be lost")
    lock = Path(f"{file}.lock")
    for make in (lock.symlink_to, lambda target: os.link(target, lock)):
        make(precious)
        with pytest.raises(LedgerUnavailable, match="cannot be locked"):
            xfs4iot.Ledger.open(file)
        assert precious.read_text() == "not to be lost"
        lock.unlink()


async def test_a_ledger_in_which_nothing_has_moved_lacks_nothing_at_the_next_start(file: Path) -> None:
    with xfs4iot.Ledger.open(file) as ledger:
        await ledger.service("Biometric").put_document("Biometric.persistence", b'"persist"')
    with xfs4iot.Ledger.open(file) as ledger:
        assert ledger.lost is None
        assert ledger.last_line == 0


def test_only_its_owner_reads_a_new_ledger(file: Path) -> None:
    with xfs4iot.Ledger.open(file):
        for one in file.parent.iterdir():
            assert one.stat().st_mode & 0o077 == 0, one
