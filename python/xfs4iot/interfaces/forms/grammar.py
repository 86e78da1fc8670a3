"""Reading a definition by a table of keywords, and writing it by the same table.

A definition is blocks in blocks (`XFSFORM "name" BEGIN ... END`), each with keywords and their values. The
table says which values each keyword has, and where each of them stands in the definition of the newest
version. Reading gives that definition as the wire has it (camelCase, plain values); writing takes it.
Keywords come in any order, each at most once, with all its values or not at all.

What the text cannot say is left out when it is written (`order` of fields is their sequence), or raised as
`CannotBeSaid` where leaving it out would print something else (a picture as initial value).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from itertools import count
from typing import Any, Protocol

from xfs4iot.close_matches import close_matches
from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.forms.tokens import Token, shown, tokens

__all__ = [
    "Block",
    "CannotBeSaid",
    "Definition",
    "Flags",
    "Keyword",
    "Number",
    "Pages",
    "Path",
    "Rgb",
    "Text",
    "Version",
    "Word",
    "read",
    "read_all",
    "words",
    "write",
]

Path = tuple[str, ...]
Plain = dict[str, Any]
# Nine digits always fit 32 bits, and keep int() away from texts of any length.
_MOST_DIGITS = 9
_MOST_IN_LIST = 200
"""Twice as many pages as a form can have, and far more words than there are."""
_STRUCTURE = frozenset({"BEGIN", "END"})
_ESCAPES = {
    "\\": "\\\\",
    '"': '\\"',
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


class CannotBeSaid(ValueError):
    """Something in a definition for which the form language has no words; the message names it."""


@dataclass(frozen=True)
class Definition:
    """A definition that was read.

    Attributes:
        kind: the structure word it begins with, such as `XFSFORM`.
        name: its name.
        content: the definition as the newest version has it on the wire.
        ignored: keywords that were read and have no meaning today (LANGUAGE).
        places: line and column of each block's name, from 1, by its path in the content (`fields`, `amount`);
            the empty path is that of the whole.
    """

    kind: str
    name: str
    content: Plain
    ignored: tuple[str, ...] = ()
    places: Mapping[Path, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)


class _Words:
    """The tokens of a text, one ahead."""

    def __init__(self, text: str) -> None:
        self._tokens: Iterator[Token] = tokens(text)
        self.next = next(self._tokens)

    def take(self) -> Token:
        taken = self.next
        # The end is never used up, so that looking ahead is always possible.
        if taken.kind != "end":
            self.next = next(self._tokens)
        return taken

    def sign(self, sign: str) -> bool:
        """Take a sign if it is next."""
        if self.next.kind == "sign" and self.next.text == sign:
            self.take()
            return True
        return False

    def word(self, expected: str) -> Token:
        if self.next.kind != "word":
            raise self.next.wrong(f"expected {expected}, found {self.next}")
        return self.take()

    def string(self, expected: str) -> Token:
        if self.next.kind != "string":
            raise self.next.wrong(f"expected {expected} in quotes, found {self.next}")
        return self.take()

    def number(self, least: int) -> int:
        token = self.word("a whole number")
        text = token.text
        if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
            raise token.wrong(f"expected a whole number of at most {_MOST_DIGITS} digits, found {token}")
        if int(text) < least:
            raise token.wrong(f"expected a number of at least {least}, found {text}")
        return int(text)


class Value(Protocol):
    """A value of a keyword: how it is read, and written."""

    def read(self, words: _Words, into: Plain) -> None: ...

    def write(self, content: Plain) -> str | None:
        """Its text; None if the definition does not have it."""


def _get(content: Plain, path: Path) -> Any:
    found: Any = content
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _put(content: Plain, path: Path, value: Any) -> None:
    for step in path[:-1]:
        content = content.setdefault(step, {})
    content[path[-1]] = value


@dataclass(frozen=True)
class Number:
    """A whole number.

    Attributes:
        path: where it stands.
        least: the smallest that is allowed.
        default: what is written for one that is absent beside others of its keyword.
        absent: the number that says that there is none (0 for the height of an endless roll).
    """

    path: Path
    least: int = 0
    default: int | None = None
    absent: int | None = None

    def read(self, words: _Words, into: Plain) -> None:
        number = words.number(self.least)
        if number != self.absent:
            _put(into, self.path, number)

    def write(self, content: Plain) -> str | None:
        number = _get(content, self.path)
        return None if number is None else _digits(self.path, str(number))


@dataclass(frozen=True)
class Text:
    """A quoted string."""

    path: Path
    default: str | None = None

    def read(self, words: _Words, into: Plain) -> None:
        _put(into, self.path, words.string("a text").text)

    def write(self, content: Plain) -> str | None:
        text = _get(content, self.path)
        return None if text is None else _quoted(text)


@dataclass(frozen=True)
class Word:
    """One of several words; one that stands for None says nothing.

    Attributes:
        path: where it stands.
        words: the wire's value by word.
        default: the word that is written for one that is absent beside others of its keyword.
        also_numbers: whether another keyword says the values that have commas.
    """

    path: Path
    words: Mapping[str, str | None]
    default: str | None = None
    also_numbers: bool = False

    def read(self, words: _Words, into: Plain) -> None:
        value = self.words[_one_of(words, self.words)]
        if value is not None:
            _put(into, self.path, value)

    def write(self, content: Plain) -> str | None:
        value = _get(content, self.path)
        if value is None or (self.also_numbers and "," in value):
            return None
        for word, one in self.words.items():
            if one == value:
                return word
        raise CannotBeSaid(f"{'.'.join(self.path)}: the form language has no word for {shown(str(value))}")


@dataclass(frozen=True)
class Flags:
    """Words joined with bars, each of which sets a property.

    Attributes:
        path: the object with the properties.
        words: property and value by word; None for the word that sets nothing.
    """

    path: Path
    words: Mapping[str, tuple[str, Any] | None]

    def read(self, words: _Words, into: Plain) -> None:
        said: dict[str, str] = {}
        for number in count():
            token = words.next
            if number >= _MOST_IN_LIST:
                raise token.wrong(f"expected {_MOST_IN_LIST} words at most")
            word = _one_of(words, self.words)
            setting = self.words[word]
            if setting is not None:
                # Repeating the same word is harmless; only two words for one property contradict each other.
                if (other := said.setdefault(setting[0], word)) != word:
                    raise token.wrong(f"{word} and {other} exclude each other")
                _put(into, (*self.path, setting[0]), setting[1])
            if not words.sign("|"):
                return

    def write(self, content: Plain) -> str | None:
        settings = _get(content, self.path) or {}
        said = [
            word
            for word, setting in self.words.items()
            if setting is not None and settings.get(setting[0]) == setting[1]
        ]
        return " | ".join(said) or None


@dataclass(frozen=True)
class Rgb:
    """A colour as three numbers from 0 to 255."""

    path: Path

    def read(self, words: _Words, into: Plain) -> None:
        parts = []
        for number in range(3):
            if number:
                _comma(words)
            token = words.next
            parts.append(words.number(0))
            if parts[-1] > 255:
                raise token.wrong(f"expected a number up to 255, found {token}")
        _put(into, self.path, ",".join(map(str, parts)))

    def write(self, content: Plain) -> str | None:
        color = _get(content, self.path)
        return color if color is not None and "," in color else None


@dataclass(frozen=True)
class Pages:
    """Pages, counted from 0: numbers and ranges, or ALL."""

    path: Path

    def read(self, words: _Words, into: Plain) -> None:
        token = words.word("pages (0,2-4) or ALL")
        parts = [token.text]
        while token.text != "ALL" and words.sign(","):
            token = words.word("a page or a range")
            if len(parts) >= _MOST_IN_LIST:
                raise token.wrong(f"expected {_MOST_IN_LIST} pages and ranges at most")
            parts.append(token.text)
        for part in parts:
            ends = part.split("-")
            numbers = [end for end in ends if end.isascii() and end.isdigit() and len(end) <= _MOST_DIGITS]
            if not (parts == ["ALL"] or (numbers == ends and len(ends) <= 2)):
                raise token.wrong(f"expected a page, a range such as 2-4, or ALL; found {shown(part)}")
        _put(into, self.path, ",".join(parts))

    def write(self, content: Plain) -> str | None:
        pages: str | None = _get(content, self.path)
        return pages


@dataclass(frozen=True)
class Version:
    """Major and minor version; the newest version of the standard knows none below 1."""

    path: Path

    def read(self, words: _Words, into: Plain) -> None:
        major = words.number(0)
        _comma(words)
        minor = words.number(0)
        if major:
            _put(into, self.path, f"{major}.{minor}")

    def write(self, content: Plain) -> str | None:
        version = _get(content, self.path)
        if version is None:
            return "0, 0" if _get(content, self.path[:-1]) else None
        major, _, minor = version.partition(".")
        return f"{_digits(self.path, major)}, {_digits(self.path, minor or '0')}"


@dataclass(frozen=True)
class Keyword:
    """A keyword with its values, separated by commas.

    Attributes:
        name: the keyword.
        values: its values.
        least: how many of them must stand there.
        required: whether the block must have it.
        ignored: whether it is read and has no meaning.
    """

    name: str
    values: tuple[Value, ...]
    least: int = 0
    required: bool = False
    ignored: bool = False

    def read(self, words: _Words, into: Plain) -> None:
        least = self.least or len(self.values)
        for number, value in enumerate(self.values):
            if number:
                if number >= least and not (words.next.kind == "sign" and words.next.text == ","):
                    return
                _comma(words)
            value.read(words, into)

    def write(self, content: Plain) -> str | None:
        written = [value.write(content) for value in self.values]
        if all(one is None for one in written):
            return None
        # Values have no names: only absent ones at the end can be left out.
        while self.least and written[-1] is None and len(written) > self.least:
            written.pop()
        texts = [
            _default(value) if text is None else text
            for value, text in zip(self.values, written, strict=False)
        ]
        return f"{self.name} {', '.join(texts)}"


@dataclass(frozen=True)
class Block:
    """A kind of block.

    Attributes:
        word: its structure word, such as `XFSFIELD`.
        keywords: its keywords.
        blocks: the blocks it may hold, by the property that holds them.
        normal: makes what was read the definition that the newest version has, in place.
        unsaid: properties for which the language has no words, and what would be lost without them.
    """

    word: str
    keywords: tuple[Keyword, ...]
    blocks: Mapping[str, Block] = field(default_factory=dict)
    normal: Callable[[Plain], None] | None = None
    unsaid: tuple[str, ...] = ()


def words(*values: str, none: str | None = None, **others: str) -> dict[str, str | None]:
    """The words of the language by rule: the wire's value in upper case, `others` as they are given.

    `none` is the word that says nothing.
    """
    found: dict[str, str | None] = {} if none is None else {none: None}
    return found | {others.get(value, value.upper()): value for value in values}


def read(text: str, kinds: tuple[Block, ...]) -> Definition:
    """The one definition in a text.

    Raises:
        DefinitionError: it cannot be read; line and column are those of the first thing that is wrong.
    """
    stream = _Words(text)
    found = _definition(stream, kinds)
    if stream.next.kind != "end":
        raise stream.next.wrong(f"expected the end of the text behind END, found {stream.next}")
    return found


def read_all(text: str, kinds: tuple[Block, ...]) -> Iterator[Definition]:
    """The definitions in a text, one behind the other, as files have them.

    Raises:
        DefinitionError: the next one cannot be read, or there is none at all.
    """
    stream = _Words(text)
    while True:
        yield _definition(stream, kinds)
        if stream.next.kind == "end":
            return


def _definition(stream: _Words, kinds: tuple[Block, ...]) -> Definition:
    by_word = {block.word: block for block in kinds}
    token = stream.next
    if token.kind != "word" or token.text not in by_word:
        raise token.wrong(f"expected {' or '.join(by_word)}, found {token}")
    ignored: list[str] = []
    places: dict[Path, tuple[int, int]] = {}
    name, content = _block(stream, by_word[stream.take().text], ignored, places, ())
    return Definition(token.text, name.text, content, tuple(ignored), places)


def _block(
    stream: _Words, block: Block, ignored: list[str], places: dict[Path, tuple[int, int]], path: Path
) -> tuple[Token, Plain]:
    """A block's name and content; its structure word is taken already.

    Args:
        places: where its place is put, and those of the blocks in it.
        path: of what holds it.
    """
    name = stream.string(f"the name of the {block.word}")
    if not name.text.strip():
        raise name.wrong(f"the name of the {block.word} is empty")
    # The outermost one is the content itself.
    path = (*path, name.text) if path else ()
    places[path] = name.line, name.column
    begin = stream.word("BEGIN")
    if begin.text != "BEGIN":
        raise begin.wrong(f"expected BEGIN, found {begin}")
    content: Plain = {}
    by_name = {keyword.name: keyword for keyword in block.keywords}
    holders = {inner.word: holder for holder, inner in block.blocks.items()}
    seen: set[str] = set()
    while True:
        token = stream.word("a keyword or END")
        if token.text == "END":
            break
        if (holder := holders.get(token.text)) is not None:
            inner_name, inner = _block(stream, block.blocks[holder], ignored, places, (*path, holder))
            held = content.setdefault(holder, {})
            if inner_name.text in held:
                raise inner_name.wrong(f"there is another {token.text} {inner_name}")
            held[inner_name.text] = inner
            continue
        keyword = by_name.get(token.text)
        if keyword is None:
            raise token.wrong(_unknown(block, token, [*by_name, *holders]))
        if token.text in seen:
            raise token.wrong(f"{token.text} stands here a second time")
        seen.add(token.text)
        if keyword.ignored:
            ignored.append(token.text)
            # Read into nothing: its values must still be well formed, and be skipped.
            keyword.read(stream, {})
        else:
            keyword.read(stream, content)
    for keyword in block.keywords:
        if keyword.required and keyword.name not in seen:
            raise name.wrong(f"{block.word} {name} has no {keyword.name}")
    if block.normal is not None:
        try:
            block.normal(content)
        except ValueError as wrong:
            raise name.wrong(f"{block.word} {name}: {wrong}") from None
    return name, content


def _unknown(block: Block, token: Token, known: list[str]) -> str:
    # Cut, since comparing is quadratic in the length and the text is a client's.
    near = close_matches(token.text[:32], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(sorted(known))}"
    return f"{block.word} has no keyword {token}; {hint}"


def _default(value: Value) -> str:
    """What is written for a value that is absent beside others of its keyword.

    Raises:
        CannotBeSaid: there is nothing to write for it.
    """
    match value:
        case Text(default=str(text)):
            return _quoted(text)
        case Word(default=str(word)):
            return word
        case Number(default=int(number)) | Number(absent=int(number)):
            return str(number)
    raise CannotBeSaid(f"{'.'.join(getattr(value, 'path', ()))} is missing")


def _digits(path: Path, number: str) -> str:
    """A number, if it can be read again.

    Raises:
        CannotBeSaid: it is too long.
    """
    if len(number) > _MOST_DIGITS:
        raise CannotBeSaid(f"{'.'.join(path)}: the form language has no number of {len(number)} digits")
    return number


def _comma(words: _Words) -> None:
    if not words.sign(","):
        raise words.next.wrong(f"expected a comma, found {words.next}")


def _one_of(words: _Words, known: Mapping[str, Any]) -> str:
    token = words.word("a word")
    if token.text not in known:
        raise token.wrong(f"expected one of {', '.join(known)}; found {token}")
    return token.text


def write(block: Block, name: str, content: Plain) -> str:
    """The text of a definition.

    Args:
        block: what it is.
        name: its name.
        content: the definition as the newest version has it on the wire.

    Raises:
        CannotBeSaid: something in it has no words in the language.
    """
    return "\n".join(_written(block, name, content, "")) + "\n"


def _written(block: Block, name: str, content: Plain, indent: str) -> Iterator[str]:
    for unsaid in block.unsaid:
        if content.get(unsaid) is not None:
            raise CannotBeSaid(f"{block.word} {shown(name)}: the form language has no word for {unsaid}")
    yield f"{indent}{block.word} {_quoted(name)}"
    yield f"{indent}BEGIN"
    for keyword in block.keywords:
        if not keyword.ignored and (line := keyword.write(content)) is not None:
            yield f"{indent}    {line}"
    for holder, inner in block.blocks.items():
        held = content.get(holder) or {}
        for inner_name in sorted(held, key=lambda one: _order(held[one])):
            yield from _written(inner, inner_name, held[inner_name], indent + "    ")
    yield f"{indent}END"


def _order(content: Plain) -> tuple[bool, int]:
    """Fields stand in the order in which they are printed; those without one behind the others."""
    order = content.get("order")
    return (True, 0) if order is None else (False, order)


def _quoted(text: str) -> str:
    # A lone surrogate has no escape; JSON that has one was refused long before.
    return '"' + "".join(_ESCAPES.get(one, one) for one in text) + '"'
