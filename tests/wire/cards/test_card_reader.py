"""CardReader over the wire: taking cards in, reading and writing them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio
import trio.lowlevel

from dialogue import Dialogue, another
from readers import ATR, TRACK1, TRACK2, Dip, Latched, Motor, Reader, Swipe, media
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.protocol import errors

READ, WRITE = "CardReader.ReadRawData", "CardReader.WriteRawData"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def device() -> Motor:
    return Motor()


async def chip_power(client: Dialogue) -> Any:
    return (await client.success("Common.Status"))["cardReader"].get("chipPower")


def told(client: Dialogue) -> list[str]:
    """What has been told so far, in its order: events of the reader, and its media and chip."""
    found = []
    for message in client.passed:
        name = message["header"]["name"].partition(".")[2]
        if name == "StatusChangedEvent":
            found += [str(value) for value in message["payload"].get("cardReader", {}).values()]
        elif message["header"]["name"].startswith("CardReader."):
            found.append(name)
    return found


async def read(client: Dialogue, device: Reader, *wanted: str, **more: Any) -> dict[str, Any]:
    device.arrives.set()
    return await client.success(READ, {**dict.fromkeys(wanted, True), **more})


async def test_a_card_that_is_inserted_is_told_in_the_standards_order(
    client: Dialogue, device: Motor
) -> None:
    device.hand["accept_card"] = entering(device)
    found = await read(client, device, "track1", "track2", "track3")
    assert found == {
        "track1": {"data": b64(TRACK1)},
        "track2": {"data": b64(TRACK2)},
        "track3": {"status": "dataMissing"},
    }
    assert told(client) == [
        "InsertCardEvent",
        "entering",
        "poweredOff",
        "MediaInsertedEvent",
        "present",
        "TrackDetectedEvent",
    ]
    detected = await client.until("event", name="CardReader.TrackDetectedEvent")
    assert {name for name, is_there in detected["payload"].items() if is_there} == {"track1", "track2"}


def entering(device: Motor) -> Any:
    async def enter() -> None:
        device.card_at("exit")
        await trio.sleep(0.01)

    return enter


async def test_a_card_that_is_in_already_is_read_without_asking_for_one(
    client: Dialogue, device: Motor
) -> None:
    await read(client, device)
    client.passed.clear()
    assert (await read(client, device, "track2"))["track2"] == {"data": b64(TRACK2)}
    assert told(client) == ["TrackDetectedEvent"]


async def test_with_nothing_wanted_the_card_is_only_taken_in(client: Dialogue, device: Motor) -> None:
    device.arrives.set()
    for payload in ({}, None):
        completion = await client.completion(READ, payload)
        assert "payload" not in completion
    assert [call[0] for call in device.called] == ["accept_card"]
    assert await media(client) == "present"


@pytest.mark.parametrize(("given", "flux"), [({}, True), ({"fluxInactive": False}, False)])
async def test_flux_inactive_is_the_default(
    client: Dialogue, device: Motor, given: dict[str, bool], flux: bool
) -> None:
    await read(client, device, "track1", **given)
    assert device.called[0] == ("accept_card", frozenset({"track1"}), flux)


async def test_a_card_inserted_wrongly_goes_back_and_the_wait_goes_on(
    client: Dialogue, device: Motor
) -> None:
    request = await client.send(READ, {"track2": True})
    await client.until("event", request, "CardReader.InsertCardEvent")
    for _ in range(2):
        device.events.invalid_media()
        await client.until("event", request, "CardReader.InvalidMediaEvent")
    device.arrives.set()
    assert (await client.until("completion", request))["payload"]["track2"] == {"data": b64(TRACK2)}


async def test_the_order_of_insertion_is_kept_whatever_the_device_does(
    client: Dialogue, device: Motor
) -> None:
    async def babble() -> None:
        device.events.insert_card()
        device.events.media_inserted()
        device.events.media_inserted()
        device.events.track_detected(())

    device.hand["accept_card"] = babble
    await read(client, device, "chip")
    events = [name for name in told(client) if name.endswith("Event")]
    assert events == ["InsertCardEvent", "MediaInsertedEvent"]


STATUSES = [
    "dataMissing",
    "dataInvalid",
    "dataTooLong",
    "dataTooShort",
    "dataSourceNotSupported",
    "dataSourceMissing",
]


@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_of_a_source_is_told_by_its_name(
    client: Dialogue, device: Motor, status: Any
) -> None:
    device.sources["track1"] = devices.CardData(status=status)
    device.chips = (devices.CardData(status=status),)
    found = await read(client, device, "track1", "track2", "chip")
    assert found["track1"] == {"status": status}
    assert found["track2"] == {"data": b64(TRACK2)}
    assert found["chip"] == [{"status": status}]


async def test_every_source_is_told_with_what_it_gave(client: Dialogue, device: Motor) -> None:
    device.sources |= {
        "watermark": devices.CardData(b"\x01\x02"),
        "ddi": devices.CardData(b"\x03"),
        "frontImage": devices.CardData(b"\x89PNG"),
        "track1JIS": devices.CardData(b"\xb1\xb2"),
        "track1Front": devices.CardData(b"FRONT"),
        "memoryChip": devices.CardData(b"\xa2\x13", protocol="chipT0"),
    }
    device.verdict = "readLevel2"
    names = ("watermark", "ddi", "frontImage", "track1JIS", "track1Front", "memoryChip", "chip", "security")
    assert await read(client, device, *names) == {
        "watermark": {"data": b64(b"\x01\x02")},
        "ddi": {"data": b64(b"\x03")},
        "frontImage": b64(b"\x89PNG"),
        "track1JIS": {"data": b64(b"\xb1\xb2")},
        "track1Front": {"data": b64(b"FRONT")},
        "memoryChip": {"data": b64(b"\xa2\x13"), "protocol": "chipT0"},
        "chip": [{"data": b64(ATR)}],
        "security": {"data": "readLevel2"},
    }


async def test_what_the_device_leaves_out_is_missing_and_an_image_absent(
    client: Dialogue, device: Motor
) -> None:
    device.sources, device.chips = {}, ()
    found = await read(client, device, "track1", "frontImage", "chip", "memoryChip")
    missing = {"status": "dataMissing"}
    assert found == {"track1": missing, "chip": [missing], "memoryChip": missing}


@pytest.mark.parametrize("verdict", ["hardwareError", "notInitialized"])
async def test_security_alone_that_cannot_look_fails_and_beside_tracks_is_told(
    client: Dialogue, device: Motor, verdict: str
) -> None:
    device.verdict = verdict
    device.arrives.set()
    assert await client.failure(READ, {"security": True}) == "securityFail"
    assert (await read(client, device, "security", "track2"))["security"] == {"data": verdict}


@pytest.mark.parametrize("source", ["track3JIS", "backImage"])
async def test_one_source_that_the_device_lacks_refuses_all(client: Dialogue, source: str) -> None:
    assert await client.failure(READ, {"track1": True, source: True}) == "invalidData"


@pytest.mark.parametrize("source", ["chip", "memoryChip", "security"])
async def test_a_reader_of_stripes_alone_has_no_chip(nursery: trio.Nursery, source: str) -> None:
    client = await serving(Swipe(), nursery)
    assert await client.failure(READ, {source: True}) == "invalidData"


@pytest.mark.parametrize(
    "code",
    ["mediaJam", "shutterFail", "noMedia", "invalidMedia", "cardTooShort", "cardTooLong", "cardCollision"],
)
@pytest.mark.parametrize("operation", ["accept_card", "read_card"])
async def test_how_a_read_fails_at_the_device(
    client: Dialogue, device: Motor, code: str, operation: str
) -> None:
    device.arrives.set()
    device.refuses[operation] = refusal(code)
    assert await client.failure(READ, {"track1": True}) == code
    where = "present" if operation == "read_card" else "notPresent"
    assert await media(client) == {"mediaJam": "jammed", "noMedia": "notPresent"}.get(code, where)


async def test_a_jam_refuses_everything_until_a_reset(client: Dialogue, device: Motor) -> None:
    device.card_at("jammed")
    assert await client.failure(READ, {"track1": True}) == "mediaJam"
    assert await client.failure("CardReader.Move", {"from": "exit", "to": "transport"}) == "mediaJam"
    await client.success("CardReader.Reset")
    assert await media(client) == "present"


@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_a_wait_that_is_given_up_closes_the_entrance(client: Dialogue, device: Motor, end: str) -> None:
    request = await client.send(READ, {"track1": True}, timeout=50 if end == "timeOut" else 0)
    await client.until("event", request, "CardReader.InsertCardEvent")
    if end == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    assert (await client.until("completion", request))["header"]["completionCode"] == end
    assert device.called == [("stop_accepting",)]
    assert await media(client) == "notPresent"


@pytest.mark.parametrize("seed", range(20))
async def test_a_card_drawn_in_as_the_wait_is_given_up_is_read(
    client: Dialogue, device: Motor, seed: int
) -> None:
    async def late() -> None:
        device.drawn_in = True
        await trio.sleep_forever()

    device.hand["accept_card"] = late
    request = await client.send(READ, {"track2": True})
    await client.until("event", request, "CardReader.InsertCardEvent")
    device.arrives.set()
    for _ in range(seed % 4):
        await trio.lowlevel.checkpoint()
    cancel = await client.send("Common.Cancel", {"requestIds": [request]})
    ended = await client.until("completion", request)
    await client.until("completion", cancel)
    if ended["header"].get("completionCode") is None:
        assert ended["payload"]["track2"] == {"data": b64(TRACK2)}
        assert await media(client) == "present"
    else:
        assert await media(client) == "notPresent"
        assert not device.drawn_in


async def test_a_client_that_vanishes_while_it_waits_leaves_the_reader_to_others(
    client: Dialogue, device: Motor, nursery: trio.Nursery
) -> None:
    vanishing = await another(client, nursery)
    await vanishing.send(READ, {"track1": True})
    await vanishing.until("event", name="CardReader.InsertCardEvent")
    await vanishing.connection.aclose()
    await read(client, device, "track1")
    assert ("stop_accepting",) in device.called


async def test_who_waits_for_a_card_holds_up_others_until_cancelled(
    client: Dialogue, device: Motor, nursery: trio.Nursery
) -> None:
    bystander = await another(client, nursery)
    waits = await client.send(READ, {"track1": True})
    await client.until("event", waits, "CardReader.InsertCardEvent")
    reset = await bystander.send("CardReader.Reset")
    await bystander.until("acknowledge", reset)
    await bystander.success("Common.Status")
    await bystander.success("CardReader.QueryIFMIdentifier")
    await client.success("Common.Cancel", {"requestIds": [waits]})
    assert "completionCode" not in (await bystander.until("completion", reset))["header"]


async def test_a_card_pulled_out_while_it_is_read_is_no_media(client: Dialogue, device: Motor) -> None:
    async def pulled() -> None:
        device.card_taken()

    device.arrives.set()
    device.hand["read_card"], device.refuses["read_card"] = pulled, refusal("noMedia")
    assert await client.failure(READ, {"track1": True}) == "noMedia"
    assert "MediaRemovedEvent" in told(client)
    assert await media(client) == "notPresent"


async def test_a_latched_dip_holds_a_card_whose_chip_is_read_until_it_is_moved(nursery: trio.Nursery) -> None:
    device = Latched()
    client = await serving(device, nursery)
    await read(client, device, "track1")
    assert (await media(client), await chip_power(client)) == ("present", "poweredOff")
    await read(client, device, "chip")
    assert (await media(client), await chip_power(client)) == ("latched", "online")
    await client.success("CardReader.Move", {"from": "transport", "to": "exit"})
    assert (await media(client), await chip_power(client)) == ("present", "poweredOff")
    assert await client.failure("CardReader.Move", {"from": "transport", "to": "unitBIN"}) == "invalidData"


@pytest.mark.parametrize("kind", [Swipe, Dip])
async def test_readers_that_hold_no_card_ask_for_one_each_time_and_move_none(
    nursery: trio.Nursery, kind: type[Reader]
) -> None:
    device = kind()
    client = await serving(device, nursery)
    for _ in range(2):
        await read(client, device, "track2")
        assert told(client)[0] == "InsertCardEvent"
        client.passed.clear()
    assert (
        await client.failure("CardReader.Move", {"from": "transport", "to": "exit"}) == "unsupportedCommand"
    )
    if kind is Swipe:
        assert await media(client) is None


async def test_tracks_are_written_as_they_came(client: Dialogue, device: Motor) -> None:
    device.arrives.set()
    await client.success(
        WRITE,
        {"track2": {"data": b64(TRACK2), "writeMethod": "hico"}, "track1JIS": {"data": b64(b"\xff")}},
    )
    wrote = {"track2": devices.CardWrite(TRACK2, "hico"), "track1JIS": devices.CardWrite(b"\xff")}
    assert device.called == [("accept_card", frozenset(), False), ("write_card", wrote)]


SOUND = [("track1", b"X" * 76), ("track2", b"4" * 37), ("track3", b"4" * 104), ("track1JIS", b"\x00" * 107)]


@pytest.mark.parametrize(("track", "content"), SOUND, ids=[name for name, _ in SOUND])
async def test_the_longest_tracks_are_written(
    client: Dialogue, device: Motor, track: str, content: bytes
) -> None:
    device.arrives.set()
    await client.success(WRITE, {track: {"data": b64(content)}})


@pytest.mark.parametrize(
    ("track", "content"),
    [
        ("track1", b"X" * 77),
        ("track2", b"4" * 38),
        ("track3", b"4" * 105),
        ("track1JIS", b"\x00" * 108),
        ("track1", b"AB?CD"),
        ("track1", b"%AB"),
        ("track1", b"AB?"),
        ("track1", b"lower"),
        ("track2", b";12"),
        ("track2", b"12A"),
        ("track3", b"12?"),
        ("track1", b""),
        ("track3JIS", b"1"),
        ("track1Front", b"1"),
    ],
)
async def test_what_a_track_cannot_hold_is_refused(client: Dialogue, track: str, content: bytes) -> None:
    assert await client.failure(WRITE, {track: {"data": b64(content)}}) == "invalidData"


@pytest.mark.parametrize("payload", [None, {}, {"track2": {}}, {"additionalProperties": {"data": b64(b"1")}}])
async def test_a_track_must_be_given(client: Dialogue, payload: Any) -> None:
    assert await client.failure(WRITE, payload) == "invalidData"


async def test_a_method_that_the_device_lacks_is_named_by_its_code(client: Dialogue) -> None:
    track = {"data": b64(TRACK2), "writeMethod": "loco"}
    assert await client.failure(WRITE, {"track2": track}) == "writeMethod"


async def test_a_write_that_is_not_what_is_read_back_fails(client: Dialogue, device: Motor) -> None:
    device.arrives.set()
    device.refuses["write_card"] = errors.HardwareError("track2 does not read as it was written")
    assert await client.failure(WRITE, {"track2": {"data": b64(TRACK2)}}) == "hardwareError"


@pytest.mark.parametrize(
    "code", ["mediaJam", "shutterFail", "noMedia", "invalidMedia", "cardTooShort", "cardTooLong"]
)
async def test_how_a_write_fails_at_the_device(client: Dialogue, device: Motor, code: str) -> None:
    device.arrives.set()
    device.refuses["write_card"] = refusal(code)
    assert await client.failure(WRITE, {"track2": {"data": b64(TRACK2)}}) == code


async def test_a_guarded_card_is_refused_to_other_clients(nursery: trio.Nursery) -> None:
    device = type("Guarded", (Motor,), {"guards_card": True})()
    client = await serving(device, nursery)
    other = await another(client, nursery)
    await read(client, device, "track1")
    assert await other.failure(READ, {"track1": True}) == "sequenceError"
    await read(client, device, "track1")
    await client.connection.aclose()
    await trio.sleep(0.05)
    await other.success(READ, {"track1": True})


async def test_the_card_of_a_client_that_is_gone_comes_out_if_so_wished(nursery: trio.Nursery) -> None:
    device = type("Ejecting", (Motor,), {"eject_after": 0.01})()
    client = await serving(device, nursery)
    other = await another(client, nursery)
    await read(client, device, "track1")
    await client.connection.aclose()
    moved = await other.until("unsolicited", name="CardReader.CardActionEvent")
    assert moved["payload"] == {"to": "exit", "from": "transport"}
    assert await media(other) == "entering"


async def test_a_card_that_comes_in_while_its_client_goes_belongs_to_nobody(nursery: trio.Nursery) -> None:
    device = type("Guarded", (Motor,), {"guards_card": True})()
    client = await serving(device, nursery)
    other = await another(client, nursery)
    await client.send(READ, {"track1": True})
    await client.until("event", name="CardReader.InsertCardEvent")
    device.stopped = "transport"
    await client.connection.aclose()
    await trio.sleep(0.1)
    assert await media(other) == "present"
    await other.success(READ, {"track1": True})


async def test_neither_tracks_nor_chip_data_nor_keys_reach_a_log(
    client: Dialogue, device: Motor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await read(client, device, "track1", "track2", "chip")
        await client.success(
            "CardReader.ChipIO", {"chipProtocol": "chipT0", "chipData": b64(b"\x00\xa4SECRET")}
        )
        await client.success(WRITE, {"track2": {"data": b64(TRACK2)}})
        await client.success("CardReader.SetKey", {"keyValue": b64(b"KEYKEYKEY")})
        device.sources["track1"] = "TRACK-AS-TEXT"  # type: ignore[assignment]
        assert await client.failure(READ, {"track1": True}) == "hardwareError"
    assert "ReadRawData" in caplog.text
    for secret in (TRACK1, TRACK2, ATR, b"\x00\xa4SECRET", b"KEYKEYKEY", b"TRACK-AS-TEXT"):
        assert b64(secret) not in caplog.text
        assert repr(secret)[2:-1] not in caplog.text
