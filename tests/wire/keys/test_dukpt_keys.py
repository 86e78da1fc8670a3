"""DUKPT keys, over the wire: working keys of all lengths, the end of a key, and no transaction made twice."""

from __future__ import annotations

import hmac
import warnings
from pathlib import Path
from typing import Any

import pytest
import trio

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import psec.tr31

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from fingers import pin_entered
from host import KBPK, b64, unb64
from test_key_management import publisher_with
from test_pin_pad import BLOCK, PAN, block

from dialogue import Dialogue, another, dialogue
from xfs4iot.simulator.secure_part import ciphers, dukpt, pin_blocks

ID = "1234567890123456"
TDES_ID = "FFFF9876543210E00000"
IMPORT, DATA = "KeyManagement.ImportKey", "Crypto.CryptoData"
GENERATE, VERIFY = "Crypto.GenerateAuthentication", "Crypto.VerifyAuthentication"
KINDS = 'KeyManagement", "Crypto", "Keyboard", "PinPad'
KSN, ILLEGAL = "KeyManagement.DUKPTKSNEvent", "KeyManagement.IllegalKeyAccessEvent"
Clients = tuple[Dialogue, Dialogue]


def key_block(initial: bytes, algorithm: str = "A", serial: str = ID, usage: str = "B1") -> str:
    """A block with an initial key and its serial number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = psec.tr31.Header("D", usage, algorithm, "X", "00", "E")
        header.blocks["IK" if algorithm == "A" else "KS"] = serial
        return b64(psec.tr31.KeyBlock(KBPK, header).wrap(initial).encode())


async def loaded(pad: Dialogue, value: str, name: str = "K") -> None:
    await pad.success(IMPORT, {"key": name, "value": value, "decryptKey": "TestKbpk"})


async def started(
    nursery: trio.Nursery, directory: Path, more: str = "", state: Path | None = None
) -> Clients:
    key = ("K1", "A", "D", KBPK.hex())
    publisher = await publisher_with(nursery, directory, more, kinds=KINDS, state=state, TestKbpk=key)
    pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    return pad, simulator


async def told(pad: Dialogue) -> bytes:
    return unb64((await pad.until("event", name=KSN))["payload"]["ksn"])


def cmac(key: bytes, data: bytes) -> bytes:
    made = CMAC(AES(key))
    made.update(data)
    return made.finalize()


def deciphered(key: bytes, data: bytes) -> bytes:
    run = Cipher(AES(key), modes.ECB()).decryptor()
    return run.update(data) + run.finalize()


@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("working", [None, 128, 192])
async def test_a_host_reads_what_aes_working_keys_of_each_length_make(
    nursery: trio.Nursery, tmp_path: Path, bits: int, hashed: bool, working: int | None
) -> None:
    more = f"dukpt_hmac = {str(hashed).lower()}\n" + (f"dukpt_bits = {working}" if working else "")
    pad, simulator = await started(nursery, tmp_path, more)
    initial = bytes(range(7, 7 + bits // 8))
    await loaded(pad, key_block(initial))
    length = min(bits, working or bits)

    def key(use: Any, family: str = "aes") -> bytes:
        kind: Any = f"{family}{length}"
        made = bytes(dukpt.working_key("A", initial, ksn, use, kind))
        assert len(made) * 8 == length
        return made

    def mac(use: Any, data: bytes) -> bytes:
        return hmac.digest(key(use, "hmac"), data, "sha256") if hashed else cmac(key(use), data)

    await pin_entered(pad, simulator, "1234")
    made = unb64((await pad.success(BLOCK, block("iso4", "K")))["pinBlock"])
    ksn = await told(pad)
    assert ksn.hex() == ID + "00000001"
    once = ciphers.xor(deciphered(key("pin"), made), pin_blocks.pan_field(PAN))
    assert deciphered(key("pin"), once).hex().startswith("441234aa")
    made = unb64((await pad.success(GENERATE, {"key": "K", "data": b64(b"request")}))["authenticationData"])
    ksn = await told(pad)
    assert made == mac("mac", b"request")
    answer = {"key": "K", "data": b64(b"answer"), "verifyData": b64(mac("verifyMac", b"answer"))}
    await pad.success(VERIFY, answer)
    assert await told(pad) == ksn
    assert await pad.failure(VERIFY, {**answer, "verifyData": b64(mac("mac", b"answer"))}) == "macInvalid"
    await told(pad)
    request = {"key": "K", "cryptoMethod": "ecb", "data": b64(bytes(16)), "modeOfUse": "E"}
    made = unb64((await pad.success(DATA, request))["data"])
    ksn = await told(pad)
    assert deciphered(key("encrypt"), made) == bytes(16)
    made = unb64((await pad.success(DATA, {**request, "modeOfUse": "D"}))["data"])
    assert made == deciphered(key("decrypt"), bytes(16))


LAST = {"A": (ID + "FFFF0000", 32), "T": ("FFFF9876543210FFFC00", 16)}
"""Serial numbers of the last transaction, and lengths of keys."""
ENDED = {
    BLOCK: "dukptOverflow",
    DATA: "accessDenied",
    GENERATE: "accessDenied",
}


@pytest.mark.parametrize("algorithm", LAST)
@pytest.mark.parametrize("command", ENDED)
async def test_a_key_that_has_come_to_its_end_says_so_to_everybody(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, algorithm: str, command: str
) -> None:
    bystander = await another(pad, nursery)
    serial, length = LAST[algorithm]
    await loaded(pad, key_block(bytes(range(length)), algorithm, serial))
    await pin_entered(pad, simulator, "1234")
    requests = {
        BLOCK: block("iso4" if algorithm == "A" else "iso0", "K"),
        DATA: {"key": "K", "cryptoMethod": "ecb", "data": b64(bytes(16)), "modeOfUse": "E"},
        GENERATE: {"key": "K", "data": b64(b"request")},
    }
    assert await pad.failure(command, requests[command]) == ENDED[command]
    event = await bystander.until("unsolicited", name=ILLEGAL)
    assert event["payload"] == {"keyName": "K", "errorCode": "dukptOverflow"}
    # The answer to the last transaction can still be read.
    await pad.success(DATA, {**requests[DATA], "modeOfUse": "D"})
    assert (await told(pad)).hex().upper() == serial
    # It is told once for each refused use.
    bystander.passed.clear()
    await bystander.success("Common.Status")
    assert ILLEGAL not in [message["header"]["name"] for message in bystander.passed]


async def numbers(pad: Dialogue, name: str, count: int = 2) -> list[bytes]:
    found = []
    for _ in range(count):
        await pad.success(GENERATE, {"key": name, "data": b64(b"request")})
        found.append(await told(pad))
    return found


@pytest.mark.parametrize(("algorithm", "serial"), [("A", ID), ("T", TDES_ID)])
async def test_a_recorded_key_that_comes_again_goes_on_counting(
    tmp_path: Path, algorithm: str, serial: str
) -> None:
    value = key_block(bytes(range(16)), algorithm, serial)
    seen: list[bytes] = []
    for life in range(2):
        async with trio.open_nursery() as nursery:
            pad, _ = await started(nursery, tmp_path, state=tmp_path)
            if not life:
                await loaded(pad, value)
            seen += await numbers(pad, "K")
            await loaded(pad, value)
            seen += await numbers(pad, "K")
            await loaded(pad, value, "Second")
            for name in ("Second", "K", "Second"):
                seen += await numbers(pad, name, 1)
            await pad.success("KeyManagement.DeleteKey", {"key": "K"})
            await pad.success("KeyManagement.Initialization")
            await loaded(pad, value)
            seen += await numbers(pad, "K")
            nursery.cancel_scope.cancel()
    assert seen == sorted(set(seen))


async def test_a_key_counts_for_each_device_that_it_is_for(pad: Dialogue) -> None:
    for serial in (ID, "1234567890123457"):
        await loaded(pad, key_block(bytes(range(16)), serial=serial))
        assert (await numbers(pad, "K", 1))[0].hex() == serial + "00000001"


@pytest.mark.parametrize("command", [VERIFY, DATA])
async def test_nothing_is_read_by_a_key_that_has_made_no_transaction(pad: Dialogue, command: str) -> None:
    await loaded(pad, key_block(bytes(range(16))))
    request = {"key": "K", "data": b64(bytes(16))}
    more = {"verifyData": b64(bytes(16))} if command == VERIFY else {"cryptoMethod": "ecb", "modeOfUse": "D"}
    assert await pad.failure(command, {**request, **more}) == "accessDenied"
