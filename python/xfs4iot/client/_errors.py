"""How a call can fail, as the client sees it."""

from __future__ import annotations

from typing import Any

__all__ = ["CallError", "CommandFailed", "CommandRefused", "Disconnected", "NotFound"]


class CallError(Exception):
    """A call to a service did not succeed."""


class CommandRefused(CallError):
    """The service did not accept the command.

    Attributes:
        command: wire name.
        status: `invalidMessage`, `invalidRequestID` or `tooManyRequests`.
    """

    def __init__(self, command: str, status: str, description: str | None) -> None:
        super().__init__(f"{command} was refused: {status}" + (f" ({description})" if description else ""))
        self.command = command
        self.status = status
        self.description = description


class CommandFailed(CallError):
    """The command was accepted and completed otherwise than with success.

    Attributes:
        command: wire name.
        completion_code: such as `invalidData`.
        error_code: such as `notDispensable`, with `commandErrorCode`; else None.
        description: the service's words, or None.
        payload: the completion's payload, a plain object or None.
    """

    def __init__(
        self, command: str, completion_code: str, description: str | None, payload: dict[str, Any] | None
    ) -> None:
        error_code = (payload or {}).get("errorCode")
        code = f"{completion_code}/{error_code}" if error_code else completion_code
        super().__init__(f"{command}: {code}" + (f": {description}" if description else ""))
        self.command = command
        self.completion_code = completion_code
        self.error_code = error_code
        self.description = description
        self.payload = payload


class Disconnected(CallError):
    """The connection ended before the command completed; what became of it is not known.

    A service never carries out one token twice; ask it (`CashDispenser.GetPresentStatus`)
    before the command is sent again.
    """


class NotFound(CallError):
    """No publisher answered at the host, or none publishes the service."""
