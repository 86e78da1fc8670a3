"""Who may connect to the broker, and what each may say and hear: by its certificate.

The broker asks here for each connection ("authorisation callout"), after it has verified the certificate
against its authority. The alternative name (a URI) says what the holder is, such as `xfs4iot://device/ATM17`
or `xfs4iot://gateway` (see `names`); a device must come by the key that is written down for it (`roll`). What
nobody answers, the broker refuses: while no callout runs, nobody new comes in, and who is in stays.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.carrier import Carried, Carrier
from xfs4iot.fleet.events import EVENTS, INTERFACES
from xfs4iot.fleet.last import LAST
from xfs4iot.fleet.names import AUTHORITY, CALLOUT, GATEWAY, OPERATOR, consumer_in, device_in, fleet_names
from xfs4iot.fleet.nkeys import NKey, NKeyRefused, read_token
from xfs4iot.fleet.registry import PRESENCE
from xfs4iot.fleet.roll import ACCOUNT, Roll
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.fleet.trust import TRUST, Unknown, key_of
from xfs4iot.telling import logger, told
from xfs4iot.transport.pairs import fingerprint

__all__ = ["Callout", "Permissions", "permissions_of"]

_log = logger("xfs4iot.callout")
_OWN = "_INBOX.*.*"
_ASKED = "$SYS.REQ.USER.AUTH"
_RESPONSE_NANOSECONDS = 10_000_000_000


@dataclass(frozen=True)
class Permissions:
    """What one connection may do.

    Attributes:
        who: for logs.
        publishes, subscribes: subjects.
        answers: whether it may answer, once, whoever asks it.
        device: its name, if it is one.
    """

    who: str
    publishes: tuple[str, ...]
    subscribes: tuple[str, ...]
    answers: bool = False
    device: str | None = None


def permissions_of(certificate: x509.Certificate, tenant: str) -> Permissions:
    """What the holder of a certificate may do.

    Raises:
        Unknown: nothing; the text says what its certificate lacks.
    """
    ours = fleet_names(certificate)
    if len(ours) != 1:
        raise Unknown(f"the certificate has {len(ours)} alternative names xfs4iot://…; it must have one")
    (name,) = ours
    subjects = Subjects(tenant)
    root = subjects.root
    presence, last, trust = PRESENCE.format(tenant), LAST.format(tenant), TRUST.format(tenant)
    events = EVENTS.format(tenant)
    if name == GATEWAY:
        tells = (f"{root}.*.*.d.>", f"{root}.*.*.ctl", f"{root}.*.alarm", f"_INBOX.{tenant}.>")
        hears = (f"{root}.*.u.>", f"{root}.*.hello", _OWN)
        makes = (
            *_makes(f"KV_{presence}", f"KV_{last}", events),
            *(f"$JS.API.STREAM.UPDATE.{one}" for one in (f"KV_{last}", events)),
        )
        return Permissions("gateway", (*_writes(presence), *makes, *tells), hears)
    if name == OPERATOR:
        manages = (f"CREATE.{events}.*", f"DELETE.{events}.*", f"LIST.{events}")
        consumers = tuple(f"$JS.API.CONSUMER.{one}" for one in manages)
        says = (*_writes(presence), *_writes(trust), *_reads(last), *consumers)
        return Permissions("operator", says, (_OWN,))
    if name == CALLOUT:
        return Permissions("callout", (*_writes(trust), *_makes(f"KV_{trust}")), (_OWN,))
    if name == AUTHORITY:
        says = (*_writes(trust), *_makes(f"KV_{trust}"), f"_INBOX.{tenant}.>")
        return Permissions("authority", says, (f"{root}.*.renew", _OWN))
    try:
        device, consumer = device_in(name), consumer_in(name)
    except ValueError as wrong:
        raise Unknown(str(wrong)) from None
    if consumer is not None:
        return _consumer(consumer, tenant, events)
    if device is None:
        raise Unknown(f"{told(name)!r} is nobody of a fleet")
    own = f"{root}.{device}"
    copies = (subjects.event(device, interface) for interface in INTERFACES)
    return Permissions(
        f"device {device}",
        (f"{own}.u.>", f"{own}.hello", f"{own}.renew", f"$KV.{last}.{device}", *copies),
        (f"{own}.*.d.>", f"{own}.*.ctl", f"{own}.kept.*", f"{subjects.inbox(device)}.*"),
        answers=True,
        device=device,
    )


def _consumer(name: str, tenant: str, events: str) -> Permissions:
    """Of another system: it takes what an operator has set aside for it, and confirms it.

    It must not make a consumer of its own: the broker would send events wherever that one says.
    """
    may = (
        f"$JS.API.CONSUMER.INFO.{events}.{name}", f"$JS.API.CONSUMER.MSG.NEXT.{events}.{name}",
        f"$JS.ACK.{events}.{name}.>",
    )  # fmt: skip
    # One part more than the inbox of a device, whatever that one is called.
    return Permissions(f"consumer {name}", may, (f"_INBOX.{tenant}.c.{name}.>",))


def _reads(bucket: str) -> tuple[str, ...]:
    """What is said to read a bucket."""
    asked = ("STREAM.MSG.GET.{}", "CONSUMER.CREATE.{}", "CONSUMER.MSG.NEXT.{}.*")
    return tuple(f"$JS.API.{one.format(f'KV_{bucket}')}" for one in asked)


def _writes(bucket: str) -> tuple[str, ...]:
    """What is said to read and write a bucket."""
    return (*_reads(bucket), f"$KV.{bucket}.>")


def _makes(*streams: str) -> tuple[str, ...]:
    return tuple(f"$JS.API.STREAM.{one}.{stream}" for stream in streams for one in ("INFO", "CREATE"))


class Callout:
    """Answers the brokers of one tenant; any number of processes may do so at once.

    Args:
        carrier: a connection to the broker's account for callouts.
        issuer: the key that the broker's configuration names as the one to believe.
        revoked: fingerprints (SHA-256, hexadecimal) of certificates that are not taken any more.
        roll: the devices and their keys; None takes every device that the authority vouches for.

    Attributes:
        admitted, refused: how many were.
    """

    def __init__(
        self,
        carrier: Carrier,
        issuer: NKey,
        tenant: str,
        revoked: frozenset[str] = frozenset(),
        *,
        roll: Roll | None = None,
    ) -> None:
        self._carrier, self._issuer, self._tenant, self.revoked = carrier, issuer, tenant, revoked
        self._roll = roll
        self.admitted = self.refused = 0
        carrier.subscribe(_ASKED, self._asked, "callouts")

    def _asked(self, message: Carried) -> None:
        try:
            claims = read_token(message.body.decode("ascii"))
            asked = claims["nats"]
            user, server = str(asked["user_nkey"]), asked["server_id"]
            # The broker signs by its own key: anybody else in the account would by another.
            if claims["iss"] != server["id"]:
                raise NKeyRefused("the request is not signed by the broker that it names")
        except (NKeyRefused, KeyError, TypeError, UnicodeDecodeError) as wrong:
            _log.error("a question of the broker cannot be read: %s", told(str(wrong)))
            return
        said: dict[str, Any] = {"type": "authorization_response", "version": 2}
        try:
            said["jwt"] = self._admit(user, asked)
            self.admitted += 1
        except Unknown as unknown:
            said["error"] = str(unknown)
            self.refused += 1
            where = told(asked.get("client_info", {}).get("host", "?"))
            _log.warning("%s is not let in to the broker: %s", where, unknown)
        answer = self._issuer.token({"sub": user, "aud": server["id"], "nats": said})
        self._carrier.publish(message.reply, answer.encode())

    def _admit(self, user: str, asked: dict[str, Any]) -> str:
        try:
            # Verified by the broker: the certificate first, then the authorities up to the root.
            chain = [
                x509.load_pem_x509_certificate(one.encode())
                for one in asked["client_tls"]["verified_chains"][0]
            ]
            certificate = chain[0]
            until = min(one.not_valid_after_utc for one in chain)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise Unknown("there is no verified certificate") from None
        if until <= datetime.now(UTC):
            raise Unknown("the certificate shown to the broker has expired")
        if fingerprint(certificate) in self.revoked:
            raise Unknown("the certificate is revoked")
        may = permissions_of(certificate, self._tenant)
        if may.device is not None and self._roll is not None:
            self._roll.admit(may.device, key_of(certificate))
        nats: dict[str, Any] = {
            "pub": {"allow": list(may.publishes)}, "sub": {"allow": list(may.subscribes)},
            "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2,
        }  # fmt: skip
        if may.answers:
            nats["resp"] = {"max": 1, "ttl": _RESPONSE_NANOSECONDS}
        _log.info("%s is let in to the broker", may.who)
        # It ends with the certificate: the broker disconnects who is still there.
        claims = {"sub": user, "aud": ACCOUNT, "name": may.who, "exp": int(until.timestamp()), "nats": nats}
        return self._issuer.token(claims)
