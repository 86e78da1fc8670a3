"""`xfs4iot fleet call`: one command to many devices, and who has been told what whatever happens."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from itertools import pairwise
from typing import Any

import click
import pytest
import trio
from test_view import NASTY, holding

import xfs4iot
from conftest import Tenant
from xfs4iot.cli.fleet_call import call
from xfs4iot.fleet import bulk
from xfs4iot.fleet.bulk import Bulk, Outcome, Target
from xfs4iot.fleet.gateway import Gateway
from xfs4iot.fleet.last import Last, ToldService
from xfs4iot.protocol.index import COMMANDS
from xfs4iot.recording.moving import moves, only_looks

NAMES = ("atm1", "atm2", "atm3")
FIFTY = {"denomination": {"denomination": {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}}}


class Seen:
    """What a service was told to do."""

    def __init__(self, service: xfs4iot.Service | Any) -> None:
        self.commands: list[str] = []
        service.observer = self

    def completed(self, service: str, command: str, code: str, seconds: float) -> None:
        self.commands.append(command)

    def told(self, service: str, event: str) -> None: ...

    def refused(self, service: str, status: str) -> None: ...

    def connected(self, service: str) -> None: ...

    def disconnected(self, service: str) -> None: ...


class Calls:
    """A bulk call, and what became of it."""

    def __init__(
        self, gateway: Gateway, command: str, payload: Any = None, *, at: str | None = None, **more: Any
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.began: list[float] = []
        settings = {"at_once": 8, "per_minute": 60_000, "timeout": 20, "connection": {}, **more}
        self.bulk = Bulk(
            at or gateway.uri("").rstrip("/"), command, payload, ended=self.outcomes.append, **settings
        )

    async def run(self, *names: str, service: str = "CashDispenser") -> dict[str, str]:
        await self.bulk.run([Target(name, service) for name in names or NAMES])
        return {one.target.device: one.code for one in self.outcomes}


async def three(tenant: Tenant, publisher: xfs4iot.Publisher) -> Gateway:
    gateway = await tenant.gateway()
    for name in NAMES:
        await tenant.device(publisher, name)
    return gateway


async def test_all_are_told_once_and_answer(tenant: Tenant, atm: xfs4iot.Publisher) -> None:
    gateway = await three(tenant, atm)
    seen = Seen(atm.services["CashDispenser"])
    calls = Calls(gateway, "CashDispenser.GetMixTypes")
    assert await calls.run() == dict.fromkeys(NAMES, "success")
    assert seen.commands.count("CashDispenser.GetMixTypes") == 3
    assert all(one.payload and "mixes" in one.payload for one in calls.outcomes)
    failed = Calls(gateway, "CashDispenser.Denominate", {"request": {}})
    assert set((await failed.run()).values()) == {"invalidData"}
    assert all(one.told for one in failed.outcomes)


async def test_many_are_called_by_a_gateway_named_as_it_names_itself_or_by_its_address(
    tenant: Tenant, atm: xfs4iot.Publisher
) -> None:
    gateway = await tenant.gateway()
    await tenant.device(atm, "atm1")
    (option,) = (one for one in call.params if one.name == "gateway")
    for named in (gateway.uri("DEVICE"), f"ws://127.0.0.1:{gateway.port}"):
        uri = option.process_value(click.Context(call), named)
        assert await Calls(gateway, "CashDispenser.GetMixTypes", at=uri).run("atm1") == {"atm1": "success"}


async def test_no_more_are_told_at_once_or_in_a_minute_than_is_allowed(
    tenant: Tenant, slow_atm: xfs4iot.Publisher
) -> None:
    gateway = await three(tenant, slow_atm)
    most, began = 0, list[float]()
    calls = Calls(gateway, "CashDispenser.Dispense", FIFTY, at_once=2, per_minute=200)

    async def look() -> None:
        nonlocal most
        known = set[Target]()
        while True:
            most = max(most, len(calls.bulk.running))
            for one in calls.bulk.running - known:
                known.add(one)
                began.append(trio.current_time())
            await trio.sleep(0.005)

    async with trio.open_nursery() as looking:
        looking.start_soon(look)
        await calls.run()
        looking.cancel_scope.cancel()
    assert most == 2
    # 200 a minute are 0.3 s; when it is looked depends on the machine.
    assert all(later - one > 0.15 for one, later in pairwise(began)), began
    assert len(began) == 3


async def test_a_device_is_not_called_absent_where_the_gateway_cannot_ask(
    own_tenant: Tenant, atm: xfs4iot.Publisher
) -> None:
    gateway = await own_tenant.gateway()
    await own_tenant.device(atm, "atm1")
    own_tenant.broker.kill()
    calls = Calls(gateway, "CashDispenser.GetMixTypes")
    assert await calls.run("atm1") == {"atm1": bulk.NOT_REACHED}
    assert "HTTP 503" in str(calls.outcomes[0].description)
    assert not calls.outcomes[0].told


async def test_nothing_is_kept_for_a_device_that_is_absent(tenant: Tenant, atm: xfs4iot.Publisher) -> None:
    gateway = await tenant.gateway()
    uplink = await tenant.device(atm, "atm1")
    uplink._ended.set()
    with trio.fail_after(10):
        while (known := await tenant.view.get("atm1")) is None or known.presence.online:  # noqa: ASYNC110
            await trio.sleep(0.02)
    seen = Seen(atm.services["CashDispenser"])
    calls = Calls(gateway, "CashDispenser.Dispense", FIFTY)
    # One that is known and away, and one that nobody knows.
    assert await calls.run("atm1", "atm2") == {"atm1": bulk.ABSENT, "atm2": bulk.NOT_REACHED}
    assert not any(one.told for one in calls.outcomes)
    await gateway.registry.readmit("atm1")
    await tenant.device(atm, "atm1")
    assert await Calls(gateway, "CashDispenser.GetMixTypes").run("atm1") == {"atm1": "success"}
    assert "CashDispenser.Dispense" not in seen.commands


async def until_running(calls: Calls, seen: int = 1) -> None:
    with trio.fail_after(20):
        while len(calls.bulk.running) < seen:  # noqa: ASYNC110
            await trio.sleep(0.01)
    # It is told when it is connected, and has asked which versions there are.
    await trio.sleep(0.3)


async def test_an_interrupt_tells_nobody_else_and_waits_for_the_others(
    tenant: Tenant, slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    gateway = await three(tenant, slow_atm)
    seen = Seen(slow_atm.services["CashDispenser"])
    calls = Calls(gateway, "CashDispenser.Dispense", FIFTY, at_once=1)
    async with trio.open_nursery() as running:
        running.start_soon(calls.run)
        await until_running(calls)
        calls.bulk.stop()
    assert {one.target.device: (one.code, one.told) for one in calls.outcomes} == {
        "atm1": ("success", True), "atm2": (bulk.NOT_TOLD, False), "atm3": (bulk.NOT_TOLD, False),
    }  # fmt: skip
    assert seen.commands.count("CashDispenser.Dispense") == 1


async def test_a_second_interrupt_does_not_wait_and_says_what_is_not_known(
    tenant: Tenant, slow_atm: xfs4iot.Publisher
) -> None:
    gateway = await three(tenant, slow_atm)
    calls = Calls(gateway, "CashDispenser.Dispense", FIFTY, at_once=1)
    async with trio.open_nursery() as running:
        running.start_soon(calls.run)
        await until_running(calls)
        calls.bulk.stop()
        calls.bulk.stop()
    assert [(one.code, one.told) for one in calls.outcomes] == [
        (bulk.UNKNOWN, True), (bulk.NOT_TOLD, False), (bulk.NOT_TOLD, False),
    ]  # fmt: skip


async def test_what_is_lost_on_its_way_is_unknown_and_not_told_again(
    tenant: Tenant, slow_atm: xfs4iot.Publisher
) -> None:
    gateway = await tenant.gateway()
    uplink = await tenant.device(slow_atm, "atm1")
    seen = Seen(slow_atm.services["CashDispenser"])
    calls = Calls(gateway, "CashDispenser.Dispense", FIFTY)
    async with trio.open_nursery() as running:
        running.start_soon(calls.run, "atm1")
        await until_running(calls)
        uplink._ended.set()
    assert [(one.code, one.told) for one in calls.outcomes] == [(bulk.UNKNOWN, True)]
    assert seen.commands.count("CashDispenser.Dispense") <= 1


def test_a_device_of_one_service_with_the_interface_needs_no_name() -> None:
    from xfs4iot.fleet.registry import Presence
    from xfs4iot.fleet.view import Known

    there = Presence(1, "i", True, 0.0, services=("CashDispenser", "CardReader"))
    services = {
        "CashDispenser": ToldService(("Common", "Storage")),
        "CardReader": ToldService(("Common", "CardReader")),
    }
    known = Known("atm1", there, Last(1, "", services), 0.0)
    assert bulk.target_of(known, "CardReader.QueryIFMIdentifier", None) == Target("atm1", "CardReader")
    assert bulk.target_of(known, "Common.Status", "CardReader") == Target("atm1", "CardReader")
    assert "in 2 services" in str(bulk.target_of(known, "Common.Status", None))
    assert "no service with" in str(bulk.target_of(known, "Lights.SetLight", None))
    assert "has no service x" in str(bulk.target_of(known, "Common.Status", "x"))
    # A vendor's own.
    assert "does not say" in str(bulk.target_of(known, "Made.GetUp", "CardReader"))
    services["CardReader"] = ToldService(("Common", "CardReader", "Made"))
    known = Known("atm1", there, Last(1, "", services), 0.0)
    assert bulk.target_of(known, "Made.GetUp", "CardReader") == Target("atm1", "CardReader")
    # It has not told yet which interfaces there are.
    assert bulk.target_of(Known("atm1", there), "CardReader.Reset", None) == Target("atm1", "CardReader")


def test_what_does_more_than_look_is_told_from_what_looks() -> None:
    """Locks of doors, nonces and cheques in a feeder among it."""
    for command in (
        "Auxiliaries.SetAuxiliaries", "CashDispenser.Dispense", "Check.GetNextItem", "Common.GetCommandNonce",
        "Common.PowerSaveControl", "Lights.SetLight", "Made.GetUp", "PinPad.GetPinBlock", "GetNothing",
        "Simulator.InsertCard", "Storage.StartExchange", "VendorMode.EnterModeRequest",
    ):  # fmt: skip
        assert not only_looks(command), command
    for command in ("CashDispenser.Denominate", "Common.Status", "Storage.GetStorage"):
        assert only_looks(command), command
    assert not [name for name in COMMANDS if moves(name) and only_looks(name)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Simulator.GetUp", "--device", "atm1"), "does more than look"),
        (("Lights.GetLight", "--device", "atm1"),
         "there is no command Lights.GetLight; did you mean Lights.SetLight?"),
        (("Common.Statu", "--device", "atm1", "--moves"), "did you mean Common.Status?"),
        (("Comon.Status", "--device", "atm1", "--moves", "--service", "CashDispenser"),
         "CashDispenser of atm1 does not say that it has the interface Comon; did you mean Common.Status?"),
        (("Auxiliaries.SetAuxiliaries", "{}", "--device", "atm1"), "add --moves"),
        (("Common.Status",), "say which devices"),
        (("Status", "--device", "atm1"), "Interface.Command"),
        (("Common.Status", "[1]", "--device", "atm1"), "a JSON object"),
        (("Common.Status", "--device", "a.b"), "1 to 64 letters"),
        (("Common.Status", "--device", "atm9"), "there is no device atm9"),
        (("Common.Status", "--device", "atm1", "--at-once", "0"), "1<=x<=1000"),
        (("Common.Status", "--device", "atm1", "--per-minute", "0"), "x>0"),
        (("Common.Status", "--device", "atm1", "--gateway", "atm"), "is not a URI"),
        (("Lights.SetLight", "--device", "atm1", "--moves"), "no service with the interface Lights"),
        (("CashManagement.Reset", "--where", "online", "--moves", "--service", "CashDispenser"),
         "goes to 2 devices, 1 at a time and 6 a minute: within two minutes; nobody can be asked"),
        (("CashManagement.Reset", "--where", "online", "--moves", "--service", "CashDispenser", "--confirm",
          "3"), "--confirm says 3"),
        (("Storage.GetStorage", "--where", "device == nobody"), "no device fits --where"),
        ((NASTY + ".x", "--device", "atm1"), "does more than look"),
    ],
)  # fmt: skip
async def test_nobody_is_told_what_is_not_clear(
    tenant: Tenant, arguments: tuple[str, ...], said: str
) -> None:
    for name in ("atm1", "atm2"):
        await tenant.known(name, holding(5))
    await tenant.known("atm3", holding(5), online=False)
    done = await tenant.run("call", *arguments)
    assert done.exit_code != 0
    assert said in " ".join(done.stderr.split()), done.stderr
    assert "\x1b" not in done.output


@pytest.mark.parametrize("which", [("--where", "device == nobody"), ("--device", "atm9")])
async def test_that_no_device_is_meant_is_no_wrong_usage(tenant: Tenant, which: tuple[str, str]) -> None:
    await tenant.known("atm1", holding(5))
    done = await tenant.run("call", "Storage.GetStorage", *which)
    assert done.exit_code == 1
    assert "Usage:" not in done.stderr
    assert "no device" in done.stderr


async def process(tenant: Tenant, *arguments: str) -> trio.Process:
    return await trio.lowlevel.open_process(
        [sys.executable, "-m", "xfs4iot", "fleet", *tenant.options, "call", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip


async def output(of: trio.Process) -> tuple[str, str]:
    said: list[str] = ["", ""]

    async def read(index: int, stream: Any) -> None:
        async for data in stream:
            said[index] += data.decode()

    async with trio.open_nursery() as reading:
        reading.start_soon(read, 0, of.stdout)
        reading.start_soon(read, 1, of.stderr)
    await of.wait()
    return said[0], said[1]


async def told_last(tenant: Tenant, *names: str) -> None:
    """Wait until all devices have told which services they have."""
    with trio.fail_after(20):
        for name in names:
            while (known := await tenant.view.get(name)) is None or known.last is None:  # noqa: ASYNC110
                await trio.sleep(0.02)


async def test_results_are_lines_of_json_and_the_summary_is_elsewhere(
    tenant: Tenant, atm: xfs4iot.Publisher
) -> None:
    gateway = await three(tenant, atm)
    await tenant.known("atm4", holding(5), online=False)
    await told_last(tenant, *NAMES)
    where = ("--gateway", gateway.uri("").rstrip("/"), "--where", "unit.value == 20")
    out, err = await output(await process(tenant, "CashDispenser.GetMixTypes", "--json", *where))
    lines = {one["device"]: one for one in map(json.loads, out.splitlines())}
    assert {name: (one["completionCode"], one["told"]) for name, one in lines.items()} == {
        **dict.fromkeys(NAMES, ("success", True)), "atm4": ("absent", False),
    }  # fmt: skip
    assert "atm1, atm2, atm3" in err
    assert "not told, now or later: atm4" in err
    assert "\x1b" not in out + err


async def test_an_interrupted_command_line_says_who_has_been_told(
    tenant: Tenant, slow_atm: xfs4iot.Publisher
) -> None:
    gateway = await three(tenant, slow_atm)
    await told_last(tenant, *NAMES)
    seen = Seen(slow_atm.services["CashDispenser"])
    where = ("--gateway", gateway.uri("").rstrip("/"), "--where", "online", "--moves", "--confirm", "3")
    calling = await process(tenant, "CashDispenser.Dispense", json.dumps(FIFTY), *where)
    with trio.fail_after(30):
        while not slow_atm.services["CashDispenser"].running:  # noqa: ASYNC110
            await trio.sleep(0.01)
    calling.send_signal(signal.SIGINT)
    out, err = await output(calling)
    assert calling.returncode == 130
    rows = [" ".join(line.replace("│", " ").split()) for line in out.splitlines()]
    assert "success 1 atm1" in rows
    assert "notTold 2 interrupted before; not told: atm2, atm3" in rows
    assert "nobody else is told; waiting for atm1" in err
    assert seen.commands.count("CashDispenser.Dispense") == 1
