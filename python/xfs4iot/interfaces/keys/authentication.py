"""How a host authenticates itself before it has keys deleted.

StartAuthenticate gives random data to sign. It is valid once, for what it was requested for (one key, all
keys, or the initialization), on the connection that requested it, and until the next request.
"""

from __future__ import annotations

from typing import Any

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import Authentication, DataToSign
from xfs4iot.interfaces.keys.key_table import IllegalAccess, KeyTable
from xfs4iot.interfaces.keys.purposes import AUTHENTICATE, LEAST_HOST_MAC, MACS
from xfs4iot.protocol import errors

__all__ = ["MAC_METHODS", "Challenge", "Challenges", "What"]

MAC_METHODS = frozenset({"cbcmac", "cmac"})


@dataclass(frozen=True)
class What:
    """What a host wants to have done.

    Attributes:
        initialization: all is to be initialized; else a key deleted.
        key: its name; None for all.
    """

    initialization: bool
    key: str | None = None


@dataclass(frozen=True)
class Challenge:
    """What was given to be signed.

    Attributes:
        what: it is good for.
        connection: that it was given to.
        to_sign: the data, and how it may be signed.
    """

    what: What
    connection: object
    to_sign: DataToSign


class Challenges:
    """The open challenge, if there is one."""

    def __init__(self) -> None:
        self._open: Challenge | None = None

    def give(self, challenge: Challenge) -> None:
        """Open a challenge; the one before is void."""
        self._open = challenge

    def ended(self, connection: object) -> None:
        """A connection has ended, and its challenge with it."""
        if self._open is not None and self._open.connection is connection:
            self._open = None

    def answered(self) -> None:
        """The challenge was answered, rightly or not: it is void."""
        self._open = None

    def require(self, given: Any, what: What, connection: object, needed: bool, table: KeyTable) -> None:
        """See that a host's authentication can be looked at by the device.

        Args:
            given: the request's `authentication`.
            needed: the device deletes nothing without one.

        Raises:
            InvalidData: its method was not offered, or its MAC is too short.
            SequenceError: there was no StartAuthenticate for this.
            CommandError: `accessDenied`, `randomInvalid`, `keyNotFound`, `keyNoValue`, `useViolation`,
                `modeOfUseNotSupported`.
        """
        if given is None:
            if needed:
                raise errors.CommandError(
                    "accessDenied",
                    "keys are only deleted for a host that authenticates itself; "
                    "see KeyManagement.StartAuthenticate",
                )
            return
        challenge = self._open
        if challenge is None or challenge.connection is not connection:
            raise errors.SequenceError(
                "there is nothing to be signed on this connection; see KeyManagement.StartAuthenticate"
            )
        if challenge.what != what:
            raise errors.CommandError(
                "randomInvalid", "what was given to be signed was for another command or key"
            )
        if given.method not in challenge.to_sign.methods:
            raise errors.InvalidData(
                f"$.authentication.method: {given.method} is not one of "
                f"{', '.join(sorted(challenge.to_sign.methods))}"
            )
        if given.method in MAC_METHODS and given.key is None:
            raise errors.CommandError(
                "keyNoValue", "$.authentication.key is missing; name the key of the MAC"
            )
        if given.method in MAC_METHODS and len(given.data) < LEAST_HOST_MAC:
            raise errors.InvalidData(f"$.authentication.data: a MAC of {LEAST_HOST_MAC} bytes or more")
        if given.key is not None:
            key = table.for_use(
                given.key, AUTHENTICATE, "$.authentication.key", mode_code="modeOfUseNotSupported"
            )
            # Both or neither: a MAC key must not stand for a signature, nor the other way round.
            if (key.usage in MACS) is not (given.method in MAC_METHODS):
                raise IllegalAccess(
                    "useViolation",
                    f"$.authentication.key: a key of usage {key.usage} is not for {given.method}",
                    given.key,
                    "useViolation",
                )


def authentication_of(given: Any) -> Authentication | None:
    """As the device gets it."""
    return None if given is None else Authentication(given.method, given.data, given.key)
