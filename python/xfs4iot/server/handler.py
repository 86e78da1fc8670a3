"""How an interface says which of its functions serves which command.

    class CashDispenser(Interface):
        name = "CashDispenser"

        @handles("CashDispenser.Present", asks="present")
        async def present(self, request: Present, command: Command) -> PresentCompletion: ...

A plain function answers at once, on the connection's own task; if it finds that this takes long,
it gives `Later`, the rest of its work, to run beside the queue. A coroutine function
waits in the service's queue for its turn, or, marked `beside_queue`, runs at once beside
it: for commands that only read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from xfs4iot.devices import implements
from xfs4iot.protocol.message import Payload
from xfs4iot.server.command import Command, Handler, Later
from xfs4iot.server.service import Service

__all__ = ["Handler", "Interface", "Later", "handles"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Mark:
    command: str
    asks: str | None
    beside_queue: bool


def handles(
    command: str, *, asks: str | None = None, beside_queue: bool = False
) -> Callable[[_Function], _Function]:
    """Mark a method of an `Interface` as the handler of `command`.

    Args:
        command: wire name, such as `CashDispenser.Dispense`.
        asks: the device operation without which the command is not offered; None when
            the service answers by itself.
        beside_queue: run at once beside the queue; for commands that move nothing.
    """

    def mark(function: _Function) -> _Function:
        function.__xfs_handles__ = _Mark(command, asks, beside_queue)  # type: ignore[attr-defined]
        return function

    return mark


class Interface:
    """The rules of one XFS4IoT interface: what is checked, asked, booked and answered.

    Attributes:
        name: the interface's name in the standard.
        service: the service this interface is part of.
    """

    name: ClassVar[str]

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def device(self) -> Any:
        """The vendor's object, of the device class of this interface."""
        return self.service.device

    async def start(self) -> None:
        """Make ready before the first client is served; the device is open, or is tried again later."""

    async def reopened(self) -> None:
        """Take notice that the device has been opened after it failed."""

    def observe(self, event: Payload) -> None:
        """See an unsolicited event of the device before it goes out to the clients."""

    def failed(self, fault: BaseException, command: Command) -> None:
        """See a command of this service fail, before its completion goes out."""

    def handlers(self) -> Mapping[str, Handler]:
        """The commands this interface offers on its device, by wire name."""
        found: dict[str, Handler] = {}
        for _, function in inspect.getmembers(type(self), inspect.isfunction):
            mark: _Mark | None = getattr(function, "__xfs_handles__", None)
            if mark is None or (mark.asks is not None and not implements(self.device, mark.asks)):
                continue
            found[mark.command] = Handler(
                name=mark.command,
                function=function.__get__(self),
                immediate=not inspect.iscoroutinefunction(function),
                beside_queue=mark.beside_queue,
            )
        return found

    async def ask(
        self,
        operation: Callable[..., Any],
        *arguments: Any,
        expect: type[_Result] | tuple[type[_Result], ...],
        moving: bool = False,
    ) -> _Result:
        """Call an operation of the vendor's class; see `Operations.ask`."""
        return await self.service.operations.ask(operation, *arguments, expect=expect, moving=moving)
