"""Titles of frames: within their lines, whatever these are, on heads of any resolution."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import trio
from PIL import Image, ImageChops, ImageOps, features

from approved import require_approved
from printers import Receipts, form, texts
from vendors import serving
from xfs4iot.devices import Paper, PrintFont, PrintFrame, PrintPage, PrintText
from xfs4iot.printing.pages import Head

LINES = get_args(get_type_hints(PrintFrame)["line"])
SHAPES = get_args(get_type_hints(PrintFrame)["shape"])
ACROSS, DOWN = ("left", "center", "right"), ("top", "bottom")
WIDE, HIGH = 24, 14


class Drawing(Receipts):
    """Receipts whose pages can be looked at."""

    def __init__(self, dots: int) -> None:
        super().__init__()
        self.dots_per_inch = dots, dots
        self.head = Head(dots, self.columns_per_inch, self.rows_per_inch)

    def measure(self, text: str, font: PrintFont) -> int:
        return self.head.measure(text, font)

    def drawn(self, *items: Any) -> Image.Image:
        page = self.jobs[-1].pages[0]
        return self.head.draw(PrintPage(page.width, page.end, items or page.front)).finished().convert("L")


def frames(shape: str) -> dict[str, Any]:
    """A frame for each kind of line, each in a row, for each place of its title."""
    places = [(across, down) for down in DOWN for across in ACROSS]
    return {
        f"{line} {across} {down}": {
            "position": {"x": x * (WIDE + 1), "y": y * (HIGH + 1)},
            "size": {"width": WIDE, "height": HIGH},
            "fieldType": shape,
            "style": line,
            "title": "Title",
            "horizontal": across,
            "vertical": down,
        }
        for y, line in enumerate(LINES)
        for x, (across, down) in enumerate(places)
    }


@pytest.mark.parametrize(
    ("vertical", "rows", "expected"),
    [
        (None, (), 0),
        (None, (0,), 9),
        (None, (0, 9), 0),
        (None, (5,), 0),
        ("top", (0,), 0),
        ("bottom", (9,), 9),
    ],
)
async def test_a_title_gives_way_to_the_first_row_unless_the_form_says_where_it_is(
    nursery: trio.Nursery, vertical: str | None, rows: tuple[int, ...], expected: int
) -> None:
    device = Receipts()
    client = await serving(device, nursery)
    around: dict[str, Any] = {"position": {"x": 0, "y": 0}, "size": {"width": 20, "height": 10}}
    around["title"] = "Title"
    if vertical is not None:
        around["vertical"] = vertical
    fields = {f"f{row}": (0, row, 20, 1) for row in (0, 5, 9)}
    whole = form(fields, frames={"around": around})
    await client.success("Printer.SetForm", {"name": "F", "form": whole})
    values = {f"f{row}": "words in a row" for row in rows}
    await client.success("Printer.PrintForm", {"formName": "F", "fields": values})
    title = next(row for _, row, text in texts(device) if text == "Title")
    assert title == expected


async def printed(nursery: trio.Nursery, shape: str, dots: int) -> Drawing:
    """What a printer was told of a form with all these frames."""
    device = Drawing(dots)
    device.paper_sources = {"upper": Paper(1_000 * len(ACROSS) * len(DOWN) * (WIDE + 1))}
    client = await serving(device, nursery)
    whole = {
        "unit": {"base": "mm", "x": 1, "y": 1},
        "size": {"width": 6 * (WIDE + 1), "height": len(LINES) * (HIGH + 1)},
        "frames": frames(shape),
    }
    await client.success("Printer.SetForm", {"name": "F", "form": whole})
    await client.success("Printer.PrintForm", {"formName": "F"})
    return device


@pytest.mark.parametrize("dots", [72, 203, 300])
@pytest.mark.parametrize("shape", SHAPES)
async def test_no_title_meets_the_lines_of_its_frame(nursery: trio.Nursery, shape: str, dots: int) -> None:
    device = await printed(nursery, shape, dots)
    front = device.jobs[-1].pages[0].front
    titles = [one for one in front if isinstance(one, PrintText)]
    lines = [one for one in front if isinstance(one, PrintFrame)]
    assert len(titles) == len(lines) == len(LINES) * len(ACROSS) * len(DOWN)
    both = ImageChops.multiply(*(ImageOps.invert(device.drawn(*some)) for some in (titles, lines)))
    assert both.getbbox() is None


async def test_titles_stand_where_they_are_to_stand(nursery: trio.Nursery) -> None:
    device = await printed(nursery, "rectangle", 203)
    front = device.jobs[-1].pages[0].front
    places = [(across, down) for down in DOWN for across in ACROSS] * len(LINES)
    pairs = zip(front[::2], front[1::2], places, strict=True)
    for frame, title, (across, down) in pairs:
        assert isinstance(frame, PrintFrame)
        assert isinstance(title, PrintText)
        left, right = title.x - frame.x, frame.x + frame.width - title.x - title.width
        above, below = title.y - frame.y, frame.y + frame.height - title.y - title.height
        depth = frame.depth(203)
        assert (left < right - 1, left > right + 1) == (across == "left", across == "right")
        assert (above if down == "top" else below) == depth
        assert min(left, right) >= depth


@pytest.mark.skipif(not features.check("raqm"), reason="without Raqm letters stand a little otherwise")
@pytest.mark.parametrize("shape", SHAPES)
async def test_titles_look_as_approved(nursery: trio.Nursery, tmp_path: Path, shape: str) -> None:
    device = await printed(nursery, shape, 203)
    require_approved(f"titles_{shape}", device.drawn(), tmp_path)


@pytest.mark.parametrize("down", DOWN)
@pytest.mark.parametrize("across", ACROSS)
@pytest.mark.parametrize("shape", SHAPES)
async def test_no_title_meets_the_lines_of_a_truncated_frame(
    nursery: trio.Nursery, shape: str, across: str, down: str
) -> None:
    device = Drawing(203)
    client = await serving(device, nursery)
    frame = {
        "position": {"x": 2, "y": 2},
        "size": {"width": 60, "height": 45},
        "style": "doubleThick",
        "fieldType": shape,
        "overflow": "truncate",
        "title": "Title",
        "horizontal": across,
        "vertical": down,
    }
    unit = {"base": "mm", "x": 1, "y": 1}
    whole = {"unit": unit, "size": {"width": 40, "height": 35}, "frames": {"f": frame}}
    await client.success("Printer.SetForm", {"name": "F", "form": whole})
    await client.success("Printer.PrintForm", {"formName": "F"})
    drawn, title = device.jobs[-1].pages[0].front
    assert isinstance(drawn, PrintFrame)
    assert drawn.beyond == (0, 0, 22_000, 12_000)
    both = ImageChops.multiply(*(ImageOps.invert(device.drawn(one)) for one in (drawn, title)))
    assert both.getbbox() is None


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 3), (30, 1), (30, 4), (1, 30), (30, 5)])
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_title_stays_within_a_frame_that_is_too_small_for_it(
    nursery: trio.Nursery, shape: str, width: int, height: int
) -> None:
    device = Drawing(203)
    client = await serving(device, nursery)
    frame = {
        "position": {"x": 0, "y": 0},
        "size": {"width": width, "height": height},
        "style": "doubleThick",
        "fieldType": shape,
        "title": "Title",
    }
    unit = {"base": "mm", "x": 1, "y": 1}
    whole = {"unit": unit, "size": {"width": 40, "height": 40}, "frames": {"f": frame}}
    await client.success("Printer.SetForm", {"name": "F", "form": whole})
    await client.success("Printer.PrintForm", {"formName": "F"})
    drawn, *titles = device.jobs[-1].pages[0].front
    assert isinstance(drawn, PrintFrame)
    for title in titles:
        assert isinstance(title, PrintText)
        assert drawn.x <= title.x <= title.x + title.width <= drawn.x + drawn.width
        assert drawn.y <= title.y <= title.y + title.height <= drawn.y + drawn.height
