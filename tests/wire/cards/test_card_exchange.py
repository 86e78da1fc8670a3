"""CardReader over the wire: units are exchanged, whatever happens to cards meanwhile."""

from __future__ import annotations

import trio
from test_card_simulated import KEEP, MOVE, OUT, READ, RESET, bench_of

from dialogue import Dialogue, another
from readers import FULL, Motor, counts, media

START, END = "Storage.StartExchange", "Storage.EndExchange"


async def test_an_exchange_waits_until_the_card_is_where_it_goes(
    client: Dialogue, device: Motor, nursery: trio.Nursery
) -> None:
    under_way, go_on = trio.Event(), trio.Event()

    async def slow() -> None:
        under_way.set()
        await go_on.wait()

    operator = await another(client, nursery)
    await client.success(READ)
    device.hand["move_card"] = slow
    move = await client.send(MOVE, {"from": "transport", "to": "unitBIN"})
    await under_way.wait()
    start = await operator.send(START)
    await operator.until("acknowledge", start)
    again = await client.send(MOVE, {"from": "unitNEW", "to": "transport"})
    go_on.set()
    assert "completionCode" not in (await client.until("completion", move))["header"]
    assert "completionCode" not in (await operator.until("completion", start))["header"]
    assert await counts(client) == FULL | {"unitBIN": 1}
    # It was asked for before the exchange had begun, and its turn comes in it.
    refused = await client.until("completion", again)
    assert refused["header"]["completionCode"] == "sequenceError"
    await operator.success(END)
    await client.success(MOVE, {"from": "unitNEW", "to": "transport"})
    assert await counts(client) == FULL | {"unitBIN": 1}


async def test_an_exchange_whose_client_is_gone_is_ended_by_another(
    client: Dialogue, device: Motor, nursery: trio.Nursery
) -> None:
    operator = await another(client, nursery)
    await operator.success(START)
    await operator.connection.aclose()
    assert (await client.success("Common.Status"))["common"]["exchange"] == "active"
    assert await client.failure(START) == "exchangeActive"
    await client.success(END)
    assert (await client.success("Common.Status"))["common"]["exchange"] == "inactive"


async def test_a_card_that_is_retained_during_an_exchange_is_counted(client: Dialogue, device: Motor) -> None:
    """A Reset must work at any time; so must the hands of a firmware."""
    await client.success(READ)
    await client.success(START)
    await client.success(RESET, {"to": "retain", "storageId": "unitBIN"})
    assert await counts(client) == FULL | {"unitBIN": 1}
    device.card_acted("exit", "unitBIN2")
    await client.until("unsolicited", name="CardReader.CardActionEvent")
    await client.success(END)
    assert await counts(client) == FULL | {"unitBIN": 1, "unitBIN2": 1}


async def test_an_operator_empties_and_fills_the_simulated_reader() -> None:
    async with bench_of() as bench:
        await bench.insert()
        await bench.reader.success(MOVE, KEEP)
        other = {"unitNEW1": {"card": {"configuration": {"cardID": "gift"}}}}
        assert await bench.reader.failure("Storage.SetStorage", {"storage": other}) == "noExchangeActive"
        await bench.insert("debit")
        await bench.reader.success(START)
        assert await bench.reader.failure(MOVE, KEEP) == "sequenceError"
        await bench.do("EmptyBin", unit="unitBIN1")
        await bench.do("FillStack", unit="unitNEW1", count=50)
        set_anew = {
            "unitBIN1": {"card": {"status": {"initialCount": 0}}},
            "unitNEW1": {"card": {"configuration": {"cardID": "gift"}, "status": {"initialCount": 150}}},
        }
        await bench.reader.success("Storage.SetStorage", {"storage": set_anew})
        await bench.reader.success(MOVE, OUT)
        await bench.do("TakeCard")
        await bench.reader.success(END)
        assert await bench.counts() == {"unitBIN1": 0, "unitPARK1": 0, "unitNEW1": 150}
        await bench.conserved()
        await bench.reader.success(MOVE, {"from": "unitNEW1", "to": "exit"})
        assert (await bench.counts())["unitNEW1"] == 149
        assert await media(bench.reader) == "entering"


async def test_a_reader_without_power_cannot_be_opened() -> None:
    async with bench_of() as bench:
        await bench.inject("readerPowerOff")
        assert await bench.reader.failure(START) == "deviceNotReady"
        await bench.do("ClearFaults")
        await bench.reader.success(START)
        await bench.inject("readerPowerOff")
        assert await bench.reader.failure(END) == "deviceNotReady"
        await bench.do("ClearFaults")
        await bench.reader.success(END)
