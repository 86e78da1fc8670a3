"""Where devices are enrolled: one HTTPS address at which a code gives a certificate.

It is a port of its own and not the broker's, so that nobody without a certificate reaches the broker or
makes it ask the callout. It can be shut whenever no device is being set up.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import orjson
import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.authority import Authority, NotSigned, RequestRefused
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.protocol.endpoints import service_uri
from xfs4iot.server.entrance import Entrance
from xfs4iot.telling import logger
from xfs4iot.transport import tcp, tls, upgrade
from xfs4iot.transport.buckets import TokenBuckets
from xfs4iot.transport.limits import Limits

if TYPE_CHECKING:
    from xfs4iot.transport.rotation import Credentials

__all__ = ["PATH", "PORT", "Enrolment", "Facts"]

_log = logger("xfs4iot.authority")
PATH = "/xfs4iot/enroll"
PORT = 4280
"""Where it listens if nothing else is said."""
_SECONDS = 30.0
_WRONG_BURST, _WRONG_RATE = 20.0, 0.1
"""Refusals that an address may have at once, and a second."""


@dataclass(frozen=True)
class Facts:
    """What an enrolled device must know besides.

    Attributes:
        tenant: whose fleet it is.
        servers: of the broker.
        authorities: PEM, who signs brokers and gateways.
    """

    tenant: str
    servers: tuple[str, ...]
    authorities: str


class Enrolment(Entrance[None]):
    """Gives devices their first certificate.

    Args:
        authority: who decides.
        facts: told to a device with its certificate.
        credentials: by which devices know the authority.
        host, port: where it listens.
    """

    def __init__(
        self,
        authority: Authority,
        facts: Facts,
        *,
        credentials: Credentials,
        host: str = "127.0.0.1",
        port: int = PORT,
    ) -> None:
        limits = Limits(total=500, per_address=50, handshake_seconds=_SECONDS)
        super().__init__(host=host, port=port, credentials=credentials, limits=limits)
        self._authority, self._facts = authority, facts
        self._refusals = TokenBuckets(_WRONG_RATE, _WRONG_BURST)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled.

        Raises:
            NoFreePort: the port could not be bound.
        """
        self._listeners = await self._bind()
        try:
            async with trio.open_nursery() as nursery:
                assert self.credentials is not None
                nursery.start_soon(self.credentials.watch)
                for listener in self._listeners:
                    nursery.start_soon(self._accept, listener, nursery)
                _log.info("devices are enrolled at %s", service_uri("https", self.host, self.port or 0))
                task_status.started()
        finally:
            self._close_listeners()

    async def _route(
        self, stream: tcp.SocketStream | tls.TLSStream, where: str, identity: tls.Identity | None
    ) -> None:
        request = await upgrade.accept_request(stream, pages=PATH)
        if not isinstance(request, upgrade.PageRequest) or request.path != PATH or request.method != "POST":
            raise upgrade.UpgradeRefused(404, "Devices are enrolled here, by `xfs4iot enroll`.")
        address = where.rpartition(":")[0]
        if wait := self._refusals.wait(address):
            raise upgrade.UpgradeRefused(
                429, f"too many requests were refused from this address; try again in {wait:.0f} s"
            )
        try:
            said = orjson.loads(request.body)
            device, code, asked = (said[one] for one in ("device", "code", "request"))
            if not all(isinstance(one, str) for one in (device, code, asked)):
                raise TypeError("device, code and request are texts")
            chain = await self._authority.enroll(device, code, asked)
        except RequestRefused as refused:
            self._refusals.take(address)
            _log.warning("%s is not enrolled: %s", where, refused)
            raise upgrade.UpgradeRefused(403, str(refused)) from None
        except (ValueError, TypeError, KeyError) as wrong:
            self._refusals.take(address)
            raise upgrade.UpgradeRefused(400, f"this is no request for enrolment: {wrong!r}") from None
        except (NotSigned, CarrierLost, OSError) as problem:
            _log.error("%s is not enrolled yet: %s", where, problem)
            raise upgrade.UpgradeRefused(
                503, f"the fleet's authority cannot sign at present: {problem}; try again, by the same code"
            ) from None
        facts = self._facts
        answer = {
            "certificates": chain, "authorities": facts.authorities,
            "tenant": facts.tenant, "servers": facts.servers,
        }  # fmt: skip
        _log.info("%s is enrolled as device %s", where, device)
        await stream.send_all(upgrade.answer(200, json.dumps(answer), kind="application/json"))

    async def _lead(self, stream: tcp.SocketStream | tls.TLSStream, way: None) -> None:
        """Nothing leads on from here: what was asked is answered."""
