"""The power fails at any moment: no item is lost or counted twice, and what is known is said.

A real service in a process of its own moves simulated cash whose whereabouts the device keeps
in a memory of its own. It is killed at random moments, at chosen writes and syncs of its
ledger, with half of a write done, and with everything lost that was not synced; its disk is
full at times, or its syncs fail. After each end the ledger, the counts over the wire and the
physical truth are compared.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import trio

from operators import DISPENSE, MOVING, Operator
from power import ATM, Fault, Launcher, NotReady, one_life

SHORT, LONG = 5, 250
"""Kills of each machine; there are four of them."""


async def lives(atm: ATM, seed: int, kills: int) -> Counter[str]:
    """Kill an ATM again and again; returns what was done meanwhile."""
    atm.directory.mkdir()
    operator = Operator(atm, random.Random(seed))
    async with atm.running():
        pass
    for _ in range(kills):
        await one_life(operator, Fault.by_chance(operator.chance, 300))
    async with atm.running(), operator.connected() as clients:
        await operator.compare(*clients)
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


async def test_what_ends_before_it_is_up_says_how(launcher: Launcher, tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"^ended by SIGKILL: "):
        async with ATM(tmp_path, launcher).running(Fault(at=1)):
            pass
    with pytest.raises(NotReady, match=r"^exit code 1: .*no such profile"):
        async with ATM(tmp_path, launcher, options=("--profile", "none")).running():
            pass
