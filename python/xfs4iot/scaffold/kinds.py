"""The kinds of devices that there are packages for: each interface, and what vendors build of several."""

from __future__ import annotations

import re
from collections.abc import Mapping

from xfs4iot.close_matches import close_matches
from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces import MODULES

__all__ = ["Kind", "UnknownKind", "kind_called", "kinds"]

_FRAMEWORKS_OWN = ("Common", "ServicePublisher")
_BESIDE: Mapping[str, tuple[str, ...]] = {
    "CardReader": ("CardReader", "Storage"),
    "Crypto": ("KeyManagement", "Crypto"),
    "PinPad": ("KeyManagement", "Keyboard", "PinPad"),
    "German": ("KeyManagement", "Keyboard", "PinPad", "German"),
    "BanknoteNeutralization": ("BanknoteNeutralization", "Storage"),
}
"""What vendors' devices have beside an interface."""
_COMBINATIONS: Mapping[str, tuple[str, ...]] = {
    "recycler": ("CashDispenser", "CashAcceptor"),
    "epp": ("KeyManagement", "Keyboard", "PinPad", "Crypto"),
}
_OWN_PARTS: Mapping[str, tuple[str, ...]] = {"recycler": ("recycler",)}
"""What is different in a combination."""
_ALSO_CALLED: Mapping[str, str] = {
    "dispenser": "CashDispenser",
    "acceptor": "CashAcceptor",
    "cashrecycler": "recycler",
    "cheque": "Check",
    "scanner": "BarcodeReader",
    "encryptingpinpad": "epp",
}


class UnknownKind(ValueError):
    """There is no such kind of device; the text says what to write."""


@dataclass(frozen=True)
class Kind:
    """A kind of device.

    Attributes:
        name: of the interface, or of the combination.
        interfaces: whose device classes it is made of.
        parts: names of the files in `parts`; later ones replace what earlier ones say.
    """

    name: str
    interfaces: tuple[str, ...]
    parts: tuple[str, ...]


def _part(interface: str) -> str:
    return MODULES[interface].rpartition(".")[2]


def kinds() -> dict[str, Kind]:
    """All kinds, by name: interfaces in the standard's spelling, then combinations."""
    found = {}
    for name in MODULES:
        if name not in _FRAMEWORKS_OWN:
            interfaces = _BESIDE.get(name, (name,))
            # The units of a device are in the part of what they belong to.
            own = [one for one in interfaces if one != "Storage" or name == "Storage"]
            found[name] = Kind(name, interfaces, tuple(map(_part, own)))
    for name, interfaces in _COMBINATIONS.items():
        found[name] = Kind(name, interfaces, (*map(_part, interfaces), *_OWN_PARTS.get(name, ())))
    # Its device class is made of those of both kinds of items.
    mixed = found["MixedMedia"]
    found["MixedMedia"] = Kind(mixed.name, mixed.interfaces, ("cash_acceptor", "check", "mixed_media"))
    return found


def kind_called(text: str) -> Kind:
    """The kind that is meant by `CashDispenser`, `cash-dispenser`, `cashdispenser` or `dispenser`.

    Raises:
        UnknownKind: there is none.
    """
    known = kinds()
    plain = re.sub(r"[-_ ]", "", text).lower()
    for name in _FRAMEWORKS_OWN:
        if plain == name.lower():
            raise UnknownKind(f"{name} is the framework's own: every service has it; name a device")
    called = {**{name.lower(): name for name in known}, **_ALSO_CALLED}
    if plain in called:
        return known[called[plain]]
    near = close_matches(plain, called, 1)
    hint = f"did you mean {called[near[0]]}?" if near else f"there are {', '.join(known)}"
    raise UnknownKind(f"there is no kind of device {text[:60]!r}; {hint}")
