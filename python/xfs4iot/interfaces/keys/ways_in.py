"""By which ways keys come into a device, and of what kinds each way brings them: data.

It is not what a device may hold: of a pair of keys that was made inside, no command brings the private part,
and a public key that somebody sends must not be booked as one. A device says of what kinds it takes keys at
all; a way only ever takes some of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import KeyKind

__all__ = [
    "BY_EMV",
    "BY_KEY_BLOCK",
    "BY_PARTS",
    "BY_RSA",
    "BY_SYMMETRIC",
    "BY_TOKEN",
    "IN_THE_CLEAR",
    "WayIn",
]

_SYMMETRIC: Mapping[str, frozenset[str] | None] = dict.fromkeys("ADHT")
_PUBLIC_MODES = frozenset("EV")


@dataclass(frozen=True)
class WayIn:
    """How a key comes.

    Attributes:
        text: continues "the device takes no key ...".
        algorithms: of keys that come so, with their modes of use; None for all modes. A vendor's own
            algorithms, usages and modes, which are digits, may come by any way.
        usages: that come so, with their one mode of use; None for all.
    """

    text: str
    algorithms: Mapping[str, frozenset[str] | None]
    usages: Mapping[str, str] | None = None

    def brings(self, kind: KeyKind) -> bool:
        """Whether keys of this kind come so."""
        usage, algorithm, mode = kind
        if self.usages is not None and self.usages.get(usage) != mode and not usage.isdigit():
            return False
        if algorithm not in self.algorithms:
            return algorithm.isdigit()
        modes = self.algorithms[algorithm]
        return modes is None or mode in modes or mode.isdigit()

    def of(self, kinds: Iterable[KeyKind]) -> frozenset[KeyKind]:
        """Those of the kinds that come so."""
        return frozenset(kind for kind in kinds if self.brings(kind))


BY_PARTS = WayIn("in parts", _SYMMETRIC)
BY_RSA = WayIn("encrypted by RSA", _SYMMETRIC)
BY_TOKEN = WayIn("by a token", _SYMMETRIC)
BY_SYMMETRIC = WayIn("encrypted by a key", {**_SYMMETRIC, "R": _PUBLIC_MODES})
# X9.143 has private keys, too: whether one comes so is the vendor's to say.
BY_KEY_BLOCK = WayIn("by a key block", {**_SYMMETRIC, "R": None, "E": None, "S": None})
IN_THE_CLEAR = WayIn(
    "in the clear",
    {"R": _PUBLIC_MODES},
    {"S0": "V", "S1": "V", "S2": "V", "D1": "E", "K2": "E", "K3": "E"},
)
BY_EMV = WayIn(
    "as a public key of a card scheme",
    {"R": _PUBLIC_MODES},
    {**{f"E{number}": "V" for number in range(7)}, "E7": "E"},
)
