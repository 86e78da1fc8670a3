"""VendorApplication over the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, another
from order import Break, Command, Pair, Walk, pairs, walks
from vendors import serving
from xfs4iot import devices
from xfs4iot.interfaces.vendor_application import VendorApplication
from xfs4iot.ledger.journal import LedgerReader
from xfs4iot.protocol import errors


class Atm(devices.VendorApplication):
    """Has two programs, which run until the test ends them."""

    applications = ("diagnosis", "cash balancing")
    access_levels = frozenset({"basic", "full"})

    def __init__(self) -> None:
        super().__init__("VendorApplication")
        self.started: list[tuple[str, str | None]] = []
        self.shows: devices.ActiveInterface = "consumer"
        self.fault: Exception | None = None
        self.hangs = False

    async def start_local_application(
        self, name: str, level: devices.AccessLevel | None
    ) -> devices.AccessLevel | None:
        if self.hangs:
            await trio.sleep_forever()
        if self.fault is not None:
            raise self.fault
        self.started.append((name, level))
        return level or "basic"

    async def active_interface(self) -> devices.ActiveInterface:
        if self.fault is not None:
            raise self.fault
        return self.shows

    async def set_active_interface(self, which: devices.ActiveInterface) -> None:
        self.shows = which


@pytest.fixture
def device() -> Atm:
    return Atm()


@pytest.fixture
async def engineer(device: Atm, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


START = "VendorApplication.StartLocalApplication"


async def level(client: Dialogue) -> str:
    return str((await client.success("Common.Status"))["vendorApplication"]["accessLevel"])


@pytest.mark.parametrize(("asked", "shown"), [("full", "full"), ("basic", "basic"), (None, "basic")])
async def test_a_program_is_started_with_its_level_and_its_end_is_told_once(
    engineer: Dialogue, device: Atm, nursery: trio.Nursery, asked: str | None, shown: str
) -> None:
    bystander = await another(engineer, nursery)
    payload = {"appName": "diagnosis", **({"accessLevel": asked} if asked else {})}
    await engineer.success(START, payload)
    assert device.started == [("diagnosis", asked)]
    assert await level(engineer) == shown
    device.application_exited()
    for client in (engineer, bystander):
        await client.until("unsolicited", name="VendorApplication.VendorAppExitedEvent")
        assert await level(client) == "notActive"
    changes = [m["payload"]["vendorApplication"]["accessLevel"] for m in bystander.passed]
    assert changes == [shown, "notActive"]


@pytest.mark.parametrize("name", [None, "", "Diagnosis", "diagnosis;reboot", "../diagnosis", "x" * 10_000])
async def test_nothing_is_started_but_what_the_device_names(
    engineer: Dialogue, device: Atm, name: str | None
) -> None:
    assert await engineer.failure(START, {"appName": name} if name is not None else {}) == "invalidData"
    assert not device.started


async def test_the_only_program_needs_no_name_and_may_have_no_levels(nursery: trio.Nursery) -> None:
    class Single(Atm):
        applications = ("service",)
        access_levels = frozenset()

        async def start_local_application(self, name: str, level: Any) -> None:
            await super().start_local_application(name, level)

    device = Single()
    client = await serving(device, nursery)
    assert "supportedAccessLevels" not in (await client.success("Common.Capabilities"))["vendorApplication"]
    assert await client.failure(START, {"accessLevel": "basic"}) == "invalidData"
    await client.success(START)
    assert device.started == [("service", None)]


async def test_a_second_program_waits_for_the_end_of_the_first(engineer: Dialogue, device: Atm) -> None:
    await engineer.success(START, {"appName": "diagnosis"})
    assert await engineer.failure(START, {"appName": "cash balancing"}) == "sequenceError"
    device.application_exited()
    await engineer.success(START, {"appName": "cash balancing"})


async def test_a_device_that_runs_several_shows_no_level_when_the_last_has_ended(
    nursery: trio.Nursery,
) -> None:
    device = type("Several", (Atm,), {"several_applications": True})()
    client = await serving(device, nursery)
    for name in device.applications:
        await client.success(START, {"appName": name, "accessLevel": "full"})
    device.application_exited()
    assert await level(client) == "full"
    device.application_exited()
    assert await level(client) == "notActive"


@pytest.mark.parametrize("end", ["hardwareError", "canceled", "timeOut"])
async def test_after_a_failed_start_nothing_runs(engineer: Dialogue, device: Atm, end: str) -> None:
    if end == "hardwareError":
        device.fault = errors.HardwareError("it ended at once")
    else:
        device.hangs = True
    request = await engineer.send(START, {"appName": "diagnosis"}, timeout=50 if end == "timeOut" else 0)
    if end == "canceled":
        await engineer.success("Common.Cancel", {"requestIds": [request]})
    header = (await engineer.until("completion", request))["header"]
    assert header["completionCode"] == end
    assert await level(engineer) == "notActive"
    device.fault, device.hangs = None, False
    await engineer.success(START, {"appName": "diagnosis"})


async def test_the_interface_is_asked_for_while_a_start_is_slow(engineer: Dialogue, device: Atm) -> None:
    device.hangs = True
    await engineer.send(START, {"appName": "diagnosis"})
    shown = await engineer.success("VendorApplication.GetActiveInterface")
    assert shown == {"activeInterface": "consumer"}


async def test_a_switch_is_told_before_its_completion_and_only_if_it_is_one(
    engineer: Dialogue, device: Atm, nursery: trio.Nursery
) -> None:
    bystander = await another(engineer, nursery)
    for which, events in (("consumer", 0), ("operator", 1), ("operator", 0), ("consumer", 1)):
        await engineer.success("VendorApplication.SetActiveInterface", {"activeInterface": which})
        assert len(engineer.passed) == events
        for event in engineer.passed:
            assert event["payload"] == {"activeInterface": which}
        engineer.passed.clear()
    assert device.shows == "consumer"
    for which in ("operator", "consumer"):
        event = await bystander.until("unsolicited", name="VendorApplication.InterfaceChangedEvent")
        assert event["payload"] == {"activeInterface": which}
    device.interface_changed("operator")
    await bystander.until("unsolicited", name="VendorApplication.InterfaceChangedEvent")


@pytest.mark.parametrize("payload", [None, {}, {"activeInterface": "both"}])
async def test_an_interface_that_is_not_named_is_not_the_operators(
    engineer: Dialogue, device: Atm, payload: Any
) -> None:
    assert await engineer.failure("VendorApplication.SetActiveInterface", payload) == "invalidData"
    assert device.shows == "consumer"


async def test_a_getter_that_fails_fails_the_switch(engineer: Dialogue, device: Atm) -> None:
    device.fault = errors.HardwareError("no answer")
    payload = {"activeInterface": "operator"}
    assert await engineer.failure("VendorApplication.SetActiveInterface", payload) == "hardwareError"
    assert device.shows == "consumer"


async def test_every_start_is_in_the_journal(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        with xfs4iot.Ledger.open(tmp_path / "ledger") as ledger:
            client = await serving(Atm(), nursery, ledger)
            await client.success(START, {"appName": "diagnosis", "accessLevel": "full"})
            nursery.cancel_scope.cancel()
    with LedgerReader.open(tmp_path / "ledger") as reader:
        begun = next(line for line in reader.lines() if line.kind == "application")
        assert (begun.command, "diagnosis" in begun.detail) == (START, True)
        assert not reader.verify().problems


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_start_programs_and_switch(
    engineer: Dialogue, device: Atm, nursery: trio.Nursery, older: str
) -> None:
    old = await another(engineer, nursery, older)
    for name, payload in (
        (START, {"appName": "diagnosis", "accessLevel": "full"}),
        ("VendorApplication.SetActiveInterface", {"activeInterface": "operator"}),
    ):
        request = await old.send(name, payload)
        await old.until("completion", request)
    assert device.started == [("diagnosis", "full")]
    assert device.shows == "operator"


async def offline(device: Atm) -> None:
    device.status.common.device = "offline"


async def runs(device: Atm) -> None:
    served = device._host
    served.interface(VendorApplication).runs = 1  # type: ignore[union-attr]


ORDER = {
    START: Command(
        {
            "application_exists": Break({"appName": "x"}, says="appName"),
            "level_supported": Break({"accessLevel": "intermediate"}),
            "device_ready": Break(before=offline),
            "none_runs": Break(before=runs),
            "client": Break(),
        },
        good={"appName": "diagnosis"},
        apart={"none_runs": "a client of this machine is always known"},
    ),
    "VendorApplication.SetActiveInterface": Command(
        {"given activeInterface": Break({"activeInterface": None}), "device_ready": Break(before=offline)},
        good={"activeInterface": "operator"},
    ),
}


@pytest.mark.parametrize("pair", pairs(VendorApplication, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(engineer: Dialogue, device: Atm, pair: Pair) -> None:
    await pair.prove(engineer, device)


@pytest.mark.parametrize("walk", walks(VendorApplication, ORDER), ids=str)
async def test_older_clients_are_answered_alike(engineer: Dialogue, device: Atm, walk: Walk) -> None:
    await walk.prove(engineer, device, device)
