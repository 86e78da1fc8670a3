"""What GenerateKCV tells of keys: of every kind that can be loaded, a few bytes, which prove nothing else."""

from __future__ import annotations

import os

import pytest
from host import b64, imported, kcv, unb64
from test_ways_in import LENGTHS, SYMMETRIC

from dialogue import Dialogue, outcome

KCV, IMPORT, VERIFY = "KeyManagement.GenerateKCV", "KeyManagement.ImportKey", "Crypto.VerifyAuthentication"
TOLD = {"D": 3, "T": 3, "A": 5, "H": 5}
"""Bytes, by ANSI X9.24-1, annex A."""
DEVICES = ("_SigIssuerVendor", "_EPPCryptKey", "_EPPSignKey")


async def test_of_keys_of_every_kind_no_more_is_told_than_a_check_value(pad: Dialogue) -> None:
    for kind in sorted(SYMMETRIC):
        key = os.urandom(LENGTHS.get(kind[1], 16))
        await imported(pad, "K", " ".join(kind), key)
        found = {}
        for mode in ("zero", "self"):
            answer = await pad.success(KCV, {"key": "K", "keyCheckMode": mode})
            found[mode] = unb64(answer["kcv"])
            assert len(found[mode]) == TOLD[kind[1]], kind
            assert found[mode] not in key
        if kind[1] in "TA":
            assert found["zero"] == kcv(kind[1], key)
        await pad.success("KeyManagement.DeleteKey", {"key": "K"})


@pytest.mark.parametrize("mode", ["zero", "self"])
async def test_of_a_pair_there_is_no_check_value(pad: Dialogue, mode: str) -> None:
    for name in DEVICES:
        assert await pad.failure(KCV, {"key": name, "keyCheckMode": mode}) == "modeNotSupported"


MAC_KINDS = sorted(kind for kind in SYMMETRIC if kind[0][0] == "M" and kind[2] == "V")
ZEROS = (b"", bytes(8), bytes(16), bytes(32))


@pytest.mark.parametrize("kind", MAC_KINDS, ids="".join)
async def test_a_check_value_is_nobodys_mac(pad: Dialogue, kind: tuple[str, str, str]) -> None:
    """Everybody is told it: by it a client would bring a key as if a host had."""
    await imported(pad, "M", " ".join(kind), os.urandom(LENGTHS.get(kind[1], 16)))
    for mode in ("zero", "self"):
        told = unb64((await pad.success(KCV, {"key": "M", "keyCheckMode": mode}))["kcv"])
        for data in ZEROS[1:] if kind[1] != "H" else ZEROS:
            for length in range(1, len(told) + 1):
                request = {"key": "M", "data": b64(data), "verifyData": b64(told[:length])}
                assert outcome(await pad.completion(VERIFY, request)) != "success", (kind, mode, length)
        value = bytes(16)
        wrapped = {
            "key": "K",
            "keyAttributes": {"keyUsage": "D0", "algorithm": "A", "modeOfUse": "B"},
            "value": b64(value),
            "decryptKey": "TestKek",
            "decryptMethod": "cbc",
            "verifyKey": "M",
            "verificationData": b64(told),
        }
        # Nor is what is as short as that one which stands for a host.
        assert await pad.failure(IMPORT, wrapped) == "invalidData"


@pytest.mark.parametrize("kind", ["M6 A", "M7 H"])
async def test_a_mac_as_long_as_a_check_value_is_one_of_other_data(pad: Dialogue, kind: str) -> None:
    """Those that are cut to 4 bytes go on being MACs."""
    key = os.urandom(16)
    await imported(pad, "M", f"{kind} C", key)
    request = {"key": "M", "data": b64(b"something that is not zeros")}
    made = unb64((await pad.success("Crypto.GenerateAuthentication", request))["authenticationData"])
    for length in (4, 5, len(made)):
        await pad.success(VERIFY, {**request, "verifyData": b64(made[:length])})
