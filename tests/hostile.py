"""Services of others, which say what a test wants, and the command line that meets them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

__all__ = ["Reply", "mute", "service", "xfs4iot"]

Reply = Callable[[dict[str, Any], Callable[..., None]], None]
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@contextmanager
def service(reply: Reply) -> Iterator[int]:
    def handle(connection: ServerConnection) -> None:
        def say(kind: str, payload: Any = None, **more: Any) -> None:
            text = payload if kind == "raw" else json.dumps(
                {"header": {**header, "type": kind, **more}, "payload": payload or {}}
            )  # fmt: skip
            connection.send(text)

        with suppress(ConnectionClosed):
            for message in connection:
                header = json.loads(message)["header"]
                reply(header, say)

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


def xfs4iot(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xfs4iot", *arguments],
        capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def mute() -> Iterator[int]:
    """A service that lets clients in and never says anything, not even to a ping."""

    def handle() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                found = re.search(rb"Sec-WebSocket-Key: *(\S+)", connection.recv(65536), re.IGNORECASE)
                assert found is not None
                accept = base64.b64encode(hashlib.sha1(found[1] + _MAGIC).digest())
                connection.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
                )
                while connection.recv(65536):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=handle)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)
