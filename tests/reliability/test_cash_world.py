"""Whatever commands, faults, hands and restarts come, in whatever order: no item appears or is lost.

Hypothesis plays applications, customers, clerks and bad luck against the real service over
the wire, and shortens what it finds to the fewest steps. After every step the journal's sums,
the counts on the wire and the physical truth are the same, and all the cash in the world is
as much as at first.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cash import amount, chosen, laws, truth
from dialogue import Dialogue, outcome
from host_thread import Host, explore
from xfs4iot.ledger import LedgerReader

ACCEPTOR = "CashAcceptor."
BUNCHES = st.lists(
    st.fixed_dictionaries(
        {
            "note": st.sampled_from(["EUR5", "EUR10", "EUR20", "EUR50", "EUR100", "GBP5"]),
            "count": st.integers(1, 4),
        },
        optional={"condition": st.sampled_from(["unfit", "suspect", "counterfeit", "inked", "unrecognized"])},
    ),
    min_size=1,
    max_size=4,
)
OTHERS = ("unit5", "unit6", "unit7")
UNITS = ("unit1", "unit2", "unit3", "unit4")
LOADED = 1700


class CashWorld(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.host = Host("CashDispenser")
        self.codes: Counter[str] = Counter()

    @property
    def dispenser(self) -> Dialogue:
        return self.host.clients["CashDispenser"]

    @property
    def simulator(self) -> Dialogue:
        return self.host.clients["Simulator"]

    def teardown(self) -> None:
        self.host.end()

    def call(self, name: str, payload: Any = None) -> str:
        """Send a command to the dispenser; how it was completed."""

        async def completed() -> str:
            completion = await self.dispenser.completion(name, payload)
            code = outcome(completion)
            assert code not in ("internalError", "invalidData"), completion
            return str((completion.get("payload") or {}).get("errorCode", code))

        code: str = self.host.run(completed)
        self.codes[code] += 1
        return code

    def insert(self, bunch: list[dict[str, Any]]) -> None:
        """A `CashIn` for which a customer inserts something."""
        asked = (ACCEPTOR + "CashIn", None, ACCEPTOR + "InsertItemsEvent", "InsertNotes", {"notes": bunch})
        completion = self.host.run(self.host.attended, "CashDispenser", *asked)
        code = outcome(completion)
        assert code not in ("internalError", "invalidData"), completion
        self.codes[code] += 1

    def at_last(self, name: str) -> None:
        """Send a command that succeeds, if not before then once nothing fails any more."""
        if self.call(name) != "success":
            self.simulate("ClearFaults")
            assert self.call(name) == "success"

    def simulate(self, name: str, payload: Any = None) -> None:
        """Let hands or bad luck do something, if it can be done."""
        self.host.run(self.simulator.completion, f"Simulator.{name}", payload)

    @rule(value=st.integers(1, 90).map(lambda tens: 10 * tens), mix=st.sampled_from(["mix1", "mix2"]))
    def dispense(self, value: int, mix: str) -> None:
        self.call("CashDispenser.Dispense", {"denomination": amount(value, mix)})

    @rule(counts=st.dictionaries(st.sampled_from(UNITS), st.integers(1, 12), min_size=1))
    def dispense_chosen_items(self, counts: dict[str, int]) -> None:
        self.call("CashDispenser.Dispense", {"denomination": chosen(counts)})

    @rule()
    def present(self) -> None:
        self.call("CashDispenser.Present", {})

    @rule()
    def reject(self) -> None:
        self.call("CashDispenser.Reject")

    @rule(area=st.sampled_from(["retract", "reject", "stacker"]))
    def retract(self, area: str) -> None:
        self.call("CashManagement.Retract", {"location": {"retractArea": area}})

    @rule(area=st.sampled_from(["retract", "reject", "stacker"]))
    def reset(self, area: str) -> None:
        self.call("CashManagement.Reset", {"position": {"target": area}})

    @rule(unit=st.sampled_from(UNITS))
    def count(self, unit: str) -> None:
        self.call("CashDispenser.Count", {"unit": unit})

    @rule()
    def test(self) -> None:
        self.call("CashDispenser.TestCashUnits", {"target": {"target": "reject"}})

    @rule(unit=st.sampled_from(UNITS), number=st.integers(1, 5))
    def calibrate(self, unit: str, number: int) -> None:
        where = {"unit": unit, "numOfBills": number, "position": {"target": "reject"}}
        self.call("CashManagement.CalibrateCashUnit", where)

    @rule(limit=st.sampled_from([None, 3]))
    def begin_a_cash_in(self, limit: int | None) -> None:
        self.call(ACCEPTOR + "CashInStart", {"totalItemsLimit": limit} if limit else {})

    @rule(bunch=BUNCHES)
    def customer_inserts(self, bunch: list[dict[str, Any]]) -> None:
        self.insert(bunch)

    @rule(command=st.sampled_from(["CashInEnd", "CashInEnd", "CashInRollback"]))
    def end_the_cash_in(self, command: str) -> None:
        self.call(ACCEPTOR + command)

    @rule(bunch=BUNCHES, command=st.sampled_from(["CashIn", "CashInEnd", "CashInRollback"]))
    def restart_in_the_middle_of_a_cash_in(self, bunch: list[dict[str, Any]], command: str) -> None:
        self.call(ACCEPTOR + "CashInStart", {})
        if command != "CashIn":
            self.insert(bunch)
        self.host.run(self.dispenser.send, ACCEPTOR + command)
        self.simulate("InsertNotes", {"notes": bunch})
        self.host.restart()

    @rule()
    def customer_takes_back(self) -> None:
        self.simulate("TakeBack")

    @rule(unit=st.sampled_from(UNITS), number=st.integers(1, 30))
    def deplete(self, unit: str, number: int) -> None:
        sources = [{"source": unit, "numberOfItemsToMove": number}]
        self.call(ACCEPTOR + "Deplete", {"cashUnitTarget": "unit6", "depleteSources": sources})

    @rule(number=st.integers(1, 30))
    def replenish(self, number: int) -> None:
        targets = [{"target": "unit2", "numberOfItemsToMove": number}]
        self.call(ACCEPTOR + "Replenish", {"source": "unit7", "replenishTargets": targets})

    @rule(unit=st.sampled_from((*UNITS, *OTHERS)))
    def count_in_the_device(self, unit: str) -> None:
        self.call(ACCEPTOR + "CashUnitCount", {"units": [unit]})

    @rule()
    def customer_takes(self) -> None:
        self.simulate("TakeItems")

    @rule(command=st.sampled_from(["OpenShutter", "CloseShutter"]))
    def shutter(self, command: str) -> None:
        self.call(f"CashManagement.{command}", {})

    @rule(
        fault=st.sampled_from(
            [
                "jam",
                "shutterJammed",
                "rejects",
                "doesNotAnswer",
                "breaks",
                "itemsTaken",
                "incompleteRetract",
                "takesBack",
                "doubleInsert",
                "misreads",
            ]
        ),
        count=st.integers(1, 3),
    )
    def something_fails(self, fault: str, count: int) -> None:
        self.simulate("Inject", {"fault": fault, "count": count})

    @rule(fault=st.sampled_from(["inoperative", "missing"]), unit=st.sampled_from((*UNITS, *OTHERS)))
    def a_unit_fails(self, fault: str, unit: str) -> None:
        self.simulate("Inject", {"fault": fault, "unit": unit})

    @rule()
    def everything_works_again(self) -> None:
        self.simulate("ClearFaults")

    @rule(unit=st.sampled_from((*UNITS, *OTHERS)), fill=st.booleans(), number=st.integers(1, 60))
    def exchange(self, unit: str, fill: bool, number: int) -> None:
        places = self.host.run(truth, self.simulator)
        if places.get("stacker") or places.get("transport"):
            return
        if self.host.run(self.dispenser.success, ACCEPTOR + "GetCashInStatus")["status"] == "active":
            return
        self.at_last("Storage.StartExchange")
        self.simulate("FillUnit" if fill else "EmptyUnit", {"unit": unit, "count": number})
        held = sum(self.host.run(truth, self.simulator).get(unit, {}).values())
        counted = {"cash": {"status": {"initial": {"unrecognized": held}}}}
        assert self.call("Storage.SetStorage", {"storage": {unit: counted}}) == "success"
        self.at_last("Storage.EndExchange")

    @rule()
    def restart(self) -> None:
        self.host.restart()

    @rule(counts=st.dictionaries(st.sampled_from(UNITS), st.integers(1, 12), min_size=1))
    def restart_in_the_middle_of_a_dispense(self, counts: dict[str, int]) -> None:
        self.host.run(self.dispenser.send, "CashDispenser.Dispense", {"denomination": chosen(counts)})
        self.host.restart()

    @invariant()
    def books_and_truth_agree(self) -> None:
        self.host.run(laws, self.dispenser, self.simulator)
        places = self.host.run(truth, self.simulator)
        with LedgerReader.open(self.host.ledger) as reader:
            assert reader.verify().problems == []
            assert reader.open_intents() == []
            held: Counter[str] = Counter()
            customers: Counter[tuple[str, str, str]] = Counter()
            for line in reader.lines():
                if line.bucket == "count":
                    held[line.unit] += line.delta
                where = line.bucket if line.unit == "customer" else line.unit
                customers[where, line.item, line.level] += line.delta
        for unit in (*UNITS, *OTHERS):
            assert held[unit] == sum(places.get(unit, {}).values()), unit
        for place in ("stacker", "transport"):
            assert held[place] == places.get(place, {}).get("customer", 0), place
        for kind in {(item, level) for _, item, level in customers}:
            inside = sum(customers[place, *kind] for place in ("stacker", "transport", "unknown"))
            given = customers["returned", *kind] + customers["accepted", *kind]
            assert customers["inserted", *kind] == given + inside, kind

    @invariant()
    def cash_in_the_world_is_constant(self) -> None:
        places = self.host.run(truth, self.simulator)
        assert sum(sum(items.values()) for items in places.values()) == LOADED


@pytest.mark.parametrize(
    ("examples", "steps"),
    [pytest.param(12, 25, id="short"), pytest.param(300, 50, id="long", marks=pytest.mark.long)],
)
def test_books_and_truth_agree_after_any_sequence(examples: int, steps: int) -> None:
    explore(CashWorld, examples, steps)
