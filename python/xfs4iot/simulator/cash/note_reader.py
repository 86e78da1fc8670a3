"""The reader of a simulated cash device: what it makes of the notes that pass it, and tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from xfs4iot import devices
from xfs4iot.digests import sha256
from xfs4iot.protocol.messages import cash_management
from xfs4iot.simulator.cash.truth import Notes, as_read
from xfs4iot.simulator.device import SimulatedDevice

__all__ = ["NoteReader", "signature_of"]


def signature_of(notes: Notes) -> bytes:
    """What a reader makes of a note's picture: the same for the same note."""
    return sha256(f"{notes.item} {notes.serial}".encode())


class NoteReader(SimulatedDevice, devices.CashManagement):
    """A device that reads notes; for its arguments see `SimulatedDevice`.

    Attributes:
        classification: the list that notes are compared with.
    """

    def __init__(self, name: str, options: Mapping[str, Any] | None = None, **world: Any) -> None:
        super().__init__(name, options, **world)
        self.classification: list[cash_management.ClassificationElement] = []
        self._notes_read: list[cash_management.ItemInfo] = []

    def _serial(self, number: int) -> str:
        """The serial number of a note that has none yet, of how many were read before."""
        # Drawn by the note's number, so that a device that is restarted goes on, and repeats none.
        chance = self.world.chance(f"{self.name} note {number}")
        return f"X{chance.randrange(10**10):010}"

    def _keep_read(self, note: Notes, place: str) -> None:
        """Keep what was read of a note that is now at a place."""
        self._notes_read.append(self._info(note, place))

    def _info(self, note: Notes, place: str) -> cash_management.ItemInfo:
        """What the reader tells of a note."""
        listed = any(
            fnmatchcase(note.serial, one.serial_number or "*")
            for one in self.classification
            if one.serial_number or one.currency or one.value
        )
        item, level = as_read(self.bank_notes, note.item, note.level)
        info = cash_management.ItemInfo(
            note_type=item,
            orientation="frontTop",
            level=level,
            serial_number=note.serial or None,
            item_location=place,
        )
        if note.serial:
            info.signature = signature_of(note)
        if self.classification:
            info.on_classification_list = "onClassificationList" if listed else "notOnClassificationList"
        return info

    def _tell_read(self, events: devices.CashEvents[cash_management.InfoAvailableEvent]) -> None:
        """Tell that there is information about the notes that were read."""
        levels: dict[Any, int] = {}
        for info in self._notes_read:
            levels[info.level] = levels.get(info.level, 0) + 1
        if levels:
            summary = [
                cash_management.InfoAvailableEventItemInfoSummaryItem(level=level, num_of_items=count)
                for level, count in levels.items()
            ]
            events.send(cash_management.InfoAvailableEvent(item_info_summary=summary))

    def _reads_move(self, source: str, target: str, count: int | None = None) -> None:
        """Follow items that were read to where they are now."""
        there = [item for item in self._notes_read if item.item_location == source]
        for item in there[:count]:
            item.item_location = target

    async def get_item_info(self) -> list[cash_management.ItemInfo]:
        return list(self._notes_read)

    async def set_classification_list(
        self, version: str | None, elements: list[cash_management.ClassificationElement]
    ) -> None:
        self.classification = elements
