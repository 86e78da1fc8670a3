"""Whatever clients and people do to printers of every kind, in whatever order: paper is somewhere, once.

A walk of random steps, the same every time: commands that fit the moment and that do not, people who take,
insert, open and refill while something is printed, faults, clients that go in the middle. After each step the
status and the counts are what the simulated world is, and nothing has ended by a mistake of the service.
"""

from __future__ import annotations

import base64
import io
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from xfs4iot.simulator import atm as simulated_atm

PROFILE = """
seconds = 0.002

[services.Receipts]
kinds = ["Printer"]
paper = { upper = { width = 72, full = 700, low = 200 }, lower = { width = 72, full = 300, low = 100 } }
units = { unitONE = { capacity = 4, high = 2 }, unitTWO = { capacity = 2 } }

[services.Bundles]
kinds = ["Printer"]
stacker = 3
mark = 50
paper = { upper = { width = 72, full = 700, low = 100 } }
units = { unitONE = { capacity = 3 } }

[services.Documents]
kinds = ["Printer"]
type = "document"
colors = true
toner = 20
ink = 9
lamp = true
unasked = true
paper = { upper = { width = 100, length = 150, full = 9, low = 2 } }
units = { unitDOC = { capacity = 5 } }

[services.Documents.documents.contract]
width = 100
length = 150
text = ["Contract 4711"]

[services.Passbooks]
kinds = ["Printer"]
type = "passbook"
parks = true
units = { unitONE = { capacity = 3 } }
paper = {}

[services.Passbooks.documents.savings]
kind = "passbook"
width = 100
length = 150
pages = 3
stripe = "4711"
"""
STEPS, SEEDS = 120, 10
MM = {"base": "mm", "x": 1, "y": 1}
FAULTS = ("paperJams", "mediaJams", "cutterFails", "markMissed", "pageDoesNotTurn", "mediaDoesNotTurn")
FLAGS = ("alarm", "turnMedia", "rotate180", "stamp", "perforate", "skip", "cut", "partialCut", "flush")
MOVES = ("eject", "ejectToTransport", "expel", "park", "retract", "stack")
BAD = {"internalError", "hardwareError"}


def field(x: int, y: int, width: int, height: int, **more: Any) -> dict[str, Any]:
    return {"position": {"x": x, "y": y}, "size": {"width": width, "height": height}, **more}


FORMS: dict[str, dict[str, Any]] = {
    "short": {"unit": MM, "size": {"width": 60, "height": 20}, "fields": {"f": field(2, 2, 50, 8)}},
    "long": {
        "unit": MM,
        "size": {"width": 60, "height": 130},
        "fields": {
            "f": field(2, 100, 50, 20),
            "code": field(2, 2, 40, 40, fieldType="barcode", font={"name": "QR"}),
        },
    },
    "pages": {
        "unit": MM,
        "size": {"width": 60, "height": 60},
        "fields": {"f": field(2, 2, 50, 8, header="0-2", overflow="truncate")},
    },
}  # fmt: skip


class Walk:
    """One walk over one printer."""

    def __init__(self, service: str, printer: Dialogue, simulator: Dialogue, chance: random.Random) -> None:
        self.service, self.printer, self.simulator, self.chance = service, printer, simulator, chance
        self.codes: Counter[str] = Counter()
        self.bins: dict[str, int] = {}

    async def hand(self, name: str, **payload: Any) -> dict[str, Any]:
        done = await self.simulator.completion(f"Simulator.{name}", {"service": self.service, **payload})
        return done.get("payload") or {}

    def control(self) -> dict[str, Any] | None:
        """Something to do with the medium; often several things."""
        chance = self.chance
        if chance.random() < 0.3:
            return None
        found: dict[str, Any] = {flag: True for flag in FLAGS if chance.random() < 0.15}
        if chance.random() < 0.6:
            found["move"] = chance.choice(MOVES)
        if chance.random() < 0.1:
            found["turnPage"] = chance.choice(["forward", "backward"])
        if chance.random() < 0.15:
            found["flush"] = False
        return found

    def command(self) -> tuple[str, Any]:
        chance = self.chance
        place = chance.choice(["unitONE", "unitTWO", "unitDOC", "transport", "eject", "expel", None])
        source = chance.choice([None, None, "upper", "lower", "any", "park", "external"])
        name = chance.choice(list(FORMS))
        values = {
            "f": chance.choice(["x", "words " * 5, "שלום", ""]),
            **({"code": "q"} if name == "long" else {}),
        }
        picture = io.BytesIO()
        Image.new("1", (100, chance.choice([10, 300]))).save(picture, "PNG")
        raw = chance.choice([b"text\n", b"text\n\x1dV\x00more", b"\x1dV\x00" * 5, bytes(range(256))])
        image = {"imageType": "png", "colorFormat": "grayscale"}
        form = {"formName": name, "fields": values}
        data = base64.b64encode(raw).decode()
        native = base64.b64encode(picture.getvalue()).decode()
        action = chance.choice(["forward", "backward", "closeForward"])
        return chance.choice(
            [
                ("PrintForm", {**form, "mediaControl": self.control(), "paperSource": source}),
                ("PrintForm", {**form, "mediaControl": {"cut": True, "move": "eject"}}),
                ("ControlMedia", {"mediaControl": self.control()}),
                ("ControlMedia", {"mediaControl": self.control()}),
                ("RetractMedia", {"mediaControl": place}),
                ("Reset", {"mediaControl": place}),
                ("PrintRaw", {"data": data, "inputData": chance.choice(["yes", "no"])}),
                ("PrintNative", {"data": native, "mediaControl": self.control()}),
                ("DispensePaper", {"paperSource": source}),
                ("ReadImage", {"frontImage": image}),
                ("MediaExtents", {"unit": MM}),
                ("ControlPassbook", {"action": action, "count": 1}),
                ("SetBlackMarkMode", {"blackMarkMode": chance.random() < 0.5}),
                ("ClearBuffer", None),
            ]
        )

    async def people(self) -> None:
        """Somebody does something at the printer."""
        chance = self.chance
        name = chance.choice(["TakePrintouts", "TakePrintouts", "InsertDocument", "LoadPaper", "Cover"])
        if name == "Cover":
            await self.hand("OpenPrinter")
            await self.hand("ClosePrinter")
        elif name == "InsertDocument":
            await self.hand(name, way=chance.choice(["right", "right", "askew"]))
        elif name == "LoadPaper":
            await self.hand(
                name, source=chance.choice(["upper", "lower"]), amount=chance.choice([0, 1, 37, 600])
            )
        else:
            await self.hand(name)

    async def emptied(self) -> None:
        units = (await self.printer.success("Storage.GetStorage"))["storage"]
        empty = {"printer": {"status": {"initial": 0}}}
        await self.hand("EmptyBins")
        await self.printer.success("Storage.SetStorage", {"storage": dict.fromkeys(units, empty)})

    async def step(self) -> None:
        chance = self.chance
        if chance.random() < 0.1:
            await self.hand("Inject", fault=chance.choice(FAULTS))
        name, payload = self.command()
        request = await self.printer.send(f"Printer.{name}", payload, timeout=300)
        acknowledge = await self.printer.until("acknowledge", request)
        assert "status" not in acknowledge["header"], acknowledge
        while chance.random() < 0.4:
            await self.people()
        if chance.random() < 0.1:
            await self.printer.completion("Common.Cancel", {"requestIds": [request]})
        done = await self.printer.until("completion", request)
        code = outcome(done)
        assert code not in BAD, (name, payload, done)
        self.codes[done["payload"]["errorCode"] if code == "commandErrorCode" else code] += 1
        if chance.random() < 0.3:
            await self.people()
        if chance.random() < 0.1:
            await self.emptied()
        if chance.random() < 0.1:
            await self.hand("ClearFaults")
        await self.compare(name, payload, done)
        self.printer.passed.clear()
        self.simulator.passed.clear()

    async def compare(self, *what: Any) -> None:
        """What the service says, and what is."""
        truth = (await self.simulator.success("Simulator.GetTruth"))["services"][self.service]
        status = await self.printer.success("Common.Status")
        units = (await self.printer.success("Storage.GetStorage"))["storage"]
        booked = {name: one["printer"]["status"]["in"] for name, one in units.items()}
        assert booked == truth["bins"], (what, booked, truth)
        media = status["printer"]["media"]
        if truth.get("jammed"):
            assert media == "jammed", (what, media, truth)
        elif truth["slot"] and "medium" in truth:
            # One is taken and the other printed on: the status has words for both.
            assert media in ("entering", "present"), (what, media, truth)
        elif truth["slot"]:
            assert media == "entering", (what, media, truth)
        elif "medium" in truth or truth["stacker"] or truth["transport"]:
            assert media == "present", (what, media, truth)
        else:
            assert media in ("notPresent", "retracted"), (what, media, truth)
        for source, left in truth["paper"].items():
            # Less than a millimetre is something, too.
            if status["printer"]["paper"][source] == "out":
                assert left == 0, (what, status, truth)
        if "mediaOnStacker" in status["printer"]:
            assert status["printer"]["mediaOnStacker"] == truth["stacker"], (what, status["printer"], truth)


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, SEEDS))]
)
@pytest.mark.parametrize("service", ["Receipts", "Bundles", "Documents", "Passbooks"])
async def test_paper_is_where_the_service_says_it_is(
    service: str, seed: int, nursery: trio.Nursery, tmp_path: Path
) -> None:
    file = tmp_path / "printers.toml"
    file.write_text(PROFILE)
    services = simulated_atm(file, ledger=xfs4iot.Ledger.open(None))
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    printer: Dialogue = await nursery.start(dialogue, publisher.uri(service))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    for name, form in FORMS.items():
        done = await printer.completion("Printer.SetForm", {"name": name, "form": form})
        assert outcome(done) == "success" or name == "pages", done
    walk = Walk(service, printer, simulator, random.Random(f"{service} {seed}"))
    for _ in range(STEPS):
        await walk.step()
    print(service, dict(walk.codes))
    assert walk.codes["success"] > STEPS // 20
