"""The PIN that was entered: held in the secure part until it is used or forgotten.

For a change of PIN, a second one may be kept to be compared with the next.
"""

from __future__ import annotations

import hmac

from xfs4iot._core import Secret
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part.ciphers import wipe

__all__ = ["Pins"]


class Pins:
    """Holds one PIN, and one to compare it with."""

    def __init__(self) -> None:
        self._digits: Secret | None = None
        self._compared: Secret | None = None

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

    def forget_compared(self) -> None:
        """Overwrite the PIN that is kept for a comparison."""
        if self._compared is not None:
            self._compared.erase()
        self._compared = None

    def forget_all(self) -> None:
        """Overwrite both."""
        self.forget()
        self.forget_compared()

    def compare(self) -> bool | None:
        """Whether the PIN is the one that was kept, which is forgotten then; None: it is kept itself now.

        Raises:
            CommandError: `noPin`.
        """
        if not self._digits:
            raise errors.CommandError("noPin", "no PIN is held")
        if self._compared is None:
            self._compared = Secret(self._digits)
            return None
        same = hmac.compare_digest(memoryview(self._digits), memoryview(self._compared))
        self.forget_compared()
        return same

    def digits(self) -> list[int]:
        """The PIN, for the modules of this package.

        Raises:
            CommandError: `noPin`.
        """
        if not self._digits:
            raise errors.CommandError("noPin", "no PIN is held")
        return list(memoryview(self._digits))
