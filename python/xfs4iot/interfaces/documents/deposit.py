"""Deposit: envelopes and bags go into a container, and empty envelopes out of a supply.

New in 2024-3. Both use one slot, one at a time:

    closed    Entry: open, the customer puts something in, it moves, closed
              Dispense: presented, until it is taken or retracted

An Entry can be cancelled until something is put in. From then on its time-out and its cancel wait until the
item is at a known place, and it ends as that went. What comes into the container is counted, whatever went
wrong besides. Where the item of the last Entry is, and how movements are booked, is in `depository`. What is
printed says whose it is and how much is in it: it is neither logged nor kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import trio

from xfs4iot import devices
from xfs4iot.devices import DepositMoved, DepositReset
from xfs4iot.interfaces.checks import device_ready
from xfs4iot.interfaces.documents.checks import units_not_exchanged
from xfs4iot.interfaces.documents.depository import ENTRY, RESET, RETRACT, DepositState
from xfs4iot.interfaces.storage.movements import Moving
from xfs4iot.protocol import errors
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.messages import deposit as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Check, check, handles
from xfs4iot.server.results import require_defined

__all__ = ["Deposit"]


def _text(request: Any) -> str | None:
    """What is to be printed; None for nothing."""
    return (request.print_data if request is not None else None) or None


@check("invalidData")
def text_printable(on: DepositState, request: messages.Entry | messages.Retract | None) -> None:
    """`printData`: whether there is a printer, and it fits"""
    text, printer = _text(request), on.device.deposit_printer
    if text is None:
        return
    if printer is None:
        raise errors.InvalidData("$.printData: the device has no printer; see Common.Capabilities")
    if isinstance(request, messages.Retract) and not printer.print_on_retract:
        raise errors.InvalidData("$.printData: the device does not print on what it retracts")
    if printer.max_num_chars is not None and len(text) > printer.max_num_chars:
        raise errors.InvalidData(
            f"$.printData: {len(text)} characters do not fit; there is room for {printer.max_num_chars}"
        )


@check("characterNotSupp")
def characters_printable(on: DepositState, request: messages.Entry | messages.Retract | None) -> None:
    """whether the printer has characters beyond ASCII, if there are some"""
    text, printer = _text(request), on.device.deposit_printer
    if text is not None and printer is not None and not printer.unicode_support and not text.isascii():
        raise errors.CommandError("characterNotSupp", "$.printData: the printer knows ASCII only")


@check("sequenceError")
def slot_free(on: DepositState, request: object) -> None:
    """an envelope that was dispensed and not taken"""
    if on.record.presented:
        raise errors.SequenceError("an envelope waits in the slot; see Deposit.Retract and Deposit.Reset")


@check("sequenceError")
def slot_empty(on: DepositState, request: object) -> None:
    """an item that was pushed back and not taken"""
    if on.device.senses_taken and on.record.location == "shutter":
        raise errors.SequenceError(
            "what was pushed back lies in the slot; see Deposit.Retract and Deposit.Reset"
        )


_LEVELS = {
    "missing": ("containerMissing", "whether the container is there", "put it back"),
    "full": ("depFull", "whether it has room", "exchange or empty it"),
    "inoperative": ("depJammed", "whether it works", "look at it, then reset the device"),
}
"""Levels of a container that takes nothing: error code, what is looked at, what to do."""


def container_takes(
    applies: Callable[[DepositState, Any], bool] = lambda on, request: True,
) -> tuple[Check, ...]:
    """That something can come into the container, as far as the command brings something there."""

    def is_not(level: str) -> Check:
        code, text, advice = _LEVELS[level]

        def look(on: DepositState, request: object) -> None:
            container = on.units.container
            if not applies(on, request):
                return
            if container is None:
                if level == "missing":
                    raise errors.CommandError(
                        code, "the device names no container that could be counted; see Storage.GetStorage"
                    )
                return
            if on.units.container_level(container) == level:
                raise errors.CommandError(code, f"{container} is {level}: {advice}; see Storage.GetStorage")

        look.__doc__ = text
        return check(code, name=f"container {level}")(look)

    return tuple(map(is_not, _LEVELS))


def _retracts_into_container(on: DepositState, request: object) -> bool:
    return on.device.retract_envelope == "container"


def _resets_into_container(on: DepositState, request: messages.Reset | None) -> bool:
    return request is not None and request.dep_media_control == "retract"


@check("depJammed")
def way_clear(on: DepositState, request: object) -> None:
    """whether the transport works, and nothing is stuck on it"""
    location = on.record.location
    if on.device.status.deposit.dep_transport == "inoperative" or location in ("transport", "printer"):
        raise errors.CommandError("depJammed", "the way to the container is blocked; see Deposit.Reset")


@check("tonerOut")
def toner_there(on: DepositState, request: messages.Entry | messages.Retract | None) -> None:
    """whether there is toner, if something is to be printed"""
    if _text(request) is not None and on.device.status.deposit.toner == "out":
        raise errors.CommandError("tonerOut", "the toner is used up; see Deposit.SupplyReplenish")


@check("printerFail")
def printer_works(on: DepositState, request: messages.Entry | messages.Retract | None) -> None:
    """whether the printer works, if something is to be printed"""
    if _text(request) is not None and on.device.status.deposit.printer == "inoperative":
        raise errors.CommandError("printerFail", "the printer is inoperative; see Deposit.Reset")


@check("unsupportedCommand")
def supply_there(on: DepositState, request: object) -> None:
    """whether the device has a supply of envelopes"""
    if on.units.supply is None:
        raise errors.UnsupportedCommand("the device has no supply of envelopes; see Storage.GetStorage")


@check("empty")
def supply_has_envelopes(on: DepositState, request: object) -> None:
    """whether there are envelopes in it"""
    assert on.units.supply is not None
    level = on.units.supply_level(on.units.supply)
    if level in ("empty", "missing"):
        raise errors.CommandError("empty", f"the supply {on.units.supply} is {level}; see Storage.GetStorage")


@check("jammed")
def dispenser_works(on: DepositState, request: object) -> None:
    """whether supply and dispenser work"""
    assert on.units.supply is not None
    broken = on.units.supply_level(on.units.supply) == "inoperative"
    if broken or on.device.status.deposit.env_dispenser == "inoperative":
        raise errors.CommandError("jammed", "the dispenser of envelopes is inoperative; see Deposit.Reset")


@check("unsupportedCommand")
def can_retract(on: DepositState, request: object) -> None:
    """whether the device retracts envelopes, which it has dispensed"""
    supply = on.units.supply
    manual = supply is not None and on.units.kept[supply].env_supply == "manual"
    if on.device.retract_envelope is None or manual:
        raise errors.UnsupportedCommand("the device retracts no envelopes; see Common.Capabilities")


@check("invalidData")
def supplies_given(on: DepositState, request: messages.SupplyReplenish | None) -> None:
    """whether a supply is named, and it is one that the device has"""
    if request is None or not (request.toner or request.envelope):
        raise errors.InvalidData("name what was refilled: toner, envelope")
    if request.toner and not on.device.has_toner:
        raise errors.InvalidData("$.toner: the device has no toner; see Common.Capabilities")
    if request.envelope and on.units.supply is None:
        raise errors.InvalidData("$.envelope: the device has no supply of envelopes; see Storage.GetStorage")


_PRINTING = (toner_there, printer_works)


class Deposit(DepositState):
    """The interface of depositories."""

    name: ClassVar[str] = "Deposit"

    @handles(
        "Deposit.Entry",
        checks=(
            text_printable,
            characters_printable,
            device_ready,
            units_not_exchanged,
            *container_takes(),
            way_clear,
            *_PRINTING,
            slot_free,
        ),
        device=("envSize", "shutterNotClosed", "shutterNotOpened", "unknown"),
    )
    async def entry(self, request: messages.Entry | None, command: Command) -> None:
        """`Deposit.Entry` 1.0: without an item there is no deposit; with one the command goes to its end."""
        text = _text(request)

        def possible(moved: DepositMoved) -> None:
            self._require_possible(ENTRY, moved, "container", command)

        async def ask(events: Moving) -> DepositMoved:
            return await self.service.operations.ask(
                devices.Deposit.deposit, text, events, moving=True, believe=possible
            )

        await self.wait_for_deposit()
        with trio.CancelScope(shield=True):
            self.service.broadcast(messages.EnvInsertedEvent())
            try:
                moved = await self.move(command, ENTRY, ask, {"printed": text is not None})
            except errors.XfsError as fault:
                self._tell_failure(fault)
                raise
            self._tell_failure(moved.failure)
            if moved.place == "container":
                self.service.broadcast(messages.EnvDepositedEvent())
            if moved.failure is not None:
                raise moved.failure

    def _tell_failure(self, failure: errors.XfsError | None) -> None:
        """Tell every client what went wrong with a deposit, and show what follows from it."""
        if failure is None:
            return
        code: Any = failure.error_code if isinstance(failure, errors.CommandError) else "unknown"
        self._used_up(code)
        self.service.broadcast(messages.DepositErrorEvent(error=code))

    def _used_up(self, code: str) -> None:
        """Show a supply without a sensor as used up when an operation has ended for want of it."""
        if code == "tonerOut" and self.device.has_toner and "toner" not in self.device.supply_sensors:
            self.device.status.deposit.toner = "out"
        if code == "empty":
            self._supply_is("empty")

    def _supply_is(self, level: Literal["ok", "empty"]) -> None:
        supply = self.units.supply
        if supply is not None and "envelope" not in self.device.supply_sensors:
            status = messages.StorageStatus(env_supply=level)
            self.units.observe(supply, messages.Storage(status=status))
            self.storage.publish()

    def _require_possible(
        self, kind: str, moved: DepositMoved, target: str | None, command: Command[Any]
    ) -> None:
        """See that a device can have moved an item so. Raises Mismatch."""
        require_defined(moved.failure, command)
        if moved.failure is None and moved.place != target:
            raise Mismatch(str(target), repr(moved.place), "place")
        self.require_reachable(kind, moved)

    @handles(
        "Deposit.Dispense",
        checks=(
            supply_there,
            device_ready,
            units_not_exchanged,
            supply_has_envelopes,
            dispenser_works,
            slot_free,
            slot_empty,
        ),
        device=("shutterNotOpened",),
    )
    async def dispense(self, request: None, command: Command) -> None:
        """`Deposit.Dispense` 2.0, completion 1.0: until the envelope is presented, or the supply unlocked."""
        assert self.units.supply is not None
        motorized = self.units.kept[self.units.supply].env_supply == "motorized"
        with trio.CancelScope(shield=True):
            # Before it moves: after a crash no second envelope is fed on top of this one.
            await self.keep(presented=motorized and self.device.senses_taken)
            try:
                await self.ask(devices.Deposit.dispense, moving=True)
            # It may have presented one.
            except errors.HardwareError:
                raise
            # Any other error means that nothing has moved; the device may not even have been asked.
            except errors.XfsError as fault:
                await self.note(presented=False)
                if isinstance(fault, errors.CommandError):
                    self._used_up(fault.error_code)
                raise

    @handles(
        "Deposit.Retract",
        checks=(
            can_retract,
            text_printable,
            characters_printable,
            device_ready,
            units_not_exchanged,
            *container_takes(_retracts_into_container),
            *_PRINTING,
        ),
        device=("depJammed", "envJammed", "noEnv", "shutterNotClosed"),
    )
    async def retract(self, request: messages.Retract | None, command: Command) -> None:
        """`Deposit.Retract` 1.0: what comes into the container counts as a deposit."""
        text = _text(request)

        def possible(moved: DepositMoved) -> None:
            self._require_possible(RETRACT, moved, self.device.retract_envelope, command)

        async def ask(events: Moving) -> DepositMoved:
            return await self.service.operations.ask(
                devices.Deposit.retract, text, events, moving=True, believe=possible
            )

        try:
            moved = await self.move(command, RETRACT, ask, {"printed": text is not None})
        except errors.CommandError as fault:
            if fault.error_code == "noEnv":
                with trio.CancelScope(shield=True):
                    await self.note(presented=False)
            raise
        if moved.failure is not None:
            raise moved.failure

    @handles(
        "Deposit.Reset",
        checks=(device_ready, *container_takes(_resets_into_container)),
        device=("depJammed", "envJammed", "shutterNotOpened", "shutterNotClosed"),
    )
    async def reset(self, request: messages.Reset | None, command: Command) -> None:
        """`Deposit.Reset` 1.0: what was found is told, also if it is nothing."""
        control = request.dep_media_control if request is not None else None

        def possible(done: DepositReset) -> None:
            require_defined(done.failure, command)
            if done.dispense_media is not None and self.units.supply is None:
                raise Mismatch(
                    "null without a supply of envelopes", repr(done.dispense_media), "dispense_media"
                )

        async def ask(events: Moving) -> DepositReset:
            return await self.service.operations.ask(
                devices.Deposit.reset, control, events, moving=True, believe=possible
            )

        done = await self.move(command, RESET, ask, {})
        self.service.broadcast(
            messages.MediaDetectedEvent(deposit_media=done.deposit_media, dispense_media=done.dispense_media)
        )
        if done.failure is not None:
            raise done.failure

    @handles("Deposit.SupplyReplenish", checks=(supplies_given, device_ready))
    async def supply_replenish(self, request: messages.SupplyReplenish, command: Command) -> None:
        """`Deposit.SupplyReplenish` 1.0, completion 2.0: what no sensor sees counts as full from now on."""
        named = (("toner", request.toner), ("envelope", request.envelope))
        supplies = frozenset(name for name, given in named if given)
        await self.ask(devices.Deposit.supply_replenish, supplies)
        if "toner" in supplies - self.device.supply_sensors:
            self.device.status.deposit.toner = "full"
        if "envelope" in supplies:
            self._supply_is("ok")
