"""Docstrings as Markdown: their text, and what their sections say of each name.

A section is a line such as `Args:`; below it stand names, several at once with commas, a colon, and a text
that goes on in lines that are indented further.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from textwrap import dedent

__all__ = ["described", "one_line", "paragraphs"]

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):\n((?:(?: +.*)?(?:\n|$))+)", re.MULTILINE)
_ENTRY = re.compile(r"^(\S[^:]*):(?: |$)(.*(?:\n(?: +.*|$))*)", re.MULTILINE)
_EXAMPLE = re.compile(r"(?<=\n\n)((?:(?:class|def|async|with|import|from|@).*\n)?(?: {4}.*\n|\n(?= {4}))+)")
"""Indented lines, and the one above them that they belong to."""
_TITLES = {"Args": "Takes", "Attributes": "Attributes", "Raises": "Raises"}


def one_line(text: str) -> str:
    """For the cell of a table, or an entry of a list."""
    return " ".join(text.split()).replace("|", "\\|")


def _entries(body: str) -> dict[str, str]:
    return {names: one_line(text) for names, text in _ENTRY.findall(dedent(body).strip() + "\n")}


def described(thing: object, section: str = "Attributes") -> dict[str, str]:
    """What a section of a docstring says, by name; names that share a text have it each."""
    found: dict[str, str] = {}
    for title, body in _SECTION.findall(f"{inspect.getdoc(thing) or ''}\n"):
        if title == section:
            for names, text in _entries(body).items():
                found.update((name.strip(), text) for name in names.split(","))
    return found


def _fenced(example: str) -> str:
    """An example as Markdown, said to be Python if it is."""
    if example.startswith(">>>"):
        return f"```pycon\n{example}\n```\n"
    try:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        compile(example.replace("…", "..."), "example", "exec", flags)
    except SyntaxError:
        return f"```text\n{example}\n```\n"
    return f"```python\n{example}\n```\n"


def paragraphs(thing: object) -> Iterator[str]:
    """What a docstring says, examples fenced, then a list for each section."""
    text = f"{inspect.getdoc(thing) or ''}\n"
    plain = _SECTION.sub("", text)
    yield _EXAMPLE.sub(lambda found: _fenced(dedent(found[1]).strip()), plain).strip()
    for title, body in _SECTION.findall(text):
        if title in ("Returns", "Yields"):
            yield f"{title}: {one_line(body)}"
            continue
        yield f"{_TITLES[title]}:"
        yield "\n".join(
            f"- {', '.join(f'`{name.strip()}`' for name in names.split(','))}: {text}"
            for names, text in _entries(body).items()
        )
