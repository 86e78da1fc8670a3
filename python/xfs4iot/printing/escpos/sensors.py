"""What the sensors of an ESC/POS printer see, and the bytes in which it says so."""

from __future__ import annotations

from dataclasses import replace

from xfs4iot.dataclass import dataclass

__all__ = ["Sensors", "realtime"]

_FIXED = 0x12
"""Bits that are set in every answer to DLE EOT."""


@dataclass(frozen=True)
class Sensors:
    """The state of a printer.

    Attributes:
        offline: it prints nothing, for whatever reason.
        cover_open: as it says.
        feeding: somebody holds its button down.
        paper_out, paper_low: at the end of the roll, or near it.
        cutter_failed: the cutter is stuck.
        unrecoverable: it is broken.
        overheated: an error that passes by itself.
        drawer: level of the contact of the cash drawer.
    """

    offline: bool = False
    cover_open: bool = False
    feeding: bool = False
    paper_out: bool = False
    paper_low: bool = False
    cutter_failed: bool = False
    unrecoverable: bool = False
    overheated: bool = False
    drawer: bool = False

    @property
    def failed(self) -> bool:
        """Whether something is wrong besides paper and cover."""
        return self.cutter_failed or self.unrecoverable or self.overheated

    @property
    def stopped(self) -> bool:
        """Whether it prints nothing until somebody has done something."""
        return self.cover_open or self.paper_out or self.failed

    def answer(self, kind: int) -> bytes:
        """The answer to DLE EOT `kind`; none to kinds that there are not."""
        bits = {
            1: 0x04 * self.drawer | 0x08 * self.offline,
            2: 0x04 * self.cover_open | 0x08 * self.feeding | 0x20 * self.paper_out | 0x40 * self.failed,
            3: 0x08 * self.cutter_failed | 0x20 * self.unrecoverable | 0x40 * self.overheated,
            4: 0x0C * (self.paper_low or self.paper_out) | 0x60 * self.paper_out,
        }.get(kind)
        return b"" if bits is None else bytes([_FIXED | bits])

    def paper(self) -> bytes:
        """The answer to GS r 1 and ESC v."""
        return bytes([0x03 * (self.paper_low or self.paper_out) | 0x0C * self.paper_out])

    def automatic(self) -> bytes:
        """What a printer sends by itself after GS a: four bytes."""
        return bytes(
            [
                0x10
                | 0x04 * self.drawer
                | 0x08 * self.offline
                | 0x20 * self.cover_open
                | 0x40 * self.feeding,
                0x08 * self.cutter_failed | 0x20 * self.unrecoverable | 0x40 * self.overheated,
                0x03 * (self.paper_low or self.paper_out) | 0x0C * self.paper_out,
                0x00,
            ]
        )


def realtime(known: Sensors, kind: int, answer: int) -> Sensors | None:
    """What is known after an answer to DLE EOT `kind`; None if it is no such answer."""
    if answer & 0x93 != _FIXED:
        return None
    if kind == 1:
        return replace(known, drawer=bool(answer & 0x04), offline=bool(answer & 0x08))
    if kind == 2:
        return replace(known, cover_open=bool(answer & 0x04), feeding=bool(answer & 0x08))
    if kind == 3:
        return replace(
            known,
            cutter_failed=bool(answer & 0x08),
            unrecoverable=bool(answer & 0x20),
            overheated=bool(answer & 0x40),
        )
    return replace(known, paper_low=bool(answer & 0x0C), paper_out=bool(answer & 0x60))
