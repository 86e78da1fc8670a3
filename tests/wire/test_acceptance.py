"""Every message gets its answer: an acknowledge that accepts, or one that refuses and says why."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from frames import frame, raw_connection
from traffic import Traffic

AMOUNT = {"service": {"currencies": {"EUR": "HERE"}, "mix": "mix1"}}
AMOUNT_OF_50 = {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}


async def test_field_15_a_good_command_is_acknowledged_then_completed(dispenser: Dialogue) -> None:
    await dispenser.send("Common.Status", requestId=77)
    acknowledge = await dispenser.receive()
    assert acknowledge["header"] == {
        "type": "acknowledge",
        "name": "Common.Status",
        "requestId": 77,
        "version": "2.0",
    }, "the version of an acknowledge is its own"
    completion = await dispenser.receive()
    assert completion["header"]["type"] == "completion"
    assert completion["header"]["requestId"] == 77
    assert outcome(completion) == "success"
    assert completion["payload"]["common"]["device"] == "online"
    assert completion["payload"].keys().isdisjoint({"completionCode", "errorDescription"})


async def test_field_15_an_empty_payload_is_left_out(dispenser: Dialogue) -> None:
    completion = await dispenser.completion("CashManagement.OpenShutter", {})
    assert outcome(completion) == "success"
    assert "payload" not in completion


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("hello", "invalidMessage", "JSON"),
        ("", "invalidMessage", "JSON"),
        ("[]", "invalidMessage", "object"),
        ("{}", "invalidMessage", "header"),
        ('{"header": 5}', "invalidMessage", "header"),
        ('{"header": {"type": "command", "requestId": 1}}', "invalidMessage", "name"),
        ('{"header": {"type": "command", "requestId": 1, "name": 5}}', "invalidMessage", "name"),
        ('{"header": {"requestId": 1, "name": "Common.Status"}}', "invalidMessage", "type"),
        ('{"header": {"type": "event", "requestId": 1, "name": "Common.Status"}}', "invalidMessage", "event"),
        ('{"header": {"type": "command", "name": "Common.Status"}}', "invalidRequestID", "requestId"),
        (
            '{"header": {"type": "command", "name": "Common.Status", "requestId": 0}}',
            "invalidRequestID",
            "requestId",
        ),
        (
            '{"header": {"type": "command", "name": "Common.Status", "requestId": "1"}}',
            "invalidRequestID",
            "requestId",
        ),
        (
            '{"header": {"type": "command", "name": "Common.Status", "requestId": 1.5}}',
            "invalidRequestID",
            "requestId",
        ),
        (
            '{"header": {"type": "command", "name": "Common.Status", "requestId": 1, "version": 2}}',
            "invalidMessage",
            "version",
        ),
        (
            '{"header": {"type": "command", "name": "A.B", "requestId": 1}, "payload": {}} x',
            "invalidMessage",
            "",
        ),
        ('{"payload":' + "[" * 10_000, "invalidMessage", "levels"),
    ],
)
async def test_a_bad_message_is_refused_with_the_reason_and_the_service_goes_on(
    dispenser: Dialogue, text: str, status: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says the reason, and so does the acknowledge where it has a place for it: in 2021-1."""
    await dispenser.send_text(text)
    message = await dispenser.receive()
    refusal = message["header"] | message.get("payload", {})
    assert refusal["type"] == "acknowledge"
    assert refusal["status"] == status
    assert words in caplog.text
    assert words in refusal["errorDescription"] if "payload" in message else "errorDescription" not in refusal
    assert await dispenser.success("Common.Status")


async def test_a_request_id_in_use_is_refused_and_free_again_after_completion(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    dispenser: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"))
    await dispenser.send("CashManagement.Reset", requestId=5)
    assert "status" not in (await dispenser.receive())["header"]
    await dispenser.send("Common.Status", requestId=5)
    refusal = await dispenser.until("acknowledge", 5)
    assert refusal["header"]["status"] == "invalidRequestID"
    await dispenser.until("completion", 5)
    assert await dispenser.success("Common.Status", requestId=5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Nonsense.Nothing", "not an XFS4IoT command"),
        ("CardReader.ReadRawData", "no interface CardReader"),
        ("Common.Nonsense", "not an XFS4IoT command"),
    ],
)
async def test_a_command_that_is_not_served_completes_unsupported(
    dispenser: Dialogue, name: str, words: str
) -> None:
    completion = await dispenser.completion(name, {})
    assert outcome(completion) == "unsupportedCommand"
    assert words in completion["header"]["errorDescription"]


@pytest.mark.parametrize(
    ("name", "payload", "words"),
    [
        (
            "CashDispenser.Denominate",
            {"request": {"denomination": {"service": {"currencies": {"EUR": 5, "USD": "ten"}}}}},
            "$.request.denomination.service.currencies.USD: expected `number`, got `str`",
        ),
        (
            "CashDispenser.Denominate",
            {"request": {"denomination": {"app": {"currencies": {}, "counts": {"unit1": 1, "unit2": []}}}}},
            "$.request.denomination.app.counts.unit2: expected",
        ),
        (
            "Storage.SetStorage",
            {
                "storage": {
                    "unit1": {},
                    "unit2": {"cash": {"status": {"initial": {"typeEUR20": {"fit": ""}}}}},
                }
            },
            "$.storage.unit2.cash.status.initial.typeEUR20.fit: expected",
        ),
        ("CashDispenser.Denominate", {"request": []}, "$.request: expected `object"),
        (
            "CashManagement.OpenShutter",
            {"position": "outAside"},
            "$.position: invalid enum value 'outAside'; give one of inDefault, ",
        ),
        (
            "CashManagement.CalibrateCashUnit",
            {"unit": "cassette"},
            "$.unit: expected `str` matching regex '^unit[0-9A-Za-z]+\\\\Z'; for example unit1",
        ),
    ],
)
async def test_a_payload_of_the_wrong_shape_is_named_by_its_path(
    dispenser: Dialogue, name: str, payload: dict[str, object], words: str
) -> None:
    completion = await dispenser.completion(name, payload)
    assert outcome(completion) == "invalidData"
    assert words in completion["header"]["errorDescription"]


HERE_ONCE = {"value": "HERE", "count": 1}
WRONG_INITIAL = {"storage": {"unit1": {"cash": {"status": {"initial": 5}}}}}
EXTREME = ["1e400", "1e999999999", "1E+99999999999999999999", "1e-999999999", "-1e99999", "9" * 5000]


@pytest.mark.parametrize("version", ["2021-1", "2023-2", "2024-3"])
@pytest.mark.parametrize("number", EXTREME, ids=lambda number: number[:24])
async def test_a_number_beyond_all_measure_is_refused_before_anyone_calculates_with_it(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, number: str, version: str
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), version)
    for name, payload in (
        ("CashDispenser.Denominate", {"request": {"denomination": AMOUNT}}),
        ("CashDispenser.Dispense", {"denomination": {"denomination": AMOUNT}}),
        ("Storage.SetStorage", {"storage": {"unit1": {"cash": {"configuration": {"value": "HERE"}}}}}),
        (
            "Storage.SetStorage",
            {"storage": {"unit1": {"cash": {"status": {"initial": {"typeEUR10": {"fit": "HERE"}}}}}}},
        ),
        (
            "CashDispenser.SetMixTable",
            {
                "mixNumber": 21,
                "name": "t",
                "mixRows": [{"amount": 10, "mix": [{"value": "HERE", "count": 1}]}],
            },
        ),
    ):
        message = Traffic(version, seed=1).command(name, request_id=1)
        timeout = {"timeout": 0} if version == "2021-1" else {}
        text = json.dumps({"header": message["header"], "payload": payload | timeout})
        await client.send_text(text.replace('"HERE"', number))
        completion = await client.until("completion", 1)
        fields = completion["header"] | completion.get("payload", {})
        assert fields["completionCode"] == "invalidData", (name, fields)
    assert await client.success("Common.Status") if version != "2021-1" else True


async def test_properties_that_are_not_known_are_ignored(dispenser: Dialogue) -> None:
    more = {"unknown": {"deep": [1, None]}, "denomination": AMOUNT_OF_50, "position": None}
    found = await dispenser.success("CashDispenser.Denominate", {"request": more, "more": "x"}, new=7)
    assert found["result"]["values"]


@pytest.mark.parametrize(
    ("name", "payload", "path"),
    [
        ("Common.Cancel", {"requestIds": [0, -5]}, "$.requestIds"),
        ("CashDispenser.Present", {"position": "outNowhere"}, "$.position"),
        (
            "Storage.SetStorage",
            {"storage": {"unit1": {"cash": {"status": {"initial": 5}}}}},
            "$.storage.unit1.cash.status",
        ),
    ],
)
async def test_a_value_out_of_bounds_is_named_by_its_path(
    dispenser: Dialogue, name: str, payload: dict[str, object], path: str
) -> None:
    completion = await dispenser.completion(name, payload)
    assert outcome(completion) == "invalidData"
    assert completion["header"]["errorDescription"].startswith(path)


async def test_a_full_queue_refuses_with_too_many_requests(nursery: trio.Nursery) -> None:
    from xfs4iot.simulator import atm

    services = atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=1)
    for service in services:
        service.queue_limit = 3
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    one: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    other: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    sent = [await one.send("CashManagement.Reset") for _ in range(6)]
    answers = [await one.until("acknowledge", request_id) for request_id in sent]
    refused = [answer["header"].get("status") for answer in answers]
    assert refused.count("tooManyRequests") in (2, 3)
    assert refused[:3] == [None, None, None]
    assert await other.success("Common.Status"), "commands that only read are not held up"


async def test_a_binary_frame_closes_the_connection_with_1003(dispenser: Dialogue) -> None:
    await dispenser.send_text(b"{}")
    assert (await dispenser.closed()).code == 1003


async def test_an_oversize_message_closes_its_connection_only(
    dispenser: Dialogue, atm: xfs4iot.Publisher
) -> None:
    async with raw_connection(atm.uri("CashDispenser")) as connection:
        with suppress(trio.BrokenResourceError):
            await connection.send(frame('{"header":' + " " * 3_000_000))
        assert await connection.close_code() == 1009
    assert await dispenser.success("Common.Status")
