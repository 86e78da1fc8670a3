"""Arguments that several commands take. A wrong one is bad usage, and the message says what would be right.

Each function is a `callback` of click, or a `shell_complete`.
"""

from __future__ import annotations

import codecs
import math
import os
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec
from click.core import ParameterSource

from xfs4iot.protocol.endpoints import PATH
from xfs4iot.protocol.index import COMMANDS, EVENTS

__all__ = [
    "PORT",
    "NewFile",
    "NumberRange",
    "command_names",
    "currency",
    "directory",
    "encoding",
    "event_names",
    "gateway_uri",
    "host",
    "json_paths",
    "money",
    "new_file",
    "payload",
    "refuse_idle",
    "seconds",
    "service_uri",
]

PORT = click.IntRange(1, 65535)
_MONEY = re.compile(r"[0-9]{1,18}(\.[0-9]{1,6})?")
_PATH = re.compile(r"\$\.\.[^.\[\]]+|\$([.\[*?].*)?")
_HOST = re.compile(r"[^\s/:@\[\]?#]+|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(%\w+)?\]?")


def refuse_idle(names: Iterable[str], where: str) -> None:
    """Refuse options that were given and say nothing here.

    Args:
        names: of the parameters of the running command.
        where: that is, such as ``with --serve``.
    """
    ctx = click.get_current_context()
    given = {name for name in names if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    for parameter in ctx.command.params:
        if parameter.name in given:
            raise click.UsageError(f"{parameter.opts[0]} says nothing {where}; leave it out", ctx)


def money(ctx: click.Context, param: click.Parameter, given: str) -> Decimal:
    """An amount in digits, with or without a fraction."""
    if re.fullmatch(r"[0-9]{19,}(\.[0-9]*)?", given):
        raise click.BadParameter(
            f"{given[:18]}… has more than 18 digits before the point; give a smaller amount", ctx, param
        )
    if not _MONEY.fullmatch(given):
        raise click.BadParameter(f"{given!r} is not an amount of money, such as 230 or 12.50", ctx, param)
    return Decimal(given)


def currency(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """The letters of ISO 4217, in capitals as everywhere in the standard."""
    if not re.fullmatch("[A-Z]{3}", given):
        near = f"; did you mean {given.upper()}?" if re.fullmatch("[A-Za-z]{3}", given) else ", such as EUR"
        raise click.BadParameter(f"{given!r} is not three capitals of ISO 4217{near}", ctx, param)
    return given


class NewFile(click.Path):
    """A file to write. `-` is standard output, as it is standard input where a file is read.

    Args:
        streams: what is written may go to standard output, which is None; else `-` is refused.
    """

    def __init__(self, *, streams: bool = False) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self._streams = streams

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value != "-":
            return super().convert(value, param, ctx)
        if not self._streams:
            self.fail(
                "- is standard output, to which this is not written; name a file, such as ./-", param, ctx
            )
        return None


class NumberRange(click.FloatRange):
    """A `click.FloatRange` of numbers to reckon with: `nan` passes every range, and `inf` most."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number to reckon with", param, ctx)
        return number


def seconds(ctx: click.Context, param: click.Parameter, given: float | None) -> float | None:
    """A time that passes; None if it is not given."""
    if given is not None and not (math.isfinite(given) and given >= 0):
        raise click.BadParameter(f"{given} is not a number of seconds from 0", ctx, param)
    return given


def encoding(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """The name of an encoding of text."""
    try:
        codec = codecs.lookup(given)
        # There are codecs that are none of text: base64, zip.
        "".encode(codec.name)
    except (LookupError, ValueError):
        raise click.BadParameter(
            f"{given!r} is no encoding of text, such as utf-8 or cp1252", ctx, param
        ) from None
    return codec.name


def host(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """The name or address of a host."""
    if "://" in given:
        raise click.BadParameter(
            f"{given!r} is a URI; name the host alone, or use `xfs4iot call` and `watch` with the URI",
            ctx,
            param,
        )
    if not _HOST.fullmatch(given):
        name, colon, port = given.rpartition(":")
        hint = f"; did you mean {name} --port {port}?" if colon and name and port.isdecimal() else ""
        raise click.BadParameter(f"{given!r} is not a name or address of a host{hint}", ctx, param)
    return given.strip("[]")


def service_uri(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """The URI of a service."""
    try:
        # `urlsplit` raises ValueError for a broken IPv6 address, and `port` for one out of range.
        parts = urlsplit(given)
        good = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise click.BadParameter(
            f"{given!r} is not a URI of a service, such as wss://atm17:443/xfs4iot/v1.0/CashDispenser; "
            "`xfs4iot discover HOST` lists those of a host",
            ctx,
            param,
        )
    return given


def gateway_uri(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """The URI below which a gateway has its devices, also as the gateway prints it, or without its path."""
    uri = service_uri(ctx, param, given).rstrip("/").removesuffix("/DEVICE")
    return uri if urlsplit(uri).path else uri + PATH


def directory(ctx: click.Context, param: click.Parameter, given: Path | None) -> Path | None:
    """A directory that can be written; made if need be."""
    # While a shell completes, nothing must be made.
    if given is None or ctx.resilient_parsing:
        return given
    try:
        given.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise click.BadParameter(
            f"{given} cannot be made: {problem.strerror}; choose a directory that you may write", ctx, param
        ) from None
    if not os.access(given, os.W_OK | os.X_OK):
        raise click.BadParameter(
            f"{given} cannot be written; choose a directory that you may write", ctx, param
        )
    return given


def new_file(ctx: click.Context, param: click.Parameter, given: Path | None) -> Path | None:
    """A file that is written at the end: whether it can be must be known before anything is done."""
    if given is None or ctx.resilient_parsing:
        return given
    if not given.parent.is_dir():
        raise click.BadParameter(f"there is no directory {given.parent}; make it first", ctx, param)
    if not os.access(given if given.exists() else given.parent, os.W_OK):
        raise click.BadParameter(f"{given} cannot be written; choose a place where you may write", ctx, param)
    return given


def payload(given: str | None) -> dict[str, Any] | None:
    """The payload of a message; None if it is not given."""
    try:
        # Amounts must arrive as they were typed, not rounded to a float.
        content = msgspec.json.Decoder(float_hook=Decimal).decode(given) if given else None
    except msgspec.DecodeError as problem:
        raise click.BadParameter(f"PAYLOAD is not JSON: {problem}") from None
    if content is not None and not isinstance(content, dict):
        raise click.BadParameter("PAYLOAD is a JSON object: {...}")
    return content


def json_paths(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Paths in payloads; one that cannot be a path would never leave anything out."""
    for one in given:
        if not _PATH.fullmatch(one):
            raise click.BadParameter(
                f"{one[:80]!r} is no path; write one such as '$.positions[*].shutter' or '$..serialNumber'",
                ctx,
                param,
            )
    return given


def command_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of commands of the standard."""
    return [name for name in COMMANDS if name.startswith(incomplete)]


def event_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of events of the standard, whole or after the dot."""
    short = [name.partition(".")[2] for name in EVENTS]
    return [name for name in (*short, *EVENTS) if name.startswith(incomplete)]
