"""A receipt printer that answers what it likes, or hangs up: each command ends, and then it works again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from dialogue import outcome
from vendors import serving
from xfs4iot.escpos import EscPosPrinter

pytest.importorskip("serial", reason="pyserial is not installed")

FORM = {
    "unit": {"base": "mm", "x": 1, "y": 1},
    "size": {"width": 60, "height": 20},
    "fields": {"f": {"position": {"x": 2, "y": 2}, "size": {"width": 50, "height": 8}}},
}
COMMANDS: tuple[tuple[str, Any], ...] = (
    ("PrintForm", {"formName": "F", "fields": {"f": "x"}}),
    ("PrintForm", {"formName": "F", "fields": {"f": "x"}, "mediaControl": {"cut": True, "move": "eject"}}),
    ("PrintRaw", {"data": "eA==", "inputData": "yes"}),
    ("ControlMedia", {"mediaControl": {"cut": True}}),
    ("Reset", None),
)
STATUS = (0x12, 0x00, 0x16, 0x72, 0x1E, 0x32, 0x0F)
"""Bytes that mean something to who asks for a status: paper out, an open cover, a broken cutter, others."""


class Liar:
    """The far end of the line; what it says is the same every time for a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.met = 0
        self.lies = False

    async def listen(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with trio.open_nursery() as nursery:
            task_status.started(listeners[0].socket.getsockname()[1])
            await nursery.start(trio.serve_listeners, self.talk, listeners)

    async def talk(self, stream: trio.SocketStream) -> None:
        self.met += 1
        try:
            async with stream:
                async for data in stream:
                    for said in self.answers(data):
                        await stream.send_all(said)
                    if self.lies and self.chance.random() < 0.02:
                        return
        except trio.BrokenResourceError:
            pass

    def answers(self, data: bytes) -> Iterator[bytes]:
        chance = self.chance
        good = b"\x12" * data.count(b"\x10\x04") + b"\x00" * data.count(b"\x1dr")
        if not self.lies or chance.random() < 0.75:
            yield good
            return
        wish = chance.random()
        if wish < 0.5:
            yield bytes(chance.choice(STATUS) for _ in good)
        elif wish < 0.8:
            yield chance.randbytes(chance.choice([1, 5, 3_000]))
        elif wish < 0.9:
            yield b"\x5f" + b"name without an end" * 50


@pytest.mark.parametrize("seed", range(3))
async def test_each_command_ends_whatever_the_printer_says(seed: int, nursery: trio.Nursery) -> None:
    liar = Liar(seed)
    options = {"address": f"127.0.0.1:{await nursery.start(liar.listen)}", "seconds": 0.2}
    client = await serving(EscPosPrinter("Receipts", options), nursery)
    assert outcome(await client.completion("Printer.SetForm", {"name": "F", "form": FORM})) == "success"
    codes: Counter[str] = Counter()
    chance = random.Random(seed)
    for _ in range(8):
        name, payload = chance.choice(COMMANDS)
        liar.lies = True
        done = await client.completion(f"Printer.{name}", payload)
        liar.lies = False
        code = outcome(done)
        assert code != "internalError", done
        codes[done["payload"]["errorCode"] if code == "commandErrorCode" else code] += 1
        with trio.fail_after(60):
            while (status := await client.success("Common.Status"))["common"]["device"] != "online":
                await client.until("unsolicited", name="Common.StatusChangedEvent")
        assert status["printer"]["paper"]["upper"] in ("full", "low", "out", "jammed", "unknown")
        client.passed.clear()
    print(dict(codes), liar.met)
    assert len(codes) > 1
