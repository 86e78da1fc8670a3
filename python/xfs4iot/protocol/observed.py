"""Structs that tell when one of their attributes is set: the live status of a device.

A struct that nobody observes costs one lookup more when it is set. Changes inside lists and
dicts are not seen: set the attribute to a new list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["ObservedStruct", "bind"]

_OBSERVER = "_observer"


class ObservedStruct(msgspec.Struct, dict=True):
    """A struct whose observer is called after any attribute of it, or of its parts, is set."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        observer = self.__dict__.get(_OBSERVER)
        if observer is not None:
            _bind(value, observer)
            observer()


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
