"""A recorder: stands between clients and services, passes every message on, and writes it down.

Clients find the recorder's own addresses where the publisher names those of its services; all else goes
through as it is. Towards the services the recorder is a client with credentials of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, Protocol

import msgspec
import trio
import trio_websocket

from xfs4iot import client
from xfs4iot.protocol import wire
from xfs4iot.protocol.endpoints import PATH, is_publisher, service_name, service_uri
from xfs4iot.recording.listening import LARGEST_MESSAGE, Listener, Request, listed

__all__ = ["ABRUPTLY", "Notes", "Recorder"]

ABRUPTLY = "without a close frame"
"""How the end of a connection is told that was none of WebSocket."""
_ABNORMAL = 1006
_SILENCE = 10.0
"""Seconds that a publisher may say nothing."""

_NAMED = b"serviceURI"


class Notes(Protocol):
    """Who is told what goes by: a `Writer`, or somebody else."""

    def opened(self, service: str) -> int:
        """A connection was opened; gives its number."""

    def ended(self, connection: int, service: str, why: str) -> None:
        """It has ended."""

    def message(
        self, connection: int, service: str, sender: Literal["client", "service"], text: str | bytes
    ) -> None:
        """A message went by."""


class Recorder:
    """Records what clients and the services behind one URI say to each other.

    Args:
        uri: of a publisher, or of one service.
        credentials: who the recorder is to the services.
        listener: where it listens.
        writer: what it writes to.
        pinged: called with the number of a connection, and whether its client has answered a ping; None
            asks no client.
        ping_seconds: how often a client is asked, and how long it may take.
    """

    def __init__(
        self,
        uri: str,
        credentials: client.Credentials,
        listener: Listener,
        writer: Notes,
        *,
        pinged: Callable[[int, bool], None] | None = None,
        ping_seconds: float = 10.0,
    ) -> None:
        self.uri = uri
        self._pinged = pinged
        self._ping_seconds = ping_seconds
        self.services: dict[str, str] = {}
        self._credentials = credentials
        self._listener = listener
        self._writer = writer

    async def find_services(self) -> None:
        """Ask the publisher for its services; a URI that is a service's is the only one.

        Raises:
            CallError: it cannot be reached, or does not answer.
        """
        if not is_publisher(self.uri):
            self.services = {service_name(self.uri): self.uri}
            return
        given = self._credentials
        async with client.connect(
            self.uri, ca=given.ca, certificate=given.certificate, key=given.key, token=given.token,
            silence=_SILENCE, patience=_SILENCE,
        ) as publisher:  # fmt: skip
            answer = await publisher.call("ServicePublisher.GetServices")
        self.services = client.services_of(self.uri, answer)

    def own_uri(self, service: str | None = None) -> str:
        """The recorder's address of a service; of the publisher for None."""
        return service_uri(self._listener.scheme, self._listener.host, self._listener.port, service)

    async def serve(self) -> None:
        """Take connections until cancelled."""
        await self._listener.serve(self._connection)

    async def _connection(self, request: Request) -> None:
        name = request.path.removeprefix(PATH).strip("/")
        uris = {known.casefold(): (known, uri) for known, uri in self.services.items()}
        if is_publisher(self.uri):
            uris[""] = ("", self.uri)
        if not request.path.startswith(PATH) or name.casefold() not in uris:
            known = listed([self.own_uri(name) for name in self.services])
            await request.refuse(404, f"Nothing is recorded there. Recorded are:\n{known}")
            return
        service, uri = uris[name.casefold()]
        try:
            async with client.open_websocket(uri, self._credentials) as (far, _):
                near = await request.accept()
                await self._record(service, near, far)
        except client.Disconnected as unreached:
            if not request.accepted:
                await request.refuse(502, f"{unreached}\n")

    async def _record(
        self,
        service: str,
        near: trio_websocket.WebSocketConnection,
        far: trio_websocket.WebSocketConnection,
    ) -> None:
        connection = self._writer.opened(service)
        ended: list[str] = []
        async with trio.open_nursery() as nursery:

            async def forward(
                sender: Literal["client", "service"],
                source: trio_websocket.WebSocketConnection,
                target: trio_websocket.WebSocketConnection,
            ) -> None:
                with suppress(trio_websocket.ConnectionClosed):
                    while True:
                        text = await source.get_message()
                        self._writer.message(connection, service, sender, text)
                        await target.send_message(text if service else self._readdressed(text))
                ended.append(_why(sender, source))
                nursery.cancel_scope.cancel()

            nursery.start_soon(forward, "client", near, far)
            nursery.start_soon(forward, "service", far, near)
            if self._pinged is not None:
                nursery.start_soon(self._ping, connection, near)
        self._writer.ended(connection, service, ended[0])
        with trio.move_on_after(1, shield=True):
            await near.aclose()

    async def _ping(self, connection: int, near: trio_websocket.WebSocketConnection) -> None:
        """Ask a client again and again whether it reads, and tell the pinged."""
        assert self._pinged is not None
        with suppress(trio_websocket.ConnectionClosed):
            while True:
                await trio.sleep(self._ping_seconds)
                with trio.move_on_after(self._ping_seconds) as waited:
                    await near.ping()
                self._pinged(connection, not waited.cancelled_caught)

    def _readdressed(self, text: str | bytes) -> str | bytes:
        """A message of the publisher, the services' addresses replaced by the recorder's own."""
        raw = text.encode() if isinstance(text, str) else text
        if _NAMED not in raw or len(raw) > LARGEST_MESSAGE:
            return text
        try:
            return wire.encode(self._own(msgspec.json.decode(raw))).decode()
        except (msgspec.DecodeError, RecursionError, ValueError):
            return text

    def _own(self, content: Any) -> Any:
        if isinstance(content, Mapping):
            return {
                name: self.own_uri(service_name(value))
                if name == "serviceURI" and isinstance(value, str)
                else self._own(value)
                for name, value in content.items()
            }
        return [self._own(one) for one in content] if isinstance(content, list) else content


def _why(sender: str, source: trio_websocket.WebSocketConnection) -> str:
    """Why nothing more comes from one side."""
    if source.closed is None:
        return f"the {sender} was not heard"
    return f"the {sender} ended it" + (f" {ABRUPTLY}" if source.closed.code == _ABNORMAL else "")
