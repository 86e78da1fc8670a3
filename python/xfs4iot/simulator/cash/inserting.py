"""The slot of a simulated acceptor: what customers put in, and what is given back to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
import trio
from msgspec import Meta

from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_management
from xfs4iot.simulator.cash.commands import CashCommands
from xfs4iot.simulator.cash.truth import CUSTOMER, Notes
from xfs4iot.simulator.commands import Completion, Milliseconds, Request, command

__all__ = ["Inserting"]

_LOOK_SECONDS = 0.05
"""How often a device that waits looks whether the client has given up."""

Condition = Literal["fit", "unfit", "suspect", "counterfeit", "inked", "unrecognized", "crumpled", "foreign"]


class Inserted(msgspec.Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Notes that are alike.

    Attributes:
        note: which, such as `EUR20`; without it something that is no note.
        count: how many.
        condition: how good they are; without it as those are that he holds, else `fit`. `crumpled` notes
            cannot be fed, `foreign` is what is no paper at all.
        serial: of a single note.
    """

    note: Annotated[str, Meta(pattern="^[A-Z]{3}[1-9][0-9]*$")] | None = None
    count: Annotated[int, Meta(ge=1, le=1000)] = 1
    condition: Condition | None = None
    serial: Annotated[str, Meta(max_length=40)] | None = None


class InsertNotes(Request):
    """What the customer puts into the slot, in this order; and when, at once without `after`."""

    notes: list[Inserted] = msgspec.field(default_factory=list)
    after: Milliseconds | None = None


class InsertNotesCompletion(Completion):
    """What lies in the slot, by the kind of note; "" for what is none."""

    items: dict[str, int] | None = None


def _notes(number: int, one: Inserted) -> Notes:
    """What a customer inserts, as it lies in the slot.

    Raises:
        InvalidData: several notes have one serial number.
    """
    if one.serial is not None and (one.count != 1 or one.note is None):
        raise errors.InvalidData(f"$.notes[{number}].serial: of one note only")
    known = one.note is not None or one.condition == "foreign"
    item = f"type{one.note}" if one.note else ""
    return Notes(
        CUSTOMER, item, one.condition or "" if known else "unrecognized", one.count, one.serial or ""
    )


class Inserting(CashCommands):
    """What a customer inserts, and what comes back to him."""

    def __init__(self, name: str, options: Mapping[str, Any] | None = None, **world: Any) -> None:
        super().__init__(name, options, **world)
        self._came: trio.Event | None = None

    @command
    def insert_notes(self, request: InsertNotes) -> InsertNotesCompletion:
        """The customer puts notes into the slot, or will."""
        bunch = [_notes(number, one) for number, one in enumerate(request.notes)]
        if not bunch:
            raise errors.InvalidData("$.notes is missing or empty; say what is inserted")
        if request.after is not None:
            self.world.later(request.after / 1000, lambda: self._insert(bunch))
            return InsertNotesCompletion()
        self._insert(bunch)
        found: dict[str, int] = {}
        for (name, _), count in self.truth.content("input").items():
            kind = name.removeprefix("type")
            found[kind] = found.get(kind, 0) + count
        return InsertNotesCompletion(items=found)

    @command
    def take_back(self, request: Request) -> None:
        """The customer takes out of the slot what was not taken in yet."""
        if not self.truth.shift("input", "customer"):
            raise errors.SequenceError("there is nothing in the slot")
        self._show()

    def _insert(self, bunch: list[Notes]) -> None:
        if self.truth.shutter != "open":
            raise errors.SequenceError("the shutter is closed; wait for CashAcceptor.InsertItemsEvent")
        if self.truth.total("output"):
            raise errors.SequenceError("there is something in the slot to be taken first")
        self.truth.bring("input", bunch)
        self._show()
        if self._came is not None:
            self._came.set()

    async def _wait_for_notes(self, given_up: Callable[[], bool] = lambda: False) -> bool:
        """Open the shutter until something is inserted; False if nobody waits for it any more.

        Raises:
            CommandError: `shutterNotOpen`.
        """
        if self.truth.total("input"):
            return True
        if self.faults.active("shutterJammed") and self.truth.shutter == "closed":
            raise errors.CommandError("shutterNotOpen", "the shutter does not open")
        self.truth.shutter = "open"
        self._show()
        self._came = trio.Event()
        try:
            while not (given_up() or self._came.is_set()):
                with trio.move_on_after(_LOOK_SECONDS):
                    await self._came.wait()
        finally:
            self._came = None
            if not self.truth.total("input"):
                self._close()
        return self.truth.total("input") > 0

    def _require_bunch(self, most: int) -> None:
        """Close the shutter on what was inserted.

        Raises:
            CommandError: `noItems`, `foreignItemsDetected`, `tooManyItems`, `shutterNotClosed`.
        """
        if self.faults.strikes("takesBack"):
            self.truth.shift("input", "customer")
            self._close()
        if not self.truth.total("input"):
            self._close()
            raise errors.CommandError("noItems", "there is nothing in the slot")
        if self.faults.active("shutterJammed") and self.truth.shutter == "open":
            raise errors.CommandError("shutterNotClosed", "the shutter does not close")
        if any(notes.level in ("crumpled", "foreign") for notes in self.truth.notes("input")):
            raise errors.CommandError(
                "foreignItemsDetected", "something in the slot cannot be fed; take it out, or retract it"
            )
        if self.truth.total("input") > most:
            raise errors.CommandError("tooManyItems", f"over {most} notes are in the slot; take some out")
        self._close()

    def _close(self) -> None:
        if not self.faults.active("shutterJammed"):
            self.truth.shutter = "closed"
        self._show()

    def _offer_back(self, count: int) -> None:
        """Let the customer take what was not accepted, or is given back."""
        if count:
            more = str(self._bunches())
            if not self.faults.active("shutterJammed"):
                self.truth.shutter = "open"
            self.send(cash_management.ItemsPresentedEvent(position="outDefault", additional_bunches=more))
        self._show()
