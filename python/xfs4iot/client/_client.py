"""The application's side: call commands, receive events.

One task reads the connection and hands each message to whom it belongs: an acknowledge
or completion to its call, an event to its call's `on_event` and to every subscriber. A
call that is cancelled by trio tells the service so (`Common.Cancel`) before the
cancellation goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
import orjson
import trio
import trio_websocket

from xfs4iot.client._errors import CommandFailed, CommandRefused, Disconnected
from xfs4iot.protocol import registry, versions, wire

__all__ = ["Client", "Event", "Subscription", "Trace"]

Trace = Callable[[str, str], None]
"""Called with `"→"` or `"←"` and the text of every message sent or received."""

_log = logging.getLogger("xfs4iot.client")
_ENVELOPE_IN_PAYLOAD = "2021-1"
_ENVELOPE_IN_HEADER = ("version", "completionCode", "status")
_SUBSCRIPTION_EVENTS = 10_000
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
"""Reads plain objects; amounts stay exact."""


@dataclass(frozen=True)
class Event:
    """One event of a service.

    Attributes:
        name: wire name, such as `CashManagement.ItemsTakenEvent`.
        payload: the plain JSON object; empty if the event has none.
        request_id: the command it belongs to; None for an unsolicited event.
        version: version of the event's message; None in the envelope of 2021-1.
    """

    name: str
    payload: dict[str, Any]
    request_id: int | None
    version: str | None

    def typed(self) -> Any:
        """The payload as the event's message class of the newest version."""
        entry = registry.event(self.name)
        return None if entry.payload is None else wire.decode(entry.payload, wire.encode(self.payload))


@dataclass
class _Call:
    command: str
    on_event: Callable[[Event], None] | None
    acknowledged: bool = False
    done: trio.Event = field(default_factory=trio.Event)
    header: dict[str, Any] = field(default_factory=dict)
    payload: dict[str, Any] | None = None
    failure: Exception | None = None


class Subscription:
    """Events of a service in the order they came, from the moment of `Client.events`.

    An async iterator that ends with the connection; leaving `async with` unsubscribes.
    """

    def __init__(self, client: Client, names: frozenset[str]) -> None:
        self._client = client
        self._names = names
        self._send, self._receive = trio.open_memory_channel[Event](_SUBSCRIPTION_EVENTS)
        client._subscriptions.add(self)

    def _offer(self, event: Event) -> None:
        if self._names and event.name not in self._names and event.name.partition(".")[2] not in self._names:
            return
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            _log.error("%s was dropped: nobody reads the subscription", event.name)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe."""
        self._client._subscriptions.discard(self)
        self._send.close()


class Client:
    """A connection to one service; made by `connect`.

    Attributes:
        uri: the service's URI.
        version: the specification in which this client speaks: `2021-1`, `2023-2` or `2024-3`.
    """

    def __init__(
        self, websocket: trio_websocket.WebSocketConnection, uri: str, version: str, trace: Trace | None
    ) -> None:
        self.uri = uri
        self.version = version
        self._websocket = websocket
        self._trace = trace
        self._calls: dict[int, _Call] = {}
        self._subscriptions: set[Subscription] = set()
        self._last_request_id = 0
        self._ended = trio.Event()

    async def call(
        self,
        command: str,
        payload: Mapping[str, Any] | msgspec.Struct | None = None,
        *,
        timeout: float = 0,
        typed: bool | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Any:
        """Send a command and wait for its completion.

        Args:
            command: wire name, such as `CashDispenser.Dispense`.
            payload: a plain object, or the command's message class of the newest version.
            timeout: seconds after which the service gives the command up; 0 for none.
            typed: answer with the completion's message class instead of a plain object;
                by default as the payload was given.
            on_event: called with each of the command's own events.

        Returns:
            The completion's payload: a plain object (empty if there is none), or typed.

        Raises:
            ValueError: a message class was given for a command that this client's version says otherwise.
            CommandRefused: it was not accepted.
            CommandFailed: it completed otherwise than with success.
            Disconnected: the connection ended first.
        """
        if typed is None:
            typed = isinstance(payload, msgspec.Struct)
        given = typed or isinstance(payload, msgspec.Struct)
        if given and self.version != versions.NEWEST and not versions.alike(command, self.version):
            raise ValueError(
                f"{command} is another message in {self.version} than the classes of {versions.NEWEST} say: "
                "give a plain object, and typed=False"
            )
        call = await self._call(command, payload, timeout, on_event)
        if not typed:
            return call.payload or {}
        completion = registry.command(command).completion
        return None if completion is None else wire.decode(completion, wire.encode(call.payload or {}))

    async def answer(self, command: str) -> tuple[str | None, dict[str, Any]]:
        """Send a command without a payload, and see how it is completed.

        Returns:
            The version in the completion's header, None in the envelope of 2021-1; its payload.

        Raises:
            CommandRefused, CommandFailed, Disconnected: as `call`.
        """
        call = await self._call(command, None, 0, None)
        return call.header.get("version"), call.payload or {}

    async def _call(
        self,
        command: str,
        payload: Mapping[str, Any] | msgspec.Struct | None,
        timeout: float,
        on_event: Callable[[Event], None] | None,
    ) -> _Call:
        if self._ended.is_set():
            raise Disconnected(f"{command} was not sent: the connection to {self.uri} has ended")
        self._last_request_id += 1
        request_id = self._last_request_id
        call = self._calls[request_id] = _Call(command, on_event)
        try:
            await self._send(self._message(command, request_id, payload, timeout))
            await call.done.wait()
        except trio.Cancelled:
            if not self._ended.is_set() and not call.done.is_set():
                with trio.move_on_after(1, shield=True):
                    await self._cancel(request_id)
            raise
        finally:
            del self._calls[request_id]
        if call.failure is not None:
            raise call.failure
        return call

    def events(self, *names: str) -> Subscription:
        """Subscribe to events: by full name, by the part after the dot, or, without names, to all."""
        return Subscription(self, frozenset(names))

    async def wait_closed(self) -> None:
        """Return when the connection has ended."""
        await self._ended.wait()

    def _message(
        self,
        command: str,
        request_id: int,
        payload: Mapping[str, Any] | msgspec.Struct | None,
        timeout: float,
    ) -> bytes:
        body = b"{}" if payload is None else wire.encode(payload)
        milliseconds = round(timeout * 1000)
        header: dict[str, Any] = {"name": command, "requestId": request_id, "type": "command"}
        if self.version == _ENVELOPE_IN_PAYLOAD:
            content = {"timeout": milliseconds, **_decode(body)}
            return wire.encode({"header": header, "payload": content})
        header["version"] = versions.command_version(command, self.version)
        if milliseconds:
            header["timeout"] = milliseconds
        return b'{"header":' + orjson.dumps(header) + b',"payload":' + body + b"}"

    async def _send(self, message: bytes) -> None:
        text = message.decode()
        if self._trace is not None:
            self._trace("→", text)
        try:
            await self._websocket.send_message(text)
        except trio_websocket.ConnectionClosed as closed:
            raise Disconnected(f"the connection to {self.uri} has ended: {closed.reason}") from None

    async def _cancel(self, request_id: int) -> None:
        self._last_request_id += 1
        await self._send(
            self._message("Common.Cancel", self._last_request_id, {"requestIds": [request_id]}, 0)
        )

    async def _read(self) -> None:
        reason = "it was closed"
        try:
            while True:
                text = await self._websocket.get_message()
                if self._trace is not None:
                    self._trace("←", text if isinstance(text, str) else text.decode())
                self._receive(text)
        except trio_websocket.ConnectionClosed as closed:
            if closed.reason is not None and closed.reason.reason:
                reason = str(closed.reason.reason)
        except (msgspec.DecodeError, KeyError, TypeError) as unreadable:
            reason = f"the service sent what is no message of XFS4IoT ({unreadable})"
            _log.error("%s: %s", self.uri, reason)
        finally:
            self._ended.set()
            for call in self._calls.values():
                call.failure = Disconnected(f"the connection ended before {call.command} completed: {reason}")
                call.done.set()
            for subscription in list(self._subscriptions):
                subscription.close()

    def _receive(self, text: str | bytes) -> None:
        message = _decode(text)
        header, payload = message["header"], message.get("payload") or {}
        kind, name, request_id = header["type"], header.get("name", ""), header.get("requestId")
        if kind in ("event", "unsolicited"):
            event = Event(name, payload, request_id, header.get("version"))
            call = self._calls.get(request_id) if request_id is not None else None
            if call is not None and call.on_event is not None:
                call.on_event(event)
            for subscription in list(self._subscriptions):
                subscription._offer(event)
            return
        call = self._calls.get(request_id)
        if call is None:
            return
        call.header = header
        legacy = payload if header.keys().isdisjoint(_ENVELOPE_IN_HEADER) else header
        description = legacy.get("errorDescription")
        if kind == "acknowledge":
            call.acknowledged = True
            status = legacy.get("status")
            if status not in (None, "ok"):
                call.failure = CommandRefused(call.command, status, description)
                call.done.set()
            return
        code = legacy.get("completionCode", "success")
        if legacy is payload:
            payload = {k: v for k, v in payload.items() if k not in ("completionCode", "errorDescription")}
        call.payload = payload
        if code != "success":
            call.failure = CommandFailed(call.command, code, description, payload or None)
        call.done.set()
