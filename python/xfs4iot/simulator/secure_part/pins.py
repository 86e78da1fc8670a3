"""The PIN that was entered: held in the secure part until it is used or forgotten."""

from __future__ import annotations

from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part.store import wipe

__all__ = ["Pins"]


class Pins:
    """Holds one PIN."""

    def __init__(self) -> None:
        self._digits: bytearray | None = None

    def __repr__(self) -> str:
        return "Pins()"

    def hold(self, digits: bytearray) -> None:
        """Keep a PIN, in the place of the one before."""
        self.forget()
        self._digits = digits

    def forget(self) -> None:
        """Overwrite it."""
        if self._digits is not None:
            wipe(self._digits)
        self._digits = None

    def digits(self) -> list[int]:
        """The PIN, for the modules of this package.

        Raises:
            CommandError: `noPin`.
        """
        if not self._digits:
            raise errors.CommandError("noPin", "no PIN is held")
        return list(self._digits)
