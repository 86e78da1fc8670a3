"""How long a client's TLS sessions can be resumed.

OpenSSL does not verify a resumed session anew: it believes the ticket. Each resumption gives a new
ticket, so a session could go on forever. So the device notes at every full handshake how long what it
verified stays good: until the earliest end of the client's certificate, of every authority in its chain
and of the revocation lists, and no longer than two hours in any case. A resumption after that is
turned away, and the client shakes hands anew.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["SESSION_SECONDS", "Sessions"]

SESSION_SECONDS = 2 * 60 * 60
_MOST = 10_000


class Sessions:
    """The sessions of one context's tickets, by fingerprint of the client's certificate.

    Args:
        until: when the first of the revocation lists ends; None without lists.
    """

    def __init__(self, until: datetime | None = None) -> None:
        self._lists_until = until
        self._until: dict[str, datetime] = {}

    def verified(self, fingerprint: str, until: datetime) -> None:
        """Take notice of a full handshake.

        Args:
            fingerprint: of the client's certificate.
            until: when the first certificate of its chain ends.
        """
        limits = [until, datetime.now(UTC) + timedelta(seconds=SESSION_SECONDS)]
        if self._lists_until is not None:
            limits.append(self._lists_until)
        # Removed first, so that it moves to the end: the oldest entry is the one to go.
        self._until.pop(fingerprint, None)
        if len(self._until) >= _MOST:
            del self._until[next(iter(self._until))]
        self._until[fingerprint] = min(limits)

    def are_good(self, fingerprint: str) -> bool:
        """Whether a session that this certificate began can be resumed now."""
        until = self._until.get(fingerprint)
        return until is not None and datetime.now(UTC) < until
