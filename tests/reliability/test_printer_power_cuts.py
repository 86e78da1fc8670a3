"""The power fails while forms are stored and receipts printed, presented and retracted.

A real service in a process of its own is killed at random moments and at chosen writes of its ledger. After
each start: every form and media is whole, as it was set last; every retract since a bin's count began anew is
in that count once; the status says where the paper is; and clients print on.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import dialogue
from power import ATM, Fault, Launcher, Worker, assert_closed, one_life
from xfs4iot import client
from xfs4iot.simulator import atm as simulated_atm

SHORT, LONG = 6, 150
PROFILE = """
[services.ReceiptPrinter]
kinds = ["Printer"]
paper = { upper = { width = 72, full = 1000000, low = 5000 } }
units = { unitONE = { capacity = 100000 }, unitTWO = { capacity = 100000 } }
"""
MM = {"base": "mm", "x": 1, "y": 1}
BINS = ("unitONE", "unitTWO")
NAMES = ("a", "b", "c", "receipt")
SET, SET_MEDIA, PRINT = "Printer.SetForm", "Printer.SetMedia", "Printer.PrintForm"
CONTROL, RETRACT, RESET = "Printer.ControlMedia", "Printer.RetractMedia", "Printer.Reset"
COUNT_ANEW = "Printer.ResetCount"
DONE = (SET, SET_MEDIA, PRINT, CONTROL, RETRACT, RESET, COUNT_ANEW)


def some_form(chance: random.Random) -> dict[str, Any]:
    """A form that is like no other."""
    fields = {
        f"f{number}": {
            "position": {"x": 2, "y": 2 + 8 * number},
            "size": {"width": 60, "height": 8},
            "initialValue": f"{chance.random()}",
        }
        for number in range(chance.choice([1, 3, 60]))
    }
    return {"unit": MM, "size": {"width": 70, "height": 10 + 8 * len(fields)}, "fields": fields}


def some_media(chance: random.Random) -> dict[str, Any]:
    size = {"width": 70, "height": chance.randrange(50, 5_000)}
    return {"mediaType": "generic", "source": "upper", "unit": MM, "size": size}


async def truth_of(simulator: client.Client) -> dict[str, Any]:
    """Where everything of the printer is."""
    truth: dict[str, Any] = (await simulator.call("Simulator.GetTruth"))["services"]["ReceiptPrinter"]
    return truth


class Branch(Worker):
    """One printer, over all its lives.

    Attributes:
        known: forms and media that are set, by name; what may be there as well where the answer was lost.
        before: what was in a bin already when its count began anew; all that it may be if an answer was lost.
    """

    services = ("ReceiptPrinter", "Simulator")
    commands = (2, 15)
    disk_fills = False

    def __init__(self, atm: ATM, chance: random.Random) -> None:
        super().__init__(atm, chance)
        self.known: dict[str, dict[str, list[Any]]] = {SET: {}, SET_MEDIA: {}}
        self.before: dict[str, list[int]] = {name: [0] for name in BINS}

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[list[client.Client]]:
        """An older client, too: only older versions have `Printer.ResetCount`."""
        uri = self.atm.uris["ReceiptPrinter"]
        async with (
            super().connected() as clients,
            client.connect(uri, plain=True, version="2023-2") as older,
        ):
            yield [*clients, older]

    async def call(self, printer: client.Client, name: str, payload: Any) -> bool:
        self.sent_one()
        with contextlib.suppress(client.CommandFailed):
            await printer.call(name, payload, timeout=30)
            self.done[name] += 1
            return True
        return False

    async def set(self, printer: client.Client, command: str, name: str, definition: Any) -> None:
        """Set or delete a definition; until the answer is there both the old and the new may be."""
        possible = self.known[command].setdefault(name, [None])
        possible.append(definition)
        key = "form" if command == SET else "media"
        ended = await self.call(printer, command, {"name": name, key: definition})
        self.known[command][name] = [definition] if ended or definition is None else possible[:1]

    async def count_anew(self, older: client.Client, simulator: client.Client, number: int) -> None:
        """Let the count of a bin begin anew, or of all for 0; what lies in there stays."""
        there = (await truth_of(simulator))["bins"]
        names = [BINS[number - 1]] if number else BINS
        for name in names:
            self.before[name].append(there[name])
        ended = await self.call(older, COUNT_ANEW, {"binNumber": number})
        assert ended
        for name in names:
            self.before[name] = [there[name]]

    async def work(self, printer: client.Client, simulator: client.Client, older: client.Client) -> None:
        chance, call = self.chance, self.call
        await self.set(printer, SET, "receipt", some_form(chance))
        while True:
            wish = chance.random()
            if wish < 0.2:
                definition = None if chance.random() < 0.3 else some_form(chance)
                await self.set(printer, SET, chance.choice(NAMES[:3]), definition)
            elif wish < 0.3:
                definition = None if chance.random() < 0.3 else some_media(chance)
                await self.set(printer, SET_MEDIA, chance.choice(NAMES[:3]), definition)
            elif wish < 0.55:
                control = chance.choice([None, {"cut": True, "move": "eject"}, {"flush": False}])
                await call(printer, PRINT, {"formName": "receipt", "mediaControl": control})
            elif wish < 0.7:
                move = chance.choice(["eject", "retract"])
                await call(printer, CONTROL, {"mediaControl": {"cut": True, "move": move}})
            elif wish < 0.85:
                await call(printer, RETRACT, {"mediaControl": chance.choice(BINS)})
            elif wish < 0.88:
                await self.count_anew(older, simulator, chance.randrange(3))
            elif wish < 0.93:
                await call(printer, RESET, {"mediaControl": chance.choice([*BINS, "eject"])})
            else:
                with contextlib.suppress(client.CommandFailed):
                    await simulator.call("Simulator.TakePrintouts", {"service": "ReceiptPrinter"})

    async def compare(self, printer: client.Client, simulator: client.Client, _: client.Client) -> None:
        """What the service says after a start, and what is."""
        assert_closed(self.atm.ledger)
        truth = await truth_of(simulator)
        units = (await printer.call("Storage.GetStorage"))["storage"]
        for name, lies in truth["bins"].items():
            before = lies - units[name]["printer"]["status"]["in"]
            assert before in self.before[name], (name, lies, before, self.before)
            self.before[name] = [before]
        media = (await printer.call("Common.Status"))["printer"]["media"]
        if truth["slot"]:
            assert media == "entering", truth
        elif "medium" in truth:
            assert media == "present"
        else:
            assert media in ("notPresent", "retracted")
        for command, kind in ((SET, "form"), (SET_MEDIA, "media")):
            title = kind.title()
            listed = (await printer.call(f"Printer.Get{title}List"))[f"{kind}List"]
            held: dict[str, Any] = {}
            for name in listed:
                query = {"formName" if kind == "form" else "name": name}
                held[name] = (await printer.call(f"Printer.GetQuery{title}", query))[kind]
            assert held.keys() <= self.known[command].keys()
            for name, possible in self.known[command].items():
                assert held.get(name) in possible, (name, held.get(name), possible)
                self.known[command][name] = [held.get(name)]


@pytest.mark.parametrize("kills", [SHORT, pytest.param(LONG, marks=pytest.mark.long)], ids=["short", "long"])
async def test_forms_stay_whole_and_retracts_are_counted_once_when_the_power_fails(
    kills: int, tmp_path: Path, launcher: Launcher
) -> None:
    done: Counter[str] = Counter()

    async def printer(number: int) -> None:
        directory = tmp_path / str(number)
        directory.mkdir()
        profile = directory / "printer.toml"
        profile.write_text(PROFILE)
        atm = ATM(directory, launcher, options=("--profile", str(profile)))
        branch = Branch(atm, random.Random(number))
        for _ in range(kills):
            await one_life(branch, Fault.by_chance(branch.chance, 80))
        async with atm.running(), branch.connected() as (one, simulator, older):
            await branch.compare(one, simulator, older)
            await branch.set(one, SET, "receipt", some_form(branch.chance))
            await one.call(RESET, {"mediaControl": "unitONE"})
            await one.call(PRINT, {"formName": "receipt", "mediaControl": {"move": "retract"}})
            await branch.compare(one, simulator, older)
        done.update(branch.done)

    async with trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(printer, number)
    print(f"\n{2 * kills} kills; commands completed meanwhile: {dict(done)}")
    assert min(done[name] for name in DONE) >= kills // 20, done


@pytest.mark.parametrize("stacker", [0, 3])
@pytest.mark.parametrize("move", ["eject", "expel", "retract", "ejectToTransport"])
async def test_whatever_is_saved_of_a_move_says_where_it_has_left_the_paper(
    nursery: trio.Nursery, tmp_path: Path, move: str, stacker: int
) -> None:
    """The power may fail behind each write: what the device recalls is then what is."""
    profile = tmp_path / "printer.toml"
    profile.write_text(f"{PROFILE}stacker = {stacker}\n")
    services = simulated_atm(profile, ledger=xfs4iot.Ledger.open(None), state=tmp_path, seconds=0)
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    printer = await nursery.start(dialogue, publisher.uri("ReceiptPrinter"))
    device: Any = publisher.services["ReceiptPrinter"].device
    await printer.success(SET, {"name": "receipt", "form": some_form(random.Random(1))})
    await printer.success(PRINT, {"formName": "receipt"})
    bins, really, seen = dict(device.state.bins), device.save, []

    def saved() -> None:
        really()
        seen.append(device.state.place)
        grown = [name for name, count in device.state.bins.items() if count > bins.get(name, 0)]
        gone = {"expelled"} if move == "expel" else {"notPresent"}
        assert device.state.place in (grown or ({device.place} if device.place != "notPresent" else gone))

    device.save = saved
    await printer.success(CONTROL, {"mediaControl": {"cut": True, "move": move}})
    assert len(set(seen)) > 1
