"""How text for people is broken into lines: at words on a terminal, and nowhere in a pipe.

A word that no line has room for, as a URI or a hash, stays whole: a terminal lets it run on in the next
line, and it can be copied. What reads a pipe wants each sentence in a line of its own, however long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rich import console
from rich.cells import cell_len
from rich.text import Text

__all__ = ["Console", "wrapped"]

_WORD = re.compile(r"\s*\S+")


class Console(console.Console):
    """A `rich.console.Console` that breaks the lines of texts as this module says; tables are as ever.

    `soft_wrap=True` leaves a text in one line on a terminal, too: JSON, or a command to be copied.
    """

    def print(self, *objects: Any, soft_wrap: bool | None = None, **settings: Any) -> None:
        if soft_wrap is None and all(isinstance(one, str | Text) for one in objects):
            soft_wrap = True
            # What is drawn as a picture is for who looks on as well.
            if self.is_terminal or self.record:
                said = {name: settings[name] for name in ("markup", "highlight") if name in settings}
                texts = [one if isinstance(one, Text) else self.render_str(one, **said) for one in objects]
                objects = (_broken(Text(settings.get("sep", " ")).join(texts), self.width),)
        super().print(*objects, soft_wrap=soft_wrap, **settings)


def wrapped(text: str, width: int, used: int = 0) -> str:
    """A text with its lines broken.

    Args:
        width: columns of the terminal.
        used: columns of the first line in which something else stands.
    """
    return _broken(Text(text), width, used).plain


def _broken(text: Text, width: int, used: int = 0) -> Text:
    """The text with a newline where the next word has no room; what goes on is indented as its line is."""
    lines = []
    for line in text.split("\n", allow_blank=True):
        indent = line.plain[: len(line.plain) - len(line.plain.lstrip(" "))]
        first, *others = line.divide(_breaks(line.plain, width, used))
        used = 0
        lines.append(first)
        for part in others:
            lines[-1].rstrip()
            lines.append(Text(indent) + part)
    return Text("\n").join(lines)


def _breaks(line: str, width: int, used: int) -> Iterator[int]:
    """Offsets of the words that begin a new line."""
    indent = len(line) - len(line.lstrip(" "))
    begun = used > 0
    for word in _WORD.finditer(line):
        taken, bare = cell_len(word[0]), word[0].lstrip()
        if begun and used + taken > width:
            yield word.end() - len(bare)
            used = indent + cell_len(bare)
        else:
            used += taken
        begun = True
