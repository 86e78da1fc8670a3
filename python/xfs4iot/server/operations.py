"""Calls of a vendor's class, kept apart from the service that makes them.

A device class is unknown code: it may raise anything, return anything, or never return. So
each call runs in a task of its own, and the command only waits for it. When the
limit is over the call is cancelled; a call that does not react to that (it waits in a thread,
or shields itself) is left behind and the device counts as stuck: its command completes, and
nothing else is asked of the device until the call has come back, for a class must not be
entered twice.

What comes back is believed only if it is what the abstract class says of the operation, deep
down (`results`), and possible by all that the rules know. A result that
is not is named in the log, and is treated as if the operation had failed at an unknown point.

What goes wrong is shown in the device's status as `hardwareError`, unless the class has set
it to something else itself; an operation that succeeds afterwards takes that back.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from xfs4iot.devices import Device
from xfs4iot.devices._operation import is_waiting
from xfs4iot.protocol import errors, exact
from xfs4iot.server import command
from xfs4iot.server.asked import copied
from xfs4iot.server.containment import is_ctrl_c, vetted
from xfs4iot.server.results import Declared, Renamed, declared, renamed, require_defined
from xfs4iot.telling import raised_at, without_data

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["Operations", "WrongResult"]

_Result = TypeVar("_Result")

_WORD = re.compile("[a-zA-Z]{1,60}")
_GRACE_SECONDS = 1.0
"""How long a call may take to notice that it was cancelled."""


_LOOK_SECONDS = 0.1
"""How often it is looked whether a client still waits for what its device waits for."""


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
        self.cut_short = False
        """Whether it was given up before its limit."""
        self.result: Any = None
        self.fault: BaseException | None = None

    async def run(self, device: Device | None, name: str, arguments: tuple[Any, ...]) -> None:
        try:
            with self.scope:
                # Even the look-up and the plain call may raise, so they belong inside the `try`.
                self.result = await vetted(getattr(device, name)(*arguments))
                self.returned = True
        except BaseException as fault:
            # The scope takes what it cancelled itself, so a `Cancelled` that arrives here is either
            # on its way to where the service ends, or the class kept it from somewhere.
            if is_ctrl_c(fault):
                raise
            if not (self.scope.cancel_called and isinstance(fault, trio.Cancelled)):
                self.fault = fault
        finally:
            self.ended.set()


class WrongResult(errors.HardwareError):
    """The device class returned, or raised, what it must not; what it did is not known."""


class Operations:
    """The operations of one service's device.

    Args:
        device: the vendor's object; None for a service without one.
        limit: seconds after which an operation counts as hung.
        log: where the service tells what its device did wrong.

    Attributes:
        nursery: where calls run; set when the service starts.
        opened: whether `open` has succeeded; until then nothing else reaches the class.
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
        self.opened = False
        self._told: set[str] = set()

    async def ask(
        self,
        operation: Callable[..., Awaitable[_Result]],
        *arguments: Any,
        moving: bool = False,
        limit: float | None = None,
        waits: Callable[[], bool] | None = None,
        believe: Callable[[_Result], None] | None = None,
        rename: Mapping[str, Renamed] | None = None,
    ) -> _Result:
        """Call an operation of the vendor's class and keep its faults from the service.

        Args:
            operation: as the abstract device class has it (`devices.CashDispenser.dispense`); its
                annotation says what it returns. What is called is the device's own.
            arguments: passed on; of dicts and lists the device has copies.
            moving: items may move: the call is shielded from cancel and timeout, so that
                what moved can be booked; the device watches `command.cancel_requested`.
            limit: another limit than the service's; of what waits for people it has none.
            waits: whether the device may still be waiting for somebody; the limit begins when that is over.
            believe: raises `exact.Mismatch` if a result of the right type cannot be true.
            rename: error codes that the operation has for other commands, and what they are here. The
                failure that is raised then has what the device raised as its cause.

        Raises:
            XfsError: as raised by the device.
            HardwareError: the device raised something else, or did not return within the limit.
            WrongResult: it returned, or said of its failure, what it must not.
            DeviceNotReady: the device is not open, or an earlier call has not come back yet.
        """
        known = declared(operation)
        where = f"{type(self._device).__name__}.{known.name}"
        if not self.opened and known.name not in ("open", "close"):
            raise errors.DeviceNotReady(
                "the device could not be opened; it is tried again: see Common.Status"
            )
        if self._stuck is not None:
            raise errors.DeviceNotReady(
                f"the device is stuck: {self._stuck.where} has not returned; check it, or restart the service"
            )
        if limit is None:
            limit = math.inf if is_waiting(operation) else self.limit
        if self._ending:
            # The service has only seconds left in all; no call may take its usual time.
            limit = min(limit, _GRACE_SECONDS)
        call = _Call(where, moving, limit if waits is None else math.inf)
        call.cut_short = self._ending
        self._calls.add(call)
        self.nursery.start_soon(self._run, call, known.name, tuple(map(copied, arguments)))
        in_time = False
        try:
            with call.patience:
                if waits is not None:
                    await self._while(waits, call)
                    call.patience.deadline = trio.current_time() + limit
                await call.ended.wait()
                in_time = True
        finally:
            # However the wait ended (limit, cancel, end of the service), the call must not run on unseen.
            if not in_time:
                await self._give_up(call)
        if call.fault is not None:
            failed = self._failed(where, call.fault, moving, rename or {}, known)
            # An exception must not become its own cause.
            if failed is call.fault:
                raise failed
            raise failed from call.fault
        if not call.returned and call.cut_short:
            self._log.error("%s is given up: the service ends", where)
            self.blame(moving)
            raise errors.HardwareError(
                f"the service ends, and {where} was not done by then; see what the device has done"
            )
        if not call.returned:
            self._log.error("%s did not return within %g s", where, limit)
            self.blame(moving)
            raise errors.HardwareError(
                f"the device did not answer: {where} took longer than {limit:g} s; "
                "check the device, then reset it"
            )
        try:
            result: _Result = known.check(call.result)
            if believe is not None:
                believe(result)
        except exact.Mismatch as wrong:
            raise self._disbelieved(where, "returned what", wrong, moving) from None
        except Exception as fault:
            self._log.exception("what %s returned cannot be checked", where)
            unheard = exact.Mismatch("what can be checked", f"what raises {type(fault).__name__}")
            raise self._disbelieved(where, "returned what", unheard, moving) from fault
        failure = getattr(result, "failure", None)
        if isinstance(failure, errors.HardwareError):
            self._log.error("%s failed: %s", where, failure.description)
            self.blame(moving)
        else:
            self._absolve(moving)
        return result

    def _failed(
        self,
        where: str,
        fault: BaseException,
        moving: bool,
        rename: Mapping[str, Renamed],
        known: Declared,
    ) -> errors.XfsError:
        """What a command completes with after the device class raised something."""
        # The base class and `InternalError` say nothing of the device: no class is meant to raise them.
        if not isinstance(fault, errors.XfsError) or type(fault) in (errors.XfsError, errors.InternalError):
            if known.private():
                # Its text is whatever some library has made of a card, a code or a key.
                self._log.error("%s raised %s; %s", where, type(fault).__name__, raised_at(fault))
            else:
                self._log.error("%s raised %s", where, type(fault).__name__, exc_info=fault)
            self.blame(moving)
            return errors.HardwareError(
                f"the device class failed: {where} raised {type(fault).__name__}; see the service's log"
            )
        try:
            failure: errors.XfsError = exact.checked(errors.XfsError, fault)
            as_raised, failure = failure, renamed(failure, rename)
            if known.private():
                failure.description = without_data(failure.description, pins=known.pins)
            require_defined(failure, command.running())
        except exact.Mismatch as wrong:
            code = getattr(fault, "error_code", None)
            # A misspelt code helps whoever wrote the class; what is no word may be what it must not tell.
            if known.private() and not (isinstance(code, str) and _WORD.fullmatch(code)):
                wrong = wrong.without_values()
            return self._disbelieved(where, f"raised a {type(fault).__name__} that", wrong, moving)
        # What the device has a code for is told by that; the device as a whole is not broken.
        if isinstance(as_raised, errors.HardwareError):
            self._log.error("%s failed: %s", where, failure.description)
            self.blame(moving)
        return failure

    def _disbelieved(self, where: str, how: str, wrong: exact.Mismatch, moving: bool) -> WrongResult:
        self._log.error("%s %s cannot be: %s", where, how, wrong)
        self.blame(moving)
        return WrongResult(f"the device class is wrong: {where} {how} cannot be: {wrong}")

    @staticmethod
    async def _while(waits: Callable[[], bool], call: _Call) -> None:
        """Return when the call has ended, or does not wait for anybody any more."""
        while waits() and not call.ended.is_set():
            with trio.move_on_after(_LOOK_SECONDS):
                await call.ended.wait()

    async def _run(self, call: _Call, name: str, arguments: tuple[Any, ...]) -> None:
        try:
            await call.run(self._device, name, arguments)
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
            # This often runs while the command itself is cancelled.
            patience.shield = True
            await call.ended.wait()
        if not call.ended.is_set():
            self._stuck = call
            self._log.critical(
                "%s is stuck: it does not react to being cancelled; nothing more is asked of the "
                "device until it returns",
                call.where,
            )

    def stated(self, name: str, kind: Any, default: Any) -> Any:
        """An attribute by which the device class states something; the default if it cannot be believed."""
        try:
            return exact.checked(kind, getattr(self._device, name, default))
        except Exception as wrong:
            told = f"{type(self._device).__name__}.{name} cannot be: {wrong}"
            if told not in self._told:
                self._told.add(told)
                self._log.error("%s", told)
            return default

    def keep_sound(self, kind: type[Device]) -> None:
        """Put the defaults of an abstract device class in the place of what cannot be believed.

        Afterwards its rules can read all that the device states. What the class sets later is checked then.
        """
        device: Any = self._device
        for name, stated in vars(kind).items():
            check = exact.attribute(kind, name)
            if check is None or name.startswith("_"):
                continue
            try:
                check(getattr(device, name))
            except Exception as wrong:
                self._log.error("%s.%s cannot be, its default counts: %s", type(device).__name__, name, wrong)
                function = getattr(stated, "function", None)
                with suppress(AttributeError):
                    setattr(device, name, stated if function is None else function(device))

    def end(self) -> None:
        """Give up what still runs: the service ends, and has waited long enough."""
        self._ending = True
        for call in self._calls:
            call.cut_short = not call.ended.is_set()
            call.patience.cancel()

    @property
    def stuck(self) -> str | None:
        """The operation that does not come back, if there is one."""
        return self._stuck.where if self._stuck is not None else None

    def blame(self, moving: bool) -> None:
        """Show in the status that the device failed, until an operation succeeds.

        Args:
            moving: only one that moves something takes it back.
        """
        status = self._device.status.common if self._device is not None else None
        # Any other state was set by the class itself or by an earlier failure, and stays.
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
