"""The clients of the SP-Dev framework, restated: what they send, and what they need in order to go on.

They read in the dialect `sp-dev`: an event that they cannot read ends their reading for good, so that a
strict reader of that dialect is at the other end here. Each row is a message that they send, and what they
look at in the completion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.simulator.profile import read

PROFILE = "sp-dev"
KINDS = {"acknowledge", "event", "completion"}
"""Types of messages that their decoders know; there is no `unsolicited`."""


@dataclass(frozen=True)
class Row:
    """A message, and what must come.

    Attributes:
        has: paths into the completion's payload that are read: `storage.unit3.cash`.
        events: names of events that come before it.
        simulator: what hands do first, commands of `Simulator`.
    """

    name: str
    payload: Any = None
    has: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    simulator: tuple[tuple[str, Any], ...] = field(default=())


def unit(value: int) -> dict[str, Any]:
    item = f"typeEUR{value}"
    configuration = {"currency": "EUR", "value": value, "cashItems": [item]}
    return {"cash": {"configuration": configuration, "status": {"initial": {item: {"fit": 1000}}}}}


CONSOLE = {
    "": [
        Row("ServicePublisher.GetServices", has=("vendorName", "services")),
    ],
    "CardReader": [
        Row("Common.Status", has=("common.device", "cardReader.media")),
        Row(
            "Common.Capabilities",
            has=("interfaces", "common.serviceVersion", "common.deviceInformation", "cardReader.type"),
        ),
        Row(
            "CardReader.ReadRawData",
            {"track1": True, "track2": True, "track3": True},
            has=("track1.data", "track2.data"),
            events=("CardReader.InsertCardEvent", "CardReader.MediaInsertedEvent"),
        ),
        Row("CardReader.Move", {"from": "transport", "to": "exit"}),
        Row("CardReader.Reset", {"to": "exit"}),
    ],
    "CashDispenser": [
        Row("Common.Status", has=("common.device", "cashDispenser", "cashManagement")),
        Row(
            "Common.Capabilities",
            has=(
                "interfaces",
                "common.serviceVersion",
                "common.deviceInformation",
                "cashDispenser.type",
                "cashDispenser.maxDispenseItems",
                "cashManagement",
            ),
        ),
        Row("Common.GetCommandNonce", has=("commandNonce",)),
        Row("Common.ClearCommandNonce"),
        Row("CashManagement.GetBankNoteTypes", has=("items.typeEUR5", "items.typeEUR20")),
        Row("CashDispenser.GetMixTypes", has=("mixes.mix1.type",)),
        Row("CashDispenser.GetPresentStatus", {"position": "outDefault"}, has=("presentState",)),
        Row("Storage.GetStorage", has=("storage.unit3.cash.status", "storage.unit5.cash.configuration")),
        Row("Storage.StartExchange"),
        Row("Storage.SetStorage", {"storage": {"unit3": unit(5), "unit4": unit(10), "unit5": unit(20)}}),
        Row("Storage.EndExchange"),
        Row("CashDispenser.Denominate", {"request": amount(35)}, has=("result.currencies.EUR",)),
        Row(
            "CashDispenser.Dispense",
            {"denomination": amount(35), "position": "outDefault"},
            has=("denomination.currencies.EUR", "denomination.values"),
        ),
        Row("CashDispenser.Present", {"position": "outDefault"}, has=("position",)),
        Row(
            "CashDispenser.GetPresentStatus",
            {"position": "outDefault"},
            has=("presentState",),
            simulator=(("Simulator.TakeItems", {}),),
        ),
    ],
}
BUTTONS = {
    "CashDispenser": [
        Row("Common.Status", has=("common.device",)),
        Row("Common.Capabilities", has=("interfaces",)),
        Row("CashDispenser.GetMixTypes", has=("mixes",)),
        Row("Storage.GetStorage", has=("storage",)),
        Row("CashDispenser.Denominate", {"request": amount(20)}, has=("result.values",)),
        Row("CashDispenser.Dispense", {"denomination": amount(20)}, has=("denomination",)),
        Row("CashDispenser.Present", {}),
        Row("CashManagement.Retract", {"location": {"retractArea": "retract"}}),
        Row("CashDispenser.Dispense", {"denomination": amount(20)}),
        Row("CashDispenser.Reject"),
        Row("CashManagement.OpenShutter", {}),
        Row("CashManagement.CloseShutter", {}),
        Row("CashManagement.Reset", {"position": {"target": "reject"}}),
        Row("CashDispenser.GetPresentStatus", {}),
        Row("Storage.StartExchange"),
        Row("Storage.EndExchange"),
    ],
}


@pytest.fixture
async def atm(nursery: trio.Nursery) -> xfs4iot.Publisher:
    profile = read(PROFILE)
    services = simulated_atm(profile, ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    publisher = xfs4iot.Publisher(services, port=0, dialect=profile.dialect)
    await nursery.start(publisher.serve)
    return publisher


def found(payload: Any, path: str) -> Any:
    for step in path.split("."):
        assert isinstance(payload, dict), (path, payload)
        assert step in payload, (path, payload)
        payload = payload[step]
    return payload


def assert_readable(message: dict[str, Any]) -> None:
    """What their decoders stumble over."""
    header = message["header"]
    assert header["type"] in KINDS, message
    assert header["name"], message
    assert set(header) <= {
        "type", "name", "requestId", "version", "timeout", "status", "completionCode", "errorDescription"
    }, message  # fmt: skip
    if header["type"] == "completion":
        assert header["completionCode"], message
    if header["type"] == "event" and "requestId" not in header:
        assert "payload" in message or header["name"].startswith("Common."), message


async def play(talk: Dialogue, simulator: Dialogue, rows: list[Row]) -> None:
    for row in rows:
        for name, payload in row.simulator:
            await simulator.completion(name, payload)
        request = await talk.send(row.name, row.payload)
        told: list[str] = []
        acknowledged = False
        while True:
            message = await talk.receive()
            assert_readable(message)
            header = message["header"]
            told.append(header["name"])
            if header["type"] == "acknowledge":
                assert header["requestId"] == request
                acknowledged = True
            elif header["type"] == "completion":
                assert header["requestId"] == request
                assert acknowledged
                break
        assert header["completionCode"] == "success", message
        for path in row.has:
            found(message.get("payload"), path)
        assert set(row.events) <= set(told)


@pytest.mark.parametrize("specification", ["2023-2", "2024-3"])
@pytest.mark.parametrize(
    ("table", "anew"), [(CONSOLE, False), (BUTTONS, True)], ids=["console", "a connection for each button"]
)
async def test_the_reference_s_client_gets_through_its_script(
    atm: xfs4iot.Publisher,
    nursery: trio.Nursery,
    table: dict[str, list[Row]],
    anew: bool,
    specification: str,
) -> None:
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"), "2024-3", "sp-dev")
    for service, rows in table.items():
        uri = atm.uri(service or None) + "/"
        for part in [[row] for row in rows] if anew else [rows]:
            async with trio.open_nursery() as connection:
                talk: Dialogue = await connection.start(dialogue, uri, specification, "sp-dev")
                await play(talk, simulator, part)
                connection.cancel_scope.cancel()


async def test_unsolicited_events_are_such_as_it_reads(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> None:
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"), "2024-3", "sp-dev")
    talk: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), "2023-2", "sp-dev")
    await talk.completion("Common.Status")
    await simulator.completion("Simulator.Inject", {"fault": "missing", "unit": "unit3"})
    message = await talk.until("event")
    assert_readable(message)
    assert "requestId" not in message["header"]


async def test_a_path_in_other_case_leads_to_the_same_service(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    uri = atm.uri("CashDispenser").replace("xfs4iot", "XFS4IoT").replace("CashDispenser", "cashdispenser")
    talk: Dialogue = await nursery.start(dialogue, uri, "2021-1", "sp-dev")
    completion = await talk.completion("Common.Status")
    assert completion["payload"]["completionCode"] == "success"
