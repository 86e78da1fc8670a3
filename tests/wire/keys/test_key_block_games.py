"""Games with the headers of key blocks: whatever is written there that was not bound, no key comes of it.

Each block is a good one of another implementation, of which one thing is changed. What does not hold together
is `formatInvalid` before anything is decrypted; what does, and is not what was bound, is `invalidValue`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

import pytest
from host import KBPK, b64, imported, kcv, unb64

from dialogue import Dialogue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import psec.tr31

IMPORT, DETAIL = "KeyManagement.ImportKey", "KeyManagement.GetKeyDetail"
BY_TDES = bytes.fromhex("DD7515F2BFC17F85CE48F3CA25CB21F6")
KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
VERSIONS = "ABCD"
UNIT = {"A": 8, "B": 8, "C": 8, "D": 16}
OWN = {"A": "Tdes", "B": "Tdes", "C": "Tdes", "D": "TestKbpk"}
"""The key under which blocks of a version come."""
WRONG = {"A": "TestKbpk", "B": "TestKbpk", "C": "TestKbpk", "D": "Tdes"}
"""A key that opens key blocks, of the other algorithm."""


def made(version: str, with_block: bool = False) -> str:
    """A key block of a PIN key, perhaps with an optional block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        head = psec.tr31.Header(version, "P0", "T", "E", "00", "E")
        if with_block:
            head.blocks["KS"] = "00604B120F9292800000"
        return psec.tr31.KeyBlock(KBPK if version == "D" else BY_TDES, head).wrap(KEY)


async def loaded(pad: Dialogue) -> None:
    await imported(pad, "Tdes", "K1 T D", BY_TDES)


async def answer(pad: Dialogue, text: str, key: str) -> str | None:
    """How a key block is answered; None: it is taken."""
    request = {"key": "K", "value": b64(text.encode()), "decryptKey": key}
    completion = await pad.completion(IMPORT, request)
    if completion["header"].get("completionCode", "success") == "success":
        return None
    code: str = completion["payload"]["errorCode"]
    return code


async def none_is_taken(pad: Dialogue, cases: list[tuple[str, str, frozenset[str]]], good: str) -> None:
    """Each block is refused by its code, leaves no key, and the good one still comes."""
    version = good[0]
    before = await pad.success(DETAIL)
    for text, key, codes in cases:
        assert await answer(pad, text, key) in codes, text
    assert await pad.success(DETAIL) == before
    assert await answer(pad, good, OWN[version]) is None
    found = await pad.success("KeyManagement.GenerateKCV", {"key": "K", "keyCheckMode": "zero"})
    assert unb64(found["kcv"]) == kcv("T", KEY)


INVALID, UNBOUND = frozenset({"formatInvalid"}), frozenset({"invalidValue"})
EITHER = INVALID | UNBOUND
"""What is encrypted can read like an optional block by chance."""


def put(at: int, text: str) -> Callable[[str], str]:
    return lambda block: block[:at] + text + block[at + len(text) :]


def longer(block: str) -> str:
    """One more block of the cipher, and a length that says so."""
    more = 2 * UNIT[block[0]]
    return f"{block[0]}{len(block) + more:04}{block[5:]}{'0' * more}"


FIELDS: dict[str, tuple[Callable[[str], str], frozenset[str]]] = {
    "usage: a data key": (put(5, "D0"), UNBOUND),
    "usage: a key that decrypts keys, mode D": (lambda block: put(8, "D")(put(5, "K0")(block)), UNBOUND),
    "usage: none": (put(5, "XX"), INVALID),
    "usage: one that nobody takes": (put(5, "C0"), frozenset({"useViolation"})),
    "algorithm: AES": (put(7, "A"), UNBOUND),
    "algorithm: one that PINs have not": (put(7, "D"), frozenset({"algorithmNotSupported"})),
    "mode: both ways": (put(8, "B"), UNBOUND),
    "mode: decrypts": (put(8, "D"), frozenset({"modeNotSupported"})),
    "version of the key": (put(9, "99"), UNBOUND),
    "exportability: not at all": (put(11, "N"), UNBOUND),
    "exportability: sensitive": (put(11, "S"), UNBOUND),
    "exportability: none of these": (put(11, "X"), INVALID),
    "reserved": (put(14, "01"), UNBOUND),
    "one optional block more": (put(12, "01"), EITHER),
    "99 optional blocks": (put(12, "99"), EITHER),
    "length: more": (lambda block: put(1, f"{len(block) + 1:04}")(block), INVALID),
    "length: less": (lambda block: put(1, f"{len(block) - 1:04}")(block), INVALID),
    "length: nothing": (put(1, "0000"), INVALID),
    "length: no number": (put(1, "00x0"), INVALID),
    "longer, as it says": (longer, UNBOUND),
    "lower case": (lambda block: block[:16] + block[16:].lower(), INVALID),
}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_header_that_was_changed_is_not_that_which_was_bound(pad: Dialogue, version: str) -> None:
    await loaded(pad)
    good = made(version)
    cases = [(change(good), OWN[version], codes) for change, codes in FIELDS.values()]
    await none_is_taken(pad, cases, good)


BLOCKS: dict[str, tuple[Callable[[str], str], frozenset[str]]] = {
    "no optional block": (put(12, "00"), INVALID),
    "one more": (lambda block: put(12, f"{int(block[12:14]) + 1:02}")(block), EITHER),
    "shorter than its own head": (put(18, "03"), INVALID),
    "of no length": (put(18, "0001"), INVALID),
    "of a length that does not end": (put(18, "0008FFFFFFFF"), INVALID),
    "longer than all": (put(18, "FF"), INVALID),
    "shorter": (put(18, "10"), EITHER),
    "longer": (put(18, "20"), EITHER),
    "another name": (put(16, "LB"), UNBOUND),
    "no name": (put(16, "k!"), INVALID),
    "another number": (put(20, "FF"), UNBOUND),
}


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_optional_block_that_lies_brings_no_key(pad: Dialogue, version: str) -> None:
    await loaded(pad)
    good = made(version, with_block=True)
    assert re.match("KS18", good[16:])
    cases = [(change(good), OWN[version], codes) for change, codes in BLOCKS.values()]
    await none_is_taken(pad, cases, good)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_block_is_not_taken_as_one_of_another_version_or_under_another_key(
    pad: Dialogue, version: str
) -> None:
    """Neither relabelled, which would have it opened by weaker means, nor under a key of another kind."""
    await loaded(pad)
    await imported(pad, "Tdes2", "K1 T D", bytes(range(16, 32)))
    await imported(pad, "Pin", "P0 T E", bytes(range(32, 48)))
    good = made(version)
    of_another_kind = frozenset({"algorithmNotSupported"})
    cases = [(good, WRONG[version], of_another_kind), (good, "Pin", frozenset({"useViolation"}))]
    if version != "D":
        cases.append((good, "Tdes2", UNBOUND))
    for label in VERSIONS.replace(version, ""):
        relabelled = label + good[1:]
        for key in (OWN[version], WRONG[version]):
            cases.append((relabelled, key, EITHER | of_another_kind))
    for label in "EZ1":
        cases.append((label + good[1:], OWN[version], frozenset({"formatNotSupported"})))
    await none_is_taken(pad, cases, good)
