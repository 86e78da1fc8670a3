"""How one version of the standard says what the next says differently: as data, or as a function.

A change belongs to a step, from one version to the next, and is written once for both ways:
up for requests, down for completions and events. A message two steps away takes both steps.

Paths are those of the payload: `position.index`, `storage.*.check` (any key), `items[].value`
(each element); the empty path is the payload itself. Consecutive moves in a list
are made together: first everything is taken, then everything is put, so that they may swap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

from xfs4iot.dataclass import dataclass

__all__ = [
    "STILL_SERVED",
    "UNTIMED",
    "Adapter",
    "Change",
    "Changes",
    "Kept",
    "Left",
    "Moved",
    "Part",
    "Plain",
    "Reshaped",
    "SentOtherwise",
    "Spelt",
    "ToldApart",
    "ToldBy",
    "Values",
    "Withdrawn",
    "compiled",
]

Part = Literal["request", "completion", "event"]
Plain: TypeAlias = "dict[str, Any]"
Adapter = Callable[[Plain], Plain]
_NOTHING = object()


@dataclass(frozen=True)
class Moved:
    """The same value in another place; wildcards come first in both paths, and are the same.

    Attributes:
        older, newer: the path in each version.
    """

    older: str
    newer: str

    @property
    def covers(self) -> tuple[str, ...]:
        """What needs nothing further."""
        return (self.older,)


@dataclass(frozen=True)
class Values:
    """A property's values have other names; None leaves the property out.

    Attributes:
        path: where it stands, in the older version.
        up: newer value by older; down: older value by newer.
    """

    path: str
    up: Mapping[str, str | None]
    down: Mapping[str, str | None]

    @property
    def covers(self) -> tuple[str, ...]:
        """Only the values that are named; see `needed` in `differences`."""
        return ()


@dataclass(frozen=True)
class Left:
    """What needs no adapter, and why.

    Attributes:
        paths: in the older version; includes what is below them.
        reason: why nothing is to be done.
    """

    paths: tuple[str, ...]
    reason: str

    @property
    def covers(self) -> tuple[str, ...]:
        """What needs nothing further."""
        return self.paths


@dataclass(frozen=True)
class Kept:
    """What the newer version has no more, and which clients of the older are served all the same.

    The newest version's class has these properties too, made of the older version's schema and at the same
    place; no client of a later version is told of them, and what one says in their place is not read.

    Attributes:
        paths: in the older version; names only, no wildcards.
        reason: what becomes of them.
    """

    paths: tuple[str, ...]
    reason: str

    @property
    def covers(self) -> tuple[str, ...]:
        """What needs nothing further."""
        return self.paths


@dataclass(frozen=True)
class Reshaped:
    """A payload of another structure.

    Attributes:
        paths: what it covers, in the older version.
        up: from the older shape to the newer; down: the other way. They may change their argument.
        at: the objects it works on; by default the payload.
    """

    paths: tuple[str, ...]
    up: Adapter | None = None
    down: Adapter | None = None
    at: str = ""

    @property
    def covers(self) -> tuple[str, ...]:
        """What needs nothing further."""
        return self.paths


def _untimed(old: Plain) -> Plain:
    return {name: value for name, value in old.items() if name != "timeout"}


UNTIMED: Final = Reshaped((), up=_untimed)
"""For payloads whose names the client chooses: the timeout, in each payload of 2021-1, is none of them."""

Change: TypeAlias = "Moved | Values | Left | Kept | Reshaped"
Changes: TypeAlias = "dict[tuple[str, Part, str], tuple[Change, ...]]"
"""By the older version of a step, part and name of the message; names are the newest version's."""
Spelt: TypeAlias = "dict[tuple[str, str], str]"
"""Messages that a version spells otherwise than the newest; documents disagree, so all clients may."""
SentOtherwise: TypeAlias = 'dict[tuple[str, str], Literal["command", "unsolicited"]]'
"""Events that a version sends otherwise than the newest: with a command, or to every client."""
ToldBy: TypeAlias = "dict[str, str]"
"""The event that tells the same, in the same shape, in versions that have none of that name."""
ToldApart: TypeAlias = "dict[tuple[str, str], tuple[tuple[str, Callable[[Plain], list[Plain]]], ...]]"
"""What a version tells in events of their own, because its own form of the newest's event has no place
for it: these events, each with a function that takes its payloads out of the newest's."""
Withdrawn: TypeAlias = "dict[tuple[str, str], str]"
"""By the last version that has it: why the message is not served any more, or that it still is.

A command that is, and which the newest version lacks, has its classes from the last version that has it.
"""
STILL_SERVED: Final = "still served"
"""How the text of a withdrawn message begins that is still served to clients of the versions that have it."""


def compiled(changes: Sequence[Change], up: bool) -> Adapter | None:
    """One function that makes all changes, in their order up and in the reverse order down."""
    kept = [change for change in changes if not isinstance(change, Left | Kept)]
    ordered = kept if up else kept[::-1]
    made: list[Adapter] = []
    for key, group in groupby(ordered, key=lambda change: _batch(change)):
        batch = list(group)
        if key is not None:
            made.append(_moves(key, [one for one in batch if isinstance(one, Moved)], up))
            continue
        for change in batch:
            if isinstance(change, Values):
                made.append(_values(change.path, change.up if up else change.down))
            elif isinstance(change, Reshaped):
                function = change.up if up else change.down
                if function is not None:
                    made.append(function if not change.at else _each(change.at, function))
    if not made:
        return None

    def adapter(content: Plain) -> Plain:
        for one in made:
            content = one(content)
        return content

    return adapter


def _batch(change: Change) -> tuple[str, ...] | None:
    """Moves below the same wildcards are made together."""
    return _wild(change.older) if isinstance(change, Moved) else None


def _steps(path: str) -> tuple[str, ...]:
    """`storage.*.items[].value` as the steps to go: storage, *, items, [], value."""
    return tuple(path.replace("[]", ".[]").lstrip(".").split(".")) if path else ()


def _wild(path: str) -> tuple[str, ...]:
    """The steps up to the last wildcard."""
    steps = _steps(path)
    last = max((index for index, step in enumerate(steps) if step in ("*", "[]")), default=-1)
    return steps[: last + 1]


def _holders(content: Any, steps: Sequence[str]) -> Iterator[Plain]:
    """The objects at the end of these steps."""
    if not steps:
        if isinstance(content, dict):
            yield content
    elif steps[0] == "[]":
        for one in content if isinstance(content, list) else ():
            yield from _holders(one, steps[1:])
    elif isinstance(content, dict):
        for one in content.values() if steps[0] == "*" else (content.get(steps[0]),):
            yield from _holders(one, steps[1:])


def _take(holder: Plain, steps: Sequence[str]) -> Any:
    """Take a value out, and every object that becomes empty by it."""
    if len(steps) == 1:
        return holder.pop(steps[0], _NOTHING)
    inner = holder.get(steps[0])
    if not isinstance(inner, dict):
        return _NOTHING
    taken = _take(inner, steps[1:])
    if taken is not _NOTHING and not inner:
        del holder[steps[0]]
    return taken


def _put(holder: Plain, steps: Sequence[str], value: Any) -> None:
    for step in steps[:-1]:
        inner = holder.get(step)
        if not isinstance(inner, dict):
            inner = holder[step] = {}
        holder = inner
    holder[steps[-1]] = value


def _moves(wild: Sequence[str], moves: Sequence[Moved], up: bool) -> Adapter:
    pairs = []
    for move in moves:
        older, newer = _steps(move.older)[len(wild) :], _steps(move.newer)[len(wild) :]
        pairs.append((older, newer) if up else (newer, older))

    def adapter(content: Plain) -> Plain:
        for holder in _holders(content, wild):
            # Everything is taken before anything is put, so that two values may swap places.
            taken = [(target, _take(holder, source)) for source, target in pairs]
            for target, value in taken:
                if value is not _NOTHING:
                    _put(holder, target, value)
        return content

    return adapter


def _values(path: str, names: Mapping[str, str | None]) -> Adapter:
    *before, last = _steps(path)

    def adapter(content: Plain) -> Plain:
        for holder in _holders(content, before):
            # A copy of the keys, since some are deleted on the way.
            for key in list(holder) if last == "*" else (last,):
                value = holder.get(key)
                if isinstance(value, str) and value in names:
                    name = names[value]
                    if name is None:
                        del holder[key]
                    else:
                        holder[key] = name
        return content

    return adapter


def _each(path: str, function: Adapter) -> Adapter:
    """The function at each object of a path; the object is changed in place."""
    steps = _steps(path)

    def adapter(content: Plain) -> Plain:
        for holder in _holders(content, steps):
            changed = function(holder)
            if changed is not holder:
                changed = dict(changed)
                holder.clear()
                holder.update(changed)
        return content

    return adapter
