"""How many connections there may be, in all and from one address, and how long they may take to begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address

__all__ = ["Limits", "Refused"]


class Refused(Exception):
    """There is no room for another connection; the text says which limit was reached."""


class Limits:
    """Limits of one publisher, and the connections that are open now.

    Args:
        total: connections open at the same time.
        per_address: the same, from one address; IPv6 addresses of one /64 network, which one
            host commonly owns, count together.
        handshake_seconds: what TLS and the upgrade request together may take.
    """

    def __init__(self, *, total: int = 2048, per_address: int = 256, handshake_seconds: float = 10.0) -> None:
        self.total = total
        self.per_address = per_address
        self.handshake_seconds = handshake_seconds
        self._open: Counter[str] = Counter()
        self._count = 0

    @property
    def open(self) -> int:
        """Connections open now."""
        return self._count

    @contextmanager
    def admit(self, address: str) -> Iterator[None]:
        """Count a connection from `address` for as long as the block lasts.

        Raises:
            Refused: a limit is reached.
        """
        if self._count >= self.total:
            raise Refused(f"{self._count} connections are open, the limit of limits.connections")
        whose = _host(address)
        if self._open[whose] >= self.per_address:
            raise Refused(
                f"{self._open[whose]} connections from {whose} are open, "
                "the limit of limits.connections_per_address"
            )
        self._count += 1
        self._open[whose] += 1
        try:
            yield
        finally:
            self._count -= 1
            self._open[whose] -= 1
            # A Counter keeps its zeros, and would grow with every address ever seen.
            if not self._open[whose]:
                del self._open[whose]


def _host(address: str) -> str:
    """What counts as one: an IPv4 address, or an IPv6 network of /64."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    # As IPv6 networks, all IPv4 clients would fall into one /64.
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, 64), strict=False))
