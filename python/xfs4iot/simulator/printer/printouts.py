"""What a simulated printer has printed: pictures, a PDF and the texts of each piece, as files that sort."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

import msgspec

from xfs4iot import printing
from xfs4iot.printing import graphics
from xfs4iot.simulator.printer.documents import Medium
from xfs4iot.simulator.printer.drawings import WordBox

__all__ = ["Printout", "Printouts"]

_IN_MEMORY = 16


class Printout(msgspec.Struct):
    """One piece that has left the printer, or that is still in it.

    Attributes:
        number: from 1; None of what is still in it.
        pictures: PNG files by side: `1-front`, `1-back`, `2-front` and so on; blank ones are left out.
        lines: the texts, from top to bottom.
        words: by side the boxes of the texts in dots: x, y, width, height, text.
    """

    number: int | None
    pictures: dict[str, bytes]
    lines: list[str]
    words: dict[str, tuple[WordBox, ...]]


def printout_of(medium: Medium, number: int | None = None) -> Printout:
    """What is on a medium."""
    sides = {
        f"{page}-{name}": side
        for page, both in enumerate(medium.sides, 1)
        for name, side in zip(("front", "back"), both, strict=True)
        if side.picture is not None
    }
    return Printout(
        number,
        {name: side.picture for name, side in sides.items() if side.picture is not None},
        medium.lines,
        {name: side.words for name, side in sides.items()},
    )


class Printouts:
    """All that a printer has printed.

    Args:
        directory: where its files are put; None keeps the last ones in memory only.
        keep: how many are kept.
        dots: per inch.

    Attributes:
        pending: pieces whose files are still to be written.
    """

    def __init__(self, directory: Path | None, keep: int, dots: int) -> None:
        self._directory, self._keep, self._dots = directory, keep, dots
        self._last: deque[Printout] = deque(maxlen=_IN_MEMORY)
        self.pending: deque[Printout] = deque()
        self._writing = threading.Lock()

    def add(self, medium: Medium, number: int) -> None:
        """Keep a piece that has left the printer; `write` makes its files."""
        printout = printout_of(medium, number)
        self._last.append(printout)
        if self._directory is not None and printout.pictures:
            self.pending.append(printout)

    def write(self) -> None:
        """Make the files of all pieces that have none yet; best in a thread, for it takes its time.

        Raises:
            OSError: one has none, and will have none; those behind it are still pending.
        """
        with self._writing:
            while self.pending and self._directory is not None:
                printout = self.pending.popleft()
                try:
                    self._write(self._directory, printout)
                except OSError:
                    # What is half a picture or a PDF is of use to nobody, and takes room.
                    self._remove(self._directory, printout.number or 0)
                    raise

    @staticmethod
    def _remove(directory: Path, number: int) -> None:
        for file in directory.glob(f"{number:06}*"):
            file.unlink(missing_ok=True)

    def _write(self, directory: Path, printout: Printout) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        number = printout.number or 0
        for name, picture in printout.pictures.items():
            part = "" if name == "1-front" else f"-{name}"
            (directory / f"{number:06}{part}.png").write_bytes(picture)
        pages = [graphics.opened(picture) for picture in printout.pictures.values()]
        (directory / f"{number:06}.pdf").write_bytes(printing.as_pdf(pages, self._dots))
        text = msgspec.json.encode({"lines": printout.lines, "words": printout.words})
        (directory / f"{number:06}.json").write_bytes(text)
        self._remove(directory, number - self._keep)

    def find(self, number: int | None) -> Printout | None:
        """The last one, or the one with this number, if it is one of the last."""
        if number is None:
            return self._last[-1] if self._last else None
        return next((one for one in self._last if one.number == number), None)
