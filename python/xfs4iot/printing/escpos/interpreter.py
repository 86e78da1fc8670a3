"""A receipt printer that understands ESC/POS: bytes in, pieces of paper and answers out, and nothing else.

Text is put into a line, which is printed when it ends or is full; what else is printed begins a line of its
own. Any bytes are good: what it does not know it passes over, and counts. Page mode is not served: what is
sent for it is printed as it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xfs4iot.dataclass import dataclass
from xfs4iot.printing import barcodes, fonts
from xfs4iot.printing.canvas import LONGEST, Canvas, Color, Lettering
from xfs4iot.printing.escpos.codepages import decoded
from xfs4iot.printing.escpos.commands import Command, Parser
from xfs4iot.printing.escpos.sensors import Sensors
from xfs4iot.printing.escpos.symbols import Symbols
from xfs4iot.printing.outcomes import Answer, Cut, Pulse

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EscPosInterpreter"]

_CELLS = ((12, 24), (9, 17))
"""Width and height of the characters of fonts A and B, in dots."""
_LINE = 30
"""Dots from one line to the next, unless ESC 3 says otherwise."""
_MOST_ITEMS = 4096
"""In one line; what is more begins another one, as in a printer whose buffer is full."""
_RED: Color = (200, 0, 0)
_IDENTITY = {1: b"\x20", 2: b"\x02", 3: b"\x01", 65: b"_1.0\0", 66: b"_XFS4IOT\0", 67: b"_SIMULATED\0"}


@dataclass(frozen=True)
class _Style:
    """What commands have set; ESC @ sets all of it back."""

    font: int = 0
    wide: int = 1
    high: int = 1
    bold: bool = False
    underline: int = 0
    reverse: bool = False
    turned: bool = False
    upside_down: bool = False
    color: int = 0
    spacing: int = 0
    line: int = _LINE
    align: int = 0
    margin: int = 0
    area: int | None = None
    page: int = 0
    country: int = 0
    tabs: tuple[int, ...] = tuple(range(8, 256, 8))
    left: float = 0


@dataclass
class _Item:
    """Something in the line that is being filled.

    Attributes:
        x: from the left of the printed area.
        height: from the base of the line up.
        draw: how it is printed, with its left upper corner.
        text: for those who look for it.
    """

    x: float
    width: float
    height: int
    draw: Callable[[float, float], object]
    text: str = ""


class EscPosInterpreter:
    """One printer.

    Args:
        width: of what it prints, in dots.
        color: whether it has a second colour.
        sensors: what its sensors see; asked whenever it has to say.

    Attributes:
        unknown: how many commands it has passed over.
    """

    def __init__(
        self, width: int = 576, *, color: bool = False, sensors: Callable[[], Sensors] = Sensors
    ) -> None:
        self.width, self.color, self.sensors = width, color, sensors
        self.unknown = 0
        self._parser = Parser()
        self._style = _Style()
        self._symbols = Symbols()
        self._automatic = False
        self._out: list[Answer | Cut | Pulse] = []
        self._new_piece()

    def _new_piece(self) -> None:
        self._canvas = Canvas(self.width, color=self.color)
        self._y = 0
        self._line: list[_Item] = []
        self._x = 0.0
        self._written: list[str] = []

    @property
    def printed(self) -> int:
        """Dots of paper since the last cut."""
        return self._y

    def feed(self, data: bytes) -> list[Answer | Cut | Pulse]:
        """Take bytes as they come; what follows from them."""
        return list(self.outcomes(data))

    def outcomes(self, data: bytes) -> Generator[Answer | Cut | Pulse]:
        """The same, one by one, as soon as each comes: many pieces of paper need not be there at once.

        Bytes whose outcomes nobody asks for any more are passed over.
        """
        whole = False
        try:
            for command in self._parser.feed(data):
                self._carry_out(command)
                if self._out:
                    done, self._out = self._out, []
                    yield from done
            whole = True
        finally:
            if not whole:
                self._parser.clear()

    def noticed(self) -> list[Answer | Cut | Pulse]:
        """The sensors see something else: what the printer says of it, if it was asked to."""
        return [Answer(self.sensors().automatic())] if self._automatic else []

    def torn(self) -> Cut | None:
        """Take off what has been printed and not cut; None if there is nothing."""
        self._end_line()
        if not self._y:
            return None
        self._cut(partial=False)
        cut = self._out.pop()
        assert isinstance(cut, Cut)
        return cut

    def power_cycled(self) -> None:
        """Switched off and on: what was not printed is lost, and all settings."""
        self._parser.clear()
        self._line, self._x = [], 0.0
        self._style, self._symbols, self._automatic = _Style(), Symbols(), False

    def _carry_out(self, command: Command) -> None:
        if not command.name:
            self._text(decoded(command.data, self._style.page, self._style.country))
            return
        action = _ACTIONS.get(command.name)
        if action is None:
            self.unknown += 1
            return
        try:
            action(self, command.data)
        except barcodes.Unprintable:
            # As printers do: a barcode that cannot be is not printed, and nobody is told.
            self.unknown += 1

    # Lines.

    def _lettering(self) -> Lettering:
        style = self._style
        cell = _CELLS[style.font][0]
        return Lettering(
            size=cell / fonts.ADVANCE,
            pitch=cell,
            bold=style.bold,
            underline=min(style.underline, 2),  # type: ignore[arg-type]
            wide=style.wide,
            high=style.high,
            rotation=90 if style.turned else 180 if style.upside_down else 0,
            reverse=style.reverse,
            color=_RED if style.color and self.color else (0, 0, 0),
            direction="visual",
        )

    @property
    def _room(self) -> float:
        """Width of the printed area, in dots."""
        style = self._style
        right = self.width - min(style.margin, self.width)
        return float(max(1, right if style.area is None else min(style.area, right)))

    def _text(self, text: str) -> None:
        """Put text into the line, and end it whenever it is full."""
        look = self._lettering()
        style = self._style
        width, height = _CELLS[style.font][0] * style.wide, _CELLS[style.font][1] * style.high
        if style.turned:
            width, height = height, width
        each = width + style.spacing * style.wide
        at = 0
        while at < len(text):
            fits = int((self._room - self._x) // each)
            if fits < 1 and self._line:
                self._end_line(full=True)
                continue
            part = text[at : at + max(1, fits)]
            at += len(part)
            if style.turned or style.spacing:
                # One by one: each is turned by itself.
                for one in part:
                    self._put(width, height, each, look, one)
            else:
                self._put(each * len(part), height, each * len(part), look, part)

    def _put(self, width: int, height: int, step: int, look: Lettering, text: str) -> None:
        def draw(x: float, y: float) -> None:
            self._canvas.text(x, y, text, look)

        self._add(_Item(self._x, width, height, draw, text))
        self._x += step

    def _put_picture(self, picture: Image) -> None:
        self._add(
            _Item(
                self._x,
                picture.width,
                picture.height,
                lambda x, y: self._canvas.symbol(x, y, picture),
            )
        )
        self._x += picture.width

    def _add(self, item: _Item) -> None:
        """Put something into the line, at its place."""
        if len(self._line) >= _MOST_ITEMS:
            self._end_line(full=True)
            item.x = self._x
        self._line.append(item)

    def _end_line(self, full: bool = False) -> None:
        """Print the line, and feed the paper by its height."""
        if not self._line:
            return
        style, items = self._style, self._line
        high = max(item.height for item in items)
        right = max(item.x + item.width for item in items)
        free = max(0.0, self._room - right)
        left = style.margin + (0, free / 2, free)[style.align]
        if style.upside_down:
            # The line is read from the other side: its first character stands at the right.
            left = style.margin + self._room - (0, free / 2, free)[style.align]
        for item in items:
            x = left - item.x - item.width if style.upside_down else left + item.x
            item.draw(x, self._y + high - item.height)
        self._written.append("".join(item.text for item in items))
        self._line, self._x = [], 0.0
        self._feed(high)

    def _feed(self, dots: int) -> None:
        self._y = min(self._y + dots, LONGEST)
        self._canvas.reach(self._y)
        if self._y >= LONGEST:
            # A picture can be no longer: the paper goes on, on another one.
            self._cut(partial=True)

    def _print_and_feed(self, dots: int) -> None:
        """Print the line, and feed the paper so far in all; as far as the line is high at least."""
        high = max((item.height for item in self._line), default=0)
        self._end_line()
        self._feed(max(0, dots - high))

    def _line_feed(self, data: bytes) -> None:
        self._print_and_feed(self._style.line)

    def _feed_lines(self, data: bytes) -> None:
        self._print_and_feed(self._style.line * data[0])

    def _feed_dots(self, data: bytes) -> None:
        self._print_and_feed(data[0])

    def _tabulate(self, data: bytes) -> None:
        width = _CELLS[self._style.font][0] * self._style.wide
        stop = next((one * width for one in self._style.tabs if one * width > self._x), None)
        if stop is not None and stop < self._room:
            self._x = float(stop)

    def _move(self, data: bytes) -> None:
        self._x = min(float(int.from_bytes(data, "little")), self._room)

    def _move_on(self, data: bytes) -> None:
        by = int.from_bytes(data, "little", signed=True)
        self._x = min(max(0.0, self._x + by), self._room)

    def _cut(self, partial: bool) -> None:
        piece = self._canvas.finished(max(1, self._y))
        written = tuple(self._written)
        words = tuple(self._canvas.words)
        self._new_piece()
        self._out.append(Cut(piece, partial, words, written))

    def _cut_here(self, data: bytes) -> None:
        self._end_line()
        kind = data[0] if data else 0
        if len(data) > 1:
            self._feed(data[1])
        if self._y:
            self._cut(partial=kind in (1, 49, 66, 98, 104))

    # Settings.

    def _set(self, **changes: Any) -> None:
        self._style = replace(self._style, **changes)

    def _initialise(self, data: bytes) -> None:
        self._line, self._x = [], 0.0
        self._style = _Style()

    def _print_mode(self, data: bytes) -> None:
        mode = data[0]
        self._set(
            font=mode & 1,
            bold=bool(mode & 0x08),
            high=2 if mode & 0x10 else 1,
            wide=2 if mode & 0x20 else 1,
            underline=1 if mode & 0x80 else 0,
        )

    def _size(self, data: bytes) -> None:
        self._set(wide=(data[0] >> 4 & 7) + 1, high=(data[0] & 7) + 1)

    def _at_line_start(self, **changes: Any) -> None:
        """Settings that count only at the beginning of a line."""
        if not self._line:
            self._set(**changes)

    def _tab_stops(self, data: bytes) -> None:
        stops: list[int] = []
        for one in data[:32]:
            if one == 0 or (stops and one <= stops[-1]):
                break
            stops.append(one)
        self._set(tabs=tuple(stops))

    # Pictures and barcodes.

    def _bit_image(self, data: bytes) -> None:
        picture = self._symbols.columns(data)
        if picture is not None:
            self._put_picture(picture)

    def _block(self, picture: Image | None) -> None:
        """Print something that has lines of its own."""
        if picture is None:
            return
        self._end_line()
        style = self._style
        picture = picture.crop((0, 0, min(picture.width, self.width), min(picture.height, LONGEST)))
        free = max(0.0, self._room - picture.width)
        if self._y + picture.height > LONGEST:
            self._cut(partial=True)
        self._canvas.symbol(style.margin + (0, free / 2, free)[style.align], self._y, picture)
        self._feed(picture.height)

    def _barcode(self, data: bytes) -> None:
        symbol = self._symbols.barcode(data)
        if symbol is None:
            return
        settings = self._symbols
        bars = symbol.scaled(symbol.modules.width * settings.module, settings.height)
        # What does not fit between the margins is not printed, as printers do.
        if bars.width > self._room:
            raise barcodes.Unprintable("the barcode is wider than the paper")
        self._end_line()
        if settings.readable & 1:
            self._readable(symbol.text)
        self._block(bars)
        if settings.readable & 2:
            self._readable(symbol.text)

    def _readable(self, text: str) -> None:
        kept = self._style
        self._style = replace(_Style(), align=kept.align, margin=kept.margin, area=kept.area, font=0)
        self._text(text[:255])
        self._end_line()
        self._style = kept

    def _extended(self, kind: bytes, data: bytes) -> None:
        """GS ( and GS 8: two-dimensional barcodes, and pictures that are stored and then printed."""
        if kind == b"k":
            self._block(self._symbols.two_dimensional(data))
        elif kind == b"L":
            self._block(self._symbols.graphics(data))
        else:
            self.unknown += 1

    # Answers.

    def _say(self, data: bytes) -> None:
        if data:
            self._out.append(Answer(data))

    def _automatic_status(self, data: bytes) -> None:
        self._automatic = bool(data[0])
        if self._automatic:
            self._say(self.sensors().automatic())

    def _status(self, data: bytes) -> None:
        if data[0] in (1, 49):
            self._say(self.sensors().paper())
        elif data[0] in (2, 50):
            self._say(bytes([int(self.sensors().drawer)]))

    def _pulse(self, data: bytes) -> None:
        self._out.append(Pulse(data[0] & 1))

    def _realtime_pulse(self, data: bytes) -> None:
        if data[0] == 1:
            self._pulse(data[1:])


def _nothing(printer: EscPosInterpreter, data: bytes) -> None:
    """A command that changes nothing that can be seen."""


def _number(data: bytes) -> int:
    """A number that may be written as a digit."""
    return data[0] - 0x30 if 0x30 <= data[0] <= 0x39 else data[0]


_Action = Callable[[EscPosInterpreter, bytes], None]
_ACTIONS: dict[bytes, _Action] = {
    b"\n": EscPosInterpreter._line_feed,
    b"\r": _nothing,
    b"\t": EscPosInterpreter._tabulate,
    b"\x0c": EscPosInterpreter._line_feed,
    b"\x18": _nothing,
    b"\x00": _nothing,
    b"\x1b@": EscPosInterpreter._initialise,
    b"\x1b!": EscPosInterpreter._print_mode,
    b"\x1b ": lambda printer, data: printer._set(spacing=data[0]),
    b"\x1b$": EscPosInterpreter._move,
    b"\x1b\\": EscPosInterpreter._move_on,
    b"\x1b*": EscPosInterpreter._bit_image,
    b"\x1b-": lambda printer, data: printer._set(underline=_number(data) if _number(data) < 3 else 0),
    b"\x1b2": lambda printer, data: printer._set(line=_LINE),
    b"\x1b3": lambda printer, data: printer._set(line=data[0]),
    b"\x1bD": EscPosInterpreter._tab_stops,
    b"\x1bE": lambda printer, data: printer._set(bold=bool(data[0] & 1)),
    b"\x1bG": lambda printer, data: printer._set(bold=bool(data[0] & 1)),
    b"\x1bJ": EscPosInterpreter._feed_dots,
    b"\x1bM": lambda printer, data: printer._set(font=_number(data) & 1),
    b"\x1bR": lambda printer, data: printer._set(country=data[0]),
    b"\x1bV": lambda printer, data: printer._set(turned=bool(_number(data) & 1)),
    b"\x1ba": lambda printer, data: printer._at_line_start(align=_number(data) if _number(data) < 3 else 0),
    b"\x1bd": EscPosInterpreter._feed_lines,
    b"\x1br": lambda printer, data: printer._set(color=_number(data) & 1),
    b"\x1bt": lambda printer, data: printer._set(page=data[0]),
    b"\x1b{": lambda printer, data: printer._at_line_start(upside_down=bool(data[0] & 1)),
    b"\x1bi": lambda printer, data: printer._cut_here(b"\x00"),
    b"\x1bm": lambda printer, data: printer._cut_here(b"\x01"),
    b"\x1bp": EscPosInterpreter._pulse,
    b"\x1bv": lambda printer, data: printer._say(printer.sensors().paper()),
    b"\x1d!": EscPosInterpreter._size,
    b"\x1dB": lambda printer, data: printer._set(reverse=bool(data[0] & 1)),
    b"\x1dL": lambda printer, data: printer._at_line_start(margin=int.from_bytes(data, "little")),
    b"\x1dW": lambda printer, data: printer._at_line_start(area=max(1, int.from_bytes(data, "little"))),
    b"\x1dV": EscPosInterpreter._cut_here,
    b"\x1dH": lambda printer, data: printer._symbols.set(readable=_number(data) & 3),
    b"\x1dh": lambda printer, data: printer._symbols.set(height=max(1, data[0])),
    b"\x1dw": lambda printer, data: printer._symbols.set(module=min(max(data[0], 1), 6)),
    b"\x1dk": EscPosInterpreter._barcode,
    b"\x1dv": lambda printer, data: printer._block(printer._symbols.raster(data)),
    b"\x1d*": lambda printer, data: printer._symbols.download(data),
    b"\x1d/": lambda printer, data: printer._block(printer._symbols.downloaded(data[0])),
    b"\x1d(": lambda printer, data: printer._extended(data[:1], data[3:]),
    b"\x1d8": lambda printer, data: printer._extended(data[:1], data[5:]),
    b"\x1da": EscPosInterpreter._automatic_status,
    b"\x1dr": EscPosInterpreter._status,
    b"\x1dI": lambda printer, data: printer._say(_IDENTITY.get(data[0], b"")),
    b"\x10\x04": lambda printer, data: printer._say(printer.sensors().answer(data[0])),
    b"\x10\x05": _nothing,
    b"\x10\x14": EscPosInterpreter._realtime_pulse,
}
"""What each command does; others are passed over."""
