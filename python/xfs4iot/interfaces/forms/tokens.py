"""The words of the form language, each with its line and column.

A definition is text of words, quoted strings, whole numbers, commas and bars. `//` begins a comment at
the start of a line or after white space; a word ends at white space, a comma or a bar, so `10//x` is one
bad word. Lines end with CR, LF or both. `\\` at the end of a line continues it, within a string too.
Strings have the escapes of C.

Source: form description language of CEN/XFS 3 as 2021-1 and 2023-2 refer to it
(Printer.LoadDefinition, TextTerminal.LoadForm).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from xfs4iot.dataclass import dataclass

__all__ = ["DefinitionError", "Token", "shown", "tokens"]

_LONGEST_SHOWN = 40
_BREAK = re.compile(r"\r\n|\r|\n")
# A byte order mark counts as white space: editors put one at the beginning. All of it in one go: a definition
# can have a megabyte of comments. Possessive, so that no text makes the search go back.
_SPACE = re.compile(r"(?:(?:[ \t\f\v\ufeff\r\n]|\\(?:\r\n|\r|\n))++(?://[^\r\n]*+)?+)++")
_COMMENT = re.compile(r"//[^\r\n]*+")
_WORD = re.compile(r"[^\s,|\"]+")
_STRING_PART = re.compile(r"[^\"\\\r\n]+")
_SIMPLE_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SIMPLE_ESCAPES |= {same: same for same in "\\'\"?"}
_CODE_ESCAPE = re.compile(r"x(?P<hex>[0-9a-fA-F]{1,6})|(?P<octal>[0-7]{1,3})")


class DefinitionError(Exception):
    """A definition that cannot be read.

    Attributes:
        line, column: where, both from 1; the first character of what is wrong.
        reason: what was expected and what was found.
    """

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.line, self.column, self.reason = line, column, reason


@dataclass(frozen=True)
class Token:
    """One word of a definition.

    Attributes:
        kind: `word` (numbers are words), `string`, `sign` (a comma or a bar) or `end`, behind the last one.
        text: the word; of a string its content, escapes resolved.
        line, column: where it begins, from 1.
    """

    kind: Literal["word", "string", "sign", "end"]
    text: str
    line: int
    column: int

    def wrong(self, reason: str) -> DefinitionError:
        """An error at this token."""
        return DefinitionError(self.line, self.column, reason)

    def __str__(self) -> str:
        return "the end of the text" if self.kind == "end" else shown(self.text)


def shown(text: str) -> str:
    """A text as messages show it: quoted, without control characters, at most 40 characters of it."""
    cut = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
    return '"' + "".join(one if one.isprintable() else "?" for one in cut) + '"'


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.line_start = 0

    @property
    def column(self) -> int:
        return self.at - self.line_start + 1

    def new_line(self, length: int) -> None:
        self.at += length
        self.line += 1
        self.line_start = self.at

    def skip_space(self) -> None:
        """Go on to the next token: over white space, line ends, continuations and comments."""
        # A comment needs space before it: `10//x` is one bad word, not a number and a comment.
        if self.at == 0 and (comment := _COMMENT.match(self.text)):
            self.at = comment.end()
        found = _SPACE.match(self.text, self.at)
        if found is None:
            return
        start, self.at = self.at, found.end()
        ends = self.text.count("\n", start, self.at)
        ends += self.text.count("\r", start, self.at) - self.text.count("\r\n", start, self.at)
        if ends:
            self.line += ends
            self.line_start = 1 + max(
                self.text.rfind("\n", start, self.at), self.text.rfind("\r", start, self.at)
            )

    def string(self) -> Token:
        line, column = self.line, self.column
        self.at += 1
        parts: list[str] = []
        while True:
            if found := _STRING_PART.match(self.text, self.at):
                parts.append(found[0])
                self.at = found.end()
            elif self.text.startswith('"', self.at):
                self.at += 1
                return Token("string", "".join(parts), line, column)
            elif self.text.startswith("\\", self.at):
                parts.append(self.escape())
            else:
                raise DefinitionError(line, column, 'the string does not end on its line; close it with "')

    def escape(self) -> str:
        line, column = self.line, self.column
        if found := _BREAK.match(self.text, self.at + 1):
            self.new_line(1 + len(found[0]))
            return ""
        if found := _CODE_ESCAPE.match(self.text, self.at + 1):
            self.at = found.end()
            code = int(found["hex"], 16) if found["hex"] else int(found["octal"], 8)
            # Surrogates are no characters; they could not be written out as UTF-8 again.
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise DefinitionError(line, column, f"the escape {shown(found[0])} is not a character")
            return chr(code)
        sign = self.text[self.at + 1 : self.at + 2]
        if sign not in _SIMPLE_ESCAPES:
            raise DefinitionError(line, column, f"{shown(sign)} is not an escape; write a backslash as \\\\")
        self.at += 2
        return _SIMPLE_ESCAPES[sign]


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a definition, an `end` behind the last.

    Raises:
        DefinitionError: a string without an end, an escape that does not exist, a stray character.
    """
    scanner = _Scanner(text)
    while True:
        scanner.skip_space()
        line, column = scanner.line, scanner.column
        if scanner.at >= len(text):
            yield Token("end", "", line, column)
            return
        sign = text[scanner.at]
        if sign == '"':
            yield scanner.string()
        elif sign in ",|":
            scanner.at += 1
            yield Token("sign", sign, line, column)
        elif found := _WORD.match(text, scanner.at):
            scanner.at = found.end()
            yield Token("word", found[0], line, column)
        else:
            raise DefinitionError(line, column, f"{shown(sign)} does not belong here")
