"""Real receipt printers: any that speak ESC/POS, on a network, a serial line or USB.

    [[service]]
    name = "ReceiptPrinter"
    device = "escpos"                       # pip install 'xfs4iot[escpos]'
    options = { address = "192.168.1.20" }  # or port = "/dev/ttyUSB0", or file = "/dev/usb/lp0"

A page is sent as a picture, which looks the same on every printer, or as text where the printer's own font
has all of it. Behind each page the printer is asked for a status that it gives in its turn: when the answer
comes, the page is on paper. Why none comes is what the sensors say, which are asked beside everything else
(DLE EOT), once a second. Bytes of PrintRaw are followed by the same question where their last command is
whole; in the middle of one, it would be taken for a part of that.

A line that is lost is said at once, by whoever finds it lost. Before anything is sent, a line that has gone
meanwhile is made anew: the printer was switched off and on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from xfs4iot import devices
from xfs4iot.printing.barcodes import PRINTED_BARCODES
from xfs4iot.printing.escpos import encoder
from xfs4iot.printing.escpos.commands import Parser
from xfs4iot.printing.escpos.connection import Connection, connect
from xfs4iot.printing.escpos.sensors import Sensors, realtime
from xfs4iot.printing.graphics import PRINTED_GRAPHICS
from xfs4iot.printing.pages import Head
from xfs4iot.printing.patience import Patience, while_wanted
from xfs4iot.protocol import errors

__all__ = ["EscPosPrinter"]

_SOURCE = "upper"
_ANSWER_SECONDS = 2.0
_QUIET_SECONDS = 0.5
"""After so long without further bytes an answer to PrintRaw is whole."""
_LONGEST_ANSWER = 65_536
"""Bytes that a printer answers at most; one that does not stop talking is broken."""
_PAUSE_SECONDS = 1.0
_ASKED_ONLY = b"\x1da\x00"
"""GS a: say nothing that was not asked for, whatever somebody has set before."""
_IN_TURN = b"\x1dr\x01"
"""A question that is answered when all before it is printed."""
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
"""DLE DC4: forget what is in the buffer, so that it is not printed when paper is there again."""
_RECOVER = b"\x10\x05\x02"
_CELL = 12
_PIECE = 4_096
"""Bytes that are sent before it is seen whether the printer takes any more."""


class EscPosPrinter(devices.Printer):
    """A receipt printer that speaks ESC/POS.

    Options:
        address: host, or host:port (9100 by default).
        port: of a serial line.
        baud, flow: of that line: 19200 by default; `dtr` (the default), `rts`, `xon` or `none`.
        file: of a printer on USB, such as `/dev/usb/lp0`.
        dots: in a line; 576 for paper of 80 mm (the default), 384 for 58 mm.
        dots_per_inch: 203 by default.
        output: `picture` (the default) or `text`: in the printer's own font where it has all of a page.
        cutter: whether it has one.
        seconds: after which a printer that takes nothing more, or does not end a page that it has, counts as
            stuck; 20 by default.
    """

    printer_type = frozenset({"receipt"})
    barcodes = PRINTED_BARCODES
    graphics = PRINTED_GRAPHICS
    measures_supplies = True
    service_version = "1.0"

    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, options)
        given = self.options
        if not {"address", "port", "file"} & set(given):
            raise ValueError("options: say where the printer is, by address, port or file")
        output = given.get("output", "picture")
        if output not in ("picture", "text"):
            raise ValueError(f"options.output: {output!r} is not one of picture, text")
        self._as_text = output == "text"
        self._dots = int(given.get("dots", 576))
        self._patience = float(given.get("seconds", 20))
        inch = int(given.get("dots_per_inch", 203))
        self.dots_per_inch = inch, inch
        self.columns_per_inch = round(inch / _CELL)
        self._head = Head(inch, self.columns_per_inch, self.rows_per_inch)
        width = int(self._head.in_micrometres(self._dots))
        self.paper_sources = {_SOURCE: devices.Paper(width=width)}
        self.controls = frozenset({"eject", *(("cut", "partialCut") if given.get("cutter", True) else ())})
        self._line: Connection | None = None
        self._turn = trio.Lock()
        self._drawing = trio.CapacityLimiter(1)
        self._known = Sensors()
        self._printed = False
        self._cut = True
        self._raw = Parser()
        self._went_offline = trio.Event()

    async def open(self) -> None:
        async with self._turn:
            await self._connected()
            await self._look()
        await super().open()
        self._show()

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def run(self) -> None:
        """Look at the sensors all the time, and for the printer as soon as it is lost."""
        while True:
            with trio.move_on_after(_PAUSE_SECONDS):
                await self._went_offline.wait()
            self._went_offline = trio.Event()
            try:
                async with self._turn:
                    await self._look(anew=True)
            except errors.XfsError as lost:
                self._offline(lost)
            else:
                self._show()

    def measure(self, text: str, font: devices.PrintFont) -> int:
        return self._head.measure(text, font)

    def lacks(self, text: str, font: devices.PrintFont) -> str:
        return self._head.lacks(text, font)

    # The line to the printer; whoever uses it has its turn.

    async def _connected(self) -> Connection:
        if self._line is None:
            try:
                self._line = await connect(self.options)
            except errors.XfsError as lost:
                self._offline(lost)
                raise
            # Whatever it was sent before, it may have been switched off since.
            self._raw.clear()
        return self._line

    async def _lost(self, why: str) -> errors.DeviceNotReady:
        """The connection is of no use any more; how the operation ends."""
        await self.close()
        lost = errors.DeviceNotReady(f"the printer does not answer ({why}); switch it on, and see its cable")
        self._offline(lost)
        return lost

    def _offline(self, lost: errors.XfsError) -> None:
        """Report that the printer cannot be reached, which it may be again at once."""
        if self.status.common.device != "offline":
            self.log.error("%s", lost)
            self._went_offline.set()
        self.status.common.device = "offline"

    async def _look(self, printing: bool = False, anew: bool = False) -> None:
        """Ask for what the sensors see.

        Args:
            printing: another answer is waited for besides.
            anew: nothing is under way: a line that turns out to be lost is made once more.
        """
        anew = anew and self._line is not None
        line = await self._connected()
        found = self._known
        for kind in (1, 2, 3, 4):
            try:
                with trio.fail_after(_ANSWER_SECONDS):
                    if not printing:
                        # An answer that nobody waited for would be taken for the one to this question.
                        await line.drop()
                    await line.send(bytes((0x10, 0x04, kind)))
                    answers: list[Sensors] = []
                    while not answers:
                        came = self._came(await line.receive())
                        answers = [one for one in (realtime(found, kind, one) for one in came) if one]
                    found = answers[-1]
            except OSError as wrong:
                if not anew:
                    raise await self._lost(str(wrong)) from None
                await self.close()
                await self._look()
                return
            except trio.TooSlowError:
                raise await self._lost("no answer") from None
        self._known = found

    def _came(self, data: bytes) -> bytes:
        """Bytes have come: one may say that what was sent is printed. Answers to DLE EOT have bit 4 set."""
        self._printed |= any(one & 0x90 == 0 for one in data)
        return data

    def _show(self) -> None:
        """Report what the sensors see."""
        seen = self._known
        self.status.common.device = (
            "hardwareError" if seen.unrecoverable else "userError" if seen.cover_open else "online"
        )
        jammed = seen.cutter_failed
        self.paper_is(
            _SOURCE,
            "jammed" if jammed else "out" if seen.paper_out else "low" if seen.paper_low else "full",
        )

    def _require_ready(self) -> None:
        """Raise what keeps it from printing."""
        seen = self._known
        self._show()
        if seen.paper_out:
            raise errors.CommandError("paperOut", "there is no paper; put in a new roll")
        if seen.cover_open:
            raise errors.DeviceNotReady("the printer is open; close its cover")
        if seen.cutter_failed:
            raise errors.CommandError("paperJammed", "the cutter is stuck; see Printer.Reset")
        if seen.failed:
            raise errors.HardwareError("the printer reports an error; see Printer.Reset")

    async def _print(self, data: bytes) -> None:
        """Send bytes, and wait until they are printed.

        Raises:
            CommandError, DeviceNotReady, HardwareError: they were not, or not all of them.
        """
        line = await self._connected()
        await self._send(line, _ASKED_ONLY + data)
        await self._wait(line, trio.current_time() + self._patience)
        if not self._printed:
            await self._give_up(line)
        await self._look()
        self._show()

    async def _send(self, line: Connection, data: bytes) -> None:
        """Send bytes, piece by piece: a slow line needs minutes for a long page, and nothing is wrong then.

        Raises:
            CommandError, DeviceNotReady, HardwareError: the printer does not take the next piece in time.
        """
        rest = memoryview(data)
        try:
            while rest:
                with trio.fail_after(self._patience):
                    await line.send(rest[:_PIECE])
                rest = rest[_PIECE:]
        except OSError as wrong:
            raise await self._lost(str(wrong)) from None
        except trio.TooSlowError:
            await self._look()
            await self._give_up(line)

    async def _wait(self, line: Connection, end: float) -> None:
        """Wait until all that was sent is printed, as `_printed` says then, or the printer has stopped."""
        self._printed = False
        await self._send(line, _IN_TURN)
        try:
            while not self._printed:
                # One that talks without end must not be listened to without end.
                with trio.move_on_after(max(0, min(_PAUSE_SECONDS, end - trio.current_time()))):
                    self._came(await line.receive())
                    continue
                await self._look(printing=True)
                if self._known.stopped or trio.current_time() >= end:
                    break
        except OSError as wrong:
            raise await self._lost(str(wrong)) from None

    async def _give_up(self, line: Connection) -> None:
        """Let the printer forget what it has not printed, and raise why it has not."""
        try:
            with trio.fail_after(_ANSWER_SECONDS):
                await line.send(_CLEAR)
        except (OSError, trio.TooSlowError) as wrong:
            raise await self._lost(str(wrong)) from None
        self._require_ready()
        raise errors.HardwareError(
            f"the printer has stood still for {self._patience:g} seconds; see Printer.Reset"
        )

    # Operations.

    async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
        # Tried before anything is sent: what cannot be printed wastes no paper. Then drawn one by one as they
        # are printed, since a page can have megabytes.
        await trio.to_thread.run_sync(self._head.require_drawable, job.pages)
        await while_wanted(events, self._tried, job.pages, limiter=self._drawing)
        async with self._turn:
            await self._look(anew=True)
            self._require_ready()
            for number, page in enumerate(job.pages):
                try:
                    if number and events.cancel_requested:
                        raise errors.Canceled
                    await self._print(await while_wanted(events, self._encoded, page, limiter=self._drawing))
                except errors.Canceled:
                    return devices.Printed(pages=number)
                except errors.XfsError as failure:
                    return devices.Printed(pages=number, failure=failure)
                self._cut = False
        return devices.Printed()

    def _tried(self, patience: Patience, pages: tuple[devices.PrintPage, ...]) -> None:
        self._head.try_out(pages, patience)

    def _encoded(self, patience: Patience, page: devices.PrintPage) -> bytes:
        text = encoder.as_text(page, self._head) if self._as_text else None
        if text is None:
            picture = self._head.draw(page, patience=patience).finished()
            text = encoder.as_picture(picture.crop((0, 0, min(picture.width, self._dots), picture.height)))
        return encoder.setup(self._head) + text

    async def control_media(
        self, actions: tuple[Any, ...], unit: str | None, events: Any
    ) -> devices.PrinterMediaMoved:
        async with self._turn:
            await self._look(anew=True)
            self._require_ready()
            for action in actions:
                if action == "eject" and self._cut:
                    continue
                if "cut" in self.controls:
                    await self._print(encoder.cut(partial=action == "partialCut"))
                else:
                    # To be torn off.
                    await self._print(encoder.feed(self.dots_per_inch[0]))
                self._cut = True
        return devices.PrinterMediaMoved()

    async def print_raw(self, data: bytes, answers: bool, events: Any) -> bytes | None:
        async with self._turn:
            await self._look(anew=True)
            self._require_ready()
            line = await self._connected()
            # Whether its last command is whole can only be told from the first on; they may be many.
            await trio.to_thread.run_sync(self._follow, data)
            self._cut = False
            await self._send(line, data)
            answer = await self._answer(line) if answers else None
            if not self._raw.waiting:
                await self._wait(line, trio.current_time() + max(self._patience, _ANSWER_SECONDS))
                # One that is still at it after so long has all of it; what it prints may be long.
                if not self._printed and self._known.stopped:
                    await self._give_up(line)
                self._show()
            return answer

    def _follow(self, data: bytes) -> None:
        """Remember how far the client has come in its commands."""
        for _ in self._raw.feed(data):
            pass

    async def _answer(self, line: Connection) -> bytes:
        """What the printer sends, until it is quiet, or has said more than any printer does."""
        found = bytearray()
        end = trio.current_time() + self._patience
        with trio.move_on_after(_ANSWER_SECONDS) as waiting:
            try:
                while len(found) < _LONGEST_ANSWER:
                    found += await line.receive()
                    waiting.deadline = min(trio.current_time() + _QUIET_SECONDS, end)
            except OSError as wrong:
                raise await self._lost(str(wrong)) from None
        return bytes(found[:_LONGEST_ANSWER])

    async def reset(self, to: str | None, events: Any) -> devices.PrinterMediaMoved:
        async with self._turn:
            line = await self._connected()
            self._raw.clear()
            try:
                with trio.fail_after(_ANSWER_SECONDS):
                    await line.send(_RECOVER + _CLEAR + b"\x1b@")
            except (OSError, trio.TooSlowError) as wrong:
                raise await self._lost(str(wrong)) from None
            await self._look(anew=True)
            self._show()
            if self._known.cutter_failed:
                raise errors.CommandError("paperJammed", "the cutter is still stuck; open the printer")
        return devices.PrinterMediaMoved()
