"""The tutorials do what they say: their examples run, against hardware that answers as they tell."""

from __future__ import annotations

import importlib.util
import logging
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.cli.hosting import simulated_atm

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


def serial_dispenser(port: str) -> Any:
    """The device of the tutorial."""
    file = ROOT / "examples" / "serial_dispenser.py"
    assert file.read_text() in (ROOT / "docs" / "tutorials" / "first_device.md").read_text()
    specification = importlib.util.spec_from_file_location("serial_dispenser", file)
    assert specification is not None
    assert specification.loader is not None
    module: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.SerialDispenser("CashDispenser", {"port": port})


async def test_a_first_device_pays_out_over_a_serial_line(
    nursery: trio.Nursery, hardware: Hardware, caplog: pytest.LogCaptureFixture
) -> None:
    device = serial_dispenser(hardware.port)
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    mix = {"denomination": {"service": {"currencies": {"EUR": 70}, "mix": "mix1"}}}
    await client.success("CashDispenser.Dispense", {"denomination": mix})
    await client.success("CashDispenser.Present")
    await client.until("unsolicited", name="CashManagement.ItemsTakenEvent")
    assert hardware.told == ["HELLO", "FEED 1 1", "FEED 2 1", "PRESENT", "TAKEN"]
    assert not [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    hardware.jams = 1
    assert await client.failure("CashDispenser.Dispense", {"denomination": mix}) == "hardwareError"
    nursery.cancel_scope.cancel()


async def test_a_first_device_whose_line_is_not_there_is_told_of_as_that_alone(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = serial_dispenser("/dev/ttyNowhere")
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0)
    async with trio.open_nursery() as life:
        await life.start(publisher.serve)
        client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
        assert (await client.success("Common.Status"))["common"]["device"] == "offline"
        life.cancel_scope.cancel()
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert any("/dev/ttyNowhere cannot be opened (No such file or directory); see" in one for one in told)
    assert not [one for one in told if "Errno" in one]
    assert not [one for one in told if "raised" in one or "never used" in one]
    nursery.cancel_scope.cancel()


async def test_a_first_application_sees_what_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tutorials" / "first_application.md").read_text()
    program = (ROOT / "examples" / "withdraw.py").read_text()
    assert program in page
    async with simulated_atm(tmp_path, port=0, plain=True) as atm:
        base = atm.publisher.uri()
        # The port is not one of those that are looked at.
        uri = f'"{atm.publisher.uri("CashDispenser")}"'
        (tmp_path / "withdraw.py").write_text(
            program.replace('"127.0.0.1", "CashDispenser", plain=True', uri)
        )

        async def run(*arguments: str) -> str:
            done = await trio.run_process(
                [sys.executable, *arguments], cwd=tmp_path, capture_stdout=True, stderr=subprocess.STDOUT
            )
            return done.stdout.decode()

        async def typed(line: str) -> str:
            assert f"\n{line}\n" in page
            _, *arguments = shlex.split(line.replace("ws://127.0.0.1:80/xfs4iot/v1.0", base))
            return await run("-m", "xfs4iot", *arguments)

        simulator = "xfs4iot call ws://127.0.0.1:80/xfs4iot/v1.0/Simulator"
        take = f"{simulator} Simulator.TakeItems"
        paid = "{'unit2': 1, 'unit3': 1}\n"
        assert await run("withdraw.py") == paid
        assert "commandErrorCode shutterOpen" in await run("withdraw.py")
        assert '"unit3": 1' in await typed(take)
        assert await run("withdraw.py") == paid
        await typed(take)
        await typed(f'{simulator} Simulator.Inject \'{{"fault": "jam"}}\'')
        assert "hardwareError" in (said := await run("withdraw.py"))
        assert "reset the device" in said
        reset = "xfs4iot call ws://127.0.0.1:80/xfs4iot/v1.0/CashDispenser CashManagement.Reset"
        assert '"rejected"' in await typed(reset)
        assert await run("withdraw.py") == paid


async def test_the_other_end_of_the_line_answers_as_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tutorials" / "first_device.md").read_text()
    (tmp_path / "line.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    line = await trio.lowlevel.open_process([sys.executable, "line.py"], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert line.stdout is not None
        port = (await line.stdout.receive_some()).decode().strip()
        device = serial_dispenser(port)
        await device.open()
        assert await device.ask("FEED 1 3") == ["3"]
        assert await device.ask("TAKEN") == []
        await device.close()
    finally:
        line.kill()
        await line.wait()
