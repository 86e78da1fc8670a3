"""The power fails in the middle of a customer's story: everything of the ATM is accounted for afterwards.

The stories of `xfs4iot demo --scenario` are played at a whole ATM in a process of its own, which is
killed after a random number of their messages, or at a chosen write of its ledger. After each start the
books of every device are held against the simulated world: notes, cards, keys, cheques, forms, envelopes.
Then an application clears up as one does in the morning, and the next customer comes.
"""

from __future__ import annotations

import contextlib
import random
import secrets
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from accounts import Found, accounts
from cash import content
from power import ATM, Fault, Launcher, NotReady
from xfs4iot import client
from xfs4iot.ledger import LedgerReader
from xfs4iot.stories import STORIES, play
from xfs4iot.stories.host import Host
from xfs4iot.stories.replenishment import BROUGHT
from xfs4iot.stories.stage import Rows, Stage, Step, StepFailed
from xfs4iot.stories.withdrawal import PIN_KEY

LONG = 500
NEW, CASH = 1700, "CashDispenser"
LOADED = {"unit1": 500, "unit2": 500, "unit3": 500, "unit4": 200}
EMPTIED = ("unit5", "unit6")
PATIENCE = 120


class Nobody:
    """Looks on, and remembers which step was under way."""

    step = ""

    def begins(self, step: Step) -> None:
        self.step = step.title

    def ends(self, step: Step) -> None: ...

    def fails(self, failed: StepFailed) -> None: ...

    def shows(self, rows: Rows) -> None: ...

    def keeps(self, file: Path, what: str) -> None: ...


class Branch:
    """One ATM, its customers and its operator, over all its lives.

    Attributes:
        kills: by story and step, how often the power failed there.
        played: stories that were played to their end.
    """

    def __init__(self, atm: ATM, seed: int) -> None:
        self.atm = atm
        self.chance = random.Random(seed)
        self.kills: Counter[tuple[str, str]] = Counter()
        self.played: Counter[str] = Counter()
        key = secrets.token_bytes(32)
        self.key_file = atm.directory / "token.key"
        self.key_file.write_text(key.hex())
        self.key_file.chmod(0o600)
        atm.options = ("--token-key", str(self.key_file))
        self.host = Host(key)
        self.known: Found | None = None
        self.story = ""
        self.watching = Nobody()
        self.left = 0
        """Messages until the power fails."""
        self.reached = trio.Event()
        self.sent: Counter[str] = Counter()
        """What was sent to `Simulator` in this life."""
        self.taken = 0
        """Cheques that somebody took since the last account."""
        self.by_hand: dict[str, set[int]] = {}
        """Units that somebody may have touched, and what the books may say until he has set them."""

    def trace(self, direction: str, text: str) -> None:
        """Count a message, and remember what hands may have done."""
        if direction == "→" and '"Simulator.' in text:
            self.sent[text.partition('"Simulator.')[2].partition('"')[0]] += 1
        self.left -= 1
        if self.left == 0:
            self.reached.set()

    @contextlib.asynccontextmanager
    async def stage(self) -> Any:
        async with Stage.opened(
            self.atm.uris,
            teller=self.watching,
            host=self.host,
            pictures=self.atm.directory / "pictures",
            plain=True,
            trace=self.trace,
        ) as stage:
            yield stage

    async def live(self, fault: Fault) -> bool:
        """One life; whether the ATM came up."""
        atm, chance = self.atm, self.chance
        self.left = 0
        self.reached = trio.Event()
        self.story = self.watching.step = "start-up"
        try:
            async with atm.running(fault) as life, trio.open_nursery() as nursery:

                async def work() -> None:
                    try:
                        async with self.stage() as stage:
                            await self.account(stage)
                            await self.clear_up(stage)
                            self.by_hand.clear()
                            await self.account(stage)
                            # The longest story has some 190.
                            self.left = chance.randrange(1, 250)
                            while True:
                                await self.play(stage)
                    except* (client.Disconnected, StepFailed, OSError) as ended:
                        cut(ended)
                    await life.wait()
                    assert life.killed or fault.at is not None, self.log()
                    nursery.cancel_scope.cancel()

                async def fail() -> None:
                    await self.reached.wait()
                    await trio.sleep(chance.random() * 0.02)
                    life.kill()

                with trio.fail_after(PATIENCE):
                    nursery.start_soon(fail)
                    await work()
        except NotReady:
            if fault.at is None:
                raise
            return False
        self.kills[self.story, self.watching.step] += 1
        return True

    async def play(self, stage: Stage, story: str | None = None) -> None:
        """One story to its end, and everything is accounted for."""
        self.story = story or self.chance.choice(list(STORIES))
        if self.story == "replenishment":
            assert self.known is not None
            for unit, count in BROUGHT.items():
                there = sum(self.known.truth[CASH]["places"][unit].values())
                self.by_hand[unit] = {there, there + count}
        await play(self.story, stage)
        self.played[self.story] += 1
        self.by_hand.clear()
        await self.account(stage)

    def log(self) -> str:
        return (self.atm.directory / "log").read_text()[-3000:]

    async def account(self, stage: Stage) -> None:
        """Everything is somewhere, and the books say where."""

        async def ask(service: str, command: str, payload: Any) -> dict[str, Any]:
            return await stage.call(command, payload, by=stage.application(service))

        found = await accounts(ask, self.by_hand)
        assert found.cash == NEW
        if (known := self.known) is not None:
            came = found.cheques - known.cheques
            assert -self.taken <= came <= self.sent["InsertCheques"], (came, self.taken, self.sent)
            assert found.envelopes == known.envelopes
            # What was loaded stays, whatever happens.
            assert known.keys <= found.keys <= known.keys | {PIN_KEY}
            assert known.forms <= found.forms <= known.forms | {"Receipt"}
            assert found.printed >= known.printed
        self.known, self.taken = found, 0
        self.sent.clear()
        await self.no_pin_is_left(stage, found)

    async def no_pin_is_left(self, stage: Stage, found: Found) -> None:
        """A PIN does not outlive the power, nor the customer."""
        if PIN_KEY not in found.keys:
            return
        with pytest.raises(client.CommandFailed) as refused:
            await stage.call(
                "PinPad.GetPinBlock", {"format": "iso4", "customerData": "4761739001010010", "key": PIN_KEY}
            )
        assert refused.value.error_code == "noPin"

    async def clear_up(self, stage: Stage) -> None:
        """What an application does when it finds the ATM in the middle of something."""
        assert self.known is not None
        truth = self.known.truth
        if (await stage.call("Common.Status", of="VendorMode"))["vendorMode"]["service"] == "active":
            async with stage.awaited("VendorMode", "VendorMode.ModeExitedEvent") as left:
                await stage.call("VendorMode.ExitModeRequest")
                await left()
        await stage.hand("SetAuxiliary", {"name": "safeDoor", "value": "closed"})
        await stage.hand("CloseSafeDoor", {"service": CASH})
        reader = truth["CardReader"]
        if reader["transport"] is not None:
            await stage.call("CardReader.Reset", {"to": "exit"})
        if reader["transport"] is not None or reader["exit"] is not None:
            await stage.hand("TakeCard")
        printer = truth["ReceiptPrinter"]
        if printer.get("medium") is not None:
            await stage.call("Printer.Reset", {"mediaControl": "eject"})
        if printer["slot"] or printer.get("medium") is not None:
            await stage.hand("TakePrintouts", {"service": "ReceiptPrinter"})
        cheques = truth["Check"]
        self.taken = cheques["presented"] + cheques["slot"]
        if cheques["presented"]:
            await stage.hand("TakeCheques")
        if cheques["slot"]:
            await stage.hand("TakeBackCheques")
        if any(cheques[place] for place in ("stacker", "waiting", "refused")):
            await stage.call("Check.Reset", {"mediaControl": "unitRETRACT"})
        await self.clear_cash(stage, truth[CASH]["places"])

    async def clear_cash(self, stage: Stage, places: dict[str, dict[str, int]]) -> None:
        """Nothing is left on the way; an exchange is ended with the right counts."""
        if places.get("input"):
            await stage.hand("TakeBack", {"service": CASH})
        if places.get("output"):
            await stage.hand("TakeItems", {"service": CASH})
        if (await stage.call("Common.Status", of=CASH))["common"]["exchange"] == "active":
            await self.end_exchange(stage, held(places))
        status = await stage.call("CashAcceptor.GetCashInStatus")
        if places.get("stacker") or places.get("transport") or status["status"] == "active":
            await stage.call("CashManagement.Reset", {"position": {"target": "reject"}})
        there = held((await stage.hand("GetTruth", {"service": CASH}))["services"][CASH]["places"])
        units = (await stage.call("Storage.GetStorage", of=CASH))["storage"]
        wrong = any(content(units[unit]["cash"]) != count for unit, count in there.items())
        wanted = {unit: count for unit, count in LOADED.items() if not 100 <= there[unit] <= 1200}
        wanted |= {unit: 0 for unit in EMPTIED if there[unit] > 200}
        if wanted or wrong:
            await stage.call("Storage.StartExchange", of=CASH)
            for unit, count in wanted.items():
                self.by_hand.setdefault(unit, set()).update((there[unit], count))
                await stage.hand("EmptyUnit", {"service": CASH, "unit": unit})
                if count:
                    await stage.hand("FillUnit", {"service": CASH, "unit": unit, "count": count})
            await self.end_exchange(stage, there | wanted)

    async def end_exchange(self, stage: Stage, there: dict[str, int]) -> None:
        """The operator sets the counts to what he has seen."""
        counts = {unit: {"cash": {"status": {"initial": {"unrecognized": n}}}} for unit, n in there.items()}
        await stage.call("Storage.SetStorage", {"storage": counts}, of=CASH)
        await stage.call("Storage.EndExchange", of=CASH)


def held(places: dict[str, dict[str, int]]) -> dict[str, int]:
    """Notes in each unit."""
    return {unit: sum(places.get(unit, {}).values()) for unit in (*LOADED, *EMPTIED)}


def cut(ended: BaseExceptionGroup[Any]) -> None:
    """Only a lost connection ends a story: anything else is a fault of the ATM."""
    for problem in ended.exceptions:
        if isinstance(problem, BaseExceptionGroup):
            cut(problem)
        elif isinstance(problem, StepFailed):
            assert isinstance(problem.__cause__, client.Disconnected | OSError), problem


async def lives(directory: Path, launcher: Launcher, seed: int, kills: int) -> Branch:
    """Let the power of an ATM fail again and again."""
    branch = Branch(ATM(directory, launcher, seconds=0), seed)
    chance, done = branch.chance, 0
    while done < kills:
        fault = Fault(lose_unsynced=chance.random() < 0.5)
        if chance.random() < 0.4:
            fault = Fault(chance.randrange(1, 120), chance.random() < 0.5, fault.lose_unsynced)
        done += 1
        if not done % 25:
            print(f"{directory.name}: {done} kills", flush=True)
        await branch.live(fault)
        if branch.atm.ledger.exists():
            with LedgerReader.open(branch.atm.ledger) as reader:
                assert reader.verify().problems == []
    assert "Traceback" not in (directory / "log").read_text()
    async with branch.atm.running(), branch.stage() as stage:
        await branch.account(stage)
        await branch.clear_up(stage)
        branch.by_hand.clear()
        await branch.account(stage)
        for story in STORIES:
            await branch.play(stage, story)
    return branch


@pytest.mark.parametrize("kills", [10, pytest.param(LONG, marks=pytest.mark.long)], ids=["short", "long"])
async def test_everything_is_accounted_for_when_the_power_fails_in_a_story(
    kills: int, tmp_path: Path, launcher: Launcher
) -> None:
    branches: list[Branch] = []
    directories = [tmp_path / str(number) for number in range(2)]
    for directory in directories:
        directory.mkdir()

    async def branch(number: int) -> None:
        branches.append(await lives(directories[number], launcher, number, kills // 2))

    async with trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(branch, number)
    told: Counter[str] = Counter()
    cut_at: Counter[str] = Counter()
    for one in branches:
        told.update(one.played)
        for (story, _), count in one.kills.items():
            cut_at[story] += count
    steps = {step for one in branches for _, step in one.kills}
    print(
        f"\n{kills} kills, in {len(steps)} different steps, by story: {dict(cut_at)}; "
        f"played meanwhile: {dict(told)}"
    )
    if kills == LONG:
        assert set(cut_at) >= set(STORIES)
        assert len(steps) > 25
