"""The classification list: which items the bank wants to hear of, by serial number.

An element of the list names serial numbers, where `?` stands for one character and `*` for any
number of them, and may be of one currency and value only. A blacklist is the usual example.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from xfs4iot.protocol.messages import cash_management as messages

__all__ = ["is_listed"]

Listed = Literal["onClassificationList", "notOnClassificationList", "classificationListUnknown"]


def is_listed(
    serial_number: str | None,
    note: messages.CashItem | None,
    elements: Iterable[messages.ClassificationElement],
) -> Listed:
    """Whether an item is on the list; unknown if its serial number is.

    Args:
        serial_number: as it was read; None if it was not.
        note: what kind of item it is; None if that is not known.
    """
    if not serial_number:
        return "classificationListUnknown"
    for element in elements:
        if _is_of(note, element) and _fits(serial_number, element.serial_number or "*"):
            return "onClassificationList"
    return "notOnClassificationList"


def _is_of(note: messages.CashItem | None, element: messages.ClassificationElement) -> bool:
    if note is None:
        return True
    return element.currency in (None, note.currency) and (not element.value or element.value == note.value)


def _fits(serial_number: str, mask: str) -> bool:
    """Whether a serial number is as a mask has it.

    The parts between the stars are looked for from left to right, each at its first place, so
    that no mask takes longer than its length times the number's.
    """
    first, *rest = mask.split("*")
    if not rest:
        return len(serial_number) == len(mask) and _at(serial_number, 0, mask)
    if not _at(serial_number, 0, first) or len(serial_number) < len(first):
        return False
    place = len(first)
    *middle, last = rest
    for part in middle:
        while place + len(part) <= len(serial_number) and not _at(serial_number, place, part):
            place += 1
        place += len(part)
        if place > len(serial_number):
            return False
    end = len(serial_number) - len(last)
    return end >= place and _at(serial_number, end, last)


def _at(text: str, place: int, part: str) -> bool:
    return all(
        place + offset < len(text) and wanted in ("?", text[place + offset])
        for offset, wanted in enumerate(part)
    )
