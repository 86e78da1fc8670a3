"""What Capabilities offer works: each usage, algorithm, mode of use and method once, over the wire."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fingers import pin_entered
from host import KBPK, KEK, b64, block, ecb, imported, unb64

from dialogue import Dialogue
from xfs4iot.simulator.secure_part import macs

HOST = rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
LENGTHS = {"D": 8, "T": 16, "A": 16, "H": 32}
SOUGHT = b"sixteen bytes ofsixteen bytes of"
PAN = "4111111111111111"
CUSTOMER = {"iso4": PAN, "iso1": "1234567890", "dieboldCo": "11", "emv": "0123456789ABCDEF"}


async def told(pad: Dialogue, interface: str) -> dict[str, Any]:
    found: dict[str, Any] = (await pad.success("Common.Capabilities"))[interface]
    return found


def kinds(table: dict[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each kind of key of a table of attributes, as `D0 T E`, and what stands there."""
    for usage, algorithms in (table or {}).items():
        for algorithm, modes in algorithms.items():
            for mode, more in modes.items():
                yield f"{usage} {algorithm} {mode}", more or {}


def methods(more: dict[str, Any], name: str = "cryptoMethod") -> list[str]:
    return [method for method, there in (more.get(name) or {}).items() if there]


async def loaded(pad: Dialogue, kind: str, length: int | None = None) -> str:
    """A key of a kind, in the place of the one before: a new value, or a host's public key."""
    algorithm = kind.split()[1]
    value = HOST if algorithm == "R" else os.urandom(length or LENGTHS[algorithm])
    await pad.completion("KeyManagement.DeleteKey", {"key": "K"})
    await imported(pad, "K", kind, value)
    return "K"


async def signing(pad: Dialogue) -> str:
    """A key pair that signs; it can only be made in the device."""
    await pad.completion("KeyManagement.DeleteKey", {"key": "Pair"})
    await pad.success("KeyManagement.GenerateRSAKeyPair", {"key": "Pair", "use": "rsaPrivateSign"})
    return "Pair"


async def test_each_kind_of_key_that_is_offered_is_taken(pad: Dialogue) -> None:
    offered = [kind for kind, _ in kinds((await told(pad, "keyManagement"))["keyAttributes"])]
    assert len(offered) > 50
    for kind in offered:
        await loaded(pad, kind)
        detail = await pad.success("KeyManagement.GetKeyDetail", {"keyName": "K"})
        found = detail["keyDetails"]["K"]["keyBlockInfo"]
        assert " ".join(found[name] for name in ("keyUsage", "algorithm", "modeOfUse")) == kind


async def test_each_method_by_which_keys_are_encrypted_opens_one(pad: Dialogue) -> None:
    offered = (await told(pad, "keyManagement"))["decryptAttributes"]
    assert set(offered) == {"A", "R", "T"}
    mac_key = os.urandom(16)
    await imported(pad, "Host", "M6 A V", mac_key)
    for algorithm in ("A", "T"):
        value = os.urandom(LENGTHS[algorithm])
        await imported(pad, "Kek", f"K0 {algorithm} D", value)
        for method in methods(offered[algorithm], "decryptMethod"):
            # A value that was never a key: whatever it decrypts to is one. All but ECB need a MAC.
            made = os.urandom(16)
            request = {
                "key": "K",
                "value": b64(made),
                "verifyKey": "Host",
                "verificationData": b64(macs.cmac("A", mac_key, made)),
                "decryptKey": "Kek",
                "decryptMethod": method,
                "keyAttributes": {
                    "keyUsage": "D0",
                    "algorithm": "A",
                    "modeOfUse": "B",
                },
            }
            await pad.completion("KeyManagement.DeleteKey", {"key": "K"})
            await pad.success("KeyManagement.ImportKey", request)
    assert set(methods(offered["R"], "decryptMethod")) == {"rsaesPkcs1V15", "rsaesOaep"}


async def test_each_way_to_encrypt_data_that_is_offered_works(pad: Dialogue) -> None:
    seen = 0
    for kind, more in kinds((await told(pad, "crypto"))["cryptoAttributes"]):
        for method in methods(more):
            key = await loaded(pad, kind, 32 if method == "xts" else None)
            request: dict[str, Any] = {"key": key, "cryptoMethod": method, "data": b64(SOUGHT)}
            if method not in ("ecb",) and not method.startswith("rsaes"):
                size = 16 if kind.split()[1] == "A" else 8
                request["iv"] = {"value": b64(os.urandom(size))}
            for mode in {"B": "ED", "X": "ED"}.get(kind[-1], kind[-1]):
                made = await pad.success("Crypto.CryptoData", {**request, "modeOfUse": mode})
                assert unb64(made["data"]) != SOUGHT
                seen += 1
    assert seen > 100


async def test_each_way_to_authenticate_data_that_is_offered_works(pad: Dialogue) -> None:
    crypto = await told(pad, "crypto")
    made: dict[tuple[str, str], dict[str, Any]] = {}
    for kind, more in kinds(crypto["authenticationAttributes"]):
        usage, algorithm, mode = kind.split()
        key = await signing(pad) if algorithm == "R" else await loaded(pad, kind)
        for method in methods(more) or [None]:
            for digest in methods(more, "hashAlgorithm") or [None]:
                request: dict[str, Any] = {"key": key, "data": b64(SOUGHT)}
                if method is not None:
                    request |= {"cryptoMethod": method, "hashAlgorithm": digest}
                answer = await pad.success("Crypto.GenerateAuthentication", request)
                assert len(unb64(answer["authenticationData"])) >= 8
                if mode in "CX":
                    if mode == "C":
                        request["verifyData"] = answer["authenticationData"]
                        await pad.success("Crypto.VerifyAuthentication", request)
                    made[usage, algorithm] = request
    assert {usage for usage, _ in made} >= {"M0", "M1", "M2", "M3", "M4", "M6", "M7", "B0", "B1"}


async def test_each_way_to_verify_data_that_is_offered_works(pad: Dialogue) -> None:
    for kind, more in kinds((await told(pad, "crypto"))["verifyAttributes"]):
        algorithm = kind.split()[1]
        key = await loaded(pad, kind)
        if kind[-1] == "X":
            # What is verified answers a transaction.
            await pad.success("Crypto.GenerateAuthentication", {"key": key, "data": b64(SOUGHT)})
        for method in methods(more) or [None]:
            for digest in methods(more, "hashAlgorithm") or [None]:
                request = {"key": key, "data": b64(SOUGHT), "verifyData": b64(bytes(256))}
                if method is not None:
                    request |= {"cryptoMethod": method, "hashAlgorithm": digest}
                # It is verified, and it is not right: what is not offered says so.
                wrong = "signatureInvalid" if algorithm == "R" else "macInvalid"
                assert await pad.failure("Crypto.VerifyAuthentication", request) == wrong, kind


async def test_each_pin_block_that_is_offered_is_made(pad: Dialogue, simulator: Dialogue) -> None:
    pin_pad = await told(pad, "pinPad")
    formats = [name for name, there in pin_pad["pinFormats"].items() if there]
    assert len(formats) == 13
    made = set()
    for kind, more in kinds(pin_pad["pinBlockAttributes"]):
        algorithm = kind.split()[1]
        await loaded(pad, kind)
        for format in formats:
            if {"iso4": "A", "emv": "R"}.get(format, "T") != algorithm:
                continue
            await pin_entered(pad, simulator, "7305")
            request: dict[str, Any] = {
                "key": "K",
                "format": format,
                "customerData": CUSTOMER.get(format, "411111111111"),
                "padding": 9 if format in ("visa", "visa3") else 15,
            }
            if methods(more):
                request["cryptoMethod"] = methods(more)[0]
            answer = await pad.success("PinPad.GetPinBlock", request)
            assert len(unb64(answer["pinBlock"])) in (8, 16, 256)
            made.add((kind, format))
    assert {format for _, format in made} == set(formats)
    assert {kind for kind, _ in made} == {kind for kind, _ in kinds(pin_pad["pinBlockAttributes"])}


async def test_each_key_that_verifies_an_import_does(pad: Dialogue) -> None:
    for kind, more in kinds((await told(pad, "keyManagement"))["verifyAttributes"]):
        value = HOST if kind.split()[1] == "R" else os.urandom(LENGTHS[kind.split()[1]])
        await pad.completion("KeyManagement.DeleteKey", {"key": "V"})
        await imported(pad, "V", kind, value)
        request: dict[str, Any] = {
            "key": "K",
            "value": block("D0 A B", os.urandom(16)),
            "decryptKey": "TestKbpk",
            "verifyKey": "V",
            "verificationData": b64(bytes(256)),
        }
        for method in methods(more) or [None]:
            for digest in methods(more, "hashAlgorithm") or [None]:
                if method is not None:
                    request["verifyAttributes"] = {"cryptoMethod": method, "hashAlgorithm": digest}
                # It is looked at, and it is wrong.
                assert await pad.failure("KeyManagement.ImportKey", request) == "signatureInvalid", kind


def test_the_keys_of_the_profile_are_those_of_the_host() -> None:
    assert len(KBPK) == 32
    assert ecb("T", KEK, bytes(8)) != bytes(8)
