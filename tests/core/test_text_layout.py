"""What holds of every text in every box: nothing outside, nothing lost, nothing out of its place."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Literal

import pytest
from bidi import get_display
from hypothesis import example, given, settings
from hypothesis import strategies as some

from xfs4iot.devices import PrintFont, PrintStyle
from xfs4iot.interfaces.forms.barcode_values import barcode_value, symbology_of
from xfs4iot.interfaces.forms.print_geometry import Box
from xfs4iot.interfaces.forms.text_direction import direction_of, seen_order
from xfs4iot.interfaces.forms.text_layout import Alignment, Block, block_of

TEXT = some.text(some.sampled_from("abcdef  --\n\r\u00e9e\u0301\u4e2d/\t"), max_size=80)
ALIGNMENTS = some.builds(
    Alignment,
    some.sampled_from(["left", "right", "center", "justify"]),
    some.sampled_from(["top", "center", "bottom"]),
    some.sampled_from([1, 7]),
    some.sampled_from([None, 6]),
)
FONTS = some.builds(
    PrintFont,
    lpi=some.sampled_from([None, 6, 8, 100]),
    style=some.builds(PrintStyle, height=some.sampled_from([1, 2])),
)


class Widths:
    """A font in which characters have widths of their own, and pairs are pushed together."""

    def width(self, text: str, font: PrintFont) -> int:
        return sum(3 + ord(one) % 5 for one in text) - text.count("ab")

    def height(self, font: PrintFont) -> int:
        return 4200 * font.style.height


def laid(text: str, how: Any, width: int, height: int, alignment: Alignment, font: PrintFont) -> Block:
    return block_of(text, how, Widths(), font, width, height, alignment)


def characters(text: str) -> str:
    """All of a text that is not a blank or a line end."""
    return "".join(text.split(" ")).replace("\r", "").replace("\n", "")


BOX = {
    "text": TEXT,
    "how": some.sampled_from(["wrap", "chop"]),
    "width": some.integers(0, 120),
    "height": some.integers(0, 60_000),
    "alignment": ALIGNMENTS,
    "font": FONTS,
}


@settings(max_examples=400)
@given(**BOX)
def test_no_text_is_outside_its_box_and_no_line_above_another(**box: Any) -> None:
    block = laid(**box)
    whole = Box(0, 0, box["width"], box["height"])
    for piece in block.pieces:
        assert whole.holds(Box(piece.x, piece.y, piece.width, piece.height))
    rows = [piece.y for piece in block.pieces]
    assert rows == sorted(rows)


@settings(max_examples=400)
@given(**BOX)
def test_no_character_is_lost_and_none_is_printed_twice(**box: Any) -> None:
    block = laid(**box)
    printed = characters("".join(piece.text for piece in block.pieces))
    if block.whole:
        assert printed == characters(box["text"])
    else:
        assert characters(box["text"]).startswith(printed)
        assert printed != characters(box["text"])


@settings(max_examples=400)
@example(
    text=" aaaaa",
    how="wrap",
    width=25,
    height=8400,
    alignment=Alignment("left", "top", 1, None),
    font=PrintFont(style=PrintStyle(height=1)),
)
@given(**{**BOX, "how": some.just("wrap")})
def test_words_that_fit_into_a_line_are_never_cut(**box: Any) -> None:
    block = laid(**box)
    fonts = Widths()
    words = {word for line in box["text"].replace("\r", "\n").split("\n") for word in line.split(" ")}
    if not block.whole or any(fonts.width(word, box["font"]) > box["width"] for word in words):
        return
    signs = "-/"
    for piece in block.pieces:
        for word in piece.text.split(" "):
            bare = word.strip(signs)
            assert any(bare in one for one in words)
            # Where a word is broken, a joining sign is in front of it.
            assert (
                word in words
                or word[-1:] in signs
                or any(f"{sign}{word}" in one for one in words for sign in signs)
            )


@settings(max_examples=400)
@given(**{**BOX, "alignment": ALIGNMENTS.filter(lambda one: one.horizontal == "justify")})
def test_justified_lines_sum_up_to_their_width(**box: Any) -> None:
    block = laid(**box)
    rows: dict[int, list[Any]] = {}
    for piece in block.pieces:
        rows.setdefault(piece.y, []).append(piece)
    for pieces in rows.values():
        if len(pieces) < 2:
            continue
        gaps = [after.x - before.x - before.width for before, after in pairwise(pieces)]
        column = box["alignment"].column
        rest = box["width"] - sum(piece.width for piece in pieces) - sum(gaps)
        assert pieces[0].x == 0
        assert 0 <= rest < column
        assert max(gaps) - min(gaps) <= column
        assert gaps == sorted(gaps, reverse=True)


@given(**{**BOX, "alignment": some.just(Alignment("right", "bottom"))})
def test_right_and_bottom_touch_their_edges(**box: Any) -> None:
    block = laid(**box)
    for piece in block.pieces:
        assert piece.x + piece.width == box["width"]
    last = [piece.y + piece.height for piece in block.pieces][-1:]
    # Of what was cut off, the last line that is left may be empty.
    if block.whole and last and box["text"].strip() and not box["text"].endswith(("\n", "\r", " ")):
        assert last == [box["height"]]


@given(
    some.lists(some.sampled_from(["e\u0301", "a", "o\u0308\u0301", " "])).map("".join), some.integers(1, 60)
)
def test_a_letter_keeps_its_accents(text: str, width: int) -> None:
    for how in ("wrap", "chop"):
        block = laid(text, how, width, 100_000, Alignment("left", "top"), PrintFont())
        for piece in block.pieces:
            assert re.fullmatch("(e\u0301|a|o\u0308\u0301| )*", piece.text)


@pytest.mark.parametrize("text", ["word " * 80_000, "x" * 400_000, "\n" * 400_000, " " * 400_000])
def test_a_huge_text_costs_no_more_than_its_box(text: str) -> None:
    class Counting(Widths):
        measured = 0

        def width(self, text: str, font: PrintFont) -> int:
            Counting.measured += len(text)
            return super().width(text, font)

    for how in ("wrap", "chop"):
        Counting.measured = 0
        block_of(text, how, Counting(), PrintFont(), 100, 20_000, Alignment())  # type: ignore[arg-type]
        assert Counting.measured < 10_000
        # However large the box is, in both directions.
        wide = block_of(text, how, Counting(), PrintFont(lpi=600), 200_000, 10**8, Alignment())  # type: ignore[arg-type]
        assert len(wide.pieces) <= 2000
        assert Counting.measured < 6 * len(text)


@pytest.mark.parametrize(
    ("text", "direction"),
    [("abc", "ltr"), ("\u05d0\u05d1", "rtl"), ("12 \u0627", "rtl"), ("12", "ltr"), ("\u00e9", "ltr")],
)
def test_the_first_letter_says_the_direction(text: str, direction: Literal["ltr", "rtl"]) -> None:
    assert direction_of(text) == direction


WORDS = some.lists(
    some.sampled_from(["ab", "cd", "ef,", "אב", "גד", "הו", "ابج", "12", "34.5", "&", "*"]), unique=True
)


@given(WORDS, some.sampled_from(["ltr", "rtl"]))
@settings(max_examples=500)
def test_words_are_seen_in_the_order_of_another_implementation(words: list[str], direction: Any) -> None:
    shown = str(get_display(" ".join(words), base_dir=direction[0].upper()))
    letters = [sorted(word.replace(",", "")) for word in shown.split(" ") if word]
    seen = [words[number] for number, _ in seen_order(words, direction)]
    assert [sorted(word.replace(",", "")) for word in seen] == letters


def test_justified_lines_are_read_from_the_right() -> None:
    def laid_out(text: str) -> list[list[tuple[str, str]]]:
        block = laid(text, "wrap", 120, 60_000, Alignment("justify", "top"), PrintFont())
        lines: dict[int, list[tuple[int, str, str]]] = {}
        for piece in block.pieces:
            lines.setdefault(piece.y, []).append((piece.x, piece.text, piece.direction))
        return [[(text, way) for _, text, way in sorted(pieces)] for pieces in lines.values()]

    hebrew = "אאאאאאא בבבבבבב גגגגגגג דדדדדדד ההההההה"
    first, *others = laid_out(hebrew)
    assert [text for text, _ in first] == hebrew.split(" ")[: len(first)][::-1]
    assert {way for line in [first, *others] for _, way in line} == {"rtl"}
    # The last line stands where it is read from.
    block = laid("אאא", "wrap", 200, 60_000, Alignment("justify", "top"), PrintFont())
    assert block.pieces[0].x + block.pieces[0].width == 200
    # What a line begins with does not say how it is read: the paragraph does.
    mixed = laid("אאאאאאאאאאאאאא bbbbbbbbbbbbbbb", "wrap", 100, 60_000, Alignment("left", "top"), PrintFont())
    assert {piece.direction for piece in mixed.pieces} == {"rtl"}
    assert len(mixed.pieces) > 1


@given(
    some.integers(0, 50), some.integers(0, 50), some.integers(0, 50), some.integers(0, 50),
    some.integers(100, 200), some.integers(100, 200),
)  # fmt: skip
def test_four_quarter_turns_are_none(x: int, y: int, across: int, down: int, width: int, height: int) -> None:
    box = Box(x, y, across, down)
    once = box.turned(width, height, 90)
    assert Box(0, 0, height, width).holds(once)
    assert once.turned(height, width, 90) == box.turned(width, height, 180)
    assert once.turned(height, width, 270) == box
    assert box.turned(width, height, 180).turned(width, height, 180) == box


@pytest.mark.parametrize(
    ("symbology", "value", "printed"),
    [
        ("EAN13", "400638133393", "4006381333931"),
        ("EAN13", "4006381333931", "4006381333931"),
        ("EAN8", "9638507", "96385074"),
        ("UPCA", "03600029145", "036000291452"),
        ("UPCE", "0123456", "01234565"),
        ("CODE39", "A-1 $", "A-1 $"),
        ("ITF", "1234", "1234"),
        ("CODABAR", "A123B", "A123B"),
        ("QR", "\u00fcber", "\u00fcber"),
    ],
)
def test_barcodes_get_their_check_digit(symbology: Any, value: str, printed: str) -> None:
    assert barcode_value(symbology, value) == printed


@pytest.mark.parametrize(
    ("symbology", "value"),
    [
        ("EAN13", "4006381333932"),
        ("EAN13", "\u0664" * 12),
        ("UPCE", "2123456"),
        ("CODE39", "a"),
        ("ITF", "123"),
        ("CODE128", "\u00e9"),
        ("QR", ""),
        ("QR", "x" * 5000),
    ],
)
def test_values_that_a_barcode_cannot_carry(symbology: Any, value: str) -> None:
    with pytest.raises(ValueError, match=symbology):
        barcode_value(symbology, value)


@pytest.mark.parametrize(
    ("name", "found"),
    [("ean-13", "EAN13"), ("QR Code", "QR"), ("Code 128", "CODE128"), ("Arial", None), (None, None)],
)
def test_a_barcode_is_known_however_it_is_spelt(name: str | None, found: str | None) -> None:
    assert symbology_of(name) == found
