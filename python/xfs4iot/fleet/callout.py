"""Who may connect to the broker, and what each may say and hear: by its certificate.

The broker asks here for each connection ("authorisation callout"), after it has verified the certificate
against its authority. The alternative name (a URI) says what the holder is: `xfs4iot://device/ATM17`,
`xfs4iot://gateway` or `xfs4iot://operator`. What nobody answers, the broker refuses: while no callout runs,
nobody new comes in, and who is in stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from xfs4iot.fleet.carrier import Carried, Carrier
from xfs4iot.fleet.last import LAST
from xfs4iot.fleet.nkeys import NKey, NKeyRefused, read_token
from xfs4iot.fleet.opening import GATEWAY
from xfs4iot.fleet.registry import PRESENCE
from xfs4iot.fleet.subjects import Subjects, check_id
from xfs4iot.telling import logger, told
from xfs4iot.transport.pairs import fingerprint

__all__ = ["ACCOUNT", "DEVICE", "OPERATOR", "Callout", "Permissions", "Unknown", "permissions_of"]

_log = logger("xfs4iot.callout")
ACCOUNT = "FLEET"
"""The broker's account in which devices and gateways meet."""
DEVICE = "xfs4iot://device/"
OPERATOR = "xfs4iot://operator"
_ASKED = "$SYS.REQ.USER.AUTH"
_RESPONSE_NANOSECONDS = 10_000_000_000


class Unknown(Exception):
    """A certificate that is nobody's of this fleet."""


@dataclass(frozen=True)
class Permissions:
    """What one connection may do.

    Attributes:
        who: for logs.
        publishes, subscribes: subjects.
        answers: whether it may answer, once, whoever asks it.
    """

    who: str
    publishes: tuple[str, ...]
    subscribes: tuple[str, ...]
    answers: bool = False


def permissions_of(certificate: x509.Certificate, tenant: str) -> Permissions:
    """What the holder of a certificate may do.

    Raises:
        Unknown: nothing; the text says what its certificate lacks.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = set(names.get_values_for_type(x509.UniformResourceIdentifier))
    except x509.ExtensionNotFound:
        uris = set()
    ours = sorted(one for one in uris if one.startswith("xfs4iot:"))
    if len(ours) != 1:
        raise Unknown(f"the certificate has {len(ours)} alternative names xfs4iot://…; it must have one")
    (name,) = ours
    root = Subjects(tenant).root
    presence, last = PRESENCE.format(tenant), LAST.format(tenant)
    asks = (*_reads(presence), f"$KV.{presence}.>")
    if name == GATEWAY:
        makes = tuple(one for bucket in (presence, last) for one in _makes(f"KV_{bucket}"))
        tells = (f"{root}.*.*.d.>", f"{root}.*.*.ctl", f"{root}.*.alarm", f"_INBOX.{tenant}.>")
        return Permissions(
            "gateway", (*asks, *makes, *tells), (f"{root}.*.u.>", f"{root}.*.hello", "_INBOX.*.*")
        )
    if name == OPERATOR:
        return Permissions("operator", (*asks, *_reads(last)), ("_INBOX.*.*",))
    if not name.startswith(DEVICE):
        raise Unknown(f"{told(name)!r} is neither a device nor a gateway nor an operator")
    try:
        device = check_id(name.removeprefix(DEVICE), "device")
    except ValueError as wrong:
        raise Unknown(str(wrong)) from None
    own = f"{root}.{device}"
    return Permissions(
        f"device {device}",
        (f"{own}.u.>", f"{own}.hello", f"$KV.{last}.{device}"),
        (f"{own}.*.d.>", f"{own}.*.ctl", f"_INBOX.{tenant}.{device}.*"),
        answers=True,
    )


def _reads(bucket: str) -> tuple[str, ...]:
    """What is said to read a bucket."""
    asked = ("STREAM.MSG.GET.{}", "CONSUMER.CREATE.{}", "CONSUMER.MSG.NEXT.{}.*")
    return tuple(f"$JS.API.{one.format(f'KV_{bucket}')}" for one in asked)


def _makes(stream: str) -> tuple[str, ...]:
    return tuple(f"$JS.API.STREAM.{one}.{stream}" for one in ("INFO", "CREATE"))


class Callout:
    """Answers the brokers of one tenant; any number of processes may do so at once.

    Args:
        carrier: a connection to the broker's account for callouts.
        issuer: the key that the broker's configuration names as the one to believe.
        revoked: fingerprints (SHA-256, hexadecimal) of certificates that are not taken any more.

    Attributes:
        admitted, refused: how many were.
    """

    def __init__(
        self, carrier: Carrier, issuer: NKey, tenant: str, revoked: frozenset[str] = frozenset()
    ) -> None:
        self._carrier, self._issuer, self._tenant, self.revoked = carrier, issuer, tenant, revoked
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
