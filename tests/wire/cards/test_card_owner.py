"""CardReader over the wire: whose card it is that a reader holds."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio
from test_card_simulated import MOVE, READ, bench_of

from dialogue import Dialogue, another
from readers import ATR, Dip, Motor, Reader, Swipe, media
from vendors import serving
from xfs4iot import devices

IO = {"chipData": base64.b64encode(b"\x00\xa4\x04\x00").decode()}


class Field(Reader):
    reader_type = "contactless"
    read_tracks = frozenset()
    chip_protocols = frozenset({"chipTypeAPart4"})

    async def move_card(self, source: str, target: str, events: devices.MovingCard) -> devices.CardMoved:
        return devices.CardMoved()


def guarding(kind: type[Reader], **more: Any) -> Any:
    device = type("Guarding", (kind,), {"guards_card": True, **more})()
    device.arrives.set()
    return device


async def clients(device: Any, nursery: trio.Nursery) -> tuple[Dialogue, Dialogue]:
    first = await serving(device, nursery)
    return first, await another(first, nursery)


@pytest.mark.parametrize("kind", [Swipe, Dip])
async def test_a_card_that_only_passes_is_nobodys_afterwards(
    nursery: trio.Nursery, kind: type[Reader]
) -> None:
    first, second = await clients(guarding(kind), nursery)
    for client in (first, second, first):
        await client.success(READ, {"track2": True})


async def test_a_card_in_the_field_is_its_clients_until_the_field_goes(nursery: trio.Nursery) -> None:
    device = guarding(Field)
    device.chips = (devices.CardData(ATR),)
    first, second = await clients(device, nursery)
    await first.success(READ, {"chip": True})
    assert await second.failure("CardReader.ChipIO", IO) == "sequenceError"
    assert await second.failure(READ, {"chip": True}) == "sequenceError"
    await first.success("CardReader.ChipIO", IO)
    await first.success(MOVE, {"from": "transport", "to": "exit"})
    await second.success(READ, {"chip": True})


async def test_who_lets_a_card_out_of_its_unit_has_it(nursery: trio.Nursery) -> None:
    device = guarding(Motor, eject_after=0.01)
    first, second = await clients(device, nursery)
    await first.success(MOVE, {"from": "unitNEW", "to": "transport"})
    assert await second.failure(READ, {"track2": True}) == "sequenceError"
    assert await second.failure(MOVE, {"from": "transport", "to": "exit"}) == "sequenceError"
    await first.success(MOVE, {"from": "transport", "to": "unitPARK"})
    await second.success(MOVE, {"from": "unitPARK", "to": "transport"})
    assert await first.failure(MOVE, {"from": "transport", "to": "exit"}) == "sequenceError"
    # A new card is not handed out to whoever stands there, because a client has gone.
    await second.connection.aclose()
    await trio.sleep(0.1)
    assert await media(first) == "present"
    await first.success(MOVE, {"from": "transport", "to": "unitBIN"})


async def test_a_card_that_came_out_of_its_unit_after_its_client_has_gone_is_nobodys(
    nursery: trio.Nursery,
) -> None:
    device = guarding(Motor)
    first, second = await clients(device, nursery)
    under_way, go_on = trio.Event(), trio.Event()

    async def slow() -> None:
        under_way.set()
        await go_on.wait()

    device.hand["move_card"] = slow
    await first.send(MOVE, {"from": "unitNEW", "to": "transport"})
    await under_way.wait()
    await first.connection.aclose()
    await trio.sleep(0.05)
    go_on.set()
    await second.success(READ, {"track2": True})
    assert await media(second) == "present"


async def test_a_customers_card_that_was_parked_comes_out_when_its_client_has_gone() -> None:
    async with bench_of(eject_after=0.01) as bench, trio.open_nursery() as nursery:
        await bench.insert()
        await bench.reader.success(MOVE, {"from": "transport", "to": "unitPARK1"})
        second = await another(bench.reader, nursery)
        await second.success(MOVE, {"from": "unitPARK1", "to": "transport"})
        await second.connection.aclose()
        await bench.reader.until("unsolicited", name="CardReader.CardActionEvent")
        assert await bench.media() == "entering"
        nursery.cancel_scope.cancel()
