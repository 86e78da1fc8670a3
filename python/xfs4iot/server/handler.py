"""How an interface says which of its functions serves which command, and what is checked before.

    class CashDispenser(Interface[devices.CashDispenser]):
        name = "CashDispenser"

        @handles("CashDispenser.Present", checks=(no_exchange, position_exists, items_inside))
        async def present(self, request: Present, command: Command) -> PresentCompletion: ...

A plain function answers at once, on the connection's own task; if it finds that this takes long,
it gives `Later`, the rest of its work, to run beside the queue. A coroutine function
waits in the service's queue for its turn, or, marked `beside_queue`, runs at once beside
it: for commands that only read.

Checks are declared in the order in which they are made; the first that fails answers. Being data,
they can be read by tools: the tables of the documentation are written from them, their codes are
held against the catalogue's, and a test breaks every two neighbours at once and sees that the
first answers. A check that cannot be made before the body begins, because it needs what the body has
found by then, is declared as a `step` in its place: the body makes it, the tools still see it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import EllipsisType
from typing import Any, ClassVar, Generic, TypeVar

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import Device, implements, is_operation
from xfs4iot.protocol.message import Payload
from xfs4iot.server.command import Command, Connection, Handler, Later, Token
from xfs4iot.server.results import Renamed
from xfs4iot.server.service import Service

__all__ = ["Check", "Handled", "Handler", "Interface", "Later", "Token", "check", "handles", "step"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Result = TypeVar("_Result")
_Device = TypeVar("_Device", bound=Device)


@dataclass(frozen=True)
class Check:
    """One thing that is looked at before a command is carried out.

    Attributes:
        name: to be called by, in tests; unique among the checks of a command.
        codes: what the command ends with if it fails: error codes of the command, or completion codes.
        text: what is looked at, for people: a row of the documentation.
        function: raises an `XfsError` if it fails; called with the interface and the request. One that takes
            long is a coroutine function, of a command that waits for its turn: its work is done in a thread.
            None for a step, which the body of the command makes itself.
    """

    name: str
    codes: tuple[str, ...]
    text: str
    function: Callable[[Any, Any], object] | None


def check(*codes: str, name: str | None = None) -> Callable[[Callable[[Any, Any], object]], Check]:
    """Make a function a `Check`; its docstring says what is looked at.

    Args:
        codes: the error codes and completion codes that it gives.
        name: other than the function's, for a check that is made with arguments.
    """

    def make(function: Callable[[Any, Any], object]) -> Check:
        return Check(name or function.__name__, codes, " ".join((function.__doc__ or "").split()), function)

    return make


def step(name: str, text: str, *codes: str) -> Check:
    """A check that the body of the command makes itself, at this place of the order."""
    return Check(name, codes, text, None)


@dataclass(frozen=True)
class Handled:
    """What `handles` says of one command.

    Attributes:
        command: wire name.
        method: name of the method that serves it.
        checks: in the order in which they are made.
        device: error codes that the device gives while it carries the command out.
        never: error codes of the catalogue that are not given, with the reason.
        asks: the device operation without which the command is not offered.
        offered: whether the command is offered, beside that; gets the interface.
        token: what an end-to-end token must say to allow the command.
        everyday: name of the method that answers everyday requests from their text.
        beside_queue: it runs beside the queue.
        waits: it waits in the queue, or runs beside it; else it answers at once.
    """

    command: str
    method: str
    checks: tuple[Check, ...]
    device: tuple[str, ...]
    never: Mapping[str, str]
    asks: str | EllipsisType | None
    offered: Callable[[Any], bool] | None
    token: Token | None
    everyday: str | None
    beside_queue: bool
    waits: bool

    @property
    def codes(self) -> tuple[str, ...]:
        """All error codes and completion codes that the checks and the device give."""
        return tuple(dict.fromkeys(code for one in self.checks for code in one.codes)) + self.device

    def operation(self, device: type[Any]) -> str | None:
        """The operation without which a device of this class does not offer the command."""
        if self.asks is not ...:
            return self.asks
        return self.method if is_operation(device, self.method) else None


def handles(
    command: str,
    *,
    checks: tuple[Check, ...] = (),
    device: tuple[str, ...] = (),
    never: Mapping[str, str] | None = None,
    asks: str | EllipsisType | None = ...,
    offered: Callable[[Any], bool] | None = None,
    token: Token | None = None,
    everyday: Callable[[Any, bytes | None, str], bytes | None] | None = None,
    beside_queue: bool = False,
) -> Callable[[_Function], _Function]:
    """Mark a method of an `Interface` as the handler of `command`.

    Args:
        command: wire name, such as `CashDispenser.Dispense`.
        checks: made in this order before the method is called.
        device: error codes that come from the device.
        never: error codes of the catalogue that no check and no device gives here, each with the reason.
        asks: the device operation without which the command is not offered; without it the operation
            with the method's name, if the device class knows one; None when the service answers by itself.
        offered: a further condition for offering the command.
        token: for a command that can need an end-to-end token: what the token must say.
        everyday: a method of the class that gives the payload of the completion for a payload and the
            client's version of the standard, where that is quick to see; else None, and the command takes its
            usual way. For commands that are sent often, change nothing and send no events.
        beside_queue: run at once beside the queue; for commands that move nothing.
    """

    def mark(function: _Function) -> _Function:
        function.__xfs_handles__ = Handled(  # type: ignore[attr-defined]
            command=command,
            method=function.__name__,
            checks=checks,
            device=device,
            never=never or {},
            asks=asks,
            offered=offered,
            token=token,
            everyday=everyday.__name__ if everyday is not None else None,
            beside_queue=beside_queue,
            waits=inspect.iscoroutinefunction(function),
        )
        return function

    return mark


class Interface(Generic[_Device]):
    """The rules of one XFS4IoT interface: what is checked, asked, booked and answered.

    Attributes:
        name: the interface's name in the standard.
        service: the service this interface is part of.
    """

    name: ClassVar[str]

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def device(self) -> _Device:
        """The vendor's object, of the device class of this interface."""
        return self.service.device  # type: ignore[return-value]

    async def start(self) -> None:
        """Make ready before the first client is served; the device is open, or is tried again later."""

    async def reopened(self) -> None:
        """Take notice that the device has been opened after it failed."""

    def observe(self, event: Payload) -> object:
        """See an unsolicited event of the device before it goes out to the clients.

        True holds it back: the interface sends it by itself, once what it tells is booked.
        """

    def status_told(self) -> None:
        """Take notice that clients have just been told of a change in the status."""

    def failed(self, fault: BaseException, command: Command[Any]) -> None:
        """See a command of this service fail, before its completion goes out."""

    def disconnected(self, connection: Connection) -> None:
        """Take notice that a client's connection to the service has ended."""

    @classmethod
    def handled(cls) -> Iterator[Handled]:
        """Every command that this interface can handle, in the order of the class."""
        seen: set[str] = set()
        for kind in cls.__mro__:
            for name, function in vars(kind).items():
                mark: Handled | None = getattr(function, "__xfs_handles__", None)
                # A subclass comes first in the MRO, so its override hides the base's mark.
                if mark is not None and name not in seen:
                    seen.add(name)
                    yield mark

    def offers(self, mark: Handled) -> bool:
        """Whether the device is able to do what a command asks."""
        operation = mark.operation(type(self.device))
        if operation is not None and not implements(self.device, operation):
            return False
        return mark.offered is None or mark.offered(self)

    def handlers(self) -> Mapping[str, Handler]:
        """The commands this interface offers on its device, by wire name."""
        return {
            mark.command: Handler(
                name=mark.command,
                function=self._behind_checks(mark),
                immediate=not mark.waits,
                beside_queue=mark.beside_queue,
                token=mark.token,
                everyday=getattr(self, mark.everyday) if mark.everyday else None,
            )
            for mark in self.handled()
            if self.offers(mark)
        }

    def _behind_checks(self, mark: Handled) -> Callable[[Any, Command], Any]:
        """The method that serves a command, behind its checks."""
        body: Callable[[Any, Command], Any] = getattr(self, mark.method)
        functions = tuple(one.function for one in mark.checks if one.function is not None)
        if not functions:
            return body
        # Two variants, so that an immediate command never costs a coroutine.
        if not mark.waits:
            if any(map(inspect.iscoroutinefunction, functions)):
                raise TypeError(f"{mark.command} answers at once: none of its checks can be a coroutine")

            def answer(request: Any, command: Command) -> Any:
                for function in functions:
                    function(self, request)
                return body(request, command)

            return answer

        if not any(map(inspect.iscoroutinefunction, functions)):

            async def run(request: Any, command: Command) -> Any:
                for function in functions:
                    function(self, request)
                return await body(request, command)

            return run

        async def run_long(request: Any, command: Command) -> Any:
            for function in functions:
                outcome: Any = function(self, request)
                if inspect.iscoroutine(outcome):
                    await outcome
            return await body(request, command)

        return run_long

    async def ask(
        self,
        operation: Callable[..., Awaitable[_Result]],
        *arguments: Any,
        moving: bool = False,
        believe: Callable[[_Result], None] | None = None,
        rename: Mapping[str, Renamed] | None = None,
    ) -> _Result:
        """Call an operation, named as the abstract device class has it; see `Operations.ask`."""
        return await self.service.operations.ask(
            operation, *arguments, moving=moving, believe=believe, rename=rename
        )
