"""Names of messages as people give them: what they mean, and the nearest match for an unknown one."""

from __future__ import annotations

from xfs4iot.close_matches import close_matches
from xfs4iot.protocol import registry, versions
from xfs4iot.protocol.index import COMMANDS, EVENTS, OLDER

__all__ = ["nearest_command", "wanted_names"]


def wanted_names(names: tuple[str, ...]) -> frozenset[str]:
    """The full names, in every version, of the events that are asked for.

    Raises:
        ValueError: there is no such event.
    """
    found: set[str] = set()
    for name in names:
        interface, dot, _ = name.rpartition(".")
        known = _known()
        added = dot and not any(one.startswith(f"{interface}.") for one in (*COMMANDS, *known))
        if name in known or added:
            matching = {name}
        else:
            matching = {one for one in known if not dot and one.partition(".")[2] == name}
        if not matching:
            near = _nearest(name, known)
            raise ValueError(f"there is no event {name!r}" + (f"; did you mean {near!r}?" if near else ""))
        for one in matching:
            found |= versions.names(one)
    return frozenset(found)


def _known() -> set[str]:
    """Every event of every version of the standard, and those that were added."""
    older = {name for names in OLDER.values() for name in names if name.endswith("Event")}
    return {*EVENTS, *older, *registry.added_events()}


def nearest_command(name: str) -> str | None:
    """The command of the standard whose name is the most like one that is none; None for one that is."""
    return None if registry.is_command(name) else _nearest(name, set(COMMANDS))


def _nearest(name: str, known: set[str]) -> str | None:
    candidates = known if "." in name else {one.partition(".")[2] for one in known}
    # Upper and lower case are the likeliest mistake, and so is a missing `Event`.
    by_key = {one.lower().removesuffix("event"): one for one in sorted(candidates)}
    near = close_matches(name.lower().removesuffix("event"), by_key, 1, 0.5)
    return by_key[near[0]] if near else None
