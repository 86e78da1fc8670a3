"""A recorded device: answers clients as the services of a recording did, for tests of applications.

A command is answered as the next one of the same name was, of those with an equal payload first; when
all have been played, the last again, so that a client may ask for its status as often as it likes.
Unsolicited events go to all clients, after the command after which they came. What was never asked in
the recording is `unsupportedCommand`. Where values are masked, others stand that the standard allows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import trio
import trio_websocket

from xfs4iot.protocol import wire
from xfs4iot.protocol.endpoints import PATH, service_uri
from xfs4iot.recording.difference import payload_differences
from xfs4iot.recording.entries import Entry, Recording
from xfs4iot.recording.exchanges import Exchange, Told, told_to_all
from xfs4iot.recording.listening import Listener, Request, listed
from xfs4iot.recording.moving import only_looks
from xfs4iot.recording.stand_ins import with_stand_ins

__all__ = ["PlayedDevice"]

_MOST_WAITING = 1000
"""Events of others' commands for a client that does not read; it is without those that come then."""


class _Service:
    """One service of the recording, and what of it has been played."""

    def __init__(self, told: Told) -> None:
        self.before = told.before
        self.connections: dict[trio_websocket.WebSocketConnection, trio.MemorySendChannel[Entry]] = {}
        self._exchanges = [one for one in told.exchanges if one.answers]
        self._played: set[int] = set()

    def next(self, command: Entry) -> tuple[Exchange | None, list[Entry]]:
        """How a command is answered, None if it was never asked, and what everybody is told then.

        What only looks is asked again and again, and brings its events about no second time.
        """
        named = [place for place, one in enumerate(self._exchanges) if one.command.name == command.name]
        equal = [
            place
            for place in named
            if not any(
                payload_differences(self._exchanges[place].command.part("payload"), command.part("payload"))
            )
        ]
        fresh = [place for place in equal if place not in self._played]
        fresh = fresh or [place for place in named if place not in self._played and not equal]
        place = fresh[0] if fresh else (equal or named or [-1])[-1]
        if place < 0:
            return None, []
        again = place in self._played
        self._played.add(place)
        exchange = self._exchanges[place]
        return exchange, [] if again and only_looks(command.name) else exchange.after

    @property
    def commands(self) -> int:
        return len(self._exchanges)

    @property
    def unplayed(self) -> list[str]:
        return [one.command.name for place, one in enumerate(self._exchanges) if place not in self._played]


class PlayedDevice:
    """Services that say what they said in a recording.

    Args:
        recording: of which.
        listener: where clients find them.
        progress: called with the name of each command, and what could not be done about it.
    """

    def __init__(
        self,
        recording: Recording,
        listener: Listener,
        *,
        progress: Callable[[str, str], None] = lambda command, problem: None,
    ) -> None:
        self._listener = listener
        self._progress = progress
        self._services = {name: _Service(told) for name, told in told_to_all(recording).items()}

    @property
    def services(self) -> dict[str, str]:
        """Address of each service."""
        return {name: self._uri(name) for name in self._services if name}

    @property
    def publisher(self) -> str:
        return self._uri(None)

    @property
    def commands(self) -> int:
        """How many commands to services the recording has."""
        return sum(one.commands for name, one in self._services.items() if name)

    @property
    def unplayed(self) -> list[str]:
        """Commands of the recording that no client has sent."""
        return [
            f"{name}: {command}" for name, one in self._services.items() if name for command in one.unplayed
        ]

    def _uri(self, service: str | None) -> str:
        return service_uri(self._listener.scheme, self._listener.host, self._listener.port, service)

    async def serve(self) -> None:
        """Take connections until cancelled."""
        await self._listener.serve(self._connection)

    async def _connection(self, request: Request) -> None:
        wanted = request.path.removeprefix(PATH).strip("/").casefold()
        names = {name.casefold(): name for name in (*self._services, "")}
        if not request.path.startswith(PATH) or wanted not in names:
            known = listed(list(self.services.values()))
            await request.refuse(404, f"Nothing is played there. Services of the recording:\n{known}")
            return
        name = names[wanted]
        websocket = await request.accept()
        connections = self._services[name].connections if name else {}
        connections[websocket], events = trio.open_memory_channel[Entry](_MOST_WAITING)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_tell, websocket, events)
                await self._talk(websocket, name)
                nursery.cancel_scope.cancel()
        finally:
            del connections[websocket]

    async def _talk(self, websocket: trio_websocket.WebSocketConnection, name: str) -> None:
        with suppress(trio_websocket.ConnectionClosed):
            if name:
                for event in self._services[name].before:
                    await _send(websocket, event, None)
            while True:
                text = await websocket.get_message()
                command = _command(text)
                if command is None:
                    self._progress("a message", "it is no command of XFS4IoT, and was not answered")
                elif name:
                    await self._answer(websocket, self._services[name], command)
                else:
                    await _answer_publisher(websocket, command, list(self.services.values()))

    async def _answer(
        self, websocket: trio_websocket.WebSocketConnection, service: _Service, command: Entry
    ) -> None:
        exchange, events = service.next(command)
        if exchange is None:
            self._progress(command.name, "it is not in the recording: refused as unsupportedCommand")
            await _refuse(websocket, command)
            return
        self._progress(command.name, "")
        for answer in exchange.answers:
            await _send(websocket, answer, command.request_id)
        for event in events:
            for other, waiting in service.connections.items():
                if other is not websocket:
                    with suppress(trio.WouldBlock):
                        waiting.send_nowait(event)
            await _send(websocket, event, None)


def _command(text: str | bytes) -> Entry | None:
    with suppress(msgspec.DecodeError, RecursionError):
        content = msgspec.json.decode(text)
        if isinstance(content, dict):
            entry = Entry(at=0, connection=0, service="", sender="client", message=content)
            if entry.kind == "command" and entry.request_id is not None:
                return entry
    return None


async def _send(websocket: trio_websocket.WebSocketConnection, entry: Entry, request_id: int | None) -> None:
    if entry.message is None:
        return
    message = with_stand_ins(entry.message)
    if request_id is not None:
        message["header"] = {**message["header"], "requestId": request_id}
    await websocket.send_message(wire.encode(message).decode())


async def _tell(
    websocket: trio_websocket.WebSocketConnection, events: trio.MemoryReceiveChannel[Entry]
) -> None:
    """Send what commands of other clients bring about."""
    with suppress(trio_websocket.ConnectionClosed):
        async for event in events:
            await _send(websocket, event, None)


async def _refuse(websocket: trio_websocket.WebSocketConnection, command: Entry) -> None:
    description = f"{command.name} is not in the recording that is played"
    await _complete(websocket, command, {}, "unsupportedCommand", description)


async def _answer_publisher(
    websocket: trio_websocket.WebSocketConnection, command: Entry, uris: list[str]
) -> None:
    if command.name != "ServicePublisher.GetServices":
        await _refuse(websocket, command)
        return
    services = {"vendorName": "recording", "services": [{"serviceURI": uri} for uri in uris]}
    await _complete(websocket, command, services, "success")


async def _complete(
    websocket: trio_websocket.WebSocketConnection,
    command: Entry,
    payload: dict[str, Any],
    code: str,
    description: str = "",
) -> None:
    """Acknowledge and complete a command, in the envelope in which it came."""
    told = {"completionCode": code, **({"errorDescription": description} if description else {})}
    header = {"name": command.name, "requestId": command.request_id}
    version = command.part("header").get("version")
    if version is None:
        acknowledge: dict[str, Any] = {
            "header": {**header, "type": "acknowledge"},
            "payload": {"status": "ok"},
        }
        completion = {"header": {**header, "type": "completion"}, "payload": {**told, **payload}}
    else:
        acknowledge = {"header": {**header, "type": "acknowledge", "version": "2.0"}}
        good = {} if code == "success" else told
        completion = {
            "header": {**header, "type": "completion", "version": version, **good},
            "payload": payload,
        }
    for message in (acknowledge, completion):
        await websocket.send_message(wire.encode(message).decode())
