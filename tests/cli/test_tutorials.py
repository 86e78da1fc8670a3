"""The tutorials do what they say: their examples run, against hardware that answers as they tell."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue

ROOT = Path(__file__).parents[2]
serial_line = pytest.importorskip("serial")
pty = pytest.importorskip("pty")


class Hardware:
    """The other end of the line: what the dispenser of the tutorial is told, and what it answers."""

    def __init__(self) -> None:
        self._fd, self._other = pty.openpty()
        self.port = os.ttyname(self._other)
        self.told: list[str] = []
        self.jams = 0
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        said = b""
        while True:
            try:
                said += os.read(self._fd, 100)
            except OSError:
                return
            while b"\n" in said:
                line, _, said = said.partition(b"\n")
                self.told.append(line.decode())
                os.write(self._fd, self._verdict(*line.decode().split()))

    def _verdict(self, command: str, *words: str) -> bytes:
        if command == "FEED" and self.jams:
            self.jams -= 1
            return b"JAM\n"
        return f"OK {words[-1]}\n".encode() if command == "FEED" else b"OK\n"

    def close(self) -> None:
        os.close(self._other)
        os.close(self._fd)


@pytest.fixture
def hardware() -> Iterator[Hardware]:
    made = Hardware()
    yield made
    made.close()


async def test_a_first_device_pays_out_over_a_serial_line(nursery: trio.Nursery, hardware: Hardware) -> None:
    file = ROOT / "examples" / "serial_dispenser.py"
    assert file.read_text() in (ROOT / "docs" / "tutorials" / "first_device.md").read_text()
    specification = importlib.util.spec_from_file_location("serial_dispenser", file)
    assert specification is not None
    assert specification.loader is not None
    module: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    device = module.SerialDispenser("CashDispenser", {"port": hardware.port})
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    mix = {"denomination": {"service": {"currencies": {"EUR": 70}, "mix": "mix1"}}}
    await client.success("CashDispenser.Dispense", {"denomination": mix})
    await client.success("CashDispenser.Present")
    await client.until("unsolicited", name="CashManagement.ItemsTakenEvent")
    assert hardware.told == ["HELLO", "FEED 1 1", "FEED 2 1", "PRESENT", "TAKEN"]
    hardware.jams = 1
    assert await client.failure("CashDispenser.Dispense", {"denomination": mix}) == "hardwareError"
    nursery.cancel_scope.cancel()


def test_a_first_application_is_the_example() -> None:
    page = (ROOT / "docs" / "tutorials" / "first_application.md").read_text()
    assert (ROOT / "examples" / "withdraw.py").read_text() in page
