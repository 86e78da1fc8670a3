"""The command nonce of a service, and what is left of the authorisation given with it.

A service has one nonce at a time. The first good token that uses it is bound to it: no other
token is accepted with this nonce, and what the token allows is used up, at once or in parts.
The order keeps "used once" true through any crash:

1. Before the device moves, what the movement is worth is taken off and put aside, durably.
2. The movement's booking (`settle`) gives back what was not dispensed, in the same transaction
   as the counts. Its intent names the reservation, so that a movement that a crash interrupted
   is settled with what is found out about it.
3. What nobody found out about is never given back.

A crash between 1 and the intent leaves a reservation that no intent names: nothing has moved,
and it is given back at the next start (`recover`). The nonce and its authorisation live in one
document of the ledger. Memory changes at once and the document follows, in the same order; a
serial number makes every version differ from all before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

import msgspec

from xfs4iot.ledger.book import ServiceLedger
from xfs4iot.protocol import wire

__all__ = ["CommandNonce", "CommandNonces"]

_DOCUMENT = "Common.commandNonce"

Amounts = Mapping[str, Decimal]


class CommandNonce(msgspec.Struct, frozen=True):
    """What is kept.

    Attributes:
        serial: counts the changes.
        nonce: None when there is none.
        issued: when, in seconds since 1970.
        token: HMAC of the token bound to it; None before the first.
        remaining: what the token still allows, by currency.
        reserved: what movements have taken off that are not settled, by reservation.
    """

    serial: int = 0
    nonce: str | None = None
    issued: float = 0.0
    token: str | None = None
    remaining: dict[str, Decimal] = {}
    reserved: dict[str, dict[str, Decimal]] = {}


class CommandNonces:
    """The nonce of one service. Everything that returns has been written, unless it says otherwise."""

    def __init__(self, ledger: ServiceLedger) -> None:
        self._ledger = ledger
        kept = ledger.document(_DOCUMENT)
        self.state = wire.decode(CommandNonce, kept) if kept else CommandNonce()

    def _change(self, state: CommandNonce) -> dict[str, bytes]:
        """The new state, in memory from now on, as a document to write."""
        # Before any await: a second reservation must already see what the first one took off.
        self.state = msgspec.structs.replace(state, serial=self.state.serial + 1)
        return {_DOCUMENT: wire.encode(self.state)}

    async def _write(self, state: CommandNonce) -> None:
        for name, value in self._change(state).items():
            await self._ledger.put_document(name, value)

    def _unwritten(self) -> dict[str, bytes]:
        """The state as a document, if an earlier attempt to write it has failed; else nothing."""
        kept, now = self._ledger.document(_DOCUMENT), wire.encode(self.state)
        return {} if kept is None or kept == now else {_DOCUMENT: now}

    async def issue(self, nonce: str, issued: float) -> None:
        """Keep a new nonce in the place of the one before.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        await self._write(CommandNonce(nonce=nonce, issued=issued))

    async def clear(self) -> None:
        """Forget the nonce, also one that could not be written over before. Raises LedgerUnavailable."""
        if self.state.nonce is not None or self._unwritten():
            await self._write(CommandNonce())

    async def reserve(self, token: str, allowed: Amounts, wanted: Amounts) -> str:
        """Bind a token to the nonce, if none is yet, and take off what a movement will be worth.

        Args:
            token: its HMAC.
            allowed: what it allows, if it is the first.
            wanted: not more than is left.

        Returns:
            The reservation, for `settle` or `release`.

        Raises:
            LedgerUnavailable: it could not be written; nothing may move.
        """
        state = self.state
        left = dict(state.remaining if state.token is not None else allowed)
        for currency, amount in wanted.items():
            left[currency] -= amount
        reservation = str(state.serial + 1)
        await self._write(
            msgspec.structs.replace(
                state, token=token, remaining=left, reserved={**state.reserved, reservation: dict(wanted)}
            )
        )
        return reservation

    def settle(self, reservation: str, dispensed: Amounts | None) -> dict[str, bytes]:
        """Give back what was reserved and not dispensed; all of it is gone if that is not known (None).

        With nothing left the nonce is gone. The document that is returned is not written yet:
        it belongs into the movement's booking.
        """
        state = self.state
        # Settled already, or a new nonce has taken the place of the old one. If that could not be written,
        # the ledger has the old one still, with what was reserved: the booking must not leave it there.
        if reservation not in state.reserved:
            return self._unwritten()
        reserved = dict(state.reserved)
        left = dict(state.remaining)
        for currency, amount in reserved.pop(reservation).items():
            used = amount if dispensed is None else min(dispensed.get(currency, Decimal(0)), amount)
            left[currency] += amount - used
        if not reserved and not any(left.values()):
            return self._change(CommandNonce())
        return self._change(msgspec.structs.replace(state, remaining=left, reserved=reserved))

    async def release(self, reservation: str) -> None:
        """Give back a reservation of a movement that has moved nothing. Raises LedgerUnavailable."""
        for name, value in self.settle(reservation, {}).items():
            await self._ledger.put_document(name, value)

    async def recover(self, unsettled: Collection[str]) -> None:
        """After a start, give back every reservation but those that movements still name."""
        for reservation in list(self.state.reserved):
            if reservation not in unsettled:
                await self.release(reservation)
