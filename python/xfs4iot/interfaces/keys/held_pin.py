"""The PIN that the device holds, as far as the service knows of it: that there is one, and whose.

    nothing ──PinEntry with digits──▶ held ──used──▶ nothing, or held: with MaintainPin
                                       │
                                       └── another entry, Reset, its time over, its client gone ──▶ nothing

It belongs to the connection on which it was entered: no client can use a PIN that was entered for another,
unless the device says that all clients may (`Keyboard.pins_for_all_clients`). What SetPinBlockData said
and MaintainPin asked for belong to their connections as well: a PIN is kept for, or bound to, what its own
client wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import trio

from xfs4iot.protocol import errors

__all__ = ["HeldPin"]


class HeldPin:
    """Whether there is a PIN.

    Args:
        for_all: whether every client may use every PIN.

    Attributes:
        bound: what SetPinBlockData said before this PIN was entered; None: nothing.
        account: of which a block was made, as far as all formats have it; None: of none yet.
        between: what was exclusive-ored between two encryptions of a block; None: no block was made yet.
        verified: how often it was verified locally.
    """

    def __init__(self, for_all: Callable[[], bool] = lambda: False) -> None:
        self._for_all = for_all
        self._owner: object | None = None
        self._until = -math.inf
        self._prepared: tuple[object, Any] | None = None
        self._keeping: set[object] = set()
        self.bound: Any = None
        self.account: str | None = None
        self.between: bytes | None = None
        self.verified = 0

    def entered(self, owner: object, seconds: float, bound: Any) -> None:
        """A PIN was entered on a connection, for a block that it is bound to, and is kept for so long."""
        self._owner, self._until = owner, trio.current_time() + seconds
        self.bound, self.account, self.between, self.verified = bound, None, None, 0

    def is_held(self) -> bool:
        """Whether there is one."""
        return self._owner is not None and trio.current_time() < self._until

    def is_over(self) -> bool:
        """Whether there was one that must be forgotten now."""
        return self._owner is not None and trio.current_time() >= self._until

    def belongs_to(self, connection: object) -> bool:
        """Whether it may be used there."""
        return self._owner is not None and (self._owner is connection or self._for_all())

    @property
    def maintained(self) -> bool:
        """Whether it stays after it was used: if its client wants that."""
        return self._owner in self._keeping or (bool(self._keeping) and self._for_all())

    def keep(self, connection: object) -> None:
        """PINs of this connection stay after they were used."""
        self._keeping.add(connection)

    def keep_none(self) -> None:
        """No PIN stays after it was used."""
        self._keeping.clear()

    def prepare(self, connection: object, wanted: Any) -> None:
        """The next PIN that is entered on a connection is for this."""
        self._prepared = connection, wanted

    def prepared(self, connection: object) -> Any:
        """What the next PIN of a connection is for; None if nothing was said."""
        if self._prepared is None or not (self._prepared[0] is connection or self._for_all()):
            return None
        return self._prepared[1]

    def gone(self) -> None:
        """Forget that there is one, and what one was to be for."""
        # Who keeps PINs stays: it is a setting for all PINs of a client, not a property of this one.
        self._owner, self._prepared, self.bound = None, None, None

    def left(self, connection: object) -> tuple[bool, bool]:
        """A connection has ended: whether its PIN has, and whether it was the last that kept PINs."""
        kept, ended = connection in self._keeping, self._owner is connection
        self._keeping.discard(connection)
        if ended:
            self.gone()
        elif self._prepared is not None and self._prepared[0] is connection:
            self._prepared = None
        return ended, kept and not self._keeping

    def require_same(self, account: str | None, between: bytes) -> None:
        """See that all blocks of a PIN that is kept are of one account, and made with the same `xorData`.

        Blocks of one PIN for accounts that a client chooses, compared with those of PINs that it enters
        itself, tell digits without any key. And what is exclusive-ored between two encryptions can take the
        first one's result away, which a block without it has told: the key then encrypts what the client
        chooses, such as the blocks of all PINs that there are.

        Args:
            account: None: the format has none.
            between: b"" for nothing.

        Raises:
            CommandError: `accessDenied`.
        """
        if account is not None and self.account not in (None, account):
            raise errors.CommandError(
                "accessDenied",
                "$.customerData: a block of this PIN was made for another account; enter the PIN anew",
            )
        if self.between not in (None, between):
            raise errors.CommandError(
                "accessDenied",
                "$.xorData: a block of this PIN was made with other data, or without; enter the PIN anew",
            )
        self.account, self.between = account or self.account, between

    def require(self, connection: object) -> None:
        """See that there is one that may be used on this connection.

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
