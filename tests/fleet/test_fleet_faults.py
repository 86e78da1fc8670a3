"""Anything of a fleet fails at any moment: no item is lost or paid twice, and every application is told.

ATMs with ledgers and physical truths of their own, two gateways and three nodes of a broker, each a process
of its own. Customers and clerks work at every ATM through the gateways while nodes die, freeze or are cut off
together, gateways die or freeze, ATMs lose their power or freeze, and applications read nothing. Each
time a connection has ended, the application finds another way, and the counts over the wire, the
present status and the physical truth are compared.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from frames import frame, raw_connection
from operators import DISPENSE, PRESENT, Operator
from power import ATM, Launcher, Life, assert_closed
from xfs4iot import client
from xfs4iot.fleet.broker import Broker, free_port

SHORT, LONG = 8, 1000
PATIENCE = 90
"""Seconds in which an application must be told, and find its way back: far more than it takes."""
TOLD = 45


class GatewayProcess:
    """One gateway, over all its lives, at one port."""

    def __init__(self, urls: list[str]) -> None:
        self.port = free_port()
        brokers = [part for url in urls for part in ("--broker", url)]
        self._arguments = [*brokers, "--replicas", "3", "--port", str(self.port), "--json"]
        self._process: subprocess.Popen[str] | None = None

    def uri(self, device: str) -> str:
        return f"ws://127.0.0.1:{self.port}/xfs4iot/v1.0/{device}/CashDispenser"

    async def start(self) -> None:
        """Start it; tried again as a supervisor does, while the fleet has no leader."""
        for _ in range(20):
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-m", "xfs4iot", "gateway", *self._arguments],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            assert self._process.stdout is not None
            if await trio.to_thread.run_sync(self._process.stdout.readline):
                return
            self.kill()
            await trio.sleep(0.5)
        raise AssertionError("the gateway does not start")

    def signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


class Branch:
    """One ATM and who works at it, by way of the fleet.

    Attributes:
        told: how connections ended, by what the application was told.
        visits: how often it found its way back.
    """

    def __init__(self, fleet: Fleet, name: str, atm: ATM, seed: int) -> None:
        self.fleet, self.name, self.atm = fleet, name, atm
        self.operator = Operator(atm, random.Random(seed))
        self.told: Counter[str] = Counter()
        self.visits = 0
        self.sent: Counter[str] = Counter()
        self.life: Life | None = None
        self.refusals: deque[str] = deque(maxlen=20)
        self.there = trio.Event()
        self.ended = trio.Event()

    async def live(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Life after life, until nobody wants it any more."""
        while not self.ended.is_set():
            async with self.atm.running() as self.life:
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                async with trio.open_nursery() as nursery:

                    async def died(life: Life = self.life) -> None:
                        await life.wait()
                        assert life.killed, (self.atm.directory / "log").read_text()[-3000:]
                        nursery.cancel_scope.cancel()

                    nursery.start_soon(died)
                    await self.ended.wait()
                    nursery.cancel_scope.cancel()
                # Its handle is closed next, and must reach nobody else.
                self.life = None

    async def work(self) -> None:
        """Work there until cancelled; find another way each time a connection has ended."""
        lost = trio.current_time()
        while True:
            gateway = self.operator.chance.choice(self.fleet.gateways)
            try:
                async with (
                    client.connect(gateway.uri(self.name), plain=True) as device,
                    client.connect(self.atm.uris["Simulator"], plain=True) as simulator,
                ):
                    # Whatever was begun for another connection has ended when this is answered.
                    with trio.fail_after(PATIENCE):
                        await device.call("CashDispenser.GetPresentStatus")
                        await self.operator.compare(device)
                    self.visits += 1
                    self.there.set()
                    self.operator.running = None
                    lost = math.inf
                    await self._until_told(device, simulator)
            except* (client.Disconnected, client.NotFound, OSError) as ended:
                lost = min(lost, trio.current_time())
                self.refusals.append(f"{trio.current_time() - lost:.0f} s: {ended.exceptions[0]}"[:200])
            if lost < math.inf:
                where = f"{self.name} is out of reach: {list(self.refusals)}"
                assert trio.current_time() - lost < PATIENCE, where
                await trio.sleep(self.operator.chance.uniform(0.05, 0.5))

    async def _until_told(self, device: client.Client, simulator: client.Client) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            try:
                await self.operator.work(device, simulator)
            except client.Disconnected as why:
                self.told[str(why).rpartition(": ")[2][:80]] += 1
                raise
            finally:
                nursery.cancel_scope.cancel()

    async def _watch(self) -> None:
        """What is asked is answered, or ends: nobody waits forever."""
        done, since = -1, trio.current_time()
        while True:
            await trio.sleep(0.5)
            if (now := self.operator.answered) != done:
                done, since = now, trio.current_time()
            assert trio.current_time() - since < TOLD, f"{self.name}: {self.operator.running} has no end"

    async def settle(self) -> None:
        """In the end everything is where the books say."""
        with trio.fail_after(PATIENCE):
            async with client.connect(self.atm.uris["CashDispenser"], plain=True) as device:
                await device.call("CashDispenser.GetPresentStatus")
                await self.operator.compare(device)
        assert sum(sum(there.values()) for there in self.atm.truth().values()) == 1700


class Fleet:
    """All processes, and what befalls them."""

    def __init__(self, directory: Path, launcher: Launcher, nodes: list[Broker], atms: int) -> None:
        self.nodes, self.chance = nodes, random.Random(1)
        urls = [node.url for node in nodes]
        self.gateways = [GatewayProcess(urls), GatewayProcess(urls)]
        self.branches = []
        for number in range(atms):
            name = f"atm{number}"
            options = [part for url in urls for part in ("--uplink", url)]
            (directory / name).mkdir()
            atm = ATM(directory / name, launcher, seconds=0.02, options=(*options, "--device", name))
            self.branches.append(Branch(self, name, atm, number))
        self.befell: Counter[str] = Counter()
        self._busy: set[int] = set()

    @property
    def faults(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self.node_dies, self.node_freezes, self.nodes_are_cut_off, self.gateway_dies,
            self.gateway_freezes, self.power_fails, self.atm_freezes, self.application_reads_nothing,
        ]  # fmt: skip

    async def node_dies(self) -> None:
        async with self.one_of(self.nodes) as node:
            node.kill()
            await self.a_while(3)
            await node.start()

    async def node_freezes(self) -> None:
        async with self.one_of(self.nodes) as node:
            node.freeze()
            await self.a_while(6)
            node.thaw()

    async def nodes_are_cut_off(self) -> None:
        """No majority: the registry is down, and so is every session that was held there."""
        async with self.one_of(self.nodes) as one, self.one_of(self.nodes) as other:
            one.freeze()
            other.freeze()
            await self.a_while(4)
            one.thaw()
            other.thaw()

    async def gateway_dies(self) -> None:
        async with self.one_of(self.gateways) as gateway:
            gateway.kill()
            await self.a_while(1)
            await gateway.start()

    async def gateway_freezes(self) -> None:
        async with self.one_of(self.gateways) as gateway:
            gateway.signal(signal.SIGSTOP)
            await self.a_while(15)
            gateway.signal(signal.SIGCONT)

    async def power_fails(self) -> None:
        async with self.one_of(self.branches) as branch:
            if branch.life is not None:
                branch.life.kill()
            await self.a_while(2)

    async def atm_freezes(self) -> None:
        """As seen from the fleet, its line is cut without a word."""
        async with self.one_of(self.branches) as branch:
            if branch.life is not None:
                branch.life.stop()
                await self.a_while(15)
                branch.life.go_on()

    async def application_reads_nothing(self) -> None:
        branch, gateway = self.chance.choice(self.branches), self.chance.choice(self.gateways)
        ask = {"type": "command", "name": "Storage.GetStorage", "version": "2.1"}
        with (
            contextlib.suppress(OSError, AssertionError, EOFError, trio.BrokenResourceError),
            trio.move_on_after(5),
        ):
            async with raw_connection(gateway.uri(branch.name)) as connection:
                for number in range(1, 100_000):
                    await connection.send(frame(json.dumps({"header": ask | {"requestId": number}})))

    @contextlib.asynccontextmanager
    async def one_of(self, several: list[Any]) -> AsyncIterator[Any]:
        """One that nothing befalls just now; back as it was when the block is left."""
        one = self.chance.choice(several)
        while id(one) in self._busy:
            await trio.sleep(0.1)
            one = self.chance.choice(several)
        self._busy.add(id(one))
        try:
            yield one
        finally:
            self._busy.discard(id(one))

    async def a_while(self, most: float) -> None:
        await trio.sleep(self.chance.uniform(0, most))

    async def suffer(self, count: int) -> None:
        """So many faults, some of them at once."""
        room = trio.CapacityLimiter(3)

        async def befall(fault: Callable[[], Awaitable[None]]) -> None:
            async with room:
                await fault()
                self.befell[fault.__name__] += 1
                await self.a_while(1)

        async with trio.open_nursery() as nursery:
            for number in range(count):
                # Each kind in turn first, so that few are of every kind.
                known = self.faults
                fault = known[number] if number < len(known) else self.chance.choice(known)
                await trio.lowlevel.checkpoint()
                async with room:
                    pass
                nursery.start_soon(befall, fault)
                await self.a_while(1)


@pytest.mark.posix
@pytest.mark.parametrize(
    ("faults", "atms"), [(SHORT, 2), pytest.param(LONG, 4, marks=pytest.mark.long)], ids=["short", "long"]
)
async def test_whatever_of_a_fleet_fails_nothing_is_lost_or_paid_twice(
    faults: int, atms: int, tmp_path: Path, launcher: Launcher, cluster: list[Broker]
) -> None:
    fleet = Fleet(tmp_path, launcher, cluster, atms)
    try:
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as starting:
                for gateway in fleet.gateways:
                    starting.start_soon(gateway.start)
            async with trio.open_nursery() as working:
                for branch in fleet.branches:
                    await nursery.start(branch.live)
                    working.start_soon(branch.work)
                with trio.fail_after(PATIENCE):
                    for branch in fleet.branches:
                        await branch.there.wait()
                await fleet.suffer(faults)
                working.cancel_scope.cancel()
            async with trio.open_nursery() as settling:
                for branch in fleet.branches:
                    settling.start_soon(branch.settle)
            for branch in fleet.branches:
                branch.ended.set()
    finally:
        for gateway in fleet.gateways:
            gateway.kill()
    done = sum((branch.operator.done for branch in fleet.branches), Counter[str]())
    told = sum((branch.told for branch in fleet.branches), Counter[str]())
    print(f"\n{dict(fleet.befell)}\ndone: {dict(done)}\ntold: {dict(told)}")
    print("ways back:", [branch.visits for branch in fleet.branches])
    for branch in fleet.branches:
        assert_closed(branch.atm.ledger)
    assert done[DISPENSE] >= faults // 2
    assert done[PRESENT] >= faults // 4
