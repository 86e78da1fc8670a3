"""What `Simulator.Inject` says to every fault with a wrong, a missing or a superfluous target."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm as whole_atm
from xfs4iot.simulator.device import SimulatedDevice

README = Path(__file__).parents[2] / "README.md"


def devices() -> dict[str, SimulatedDevice]:
    """The simulated devices of the default profile, by service."""
    services = whole_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    return {one.name: one.device for one in services if isinstance(one.device, SimulatedDevice)}


FAULTS = [
    (service, name, fault.strikes)
    for service, device in devices().items()
    for name, fault in device.faults.table.items()
]


@pytest.fixture
async def refused(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Any:
    """Injects what cannot be; gives the text of the refusal."""
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))

    async def inject(**payload: Any) -> str:
        answer = await simulator.completion("Simulator.Inject", payload)
        assert answer["header"]["completionCode"] == "invalidData", payload
        return str(answer["header"]["errorDescription"])

    return inject


async def test_each_fault_says_what_is_wrong_with_its_target_and_what_to_write(refused: Any) -> None:
    for service, name, strikes in FAULTS:
        if strikes == "unit":
            assert re.match(r"\$\.unit: name a unit of \w+", await refused(service=service, fault=name))
            wrong = await refused(service=service, fault=name, unit="nowhere")
            assert re.match(r"\$\.unit: 'nowhere' is not a unit; name one of \w+", wrong)
        else:
            superfluous = await refused(service=service, fault=name, unit="unit1")
            assert superfluous.startswith(
                f"$.unit: {name} strikes the device, not a unit; leave unit out: it takes fault"
            )


async def test_each_fault_refuses_what_it_does_not_take_and_says_what_it_takes(refused: Any) -> None:
    counted = {("CashDispenser", "smallBunches"): True, ("PinPad", "tampered"): False}
    for service, name, strikes in FAULTS:
        known = await refused(service=service, fault=name, cuont=2)
        assert known == "$: 'cuont' is not a property; there are service, fault, unit, count"
        wrong = await refused(service=service, fault=name, count=0)
        assert wrong == "$.count: expected `int` >= 1"
        if not counted.get((service, name), strikes == "once"):
            takes = "fault and unit" if strikes == "unit" else "fault"
            told = re.fullmatch(
                r"\$\.count: (\w+) .+; leave count out: it takes ([\w ]+)",
                await refused(service=service, fault=name, count=2),
            )
            assert told is not None, name
            assert told.groups() == (name, takes)


async def test_each_fault_is_injected_with_all_that_it_takes(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    for service, device in devices().items():
        for name, fault in device.faults.table.items():
            all_of_it = {"fault": name, "unit": next(iter(device.units_with_faults()), None), "count": 1}
            payload = {one: all_of_it[one] for one in fault.takes}
            await simulator.success("Simulator.Inject", {"service": service, **payload})
            await simulator.success("Simulator.ClearFaults", {"service": service})


async def test_a_command_of_the_simulator_refuses_what_it_does_not_know(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    commands = (await simulator.success("Common.Capabilities", {}))["interfaces"]
    names = next(one for one in commands if "name" not in one)["commands"]
    for name in names:
        answer = await simulator.completion(name, {"sevrice": "CashDispenser"})
        assert answer["header"]["completionCode"] == "invalidData", name
        assert re.match(
            r"\$: 'sevrice' is not a property; there (is|are) service", answer["header"]["errorDescription"]
        )
    answer = await simulator.completion("Simulator.Inject", {"x" * 100_000: 1})
    assert len(answer["header"]["errorDescription"]) < 200


async def test_each_fault_misspelt_or_of_another_device_is_answered_with_what_to_write(refused: Any) -> None:
    names = {name for _, name, _ in FAULTS}
    for service, name, _ in FAULTS:
        misspelt = name[:-1] + "z"
        if misspelt not in names:
            told = re.fullmatch(
                rf"\$\.fault: '{misspelt}' is not a fault; did you mean (\w+)\?",
                await refused(service=service, fault=misspelt),
            )
            assert told is not None, misspelt
            assert told[1] in names
    assert "there are jam, " in await refused(service="CashDispenser", fault="earthquake")
    assert "CardReader" in await refused(service="Oven", fault="jam")
    assert "ReceiptPrinter, JournalPrinter" in await refused(fault="paperJams")


def test_the_readme_counts_the_faults() -> None:
    assert f"{len({name for _, name, _ in FAULTS})} faults to inject" in README.read_text()
