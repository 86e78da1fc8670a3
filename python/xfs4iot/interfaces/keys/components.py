"""A key that its custodians enter in parts, one after the other.

    nothing ──entered──▶ entered ──ImportKey constructing──▶ parts ──entered──▶ parts and entered ──┐
       ▲                    │                                 │  ▲                                  │
       │                    │                                 │  └──────ImportKey constructing──────┘
       └────────────────────┴──── abandoned, assembled ───────┘

What is entered can be stored once. All parts belong to one key; while some are stored, no other key is
imported. The construction ends with an ImportKey of that key without a value. It is given up by DeleteKey of
the key, by Reset and Initialization, and when the service ends: parts never outlive the service.
"""

from __future__ import annotations

from xfs4iot.protocol import errors

__all__ = ["Components"]

# With a single part, one custodian would know the whole key.
LEAST = 2


class Components:
    """How far the construction of a key has come.

    Attributes:
        name: of the key; None while there are no parts.
        stored: number of parts.
        entered: something was entered that is not stored yet.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.stored = 0
        self.entered = False

    def abandon(self) -> None:
        """Begin anew."""
        self.__init__()  # type: ignore[misc]

    def stores(self, name: str) -> None:
        """What was entered is stored as a part of a key."""
        self.name, self.stored, self.entered = name, self.stored + 1, False

    def require_part(self, name: str) -> None:
        """See that a part of this key can be stored now.

        Raises:
            SequenceError: another key is constructed.
            CommandError: `keyNoValue`: nothing was entered.
        """
        self._require_none_of_others(name)
        if not self.entered:
            raise errors.CommandError(
                "keyNoValue", "nothing was entered that is not stored already; see Keyboard.SecureKeyEntry"
            )

    def require_whole(self, name: str) -> None:
        """See that this key can be assembled now.

        Raises:
            SequenceError: another key is constructed, or parts are missing.
        """
        self._require_none_of_others(name)
        if self.stored < LEAST:
            raise errors.SequenceError(
                f"{self.stored} parts of the key are stored; at least {LEAST} are needed: see "
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
