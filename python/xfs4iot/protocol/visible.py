"""Text from elsewhere made visible: what would move a cursor or turn writing around is spelt out.

Names, descriptions and addresses come from devices and services of others, and are shown to people. A
control character or a mark of direction in them could hide what else is on the screen.
"""

from __future__ import annotations

import re

__all__ = ["escaped", "visible"]

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Control characters but for the tab and the new line, marks of direction, and what has no width."""


def visible(text: str) -> str:
    """The text with each such character as JSON would escape it; a JSON text means the same as before."""
    return _HIDDEN.sub(lambda found: escaped(found[0]), text)


def escaped(char: str) -> str:
    r"""A character as JSON escapes it: `\uXXXX`, or two of these above the first 65,536 characters."""
    # A lone surrogate becomes its own escape instead of a second error.
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
