"""Storage: the units, their configuration, their counts, and exchanges.

What the units are the device says: at the start, and after each exchange. What they are
configured for and what they hold the service keeps in its ledger. A unit that comes back
with the same serial number keeps both; another cassette begins anew. A device that cannot
detect its units leaves the kept ones as they are, reported as missing.

Every change is told once it is durable: `StorageChangedEvent` what is not a count,
`CountsChangedEvent` the counts, `StorageThresholdEvent` each time a unit's replenishment
status changes. Low means below the low threshold, high above the high one; a threshold that
is absent or 0 is not set.

An exchange is kept in the ledger: after a restart it goes on. While it lasts, only what
exchanges allow is allowed. Changing what a unit holds in kind (its types, items, currency or
value) needs an exchange; counts, thresholds and locks do not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from operator import attrgetter
from typing import Any, ClassVar, Literal

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.devices import CashUnit, CashUnitError, UnitError, UnitFailure, UnitStatus, implements
from xfs4iot.interfaces.cash.configuration import Configuration, check_initial, configured
from xfs4iot.interfaces.cash.counts import CashCounts, item_counts
from xfs4iot.interfaces.cash.units import check_units
from xfs4iot.interfaces.common.common import Common
from xfs4iot.interfaces.storage.changes import StorageChanges
from xfs4iot.ledger import LedgerUnavailable, Posting, SetPosting
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import cash_management as cash
from xfs4iot.protocol.messages import storage as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["Storage"]

Accuracy = Literal["accurate", "accurateSet", "inaccurate", "unknown"]
Replenishment = Literal["ok", "full", "high", "low", "empty"]

_DOCUMENT = "Storage.units"
_EXCHANGE = "Storage.exchange"


class _Kept(msgspec.Struct):
    """What outlives a restart of one unit, besides its counts."""

    configuration: Configuration
    serial_number: str | None = None
    cash_items: tuple[str, ...] = ()
    accuracy: Accuracy = "unknown"
    missing: bool = False


@check("exchangeActive")
def no_exchange(on: Storage, request: None) -> None:
    """an exchange"""
    on.require_no_exchange()


@check("transactionActive")
def no_transaction(on: Storage, request: None) -> None:
    """a customer transaction"""
    if on.service.interface(Common).transaction_active:
        raise errors.CommandError(
            "transactionActive", "a transaction is active; see Common.SetTransactionState"
        )


@check("noExchangeActive")
def exchange_goes_on(on: Storage, request: None) -> None:
    """whether an exchange is active"""
    if not on.exchange_active:
        raise errors.CommandError("noExchangeActive", "no exchange is active; see Storage.StartExchange")


class Storage(Interface[Any]):
    """The units of one service.

    Attributes:
        units: as the device finds them, by name.
        counts: what they hold.
        detected: whether the device can detect its units.
        unsettled: units of movements whose outcome is not known yet.
        changed: called after any unit has changed.
        settled: holds up movements while its block lasts, after all open ones are booked.
    """

    name: ClassVar[str] = "Storage"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.units: dict[str, CashUnit] = {}
        self.counts = CashCounts(service.ledger, self.units)
        self.detected = False
        self.unsettled: frozenset[str] = frozenset()
        self.changed: list[Callable[[], None]] = []
        self.settled: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
        self._kept: dict[str, _Kept] = {}
        self._status: dict[str, UnitStatus] = {}
        self._changes = StorageChanges()
        self._exchange = False

    async def start(self) -> None:
        """Recall the units, ask the device for them, and whether an exchange goes on."""
        if kept := self.service.ledger.document(_DOCUMENT):
            self._kept = wire.decode(dict[str, _Kept], kept)
        self._exchange = self.service.ledger.document(_EXCHANGE) == b"true"
        await self.detect()
        self._show_exchange()
        self._changes.remember(self.records())

    async def reopened(self) -> None:
        """Ask the device again which units it has."""
        await self.detect()
        self._show_exchange()
        self.publish()

    @property
    def exchanges(self) -> bool:
        """Whether the device's capabilities know an exchange of units."""
        capabilities = self.device.capabilities.cash_management
        exchange_type = capabilities.exchange_type if capabilities is not None else None
        return exchange_type is not None and bool(exchange_type.by_hand)

    async def detect(self) -> None:
        """Ask the device which units it has, and keep, begin or miss each."""
        try:
            found = await self.ask(devices.Storage.cash_units)
            check_units(found or {}, getattr(self.device, "bank_notes", {}))
        except errors.XfsError as fault:
            self.service.log.error("the device does not say which units it has: %s", fault)
            found = None
        self.detected = found is not None
        anew: list[Posting | SetPosting] = []
        before = dict(self._kept)
        for name, unit in (found or {}).items():
            self.units[name] = unit
            self._status[name] = unit.status
            kept = self._kept.get(name)
            if (
                kept is None
                or kept.serial_number != unit.serial_number
                or set(kept.cash_items) != set(unit.cash_items)
            ):
                self._kept[name] = _Kept(
                    configuration=configured(unit),
                    serial_number=unit.serial_number,
                    cash_items=unit.cash_items,
                    accuracy="accurateSet" if unit.initial else "unknown",
                )
                first = (unit.cash_items[0], "fit") if unit.cash_items else ("", "unrecognized")
                anew += self.counts.begin_anew(name, {first: unit.initial} if unit.initial else {})
        for name in self._kept.keys() - (found or {}).keys():
            self._status[name] = "missing"
        if self._kept != before:
            try:
                await self.service.ledger.record("set", anew, documents=self.documents())
            except LedgerUnavailable:
                self._kept = before
                raise

    def documents(self, inaccurate: frozenset[str] | set[str] = frozenset()) -> dict[str, bytes]:
        """What to keep with a booking, after `inaccurate` units are marked so."""
        for name in inaccurate & self._kept.keys():
            self._kept[name].accuracy = "inaccurate"
        return {_DOCUMENT: wire.encode(self._kept)}

    def observe(self, event: Payload) -> None:
        """Take over the hardware status of units from the device's own event."""
        if isinstance(event, messages.StorageChangedEvent):
            for name, unit in event.additional.items():
                if name in self.units and unit.status is not None:
                    self._status[name] = unit.status
            self._changes.remember(self.records())
            for call in self.changed:
                call()

    @property
    def names(self) -> Collection[str]:
        """Of all units that the service knows, be they there or missing."""
        return self._kept.keys()

    @property
    def known_items(self) -> set[str]:
        """Ids of the items that the device knows, or that its units hold."""
        known = set(getattr(self.device, "bank_notes", {}))
        return known.union(*(unit.cash_items for unit in self.units.values()))

    def accuracy(self, unit: str) -> Accuracy:
        """How far the unit's counts can be trusted."""
        return self._kept[unit].accuracy

    @property
    def exchange_active(self) -> bool:
        """Whether units are being exchanged."""
        return self._exchange

    def require_no_exchange(self) -> None:
        """Refuse what an exchange excludes."""
        if self._exchange:
            raise errors.CommandError("exchangeActive", "units are being exchanged; see Storage.EndExchange")

    def configuration(self, unit: str) -> Configuration:
        """What a unit is configured for."""
        return self._kept[unit].configuration

    def hardware_status(self, unit: str) -> UnitStatus:
        """The unit's `status`."""
        return self._status[unit]

    def out_of_use(self, unit: str) -> CashUnitError | None:
        """Why nothing can be dispensed from a unit; None if something can."""
        status = self.hardware_status(unit)
        if status != "ok":
            failure: UnitFailure = "notConfigured" if status == "notConfigured" else "error"
            return CashUnitError(failure, [unit], f"unit {unit!r} is {status}; see Storage.GetStorage")
        if self.configuration(unit).app_lock_out:
            return CashUnitError(
                "locked", [unit], f"unit {unit!r} is locked by an application; see Storage.SetStorage"
            )
        if self.counts.total(unit) <= 0:
            return CashUnitError("empty", [unit], f"unit {unit!r} is empty; see Storage.SetStorage")
        return None

    def names_of_type(self, *types: str) -> list[str]:
        """Units configured for one of these uses, by index."""
        wanted = set(types)
        return sorted(
            (name for name in self.units if wanted & self.configuration(name).types),
            key=lambda name: self.units[name].index,
        )

    def replenishment_status(self, unit: str) -> Replenishment:
        """`full`, `empty`, `low`, `high` or `ok`, by count and thresholds."""
        layout, configuration = self.units[unit], self.configuration(unit)
        count = self.counts.total(unit)
        retracts = bool(configuration.types & {"cashInRetract", "cashOutRetract"})
        operations = self.counts.total(unit, "in.retractOperations")
        if layout.capacity and count >= layout.capacity:
            return "full"
        if retracts and configuration.max_retracts and operations >= configuration.max_retracts:
            return "full"
        by_operations = retracts and not layout.retract_thresholds and "reject" not in configuration.types
        if count == 0 and not (by_operations and operations):
            return "empty"
        if configuration.low_threshold and count < configuration.low_threshold:
            return "low"
        level = operations if by_operations else count
        if configuration.high_threshold and level > configuration.high_threshold:
            return "high"
        return "ok"

    def record(self, unit: str) -> messages.StorageUnit:
        """Everything about a unit, as the standard writes it."""
        layout, kept = self.units.get(unit), self._kept[unit]
        accuracy: Accuracy = "unknown" if unit in self.unsettled else kept.accuracy
        if layout is None:
            return messages.StorageUnit(
                status="missing",
                serial_number=kept.serial_number,
                cash=cash.StorageCash(
                    configuration=kept.configuration.message(),
                    status=cash.StorageCashStatus(
                        initial=self.counts.initial(unit),
                        out=self.counts.out(unit),
                        in_=self.counts.taken_in(unit),
                        accuracy=accuracy,
                    ),
                ),
            )
        return messages.StorageUnit(
            id=layout.id,
            position_name=layout.position_name,
            capacity=layout.capacity,
            status=self._status[unit],
            serial_number=layout.serial_number,
            cash=cash.StorageCash(
                capabilities=cash.StorageCashCapabilities(
                    types=flags(cash.StorageCashTypes, layout.types),
                    items=flags(cash.StorageCashItemTypes, layout.items),
                    hardware_sensors=layout.hardware_sensors,
                    retract_areas=layout.retract_areas,
                    retract_thresholds=layout.retract_thresholds if layout.retract_areas else None,
                    cash_items=list(layout.cash_items) or None,
                ),
                configuration=kept.configuration.message(),
                status=cash.StorageCashStatus(
                    index=layout.index,
                    initial=self.counts.initial(unit),
                    out=self.counts.out(unit),
                    in_=self.counts.taken_in(unit),
                    accuracy=accuracy,
                    replenishment_status=self.replenishment_status(unit),
                ),
            ),
        )

    def records(self) -> dict[str, messages.StorageUnit]:
        """Everything about all units."""
        return {name: self.record(name) for name in self._kept}

    def publish(self) -> None:
        """Tell what has changed since clients were last told; what changed is durable by now."""
        for event in self._changes.take(self.records()):
            self.service.broadcast(event)
        for call in self.changed:
            call()

    def failed(self, fault: BaseException, command: Command) -> None:
        """Say which units stopped a command, whichever command it is."""
        if isinstance(fault, UnitError):
            self.error(command, fault.failure, fault.units)

    def error(self, command: Command, failure: UnitFailure, units: Iterable[str]) -> None:
        """Tell the command's client that something is wrong with units, and what."""
        known = {name: self.record(name) for name in units if name in self._kept}
        command.send(messages.StorageErrorEvent(failure=failure, unit=known or None))

    @handles("Storage.GetStorage")
    def get_storage(self, request: None, command: Command) -> messages.GetStorageCompletion:
        """`Storage.GetStorage` 2.1."""
        return messages.GetStorageCompletion(storage=self.records() or None)

    @handles(
        "Storage.SetStorage",
        checks=(
            step("storage", "`storage`, with one unit at least", "invalidData"),
            step("units exist", "whether each unit is one of the device's", "invalidUnit"),
            step("settings", "what is set of each unit", "invalidData"),
            step(
                "kind of items",
                "what a unit holds in kind, which changes only in an exchange",
                "noExchangeActive",
            ),
        ),
        device=("storageUnitError",),
        asks=None,
    )
    async def set_storage(self, request: messages.SetStorage, command: Command) -> None:
        """`Storage.SetStorage` 2.1: all of the units, or none if any is refused.

        Movements that are not booked yet are booked first: who counts the units has counted
        what they moved, and booked afterwards it would count twice.
        """
        async with self.settled():
            await self._set_storage(request, command)

    async def _set_storage(self, request: messages.SetStorage, command: Command) -> None:
        if not request.storage:
            raise errors.InvalidData("$.storage is missing or empty; name at least one unit")
        wanted: dict[str, Configuration] = {}
        anew: list[Posting | SetPosting] = []
        accuracy: list[str] = []
        if strange := [name for name in request.storage if name not in self.units]:
            raise errors.CommandError(
                "invalidUnit", f"there is no unit {strange[0]!r}; see Storage.GetStorage for those there are"
            )
        for name, unit in request.storage.items():
            if unit.cash is None:
                raise errors.InvalidData(f"$.storage.{name}.cash is missing; this device's units are of cash")
            wanted[name] = self._checked(name, unit.cash)
            if unit.cash.status is not None and unit.cash.status.initial is not None:
                initial = item_counts(unit.cash.status.initial)
                check_initial(
                    initial, wanted[name], self.units[name], f"$.storage.{name}.cash.status.initial"
                )
                anew += self.counts.begin_anew(name, initial)
                accuracy.append(name)
        for name, after in wanted.items():
            if after.kind != self.configuration(name).kind and not self._exchange:
                raise errors.CommandError(
                    "noExchangeActive",
                    f"$.storage.{name}.cash.configuration: types, items, currency, value and cashItems "
                    "change only in an exchange; see Storage.StartExchange",
                )
        kept = {
            name: msgspec.structs.replace(
                unit,
                configuration=wanted.get(name, unit.configuration),
                accuracy="accurateSet" if name in accuracy else unit.accuracy,
            )
            for name, unit in self._kept.items()
        }
        with trio.CancelScope(shield=True):
            if implements(self.device, "set_storage"):
                chosen = {name: unit.cash for name, unit in request.storage.items() if unit.cash is not None}
                await self.ask(devices.Storage.set_storage, chosen, moving=True)
            await self.service.ledger.record(
                "set",
                anew,
                command=command.name,
                request_id=command.request_id,
                identity=command.identity,
                documents={_DOCUMENT: wire.encode(kept)},
            )
        self._kept = kept
        self.publish()

    def _checked(self, name: str, wanted: cash.StorageSetCash) -> Configuration:
        """The unit's configuration with what the client changes; refused as a whole if any of it is wrong."""
        now = self.configuration(name)
        if wanted.configuration is None:
            return now
        path = f"$.storage.{name}.cash.configuration"
        return now.changed(wanted.configuration, self.units[name], self.known_items, path)

    @handles(
        "Storage.StartExchange",
        checks=(no_exchange, no_transaction),
        device=("storageUnitError",),
        asks=None,
        offered=attrgetter("exchanges"),
    )
    async def start_exchange(self, request: None, command: Command) -> None:
        """`Storage.StartExchange`."""
        await self._exchanging(command, devices.Storage.start_exchange, True)

    @handles(
        "Storage.EndExchange",
        checks=(exchange_goes_on,),
        device=("storageUnitError",),
        asks=None,
        offered=attrgetter("exchanges"),
    )
    async def end_exchange(self, request: None, command: Command) -> None:
        """`Storage.EndExchange`: the units are detected anew."""
        await self._exchanging(command, devices.Storage.end_exchange, False)
        await self.detect()
        self.publish()

    async def _exchanging(
        self, command: Command, operation: Callable[[Any], Awaitable[None]], active: bool
    ) -> None:
        with trio.CancelScope(shield=True):
            if implements(self.device, operation.__name__):
                await self.ask(operation, moving=True)
            await self.service.ledger.record(
                "exchange",
                (),
                command=command.name,
                request_id=command.request_id,
                identity=command.identity,
                documents={_EXCHANGE: b"true" if active else b"false"},
            )
        self._exchange = active
        self._show_exchange()

    def _show_exchange(self) -> None:
        common = self.device.status.common
        if common is not None and self.exchanges:
            common.exchange = "active" if self._exchange else "inactive"
