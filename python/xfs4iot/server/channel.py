"""One client's messages: frames in, frames out, and how the connection ends.

What arrives is handled on the spot: every message in it, then all answers leave in one send,
without waking a task (see `transport.readers`). What other tasks send (events, completions of
queued commands) goes into the same outgoing buffer and leaves together. Nobody ever waits for a
client: while it takes no answers, its messages are not read; the events that pile up for it are
bounded; and a client that does not read for too long is disconnected.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Any, Protocol

import trio

from xfs4iot import _core
from xfs4iot.dataclass import dataclass
from xfs4iot.server.deadlines import Deadlines
from xfs4iot.server.large_messages import LargeMessages
from xfs4iot.server.peer import Peer
from xfs4iot.telling import logger
from xfs4iot.transport.readers import Readers, Reading, ReadyStream

__all__ = ["Channel", "SessionLimits"]

_log = logger("xfs4iot.session")

_NORMAL, _GOING_AWAY, _TOO_BIG = 1000, 1001, 1009
_FLUSH_BYTES = 256 * 1024
"""Answers are sent before the inbox is empty when so much is ready."""
_FAREWELL_SECONDS = 2.0
"""How long a client may take to hang up after the connection was closed for what it sent."""


@dataclass(frozen=True)
class SessionLimits:
    """What one connection may use.

    Attributes:
        message_bytes: size of an incoming message; above it the connection closes with 1009, unless its
            command may be larger, see `large_messages`.
        large_bytes: what large messages may take together, in each service.
        message_values: members and elements in the payload of a command; with more it ends `invalidData`.
        outgoing_bytes: what may wait for a client that does not read.
        send_seconds: how long one write may take.
        idle_seconds: silence after which a ping is sent, and after twice that the connection dropped.
        open_commands: commands of one connection that may be queued or running at once.
        log_messages: log every message at level debug, with what is sensitive masked.
    """

    message_bytes: int = 2 * 1024 * 1024
    large_bytes: int = 64 * 1024 * 1024
    message_values: int = 100_000
    outgoing_bytes: int = 8 * 1024 * 1024
    send_seconds: float = 30.0
    idle_seconds: float = 60.0
    open_commands: int = 256
    log_messages: bool = False


class _Host(Protocol):
    """The service, as far as messages on their way need it."""

    nursery: trio.Nursery
    deadlines: Deadlines
    large: LargeMessages


class Channel(ABC):
    """One client's connection as a carrier of messages; the session decides what becomes of them."""

    __slots__ = (
        "_closing",
        "_flush_due",
        "_handling",
        "_inbox",
        "_out",
        "_out_bytes",
        "_out_largest",
        "_reading",
        "_receiver",
        "_said_goodbye",
        "_silence",
        "_stream",
        "_written",
        "last_received",
        "limits",
        "peer",
        "service",
    )

    def __init__(
        self, service: _Host, stream: ReadyStream, readers: Readers, peer: Peer, limits: SessionLimits
    ) -> None:
        self.service = service
        self.peer = peer
        self.limits = limits
        self.last_received = trio.current_time()
        self._stream = stream
        self._receiver = _core.Receiver(max_message=max(limits.message_bytes, service.large.most))
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._out_largest = 0
        self._inbox: list[Any] = []
        """What was received and not handled yet, the oldest last."""
        self._reading = Reading(readers, stream, self.received)
        self._written: trio.Event | None = None
        """Set when what is being written by a task of its own has been; None when there is no such."""
        self._handling = False
        self._flush_due = False
        self._closing = False
        self._said_goodbye = False

    @abstractmethod
    def _accept(self, message: _core.Message) -> None:
        """Answer a command, at once or later."""

    @abstractmethod
    def _refuse_unread(self, refusal: _core.Refusal) -> None:
        """Answer what could not be read."""

    @abstractmethod
    def _ended(self) -> None:
        """Let go of what was done for the client: it is gone."""

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """Logs with the connection's address and the client's name."""
        return logging.LoggerAdapter(_log, self.peer.log_fields)

    async def run(self, first: bytes = b"") -> None:
        """Serve the connection until it ends; never raises for anything the client does.

        Args:
            first: bytes that arrived together with the opening handshake.
        """
        self._listen(self.last_received + self.limits.idle_seconds)
        try:
            if first:
                self.received(first, trio.current_time())
            if not self._closing:
                await self._reading.readers.read(self._reading)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as gone:
            self.log.debug("connection lost: %s", gone)
        finally:
            # Before `_ended`: the commands it cancels must complete without writing to the stream.
            self._closing = True
            self.service.deadlines.drop(self._silence)
            self.service.large.release(self)
            self._ended()
            with trio.move_on_after(_FAREWELL_SECONDS) as scope:
                scope.shield = True
                await self._take_leave()
                await self._stream.aclose()

    async def _take_leave(self) -> None:
        """Let our last words get through: what the client still sends must not destroy them."""
        if self._written is not None:
            await self._written.wait()
        if not self._said_goodbye:
            return
        try:
            # Closing with unread input makes TCP reset the connection and discard what is on its way.
            while await self._stream.receive_some():
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    def received(self, data: bytes, now: float) -> None:
        """Handle what has arrived at the time `now`, and send every answer that is ready."""
        self.last_received = now
        items = self._receiver.receive(data)
        if self.service.large.most:
            self._hold_what_arrives()
        if len(items) > 1:
            # The oldest last, since `_handle` pops from the end.
            items.reverse()
        if self._inbox:
            # Older leftovers go behind the new.
            items += self._inbox
        self._inbox = items
        self._handle()

    def _hold_what_arrives(self) -> None:
        """Set aside memory for a large message that is arriving."""
        large, pending = self.service.large, self._receiver.pending
        if pending <= self.limits.message_bytes:
            large.release(self)
        elif not large.hold(self, pending):
            self.refuse_large("too many large messages at once; send it again later")

    def refuse_large(self, reason: str) -> None:
        """Close the connection for a message that is too large."""
        self.log.warning("connection closed with %d: %s", _TOO_BIG, reason)
        self.send(_core.close(_TOO_BIG, reason))
        self._closing = self._said_goodbye = True

    def _handle(self) -> None:
        """Handle what is in the inbox for as long as the client takes the answers."""
        inbox = self._inbox
        self._handling = True
        try:
            while inbox and not self._closing:
                item = inbox.pop()
                if type(item) is _core.Message:
                    self._accept(item)
                else:
                    self._other(item)
                if self._out_bytes > _FLUSH_BYTES:
                    self._flush()
                    # The client does not keep up; `_write` comes back for the rest of the inbox.
                    if self._written is not None:
                        break
        except Exception:
            self.log.exception("the connection failed inside the service and is dropped")
            self.abort()
        finally:
            self._handling = False
        if self._out:
            self._flush()
        if self._closing:
            self._reading.end()

    def _other(self, item: _core.Refusal | _core.Ping | _core.Pong | _core.Close | _core.Violation) -> None:
        match item:
            case _core.Refusal():
                self._refuse_unread(item)
            case _core.Ping():
                self.send(_core.pong(item.payload))
            case _core.Close():
                # 1005 means that the frame had no code, and must never be sent itself. `_closing` is set
                # after the send, which drops everything from then on.
                self.send(_core.close(_NORMAL if item.code == 1005 else item.code))
                self._closing = True
            case _core.Violation():
                self.log.warning("connection closed with %d: %s", item.code, item.reason)
                self.send(_core.close(item.code, item.reason))
                self._closing = self._said_goodbye = True

    def send(self, frames: bytes) -> None:
        """Put whole frames into the outgoing buffer; they leave with all that is ready. Never waits."""
        if self._closing:
            return
        self._out.append(frames)
        size = len(frames)
        self._out_bytes += size
        if size > self._out_largest:
            self._out_largest = size
        # One message may be larger: an image is, and is read as fast as the small events around it.
        if self._out_bytes - self._out_largest > self.limits.outgoing_bytes:
            self.log.warning("disconnected: it does not read, %d bytes are waiting for it", self._out_bytes)
            self.abort()
        elif not self._handling and not self._flush_due and self._written is None:
            # Nobody is about to flush: one task collects all that is added before it runs.
            self._flush_due = True
            self.service.nursery.start_soon(self._flush_soon)

    async def _flush_soon(self) -> None:
        """Send what other tasks have put into the buffer by the time this one runs."""
        self._flush_due = False
        if self._out:
            self._flush()

    def _flush(self) -> None:
        """Send what the network takes now; what it does not take is sent by a task that waits."""
        if self._written is not None:
            return
        out = self._out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._out_bytes = 0
        self._out_largest = 0
        try:
            sent = self._stream.send_now(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.abort()
            return
        if sent < len(data) or self._stream.has_unsent:
            self._written = trio.Event()
            # Back-pressure: no more commands are read from a client that takes no answers.
            self._reading.pause()
            self.service.nursery.start_soon(self._write, data[sent:])

    async def _write(self, data: bytes) -> None:
        """Send `data` and what is added meanwhile to a client that is slower than we are."""
        # `_out` is always emptied in place, never replaced, so this stays the live buffer.
        out, written = self._out, self._written
        assert written is not None
        try:
            while True:
                with trio.move_on_after(self.limits.send_seconds) as scope:
                    await self._stream.send_all(data)
                if scope.cancelled_caught:
                    self.log.warning("disconnected: it took no data for %g s", self.limits.send_seconds)
                    self.abort()
                # Also the way out after `abort`, which has emptied `out`.
                if not out:
                    break
                data = b"".join(out)
                out.clear()
                self._out_bytes = 0
                self._out_largest = 0
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.abort()
        finally:
            self._written = None
            written.set()
        self._reading.resume()
        if self._inbox:
            self._handle()

    def _listen(self, until: float) -> None:
        """See then whether the client has said anything meanwhile."""
        self._silence = self.service.deadlines.add(until, self._check_silence)

    def _check_silence(self) -> None:
        """Find out whether the client died without a word: ask, and when it does not answer, drop it."""
        now, idle = trio.current_time(), self.limits.idle_seconds
        silent = now - self.last_received
        if silent < idle:
            # Set anew only here: moving the deadline with every message would cost each of them.
            self._listen(self.last_received + idle)
        elif silent < 2 * idle:
            self.send(_core.ping())
            self._listen(self.last_received + 2 * idle)
        else:
            self.log.warning("disconnected: silent for %.0f s", silent)
            self.abort()

    def abort(self) -> None:
        """Drop the connection without ceremony."""
        self._closing = True
        self._out.clear()
        self._inbox.clear()
        self._reading.end()
        self.service.nursery.start_soon(self._stream.aclose)

    async def close(self, code: int = _GOING_AWAY, reason: str = "the service ends") -> None:
        """Say goodbye and close, within a second."""
        if not self._closing:
            self.send(_core.close(code, reason))
            self._closing = True
        if self._out:
            self._flush()
        self._reading.end()
        if self._written is not None:
            with trio.move_on_after(1):
                await self._written.wait()
        await self._stream.aclose()
