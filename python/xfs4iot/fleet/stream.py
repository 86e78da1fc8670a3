"""A virtual session as the stream that the device's session reads and writes."""

from __future__ import annotations

from collections.abc import Callable

import trio

from xfs4iot.fleet.link import WINDOW, Link
from xfs4iot.transport.readers import Readers, Reading

__all__ = ["CarriedReaders", "CarriedStream"]


class CarriedStream:
    """The device's end.

    Args:
        link: its state.
        flush: sends what the link has to say.
    """

    def __init__(self, link: Link, flush: Callable[[], None]) -> None:
        self.link = link
        self._flush = flush
        self._changed: trio.Event | None = None
        self._now = trio.current_time()
        self.closed = False
        self.reading: Reading | None = None

    @property
    def has_unsent(self) -> bool:
        """Never: the link holds what was accepted."""
        return False

    def fileno(self) -> int:
        """There is no socket."""
        return -1

    def changed(self, now: float) -> None:
        """Take note that something has arrived, or that there is room again."""
        self._now = now
        self._wake()
        if self.reading is not None:
            self.reading.ready(now)

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def _until_changed(self) -> None:
        if self._changed is None:
            self._changed = trio.Event()
        await self._changed.wait()
        self._now = trio.current_time()

    def receive_now(self) -> bytes | None:
        """What has arrived; None if nothing, empty when the application has ended."""
        self._check()
        link = self.link
        if (taken := link.take(WINDOW)) is not None:
            link.consumed(taken[0], self._now)
            return taken[1]
        return b"" if link.closed else None

    def send_now(self, data: bytes) -> int:
        """How much of `data` the link took."""
        self._check()
        sent = self.link.send(data, trio.current_time())
        self._flush()
        return sent

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has arrived, waiting for it."""
        await trio.lowlevel.checkpoint()
        while (data := self.receive_now()) is None:
            await self._until_changed()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`, waiting until the application has taken enough of what was sent before."""
        await trio.lowlevel.checkpoint()
        rest = bytes(data)
        while rest:
            if sent := self.send_now(rest):
                rest = rest[sent:]
            else:
                await self._until_changed()

    async def aclose(self) -> None:
        """Say that nothing more comes."""
        if not self.closed:
            self.closed = True
            self.link.close(trio.current_time())
            self._flush()
        self._wake()
        await trio.lowlevel.checkpoint()

    def _check(self) -> None:
        if self.closed:
            raise trio.ClosedResourceError("this session was closed already")
        if self.link.ended is not None and not self.link.has_arrived:
            raise trio.BrokenResourceError(self.link.ended)


class CarriedReaders(Readers):
    """Readers that are told by the uplink what has arrived, instead of by sockets."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()

    async def run(self) -> None:
        """Nothing is to be done."""
        await trio.sleep_forever()

    async def read(self, reading: Reading) -> None:
        """Hand on what arrives until the session ends."""
        try:
            self.watch(reading)
            await reading.until_ended()
        finally:
            reading.end()
        if reading.failure is not None:
            raise reading.failure

    def watch(self, reading: Reading) -> None:
        if reading.paused or not isinstance(reading.stream, CarriedStream):
            return
        reading.stream.reading = reading
        # Not at once: whoever resumes has not finished with what came before.
        self._token.run_sync_soon(self._changed, reading.stream)

    def _changed(self, stream: CarriedStream) -> None:
        stream.changed(trio.current_time())

    def unwatch(self, reading: Reading) -> None:
        if isinstance(reading.stream, CarriedStream):
            reading.stream.reading = None
