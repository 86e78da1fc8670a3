"""Many clients for a long time: they come, go, stall and vanish, and nothing is left of them.

    python benches/scale.py [--connections 2000] [--seconds 300] [--json]

One service behind TLS, in a process of its own. Most clients are idle and ask now and then;
some never read what they asked for, some break off in the middle of a message or of a
handshake, and all leave after a while and are replaced. Reported: the service's memory and
file descriptors, how long a client beside the crowd waits for an answer, before, during and
after, and how long each of the crowd waits, of whom the last must not wait much longer than
the first. There are two crowds, one after the other: what an allocator keeps for the next one
is no leak, what the second adds would be.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import trio
from peers import PATH, opening
from rich.console import Console
from rich.progress import Progress

from xfs4iot import client
from xfs4iot.transport import tls
from xfs4iot.transport.certificates import test_authority

CROWDS = 2
HERE = Path(__file__).parent
MASKED_STATUS = b'{"header":{"name":"Common.Status","requestId":%d,"type":"command","version":"3.0"}}'


def resident(pid: int) -> int:
    """Resident memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    """Open file descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def _frame(text: bytes) -> bytes:
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


class Crowd:
    """The clients."""

    def __init__(self, port: int, ca: Path, connections: int) -> None:
        self.port = port
        self.connections = connections
        self.context = tls.client_context(ca=ca)
        self.open = 0
        self.most = 0
        self.waits: list[float] = []
        self.failed = 0
        self._handshakes = trio.CapacityLimiter(20)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(self.connections):
                nursery.start_soon(self._replace)

    async def _replace(self) -> None:
        """One place in the crowd: a client comes, behaves as it pleases, and is replaced."""
        while True:
            await trio.sleep(random.uniform(0, 5))
            try:
                await self._client()
            except (trio.BrokenResourceError, tls.TLSError, OSError, EOFError):
                self.failed += 1

    async def _client(self) -> None:
        kind = random.choices(["polite", "never reads", "vanishes", "half a handshake"], [90, 2, 5, 3])[0]
        async with self._handshakes:
            raw = await trio.open_tcp_stream("127.0.0.1", self.port)
            try:
                if kind == "half a handshake":
                    await raw.send_all(b"\x16\x03\x01\x02\x00\x01")
                    await trio.sleep(random.uniform(0, 3))
                    return
                stream = tls.TLSStream(raw, self.context, server_side=False, server_hostname="localhost")
                await stream.do_handshake()
                await stream.send_all(opening())
                answer = bytes(await stream.receive_some())
                if b" 101 " not in answer:
                    raise EOFError
            except BaseException:
                await trio.aclose_forcefully(raw)
                raise
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            for number in range(1, random.randint(2, 12)):
                await trio.sleep(random.uniform(1, 10))
                asked = time.perf_counter()
                await stream.send_all(_frame(MASKED_STATUS % number))
                if kind == "vanishes" and number > 1:
                    await raw.send_all(b"\x17\x03\x03\x40")
                    return
                if kind != "never reads":
                    with trio.fail_after(60):
                        await stream.receive_some()
                    self.waits.append(time.perf_counter() - asked)
        except trio.TooSlowError:
            raise EOFError from None
        finally:
            self.open -= 1
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(raw)


def quantile(values: list[float], part: float) -> float:
    """The value below which that part of them lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


async def _latency(uri: str, ca: Path, samples: int) -> float:
    """Median latency of a polite client, in seconds."""
    taken = []
    async with client.connect(uri, ca=ca) as service:
        for _ in range(samples):
            began = time.perf_counter()
            await service.call("Common.Status")
            taken.append(time.perf_counter() - began)
            await trio.sleep(0.02)
    return statistics.median(taken)


async def _measure(port: int, pid: int, ca: Path, connections: int, seconds: float) -> dict[str, object]:
    uri = f"wss://localhost:{port}{PATH}"
    await _latency(uri, ca, 20)
    result: dict[str, object] = {"latency_before": await _latency(uri, ca, 50)}
    result["memory_before"], result["descriptors_before"] = resident(pid), descriptors(pid)
    crowd = Crowd(port, ca, connections)
    during: list[float] = []
    peaks, left = [], []
    with Progress(console=Console(stderr=True)) as progress:
        for number in range(1, CROWDS + 1):
            task = progress.add_task("crowd", total=seconds / CROWDS)
            peaks.append(0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(crowd.run)
                began = trio.current_time()
                while (elapsed := trio.current_time() - began) < seconds / CROWDS:
                    during.append(await _latency(uri, ca, 20))
                    peaks[-1] = max(peaks[-1], resident(pid))
                    text = f"crowd {number}: {crowd.open} open, {len(crowd.waits)} answers"
                    progress.update(task, completed=elapsed, description=text)
                    await trio.sleep(1)
                nursery.cancel_scope.cancel()
            await trio.sleep(5)
            left.append(resident(pid))
    result |= {
        "open_at_most": crowd.most,
        "answers": len(crowd.waits),
        "failed": crowd.failed,
        "crowd_waits": {f"p{part}": quantile(crowd.waits, part / 100) for part in (50, 90, 99, 100)},
        "latency_during": statistics.median(during),
        "memory_peaks": peaks,
        "memory_left": left,
        "descriptors_after": descriptors(pid),
        "latency_after": await _latency(uri, ca, 50),
    }
    return result


@click.command()
@click.option("--connections", default=2000, show_default=True)
@click.option("--seconds", default=300.0, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(connections: int, seconds: float, as_json: bool) -> None:
    """Run the crowd and print what the service felt of it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * connections + 500)), hard))
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        authority = test_authority(Path(directory))
        certificate, key = authority.issue_device("scale", ["localhost", "127.0.0.1"])
        nothing = Path(directory) / "replies.json"
        nothing.write_text("[]")
        process = subprocess.Popen(
            [sys.executable, str(HERE / "peers.py"), "ours", str(nothing), str(certificate), str(key)],
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        result = trio.run(_measure, port, process.pid, authority.certificate_file, connections, seconds)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    for name, value in result.items():
        click.echo(f"{name:20} {value}")


if __name__ == "__main__":
    main()
