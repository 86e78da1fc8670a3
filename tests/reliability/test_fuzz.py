"""Mutated traffic for every command of every version: no crash, no hang, no leak, and answers afterwards.

The short form runs always; `--long` sends ten million messages to a service in a process of
its own (`XFS4IOT_FUZZ` says how many).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from frames import CLOSE, RawConnection, frame, raw_connection
from traffic import Traffic

SHORT, LONG = 6_000, 10_000_000
BATCH = 50
PATIENCE = 120
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
VERSIONS = ("2021-1", "2023-2", "2024-3")
ACKNOWLEDGE = b'"type":"acknowledge"'


class Answers:
    """Counts the acknowledges that come back on one connection."""

    def __init__(self, connection: RawConnection) -> None:
        self.acknowledged = 0
        self.closed = False
        self._stream = connection.stream
        self._came = trio.Event()

    async def read(self) -> None:
        rest = b""
        try:
            while not self.closed and (data := await self._stream.receive_some()):
                rest = self._count(rest + data)
                self._came.set()
        except trio.BrokenResourceError:
            pass
        self.closed = True
        self._came.set()

    def _count(self, data: bytes) -> bytes:
        """Look at the whole frames of `data`; returns what is left."""
        at = 0
        while len(data) - at >= 2:
            start, size = at + 2, data[at + 1]
            if size >= 126:
                start += 2 if size == 126 else 8
                size = int.from_bytes(data[at + 2 : start], "big")
            if len(data) < start + size:
                break
            self.closed |= data[at] & 0x0F == CLOSE
            self.acknowledged += data.find(ACKNOWLEDGE, start, start + size) >= 0
            at = start + size
        return data[at:]

    async def until(self, count: int) -> None:
        """Wait for `count` acknowledges, or the end of the connection."""
        with trio.fail_after(PATIENCE):
            while self.acknowledged < count and not self.closed:
                self._came = trio.Event()
                await self._came.wait()


async def bombard(uri: str, traffic: Traffic, count: int, served: frozenset[str] = frozenset()) -> None:
    """Send mutated messages of every command, each acknowledged, over connections made anew when closed.

    Args:
        served: commands that take every second message, beside their turn among all.
    """
    names = list(traffic.commands)
    often = [name for name in names if name in served] or names
    sent = 0
    while sent < count:
        async with raw_connection(uri) as connection, trio.open_nursery() as both:
            answers = Answers(connection)
            both.start_soon(answers.read)
            before = sent
            try:
                while sent < count and not answers.closed:
                    batch = b""
                    for _ in range(BATCH):
                        pool = often if sent % 2 else names
                        message = traffic.command(pool[sent // 2 % len(pool)], sent % 900 + 1)
                        batch += frame(traffic.mutated(message))
                        sent += 1
                    await connection.send(batch)
                    await answers.until(sent - before - 2 * BATCH)
                await answers.until(sent - before)
            except trio.BrokenResourceError:
                pass
            both.cancel_scope.cancel()


async def still_answers(uri: str, nursery: trio.Nursery) -> None:
    client: Dialogue = await nursery.start(dialogue, uri)
    capabilities = await client.success("Common.Capabilities")
    for interface in capabilities["interfaces"]:
        for name in interface["commands"]:
            with trio.fail_after(20):
                completion = await client.completion(name, {}, timeout=5000)
            # Nobody inserts anything: what waits for a customer ends by its own time-out.
            waits = completion["header"]["name"] in ("CashAcceptor.CashIn", "CashAcceptor.CreateSignature")
            assert outcome(completion) not in ("internalError", *(() if waits else ("timeOut",))), completion


@pytest.mark.parametrize("version", VERSIONS)
async def test_mutated_traffic_stops_nothing(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR")
    uri = atm.uri("CashDispenser")
    served = frozenset(atm.services["CashDispenser"].handlers)
    await bombard(uri, Traffic(version, seed=1), SHORT // 3, served)
    await still_answers(uri, nursery)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("version", VERSIONS)
async def test_valid_traffic_of_every_command_is_answered(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR")
    traffic = Traffic(version, seed=2)
    client: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), version)
    for number, name in enumerate(traffic.commands, 1):
        command = traffic.command(name, number)
        # Nobody inserts anything: what waits for a customer ends by its own time-out.
        if "version" in command["header"]:
            command["header"]["timeout"] = 2000
        else:
            command["payload"]["timeout"] = 2000
        await client.send_text(json.dumps(command))
        with trio.fail_after(20):
            acknowledge = await client.until("acknowledge", number)
            assert (acknowledge["header"] | acknowledge.get("payload", {})).get("status", "ok") == "ok"
            completion = await client.until("completion", number)
        fields = completion["header"] | completion.get("payload", {})
        assert fields.get("completionCode") != "internalError", fields
    assert "Traceback" not in caplog.text


def held(pid: int) -> tuple[int, int]:
    """Bytes of memory and open files of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE"), len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
async def test_millions_of_mutated_messages_stop_nothing_and_leave_nothing_behind(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    count = int(os.environ.get("XFS4IOT_FUZZ", LONG))
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    faults = tmp_path / "faults"
    state = Path(tempfile.mkdtemp(dir=MEMORY))
    with faults.open("wb") as kept:
        look = subprocess.Popen(  # noqa: ASYNC220 - it only forks
            ["grep", "-a", "-A40", "-m20", "Traceback"], stdin=subprocess.PIPE, stdout=kept, close_fds=True
        )
        service = subprocess.Popen(  # noqa: ASYNC220 - it only forks
            [
                sys.executable,
                "-m",
                "xfs4iot",
                "simulate",
                "--plain",
                "--json",
                "--port",
                "0",
                "--seconds",
                "0",
                "--state",
                str(state),
            ],
            stdout=subprocess.PIPE,
            stderr=look.stdin,
        )
        assert look.stdin is not None
        look.stdin.close()
    try:
        assert service.stdout is not None
        ready = json.loads(await trio.to_thread.run_sync(service.stdout.readline))
        uri = ready["services"]["CashDispenser"]
        client: Dialogue = await nursery.start(dialogue, uri)
        offered = (await client.success("Common.Capabilities"))["interfaces"]
        served = frozenset(name for interface in offered for name in interface["commands"])
        turns = 20
        samples = []
        for turn in range(turns):
            async with trio.open_nursery() as crowd:
                for version in VERSIONS:
                    traffic = Traffic(version, seed + turn)
                    crowd.start_soon(bombard, uri, traffic, count // len(VERSIONS) // turns, served)
            samples.append(held(service.pid))
            print(
                f"{(turn + 1) * count // turns} messages: {samples[-1][0] >> 20} MiB, {samples[-1][1]} files"
            )
        await still_answers(uri, nursery)
        settled, files = samples[turns // 4]
        assert samples[-1][0] < settled * 1.2 + (8 << 20), samples
        assert samples[-1][1] <= files + 3, samples
        service.send_signal(signal.SIGTERM)
        assert await trio.to_thread.run_sync(service.wait, 30) == 0
    finally:
        service.kill()
        service.wait()
        look.wait()
        shutil.rmtree(state)
        if service.stdout is not None:
            service.stdout.close()
    assert not faults.read_text()
