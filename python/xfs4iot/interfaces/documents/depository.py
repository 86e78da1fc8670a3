"""What is in the slot of a depository, what is deposited, and how its movements are booked.

    item of the last Entry         what leads there
    none                           Entry has begun, and nothing is put in yet; the first state
    shutter                        put in, or pushed back
    container                      deposited: the only place that counts
    transport, printer             stuck there
    removed                        pushed back, and taken
    unknown                        lost, or a restart in the middle that nobody can settle

The record is kept over restarts. While an Entry waits for the customer the record says so, for a power cut at
that moment leaves open whether something was put in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import DepositMoved, DepositReset, implements
from xfs4iot.interfaces.storage.deposit import DepositUnits
from xfs4iot.interfaces.storage.movements import Booking, Found, Movements, Moving
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.ledger import Document, Intent
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import deposit as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface
from xfs4iot.server.operations import WrongResult
from xfs4iot.server.service import Service

__all__ = ["ENTRY", "RESET", "RETRACT", "DepositState"]

ENTRY, RETRACT, RESET = "depositEntry", "depositRetract", "depositReset"
"""Kinds of movements in the journal."""

Location = Literal["unknown", "container", "transport", "printer", "shutter", "none", "removed"]

_Result = TypeVar("_Result", DepositMoved, DepositReset)


class Record(msgspec.Struct, frozen=True):
    """What is kept.

    Attributes:
        location: of the item of the last Entry.
        waiting: an Entry waits for the customer.
        presented: an envelope from the supply lies in the slot.
    """

    location: Location = "none"
    waiting: bool = False
    presented: bool = False


_KEPT = Document("Deposit.record", Record)


@dataclass(frozen=True)
class Moved:
    """What has come into the container, and what changes with that.

    Attributes:
        location: of the item of the last Entry; None: as before.
        presented: whether an envelope from the supply lies in the slot; None: as before.
        lost: something more may have dropped into the container, unseen: its count is in doubt.
        takings: what the customer had taken when it began, see `DepositState.takings`.
    """

    deposited: int = 0
    location: Location | None = None
    presented: bool | None = None
    lost: bool = False
    takings: int = 0


class DepositState(Interface[devices.Deposit]):
    """What the commands of Deposit share.

    Attributes:
        record: what is kept.
        takings: how often the customer has taken something out of the slot.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.record = Record()
        self.takings = 0
        self._writing = trio.Lock()
        self.storage = service.interface(Storage)
        self.units = self.storage.kind(DepositUnits)
        self._movements: Movements[Moved] = Movements(
            service, self.storage, (ENTRY, RETRACT, RESET), book=self._booking, find=self._found
        )

    async def start(self) -> None:
        """Recall what is where; settle what a crash left open."""
        self.record = _KEPT.of(self.service.ledger) or self.record
        await self._recover()

    async def reopened(self) -> None:
        """Settle what could not be settled before."""
        await self._recover()

    async def _recover(self) -> None:
        await self._movements.settle()
        if self.record.waiting and self.service.operations.opened:
            await self.keep(location=await self._inside(), waiting=False)
        self._show()

    async def _inside(self) -> Location:
        """Where something is that may have been put in just before a crash."""
        if not implements(self.device, "deposit_inside"):
            return "unknown"
        try:
            place = await self.ask(devices.Deposit.deposit_inside)
        except errors.XfsError as fault:
            self.service.log.error("the device does not say where the last deposit is: %s", fault)
            return "unknown"
        return "unknown" if place == "dispenser" else place

    def _show(self) -> None:
        self.device.status.deposit.deposit_location = self.record.location

    async def keep(self, **changes: Any) -> None:
        """Keep a changed record.

        Raises:
            LedgerUnavailable: it could not be written, and has not changed.
        """
        # One after the other: what is written last is what is so.
        async with self._writing:
            record = msgspec.structs.replace(self.record, **changes)
            await self.service.ledger.put_document(_KEPT.name, wire.encode(record))
            # Not as a whole: the customer may have taken something while it was written.
            self.record = msgspec.structs.replace(self.record, **changes)
        self._show()

    async def note(self, **changes: Any) -> None:
        """Take over what has happened, whether it can be kept or not."""
        self.record = msgspec.structs.replace(self.record, **changes)
        self._show()
        try:
            await self.keep()
        except errors.XfsError as fault:
            self.service.log.error("what lies in the slot is not kept: %s", fault)

    def observe(self, event: Payload) -> None:
        """What the customer has taken lies in the slot no more."""
        if isinstance(event, messages.EnvTakenEvent):
            record = self.record
            self.takings += 1
            pushed_back = record.location == "shutter" and not record.presented
            self.record = msgspec.structs.replace(
                record, location="removed" if pushed_back else record.location, presented=False
            )
            self._show()
            # `observe` is synchronous, and the event must not wait for the disk.
            self.service.nursery.start_soon(self.note)

    def _booking(self, detail: Mapping[str, Any], moved: Moved) -> Booking:
        changes: dict[str, Any] = {"location": moved.location, "presented": moved.presented}
        if self.takings > moved.takings:
            # Hands are quicker than the books: what was brought into the slot is gone already.
            changes["location"] = "removed" if moved.location == "shutter" else moved.location
            changes["presented"] = False if moved.presented else moved.presented
        changes = {name: now for name, now in changes.items() if now is not None}

        def done() -> None:
            self.record = msgspec.structs.replace(self.record, **changes)
            self._show()

        # What was interrupted went into the container that was there when it began.
        container = next((name for name in detail["units"] if name in self.units.kept), self.units.container)
        postings = self.units.deposited(container, moved.deposited)
        doubtful = [container] if moved.lost and container is not None else []
        after = msgspec.structs.replace(self.record, **changes)
        return Booking(postings, {_KEPT.name: wire.encode(after)}, done, doubtful)

    async def _found(self, intent: Intent) -> Found[Moved]:
        """What an interrupted movement has moved, if the device recalls it."""
        if implements(self.device, "recall_deposit"):
            # Asked again it would say the same, and nothing could move any more.
            with suppress(WrongResult):
                recalled = await self.service.operations.ask(
                    devices.Deposit.recall_deposit, intent.id, believe=partial(self._recallable, intent.kind)
                )
                if recalled is None:
                    return Found(Moved(), True, "nothing has moved")
                moved = self._moved(intent.kind, recalled, self.takings)
                return Found(moved, not moved.lost, "booked as the device recorded it")
        lost = DepositReset(deposit_media="unknown") if intent.kind == RESET else DepositMoved("unknown")
        return Found(
            self._moved(intent.kind, lost, self.takings), False, "whether it was deposited is not known"
        )

    def _recallable(self, kind: str, recalled: DepositMoved | DepositReset | None) -> None:
        """See that a movement can have moved what the device recalls of it. Raises Mismatch."""
        if recalled is None:
            return
        if isinstance(recalled, DepositReset) != (kind == RESET):
            raise Mismatch("the result of what was interrupted", type(recalled).__name__)
        if isinstance(recalled, DepositMoved):
            self.require_reachable(kind, recalled)

    def require_reachable(self, kind: str, moved: DepositMoved) -> None:
        """See that a device can have brought something there. Raises Mismatch."""
        if moved.place == "dispenser" and not (
            kind == RETRACT and self.device.retract_envelope == "dispenser"
        ):
            raise Mismatch("a place on its way", repr(moved.place), "place")

    def _moved(self, kind: str, result: DepositMoved | DepositReset, takings: int) -> Moved:
        """What follows from what the device says."""
        if isinstance(result, DepositReset):
            return self._cleared(result, takings)
        deposited = int(result.place == "container")
        lost = result.place == "unknown" and not (
            kind == RETRACT and self.device.retract_envelope == "dispenser"
        )
        location: Location | None = None
        presented: bool | None = None
        if kind == RETRACT and self.record.presented:
            # An envelope of the supply is not the item of the last Entry. While nobody knows where it is, no
            # other is fed on top of it.
            presented = result.place in ("shutter", "unknown")
        elif kind != RETRACT or self.record.location == "shutter":
            location = "unknown" if result.place == "dispenser" else result.place
        return Moved(deposited, location, presented, lost, takings)

    def _cleared(self, result: DepositReset, takings: int) -> Moved:
        """What a reset has made of both ways."""
        found = (result.deposit_media, result.dispense_media)
        location: Location | None = None
        was = self.record.location
        if was in ("shutter", "transport", "printer", "unknown"):
            new: Mapping[str, Location] = {
                "retracted": "container",
                "ejected": "shutter",
                "jammed": was if was in ("transport", "printer") else "transport",
                "noMedia": "removed" if was == "shutter" else "unknown",
            }
            location = new.get(result.deposit_media, "unknown")
        presented = result.dispense_media == "ejected"
        return Moved(found.count("retracted"), location, presented, "unknown" in found, takings)

    async def move(
        self,
        command: Command[Any],
        kind: str,
        ask: Callable[[Moving], Awaitable[_Result]],
        detail: Mapping[str, Any],
    ) -> _Result:
        """Let the device move what is in it, and book where it says that this is.

        Args:
            ask: calls the device.
            detail: what else the journal is to say.

        Raises:
            CommandError: the device refused, and nothing has moved.
            XfsError: it failed, and the record says what is known.
        """
        container = self.units.container
        units = {"units": [container] if container is not None else []}
        takings = self.takings
        # What the customer takes meanwhile is written when it is known what was there to be taken.
        async with self._writing:
            return await self._movements.carry_out(
                command,
                kind,
                Moved(),
                {**units, **detail},
                ask,
                lambda result: self._moved(kind, result, takings),
            )

    async def wait_for_deposit(self) -> None:
        """Let the customer put something in; if the client gives up meanwhile, it may be in already.

        Raises:
            XfsError: nothing was put in.
        """
        before = self.record.location
        with trio.CancelScope(shield=True):
            # Before the slot opens: while the ledger cannot be written nobody puts anything in.
            await self.keep(location="none", waiting=True)
        location: Location = "none"
        try:
            await self.service.operations.ask(devices.Deposit.entry)
            location = "shutter"
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                location = await self._stop()
            if location != "shutter":
                raise
        except errors.DeviceNotReady:
            # Nobody has opened the slot.
            location = before
            raise
        except errors.HardwareError:
            location = "unknown"
            raise
        except errors.XfsError:
            # The slot did not open: what was pushed back lies in it still.
            location = "shutter" if before == "shutter" else "none"
            raise
        finally:
            with trio.CancelScope(shield=True):
                await self.note(location=location, waiting=False)

    async def _stop(self) -> Location:
        """Close the slot; where what the customer wanted to put in is."""
        try:
            return "shutter" if await self.ask(devices.Deposit.stop_entry, moving=True) else "none"
        except errors.XfsError as fault:
            self.service.log.error("whether the slot is closed is not known: %s", fault)
            return "unknown"
