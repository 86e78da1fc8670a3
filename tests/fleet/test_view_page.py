"""What docs/fleet.md shows of looking at a fleet, calling it and taking its events, done as it stands."""

from __future__ import annotations

import json
import shlex

import msgspec
import trio
from test_bulk import output, process, told_last
from test_fleet_page import lines_of
from test_view import holding

import xfs4iot
from conftest import Tenant


def arguments(line: str) -> list[str]:
    program, group, *rest = shlex.split(line)
    assert (program, group) == ("xfs4iot", "fleet")
    return rest


async def test_the_commands_that_look(tenant: Tenant, nursery: trio.Nursery) -> None:
    await tenant.known("atm1", holding(5, "low"))
    await tenant.known("berlin-1", holding(500), online=False)

    async def change() -> None:
        while True:
            for state in ("hardwareError", "offline"):
                await tenant.known("atm1", holding(5, "low", state))
                await trio.sleep(0.05)

    said = {}
    lines = [*lines_of("## What is known of the devices"), *lines_of("### Which devices are meant")]
    for line in lines:
        command = arguments(line)
        if command[0] == "watch":
            nursery.start_soon(change)
            command += ["--count", "1"]
        done = await tenant.run(*command)
        assert done.exit_code == 0, (line, done.output)
        said[line] = done.stdout
    # What is to be seen of two devices, of which one is low and one away.
    found = [("atm1" in text, "berlin-1" in text) for text in said.values()]
    assert found == [
        (True, True), (True, False), (True, False), (True, False),
        (True, False), (True, False), (False, True), (False, True), (False, False),
    ]  # fmt: skip
    nursery.cancel_scope.cancel()


async def test_the_commands_that_call(tenant: Tenant, atm: xfs4iot.Publisher) -> None:
    gateway = await tenant.gateway()
    atm.services["Lights"].device.status.common.device = "hardwareError"  # type: ignore[union-attr]
    await tenant.device(atm, "atm1")
    await told_last(tenant, "atm1")
    where = ("--gateway", gateway.uri("").rstrip("/"))
    mixes, status, reset = (arguments(line)[1:] for line in lines_of("## One command to many devices"))
    out, _ = await output(await process(tenant, *mixes, *where))
    assert "success" in out
    out, _ = await output(await process(tenant, *status, *where))
    assert json.loads(out)["payload"]["common"]["device"] == "online"
    last = holding(5)
    service = last.services["CashDispenser"]
    units = {"unit1": msgspec.structs.replace(service.units["unit1"], status="inoperative")}
    services = {"CashDispenser": msgspec.structs.replace(service, units=units)}
    await tenant.known("atm2", msgspec.structs.replace(last, services=services))
    refused = await tenant.run("call", *reset, "--service", "CashDispenser")
    assert "CashManagement.Reset goes to 1 device, 1 at a time" in " ".join(refused.stderr.split())


async def test_the_commands_for_other_systems(tenant: Tenant) -> None:
    for line in lines_of("## Events, for other systems"):
        done = await tenant.run(*arguments(line))
        assert done.exit_code == 0, (line, done.output)
        if "list" in line:
            assert "CashDispenser, Storage" in " ".join(done.output.split())
