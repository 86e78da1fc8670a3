"""What Project Wycheproof knows to go wrong: MACs, signatures and paddings that must be refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import SecurePart, rsa_keys

GROUPS = json.loads((Path(__file__).parent / "wycheproof.json").read_text())["groups"]


def cases(*kinds: str) -> list[Any]:
    found = []
    for group in (one for one in GROUPS if one["kind"] in kinds):
        for case in group["cases"]:
            key = bytes.fromhex(case["key"] if "key" in case else group["key"])
            found.append(pytest.param(group["kind"], key, case, id=f"{group['kind']}-{case['id']}"))
    return found


def hexadecimal(case: Any, name: str) -> bytes:
    return bytes.fromhex(case[name])


@pytest.mark.parametrize(("kind", "key", "case"), cases("cmac", "hmac"))
def test_a_mac_is_good_or_refused(kind: str, key: bytes, case: Any) -> None:
    part = SecurePart(None, "PinPad")
    usage, algorithm = ("M6", "A") if kind == "cmac" else ("M7", "H")
    attributes = KeyAttributes(usage=usage, algorithm=algorithm, mode_of_use="V")
    if algorithm == "A" and len(key) not in (16, 24, 32):
        with pytest.raises(errors.CommandError, match="does not fit"):
            part.put("K", StoredKey(attributes, len(key) * 8), key)
        return
    part.put("K", StoredKey(attributes, len(key) * 8), key)
    good = part.verify_mac("K", hexadecimal(case, "msg"), hexadecimal(case, "tag"))
    assert good is (case["result"] == "valid")


@pytest.mark.parametrize(("method", "key", "case"), cases("rsassaPkcs1V15", "rsassaPss"))
def test_a_signature_is_good_or_refused(method: str, key: bytes, case: Any) -> None:
    part = SecurePart(None, "PinPad")
    attributes = KeyAttributes(usage="S0", algorithm="R", mode_of_use="V")
    part.put("K", StoredKey(attributes, 2048), rsa_keys.stored(rsa_keys.read_public(key)))
    data, signature = hexadecimal(case, "msg"), hexadecimal(case, "sig")
    good = part.verify_signature("K", method, "sha256", data, signature)
    assert good is (case["result"] == "valid")


def private(key: bytes) -> rsa.RSAPrivateKey:
    return rsa_keys.private_key(key)


@pytest.mark.parametrize(("method", "key", "case"), cases("rsaesOaep"))
def test_what_is_padded_by_oaep_decrypts_or_is_refused(method: str, key: bytes, case: Any) -> None:
    try:
        plain = rsa_keys.decrypt(private(key), method, hexadecimal(case, "ct"))
    except ValueError:
        assert case["result"] == "invalid"
    else:
        assert case["result"] == "valid"
        assert plain == hexadecimal(case, "msg")


@pytest.mark.parametrize(("method", "key", "case"), cases("rsaesPkcs1V15"))
def test_a_wrong_padding_by_pkcs_1_tells_nothing(method: str, key: bytes, case: Any) -> None:
    """It decrypts to something else, as if the padding had been right: else it could be probed."""
    text = hexadecimal(case, "ct")
    # What cannot have been made with the key at all may be refused: anybody can see that.
    if len(text) != 256 or int.from_bytes(text, "big") >= private(key).private_numbers().public_numbers.n:
        with pytest.raises(ValueError, match=r".+"):
            rsa_keys.decrypt(private(key), method, text)
        return
    plain = rsa_keys.decrypt(private(key), method, text)
    assert plain == rsa_keys.decrypt(private(key), method, text)
    assert (plain == hexadecimal(case, "msg")) is (case["result"] == "valid")
