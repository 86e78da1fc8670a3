"""A megabyte of text wherever a client can put text is that client's own affair.

Two devices run, each in a process of its own, with the most talkative log there is. One is sent a
long text in one place after another; the other as many bytes in a place where they mean nothing.
After each, a polite client asks both the same: it is answered by both about as soon, whatever else
this machine is busy with, and however long it takes to carry a megabyte to a device.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from secured import for_threads
from traffic import catalogue
from xfs4iot.protocol.versions import telling_version
from xfs4iot.transport.certificates import TestAuthority, test_authority

MEGABYTE = 1_000_000
FACTOR = 25
"""How many times as long as elsewhere the median answer may take after a long text.

A text that is refused is decoded, looked at and quoted; one that means nothing is skipped. A cost that
grows with the square of the length is hundreds of times as much."""
ROUNDS = 3
LONGEST_LINE = 40_000
"""Bytes of a log line: a message of 16 thousand characters, and what goes with it."""
KINDS = ["A", "token=", "\\n", "[/", "http://", '\\"', "1.", "\\u202e", "CASH\\u0000", "é"]
"""What the texts are made of, as JSON: what patterns stumble over, and what terminals obey."""
CONFIG = """
[publisher]
host = "127.0.0.1"
port = 0
[tls]
certificate = "{certificate}"
key = "{key}"
client_certificates = "optional"
client_ca = "{ca}"
[access]
origins = ["https://bank.example"]
[log]
format = "console"
level = "debug"
messages = true
file = "log"
[ledger]
file = "ledger.sqlite"
[[service]]
name = "CashDispenser"
device = "xfs4iot.simulator:SimulatedCashDispenser"
[service.options]
seconds = 0.0
"""


@dataclass
class Device:
    process: subprocess.Popen[bytes]
    directory: Path
    port: int
    authority: TestAuthority

    def log(self) -> bytes:
        file = self.directory / "log"
        return file.read_bytes() if file.exists() else b""

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority.certificate_file)

    def client(self, context: ssl.SSLContext | None = None) -> ClientConnection:
        uri = f"wss://localhost:{self.port}/xfs4iot/v1.0/CashDispenser"
        return connect(
            uri,
            ssl=for_threads(context or self.context),
            sock=socket.create_connection(("127.0.0.1", self.port)),
            max_size=None,
            compression=None,
            open_timeout=60,
        )


@contextmanager
def running(directory: Path) -> Iterator[Device]:
    authority = test_authority(directory)
    certificate, key = authority.issue_device("atm17", ["localhost", "127.0.0.1"])
    config = directory / "atm.toml"
    config.write_text(CONFIG.format(certificate=certificate, key=key, ca=authority.certificate_file))
    process = subprocess.Popen([sys.executable, "-m", "xfs4iot", "serve", str(config)], cwd=directory)
    try:
        device = Device(process, directory, 0, authority)
        until = time.monotonic() + 60
        while not (port := re.search(rb"publishing at wss://[^:]*:(\d+)/", device.log())):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        device.port = int(port[1])
        yield device
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Device, Device]]:
    """The one that is sent long texts where they mean something, and the other."""
    with (
        running(tmp_path_factory.mktemp("told")) as told,
        running(tmp_path_factory.mktemp("elsewhere")) as elsewhere,
    ):
        yield told, elsewhere


def status(connection: ClientConnection, number: int) -> float:
    """One command; how long its completion took, in seconds."""
    began = time.perf_counter()
    connection.send(message("Common.Status", number))
    assert b"acknowledge" in connection.recv(60, decode=False)
    assert b'"completionCode"' not in connection.recv(60, decode=False)
    return time.perf_counter() - began


def message(name: str, number: int, payload: str = "{}", version: str = "2.0") -> str:
    header = f'"type":"command","name":{json.dumps(name)},"requestId":{number},"version":"{version}"'
    return f'{{"header":{{{header}}},"payload":{payload}}}'


def padding(number: int, size: int = MEGABYTE) -> str:
    return message("Common.Status", number, f'{{"padding":"{"A" * size}"}}')


def text(kind: str, size: int = MEGABYTE) -> str:
    """A text of this size, as JSON without its quotes."""
    return kind * (size // len(kind))


HEADERS = {
    "the name": '{"header":{"type":"command","name":"%s","requestId":1,"version":"1.0"}}',
    "the type": '{"header":{"type":"%s","name":"Common.Status","requestId":1}}',
    "the version": '{"header":{"type":"command","name":"Common.Status","requestId":1,"version":"%s"}}',
    "the request id": '{"header":{"type":"command","name":"Common.Status","requestId":"%s"}}',
    "the timeout": '{"header":{"type":"command","name":"Common.Status","requestId":1,"timeout":"%s"}}',
    "a key of the header": '{"header":{"%s":1,"type":"command","requestId":1}}',
    "a key of the message": '{"%s":1}',
    "the message": '"%s"',
    "no message": '{"%s',
    "no JSON": "%s",
    "the payload": '{"header":{"type":"command","name":"Common.Status","requestId":1},"payload":"%s"}',
}
"""Messages with a long text in their header, or in place of a part of themselves."""


def places(version: str, names: list[str]) -> Iterator[tuple[str, Any]]:
    """Every place in the payloads of these commands where a text or a name of one's own can stand."""
    content = catalogue(version)
    for name in names:
        interface, _, command = name.partition(".")
        payload = content["interfaces"][interface]["commands"][command].get("payload")
        for where, one in inside(payload, content["definitions"], 0):
            yield f"{name} {where}", one


HERE = "\uffff"
"""Stands for the text."""


def inside(schema: Any, types: dict[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(schema, dict) or depth > 12:
        return
    if "$ref" in schema:
        yield from inside(types[schema["$ref"].rpartition("/")[2]], types, depth + 1)
        return
    for option in schema.get("anyOf", ()):
        yield from inside(option, types, depth + 1)
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if {"string", "integer", "number"} & set(kinds):
        yield "", HERE
    for name, inner in schema.get("properties", {}).items():
        for where, one in inside(inner, types, depth + 1):
            yield f".{name}{where}", {name: one}
    if "array" in kinds:
        for where, one in inside(schema.get("items"), types, depth + 1):
            yield f"[]{where}", [one]
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        yield ".*", {HERE: {}}
        for where, one in inside(more, types, depth + 1):
            yield f".x{where}", {"x": one}


def compare(
    devices: tuple[Device, Device], attack: Callable[[Device, int], None], benign: Callable[[Device], None]
) -> float:
    """How many times as long as elsewhere the median answer takes right after the attack."""
    told, elsewhere = devices
    with told.client() as here, elsewhere.client() as there:
        after, calm = [], []
        for number in range(1, ROUNDS + 1):
            benign(elsewhere)
            calm.append(status(there, number))
            attack(told)
            after.append(status(here, number))
    return median(after) / median(calm)


def test_a_megabyte_in_every_place_of_a_message_holds_up_nobody_else(devices: tuple[Device, Device]) -> None:
    told, elsewhere = devices
    offered = ["Common", "CashDispenser", "CashManagement", "Storage", "PowerManagement"]
    names = [
        f"{interface}.{name}"
        for interface in offered
        for name in catalogue("2024-3")["interfaces"][interface]["commands"]
    ]
    with (
        told.client() as attacker,
        elsewhere.client() as other,
        told.client() as here,
        elsewhere.client() as there,
    ):
        number = 0
        slow: dict[str, float] = {}

        def ask(where: str, sent: str) -> None:
            nonlocal number
            after, calm = [], []
            for _ in range(ROUNDS):
                number += 1
                other.send(padding(number, len(sent.encode())))
                calm.append(status(there, number))
                answered(other)
                attacker.send(sent)
                after.append(status(here, number))
                answered(attacker)
            # What others are busy with on this machine is no fault of ours: it does not last.
            if min(after) > FACTOR * median(calm):
                slow[where] = min(after) / median(calm)

        every = list(places("2024-3", names))
        assert len(every) > 100
        for index, (where, payload) in enumerate(every):
            kind = KINDS[index % len(KINDS)]
            name = where.partition(" ")[0]
            sent = json.dumps(payload, ensure_ascii=False).replace(HERE, text(kind))
            ask(where, message(name, 1, sent, telling_version(name, "2024-3") or "1.0"))
        for kind in KINDS:
            for where, form in HEADERS.items():
                ask(f"{where} of {kind}", form % text(kind))
        keys = ",".join(f'"unit{index}":{{"retractArea":1}}' for index in range(40_000))
        values = ",".join(f'"item{index}"' for index in range(60_000))
        ask("many keys", message("CashManagement.SetClassificationList", 1, f"{{{keys}}}"))
        ask("many commands", message("Common.SetVersions", 1, f'{{"commands":{{{keys}}}}}'))
        ask("many units", message("Storage.SetStorage", 1, f'{{"storage":{{{keys}}}}}'))
        for items in ("cashItems", "mediaItems"):
            units = f'{{"storage":{{"unit1":{{"cash":{{"configuration":{{"{items}":[{values}]}}}}}}}}}}'
            ask(f"many {items}", message("Storage.SetStorage", 1, units, "2.0"))
        assert not slow
    assert_bounded(told)


def answered(connection: ClientConnection) -> None:
    """Take what the device says until it has said how the command ended."""
    while True:
        said = connection.recv(60, decode=False)
        if b'"completion"' in said[:200] or b'"status":"' in said[:300] or b'"invalid' in said:
            return


def assert_bounded(device: Device) -> None:
    for line in device.log().split(b"\n"):
        assert len(line) <= LONGEST_LINE, line[:300]
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", line), line[:300]
    assert b"\xe2\x80\xae" not in device.log()
    assert b"Traceback" not in device.log()


REQUEST = (
    "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: {upgrade}\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}\r\n{more}\r\n"
)
USUAL = {
    "method": "GET",
    "path": "/xfs4iot/v1.0/CashDispenser",
    "host": "localhost",
    "upgrade": "websocket",
    "key": "dGhlIHNhbXBsZSBub25jZQ==",
    "version": "13",
    "more": "",
}
PARTS = {
    "method": "{}",
    "path": "/{}",
    "host": "{}",
    "upgrade": "{}",
    "key": "{}",
    "version": "{}",
    "more": "Origin: {}\r\n",
}


def test_a_long_text_in_every_place_of_a_request_holds_up_nobody_else(devices: tuple[Device, Device]) -> None:
    def knock(device: Device, request: str) -> None:
        with (
            socket.create_connection(("127.0.0.1", device.port)) as raw,
            device.context.wrap_socket(raw, server_hostname="localhost") as stream,
            suppress(OSError),
        ):
            stream.sendall(request.encode())
            stream.settimeout(60)
            said = b""
            while b"\r\n\r\n" not in said and (more := stream.recv(65536)):
                said += more

    slow = {}
    for size in (15_000, MEGABYTE):
        harmless = REQUEST.format(**{**USUAL, "method": "POST", "more": f"X-Padding: {'A' * size}\r\n"})
        for part, form in PARTS.items():
            request = REQUEST.format(**USUAL | {part: form.format(("/[" * size)[:size])})
            ratio = compare(devices, partial(knock, request=request), partial(knock, request=harmless))
            if ratio > FACTOR:
                slow[part, form, size] = ratio
    assert not slow
    assert_bounded(devices[0])


def test_the_device_ends_when_told_to_after_all_that(devices: tuple[Device, Device]) -> None:
    told, _ = devices
    with told.client() as attacker:
        for kind in KINDS:
            with suppress(ConnectionClosed):
                attacker.send(message("Common.SetVersions", 1, f'{{"commands":{{"{text(kind)}":1}}}}'))
        os.kill(told.process.pid, signal.SIGTERM)
        assert told.process.wait(60) == 0
    assert b"ends with code 0" in told.log()
