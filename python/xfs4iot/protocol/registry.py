"""Every command and event by name: its versions, its classes, its error codes and events.

Classes are imported when they are first asked for, one module per interface. Names that only
older versions of the standard have are known too. Most have no classes, and are served, if at all, as what
the newest version has in their place (see `versions`); commands that are kept (see `kept`) have the
classes of the last version that has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from importlib import import_module
from typing import Any

from xfs4iot.dataclass import dataclass
from xfs4iot.protocol.adapters import NEWEST
from xfs4iot.protocol.index import COMMANDS, EVENTS, KEPT_COMMANDS, OLDER
from xfs4iot.protocol.messages import interface_module

__all__ = [
    "NEWEST",
    "CommandEntry",
    "EventEntry",
    "added_events",
    "command",
    "event",
    "event_of",
    "extend",
    "extension_versions",
    "is_command",
    "message_module",
    "takes_token",
    "token_commands",
    "unsolicited_events",
]


@dataclass(frozen=True)
class CommandEntry:
    """One command of the newest version, or one that is kept.

    Attributes:
        name: wire name.
        version: of the command message; completion_version: of its completion.
        request, completion: the payloads' classes; None where there is no payload.
        error_codes: what `errorCode` may say.
        events: full names of the events the command may send.
    """

    name: str
    version: str
    request: type[Any] | None
    completion_version: str
    completion: type[Any] | None
    error_codes: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class EventEntry:
    """One event of the newest version.

    Attributes:
        name: wire name.
        version: of its message.
        unsolicited: it goes to every client; else to the one whose command it belongs to.
        payload: its class, also where it carries nothing.
        empty: it carries nothing.
    """

    name: str
    version: str
    unsolicited: bool
    payload: type[Any]
    empty: bool = field(default=False)


_commands: dict[str, CommandEntry] = {}
_events: dict[str, EventEntry] = {}
_event_of: dict[type[Any], EventEntry] = {}


def message_module(interface: str) -> Any:
    """The module of an interface's message classes."""
    return import_module(f"xfs4iot.protocol.messages.{_snake(interface)}")


def _snake(interface: str) -> str:
    """`CashDispenser` → `cash_dispenser`."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in interface).lstrip("_")


def command(name: str) -> CommandEntry:
    """The command with this wire name.

    Raises:
        KeyError: the newest version has none, and none is kept.
    """
    entry = _commands.get(name)
    if entry is None:
        row = COMMANDS.get(name) or KEPT_COMMANDS[name]
        version, has_request, completion_version, has_completion, error_codes, events = row
        interface, _, short = name.partition(".")
        module = message_module(interface) if has_request or has_completion else None
        entry = _commands[name] = CommandEntry(
            name,
            version,
            getattr(module, short) if has_request else None,
            completion_version,
            getattr(module, f"{short}Completion") if has_completion else None,
            error_codes,
            events,
        )
    return entry


def event(name: str) -> EventEntry:
    """The event with this wire name.

    Raises:
        KeyError: the newest version has none.
    """
    entry = _events.get(name)
    if entry is None:
        version, unsolicited, has_payload = EVENTS[name]
        interface, _, short = name.partition(".")
        payload = getattr(message_module(interface), short)
        entry = _events[name] = EventEntry(name, version, unsolicited, payload, not has_payload)
        _event_of[payload] = entry
    return entry


def event_of(kind: type[Any]) -> EventEntry:
    """The event whose payload has this class.

    Raises:
        KeyError: it is the class of no event.
    """
    entry = _event_of.get(kind)
    if entry is None:
        interface = interface_module(kind).rpartition(".")[2]
        for name in EVENTS:
            owner, _, short = name.partition(".")
            if short == kind.__name__ and _snake(owner) == interface:
                return event(name)
        raise KeyError(f"{kind.__module__}.{kind.__name__} is the class of no event")
    return entry


def is_command(name: str) -> bool:
    """Whether any version of the standard has a command of this name."""
    if name in COMMANDS or name in _commands:
        return True
    # OLDER lists commands and events together; only the name tells them apart.
    return any(name in names and not name.endswith("Event") for names in OLDER.values())


def takes_token(name: str) -> bool:
    """Whether a command of the standard can carry an end-to-end token."""
    request = command(name).request if name in COMMANDS else None
    return "token" in getattr(request, "__struct_fields__", ())


def token_commands() -> list[str]:
    """The commands of the standard that can carry an end-to-end token."""
    return [name for name in COMMANDS if takes_token(name)]


def unsolicited_events(interface: str) -> list[str]:
    """Full names of the interface's unsolicited events, in the newest version."""
    prefix = f"{interface}."
    own = [name for name, (_, unsolicited, _) in EVENTS.items() if unsolicited and name.startswith(prefix)]
    added = [
        name
        for name, entry in _events.items()
        if entry.unsolicited and name.startswith(prefix) and name not in EVENTS
    ]
    return own + added


def added_events() -> list[str]:
    """Full names of the events that were added by `extend`."""
    return [name for name in _events if name not in EVENTS]


def extension_versions(name: str) -> tuple[str, str] | None:
    """Versions of a message that was added, and of its completion; None for the standard's own."""
    if name in COMMANDS or name in EVENTS or name in KEPT_COMMANDS:
        return None
    if name in _commands:
        return _commands[name].version, _commands[name].completion_version
    return (_events[name].version,) * 2 if name in _events else None


def extend(commands: Mapping[str, CommandEntry], events: Mapping[str, EventEntry] | None = None) -> None:
    """Add messages that are not the standard's, such as those of a simulator.

    Raises:
        ValueError: a name belongs to the standard.
    """
    for name in (*commands, *(events or {})):
        if name in COMMANDS or name in EVENTS or any(name in names for names in OLDER.values()):
            raise ValueError(f"{name} is a message of the standard; choose another interface name")
    _commands.update(commands)
    for name, entry in (events or {}).items():
        _events[name] = entry
        _event_of[entry.payload] = entry
