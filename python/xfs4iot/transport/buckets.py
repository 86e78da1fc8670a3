"""Token buckets: how often each of many may do something, on the long run and at once."""

from __future__ import annotations

from collections import OrderedDict

import trio

__all__ = ["TokenBuckets"]

_MOST = 100_000


class TokenBuckets:
    """One bucket for each name. Who is forgotten, since others came later, begins with a full one.

    Args:
        rate: tokens that come back in a second.
        burst: how many a full bucket holds.
    """

    def __init__(self, rate: float, burst: float) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(
                f"a rate of {rate:g} and a burst of {burst:g} would let nothing through; give more"
            )
        self.rate, self.burst = rate, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Seconds until there is a token; 0 if there is one now."""
        return max(0.0, (1.0 - self._level(name, trio.current_time())) / self.rate)

    def take(self, name: str) -> bool:
        """Take a token; False if there is none."""
        if self._level(name, trio.current_time()) < 1.0:
            return False
        self.spend(name, 1)
        return True

    def spend(self, name: str, count: float) -> float:
        """Take tokens, also such as there are none of yet; seconds until all of them have come."""
        now = trio.current_time()
        left = self._level(name, now) - count
        self._left[name] = (left, now)
        self._left.move_to_end(name)
        if len(self._left) > _MOST:
            self._left.popitem(last=False)
        return max(0.0, -left / self.rate)

    def _level(self, name: str, now: float) -> float:
        level, then = self._left.get(name, (self.burst, now))
        return min(self.burst, level + (now - then) * self.rate)
