"""The command nonce while the service runs: its time-out, and who is told that it is gone.

There is one at a time. It outlives connections and restarts, and its time runs on while the
service is down. `Common.NonceClearedEvent` tells every client when it is used up, timed out,
replaced by a newer one, or cleared.
"""

from __future__ import annotations

import math
import time

import trio

from xfs4iot import tokens
from xfs4iot.ledger import LedgerUnavailable
from xfs4iot.ledger.nonces import CommandNonces
from xfs4iot.protocol.messages import common as messages
from xfs4iot.server.service import Service

__all__ = ["LiveNonce"]

USED_UP = "the nonce was used up"

_TRIED_AGAIN = 5.0  # seconds, after which a time-out that the ledger could not take is written again


class LiveNonce:
    """The nonce of one service.

    Attributes:
        kept: it, and what is left of its authorisation.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.kept = CommandNonces(service.ledger)
        self._told = self.kept.state.nonce
        self._deadline = math.inf
        self._moved = trio.Event()

    @property
    def current(self) -> str | None:
        """The nonce; None if there is none, or its time has run out."""
        return self.kept.state.nonce if trio.current_time() < self._deadline else None

    async def start(self, timeout: int) -> None:
        """Take up nonce and reservations as the last run left them.

        Args:
            timeout: seconds after which a nonce is gone; 0: never.
        """
        await self.kept.recover(self._reserved_by_movements())
        if timeout and self.kept.state.nonce is not None:
            age = time.time() - self.kept.state.issued
            # A clock that was set back says nothing about the nonce's age.
            self._deadline = trio.current_time() + (timeout - age if age >= 0 else 0)
            await self._expire()
        self._told = self.kept.state.nonce
        self.service.nursery.start_soon(self._watch)

    def _reserved_by_movements(self) -> set[str]:
        """The reservations of movements that are open: what they have moved is not known yet."""
        found = set()
        for intent in self.service.ledger.open_intents():
            if authorisation := intent.detail.get("authorisation"):
                found.add(str(authorisation["reservation"]))
        return found

    async def _watch(self) -> None:
        while True:
            self._moved = trio.Event()
            with trio.move_on_at(self._deadline):
                await self._moved.wait()
            try:
                await self._expire()
            except LedgerUnavailable:
                # Past its deadline it counts for nothing, written or not; only the event waits.
                await trio.sleep(_TRIED_AGAIN)

    async def _expire(self) -> None:
        # Looked at again: the deadline may have been moved while the watcher slept.
        if trio.current_time() >= self._deadline:
            await self.clear("the nonce timed out")

    async def new(self, timeout: int) -> str:
        """A fresh nonce; the one before is gone in any case. Raises LedgerUnavailable."""
        nonce = tokens.new_nonce()
        # Before the write is awaited: the old nonce's deadline must not clear the new one.
        self._deadline = trio.current_time() + timeout if timeout else math.inf
        self._moved.set()
        try:
            await self.kept.issue(nonce, time.time())
        except BaseException:
            # In memory it has taken the place of the old one, and nobody is told it: over at once. The
            # watcher writes that there is none, as soon as that can be written.
            if self.kept.state.nonce == nonce:
                self._deadline = trio.current_time()
                self._moved.set()
            raise
        self.tell("a newer nonce was asked for")
        return nonce

    async def clear(self, reason: str) -> None:
        """Forget the nonce, and say why. Raises LedgerUnavailable."""
        before = self._deadline
        await self.kept.clear()
        # Not before it is written: a nonce that timed out would count again if the write failed. A newer
        # nonce's deadline stays. The watcher need not be woken: at the old one nothing is due.
        if self._deadline == before:
            self._deadline = math.inf
        self.tell(reason)

    async def release(self, reservation: str) -> None:
        """Give back what was reserved for a movement that came to nothing.

        Nothing is given back to a movement that is still open. Raises LedgerUnavailable.
        """
        if reservation not in self._reserved_by_movements():
            await self.kept.release(reservation)

    def tell(self, reason: str = USED_UP) -> None:
        """Tell the clients if the nonce that they know of is gone."""
        now = self.kept.state.nonce
        if self._told is not None and now != self._told:
            self.service.broadcast(messages.NonceClearedEvent(reason_description=reason))
        self._told = now
