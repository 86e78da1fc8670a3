"""What a simulated ATM has is what its profile says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, dispense
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm
from xfs4iot.simulator.profile import read
from xfs4iot.simulator.shipped import names
from xfs4iot.toml_file import ConfigurationError

TWO_DISPENSERS = """
seed = 7
[services.Upper]
kinds = ["CashDispenser"]
[services.Lower]
kinds = ["CashDispenser"]
[services.Lower.units]
unit1 = { currency = "USD", value = 5, count = 30, capacity = 100 }
unit2 = { uses = ["reject", "cashOutRetract"] }
"""


def written(directory: Path, text: str) -> Path:
    file = directory / "atm.toml"
    file.write_text(text)
    return file


async def serving(nursery: trio.Nursery, profile: Path | str, **more: Any) -> xfs4iot.Publisher:
    services = atm(profile, ledger=xfs4iot.Ledger.open(None), seconds=0, **more)
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher


async def connected(publisher: xfs4iot.Publisher, nursery: trio.Nursery, service: str) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, publisher.uri(service))
    return found


@pytest.mark.parametrize("name", names())
def test_what_comes_with_the_package_is_right(name: str) -> None:
    assert read(name).services


MISTAKES = [
    ("", 1, "add [services.NAME]"),
    ("[services", 1, "not TOML"),
    ("services = 5", 1, "must be a table"),
    ('seed = "x"\n[services.A]\nkinds = ["CashDispenser"]', 1, "seed: Expected `int`"),
    ('seconds = -1\n[services.A]\nkinds = ["CashDispenser"]', 1, "0 or more"),
    ('dialekt = "standard"\n[services.A]\nkinds = ["CashDispenser"]', 1, "did you mean dialect?"),
    ('dialect = "latin"\n[services.A]\nkinds = ["CashDispenser"]', 1, "it may be standard, sp-dev"),
    ('[services.A]\nkinds = ["Toaster"]', 2, "a list of CashDispenser"),
    ("[services.A]\nseconds = 1", 1, "services.A.kinds: a list of CashDispenser"),
    ('[services."A/B"]\nkinds = ["CashDispenser"]', 1, "letters, digits"),
    ('[services.Simulator]\nkinds = ["CashDispenser"]', 1, "cannot be called 'Simulator'"),
    ('[services.A]\nkinds = ["CashDispenser"]\ncolour = 3', 3, "known are: kinds, units, max_items"),
    ('[services.A]\nkinds = ["CashDispenser"]\nmax_items = 0', 3, "max_items: Expected `int` >= 1"),
    ('[services.A]\nkinds = ["CashDispenser"]\nseconds = -1.5', 3, "services.A.seconds: 0 or more"),
]
UNIT_MISTAKES = [
    ('unit1 = { currency = "EUR", value = 10, uses = ["cashin"] }', "it may be cashOut, cashIn"),
    ('unit1 = { currency = "EUR", value = -10 }', "more than 0"),
    ("unit1 = { value = 10 }", "currency and value belong together"),
    ('unit1 = { currency = "euro", value = 10 }', "currency"),
    ("unit1 = { count = 10 }", "say currency and value"),
    ('unit1 = { currency = "EUR", value = 10, count = 20, capacity = 10 }', "20 notes do not go into"),
    (
        'unit1 = { currency = "EUR", value = 10, uses = ["cashOut", "reject"] }',
        "a unit is for cashOut or cashIn",
    ),
    ('unit1 = { uses = ["cashOutRetract"], count = 1 }', "is empty at first"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_a_mistake_is_named_with_its_line_and_what_is_allowed(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    with pytest.raises(ConfigurationError) as failed:
        read(written(tmp_path, text))
    assert [(one.line or 1, says in one.text) for one in failed.value.mistakes] == [(line, True)], (
        failed.value
    )
    assert str(failed.value).startswith(f"{tmp_path / 'atm.toml'}:{line}: ")


@pytest.mark.parametrize(("unit", "says"), UNIT_MISTAKES)
def test_a_mistake_in_a_unit_is_named(tmp_path: Path, unit: str, says: str) -> None:
    text = f'[services.A]\nkinds = ["CashDispenser"]\n[services.A.units]\n{unit}\n'
    more = 'unit2 = { currency = "EUR", value = 5 }\nunit3 = { uses = ["reject"] }\n'
    with pytest.raises(ConfigurationError) as failed:
        read(written(tmp_path, text + more))
    assert [(one.line, says in one.text) for one in failed.value.mistakes] == [(4, True)], failed.value


@pytest.mark.parametrize("use", ["cashOut", "reject"])
def test_a_dispenser_needs_a_unit_for_each_use(tmp_path: Path, use: str) -> None:
    units = {"cashOut": 'unit1 = { uses = ["reject"] }', "reject": 'unit1 = { currency = "EUR", value = 5 }'}
    text = f'[services.A]\nkinds = ["CashDispenser"]\n[services.A.units]\n{units[use]}\n'
    with pytest.raises(ConfigurationError, match=rf"add one with uses = \['{use}'\]"):
        read(written(tmp_path, text))


def test_a_profile_that_is_not_there_is_told_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="profiles: default, mixed-media, recycler, sp-dev"):
        read("nowhere.toml")


async def test_the_sp_dev_profile_has_the_units_that_the_reference_sets(nursery: trio.Nursery) -> None:
    publisher = await serving(nursery, "sp-dev")
    dispenser = await connected(publisher, nursery, "CashDispenser")
    storage = (await dispenser.success("Storage.GetStorage"))["storage"]
    assert {
        name: (unit["cash"]["configuration"]["currency"], unit["cash"]["configuration"]["value"])
        for name, unit in storage.items()
        if "value" in unit["cash"]["configuration"]
    } == {"unit3": ("EUR", 5), "unit4": ("EUR", 10), "unit5": ("EUR", 20)}
    await dispenser.success("CashDispenser.Dispense", {"denomination": amount(35)})


async def test_several_devices_of_a_kind_are_told_apart(nursery: trio.Nursery, tmp_path: Path) -> None:
    publisher = await serving(nursery, written(tmp_path, TWO_DISPENSERS))
    simulator = await connected(publisher, nursery, "Simulator")
    upper = await connected(publisher, nursery, "Upper")
    lower = await connected(publisher, nursery, "Lower")
    assert set((await simulator.success("Simulator.GetFaults"))["services"]) == {"Upper", "Lower"}
    for command in ("Inject", "EmptyUnit"):
        payload = {"fault": "jam", "unit": "unit1"} if command == "Inject" else {"unit": "unit1"}
        assert await simulator.failure(f"Simulator.{command}", payload) == "invalidData"
        strange = {**payload, "service": "Middle"}
        assert await simulator.failure(f"Simulator.{command}", strange) == "invalidData"
    await simulator.success("Simulator.Inject", {"fault": "jam", "service": "Upper"})
    await lower.success("CashDispenser.Dispense", {"denomination": amount(10, currency="USD")})
    assert await upper.failure("CashDispenser.Dispense", {"denomination": amount(300)}) == "hardwareError"
    truth = (await simulator.success("Simulator.GetTruth"))["services"]
    assert truth["Lower"]["places"]["stacker"] == {"unit1": 2}
    assert sum(truth["Upper"]["places"]["transport"].values()) == 1
    only = await simulator.success("Simulator.GetTruth", {"service": "Lower"})
    assert only["places"] == only["services"]["Lower"]["places"] == truth["Lower"]["places"]


async def test_a_device_of_several_kinds_is_one_service(nursery: trio.Nursery, tmp_path: Path) -> None:
    text = '[services.Whole]\nkinds = ["CashDispenser", "VendorMode"]\nacknowledge_seconds = 1\n'
    publisher = await serving(nursery, written(tmp_path, text))
    whole = await connected(publisher, nursery, "Whole")
    interfaces = {one["name"] for one in (await whole.success("Common.Capabilities"))["interfaces"]}
    assert {"CashDispenser", "CashManagement", "Storage", "VendorMode"} <= interfaces
    faults = (await (await connected(publisher, nursery, "Simulator")).success("Simulator.GetFaults"))[
        "faults"
    ]
    assert {"jam", "unreachable"} <= set(faults)


async def test_chance_follows_from_the_seed_and_not_from_other_devices(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    alone = TWO_DISPENSERS.partition("[services.Lower]")[0]

    async def numbers(text: str, **more: Any) -> list[str]:
        publisher = await serving(nursery, written(tmp_path, text), **more)
        dispenser = await connected(publisher, nursery, "Upper")
        await dispense(dispenser, 300)
        info = await dispenser.success("CashManagement.GetItemInfo", {})
        return [item["serialNumber"] for item in info["itemsList"]]

    first = await numbers(alone)
    assert first
    assert first == await numbers(alone) == await numbers(TWO_DISPENSERS)
    assert first != await numbers(alone, seed=8)


async def test_each_device_keeps_its_own_truth(tmp_path: Path) -> None:
    profile = written(tmp_path, TWO_DISPENSERS)
    for stacker in ({}, {"unit1": 2}):
        async with trio.open_nursery() as nursery:
            publisher = await serving(nursery, profile, state=tmp_path)
            simulator = await connected(publisher, nursery, "Simulator")
            truth = (await simulator.success("Simulator.GetTruth"))["services"]
            assert truth["Lower"]["places"].get("stacker", {}) == stacker
            assert "stacker" not in truth["Upper"]["places"]
            lower = await connected(publisher, nursery, "Lower")
            if not stacker:
                await lower.success("CashDispenser.Dispense", {"denomination": amount(10, currency="USD")})
            nursery.cancel_scope.cancel()
