"""Where in a payload the mistake is: the JSON path of what did not fit.

The decoder names the path to a mistake, but not the key where that path leads through free keys
(`$.currencies[...]`). The key is found by asking the decoder again with half of that object's
keys, then half of those: a few decodes of ever smaller payloads. Very long payloads are not searched,
since other clients would have to wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from xfs4iot.protocol.mismatch import cut

__all__ = ["located", "pointed", "with_known"]

_UNNAMED = "[...]"
_LONGEST = 128 * 1024
"""Bytes of a payload in which a key is looked for."""
_UNKNOWN = re.compile(r"object contains unknown field `(.*)`", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_WORDS = {"invalid decimal string": "expected `number`, got `str`", "`decimal": "`number"}
"""What the decoder says in Python's words, and JSON's for the same."""
_read = msgspec.json.Decoder(float_hook=Decimal).decode
_write = msgspec.json.Encoder(decimal_format="number").encode


def located(wrong: Exception) -> tuple[str, str]:
    """What is wrong, and the JSON path where."""
    text, *paths = str(wrong).split(" - at `$")
    text = text[:1].lower() + text[1:]
    for said, meant in _WORDS.items():
        text = text.replace(said, meant)
    # Nested decoders append their parts one after the other, the outermost last.
    return text, "$" + "".join(path.rstrip("`") for path in reversed(paths))


def with_known(mistake: tuple[str, str], kind: Any) -> tuple[str, str]:
    """The same mistake; where a property is unknown that `kind` has not, with those that it has."""
    text, path = mistake
    found = _UNKNOWN.fullmatch(text)
    if found is None:
        return mistake
    known = getattr(kind, "__struct_encode_fields__", ()) if path == "$" else ()
    offer = (
        f"; there are {', '.join(known)}" if len(known) > 1 else "".join(f"; there is {one}" for one in known)
    )
    return f"{cut(found[1])!r} is not a property{offer}", path


def pointed(
    wrong: msgspec.ValidationError, payload: bytes, decode: Callable[[bytes], Any]
) -> tuple[str, str]:
    """What is wrong, and the JSON path where, with the keys that `wrong` leaves unnamed.

    Args:
        wrong: what `decode` raised for `payload`.
    """
    mistake = text, path = located(wrong)
    parts = path.split(_UNNAMED)
    if len(payload) > _LONGEST or len(parts) == 1:
        return mistake
    try:
        content = node = _read(payload)
    except (msgspec.MsgspecError, ArithmeticError):  # such as a number that no reader of ours takes
        return text, parts[0]
    for number, part in enumerate(parts[:-1]):
        node = _follow(node, part)
        if not isinstance(node, dict):
            return mistake
        while len(node) > 1:
            items = list(node.items())
            middle = len(items) // 2
            # `node` is a part of `content`: what is left in it is what the decoder is asked about.
            _keep(node, items[:middle])
            if _mistake(content, decode) != mistake:
                _keep(node, items[middle:])
        # In neither half alone: better no key than a wrong one.
        if _mistake(content, decode) != mistake:
            return mistake
        ((key, node),) = node.items()
        parts[number] = f"{part}.{key}"
    return text, "".join(parts)


def _follow(node: Any, path: str) -> Any:
    """What a path without unnamed keys leads to; None if it leads nowhere."""
    try:
        for name, index in _STEP.findall(path):
            node = node[name] if name else node[int(index)]
    except (KeyError, IndexError, TypeError):
        return None
    return node


def _keep(holder: dict[str, Any], items: list[tuple[str, Any]]) -> None:
    holder.clear()
    holder.update(items)


def _mistake(content: Any, decode: Callable[[bytes], Any]) -> tuple[str, str] | None:
    try:
        decode(_write(content))
    except msgspec.ValidationError as wrong:
        return located(wrong)
    return None
