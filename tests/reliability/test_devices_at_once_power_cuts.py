"""The power fails while two devices are at work at once, or one is between its act and its book.

Each case brings a whole ATM to a moment, sends what happens there all at once, and the process is killed
while that goes on, or at a chosen write of its ledger. After the next start the books of every device are
held against the simulated world, and whatever had been answered has happened.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from test_story_power_cuts import Nobody, cut

from accounts import Found, accounts
from power import ATM, Fault, Launcher, Worker, one_life
from xfs4iot import client
from xfs4iot.stories.depositing import insert_notes
from xfs4iot.stories.entering import enter_pin
from xfs4iot.stories.host import Host
from xfs4iot.stories.stage import Stage, StepFailed
from xfs4iot.stories.withdrawal import CARD, PIN, PIN_KEY, load_pin_key, take_card_in

SHORT, LONG = 2, 72
NEW, CASH, PAID, PUT_IN = 1700, "CashDispenser", 3, 4
UNITS = ("unit1", "unit2", "unit3", "unit4", "unit5", "unit6")
LONGEST = 0.25
"""Seconds after which most has been answered."""
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQAAAADsdIMmAAAADElEQVR4nGNYxYACASqQBVHR0mccAAAAAElFTkSuQmCC"
"""Eight by eight dots, as PNG."""
BOOKED = 120
"""Writes of the ledger from the first start to the end of a case are fewer."""


async def card_is_in(stage: Stage) -> None:
    await take_card_in(stage)


async def pin_and_notes_wait(stage: Stage) -> None:
    await load_pin_key(stage)
    await enter_pin(stage, PIN)
    notes = {"app": {"currencies": {"EUR": PAID * 10}, "counts": {"unit1": PAID}}}
    await stage.call("CashDispenser.Dispense", {"denomination": {"denomination": notes}})


async def notes_are_in(stage: Stage) -> None:
    await insert_notes(stage, [{"note": "EUR10", "count": PUT_IN}])


async def cash_in_has_begun(stage: Stage) -> None:
    await stage.call("CashAcceptor.CashInStart", {})


async def nothing(stage: Stage) -> None: ...


def in_units(found: Found) -> int:
    """Notes in the cash units, as they are: `accounts` has held the books against them."""
    return sum(sum(found.truth[CASH]["places"].get(unit, {}).values()) for unit in UNITS)


def receipts_in_slot(found: Found) -> int:
    return int(found.truth["ReceiptPrinter"]["slot"])


def lie_at(found: Found, *places: str) -> int:
    return sum(sum(found.truth[CASH]["places"].get(place, {}).values()) for place in places)


@dataclass(frozen=True)
class Act:
    """A command, and what is so after the next start if its answer has come.

    Attributes:
        of: the interface whose service is meant, where several have the command.
        when: what people do as soon as an event of the command tells them to.
        did: holds what there was before and what there is now against the command.
    """

    command: str
    payload: Mapping[str, Any] | None = None
    of: str | None = None
    when: Mapping[str, Any] | None = None
    did: Callable[[Found, Found], bool] = lambda before, after: True

    @property
    def name(self) -> str:
        return self.command.partition(".")[2]


PRINT = Act(
    "Printer.PrintNative",
    {"data": PICTURE, "mediaControl": {"cut": True, "move": "eject"}},
    did=lambda before, after: after.printed == before.printed + 1 and receipts_in_slot(after) == 1,
)
RETAIN = Act(
    "CardReader.Move",
    {"from": "transport", "to": "unitBIN1"},
    did=lambda before, after: after.truth["CardReader"]["units"]["unitBIN1"] == [CARD],
)
PIN_BLOCK = Act("PinPad.GetPinBlock", {"format": "iso4", "customerData": "4761739001010010", "key": PIN_KEY})
PRESENT = Act(
    "CashDispenser.Present",
    {"position": "outDefault"},
    did=lambda before, after: lie_at(after, "output") == PAID and in_units(after) == in_units(before) - PAID,
)
ROLL_BACK = Act(
    "CashAcceptor.CashInRollback",
    did=lambda before, after: (
        in_units(after) == in_units(before) and not lie_at(after, "stacker", "transport")
    ),
)
CASH_IN = Act(
    "CashAcceptor.CashIn",
    when={
        "CashAcceptor.InsertItemsEvent": (
            "Simulator.InsertNotes",
            {"service": CASH, "notes": [{"note": "EUR10", "count": PUT_IN}]},
        )
    },
    did=lambda before, after: lie_at(after, "stacker") == PUT_IN,
)
STORE = Act("CashAcceptor.CashInEnd", did=lambda before, after: in_units(after) == in_units(before) + PUT_IN)
EXCHANGE = Act("Storage.StartExchange", of=CASH)
OPEN_DOOR = Act("Simulator.SetAuxiliary", {"name": "safeDoor", "value": "open"}, of="Simulator")

CASES: dict[str, tuple[Callable[[Stage], Awaitable[None]], tuple[Act, ...]]] = {
    "a card is retained and counted": (card_is_in, (RETAIN,)),
    "a card is retained while a receipt is printed": (card_is_in, (RETAIN, PRINT)),
    "a PIN is used while notes are presented": (pin_and_notes_wait, (PIN_BLOCK, PRESENT)),
    "a receipt is printed while notes are rolled back": (notes_are_in, (PRINT, ROLL_BACK)),
    "the safe's door is opened while notes come in": (cash_in_has_begun, (CASH_IN, OPEN_DOOR)),
    "the safe's door is opened while notes are stored": (notes_are_in, (STORE, OPEN_DOOR)),
    "an exchange begins while a receipt is printed": (nothing, (PRINT, EXCHANGE)),
}


class AtOnce(Worker):
    """Who brings an ATM to the moment of a case, and compares before and after.

    Attributes:
        begun: the acts were sent.
        answered: those that succeeded.
    """

    commands = (1, 2)
    disk_fills = False

    def __init__(self, atm: ATM, chance: random.Random, case: str) -> None:
        super().__init__(atm, chance)
        self.prepare, self.acts = CASES[case]
        self.begun = False
        self.answered: list[Act] = []
        self.before: Found | None = None
        self.host = Host()

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[list[Any]]:
        pictures = self.atm.directory / "pictures"
        async with Stage.opened(
            self.atm.uris, teller=Nobody(), host=self.host, pictures=pictures, plain=True
        ) as stage:
            yield [stage]

    async def compare(self, stage: Stage) -> None:
        async def ask(service: str, command: str, payload: Any) -> dict[str, Any]:
            return await stage.call(command, payload, by=stage.application(service))

        found = await accounts(ask)
        assert found.cash == NEW
        before = self.before
        if before is None:
            self.before = found
            return
        assert (found.cheques, found.envelopes) == (before.cheques, before.envelopes)
        assert before.keys <= found.keys <= before.keys | {PIN_KEY}
        assert found.forms == before.forms
        prints = PRINT in self.acts
        assert before.printed <= found.printed <= before.printed + prints
        for act in self.answered:
            assert act.did(before, found), (act.command, before.truth, found.truth)
        if PIN_KEY in found.keys:
            with pytest.raises(client.CommandFailed) as refused:
                await stage.call(PIN_BLOCK.command, PIN_BLOCK.payload)
            assert refused.value.error_code == "noPin"

    async def work(self, stage: Stage) -> None:
        try:
            await self.prepare(stage)
            self.begun = True
            async with trio.open_nursery() as nursery:
                for act in self.acts:
                    nursery.start_soon(self.do, stage, act)
                await trio.sleep(self.chance.random() ** 2 * LONGEST)
                self.sent_one()
        except* StepFailed as ended:
            cut(ended)

    async def do(self, stage: Stage, act: Act) -> None:
        await stage.call(act.command, act.payload, of=act.of, when=act.when)
        self.answered.append(act)


@pytest.mark.parametrize("rounds", [SHORT, pytest.param(LONG, marks=pytest.mark.long)], ids=["short", "long"])
@pytest.mark.parametrize("case", CASES)
async def test_everything_is_accounted_for_when_the_power_fails_while(
    case: str, rounds: int, tmp_path: Path, launcher: Launcher
) -> None:
    chance = random.Random(case)
    ended: Counter[str] = Counter()
    for number in range(rounds):
        directory = tmp_path / str(number)
        directory.mkdir()
        worker = AtOnce(ATM(directory, launcher, seconds=0.02), chance, case)
        fault = Fault.by_chance(chance, BOOKED) if number % 2 else Fault()
        await one_life(worker, fault)
        assert worker.begun or fault.at is not None
        if worker.begun:
            ended["+".join(sorted(act.name for act in worker.answered)) or "none"] += 1
        else:
            ended["on the way"] += 1
        async with worker.atm.running(), worker.connected() as clients:
            await worker.compare(*clients)
        assert "Traceback" not in (directory / "log").read_text()
    print(f"\n{case}: {rounds} kills, by what had been answered: {dict(ended)}")
    if rounds == LONG:
        assert len(ended) > 2
