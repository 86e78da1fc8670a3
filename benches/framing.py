"""Framing and envelope against the libraries one would use otherwise, side by side.

    python benches/framing.py [--json] [--rounds N]

Each round times every contender once, in turn; the ratio of a row is the median of the
ratios of its rounds. What is compared is what a service needs: from bytes to the header's
words and the payload's span, and from parts to bytes that can be sent.
"""

from __future__ import annotations

import base64
import gc
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns
from typing import Any

import click
import msgspec
import orjson
from rich.console import Console
from rich.table import Table
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from xfs4iot import _core

MASK = b"\x37\xfa\x21\x3d"


class Header(msgspec.Struct):
    """The header as msgspec would read it."""

    type: str
    name: str
    requestId: int | None = None
    version: str | None = None
    timeout: int | None = None


class Framed(msgspec.Struct):
    """Header read, payload left as it stands."""

    header: Header
    payload: msgspec.Raw = msgspec.Raw()


decode_framed = msgspec.json.Decoder(Framed).decode
read_envelope = _core.read_envelope


def message(payload: Any) -> bytes:
    """A command of the newest envelope."""
    header = {"type": "command", "name": "CashDispenser.Dispense", "requestId": 4711, "version": "2.0"}
    return orjson.dumps({"header": header, "payload": payload})


def sized(size: int) -> bytes:
    """A command of `size` bytes with a payload of many small values, as most are."""
    units: dict[str, Any] = {}
    number = 0
    while len(message({"units": units, "note": ""})) < size - 60:
        number += 1
        units[f"u{number}"] = {"count": number, "value": 20.5, "currency": "EUR", "status": None}
    if len(message({"units": units, "note": ""})) > size:
        units.popitem()
    return message({"units": units, "note": "x" * (size - len(message({"units": units, "note": ""})))})


def picture(size: int) -> bytes:
    """A command of `size` bytes, nearly all of it one picture in base64."""
    rest = size - len(message({"image": ""}))
    return message(
        {"image": base64.b64encode(bytes(index * 7 % 256 for index in range(rest))).decode()[:rest]}
    )


def masked(payload: bytes) -> bytes:
    """A client's frame."""
    size = len(payload)
    if size < 126:
        head = bytes([0x81, 0x80 | size])
    elif size < 1 << 16:
        head = b"\x81\xfe" + size.to_bytes(2, "big")
    else:
        head = b"\x81\xff" + size.to_bytes(8, "big")
    mask = (MASK * (size // 4 + 1))[:size]
    return head + MASK + (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def ours_receive(frame: bytes) -> Callable[[], Any]:
    receive = _core.Receiver().receive

    def run() -> Any:
        (item,) = receive(frame)
        assert type(item) is _core.Message
        return item.name, item.request_id, item.version, item.payload

    return run


def wsproto_receive(frame: bytes) -> Callable[[], Any]:
    connection = Connection(ConnectionType.SERVER)

    def run() -> Any:
        connection.receive_data(frame)
        (event,) = connection.events()
        assert type(event) is TextMessage
        message = orjson.loads(event.data)
        header = message["header"]
        return header["name"], header["requestId"], header["version"], message["payload"]

    return run


def ours_envelope(text: bytes) -> Callable[[], Any]:
    def run() -> Any:
        envelope = read_envelope(text)
        return envelope.name, envelope.request_id, envelope.version, envelope.payload

    return run


def msgspec_envelope(text: bytes) -> Callable[[], Any]:
    def run() -> Any:
        message = decode_framed(text)
        header = message.header
        return header.name, header.requestId, header.version, message.payload

    return run


NAME, VERSION = "CashDispenser.Dispense", "2.0"
RESULT = {"values": {"unit1": 3, "unit2": 1}, "denomination": {"currencies": {"EUR": 70}}, "bunches": "1"}
PAYLOAD = orjson.dumps(RESULT)


def ours_acknowledge() -> Any:
    return _core.acknowledge(NAME, 4711, VERSION)


def ours_completion() -> Any:
    return _core.completion(NAME, 4711, VERSION, None, None, PAYLOAD)


server = Connection(ConnectionType.SERVER)


def wsproto_send(message: dict[str, Any]) -> bytes:
    return server.send(TextMessage(data=orjson.dumps(message).decode()))


def wsproto_acknowledge() -> Any:
    return wsproto_send(
        {"header": {"name": NAME, "requestId": 4711, "type": "acknowledge", "version": VERSION}}
    )


def wsproto_completion() -> Any:
    header = {"name": NAME, "requestId": 4711, "type": "completion", "version": VERSION}
    return wsproto_send({"header": header, "payload": RESULT})


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: what is done.
        against: the other contender.
        bar: least ratio (theirs to ours) that is good; None if it is for information.
        reach: the ratio to reach for.
    """

    what: str
    against: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    bar: float | None
    reach: float | None


def rows() -> list[Row]:
    """Every comparison of DESIGN section 8 that concerns framing."""
    small, middle, large, image = sized(200), sized(2048), sized(2_000_000), picture(2_000_000)
    peer = "wsproto, orjson"

    def receive(what: str, text: bytes, bar: float | None = None, reach: float | None = None) -> Row:
        frame = masked(text)
        return Row(f"receive {what}", peer, ours_receive(frame), wsproto_receive(frame), bar, reach)

    def envelope(what: str, text: bytes, bar: float | None = None, reach: float | None = None) -> Row:
        return Row(f"envelope {what}", "msgspec", ours_envelope(text), msgspec_envelope(text), bar, reach)

    return [
        receive("200 B", small, 15, 20),
        receive("2 KB", middle),
        receive("2 MB picture", image),
        envelope("200 B", small, 1),
        envelope("2 KB", middle, 1),
        envelope("2 MB picture", image, 1, 2),
        envelope("2 MB small values", large),
        Row("acknowledge", peer, ours_acknowledge, wsproto_acknowledge, 10, 13),
        Row("completion, 200 B", peer, ours_completion, wsproto_completion, 10, 13),
    ]


def timed(run: Callable[[], Any], times: int) -> float:
    """Nanoseconds of one run, averaged over `times`."""
    repeat = range(times)
    start = perf_counter_ns()
    for _ in repeat:
        run()
    return (perf_counter_ns() - start) / times


def times_for(run: Callable[[], Any], milliseconds: float) -> int:
    """How often `run` runs in about that time."""
    times = 1
    while (spent := timed(run, times) * times) < 1e6 and times < 1 << 20:
        times *= 2
    return max(1, round(times * milliseconds * 1e6 / spent))


def measured(row: Row, rounds: int) -> dict[str, Any]:
    """Both contenders in turn, `rounds` times."""
    ours_times, theirs_times = times_for(row.ours, 5), times_for(row.theirs, 5)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(timed(row.ours, ours_times))
        theirs.append(timed(row.theirs, theirs_times))
    ratio = median(their / our for their, our in zip(theirs, ours, strict=True))
    return {
        "what": row.what,
        "against": row.against,
        "ours_us": median(ours) / 1000,
        "theirs_us": median(theirs) / 1000,
        "ratio": ratio,
        "bar": row.bar,
        "reach": row.reach,
        "good": row.bar is None or ratio >= row.bar,
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--rounds", default=25, show_default=True, help="Rounds, each of about 10 ms per row.")
def main(as_json: bool, rounds: int) -> None:
    """Compare framing with wsproto, orjson and msgspec; exit 1 if a bar is missed."""
    gc.freeze()
    results = [measured(row, rounds) for row in rows()]
    if as_json:
        click.echo(json.dumps(results, indent=1))
    else:
        table = Table("what", "ours, µs", "theirs, µs", "against", "ratio", "bar", "reach", title="Framing")
        for result in results:
            reached = result["reach"] is not None and result["ratio"] >= result["reach"]
            colour = "red" if not result["good"] else "green" if reached or result["bar"] else "default"
            table.add_row(
                result["what"],
                f"{result['ours_us']:.3f}",
                f"{result['theirs_us']:.3f}",
                result["against"],
                f"[{colour}]{result['ratio']:.1f}[/]",
                "" if result["bar"] is None else f"{result['bar']:g}",
                "" if result["reach"] is None else f"{result['reach']:g}",
            )
        Console().print(table)
    sys.exit(0 if all(result["good"] for result in results) else 1)


if __name__ == "__main__":
    main()
