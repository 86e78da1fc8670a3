"""The broker of a fleet, as the command line reaches it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import trio
from OpenSSL import SSL

from xfs4iot import toml_file
from xfs4iot.dataclass import dataclass
from xfs4iot.transport import tcp

if TYPE_CHECKING:
    from xfs4iot.fleet.nats import Login, Nats

__all__ = [
    "EMBEDDED",
    "KnownFleet",
    "as_role",
    "broker_is_trusted",
    "fleet_option",
    "is_secured",
    "login_to",
    "made",
    "reach",
]

_TOLD_SECONDS = 1.5
_BUCKET_SECONDS = 60.0
_BUCKET_PAUSE = 0.5
_BUCKET_ANSWER = 3.0
_NODES = "; are most of its nodes up?"
EMBEDDED = "nats://127.0.0.1:4222"
"""Where `xfs4iot gateway --embedded-broker` has its broker."""

fleet_option = partial(
    click.option,
    "--fleet",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of `fleet init`: gives broker, tenant, certificate, key and ca.",
)
"""The option of a fleet's directory."""


@dataclass(frozen=True)
class KnownFleet:
    """What stands in the directory of a fleet.

    Attributes:
        replicas: on how many nodes is kept what is known of devices.
    """

    tenant: str
    servers: tuple[str, ...]
    replicas: int = 1


def as_role(settings: dict[str, Any], role: str) -> dict[str, Any]:
    """The settings of a command, filled in from the directory of the fleet where nothing else is said.

    Args:
        settings: `directory`, `servers`, `tenant`, `certificate`, `key` and `ca`, each perhaps not given.
        role: whose certificate is used: `operator`, `gateway` and the like.
    """
    given = {name: value for name, value in settings.items() if value not in (None, ())}
    directory: Path | None = given.get("directory")
    if directory is None:
        return {
            **settings,
            "servers": given.get("servers", (EMBEDDED,)),
            "tenant": given.get("tenant", "fleet"),
        }
    from xfs4iot.fleet.deployment import FLEET_FILE

    file = directory / FLEET_FILE
    try:
        content, lines = toml_file.load(file)
        reader = toml_file.Reader(directory, lines)
        known = reader.table(KnownFleet, content, ())
        if reader.mistakes:
            raise toml_file.ConfigurationError(file, reader.mistakes)
    except toml_file.ConfigurationError as problem:
        raise click.ClickException(f"{problem}; `xfs4iot fleet init` writes this file") from None
    keys = directory / "keys"
    found = {
        "tenant": known.tenant, "servers": known.servers, "replicas": known.replicas,
        "ca": keys / "ca.pem", "certificate": keys / f"{role}.pem", "key": keys / f"{role}.key",
    }  # fmt: skip
    return {**settings, **found, **given}


def broker_is_trusted(servers: tuple[str, ...]) -> None:
    """Be sure that no broker elsewhere is spoken to in plain text.

    Raises:
        ValueError: one would be.
    """
    for server in servers:
        parts = urlsplit(server)
        if parts.scheme not in ("tls", "nats") or not parts.hostname:
            raise ValueError(f"broker {server!r}: write tls://host:port")
        if parts.scheme == "nats" and not tcp.is_loopback(parts.hostname):
            raise ValueError(
                f"broker {server} would be spoken to in plain text: write tls://, and give certificates"
            )


def is_secured(servers: tuple[str, ...]) -> bool:
    """Whether any of the broker's nodes is spoken to over TLS."""
    return any(one.startswith("tls:") for one in servers)


def login_to(servers: tuple[str, ...], context: Callable[[], SSL.Context]) -> Login | None:
    """What proves who we are; None for a broker in plain text.

    Args:
        context: made anew for each connection, so that a renewed certificate is taken up.
    """
    if not is_secured(servers):
        return None
    from xfs4iot.fleet.nats import Login

    return Login(context)


async def reach(carrier: Nats, seconds: float, otherwise: str = "") -> None:
    """Wait until the broker is reached.

    Args:
        otherwise: what to do where nothing answers there.

    Raises:
        CarrierLost: it is not within this time.
    """
    from xfs4iot.fleet.carrier import CarrierLost

    with trio.move_on_after(min(_TOLD_SECONDS, seconds)):
        await carrier.until_connected()
    if not carrier.connected:
        click.echo(f"waiting up to {seconds:g} s for the broker: {_trouble_of(carrier)}", err=True)
    with trio.move_on_after(seconds) as patience:
        await carrier.until_connected()
    if patience.cancelled_caught:
        raise CarrierLost(
            f"the broker at {', '.join(carrier.servers)} cannot be reached: {_trouble_of(carrier)}"
            f"{'' if carrier.answered else otherwise}"
        )


def _trouble_of(carrier: Nats) -> str:
    """Why there is no connection; of the first attempt, how far it is."""
    return carrier.trouble or ("it has not let us in yet" if carrier.answered else "no answer")


async def made(make: Callable[[], Awaitable[object]], seconds: float = _BUCKET_SECONDS) -> None:
    """Make or find what the broker keeps, as often as it takes: a new cluster first chooses who leads.

    Raises:
        CarrierLost: it could not be made within this time.
    """
    from xfs4iot.fleet.carrier import CarrierLost
    from xfs4iot.fleet.store import NothingKept

    last, advice, told_of = "it does not answer", _NODES, False
    with trio.move_on_after(seconds):
        while True:
            try:
                with trio.move_on_after(min(_BUCKET_ANSWER, seconds / 2)):
                    await make()
                    return
            except CarrierLost as problem:
                last, advice = str(problem), "" if isinstance(problem, NothingKept) else _NODES
            if not told_of:
                told_of = True
                click.echo(f"waiting up to {seconds:g} s for the broker's store: {last}", err=True)
            await trio.sleep(_BUCKET_PAUSE)
    raise CarrierLost(f"the broker's store is not ready after {seconds:g} s: {last}{advice}")
