"""What `[uplink]` of a configuration switches on; nothing of the fleet is imported otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from OpenSSL import SSL

import xfs4iot
from xfs4iot.cli.broker import broker_is_trusted, is_secured, login_to
from xfs4iot.cli.settings import UplinkSettings
from xfs4iot.dataclass import dataclass
from xfs4iot.ledger import Ledger
from xfs4iot.server.publisher import Publisher
from xfs4iot.telling import logger
from xfs4iot.transport import tls
from xfs4iot.transport.pairs import load_certificates, load_pair

if TYPE_CHECKING:
    from xfs4iot.fleet.nats import Nats
    from xfs4iot.fleet.opening import Authorities

__all__ = ["Trust", "trust_of", "uplinked"]

_log = logger("xfs4iot.uplink")
_LOOK_SECONDS = 2.0
"""Between two looks at whether there is a new certificate."""


def _has_ended(wanted: UplinkSettings) -> bool:
    """Whether the device's certificate is good but for its end.

    Raises:
        CredentialsRefused: there is more doubt about it.
    """
    assert wanted.certificate is not None
    assert wanted.key is not None
    end = min(one.not_valid_after_utc for one in load_certificates(wanted.certificate))
    load_pair(wanted.certificate, wanted.key, "client", now=end)
    return end < datetime.now(UTC)


@dataclass(frozen=True)
class Trust:
    """Whom a device trusts that dials out, and by what others trust it.

    Attributes:
        authorities: who sign gateways; None where none is asked for that.
        ended: why the broker will not let the device in any more; empty if it will.
    """

    authorities: Authorities | None
    ended: str


def _context(wanted: UplinkSettings) -> SSL.Context:
    return tls.client_context(ca=wanted.ca, certificate=wanted.certificate, key=wanted.key)


def trust_of(wanted: UplinkSettings) -> Trust:
    """Read the certificates that `[uplink]` names, as they would be used.

    Raises:
        ValueError: the settings cannot be used.
        CredentialsRefused: a certificate or key cannot.
    """
    from xfs4iot.fleet.opening import Authorities
    from xfs4iot.transport.proxy import Proxy

    broker_is_trusted(wanted.servers)
    if wanted.proxy is not None:
        Proxy.read(wanted.proxy)
    ended = ""
    if is_secured(wanted.servers):
        if None in (wanted.gateway_ca, wanted.certificate, wanted.key):
            raise ValueError("[uplink] needs certificate, key, ca and gateway_ca: see docs/fleet.md")
        try:
            _context(wanted)
        except tls.CredentialsRefused as refused:
            if not _has_ended(wanted):
                raise
            ended = str(refused)
    return Trust(None if wanted.gateway_ca is None else Authorities(wanted.gateway_ca), ended)


async def _take_up(carrier: Nats, certificate: Path) -> None:
    """Come by a new certificate at once: who was refused with the old one would wait for minutes."""
    seen = _version_of(certificate)
    while True:
        await trio.sleep(_LOOK_SECONDS)
        now = _version_of(certificate)
        if now not in (None, seen):
            seen = now
            carrier.hurry()


def _version_of(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


@asynccontextmanager
async def uplinked(
    publisher: Publisher, ledger: Ledger, wanted: UplinkSettings | None
) -> AsyncIterator[None]:
    """Keep the link to the fleet, if there is to be one, for as long as the block lasts.

    It is begun before the publisher and ended after it, so that services take leave of whoever came by it.

    Raises:
        ValueError: the settings cannot be used.
        CredentialsRefused: a certificate or key cannot.
    """
    if wanted is None:
        yield
        return
    from xfs4iot.fleet.credential import Credential
    from xfs4iot.fleet.nats import Nats
    from xfs4iot.fleet.renewal import Renewal
    from xfs4iot.fleet.uplink import Uplink, herd_wait
    from xfs4iot.transport.proxy import Proxy

    trust = trust_of(wanted)
    if trust.ended:
        # The machine may have stood in a store room: what it does on the spot needs no fleet.
        _log.critical(
            "the device cannot come to its fleet: %s; enrol it anew: `xfs4iot fleet invite %s --replace`, "
            "and here `xfs4iot enroll`",
            trust.ended,
            wanted.device,
        )
    secured = is_secured(wanted.servers)
    uplink: Uplink

    def wait(failures: int) -> float:
        return herd_wait(failures, uplink.spread, uplink.busy)

    carrier = Nats(
        wanted.servers,
        login_to(wanted.servers, lambda: _context(wanted)),
        name=wanted.device,
        wait=wait,
        proxy=None if wanted.proxy is None else Proxy.read(wanted.proxy),
    )
    uplink = Uplink(
        publisher,
        carrier,
        ledger.service("uplink"),
        tenant=wanted.tenant,
        device=wanted.device,
        authorities=trust.authorities,
        version=f"xfs4iot {xfs4iot.__version__}",
    )
    uplink.spread = wanted.spread
    failure: Exception | None = None
    async with trio.open_nursery() as connection:
        await connection.start(carrier.run)
        async with trio.open_nursery() as nursery:
            await nursery.start(uplink.run)
            if secured and wanted.certificate is not None:
                nursery.start_soon(_take_up, carrier, wanted.certificate)
                if wanted.certificate == wanted.key:
                    credential = Credential(wanted.certificate, wanted.device)
                    nursery.start_soon(Renewal(credential, carrier, uplink.subjects).run)
                else:
                    _log.warning(
                        "the certificate of [uplink] is not renewed by itself; for that, certificate and "
                        "key are one file, as `xfs4iot enroll` writes it"
                    )
            try:
                yield
            except Exception as problem:
                # Raised again outside the nursery, which would wrap it in an exception group.
                failure = problem
            nursery.cancel_scope.cancel()
        connection.cancel_scope.cancel()
    if failure is not None:
        raise failure
