"""The power fails at any moment of a deposit, and of a protection of notes.

As in `test_power_cuts`: a whole simulated ATM in a process of its own is killed at random moments and at
chosen writes of its ledger, with what was not synced lost, with a disk that is full at times. Every envelope
that is in the container is counted once; every token has allowed one command; what has stained the notes is
in the journal, and the state of the protection is what the system says.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from power import ATM, Fault, Launcher, Worker, one_life
from secured_tokens import KEY
from xfs4iot import client, tokens
from xfs4iot.ledger import LedgerReader

SHORT, LONG = 4, 150
"""Kills of each machine."""
ENVELOPES = 100
FAULTS = ("depositJams", "printerJams", "printerFails", "depositLost", "customerHolds", "envelopeJams")
SET = "BanknoteNeutralization.SetProtection"
TRIGGER = "BanknoteNeutralization.TriggerNeutralization"
STATES = ("arm", "disarm", "ignoreAllSafeSensors")


def movements(ledger: Path, kind: str) -> list[Any]:
    """What the journal has of movements whose kinds begin so, in their order."""
    with LedgerReader.open(ledger) as reader:
        return [one for one in reader.movements() if one.intent.kind.startswith(kind)]


def _tokens(journal: list[Any]) -> list[str]:
    """What has allowed each of these movements."""
    return [one.intent.detail["authorisation"]["token"] for one in journal]


class Depositor(Worker):
    """Customers and an application at a depository.

    Attributes:
        inserted: envelopes that customers have put in, at least and at most.
    """

    services = ("Deposit", "Simulator")
    # Most are refused: a life of fewer may complete none.
    commands = (6, 20)

    def __init__(self, atm: ATM, chance: random.Random) -> None:
        super().__init__(atm, chance)
        self.inserted = (0, 0)

    def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.atm.directory / "Deposit.truth.json").read_bytes())
        return found

    async def call(self, device: client.Client, name: str, payload: Any = None) -> str:
        """How it ended."""
        self.running = name
        self.sent_one()
        code = "success"
        try:
            await device.call(f"Deposit.{name}", payload, timeout=5)
            self.done[name] += 1
        except client.CommandFailed as failed:
            code = failed.error_code or str(failed.completion_code)
        self.running = None
        return code

    async def insert(self, simulator: client.Client) -> None:
        """Somebody puts an envelope in as soon as the slot is open."""
        while True:
            # Until it is answered, or for good if it never is.
            least, most = self.inserted
            self.inserted = least, most + 1
            size = self.chance.choice((5, 5, 5, 60))
            with contextlib.suppress(client.CommandFailed):
                await simulator.call("Simulator.InsertEnvelope", {"envelope": {"thickness": size}})
                self.inserted = least + 1, most + 1
                return
            self.inserted = least, most
            await trio.sleep(0.01)

    async def work(self, device: client.Client, simulator: client.Client) -> None:
        chance = self.chance
        while True:
            if chance.random() < 0.2:
                await simulator.call(
                    "Simulator.Inject", {"service": "Deposit", "fault": chance.choice(FAULTS)}
                )
            match chance.randrange(10):
                case 0 | 1 | 2 | 3 | 4:
                    async with trio.open_nursery() as nursery:
                        if self.truth()["slot"] is None:
                            nursery.start_soon(self.insert, simulator)
                        code = await self.call(device, "Entry", {"printData": "A"})
                        nursery.cancel_scope.cancel()
                    if code in ("depJammed", "printerFail", "sequenceError"):
                        await self.call(device, "Reset", {"depMediaControl": "retract"})
                case 5 | 6:
                    await self.call(device, "Dispense")
                case 7:
                    await self.call(device, "Retract")
                case 8:
                    await self.call(device, "Reset", {"depMediaControl": chance.choice(("eject", "retract"))})
                case 9:
                    with contextlib.suppress(client.CommandFailed):
                        await simulator.call("Simulator.TakeEnvelope")

    async def compare(self, device: client.Client, simulator: client.Client) -> None:
        """What is in the container is counted once, and where the last item is is told."""
        truth = self.truth()
        held = len(truth["container"])
        unit = (await device.call("Storage.GetStorage"))["storage"]["unitCONTAINER"]["deposit"]["status"]
        location = (await device.call("Common.Status"))["deposit"]["depositLocation"]
        way, slot = truth["way"], truth["slot"]
        total = held + len(truth["customer"]) + len(truth["lost"]) + truth["supply"]
        total += (way is not None) + (slot is not None)
        least, most = self.inserted
        assert least <= total - ENVELOPES <= most, truth
        self.inserted = total - ENVELOPES, total - ENVELOPES
        journal = movements(self.atm.ledger, "deposit")
        assert all(one.outcome != "open" for one in journal)
        if not self.atm.recalls and unit["numOfDeposits"] != held:
            # Nobody knows, and that is in the journal; who counts says so.
            assert journal[-1].outcome == "unknown"
            assert 0 <= held - unit["numOfDeposits"] <= 2
            await device.call(
                "Storage.SetStorage", {"storage": {"unitCONTAINER": {"deposit": {"numOfDeposits": held}}}}
            )
            unit["numOfDeposits"] = held
        assert unit["numOfDeposits"] == held, (truth, journal[-3:])
        if not self.atm.recalls:
            return
        if way is not None and not way["dispensed"]:
            assert location in ("transport", "printer", "unknown"), (location, truth, journal[-3:])
        elif slot is not None and not slot["dispensed"]:
            assert location == "shutter", (location, truth, journal[-3:])
        if slot is not None and slot["dispensed"]:
            # An empty supply is looked at before the slot.
            assert await self.call(device, "Dispense") == ("sequenceError" if truth["supply"] else "empty")


class Guard(Worker):
    """An operator with tokens of his host, at the protection of a dispenser's notes.

    Attributes:
        sent: the token of the last command, and what it was for.
        told: whether a trigger has succeeded since the last exchange.
    """

    services = ("CashDispenser", "Simulator")

    def __init__(self, atm: ATM, chance: random.Random) -> None:
        super().__init__(atm, chance)
        file = atm.directory / "token.key"
        file.write_text(KEY.hex())
        file.chmod(0o600)
        atm.options = ("--token-key", str(file))
        self.sent: tuple[str, dict[str, Any]] | None = None
        self.told = False

    def truth(self) -> dict[str, Any]:
        file = self.atm.directory / "CashDispenser.neutralization.truth.json"
        found: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {"mode": "disarmed"}
        return found

    async def call(self, device: client.Client, name: str, payload: Any = None) -> str:
        self.running = name
        self.sent_one()
        code = "success"
        try:
            await device.call(name, payload, timeout=10)
            self.done[name] += 1
            self.told |= name == TRIGGER
        except client.CommandFailed as failed:
            code = failed.error_code or str(failed.completion_code)
        self.running = None
        return code

    async def protect(self, device: client.Client, name: str, payload: dict[str, Any]) -> str:
        """A command with a token of its own, which is used up whatever comes of it."""
        try:
            nonce = (await device.call("Common.GetCommandNonce"))["commandNonce"]
        except client.CommandFailed:
            return "failed"  # the disk is full
        ((_, value),) = payload.items()
        says = {name.partition(".")[2].upper(): value.upper()}
        self.sent = name, {**payload, "token": tokens.make_token(KEY, nonce, says)}
        return await self.call(device, *self.sent)

    def spent(self) -> bool:
        """Whether the token that was sent last has allowed a command."""
        assert self.sent is not None
        return self.sent[1]["token"][-64:] in _tokens(movements(self.atm.ledger, "neutralization"))

    async def work(self, device: client.Client, simulator: client.Client) -> None:
        chance = self.chance
        while True:
            if chance.random() < 0.2 and self.sent is not None:
                # Somebody has listened. What was refused before its token was looked at has not spent it.
                spent = self.spent()
                assert await self.call(device, *self.sent) != "success" or not spent
            elif self.truth()["mode"] == "neutralizationTriggered":
                await self.protect(device, SET, {"newState": "disarm"})
                await self.call(device, "Storage.StartExchange")
                # Other cassettes are in their place as soon as the device has done it, answered or not.
                self.told = False
                await self.call(device, "Storage.EndExchange")
            elif chance.random() < 0.3:
                await self.protect(device, TRIGGER, {"neutralizationAction": "trigger"})
            else:
                await self.protect(device, SET, {"newState": chance.choice(STATES)})

    async def compare(self, device: client.Client, simulator: client.Client) -> None:
        """State, units and journal are what the system says; no token was of use twice."""
        truth = self.truth()
        status = (await device.call("Common.Status"))["banknoteNeutralization"]["state"]
        assert status["mode"] == truth["mode"]
        units = (await device.call("Storage.GetStorage"))["storage"]
        stained = {
            name
            for name, unit in units.items()
            if unit["banknoteNeutralization"]["protection"] == "neutralizationTriggered"
        }
        assert stained == set(truth.get("stained", ()))
        assert not self.told or stained, "ink was forgotten"
        journal = movements(self.atm.ledger, "neutralization")
        assert all(one.outcome != "open" for one in journal)
        used = _tokens(journal)
        assert len(set(used)) == len(used), "a token was of use twice"
        triggers = [one.outcome for one in journal if one.intent.command == TRIGGER]
        if truth["mode"] == "neutralizationTriggered":
            # Nobody attacks this safe: it was asked for.
            assert triggers[-1] == "done", journal[-2:]
        if self.sent is not None and self.chance.random() < 0.5:
            spent = self.spent()
            assert await self.call(device, *self.sent) != "success" or not spent


async def lives(worker: Worker, kills: int, writes: int) -> Counter[str]:
    for _ in range(kills):
        await one_life(worker, Fault.by_chance(worker.chance, writes))
    async with worker.atm.running(), worker.connected() as clients:
        await worker.compare(*clients)
    return worker.done


@pytest.mark.parametrize("kills", [SHORT, pytest.param(LONG, marks=pytest.mark.long)], ids=["short", "long"])
@pytest.mark.parametrize("kind", [Depositor, Guard])
async def test_the_power_fails_again_and_again(
    kind: type[Worker], kills: int, tmp_path: Path, launcher: Launcher
) -> None:
    done: Counter[str] = Counter()

    async def machine(number: int) -> None:
        directory = tmp_path / str(number)
        directory.mkdir()
        worker = kind(ATM(directory, launcher, recalls=number != 0), random.Random(number))
        async with worker.atm.running():
            pass
        done.update(await lives(worker, kills, 200))

    async with trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(machine, number)
    print(f"\n{2 * kills} kills; commands completed meanwhile: {dict(done)}")
    assert len(done) >= (3 if kind is Depositor else 2), done
