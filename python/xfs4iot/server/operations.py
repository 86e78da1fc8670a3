"""Calls of a vendor's class, kept apart from the service that makes them.

A device class is code that we do not know: it may raise anything, return anything, or not
return. So each call runs in a task of its own, and the command only waits for it. When the
limit is over the call is cancelled; a call that does not react to that (it waits in a thread,
or shields itself) is left behind and the device counts as stuck: its command completes, and
nothing else is asked of the device until the call has come back, for a class must not be
entered twice.

What goes wrong is shown in the device's status as `hardwareError`, unless the class has set
it to something else itself; an operation that succeeds afterwards takes that back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from xfs4iot.protocol import errors

if TYPE_CHECKING:
    from xfs4iot.devices import Device

__all__ = ["Operations"]

_Result = TypeVar("_Result")

_GRACE_SECONDS = 1.0
"""How long a call may take to notice that it was cancelled."""


class _Call:
    """One call of the device class."""

    def __init__(self, where: str, moving: bool, limit: float) -> None:
        self.where = where
        self.patience = trio.CancelScope(shield=moving, deadline=trio.current_time() + limit)
        """How long the command waits."""
        self.scope = trio.CancelScope(shield=True)
        """The call itself: whoever waits for it ends it, nobody else."""
        self.ended = trio.Event()
        self.returned = False
        self.result: Any = None
        self.fault: BaseException | None = None

    async def run(self, operation: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            with self.scope:
                self.result = await operation(*arguments)
                self.returned = True
        except (trio.Cancelled, KeyboardInterrupt):
            raise
        except BaseException as fault:
            self.fault = fault
        finally:
            self.ended.set()


class Operations:
    """The operations of one service's device.

    Args:
        device: the vendor's object; None for a service without one.
        limit: seconds after which an operation counts as hung.
        log: where the service tells what its device did wrong.

    Attributes:
        nursery: where calls run; set when the service starts.
    """

    nursery: trio.Nursery

    def __init__(self, device: Device | None, limit: float, log: logging.Logger) -> None:
        self.limit = limit
        self._device = device
        self._log = log
        self._calls: set[_Call] = set()
        self._stuck: _Call | None = None
        self._blamed: bool | None = None
        self._ending = False

    async def ask(
        self,
        operation: Callable[..., Any],
        *arguments: Any,
        expect: type[_Result] | tuple[type[_Result], ...],
        moving: bool = False,
        limit: float | None = None,
    ) -> _Result:
        """Call an operation of the vendor's class and keep its faults from the service.

        Args:
            operation: a bound method of the device.
            arguments: passed on.
            expect: the type the operation must return.
            moving: items may move: the call is shielded from cancel and timeout, so that
                what moved can be booked; the device watches `command.cancel_requested`.
            limit: another limit than the service's.

        Raises:
            XfsError: as raised by the device.
            HardwareError: the device raised something else, returned something else, or
                did not return within the limit.
            DeviceNotReady: an earlier call has not come back yet.
        """
        where = f"{type(self._device).__name__}.{getattr(operation, '__name__', operation)}"
        if self._stuck is not None:
            raise errors.DeviceNotReady(
                f"the device is stuck: {self._stuck.where} has not returned; check it, or restart the service"
            )
        limit = self.limit if limit is None else limit
        if self._ending:
            limit = min(limit, _GRACE_SECONDS)
        call = _Call(where, moving, limit)
        self._calls.add(call)
        self.nursery.start_soon(self._run, call, operation, arguments)
        in_time = False
        try:
            with call.patience:
                await call.ended.wait()
                in_time = True
        finally:
            if not in_time:
                await self._give_up(call)
        if call.fault is not None:
            if isinstance(call.fault, errors.XfsError):
                raise call.fault
            self._log.error("%s raised %s", where, type(call.fault).__name__, exc_info=call.fault)
            self._blame(moving)
            raise errors.HardwareError(
                f"the device class failed: {where} raised {type(call.fault).__name__}; see the service's log"
            ) from call.fault
        if not call.returned:
            self._log.error("%s did not return within %g s", where, limit)
            self._blame(moving)
            raise errors.HardwareError(
                f"the device did not answer: {where} took longer than {limit:g} s; "
                "check the device, then reset it"
            )
        result = call.result
        if not isinstance(result, expect):
            self._log.error("%s returned %s", where, type(result).__name__)
            self._blame(moving)
            raise errors.HardwareError(
                f"the device class is wrong: {where} returned {type(result).__name__}; see the service's log"
            )
        self._absolve(moving)
        return result

    async def _run(self, call: _Call, operation: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            await call.run(operation, arguments)
        finally:
            self._calls.discard(call)
            if self._stuck is call:
                self._stuck = None
                self._log.warning("%s has come back; the device is used again", call.where)

    async def _give_up(self, call: _Call) -> None:
        """Cancel a call, and leave it behind if it does not react."""
        call.scope.shield = False
        call.scope.cancel()
        with trio.move_on_after(_GRACE_SECONDS) as patience:
            patience.shield = True
            await call.ended.wait()
        if not call.ended.is_set():
            self._stuck = call
            self._log.critical(
                "%s is stuck: it does not react to being cancelled; nothing more is asked of the "
                "device until it returns",
                call.where,
            )

    def end(self) -> None:
        """Give up what still runs: the service ends, and has waited long enough."""
        self._ending = True
        for call in self._calls:
            call.patience.cancel()

    @property
    def stuck(self) -> str | None:
        """The operation that does not come back, if there is one."""
        return self._stuck.where if self._stuck is not None else None

    def _blame(self, moving: bool) -> None:
        status = self._device.status.common if self._device is not None else None
        if status is not None and status.device == "online":
            status.device = "hardwareError"
            self._blamed = moving

    def _absolve(self, moving: bool) -> None:
        """A question that is answered does not prove that what did not move can move again."""
        if self._blamed is None or (self._blamed and not moving):
            return
        status = self._device.status.common if self._device is not None else None
        if status is not None and status.device == "hardwareError":
            status.device = "online"
        self._blamed = None
