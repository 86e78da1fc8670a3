"""Acceptors and recyclers as vendors write them, each told by a test what is inserted and what goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from cash import content
from dialogue import Dialogue
from xfs4iot import devices
from xfs4iot.devices import CashedIn, CashMovement, CashReturned, ItemsMoved, Retracted
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management

__all__ = [
    "NOTES",
    "UNKNOWN",
    "Acceptor",
    "Direct",
    "Recalling",
    "Recycler",
    "begin",
    "do",
    "laws",
    "note",
    "take_in",
]

Kind = tuple[str, Any]

NOTES = {
    f"type{currency}{value}": cash_management.BankNote(
        cash_item=cash_management.CashItem(
            note_id=number, currency=currency, value=Decimal(value), release=1
        ),
        enabled=True,
    )
    for number, (currency, value) in enumerate(
        [("EUR", 5), ("EUR", 10), ("EUR", 20), ("EUR", 50), ("USD", 20)], 1
    )
}
SIGNATURE = cash_management.Signature(note_type="typeEUR20", orientation="frontTop", signature=b"a note")


def note(value: int, level: str = "fit", currency: str = "EUR") -> Kind:
    """A note that the device recognises."""
    return f"type{currency}{value}", level


UNKNOWN: Kind = ("", "unrecognized")


class Acceptor(devices.CashAcceptor):
    """An acceptor with a stacker that knows where each note really is.

    Attributes:
        slot: what the customer inserts next; the text `bad` is refused.
        truth: what is where, by item and level.
        refuses: what an operation ends with as its failure, by name.
        raises: what an operation raises, by name.
        hand: what happens first, by name.
        lies: what an operation returns instead, made of what it should, by name.
        called: what was asked for.
        recalls: what each movement has moved, for `recall`.
    """

    max_cash_in_items = 200
    stacker_capacity = 200
    cash_in_limit = frozenset({"byTotalItems", "byAmount"})
    bank_notes = NOTES
    item_info_types = frozenset({"signature", "serialNumber"})

    def __init__(self, name: str = "Cash", options: Any = None) -> None:
        super().__init__(name, options)
        self.slot: list[Any] = []
        self.truth: dict[str, Counter[Kind]] = {
            place: Counter() for place in ("stacker", "output", "customer", "transport")
        }
        self.refuses: dict[str, Any] = {}
        self.raises: dict[str, BaseException] = {}
        self.hand: dict[str, Callable[[], Awaitable[None]]] = {}
        self.lies: dict[str, Callable[[Any], Any]] = {}
        self.called: list[tuple[Any, ...]] = []
        self.recalls: dict[int, CashMovement] = {}
        self.locked: dict[str, Any] = {}
        self.dispensed: set[str] = set()
        """Where the items are that were dispensed last; what is elsewhere was inserted."""
        self.short = 0
        """How many items of a movement stay where they are, when the movement fails."""
        self.breaks: dict[str, Callable[[], Awaitable[None]]] = {}
        """What happens when an operation has moved everything and is about to say so, by name."""

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        every = tuple(NOTES)
        kinds = frozenset({"fit", "unfit", "unrecognized", "counterfeit", "suspect", "inked"})
        return {
            "unitA": devices.CashUnit(
                index=1, capacity=500, types=frozenset({"cashIn"}), cash_items=every, items=kinds
            ),
            "unitB": devices.CashUnit(
                index=2, capacity=500, types=frozenset({"cashIn"}), cash_items=every, items=kinds
            ),
            "unitR": devices.CashUnit(
                index=3, capacity=100, types=frozenset({"cashInRetract"}), cash_items=every, items=kinds
            ),
        }

    async def _do(self, name: str, *arguments: Any) -> None:
        self.called.append((name, *arguments))
        if name in self.hand:
            await self.hand[name]()
        if name in self.raises:
            raise self.raises[name]

    def _move(
        self, source: str, target: str | Callable[[Kind], str], limit: int | None = None
    ) -> list[ItemsMoved]:
        """Move what is at a place, and say so."""
        moved: Counter[tuple[Kind, str]] = Counter()
        stock = sorted(self.truth.setdefault(source, Counter()).elements())
        for kind in stock[: len(stock) if limit is None else limit]:
            place = target if isinstance(target, str) else target(kind)
            self.truth[source][kind] -= 1
            self.truth.setdefault(place, Counter())[kind] += 1
            moved[kind, place] += 1
        dispensed = source in self.dispensed
        if isinstance(target, str):
            self.dispensed = {target} if dispensed else self.dispensed - {target}
        return [
            ItemsMoved(
                count,
                source,
                place,
                origin=f"unit{item.removeprefix('typeEUR')}" if dispensed else None,
                item=item or None,
                level=level,
            )
            for ((item, level), place), count in moved.items()
        ]

    async def _done(self, name: str, events: Any, result: Any) -> Any:
        self.recalls[events.operation] = CashMovement(
            moved=result.moved, failure=result.failure, inaccurate=result.inaccurate
        )
        if name in self.breaks:
            await self.breaks.pop(name)()
        return self.lies[name](result) if name in self.lies else result

    def _limit(self, name: str, source: str) -> int | None:
        """How many items move: all, or all but `short` if the movement is to fail."""
        if name not in self.refuses:
            return None
        return max(self.truth[source].total() - self.short, 0) if self.short else 0

    async def cash_in_start(self, request: devices.CashInStartRequest) -> None:
        await self._do("cash_in_start", request)

    async def cash_in(self, request: devices.CashInRequest, events: Any) -> CashedIn:
        events.send(messages.InsertItemsEvent())
        await self._do("cash_in", request)
        came: Counter[Kind] = Counter()
        for one in self.slot:
            if one == "bad" or (request.most is not None and came.total() >= request.most):
                reason: Any = "invalidBill" if one == "bad" else "limitOverTotalItems"
                events.send(messages.InputRefuseEvent(reason=reason))
            else:
                came[one] += 1
        self.slot = []
        self.truth["stacker"].update(came)
        self.dispensed -= {"stacker"}
        if came:
            levels: dict[str, dict[str, int]] = {}
            for (item, level), count in came.items():
                levels.setdefault(item, {})[level] = count
            counts = {item: cash_management.StorageCashCount(**one) for item, one in levels.items() if item}
            events.send(messages.SubCashInEvent(unrecognized=came[UNKNOWN], additional=counts))
        moved = tuple(
            ItemsMoved(count, "customer", "stacker", item=item or None, level=level)
            for (item, level), count in came.items()
        )
        failure = self.refuses.get("cash_in")
        found: CashedIn = await self._done("cash_in", events, CashedIn(moved=moved, failure=failure))
        return found

    async def cash_in_end(self, request: devices.StoreRequest, events: Any) -> CashMovement:
        await self._do("cash_in_end", request)
        moved = self._move("stacker", request.units[0], self._limit("cash_in_end", "stacker"))
        result = CashMovement(moved=tuple(moved), failure=self.refuses.get("cash_in_end"))
        found: CashMovement = await self._done("cash_in_end", events, result)
        return found

    async def cash_in_rollback(self, position: str, events: Any) -> CashReturned:
        await self._do("cash_in_rollback", position)
        moved = self._move("stacker", "output", self._limit("cash_in_rollback", "stacker"))
        failure = self.refuses.get("cash_in_rollback")
        result = CashReturned(moved=tuple(moved), failure=failure, presented=bool(moved))
        found: CashReturned = await self._done("cash_in_rollback", events, result)
        return found

    async def retract(self, request: devices.RetractRequest, events: Any) -> Retracted:
        await self._do("retract", request)
        where = request.destination.unit or request.destination.target
        moved = [*self._move("output", where), *(self._move("stacker", where) if where != "stacker" else ())]
        result = Retracted(moved=tuple(moved), failure=self.refuses.get("retract"))
        found: Retracted = await self._done("retract", events, result)
        return found

    async def reset(self, destination: devices.Destination, events: Any) -> Retracted:
        await self._do("reset", destination)
        where = destination.unit or destination.target
        where = "output" if where.startswith("out") else where
        moved = [*self._move("stacker", where), *self._move("transport", where)]
        result = Retracted(moved=tuple(moved), failure=self.refuses.get("reset"))
        found: Retracted = await self._done("reset", events, result)
        return found

    async def configure_note_types(self, enabled: frozenset[str]) -> None:
        await self._do("configure_note_types", enabled)

    async def configure_note_reader(self, load_always: bool) -> bool:
        await self._do("configure_note_reader", load_always)
        return True

    async def create_signature(self, events: Any) -> devices.SignatureCreated:
        await self._do("create_signature")
        failure = self.refuses.get("create_signature")
        result = devices.SignatureCreated(signature=None if failure else SIGNATURE, failure=failure)
        found: devices.SignatureCreated = await self._done("create_signature", events, result)
        return found

    async def compare_signature(
        self,
        references: tuple[cash_management.Signature, ...],
        candidates: tuple[cash_management.Signature, ...],
    ) -> tuple[devices.SignatureMatch, ...]:
        await self._do("compare_signature", references, candidates)
        known = {one.signature for one in references}
        found = tuple(
            devices.SignatureMatch(number, 90, "close")
            for number, one in enumerate(candidates)
            if one.signature in known
        )
        return self.lies["compare_signature"](found) if "compare_signature" in self.lies else found  # type: ignore[no-any-return]

    async def device_lock_control(self, device: Any, units: Mapping[str, Any], events: Any) -> None:
        await self._do("device_lock_control", device, units)

    async def start_exchange(self) -> None: ...

    async def end_exchange(self) -> None: ...

    async def open_shutter(self, position: str) -> None:
        await self._do("open_shutter", position)

    async def close_shutter(self, position: str) -> None:
        await self._do("close_shutter", position)


class Recalling(Acceptor):
    """It remembers each movement over a crash."""

    async def recall(self, operation: int) -> CashMovement | None:
        return self.recalls.get(operation, CashMovement())


class Direct(Acceptor):
    """It has no stacker: what is accepted is stored at once."""

    stacker_capacity = 0

    async def cash_in(self, request: devices.CashInRequest, events: Any) -> CashedIn:
        await self._do("cash_in", request)
        counts = Counter(self.slot)
        self.slot = []
        unit = request.units[0]
        self.truth.setdefault(unit, Counter()).update(counts)
        found: CashedIn = await self._done(
            "cash_in", events, CashedIn(moved=devices.items_inserted(counts, unit), refused=0)
        )
        return found


class Recycler(Recalling, devices.CashDispenser):
    """A recycler: what was stored in `unit5`, `unit10`, `unit20` and `unit50` is dispensed again."""

    def __init__(self, name: str = "Cash", options: Any = None) -> None:
        super().__init__(name, options)
        for value in (5, 10, 20, 50):
            self.truth[f"unit{value}"] = Counter({note(value): 10})
        self.truth["unitRefill"] = Counter({note(20): 100})

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        units = {
            f"unit{value}": devices.CashUnit(
                index=index,
                capacity=200,
                types=frozenset({"cashIn", "cashOut"}),
                currency="EUR",
                value=Decimal(value),
                initial=10,
            )
            for index, value in enumerate((5, 10, 20, 50), 11)
        }
        every = tuple(NOTES)
        kinds = frozenset({"fit", "unfit", "unrecognized", "counterfeit", "suspect", "inked"})
        return {
            **await super().cash_units(),
            **units,
            "unitRefill": devices.CashUnit(
                index=20,
                capacity=500,
                types=frozenset({"replenishment"}),
                cash_items=("typeEUR20",),
                initial=100,
            ),
            "unitBin": devices.CashUnit(
                index=21, capacity=500, types=frozenset({"reject"}), cash_items=every, items=kinds
            ),
        }

    async def cash_in_end(self, request: devices.StoreRequest, events: Any) -> CashMovement:
        await self._do("cash_in_end", request)

        def place(kind: Kind) -> str:
            unit = f"unit{kind[0].removeprefix('typeEUR')}"
            return unit if unit in request.units and kind[1] == "fit" else "unitA"

        moved = self._move("stacker", place, self._limit("cash_in_end", "stacker"))
        result = CashMovement(moved=tuple(moved), failure=self.refuses.get("cash_in_end"))
        found: CashMovement = await self._done("cash_in_end", events, result)
        return found

    async def dispense(self, request: devices.DispenseRequest, events: Any) -> devices.Dispensed:
        await self._do("dispense", request)
        for unit, count in request.counts.items():
            self._move(unit, "stacker", count)
        self.dispensed = {"stacker"}
        found: devices.Dispensed = await self._done(
            "dispense", events, devices.Dispensed(moved=devices.items_from(request.counts, "stacker"))
        )
        return found

    async def present(self, position: str, events: Any) -> devices.Presented:
        await self._do("present", position)
        result = devices.Presented(moved=tuple(self._move("stacker", "output")))
        found: devices.Presented = await self._done("present", events, result)
        return found

    async def reject(self, unit: str, events: Any) -> CashMovement:
        await self._do("reject", unit)
        result = CashMovement(moved=tuple(self._move("stacker", unit)))
        found: CashMovement = await self._done("reject", events, result)
        return found

    async def cash_unit_count(self, units: tuple[str, ...], events: Any) -> devices.UnitsCounted:
        await self._do("cash_unit_count", units)
        counted = {
            unit: tuple(
                devices.UnitContent(count, item or None, level)
                for (item, level), count in (+self.truth.get(unit, Counter())).items()
            )
            for unit in units
        }
        failure = self.refuses.get("cash_unit_count")
        found: devices.UnitsCounted = await self._done(
            "cash_unit_count", events, devices.UnitsCounted(counted=counted, failure=failure)
        )
        return found

    async def replenish(self, source: str, targets: Mapping[str, int | None], events: Any) -> CashMovement:
        await self._do("replenish", source, targets)
        return await self._refill(
            "replenish", [(source, target, count) for target, count in targets.items()], events
        )

    async def deplete(self, sources: Mapping[str, int | None], target: str, events: Any) -> CashMovement:
        await self._do("deplete", sources, target)
        return await self._refill(
            "deplete", [(source, target, count) for source, count in sources.items()], events
        )

    async def _refill(
        self, name: str, orders: Iterable[tuple[str, str, int | None]], events: Any
    ) -> CashMovement:
        failure = self.refuses.get(name)
        moved: list[ItemsMoved] = []
        for source, target, count in orders:
            wanted = self.truth[source].total() if count is None else count
            moved += self._move(source, target, wanted - self.short if failure else wanted)
        found: CashMovement = await self._done(
            name, events, CashMovement(moved=tuple(moved), failure=failure)
        )
        return found

    async def device_locks(self) -> devices.DeviceLocks:
        return devices.DeviceLocks("unlock", {"unitA": "lock"})


async def do(client: Dialogue, name: str, payload: Any = None) -> dict[str, Any]:
    """A command of CashAcceptor that succeeds."""
    return await client.success(f"CashAcceptor.{name}", payload)


async def begin(client: Dialogue, **wanted: Any) -> None:
    """Begin a cash-in."""
    await do(client, "CashInStart", wanted)


async def take_in(client: Dialogue, device: Acceptor, *slot: Any) -> dict[str, Any]:
    """One CashIn, begun if it is not."""
    if (await do(client, "GetCashInStatus"))["status"] != "active":
        await begin(client)
    device.slot = list(slot)
    return await do(client, "CashIn")


async def laws(client: Dialogue, device: Acceptor, *, doubts: bool = False) -> None:
    """The books of every unit, and of what customers have inserted, agree with where the notes are.

    Args:
        doubts: whether units may be wrong that say so.
    """
    storage = (await client.success("Storage.GetStorage"))["storage"]
    for name, unit in storage.items():
        held = device.truth.get(name, Counter())
        if doubts and unit["cash"]["status"]["accuracy"] in ("inaccurate", "unknown"):
            continue
        assert content(unit["cash"]) == held.total(), (name, unit["cash"]["status"], device.truth)
    ledger = device._host.ledger  # type: ignore[union-attr]
    counters: dict[Any, int] = ledger.counters()  # type: ignore[attr-defined]
    sums: Counter[tuple[str, str, str]] = Counter()
    for key, value in counters.items():
        sums[key.unit, key.item, key.level] += 0
        if key.unit in ("stacker", "transport", "unknown") and key.bucket == "count":
            sums["inside", key.item, key.level] += value
        if key.unit == "customer":
            sums[key.bucket, key.item, key.level] += value
    for item, level in {(item, level) for _, item, level in sums}:
        inserted, returned, accepted, inside = (
            sums[bucket, item, level] for bucket in ("inserted", "returned", "accepted", "inside")
        )
        assert inserted == returned + accepted + inside, (item, level, sums)
