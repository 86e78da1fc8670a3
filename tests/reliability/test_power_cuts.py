"""The power fails at any moment: no item is lost or counted twice, and what is known is said.

A real service in a process of its own moves simulated cash whose whereabouts the device keeps
in a memory of its own. It is killed at random moments, at chosen writes and syncs of its
ledger, with half of a write done, and with everything lost that was not synced; its disk is
full at times, or its syncs fail. After each end the ledger, the counts over the wire and the
physical truth are compared.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from operators import DISPENSE, MOVING, Operator
from power import ATM, Fault, Launcher, NotReady
from xfs4iot import client
from xfs4iot.ledger import LedgerReader

SHORT, LONG = 5, 250
"""Kills of each machine; there are four of them."""


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    made = Launcher(tmp_path_factory.mktemp("power"))
    yield made
    made.close()


@contextlib.asynccontextmanager
async def connected(atm: ATM) -> AsyncIterator[tuple[client.Client, client.Client]]:
    async with (
        client.connect(atm.uris["CashDispenser"], plain=True) as device,
        client.connect(atm.uris["Simulator"], plain=True) as simulator,
    ):
        yield device, simulator


def check(ledger: Path) -> None:
    """The file is sound as it was left, and its journal alone makes its counts."""
    if ledger.exists():
        with LedgerReader.open(ledger) as reader:
            assert reader.verify().problems == []


async def one_life(operator: Operator, fault: Fault) -> None:
    """Start the service, compare, work, and end it."""
    atm, chance = operator.atm, operator.chance
    operator.busy_for(chance.randrange(1, 12))
    try:
        async with atm.running(fault) as life, trio.open_nursery() as nursery:

            async def work() -> None:
                try:
                    async with connected(atm) as (device, simulator):
                        await operator.compare(device)
                        operator.running = None
                        nursery.start_soon(fail)
                        await operator.work(device, simulator)
                except* (client.Disconnected, OSError):
                    pass
                await life.wait()
                assert life.killed or fault.at is not None, (atm.directory / "log").read_text()[-2000:]
                nursery.cancel_scope.cancel()

            async def fail() -> None:
                await operator.reached.wait()
                await trio.sleep(chance.random() * 0.05)
                if fault.at is None and chance.random() < 0.5:
                    atm.full.write_text(chance.choice(["writes", "syncs"]))
                    await trio.sleep(chance.random() * 0.4)
                    if chance.random() < 0.5:
                        atm.full.unlink()
                        await trio.sleep(chance.random() * 1.5)
                life.kill()

            nursery.start_soon(work)
    except NotReady:
        assert fault.at is not None, (atm.directory / "log").read_text()[-2000:]
    check(atm.ledger)


async def lives(atm: ATM, seed: int, kills: int) -> Counter[str]:
    """Kill an ATM again and again; returns what was done meanwhile."""
    atm.directory.mkdir()
    operator = Operator(atm, random.Random(seed))
    async with atm.running():
        pass
    for _ in range(kills):
        fault = Fault(lose_unsynced=operator.chance.random() < 0.5)
        if operator.chance.random() < 0.6:
            fault = Fault(
                operator.chance.randrange(1, 300), operator.chance.random() < 0.5, fault.lose_unsynced
            )
        await one_life(operator, fault)
    async with atm.running(), connected(atm) as (device, _):
        await operator.compare(device)
        places = atm.truth()
        assert sum(sum(there.values()) for there in places.values()) == 1700
    return operator.done


@pytest.mark.parametrize("kills", [SHORT, pytest.param(LONG, marks=pytest.mark.long)], ids=["short", "long"])
async def test_no_item_is_lost_or_counted_twice_when_the_power_fails(
    kills: int, tmp_path: Path, launcher: Launcher
) -> None:
    done: Counter[str] = Counter()

    async def machine(number: int) -> None:
        done.update(await lives(ATM(tmp_path / str(number), launcher, recalls=number != 0), number, kills))

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(machine, number)
    print(f"\n{4 * kills} kills; commands completed meanwhile: {dict(done)}")
    assert done[DISPENSE] >= kills, done
    assert min(done[name] for name in MOVING) >= kills // 20, done
