"""Check over the wire: failures of the device, waits that are given up, restarts and power cuts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue
from media_ins import ALL, EMPTY, UNKNOWN, cannot, counts, do, state, take_in
from scanners import Scanner, Single, forever
from vendors import power_cut, refusal, running, serving
from xfs4iot import devices
from xfs4iot.interfaces.documents.media_transaction import TOLD
from xfs4iot.ledger import LedgerReader
from xfs4iot.protocol.messages import check


@pytest.fixture
def device() -> Scanner:
    return Scanner()


@pytest.fixture
async def client(device: Scanner, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def test_a_failure_that_is_not_the_commands_is_not_believed(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    device.refuses["end partly"] = refusal("inkOut")
    assert await cannot(client, "MediaInEnd") == "hardwareError"


DEVICE_CODES = {
    "MediaIn": "shutterFail mediaJammed scannerInop micrInop positionNotEmpty feederNotEmpty mediaRejected "
    "feederInop",
    "MediaInEnd": "shutterFail mediaJammed mediaBinError positionNotEmpty feederNotEmpty",
    "MediaInRollback": "shutterFail mediaJammed positionNotEmpty",
    "GetNextItem": "noItems mediaJammed positionNotEmpty scannerInop micrInop feederInop",
    "AcceptItem": "mediaJammed positionNotEmpty",
    "SetMediaParameters": "mediaJammed scannerInop tonerOut inkOut",
    "PresentMedia": "shutterFail mediaJammed positionNotEmpty",
    "ExpelMedia": "shutterFail mediaJammed noItems",
    "RetractMedia": "noMediaPresent mediaJammed stackerFull mediaBinError shutterFail foreignItemsDetected",
    "Reset": "shutterFail mediaJammed mediaBinError",
}
OPERATIONS = {
    name: "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_") for name in DEVICE_CODES
}
OPERATIONS |= {"PresentMedia": "return_media", "Reset": "reset_media"}
PAYLOADS = {"AcceptItem": {"accept": True}, "SetMediaParameters": {"destination": "unit1"}}
REFUSALS = ("positionNotEmpty", "feederNotEmpty", "mediaRejected", "noMediaPresent", "stackerFull", "noItems")
ENDING = ("MediaIn", "MediaInEnd", "MediaInRollback", "GetNextItem", "RetractMedia", "Reset")


@pytest.mark.parametrize(
    ("name", "code"), [(name, code) for name, codes in DEVICE_CODES.items() for code in codes.split()]
)
async def test_how_a_command_fails_at_the_device(
    client: Dialogue, device: Scanner, name: str, code: str
) -> None:
    await take_in(client, device, "good")
    device.refuses[OPERATIONS[name]] = refusal(code)
    assert await cannot(client, name, PAYLOADS.get(name)) == code
    failed = name in ENDING and code not in REFUSALS
    assert await state(client) == ("failure" if failed else "active")
    assert await counts(client) == EMPTY


@pytest.mark.parametrize(
    "code",
    [
        "inkOut",
        "mediaBinError",
        "mediaJammed",
        "positionNotEmpty",
        "scannerInop",
        "shutterFail",
        "tonerOut",
    ],
)
async def test_how_an_action_fails_at_the_device(nursery: trio.Nursery, code: str) -> None:
    device = Single()
    client = await serving(device, nursery)
    assert await cannot(client, "ActionItem") == "noMediaPresent"
    await take_in(client, device, "good")
    device.refuses["action_item"] = refusal(code)
    assert await cannot(client, "ActionItem") == code


async def test_a_unit_that_jams_is_named_and_what_went_before_is_counted(
    client: Dialogue, device: Scanner
) -> None:
    await take_in(client, device)
    device.refuses["end partly"] = devices.UnitError("mediaBinError", "error", ["unit1"], "it jams")
    assert await cannot(client, "MediaInEnd") == "mediaBinError"
    told = await client.until("event", name="Storage.StorageErrorEvent")
    assert list(told["payload"]["unit"]) == ["unit1"]
    assert await counts(client) == EMPTY | {"unit1": (1, 1, 0)}
    assert await state(client) == "failure"
    assert await cannot(client, "MediaIn") == "mediaPresent"


@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_a_wait_that_is_given_up_closes_the_slot_and_changes_nothing(
    client: Dialogue, device: Scanner, end: str
) -> None:
    device.hand["media_in"] = forever
    request = await client.send("Check.MediaIn", ALL, timeout=50 if end == "timeOut" else 0)
    await client.until("event", request, "Check.NoMediaEvent")
    if end == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    assert (await client.until("completion", request))["header"]["completionCode"] == end
    assert device.called[-1] == ("stop_media_in",)
    assert await state(client) == "ok"


class Feeding(Scanner):
    """An item is on its way in when the client gives up: it comes to its end first."""

    async def media_in(self, request: devices.MediaInRequest, events: Any) -> devices.MediaTakenIn:
        self.request, self.events = request, events
        events.send(check.MediaInsertedEvent())
        self._take(events, request)
        await trio.sleep_forever()
        raise AssertionError

    async def stop_media_in(self) -> devices.MediaTakenIn:
        self._take(self.events, self.request)
        return devices.MediaTakenIn(on_stacker=2, last=2, last_on_stacker=2)


@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_what_moves_when_a_client_gives_up_comes_in_and_counts(nursery: trio.Nursery, end: str) -> None:
    device = Feeding()
    client = await serving(device, nursery)
    request = await client.send("Check.MediaIn", ALL, timeout=200 if end == "timeOut" else 0)
    await client.until("event", request, "Check.MediaDataEvent")
    if end == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    assert (await client.until("completion", request))["header"]["completionCode"] == end
    told = [one["payload"]["mediaID"] for one in client.passed if "MediaData" in one["header"]["name"]]
    assert told == [2], "the one that was moving"
    status = await do(client, "GetTransactionStatus")
    assert (status["mediaInTransaction"], status["totalItems"], status["mediaOnStacker"]) == (
        "active",
        "2",
        "2",
    )
    assert status["lastMediaInTotal"] == "2"
    await do(client, "SetMediaParameters", {"destination": "unit1"})
    await do(client, "MediaInEnd")
    assert await counts(client) == EMPTY | {"unit1": (2, 2, 0)}


class Confirming(Scanner):
    """A device that knows after a restart what is inside, and what its last movement moved."""

    confirms: frozenset[int] = frozenset()
    recalls: devices.MediaStored | None = None

    async def media_inside(self) -> frozenset[int]:
        return self.confirms

    async def recall_media(self, operation: int) -> devices.MediaStored | None:
        return self.recalls


@pytest.mark.parametrize(
    ("kind", "confirms", "expected"),
    [
        (Scanner, frozenset(), "unknown"),
        (Confirming, frozenset({1, 2}), "active"),
        (Confirming, frozenset({1}), "unknown"),
    ],
)
async def test_a_transaction_goes_on_after_a_restart_if_the_device_confirms_it(
    kind: Any, confirms: Any, expected: str
) -> None:
    ledger = xfs4iot.Ledger.open(None)
    for first in (True, False):
        async with trio.open_nursery() as nursery:
            device = kind() if not first else Scanner()
            device.confirms = confirms
            client = await serving(device, nursery, ledger)
            if first:
                await take_in(client, device, "good", "good")
            else:
                status = await do(client, "GetTransactionStatus")
                assert (status["mediaInTransaction"], status["totalItems"]) == (expected, "2")
                assert "codelineData" not in status["mediaInfo"][0]
                # It goes on, whatever the device knows.
                device.inside = [1, 2]
                await do(client, "SetMediaParameters", {"destination": "unit1"})
                await do(client, "MediaInEnd")
                assert await counts(client) == EMPTY | {"unit1": (2, 2, 0)}
                assert await state(client) == "ok"
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("kind", "recalls", "expected"),
    [
        (Scanner, None, UNKNOWN),
        (Confirming, None, EMPTY),
        (
            Confirming,
            devices.MediaStored(stored={"unit1": 2}, items={1: "unit1"}),
            EMPTY | {"unit1": (2, 2, 0)},
        ),
    ],
)
async def test_the_power_fails_while_items_are_stored_and_what_the_device_recalls_is_booked_once(
    tmp_path: Path, kind: Any, recalls: Any, expected: Any
) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")

    async with trio.open_nursery() as nursery:
        device = Scanner()
        client = await serving(device, nursery, ledger)
        await take_in(client, device)
        await do(client, "SetMediaParameters", {"destination": "unit1"})
        device.hand["media_in_end"] = power_cut(tmp_path)
        await do(client, "MediaInEnd")
        nursery.cancel_scope.cancel()
    ledger.close()
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            again = kind()
            again.recalls = recalls
            ledger = xfs4iot.Ledger.open(tmp_path / "copy.sqlite")
            client = await serving(again, nursery, ledger)
            assert await counts(client) == expected
            assert await state(client) == "unknown"
            nursery.cancel_scope.cancel()
        ledger.close()


async def test_a_class_that_fails_leaves_the_transaction_unknown(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    device.refuses["media_in_end"] = RuntimeError("broken")
    assert await cannot(client, "MediaInEnd") == "hardwareError"
    assert await state(client) == "unknown"


@pytest.mark.parametrize(
    ("kind", "expected", "known"), [(Scanner, "unknown", [1, 2]), (Confirming, "active", [1, 2, 3])]
)
async def test_what_was_told_of_items_on_their_way_in_is_known_after_a_power_cut(
    tmp_path: Path, kind: Any, expected: str, known: list[int]
) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")

    class Slow(Scanner):
        async def media_in(self, request: Any, events: Any) -> Any:
            self._take(events, request)
            self._take(events, request)
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        client = await serving(Slow(), nursery, ledger)
        request = await client.send("Check.MediaIn", ALL)
        for _ in range(2):
            await client.until("event", request, "Check.MediaDataEvent")
        told = 0
        with trio.fail_after(10):
            while told < 2:
                await power_cut(tmp_path)()
                with xfs4iot.Ledger.open(tmp_path / "copy.sqlite") as copy:
                    kept = TOLD.of(copy.service("Check"))
                    told = len(kept.transaction.items) if kept is not None else 0
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    ledger.close()
    async with trio.open_nursery() as nursery:
        again = kind()
        again.confirms = frozenset({1, 2, 3})
        again.inside = [1, 2, 3]
        again.recalls = devices.MediaStored(items={1: "device", 2: "device", 3: "device"})
        with xfs4iot.Ledger.open(tmp_path / "copy.sqlite") as ledger:
            client = await serving(again, nursery, ledger)
            status = await do(client, "GetTransactionStatus")
            assert status["mediaInTransaction"] == expected
            assert [one["mediaID"] for one in status["mediaInfo"]] == known
            await do(client, "MediaInRollback")
            assert await state(client) == "rollback"
            nursery.cancel_scope.cancel()


class Seeing(Scanner):
    """It remembers no movement, and sees what is inside."""

    confirms: frozenset[int]

    async def media_inside(self) -> frozenset[int]:
        return self.confirms


@pytest.mark.parametrize("kind", [Confirming, Seeing])
async def test_numbers_that_the_transaction_before_had_are_of_new_items_after_a_power_cut(
    tmp_path: Path, kind: Any
) -> None:
    """Devices number from 1 in each transaction, and nothing was told of this one when the power failed."""
    device = Scanner()
    async with running(device, tmp_path / "ledger.sqlite") as client:
        await take_in(client, device, "good", "good")
        await do(client, "SetMediaParameters", {"destination": "unit1"})
        await do(client, "MediaInEnd")
        device.hand["media_in"] = power_cut(tmp_path)
        await take_in(client, device, "good", "good")
    again = kind()
    again.inside = [1, 2]
    again.confirms = frozenset(again.inside)
    again.recalls = devices.MediaStored(items=dict.fromkeys(again.inside, "device"))
    async with running(again, tmp_path / "copy.sqlite") as client:
        status = await do(client, "GetTransactionStatus")
        assert status["mediaInTransaction"] == "active"
        places = {one["mediaID"]: one["mediaLocation"] for one in status["mediaInfo"]}
        assert places == {1: "device", 2: "device"}
        await do(client, "MediaInRollback")
    with LedgerReader.open(tmp_path / "copy.sqlite") as reader:
        books = {(key.unit, key.bucket): value for (_, key), value in reader.counters("Check").items()}
    assert books["customer", "inserted"] == 4
