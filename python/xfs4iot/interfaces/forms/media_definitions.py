"""The media of a printer: whole, sound, fit for the device; and the paper that stands for one not named."""

from __future__ import annotations

from typing import TypeAlias

from xfs4iot import devices
from xfs4iot.devices import Paper
from xfs4iot.interfaces.forms.print_geometry import Box, Grid, Sheet
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import printer as messages

__all__ = ["Media", "media_misfit", "require_whole_media", "sheet_of", "sheet_of_paper"]

Media: TypeAlias = "messages.SetMediaMedia"

_LONGEST = 100_000_000
"""µm; no medium is larger than 100 m."""

# The form language says 0 for each of them.
for _path, _absent in (
    ("size.height", "of endless paper leave it out"),
    ("page", "leave it out where there is none"),
    ("lines", "leave it out where there is none"),
):
    wire.REMEDIES["printer.SetMedia", f"$.media.{_path}"] = _absent


def require_whole_media(media: Media) -> None:
    """Refuse a medium that lacks what every medium has.

    Raises:
        InvalidData: names the property.
    """
    unit, size = media.unit, media.size
    if unit is None or unit.base is None or unit.x is None or unit.y is None:
        raise errors.InvalidData("$.media.unit is missing; give base, x and y")
    if size is None or size.width is None:
        raise errors.InvalidData(
            "$.media.size is missing; give width and height; without height it is endless"
        )
    for name, area in (("printArea", media.print_area), ("restricted", media.restricted)):
        if area is not None and None in (area.x, area.y, area.width, area.height):
            raise errors.InvalidData(f"$.media.{name} is not whole; give x, y, width and height")


def sheet_of(media: Media, device: devices.Printer) -> Sheet:
    """A whole medium in µm.

    Raises:
        CommandError: `mediaInvalid`, it contradicts itself.
    """
    assert media.unit is not None
    assert media.size is not None
    assert media.size.width is not None
    grid = Grid(media.unit, device)
    width = grid.x(media.size.width)
    length = None if media.size.height is None else grid.y(media.size.height)
    if not 0 < width <= _LONGEST or (length is not None and not 0 < length <= _LONGEST):
        raise errors.CommandError("mediaInvalid", "the media is larger than 100 m, or too small to print on")
    whole = Box(0, 0, width, _LONGEST if length is None else length)
    printed = _area(grid, media.print_area) or whole
    restricted = _area(grid, media.restricted)
    for name, area in (("printArea", printed), ("restricted", restricted)):
        if area is not None and not whole.holds(area):
            raise errors.CommandError("mediaInvalid", f"the {name} is not within the media")
    bottom = None if length is None else printed.bottom
    return Sheet(width, length, printed.x, printed.y, printed.right, bottom, restricted)


def _area(grid: Grid, area: messages.Area | None) -> Box | None:
    if area is None or area.x is None or area.y is None or area.width is None or area.height is None:
        return None
    return grid.box(area.x, area.y, area.width, area.height)


def media_misfit(media: Media, sheet: Sheet, device: devices.Printer) -> str | None:
    """Why a device cannot print on a medium; None if it can."""
    source = media.source if media.source not in (None, "any") else None
    if source is not None and source not in device.paper_sources:
        known = ", ".join(sorted(device.paper_sources)) or "none"
        return f"the device has no paper source {source}; it has {known}"
    papers = [paper for name, paper in device.paper_sources.items() if source in (None, name)]
    papers += device.inserted if source is None else ()
    # A device that does not say how large its media are takes any.
    if papers and not any(_goes_through(sheet, paper) for paper in papers):
        largest = ", ".join(f"{_said(one.width)} x {_said(one.length)}" for one in papers)
        return (
            f"the media, {_said(sheet.width)} x {_said(sheet.length)}, is larger than what "
            f"the device prints on: {largest[:200]}"
        )
    return None


def _said(length: int | None) -> str:
    """A length in µm, for people."""
    return "endless" if length is None else f"{length / 1000:g} mm"


def _goes_through(sheet: Sheet, paper: Paper) -> bool:
    return sheet.width <= paper.width and (
        paper.length is None or (sheet.length is not None and sheet.length <= paper.length)
    )


def sheet_of_paper(paper: Paper) -> Sheet:
    """The paper of a source, or what can be inserted, where the client names no medium."""
    return Sheet(
        paper.width,
        paper.length,
        paper.left,
        paper.top,
        paper.width - paper.right,
        None if paper.length is None else paper.length - paper.bottom,
    )
