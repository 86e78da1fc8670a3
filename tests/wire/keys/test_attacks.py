"""What a client with bad intentions tries: keys for another purpose, oracles, others' signatures."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from fingers import pin_entered
from host import KEK, b64, block, ecb, imported, kcv, unb64

from dialogue import Dialogue
from xfs4iot.simulator.secure_part import ciphers

IMPORT, DATA = "KeyManagement.ImportKey", "Crypto.CryptoData"
OWN = rsa.generate_private_key(65537, 2048)
OWN_PUBLIC = OWN.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
PIN_KEY = secrets.token_bytes(16)


def wrapped(kind: str, value: bytes, **more: Any) -> dict[str, Any]:
    """What imports a key that is merely encrypted, whatever it was encrypted for."""
    usage, algorithm, mode = kind.split()
    attributes = {"keyUsage": usage, "algorithm": algorithm, "modeOfUse": mode}
    return {
        "key": "K",
        "keyAttributes": attributes,
        "value": b64(value),
        "decryptKey": "TestKek",
        "decryptMethod": "ecb",
        **more,
    }


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_pin_key_does_not_come_again_as_a_data_key(pad: Dialogue, deleted: bool) -> None:
    """Recorded as it was loaded, it would decrypt all PIN blocks."""
    recorded = ecb("T", KEK, PIN_KEY)
    await pad.success(IMPORT, wrapped("P0 T E", recorded, key="PEK"))
    if deleted:
        await pad.success("KeyManagement.DeleteKey", {"key": "PEK"})
    for kind in ("D0 T B", "M3 T C", "K0 T D", "V0 T V"):
        assert await pad.failure(IMPORT, wrapped(kind, recorded)) == "useViolation"
    await pad.success(IMPORT, wrapped("P0 T E", recorded, key="PEK"))


async def test_a_data_key_does_not_come_again_as_a_pin_key(pad: Dialogue) -> None:
    """Loaded first as a data key, it would decrypt what is encrypted by it as a PIN key later."""
    recorded = ecb("T", KEK, PIN_KEY)
    await pad.success(IMPORT, wrapped("D0 T B", recorded))
    assert await pad.failure(IMPORT, wrapped("P0 T E", recorded, key="PEK")) == "useViolation"
    await pad.success(IMPORT, wrapped("M3 T C", recorded))


async def test_a_key_is_not_read_by_taking_it_for_a_start_value(pad: Dialogue) -> None:
    """A start value is known to whoever has the data key: half a key would be, with the other half next."""
    recorded = ecb("T", KEK, PIN_KEY)
    await imported(pad, "DATA", "D0 T B", bytes(range(16)))
    request = {"key": "DATA", "modeOfUse": "D", "cryptoMethod": "cbc", "data": b64(bytes(8))}
    taken = {**request, "iv": {"key": "TestKek", "value": b64(recorded[:8])}}
    assert await pad.failure(DATA, taken) == "useViolation"
    assert await pad.failure(IMPORT, wrapped("I0 D D", recorded[:8])) == "useViolation"
    # The same key under another name, restricted to start values, is another key to the device.
    kek = {"value": block("K0 T D", KEK), "decryptKey": "TestKbpk"}
    restricted = {**kek, "key": "IVKEK", "keyAttributes": {"restrictedKeyUsage": "I0"}}
    assert await pad.failure(IMPORT, restricted) == "useViolation"


async def test_a_key_for_start_values_brings_no_others(pad: Dialogue) -> None:
    key = bytes(range(1, 17))
    await imported(pad, "IVKEK", "K0 T D", key, keyAttributes={"restrictedKeyUsage": "I0"})
    start = secrets.token_bytes(8)
    await pad.success(IMPORT, wrapped("I0 D D", ecb("T", key, start), decryptKey="IVKEK", key="IV"))
    other = wrapped("P0 T E", ecb("T", key, PIN_KEY), decryptKey="IVKEK")
    assert await pad.failure(IMPORT, other) == "useViolation"
    await imported(pad, "DATA", "D0 T B", bytes(range(16)))
    request = {"key": "DATA", "modeOfUse": "E", "cryptoMethod": "cbc", "data": b64(bytes(8))}
    by_key = {"key": "IVKEK", "value": b64(ecb("T", key, start))}
    found = await pad.success(DATA, {**request, "iv": by_key})
    assert found == await pad.success(DATA, {**request, "storedKey": "IV"})


async def test_a_master_key_from_afar_has_its_hosts_signature(pad: Dialogue) -> None:
    """Everybody can encrypt by the device's public key, and would know under what other keys come."""
    export = {"exportItemType": "publicKey", "name": "_EPPCryptKey"}
    exported = await pad.success("KeyManagement.ExportRSAIssuerSignedItem", export)
    device = load_der_public_key(unb64(exported["value"]))
    assert isinstance(device, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    made = device.encrypt(PIN_KEY, oaep)
    request = wrapped("K0 T D", made, decryptKey="_EPPCryptKey", decryptMethod="rsaesOaep")
    assert await pad.failure(IMPORT, request) == "accessDenied"


@pytest.mark.parametrize("usage", ["S0", "S1", "S2"])
async def test_a_key_that_verifies_is_signed_by_one_that_does(pad: Dialogue, usage: str) -> None:
    """By its own a client would authenticate itself, and sign master keys."""
    attributes = {"keyUsage": usage, "algorithm": "R", "modeOfUse": "V"}
    request = {"key": "Own", "keyAttributes": attributes, "value": b64(OWN_PUBLIC)}
    assert await pad.failure(IMPORT, request) in ("accessDenied", "useViolation")
    assert "Own" not in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]


async def test_a_mac_that_the_device_makes_itself_is_nobodys_signature(pad: Dialogue) -> None:
    """Garbage decrypts to a MAC key, and with its MAC a client would bring a key of its own."""
    await pad.success(IMPORT, wrapped("M3 T C", secrets.token_bytes(16), key="M"))
    made = await pad.success("Crypto.GenerateAuthentication", {"key": "M", "data": b64(OWN_PUBLIC)})
    request = {
        "key": "Own",
        "keyAttributes": {"keyUsage": "S0", "algorithm": "R", "modeOfUse": "V"},
        "value": b64(OWN_PUBLIC),
        "verifyKey": "M",
        "verificationData": made["authenticationData"],
    }
    assert await pad.failure(IMPORT, request) == "accessDenied"
    assert "Own" not in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]


async def test_the_devices_key_does_not_sign_what_a_client_gives_it(pad: Dialogue) -> None:
    """A client's public key, signed by it, would pass for the device's."""
    request = {
        "key": "_EPPSignKey",
        "data": b64(OWN_PUBLIC),
        "cryptoMethod": "rsassaPkcs1V15",
        "hashAlgorithm": "sha256",
    }
    assert await pad.failure("Crypto.GenerateAuthentication", request) == "accessDenied"


@pytest.mark.parametrize(
    "table", ["0" * 16, "1000000000000000", "0123456701234567"[:15] + "0", "0011223344556600"]
)
async def test_a_table_that_tells_digits_apart_badly_is_refused(
    pad: Dialogue, simulator: Dialogue, table: str
) -> None:
    """With zeros alone every PIN equals its offset: one digit is found out by each try."""
    await imported(pad, "PVK", "V1 T V", PIN_KEY)
    await pin_entered(pad, simulator, "7305")
    request = {
        "validationData": "4012345678909123",
        "padding": "0F",
        "maxPIN": 4,
        "valDigits": 1,
        "noLeadingZero": False,
        "key": "PVK",
        "decTable": table,
        "offset": "7",
    }
    expected = "invalidData" if len(set(table)) < 8 or max(map(table.count, table)) > 4 else None
    if expected is None:
        await pad.success("PinPad.LocalDES", request)
    else:
        assert await pad.failure("PinPad.LocalDES", request) == expected


async def test_garbage_that_decrypts_to_keys_does_not_fill_the_device(pad: Dialogue) -> None:
    await imported(pad, "K", "K0 T D", PIN_KEY)
    for _ in range(3):
        garbage = ciphers.encrypt("T", KEK, secrets.token_bytes(16))
        await pad.success(IMPORT, wrapped("P0 T E", garbage, key="PEK"))
    assert set((await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]) >= {"K", "PEK"}


async def test_an_import_that_fails_leaves_the_key_of_its_name(pad: Dialogue) -> None:
    """Neither its value nor what it is for: somebody who may not load a key could else take one away."""
    await imported(pad, "PEK", "P0 T E", PIN_KEY)
    detail = (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]["PEK"]
    other = secrets.token_bytes(16)
    good = wrapped("P0 T E", ecb("T", KEK, other), key="PEK")
    damaged = bytearray(unb64(block("P0 T E", other)))
    damaged[-1] = ord("0") if damaged[-1] != ord("0") else ord("1")
    for wrong in (
        {**good, "verificationData": b64(bytes(3)), "verifyAttributes": {"cryptoMethod": "kcvZero"}},
        {**good, "value": b64(ecb("T", KEK, other[:8] * 2))},
        {**good, "value": b64(bytes(5))},
        {**good, "verifyKey": "nobody", "verificationData": b64(bytes(8))},
        {"key": "PEK", "value": b64(bytes(damaged)), "decryptKey": "TestKbpk"},
        {"key": "PEK", "value": block("D0 T B", PIN_KEY), "decryptKey": "TestKbpk"},
    ):
        assert (await pad.completion(IMPORT, wrong))["header"]["completionCode"] != "success"
        assert (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]["PEK"] == detail
        told = await pad.success("KeyManagement.GenerateKCV", {"key": "PEK", "keyCheckMode": "zero"})
        assert unb64(told["kcv"]) == kcv("T", PIN_KEY)
