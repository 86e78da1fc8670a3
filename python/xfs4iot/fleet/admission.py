"""Which application a gateway lets in to which device, and how much each may ask for.

The rules are a publisher's, each perhaps bound to some devices and services. What they permit goes with the
session to the device, signed, and holds there beside the device's own rules. What is asked for is counted by
tokens for each client: who asks for more is read from more slowly, and loses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase

from xfs4iot.dataclass import dataclass
from xfs4iot.server.access import Access, ClientRule
from xfs4iot.server.peer import Peer
from xfs4iot.telling import told
from xfs4iot.transport.buckets import TokenBuckets
from xfs4iot.transport.identity import Identity
from xfs4iot.transport.upgrade import Request, UpgradeRefused

__all__ = ["Admission", "GatewayRule", "Quota"]

_MOST_REMEMBERED = 256
_MOST_WAIT = 60.0


@dataclass(frozen=True)
class GatewayRule(ClientRule):
    """One client, or one kind of clients, at some devices.

    Attributes:
        devices: names of devices, with `*` for any characters; the rule is passed over at others.
        services: the same for the services of a device. Each device's publisher can be asked for them.
    """

    devices: tuple[str, ...] = ("*",)
    services: tuple[str, ...] = ("*",)

    def mistakes(self) -> Iterator[tuple[str | None, str]]:
        """As of a publisher's rule; and what does nothing here."""
        yield from super().mistakes()
        for what in ("dialect", "password_hash"):
            if getattr(self, what) is not None:
                yield what, f"{what} does nothing at a gateway; say it in the [access] of the device"
        for what in ("devices", "services"):
            if not getattr(self, what):
                yield what, f"{what} is empty, so the rule reaches none; leave it out for all of them"

    def reaches(self, device: str, service: str) -> bool:
        """Whether it holds for a service of a device; an empty name is that of the publisher."""
        wanted = service.lower()
        return any(fnmatchcase(device, one) for one in self.devices) and (
            not service or any(fnmatchcase(wanted, one.lower()) for one in self.services)
        )


@dataclass(frozen=True)
class Quota:
    """What one client may ask for; clients that no rule fits count by the address they come from.

    Attributes:
        sessions: how many it may have at the same time.
        openings: how many it may open in a second, on the long run; None for any number.
        messages: how many frames of WebSocket it may send in a second, in all its sessions; None as above.
        burst: seconds' worth of these that it may use at once.
    """

    sessions: int = 10_000
    openings: float | None = None
    messages: float | None = None
    burst: float = 10.0


class Admission:
    """The rules and limits of one gateway.

    Args:
        rules: in the order in which they are tried.
        anonymous: commands of a client that no rule fits; empty turns it away.
        origins: web origins that may connect.

    Raises:
        ValueError: a rule can never work, or a quota lets nothing through.
    """

    def __init__(
        self,
        rules: Iterable[GatewayRule] = (),
        *,
        anonymous: Iterable[str] = ("*",),
        origins: Iterable[str] = (),
        quota: Quota | None = None,
    ) -> None:
        self._rules, self._anonymous, self._origins = tuple(rules), tuple(anonymous), tuple(origins)
        self.quota = quota or Quota()
        # Looked at as a whole: of one device each mistake might not show.
        self._access = {self._rules: Access(self._rules, anonymous=self._anonymous, origins=self._origins)}
        self._openings, self._messages = (
            None if rate is None else TokenBuckets(rate, max(1.0, rate * self.quota.burst))
            for rate in (self.quota.openings, self.quota.messages)
        )
        self._open: Counter[str] = Counter()

    def admit(
        self, request: Request, identity: Identity | None, where: str, device: str, service: str
    ) -> tuple[Peer, tuple[str, ...]]:
        """Who this is, and the commands that it may use there.

        Raises:
            UpgradeRefused: it may not connect (401, 403), or asks too often (429).
        """
        reaching = tuple(rule for rule in self._rules if rule.reaches(device, service))
        access = self._access.get(reaching)
        if access is None:
            if len(self._access) > _MOST_REMEMBERED:
                self._access.clear()
            access = Access(reaching, anonymous=self._anonymous, origins=self._origins)
            self._access[reaching] = access
        peer = access.admit(request, identity, where)
        return peer, tuple(access.patterns(peer))

    @contextmanager
    def session(self, peer: Peer) -> Iterator[None]:
        """Count a session for as long as the block lasts.

        Raises:
            UpgradeRefused: the client has too many, or opens them too often.
        """
        client = _client(peer)
        if self._open[client] >= self.quota.sessions:
            raise UpgradeRefused(
                429,
                f"{told(client)} has {self._open[client]} sessions at this gateway, the limit of "
                "limits.sessions_per_client; close some.",
            )
        if self._openings is not None and not self._openings.take(client):
            wait = max(1, round(self._openings.wait(client)))
            raise UpgradeRefused(
                429,
                f"{told(client)} opens sessions too often, see limits.openings_per_second; "
                f"try again in {wait} s.",
                (("Retry-After", str(wait)),),
            )
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]

    def spend(self, peer: Peer, messages: int) -> float:
        """Count messages of a client; how many seconds nothing more is to be read from it."""
        if self._messages is None or not messages:
            return 0.0
        return min(_MOST_WAIT, self._messages.spend(_client(peer), messages))


def _client(peer: Peer) -> str:
    """By what a client's share is counted."""
    return peer.rule or f"anonymous at {peer.address.rpartition(':')[0]}"
