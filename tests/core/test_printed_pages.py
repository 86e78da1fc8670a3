"""Pages, drawn: every item where it belongs and as it is to look."""

from __future__ import annotations

import dataclasses
import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, features

import approved
from approved import how_different, require_approved
from xfs4iot.devices import (
    PrintBarcode,
    PrintFont,
    PrintFrame,
    PrintGraphic,
    PrintPage,
    PrintStyle,
    PrintText,
)
from xfs4iot.printing import fonts, frames
from xfs4iot.printing.barcodes import symbol
from xfs4iot.printing.canvas import LONGEST, Canvas, Lettering
from xfs4iot.printing.pages import Head
from xfs4iot.printing.pdf import as_pdf
from xfs4iot.protocol import errors

HEAD = Head()
HAS_RAQM = features.check("raqm")
with_raqm = pytest.mark.skipif(
    not HAS_RAQM, reason="without Raqm Pillow rounds distances of letters otherwise"
)
MM = 1_000
LINE = 4_233
STYLES = {
    "plain": PrintStyle(),
    "bold": PrintStyle(bold=True),
    "italic": PrintStyle(italic=True),
    "underline": PrintStyle(underline="single"),
    "double underline": PrintStyle(underline="double"),
    "strike": PrintStyle(strike="single"),
    "double strike": PrintStyle(strike="double"),
    "overscore": PrintStyle(overscore=True),
    "wide": PrintStyle(width=2),
    "triple wide": PrintStyle(width=3),
    "high": PrintStyle(height=2),
    "wide and high": PrintStyle(width=2, height=2),
    "proportional": PrintStyle(spacing="proportional"),
    "condensed": PrintStyle(spacing="condensed"),
    "superscript": PrintStyle(script="superscript"),
    "subscript": PrintStyle(script="subscript"),
    "bold, italic, underlined": PrintStyle(bold=True, italic=True, underline="single"),
}


def text(value: str, x: int = 2 * MM, y: int = 2 * MM, **more: Any) -> PrintText:
    font = more.pop("font", PrintFont())
    width, height = HEAD.measure(value, font), LINE * font.style.height
    if more.get("rotation") in (90, 270):
        width, height = height, width
    return PrintText(x=x, y=y, width=width, height=height, text=value, font=font, **more)


def drawn(*items: Any, width: int = 72 * MM, length: int | None = None, head: Head = HEAD) -> Image.Image:
    return head.draw(PrintPage(width=width, length=length, front=items)).finished()


def read(picture: Image.Image) -> list[tuple[str, str]]:
    with_margin = ImageOps.expand(picture.convert("L"), 40, 255)
    return [(one.format.name, one.text) for one in zxingcpp.read_barcodes(with_margin)]


def file_of(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


@with_raqm
def test_every_style_looks_as_approved(tmp_path: Path) -> None:
    items, y = [], 2 * MM
    for name, style in STYLES.items():
        items.append(text(name, y=y, font=PrintFont(style=style)))
        y += LINE * style.height + MM // 2
    require_approved("styles", drawn(*items), tmp_path)


@with_raqm
def test_text_runs_in_four_directions(tmp_path: Path) -> None:
    items = [
        text("upright", x=20 * MM, y=10 * MM),
        text("to the bottom", x=45 * MM, y=5 * MM, rotation=90),
        text("upside down", x=15 * MM, y=20 * MM, rotation=180),
        text("to the top", x=5 * MM, y=5 * MM, rotation=270),
    ]
    require_approved("directions", drawn(*items, length=35 * MM), tmp_path)


@with_raqm
def test_fonts_have_the_size_that_is_asked_for(tmp_path: Path) -> None:
    sizes = [PrintFont(cpi=cpi) for cpi in (5, 10, 20)]
    sizes += [PrintFont(point_size=points) for points in (6, 9, 14)]
    sizes += [PrintFont(name="Helvetica", point_size=12), PrintFont(lpi=12)]
    items, y = [], MM
    for font in sizes:
        items.append(text("Total 12.50 €", y=y, font=font))
        y += 6 * MM
    require_approved("sizes", drawn(*items), tmp_path)


@pytest.mark.parametrize("shaper", [pytest.param("raqm", marks=with_raqm), "bidi"])
def test_hebrew_and_arabic_are_joined_and_run_from_the_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shaper: str
) -> None:
    # Where Pillow has no FriBiDi, others join and order the letters; only their distances differ a little.
    monkeypatch.setattr(fonts, "_shapes", lambda: shaper == "raqm")
    fonts.font.cache_clear()
    font = PrintFont(name="sans", point_size=14)
    texts = ["שלום עולם", "מחיר 12.50 ₪", "مرحبا بالعالم", "المبلغ ١٢٣", "Total: שלום 7"]
    items = [
        text(one, y=(2 + 8 * number) * MM, font=font, direction="ltr" if one[0] == "T" else "rtl")
        for number, one in enumerate(texts)
    ]
    try:
        require_approved(f"from_the_right_{shaper}", drawn(*items), tmp_path)
    finally:
        fonts.font.cache_clear()


def test_arabic_letters_are_joined() -> None:
    # Joined, a word is narrower than its letters apart.
    look = Lettering(face="sans", size=40)
    assert look.width("مرحبا") < 0.9 * sum(look.width(letter) for letter in "مرحبا")


@pytest.mark.parametrize("name", ["singleThin", "doubleThin", "singleThick", "doubleThick", "dotted"])
def test_frames_look_as_approved(tmp_path: Path, name: Any) -> None:
    shapes: list[Any] = ["rectangle", "roundedCorner", "ellipse"]
    fills: list[Any] = ["none", "bdiagonal", "cross"]
    items = [
        PrintFrame(x=(2 + 23 * number) * MM, y=2 * MM, width=20 * MM, height=12 * MM, shape=shape, line=name)
        for number, shape in enumerate(shapes)
    ]
    items += [
        PrintFrame(
            x=(2 + 23 * number) * MM, y=17 * MM, width=20 * MM, height=12 * MM, line=name, fill_style=fill
        )
        for number, fill in enumerate(fills)
    ]
    items.append(PrintFrame(x=2 * MM, y=32 * MM, width=66 * MM, height=200, line=name))
    require_approved(f"frames_{name}", drawn(*items), tmp_path)


def test_frames_that_go_on_beyond_their_box_are_open_there(tmp_path: Path) -> None:
    shapes: list[Any] = ["rectangle", "roundedCorner", "ellipse"]
    beyond = [(0, 0, 5 * MM, 0), (0, 0, 5 * MM, 4 * MM), (6 * MM, 0, 0, 0), (0, 2**31 - 1, 0, 2**31 - 1)]
    items = [
        PrintFrame(
            x=(2 + 23 * column) * MM,
            y=(2 + 15 * row) * MM,
            width=20 * MM,
            height=12 * MM,
            shape=shape,
            line="doubleThick",
            beyond=over,
        )
        for row, over in enumerate(beyond)
        for column, shape in enumerate(shapes)
    ]
    require_approved("frames_open", drawn(*items), tmp_path)


@pytest.mark.parametrize(
    ("symbology", "value", "shown"),
    [
        ("CODE128", "ABC-12345", "ABC-12345"),
        ("GS1128", "[01]09501101530003", "0109501101530003"),
        ("CODE39", "CODE 39", "CODE 39"),
        ("CODE93", "CODE93", "CODE93"),
        ("CODABAR", "A1234B", "A1234B"),
        ("ITF", "12345670", "12345670"),
        ("EAN13", "4006381333931", "4006381333931"),
        ("EAN8", "96385074", "96385074"),
        ("UPCA", "036000291452", "0036000291452"),
        ("UPCE", "01234565", "0012345000065"),
        ("QR", "https://example.com/1", "https://example.com/1"),
        ("PDF417", "some text", "some text"),
        ("DATAMATRIX", "matrix", "matrix"),
        ("AZTEC", "aztec", "aztec"),
    ],
)
@pytest.mark.parametrize("rotation", [0, 90])
def test_barcodes_can_be_read_again(symbology: Any, value: str, shown: str, rotation: Any) -> None:
    width, height = (68 * MM, 30 * MM) if not rotation else (30 * MM, 68 * MM)
    item = PrintBarcode(
        x=2 * MM,
        y=2 * MM,
        width=width,
        height=height,
        value=value,
        symbology=symbology,
        text="below",
        rotation=rotation,
    )
    found = [content.replace("\x1d", "") for _, content in read(drawn(item))]
    assert [one.replace("(", "").replace(")", "") for one in found] == [shown]


def test_people_read_gs1_identifiers_in_round_brackets() -> None:
    made = [symbol("GS1128", value).text for value in ("[01]09501101530003[10]A1", "(01)09501101530003")]
    assert made == ["(01)09501101530003(10)A1", "(01)09501101530003"]


@with_raqm
def test_a_barcode_has_its_text_where_it_is_asked_for(tmp_path: Path) -> None:
    items = [
        PrintBarcode(
            x=2 * MM,
            y=(2 + 17 * number) * MM,
            width=60 * MM,
            height=15 * MM,
            value="4006381333931",
            symbology="EAN13",
            text=where,  # type: ignore[arg-type]
        )
        for number, where in enumerate(("none", "above", "below", "both"))
    ]
    require_approved("barcode_texts", drawn(*items), tmp_path)


@pytest.mark.parametrize(
    ("symbology", "value", "width"),
    [("EAN13", "ABC", 60), ("EAN13", "4006381333932", 60), ("CODE128", "TOO-LONG-FOR-THIS", 5)],
)
def test_a_barcode_that_cannot_be_is_refused_before_anything_moves(
    symbology: Any, value: str, width: int
) -> None:
    item = PrintBarcode(x=0, y=0, width=width * MM, height=10 * MM, value=value, symbology=symbology)
    with pytest.raises(errors.CommandError) as refused:
        drawn(item)
    assert refused.value.error_code == "charSetData"
    assert value not in str(refused.value)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG", "TIFF", "GIF"])
def test_graphics_of_all_formats_fill_their_box(kind: str) -> None:
    picture = Image.new("L", (40, 20), 0)
    item = PrintGraphic(
        x=10 * MM, y=5 * MM, width=20 * MM, height=20 * MM, data=file_of(picture, kind), format="png"
    )
    box = ImageOps.invert(drawn(item).convert("L")).getbbox()
    assert box == (80, 40, 240, 200)


@pytest.mark.parametrize(
    ("scaling", "size"), [("bestFit", (160, 160)), ("asIs", (40, 20)), ("maintainAspect", (160, 80))]
)
def test_graphics_are_scaled_as_asked(scaling: Any, size: tuple[int, int]) -> None:
    data = file_of(Image.new("1", (40, 20), 0), "PNG")
    item = PrintGraphic(x=0, y=0, width=20 * MM, height=20 * MM, data=data, format="png", scaling=scaling)
    assert ImageOps.invert(drawn(item).convert("L")).getbbox() == (0, 0, *size)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_broken_graphic_is_refused(data: bytes) -> None:
    item = PrintGraphic(x=0, y=0, width=20 * MM, height=20 * MM, data=data, format="png")
    with pytest.raises(errors.CommandError) as refused:
        drawn(item)
    assert refused.value.error_code == "charSetData"


@pytest.mark.parametrize("kind", ["frame", "other picture"])
def test_what_takes_too_long_to_draw_is_refused(kind: str) -> None:
    """A form of some kilobytes can ask for hours of drawing."""
    side = 4_400
    unpacked = [file_of(Image.new("1", (side, side + number), 0), "PNG") for number in range(2)]
    items: list[Any] = [
        PrintFrame(0, 0, 72 * MM, 1_000 * MM, fill_style="diagcross")
        if kind == "frame"
        else PrintGraphic(0, 0, MM, MM, unpacked[number % 2], "png")
        for number in range(2_000)
    ]
    with pytest.raises(errors.CommandError, match="more on it than can be drawn") as refused:
        HEAD.draw(PrintPage(width=72 * MM, length=None, front=tuple(items)))
    assert refused.value.error_code == "charSetData"


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (40, 3), (64, 64), (101, 233)])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_dots_are_a_chessboard_however_large(size: tuple[int, int], step: int) -> None:
    shown = frames._dots(size, step)
    if min(size) > step:
        squares = [[(x // step + y // step) % 2 == 0 for x in range(size[0])] for y in range(size[1])]
        assert [[bool(shown.getpixel((x, y))) for x in range(size[0])] for y in range(size[1])] == squares


def test_a_picture_in_each_element_is_unpacked_once() -> None:
    data = file_of(Image.new("1", (4_400, 4_400), 0), "PNG")
    items = [PrintGraphic(0, 5 * number * MM, MM, MM, data, "png") for number in range(40)]
    shown = drawn(*items, length=210 * MM)
    assert [shown.getpixel((2, round((5 * number + 0.5) * 8))) for number in range(40)] == [0] * 40


def test_a_picture_that_is_far_too_large_is_refused_in_words_of_its_own() -> None:
    """Beyond its own limit Pillow refuses it before its size can be seen."""
    data = bytearray(file_of(Image.new("1", (8, 8)), "PNG"))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(errors.CommandError, match="more than 20,000,000 dots; make it smaller"):
        drawn(PrintGraphic(x=0, y=0, width=20 * MM, height=20 * MM, data=bytes(data), format="png"))


def test_later_items_lie_above_and_opaque_text_covers() -> None:
    black = PrintFrame(x=0, y=0, width=60 * MM, height=10 * MM, fill_style="solid")
    covered = drawn(black, text("x" * 20, x=5 * MM, font=PrintFont(style=PrintStyle(opaque=True))))
    bare = drawn(black, text("x" * 20, x=5 * MM))
    assert covered.convert("L").histogram()[255] > bare.convert("L").histogram()[255] + 1_000


def test_a_printer_of_one_colour_prints_every_colour_but_white() -> None:
    yellow = drawn(text("yellow", color=(255, 255, 0)))
    assert how_different(drawn(text("yellow")), yellow) is None
    assert drawn(text("white", color=(255, 255, 255))).convert("L").getextrema() == (255, 255)


def test_a_printer_with_colours_prints_them() -> None:
    head = Head(color=True)
    picture = drawn(text("red", color=(255, 0, 0)), head=head)
    counts = {colour: count for count, colour in picture.getcolors(10_000) or []}
    assert counts[(255, 0, 0)] > 20
    assert all(red >= green == blue for red, green, blue in counts)


def test_what_lies_outside_the_page_is_cut_off() -> None:
    far = text("far away", x=2**31 - 1, y=2**31 - 1)
    assert drawn(far, width=50 * MM, length=40 * MM).size == (400, 320)
    assert drawn(far).height <= LONGEST


def test_control_characters_print_as_blanks() -> None:
    assert how_different(drawn(text("a b")), drawn(text("a\nb"))) is None


def test_a_measured_text_ends_where_it_was_said_to_end() -> None:
    for value, font in (
        ("Total 12.50 €", PrintFont(cpi=10)),
        ("WWWWiiii", PrintFont(name="Arial", point_size=12)),
        ("שלום", PrintFont(point_size=12)),
        ("wide", PrintFont(style=PrintStyle(width=3))),
    ):
        box = ImageOps.invert(drawn(text(value + "|", x=0, font=font)).convert("L")).getbbox()
        assert box is not None
        end = HEAD.in_dots(HEAD.measure(value + "|", font))
        assert end - 0.6 * HEAD.lettering(font).width("|") - 2 <= box[2] <= end + 2


@with_raqm
def test_accents_take_no_room_of_their_own() -> None:
    apart, whole = "cafe\u0301 " * 3, "caf\u00e9 " * 3
    assert HEAD.measure(apart, PrintFont()) == HEAD.measure(whole, PrintFont())
    assert how_different(drawn(text(whole)), drawn(text(apart))) is None


def test_pages_become_a_pdf_of_their_real_size() -> None:
    page = drawn(text("first"), width=72 * MM, length=100 * MM)
    pdf = as_pdf([page, page], HEAD.dots)
    assert pdf.startswith(b"%PDF-")
    assert b"/Count 2" in pdf
    width = page.width * 72 // HEAD.dots
    assert re.search(rf"MediaBox \[0 0 {width}\.\d+ 28\d\.".encode(), pdf)
    packed = re.findall(rb"/FlateDecode /Length \d+ >>\nstream\n(.*?)\nendstream", pdf, re.DOTALL)
    assert [zlib.decompress(one) for one in packed] == [page.tobytes()] * 2
    for number, place in enumerate(re.findall(rb"^(\d{10}) 00000 n $", pdf, re.MULTILINE), 1):
        assert pdf[int(place) :].startswith(b"%d 0 obj\n" % number)


@pytest.mark.parametrize("style", ["solid", "cross", "diagcross", "fdiagonal"])
@pytest.mark.parametrize("color", [False, True])
def test_what_is_hatched_takes_no_room_in_a_file(style: Any, color: bool) -> None:
    frame = PrintFrame(0, 0, 72 * MM, 500 * MM, fill_style=style)
    page = Head(color=color).draw(PrintPage(72 * MM, 500 * MM, (frame,))).finished()
    assert len(as_pdf([page], HEAD.dots)) < page.width * page.height // 40


@pytest.mark.parametrize("shape", ["ellipse", "roundedCorner", "rectangle"])
@pytest.mark.parametrize("dots", [180, 203, 300, 600])
def test_dotted_lines_have_dots_everywhere(shape: Any, dots: int) -> None:
    wide, high = 40, 25
    head = Head(dots)
    frame = PrintFrame(0, 0, wide * MM, high * MM, shape, "dotted")
    picture = head.draw(PrintPage(wide * MM, high * MM, (frame,))).finished().convert("L")
    solid = dataclasses.replace(frame, line="singleThin")
    whole = head.draw(PrintPage(wide * MM, high * MM, (solid,))).finished().convert("L")
    # Wherever a line is, there is a dot within the reach of two.
    near = 5 * max(1, round(dots / 150)) + 2
    thick = ImageOps.invert(picture).filter(ImageFilter.MaxFilter(near + 1 - near % 2))
    missing = ImageChops.subtract(ImageOps.invert(whole), thick)
    assert missing.getbbox() is None
    inked = sum(1 for one in picture.tobytes() if not one)
    assert inked < picture.width * picture.height // 20


def test_the_comparison_sees_a_lost_letter_and_not_a_shade_at_an_edge() -> None:
    line = "Account 4711  Balance 1,234.50"
    whole = drawn(text(line))
    assert how_different(whole, whole) is None
    for at in (3, 10, 20, 25):
        assert how_different(whole, drawn(text(line[:at] + " " + line[at + 1 :]))), line[at]
    assert how_different(whole, drawn(text(line.replace("1,234", "1,284"))))
    rough = whole.convert("L")
    pen = ImageDraw.Draw(rough)
    for x in range(0, rough.width, 40):
        pen.point((x, 20), 0)
    assert how_different(whole, rough) is None
    assert approved.APPROVED.is_dir()


def test_text_is_remembered_with_its_place() -> None:
    canvas = HEAD.draw(PrintPage(width=72 * MM, length=None, front=(text("seen", x=10 * MM, y=10 * MM),)))
    (found,) = canvas.words
    assert (found.text, found.x) == ("seen", 80)
    assert 80 <= found.y <= 90


def test_paper_grows_as_long_as_a_picture_can_be() -> None:
    canvas = Canvas(8)
    canvas.reach(10 * LONGEST)
    assert canvas.finished().size == (8, LONGEST)


HUGE = 2**31 - 1


@pytest.mark.parametrize(
    "item",
    [
        PrintText(0, 0, HUGE, HUGE, "x" * 200_000, PrintFont(point_size=HUGE)),
        PrintText(0, 0, HUGE, HUGE, "שx" * 5_000, PrintFont(cpi=1, style=PrintStyle(width=4, height=4))),
        PrintText(0, 0, HUGE, HUGE, "x" * 5_000, PrintFont(lpi=HUGE, cpi=HUGE), rotation=90),
        PrintFrame(0, 0, HUGE, HUGE, "ellipse", "dotted", fill_style="diagcross"),
        PrintBarcode(0, 0, HUGE, HUGE, "x", "QR", "both", PrintFont(point_size=HUGE)),
        PrintGraphic(0, 0, HUGE, HUGE, file_of(Image.new("1", (3, 3)), "PNG"), "png"),
    ],
)
def test_nothing_is_larger_than_a_machine_can_hold(item: Any) -> None:
    page = PrintPage(width=HUGE, length=None, front=(item,))
    try:
        picture = HEAD.draw(page).finished()
    except errors.CommandError as refused:
        assert refused.error_code == "charSetData"  # noqa: PT017
    else:
        assert picture.width * picture.height <= 64_000_000
    assert HEAD.measure("x" * 2_000_000, PrintFont(name="sans")) > 0
