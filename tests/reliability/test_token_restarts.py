"""A nonce is spent once, whatever restarts and crashes come between."""

from __future__ import annotations

import json
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from power import truth_kept_in
from secured_tokens import KEY, connected, nonce, publish, spend, token
from xfs4iot import tokens
from xfs4iot.ledger.nonces import CommandNonces

EUR = {"EUR": Decimal(100)}


@asynccontextmanager
async def atm(directory: Path, **settings: Any) -> AsyncIterator[Dialogue]:
    """A conversation with the ATM whose state is in `directory`, which runs until the block ends."""
    with xfs4iot.Ledger.open(directory / "ledger.sqlite") as ledger:
        async with trio.open_nursery() as nursery:
            publisher = await publish(nursery, ledger, state=directory, **settings)
            yield await connected(nursery, publisher, "CashDispenser")
            nursery.cancel_scope.cancel()


async def test_a_token_that_was_used_up_is_refused_after_a_restart(tmp_path: Path) -> None:
    async with atm(tmp_path) as client:
        allowed = await token(client, EUR=50)
        assert await spend(client, 50, allowed) == "success"
    async with atm(tmp_path) as client:
        assert await spend(client, 50, allowed) == "noCommandNonce"
        fresh = await nonce(client)
        assert fresh != allowed[6:38]
        assert await spend(client, 50, allowed) == "invalidTokenNonce"


async def test_what_is_left_of_a_token_is_left_after_restarts(tmp_path: Path) -> None:
    async with atm(tmp_path) as client:
        allowed = await token(client, EUR="100.00")
    other = tokens.dispense_token(KEY, allowed[6:38], {"EUR": "100.0"})
    for part, code in ((60, "success"), (50, "invalidToken"), (40, "success"), (10, "noCommandNonce")):
        async with atm(tmp_path) as client:
            assert await spend(client, part, allowed) == code
            assert await spend(client, part, other) == ("noCommandNonce" if part < 50 else "invalidToken")


async def test_the_time_of_a_nonce_runs_on_while_the_service_is_down(tmp_path: Path) -> None:
    async with atm(tmp_path, nonce_timeout=3600) as client:
        allowed = await token(client, EUR=100)
    async with atm(tmp_path, nonce_timeout=3600) as client:
        assert await spend(client, 50, allowed) == "success"
    await trio.sleep(1.1)
    async with atm(tmp_path, nonce_timeout=1) as client:
        assert await spend(client, 50, allowed) == "noCommandNonce"


async def test_a_reservation_that_no_movement_names_is_given_back(tmp_path: Path) -> None:
    with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        nonces = CommandNonces(ledger.service("X"))
        await nonces.issue("AB", 1.0)
        named = await nonces.reserve("HMAC", EUR, {"EUR": Decimal(30)})
        await nonces.reserve("HMAC", EUR, {"EUR": Decimal(20)})
    with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        nonces = CommandNonces(ledger.service("X"))
        assert nonces.state.remaining == {"EUR": 50}
        await nonces.recover({named})
        assert nonces.state.remaining == {"EUR": 70}
        booked = nonces.settle(named, {"EUR": Decimal(10)})
        assert nonces.state.remaining == {"EUR": 90}
        # Not settled again; what was not written yet is written with whatever is booked next.
        assert nonces.settle(named, {"EUR": Decimal(0)}) == booked
        for name, value in booked.items():
            await ledger.service("X").put_document(name, value)
        assert not nonces.settle(named, {"EUR": Decimal(0)})


async def test_a_crash_before_the_movement_was_announced_uses_nothing_up(tmp_path: Path) -> None:
    async with atm(tmp_path) as client:
        allowed = await token(client, EUR=100)
    with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        await CommandNonces(ledger.service("CashDispenser")).reserve(allowed[-64:], EUR, EUR)
    async with atm(tmp_path) as client:
        assert await spend(client, 100, allowed) == "success"
        assert await spend(client, 10, allowed) == "noCommandNonce"


async def test_a_nonce_written_while_another_waits_to_be_written_is_the_one_that_stays(
    tmp_path: Path,
) -> None:
    with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        nonces = CommandNonces(ledger.service("X"))
        await nonces.issue("AA", 1.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nonces.reserve, "HMAC", EUR, EUR)
            nursery.start_soon(nonces.issue, "BB", 2.0)
            nursery.start_soon(nonces.clear)
            nursery.start_soon(nonces.issue, "CC", 3.0)
        after = nonces.state
    with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert CommandNonces(ledger.service("X")).state == after
        assert after.serial >= 5


@asynccontextmanager
async def process(directory: Path) -> AsyncIterator[tuple[trio.Process, Dialogue]]:
    """`xfs4iot simulate`, whose movements take time, and a conversation with its dispenser."""
    options = ["--plain", "--port", "0", "--json", "--seconds", "1", "--state", str(directory)]
    key = directory / "token.key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    started = await trio.lowlevel.open_process(
        [sys.executable, "-m", "xfs4iot", "simulate", *options, "--token-key", str(key)],
        stdout=-1,
    )
    assert started.stdout is not None
    try:
        line = b""
        with trio.fail_after(120):
            while not line.endswith(b"\n"):
                more = await started.stdout.receive_some()
                assert more, "the process ended"
                line += more
        uri = json.loads(line)["services"]["CashDispenser"]
        async with trio.open_nursery() as nursery:
            yield started, await nursery.start(dialogue, uri)
            nursery.cancel_scope.cancel()
    finally:
        started.kill()
        await started.wait()
        await started.stdout.aclose()


@pytest.mark.parametrize("kills", [1, pytest.param(60, marks=pytest.mark.long)])
async def test_no_kill_lets_a_token_pay_out_more_or_less_than_it_allows(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    allowed = paid = told = 0
    text = ""
    for kill in range(kills + 1):
        async with process(tmp_path) as (running, client):
            if kill:
                # What the last run left is settled now, and what it left of the token is exact.
                status = await client.success("CashDispenser.GetPresentStatus", {"nonce": "7"})
                report = tokens.read_present_token(status["token"], KEY, "7")
                paid = physically_paid(tmp_path)
                if paid != told:
                    assert report.dispense_id == text[-64:]
                    assert report.dispensed == {"EUR": paid - told}
                await clear_away(client)
                left = allowed - paid
                assert left >= 0
                assert await spend(client, left + 10, text) == ("invalidToken" if left else "noCommandNonce")
                if left >= 10 and chance.random() < 0.5:
                    assert await spend(client, left, text) == "success"
                told = paid = physically_paid(tmp_path)
            if kill == kills:
                break
            if paid == allowed:
                text = await token(client, EUR=100)
                allowed += 100
            notes = chance.randrange(1, (allowed - paid) // 10 + 1)
            counts = {"app": {"currencies": {"EUR": 0}, "counts": {"unit1": notes}}}
            await client.send(
                "CashDispenser.Dispense", {"denomination": {"denomination": counts}, "token": text}
            )
            await trio.sleep(chance.random() * 0.8)
            running.send_signal(signal.SIGKILL)
            await running.wait()


def physically_paid(directory: Path) -> int:
    """What has left the units, for good or bad, by the simulator's own record."""
    places = truth_kept_in(directory)
    loaded = {"unit1": (500, 10), "unit2": (500, 20), "unit3": (500, 50), "unit4": (200, 100)}
    return sum(value * (count - places[unit][unit]) for unit, (count, value) in loaded.items())


async def clear_away(client: Dialogue) -> None:
    """Take what was dispensed out of the way, if anything was."""
    completion = await client.completion("CashDispenser.Reject")
    assert outcome(completion) == "success" or (completion["payload"]["errorCode"] == "noItems")
