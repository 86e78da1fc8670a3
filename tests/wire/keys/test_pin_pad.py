"""PinPad over the wire: PIN blocks that a host reads, PINs verified at the pad, and how long a PIN is
held."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import psec

from fingers import DIGITS, entry, pin_entered
from host import KBPK, b64, imported, unb64
from test_key_management import publisher_with

from dialogue import Dialogue, another, dialogue
from xfs4iot.ledger import Ledger
from xfs4iot.simulator.secure_part import ciphers, dukpt, pin_blocks

BLOCK = "PinPad.GetPinBlock"
TDES = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
AES = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
PAN = "4012345678909123"
ACCOUNT = PAN[-13:-1]


def block(format: str = "iso0", key: str = "PEK", **more: Any) -> dict[str, Any]:
    data = {"iso4": PAN, "iso1": "1234567890", "dieboldCo": "11"}.get(format, ACCOUNT)
    if format in ("ibm3624", "diebold", "eci2", "eci3", "visa", "visa3"):
        data = None
    request = {"format": format, "key": key, "customerData": data, "padding": 12, **more}
    return {name: value for name, value in request.items() if value is not None}


@pytest.mark.parametrize("format", ["ansi", "iso0", "iso1", "iso3", "ibm3624"])
async def test_a_host_reads_the_pin_from_the_block(pad: Dialogue, simulator: Dialogue, format: str) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    await pin_entered(pad, simulator, "730519")
    made = unb64((await pad.success(BLOCK, block(format)))["pinBlock"])
    plain = ciphers.decrypt("T", TDES, made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match format:
            case "iso3":
                assert psec.pinblock.decode_pinblock_iso_3(plain, PAN) == "730519"
            case "iso1":
                assert plain.hex()[:8] == "16730519"
            case "ibm3624":
                assert plain.hex() == "730519" + "c" * 10
            case _:
                assert psec.pinblock.decode_pinblock_iso_0(plain, PAN) == "730519"


@pytest.mark.parametrize(
    ("format", "pin", "expected"),
    [
        ("diebold", "730519", "730519cccccccccc"),
        ("dieboldCo", "730519", "b730519ccccccccc"),
        ("eci2", "7305", "7305cccccccccccc"),
        ("eci3", "73051", "573051cccccccccc"),
        ("visa3", "730519", "730519fccccccccc"),
    ],
)
async def test_a_host_reads_the_pin_from_an_older_format(
    pad: Dialogue, simulator: Dialogue, format: str, pin: str, expected: str
) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    await pin_entered(pad, simulator, pin)
    made = unb64((await pad.success(BLOCK, block(format)))["pinBlock"])
    assert ciphers.decrypt("T", TDES, made).hex() == expected


@pytest.mark.parametrize(
    ("data", "counts"),
    [("401234567890912", "234567890912"), (ACCOUNT, ACCOUNT), ("123456789", "000123456789")],
)
async def test_of_a_pan_without_its_check_digit_the_last_12_digits_count(
    pad: Dialogue, simulator: Dialogue, data: str, counts: str
) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    await pin_entered(pad, simulator, "7305")
    made = unb64((await pad.success(BLOCK, block(customerData=data)))["pinBlock"])
    plain = ciphers.decrypt("T", TDES, made)
    assert plain == pin_blocks.plain_block("iso0", [7, 3, 0, 5], counts, 15)


@pytest.mark.parametrize(
    ("pin", "format", "code"), [("730519", "eci2", "formatNotSupported"), ("73", "iso0", "noPin")]
)
async def test_a_pin_that_does_not_fit_its_format_makes_no_block(
    pad: Dialogue, simulator: Dialogue, pin: str, format: str, code: str
) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    active = {name: {} for name in DIGITS} | {"enter": {"terminate": True}}
    await entry(pad, simulator, "Keyboard.PinEntry", {"activeKeys": active}, f"{pin} enter")
    assert await pad.failure(BLOCK, block(format)) == code


async def test_a_host_reads_the_pin_from_format_4(pad: Dialogue, simulator: Dialogue) -> None:
    await imported(pad, "PEK", "P0 A E", AES)
    await pin_entered(pad, simulator, "730519")
    made = unb64((await pad.success(BLOCK, block("iso4")))["pinBlock"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert psec.pinblock.decipher_pinblock_iso_4(AES, made, PAN) == "730519"


async def test_a_block_is_encrypted_twice_with_data_between(pad: Dialogue, simulator: Dialogue) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    await imported(pad, "second", "P0 T E", bytes(range(16)))
    await pin_entered(pad, simulator, "1234")
    between = {"secondEncKey": "second", "xorData": "00112233445566FF"}
    made = unb64((await pad.success(BLOCK, block("iso0", **between)))["pinBlock"])
    once = ciphers.xor(ciphers.decrypt("T", bytes(range(16)), made), bytes.fromhex("00112233445566FF"))
    assert ciphers.decrypt("T", TDES, once) == pin_blocks.plain_block("iso0", [1, 2, 3, 4], ACCOUNT, 15)


@pytest.mark.parametrize("algorithm", ["T", "A"])
async def test_a_block_by_dukpt_tells_its_serial_number_and_counts_over_a_restart(
    tmp_path: Path, algorithm: str
) -> None:
    initial = TDES if algorithm == "T" else AES
    ksn = bytes.fromhex({"T": "FFFF9876543210E00000", "A": "123456789012345600000000"}[algorithm])
    ledger = Ledger.open(None)
    for turn in range(2):
        async with trio.open_nursery() as nursery:
            publisher = await publisher_with(
                nursery,
                tmp_path,
                kinds='KeyManagement", "Keyboard", "PinPad',
                ledger=ledger,
                state=tmp_path,
                TestKbpk=("K1", "A", "D", KBPK.hex()),
            )
            pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
            simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
            if not turn:
                await imported(pad, "K", f"B1 {algorithm} X", initial)
            for _ in range(2):
                await pin_entered(pad, simulator, "1234")
                format = "iso0" if algorithm == "T" else "iso4"
                made = unb64((await pad.success(BLOCK, block(format, "K")))["pinBlock"])
                ksn = dukpt.following(algorithm, ksn)
                event = await pad.until("event", name="KeyManagement.DUKPTKSNEvent")
                assert event["payload"] == {"key": "K", "ksn": b64(ksn)}
                key = dukpt.working_key(algorithm, initial, ksn, "pin")
                if algorithm == "T":
                    expected = pin_blocks.plain_block("iso0", [1, 2, 3, 4], ACCOUNT, 15)
                    assert ciphers.decrypt("T", key, made) == expected
                else:
                    once = ciphers.xor(ciphers.decrypt("A", key, made), pin_blocks.pan_field(PAN))
                    assert ciphers.decrypt("A", key, once).hex().startswith("441234aa")
            nursery.cancel_scope.cancel()


async def dukpt_key_imported(pad: Dialogue, serial_number: str) -> None:
    """Import K, an initial key of TDES whose counter stands at the end of its serial number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = psec.tr31.Header("D", "B1", "T", "X", "00", "E")
        header.blocks["KS"] = serial_number
        value = b64(psec.tr31.KeyBlock(KBPK, header).wrap(TDES).encode())
    request = {"key": "K", "value": value, "decryptKey": "TestKbpk"}
    await pad.success("KeyManagement.ImportKey", request)


async def test_a_dukpt_key_comes_to_its_end(pad: Dialogue, simulator: Dialogue) -> None:
    await dukpt_key_imported(pad, "FFFF9876543210FFFC00")
    await pin_entered(pad, simulator, "1234")
    assert await pad.failure(BLOCK, block("iso0", "K")) == "dukptOverflow"
    event = await pad.until("unsolicited", name="KeyManagement.IllegalKeyAccessEvent")
    assert event["payload"] == {"keyName": "K", "errorCode": "dukptOverflow"}


async def test_the_last_transaction_of_a_dukpt_key_is_its_last(pad: Dialogue, simulator: Dialogue) -> None:
    """The highest counter of ten ones is used once; after it nothing wraps around to the first one."""
    await dukpt_key_imported(pad, "FFFF9876543210FFF400")
    await pin_entered(pad, simulator, "1234")
    await pad.success(BLOCK, block("iso0", "K"))
    event = await pad.until("event", name="KeyManagement.DUKPTKSNEvent")
    assert unb64(event["payload"]["ksn"]).hex().upper() == "FFFF9876543210FFF800"
    for _ in range(2):
        await pin_entered(pad, simulator, "1234")
        assert await pad.failure(BLOCK, block("iso0", "K")) == "dukptOverflow"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format": None}, "invalidData"),
        ({"format": "ap"}, "formatNotSupported"),
        ({"format": "banksys"}, "formatNotSupported"),
        ({"customerData": None}, "invalidData"),
        ({"customerData": "4111111111111111"}, "invalidData"),
        ({"customerData": PAN + "123"}, "invalidData"),
        ({"format": "iso3", "customerData": "12345678901"}, "invalidData"),
        ({"format": "visa", "padding": 10}, "invalidData"),
        ({"format": "dieboldCo", "customerData": "16"}, "invalidData"),
        ({"format": "emv", "customerData": "0123456789ABCDEF"}, "algorithmNotSupported"),
        ({"customerData": "12345678901F"}, "invalidData"),
        ({"format": "ibm3624", "customerData": None, "padding": None}, "invalidData"),
        ({"padding": 16}, "invalidData"),
        ({"padding": -1}, "invalidData"),
        ({"key": None}, "useViolation"),
        ({"key": "nobody"}, "keyNotFound"),
        ({"key": "data"}, "useViolation"),
        ({"key": "aes"}, "algorithmNotSupported"),
        ({"format": "iso4", "customerData": PAN}, "algorithmNotSupported"),
        ({"cryptoMethod": "cbc"}, "cryptoMethodNotSupported"),
        ({"cryptoMethod": "rsaesOaep"}, "cryptoMethodNotSupported"),
        ({"secondEncKey": "nobody"}, "keyNotFound"),
        ({"secondEncKey": "data"}, "useViolation"),
        ({"secondEncKey": "aes"}, "useViolation"),
        ({"secondEncKey": "PEK", "xorData": "00"}, "invalidData"),
        ({"xorData": "banana"}, "invalidData"),
    ],
)
async def test_a_block_that_cannot_be_is_refused_and_leaves_the_pin(
    pad: Dialogue, simulator: Dialogue, change: dict[str, Any], code: str
) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    await imported(pad, "aes", "P0 A E", AES)
    await imported(pad, "data", "D0 T B", bytes(range(16)))
    await pin_entered(pad, simulator, "1234")
    assert await pad.failure(BLOCK, {**block(), **change}) == code
    await pad.success(BLOCK, block())


Do = Callable[[Dialogue, Dialogue], Awaitable[Any]]


async def used(pad: Dialogue, simulator: Dialogue) -> None:
    await pad.success(BLOCK, block())


async def reset(pad: Dialogue, simulator: Dialogue) -> None:
    await pad.success("PinPad.Reset")


async def reset_keyboard(pad: Dialogue, simulator: Dialogue) -> None:
    await pad.success("Keyboard.Reset")


async def data_entered(pad: Dialogue, simulator: Dialogue) -> None:
    request = {"maxLen": 1, "autoEnd": True, "activeKeys": {"one": {}}}
    await entry(pad, simulator, "Keyboard.DataEntry", request, "1")


async def cancelled(pad: Dialogue, simulator: Dialogue) -> None:
    request = {"activeKeys": {"one": {}, "cancel": {"terminate": True}}}
    await entry(pad, simulator, "Keyboard.PinEntry", request, "1 cancel")


async def given_up(pad: Dialogue, simulator: Dialogue) -> None:
    await pad.success("PinPad.MaintainPin", {"maintainPIN": False})


async def lost(pad: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "pinLost"})


@pytest.mark.parametrize("end", [used, reset, reset_keyboard, data_entered, cancelled, given_up, lost])
async def test_a_pin_is_gone_after(pad: Dialogue, simulator: Dialogue, end: Do) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    assert await pad.failure(BLOCK, block()) == "noPin"
    await pin_entered(pad, simulator, "1234")
    await end(pad, simulator)
    assert await pad.failure(BLOCK, block()) == "noPin"


async def test_a_maintained_pin_is_used_again(pad: Dialogue, simulator: Dialogue) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    await pad.success("PinPad.MaintainPin", {"maintainPIN": True})
    await pin_entered(pad, simulator, "1234")
    first = await pad.success(BLOCK, block())
    await data_entered(pad, simulator)
    assert await pad.success(BLOCK, block()) == first
    await given_up(pad, simulator)
    assert await pad.failure(BLOCK, block()) == "noPin"


async def test_a_pin_is_its_clients_and_ends_with_it(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery
) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    other = await another(pad, nursery)
    await pin_entered(pad, simulator, "1234")
    assert await other.failure(BLOCK, block()) == "noPin"
    await pad.success(BLOCK, block())
    await pin_entered(other, simulator, "1234")
    await other.connection.aclose()
    assert await pad.failure(BLOCK, block()) == "noPin"


async def test_a_pin_ends_with_its_time(nursery: trio.Nursery, tmp_path: Path) -> None:
    publisher = await publisher_with(
        nursery,
        tmp_path,
        "pin_seconds = 0.05",
        kinds='KeyManagement", "Keyboard", "PinPad',
        PEK=("P0", "T", "E", TDES.hex()),
    )
    pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    await pin_entered(pad, simulator, "1234")
    await trio.sleep(0.1)
    assert await pad.failure(BLOCK, block()) == "noPin"


async def test_a_device_that_must_know_before_gets_to_know(nursery: trio.Nursery, tmp_path: Path) -> None:
    publisher = await publisher_with(
        nursery,
        tmp_path,
        "set_pinblock_data_required = true",
        kinds='KeyManagement", "Keyboard", "PinPad',
        PEK=("P0", "T", "E", TDES.hex()),
    )
    pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    active = {"activeKeys": {"one": {}, "enter": {"terminate": True}}}
    assert await pad.failure("Keyboard.PinEntry", active) == "sequenceError"
    assert await pad.failure(BLOCK, block()) == "sequenceError"
    prepare = "PinPad.SetPinBlockData"
    for change, code in (
        ({"format": "ap"}, "formatNotSupported"),
        ({"key": "nobody"}, "keyNotFound"),
        ({"format": "iso4", "customerData": PAN}, "useViolation"),
        ({"cryptoMethod": "cbc"}, "unsupportedData"),
    ):
        assert await pad.failure(prepare, {**block(), **change}) == code
    await pad.success(prepare, block())
    await pin_entered(pad, simulator, "1234")
    assert await pad.failure(BLOCK, block("iso3")) == "invalidData"
    await pad.success(BLOCK, block())
    assert await pad.failure(BLOCK, block()) == "sequenceError"


async def test_a_device_that_need_not_know_before_has_no_such_command(pad: Dialogue) -> None:
    assert await pad.failure("PinPad.SetPinBlockData", block()) == "unsupportedCommand"


TABLE = "1234567890123456"
DES = {
    "validationData": PAN,
    "padding": "0F",
    "maxPIN": 4,
    "valDigits": 4,
    "noLeadingZero": False,
    "key": "PVK",
    "decTable": TABLE,
}
NATURAL = pin_blocks.ibm3624_pin(TDES, PAN, TABLE, 4)


@pytest.mark.parametrize(
    ("pin", "offset", "result"),
    [
        (NATURAL, None, True),
        (NATURAL, "0000", True),
        ("".join(str((int(d) + 1) % 10) for d in NATURAL), "1111", True),
        ("".join(str((int(d) + 1) % 10) for d in NATURAL), None, False),
        (NATURAL[:3] + str((int(NATURAL[3]) + 1) % 10), None, False),
    ],
)
async def test_a_pin_is_verified_by_ibm_3624(
    pad: Dialogue, simulator: Dialogue, pin: str, offset: str | None, result: bool
) -> None:
    await imported(pad, "PVK", "V1 T V", TDES)
    await pin_entered(pad, simulator, pin)
    request = {**DES, **({"offset": offset} if offset else {})}
    assert (await pad.success("PinPad.LocalDES", request))["result"] is result
    assert await pad.failure("PinPad.LocalDES", request) == "noPin"


PVV = pin_blocks.pvv(TDES, PAN[-12:-1], "1", [1, 2, 3, 4])
VISA = {"pan": "0" * 11 + PAN[-12:-1] + "1", "pvv": PVV, "key": "PVK"}


@pytest.mark.parametrize(("pin", "result"), [("1234", True), ("1235", False)])
async def test_a_pin_is_verified_by_its_pvv(
    pad: Dialogue, simulator: Dialogue, pin: str, result: bool
) -> None:
    await imported(pad, "PVK", "V2 T V", TDES)
    await pin_entered(pad, simulator, pin)
    assert (await pad.success("PinPad.LocalVisa", VISA))["result"] is result


@pytest.mark.parametrize(
    ("command", "request_", "change", "code"),
    [
        ("LocalDES", DES, {"validationData": None}, "invalidData"),
        ("LocalDES", DES, {"validationData": "12"}, "invalidData"),
        ("LocalDES", DES, {"decTable": "123"}, "invalidData"),
        ("LocalDES", DES, {"padding": "zz"}, "invalidData"),
        ("LocalDES", DES, {"padding": None}, "invalidData"),
        ("LocalDES", DES, {"maxPIN": None}, "invalidData"),
        ("LocalDES", DES, {"valDigits": 5}, "invalidData"),
        ("LocalDES", DES, {"offset": "FF"}, "invalidData"),
        ("LocalDES", DES, {"offset": "12345"}, "invalidData"),
        ("LocalDES", DES, {"key": "nobody"}, "keyNotFound"),
        ("LocalDES", DES, {"key": "PEK"}, "useViolation"),
        ("LocalDES", DES, {"keyEncKey": "PEK"}, "unsupportedData"),
        ("LocalVisa", VISA, {"pan": "123"}, "invalidData"),
        ("LocalVisa", VISA, {"pvv": None}, "invalidData"),
        ("LocalVisa", VISA, {"pvv": "12"}, "invalidData"),
        ("LocalVisa", VISA, {"key": None}, "invalidData"),
        ("LocalVisa", VISA, {"key": "nobody"}, "keyNotFound"),
        ("LocalVisa", VISA, {"key": "PEK"}, "useViolation"),
        ("LocalVisa", VISA, {"keyEncKey": b64(TDES)}, "unsupportedData"),
    ],
)
async def test_a_verification_that_cannot_be_is_refused(
    pad: Dialogue, command: str, request_: dict[str, Any], change: dict[str, Any], code: str
) -> None:
    await imported(pad, "PVK", "V0 T V", TDES)
    await imported(pad, "PEK", "P0 T E", bytes(range(16)))
    assert await pad.failure(f"PinPad.{command}", {**request_, **change}) == code


async def test_a_host_cannot_find_a_pin_out_by_trying(pad: Dialogue, simulator: Dialogue) -> None:
    await imported(pad, "PVK", "V2 T V", TDES)
    await pad.success("PinPad.MaintainPin", {"maintainPIN": True})
    await pin_entered(pad, simulator, "1234")
    for _ in range(3):
        await pad.success("PinPad.LocalVisa", VISA)
    assert await pad.failure("PinPad.LocalVisa", VISA) == "accessDenied"
    await pin_entered(pad, simulator, "1234")
    await pad.success("PinPad.LocalVisa", VISA)


VERIFY = bytes.fromhex("0020008008") + bytes(8)
PRESENT = {
    "presentAlgorithm": "presentClear",
    "chipProtocol": "chipT1",
    "chipData": b64(VERIFY),
    "algorithmData": {"pinPointer": 5, "pinOffset": 0},
}


async def test_a_chip_counts_wrong_pins_until_it_is_blocked(pad: Dialogue, simulator: Dialogue) -> None:
    answers = []
    for pin in ("1234", "9999", "1234", "9999", "9999", "9999", "1234"):
        await pin_entered(pad, simulator, pin)
        found = await pad.success("PinPad.PresentIDC", PRESENT)
        assert found["chipProtocol"] == "chipT1"
        answers.append(unb64(found["chipData"]).hex())
    assert answers == ["9000", "63c2", "9000", "63c2", "63c1", "6983", "6983"]
    assert await pad.failure("PinPad.PresentIDC", PRESENT) == "noPin"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"presentAlgorithm": None}, "invalidData"),
        ({"chipProtocol": None}, "invalidData"),
        ({"chipProtocol": "chipT9"}, "protocolNotSupported"),
        ({"chipData": None}, "invalidData"),
        ({"algorithmData": None}, "invalidData"),
        ({"algorithmData": {"pinPointer": 6, "pinOffset": 0}}, "invalidData"),
        ({"algorithmData": {"pinPointer": 0, "pinOffset": 5}}, "invalidData"),
    ],
)
async def test_a_pin_is_given_to_a_chip_where_it_fits(
    pad: Dialogue, simulator: Dialogue, change: dict[str, Any], code: str
) -> None:
    await pin_entered(pad, simulator, "1234")
    assert await pad.failure("PinPad.PresentIDC", {**PRESENT, **change}) == code


async def test_the_approval_of_the_device_is_told(pad: Dialogue) -> None:
    assert (await pad.success("PinPad.GetQueryPCIPTSDeviceId"))["modelIdentifier"] == "simulated"


async def test_maintaining_must_be_said(pad: Dialogue) -> None:
    assert await pad.failure("PinPad.MaintainPin", {}) == "invalidData"


async def test_a_locked_module_denies_access(pad: Dialogue, simulator: Dialogue) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    await imported(pad, "PVK", "V0 T V", bytes(range(16)))
    for command, request in (
        (BLOCK, block()),
        ("PinPad.LocalDES", DES),
        ("PinPad.LocalVisa", VISA),
        ("PinPad.PresentIDC", PRESENT),
    ):
        await pin_entered(pad, simulator, "1234")
        await simulator.success("Simulator.Inject", {"fault": "accessDenied"})
        assert await pad.failure(command, request) == "accessDenied"
        await simulator.success("Simulator.ClearFaults")


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_get_pin_blocks(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    await imported(pad, "PEK", "P0 T E", TDES)
    old = await another(pad, nursery, older)
    await pin_entered(old, simulator, "1234")
    made = await old.success(BLOCK, block())
    expected = pin_blocks.plain_block("iso0", [1, 2, 3, 4], ACCOUNT, 15)
    assert ciphers.decrypt("T", TDES, unb64(made["pinBlock"])) == expected
    await old.success("PinPad.MaintainPin", {"maintainPIN": False})
    await old.success("PinPad.GetQueryPCIPTSDeviceId")
    await old.success("PinPad.Reset")


async def test_no_pin_and_no_pan_reach_a_log(
    pad: Dialogue, simulator: Dialogue, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await imported(pad, "PEK", "P0 T E", TDES)
        await pin_entered(pad, simulator, "730519")
        made = (await pad.success(BLOCK, block()))["pinBlock"]
        await pad.failure(BLOCK, block(customerData=PAN))
    for form in ("730519", PAN, ACCOUNT, made, TDES.hex()):
        assert form not in caplog.text
