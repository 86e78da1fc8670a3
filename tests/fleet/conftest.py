"""Brokers for the tests of the fleet; without nats-server they are skipped, and say so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from xfs4iot.fleet.broker import Broker, BrokerMissing, find_server, free_port, settings
from xfs4iot.fleet.nats import Nats


@pytest.fixture
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
async def cluster(server: str, tmp_path: Path) -> AsyncIterator[list[Broker]]:
    """Three nodes."""
    ports, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
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
    try:
        async with trio.open_nursery() as starting:
            for node in nodes:
                starting.start_soon(node.start)
        yield nodes
    finally:
        for node in nodes:
            node.kill()
