"""More was stored than there was, or than fits, as a device class says: no count believes it.

The units of acceptors, recyclers, scanners and devices for both kinds. Each claim ends `hardwareError`, is
named in the log with what to do, leaves the counts as they were and says that they are not known; the next
commands go on, and what a customer has inserted is still his.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from acceptors import Acceptor, Direct, Recalling, Recycler, begin, note
from cash import content
from dialogue import Dialogue
from scanners import Scanner, Single
from vendors import serving
from xfs4iot import devices
from xfs4iot.devices import CashMovement, ItemsMoved

SET_PARAMETERS = ("Check.SetMediaParameters", {"destination": "unit1"})


def beyond(count: int, source: str = "stacker", target: str = "unitA") -> Callable[[Any], Any]:
    """A result that says that more was moved, whatever it was."""
    more = (ItemsMoved(count, source, target, item="typeEUR20", level="fit"),)
    return lambda result: dataclasses.replace(result, moved=more)


class Claiming(Scanner):
    """A scanner that says what it is told to."""

    claims: Mapping[str, Any] = {}

    async def media_in_end(self, events: Any) -> devices.MediaStored:
        return self.claims.get("media_in_end") or await super().media_in_end(events)

    async def media_in_rollback(self, events: Any) -> devices.MediaStored:
        return self.claims.get("media_in_rollback") or await super().media_in_rollback(events)

    async def action_item(self, events: Any) -> devices.MediaStored:
        return self.claims.get("action_item") or await super().action_item(events)

    async def retract_media(self, location: str | None, events: Any) -> devices.MediaRetracted:
        return self.claims.get("retract_media") or await super().retract_media(location, events)

    async def reset_media(self, control: str | None, events: Any) -> devices.MediaRetracted:
        return self.claims.get("reset_media") or await super().reset_media(control, events)


class One(Claiming, Single):
    """The same for one item at a time."""


class Both(Acceptor, devices.MixedMedia):
    """Notes and cheques."""

    async def units(self) -> Mapping[str, Any]:
        notes = await self.cash_units()
        return {
            name: (
                unit,
                devices.CheckUnit(index=unit.index, types=frozenset({"mediaIn"}), capacity=unit.capacity),
            )
            for name, unit in notes.items()
        }

    async def set_mode(self, cash: bool, check: bool) -> None: ...

    async def media_in(self, request: devices.MediaInRequest, events: Any) -> devices.MediaTakenIn:
        raise NotImplementedError

    async def media_in_end(self, events: Any) -> devices.MediaStored:
        raise NotImplementedError

    async def media_in_rollback(self, events: Any) -> devices.MediaStored:
        raise NotImplementedError


async def notes_in(client: Dialogue, device: Any) -> None:
    """A customer inserts three notes."""
    await begin(client)
    device.slot = [note(20)] * 3
    await client.success("CashAcceptor.CashIn")


async def notes_begun(client: Dialogue, device: Any) -> None:
    """A customer is about to."""
    await begin(client)
    device.slot = [note(20)] * 3


async def cheques_in(client: Dialogue, device: Any) -> None:
    """A customer inserts three cheques."""
    device.slot = ["good"] * 3
    await client.success("Check.MediaIn")
    await client.success(*SET_PARAMETERS)


async def cheques_returned(client: Dialogue, device: Any) -> None:
    """They go back, and are not taken."""
    await cheques_in(client, device)
    await client.success("Check.MediaInRollback")


@dataclass(frozen=True)
class Claim:
    """What a class says, and in which command.

    Attributes:
        prepared: what comes before.
        named: what the log says is wrong with it.
        units: of which nobody knows the counts afterwards.
        on: what puts things right, one of which must succeed.
    """

    kind: Callable[[], Any]
    prepared: Callable[[Dialogue, Any], Awaitable[None]]
    command: tuple[str, Any]
    operation: str
    says: Any
    named: str
    units: frozenset[str]
    on: tuple[str, Any]


STORED = devices.MediaStored
END, ROLLBACK = "CashAcceptor.CashInEnd", "CashAcceptor.CashInRollback"
RESET = ("CashManagement.Reset", {})
CLAIMS = {
    "a cash-in stores more than was accepted": Claim(
        Acceptor,
        notes_in,
        (END, None),
        "cash_in_end",
        beyond(4),
        "at most 3 items, as many as were inserted",
        frozenset({"unitA", "unitB"}),
        (ROLLBACK, None),
    ),
    "it stores from the customer at its end": Claim(
        Acceptor,
        notes_in,
        (END, None),
        "cash_in_end",
        beyond(4, "customer"),
        "at most 3 items, as many as were inserted",
        frozenset({"unitA", "unitB"}),
        RESET,
    ),
    "a cash-in gives back more than was accepted": Claim(
        Acceptor,
        notes_in,
        (ROLLBACK, None),
        "cash_in_rollback",
        beyond(4, "stacker", "output"),
        "at most 3 items, as many as were inserted",
        frozenset({"unitA", "unitB"}),
        RESET,
    ),
    "a recycler stores more than was accepted": Claim(
        Recycler,
        notes_in,
        (END, None),
        "cash_in_end",
        beyond(4, "stacker", "unit20"),
        "at most 3 items, as many as were inserted",
        frozenset(),
        (ROLLBACK, None),
    ),
    "a recycler stores more than fits beside what is there": Claim(
        Recycler,
        notes_begun,
        ("CashAcceptor.CashIn", None),
        "cash_in",
        beyond(195, "customer", "unit20"),
        "at most 190 items into 'unit20'",
        frozenset(),
        RESET,
    ),
    "without a stacker more is stored than the unit holds": Claim(
        Direct,
        notes_begun,
        ("CashAcceptor.CashIn", None),
        "cash_in",
        beyond(501, "customer"),
        "at most 500 items into 'unitA'",
        frozenset({"unitA", "unitB"}),
        RESET,
    ),
    "a media-in stores more than there was": Claim(
        Claiming,
        cheques_in,
        ("Check.MediaInEnd", None),
        "media_in_end",
        STORED(stored={"unit1": 4}),
        "at most 3 items, as many as were inside",
        frozenset({"unit1", "unit2"}),
        ("Check.MediaInRollback", None),
    ),
    "it stores in several units more than there was": Claim(
        Claiming,
        cheques_in,
        ("Check.MediaInEnd", None),
        "media_in_end",
        STORED(stored={"unit1": 2, "unit2": 2}),
        "4 in all",
        frozenset({"unit1", "unit2"}),
        ("Check.Reset", {}),
    ),
    "it names items where none were stored": Claim(
        Claiming,
        cheques_in,
        ("Check.MediaInEnd", None),
        "media_in_end",
        STORED(stored={"unit1": 1}, items={1: "unit1", 2: "unit1"}),
        "2 items, as `items` names there",
        frozenset({"unit1", "unit2"}),
        ("Check.Reset", {}),
    ),
    "it names items that nobody has inserted": Claim(
        Claiming,
        cheques_in,
        ("Check.MediaInEnd", None),
        "media_in_end",
        STORED(stored={"unit1": 1}, items={9: "unit1"}),
        "numbers of items of the transaction",
        frozenset({"unit1", "unit2"}),
        ("Check.Reset", {}),
    ),
    "it gives back what it stored": Claim(
        Claiming,
        cheques_in,
        ("Check.MediaInEnd", None),
        "media_in_end",
        STORED(stored={"unit1": 2}, returned=2),
        "at most 1, for 3 items were inside",
        frozenset({"unit1", "unit2"}),
        ("Check.Reset", {}),
    ),
    "a rollback stores what was not there": Claim(
        Claiming,
        cheques_in,
        ("Check.MediaInRollback", None),
        "media_in_rollback",
        STORED(stored={"unit1": 4}),
        "at most 3 items, as many as were inside",
        frozenset({"unit1", "unit2"}),
        ("Check.Reset", {}),
    ),
    "one item is stored twice": Claim(
        One,
        cheques_in,
        ("Check.ActionItem", None),
        "action_item",
        STORED(stored={"unit1": 4}),
        "at most 1 items, as many as were inside",
        frozenset({"unit1", "unit2"}),
        ("Check.Reset", {}),
    ),
    "more is retracted than fits": Claim(
        Claiming,
        cheques_returned,
        ("Check.RetractMedia", {"retractLocation": "unitR"}),
        "retract_media",
        devices.MediaRetracted(count=11, location="unit1"),
        "at most 10 items, for unit1 holds 10",
        frozenset({"unitR"}),
        ("Check.Reset", {}),
    ),
    "it is retracted to where no unit is": Claim(
        Claiming,
        cheques_returned,
        ("Check.RetractMedia", {"retractLocation": "unitR"}),
        "retract_media",
        devices.MediaRetracted(count=2, location="unitX"),
        "a unit of cheques",
        frozenset({"unitR"}),
        ("Check.Reset", {}),
    ),
    "a reset finds more than fits": Claim(
        Claiming,
        cheques_in,
        ("Check.Reset", {"mediaControl": "unitR"}),
        "reset_media",
        devices.MediaRetracted(count=11, location="unit2"),
        "at most 10 items, for unit2 holds 10",
        frozenset({"unitR"}),
        ("Check.Reset", {}),
    ),
    "a device for both stores more notes than were accepted": Claim(
        Both,
        notes_in,
        (END, None),
        "cash_in_end",
        beyond(4),
        "at most 3 items, as many as were inserted",
        frozenset({"unitA", "unitB"}),
        (ROLLBACK, None),
    ),
}


async def counted(client: Dialogue) -> dict[str, Any]:
    """What each unit holds; None if that is not known."""
    found: dict[str, Any] = {}
    for name, unit in (await client.success("Storage.GetStorage"))["storage"].items():
        if "check" in unit:
            found[f"{name} cheques"] = (unit["check"]["status"].get("in") or {}).get("count")
        if "cash" in unit:
            known = unit["cash"]["status"]["accuracy"] != "inaccurate"
            assert unit["cash"]["status"]["accuracy"] != "accurate"
            found[f"{name} notes"] = content(unit["cash"]) if known else None
    return found


@pytest.mark.parametrize("claim", CLAIMS)
async def test_what_is_stored_beyond_what_there_was_falsifies_no_count(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, claim: str
) -> None:
    told = CLAIMS[claim]
    device = told.kind()
    # What it has recorded is no better than what it says.
    device.recalls = {}
    client = await serving(device, nursery)
    await told.prepared(client, device)
    before = await counted(client)
    if isinstance(device, Acceptor):
        device.lies = {told.operation: told.says} if callable(told.says) else {}
        device.breaks = {told.operation: _forgetting(device)}
    if isinstance(device, Claiming):
        device.claims = {} if callable(told.says) else {told.operation: told.says}
    assert await client.failure(*told.command) == "hardwareError"
    assert told.named in caplog.text
    assert "count what is in them, and say so with Storage.SetStorage" in caplog.text
    after = await counted(client)
    concerned = {name for name in before if name.split()[0] in told.units}
    assert {name for name, count in after.items() if count is None} >= concerned
    assert all(count in (None, before[name]) for name, count in after.items()), (before, after)
    await client.success("Common.Status")
    device.lies = device.claims = {}
    await client.success(*told.on)


def _forgetting(device: Any) -> Callable[[], Awaitable[None]]:
    """A device that recalls nothing of the movement."""

    async def forget() -> None:
        device.recalls = dict.fromkeys(device.recalls)

    return forget


async def test_a_recall_of_more_than_was_inserted_is_not_believed_either(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = Recalling()
    client = await serving(device, nursery)
    await notes_in(client, device)
    device.lies["cash_in_end"] = beyond(4)

    async def recorded() -> None:
        last = max(device.recalls)
        device.recalls[last] = CashMovement(moved=beyond(4)(device.recalls[last]).moved)

    device.breaks["cash_in_end"] = recorded
    assert await client.failure("CashAcceptor.CashInEnd") == "hardwareError"
    assert "Recalling.recall returned what cannot be" in caplog.text
    units = await counted(client)
    assert units["unitA notes"] is None
    # They are inside, by all that anybody knows.
    assert (await client.success("CashAcceptor.GetCashInStatus"))["status"] == "unknown"
    await client.success("CashManagement.Reset", {})


async def test_counts_that_somebody_has_set_are_known_again(nursery: trio.Nursery) -> None:
    device = Claiming()
    client = await serving(device, nursery)
    await cheques_in(client, device)
    device.claims = {"media_in_end": STORED(stored={"unit1": 4})}
    assert await client.failure("Check.MediaInEnd") == "hardwareError"
    counts = {name: {"check": {"status": {"initial": {"count": 3}}}} for name in ("unit1", "unit2")}
    await client.success("Storage.SetStorage", {"storage": counts})
    assert await counted(client) == {"unit1 cheques": 3, "unit2 cheques": 3, "unitR cheques": 0}
