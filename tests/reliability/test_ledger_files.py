"""A ledger that was damaged or altered is refused, named, and has a way out."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

import xfs4iot
from cash import content, dispense
from dialogue import Dialogue, dialogue
from xfs4iot.cli.ledger import ledger as command
from xfs4iot.cli.simulate import simulate
from xfs4iot.ledger import LedgerCorrupt, LedgerReader, LedgerUnavailable, Posting, files, schema
from xfs4iot.ledger.journal import GENESIS, chain
from xfs4iot.ledger.records import planned_postings
from xfs4iot.simulator import atm as simulated_atm


@asynccontextmanager
async def serving(file: Path) -> AsyncIterator[Dialogue]:
    """A simulated ATM on the ledger `file`, its device's own memory beside it."""
    async with trio.open_nursery() as nursery:
        with xfs4iot.Ledger.open(file) as ledger:
            services = simulated_atm(ledger=ledger, state=file.parent, seconds=0)
            publisher = xfs4iot.Publisher(services, port=0)
            await nursery.start(publisher.serve)
            yield await nursery.start(dialogue, publisher.uri("CashDispenser"))
            nursery.cancel_scope.cancel()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an ATM that has dispensed a dozen times and was shut down in order."""
    directory = tmp_path_factory.mktemp("atm")

    async def use() -> None:
        async with serving(directory / "ledger.sqlite") as dispenser:
            for _ in range(12):
                await dispense(dispenser, 230)
                await dispenser.success("CashDispenser.Reject")
            await dispense(dispenser, 230)

    trio.run(use)
    return directory


@pytest.fixture
def used(template: Path, tmp_path: Path) -> Path:
    """The ledger of an ATM that was in use."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path / "ledger.sqlite"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def checked(file: Path, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("check", file, "--json", *options).stdout)
    return found


def altered(file: Path, *statements: str) -> None:
    """Somebody at work with the database's own tools, who knows of the triggers."""
    with closing(sqlite3.connect(file)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert connection.execute(statement).rowcount, statement
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()


def page_overwritten(file: Path) -> None:
    """The disk has lost a page in the middle of the journal."""
    with closing(sqlite3.connect(file)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        assert connection.execute("PRAGMA page_count").fetchone()[0] > 12
    content = bytearray(file.read_bytes())
    middle = content.find(b"CashDispenser.Reject", len(content) // 3) // size * size
    content[middle : middle + size] = b"\xa5" * size
    file.write_bytes(content)


def truncated(file: Path) -> None:
    """The file system has lost the end of the file."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def line_altered(file: Path) -> None:
    altered(
        file, "UPDATE journal SET delta = delta - 1 WHERE sequence = 60", "UPDATE counter SET value = value"
    )


def line_removed(file: Path) -> None:
    altered(file, "DELETE FROM journal WHERE sequence = 60")


def counts_altered(file: Path) -> None:
    altered(file, "UPDATE counter SET value = value - 10 WHERE unit = 'unit4' AND bucket = 'count'")


def document_altered(file: Path) -> None:
    altered(file, "UPDATE document SET value = CAST(replace(value, 'accurate', 'unknown') AS BLOB)")


DAMAGE: dict[Callable[[Path], None], str] = {
    page_overwritten: "database|read",
    truncated: "malformed|database|read",
    line_altered: "line 60 .* does not fit the line before it",
    line_removed: "line 60 is missing",
    counts_altered: "unit4 count typeEUR100 fit is .*, but its journal adds up to",
    document_altered: 'document "Storage.units" of CashDispenser: its contents were altered',
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_refused_at_the_start_and_named_by_check(
    damage: Callable[[Path], None], used: Path
) -> None:
    assert checked(used)["good"]
    damage(used)
    before = used.read_bytes()
    with pytest.raises(LedgerCorrupt, match=DAMAGE[damage]) as refused:
        xfs4iot.Ledger.open(used)
    assert f"xfs4iot ledger recover {used} NEW" in str(refused.value)
    assert used.read_bytes() == before
    result = run("check", used)
    assert result.exit_code == 1
    assert "✗" in result.stdout
    assert checked(used)["problems"]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
async def test_a_recovered_ledger_serves_and_says_what_must_be_counted(
    damage: Callable[[Path], None], used: Path, tmp_path: Path
) -> None:
    damage(used)
    saved = tmp_path / "saved.sqlite"
    result = run("recover", used, saved, "--json")
    if result.exit_code:
        # Its first pages are gone: the only way left is to begin anew.
        assert damage is truncated, result.output
        return
    found = json.loads(result.stdout)
    assert checked(saved)["good"]
    # The device goes on with its own numbers of movements and its own memory.
    async with serving(saved) as dispenser:
        storage = (await dispenser.success("Storage.GetStorage"))["storage"]
        accuracies = {name: unit["cash"]["status"]["accuracy"] for name, unit in storage.items()}
        if found["cut"] is None:
            assert content(storage["unit4"]["cash"]) == 200 - 13 * 2
            assert "inaccurate" not in accuracies.values()
        else:
            # What was never counted is as unknown as it was.
            never = dict.fromkeys(("unit6", "unit7"), "unknown")
            assert accuracies == dict.fromkeys(found["uncertain"]["CashDispenser"], "inaccurate") | never
        await dispenser.success("CashDispenser.Reject")
        await dispenser.success("Storage.StartExchange")
        held = {"cash": {"status": {"initial": {"unrecognized": 174}}}}
        await dispenser.success("Storage.SetStorage", {"storage": {"unit4": held}})
        await dispenser.success("Storage.EndExchange")
        await dispense(dispenser, 200)
        unit4 = (await dispenser.success("Storage.GetStorage"))["storage"]["unit4"]["cash"]
        assert content(unit4) == 172
    assert checked(saved)["good"]


def test_the_numbers_of_a_cut_journal_are_never_used_again(used: Path, tmp_path: Path) -> None:
    line_altered(used)
    saved = tmp_path / "saved.sqlite"
    run("recover", used, saved)
    with LedgerReader.open(saved) as reader:
        numbers = [line.sequence for line in reader.lines()]
    assert max(number for number in numbers if number < 10_000_000) < 70
    assert 10_000_000 in numbers


async def test_an_older_head_proves_that_nothing_was_rewritten(used: Path) -> None:
    head = checked(used)["head"]
    async with serving(used) as dispenser:
        await dispenser.success("CashDispenser.Reject")
    assert checked(used, "--head", head)["good"]
    number, _, hashed = head.partition(":")
    assert "not the one that was noted" in checked(used, "--head", f"{number}:{'0' * 64}")["problems"][0]
    assert "gone" in checked(used, "--head", f"{int(number) + 1000}:{hashed}")["problems"][0]
    assert run("check", used, "--head", "nonsense").exit_code == 2


def test_a_whole_journal_that_was_rewritten_does_not_fit_a_head_noted_before(used: Path) -> None:
    head = checked(used)["head"]
    with closing(sqlite3.connect(used)) as connection:
        rows = connection.execute("SELECT * FROM journal ORDER BY sequence").fetchall()
    previous, statements = GENESIS, []
    for row in rows:
        columns = [*row[:-1]]
        if columns[0] == 60:
            columns[8] = "somebody else"
        previous = chain(previous, tuple(columns))
        changes = f"hash = x'{previous.hex()}', identity = '{columns[8]}'"
        statements.append(f"UPDATE journal SET {changes} WHERE sequence = {row[0]}")
    altered(used, *statements)
    assert checked(used)["good"]
    assert not checked(used, "--head", head)["good"]


def test_an_empty_file_is_no_new_ledger(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    file.touch()
    with pytest.raises(LedgerUnavailable, match="truncated"):
        xfs4iot.Ledger.open(file)


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")
    before = file.read_bytes()
    with pytest.raises(LedgerCorrupt, match="not a ledger") as refused:
        xfs4iot.Ledger.open(file)
    assert file.read_bytes() == before
    checking = run("check", file)
    assert checking.exit_code == 1
    recovering = run("recover", file, tmp_path / "new.sqlite")
    assert recovering.exit_code == 1
    # No advice sends anybody to a command that fails.
    for text in (str(refused.value), checking.output, recovering.output):
        assert "move it away" in text
        assert "ledger recover" not in text


def cut_while_written(file: Path, directory: Path) -> Path:
    """The file as it is after a power cut while its rollback journal was needed."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE more (content)")
        connection.executemany("INSERT INTO more VALUES (?)", [("x" * 3000,)] * 200)
        for name in (file.name, f"{file.name}-journal"):
            shutil.copy(file.parent / name, directory / name)
        connection.rollback()
    return directory / file.name


def test_a_power_cut_before_the_write_ahead_log_is_there_does_not_keep_a_ledger_shut(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    xfs4iot.Ledger.open(file).close()
    (tmp_path / "cut").mkdir()
    cut = cut_while_written(file, tmp_path / "cut")
    xfs4iot.Ledger.open(cut).close()
    with closing(sqlite3.connect(cut)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert not connection.execute("SELECT name FROM sqlite_schema WHERE name = 'more'").fetchall()


def test_a_power_cut_in_another_program_s_database_is_left_to_that_program(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    (tmp_path / "cut").mkdir()
    cut = cut_while_written(file, tmp_path / "cut")
    before = {one.name: one.read_bytes() for one in cut.parent.iterdir()}
    with pytest.raises(LedgerCorrupt, match="not a ledger"):
        xfs4iot.Ledger.open(cut)
    assert {name: (cut.parent / name).read_bytes() for name in before} == before


def test_a_new_ledger_is_never_seen_without_its_write_ahead_log(tmp_path: Path) -> None:
    files.made(tmp_path / "ledger.sqlite")
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.sqlite"]
    # Bytes 18 and 19: the versions that write and read it, 2 with such a log.
    assert (tmp_path / "ledger.sqlite").read_bytes()[18:20] == bytes([2, 2])


def test_a_text_is_no_ledger(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("nothing of a ledger " * 1000)
    with pytest.raises(LedgerCorrupt, match="move it away"):
        xfs4iot.Ledger.open(file)
    assert "move it away" in run("check", file).output


def test_a_write_ahead_log_without_its_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite-wal").write_bytes(b"\0" * 64)
    with pytest.raises(LedgerUnavailable, match="put the file back"):
        xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")


def test_a_second_service_on_the_same_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    link = tmp_path / "link.sqlite"
    with xfs4iot.Ledger.open(file):
        link.symlink_to(file)
        for name in (file, link):
            with pytest.raises(LedgerUnavailable, match=r"in use by process .* one service writes"):
                xfs4iot.Ledger.open(name)
        assert checked(file)["good"]
        assert run("recover", file, tmp_path / "new.sqlite").exit_code == 1
    xfs4iot.Ledger.open(file).close()


def test_a_second_simulator_on_the_same_state_ends_with_the_reason(tmp_path: Path) -> None:
    with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite"):
        result = CliRunner().invoke(simulate, ["--plain", "--port", "0", "--state", str(tmp_path)])
    assert result.exit_code == 1
    assert "in use by process" in result.stderr


async def test_a_reader_does_not_hold_up_the_service(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    async with serving(file) as dispenser:
        await dispense(dispenser, 230)
        with LedgerReader.open(file) as reader:
            lines = reader.lines()
            next(lines)
            await dispenser.success("CashDispenser.Reject")
            assert "CashDispenser.Reject" not in {line.command for line in lines}
        assert run("show", file).exit_code == 0
        assert checked(file)["good"]


def of_schema(version: int, file: Path) -> None:
    """A ledger as that schema had it: 100 items counted, 3 of them dispensed, one dispense open."""
    detail = planned_postings((Posting("unit1", "count", "", "unrecognized", -2),), {"units": ["unit1"]})
    none = ("", "", "", "")
    count, out = ("unit1", "count", "", "unrecognized"), ("unit1", "out.presented", "", "unrecognized")
    lines = [
        ("begin", 1, "set", none, 0, planned_postings((), {})),
        ("post", 1, "set", count, 100, ""),
        ("end", 1, "set", none, 0, "done"),
        ("begin", 4, "dispense", none, 0, planned_postings((), {})),
        ("post", 4, "dispense", count, -3, ""),
        ("post", 4, "dispense", out, 3, ""),
        ("end", 4, "dispense", none, 0, "done"),
        ("begin", 8, "dispense", none, 0, detail),
    ]
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executescript(
            f"BEGIN; {' '.join(schema.MIGRATIONS[:version])} "
            f"PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = {version}; COMMIT;"
        )
        head = GENESIS
        for number, (entry, intent, kind, key, delta, text) in enumerate(lines, 1):
            asked = ("CashDispenser.Dispense", 7, "switch")
            columns = (number, "2025-01-01T00:00:00.000+00:00", entry, "Old", intent, kind, *asked)
            columns = (*columns, *key, delta, text)
            head = chain(head, columns)
            marks = ", ".join("?" * (len(columns) + 1))
            connection.execute(f"INSERT INTO journal VALUES ({marks})", (*columns, head))
        connection.execute("INSERT INTO counter VALUES (?, ?, ?, ?, ?, ?)", ("Old", *count, 97))
        connection.execute("INSERT INTO counter VALUES (?, ?, ?, ?, ?, ?)", ("Old", *out, 3))
        connection.execute("INSERT INTO open_intent VALUES (8)")


OLDER_SCHEMAS = range(1, len(schema.MIGRATIONS))


@pytest.mark.parametrize("version", OLDER_SCHEMAS)
async def test_a_ledger_of_an_older_schema_is_read_as_it_is_and_migrated_when_it_is_opened(
    tmp_path: Path, version: int
) -> None:
    file = tmp_path / "ledger.sqlite"
    of_schema(version, file)
    assert checked(file)["good"]
    assert json.loads(run("show", file, "--counts", "--json", "--unit", "unit1").stdout)[0]["value"] == 97
    with xfs4iot.Ledger.open(file) as ledger:
        old = ledger.service("Old")
        assert sum(old.counters().values()) == 100
        (intent,) = old.open_intents()
        await old.book(intent, intent.planned)
        await old.put_vendor_data("calibration", b"7")
    with closing(sqlite3.connect(file)) as connection:
        assert schema.version(connection) == len(schema.MIGRATIONS)
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    assert ("nonce",) not in tables
    movements = json.loads(run("show", file, "--json").stdout)
    assert [(one["number"], one["kind"], one["outcome"]) for one in movements] == [
        (1, "set", "done"),
        (4, "dispense", "done"),
        (8, "dispense", "done"),
    ]
    found = checked(file)
    assert found["good"]
    assert found["openMovements"] == 0
    with xfs4iot.Ledger.open(file) as ledger:
        assert ledger.service("Old").vendor_data("calibration") == b"7"


@pytest.mark.parametrize("version", OLDER_SCHEMAS)
def test_a_ledger_of_an_older_schema_is_recovered_whole(tmp_path: Path, version: int) -> None:
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    of_schema(version, old)
    saved = json.loads(run("recover", old, new, "--json").stdout)
    assert saved == {"lines": 8, "cut": None, "counts": "journal", "uncertain": {}, "dropped": []}
    assert checked(new)["good"]


def test_a_ledger_of_a_newer_xfs4iot_is_left_alone(used: Path) -> None:
    with closing(sqlite3.connect(used)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = used.read_bytes()
    with pytest.raises(LedgerCorrupt, match="use the xfs4iot that wrote it"):
        xfs4iot.Ledger.open(used)
    assert used.read_bytes() == before
    assert "use the xfs4iot that wrote it" in run("check", used).output
    recovering = run("recover", used, used.with_suffix(".new"))
    assert recovering.exit_code == 1
    assert "use the xfs4iot that wrote it" in recovering.output


def test_the_journal_takes_no_changes_even_by_replace(used: Path) -> None:
    with closing(sqlite3.connect(used)) as connection:
        for statement in (
            "UPDATE journal SET delta = 0",
            "DELETE FROM journal",
            "REPLACE INTO journal SELECT * FROM journal WHERE sequence = 5",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


def test_exports_hold_every_line_and_their_hashes_can_be_recomputed(used: Path, tmp_path: Path) -> None:
    exported = json.loads(run("export", used, "--format", "json").stdout)
    previous = GENESIS
    for line in exported:
        *columns, hashed = line.values()
        previous = chain(previous, tuple(columns))
        assert previous.hex() == hashed
    table = tmp_path / "journal.csv"
    assert run("export", used, "--output", table).exit_code == 0
    assert len(table.read_text().splitlines()) == len(exported) + 1
    chosen = ("--kind", "reject", "--unit", "unit5", "--identity", "127.0.0.1", "--format", "json")
    rejects = json.loads(run("export", used, *chosen).stdout)
    assert {line["kind"] for line in rejects} == {"reject"}
    assert len({line["intent"] for line in rejects}) == 12
    assert json.loads(run("export", used, "--until", "2001", "--format", "json").stdout) == []


def test_show_tells_each_movement_with_its_client_its_outcome_and_its_changes(used: Path) -> None:
    (shown,) = json.loads(run("show", used, "--kind", "dispense", "--last", "1", "--json").stdout)
    assert shown["command"] == "CashDispenser.Dispense"
    assert shown["identity"].startswith("127.0.0.1:")
    assert shown["outcome"] == "done"
    changes = {(one["unit"], one["bucket"]): one["delta"] for one in shown["changes"]}
    assert changes["unit4", "count"] == -2
    assert changes["unit4", "out.stacked"] == 2
    text = run("show", used, "--movement", str(shown["number"])).stdout
    assert "unit4 typeEUR100" in text
    counts = json.loads(run("show", used, "--counts", "--unit", "unit4", "--json").stdout)
    assert {one["bucket"]: one["value"] for one in counts}["count"] == 200 - 13 * 2


def test_reading_needs_no_right_to_write(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    xfs4iot.Ledger.open(file).close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert checked(file)["good"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


async def test_a_copy_taken_while_the_service_runs_by_the_database_s_own_backup_is_sound(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.sqlite"
    copy = tmp_path / "backup.sqlite"
    async with serving(file) as dispenser:
        await dispense(dispenser, 230)
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    moved = tmp_path / "moved.sqlite"
    shutil.copy(copy, moved)
    assert checked(moved)["good"]
