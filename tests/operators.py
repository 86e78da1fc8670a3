"""Customer, clerk and application at a simulated ATM: what they do to its cash, and what must hold then."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from typing import Any

import trio

from cash import bucket, content
from power import ATM, Worker
from xfs4iot import client
from xfs4iot.ledger import LedgerReader

__all__ = ["DISPENSE", "MOVING", "Operator"]

FILLED = 400
UNITS = ("unit1", "unit2", "unit3", "unit4", "unit5", "unit6")
EMPTIED = ("unit5", "unit6")
"""Units that a clerk empties; he fills all others."""
NEVER_SET = ("unit5", "unit6", "unit7")
NOTES = ("EUR5", "EUR10", "EUR20", "EUR50", "GBP5")
START, CASH_IN = "CashAcceptor.CashInStart", "CashAcceptor.CashIn"
CASH_IN_END, ROLLBACK = "CashAcceptor.CashInEnd", "CashAcceptor.CashInRollback"
CASH_IN_STATUS = "CashAcceptor.GetCashInStatus"
DISPENSE = "CashDispenser.Dispense"
PRESENT = "CashDispenser.Present"
MOVING = (
    DISPENSE,
    CASH_IN,
    CASH_IN_END,
    ROLLBACK,
    PRESENT,
    "CashManagement.Retract",
    "CashManagement.Reset",
    "Storage.EndExchange",
)


def by_kind(counts: dict[str, Any] | None) -> dict[tuple[str, str], int]:
    """Counts by item and level; what was not recognised has neither."""
    found: dict[tuple[str, str], int] = {}
    for item, levels in (counts or {}).items():
        for level, count in (levels if isinstance(levels, dict) else {"": levels}).items():
            found[item, level] = count
    return found


class Operator(Worker):
    """Customer, clerk and application at one ATM: what they do, and what they may expect after it.

    Attributes:
        pending: a unit whose content changed by hand, and what its count may be until it is set.
        status: the present status before the last dispense or present.
        claim: what the customer was told that is accepted of what he inserted, by item and level.
        begun: whether a cash-in was begun since, of which the answer may have been lost.
        answered: how many commands were, whatever the answer.
    """

    services = ("CashDispenser", "Simulator")

    def __init__(self, atm: ATM, chance: random.Random) -> None:
        super().__init__(atm, chance)
        self.pending: tuple[str, set[int]] | None = None
        self.status: dict[str, Any] = {}
        self.claim: Counter[tuple[str, str]] = Counter()
        self.begun = False
        self.answered = 0

    async def call(self, device: client.Client, name: str, payload: Any = None) -> bool:
        """Send a command and remember that it runs; whether it succeeded."""
        if name in (DISPENSE, PRESENT):
            self.status = await device.call("CashDispenser.GetPresentStatus")
        self.running = name
        self.sent_one()
        with contextlib.suppress(client.CommandFailed):
            await device.call(name, payload, timeout=30)
            self.done[name] += 1
            self.running = None
            self.answered += 1
            return True
        self.running = None
        self.answered += 1
        return False

    async def work(self, device: client.Client, simulator: client.Client) -> None:
        """Do what people do with an ATM, until the power fails."""
        chance, call = self.chance, self.call
        while True:
            places = self.atm.truth()
            if self.pending is not None:
                await self.set_counts(device, [self.pending[0]])
                await call(device, "Storage.EndExchange")
            elif places.get("input") and chance.random() < 0.5:
                with contextlib.suppress(client.CommandFailed):
                    await simulator.call("Simulator.TakeBack")
            elif (await device.call(CASH_IN_STATUS))["status"] == "active":
                await self.end_cash_in(device, simulator)
            elif places.get("transport") or (places.get("stacker") and chance.random() < 0.1):
                if not await call(device, "CashManagement.Reset", {"position": {"target": "reject"}}):
                    await self.exchange(device, simulator, "unit5")
                    if self.pending is None:
                        await self.exchange(device, simulator, "unit6")
            elif places.get("stacker"):
                wish = chance.choice([PRESENT, PRESENT, "CashDispenser.Reject", "CashManagement.Retract"])
                await call(device, wish, {} if wish != "CashDispenser.Reject" else None)
            elif places.get("output"):
                if chance.random() < 0.5:
                    await simulator.call("Simulator.TakeItems")
                else:
                    area = {"location": {"retractArea": chance.choice(["retract", "reject", "stacker"])}}
                    await call(device, "CashManagement.Retract", area)
            elif chance.random() < 0.4:
                # None is active: what was claimed is stored or given back, and the next one has its own list.
                self.begun = True
                if await call(device, START, {}):
                    self.forget()
                    await self.insert(device, simulator)
                await self.end_cash_in(device, simulator)
            elif chance.random() < 0.2:
                await self.exchange(device, simulator, chance.choice(UNITS))
            elif chance.random() < 0.1:
                await call(device, "CashDispenser.TestCashUnits", {"target": {"target": "reject"}})
            else:
                if chance.random() < 0.2:
                    fault = {"fault": chance.choice(["jam", "rejects"]), "count": 2}
                    await simulator.call("Simulator.Inject", fault)
                wish = {"service": {"currencies": {"EUR": chance.randrange(10, 900, 10)}, "mix": "mix1"}}
                if not await call(device, DISPENSE, {"denomination": {"denomination": wish}}):
                    await call(device, "CashManagement.CloseShutter", {})

    async def insert(self, device: client.Client, simulator: client.Client) -> None:
        """A customer inserts some notes, of which the application is told what was accepted."""
        bunch = [
            {"note": self.chance.choice(NOTES), "count": self.chance.randrange(1, 4)}
            for _ in range(self.chance.randrange(1, 4))
        ]

        async def by_hand() -> None:
            while True:
                with contextlib.suppress(client.CommandFailed):
                    await simulator.call("Simulator.InsertNotes", {"notes": bunch})
                    return
                await trio.sleep(0.01)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(by_hand)
            self.running = CASH_IN
            self.sent_one()
            with contextlib.suppress(client.CommandFailed):
                accepted = await device.call(CASH_IN, None, timeout=5)
                self.done[CASH_IN] += 1
                self.claim.update(by_kind(accepted.get("items")))
            self.running = None
            nursery.cancel_scope.cancel()

    async def end_cash_in(self, device: client.Client, simulator: client.Client) -> None:
        """More notes, or an end: all is stored or given back."""
        wish = self.chance.random()
        if wish < 0.3 and not self.atm.truth().get("output"):
            await self.insert(device, simulator)
        if self.atm.truth().get("output"):
            with contextlib.suppress(client.CommandFailed):
                await simulator.call("Simulator.TakeItems")
        ended = await self.call(device, CASH_IN_END if wish < 0.7 else ROLLBACK)
        if not ended and self.chance.random() < 0.5:
            ended = await self.call(device, "CashManagement.Reset", {"position": {"target": "reject"}})
        if ended:
            self.forget()

    def forget(self) -> None:
        """Nothing is claimed."""
        self.claim.clear()
        self.begun = False

    async def exchange(self, device: client.Client, simulator: client.Client, unit: str) -> None:
        """Fill a unit, or empty the reject unit, by hand and set its count, as a clerk does."""
        places = self.atm.truth()
        held = sum(places.get(unit, {}).values())
        await self.call(device, "Storage.StartExchange")
        self.pending = (unit, {held})
        if unit in EMPTIED:
            await simulator.call("Simulator.EmptyUnit", {"unit": unit})
        elif held < FILLED:
            await simulator.call("Simulator.FillUnit", {"unit": unit, "count": self.chance.randrange(1, 99)})
        await self.set_counts(device, [unit])
        await self.call(device, "Storage.EndExchange")

    async def set_counts(self, device: client.Client, units: list[str]) -> None:
        """Set the counts of units to what is in them."""
        places = self.atm.truth()
        wanted = {}
        for unit in units:
            held = sum(places.get(unit, {}).values())
            wanted[unit] = {"cash": {"status": {"initial": {"unrecognized": held}}}}
        if self.pending is not None:
            self.pending[1].add(sum(places.get(self.pending[0], {}).values()))
        if await self.call(device, "Storage.SetStorage", {"storage": wanted}):
            self.pending = None

    async def compare(self, device: client.Client, *others: client.Client) -> None:
        """The counts over the wire are what is there; where they are not, they say so."""
        places = self.atm.truth()
        storage = (await device.call("Storage.GetStorage"))["storage"]
        wrong = []
        for unit, found in storage.items():
            cash = found["cash"]
            there = sum(places.get(unit, {}).values())
            expected = {there}
            if self.pending is not None and self.pending[0] == unit:
                expected = self.pending[1]
            within = [
                bucket(cash, "out", kind) == places.get(place, {}).get(unit, 0)
                for place, kind in (("stacker", "stacked"), ("transport", "transport"))
            ]
            if content(cash) not in expected or not all(within):
                wrong.append(unit)
                assert not self.atm.recalls, (unit, content(cash), expected, within)
                assert cash["status"]["accuracy"] == "inaccurate", unit
            assert cash["status"]["accuracy"] != "unknown" or unit in NEVER_SET, unit
        self.claimed(await device.call(CASH_IN_STATUS), places)
        self.explained(await device.call("CashDispenser.GetPresentStatus"), places)
        status = await device.call("Common.Status")
        if status["common"]["exchange"] == "active":
            unit = self.pending[0] if self.pending is not None else "unit1"
            await self.set_counts(device, [unit])
            await self.call(device, "Storage.EndExchange")
        if wrong:
            await self.call(device, "CashManagement.Reset", {"position": {"target": "reject"}})
            await self.set_counts(device, sorted(storage))
            await self.compare(device)

    def claimed(self, known: dict[str, Any], places: dict[str, dict[str, int]]) -> None:
        """What the customer inserted is on the books, all that he was told at least."""
        booked = by_kind(known.get("noteNumberList"))
        if known["status"] == "unknown":
            # Not known after a crash, or none was ever begun.
            assert not (self.atm.recalls and (booked or self.claim)), known
            return
        if self.begun and known["status"] == "active" and not booked:
            self.forget()
        for kind, count in self.claim.items():
            assert booked.get(kind, 0) >= count, (self.claim, known, self.begun, self.running)
        if not self.atm.recalls:
            return
        with LedgerReader.open(self.atm.ledger) as reader:
            counters = reader.counters("CashDispenser")
        for place in ("stacker", "transport"):
            held = sum(
                value for (_, key), value in counters.items() if (key.unit, key.bucket) == (place, "count")
            )
            assert held == places.get(place, {}).get("customer", 0), (place, held, known, places)

    def explained(self, known: dict[str, Any], places: dict[str, dict[str, int]]) -> None:
        """The present status says what became of an interrupted dispense or present."""
        before, state = self.status, known["presentState"]
        values = (known.get("denomination") or {}).get("values") or {}
        if self.running == DISPENSE and state == "notPresented":
            assert values == places.get("stacker", {}) or known == before
        elif self.running == DISPENSE:
            # What was unknown before, while the ledger could not be written, has been settled since.
            settled = before["presentState"] == "unknown"
            assert known == before or settled or (state == "unknown" and not self.atm.recalls)
            if self.atm.recalls:
                assert not places.get("stacker")
        elif self.running == PRESENT and state == "presented":
            # Items that were retracted to the stacker have been presented before. One item within
            # the customer's reach is enough, wherever the others were when the power failed.
            assert known == before or places.get("output")
        elif self.running == PRESENT and state == "notPresented":
            assert not places.get("output")
        elif self.running == PRESENT:
            assert not self.atm.recalls
