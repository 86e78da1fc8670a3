"""A conversation with a service, message by message, as a foreign client would have it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import trio
import trio_websocket

from spoken import command_of, heard, is_standard, said, spoken
from strict import complaints
from xfs4iot.protocol.adapters import NEWEST, spelling
from xfs4iot.protocol.versions import telling_version

__all__ = ["Dialogue", "another", "dialogue", "outcome"]

_LARGEST = 64 * 1024 * 1024
"""Bytes; answers can have pictures of pages."""


class Dialogue:
    """Sends texts or messages and receives messages, over trio-websocket.

    Attributes:
        translates: it says what a test asks in the words of an older version, and what is answered in those
            of the newest, see `spoken`.
        dialect: of the service; what the standard's says is read by a strict client, see `strict`.
        passed: events that came while something else was waited for.
        patience: seconds until what does not come is missed.
        uri: of the service; "" where the conversation was not begun by `dialogue`.
    """

    patience = 60
    uri = ""

    def __init__(
        self,
        connection: trio_websocket.WebSocketConnection,
        specification: str | None = None,
        dialect: str = "standard",
    ) -> None:
        self.connection = connection
        self.specification = specification or spoken.version
        spoken.otherwise |= specification not in (None, NEWEST)
        self.translates = specification is None and spoken.version != NEWEST
        self.dialect = dialect
        self.passed: list[dict[str, Any]] = []
        self._last = 0

    async def send_text(self, text: str | bytes) -> None:
        await self.connection.send_message(text)

    async def send(self, name: str, payload: Any = None, **header: Any) -> int:
        """Send a command; returns its request id. A header field of None is left out."""
        self._last += 1
        if self.translates:
            name, payload, header = self._translated(name, payload, header)
        version = None if self.specification == "2021-1" else telling_version(name, self.specification)
        fields = {"type": "command", "name": name, "requestId": self._last, "version": version, **header}
        message: dict[str, Any] = {"header": {k: v for k, v in fields.items() if v is not None}}
        if payload is not None:
            message["payload"] = payload
        await self.send_text(json.dumps(message))
        return fields["requestId"]

    def _translated(self, name: str, payload: Any, header: dict[str, Any]) -> tuple[str, Any, dict[str, Any]]:
        """A command as the version that is spoken has it."""
        if not is_standard(name):
            return name, payload, {"version": "1.0", **header}
        payload = said(name, payload, self.specification)
        if self.specification == "2021-1" and "timeout" in header:
            payload = {**(payload or {}), "timeout": header["timeout"]}
            header = {key: one for key, one in header.items() if key != "timeout"}
        return spelling(name, self.specification), payload, header

    async def receive(self) -> dict[str, Any]:
        with trio.fail_after(self.patience):
            text = await self.connection.get_message()
        message: dict[str, Any] = json.loads(text, parse_float=Decimal)
        if self.dialect == "standard":
            wrong = complaints(message)
            assert not wrong, (wrong, message)
        return heard(message, self.specification) if self.translates else message

    async def until(
        self, type: str, request_id: int | None = None, name: str | None = None
    ) -> dict[str, Any]:
        """The next message of this type (and id, and name); other messages are kept in `passed`."""
        for index, message in enumerate(self.passed):
            if _fits(message, type, request_id, name):
                return self.passed.pop(index)
        while True:
            message = await self.receive()
            if _fits(message, type, request_id, name):
                return message
            self.passed.append(message)

    async def completion(self, name: str, payload: Any = None, **header: Any) -> dict[str, Any]:
        """Send a command, see it acknowledged, and return its completion.

        What the version that is spoken has no command for, another client asks, of the newest.
        """
        if (
            self.translates
            and self.uri
            and is_standard(name)
            and command_of(self.specification, name) is None
        ):
            async with trio_websocket.open_websocket_url(self.uri) as connection:
                return await Dialogue(connection, NEWEST).completion(name, payload, **header)
        request_id = await self.send(name, payload, **header)
        acknowledge = await self.until("acknowledge", request_id)
        assert "status" not in acknowledge["header"], acknowledge
        return await self.until("completion", request_id)

    async def success(self, name: str, payload: Any = None, **header: Any) -> dict[str, Any]:
        """The payload of a command's completion, which must be good."""
        completion = await self.completion(name, payload, **header)
        assert outcome(completion) == "success", completion
        found: dict[str, Any] = completion.get("payload") or {}
        return found

    async def failure(self, name: str, payload: Any = None, **header: Any) -> str:
        """How a command failed: its error code, or else its completion code."""
        completion = await self.completion(name, payload, **header)
        why = outcome(completion)
        assert why != "success", completion
        said = completion["header"] | (completion.get("payload") or {})
        assert said.get("errorDescription"), completion
        if why == "commandErrorCode":
            why = completion["payload"]["errorCode"]
        return why

    async def closed(self) -> trio_websocket.CloseReason:
        """How the service closed the connection."""
        try:
            while True:
                await self.receive()
        except trio_websocket.ConnectionClosed as closed:
            return closed.reason


def outcome(completion: dict[str, Any]) -> str:
    """How a command ended: `success` where the message does not say otherwise."""
    header = completion["header"]
    own = {} if "version" in header else completion.get("payload") or {}
    return str(header.get("completionCode") or own.get("completionCode") or "success")


def _fits(message: dict[str, Any], type: str, request_id: int | None, name: str | None) -> bool:
    header = message["header"]
    return (
        header["type"] == type
        # What an older version tells everybody has no request id, see `spoken.heard`.
        and (request_id is None or header.get("requestId", request_id) == request_id)
        and (name is None or header.get("name") == name)
    )


async def dialogue(
    uri: str,
    specification: str | None = None,
    dialect: str = "standard",
    *,
    task_status: trio.TaskStatus[Dialogue] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Hold a conversation open until cancelled; `await nursery.start(dialogue, uri)` gives it."""
    parts = urlsplit(uri)
    stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
    async with stream, trio.open_nursery() as nursery:
        connection = await trio_websocket.wrap_client_stream(
            nursery, stream, parts.netloc, parts.path, max_message_size=_LARGEST
        )
        conversation = Dialogue(connection, specification, dialect)
        conversation.uri = uri
        task_status.started(conversation)
        await trio.sleep_forever()


async def another(client: Dialogue, nursery: trio.Nursery, specification: str | None = None) -> Dialogue:
    """A further client of the same service."""
    found: Dialogue = await nursery.start(dialogue, client.uri, specification)
    return found
