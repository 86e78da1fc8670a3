"""From a host name, or a URI, to a client: discovery and connection."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from xfs4iot.client._client import Client, Trace
from xfs4iot.client._errors import Disconnected, NotFound
from xfs4iot.client._versions import announce, checked, newest_offered
from xfs4iot.client._websocket import Credentials, open_websocket
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol.endpoints import PORTS, is_publisher, service_name, service_uri

__all__ = ["Published", "connect", "discover", "services_of"]

_DISCOVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Published:
    """What one publisher offers.

    Attributes:
        uri: the publisher's URI.
        vendor_name: who made the services.
        services: URI of each service, by the last part of its path.
    """

    uri: str
    vendor_name: str
    services: dict[str, str]


@asynccontextmanager
async def connect(
    where: str,
    service: str | None = None,
    *,
    ca: str | Path | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    token: str | None = None,
    version: str | None = None,
    plain: bool = False,
    trace: Trace | None = None,
    silence: float | None = None,
    patience: float | None = None,
) -> AsyncIterator[Client]:
    """Connect to a service for as long as the block lasts.

    Args:
        where: the service's URI (`wss://…`), or a host whose publisher is asked for `service`.
        service: name of the service, as published; only with a host.
        ca, certificate, key, token: see `Credentials`.
        version: the specification to speak: `2024-3`, `2023-2` or `2021-1`; None for the newest
            that the service offers, for which it is asked once (`Common.Capabilities`).
        plain: look for the host's publisher without TLS.
        trace: called with every message.
        silence: seconds after which a service that says nothing is pinged, and has as many for its answer,
            or the connection is given up; None waits for ever.
        patience: seconds that a service has to acknowledge a command, and to complete one whose timeout has
            run out, or `call` raises `Unanswered`; None waits for ever.

    Raises:
        NotFound: no publisher answered, or none has the service.
        Disconnected: the connection could not be made within 30 s; the text says why.
        CredentialsRefused: a file of certificates or its key cannot be used.
        ValueError: `where` is not a URI and names no host with a service, `version` is none of the
            standard's, or a token would leave in plain text.
    """
    specification = checked(version)
    credentials = Credentials(ca, certificate, key, token)
    uri = where
    if "://" not in where:
        if service is None:
            raise ValueError(f"{where!r} is a host: name the service too, or give the service's URI")
        uri = await _find(where, service, credentials, specification, plain, trace)
    async with _open(uri, credentials, specification, trace, silence, patience) as client:
        if is_publisher(uri):
            # It has no interface Common: nothing about versions can be asked of it, or told.
            pass
        elif version is None:
            client.version = await newest_offered(client)
        else:
            await announce(client)
        yield client


async def discover(
    host: str,
    *,
    ports: tuple[int, ...] = PORTS,
    ca: str | Path | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    token: str | None = None,
    version: str | None = None,
    plain: bool = False,
    trace: Trace | None = None,
) -> list[Published]:
    """Ask every port of the standard at `host` for a publisher, all at the same time.

    Returns:
        The publishers that answered, by port.

    Raises:
        NotFound: none did; the text says what each open port said.
        CredentialsRefused: a file of certificates or its key cannot be used.
    """
    specification = checked(version)
    credentials = Credentials(ca, certificate, key, token)
    # Checked here: in the tasks below a bad file would fail once per port, inside a group.
    if not plain:
        credentials.context()
    found: dict[int, Published] = {}
    problems: dict[int, str] = {}

    async def ask(port: int) -> None:
        uri = service_uri("ws" if plain else "wss", host, port)
        with trio.move_on_after(_DISCOVERY_SECONDS) as scope:
            try:
                async with _open(uri, credentials, specification, trace) as client:
                    answer = await client.call("ServicePublisher.GetServices")
                services = services_of(uri, answer)
            except (OSError, Disconnected) as problem:
                problems[port] = str(problem).removeprefix(uri).removeprefix(":").strip()
                return
            found[port] = Published(uri, str(answer.get("vendorName") or ""), services)
        if scope.cancelled_caught:
            problems[port] = f"no answer within {_DISCOVERY_SECONDS:g} s"

    async with trio.open_nursery() as nursery:
        for port in ports:
            nursery.start_soon(ask, port)
    if not found:
        raise NotFound(f"no publisher answered at {host}{_told_once(problems)}")
    return [found[port] for port in sorted(found)]


def services_of(uri: str, answer: Mapping[str, Any]) -> dict[str, str]:
    """The services of a publisher, by name.

    Args:
        uri: the publisher's.
        answer: the payload of ServicePublisher.GetServices.

    Raises:
        Disconnected: it is not what the standard says.
    """
    try:
        uris = [entry["serviceURI"] for entry in answer.get("services") or ()]
        return {service_name(one): one for one in uris}
    except (TypeError, KeyError, AttributeError, ValueError):
        raise Disconnected(
            f"{uri}: the list of services is not as the standard says; ask its vendor"
        ) from None


def _told_once(problems: dict[int, str]) -> str:
    """What the ports said, each text once, with the ports that said it."""
    by_text: dict[str, list[int]] = {}
    for port in sorted(problems):
        by_text.setdefault(problems[port], []).append(port)
    if len(by_text) == 1:
        ((text, ports),) = by_text.items()
        return f": port{'s' if len(ports) > 1 else ''} {_ranges(ports)}: {text}"
    return ":" + "".join(f"\n  {_ranges(ports)}: {text}" for text, ports in by_text.items())


def _ranges(ports: list[int]) -> str:
    """`80, 5846-5856`."""
    runs: list[list[int]] = []
    for port in ports:
        if runs and port == runs[-1][-1] + 1:
            runs[-1].append(port)
        else:
            runs.append([port])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


async def _find(
    host: str, service: str, credentials: Credentials, version: str, plain: bool, trace: Trace | None
) -> str:
    publishers = await discover(
        host,
        ca=credentials.ca,
        certificate=credentials.certificate,
        key=credentials.key,
        token=credentials.token,
        version=version,
        plain=plain,
        trace=trace,
    )
    for publisher in publishers:
        if service in publisher.services:
            uri = publisher.services[service]
            if not plain and not uri.startswith("wss:"):
                raise Disconnected(
                    f"{publisher.uri} publishes {uri}, in plain text, though TLS was asked for"
                )
            return uri
    known = ", ".join(name for publisher in publishers for name in publisher.services)
    raise NotFound(f"{host} publishes no service {service!r}; it has: {known or 'none'}")


@asynccontextmanager
async def _open(
    uri: str,
    credentials: Credentials,
    version: str,
    trace: Trace | None,
    silence: float | None = None,
    patience: float | None = None,
) -> AsyncIterator[Client]:
    """Connect, and run a client; errors of the block come out as they are."""
    async with open_websocket(uri, credentials) as (websocket, nursery):
        client = Client(websocket, uri, version, trace, math.inf if patience is None else patience)
        nursery.start_soon(client._read)
        if silence is not None:
            nursery.start_soon(client._keep_alive, silence)
        yield client
