"""Recordings: no secret is in them; TLS on both sides, messages of megabytes, services that take long."""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket

import xfs4iot
from hostile import Reply, service
from secured import HOSTS, config, secure_atm
from traffic import catalogue
from xfs4iot import client
from xfs4iot.protocol import versions
from xfs4iot.protocol.endpoints import service_uri
from xfs4iot.protocol.sensitive import MASK
from xfs4iot.recording import (
    Entry,
    Listener,
    PlayedDevice,
    Recorder,
    RecordingError,
    Replay,
    Writer,
    differences,
    read,
)
from xfs4iot.transport.certificates import test_authority
from xfs4iot.transport.tls import TLSConfig

SECRET = "U0VDUkVU"
"""What nobody may find in a recording; base64, too."""
NUMBER = 471147114711
HEADING = '{"x4r":1,"uri":"","recorded":"","by":""}\n'


def full(version: str, schema: Any, secret: bool = False, depth: int = 0) -> tuple[Any, int]:
    """A value with every property of a schema, and how many secrets are in it."""
    schema = schema or {}
    if "$ref" in schema:
        schema = {**schema, **catalogue(version)["definitions"][schema["$ref"].rpartition("/")[2]]}
    secret = secret or bool(schema.get("x-sensitive")) or schema.get("contentEncoding") == "base64"
    for one in schema.get("anyOf") or schema.get("oneOf") or ():
        if one.get("type") != "null":
            return full(version, one, secret, depth + 1)
    if depth > 20:
        return None, 0
    free = schema.get("additionalProperties"), *(schema.get("patternProperties") or {}).values()
    properties = dict(schema.get("properties") or {})
    properties |= {f"key{place}": one for place, one in enumerate(free) if isinstance(one, dict)}
    if properties:
        parts = {name: full(version, one, secret, depth + 1) for name, one in properties.items()}
        return {name: value for name, (value, _) in parts.items()}, sum(count for _, count in parts.values())
    if "items" in schema:
        value, count = full(version, schema["items"], secret, depth + 1)
        return [value], count
    kinds = schema.get("type") or "string"
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if secret and kind in ("string", "integer", "number") and "enum" not in schema:
        return (SECRET if kind == "string" else NUMBER), 1
    return {"integer": 1, "number": 1, "boolean": True, "object": {}, "array": []}.get(kind, "word"), 0


def messages(version: str) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Every message of a version, with all of its properties, and how many secrets are in it."""
    for interface, content in catalogue(version)["interfaces"].items():
        for command, told in content["commands"].items():
            for kind, schema in (("command", told["payload"]), ("completion", told["completion"]["payload"])):
                payload, count = full(version, schema)
                header = {"name": f"{interface}.{command}", "type": kind, "requestId": 1}
                yield kind, {"header": header, "payload": payload}, count
        for event, told in content["events"].items():
            payload, count = full(version, told["payload"])
            yield (
                "event",
                {"header": {"name": f"{interface}.{event}", "type": "event"}, "payload": payload},
                count,
            )


@pytest.mark.parametrize("version", versions.SPECIFICATIONS)
def test_no_secret_of_any_message_is_in_a_recording(version: str) -> None:
    secrets = 0
    for kind, message, count in messages(version):
        file = io.BytesIO()
        writer = Writer(file, "ws://127.0.0.1/xfs4iot/v1.0")
        sender: Any = "client" if kind == "command" else "service"
        writer.message(1, "S", sender, json.dumps(message))
        written = file.getvalue().decode()
        assert SECRET not in written, message["header"]
        assert str(NUMBER) not in written, message["header"]
        assert written.count(MASK) >= count
        secrets += count
    assert secrets > 30


CARD = "4111111111111111"
SAID = {"type": "completion", "name": "Common.Status", "requestId": 1}
ELSEWHERE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"errorDescription": f"track 2 was ;{CARD}=25121010000012345678? twice"}, {}, "25121010000012345678"),
    ({"errorDescription": "PIN 4711 is wrong"}, {}, "4711"),
    ({"errorDescription": "no key 0123456789ABCDEFFEDCBA9876543210"}, {}, "CDEF"),
    ({}, {"errorDescription": f"card {CARD}"}, CARD),
    ({"name": f"Made.{CARD}"}, {}, CARD),
    ({}, {"text": "your card 4111 1111 1111 1111"}, "1111"),
    ({}, {"errorCode": CARD}, CARD),
    ({}, {"details": [f"PAN={CARD}"]}, CARD),
    ({}, {CARD: {"x": 1}}, CARD),
    ({}, {"account": int(CARD)}, CARD),
    ({}, {"raw": '{"pinBlock": "aBcDeF"}'}, "aBcDeF"),
    ({"trace": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc"}, {}, "eyJ"),
    ({}, {"vendor": {"blob": "041234FFFFFFFFFF"}}, "041234"),
    ({}, {"vendor": ["NDExMTExMTExMTExMTExMQ=="]}, "NDExMTEx"),
    ({}, {"picture": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA"}, "iVBOR"),
    ({}, {"fingerprintImage": "c2hvcnQ="}, "c2hvcnQ"),
    ({}, {"MICR": "1-23"}, "1-23"),
    ({}, {"line": "\u2448000123\u2448"}, "000123"),
]
"""Where services of others put secrets: header, payload, and what must not be found."""


@pytest.mark.parametrize(("header", "payload", "secret"), ELSEWHERE)
def test_secrets_are_masked_where_the_standard_has_none(
    header: dict[str, Any], payload: dict[str, Any], secret: str
) -> None:
    file = io.BytesIO()
    writer = Writer(file, "ws://127.0.0.1/xfs4iot/v1.0")
    writer.message(1, "S", "service", json.dumps({"header": {**SAID, **header}, "payload": payload}))
    written = file.getvalue().decode()
    assert secret not in written
    assert MASK in written


def test_what_is_no_secret_is_recorded_as_it_is() -> None:
    payload = {
        "errorDescription": "there is nothing on the stacker; see CashDispenser.Dispense",
        "serialNumber": "0123456789ABCDEF01",
        "vendorId": "550e8400-e29b-41d4-a716-446655440000",
        "vendorState": "waitingForCustomerToTakeNotes",
        "amount": 1234567890123456,
        "value": 20,
        "units": {"unit1": {"count": 4111}},
        "position": "outDefault",
    }
    file = io.BytesIO()
    Writer(file, "ws://x/xfs4iot/v1.0").message(
        1, "S", "service", json.dumps({"header": SAID, "payload": payload})
    )
    assert json.loads(file.getvalue().splitlines()[-1])["message"] == {"header": SAID, "payload": payload}


@asynccontextmanager
async def recording(
    uri: str, to: Path, credentials: client.Credentials | None = None, tls: TLSConfig | None = None
) -> AsyncIterator[tuple[Recorder, Writer]]:
    """A recorder that runs while the block lasts."""
    listener = Listener("127.0.0.1", 0, tls)
    await listener.open()
    with to.open("wb") as file:
        writer = Writer(file, uri)
        recorder = Recorder(uri, credentials or client.Credentials(), listener, writer)
        await recorder.find_services()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.serve)
            yield recorder, writer
            nursery.cancel_scope.cancel()


async def test_certificates_of_clients_on_both_sides(nursery: trio.Nursery, tmp_path: Path) -> None:
    """The device knows the recorder, and the recorder its clients, each by an authority of its own."""
    far, near = test_authority(tmp_path / "far"), test_authority(tmp_path / "near")
    asks = {"client_certificates": "required"}
    atm = await secure_atm(
        nursery, config(far.issue_device("atm17", HOSTS), client_ca=far.certificate_file, **asks)
    )
    own = config(near.issue_device("recorder", HOSTS), client_ca=near.certificate_file, **asks)
    to_device = client.Credentials(far.certificate_file, *far.issue_client("recorder"))
    certificate, key = near.issue_client("application")
    async with recording(atm.uri(), tmp_path / "x4r", to_device, own) as (recorder, _):
        uri = recorder.own_uri("CashDispenser")
        assert uri.startswith("wss://")
        async with xfs4iot.connect(
            uri, ca=near.certificate_file, certificate=certificate, key=key
        ) as dispenser:
            assert (await dispenser.call("Common.Status"))["common"]["device"] == "online"
        strangers: tuple[dict[str, Any], ...] = (
            {"ca": near.certificate_file},
            dict(
                zip(
                    ("ca", "certificate", "key"), (near.certificate_file, *far.issue_client("x")), strict=True
                )
            ),
        )
        for stranger in strangers:
            with pytest.raises(client.Disconnected):
                async with xfs4iot.connect(uri, **stranger) as nobody:
                    await nobody.call("Common.Status")
    names = {entry.name for entry in read(tmp_path / "x4r").entries}
    assert "Common.Status" in names


BIG = "A" * (3 * 2**20)


def big(header: dict[str, Any], say: Callable[..., None]) -> None:
    """A service whose status has three megabytes."""
    say("acknowledge")
    if header["name"] == "Common.Status":
        say("completion", {"common": {"device": "online"}, "vendor": BIG})
    else:
        say("completion", {})


def slow(header: dict[str, Any], say: Callable[..., None]) -> None:
    """A service that takes longer than anybody's patience, and says something in between."""
    say("acknowledge")
    if header["name"] == "Common.Status":
        for _ in range(4):
            time.sleep(0.3)  # in a thread of its own
            say("event", {}, name="Common.StatusChangedEvent")
    say("completion", {"common": {"device": "online"}})


async def recorded(reply: Reply, to: Path) -> None:
    """Record one Common.Status of a service."""
    with service(reply) as port:
        uri = service_uri("ws", "127.0.0.1", port, "S")
        async with (
            recording(uri, to) as (recorder, _),
            xfs4iot.connect(recorder.own_uri("S"), version="2023-2") as application,
        ):
            await application.call("Common.Status")


async def replayed(file: Path, reply: Reply, to: Path, patience: float = 5.0) -> list[str]:
    """Replay to a service; what was said about it."""
    said: list[str] = []
    with service(reply) as port, to.open("wb") as new:
        player = Replay(
            read(file),
            {"S": service_uri("ws", "127.0.0.1", port, "S")},
            client.Credentials(),
            Writer(new, ""),
            patience=patience,
            progress=lambda command, problem: said.append(problem) if problem else None,
        )
        await player.run()
    return said


async def test_messages_of_megabytes_are_recorded_replayed_and_compared(tmp_path: Path) -> None:
    await recorded(big, tmp_path / "one")
    (status,) = [
        one
        for one in read(tmp_path / "one").entries
        if one.kind == "completion" and one.name == "Common.Status"
    ]
    assert status.part("payload")["vendor"] == BIG
    assert await replayed(tmp_path / "one", big, tmp_path / "two") == []
    assert list(differences(read(tmp_path / "one"), read(tmp_path / "two"))) == []


async def test_replay_waits_for_an_answer_as_long_as_the_service_lives(tmp_path: Path) -> None:
    await recorded(slow, tmp_path / "one")
    said = await replayed(tmp_path / "one", slow, tmp_path / "two", patience=0.1)
    assert not [one for one in said if "completion" in one], said
    assert [one for one in said if "answers pings" in one]
    assert list(differences(read(tmp_path / "one"), read(tmp_path / "two"))) == []


def test_what_is_nested_too_deeply_is_told_not_walked_through(tmp_path: Path) -> None:
    for depth in (101, 400, 900, 100_000):
        deep = '{"a":' * depth + "1" + "}" * depth
        file = tmp_path / f"{depth}.x4r"
        with file.open("wb") as opened:
            Writer(opened, "").message(1, "S", "client", f'{{"header":{{}},"payload":{deep}}}')
        assert read(file).entries[0].unreadable > depth
        line = f'{{"at":1,"connection":1,"service":"S","from":"client","message":{deep}}}\n'
        file.write_text(HEADING + line)
        with pytest.raises(RecordingError, match="line 2"):
            read(file)


async def test_a_recorder_survives_messages_that_nest(atm: xfs4iot.Publisher, tmp_path: Path) -> None:
    deep = '{"serviceURI":' * 800 + "1" + "}" * 800
    async with recording(atm.uri(), tmp_path / "x4r") as (recorder, _):
        for name in (None, "CashDispenser"):
            async with trio_websocket.open_websocket_url(recorder.own_uri(name)) as websocket:
                await websocket.send_message(f'{{"header":{{"type":"command"}},"payload":{deep}}}')
                await websocket.get_message()
        async with xfs4iot.connect(recorder.own_uri("CashDispenser")) as dispenser:
            await dispenser.call("Common.Status")
    assert any(isinstance(one, Entry) and one.unreadable for one in read(tmp_path / "x4r").entries)


def line(at: int, connection: int, sender: str, header: dict[str, Any], payload: Any = None) -> str:
    place = {"at": at, "connection": connection, "service": "S", "from": sender}
    return json.dumps({**place, "message": {"payload": payload or {}, "header": header}}) + "\n"


def of_another_vendor() -> str:
    """A recording by hand, of 2023-2: one application pays, another only listens, and both are told alike."""
    lines = [HEADING]
    taken = {"type": "unsolicited", "name": "CashManagement.ItemsTakenEvent", "version": "2.0"}
    asked = [(1, "Common.Status"), (2, "Common.Status"), (1, "CashDispenser.Present")]
    for number, (connection, name) in enumerate(asked, 1):
        header = {"version": "2.0", "requestId": number, "name": name}
        lines += [
            line(number * 10, connection, "client", {**header, "type": "command"}),
            line(number * 10 + 1, connection, "service", {**header, "type": "acknowledge"}),
            line(
                number * 10 + 2, connection, "service", {**header, "type": "completion"}, {"number": number}
            ),
        ]
    lines += [line(40 + one, one, "service", taken, {"position": "outFront"}) for one in (1, 2)]
    return "".join(lines)


async def test_a_played_device_tells_events_to_all_and_when_they_came(tmp_path: Path) -> None:
    file = tmp_path / "vendor.x4r"
    file.write_text(of_another_vendor())
    listener = Listener("127.0.0.1", 0)
    await listener.open()
    played = PlayedDevice(read(file), listener)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(played.serve)
        uri = played.services["S"]
        async with (
            trio_websocket.open_websocket_url(uri) as pays,
            trio_websocket.open_websocket_url(uri) as hears,
        ):

            async def said(by: trio_websocket.WebSocketConnection, *, until: str = "completion") -> list[str]:
                found = [json.loads(await by.get_message())["header"]["type"]]
                while found[-1] != until:
                    found.append(json.loads(await by.get_message())["header"]["type"])
                return found

            async def ask(by: trio_websocket.WebSocketConnection, name: str) -> None:
                header = {"type": "command", "name": name, "requestId": 5, "version": "2.0"}
                await by.send_message(json.dumps({"header": header, "payload": {}}))

            with trio.fail_after(10):
                for one in (hears, pays):
                    await ask(one, "Common.Status")
                    assert await said(one) == ["acknowledge", "completion"], "no event before its time"
                await ask(pays, "CashDispenser.Present")
                for one in (pays, hears):
                    assert (await said(one, until="unsolicited")).count("unsolicited") == 1
                await ask(hears, "Common.Status")
                assert await said(hears) == ["acknowledge", "completion"], "each event once"
        nursery.cancel_scope.cancel()
    assert played.unplayed == []
