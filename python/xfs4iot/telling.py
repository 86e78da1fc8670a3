"""What people are told about things that came from outside: on one line, bounded, without secrets.

A client chooses the names of messages, its headers, the subject of its certificate and every text
in a payload; a device class chooses what its exceptions say. All of it ends up in log lines, in
an `errorDescription`, in reasons and answers that someone reads. `told` is what such a text must
go through: it costs no more than its limit however long the text is, leaves nothing that moves a
terminal's cursor or turns the direction of writing, and nothing that is named like a secret.

Nobody has to remember it: `logger` gives loggers whose records have been through it, with their
arguments, fields and tracebacks; every `XfsError` puts its description through it.
"""

from __future__ import annotations

import logging
import re
import traceback
from typing import Any

__all__ = [
    "DESCRIPTION",
    "LINE",
    "MASK",
    "SECRET_ENDS",
    "SECRET_WORDS",
    "VALUE",
    "Ready",
    "guard",
    "is_secret",
    "logger",
    "masked_text",
    "raised_at",
    "told",
    "without_data",
]

MASK = "•••"
VALUE = 400
"""Characters of one value in a text."""
DESCRIPTION = 1000
"""Characters of an `errorDescription`, a reason, or a line of an answer."""
LINE = 4000
"""Characters of a log line, without its fields."""
_ITEMS = 20
"""Values of a list among a log record's fields."""
_TRACEBACK = 20_000
_TRACEBACK_LINES = 60
_AROUND = 300
"""Characters beside the kept ones that are looked at, for a secret that begins there."""

_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
# Repeats are bounded: whoever chooses the text must not choose how long the search takes.
_NAME = re.compile(
    r"""(?<![\w.\-])(?P<name>[A-Za-z_][\w.\-]{0,200})["']?\s{0,4}(?:=|:(?=\s{0,4}["']))\s{0,4}"""
)
_VALUE = re.compile(r""""(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,;&"'(){}\[\]]+""")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=\-]{16,}")
_DATA = re.compile(r"[^\s]{0,200}(?:(?:[0-9A-Fa-f]{2}){6}|\d(?:[ -]?\d){7}|\^)[^\s]{0,200}")
_PIN = re.compile(r"\d(?:\W{0,3}\d){3,}")
_FRAMES = 5
_DIGITS = re.compile(r"\d(?:[ -]?\d){12}")
_CARD_NUMBER = re.compile(r"(?<![\d.])(?P<number>\d(?:[ -]?\d){12,18})(?!\d)(?:[=D^][^\s\"']{0,100})?")
"""Of 13 to 19 digits, as ISO/IEC 7812 has it; behind it what a track has besides."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
SECRET_WORDS = {"bearer", "cvc", "cvv", "hmac", "pan", "pin", "pins", "track", "tracks"}
SECRET_ENDS = (
    "authorization",
    "keydata",
    "keyvalue",
    "nonce",
    "nonces",
    "passphrase",
    "password",
    "passwd",
    "pinblock",
    "secret",
    "secrets",
    "token",
    "tokens",
)


class Ready(str):
    """A text that is ready to be told: bounded and masked by whoever made it."""

    __slots__ = ()


def is_secret(name: str) -> bool:
    """Whether what has this name must not be told; in whatever way its words are put together."""
    words = [word.lower() for word in _WORD.findall(name[-200:])]
    joined = "".join(words).rstrip("0123456789")
    return (
        joined.endswith(SECRET_ENDS)
        or joined.startswith("hmac")
        or joined in SECRET_WORDS
        or not SECRET_WORDS.isdisjoint(words)
    )


def told(value: object, limit: int = VALUE) -> str:
    """`value` as a text that may be told: on one line, about `limit` characters long at most.

    Of a longer one the beginning and the end are kept, since sentences often say at their end what
    to do. What is called a token, a PIN, a track and the like (`token=…`, `"pin": "…"`) is masked.
    Telling what has been told already changes nothing.
    """
    if isinstance(value, Ready):
        return value
    text = value if isinstance(value, str) else str(value)
    text = _shortened(text, limit) if len(text) > limit else masked_text(text)
    return _UNSEEN.sub(_escape, text) if _UNSEEN.search(text) else text


def _shortened(text: str, limit: int) -> str:
    first, last = limit // 2, limit // 4
    head = masked_text(text[: first + _AROUND])[:first]
    tail = masked_text(text[-(last + _AROUND) :])[-last:]
    # A part of a word may be a part of a secret whose name is left out.
    tail = tail.partition(" ")[2]
    return f"{head}… ({len(text) - first - len(tail)} characters left out) … {tail}".rstrip(" …")


def masked_text(text: str) -> str:
    """A text as long as it is, without what is named like a secret in it, and without card numbers."""
    if "=" in text or ":" in text:
        parts: list[str] = []
        done = 0
        for named in _NAME.finditer(text):
            # What looks like a name inside a value that is already masked is not one.
            if named.start() < done or not is_secret(named["name"]):
                continue
            if value := _VALUE.match(text, named.end()):
                quote = value[0][0] if value[0][0] in "\"'" else ""
                parts += text[done : named.end()], quote, MASK, quote
                done = value.end()
        if parts:
            text = "".join((*parts, text[done:]))
    text = _BEARER.sub(rf"\1{MASK}", text)
    return _CARD_NUMBER.sub(_unless_no_card, text) if _DIGITS.search(text) else text


def _unless_no_card(found: re.Match[str]) -> str:
    """A mask for what has a card number's check digit, with the track behind it."""
    digits = [int(one) for one in found["number"] if one.isdigit()]
    doubled = (sum(divmod(2 * one, 10)) for one in digits[-2::-2])
    return MASK if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and any(digits) else found[0]


def without_data(text: str, *, pins: bool = False) -> str:
    """A text without the words that look like data of a card, a code or a key: many digits, or a track's.

    Args:
        pins: nor numbers of 4 digits or more, together or one by one.
    """
    text = _DATA.sub(MASK, text)
    return _PIN.sub(MASK, text) if pins else text


def raised_at(fault: BaseException) -> str:
    """Where something was raised: the innermost lines of code, without its text."""
    frames = traceback.extract_tb(fault.__traceback__)[-_FRAMES:]
    lines = (f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
    return " <- ".join(reversed(list(lines))) or "nowhere"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_ORDINARY = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _Guard(logging.Filter):
    """Makes each record such that it may be told, whoever writes it and wherever it is written."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name in record.__dict__.keys() - _ORDINARY:
            record.__dict__[name] = _argument(record.__dict__[name])
        # A record may pass this filter several times, on its logger and on handlers.
        if not isinstance(record.msg, Ready):
            record.msg, record.args = Ready(_text(record)), None
            if record.exc_info and record.exc_info[0] is not None:
                # Formatters print `exc_text` where it is set, instead of the raw traceback.
                record.exc_text = "\n".join(_lines("".join(traceback.format_exception(*record.exc_info))))
        return True


def _text(record: logging.LogRecord) -> str:
    whole = False
    try:
        if record.name in _OF_MANY_LINES:
            return "\n".join(_lines(record.getMessage()))
        if isinstance(record.args, tuple):
            whole = any(isinstance(one, Ready) for one in record.args)
            record.args = tuple(map(_argument, record.args))
        text = record.getMessage()
    except Exception as wrong:
        text = f"a line that cannot be put together ({wrong!r}): {record.msg}"
    return text if whole else told(text, LINE)


_OF_MANY_LINES = {"xfs4iot.stalls"}
"""Loggers that show where the process hangs."""


def _argument(value: Any) -> Any:
    if isinstance(value, str | BaseException):
        return told(value)
    if isinstance(value, tuple | list):
        kept = [_argument(one) for one in value[:_ITEMS]]
        return type(value)(kept) if len(kept) == len(value) else [*kept, f"… {len(value) - _ITEMS} more"]
    return value


def _lines(text: str) -> list[str]:
    """A traceback: the beginning and the end of a long one, each line such that it may be told."""
    if len(text) > 2 * _TRACEBACK:
        text = f"{text[:_TRACEBACK]}\n…\n{text[-_TRACEBACK:]}"
    lines = text.rstrip().split("\n")
    if len(lines) > _TRACEBACK_LINES:
        half = _TRACEBACK_LINES // 2
        lines = [*lines[:half], f"… {len(lines) - 2 * half} lines left out …", *lines[-half:]]
    return [told(line) for line in lines]


guard = _Guard()
"""The filter; loggers and handlers may have it, or both."""


def logger(name: str) -> logging.Logger:
    """The logger of this name, whose records may be told whatever stands in them."""
    found = logging.getLogger(name)
    found.addFilter(guard)
    return found
