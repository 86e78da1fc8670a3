"""Which version of the standard to speak with a service that may not know all of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import trio

from xfs4iot.client._client import Client
from xfs4iot.client._errors import CommandFailed, CommandRefused, Unanswered
from xfs4iot.protocol import versions
from xfs4iot.protocol.offered import offered_interfaces

__all__ = ["announce", "checked", "newest_offered"]

_ASKS = "Common.Capabilities"
_NEWEST_ANSWER = versions.telling_version(_ASKS, versions.NEWEST)
_NEWEST_CHOICE = {
    "commands": {"Common.Status": versions.major(versions.telling_version("Common.Status", versions.NEWEST))}
}
"""For Common.SetVersions: a version of a message that only the newest version of the standard has."""
_SECONDS = 10.0
_WRONG_VERSION = ("invalidCommand", "unsupportedCommand", "invalidData", "internalError")
"""How services, ours and others, complete a command in a version that they do not know."""


def checked(version: str | None) -> str:
    """The version that was asked for; the newest if none was.

    Raises:
        ValueError: there is no such version of the standard.
    """
    if version is not None and version not in versions.SPECIFICATIONS:
        known = ", ".join(versions.SPECIFICATIONS)
        raise ValueError(
            f"{version!r} is not a version of the standard that is known here; known are {known}"
        )
    return version or versions.NEWEST


async def announce(client: Client) -> None:
    """Let the service know the client's version, so that events come in it from the beginning."""
    with (
        trio.move_on_after(min(_SECONDS, client.patience)),
        suppress(CommandRefused, CommandFailed, Unanswered),
    ):
        if client.version == versions.NEWEST:
            await _choose_newest(client)
        else:
            await client.answer(_ASKS)


async def newest_offered(client: Client) -> str:
    """Ask a service for its capabilities, in the newest version first, until it answers.

    What it answers in is what it speaks, unless it lists newer versions of the question: then
    it serves clients of several. Together with the first question it is told that this client
    speaks the newest, which a service that knows no better refuses or ignores: so a service of the
    newest version costs one round trip. One that does not answer at all is spoken to in the newest.
    """
    first: tuple[str, dict[str, Any]] | None = ("Common.SetVersions", _NEWEST_CHOICE)
    tried: set[str | None] = set()
    with trio.move_on_after(min(_SECONDS, client.patience)):
        for specification in reversed(versions.SPECIFICATIONS):
            version = versions.header_version(_ASKS, specification)
            # Several versions of the standard may share one version of this message.
            if version in tried:
                continue
            tried.add(version)
            client.version = specification
            try:
                answered, capabilities = await client.answer(_ASKS, after=first)
            except Unanswered:
                break
            except CommandRefused:
                continue
            except CommandFailed as failed:
                if failed.completion_code in _WRONG_VERSION:
                    continue
                break
            finally:
                first = None
            offered = versions.specification_of_completion(_ASKS, answered)
            if offered != versions.NEWEST and _NEWEST_ANSWER in _listed(capabilities):
                client.version = versions.NEWEST
                with suppress(CommandRefused, CommandFailed, Unanswered):
                    await _choose_newest(client)
                    return versions.NEWEST
            return offered
    return versions.NEWEST


async def _choose_newest(client: Client) -> None:
    await client.call("Common.SetVersions", _NEWEST_CHOICE)


def _listed(capabilities: dict[str, Any]) -> list[str]:
    """The versions of the question that the answer lists; none if nobody can tell."""
    with suppress(ValueError):
        for interface in offered_interfaces(capabilities):
            if interface.name == "Common" and (told := (interface.commands or {}).get(_ASKS)) is not None:
                return told.versions or []
    return []
