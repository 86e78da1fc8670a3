"""The PIN that was entered: held in the secure part until it is used or forgotten."""

from __future__ import annotations

from xfs4iot._core import Secret
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part.ciphers import wipe

__all__ = ["Pins"]


class Pins:
    """Holds one PIN."""

    def __init__(self) -> None:
        self._digits: Secret | None = None

    def __repr__(self) -> str:
        return "Pins()"

    def hold(self, digits: bytearray) -> None:
        """Keep a PIN, in the place of the one before; what it was given in is overwritten."""
        self.forget()
        self._digits = Secret(digits)
        wipe(digits)

    def forget(self) -> None:
        """Overwrite it."""
        if self._digits is not None:
            self._digits.erase()
        self._digits = None

    def digits(self) -> list[int]:
        """The PIN, for the modules of this package.

        Raises:
            CommandError: `noPin`.
        """
        if not self._digits:
            raise errors.CommandError("noPin", "no PIN is held")
        return list(memoryview(self._digits))
