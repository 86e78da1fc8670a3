"""A ledger that an earlier version has written serves on, with every count as it was.

`ledger_before_kinds.sqlite.gz` was written by the version that knew units of cash only: a simulated ATM
dispensed 230, 70 and 20 EUR; the first and the last were rejected, the second presented and retracted.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.ledger import LedgerReader
from xfs4iot.simulator import atm as simulated_atm

WRITTEN = Path(__file__).with_name("ledger_before_kinds.sqlite.gz")
HELD: dict[str, Any] = {
    "unit1": {"initial": {"typeEUR10": {"fit": 500}}, "out": {"rejected": {"typeEUR10": {"fit": 1}}}},
    "unit2": {
        "initial": {"typeEUR20": {"fit": 500}},
        "out": {"presented": {"typeEUR20": {"fit": 1}}, "rejected": {"typeEUR20": {"fit": 2}}},
    },
    "unit3": {"initial": {"typeEUR50": {"fit": 500}}, "out": {"presented": {"typeEUR50": {"fit": 1}}}},
    "unit4": {"initial": {"typeEUR100": {"fit": 200}}, "out": {"rejected": {"typeEUR100": {"fit": 2}}}},
    "unit5": {
        "in": {
            "retractOperations": 1,
            "retracted": {"typeEUR20": {"fit": 1}, "typeEUR50": {"fit": 1}},
            "rejected": {"typeEUR10": {"fit": 1}, "typeEUR100": {"fit": 2}, "typeEUR20": {"fit": 2}},
        },
    },
}


async def test_a_ledger_of_cash_alone_serves_on_with_every_count(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    file = tmp_path / "ledger.sqlite"
    file.write_bytes(gzip.decompress(WRITTEN.read_bytes()))
    with LedgerReader.open(file) as reader:
        before = reader.counters("CashDispenser")
        assert not reader.verify().problems
    with xfs4iot.Ledger.open(file) as ledger:
        services = simulated_atm(ledger=ledger, state=None, seconds=0)
        publisher = xfs4iot.Publisher(services, port=0)
        await nursery.start(publisher.serve)
        client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
        storage = (await client.success("Storage.GetStorage"))["storage"]
        for name, counts in HELD.items():
            status = storage[name]["cash"]["status"]
            for part, held in counts.items():
                assert status[part].items() >= held.items(), (name, part)
        nursery.cancel_scope.cancel()
    with LedgerReader.open(file) as reader:
        assert reader.counters("CashDispenser") == before
        assert not reader.verify().problems
