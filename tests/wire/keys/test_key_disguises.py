"""A key in disguise is still the key that it was: however it is written, it is bound to its purpose."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
import trio
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from host import KEK, b64, block, ecb, imported
from test_attacks import wrapped
from test_dukpt_keys import key_block, loaded, numbers

from dialogue import Dialogue, another
from xfs4iot.simulator.secure_part import bindings, macs

IMPORT = "KeyManagement.ImportKey"


def parity(value: bytes) -> bytes:
    """The same key for DES: the lowest bit of each byte is turned."""
    return bytes(byte ^ 1 for byte in value)


DISGUISES: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "parity": (16, parity),
    "parity of one byte": (16, lambda key: key[:9] + bytes([key[9] ^ 1]) + key[10:]),
    "parity of triple": (24, parity),
    "triple": (16, lambda key: key + key[:8]),
    "triple, other parity": (16, lambda key: key + parity(key[:8])),
    "double": (24, lambda key: key[:16]),
}
"""How long a key is, and how else it can be written; `double` is one whose last part is the first."""
OTHERS = ("D0 T B", "M3 T C", "M3 T V", "K0 T D", "V0 T V")


def made(name: str) -> tuple[bytes, bytes]:
    """A key, and the same key in disguise."""
    length, disguise = DISGUISES[name]
    value = secrets.token_bytes(length)
    if name == "double":
        value = value[:16] + value[:8]
    return value, disguise(value)


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("way", ["encrypted", "key block"])
@pytest.mark.parametrize("turned", [False, True])
async def test_a_pin_key_in_disguise_comes_for_nothing_else(
    pad: Dialogue, disguise: str, way: str, turned: bool
) -> None:
    """Neither as it came first, nor as what it does; and not the other way round."""
    key, same = made(disguise)
    if turned:
        key, same = same, key

    def request(kind: str, value: bytes) -> dict[str, Any]:
        if way == "encrypted":
            return wrapped(kind, ecb("T", KEK, value))
        return {"key": "K", "value": block(kind, value), "decryptKey": "TestKbpk"}

    await pad.success(IMPORT, {**request("P0 T E", key), "key": "PEK"})
    for kind in OTHERS:
        assert await pad.failure(IMPORT, request(kind, same)) == "useViolation"
    await pad.success(IMPORT, request("P0 T E", same))


PARTS: dict[str, Callable[[bytes], bytes]] = {
    "first half alone": lambda key: key[:8],
    "second half alone": lambda key: key[8:],
    "halves exchanged": lambda key: key[8:] + key[:8],
    "a half beside another": lambda key: secrets.token_bytes(8) + key[8:],
    "a half in a triple": lambda key: secrets.token_bytes(16) + key[:8],
    "a half, other parity": lambda key: parity(key[8:]) + secrets.token_bytes(8),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("before", [False, True])
async def test_a_part_of_a_pin_key_comes_for_nothing_else_where_parts_can_be_cut(
    pad: Dialogue, part: str, before: bool
) -> None:
    """A single DES key is found by 2^56 tries: two of them are no more than twice that."""
    key = secrets.token_bytes(16)
    cut = PARTS[part](key)
    as_data = wrapped("D0 D B" if len(cut) == 8 else "D0 T B", ecb("T", KEK, cut))
    as_pin_key = wrapped("P0 T E", ecb("T", KEK, key), key="PEK")
    first, second = (as_data, as_pin_key) if before else (as_pin_key, as_data)
    await pad.success(IMPORT, first)
    assert await pad.failure(IMPORT, second) == "useViolation"
    # What a key block holds together is what its host has put together.
    whole = {"key": "Whole", "value": block("D0 T B", cut.ljust(16, b"x")), "decryptKey": "TestKbpk"}
    await pad.success(IMPORT, whole)


async def test_a_key_whose_parts_are_known_comes_again_for_its_own_purpose(pad: Dialogue) -> None:
    key = secrets.token_bytes(16)
    await imported(pad, "PEK", "P0 T E", key)
    await imported(pad, "Data", "D0 T B", key[:8] + secrets.token_bytes(8))
    await pad.success(IMPORT, wrapped("P0 T E", ecb("T", KEK, key)))


def encrypted(method: str, value: bytes) -> bytes:
    """A key as a host encrypts it by a method other than ECB, from zeros on."""
    from xfs4iot.simulator.secure_part import ciphers

    return ciphers.encrypt("T", KEK, value, method)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["cbc", "cfb", "ofb", "ctr"])
async def test_what_can_be_altered_bit_by_bit_is_not_taken_without_a_mac(pad: Dialogue, method: str) -> None:
    """All bits turned, a DES key does the same to turned data: recorded, a PIN key would read blocks."""
    key, mac_key, weak = (secrets.token_bytes(16) for _ in range(3))
    await imported(pad, "Host", "M3 T V", mac_key)
    await imported(pad, "Ours", "M3 T C", weak)
    value = encrypted(method, key)
    turned = bytes(byte ^ 0xFF for byte in value)
    plain = wrapped("P0 T E", value, key="PEK", decryptMethod=method)

    def signed(request: dict[str, Any], by: str, data: bytes) -> dict[str, Any]:
        return {**request, "verifyKey": by, "verificationData": b64(data)}

    good = macs.mac("M3", "T", mac_key, value)
    assert await pad.failure(IMPORT, plain) == "accessDenied"
    # A MAC that the device makes for every client is nobody's.
    own = await pad.success("Crypto.GenerateAuthentication", {"key": "Ours", "data": b64(value)})
    data = signed(plain, "Ours", macs.mac("M3", "T", weak, value))
    assert data["verificationData"] == own["authenticationData"]
    assert await pad.failure(IMPORT, data) == "accessDenied"
    await pad.success(IMPORT, signed(plain, "Host", good))
    for kind in ("D0 T B", "P0 T E"):
        altered = wrapped(kind, turned, decryptMethod=method)
        assert await pad.failure(IMPORT, signed(altered, "Host", good)) == "signatureInvalid"
    again = signed(wrapped("D0 T B", value, decryptMethod=method), "Host", good)
    assert await pad.failure(IMPORT, again) == "useViolation"


def test_a_des_key_with_all_bits_turned_is_the_same_to_turned_data() -> None:
    """Why `accessDenied` above: no fingerprint of the value would tell."""
    key, data = secrets.token_bytes(16), secrets.token_bytes(8)

    def run(by: bytes, text: bytes) -> bytes:
        cipher = Cipher(TripleDES(by + by[:8]), modes.ECB()).encryptor()
        return cipher.update(text)

    def turned(value: bytes) -> bytes:
        return bytes(byte ^ 0xFF for byte in value)

    assert run(turned(key), turned(data)) == turned(run(key, data))


@pytest.mark.parametrize(("usage", "algorithm"), [("M3", "T"), ("M6", "A"), ("M7", "H")])
@pytest.mark.parametrize("before", [False, True])
async def test_a_key_that_only_verifies_never_makes_macs(
    pad: Dialogue, usage: str, algorithm: str, before: bool
) -> None:
    """By a key that only verifies, a MAC proves its host: nobody else can make it, the device neither."""
    key = secrets.token_bytes(16)
    verifies = {"key": "V", "value": block(f"{usage} {algorithm} V", key), "decryptKey": "TestKbpk"}
    others = [f"{usage} {algorithm} G", f"{usage} {algorithm} C"]
    if algorithm != "H":
        # Whoever encrypts data in a chain makes MACs as well.
        others.append(f"D0 {algorithm} B")
    for kind in others:
        other = {"key": "O", "value": block(kind, key), "decryptKey": "TestKbpk"}
        first, second = (other, verifies) if before else (verifies, other)
        await pad.success(IMPORT, first)
        assert await pad.failure(IMPORT, second) == "useViolation"


@pytest.mark.parametrize("mode", ["C", "G"])
async def test_a_host_is_not_authenticated_by_a_key_that_makes_macs(pad: Dialogue, mode: str) -> None:
    """The device makes MACs for every client: each would have keys deleted in the host's name."""
    await imported(pad, "Ours", f"M3 T {mode}", secrets.token_bytes(16))
    found = await pad.success("KeyManagement.StartAuthenticate", {"command": {"deleteKey": {}}})
    own = await pad.success("Crypto.GenerateAuthentication", {"key": "Ours", "data": found["dataToSign"]})
    given = {"method": "cbcmac", "key": "Ours", "data": own["authenticationData"]}
    code = await pad.failure("KeyManagement.DeleteKey", {"authentication": given})
    assert code == "modeOfUseNotSupported"
    assert "Ours" in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]


async def test_garbage_does_not_drive_out_what_keys_are_for(
    pad: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was deleted is forgotten, the oldest first; what is left may fill the memory."""
    monkeypatch.setattr(bindings, "REMEMBERED", 12)
    key, deleted = secrets.token_bytes(16), secrets.token_bytes(16)
    recorded = ecb("T", KEK, key)
    await pad.success(IMPORT, wrapped("P0 T E", recorded, key="PEK"))
    await pad.success(IMPORT, wrapped("P0 T E", ecb("T", KEK, deleted), key="Deleted"))
    await pad.success("KeyManagement.DeleteKey", {"key": "Deleted"})
    for _ in range(30):
        garbage = secrets.token_bytes(16)
        await pad.success(IMPORT, wrapped("D0 T B", garbage, key="Garbage"))
    assert await pad.failure(IMPORT, wrapped("D0 T B", recorded)) == "useViolation"
    codes = set()
    for number in range(14):
        request = wrapped("D0 T B", secrets.token_bytes(16), key=f"Kept{number}")
        answer = await pad.completion(IMPORT, request)
        codes.add((answer.get("payload") or {}).get("errorCode"))
    assert codes == {None, "noKeyRam"}
    assert await pad.failure(IMPORT, wrapped("D0 T B", recorded)) == "useViolation"
    await pad.success(IMPORT, wrapped("P0 T E", recorded))
    await pad.success("KeyManagement.DeleteKey", {"key": "Kept0"})
    await pad.success(IMPORT, wrapped("D0 T B", secrets.token_bytes(16), key="Room"))


@pytest.mark.parametrize("half", ["left", "both"])
async def test_a_dukpt_key_in_disguise_goes_on_counting(
    pad: Dialogue, nursery: trio.Nursery, half: str
) -> None:
    """Parity of its left half makes no difference to any transaction's key: they would be made once more."""
    key = secrets.token_bytes(16)
    same = parity(key[:8]) + (key[8:] if half == "left" else parity(key[8:]))
    serial = "FFFF9876543210E00000"
    client = await another(pad, nursery)
    await loaded(client, key_block(key, "T", serial))
    before = await numbers(client, "K")
    await loaded(client, key_block(same, "T", serial), "Second")
    assert min(await numbers(client, "Second")) > max(before)


async def test_a_dukpt_key_of_tdes_has_two_parts(pad: Dialogue) -> None:
    request = {"key": "K", "value": key_block(secrets.token_bytes(24), "T"), "decryptKey": "TestKbpk"}
    assert await pad.failure(IMPORT, request) == "invalidKeyLength"
