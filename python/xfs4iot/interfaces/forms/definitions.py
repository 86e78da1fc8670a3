"""Definitions by name, kept in the ledger: the forms of a printer or a text terminal, a printer's media.

They are kept in the form of the newest version, however they came; after a restart another version or
another device can read them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import trio

from xfs4iot.interfaces.forms.tokens import shown
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.json_path import located
from xfs4iot.protocol.message import Message
from xfs4iot.server.service import Service

if TYPE_CHECKING:
    from xfs4iot.interfaces.forms.grammar import Definition

__all__ = [
    "Definitions",
    "converted",
    "definition_of",
    "fields_told",
    "form_told",
    "log_ignored",
    "name_misfit",
    "version_misfit",
]

_Kind = TypeVar("_Kind", bound=Message)
_Other = TypeVar("_Other", bound=Message)
_Result = TypeVar("_Result")

_MOST = 1000
_LONGEST_NAME = 256
_MOST_DIGITS = 9
"""Of each part of a form's version: older clients are told numbers."""
_MOST_BYTES = 32 * 1024 * 1024


def converted(definition: Message | Mapping[str, Any], kind: type[_Other]) -> _Other:
    """A definition as a message class of the same shape: what is set as what is queried."""
    return wire.decode(kind, wire.encode(definition))


def form_told(form: Message, name: str | None, completion: Any, kind: type[Message]) -> bytes:
    """The completion that tells a form, as it is written.

    Args:
        name: of the form, for clients of older versions, which are told it; None for others.
        completion: its message class.
        kind: what its forms are.
    """
    return wire.encode(completion(form_name=name, form=converted(form, kind)))


def fields_told(
    fields: Iterable[tuple[str, Message]], wanted: str | None, completion: Any, kind: type[Message]
) -> bytes:
    """The completion that tells a form's fields, or the one that is wanted, as it is written."""
    told = {name: converted(one, kind) for name, one in fields if (wanted or name) == name}
    return wire.encode(completion(fields=told))


def definition_of(content: Mapping[str, Any], kind: type[_Other], error_code: str) -> _Other:
    """A definition that was read from text.

    Args:
        content: as the newest version has it on the wire.
        kind: its message class.
        error_code: if it is none.

    Raises:
        CommandError: a value is not what the standard has.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as wrong:
        text, path = located(wrong)
        raise errors.CommandError(error_code, f"{path}: {text}") from None


def name_misfit(name: str) -> str | None:
    """Why no definition and no font can have this name; None if one can."""
    if len(name) > _LONGEST_NAME:
        return f"a name has at most {_LONGEST_NAME} characters, and this one has {len(name):,}"
    if any(one < " " or "\x7f" <= one <= "\x9f" for one in name):
        return "a name has no control characters"
    return None


def version_misfit(form: Any) -> str | None:
    """Why a form cannot have its version; None if it can."""
    version = form.version.version if form.version is not None else None
    if any(len(one) > _MOST_DIGITS for one in (version or "").split(".")):
        return f"its version has a number of more than {_MOST_DIGITS} digits"
    return None


def log_ignored(log: logging.Logger, found: Definition) -> None:
    """Say which keywords of a definition mean nothing."""
    if found.ignored:
        log.warning(
            "%s %s: %s means nothing any more; take it out of the definition",
            found.kind,
            shown(found.name),
            ", ".join(sorted(set(found.ignored))),
        )


class Definitions(Generic[_Kind]):
    """Definitions of one kind.

    Args:
        service: whose ledger keeps them.
        document: the name under which it does.
        kind: gives their message class, which is loaded only when there are any.
    """

    def __init__(self, service: Service, document: str, kind: Callable[[], type[_Kind]]) -> None:
        self._service = service

        def read(value: bytes) -> dict[str, _Kind]:
            # What `kind()` gives stands here where type checkers want a type.
            held: Any = dict[str, kind()]  # type: ignore[misc]
            return dict(wire.decode(held, value))

        self._kept = Document(document, read=read)
        self._held: dict[str, _Kind] = {}
        # As they are written, from the first change on: each later one costs one definition, not all of them.
        self._encoded: dict[str, msgspec.Raw] | None = None
        self._one_by_one = trio.Lock()
        self._thread = trio.CapacityLimiter(1)

    async def in_thread(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        """Work something out in a thread, one at a time: a definition can have thousands of fields.

        It moves and changes nothing, so that nobody waits for its end once the command is given up.
        """
        return await trio.to_thread.run_sync(work, *arguments, abandon_on_cancel=True, limiter=self._thread)

    def start(self) -> None:
        """Recall what is kept."""
        self._held = self._kept.of(self._service.ledger) or {}

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def __getitem__(self, name: str) -> _Kind:
        return self._held[name]

    @property
    def names(self) -> list[str]:
        """All names, in the order in which they were set first."""
        return list(self._held)

    async def set(self, name: str, definition: _Kind | None) -> None:
        """Keep a definition, in place of another of its name; None takes that away.

        Raises:
            InvalidData: there are too many, they are too large together, or nothing can have this name.
            LedgerUnavailable: it could not be written; nothing has changed then.
        """
        # What was kept under such a name before this was refused can still be deleted.
        if definition is not None and (why := name_misfit(name)) is not None:
            raise errors.InvalidData(f"the definition's name: {why}")
        async with self._one_by_one:
            # Copies, which take effect only after they have been written.
            held = dict(self._held)
            if definition is None:
                held.pop(name, None)
            else:
                held[name] = definition
            encoded, document = await self.in_thread(self._written, name, definition)
            if definition is not None and (len(held) > _MOST or len(document) > _MOST_BYTES):
                raise errors.InvalidData(
                    f"{_MOST} definitions of {_MOST_BYTES} bytes in all can be kept; delete some first"
                )
            await self._service.ledger.put_document(self._kept.name, document)
            self._held, self._encoded = held, encoded

    def _written(self, name: str, definition: _Kind | None) -> tuple[dict[str, msgspec.Raw], bytes]:
        """All definitions with a change, each as it is written, and joined."""
        if self._encoded is None:
            self._encoded = {name: msgspec.Raw(wire.encode(one)) for name, one in self._held.items()}
        encoded = dict(self._encoded)
        if definition is None:
            encoded.pop(name, None)
        else:
            encoded[name] = msgspec.Raw(wire.encode(definition))
        # Joined as they are: `wire` has seen to their numbers already.
        return encoded, msgspec.json.encode(encoded)
