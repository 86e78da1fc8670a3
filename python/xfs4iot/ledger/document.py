"""Documents that interfaces keep in the ledger, each with how it is read.

A document that cannot be read (of another version, written by hand, damaged in a way that no digest
shows) never keeps a service from starting: the log says so, the service goes on without it, and what was kept
is put aside under another name when something new is kept. `xfs4iot ledger check` reads each document in the
same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, overload

from xfs4iot.ledger.service_ledger import ASIDE, ServiceLedger
from xfs4iot.protocol import wire
from xfs4iot.telling import logger

__all__ = ["Document", "unreadable"]

_Kind = TypeVar("_Kind")

_log = logger("xfs4iot.ledger")
_known: dict[str, Document[Any]] = {}


class Document(Generic[_Kind]):
    """One document, or several whose names begin alike.

    Args:
        name: of the document; with a `*` at the end, how the names begin.
        kind: what it holds, as JSON.
        read: reads it otherwise; raises anything if it cannot.
    """

    @overload
    def __init__(self, name: str, kind: type[_Kind]) -> None: ...
    @overload
    def __init__(self, name: str, *, read: Callable[[bytes], _Kind]) -> None: ...
    def __init__(self, name: str, kind: Any = None, *, read: Callable[[bytes], _Kind] | None = None) -> None:
        self.name = name
        self.read: Callable[[bytes], _Kind] = read or (lambda value: wire.decode(kind, value))
        _known[name] = self

    def of(self, ledger: ServiceLedger, rest: str = "") -> _Kind | None:
        """What is kept, or None: there is nothing, or it cannot be read, which the log says then.

        Args:
            rest: of the name, where several begin alike.
        """
        name = self.name.removesuffix("*") + rest
        value = ledger.document(name)
        if value is None:
            return None
        try:
            return self.read(value)
        except Exception as wrong:
            if ledger.set_aside(name):
                _log.error(
                    "%s: what is kept as %s cannot be read (%s); the service goes on without it, and puts it "
                    "aside when it keeps something new: see `xfs4iot ledger check`",
                    ledger.name,
                    name,
                    wrong,
                )
            return None


def unreadable(documents: Iterator[tuple[str, str, bytes]]) -> Iterator[str]:
    """What is wrong with documents (service, name, content), in words.

    Of interfaces whose module was not imported nothing is known.
    """
    for service, name, value in documents:
        if name.endswith(ASIDE):
            yield f'document "{name}" of {service}: it was put aside, since it could not be read'
            continue
        kept = _known.get(name) or next(
            (one for known, one in _known.items() if known.endswith("*") and name.startswith(known[:-1])),
            None,
        )
        if kept is None:
            continue
        try:
            kept.read(value)
        except Exception as wrong:
            yield f'document "{name}" of {service} cannot be read, the service goes on without it: {wrong}'
