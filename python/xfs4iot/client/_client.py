"""The application's side: call commands, receive events.

One task reads the connection and passes each message on: an acknowledge or completion to
its call, an event to its call's `on_event` and to every subscriber. When trio cancels a
call, the service is told (`Common.Cancel`) before the cancellation goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from decimal import Decimal
from typing import Any

import msgspec
import orjson
import trio
import trio_websocket

from xfs4iot.client._calls import Calls
from xfs4iot.client._errors import CommandFailed, CommandRefused, Disconnected, Unanswered, why_closed
from xfs4iot.client._events import Event, Subscription
from xfs4iot.client._names import wanted_names
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import registry, versions, wire
from xfs4iot.protocol.message import FreeKeys, Payload
from xfs4iot.telling import logger

__all__ = ["Client", "Trace"]

Trace = Callable[[str, str], None]
"""Called with `"→"` or `"←"` and the text of every message sent or received."""

_log = logger("xfs4iot.client")
_ENVELOPE_IN_PAYLOAD = "2021-1"
_ENVELOPE_IN_HEADER = ("version", "completionCode", "status")
_OTHER_SPELLINGS = {"authorisationRequired": "authorizationRequired"}
"""Completion codes as services of the SP-Dev framework spell them, and the standard's word."""
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
"""Reads plain objects; amounts stay exact."""


@dataclass
class _Call:
    command: str
    on_event: Callable[[Event[Any]], None] | None
    acknowledged: trio.Event = field(default_factory=trio.Event)
    done: trio.Event = field(default_factory=trio.Event)
    header: dict[str, Any] = field(default_factory=dict)
    payload: dict[str, Any] | None = None
    failure: Exception | None = None
    is_given_up: bool = False

    def end(self) -> None:
        """Let who waits for it go on."""
        self.acknowledged.set()
        self.done.set()


class Client(Calls):
    """A connection to one service; made by `connect`.

    Attributes:
        uri: the service's URI.
        version: the specification in which this client speaks: `2021-1`, `2023-2` or `2024-3`.
        patience: seconds that a service has to acknowledge a command, and to complete one whose timeout has
            run out.
    """

    def __init__(
        self,
        websocket: trio_websocket.WebSocketConnection,
        uri: str,
        version: str,
        trace: Trace | None,
        patience: float = math.inf,
    ) -> None:
        self.uri = uri
        self.version = version
        self.patience = patience
        self._websocket = websocket
        self._trace = trace
        self._calls: dict[int, _Call] = {}
        self._subscriptions: set[Subscription[Any]] = set()
        self._last_request_id = 0
        self._ended = trio.Event()
        self._end: str | None = None
        self._heard = 0
        self._silent = 0.0
        self._reading = trio.CancelScope()

    async def _answered(
        self,
        command: str,
        payload: Mapping[str, Any] | Payload | None,
        timeout: float,
        typed: bool | None,
        on_event: Callable[[Event[Any]], None] | None,
    ) -> Any:
        as_class = isinstance(payload, msgspec.Struct | FreeKeys)
        typed = as_class if typed is None else typed
        if not typed and not as_class:
            return (await self._call(command, payload, timeout, on_event)).payload or {}
        entry = self._entry(command)
        if as_class and type(payload) is not entry.request:
            takes = "no payload" if entry.request is None else f"a {entry.request.__name__}"
            raise ValueError(f"{command} takes {takes}, not a {type(payload).__name__}")
        call = await self._call(command, payload, timeout, on_event)
        if not typed:
            return call.payload or {}
        completion = entry.completion
        return None if completion is None else wire.decode(completion, wire.encode(call.payload or {}))

    def _entry(self, command: str) -> registry.CommandEntry:
        """What is known of a command whose classes are used."""
        try:
            entry = registry.command(command)
        except KeyError:
            raise ValueError(
                f"{command} has no message classes: it is not a command of {versions.NEWEST}; "
                "give a plain object, and typed=False"
            ) from None
        if self.version != versions.NEWEST and not versions.alike(command, self.version):
            raise ValueError(
                f"{command} is another message in {self.version} than the classes of {versions.NEWEST} say: "
                "give a plain object, and typed=False"
            )
        return entry

    async def answer(
        self, command: str, *, after: tuple[str, Mapping[str, Any]] | None = None
    ) -> tuple[str | None, dict[str, Any]]:
        """Send a command without a payload, and see how it is completed.

        Args:
            command: wire name.
            after: a command and its payload that are sent at once before; what becomes of them is
                not waited for.

        Returns:
            The version in the completion's header, None in the envelope of 2021-1; its payload.

        Raises:
            CommandRefused, CommandFailed, Disconnected: as `call`.
        """
        if after is not None:
            self._last_request_id += 1
            await self._send(self._message(after[0], self._last_request_id, after[1], 0))
        call = await self._call(command, None, 0, None)
        return call.header.get("version"), call.payload or {}

    async def _call(
        self,
        command: str,
        payload: Mapping[str, Any] | Payload | None,
        timeout: float,
        on_event: Callable[[Event[Any]], None] | None,
    ) -> _Call:
        if self._ended.is_set():
            raise Disconnected(f"{command} was not sent: {self._end}")
        self._last_request_id += 1
        request_id = self._last_request_id
        # Before it is sent: the answer can arrive while the send is still waiting.
        call = self._calls[request_id] = _Call(command, on_event)
        try:
            with trio.move_on_after(self.patience):
                await self._send(self._message(command, request_id, payload, timeout))
                await call.acknowledged.wait()
            if call.acknowledged.is_set():
                with trio.move_on_after(timeout + self.patience if timeout else math.inf):
                    await call.done.wait()
        except trio.Cancelled:
            if not self._ended.is_set() and not call.done.is_set():
                await self._give_up(request_id)
            raise
        finally:
            del self._calls[request_id]
        if not call.done.is_set():
            call.failure, call.is_given_up = self._unanswered(call, timeout), True
        if call.is_given_up:
            await self._give_up(request_id)
        if call.failure is not None:
            raise call.failure
        return call

    def _unanswered(self, call: _Call, timeout: float) -> Unanswered:
        what = "acknowledged"
        within = f"{self.patience:g} s"
        if call.acknowledged.is_set():
            what, within = "completed", f"its timeout of {timeout:g} s and {within} more"
        return Unanswered(
            f"{self.uri} has not {what} {call.command} within {within}; what became of it is not known"
        )

    def _subscribed(self, names: tuple[str, ...]) -> Subscription[Any]:
        subscription: Subscription[Any] = Subscription(wanted_names(names), self._subscriptions.discard)
        if self._end is not None:
            subscription._ended(self._end)
        self._subscriptions.add(subscription)
        return subscription

    async def wait_closed(self) -> None:
        """Return when the connection has ended."""
        await self._ended.wait()

    def _message(
        self,
        command: str,
        request_id: int,
        payload: Mapping[str, Any] | Payload | None,
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
        # Put together as bytes, because the payload is encoded already.
        return b'{"header":' + orjson.dumps(header) + b',"payload":' + body + b"}"

    async def _send(self, message: bytes) -> None:
        text = message.decode()
        if self._trace is not None:
            self._trace("→", text)
        try:
            await self._websocket.send_message(text)
        except trio_websocket.ConnectionClosed as closed:
            raise Disconnected(
                f"the connection to {self.uri} has ended: {why_closed(closed.reason)}"
            ) from None

    async def _give_up(self, request_id: int) -> None:
        """Tell the service that nobody waits for a command any more."""
        self._last_request_id += 1
        message = self._message("Common.Cancel", self._last_request_id, {"requestIds": [request_id]}, 0)
        # Shielded, or it would be cancelled itself; bounded, because the service may not read. A connection
        # that is lost meanwhile must not hide why the call ends.
        with trio.move_on_after(1, shield=True), suppress(Disconnected):
            await self._send(message)

    async def _keep_alive(self, seconds: float) -> None:
        """End the connection when the service says nothing for long, and answers no ping."""
        with suppress(trio_websocket.ConnectionClosed):
            while not self._ended.is_set():
                heard = self._heard
                await trio.sleep(seconds)
                if self._heard != heard:
                    continue
                with trio.move_on_after(seconds) as waited:
                    await self._websocket.ping()
                if waited.cancelled_caught and self._heard == heard:
                    self._silent = seconds
                    self._reading.cancel()
                    return

    async def _read(self) -> None:
        with self._reading:
            await self._read_on()

    async def _read_on(self) -> None:
        reason = "it was closed here"
        try:
            while True:
                text = await self._websocket.get_message()
                self._heard += 1
                if self._trace is not None:
                    self._trace("←", text if isinstance(text, str) else text.decode())
                self._receive(text)
        except trio_websocket.ConnectionClosed as closed:
            reason = why_closed(closed.reason)
        except (msgspec.DecodeError, RecursionError, UnicodeError, KeyError, TypeError) as unreadable:
            reason = f"the service sent what is not an XFS4IoT message ({unreadable})"
            _log.error("%s: %s", self.uri, reason)
        finally:
            if self._silent:
                reason = f"nothing was heard for {2 * self._silent:g} s, not even the answer to a ping"
            # No await from here on: a call that began in between would wait forever.
            self._end = f"the connection to {self.uri} has ended: {reason}"
            self._ended.set()
            for call in self._calls.values():
                # Its answer has come, and it has only not been awake since.
                if call.done.is_set():
                    continue
                call.failure = Disconnected(f"{self._end}; what became of {call.command} is not known")
                call.end()
            for subscription in self._subscriptions:
                subscription._ended(self._end)

    def _receive(self, text: str | bytes) -> None:
        message: Any = _decode(text)
        if not isinstance(message, dict):
            raise TypeError("a message must be an object")
        header, payload = message["header"], message.get("payload") or {}
        if not all(isinstance(one, dict) for one in (header, payload)):
            raise TypeError("header and payload must be objects")
        kind, name, request_id = header["type"], header.get("name", ""), header.get("requestId")
        if not (isinstance(name, str) and isinstance(kind, str)):
            raise TypeError("type and name must be strings")
        if kind in ("event", "unsolicited"):
            event: Event[Any] = Event(name, payload, request_id, header.get("version"), self.version)
            call = self._calls.get(request_id) if request_id is not None else None
            if call is not None:
                # Some services forget to acknowledge.
                call.acknowledged.set()
            if call is not None and call.on_event is not None and not call.is_given_up:
                try:
                    call.on_event(event)
                except Exception as fault:
                    # The application's fault, and this call's alone.
                    call.failure, call.is_given_up = fault, True
                    call.end()
            for subscription in list(self._subscriptions):
                subscription._offer(event)
            return
        call = self._calls.get(request_id)
        # It was cancelled here, or its answer is not waited for (`Common.Cancel`, and `after` in `answer`).
        if call is None or call.is_given_up:
            return
        call.header = header
        # Decided by the message: a service may answer in another envelope than that of this client's version.
        legacy = payload if header.keys().isdisjoint(_ENVELOPE_IN_HEADER) else header
        description = legacy.get("errorDescription")
        if kind == "acknowledge":
            call.acknowledged.set()
            status = legacy.get("status")
            if status not in (None, "ok"):
                call.failure = CommandRefused(call.command, status, description)
                call.end()
            return
        code = legacy.get("completionCode", "success")
        code = _OTHER_SPELLINGS.get(code, code)
        if legacy is payload:
            payload = {k: v for k, v in payload.items() if k not in ("completionCode", "errorDescription")}
        call.payload = payload
        if code != "success":
            call.failure = CommandFailed(call.command, code, description, payload or None)
        call.end()
