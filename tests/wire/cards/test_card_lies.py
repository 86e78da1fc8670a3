"""CardReader over the wire: hands that are quicker than the books, and classes that say what cannot be."""

from __future__ import annotations

import base64
import sqlite3
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, another
from readers import ATR, FULL, TRACK2, Contactless, Motor, counts, media, retained
from vendors import serving
from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import card_reader as messages

MOVE, READ, RESET = "CardReader.Move", "CardReader.ReadRawData", "CardReader.Reset"
CARD = "4761739001010010"
AID = {"aid": "oAAAAAMQEA==", "partialSelection": True, "transactionType": 0}


async def take(client: Dialogue, device: Motor) -> None:
    device.card_taken()
    await client.until("unsolicited", name="CardReader.MediaRemovedEvent")
    await trio.testing.wait_all_tasks_blocked(0.05)


async def customers_card_is_retained(client: Dialogue) -> None:
    """A card that came from no unit goes into the bin: no unit's card has been retained by that."""
    await client.success(READ, {})
    before = await retained(client)
    await client.success(MOVE, {"from": "transport", "to": "unitBIN"})
    assert await retained(client) == before


async def test_a_new_card_that_is_torn_out_of_the_reader_has_left_its_unit(
    client: Dialogue, device: Motor
) -> None:
    await client.success(MOVE, {"from": "unitNEW", "to": "transport"})
    assert await counts(client) == FULL
    await take(client, device)
    assert await counts(client) == FULL | {"unitNEW": 3}
    await customers_card_is_retained(client)


async def test_a_new_card_that_is_taken_while_it_still_moves_is_nobodys_afterwards(
    client: Dialogue, device: Motor
) -> None:
    async def taken() -> None:
        device.card_taken()

    device.hand["move_card"] = taken
    await client.success(MOVE, {"from": "unitNEW", "to": "exit"})
    del device.hand["move_card"]
    assert await counts(client) == FULL | {"unitNEW": 3}
    await customers_card_is_retained(client)


async def test_a_new_card_that_is_taken_during_a_reset_to_the_exit_is_counted_once(
    client: Dialogue, device: Motor
) -> None:
    async def taken() -> None:
        device.card_taken()

    await client.success(MOVE, {"from": "unitNEW", "to": "transport"})
    device.hand["reset"] = taken
    device.found = devices.CardsReset(("exit",))
    await client.success(RESET, {"to": "exit"})
    assert await counts(client) == FULL | {"unitNEW": 3}
    await customers_card_is_retained(client)


async def test_a_reset_that_finds_no_card_knows_that_the_new_one_has_gone(
    client: Dialogue, device: Motor
) -> None:
    await client.success(MOVE, {"from": "unitNEW", "to": "transport"})
    device.found = devices.CardsReset()
    await client.success(RESET)
    assert await counts(client) == FULL | {"unitNEW": 3}
    await customers_card_is_retained(client)


async def test_what_the_reader_does_by_itself_is_booked_in_its_order(client: Dialogue, device: Motor) -> None:
    for retained_before in range(3):
        await client.success(MOVE, {"from": "unitNEW", "to": "transport"})
        # At once: drawn into the bin, and a hand at the next card that is none of the reader's.
        device.card_acted("transport", "unitBIN2")
        device.card_taken()
        await client.until("unsolicited", name="CardReader.CardActionEvent")
        assert await retained(client) == retained_before + 1
    assert await counts(client) == FULL | {"unitNEW": 1, "unitBIN2": 3}


async def test_a_card_that_nobody_owns_is_ejected_when_nothing_else_runs(nursery: trio.Nursery) -> None:
    device = type("Ejecting", (Motor,), {"eject_after": 0.01})()
    device.arrives.set()
    client = await serving(device, nursery)
    other = await another(client, nursery)
    inside: list[str] = []
    overlapped: list[str] = []

    def entered(name: str) -> Any:
        async def hand() -> None:
            overlapped.extend(inside)
            inside.append(name)
            await trio.sleep(0.1)
            inside.remove(name)

        return hand

    device.hand = {name: entered(name) for name in ("move_card", "set_key")}
    await client.success(READ, {})
    sent = await other.send("CardReader.SetKey", {"keyValue": base64.b64encode(bytes(8)).decode()})
    await client.connection.aclose()
    await other.until("completion", sent)
    await other.until("unsolicited", name="CardReader.CardActionEvent")
    assert overlapped == []
    assert [name for name, *_ in device.called if name == "move_card"] == ["move_card"]


async def test_who_goes_on_with_a_card_that_is_nobodys_has_it(nursery: trio.Nursery) -> None:
    device = type("Ejecting", (Motor,), {"eject_after": 0.2, "guards_card": True})()
    device.arrives.set()
    client = await serving(device, nursery)
    heir = await another(client, nursery)
    third = await another(client, nursery)
    await client.success(READ, {})
    await client.connection.aclose()
    await trio.sleep(0.05)
    await heir.success(READ, {"track2": True})
    assert await third.failure(READ, {"track2": True}) == "sequenceError"
    await trio.sleep(0.3)
    assert await media(heir) == "present"


@pytest.mark.parametrize(
    "cards",
    [("unitBIN",) * 100, ("unitBIN",) * 4, ("unitNOPE",), ("transport", "transport"), ("exit",) * 2, 7],
    ids=str,
)
async def test_a_reset_that_cannot_have_ended_so_is_not_believed(
    client: Dialogue, device: Motor, cards: Any
) -> None:
    device.found = devices.CardsReset(cards)
    assert await client.failure(RESET) == "hardwareError"
    assert await counts(client) == FULL
    device.found = None
    await client.success(RESET)


async def test_a_long_list_costs_nobody_time(client: Dialogue, device: Motor) -> None:
    device.found = devices.CardsReset(("unitBIN",) * 65_000)
    assert await client.failure(RESET) == "hardwareError"


@pytest.mark.parametrize("target", ["unitNOPE", "unitBIN3"])
async def test_a_reader_that_moves_cards_to_units_that_do_not_exist_is_not_believed(
    client: Dialogue, device: Motor, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    await client.success(READ, {})
    device.card_acted("transport", target)
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert await media(client) == "unknown"
    assert await counts(client) == FULL
    assert "card_acted says what cannot be" in caplog.text


@pytest.mark.parametrize("recalled", ["unitNOPE", "somewhere", 5])
async def test_a_reader_that_recalls_what_cannot_be_leaves_the_movement_in_doubt(
    nursery: trio.Nursery, tmp_path: Any, recalled: Any
) -> None:
    async def recall_card(self: Any, operation: int) -> Any:
        return recalled

    async def crashes() -> None:
        raise RuntimeError("gone")

    device = type("Recalling", (Motor,), {"recall_card": recall_card})()
    device.arrives.set()
    client = await serving(device, nursery, xfs4iot.Ledger.open(tmp_path / "ledger"))
    await client.success(READ, {})
    device.hand["move_card"] = crashes
    assert await client.failure(MOVE, {"from": "transport", "to": "unitBIN"}) == "hardwareError"
    del device.hand["move_card"]
    assert await media(client) == "unknown"
    # Nothing is held up by it.
    await client.success(RESET)
    await client.success(READ, {})
    await client.success(MOVE, {"from": "transport", "to": "unitBIN2"})
    with sqlite3.connect(f"file:{tmp_path / 'ledger'}?mode=ro", uri=True) as ledger:
        assert ledger.execute("select 1").fetchone()


async def test_a_class_that_fails_with_a_card_inside_does_not_say_that_there_is_none(
    client: Dialogue, device: Motor
) -> None:
    async def in_and_broken() -> None:
        device.events.media_inserted()
        raise RuntimeError("the sensor is torn off")

    device.hand["accept_card"] = in_and_broken
    assert await client.failure(READ, {"track2": True}) == "hardwareError"
    assert await media(client) == "unknown"


@pytest.mark.parametrize("stopped", ["unitBIN", "unitNOPE", "nowhere", 3.0, ("transport",)])
async def test_a_class_that_does_not_know_where_the_card_is_does_not_say_that_there_is_none(
    client: Dialogue, device: Motor, stopped: Any
) -> None:
    device.arrives = trio.Event()
    device.stopped = stopped
    assert await client.failure(READ, {"track2": True}, timeout=50) == "timeOut"
    assert await media(client) == "unknown"
    assert await counts(client) == FULL


WRONG: dict[str, Any] = {
    "a number": devices.CardContent({"track2": devices.CardData(int(CARD))}),  # type: ignore[arg-type]
    "a status": devices.CardContent({"track2": devices.CardData(None, TRACK2.decode())}),  # type: ignore[arg-type]
    "a key": devices.CardContent({CARD: devices.CardData(TRACK2)}),  # type: ignore[dict-item]
    "text for sources": devices.CardContent(TRACK2.decode()),  # type: ignore[arg-type]
    "text for chips": devices.CardContent({}, TRACK2.decode()),  # type: ignore[arg-type]
    "text for security": devices.CardContent({}, (), TRACK2.decode()),  # type: ignore[arg-type]
    "numbers for sources": devices.CardContent(int(CARD)),  # type: ignore[arg-type]
    "a list": [int(CARD)],
    "a protocol": devices.CardContent({"track2": devices.CardData(TRACK2, None, CARD)}),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_a_class_puts_in_the_wrong_place_is_not_told(
    client: Dialogue, device: Motor, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    async def read_card(wanted: Any, events: Any) -> Any:
        return WRONG[wrong]

    device.read_card = read_card  # type: ignore[method-assign]
    request = await client.send(READ, {"track2": True})
    answer = await client.until("completion", request)
    assert answer["header"]["completionCode"] == "hardwareError"
    for told in (answer["header"]["errorDescription"], caplog.text):
        assert CARD not in told
        assert TRACK2.decode() not in told


@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError(f"bad card {CARD}"),
        errors.HardwareError(f"cannot read {TRACK2.decode()}"),
        errors.CommandError("invalidMedia", f"card 4761 7390 0101 0010 is bad: {TRACK2.decode()}"),
        errors.XfsError(f"plain {CARD}"),
        KeyError(CARD),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_a_card_number_in_what_a_class_raises_is_masked(
    client: Dialogue, device: Motor, caplog: pytest.LogCaptureFixture, raised: Exception
) -> None:
    device.refuses["read_card"] = raised  # type: ignore[assignment]
    request = await client.send(READ, {"track2": True})
    answer = await client.until("completion", request)
    code = "commandErrorCode" if isinstance(raised, errors.CommandError) else "hardwareError"
    assert answer["header"]["completionCode"] == code
    for told in (answer["header"]["errorDescription"], caplog.text):
        assert CARD not in told
        assert "4761 7390" not in told


@pytest.mark.parametrize(
    ("name", "data"), [("track2", b"1" * 108), ("chip", b"2" * 34), ("frontImage", b"3" * (17 << 20))]
)
async def test_more_than_a_card_can_hold_is_not_believed(
    client: Dialogue, device: Motor, name: str, data: bytes
) -> None:
    if name == "chip":
        device.chips = (devices.CardData(data),)
    else:
        device.sources[name] = devices.CardData(data)
    assert await client.failure(READ, {name: True}) == "hardwareError"


async def test_the_status_of_an_interface_cannot_be_taken_away(client: Dialogue, device: Motor) -> None:
    with pytest.raises(ValueError, match="card_reader"):
        device.status.card_reader = None  # type: ignore[assignment]
    await client.success(READ, {"track2": True})


async def test_the_issuers_answer_is_for_the_client_whose_transaction_it_is(nursery: trio.Nursery) -> None:
    device = Contactless()
    device.outcomes = {
        "chip": devices.ContactlessOutcome("onlineRequestCompletionRequired", data=b"\x9f\x26\x01A")
    }
    client = await serving(device, nursery)
    other = await another(client, nursery)
    await configured(client)
    await client.success("CardReader.EMVClessPerformTransaction")
    assert await other.failure("CardReader.EMVClessIssuerUpdate") == "transactionNotInitiated"
    # Its connection breaks, and it comes again.
    await client.connection.aclose()
    await trio.sleep(0.05)
    await other.success("CardReader.EMVClessIssuerUpdate")


async def configured(client: Dialogue) -> None:
    await client.success(
        "CardReader.EMVClessConfigure",
        {"terminalData": base64.b64encode(bytes.fromhex("9F1A020276")).decode()},
    )


@pytest.mark.parametrize(
    "text",
    ["4111111111111112", "B4761739001010010^CARDHOLDER/TEST^2912", "5A084761739001010010", TRACK2.decode()],
)
@pytest.mark.parametrize("kind", [RuntimeError, ValueError, errors.HardwareError, errors.XfsError])
async def test_data_in_what_a_class_raises_is_not_told(
    client: Dialogue, device: Motor, caplog: pytest.LogCaptureFixture, kind: type[Exception], text: str
) -> None:
    device.refuses["read_card"] = kind(f"the reader says {text}")  # type: ignore[assignment]
    request = await client.send(READ, {"track2": True})
    answer = await client.until("completion", request)
    assert answer["header"]["completionCode"] == "hardwareError"
    for told in (answer["header"]["errorDescription"], caplog.text):
        assert text not in told
        assert "CARDHOLDER" not in told
    if issubclass(kind, errors.HardwareError):
        assert "the reader says" in answer["header"]["errorDescription"]


async def test_where_a_class_failed_is_logged_and_not_what_it_said(
    client: Dialogue, device: Motor, caplog: pytest.LogCaptureFixture
) -> None:
    device.refuses["read_card"] = RuntimeError("ticket XYZZY")  # type: ignore[assignment]
    assert await client.failure(READ, {"track2": True}) == "hardwareError"
    assert "XYZZY" not in caplog.text
    assert "readers.py" in caplog.text


async def settled(client: Dialogue) -> None:
    await trio.sleep(0.1)
    await client.success("Common.Status")


async def test_a_bin_holds_no_more_than_it_can(client: Dialogue, device: Motor) -> None:
    for _ in range(20):
        device.card_at("transport")
        device.card_acted("transport", "unitBIN")
    await settled(client)
    assert await counts(client) == FULL | {"unitBIN": 3}
    assert await media(client) == "unknown"
    device.card_at(None)
    await client.success(READ, {})
    device.moved = devices.CardMoved("unitBIN")
    assert await client.failure(MOVE, {"from": "transport", "to": "unitBIN2"}) == "hardwareError"
    assert await counts(client) == FULL | {"unitBIN": 3}


async def test_an_answer_to_reset_has_33_bytes_at_most(client: Dialogue, device: Motor) -> None:
    async def chip_power(action: Any) -> bytes:
        return b"1" * 34

    await client.success(READ, {})
    device._chip_contact = "on"
    device.chip_power = chip_power  # type: ignore[method-assign]
    assert await client.failure("CardReader.ChipPower", {"chipPower": "warm"}) == "hardwareError"


async def test_no_bytes_are_no_data(client: Dialogue, device: Motor) -> None:
    """There is no empty base64 on the wire."""
    device.sources = {
        "track1": devices.CardData(b""),
        "watermark": devices.CardData(b"", "dataInvalid"),
        "frontImage": devices.CardData(b""),
        "memoryChip": devices.CardData(b"", protocol="chipT0"),
    }
    device.chips = (devices.CardData(b""),)
    missing = {"status": "dataMissing"}
    assert await client.success(READ, dict.fromkeys([*device.sources, "chip"], True)) == {
        "track1": missing,
        "watermark": {"status": "dataInvalid"},
        "memoryChip": missing | {"protocol": "chipT0"},
        "chip": [missing],
    }
    assert (await client.success("Common.Status"))["cardReader"]["chipPower"] == "hardwareError"
    device.chips = (devices.CardData(ATR),)
    await client.success(READ, {"chip": True})

    async def nothing(*_: Any) -> bytes:
        return b""

    device.chip_io = device.chip_power = nothing  # type: ignore[method-assign, assignment]
    answer = await client.success("CardReader.ChipIO", {"chipProtocol": "chipT0", "chipData": "AKQ="})
    assert answer == {"chipProtocol": "chipT0"}
    assert "payload" not in await client.completion("CardReader.ChipPower", {"chipPower": "cold"})


async def test_a_kernel_without_names_tells_none(nursery: trio.Nursery) -> None:
    device = Contactless()
    client = await serving(device, nursery)
    device.emv_applications = (
        devices.ContactlessApplication(b"", b"\x03"),
        devices.ContactlessApplication(b"\xa0\x00\x00\x00\x03", b""),
    )
    query = "CardReader.EMVClessQueryApplications"
    assert await client.success(query) == {"appData": [{"aid": "oAAAAAM="}]}
    device.emv_applications = ()
    assert "payload" not in await client.completion(query)
    await client.success("CardReader.EMVClessConfigure", {"aidData": [AID]})
    details = messages.EMVClessOutcome(discretionary_data=b"")
    device.outcomes = {"chip": devices.ContactlessOutcome("approve", data=b"", details=details)}
    found = await client.success("CardReader.EMVClessPerformTransaction")
    assert found["chip"] == {"txOutcome": "approve", "cardholderAction": "none", "clessOutcome": {}}


@pytest.mark.parametrize(
    ("operation", "command", "payload"),
    [
        ("chip_power", "CardReader.ChipPower", {"chipPower": "cold"}),
        ("chip_power", "CardReader.ChipPower", {"chipPower": "off"}),
        ("chip_io", "CardReader.ChipIO", {"chipData": "AKQ="}),
        ("read_card", READ, {"chip": True}),
        ("reset", RESET, {"to": "exit"}),
        ("move_card", MOVE, {"from": "transport", "to": "exit"}),
    ],
)
@pytest.mark.parametrize("fault", [None, "atrNotObtained"])
async def test_a_card_that_is_torn_out_in_any_command_leaves_no_chip_behind(
    client: Dialogue, device: Motor, operation: str, command: str, payload: Any, fault: str | None
) -> None:
    """Whatever the class says of the command, the card was seen to go."""

    async def torn_out() -> None:
        device.card_taken()

    await client.success(READ, {"chip": True})
    device.hand[operation] = torn_out
    if fault is not None and operation.startswith("chip"):
        device.refuses[operation] = errors.CommandError(fault, "as the test wants it")
    await client.completion(command, payload)
    shown = (await client.success("Common.Status"))["cardReader"]
    assert (shown["media"], shown["chipPower"]) == ("notPresent", "noCard")
    assert await client.failure("CardReader.ChipIO", {"chipData": "AKQ="}) == "noMedia"
