"""Tokens that hosts might have made, and what becomes of them on a bad line or in bad hands."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from secured_tokens import KEY, WRONG_KEY, signed
from xfs4iot import tokens

__all__ = ["genuine", "mutated"]

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


def mutated(chance: random.Random, pool: list[str]) -> str:
    """One of the tokens of `pool`, changed once or twice; now and then it comes out as another of them."""
    text = chance.choice(MUTATIONS)(chance, chance.choice(pool), pool)
    if chance.random() < 0.2 and text.count(","):
        text = chance.choice(MUTATIONS)(chance, text or "0", pool)
    return text
