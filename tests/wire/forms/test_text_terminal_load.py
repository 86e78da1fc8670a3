"""Whatever forms one client sets on a text terminal, the others are served."""

from __future__ import annotations

from typing import Any

import trio

from bystanders import served, watching
from dialogue import another, outcome
from vendors import serving
from xfs4iot import devices
from xfs4iot.devices import ScreenPosition, ScreenRun

MANY = 3_000
PROSE = "word " * 300_000


class Board(devices.TextTerminal):
    """A large display, and keys that nobody presses but `enter`."""

    resolutions = ((200, 200),)

    async def show(self, runs: tuple[ScreenRun, ...], cursor: ScreenPosition | None) -> None:
        self.runs = runs

    async def read_key(self, active: frozenset[str]) -> str:
        return "enter"


def field(x: int, y: int, width: int, **more: Any) -> dict[str, Any]:
    return {"position": {"x": x, "y": y}, "size": {"width": width, "height": 1}, **more}


def form(fields: dict[str, Any]) -> dict[str, Any]:
    return {"name": "F", "form": {"size": {"width": 200, "height": 200}, "fields": fields}}


async def test_others_are_served_while_thousands_of_fields_are_set_told_and_shown(
    nursery: trio.Nursery,
) -> None:
    client = await serving(Board("Board"), nursery)
    places = [(number % 40 * 5, number // 40) for number in range(MANY)]
    fields = {f"f{x}-{y}": field(x, y, 5, access="readWrite", initialValue="words") for x, y in places}
    older = await another(client, nursery, "2023-2")
    named = {"formName": "F"}
    async with watching(await another(client, nursery), nursery) as watch:
        for asking, name, payload in (
            (client, "TextTerminal.SetForm", form(fields)),
            (client, "TextTerminal.GetQueryForm", named),
            (client, "TextTerminal.GetQueryField", named),
            (older, "TextTerminal.GetQueryForm", named),
            (older, "TextTerminal.GetQueryField", named),
            (client, "TextTerminal.WriteForm", named),
            (client, "TextTerminal.ReadForm", {**named, "fields": list(fields)}),
        ):
            assert outcome(await served(watch, asking, name, payload)) == "success", name


async def test_others_are_served_while_a_long_text_is_cut_to_its_field(nursery: trio.Nursery) -> None:
    client = await serving(Board("Board"), nursery)
    await client.success("TextTerminal.SetForm", form({"f": field(0, 0, 20, overflow="truncate")}))
    async with watching(await another(client, nursery), nursery) as watch:
        payload = {"formName": "F", "fields": {"f": PROSE}}
        done = await served(watch, client, "TextTerminal.WriteForm", payload)
    assert outcome(done) == "success"
    warning = await client.until("event", name="TextTerminal.FieldWarningEvent")
    assert warning["payload"] == {"formName": "F", "fieldName": "f", "failure": "overflow"}


async def test_fields_that_cover_the_screen_again_and_again_are_refused(nursery: trio.Nursery) -> None:
    client = await serving(Board("Board"), nursery)
    whole = {"position": {"x": 0, "y": 0}, "size": {"width": 200, "height": 200}}
    wrong = await client.completion("TextTerminal.SetForm", form({"a": whole, "b": whole}))
    assert wrong["payload"]["errorCode"] == "formInvalid"
    assert "field b: with it the fields have more than 65536 characters" in str(wrong)
    older = await another(client, nursery, "2021-1")
    text = 'XFSFORM "G" BEGIN SIZE 200, 200 ' + "".join(
        f'XFSFIELD "{name}" BEGIN POSITION 0, 0 SIZE 200, 200 END ' for name in "ab"
    )
    load = {"definition": text + "END", "overwrite": False}
    assert await older.failure("TextTerminal.LoadForm", load) == "formInvalid"
    assert (await older.success("TextTerminal.GetFormList"))["formList"] == []


class Unattended(Board):
    """A terminal at which nobody is."""

    asked: trio.Event

    async def read_key(self, active: frozenset[str]) -> str:
        self.asked.set()
        return await trio.sleep_forever()


async def test_forms_are_told_while_an_input_waits(nursery: trio.Nursery) -> None:
    device = Unattended("Board")
    device.asked = trio.Event()
    client = await serving(device, nursery)
    await client.success("TextTerminal.SetForm", form({"f": field(0, 0, 5, access="read")}))
    waiting = await client.send("TextTerminal.ReadForm", {"formName": "F"})
    await device.asked.wait()
    for name in ("TextTerminal.GetQueryForm", "TextTerminal.GetQueryField"):
        await client.success(name, {"formName": "F"})
    await client.success("Common.Cancel", {"requestIds": [waiting]})
    assert outcome(await client.until("completion", waiting)) == "canceled"
