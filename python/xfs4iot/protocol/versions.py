"""Which version of the standard a client is answered in, and how messages cross versions.

Everything inside speaks the newest version. A client of an older one is served at the edge:
its requests are adapted up, completions and events down.

The rule. The version in a command's header decides in which version of the standard its
acknowledge, events and completion are written; without one the client speaks 2021-1. Where
several versions of the standard have a message in the same version, what the client chose by
Common.SetVersions decides, then what it has shown of itself by a message that only one
version has, then the older version: clients in the field cannot be changed, and a newer one
can always say so. Unsolicited events follow the version the client spoke last; one that has
not spoken yet gets the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from xfs4iot.protocol import errors, registry
from xfs4iot.protocol.adaptation import adapt, lacks_error_code
from xfs4iot.protocol.adapters import FALLBACKS, TOLD_BY
from xfs4iot.protocol.index import COMMANDS, EVENTS, OLDER
from xfs4iot.protocol.registry import NEWEST

__all__ = [
    "NEWEST",
    "SPECIFICATIONS",
    "ConnectionVersions",
    "adapt_completion",
    "adapt_event",
    "adapt_request",
    "command_version",
    "completion_code",
    "served",
]

SPECIFICATIONS = ("2021-1", "2023-2", "2024-3")
"""The versions of the standard that are served, oldest first."""
_WITHOUT_VERSION = "2021-1"


def _versions(name: str, specification: str) -> tuple[str, str] | None:
    """Version of a command and of its completion (of an event twice) in one version of the standard."""
    if specification != NEWEST and name in OLDER[specification]:
        return OLDER[specification][name]
    if specification == NEWEST and name in COMMANDS:
        return COMMANDS[name][0], COMMANDS[name][2]
    if specification == NEWEST and name in EVENTS:
        return EVENTS[name][0], EVENTS[name][0]
    return registry.extension_versions(name)


def _order(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def command_version(name: str, specification: str) -> str:
    """The version a client of `specification` gives in the header of a command.

    It is that of the command or of its completion, whichever is newer, so that it tells
    versions of the standard apart wherever the messages differ.
    """
    versions = _versions(name, specification)
    return max(versions, key=_order) if versions is not None else "1.0"


def served(name: str) -> list[str]:
    """Every version of a command or event that clients may use, oldest first."""
    found: set[str] = set()
    for specification in SPECIFICATIONS:
        versions = _versions(name, specification)
        if versions is not None:
            found |= {versions[0], max(versions, key=_order)}
    return sorted(found, key=_order)


class ConnectionVersions:
    """What one connection speaks."""

    __slots__ = ("_chosen", "_shown", "_spoken")

    def __init__(self) -> None:
        self._chosen: dict[str, str] = {}
        self._shown: str | None = None
        self._spoken: str | None = None

    def specification_for(self, name: str, version: str | None) -> str:
        """The version of the standard in which this command is served.

        Raises:
            InvalidCommand: this version of the command is not served.
        """
        if version is None:
            self._spoken = self._shown = _WITHOUT_VERSION
            return _WITHOUT_VERSION
        if registry.extension_versions(name) is not None:
            return self._shown or self._spoken or NEWEST
        fitting = _fitting(name, version)
        if not fitting:
            raise errors.InvalidCommand(
                f"version {version} of {name} is not served; served are {', '.join(served(name))}"
            )
        if len(fitting) == 1:
            self._spoken = self._shown = fitting[0]
        else:
            self._spoken = next(
                (one for one in (self._chosen.get(name), self._shown) if one in fitting), fitting[0]
            )
        return self._spoken

    def specification_of_version(self, version: str | None) -> str:
        """The version of the standard for what is answered before its command is known."""
        return _WITHOUT_VERSION if version is None else self._shown or self._spoken or NEWEST

    def completion_version(self, name: str, specification: str, version: str | None) -> str | None:
        """The version in a completion's header; None in the envelope of 2021-1."""
        if version is None:
            return None
        versions = _versions(name, specification)
        return version if versions is None else versions[1]

    def set_versions(self, commands: Mapping[str, int], events: Mapping[str, int]) -> None:
        """Choose major versions, as by Common.SetVersions.

        Raises:
            InvalidData: a name or version is not served; nothing has changed then.
        """
        chosen: dict[str, str] = {}
        for kind, wanted in (("commands", commands), ("events", events)):
            for name, major in wanted.items():
                fitting = [
                    specification
                    for specification in SPECIFICATIONS
                    if (versions := _versions(name, specification)) is not None
                    and _order(max(versions, key=_order))[0] == major
                ]
                if not fitting:
                    known = ", ".join(served(name)) or "none: there is no such message"
                    raise errors.InvalidData(f"$.{kind}.{name}: version {major} is not served; {known}")
                chosen[name] = fitting[-1]
        self._chosen |= chosen

    def event_specifications(self, name: str) -> tuple[str, ...]:
        """The versions of the standard in which this client is told an unsolicited event."""
        return (self._chosen.get(name) or self._shown or self._spoken or NEWEST,)


@lru_cache(maxsize=4096)
def _fitting(name: str, version: str) -> list[str]:
    """The versions of the standard that have this version of a command, oldest first."""
    major = _order(version)[0]
    known = {
        specification: versions
        for specification in SPECIFICATIONS
        if (versions := _versions(name, specification)) is not None
    }
    exactly = [specification for specification, versions in known.items() if version in versions]
    if exactly:
        return exactly
    nearly = [
        specification
        for specification, versions in known.items()
        if major in {_order(one)[0] for one in versions}
    ]
    return nearly[-1:]


def adapt_request(name: str, payload: bytes | None, specification: str) -> bytes | None:
    """A command's payload of an older version as one of the newest."""
    return payload if specification == NEWEST else adapt("request", name, payload, specification)


def adapt_completion(name: str, payload: bytes | None, specification: str) -> bytes | None:
    """A completion's payload of the newest version as one of an older version."""
    return payload if specification == NEWEST else adapt("completion", name, payload, specification)


def completion_code(name: str, code: str, error_code: str | None, specification: str) -> str:
    """A completion code, or what stands for it where an older version lacks the error code with it."""
    if specification == NEWEST or code != "commandErrorCode" or error_code is None:
        return code
    if not lacks_error_code(name, error_code, specification):
        return code
    return FALLBACKS.get(error_code, "hardwareError")


def adapt_event(
    name: str, payload: bytes | None, specification: str
) -> Iterable[tuple[str, str | None, bytes | None]]:
    """An event of the newest version as the events that tell the same in another: name, version, payload."""
    versions = _versions(name, specification)
    if versions is None and name in TOLD_BY:
        name = TOLD_BY[name]
        versions = _versions(name, specification)
    if versions is None:
        return ()
    if specification == NEWEST:
        return ((name, versions[0], payload),)
    adapted = adapt("event", name, payload, specification)
    if adapted is None and payload is not None:
        return ()
    version = None if specification == _WITHOUT_VERSION else versions[0]
    return ((name, version, adapted),)
