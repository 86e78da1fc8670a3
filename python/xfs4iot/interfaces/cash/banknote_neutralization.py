"""BanknoteNeutralization: staining the notes of a safe that is attacked (IBNS).

    disarmed ──arm, ignoreAllSafeSensors──▶ armed ──attack, TriggerNeutralization──▶ neutralizationTriggered
        ▲                                     │                                                │
        └───────────────disarm────────────────┴─────────────────────disarm─────────────────────┘

While the safe is open, arming waits: `armPending`. The state is the hardware's. What the device class does
not set of it itself follows from the last command that succeeded, and is `fault` after one that failed at an
unknown point; nothing of it is kept over a restart, for a protection that is told but not there is worse than
`fault`. New in 2024-3.

- A command that needs a token is refused without it (`invalidToken`): a forged disarm is the way to the
  notes, a forged trigger destroys them.
- Both are written into the journal, with who asked for it, before the device is asked, and their
  outcome after it, as soon as the ledger can be written. A trigger that was interrupted is settled at the
  next start by what the hardware says.
- A trigger is not cancelled and does not time out once the device was asked: it is irreversible. It is
  never refused for the state, so that it can be tried again where it stained some cassettes only.
- Arming what has stained its notes is `sequenceError`: disarm it, and exchange the cassettes.
- Nothing is dispensed from a cassette that has stained its notes, and no deposit is stored in it. A trigger
  that succeeded has stained all. Where neither class nor cassettes say what is stained, a trigger that was
  carried out, or may have been, counts until the cassettes were exchanged: that is kept over restarts.

Whether the protection has to be off before the units are exchanged, the device says: its `start_exchange`
raises `StorageUnitError`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, Literal

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.common.common import Common
from xfs4iot.interfaces.common.end_to_end_security import token_allows
from xfs4iot.interfaces.storage.banknote_neutralization import BanknoteNeutralizationUnits
from xfs4iot.interfaces.storage.storage import Bar, Storage
from xfs4iot.ledger import Document, Intent, LedgerUnavailable
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import banknote_neutralization as messages
from xfs4iot.protocol.observed import keep, kept
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, Token, check, handles
from xfs4iot.server.service import Service
from xfs4iot.server.trying_again import TryingAgain

__all__ = ["BanknoteNeutralization"]

Mode = Literal["fault", "armed", "disarmed", "neutralizationTriggered"]

_AFTER: dict[str, tuple[Mode, str | None]] = {
    "arm": ("armed", None),
    "ignoreAllSafeSensors": ("armed", "allSafeSensorsIgnored"),
    "disarm": ("disarmed", None),
}
"""Mode and submode after what was asked for."""


class Ink(msgspec.Struct, frozen=True):
    """What is kept.

    Attributes:
        flowed: notes were stained, or may have been, since cassettes were last exchanged.
    """

    flowed: bool = False


_INK = Document("BanknoteNeutralization.ink", Ink)

_SET, _TRIGGER = "neutralizationProtection", "neutralizationTrigger"
"""Kinds of what is written into the journal."""


@check("sequenceError")
def not_triggered(on: BanknoteNeutralization, request: messages.SetProtection) -> None:
    """whether notes are stained that are to be protected"""
    if request.new_state != "disarm" and on.mode == "neutralizationTriggered":
        raise errors.SequenceError(
            "$.newState: notes have been stained; disarm the system and exchange the cassettes first"
        )


class BanknoteNeutralization(Interface[devices.BanknoteNeutralization]):
    """The interface of systems that stain notes."""

    name: ClassVar[str] = "BanknoteNeutralization"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._ink = _INK.of(service.ledger) or Ink()
        self._unwritten: deque[tuple[Intent, str, bool]] = deque()
        self._writing = trio.Lock()
        self._again = TryingAgain(service, self._written_at_last)

    async def start(self) -> None:
        """Find out what became of a trigger that was interrupted."""
        if "Storage" in self.service.interfaces:
            storage = self.service.interface(Storage)
            storage.bars.append(Bar(self._stained, self._all_stained))
            storage.exchanged.append(self._exchanged)
        await self._settle()

    async def reopened(self) -> None:
        """The hardware can now say what became of a trigger."""
        await self._settle()

    @property
    def mode(self) -> Mode | None:
        """As the hardware says."""
        state = self.device.status.banknote_neutralization.state
        return state.mode if state is not None else None

    @property
    def _cassettes(self) -> BanknoteNeutralizationUnits | None:
        if "Storage" not in self.service.interfaces:
            return None
        units = self.service.interface(Storage).kinds.get(BanknoteNeutralizationUnits.name)
        return units if isinstance(units, BanknoteNeutralizationUnits) else None

    def _stained(self, unit: str) -> str | None:
        """Why nothing may go into or out of a unit."""
        cassettes = self._cassettes
        stained = cassettes.neutralized(unit) if cassettes is not None else None
        if stained is None:
            # A cassette of which the system says nothing by itself shares its fate.
            stained = self._all_stained()
        return f"the notes of unit {unit!r} have been stained; exchange it" if stained else None

    def _all_stained(self) -> bool:
        return self.mode == "neutralizationTriggered" or (self._ink.flowed and not self._class_says)

    @property
    def _class_says(self) -> bool:
        """Whether the device class sets the mode itself."""
        state = self.device.status.banknote_neutralization.state
        return state is None or not kept(state, "mode")

    async def _exchanged(self) -> None:
        """Others are in the place of what was stained."""
        async with self._writing:
            if self._ink.flowed:
                await self.service.ledger.put_document(_INK.name, wire.encode(Ink()))
                self._ink = Ink()

    @handles(
        "BanknoteNeutralization.SetProtection",
        checks=(
            given("new_state", "say arm, ignoreAllSafeSensors or disarm"),
            not_triggered,
            device_ready,
            token_allows,
        ),
        device=("sensorNotReady",),
        token=Token("SETPROTECTION", "new_state"),
    )
    async def set_protection(self, request: messages.SetProtection, command: Command) -> None:
        """`BanknoteNeutralization.SetProtection` 1.0."""
        assert request.new_state is not None
        async with self._journalled(command, request, _SET, {"newState": request.new_state}):
            await self.ask(devices.BanknoteNeutralization.set_protection, request.new_state, moving=True)
        self._show(*_AFTER[request.new_state])

    @handles(
        "BanknoteNeutralization.TriggerNeutralization",
        checks=(given("neutralization_action", "say trigger"), device_ready, token_allows),
        token=Token("TRIGGERNEUTRALIZATION", "neutralization_action"),
    )
    async def trigger_neutralization(self, request: messages.TriggerNeutralization, command: Command) -> None:
        """`BanknoteNeutralization.TriggerNeutralization` 1.0, completion 2.0."""
        async with self._journalled(command, request, _TRIGGER, {}):
            await self.ask(devices.BanknoteNeutralization.trigger_neutralization, moving=True)
            if (cassettes := self._cassettes) is not None:
                cassettes.triggered()
                self.service.interface(Storage).publish()
        self._show("neutralizationTriggered", None)

    def _show(self, mode: Mode, submode: str | None) -> None:
        """What follows from a command, where the device class does not say it."""
        if (state := self.device.status.banknote_neutralization.state) is not None:
            keep(state, "mode", mode)
            keep(state, "submode", submode)

    @asynccontextmanager
    async def _journalled(
        self,
        command: Command,
        request: messages.SetProtection | messages.TriggerNeutralization,
        kind: str,
        detail: dict[str, Any],
    ) -> AsyncIterator[None]:
        """Write down who asks for what before the block, and how it ended after it; neither is cancelled.

        Raises:
            XfsError: the token does not allow it; nothing was asked of the device.
            LedgerUnavailable: it cannot be written, so the device must not be asked.
        """
        tokens = self.service.interface(Common).tokens
        allowed = await tokens.authorise(command.name, request.token, request=request)
        if allowed is not None:
            detail = {**detail, "authorisation": allowed.detail()}
        with trio.CancelScope(shield=True):
            ledger = self.service.ledger
            intent = await ledger.begin(
                kind,
                command=command.name,
                request_id=command.request_id,
                identity=command.identity,
                detail=detail,
            )
            outcome = "unknown"
            try:
                yield
                outcome = "done"
            except errors.HardwareError:
                # It may have done something all the same.
                self._show("fault", None)
                raise
            except errors.XfsError:
                outcome = "failed"
                raise
            finally:
                await self._close(intent, outcome, kind == _TRIGGER and outcome != "failed")

    async def _close(self, intent: Intent, outcome: str, flowed: bool) -> None:
        """Write down how a command has ended, and with it whether ink has flowed, or may have.

        What cannot be written now is written as soon as it can be; ink that has flowed is not forgotten
        meanwhile, and the next start settles what was never written.
        """
        if flowed:
            self._ink = Ink(flowed=True)
        self._unwritten.append((intent, outcome, flowed))
        try:
            await self._write_down()
        except LedgerUnavailable as fault:
            self.service.log.error(
                "the outcome of %s is not written yet, and is tried again: %s", intent.command, fault
            )
            self._again.begin()

    async def _write_down(self) -> None:
        """Write what is not written, the oldest first. Raises LedgerUnavailable."""
        async with self._writing:
            while self._unwritten:
                intent, outcome, flowed = self._unwritten[0]
                documents = {_INK.name: wire.encode(self._ink)} if flowed else {}
                await self.service.ledger.book(intent, (), outcome=outcome, documents=documents)
                self._unwritten.popleft()

    async def _written_at_last(self) -> bool:
        with suppress(LedgerUnavailable):
            await self._write_down()
        return not self._unwritten

    async def _settle(self) -> None:
        """Close what was interrupted: of a trigger the hardware shows whether it came to pass."""
        if not self.service.operations.opened:
            return
        unwritten = {intent.id for intent, _outcome, _flowed in self._unwritten}
        for intent in self.service.ledger.open_intents():
            if intent.kind in (_SET, _TRIGGER) and intent.id not in unwritten:
                triggered = intent.kind == _TRIGGER and self.mode == "neutralizationTriggered"
                flowed = triggered or (intent.kind == _TRIGGER and not self._class_says)
                await self._close(intent, "done" if triggered else "unknown", flowed)
                self.service.log.warning(
                    "%s was interrupted; the hardware says %s", intent.command, self.mode
                )
