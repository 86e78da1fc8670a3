"""The publisher: where the services of a device are found."""

from __future__ import annotations

from urllib.parse import urlsplit

from xfs4iot import client
from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable
from xfs4iot.conformance.target import Target
from xfs4iot.protocol.endpoints import PATH, PORTS

_CITES = "CWA 17852, service publishing and discovery"


def _publisher(target: Target) -> str:
    if target.publisher is None:
        raise NotApplicable("the URI is a service's, and no publisher answers beside it")
    return target.publisher


async def _uris(target: Target) -> list[str]:
    async with target.conversation(uri=_publisher(target)) as talk:
        answer = await talk.call("ServicePublisher.GetServices")
    if answer.code != "success":
        raise Deviates("ServicePublisher.GetServices to be answered", answer.told())
    return [str(one.get("serviceURI")) for one in answer.payload.get("services") or []]


@case("SP-SERVICES-01P", "The publisher names the services, each with a URI below its own path",
      cites=_CITES, interface="ServicePublisher")  # fmt: skip
async def services(target: Target) -> None:
    uris = await _uris(target)
    if not uris:
        raise Deviates("at least one service", "none")
    for uri in uris:
        parts = urlsplit(uri)
        if parts.scheme not in ("ws", "wss") or not parts.path.lower().startswith(f"{PATH}/"):
            raise Deviates(f"wss://HOST:PORT{PATH}/NAME", uri)
        if parts.scheme != urlsplit(_publisher(target)).scheme:
            raise Advises("services with TLS where the publisher has it", uri)


@case("SP-REACH-01P", "Every service that is published answers at its URI",
      cites=_CITES, interface="ServicePublisher")  # fmt: skip
async def reachable(target: Target) -> None:
    for uri in await _uris(target):
        try:
            async with target.conversation(uri=uri) as talk:
                answer = await talk.call("Common.Status")
        except client.Disconnected as unreached:
            raise Deviates("a connection", str(unreached)) from None
        if answer.code != "success":
            raise Deviates(f"Common.Status answered by {uri}", answer.told())


@case("SP-PORT-01P", "The publisher is at one of the standard's ports",
      cites=_CITES, interface="ServicePublisher")  # fmt: skip
async def port(target: Target) -> None:
    parts = urlsplit(_publisher(target))
    found = parts.port or (443 if parts.scheme == "wss" else 80)
    if found not in PORTS:
        raise Advises(f"one of {', '.join(map(str, PORTS))}", str(found))


@case("SP-PATH-01N", "Nothing is published at another path",
      cites=_CITES, interface="ServicePublisher")  # fmt: skip
async def other_path(target: Target) -> None:
    try:
        async with target.conversation(uri=f"{_publisher(target)}/NoSuchService"):
            pass
    except client.Disconnected:
        return
    raise Deviates("the connection to be refused", "it was accepted")


@case("SP-UNKNOWN-01N", "A command of another interface is unsupportedCommand at the publisher",
      cites="CWA 17852, unsupportedCommand", interface="ServicePublisher")  # fmt: skip
async def foreign_command(target: Target) -> None:
    async with target.conversation(uri=_publisher(target)) as talk:
        answer = await talk.call("CashDispenser.GetMixTypes")
    if answer.code not in ("unsupportedCommand", "invalidCommand") and not answer.refused:
        raise Deviates("unsupportedCommand", answer.told())
