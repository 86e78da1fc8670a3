"""How the envelope is written: as the standard has it, or for clients that read no other.

A dialect is chosen by the operator, for the listener or for a client by rule, and never guessed.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.server.access import Access, ClientRule
from xfs4iot.simulator import atm as simulated_atm

VERSIONS = ("2021-1", "2023-2", "2024-3")


async def published(nursery: trio.Nursery, **settings: Any) -> xfs4iot.Publisher:
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    publisher = xfs4iot.Publisher(services, port=0, **settings)
    await nursery.start(publisher.serve)
    return publisher


async def conversation(publisher: xfs4iot.Publisher, nursery: trio.Nursery, version: str) -> dict[str, Any]:
    """What a client of `version` reads in answer to a good and a forbidden command, and of an event."""
    client: Dialogue = await nursery.start(
        dialogue, publisher.uri("CashDispenser"), version, publisher.dialect.name
    )
    good = await client.send("Common.Status")
    acknowledge, completion = await client.until("acknowledge", good), await client.until("completion", good)
    forbidden = await client.until("completion", await client.send("Common.Cancel"))
    simulator: Dialogue = await nursery.start(
        dialogue, publisher.uri("Simulator"), "2024-3", publisher.dialect.name
    )
    await simulator.success("Simulator.Inject", {"fault": "inoperative", "unit": "unit2"})
    messages = [*client.passed]
    while not (found := [one for one in messages if "requestId" not in one["header"]]):
        messages.append(await client.receive())
    return {"acknowledge": acknowledge, "good": completion, "forbidden": forbidden, "unsolicited": found[0]}


ALL_BUT_CANCEL = Access(anonymous=("Common.Status", "Common.Capabilities", "Simulator.*"))


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_standard_leaves_success_out_and_gives_acknowledges_a_version_of_their_own(
    nursery: trio.Nursery, version: str
) -> None:
    told = await conversation(await published(nursery, access=ALL_BUT_CANCEL), nursery, version)
    assert told["unsolicited"]["header"]["type"] == "unsolicited"
    if version == "2021-1":
        assert told["good"]["payload"]["completionCode"] == "success"
        assert told["forbidden"]["payload"]["completionCode"] == "authorizationRequired"
        assert told["acknowledge"]["payload"] == {"status": "ok"}
        return
    assert "completionCode" not in told["good"]["header"]
    assert told["forbidden"]["header"]["completionCode"] == "authorizationRequired"
    assert told["acknowledge"] == {
        "header": {"name": "Common.Status", "requestId": 1, "type": "acknowledge", "version": "2.0"}
    }


@pytest.mark.parametrize("version", VERSIONS)
async def test_sp_dev_says_success_and_s_and_event_and_repeats_the_version_of_the_command(
    nursery: trio.Nursery, version: str
) -> None:
    publisher = await published(nursery, access=ALL_BUT_CANCEL, dialect="sp-dev")
    told = await conversation(publisher, nursery, version)
    assert told["unsolicited"]["header"]["type"] == "event"
    place = "payload" if version == "2021-1" else "header"
    assert told["good"][place]["completionCode"] == "success"
    assert told["forbidden"][place]["completionCode"] == "authorisationRequired"
    if version != "2021-1":
        assert told["acknowledge"]["header"]["version"] == told["good"]["header"]["version"]


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (ClientRule("here", ("*",), address="127.0.0.0/8", dialect="sp-dev"), True),
        (ClientRule("here", ("*",), address="127.0.0.1", dialect="sp-dev"), True),
        (ClientRule("elsewhere", ("*",), address="10.0.7.0/24", dialect="sp-dev"), False),
    ],
)
async def test_a_rule_chooses_the_dialect_of_the_clients_that_it_fits(
    nursery: trio.Nursery, rule: ClientRule, fits: bool
) -> None:
    publisher = await published(nursery, access=Access([rule]))
    dialect = "sp-dev" if fits else "standard"
    client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"), "2024-3", dialect)
    header = (await client.completion("Common.Status"))["header"]
    assert header.get("completionCode") == ("success" if fits else None)


def test_what_no_rule_can_mean_is_refused() -> None:
    for rule, wrong in (
        (ClientRule("a", ("*",), address="atm17"), "neither an IP address nor a network"),
        (ClientRule("a", ("*",), address="10.0.0.1", dialect="sp_dev"), "'standard' or 'sp-dev'"),
        (ClientRule("a", ("*",), dialect="sp-dev"), "fits nobody"),
    ):
        with pytest.raises(ValueError, match=wrong):
            Access([rule])
    with pytest.raises(ValueError, match="'standard' or 'sp-dev'"):
        xfs4iot.Publisher([], dialect="spdev")


@pytest.mark.parametrize("dialect", ["standard", "sp-dev"])
async def test_our_own_client_reads_either(nursery: trio.Nursery, dialect: str) -> None:
    publisher = await published(nursery, access=ALL_BUT_CANCEL, dialect=dialect)
    async with (
        xfs4iot.connect(publisher.uri("CashDispenser")) as client,
        xfs4iot.connect(publisher.uri("Simulator")) as simulator,
        client.events("Storage.StorageChangedEvent") as changes,
    ):
        assert await client.call("Common.Status")
        with pytest.raises(xfs4iot.CommandFailed) as failed:
            await client.call("Common.Cancel")
        assert failed.value.completion_code == "authorizationRequired"
        await simulator.call("Simulator.Inject", {"fault": "inoperative", "unit": "unit2"})
        event = await anext(changes)
        assert event.request_id is None


async def test_capabilities_of_every_service_name_its_version_and_its_device(atm: xfs4iot.Publisher) -> None:
    for name in atm.services:
        async with xfs4iot.connect(atm.uri(name)) as client:
            common = (await client.call("Common.Capabilities"))["common"]
        assert common["serviceVersion"], name
        assert common["deviceInformation"], name


async def test_paths_are_matched_without_case_and_with_or_without_a_slash(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    own = f"ws://127.0.0.1:{atm.port}"
    for path in (
        "/XFS4IoT/v1.0/cashdispenser",
        "/xfs4iot/V1.0/CashDispenser/",
        "/xfs4iot/v1.0/CASHDISPENSER",
    ):
        client: Dialogue = await nursery.start(dialogue, own + path)
        assert await client.success("Common.Status")
    for path in ("/XFS4IoT/v1.0/", "/xfs4iot/v1.0"):
        publisher: Dialogue = await nursery.start(dialogue, own + path)
        assert (await publisher.success("ServicePublisher.GetServices"))["services"]


def test_services_whose_names_differ_by_case_only_are_refused() -> None:
    services = [*simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)]
    services[1].name = services[0].name.upper()
    with pytest.raises(ValueError, match="case"):
        xfs4iot.Publisher(services, port=0)


async def test_subprotocols_that_are_offered_are_declined(atm: xfs4iot.Publisher) -> None:
    """RFC 6455, 4.2.2: a server that agrees to none of them sends no header at all."""
    request = (
        "GET /xfs4iot/v1.0/CashDispenser HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xfs4iot, chat\r\n\r\n"
    )
    async with await trio.open_tcp_stream("127.0.0.1", atm.port or 0) as stream:
        await stream.send_all(request.encode())
        answer = (await stream.receive_some()).decode()
    assert answer.startswith("HTTP/1.1 101 ")
    assert "sec-websocket-protocol" not in answer.lower()
