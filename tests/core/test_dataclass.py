"""Our `dataclass` makes what the standard library's makes, function by function."""

from __future__ import annotations

import ast
import copy
import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xfs4iot
from xfs4iot import dataclass as ours

ROOT = Path(xfs4iot.__file__).parent


def classes(make: Any) -> dict[str, Any]:
    """The same classes, made by one `dataclass` or the other."""

    @make
    class Plain:
        a: int
        b: str = "b"

    @make(frozen=True)
    class Frozen:
        a: int
        b: str = "b"
        hidden: str = dataclasses.field(default="secret", repr=False)
        aside: int = dataclasses.field(default=0, compare=False)
        unhashed: tuple[int, ...] = dataclasses.field(default=(), hash=False)

    @make(frozen=True, kw_only=True)
    class Derived(Frozen):
        c: int = 0

    class Undecorated(Frozen):
        pass

    @dataclasses.dataclass(frozen=True)
    class OfTheLibrary(Frozen):
        d: int = 0

    @make(frozen=True)
    class Empty:
        pass

    @make(frozen=True)
    class WithOwn:
        a: int

        def __eq__(self, other: object) -> bool:
            return True

        def __repr__(self) -> str:
            return "mine"

    @make(frozen=True)
    class WithOwnHash:
        a: int

        def __hash__(self) -> int:
            return 7

    @make(eq=False)
    class ByIdentity:
        a: int

    @make(frozen=True, repr=False)
    class Silent:
        a: int

    return {name: kind for name, kind in locals().items() if isinstance(kind, type)}


OURS, THEIRS = classes(ours.dataclass), classes(dataclasses.dataclass)


def outcome(act: Callable[[], Any]) -> Any:
    """What something gives, or the type and text of what it raises."""
    try:
        return act()
    except Exception as raised:
        # Ours says what to do besides.
        return type(raised), str(raised).partition(";")[0]


DEEDS: dict[str, Callable[[Any], Any]] = {
    "text": lambda kind: repr(kind(**_some(kind))).partition(" object at ")[0],
    "equal": lambda kind: kind(**_some(kind)) == kind(**_some(kind)),
    "different": lambda kind: kind(**_some(kind)) != kind(**_some(kind, a=2)),
    "aside": lambda kind: kind(**_some(kind, aside=1)) == kind(**_some(kind, aside=2)),
    "of another class": lambda kind: kind(**_some(kind)) == object(),
    "hashable": lambda kind: isinstance(hash(kind(**_some(kind))), int),
    "hash of equals": lambda kind: hash(kind(**_some(kind))) == hash(kind(**_some(kind))),
    "own hash": lambda kind: hash(kind(**_some(kind))) == 7,
    "hash without": lambda kind: hash(kind(**_some(kind, unhashed=(1,)))) == hash(kind(**_some(kind))),
    "assign": lambda kind: setattr(kind(**_some(kind)), "a", 2),
    "assign another": lambda kind: setattr(kind(**_some(kind)), "another", 2),
    "delete": lambda kind: delattr(kind(**_some(kind)), "a"),
    "replaced": lambda kind: dataclasses.replace(kind(**_some(kind)), a=3).a,
    "fields": lambda kind: [one.name for one in dataclasses.fields(kind)],
    "as tuple": lambda kind: dataclasses.astuple(kind(**_some(kind))),
    "copied": lambda kind: copy.deepcopy(kind(**_some(kind))).__dict__,
    "match": lambda kind: kind.__match_args__,
    "frozen": lambda kind: kind.__dataclass_params__.frozen,
    "missing": lambda kind: kind(),
    "too much": lambda kind: kind(**_some(kind), nonsense=1),
}


def _some(kind: Any, **more: Any) -> dict[str, Any]:
    """Arguments for a class: `a`, where it has it, and those of `more` that it has."""
    names = {one.name for one in dataclasses.fields(kind)}
    return {name: value for name, value in ({"a": 1} | more).items() if name in names}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("name", OURS)
def test_it_does_what_the_standard_library_does(name: str, deed: str) -> None:
    act = DEEDS[deed]
    assert str(outcome(lambda: act(OURS[name]))) == str(outcome(lambda: act(THEIRS[name])))


def test_a_value_within_itself_is_shown_once() -> None:
    loop = OURS["Plain"]([])
    loop.a.append(loop)
    assert "..." in repr(loop)


@ours.dataclass(frozen=True)
class Carried:
    a: int


def test_it_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Carried(1))) == Carried(1)


def test_functions_are_shared_by_all_classes() -> None:
    for name in ("__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"):
        assert vars(OURS["Frozen"])[name] is vars(OURS["Derived"])[name], name


def test_the_package_takes_the_standard_librarys_only_for_what_ours_leaves_to_it() -> None:
    wrong = []
    for file in ROOT.rglob("*.py"):
        if file.name == "dataclass.py":
            continue
        tree = ast.parse(file.read_text())
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
            for alias in node.names
        }
        named = any(
            isinstance(node, ast.Attribute)
            and node.attr == "dataclass"
            and isinstance(node.value, ast.Name)
            and node.value.id == "dataclasses"
            for node in ast.walk(tree)
        )
        if "dataclass" in imported or named:
            wrong.append(f"{file.relative_to(ROOT)}: import it from xfs4iot.dataclass")
    assert wrong == []
