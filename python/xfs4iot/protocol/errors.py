"""One exception for each completion code of the standard.

Anything below the server raises these: interfaces, devices, the ledger. The
server maps them to a completion in one place (`server.command`). The text becomes the
completion's `errorDescription`, so it says what was wrong, where, and what to do. It may quote
what a client sent: it goes through `xfs4iot.telling.told`, which bounds and cleans it.

    raise errors.InvalidData("$.currencies: no amount given; name at least one currency")
    raise errors.CommandError("notDispensable", "20 EUR cannot be made up from 50s")
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from xfs4iot.telling import DESCRIPTION, told

__all__ = [
    "AuthorizationRequired",
    "Canceled",
    "CommandError",
    "DeviceNotReady",
    "FraudAttempt",
    "HardwareError",
    "InternalError",
    "InvalidCommand",
    "InvalidData",
    "InvalidRequestID",
    "InvalidToken",
    "InvalidTokenFormat",
    "InvalidTokenHMAC",
    "InvalidTokenKeyNoValue",
    "InvalidTokenNonce",
    "NoCommandNonce",
    "NotEnoughSpace",
    "SequenceError",
    "TimeOut",
    "UnsupportedCommand",
    "UnsupportedData",
    "UserError",
    "XfsError",
]


CompletionCode: TypeAlias = Literal[
    "authorizationRequired",
    "canceled",
    "commandErrorCode",
    "deviceNotReady",
    "fraudAttempt",
    "hardwareError",
    "internalError",
    "invalidCommand",
    "invalidData",
    "invalidRequestID",
    "invalidToken",
    "invalidTokenFormat",
    "invalidTokenHMAC",
    "invalidTokenKeyNoValue",
    "invalidTokenNonce",
    "noCommandNonce",
    "notEnoughSpace",
    "sequenceError",
    "timeOut",
    "unsupportedCommand",
    "unsupportedData",
    "userError",
]


class XfsError(Exception):
    """A command did not succeed.

    Attributes:
        completion_code: the standard's completion code, as on the wire.
        description: for people; sent as `errorDescription`.
        payload: the completion's payload where the command defines one for failures
            (counts moved before a jam, for example), else None.
    """

    completion_code: CompletionCode = "internalError"
    description: str
    payload: msgspec.Struct | None

    def __init__(self, description: str = "", *, payload: msgspec.Struct | None = None) -> None:
        # A device class may give anything; what is not text is found out where its fault is looked at.
        if type(description) is str:
            description = told(description, DESCRIPTION)
        super().__init__(description)
        self.description = description
        self.payload = payload


class CommandError(XfsError):
    """The command failed in a way of its own: `completionCode: commandErrorCode` with an `errorCode`.

    Args:
        error_code: one of the command's error codes in the catalogue, such as `notDispensable`.
    """

    completion_code = "commandErrorCode"
    error_code: str

    def __init__(
        self, error_code: str, description: str = "", *, payload: msgspec.Struct | None = None
    ) -> None:
        super().__init__(description, payload=payload)
        self.error_code = error_code

    def __str__(self) -> str:
        return f"{self.error_code}: {self.description}"


class Canceled(XfsError):
    """The client cancelled the command, or its connection closed."""

    completion_code = "canceled"


class DeviceNotReady(XfsError):
    """The device is off, offline or still starting; it may answer later."""

    completion_code = "deviceNotReady"


class HardwareError(XfsError):
    """The device failed while it carried out the command; a reset may help."""

    completion_code = "hardwareError"


class InternalError(XfsError):
    """A fault of the service itself."""

    completion_code: CompletionCode = "internalError"


class InvalidCommand(XfsError):
    """The command is known, but not in this state or configuration of the device."""

    completion_code = "invalidCommand"


class InvalidRequestID(XfsError):
    """The request id names no command."""

    completion_code = "invalidRequestID"


class TimeOut(XfsError):
    """The command's timeout ran out before it was done."""

    completion_code = "timeOut"


class UnsupportedCommand(XfsError):
    """The service does not offer this command, or not in this version."""

    completion_code = "unsupportedCommand"


class InvalidData(XfsError):
    """The payload breaks the command's rules; the description names the JSON path."""

    completion_code = "invalidData"


class UserError(XfsError):
    """A person at the device did something that stopped the command."""

    completion_code = "userError"


class UnsupportedData(XfsError):
    """The payload is valid, but this device cannot do what it asks."""

    completion_code = "unsupportedData"


class FraudAttempt(XfsError):
    """The device detected a fraud attempt."""

    completion_code = "fraudAttempt"


class SequenceError(XfsError):
    """The command is not allowed after what happened before."""

    completion_code = "sequenceError"


class AuthorizationRequired(XfsError):
    """This client may not do this; see the authorisation rules of the service."""

    completion_code = "authorizationRequired"


class NoCommandNonce(XfsError):
    """A token came, but the device holds no nonce; see Common.GetCommandNonce."""

    completion_code = "noCommandNonce"


class InvalidToken(XfsError):
    """The token is missing, spent, or does not cover what is asked."""

    completion_code = "invalidToken"


class InvalidTokenNonce(XfsError):
    """The token was made for another nonce."""

    completion_code = "invalidTokenNonce"


class InvalidTokenHMAC(XfsError):
    """The token's HMAC is wrong."""

    completion_code = "invalidTokenHMAC"


class InvalidTokenFormat(XfsError):
    """The token's text breaks the standard's format."""

    completion_code = "invalidTokenFormat"


class InvalidTokenKeyNoValue(XfsError):
    """The token has a key without a value."""

    completion_code = "invalidTokenKeyNoValue"


class NotEnoughSpace(XfsError):
    """There is no room left for what the command would store."""

    completion_code = "notEnoughSpace"
