"""What telemetry takes of the commands a second of a whole service: on and off by turns, in one process.

    python benches/telemetry.py [--rounds N] [--seconds S]

The simulated ATM, plain text on the loopback interface, and the load generator of `compare.py`, each on a
core of its own. On is everything: /metrics, read once in each round, and traces and metrics over OTLP, to a
collector that throws them away. A round measures off and on one after the other; the median of the ratios
counts. Common.Status and Denominate are answered from what is known, GetMixTypes by its handler, and
GetStorage is larger.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import compare
from rich.console import Console
from rich.table import Table

BAR = 0.85
"""Commands a second with everything on, as a share of those with nothing."""
COMMANDS = {
    compare.STATUS: compare.COMMANDS[compare.STATUS],
    compare.DENOMINATE: compare.COMMANDS[compare.DENOMINATE],
    "GetMixTypes": compare.Command("CashDispenser.GetMixTypes", "2.0", "{}"),
    "GetStorage": compare.Command("Storage.GetStorage", "3.0", "{}"),
}
SCENARIOS = (compare.FLYING, compare.MANY)


def serve(collector: str) -> None:
    """The simulated ATM; each line of input switches its telemetry `on` or `off`."""
    import trio

    import xfs4iot
    from xfs4iot.cli.settings import TelemetrySettings
    from xfs4iot.cli.telemetry import telemetry
    from xfs4iot.simulator import atm
    from xfs4iot.transport.limits import Limits

    async def main() -> None:
        limits = Limits(total=20_000, per_address=20_000)
        services = atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
        publisher = xfs4iot.Publisher(services, port=0, limits=limits)
        with trio.socket.socket() as probe:
            await probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        wanted = TelemetrySettings(metrics=f"127.0.0.1:{port}", otlp=collector)
        async with trio.open_nursery() as nursery, telemetry(publisher, wanted):
            await nursery.start(publisher.serve)
            observer = publisher.endpoint.observer
            print(publisher.port, port, flush=True)
            while line := await trio.to_thread.run_sync(sys.stdin.readline):
                for service in (publisher.endpoint, *services):
                    service.observer = observer if line == "on\n" else None
                print("done", flush=True)
            nursery.cancel_scope.cancel()

    trio.run(main)


@contextlib.contextmanager
def collector() -> Iterator[str]:
    """A collector of OpenTelemetry that keeps nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Not of interest."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class Switched:
    """The service, whose telemetry can be switched."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._say, self._hear = process.stdin, process.stdout
        port, self._metrics = map(int, self._hear.readline().split())
        self.server = compare.Server(port, process.pid)

    def switch(self, how: str) -> None:
        """Switch telemetry `on` or `off`."""
        self._say.write(f"{how}\n")
        self._say.flush()
        self._hear.readline()

    def scrape(self) -> None:
        """Read /metrics, as a monitoring system does."""
        connection = HTTPConnection("127.0.0.1", self._metrics, timeout=10)
        connection.request("GET", "/metrics")
        connection.getresponse().read()
        connection.close()


@contextlib.contextmanager
def switched() -> Iterator[Switched]:
    """The service in a process of its own, on the first core."""
    core = min(os.sched_getaffinity(0))
    with collector() as address:
        process = subprocess.Popen(
            [sys.executable, __file__, "--serve", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=functools.partial(os.sched_setaffinity, 0, {core}),
        )
        try:
            yield Switched(process)
        finally:
            process.kill()
            process.communicate()


def measured(rounds: int, seconds: float) -> Iterator[tuple[str, str, list[float], list[float]]]:
    """Command, scenario, and in every round commands a second when off, and when on."""
    with switched() as service:
        for name, sent in COMMANDS.items():
            for scenario in SCENARIOS:
                connections, in_flight, _ = compare.SCENARIOS[scenario]
                rates: dict[str, list[float]] = {"off": [], "on": []}
                for number in range(rounds):
                    # Who comes first changes, as what is first is often slower.
                    for how in ("off", "on") if number % 2 else ("on", "off"):
                        service.switch(how)
                        if how == "on":
                            service.scrape()
                        done = compare.load(service.server, connections, in_flight, seconds, sent=sent)
                        rates[how].append(done["commands_per_second"])
                yield name, scenario, rates["off"], rates["on"]


def main(rounds: int, seconds: float) -> int:
    """Measure, tell, and 1 if telemetry takes more than it may."""
    try:
        importlib.import_module("xfs4iot.telemetry.traces")
    except ModuleNotFoundError as missing:
        sys.exit(f"{Path(__file__).name} needs {missing.name}; pip install '.[bench,telemetry]'")
    compare.build()
    table = Table("command", "", "off, commands/s", "on, commands/s", "on / off", "least to greatest")
    worse = False
    with Console(stderr=True).status("measuring"):
        for name, scenario, off, on in measured(rounds, seconds):
            ratios = [one / other for one, other in zip(on, off, strict=True)]
            ratio = statistics.median(ratios)
            worse |= ratio < BAR
            table.add_row(
                name,
                scenario,
                f"{statistics.median(off):,.0f}",
                f"{statistics.median(on):,.0f}",
                f"[{'red' if ratio < BAR else 'green'}]{ratio:.3f}[/]",
                f"{min(ratios):.2f} to {max(ratios):.2f}",
            )
    Console().print(table)
    if worse:
        print(f"with telemetry the service does less than {BAR:.0%} of what it does without")
    return int(worse)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--serve", metavar="COLLECTOR", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
    else:
        sys.exit(main(given.rounds, given.seconds))
