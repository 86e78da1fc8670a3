"""What may have been meant by a name that nothing has."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["close_matches"]


def close_matches(word: str, possibilities: Iterable[str], n: int = 3, cutoff: float = 0.6) -> list[str]:
    """The names that are most like a word, the best first; see `difflib.get_close_matches`.

    Comparing is quadratic in the length of the word: cut one that comes from a client.
    """
    # Loaded when somebody has misspelt something: nothing else of a service needs it.
    from difflib import get_close_matches

    return get_close_matches(word, list(possibilities), n, cutoff)
