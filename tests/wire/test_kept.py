"""What a vendor's class puts away outlives a restart, and its secrets are sealed with its own key."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

import xfs4iot
from xfs4iot.ledger import Ledger, VaultError
from xfs4iot.protocol import errors
from xfs4iot.simulator import SimulatedCashDispenser

SECRET = b"a master key of the bank, 32 bytes"


class Counting(SimulatedCashDispenser):
    """Counts how often it was opened, as hardware with a calibration would keep one."""

    async def open(self) -> None:
        openings = int(self.kept("openings") or b"0")
        await self.keep("openings", str(openings + 1).encode())
        await super().open()

    async def ledger_key(self) -> bytes:
        return b"k" * 32


async def one_life(file: Path) -> bytes | None:
    """Start a service on the ledger and end it; what its device has kept."""
    device = Counting("CashDispenser", seconds=0)
    with Ledger.open(file) as ledger:
        async with trio.open_nursery() as nursery:
            await nursery.start(xfs4iot.Service(device, ledger=ledger).run)
            nursery.cancel_scope.cancel()
        return device.kept("openings")


async def test_what_a_device_keeps_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    assert [await one_life(file) for _ in range(3)] == [b"1", b"2", b"3"]
    with Ledger.open(file) as ledger:
        assert ledger.service("Other").vendor_data("openings") is None
        await ledger.service("CashDispenser").put_vendor_data("openings", None)
    assert await one_life(file) == b"1"


async def test_a_device_that_belongs_to_no_service_is_told_so() -> None:
    device = Counting("CashDispenser")
    assert device.kept("openings") is None
    with pytest.raises(RuntimeError, match="from open"):
        await device.keep("openings", b"1")


async def test_secrets_are_sealed_with_the_device_s_key_and_outlive_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    key = await Counting("CashDispenser").ledger_key()
    with Ledger.open(file) as ledger:
        await ledger.service("CashDispenser").vault(key).put("MASTER", SECRET, attributes=b'{"use":"K0"}')
    for path in (file, Path(f"{file}-wal")):
        assert SECRET not in (path.read_bytes() if path.exists() else b"")
    with Ledger.open(file) as ledger:
        vault = ledger.service("CashDispenser").vault(key)
        assert vault.names() == ["MASTER"]
        assert vault.attributes("MASTER") == b'{"use":"K0"}'
        assert vault.get("MASTER") == SECRET
        assert vault.get("OTHER") is None
        assert ledger.service("Other").vault(key).names() == []
        with pytest.raises(VaultError, match="another key"):
            ledger.service("CashDispenser").vault(b"x" * 32).get("MASTER")
        await vault.remove("MASTER")
    with Ledger.open(file) as ledger:
        assert ledger.service("CashDispenser").vault(key).names() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE vault SET attributes = x'00'",
        "UPDATE vault SET name = 'OTHER'",
        "UPDATE vault SET service = 'Other'",
        "UPDATE vault SET sealed = zeroblob(length(sealed))",
    ],
)
async def test_a_sealed_secret_that_was_altered_or_moved_does_not_open(change: str, tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    with Ledger.open(file) as ledger:
        await ledger.service("CashDispenser").vault(b"k" * 32).put("MASTER", SECRET)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(change)
        connection.commit()
    with Ledger.open(file) as ledger:
        ((service, name),) = ledger._vault
        with pytest.raises(VaultError, match="does not open"):
            ledger.service(service).vault(b"k" * 32).get(name)


async def test_a_key_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    with Ledger.open(None) as ledger, pytest.raises(errors.InternalError, match="needs 32"):
        ledger.service("CashDispenser").vault(b"short")
