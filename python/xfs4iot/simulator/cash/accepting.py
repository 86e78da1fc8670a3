"""Which notes a simulated device accepts, whatever mechanism brings them to its reader.

It tells fit, unfit, suspect, counterfeit and inked notes from what it does not recognise. Which doubtful
notes it keeps, a profile says; the others it gives back, as those that are not enabled or over a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.cash_acceptor import CashInEvents
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management
from xfs4iot.simulator.cash.note_reader import NoteReader, signature_of
from xfs4iot.simulator.cash.truth import CUSTOMER, Notes
from xfs4iot.simulator.faults import Fault

__all__ = ["Accepting", "NoteAcceptor", "NoteAcceptorSettings", "Reason"]

Reason = Literal[
    "invalidBill",
    "stackerFull",
    "cashInUnitFull",
    "counterfeit",
    "limitOverTotalItems",
    "limitOverAmount",
    "foreignItemsDetected",
]


@dataclass(frozen=True)
class NoteAcceptorSettings:
    """What a profile may say of a device that accepts notes.

    Attributes:
        max_insert: how many notes one bunch may have.
        stage: how many notes are taken in before that is told by a `SubCashInEvent`; 0: a whole bunch.
        retains: doubtful notes that it keeps; all others it gives back.
    """

    max_insert: Annotated[int, Meta(ge=1)] = 100
    stage: Annotated[int, Meta(ge=0)] = 0
    retains: tuple[Literal["counterfeit", "suspect", "inked"], ...] = ("counterfeit", "suspect")


@dataclass
class Accepting:
    """What may still be accepted.

    Attributes:
        left: notes; None: as many as come.
        amounts: by currency.
        came: what was accepted and is not told yet, by item and level.
    """

    request: devices.CashInRequest
    left: int | None
    amounts: dict[str, Decimal] = field(default_factory=dict)
    came: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def of(cls, request: devices.CashInRequest) -> Accepting:
        """What a CashIn allows."""
        return cls(request, request.most, dict(request.amounts))


class NoteAcceptor(NoteReader, devices.CashAcceptor):
    """A device that accepts notes; what moves them is written elsewhere."""

    cash_in_limit = frozenset({"byTotalItems", "byAmount"})

    Settings: ClassVar[type[Any]] = NoteAcceptorSettings
    FAULTS: ClassVar = {
        "doubleInsert": Fault("once", "two of the next notes go in together; both are given back"),
        "misreads": Fault("once", "the next note is not recognised, though it is good"),
        "readerFails": Fault("lasts", "the note reader does not work"),
    }

    def __init__(self, name: str, options: Mapping[str, Any] | None = None, **world: Any) -> None:
        super().__init__(name, options, **world)
        self.acceptance = self.configured(NoteAcceptorSettings)
        self.max_cash_in_items = self.acceptance.max_insert
        self.retain_action = frozenset(self.acceptance.retains)

    def _home(self, note: Notes, units: tuple[str, ...]) -> str | None:
        """The unit that an accepted note is stored in; None if none of them has room."""
        raise NotImplementedError

    def _on_stacker(self) -> int:
        """How many notes wait until the cash-in ends."""
        raise NotImplementedError

    def _require_reader(self) -> None:
        """See that notes can be read.

        Raises:
            HardwareError: the reader does not work.
        """
        if self.faults.active("readerFails"):
            raise errors.HardwareError("the note reader does not work; see Common.Status")

    @property
    def _reader_state(self) -> Literal["ok", "inoperable"]:
        return "inoperable" if self.faults.active("readerFails") else "ok"

    def _at_reader(self, note: Notes) -> Notes:
        """What the reader sees of a note."""
        return Notes(CUSTOMER, "", "unrecognized") if self.faults.strikes("misreads") else note

    def _recognised(self, note: Notes) -> bool:
        """Whether it is a note that the device knows, whatever its condition."""
        return note.item in self.bank_notes and note.level not in ("unrecognized", "foreign")

    def _note_refusal(self, note: Notes, accepting: Accepting) -> Reason | None:
        """Why a note is not accepted; None if it is."""
        request = accepting.request
        if note.level == "foreign":
            return "foreignItemsDetected"
        if not self._recognised(note) or (request.items is not None and note.item not in request.items):
            return "invalidBill"
        if note.level not in ("fit", "unfit") and note.level not in self.retain_action:
            return "counterfeit" if note.level == "counterfeit" else "invalidBill"
        if accepting.left == 0:
            full = self.stacker_capacity and self._on_stacker() >= self.stacker_capacity
            return "stackerFull" if full else "limitOverTotalItems"
        currency, value = self._worth(note)
        limit = accepting.amounts.get(currency)
        if limit is not None and value > limit:
            return "limitOverAmount"
        if self._home(note, request.units) is None:
            return "cashInUnitFull"
        return None

    def _worth(self, note: Notes) -> tuple[str, Decimal]:
        worth = self.bank_notes[note.item].cash_item
        assert worth is not None
        return worth.currency or "", worth.value or Decimal(0)

    def _count(self, note: Notes, accepting: Accepting, events: devices.CashEvents[CashInEvents]) -> None:
        """Count an accepted note against what is left, and tell a stage that is complete."""
        accepting.came[note.item, note.level] += 1
        if accepting.left is not None:
            accepting.left -= 1
        currency, value = self._worth(note)
        if currency in accepting.amounts:
            accepting.amounts[currency] -= value
        if accepting.came.total() == self.acceptance.stage:
            self._tell_stage(accepting, events)

    def _tell_stage(self, accepting: Accepting, events: devices.CashEvents[CashInEvents]) -> None:
        """Tell what was accepted since this was told last."""
        if not accepting.came:
            return
        items: dict[str, cash_management.StorageCashCount] = {}
        for (item, level), count in accepting.came.items():
            setattr(items.setdefault(item, cash_management.StorageCashCount()), level, count)
        events.send(messages.SubCashInEvent(additional=items))
        accepting.came.clear()

    async def configure_note_types(self, enabled: frozenset[str]) -> None:
        """The service tells with each cash-in what is enabled."""

    async def configure_note_reader(self, load_always: bool) -> bool:
        self._require_reader()
        return False

    def _signature(
        self, note: Notes, events: devices.CashEvents[messages.InputRefuseEvent]
    ) -> devices.SignatureCreated:
        """The signature of a note that was read and came back."""
        if note.serial and self._recognised(note):
            made = cash_management.Signature(
                note_type=note.item, orientation="frontTop", signature=signature_of(note)
            )
            return devices.SignatureCreated(signature=made)
        events.send(messages.InputRefuseEvent(reason="invalidBill"))
        return devices.SignatureCreated(failure=errors.CommandError("noItems", "the note cannot be read"))

    async def compare_signature(
        self,
        references: tuple[cash_management.Signature, ...],
        candidates: tuple[cash_management.Signature, ...],
    ) -> tuple[devices.SignatureMatch, ...]:
        known = {(one.note_type, one.signature) for one in references}
        return tuple(
            devices.SignatureMatch(number, 100)
            for number, one in enumerate(candidates)
            if (one.note_type, one.signature) in known
        )
