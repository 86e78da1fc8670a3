"""MixedMedia: notes and cheques through one slot, in one bunch.

New in 2023-2. There are two transactions, each with a state and an end of its own: the cash-in (CashInStart
to CashInEnd) and the media-in (MediaIn to MediaInEnd). Notes are counted in the one, and cheques have numbers
in the other. CashIn and MediaIn each report their own kind, of one bunch that either has drawn in. What the
modes leave out is refused.

    modes           may change   while a transaction is active: only if the device is `dynamic`
    cash off        CashIn       ends `sequenceError`
    check off       MediaIn      ends `sequenceError`

A reset clears the whole device, whichever interface it came through, and ends both transactions. Both kinds
go to the unit that it names, if that is for both. What is left of one kind does not keep the other inside.
"""

from __future__ import annotations

from typing import Any, ClassVar

import trio

from xfs4iot import devices
from xfs4iot.interfaces.cash.cash_management import CashManagement
from xfs4iot.interfaces.checks import device_ready
from xfs4iot.interfaces.documents.check import Check
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_management as cash
from xfs4iot.protocol.messages import mixed_media as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles
from xfs4iot.server.results import asking_for
from xfs4iot.server.service import Service

__all__ = ["MixedMedia"]


@check("invalidData")
def modes_possible(on: MixedMedia, request: messages.SetMode | None) -> None:
    """`modes`: what the device can take"""
    wanted = request.modes if request is not None else None
    for field, name in (("cash_accept", "cashAccept"), ("check_accept", "checkAccept")):
        if getattr(wanted, field, None) and name not in on.device.media_modes:
            raise errors.InvalidData(f"$.modes.{name}: the device cannot take that; see Common.Capabilities")


@check("transactionActive")
def transactions_allow(on: MixedMedia, request: messages.SetMode | None) -> None:
    """a transaction of either kind, if the modes are to change and cannot meanwhile"""
    if on.device.dynamic_modes or on.wanted(request) == on.modes:
        return
    for name, active in (("a cash-in", on.cash_active), ("a media-in", on.media_active)):
        if active:
            raise errors.CommandError("transactionActive", f"{name} is active; end it first")


class MixedMedia(Interface[devices.MixedMedia]):
    """The interface of devices for notes and cheques."""

    name: ClassVar[str] = "MixedMedia"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._cash = service.interface(CashManagement)
        self._check = service.interface(Check)
        self._cash.also_reset.append(self._reset_media)
        self._check.also_reset.append(self._reset_cash)

    @property
    def cash_active(self) -> bool:
        """Whether a cash-in is active."""
        return self._cash.transaction.active

    @property
    def media_active(self) -> bool:
        """Whether a media-in is active."""
        return self._check.transaction.state == "active"

    @property
    def modes(self) -> tuple[bool, bool]:
        """Whether cash is accepted, and whether cheques are."""
        now = self.device.status.mixed_media.modes or messages.Modes()
        return bool(now.cash_accept), bool(now.check_accept)

    def wanted(self, request: messages.SetMode | None) -> tuple[bool, bool]:
        """What the modes are to be; what a client leaves out stays as it is."""
        given = request.modes if request is not None and request.modes is not None else messages.Modes()
        cash_now, check_now = self.modes
        return (
            cash_now if given.cash_accept is None else given.cash_accept,
            check_now if given.check_accept is None else given.check_accept,
        )

    @handles("MixedMedia.SetMode", checks=(modes_possible, device_ready, transactions_allow))
    async def set_mode(self, request: messages.SetMode | None, command: Command) -> None:
        """`MixedMedia.SetMode` 2.0: waits for its turn, as the mechanism may be at work."""
        wanted = self.wanted(request)
        if wanted == self.modes:
            return
        with trio.CancelScope(shield=True):
            await self.ask(devices.MixedMedia.set_mode, *wanted, moving=True)
            status = self.device.status.mixed_media
            if status.modes is None:
                status.modes = messages.Modes()
            status.modes.cash_accept, status.modes.check_accept = wanted

    async def _reset_media(self, command: Command[Any], unit: str | None) -> None:
        """End the media-in as well when a reset of cash clears the device."""
        transaction = self._check.transaction
        if transaction.state in ("active", "unknown") or transaction.inside:
            into = unit if unit in self._check.units_for("retract") else None
            try:
                with asking_for("Check.Reset"):
                    await self._check.reset_items(command, into)
            except errors.CommandError as fault:
                raise _not_cleared("cheques", fault, "cashUnitError") from None

    async def _reset_cash(self, command: Command[Any], unit: str | None) -> None:
        """End the cash-in as well when a reset of cheques clears the device."""
        if self._cash.transaction.active or self._cash.cash.counts.inside():
            into = cash.Reset()
            if unit in self._cash.cash.names_of_type("cashInRetract"):
                into = cash.Reset(position=cash.ItemTargetData(target="singleUnit", unit=unit))
            try:
                with asking_for("CashManagement.Reset"):
                    await self._cash.reset_items(into, command)
            except errors.CommandError as fault:
                raise _not_cleared("notes", fault, "mediaBinError") from None


def _not_cleared(what: str, fault: errors.CommandError, of_units: str) -> errors.XfsError:
    """The other half of a reset has failed, in the words of the command that was sent.

    Args:
        of_units: what the command calls it that a unit takes nothing.
    """
    if isinstance(fault, devices.UnitError):
        return devices.UnitError(
            of_units, fault.failure, fault.units, f"{what} are still inside: {fault.description}"
        )
    return errors.HardwareError(f"{what} are still inside: {fault.error_code}: {fault.description}")
