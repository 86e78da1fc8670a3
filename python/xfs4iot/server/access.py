"""Who may connect, and who may do what.

A client is known by its certificate (fingerprint, subject or a name in it), by a bearer token,
or by the address it comes from; the first rule that fits gives it a name, the commands it may
use and, if the rule names one, a dialect. A client that no rule fits is `anonymous`, with an
allow list of its own. A request that comes from a web
page (it has an `Origin`) is refused unless the origin is listed: a page in a browser must
not drive an ATM.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from cryptography import x509

from xfs4iot.close_matches import close_matches
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors, registry
from xfs4iot.protocol.dialects import BY_NAME, dialect_named
from xfs4iot.protocol.index import COMMANDS
from xfs4iot.server.peer import Peer
from xfs4iot.telling import logger, told
from xfs4iot.transport.identity import Identity
from xfs4iot.transport.pairs import ascii_name
from xfs4iot.transport.passwords import is_password_hash
from xfs4iot.transport.tokens import check_token, same_hash
from xfs4iot.transport.upgrade import Request, UpgradeRefused

__all__ = ["Access", "ClientRule", "mistake_in"]

_log = logger("xfs4iot.access")

_ANONYMOUS = "anonymous"
"""What the log calls a client that no rule fits; no rule can be called so."""
_NO_HOSTS = frozenset({"uri", "email"})
_PATTERN = re.compile(r"\*|[A-Za-z]\w*\.(\*|[A-Za-z]\w*)", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_TOKEN_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_EMPTY = {"", *(f"{kind}:" for kind in _NO_HOSTS)}
_LONGEST_NAME = 100
_ALIKE = 0.85
"""How alike two names are (0 to 1) of which one is probably the other misspelt."""


@dataclass(frozen=True)
class ClientRule:
    """One client, or one kind of clients.

    Attributes:
        name: for the log and the journal; unique.
        allow: commands it may use: `Common.Status`, `CashDispenser.*`, or `*` for all.
        fingerprint: SHA-256 of its certificate, hexadecimal, with or without colons.
        subject: subject of its certificate, as in RFC 4514.
        san: a host name or address in its certificate; `URI:...` or `email:...` for one of these.
        token_hash: hash of its bearer token, as `xfs4iot certificate token` prints it.
        password_hash: of the password with which a person logs in to the console under this name, as
            `xfs4iot certificate password` prints it. Only the console takes passwords.
        address: the address or network it comes from, such as `10.0.7.0/24`. Whoever can send
            from there is meant: where it matters who that is, give a certificate or token too.
        dialect: how it is answered, `standard` or `sp-dev`; None as the listener says.
    """

    name: str
    allow: tuple[str, ...]
    fingerprint: str | None = None
    subject: str | None = None
    san: str | None = None
    token_hash: str | None = None
    password_hash: str | None = None
    address: str | None = None
    dialect: str | None = None

    def mistakes(self) -> Iterator[tuple[str | None, str]]:
        """What in this rule can never work: the property, or None for the whole, and what to write."""
        for pattern in self.allow:
            if mistake := mistake_in(pattern):
                yield "allow", mistake
        if self.name.strip().lower() == _ANONYMOUS:
            yield "name", f"{_ANONYMOUS!r} is what a client is called that no rule fits; give another name"
        if not self.name.strip() or len(self.name) > _LONGEST_NAME or not self.name.isprintable():
            yield "name", f"a name has 1 to {_LONGEST_NAME} characters, all to be seen: the log tells it"
        for what, text in (("subject", self.subject), ("san", self.san)):
            if text is not None and text.strip().lower() in _EMPTY:
                yield what, f"{what} is empty: it would mean certificates that name nobody; leave it out"
        if self.subject is not None and _name(self.subject) is None:
            yield "subject", "a subject is written as in RFC 4514, such as CN=switch,O=Bank"
        if self.fingerprint is not None and not _FINGERPRINT.fullmatch(_hexadecimal(self.fingerprint)):
            yield "fingerprint", "a fingerprint is SHA-256: 64 hexadecimal digits"
        if self.token_hash is not None and not _TOKEN_HASH.fullmatch(self.token_hash.strip().lower()):
            yield (
                "token_hash",
                "a token_hash is sha256: and 64 hexadecimal digits; make one with certificate token",
            )
        if self.password_hash is not None and not is_password_hash(self.password_hash):
            yield "password_hash", "a password_hash begins with scrypt: make one with certificate password"
        if self.address is not None and _network(self.address) is None:
            yield "address", f"{self.address!r} is neither an IP address nor a network such as 10.0.7.0/24"
        if self.dialect is not None and self.dialect not in BY_NAME:
            yield "dialect", f"dialect is {' or '.join(map(repr, BY_NAME))}, not {self.dialect!r}"
        if self._fits_nobody:
            yield (
                None,
                f"client {self.name!r} fits nobody; give fingerprint, subject, san, token_hash, "
                "password_hash or address",
            )

    @property
    def _fits_nobody(self) -> bool:
        wanted = (
            self.fingerprint,
            self.subject,
            self.san,
            self.token_hash,
            self.password_hash,
            self.address,
        )
        return all(one is None for one in wanted)

    def fits(
        self,
        identity: Identity | None,
        bearer: str | None,
        address: str,
        login: str | None = None,
        bearer_hash: str | None = None,
    ) -> bool:
        """Whether a client is meant; every property that the rule gives must fit.

        Args:
            identity: what its certificate says; None without one.
            bearer: its bearer token; None without one.
            address: the IP address it comes from.
            login: name of the rule whose token or password it has shown when it logged in.
            bearer_hash: the hash of its token, where a gateway gives no more.
        """
        # With no property to compare, every test below would pass for everybody.
        if self._fits_nobody:
            return False
        if self.address is not None and not _is_in(address, self.address):
            return False
        if login != self.name:
            if self.password_hash is not None:
                return False
            if self.token_hash is not None and not (
                (bearer and check_token(bearer, self.token_hash))
                or (bearer_hash and same_hash(bearer_hash, self.token_hash))
            ):
                return False
        if self.fingerprint is None and self.subject is None and self.san is None:
            return True
        return (
            identity is not None
            and (self.fingerprint is None or _hexadecimal(self.fingerprint) == identity.fingerprint)
            and (self.subject is None or _name(self.subject) == identity.name)
            and (self.san is None or _san(self.san) in map(_san, identity.sans))
        )


def mistake_in(pattern: str) -> str | None:
    """What is wrong with an entry of an allow list, and what to write; None if nothing is.

    An interface that the standard does not have may be a vendor's, unless it looks misspelt.
    """
    if not _PATTERN.fullmatch(pattern):
        return f"{pattern!r} allows nothing; write Interface.Command, Interface.* or *"
    interface, _, command = pattern.partition(".")
    interfaces = {name.partition(".")[0] for name in COMMANDS}
    if pattern == "*" or (interface in interfaces and (command == "*" or registry.is_command(pattern))):
        return None
    known, wanted = (COMMANDS, pattern) if interface in interfaces else (interfaces, interface)
    close = close_matches(wanted, known, 1, _ALIKE)
    if interface not in interfaces and not close:
        return None
    return f"there is no {wanted} in the standard" + (f"; did you mean {close[0]}?" if close else "")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _is_in(address: str, network: str) -> bool:
    """Whether an IP address is, or lies in, `network`; IPv4 is the same when it comes by IPv6."""
    try:
        # A link-local IPv6 address comes with its zone, as in `fe80::1%eth0`.
        place = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(place, ipaddress.IPv6Address) and place.ipv4_mapped is not None:
        place = place.ipv4_mapped
    wanted = _network(network)
    return wanted is not None and place in wanted


def _hexadecimal(fingerprint: str) -> str:
    return fingerprint.replace(":", "").strip().lower()


def _name(subject: str) -> x509.Name | None:
    """A subject as a name; None if it is not one. Some tools print blanks between its parts."""
    for text in (subject, subject.strip(), re.sub(r"(?<!\\)\s*(?<!\\)([,=+])\s*", r"\1", subject.strip())):
        try:
            return x509.Name.from_rfc4514_string(text)
        except ValueError:
            continue
    return None


def _san(name: str) -> str:
    """An alternative name such that equal ones are equal: of hosts, case does not matter."""
    kind, colon, rest = name.partition(":")
    if colon and kind.lower() in _NO_HOSTS:
        return f"{kind.lower()}:{rest}"
    try:
        # One IPv6 address has many spellings; this gives the canonical one.
        return str(ipaddress.ip_address(name))
    except ValueError:
        return ascii_name(name)


class _Allowed:
    """An allow list, ready for one lookup per command."""

    def __init__(self, patterns: Iterable[str]) -> None:
        listed = set(patterns)
        self.everything = "*" in listed
        self.interfaces = {one[:-2] for one in listed if one.endswith(".*")}
        self.commands = listed

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, patterns: tuple[str, ...]) -> _Allowed:
        return cls(patterns)

    def permits(self, command: str) -> bool:
        return self.everything or command in self.commands or command.partition(".")[0] in self.interfaces


class Access:
    """The rules of one publisher.

    Args:
        clients: in the order in which they are tried.
        anonymous: what a client may use that no rule fits; empty turns it away at the door.
        origins: web origins that may connect.

    Raises:
        ValueError: a rule, or a command in it, can never work; the text says which.
    """

    def __init__(
        self,
        clients: Iterable[ClientRule] = (),
        *,
        anonymous: Iterable[str] = ("*",),
        origins: Iterable[str] = (),
    ) -> None:
        self._rules = tuple(clients)
        anonymous = tuple(anonymous)
        for rule in self._rules:
            for _, mistake in rule.mistakes():
                raise ValueError(f"access rule {told(repr(rule.name))}: {mistake}")
        for pattern in anonymous:
            if wrong := mistake_in(pattern):
                raise ValueError(f"access of anonymous clients: {wrong}")
        names = [rule.name for rule in self._rules]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"access rule {name!r} is there twice; give each a name of its own")
        self._origins = frozenset(origins)
        self._allowed = {rule.name: _Allowed(rule.allow) for rule in self._rules}
        self._anonymous = _Allowed(anonymous)
        self._nobody_else = not self._anonymous.commands

    @property
    def rules(self) -> tuple[ClientRule, ...]:
        """The rules, in the order in which they are tried."""
        return self._rules

    def admit(
        self,
        request: Request,
        identity: Identity | None,
        address: str,
        *,
        own_page: bool = False,
        login: str | None = None,
    ) -> Peer:
        """Who this is.

        Args:
            request: what it asks for.
            identity: what its certificate says; None without one.
            address: host and port it comes from.
            own_page: it is a page that this publisher serves itself: the console.
            login: name of the rule under which it has logged in there.

        Raises:
            UpgradeRefused: a web page's request (403), or nobody we know where only known
                clients are let in (401).
        """
        if request.origin is not None and not own_page and request.origin not in self._origins:
            raise UpgradeRefused(
                403,
                f"Requests from web pages are refused; origin {told(request.origin)} is not listed "
                "in [access].",
            )
        host = request.host
        place = address.rpartition(":")[0]
        for rule in self._rules:
            if rule.fits(identity, request.bearer, place, login, request.bearer_hash):
                dialect = None if rule.dialect is None else dialect_named(rule.dialect)
                return Peer(address, f"{rule.name} at {address}", host, rule.name, identity, dialect)
        if self._nobody_else:
            if identity is not None:
                _log.warning(
                    "%s: no rule of [access] fits subject %s, names %s, fingerprint %s",
                    address,
                    identity.subject,
                    ", ".join(identity.sans) or "none",
                    identity.fingerprint,
                    extra=Peer(address, identity.subject, host, None, identity).log_fields,
                )
            raise UpgradeRefused(
                401,
                "This client is not known here. Come with a client certificate or a bearer token "
                "that the device's [access] rules name.",
                (("WWW-Authenticate", "Bearer"),),
            )
        known = f"{identity.subject} at {address}" if identity is not None else address
        return Peer(address, known, host, None, identity)

    def permits(self, peer: Peer, command: str) -> bool:
        """Whether `peer` may use `command`, by these rules and by those of the gateway that it came by."""
        if peer.permitted is not None and not _Allowed.of(peer.permitted).permits(command):
            return False
        allowed = self._anonymous if peer.rule is None else self._allowed[peer.rule]
        return allowed.permits(command)

    def patterns(self, peer: Peer) -> list[str]:
        """What `peer` may use, as its rule has it."""
        allowed = self._anonymous if peer.rule is None else self._allowed[peer.rule]
        return sorted(allowed.commands)

    def check(self, peer: Peer, command: str) -> None:
        """Raise `AuthorizationRequired` if `peer` may not use `command`."""
        # Quicker for the many who may use everything; asked with every command.
        if peer.rule is None and peer.permitted is None and self._anonymous.everything:
            return
        if not self.permits(peer, command):
            raise errors.AuthorizationRequired(
                f"client {peer.rule or _ANONYMOUS} may not use {command}; "
                f"ask the operator to allow it in [access]{'' if peer.base is None else ' or at the gateway'}"
            )
