"""Common: status, capabilities, versions and transaction state, over the wire."""

from __future__ import annotations

import trio

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from vendors import Minimal, serving
from xfs4iot.ledger import Ledger, LedgerUnavailable


async def test_capabilities_list_exactly_the_commands_that_are_served(dispenser: Dialogue) -> None:
    capabilities = await dispenser.success("Common.Capabilities")
    listed = {
        command: entry["versions"]
        for interface in capabilities["interfaces"]
        for command, entry in interface["commands"].items()
    }
    assert "2.0" in listed["Common.Status"]
    for name in listed:
        completion = await dispenser.completion(name, {"nonsense": 1}, timeout=2000)
        assert outcome(completion) != "unsupportedCommand", name


async def test_a_status_change_is_told_to_every_client_and_only_the_change(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    clients: list[Dialogue] = [await nursery.start(dialogue, atm.uri("CashDispenser")) for _ in range(2)]
    for client in clients:
        await client.success("Common.Status")
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    await simulator.success("Simulator.Inject", {"fault": "shutterJammed"})
    for client in clients:
        event = await client.until("unsolicited", name="Common.StatusChangedEvent")
        assert "requestId" not in event["header"]
        slot, out = ({"position": one, "shutter": "jammedClosed"} for one in ("inDefault", "outDefault"))
        assert event["payload"] == {
            "cashAcceptor": {"positions": [slot, out]},
            "cashDispenser": {"positions": [out]},
        }


async def test_set_versions_is_checked(dispenser: Dialogue) -> None:
    assert await dispenser.failure("Common.SetVersions", {}) == "invalidData"
    assert await dispenser.failure("Common.SetVersions", {"commands": {"Common.Status": 9}}) == "invalidData"
    assert await dispenser.success("Common.SetVersions", {"commands": {"Common.Status": 2}}) == {}


async def test_the_transaction_state_is_kept(dispenser: Dialogue) -> None:
    assert (await dispenser.success("Common.GetTransactionState"))["state"] == "inactive"
    assert await dispenser.failure("Common.SetTransactionState", {"state": "active"}) == "invalidData"
    active = {"state": "active", "transactionID": "T-1"}
    await dispenser.success("Common.SetTransactionState", active)
    assert await dispenser.success("Common.GetTransactionState") == active


async def test_a_transaction_state_that_cannot_be_kept_is_not_told(nursery: trio.Nursery) -> None:
    ledger = Ledger.open(None)
    client = await serving(Minimal("CashDispenser"), nursery, ledger)
    first = {"state": "active", "transactionID": "T-1"}
    await client.success("Common.SetTransactionState", first)
    ledger._broken = LedgerUnavailable("the disk is full")
    second = {"state": "active", "transactionID": "T-2"}
    assert await client.failure("Common.SetTransactionState", second) == "internalError"
    assert await client.success("Common.GetTransactionState") == first


async def test_the_envelope_of_2021_1_is_understood(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> None:
    old: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"), "2021-1")
    await old.send("Common.Status", {"timeout": 1000})
    acknowledge = await old.receive()
    assert set(acknowledge["header"]) == {"type", "name", "requestId"}
    assert acknowledge["payload"]["status"] == "ok"
    completion = await old.receive()
    assert set(completion["header"]) == {"type", "name", "requestId"}
    assert outcome(completion) == "success"
    assert completion["payload"]["common"]["device"] == "online"
