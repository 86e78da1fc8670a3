"""A scenario plays what people and bad luck do, moment by moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import xfs4iot
from cash import amount, dispense, present, truth
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.toml_file import ConfigurationError


def taking(**when: Any) -> dict[str, Any]:
    return {"do": [{"command": "Simulator.TakeItems", "payload": {"count": 1}}], **when}


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


async def taken(simulator: Dialogue) -> int:
    return sum((await truth(simulator)).get("customer", {}).values())


async def test_a_moment_comes_on_the_clock(dispenser: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.StopClock")
    await present(dispenser, 300)
    await simulator.success("Simulator.Play", {"moments": [taking(at=1000), taking(at=1000, delay=500)]})
    for milliseconds, count in ((999, 0), (1, 1), (499, 1), (1, 2)):
        await simulator.success("Simulator.Advance", {"milliseconds": milliseconds})
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert await taken(simulator) == count


@pytest.mark.parametrize("after", ["CashManagement.ItemsPresentedEvent", "CashDispenser.Present"])
@pytest.mark.parametrize(("service", "count"), [(None, 1), ("CashDispenser", 1), ("Other", 0)])
async def test_a_moment_comes_once_after_an_event_or_a_command(
    dispenser: Dialogue, simulator: Dialogue, after: str, service: str | None, count: int
) -> None:
    whose = {} if service is None else {"service": service}
    await simulator.success("Simulator.StopClock")
    await simulator.success("Simulator.Play", {"moments": [taking(after=after, delay=1000, **whose)]})
    assert await dispenser.failure("CashDispenser.Present", {}) == "noItems"
    await dispense(dispenser, 300)
    await simulator.success("Simulator.Advance", {"milliseconds": 1000})
    for _ in range(2):
        if (await truth(simulator)).get("stacker"):
            await dispenser.success("CashDispenser.Present", {})
        await trio.testing.wait_all_tasks_blocked(0.01)
        await simulator.success("Simulator.Advance", {"milliseconds": 1000})
        await trio.testing.wait_all_tasks_blocked(0.01)
    assert await taken(simulator) == count
    await simulator.success("Simulator.TakeItems")
    await present(dispenser, 20)
    await simulator.success("Simulator.Advance", {"milliseconds": 1000})
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert (await truth(simulator))["output"], "it came once"


@pytest.mark.parametrize(
    ("moment", "says"),
    [
        (taking(), "either at or after"),
        (taking(at=1, after="CashDispenser.Present"), "either at or after"),
        (taking(after="CashDispenser.Presented"), "neither an event nor a command"),
        ({"at": 1, "do": [{"command": "Simulator.Takeitems"}]}, "is not one of Simulator."),
        ({"at": 1, "do": [{"command": "Simulator.TakeItems", "payload": {"count": "x"}}]}, "expected `int"),
    ],
)
async def test_what_is_wrong_with_a_moment_is_told_before_it_begins(
    simulator: Dialogue, moment: dict[str, Any], says: str
) -> None:
    request = await simulator.send("Simulator.Play", {"moments": [taking(at=0), moment]})
    completion = await simulator.until("completion", request)
    assert completion["header"]["completionCode"] == "invalidData"
    assert "$.moments[1]" in completion["header"]["errorDescription"]
    assert says in completion["header"]["errorDescription"]


SCENARIO = """
[[moment]]
after = "CashDispenser.Dispense"
do = [{ command = "Simulator.Inject", payload = { fault = "nothingPresented" } }]

[[moment]]
at = 0
do = [{ command = "Simulator.EmptyUnit", payload = { unit = "unit4" } }]
"""


async def test_a_file_is_played_from_the_start(nursery: trio.Nursery, tmp_path: Path) -> None:
    (tmp_path / "day.toml").write_text(SCENARIO)
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), seconds=0, scenario=tmp_path / "day.toml")
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    await trio.testing.wait_all_tasks_blocked(0.01)
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    dispenser: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    assert "unit4" not in await truth(simulator)
    await dispenser.success("CashDispenser.Dispense", {"denomination": amount(50)})
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert await dispenser.failure("CashDispenser.Present", {}) == "presentErrorNoItems"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("Dispense", "Dispensed"), 2, "neither an event nor a command"),
        (("at = 0", "at = -1"), 1, "a moment has at or after"),
        (("at = 0", "when = 0"), 1, "a moment has at or after"),
        (("Simulator.EmptyUnit", "Simulator.Empty"), 6, "is not one of Simulator."),
        (("[[moment]]", "[[moment"), 2, "not TOML"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, says: str
) -> None:
    file = tmp_path / "day.toml"
    file.write_text(SCENARIO.replace(*change))
    with pytest.raises(ConfigurationError, match=says) as failed:
        simulated_atm(ledger=xfs4iot.Ledger.open(None), scenario=file)
    assert str(failed.value).startswith(f"{file}:{line}: ")
