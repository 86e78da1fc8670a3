"""Mutated tokens: none is accepted, and each is refused by one of the standard's codes."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import trio

from cash import amount, content
from dialogue import Dialogue
from mutated_tokens import genuine, mutated
from secured_tokens import KEY, connected, nonce, publish
from xfs4iot import tokens
from xfs4iot.protocol import errors, registry

REFUSALS = (
    errors.InvalidTokenFormat,
    errors.InvalidTokenKeyNoValue,
    errors.InvalidTokenHMAC,
)
COMMANDS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "CashDispenser.Dispense": ({"denomination": amount(50)}, {"DISPENSE1": "50.00EUR"}),
    "BanknoteNeutralization.SetProtection": ({"newState": "arm"}, {"SETPROTECTION": "ARM"}),
    "BanknoteNeutralization.TriggerNeutralization": (
        {"neutralizationAction": "trigger"},
        {"TRIGGERNEUTRALIZATION": "TRIGGER"},
    ),
}
"""Of each command that takes a token, what is asked, and what the token has to say."""


def fuzz(count: int, seed: int) -> Counter[str]:
    """How so many mutated tokens were answered; `accepted` for any that were taken."""
    chance = random.Random(seed)
    pool = genuine(chance)
    known = frozenset(pool)
    answered: Counter[str] = Counter()
    tried = 0
    while tried < count:
        text = mutated(chance, pool)
        if text in known:
            continue
        tried += 1
        try:
            tokens.authenticate(text, KEY)
        except REFUSALS as refused:
            answered[refused.completion_code] += 1
        else:
            answered["accepted"] += 1
    return answered


def test_genuine_tokens_are_accepted() -> None:
    for text in genuine(random.Random(1)):
        assert tokens.authenticate(text, KEY).hmac == text[-64:]


@pytest.mark.parametrize(
    ("count", "seed"),
    [(50_000, 1), pytest.param(10_000_000, 2, marks=pytest.mark.long)],
)
def test_no_mutated_token_is_accepted(count: int, seed: int) -> None:
    answered = fuzz(count, seed)
    print(f"{count:,} mutated tokens: {dict(answered)}")
    assert answered["accepted"] == 0
    assert set(answered) == {code.completion_code for code in REFUSALS}
    assert answered.total() == count


async def _state(client: Dialogue) -> Any:
    storage = (await client.success("Storage.GetStorage"))["storage"]
    status = (await client.success("Common.Status"))["banknoteNeutralization"]["state"]
    return {name: content(unit["cash"]) for name, unit in storage.items()}, status


@pytest.mark.parametrize("count", [300, pytest.param(30_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("command", COMMANDS)
async def test_no_mutated_token_allows_a_command_or_spends_the_nonce(
    nursery: trio.Nursery, command: str, count: int
) -> None:
    assert set(COMMANDS) == set(registry.token_commands())
    chance = random.Random(count)
    client = await connected(nursery, await publish(nursery), "CashDispenser")
    fresh = await nonce(client)
    payload, says = COMMANDS[command]
    good = tokens.make_token(KEY, fresh, says)
    # Whatever else a host has signed with this nonce, for other commands and other states.
    others = [tokens.make_token(KEY, fresh, other) for _, other in COMMANDS.values() if other != says]
    others += [tokens.make_token(KEY, fresh, {name: "DISARM"}) for name in says]
    pool = [good, good, *others, *genuine(chance)]
    before = await _state(client)
    codes: Counter[str] = Counter()
    for number in range(count):
        text = others[number] if number < len(others) else mutated(chance, pool)
        if text == good or not text.isprintable():
            continue
        codes[await client.failure(command, {**payload, "token": text})] += 1
    assert set(codes) <= {
        "invalidToken",
        "invalidTokenFormat",
        "invalidTokenKeyNoValue",
        "invalidTokenHMAC",
        "invalidTokenNonce",
        "invalidData",
    }, codes
    assert await _state(client) == before
    await client.success(command, {**payload, "token": good})
