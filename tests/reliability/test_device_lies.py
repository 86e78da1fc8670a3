"""Whatever a device class says or raises, at any point: the books stay right, or say that they are not.

A simulated dispenser lies in one operation after the other, over the wire. After each lie every unit's
counts are what a correct device would have moved, which the simulator's physical truth tells, or the
unit says that it is inaccurate; the command ends with what the standard has for a device's failure,
never with `internalError`; the lie is named once in the log; another service of the same publisher has
noticed nothing.
Now and then the service is started again, with lies at the start too, and its ledger is checked.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

import lies
import xfs4iot
from cash import amount, bucket, content
from dialogue import Dialogue, dialogue
from vendors import Minimal
from xfs4iot.ledger import LedgerReader

MEMORY = Path("/dev/shm")
RUNS_OF_ONE_START = 40
CLASSIFICATION = {"classificationElements": [{"serialNumber": "A*", "level": "fit"}]}
COMMANDS: dict[str, tuple[str, Any]] = {
    "dispense": ("CashDispenser.Dispense", {"denomination": amount(50)}),
    "present": ("CashDispenser.Present", {}),
    "reject": ("CashDispenser.Reject", None),
    "retract": ("CashManagement.Retract", {"location": {"retractArea": "reject"}}),
    "reset": ("CashManagement.Reset", {"position": {"target": "reject"}}),
    "count": ("CashDispenser.Count", {"unit": "unit1"}),
    "test_cash_units": ("CashDispenser.TestCashUnits", {"target": {"target": "reject"}}),
    "calibrate_cash_unit": (
        "CashManagement.CalibrateCashUnit",
        {"unit": "unit1", "numOfBills": 3, "position": {"target": "reject"}},
    ),
    "open_shutter": ("CashManagement.OpenShutter", {}),
    "close_shutter": ("CashManagement.CloseShutter", {}),
    "prepare_dispense": ("CashDispenser.PrepareDispense", {"action": "start"}),
    "get_item_info": ("CashManagement.GetItemInfo", {}),
    "set_classification_list": ("CashManagement.SetClassificationList", CLASSIFICATION),
    "set_storage": ("Storage.SetStorage", {"storage": {"unit1": {"cash": {}}}}),
    "start_exchange": ("Storage.StartExchange", None),
    "end_exchange": ("Storage.EndExchange", None),
    "cash_units": ("Storage.EndExchange", None),
    "power_save_control": ("Common.PowerSaveControl", {"maxPowerSaveRecoveryTime": 30}),
    "set_transaction_state": ("Common.SetTransactionState", {"state": "active", "transactionID": "1"}),
}
AFTER_A_DISPENSE = ("present", "reject", "retract", "reset")


class Log(logging.Handler):
    """What the service says of its device's faults."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class World:
    """A liar with its service, over all its lives."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.seed = seed
        self.directory = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.ledger = self.directory / "ledger.sqlite"
        self.kind = self.random.choice(lies.LIARS)
        self.device = self.kind()
        self.log = Log()
        self.codes: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.service: xfs4iot.Service
        self.client: Dialogue
        self.other: Dialogue

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service lives."""
        before, self.device = self.device, self.kind()
        self.device.truth = before.truth
        self.device.plans = before.plans
        logger = logging.getLogger("xfs4iot.service.Liar")
        logger.addHandler(self.log)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        try:
            with xfs4iot.Ledger.open(self.ledger) as ledger:
                async with trio.open_nursery() as nursery:
                    services = [
                        xfs4iot.Service(self.device, ledger=ledger, restart_seconds=0.001),
                        xfs4iot.Service(Minimal("Other"), ledger=ledger),
                    ]
                    self.service = services[0]
                    publisher = xfs4iot.Publisher(services, port=0)
                    await nursery.start(publisher.serve)
                    self.client = await nursery.start(dialogue, publisher.uri("Liar"))
                    self.other = await nursery.start(dialogue, publisher.uri("Other"))
                    yield
                    nursery.cancel_scope.cancel()
        finally:
            logger.removeHandler(self.log)
            logger.setLevel(logging.NOTSET)
            logger.propagate = True
        with LedgerReader.open(self.ledger) as reader:
            assert reader.verify().problems == []

    async def call(self, name: str, payload: Any = None) -> str:
        self.client.passed.clear()
        completion = await self.client.completion(name, payload)
        code = str(completion["header"].get("completionCode", "success"))
        assert code != "internalError", completion
        return str((completion.get("payload") or {}).get("errorCode", code))

    async def run(self) -> None:
        """One lie, and what comes of it."""
        random, device = self.random, self.device
        operation = random.choice(list(COMMANDS))
        await self._prepared(operation)
        device.plans = {operation: lies.lie(random, operation)}
        for further in ("recall", "unit_counts"):
            if random.random() < 0.3:
                device.plans[further] = lies.lie(random, further)
        plans = dict(device.plans)
        del self.log.lines[:]
        del device.lied[:]
        code = await self.call(*COMMANDS[operation])
        self.codes[code] += 1
        what = f"{operation}: {plans[operation].moment}, {plans[operation].text}: {code}"
        for lied in device.lied:
            asked = "units" if lied == "cash_units" else lied  # which is asked through `units`
            named = [line for line in self.log.lines if f"{self.kind.__name__}.{asked} " in line]
            assert len(named) == 1, (what, lied, self.log.lines)
            assert len(named[0]) < 2000, named
            self.told[lied] += 1
        device.plans = {}
        await self._books_are_right_or_say_so(what)
        assert (await self.other.success("Common.Status"))["common"]["device"] == "online"
        await self._mended()

    async def _prepared(self, operation: str) -> None:
        if operation in AFTER_A_DISPENSE:
            assert await self.call(*COMMANDS["dispense"]) == "success"
        if operation == "retract" and self.random.random() < 0.5:
            assert await self.call(*COMMANDS["present"]) == "success"
        if operation in ("end_exchange", "cash_units"):
            assert await self.call("Storage.StartExchange") == "success"
        if operation == "close_shutter":
            assert await self.call("CashManagement.OpenShutter", {}) == "success"

    async def _books_are_right_or_say_so(self, what: str) -> None:
        places = self.device.truth.places
        for name, unit in (await self.client.success("Storage.GetStorage"))["storage"].items():
            cash = unit["cash"]
            if cash["status"]["accuracy"] in ("inaccurate", "unknown"):
                continue
            held = sum(places.get(name, {}).values())
            assert content(cash) == held, (what, name, cash["status"], places, self.log.lines)
            for place, kind in (("stacker", "stacked"), ("transport", "transport")):
                there = places.get(place, {}).get(name, 0)
                assert bucket(cash, "out", kind) == there, (what, name, place, self.log.lines)

    async def _mended(self) -> None:
        """Hands bring everything into order, and count."""
        device, truth, layout = self.device, self.device.truth, self.device.layout
        exchanging = (await self.client.success("Common.Status"))["common"].get("exchange") == "active"
        if "cash_units" in device.lied and not exchanging:
            assert await self.call("Storage.StartExchange") == "success"
            exchanging = True
        if exchanging:
            assert await self.call("Storage.EndExchange") == "success"
        if truth.total("output"):
            device.take()
        assert await self.call("CashManagement.Reset", COMMANDS["reset"][1]) == "success"
        if truth.total(layout.reject) > layout.capacity[layout.reject] // 2:
            truth.shift(layout.reject, "world")
        for unit, count in layout.loaded.items():
            if truth.total(unit) < count // 2:
                truth.load(unit, count - truth.total(unit))
        counted = {
            unit: {"cash": {"status": {"initial": {"unrecognized": truth.total(unit)}}}}
            for unit in layout.capacity
        }
        assert await self.call("Storage.SetStorage", {"storage": counted}) == "success"
        storage = (await self.client.success("Storage.GetStorage"))["storage"]
        assert {unit["cash"]["status"]["accuracy"] for unit in storage.values()} == {"accurateSet"}

    async def start(self, interrupted: bool) -> None:
        """Start with lies, on a ledger that a crash has left with an open movement, or not."""
        random = self.random
        if interrupted:
            with xfs4iot.Ledger.open(self.ledger) as ledger:
                detail = {"units": ["unit1", "unit2"], "position": "outDefault"}
                await ledger.service("Liar").begin("reject", command="CashDispenser.Reject", detail=detail)
        self.device.plans = {
            name: lies.lie(random, name)
            for name in ("open", "cash_units", "recall", "unit_counts")
            if random.random() < 0.5
        }
        what = {name: (plan.moment, plan.text) for name, plan in self.device.plans.items()}
        async with self.running():
            assert (await self.other.success("Common.Status"))["common"]["device"] == "online"
            with trio.fail_after(30):
                while not self.service.operations.opened:
                    await self.client.success("Common.Status")
            self.device.plans = {}
            # What a lie has cost at the start, an exchange brings back.
            assert await self.call("Storage.StartExchange") == "success", what
            assert await self.call("Storage.EndExchange") == "success", what
            await self._books_are_right_or_say_so(str(what))
            await self._mended()
            for _ in range(RUNS_OF_ONE_START):
                await self.run()

    async def lives(self, starts: int) -> None:
        try:
            for number in range(starts):
                await self.start(interrupted=number % 2 == 1)
        finally:
            shutil.rmtree(self.directory)


@pytest.mark.parametrize(
    ("worlds", "starts"),
    [
        pytest.param(6, 2, id="short"),
        pytest.param(500, 5, id="long", marks=[pytest.mark.long, pytest.mark.timeout(7200)]),
    ],
)
async def test_no_lie_of_a_device_moves_the_books_or_another_service(worlds: int, starts: int) -> None:
    told: Counter[str] = Counter()
    for seed in range(worlds):
        world = World(seed)
        try:
            await world.lives(starts)
        except BaseException as failure:
            failure.add_note(f"seed {seed}, {world.kind.__name__}")
            raise
        told += world.told
    assert told.keys() >= set(COMMANDS)
