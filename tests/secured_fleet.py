"""A broker as `fleet init` configures it, and whoever connects to it by a certificate."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio
from cryptography import x509

import xfs4iot
from xfs4iot.fleet.authority import Authority, OwnSigning
from xfs4iot.fleet.broker import Broker, free_port
from xfs4iot.fleet.callout import Callout
from xfs4iot.fleet.code import Code
from xfs4iot.fleet.credential import Credential
from xfs4iot.fleet.deployment import deploy
from xfs4iot.fleet.gateway import Gateway
from xfs4iot.fleet.nats import Login, Nats
from xfs4iot.fleet.nkeys import NKey
from xfs4iot.fleet.opening import Authorities, Signer
from xfs4iot.fleet.registry import PRESENCE
from xfs4iot.fleet.roll import Roll
from xfs4iot.fleet.store import KeyValue
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.fleet.trust import TRUST, Trust, hash_code
from xfs4iot.fleet.uplink import Uplink
from xfs4iot.transport import tls
from xfs4iot.transport.certificates import TestAuthority as Office
from xfs4iot.transport.certificates import test_authority as authority_in
from xfs4iot.transport.pairs import load_certificates

__all__ = ["Secured", "free_ports"]


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody has just now."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + count):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return first


class _Aged(OwnSigning):
    """Signs certificates that have begun some time ago."""

    def __init__(self, authority: Office, days: float, begun: timedelta | None) -> None:
        super().__init__(authority, days)
        self._begun = begun

    async def sign(
        self, request: x509.CertificateSigningRequest, device: str
    ) -> tuple[x509.Certificate, ...]:
        begins = None if self._begun is None else datetime.now(UTC) - self._begun
        signed = self._authority.sign(request, "client", days=self._days, begins=begins)
        return tuple(x509.load_pem_x509_certificates(signed + self._authority.certificate_file.read_bytes()))


class Secured:
    """One node as `fleet init` configures it, and whoever connects to it by a certificate."""

    def __init__(self, nursery: trio.Nursery, directory: Path, nodes: int = 1) -> None:
        port, routes = free_ports(nodes), free_ports(nodes)
        made = deploy(directory / "fleet", "bank", ["127.0.0.1"] * nodes, port=port, routes=routes)
        self.nursery, self.keys, self.servers = nursery, made.keys, made.servers
        self.nodes = []
        for at, (file, url) in enumerate(zip(made.nodes, made.servers, strict=True)):
            said = json.loads(file.read_text())
            said["authorization"]["timeout"] = 2
            self.nodes.append(Broker(directory / f"node{at}", said, url))
        (self.node, *_) = self.nodes
        self.authority = authority_in(self.keys)
        self.callout: Callout

    def admit(self, name: str, *sans: str, **more: object) -> str:
        self.authority.issue_client(name, sans, **more)  # type: ignore[arg-type]
        return name

    def _login(self, name: str, key: NKey | None = None) -> Login:
        def context() -> object:
            where = self.keys / name
            return tls.client_context(
                ca=self.keys / "ca.pem",
                certificate=where.with_suffix(".pem"),
                key=key if (key := where.with_suffix(".key")).exists() else where.with_suffix(".pem"),
            )

        if key is None:
            return Login(context)  # type: ignore[arg-type]
        return Login(context, nkey=key.public, sign=key.sign)  # type: ignore[arg-type]

    async def decide(
        self, revoked: frozenset[str] = frozenset(), *, by_key: bool = False
    ) -> trio.CancelScope:
        """Run a callout; cancelling ends it.

        Args:
            by_key: let in devices by the keys alone that are written down for them.
        """
        issuer, user, system = (
            NKey.of((self.keys / f"{one}.seed").read_text()) for one in ("issuer", "callout", "system")
        )
        carrier, listing, ending = (
            Nats(self.servers, self._login("callout", key), ping_seconds=1) for key in (user, None, system)
        )
        scope = trio.CancelScope()

        async def keep(*, task_status: trio.TaskStatus[trio.Nursery]) -> None:
            with scope:
                async with trio.open_nursery() as own:
                    task_status.started(own)
                    await trio.sleep_forever()

        own: trio.Nursery = await self.nursery.start(keep)

        store = KeyValue(listing, TRUST.format("bank"))
        roll = Roll(store, ending) if by_key else None
        self.callout = Callout(carrier, issuer, "bank", revoked, roll=roll)
        for one in (carrier, listing, ending) if by_key else (carrier,):
            own.start_soon(one.run)
            with trio.fail_after(10):
                await one.until_connected()
            await one.flush()
        if roll is not None:
            await store.make()
            own.start_soon(roll.run)
            with trio.fail_after(10):
                while not roll.read:  # noqa: ASYNC110
                    await trio.sleep(0.01)
        return scope

    async def carrier(self, name: str, *, let_in: bool = True, inbox: str | None = None) -> Nats:
        carrier = Nats(self.servers, self._login(name), ping_seconds=1)
        if inbox is not None:
            carrier.inbox = inbox
        await self.nursery.start(carrier.run)
        with trio.fail_after(15):
            while not (carrier.connected if let_in else carrier.trouble):  # noqa: ASYNC110
                await trio.sleep(0.02)
        return carrier

    async def device(
        self, publisher: xfs4iot.Publisher, name: str, ledger: xfs4iot.Ledger | None = None
    ) -> tuple[Uplink, Nats]:
        """A device that is taken in, by the certificate `name`."""
        carrier = await self.carrier(name, inbox=f"_INBOX.bank.{name}")
        uplink = Uplink(
            publisher, carrier, (ledger or xfs4iot.Ledger.open(None)).service("uplink"), tenant="bank",
            device=name, authorities=Authorities(self.keys / "ca.pem"),
        )  # fmt: skip
        await self.nursery.start(uplink.run)
        with trio.fail_after(10):
            await uplink.admitted.wait()
        return uplink, carrier

    async def trust(self) -> Trust:
        """The records of devices, as an operator changes them."""
        return Trust(KeyValue(await self.carrier("operator"), TRUST.format("bank")))

    async def office(self, days: float = 90, begun: timedelta | None = None) -> Authority:
        """An authority that renews.

        Args:
            begun: before when its certificates have begun; None as it does it itself.
        """
        carrier = await self.carrier("authority")
        signing = _Aged(authority_in(self.keys / "devices"), days, begun)
        authority = Authority(Trust(KeyValue(carrier, TRUST.format("bank"))), signing, self.keys / "ca.pem")
        await KeyValue(carrier, TRUST.format("bank")).make()
        authority.serve_renewals(carrier, Subjects("bank"), self.nursery)
        await carrier.flush()
        return authority

    async def enroll(self, authority: Authority, name: str) -> Credential:
        """Let a device be enrolled; its file is one of the keys."""
        code = Code.new(name, load_certificates(self.keys / "ca.pem")[0])
        await authority._trust.invite(name, hash_code(name, code.secret), 60, replacing=True)
        credential = Credential(self.keys / f"{name}.pem", name)
        key = credential.next_key()
        credential.take(await authority.enroll(name, code.secret, credential.request(key)), key)
        return credential

    async def gateway(self) -> Gateway:
        carrier = await self.carrier("gateway")
        store = KeyValue(carrier, PRESENCE.format("bank"))
        await store.make()
        signer = Signer(self.keys / "gateway.pem", self.keys / "gateway.key")
        gateway = Gateway(carrier, store, tenant="bank", signer=signer, port=0)
        await self.nursery.start(gateway.serve)
        return gateway
