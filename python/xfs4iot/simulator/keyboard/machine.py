"""What each key does while something is entered.

| key | data | PIN | part of a key |
|---|---|---|---|
| digit, while there is room | stored | stored, told without its name | likewise, in hexadecimal |
| digit that fills it up | ends it with `autoEnd`; else digits are dead until clear or backspace | likewise |
likewise |
| enter that ends | ends it | from the shortest length on | only when it is whole |
| cancel that ends | ends it, nothing is kept | likewise | likewise |
| clear, backspace | all, or the last, are gone | likewise | likewise |
| function key that ends | ends it | likewise | only when it is whole |
| other function key | told, not stored | likewise | likewise |
| key that is not active | nothing | nothing | nothing |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import EntryCompletion

__all__ = ["DIGITS", "Entry", "Told"]

DIGITS = {
    name: value
    for value, name in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", *"abcdef")
    )
}
"""Values of keys that are digits."""
_SEVERAL = {"doubleZero": 2, "tripleZero": 3}


@dataclass(frozen=True)
class Told:
    """What a pressed key did.

    Attributes:
        key: its name; None if it must not be told.
        completion: what it did.
        ends: the entry is over.
    """

    key: str | None
    completion: EntryCompletion
    ends: bool = False


class Entry:
    """One entry.

    Args:
        kind: of it.
        least, most: number of digits; 0 for no limit.
        auto_end: it ends when there are `most`.
        active: keys that can be pressed, and whether each ends it.

    Attributes:
        pressed: names of the keys that count, of an entry of data.
        digits: values of the digits, of a PIN or a key.
    """

    def __init__(
        self,
        kind: Literal["data", "pin", "secure"],
        least: int,
        most: int,
        auto_end: bool,
        active: Mapping[str, bool],
    ) -> None:
        self._kind = kind
        self._least = least
        self._most = most
        self._auto_end = auto_end
        self._active = active
        self.pressed: list[str] = []
        self.digits = bytearray()

    def wipe(self) -> None:
        """Overwrite what was entered."""
        # Overwritten in place first: dropping the array alone would leave the digits in memory.
        self.digits[:] = bytes(len(self.digits))
        self.digits = bytearray()
        self.pressed = []

    def _length(self) -> int:
        return len(self.pressed) if self._kind == "data" else len(self.digits)

    def press(self, key: str) -> Told | None:
        """A key is pressed; None if nothing happens."""
        if key not in self._active or key == "shift":
            return None
        ends = self._active[key]
        if key in DIGITS or key in _SEVERAL or key == "decPoint":
            return self._store(key)
        match key:
            case "clear":
                self.wipe()
                return Told(key, "clear", ends)
            case "backspace":
                if self.digits:
                    # Deleting shortens the array but leaves the byte in its buffer.
                    self.digits[-1] = 0
                    del self.digits[-1]
                self.pressed = self.pressed[:-1]
                return Told(key, "backspace", ends)
            case "cancel":
                if ends:
                    self.wipe()
                return Told(key, "cancel", ends)
        if not ends:
            return Told(key, "contFdk" if key.startswith("fdk") else "continue")
        if self._kind == "pin" and len(self.digits) < self._least:
            return None
        if self._kind == "secure" and len(self.digits) != self._most:
            return None
        match key:
            case "enter":
                return Told(key, "enter", True)
            case "help":
                return Told(key, "help", True)
        return Told(key, "fdk" if key.startswith("fdk") else "fk", True)

    def _store(self, key: str) -> Told | None:
        count = _SEVERAL.get(key, 1)
        if self._kind == "pin" and key not in tuple(DIGITS)[:10]:
            return None
        if self._kind == "secure" and key not in DIGITS:
            return None
        if self._most and self._length() + (count if self._kind != "data" else 1) > self._most:
            return None
        if self._kind == "data":
            self.pressed.append(key)
        else:
            self.digits.append(DIGITS[key])
        full = self._most and self._length() == self._most and self._auto_end
        return Told(key if self._kind == "data" else None, "auto" if full else "continue", bool(full))
