"""Which version of the standard a client is answered in, and how messages cross versions.

Everything inside speaks the newest version. A client of an older one is served at the edge:
its requests are adapted up, completions and events down.

The rule. The version in a command's header decides in which version of the standard its
acknowledge, events and completion are written; without one the client speaks 2021-1. Where
several versions of the standard have a message in the same version, what the client chose for
this message by Common.SetVersions decides, then what it has revealed by a message or a
choice that only one version has, then the older version: clients in the field cannot be changed,
and a newer one can always say so. Unsolicited events follow the choice made for them, else what
the client has revealed, else how it was last answered. A client that has not spoken gets them in the
newest version: it may speak any, and reads the state with Common.Status before it acts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from xfs4iot.protocol import adapters, errors, registry
from xfs4iot.protocol.adaptation import adapt, adapts, apart, lacks_error_code, raises, tells_nothing
from xfs4iot.protocol.adapters import (
    FALLBACKS,
    NEWEST,
    SPECIFICATIONS,
    spelling,
)
from xfs4iot.protocol.index import COMMANDS, EVENTS, KEPT, KEPT_COMMANDS, OLDER
from xfs4iot.protocol.kept import without_kept

__all__ = [
    "NEWEST",
    "SPECIFICATIONS",
    "ConnectionVersions",
    "adapt_completion",
    "adapt_event",
    "adapt_request",
    "adapts_to",
    "alike",
    "broadcast_in",
    "command_version",
    "completion_code",
    "has",
    "has_interface",
    "header_version",
    "is_extension",
    "major",
    "names",
    "raises",
    "served",
    "specification_of_completion",
    "telling_version",
    "unsolicited",
]

_WITHOUT_VERSION = "2021-1"


def _versions(name: str, specification: str) -> tuple[str, str] | None:
    """Version of a command and of its completion (of an event twice) in one version of the standard."""
    return _standard(name, specification) or registry.extension_versions(spelling(name, specification))


# Bounded, because the names come from clients; without extensions, which may be added at any time.
@lru_cache(maxsize=4096)
def _standard(name: str, specification: str) -> tuple[str, str] | None:
    name = spelling(name, specification)
    if specification != NEWEST:
        return OLDER[specification].get(name)
    if name in COMMANDS:
        return COMMANDS[name][0], COMMANDS[name][2]
    return (EVENTS[name][0],) * 2 if name in EVENTS else None


def _order(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    # As numbers, for as text 10.0 would come before 9.0.
    return int(major), int(minor)


def command_version(name: str, specification: str) -> str:
    """The version that a client of `specification` gives in the header of a command."""
    versions = _versions(name, specification)
    return versions[0] if versions is not None else "1.0"


def header_version(name: str, specification: str) -> str | None:
    """The same, or None in the envelope of 2021-1."""
    return None if specification == _WITHOUT_VERSION else command_version(name, specification)


def telling_version(name: str, specification: str) -> str:
    """The version that tells a service of ours more of its client, wherever the messages differ.

    It is that of the command or of its completion, whichever is newer; both are served.
    """
    versions = _versions(name, specification)
    return max(versions, key=_order) if versions is not None else "1.0"


def major(version: str) -> int:
    """`3` of `3.0`, as Common.SetVersions has it."""
    return _order(version)[0]


def alike(name: str, specification: str) -> bool:
    """Whether a version says a command and its completion, or an event, as the newest does.

    What either lacks does not count.
    """
    return not any(adapts(part, name, specification) for part in ("request", "completion", "event"))


def specification_of_completion(name: str, version: str | None) -> str:
    """The newest version of the standard that a completion in this version belongs to."""
    if version is None:
        return _WITHOUT_VERSION
    fitting = [one for one in SPECIFICATIONS if (known := _versions(name, one)) and known[1] == version]
    return fitting[-1] if fitting else NEWEST


def served(name: str) -> list[str]:
    """Every version of a command or event that clients may use, oldest first."""
    found: set[str] = set()
    for specification in SPECIFICATIONS:
        versions = _versions(name, specification)
        if versions is not None:
            found |= {versions[0], max(versions, key=_order)}
    return sorted(found, key=_order)


def has(name: str, specification: str) -> bool:
    """Whether a version of the standard has a message of this name, or it is an extension of ours."""
    return _versions(name, specification) is not None


def has_interface(interface: str, specification: str) -> bool:
    """Whether a version of the standard has an interface, or it is an extension of ours."""
    if specification == NEWEST:
        return True
    prefix = f"{interface}."
    return any(name.startswith(prefix) for name in OLDER[specification]) or is_extension(interface)


def is_extension(interface: str) -> bool:
    """Whether an interface is one of ours, such as Simulator."""
    prefix = f"{interface}."
    return not any(name.startswith(prefix) for name in COMMANDS)


def names(name: str) -> set[str]:
    """Every name that a version of the standard has for a message."""
    return {name} | {spelling(name, specification) for specification in SPECIFICATIONS}


class ConnectionVersions:
    """What one connection speaks.

    Attributes:
        serial: rises whenever `specification_for` may answer otherwise than before.
        spoken: the version of the standard in which the last command was served; None before the first.
    """

    __slots__ = ("_chosen", "_shown", "serial", "spoken")

    def __init__(self) -> None:
        self._chosen: dict[str, tuple[str, ...]] = {}
        self._shown: str | None = None
        self.serial = 0
        self.spoken: str | None = None

    def specification_for(self, name: str, version: str | None) -> str:
        """The version of the standard in which this command is served.

        Raises:
            InvalidCommand: this version of the command is not served.
            UnsupportedCommand: the client's version of the standard lacks the command.
        """
        if version is None:
            self._show(_WITHOUT_VERSION)
            if not has(name, _WITHOUT_VERSION):
                raise errors.UnsupportedCommand(
                    f"{name} is not a command of {_WITHOUT_VERSION}; a later client gives header.version"
                )
            return _WITHOUT_VERSION
        if registry.extension_versions(name) is not None:
            return self.current
        fitting = _fitting(name, version)
        if name in KEPT_COMMANDS and not (fitting and (self._shown or self.spoken) in (None, *fitting)):
            having = [one for one in SPECIFICATIONS if has(name, one)]
            raise errors.UnsupportedCommand(f"{name} is a command of {' and '.join(having)} only")
        if not fitting:
            raise errors.InvalidCommand(
                f"version {version} of {name} is not served; served are {', '.join(served(name))}"
            )
        specification = fitting[0]
        if len(fitting) == 1:
            self._show(specification)
        else:
            self.spoken = specification = self._preferred(name, fitting)
        return specification

    def _show(self, specification: str) -> None:
        """Take notice of a command that only clients of this version send."""
        self.spoken = specification
        if self._shown != specification:
            self._shown = specification
            self.serial += 1

    def _preferred(self, name: str, fitting: tuple[str, ...]) -> str:
        """Which of several versions of the standard."""
        chosen = self._chosen.get(name)
        if chosen is not None:
            fitting = tuple(one for one in fitting if one in chosen) or fitting
        return self._shown if self._shown in fitting else fitting[0]

    def possible(self, name: str, version: str | None) -> tuple[str, ...]:
        """The versions that the client of this command may be of, by what is known of it."""
        if self._shown is not None or version is None:
            return (self._shown or _WITHOUT_VERSION,)
        return _fitting(name, version) or (self.current,)

    @property
    def without_version(self) -> bool:
        """Whether the client uses the envelope of 2021-1."""
        return self.current == _WITHOUT_VERSION

    @property
    def current(self) -> str:
        """What the client is known to speak: the newest, as long as nothing is known."""
        return self._shown or self.spoken or NEWEST

    def specification_of_refusal(self, name: str, version: str | None) -> str:
        """The version of the standard in which a command that is not served is answered."""
        if version is None:
            return _WITHOUT_VERSION
        fitting = _fitting(name, version)
        return self._preferred(name, fitting) if fitting else self.current

    def version_of_refusal(self, name: str | None, version: str | None) -> str | None:
        """The version in the acknowledge of a message that could not be read; None for 2021-1.

        What could not be read says nothing of its client: the connection's own version does.
        """
        if version is not None:
            return version
        known = self._shown or self.spoken or (_WITHOUT_VERSION if name else NEWEST)
        return None if known == _WITHOUT_VERSION else "1.0"

    def completion_version(self, name: str, specification: str, version: str | None) -> str | None:
        """The version in a completion's header; None in the envelope of 2021-1."""
        if version is None:
            return None
        versions = _versions(name, specification)
        return version if versions is None else versions[1]

    def set_versions(
        self, commands: Mapping[str, int], events: Mapping[str, int], version: str | None
    ) -> None:
        """Choose major versions, as by Common.SetVersions in this version of its own.

        Raises:
            InvalidData: a name or version is not served; nothing has changed then.
        """
        chosen: dict[str, tuple[str, ...]] = {}
        for kind, wanted in (("commands", commands), ("events", events)):
            for name, major in wanted.items():
                fitting = tuple(
                    specification
                    for specification in SPECIFICATIONS
                    if (versions := _versions(name, specification)) is not None
                    and major in {_order(one)[0] for one in versions}
                )
                if not fitting:
                    known = ", ".join(served(name)) or "none: there is no such message"
                    raise errors.InvalidData(f"$.{kind}.{name}: version {major} is not served; {known}")
                chosen[name] = fitting
        self._chosen |= chosen
        self.serial += 1
        # The header of SetVersions counts too: only clients of 2021-1 give no version in it.
        may_be = [one for one in SPECIFICATIONS if (one == _WITHOUT_VERSION) == (version is None)]
        shown = [one for one in may_be if all(one in fitting for fitting in chosen.values())]
        if len(shown) == 1:
            self._shown = shown[0]

    def event_specification(self, name: str) -> str:
        """The version of the standard in which this client is told an unsolicited event."""
        chosen = self._chosen.get(name)
        return self.current if chosen is None or self.current in chosen else chosen[0]


# Bounded, because the versions come from clients.
@lru_cache(maxsize=4096)
def _fitting(name: str, version: str) -> tuple[str, ...]:
    """The versions of the standard that have this version of a command, oldest first."""
    major = _order(version)[0]
    known = {
        specification: versions
        for specification in SPECIFICATIONS
        if (versions := _versions(name, specification)) is not None
    }
    exactly = tuple(specification for specification, versions in known.items() if version in versions)
    if exactly:
        return exactly
    nearly = tuple(
        specification
        for specification, versions in known.items()
        if major in {_order(one)[0] for one in versions}
    )
    # A minor version nobody has: served as the newest that shares its major version.
    return nearly[-1:]


def adapts_to(name: str, specification: str) -> bool:
    """Whether payloads of a command may have to be written anew for clients of a version."""
    return specification != NEWEST or name in KEPT


def adapt_request(name: str, payload: bytes | None, specification: str) -> bytes | None:
    """A command's payload of an older version as one of the newest."""
    if name in KEPT:
        payload = without_kept("request", name, payload, specification)
    return payload if specification == NEWEST else adapt("request", name, payload, specification)


def adapt_completion(name: str, payload: bytes | None, specification: str) -> bytes | None:
    """A completion's payload, written in the newest version, as a client of a version is told it."""
    if name in KEPT:
        payload = without_kept("completion", name, payload, specification)
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
) -> Iterator[tuple[str, str, bytes | None]]:
    """An event of the newest version as another has it: name, version, payload.

    Nothing if that has none, and several if it tells apart what the newest tells together.
    """
    versions = _versions(name, specification)
    if versions is None and name in adapters.TOLD_BY:
        name = adapters.TOLD_BY[name]
        versions = _versions(name, specification)
    if versions is None:
        return
    if name in KEPT:
        payload = without_kept("event", name, payload, specification)
    if specification == NEWEST:
        yield name, versions[0], payload
        return
    adapted = adapt("event", name, payload, specification)
    # With nothing left to say an event is not sent, unless its version says nothing more by it, or it said
    # nothing in the newest one either.
    if adapted is not None or payload in (None, b"{}") or tells_nothing(name, specification):
        yield spelling(name, specification), versions[0], adapted
    for other, part in apart(name, payload, specification):
        yield from adapt_event(other, part, specification)


def unsolicited(event: registry.EventEntry, specification: str) -> bool:
    """Whether an event goes to every client of a version, and not only with a command."""
    sent = adapters.SENT_OTHERWISE.get((specification, event.name))
    return event.unsolicited if sent is None else sent == "unsolicited"


@lru_cache(maxsize=1024)
def has_event(name: str, specification: str) -> bool:
    """Whether a version has an event; the newest lacks some that clients of older ones are still sent."""
    last = next((version for version, withdrawn in adapters.WITHDRAWN if withdrawn == name), None)
    # Named by year, so that they can be compared.
    return last is None or specification <= last


@lru_cache(maxsize=1024)
def broadcast_in(name: str) -> frozenset[str]:
    """The versions that send an event of the newest's commands to every client."""
    return frozenset(
        specification
        for (specification, event), sent in adapters.SENT_OTHERWISE.items()
        if event == name and sent == "unsolicited"
    )
