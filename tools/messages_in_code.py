"""The messages that the program can print, found in its source.

A message is the text with which something is raised, or logged at WARNING and above. What is filled in
when it is printed stands as `<name>`, named after what fills it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PACKAGE", "Message", "messages"]

PACKAGE = Path(__file__).resolve().parent.parent / "python" / "xfs4iot"

_LOGGED = frozenset(("warning", "error", "critical", "exception"))
_WORDS = re.compile(r"[A-Za-z<].* ")
_FILLED = re.compile(r"%[-+ #0-9.]*[sdrgfxi]")
_CODE = re.compile(r"[a-z]+[A-Za-z0-9]*$")
_NOT_TOLD = (
    "Deviates",
    "Unattended",
    "NotApplicable",
    "Advises",
    "KeyError",
    "AttributeError",
    "NotImplementedError",
    "TypeError",
)
"""Verdicts of conformance, which its page explains, and mistakes of who writes Python."""
_PASSED_THROUGH = frozenset(
    ("str", "repr", "told", "len", "sorted", "tuple", "list", "join", "hex", "upper", "lower")
)


@dataclass(frozen=True, slots=True)
class Message:
    """One of them.

    Args:
        text: with what is filled in as `<name>`.
        module: where it is, below the package: `server/access.py`.
        raised: the exception's name, or `log.warning` and so on.
        code: the error code that it comes with, if any.
    """

    text: str
    module: str
    raised: str
    code: str


def _name(node: ast.expr) -> str:
    """What fills a place in a text, in a word or two."""
    match node:
        case ast.Name(id=name):
            return name.strip("_") or "value"
        case ast.Attribute(attr=name):
            return name.strip("_")
        case ast.Call(func=ast.Name(id=function), args=[first, *_]) if function in _PASSED_THROUGH:
            return _name(first)
        case ast.Call(func=ast.Attribute(attr=function), args=[first, *_]) if function in _PASSED_THROUGH:
            return _name(first)
        case ast.Call(func=ast.Attribute(value=value, attr=function)) if function in _PASSED_THROUGH:
            return _name(value)
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name.strip("_")
        case ast.Subscript(value=value):
            return _name(value)
        case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element):
            return _name(element)
        case ast.BinOp(left=left) | ast.BoolOp(values=[left, *_]) | ast.UnaryOp(operand=left):
            return _name(left)
        case ast.Constant(value=value):
            return str(value)
        case ast.FormattedValue(value=value) | ast.Starred(value=value) | ast.Await(value=value):
            return _name(value)
        case ast.JoinedStr(values=values):
            named = [_name(value) for value in values if isinstance(value, ast.FormattedValue)]
            return named[0] if named else "text"
        case _:
            return "value"


def _place(node: ast.expr) -> str:
    return f"<{_name(node).replace('_', ' ')}>"


def _text(node: ast.expr) -> Iterator[str]:
    """The texts that an expression can be; none if it is no text that stands here."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else _place(part) for part in values
            )
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            ends = list(_text(right)) or [_place(right)]
            yield from (before + after for before in _text(left) for after in ends)
        case ast.IfExp(body=body, orelse=other):
            yield from _text(body)
            yield from _text(other)
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            for text in _text(value):
                yield re.sub(r"\{(\w*)[^{}]*\}", lambda found: f"<{found[1] or 'value'}>", text)
        case _:
            return


def _logged(call: ast.Call) -> Iterator[str]:
    first, *fills = call.args
    for text in _text(first):
        for fill in fills:
            text = _FILLED.sub(_place(fill), text, count=1)
        yield text


def _found(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Texts, by what they are raised or logged, with a code."""
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=function, args=args)):
                raised = ast.unparse(function).rsplit(".", 1)[-1]
                texts = [text for argument in args for text in _text(argument)]
                code = next((text for text in texts if _CODE.fullmatch(text)), "")
                yield from ((text, raised, code) for text in texts)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="_log"), attr=level), args=[_, *_]) if (
                level in _LOGGED
            ):
                yield from ((text, f"log.{level}", "") for text in _logged(node))
            case _:
                continue


def messages() -> list[Message]:
    """All of them, in the order of their modules; each text of a module once."""
    found: dict[tuple[str, str], Message] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if module.startswith(("scaffold/parts", "protocol/messages")):
            continue
        for text, raised, code in _found(ast.parse(path.read_text("utf-8"))):
            line = " ".join(text.split())
            if _WORDS.search(line) and raised not in _NOT_TOLD:
                found.setdefault((module, line), Message(line, module, raised, code))
    return list(found.values())
