"""German over the wire: the simulated security module, its states, and its messages with a host."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from fingers import pin_entered
from host import b64, unb64
from test_key_management import publisher_with

from dialogue import Dialogue, another, dialogue, outcome
from vendors import serving
from xfs4iot import devices
from xfs4iot.interfaces.keys.german import seconds_until
from xfs4iot.ledger import Ledger

GET, SET = "German.GetHSMTData", "German.SetHSMTData"
SEND, RECEIVE, INIT = "German.SecureMsgSend", "German.SecureMsgReceive", "German.HSMInit"
CHANGED, DUE = "German.HSMTDataChangedEvent", "German.OPTRequiredEvent"


async def exchange(
    pad: Dialogue,
    simulator: Dialogue,
    protocol: str = "rawData",
    content: bytes = b"answer",
    bad: str | None = None,
) -> dict[str, Any]:
    """Send a message and have the host answer; returns what SecureMsgReceive is given."""
    await pad.success(SEND, {"protocol": protocol, "msg": b64(b"question")})
    request = {"content": b64(content), **({"bad": bad} if bad else {})}
    answer = await simulator.success("Simulator.AnswerAsHost", request)
    return {"protocol": protocol, "msg": answer["msg"]}


async def test_the_terminals_data_are_told(pad: Dialogue) -> None:
    assert await pad.success(GET) == {
        "terminalId": "00000001",
        "bankCode": "10000000",
        "zkaId": "SIMULATED0000001",
        "hsmStatus": 5,
        "hsmManufacturerId": "XFS4IOT",
        "hsmSerialNumber": "0000000001",
    }
    assert (await pad.success("Common.Capabilities"))["german"]["hsmVendor"]


async def test_what_is_set_is_told_to_everybody_once_and_the_rest_stays(
    pad: Dialogue, nursery: trio.Nursery
) -> None:
    bystander = await another(pad, nursery)
    request = {"terminalId": "12345678", "onlineDateAndTime": "20260228235959"}
    for _ in range(2):
        await pad.success(SET, request)
    event = await bystander.until("unsolicited", name=CHANGED)
    found = await pad.success(GET)
    assert event["payload"] == found
    assert found["bankCode"] == "10000000"
    assert found["terminalId"] == "12345678"
    await bystander.success(GET)
    assert [one for one in bystander.passed if one["header"]["name"] == CHANGED] == []


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"terminalId": "1234567"},
        {"terminalId": "1234567a"},
        {"bankCode": "123456789"},
        {"bankCode": "12345678\n"},
        {"bankCode": "\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668"},
        {"onlineDateAndTime": "20\u0662\u06660228235959"},
        {"onlineDateAndTime": "20260228235959\n"},
        {"onlineDateAndTime": "20260231120000"},
        {"onlineDateAndTime": "20261301120000"},
        {"onlineDateAndTime": "2026,301120000"},
        {"onlineDateAndTime": "19990101120000"},
        {"onlineDateAndTime": "20260101"},
    ],
)
async def test_what_cannot_be_set_is_refused(pad: Dialogue, payload: Any) -> None:
    before = await pad.success(GET)
    assert await pad.failure(SET, payload) == "invalidData"
    assert await pad.success(GET) == before


@pytest.mark.parametrize("protocol", ["rawData", "genAs", "hsmLdi"])
async def test_a_message_goes_to_the_host_and_its_answer_comes_back(
    pad: Dialogue, simulator: Dialogue, protocol: str
) -> None:
    traces = []
    for _ in range(2):
        request: dict[str, Any] = {"protocol": protocol}
        if protocol != "hsmLdi":
            request["msg"] = b64(b"question")
        made = unb64((await pad.success(SEND, request))["msg"])
        traces.append(made[-12:-8])
        assert made.startswith(b"LDI" if protocol == "hsmLdi" else b"question")
        answer = await simulator.success("Simulator.AnswerAsHost", {"content": b64(b"answer")})
        receive = {"protocol": "rawData" if protocol == "hsmLdi" else protocol, "msg": answer["msg"]}
        await pad.success(RECEIVE, receive)
        assert await pad.failure(RECEIVE, receive) == "hsmStateInvalid"
    assert traces[0] != traces[1]


@pytest.mark.parametrize(("bad", "code"), [("mac", "macInvalid"), ("old", "hsmStateInvalid")])
async def test_a_bad_answer_is_refused(pad: Dialogue, simulator: Dialogue, bad: str, code: str) -> None:
    assert await pad.failure(RECEIVE, await exchange(pad, simulator, bad=bad)) == code


async def test_an_answer_that_does_not_fit_is_refused(pad: Dialogue, simulator: Dialogue) -> None:
    request = await exchange(pad, simulator)
    assert await pad.failure(RECEIVE, {**request, "protocol": "genAs"}) == "protocolInvalid"
    assert await pad.failure(RECEIVE, {**request, "msg": b64(b"short")}) == "formatInvalid"
    assert await pad.failure(SEND, {"protocol": "genAs", "msg": b64(b"x")}) == "protocolInvalid"
    await pad.success(RECEIVE, request)
    assert await pad.failure(SEND, {"protocol": "rawData", "msg": b64(bytes(5000))}) == "formatInvalid"


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        (SEND, None),
        (SEND, {"protocol": "rawData"}),
        (SEND, {"msg": b64(b"x")}),
        (SEND, {"protocol": "morse", "msg": b64(b"x")}),
        (RECEIVE, None),
        (RECEIVE, {"protocol": "rawData"}),
        (RECEIVE, {"protocol": "pinCmp", "msg": b64(b"x")}),
        (RECEIVE, {"protocol": "hsmLdi", "msg": b64(b"x")}),
        (INIT, None),
        (INIT, {"initMode": "soon"}),
        (INIT, {"initMode": "temp", "onlineTime": "20260230120000"}),
        (INIT, {"initMode": "temp", "onlineTime": "2026"}),
    ],
)
async def test_what_is_not_whole_is_refused(pad: Dialogue, command: str, payload: Any) -> None:
    assert await pad.failure(command, payload) == "invalidData"


STATES = {
    # what can be done in which status: SetHSMTData, isoPs, rawData, temp, definite
    1: (False, False, False, False, False),
    2: (False, False, False, False, True),
    3: (True, True, False, True, True),
    4: (True, True, False, True, True),
    5: (True, True, True, True, True),
}


@pytest.mark.parametrize("status", STATES)
async def test_the_status_decides_what_can_be_done(
    nursery: trio.Nursery, tmp_path: Path, status: int
) -> None:
    commands = (
        (SET, {"terminalId": "00000002"}),
        (SEND, {"protocol": "isoPs", "msg": b64(b"x")}),
        (SEND, {"protocol": "rawData", "msg": b64(b"x")}),
        (INIT, {"initMode": "temp"}),
        (INIT, {"initMode": "definite"}),
    )
    for (command, payload), can in zip(commands, STATES[status], strict=True):
        async with trio.open_nursery() as inner:
            publisher = await publisher_with(inner, tmp_path, f"hsm_status = {status}", kinds="German")
            pad: Dialogue = await inner.start(dialogue, publisher.uri("PinPad"))
            if can:
                await pad.success(command, payload)
            else:
                assert await pad.failure(command, payload) == "hsmStateInvalid"
            inner.cancel_scope.cancel()


async def test_a_module_out_of_service_is_personalised_online(pad: Dialogue, simulator: Dialogue) -> None:
    await pad.success(INIT, {"initMode": "temp"})
    event = await pad.until("unsolicited", name=CHANGED)
    assert event["payload"]["hsmStatus"] == 3
    await pad.until("unsolicited", name=DUE)
    assert await pad.failure(RECEIVE, await exchange(pad, simulator, "isoPs", b"other")) == "contentInvalid"
    await pad.success(RECEIVE, await exchange(pad, simulator, "isoPs", b"PERS"))
    event = await pad.until("unsolicited", name=CHANGED)
    assert event["payload"]["hsmStatus"] == 5


async def test_the_personalisation_is_due_once_and_through_restarts(tmp_path: Path) -> None:
    ledger = Ledger.open(None)
    for turn in range(3):
        async with trio.open_nursery() as nursery:
            publisher = await publisher_with(nursery, tmp_path, ledger=ledger, state=tmp_path, kinds="German")
            pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
            if turn == 0:
                later = (datetime.now() + timedelta(seconds=3)).strftime("%Y%m%d%H%M%S")
                await pad.success(INIT, {"initMode": "temp", "onlineTime": later})
            else:
                assert (await pad.success(GET))["hsmStatus"] == 3
            if turn == 1:
                await pad.until("unsolicited", name=DUE)
            names = {message["header"]["name"] for message in pad.passed}
            assert (DUE in names) is False
            nursery.cancel_scope.cancel()


async def test_a_time_that_is_set_as_the_one_before_comes_is_kept(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    ledger = Ledger.open(None)
    publisher = await publisher_with(nursery, tmp_path, ledger=ledger, state=tmp_path, kinds="German")
    pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    soon, later = datetime.now() + timedelta(seconds=2), datetime.now() + timedelta(days=1)
    await pad.success(INIT, {"initMode": "temp", "onlineTime": f"{soon:%Y%m%d%H%M%S}"})
    async with ledger._lock:
        request = await pad.send(INIT, {"initMode": "temp", "onlineTime": f"{later:%Y%m%d%H%M%S}"})
        await trio.sleep((soon - datetime.now()).total_seconds() + 0.2)
    assert outcome(await pad.until("completion", request)) == "success"
    assert (
        ledger.service("PinPad").document("German.online_personalisation") == f"{later:%Y%m%d%H%M%S}".encode()
    )
    await pad.success(GET)
    assert DUE not in {message["header"]["name"] for message in pad.passed}


def test_a_due_time_is_of_the_terminal_also_where_its_clock_is_put_forward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        now = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
        # Midnight in Berlin, and noon of a day that has 23 hours.
        assert seconds_until("20260329120000", now) == 11 * 3600
        assert seconds_until("00010101000000", now) < 0 < seconds_until("99991231235959", now)
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_what_is_irreversible_outlives_everything(tmp_path: Path) -> None:
    for turn in range(2):
        async with trio.open_nursery() as nursery:
            publisher = await publisher_with(
                nursery, tmp_path, state=tmp_path, kinds='KeyManagement", "German'
            )
            pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
            if not turn:
                await pad.success(INIT, {"initMode": "irreversible"})
                await pad.success("KeyManagement.Initialization")
            assert (await pad.success(GET))["hsmStatus"] == 1
            for mode in ("temp", "definite", "irreversible"):
                assert await pad.failure(INIT, {"initMode": mode}) == "hsmStateInvalid"
            nursery.cancel_scope.cancel()


async def test_an_exchange_is_its_clients(pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery) -> None:
    other = await another(pad, nursery)
    answer = await exchange(pad, simulator)
    assert await other.failure(SEND, {"protocol": "rawData", "msg": b64(b"x")}) == "sequenceError"
    assert await other.failure(RECEIVE, answer) == "sequenceError"
    for client in (pad, other):
        assert await client.failure(INIT, {"initMode": "temp"}) == "sequenceError"
        assert await client.failure("KeyManagement.Initialization") == "sequenceError"
    await pad.success(RECEIVE, answer)
    await other.success(SEND, {"protocol": "rawData", "msg": b64(b"x")})
    await other.connection.aclose()
    await pad.success(SEND, {"protocol": "rawData", "msg": b64(b"x")})


async def test_an_exchange_that_takes_too_long_lets_others_in(nursery: trio.Nursery) -> None:
    class Module(devices.German):
        transaction_seconds = 0.05

        async def secure_msg_send(self, protocol: str, msg: bytes | None) -> bytes:
            return b"secured"

    client = await serving(Module("Module"), nursery)
    other = await another(client, nursery)
    await client.success(SEND, {"protocol": "rawData", "msg": b64(b"x")})
    await trio.sleep(0.1)
    await other.success(SEND, {"protocol": "rawData", "msg": b64(b"x")})
    assert await other.failure(SEND, {"protocol": "pinCmp", "msg": b64(b"x")}) == "noPin"
    assert await other.failure(GET) == "unsupportedCommand"


async def test_pins_of_a_change_are_compared(pad: Dialogue, simulator: Dialogue) -> None:
    request = {"protocol": "pinCmp", "msg": b64(b"compare")}
    assert await pad.failure(SEND, request) == "noPin"
    said = []
    for pin in ("1234", "1234", "1234", "4321"):
        await pin_entered(pad, simulator, pin)
        said.append(unb64((await pad.success(SEND, request))["msg"])[6])
        assert await pad.failure(SEND, request) == "noPin"
    assert said == [0, 1, 0, 2]


async def test_a_pin_is_used_up_by_an_authorisation(pad: Dialogue, simulator: Dialogue) -> None:
    await pin_entered(pad, simulator, "1234")
    await pad.success(SEND, {"protocol": "genAs", "msg": b64(b"x")})
    assert await pad.failure(SEND, {"protocol": "pinCmp", "msg": b64(b"x")}) == "noPin"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("personalisationKeyMissing", "keyNotFound"),
        ("contentRefused", "contentInvalid"),
        ("accessDenied", "accessDenied"),
    ],
)
async def test_bad_luck_with_the_simulated_module(
    pad: Dialogue, simulator: Dialogue, fault: str, code: str
) -> None:
    answer = await exchange(pad, simulator)
    await simulator.success("Simulator.Inject", {"fault": fault})
    assert await pad.failure(RECEIVE, answer) == code
    await simulator.success("Simulator.ClearFaults")
    await simulator.success("Simulator.Inject", {"fault": fault})
    assert await pad.failure(SEND, {"protocol": "rawData", "msg": b64(b"x")}) == code


async def test_a_mode_that_a_module_lacks_is_not_supported(nursery: trio.Nursery) -> None:
    from xfs4iot.protocol import errors

    class Module(devices.German):
        async def hsm_init(self, mode: str, online_time: str | None) -> None:
            raise errors.CommandError(
                "modeNotSupported", "$.initMode: the module is only initialised for good"
            )

    client = await serving(Module("Module"), nursery)
    assert await client.failure(INIT, {"initMode": "temp"}) == "modeNotSupported"


async def test_set_can_be_denied(pad: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "accessDenied"})
    assert await pad.failure(SET, {"terminalId": "00000002"}) == "accessDenied"


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_know_nothing_of_it(pad: Dialogue, nursery: trio.Nursery, older: str) -> None:
    old = await another(pad, nursery, older)
    listed = (await old.success("Common.Capabilities"))["interfaces"]
    assert "German" not in {one["name"] for one in listed}


async def test_no_message_reaches_a_log(
    pad: Dialogue, simulator: Dialogue, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await pad.success(RECEIVE, await exchange(pad, simulator, content=b"a PAN and more"))
    assert b64(b"question") not in caplog.text
    assert b64(b"a PAN and more")[:16] not in caplog.text
