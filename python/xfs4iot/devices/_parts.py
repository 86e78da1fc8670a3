"""What a device says about itself, its parts of `Common.Capabilities` and `Common.Status`: derived.

An abstract device class names its part by the module of its messages. From then on every property of
the standard's Capabilities is a class attribute of the same name, as Python spells it:

    class BarcodeReader(
        Device,
        messages=messages,
        status={"scanner": "off"},
        capabilities={"can_filter_symbologies": "filters_symbologies"},
    ):
        symbologies: frozenset[str] = frozenset()
        filters_symbologies: bool = False

- `capabilities` names the attribute where its name differs from the property's, so that two
  interfaces of one device do not clash.
- An attribute that is an operation says whether the class implements it.
- `follows_from("present")` is true if the class implements one of these operations, and
  `derived(function)` is whatever the function makes of the device. A class or object that sets the
  attribute overrides either.
- A set of names stands for the standard's object of booleans, an empty one for null.
- `needs` names the operations that a device of the interface cannot do without.
- `in_vain` names, by attribute, the operations without which nothing becomes of it: of several, one.
- `secret` says that the class has to do with keys or PINs: what it returns wrongly, and what it raises, is
  told without values and numbers.
- `status` has what the status says before anything has happened: values, or `derived`.

All this is worked out when the object is made, again once the device has been opened, and whenever its
units become known. What the vendor's class itself has written into `capabilities` or `status` is never
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import ModuleType, UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._operation import implements, is_operation
from xfs4iot.protocol import exact, observed
from xfs4iot.protocol.annotations import annotation_of, evaluated, field_annotations, own_module
from xfs4iot.protocol.flags import flags, named
from xfs4iot.protocol.message import FreeKeys

__all__: list[str] = []

PART = "__xfs_part__"


def stated_by(kind: type[Any], name: str) -> exact.Check | None:
    """What checks an attribute that a device class states, by the annotation of the abstract classes."""
    known = _checks.get(kind)
    if known is None:
        known = _checks[kind] = {}
    try:
        return known[name]
    except KeyError:
        check = None
        for base in kind.__mro__:
            if own_module(base) and annotation_of(base, name) is not None:
                check = exact.attribute(base, name)
                break
        known[name] = check
        return check


_checks: dict[type[Any], dict[str, exact.Check | None]] = {}


class _Derived:
    """An attribute that is worked out from the device, until a class or an object sets it."""

    def __init__(self, function: Callable[[Any], Any], operations: tuple[str, ...] = ()) -> None:
        self.function = function
        self.operations = operations

    # Without `__set__`, so that an attribute set on the object takes precedence.
    def __get__(self, device: object, kind: type | None = None) -> Any:
        return self if device is None else self.function(device)


def derived(function: Callable[[Any], Any]) -> Any:
    """A class attribute that `function` works out from the device."""
    return _Derived(function)


def follows_from(*operations: str) -> Any:
    """A class attribute that is true if the device implements one of the operations."""
    return _Derived(lambda device: any(implements(device, name) for name in operations), operations)


Secrecy: TypeAlias = Literal["keys", "pins"]
"""Keys; or PINs besides, which have so few digits that they look like any number."""


@dataclass(frozen=True)
class Part:
    """What one abstract device class contributes.

    Attributes:
        name: attribute of the whole status and of the whole capabilities.
        status, capabilities: classes of the part; None if the interface has none.
        first: the status before anything has happened.
        attributes: the device's attribute, by property of the capabilities, where it is called otherwise.
        needs: operations that every device of the interface must have; of several in one entry, one.
        in_vain: by attribute of the device, the operations without any of which it is stated in vain.
        secret: what its classes have to do with, of which nothing that they say may tell; None: nothing such.
    """

    name: str
    status: Callable[..., Any] | None
    capabilities: Any
    first: Mapping[str, Any]
    attributes: Mapping[str, str]
    needs: tuple[tuple[str, ...], ...] = ()
    secret: Secrecy | None = None
    in_vain: Mapping[str, tuple[str, ...]] | None = None

    @classmethod
    def of(
        cls,
        messages: ModuleType,
        status: Mapping[str, Any],
        capabilities: Mapping[str, str],
        needs: tuple[tuple[str, ...], ...],
        secret: Secrecy | None,
        in_vain: Mapping[str, tuple[str, ...]] | None,
    ) -> Part:
        """The part of the interface with these messages."""
        name = messages.__name__.rpartition(".")[2]
        # Not `getattr`: what a module does not have, it takes for a message and loads all of them.
        kinds = [vars(messages).get(kind) for kind in ("Status", "Capabilities")]
        return cls(name, kinds[0], kinds[1], status, capabilities, needs, secret, in_vain)


def promised_by(kind: type[Any], attribute: str) -> tuple[str, ...]:
    """The operations without which an attribute of a device class should not be true."""
    if is_operation(kind, attribute):
        return (attribute,)
    stated = (vars(base).get(attribute) for base in kind.__mro__)
    return next((one.operations for one in stated if isinstance(one, _Derived)), ())


def parts_of(kind: type[Any]) -> Iterator[Part]:
    """The parts of a device class, those of its bases first."""
    for base in reversed(kind.__mro__):
        if part := vars(base).get(PART):
            yield part


class Derivation:
    """Derives the capabilities and the first status of one device.

    Attributes:
        initialised: whether the `__init__` of `Device` was called.
        serial: rises whenever something derived has changed.
        wrong: attributes of the class that are not what they must be, and are left out.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self._told: dict[tuple[str, str, str], Any] = {}
        """What was derived last, by whole, part and property."""
        self.initialised = False
        self.serial = 0
        self.wrong: dict[str, exact.Mismatch] = {}
        # The vendor's `__init__` has not run yet: what is wrong now may be right after it.
        self.again()
        self.wrong.clear()

    def again(self) -> None:
        """Derive everything anew; what the vendor's class has written itself stays."""
        self.wrong.clear()
        for part in parts_of(type(self._device)):
            if part.capabilities is not None:
                self._capabilities(part)
            if part.status is not None:
                self._status(part, part.status)

    def _capabilities(self, part: Part) -> None:
        whole = self._device.capabilities
        if getattr(whole, part.name) is None:
            setattr(whole, part.name, part.capabilities())
        found = getattr(whole, part.name)
        for field, kind in _fields(part.capabilities):
            wanted = self._worked_out(part.attributes.get(field, field), kind)
            if self._is_new("capabilities", part.name, field, wanted, getattr(found, field)):
                setattr(found, field, wanted)

    def _worked_out(self, attribute: str, kind: Any) -> Any:
        """What an attribute says; None if it cannot be worked out from what the class states."""
        try:
            return self._stated(attribute, kind)
        except Exception as fault:
            self._fails(attribute, fault)
            return None

    def _fails(self, attribute: str, fault: Exception) -> None:
        failed = exact.Mismatch("what can be worked out", f"what raises {type(fault).__name__}")
        self.wrong[attribute] = failed.inside(f"{type(self._device).__name__}.{attribute}")

    def _first(self, field: str, first: Any) -> Any:
        """What the status says of a property before anything has happened."""
        if not isinstance(first, _Derived):
            return first
        try:
            return first.function(self._device)
        except Exception as fault:
            self._fails(f"status.{field}", fault)
            return None

    def _stated(self, attribute: str, kind: Any) -> Any:
        """What an attribute of the device says, as the standard writes it; None if there is no such."""
        device = self._device
        if is_operation(type(device), attribute):
            return implements(device, attribute)
        value = getattr(device, attribute, None)
        if value is None or callable(value):
            return None
        if (check := stated_by(type(device), attribute)) is not None:
            try:
                value = check(value)
            except exact.Mismatch as wrong:
                self.wrong[attribute] = wrong.inside(f"{type(device).__name__}.{attribute}")
                return None
        if isinstance(value, (frozenset, set, tuple, list)):
            if not value:
                return None
            is_object = isinstance(kind, type) and issubclass(kind, msgspec.Struct | FreeKeys)
            if is_object and (unknown := sorted(set(value) - named(kind, value))):
                # Otherwise it would be lost without a word.
                strange = exact.Mismatch("what the standard has a name for", exact.shown(unknown[0]))
                self.wrong[attribute] = strange.inside(f"{type(device).__name__}.{attribute}")
            return flags(kind, value) if is_object else list(value)
        return value

    def _is_new(self, whole: str, part: str, field: str, wanted: Any, now: Any) -> bool:
        """Whether a property is to be set: it is the framework's, and what is derived has changed."""
        key = (whole, part, field)
        # Anything but what was derived last was written by the vendor's class.
        if now is not None and (key not in self._told or self._told[key] != now):
            return False
        self._told[key] = wanted
        if wanted == now:
            return False
        self.serial += 1
        return True

    def _status(self, part: Part, kind: Callable[..., Any]) -> None:
        whole = self._device.status
        if getattr(whole, part.name) is None:
            made = kind()
            if part.first:
                observed.leave(made, part.first)
            setattr(whole, part.name, made)
            observed.last(whole, part.name)
        found = getattr(whole, part.name)
        for field, first in part.first.items():
            key = ("status", part.name, field)
            wanted = self._first(field, first)
            if key in self._told and self._told[key] == wanted:
                continue
            observed.keep(found, field, wanted)
            self._told[key] = self._first(field, first)


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    """Name and type of each property of a part of the capabilities; the type without None."""
    annotations = field_annotations(kind)
    return tuple((name, _some(evaluated(*annotations[name]))) for name in kind.__struct_fields__)


def _some(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        return next(one for one in get_args(kind) if one is not type(None))
    return kind
