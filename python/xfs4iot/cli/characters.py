"""What is printed where the output cannot show every character: an older console, a pipe in cp1252.

The package's own signs become plain ones, and any other character `\\uXXXX`; nothing is refused. JSON and
exports are UTF-8 wherever they go. What comes from elsewhere is made visible before it is printed.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import TextIO

from xfs4iot.protocol.visible import escaped, visible

__all__ = ["escape", "show_all_characters", "shown", "utf8_output"]

_NAME = "xfs4iot.plain"
_ASCII = "xfs4iot_ascii"
_PLAIN = {
    "✓": "ok",
    "✗": "X",
    "▸": ">",
    "→": "->",
    "←": "<-",
    "…": "...",
    "–": "-",
    "µ": "u",
    "·": ".",
    "“": '"',
    "”": '"',
    "’": "'",
}


def escape(text: str) -> str:
    """Text from elsewhere for rich's markup: it is printed as it is, and does nothing to a terminal."""
    from rich import markup

    return markup.escape(visible(text))


def _plain(problem: UnicodeError) -> tuple[str, int]:
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    text = problem.object[problem.start : problem.end]
    return "".join(_PLAIN.get(char) or escaped(char) for char in text), problem.end


def show_all_characters() -> None:
    """Let standard output and error print whatever they are given."""
    codecs.register_error(_NAME, _plain)
    codecs.register(_ascii_by_another_name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Click takes a console of ASCII for a mistake, and writes UTF-8 to it.
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_ASCII if is_ascii else None, errors=_NAME)


def _ascii_by_another_name(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII:
        return None
    own = codecs.lookup("ascii")
    return codecs.CodecInfo(
        own.encode,
        own.decode,
        own.streamreader,
        own.streamwriter,
        own.incrementalencoder,
        own.incrementaldecoder,
        name,
    )


def shown(text: str) -> str:
    """A text as standard error will show it: what its lines are broken by is how long they are there."""
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr.errors == _NAME:
        return text.encode(sys.stderr.encoding, _NAME).decode(sys.stderr.encoding)
    return text


def utf8_output() -> TextIO:
    """Standard output for data, which is UTF-8 whatever a console can show."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout
