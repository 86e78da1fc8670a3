"""Paper, toner, ink, lamp and retract bins: an event whenever a level is crossed, in either direction, once.

The levels of supplies follow from the status, so that the two cannot disagree, and are told after its
change. A jam is a status and no level; after it, only another level than before is told. Bins are storage
units in the newest version; clients of older ones are told of them in events that those have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xfs4iot.interfaces.storage.printer import PrinterUnits
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import printer as messages

__all__ = ["BinThresholds", "Thresholds"]

_LEVELS = frozenset({"full", "low", "out", "ok", "fading", "inop"})
_SUPPLIES = ("toner", "ink", "lamp")
"""Each has an event of its own."""


class Thresholds:
    """The levels that clients know of.

    Args:
        status: of the printer, as it is at the start.
    """

    def __init__(self, status: messages.Status) -> None:
        self._known = dict(_levels(status))

    def crossed(self, status: messages.Status) -> Iterator[Payload]:
        """The events for what has changed; they are told from now on."""
        for name, level in _levels(status):
            before, self._known[name] = self._known.get(name), level
            if before == level:
                continue
            if name in _SUPPLIES:
                yield getattr(messages, f"{name.title()}ThresholdEvent")(state=level)
            # The standard knows no threshold of the parking station.
            elif name != "paper park":
                yield messages.PaperThresholdEvent(paper_source=name.removeprefix("paper "), threshold=level)


def _levels(status: messages.Status) -> Iterator[tuple[str, Any]]:
    found: dict[str, Any] = {name: getattr(status, name) for name in _SUPPLIES}
    if status.paper is not None:
        found |= {f"paper {source}": level for source, level in status.paper.to_plain().items()}
    for name, level in found.items():
        if level in _LEVELS:
            yield name, level


class BinThresholds:
    """The levels of retract bins, and whether they are in, as clients of older versions know them.

    Args:
        units: the bins, as they are at the start.
    """

    def __init__(self, units: PrinterUnits) -> None:
        self._units = units
        self._known = dict(self._now())

    def _now(self) -> Iterator[tuple[int, tuple[str, bool]]]:
        for name, unit in self._units.units.items():
            is_in = self._units.hardware_status(name) != "missing"
            yield unit.index, (self._units.replenishment_status(name), is_in)

    def crossed(self) -> Iterator[Payload]:
        """The events for what has changed; they are told from now on."""
        for number, (level, is_in) in self._now():
            before = self._known.get(number)
            self._known[number] = (level, is_in)
            if before is None:
                continue
            if before[1] != is_in:
                yield messages.RetractBinStatusEvent(
                    bin_number=number, state="inserted" if is_in else "removed"
                )
            if before[0] != level and level != "unknown":
                told: Any = level
                yield messages.RetractBinThresholdEvent(bin_number=number, state=told)
