"""What comes of bytes that a printer is sent: pieces of paper, answers, a drawer that opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xfs4iot.dataclass import dataclass
from xfs4iot.printing.canvas import Words

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Answer", "Cut", "Pulse"]


@dataclass(frozen=True)
class Answer:
    """Bytes that the printer sends."""

    data: bytes


@dataclass(frozen=True)
class Cut:
    """A piece of paper is cut.

    Attributes:
        piece: what is on it.
        partial: it still hangs by a bridge.
        words: the texts on it, and where.
        lines: the texts of its lines, from top to bottom.
    """

    piece: Image
    partial: bool
    words: tuple[Words, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Pulse:
    """The cash drawer is kicked open."""

    drawer: int
