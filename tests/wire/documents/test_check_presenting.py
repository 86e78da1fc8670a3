"""Check over the wire: what goes back to the customer, in bunches, and what is brought back."""

from __future__ import annotations

import pytest
import trio

from dialogue import Dialogue
from media_ins import EMPTY, cannot, counts, do, state, take_in
from scanners import Scanner, Single
from vendors import refusal, serving
from xfs4iot import devices


@pytest.fixture
def device() -> Scanner:
    return Scanner()


@pytest.fixture
async def client(device: Scanner, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def test_refused_items_that_must_be_presented_hold_everything_up(
    client: Dialogue, device: Scanner
) -> None:
    device.presents_first = True
    await take_in(client, device, "good", "foreignItems")
    for name in ("MediaIn", "MediaInEnd", "MediaInRollback", "GetNextItem"):
        assert await cannot(client, name) == "refusedItems"
    assert await cannot(client, "AcceptItem", {"accept": True}) == "refusedItems"
    await do(client, "PresentMedia", {"source": {"position": "input"}})
    assert device.called[-1] == ("return_media", "input")
    await do(client, "MediaInEnd")
    assert await cannot(client, "PresentMedia", {"source": {"position": "rebuncher"}}) == "invalidData"


async def test_they_hold_up_the_action_for_one_item_as_well(nursery: trio.Nursery) -> None:
    device = Single()
    device.presents_first = True
    client = await serving(device, nursery)
    await take_in(client, device, "good", "foreignItems")
    assert await cannot(client, "ActionItem") == "refusedItems"
    await do(client, "PresentMedia", {})
    await do(client, "ActionItem")


@pytest.mark.parametrize(("inserted", "where"), [(2, "unitR"), (3, "unknown")])
async def test_a_retract_counts_as_one_operation_and_tells_which_items_it_has_if_it_has_all(
    client: Dialogue, device: Scanner, inserted: int, where: str
) -> None:
    await take_in(client, device, *["good"] * inserted)
    await do(client, "MediaInRollback")
    found = await do(client, "RetractMedia", {"retractLocation": "unitR"})
    assert found == {"media": {"count": "2", "retractLocation": "unitR"}}
    assert await counts(client) == EMPTY | {"unitR": (0, 2, 1)}
    assert await state(client) == "rollback"
    places = (await do(client, "GetTransactionStatus"))["mediaInfo"]
    assert {one["mediaLocation"] for one in places} == {where}


async def test_a_retract_ends_an_active_transaction(client: Dialogue, device: Scanner) -> None:
    await take_in(client, device)
    await do(client, "RetractMedia")
    assert await state(client) == "retract"


@pytest.mark.parametrize(
    ("place", "code"),
    [("unitX", "noBin"), ("unit1", "invalidBin"), ("transport", "invalidData"), ("nowhere", "invalidData")],
)
async def test_where_nothing_can_be_retracted_to(client: Dialogue, place: str, code: str) -> None:
    assert await cannot(client, "RetractMedia", {"retractLocation": place}) == code


@pytest.mark.parametrize(
    ("place", "code"), [("unitX", "invalidBin"), ("unit1", "invalidBin"), ("rebuncher", "invalidData")]
)
async def test_where_a_reset_can_bring_nothing(client: Dialogue, place: str, code: str) -> None:
    assert await cannot(client, "Reset", {"mediaControl": place}) == code


async def test_a_reset_ends_an_active_transaction_and_counts_what_it_brought_away(
    client: Dialogue, device: Scanner
) -> None:
    await take_in(client, device)
    await do(client, "Reset", {"mediaControl": "unitR"})
    assert await state(client) == "reset"
    assert await counts(client) == EMPTY | {"unitR": (0, 3, 1)}
    assert (await client.success("Common.Status"))["check"]["media"] == "notPresent"
    await do(client, "Reset")
    device.media_detected("unitR")
    await client.until("unsolicited", name="Check.MediaDetectedEvent")


async def presented(client: Dialogue, request: int) -> tuple[int, str]:
    event = (await client.until("event", request, "Check.MediaPresentedEvent"))["payload"]
    return event["bunchIndex"], event["totalBunches"]


async def reachable(client: Dialogue) -> list[str]:
    """Who has each item, or can take it."""
    info = (await do(client, "GetTransactionStatus"))["mediaInfo"]
    return [
        "taken" if one["mediaLocation"] == "customer" else one["customerAccess"].replace("customer", "here")
        for one in info
    ]


async def test_what_goes_back_in_several_bunches_does_so_one_after_the_other(
    client: Dialogue, device: Scanner
) -> None:
    device.bunch = 2
    await take_in(client, device, *["good"] * 5)
    request = await client.send("Check.MediaInRollback")
    await client.until("acknowledge", request)
    expected = (
        ("here here none none none", "1"),
        ("taken taken here here none", "2"),
        ("taken taken taken taken here", "3"),
    )
    for places, index in expected:
        assert await presented(client, request) == (int(index), "3")
        if index == "3":
            assert (await client.until("completion", request))["payload"]["mediaInRollback"][
                "itemsReturned"
            ] == 5
        assert await reachable(client) == places.split()
        device.media_taken("input")
        await client.until("unsolicited", name="Check.MediaTakenEvent")
    assert (await client.success("Common.Status"))["check"]["media"] == "notPresent"
    await take_in(client, device, "good")


async def test_a_bunch_that_nobody_waits_for_stays_inside_until_it_is_presented(
    client: Dialogue, device: Scanner
) -> None:
    device.bunch = 1
    await take_in(client, device)
    await do(client, "SetMediaParameters", {"mediaID": 1, "destination": "unit1"})
    request = await client.send("Check.MediaInEnd", timeout=100)
    completion = await client.until("completion", request)
    assert completion["header"]["completionCode"] == "timeOut"
    assert await counts(client) == EMPTY | {"unit1": (1, 1, 0)}
    assert (await state(client), await reachable(client)) == ("ok", ["none", "here", "none"])
    device.media_taken("input")
    await client.until("unsolicited", name="Check.MediaTakenEvent")
    assert await cannot(client, "MediaIn") == "mediaPresent"
    await do(client, "PresentMedia")
    assert await reachable(client) == ["none", "taken", "here"]


@pytest.mark.parametrize("code", ["shutterFail", "mediaJammed", "positionNotEmpty"])
async def test_a_second_bunch_that_cannot_be_presented(client: Dialogue, device: Scanner, code: str) -> None:
    device.bunch = 2
    await take_in(client, device)
    device.refuses["present_next"] = refusal(code)
    request = await client.send("Check.MediaInRollback")
    await presented(client, request)
    device.media_taken("input")
    completion = await client.until("completion", request)
    assert completion["payload"]["errorCode"] == code
    assert await reachable(client) == ["taken", "taken", "none"]


async def test_what_is_refused_before_the_first_item_is_presented_first_as_well(
    client: Dialogue, device: Scanner
) -> None:
    device.presents_first = True
    await take_in(client, device, "tooLong", "good")
    assert await cannot(client, "MediaInEnd") == "refusedItems"
    await do(client, "PresentMedia", {})
    await do(client, "MediaInEnd")


async def test_without_presenting_by_itself_a_device_waits_for_the_application(
    nursery: trio.Nursery,
) -> None:
    device = type("Waiting", (Scanner,), {"media_present_control": False})()
    device.bunch = 2
    client = await serving(device, nursery)
    await take_in(client, device)
    await do(client, "MediaInRollback")
    assert await reachable(client) == ["none", "none", "none"]
    request = await client.send("Check.PresentMedia", {})
    assert await presented(client, request) == (1, "2")
    device.media_taken("input")
    assert await presented(client, request) == (2, "2")
    await client.until("completion", request)
    assert await reachable(client) == ["taken", "taken", "here"]


async def test_a_class_that_cannot_present_a_second_bunch_is_not_believed(nursery: trio.Nursery) -> None:
    device = type("Lying", (Scanner,), {"present_next": devices.Check.present_next})()
    device.bunch = 1
    client = await serving(device, nursery)
    await take_in(client, device)
    assert await cannot(client, "MediaInRollback") == "hardwareError"


async def test_what_waits_behind_a_first_bunch_of_what_was_refused_is_not_within_reach(
    client: Dialogue, device: Scanner
) -> None:
    await take_in(client, device, "good")
    # Nothing with a number is in the first bunch, and another waits.
    device.ejects = devices.MediaPresented(more=True)
    request = await client.send("Check.Reset", {"mediaControl": "eject"}, timeout=100)
    completion = await client.until("completion", request)
    assert completion["header"]["completionCode"] == "timeOut"
    assert await reachable(client) == ["none"]


async def test_what_a_reset_ejects_is_the_customers_once_it_is_taken(
    client: Dialogue, device: Scanner
) -> None:
    await take_in(client, device)
    device.ejects = devices.MediaPresented()
    await do(client, "Reset", {"mediaControl": "eject"})
    assert await reachable(client) == ["here", "here", "here"]
    device.media_taken("input")
    await client.until("unsolicited", name="Check.MediaTakenEvent")
    await take_in(client, device, "good")


@pytest.mark.parametrize("command", ["Reset", "RetractMedia"])
async def test_what_the_customer_has_taken_is_his_whatever_is_found_later(
    client: Dialogue, device: Scanner, command: str
) -> None:
    device.bunch = 1
    await take_in(client, device, "good", "good")
    await client.send("Check.MediaInRollback", timeout=100)
    await client.until("event", name="Check.MediaPresentedEvent")
    device.media_taken("input")
    await client.until("event", name="Check.MediaPresentedEvent")
    device.inside = [2]
    device.found = 1
    wanted = {"mediaControl": "unitR"} if command == "Reset" else {"retractLocation": "unitR"}
    await do(client, command, wanted)
    places = (await do(client, "GetTransactionStatus"))["mediaInfo"]
    assert [one["mediaLocation"] for one in places] == ["customer", "unitR"]
