"""What a token allows is never more than it said, whatever is asked, fails, or crashes."""

from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from xfs4iot.ledger import Ledger, LedgerUnavailable
from xfs4iot.ledger.nonces import CommandNonces

ALLOWED = {"EUR": Decimal("100.50"), "USD": Decimal(20)}
part = st.fixed_dictionaries(
    {}, optional={"EUR": st.decimals(0, 60, places=2), "USD": st.decimals(0, 20, places=0)}
)


class Nonces(RuleBasedStateMachine):
    """One nonce after another, each with a token that allows the same, in a ledger on disk."""

    reservations = Bundle("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.open()
        self.number = 0
        self.spent: dict[str, Decimal] = {}
        self.outstanding: dict[str, dict[str, Decimal]] = {}

    def open(self) -> None:
        self.ledger = Ledger.open(self.directory / "ledger.sqlite")
        self.nonces = CommandNonces(self.ledger.service("X"))

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.directory)

    @rule()
    def issue(self) -> None:
        self.number += 1
        trio.run(self.nonces.issue, f"{self.number:X}", 0.0)
        self.spent, self.outstanding = {}, {}

    @rule()
    def clear(self) -> None:
        trio.run(self.nonces.clear)
        self.spent, self.outstanding = {}, {}

    @rule(target=reservations, wanted=part)
    def reserve(self, wanted: dict[str, Decimal]) -> object:
        state = self.nonces.state
        left = state.remaining if state.token is not None else ALLOWED
        if state.nonce is None or any(amount > left[currency] for currency, amount in wanted.items()):
            return multiple()
        reservation = trio.run(self.nonces.reserve, "HMAC", ALLOWED, wanted)
        self.outstanding[reservation] = wanted
        return reservation

    @rule(reservation=consumes(reservations), share=st.sampled_from([0, "0.5", 1, 2, None]))
    def settle(self, reservation: str, share: str | int | None) -> None:
        wanted = self.outstanding.pop(reservation, {})
        used = None if share is None else {name: amount * Decimal(share) for name, amount in wanted.items()}
        for name, value in self.nonces.settle(reservation, used).items():
            trio.run(self.ledger.service("X").put_document, name, value)
        for name, amount in wanted.items():
            gone = amount if used is None else min(amount, used[name])
            self.spent[name] = self.spent.get(name, Decimal(0)) + gone
        if self.nonces.state.nonce is None:
            self.spent, self.outstanding = {}, {}

    @rule(named=st.booleans())
    def crash(self, named: bool) -> None:
        before = self.nonces.state
        self.ledger.close()
        self.open()
        assert self.nonces.state == before
        trio.run(self.nonces.recover, set(self.outstanding) if named else set())
        if not named:
            self.outstanding = {}

    @invariant()
    def nothing_is_allowed_twice(self) -> None:
        state = self.nonces.state
        assert state.reserved == self.outstanding
        if state.token is None:
            return
        for currency, allowed in ALLOWED.items():
            reserved = sum(
                (amounts.get(currency, Decimal(0)) for amounts in state.reserved.values()), Decimal(0)
            )
            assert state.remaining[currency] >= 0
            assert state.remaining[currency] + reserved + self.spent.get(currency, Decimal(0)) == allowed


def test_what_a_movement_took_stays_taken_when_a_new_nonce_could_not_be_written() -> None:
    async def use() -> None:
        with Ledger.open(None) as ledger:
            service = ledger.service("X")
            nonces = CommandNonces(service)
            await nonces.issue("AA", 0.0)
            reservation = await nonces.reserve("HMAC", ALLOWED, {"EUR": Decimal(50)})
            ledger._broken = LedgerUnavailable("the disk is full")
            with pytest.raises(LedgerUnavailable):
                await nonces.issue("BB", 1.0)
            ledger._broken = None
            # The movement's booking goes through; then the power fails.
            for name, value in nonces.settle(reservation, {"EUR": Decimal(50)}).items():
                await service.put_document(name, value)
            again = CommandNonces(service)
            await again.recover(set())
            assert again.state.nonce != "AA" or again.state.remaining["EUR"] == ALLOWED["EUR"] - 50

    trio.run(use)


TestNonces = Nonces.TestCase
TestNonces.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
