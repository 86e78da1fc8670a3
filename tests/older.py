"""What clients of older versions are answered to what a newer one asks, where their version can say it."""

from __future__ import annotations

from functools import cache
from typing import Any

import trio_websocket

from dialogue import Dialogue, outcome
from spoken import can_say, command_of
from xfs4iot.protocol.adapters import SPECIFICATIONS

__all__ = ["OLDER", "ask", "codes_in", "refused_alike"]

OLDER = SPECIFICATIONS[:-1]
_TIMEOUT = 10_000
"""Milliseconds; so that what waits for somebody ends."""


@cache
def codes_in(version: str, command: str) -> tuple[str, ...] | None:
    """The error codes that a command has in a version; None where it has no such command."""
    found = command_of(version, command)
    return None if found is None else tuple(found["completion"].get("errorCodes") or ())


async def ask(uri: str, version: str, command: str, payload: Any) -> str:
    """How a command of a client of an older version ends: its error code, else its completion code."""
    async with trio_websocket.open_websocket_url(uri) as connection:
        client = Dialogue(connection, version)
        client.translates = True
        completion = await client.completion(command, payload, timeout=_TIMEOUT)
    why = outcome(completion)
    return str(completion["payload"]["errorCode"]) if why == "commandErrorCode" else why


async def refused_alike(client: Dialogue, command: str, payload: Any, code: str) -> list[str]:
    """Ask again, in older versions, for what a check has refused: it has changed nothing."""
    wrong = []
    for version in OLDER:
        known = codes_in(version, command)
        if known is None or code not in known or not can_say(version, command, payload):
            continue
        found = await ask(client.uri, version, command, payload)
        if found != code:
            wrong.append(f"{command} in {version} ends {found}, and {code} in the newest version")
    return wrong
