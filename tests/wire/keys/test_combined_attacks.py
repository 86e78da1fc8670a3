"""What no command gives away by itself, and several together did: of two interfaces, clients, or tries."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any

import pytest
import test_key_order as order
import trio
from asn1crypto import keys as asn1_keys
from fingers import pin_entered, secure_entered
from host import KBPK, b64, ecb, imported, kcv, unb64
from host import block as key_block
from test_certificates import OTHER, REPLACE, alone, issued
from test_german import SEND
from test_key_lies import ASKED, answered, client_for, lying, prepared, raising
from test_key_management import publisher_with
from test_key_order import Bench
from test_pin_pad import ACCOUNT, BLOCK, PRESENT, TDES, VERIFY, block

from dialogue import Dialogue, another, dialogue
from xfs4iot.interfaces.keys.crypto import Crypto
from xfs4iot.ledger import Ledger
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import macs

bench, client = order.bench, order.client
KEEP = ("PinPad.MaintainPin", {"maintainPIN": True})
IMPORT, EMV = "KeyManagement.ImportKey", "KeyManagement.ImportEmvPublicKey"
PAIR, START = "KeyManagement.GenerateRSAKeyPair", "KeyManagement.StartAuthenticate"


def public(bits: int, exponent_bits: int) -> str:
    """Something as long as a public key."""
    modulus, exponent = (secrets.randbits(long) | 1 | 1 << long - 1 for long in (bits, exponent_bits))
    return b64(asn1_keys.RSAPublicKey({"modulus": modulus, "public_exponent": exponent}).dump())


async def test_no_key_comes_that_is_so_long_that_its_use_stops_everybody(pad: Dialogue) -> None:
    wanted = {"keyUsage": "D1", "algorithm": "R", "modeOfUse": "E"}
    for long in ((4096, 33), (4097, 17), (2048, 2047), (8192, 8191)):
        value = public(*long)
        plain = {"key": "CA", "keyUsage": "E0", "importScheme": "plainCA", "value": value}
        assert await pad.failure(EMV, plain) == "emvVerifyFailed"
        clear = {"key": "D", "keyAttributes": wanted, "value": value}
        assert await pad.failure(IMPORT, clear) == "invalidValue"
    await pad.success(EMV, {**plain, "value": public(4096, 32)})


async def test_a_pin_key_encrypts_nothing_that_a_client_chooses(pad: Dialogue, simulator: Dialogue) -> None:
    """With the block of a PIN between its own two encryptions, the second is of the client's data."""
    await imported(pad, "PEK", "P0 T E", TDES)
    await pad.success(*KEEP)
    chosen = b"my block"

    def twice(between: bytes) -> dict[str, Any]:
        return block(secondEncKey="PEK", xorData=between.hex())

    await pin_entered(pad, simulator, "4321")
    once = unb64((await pad.success(BLOCK, block()))["pinBlock"])
    between = bytes(a ^ b for a, b in zip(once, chosen, strict=True))
    assert await pad.failure(BLOCK, twice(between)) == "accessDenied"
    await pad.success(BLOCK, block(secondEncKey="PEK"))
    # The other way round, and for as long as it is the same entry.
    await pin_entered(pad, simulator, "4321")
    made = unb64((await pad.success(BLOCK, twice(between)))["pinBlock"])
    assert made == ecb("T", TDES, chosen), "one answer of one entry is what there is anyway"
    for request in (block(), block("iso3"), block(secondEncKey="PEK"), twice(bytes(8))):
        assert await pad.failure(BLOCK, request) == "accessDenied"
    await pad.success(BLOCK, twice(between))


async def test_a_chip_is_asked_as_seldom_as_the_device(pad: Dialogue, simulator: Dialogue) -> None:
    """A right PIN gives a chip all its tries back: presented often, it lets others be tried in between."""
    await pad.success(*KEEP)
    await pin_entered(pad, simulator, "1234")
    for _ in range(3):
        await pad.success("PinPad.PresentIDC", PRESENT)
    assert await pad.failure("PinPad.PresentIDC", PRESENT) == "accessDenied"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (VERIFY[:5] + bytes.fromhex("241234FFFFFFFFFF") + bytes(8), (13, 0)),
        (VERIFY + bytes(8), (4, 0)),
        (VERIFY + bytes(8), (5, 1)),
        (bytes.fromhex("00CA008008") + bytes(8), (5, 0)),
        (bytes.fromhex("8020008008") + bytes(8), (5, 0)),
        (bytes.fromhex("0020008010") + bytes(16), (5, 0)),
        (VERIFY[:12], (5, 0)),
    ],
)
async def test_a_pin_is_put_into_nothing_but_its_verification(
    pad: Dialogue, simulator: Dialogue, data: bytes, place: tuple[int, int]
) -> None:
    await pin_entered(pad, simulator, "1234")
    where = {"pinPointer": place[0], "pinOffset": place[1]}
    request = {**PRESENT, "chipData": b64(data), "algorithmData": where}
    assert await pad.failure("PinPad.PresentIDC", request) == "invalidData"


async def test_a_short_mac_stands_for_no_host(pad: Dialogue) -> None:
    """VerifyAuthentication answers as often as it is asked: what was to be signed could be tried there."""
    await imported(pad, "Host", "M3 T V", TDES)
    challenge = await pad.success(START, {"command": {"deleteKey": {}}})
    mac = macs.mac("M3", "T", TDES, unb64(challenge["dataToSign"]))
    tried = {"key": "Host", "data": challenge["dataToSign"], "verifyData": b64(mac[:4])}
    await pad.success("Crypto.VerifyAuthentication", tried)
    for length in (4, 7):
        answer = {"method": "cbcmac", "key": "Host", "data": b64(mac[:length])}
        assert await pad.failure("KeyManagement.DeleteKey", {"authentication": answer}) == "invalidData"
    value = ecb("T", bytes.fromhex("89E88CF7931444F334BD7547FC3F380C"), bytes(range(16)))
    request = {
        "key": "New",
        "value": b64(value),
        "decryptKey": "TestKek",
        "decryptMethod": "ecb",
        "keyAttributes": {"keyUsage": "D0", "algorithm": "T", "modeOfUse": "B"},
        "verifyKey": "Host",
        "verificationData": b64(macs.mac("M3", "T", TDES, value)[:4]),
    }
    assert await pad.failure(IMPORT, request) == "invalidData"
    await pad.success(IMPORT, {**request, "verificationData": b64(macs.mac("M3", "T", TDES, value))})


PARTS = bytes(range(16)), bytes(range(100, 116)), bytes(range(200, 216))
WANTED = {"key": "X", "keyAttributes": {"keyUsage": "D0", "algorithm": "T", "modeOfUse": "B"}}


async def parts_stored(pad: Dialogue, simulator: Dialogue, *parts: bytes) -> None:
    for part in parts:
        await secure_entered(pad, simulator, part)
        await pad.success(IMPORT, {**WANTED, "constructing": True})


async def test_a_key_that_could_not_be_assembled_keeps_all_its_parts(
    pad: Dialogue, simulator: Dialogue
) -> None:
    """Else whoever enters the next part alone would know the whole key."""
    await parts_stored(pad, simulator, *PARTS[:2])
    await simulator.success("Simulator.Inject", {"fault": "keyStoreFull"})
    assert await pad.failure(IMPORT, WANTED) == "noKeyRam"
    await simulator.success("Simulator.ClearFaults")
    wrong = {"verifyAttributes": {"cryptoMethod": "kcvZero"}, "verificationData": b64(b"abc")}
    assert await pad.failure(IMPORT, {**WANTED, **wrong}) == "invalidValue"
    await parts_stored(pad, simulator, PARTS[2])
    made = await pad.success(IMPORT, WANTED)
    whole = bytes(a ^ b ^ c for a, b, c in zip(*PARTS, strict=True))
    assert unb64(made["verificationData"]) == kcv("T", whole)
    assert await pad.failure(IMPORT, WANTED) == "invalidData"


async def test_no_key_is_made_of_the_last_part_when_those_before_are_lost(
    pad: Dialogue, simulator: Dialogue
) -> None:
    await parts_stored(pad, simulator, *PARTS[:2])
    await simulator.success("Simulator.Inject", {"fault": "tampered"})
    await secure_entered(pad, simulator, PARTS[2])
    assert await pad.failure(IMPORT, {**WANTED, "constructing": True}) == "keyNoValue"
    assert await pad.failure(IMPORT, WANTED) == "keyNoValue"
    await pad.success("KeyManagement.DeleteKey", {"key": "X"})
    await parts_stored(pad, simulator, *PARTS[:2])
    await pad.success(IMPORT, WANTED)


LONG = "K" * 100_000
NAMED: dict[str, Any] = {
    IMPORT: {"key": "X", "value": b64(b"D0112"), "decryptKey": LONG},
    BLOCK: {"format": "iso0", "customerData": ACCOUNT, "key": LONG},
    EMV: {"key": "A", "keyUsage": "E0", "importScheme": "issuer", "value": "AAAA", "verifyKey": LONG},
    "KeyManagement.ExportRSADeviceSignedItem": {"exportItemType": "publicKey", "name": LONG},
}


@pytest.mark.parametrize("command", NAMED)
async def test_no_client_has_long_texts_sent_to_everybody(
    pad: Dialogue, nursery: trio.Nursery, command: str
) -> None:
    bystander = await another(pad, nursery)
    assert await pad.failure(command, NAMED[command]) == "keyNotFound"
    told = await bystander.until("unsolicited", name="KeyManagement.IllegalKeyAccessEvent")
    assert told["payload"]["keyName"] == LONG[:255]


@pytest.mark.parametrize("ended", ["its client went", "it was used", "its time is over"])
async def test_a_pin_that_is_not_overwritten_yet_is_in_no_message_of_another(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, ended: str
) -> None:
    held, seen = bench.device.pins, []

    async def forgets_slowly() -> None:
        await trio.sleep(0.1)
        held.forget()

    async def sends(protocol: str, msg: bytes | None) -> bytes:
        seen.append(held._digits is not None)
        return b"message"

    bench.device.forget_pin = forgets_slowly
    bench.device.secure_msg_send = sends
    other = await another(client, nursery)
    if ended == "its time is over":
        bench.device.pin_seconds = 0.05
    await prepared(bench, client, BLOCK)
    assert held._digits is not None
    match ended:
        case "its client went":
            await client.connection.aclose()
        case "it was used":
            await client.completion("PinPad.LocalDES", order.PIN_PAD["PinPad.LocalDES"].good)
        case _:
            await trio.sleep(0.06)
    await other.success(SEND, {"protocol": "genAs", "msg": b64(b"question")})
    assert seen == [False]


@pytest.mark.parametrize("command", [name for name in ASKED if name.startswith(("Crypto", "PinPad"))])
async def test_an_overflow_where_no_key_is_used_ends_no_service(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, command: str
) -> None:
    asker = await client_for(command, client, nursery)
    await prepared(bench, asker, command)
    overflow = raising(lambda: errors.CommandError("dukptOverflow", "all transactions were made"))
    async with lying(bench, ASKED[command], overflow):
        code, _ = await answered(asker, command)
    assert code in ("commandErrorCode", "hardwareError")
    await client.success("KeyManagement.GetKeyDetail")


async def test_what_sees_a_failure_and_fails_itself_ends_no_service(
    pad: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Crypto, "failed", fails)
    assert await pad.failure("KeyManagement.GetKeyDetail", {"keyName": "nobody"}) == "keyNotFound"


async def test_key_pairs_that_nobody_waits_for_take_no_threads_from_others(pad: Dialogue) -> None:
    """The ledger writes in a thread of the same kind."""
    for number in range(4):
        request = {"key": f"R{number}", "use": "rsaPrivateSign", "modulusLength": 4096}
        done = await pad.completion(PAIR, request, timeout=5)
        assert done["header"]["completionCode"] == "timeOut"
    assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0


async def test_which_authority_is_trusted_is_told_after_a_restart(tmp_path: Path) -> None:
    for turn in range(2):
        async with trio.open_nursery() as nursery:
            publisher = await publisher_with(nursery, tmp_path, state=tmp_path)
            pad = await nursery.start(dialogue, publisher.uri("PinPad"))
            simulator = await nursery.start(dialogue, publisher.uri("Simulator"))
            if turn == 0:
                new = alone((await issued(simulator, OTHER))["certificate"])
                signed = await simulator.success("Simulator.SignAsAuthority", {"data": b64(new)})
                await pad.success(REPLACE, {"replaceCertificate": signed["message"]})
            status = await pad.success("Common.Status")
            assert status["keyManagement"]["certificateState"] == "secondary"
            nursery.cancel_scope.cancel()


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be moved there")
@pytest.mark.posix
async def test_a_key_whose_change_could_not_be_booked_is_used_for_nothing(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    """The device has another key then than the table knows, and may believe what the service has checked."""
    file, away = tmp_path / "ledger.sqlite", tmp_path / "away"
    with Ledger.open(file) as ledger:
        kinds = 'KeyManagement", "Crypto'
        kbpk = ("K0", "A", "D", KBPK.hex())
        publisher = await publisher_with(nursery, tmp_path, ledger=ledger, kinds=kinds, TestKbpk=kbpk)
        pad = await nursery.start(dialogue, publisher.uri("PinPad"))
        for name in ("K", "L"):
            await imported(pad, name, "D0 T B", TDES)
        file.rename(away)
        other = {"key": "K", "value": key_block("M3 T C", bytes(range(16))), "decryptKey": "TestKbpk"}
        assert await pad.failure(IMPORT, other) == "internalError"
        crypt = {"data": b64(bytes(8)), "cryptoMethod": "ecb", "modeOfUse": "E"}
        assert await pad.failure("Crypto.CryptoData", {"key": "K", **crypt}) == "keyNoValue"
        detail = (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]
        assert {name: detail[name]["loaded"] for name in "KL"} == {"K": "unknown", "L": "yes"}
        await pad.success("Crypto.CryptoData", {"key": "L", **crypt})
        away.rename(file)
        await pad.success(IMPORT, other)
        assert await pad.failure("Crypto.CryptoData", {"key": "K", **crypt}) == "useViolation"
        nursery.cancel_scope.cancel()
