"""Operations: the methods of the abstract device classes that a vendor may implement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["implements", "is_operation", "is_waiting", "operation", "waits_for_people"]

_Operation = TypeVar("_Operation", bound=Callable[..., Any])


def operation(function: _Operation) -> _Operation:
    """Mark a method of an abstract device class as one that vendors may implement."""
    function.__xfs_operation__ = True  # type: ignore[attr-defined]
    return function


def waits_for_people(function: _Operation) -> _Operation:
    """Mark an operation that lasts as long as somebody takes to do his part: it is not hung meanwhile.

    What ends it is the client's timeout or its cancel.
    """
    function.__xfs_waits__ = True  # type: ignore[attr-defined]
    return function


def is_waiting(function: Callable[..., Any]) -> bool:
    """Whether an operation of an abstract device class waits for somebody."""
    return getattr(function, "__xfs_waits__", False)


def is_operation(kind: type[Any], name: str) -> bool:
    """Whether `name` is an operation that the device classes which `kind` is made of know."""
    return any(getattr(base.__dict__.get(name), "__xfs_operation__", False) for base in kind.__mro__)


def implements(device: object, name: str) -> bool:
    """Whether the device's class overrides the operation `name`."""
    function = getattr(type(device), name, None)
    return function is not None and not getattr(function, "__xfs_operation__", False)
