"""CashAcceptor over the wire: waits that are given up, failures of the device, restarts and power cuts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from acceptors import NOTES, UNKNOWN, Acceptor, Recalling, begin, do, laws, note, take_in
from cash import items
from cash_ins import LIMITS, cannot, events, state
from dialogue import Dialogue, dialogue, outcome
from vendors import power_cut, refusal, serving
from xfs4iot import devices
from xfs4iot.ledger import LedgerReader
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management


@pytest.fixture
def device() -> Acceptor:
    return Acceptor()


@pytest.fixture
async def client(device: Acceptor, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def test_a_cancelled_cash_in_ends_as_cancelled_if_nothing_came(
    client: Dialogue, device: Acceptor, nursery: trio.Nursery
) -> None:
    waiting = trio.Event()

    async def until_cancelled() -> None:
        waiting.set()
        await trio.sleep(0.05)

    device.hand["cash_in"] = until_cancelled
    await begin(client)
    request_id = await client.send("CashAcceptor.CashIn")
    await waiting.wait()
    await client.success("Common.Cancel", {"requestIds": [request_id]})
    assert outcome(await client.until("completion", request_id)) == "canceled"
    device.slot = [note(20)]
    waiting = trio.Event()
    request_id = await client.send("CashAcceptor.CashIn")
    await waiting.wait()
    await client.success("Common.Cancel", {"requestIds": [request_id]})
    completion = await client.until("completion", request_id)
    assert outcome(completion) == "success", completion
    assert completion["payload"]["items"] == {"typeEUR20": {"fit": 1}}
    await laws(client, device)


@pytest.mark.parametrize("command", ["CashIn", "CreateSignature"])
async def test_a_device_that_goes_on_waiting_when_the_client_does_not_is_given_up(
    nursery: trio.Nursery, command: str
) -> None:
    device = Recalling()
    publisher = xfs4iot.Publisher([xfs4iot.Service(device, operation_limit=0.1)], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("Cash"))

    async def forever() -> None:
        await trio.sleep_forever()

    name = {"CashIn": "cash_in", "CreateSignature": "create_signature"}[command]
    device.hand[name] = forever
    if command == "CashIn":
        await begin(client)
    assert await cannot(client, command, timeout=100) == "hardwareError"

    async def for_a_while() -> None:
        await trio.sleep(0.3)

    # Longer than the device may take for anything else: it waits for a customer.
    device.hand[name] = for_a_while
    device.slot = [note(20)]
    await do(client, command)
    await laws(client, device)


class Patient(Recalling):
    """It senses that items are inserted."""

    def __init__(self) -> None:
        super().__init__()
        self.inserted = trio.Event()

    async def wait_inserted(self, position: str) -> None:
        self.called.append(("wait_inserted", position))
        await self.inserted.wait()


async def test_the_service_waits_for_the_customer_and_gives_up_with_the_client(
    nursery: trio.Nursery,
) -> None:
    device = Patient()
    client = await serving(device, nursery)
    assert (await client.success("Common.Capabilities"))["cashAcceptor"]["itemsInsertedSensor"] is True
    await begin(client)
    assert await cannot(client, "CashIn", timeout=20) == "timeOut"
    assert ("cash_in" in {call[0] for call in device.called}) is False
    device.inserted.set()
    device.slot = [note(20)]
    await do(client, "CashIn")
    assert events(client, "CashManagement.ItemsInsertedEvent") == [{"position": "inDefault"}]
    await laws(client, device)


@pytest.mark.parametrize(
    ("name", "command", "code"),
    [
        ("cash_in_start", "CashInStart", "safeDoorOpen"),
        *(
            ("cash_in", "CashIn", code)
            for code in (
                "noItems",
                "tooManyItems",
                "shutterNotClosed",
                "shutterNotOpen",
                "safeDoorOpen",
                "foreignItemsDetected",
                "positionNotEmpty",
                "cashUnitError",
            )
        ),
        *(("cash_in_end", "CashInEnd", code) for code in ("positionNotEmpty", "safeDoorOpen")),
        *(("cash_in_rollback", "CashInRollback", code) for code in ("shutterNotOpen", "cashUnitError")),
        *(
            ("create_signature", "CreateSignature", code)
            for code in (
                "tooManyItems",
                "noItems",
                "positionNotEmpty",
                "shutterNotOpen",
                "shutterNotClosed",
                "foreignItemsDetected",
            )
        ),
    ],
)
async def test_what_the_device_refuses_reaches_the_client_and_moves_nothing(
    client: Dialogue, device: Acceptor, name: str, command: str, code: str
) -> None:
    if command in ("CashIn", "CashInEnd", "CashInRollback"):
        await take_in(client, device, note(20))
    device.raises[name] = refusal(code)
    assert await cannot(client, command) == code
    await laws(client, device)


async def left_over(
    tmp_path: Path, *slot: Any, at: str, again: Acceptor, device: Acceptor | None = None
) -> tuple[Acceptor, xfs4iot.Ledger]:
    """A device, and the ledger as it was when the power failed while an operation ran."""
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")

    async with trio.open_nursery() as nursery:
        device = device or Acceptor()
        client = await serving(device, nursery, ledger)
        await begin(client)
        if at == "cash_in":
            device.hand[at] = power_cut(tmp_path)
        await take_in(client, device, *slot)
        if at != "cash_in":
            device.hand[at] = power_cut(tmp_path)
            command = {"cash_in_end": "CashInEnd", "cash_in_rollback": "CashInRollback"}[at]
            await do(client, command)
        nursery.cancel_scope.cancel()
    ledger.close()
    again.truth, again.recalls = device.truth, device.recalls
    return again, xfs4iot.Ledger.open(tmp_path / "copy.sqlite")


@pytest.mark.parametrize(
    ("at", "after"), [("cash_in", "active"), ("cash_in_end", "ok"), ("cash_in_rollback", "rollback")]
)
async def test_a_movement_that_the_power_cut_is_booked_as_the_device_recalls_it(
    tmp_path: Path, at: str, after: str
) -> None:
    slot = note(20), note(50), UNKNOWN
    device, ledger = await left_over(tmp_path, *slot, at=at, again=Recalling())
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            client = await serving(device, nursery, ledger)
            status = await do(client, "GetCashInStatus")
            assert status["status"] == after
            assert items(status["noteNumberList"]) == 3
            await laws(client, device)
            nursery.cancel_scope.cancel()
        ledger.close()
        with LedgerReader.open(tmp_path / "copy.sqlite") as reader:
            assert reader.verify().problems == []
        ledger = xfs4iot.Ledger.open(tmp_path / "copy.sqlite")
    ledger.close()


STAGES: list[dict[str, Any]] = [
    {"typeEUR20": {"fit": 2}},
    {"unrecognized": 1, "typeEUR20": {"fit": 1}, "typeEUR5": {"inked": 1}},
]
TOLD = {"unrecognized": 1, "typeEUR20": {"fit": 3}, "typeEUR5": {"inked": 1}}


class InStages(Acceptor):
    """It takes a bunch in by stages."""

    async def cash_in(self, request: devices.CashInRequest, events: Any) -> devices.CashedIn:
        for stage in STAGES:
            counts = {name: levels for name, levels in stage.items() if name != "unrecognized"}
            known = {name: cash_management.StorageCashCount(**levels) for name, levels in counts.items()}
            unknown: Any = stage.get("unrecognized")
            events.send(messages.SubCashInEvent(unrecognized=unknown, additional=known))
        for kind in [*[note(20)] * 3, note(5, "inked"), UNKNOWN]:
            self.truth["stacker"][kind] += 1
        await trio.sleep(0.05)
        await self._do("cash_in", request)
        moved = devices.items_inserted({note(20): 3, note(5, "inked"): 1}, unrecognized=1)
        return devices.CashedIn(moved=moved, refused=0)


async def test_each_stage_of_a_cash_in_is_told_once_and_all_of_them_by_the_completion(
    nursery: trio.Nursery,
) -> None:
    device = InStages()
    client = await serving(device, nursery)
    assert await take_in(client, device) == {"items": TOLD}
    assert events(client, "CashAcceptor.SubCashInEvent") == STAGES
    await laws(client, device)


async def test_what_a_cash_in_has_told_by_stages_is_kept_when_the_device_fails(nursery: trio.Nursery) -> None:
    device = InStages()
    client = await serving(device, nursery)
    await begin(client)
    device.raises["cash_in"] = RuntimeError("broken")
    assert await cannot(client, "CashIn") == "hardwareError"
    known = await do(client, "GetCashInStatus")
    assert (known["status"], known["noteNumberList"]) == ("unknown", TOLD)
    await laws(client, device, doubts=True)
    # All of it can be given back.
    await do(client, "CashInRollback")
    assert device.truth["output"].total() == 5
    await laws(client, device, doubts=True)


async def test_what_a_cash_in_has_told_by_stages_is_kept_when_the_power_fails(tmp_path: Path) -> None:
    device, ledger = await left_over(tmp_path, at="cash_in", device=InStages(), again=Acceptor())
    async with trio.open_nursery() as nursery:
        client = await serving(device, nursery, ledger)
        known = await do(client, "GetCashInStatus")
        assert (known["status"], known["noteNumberList"]) == ("unknown", TOLD)
        await laws(client, device, doubts=True)
        nursery.cancel_scope.cancel()
    ledger.close()


@pytest.mark.parametrize("at", ["cash_in", "cash_in_end", "cash_in_rollback"])
async def test_a_movement_that_nobody_recalls_leaves_the_cash_in_active_and_its_counts_unknown(
    tmp_path: Path, at: str
) -> None:
    device, ledger = await left_over(tmp_path, note(20), at=at, again=Acceptor())
    async with trio.open_nursery() as nursery:
        client = await serving(device, nursery, ledger)
        assert (await do(client, "GetCashInStatus"))["status"] == "unknown"
        assert await cannot(client, "CashInStart") == "cashInActive"
        # Whatever is inside is found and stored.
        await client.success("CashManagement.Reset", {})
        assert await state(client) == "unknown"
        await begin(client)
        assert await state(client) == "active"
        nursery.cancel_scope.cancel()
    ledger.close()


async def test_a_cash_in_goes_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
        async with trio.open_nursery() as nursery:
            device = Recalling()
            client = await serving(device, nursery, ledger)
            if not (tmp_path / "first").exists():
                (tmp_path / "first").touch()
                disabled = {"items": [{"item": "typeEUR5", "enabled": False}]}
                await do(client, "ConfigureNoteTypes", disabled)
                await begin(client, **LIMITS)
                await take_in(client, device, note(20), "bad")
                await do(client, "CashInRollback")
                await begin(client, **LIMITS)
                await take_in(client, device, note(20), "bad")
                kept = device.truth
            else:
                assert ("configure_note_types", frozenset(NOTES) - {"typeEUR5"}) in device.called
                device.truth = kept
                status = await do(client, "GetCashInStatus")
                assert (status["status"], status["numOfRefused"]) == ("active", 1)
                assert items((await do(client, "GetPresentStatus"))["returnedItems"]) == 1
                await do(client, "CashIn")
                (asked,) = [call[1] for call in device.called if call[0] == "cash_in"]
                assert (asked.most, str(asked.amounts["EUR"])) == (2, "80.5")
                await do(client, "CashInEnd")
                await laws(client, device)
            nursery.cancel_scope.cancel()
        ledger.close()


async def test_a_class_that_fails_leaves_the_cash_in_active_and_unknown(
    client: Dialogue, device: Acceptor
) -> None:
    await take_in(client, device, note(20))
    device.raises["cash_in_end"] = RuntimeError("broken")
    assert await cannot(client, "CashInEnd") == "hardwareError"
    assert await state(client) == "unknown"
    assert await cannot(client, "CashInStart") == "cashInActive"
    del device.raises["cash_in_end"]
    await do(client, "CashInEnd")
    assert await state(client) == "unknown"
    await laws(client, device)
