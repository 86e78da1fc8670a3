"""A simulated ATM in a process of its own whose power can fail at any system call."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import trio

__all__ = ["ATM", "Fault", "NotReady", "library"]

_SOURCE = Path(__file__).parent / "reliability" / "power_cut.c"
_FORGETFUL = "from xfs4iot.simulator import SimulatedCashDispenser; del SimulatedCashDispenser.recall; "
_RUN = "from xfs4iot.cli import main; main()"
_PATIENCE = 60


def library(directory: Path) -> Path:
    """Compile what is loaded into the service to make it fail."""
    built = directory / "power_cut.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", built, _SOURCE, "-ldl"], check=True)
    return built


class NotReady(Exception):
    """The service ended before it was ready."""


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


@dataclass
class ATM:
    """One ATM, over all its lives.

    Attributes:
        directory: keeps its ledger and its device's own memory.
        library: see `library`.
        recalls: whether its device can say, after a crash, what it had moved.
        seconds: how long a movement takes.
    """

    directory: Path
    library: Path
    recalls: bool = True
    seconds: float = 0.01
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
        content = json.loads((self.directory / "CashDispenser.truth.json").read_bytes())
        return {
            place: {unit: count for unit, count in items.items() if count}
            for place, items in content["places"].items()
        }

    @contextlib.asynccontextmanager
    async def running(self, fault: Fault = Fault()) -> AsyncIterator[trio.Process]:  # noqa: B008
        """One life of the service; when the block is left it is killed, if it still lives.

        Raises:
            NotReady: it ended before clients could come; its files are those it left.
        """
        self.full.unlink(missing_ok=True)
        self._forget_synced()
        if fault.lose_unsynced:
            for file in (self.ledger, Path(f"{self.ledger}-wal")):
                if file.exists():
                    shutil.copyfile(file, f"{file}.synced")
        with (self.directory / "log").open("ab") as log:
            process = await self._started(fault, log)
        try:
            assert process.stdout is not None
            line = bytearray()
            with trio.fail_after(_PATIENCE):
                while not line.endswith(b"\n"):
                    part = await process.stdout.receive_some()
                    if not part:
                        raise NotReady((self.directory / "log").read_text()[-2000:])
                    line += part
            self.uris = json.loads(line)["services"]
            yield process
        finally:
            with trio.CancelScope(shield=True):
                if process.poll() is None:
                    process.kill()
                await process.wait()
                if process.stdout is not None:
                    await process.stdout.aclose()
            if fault.lose_unsynced:
                self._lose_unsynced()

    async def _started(self, fault: Fault, log: IO[bytes]) -> trio.Process:
        command = [
            *(sys.executable, "-c", _RUN if self.recalls else _FORGETFUL + _RUN),
            *("simulate", "--plain", "--port", "0", "--json", "--seconds", str(self.seconds)),
            *("--state", str(self.directory)),
        ]
        environment = {**os.environ, **self._environment(fault)}
        return await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=log, env=environment)

    def _environment(self, fault: Fault) -> Mapping[str, str]:
        wanted = {
            "LD_PRELOAD": str(self.library),
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
