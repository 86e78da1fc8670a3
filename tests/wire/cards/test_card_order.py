"""CardReader over the wire: the order of its checks."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio

from order import Break, Command, Pair, Walk, pairs, walks
from readers import Contactless, Motor
from vendors import serving
from xfs4iot.interfaces.cards.card_reader import CardReader

DATA = base64.b64encode(b"4761").decode()
KERNEL = ("CardReader.EMVCless",)


class Stranger:
    """A connection whose card is in the reader."""


def rules(device: Any) -> CardReader:
    found: CardReader = device._host.interface(CardReader)
    return found


async def offline(device: Any) -> None:
    device.status.common.device = "offline"


async def guarded(device: Any) -> None:
    device.guards_card = True
    rules(device).owner = Stranger()  # type: ignore[assignment]


async def jammed(device: Any) -> None:
    device.card_at("jammed")


async def card_in(device: Any) -> None:
    device.card_at("transport")


async def contacted(device: Any) -> None:
    device.card_at("transport")
    device._chip_contact = "on"


async def taken(device: Any) -> None:
    device.card_at(None)


async def exchanged(device: Any) -> None:
    storage: Any = rules(device).ways.storage
    storage._exchange = True


async def missing(device: Any) -> None:
    device.unit_changed("unitBIN", "missing")


async def bins_full(device: Any) -> None:
    ways: Any = rules(device).ways
    changes = [
        one for unit in ("unitBIN", "unitBIN2") for one in ways.units.counts.changes(unit, {"count": 3})
    ]
    await ways.service.ledger.record("set", changes)


async def full_and_gone(device: Any) -> None:
    await bins_full(device)
    await taken(device)


async def updating(device: Any) -> None:
    rules(device).contactless.state = "awaitingUpdate"


async def configured(device: Any) -> None:
    rules(device).contactless.state = "idle"


async def unconfigured(device: Any) -> None:
    rules(device).contactless.state = "unconfigured"


READY = {
    "device_ready": Break(before=offline),
    "card_is_the_clients": Break(before=guarded),
    "not_jammed": Break(before=jammed),
}
CHIP = {**READY, "card_in": Break(before=taken)}
NO_JAM_OUT = "a card that is stuck is in"
ORDER = {
    "CardReader.ReadRawData": Command(
        {"sources_supported": Break({"backImage": True}), **READY}, good={"track1": True}
    ),
    "CardReader.WriteRawData": Command(
        {
            "tracks_given": Break({"track2": None}),
            "tracks_writable": Break({"track3JIS": {"data": DATA}}, says="not write it"),
            "methods_supported": Break({"track2": {"writeMethod": "loco"}}),
            "tracks_sound": Break({"track2": {"data": ""}}),
            **READY,
        },
        good={"track2": {"data": DATA}},
        apart={"tracks_given": "without a track none can be strange"},
    ),
    "CardReader.Move": Command(
        {
            "given from": Break({"from": None}, says="$.from"),
            "given to": Break({"to": None}, says="$.to is missing"),
            "source_exists": Break({"from": "unitX"}, says="$.from"),
            "target_exists": Break({"to": "unitX"}, says="$.to"),
            **READY,
            "units_not_exchanged": Break(before=exchanged),
            "units_work": Break(before=missing),
            "card_at_source": Break(before=taken),
            "target_free": Break({"from": "unitNEW", "to": "transport"}),
            "target_not_full": Break(before=bins_full),
        },
        good={"from": "transport", "to": "unitBIN"},
        before=card_in,
        apart={
            "given to": "a place that is missing is no unit",
            "card_at_source": "a card that is not there is in nobody's way",
            "target_free": "a bin is never occupied, but full",
            "not_jammed": "see below: a stuck card is shown by the same status as no card",
        },
    ),
    "CardReader.Reset": Command(
        {
            "reset_possible": Break({"to": "exit"}),
            "retain_unit_exists": Break({"storageId": "unitX"}),
            "device_ready": Break(before=offline),
            "retain_unit_not_full": Break(before=bins_full),
        },
        good={"to": "retain", "storageId": "unitBIN"},
        before=card_in,
        apart={"reset_possible": "where no card is retained no unit is looked at"},
    ),
    "CardReader.ChipIO": Command(
        {
            "given chipData": Break({"chipData": None}),
            "chip_data_there": Break({"chipData": ""}),
            "protocol_supported": Break({"chipProtocol": "chipTypeB"}),
            **CHIP,
            "chip_powered": Break(),
        },
        good={"chipData": DATA, "chipProtocol": "chipT0"},
        before=contacted,
        apart={
            "given chipData": "what is missing is not empty",
            "not_jammed": NO_JAM_OUT,
        },
    ),
    "CardReader.ChipPower": Command(
        {
            "given chipPower": Break({"chipPower": None}),
            "action_supported": Break({"chipPower": "warm"}),
            **CHIP,
            "chip_contacted": Break(),
        },
        good={"chipPower": "cold"},
        before=contacted,
        apart={
            "given chipPower": "what is missing is not strange",
            "not_jammed": NO_JAM_OUT,
        },
    ),
    "CardReader.SetKey": Command(
        {
            "given keyValue": Break({"keyValue": None}),
            "key_there": Break({"keyValue": ""}),
            "device_ready": Break(before=offline),
        },
        good={"keyValue": DATA},
        apart={"given keyValue": "what is missing is not empty"},
    ),
    "CardReader.EMVClessConfigure": Command(
        {
            "configuration_given": Break({"terminalData": None}),
            "configuration_whole": Break({"keyData": [{}]}),
            "configuration_sound": Break({"terminalData": DATA}),
            "device_ready": Break(before=offline),
        },
        good={"terminalData": base64.b64encode(bytes.fromhex("9F1A020250")).decode()},
        apart={"configuration_given": "what is not given lacks nothing"},
    ),
    "CardReader.EMVClessPerformTransaction": Command(
        {
            "data_sound": Break({"data": DATA}),
            "device_ready": Break(before=offline),
            "reader_configured": Break(before=unconfigured),
        },
        before=configured,
    ),
    "CardReader.EMVClessIssuerUpdate": Command(
        {
            "data_sound": Break({"data": DATA}),
            "device_ready": Break(before=offline),
            "update_awaited": Break(before=configured),
        },
        before=updating,
    ),
}


@pytest.mark.parametrize("pair", pairs(CardReader, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(pair: Pair, nursery: trio.Nursery) -> None:
    kind: Any = Contactless if "EMVCless" in pair.name else Cold
    device = kind()
    client = await serving(device, nursery)
    await pair.prove(client, device)


@pytest.mark.parametrize("walk", walks(CardReader, ORDER), ids=str)
async def test_older_clients_are_answered_alike(walk: Walk, nursery: trio.Nursery) -> None:
    kind: Any = Contactless if "EMVCless" in walk.mark.command else Cold
    device = kind()
    if isinstance(device, Motor):
        device.arrives.set()
    await walk.prove(await serving(device, nursery), device, device)


class Cold(Motor):
    """A motor reader that does cold resets only."""

    chip_power_actions = frozenset({"cold", "off"})
