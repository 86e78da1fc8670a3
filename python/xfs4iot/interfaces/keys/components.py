"""A key that its custodians enter in parts, one after the other.

    nothing ──entered──▶ entered ──ImportKey constructing──▶ parts ──entered──▶ parts and entered ──┐
       ▲                    │                                 │  ▲                                  │
       │                    │                                 │  └──────ImportKey constructing──────┘
       └────────────────────┴──── abandoned, assembled ───────┘

What is entered can be stored once, by the connection on which it was entered, and ends with it. All parts
belong to one key; while some are stored, no other key is imported. The construction ends with an ImportKey
of that key without a value. Each of its imports says the same of what the key is for: whoever finished it
for another purpose, such as a key that decrypts keys as one that decrypts data, would read what was encrypted
by it. It is given up by DeleteKey of the key, by Reset and Initialization, and when the service ends: parts
never outlive the service.
"""

from __future__ import annotations

from collections.abc import Callable

from xfs4iot.devices import KeyAttributes
from xfs4iot.protocol import errors

__all__ = ["Components"]

# With a single part, one custodian would know the whole key.
LEAST = 2


class Components:
    """How far the construction of a key has come.

    Args:
        for_all: whether any client may store what was entered for another.

    Attributes:
        name: of the key; None while there are no parts.
        attributes: what the key is for, as the import of its first part says.
        stored: number of parts.
    """

    def __init__(self, for_all: Callable[[], bool] = lambda: False) -> None:
        self._for_all = for_all
        self.abandon()

    def abandon(self) -> None:
        """Begin anew."""
        self.name: str | None = None
        self.attributes: KeyAttributes | None = None
        self.stored = 0
        self._entered_by: object | None = None

    @property
    def begun(self) -> bool:
        """Whether something was entered or stored."""
        return self.name is not None or self._entered_by is not None

    def was_entered(self, connection: object) -> None:
        """A part was entered on a connection, and is not stored yet."""
        self._entered_by = connection

    def nothing_entered(self) -> None:
        """What was entered is stored, or gone."""
        self._entered_by = None

    def left(self, connection: object) -> bool:
        """A connection has ended: whether a part that it had entered has, too."""
        ended = self._entered_by is connection
        if ended:
            self.nothing_entered()
        return ended

    def stores(self, name: str, attributes: KeyAttributes) -> None:
        """What was entered is stored as a part of a key."""
        if self.name is None:
            self.attributes = attributes
        self.name, self.stored = name, self.stored + 1
        self.nothing_entered()

    def require_part(self, name: str) -> None:
        """See that a part of this key can be stored now.

        Raises:
            SequenceError: another key is constructed.
            CommandError: `keyNoValue`: nothing was entered.
        """
        self._require_none_of_others(name)
        if self._entered_by is None:
            raise errors.CommandError(
                "keyNoValue", "nothing was entered that is not stored already; see Keyboard.SecureKeyEntry"
            )

    def require_entered_by(self, connection: object) -> None:
        """See that what was entered was entered on this connection.

        Raises:
            CommandError: `keyNoValue`.
        """
        if self._entered_by is not connection and not self._for_all():
            raise errors.CommandError(
                "keyNoValue", "the part was entered on another connection; enter it on this one"
            )

    def require_same_purpose(self, attributes: KeyAttributes) -> None:
        """See that an import says of the key that is constructed what the first one said.

        Raises:
            CommandError: `useViolation`.
        """
        if self.attributes not in (None, attributes):
            raise errors.CommandError(
                "useViolation",
                f'$.keyAttributes: key "{self.name}" is constructed for something else; give it up by '
                "KeyManagement.DeleteKey",
            )

    def require_whole(self, name: str) -> None:
        """See that this key can be assembled now.

        Raises:
            SequenceError: another key is constructed, or parts are missing.
        """
        self._require_none_of_others(name)
        if self.stored < LEAST:
            raise errors.SequenceError(
                f"parts of the key that are stored: {self.stored}; at least {LEAST} are needed: see "
                "Keyboard.SecureKeyEntry, then ImportKey with constructing"
            )

    def require_none(self) -> None:
        """See that no key is constructed.

        Raises:
            SequenceError: one is.
        """
        if self.name is not None:
            raise errors.SequenceError(
                f'key "{self.name}" is entered in parts; import it without a value, '
                "or give it up by KeyManagement.DeleteKey"
            )

    def _require_none_of_others(self, name: str) -> None:
        if self.name not in (None, name):
            self.require_none()
