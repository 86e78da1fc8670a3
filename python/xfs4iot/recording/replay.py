"""Replay of the clients of a recording: their commands are sent again, to the same service or another.

It waits for what the service had sent before each command, not for the clock. What happens is recorded
in turn, so that both can be compared.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import field
from typing import Any

import msgspec
import trio
import trio_websocket

from xfs4iot import client
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import wire
from xfs4iot.recording.entries import Entry, Recording, Writer
from xfs4iot.recording.moving import moves
from xfs4iot.recording.stand_ins import masked_paths

__all__ = ["Refusal", "Replay"]

_MOST_ARRIVED = 10_000
"""Messages of a service that nobody waits for; one that sends more has no end."""


class Refusal(Exception):
    """The recording is not replayed as it is; the text says what to do."""


@dataclass
class _Connection:
    """One connection of the replay.

    Attributes:
        number: its number in the new recording.
        arrived: messages that nobody has waited for yet: kind, name and request id of each.
        asked: request ids of commands that were sent.
        completed: request ids whose completion has come: no event of theirs can follow.
        unreadable: whether something came that is no message; it may have been any answer.
        news: set and replaced when something arrives.
    """

    websocket: trio_websocket.WebSocketConnection
    number: int
    service: str
    arrived: list[tuple[str, str, int | None]] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)
    completed: set[int] = field(default_factory=set)
    closed: bool = False
    unreadable: bool = False
    news: trio.Event = field(default_factory=trio.Event)

    def tell(self) -> None:
        self.news.set()
        self.news = trio.Event()


class Replay:
    """Sends the commands of a recording again.

    Args:
        recording: of which; commands of the publisher are left out, for its addresses are others now.
        services: URI of each service, by its name in the recording.
        credentials: who the client is.
        writer: where the new conversation is recorded.
        moving: whether commands that move something are sent.
        values: for masked values: by `Interface.Command`, then by JSON path.
        patience: seconds to wait for an event that the service had sent; an answer is waited for as long as
            the service answers pings in that time.
        progress: called with the name of each command before it is sent, and with what went wrong.

    Raises:
        Refusal: a command would move something, a masked value has no replacement, or a service has no URI.
    """

    def __init__(
        self,
        recording: Recording,
        services: Mapping[str, str],
        credentials: client.Credentials,
        writer: Writer,
        *,
        moving: bool = False,
        values: Mapping[str, Mapping[str, Any]] | None = None,
        patience: float = 30.0,
        progress: Callable[[str, str], None] = lambda command, problem: None,
    ) -> None:
        self._entries = [entry for entry in recording.entries if entry.service]
        self._services = dict(services)
        self._credentials = credentials
        self._writer = writer
        self._values = values or {}
        self._patience = patience
        self._progress = progress
        self._check(moving)

    def _check(self, moving: bool) -> None:
        for service in dict.fromkeys(entry.service for entry in self._entries):
            if service not in self._services:
                known = ", ".join(self._services) or "none"
                raise Refusal(f"no service {service!r} was found to replay to; there are: {known}")
        commands = [entry for entry in self._entries if entry.sender == "client"]
        risky = sorted({entry.name for entry in commands if moves(entry.name)})
        if risky and not moving:
            raise Refusal(
                "this recording has commands that move something or change what is on the books "
                f"({_few(risky)}): say --moves if that is what you want"
            )
        missing = [
            f"{entry.name} {path}"
            for entry in commands
            for path in masked_paths(entry.part("payload"))
            if path not in self._values.get(entry.name, {})
        ]
        if missing:
            raise Refusal(
                "values are masked in the recording, and cannot be sent "
                f"({_few(list(dict.fromkeys(missing)))}): give them in a file with --values"
            )

    async def run(self) -> None:
        """Send everything, in the recording's order.

        Raises:
            Disconnected: a connection could not be made.
        """
        open_ones: dict[int, _Connection] = {}
        async with AsyncExitStack() as stack:
            for entry in self._entries:
                if entry.ended is not None:
                    if (ending := open_ones.pop(entry.connection, None)) is not None:
                        await ending.websocket.aclose()
                elif entry.sender is None:
                    open_ones[entry.connection] = await stack.enter_async_context(self._open(entry.service))
                elif (connection := open_ones.get(entry.connection)) is None:
                    continue
                elif entry.sender == "client":
                    await self._send(connection, entry)
                elif entry.message is not None:
                    await self._wait(connection, entry)

    @asynccontextmanager
    async def _open(self, service: str) -> AsyncIterator[_Connection]:
        async with client.open_websocket(self._services[service], self._credentials) as (websocket, nursery):
            connection = _Connection(websocket, self._writer.opened(service), service)
            nursery.start_soon(self._listen, connection)
            yield connection
            if not connection.closed:
                self._writer.ended(connection.number, service, "the client ended it")

    async def _listen(self, connection: _Connection) -> None:
        with suppress(trio_websocket.ConnectionClosed):
            while len(connection.arrived) < _MOST_ARRIVED:
                text = await connection.websocket.get_message()
                self._writer.message(connection.number, connection.service, "service", text)
                try:
                    message = msgspec.json.decode(text, type=dict)
                except (msgspec.DecodeError, RecursionError, UnicodeError):
                    message = {}
                entry = Entry(at=0, connection=0, service="", message=message)
                connection.arrived.append((entry.kind, entry.name, entry.request_id))
                header = entry.part("header")
                if not all(isinstance(header.get(one), str) for one in ("type", "name")) or (
                    not isinstance(header.get("requestId", 0), int)
                ):
                    connection.unreadable = True
                elif entry.kind == "completion" and entry.request_id is not None:
                    connection.completed.add(entry.request_id)
                connection.tell()
        connection.closed = True
        endless = len(connection.arrived) >= _MOST_ARRIVED
        self._writer.ended(
            connection.number,
            connection.service,
            "the service sent too much" if endless else "the service ended it",
        )
        if endless:
            self._progress(
                connection.service, f"given up: it sent {_MOST_ARRIVED} messages that answer nothing"
            )
        connection.tell()

    async def _send(self, connection: _Connection, entry: Entry) -> None:
        if entry.message is None:
            self._progress("a message that was not JSON", "left out: what it said is not recorded")
            return
        self._progress(entry.name, "")
        message = dict(entry.message)
        values = self._values.get(entry.name, {})
        if values and "payload" in message:
            message["payload"] = _filled(message["payload"], values)
        text = wire.encode(message).decode()
        if connection.closed:
            self._progress(entry.name, "not sent: the service has ended the connection")
            return
        self._writer.message(connection.number, connection.service, "client", text)
        if entry.request_id is not None:
            connection.completed.discard(entry.request_id)
            connection.asked.add(entry.request_id)
        with suppress(trio_websocket.ConnectionClosed):
            await connection.websocket.send_message(text)

    async def _wait(self, connection: _Connection, entry: Entry) -> None:
        """Wait until what a line says has come from the service."""
        wanted = (_plain(entry.kind), entry.name, entry.request_id)
        # An event may never come again, an acknowledge comes at once; what was acknowledged is completed
        # as long as the service lives.
        answers = entry.kind == "completion" and entry.request_id in connection.asked
        told, looked = False, 0
        with trio.move_on_after(float("inf") if answers else self._patience):
            while True:
                # Only what has come since: a service may send thousands meanwhile.
                for place in range(looked, len(connection.arrived)):
                    kind, name, request_id = connection.arrived[place]
                    if (_plain(kind), name, request_id) == wanted:
                        del connection.arrived[place]
                        return
                looked = len(connection.arrived)
                if connection.closed or (
                    entry.kind != "completion" and entry.request_id in connection.completed
                ):
                    break
                with trio.move_on_after(self._patience) as silence:
                    await connection.news.wait()
                if silence.cancelled_caught and answers:
                    if connection.unreadable or not await self._lives(connection):
                        break
                    if not told:
                        self._progress(entry.name, "it goes on; the service answers pings, and is waited for")
                    told = True
        if entry.kind == "acknowledge" and entry.request_id is not None:
            connection.asked.discard(entry.request_id)
        what = "event" if _plain(entry.kind) == "event" else entry.kind
        self._progress(entry.name, f"this {what} of the recording was not sent again")

    async def _lives(self, connection: _Connection) -> bool:
        """Whether a service answers a ping."""
        with trio.move_on_after(self._patience), suppress(trio_websocket.ConnectionClosed):
            await connection.websocket.ping()
            return True
        return False


def _plain(kind: str) -> str:
    """The type of a message; services of SP-Dev send unsolicited events as `event`."""
    return "event" if kind == "unsolicited" else kind


def _filled(content: Any, values: Mapping[str, Any], path: str = "$") -> Any:
    if path in values:
        return values[path]
    if isinstance(content, dict):
        return {name: _filled(value, values, f"{path}.{name}") for name, value in content.items()}
    if isinstance(content, list):
        return [_filled(value, values, f"{path}[{place}]") for place, value in enumerate(content)]
    return content


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
