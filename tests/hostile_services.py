"""Services of others at their worst, by what they do: bytes of their own, at any point of a talk."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["EVIL", "HIDDEN", "SERVICES", "Talk", "hostile"]

EVIL = "\x1b[31m\x1b]0;title\x07\u202eEVIL\u2066\x9b2J<script>alert(1)</script>[bold]x[/bold]"
"""What would steer a terminal or a page, and is markup of rich's."""
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no output may have."""
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_PATIENCE = 20


class Talk:
    """One connection of a client, and what is said to it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.head = b""
        self._waiting = b""
        self.header: dict[str, Any] = {}

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def upgrade(self, more: bytes = b"") -> None:
        """The handshake, as it should be but for what more is in its head."""
        key = re.search(rb"Sec-WebSocket-Key: *(\S+)", self.head, re.IGNORECASE)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1] + _MAGIC).digest())
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n" + more + b"\r\n"
        )

    def frame(self, payload: bytes, opcode: int = _TEXT, first: int = 0x80) -> None:
        if len(payload) < 126:
            length = bytes([len(payload)])
        elif len(payload) < 1 << 16:
            length = b"\x7e" + struct.pack(">H", len(payload))
        else:
            length = b"\x7f" + struct.pack(">Q", len(payload))
        self.send(bytes([first | opcode]) + length + payload)

    def say(self, kind: str, payload: Any = None, **more: Any) -> None:
        self.frame(json.dumps({"header": {**self.header, "type": kind, **more}, "payload": payload}).encode())

    def answer(self, payload: Any = None, **more: Any) -> None:
        self.say("acknowledge", status="ok")
        self.say("completion", payload, **more)

    def _exactly(self, size: int) -> bytes:
        while len(self._waiting) < size:
            got = self.connection.recv(65536)
            if not got:
                raise ConnectionError
            self._waiting += got
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken

    def commands(self) -> Iterator[dict[str, Any]]:
        """The headers of what the client says, until it closes; pings are answered."""
        while True:
            first, second = self._exactly(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
            mask = self._exactly(4)
            data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self._exactly(size)))
            opcode = first & 0xF
            if opcode == _PING:
                self.frame(data, _PONG)
            elif opcode == _CLOSE:
                self.frame(data, _CLOSE)
                return
            elif opcode == _TEXT:
                self.header = json.loads(data)["header"]
                yield self.header


Service = Callable[[Talk], None]


def _head(data: bytes) -> Service:
    """A service that answers the handshake with this, and then waits."""

    def serve(talk: Talk) -> None:
        talk.send(data)
        while talk.connection.recv(65536):
            pass

    return serve


def _bytes(data: bytes, *, and_closes: bool = False) -> Service:
    """A service whose answer to a command is these bytes, which are no good frames."""

    def serve(talk: Talk) -> None:
        talk.upgrade()
        for _ in talk.commands():
            talk.send(data)
            if and_closes:
                return

    return serve


def _says(reply: Callable[[Talk], None], more: bytes = b"") -> Service:
    """A service that answers each command so; more is in the head of its handshake."""

    def serve(talk: Talk) -> None:
        talk.upgrade(more)
        for _ in talk.commands():
            reply(talk)

    return serve


def _endless(piece: bytes) -> Service:
    """A service that sends this again and again, as long as anybody takes it."""

    def serve(talk: Talk) -> None:
        talk.send(piece)
        while True:
            talk.send(piece * 100)

    return serve


def _endless_frames(payload: bytes, opcode: int, first: int, start: bytes = b"") -> Service:
    def serve(talk: Talk) -> None:
        talk.upgrade()
        for _ in talk.commands():
            talk.send(start)
            while True:
                talk.frame(payload, opcode, first)

    return serve


def _draws(talk: Talk) -> None:
    """Everything that is a text is one that would steer a terminal."""
    name = talk.header["name"]
    talk.say("event", {EVIL: EVIL}, name=f"Common.{EVIL}", requestId=0)
    if name == "ServicePublisher.GetServices":
        services = [{"serviceURI": f"ws://127.0.0.1:1/xfs4iot/v1.0/Service{EVIL}"}]
        talk.answer({"vendorName": EVIL, "services": services})
    elif name == "Common.Capabilities":
        listed = [{"name": "Common", "commands": {"Common.Status": {"versions": ["2.0"]}}}]
        talk.answer({"interfaces": listed, "common": {"deviceInformation": [{"modelName": EVIL}]}})
    else:
        talk.answer({"errorCode": EVIL, EVIL: [EVIL]}, completionCode="hardwareError", errorDescription=EVIL)


def _floods(talk: Talk) -> None:
    talk.say("acknowledge", status="ok")
    while talk.header["name"] == "Common.Status":
        talk.say("event", {"x": EVIL}, name=f"Common.{EVIL}")
    for _ in range(1000):
        talk.say("event", {"x": EVIL}, name=f"Common.{EVIL}", requestId=0)
    talk.say("completion", {})
    # For those who subscribe only now.
    for _ in range(20):
        time.sleep(0.05)
        talk.say("event", {"x": EVIL}, name=f"Common.{EVIL}", requestId=0)


def _with(**header: Any) -> Service:
    """A service whose completions have this in their header."""

    def reply(talk: Talk) -> None:
        talk.say("acknowledge", status="ok")
        talk.say("completion", {}, **{"name": talk.header["name"], **header})
        talk.say("event", {}, **header)

    return _says(reply)


def _answers(payload: Any) -> Service:
    return _says(lambda talk: talk.answer(payload))


def _raw(text: bytes) -> Service:
    return _says(lambda talk: talk.frame(text))


def _completes(text: str) -> Service:
    """A completion with this JSON for a payload."""

    def reply(talk: Talk) -> None:
        talk.say("acknowledge", status="ok")
        head = json.dumps({"header": {**talk.header, "type": "completion"}})
        talk.frame(f'{head[:-1]}, "payload": {text}}}'.encode())

    return _says(reply)


_ESCAPES = b"\x1b[31m\x1b]0;t\x07\xe2\x80\xae"

SERVICES: dict[str, Service] = {
    # the handshake
    "hangs up": lambda talk: None,
    "is no HTTP": _head(b"\x00\xff\x1b[31m" * 2000 + b"\r\n\r\n"),
    "refuses and draws": _head(
        b"HTTP/1.1 403 "
        + _ESCAPES
        + b"\r\nX-"
        + b"A" * 500
        + b": "
        + _ESCAPES
        + b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "refuses with a page": _head(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n\x1b[2J\x1b]0;x\r\n"),
    "sends a head without end": _endless(b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 50),
    "upgrades to something else": _head(
        b"HTTP/1.1 101 " + _ESCAPES + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAA\r\n\r\n"
    ),
    "refuses without end": _endless(b"HTTP/1.1 403 No\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 1000),
    "draws in its head": _says(
        lambda talk: talk.frame(b"\x03\xe8", _CLOSE), b"Server: " + _ESCAPES + b"\r\n"
    ),
    "chooses an extension": _says(lambda talk: None, b"Sec-WebSocket-Extensions: \xff\x9b\r\n"),
    # frames
    "sends reserved bits": _bytes(b"\xff\x05hello"),
    "sends an endless length": _bytes(b"\x81\x7f\x7f" + b"\xff" * 7 + b"x"),
    "masks its frames": _bytes(b"\x81\x85\x01\x02\x03\x04hello"),
    "ends within a frame": _bytes(b"\x81\x7e\x10\x00{", and_closes=True),
    "ends within a message": _bytes(b'\x01\x05{"hea', and_closes=True),
    "fragments without end": _endless_frames(b"x" * 65536, 0, 0, start=b"\x01\x01x"),
    "pings without end": _endless_frames(b"x" * 125, _PING, 0x80),
    "closes and draws": _bytes(b"\x88\x20\x0f\xa0" + (_ESCAPES * 5)[:30]),
    "closes with half a code": _bytes(b"\x88\x01\x03"),
    "is binary": _bytes(b"\x82\x05\x00\x1b[2J"),
    "is not UTF-8": _raw(b"\xff\xfe\x1b[31m"),
    # messages
    "is not JSON": _raw(b"\x1b[31mEVIL" * 5),
    "is another kind of JSON": _raw(b"[" * 50 + b"]" * 50),
    "has no header": _raw(b'{"header": null, "payload": {}}'),
    "has a type of another type": _with(type=["completion"]),
    "has a name of another type": _with(name={"a": EVIL}),
    "has a request id of another type": _with(requestId=[1]),
    "has a code of another type": _with(completionCode={"a": EVIL}, errorDescription=[EVIL]),
    "has half a character": _says(lambda talk: talk.answer({"\ud800": "\udfff"})),
    "has no payload where one must be": _answers(None),
    "has a payload of another kind": _answers([5, EVIL]),
    "lists what is no interface": _answers(
        {
            "interfaces": [5, {"name": [1], "commands": [EVIL]}],
            "common": 7,
            "services": [{"serviceURI": 5}, EVIL],
        }
    ),
    "nests": _completes('{"a":' * 100_000 + "1" + "}" * 100_000),
    "has numbers of any size": _completes('{"common": {"x": 1e999999, "y": -' + "9" * 5000 + "}}"),
    "is huge": _completes('{"x": "' + "y" * 40_000_000 + '"}'),
    "answers nothing but pings": _says(lambda talk: None),
    "acknowledges and no more": _says(lambda talk: talk.say("acknowledge", status="ok")),
    "draws": _says(_draws),
    "floods": _says(_floods),
}


@contextmanager
def hostile(service: Service) -> Iterator[int]:
    """A service on a port of its own; any number of clients at once."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        talk = Talk(connection)
        with suppress(OSError), connection:
            while b"\r\n\r\n" not in talk.head:
                got = connection.recv(65536)
                if not got:
                    return
                talk.head += got
            service(talk)

    def accept() -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                thread = threading.Thread(target=handle, args=(connection,))
                thread.start()
                threads.append(thread)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            accepting.join()
    for thread in threads:
        thread.join()
