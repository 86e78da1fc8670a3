"""Whether a value is exactly what an annotation says, all the way down.

`msgspec` checks what it reads from bytes, but does not look into objects that are there already,
and Python lets anything be anything. So what code that we did not write hands over is taken apart here,
member by member, before anyone hashes it, counts with it or writes it down:

    checked(tuple[ItemsMoved, ...], moved)      the value, or Mismatch: [0].count is int -3; ...

A whole number is an `int`, not a bool, a float, or a number of another library; without bounds of its
own it is one that JSON can carry. Text can be written as UTF-8. A `Decimal` is finite and of at
most 40 digits before and behind the point. `Literal`s, bounds and patterns (`msgspec.Meta`)
are kept. Dataclasses, message classes and exceptions are looked into, whatever their subclass
says of itself. A `Mapping` is copied, so that it stays as it was when it was checked.

The functions that do this are made from the annotations once, when a class is first met.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from xfs4iot.protocol.annotations import evaluated, field_annotations, own_module

__all__ = [
    "Check",
    "Mismatch",
    "Secret",
    "attribute",
    "checked",
    "checker",
    "parts",
    "register",
    "shown",
    "sound",
]

_Value = TypeVar("_Value")
Check = Callable[[Any], Any]
"""Returns the value, or another that says the same and is exactly of the type; raises Mismatch."""

_LARGEST = 2**53
"""Whole numbers up to here pass through JSON, whoever reads it."""
_MOST_DIGITS = 40
_MOST_MEMBERS = 65_536
_SHOWN = 60


class Secret:
    """In an `Annotated`: the value is never shown, not even when it is wrong."""


class Mismatch(ValueError):
    """A value is not what it must be.

    Attributes:
        expected: what it must be; "" where `found` says all.
        found: what it is, in few words.
        path: where in the whole it stands, such as `moved[0].count`.
    """

    def __init__(self, expected: str, found: str, path: str = "") -> None:
        super().__init__(expected, found, path)
        self.expected = expected
        self.found = found
        self.path = path

    def inside(self, where: str) -> Mismatch:
        """The same, seen from the object that has the value at `where`."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        return type(self)(self.expected, self.found, f"{where}{joint}{self.path}")

    def __str__(self) -> str:
        if not self.expected:
            return f"{self.path}: {self.found}"
        return f"{self.path or 'it'} is {self.found}; it must be {self.expected}"


def checked(kind: type[_Value] | Any, value: Any) -> _Value:
    """A value that is exactly of a type, deep down.

    Raises:
        Mismatch: it is not.
    """
    exact: _Value = checker(kind)(value)
    return exact


def checker(kind: Any) -> Check:
    """What checks values against an annotation; made once for each.

    Raises:
        TypeError: there is no telling whether a value is of this type.
    """
    try:
        return _made[kind]
    except KeyError:
        made = _made[kind] = _make(kind)
        return made
    except TypeError:  # an annotation that cannot be hashed
        return _make(kind)


_made: dict[Any, Check] = {}
_makers: list[tuple[type[Any], Callable[[Any], Check]]] = []


def register(base: type[Any], make: Callable[[Any], Check]) -> None:
    """Say how values of a class, and of those derived from it, are checked."""
    _makers.append((base, make))


def parts(kind: type[Any], names: tuple[str, ...]) -> Check:
    """What checks objects of a class by the annotations of these attributes, which make it anew."""
    return _Parts(kind, names)


def sound(struct: _Value) -> tuple[_Value, list[Mismatch]]:
    """A struct without those of its attributes that are not what they must be, and what was wrong."""
    kind: Any = type(struct)
    wrong: list[Mismatch] = []
    kept = {}
    for name in kind.__struct_fields__:
        check = attribute(kind, name)
        try:
            kept[name] = getattr(struct, name) if check is None else check(getattr(struct, name))
        except Mismatch as mismatch:
            wrong.append(mismatch.inside(name))
    return (kind(**kept) if wrong else struct), wrong


def attribute(kind: type[Any], name: str) -> Check | None:
    """What checks an attribute of objects of `kind` by its annotation; None if it has none."""
    key = kind, name
    try:
        return _attributes[key]
    except KeyError:
        annotation = field_annotations(kind).get(name)
        made = None if annotation is None else checker(evaluated(*annotation))
        _attributes[key] = made
        return made


_attributes: dict[tuple[type[Any], str], Check | None] = {}


def shown(value: Any) -> str:
    """A value in few words, whatever it is."""
    kind = type(value)
    if value is None:
        return "None"
    if kind is int and value.bit_length() > 200:
        return f"an int of {value.bit_length()} bits"
    if kind in (bool, int, float, Decimal):
        text = repr(value) if kind is not Decimal else str(value)
        return f"{kind.__name__} {_cut(text)}"
    if kind is str:
        return f"str {_cut(value)!r}"
    try:
        return f"{_cut(str(kind.__name__))} object" if kind not in _CONTAINERS else kind.__name__
    except Exception:
        return "an object"


_CONTAINERS = (tuple, list, dict, set, frozenset, bytes, bytearray)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _make(kind: Any) -> Check:
    origin = get_origin(kind)
    if kind is Any or kind is object:
        return _anything
    if kind is None or kind is NoneType:
        return _nothing
    if origin is Annotated:
        return _annotated(*get_args(kind))
    if origin in (Union, UnionType):
        return _either(get_args(kind))
    if origin is Literal:
        return _literal(get_args(kind))
    if origin is not None or kind in (tuple, list, dict, set, frozenset):
        return _container(origin or kind, get_args(kind))
    if not isinstance(kind, type):
        raise TypeError(f"values cannot be checked against {kind!r}")
    if (plain := _PLAIN.get(kind)) is not None:
        return plain
    for base, make in _makers:
        if issubclass(kind, base):
            return make(kind)
    if kind is msgspec.Struct:
        return _any_struct
    if issubclass(kind, msgspec.Struct):
        return _Parts(kind, kind.__struct_fields__)
    if dataclasses.is_dataclass(kind):
        return _Parts(kind, tuple(field.name for field in dataclasses.fields(kind)))
    if issubclass(kind, BaseException):
        return _exception(kind)
    raise TypeError(f"values cannot be checked against {kind!r}")


def _anything(value: Any) -> Any:
    return value


def _nothing(value: Any) -> None:
    if value is not None:
        raise Mismatch("None", shown(value))


def _boolean(value: Any) -> Any:
    if type(value) is not bool:
        raise Mismatch("True or False", shown(value))
    return value


def _whole(least: int, most: int) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not int or not least <= value <= most:
            raise Mismatch(f"an int from {least} to {most}", shown(value))
        return value

    return check


def _binary(value: Any) -> Any:
    if type(value) is not bytes:
        raise Mismatch("bytes", shown(value))
    return value


def _real(value: Any) -> Any:
    if type(value) is int:
        return _any_whole(value)
    if type(value) is not float or not math.isfinite(value):
        raise Mismatch("a finite float", shown(value))
    return value


def _decimal(value: Any) -> Any:
    if type(value) is int and abs(value) <= _LARGEST:
        return Decimal(value)
    if type(value) is Decimal and value.is_finite():
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        if value.adjusted() < _MOST_DIGITS and exponent >= -_MOST_DIGITS:
            return value
    raise Mismatch(
        f"a finite Decimal of at most {_MOST_DIGITS} digits before and behind the point", shown(value)
    )


def _text(value: Any) -> Any:
    if type(value) is not str:
        if not issubclass(type(value), str):
            raise Mismatch("text (str)", shown(value))
        value = str.__str__(value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Mismatch("text that can be written as UTF-8", shown(value)) from None
    return value


_any_whole = _whole(-_LARGEST, _LARGEST)
_PLAIN: Mapping[type[Any], Check] = {
    bool: _boolean,
    int: _any_whole,
    float: _real,
    str: _text,
    bytes: _binary,
    Decimal: _decimal,
}


def _literal(options: tuple[Any, ...]) -> Check:
    expected = "one of " + ", ".join(map(repr, options)) if len(options) > 1 else repr(options[0])
    by_type: dict[type[Any], frozenset[Any]] = {}
    for option in options:
        by_type[type(option)] = by_type.get(type(option), frozenset()) | {option}

    def check(value: Any) -> Any:
        if issubclass(type(value), str):
            value = str.__str__(value)
        if value not in by_type.get(type(value), ()):
            raise Mismatch(expected, shown(value))
        return value

    return check


def _annotated(kind: Any, *notes: Any) -> Check:
    inner = checker(kind)
    for note in notes:
        if isinstance(note, msgspec.Meta):
            inner = _bounded(kind, inner, note)
        elif note is Secret or isinstance(note, Secret):
            inner = _unshown(inner)
    return inner


def _unshown(inner: Check) -> Check:
    def check(value: Any) -> Any:
        try:
            return inner(value)
        except Mismatch as wrong:
            kind = type(value)
            found = kind.__name__ if kind in (*_CONTAINERS, *_PLAIN, NoneType) else "an object"
            raise Mismatch(wrong.expected, f"{found} (not shown)", wrong.path) from None

    return check


def _bounded(kind: Any, inner: Check, limits: msgspec.Meta) -> Check:
    if kind is int:
        least = limits.ge if limits.ge is not None else limits.gt + 1 if limits.gt is not None else -_LARGEST
        most = limits.le if limits.le is not None else limits.lt - 1 if limits.lt is not None else _LARGEST
        return _whole(int(least), int(most))
    pattern = re.compile(limits.pattern) if limits.pattern is not None else None

    def fits(value: Any) -> bool:
        return (
            (limits.ge is None or value >= limits.ge)
            and (limits.gt is None or value > limits.gt)
            and (limits.le is None or value <= limits.le)
            and (limits.lt is None or value < limits.lt)
            and (limits.min_length is None or len(value) >= limits.min_length)
            and (limits.max_length is None or len(value) <= limits.max_length)
            and (pattern is None or pattern.search(value) is not None)
        )

    wanted = ", ".join(
        f"{name} {limit}"
        for name, limit in (
            ("at least", limits.ge),
            ("above", limits.gt),
            ("at most", limits.le),
            ("below", limits.lt),
            ("of a length of at least", limits.min_length),
            ("of a length of at most", limits.max_length),
            ("text like", limits.pattern),
        )
        if limit is not None
    )

    def check(value: Any) -> Any:
        value = inner(value)
        if not fits(value):
            raise Mismatch(wanted, shown(value))
        return value

    return check


def _either(kinds: tuple[Any, ...]) -> Check:
    optional = NoneType in kinds
    kinds = tuple(kind for kind in kinds if kind is not NoneType)
    checks = [checker(kind) for kind in kinds]
    if len(checks) == 1:
        (only,) = checks

        def check(value: Any) -> Any:
            return None if value is None else only(value)

        return check if optional else only
    classes = [
        (kind, check)
        for kind, check in zip((one for one in kinds if one is not NoneType), checks, strict=True)
    ]

    def check_each(value: Any) -> Any:
        if value is None and optional:
            return None
        expected = []
        for kind, one in classes:
            try:
                return one(value)
            except Mismatch as wrong:
                if isinstance(kind, type) and issubclass(type(value), kind):
                    raise
                expected.append(wrong.expected)
        raise Mismatch(" or ".join([*expected, *(["None"] if optional else [])]), shown(value))

    return check_each


def _container(kind: Any, arguments: tuple[Any, ...]) -> Check:
    if kind is tuple:
        if len(arguments) == 2 and arguments[1] is ...:
            return _members(tuple, checker(arguments[0]))
        if arguments:
            return _fixed(tuple(map(checker, arguments)))
        return _members(tuple, _anything)
    if kind in (list, set, frozenset):
        return _members(kind, checker(arguments[0]) if arguments else _anything)
    if kind is dict or (isinstance(kind, type) and issubclass(kind, Mapping)):
        key, value = map(checker, arguments) if arguments else (_anything, _anything)
        return _mapping(kind is dict, key, value)
    raise TypeError(f"values cannot be checked against {kind!r}")


def _members(kind: Any, check_one: Check) -> Check:
    ordered = kind in (tuple, list)

    def check(value: Any) -> Any:
        if not issubclass(type(value), kind):
            raise Mismatch(f"a {kind.__name__}", shown(value))
        if kind.__len__(value) > _MOST_MEMBERS:
            raise Mismatch(f"a {kind.__name__} of at most {_MOST_MEMBERS} members", "one of more")
        changed = type(value) is not kind
        taken = []
        for number, member in enumerate(kind.__iter__(value)):
            try:
                exact = check_one(member)
            except Mismatch as wrong:
                raise wrong.inside(f"[{number}]" if ordered else "[…]") from None
            changed = changed or exact is not member
            taken.append(exact)
        return kind(taken) if changed else value

    return check


def _fixed(checks: tuple[Check, ...]) -> Check:
    def check(value: Any) -> Any:
        if not issubclass(type(value), tuple) or tuple.__len__(value) != len(checks):
            raise Mismatch(f"a tuple of {len(checks)}", shown(value))
        taken = []
        for number, (check_one, member) in enumerate(zip(checks, tuple.__iter__(value), strict=True)):
            try:
                taken.append(check_one(member))
            except Mismatch as wrong:
                raise wrong.inside(f"[{number}]") from None
        return tuple(taken)

    return check


def _mapping(is_dict: bool, check_key: Check, check_value: Check) -> Check:
    expected = "a dict" if is_dict else "a mapping"

    def entries(value: Any) -> list[tuple[Any, Any]]:
        kind = type(value)
        if issubclass(kind, dict):
            return list(islice(dict.items(value), _MOST_MEMBERS + 1))
        if is_dict or not issubclass(kind, Mapping):
            raise Mismatch(expected, shown(value))
        try:
            return [(key, value[key]) for key in islice(value, _MOST_MEMBERS + 1)]
        except Exception as fault:
            raise Mismatch(expected, f"a {_cut(kind.__name__)} that raises {type(fault).__name__}") from None

    def check(value: Any) -> Any:
        found = entries(value)
        if len(found) > _MOST_MEMBERS:
            raise Mismatch(f"{expected} of at most {_MOST_MEMBERS} entries", "one of more")
        changed = not is_dict or type(value) is not dict
        taken = {}
        for key, member in found:
            try:
                exact_key = check_key(key)
            except Mismatch as wrong:
                raise wrong.inside("a key" + (f" with {wrong.path}" if wrong.path else "")) from None
            try:
                exact = check_value(member)
            except Mismatch as wrong:
                raise wrong.inside(f"[{_cut(repr(exact_key))}]") from None
            changed = changed or exact_key is not key or exact is not member
            taken[exact_key] = exact
        return taken if changed else value

    return check


class _Parts:
    """Checks the objects of one class by the annotations of its fields."""

    def __init__(self, kind: Any, names: tuple[str, ...]) -> None:
        self._kind = kind
        self._names = names
        self._parts: list[tuple[str, Check]] | None = None
        self._is_struct = issubclass(kind, msgspec.Struct)

    def __call__(self, value: Any) -> Any:
        kind = self._kind
        given = type(value)
        if given is not kind:
            if not issubclass(given, kind):
                raise Mismatch(f"of class {kind.__name__}", shown(value))
            nearest = next(base for base in given.__mro__ if own_module(base) or base is kind)
            if nearest is not kind and issubclass(nearest, kind):
                return checker(nearest)(value)
        parts = self._parts
        if parts is None:
            parts = self._parts = self._made()
        changed = given is not kind
        taken = []
        for name, check_one in parts:
            try:
                member = getattr(value, name)
                exact = check_one(member)
            except Mismatch as wrong:
                raise wrong.inside(name) from None
            except Exception as fault:
                raise Mismatch("there", f"an attribute that raises {type(fault).__name__}", name) from None
            if exact is not member:
                changed = True
            taken.append(exact)
        if not changed:
            return value
        if self._is_struct and given is kind and not kind.__struct_config__.frozen:
            # A part of the live status must stay the object that it is.
            for name, exact in zip(self._names, taken, strict=True):
                msgspec.structs.force_setattr(value, name, exact)
            return value
        return kind(**dict(zip(self._names, taken, strict=True)))

    def _made(self) -> list[tuple[str, Check]]:
        made = []
        for name in self._names:
            one = attribute(self._kind, name)
            if one is None:
                raise TypeError(f"{self._kind.__name__}.{name} has no annotation")
            made.append((name, one))
        return made


def _any_struct(value: Any) -> Any:
    if not issubclass(type(value), msgspec.Struct):
        raise Mismatch("a message class", shown(value))
    own = next((base for base in type(value).__mro__ if own_module(base)), None)
    if own is None:
        raise Mismatch("a message class of the standard", shown(value))
    return checker(own)(value)


def _exception(kind: Any) -> Check:
    def check(value: Any) -> Any:
        given = type(value)
        if not issubclass(given, kind):
            raise Mismatch(f"of class {kind.__name__}", shown(value))
        own: Any = next(base for base in given.__mro__ if own_module(base) or base is kind)
        changed = own is not given
        taken = {}
        for name, (annotation, module) in field_annotations(own).items():
            try:
                member = getattr(value, name)
                taken[name] = exact = checker(evaluated(annotation, module))(member)
            except Mismatch as wrong:
                raise wrong.inside(name) from None
            except Exception as fault:
                raise Mismatch("there", f"an attribute that raises {type(fault).__name__}", name) from None
            changed = changed or exact is not member
        if not changed:
            return value
        plain: Any = own.__new__(own)
        plain.__dict__.update(taken)
        plain.args = (taken.get("description", ""),)
        plain.__cause__ = value
        return plain

    return check
