"""Mixed traffic with faults for a long time: memory and descriptors stay flat, money stays whole.

    python benches/soak.py [--seconds 3600] [--json]

One simulated ATM behind TLS, its ledger and state on disk, in a process of its own. Clients of
three versions withdraw, ask and exchange; the simulator jams, breaks and empties; hostile clients
send what is no message. Every minute the service's memory and descriptors are taken; at the
end the counts are compared with the simulator's truth.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import trio
from rich.console import Console
from rich.progress import Progress
from scale import descriptors, resident

from xfs4iot import client
from xfs4iot.protocol.versions import SPECIFICATIONS

AMOUNTS = (20, 50, 70, 230, 480)


class Soak:
    """The traffic.

    Attributes:
        done: commands that succeeded; failed: that completed otherwise; lost: connections that ended.
    """

    def __init__(self, services: dict[str, str], ca: str) -> None:
        self.services = services
        self.ca = ca
        self.done = 0
        self.failed = 0
        self.lost = 0

    async def call(self, service: client.Client, command: str, payload: Any = None) -> dict[str, Any]:
        """Call and count; a failure is part of the traffic."""
        try:
            answer: dict[str, Any] = await service.call(command, payload, timeout=10)
        except client.CommandFailed:
            self.failed += 1
            return {}
        self.done += 1
        return answer

    async def customer(self, version: str) -> None:
        """Withdraws, again and again, and helps himself out of what goes wrong."""
        while True:
            try:
                async with (
                    client.connect(self.services["CashDispenser"], ca=self.ca, version=version) as dispenser,
                    client.connect(self.services["Simulator"], ca=self.ca) as simulator,
                ):
                    for _ in range(random.randint(1, 20)):
                        await self.withdraw(dispenser, simulator)
            except client.CallError:
                self.lost += 1

    async def withdraw(self, dispenser: client.Client, simulator: client.Client) -> None:
        await self.call(dispenser, "Common.Status")
        service = {"currencies": {"EUR": random.choice(AMOUNTS)}, "mix": "mix1"}
        request = {"denomination": {"denomination": {"service": service}}}
        if await self.call(dispenser, "CashDispenser.Dispense", request):
            if random.random() < 0.1:
                await self.call(dispenser, "CashDispenser.Reject")
            elif await self.call(dispenser, "CashDispenser.Present", {}):
                await self.call(simulator, "Simulator.TakeItems")
        else:
            await self.call(simulator, "Simulator.ClearFaults")
            await self.call(dispenser, "CashManagement.Reset", {})
        await self.call(dispenser, "Storage.GetStorage")

    async def bad_luck(self) -> None:
        """Something fails every now and then, and somebody refills."""
        async with (
            client.connect(self.services["Simulator"], ca=self.ca) as simulator,
            client.connect(self.services["CashDispenser"], ca=self.ca) as dispenser,
        ):
            while True:
                await trio.sleep(random.uniform(0.2, 2))
                fault = random.choice(["jam", "breaks", "rejects", "shutterJammed", "incompleteRetract"])
                await self.call(simulator, "Simulator.Inject", {"fault": fault})
                if (
                    random.random() < 0.2
                    and await self.call(dispenser, "Storage.StartExchange", {}) is not None
                ):
                    for unit in ("unit1", "unit2", "unit3", "unit4"):
                        await self.call(simulator, "Simulator.FillUnit", {"unit": unit, "count": 0})
                    await self.call(dispenser, "Storage.EndExchange", {})

    async def nuisance(self) -> None:
        """Sends garbage and hangs up."""
        host, port = self.services["CashDispenser"].split("/")[2].split(":")
        while True:
            await trio.sleep(random.uniform(0.01, 0.2))
            try:
                async with await trio.open_tcp_stream(host, int(port)) as stream:
                    await stream.send_all(random.randbytes(random.randint(1, 600)))
            except (OSError, trio.BrokenResourceError):
                pass


async def _run(ready: dict[str, Any], pid: int, seconds: float) -> dict[str, Any]:
    soak = Soak(ready["services"], ready["ca"])
    samples: list[dict[str, float]] = []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("soak", total=seconds)
        async with trio.open_nursery() as nursery:
            for version in SPECIFICATIONS:
                nursery.start_soon(soak.customer, version)
            nursery.start_soon(soak.bad_luck)
            nursery.start_soon(soak.nuisance)
            began = time.monotonic()
            while (elapsed := time.monotonic() - began) < seconds:
                await trio.sleep(min(60.0, seconds / 10))
                samples.append({"seconds": elapsed, "memory": resident(pid), "descriptors": descriptors(pid)})
                progress.update(
                    task, completed=elapsed, description=f"{soak.done} done, {soak.failed} failed"
                )
            nursery.cancel_scope.cancel()
    return {"done": soak.done, "failed": soak.failed, "lost": soak.lost, "samples": samples}


@click.command()
@click.option("--seconds", default=3600.0, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(seconds: float, as_json: bool) -> None:
    """Soak one simulated ATM and print how it held."""
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "xfs4iot", "simulate", "--json", "--seconds", "0"]
        process = subprocess.Popen(
            [*command, "--port", "0", "--state", state], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            result = trio.run(_run, ready, process.pid, seconds)
        finally:
            process.terminate()
            result_code = process.wait(30)
        journal = (Path(state) / "ledger.sqlite").stat().st_size
    result |= {"exit": result_code, "ledger_bytes": journal}
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    for sample in result.pop("samples"):
        click.echo(
            f"{sample['seconds']:8.0f} s  {sample['memory'] / 2**20:7.1f} MiB  {sample['descriptors']} files"
        )
    for name, value in result.items():
        click.echo(f"{name:14} {value}")


if __name__ == "__main__":
    main()
