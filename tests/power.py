"""A simulated ATM in a process of its own whose power can fail at any system call."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from xfs4iot import client
from xfs4iot.ledger import LedgerReader

__all__ = ["ATM", "Fault", "Launcher", "Life", "NotReady", "Worker", "one_life"]

_SOURCE = Path(__file__).parent / "reliability" / "power_cut.c"
_PATIENCE = 300
_LONGEST_LIFE = 600
_NURSERY = """
import faulthandler, json, os, signal, sys
from xfs4iot.cli import demo, main, simulate
from xfs4iot.simulator.cash.device import CashDevice
from xfs4iot.simulator.check.device import CheckDevice
from xfs4iot.simulator.deposit.device import DepositDevice

for line in iter(sys.stdin.readline, ""):
    order = json.loads(line)
    if "ended" in order:
        print(os.waitstatus_to_exitcode(os.waitpid(order["ended"], 0)[1]), flush=True)
        continue
    if (child := os.fork()):
        print(child, flush=True)
        continue
    for descriptor, file in enumerate((os.devnull, order["out"], order["log"])):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND), descriptor)
    faulthandler.register(signal.SIGUSR1)
    os.environ.update(order["environment"])
    if order["forgetful"]:
        del CashDevice.recall, CheckDevice.recall_media, CheckDevice.media_inside, CheckDevice.media_presented
        del DepositDevice.recall_deposit, DepositDevice.deposit_inside
    sys.argv = ["xfs4iot", *order["arguments"]]
    main()
"""


class NotReady(Exception):
    """The service ended before it was ready; says how."""


class Launcher:
    """Starts services quickly: each is a fork of one process that has imported everything.

    Args:
        directory: where what is loaded into them is compiled.
    """

    def __init__(self, directory: Path) -> None:
        library = directory / "power_cut.so"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl"], check=True)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "LD_PRELOAD": str(library)},
            text=True,
        )

    def start(self, order: Mapping[str, Any]) -> Life:
        """Start a service."""
        return Life(self._asked(order), self)

    def exit_code(self, pid: int) -> int:
        """How a service that has ended has ended: its exit code, or the number of a signal, negative.

        Until this is asked its number is given to nobody else. It can be asked once.
        """
        return self._asked({"ended": pid})

    def _asked(self, order: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


class Life:
    """One life of a service.

    Attributes:
        killed: whether `kill` ended it.
    """

    def __init__(self, pid: int, launcher: Launcher) -> None:
        self.killed = False
        self._pid = pid
        self._launcher = launcher
        self._handle = os.pidfd_open(pid)
        self._exit_code: int | None = None

    @property
    def ended(self) -> bool:
        return bool(select.select([self._handle], [], [], 0)[0])

    def kill(self) -> None:
        """SIGKILL."""
        if not self.ended:
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            self.killed = True

    def stop(self) -> None:
        """Let nothing of it go on, without an end."""
        if not self.ended:
            signal.pidfd_send_signal(self._handle, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after `stop`."""
        if not self.ended:
            signal.pidfd_send_signal(self._handle, signal.SIGCONT)

    async def tell(self) -> None:
        """Let it write into its log what it is doing."""
        if not self.ended:
            signal.pidfd_send_signal(self._handle, signal.SIGUSR1)
            await trio.sleep(1)

    async def wait(self) -> None:
        """Wait for its end, whatever that is."""
        await trio.lowlevel.wait_readable(self._handle)

    def epitaph(self) -> str:
        """How it has ended."""
        if self._exit_code is None:
            self._exit_code = self._launcher.exit_code(self._pid)
        code = self._exit_code
        return f"exit code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"

    def close(self) -> None:
        self.epitaph()
        os.close(self._handle)


@dataclass
class Fault:
    """How the next life of the service ends, if not by the test.

    Attributes:
        at: the write or sync of the ledger that is its last; None for none.
        torn: half of that write gets through.
        lose_unsynced: what was written and not synced is lost with it, as when the power fails.
    """

    at: int | None = None
    torn: bool = False
    lose_unsynced: bool = False

    @classmethod
    def by_chance(cls, chance: random.Random, writes: int) -> Fault:
        """One that strikes at some write among the first, or none at all."""
        lose = chance.random() < 0.5
        if chance.random() < 0.6:
            return cls(chance.randrange(1, writes), chance.random() < 0.5, lose)
        return cls(lose_unsynced=lose)


def assert_closed(ledger: Path) -> None:
    """The journal is whole, and no movement in it is open."""
    with LedgerReader.open(ledger) as reader:
        assert reader.verify().problems == []
        assert reader.open_intents() == []


def truth_kept_in(directory: Path) -> dict[str, dict[str, int]]:
    """Where every item is, by the units they came from, as the device's own memory in `directory` has it."""
    content = json.loads((directory / "CashDispenser.truth.json").read_bytes())
    found: dict[str, dict[str, int]] = {"world": content["world"]}
    for place, pile in content["places"].items():
        there = found.setdefault(place, {})
        for origin, _item, _level, count, *_serial in pile:
            there[origin] = there.get(origin, 0) + count
    return found


@dataclass
class ATM:
    """One ATM, over all its lives.

    Attributes:
        directory: keeps its ledger and its device's own memory.
        launcher: starts it.
        recalls: whether its device can say, after a crash, what it had moved.
        seconds: how long a movement takes.
        options: of `simulate`, besides those.
    """

    directory: Path
    launcher: Launcher
    recalls: bool = True
    seconds: float = 0.01
    options: tuple[str, ...] = ()
    uris: dict[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger.sqlite"

    @property
    def full(self) -> Path:
        """While this file exists, the ledger's disk is full; begun with `s`, its syncs fail."""
        return self.directory / "full"

    def truth(self) -> dict[str, dict[str, int]]:
        """Where every item is, as the device's own memory has it, whether the service lives or not."""
        return truth_kept_in(self.directory)

    @contextlib.asynccontextmanager
    async def running(
        self,
        fault: Fault = Fault(),  # noqa: B008
        disk_full: bool = False,
    ) -> AsyncIterator[Life]:
        """One life of the service; when the block is left it is killed, if it still lives.

        Raises:
            NotReady: it ended before clients could come; its files are those it left.
        """
        self.full.unlink(missing_ok=True)
        if disk_full:
            self.full.touch()
        self._forget_synced()
        if fault.lose_unsynced:
            for file in (self.ledger, Path(f"{self.ledger}-wal")):
                if file.exists():
                    shutil.copyfile(file, f"{file}.synced")
        out = self.directory / "ready"
        out.unlink(missing_ok=True)
        arguments = ("simulate", "--plain", "--port", "0", "--json", "--seconds", str(self.seconds))
        life = self.launcher.start(
            {
                "out": str(out),
                "log": str(self.directory / "log"),
                "environment": self._environment(fault),
                "forgetful": not self.recalls,
                "arguments": [*arguments, *self.options, "--state", str(self.directory)],
            }
        )
        try:
            with trio.move_on_after(_PATIENCE) as waiting:
                while not (out.exists() and out.read_bytes().endswith(b"\n")):
                    if life.ended:
                        raise NotReady(f"{life.epitaph()}: {(self.directory / 'log').read_text()[-2000:]}")
                    await trio.sleep(0.01)
            if waiting.cancelled_caught:
                await life.tell()
                raise AssertionError(f"not ready: {(self.directory / 'log').read_text()[-5000:]}")
            self.uris = json.loads(out.read_bytes())["services"]
            yield life
        finally:
            with trio.CancelScope(shield=True):
                life.kill()
                await life.wait()
                life.close()
            if fault.lose_unsynced:
                self._lose_unsynced()

    def _environment(self, fault: Fault) -> Mapping[str, str]:
        wanted = {
            "POWER_FULL": str(self.full),
            "POWER_CUT_AT": None if fault.at is None else str(fault.at),
            "POWER_CUT_TORN": "1" if fault.torn else None,
            "POWER_SYNCED": "1" if fault.lose_unsynced else None,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def _lose_unsynced(self) -> None:
        for file in (self.ledger, Path(f"{self.ledger}-wal")):
            synced = Path(f"{file}.synced")
            if synced.exists():
                os.replace(synced, file)
            elif file != self.ledger:
                file.unlink(missing_ok=True)
        Path(f"{self.ledger}-shm").unlink(missing_ok=True)

    def _forget_synced(self) -> None:
        for file in self.directory.glob("ledger.sqlite*.synced*"):
            file.unlink()


class Worker:
    """Who works with an ATM until its power fails, over all its lives, and compares after each.

    Attributes:
        services: whose clients `compare` and `work` are given, in this order.
        running: the command that was sent and has not been answered.
        done: commands that succeeded, by name.
        reached: set when enough was done for this life.
        commands: how many are sent in a life, at least and below.
        disk_fills: whether the ledger's disk fills up before the power fails, at times.
    """

    services: tuple[str, ...] = ()
    commands = (1, 12)
    disk_fills = True

    def __init__(self, atm: ATM, chance: random.Random) -> None:
        self.atm = atm
        self.chance = chance
        self.running: str | None = None
        self.done: Counter[str] = Counter()
        self.busy_for(0)

    def busy_for(self, commands: int) -> None:
        """Set `reached` when so many more commands were sent."""
        self._left = commands
        self.reached = trio.Event()

    def sent_one(self) -> None:
        """A command was sent."""
        self._left -= 1
        if self._left <= 0:
            self.reached.set()

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[list[client.Client]]:
        """Clients of the services."""
        async with contextlib.AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(client.connect(self.atm.uris[name], plain=True))
                for name in self.services
            ]

    async def compare(self, *clients: Any) -> None:
        """See that the books are right, before anything else is done in a life."""

    async def work(self, *clients: Any) -> None:
        """Do what people do, without end."""


async def one_life(worker: Worker, fault: Fault) -> None:
    """Start the service, compare, work, and end it."""
    atm, chance = worker.atm, worker.chance
    worker.busy_for(chance.randrange(*worker.commands))
    try:
        async with atm.running(fault) as life, trio.open_nursery() as nursery:

            async def work() -> None:
                try:
                    async with worker.connected() as clients:
                        await worker.compare(*clients)
                        worker.running = None
                        nursery.start_soon(fail)
                        await worker.work(*clients)
                except* (client.Disconnected, OSError):
                    pass
                await life.wait()
                assert life.killed or fault.at is not None, (atm.directory / "log").read_text()[-2000:]
                nursery.cancel_scope.cancel()

            async def fail() -> None:
                await worker.reached.wait()
                await trio.sleep(chance.random() * 0.05)
                if worker.disk_fills and fault.at is None and chance.random() < 0.5:
                    atm.full.write_text(chance.choice(["writes", "syncs"]))
                    await trio.sleep(chance.random() * 0.4)
                    if chance.random() < 0.5:
                        atm.full.unlink()
                        await trio.sleep(chance.random() * 1.5)
                life.kill()

            with trio.fail_after(_LONGEST_LIFE):
                await work()
    except NotReady:
        if fault.at is None:
            raise
    # The file is sound as it was left, and its journal alone makes its counts.
    if atm.ledger.exists():
        with LedgerReader.open(atm.ledger) as reader:
            assert reader.verify().problems == []
