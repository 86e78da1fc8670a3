"""Which devices are meant: a small language for `--where`.

```
unit.replenishmentStatus == low
online and unit.currency == EUR and unit.count < 100
not online or age > 3600
device ~ 'berlin-*' and not any(service.device == online)
```

An expression is asked of every *row* of a device: the device with one of its services and, where that has
storage units, with one of these. A device is meant if the expression holds for one of its rows, so that all
that is said of `unit` is said of the same unit. `any(…)` looks at all rows anew; `not any(…)` says that there
is none.

A comparison has a field at its left and a value at its right. A missing value (`unit.count` of a service
without units) is equal to nothing but `missing`, and neither less nor greater than anything; `!=` is always
the opposite of `==`. Numbers are compared exactly, texts by their characters; `~` compares a text with a
pattern in which `*` stands for any characters and `?` for one. A field that has several values
(`service.interface`) is compared as if one of them were there, the one for which it holds.
"""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from xfs4iot.close_matches import close_matches
from xfs4iot.dataclass import dataclass
from xfs4iot.telling import told

__all__ = ["FIELDS", "Expression", "Field", "Row", "WhereError", "parse"]

LONGEST = 1000
"""Characters of an expression."""
DEEPEST = 32
"""Of `(`, `not` and `any` within each other."""

Row = Mapping[str, Any]
"""Values by the names of `FIELDS`; what is missing has none, or None."""
Value = bool | Decimal | str | None


@dataclass(frozen=True)
class Field:
    """What can be asked about.

    Attributes:
        kind: of its values.
        meaning: for people.
    """

    kind: Literal["text", "number", "truth"]
    meaning: str


FIELDS: Mapping[str, Field] = {
    "device": Field("text", "name of the device"),
    "online": Field("truth", "whether it is there"),
    "since": Field("text", "when that changed, in UTC: 2026-11-27T08:15:00"),
    "version": Field("text", "of its software"),
    "epoch": Field("number", "how often it has been started"),
    "alarms": Field("number", "how often a copy of it has been seen"),
    "age": Field("number", "seconds since it told its status last"),
    "problem": Field("text", "why its last status cannot be read"),
    "service.name": Field("text", "of a service"),
    "service.interface": Field("text", "each interface of it, such as CashDispenser"),
    "service.device": Field("text", "state: online, offline, hardwareError, …"),
    "unit.name": Field("text", "of a storage unit of the service, such as unit1"),
    "unit.id": Field("text", "its own, such as C1"),
    "unit.kind": Field("text", "cash, card, check, printer or deposit"),
    "unit.gives": Field("truth", "whether items go out of it to customers"),
    "unit.status": Field("text", "ok, inoperative, missing, …"),
    "unit.replenishmentStatus": Field("text", "ok, full, high, low or empty"),
    "unit.count": Field("number", "items in it, by the books"),
    "unit.capacity": Field("number", "items that it can hold"),
    "unit.currency": Field("text", "of its cash items, such as EUR"),
    "unit.value": Field("number", "of one of them"),
    "unit.initial": Field("number", "items at the last replenishment"),
    "unit.in": Field("number", "items that came in since"),
    "unit.out": Field("number", "items that went out since"),
}

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPERATORS = ("==", "!=", *_ORDER, "~")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<sign>[()]|==|!=|<=|>=|[<>~])|(?P<quoted>'[^']*'|"[^"]*")|(?P<word>[^\s()=!<>~'"]+)"""
)
_WORDS = ("and", "or", "not", "any", "missing", "true", "false")


class WhereError(ValueError):
    """An expression that cannot be read.

    Attributes:
        column: where, from 1.
    """

    def __init__(self, column: int, text: str) -> None:
        self.column = column
        super().__init__(f"column {column}: {text}")


@dataclass(frozen=True)
class _Compared:
    field: str
    sign: str
    value: Value

    def holds(self, row: Row, anew: Callable[[Any], bool]) -> bool:
        found = row.get(self.field)
        if isinstance(found, tuple):
            if self.sign == "!=":
                return not any(self._one(each, "==") for each in found or (None,))
            return any(self._one(each, self.sign) for each in found or (None,))
        return self._one(found, self.sign)

    def _one(self, found: Any, sign: str) -> bool:
        value = self.value
        if sign in ("==", "!="):
            return (found is None if value is None else found is not None and found == value) == (
                sign == "=="
            )
        if found is None:
            return False
        if sign == "~":
            return fnmatch.fnmatchcase(found, _pattern(str(value)))
        return _ORDER[sign](found, value)

    def __str__(self) -> str:
        return f"{self.field} {self.sign} {_said(self.value)}"


@dataclass(frozen=True)
class _Is:
    field: str

    def holds(self, row: Row, anew: Callable[[Any], bool]) -> bool:
        return row.get(self.field) is True

    def __str__(self) -> str:
        return self.field


@dataclass(frozen=True)
class _Not:
    inner: _Node

    def holds(self, row: Row, anew: Callable[[Any], bool]) -> bool:
        return not self.inner.holds(row, anew)

    def __str__(self) -> str:
        return f"not ({self.inner})"


@dataclass(frozen=True)
class _Several:
    """What is joined by `and` or by `or`."""

    joined: Literal["and", "or"]
    parts: tuple[_Node, ...]

    def holds(self, row: Row, anew: Callable[[Any], bool]) -> bool:
        each = (one.holds(row, anew) for one in self.parts)
        return all(each) if self.joined == "and" else any(each)

    def __str__(self) -> str:
        return f" {self.joined} ".join(f"({one})" for one in self.parts)


@dataclass(frozen=True)
class _Any:
    inner: _Node

    def holds(self, row: Row, anew: Callable[[Any], bool]) -> bool:
        return anew(self.inner)

    def __str__(self) -> str:
        return f"any({self.inner})"


_Node = _Compared | _Is | _Not | _Several | _Any


@dataclass(frozen=True)
class Expression:
    """An expression that has been read; `str` gives one that means the same."""

    root: _Node

    def matches(self, rows: Sequence[Row]) -> bool:
        """Whether the device is meant whose rows these are."""
        # What is within `any` is the same for every row: asked once, or its cost would grow with each level.
        known: dict[int, bool] = {}

        def anew(inner: _Node) -> bool:
            if id(inner) not in known:
                known[id(inner)] = any(inner.holds(row, anew) for row in rows)
            return known[id(inner)]

        return anew(self.root)

    def __str__(self) -> str:
        return str(self.root)


def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        WhereError: it is none; the text says where and why, and what would be right.
    """
    if len(text) > LONGEST:
        raise WhereError(LONGEST + 1, f"an expression has {LONGEST} characters at most")
    parser = _Parser(list(_tokens(text)), len(text) + 1)
    root = parser.alternatives(0)
    parser.end()
    return Expression(root)


@dataclass(frozen=True)
class _Token:
    kind: Literal["sign", "quoted", "word", "end"]
    text: str
    column: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            char = text[at]
            if char == "=":
                raise WhereError(at + 1, "write == to compare")
            if char in "'\"":
                raise WhereError(at + 1, f"there is no second {char}")
            raise WhereError(at + 1, f"{told(char)} is out of place; write != to compare")
        if found.lastgroup in ("sign", "quoted", "word"):
            yield _Token(found.lastgroup, found[0], at + 1)  # type: ignore[arg-type]
        at = found.end()


class _Parser:
    def __init__(self, tokens: list[_Token], end: int) -> None:
        self._tokens, self._at, self._end = tokens, 0, _Token("end", "the end", end)

    def _next(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else self._end

    def _take(self, *texts: str) -> bool:
        token = self._next()
        if token.kind in ("sign", "word") and token.text in texts:
            self._at += 1
            return True
        return False

    def end(self) -> None:
        token = self._next()
        if token.kind == "end":
            return
        if token.text == ")":
            raise WhereError(token.column, "there is no ( for this )")
        raise WhereError(token.column, f"{told(token.text, 40)} is out of place; join conditions by and, or")

    def alternatives(self, depth: int) -> _Node:
        return self._joined("or", lambda: self._joined("and", lambda: self._denied(depth)))

    def _joined(self, word: Literal["and", "or"], part: Callable[[], _Node]) -> _Node:
        parts = [part()]
        while self._take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else _Several(word, tuple(parts))

    def _denied(self, depth: int) -> _Node:
        token = self._next()
        if depth >= DEEPEST:
            raise WhereError(token.column, f"there are more than {DEEPEST} within each other")
        if self._take("not"):
            return _Not(self._denied(depth + 1))
        if self._take("any"):
            if not self._take("("):
                raise WhereError(self._next().column, "any needs (: any(unit.count < 5)")
            return _Any(self._enclosed(token, depth))
        if self._take("("):
            return self._enclosed(token, depth)
        return self._condition()

    def _enclosed(self, opened: _Token, depth: int) -> _Node:
        inner = self.alternatives(depth + 1)
        if not self._take(")"):
            raise WhereError(self._next().column, f"the ( of column {opened.column} is not closed")
        return inner

    def _condition(self) -> _Node:
        token = self._next()
        name = token.text
        if token.kind != "word" or name in _WORDS:
            raise WhereError(
                token.column, f"a field is missing here, not {told(name, 40)}; such as online or unit.count"
            )
        if name not in FIELDS:
            raise WhereError(token.column, f"{told(name, 40)} is not a field; {_near(name)}")
        self._at += 1
        field, sign = FIELDS[name], self._next()
        if not self._take(*_OPERATORS):
            if field.kind == "truth":
                return _Is(name)
            raise WhereError(
                sign.column, f"{name} is to be compared: one of {' '.join(_OPERATORS)} is missing here"
            )
        return _Compared(name, sign.text, self._value(name, field, sign))

    def _value(self, name: str, field: Field, sign: _Token) -> Value:
        token = self._next()
        if token.kind not in ("word", "quoted"):
            raise WhereError(token.column, f"a value is missing here, not {told(token.text, 40)}")
        text = token.text
        equal = sign.text in ("==", "!=")
        if token.kind == "word" and text == "missing":
            if not equal:
                raise WhereError(token.column, "missing can be compared by == and != only")
            self._at += 1
            return None
        if (sign.text == "~" and field.kind != "text") or (field.kind == "truth" and not equal):
            raise WhereError(sign.column, f"{name} is a {field.kind}; it cannot be compared by {sign.text}")
        value: Value
        if field.kind == "truth":
            if text not in ("true", "false"):
                raise WhereError(token.column, f"{name} is true or false, not {told(text, 40)}")
            value = text == "true"
        elif field.kind == "number":
            if not _NUMBER.fullmatch(text):
                raise WhereError(
                    token.column, f"{name} is a number, such as 100 or 12.50, not {told(text, 40)}"
                )
            value = Decimal(text)
        elif token.kind == "word" and text in _WORDS:
            raise WhereError(token.column, f"write '{text}' for the text")
        else:
            value = text[1:-1] if token.kind == "quoted" else text
        self._at += 1
        return value


def _near(name: str) -> str:
    """What may have been meant."""
    last = name.rpartition(".")[2]
    meant: Iterable[str] = [
        one for one in FIELDS if one.rpartition(".")[2].lower() == last.lower()
    ] or close_matches(name, FIELDS, 2, 0.6)
    return f"did you mean {' or '.join(meant)}?" if meant else f"there are {', '.join(FIELDS)}"


def _pattern(text: str) -> str:
    """For `fnmatch`, in which `[` would begin a set."""
    return text.replace("[", "[[]")


def _said(value: Value) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value:f}"
        case _:
            # No text has both: it comes from one pair of quotes, or from a word.
            return f'"{value}"' if "'" in value else f"'{value}'"
