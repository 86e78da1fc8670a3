"""What a device class may return, by the annotations of the abstract class's operations.

The annotation of the operation is the one statement of what it returns: type checkers hold the
vendor's code against it, and so does the service, whatever the vendor's class says of itself.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from types import ModuleType
from typing import Any

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._parts import PART, Part
from xfs4iot.protocol import errors, exact, registry
from xfs4iot.protocol.annotations import evaluated
from xfs4iot.server.command import Command

__all__ = ["Declared", "Renamed", "asking_for", "declared", "renamed", "require_defined"]

Renamed = str | type[errors.XfsError]
"""What an error code of an operation is for a command: another one, or a failure by completion code."""


@dataclass(frozen=True)
class Declared:
    """One operation of an abstract device class.

    Attributes:
        name: of the method.
        check: returns what an override returned, or the same made exact; raises `exact.Mismatch`.
        private: whether the device class has to do with data that is never shown.
        pins: whether it has to do with PINs, which look like any number.
    """

    name: str
    check: exact.Check
    private: Callable[[], bool]
    pins: bool


_declared: dict[Callable[..., Any], Declared] = {}


def declared(operation: Callable[..., Any]) -> Declared:
    """What an abstract device class says of its operation; found out once.

    Raises:
        TypeError: it is not a function of an abstract device class, or does not say what it returns.
    """
    try:
        return _declared[operation]
    except KeyError:
        pass
    if not inspect.isfunction(operation) or "return" not in operation.__annotations__:
        raise TypeError(
            f"ask for an operation of the abstract device class, as in `ask(devices.Storage.cash_units)`, "
            f"not for {operation!r}: its annotation says what may be returned"
        )
    returns = evaluated(operation.__annotations__["return"], operation.__module__)
    module, name = sys.modules[operation.__module__], operation.__qualname__.split(".")[0]
    part: Part | None = getattr(module, name).__dict__.get(PART)
    secret = None if part is None else part.secret
    found = _declared[operation] = Declared(
        operation.__name__,
        _discreet(exact.checker(returns), private=secret is not None or exact.is_private(returns)),
        partial(_has_private_data, module, name) if secret is None else lambda: True,
        secret == "pins",
    )
    return found


@cache
def _has_private_data(module: ModuleType, name: str) -> bool:
    """Whether an operation of an abstract device class is given, or returns, data that is never shown."""
    for function in vars(getattr(module, name, object)).values():
        if not inspect.isfunction(function):
            continue
        for annotation in function.__annotations__.values():
            # Some names are there for type checkers only: what they name holds no data.
            with suppress(NameError):
                if exact.is_private(evaluated(annotation, module.__name__)):
                    return True
    return False


def _discreet(check: exact.Check, private: bool) -> exact.Check:
    """The same, but text that comes in place of a whole result, or of one of several, is not shown.

    It has no name that says whether it may stand in a log; it may be what a card or a code says. Of a result
    with private parts no value is shown: what should be in one of them may be in any other.
    """

    def discreet(result: Any) -> Any:
        try:
            return check(result)
        except exact.Mismatch as wrong:
            if private:
                raise wrong.without_values() from None
            nameless = not wrong.path or (wrong.path.startswith("[") and "." not in wrong.path)
            raise (wrong.without_text() if nameless else wrong) from None

    return discreet


_borrowed: ContextVar[tuple[str, ...]] = ContextVar("_borrowed", default=())


@contextmanager
def asking_for(name: str) -> Iterator[None]:
    """Let the device fail as another command does, while it does for this one what that one asks for."""
    before = _borrowed.set(registry.command(name).error_codes)
    try:
        yield
    finally:
        _borrowed.reset(before)


def renamed(failure: errors.XfsError, rename: Mapping[str, Renamed]) -> errors.XfsError:
    """A failure of an operation as a command has it, with what the operation calls it; the same if alike."""
    instead = rename.get(failure.error_code) if isinstance(failure, errors.CommandError) else None
    if instead is None:
        return failure
    said = str(failure).removesuffix(": ")
    if isinstance(instead, str):
        return errors.CommandError(instead, said, payload=failure.payload)
    return instead(said, payload=failure.payload)


def require_defined(failure: errors.XfsError | None, command: Command | None) -> None:
    """See that a failure is one that the running command can complete with.

    Raises:
        Mismatch: its error code or its payload belongs to another command.
    """
    if failure is None or command is None:
        return
    entry = command.handler.entry
    possible = (*entry.error_codes, *_borrowed.get())
    if isinstance(failure, errors.CommandError) and failure.error_code not in possible:
        known = f"one that {command.name} defines: {', '.join(sorted(entry.error_codes)) or 'it has none'}"
        raise exact.Mismatch(known, exact.shown(failure.error_code), "error_code")
    if failure.payload is not None and type(failure.payload) is not entry.completion:
        raise exact.Mismatch(f"the completion of {command.name}", exact.shown(failure.payload), "payload")
