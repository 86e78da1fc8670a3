"""What somebody with rights on the directory can do to a ledger: noticed, and nothing else is harmed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio

from xfs4iot.ledger import CounterKey, Ledger, LedgerReader, LedgerUnavailable, SetPosting, recover

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are those of POSIX")

COUNT = CounterKey("unit1", "count")
BESIDE = ("-wal", "-shm", "-journal", ".mark")


async def write(ledger: Ledger, *values: int) -> None:
    for value in values:
        await ledger.service("CashDispenser").record("set", [SetPosting(*COUNT, value)])


def remove_log(file: Path) -> None:
    Path(f"{file}-wal").unlink()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A ledger with something in it."""

    async def use() -> None:
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            await write(ledger, 5)

    trio.run(use)
    return tmp_path / "ledger.sqlite"


@pytest.mark.parametrize("suffix", BESIDE)
@pytest.mark.parametrize("make", [os.link, os.symlink])
def test_a_link_beside_a_ledger_is_refused_and_its_target_left_alone(
    file: Path, suffix: str, make: Callable[[Path, str], None]
) -> None:
    precious = file.parent / "precious"
    precious.write_bytes(b"not to be lost" * 100)
    Path(f"{file}{suffix}").unlink(missing_ok=True)
    make(precious, f"{file}{suffix}")
    with pytest.raises(LedgerUnavailable, match="move it away"):
        Ledger.open(file)
    assert precious.read_bytes() == b"not to be lost" * 100
    Path(f"{file}{suffix}").unlink()
    Ledger.open(file).close()


@pytest.mark.parametrize("suffix", BESIDE)
def test_a_pipe_beside_a_ledger_holds_up_no_start(file: Path, suffix: str) -> None:
    Path(f"{file}{suffix}").unlink(missing_ok=True)
    os.mkfifo(f"{file}{suffix}")
    with pytest.raises(LedgerUnavailable, match="move it away"):
        Ledger.open(file)


def test_a_ledger_that_is_no_file_is_named_as_such(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for name, reason in (
        ("pipe", "no regular file"),
        (".", "no regular file"),
        ("circle", "cannot be opened"),
    ):
        with pytest.raises(LedgerUnavailable, match=reason):
            Ledger.open(tmp_path / name)


async def test_a_snapshot_made_of_hard_links_keeps_no_service_from_starting(file: Path) -> None:
    snapshot = file.parent / "snapshot"
    snapshot.mkdir()
    cut = snapshot / "cut.sqlite"
    with Ledger.open(file) as ledger:
        await write(ledger, 6)
        for suffix in ("", "-wal", "-shm", ".mark"):
            shutil.copy(f"{file}{suffix}", f"{cut}{suffix}")
            os.link(f"{cut}{suffix}", f"{cut}{suffix}.linked")
    with Ledger.open(cut) as again:
        assert again.service("CashDispenser").counters()[COUNT] == 6


@pytest.mark.posix
async def test_a_ledger_behind_a_link_is_the_same_ledger(file: Path) -> None:
    link = file.parent / "elsewhere" / "link.sqlite"
    link.parent.mkdir()
    link.symlink_to(file)
    with Ledger.open(link) as ledger:
        await write(ledger, 6)
        with LedgerReader.open(link) as reader:
            assert list(reader.counters().values()) == [6]
        remove_log(file)
        await write(ledger, 7)
        link.unlink()
        link.symlink_to(file.parent / "another.sqlite")
        with pytest.raises(LedgerUnavailable, match="removed or replaced"):
            await write(ledger, 8)
        link.unlink()
        link.symlink_to(file)
        await write(ledger, 9)
    assert list(link.parent.iterdir()) == [link]
    with LedgerReader.open(file) as reader:
        assert list(reader.counters().values()) == [9]
        assert reader.verify().problems == []
    new = file.parent / "new.sqlite"
    recover(link, new)
    with LedgerReader.open(new) as reader:
        assert list(reader.counters().values()) == [9]


def test_a_link_to_no_file_yet_is_followed(tmp_path: Path) -> None:
    link, target = tmp_path / "link.sqlite", tmp_path / "target.sqlite"
    link.symlink_to(target)
    Ledger.open(link).close()
    assert link.is_symlink()
    assert target.is_file()


def truncated(file: Path, before: Path) -> None:
    os.truncate(file, 0)


def cut_off(file: Path, before: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def overwritten_by_an_old_copy(file: Path, before: Path) -> None:
    shutil.copyfile(before, file)


def overwritten_by_rubbish(file: Path, before: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(b"\xa5" * file.stat().st_size)


def count_changed(file: Path, before: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE counter SET value = 77")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.posix
@pytest.mark.parametrize(
    "change",
    [truncated, cut_off, overwritten_by_an_old_copy, overwritten_by_rubbish, count_changed],
)
async def test_a_file_that_is_written_by_another_hand_is_noticed_before_the_next_movement(
    file: Path, change: Callable[[Path, Path], None]
) -> None:
    before = file.with_suffix(".before")
    shutil.copy(file, before)
    with Ledger.open(file) as ledger:
        await write(ledger, *range(400))
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await write(ledger, 400)
        change(file, before)
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match=r"something else|cannot be written|damaged"):
                await write(ledger, 7)
        assert ledger.service("CashDispenser").counters()[COUNT] == 400


async def test_a_checkpoint_of_another_program_holds_nothing_up(file: Path) -> None:
    with Ledger.open(file) as ledger:
        for value in range(5):
            await write(ledger, value)
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await write(ledger, 9)
    with LedgerReader.open(file) as reader:
        assert reader.verify().problems == []
        assert list(reader.counters().values()) == [9]


async def test_another_writer_that_holds_the_file_is_named_as_the_cause(file: Path) -> None:
    with Ledger.open(file) as ledger:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnavailable, match="another program holds the file") as refused:
                await write(ledger, 6)
            assert "make room" not in str(refused.value)
            connection.execute("ROLLBACK")
        await write(ledger, 7)
