"""Whether what the package says to clients is a heading of docs/troubleshooting.

`Headings` notes the text of every `XfsError` that the package's own code makes. What a test's device
class says is the test's business.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from xfs4iot.protocol import errors

__all__ = ["Headings"]

PAGES = Path(__file__).parents[1] / "docs" / "troubleshooting"
_HEADING = re.compile(r"^#{2,3} `(.*)`$", re.MULTILINE)
_PLACE = re.compile(r"<[^<>]*>")
_CUT = 200
"""Characters that are compared: a text is cut off somewhere behind."""


class Headings:
    """All headings, and what was said that is none."""

    def __init__(self) -> None:
        # By the longest piece of each that is always the same: few have to be compared.
        self._by_piece: dict[str, list[re.Pattern[str]]] = defaultdict(list)
        for page in PAGES.glob("*.md"):
            for heading in _HEADING.findall(page.read_text("utf-8")):
                pieces = _PLACE.split(heading)
                pattern = ".*".join(re.escape(piece) for piece in pieces)
                self._by_piece[max(pieces, key=len)].append(re.compile(pattern, re.DOTALL))
        self._said: set[str] = set()
        self._known: set[str] = set()

    def listen(self) -> None:
        """Note what is said from now on."""
        really = errors.XfsError.__init__

        def noted(self_: errors.XfsError, *args: Any, **kwargs: Any) -> None:
            really(self_, *args, **kwargs)
            frame = sys._getframe(1)
            while frame.f_back is not None and frame.f_globals.get("__name__") == errors.__name__:
                frame = frame.f_back
            if str(frame.f_globals.get("__name__", "")).startswith("xfs4iot."):
                self._said.add(self_.description)

        errors.XfsError.__init__ = noted  # type: ignore[method-assign]

    def missing(self) -> list[str]:
        """What was said since the last time, and is no heading."""
        new = self._said - self._known
        self._known |= new
        self._said.clear()
        return sorted(text for text in new if text and not self.has(text))

    def has(self, text: str) -> bool:
        """Whether a text is one of the headings, filled in."""
        line = " ".join(text.split()).replace("`", "'")
        return any(
            pattern.fullmatch(line)
            for piece, patterns in self._by_piece.items()
            if piece in line
            for pattern in patterns
        )
