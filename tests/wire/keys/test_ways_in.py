"""Which key may come by which way: each usage, algorithm and mode of use, taken or refused by its code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from host import KEK, b64, block, ecb

from dialogue import Dialogue

IMPORT = "KeyManagement.ImportKey"
PUBLIC = rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
LENGTHS = {"D": 8, "T": 16, "A": 16}
USAGES = (
    *(f"B{number}" for number in range(4)),
    "C0",
    *(f"D{number}" for number in range(4)),
    *(f"E{number}" for number in range(8)),
    "I0",
    *(f"K{number}" for number in range(5)),
    *(f"M{number}" for number in range(9)),
    *("P0", "P1", "S0", "S1", "S2"),
    *(f"V{number}" for number in range(6)),
    "00",
)
ALGORITHMS, MODES = "DTAR0", "BCDEGNSTVXY0"
TAKEN = """
    B0 TA X, B1 TA X, D0 DTA BDE, D1 R E, D2 TA BDE, D3 TA BDE, I0 DTA BDN, K0 T BDEX, K0 A BDE, K1 TA BDE,
    E0 R V, E1 R V, E2 R V, E3 R V, E4 R V, E5 R V, E6 R V, E7 R E, K3 R E, S0 R V,
    M0 T CGV, M1 DTA CGV, M2 DT CGV, M3 T CGV, M4 T CGV, M6 TA CGV, M7 H CGV,
    P0 TA BE, V0 T CV, V1 T CV, V2 T CV
"""
"""What the simulated module takes; the private keys of its pairs (S0 R S, K3 R T) are not among it."""
KINDS = frozenset(
    kind
    for usage, algorithms, modes in map(str.split, TAKEN.split(","))
    for kind in product((usage,), algorithms, modes)
)
FAMILY = tuple(product(USAGES, ALGORITHMS, MODES))
PARTLY = tuple(kind for at, kind in enumerate(FAMILY) if at % 11 == 0 or kind in KINDS)
how_many = pytest.mark.parametrize("family", [PARTLY, pytest.param(FAMILY, marks=pytest.mark.long)])


def expected(kind: tuple[str, str, str], taken: frozenset[tuple[str, ...]]) -> str | None:
    """The error code; None if the key is taken."""
    for code, length in (("useViolation", 1), ("algorithmNotSupported", 2), ("modeNotSupported", 3)):
        if not any(one[:length] == kind[:length] for one in taken):
            return code
    return None


async def answers(
    pad: Dialogue, requests: Iterator[tuple[tuple[str, str, str], dict[str, Any]]]
) -> dict[tuple[str, str, str], str | None]:
    """How each import of a key `K` was answered; what was taken is deleted again."""
    found = {}
    for kind, request in requests:
        found[kind] = None
        answer = await pad.completion(IMPORT, {"key": "K", **request})
        if answer["header"].get("completionCode", "success") == "success":
            await pad.success("KeyManagement.DeleteKey", {"key": "K"})
        else:
            found[kind] = answer.get("payload", {}).get("errorCode", answer["header"]["completionCode"])
    return found


def attributes(kind: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("keyUsage", "algorithm", "modeOfUse"), kind, strict=True))


@how_many
async def test_a_key_block_brings_the_kinds_of_the_table_and_no_other(pad: Dialogue, family: Any) -> None:
    def requests() -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
        for kind in family:
            value = PUBLIC if kind[1] == "R" else os.urandom(LENGTHS.get(kind[1], 16))
            yield kind, {"value": block(" ".join(kind), value), "decryptKey": "TestKbpk"}

    found = await answers(pad, requests())
    assert found == {kind: expected(kind, KINDS) for kind in family}


@how_many
async def test_what_is_encrypted_under_a_key_is_of_the_same_kinds(pad: Dialogue, family: Any) -> None:
    def requests() -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
        for kind in family:
            value = ecb("T", KEK, os.urandom(LENGTHS.get(kind[1], 16)))
            request = {"value": b64(value), "keyAttributes": attributes(kind)}
            yield kind, {**request, "decryptKey": "TestKek", "decryptMethod": "ecb"}

    found = await answers(pad, requests())
    wanted = {kind: expected(kind, KINDS) for kind in family}
    for kind in family:
        if kind[2] == "N":
            wanted[kind] = "invalidData"  # only headers of key blocks have it
        elif kind[0] == "I0" and wanted[kind] is None:
            wanted[kind] = "useViolation"  # only under a key that is restricted to them
        elif kind[1] == "R" and wanted[kind] is None:
            wanted[kind] = "invalidValue"  # what decrypts here is no public key
    assert found == wanted


@how_many
async def test_what_comes_in_the_clear_is_a_public_key_of_its_usage(pad: Dialogue, family: Any) -> None:
    def requests() -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
        for kind in family:
            value = PUBLIC if kind[1] == "R" else os.urandom(LENGTHS.get(kind[1], 16))
            yield kind, {"value": b64(value), "keyAttributes": attributes(kind)}

    found = await answers(pad, requests())
    # Keys that verify need somebody's signature besides.
    assert {kind for kind, code in found.items() if code is None} == {("D1", "R", "E"), ("K3", "R", "E")}
    assert found["S0", "R", "V"] == "accessDenied"
    assert set(found.values()) == {None, "accessDenied", "useViolation", "invalidData"}
    assert all(kind[2] == "N" for kind, code in found.items() if code == "invalidData")


@pytest.mark.parametrize("kind", [("S0", "R", "V"), ("D1", "R", "E"), ("K3", "R", "E")])
async def test_what_is_encrypted_by_rsa_is_no_public_key(pad: Dialogue, kind: tuple[str, str, str]) -> None:
    request = {
        "key": "K",
        "value": b64(bytes(256)),
        "decryptKey": "_EPPCryptKey",
        "decryptMethod": "rsaesOaep",
        "keyAttributes": attributes(kind),
    }
    assert await pad.failure(IMPORT, request) == "useViolation"


async def test_the_kinds_of_keys_that_are_offered_are_those_that_come(pad: Dialogue) -> None:
    offered = (await pad.success("Common.Capabilities"))["keyManagement"]["keyAttributes"]
    found = {
        (usage, algorithm, mode)
        for usage, algorithms in offered.items()
        for algorithm, modes in algorithms.items()
        for mode in modes
    }
    assert found == KINDS


async def test_card_schemes_and_tokens_bring_keys_of_their_own_usages(pad: Dialogue) -> None:
    for usage in USAGES:
        emv = {"key": "K", "keyUsage": usage, "importScheme": "plainCA", "value": b64(b"nonsense")}
        code = await pad.failure("KeyManagement.ImportEmvPublicKey", emv)
        if usage[0] == "E":
            assert code == "emvVerifyFailed"
        else:
            # Other usages do not fit the pattern of the command, but for those of two digits.
            assert code == ("useViolation" if usage.isdigit() else "invalidData")
        token = {"key": "K", "keyUsage": usage, "loadOption": "noRandom", "keyToken": b64(b"nonsense")}
        code = await pad.failure("KeyManagement.ImportKeyToken", token)
        symmetric = any(one[0] == usage and one[1] in "DTAH" for one in KINDS)
        assert (code == "useViolation") == (not symmetric), (usage, code)
