"""The simulated vendor mode and vendor application, as a client develops against them."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


@pytest.fixture
async def mode(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("VendorMode"))
    return found


@pytest.fixture
async def programs(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("VendorApplication"))
    return found


async def service(client: Dialogue) -> str:
    return str((await client.success("Common.Status"))["vendorMode"]["service"])


@pytest.mark.parametrize("answers", ["atOnce", "later", "vanishes"])
async def test_a_simulated_application_lets_go(simulator: Dialogue, mode: Dialogue, answers: str) -> None:
    application = {"name": "shop", "answers": answers, "after": 1000}
    await simulator.success("Simulator.StopClock")
    await simulator.success("Simulator.StartApplication", application)
    await mode.success("VendorMode.EnterModeRequest")
    if answers == "later":
        assert await service(mode) == "enterPending"
        await simulator.success("Simulator.Advance", {"milliseconds": 1000})
    await mode.until("unsolicited", name="VendorMode.ModeEnteredEvent")


async def test_an_application_that_never_acknowledges_holds_the_mode_up_until_it_ends(
    simulator: Dialogue, mode: Dialogue
) -> None:
    await simulator.success("Simulator.StartApplication", {"answers": "never"})
    await mode.success("VendorMode.EnterModeRequest")
    assert await service(mode) == "enterPending"
    await simulator.success("Simulator.EndApplication", {})
    await mode.until("unsolicited", name="VendorMode.ModeEnteredEvent")


@pytest.mark.parametrize(
    ("fault", "says"), [("refuses", "does not react"), ("unreachable", "cannot be reached")]
)
async def test_a_panel_that_fails_leaves_the_mode_as_it_was(
    simulator: Dialogue, mode: Dialogue, fault: str, says: str
) -> None:
    await simulator.success("Simulator.Inject", {"fault": fault})
    await mode.success("VendorMode.EnterModeRequest")
    told = await mode.until("unsolicited", name="Common.ErrorEvent")
    assert says in told["payload"]["vendorDescription"]
    assert await service(mode) == "inactive"
    await simulator.success("Simulator.ClearFaults")
    await mode.success("VendorMode.EnterModeRequest")
    await mode.until("unsolicited", name="VendorMode.ModeEnteredEvent")


async def test_a_panel_that_hangs_leaves_the_mode_pending(simulator: Dialogue, mode: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "hangs"})
    await mode.success("VendorMode.EnterModeRequest")
    assert await service(mode) == "enterPending"


START = "VendorApplication.StartLocalApplication"


async def test_a_program_runs_until_it_is_ended(simulator: Dialogue, programs: Dialogue) -> None:
    await programs.success(START, {"appName": "diagnosis", "accessLevel": "full"})
    assert await programs.failure(START, {"appName": "selfTest"}) == "sequenceError"
    await simulator.success("Simulator.EndProgram", {})
    await programs.until("unsolicited", name="VendorApplication.VendorAppExitedEvent")
    assert await simulator.failure("Simulator.EndProgram", {}) == "sequenceError"


async def test_a_self_test_ends_after_ten_seconds(simulator: Dialogue, programs: Dialogue) -> None:
    await simulator.success("Simulator.StopClock")
    await programs.success(START, {"appName": "selfTest"})
    await simulator.success("Simulator.Advance", {"milliseconds": 10_000})
    await programs.until("unsolicited", name="VendorApplication.VendorAppExitedEvent")


@pytest.mark.parametrize("fault", ["doesNotStart", "crashesAtOnce"])
async def test_a_program_that_does_not_run_is_a_failed_start(
    simulator: Dialogue, programs: Dialogue, fault: str
) -> None:
    await simulator.success("Simulator.Inject", {"fault": fault})
    assert await programs.failure(START, {"appName": "diagnosis"}) == "hardwareError"
    await programs.success(START, {"appName": "diagnosis"})


async def test_a_slow_start_can_be_cancelled(simulator: Dialogue, programs: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "startsSlowly", "count": 60})
    request = await programs.send(START, {"appName": "diagnosis"})
    await programs.success("Common.Cancel", {"requestIds": [request]})
    completion = await programs.until("completion", request)
    assert completion["header"]["completionCode"] == "canceled"
    await programs.success(START, {"appName": "diagnosis"})


@pytest.mark.parametrize(("fault", "payload"), [("screenStuck", "operator"), ("screenUnknown", None)])
async def test_a_screen_that_fails_fails_the_command(
    simulator: Dialogue, programs: Dialogue, fault: str, payload: Any
) -> None:
    await simulator.success("Simulator.Inject", {"fault": fault})
    if payload is None:
        assert await programs.failure("VendorApplication.GetActiveInterface") == "hardwareError"
    else:
        wanted = {"activeInterface": payload}
        assert await programs.failure("VendorApplication.SetActiveInterface", wanted) == "hardwareError"


async def test_the_operators_key_switches_the_screen_unasked(simulator: Dialogue, programs: Dialogue) -> None:
    await simulator.success("Simulator.TurnOperatorKey", {})
    told = await programs.until("unsolicited", name="VendorApplication.InterfaceChangedEvent")
    assert told["payload"] == {"activeInterface": "operator"}
    assert await programs.success("VendorApplication.GetActiveInterface") == {"activeInterface": "operator"}
