"""Biometric: subjects are captured, and compared with templates that were imported.

There are three stores, each of which can be cleared for itself. The device holds them; what is in them, and
when it is over, is decided here:

    scannedData      one capture, of the last Read; over with the next Read, Clear, Reset, the end of the last
                     connection, a restart; in the mode `clear` also once it was returned or compared
    importedData     the templates of the last Import, under identifiers; over with the next Import, Clear,
                     Reset. In the mode `persist` they outlive a restart, sealed in the ledger's vault
    setMatchedData   what SetMatch said, at a device that compares while it reads (combinedMatch)

A device that compares afterwards (storedMatch) needs Import and Read, in any order, before Match; one that
compares while it reads Import, SetMatch, Read, Match, in this order. Another Import makes void what was
compared before.

Biometric data reaches no log, and no file but the sealed one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import trio

from xfs4iot import devices
from xfs4iot.devices import (
    BiometricCandidate,
    BiometricDataType,
    BiometricMatch,
    BiometricReadRequest,
    BiometricTemplate,
)
from xfs4iot.interfaces.biometrics import checks
from xfs4iot.interfaces.biometrics.templates import Templates
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.keys.key_management import KeyManagement
from xfs4iot.interfaces.keys.key_table import KeyTable
from xfs4iot.ledger import Document, LedgerError
from xfs4iot.protocol import errors, exact, wire
from xfs4iot.protocol.command_events.biometric import ReadEvents
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import biometric as messages
from xfs4iot.server.command import Command, Connection
from xfs4iot.server.handler import Interface, handles
from xfs4iot.server.service import Service

__all__ = ["Biometric"]

Kind = Literal["scannedData", "importedData", "setMatchedData"]
Mode = Literal["persist", "clear"]

_KINDS: tuple[Kind, ...] = ("scannedData", "importedData", "setMatchedData")
_MODE = Document("Biometric.persistence", str)


class _Watched:
    """The events of a Read on their way to the client, so that the status says what they say."""

    def __init__(self, command: Command[ReadEvents], status: messages.Status) -> None:
        self._command = command
        self._status = status

    @property
    def cancel_requested(self) -> bool:
        """See `CommandEvents`."""
        return self._command.cancel_requested

    def send(self, event: ReadEvents) -> None:
        """See `CommandEvents`."""
        if isinstance(event, messages.SubjectDetectedEvent) and self._status.subject is not None:
            self._status.subject = "present"
        self._command.send(event)


class Biometric(Interface[devices.Biometric]):
    """The interface of biometric devices.

    Attributes:
        templates: that were imported.
        criteria: of SetMatch.
        captured: whether there is a capture.
        owner: the client that made it.
        compared: what it was compared by while it was read.
    """

    name: ClassVar[str] = "Biometric"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.templates = Templates(service.ledger)
        self.criteria: BiometricMatch | None = None
        self.captured = False
        self.owner: Connection | None = None
        self.compared: BiometricMatch | None = None
        self._matches = 0
        self._mode: Mode | None = None
        self._no_keys = KeyTable(service.ledger)
        # What is over may be cleared in the background: never while a command is at it.
        self._using = trio.Lock()

    @property
    def status(self) -> messages.Status:
        """The device's part of Common.Status."""
        return self.device.status.biometric

    @property
    def table(self) -> KeyTable:
        """The keys of the device; none if it is no KeyManagement."""
        if KeyManagement.name not in self.service.interfaces:
            return self._no_keys
        return self.service.interface(KeyManagement).table

    async def start(self) -> None:
        """Begin with what the mode lets outlive a restart."""
        modes = self.device.persistence_modes
        kept = _MODE.of(self.service.ledger)
        # Unless somebody has said otherwise: as little as can be.
        self._mode = next((mode for mode in (kept, "clear", "persist") if mode in modes), None)
        await self._begin()

    async def reopened(self) -> None:
        """The device may have lost its power: begin again."""
        await self._begin()

    async def _begin(self) -> None:
        """Empty the device, and give it the templates that are kept."""
        self._capture_over()
        self.criteria = None
        kept: Mapping[str, BiometricTemplate] = {}
        try:
            if self._mode == "persist" and devices.implements(self.device, "ledger_key"):
                key = await self.ask(devices.Device.ledger_key)
                kept = self.templates.open(self.service.ledger.vault(key))
            elif self.templates.is_kept:
                await self.templates.keep({}, False)
            await self.ask(devices.Biometric.clear, self.device.clear_data | {"scannedData"})
            if kept:
                await self.ask(devices.Biometric.import_templates, kept)
            self.templates.held = kept
        except (errors.XfsError, LedgerError) as fault:
            # What is sealed stays: the next opening tries again.
            self.templates.held = {}
            if kept or self.templates.is_kept:
                self.service.log.error("the templates that were imported are not used: %s", fault)
        self._show()

    def _show(self) -> None:
        """Make the status say what is stored."""
        self.status.capture = self.captured
        self.status.data_persistence = self._mode
        room = self.device.template_storage
        self.status.remaining_storage = None if room is None else max(room - self.templates.size, 0)

    def _capture_over(self) -> None:
        self.captured, self.compared, self._matches, self.owner = False, None, 0, None

    async def _erase_capture(self) -> None:
        """Let the device erase a capture that is over."""
        self._capture_over()
        self._show()
        with trio.CancelScope(shield=True):
            try:
                await self.ask(devices.Biometric.clear, frozenset({"scannedData"}))
            except errors.XfsError as fault:
                self.service.log.error("the device did not erase what it has scanned: %s", fault)

    def _awaited(self, owner: Connection) -> bool:
        """Whether somebody is there who may use a capture."""
        sessions = self.service.sessions
        return owner in sessions if self.device.guards_capture else bool(sessions)

    def disconnected(self, connection: Connection) -> None:
        """A capture ends with the last connection, or with its own at a device that guards it."""
        over = self.device.guards_capture and self.owner is connection
        if self.captured and (over or not self.service.sessions):
            self._capture_over()
            self._show()
            self.service.nursery.start_soon(self._erase_left)

    async def _erase_left(self) -> None:
        async with self._using:
            # Meanwhile somebody may have come, and have read.
            if not self.captured:
                await self._erase_capture()

    def observe(self, event: Payload) -> None:
        """See what the device tells by itself."""
        if isinstance(event, messages.SubjectRemovedEvent) and self.status.subject is not None:
            self.status.subject = "notPresent"
        elif isinstance(event, messages.DataClearedEvent) and event.clear_data is not None:
            if event.clear_data == "importedData":
                self.templates.held = {}
                self.service.nursery.start_soon(self._erase_kept)
            self._forget({event.clear_data})

    async def _erase_kept(self) -> None:
        try:
            await self.templates.erase_lost()
        except LedgerError as fault:
            self.service.log.error("templates that the device erased are still in the ledger: %s", fault)

    def _forget(self, kinds: set[Kind] | frozenset[Kind]) -> None:
        """Take notice that data is gone."""
        if "scannedData" in kinds:
            self._capture_over()
        if "importedData" in kinds:
            self._void()
        if "setMatchedData" in kinds:
            self.criteria = None
        self._show()

    def _void(self) -> None:
        """Other templates: what was compared with those before is worth nothing."""
        self.compared = None
        if self.criteria is not None and self.criteria.compare_mode == "verify":
            self.criteria = None

    @handles(
        "Biometric.Read",
        checks=(
            checks.data_types_whole,
            checks.captures_possible,
            device_ready,
            checks.read_mode_supported,
            checks.formats_readable,
            checks.encryption_possible,
            checks.read_keys_usable,
        ),
        device=("readFailed",),
    )
    async def read(
        self, request: messages.Read | None, command: Command[ReadEvents]
    ) -> messages.ReadCompletion:
        """`Biometric.Read` 2.0, completion 3.0."""
        wanted = BiometricReadRequest(
            data_types=tuple(map(_type, (request and request.data_types) or ())),
            captures=(request and request.num_captures) or 0,
            mode=request.mode if request else None,
        )

        def one_for_each(data: tuple[bytes, ...]) -> None:
            if len(data) != len(wanted.data_types):
                raise exact.Mismatch(
                    f"{len(wanted.data_types)} items, one for each type", f"{len(data)} items"
                )

        async with self._using:
            self._capture_over()
            self._show()
            try:
                data = await self.ask(
                    devices.Biometric.read, wanted, _Watched(command, self.status), believe=one_for_each
                )
            except trio.Cancelled:
                # It may have been done just now, and nobody would ever learn of it.
                await self._erase_capture()
                raise
            self.captured, self.owner = True, command.session
            self.compared = None if wanted.mode == "scan" else self.criteria
            self._show()
            # Its client, the last one, may have gone at the same moment.
            if (data and self._mode == "clear") or not self._awaited(command.session):
                await self._erase_capture()
        return messages.ReadCompletion(
            data_read=[
                messages.BioData(type=_told(kind), data=one)
                for kind, one in zip(wanted.data_types, data, strict=True)
            ]
            or None
        )

    @handles(
        "Biometric.Import",
        checks=(
            checks.templates_whole,
            device_ready,
            checks.formats_takeable,
            checks.encryption_possible,
            checks.import_keys_usable,
            checks.room_for_templates,
        ),
        asks="import_templates",
    )
    async def import_templates(self, request: messages.Import, command: Command) -> messages.ImportCompletion:
        """`Biometric.Import` 3.0, completion 2.0."""
        given = [
            BiometricTemplate(_type(one.type), one.data)
            for one in request.templates or ()
            if one.type is not None and one.data is not None
        ]
        async with self._using:
            # What was begun is booked, even if nobody wants it any more.
            with trio.CancelScope(shield=True):
                named = self.templates.named(given)
                before = self.templates.held
                await self.ask(devices.Biometric.import_templates, named)
                try:
                    await self.templates.keep(named, self._mode == "persist")
                except LedgerError:
                    await self._put_back(before)
                    raise
                self._void()
                self._show()
        return messages.ImportCompletion(templates={name: _told(one.type) for name, one in named.items()})

    async def _put_back(self, before: Mapping[str, BiometricTemplate]) -> None:
        """Give the device the templates that it had before, since the new ones could not be kept."""
        try:
            if before:
                await self.ask(devices.Biometric.import_templates, before)
            else:
                await self.ask(devices.Biometric.clear, frozenset({"importedData"}))
        except errors.XfsError as fault:
            self.templates.held = {}
            self.service.log.error("the device did not take back its former templates: %s", fault)

    @handles("Biometric.GetStorageInfo", checks=(checks.templates_imported,), asks="import_templates")
    def get_storage_info(self, request: None, command: Command) -> messages.GetStorageInfoCompletion:
        """`Biometric.GetStorageInfo` 2.0: which templates there are."""
        held = self.templates.held
        return messages.GetStorageInfoCompletion(
            templates={name: _told(one.type) for name, one in held.items()}
        )

    @handles(
        "Biometric.Match",
        checks=(
            given("compare_mode", "say verify or identity"),
            checks.threshold_given,
            checks.maximum_given,
            checks.identifier_given,
            device_ready,
            checks.compare_mode_supported,
            checks.templates_imported,
            checks.identifier_known,
            checks.criteria_set,
            checks.criteria_same,
            checks.capture_there,
        ),
        offered=lambda on: on.device.match_supported is not None,
    )
    async def match(self, request: messages.Match, command: Command) -> messages.MatchCompletion:
        """`Biometric.Match` 2.0, completion 3.0: no match is a success without candidates."""
        wanted = checks.match_of(request)
        held = self.templates.held

        def known(found: Mapping[str, BiometricCandidate]) -> None:
            possible = held.keys() if wanted.identifier is None else {wanted.identifier}
            if not found.keys() <= possible:
                raise exact.Mismatch("identifiers of templates that were to be compared", "others")

        async with self._using:
            # The last connection may have gone while this waited for what was begun for it.
            checks.require_capture(self)
            found = await self.ask(devices.Biometric.match, wanted, believe=known)
            self._matches += 1
            most = self.device.matches_per_capture
            if self._mode == "clear" or (most and self._matches >= most):
                await self._erase_capture()
        return messages.MatchCompletion(candidates=self._candidates(wanted, found) or None)

    def _candidates(
        self, wanted: BiometricMatch, found: Mapping[str, BiometricCandidate]
    ) -> dict[str, messages.MatchCompletionCandidates]:
        """Those that are wanted, the likest first."""
        step = self.device.confidence_step
        # In steps already before the threshold: else thresholds tried in turn would show what steps hide.
        told = {
            name: one.confidence if one.confidence == 100 else one.confidence // step * step
            for name, one in found.items()
        }
        good = [name for name, confidence in told.items() if confidence >= wanted.threshold]
        if len(good) < len(found):
            self.service.log.info("%d candidates were below the threshold", len(found) - len(good))
        good.sort(key=lambda name: -found[name].confidence)
        return {
            name: messages.MatchCompletionCandidates(
                confidence_level=told[name], template_data=found[name].template_data or None
            )
            for name in good[: wanted.maximum]
        }

    @handles(
        "Biometric.SetMatch",
        checks=(
            given("compare_mode", "say verify or identity"),
            checks.threshold_given,
            checks.maximum_given,
            checks.identifier_given,
            device_ready,
            checks.compare_mode_supported,
            checks.templates_imported,
            checks.identifier_known,
        ),
        offered=lambda on: on.device.match_supported == "combinedMatch",
    )
    async def set_match(self, request: messages.SetMatch, command: Command) -> None:
        """`Biometric.SetMatch` 2.0: what the next Read is compared by."""
        wanted = checks.match_of(request)
        async with self._using:
            await self.ask(devices.Biometric.set_match, wanted)
            self.criteria, self.compared = wanted, None

    @handles(
        "Biometric.SetDataPersistence",
        checks=(
            given("persistence_mode", "say persist or clear"),
            device_ready,
            checks.persistence_supported,
        ),
        asks=None,
        offered=lambda on: bool(on.device.persistence_modes),
    )
    async def set_data_persistence(self, request: messages.SetDataPersistence, command: Command) -> None:
        """`Biometric.SetDataPersistence` 2.0: the mode outlives a restart."""
        mode = request.persistence_mode
        assert mode is not None
        async with self._using:
            with trio.CancelScope(shield=True):
                if devices.implements(self.device, "set_data_persistence"):
                    await self.ask(devices.Biometric.set_data_persistence, mode)
                if mode == "persist" and devices.implements(self.device, "ledger_key"):
                    key = await self.ask(devices.Device.ledger_key)
                    self.templates.open(self.service.ledger.vault(key))
                await self.templates.keep(self.templates.held, mode == "persist")
                await self.service.ledger.put_document(_MODE.name, wire.encode(mode))
                self._mode = mode
                self._show()

    @handles("Biometric.Clear", checks=(device_ready, checks.clearable))
    async def clear(self, request: messages.Clear | None, command: Command) -> None:
        """`Biometric.Clear` 2.0: of one kind, or all."""
        async with self._using:
            await self._clear(request)

    @handles("Biometric.Reset", checks=(device_ready, checks.clearable))
    async def reset(self, request: messages.Reset | None, command: Command) -> None:
        """`Biometric.Reset` 2.0: the device is made ready, and data cleared."""
        async with self._using:
            await self.ask(devices.Biometric.reset)
            await self._clear(request)

    async def _clear(self, request: messages.Clear | messages.Reset | None) -> None:
        kind = None if request is None else request.clear_data
        kinds = frozenset({kind} if kind is not None else self.device.clear_data)
        if not kinds:
            return
        full = {"scannedData": self.captured, "importedData": bool(self.templates.held)}
        full["setMatchedData"] = self.criteria is not None
        gone: frozenset[Kind] = frozenset()
        try:
            with trio.CancelScope(shield=True):
                if "importedData" in kinds:
                    # First where it would stay: if that fails, nothing is changed.
                    await self.templates.keep({}, False)
                    gone = frozenset({"importedData"})
                await self.ask(devices.Biometric.clear, kinds)
                gone = kinds
        finally:
            # A device that fails gets its templates back no more: for the clients they are over.
            self._forget(gone)
            for one in _KINDS:
                if one in gone and full[one]:
                    self.service.broadcast(messages.DataClearedEvent(clear_data=one))


def _type(told: Any) -> BiometricDataType:
    return BiometricDataType(told.format, told.algorithm, told.key_name if told.algorithm else None)


def _told(kind: BiometricDataType) -> messages.DataType:
    return messages.DataType(format=kind.format, algorithm=kind.algorithm, key_name=kind.key_name)
