"""A running service's certificate, replaced (`renew`) and seen from outside (`served`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.cli.configuration import read
from xfs4iot.cli.settings import Configuration
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol.endpoints import PORTS, here
from xfs4iot.transport import certificates, inspection
from xfs4iot.transport.failures import TLSError
from xfs4iot.transport.pairs import Pair, fingerprint, load_pair
from xfs4iot.transport.presented import presented

__all__ = ["Renewed", "renew", "served"]

_AGAIN_SECONDS = 1.0


async def served(
    where: str, ca: Path | None, crls: Sequence[Path], host: str | None, days: int
) -> tuple[tuple[inspection.Content, ...], tuple[inspection.Finding, ...]]:
    """What the device at `where` (a host, host:port, or URI) shows, and whether it will do.

    Args:
        host: the name clients ask for, if it is another than that in `where`.
        days: how many days it must still be good for.

    Raises:
        OSError, TLSError: nothing there shows a certificate.
    """
    parts = urlsplit(where if "://" in where else f"wss://{where}")
    if parts.hostname is None:
        raise ValueError(f"{where!r} names no host; write HOST, HOST:PORT or wss://HOST:PORT")
    name = host or parts.hostname
    chain = await _first(parts.hostname, PORTS if parts.port is None else (parts.port,), name)
    findings = inspection.check_presented(chain, host=name, ca=ca, crls=crls)
    contents = tuple(inspection.describe(one) for one in chain)
    left = min(content.days_left or 0 for content in contents)
    if 0 <= left < days:
        late = inspection.Finding("renewal", False, f"it expires in {left} days: renew it")
        findings = (*findings, late)
    return contents, findings


async def _first(
    host: str, ports: Sequence[int], name: str, pair: Pair | None = None
) -> tuple[x509.Certificate, ...]:
    """What the first port that answers shows."""
    problem: Exception = OSError(f"nothing answers at {host} on port {', '.join(map(str, ports))}")
    for port in ports:
        try:
            return await presented(host, port, name=name, key=None if pair is None else pair.key)
        except TLSError as failure:
            # Something answers here but its TLS fails: that says more than "nothing answers".
            problem = failure
        except OSError:
            continue
    raise problem


@dataclass(frozen=True)
class Renewed:
    """What `renew` did.

    Attributes:
        certificate: the file that was replaced.
        key: the file of its key; None if the key stays.
        content: what serves from now on.
        taken_up: whether the running service shows it; None if none was found, or nobody looked.
    """

    certificate: Path
    key: Path | None
    content: inspection.Content
    taken_up: bool | None


def renew(
    config: Path, certificate: Path, key: Path | None, *, instead_of: Path | None, wait: float, rename: bool
) -> Renewed:
    """Check a new certificate, put it in the place of the configured one, see it served.

    Args:
        key: its key; None if it is for the key that is configured.
        instead_of: which of several configured certificates it replaces.
        wait: seconds for the running service to show it; 0 does not look.
        rename: whether it may lack names that the old one has.

    Raises:
        CredentialsRefused: there is doubt about the new certificate; nothing was changed.
        ValueError: it cannot take the place of the old one; nothing was changed.
        OSError: a file cannot be written; nothing was changed.
    """
    configuration = read(config)
    if configuration.tls is None:
        raise ValueError(f"{config} has no [tls]: there is no certificate to renew")
    configured = [
        (configuration.tls.certificate, configuration.tls.key),
        *((also.certificate, also.key) for also in configuration.tls.also),
    ]
    if instead_of is not None:
        configured = [one for one in configured if one[0].resolve() == instead_of.resolve()]
        if not configured:
            raise ValueError(f"{config} does not name {instead_of} as a certificate")
    if len(configured) > 1:
        named = ", ".join(str(one) for one, _ in configured)
        raise ValueError(f"{config} names several certificates ({named}): say which, with --instead-of")
    (old_certificate, old_key), *_ = configured
    pair = load_pair(certificate, key or old_key, "device")
    try:
        lost = set(inspection.show(old_certificate)[0].names) - set(pair.names)
    except TLSError:
        # The old file cannot be read: no reason to keep it from being replaced.
        lost = set()
    if lost and not rename:
        names = ", ".join(sorted(lost))
        raise ValueError(f"{certificate} is not for {names}, which the old one is for; if so be it: --rename")
    new = [(old_certificate, b"".join(one.public_bytes(Encoding.PEM) for one in pair.chain))]
    if key is not None:
        new.insert(0, (old_key, key.read_bytes()))
    certificates.install(new)
    taken_up = trio.run(_taken_up, configuration, pair, wait) if wait else None
    content = inspection.describe(pair.certificate)
    return Renewed(old_certificate, old_key if key is not None else None, content, taken_up)


async def _taken_up(configuration: Configuration, pair: Pair, wait: float) -> bool | None:
    publisher = configuration.publisher
    host = here(publisher.host)
    ports = PORTS if publisher.port is None else (publisher.port,)
    answered: bool | None = None
    with trio.move_on_after(wait):
        while True:
            try:
                # With the pair: its kind of key decides which of several certificates is shown.
                chain = await _first(host, ports, pair.names[0], pair)
                answered = fingerprint(chain[0]) == fingerprint(pair.certificate)
            except OSError:
                return answered
            except TLSError:  # It has none for this kind of key yet.
                answered = False
            if answered:
                return True
            await trio.sleep(_AGAIN_SECONDS)
    return answered
