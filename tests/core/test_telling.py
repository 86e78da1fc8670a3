"""What came from outside is told on one line, bounded, without secrets; by every logger and every error."""

from __future__ import annotations

import ast
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import xfs4iot
from xfs4iot.protocol import errors
from xfs4iot.server.peer import Peer
from xfs4iot.telling import DESCRIPTION, LINE, MASK, VALUE, logger, told, without_data
from xfs4iot.transport.upgrade import UpgradeRefused

LONG = "A" * 1_000_000


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    text = told(f"$.commands.{LONG}: expected an object; see Common.Capabilities")
    assert len(text) <= VALUE
    assert text.startswith("$.commands.AAA")
    assert text.endswith("expected an object; see Common.Capabilities")
    assert "characters left out" in text


@pytest.mark.parametrize("limit", [VALUE, DESCRIPTION, LINE])
def test_what_was_told_can_be_told_again(limit: int) -> None:
    for text in (LONG, "a " * 100_000, "short", "token=SECRET, and more " * 1000, "\x1b[2J\u202e\ud800"):
        once = told(text, limit)
        assert told(once, limit) == once


def test_nothing_moves_the_cursor_or_turns_the_writing() -> None:
    text = told("a\nb\r\x1b[2J\x7f\x9b\u2028\u202e\u200b\ufeff\ud800é€𝄞")
    assert text == "a\\x0ab\\x0d\\x1b[2J\\x7f\\x9b\\u2028\\u202e\\u200b\\ufeff\\ud800é€𝄞"
    text.encode()


@pytest.mark.parametrize(
    "text",
    [
        "GET /xfs4iot/v1.0/CashDispenser?token=SECRET",
        "/x?a=1&Access_Token=SECRET&b=2",
        '{"Token": "SECRET"}',
        '{"TOKEN" : "SE\\"CRET"}',
        "{'pin-block': 'SECRET'}",
        "NONCE=SECRET,TOKENFORMAT=1,HMACSHA256=SECRET",
        "PIN=SECRET;track_2=SECRET;Track2Data='SECRET'",
        "Authorization: Bearer SECRETSECRETSECRET",
        "sessionToken=SECRET password = SECRET",
        f"{'x' * 10_000} token=SECRET",
        f"token={'SECRET' * 10_000}",
        f'pin: "{"SECRET" * 10_000}" and so on',
    ],
)
@pytest.mark.parametrize("limit", [VALUE, LINE])
def test_what_is_named_like_a_secret_is_masked(text: str, limit: int) -> None:
    assert "SECRET" not in told(text, limit)
    assert MASK in told(text, limit)


@pytest.mark.parametrize(
    "text",
    [
        "$.token: expected `str`, got `int`",
        "come with a client certificate or a bearer token that the rules name",
        "stopping=5, typing=fast, expand=1, mapping='x', keyName=\"K1\"",
        "publisher.plain = true contradicts [tls]",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert told(text) == text


def test_every_error_and_every_answer_is_bounded() -> None:
    kinds = [
        one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.XfsError)
    ]
    assert len(kinds) > 20
    for kind in kinds:
        error = kind("code", f"token=SECRET {LONG}\n") if kind is errors.CommandError else kind(f"{LONG}\n")
        assert len(error.description) <= DESCRIPTION
        assert len(str(error)) <= DESCRIPTION + 20
        assert "\n" not in error.description
    refused = UpgradeRefused(404, f"Nothing at {LONG}.\nServices:\n  wss://a\n")
    assert len(refused.body) < DESCRIPTION + 50
    assert refused.body.endswith("\nServices:\n  wss://a\n")
    assert len(Peer("127.0.0.1:1", f"CN={LONG} at 127.0.0.1:1", "").identity) <= VALUE


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What handlers of a program of its own would see of our loggers."""
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign, assignment]
    parent = logging.getLogger("xfs4iot")
    parent.addHandler(handler)
    yield seen
    parent.removeHandler(handler)


def test_a_log_record_is_bounded_with_all_that_belongs_to_it(records: list[logging.LogRecord]) -> None:
    log = logger("xfs4iot.telling")
    fields = {"subject": LONG, "sans": (LONG, *["\n"] * 500), "token": "x"}
    try:
        raise RuntimeError(f"line\ntoken=SECRET {LONG}")
    except RuntimeError as fault:
        log.error("%s and %r: %s", LONG, LONG, fault, exc_info=fault, extra=fields)
    log.error(f"put together before: token=SECRET {LONG}")
    log.error("%d", "no number \x1b[2J")
    log.error("%s", RuntimeError(f"\x1b[2J{LONG}"))
    first, *_ = records
    assert len(first.sans) <= 21  # type: ignore[attr-defined]
    for record in records:
        line = logging.Formatter("%(message)s %(levelname)s").format(record)
        assert len(line) < 4 * LINE
        assert "SECRET" not in line
        assert "\x1b" not in line
        for value in record.__dict__.values():
            assert not isinstance(value, str) or len(value) < 3 * LINE


def test_no_module_has_a_logger_that_does_not_do_this() -> None:
    root = Path(xfs4iot.__file__).parent
    wrong = [
        f"{file.relative_to(root)}:{node.lineno}"
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "getLogger"
        if file.name not in ("telling.py", "logs.py", "checking.py")
    ]
    assert not wrong


_MASKED = 10**7
"""The smallest number that may be taken for what a card says."""


def _numbers(tree: ast.Module) -> dict[str, int]:
    """The whole numbers to which a module gives names."""
    found: dict[str, int] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                with contextlib.suppress(Exception):
                    number = eval(compile(ast.Expression(value), "", "eval"), {"__builtins__": {}}, found)
                    if type(number) is int:
                        found[name] = number
    return found


def test_bounds_that_device_classes_tell_are_not_taken_for_data() -> None:
    """What a device class says goes through `without_data`: large numbers are written in groups."""
    root = Path(xfs4iot.__file__).parent
    files = [*root.glob("simulator/**/*.py"), *root.glob("printing/**/*.py"), *root.glob("*.py")]
    trees = {file: ast.parse(file.read_text("utf-8")) for file in files}
    large = {name for tree in trees.values() for name, number in _numbers(tree).items() if number >= _MASKED}
    assert {"MOST_DOTS", "_MOST_OF_JOB"} <= large
    wrong = [
        f"{file.relative_to(root)}:{node.lineno}"
        for file, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue)
        and node.format_spec is None
        and ast.unparse(node.value).rpartition(".")[2] in large
    ]
    assert not wrong
    told = f"more than {2_000_000_000:,} dots; print fewer pages at once"
    assert without_data(told, pins=False) == told
