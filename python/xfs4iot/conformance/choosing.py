"""Which cases are meant: by patterns of their ids, and by profiles.

What was asked for and is not there must be told: a run of no cases looks like one that found nothing wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from xfs4iot.close_matches import close_matches
from xfs4iot.conformance.case import Case
from xfs4iot.dataclass import dataclass

__all__ = ["EVERY", "SCHEMA", "SCHEMA_IDS", "Choice", "NothingChosen", "matches"]

SCHEMA = "Schemas"
"""The profile of the messages that the service sent meanwhile."""
SCHEMA_IDS = "MSG-SCHEMA-"
"""How the ids of its cases begin; which there are shows only when all others have been tried."""
_MOST_NAMED = 5
_LONGEST_ASKED = 80


class NothingChosen(Exception):
    """A pattern or a profile means no case of this service; the text says which, and what there is."""


def matches(case_id: str, pattern: str) -> bool:
    """Whether a pattern means a case: by its very id, which may have brackets, or by `*`, `?` and `[…]`."""
    return case_id == pattern or fnmatchcase(case_id, pattern)


@dataclass(frozen=True)
class Choice:
    """What was asked for.

    Attributes:
        patterns: cases whose ids match one of these; none for all.
        profiles: cases of these; none for all.
    """

    patterns: Sequence[str] = ()
    profiles: Sequence[str] = ()

    def means(self, case: Case) -> bool:
        """Whether a case is meant."""
        return (not self.profiles or case.interface in self.profiles) and (
            not self.patterns or any(matches(case.id, one) for one in self.patterns)
        )

    @property
    def of_schemas(self) -> bool:
        """Whether what the service sends is judged, too."""
        return (not self.profiles or SCHEMA in self.profiles) and (
            not self.patterns or any(_of_schemas(one) for one in self.patterns)
        )

    def of(self, cases: Iterable[Case]) -> list[Case]:
        """Those of a service's cases that are meant.

        Raises:
            NothingChosen: one of the patterns, one of the profiles, or both together mean none.
        """
        every = list(cases)
        profiles = dict.fromkeys((*(one.interface for one in every), SCHEMA))
        for profile in self.profiles:
            if profile not in profiles:
                raise NothingChosen(_no("profile", profile, list(profiles), lambda name: name))
        ids = [one.id for one in every]
        for pattern in self.patterns:
            if not _of_schemas(pattern) and not any(matches(one, pattern) for one in ids):
                raise NothingChosen(_no("case", pattern, ids, _area))
        chosen = [one for one in every if self.means(one)]
        if not chosen and self.of_schemas:
            raise NothingChosen(
                f"{SCHEMA_IDS}* are of what comes while others are tried; choose some of those, too"
            )
        if not chosen:
            raise NothingChosen(
                f"no case of {_few(self.profiles)} matches {_few(self.patterns)}; leave one of the two out"
            )
        return chosen


EVERY = Choice()
"""All cases of a service."""


def _of_schemas(pattern: str) -> bool:
    return pattern.startswith(SCHEMA_IDS) or matches(f"{SCHEMA_IDS}P", pattern)


def _area(case_id: str) -> str:
    """`CD` of `CD-DENOMINATE-03N`."""
    return case_id.partition("-")[0]


def _no(kind: str, asked: str, known: Sequence[str], whole: Callable[[str], str]) -> str:
    """That there is no such thing, and what is near, or all there is, by its areas."""
    shown = asked if len(asked) <= _LONGEST_ASKED else asked[:_LONGEST_ASKED] + "…"
    said = f"this service has no {kind} {shown!r}"
    folded = {one.casefold().replace("-", ""): one for one in known}
    plain = asked.casefold().replace("-", "").rstrip("*")
    near = [folded[one] for one in folded if plain and one.startswith(plain)]
    near = near or [folded[one] for one in close_matches(plain, folded, 3, 0.75)]
    if near:
        return f"{said}; did you mean {_few(near)}?"
    areas = dict.fromkeys(map(whole, known))
    return f"{said}; there are {', '.join(one if one in known else f'{one}-*' for one in areas)}"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
