"""Names that the standard gives to the device's own keys: no client brings, replaces or deletes such a key.

`_HostCert` is not there until a host's certificate is loaded: whoever came first with a key of that name
would be taken for the host, or lose the key to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import test_remote_loading as remote
import trio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fingers import secure_entered
from host import KEK, b64, block, ecb, imported, unb64
from test_certificates import AES, HOST, TOKEN, bound, device_certificate, issued, random_of
from test_key_management import Module
from tr34 import token

from dialogue import Dialogue, another
from vendors import serving
from xfs4iot import devices

IMPORT, DETAIL = "KeyManagement.ImportKey", "KeyManagement.GetKeyDetail"
NAMES = ("_HostCert", "_SigIssuerVendor", "_EPPCryptKey", "_EPPSignKey")
PART = bytes(range(16))
PUBLIC = HOST.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
Way = Callable[["Host", str], Awaitable[tuple[str, dict[str, Any]]]]


class Host:
    """Who loads keys, by all ways.

    Attributes:
        found: the certificate of the host, if it is bound to the device, and what came with it.
        tokens: how many were made.
    """

    def __init__(self, pad: Dialogue, old: Dialogue, simulator: Dialogue) -> None:
        self.pad, self.old, self.simulator = pad, old, simulator
        self.found: dict[str, bytes] = {}
        self.tokens = 0

    def client(self, command: str) -> Dialogue:
        return self.old if command == "KeyManagement.DeriveKey" else self.pad


async def by_key_block(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    return IMPORT, {"value": block("D0 A B", AES), "decryptKey": "TestKbpk"}


async def by_signing_key_block(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    return IMPORT, {"value": block("S0 R V", PUBLIC), "decryptKey": "TestKbpk"}


async def under_a_key(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    attributes = {"keyUsage": "D0", "algorithm": "T", "modeOfUse": "B"}
    value = b64(ecb("T", KEK, PART))
    return IMPORT, {
        "keyAttributes": attributes, "value": value, "decryptKey": "TestKek", "decryptMethod": "ecb"
    }  # fmt: skip


async def in_the_clear(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    attributes = {"keyUsage": "K3", "algorithm": "R", "modeOfUse": "E"}
    return IMPORT, {"keyAttributes": attributes, "value": b64(PUBLIC)}


async def signed_by_the_manufacturer(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    signature, _ = await remote.signed_by_manufacturer(host.simulator, remote.HOST_PUBLIC)
    return IMPORT, remote.host_key(signature)


async def by_rsa(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    signature, _ = await remote.signed_by_manufacturer(host.simulator, remote.HOST_PUBLIC)
    await host.pad.success(IMPORT, remote.host_key(signature))
    return IMPORT, await remote.transport_key(host.pad)


async def in_parts(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    await secure_entered(host.pad, host.simulator, PART)
    attributes = {"keyUsage": "D0", "algorithm": "T", "modeOfUse": "B"}
    return IMPORT, {"keyAttributes": attributes, "constructing": True}


async def by_a_card_scheme(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    request = {"keyUsage": "E0", "importScheme": "plainCA", "value": b64(PUBLIC)}
    return "KeyManagement.ImportEmvPublicKey", request


async def as_a_pair(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    return "KeyManagement.GenerateRSAKeyPair", {"use": "rsaPrivateSign", "modulusLength": 2048}


async def derived(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    await imported(host.pad, "KGK", "K0 T X", bytes(range(16, 32)))
    request = {"derivationAlgorithm": "chipZka", "keyGenKey": "KGK", "inputData": b64(bytes(16))}
    return "KeyManagement.DeriveKey", request


async def by_token(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    own = await device_certificate(host.pad)
    random = await random_of(host.pad)
    header = "D0112K0AB00E0000"
    made = token(AES, header, HOST, host.found["certificate"], own, random=random)
    return TOKEN, {"keyToken": b64(made), "keyUsage": "K0", "loadOption": "random"}


async def by_a_token_that_says_the_name(host: Host, name: str) -> tuple[str, dict[str, Any]]:
    own = await device_certificate(host.pad)
    host.tokens += 1
    header = f"D0112K0AB00E0100LB{len(name) + 4:02X}{name}"
    time = datetime.now(UTC) + timedelta(seconds=host.tokens)
    crl = host.found["revocationList"]
    made = token(AES, header, HOST, host.found["certificate"], own, time=time, crl=crl)
    return TOKEN, {"key": None, "keyToken": b64(made), "loadOption": "noRandomCrl"}


WAYS: tuple[Way, ...] = (
    by_key_block,
    by_signing_key_block,
    under_a_key,
    in_the_clear,
    signed_by_the_manufacturer,
    by_rsa,
    in_parts,
    by_a_card_scheme,
    as_a_pair,
    derived,
)
BY_TOKEN: tuple[Way, ...] = (by_token, by_a_token_that_says_the_name)


async def asked(host: Host, way: Way, name: str) -> str | None:
    """How it is answered that a key of this name comes this way; None: it is taken."""
    command, request = await way(host, name)
    request = {k: v for k, v in {"key": name, **request}.items() if v is not None}
    if "key" in request:
        request["key"] = name
    answer = await host.client(command).completion(command, request)
    if answer["header"].get("completionCode", "success") == "success":
        return None
    code: str = answer["payload"]["errorCode"]
    return code


@pytest.mark.parametrize(
    ("way", "with_host"),
    [(way, False) for way in WAYS] + [(way, True) for way in (*WAYS, *BY_TOKEN)],
    ids=lambda one: one.__name__ if callable(one) else str(one),
)
async def test_no_client_brings_a_key_of_a_reserved_name(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, way: Way, with_host: bool
) -> None:
    host = Host(pad, await another(pad, nursery, "2023-2"), simulator)
    if with_host:
        host.found = await bound(pad, simulator)
    before = await pad.success(DETAIL)
    for name in NAMES:
        assert await asked(host, way, name) == "duplicateKey"
    told = await pad.success(DETAIL)
    for name in NAMES:
        assert told["keyDetails"].get(name) == before["keyDetails"].get(name)
    # The name alone was wrong.
    assert await asked(host, way, "Free") is None


@pytest.mark.parametrize("with_host", [False, True])
async def test_no_client_deletes_a_key_of_a_reserved_name(
    pad: Dialogue, simulator: Dialogue, with_host: bool
) -> None:
    if with_host:
        await bound(pad, simulator)
    before = await pad.success(DETAIL)
    assert ("_HostCert" in before["keyDetails"]) is with_host
    for name in NAMES:
        there = name in before["keyDetails"]
        code = "accessDenied" if there else "keyNotFound"
        assert await pad.failure("KeyManagement.DeleteKey", {"key": name}) == code
    for command in ("KeyManagement.DeleteKey", "KeyManagement.Initialization"):
        await pad.success(command)
        assert await pad.success(DETAIL) == before


async def test_a_host_that_came_first_by_its_name_is_not_the_host(pad: Dialogue, simulator: Dialogue) -> None:
    """A public key in the clear, by a card scheme, under the host's name, before there is a host."""
    command, request = await by_a_card_scheme(Host(pad, pad, simulator), "_HostCert")
    assert await pad.failure(command, {"key": "_HostCert", **request}) == "duplicateKey"
    found = await issued(simulator)
    own = await device_certificate(pad)
    made = token(AES, "D0112K0AB00E0000", HOST, found["certificate"], own, random=await random_of(pad))
    wanted = {"keyToken": b64(made), "key": "Master", "keyUsage": "K0", "loadOption": "random"}
    assert await pad.failure(TOKEN, wanted) == "invalidCertState"
    await bound(pad, simulator)
    kind = (await pad.success(DETAIL))["keyDetails"]["_HostCert"]["keyBlockInfo"]
    assert (kind["keyUsage"], kind["algorithm"], kind["modeOfUse"]) == ("S0", "R", "V")
    assert unb64(
        (await pad.success("KeyManagement.GetCertificate", {"getCertificate": "hostkey"}))["certificate"]
    )


async def test_a_vendors_device_need_not_say_that_they_stay(nursery: trio.Nursery) -> None:
    """The service keeps them, whether the device calls them preloaded or not."""

    class Deleting(Module):
        async def delete_key(self, name: str | None, authentication: Any) -> None:
            assert name is None

    device = Deleting("Module")
    attributes = devices.KeyAttributes(usage="S0", algorithm="R", mode_of_use="V")

    async def stored() -> dict[str, devices.StoredKey]:
        return dict.fromkeys((*NAMES, "Own"), devices.StoredKey(attributes))

    device.stored_keys = stored  # type: ignore[method-assign]
    client = await serving(device, nursery)
    for name in NAMES:
        assert await client.failure("KeyManagement.DeleteKey", {"key": name}) == "accessDenied"
    await client.success("KeyManagement.DeleteKey")
    assert (await client.success(DETAIL))["keyDetails"].keys() == set(NAMES)
