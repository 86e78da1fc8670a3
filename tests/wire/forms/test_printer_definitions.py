"""Forms and media over the wire: set, loaded, queried, deleted, kept; in both languages and all versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, another, outcome
from printers import CELLS, Receipts, ReceiptsWithBins, Scribe, form, texts
from vendors import serving
from xfs4iot import devices

SET, MEDIA, LOAD = "Printer.SetForm", "Printer.SetMedia", "Printer.LoadDefinition"
ROLL: dict[str, Any] = {
    "mediaType": "generic",
    "source": "upper",
    "unit": {"base": "mm", "x": 1, "y": 1},
    "size": {"width": 80},
    "printArea": {"x": 2, "y": 3, "width": 70, "height": 100},
    "restricted": {"x": 10, "y": 3, "width": 5, "height": 6},
}
TEXT = """
XFSFORM "receipt" // of a receipt
BEGIN
    UNIT ROWCOLUMN, 1, 1
    SIZE 20, 10
    ALIGNMENT TOPLEFT, 1, 2
    ORIENTATION PORTRAIT
    VERSION 2, 1, "2026-01-31", "us"
    USERPROMPT "insert paper"
    LANGUAGE 1033
    XFSFIELD "title"
    BEGIN
        POSITION 0, 0
        SIZE 20, 1
        CLASS STATIC
        STYLE BOLD | UNDER
        HORIZONTAL CENTER
        INITIALVALUE "Receipt"
    END
    XFSFIELD "line"
    BEGIN
        POSITION 0, 1
        SIZE 10, 1
        INDEX 3, 0, 1
    END
END
"""
PAPER = """
XFSMEDIA "paper"
BEGIN
    TYPE GENERIC
    SOURCE UPPER
    UNIT MM, 1, 1
    SIZE 80, 0
    PRINTAREA 2, 3, 70, 100
END
"""


@pytest.fixture
def device() -> Receipts:
    return Receipts()


@pytest.fixture
async def client(device: Receipts, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def test_what_is_set_can_be_queried(client: Dialogue) -> None:
    shape = form(
        {"f": (1, 2, 3, 4, {"style": {"width": "double", "lineSpacing": "triple"}, "overflow": "wordWrap"})},
        alignment={"relative": "topRight", "x": 1, "y": 2},
        version={"version": "1.2"},
        userPrompt="insert",
        frames={"box": {"position": {"x": 0, "y": 0}, "size": {"width": 5, "height": 5}}},
    )
    assert await client.success("Printer.GetFormList") == {"formList": []}
    await client.success(SET, {"name": "F", "form": shape})
    assert (await client.success("Printer.GetQueryForm", {"formName": "F"}))["form"] == shape
    fields = (await client.success("Printer.GetQueryField", {"formName": "F", "fieldName": "f"}))["fields"]
    assert fields == shape["fields"]
    await client.success(MEDIA, {"name": "M", "media": ROLL})
    assert (await client.success("Printer.GetQueryMedia", {"name": "M"}))["media"] == ROLL
    assert await client.success("Printer.GetFormList") == {"formList": ["F"]}
    assert await client.success("Printer.GetMediaList") == {"mediaList": ["M"]}


async def test_without_a_name_all_fields_are_told(client: Dialogue) -> None:
    sub = {
        "position": {"x": 5, "y": 5},
        "size": {"width": 5, "height": 2},
        "fields": form({"inner": (0, 0, 5, 1)})["fields"],
    }
    await client.success(SET, {"name": "F", "form": form({"a": (0, 0, 5, 1)}, subForms={"s": sub})})
    fields = (await client.success("Printer.GetQueryField", {"formName": "F"}))["fields"]
    assert list(fields) == ["a", "inner"]


@pytest.mark.parametrize(
    ("command", "payload", "code"),
    [
        ("GetQueryForm", {"formName": "X"}, "formNotFound"),
        ("GetQueryForm", {}, "invalidData"),
        ("GetQueryField", {"formName": "X"}, "formNotFound"),
        ("GetQueryField", {"formName": "F", "fieldName": "x"}, "fieldNotFound"),
        ("GetQueryMedia", {"name": "X"}, "mediaNotFound"),
        ("GetQueryMedia", {}, "invalidData"),
        ("SetForm", {"name": "X", "form": None}, "formNotFound"),
        ("SetMedia", {"name": "X", "media": None}, "mediaNotFound"),
        ("SetForm", {"form": {}}, "invalidData"),
        ("PrintForm", {}, "invalidData"),
        ("PrintForm", {"formName": "X"}, "formNotFound"),
        ("PrintForm", {"formName": "F", "mediaName": "X"}, "mediaNotFound"),
    ],
)
async def test_what_does_not_exist_is_not_found(
    client: Dialogue, command: str, payload: Any, code: str
) -> None:
    await client.success(SET, {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    assert await client.failure(f"Printer.{command}", payload) == code


async def test_null_deletes(client: Dialogue) -> None:
    await client.success(SET, {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    await client.success(SET, {"name": "F"})
    assert await client.failure("Printer.PrintForm", {"formName": "F"}) == "formNotFound"
    again = (await client.completion(SET, {"name": "F", "from": {}}))["header"]["errorDescription"]
    assert again.startswith("without $.form a form is deleted")  # nobody who misspells it wants that
    await client.success(MEDIA, {"name": "M", "media": ROLL})
    await client.success(MEDIA, {"name": "M"})
    assert await client.success("Printer.GetMediaList") == {"mediaList": []}


GOOD = form({"f": (0, 0, 5, 1)})
AT = {"position": {"x": 0, "y": 0}, "size": {"width": 5, "height": 1}}
WHOLE = {"position": {"x": 0, "y": 0}, "size": GOOD["size"]}


def field(**more: Any) -> dict[str, Any]:
    return {**GOOD, "fields": {"f": {**AT, **more}}}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({**GOOD, "unit": None}, "unit"),
        ({**GOOD, "unit": {"base": "mm", "x": 1}}, "unit"),
        ({**GOOD, "size": {"width": 1}}, "size"),
        ({**GOOD, "fields": {}}, "fields"),
    ],
)
async def test_a_form_that_is_not_whole_is_invalid(client: Dialogue, wrong: Any, says: str) -> None:
    completion = await client.completion(SET, {"name": "F", "form": wrong})
    assert completion["header"]["completionCode"] == "invalidData"
    assert f"$.form.{says}" in completion["header"]["errorDescription"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({**GOOD, "size": {"width": 2**30, "height": 1}}, "larger than 2 m x 100 m"),
        ({**GOOD, "fields": {"f": {"size": {"width": 1, "height": 1}}}}, "field f has no position"),
        ({**GOOD, "fields": {"f": {"position": {"x": 1, "y": 1}}}}, "field f has no size"),
        (form({"f": (16, 0, 5, 1)}), "outside of 20 x 10"),
        (form({"f": (0, 0, 5, 1, {"index": {"repeatCount": 11, "y": 1}})}), "repeated 11 times"),
        (form({"f": (0, 0, 5, 1, {"index": {"repeatCount": 20_000}})}), "more than 10000 places"),
        (form({f"f{number}": (0, 0, 5, 1) for number in range(10_001)}), "more than 10000 places"),
        (form({"a": (0, 0, 5, 1, {"order": 1}), "b": (0, 0, 5, 1, {"order": 1})}), "the same order"),
        (form({"a": (0, 0, 5, 1, {"follows": "b"}), "b": (0, 0, 5, 1, {"follows": "a"})}), "leads back"),
        (form({"a": (0, 0, 5, 1, {"follows": "x"})}), "does not exist"),
        (form({"a": (0, 0, 5, 1, {"header": "0-100"})}), "at most 100 pages"),
        (form({"a": (0, 0, 5, 1, {"position": {"x": 0, "y": 0, "z": 2**31 - 1}})}), "at most 100 pages"),
        (form({"a": (0, 0, 5, 1, {"position": {"x": 0, "y": 0, "z": 1}})}), "single ones"),
        (field(side="back"), "on the back"),
        (field(fieldType="pagemark"), "page marks"),
        (field(fieldType="micr"), "type micr"),
        (field(fieldType="barcode", font={"name": "PDF417"}), "CODE39, EAN13, QR"),
        (field(fieldType="barcode", font={"name": "Courier"}), "names no barcode"),
        (field(fieldType="barcode"), "names no barcode"),
        (form({"a": (0, 0, 5, 1, {"footer": "0," * 600 + "0"})}), "in 1000 characters at most"),
        (field(fieldType="graphic", format="gif"), "bmp and png"),
        (field(access="read", fieldType="ocr"), "does not read"),
        (field(style={"italic": True}), "style italic"),
        (field(style={"strike": "single"}), "style strike"),
        (field(color="blue"), "colour blue"),
        (field(color="1,2,3"), "colour 1,2,3"),
        (field(font={"name": "Comic"}), "does not have the font"),
        (field(font={"pointSize": 5}), "pointSize from 6 to 48"),
        (field(font={"cpi": 21}), "cpi from 5 to 20"),
        ({**GOOD, "subForms": {"s": AT | {"size": {"width": 21, "height": 1}}}}, "sub form s is not within"),
        ({**GOOD, "subForms": {"s": AT | {"size": {"width": 1, "height": 11}}}}, "sub form s is not within"),
        ({**GOOD, "subForms": {"s": WHOLE | {"position": {"x": 1, "y": 0}}}}, "sub form s is not within"),
        ({**GOOD, "subForms": {"s": {"position": {"x": 0, "y": 0}}}}, "sub form s has no size"),
        ({**GOOD, "subForms": {"s": AT | {"size": {"width": 1}}}}, "sub form s has no size"),
        ({**GOOD, "subForms": {"s": AT | {"fields": {"g": {**AT, "position": {"x": 1, "y": 0}}}}}}, "5 x 1"),
        ({**GOOD, "subForms": {"s": {"size": {"width": 1, "height": 1}}}}, "sub form s has no position"),
        ({**GOOD, "subForms": {"s": AT | {"fields": {"f": AT}}}}, "two fields f"),
        ({**GOOD, "frames": {"b": {"frames": "x", "size": AT["size"]}}}, "which does not exist"),
        ({**GOOD, "frames": {"b": AT | {"position": {"x": 16, "y": 0}}}}, "frame b is outside"),
        ({**GOOD, "frames": {"b": AT | {"side": "back"}}}, "on the back"),
        ({**GOOD, "frames": {"b": AT | {"color": "green"}}}, "frame b: the device does not print the colour"),
        ({**GOOD, "version": {"version": "1234567890.1"}}, "version has a number of more than 9 digits"),
        ({**GOOD, "version": {"version": "1." + "9" * 5_000}}, "version has a number of more than 9 digits"),
    ],
)
async def test_what_is_wrong_with_a_form_is_said_when_it_is_set(
    client: Dialogue, wrong: Any, says: str
) -> None:
    completion = await client.completion(SET, {"name": "F", "form": wrong})
    assert completion["payload"] == {"errorCode": "formInvalid"}
    assert says in completion["header"]["errorDescription"]
    assert await client.success("Printer.GetFormList") == {"formList": []}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"unit": None}, "invalidData"),
        ({"size": {}}, "invalidData"),
        ({"printArea": {"x": 1}}, "invalidData"),
        ({"size": {"width": 90}}, "mediaInvalid"),
        ({"source": "aux"}, "mediaInvalid"),
        ({"printArea": {"x": 20, "y": 0, "width": 70, "height": 1}}, "mediaInvalid"),
        ({"restricted": {"x": 20, "y": 0, "width": 70, "height": 1}}, "mediaInvalid"),
        ({"source": "lower", "size": {"width": 200}}, "mediaInvalid"),
    ],
)
async def test_a_medium_that_is_none_for_the_device(client: Dialogue, change: Any, code: str) -> None:
    assert await client.failure(MEDIA, {"name": "M", "media": {**ROLL, **change}}) == code


async def test_definitions_outlive_a_restart_and_are_worked_out_anew(tmp_path: Path) -> None:
    class Coarse(Receipts):
        columns_per_inch = 10

    for kind in (Receipts, Coarse):
        with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            async with trio.open_nursery() as nursery:
                device = kind()
                client = await serving(device, nursery, ledger)
                if kind is Receipts:
                    await client.success(SET, {"name": "F", "form": form({"f": (10, 0, 5, 1)})})
                    await client.success(MEDIA, {"name": "M", "media": ROLL})
                payload = {"formName": "F", "mediaName": "M", "fields": {"f": "x"}}
                await client.success("Printer.PrintForm", payload)
                expected = 2000 + 10 * 25_400 // kind.columns_per_inch
                assert device.jobs[-1].pages[0].front[0].x == expected  # type: ignore[union-attr]
                nursery.cancel_scope.cancel()


async def test_two_clients_set_and_delete_the_same_form(tmp_path: Path) -> None:
    """Whoever asks meanwhile sees one of the two, whole, or none; what is kept is what was set last."""
    variants = [
        form({f"{kind}{number}": (0, number, 9, 1) for number in range(40)}, height=60) for kind in "ab"
    ]
    file = tmp_path / "ledger.sqlite"
    ended: dict[int, list[str]] = {0: [], 1: []}
    with xfs4iot.Ledger.open(file) as ledger:
        async with trio.open_nursery() as nursery:
            watching = await serving(Receipts(), nursery, ledger)

            async def set_and_delete(number: int, client: Dialogue) -> None:
                for _ in range(15):
                    for shape in (variants[number], variants[number], None):
                        done = await client.completion(SET, {"name": "F", "form": shape})
                        code = outcome(done)
                        ended[number].append(done["payload"]["errorCode"] if "payload" in done else code)

            seen = set()
            async with trio.open_nursery() as both:
                for number in (0, 1):
                    both.start_soon(set_and_delete, number, await another(watching, nursery))
                while len(both.child_tasks):
                    found = await watching.completion("Printer.GetQueryForm", {"formName": "F"})
                    if outcome(found) == "success":
                        fields = found["payload"]["form"]["fields"]
                        assert len(fields) == 40
                        kinds = {name[0] for name in fields}
                        assert len(kinds) == 1
                        seen |= kinds
                    else:
                        assert found["payload"]["errorCode"] == "formNotFound"
            assert seen == {"a", "b"}
            assert {*ended[0], *ended[1]} <= {"success", "formNotFound"}
            await watching.success(SET, {"name": "F", "form": variants[1]})
            nursery.cancel_scope.cancel()
    with xfs4iot.Ledger.open(file) as ledger:
        async with trio.open_nursery() as nursery:
            again = await serving(Receipts(), nursery, ledger)
            kept = (await again.success("Printer.GetQueryForm", {"formName": "F"}))["form"]
            assert list(kept["fields"]) == list(variants[1]["fields"])
            nursery.cancel_scope.cancel()


async def test_a_form_kept_from_another_device_is_refused_when_it_is_printed(tmp_path: Path) -> None:
    class Plain(Receipts):
        styles = frozenset()
        orientations = frozenset({"portrait"})

    with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        async with trio.open_nursery() as nursery:
            client = await serving(Receipts(), nursery, ledger)
            await client.success(SET, {"name": "bold", "form": field(style={"bold": True})})
            await client.success(SET, {"name": "wide", "form": {**GOOD, "orientation": "landscape"}})
            nursery.cancel_scope.cancel()
    with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        async with trio.open_nursery() as nursery:
            client = await serving(Plain(), nursery, ledger)
            assert await client.failure("Printer.PrintForm", {"formName": "bold"}) == "fieldError"
            event = await client.until("event", name="Printer.FieldErrorEvent")
            assert event["payload"] == {"formName": "bold", "fieldName": "f"}
            assert await client.failure("Printer.PrintForm", {"formName": "wide"}) == "formNotFound"
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("color", ["black", "0,0,0", "red", "255,0,0"])
async def test_a_colour_may_be_written_as_its_parts(client: Dialogue, device: Receipts, color: str) -> None:
    await client.success(SET, {"name": "F", "form": field(color=color)})
    await client.success("Printer.PrintForm", {"formName": "F", "fields": {"f": "x"}})
    (text,) = device.jobs[-1].pages[0].front
    assert text.color == ((0, 0, 0) if color in ("black", "0,0,0") else (255, 0, 0))  # type: ignore[union-attr]


async def test_a_printer_of_cells_takes_no_other_forms(nursery: trio.Nursery) -> None:
    class Journal(Receipts):
        row_column_only = True

    client = await serving(Journal(), nursery)
    millimetres = {**GOOD, "unit": {"base": "mm", "x": 1, "y": 1}}
    assert await client.failure(SET, {"name": "F", "form": millimetres}) == "formInvalid"
    await client.success(SET, {"name": "F", "form": GOOD})


# The form language, and older versions.


@pytest.fixture(params=["2021-1", "2023-2"])
async def older(request: pytest.FixtureRequest, client: Dialogue, nursery: trio.Nursery) -> Dialogue:
    return await another(client, nursery, request.param)


async def test_a_form_in_the_form_language_is_loaded_told_and_printed(
    client: Dialogue, older: Dialogue, device: Receipts, caplog: pytest.LogCaptureFixture
) -> None:
    request = await older.send(LOAD, {"definition": TEXT})
    loaded = await older.until("unsolicited", name="Printer.DefinitionLoadedEvent")
    assert loaded["payload"] == {"name": "receipt", "type": "form"}
    assert outcome(await older.until("completion", request)) == "success"
    await older.success("Printer.PrintForm", {"formName": "receipt", "fields": {"line[1]": "b"}})
    assert texts(device) == [(7, 2, "Receipt"), (1, 4, "b")]
    # What one client has loaded, another may query in its version.
    shown = (await client.success("Printer.GetQueryForm", {"formName": "receipt"}))["form"]
    assert shown["fields"]["title"]["style"] == {"bold": True, "underline": "single"}
    assert shown["unit"] == CELLS
    assert not [one for one in client.passed if "DefinitionLoaded" in one["header"]["name"]]
    assert 'XFSFORM "receipt": LANGUAGE means nothing any more; take it out' in caplog.text


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_definitions_are_queried_in_older_versions(
    client: Dialogue, nursery: trio.Nursery, version: str
) -> None:
    older = await another(client, nursery, version)
    await client.success(LOAD, {"definition": TEXT})
    await client.success(LOAD, {"definition": PAPER})
    shown = await older.success("Printer.GetQueryForm", {"formName": "receipt"})
    assert (shown["width"], shown["height"], shown["fields"]) == (20, 10, ["title", "line"])
    assert (shown["versionMajor"], shown["versionMinor"], shown["offsetX"]) == (2, 1, 1)
    fields = await older.success("Printer.GetQueryField", {"formName": "receipt", "fieldName": "line"})
    assert fields["fields"]["line"]["indexCount"] == 3
    paper = await older.success("Printer.GetQueryMedia", {"mediaName": "paper"})
    assert (paper["sizeWidth"], paper["printAreaX"], paper["base"]) == (80, 2, "mm")
    assert (await older.success("Printer.GetMediaList"))["mediaList"] == ["paper"]


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_older_clients_are_told_the_fields_of_sub_forms_too(
    client: Dialogue, device: Receipts, nursery: trio.Nursery, version: str
) -> None:
    older = await another(client, nursery, version)
    # One that is as large as its form is the largest that there can be.
    parts = {"s": {**WHOLE, "fields": form({"in": (19, 9, 1, 1)})["fields"]}, "empty": WHOLE}
    await client.success(SET, {"name": "F", "form": form({"out": (0, 0, 5, 1)}, subForms=parts)})
    told = (await older.success("Printer.GetQueryForm", {"formName": "F"}))["fields"]
    assert told == list((await older.success("Printer.GetQueryField", {"formName": "F"}))["fields"])
    await older.success("Printer.PrintForm", {"formName": "F", "fields": dict.fromkeys(told, "x")})
    assert texts(device) == [(0, 0, "x"), (19, 9, "x")]


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
@pytest.mark.parametrize(("given", "told"), [("7", (7, 0)), ("123456789.123456789", (123456789, 123456789))])
async def test_the_version_of_a_form_is_two_numbers_to_older_clients(
    client: Dialogue, nursery: trio.Nursery, version: str, given: str, told: tuple[int, int]
) -> None:
    older = await another(client, nursery, version)
    await client.success(SET, {"name": "F", "form": {**GOOD, "version": {"version": given}}})
    shown = await older.success("Printer.GetQueryForm", {"formName": "F"})
    assert (shown["versionMajor"], shown["versionMinor"]) == told


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_endless_paper_has_a_height_of_0_in_older_versions(
    client: Dialogue, nursery: trio.Nursery, version: str
) -> None:
    older = await another(client, nursery, version)
    await client.success(LOAD, {"definition": 'XFSMEDIA "roll" BEGIN UNIT MM, 1, 1 SIZE 72, 0 END'})
    media = {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 72}}
    assert await client.success("Printer.GetQueryMedia", {"name": "roll"}) == {"media": media}
    await client.success("Printer.SetMedia", {"name": "same", "media": media})
    for name in ("roll", "same"):
        told = await older.success("Printer.GetQueryMedia", {"mediaName": name})
        assert told["sizeHeight"] == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            {"size": {"width": 72, "height": 0}},
            "size.height: expected `int` >= 1; of endless paper leave it out",
        ),
        ({"page": 0}, "page: expected `int` >= 1; leave it out where there is none"),
        ({"lines": 0}, "lines: expected `int` >= 1; leave it out where there is none"),
    ],
)
async def test_what_is_0_in_the_form_language_and_absent_in_json_says_so(
    client: Dialogue, wrong: dict[str, Any], says: str
) -> None:
    media = {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 72}, **wrong}
    completion = await client.completion("Printer.SetMedia", {"name": "zero", "media": media})
    assert completion["header"]["completionCode"] == "invalidData"
    assert completion["header"]["errorDescription"] == f"$.media.{says}"


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", "invalidData", "empty"),
        (" \n", "invalidData", "empty"),
        ("NOTHING", "formInvalid", "line 1, column 1"),
        (TEXT.replace("CENTER", "MIDDLE"), "formInvalid", "line 17, column 20"),
        (TEXT.replace("SIZE 20, 1\n", "SIZE 21, 1\n"), "formInvalid", "outside of 20 x 10"),
        (TEXT.replace("BOLD", "ITALIC"), "formInvalid", "style italic"),
        (PAPER.replace("SIZE 80", "SIZE 800"), "mediaInvalid", "larger"),
        (PAPER.replace("UNIT MM, 1", "UNIT MM, 0"), "mediaInvalid", "line 6"),
        (TEXT + PAPER, "formInvalid", "end of the text"),
    ],
)
async def test_what_is_wrong_with_a_definition_is_said_with_its_place(
    older: Dialogue, text: str, code: str, says: str
) -> None:
    completion = await older.completion(LOAD, {"definition": text})
    found = outcome(completion)
    assert (completion["payload"]["errorCode"] if found == "commandErrorCode" else found) == code
    assert says in (completion["header"] | completion.get("payload", {}))["errorDescription"]


async def test_a_definition_is_only_replaced_if_it_may_be(older: Dialogue) -> None:
    await older.success(LOAD, {"definition": TEXT})
    assert await older.failure(LOAD, {"definition": TEXT}) == "definitionExists"
    other = TEXT.replace("SIZE 20, 10", "SIZE 30, 10")
    assert await older.failure(LOAD, {"definition": other[:-5], "overwrite": True}) == "formInvalid"
    assert (await older.success("Printer.GetQueryForm", {"formName": "receipt"}))["width"] == 20
    await older.success(LOAD, {"definition": other, "overwrite": True})
    assert (await older.success("Printer.GetQueryForm", {"formName": "receipt"}))["width"] == 30


async def test_older_clients_control_the_medium_with_flags(
    client: Dialogue, older: Dialogue, device: Receipts
) -> None:
    await client.success(SET, {"name": "F", "form": GOOD})
    control = {"cut": True, "eject": True}
    payload = {"formName": "F", "fields": {"f": "x"}, "mediaControl": control}
    await older.success("Printer.PrintForm", payload)
    assert device.called[-1] == ("control_media", ("cut", "eject"), None)


@pytest.mark.parametrize(
    "flags",
    [
        {"eject": True, "retract": True},
        {"forward": True, "backward": True},
        {"clearBuffer": True, "flush": True},
    ],
)
async def test_what_older_clients_can_no_longer_ask_for_is_refused(
    client: Dialogue, older: Dialogue, device: Receipts, flags: Any
) -> None:
    await client.success(SET, {"name": "F", "form": GOOD})
    waits = {"formName": "F", "fields": {"f": "x"}, "mediaControl": {"flush": False}}
    await older.success("Printer.PrintForm", waits)
    assert await older.failure("Printer.ControlMedia", {"mediaControl": flags}) == "invalidData"
    assert not device.called


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_older_clients_are_told_the_name_of_the_form(
    client: Dialogue, nursery: trio.Nursery, version: str
) -> None:
    await client.success(SET, {"name": "F", "form": GOOD})
    older = await another(client, nursery, version)
    asked = {"formName": "F"}
    assert (await older.success("Printer.GetQueryForm", asked))["formName"] == "F"
    assert set(await client.success("Printer.GetQueryForm", asked)) == {"form"}


@pytest.mark.parametrize("name", ["n" * 257, "n" * 100_000, "a\0b", "a\nb"])
async def test_names_are_bounded(client: Dialogue, name: str) -> None:
    for command, definition in ((SET, {"form": GOOD}), (MEDIA, {"media": ROLL})):
        refused = await client.completion(command, {"name": name, **definition})
        assert outcome(refused) == "invalidData"
        assert "a name has" in refused["header"]["errorDescription"]
        assert len(refused["header"]["errorDescription"]) < 200
        await client.success(command, {"name": "n" * 256, **definition})


@pytest.mark.parametrize("name", ["n" * 257, "n" * 100_000, "a\0b", "a\nb"])
async def test_names_of_fonts_are_bounded(nursery: trio.Nursery, name: str) -> None:
    # A printer that takes any font.
    client = await serving(Scribe(), nursery)
    fields = {"f": (0, 0, 5, 1, {"font": {"name": name}})}
    refused = await client.completion(SET, {"name": "F", "form": form(fields)})
    assert refused["payload"]["errorCode"] == "formInvalid"
    assert len(refused["header"]["errorDescription"]) < 200


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_older_clients_throw_away_by_a_flag_what_waits(
    client: Dialogue, device: Receipts, nursery: trio.Nursery, version: str
) -> None:
    older = await another(client, nursery, version)
    assert (await older.success("Common.Capabilities"))["printer"]["control"]["clearBuffer"] is True
    await client.success(SET, {"name": "F", "form": GOOD})
    waits = {"formName": "F", "fields": {"f": "x"}, "mediaControl": {"flush": False}}
    await client.success("Printer.PrintForm", waits)
    await older.success("Printer.ControlMedia", {"mediaControl": {"clearBuffer": True}})
    await client.success("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    await client.success("Printer.PrintForm", waits)
    # What waits would have become the medium that is to be ejected.
    asked = {"mediaControl": {"clearBuffer": True, "eject": True}}
    assert await older.failure("Printer.ControlMedia", asked) == "noMediaPresent"
    assert not device.called


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_older_clients_throw_away_by_a_flag_what_waits_and_print(
    client: Dialogue, device: Receipts, nursery: trio.Nursery, version: str
) -> None:
    older = await another(client, nursery, version)
    await client.success(SET, {"name": "F", "form": GOOD})
    waits = {"formName": "F", "fields": {"f": "old"}, "mediaControl": {"flush": False}}
    both = {"mediaControl": {"clearBuffer": True, "flush": True}}
    for asked, payload in (
        ("PrintForm", {"formName": "F", "fields": {"f": "new"}}),
        ("PrintNative", {"data": "AAAA"}),
    ):
        await client.success("Printer.PrintForm", waits)
        assert await older.failure(f"Printer.{asked}", {**payload, **both}) == "invalidData"
        await older.success(f"Printer.{asked}", {**payload, "mediaControl": {"clearBuffer": True}})
    await client.success("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    assert len(device.jobs) == 1
    assert texts(device)[0][2] == "new"


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_older_clients_throw_away_by_a_flag_what_waits_and_read(
    nursery: trio.Nursery, version: str
) -> None:
    scribe = Scribe()
    client = await serving(scribe, nursery)
    older = await another(client, nursery, version)
    fields: dict[str, Any] = {"f": (0, 0, 5, 1, {"access": "read", "fieldType": "ocr"})}
    fields["t"] = (0, 1, 5, 1)
    await client.success(SET, {"name": "F", "form": form(fields)})
    scribe.inserted_media.set()
    await client.success("Printer.PrintForm", {"formName": "F", "fields": {"t": "old"}})
    waits = {"formName": "F", "fields": {"t": "old"}, "mediaControl": {"flush": False}}
    await client.success("Printer.PrintForm", waits)
    scribe.read = ("x",)
    asked = {"formName": "F", "mediaControl": {"clearBuffer": True, "eject": True}}
    await older.success("Printer.ReadForm", asked)
    assert len(scribe.jobs) == 1


@pytest.mark.parametrize("flag", ["clearBuffer", "clear\\u0042uffer"])
async def test_the_newest_clients_have_no_flag_that_throws_away(
    client: Dialogue, device: Receipts, flag: str
) -> None:
    await client.success(SET, {"name": "F", "form": GOOD})
    waits = {"formName": "F", "fields": {"f": "x"}, "mediaControl": {"flush": False}}
    await client.success("Printer.PrintForm", waits)
    header = '{"type":"command","name":"Printer.ControlMedia","version":"3.0","requestId":999}'
    await client.send_text(f'{{"header":{header},"payload":{{"mediaControl":{{"{flag}":true}}}}}}')
    assert outcome(await client.until("completion", 999)) == "invalidData"
    await client.success("Printer.PrintNative", {"data": "AAAA", "mediaControl": {"clearBuffer": True}})
    assert len(device.jobs) == 1


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"retract": True, "eject": True}, "$.mediaControl.move: invalid enum value 'eject and retract'"),
        ({"stack": True, "eject": True}, "$.mediaControl.move: invalid enum value 'eject and stack'"),
        ({"forward": True, "backward": True}, "$.mediaControl.turnPage: invalid enum value 'forward and"),
    ],
)
@pytest.mark.parametrize("command", ["PrintForm", "PrintNative", "ControlMedia"])
async def test_what_excludes_each_other_is_refused_before_anything_is_printed(
    client: Dialogue, older: Dialogue, device: Receipts, command: str, flags: Any, says: str
) -> None:
    await client.success(SET, {"name": "F", "form": GOOD})
    payload = {"formName": "F"} if command == "PrintForm" else {"data": "AAAA"}
    asked = ({} if command == "ControlMedia" else payload) | {"mediaControl": flags}
    completion = await older.completion(f"Printer.{command}", asked)
    assert outcome(completion) == "invalidData"
    assert (completion["header"] | completion.get("payload", {}))["errorDescription"].startswith(says)
    assert not device.called


async def test_older_clients_count_retract_bins_by_number(nursery: trio.Nursery) -> None:
    client = await serving(ReceiptsWithBins(), nursery)
    oldest = await another(client, nursery, "2021-1")
    older = await another(client, nursery, "2023-2")
    await older.success("Printer.GetFormList")
    await client.success(SET, {"name": "F", "form": GOOD})
    for _ in range(2):
        retract = {"formName": "F", "mediaControl": {"move": "retract"}}
        await client.success("Printer.PrintForm", retract)
    told = await older.until("unsolicited", name="Printer.RetractBinThresholdEvent")
    assert told["payload"] == {"binNumber": 1, "state": "high"}
    assert await older.failure("Printer.ResetCount", {"binNumber": 3}) == "invalidData"
    await oldest.success("Printer.ResetCount", {"binNumber": 1})
    told = await older.until("unsolicited", name="Printer.RetractBinThresholdEvent")
    assert told["payload"] == {"binNumber": 1, "state": "ok"}
    units = (await client.success("Storage.GetStorage"))["storage"]
    assert units["unitBIN1"]["printer"]["status"]["in"] == 0
    await older.success("Printer.ResetCount")
    assert not [one for one in client.passed if "RetractBin" in one["header"]["name"]]


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
@pytest.mark.parametrize("number", [1, 0, None])
async def test_a_bin_that_is_taken_out_to_be_emptied_is_counted_anew(
    nursery: trio.Nursery, version: str, number: int | None
) -> None:
    device = ReceiptsWithBins()
    client = await serving(device, nursery)
    older = await another(client, nursery, version)
    await client.success(SET, {"name": "F", "form": GOOD})
    for _ in range(4):
        retract = {"formName": "F", "mediaControl": {"move": "retract"}}
        await client.success("Printer.PrintForm", retract)
    device.unit_changed("unitBIN1", "missing")
    await older.success("Printer.ResetCount", {} if number is None else {"binNumber": number})
    units = (await client.success("Storage.GetStorage"))["storage"]
    counts = [unit["printer"]["status"]["in"] for unit in units.values()]
    # A number means one of them, whether it is there or not.
    assert counts == ([0, 1] if number else [0, 0])
    assert units["unitBIN1"]["status"] == "missing"


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_older_clients_are_told_of_bins_that_are_pulled_out(
    nursery: trio.Nursery, version: str
) -> None:
    device = ReceiptsWithBins()
    client = await serving(device, nursery)
    older = await another(client, nursery, version)
    await older.success("Printer.GetFormList")
    for status, state in (("missing", "removed"), ("ok", "inserted")):
        device.unit_changed("unitBIN2", status)  # type: ignore[arg-type]
        told = await older.until("unsolicited", name="Printer.RetractBinStatusEvent")
        assert told["payload"] == {"binNumber": 2, "state": state}


# What is said of the device.


async def test_capabilities_follow_from_the_class(nursery: trio.Nursery) -> None:
    client = await serving(ReceiptsWithBins(), nursery)
    told = (await client.success("Common.Capabilities"))["printer"]
    assert told["writeForm"] == {
        "text": True, "graphics": True, "barcode": True, "ocr": False, "micr": False, "msf": False,
        "stamp": False,
    }  # fmt: skip
    assert told["control"]["flush"] is told["control"]["clearBuffer"] is told["control"]["eject"] is True
    assert told["control"]["stamp"] is False
    assert told["paperSources"]["upper"] is told["paperSources"]["lower"] is True
    assert (told["retractToTransport"], told["dispensePaper"], told["mediaTaken"]) == (True, True, True)


async def test_a_printer_of_a_few_lines_prints(nursery: trio.Nursery) -> None:
    class Small(devices.Printer):
        paper_sources = {"upper": devices.Paper(80_000)}  # noqa: RUF012

        async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
            lines.extend(one.text for one in job.pages[0].front if isinstance(one, devices.PrintText))
            return devices.Printed()

    lines: list[str] = []
    client = await serving(Small("Small"), nursery)
    await client.success(SET, {"name": "F", "form": GOOD})
    await client.success("Printer.PrintForm", {"formName": "F", "fields": {"f": "hello"}})
    assert lines == ["hello"]
    assert await client.failure("Printer.PrintRaw", {"data": "AAAA"}) == "unsupportedCommand"
    assert await client.failure("Printer.RetractMedia") == "unsupportedCommand"


async def test_a_scanner_has_no_buffer(nursery: trio.Nursery) -> None:
    class Reader(devices.Printer):
        async def read_image(self, wanted: Any, events: Any) -> Any:
            return {}

    client = await serving(Reader("Reader"), nursery)
    for command in ("ClearBuffer", "PrintForm", "GetFormList", "ControlMedia"):
        assert await client.failure(f"Printer.{command}", {}) == "unsupportedCommand"
