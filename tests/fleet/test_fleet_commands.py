"""From nothing to an ATM behind a gateway, and what applications see when something dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import trio

import xfs4iot
from dialogue import dialogue
from xfs4iot.fleet.broker import Broker, free_port
from xfs4iot.fleet.gateway import Gateway
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.store import KeyValue
from xfs4iot.fleet.uplink import Uplink


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for one in reversed(processes):
        if one.poll() is None:
            one.send_signal(signal.SIGTERM)
            one.wait(30)
        if one.stdout is not None:
            one.stdout.close()


def start(processes: list[subprocess.Popen[str]], *arguments: str) -> dict[str, object]:
    one = subprocess.Popen(
        [sys.executable, "-m", "xfs4iot", *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    processes.append(one)
    assert one.stdout is not None
    said: dict[str, object] = json.loads(one.stdout.readline())
    return said


def called(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "xfs4iot", *arguments], check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_a_simulated_atm_behind_a_gateway(server: str, started: list[subprocess.Popen[str]]) -> None:
    port = str(free_port())
    gateway = start(started, "gateway", "--embedded-broker", "--broker-port", port, "--port", "0", "--json")
    broker = f"nats://127.0.0.1:{port}"
    simulated = ("simulate", "--plain", "--port", "0", "--seconds", "0", "--json")
    start(started, *simulated, "--uplink", broker, "--device", "atm17")
    uri = str(gateway["gateway"]).replace("DEVICE", "atm17/CashDispenser")
    for _ in range(50):
        known = json.loads(called("fleet", "--broker", broker, "list", "--json"))
        if known:
            break
    assert [(one["device"], one["online"]) for one in known] == [("atm17", True)]
    assert "online" in called("call", uri, "Common.Status")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_embedded_broker_ends_with_a_gateway_that_is_killed(
    server: str, started: list[subprocess.Popen[str]]
) -> None:
    port = free_port()
    start(started, "gateway", "--embedded-broker", "--broker-port", str(port), "--port", "0", "--json")
    socket.create_connection(("127.0.0.1", port), 5).close()
    started[0].kill()
    started[0].wait(10)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    pytest.fail("the broker still listens")


class Real:
    """Gateways and a device over real brokers."""

    def __init__(self, nursery: trio.Nursery, urls: tuple[str, ...]) -> None:
        self.nursery, self.urls = nursery, urls

    async def carrier(self) -> Nats:
        carrier = Nats(self.urls, ping_seconds=1)
        await self.nursery.start(carrier.run)
        with trio.fail_after(20):
            await carrier.until_connected()
        return carrier

    async def gateway(self, replicas: int = 1) -> tuple[Gateway, trio.CancelScope]:
        carrier = await self.carrier()
        store = KeyValue(carrier, "x4-bank-presence", replicas=replicas)
        with trio.fail_after(30):
            while True:
                try:
                    await store.make()
                    break
                except Exception:
                    await trio.sleep(0.2)
        gateway = Gateway(carrier, store, tenant="bank", port=0)
        scope = trio.CancelScope()

        async def serve(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            with scope:
                await gateway.serve(task_status=task_status)

        await self.nursery.start(serve)
        return gateway, scope

    async def device(self, publisher: xfs4iot.Publisher) -> tuple[Uplink, Nats]:
        carrier = await self.carrier()
        ledger = xfs4iot.Ledger.open(None).service("uplink")
        uplink = Uplink(publisher, carrier, ledger, tenant="bank", device="atm17", authorities=None)
        await self.nursery.start(uplink.run)
        with trio.fail_after(20):
            await uplink.admitted.wait()
        return uplink, carrier


async def test_a_gateway_that_ends_tells_and_another_serves(
    broker: Broker, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    real = Real(nursery, (broker.url,))
    first, scope = await real.gateway()
    second, _ = await real.gateway()
    uplink, _ = await real.device(atm)
    await nursery.start(dialogue, first.uri("atm17", "CashDispenser"))
    assert uplink.busy
    scope.cancel()
    with trio.fail_after(10):
        while uplink.busy:  # noqa: ASYNC110
            await trio.sleep(0.05)
    other = await nursery.start(dialogue, second.uri("atm17", "CashDispenser"))
    assert (await other.success("Common.Status"))["common"]["device"] == "online"


async def test_an_application_is_told_that_its_device_has_gone(
    broker: Broker, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    real = Real(nursery, (broker.url,))
    gateway, _ = await real.gateway()
    uplink, _ = await real.device(atm)
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    uplink._ended.set()
    with trio.fail_after(10):
        assert (await client.closed()).code == 1001


@pytest.mark.parametrize("what", [Broker.kill, Broker.freeze])
async def test_sessions_survive_a_node_that_dies_or_freezes(
    cluster: list[Broker], atm: xfs4iot.Publisher, nursery: trio.Nursery, what: Callable[[Broker], None]
) -> None:
    real = Real(nursery, tuple(node.url for node in cluster))
    gateway, _ = await real.gateway(replicas=3)
    _, carrier = await real.device(atm)
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    held = next(node for node in cluster if node.configuration["server_name"] == carrier.info["server_name"])
    what(held)
    request = await client.send("Common.Status")
    with trio.fail_after(20):
        assert await client.until("completion", request)
