"""Which key may come by which way: each usage, algorithm and mode of use, taken or refused by its code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import test_certificates as certificates
import test_remote_loading as remote
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fingers import secure_entered
from host import KEK, b64, block, ecb
from tr34 import token

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
OF_HEADERS = ALGORITHMS + "EHS"
"""Algorithms that the header of a key block may name: those, and three that a request cannot."""
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
SYMMETRIC = frozenset(kind for kind in KINDS if kind[1] in "DTAH")


def families(algorithms: str, each: int) -> pytest.MarkDecorator:
    """All kinds of keys by `--long`; otherwise those that are taken, and of the others one of so many."""
    whole = tuple(product(USAGES, algorithms, MODES))
    some = tuple(kind for at, kind in enumerate(whole) if at % each == 0 or kind in KINDS)
    return pytest.mark.parametrize("family", [some, pytest.param(whole, marks=pytest.mark.long)])


def expected(kind: tuple[str, str, str], taken: frozenset[tuple[str, ...]]) -> str | None:
    """The error code; None if the key is taken."""
    for code, length in (("useViolation", 1), ("algorithmNotSupported", 2), ("modeNotSupported", 3)):
        if not any(one[:length] == kind[:length] for one in taken):
            return code
    return None


async def answers(
    pad: Dialogue, requests: Iterator[tuple[tuple[str, str, str], dict[str, Any]]], command: str = IMPORT
) -> dict[tuple[str, str, str], str | None]:
    """How each import of a key `K` was answered; what was taken is deleted again."""
    found = {}
    for kind, request in requests:
        found[kind] = None
        answer = await pad.completion(command, {"key": "K", **request})
        if answer["header"].get("completionCode", "success") == "success":
            await pad.success("KeyManagement.DeleteKey", {"key": "K"})
        else:
            found[kind] = answer.get("payload", {}).get("errorCode", answer["header"]["completionCode"])
    return found


def attributes(kind: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("keyUsage", "algorithm", "modeOfUse"), kind, strict=True))


@families(OF_HEADERS, 11)
async def test_a_key_block_brings_the_kinds_of_the_table_and_no_other(pad: Dialogue, family: Any) -> None:
    def requests() -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
        for kind in family:
            value = PUBLIC if kind[1] == "R" else os.urandom(LENGTHS.get(kind[1], 16))
            yield kind, {"value": block(" ".join(kind), value), "decryptKey": "TestKbpk"}

    found = await answers(pad, requests())
    assert found == {kind: expected(kind, KINDS) for kind in family}


@families(ALGORITHMS, 11)
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


PUBLIC_USAGES = {"S0": "V", "S1": "V", "S2": "V", "D1": "E", "K2": "E", "K3": "E"}
CLEAR = frozenset({("D1", "R", "E"), ("K3", "R", "E"), ("S0", "R", "V")})


def in_the_clear(kind: tuple[str, str, str]) -> str | None:
    """How a key in the clear is answered."""
    usage, algorithm, mode = kind
    if mode == "N":
        return "invalidData"
    public = PUBLIC_USAGES.get(usage) == mode or usage.isdigit()
    public &= algorithm.isdigit() or (algorithm == "R" and mode in "EV0")
    # Keys that verify need somebody's signature besides.
    if not public or kind == ("S0", "R", "V"):
        return "accessDenied"
    return expected(kind, CLEAR)


@families(ALGORITHMS, 11)
async def test_what_comes_in_the_clear_is_a_public_key_of_its_usage(pad: Dialogue, family: Any) -> None:
    def requests() -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
        for kind in family:
            value = PUBLIC if kind[1] == "R" else os.urandom(LENGTHS.get(kind[1], 16))
            yield kind, {"value": b64(value), "keyAttributes": attributes(kind)}

    found = await answers(pad, requests())
    assert found == {kind: in_the_clear(kind) for kind in family}
    assert {kind for kind, code in found.items() if code is None} == {("D1", "R", "E"), ("K3", "R", "E")}


@families(ALGORITHMS, 29)
async def test_what_is_encrypted_by_rsa_and_signed_is_symmetric(
    pad: Dialogue, simulator: Dialogue, family: Any
) -> None:
    signature, _ = await remote.signed_by_manufacturer(simulator, remote.HOST_PUBLIC)
    await pad.success(IMPORT, remote.host_key(signature))
    wanted, found = {}, {}
    for kind in family:
        wanted[kind] = expected(kind, SYMMETRIC)
        if kind[2] == "N":
            wanted[kind] = "invalidData"  # only headers of key blocks have it
        elif kind[0] == "I0" and wanted[kind] is None:
            wanted[kind] = "useViolation"  # only by what says itself what it is for
        secret = os.urandom(LENGTHS.get(kind[1], 16))
        request = await remote.transport_key(pad, secret=secret, keyAttributes=attributes(kind))
        found |= await answers(pad, iter([(kind, {**request, "key": "K"})]))
    assert found == wanted


@families(OF_HEADERS, 97)
async def test_a_token_brings_symmetric_keys_of_the_kind_that_its_header_says(
    pad: Dialogue, simulator: Dialogue, family: Any
) -> None:
    host = await certificates.bound(pad, simulator)
    own = await certificates.device_certificate(pad)
    found = {}
    for kind in family:
        header = f"D0112{''.join(kind)}00E0000"
        secret = os.urandom(LENGTHS.get(kind[1], 16))
        made = token(
            secret,
            header,
            certificates.HOST,
            host["certificate"],
            own,
            random=await certificates.random_of(pad),
        )
        request = {"key": "K", "keyUsage": kind[0], "loadOption": "random", "keyToken": b64(made)}
        found |= await answers(pad, iter([(kind, request)]), "KeyManagement.ImportKeyToken")
    assert found == {kind: None if kind in SYMMETRIC else "useViolation" for kind in family}


PARTS = tuple(sorted(kind for kind in SYMMETRIC if kind[1] != "H" and kind[2] != "N"))


async def no_other_kinds(pad: Dialogue, *, of_parts: bool) -> None:
    """No part is stored for a key that does not come so, and none of another kind beside another part."""
    refused = [one for one in product(USAGES, ALGORITHMS, MODES) if one not in SYMMETRIC]
    requests = ((one, {"keyAttributes": attributes(one), "constructing": True}) for one in refused[::7])
    found = await answers(pad, requests)
    for one, code in found.items():
        wanted = "useViolation" if of_parts else expected(one, SYMMETRIC)
        assert code == ("invalidData" if one[2] == "N" else wanted), one


@pytest.mark.parametrize("kinds", [PARTS[::20], pytest.param(PARTS, marks=pytest.mark.long)])
async def test_symmetric_keys_of_each_kind_come_in_parts_and_no_others(
    pad: Dialogue, simulator: Dialogue, kinds: Any
) -> None:
    methods = {"D": "des", "T": "tripleDes", "A": "aes"}
    for kind in kinds:
        parts = [os.urandom(LENGTHS[kind[1]]) for _ in range(2)]
        request = {"key": "K", "keyAttributes": attributes(kind)}
        for part in parts:
            await secure_entered(pad, simulator, part, methods[kind[1]])
            if kind == kinds[0]:
                await no_other_kinds(pad, of_parts=part is not parts[0])
            await pad.success(IMPORT, {**request, "constructing": True})
        await pad.success(IMPORT, request)
        told = (await pad.success("KeyManagement.GetKeyDetail", {"keyName": "K"}))["keyDetails"]["K"]
        assert attributes(kind).items() <= told["keyBlockInfo"].items()
        await pad.success("KeyManagement.DeleteKey", {"key": "K"})


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


def test_the_table_of_the_documentation_says_what_the_wire_does() -> None:
    said: dict[str, set[tuple[str, ...]]] = {}
    for line in (Path(__file__).parents[3] / "docs" / "keys.md").read_text("utf-8").splitlines():
        if re.match("[|] [A-Z][0-9] [|]", line):
            usage, algorithms, modes, ways = line.strip("| ").split(" | ")[:4]
            for way in ways.split(", "):
                said.setdefault(way.partition(" (")[0], set()).update(product((usage,), algorithms, modes))
    in_requests = {kind for kind in KINDS if kind[1] != "H" and kind[2] != "N"}
    assert said == {
        "key block": KINDS,
        "token": SYMMETRIC,
        "under a key": in_requests,
        "by RSA": {kind for kind in PARTS if kind[0] != "I0"},
        "in parts": set(PARTS),
        "in the clear": CLEAR,
        "of a card scheme": {kind for kind in KINDS if kind[0][0] == "E"},
        "made inside": {("K3", "R", "T"), ("S0", "R", "S")},
    }


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
