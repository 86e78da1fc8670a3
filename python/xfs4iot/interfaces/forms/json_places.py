"""Where in a JSON text each value stands: line and column, by its path; and keys that stand there twice."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from xfs4iot.interfaces.forms.tokens import DefinitionError, shown

__all__ = ["JsonPath", "read_json"]

JsonPath = tuple[str | int, ...]
_SPACE = re.compile(r"[ \t\r\n]*+")
_PLAIN = re.compile(r"[^\s,\]}]+")
_DEEPEST = 100
"""Steps to a value; a form has some ten."""


def read_json(text: str) -> tuple[Any, dict[JsonPath, tuple[int, int]]]:
    """A JSON text, and the line and column, both from 1, of each value in it by its path.

    A member of an object stands where its key does.

    Raises:
        DefinitionError: it is not JSON, has a key twice in one object, or values too deep in one another.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as wrong:
        raise DefinitionError(wrong.lineno, wrong.colno, f"this is not JSON: {wrong.msg}") from None
    except (ValueError, RecursionError) as wrong:
        # A number of thousands of digits, or thousands of brackets in one another.
        raise DefinitionError(1, 1, f"this cannot be read: {str(wrong)[:100]}") from None
    return content, _Places(text).found


class _Places:
    """Walks through a text that is known to be JSON."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line, self._line_start = 1, 0
        self.found: dict[JsonPath, tuple[int, int]] = {}
        self._value((), None)

    def _skip(self) -> str:
        """Go on to what is no white space; that character."""
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        space = found[0]
        if ends := space.count("\n"):
            self._line += ends
            self._line_start = self._at + space.rfind("\n") + 1
        self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _here(self) -> tuple[int, int]:
        return self._line, self._at - self._line_start + 1

    def _string(self) -> str:
        text, self._at = scanstring(self._text, self._at + 1)
        return str(text)

    def _value(self, path: JsonPath, place: tuple[int, int] | None) -> None:
        sign = self._skip()
        if len(path) > _DEEPEST:
            raise DefinitionError(
                *self._here(), f"this is more than {_DEEPEST} levels deep; no form or media is"
            )
        self.found[path] = place or self._here()
        if sign == '"':
            self._string()
        elif sign in ("{", "["):
            self._at += 1
            self._members(path, sign == "{")
        else:
            found = _PLAIN.match(self._text, self._at)
            assert found is not None
            self._at = found.end()

    def _members(self, path: JsonPath, named: bool) -> None:
        number = 0
        while (sign := self._skip()) not in ("}", "]"):
            if sign == ",":
                self._at += 1
                continue
            if not named:
                self._value((*path, number), None)
                number += 1
                continue
            place = self._here()
            name = self._string()
            if (*path, name) in self.found:
                raise DefinitionError(*place, f"{shown(name)} stands here a second time")
            self._skip()
            self._at += 1  # the colon
            self._value((*path, name), place)
        self._at += 1
