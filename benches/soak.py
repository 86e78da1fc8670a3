"""Mixed traffic with faults for a long time: memory, files and tasks stay flat, money stays whole.

    python benches/soak.py [--minutes 60] [--json]

One simulated ATM behind TLS, its ledger and its physical state on disk, in a process of its
own. Customers of three versions withdraw, and help themselves out of what goes wrong; a
refiller exchanges the units; the device jams, raises, does not return; others send what is no
message, violate WebSocket, never read what they asked for, hang up anywhere. Memory, files and
tasks of the service are sampled. After a warm-up of a tenth nothing may grow, and at the end
every count must be what is physically there; else the exit code is 1.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import trio
from peers import opening
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scale import descriptors, resident

from xfs4iot import client
from xfs4iot.cli import logs
from xfs4iot.cli.hosting import simulated_atm
from xfs4iot.protocol.versions import SPECIFICATIONS
from xfs4iot.transport import tls

AMOUNTS = (20, 50, 70, 230, 480)
FAULTS = ("jam", "breaks", "rejects", "shutterJammed", "incompleteRetract", "doesNotAnswer", "itemsTaken")
UNITS = {"unit1": "typeEUR10", "unit2": "typeEUR20", "unit3": "typeEUR50", "unit4": "typeEUR100"}
REJECTS = "unit5"
LOADED = 1000
HUNG_SECONDS = 2.0
"""After which an operation of the device counts as hung here."""
MEMORY, FILES, TASKS = 1.10, 12, 25
"""What the last quarter may hold: memory as a factor of the second quarter's, files and tasks beyond it."""
HOSTILE = (
    b"\x81\x05hello",
    b"\xc1\x80\0\0\0\0",
    b"\x83\x80\0\0\0\0",
    b"\x82\x81\0\0\0\0x",
    b"\x81\x82\0\0\0\0\xff\xfe",
    b"\x81\xff\0\0\xff\xff\0\0\0\0\0\0\0\0",
    b"\x89\xfe\0\x7e\0\0\0\0",
    b"\x88\x82\0\0\0\0\x03\xed",
    b"\x01\x82\0\0\0\0{}\x81\x80\0\0\0\0",
)
"""Violations of WebSocket."""
NONSENSE = (
    b"",
    b"hello",
    b'{"header":{"type":"command"',
    b'{"header":{"type":"command","name":"Common.Status","requestId":0}}',
    b'{"header":{"type":"command","name":"No.Thing","requestId":7,"version":"1.0"},"payload":{}}',
    b'{"payload":' + b"[" * 100,
)
"""Texts that are refused."""


def framed(text: bytes) -> bytes:
    """A text frame, masked with zeros."""
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


class Soak:
    """The traffic.

    Attributes:
        counted: what happened, how often.
    """

    def __init__(self, services: dict[str, str], ca: str) -> None:
        self.services = services
        self.ca = ca
        self.counted: Counter[str] = Counter()
        self._context = tls.client_context(ca=Path(ca))

    async def call(self, service: client.Client, command: str, payload: Any = None) -> dict[str, Any] | None:
        """Call and count; a failure is part of the traffic."""
        try:
            answer: dict[str, Any] = await service.call(command, payload, timeout=10)
        except client.CommandFailed as failed:
            self.counted[f"failed {failed.completion_code}"] += 1
            return None
        self.counted["succeeded"] += 1
        return answer

    def connect(self, name: str, **more: Any) -> Any:
        """A client of one service."""
        return client.connect(self.services[name], ca=self.ca, **more)

    async def forever(self, what: Any, *arguments: Any) -> None:
        """Do it again whenever the connection ends."""
        while True:
            try:
                await what(*arguments)
            except (client.CallError, trio.BrokenResourceError, tls.TLSError, OSError, EOFError):
                self.counted["connections lost"] += 1
            await trio.sleep(0.01)

    async def customer(self, version: str) -> None:
        """Withdraws a few times, and goes."""
        async with (
            self.connect("CashDispenser", version=version) as dispenser,
            self.connect("Simulator") as simulator,
        ):
            for _ in range(random.randint(1, 20)):
                await self.withdraw(dispenser, simulator)

    async def withdraw(self, dispenser: client.Client, simulator: client.Client) -> None:
        """One withdrawal, with what it takes to get the device going again."""
        await self.call(dispenser, "Common.Status")
        service = {"currencies": {"EUR": random.choice(AMOUNTS)}, "mix": "mix1"}
        request = {"denomination": {"denomination": {"service": service}}}
        if await self.call(dispenser, "CashDispenser.Dispense", request) is not None:
            if random.random() < 0.1:
                await self.call(dispenser, "CashDispenser.Reject")
            elif await self.call(dispenser, "CashDispenser.Present", {}) is not None:
                self.counted["presented"] += 1
                taken = random.random() < 0.9
                await self.call(
                    *(
                        (simulator, "Simulator.TakeItems")
                        if taken
                        else (dispenser, "CashManagement.Retract", {})
                    )
                )
        else:
            await self.call(simulator, "Simulator.ClearFaults")
            await self.call(dispenser, "CashManagement.Reset", {})
        await self.call(dispenser, "Storage.GetStorage")

    async def bad_luck(self) -> None:
        """Something fails every now and then."""
        async with self.connect("Simulator") as simulator:
            while True:
                await trio.sleep(random.uniform(0.2, 2))
                await self.call(simulator, "Simulator.Inject", {"fault": random.choice(FAULTS)})

    async def refiller(self) -> None:
        """Exchanges all units, once in a while."""
        async with self.connect("Simulator") as simulator, self.connect("CashDispenser") as dispenser:
            while True:
                if await self.call(dispenser, "Storage.StartExchange", {}) is not None:
                    for unit in (*UNITS, REJECTS):
                        await self.call(simulator, "Simulator.EmptyUnit", {"unit": unit})
                        if unit in UNITS:
                            await self.call(simulator, "Simulator.FillUnit", {"unit": unit, "count": LOADED})
                    filled = {
                        unit: {"cash": {"status": {"initial": {item: {"fit": LOADED}}}}}
                        for unit, item in UNITS.items()
                    }
                    filled[REJECTS] = {"cash": {"status": {"initial": {"unrecognized": 0}}}}
                    await self.call(dispenser, "Storage.SetStorage", {"storage": filled})
                    await self.call(dispenser, "Storage.EndExchange", {})
                    self.counted["exchanges"] += 1
                await trio.sleep(random.uniform(5, 15))

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[tls.TLSStream]:
        """A WebSocket connection without a client on it."""
        parts = urlsplit(self.services["CashDispenser"])
        assert parts.port is not None
        async with await trio.open_tcp_stream("127.0.0.1", parts.port) as carrier:
            stream = tls.TLSStream(carrier, self._context, server_side=False, server_hostname="localhost")
            await stream.do_handshake()
            await stream.send_all(opening(parts.path))
            if b" 101 " not in bytes(await stream.receive_some()):
                raise EOFError
            yield stream

    async def violator(self) -> None:
        """Sends nonsense, which is refused, then breaks WebSocket, which closes."""
        async with self.raw() as stream:
            for _ in range(random.randint(0, 5)):
                await stream.send_all(framed(random.choice(NONSENSE)))
                await stream.receive_some()
            await stream.send_all(random.choice(HOSTILE))
            with trio.move_on_after(5):
                while b"\x88" not in bytes(await stream.receive_some()):
                    pass
            self.counted["violations"] += 1
        await trio.sleep(random.uniform(0.05, 0.5))

    async def deaf(self) -> None:
        """Asks for a lot and never reads, until it is cut off or tired of it."""
        asked = '{"header":{"name":"Common.Capabilities","requestId":%d,"type":"command","version":"2.0"}}'
        async with self.raw() as stream:
            with trio.move_on_after(random.uniform(5, 45)):
                for number in itertools.count(1):
                    await stream.send_all(framed((asked % number).encode()))
        self.counted["deaf"] += 1

    async def garbage(self) -> None:
        """Bytes that are nothing at all, and a hang-up."""
        parts = urlsplit(self.services["CashDispenser"])
        assert parts.port is not None
        async with await trio.open_tcp_stream("127.0.0.1", parts.port) as stream:
            await stream.send_all(random.randbytes(random.randint(1, 600)))
        self.counted["garbage"] += 1
        await trio.sleep(random.uniform(0.01, 0.2))

    async def settle(self) -> dict[str, str]:
        """Clear every fault, then compare each unit's counts with what is in it; returns what differs."""
        async with self.connect("Simulator") as simulator, self.connect("CashDispenser") as dispenser:
            for _ in range(3):
                await self.call(simulator, "Simulator.ClearFaults")
                await self.call(dispenser, "CashManagement.Reset", {})
            places = (await simulator.call("Simulator.GetTruth"))["places"]
            storage = (await dispenser.call("Storage.GetStorage"))["storage"]
        differ = {}
        for unit, found in storage.items():
            status = found["cash"]["status"]
            booked, there = held(status), sum(places.get(unit, {}).values())
            if booked != there and status.get("accuracy") != "inaccurate":
                differ[unit] = f"{booked} booked, {there} there"
        return differ


def held(status: dict[str, Any]) -> int:
    """What a unit holds by its counts."""

    def items(counts: Any) -> int:
        return sum(one if isinstance(one, int) else sum(one.values()) for one in (counts or {}).values())

    out = sum(items(counts) for counts in (status.get("out") or {}).values())
    came = sum(items(counts) for counts in (status.get("in") or {}).values() if isinstance(counts, dict))
    return items(status.get("initial")) - out + came


async def traffic(ready: dict[str, Any], pid: int, seconds: float, tasks: Path) -> dict[str, Any]:
    """Everything at once, for so long."""
    soak = Soak(ready["services"], ready["ca"])
    samples: list[dict[str, float]] = []
    console = Console(stderr=True)
    with Progress(console=console) as progress:
        bar = progress.add_task("soak", total=seconds)
        async with trio.open_nursery() as nursery:
            for version in SPECIFICATIONS:
                for _ in range(2):
                    nursery.start_soon(soak.forever, soak.customer, version)
            for what in (soak.bad_luck, soak.refiller, soak.violator, soak.deaf, soak.garbage):
                nursery.start_soon(soak.forever, what)
            began = time.monotonic()
            told = 0.0
            while (elapsed := time.monotonic() - began) < seconds:
                await trio.sleep(min(10.0, seconds / 40))
                samples.append(
                    {
                        "seconds": round(elapsed, 1),
                        "memory": resident(pid),
                        "files": descriptors(pid),
                        "tasks": written(tasks),
                    }
                )
                now = samples[-1]
                text = f"{soak.counted['succeeded']} done, {now['memory'] / 2**20:.1f} MiB, "
                text += f"{now['files']} files, {now['tasks']} tasks"
                progress.update(bar, completed=elapsed, description=text)
                if not console.is_terminal and elapsed - told >= 60:
                    told = elapsed
                    console.print(f"{elapsed / 60:6.1f} min: {text}", highlight=False)
            nursery.cancel_scope.cancel()
        differ = await soak.settle()
    return {"counted": dict(soak.counted), "samples": samples, "counts_differ": differ}


def written(file: Path) -> int:
    """The number in a file that is written again and again."""
    return int(file.read_text() or 0)


async def host(directory: Path) -> None:
    """The service's side: a simulated ATM that writes down how many tasks it has."""
    tasks = directory / "tasks"
    async with simulated_atm(directory / "state", port=0, seconds=0) as atm:
        dispenser = atm.publisher.services["CashDispenser"]
        dispenser.operations.limit = HUNG_SECONDS
        services = {name: atm.publisher.uri(name) for name in atm.publisher.services}
        tasks.write_text("0")
        click.echo(json.dumps({"ca": str(atm.ca), "services": services}))
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:

                async def count() -> None:
                    while True:
                        await trio.sleep(1)
                        tasks.write_text(str(trio.lowlevel.current_statistics().tasks_living))

                nursery.start_soon(count)
                await anext(signals)
                nursery.cancel_scope.cancel()


def verdict(samples: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of the second and the last quarter, after the warm-up, and what has grown."""
    steady = samples[len(samples) // 10 :]
    early, late = steady[len(steady) // 4 : len(steady) // 2], steady[-max(1, len(steady) // 4) :]
    figures = {}
    for name in ("memory", "files", "tasks"):
        before = statistics.median(sample[name] for sample in early)
        figures[name] = (before, statistics.median(sample[name] for sample in late))
    grown = []
    if figures["memory"][1] > figures["memory"][0] * MEMORY:
        grown.append("memory")
    for name, more in (("files", FILES), ("tasks", TASKS)):
        if figures[name][1] > figures[name][0] + more:
            grown.append(name)
    return {"second and last quarter": figures, "grown": grown}


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--host", "directory", type=click.Path(path_type=Path), hidden=True)
def main(minutes: float, as_json: bool, directory: Path | None) -> None:
    """Soak one simulated ATM and print how it held."""
    if directory is not None:
        logs.configure("json", "warning")
        trio.run(host, directory)
        return
    with tempfile.TemporaryDirectory() as kept:
        place = Path(kept)
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, __file__, "--host", kept], stdout=subprocess.PIPE, stderr=log, text=True
            )
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            result = trio.run(traffic, ready, process.pid, minutes * 60, place / "tasks")
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
        failures = [
            line
            for line in (place / "log").read_text("utf-8", "replace").splitlines()
            if '"internalError' in line
        ]
        sizes = {one.name: one.stat().st_size for one in (place / "state").iterdir() if one.is_file()}
    result |= verdict(result["samples"])
    result |= {"exit": process.returncode, "internal errors": failures[:5], "bytes on disk": sizes}
    good = not (result["grown"] or result["counts_differ"] or failures or process.returncode)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        show(result, minutes)
    sys.exit(0 if good else 1)


def show(result: dict[str, Any], minutes: float) -> None:
    """The figures, for people."""
    console = Console()
    table = Table("", "second quarter", "last quarter", title=f"{minutes:g} minutes")
    for name, (before, after) in result["second and last quarter"].items():
        scale = 2**20 if name == "memory" else 1
        table.add_row(f"{name}{', MiB' * (scale > 1)}", f"{before / scale:.1f}", f"{after / scale:.1f}")
    console.print(table)
    happened = Table("what happened", "times")
    for name, count in sorted(result["counted"].items()):
        happened.add_row(name, str(count))
    console.print(happened)
    for name in ("grown", "counts_differ", "internal errors", "exit", "bytes on disk"):
        console.print(f"{name}: {result[name] or 'none'}", highlight=False)


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "110")
    main()
