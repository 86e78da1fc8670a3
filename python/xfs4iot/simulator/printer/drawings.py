"""What is drawn on paper, in files of its own: the truth of a printer only names them.

A receipt can be a picture of megabytes, and a hundred of them can lie in the slot. Written with the truth,
each movement would write all of them again, while nobody is served. So a drawing is written once, in the
thread that has drawn it, and never changed; a side of paper gets another one. Its file goes when nothing
refers to it any more: neither a side, nor the truth as it was saved last.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from xfs4iot.protocol import errors

__all__ = ["Drawing", "Drawings", "WordBox"]

WordBox = tuple[int, int, int, int, str]
"""A text and its box in dots: x, y, width, height, text."""


class Drawing:
    """What is on one side of a page.

    Attributes:
        picture: a PNG file.
        words: the texts on it.
        name: of its file.
    """

    __slots__ = ("__weakref__", "name", "picture", "words")

    def __init__(self, name: str, picture: bytes, words: tuple[WordBox, ...]) -> None:
        self.name, self.picture, self.words = name, picture, words


class Drawings:
    """The drawings of one printer.

    Args:
        directory: where their files are; None keeps them in memory only.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        # Those that the truth refers to as it is in its file: they must not go before it has been replaced.
        self._saved: dict[str, Drawing] = {}
        self._met: dict[str, Drawing] = {}

    def new(self, picture: bytes, words: Iterable[WordBox]) -> Drawing:
        """Keep what was drawn; takes its time, so call it in a thread.

        Raises:
            HardwareError: there is no room for it.
        """
        drawing = Drawing(os.urandom(8).hex(), picture, tuple(words))
        if self._directory is not None:
            # Before it is written: what is half a drawing goes as well.
            self._watch(drawing)
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
                self._file(drawing.name).write_bytes(msgspec.msgpack.encode((drawing.picture, drawing.words)))
            except OSError as wrong:
                raise errors.HardwareError(
                    f"what is printed cannot be kept: {wrong.strerror}; make room for the state"
                ) from None
        return drawing

    def _file(self, name: str) -> Path:
        assert self._directory is not None
        return self._directory / f"{name}.drawing"

    def _watch(self, drawing: Drawing) -> None:
        file = self._file(drawing.name)
        weakref.finalize(drawing, file.unlink, missing_ok=True).atexit = False

    # For the truth, see `truth.Document`.

    def written(self, value: Any) -> str:
        """A drawing, as the truth has it: its name.

        Raises:
            TypeError: it is none.
        """
        if not isinstance(value, Drawing):
            raise TypeError(f"a {type(value).__name__} cannot be kept")
        self._met[value.name] = value
        return value.name

    def read(self, kind: type[Any], name: Any) -> Drawing:
        """The drawing of this name.

        Raises:
            ValueError: there is none.
        """
        if name not in self._met:
            try:
                content = self._file(str(name)).read_bytes()
            except OSError as wrong:
                raise ValueError(f"what was drawn is missing: {wrong}") from None
            picture, words = msgspec.msgpack.decode(content, type=tuple[bytes, tuple[WordBox, ...]])
            self._met[name] = Drawing(name, picture, words)
            self._watch(self._met[name])
        return self._met[name]

    def saved(self) -> None:
        """The truth has been read or saved: files that only an earlier one referred to go."""
        self._saved, self._met = self._met, {}

    def sweep(self) -> None:
        """Remove what a crash has left behind."""
        if self._directory is None:
            return
        for file in self._directory.glob("*.drawing"):
            if file.stem not in self._saved:
                file.unlink(missing_ok=True)
