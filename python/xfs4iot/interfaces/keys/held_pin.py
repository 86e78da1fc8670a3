"""The PIN that the device holds, as far as the service knows of it: that there is one, and whose.

    nothing ──PinEntry with digits──▶ held ──used──▶ nothing, or held: with MaintainPin
                                       │
                                       └── another entry, Reset, its time over, its client gone ──▶ nothing

It belongs to the connection on which it was entered: no client can use a PIN that was entered for another.
"""

from __future__ import annotations

import math
from typing import Any

import trio

from xfs4iot.protocol import errors

__all__ = ["HeldPin"]


class HeldPin:
    """Whether there is a PIN.

    Attributes:
        maintained: it stays after it was used.
        prepared: what SetPinBlockData said of the block to come; None: nothing.
        verified: how often it was verified locally.
    """

    def __init__(self) -> None:
        self._owner: object | None = None
        self._until = -math.inf
        self.maintained = False
        self.prepared: Any = None
        self.verified = 0

    def entered(self, owner: object, seconds: float) -> None:
        """A PIN was entered on a connection, and is kept for so long."""
        self._owner, self._until = owner, trio.current_time() + seconds
        self.verified = 0

    def is_held(self) -> bool:
        """Whether there is one."""
        return self._owner is not None and trio.current_time() < self._until

    def is_over(self) -> bool:
        """Whether there was one that must be forgotten now."""
        return self._owner is not None and trio.current_time() >= self._until

    def belongs_to(self, connection: object) -> bool:
        """Whether it was entered there."""
        return self._owner is connection

    def gone(self) -> None:
        """Forget that there is one."""
        # `maintained` stays: it is a setting for all PINs, not a property of this one.
        self._owner, self.prepared = None, None

    def require(self, connection: object) -> None:
        """See that there is one, of this connection.

        Raises:
            CommandError: `noPin`.
        """
        if not self.is_held():
            raise errors.CommandError(
                "noPin", "no PIN is held: it was used, or its time is over; enter it anew"
            )
        if not self.belongs_to(connection):
            raise errors.CommandError(
                "noPin", "the PIN was entered on another connection; enter it on this one"
            )
