"""Mutated tokens: none is accepted, and each is refused by one of the standard's codes."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

import pytest

from secured_tokens import KEY, WRONG_KEY, signed
from xfs4iot import tokens
from xfs4iot.protocol import errors

REFUSALS = (
    errors.InvalidTokenFormat,
    errors.InvalidTokenKeyNoValue,
    errors.InvalidTokenHMAC,
)
ALPHABET = "0123456789ABCDEFGHZaf=,.?+- \n\0é€"


def genuine(chance: random.Random) -> list[str]:
    """Tokens that hosts might have made, which a mutation starts from."""
    made = []
    for number in range(40):
        nonce = tokens.new_nonce() if number % 4 else str(chance.randrange(10**12))
        amounts = {"EUR": chance.randrange(1, 10**5), "USD": chance.randrange(1, 10**5)}
        if number % 2:
            del amounts["USD"]
        made.append(tokens.dispense_token(KEY, nonce, amounts))
        report = tokens.PresentReport(made[-1][-64:], {"EUR": 50}, None)
        made.append(tokens.present_token(KEY, nonce, report))
        protection = chance.choice(["ARM", "DISARM", "IGNOREALLSAFESENSORS"])
        made.append(tokens.make_token(KEY, nonce, {"SETPROTECTION": protection}))
        made.append(tokens.make_token(KEY, nonce, {"TRIGGERNEUTRALIZATION": "TRIGGER"}))
    return made


def one_character(chance: random.Random, text: str, pool: list[str]) -> str:
    place = int(chance.random() * len(text))
    return text[:place] + chance.choice(ALPHABET) + text[place + 1 :]


def one_bit(chance: random.Random, text: str, pool: list[str]) -> str:
    place = int(chance.random() * len(text))
    return text[:place] + chr(ord(text[place]) ^ (1 << int(chance.random() * 8))) + text[place + 1 :]


def cut(chance: random.Random, text: str, pool: list[str]) -> str:
    start, end = sorted((int(chance.random() * len(text)), int(chance.random() * len(text))))
    return text[:start] + text[end + 1 :]


def inserted(chance: random.Random, text: str, pool: list[str]) -> str:
    place = int(chance.random() * (len(text) + 1))
    return text[:place] + chance.choice(ALPHABET) * chance.choice((1, 1, 2, 1000)) + text[place:]


def spliced(chance: random.Random, text: str, pool: list[str]) -> str:
    other = chance.choice(pool)
    return text[: int(chance.random() * len(text))] + other[int(chance.random() * len(other)) :]


def another_hmac(chance: random.Random, text: str, pool: list[str]) -> str:
    return text[:-64] + chance.choice(pool)[-64:]


def pairs_shuffled(chance: random.Random, text: str, pool: list[str]) -> str:
    pairs = text.split(",")
    one, other = int(chance.random() * len(pairs)), int(chance.random() * len(pairs))
    pairs[one], pairs[other] = pairs[other], pairs[one]
    return ",".join(pairs)


def a_pair_more(chance: random.Random, text: str, pool: list[str]) -> str:
    pairs = text.split(",")
    pairs.insert(int(chance.random() * len(pairs)), chance.choice(chance.choice(pool).split(",")))
    longer = ",".join(pairs)
    return re.sub(r"LENGTH=[0-9]{4}", f"LENGTH={len(longer):04}", longer)


def another_digit(chance: random.Random, text: str, pool: list[str]) -> str:
    digits = [match.start() for match in re.finditer("[0-9]", text)]
    place = chance.choice(digits or [0])
    return text[:place] + chance.choice("0123456789") + text[place + 1 :]


def another_key(chance: random.Random, text: str, pool: list[str]) -> str:
    return signed(WRONG_KEY, text[:-64])


def a_value_less(chance: random.Random, text: str, pool: list[str]) -> str:
    pairs = text.split(",")
    place = int(chance.random() * len(pairs))
    pairs[place] = pairs[place].partition("=")[0] + "="
    return ",".join(pairs)


MUTATIONS: list[Callable[[random.Random, str, list[str]], str]] = [
    one_character,
    one_bit,
    cut,
    inserted,
    spliced,
    another_hmac,
    pairs_shuffled,
    a_pair_more,
    another_digit,
    another_key,
    a_value_less,
]


def fuzz(count: int, seed: int) -> Counter[str]:
    """How so many mutated tokens were answered; `accepted` for any that were taken."""
    chance = random.Random(seed)
    pool = genuine(chance)
    known = frozenset(pool)
    answered: Counter[str] = Counter()
    tried = 0
    while tried < count:
        text = chance.choice(MUTATIONS)(chance, chance.choice(pool), pool)
        if chance.random() < 0.2:
            text = chance.choice(MUTATIONS)(chance, text or "0", pool) if text.count(",") else text
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
