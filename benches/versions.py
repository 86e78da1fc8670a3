"""What an older client costs more than one of the newest version, in the same run.

python benches/versions.py [--seconds S] [--rounds N]

A simulated cash dispenser, plain text on the loopback interface. One bare client, 32 commands in
flight, asks for the status (what a host asks most), with answers that repeat and with answers that
differ each time, and denominates, which has the most to adapt. Each round takes every version in
turn; the median of the rounds counts, as commands per second and in relation to the newest.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import struct
import sys
import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import trio
from rich.console import Console
from rich.table import Table

import xfs4iot
from xfs4iot.protocol import versions
from xfs4iot.simulator import atm as simulated_atm

IN_FLIGHT = 32
CASH = {"currencies": {"EUR": 230}}
DENOMINATE = {"2021-1": {"denomination": CASH, "mix": "mix1"}}
GROUPED = {"request": {"denomination": {"service": {**CASH, "mix": "mix1"}}}}
_DONE, _FAILED = b'"type":"completion"', re.compile(rb'"completionCode":"(?!success)')
Work = tuple[str, str, bool]
WORKS: tuple[Work, ...] = (
    ("Common.Status, unchanged", "Common.Status", False),
    ("Common.Status, changed each time", "Common.Status", True),
    ("CashDispenser.Denominate", "CashDispenser.Denominate", False),
)


def message(command: str, version: str, request_id: int) -> str:
    """One command as a client of this version writes it."""
    payload: dict[str, Any] = {}
    if command == "CashDispenser.Denominate":
        payload = dict(DENOMINATE.get(version, GROUPED))
    header: dict[str, Any] = {"type": "command", "name": command, "requestId": request_id}
    if version == "2021-1":
        payload["timeout"] = 0
    else:
        header["version"] = versions.telling_version(command, version)
    return json.dumps({"header": header, "payload": payload})


def frame(text: str) -> bytes:
    """A masked text frame, as clients send them; the mask is zero."""
    data = text.encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack("!H", len(data))
    return b"\x81" + length + b"\0\0\0\0" + data


async def rate(service: Any, uri: str, work: Work, version: str, seconds: float) -> float:
    """Completed commands per second of one client that hardly costs anything itself."""
    _, command, changes = work
    parts = urlsplit(uri)
    batch = b"".join(frame(message(command, version, number)) for number in range(1, IN_FLIGHT + 1))
    done = 0
    async with await trio.open_tcp_stream(parts.hostname or "", parts.port or 80) as stream:
        upgrade = (
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        await stream.send_all("\r\n".join((*upgrade, "", "")).encode())
        assert b" 101 " in await stream.receive_some()
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            if changes:
                service.device.cash_status.positions[0].shutter = ("open", "closed")[done // IN_FLIGHT % 2]
            await stream.send_all(batch)
            seen, good, left = b"", 0, IN_FLIGHT
            while left > 0:
                data = await stream.receive_some()
                assert data, "the service hung up"
                seen = seen[-len(_DONE) + 1 :] + data
                left -= seen.count(_DONE)
                good += seen.count(_DONE) - len(_FAILED.findall(seen))
            assert good, seen[:400]
            done += IN_FLIGHT
        return done / (time.perf_counter() - began)


async def main(seconds: float, rounds: int) -> None:
    """Measure and print."""
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    publisher = xfs4iot.Publisher(services, port=0)
    table = Table(title=f"commands per second, {IN_FLIGHT} in flight, median of {rounds}")
    for column in ("command", *versions.SPECIFICATIONS):
        table.add_column(column, justify="right", overflow="fold")
    async with trio.open_nursery() as nursery:
        await nursery.start(publisher.serve)
        service = publisher.services["CashDispenser"]
        measure = partial(rate, service, publisher.uri("CashDispenser"))
        for work in WORKS:
            found: dict[str, list[float]] = {version: [] for version in versions.SPECIFICATIONS}
            for _ in range(rounds):
                for version in versions.SPECIFICATIONS:
                    found[version].append(await measure(work, version, seconds))
            medians = {version: statistics.median(rates) for version, rates in found.items()}
            newest = medians[versions.NEWEST]
            table.add_row(work[0], *(f"{one:,.0f} ({one / newest:.2f})" for one in medians.values()))
        nursery.cancel_scope.cancel()
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds: one at least")
    try:
        trio.run(main, arguments.seconds, arguments.rounds)
    except BaseException as ended:
        # A nursery makes a group of it, perhaps with what failed because of it.
        if BaseExceptionGroup("all", [ended]).subgroup(KeyboardInterrupt) is None:
            raise
        sys.exit("Aborted!")
