"""ESC/POS: what a printer makes of the bytes it gets, and which bytes pages become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from approved import how_different, require_approved
from xfs4iot.devices import PrintFont, PrintPage, PrintStyle, PrintText
from xfs4iot.printing.canvas import LONGEST
from xfs4iot.printing.escpos import encoder
from xfs4iot.printing.escpos.codepages import CODE_PAGES, decoded, encoded
from xfs4iot.printing.escpos.interpreter import EscPosInterpreter
from xfs4iot.printing.escpos.sensors import Sensors, realtime
from xfs4iot.printing.outcomes import Answer, Cut, Pulse
from xfs4iot.printing.pages import Head
from xfs4iot.printing.plain_text import PlainTextInterpreter

ESC, GS, DLE = b"\x1b", b"\x1d", b"\x10"
CUT = GS + b"V\x00"
HEAD = Head()


def printed(data: bytes, **more: Any) -> Cut:
    """The piece of paper that some bytes make, cut off at its end."""
    printer = EscPosInterpreter(**more)
    pieces = [one for one in printer.feed(data) if isinstance(one, Cut)]
    rest = printer.torn()
    (piece,) = [*pieces, *([] if rest is None else [rest])]
    return piece


def read(piece: Cut) -> list[tuple[str, str]]:
    with_margin = ImageOps.expand(piece.piece.convert("L"), 40, 255)
    return [(one.format.name, one.text) for one in zxingcpp.read_barcodes(with_margin)]


def ink(piece: Cut) -> tuple[int, int, int, int]:
    """The box that holds everything black."""
    box = ImageOps.invert(piece.piece.convert("L")).getbbox()
    assert box is not None
    return box


def stored(symbology: int, content: bytes, *settings_: bytes) -> bytes:
    """The commands that print a two-dimensional barcode."""
    found = b""
    for one in (*settings_, b"P0" + content, b"Q0"):
        found += GS + b"(k" + (len(one) + 1).to_bytes(2, "little") + bytes((symbology,)) + one
    return found


def test_a_receipt_looks_as_approved(tmp_path: Path) -> None:
    data = (
        ESC + b"@" + ESC + b"a\x01" + GS + b"!\x11FIRST BANK\n" + GS + b"!\x00Main Street 1\n\n"
        + ESC + b"a\x00" + ESC + b"t\x13" + "Betrag: € 120,00  Grüße\n".encode("cp858")
        + ESC + b"E\x01bold" + ESC + b"E\x00 " + ESC + b"-\x01one" + ESC + b"-\x02two" + ESC + b"-\x00 "
        + GS + b"B\x01 reverse " + GS + b"B\x00\n"
        + ESC + b"M\x01Font B has 64 characters in a line of this paper, which is then full\n"
        + ESC + b"M\x00"
        + ESC + b"!\x10high" + ESC + b"!\x20wide" + ESC + b"!\x30both" + ESC + b"!\x00 small\n"
        + GS + b"!\x33X4" + GS + b"!\x00\n" + b"A\tB\tC\n" + ESC + b"a\x02right\n" + ESC + b"a\x00"
        + ESC + b"{\x01upside down\n" + ESC + b"{\x00" + ESC + b"V\x01turned" + ESC + b"V\x00\n"
        + ESC + b"*\x21\x40\x00" + bytes((0xFF, 0x81, 0x81)) * 64 + b" in line\n"
        + GS + b"v0\x03\x02\x00\x08\x00" + bytes((0xF0, 0x0F)) * 8
    )  # fmt: skip
    piece = printed(data + ESC + b"d\x02" + GS + b"V\x42\x00")
    assert piece.partial
    require_approved("receipt", piece.piece, tmp_path)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"one\ntwo\n", ("one", "two")),
        (b"one\r\ntwo\r\n", ("one", "two")),
        (b"x" * 50 + b"\n", ("x" * 48, "xx")),
        (GS + b"!\x10" + b"x" * 25 + b"\n", ("x" * 24, "x")),
        (ESC + b"M\x01" + b"x" * 65 + b"\n", ("x" * 64, "x")),
        (GS + b"L\x60\x00" + b"x" * 41 + b"\n", ("x" * 40, "x")),
        (GS + b"W\x78\x00" + b"x" * 11 + b"\n", ("x" * 10, "x")),
        (ESC + b"t\x11\x8f\xe0\n", ("Пр",)),
        (ESC + b"t\x02\x8e\n" + ESC + b"@\x8e\n", ("Ä", "Ä")),
        (ESC + b"R\x02[\\]\n", ("ÄÖÜ",)),
        (ESC + b"Zunknown" + b"\x1c\x7fx\n", ("unknownx",)),
        (b"\x07\x01bell\n", ("bell",)),
        (ESC + b"& user", ("user",)),
    ],
)
def test_text(data: bytes, lines: tuple[str, ...]) -> None:
    if data.startswith(ESC + b"&"):
        # A character of one's own: three bytes high, of one column.
        data = ESC + b"&\x03\x20\x20\x01" + b"\xff" * 3 + b"user"
    assert printed(data).lines == lines


def test_lines_are_as_far_apart_as_they_are_set() -> None:
    def height(data: bytes) -> int:
        return printed(data).piece.height

    assert height(b"a\nb\n") == 60
    assert height(ESC + b"3\x50a\nb\n") == 160
    assert height(ESC + b"3\x05a\nb\n") == 48, "lines never overlap"
    assert height(ESC + b"3\x50" + ESC + b"2a\n") == 30
    assert height(GS + b"!\x01a\n") == 48
    assert height(b"a" + ESC + b"J\x64b\n") == 130
    assert height(b"a" + ESC + b"d\x05") == 150
    assert height(b"\n\n\n") == 90


@pytest.mark.parametrize(("align", "left", "right"), [(0, 0, 60), (1, 258, 318), (2, 516, 576)])
def test_alignment(align: int, left: int, right: int) -> None:
    box = ink(printed(ESC + b"a" + bytes((align,)) + b"HHHHH\n"))
    assert left <= box[0] < left + 4
    assert right - 4 < box[2] <= right


def test_positions_and_tabulators() -> None:
    assert ink(printed(ESC + b"$\x64\x00H"))[0] in range(100, 104)
    assert ink(printed(b"\tH"))[0] in range(96, 100)
    assert ink(printed(ESC + b"D\x04\x14\x00\t\tH"))[0] in range(240, 244)
    assert ink(printed(ESC + b"$\x64\x00" + ESC + b"\\\xce\xffH"))[0] in range(50, 54)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (GS + b"k\x02400638133393\x00", ("EAN13", "4006381333931")),
        (GS + b"k\x43\x0d" + b"4006381333931", ("EAN13", "4006381333931")),
        (GS + b"k\x0396385074\x00", ("EAN8", "96385074")),
        (GS + b"k\x41\x0b" + b"03600029145", ("EAN13", "0036000291452")),
        (GS + b"k\x04CODE 39\x00", ("Code39Std", "CODE 39")),
        (GS + b"k\x0512345670\x00", ("ITF", "12345670")),
        (GS + b"k\x06a1234b\x00", ("Codabar", "A1234B")),
        (GS + b"k\x48\x06CODE93", ("Code93", "CODE93")),
        (GS + b"k\x49\x0b{BABC-12345", ("Code128", "ABC-12345")),
        (GS + b"k\x49\x05{C\x0c\x22\x38", ("Code128", "123456")),
        (stored(49, b"https://example.com", b"C\x06", b"E\x32"), ("QRCodeModel2", "https://example.com")),
        (stored(48, b"pdf", b"C\x03"), ("PDF417", "pdf")),
        (stored(54, b"matrix", b"C\x06"), ("DataMatrix", "matrix")),
    ],
)
def test_barcodes_can_be_read_again(data: bytes, found: tuple[str, str]) -> None:
    ((kind, content),) = read(printed(GS + b"h\x50" + data + b"\n"))
    assert content == found[1]
    assert kind.startswith(found[0][:6])


def test_a_barcode_has_its_text_where_it_is_set() -> None:
    code = GS + b"k\x02400638133393\x00"
    for where, lines in (
        (0, ()),
        (1, ("4006381333931",)),
        (2, ("4006381333931",)),
        (3, ("4006381333931",) * 2),
    ):
        assert printed(GS + b"H" + bytes((where,)) + code).lines == lines


@pytest.mark.parametrize(
    "data", [GS + b"k\x02ABC\x00", GS + b"k\x20X\x00", GS + b"w\x06" + GS + b"k\x49\x28{B" + b"W" * 38]
)
def test_a_barcode_that_cannot_be_is_passed_over(data: bytes) -> None:
    assert printed(data + b"after\n").lines == ("after",)


def test_a_picture_prints_dot_for_dot() -> None:
    picture = Image.effect_noise((100, 75), 90).convert("1")
    for data in (encoder.as_picture(picture), graphics(picture)):
        piece = printed(data)
        assert piece.piece.crop((0, 0, 100, 75)).tobytes() == picture.tobytes()
        assert piece.piece.height == 75


def graphics(picture: Image.Image) -> bytes:
    """The commands GS ( L that store and print a picture."""
    rows = picture.tobytes("raw", "1;I")
    size = picture.width.to_bytes(2, "little") + picture.height.to_bytes(2, "little")
    store = b"0p0\x01\x011" + size + rows
    return GS + b"(L" + len(store).to_bytes(2, "little") + store + GS + b"(L\x02\x0002"


def test_pieces_are_cut_one_by_one() -> None:
    printer = EscPosInterpreter()
    done = printer.feed(b"one\n" + CUT + b"two\n" + GS + b"V\x01" + ESC + b"p\x00\x10\x10")
    assert [one.lines for one in done if isinstance(one, Cut)] == [("one",), ("two",)]
    assert [one.partial for one in done if isinstance(one, Cut)] == [False, True]
    assert done[-1] == Pulse(0)
    assert printer.torn() is None


def test_paper_that_is_never_cut_goes_on_on_another_piece() -> None:
    printer = EscPosInterpreter()
    pieces = [one for one in printer.feed(b"x\n" * 2_500) if isinstance(one, Cut)]
    assert len(pieces) == 2
    assert all(one.piece.height <= LONGEST for one in pieces)


SEEN = [
    Sensors(),
    Sensors(offline=True, cover_open=True),
    Sensors(paper_low=True),
    Sensors(offline=True, paper_out=True, paper_low=True),
    Sensors(cutter_failed=True),
    Sensors(unrecoverable=True, feeding=True, drawer=True),
    Sensors(overheated=True),
]


@pytest.mark.parametrize("seen", SEEN)
def test_what_a_printer_says_is_what_is_understood(seen: Sensors) -> None:
    printer = EscPosInterpreter(sensors=lambda: seen)
    known: Sensors | None = Sensors()
    for kind in (1, 2, 3, 4):
        (answer,) = printer.feed(DLE + b"\x04" + bytes((kind,)))
        assert isinstance(answer, Answer)
        assert known is not None
        known = realtime(known, kind, answer.data[0])
    assert known == seen
    (automatic,) = printer.feed(GS + b"a\xff")
    assert isinstance(automatic, Answer)
    first, *others = automatic.data
    assert (first & 0x93, len(others)) == (0x10, 3), "what tells it from the answers to DLE EOT"
    assert not any(other & 0x90 for other in others)
    assert printer.noticed() == [automatic]


def test_questions_are_answered_as_printers_do() -> None:
    out = EscPosInterpreter(sensors=lambda: Sensors(paper_out=True, offline=True))
    for question, answer in (
        (DLE + b"\x04\x01", b"\x1a"),
        (DLE + b"\x04\x02", b"\x32"),
        (DLE + b"\x04\x04", b"\x7e"),
        (GS + b"r\x01", b"\x0f"),
        (ESC + b"v", b"\x0f"),
        (GS + b"r\x02", b"\x00"),
        (GS + b"I\x42", b"_XFS4IOT\0"),
    ):
        assert out.feed(question) == [Answer(answer)]
    assert realtime(Sensors(), 1, 0x00) is None


def test_what_belongs_to_a_picture_is_no_command() -> None:
    rows = DLE + b"\x04\x01" + CUT
    piece = GS + b"v0\x00\x03\x00\x02\x00" + rows
    assert [type(one) for one in EscPosInterpreter().feed(piece)] == []


def test_switching_off_forgets_what_was_not_printed() -> None:
    printer = EscPosInterpreter()
    printer.feed(b"printed\n" + GS + b"!\x11lost" + GS + b"v0\x00\xff\xff")
    printer.power_cycled()
    printer.feed(b"after\n")
    rest = printer.torn()
    assert rest is not None
    assert rest.lines == ("printed", "after")


def test_a_command_with_more_data_than_a_printer_holds_is_passed_over() -> None:
    printer = EscPosInterpreter()
    printer.feed(GS + b"8L" + (200 << 20).to_bytes(4, "little"))
    for _ in range(200):
        printer.feed(bytes(1 << 20))
    printer.feed(b"after\n")
    rest = printer.torn()
    assert rest is not None
    assert rest.lines[-1].endswith("after")


INTERESTING = st.sampled_from(
    [
        ESC,
        GS,
        DLE,
        b"\x1c",
        b"\n",
        b"\x00",
        b"\xff",
        b"k",
        b"(k",
        b"v0",
        b"*",
        b"V",
        b"!",
        b"@",
        b"L",
        b"8L",
        b"&",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(INTERESTING, st.binary(max_size=12)), max_size=60), st.integers(1, 40))
def test_no_bytes_do_any_harm(parts: list[bytes], step: int) -> None:
    data = b"".join(parts)
    whole, pieces = EscPosInterpreter(200, color=True), EscPosInterpreter(200, color=True)
    at_once = whole.feed(data)
    one_by_one = [one for at in range(0, len(data), step) for one in pieces.feed(data[at : at + step])]
    # However the bytes come, the same is printed and said.
    assert [type(one) for one in at_once] == [type(one) for one in one_by_one]
    assert [one for one in at_once if isinstance(one, Answer)] == [
        one for one in one_by_one if isinstance(one, Answer)
    ]
    assert whole.printed == pieces.printed
    whole.torn()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_plain_text_prints_any_bytes(data: bytes, step: int) -> None:
    whole, pieces = PlainTextInterpreter(200), PlainTextInterpreter(200)
    at_once = [one.lines for one in whole.feed(data) if isinstance(one, Cut)]
    found = [one for at in range(0, len(data), step) for one in pieces.feed(data[at : at + step])]
    assert at_once == [one.lines for one in found if isinstance(one, Cut)]


def test_plain_text_has_lines_tabulators_and_pages() -> None:
    printer = PlainTextInterpreter(240)
    (page,) = printer.feed("Überweisung\n\ta\r\n".encode() + b"x" * 25 + b"\fnext")
    assert isinstance(page, Cut)
    assert page.lines == ("Überweisung", "        a", "x" * 20, "x" * 5)
    rest = printer.torn()
    assert rest is not None
    assert rest.lines == ("next",)


def test_plain_text_without_pages_goes_on_on_another_piece() -> None:
    printer = PlainTextInterpreter(240)
    pieces = [one for one in printer.feed(b"line\n" * 2_000) if isinstance(one, Cut)]
    rest = printer.torn()
    assert rest is not None
    assert [line for one in (*pieces, rest) for line in one.lines] == ["line"] * 2_000
    assert all(one.piece.height <= LONGEST for one in pieces)


@pytest.mark.parametrize("number", CODE_PAGES)
def test_every_code_page_is_written_as_it_is_read(number: int) -> None:
    text = "".join(one for one in decoded(bytes(range(0x20, 0x100)), number) if one != "\ufffd")
    found = encoded(text, (number,))
    assert found is not None
    assert decoded(found[1], number) == text
    assert set(map(chr, range(0x20, 0x7F))) <= set(text)


def page(*items: PrintText) -> PrintPage:
    return PrintPage(width=72_000, length=None, front=items)


def line(text: str, y: int, x: int = 0, **style: Any) -> PrintText:
    font = PrintFont(style=PrintStyle(**style))
    return PrintText(x=x, y=y, width=HEAD.measure(text, font), height=4_233, text=text, font=font)


def test_a_page_of_text_becomes_text_at_the_same_place() -> None:
    shown = page(
        line("Receipt 4711", 2_000, bold=True),
        line("Amount", 8_000),
        line("12,50 €", 8_000, x=40_000),
        line("Grüße, Привет", 16_000, underline="single"),
        line("Wide", 24_000, width=2),
    )
    assert encoder.as_text(shown, HEAD) is None, "no code page has all of these"
    shown = page(*(one for one in shown.front if isinstance(one, PrintText) and "П" not in one.text))
    data = encoder.as_text(shown, HEAD)
    assert data is not None
    piece = printed(encoder.setup(HEAD) + data)
    assert piece.lines == ("Receipt 4711", "Amount12,50 €", "Wide")
    picture = HEAD.draw(shown).finished()
    assert len(data) * 20 < len(encoder.as_picture(picture))
    drawn, own = ink(piece), ImageOps.invert(picture.convert("L")).getbbox()
    assert own is not None
    assert all(abs(one - other) <= 8 for one, other in zip(drawn, own, strict=True)), (drawn, own)


@pytest.mark.parametrize(
    "item",
    [
        line("漢字", 0),
        line("x", 0, italic=True),
        line("x", 0, spacing="condensed"),
        PrintText(0, 0, 10_000, 4_233, "x", PrintFont(point_size=30)),
        PrintText(0, 0, 10_000, 10_000, "x", rotation=90),
        PrintText(0, 0, 10_000, 4_233, "שלום", direction="rtl"),
    ],
)
def test_what_the_printers_own_font_has_not_becomes_a_picture(item: PrintText) -> None:
    assert encoder.as_text(page(item), HEAD) is None


def test_lines_that_overlap_become_a_picture() -> None:
    assert encoder.as_text(page(line("one", 0), line("two", 1_000)), HEAD) is None


def test_a_picture_of_a_page_is_printed_as_it_was_drawn() -> None:
    picture = HEAD.draw(page(line("top", 0), line("bottom", 150_000))).finished()
    data = encoder.as_picture(picture)
    assert len(data) < 8_000, "blank paper is fed, not sent"
    assert how_different(picture, printed(data).piece.crop((0, 0, *picture.size))) is None
