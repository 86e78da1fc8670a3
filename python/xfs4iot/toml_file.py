"""TOML files that people write, read into dataclasses: every mistake is found in one pass and named with
its line, what was expected there, and what to write instead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from xfs4iot.close_matches import close_matches
from xfs4iot.dataclass import dataclass

__all__ = ["ConfigurationError", "Mistake", "Reader", "Where", "line_of", "load", "read_table", "title"]

Where = tuple[str | int, ...]
"""The way to a table or key from the top of the file."""
_Table = TypeVar("_Table")


@dataclass(frozen=True)
class Mistake:
    """One mistake: the line where it is, and what to do about it.

    Attributes:
        line: 0 when something is missing in the file; None when nothing of it could be read.
    """

    line: int | None
    text: str


class ConfigurationError(ValueError):
    """The file cannot be used.

    Attributes:
        mistakes: all of them, by line.
    """

    def __init__(self, file: Path, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.line or 0)
        places = ("" if one.line is None else f":{one.line or 1}" for one in self.mistakes)
        super().__init__(
            "\n".join(f"{file}{at}: {one.text}" for at, one in zip(places, self.mistakes, strict=True))
        )


def load(file: Path, parse_float: Callable[[str], Any] = float) -> tuple[dict[str, Any], dict[Where, int]]:
    """What is in a file, and the line where each table and key begins.

    Args:
        file: in TOML.
        parse_float: what numbers with a fraction become.

    Raises:
        ConfigurationError: it cannot be read, or is not TOML.
    """
    try:
        text = file.read_text("utf-8")
        return tomllib.loads(text, parse_float=parse_float), dict(lines_of(text))
    except OSError as problem:
        raise ConfigurationError(
            file, [Mistake(None, f"cannot be read: {problem.strerror or problem}")]
        ) from None
    except UnicodeDecodeError as problem:
        place = problem.object.count(b"\n", 0, problem.start) + 1
        raise ConfigurationError(file, [Mistake(place, f"cannot be read: {problem}")]) from None
    except tomllib.TOMLDecodeError as problem:
        line = re.search(r"at line (\d+)", str(problem))
        raise ConfigurationError(
            file, [Mistake(int(line[1]) if line else 0, f"is not TOML: {problem}")]
        ) from None


def read_table(file: Path, name: str, kind: type[_Table]) -> _Table:
    """The one table that a file holds.

    Args:
        name: of the table.
        kind: the dataclass that it becomes; relative paths in it are relative to the file.

    Raises:
        ConfigurationError: with every mistake in the file.
    """
    content, lines = load(file)
    reader = Reader(file.parent, lines)
    for other in content.keys() - {name}:
        reader.mistake((other,), f"{other} is not known here; the file has only [{name}]")
    if name not in content:
        reader.mistake((), f"there is no [{name}] in it")
    found = reader.table(kind, content.get(name, {}), (name,))
    if reader.mistakes:
        raise ConfigurationError(file, reader.mistakes)
    assert isinstance(found, kind)
    return found


def line_of(file: Path, *where: str) -> int:
    """The line of a table or key, to point at a mistake that shows only later; 0 if it is not there."""
    return dict(lines_of(file.read_text("utf-8"))).get(where, 0)


class Reader:
    """Turns plain TOML tables into dataclasses, collecting mistakes.

    Args:
        base: what relative paths in the file are relative to.
        lines: where each table and key begins.

    Attributes:
        mistakes: those that were found.
    """

    def __init__(self, base: Path, lines: Mapping[Where, int]) -> None:
        self.base = base
        self.mistakes: list[Mistake] = []
        self.lines = lines
        self._tables: dict[Where, Any] = {}
        """The tables that are right by themselves."""

    def mistake(self, where: Where, text: str) -> None:
        """Remember a mistake, at the line of the table or key, or of what it is in."""
        line = 0
        for end in range(len(where), 0, -1):
            # Of a list of tables that is wrong as a whole, the first.
            if found := self.lines.get(where[:end]) or self.lines.get((*where[:end], 0)):
                line = found
                break
        self.mistakes.append(Mistake(line, text))

    def table(self, kind: type, content: Any, where: Where) -> Any:
        """One table as the dataclass `kind`; None if anything in it is wrong."""
        heading = title(where)
        if not isinstance(content, dict):
            self.mistake(where, f"{heading} must be a table")
            return None
        types = get_type_hints(kind, include_extras=True)
        known = {one.name: one for one in fields(kind)}
        values: dict[str, Any] = {}
        before = len(self.mistakes)
        for name, value in content.items():
            if name not in known:
                near = close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
                self.mistake((*where, name), f"{title((*where, name))} is not known; {hint}")
                continue
            values[name] = self._value(types[name], value, (*where, name))
        for one in fields(kind):
            if one.name not in content and _is_required(one):
                self.mistake(where, f"{title((*where, one.name))} is missing")
        if len(self.mistakes) > before:
            return None
        found = self._tables[where] = kind(**values)
        return found

    def found(self, kind: type[_Table]) -> Iterator[tuple[Where, _Table]]:
        """The tables of a kind that are right by themselves."""
        return ((where, one) for where, one in self._tables.items() if isinstance(one, kind))

    def _value(self, kind: Any, value: Any, where: Where) -> Any:
        # No path, name or address can have one, and what is called with it raises ValueError.
        if isinstance(value, str) and "\0" in value and kind is not Any:
            self.mistake(where, f"{title(where)}: {value[:50]!r} has a NUL character; take it out")
            return None
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            # Only `X | None` occurs: TOML has no null, so None can only be a default.
            kind = next(one for one in get_args(kind) if one is not type(None))
            origin = get_origin(kind)
        if is_dataclass(kind) and isinstance(kind, type):
            return self.table(kind, value, where)
        if origin is tuple:
            inner = get_args(kind)[0]
            if not isinstance(value, list):
                self.mistake(where, f"{title(where)} must be a list: [...]")
                return None
            return tuple(self._value(inner, one, (*where, index)) for index, one in enumerate(value))
        if origin is dict:
            inner = get_args(kind)[1]
            if not isinstance(value, dict):
                self.mistake(where, f"{title(where)} must be a table")
                return None
            return {name: self._value(inner, one, (*where, name)) for name, one in value.items()}
        if origin is Literal and value not in get_args(kind):
            allowed = ", ".join(map(str, get_args(kind)))
            self.mistake(where, f"{title(where)}: {str(value)[:50]!r} is not allowed; it may be {allowed}")
            return None
        if kind is Path:
            if not isinstance(value, str) or not value:
                self.mistake(where, f"{title(where)} must be the path of a file")
                return None
            return self.base / value
        if kind is Any:
            return value
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as problem:
            self.mistake(where, f"{title(where)}: {problem}")
            return None


def _is_required(one: Any) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def title(where: Where) -> str:
    """A table or key, as people write it."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-\" ]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-\"]+(?:\s*\.\s*[A-Za-z0-9_\-\"]+)*)\s*=")


def lines_of(text: str) -> Iterator[tuple[Where, int]]:
    """Where each table and key begins: only to point at a mistake, tomllib does the reading."""
    table: Where = ()
    counts: dict[Where, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            path: Where = ()
            parts = [part.strip().strip('"') for part in header[2].split(".")]
            for depth, part in enumerate(parts):
                path = (*path, part)
                last = depth == len(parts) - 1
                if last and header[1] == "[[":
                    counts[path] = counts.get(path, -1) + 1
                # Below an array of tables, a header refers to its latest entry.
                if path in counts:
                    path = (*path, counts[path])
            table = path
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *(part.strip().strip('"') for part in key[1].split("."))), number
