"""KeyManagement over the wire: a host loads keys from afar, by RSA signatures."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from host import b64, kcv, unb64

from dialogue import Dialogue, another

IMPORT = "KeyManagement.ImportKey"
ISSUER, DEVICE = "KeyManagement.ExportRSAIssuerSignedItem", "KeyManagement.ExportRSADeviceSignedItem"
PAIR = "KeyManagement.GenerateRSAKeyPair"
TDES = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
HOST = rsa.generate_private_key(65537, 2048)
HOST_PUBLIC = HOST.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def public(value: bytes) -> rsa.RSAPublicKey:
    key = load_der_public_key(value)
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def fits(key: rsa.RSAPublicKey, signature: str, value: str) -> bool:
    try:
        key.verify(unb64(signature), unb64(value), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


async def signed_by_manufacturer(simulator: Dialogue, data: bytes) -> tuple[bytes, rsa.RSAPublicKey]:
    found = await simulator.success("Simulator.SignAsManufacturer", {"data": b64(data)})
    return unb64(found["signature"]), public(unb64(found["issuerKey"]))


def host_key(signature: bytes, **change: Any) -> dict[str, Any]:
    return {
        "key": "Host",
        "keyAttributes": {"keyUsage": "S0", "algorithm": "R", "modeOfUse": "V"},
        "value": b64(HOST_PUBLIC),
        "verifyKey": "_SigIssuerVendor",
        "verificationData": b64(signature),
        "verifyAttributes": {"cryptoMethod": "rsassaPkcs1V15", "hashAlgorithm": "sha256"},
        **change,
    }


async def transport_key(
    pad: Dialogue,
    random: bytes = b"",
    method: str = "rsaesOaep",
    signer: str = "rsassaPss",
    secret: bytes = TDES,
    **change: Any,
) -> dict[str, Any]:
    """A request by which a host loads a key: a master key, if `change` says nothing else."""
    exported = await pad.success(ISSUER, {"exportItemType": "publicKey", "name": "_EPPCryptKey"})
    how = OAEP if method == "rsaesOaep" else padding.PKCS1v15()
    value = random + public(unb64(exported["value"])).encrypt(secret, how)
    by: Any = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if signer == "rsassaPss" else padding.PKCS1v15()
    return {
        "key": "Master",
        "keyAttributes": {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D"},
        "value": b64(value),
        "decryptKey": "_EPPCryptKey",
        "decryptMethod": method,
        "verifyKey": "Host",
        "verificationData": b64(HOST.sign(value, by, hashes.SHA256())),
        "verifyAttributes": {"cryptoMethod": signer, "hashAlgorithm": "sha256"},
        **change,
    }


@pytest.mark.parametrize("method", ["rsaesOaep", "rsaesPkcs1V15"])
@pytest.mark.parametrize("signer", ["rsassaPss", "rsassaPkcs1V15"])
@pytest.mark.parametrize("with_random", [False, True])
async def test_a_host_loads_a_master_key_by_two_party_signatures(
    pad: Dialogue, simulator: Dialogue, method: str, signer: str, with_random: bool
) -> None:
    signature, issuer = await signed_by_manufacturer(simulator, HOST_PUBLIC)
    for request in ({"exportItemType": "deviceId"}, {"exportItemType": "publicKey", "name": "_EPPCryptKey"}):
        item = await pad.success(ISSUER, request)
        assert item["rsaSignatureAlgorithm"] == "rsassaPkcs1V15"
        assert fits(issuer, item["signature"], item["value"])
    await pad.success(IMPORT, host_key(signature))
    random = b""
    if with_random:
        random = unb64((await pad.success("KeyManagement.StartKeyExchange"))["randomItem"])
        assert await pad.failure(IMPORT, await transport_key(pad, b"", method, signer)) == "randomInvalid"
        random = unb64((await pad.success("KeyManagement.StartKeyExchange"))["randomItem"])
    found = await pad.success(IMPORT, await transport_key(pad, random, method, signer))
    assert unb64(found["verificationData"]) == kcv("T", TDES)
    assert found["verifyAttributes"]["keyUsage"] == "S0"
    if with_random:
        assert await pad.failure(IMPORT, await transport_key(pad, random, method, signer)) == "randomInvalid"
    assert (await pad.success("Common.Status"))["keyManagement"]["encryptionState"] == "initialized"


async def test_one_flipped_bit_keeps_a_key_out(pad: Dialogue, simulator: Dialogue) -> None:
    signature, _ = await signed_by_manufacturer(simulator, HOST_PUBLIC)
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    assert await pad.failure(IMPORT, host_key(flipped)) == "signatureInvalid"
    await pad.success(IMPORT, host_key(signature))
    request = await transport_key(pad)
    for name in ("value", "verificationData"):
        data = unb64(request[name])
        changed = {**request, name: b64(data[:-1] + bytes([data[-1] ^ 1]))}
        assert await pad.failure(IMPORT, changed) == "signatureInvalid"
    keys = (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]
    assert "Master" not in keys


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"verificationData": None}, "invalidData"),
        ({"verifyAttributes": None}, "invalidData"),
        ({"verifyAttributes": {"cryptoMethod": "rsassaPss"}}, "invalidData"),
        (
            {"verifyAttributes": {"cryptoMethod": "kcvZero", "hashAlgorithm": "sha256"}},
            "cryptoMethodNotSupported",
        ),
        ({"verifyKey": "_EPPSignKey"}, "useViolation"),
        ({"decryptKey": "_EPPSignKey"}, "useViolation"),
        ({"decryptMethod": "ecb"}, "cryptoMethodNotSupported"),
        ({"keyAttributes": {"keyUsage": "K0", "algorithm": "A", "modeOfUse": "D"}}, None),
    ],
)
async def test_a_key_from_afar_that_may_not_come_is_refused(
    pad: Dialogue, simulator: Dialogue, change: dict[str, Any], code: str | None
) -> None:
    signature, _ = await signed_by_manufacturer(simulator, HOST_PUBLIC)
    await pad.success(IMPORT, host_key(signature))
    request = await transport_key(pad, **change)
    if code is None:
        await pad.success(IMPORT, request)
    else:
        assert await pad.failure(IMPORT, request) == code


async def test_a_hash_that_the_device_lacks_is_not_supported(nursery: trio.Nursery) -> None:
    from test_key_management import Module

    from vendors import serving
    from xfs4iot import devices

    device = Module("Module")
    device.importable = frozenset({("S0", "R", "V")})
    device.import_verifies = {
        ("S0", "R", "V"): devices.VerifyMethods(frozenset({"rsassaPss"}), frozenset({"sha256"}))
    }

    async def stored() -> dict[str, devices.StoredKey]:
        attributes = devices.KeyAttributes(usage="S0", algorithm="R", mode_of_use="V")
        return {"_SigIssuerVendor": devices.StoredKey(attributes, preloaded=True)}

    device.stored_keys = stored  # type: ignore[method-assign]
    client = await serving(device, nursery)
    wanted = {"cryptoMethod": "rsassaPss", "hashAlgorithm": "sha1"}
    assert await client.failure(IMPORT, host_key(b"x", verifyAttributes=wanted)) == "signatureNotSupported"


@pytest.mark.parametrize("use", ["rsaPrivate", "rsaPrivateSign"])
async def test_a_key_pair_is_made_and_its_public_part_exported(pad: Dialogue, use: str) -> None:
    await pad.success(PAIR, {"key": "Own", "use": use, "modulusLength": 2048, "exponentValue": "exponent16"})
    told = (await pad.success("KeyManagement.GetKeyDetail", {"keyName": "Own"}))["keyDetails"]["Own"]
    assert told["keyBlockInfo"]["modeOfUse"] == ("T" if use == "rsaPrivate" else "S")
    assert told["keyBlockInfo"]["keyLength"] == 2048
    request = {"exportItemType": "publicKey", "name": "Own", "signatureAlgorithm": "na"}
    item = await pad.success(DEVICE, request)
    assert fits(public(unb64(item["value"])), item["selfSignature"], item["value"])
    assert "signature" not in item


async def test_field_12_the_device_signs_what_it_exports(pad: Dialogue) -> None:
    listed = (await pad.success("Common.Capabilities"))["interfaces"]
    commands = next(one["commands"] for one in listed if one["name"] == "KeyManagement")
    assert commands["KeyManagement.ExportRSADeviceSignedItem"]["versions"]
    await pad.success(PAIR, {"key": "Own"})
    for what in ({"exportItemType": "publicKey", "name": "Own"}, {"exportItemType": "deviceId"}):
        request = {**what, "sigKey": "_EPPSignKey", "signatureAlgorithm": "rsassaPkcs1V15"}
        item = await pad.success(DEVICE, request)
        exported = await pad.success(ISSUER, {"exportItemType": "publicKey", "name": "_EPPSignKey"})
        assert fits(public(unb64(exported["value"])), item["signature"], item["value"])


@pytest.mark.parametrize(
    ("command", "request_", "code"),
    [
        (PAIR, {}, "invalidData"),
        (PAIR, {"key": "K", "modulusLength": 512}, "invalidModulusLength"),
        (PAIR, {"key": "K", "modulusLength": -1}, "invalidData"),
        (PAIR, {"key": "K", "exponentValue": "exponent4"}, "keyGenerationError"),
        (PAIR, {"key": "_EPPCryptKey"}, "duplicateKey"),
        (ISSUER, {}, "invalidData"),
        (ISSUER, {"exportItemType": "publicKey"}, "invalidData"),
        (ISSUER, {"exportItemType": "publicKey", "name": "nobody"}, "keyNotFound"),
        (ISSUER, {"exportItemType": "publicKey", "name": "TestKek"}, "noRSAKeyPair"),
        (DEVICE, {}, "invalidData"),
        (DEVICE, {"exportItemType": "publicKey", "name": "nobody"}, "keyNotFound"),
        (DEVICE, {"exportItemType": "publicKey", "name": "TestKek"}, "noRSAKeyPair"),
        (DEVICE, {"exportItemType": "deviceId", "signatureAlgorithm": "rsassaPss"}, "invalidData"),
        (
            DEVICE,
            {"exportItemType": "deviceId", "signatureAlgorithm": "rsassaPss", "sigKey": "nobody"},
            "keyNotFound",
        ),
        (
            DEVICE,
            {"exportItemType": "deviceId", "signatureAlgorithm": "rsassaPss", "sigKey": "TestKek"},
            "accessDenied",
        ),
    ],
)
async def test_what_cannot_be_made_or_exported_is_refused(
    pad: Dialogue, command: str, request_: dict[str, Any], code: str
) -> None:
    assert await pad.failure(command, request_) == code


async def test_only_what_the_manufacturer_signed_is_exported_so(pad: Dialogue) -> None:
    await pad.success(PAIR, {"key": "Own"})
    request = {"exportItemType": "publicKey", "name": "Own"}
    assert await pad.failure(ISSUER, request) == "accessDenied"


async def test_details_are_told_while_a_key_pair_is_made(pad: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "slowModule", "count": 3600})
    making = await pad.send(PAIR, {"key": "Own"})
    await pad.success("KeyManagement.GetKeyDetail")
    await pad.success("Common.Cancel", {"requestIds": [making]})
    assert (await pad.until("completion", making))["header"]["completionCode"] == "canceled"
    assert "Own" not in (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]


async def test_a_host_authenticates_itself_by_its_signature(pad: Dialogue, simulator: Dialogue) -> None:
    signature, _ = await signed_by_manufacturer(simulator, HOST_PUBLIC)
    await pad.success(IMPORT, host_key(signature))
    start = "KeyManagement.StartAuthenticate"
    for good in (False, True):
        to_sign = unb64((await pad.success(start, {"command": {"initialization": {}}}))["dataToSign"])
        made = HOST.sign(to_sign if good else b"other", padding.PKCS1v15(), hashes.SHA256())
        request = {"authentication": {"method": "sigHost", "key": "Host", "data": b64(made)}}
        if good:
            await pad.success("KeyManagement.Initialization", request)
        else:
            assert await pad.failure("KeyManagement.Initialization", request) == "signatureInvalid"


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_load_keys_from_afar(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    old = await another(pad, nursery, older)
    signature, _ = await signed_by_manufacturer(simulator, HOST_PUBLIC)
    await old.success(IMPORT, host_key(signature))
    await old.success("KeyManagement.StartKeyExchange")
    await old.success(PAIR, {"key": "Own", "use": "rsaPrivateSign", "modulusLength": 2048})
    await old.success(ISSUER, {"exportItemType": "publicKey", "name": "_EPPCryptKey"})
    await old.success(DEVICE, {"exportItemType": "publicKey", "name": "Own"})
