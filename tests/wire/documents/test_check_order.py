"""Check over the wire: the order of its checks, and payloads of nobody's making."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio

from dialogue import another, outcome
from order import Break, Command, Pair, Walk, pairs, walks
from scanners import Scanner, Single
from vendors import serving
from xfs4iot.interfaces.documents.check import Check
from xfs4iot.interfaces.documents.media_transaction import Item
from xfs4iot.protocol.messages import mixed_media


def rules(device: Any) -> Check:
    found: Check = device._host.interface(Check)
    return found


async def offline(device: Any) -> None:
    device.status.common.device = "offline"


async def active(device: Any) -> None:
    transaction = rules(device).transaction
    transaction.state, transaction.items, transaction.most = "active", {1: Item()}, 5
    device.inside = [1]


async def ended(device: Any) -> None:
    rules(device).transaction.state = "ok"


async def emptied(device: Any) -> None:
    rules(device).transaction.items = {}


async def refused(device: Any) -> None:
    rules(device).transaction.must_present = True


async def nothing(device: Any) -> None:
    rules(device).transaction.items = {}
    rules(device).transaction.must_present = False


async def exchanged(device: Any) -> None:
    storage: Any = rules(device).storage
    storage._exchange = True


async def notes_only(device: Any) -> None:
    device.status.mixed_media = mixed_media.Status(modes=mixed_media.Modes(check_accept=False))


async def stacked(device: Any) -> None:
    await active(device)
    rules(device).transaction.on_stacker = 5


async def left(device: Any) -> None:
    transaction = rules(device).transaction
    transaction.state, transaction.items = "ok", {1: Item()}


async def bins_gone(device: Any) -> None:
    for unit in ("unit1", "unit2"):
        device.unit_changed(unit, "missing")


async def full(device: Any) -> None:
    units: Any = rules(device).units
    await rules(device).service.ledger.record("set", units.stored("unit1", 10))


READY = {"device_ready": Break(before=offline), "nothing_to_present": Break(before=refused)}
ACTIVE = {**READY, "transaction active": Break(before=ended)}
ORDER = {
    "Check.MediaIn": Command(
        {
            "codeline_readable": Break({"codelineFormat": "ocr"}, says="codelineFormat"),
            "images_possible": Break({"image": [{"source": "back"}]}, says="image"),
            "stacker_large_enough": Break({"maxMediaOnStacker": 9}, says="maxMediaOnStacker"),
            "device_ready": Break(before=offline),
            "units_not_exchanged": Break(before=exchanged, says="exchanged"),
            "check_accept mode": Break(before=notes_only),
            "nothing_to_present": Break(before=refused),
            "no_media_left": Break(before=left),
            "stacker_has_room": Break(before=stacked),
            "bins_have_room": Break(before=bins_gone),
        },
        apart={"no_media_left": "a stacker is full in an active transaction only"},
    ),
    "Check.MediaInEnd": Command(ACTIVE, before=active),
    "Check.MediaInRollback": Command(ACTIVE, before=active),
    "Check.GetNextItem": Command(ACTIVE, before=active),
    "Check.ActionItem": Command(ACTIVE, before=active),
    "Check.AcceptItem": Command(
        {"given accept": Break({"accept": None}), **ACTIVE}, good={"accept": True}, before=active
    ),
    "Check.ReadImage": Command(
        {
            "media_given": Break({"mediaID": None}, says="$.mediaID is missing"),
            "codeline_readable": Break({"codelineFormat": "ocr"}, says="codelineFormat"),
            "images_readable": Break({"image": [{"source": "back"}]}, says="image"),
            "device_ready": Break(before=offline),
            "media_known_of": Break(before=emptied),
            "media_exists": Break({"mediaID": 9}),
        },
        good={"mediaID": 1},
        before=active,
    ),
    "Check.PresentMedia": Command(
        {
            "position_exists": Break({"source": {"position": "refused"}}),
            "device_ready": Break(before=offline),
            "media_to_present": Break(before=nothing),
        },
        before=active,
    ),
    "Check.RetractMedia": Command(
        {
            "retract_possible": Break({"retractLocation": "transport"}),
            "retract_unit_exists": Break({"retractLocation": "unitX"}),
            "retract_unit_fits": Break({"retractLocation": "unit1"}),
            "device_ready": Break(before=offline),
        },
        apart={
            "retract_possible": "a place that is no unit is no strange unit",
            "retract_unit_exists": "a unit that does not exist has no use",
        },
    ),
    "Check.Reset": Command(
        {
            "reset_possible": Break({"mediaControl": "transport"}),
            "reset_unit_fits": Break({"mediaControl": "unit1"}),
            "device_ready": Break(before=offline),
        },
        apart={"reset_possible": "a place that is no unit is no strange unit"},
    ),
    "Check.SetMediaParameters": Command(
        {
            "given destination": Break({"destination": None}, says="destination"),
            "printing_possible": Break({"printData": "A" * 99}, says="printData"),
            "images_possible": Break({"image": [{"source": "back"}]}, says="image"),
            "device_ready": Break(before=offline),
            "transaction active": Break(before=ended),
            "media_exists": Break({"mediaID": 9}),
            "destination_exists": Break({"destination": "unitX"}),
            "destination_fits": Break({"destination": "unitR"}),
            "destination_has_room": Break(before=full),
        },
        good={"destination": "unit1"},
        before=active,
        apart={
            "destination_exists": "a unit that does not exist has no use",
            "destination_fits": "a unit for retracted items is not filled by a transaction",
        },
    ),
    "Check.SupplyReplenish": Command(
        {"supplies_given": Break({"toner": None}), "device_ready": Break(before=offline)},
        good={"toner": True},
    ),
}


@pytest.mark.parametrize("pair", pairs(Check, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(pair: Pair, nursery: trio.Nursery) -> None:
    device = Single() if pair.name == "Check.ActionItem" else Scanner()
    client = await serving(device, nursery)
    await pair.prove(client, device)


APART = {
    "Check.GetNextItem success": "its device has no further item",
}
"""What an older client is not answered here, and why."""


@pytest.mark.parametrize("walk", walks(Check, ORDER, APART), ids=str)
async def test_older_clients_are_answered_alike(walk: Walk, nursery: trio.Nursery) -> None:
    device = Single() if walk.mark.command == "Check.ActionItem" else Scanner()
    await walk.prove(await serving(device, nursery), device, device)


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "x" * 70_000,
    "unit1",
    [],
    [None],
    {},
    {"source": "front"},
)
FIELDS = {
    "MediaIn": ("codelineFormat", "image", "maxMediaOnStacker", "applicationRefuse"),
    "MediaInEnd": ("x",),
    "MediaInRollback": ("x",),
    "GetNextItem": ("x",),
    "AcceptItem": ("accept",),
    "SetMediaParameters": ("mediaID", "destination", "stamp", "printData", "image"),
    "ReadImage": ("mediaID", "codelineFormat", "image"),
    "PresentMedia": ("source",),
    "ExpelMedia": ("x",),
    "RetractMedia": ("retractLocation",),
    "Reset": ("mediaControl",),
    "SupplyReplenish": ("toner", "ink"),
    "GetTransactionStatus": ("includeImage",),
}


@pytest.mark.parametrize("specification", ["2023-2", "2024-3"])
@pytest.mark.parametrize("name", FIELDS)
async def test_no_payload_stops_the_service_or_is_an_internal_error(
    nursery: trio.Nursery, name: str, specification: str
) -> None:
    chance = random.Random(name)
    device = Scanner()
    client = await another(await serving(device, nursery), nursery, specification)
    for _ in range(40):
        device.slot = ["good"]
        payload: Any = {field: chance.choice(ODD) for field in FIELDS[name] if chance.random() < 0.8}
        request = await client.send(
            f"Check.{name}", chance.choice((payload, payload, payload, None, [], "x"))
        )
        acknowledge = await client.until("acknowledge", request)
        if "status" not in acknowledge["header"]:
            assert outcome(await client.until("completion", request)) != "internalError"
        if chance.random() < 0.5:
            await client.completion("Check.MediaIn", {})
    await client.success("Common.Status")
