"""A simulated device that takes in notes and cheques through one slot, in one bunch.

It is the simulated scanner with a reader of notes in its way. Whichever of CashIn and MediaIn draws a bunch
in reports what is of its kind; what is of the other kind waits inside for the other command, or is refused if
the device does not take it now, or no cash-in is active. Notes and cheques share the slot and the units; each
item is at one place, also after a restart, and the device recalls what its movements did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, ClassVar

from xfs4iot import devices
from xfs4iot.protocol.messages import cash_management
from xfs4iot.protocol.messages import check as messages
from xfs4iot.simulator.cash.description import ALL_LEVELS
from xfs4iot.simulator.check.items import CheckSettings, Cheque
from xfs4iot.simulator.mixed_media.cashing_in import CashingIn
from xfs4iot.simulator.mixed_media.items import MixedMediaSettings, MixedState, ShownMixed, note_of

__all__ = ["SimulatedMixedMedia"]


class SimulatedMixedMedia(CashingIn, devices.MixedMedia):
    """A device for notes and cheques."""

    item_info_types = frozenset({"serialNumber", "signature"})

    Settings: ClassVar = MixedMediaSettings
    STATE: ClassVar = MixedState

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.mixed = self.configured(MixedMediaSettings)
        self.dynamic_modes = self.mixed.dynamic
        self.stacker_capacity = self.setup.stacker
        self.media_positions = messages.CapabilitiesPositions(
            input=self.media_positions.input if self.media_positions is not None else None
        )
        values = [(currency, value) for currency, many in self.mixed.notes.items() for value in many]
        self.bank_notes = {
            f"type{currency}{value}": cash_management.BankNote(
                cash_item=cash_management.CashItem(
                    note_id=number, currency=currency, value=Decimal(value), release=1
                ),
                enabled=True,
            )
            for number, (currency, value) in enumerate(values, 1)
        }

    @classmethod
    def settings_classes(cls) -> tuple[type[Any], ...]:
        """Those of the mixed device alone: they have all of a scanner's."""
        return tuple(kind for kind in super().settings_classes() if kind is not CheckSettings)

    async def units(self) -> Mapping[str, Any]:
        cheques = await super().units()
        found: dict[str, Any] = {}
        for number, (name, unit) in enumerate(self.mixed.units.items(), 1):
            parts: list[devices.StorageUnit] = [cheques[name]]
            if unit.cash_uses:
                parts.append(
                    devices.CashUnit(
                        index=number,
                        types=unit.cash_uses,
                        items=ALL_LEVELS,
                        capacity=unit.capacity,
                        cash_items=tuple(self.bank_notes),
                        serial_number=cheques[name].serial_number,
                        status=cheques[name].status,
                    )
                )
            found[name] = tuple(parts)
        return found

    async def set_mode(self, cash: bool, check: bool) -> None:
        await self._time()

    @property
    def _accepts(self) -> tuple[bool, bool]:
        """Whether notes are taken now, and whether cheques are."""
        modes = self.status.mixed_media.modes
        cash, check = (modes.cash_accept, modes.check_accept) if modes is not None else (True, True)
        return bool(cash) and self._both.cash_in, bool(check)

    @property
    def _source(self) -> list[Cheque]:
        return self._both.cheques_aside or self._state.slot

    async def _feed(self, events: Any) -> int:
        """Draw the next item in, for MediaIn: a note waits for CashIn, or is refused."""
        state = self._both
        if state.cheques_aside or state.slot[0].kind != "banknote":
            return await super()._feed(events)
        self._require_feeder()
        await self._time()
        note = state.slot.pop(0)
        looked_at = self._accepts[0] and not self.faults.active("readerFails")
        if looked_at and self._recognised(self._at_reader(note_of(note))):
            state.notes_aside.append(note)
            self._save()
            return 0
        state.presented.append(note)
        self._save()
        # Looked at as a note as well, it is neither.
        reason: Any = "invalidMedia" if looked_at else "foreignItems"
        events.send(messages.MediaRefusedEvent(reason=reason, location="input", present_required=False))
        return 0

    def _takes_cheque(self, item: Cheque) -> bool:
        return self._accepts[1] and item.refusal(self.setup.orientations) is None

    def _show(self) -> None:
        super()._show()
        self._show_cash()

    def _held(self, unit: str) -> int:
        return super()._held(unit) + len(self._both.notes_stored.get(unit, ()))

    async def _leave(self, events: devices.MovingMedia, rollback: bool) -> devices.MediaStored:
        done = await super()._leave(events, rollback)
        if done.failure is None:
            self._hand_back()
        return done

    def _hand_back(self) -> None:
        state = self._both
        state.presented += [*state.notes_aside, *state.cheques_aside]
        state.notes_aside, state.cheques_aside = [], []
        self._save()

    @contextmanager
    def _without_notes(self) -> Iterator[None]:
        """Notes that lie in the slot are no cheques: they stay there."""
        state = self._both
        notes = [item for item in state.presented if item.kind == "banknote"]
        state.presented = [item for item in state.presented if item.kind != "banknote"]
        try:
            yield
        finally:
            state.presented += notes
            self._save()

    async def retract_media(
        self, location: str | None, events: devices.MovingMedia
    ) -> devices.MediaRetracted:
        with self._without_notes():
            return await super().retract_media(location, events)

    async def reset_media(self, control: str | None, events: devices.MovingMedia) -> devices.MediaRetracted:
        state = self._both
        state.stacker += state.cheques_aside
        state.cheques_aside = []
        with self._without_notes():
            return await super().reset_media(control, events)

    def shown_truth(self) -> Any:
        state = self._both
        return ShownMixed(
            slot=len(state.slot),
            stacker=len(state.stacker),
            waiting=len(state.waiting),
            refused=len(state.refused),
            presented=len(state.presented),
            notes=len(state.notes),
            notes_aside=len(state.notes_aside),
            cheques_aside=len(state.cheques_aside),
            units={unit: len(held) for unit, held in state.units.items()},
            notes_stored={
                unit: dict(Counter(note.note for note in held)) for unit, held in state.notes_stored.items()
            },
        )
