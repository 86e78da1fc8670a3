"""Brokers for the tests of the fleet; without nats-server they are skipped, and say so."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

import xfs4iot
from secured_fleet import Secured
from xfs4iot.cli import cli
from xfs4iot.fleet.broker import Broker, BrokerMissing, find_server, free_ports, settings
from xfs4iot.fleet.events import Retention, make_events
from xfs4iot.fleet.gateway import Gateway
from xfs4iot.fleet.keeping import Keeping
from xfs4iot.fleet.last import Last, bucket_of_last
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.registry import PRESENCE, Presence
from xfs4iot.fleet.reporter import Pace
from xfs4iot.fleet.store import KeyValue
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.fleet.uplink import Uplink
from xfs4iot.fleet.view import FleetView


@pytest.fixture(scope="session")
def server() -> str:
    try:
        return find_server()
    except BrokerMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
async def broker(server: str, tmp_path: Path) -> AsyncIterator[Broker]:
    async with Broker.at(tmp_path / "broker").running() as one:
        yield one


@pytest.fixture
async def nats(broker: Broker, nursery: trio.Nursery) -> Nats:
    one = Nats((broker.url,))
    await nursery.start(one.run)
    with trio.fail_after(10):
        await one.until_connected()
    return one


@pytest.fixture
def cluster_to_be(server: str, tmp_path: Path) -> Iterator[list[Broker]]:
    """Three nodes that nobody has started."""
    free = free_ports(6)
    ports, routes = free[:3], free[3:]
    nodes = [
        Broker(
            tmp_path / f"node{index}",
            settings(
                name=f"node{index}",
                host="127.0.0.1",
                port=ports[index],
                store=tmp_path / f"node{index}" / "store",
                cluster={
                    "name": "fleet",
                    "listen": f"127.0.0.1:{routes[index]}",
                    "routes": [f"nats://127.0.0.1:{port}" for port in routes],
                },
            ),
            f"nats://127.0.0.1:{ports[index]}",
        )
        for index in range(3)
    ]
    yield nodes
    for node in nodes:
        node.kill()


@pytest.fixture
async def cluster(cluster_to_be: list[Broker]) -> list[Broker]:
    """Three nodes."""
    async with trio.open_nursery() as starting:
        for node in cluster_to_be:
            starting.start_soon(node.start)
    return cluster_to_be


@pytest.fixture(scope="session")
def one_broker(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for all tests that disturb nobody: each has a tenant of its own."""
    one = Broker.at(tmp_path_factory.mktemp("broker"))
    trio.run(one.start)
    yield one
    one.kill()


class Tenant:
    """A fleet of one test at the common broker."""

    def __init__(self, nursery: trio.Nursery, broker: Broker) -> None:
        self.name, self.nursery, self.broker = f"t{secrets.token_hex(4)}", nursery, broker
        self._uplinks: list[Uplink] = []
        self._telling = trio.CapacityLimiter(100)
        self.carrier: Nats
        self.presence: KeyValue
        self.last: KeyValue

    async def connect(self) -> Nats:
        carrier = Nats((self.broker.url,), ping_seconds=1)
        await self.nursery.start(carrier.run)
        with trio.fail_after(20):
            await carrier.until_connected()
        return carrier

    async def begin(self) -> None:
        self.carrier = await self.connect()
        self.presence = KeyValue(self.carrier, PRESENCE.format(self.name))
        self.last = bucket_of_last(self.carrier, self.name)
        await self.presence.make()
        await self.last.make()
        await make_events(self.carrier, self.name, retention=Retention(bytes_=2**24, each=50))

    async def tell(self, device: str, value: bytes) -> None:
        """Write a device's last status, as it does itself."""
        # A connection has so many subscriptions and no more.
        async with self._telling:
            keeping = Keeping(self.carrier, Subjects(self.name), device)
            try:
                await keeping.keep(f"$KV.{self.last.bucket}.{device}", value)
            finally:
                keeping.close()

    @property
    def view(self) -> FleetView:
        return FleetView(self.presence, self.last)

    @property
    def options(self) -> tuple[str, ...]:
        """Of `xfs4iot fleet`."""
        return "--broker", self.broker.url, "--tenant", self.name

    async def run(self, *arguments: str, columns: int = 80, typed: str | None = None) -> Result:
        """`xfs4iot fleet` with these arguments, as in a pipe."""

        def invoke() -> Result:
            runner = CliRunner(env={"COLUMNS": str(columns)})
            return runner.invoke(cli, ["fleet", *self.options, *arguments], input=typed)

        return await trio.to_thread.run_sync(invoke)

    async def known(self, device: str, last: Last | bytes | None = None, **more: object) -> None:
        """Let a device be known without there being one."""
        there = Presence(1, "i", True, 1795766400.0, "xfs4iot 1.2.3", ("CashDispenser",))
        await self.presence.put(device, replace(there, **more).encode())  # type: ignore[arg-type]
        if last is not None:
            await self.tell(device, last if isinstance(last, bytes) else last.encode())

    async def gateway(self, **more: object) -> Gateway:
        carrier = await self.connect()
        store = KeyValue(carrier, PRESENCE.format(self.name))
        gateway = Gateway(carrier, store, tenant=self.name, port=0, **more)  # type: ignore[arg-type]
        await self.nursery.start(gateway.serve)
        return gateway

    async def device(
        self, publisher: xfs4iot.Publisher, name: str = "atm17", pace: Pace | None = None
    ) -> Uplink:
        uplink = Uplink(
            publisher, await self.connect(), xfs4iot.Ledger.open(None).service("uplink"), tenant=self.name,
            device=name, authorities=None, version="xfs4iot 1.2.3", pace=pace or Pace(0.02, 0.05, 60),
        )  # fmt: skip
        await self.nursery.start(uplink.run)
        self._uplinks.append(uplink)
        with trio.fail_after(20):
            await uplink.admitted.wait()
        return uplink

    async def end(self) -> None:
        """Let the devices go before all is cancelled at once: their services would wait for whom to tell."""
        for uplink in self._uplinks:
            uplink._ended.set()
        with trio.move_on_after(2):
            while any(uplink.busy for uplink in self._uplinks):  # noqa: ASYNC110
                await trio.sleep(0.01)


@pytest.fixture
async def tenant(one_broker: Broker, nursery: trio.Nursery) -> AsyncIterator[Tenant]:
    one = Tenant(nursery, one_broker)
    await one.begin()
    yield one
    await one.end()


@pytest.fixture
async def own_tenant(broker: Broker, nursery: trio.Nursery) -> Tenant:
    """A fleet at a broker that the test may kill."""
    one = Tenant(nursery, broker)
    await one.begin()
    return one


@pytest.fixture
async def secured(server: str, tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Secured]:
    one = Secured(nursery, tmp_path)
    await one.node.start()
    try:
        yield one
    finally:
        # Not `end`: it waits for whoever is just being decided on.
        one.node.kill()
