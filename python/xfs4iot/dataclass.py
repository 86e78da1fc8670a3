"""`dataclass` as in the standard library, for a quarter of its cost at start-up and half of its memory.

`dataclasses.dataclass` writes six functions for each frozen class and compiles each by itself: 11 KiB, and
a millisecond. A whole ATM has more than 300 such classes. Here only `__init__` is written, by the
standard library; the others are the same few functions for all classes, which look up the fields:

    from xfs4iot.dataclass import dataclass

    @dataclass(frozen=True)
    class Dispensed: ...

Everything else is as before: `fields`, `replace`, `FrozenInstanceError`, inheritance both ways, methods
that the class writes itself, and how equality, hash and text come out. Type checkers see the standard
library's. Classes with `slots` or `order` are made by it, too, for they have other needs.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]


def _nothing(_: Any) -> tuple[()]:
    return ()


_NOTHING = staticmethod(_nothing)


def _values(names: list[str]) -> Any:
    """What takes the fields of these names from an object, as quickly as code written for it."""
    # Unlike a function it does not become a method where it is an attribute of a class.
    return attrgetter(*names) if names else _NOTHING


@recursive_repr()
def _text(self: Any) -> str:
    shown = ", ".join(
        f"{one.name}={getattr(self, one.name)!r}" for one in dataclasses.fields(self) if one.repr
    )
    return f"{type(self).__qualname__}({shown})"


def _equal(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    values = self.__compared__
    return bool(values(self) == values(other))


def _hash(self: Any) -> int:
    return hash(self.__hashed__(self))


def _stays(self: Any, name: str) -> bool:
    # A subclass that is no dataclass itself may have attributes of its own, as in the standard library.
    return "__dataclass_fields__" in vars(type(self)) or name in self.__dataclass_fields__


def _assign(self: Any, name: str, value: Any) -> None:
    if _stays(self, name):
        raise dataclasses.FrozenInstanceError(
            f"cannot assign to field {name!r}; make another object with dataclasses.replace"
        )
    # As `super().__setattr__` would, were this method written into each class.
    object.__setattr__(self, name, value)


def _delete(self: Any, name: str) -> None:
    if _stays(self, name):
        raise dataclasses.FrozenInstanceError(
            f"cannot delete field {name!r}; make another object with dataclasses.replace"
        )
    object.__delattr__(self, name)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(kind=None, /, *, frozen=False, eq=True, repr=True, **more):
        """Make a class a dataclass; see `dataclasses.dataclass` for the arguments."""
        if kind is None:
            return lambda kind: dataclass(kind, frozen=frozen, eq=eq, repr=repr, **more)
        if set(more) - {"kw_only"}:
            return dataclasses.dataclass(frozen=frozen, eq=eq, repr=repr, **more)(kind)
        written = dict(vars(kind))
        # Python itself writes `__hash__ = None` beside an `__eq__`: that is not the class's own word.
        own_hash = "__hash__" in written and not (written["__hash__"] is None and "__eq__" in written)
        made = dataclasses.dataclass(frozen=frozen, eq=False, repr=False, **more)(kind)
        if repr and "__repr__" not in written:
            made.__repr__ = _text
        if frozen:
            made.__setattr__, made.__delattr__ = _assign, _delete
        if eq:
            values = None
            compared = [one for one in dataclasses.fields(made) if one.compare]
            if "__eq__" not in written:
                made.__compared__ = values = _values([one.name for one in compared])
                made.__eq__ = _equal
            if not own_hash and not frozen:
                made.__hash__ = None
            elif not own_hash:
                hashed = [
                    one for one in dataclasses.fields(made) if (one.compare if one.hash is None else one.hash)
                ]
                same = values is not None and hashed == compared
                made.__hashed__ = values if same else _values([one.name for one in hashed])
                made.__hash__ = _hash
        return made
