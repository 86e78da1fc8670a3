"""A client that trusts nothing: every message it receives is checked against the catalogue."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import orjson
import trio
import trio_websocket

from xfs4iot.protocol import errors, registry, wire
from xfs4iot.protocol.versions import telling_version

__all__ = ["Conversation", "NoAnswer", "converse", "outcome"]

COMPLETION_CODES = frozenset({"success", *get_args(errors.CompletionCode)})


class NoAnswer(Exception):
    """A command was not completed in time."""


class Conversation:
    """One connection to a service.

    Attributes:
        problems: what was wrong with the messages that came, since it was last emptied.
    """

    def __init__(self, connection: trio_websocket.WebSocketConnection, patience: float) -> None:
        self.problems: list[str] = []
        self._connection = connection
        self._patience = patience
        self._numbers = itertools.count(1)
        self._completions: dict[int, dict[str, Any]] = {}
        self._arrived = trio.Event()

    async def listen(self) -> None:
        """Take in all messages until the connection ends."""
        try:
            while True:
                self._take(orjson.loads(await self._connection.get_message()))
        except trio_websocket.ConnectionClosed:
            pass

    def _take(self, message: dict[str, Any]) -> None:
        header = message["header"]
        kind, name = header["type"], header["name"]
        if kind == "acknowledge" and header.get("status"):
            # A refusal: no completion will follow, so it stands in for one.
            self._completions[header["requestId"]] = {"header": {"completionCode": header["status"]}}
        elif kind == "completion":
            self._check_completion(name, header, message.get("payload"))
            self._completions[header["requestId"]] = message
        elif kind in ("event", "unsolicited"):
            self._decode(name, registry.event(name).payload, message.get("payload"))
        # A trio event cannot be cleared: wake those that wait, and begin a new one.
        self._arrived.set()
        self._arrived = trio.Event()

    def _check_completion(self, name: str, header: dict[str, Any], payload: Any) -> None:
        entry, code = registry.command(name), header.get("completionCode", "success")
        if code not in COMPLETION_CODES:
            self.problems.append(f"{name} ended with {code!r}, which is not a completion code")
        said = (payload or {}).get("errorCode")
        if code == "commandErrorCode" and said not in entry.error_codes:
            self.problems.append(f"{name} ended with {said!r}, which is not one of its error codes")
        if entry.completion is not None:
            self._decode(name, entry.completion, payload)

    def _decode(self, name: str, kind: type[Any], payload: Any) -> None:
        try:
            wire.decode(kind, None if payload is None else orjson.dumps(payload))
        except Exception as wrong:
            self.problems.append(f"{name} is not the standard's: {wrong}")

    async def send(self, command: str, payload: Any = None, timeout: int = 0) -> int:
        """Send a command; returns its request id."""
        number = next(self._numbers)
        header: dict[str, Any] = {"type": "command", "name": command, "requestId": number}
        header["version"] = telling_version(command, registry.NEWEST)
        if timeout:
            header["timeout"] = timeout
        message = {"header": header} if payload is None else {"header": header, "payload": payload}
        await self._connection.send_message(wire.encode(message).decode())
        return number

    async def completion(self, number: int) -> dict[str, Any]:
        """The completion of a command.

        Raises:
            NoAnswer: none came in time.
        """
        with trio.move_on_after(self._patience):
            while number not in self._completions:
                await self._arrived.wait()
            return self._completions.pop(number)
        raise NoAnswer(f"no completion came within {self._patience:g} s")

    async def ask(self, command: str, payload: Any = None, timeout: int = 0) -> dict[str, Any]:
        """Send a command and wait for its completion."""
        return await self.completion(await self.send(command, payload, timeout))


def outcome(completion: dict[str, Any]) -> str:
    """How a command ended: the completion code, or the error code behind it."""
    code = str(completion["header"].get("completionCode", "success"))
    return str(completion["payload"]["errorCode"]) if code == "commandErrorCode" else code


@asynccontextmanager
async def converse(uri: str, patience: float) -> AsyncIterator[Conversation]:
    """A conversation with the service at `uri`."""
    async with trio_websocket.open_websocket_url(uri) as connection, trio.open_nursery() as nursery:
        conversation = Conversation(connection, patience)
        nursery.start_soon(conversation.listen)
        yield conversation
        nursery.cancel_scope.cancel()
