"""What a service offers, read from its answer to Common.Capabilities, whatever that is.

The services of others answer as they like. What is read here decides which commands can be asked for, so
it must be of the right kind; all else of the answer is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["OfferedCommand", "OfferedInterface", "offered_interfaces"]


class OfferedCommand(msgspec.Struct, frozen=True):
    """A command as Common.Capabilities lists it."""

    versions: list[str] | None = None


class OfferedInterface(msgspec.Struct, frozen=True):
    """An interface as Common.Capabilities lists it; commands by their wire names.

    A service may list one without a name to clients of a version that has no name for it.
    """

    name: str | None = None
    commands: dict[str, OfferedCommand | None] | None = None


class _Capabilities(msgspec.Struct, frozen=True):
    interfaces: list[OfferedInterface] | None = None


def offered_interfaces(capabilities: Mapping[str, object]) -> list[OfferedInterface]:
    """The interfaces of a completion of Common.Capabilities; none if it lists none.

    Raises:
        ValueError: something is of another kind than the standard says; the text says what, and where.
    """
    return msgspec.convert(capabilities, _Capabilities).interfaces or []
