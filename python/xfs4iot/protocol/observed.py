"""Structs that accept only what their annotations say, and structs that report when they are set.

A device class states its capabilities and its live status by setting attributes of message classes.
Anything outside the standard is refused on the very line that is wrong: `Mismatch`, a `ValueError`,
names the attribute and what it may be. The parts of the status also report when they are set. Changes
inside lists and dicts are not seen: set the attribute to a new list.

The framework keeps some attributes of the status up to date unless the device does: `leave` says which,
`keep` sets one. An attribute that was set in the usual way belongs to its setter, and is no longer kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from xfs4iot.protocol import exact

__all__ = ["CheckedStruct", "ObservedStruct", "bind", "keep", "kept", "last", "leave"]

# Kept in `__dict__` beside the struct's fields, where no encoder or comparison sees them.
_OBSERVER = "_observer"
_KEPT = "_kept"
_LASTING = "_lasting"


def _exact(struct: msgspec.Struct, name: str, value: Any) -> Any:
    """A value that an attribute may be set to.

    Raises:
        Mismatch: it may not.
    """
    kind = type(struct)
    check = exact.attribute(kind, name)
    if check is None:
        return value
    try:
        return check(value)
    except exact.Mismatch as wrong:
        raise wrong.inside(name).inside(kind.__name__) from None


class CheckedStruct(msgspec.Struct):
    """A struct whose attributes accept only what their annotations say."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _exact(self, name, value))


class ObservedStruct(msgspec.Struct, dict=True):
    """The same, and its observer is called after any attribute of it, or of its parts, is set."""

    def __setattr__(self, name: str, value: Any) -> None:
        if value is None and name in self.__dict__.get(_LASTING, ()):
            wrong = exact.Mismatch("the part of an interface that the device has; set its attributes", "None")
            raise wrong.inside(name).inside(type(self).__name__)
        super().__setattr__(name, _exact(self, name, value))
        left = self.__dict__.get(_KEPT)
        if left is not None:
            left.discard(name)
        observer = self.__dict__.get(_OBSERVER)
        if observer is not None:
            _bind(value, observer)
            observer()


def leave(struct: ObservedStruct, names: Iterable[str]) -> None:
    """Let the framework keep these attributes of `struct`."""
    struct.__dict__.setdefault(_KEPT, set()).update(names)


def kept(struct: ObservedStruct, name: str) -> bool:
    """Whether the framework keeps an attribute; if not, the device class says it itself."""
    return name in struct.__dict__.get(_KEPT, ())


def keep(struct: ObservedStruct, name: str, value: Any) -> bool:
    """Set an attribute that the framework keeps.

    Returns:
        Whether it was; an attribute that was set otherwise stays as it is.
    """
    if not kept(struct, name):
        return False
    if getattr(struct, name) != value:
        setattr(struct, name, value)
        # Setting it has just taken it out, as any setter would: put it back.
        struct.__dict__[_KEPT].add(name)
    return True


def last(struct: ObservedStruct, name: str) -> None:
    """Let an attribute of `struct`, once it is there, be set to None no more."""
    struct.__dict__.setdefault(_LASTING, set()).add(name)


def bind(struct: ObservedStruct, observer: Callable[[], None]) -> None:
    """Call `observer` after any attribute of `struct`, or of a part of it, is set."""
    _bind(struct, observer)


def _bind(value: Any, observer: Callable[[], None]) -> None:
    if isinstance(value, ObservedStruct):
        value.__dict__[_OBSERVER] = observer
        for field in value.__struct_fields__:
            _bind(getattr(value, field), observer)
    elif isinstance(value, list):
        for one in value:
            _bind(one, observer)
    elif isinstance(value, dict):
        for one in value.values():
            _bind(one, observer)
