"""Storage: the units, their configuration, their counts, and exchanges.

The device says which units there are: at the start, and after each exchange. The service keeps
in its ledger what they are configured for and what they hold. A unit that comes back with the
same serial number keeps both; another cassette begins anew. A device that cannot
detect its units leaves the kept ones as they are, reported as missing.

A service may have units of several kinds (cash, cards, ...), and a unit may be of several. What is
particular to a kind has a class of its own, see `kind`; what all have in common is here.

Clients are told of every change once it is durable: by `CountsChangedEvent` of counts, by
`StorageThresholdEvent` of each change of a unit's replenishment status, by `StorageChangedEvent`
of everything else. Low means below the low threshold, high above the high one; a threshold that
is absent or 0 is not set.

An exchange is kept in the ledger, so it goes on after a restart. While it lasts, only what an
exchange allows can be done. Changing what a unit holds in kind needs an exchange; counts,
thresholds and locks do not.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib import import_module
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.devices import StorageUnit, UnitError, UnitFailure, UnitStatus, implements
from xfs4iot.interfaces.common.common import Common
from xfs4iot.interfaces.storage.changes import StorageChanges
from xfs4iot.interfaces.storage.kind import Kind, Setting
from xfs4iot.ledger import LedgerUnavailable, Posting, SetPosting
from xfs4iot.protocol import errors
from xfs4iot.protocol.exact import Mismatch, shown
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import storage as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["KINDS", "Bar", "Storage"]

KINDS: Mapping[str, tuple[str, str]] = {
    "cash": ("cash.units", "CashUnits"),
    "card": ("storage.card", "CardUnits"),
    "check": ("storage.check", "CheckUnits"),
    "printer": ("storage.printer", "PrinterUnits"),
    "deposit": ("storage.deposit", "DepositUnits"),
    "banknote_neutralization": ("storage.banknote_neutralization", "BanknoteNeutralizationUnits"),
}
"""Kinds of units with module, below this room, and class; imported when a device has such units."""

_EXCHANGE = "Storage.exchange"
_NAME = re.compile(r"unit[0-9A-Za-z]+")

_Kind = TypeVar("_Kind", bound=Kind[Any, Any])


@check("exchangeActive")
def no_exchange(on: Storage, request: None) -> None:
    """an exchange"""
    on.require_no_exchange()


@check("transactionActive")
def no_transaction(on: Storage, request: None) -> None:
    """a customer transaction, and items of a customer's inside"""
    if on.service.interface(Common).transaction_active:
        raise errors.CommandError(
            "transactionActive", "a transaction is active; see Common.SetTransactionState"
        )
    if any(is_busy() for is_busy in on.busy):
        raise errors.CommandError(
            "transactionActive", "a customer's items are inside; end the transaction or give them back first"
        )


@check("noExchangeActive")
def exchange_goes_on(on: Storage, request: None) -> None:
    """whether an exchange is active"""
    if not on.exchange_active:
        raise errors.CommandError("noExchangeActive", "no exchange is active; see Storage.StartExchange")


class Bar(NamedTuple):
    """What keeps everything from going into or out of units.

    Attributes:
        reason: why nothing may go into or out of a unit; None if it knows no reason.
        state: what reasons follow from beside the units themselves; it is only compared, with each command.
    """

    reason: Callable[[str], str | None]
    state: Callable[[], object]


class Storage(Interface[Any]):
    """The units of one service.

    Attributes:
        kinds: what is particular to each kind of units that the service has, by name.
        detected: whether the device can detect its units.
        unsettled: units of movements whose outcome is not known yet.
        revision: goes up whenever something may have changed of which units there are, what they are for
            and whether they work; their counts change with the ledger, and what bars them whenever it likes.
        changed: called after any unit has changed.
        busy: whether a customer's transaction is active, by each interface that has such.
        movements: by each interface that moves items: holds its movements up while a block lasts, after all
            open ones are booked.
        exchanged: each is called when an exchange has ended.
        bars: what may keep everything from going into or out of a unit.
    """

    name: ClassVar[str] = "Storage"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.kinds: dict[str, Kind[Any, Any]] = {}
        self.detected = False
        self.unsettled: frozenset[str] = frozenset()
        self.revision = 0
        self.changed: list[Callable[[], None]] = []
        self.busy: list[Callable[[], bool]] = []
        self.movements: list[Callable[[], AbstractAsyncContextManager[None]]] = []
        self.exchanged: list[Callable[[], Awaitable[None]]] = []
        self.bars: list[Bar] = []
        self._found: dict[str, StorageUnit] = {}
        self._status: dict[str, UnitStatus] = {}
        self._doubted: set[str] = set()
        self._changes = StorageChanges(self.kinds)
        self._exchange = False

    @asynccontextmanager
    async def settled(self) -> AsyncIterator[None]:
        """No movement of any kind of items is open or begins while the block lasts."""
        async with AsyncExitStack() as stack:
            for hold_up in self.movements:
                await stack.enter_async_context(hold_up())
            yield

    def kind(self, kind: type[_Kind]) -> _Kind:
        """The units of one kind; an interface that moves such items asks for them when it is made."""
        known = self.kinds.get(kind.name)
        if known is None:
            known = self.kinds[kind.name] = kind(self)
            known.recall()
        assert isinstance(known, kind)
        return known

    def _kind_named(self, name: str) -> Kind[Any, Any]:
        module, class_name = KINDS[name]
        return self.kind(getattr(import_module(f"xfs4iot.interfaces.{module}"), class_name))

    async def start(self) -> None:
        """Recall the units, ask the device for them, and whether an exchange goes on."""
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
        """Whether units can be exchanged: cash if the capabilities say so, others if the class does it."""
        capabilities = self.device.capabilities.cash_management
        if capabilities is None:
            return implements(self.device, "start_exchange") and implements(self.device, "end_exchange")
        exchange_type = capabilities.exchange_type
        return exchange_type is not None and bool(exchange_type.by_hand)

    async def detect(self) -> None:
        """Ask the device which units it has, and keep, begin or miss each."""
        # Kinds with units on the books: if the device does not find those this time, they are missing.
        for name in KINDS.keys() - self.kinds.keys():
            if self.service.ledger.document(f"Storage.units.{name}") is not None:
                self._kind_named(name)
        # Put back on failure: `_by_kind` sets them before it has looked at everything.
        known = self.device.found_units
        by_kind: dict[str, dict[str, StorageUnit]] = {}

        def possible(units: Mapping[str, StorageUnit | tuple[StorageUnit, ...]] | None) -> None:
            by_kind.update(self._by_kind(units or {}))

        try:
            found = await self.ask(devices.Storage.units, believe=possible)
            self.service.derive()
        except errors.HardwareError:
            # How it failed is in the log already.
            self.device.found_units = known
            self.service.log.error("the device has failed to say which units it has; none is offered")
            found, by_kind = None, {}
        except errors.XfsError as fault:
            self.device.found_units = known
            self.service.log.error("the device does not say which units it has: %s", fault)
            found, by_kind = None, {}
        self.detected = found is not None
        anew: list[Posting | SetPosting] = []
        # Copies: `find` changes what is kept in place.
        before = {name: dict(kind.kept) for name, kind in self.kinds.items()}
        for name, kind in self.kinds.items():
            anew += kind.find(by_kind.get(name, {}))
        for units in by_kind.values():
            self._found |= units
            self._status |= {name: unit.status for name, unit in units.items()}
        for name in set(self._names()) - {name for units in by_kind.values() for name in units}:
            self._status[name] = "missing"
        self.revision += 1
        changed = [kind for name, kind in self.kinds.items() if kind.kept != before[name]]
        if changed:
            documents = {name: value for kind in changed for name, value in kind.documents().items()}
            try:
                await self.service.ledger.record("set", anew, documents=documents)
            except LedgerUnavailable:
                # What is in memory must not run ahead of the ledger.
                for kind in changed:
                    kind.kept = before[kind.name]
                self.revision += 1
                raise
        await self.doubt_what_was_lost()

    async def doubt_what_was_lost(self) -> None:
        """Mark all counts as inaccurate if the ledger lacks movements; each unit's once.

        Raises:
            LedgerUnavailable: it could not be written.
        """
        names = set(self._names()) - self._doubted
        if self.service.ledger.lost is None or not names:
            return
        await self.service.ledger.record("set", (), documents=self.doubt(names))
        self._doubted |= names

    def _by_kind(self, found: Mapping[str, Any]) -> dict[str, dict[str, StorageUnit]]:
        """The units that a device names, by kind and name.

        Raises:
            Mismatch: they cannot be told to clients as the standard has it.
        """
        by_kind: dict[str, dict[str, StorageUnit]] = {}
        for name, unit in found.items():
            parts = unit if isinstance(unit, tuple) else (unit,)
            for part in parts:
                if getattr(part, "holds", None) not in KINDS:
                    raise _wrong(
                        name, f"{type(part).__name__} is not a kind of unit; kinds are {', '.join(KINDS)}"
                    )
                by_kind.setdefault(part.holds, {})[name] = part
            for problem in _problems(name, parts):
                raise _wrong(name, problem)
        if found:
            self.device.found_units = {
                name: unit if isinstance(unit, tuple) else (unit,) for name, unit in found.items()
            }
        for kind, units in by_kind.items():
            for name, problem in self._kind_named(kind).problems(units):
                raise _wrong(name, problem)
        return by_kind

    def _names(self) -> list[str]:
        """The units that the service knows, whether the device has found them or not."""
        return list(dict.fromkeys(name for kind in self.kinds.values() for name in kind.kept))

    def doubt(self, units: Iterable[str]) -> dict[str, bytes]:
        """Mark the counts of units as inaccurate; returns what to book with it."""
        named = set(units)
        doubtful = [kind for kind in self.kinds.values() if kind.doubt(named)]
        return {name: value for kind in doubtful for name, value in kind.documents().items()}

    def observe(self, event: Payload) -> bool:
        """Take over from the device's own event what it tells of units: their hardware, their levels."""
        if not isinstance(event, messages.StorageChangedEvent):
            return False
        self.revision += 1
        known = {name: unit for name, unit in event.additional.items() if name in self._found}
        self._status |= {name: unit.status for name, unit in known.items() if unit.status is not None}
        for kind in self.kinds.values():
            for name in kind.units.keys() & known.keys():
                if (part := getattr(known[name], kind.name)) is not None:
                    kind.observe(name, part)
        if any(kind.senses and kind.units.keys() & known.keys() for kind in self.kinds.values()):
            # A level may follow from the hardware: what has become of both is told instead of the event.
            self.publish()
            return True
        self._changes.remember(self.records())
        for call in self.changed:
            call()
        return False

    @property
    def exchange_active(self) -> bool:
        """Whether units are being exchanged."""
        return self._exchange

    def require_no_exchange(self) -> None:
        """Refuse what an exchange excludes."""
        if self._exchange:
            raise errors.CommandError("exchangeActive", "units are being exchanged; see Storage.EndExchange")

    def hardware_status(self, unit: str) -> UnitStatus:
        """The unit's `status`."""
        return self._status[unit]

    def others_hold(self, unit: str, kind: str) -> int:
        """How many items a unit holds that are not of this kind."""
        return sum(one.holds(unit) for name, one in self.kinds.items() if name != kind and unit in one.kept)

    def barred(self, unit: str) -> str | None:
        """Why nothing may go into or out of a unit; None if it may."""
        return next((reason for bar in self.bars if (reason := bar.reason(unit)) is not None), None)

    def barred_by(self) -> list[object]:
        """What bars units, as it is now; `revision` says nothing of it."""
        return [bar.state() for bar in self.bars]

    def record(self, unit: str) -> messages.StorageUnit:
        """Everything about a unit, as the standard writes it."""
        layout = self._found.get(unit)
        kinds = [kind for kind in self.kinds.values() if unit in kind.kept]
        parts = {kind.name: kind.part(unit) for kind in kinds}
        if layout is None:
            serials = (kind.kept[unit].serial_number for kind in kinds)
            return messages.StorageUnit(status="missing", serial_number=next(serials, None), **parts)
        return messages.StorageUnit(
            id=layout.id,
            position_name=layout.position_name,
            capacity=layout.capacity,
            status=self._status[unit],
            serial_number=layout.serial_number,
            **parts,
        )

    def records(self) -> dict[str, messages.StorageUnit]:
        """Everything about all units."""
        return {name: self.record(name) for name in self._names()}

    def publish(self) -> None:
        """Tell clients what has changed since they were last told; it is durable by now."""
        for event in self._changes.take(self.records()):
            self.service.broadcast(event)
        for call in self.changed:
            call()

    def failed(self, fault: BaseException, command: Command[Any]) -> None:
        """Say which units stopped a command, whichever command it is."""
        if isinstance(fault, UnitError):
            self.error(command, fault.failure, fault.units)

    def error(
        self, command: Command[messages.StorageErrorEvent], failure: UnitFailure, units: Iterable[str]
    ) -> None:
        """Tell the command's client that something is wrong with units, and what."""
        named = set(units)
        known = {name: self.record(name) for name in self._names() if name in named}
        command.send(messages.StorageErrorEvent(failure=failure, unit=known or None))

    @handles("Storage.GetStorage")
    def get_storage(self, request: None, command: Command) -> messages.GetStorageCompletion:
        """`Storage.GetStorage` 2.0, completion 2.1."""
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
        """`Storage.SetStorage` 2.1, completion 2.0: all of the units, or none if any is refused.

        Movements that are not booked yet are booked first: who counts the units has counted
        what they moved, and booked afterwards it would count twice.
        """
        async with self.settled():
            await self._set_storage(request, command)

    async def _set_storage(self, request: messages.SetStorage, command: Command) -> None:
        if not request.storage:
            raise errors.InvalidData("$.storage is missing or empty; name at least one unit")
        settings: dict[str, dict[str, Setting[Any]]] = {}
        if strange := [name for name in request.storage if name not in self._found]:
            raise errors.CommandError(
                "invalidUnit", f"there is no unit {strange[0]!r}; see Storage.GetStorage for those there are"
            )
        for name, unit in request.storage.items():
            for kind, setting in self._settings(name, unit):
                settings.setdefault(kind, {})[name] = setting
        for kind, chosen in settings.items():
            for name, setting in chosen.items():
                if setting.needs_exchange and not self._exchange:
                    raise errors.CommandError(
                        "noExchangeActive",
                        f"$.storage.{name}.{kind}: {setting.needs_exchange} only in an exchange; "
                        "see Storage.StartExchange",
                    )
        kept = {
            kind: {name: setting.kept for name, setting in chosen.items()}
            for kind, chosen in settings.items()
        }
        documents: dict[str, bytes] = {}
        for kind, changed in kept.items():
            documents |= self.kinds[kind].documents(changed)
        # A cancel between the two would leave the device with settings that the ledger does not have.
        with trio.CancelScope(shield=True):
            if implements(self.device, "set_storage"):
                await self.ask(devices.Storage.set_storage, request.storage, moving=True)
            await self.service.ledger.record(
                "set",
                [
                    posting
                    for chosen in settings.values()
                    for one in chosen.values()
                    for posting in one.postings
                ],
                command=command.name,
                request_id=command.request_id,
                identity=command.identity,
                documents=documents,
            )
        for kind, changed in kept.items():
            self.kinds[kind].kept |= changed
        self.revision += 1
        self.publish()

    def _settings(self, name: str, unit: messages.SetStorageUnit) -> Iterator[tuple[str, Setting[Any]]]:
        """What is set of one unit, by kind."""
        kinds = [kind for kind in self.kinds.values() if name in kind.units]
        given = {part: getattr(unit, part) for part in unit.__struct_fields__}
        if not any(given.get(kind.name) is not None for kind in kinds):
            parts = [f"$.storage.{name}.{kind.name}" for kind in kinds if kind.name in given]
            if not parts:
                raise errors.InvalidData(f"$.storage.{name}: nothing can be set of this unit")
            expected = " or ".join(parts)
            raise errors.InvalidData(f"{expected} is missing; that is what the unit holds")
        for part, wanted in given.items():
            if wanted is None:
                continue
            path = f"$.storage.{name}.{part}"
            kind = next((kind for kind in kinds if kind.name == part), None)
            if kind is None:
                raise errors.InvalidData(f"{path}: the unit is not of this kind; see Storage.GetStorage")
            yield part, kind.setting(name, wanted, path)

    @handles(
        "Storage.StartExchange",
        checks=(no_exchange, no_transaction),
        device=("storageUnitError",),
        asks=None,
        offered=attrgetter("exchanges"),
    )
    async def start_exchange(self, request: None, command: Command) -> None:
        """`Storage.StartExchange` 2.0."""
        # A cancel between the two would leave device and ledger at odds about the exchange.
        with trio.CancelScope(shield=True):
            await self._ask_to(devices.Storage.start_exchange)
            await self._book_exchange(command, True)

    @handles(
        "Storage.EndExchange",
        checks=(exchange_goes_on,),
        device=("storageUnitError",),
        asks=None,
        offered=attrgetter("exchanges"),
    )
    async def end_exchange(self, request: None, command: Command) -> None:
        """`Storage.EndExchange` 2.0: the units are detected anew."""
        # Nobody may go on with the counts of what was taken out: not if the client gives up, nor if what was
        # put in cannot be written. The exchange goes on then, and its end is asked for again.
        with trio.CancelScope(shield=True):
            await self._ask_to(devices.Storage.end_exchange)
            await self.detect()
            for call in self.exchanged:
                await call()
            await self._book_exchange(command, False)
        self.publish()

    async def _ask_to(self, operation: Callable[[Any], Awaitable[None]]) -> None:
        """Let the device begin or end an exchange, if it has anything to do for that."""
        if implements(self.device, operation.__name__):
            await self.ask(operation, moving=True)

    async def _book_exchange(self, command: Command, active: bool) -> None:
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


def _wrong(name: str, problem: str) -> Mismatch:
    return Mismatch("", problem, f"unit {shown(name)}")


def _problems(name: str, parts: tuple[StorageUnit, ...]) -> Iterator[str]:
    """What is wrong with what all kinds have in common."""
    if not _NAME.fullmatch(name):
        yield "names of units are `unit` and then letters or digits"
    if not parts or len({part.holds for part in parts}) < len(parts):
        yield "a unit is of at least one kind, and of each only once"
    common = {(part.capacity, part.id, part.position_name, part.serial_number, part.status) for part in parts}
    if len(common) > 1:
        yield "its kinds differ in capacity, id, position_name, serial_number or status"
    for part in parts:
        if part.id is not None and not 1 <= len(part.id) <= 5:
            yield f"id {part.id!r} must have one to five characters"
