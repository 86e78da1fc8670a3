"""A fleet on one machine: what the way through gateway, broker and link costs, and a crowd of devices.

    python benches/fleet.py way   [--rounds 5] [--seconds 2]     # commands, beside straight to the device
    python benches/fleet.py crowd [--devices 5000] [--spread 5] [--tls]  # memory, and a broker that dies
    python benches/fleet.py parts [--rounds 5]                   # metrics of a gateway, events, last status
    python benches/fleet.py storm [--devices 100000] [--rate 1000]  # the same herd, simulated

Gateway, broker and devices are processes of their own, in plain text on loopback. `way` is a simulated
ATM asked for `Common.Status` by the compiled load generator, by turns straight and through the gateway. The
devices of `crowd` are light ones: a link, a publisher and one service that has nothing to move, a
thousand to a process. With `--tls` each has a certificate of its own, and a callout decides who comes in,
as `fleet init` configures it. `--json` prints what was measured.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import trio
from compare import LOAD, build
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scale import resident

import xfs4iot
from xfs4iot import client, devices
from xfs4iot.fleet.broker import Broker, free_port
from xfs4iot.fleet.deployment import deploy
from xfs4iot.fleet.events import EVENTS
from xfs4iot.fleet.keeping import Keeping
from xfs4iot.fleet.last import LAST, snapshot
from xfs4iot.fleet.names import DEVICE
from xfs4iot.fleet.nats import Login, Nats
from xfs4iot.fleet.opening import Authorities
from xfs4iot.fleet.store import ask_broker
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.fleet.uplink import Uplink, herd_wait
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.transport import tls
from xfs4iot.transport.certificates import test_authority as authority_in

_Measured = TypeVar("_Measured")
TENANT = "fleet"
TO_A_PROCESS = 1000
WAYS = ("straight", "gateway")
HOPS = ("device", "broker", "gateway")
LOADS = {"1 in flight": (1, 1), "32 in flight": (1, 32), "100 connections": (100, 1)}
WARM_UP = 0.3
"""Seconds for which the load generator works before it counts."""
PATIENCE = 600
SETTLING = 20
"""Seconds after which all has been told that follows from a new device."""
KEPT = 2000
"""Events that are kept, one after the other, and as often a status."""
ASKED = 300
"""Devices that are asked, one after the other, each by a session of its own."""


@contextlib.contextmanager
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Children that end with the block."""
    started: list[subprocess.Popen[str]] = []
    try:
        yield started
    finally:
        for one in reversed(started):
            one.kill()
            one.wait()


def start(started: list[subprocess.Popen[str]], *arguments: str) -> dict[str, Any]:
    """Start `xfs4iot`, and return what it says when it is ready."""
    one = subprocess.Popen(
        [sys.executable, "-m", "xfs4iot", *arguments, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    started.append(one)
    assert one.stdout is not None
    ready: dict[str, Any] = json.loads(one.stdout.readline())
    return ready


def load(uri: str, connections: int, in_flight: int, seconds: float) -> dict[str, float]:
    """What the generator has counted at a service."""
    place, _, path = uri.removeprefix("ws://").partition("/")
    host, _, port = place.partition(":")
    options = {
        "host": host, "port": port, "path": f"/{path}", "connections": connections, "in-flight": in_flight,
        "seconds": seconds,
    }  # fmt: skip
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    done = subprocess.run([LOAD, *arguments], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def processor_seconds(pid: int) -> float:
    """What a process has used of the processor (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_way(rounds: int, seconds: float, progress: Progress) -> dict[str, dict[str, Any]]:
    """Each load by turns on both ways; per round, so that what slows the machine slows both.

    With each load `processor_us` is what a command has cost in each process, which other work on the machine
    changes little.
    """
    found: dict[str, dict[str, Any]] = {name: {way: [] for way in WAYS} for name in LOADS}
    with tempfile.TemporaryDirectory(prefix="xfs4iot-fleet-") as directory, processes() as started:
        # Of its own accord a gateway lets one client send 1,000 messages in a second, and no more.
        unlimited = Path(directory, "gateway.toml")
        unlimited.write_text("[limits]\nmessages_per_second = 1e9\n", "utf-8")
        broker = Broker.at(Path(directory), port=free_port())
        trio.run(broker.start)
        try:
            listening = ("--broker", broker.url, "--port", "0", "--config", str(unlimited))
            gateway = start(started, "gateway", *listening)
            link = ("--uplink", broker.url, "--device", "atm1")
            atm = start(started, "simulate", "--plain", "--port", "0", "--seconds", "0", *link)
            uris = {
                "straight": atm["services"]["CashDispenser"],
                "gateway": gateway["gateway"].replace("DEVICE", "atm1/CashDispenser"),
            }
            trio.run(_until_there, uris["gateway"])
            assert broker.pid is not None
            hops = {"device": started[1].pid, "broker": broker.pid, "gateway": started[0].pid}
            task = progress.add_task("measuring", total=rounds * len(LOADS) * len(WAYS))
            for _ in range(rounds):
                for name, (connections, in_flight) in LOADS.items():
                    for way in WAYS:
                        before = {hop: processor_seconds(pid) for hop, pid in hops.items()}
                        one: dict[str, Any] = load(uris[way], connections, in_flight, seconds)
                        commands = one["commands_per_second"] * (seconds + WARM_UP)
                        one["processor_us"] = {
                            hop: 1e6 * (processor_seconds(pid) - before[hop]) / max(1.0, commands)
                            for hop, pid in hops.items()
                        }
                        found[name][way].append(one)
                        progress.advance(task)
        finally:
            broker.kill()
    return found


def measure_parts(rounds: int, seconds: float, progress: Progress) -> dict[str, Any]:
    """Two gateways by turns, one of which counts; then what is kept of a device, one after the other."""
    counted: dict[str, dict[str, list[Any]]] = {
        name: {"without": [], "with": []} for name in LOADS if name != "1 in flight"
    }
    with tempfile.TemporaryDirectory(prefix="xfs4iot-fleet-") as directory, processes() as started:
        unlimited = Path(directory, "gateway.toml")
        unlimited.write_text("[limits]\nmessages_per_second = 1e9\n", "utf-8")
        broker = Broker.at(Path(directory), port=free_port())
        trio.run(broker.start)
        try:
            uris, pids = {}, {}
            for which, more in (("without", ()), ("with", ("--metrics", f"127.0.0.1:{free_port()}"))):
                listening = ("--broker", broker.url, "--port", "0", "--config", str(unlimited))
                gateway = start(started, "gateway", *listening, *more)
                uris[which] = gateway["gateway"].replace("DEVICE", "atm1/CashDispenser")
                pids[which] = started[-1].pid
            link = ("--uplink", broker.url, "--device", "atm1")
            start(started, "simulate", "--plain", "--port", "0", "--seconds", "0", *link)
            for uri in uris.values():
                trio.run(_until_there, uri)
            task = progress.add_task("measuring", total=rounds * len(counted) * 2 + 2)
            for _ in range(rounds):
                for name, by in counted.items():
                    for which in by:
                        before = processor_seconds(pids[which])
                        one: dict[str, Any] = load(uris[which], *LOADS[name], seconds)
                        commands = one["commands_per_second"] * (seconds + WARM_UP)
                        one["us"] = 1e6 * (processor_seconds(pids[which]) - before) / commands
                        by[which].append(one)
                        progress.advance(task)
            found: dict[str, Any] = {}
            for name, by in counted.items():
                rate, p99, us = (
                    {which: statistics.median(get(one) for one in each) for which, each in by.items()}
                    for get in (
                        lambda one: one["commands_per_second"],
                        lambda one: one["latency_us"]["p99"] / 1000,
                        lambda one: one["us"],
                    )
                )
                found[f"metrics, {name}"] = {
                    "ratio of rates": round(rate["with"] / rate["without"], 3),
                    "p99 ms, without": round(p99["without"], 2),
                    "p99 ms, with": round(p99["with"], 2),
                    "more us of the gateway": round(us["with"] - us["without"], 2),
                }
            assert broker.pid is not None
            found |= trio.run(_measure_keeping, broker.url, broker.pid)
            return found
        finally:
            broker.kill()


async def _measure_keeping(url: str, pid: int) -> dict[str, Any]:
    """What it costs to keep events as a withdrawal makes them, and the last status of a simulated ATM."""
    found: dict[str, Any] = {}
    async with trio.open_nursery() as nursery:
        carrier = Nats((url,))
        await nursery.start(carrier.run)
        await carrier.until_connected()
        subjects = Subjects(TENANT)
        keeping = Keeping(carrier, subjects, "bench")
        services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
        status = snapshot(services, epoch=1, version="xfs4iot").encode()
        event = json.dumps(
            {
                "epoch": 7, "number": 123_456, "at": "2026-11-28T10:00:00.000Z", "service": "CashDispenser",
                "event": "Storage.CountsChangedEvent",
                "payload": {"C1": {"cash": {"out": {"presented": {"type20": {"fit": 2400}}}, "count": 1600}}},
            }
        ).encode()  # fmt: skip
        kept = (
            ("event", EVENTS.format(TENANT), subjects.event("bench", "Storage"), event),
            ("status", f"KV_{LAST.format(TENANT)}", f"$KV.{LAST.format(TENANT)}.bench", status),
        )
        for what, stream, subject, body in kept:
            before = (await ask_broker(carrier, f"STREAM.INFO.{stream}", None))["state"]
            own, theirs, began = time.process_time(), processor_seconds(pid), time.perf_counter()
            for _ in range(KEPT):
                await keeping.keep(subject, body)
            took = time.perf_counter() - began
            after = (await ask_broker(carrier, f"STREAM.INFO.{stream}", None))["state"]
            found[f"keeping, {what}"] = {
                "bytes of the body": len(body),
                "bytes in the broker": round(
                    (after["bytes"] - before["bytes"]) / (after["messages"] - before["messages"])
                ),
                "ms": round(1000 * took / KEPT, 2),
                "us of the device": round(1e6 * (time.process_time() - own) / KEPT),
                "us of the broker": round(1e6 * (processor_seconds(pid) - theirs) / KEPT),
            }
        nursery.cancel_scope.cancel()
    return found


async def _until_there(uri: str) -> None:
    with trio.fail_after(60):
        while True:
            with contextlib.suppress(client.CallError):
                async with client.connect(uri, plain=True):
                    return
            await trio.sleep(0.2)


def show_way(measured: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table(
        "load", "straight /s", "gateway /s", "ratio", "p50, ms", "p99, ms", "more at p99, ms", "processor, µs"
    )
    for name, ways in measured.items():
        rates = {way: [one["commands_per_second"] for one in ways[way]] for way in WAYS}
        ratio = statistics.median(
            through / straight for through, straight in zip(rates["gateway"], rates["straight"], strict=True)
        )
        p50, p99 = (
            {way: statistics.median(one["latency_us"][key] for one in ways[way]) / 1000 for way in WAYS}
            for key in ("median", "p99")
        )
        table.add_row(
            name,
            *(f"{statistics.median(rates[way]):,.0f}" for way in WAYS),
            f"{ratio:.2f}",
            f"{p50['straight']:.2f} / {p50['gateway']:.2f}",
            f"{p99['straight']:.2f} / {p99['gateway']:.2f}",
            f"{p99['gateway'] - p99['straight']:.2f}",
            _hops(ways),
        )
    console.print(table)


def _hops(ways: dict[str, Any]) -> str:
    """What a command costs straight, and in each process on the way through the gateway."""
    used = {
        way: {hop: statistics.median(one["processor_us"][hop] for one in ways[way]) for hop in HOPS}
        for way in WAYS
    }
    through = " + ".join(f"{hop} {used['gateway'][hop]:.0f}" for hop in HOPS)
    return f"{used['straight']['device']:.0f} / {through}"


@contextlib.contextmanager
def fleet_in(directory: Path, secured: bool) -> Iterator[tuple[Broker, Path | None]]:
    """A broker that is not started yet, and the directory of its fleet if it is spoken to over TLS."""
    if not secured:
        yield Broker.at(directory, port=free_port()), None
        return
    made = deploy(directory / "fleet", TENANT, ["127.0.0.1"], port=free_port())
    yield (
        Broker(directory, json.loads(made.nodes[0].read_text("utf-8")), made.servers[0]),
        directory / "fleet",
    )


def be_devices(broker: str, first: int, count: int, spread: float, keys: Path | None) -> None:
    """Be so many devices until killed; says each half second how many are connected and taken in.

    Args:
        keys: of the fleet's authority, which makes each a certificate; None speaks in plain text.
    """

    authorities = None if keys is None else Authorities(keys / "ca.pem")
    made = {}
    if keys is not None:
        authority = authority_in(keys)
        for number in range(first, first + count):
            made[f"atm{number}"] = authority.issue_client(f"atm{number}", [f"{DEVICE}atm{number}"])
    print(json.dumps({"connected": 0, "admitted": 0, "ready": count}), flush=True)

    def login(name: str) -> Login | None:
        if keys is None:
            return None
        certificate, key = made[name]
        return Login(lambda: tls.client_context(ca=keys / "ca.pem", certificate=certificate, key=key))

    async def one(number: int, ledger: xfs4iot.Ledger, links: list[tuple[Nats, Uplink]]) -> None:
        name = f"atm{number}"
        publisher = xfs4iot.Publisher(
            [xfs4iot.Service(devices.VendorMode("VendorMode"), ledger=ledger)], port=0
        )
        uplink: Uplink

        def wait(failures: int) -> float:
            return herd_wait(failures, uplink.spread, uplink.busy)

        carrier = Nats((broker,), login(name), name=name, wait=wait)
        uplink = Uplink(
            publisher, carrier, ledger.service(name), tenant=TENANT, device=name, authorities=authorities
        )
        uplink.spread = spread
        links.append((carrier, uplink))
        async with trio.open_nursery() as nursery:
            await nursery.start(publisher.serve)
            await nursery.start(carrier.run)
            await nursery.start(uplink.run)

    async def main() -> None:
        links: list[tuple[Nats, Uplink]] = []
        # Until told: making certificates takes longer than connecting.
        await trio.to_thread.run_sync(sys.stdin.readline)
        async with trio.open_nursery() as nursery:
            for number in range(first, first + count):
                nursery.start_soon(one, number, xfs4iot.Ledger.open(None), links)
            while True:
                connected = sum(carrier.connected for carrier, _ in links)
                admitted = sum(uplink.admitted.is_set() for _, uplink in links)
                print(json.dumps({"connected": connected, "admitted": admitted}), flush=True)
                await trio.sleep(0.5)

    trio.run(main)


class Crowd:
    """Processes of light devices, and what they say of themselves."""

    def __init__(self, broker: str, devices: int, spread: float, keys: Path | None) -> None:
        self.devices = devices
        self._said: dict[int, dict[str, int]] = {}
        self.workers = []
        for first in range(0, devices, TO_A_PROCESS):
            count = min(TO_A_PROCESS, devices - first)
            arguments = [
                "--broker",
                broker,
                "--first",
                str(first),
                "--devices",
                str(count),
                "--spread",
                str(spread),
            ]
            if keys is not None:
                arguments += ["--keys", str(keys)]
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, __file__, "devices", *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )

    def begin(self) -> None:
        """Let them come, when all are ready."""
        for worker in self.workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()

    async def listen(self) -> None:
        async def hear(number: int, worker: subprocess.Popen[str]) -> None:
            assert worker.stdout is not None
            while line := await trio.to_thread.run_sync(worker.stdout.readline, abandon_on_cancel=True):
                self._said[number] = json.loads(line)

        async with trio.open_nursery() as nursery:
            for number, worker in enumerate(self.workers):
                nursery.start_soon(hear, number, worker)

    def count(self, what: str) -> int:
        return sum(said.get(what, 0) for said in self._said.values())

    async def until(self, what: str, progress: Progress, title: str) -> tuple[float, float]:
        """Seconds until all are so, and the most that became so in one second."""
        task = progress.add_task(title, total=self.devices)
        began = trio.current_time()
        curve = [(0.0, self.count(what))]
        with trio.fail_after(PATIENCE):
            while (now := self.count(what)) < self.devices:
                progress.update(task, completed=now)
                await trio.sleep(0.25)
                curve.append((trio.current_time() - began, now))
        progress.update(task, completed=self.devices)
        peak = (
            max((later - earlier) for (at, earlier), (then, later) in zip(curve, curve[4:], strict=False))
            if len(curve) > 4
            else self.devices
        )
        return trio.current_time() - began, peak


async def measure_crowd(count: int, spread: float, secured: bool, progress: Progress) -> dict[str, Any]:
    """Admission, memory, a session to some, and the herd when the broker has died."""
    found: dict[str, Any] = {"devices": count, "spread": spread, "TLS": secured}
    with (
        tempfile.TemporaryDirectory(prefix="xfs4iot-fleet-") as directory,
        fleet_in(Path(directory), secured) as (broker, fleet),
        processes() as started,
    ):
        await broker.start()
        try:
            named = ("--broker", broker.url) if fleet is None else ("--fleet", str(fleet))
            pids: dict[str, int] = {}
            if fleet is not None:
                start(started, "fleet", *named, "callout", "--any-key")
                pids["callout"] = started[-1].pid
            gateway = start(started, "gateway", *named, "--port", "0", "--spread", str(spread))
            assert broker.pid is not None
            pids |= {"gateway": started[-1].pid, "broker": broker.pid}
            empty = {name: resident(pid) for name, pid in pids.items()}
            crowd = Crowd(broker.url, count, spread, None if fleet is None else fleet / "keys")
            started += crowd.workers

            def used() -> dict[str, float]:
                spent = {name: processor_seconds(pid) for name, pid in pids.items()}
                return spent | {"devices": sum(processor_seconds(one.pid) for one in crowd.workers)}

            def since(before: dict[str, float]) -> dict[str, float]:
                return {name: 1000 * (now - before[name]) / count for name, now in used().items()}

            async with trio.open_nursery() as nursery:
                nursery.start_soon(crowd.listen)
                await crowd.until("ready", progress, "making certificates")
                before = used()
                crowd.begin()
                found["taken in, s"], found["most in a second"] = await crowd.until(
                    "admitted", progress, "taking in"
                )
                found["taken in, processor ms a device"] = since(before)
                await trio.sleep(SETTLING)
                full = {name: resident(pid) for name, pid in pids.items()}
                found["KiB a device"] = {
                    name: (full[name] - empty[name]) / 1024 / count for name in empty
                } | {"device": sum(resident(one.pid) for one in crowd.workers) / 1024 / count}
                found["a session and an answer, ms"] = await _ask_some(gateway["gateway"], count, progress)
                broker.kill()
                await trio.sleep(2)
                await broker.start()
                assert broker.pid is not None
                pids["broker"] = broker.pid
                before = {**used(), "broker": 0.0}
                found["back after the broker, s"], found["most back in a second"] = await crowd.until(
                    "connected", progress, "coming back"
                )
                found["back, processor ms a device"] = since(before)
                # It comes back as they do, and perhaps behind them.
                began = trio.current_time()
                await _until_there(gateway["gateway"].replace("DEVICE", "atm0/VendorMode"))
                found["gateway back after them, s"] = trio.current_time() - began
                found["asked again, ms"] = await _ask_some(gateway["gateway"], count, progress)
                nursery.cancel_scope.cancel()
        finally:
            broker.kill()
    return found


async def _ask_some(uri: str, count: int, progress: Progress) -> dict[str, float]:
    """From nothing to an answer of `Common.Status`, at devices spread over all."""
    took: list[float] = []
    lost = 0
    for number in progress.track(range(0, count, max(1, count // ASKED)), description="asking some"):
        began = time.perf_counter()
        try:
            async with client.connect(
                uri.replace("DEVICE", f"atm{number}/VendorMode"), plain=True, version="2024-3"
            ) as device:
                await device.call("Common.Status")
        except client.CallError:
            # A device whose process had no turn for ten seconds: everything is on one machine.
            lost += 1
            continue
        took.append(1000 * (time.perf_counter() - began))
    if not took:
        raise click.ClickException(f"none of {lost} devices that were asked has answered")
    took.sort()
    return {"p50": statistics.median(took), "p99": took[int(len(took) * 0.99)], "lost": lost}


def simulate_storm(count: int, rate: int, busy: float, spread: float | None) -> dict[str, float]:
    """A whole fleet comes back at once to a broker that lets in so many in a second; the others try again.

    Waits are those of `xfs4iot.fleet.uplink.herd_wait`, as a device takes them.
    """
    spread = count / rate if spread is None else spread
    waiting = [(herd_wait(0, spread, number < count * busy), 1) for number in range(count)]
    attempts = [(at, tries, number) for number, (at, tries) in enumerate(waiting)]
    heapq.heapify(attempts)
    let_in: Counter[int] = Counter()
    tried: Counter[int] = Counter()
    back, tries_of_all = [], 0
    while attempts:
        at, tries, number = heapq.heappop(attempts)
        second = int(at)
        tried[second] += 1
        if let_in[second] < rate:
            let_in[second] += 1
            back.append(at)
            tries_of_all += tries
        else:
            again = at + herd_wait(tries, spread, number < count * busy)
            heapq.heappush(attempts, (again, tries + 1, number))
    return {
        "devices": count,
        "let in a second": rate,
        "spread": spread,
        "99 % back, s": back[int(count * 0.99) - 1],
        "all back, s": back[-1],
        "tries of each": tries_of_all / count,
        "most tries in a second": max(tried.values()),
    }


def show_parts(measured: dict[str, Any], console: Console) -> None:
    for name, value in measured.items():
        console.print(f"{name}: {value}")


def _of_loads(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that measures loads in rounds."""
    for option in (
        click.option("--json", "as_json", is_flag=True),
        click.option("--seconds", default=2.0, show_default=True, help="Of each load."),
        click.option("--rounds", default=5, show_default=True),
    ):
        command = option(command)
    return command


def _measure(
    measure: Callable[[int, float, Progress], _Measured],
    rounds: int,
    seconds: float,
    show: Callable[[_Measured, Console], None],
    as_json: bool,
) -> None:
    console = Console(stderr=as_json)
    with console.status("building the load generator"):
        build()
    with Progress(console=console) as progress:
        measured = measure(rounds, seconds, progress)
    if as_json:
        click.echo(json.dumps(measured))
    else:
        show(measured, console)


@click.group()
def main() -> None:
    """Measure a fleet on this machine."""


@main.command()
@_of_loads
def way(rounds: int, seconds: float, as_json: bool) -> None:
    """Commands through gateway, broker and link, beside straight to the device."""
    _measure(measure_way, rounds, seconds, show_way, as_json)


@main.command()
@_of_loads
def parts(rounds: int, seconds: float, as_json: bool) -> None:
    """What a gateway's metrics cost, an event, and a device's last status."""
    _measure(measure_parts, rounds, seconds, show_parts, as_json)


@main.command()
@click.option("--devices", "count", default=5000, show_default=True)
@click.option("--spread", default=5.0, show_default=True, help="Seconds over which they come.")
@click.option("--tls", "secured", is_flag=True, help="Each by a certificate of its own.")
@click.option("--json", "as_json", is_flag=True)
def crowd(count: int, spread: float, secured: bool, as_json: bool) -> None:
    """Light devices: how they are taken in, what they cost, and how they come back."""
    console = Console(stderr=as_json)
    with Progress(console=console) as progress:
        measured = trio.run(measure_crowd, count, spread, secured, progress)
    if as_json:
        click.echo(json.dumps(measured))
    else:
        for name, value in measured.items():
            shown = (
                {key: round(one, 2) for key, one in value.items()}
                if isinstance(value, dict)
                else round(value, 2)
            )
            console.print(f"{name}: {shown}")


@main.command()
@click.option("--devices", "count", default=100_000, show_default=True)
@click.option("--rate", default=1000, show_default=True, help="Devices that the brokers let in in a second.")
@click.option("--busy", default=0.02, show_default=True, help="Share that has applications waiting.")
@click.option("--spread", type=float, help="Told to the devices; default: devices / rate.")
@click.option("--json", "as_json", is_flag=True)
def storm(count: int, rate: int, busy: float, spread: float | None, as_json: bool) -> None:
    """Simulate how a fleet comes back that is too large for this machine."""
    measured = simulate_storm(count, rate, busy, spread)
    click.echo(json.dumps(measured) if as_json else "\n".join(f"{k}: {v:,.1f}" for k, v in measured.items()))


@main.command("devices", hidden=True)
@click.option("--broker", required=True)
@click.option("--first", type=int, required=True)
@click.option("--devices", "count", type=int, required=True)
@click.option("--spread", type=float, required=True)
@click.option("--keys", type=click.Path(exists=True, path_type=Path))
def devices_command(broker: str, first: int, count: int, spread: float, keys: Path | None) -> None:
    """Be some of a crowd's devices."""
    be_devices(broker, first, count, spread, keys)


if __name__ == "__main__":
    main()
