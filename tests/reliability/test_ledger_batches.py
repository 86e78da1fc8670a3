"""What several services write at once: each write is booked or refused, whatever fails at any point."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xfs4iot.ledger import CounterKey, Ledger, LedgerError, LedgerReader, SetPosting
from xfs4iot.ledger.batch import Batch

COUNT = CounterKey("unit1", "count")


class Faulty:
    """A connection that raises an error before or after one of its statements."""

    def __init__(self, connection: sqlite3.Connection, at: int, error: BaseException, after: bool) -> None:
        self._connection = connection
        self._left = at
        self._error = error
        self._after = after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        return self._counted(found) if name in ("execute", "executemany") else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self._left -= 1
            if not self._left and not self._after:
                raise self._error
            result = call(*arguments)
            if not self._left:
                raise self._error
            return result

        return counted


def _sqlite_error(kind: type[sqlite3.Error], code: int) -> sqlite3.Error:
    error = kind("injected")
    error.sqlite_errorcode = code
    return error


ERRORS: list[Callable[[], Exception]] = [
    lambda: _sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_FULL),
    lambda: _sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_BUSY),
    lambda: _sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_IOERR),
    lambda: _sqlite_error(sqlite3.DatabaseError, sqlite3.SQLITE_CORRUPT),
    lambda: _sqlite_error(sqlite3.IntegrityError, sqlite3.SQLITE_CONSTRAINT_CHECK),
    lambda: OverflowError("injected"),
    lambda: UnicodeEncodeError("utf-8", "\ud800", 0, 1, "injected"),
    lambda: MemoryError("injected"),
    lambda: RuntimeError("injected"),
    lambda: AttributeError("injected"),
]


async def write_all(ledger: Ledger, wanted: dict[str, int], failing: dict[str, Exception]) -> dict[str, bool]:
    """Set one count of every service, all in one batch; those in `failing` raise while they prepare."""
    said: dict[str, bool] = {}

    async def one(service: str, value: int) -> None:
        part = ledger.service(service)
        posting = SetPosting(*COUNT, value)
        try:
            if service in failing:
                await ledger._write(_prepare_badly(service, failing[service]))
            else:
                await part.record("set", [posting], documents={"kept": str(value).encode()})
        except Exception:
            said[service] = False
        else:
            said[service] = True

    async with trio.open_nursery() as nursery:
        for service, value in wanted.items():
            nursery.start_soon(one, service, value)
    return said


def _prepare_badly(service: str, error: Exception) -> Callable[[Batch], None]:
    def prepare(batch: Batch) -> None:
        batch.add("begin", None, service, "set", "", 0, "")
        batch.counters[service, COUNT] = 7
        batch.documents[service, "kept"] = b"7"
        raise error

    return prepare


def held(ledger: Ledger, service: str) -> tuple[int, bytes | None]:
    part = ledger.service(service)
    return part.counters_of("unit1").get(COUNT, 0), part.document("kept")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(1, 30),
    error=st.sampled_from(ERRORS),
    after=st.booleans(),
    bad=st.dictionaries(st.sampled_from("ABCDEF"), st.sampled_from(ERRORS), max_size=3),
    impossible=st.sets(st.sampled_from("ABCDEF"), max_size=2),
)
def test_whatever_is_raised_at_any_point_what_was_reported_done_is_in_the_file_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    at: int,
    error: Callable[[], Exception],
    after: bool,
    bad: dict[str, Callable[[], Exception]],
    impossible: set[str],
) -> None:
    file = tmp_path_factory.mktemp("batch") / "ledger.sqlite"

    async def use() -> None:
        with Ledger.open(file) as ledger:
            before = dict.fromkeys("ABCDEF", 10)
            assert all((await write_all(ledger, before, {})).values())
            wanted = {name: 2**63 if name in impossible else 20 for name in before}
            ledger._connection = Faulty(ledger._connection, at, error(), after)  # type: ignore[assignment]
            said = await write_all(ledger, wanted, {name: made() for name, made in bad.items()})
            assert said.keys() == before.keys()
            assert not any(said[name] for name in bad.keys() | impossible)
            after_it = {name: (20, b"20") for name, done in said.items() if done}
            # The ledger goes on, and what it holds is what it said; the fault may hit the first of these.
            last = [await write_all(ledger, {"G": value}, {}) for value in (1, 2)]
            assert any(one["G"] for one in last)
            assert {held(ledger, name) for name in before} <= {(10, b"10"), (20, b"20")}
            assert after_it.items() <= {name: held(ledger, name) for name in before}.items()
            kept = {name: held(ledger, name) for name in before}
        with Ledger.open(file) as again:
            assert {name: held(again, name) for name in before} == kept
        with LedgerReader.open(file) as reader:
            assert reader.verify().problems == []

    trio.run(use)


async def test_one_write_that_cannot_be_stored_leaves_its_neighbours_in_the_batch(tmp_path: Path) -> None:
    """A text that is no Unicode passes every check until it is stored."""
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        failed: list[Exception] = []

        async def bad() -> None:
            try:
                await ledger.service("Bad").put_vendor_data("\ud800", b"1")
            except LedgerError as refused:
                failed.append(refused)

        async def good(name: str) -> None:
            await ledger.service(name).record("set", [SetPosting(*COUNT, 5)])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(good, "first")
            nursery.start_soon(bad)
            nursery.start_soon(good, "second")
            nursery.start_soon(good, "third")
        assert len(failed) == 1
        assert "cannot be written" in str(failed[0])
    with Ledger.open(tmp_path / "ledger.sqlite") as again:
        assert [held(again, name)[0] for name in ("first", "second", "third")] == [5, 5, 5]


@pytest.mark.parametrize("value", [2**53 + 1, 2**63, 2**64, -(2**63)])
async def test_a_count_beyond_all_that_units_hold_is_refused_by_the_ledger(value: int) -> None:
    with Ledger.open(None) as ledger:
        service = ledger.service("CashDispenser")
        with pytest.raises(LedgerError, match=r"more than any unit holds|cannot be kept"):
            await service.record("set", [SetPosting("unit1", "out.presented", "", "", value)])
        await service.record("set", [SetPosting(*COUNT, 5)])
        assert held(ledger, "CashDispenser")[0] == 5


async def test_a_write_that_was_cancelled_before_its_turn_is_not_booked(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:

        async def first() -> None:
            await ledger.service("First").record("set", [SetPosting(*COUNT, 5)])

        async def second() -> None:
            with trio.CancelScope() as scope:
                scopes.append(scope)
                await ledger.service("Second").record("set", [SetPosting(*COUNT, 5)])

        scopes: list[trio.CancelScope] = []
        async with ledger._lock, trio.open_nursery() as nursery:
            nursery.start_soon(second)
            await trio.testing.wait_all_tasks_blocked()
            scopes[0].cancel()
        await first()
        assert held(ledger, "First")[0] == 5
        assert held(ledger, "Second")[0] == 0


async def test_a_write_that_is_cancelled_while_it_is_stored_is_booked_and_said_to_be(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        said: list[str] = []

        async def one(service: str) -> None:
            with trio.CancelScope() as scope:
                scopes.append(scope)
                await ledger.service(service).record("set", [SetPosting(*COUNT, 5)])
                said.append(service)

        scopes: list[trio.CancelScope] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "First")
            nursery.start_soon(one, "Second")
            while ledger._waiting or not scopes:
                await trio.lowlevel.checkpoint()
            # Both are on their way to the disk by now: one by itself, or along with the other.
            for scope in scopes:
                scope.cancel()
        booked = [service for service in ("First", "Second") if held(ledger, service)[0] == 5]
        assert sorted(said) == booked
        assert booked
