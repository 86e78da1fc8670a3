"""Applications that are watched: a good one breaks no rule, and for each rule there is one that breaks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio_websocket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xfs4iot
from frames import TEXT, frame
from xfs4iot import client, conformance
from xfs4iot.conformance.application_rules import ENDS, RULES, STEPS, waits_for_somebody
from xfs4iot.conformance.target import command_text
from xfs4iot.protocol import versions
from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.recording import Listener, Recorder

PING = 0.25
"""Seconds from ping to ping."""
MIX = {"denomination": {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}}
TOO_MUCH = {"denomination": {"denomination": {"service": {"currencies": {"EUR": 3}, "mix": "mix1"}}}}


class Application:
    """An application that says what its test wants it to say."""

    def __init__(self, websocket: trio_websocket.WebSocketConnection) -> None:
        self.websocket = websocket
        self._last = 0

    async def send(self, command: str, payload: Any = None, **header: Any) -> int:
        """Send a command, and do not wait."""
        self._last += 1
        await self.websocket.send_message(
            command_text(versions.NEWEST, command, self._last, payload, **header)
        )
        return self._last

    async def until(self, kind: str, number: int, name: str = "") -> dict[str, Any]:
        """The next message of a type for a command."""
        while True:
            message: dict[str, Any] = json.loads(await self.websocket.get_message())
            header = message["header"]
            if header.get("requestId") == number and (header["type"], name or header["name"]) == (
                kind,
                header["name"],
            ):
                return message

    async def call(self, command: str, payload: Any = None, **header: Any) -> dict[str, Any]:
        """Send a command, and wait for its end."""
        return await self.until("completion", await self.send(command, payload, **header))


class Watched:
    """An ATM that watches applications.

    Attributes:
        auditor: who judges them.
        publisher: address of the publisher.
    """

    def __init__(self, auditor: conformance.Auditor, recorder: Recorder, port: int) -> None:
        self.auditor = auditor
        self.port = port
        self.recorder = recorder

    @asynccontextmanager
    async def application(self, service: str | None = "CashDispenser") -> AsyncIterator[Application]:
        """An application that is connected to a service; None for the publisher."""
        async with trio_websocket.open_websocket_url(self.recorder.own_uri(service)) as websocket:
            yield Application(websocket)

    @asynccontextmanager
    async def deaf(self, service: str = "CashDispenser") -> AsyncIterator[trio.SocketStream]:
        """A connection whose end nobody reads."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        path = self.recorder.own_uri(service).partition(str(self.port))[2]
        lines = (
            f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", "",
        )  # fmt: skip
        async with stream:
            await stream.send_all("\r\n".join(lines).encode())
            assert b"101" in await stream.receive_some()
            yield stream

    def verdicts(self) -> dict[str, conformance.Verdict]:
        return {one.case.id: one.verdict for one in self.auditor.report().results}

    async def settled(self) -> None:
        """Wait until all connections are noted as ended."""
        while self.auditor.open:  # noqa: ASYNC110 - a count, not an event
            await trio.sleep(0.01)


@pytest.fixture
async def watched(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Watched:
    offered = {}
    for name in ("CashDispenser", "CardReader"):
        target = conformance.Target(atm.uri(name), client.Credentials())
        await target.find_out()
        offered[name] = target.commands
    auditor = conformance.Auditor(atm.uri(), offered)
    listener = Listener("127.0.0.1", 0)
    await listener.open()
    recorder = Recorder(
        atm.uri(), client.Credentials(), listener, auditor, pinged=auditor.asked, ping_seconds=PING
    )
    await recorder.find_services()
    nursery.start_soon(recorder.serve)
    return Watched(auditor, recorder, listener.port)


async def good(watched: Watched) -> None:
    """Pay, fail to pay and read no card, all of it properly."""
    async with watched.application(None) as publisher:
        await publisher.call("ServicePublisher.GetServices")
    async with watched.application() as dispenser, watched.application("CardReader") as reader:
        await dispenser.call("Common.Status")
        await dispenser.call("CashDispenser.Dispense", TOO_MUCH)
        await dispenser.call("CashDispenser.Dispense", {"denomination": MIX})
        await dispenser.call("CashDispenser.Present")
        waiting = await reader.send("CardReader.ReadRawData", {"track2": True}, timeout=60_000)
        await reader.until("event", waiting, "CardReader.InsertCardEvent")
        await trio.sleep(3 * PING)
        await reader.send("Common.Cancel", {"requestIds": [waiting]})
        await reader.until("completion", waiting)


Bad = Callable[[Watched], Awaitable[None]]
BAD: dict[str, Bad] = {}


def breaks(rule: str) -> Callable[[Bad], Bad]:
    def noted(bad: Bad) -> Bad:
        BAD[rule] = bad
        return bad

    return noted


@breaks("APP-DISCOVERY-01")
async def knows_already(watched: Watched) -> None:
    async with watched.application():
        pass


@breaks("APP-CONNECTIONS-01")
async def forgets_connections(watched: Watched) -> None:
    async with watched.application(), watched.application(), watched.application():  # noqa: SIM117
        async with watched.application(), watched.application(), watched.application():
            async with watched.application(), watched.application(), watched.application():
                pass


@breaks("APP-CLOSE-01")
async def hangs_up(watched: Watched) -> None:
    async with watched.deaf():
        pass


@breaks("APP-READ-01")
async def reads_nothing(watched: Watched) -> None:
    async with watched.deaf():
        await trio.sleep(3 * PING)


@breaks("APP-MESSAGE-01")
async def chats(watched: Watched) -> None:
    async with watched.application() as application:
        await application.websocket.send_message("hello")
        await application.call("Common.Status")


@breaks("APP-HEADER-01")
async def forgets_the_version(watched: Watched) -> None:
    async with watched.application() as application:
        await application.call("Common.Status")
        await application.websocket.send_message(
            '{"header": {"type": "command", "name": "Common.Status", "requestId": 2}, "payload": {}}'
        )
        await application.until("completion", 2)


@breaks("APP-NAME-01")
async def invents(watched: Watched) -> None:
    async with watched.application() as application:
        await application.call("CashDispenser.Dance")


@breaks("APP-SCHEMA-01")
async def sends_no_number(watched: Watched) -> None:
    async with watched.application() as application:
        await application.call("CashDispenser.GetMixTable", {"mix": 5})


@breaks("APP-OFFERED-01")
async def asks_a_reader_for_cash(watched: Watched) -> None:
    async with watched.application("CardReader") as application:
        await application.call("CashDispenser.GetMixTypes")


@breaks("APP-VERSION-01")
async def is_from_tomorrow(watched: Watched) -> None:
    async with watched.application() as application:
        await application.call("Common.Status", version="77.0")


@breaks("APP-REQUESTID-01")
async def repeats_an_id(watched: Watched) -> None:
    async with watched.application("CardReader") as application:
        waiting = await application.send("CardReader.ReadRawData", {"track2": True}, timeout=300)
        await application.send("Common.Status", requestId=waiting)
        await application.until("completion", waiting)


@breaks("APP-REQUESTID-02")
async def counts_backwards(watched: Watched) -> None:
    async with watched.application() as application:
        for number in (9, 8):
            await application.send("Common.Status", requestId=number)
            await application.until("completion", number)


@breaks("APP-REQUESTID-03")
async def has_one_id_only(watched: Watched) -> None:
    async with watched.application() as application:
        for _ in range(2):
            await application.send("Common.Status", requestId=1)
            await application.until("completion", 1)


@breaks("APP-REFUSED-01")
async def has_no_id(watched: Watched) -> None:
    async with watched.application() as application:
        await application.send("Common.Status", requestId=-4)
        await application.websocket.get_message()


@breaks("APP-DATA-01")
async def sends_nonsense(watched: Watched) -> None:
    async with watched.application() as application:
        await application.call("CashDispenser.Dispense", {"denomination": 5})


@breaks("APP-ERROR-01")
async def does_not_know_the_state(watched: Watched) -> None:
    async with watched.application("VendorMode") as application:
        await application.call("VendorMode.EnterModeAcknowledge")


@breaks("APP-ORDER-01")
async def is_in_a_hurry(watched: Watched) -> None:
    async with watched.application() as application:
        await application.send("CashDispenser.Dispense", {"denomination": MIX})
        last = await application.send("CashDispenser.Reject")
        await application.until("completion", last)


@breaks("APP-ORDER-02")
async def presents_before_it_has_dispensed(watched: Watched) -> None:
    async with watched.application() as application:
        await application.send("CashDispenser.Dispense", {"denomination": MIX})
        await application.call("CashDispenser.Present")


@breaks("APP-CODE-01")
async def does_not_look_at_codes(watched: Watched) -> None:
    async with watched.application() as application:
        await application.call("CashDispenser.Dispense", TOO_MUCH)
        await application.call("CashDispenser.Present")


@breaks("APP-CODE-02")
async def tries_for_ever(watched: Watched) -> None:
    async with watched.application() as application:
        for _ in range(6):
            await application.call("CashDispenser.Dispense", TOO_MUCH)


@breaks("APP-TIMEOUT-01")
async def has_all_the_time(watched: Watched) -> None:
    async with watched.application("CardReader") as application:
        waiting = await application.send("CardReader.ReadRawData", {"track2": True})
        await application.until("acknowledge", waiting)
        await application.call("Common.Cancel", {"requestIds": [waiting]})


@breaks("APP-CANCEL-01")
async def cancels_nothing(watched: Watched) -> None:
    async with watched.application() as application:
        await application.call("Common.Cancel", {"requestIds": [77]})


@breaks("APP-WAIT-01")
async def leaves_while_notes_move(watched: Watched) -> None:
    async with watched.application("Simulator") as simulator:
        await simulator.call("Simulator.StopClock")
        await simulator.call("Simulator.Inject", {"fault": "delayed", "count": 5})
        async with watched.application() as application:
            number = await application.send("CashDispenser.Dispense", {"denomination": MIX})
            await application.until("event", number)
        await simulator.call("Simulator.StartClock")


@breaks("APP-WAIT-02")
async def leaves_while_it_waits_for_a_card(watched: Watched) -> None:
    async with watched.application("CardReader") as application:
        waiting = await application.send("CardReader.ReadRawData", {"track2": True}, timeout=60_000)
        await application.until("acknowledge", waiting)


@breaks("APP-WAIT-03")
async def forgets_the_notes(watched: Watched) -> None:
    async with watched.application() as application:
        await application.call("CashDispenser.Dispense", {"denomination": MIX})


async def test_a_good_application_breaks_no_rule(watched: Watched) -> None:
    await good(watched)
    await watched.settled()
    assert watched.verdicts() == dict.fromkeys(RULES, "pass"), watched.auditor.report().results


@pytest.mark.parametrize("rule", RULES)
async def test_a_bad_application_is_found(watched: Watched, rule: str) -> None:
    with trio.fail_after(30):
        await BAD[rule](watched)
        await watched.settled()
    assert watched.verdicts()[rule] == RULES[rule][1]
    assert watched.auditor.report().conforms == ("fail" not in watched.verdicts().values())


def seen(watched: Watched, rule: str) -> conformance.Result:
    return next(one for one in watched.auditor.report().results if one.case.id == rule)


async def test_what_is_begun_may_be_ended_on_another_connection(watched: Watched) -> None:
    async with watched.application() as second:
        await forgets_the_notes(watched)
        await second.call("CashDispenser.Reject")
    await watched.settled()
    assert watched.verdicts()["APP-WAIT-03"] == "pass"


async def test_to_present_nothing_is_not_to_know_the_state(watched: Watched) -> None:
    async with watched.application() as application:
        await application.call("CashDispenser.Present")
    await watched.settled()
    found = seen(watched, "APP-ERROR-01")
    assert found.verdict == "warn"
    assert found.seen.startswith("CashDispenser.Present: commandErrorCode: noItems: there is nothing")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{broken", "(byte 1)"),
        ("[1]", "no JSON object"),
        ("{}", "it has no header"),
        ('{"header": 5}', "its header is no object"),
        ('{"header": {"type": "event"}}', "its type is not command"),
    ],
)
async def test_it_says_why_a_message_is_no_command(watched: Watched, text: str, why: str) -> None:
    async with watched.application() as application:
        await application.websocket.send_message(text)
        await application.websocket.get_message()
    await watched.settled()
    assert seen(watched, "APP-MESSAGE-01").seen.endswith(why)
    assert seen(watched, "APP-REFUSED-01").seen == "what is no command: invalidMessage"


async def test_what_is_wrong_in_a_header_is_named(watched: Watched) -> None:
    async with watched.application() as application:
        for number, version in (("x", "2.0"), (4, 2.5), (5, "9.9")):
            await application.send("Common.Status", requestId=number, version=version)
            await application.websocket.get_message()
    await watched.settled()
    found = seen(watched, "APP-SCHEMA-01")
    assert "header.requestId: 'x' is not of type 'integer'" in found.seen
    assert "header.version: 2.5 is not of type 'string'" in found.seen
    assert "catalogue" not in found.seen
    assert seen(watched, "APP-VERSION-01").seen.startswith("Common.Status 9.9; offered are")


def test_each_rule_says_what_to_do() -> None:
    auditor = conformance.Auditor("ws://127.0.0.1/xfs4iot/v1.0")
    auditor.message(auditor.opened("S"), "S", "client", "{")
    found = [one for one in auditor.report().results if one.verdict == "fail"]
    assert [one.reason for one in found] == [RULES[one.case.id].remedy for one in found] != []


def test_steps_and_waits_are_the_standards() -> None:
    known = {
        f"{interface}.{command}"
        for specification in versions.SPECIFICATIONS
        for interface, content in catalogue(specification)["interfaces"].items()
        for command in content["commands"]
    }
    assert {*STEPS, *STEPS.values(), *ENDS, *(end for ends in ENDS.values() for end in ends)} <= known
    assert waits_for_somebody("CardReader.ReadRawData")
    assert not waits_for_somebody("Common.Status")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
HEADER = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["command", "event", "acknowledge", "completion"]) | JSON,
        "name": st.sampled_from(["Common.Status", "CashDispenser.Dispense", "CardReader.ReadRawData"]) | JSON,
        "requestId": st.integers(0, 3) | JSON,
        "version": st.sampled_from(["1.0", "2.0"]) | JSON,
        "timeout": JSON,
        "status": JSON,
        "completionCode": JSON,
    },
)
MESSAGE = JSON | st.fixed_dictionaries({"header": HEADER | JSON}, optional={"payload": JSON})


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["client", "service"]), MESSAGE), max_size=8))
def test_nothing_that_is_said_stops_the_auditor(messages: list[tuple[Any, Any]]) -> None:
    auditor = conformance.Auditor("ws://127.0.0.1/xfs4iot/v1.0", {"S": {"Common.Status": ["2.0"]}})
    connection = auditor.opened("S")
    for sender, content in messages:
        auditor.message(connection, "S", sender, json.dumps(content))
    auditor.ended(connection, "S", "the client ended it")
    assert len(conformance.page(auditor.report())) < 200_000


async def test_hostile_messages_stop_nobody(watched: Watched) -> None:
    hostile = ("[" * 100_000, "\x00", '{"header":' * 5_000, "{" + '"a":1,' * 100_000 + '"b":2}', "\ud7ff" * 9)
    for text in hostile:
        async with watched.deaf() as stream:
            await stream.send_all(frame(text.encode(), TEXT))
            await stream.send_all(frame(b"\xff\xfe\xfd", 2))
    async with watched.application() as application:
        await application.call("Common.Status")
    await watched.settled()
    assert watched.verdicts()["APP-MESSAGE-01"] == "fail"
    assert len(json.dumps(watched.auditor.report().plain())) < 1_000_000
