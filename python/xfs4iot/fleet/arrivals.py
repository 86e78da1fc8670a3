"""Sessions for which something has arrived, each of which goes on once for all that arrived together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import trio

from xfs4iot.fleet.carrier import Carrier
from xfs4iot.fleet.link import Link
from xfs4iot.telling import logger

__all__ = ["Arrivals"]

_log = logger("xfs4iot.fleet")


class _Linked(Protocol):
    link: Link


_Session = TypeVar("_Session", bound=_Linked)


class Arrivals(Generic[_Session]):
    """Let sessions go on when all that arrived together has been handed to their links.

    A session that fails ends by itself: those behind it go on, and it is told in the log.

    Args:
        carrier: which tells when that is.
        settle: lets one session go on, at the time that it is told.
    """

    def __init__(self, carrier: Carrier, settle: Callable[[_Session, float], None]) -> None:
        self._carrier, self._settle_one = carrier, settle
        self._waiting: dict[_Session, None] = {}

    def add(self, session: _Session) -> None:
        """Have a session go on, in the order in which they come."""
        self._waiting[session] = None
        if len(self._waiting) == 1:
            self._carrier.afterwards(self._settle)

    def _settle(self) -> None:
        # What a session brings about may be another arrival, for which there is another round.
        waiting, self._waiting = self._waiting, {}
        now = trio.current_time()
        for session in waiting:
            try:
                self._settle_one(session, now)
            except Exception:
                _log.exception("a session cannot go on, and ends")
                session.link.ended = session.link.ended or "it could not go on"
