"""Clients that do everything at once at a recycler: nothing is lost, and nothing stops.

Several clients of one simulated recycler send commands by chance, in no order, with numbers at the bounds,
and tear their connections in the middle; hands insert, take and exchange meanwhile. No answer is
`internalError`. When all has come to rest the counts are what is there, what customers have inserted is
theirs or stored, and an operator's usual steps bring the recycler back to work.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

import xfs4iot
from cash import laws
from dialogue import Dialogue, another, outcome
from simulated import Bench, bench_of
from xfs4iot.ledger import LedgerReader

LARGEST = 2**31 - 1
BOUNDS = (0, 1, 2, 7, 199, 200, 201, 10_000, LARGEST, LARGEST + 1, 2**53, 2**63, -1, 1.5)
NAMES = ("unit1", "unit2", "unit3", "unit5", "unit6", "unit7", "unit99", "", "unit2")
POSITIONS = ("inDefault", "outDefault", "outFront", "inFront", "outRear")
NOTES = ("EUR5", "EUR10", "EUR20", "EUR50", "EUR200", "GBP5")
FAULTS = (
    "jam",
    "breaks",
    "rejects",
    "doubleNotes",
    "nothingPresented",
    "partlyPresented",
    "presentUnknown",
    "itemsTaken",
    "incompleteRetract",
    "foreignItems",
    "unitsStuck",
    "shutterJammed",
    "takesBack",
    "doubleInsert",
    "misreads",
    "readerFails",
    "locksStuck",
)
PATIENCE = 60


class Recycler(Bench):
    """The simulated recycler."""

    service = "CashDispenser"


def command(chance: Random) -> tuple[str, Any]:
    """Anything that a client may ask of it."""
    pick = chance.choice
    limits = {
        "totalItemsLimit": pick(BOUNDS),
        "amountLimit": [{"currency": pick(("EUR", "USD")), "value": pick(BOUNDS)}],
    }
    areas = ("retract", "reject", "stacker", "transport", "itemCassette", "cashIn")
    many = [
        ("CashAcceptor.CashInStart", {}),
        ("CashAcceptor.CashInStart", {}),
        ("CashAcceptor.CashInStart", pick(({"useRecycleUnits": False}, limits, {"tellerID": pick(BOUNDS)}))),
        ("CashAcceptor.CashIn", None),
        ("CashAcceptor.CashIn", None),
        ("CashAcceptor.CashIn", None),
        ("CashAcceptor.CashInEnd", None),
        ("CashAcceptor.CashInEnd", None),
        ("CashAcceptor.CashInRollback", None),
        ("CashAcceptor.CashInRollback", None),
        ("CashAcceptor.GetCashInStatus", None),
        ("CashAcceptor.GetPresentStatus", None),
        ("CashAcceptor.PreparePresent", pick(({}, {"position": pick(POSITIONS)}))),
        ("CashAcceptor.PresentMedia", pick(({}, {"position": pick(POSITIONS)}))),
        ("CashAcceptor.ConfigureNoteTypes", {"items": [{"item": f"type{pick(NOTES)}", "enabled": True}]}),
        ("CashAcceptor.ConfigureNoteReader", {"loadAlways": pick((True, False))}),
        ("CashAcceptor.CashUnitCount", {"units": [pick(NAMES)]}),
        (
            "CashAcceptor.DeviceLockControl",
            {
                "deviceAction": pick(("lock", "unlock", "noLockAction")),
                "cashUnitAction": pick(("lockAll", "unlockAll", "lockIndividual", "noLockAction")),
                "unitLockControl": [{"storageUnit": pick(NAMES), "unitAction": pick(("lock", "unlock"))}],
            },
        ),
        ("CashAcceptor.GetDeviceLockStatus", None),
        (
            "CashAcceptor.Replenish",
            {
                "source": "unit7",
                "replenishTargets": [{"target": pick(NAMES), "numberOfItemsToMove": pick(BOUNDS)}],
            },
        ),
        (
            "CashAcceptor.Deplete",
            {
                "cashUnitTarget": pick(NAMES),
                "depleteSources": [{"source": pick(NAMES), "numberOfItemsToMove": pick(BOUNDS)}],
            },
        ),
        ("CashAcceptor.GetDepleteSource", {"cashUnitTarget": pick(NAMES)}),
        ("CashAcceptor.GetReplenishTarget", {"source": pick(NAMES)}),
        ("CashAcceptor.CreateSignature", None),
        ("CashManagement.Retract", {"location": {"retractArea": pick(areas), "index": pick(BOUNDS)}}),
        ("CashManagement.Retract", {"location": {"outputPosition": pick(POSITIONS)}}),
        ("CashManagement.Reset", {"position": {"target": pick(areas)}}),
        ("CashManagement.Reset", {"position": {"target": "singleUnit", "unit": pick(NAMES)}}),
        ("CashManagement.OpenShutter", {"position": pick(POSITIONS)}),
        ("CashManagement.CloseShutter", {"position": pick(POSITIONS)}),
        ("CashManagement.CalibrateCashUnit", {"unit": pick(NAMES), "numOfBills": pick(BOUNDS)}),
        (
            "CashManagement.GetItemInfo",
            {"items": {"level": pick(("fit", "counterfeit")), "index": pick(BOUNDS)}},
        ),
        ("Storage.StartExchange", None),
        ("Storage.EndExchange", None),
        ("Storage.EndExchange", None),
        (
            "Storage.SetStorage",
            {
                "storage": {
                    pick(NAMES): {
                        "cash": {
                            "configuration": {
                                pick(("highThreshold", "lowThreshold")): pick(BOUNDS),
                                pick(("appLockIn", "appLockOut")): pick((True, False, False)),
                            }
                        }
                    }
                }
            },
        ),
        (
            "CashDispenser.Dispense",
            {
                "denomination": {
                    "denomination": {"service": {"currencies": {"EUR": pick((10, 50, 230))}, "mix": "mix1"}}
                }
            },
        ),
        ("CashDispenser.Present", {}),
        ("CashDispenser.Reject", None),
        ("CashDispenser.TestCashUnits", {"target": {"target": pick(areas)}}),
        ("Common.Cancel", {"requestIds": [pick((1, 2, 3, 4, 5))]}),
        ("Common.Status", None),
    ]
    return pick(many)


NEXT: dict[str, tuple[str, Any]] = {
    "CashAcceptor.CashInStart": ("CashAcceptor.CashIn", None),
    "CashAcceptor.CashIn": ("CashAcceptor.CashInEnd", None),
    "CashDispenser.Dispense": ("CashDispenser.Present", {}),
    "Storage.StartExchange": ("Storage.EndExchange", None),
    "CashAcceptor.CashInEnd": ("CashAcceptor.CashInStart", {}),
    "CashAcceptor.CashInRollback": ("CashAcceptor.PresentMedia", {}),
}
"""What a client that knows what it does sends next."""


class Attack:
    """Clients, hands and bad luck at one recycler."""

    def __init__(self, bench: Recycler, chance: Random) -> None:
        self.bench = bench
        self.chance = chance
        self.told: Counter[str] = Counter()
        self.sent: list[tuple[str, Any]] = []

    async def client(self, commands: int) -> None:
        """One after the other, or some at once; now and then the connection breaks, and another begins."""
        chance = self.chance
        while commands > 0:
            life = min(commands, chance.randrange(1, 15))
            commands -= life
            async with trio.open_nursery() as nursery:
                one = await another(self.bench.client, nursery)
                tears = chance.random() < 0.3
                waiting = []
                name = ""
                for _ in range(life):
                    knows = name in NEXT and chance.random() < 0.6
                    name, payload = NEXT[name] if knows else command(chance)
                    self.sent.append((name, payload))
                    # What waits for a customer who may never come ends by itself.
                    waits = name in ("CashAcceptor.CashIn", "CashAcceptor.CreateSignature")
                    timeout = chance.choice((1, 30, 60) if waits else (None, 1, 20, 50))
                    request = await one.send(name, payload, timeout=timeout)
                    waiting.append(request)
                    if chance.random() < 0.6:
                        await self.ended(one, waiting)
                if not tears:
                    await self.ended(one, waiting)
                nursery.cancel_scope.cancel()

    async def ended(self, one: Dialogue, waiting: list[int]) -> None:
        for request in waiting:
            completion = await one.until("completion", request)
            code = outcome(completion)
            assert code != "internalError", (completion, self.sent[-20:])
            self.told[f"{completion['header']['name']} {code}"] += 1
        waiting.clear()
        one.passed.clear()

    async def hands(self) -> None:
        """Customers and bad luck."""
        chance = self.chance
        one = await another(self.bench.simulator, self.nursery)
        while True:
            await trio.sleep(chance.random() * 0.01)
            many = [
                (
                    "InsertNotes",
                    {"notes": [{"note": chance.choice(NOTES), "count": chance.randrange(1, 60)}]},
                ),
                ("InsertNotes", {"notes": [{"note": chance.choice(NOTES), "count": chance.randrange(1, 9)}]}),
                ("TakeItems", {}),
                ("TakeItems", {"count": chance.randrange(1, 5)}),
                ("TakeBack", {}),
                ("Inject", {"service": "CashDispenser", "fault": chance.choice(FAULTS)}),
                ("ClearFaults", {}),
            ]
            name, payload = chance.choice(many)
            await one.completion(f"Simulator.{name}", payload)
            one.passed.clear()

    async def carried_out(self, clients: int, commands: int) -> None:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as outer:
                self.nursery = outer
                outer.start_soon(self.hands)
                async with trio.open_nursery() as inner:
                    for _ in range(clients):
                        inner.start_soon(self.client, commands)
                outer.cancel_scope.cancel()

    async def comes_to_rest(self) -> None:
        """The books are right, and the usual steps bring everything back to work."""
        bench = self.bench
        bench.client.passed.clear()
        await bench.hand("ClearFaults")
        # What a client left at work has come to its end when the next in the queue has.
        for _ in range(2):
            await bench.client.completion("CashManagement.CloseShutter", {})
        await laws(bench.client, bench.simulator)
        for name, payload in (
            ("Storage.EndExchange", None),
            (
                "Storage.SetStorage",
                {
                    "storage": {
                        u: {"cash": {"configuration": {"appLockIn": False, "appLockOut": False}}}
                        for u in NAMES[:6]
                    }
                },
            ),
        ):
            await bench.client.completion(name, payload)
        for hand in ("TakeItems", "TakeBack"):
            await bench.simulator.completion(f"Simulator.{hand}", {})
        # Somebody empties what may be full, and counts.
        for unit in ("unit5", "unit6"):
            await bench.hand("EmptyUnit", unit=unit)
            counted = {unit: {"cash": {"status": {"initial": {"unrecognized": 0}}}}}
            await bench.client.success("Storage.SetStorage", {"storage": counted})
        reset = await bench.client.completion("CashManagement.Reset", {"position": {"target": "reject"}})
        for hand in ("TakeItems", "TakeBack"):
            await bench.simulator.completion(f"Simulator.{hand}", {})
        assert outcome(reset) == "success", f"{reset}"
        await laws(bench.client, bench.simulator)
        places = (await bench.hand("GetTruth"))["places"]
        assert not any(places.get(place) for place in ("stacker", "transport", "input", "output")), places
        # A customer comes, and all is as ever.
        await bench.client.success("CashAcceptor.CashInStart", {})
        request = await bench.client.send("CashAcceptor.CashIn")
        await bench.client.until("event", request, "CashAcceptor.InsertItemsEvent")
        await bench.hand("InsertNotes", notes=[{"note": "EUR20", "count": 2}])
        completion = await bench.client.until("completion", request)
        assert outcome(completion) == "success", completion
        assert (
            completion["payload"]["items"] == {"typeEUR20": {"fit": 2}} or completion["payload"]["items"]
        ), completion
        ended = await bench.client.completion("CashAcceptor.CashInEnd")
        assert outcome(ended) == "success", ended
        await laws(bench.client, bench.simulator)


@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 150))]
)
async def test_clients_that_do_everything_at_once(seed: int, tmp_path: Path) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger")
    async with bench_of(Recycler, ledger=ledger, seconds=0.002) as bench:
        attack = Attack(bench, Random(seed))
        for _ in range(3):
            await attack.carried_out(clients=4, commands=25)
            await attack.comes_to_rest()
    ledger.close()
    with LedgerReader.open(tmp_path / "ledger") as reader:
        assert reader.verify().problems == []
        assert reader.open_intents() == []
    print(attack.told)
