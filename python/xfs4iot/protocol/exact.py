"""Whether a value is exactly what an annotation says, all the way down.

`msgspec` checks what it reads from bytes, but does not look into objects that already exist, and Python
lets anything be anything. So whatever a vendor's code hands over is taken apart here, member by member,
before anything hashes it, counts with it or writes it down:

    checked(tuple[ItemsMoved, ...], moved)      the value, or Mismatch: [0].count is int -3; ...

A whole number is an `int`, not a bool, a float, or a number of another library; if it has no bounds of
its own, it must be one that JSON can carry. Text can be written as UTF-8. A `Decimal` is finite and has
at most 40 digits before and behind the point. `Literal`s, bounds and patterns (`msgspec.Meta`) are
respected. Dataclasses, message classes and exceptions are looked into, whatever a subclass claims about
itself. A `Mapping` is copied, so that it stays as it was when it was checked.

The functions that do this are made from the annotations once, when a class is first met.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from xfs4iot.protocol.annotations import annotation_of, evaluated, field_annotations, own_module
from xfs4iot.protocol.exact_scalars import PLAIN, Check, anything, bounded, literal, nothing
from xfs4iot.protocol.mismatch import CONTAINERS, Mismatch, cut, shown
from xfs4iot.protocol.sensitive import SENSITIVE

__all__ = [
    "Check",
    "Mismatch",
    "Secret",
    "attribute",
    "checked",
    "checker",
    "is_private",
    "parts",
    "register",
    "shown",
    "sound",
]

_Value = TypeVar("_Value")
_MOST_MEMBERS = 65_536


class Secret:
    """In an `Annotated`: the value is never shown, not even when it is wrong."""


def is_private(kind: Any) -> bool:
    """Whether values of a type have a part that is never shown."""
    return _private(kind, set())


def _private(kind: Any, seen: set[Any]) -> bool:
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        return any(note is Secret or isinstance(note, Secret) for note in notes) or _private(inner, seen)
    if get_origin(kind) is not None:
        return any(_private(one, seen) for one in get_args(kind))
    if not isinstance(kind, type) or kind in seen:
        return False
    seen.add(kind)
    if issubclass(kind, BaseException):
        return False
    names = (
        kind.__struct_fields__
        if issubclass(kind, msgspec.Struct)
        else (tuple(one.name for one in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ())
    )
    found = field_annotations(kind) if names else {}
    return any(
        _on_the_wire(name) in SENSITIVE or _private(evaluated(*found[name]), seen)
        for name in names
        if name in found
    )


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
        TypeError: nothing can tell whether a value is of this type.
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
    known = _attributes.get(kind)
    if known is None:
        known = _attributes[kind] = {}
    try:
        return known[name]
    except KeyError:
        annotation = annotation_of(kind, name)
        made = None if annotation is None else checker(evaluated(*annotation))
        if made is not None and _on_the_wire(name) in SENSITIVE:
            made = _without_text(made)
        known[name] = made
        return made


def _on_the_wire(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _without_text(inner: Check) -> Check:
    """The same, but text is not shown when it is wrong: it may be a PIN, a key, a track."""

    def check(value: Any) -> Any:
        try:
            return inner(value)
        except Mismatch as wrong:
            raise wrong.without_text() from None

    return check


_attributes: dict[type[Any], dict[str, Check | None]] = {}


def _make(kind: Any) -> Check:
    origin = get_origin(kind)
    if kind is Any or kind is object:
        return anything
    if kind is None or kind is NoneType:
        return nothing
    if origin is Annotated:
        return _annotated(*get_args(kind))
    if origin in (Union, UnionType):
        return _either(get_args(kind))
    if origin is Literal:
        return literal(get_args(kind))
    if origin is not None or kind in (tuple, list, dict, set, frozenset):
        return _container(origin or kind, get_args(kind))
    if not isinstance(kind, type):
        raise TypeError(f"values cannot be checked against {kind!r}")
    if (plain := PLAIN.get(kind)) is not None:
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


def _annotated(kind: Any, *notes: Any) -> Check:
    inner = checker(kind)
    for note in notes:
        if isinstance(note, msgspec.Meta):
            inner = bounded(kind, inner, note)
        elif note is Secret or isinstance(note, Secret):
            inner = _unshown(inner)
    return inner


def _unshown(inner: Check) -> Check:
    def check(value: Any) -> Any:
        try:
            return inner(value)
        except Mismatch as wrong:
            if wrong.path:
                raise wrong.unshown() from None
            kind = type(value)
            found = kind.__name__ if kind in (*CONTAINERS, *PLAIN, NoneType) else "an object"
            raise Mismatch(wrong.expected, f"{found} (not shown)") from None

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
                # The right class with a wrong part: say which part is wrong, not which classes would do.
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
        return _members(tuple, anything)
    if kind in (list, set, frozenset):
        return _members(kind, checker(arguments[0]) if arguments else anything)
    if kind is dict or (isinstance(kind, type) and issubclass(kind, Mapping)):
        key, value = map(checker, arguments) if arguments else (anything, anything)
        return _mapping(kind is dict, key, value)
    raise TypeError(f"values cannot be checked against {kind!r}")


def _members(kind: Any, check_one: Check) -> Check:
    ordered = kind in (tuple, list)

    def check(value: Any) -> Any:
        # `type(value)` and the base's own methods: a subclass may lie in `__class__`, `__len__`, `__iter__`.
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
            # Iterating a foreign mapping may never end; one entry more than allowed is enough to refuse it.
            return [(key, value[key]) for key in islice(value, _MOST_MEMBERS + 1)]
        except Exception as fault:
            raise Mismatch(expected, f"a {cut(kind.__name__)} that raises {type(fault).__name__}") from None

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
                raise wrong.inside(f"[{cut(repr(exact_key))}]") from None
            changed = changed or exact_key is not key or exact is not member
            taken[exact_key] = exact
        return taken if changed else value

    return check


class _Parts:
    """Checks the objects of one class by the annotations of its fields."""

    def __init__(self, kind: Any, names: tuple[str, ...]) -> None:
        self._kind = kind
        self._names = names
        self._checks: list[Check] | None = None
        self._is_struct = issubclass(kind, msgspec.Struct)

    def __call__(self, value: Any) -> Any:
        kind = self._kind
        given = type(value)
        if given is not kind:
            if not issubclass(given, kind):
                raise Mismatch(f"of class {kind.__name__}", shown(value))
            # A vendor's subclass is checked, and made anew, as the class of this package nearest to it.
            nearest = next(base for base in given.__mro__ if own_module(base) or base is kind)
            if nearest is not kind and issubclass(nearest, kind):
                return checker(nearest)(value)
        # Not made in `__init__`: a class may refer to itself, and its checker must be registered first.
        checks = self._checks
        if checks is None:
            checks = self._checks = self._made()
        changed = given is not kind
        taken = []
        for name, check_one in zip(self._names, checks, strict=True):
            try:
                member = getattr(value, name)
                exact = check_one(member)
            except Mismatch as wrong:
                raise wrong.inside(name) from None
            except Exception as fault:
                # An attribute of a vendor's subclass may be a property, which may raise anything.
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

    def _made(self) -> list[Check]:
        made = []
        for name in self._names:
            one = attribute(self._kind, name)
            if one is None:
                raise TypeError(f"{self._kind.__name__}.{name} has no annotation")
            made.append(one)
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
        # Past `__init__`, whose arguments differ between the exception classes.
        plain: Any = own.__new__(own)
        plain.__dict__.update(taken)
        plain.args = (taken.get("description", ""),)
        # The original stays reachable, with its traceback.
        plain.__cause__ = value
        return plain

    return check
