"""Everything that can be wanted of a medium, wherever it is by then: each ends with a code of its command."""

from __future__ import annotations

import base64
import io
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from xfs4iot.protocol import registry
from xfs4iot.simulator import atm as simulated_atm

PROFILE = """
seconds = 0

[services.Receipts]
kinds = ["Printer"]
paper = { upper = { width = 72, full = 100000, low = 200 } }
units = { unitONE = { capacity = 1000 } }

[services.Bundles]
kinds = ["Printer"]
stacker = 3
mark = 50
units = {}

[services.Documents]
kinds = ["Printer"]
type = "document"
unasked = true
paper = { upper = { width = 100, length = 150, full = 5000, low = 2 } }
units = { unitDOC = { capacity = 1000 } }
documents = { contract = { width = 100, length = 150, codeline = "0815" } }

[services.Passbooks]
kinds = ["Printer"]
type = "passbook"
parks = true
units = {}
paper = {}
documents = { savings = { kind = "passbook", width = 100, length = 150, pages = 3, stripe = "4711" } }
"""
KINDS = ("Receipts", "Bundles", "Documents", "Passbooks")
LATER = 30
"""Milliseconds."""


class Scene:
    """A simulated printer, and the hands of people.

    Attributes:
        client, simulator: conversations.
        service: its name.
    """

    def __init__(self, client: Dialogue, simulator: Dialogue, service: str) -> None:
        self.client, self.simulator, self.service = client, simulator, service

    async def hand(self, name: str, **payload: Any) -> str:
        done = await self.simulator.completion(f"Simulator.{name}", {"service": self.service, **payload})
        return outcome(done)

    async def prints(self, **more: Any) -> None:
        await self.client.completion("Printer.PrintForm", {"formName": "F", **more})

    async def holds(self) -> None:
        """A document is held to the slot, if one can be inserted."""
        await self.hand("InsertDocument")

    async def cleared(self) -> None:
        """Nothing is in the printer or its slot, nothing waits, and there is paper."""
        await self.simulator.success("Simulator.ClearFaults")
        await self.client.success("Printer.ClearBuffer")
        await self.hand("LoadPaper", source="upper")
        await self.client.completion("Printer.Reset", {"mediaControl": "expel"})
        await self.hand("TakePrintouts")


async def nothing(scene: Scene) -> None:
    await scene.holds()


async def present(scene: Scene) -> None:
    await scene.holds()
    await scene.prints()


async def presented(scene: Scene) -> None:
    await present(scene)
    await scene.client.completion("Printer.ControlMedia", {"mediaControl": {"move": "eject"}})
    await scene.holds()


async def taken(scene: Scene) -> None:
    await presented(scene)
    await scene.hand("TakePrintouts")


async def cut(scene: Scene) -> None:
    await present(scene)
    await scene.client.completion("Printer.ControlMedia", {"mediaControl": {"cut": True}})
    await scene.holds()


async def parked(scene: Scene) -> None:
    await present(scene)
    await scene.client.completion("Printer.ControlMedia", {"mediaControl": {"move": "park"}})
    await scene.holds()


async def jammed(scene: Scene) -> None:
    await present(scene)
    await scene.hand("Inject", fault="mediaJams")
    await scene.client.completion("Printer.ControlMedia", {"mediaControl": {"move": "eject"}})


async def jams(scene: Scene) -> None:
    await scene.holds()
    await scene.hand("Inject", fault="mediaJams")


async def paper_jams(scene: Scene) -> None:
    await scene.holds()
    await scene.hand("Inject", fault="paperJams")


async def out(scene: Scene) -> None:
    await scene.holds()
    await scene.hand("LoadPaper", source="upper", amount=1)


async def stuck_exit(scene: Scene) -> None:
    await present(scene)
    await scene.hand("Inject", fault="exitStuck")


async def waiting(scene: Scene) -> None:
    await scene.holds()
    await scene.prints(mediaControl={"flush": False})


async def taken_meanwhile(scene: Scene) -> None:
    await presented(scene)
    await scene.hand("TakePrintouts", after=1)


async def late(scene: Scene) -> None:
    await scene.hand("InsertDocument", after=LATER)


STATES: Mapping[str, Callable[[Scene], Awaitable[None]]] = {
    one.__name__: one
    for one in (
        nothing,
        present,
        presented,
        taken,
        cut,
        parked,
        jammed,
        jams,
        paper_jams,
        out,
        stuck_exit,
        waiting,
        taken_meanwhile,
        late,
    )
}


def picture() -> str:
    """A job that the simulated printers print natively."""
    file = io.BytesIO()
    Image.new("L", (40, 40), 200).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


COMMANDS: Mapping[str, dict[str, Any]] = {
    "PrintForm": {"formName": "F"},
    "PrintNative": {"data": picture()},
    "ReadForm": {"formName": "F"},
    "ControlMedia": {},
    "RetractMedia": {},
    "PrintRaw": {"data": base64.b64encode(b"raw\n").decode()},
    "DispensePaper": {},
    "ReadImage": {"frontImage": {"imageType": "png", "colorFormat": "fullcolor"}},
    "MediaExtents": {"unit": {"base": "mm", "x": 1, "y": 1}},
    "ControlPassbook": {"action": "forward"},
}
WITH_CONTROL = ("PrintForm", "PrintNative", "ReadForm", "ControlMedia")
FIELDS: dict[str, Any] = {
    "line": {
        "position": {"x": 2, "y": 2},
        "size": {"width": 40, "height": 8},
        "initialValue": "line",
    },
}
READ: dict[str, Any] = {"fieldType": "ocr", "access": "read"}
FORM: dict[str, Any] = {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 60, "height": 40}}


@pytest.fixture
async def scene(service: str, nursery: trio.Nursery, tmp_path: Path) -> Scene:
    file = tmp_path / "printers.toml"
    file.write_text(PROFILE)
    publisher = xfs4iot.Publisher(simulated_atm(file, ledger=xfs4iot.Ledger.open(None)), port=0)
    await nursery.start(publisher.serve)
    client = await nursery.start(dialogue, publisher.uri(service))
    simulator = await nursery.start(dialogue, publisher.uri("Simulator"))
    said = (await client.success("Common.Capabilities"))["printer"]
    fields = dict(FIELDS)
    if said.get("readForm", {}).get("ocr"):
        fields["read"] = {"position": {"x": 2, "y": 20}, "size": {"width": 40, "height": 8}, **READ}
    await client.success("Printer.SetForm", {"name": "F", "form": {**FORM, "fields": fields}})
    return Scene(client, simulator, service)


async def controls(client: Dialogue) -> list[dict[str, Any]]:
    """Everything that can be wanted of the medium, each alone, and some together."""
    able = (await client.success("Common.Capabilities"))["printer"]["control"]
    found: list[dict[str, Any]] = []
    for name, can in able.items():
        if not can or name in ("clearBuffer", "flush"):
            continue
        if name in ("pageForward", "pageBackward"):
            found.append({"turnPage": name.removeprefix("page").lower()})
        elif name in ("eject", "retract", "park", "expel", "ejectToTransport", "stack"):
            found.append({"move": name})
            found += [{"move": name, "cut": True}] if able.get("cut") else []
        else:
            found.append({name: True})
    return found


ALWAYS = {("Receipts", "taken"), ("Receipts", "out"), ("Documents", "jams"), ("Passbooks", "parked")}
"""What is tried in every run; all the others take minutes."""
PLACES = [
    pytest.param(service, state, marks=() if (service, state) in ALWAYS else pytest.mark.long)
    for service in KINDS
    for state in STATES
]


@pytest.mark.parametrize(("service", "state"), PLACES)
async def test_a_command_ends_with_a_code_of_its_own_wherever_the_medium_is(scene: Scene, state: str) -> None:
    client, wrong, ended = scene.client, [], set()
    for name, payload in COMMANDS.items():
        for control in [None, *(await controls(client) if name in WITH_CONTROL else [])]:
            if name == "ControlMedia" and control is None:
                continue
            await scene.cleared()
            await STATES[state](scene)
            asked = payload if control is None else {**payload, "mediaControl": control}
            completion = await client.completion(f"Printer.{name}", asked, timeout=3 * LATER)
            said = outcome(completion)
            if said == "commandErrorCode":
                code = completion["payload"]["errorCode"]
                fine = code in registry.command(f"Printer.{name}").error_codes
                ended.add(code)
            else:
                fine = said in ("success", "timeOut", "unsupportedCommand", "sequenceError")
                ended.add(said)
            if not fine:
                wrong.append((name, control, said, completion["header"].get("errorDescription")))
            if (await client.success("Common.Status"))["common"]["device"] != "online":
                wrong.append((name, control, "the device is no longer online", said))
                break
    assert not wrong
    assert ended - {"unsupportedCommand"}
