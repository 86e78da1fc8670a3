"""KeyManagement over the wire: loading keys into the simulated PIN pad, and what a key may be used for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import trio
from host import KBPK, KEK, b64, block, ecb, imported, kcv, unb64

import xfs4iot
from dialogue import Dialogue, another, dialogue
from vendors import serving
from xfs4iot import devices
from xfs4iot.ledger import Ledger
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.simulator.secure_part import ciphers

IMPORT = "KeyManagement.ImportKey"
DETAIL = "KeyManagement.GetKeyDetail"
TDES = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
AES = bytes.fromhex("00112233445566778899AABBCCDDEEFF")


async def details(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success(DETAIL))["keyDetails"]
    return found


def encrypted(kind: str, value: bytes, **more: Any) -> dict[str, Any]:
    usage, algorithm, mode = kind.split()
    return {
        "key": "K",
        "keyAttributes": {"keyUsage": usage, "algorithm": algorithm, "modeOfUse": mode},
        "value": b64(value),
        "decryptKey": "TestKek",
        "decryptMethod": "ecb",
        **more,
    }


@pytest.mark.parametrize(
    ("kbpk", "text", "expected"),
    [
        (
            "89E88CF7931444F334BD7547FC3F380C",
            "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701",
            "F039121BEC83D26B169BDCD5B22AAF8F",
        ),
        (
            "DD7515F2BFC17F85CE48F3CA25CB21F6",
            "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E",
            "3F419E1CB7079442AA37474C2EFBF8B8",
        ),
        (
            "B8ED59E0A279A295E9F5ED7944FD06B9",
            "C0096B0TX12S0100KS1800604B120F9292800000"
            "BFB9B689CB567E66FC3FEE5AD5F52161FC6545B9D60989015D02155C",
            "EDB380DD340BC2620247D445F5B8D678",
        ),
        (
            "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6",
            "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C0"
            "7156A27E8E31DA05F7425509593D03A457DC34",
            "3F419E1CB7079442AA37474C2EFBF8B8",
        ),
    ],
    ids="ABCD",
)
async def test_the_published_key_blocks_are_taken_and_no_changed_one(
    nursery: trio.Nursery, tmp_path: Path, kbpk: str, text: str, expected: str
) -> None:
    algorithm = "A" if text[0] == "D" else "T"
    pad = await pad_with(nursery, tmp_path, K=("K1", algorithm, "D", kbpk))
    request = {"key": "PEK", "value": b64(text.encode()), "decryptKey": "K"}
    found = await pad.success(IMPORT, request)
    assert unb64(found["verificationData"]) == kcv(text[7], bytes.fromhex(expected))
    told = (await details(pad))["PEK"]["keyBlockInfo"]
    assert (told["keyUsage"], told["algorithm"], told["modeOfUse"]) == (text[5:7], text[7], text[8])
    assert (told["keyVersionNumber"], told["exportability"]) == (text[9:11], text[11])
    assert told.get("optionalBlockHeader", "") == (text[16:40] if text[0] == "C" else "")
    for position in range(len(text)):
        other = "1" if text[position] == "0" else "0"
        changed = text[:position] + other + text[position + 1 :]
        failed = await pad.failure(IMPORT, {**request, "value": b64(changed.encode()), "key": "other"})
        assert failed in {
            "invalidValue",
            "formatInvalid",
            "formatNotSupported",
            "useViolation",
            "algorithmNotSupported",
            "modeNotSupported",
        }, (position, failed)
    assert "other" not in await details(pad)


async def pad_with(
    nursery: trio.Nursery, tmp_path: Path, more: str = "", **keys: tuple[str, str, str, str]
) -> Dialogue:
    """A simulated PIN pad with these keys of its own."""
    return await nursery.start(
        dialogue, (await publisher_with(nursery, tmp_path, more, **keys)).uri("PinPad")
    )


async def publisher_with(
    nursery: trio.Nursery,
    tmp_path: Path,
    more: str = "",
    ledger: Ledger | None = None,
    state: Path | None = None,
    kinds: str = "KeyManagement",
    **keys: tuple[str, str, str, str],
) -> xfs4iot.Publisher:
    names = ("usage", "algorithm", "mode_of_use", "value")
    rows = []
    for key, told in keys.items():
        said = ", ".join(f'{name} = "{value}"' for name, value in zip(names, told, strict=True))
        rows.append(f"{key} = {{ {said} }}")
    text = ["[services.PinPad]", f'kinds = ["{kinds}"]', more, "[services.PinPad.keys]", *rows]
    profile = tmp_path / "profile.toml"
    profile.write_text("\n".join(text), "utf-8")
    services = simulated_atm(profile, ledger=ledger or Ledger.open(None), state=state, seconds=0)
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher


@pytest.mark.parametrize("kind", ["P0 T E", "M3 T G", "D0 A B", "K0 T D", "M7 H C", "B0 T X"])
async def test_key_blocks_of_another_implementation_are_taken(pad: Dialogue, kind: str) -> None:
    key = AES if " A " in kind else TDES
    found = await imported(pad, "K", kind, key)
    assert found["keyLength"] == 128
    told = (await details(pad))["K"]
    assert told["loaded"] == "yes"
    assert " ".join(told["keyBlockInfo"][name] for name in ("keyUsage", "algorithm", "modeOfUse")) == kind


async def test_a_key_encrypted_under_a_kek_is_taken(pad: Dialogue) -> None:
    found = await pad.success(IMPORT, encrypted("P0 T E", ecb("T", KEK, TDES)))
    assert unb64(found["verificationData"]) == kcv("T", TDES)
    assert found["verifyAttributes"] == {"cryptoMethod": "kcvZero"}
    assert (await pad.success("Common.Status"))["keyManagement"]["encryptionState"] == "ready"


@pytest.mark.parametrize("method", ["kcvSelf", "kcvZero"])
@pytest.mark.parametrize("digits", [0, 3])
async def test_a_check_value_is_told_or_verified(pad: Dialogue, method: str, digits: int) -> None:
    good = ecb("T", TDES, TDES)[:3] if method == "kcvSelf" else kcv("T", TDES)
    request = encrypted("P0 T E", ecb("T", KEK, TDES), verifyAttributes={"cryptoMethod": method})
    if digits:
        request["verificationData"] = b64(good)
    assert unb64((await pad.success(IMPORT, request))["verificationData"]) == good
    assert unb64((await pad.success("KeyManagement.GenerateKCV", {
        "key": "K", "keyCheckMode": method.removeprefix("kcv").lower(),
    }))["kcv"]) == good  # fmt: skip


@pytest.mark.parametrize("given", [b"\0\0\0", b"", b"\x08\xd7", bytes(16)])
async def test_a_wrong_check_value_keeps_the_key_out(pad: Dialogue, given: bytes) -> None:
    request = encrypted(
        "P0 T E",
        ecb("T", KEK, TDES),
        verifyAttributes={"cryptoMethod": "kcvZero"},
        verificationData=b64(given or bytes(3)),
    )
    assert await pad.failure(IMPORT, request) == "invalidValue"
    assert "K" not in await details(pad)


async def test_a_mac_verifies_what_is_imported(pad: Dialogue) -> None:
    await imported(pad, "MAC", "M1 A V", AES)
    value = ecb("T", KEK, TDES)
    from xfs4iot.simulator.secure_part import macs

    good = macs.mac("M1", "A", AES, value)
    request = encrypted("P0 T E", value, verifyKey="MAC", verificationData=b64(good))
    found = await pad.success(IMPORT, request)
    assert found["verifyAttributes"]["keyUsage"] == "M1"
    flipped = bytes([good[0] ^ 1]) + good[1:]
    assert await pad.failure(IMPORT, {**request, "verificationData": b64(flipped)}) == "signatureInvalid"


VALUE = b64(ecb("T", KEK, TDES))
ATTRIBUTES = {"keyUsage": "P0", "algorithm": "T", "modeOfUse": "E"}
GOOD = {
    "key": "K",
    "keyAttributes": ATTRIBUTES,
    "value": VALUE,
    "decryptKey": "TestKek",
    "decryptMethod": "ecb",
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": ""}, "invalidData"),
        ({"key": "a\nb"}, "invalidData"),
        ({"key": "x" * 256}, "invalidData"),
        ({"value": None}, "invalidData"),
        ({"keyAttributes": None}, "invalidData"),
        ({"keyAttributes": {**ATTRIBUTES, "modeOfUse": None}}, "invalidData"),
        ({"keyAttributes": {**ATTRIBUTES, "restrictedKeyUsage": "nonsense"}}, "invalidData"),
        ({"keyAttributes": {**ATTRIBUTES, "keyUsage": "C0"}}, "useViolation"),
        ({"keyAttributes": {**ATTRIBUTES, "algorithm": "D"}}, "algorithmNotSupported"),
        ({"keyAttributes": {**ATTRIBUTES, "modeOfUse": "G"}}, "modeNotSupported"),
        ({"decryptKey": "nobody"}, "keyNotFound"),
        ({"decryptKey": "TestKbpk"}, "useViolation"),
        ({"decryptKey": None, "decryptMethod": None}, "accessDenied"),
        ({"decryptMethod": "xts"}, "cryptoMethodNotSupported"),
        ({"decryptMethod": "rsaesOaep"}, "cryptoMethodNotSupported"),
        ({"value": b64(bytes(8))}, "invalidKeyLength"),
        ({"value": b64(bytes(5))}, "invalidValue"),
        ({"value": b64(ecb("T", KEK, TDES[:8] * 2))}, "invalidValue"),
        ({"value": b64(ecb("T", KEK, TDES[:8] + TDES[8:] * 2))}, "invalidValue"),
        ({"verifyKey": "nobody", "verificationData": VALUE}, "keyNotFound"),
        ({"verifyKey": "TestKek", "verificationData": VALUE}, "useViolation"),
        ({"verifyAttributes": {"cryptoMethod": "rsassaPss"}}, "invalidData"),
        ({"constructing": True, "value": None}, "keyNoValue"),
        ({"constructing": True}, "invalidData"),
        ({"key": "TestKek"}, "duplicateKey"),
    ],
)
async def test_a_key_that_may_not_come_is_refused(pad: Dialogue, change: dict[str, Any], code: str) -> None:
    before = await details(pad)
    assert await pad.failure(IMPORT, {**GOOD, **change}) == code
    assert await details(pad) == before


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"D0112P0AE00E0000", "formatInvalid"),
        (b"X" * 112, "formatNotSupported"),
        (b"\xff" * 112, "formatInvalid"),
        (b"D0112P0AE00E0100KS00" + b"0" * 92, "formatInvalid"),
        (b"D0112P0AE00E0100KSFF" + b"0" * 92, "formatInvalid"),
        (b"D0112P0AE00E0100KS0099" + b"0" * 90, "formatInvalid"),
        (b"D0112P0AE00E9900" + b"0" * 96, "formatInvalid"),
        (b"D0111P0AE00E0000" + b"0" * 96, "formatInvalid"),
        (b"D0112P9AE00E0000" + b"0" * 96, "formatInvalid"),
        (
            b"A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701",
            "algorithmNotSupported",
        ),
        (b"D0112P0AE00E0000" + b"0" * 96, "invalidValue"),
    ],
)
async def test_a_bad_key_block_is_refused(pad: Dialogue, value: bytes, code: str) -> None:
    request = {"key": "K", "value": b64(value), "decryptKey": "TestKbpk"}
    assert await pad.failure(IMPORT, request) == code


async def test_a_key_block_says_itself_what_it_is_for(pad: Dialogue) -> None:
    request = {
        "key": "K",
        "value": block("P0 T E", TDES),
        "decryptKey": "TestKbpk",
        "keyAttributes": ATTRIBUTES,
    }
    await pad.success(IMPORT, request)
    request["keyAttributes"] = {**ATTRIBUTES, "keyUsage": "D0"}
    assert await pad.failure(IMPORT, request) == "contentInvalid"


async def test_no_older_version_of_a_key_comes_in_its_place(pad: Dialogue) -> None:
    for number, outcome in (("05", None), ("06", None), ("04", "duplicateKey")):
        request = {"key": "K", "value": block("P0 T E", TDES, number=number), "decryptKey": "TestKbpk"}
        if outcome is None:
            await pad.success(IMPORT, request)
        else:
            assert await pad.failure(IMPORT, request) == outcome


async def test_a_kek_brings_only_what_it_is_restricted_to(pad: Dialogue) -> None:
    attributes = {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D", "restrictedKeyUsage": "P0"}
    await pad.success(IMPORT, encrypted("K0 T D", ecb("T", KEK, TDES), key="PKEK", keyAttributes=attributes))
    inner = ecb("T", TDES, bytes(range(16)))
    await pad.success(IMPORT, encrypted("P0 T E", inner, decryptKey="PKEK"))
    assert await pad.failure(IMPORT, encrypted("D0 T B", inner, decryptKey="PKEK", key="D")) == "useViolation"


async def test_a_refused_use_of_a_key_is_told_to_everybody(pad: Dialogue, nursery: trio.Nursery) -> None:
    bystander = await another(pad, nursery)
    await pad.failure(IMPORT, {**GOOD, "decryptKey": "nobody"})
    await pad.failure(IMPORT, {**GOOD, "decryptKey": "TestKbpk"})
    for name, code in (("nobody", "keyNotFound"), ("TestKbpk", "useViolation")):
        event = await bystander.until("unsolicited", name="KeyManagement.IllegalKeyAccessEvent")
        assert event["payload"] == {"keyName": name, "errorCode": code}


async def test_details_of_one_key_or_of_all(pad: Dialogue) -> None:
    one = (await pad.success(DETAIL, {"keyName": "TestKek"}))["keyDetails"]
    assert one == {
        "TestKek": {
            "loaded": "yes",
            "keyBlockInfo": {
                "keyUsage": "K0",
                "algorithm": "T",
                "modeOfUse": "D",
                "keyVersionNumber": "00",
                "exportability": "N",
                "keyLength": 128,
            },
        }
    }
    assert await details(pad) != one
    assert await pad.failure(DETAIL, {"keyName": "nobody"}) == "keyNotFound"


async def test_deleting_leaves_preloaded_keys_alone(pad: Dialogue) -> None:
    preloaded = set(await details(pad))
    for name in ("one", "two", "three"):
        await imported(pad, name, "P0 T E", TDES)
    await pad.success("KeyManagement.DeleteKey", {"key": "one"})
    assert set(await details(pad)) == {*preloaded, "two", "three"}
    assert await pad.failure("KeyManagement.DeleteKey", {"key": "one"}) == "keyNotFound"
    assert await pad.failure("KeyManagement.DeleteKey", {"key": "TestKek"}) == "accessDenied"
    await pad.success("KeyManagement.DeleteKey")
    assert set(await details(pad)) == preloaded


async def test_an_initialization_is_told_and_leaves_preloaded_keys(
    pad: Dialogue, nursery: trio.Nursery
) -> None:
    bystander = await another(pad, nursery)
    preloaded = set(await details(pad))
    await imported(pad, "one", "P0 T E", TDES)
    await pad.success("KeyManagement.Initialization")
    await bystander.until("unsolicited", name="KeyManagement.InitializedEvent")
    assert set(await details(pad)) == preloaded
    assert (await pad.success("Common.Status"))["keyManagement"]["encryptionState"] == "initialized"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"key": "nobody", "keyCheckMode": "zero"}, "keyNotFound"),
        ({"key": "TestKek"}, "invalidData"),
        ({"keyCheckMode": "zero"}, "invalidData"),
        (None, "invalidData"),
    ],
)
async def test_a_check_value_of_nothing_is_refused(pad: Dialogue, payload: Any, code: str) -> None:
    assert await pad.failure("KeyManagement.GenerateKCV", payload) == code


async def test_keys_outlive_a_restart_and_the_table_says_what_the_device_has(tmp_path: Path) -> None:
    ledger = Ledger.open(None)
    for turn in range(3):
        async with trio.open_nursery() as nursery:
            publisher = await publisher_with(
                nursery, tmp_path, ledger=ledger, state=tmp_path, K=("K1", "A", "D", KBPK.hex())
            )
            pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
            simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
            if turn == 0:
                for name in ("kept", "lost"):
                    request = {"key": name, "value": block("P0 T E", TDES), "decryptKey": "K"}
                    await pad.success(IMPORT, request)
                await simulator.success("Simulator.Inject", {"fault": "powerCut"})
                request = {"key": "unbooked", "value": block("P0 T E", TDES), "decryptKey": "K"}
                assert await pad.failure(IMPORT, request) == "hardwareError"
                await simulator.success("Simulator.LoseKey", {"key": "lost"})
            else:
                told = {name: one["loaded"] for name, one in (await details(pad)).items() if name[0] != "_"}
                assert told == {"K": "yes", "kept": "yes", "lost": "no", "unbooked": "yes"}
                request = {"key": "lost", "keyCheckMode": "zero"}
                assert await pad.failure("KeyManagement.GenerateKCV", request) == "keyNoValue"
                request["key"] = "unbooked"
                found = await pad.success("KeyManagement.GenerateKCV", request)
                assert unb64(found["kcv"]) == kcv("T", TDES)
            nursery.cancel_scope.cancel()
    sealed = tmp_path / "PinPad.secure"
    assert TDES not in await trio.Path(sealed).read_bytes()
    for file in (sealed, tmp_path / "PinPad.secure-key"):
        assert (await trio.Path(file).stat()).st_mode & 0o777 == 0o600


async def test_a_full_table_takes_no_more(nursery: trio.Nursery, tmp_path: Path) -> None:
    pad = await pad_with(nursery, tmp_path, "key_room = 2", K=("K1", "A", "D", KBPK.hex()))
    request = {"key": "one", "value": block("P0 T E", TDES), "decryptKey": "K"}
    for name in ("one", "two", "one"):
        await pad.success(IMPORT, {**request, "key": name})
    assert await pad.failure(IMPORT, {**request, "key": "three"}) == "noKeyRam"
    # Commands that make a key have no code of their own for that.
    assert await pad.failure("KeyManagement.GenerateRSAKeyPair", {"key": "three"}) == "notEnoughSpace"


async def test_a_host_authenticates_itself_before_keys_are_deleted(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    from xfs4iot.simulator.secure_part import macs

    pad = await pad_with(
        nursery,
        tmp_path,
        "deletion_needs_authentication = true",
        K=("K1", "A", "D", KBPK.hex()),
        M=("M6", "A", "V", AES.hex()),
        P=("P0", "T", "E", TDES.hex()),
        G=("M6", "A", "G", "5A" * 16),
    )
    start, delete = "KeyManagement.StartAuthenticate", "KeyManagement.DeleteKey"
    for name in ("one", "two"):
        await pad.success(IMPORT, {"key": name, "value": block("P0 T E", TDES), "decryptKey": "K"})
    assert await pad.failure(delete, {"key": "one"}) == "accessDenied"
    authentication: dict[str, Any] = {"method": "cmac", "key": "M", "data": b64(bytes(16))}
    request = {"key": "one", "authentication": authentication}
    assert await pad.failure(delete, request) == "sequenceError"

    async def challenge() -> bytes:
        found = await pad.success(start, {"command": {"deleteKey": {"key": "one"}}})
        assert found["signers"]["cmac"] is True
        assert found["signers"]["ca"] is False
        return unb64(found["dataToSign"])

    to_sign = await challenge()
    assert await pad.failure(delete, {**request, "key": "two"}) == "randomInvalid"
    for key, code in (("P", "useViolation"), ("nobody", "keyNotFound"), ("G", "modeOfUseNotSupported")):
        changed = {"key": "one", "authentication": {**authentication, "key": key}}
        assert await pad.failure(delete, changed) == code
    changed = {"key": "one", "authentication": {"method": "cmac", "data": b64(bytes(16))}}
    assert await pad.failure(delete, changed) == "keyNoValue"
    changed = {"key": "one", "authentication": {**authentication, "method": "hlTr34"}}
    assert await pad.failure(delete, changed) == "invalidData"
    assert await pad.failure(delete, request) == "macInvalid"
    authentication["data"] = b64(macs.cmac("A", AES, to_sign))
    assert await pad.failure(delete, request) == "sequenceError"
    authentication["data"] = b64(macs.cmac("A", AES, await challenge()))
    stranger = await another(pad, nursery)
    assert await stranger.failure(delete, request) == "sequenceError"
    await pad.success(delete, request)
    assert "one" not in await details(pad)
    found = await pad.success(start, {"command": {"initialization": {}}})
    authentication["data"] = b64(macs.cmac("A", AES, unb64(found["dataToSign"])))
    await pad.success("KeyManagement.Initialization", {"authentication": authentication})
    assert "two" not in await details(pad)


async def test_a_challenge_for_one_key_deletes_no_other(nursery: trio.Nursery, tmp_path: Path) -> None:
    keys = {"K": ("K1", "A", "D", KBPK.hex()), "M": ("M6", "A", "V", AES.hex())}
    pad = await pad_with(nursery, tmp_path, "deletion_needs_authentication = true", **keys)
    for name in ("one", "two"):
        await pad.success(IMPORT, {"key": name, "value": block("P0 T E", TDES), "decryptKey": "K"})
    assert await pad.failure("KeyManagement.DeleteKey", {"key": "two"}) == "accessDenied"
    await pad.success("KeyManagement.StartAuthenticate", {"command": {"deleteKey": {"key": "one"}}})
    authentication = {"method": "cmac", "key": "M", "data": b64(bytes(16))}
    request = {"key": "two", "authentication": authentication}
    assert await pad.failure("KeyManagement.DeleteKey", request) == "randomInvalid"


@pytest.mark.parametrize(
    "payload", [None, {}, {"command": {}}, {"command": {"deleteKey": {}, "initialization": {}}}]
)
async def test_what_is_to_be_authenticated_must_be_said(pad: Dialogue, payload: Any) -> None:
    assert await pad.failure("KeyManagement.StartAuthenticate", payload) == "invalidData"


@pytest.mark.parametrize("authentication", [{}, {"method": "cmac"}, {"data": b64(b"x")}])
@pytest.mark.parametrize("command", ["DeleteKey", "Initialization"])
async def test_an_authentication_is_whole(pad: Dialogue, command: str, authentication: Any) -> None:
    request = {"authentication": authentication}
    assert await pad.failure(f"KeyManagement.{command}", request) == "invalidData"


async def test_bad_luck_with_the_simulated_module(pad: Dialogue, simulator: Dialogue) -> None:
    for fault, code in (
        ("keyStoreFull", "noKeyRam"),
        ("accessDenied", "accessDenied"),
        ("busyModule", "deviceNotReady"),
    ):
        await simulator.success("Simulator.Inject", {"fault": fault})
        assert await pad.failure(IMPORT, GOOD) == code
        await simulator.success("Simulator.ClearFaults")
    await pad.success(IMPORT, GOOD)
    await simulator.success("Simulator.Inject", {"fault": "tampered"})
    request = {"key": "K", "keyCheckMode": "zero"}
    assert await pad.failure("KeyManagement.GenerateKCV", request) == "keyNotFound"


async def test_a_module_that_was_initialized_by_hand_has_no_keys(pad: Dialogue, simulator: Dialogue) -> None:
    await pad.success(IMPORT, GOOD)
    await simulator.success("Simulator.InitializeByHand")
    await pad.until("unsolicited", name="KeyManagement.InitializedEvent")
    for _ in range(100):
        if "K" not in await details(pad):
            break
    else:
        pytest.fail("the key is still in the table")


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_load_and_delete_keys(pad: Dialogue, nursery: trio.Nursery, older: str) -> None:
    old = await another(pad, nursery, older)
    assert await old.success(IMPORT, GOOD)
    await old.success("KeyManagement.GenerateKCV", {"key": "K", "keyCheckMode": "zero"})
    await old.success(DETAIL, {"keyName": "K"})
    await old.success("KeyManagement.DeleteKey", {"key": "K"})


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_derive_keys(pad: Dialogue, nursery: trio.Nursery, older: str) -> None:
    await imported(pad, "KGK", "K0 T X", TDES)
    old = await another(pad, nursery, older)
    start = bytes(range(8))
    request: dict[str, Any] = {
        "derivationAlgorithm": "chipZka",
        "key": "Derived",
        "keyGenKey": "KGK",
        "inputData": b64(bytes(10)),
        "padding": 255,
        "iv": b64(start) if older == "2021-1" else {"value": b64(start)},
    }
    await old.success("KeyManagement.DeriveKey", request)
    made = ciphers.encrypt("T", TDES, bytes(10) + b"\xff" * 6, "cbc", start)
    expected = kcv("T", bytes(ciphers.parity_adjusted(made)))
    found = await old.success("KeyManagement.GenerateKCV", {"key": "Derived", "keyCheckMode": "zero"})
    assert unb64(found["kcv"]) == expected
    for change, code in (
        ({"keyGenKey": "TestKek"}, "useViolation"),
        ({"inputData": b64(bytes(3))}, "invalidKeyLength"),
        ({"key": "TestKek"}, "duplicateKey"),
    ):
        completion = await old.completion("KeyManagement.DeriveKey", {**request, **change})
        assert completion["payload"]["errorCode"] == code


@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_what_the_device_has_begun_is_booked_also_if_nobody_wants_it_any_more(
    pad: Dialogue, simulator: Dialogue, end: str
) -> None:
    for command, request in ((IMPORT, GOOD), ("KeyManagement.DeleteKey", {"key": "K"})):
        await simulator.success("Simulator.Inject", {"fault": "slowModule", "count": 1})
        number = await pad.send(command, request, timeout=20 if end == "timeOut" else 0)
        if end == "canceled":
            await pad.success("Common.Cancel", {"requestIds": [number]})
        await pad.until("completion", number)
        there = command == IMPORT
        assert ("K" in await details(pad)) is there
        value = await pad.completion("KeyManagement.GenerateKCV", {"key": "K", "keyCheckMode": "zero"})
        assert ("kcv" in value["payload"]) is there


class Module(devices.KeyManagement):
    """As little as a vendor has to write."""

    importable = frozenset({("P0", "T", "E"), ("K0", "T", "D")})
    decrypts: ClassVar = {"T": frozenset({"ecb"})}

    async def stored_keys(self) -> dict[str, devices.StoredKey]:
        kek = devices.KeyAttributes(usage="K0", algorithm="T", mode_of_use="D")
        return {"KEK": devices.StoredKey(kek, 128, preloaded=True)}

    async def import_key(self, request: devices.KeyImport) -> devices.ImportedKey:
        return devices.ImportedKey(devices.StoredKey(request.attributes, len(request.value) * 8))


async def test_a_vendors_module_is_served_by_what_it_implements(nursery: trio.Nursery) -> None:
    client = await serving(Module("Module"), nursery)
    assert set(await details(client)) == {"KEK"}
    await client.success(IMPORT, {**GOOD, "decryptKey": "KEK"})
    assert (await details(client))["K"]["keyBlockInfo"]["keyLength"] == 128
    assert await client.failure("KeyManagement.DeleteKey", {"key": "K"}) == "unsupportedCommand"
    capabilities = (await client.success("Common.Capabilities"))["keyManagement"]
    assert capabilities["keyImportThroughParts"] is False
    assert "loadCertOptions" not in capabilities


async def test_field_01_signers_of_certificates_are_the_six_of_the_standard(nursery: trio.Nursery) -> None:
    six = ("certHost", "sigHost", "hl", "certHostTr34", "caTr34", "hlTr34")
    device = Module("Module")
    device.certificate_signers = dict.fromkeys(six, frozenset({"newHost"}))  # type: ignore[arg-type]
    client = await serving(device, nursery)
    capabilities = (await client.success("Common.Capabilities"))["keyManagement"]
    told = {"newHost": True, "replaceHost": False}
    assert capabilities["loadCertOptions"] == dict.fromkeys(six, told)


async def test_no_key_reaches_a_log(pad: Dialogue, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        await imported(pad, "K", "P0 T E", TDES)
        await pad.failure(IMPORT, {**GOOD, "value": b64(bytes(5))})
    for form in (TDES.hex(), TDES.hex().upper(), b64(TDES), repr(TDES), VALUE, block("P0 T E", TDES)[:20]):
        assert form not in caplog.text
