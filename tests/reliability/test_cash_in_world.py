"""Whatever is inserted, stored, given back and dispensed, whatever fails or lies, whenever the power goes.

A recycler of the tests' own, which knows where every note is, is used by chance: it stops half-way, raises,
lies, and loses its power while it moves. After each step every unit's counts are what is in it, or the unit
says that it is inaccurate; what customers have inserted is returned, stored or inside, to the last note; the
journal alone makes the counts; and the cash-in is what happened, or says that it is unknown.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

import xfs4iot
from acceptors import UNKNOWN, Acceptor, Recycler, laws, note
from cash import amount, bucket
from dialogue import Dialogue, dialogue
from vendors import refusal
from xfs4iot import devices
from xfs4iot.devices import CashMovement, ItemsMoved
from xfs4iot.ledger import LedgerReader
from xfs4iot.protocol.messages import cash_management

ACCEPTOR = "CashAcceptor."
OPERATIONS = {
    "cash_in": ACCEPTOR + "CashIn",
    "cash_in_end": ACCEPTOR + "CashInEnd",
    "cash_in_rollback": ACCEPTOR + "CashInRollback",
    "dispense": "CashDispenser.Dispense",
    "present": "CashDispenser.Present",
    "reject": "CashDispenser.Reject",
    "retract": "CashManagement.Retract",
    "reset": "CashManagement.Reset",
    "replenish": ACCEPTOR + "Replenish",
    "deplete": ACCEPTOR + "Deplete",
    "cash_unit_count": ACCEPTOR + "CashUnitCount",
}
FAILS = {
    "cash_in": "shutterNotClosed",
    "cash_in_end": "safeDoorOpen",
    "cash_in_rollback": "shutterNotOpen",
    "cash_unit_count": "tooManyItemsToCount",
}


class Forgetful(Recycler):
    """It recalls nothing."""

    recall = devices.CashManagement.recall  # type: ignore[assignment]


class Lost(Exception):
    """The power is gone: what the operation was about to say is lost."""


def _lies(random: Random) -> Callable[[Any], Any]:
    """What no device can have done: a wrong type, place, item, count or unit."""
    odd: list[Any] = [
        None,
        42,
        CashMovement(moved=(ItemsMoved(10**9, "customer", "stacker", item="typeEUR20", level="fit"),)),
        CashMovement(moved=(ItemsMoved(-3, "stacker", "unitA"),)),
        CashMovement(moved=(ItemsMoved(1, "stacker", "unitZ"),)),
        CashMovement(moved=(ItemsMoved(1, "stacker", "unitA", item="typeXYZ1"),)),
        CashMovement(moved=(ItemsMoved(1, "stacker", "unitA", item="typeEUR5", level="unrecognized"),)),
        CashMovement(moved=(ItemsMoved(501, "stacker", "output", item="typeEUR5"),)),
        CashMovement(moved=(ItemsMoved(2**40, "unit20", "stacker"),)),
        CashMovement(failure=refusal("noSuchCode")),
        CashMovement(inaccurate=frozenset({"unitZ"})),
        "moved",
    ]
    chosen = random.choice(odd)

    def told(result: Any) -> Any:
        if isinstance(chosen, CashMovement) and type(result) is not CashMovement:
            return type(result)(moved=chosen.moved, failure=chosen.failure, inaccurate=chosen.inaccurate)
        return chosen

    return told


class World:
    """A recycler with its service, over all its lives.

    Attributes:
        accepted: what the device has really accepted since the cash-in began.
    """

    def __init__(self, seed: int, directory: Path) -> None:
        self.random = Random(seed)
        self.ledger = directory / "ledger.sqlite"
        self.copy = directory / "copy"
        self.recalls = seed % 3 != 0
        self.device: Acceptor = self._made()
        self.done: Counter[str] = Counter()
        self.client: Dialogue
        self.accepted: Counter[Any] = Counter()

    def _made(self) -> Recycler:
        return Recycler() if self.recalls else Forgetful()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service lives."""
        before, self.device = self.device, self._made()
        self.device.truth, self.device.recalls = before.truth, before.recalls
        self.device.dispensed = before.dispensed
        self.device.items_taken_sensor = True
        with xfs4iot.Ledger.open(self.ledger) as ledger:
            async with trio.open_nursery() as nursery:
                service = xfs4iot.Service(self.device, ledger=ledger, operation_limit=0.2)
                publisher = xfs4iot.Publisher([service], port=0)
                await nursery.start(publisher.serve)
                self.client = await nursery.start(dialogue, publisher.uri("Cash"))
                yield
                nursery.cancel_scope.cancel()
        with LedgerReader.open(self.ledger) as reader:
            assert reader.verify().problems == []

    async def call(self, name: str, payload: Any = None, **header: Any) -> str:
        self.client.passed.clear()
        completion = await self.client.completion(name, payload, **header)
        code = str(completion["header"].get("completionCode", "success"))
        assert code not in ("internalError", "invalidData"), completion
        code = str((completion.get("payload") or {}).get("errorCode", code))
        self.done[f"{name} {code}"] += 1
        return code

    async def _copy(self) -> None:
        shutil.rmtree(self.copy, ignore_errors=True)
        self.copy.mkdir()
        for file in self.ledger.parent.glob("ledger.sqlite*"):
            shutil.copy(file, self.copy)

    def _restore(self) -> None:
        for file in self.ledger.parent.glob("ledger.sqlite*"):
            file.unlink()
        for file in self.copy.iterdir():
            shutil.copy(file, self.ledger.parent)

    def _wish(self, status: str) -> str:
        """What an application would do now, or now and then anything."""
        if self.random.random() < 0.15:
            return self.random.choice(list(OPERATIONS))
        if "stacker" in self.device.dispensed and self.device.truth["stacker"].total():
            return self.random.choice(["present", "reject", "retract"])
        if status in ("active", "unknown"):
            return self.random.choice(["cash_in", "cash_in", "cash_in_end", "cash_in_rollback", "reset"])
        return self.random.choice(["cash_in", "dispense", "replenish", "deplete", "cash_unit_count"])

    def _payload(self, operation: str) -> Any:
        random, device = self.random, self.device
        if operation == "cash_in":
            kinds = [note(5), note(10), note(20), note(50), note(20, "unfit"), note(50, "suspect"), UNKNOWN]
            device.slot = [random.choice([*kinds, "bad"]) for _ in range(random.randrange(6))]
            return None
        return {
            "dispense": {"denomination": amount(random.randrange(5, 100, 5))},
            "present": {},
            "retract": {},
            "reset": {"position": {"target": random.choice(["reject", "retract"])}},
            "replenish": {
                "source": "unitRefill",
                "replenishTargets": [{"target": "unit20", "numberOfItemsToMove": random.randrange(1, 5)}],
            },
            "deplete": {
                "cashUnitTarget": random.choice(["unitA", "unitB"]),
                "depleteSources": [{"source": random.choice(["unit5", "unit50"]), "numberOfItemsToMove": 1}],
            },
            "cash_unit_count": {"units": ["unit5", "unitA"]},
        }.get(operation)

    async def step(self) -> bool:
        """One command, with what goes wrong; whether the power failed meanwhile."""
        random, device = self.random, self.device
        status = (await self.client.success("CashAcceptor.GetCashInStatus"))["status"]
        operation = self._wish(status)
        if operation == "cash_in" and status != "active":
            device.truth["output"].clear()
            if await self.call("CashAcceptor.CashInStart", {}) == "success":
                self.accepted.clear()
        payload = self._payload(operation)
        event = random.random()
        powerless = False
        header: dict[str, Any] = {}

        async def lost() -> None:
            raise Lost

        async def cut() -> None:
            nonlocal powerless
            powerless = True
            await self._copy()

        if event < 0.1:
            device.raises[operation] = RuntimeError("broken")
        elif event < 0.2:
            device.breaks[operation] = lost
        elif event < 0.3:
            device.lies[operation] = _lies(random)
        elif event < 0.4:
            device.hand[operation] = cut
        elif event < 0.5:
            device.breaks[operation] = cut
        elif event < 0.65 and operation in FAILS:
            device.refuses[operation] = refusal(FAILS[operation])
            device.short = random.randrange(3)
        elif event > 0.98:
            # It never returns: given up, once nobody waits for a customer any more.
            device.hand[operation] = trio.sleep_forever
            header = {"timeout": 50}
        inside = Counter(device.truth["stacker"])
        await self.call(OPERATIONS[operation], payload, **header)
        if operation == "cash_in":
            self.accepted.update(device.truth["stacker"] - inside)
        for what in (device.raises, device.breaks, device.lies, device.hand, device.refuses):
            what.clear()  # type: ignore[attr-defined]
        device.short = 0
        if random.random() < 0.3 and device.truth["output"]:
            device.truth["output"].clear()
            device.send(cash_management.ItemsTakenEvent(position="outDefault"))
        return powerless

    async def compare(self) -> None:
        """The books are right, or say that they are not."""
        device = self.device
        await laws(self.client, device, doubts=True)
        storage = (await self.client.success("Storage.GetStorage"))["storage"]
        sure = all(unit["cash"]["status"]["accuracy"] != "inaccurate" for unit in storage.values())
        status = await self.client.success("CashAcceptor.GetCashInStatus")
        if status["status"] == "active":
            held: Counter[Any] = Counter()
            for item, levels in status.get("noteNumberList", {}).items():
                if item == "unrecognized":
                    held[UNKNOWN] += levels
                else:
                    held.update({(item, level): count for level, count in levels.items()})
            assert held == +self.accepted
        if sure and status["status"] != "unknown":
            stacked = sum(bucket(unit["cash"], "out", "stacked") for unit in storage.values())
            ledger: Any = device._host.ledger  # type: ignore[union-attr]
            inserted = sum(
                value
                for key, value in ledger.counters().items()
                if key.unit == "stacker" and key.bucket == "count"
            )
            assert stacked + inserted == device.truth["stacker"].total()

    async def mend(self) -> None:
        """Clear the way, and count."""
        self.device.truth["output"].clear()
        self.device.send(cash_management.ItemsTakenEvent(position="outDefault"))
        assert await self.call("CashManagement.Reset", {"position": {"target": "reject"}}) == "success"
        if (await self.client.success("CashAcceptor.GetCashInStatus"))["status"] == "unknown":
            # The record stays as unsure as it is until the next cash-in.
            assert await self.call("CashAcceptor.CashInStart", {}) == "success"
            assert await self.call("CashAcceptor.CashInEnd") == "noItems"
        assert await self.call("CashAcceptor.CashUnitCount", {}) == "success"
        await laws(self.client, self.device)

    async def lives(self, steps: int) -> None:
        left = steps
        while left > 0:
            powerless = False
            async with self.running():
                await self.compare()
                while left > 0 and not powerless:
                    left -= 1
                    powerless = await self.step()
                    if not powerless:
                        await self.compare()
                        if self.random.random() < 0.15:
                            await self.mend()
                        if self.random.random() < 0.05:
                            break
            if powerless:
                self._restore()
        async with self.running():
            await self.mend()


@pytest.mark.parametrize(
    ("worlds", "steps"),
    [
        pytest.param(6, 60, id="short"),
        pytest.param(200, 300, id="long", marks=[pytest.mark.long, pytest.mark.timeout(7200)]),
    ],
)
async def test_no_note_appears_or_is_lost_in_any_sequence(tmp_path: Path, worlds: int, steps: int) -> None:
    done: Counter[str] = Counter()
    for seed in range(worlds):
        (tmp_path / str(seed)).mkdir()
        world = World(seed, tmp_path / str(seed))
        try:
            await world.lives(steps)
        except BaseException as failure:
            failure.add_note(f"seed {seed}")
            raise
        done += world.done
    for command in OPERATIONS.values():
        assert done[f"{command} success"], (command, done)
