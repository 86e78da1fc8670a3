"""The books of a whole ATM, held against where everything really is.

For each device what its service says (counts of units, tables, statuses) must agree with the simulated world
(`Simulator.GetTruth`), and whatever there is in that world must be at exactly one place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cash import bucket, content

__all__ = ["Ask", "Found", "accounts"]

Ask = Callable[[str, str, Any], Awaitable[dict[str, Any]]]
"""Sends a command to a service, and returns the payload of its successful completion."""
_CARD_STATUS = {"transport": "present", "exit": "entering"}


@dataclass
class Found:
    """What there is in all.

    Attributes:
        truth: where everything is, by service.
        cash: notes in the device, the customers' hands, and what was brought from and to the world.
        cheques, envelopes: within the devices.
        keys: names of those that the PIN pad has.
        forms: names of those that the receipt printer has.
        printed: pieces that the receipt printer has printed.
    """

    truth: dict[str, Any] = field(repr=False)
    cash: int = 0
    cheques: int = 0
    envelopes: int = 0
    keys: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()
    printed: int = 0


async def accounts(ask: Ask, by_hand: Mapping[str, Collection[int]] | None = None) -> Found:
    """Hold every book against the world.

    Args:
        by_hand: cash units that somebody has touched without setting their counts, and what these may be.
    """
    truth = (await ask("Simulator", "Simulator.GetTruth", {}))["services"]
    found = Found(truth)
    await _cash(ask, found, by_hand or {})
    await _cards(ask, truth["CardReader"])
    await _keys(ask, found)
    await _cheques(ask, found)
    await _paper(ask, found)
    await _envelopes(ask, found)
    return found


async def _units(ask: Ask, service: str) -> dict[str, Any]:
    units: dict[str, Any] = (await ask(service, "Storage.GetStorage", None))["storage"]
    return units


async def _status(ask: Ask, service: str, part: str) -> dict[str, Any]:
    status: dict[str, Any] = (await ask(service, "Common.Status", None))[part]
    return status


async def _cash(ask: Ask, found: Found, by_hand: Mapping[str, Collection[int]]) -> None:
    places = found.truth["CashDispenser"]["places"]
    for name, unit in (await _units(ask, "CashDispenser")).items():
        there = sum(places.get(name, {}).values())
        booked = content(unit["cash"])
        assert booked == there or booked in by_hand.get(name, ()), (name, booked, there, by_hand)
        for place, kind in (("stacker", "stacked"), ("transport", "transport")):
            lies = places.get(place, {}).get(name, 0)
            assert bucket(unit["cash"], "out", kind) == lies, (name, place, lies)
    found.cash = sum(sum(there.values()) for there in places.values())


async def _cards(ask: Ask, truth: dict[str, Any]) -> None:
    units = await _units(ask, "CardReader")
    held = {name: len(cards) for name, cards in truth["units"].items()} | truth["stock"]
    booked = {name: unit["card"]["status"]["count"] for name, unit in units.items()}
    # A card that was dispensed and is not out yet still counts; no story dispenses any.
    assert booked == held
    places = [*truth["hands"], *(card for cards in truth["units"].values() for card in cards)]
    inside = [(place, truth[place]) for place in ("transport", "exit") if truth[place] is not None]
    places += [card for _, card in inside]
    assert sorted(places) == ["credit", "debit", "loyalty", "short", "stripe", "worn"], truth
    media = (await _status(ask, "CardReader", "cardReader"))["media"]
    expected = "jammed" if truth["jammed"] else _CARD_STATUS[inside[0][0]] if inside else "notPresent"
    assert media == expected, (media, truth)


async def _keys(ask: Ask, found: Found) -> None:
    details = (await ask("PinPad", "KeyManagement.GetKeyDetail", None))["keyDetails"]
    loaded = {name for name, one in details.items() if one["loaded"] == "yes"}
    found.keys = frozenset(found.truth["PinPad"]["keys"])
    assert loaded == found.keys


async def _cheques(ask: Ask, found: Found) -> None:
    truth = found.truth["Check"]
    units = await _units(ask, "Check")
    assert {name: unit["check"]["status"]["in"]["count"] for name, unit in units.items()} == truth["units"]
    inside = sum(truth[place] for place in ("slot", "stacker", "waiting", "refused", "presented"))
    found.cheques = inside + sum(truth["units"].values())


async def _paper(ask: Ask, found: Found) -> None:
    truth = found.truth["ReceiptPrinter"]
    units = await _units(ask, "ReceiptPrinter")
    assert {name: unit["printer"]["status"]["in"] for name, unit in units.items()} == truth["bins"]
    media = (await _status(ask, "ReceiptPrinter", "printer"))["media"]
    assert media in _media_of_paper(truth), (media, truth)
    listed = await ask("ReceiptPrinter", "Printer.GetFormList", None)
    found.forms = frozenset(listed.get("formList") or ())
    for name in found.forms:
        await ask("ReceiptPrinter", "Printer.GetQueryForm", {"formName": name})
    found.printed = truth["printed"]


def _media_of_paper(truth: dict[str, Any]) -> set[str]:
    """What a printer may say of its medium."""
    if truth.get("jammed"):
        return {"jammed"}
    if truth.get("medium") is not None:
        return {"present"}
    if truth["slot"]:
        return {"entering"}
    # What lies in the bin is told until another medium comes.
    return {"notPresent", "retracted"} if sum(truth["bins"].values()) else {"notPresent"}


async def _envelopes(ask: Ask, found: Found) -> None:
    truth = found.truth["Deposit"]
    box = (await _units(ask, "Deposit"))["unitCONTAINER"]["deposit"]["status"]
    assert box["numOfDeposits"] == len(truth["container"])
    held = sum(len(truth[place]) for place in ("container", "customer", "lost"))
    found.envelopes = held + sum(truth.get(place) is not None for place in ("slot", "way")) + truth["supply"]
