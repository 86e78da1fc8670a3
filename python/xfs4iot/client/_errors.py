"""How a call can fail, as the client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trio_websocket import CloseReason

__all__ = [
    "CallError",
    "CommandFailed",
    "CommandRefused",
    "Disconnected",
    "EventsLost",
    "NotFound",
    "Unanswered",
    "why_closed",
]


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
    """The command was accepted, but did not complete successfully.

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

    Attributes:
        http_status: with which the WebSocket was refused, so that nothing was sent; None if it was not.
    """

    def __init__(self, text: str, *, http_status: int | None = None) -> None:
        super().__init__(text)
        self.http_status = http_status


class EventsLost(CallError):
    """Events came while nobody read a subscription that was full; the next ones follow.

    Ask for the state (`Common.Status`, `Storage.GetStorage`) before relying on events again.

    Attributes:
        count: how many are missing here.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"{self.count} events were dropped, because nobody read the subscription in time"


class Unanswered(CallError):
    """The service has not acknowledged a command, or has not completed one whose timeout has run out.

    The connection is still there. What became of the command is not known, and the service has been told
    that nobody waits for it any more (`Common.Cancel`).
    """


class NotFound(CallError):
    """No publisher answered at the host, or none publishes the service."""


_SENT_BY_CLOSE_CODE = {
    1000: "the service closed it",
    1001: "the service is going away",
    1002: "the rules of WebSocket were broken",
    1005: "the service closed it",
    1006: "it broke",
    1007: "a message was not UTF-8",
    1008: "the service closed it for a rule that was broken",
    1009: "the service closed it for a message that was too long",
}


def why_closed(reason: CloseReason | None) -> str:
    """Why a connection was closed, in words."""
    if reason is None:
        return "it broke"
    text = _SENT_BY_CLOSE_CODE.get(reason.code, "the service closed it")
    said = f" ({reason.code} {reason.reason})" if reason.reason else f" ({reason.code})"
    return text if reason.code in (1005, 1006) else text + said
