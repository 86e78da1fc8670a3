"""The checks of KeyManagement, Crypto, Keyboard, PinPad and German answer in their order; nothing odd stops
them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from fingers import DIGITS
from host import KBPK, KEK, b64, ecb, imported

from dialogue import Dialogue
from order import Break, Command, Pair, pairs
from traffic import catalogue
from vendors import serving
from xfs4iot import devices
from xfs4iot.interfaces.keys.crypto import Crypto
from xfs4iot.interfaces.keys.german import German
from xfs4iot.interfaces.keys.key_management import KeyManagement
from xfs4iot.interfaces.keys.keyboard import Keyboard
from xfs4iot.interfaces.keys.pin_pad import PinPad
from xfs4iot.simulator.crypto import SimulatedCrypto
from xfs4iot.simulator.german import SimulatedGerman
from xfs4iot.simulator.key_management import SimulatedKeyManagement
from xfs4iot.simulator.keyboard import SimulatedKeyboard
from xfs4iot.simulator.pin_pad import SimulatedPinPad

AES, TDES = bytes(range(16)), bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
INTERFACES = (KeyManagement, Crypto, Keyboard, PinPad, German)


class Pad(SimulatedKeyManagement, SimulatedCrypto, SimulatedKeyboard, SimulatedPinPad, SimulatedGerman):
    """The simulated PIN pad, with public keys of card schemes, which must know what a PIN is for."""

    emv_import_schemes = frozenset({"plainCA", "issuer"})
    importable = SimulatedKeyManagement.importable | {("E1", "R", "V")}

    def __init__(self) -> None:
        keys = {
            "TestKbpk": {"usage": "K1", "algorithm": "A", "mode_of_use": "D", "value": KBPK.hex()},
            "TestKek": {"usage": "K0", "algorithm": "T", "mode_of_use": "D", "value": KEK.hex()},
        }
        super().__init__("PinPad", {"keys": keys, "seconds": 0})
        self.set_pinblock_data_required = True

    async def import_emv_public_key(
        self, name: str, usage: str, scheme: str, value: bytes, verify_key: str | None
    ) -> devices.StoredKey:
        attributes = devices.KeyAttributes(usage=usage, algorithm="R", mode_of_use="V")
        return devices.StoredKey(attributes, 1024, expiry_date="20301231")


@dataclass
class Bench:
    """The pad, and its service."""

    device: Pad

    @property
    def host(self) -> Any:
        return self.device._host


@pytest.fixture
def bench() -> Bench:
    return Bench(Pad())


@pytest.fixture
async def client(bench: Bench, nursery: trio.Nursery) -> Dialogue:
    found = await serving(bench.device, nursery)
    keys = (
        ("DATA", "D0 A B", AES),
        ("PEK", "P0 T E", TDES),
        ("AESPEK", "P0 A E", AES),
        ("BOTH", "P0 T B", TDES),
        ("PVK", "V0 T V", TDES),
        ("MAC", "M6 A C", AES),
        ("KGK", "K0 T X", TDES),
        ("AESKGK", "B0 A X", AES),
    )
    for number, (name, kind, key) in enumerate(keys):
        # Each its own: what has encrypted PINs or keys is never a key for something else.
        await imported(found, name, kind, bytes([key[0] ^ number << 1]) + key[1:])
    return found


async def offline(bench: Bench) -> None:
    bench.device.status.common.device = "offline"


async def constructing(bench: Bench) -> None:
    bench.host.interface(KeyManagement).components.name = "other"


async def of_another_purpose(bench: Bench) -> None:
    components = bench.host.interface(KeyManagement).components
    components.stores("K", devices.KeyAttributes(usage="K0", algorithm="T", mode_of_use="D"))
    components.stores("K", components.attributes)


async def entered_by_another(bench: Bench) -> None:
    bench.host.interface(KeyManagement).components.was_entered(object())


async def goes_on(bench: Bench) -> None:
    bench.host.interface(KeyManagement).locks.append(lambda: "something goes on")


async def of_another(bench: Bench) -> None:
    german = bench.host.interface(German)
    german._owner, german._until = object(), math.inf


def without(attribute: str, value: Any = frozenset()) -> Any:
    """Let the device lack something."""

    async def lack(bench: Bench) -> None:
        setattr(bench.device, attribute, value)

    return lack


OFFLINE = {"device_ready": Break(before=offline)}
BLOCK16 = b64(bytes(16))
CERTIFICATE = {"keyToken": BLOCK16, "key": "K", "keyUsage": "K0", "loadOption": "random"}
FRAME = {
    "xPos": 0,
    "yPos": 0,
    "xSize": 0,
    "ySize": 0,
    "keys": [{"xPos": 0, "yPos": 0, "xSize": 9, "ySize": 9, "key": "one"}],
}
WITHOUT_KEYS = {"keys active": "no keys have no names"}
NO_ROOM_NEEDED = "a key that is there already needs no room"


def missing(*names: str) -> dict[str, Break]:
    """Properties that are left out."""
    return {f"given {name}": Break({name: None}, says=f"$.{name}") for name in names}


NAMED = {"name given key": Break({"key": None}, says="$.key ")}
BAD_START = {
    "start_value_whole": Break({"iv": {"value": BLOCK16}, "storedKey": "DATA"}, says="two start values"),
    "start_keys_usable": Break({"iv": {"key": "nobody", "value": b64(bytes(8))}}),
    "start_value_fits": Break({"iv": {"value": b64(bytes(8))}}),
    "key exists key": Break({"key": "nobody"}),
}
AUTHENTICATION = {"authentication": {"method": "cmac", "data": BLOCK16}}
HALF = Break({"authentication": {"method": "cmac"}})
PIN_KEYS = {"one": {}, "two": {}}

KEY_MANAGEMENT = {
    "KeyManagement.ImportKey": Command(
        NAMED
        | OFFLINE
        | {
            "parts_in_order": Break(before=constructing, code="sequenceError"),
            "attributes_given": Break({"keyAttributes": None}),
            "parts_of_one_purpose": Break({"value": None}, before=of_another_purpose),
            "decrypt_key_usable": Break({"decryptKey": "nobody"}),
            "decrypt_method_supported": Break({"decryptMethod": "xts"}, code="cryptoMethodNotSupported"),
            "key_block_readable": Break(
                {"decryptMethod": None, "decryptKey": "TestKbpk", "value": b64(b"D0000")},
                code="formatInvalid",
            ),
            "kind_supported": Break({"keyAttributes": {"keyUsage": "C0"}}),
            "verification_possible": Break({"verifyKey": "nobody"}),
            "key_replaceable": Break({"key": "TestKek"}),
            "key_has_room": Break(before=without("key_num", 0)),
            "part entered here": Break({"value": None, "constructing": True}, before=entered_by_another),
        },
        good={
            "key": "K",
            "keyAttributes": {"keyUsage": "P0", "algorithm": "T", "modeOfUse": "E"},
            "value": b64(ecb("T", KEK, TDES)),
            "decryptKey": "TestKek",
            "decryptMethod": "ecb",
        },
        apart={
            "parts_of_one_purpose": "what comes in parts is decrypted by no key",
            "decrypt_method_supported": "a key block has no method",
            "key_replaceable": NO_ROOM_NEEDED,
        },
    ),
    "KeyManagement.GenerateKCV": Command(
        NAMED
        | OFFLINE
        | missing("keyCheckMode")
        | {
            "check_mode_supported": Break(before=without("key_check_modes")),
            "key exists key": Break({"key": "nobody"}),
        },
        good={"key": "PEK", "keyCheckMode": "zero"},
    ),
    "KeyManagement.DeleteKey": Command(
        OFFLINE
        | {
            "key_deletable": Break({"key": "nobody"}),
            "deletion_allowed": HALF,
            "authentication": Break(AUTHENTICATION),
        },
        good={"key": "PEK"},
        together={"deletion_allowed": HALF},
    ),
    "KeyManagement.Initialization": Command(
        OFFLINE
        | {
            "nothing_goes_on": Break(before=goes_on),
            "initialization_allowed": HALF,
            "authentication": Break(AUTHENTICATION),
        },
        together={"initialization_allowed": HALF},
    ),
    "KeyManagement.StartAuthenticate": Command(OFFLINE | {"what_to_authenticate": Break({})}),
    "KeyManagement.GenerateRSAKeyPair": Command(
        NAMED
        | OFFLINE
        | {
            "pair_supported": Break(before=without("key_pairs")),
            "pair_replaceable": Break({"key": "_EPPCryptKey"}),
            "made_key_has_room": Break(before=without("key_num", 0)),
        },
        good={"key": "Own"},
        apart={"pair_replaceable": NO_ROOM_NEEDED},
    ),
    "KeyManagement.ExportRSAIssuerSignedItem": Command(
        OFFLINE
        | missing("exportItemType")
        | {"exported_key_exists": Break({"name": "nobody"}, code="keyNotFound")},
        good={"exportItemType": "publicKey", "name": "_EPPCryptKey"},
    ),
    "KeyManagement.ExportRSADeviceSignedItem": Command(
        OFFLINE
        | missing("exportItemType")
        | {
            "id_exportable": Break({"exportItemType": "deviceId"}, without("signature_scheme")),
            "exported_key_exists": Break({"name": "nobody"}, code="keyNotFound", says="$.name"),
            "signing_key_usable": Break({"signatureAlgorithm": "rsassaPss", "sigKey": "nobody"}),
        },
        good={"exportItemType": "publicKey", "name": "_EPPCryptKey"},
        apart={"id_exportable": "the id has no name"},
    ),
    "KeyManagement.DeriveKey": Command(
        NAMED
        | OFFLINE
        | missing("derivationAlgorithm", "inputData")
        | {
            "name given keyGenKey": Break({"keyGenKey": None}, says="$.keyGenKey"),
            "derivation_start_fits": Break({"iv": {"value": BLOCK16}}),
            "key usable keyGenKey": Break({"keyGenKey": "nobody"}),
            "master_algorithm_fits": Break({"keyGenKey": "AESKGK"}),
            "derived_key_replaceable": Break({"key": "TestKek"}),
            "made_key_has_room": Break(before=without("key_num", 0)),
        },
        good={
            "derivationAlgorithm": "chipZka",
            "key": "Derived",
            "keyGenKey": "KGK",
            "inputData": BLOCK16,
        },
        apart={
            "key usable keyGenKey": "a key that is not there has no algorithm",
            "derived_key_replaceable": NO_ROOM_NEEDED,
        },
    ),
    "KeyManagement.GetCertificate": Command(
        OFFLINE
        | missing("getCertificate")
        | {"certificate_kind_supported": Break(before=without("certificate_types"))},
        good={"getCertificate": "enckey"},
    ),
    "KeyManagement.LoadCertificate": Command(
        OFFLINE
        | missing("loadOption", "signer", "certificateData")
        | {"signer_supported": Break({"signer": "hl"})},
        good={"loadOption": "newHost", "signer": "ca", "certificateData": BLOCK16},
    ),
    "KeyManagement.ReplaceCertificate": Command(
        OFFLINE | missing("replaceCertificate"), good={"replaceCertificate": BLOCK16}
    ),
    "KeyManagement.StartKeyExchange": Command(
        OFFLINE | {"exchange_supported": Break(before=without("signature_scheme"))}
    ),
    "KeyManagement.ImportKeyToken": Command(
        OFFLINE
        | missing("keyToken", "loadOption")
        | {
            "token_named": Break({"key": None}, says="$.key is"),
            "load_option_supported": Break(before=without("crkl_load_options")),
            "token_usage_supported": Break({"keyUsage": "C0"}),
            "token_key_replaceable": Break({"key": "TestKek"}),
            "token_has_room": Break(before=without("key_num", 0)),
        },
        good=CERTIFICATE,
        apart={"token_key_replaceable": NO_ROOM_NEEDED},
    ),
    "KeyManagement.ImportEmvPublicKey": Command(
        NAMED
        | OFFLINE
        | missing("keyUsage", "importScheme", "value")
        | {
            "emv_scheme_supported": Break({"importScheme": "icc"}),
            "emv_usage_supported": Break({"keyUsage": "99"}),
            "emv_verify_key_usable": Break({"verifyKey": "nobody"}, code="keyNotFound"),
            "emv_key_replaceable": Break({"key": "TestKek"}),
            "emv_key_has_room": Break(before=without("key_num", 0)),
        },
        good={
            "key": "E",
            "keyUsage": "E1",
            "importScheme": "issuer",
            "value": BLOCK16,
            "verifyKey": "_SigIssuerVendor",
        },
        apart={"emv_key_replaceable": NO_ROOM_NEEDED},
    ),
}
CRYPTO = {
    "Crypto.CryptoData": Command(
        NAMED
        | OFFLINE
        | missing("data", "cryptoMethod")
        | BAD_START
        | {
            "direction_known": Break({"modeOfUse": None}),
            "data_key_usable": Break({"key": "BOTH"}),
            "method_supported": Break({"cryptoMethod": "rsaesOaep"}),
        },
        good={"key": "DATA", "modeOfUse": "E", "cryptoMethod": "cbc", "data": BLOCK16},
    ),
    "Crypto.GenerateAuthentication": Command(
        NAMED
        | OFFLINE
        | missing("data")
        | BAD_START
        | {
            "authenticating_key_usable": Break({"key": "DATA"}),
            "authentication_supported": Break({"cryptoMethod": "rsassaPss"}, code="cryptoMethodNotSupported"),
        },
        good={"key": "MAC", "data": BLOCK16},
        apart={"key exists key": "a key that is not there has no usage"},
    ),
    "Crypto.VerifyAuthentication": Command(
        NAMED
        | OFFLINE
        | missing("data", "verifyData")
        | BAD_START
        | {
            "verifying_key_usable": Break({"key": "DATA"}),
            "verification_supported": Break({"cryptoMethod": "rsassaPss"}, code="cryptoMethodNotSupported"),
        },
        good={"key": "MAC", "data": BLOCK16, "verifyData": BLOCK16},
        apart={"key exists key": "a key that is not there has no usage"},
    ),
    "Crypto.Digest": Command(
        OFFLINE
        | missing("hashAlgorithm", "data")
        | {"digest_supported": Break(before=without("emv_hash_algorithm"))},
        good={"hashAlgorithm": "sha1", "data": BLOCK16},
    ),
}
KEYBOARD = {
    "Keyboard.DefineLayout": Command(
        OFFLINE
        | {
            "layout_whole": Break({"layout": None}),
            "modes_known": Break(before=without("layouts", {})),
            "layout_possible": Break({"layout": {"pin": [{**FRAME, "xPos": 5}]}}, code="frameCoordinate"),
        },
        good={"layout": {"pin": [FRAME]}},
    ),
    "Keyboard.DataEntry": Command(
        OFFLINE
        | {
            "keys active": Break({"activeKeys": None}),
            "keys named": Break({"activeKeys": {"banana": {}}}),
            "keys supported": Break({"activeKeys": {"fdk09": {}}}),
        },
        good={"activeKeys": PIN_KEYS},
        apart=WITHOUT_KEYS,
    ),
    "Keyboard.PinEntry": Command(
        OFFLINE
        | {
            "keys active": Break({"activeKeys": None}),
            "keys named": Break({"activeKeys": {"banana": {}}}),
            "keys supported": Break({"activeKeys": {"fdk09": {}}}),
            "lengths_possible": Break({"minLen": 7}),
            "pin_can_end": Break({"autoEnd": False}),
            "echo_short": Break({"echo": "**"}),
            "block prepared": Break(),
        },
        good={"maxLen": 6, "autoEnd": True, "activeKeys": PIN_KEYS},
        apart=WITHOUT_KEYS,
    ),
    "Keyboard.SecureKeyEntry": Command(
        OFFLINE
        | missing("keyLen", "verificationType")
        | {
            "parts_taken": Break(before=without("key_import_through_parts", False)),
            "keys active": Break({"activeKeys": None}),
            "keys named": Break({"activeKeys": {"banana": {}}}),
            "keys supported": Break({"activeKeys": {"fdk09": {}}}),
            "key_length_possible": Break({"cryptoMethod": "des"}),
            "check_value_offered": Break(before=without("key_check_modes")),
            "all_digits_active": Break({"activeKeys": {"zero": None}}),
            "key_can_end": Break({"autoEnd": False}),
        },
        good={
            "keyLen": 32,
            "verificationType": "zero",
            "autoEnd": True,
            "activeKeys": {name: {} for name in (*DIGITS, *"abcdef")},
        },
        apart=WITHOUT_KEYS,
    ),
    "Keyboard.KeypressBeep": Command(
        OFFLINE | {"beep_selectable": Break(before=without("selectable_beeps"))},
        good={"mode": {"active": True}},
    ),
}
BLOCK = (
    OFFLINE
    | missing("format")
    | {
        "format_supported": Break({"format": "banksys"}),
        "data_fits": Break({"customerData": "FF"}),
        "pin_key_usable": Break({"key": "nobody"}),
        "second_key_usable": Break({"secondEncKey": "nobody"}),
        "xor_data_fits": Break({"secondEncKey": "PEK", "xorData": "00"}),
    }
)
BLOCK_GOOD = {"format": "iso0", "customerData": "123456789012", "key": "PEK"}
NOT_THERE = {"pin_key_usable": "a key that is not there has no algorithm"}
NO_PIN = {"pin held": "no PIN was verified too often"}
PIN_PAD = {
    "PinPad.GetPinBlock": Command(
        BLOCK
        | {
            "algorithm fits": Break({"key": "AESPEK"}),
            "method supported": Break({"cryptoMethod": "cbc"}, code="cryptoMethodNotSupported"),
            "block prepared": Break(),
            "pin held": Break(),
        },
        good=BLOCK_GOOD,
        apart=NOT_THERE | {"pin held": "of no PIN was a block made"},
    ),
    "PinPad.SetPinBlockData": Command(
        BLOCK
        | {
            "algorithm fits": Break({"key": "AESPEK"}),
            "method supported": Break({"cryptoMethod": "cbc"}, code="unsupportedData"),
        },
        good=BLOCK_GOOD,
        apart=NOT_THERE,
    ),
    "PinPad.LocalDES": Command(
        NAMED
        | OFFLINE
        | missing("validationData", "decTable", "padding")
        | {
            "lengths_fit": Break({"valDigits": 5}, says="$.maxPIN"),
            "table_varied": Break({"decTable": "0" * 16}),
            "des_offered": Break(before=without("validation_algorithms"), says="by DES"),
            "key_not_encrypted": Break({"keyEncKey": "x"}),
            "key usable key": Break({"key": "nobody"}),
            "pin held": Break(),
        },
        good={
            "validationData": "1234567890123456",
            "padding": "0F",
            "maxPIN": 4,
            "valDigits": 4,
            "key": "PVK",
            "decTable": "0123456789012345",
        },
        apart=NO_PIN,
    ),
    "PinPad.LocalVisa": Command(
        NAMED
        | OFFLINE
        | missing("pan", "pvv")
        | {
            "visa_offered": Break(before=without("validation_algorithms"), says="by PVV"),
            "key_not_encrypted": Break({"keyEncKey": BLOCK16}),
            "key usable key": Break({"key": "nobody"}),
            "pin held": Break(),
        },
        good={"pan": "1" * 23, "pvv": "1234", "key": "PVK"},
        apart=NO_PIN,
    ),
    "PinPad.PresentIDC": Command(
        OFFLINE
        | missing("presentAlgorithm", "chipProtocol", "chipData")
        | {
            "place_given": Break({"algorithmData": None}),
            "presentation_offered": Break(before=without("presentation_algorithms")),
            "pin held": Break(),
        },
        good={
            "presentAlgorithm": "presentClear",
            "chipProtocol": "chipT1",
            "chipData": BLOCK16,
            "algorithmData": {"pinPointer": 5, "pinOffset": 0},
        },
        apart=NO_PIN,
    ),
    "PinPad.MaintainPin": Command(
        OFFLINE
        | {
            "maintaining_said": Break({"maintainPIN": None}),
            "pin_can_stay": Break(before=without("pin_can_persist_after_use", False)),
        },
        good={"maintainPIN": True},
    ),
}
GERMAN = {
    "German.SetHSMTData": Command(
        OFFLINE
        | {
            "something_set": Break({"terminalId": None}),
            "time_exists": Break({"onlineDateAndTime": "20260231000000"}),
        },
        good={"terminalId": "12345678"},
        apart={"something_set": "a time is something"},
    ),
    "German.SecureMsgSend": Command(
        OFFLINE
        | missing("protocol")
        | {
            "message_given": Break({"msg": None}),
            "module free": Break(before=of_another),
            "pin held": Break({"protocol": "pinCmp"}),
        },
        good={"protocol": "rawData", "msg": BLOCK16},
    ),
    "German.SecureMsgReceive": Command(
        OFFLINE
        | missing("protocol")
        | {"message_given": Break({"msg": None}), "module free": Break(before=of_another)},
        good={"protocol": "rawData", "msg": BLOCK16},
    ),
    "German.HSMInit": Command(
        OFFLINE
        | missing("initMode")
        | {
            "online_time_exists": Break({"onlineTime": "20260231000000"}),
            "module free": Break(before=of_another),
        },
        good={"initMode": "temp"},
    ),
}
ALL = [
    *pairs(KeyManagement, KEY_MANAGEMENT),
    *pairs(Crypto, CRYPTO),
    *pairs(Keyboard, KEYBOARD),
    *pairs(PinPad, PIN_PAD),
    *pairs(German, GERMAN),
]


@pytest.mark.parametrize("pair", ALL, ids=str)
async def test_the_first_of_two_failing_checks_answers(client: Dialogue, bench: Bench, pair: Pair) -> None:
    await pair.prove(client, bench)


async def test_a_public_key_of_a_card_scheme_is_imported(client: Dialogue, bench: Bench) -> None:
    request = KEY_MANAGEMENT["KeyManagement.ImportEmvPublicKey"].good
    assert await client.success("KeyManagement.ImportEmvPublicKey", request) == {"expiryDate": "1230"}
    assert "E" in (await client.success("KeyManagement.GetKeyDetail"))["keyDetails"]


ODD: tuple[Any, ...] = (
    None,
    "",
    "x",
    "x" * 5000,
    "\N{GRINNING FACE}\0",
    "TestKek",
    "DATA",
    "PEK",
    "20260101000000",
    "0123456789012345",
    BLOCK16,
    b64(bytes(5)),
    0,
    -1,
    4,
    1.5,
    2**63,
    True,
    False,
    [],
    [{}],
    {},
    {"one": {"terminate": True}},
    {"key": "PEK", "value": BLOCK16},
    {"method": "cmac", "data": BLOCK16, "key": "MAC"},
)
COMMANDS = [mark.command for interface in INTERFACES for mark in interface.handled()]


@pytest.mark.parametrize("command", COMMANDS)
async def test_nothing_odd_in_a_request_is_an_internal_error(
    client: Dialogue, bench: Bench, command: str
) -> None:
    bench.device.set_pinblock_data_required = False
    interface, short = command.split(".")
    payload = catalogue("2024-3")["interfaces"][interface]["commands"][short].get("payload")
    properties = list((payload or {}).get("properties", {}))
    orders = {**KEY_MANAGEMENT, **CRYPTO, **KEYBOARD, **PIN_PAD, **GERMAN}
    good = orders[command].good if command in orders else None
    luck = random.Random(command)
    for _ in range(25):
        request: Any = dict(good or {}) if luck.random() < 0.7 else {}
        for name in luck.sample(properties, k=min(len(properties), luck.randint(1, 3))):
            request[name] = luck.choice(ODD)
        completion = await client.completion(command, request or None, timeout=30)
        assert completion["header"].get("completionCode") not in ("internalError", "hardwareError"), request
    await client.success("Common.Status")
