"""The operator of a fleet, at its broker: what all of `xfs4iot fleet` that asks or tells something shares."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import click
import trio

from xfs4iot.cli.broker import broker_is_trusted, login_to, made, reach
from xfs4iot.cli.complaint import innermost
from xfs4iot.cli.connection import run
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.fleet.last import LAST
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.registry import PRESENCE
from xfs4iot.fleet.store import KeyValue, Patience
from xfs4iot.fleet.subjects import check_id
from xfs4iot.fleet.view import FleetView
from xfs4iot.fleet.where import Expression, WhereError, parse
from xfs4iot.telling import logger
from xfs4iot.transport import tls

__all__ = ["as_operator", "bucket_of", "checked_name", "device_argument", "view_of", "where_option"]

_BROKER_SECONDS = 30.0
_STORE_SECONDS = 30.0
"""A fleet that was just started may be a moment behind whoever asks of it, if all is typed at once."""
_ELECTION_SECONDS = 30.0
_ELSEWHERE = (
    "; if it is elsewhere, say `xfs4iot fleet --fleet DIRECTORY` or `xfs4iot fleet --broker URL`, "
    "or set XFS4IOT_FLEET or XFS4IOT_BROKER"
)


def as_operator(
    settings: dict[str, Any],
    what: Callable[[Nats], Awaitable[int | None]],
    *,
    there: Callable[[Nats, str], Awaitable[object]] | None = None,
    long: bool = False,
) -> None:
    """Do something over a connection of one's own to the broker; what it returns is the exit code.

    Args:
        settings: of the group `xfs4iot fleet`.
        there: asks the broker for what is needed of a tenant, which the fleet's parts make when they start;
            it is waited for. Default: what gateways know of devices.
        long: go on when the connection is lost, until interrupted.
    """
    servers = settings["servers"]
    try:
        broker_is_trusted(servers)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    files = {name: settings[name] for name in ("ca", "certificate", "key")}

    async def main() -> int:
        login = login_to(servers, lambda: tls.client_context(**files))
        carrier = Nats(servers, login, name="xfs4iot fleet", ping_seconds=5.0 if long else 20.0)
        failure: click.ClickException | None = None
        code = None
        async with trio.open_nursery() as nursery:
            await nursery.start(carrier.run)
            try:
                await reach(carrier, _BROKER_SECONDS, _ELSEWHERE)
                await made(partial(there or _last_there, carrier, settings["tenant"]), _STORE_SECONDS)
                code = await what(carrier)
            except* CarrierLost as problems:
                failure = click.ClickException(str(innermost(problems)))
            except* KeyError as unknown:
                device = getattr(innermost(unknown), "args", "?")[0]
                failure = click.ClickException(
                    f"there is no device {device} in this fleet; see `xfs4iot fleet list`, "
                    "and `xfs4iot fleet enrolled` for those that have not come yet"
                )
            except* click.ClickException as said:
                # Raised again outside the nursery, which would wrap it in an exception group.
                one = innermost(said)
                assert isinstance(one, click.ClickException)
                failure = one
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return code or 0

    # What it would tell of each attempt in vain is said once, by `reach`, and by who goes on without it.
    attempts = logger("xfs4iot.nats")
    attempts.addFilter(_nothing)
    try:
        run(main)
    finally:
        attempts.removeFilter(_nothing)


async def _last_there(carrier: Nats, tenant: str) -> None:
    # A gateway makes it after the bucket of who is there.
    await KeyValue(carrier, LAST.format(tenant)).get("nobody")


def _nothing(record: logging.LogRecord) -> bool:
    return False


def view_of(carrier: Nats, tenant: str) -> FleetView:
    """What is known of a tenant's devices."""
    return FleetView(bucket_of(carrier, PRESENCE, tenant), bucket_of(carrier, LAST, tenant))


def bucket_of(carrier: Nats, name: str, tenant: str) -> KeyValue:
    """What the broker keeps for a tenant, as an operator reads it: also while its nodes choose a leader."""
    patience = Patience(_ELECTION_SECONDS, lambda text: click.echo(text, err=True))
    return KeyValue(carrier, name.format(tenant), patience=patience)


def _read(ctx: click.Context, param: click.Parameter, given: str | None) -> Expression | None:
    if given is None:
        return None
    try:
        return parse(given)
    except WhereError as wrong:
        # The expression again, with the place under it, as far as one line has room.
        begin = max(0, wrong.column - 60)
        shown = "".join(char if char.isprintable() else "?" for char in given[begin : begin + 75])
        raise click.BadParameter(
            f"{wrong}\n\n  {shown}\n  {' ' * (wrong.column - 1 - begin)}^", ctx, param
        ) from None


where_option = click.option(
    "--where", "wanted", callback=_read, metavar="EXPR",
    help="Only devices for which this holds, such as 'unit.replenishmentStatus == low'.",
)  # fmt: skip


def checked_name(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """A name that can be a part of the broker's subjects."""
    try:
        return check_id(given, param.name or "name")
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), ctx, param) from None


device_argument = click.argument("device", callback=checked_name)
