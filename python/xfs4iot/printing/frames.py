"""Frames and lines of forms, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xfs4iot.devices import MICROMETRES_PER_INCH, PrintFrame
from xfs4iot.printing.canvas import LONGEST, MOST_DOTS, Canvas

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["draw_frame"]

_DOT = 2
"""Of dotted lines, in thicknesses of a thin line."""
_HATCH_INCH = 1 / 18


def draw_frame(
    canvas: Canvas, frame: PrintFrame, x: float, y: float, width: float, height: float, dots: int
) -> None:
    """Draw a frame into its box, which is given in dots, on a printer with so many dots per inch."""
    from PIL import Image, ImageDraw

    wide = min(max(1, round(width)), LONGEST)
    size = wide, min(max(1, round(height)), LONGEST, MOST_DOTS // wide)
    canvas.reach(y + size[1])
    thick, insets = frame.lines(dots)
    thin, _ = PrintFrame(0, 0, 0, 0).lines(dots)
    lines, inside = Image.new("1", size), Image.new("1", size)
    beyond = [min(round(one * dots / MICROMETRES_PER_INCH), LONGEST) for one in frame.beyond]
    whole = (-beyond[0], -beyond[1], size[0] - 1 + beyond[2], size[1] - 1 + beyond[3])
    if min(size) <= thick * 2:
        # So flat that it is a line.
        _line(lines, frame.line == "dotted", thin * _DOT)
    else:
        _shape(ImageDraw.Draw(inside), frame.shape, whole, fill=1)
        for inset in insets:
            box = (whole[0] + inset, whole[1] + inset, whole[2] - inset, whole[3] - inset)
            if box[2] - box[0] > 2 * thick and box[3] - box[1] > 2 * thick:
                _shape(ImageDraw.Draw(lines), frame.shape, box, outline=1, width=thick)
        if frame.line == "dotted":
            lines = _both(lines, _dots(size, thin * _DOT))
    if frame.fill_style != "none":
        filled = _both(inside, _hatched(size, frame.fill_style, max(3, round(dots * _HATCH_INCH)), thin))
        canvas.through(x, y, filled, frame.color if frame.fill_color is None else frame.fill_color)
    canvas.through(x, y, lines, frame.color)


def _both(one: Image, other: Image) -> Image:
    from PIL import ImageChops

    return ImageChops.logical_and(one, other)


def _shape(pen: Any, shape: str, box: tuple[int, int, int, int], **options: Any) -> None:
    if shape == "ellipse":
        pen.ellipse(box, **options)
    elif shape == "roundedCorner":
        pen.rounded_rectangle(box, min(box[2] - box[0], box[3] - box[1]) / 5, **options)
    else:
        pen.rectangle(box, **options)


def _line(mask: Image, dotted: bool, step: int) -> None:
    mask.paste(1, (0, 0, *mask.size))
    if dotted:
        mask.paste(_dots(mask.size, step), (0, 0))


def _dots(size: tuple[int, int], step: int) -> Image:
    """A chessboard of squares: what a dotted line lets through."""
    from PIL import Image, ImageDraw

    found = Image.new("1", size)
    pen = ImageDraw.Draw(found)
    if min(size) <= step:
        # A line: dots along it.
        for place in range(0, max(size), 2 * step):
            end = place + step - 1
            box = (place, 0, end, size[1]) if size[0] >= size[1] else (0, place, size[0], end)
            pen.rectangle(box, fill=1)
        return found
    for row, y in enumerate((0, step)):
        for x in range(step * (row % 2), size[0], 2 * step):
            pen.rectangle((x, y, x + step - 1, y + step - 1), fill=1)
    # All further rows are as the first two: square by square a page would take a second.
    done = 2 * step
    while done < size[1]:
        found.paste(found.crop((0, 0, size[0], done)), (0, done))
        done *= 2
    return found


def _hatched(size: tuple[int, int], style: str, step: int, thick: int) -> Image:
    from PIL import Image, ImageDraw

    found = Image.new("1", size)
    pen = ImageDraw.Draw(found)
    wide, high = size
    if style == "solid":
        pen.rectangle((0, 0, wide, high), fill=1)
    if style in ("horizontal", "cross"):
        for y in range(step // 2, high, step):
            pen.line((0, y, wide, y), fill=1, width=thick)
    if style in ("vertical", "cross"):
        for x in range(step // 2, wide, step):
            pen.line((x, 0, x, high), fill=1, width=thick)
    if style in ("fdiagonal", "diagcross"):
        for x in range(-high, wide, step):
            pen.line((x, 0, x + high, high), fill=1, width=thick)
    if style in ("bdiagonal", "diagcross"):
        for x in range(0, wide + high, step):
            pen.line((x, 0, x - high, high), fill=1, width=thick)
    return found
