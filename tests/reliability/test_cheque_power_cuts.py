"""The power fails at any moment of a media-in: no cheque is lost or counted twice, what was told is known.

As `test_power_cuts` does it for notes: a real service in a process of its own takes in simulated cheques,
of which the device knows in a memory of its own where each is. It is killed at random moments, at chosen
writes and syncs of its ledger, with half of a write done, and with everything lost that was not synced.
After each end the journal, the record over the wire and the physical truth are compared, item by item. There
is a machine for each of the three flows, one that gives back in bunches when it is told to, and one that
recalls nothing.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from power import ATM, Fault, Launcher, Worker, one_life
from xfs4iot import client
from xfs4iot.ledger import LedgerReader

SHORT, LONG = 4, 200
"""Kills of each machine; there are five of them."""
POCKETS = ("unitPOCKET1", "unitPOCKET2")
RETRACT = "unitRETRACT"
STORE: dict[str, Any] = {"destination": "unitPOCKET1"}
PROFILE = """
[services.Check]
kinds = ["Check"]
{settings}
[services.Check.units]
unitPOCKET1 = {{ capacity = 40 }}
unitPOCKET2 = {{ capacity = 40 }}
unitRETRACT = {{ uses = ["retract"], capacity = 60 }}
"""
MACHINES = {
    "bunch": 'flow = "bunch"',
    "refusing": 'flow = "refusing"\nrefused = true',
    "single": 'flow = "single"',
    "waiting": 'flow = "bunch"\nbunch = 2\npresent_control = false\noutput = true\nrefused = true',
    "forgetful": 'flow = "bunch"',
}
INSIDE = ("slot", "stacker", "waiting", "refused", "presented")


class Branch(Worker):
    """Customer, clerk and application at one scanner, over all its lives.

    Attributes:
        told: the numbers of items that the application was told of since the transaction began.
        emptied: a clerk may have emptied pockets since their counts were set.
    """

    services = ("Check", "Simulator")
    disk_fills = False

    def __init__(self, atm: ATM, kind: str, chance: random.Random) -> None:
        super().__init__(atm, chance)
        self.kind = kind
        self.told: set[int] = set()
        self.ending = False
        self.emptied = False

    def truth(self) -> dict[str, Any]:
        """Where each item is, as the device's own memory has it."""
        file = self.atm.directory / "Check.truth.json"
        if not file.exists():
            return {**{place: [] for place in INSIDE}, "units": {}, "inserted": 0, "taken": 0, "emptied": 0}
        found: dict[str, Any] = json.loads(file.read_bytes())
        return found

    async def call(self, device: client.Client, name: str, payload: Any = None, timeout: float = 30) -> bool:
        """Send a command; whether it succeeded."""
        self.sent_one()
        with contextlib.suppress(client.CommandFailed):
            await device.call(f"Check.{name}", payload, timeout=timeout, on_event=self.happened)
            self.done[name] += 1
            return True
        return False

    def happened(self, event: Any) -> None:
        """Remember what the application is told of."""
        if event.name == "Check.MediaDataEvent":
            self.told.add(event.payload["mediaID"])

    async def end(self, device: client.Client, name: str, payload: Any = None) -> None:
        self.ending = True
        await self.call(device, name, payload)

    async def work(self, device: client.Client, simulator: client.Client) -> None:
        """Do what people do with a scanner, until the power fails."""
        chance = self.chance
        while True:
            status = await device.call("Check.GetTransactionStatus", {"includeImage": False})
            truth = self.truth()
            active = status["mediaInTransaction"] in ("active", "unknown")
            if self.emptied or any(len(truth["units"].get(unit, ())) > 30 for unit in (*POCKETS, RETRACT)):
                await self.empty(device, simulator)
            elif truth["presented"] and chance.random() < 0.7:
                with contextlib.suppress(client.CommandFailed):
                    await simulator.call("Simulator.TakeCheques")
            elif truth["presented"] or truth.get("jammed"):
                await self.clear(device)
            elif truth["refused"]:
                await self.call(device, "PresentMedia", {})
            elif active and any(one["number"] for one in truth["stacker"]):
                await self.go_on(device, simulator)
            elif active and self.kind == "single" and chance.random() < 0.5:
                await self.call(device, "GetNextItem")
            elif active:
                await self.end(device, chance.choice(["MediaInEnd", "MediaInRollback"]))
                if truth["waiting"] or truth["stacker"]:
                    await self.clear(device)
            elif truth["waiting"]:
                await self.call(device, chance.choice(["PresentMedia", "Reset"]), {}, timeout=0.1)
            elif truth["stacker"]:
                await self.clear(device)
            else:
                await self.insert(device, simulator)

    async def clear(self, device: client.Client) -> None:
        """Bring what lies about away."""
        if self.chance.random() < 0.5:
            await self.end(device, "RetractMedia", {"retractLocation": RETRACT})
        else:
            control = self.chance.choice([{"mediaControl": RETRACT}, {"mediaControl": "eject"}, {}])
            await self.end(device, "Reset", control)

    async def insert(self, device: client.Client, simulator: client.Client) -> None:
        """A customer inserts some items."""
        chance = self.chance
        if not self.truth()["slot"]:
            items = [chance.choice([{}, {}, {}, {"staple": True}]) for _ in range(chance.randrange(1, 5))]
            await simulator.call("Simulator.InsertCheques", {"items": items})
        if chance.random() < 0.1:
            fault = chance.choice(["chequeJams", "returnJams", "pulledBack"])
            await simulator.call("Simulator.Inject", {"fault": fault})
        if self.ending:
            self.told.clear()
            self.ending = False
        await self.call(device, "MediaIn", {"applicationRefuse": self.kind == "refusing"}, timeout=5)

    async def go_on(self, device: client.Client, simulator: client.Client) -> None:
        """The application decides."""
        chance = self.chance
        if self.kind == "refusing" and chance.random() < 0.5:
            await self.call(device, "AcceptItem", {"accept": chance.random() < 0.6})
            await self.call(device, "GetNextItem")
            return
        if self.kind == "single" and chance.random() < 0.7:
            await self.call(device, "SetMediaParameters", STORE)
            await self.call(device, "ActionItem")
            await self.call(device, "GetNextItem")
            return
        if chance.random() < 0.2:
            await self.insert(device, simulator)
        for number in self.told:
            wish = {"mediaID": number, "destination": chance.choice([*POCKETS, "customer"])}
            await self.call(device, "SetMediaParameters", wish)
        wish = chance.random()
        if wish < 0.6:
            await self.end(device, "MediaInEnd")
        elif wish < 0.85:
            await self.end(device, "MediaInRollback")
        else:
            await self.clear(device)

    async def empty(self, device: client.Client, simulator: client.Client) -> None:
        """A clerk empties all pockets and sets their counts."""
        self.emptied = True
        await simulator.call("Simulator.EmptyPocket", {})
        await self.set_counts(device)
        self.emptied = False

    async def set_counts(self, device: client.Client) -> None:
        units = self.truth()["units"]
        counts = {name: {"count": len(held), "mediaInCount": len(held)} for name, held in units.items()}
        wanted = {name: {"check": {"status": {"initial": one}}} for name, one in counts.items()}
        await device.call("Storage.SetStorage", {"storage": wanted})

    async def compare(self, device: client.Client, simulator: client.Client) -> None:
        """Every item is where the books, and the record, say."""
        truth, recalls = self.truth(), self.atm.recalls
        held = sum(len(truth[place]) for place in INSIDE) + sum(map(len, truth["units"].values()))
        assert truth["inserted"] == held + truth["taken"] + truth["emptied"]
        status = await device.call("Check.GetTransactionStatus", {"includeImage": False})
        storage = (await device.call("Storage.GetStorage"))["storage"]
        for name, unit in storage.items():
            counts = unit["check"]["status"].get("in")
            if counts is None:
                assert not recalls, (name, unit)
            elif not self.emptied:
                there = len(truth["units"].get(name, ()))
                assert counts["count"] == there, (name, counts, there, status)
                if name in POCKETS:
                    assert counts["mediaInCount"] == there, (name, counts, there)
        known = {one["mediaID"]: one for one in status.get("mediaInfo") or ()}
        state = status["mediaInTransaction"]
        if not self.ending:
            # The answer of a MediaIn that began a transaction may be lost, but not what it told.
            assert self.told <= known.keys(), (self.told, status)
            if any(one["number"] in self.told for one in truth["stacker"]):
                assert state in ("active", "failure", "unknown"), status
        if recalls:
            self.same(truth, known, state)
        self.journal(truth)
        if not recalls and any("in" not in unit["check"]["status"] for unit in storage.values()):
            await self.set_counts(device)
            await self.compare(device, simulator)

    def same(self, truth: dict[str, Any], known: dict[int, dict[str, Any]], state: str) -> None:
        """Each item that is numbered is known, and where it is."""
        assert state != "unknown"
        for unit, items in truth["units"].items():
            for one in items:
                if one["number"] in known:
                    assert known[one["number"]]["mediaLocation"] == unit, (one["number"], unit, known)
        kept = {one["number"] for place in ("stacker", "waiting") for one in truth[place]} - {0}
        out = {one["number"] for one in truth["presented"]} - {0}
        for number in kept | out:
            assert known[number]["mediaLocation"] == "device", (number, known, truth["presented"])
            reached = known[number]["customerAccess"] == "customer"
            assert reached == (number in out), (number, known[number])
        inside = {number for number, one in known.items() if one["mediaLocation"] == "device"}
        if self.kind != "refusing":
            # There the device forgets the number of what it is told to refuse.
            assert inside == kept | out, (inside, kept, out, state)

    def journal(self, truth: dict[str, Any]) -> None:
        """Each item that came in is on the books once."""
        with LedgerReader.open(self.atm.ledger) as reader:
            counters = reader.counters("Check")
        books: Counter[tuple[str, str]] = Counter()
        for (_, key), value in counters.items():
            if key.level == "check":
                books[key.unit, key.bucket] += value
        customers = {name: books["customer", name] for name in ("inserted", "returned", "accepted")}
        device, lost = books["device", "count"], books["unknown", "count"]
        assert customers["inserted"] == customers["returned"] + customers["accepted"] + device + lost
        assert min(*customers.values(), device, lost) >= 0, books
        if self.atm.recalls:
            assert lost == 0, books
            numbered = [one for place in INSIDE for one in truth[place] if one["number"]]
            if self.kind != "refusing":
                assert device == len(numbered), (books, truth)
            assert device >= len(numbered), (books, truth)


async def lives(atm: ATM, kind: str, seed: int, kills: int) -> Counter[str]:
    """Kill a scanner again and again; returns what was done meanwhile."""
    atm.directory.mkdir()
    profile = atm.directory / "profile.toml"
    profile.write_text(PROFILE.format(settings=MACHINES[kind]))
    atm.options = ("--profile", str(profile))
    branch = Branch(atm, kind, random.Random(seed))
    async with atm.running():
        pass
    for number in range(kills):
        fault = Fault.by_chance(branch.chance, 120)
        try:
            await one_life(branch, fault)
        except BaseException as failure:
            failure.add_note(f"{kind}, life {number}, {fault}\n{(atm.directory / 'log').read_text()[-1500:]}")
            raise
    async with atm.running(), branch.connected() as clients:
        await branch.compare(*clients)
    return branch.done


@pytest.mark.parametrize(
    "kills",
    [SHORT, pytest.param(LONG, marks=[pytest.mark.long, pytest.mark.timeout(7200)])],
    ids=["short", "long"],
)
async def test_no_cheque_is_lost_or_counted_twice_when_the_power_fails(
    kills: int, tmp_path: Path, launcher: Launcher
) -> None:
    done: Counter[str] = Counter()

    async def machine(number: int, kind: str) -> None:
        atm = ATM(tmp_path / kind, launcher, recalls=kind != "forgetful", seconds=0.005)
        done.update(await lives(atm, kind, number, kills))

    async with trio.open_nursery() as nursery:
        for number, kind in enumerate(MACHINES):
            nursery.start_soon(machine, number, kind)
    print(f"\n{len(MACHINES) * kills} kills; commands completed meanwhile: {dict(done)}")
    assert done["MediaIn"] >= kills, done
    if kills == LONG:
        assert min(done[name] for name in ("MediaInEnd", "MediaInRollback", "Reset", "RetractMedia")) >= 20
