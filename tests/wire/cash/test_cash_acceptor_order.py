"""CashAcceptor over the wire: the order of its checks, and payloads of nobody's making."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio

from acceptors import Recycler, laws, note
from dialogue import another, outcome
from order import Break, Command, Pair, Walk, pairs, walks
from vendors import serving
from xfs4iot.interfaces.cash.cash_acceptor import CashAcceptor
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import Posting
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management, mixed_media


class Everything(Recycler):
    """It offers every command, and shows whatever the test lets it show."""

    acceptor_type = "tellerBill"
    cash_in_limit = frozenset()
    present_control = False

    async def prepare_present(self, position: str, events: Any) -> Any:
        raise AssertionError

    async def present_media(self, position: str, events: Any) -> Any:
        raise AssertionError


def rules(device: Any) -> CashAcceptor:
    found: CashAcceptor = device._host.interface(CashAcceptor)
    return found


async def offline(device: Any) -> None:
    device.status.common.device = "offline"


async def exchanged(device: Any) -> None:
    device._host.interface(Storage)._exchange = True


def record(**changes: Any) -> Callable[[Any], Awaitable[None]]:
    async def before(device: Any) -> None:
        transaction = rules(device).transaction
        transaction.record = msgspec.structs.replace(transaction.record, **changes)

    return before


async def cheques_only(device: Any) -> None:
    device.status.mixed_media = mixed_media.Status(modes=mixed_media.Modes(cash_accept=False))


active = record(state="active", accepted=[("typeEUR20", "fit", 1)])
ended = record(state="ok")


async def started(device: Any) -> None:
    """A cash-in with an item inside."""
    await active(device)
    await inside(device)


async def inside(device: Any) -> None:
    ledger = rules(device).service.ledger
    await ledger.record("set", [Posting("stacker", "count", "typeEUR20", "fit", 1)])
    device.truth["stacker"][note(20)] = 1


async def in_the_way(device: Any) -> None:
    for one in device.status.cash_acceptor.positions:
        one.position_status = "notEmpty"
    device.status.cash_dispenser.positions[0].position_status = "notEmpty"


async def nothing_outside(device: Any) -> None:
    for one in (*device.status.cash_acceptor.positions, *device.status.cash_dispenser.positions):
        one.position_status = "empty"


async def units_gone(device: Any) -> None:
    for unit in ("unitA", "unitB", "unit5", "unit10", "unit20", "unit50"):
        device.unit_changed(unit, "missing")


async def one_gone(device: Any) -> None:
    device.unit_changed("unit20", "missing")


async def teller_works(device: Any) -> None:
    await rules(device).tellers.set("create", cash_management.TellerDetails(teller_id=7))


async def teller_moved(device: Any) -> None:
    details = cash_management.TellerDetails(teller_id=7, input_position="inRear")
    await rules(device).tellers.set("modify", details)


async def no_signatures(device: Any) -> None:
    device.capabilities.cash_management.item_info_types = None


async def presented_by_returning(device: Any) -> None:
    device.capabilities.cash_acceptor.positions = [
        messages.PosCaps(position="outDefault", present_control=True)
    ]


async def counts_all_only(device: Any) -> None:
    device.capabilities.cash_acceptor.count_actions = messages.CapabilitiesCountActions(all=True)


NO_EXCHANGE = Break(before=exchanged)
NO_CASH_IN = Break(before=active)
DEVICE = Break(before=offline)
ENDED = Break(before=ended)
A_SIGNATURE = {"noteType": "typeEUR20", "signature": "YSBub3Rl"}
SIGNATURES = Break(before=no_signatures)
POSITION = Break({"position": "outRear"})

ORDER = {
    "CashAcceptor.CashInStart": Command(
        {
            "limits_given": Break({"amountLimit": [{"currency": "EUR"}]}),
            "no_exchange": NO_EXCHANGE,
            "no_cash_in": NO_CASH_IN,
            "teller_known": Break({"tellerID": 9}),
            "positions_exist": Break({"inputPosition": "inRear"}),
            "limits_possible": Break({"totalItemsLimit": 5}),
            "nothing_inside": Break(before=inside),
            "device_ready": DEVICE,
            "teller's position": Break(before=teller_moved),
        },
        good={"tellerID": 7},
        before=teller_works,
    ),
    "CashAcceptor.CashIn": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "cash_in_active": ENDED,
            "cash_accept mode": Break(before=cheques_only),
            "output_empty": Break(before=in_the_way),
            "limit_not_reached": Break(before=record(total_items_limit=1)),
            "units_accept": Break(before=units_gone),
            "device_ready": DEVICE,
        },
        before=active,
    ),
    "CashAcceptor.CashInEnd": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "cash_in_active": ENDED,
            "units_accept": Break(before=units_gone),
            "device_ready": DEVICE,
        },
        before=started,
        apart={"device_ready": "a device that is not there is asked nothing, whatever is inside"},
    ),
    "CashAcceptor.CashInRollback": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "cash_in_active": ENDED,
            "output_empty": Break(before=in_the_way),
            "device_ready": DEVICE,
            "items accepted": Break(before=record(accepted=[])),
        },
        before=active,
    ),
    "CashAcceptor.PreparePresent": Command(
        {
            "output_exists": POSITION,
            "no_exchange": NO_EXCHANGE,
            "named_output_empty": Break(before=in_the_way),
            "items_to_present": Break(before=nothing_outside),
            "device there": DEVICE,
        },
        apart={"named_output_empty": "where something is in the way, there is something to be presented"},
    ),
    "CashAcceptor.PresentMedia": Command(
        {
            "no_exchange": NO_EXCHANGE,
            "output_exists": POSITION,
            "presented_by_command": Break(before=presented_by_returning),
            "items_to_present": Break(before=nothing_outside),
            "device there": DEVICE,
        },
        apart={"output_exists": "a position that does not exist is presented at by no command"},
    ),
    "CashAcceptor.ConfigureNoteTypes": Command(
        {
            "note_types_given": Break({"items": None}),
            "no_exchange": NO_EXCHANGE,
            "no_cash_in": NO_CASH_IN,
            "note_types_exist": Break({"items": [{"item": "typeX", "enabled": True}]}),
            "device_ready": DEVICE,
        },
        good={"items": [{"item": "typeEUR20", "enabled": True}]},
    ),
    "CashAcceptor.ConfigureNoteReader": Command(
        {"no_exchange": NO_EXCHANGE, "no_cash_in": NO_CASH_IN, "device_ready": DEVICE}
    ),
    "CashAcceptor.CreateSignature": Command(
        {
            "signatures_supported": SIGNATURES,
            "no_exchange": NO_EXCHANGE,
            "no_cash_in": NO_CASH_IN,
            "device there": DEVICE,
        }
    ),
    "CashAcceptor.CompareSignature": Command(
        {
            "signatures_supported": SIGNATURES,
            "no_exchange": NO_EXCHANGE,
            "no_cash_in": NO_CASH_IN,
            "references_given": Break({"referenceSignatures": None}),
            "candidates_given": Break({"signatures": None}),
            "device_ready": DEVICE,
        },
        good={"referenceSignatures": [A_SIGNATURE], "signatures": [A_SIGNATURE]},
    ),
    "CashAcceptor.CashUnitCount": Command(
        {
            "count_possible": Break(before=counts_all_only),
            "no_exchange": NO_EXCHANGE,
            "no_cash_in": NO_CASH_IN,
            "units_to_count_exist": Break({"units": ["unit9"]}),
            "units_to_count_work": Break(before=one_gone),
            "device there": DEVICE,
        },
        good={"units": ["unit20"]},
        apart={"units_to_count_exist": "a unit that does not exist cannot fail to work"},
    ),
    "CashAcceptor.Replenish": Command(
        {
            "replenish_given": Break({"source": None}),
            "no_exchange": NO_EXCHANGE,
            "no_cash_in": NO_CASH_IN,
            "replenish_units_exist": Break({"source": "unit9"}),
            "replenish_units_work": Break(before=one_gone),
            "device there": DEVICE,
        },
        good={"source": "unitRefill", "replenishTargets": [{"target": "unit20"}]},
    ),
    "CashAcceptor.Deplete": Command(
        {
            "deplete_given": Break({"cashUnitTarget": None}),
            "no_exchange": NO_EXCHANGE,
            "no_cash_in": NO_CASH_IN,
            "deplete_units_exist": Break({"cashUnitTarget": "unit9"}),
            "deplete_units_work": Break(before=one_gone),
            "device there": DEVICE,
        },
        good={"cashUnitTarget": "unitA", "depleteSources": [{"source": "unit20"}]},
    ),
    "CashAcceptor.DeviceLockControl": Command(
        {
            "locks_given": Break({"cashUnitAction": "lockIndividual", "unitLockControl": []}),
            "no_exchange": NO_EXCHANGE,
            "no_cash_in": NO_CASH_IN,
            "units_to_lock_exist": Break(
                {"cashUnitAction": "lockIndividual", "unitLockControl": [{"storageUnit": "unit9"}]}
            ),
            "device_ready": DEVICE,
        },
        good={"deviceAction": "lock"},
    ),
}


@pytest.mark.parametrize("pair", pairs(CashAcceptor, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(pair: Pair, nursery: trio.Nursery) -> None:
    device = Everything()
    client = await serving(device, nursery)
    await pair.prove(client, device)


APART = {
    "CashAcceptor.CashInStart safeDoorOpen": "its device is not asked when a cash-in starts",
    "CashAcceptor.CashInRollback": "its device has taken nothing in",
    "CashAcceptor.PreparePresent success": "its device has nothing to present",
    "CashAcceptor.PresentMedia success": "its device has nothing to present",
}
"""What an older client is not answered here, and why."""


@pytest.mark.parametrize("walk", walks(CashAcceptor, ORDER, APART), ids=str)
async def test_older_clients_are_answered_alike(walk: Walk, nursery: trio.Nursery) -> None:
    device = Everything()
    await walk.prove(await serving(device, nursery), device, device)


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "x" * 70_000,
    "unit20",
    [],
    [None],
    ["unit20"],
    {},
    [{"currency": "EUR", "value": 1e300}],
    [{"currency": "EUR", "value": 0.000001}],
    [{"target": "unit20", "numberOfItemsToMove": 2**60}],
    [{"source": "unit20"}],
    [{"storageUnit": "unit20"}],
    [A_SIGNATURE],
)
FIELDS = {
    "CashInStart": (
        "tellerID",
        "useRecycleUnits",
        "inputPosition",
        "outputPosition",
        "totalItemsLimit",
        "amountLimit",
    ),
    "CashIn": ("x",),
    "CashInEnd": ("x",),
    "CashInRollback": ("x",),
    "GetCashInStatus": ("x",),
    "GetPresentStatus": ("x",),
    "CashUnitCount": ("units",),
    "CompareSignature": ("referenceSignatures", "signatures"),
    "ConfigureNoteReader": ("loadAlways",),
    "ConfigureNoteTypes": ("items",),
    "CreateSignature": ("x",),
    "Replenish": ("source", "replenishTargets"),
    "Deplete": ("depleteSources", "cashUnitTarget"),
    "DeviceLockControl": ("deviceAction", "cashUnitAction", "unitLockControl"),
    "GetDeviceLockStatus": ("x",),
    "GetReplenishTarget": ("source",),
    "GetDepleteSource": ("cashUnitTarget",),
}


@pytest.mark.parametrize("specification", ["2021-1", "2023-2", "2024-3"])
async def test_no_payload_stops_the_service_or_breaks_its_books(
    nursery: trio.Nursery, specification: str
) -> None:
    device = Recycler()
    client = await another(await serving(device, nursery), nursery, specification)
    chance = random.Random(specification)
    for _ in range(300):
        name = chance.choice(list(FIELDS))
        payload = {field: chance.choice(ODD) for field in FIELDS[name] if chance.random() < 0.8}
        device.slot = [note(chance.choice((5, 10, 20, 50))) for _ in range(chance.randrange(3))]
        completion = await client.completion(
            f"CashAcceptor.{name}", chance.choice((payload, payload, None, [], "x"))
        )
        assert outcome(completion) != "internalError", (name, payload, completion)
    await laws(client if specification == "2024-3" else await another(client, nursery), device)
