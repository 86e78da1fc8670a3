"""Operations: the methods of the abstract device classes that a vendor may implement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["implements", "is_operation", "operation"]

_Operation = TypeVar("_Operation", bound=Callable[..., Any])


def operation(function: _Operation) -> _Operation:
    """Mark a method of an abstract device class as one that vendors may implement."""
    function.__xfs_operation__ = True  # type: ignore[attr-defined]
    return function


def is_operation(kind: type[Any], name: str) -> bool:
    """Whether `name` is an operation that the device classes which `kind` is made of know."""
    return any(getattr(base.__dict__.get(name), "__xfs_operation__", False) for base in kind.__mro__)


def implements(device: object, name: str) -> bool:
    """Whether the device's class overrides the operation `name`."""
    function = getattr(type(device), name, None)
    return function is not None and not getattr(function, "__xfs_operation__", False)
