"""What a gateway counts of the sessions it carries: it reads along what devices answer, and changes nothing.

Only what comes from a device is read, whose frames are not masked: acknowledges and completions have all
that is counted. What is too long, or no message at all, is carried as all else is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import orjson

from xfs4iot import _core

__all__ = ["Overheard"]

_MOST = 64 * 1024
"""Bytes of a message that is read whole; of a longer one, its header."""
_HEADER = re.compile(rb'\s*\{\s*"header"\s*:\s*(\{[^{}]*\})')
_HEADER_BYTES = 2048
_OPEN = 10_000
"""Commands of a session whose completion is awaited."""
_CONTINUATION, _TEXT, _BINARY = 0, 1, 2
_WHOLE_TEXT = 0x80 | _TEXT


class Overheard:
    """One session, from the device to its application.

    Args:
        completed: told of each command: its name and completion code, and the seconds since its acknowledge.
        refused: told of the status of each acknowledge that refuses.
    """

    def __init__(
        self, completed: Callable[[str, str, float | None], None], refused: Callable[[str], None]
    ) -> None:
        self._completed, self._refused = completed, refused
        self._head = bytearray()
        self._rest = 0
        self._message = bytearray()
        self._long = False
        self._ends = False
        self._data = False
        self._began: dict[int, float] = {}

    def feed(self, data: bytes, now: float) -> None:
        """Read along the next piece."""
        at = 0
        if not (self._rest or self._head or self._message):
            # Nearly all: whole messages, each in one frame. What is otherwise is read piece by piece below.
            end = len(data)
            while at + 4 <= end and data[at] == _WHOLE_TEXT and (size := data[at + 1]) <= 126:
                start = at + 2
                if size == 126:
                    size, start = data[start] << 8 | data[start + 1], at + 4
                if start + size > end:
                    break
                at = start + size
                self._read(data[start:at], False, now)
            if at == end:
                return
        for message, is_long in self._messages(data[at:] if at else data):
            self._read(message, is_long, now)

    def _messages(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        at, end = 0, len(data)
        while at < end:
            if not self._rest:
                wanted = _head_length(self._head) - len(self._head)
                self._head += data[at : at + wanted]
                at += wanted
                if len(self._head) < 2 or len(self._head) < _head_length(self._head):
                    continue
                kind = self._head[0] & 0x0F
                self._rest = _payload_length(self._head) + (4 if self._head[1] & 0x80 else 0)
                self._ends = bool(self._head[0] & 0x80)
                self._data = kind in (_CONTINUATION, _TEXT, _BINARY)
                if kind in (_TEXT, _BINARY):
                    self._message.clear()
                    self._long = False
                self._head.clear()
            else:
                step = min(self._rest, end - at)
                if self._data:
                    room = _MOST - len(self._message)
                    self._message += data[at : at + min(step, max(0, room))]
                    self._long = self._long or step > room
                at += step
                self._rest -= step
            if not self._rest and self._data and self._ends:
                self._data = False
                yield bytes(self._message), self._long
                self._message.clear()

    def _read(self, message: bytes, is_long: bool, now: float) -> None:
        if is_long:
            header = _HEADER.match(message[:_HEADER_BYTES])
            if header is None:
                return
            message = b'{"header":' + header[1] + b"}"
        try:
            envelope = _core.read_envelope(message)
        except (ValueError, TypeError):
            self._odd(message)
            return
        number = envelope.request_id
        if envelope.type == "acknowledge" and envelope.status is not None:
            self._refused(envelope.status)
        elif number is None:
            return
        elif envelope.type == "acknowledge":
            if len(self._began) < _OPEN:
                self._began[number] = now
        elif envelope.type == "completion":
            began = self._began.pop(number, None)
            code = envelope.completion_code or "success"
            self._completed(envelope.name, code, None if began is None else now - began)

    def _odd(self, message: bytes) -> None:
        """A refusal may repeat a number that no message can have: the one that was refused."""
        if (header := _HEADER.match(message[:_HEADER_BYTES])) is None:
            return
        try:
            said = orjson.loads(header[1])
        except orjson.JSONDecodeError:
            return
        if said.get("type") == "acknowledge" and isinstance(status := said.get("status"), str):
            self._refused(status)


def _head_length(head: bytearray) -> int:
    """Of a head as far as it is known: without the mask, which counts as payload here."""
    if len(head) < 2:
        return 2
    return {126: 4, 127: 10}.get(head[1] & 0x7F, 2)


def _payload_length(head: bytearray) -> int:
    short = head[1] & 0x7F
    return short if short < 126 else int.from_bytes(head[2:], "big")
