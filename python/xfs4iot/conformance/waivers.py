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
from datetime import date, datetime
from pathlib import Path
from typing import Any

from xfs4iot.conformance.choosing import SCHEMA_IDS, matches
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
        return matches(case_id, self.case)

    @property
    def covers_schema(self) -> bool:
        """Whether it is for messages that are not as their schemas say: which, shows only at the end."""
        return self.case.startswith(SCHEMA_IDS)

    @property
    def message(self) -> str:
        """Name of the message whose schema it is about; empty if it is about something else."""
        return self.case.removeprefix(SCHEMA_IDS).removesuffix("-P") if self.covers_schema else ""

    @property
    def is_pattern(self) -> bool:
        """Whether it may be for many cases."""
        return any(sign in self.case for sign in "*?")


_FIELDS = ("case", "reason", "owner", "until")
_EXAMPLE = 'case = "CD-DENOMINATE-03N", reason = "…", owner = "…", until = 2027-03-31'
_LARGEST_BYTES = 1_000_000
_LONGEST = 300
"""Characters of a text, which reports repeat."""


def read_waivers(file: Path) -> tuple[Waiver, ...]:
    """Read a file of waivers.

    Raises:
        WaiverError: it is not one; the text says which entry, and what is wrong with it.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise WaiverError(
                f"{file} cannot be read: it is longer than {_LARGEST_BYTES} bytes; use patterns"
            )
        told = tomllib.loads(content.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as wrong:
        raise WaiverError(f"{file} cannot be read: {str(wrong)[:_LONGEST]}") from None
    return tuple(_waivers(file, told))


def _waivers(file: Path, content: dict[str, Any]) -> Iterable[Waiver]:
    if others := [name for name in content if name != "waiver"]:
        raise WaiverError(f"{file} has {_short(others[0])}, which is unknown; it has [[waiver]] alone")
    entries = content.get("waiver")
    if isinstance(entries, dict):
        raise WaiverError(f"{file} has [waiver]; write [[waiver]], once for each")
    if not isinstance(entries, list) or not entries:
        raise WaiverError(f"{file} has no [[waiver]]; each needs {_EXAMPLE}")
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        waiver = _waiver(f"{file}, waiver {number}", entry)
        if waiver.case in seen:
            raise WaiverError(
                f"{file}, waiver {number}: {_short(waiver.case)} has one already; keep one of them"
            )
        seen.add(waiver.case)
        yield waiver


def _waiver(where: str, entry: object) -> Waiver:
    if not isinstance(entry, dict):
        raise WaiverError(f"{where} is no table; write [[waiver]] with {_EXAMPLE}")
    if unknown := [name for name in entry if name not in _FIELDS]:
        raise WaiverError(f"{where} has {_short(unknown[0])}, which is unknown; it has {', '.join(_FIELDS)}")
    texts = {}
    for name in ("case", "reason", "owner"):
        value = entry.get(name)
        if value is None:
            raise WaiverError(f'{where} has no {name}; write {name} = "…"')
        if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
            raise WaiverError(f'{where}: {name} is no text of 1 to {_LONGEST} characters; write {name} = "…"')
        texts[name] = value.strip()
    until = entry.get("until")
    if until is None:
        raise WaiverError(f"{where} has no end; write until = 2027-03-31, without quotes")
    # A datetime is a date to Python, but cannot be compared with one.
    if not isinstance(until, date) or isinstance(until, datetime):
        raise WaiverError(
            f"{where}: until is no date but {_short(str(until))}; write until = 2027-03-31, without quotes"
        )
    return Waiver(**texts, until=until)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
