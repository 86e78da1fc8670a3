"""CardReader for clients of older versions: every command with success, and what differs."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio

from dialogue import Dialogue, another, outcome
from readers import ATR, TRACK1, TRACK2, Contactless, Motor
from vendors import serving
from xfs4iot import devices
from xfs4iot.protocol.messages import card_reader as messages

OLDER = ("2021-1", "2023-2")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(params=OLDER)
async def old(device: Motor, nursery: trio.Nursery, request: pytest.FixtureRequest) -> Dialogue:
    return await another(await serving(device, nursery), nursery, request.param)


async def completion(client: Dialogue, name: str, payload: Any = None) -> dict[str, Any]:
    """What a command ends with, in an envelope of its version."""
    request = await client.send(f"CardReader.{name}", payload)
    found = await client.until("completion", request)
    inside: dict[str, Any] = dict(found.get("payload") or {})
    for told in ("completionCode", "errorDescription"):
        inside.pop(told, None)
    return {"ended": outcome(found), **inside}


async def good(client: Dialogue, name: str, payload: Any = None) -> dict[str, Any]:
    found = await completion(client, name, payload)
    assert found.pop("ended") == "success", found
    return {key: value for key, value in found.items() if value is not None}


async def test_a_card_is_read_and_what_is_good_says_so_in_2021(old: Dialogue) -> None:
    found = await good(old, "ReadRawData", {"track1": True, "track3": True, "chip": True})
    ok = {"status": "ok"} if old.specification == "2021-1" else {}
    assert found["track1"] == {"data": b64(TRACK1), **ok}
    assert found["chip"] == [{"data": b64(ATR), **ok}]
    assert found["track3"] == {"status": "dataMissing"}
    events = [one["header"]["name"] for one in old.passed if one["header"]["type"] == "event"]
    assert [name for name in events if name.startswith("CardReader.")] == [
        "CardReader.InsertCardEvent",
        "CardReader.MediaInsertedEvent",
        "CardReader.TrackDetectedEvent",
    ]


async def test_tracks_are_written_as_each_version_names_them(old: Dialogue, device: Motor) -> None:
    track = {"data": b64(TRACK2), "writeMethod": "hico"}
    plain = {"data": b64(TRACK1)}
    payload: Any = {"track2": track, "track1": plain}
    if old.specification == "2021-1":
        plain = {**plain, "writeMethod": "auto"}
        payload = {"data": [{"destination": "track2", **track}, {"destination": "track1", **plain}]}
    await good(old, "WriteRawData", payload)
    assert device.called[-1] == (
        "write_card",
        {"track2": devices.CardWrite(TRACK2, "hico"), "track1": devices.CardWrite(TRACK1)},
    )


async def test_the_misspelt_vendor_track_of_2023_is_understood(device: Motor, nursery: trio.Nursery) -> None:
    old = await another(await serving(device, nursery), nursery, "2023-2")
    payload = {"track2": {"data": b64(TRACK2)}, "additonalProperties": {"data": b64(b"1")}}
    assert (await completion(old, "WriteRawData", payload))["ended"] == "invalidData"


async def test_chips_keys_and_approvals(old: Dialogue) -> None:
    await good(old, "ReadRawData", {"chip": True})
    answer = await good(old, "ChipIO", {"chipProtocol": "chipT0", "chipData": b64(b"\x00\xa4")})
    assert answer == {"chipProtocol": "chipT0", "chipData": b64(b"\x61\x1c")}
    assert await good(old, "ChipPower", {"chipPower": "cold"}) == {"chipData": b64(ATR)}
    assert await good(old, "ChipPower", {"chipPower": "off"}) == {}
    await good(old, "SetKey", {"keyValue": b64(b"KEY")})
    approvals = await good(old, "QueryIFMIdentifier")
    assert "IFM-1" in str(approvals)


async def test_cards_move_and_a_reset_tells_where_they_are(old: Dialogue) -> None:
    await good(old, "ReadRawData", {})
    await good(old, "Move", {"from": "transport", "to": "exit"})
    await good(old, "Reset", {"to": "retain", "storageId": "unitBIN"})
    kind = "event" if old.specification == "2021-1" else "unsolicited"
    detected = await old.until(kind, name="CardReader.MediaDetectedEvent")
    assert detected["payload"] == {"position": "unitBIN"}
    failed = await completion(old, "Move", {"from": "transport", "to": "exit"})
    assert failed["errorCode"] == "noMedia"


async def test_status_and_capabilities_are_those_of_the_version(old: Dialogue) -> None:
    request = await old.send("Common.Status")
    status = (await old.until("completion", request))["payload"]["cardReader"]
    assert (status["media"], status["chipPower"]) == ("notPresent", "noCard")
    request = await old.send("Common.Capabilities")
    capabilities = (await old.until("completion", request))["payload"]["cardReader"]
    assert capabilities["type"] == "motor"
    assert capabilities["chipPower"] == {"cold": True, "warm": True, "off": True}


@pytest.mark.parametrize("older", OLDER)
async def test_contactless_transactions(nursery: trio.Nursery, older: str) -> None:
    device = Contactless()
    ui = messages.EMVClessUI(
        message_id=1,
        status="idle",
        hold_time=0,
        value_details=messages.ValueDetails(qualifier="amount", value="000000000100", currency_code=978),
    )
    device.outcomes = {
        "chip": devices.ContactlessOutcome(
            "onlineRequestCompletionRequired",
            "retap",
            b"\x9f\x27\x01\x80",
            messages.EMVClessOutcome(receipt=True, ui_outcome=ui),
        )
    }
    old = await another(await serving(device, nursery), nursery, older)
    configuration = {
        "terminalData": b64(bytes.fromhex("9F1A020250")),
        "aidData": [{"aid": b64(bytes(7)), "partialSelection": False, "transactionType": 0}],
    }
    await good(old, "EMVClessConfigure", configuration)
    assert len((await good(old, "EMVClessQueryApplications"))["appData"]) == 2
    chip = (await good(old, "EMVClessPerformTransaction", {"data": b64(b"\x9c\x01\x00")}))["chip"]
    assert (chip["txOutcome"], chip["cardholderAction"]) == ("onlineRequestCompletionRequired", "retap")
    shown = chip["clessOutcome"]["uiOutcome"]
    if older == "2021-1":
        assert (shown["value"], shown["valueQualifier"]) == ("000000000100", "amount")
    else:
        assert shown["valueDetails"]["currencyCode"] == 978
    told = await old.until("event", name="CardReader.EMVClessReadStatusEvent")
    assert told["payload"]["status"] == "readyToRead"
    assert (await good(old, "EMVClessIssuerUpdate"))["chip"]["txOutcome"] == "approve"


REFUSALS = [
    ("ReadRawData", {"track1": True}, "accept_card", ["mediaJam", "noMedia", "invalidMedia", "cardTooShort"]),
    ("WriteRawData", None, "write_card", ["shutterFail", "cardTooLong", "invalidMedia"]),
    ("SetKey", {"keyValue": b64(b"KEY")}, "set_key", ["invalidKey"]),
]


@pytest.mark.parametrize(
    ("name", "payload", "operation", "code"),
    [(name, payload, operation, code) for name, payload, operation, codes in REFUSALS for code in codes],
)
async def test_the_devices_error_codes_are_told(
    old: Dialogue, device: Motor, name: str, payload: Any, operation: str, code: str
) -> None:
    from xfs4iot.protocol import errors

    if name == "WriteRawData":
        track = {"data": b64(TRACK2)}
        payload = {"track2": track}
        if old.specification == "2021-1":
            payload = {"data": [{"destination": "track2", **track}]}
    device.refuses[operation] = errors.CommandError(code, "as the test wants it")
    found = await completion(old, name, payload)
    assert (found["ended"], found["errorCode"]) == ("commandErrorCode", code)
