"""An application's session at a gateway: its socket on one side, the link to the device on the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import trio

from xfs4iot import _core
from xfs4iot.fleet.admission import Admission
from xfs4iot.fleet.link import Link, Segment
from xfs4iot.fleet.overhearing import Overheard
from xfs4iot.server.peer import Peer
from xfs4iot.telling import told
from xfs4iot.transport import tcp, tls
from xfs4iot.transport.readers import Readers, Reading

__all__ = ["Application"]

_SEND_SECONDS = 30.0
_LEAVING_SECONDS = 30.0
"""What a device has to end a session whose application has gone; each counts until then."""
_GOING_AWAY = 1001
_FAREWELL_SECONDS = 1.0


class Application:
    """One application's session.

    Args:
        flush: sends what its link has to say.
        to, own: subjects of the device's and the gateway's side.

    Attributes:
        answer: of the device to the opening; None as long as there is none, or if nobody is there.
        answered: when it is there, or will not be.
        over: when either side has ended.
        overheard: reads along what the device says; None where nothing is counted.
    """

    def __init__(
        self, peer: Peer, admission: Admission, flush: Callable[[Application], None], to: str, own: str
    ) -> None:
        self.peer, self.to, self.own = peer, to, own
        self._admission, self._flush = admission, flush
        self.link = Link(trio.current_time())
        self.answer: Segment | None = None
        self.answered = trio.Event()
        self.stream: tcp.SocketStream | tls.TLSStream | None = None
        self.over = trio.Event()
        self.overheard: Overheard | None = None
        self._reading: Reading | None = None
        self._rest = b""
        self._writing = False
        self._whole = True
        self._gone = False
        self._frames = _core.FrameCounter()
        self._held_until = 0.0

    @property
    def sid(self) -> str:
        """Id of the session."""
        return self.own.rpartition(".")[2]

    async def relay(
        self, stream: tcp.SocketStream | tls.TLSStream, readers: Readers, nursery: trio.Nursery, first: bytes
    ) -> None:
        """Carry bytes both ways until either side ends."""
        self.stream, self._nursery = stream, nursery
        self._reading = reading = Reading(readers, stream, self._from_application)
        if first:
            self._from_application(first, trio.current_time())
        self.changed(trio.current_time())
        try:
            async with trio.open_nursery() as own:
                own.start_soon(self._read, readers, reading)
                await self.over.wait()
                own.cancel_scope.cancel()
        except BaseException:
            # Cancelled, as a rule; then all that waits would be cancelled, too.
            self.link.ended = self.link.ended or "the gateway ends; connect to another"
            with trio.move_on_after(_FAREWELL_SECONDS, shield=True), suppress(trio.BusyResourceError):
                await self._leave(stream)
            raise
        await self._leave(stream)

    async def _read(self, readers: Readers, reading: Reading) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await readers.read(reading)
        if not self._rest:
            self.link.close(trio.current_time())
            self._flush(self)
        self._gone = True
        self.changed(trio.current_time())
        await trio.sleep(_LEAVING_SECONDS)
        self.link.ended = self.link.ended or "the device does not end the session"
        self.over.set()

    def _from_application(self, data: bytes, now: float) -> None:
        if wait := self._admission.spend(self.peer, self._frames.feed(data)):
            self._held_until = now + wait
        self._rest = self._rest + data if self._rest else data
        self._push(now)
        if self._reading is not None and (self._rest or self._held_until):
            self._reading.pause()

    def _push(self, now: float) -> None:
        if self._rest and (sent := self.link.send(self._rest, now, whole=False)):
            self._rest = self._rest[sent:]
        if self._gone and not self._rest:
            self.link.close(now)
        self._flush(self)

    def changed(self, now: float) -> None:
        """Do what follows from what has arrived by the link."""
        link = self.link
        if self.stream is None:
            return
        if self._rest:
            self._push(now)
        if self._held_until and now >= self._held_until:
            self._held_until = 0.0
        if self._reading is not None and self._reading.paused and not (self._rest or self._held_until):
            self._reading.resume()
        while not self._writing and (taken := link.take()) is not None:
            number, data, self._whole = taken
            if self.overheard is not None:
                self.overheard.feed(data, now)
            try:
                sent = 0 if self._gone else self.stream.send_now(data)
                if self._gone or (sent == len(data) and not self.stream.has_unsent):
                    link.consumed(number, now)
                else:
                    self._writing = True
                    self._nursery.start_soon(self._write, self.stream, number, data[sent:])
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._gone = True
                link.close(now)
        self._flush(self)
        if not self._writing and not link.has_arrived and (link.closed or link.ended is not None):
            self.over.set()

    async def _write(self, stream: tcp.SocketStream | tls.TLSStream, number: int, data: bytes) -> None:
        """Write what the application does not take at once; what comes behind waits at the device."""
        try:
            with trio.move_on_after(_SEND_SECONDS) as patience:
                await stream.send_all(data)
            if patience.cancelled_caught:
                self.link.ended = f"the application took no data for {_SEND_SECONDS:g} s"
                self._whole = False
                # What has arrived besides is not for it any more: each piece would wait as long again.
                self._gone = True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._gone = True
            self.link.close(trio.current_time())
        self._writing = False
        now = trio.current_time()
        self.link.consumed(number, now)
        self.changed(now)

    async def _leave(self, stream: tcp.SocketStream | tls.TLSStream) -> None:
        """Tell the application how it ended, in the way of a service that goes."""
        link = self.link
        link.close(trio.current_time())
        self._flush(self)
        if link.ended is not None and not link.closed and self._whole:
            reason = told(link.ended)[:100]
            try:
                with trio.move_on_after(1):
                    await stream.send_all(_core.close(_GOING_AWAY, reason))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        await tcp.linger(stream)
