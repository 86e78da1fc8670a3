"""Who may connect, and who may do what.

A client is known by its certificate (fingerprint, subject or a name in it) or by a bearer
token; the first rule that fits gives it a name and the commands it may use. A client that
no rule fits is `anonymous`, with an allow list of its own. A request that comes from a web
page (it has an `Origin`) is refused unless the origin is listed: a page in a browser must
not drive an ATM.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from xfs4iot.protocol import errors
from xfs4iot.server.peer import Peer
from xfs4iot.transport.tls import Identity
from xfs4iot.transport.tokens import check_token
from xfs4iot.transport.upgrade import Upgrade, UpgradeRefused

__all__ = ["Access", "ClientRule"]

_ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class ClientRule:
    """One client, or one kind of clients.

    Attributes:
        name: for the log and the journal; unique.
        allow: commands it may use: `Common.Status`, `CashDispenser.*`, or `*` for all.
        fingerprint: SHA-256 of its certificate, hexadecimal.
        subject: subject of its certificate, as in RFC 4514.
        san: a name or address in its certificate.
        token_hash: hash of its bearer token, as `xfs4iot certificate token` prints it.
    """

    name: str
    allow: tuple[str, ...]
    fingerprint: str | None = None
    subject: str | None = None
    san: str | None = None
    token_hash: str | None = None

    def fits(self, identity: Identity | None, bearer: str | None) -> bool:
        """Whether a client with this certificate and token is meant; every property given must fit."""
        wanted = (self.fingerprint, self.subject, self.san, self.token_hash)
        if all(one is None for one in wanted):
            return False
        if self.token_hash is not None and not (bearer and check_token(bearer, self.token_hash)):
            return False
        if self.fingerprint is None and self.subject is None and self.san is None:
            return True
        return (
            identity is not None
            and self.fingerprint in (None, identity.fingerprint)
            and self.subject in (None, identity.subject)
            and (self.san is None or self.san in identity.sans)
        )


class _Allowed:
    """An allow list, ready for one lookup per command."""

    def __init__(self, patterns: Iterable[str]) -> None:
        listed = set(patterns)
        self.everything = "*" in listed
        self.interfaces = {one[:-2] for one in listed if one.endswith(".*")}
        self.commands = listed

    def permits(self, command: str) -> bool:
        return self.everything or command in self.commands or command.partition(".")[0] in self.interfaces


class Access:
    """The rules of one publisher.

    Args:
        clients: in the order in which they are tried.
        anonymous: what a client may use that no rule fits; empty turns it away at the door.
        origins: web origins that may connect.
    """

    def __init__(
        self,
        clients: Iterable[ClientRule] = (),
        *,
        anonymous: Iterable[str] = ("*",),
        origins: Iterable[str] = (),
    ) -> None:
        self._rules = tuple(clients)
        self._origins = frozenset(origins)
        self._allowed = {rule.name: _Allowed(rule.allow) for rule in self._rules}
        self._anonymous = _Allowed(anonymous)
        self._nobody_else = not self._anonymous.commands

    def admit(self, request: Upgrade, identity: Identity | None, address: str) -> Peer:
        """Who this is.

        Raises:
            UpgradeRefused: a web page's request (403), or nobody we know where only known
                clients are let in (401).
        """
        if request.origin is not None and request.origin not in self._origins:
            raise UpgradeRefused(
                403,
                f"Requests from web pages are refused; origin {request.origin} is not listed in [access].",
            )
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        for rule in self._rules:
            if rule.fits(identity, request.bearer):
                return Peer(address, f"{rule.name} at {address}", host, rule.name)
        if self._nobody_else:
            raise UpgradeRefused(
                401,
                "This client is not known here. Come with a client certificate or a bearer token "
                "that the device's [access] rules name.",
                (("WWW-Authenticate", "Bearer"),),
            )
        known = f"{identity.subject} at {address}" if identity is not None else address
        return Peer(address, known, host, _ANONYMOUS)

    def check(self, peer: Peer, command: str) -> None:
        """Raise `AuthorisationRequired` if `peer` may not use `command`."""
        if not self._allowed.get(peer.rule, self._anonymous).permits(command):
            raise errors.AuthorisationRequired(
                f"client {peer.rule} may not use {command}; ask the operator to allow it in [access]"
            )
