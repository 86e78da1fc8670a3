"""A receipt printer at the other end of a line: it prints what it gets, and sees what a test says."""

from __future__ import annotations

import os
import re
import tty
from collections.abc import Awaitable, Callable

import trio

from xfs4iot.printing.escpos.interpreter import EscPosInterpreter
from xfs4iot.printing.escpos.sensors import Sensors
from xfs4iot.printing.outcomes import Answer, Cut

__all__ = ["VirtualPrinter"]

_REALTIME = re.compile(rb"\x10\x04([\x01-\x04])")
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"

Send = Callable[[bytes], Awaitable[None]]


class VirtualPrinter:
    """What hangs at the line.

    Attributes:
        sensors: what they see; while the printer is stopped, it takes bytes but prints nothing.
        pieces: that were cut.
        mute: it answers nothing.
        chatter: what it says again and again, instead of an answer to anything but a question of its sensors.
        on: whether it is switched on; if not, it hangs up on whoever comes.
        pace: seconds between one byte and the next that it takes from the line, or `gulp` of them from a
            terminal; questions of its sensors come behind all others.
        gulp: bytes that it takes from a terminal at once.
        print_pace: the same of what it prints; its sensors are asked beside that.
        paper_left: bytes for whose print there is still paper.
        hangs_up_after: bytes after which it closes the connection, whatever is still to come.
        came: all bytes that have come.
    """

    def __init__(self) -> None:
        self.sensors = Sensors()
        self.pieces: list[Cut] = []
        self.mute = False
        self.chatter = b""
        self.on = True
        self.pace = 0.0
        self.gulp: int | None = None
        self.print_pace = 0.0
        self.paper_left: int | None = None
        self.hangs_up_after: int | None = None
        self.came = b""
        self._printer = EscPosInterpreter(sensors=lambda: self.sensors)
        self._waiting = b""
        self._send: Send | None = None
        self._stream: trio.SocketStream | None = None
        self._nursery: trio.Nursery | None = None
        self._printing = False

    async def switch_off(self) -> None:
        """The power goes: the connection, and all that is not printed."""
        self.on, self._waiting = False, b""
        self._printer.power_cycled()
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)

    def switch_on(self) -> None:
        self.on = True

    async def see(self, sensors: Sensors) -> None:
        """The sensors see something else; what has waited is printed if it can be."""
        self.sensors = sensors
        await self._take(b"")

    def torn(self) -> Cut | None:
        """What was printed and not cut."""
        return self._printer.torn()

    async def _take(self, data: bytes) -> None:
        self.came += data
        for question in _REALTIME.findall(data):
            await self._say(self.sensors.answer(question[0]))
        if self.chatter and (data := _REALTIME.sub(b"", data)):
            while True:
                await self._say(self.chatter)
        self._waiting += _REALTIME.sub(b"", data)
        if _CLEAR in self._waiting:
            self._waiting = self._waiting.rpartition(_CLEAR)[2]
        while self._waiting and not self.sensors.stopped and not self._printing:
            much = 1 if self.print_pace else len(self._waiting)
            if self.paper_left is not None:
                much = min(much, self.paper_left)
                self.paper_left -= much
            printed, self._waiting = self._waiting[:much], self._waiting[much:]
            for one in self._printer.feed(printed):
                if isinstance(one, Answer):
                    await self._say(one.data)
                elif isinstance(one, Cut):
                    self.pieces.append(one)
            if self.paper_left == 0:
                self.sensors, self.paper_left = Sensors(offline=True, paper_out=True), None
            if self.print_pace and self._nursery is not None:
                self._printing = True
                self._nursery.start_soon(self._print_later)

    @property
    def busy(self) -> bool:
        """Whether it has more to print, with nothing that keeps it from that."""
        return bool(self._printing or (self._waiting and not self.sensors.stopped))

    async def _print_later(self) -> None:
        await trio.sleep(self.print_pace)
        self._printing = False
        await self._take(b"")

    async def _say(self, data: bytes) -> None:
        if not self.mute and self._send is not None:
            await self._send(data)

    async def on_network(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen on a port of this machine, which is what has started."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as self._nursery:
            await trio.serve_listeners(
                self._on_stream,
                listeners,
                task_status=_Started(task_status, port),  # type: ignore[arg-type]
            )

    async def _on_stream(self, stream: trio.SocketStream) -> None:
        if not self.on:
            await trio.aclose_forcefully(stream)
            return
        self._send, self._stream = stream.send_all, stream
        try:
            while data := await stream.receive_some(1 if self.pace else None):
                await trio.sleep(self.pace)
                if self._stream is not stream:
                    # Switched off meanwhile: what was on the line is lost, however soon it is on again.
                    return
                await self._take(bytes(data))
                if self.hangs_up_after is not None and len(self.came) >= self.hangs_up_after:
                    self.hangs_up_after = None
                    await trio.aclose_forcefully(stream)
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def on_terminal(self, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Sit at the end of a pseudo terminal, whose name is what has started."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        async with trio.lowlevel.FdStream(ours) as stream:
            self._send = stream.send_all
            task_status.started(os.ttyname(theirs))
            try:
                while data := await stream.receive_some(self.gulp):
                    await trio.sleep(self.pace)
                    await self._take(bytes(data))
            finally:
                os.close(theirs)


class _Started:
    """Tells the port where trio tells the listeners."""

    def __init__(self, task_status: trio.TaskStatus[int], port: int) -> None:
        self._task_status, self._port = task_status, port

    def started(self, listeners: object) -> None:
        self._task_status.started(self._port)
