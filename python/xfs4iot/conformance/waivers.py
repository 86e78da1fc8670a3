"""Waivers: deviations that somebody answers for, until a day.

[[waiver]]
case = "CD-DENOMINATE-03N"      # or a pattern, such as "CD-*-ENUM-*"
reason = "fixed in firmware 4.2"
owner = "K. Berg"
until = 2027-03-31
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from xfs4iot.dataclass import dataclass

__all__ = ["Waiver", "WaiverError", "read_waivers"]


class WaiverError(Exception):
    """A file of waivers cannot be used; the text says why."""


@dataclass(frozen=True)
class Waiver:
    """One of them; fields as in the file."""

    case: str
    reason: str
    owner: str
    until: date

    def covers(self, case_id: str) -> bool:
        return fnmatchcase(case_id, self.case)


def read_waivers(file: Path) -> tuple[Waiver, ...]:
    """Read a file of waivers.

    Raises:
        WaiverError: it is not one; the text says which entry, and what is missing.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as wrong:
        raise WaiverError(f"{file} cannot be read: {wrong}") from None
    return tuple(_waivers(file, content.get("waiver", [])))


def _waivers(file: Path, entries: object) -> Iterable[Waiver]:
    if not isinstance(entries, list) or not entries:
        raise WaiverError(f"{file} has no [[waiver]]; each needs case, reason, owner and until")
    for number, entry in enumerate(entries, 1):
        texts = {}
        for name in ("case", "reason", "owner"):
            value = entry.get(name)
            if not isinstance(value, str) or not value.strip():
                raise WaiverError(f'{file}, waiver {number}: {name} = "…" is missing')
            texts[name] = value
        until = entry.get("until")
        if not isinstance(until, date):
            raise WaiverError(f"{file}, waiver {number}: until = 2027-03-31 is missing, or no date")
        yield Waiver(**texts, until=until)
