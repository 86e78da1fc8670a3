"""CardReader over the wire: chips in contact, keys of security modules, contactless transactions."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue
from readers import ATR, Contactless, Dip, Latched, Motor, Permanent, Swipe
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.protocol.messages import card_reader as messages

IO, POWER = "CardReader.ChipIO", "CardReader.ChipPower"
CONFIGURE, PERFORM = "CardReader.EMVClessConfigure", "CardReader.EMVClessPerformTransaction"
UPDATE, APPLICATIONS = "CardReader.EMVClessIssuerUpdate", "CardReader.EMVClessQueryApplications"
PSE = bytes.fromhex("00A404000E315041592E5359532E444446303100")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
async def client(device: Motor, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def chip_power(client: Dialogue) -> Any:
    return (await client.success("Common.Status"))["cardReader"].get("chipPower")


async def contact(client: Dialogue) -> None:
    await client.success("CardReader.ReadRawData", {"chip": True})


async def send(client: Dialogue, protocol: str | None = "chipT0") -> dict[str, Any]:
    payload = {"chipData": b64(PSE)} | ({"chipProtocol": protocol} if protocol else {})
    return await client.success(IO, payload)


async def test_what_the_chip_is_sent_and_answers_is_not_touched(client: Dialogue, device: Motor) -> None:
    await contact(client)
    assert await send(client) == {"chipProtocol": "chipT0", "chipData": b64(b"\x61\x1c")}
    assert device.called[-1] == ("chip_io", "chipT0", PSE)
    assert await send(client, None) == {"chipData": b64(b"\x61\x1c")}


async def test_without_memory_chips_no_protocol_is_told_as_not_required(nursery: trio.Nursery) -> None:
    device = Latched()
    device.arrives.set()
    client = await serving(device, nursery)
    await contact(client)
    assert (await send(client, None))["chipProtocol"] == "chipProtocolNotRequired"


async def test_the_chip_is_busy_while_it_works(client: Dialogue) -> None:
    await contact(client)
    client.passed.clear()
    await send(client)
    shown = [
        message["payload"]["cardReader"]["chipPower"]
        for message in client.passed
        if message["header"]["name"] == "Common.StatusChangedEvent"
    ]
    assert shown[-1:] in (["online"], [])
    assert await chip_power(client) == "online"


async def test_field_06_a_reset_of_the_chip_answers_with_its_atr(client: Dialogue) -> None:
    await contact(client)
    for action in ("cold", "warm"):
        assert await client.success(POWER, {"chipPower": action}) == {"chipData": b64(ATR)}
        assert await chip_power(client) == "online"
    completion = await client.completion(POWER, {"chipPower": "off"})
    assert "payload" not in completion
    assert await chip_power(client) == "poweredOff"
    assert await client.failure(IO, {"chipData": b64(PSE)}) == "atrNotObtained"
    await client.success(POWER, {"chipPower": "cold"})
    await send(client)


async def test_an_atr_belongs_to_one_insertion(client: Dialogue, device: Motor) -> None:
    assert await client.failure(IO, {"chipData": b64(PSE)}) == "noMedia"
    await client.success("CardReader.ReadRawData", {"track1": True})
    assert await client.failure(IO, {"chipData": b64(PSE)}) == "atrNotObtained"
    assert await client.failure(POWER, {"chipPower": "cold"}) == "atrNotObtained"
    for end in (to_exit, by_reset, taken):
        await contact(client)
        await send(client)
        await end(client, device)
        assert await client.failure(IO, {"chipData": b64(PSE)}) in ("atrNotObtained", "noMedia")


async def to_exit(client: Dialogue, device: Motor) -> None:
    await client.success("CardReader.Move", {"from": "transport", "to": "exit"})
    assert await client.failure(POWER, {"chipPower": "cold"}) == "noMedia"
    await client.success("CardReader.Move", {"from": "exit", "to": "transport"})


async def by_reset(client: Dialogue, device: Motor) -> None:
    await client.success("CardReader.Reset")


async def taken(client: Dialogue, device: Motor) -> None:
    device.card_taken()
    assert await chip_power(client) == "noCard"


@pytest.mark.parametrize(
    ("chips", "power"),
    [
        ((devices.CardData(status="dataSourceMissing"),), "noDevice"),
        ((devices.CardData(status="dataMissing"),), "hardwareError"),
        ((), "hardwareError"),
        ((devices.CardData(ATR),), "online"),
    ],
)
async def test_the_status_tells_what_is_with_the_chip(
    client: Dialogue, device: Motor, chips: Any, power: str
) -> None:
    device.chips = chips
    await contact(client)
    assert await chip_power(client) == power


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (None, "invalidData"),
        ({"chipProtocol": "chipT0"}, "invalidData"),
        ({"chipProtocol": "chipT0", "chipData": ""}, "invalidData"),
        ({"chipProtocol": "chipT0", "chipData": b64(bytes(65_545))}, "invalidData"),
        ({"chipProtocol": "chipTypeB", "chipData": b64(PSE)}, "protocolNotSupported"),
    ],
)
async def test_what_a_chip_cannot_be_sent(client: Dialogue, payload: Any, code: str) -> None:
    await contact(client)
    assert await client.failure(IO, payload) == code


@pytest.mark.parametrize(
    "code", ["mediaJam", "noMedia", "invalidMedia", "invalidData", "atrNotObtained", "cardCollision"]
)
async def test_how_a_chip_fails(client: Dialogue, device: Motor, code: str) -> None:
    await contact(client)
    device.refuses["chip_io"] = refusal(code)
    assert await client.failure(IO, {"chipData": b64(PSE)}) == code
    assert await chip_power(client) == {"atrNotObtained": "hardwareError", "noMedia": "noCard"}.get(
        code, "online"
    )


@pytest.mark.parametrize(
    "code", ["chipPowerNotSupported", "mediaJam", "noMedia", "invalidMedia", "invalidData", "atrNotObtained"]
)
async def test_how_a_chip_reset_fails(client: Dialogue, device: Motor, code: str) -> None:
    await contact(client)
    device.refuses["chip_power"] = refusal(code)
    assert await client.failure(POWER, {"chipPower": "warm"}) == code


async def test_an_action_that_the_device_lacks_is_not_supported(nursery: trio.Nursery) -> None:
    device = type("Cold", (Motor,), {"chip_power_actions": frozenset({"cold"})})()
    device.arrives.set()
    client = await serving(device, nursery)
    await contact(client)
    assert await client.failure(POWER, {"chipPower": "off"}) == "chipPowerNotSupported"
    assert await client.failure(POWER, {}) == "invalidData"


async def test_a_permanent_chip_is_powered_first_and_never_read(nursery: trio.Nursery) -> None:
    client = await serving(Permanent("CardReader"), nursery)
    status = (await client.success("Common.Status"))["cardReader"]
    assert (status["media"], status["chipPower"]) == ("present", "poweredOff")
    assert await client.failure("CardReader.ReadRawData", {"chip": True}) == "unsupportedCommand"
    assert await client.failure(IO, {"chipData": b64(PSE)}) == "atrNotObtained"
    assert await client.success(POWER, {"chipPower": "cold"}) == {"chipData": b64(ATR)}
    assert (await client.success(IO, {"chipData": b64(PSE)}))["chipData"] == b64(b"\x90\x00")


async def test_a_dip_has_its_chip_until_the_card_is_pulled_out(nursery: trio.Nursery) -> None:
    device = Dip()
    device.arrives.set()
    client = await serving(device, nursery)
    device.hand["accept_card"] = inserted(device)
    await contact(client)
    await send(client)
    device.card_taken()
    assert await client.failure(IO, {"chipData": b64(PSE)}) == "noMedia"


def inserted(device: Dip) -> Any:
    async def insert() -> None:
        device.card_at("transport")

    return insert


async def test_the_key_of_a_security_module(client: Dialogue, device: Motor, nursery: trio.Nursery) -> None:
    await client.success("CardReader.SetKey", {"keyValue": b64(b"KEY")})
    assert device.called[-1] == ("set_key", b"KEY")
    assert await client.failure("CardReader.SetKey", {"keyValue": ""}) == "invalidKey"
    assert await client.failure("CardReader.SetKey", {}) == "invalidData"
    device.refuses["set_key"] = refusal("invalidKey")
    assert await client.failure("CardReader.SetKey", {"keyValue": b64(b"KEY")}) == "invalidKey"


async def test_without_a_security_module_there_is_no_key(nursery: trio.Nursery) -> None:
    client = await serving(Swipe(), nursery)
    assert await client.failure("CardReader.SetKey", {"keyValue": b64(b"KEY")}) == "unsupportedCommand"
    assert await client.failure(APPLICATIONS) == "unsupportedCommand"
    assert await client.failure("CardReader.QueryIFMIdentifier") == "unsupportedCommand"


async def test_approvals_are_told_by_authority(client: Dialogue) -> None:
    assert await client.success("CardReader.QueryIFMIdentifier") == {"ifmIdentifiers": {"emv": "IFM-1"}}


# Contactless.

RID, EXPONENT = bytes.fromhex("A000000003"), b"\x03"
# Visa's published test key with the index 92 hexadecimal, and its published checksum.
MODULUS = bytes.fromhex(
    "996AF56F569187D09293C14810450ED8EE3357397B18A2458EFAA92DA3B6DF6514EC060195318FD43BE9B8F0CC669E3F"
    "844057CBDDF8BDA191BB64473BC8DC9A730DB8F6B4EDE3924186FFD9B8C7735789C23A36BA0B8AF65372EB57EA5D89E7"
    "D14E9C7B6B557460F10885DA16AC923F15AF3758F0F03EBD3C5C2C949CBA306DB44E6A2C076C5F67E281D7EF56785DC4"
    "D75945E491F01918800A9E2DC66F60080566CE0DAF8D17EAD46AD8E30A247C9F"
)
CHECKSUM = bytes.fromhex("429C954A3859CEF91295F663C963E582ED6EB253")
AID = {"aid": b64(bytes.fromhex("A0000000031010")), "partialSelection": True, "transactionType": 0}
KEY = {
    "rid": b64(RID),
    "caPublicKey": {
        "index": 0x92,
        "algorithmIndicator": 1,
        "exponent": b64(EXPONENT),
        "modulus": b64(MODULUS),
        "checksum": b64(CHECKSUM),
    },
}
ALL = {"terminalData": b64(bytes.fromhex("9F1A020250")), "aidData": [AID], "keyData": [KEY]}


@pytest.fixture
def reader() -> Contactless:
    return Contactless()


@pytest.fixture
async def tapped(reader: Contactless, nursery: trio.Nursery) -> Dialogue:
    return await serving(reader, nursery)


async def test_the_applications_of_the_kernels(tapped: Dialogue) -> None:
    assert await tapped.success(APPLICATIONS) == {
        "appData": [
            {"aid": b64(bytes.fromhex("A0000000031010")), "kernelIdentifier": b64(b"\x03")},
            {"aid": b64(bytes.fromhex("A0000000041010"))},
        ]
    }


async def test_a_reader_is_configured_as_a_whole_and_stays_so(reader: Contactless) -> None:
    ledger = xfs4iot.Ledger.open(None)
    for first in (True, False):
        device = Contactless()
        async with trio.open_nursery() as nursery:
            client = await serving(device, nursery, ledger)
            if first:
                assert await client.failure(PERFORM) == "readerNotConfigured"
                await client.success(CONFIGURE, ALL)
            await client.success(PERFORM, {"data": b64(b"\x9f\x02\x01\x05")})
            assert device.configured[0].keys[0].modulus == MODULUS
            assert device.configured[0].applications[0].partial_selection
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "parts", [("aidData",), ("keyData",), ("terminalData",), ("aidData", "terminalData")]
)
async def test_a_part_of_a_configuration_is_enough(tapped: Dialogue, parts: tuple[str, ...]) -> None:
    await tapped.success(CONFIGURE, {part: ALL[part] for part in parts})


def key(**changed: Any) -> dict[str, Any]:
    return {"keyData": [{**KEY, "caPublicKey": {**KEY["caPublicKey"], **changed}}]}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (None, "invalidData"),
        ({}, "invalidData"),
        ({"aidData": [], "keyData": []}, "invalidData"),
        ({"aidData": [{"partialSelection": True, "transactionType": 0}]}, "invalidData"),
        ({"aidData": [{"aid": AID["aid"], "transactionType": 0}]}, "invalidData"),
        ({"keyData": [{"rid": b64(RID)}]}, "invalidData"),
        (key(exponent=None), "invalidData"),
        ({"terminalData": b64(b"\x9f\x1a\x05\x01")}, "invalidTerminalData"),
        ({"aidData": [{**AID, "aid": b64(b"\xa0")}]}, "invalidAidData"),
        ({"aidData": [{**AID, "configData": b64(b"\x9f")}]}, "invalidAidData"),
        ({"aidData": [{**AID, "transactionType": 256}]}, "invalidAidData"),
        ({"keyData": [{**KEY, "rid": b64(b"\xa0")}]}, "invalidKeyData"),
        (key(checksum=b64(bytes(20))), "invalidKeyData"),
        ({"aidData": [AID, AID]}, "invalidAidData"),
        ({"keyData": [KEY, KEY]}, "invalidKeyData"),
        ({"aidData": [{**AID, "kernelIdentifier": b64(bytes(9))}]}, "invalidAidData"),
        ({"aidData": [{**AID, "kernelIdentifier": ""}]}, "invalidAidData"),
        (key(index=256), "invalidKeyData"),
        (key(algorithmIndicator=256), "invalidKeyData"),
        (key(algorithmIndicator=5, modulus=b64(bytes(249))), "invalidKeyData"),
        (key(algorithmIndicator=5, exponent=b64(bytes(4))), "invalidKeyData"),
        (key(algorithmIndicator=5, checksum=b64(bytes(65))), "invalidKeyData"),
        (key(algorithmIndicator=5, checksum=""), "invalidKeyData"),
        (key(modulus=b64(MODULUS[:-1] + b"\x00")), "invalidKeyData"),
    ],
)
async def test_a_configuration_that_is_wrong_leaves_the_one_before(
    tapped: Dialogue, reader: Contactless, payload: Any, code: str
) -> None:
    await tapped.success(CONFIGURE, ALL)
    assert await tapped.failure(CONFIGURE, payload) == code
    assert len(reader.configured) == 1
    await tapped.success(PERFORM)


@pytest.mark.parametrize("code", ["invalidTerminalData", "invalidAidData", "invalidKeyData"])
async def test_how_a_device_refuses_a_configuration(tapped: Dialogue, reader: Contactless, code: str) -> None:
    reader.refuses["configure"] = refusal(code)
    assert await tapped.failure(CONFIGURE, ALL) == code
    assert await tapped.failure(PERFORM) == "readerNotConfigured"


OUTCOMES = [
    "multipleCards",
    "approve",
    "decline",
    "onlineRequest",
    "onlineRequestCompletionRequired",
    "tryAgain",
    "tryAnotherInterface",
    "endApplication",
    "confirmationRequired",
]


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_each_outcome_is_told_and_only_one_awaits_an_update(
    tapped: Dialogue, reader: Contactless, outcome: Any
) -> None:
    await tapped.success(CONFIGURE, ALL)
    details = messages.EMVClessOutcome(
        cvm="onlinePIN",
        alternate_interface="contact",
        receipt=True,
        ui_outcome=messages.EMVClessUI(message_id=3, status="processingError", hold_time=10),
        discretionary_data=b"\x9f\x6e",
    )
    reader.outcomes = {"track2": devices.ContactlessOutcome(outcome, "holdCard", b"4761=", details)}
    found = await tapped.success(PERFORM)
    assert found["track2"]["txOutcome"] == outcome
    assert found["track2"]["dataRead"] == b64(b"4761=")
    told = found["track2"]["clessOutcome"]
    assert told["uiOutcome"] == {"messageId": 3, "status": "processingError", "holdTime": 10}
    assert ("alternateInterface" in told) is (outcome == "tryAnotherInterface")
    if outcome == "onlineRequestCompletionRequired":
        assert (await tapped.success(UPDATE, {"data": b64(b"\x91\x00")}))["chip"]["txOutcome"] == "approve"
    assert await tapped.failure(UPDATE) == "transactionNotInitiated"


@pytest.mark.parametrize("dropped", ["configure", "reset", "perform"])
async def test_what_drops_an_update_that_is_awaited(
    tapped: Dialogue, reader: Contactless, dropped: str
) -> None:
    await tapped.success(CONFIGURE, ALL)
    reader.outcomes = {"chip": devices.ContactlessOutcome("onlineRequestCompletionRequired")}
    await tapped.success(PERFORM)
    if dropped == "configure":
        await tapped.success(CONFIGURE, ALL)
    elif dropped == "reset":
        await tapped.success("CardReader.Reset")
    else:
        reader.outcomes = {"chip": devices.ContactlessOutcome("approve")}
        await tapped.success(PERFORM)
    assert await tapped.failure(UPDATE) == "transactionNotInitiated"


@pytest.mark.parametrize("code", ["noMedia", "invalidMedia"])
async def test_another_card_for_the_update_leaves_it_to_be_repeated(
    tapped: Dialogue, reader: Contactless, code: str
) -> None:
    await tapped.success(CONFIGURE, ALL)
    reader.outcomes = {"chip": devices.ContactlessOutcome("onlineRequestCompletionRequired")}
    await tapped.success(PERFORM)
    reader.refuses["update"] = refusal(code)
    assert await tapped.failure(UPDATE) == code
    del reader.refuses["update"]
    reader.update = None
    assert await tapped.success(UPDATE) == {}


async def test_applications_and_keys_differ_by_more_than_their_names(tapped: Dialogue) -> None:
    again = {"index": 0x93, "algorithmIndicator": 5}
    keys = [KEY, *key(**again)["keyData"], {**key(algorithmIndicator=5)["keyData"][0], "rid": b64(bytes(5))}]
    applications = [AID, {**AID, "transactionType": 9}, {**AID, "kernelIdentifier": b64(b"\x03")}]
    await tapped.success(CONFIGURE, {"aidData": applications, "keyData": keys})


@pytest.mark.parametrize("data", [b"\x9f", b"\x50\x80", bytes.fromhex("910A00")])
async def test_data_that_are_no_objects_reach_no_kernel(
    tapped: Dialogue, reader: Contactless, data: bytes
) -> None:
    await tapped.success(CONFIGURE, ALL)
    assert await tapped.failure(PERFORM, {"data": b64(data)}) == "invalidData"
    reader.outcomes = {"chip": devices.ContactlessOutcome("onlineRequestCompletionRequired")}
    await tapped.success(PERFORM, {"data": ""})
    assert await tapped.failure(UPDATE, {"data": b64(data)}) == "invalidData"
    # Nothing has happened: the answer is still awaited.
    await tapped.success(UPDATE, {"data": b64(bytes.fromhex("91020000"))})


@pytest.mark.parametrize("code", ["noMedia", "invalidMedia"])
async def test_how_a_transaction_fails(tapped: Dialogue, reader: Contactless, code: str) -> None:
    await tapped.success(CONFIGURE, ALL)
    reader.refuses["perform"] = refusal(code)
    assert await tapped.failure(PERFORM) == code


async def test_no_tap_ends_with_the_timeout_and_the_wait_is_told(
    tapped: Dialogue, reader: Contactless
) -> None:
    await tapped.success(CONFIGURE, ALL)
    reader.taps = False
    request = await tapped.send(PERFORM, timeout=50)
    told = await tapped.until("event", request, "CardReader.EMVClessReadStatusEvent")
    assert told["payload"] == {"messageId": 1, "status": "readyToRead", "holdTime": 0}
    assert (await tapped.until("completion", request))["header"]["completionCode"] == "timeOut"


@pytest.mark.parametrize("wrong", ["mixed", "none", "update"])
async def test_outcomes_that_cannot_be_are_not_believed(
    tapped: Dialogue, reader: Contactless, wrong: str
) -> None:
    await tapped.success(CONFIGURE, ALL)
    if wrong == "mixed":
        reader.outcomes = {
            "track1": devices.ContactlessOutcome("approve"),
            "track2": devices.ContactlessOutcome("decline"),
        }
    elif wrong == "none":
        reader.outcomes = {}
    else:
        reader.outcomes = {"chip": devices.ContactlessOutcome("onlineRequestCompletionRequired")}
        reader.update = devices.ContactlessOutcome("onlineRequest")
        await tapped.success(PERFORM)
    assert await tapped.failure(UPDATE if wrong == "update" else PERFORM) == "hardwareError"
