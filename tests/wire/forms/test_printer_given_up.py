"""What takes long to print can be given up, and whoever comes next does not wait for the rest of it."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from bystanders import Watch, watching
from dialogue import Dialogue, dialogue, outcome
from xfs4iot.simulator import atm as simulated_atm

PROFILE = """
seconds = {seconds}

[services.Receipts]
kinds = ["Printer"]
units = {{}}
paper = {{ upper = {{ full = 100000 }} }}

[services.Documents]
kinds = ["Printer"]
type = "document"
units = {{}}
paper = {{ upper = {{ width = 210, length = 297, full = 500, low = 2 }} }}
"""
MM = {"base": "mm", "x": 1, "y": 1}


@pytest.fixture
def seconds() -> float:
    """How long a movement takes."""
    return 0


@pytest.fixture
async def atm(nursery: trio.Nursery, tmp_path: Path, seconds: float) -> xfs4iot.Publisher:
    file = tmp_path / "printers.toml"
    file.write_text(PROFILE.format(seconds=seconds))
    services = simulated_atm(file, ledger=xfs4iot.Ledger.open(None))
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher


@pytest.fixture
async def client(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Documents"))
    return found


@pytest.fixture
async def receipts(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Receipts"))
    return found


@pytest.fixture
async def bystander(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> AsyncIterator[Watch]:
    client: Dialogue = await nursery.start(dialogue, atm.uri("Documents"))
    async with watching(client, nursery) as watch:
        yield watch


def job(pages: int, side: int) -> dict[str, Any]:
    """A job of so many blank pages, all of which have the same dots in the file."""
    row = -(-side // 8)
    runs = [128] * (row // 128) + [row % 128] * bool(row % 128)
    dots = b"".join(bytes((257 - run if run > 1 else 0, 0)) for run in runs) * side
    file = bytearray(struct.pack("<2sHI", b"II", 42, 8 + len(dots))) + dots
    for page in range(pages):
        tags = (
            (256, side),
            (257, side),
            (258, 1),
            (259, 32_773),
            (262, 0),
            (273, 8),
            (277, 1),
            (278, side),
            (279, len(dots)),
        )
        file += struct.pack("<H", len(tags)) + b"".join(
            struct.pack("<HHII", tag, 4, 1, one) for tag, one in tags
        )
        file += struct.pack("<I", 0 if page == pages - 1 else len(file) + 4)
    return {"data": base64.b64encode(file).decode()}


async def pages_of_frames(client: Dialogue, pages: int, each: int) -> dict[str, Any]:
    """Set a form with so many pages, and so many frames that fill each; what prints it."""
    box = {"size": {"width": 200, "height": 290}, "fillStyle": "solid"}
    frames = {
        f"f{page}-{one}": {"position": {"x": 0, "y": 0, "z": page}, **box}
        for page in range(pages)
        for one in range(each)
    }
    form = {"unit": MM, "size": {"width": 200, "height": 290}, "frames": frames}
    await client.success("Printer.SetForm", {"name": "F", "form": form})
    return {"formName": "F"}


async def test_a_job_with_more_dots_than_can_be_drawn_is_refused(client: Dialogue) -> None:
    wrong = await client.completion("Printer.PrintNative", job(100, 2_300))
    assert outcome(wrong) == "invalidData"
    assert "a job 500,000,000" in wrong["header"]["errorDescription"]
    wrong = await client.completion("Printer.PrintForm", await pages_of_frames(client, 40, 20))
    assert wrong["payload"]["errorCode"] == "charSetData"
    assert "more than 2,000,000,000 dots" in wrong["header"]["errorDescription"]
    assert (await client.success("Common.Status"))["printer"]["media"] == "notPresent"


async def given_up(client: Dialogue, name: str, payload: dict[str, Any]) -> dict[str, Any]:
    """How a command ends that is cancelled; the device is ready then."""
    request = await client.send(name, payload)
    await client.until("acknowledge", request)
    await trio.sleep(0.1)
    await client.success("Common.Cancel", {"requestIds": [request]})
    completion = await client.until("completion", request)
    assert outcome(completion) == "canceled", completion
    await client.success("Printer.Reset")
    return completion


async def test_a_native_job_can_be_given_up(client: Dialogue, bystander: Watch) -> None:
    await given_up(client, "Printer.PrintNative", job(90, 2_300))
    assert bystander.answers > 2
    late = await client.completion("Printer.PrintNative", job(90, 2_300), timeout=50)
    assert outcome(late) == "timeOut"
    # None but what is begun again goes on.
    await client.success("Printer.PrintNative", job(2, 40))


async def test_a_form_of_many_pages_can_be_given_up(client: Dialogue, bystander: Watch) -> None:
    payload = await pages_of_frames(client, 80, 5)
    await given_up(client, "Printer.PrintForm", payload)
    assert (await client.success("Common.Status"))["printer"]["media"] == "notPresent"
    assert bystander.answers > 2
    late = await client.completion("Printer.PrintForm", payload, timeout=50)
    assert outcome(late) == "timeOut"


async def test_raw_bytes_can_be_given_up(receipts: Dialogue) -> None:
    over_one_another = b"\x1b$\x00\x00x" * 300_000
    payload = {"data": base64.b64encode(over_one_another).decode(), "inputData": "no"}
    completion = await given_up(receipts, "Printer.PrintRaw", payload)
    assert "mm were printed" in completion["header"]["errorDescription"]
    done = {"data": base64.b64encode(b"next\n\x1dV\x00").decode(), "inputData": "no"}
    await receipts.success("Printer.PrintRaw", done)


MOMENTS = 8
RAW = base64.b64encode(b"line\n\x1dV\x00" * 8).decode()


@pytest.mark.parametrize("seconds", [0.03])
@pytest.mark.parametrize("command", ["PrintForm", "PrintNative", "PrintRaw"])
async def test_a_command_can_be_cancelled_at_each_moment_with_a_reset_behind_it(
    command: str, client: Dialogue, receipts: Dialogue
) -> None:
    box = {"size": {"width": 70, "height": 10}, "initialValue": "a page"}
    fields = {f"p{page}": {"position": {"x": 0, "y": 0, "z": page}, **box} for page in range(4)}
    form = {"unit": MM, "size": {"width": 70, "height": 70}, "fields": fields}
    await client.success("Printer.SetForm", {"name": "F", "form": form})
    moved = {"mediaControl": {"move": "eject"}}
    asking, payload = {
        "PrintForm": (client, {"formName": "F", **moved}),
        "PrintNative": (client, {**job(4, 100), **moved}),
        "PrintRaw": (receipts, {"data": RAW, "inputData": "no"}),
    }[command]
    ends = []
    for moment in range(MOMENTS):
        printing = await asking.send(f"Printer.{command}", payload)
        await asking.until("acknowledge", printing)
        behind = await asking.send("Printer.Reset") if moment % 2 else None
        await trio.sleep(moment * 0.12 / MOMENTS)
        await asking.completion("Common.Cancel", {"requestIds": [printing]})
        ends.append(outcome(await asking.until("completion", printing)))
        if behind is not None:
            assert outcome(await asking.until("completion", behind)) == "success"
        await asking.success("Printer.Reset")
        assert (await asking.success("Common.Status"))["common"]["device"] == "online"
        asking.passed.clear()
    assert "canceled" in ends
    assert set(ends) <= {"canceled", "success"}
    await asking.success(f"Printer.{command}", payload)
