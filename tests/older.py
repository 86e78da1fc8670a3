"""What clients of older versions are answered to what a newer one asks, where their version has it alike."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import trio_websocket

from dialogue import Dialogue, outcome
from traffic import catalogue
from xfs4iot.conformance.schemas import problems
from xfs4iot.protocol.adapters import SPECIFICATIONS, spelling

__all__ = ["OLDER", "ask", "codes_in", "is_said_alike", "refused_alike"]

OLDER = SPECIFICATIONS[:-1]
_TIMEOUT = 10_000
"""Milliseconds; so that what waits for somebody ends."""


@cache
def codes_in(version: str, command: str) -> tuple[str, ...] | None:
    """The error codes that a command has in a version; None where it has no such command."""
    interface, _, name = spelling(command, version).partition(".")
    commands = catalogue(version)["interfaces"].get(interface, {"commands": {}})["commands"]
    return tuple(commands[name]["completion"].get("errorCodes") or ()) if name in commands else None


def is_said_alike(version: str, command: str, payload: Any) -> bool:
    """Whether a request of the newest version is one of an older version, too."""
    name = spelling(command, version)
    if codes_in(version, command) is None:
        return False
    header = {"type": "command", "name": name, "requestId": 1}
    if version != "2021-1":
        interface, _, short = name.partition(".")
        header["version"] = catalogue(version)["interfaces"][interface]["commands"][short]["version"]
    else:
        payload = {**(payload or {}), "timeout": 0}
    message = {"header": header} | ({} if payload is None else {"payload": payload})
    return not problems(version, json.loads(json.dumps(message, default=float)))


async def ask(uri: str, version: str, command: str, payload: Any) -> str:
    """How a command of a client of an older version ends: its error code, else its completion code."""
    async with trio_websocket.open_websocket_url(uri) as connection:
        client = Dialogue(connection, version)
        timeout = {"timeout": _TIMEOUT}
        if version == "2021-1":
            completion = await client.completion(spelling(command, version), {**(payload or {}), **timeout})
        else:
            completion = await client.completion(spelling(command, version), payload, **timeout)
    why = outcome(completion)
    return str(completion["payload"]["errorCode"]) if why == "commandErrorCode" else why


async def refused_alike(client: Dialogue, command: str, payload: Any, code: str) -> list[str]:
    """Ask again, in older versions, for what a check has refused: it has changed nothing."""
    wrong = []
    for version in OLDER:
        known = codes_in(version, command)
        if known is None or code not in known or not is_said_alike(version, command, payload):
            continue
        found = await ask(client.uri, version, command, payload)
        if found != code:
            wrong.append(f"{command} in {version} ends {found}, and {code} in the newest version")
    return wrong
