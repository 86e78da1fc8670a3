"""CardReader over the wire: what a class says of its cards fits into the books, or is not believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio

from dialogue import Dialogue
from readers import FULL, Motor, counts, media
from xfs4iot import devices
from xfs4iot.protocol import errors

MOVE, READ, RESET = "CardReader.Move", "CardReader.ReadRawData", "CardReader.Reset"


async def retain(client: Dialogue, cards: int) -> None:
    for _ in range(cards):
        await client.success(READ, {})
        await client.success(MOVE, {"from": "transport", "to": "unitBIN"})


@pytest.mark.parametrize("held", [2, 3])
async def test_a_reset_puts_no_more_into_a_bin_than_it_has_room_for(
    client: Dialogue, device: Motor, held: int
) -> None:
    await retain(client, held)
    await client.success(READ, {})
    device.found = devices.CardsReset(("unitBIN",) * (4 - held))
    assert await client.failure(RESET, {"to": "auto"}) == "hardwareError"
    assert await counts(client) == FULL | {"unitBIN": held}
    assert await media(client) == "unknown"


@pytest.mark.parametrize("at", ["transport", "jammed", "unknown", "unitBIN", "unitNEW"])
async def test_a_movement_that_succeeds_has_brought_the_card_where_it_was_to_go(
    client: Dialogue, device: Motor, at: Any
) -> None:
    await client.success(READ, {})
    device.moved = devices.CardMoved(at)
    assert await client.failure(MOVE, {"from": "transport", "to": "exit"}) == "hardwareError"
    assert await counts(client) == FULL
    assert await media(client) == "unknown"


async def test_a_movement_that_the_reader_tells_of_as_its_own_too_is_booked_once(
    client: Dialogue, device: Motor, caplog: pytest.LogCaptureFixture
) -> None:
    async def acted() -> None:
        device.card_acted("transport", "unitPARK")
        await trio.sleep(0.05)

    await client.success(READ, {})
    device.hand["move_card"] = acted
    await client.success(MOVE, {"from": "transport", "to": "unitPARK"})
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert await counts(client) == FULL | {"unitPARK": 1}
    assert "card_acted says what cannot be" in caplog.text


@pytest.mark.parametrize("place", ["transport", "exit"])
async def test_a_new_card_that_goes_back_into_its_unit_is_counted_there_once(
    client: Dialogue, device: Motor, place: str
) -> None:
    await client.success(MOVE, {"from": "unitNEW", "to": place})
    device.found = devices.CardsReset(("unitNEW",))
    await client.success(RESET, {"to": "auto"})
    assert await counts(client) == FULL
    device.found = None
    # What comes next is a customer's card, and no longer the unit's.
    await retain(client, 1)
    assert await counts(client) == FULL | {"unitBIN": 1}


class OneBin(Motor):
    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {"unitBIN": devices.CardUnit(type="retain", capacity=1)}


class TestOneBin:
    @pytest.fixture
    def device(self) -> Motor:
        found = OneBin()
        found.arrives.set()
        return found

    async def test_a_card_that_was_retained_is_not_in_the_only_bin_if_that_is_full(
        self, client: Dialogue, device: Motor
    ) -> None:
        await retain(client, 1)
        await client.success(READ, {})
        device.refuses["move_card"] = errors.CommandError("mediaRetained", "the card was not taken")
        assert await client.failure(MOVE, {"from": "transport", "to": "exit"}) == "mediaRetained"
        assert await counts(client) == {"unitBIN": 1}
