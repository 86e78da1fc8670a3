"""One task that reads for many connections.

Waking a task for every message that arrives costs more than handling the message. So the
sockets of all connections are watched by one selector, whose own file descriptor is the only
thing trio is asked to wait for; when it is readable, one task takes what has arrived on each
ready socket and hands it to its owner, who answers on the spot with `send_now`. The selector
is level-triggered: a socket is registered once, not once for each message. While more arrives than
can be taken in one go, it is asked again without a turn of trio's loop, for a millisecond at most.

A connection still has a task of its own, which sleeps in `Readers.read` until the connection
ends, and is where its life begins and ends. Where the platform has no selector that can be
waited for, that task reads by itself.
"""

from __future__ import annotations

import select
import selectors
import time
from collections.abc import Callable
from typing import Any, Protocol

import trio

from xfs4iot.telling import logger

__all__ = ["Readers", "Reading", "ReadyStream"]

_log = logger("xfs4iot.readers")

_IN_ONE_GO = 0.001
"""Seconds after which other tasks get their turn, however much arrives."""


class ReadyStream(Protocol):
    """A stream that can be asked for what it can do without waiting."""

    @property
    def has_unsent(self) -> bool:
        """Whether something accepted by `send_now` waits for `send_all` to flush it."""

    def fileno(self) -> int:
        """The socket below; -1 when closed."""

    def receive_now(self) -> bytes | None:
        """What has arrived; None if nothing, empty when the peer has ended."""

    def send_now(self, data: bytes) -> int:
        """How much of `data` was accepted without waiting."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has arrived, waiting for it."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`, after what is unsent."""

    async def aclose(self) -> None:
        """Close."""


def _nobody(data: bytes, now: float) -> None:
    """Takes what arrives when the owner is gone.

    The owner holds its reading, so a reading that held on to its owner would keep both, and
    the buffers of their TLS with them, until the next round of the garbage collector.
    """


class Reading:
    """One connection that is being read.

    Args:
        stream: what is read.
        received: is given everything that arrives, and trio's time when it was taken; must not raise.
    """

    __slots__ = ("_ended", "_fd", "_resumed", "failure", "readers", "received", "stream")

    received: Callable[[bytes, float], None]

    def __init__(
        self, readers: Readers, stream: ReadyStream, received: Callable[[bytes, float], None]
    ) -> None:
        self.readers = readers
        self._fd = -1
        self._ended = trio.Event()
        self._resumed: trio.Event | None = None
        self.stream = stream
        self.received = received
        self.failure: Exception | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will be handed on."""
        return self._ended.is_set()

    @property
    def paused(self) -> bool:
        """Whether nothing is read at present."""
        return self._resumed is not None

    async def until_ended(self) -> None:
        """Wait until nothing more is handed on."""
        await self._ended.wait()

    def ready(self, now: float) -> None:
        """Take what has arrived and hand it on."""
        try:
            data = self.stream.receive_now()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as gone:
            self.failure = gone
            self.end()
            return
        if data:
            self.received(data, now)
        elif data is not None:
            self.end()

    def pause(self) -> None:
        """Read nothing until `resume`: the peer takes no answers."""
        if self._resumed is None:
            self._resumed = trio.Event()
            self.readers.unwatch(self)

    def resume(self) -> None:
        """Read again."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None
            if not self.ended:
                self.readers.watch(self)

    def end(self) -> None:
        """Hand on nothing more, and let go of the owner."""
        self.readers.unwatch(self)
        self._ended.set()
        self.received = _nobody


class _Selector(Protocol):
    """What tells which sockets are readable: an `epoll`, or what stands for one elsewhere."""

    def register(self, fd: int, events: int, /) -> None: ...

    def unregister(self, fd: int, /) -> None: ...

    def fileno(self) -> int: ...

    def poll(self, timeout: float, /) -> list[tuple[int, int]]: ...


class _Other:
    """The best selector of a platform without epoll."""

    def __init__(self, selector: Any) -> None:
        self._selector = selector
        self.unregister = selector.unregister
        self.fileno = selector.fileno

    def register(self, fd: int, events: int) -> None:
        self._selector.register(fd, events)

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        return [(key.fd, events) for key, events in self._selector.select(timeout)]


def _selector() -> _Selector | None:
    """A selector that can be waited for; None where there is none (on Windows)."""
    if hasattr(select, "epoll"):
        selector: _Selector = select.epoll()
        return selector
    other = selectors.DefaultSelector()
    return _Other(other) if hasattr(other, "fileno") else None


class Readers:
    """Reads for every connection of one publisher; `run` is its task.

    Args:
        before: called before what has arrived at one time is handed on.
        afterwards: called when all of it has been.
    """

    def __init__(
        self, before: Callable[[], None] | None = None, afterwards: Callable[[], None] | None = None
    ) -> None:
        self._before, self._afterwards = before, afterwards
        self._selector = _selector()
        self._by_fd: dict[int, Reading] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        selector = self._selector
        if selector is None:
            await trio.sleep_forever()
            return
        waiting, poll, by_fd = selector.fileno(), selector.poll, self._by_fd
        before, afterwards = self._before, self._afterwards
        while True:
            await trio.lowlevel.wait_readable(waiting)
            ready = poll(0)
            until = time.perf_counter() + _IN_ONE_GO
            while ready:
                # Asked once for all: it costs as much as a fifth of what it takes to answer one.
                now = trio.current_time()
                if before is not None:
                    before()
                for fd, _ in ready:
                    # One handled earlier in this round may have ended it.
                    if (reading := by_fd.get(fd)) is not None:
                        reading.ready(now)
                if afterwards is not None:
                    afterwards()
                # A single one is no sign of more.
                if len(ready) == 1 or time.perf_counter() > until:
                    break
                ready = poll(0)

    async def read(self, reading: Reading) -> None:
        """Hand on what arrives on a connection until it ends.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: it was lost.
        """
        try:
            if self._selector is None:
                await self._read_alone(reading)
            else:
                # TLS may hold records that arrived with the handshake, which the selector never reports.
                if reading._resumed is None:
                    reading.ready(trio.current_time())
                if not reading.ended:
                    self.watch(reading)
                await reading._ended.wait()
        finally:
            reading.end()
        failure, reading.failure = reading.failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # or it would hold this frame, which holds it

    async def _read_alone(self, reading: Reading) -> None:
        while not reading.ended:
            if reading._resumed is not None:
                await reading._resumed.wait()
            data = await reading.stream.receive_some()
            if not data:
                return
            reading.received(data, trio.current_time())

    def watch(self, reading: Reading) -> None:
        """Hand on what arrives on a connection from now on."""
        if self._selector is None or reading._fd != -1 or reading._resumed is not None:
            return
        # Kept, because a closed stream no longer knows which descriptor to unregister.
        reading._fd = reading.stream.fileno()
        if reading._fd == -1:
            reading.end()
        else:
            self._selector.register(reading._fd, selectors.EVENT_READ)
            self._by_fd[reading._fd] = reading

    def unwatch(self, reading: Reading) -> None:
        """Do so no more."""
        if self._selector is not None and reading._fd != -1:
            self._selector.unregister(reading._fd)
            del self._by_fd[reading._fd]
            reading._fd = -1
