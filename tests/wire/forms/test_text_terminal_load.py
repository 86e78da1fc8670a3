"""Whatever forms one client sets on a text terminal, the others are served."""

from __future__ import annotations

from typing import Any

import pytest
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


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_older_clients_are_told_the_name_of_the_form(nursery: trio.Nursery, version: str) -> None:
    client = await serving(Board("Board"), nursery)
    await client.success("TextTerminal.SetForm", form({"f": field(0, 0, 20)}))
    older = await another(client, nursery, version)
    asked = {"formName": "F"}
    assert (await older.success("TextTerminal.GetQueryForm", asked))["formName"] == "F"
    assert set(await client.success("TextTerminal.GetQueryForm", asked)) == {"form"}


async def test_a_long_text_is_cut_to_its_field(nursery: trio.Nursery) -> None:
    client = await serving(Board("Board"), nursery)
    await client.success("TextTerminal.SetForm", form({"f": field(0, 0, 20, overflow="truncate")}))
    await client.success("TextTerminal.WriteForm", {"formName": "F", "fields": {"f": PROSE}})
    warning = await client.until("event", name="TextTerminal.FieldWarningEvent")
    assert warning["payload"] == {"formName": "F", "fieldName": "f", "failure": "overflow"}


async def test_of_a_text_only_what_its_field_can_hold_is_looked_at(nursery: trio.Nursery) -> None:
    client = await serving(Board("Board"), nursery)
    fields = {"f": field(0, 0, 20, overflow="truncate"), "g": field(0, 1, 20), "p": field(0, 2, 20)}
    fields["p"]["fieldType"] = "password"
    await client.success("TextTerminal.SetForm", form(fields))
    accents = "e" + "\u0301" * 1_000_000
    # A character with so many accents is none that a display shows.
    write = {"formName": "F", "fields": {"f": accents}}
    assert await client.failure("TextTerminal.WriteForm", write) == "characterSetsData"
    write = {"formName": "F", "fields": {"f": "x" * 30 + "\x07"}}
    await client.success("TextTerminal.WriteForm", write)
    for name in "gp":
        write = {"formName": "F", "fields": {name: "word " * 2_000_000}}
        assert await client.failure("TextTerminal.WriteForm", write) == "fieldError"


async def test_only_rows_that_have_changed_are_shown_again(nursery: trio.Nursery) -> None:
    device = Board("Board")
    client = await serving(device, nursery)
    place = {"mode": "absolute", "posX": 3, "posY": 199}
    await client.success("TextTerminal.Write", {**place, "text": "a"})
    assert len(device.runs) == 200
    await client.success("TextTerminal.Write", {**place, "text": "ab"})
    assert device.runs == (ScreenRun(4, 199, "b"),)
    # It scrolls: the row is another one, and a blank one comes.
    await client.success("TextTerminal.Write", {**place, "text": "abc\nd"})
    assert device.runs == (ScreenRun(3, 198, "abc"), ScreenRun(0, 199, "d"), ScreenRun(3, 199, "  "))


async def test_fields_that_cover_the_screen_again_and_again_are_refused(nursery: trio.Nursery) -> None:
    client = await serving(Board("Board"), nursery)
    whole = {"position": {"x": 0, "y": 0}, "size": {"width": 200, "height": 200}}
    wrong = await client.completion("TextTerminal.SetForm", form({"a": whole, "b": whole}))
    assert wrong["payload"]["errorCode"] == "formInvalid"
    assert "field b: with it the fields have more than 65536 characters" in str(wrong)
    wrong = await client.completion(
        "TextTerminal.SetForm", form({f"f{number}": field(0, 0, 1) for number in range(10_001)})
    )
    assert outcome(wrong) == "invalidData"
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
