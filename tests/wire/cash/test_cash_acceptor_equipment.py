"""CashAcceptor over the wire: its reader, signatures, locks and shutters, and its health."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from acceptors import Acceptor, do, laws
from cash_ins import COMPARED, A, cannot, places
from dialogue import Dialogue, another
from vendors import refusal, serving
from xfs4iot import devices


@pytest.fixture
def device() -> Acceptor:
    return Acceptor()


@pytest.fixture
async def client(device: Acceptor, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def test_the_note_reader_is_configured(client: Dialogue, device: Acceptor) -> None:
    assert await do(client, "ConfigureNoteReader", {"loadAlways": True}) == {"rebootNecessary": True}
    assert device.called[-1] == ("configure_note_reader", True)
    device.raises["configure_note_reader"] = refusal("loadFailed")
    assert await cannot(client, "ConfigureNoteReader") == "loadFailed"


async def test_a_signature_is_created_and_the_clients_own_are_compared(
    client: Dialogue, device: Acceptor
) -> None:
    made = await do(client, "CreateSignature")
    assert made == {"noteType": "typeEUR20", "orientation": "frontTop", "signature": "YSBub3Rl"}
    matched = await do(client, "CompareSignature", COMPARED)
    assert matched == {"signaturesIndex": [{"index": 1, "confidenceLevel": 90, "comparisonData": "close"}]}
    _, references, candidates = device.called[-1]
    assert [one.signature for one in references] == [b"a note"]
    assert [one.signature for one in candidates] == [b"another", b"a note"]
    await laws(client, device)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"referenceSignatures": []}, "invalidReferenceSignature"),
        ({"referenceSignatures": [{"noteType": "typeEUR20"}]}, "invalidReferenceSignature"),
        ({"referenceSignatures": [{**A, "noteType": "typeX"}]}, "invalidReferenceSignature"),
        ({"signatures": []}, "invalidTransactionSignature"),
        ({"signatures": [{"noteType": "typeEUR20"}]}, "invalidTransactionSignature"),
    ],
    ids=str,
)
async def test_signatures_are_there_and_of_known_items(client: Dialogue, change: Any, code: str) -> None:
    assert await cannot(client, "CompareSignature", {**COMPARED, **change}) == code


async def test_a_device_that_reads_no_signatures_offers_none(nursery: trio.Nursery) -> None:
    class Plain(Acceptor):
        item_info_types = frozenset()

    client = await serving(Plain(), nursery)
    assert await cannot(client, "CreateSignature") == "unsupportedData"
    assert await cannot(client, "CompareSignature", COMPARED) == "unsupportedData"


async def test_the_device_and_units_are_locked(client: Dialogue, device: Acceptor) -> None:
    unknown = [{"storageUnit": name, "unitLockStatus": "lockUnknown"} for name in ("unitA", "unitB", "unitR")]
    assert await do(client, "GetDeviceLockStatus") == {"deviceLockStatus": "lockUnknown", "unitLock": unknown}
    await do(client, "DeviceLockControl", {"deviceAction": "lock", "cashUnitAction": "lockAll"})
    one = {"storageUnit": "unitB", "unitAction": "unlock"}
    await do(client, "DeviceLockControl", {"cashUnitAction": "lockIndividual", "unitLockControl": [one]})
    assert device.called[-1] == ("device_lock_control", None, {"unitB": "unlock"})
    known = await do(client, "GetDeviceLockStatus")
    assert known["deviceLockStatus"] == "lock"
    assert [one["unitLockStatus"] for one in known["unitLock"]] == ["lock", "unlock", "lock"]
    asked = len(device.called)
    await do(client, "DeviceLockControl", {"deviceAction": "noLockAction"})
    assert len(device.called) == asked
    device.raises["device_lock_control"] = refusal("deviceLockFailure")
    assert await cannot(client, "DeviceLockControl", {"deviceAction": "lock"}) == "deviceLockFailure"


@pytest.mark.parametrize("failure", ["physicalLocked", "physicalUnlocked"])
async def test_a_unit_whose_lock_a_hand_has_moved_is_named(
    client: Dialogue, device: Acceptor, nursery: trio.Nursery, failure: Any
) -> None:
    told = {
        "2024-3": ("event", failure),
        "2023-2": ("event", failure),
        # Which has neither word, and only tells everybody.
        "2021-1": ("unsolicited", {"physicalLocked": "locked", "physicalUnlocked": "error"}[failure]),
    }
    stuck = devices.UnitError("deviceLockFailure", failure, ["unitB"], "somebody has turned the key")
    device.raises["device_lock_control"] = stuck
    for specification, (kind, expected) in told.items():
        older = await another(client, nursery, specification)
        request = await older.send("CashAcceptor.DeviceLockControl", {"cashUnitAction": "unlockAll"})
        asked = request if kind == "event" else None
        event = (await older.until(kind, asked, "Storage.StorageErrorEvent"))["payload"]
        assert (event["failure"], set(event["unit"])) == (expected, {"unitB"})
        completion = await older.until("completion", request)
        assert completion["payload"]["errorCode"] == "deviceLockFailure"
    # Nobody knows how the locks are now.
    known = await do(client, "GetDeviceLockStatus")
    assert {one["unitLockStatus"] for one in known["unitLock"]} == {"lockUnknown"}


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ([], "invalidData"),
        ([{"unitAction": "lock"}], "invalidData"),
        ([{"storageUnit": "unitA"}, {"storageUnit": "unitA"}], "invalidData"),
        ([{"storageUnit": "unit9"}], "invalidCashUnit"),
    ],
    ids=str,
)
async def test_units_to_lock_are_named_once_and_exist(client: Dialogue, units: Any, code: str) -> None:
    wanted = {"cashUnitAction": "lockIndividual", "unitLockControl": units}
    assert await cannot(client, "DeviceLockControl", wanted) == code


async def test_shutters_of_both_sides_are_moved(client: Dialogue, device: Acceptor) -> None:
    await client.success("CashManagement.OpenShutter", {"position": "inDefault"})
    assert device.called[-1] == ("open_shutter", "inDefault")
    shown = {one["position"]: one["shutter"] for one in (await places(client))["positions"]}
    assert shown == {"inDefault": "open", "outDefault": "closed"}
    assert await client.failure("CashManagement.OpenShutter", {"position": "inDefault"}) == "shutterOpen"
    await client.success("CashManagement.CloseShutter")
    await client.success("CashManagement.OpenShutter", {"position": "outDefault"})
    assert device.called[-1] == ("open_shutter", "outDefault")
    wrong = {"position": "inRear"}
    assert await client.failure("CashManagement.OpenShutter", wrong) == "unsupportedPosition"


async def test_the_acceptors_health_follows_from_its_units(client: Dialogue, device: Acceptor) -> None:
    async def health() -> str:
        found: str = (await client.success("Common.Status"))["cashManagement"]["acceptor"]
        return found

    assert await health() == "ok"
    device.unit_changed("unitA", "missing")
    assert await health() == "attention"
    device.unit_changed("unitB", "missing")
    assert await health() == "stop"


async def test_clients_of_2021_1_ask_what_the_positions_can_do(
    client: Dialogue, device: Acceptor, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    command = "CashAcceptor.GetPositionCapabilities"
    told = (await client.success("Common.Capabilities"))["cashAcceptor"]["positions"]
    assert {one["position"] for one in told} == {"inDefault", "outDefault"}
    oldest = await another(client, nursery, "2021-1")
    found = (await oldest.success(command))["posCapabilities"]
    assert [one["usage"] for one in found] == [one["usage"] for one in told]
    assert [one["position"] for one in found] == [one["position"] for one in told]
    # Their own capabilities have no word for the default position.
    assert not (await oldest.success("Common.Capabilities"))["cashAcceptor"].get("positions")
    assert await client.failure(command) == "unsupportedCommand"
    positions = device.capabilities.cash_acceptor.positions
    assert positions is not None
    positions.append("here")  # type: ignore[arg-type]
    assert not (await oldest.success(command)).get("posCapabilities")
    assert "the device class is wrong about its positions" in caplog.text
    assert await oldest.success("Common.Status")
