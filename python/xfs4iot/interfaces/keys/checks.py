"""Checks that the key interfaces share."""

from __future__ import annotations

from typing import Any, Protocol

from xfs4iot import devices
from xfs4iot.interfaces.keys.components import Components
from xfs4iot.interfaces.keys.key_table import IllegalAccess, KeyTable
from xfs4iot.interfaces.keys.purposes import Purpose
from xfs4iot.protocol import errors
from xfs4iot.server.handler import Check, check

__all__ = [
    "LONGEST_NAME",
    "KeyLoading",
    "illegal",
    "is_name",
    "key_exists",
    "key_usable",
    "name_given",
    "require_name",
]


class KeyLoading(Protocol):
    """KeyManagement, as far as the checks of its commands look at it."""

    @property
    def table(self) -> KeyTable: ...

    @property
    def components(self) -> Components: ...

    @property
    def device(self) -> devices.KeyManagement: ...


LONGEST_NAME = 255


class _OnKeys(Protocol):
    """An interface that uses keys."""

    @property
    def table(self) -> KeyTable: ...


def _wire(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(map(str.capitalize, rest))


def name_given(field: str = "key") -> Check:
    """That a property names a key, as a name may be."""

    def named(on: object, request: Any) -> None:
        name = None if request is None else getattr(request, field)
        if not name:
            raise errors.InvalidData(f"$.{_wire(field)} is missing; name the key")
        require_name(name, _wire(field))

    named.__doc__ = f"`{_wire(field)}`: a name of 1 to {LONGEST_NAME} printable characters"
    return check("invalidData", name=f"name given {_wire(field)}")(named)


def is_name(name: str) -> bool:
    """Whether a text can be the name of a key."""
    return 1 <= len(name) <= LONGEST_NAME and name.isprintable()


def require_name(name: str, field: str) -> None:
    """Refuse what cannot be the name of a key.

    Raises:
        InvalidData: it is empty, too long, or not printable.
    """
    if not is_name(name):
        raise errors.InvalidData(f"$.{field}: a key's name has 1 to {LONGEST_NAME} printable characters")


def key_exists(field: str = "key") -> Check:
    """That the named key is there and loaded."""

    def exists(on: _OnKeys, request: Any) -> None:
        on.table.loaded(getattr(request, field), f"$.{_wire(field)}")

    exists.__doc__ = f"whether the key `{_wire(field)}` is there and loaded"
    return check("keyNotFound", "keyNoValue", name=f"key exists {_wire(field)}")(exists)


def key_usable(purpose: Purpose, field: str = "key", mode_code: str = "useViolation") -> Check:
    """That the named key, if one is named, is there, loaded, and may do this."""

    def usable(on: _OnKeys, request: Any) -> None:
        name = getattr(request, field)
        if name is not None:
            on.table.for_use(name, purpose, f"$.{_wire(field)}", mode_code=mode_code)

    usable.__doc__ = f"whether the key `{_wire(field)}` may {purpose.text}"
    codes = dict.fromkeys(("keyNotFound", "keyNoValue", "useViolation", mode_code))
    return check(*codes, name=f"key usable {_wire(field)}")(usable)


def illegal(name: str, error_code: str, description: str, reason: str = "useViolation") -> IllegalAccess:
    """A refusal, told to everybody, for a reason that only one command knows."""
    return IllegalAccess(error_code, description, name, reason)
