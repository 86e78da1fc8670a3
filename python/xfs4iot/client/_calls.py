"""The two methods of a client that know every message by name.

The generated stub beside this file tells type checkers what each command takes and returns and
what each event carries; at run time one method serves them all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from xfs4iot.client._events import Event, Subscription
from xfs4iot.protocol.message import Payload

__all__ = ["Calls"]


class Calls(ABC):
    """Base of `Client`."""

    async def call(
        self,
        command: str,
        payload: Mapping[str, Any] | Payload | None = None,
        *,
        timeout: float = 0,
        typed: bool | None = None,
        on_event: Callable[[Event[Any]], None] | None = None,
    ) -> Any:
        """Send a command and wait for its completion.

        Args:
            command: wire name, such as `CashDispenser.Dispense`.
            payload: a plain object, or the command's message class of the newest version.
            timeout: seconds after which the service gives the command up; 0 for none.
            typed: answer with the completion's message class instead of a plain object;
                by default as the payload was given.
            on_event: called with each of the command's own events; what it raises ends the call.

        Returns:
            The completion's payload: a plain object (empty if there is none), or typed. To type
            checkers it is what the command's name and `typed` say.

        Raises:
            ValueError: a message class was given for a command that this client's version says
                otherwise, or that has another class.
            CommandRefused: it was not accepted.
            CommandFailed: it completed otherwise than with success.
            Disconnected: the connection ended first.
        """
        return await self._answered(command, payload, timeout, typed, on_event)

    def events(self, *names: str) -> Subscription[Any]:
        """Subscribe to events: by full name, by the part after the dot, or, without names, to all.

        With one name, `Event.typed` is the class of that event to type checkers.

        Raises:
            ValueError: no version of the standard has an event of this name; the text has the
                nearest. Names of interfaces that are none of the standard's are taken as they are.
        """
        return self._subscribed(names)

    @abstractmethod
    async def _answered(
        self,
        command: str,
        payload: Mapping[str, Any] | Payload | None,
        timeout: float,
        typed: bool | None,
        on_event: Callable[[Event[Any]], None] | None,
    ) -> Any: ...

    @abstractmethod
    def _subscribed(self, names: tuple[str, ...]) -> Subscription[Any]: ...
