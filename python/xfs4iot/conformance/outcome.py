"""How a case says that it did not come out simply good."""

from __future__ import annotations

__all__ = ["Advises", "Deviates", "NotApplicable", "Unattended"]


_LONGEST = 1000
"""Characters that are kept of what a service said."""


class Outcome(Exception):
    """How a case came out, when it is not simply good."""


class Deviates(Outcome):
    """The service does not do what the standard says.

    Args:
        expected, seen: in words.
    """

    def __init__(self, expected: str, seen: str) -> None:
        seen = seen if len(seen) <= _LONGEST else seen[:_LONGEST] + "…"
        super().__init__(f"expected {expected}; seen {seen}")
        self.expected = expected
        self.seen = seen


class Advises(Deviates):
    """The service may do this, but it would be better otherwise."""


class NotApplicable(Outcome):
    """The rule says nothing about this service; the text proves it."""


class Unattended(Outcome):
    """Nobody did what the rule needs somebody for; the text proves it."""
