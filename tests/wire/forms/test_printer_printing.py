"""PrintForm over the wire: what stands where on the paper, and what does not get there."""

from __future__ import annotations

import base64
import logging
import threading
from typing import Any

import pytest
import trio

from dialogue import Dialogue, another
from printers import CELLS, Receipts, Scribe, form, texts
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.devices import PrintBarcode, PrintFrame, PrintGraphic, PrintStripe, PrintText
from xfs4iot.protocol import errors

PRINT = "Printer.PrintForm"
CELL = 25_400 / 12, 25_400 / 6
"""Width and height of one."""
PNG = b"\x89PNG\r\n\x1a\n" + b"any picture"


@pytest.fixture
def device() -> Receipts:
    return Receipts()


@pytest.fixture
async def client(device: Receipts, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def printed(client: Dialogue, fields: dict[str, Any], values: Any = None, **more: Any) -> Any:
    """Set a form and print it; what the device was told is in `device.jobs`."""
    shape = {name: more.pop(name) for name in ("width", "height", "orientation", "alignment") if name in more}
    parts = {name: more.pop(name) for name in ("frames", "subForms", "cpi", "lpi", "skew") if name in more}
    await client.success("Printer.SetForm", {"name": "F", "form": form(fields, **shape, **parts)})
    return await client.completion(PRINT, {"formName": "F", "fields": values, **more})


def code(completion: Any) -> str:
    """How a command ended."""
    header = completion["header"]
    found = header.get("completionCode", "success")
    return completion["payload"]["errorCode"] if found == "commandErrorCode" else found


@pytest.mark.parametrize(
    ("more", "value", "lines"),
    [
        ({}, "one two three", [(0, 0, "one two"), (0, 1, "three")]),
        ({"horizontal": "right"}, "one", [(7, 0, "one")]),
        ({"horizontal": "center"}, "one", [(3, 0, "one")]),
        ({"vertical": "bottom"}, "one", [(0, 2, "one")]),
        ({"vertical": "center"}, "one", [(0, 1, "one")]),
        (
            {"horizontal": "justify"},
            "a bb c dddddd e",
            [(0, 0, "a"), (4, 0, "bb"), (9, 0, "c"), (0, 1, "dddddd e")],
        ),
        ({}, "one\r\ntwo\rthree", [(0, 0, "one"), (0, 1, "two"), (0, 2, "three")]),
        ({}, "well-known word", [(0, 0, "well-known"), (0, 1, "word")]),
        ({}, "good ill-tempered", [(0, 0, "good ill-"), (0, 1, "tempered")]),
        ({}, "a  b   ", [(0, 0, "a  b   ")]),
        ({"case": "upper"}, "one", [(0, 0, "ONE")]),
        ({"case": "lower"}, "ONE", [(0, 0, "one")]),
        ({"overflow": "truncate"}, "one two three", [(0, 0, "one two th"), (0, 1, "ree")]),
        ({}, "a" * 25, [(0, 0, "a" * 10), (0, 1, "a" * 10), (0, 2, "a" * 5)]),
        ({}, "e\u0301" * 12, [(0, 0, "e\u0301" * 10), (0, 1, "e\u0301" * 2)]),
        ({}, "\u4e2d" * 6, [(0, 0, "\u4e2d" * 5), (0, 1, "\u4e2d")]),
        ({}, "total was -5.00", [(0, 0, "total was"), (0, 1, "-5.00")]),
        ({}, "total sums -5.00", [(0, 0, "total sums"), (0, 1, "-5.00")]),
    ],
)
async def test_text_stands_where_its_field_says(
    client: Dialogue, device: Receipts, more: Any, value: str, lines: Any
) -> None:
    assert code(await printed(client, {"f": (0, 0, 10, 3, more)}, {"f": value})) == "success"
    assert texts(device) == lines


@pytest.mark.parametrize(
    ("overflow", "value", "lines"),
    [
        ("truncate", "one two three four", [(0, 0, "one two"), (0, 1, " three ")]),
        ("bestFit", "one two three four", [(0, 0, "one two"), (0, 1, "three")]),
        ("wordWrap", "one two three four", [(0, 0, "one two"), (0, 1, "three")]),
        ("overwrite", "x" * 50, [(0, 0, "x" * 20), (0, 1, "x" * 20), (0, 2, "x" * 10)]),
    ],
)
async def test_what_is_too_much_is_cut_and_the_client_is_warned(
    client: Dialogue, device: Receipts, overflow: str, value: str, lines: Any
) -> None:
    completion = await printed(client, {"f": (0, 0, 7, 2, {"overflow": overflow})}, {"f": value})
    assert code(completion) == "success"
    assert texts(device) == lines
    warnings = [one["payload"] for one in client.passed if one["header"]["name"].endswith("WarningEvent")]
    expected = [{"formName": "F", "fieldName": "f", "failure": "overflow"}]
    assert warnings == ([] if overflow == "overwrite" else expected)


async def test_best_fit_takes_a_smaller_font_if_that_fits(client: Dialogue, device: Receipts) -> None:
    field = (0, 0, 10, 2, {"overflow": "bestFit", "font": {"pointSize": 24}})
    await printed(client, {"f": field}, {"f": "one two three"})
    (text,) = {one.text for one in device.jobs[-1].pages[0].front if isinstance(one, PrintText)} - {"three"}
    assert text == "one two"
    sizes = {one.font.point_size for one in device.jobs[-1].pages[0].front if isinstance(one, PrintText)}
    assert len(sizes) == 1
    assert 6 <= sizes.pop() < 24


async def test_terminate_prints_nothing_and_tells_the_field_before_it_completes(
    client: Dialogue, device: Receipts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    completion = await printed(client, {"f": (0, 0, 5, 1)}, {"f": "secret far too long"})
    assert code(completion) == "fieldError"
    event = await client.until("event", completion["header"]["requestId"], "Printer.FieldErrorEvent")
    assert event["payload"] == {"formName": "F", "fieldName": "f", "failure": "overflow"}
    assert not device.jobs
    assert "secret" not in completion["header"]["errorDescription"]
    assert not any("secret" in record.getMessage() for record in caplog.records)


async def test_an_empty_name_of_a_media_or_field_is_none(client: Dialogue, device: Receipts) -> None:
    assert code(await printed(client, {"f": (0, 0, 5, 1)}, {"f": "one"}, mediaName="")) == "success"
    assert device.jobs[-1].media_name is None
    found = await client.success("Printer.GetQueryField", {"formName": "F", "fieldName": ""})
    assert list(found["fields"]) == ["f"]
    assert await client.failure(PRINT, {"formName": "", "fields": {}}) == "formNotFound"
    for name in ("Form", "Media"):
        assert await client.failure(f"Printer.Set{name}", {"name": "", name.lower(): None}) == "invalidData"


@pytest.mark.parametrize("told", [None, 7, b"x", ZeroDivisionError])
async def test_a_device_class_that_is_wrong_about_its_characters(
    client: Dialogue, device: Receipts, told: Any
) -> None:
    def lacks(text: str, font: Any) -> Any:
        return told if not isinstance(told, type) else 1 / 0

    device.lacks = lacks  # type: ignore[method-assign]
    assert code(await printed(client, {"f": (0, 0, 5, 1)}, {"f": "Ω"})) == "hardwareError"
    assert not device.jobs
    # What is ASCII is in all fonts.
    assert code(await printed(client, {"f": (0, 0, 5, 1)}, {"f": "one"})) == "success"


STATIC = {"class": "static", "initialValue": "fixed"}
REQUIRED = {"class": "required"}
TWICE = {"index": {"repeatCount": 2, "y": 1}}


def barcode(symbology: str) -> tuple[Any, ...]:
    return 0, 0, 5, 5, {"fieldType": "barcode", "font": {"name": symbology}}


@pytest.mark.parametrize(
    ("field", "values", "failure", "expected"),
    [
        ((0, 0, 5, 1, REQUIRED), {}, "required", "fieldError"),
        ((0, 0, 5, 1, REQUIRED | TWICE), {"f[0]": "a"}, "required", "fieldError"),
        ((0, 0, 5, 1, STATIC), {"f": "x"}, "staticOverwrite", "fieldError"),
        ((0, 0, 5, 1), {"g": "x"}, "notFound", "fieldError"),
        ((0, 0, 5, 1), {"f[0]": "x"}, "notFound", "fieldError"),
        ((0, 0, 5, 1), {"f[": "x"}, "notFound", "fieldSpecFailure"),
        ((0, 0, 5, 1), {"f[-1]": "x"}, "notFound", "fieldSpecFailure"),
        ((0, 0, 5, 1), {"f": ["x", "y"]}, "notFound", "fieldError"),
        ((0, 0, 5, 1, TWICE), {"f": "x"}, "notFound", "fieldError"),
        ((0, 0, 5, 1, TWICE), {"f[2]": "x"}, "notFound", "fieldError"),
        ((0, 0, 5, 1, TWICE), {"f[1]": ["x"]}, "notFound", "fieldError"),
        ((0, 0, 5, 1, TWICE), {"f": ["x"] * 3}, "notFound", "fieldError"),
        ((0, 0, 5, 5, {"fieldType": "graphic"}), {"f": "no base64!"}, "graphic", "fieldError"),
        ((0, 0, 5, 5, {"fieldType": "graphic"}), {"f": "bm8gcGljdHVyZQ=="}, "graphic", "fieldError"),
        ((0, 0, 5, 1), {"f": "\x1b@"}, None, "charSetData"),
        (barcode("EAN 13"), {"f": "123"}, None, "charSetData"),
        (barcode("EAN13"), {"f": "4006381333932"}, None, "charSetData"),
        (barcode("CODE39"), {"f": "lower"}, None, "charSetData"),
    ],
)
async def test_what_is_wrong_with_a_field_is_told(
    client: Dialogue, device: Receipts, field: Any, values: Any, failure: str | None, expected: str
) -> None:
    completion = await printed(client, {"f": field}, values)
    assert code(completion) == expected
    event = await client.until("event", completion["header"]["requestId"], "Printer.FieldErrorEvent")
    assert event["payload"].get("failure") == failure
    assert event["payload"]["fieldName"] in ("f", *values)
    assert not device.jobs


async def test_a_field_that_can_only_be_read_is_not_printed(nursery: trio.Nursery) -> None:
    device = Scribe()
    device.inserted_media.set()
    client = await serving(device, nursery)
    fields = {"line": (0, 0, 10, 1, {"access": "read", "fieldType": "ocr"}), "f": (0, 1, 5, 1)}
    completion = await printed(client, fields, {"line": "x"})
    assert code(completion) == "fieldError"
    event = await client.until("event", name="Printer.FieldErrorEvent")
    assert event["payload"]["failure"] == "notWrite"
    assert code(await client.completion(PRINT, {"formName": "F", "fields": {"f": "x"}})) == "success"
    assert texts(device) == [(0, 1, "x")]


async def test_static_required_and_optional_fields_print_what_they_say(
    client: Dialogue, device: Receipts
) -> None:
    fields = {
        "static": (0, 0, 5, 1, STATIC),
        "required": (5, 0, 5, 1, REQUIRED),
        "given": (0, 1, 5, 1, {"initialValue": "first"}),
        "first": (5, 1, 5, 1, {"initialValue": "first"}),
        "nothing": (0, 2, 5, 1),
        "empty": (0, 3, 5, 1, {"initialValue": "first"}),
    }
    await printed(client, fields, {"required": "r", "given": "g", "empty": ""})
    assert texts(device) == [(0, 0, "fixed"), (5, 0, "r"), (0, 1, "g"), (5, 1, "first")]


async def test_repeated_fields_take_a_list_or_single_elements(client: Dialogue, device: Receipts) -> None:
    fields = {
        "line": (0, 0, 5, 1, {"index": {"repeatCount": 3, "x": 5, "y": 1}, "initialValue": "-"}),
        "once": (0, 5, 5, 1),
    }
    await printed(client, fields, {"line": ["a", "", "c"], "once": ["o"]})
    assert texts(device) == [(0, 0, "a"), (5, 1, "-"), (10, 2, "c"), (0, 5, "o")]
    await printed(client, fields, {"line[1]": "b"})
    assert texts(device) == [(0, 0, "-"), (5, 1, "b"), (10, 2, "-")]


async def test_fields_are_printed_in_their_order(client: Dialogue, device: Receipts) -> None:
    fields = {
        "d": (0, 0, 5, 1),
        "c": (0, 0, 5, 1, {"order": 7}),
        "a": (0, 0, 5, 1, {"order": 0}),
        "b": (0, 0, 5, 1, {"order": 3}),
    }
    await printed(client, fields, {name: name for name in fields})
    assert [text for _, _, text in texts(device)] == ["a", "b", "c", "d"]


async def test_a_field_follows_what_was_printed_of_another(client: Dialogue, device: Receipts) -> None:
    fields = {
        "items": (2, 1, 8, 8, {"overflow": "wordWrap"}),
        "total": (0, 0, 8, 1, {"follows": "items"}),
        "thanks": (0, 0, 8, 1, {"follows": "total"}),
    }
    await printed(client, fields, {"items": "one\ntwo\nthree", "total": "6.00", "thanks": "bye"})
    assert texts(device) == [(2, 1, "one"), (2, 2, "two"), (2, 3, "three"), (2, 4, "6.00"), (2, 5, "bye")]
    # Nothing was printed: what follows begins where that would have.
    await printed(client, fields, {"total": "0.00"})
    assert texts(device) == [(2, 1, "0.00")]


async def test_a_form_grows_on_endless_paper_but_not_on_a_sheet(client: Dialogue, device: Receipts) -> None:
    fields = {"items": (0, 0, 8, 3), "total": (0, 0, 8, 2, {"follows": "items"})}
    values = {"items": "a\nb\nc", "total": "d\ne"}
    assert code(await printed(client, fields, values, height=3)) == "success"
    assert texts(device)[-1] == (0, 4, "e")
    assert device.jobs[-1].pages[0].length is None
    assert device.cell_of(0, device.jobs[-1].pages[0].end) == (0, 5)
    device.media_at("notPresent")
    assert code(await printed(client, fields, values, height=3, paperSource="lower")) == "mediaOverflow"


async def test_heads_and_feet_stand_on_their_pages(nursery: trio.Nursery) -> None:
    device = Scribe()
    device.inserted_media.set()
    client = await serving(device, nursery)
    fields = {
        "head": (0, 0, 5, 1, {"header": "ALL", "class": "static", "initialValue": "head"}),
        "foot": (0, 9, 5, 1, {"footer": "0,2", "class": "static", "initialValue": "foot"}),
        "first": (0, 1, 5, 1),
        "third": (0, 2, 5, 1, {"position": {"x": 0, "y": 2, "z": 2}}),
        "back": (0, 3, 5, 1, {"side": "back"}),
    }
    await printed(client, fields, {"first": "1", "third": "3", "back": "b"})
    assert texts(device, 0) == [(0, 0, "head"), (0, 9, "foot"), (0, 1, "1")]
    assert texts(device, 0, "back") == [(0, 3, "b")]
    assert texts(device, 1) == [(0, 0, "head")]
    assert texts(device, 2) == [(0, 0, "head"), (0, 9, "foot"), (0, 2, "3")]


async def test_sub_forms_and_frames_have_their_place(client: Dialogue, device: Receipts) -> None:
    sub = form({"inner": (1, 1, 5, 1)})
    await printed(
        client,
        {"outer": (0, 0, 5, 1)},
        {"inner": "in", "outer": "out"},
        subForms={
            "s": {
                "position": {"x": 10, "y": 5},
                "size": {"width": 8, "height": 4},
                "fields": sub["fields"],
                "frames": {"box": {"position": {"x": 0, "y": 0}, "size": {"width": 8, "height": 4}}},
            }
        },
        frames={
            "around": {"frames": "outer", "size": {"width": 5, "height": 2}, "style": "doubleThick"},
            "unused": {"frames": "inner", "size": {"width": 1, "height": 1}, "class": "optional"},
            "grid": {
                "position": {"x": 0, "y": 2},
                "size": {"width": 2, "height": 1},
                "repeat": {"repeatCountX": 3, "offsetX": 2, "repeatCountY": 2, "offsetY": 1},
                "title": "T",
                "fillColor": "red",
                "fillStyle": "solid",
            },
        },
    )
    front = device.jobs[-1].pages[0].front
    frames = [(*device.cell_of(one.x, one.y), one.line) for one in front if isinstance(one, PrintFrame)]
    assert frames[:2] == [(0, 0, "doubleThick"), (11, 6, "singleThin")]
    assert frames[2:8] == [(x, y, "singleThin") for y in (2, 3) for x in (0, 2, 4)]
    assert frames[8:] == [(10, 5, "singleThin")]
    assert [one for one in texts(device) if one[2] != "T"] == [(0, 0, "out"), (11, 6, "in")]
    filled = next(one for one in front if isinstance(one, PrintFrame) and one.fill_style == "solid")
    assert filled.fill_color == (255, 0, 0)
    # Whatever is printed lies above the frames.
    kinds = [type(one) for one in front if not (isinstance(one, PrintText) and one.text == "T")]
    assert kinds == [PrintFrame] * 9 + [PrintText] * 2


@pytest.mark.parametrize(
    ("orientation", "overflow", "beyond"),
    [
        ("portrait", "truncate", (0, 0, 5 * CELL[0], 2 * CELL[1])),
        ("landscape", "truncate", (2 * CELL[1], 0, 0, 5 * CELL[0])),
        ("portrait", "bestFit", (0, 0, 0, 0)),
    ],
)
async def test_a_frame_that_is_truncated_is_open_where_it_goes_on(
    client: Dialogue, device: Receipts, orientation: str, overflow: str, beyond: tuple[int, ...]
) -> None:
    frame = {"position": {"x": 5, "y": 4}, "size": {"width": 20, "height": 8}, "overflow": overflow}
    shape = {"orientation": orientation, "frames": {"f": frame}}
    assert code(await printed(client, {"g": (0, 0, 5, 1)}, {}, **shape)) == "success"
    (drawn,) = device.jobs[-1].pages[0].front
    assert isinstance(drawn, PrintFrame)
    assert all(abs(one - other) <= 1 for one, other in zip(drawn.beyond, beyond, strict=True))


async def test_optional_frames_are_drawn_with_their_field(client: Dialogue, device: Receipts) -> None:
    frames = {"around": {"frames": "f", "size": {"width": 5, "height": 2}, "class": "optional"}}
    await printed(client, {"f": (3, 3, 5, 1), "g": (0, 0, 5, 1)}, {"f": "x"}, frames=frames)
    assert [type(one) for one in device.jobs[-1].pages[0].front] == [PrintFrame, PrintText]
    await client.success(PRINT, {"formName": "F", "fields": {"g": "x"}})
    assert [type(one) for one in device.jobs[-1].pages[0].front] == [PrintText]


async def test_style_font_and_colour_reach_the_device(client: Dialogue, device: Receipts) -> None:
    more = {
        "style": {"bold": True, "width": "double", "lineSpacing": "triple", "underline": "single"},
        "font": {"name": "courier", "cpi": 10, "lpi": 6},
        "color": "red",
    }
    await printed(client, {"f": (0, 0, 20, 5, more)}, {"f": "abc"})
    (text,) = device.jobs[-1].pages[0].front
    assert isinstance(text, PrintText)
    assert (text.font.name, text.font.cpi, text.color) == ("courier", 10, (255, 0, 0))
    style = text.font.style
    assert (style.bold, style.width, style.height, style.underline) == (True, 2, 3, "single")
    assert text.width == 3 * 2 * 2540
    assert text.height == 3 * 25_400 // 6


async def test_the_cpi_of_a_form_is_that_of_its_cells(client: Dialogue, device: Receipts) -> None:
    fields = {"f": (10, 3, 10, 1, {"font": {"cpi": 20}})}
    await printed(client, fields, {"f": "0123456789"}, cpi=10, lpi=5)
    (text,) = device.jobs[-1].pages[0].front
    assert isinstance(text, PrintText)
    assert (text.x, text.y, text.width, text.font.cpi) == (25_400, 3 * 5080, 25_400, 10)


async def test_graphics_and_barcodes_come_with_what_they_need(client: Dialogue, device: Receipts) -> None:
    fields = {
        "logo": (0, 0, 5, 2, {"fieldType": "graphic", "class": "static", "initialGraphic": _64(PNG)}),
        "photo": (5, 0, 5, 2, {"fieldType": "graphic", "scaling": "maintainAspect"}),
        "ean": (0, 3, 10, 3, {"fieldType": "barcode", "font": {"name": "ean-13"}, "barcode": "below"}),
        "qr": (0, 6, 10, 4, {"fieldType": "barcode", "format": "QR"}),
    }
    values = {"photo": _64(b"BM picture"), "ean": "400638133393", "qr": "https://bank.example"}
    await printed(client, fields, values)
    logo, photo, ean, qr = device.jobs[-1].pages[0].front
    assert isinstance(logo, PrintGraphic)
    assert isinstance(photo, PrintGraphic)
    assert (logo.data, logo.format, logo.scaling) == (PNG, "png", "bestFit")
    assert (photo.format, photo.scaling) == ("bmp", "maintainAspect")
    assert isinstance(ean, PrintBarcode)
    assert isinstance(qr, PrintBarcode)
    assert (ean.symbology, ean.value, ean.text) == ("EAN13", "4006381333931", "below")
    assert (qr.symbology, qr.value, qr.text) == ("QR", "https://bank.example", "none")


async def test_a_stripe_is_written_with_its_form(nursery: trio.Nursery) -> None:
    device = Scribe()
    device.inserted_media.set()
    client = await serving(device, nursery)
    fields = {"stripe": (0, 0, 1, 1, {"fieldType": "msf", "format": "track2", "coercivity": "high"})}
    await printed(client, fields, {"stripe": "1234=99"})
    assert device.jobs[-1].pages[0].front == (PrintStripe("1234=99", "track2", "high"),)


@pytest.mark.parametrize(
    ("rotate", "place"),
    [
        ("none", (0, 0, 3, 1)),
        ("ninety", (9, 0, 1, 3)),
        ("upsideDown", (7, 4, 3, 1)),
        ("twoSeventy", (0, 2, 1, 3)),
    ],
)
async def test_rotated_text_keeps_to_its_field(
    client: Dialogue, device: Receipts, rotate: str, place: tuple[int, ...]
) -> None:
    unit = {"base": "inch", "x": 10, "y": 10}
    shape = form({"f": (0, 0, 10, 5, {"style": {"rotate": rotate}, "font": {"cpi": 10, "lpi": 10}})})
    await client.success("Printer.SetForm", {"name": "R", "form": {**shape, "unit": unit}})
    await client.success(PRINT, {"formName": "R", "fields": {"f": "abc"}})
    (text,) = device.jobs[-1].pages[0].front
    assert isinstance(text, PrintText)
    assert tuple(one // 2540 for one in (text.x, text.y, text.width, text.height)) == place
    assert text.rotation == {"none": 0, "ninety": 90, "upsideDown": 180, "twoSeventy": 270}[rotate]


MEDIA: dict[str, Any] = {
    "unit": {"base": "mm", "x": 1, "y": 1},
    "size": {"width": 70, "height": 100},
    "printArea": {"x": 5, "y": 10, "width": 60, "height": 80},
}


async def placed(
    client: Dialogue, device: Receipts, media: Any = MEDIA, orientation: str = "portrait", **more: Any
) -> tuple[int, int, int] | str:
    """Where a form of 20 x 10 mm begins on a medium, in mm, and how its text is turned; or why not."""
    await client.success("Printer.SetMedia", {"name": "M", "media": media})
    shape = form({"f": (0, 0, 20, 10, {"font": {"lpi": 6}})}, 20, 10, orientation=orientation)
    shape["unit"] = {"base": "mm", "x": 1, "y": 1}
    shape |= {"alignment": more.pop("own")} if "own" in more else {}
    await client.success("Printer.SetForm", {"name": "P", "form": shape})
    completion = await client.completion(
        PRINT, {"formName": "P", "mediaName": "M", "fields": {"f": "x"}, **more}
    )
    if code(completion) != "success":
        return code(completion)
    (text,) = device.jobs[-1].pages[0].front
    assert isinstance(text, PrintText)
    return text.x // 1000, text.y // 1000, text.rotation


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, (5, 10, 0)),
        ({"own": {"relative": "topLeft", "x": 3, "y": 4}}, (8, 14, 0)),
        ({"own": {"relative": "bottomRight", "x": 3, "y": 4}}, (42, 76, 0)),
        ({"alignment": "formDefinition", "own": {"relative": "topRight"}, "offsetX": 9}, (45, 10, 0)),
        ({"alignment": "topRight", "offsetX": 1, "offsetY": 2}, (44, 12, 0)),
        ({"alignment": "bottomLeft", "offsetX": 1, "offsetY": 2}, (6, 78, 0)),
        ({"alignment": "topLeft", "own": {"relative": "bottomRight", "x": 3, "y": 4}}, (8, 14, 0)),
        ({"alignment": "topLeft", "offsetX": 40, "offsetY": 70}, (45, 80, 0)),
        ({"alignment": "topLeft", "offsetX": 41, "offsetY": 70}, "mediaOverflow"),
        ({"alignment": "topLeft", "offsetX": 40, "offsetY": 71}, "mediaOverflow"),
        ({"alignment": "bottomRight", "offsetX": 41}, "mediaOverflow"),
        # x along the length, y from right to left: the first line is at the right edge.
        ({"orientation": "landscape"}, (60, 10, 90)),
        ({"orientation": "landscape", "alignment": "bottomRight"}, (10, 70, 90)),
        ({"orientation": "landscape", "alignment": "topLeft", "offsetX": 60}, (60, 70, 90)),
        ({"orientation": "landscape", "alignment": "topLeft", "offsetX": 61}, "mediaOverflow"),
    ],
)
async def test_a_form_stands_where_its_alignment_says(
    client: Dialogue, device: Receipts, more: Any, place: Any
) -> None:
    assert await placed(client, device, **more) == place


async def test_endless_media_have_no_bottom(client: Dialogue, device: Receipts) -> None:
    endless = {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 70}}
    assert await placed(client, device, endless, alignment="topLeft", offsetY=5000) == (0, 5000, 0)
    assert device.jobs[-1].pages[0].length is None
    assert await placed(client, device, endless, alignment="bottomLeft", offsetY=3) == (0, 3, 0)
    assert await placed(client, device, endless, alignment="topLeft", offsetX=51) == "mediaOverflow"


async def test_a_form_that_touches_the_restricted_area_is_not_printed(
    client: Dialogue, device: Receipts
) -> None:
    area = {"x": 5, "y": 12, "width": 10, "height": 10}
    assert await placed(client, device, {**MEDIA, "restricted": area}) == "mediaOverflow"
    assert not device.jobs
    beside = {"x": 30, "y": 10, "width": 10, "height": 10}
    assert await placed(client, device, {**MEDIA, "restricted": beside}) == (5, 10, 0)


@pytest.mark.parametrize(
    ("x", "y", "ended"),
    [(2, 3, "success"), (4, 3, "success"), (3, 2, "success"), (3, 4, "success"), (3, 3, "mediaOverflow")],
)
async def test_what_ends_where_the_restricted_area_begins_is_printed(
    client: Dialogue, device: Receipts, x: int, y: int, ended: str
) -> None:
    area = {"x": x, "y": y, "width": 1, "height": 1}
    media = {"unit": CELLS, "size": {"width": 20, "height": 10}, "restricted": area}
    await client.success("Printer.SetMedia", {"name": "M", "media": media})
    # Where a cell begins at a whole µm, so that its edges are those of its neighbours.
    await client.success("Printer.SetForm", {"name": "P", "form": form({"f": (3, 3, 1, 1)}, 4, 4)})
    completion = await client.completion(PRINT, {"formName": "P", "mediaName": "M", "fields": {"f": "x"}})
    assert code(completion) == ended


async def test_without_a_media_the_paper_of_the_source_counts(client: Dialogue, device: Receipts) -> None:
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "x"}, paperSource="lower")
    (text,) = device.jobs[-1].pages[0].front
    assert isinstance(text, PrintText)
    assert (text.x, text.y, device.jobs[-1].source) == (5000, 5000, "lower")
    assert (device.jobs[-1].pages[0].width, device.jobs[-1].pages[0].length) == (210_000, 297_000)
    device.media_at("notPresent")
    assert code(await printed(client, {"f": (0, 0, 5, 1)}, {"f": "x"}, width=100)) == "mediaOverflow"


async def test_a_source_with_paper_is_preferred(client: Dialogue, device: Receipts) -> None:
    device.paper_is("upper", "out")
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "x"}, paperSource="any")
    assert device.jobs[-1].source == "lower"
    # The sheet is in the print position now: the source is not looked at.
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "x"}, paperSource="aux")
    assert device.jobs[-1].source is None


async def test_resolution_and_skew_reach_the_device(client: Dialogue, device: Receipts) -> None:
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "x"}, resolution="medium", skew=5)
    assert (device.jobs[-1].resolution, device.jobs[-1].skew) == ("medium", 5)
    assert code(await printed(client, {"f": (0, 0, 5, 1)}, {"f": "x"}, resolution="high")) == "invalidData"


async def gone(device: Receipts) -> None:
    """Wait until the service has noticed that its clients have gone."""
    service: Any = device._host
    with trio.fail_after(30):
        while service.sessions:  # noqa: ASYNC110
            await trio.sleep(0.01)


# What waits.

KEEP: dict[str, Any] = {"mediaControl": {"flush": False}}


async def test_pages_wait_until_they_are_flushed(client: Dialogue, device: Receipts) -> None:
    for number, text in enumerate(("a", "b")):
        await printed(client, {"f": (0, number, 5, 1)}, {"f": text}, **KEEP)
    assert not device.jobs
    await client.success("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    assert texts(device) == [(0, 0, "a"), (0, 1, "b")]
    await client.success("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    assert len(device.jobs) == 1


async def test_an_action_flushes_an_alarm_does_not(client: Dialogue, device: Receipts) -> None:
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"}, mediaControl={"flush": False, "alarm": True})
    await client.success("Printer.ControlMedia", {"mediaControl": {"alarm": True}})
    assert not device.jobs
    await client.success("Printer.ControlMedia", {"mediaControl": {"cut": True, "move": "eject"}})
    assert [name for name, *_ in device.called][-2:] == ["print_pages", "control_media"]


async def test_a_short_receipt_after_a_long_one_is_short(client: Dialogue, device: Receipts) -> None:
    await printed(client, {"f": (0, 9, 5, 1)}, {"f": "a"})
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"})
    assert [one.pages[0].end for one in device.jobs] == [10 * 25_400 // 6, 25_400 // 6]


@pytest.mark.parametrize("how", ["ClearBuffer", "Reset"])
async def test_what_waits_can_be_thrown_away(client: Dialogue, device: Receipts, how: str) -> None:
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"}, **KEEP)
    await client.success(f"Printer.{how}")
    await client.success("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    assert not device.jobs


async def test_a_failing_command_takes_back_only_its_own(client: Dialogue, device: Receipts) -> None:
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"}, **KEEP)
    assert code(await printed(client, {"f": (0, 1, 1, 1)}, {"f": "too long"})) == "fieldError"
    device.refuses["print_pages"] = refusal("shutterFail")
    assert code(await printed(client, {"f": (0, 1, 1, 1)}, {"f": "b"})) == "shutterFail"
    device.refuses.clear()
    await client.success("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    assert texts(device) == [(0, 0, "a")]


async def test_what_waits_goes_with_the_last_client(
    client: Dialogue, device: Receipts, nursery: trio.Nursery
) -> None:
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"}, **KEEP)
    second = await another(client, nursery)
    await client.connection.aclose()
    await second.success("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    assert texts(device) == [(0, 0, "a")]
    await second.success(PRINT, {"formName": "F", "fields": {"f": "b"}, **KEEP})
    await second.connection.aclose()
    await gone(device)
    third = await another(client, nursery)
    await third.success("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    assert len(device.jobs) == 1


async def test_other_paper_does_not_join_what_waits(client: Dialogue, device: Receipts) -> None:
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"}, **KEEP)
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "b"}, paperSource="lower", **KEEP)
    assert [one.source for one in device.jobs] == ["upper"]
    await client.success("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    assert texts(device) == [(2, 1, "b")]


async def test_what_waits_and_can_never_be_printed_stands_in_nobodys_way(
    client: Dialogue, device: Receipts
) -> None:
    await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"}, **KEEP)
    device.refuses["print_pages"] = refusal("charSetData")
    completion = await printed(client, {"f": (0, 1, 5, 1)}, {"f": "b"})
    assert code(completion) == "charSetData"
    assert completion["header"]["errorDescription"].endswith("what waited to be printed is forgotten")
    device.refuses.clear()
    await printed(client, {"f": (0, 2, 5, 1)}, {"f": "c"})
    assert texts(device) == [(0, 2, "c")]


@pytest.mark.parametrize(
    "values", [{"f": ["a"], "f[0]": "b"}, {"f[1]": "a", "f[01]": "b"}, {"f[0]": "a", "f": ["", "b", "c"]}]
)
async def test_an_element_is_given_once(client: Dialogue, device: Receipts, values: dict[str, Any]) -> None:
    rows = (0, 0, 5, 1, {"index": {"repeatCount": 3, "x": 0, "y": 1}})
    completion = await printed(client, {"f": rows}, values)
    once = values.get("f") == ["", "b", "c"]
    assert code(completion) == ("success" if once else "fieldSpecFailure")


async def field_error(client: Dialogue, completion: dict[str, Any]) -> dict[str, Any]:
    event = await client.until("event", completion["header"]["requestId"], "Printer.FieldErrorEvent")
    payload: dict[str, Any] = event["payload"]
    return payload


class Picky(Receipts):
    """A printer that finds something wrong with every picture and every barcode."""

    async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
        for item in job.pages[0].front:
            if isinstance(item, PrintGraphic | PrintBarcode):
                raise devices.UnprintableItem(item, "it cannot be drawn")
        return await super().print_pages(job, events)


@pytest.mark.parametrize("version", [None, "2023-2", "2021-1"])
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "when it is flushed"])
async def test_the_field_of_what_the_device_cannot_print_is_told(
    nursery: trio.Nursery, version: str | None, waits: bool
) -> None:
    client = await serving(Picky(), nursery)
    asking = client if version is None else await another(client, nursery, version)
    graphic, text = base64.b64encode(b"BM and nothing else").decode(), {"text": "plain"}
    fields = {
        "photo": (0, 0, 5, 5, {"fieldType": "graphic"}),
        "code": (5, 0, 5, 5, {"fieldType": "barcode", "font": {"name": "QR"}}),
        "text": (10, 0, 5, 1),
    }
    await client.success("Printer.SetForm", {"name": "F", "form": form(fields)})
    for name, value, expected in (("photo", graphic, "fieldError"), ("code", "7", "charSetData")):
        if waits:
            await client.success(PRINT, {"formName": "F", "fields": {name: value}, **KEEP})
        completion = await asking.completion(
            PRINT, {"formName": "F", "fields": text if waits else {name: value}}
        )
        payload = completion["payload"]
        assert payload["errorCode"] == expected
        described = payload if version == "2021-1" else completion["header"]
        assert f"form F, field {name}: it cannot be drawn" in described["errorDescription"]
        event = await asking.until("event", completion["header"]["requestId"], "Printer.FieldErrorEvent")
        told = {"formName": "F", "fieldName": name}
        if name == "photo":
            told["failure"] = "graphic"
        assert event["payload"] == told
        # It does not stand in anybody's way.
        await client.success(PRINT, {"formName": "F", "fields": text})


async def test_what_a_flush_cannot_print_is_no_field_of_another_command(nursery: trio.Nursery) -> None:
    client = await serving(Picky(), nursery)
    fields = {"code": (5, 0, 5, 5, {"fieldType": "barcode", "font": {"name": "QR"}})}
    await printed(client, fields, {"code": "7"}, **KEEP)
    flush = await client.completion("Printer.ControlMedia", {"mediaControl": {"flush": True}})
    assert code(flush) == "flushFail"
    assert not [one for one in client.passed if one["header"]["name"] == "Printer.FieldErrorEvent"]


# The device.


CODES = """
    flushFail mediaSkewed pageTurnFail mediaTurnFail shutterFail mediaJammed paperJammed paperOut inkOut
    tonerOut sequenceInvalid mediaRetained blackMark mediaSize mediaRejected mediaRetracted msfError noMSF
"""


@pytest.mark.parametrize("failure", CODES.split())
async def test_the_device_says_why_it_does_not_print(
    client: Dialogue, device: Receipts, failure: str
) -> None:
    device.refuses["print_pages"] = refusal(failure)
    assert code(await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"})) == failure


async def test_receipts_that_notice_missing_paper(client: Dialogue, device: Receipts) -> None:
    """Paper runs out in the middle of a receipt: it is said at once, and how much was printed."""
    device.refuses["print_pages"] = devices.Printed(
        pages=0, length=84_000, failure=errors.CommandError("paperOut", "no paper at the head")
    )
    control = {"mediaControl": {"cut": True, "move": "eject"}}
    completion = await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"}, **control)
    assert code(completion) == "paperOut"
    said = completion["header"]["errorDescription"]
    assert said == "no paper at the head; 0 of 1 pages were printed whole, and 84.0 mm of the next"
    event = await client.until("unsolicited", name="Printer.PaperThresholdEvent")
    assert event["payload"] == {"paperSource": "upper", "threshold": "out"}
    status = (await client.success("Common.Status"))["printer"]
    assert (status["paper"]["upper"], status["media"]) == ("out", "present")
    # Half a receipt is not given to the customer.
    assert [name for name, *_ in device.called] == ["print_pages"]


async def test_a_device_that_says_which_paper_is_out_is_believed(client: Dialogue, device: Receipts) -> None:
    """What it printed on last says nothing where it has chosen by itself."""

    async def runs_out() -> None:
        device.paper_is("upper", "out")

    device.hand["print_raw"] = runs_out
    device.refuses["print_raw"] = refusal("paperOut")
    raw = {"data": "AAAA", "inputData": "no"}
    assert await client.failure("Printer.PrintRaw", raw) == "paperOut"
    paper = (await client.success("Common.Status"))["printer"]["paper"]
    assert paper == {"upper": "out", "lower": "full"}
    # One that says nothing has it said for it, once.
    del device.hand["print_raw"]
    device.paper_is("upper", "full")
    for _ in range(2):
        assert await client.failure("Printer.PrintRaw", raw) == "paperOut"
        paper = (await client.success("Common.Status"))["printer"]["paper"]
        assert paper == {"upper": "out", "lower": "full"}


async def test_paper_that_is_torn_off_as_it_comes_is_gone(client: Dialogue, device: Receipts) -> None:
    async def torn_off() -> None:
        device.media_at("present")
        device.media_taken()

    device.hand["dispense_paper"] = torn_off
    await client.success("Printer.DispensePaper")
    assert (await client.success("Common.Status"))["printer"]["media"] == "notPresent"


async def test_a_device_that_stops_between_pages_when_the_client_gives_up(
    client: Dialogue, device: Receipts
) -> None:
    began = trio.Event()

    async def slowly() -> None:
        began.set()
        await trio.sleep(0.2)

    device.hand["print_pages"] = slowly
    device.refuses["print_pages"] = devices.Printed(pages=0, length=10_000)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    payload = {"formName": "F", "fields": {"f": "a"}, "mediaControl": {"move": "eject"}}
    number = await client.send(PRINT, payload)
    await began.wait()
    await client.success("Common.Cancel", {"requestIds": [number]})
    completion = await client.until("completion", number)
    assert code(completion) == "canceled"
    # What was begun is in the print position, and not presented.
    assert [name for name, *_ in device.called] == ["print_pages"]
    assert (await client.success("Common.Status"))["printer"]["media"] == "present"
    assert code(await client.completion(PRINT, payload)) == "hardwareError"


async def test_no_more_pages_are_believed_than_were_sent(
    client: Dialogue, device: Receipts, caplog: pytest.LogCaptureFixture
) -> None:
    device.refuses["print_pages"] = devices.Printed(pages=99)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    payload = {"formName": "F", "fields": {"f": "a"}}
    assert code(await client.completion(PRINT, payload)) == "hardwareError"
    assert "print_pages returned what cannot be" in caplog.text
    assert "at most 1, as many as the job has" in caplog.text
    device.refuses["print_pages"] = devices.Printed(pages=1)
    await client.success(PRINT, payload)


async def test_what_was_begun_is_not_torn_by_a_cancel(client: Dialogue, device: Receipts) -> None:
    began = trio.Event()

    async def slowly() -> None:
        began.set()
        await trio.sleep(0.2)

    device.hand["print_pages"] = slowly
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    number = await client.send(PRINT, {"formName": "F", "fields": {"f": "a"}})
    await began.wait()
    await client.success("Common.Cancel", {"requestIds": [number]})
    await client.until("completion", number)
    assert texts(device) == [(0, 0, "a")]


async def test_an_action_that_the_device_lacks_is_refused_before_it_prints(
    client: Dialogue, device: Receipts
) -> None:
    completion = await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"}, mediaControl={"stamp": True})
    assert code(completion) == "invalidData"
    assert not device.jobs


async def test_a_device_class_that_measures_wrongly_harms_only_its_command(
    client: Dialogue, device: Receipts, caplog: pytest.LogCaptureFixture
) -> None:
    wrong: Any
    for wrong in (lambda *_: 1.5, lambda *_: -1, lambda *_: 1 / 0):
        device.measure = wrong  # type: ignore[method-assign]
        completion = await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"})
        assert code(completion) == "hardwareError"
        assert "Receipts.measure" in completion["header"]["errorDescription"]
    del device.measure
    assert code(await printed(client, {"f": (0, 0, 5, 1)}, {"f": "a"})) == "success"


async def test_widths_are_the_devices(client: Dialogue, device: Receipts) -> None:
    device.measure = lambda text, font: sum(1000 if one == "i" else 4000 for one in text)  # type: ignore[method-assign]
    await printed(client, {"f": (0, 0, 10, 2)}, {"f": "iiiiiiiiiiiiiii mmmm"})
    assert [text for _, _, text in texts(device)] == ["iiiiiiiiiiiiiii", "mmmm"]
    assert device.jobs[-1].pages[0].front[0].width == 15_000  # type: ignore[union-attr]


def _64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_client_that_goes_in_the_middle_of_a_print_leaves_it_whole(
    client: Dialogue, device: Receipts, nursery: trio.Nursery
) -> None:
    other = await another(client, nursery)
    begun, goes_on = trio.Event(), trio.Event()

    async def hold() -> None:
        begun.set()
        await goes_on.wait()

    device.hand["print_pages"] = hold
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    payload = {"formName": "F", "fields": {"f": "one"}, "mediaControl": {"move": "eject"}}
    await client.send(PRINT, payload)
    await begun.wait()
    await client.connection.aclose()
    waiting = await other.send(PRINT, payload | {"fields": {"f": "two"}})
    await other.until("acknowledge", waiting)
    del device.hand["print_pages"]
    goes_on.set()
    assert code(await other.until("completion", waiting)) == "success"
    assert [job.pages[0].front[0].text for job in device.jobs] == ["one", "two"]  # type: ignore[union-attr]
    assert (await other.success("Common.Status"))["printer"]["media"] in ("entering", "notPresent")


async def test_what_a_client_wanted_to_wait_is_not_printed_for_the_next(
    client: Dialogue, device: Receipts, nursery: trio.Nursery
) -> None:
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    begun, goes_on = threading.Event(), threading.Event()

    def hold(text: str, font: Any) -> int:
        begun.set()
        goes_on.wait()
        return devices.Printer.measure(device, text, font)

    device.measure = hold  # type: ignore[method-assign]
    await client.send(PRINT, {"formName": "F", "fields": {"f": "one"}, "mediaControl": {"flush": False}})
    await trio.to_thread.run_sync(begun.wait)
    await client.connection.aclose()
    other = await another(client, nursery)
    goes_on.set()
    await other.success(PRINT, {"formName": "F", "fields": {"f": "two"}})
    assert texts(device) == [(0, 0, "two")]


@pytest.mark.parametrize("version", ["2024-3", "2023-2", "2021-1"])
async def test_characters_that_are_replaced_are_told_in_each_version(
    client: Dialogue, device: Receipts, nursery: trio.Nursery, version: str
) -> None:
    device.lacks = lambda text, font: "Ω" * 1_000_000 + "x"  # type: ignore[method-assign]
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    asking = await another(client, nursery, version)
    await asking.success(PRINT, {"formName": "F", "fields": {"f": "aΩ"}})
    event = await asking.until("event", name="Printer.FieldWarningEvent")
    assert event["payload"] == {"formName": "F", "fieldName": "f"}
