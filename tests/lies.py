"""A device that lies when it is told to, and the lies: values that no operation may return, at any point."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from types import coroutine
from typing import Any

import trio

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_dispenser, cash_management
from xfs4iot.simulator import SimulatedCashDispenser

__all__ = ["LIARS", "MOVING", "OPERATIONS", "Liar", "Lie", "lie"]

MOVING = (
    "dispense",
    "present",
    "reject",
    "retract",
    "reset",
    "count",
    "test_cash_units",
    "calibrate_cash_unit",
)
OPERATIONS = (
    *MOVING,
    "open_shutter",
    "close_shutter",
    "prepare_dispense",
    "get_item_info",
    "set_classification_list",
    "set_storage",
    "start_exchange",
    "end_exchange",
    "cash_units",
    "recall",
    "unit_counts",
    "power_save_control",
    "set_transaction_state",
    "open",
)


class _Middle(Exception):
    """The device is stopped in the middle of what it does."""


@dataclass
class Lie:
    """What one call of an operation is to do wrong.

    Attributes:
        moment: `instead` of moving anything, in the `middle` of it, or `after` it was done.
        told: makes what is returned of the honest result (None if there is none), or raises.
        named: the log has to name it, once.
    """

    moment: str
    told: Callable[[Any], Any]
    text: str
    named: bool = True
    steps: int = 1


class Liar(SimulatedCashDispenser):
    """A simulated dispenser that carries out what it is asked, and lies where it is told to.

    Attributes:
        plans: by operation, what its next call does wrong.
        lied: operations whose plan was carried out.
    """

    def __init__(self) -> None:
        self.plans: dict[str, Lie] = {}
        self.lied: list[str] = []
        super().__init__("Liar", seconds=0)

    async def unit_counts(self) -> Mapping[str, int]:
        return {unit: self.truth.total(unit) for unit in self.layout.capacity}

    async def set_transaction_state(self, state: str, transaction_id: str) -> None:
        return None


def _lying(name: str) -> Any:
    honest = vars(Liar).get(name) or getattr(SimulatedCashDispenser, name)

    async def operation(self: Liar, *arguments: Any) -> Any:
        plan = self.plans.pop(name, None)
        if plan is None:
            return await honest(self, *arguments)
        result = None
        if plan.moment == "middle":
            with _Stopped(self, plan.steps):
                try:
                    result = await honest(self, *arguments)
                except _Middle:
                    self._show()
        elif plan.moment == "after":
            result = await honest(self, *arguments)
        self.lied.append(name)
        told = plan.told(result)
        if isinstance(told, _Act):
            await told.done(self, arguments)
            return result
        return told

    operation.__name__ = name
    return operation


for _name in OPERATIONS:
    setattr(Liar, _name, _lying(_name))


class Counting(Liar):
    """A liar that counts its units and recalls nothing."""

    recall = devices.CashManagement.recall  # type: ignore[assignment]


class Forgetful(Counting):
    """A liar that knows nothing of what it did."""

    unit_counts = devices.Storage.unit_counts  # type: ignore[assignment]


LIARS = (Liar, Counting, Forgetful)


class _Stopped:
    """The device stops after so many steps of its mechanism."""

    def __init__(self, device: Liar, steps: int) -> None:
        self.device = device
        self.left = steps

    def __enter__(self) -> None:
        truth: Any = self.device.truth
        self.move = truth.move

        def move(*arguments: Any, **options: Any) -> None:
            if self.left == 0:
                raise _Middle
            self.left -= 1
            self.move(*arguments, **options)

        truth.move = move

    def __exit__(self, *_: object) -> None:
        del self.device.truth.move  # type: ignore[method-assign]


@dataclass
class _Act:
    """Something wrong that is done, not said."""

    done: Callable[[Liar, tuple[Any, ...]], Any]


class Weird:
    """Raises, whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("weird")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("weird")

    def __hash__(self) -> int:
        raise RuntimeError("weird")

    def __repr__(self) -> str:
        raise RuntimeError("weird")

    def __bool__(self) -> bool:
        raise RuntimeError("weird")

    def __len__(self) -> int:
        raise RuntimeError("weird")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("weird")


class Pretender:
    """Says that it is what is wanted."""

    __class__ = devices.Dispensed  # type: ignore[assignment]


class Endless(Mapping[str, Any]):
    """A mapping without end."""

    def __getitem__(self, key: str) -> Any:
        return 1

    def __iter__(self) -> Any:
        number = 0
        while True:
            yield f"unit{(number := number + 1)}"

    def __len__(self) -> int:
        return 1


class Breaking(Mapping[str, Any]):
    """A mapping that breaks when it is read."""

    def __getitem__(self, key: str) -> Any:
        raise OSError("broken")

    def __iter__(self) -> Any:
        return iter(["unit1"])

    def __len__(self) -> int:
        return 1


class NumpyLike:
    """A number of another library: adds, compares and hashes as one."""

    def __index__(self) -> int:
        return 3

    __int__ = __index__

    def __gt__(self, other: Any) -> bool:
        return other < 3

    def __add__(self, other: Any) -> Any:
        return other

    __radd__ = __add__


SCALARS: tuple[Callable[[], Any], ...] = (
    lambda: 42,
    lambda: -3,
    lambda: 1.5,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: True,
    lambda: 2**64,
    lambda: 10**5000,
    lambda: Decimal("NaN"),
    lambda: Decimal("sNaN"),
    lambda: Decimal("1e999999"),
    lambda: "stackr",
    lambda: "\ud800",
    lambda: b"unit1",
    lambda: bytearray(b"x"),
    lambda: object(),
    lambda: object,
    lambda: Weird(),
    lambda: Weird,
    lambda: NumpyLike(),
    lambda: ValueError("returned, not raised"),
    lambda: errors.HardwareError("returned, not raised"),
)
STRUCTURES: tuple[Callable[[], Any], ...] = (
    lambda: [1],
    lambda: [None],
    lambda: {"unit1": Weird()},
    lambda: {7: 1},
    lambda: {"unit1": {"index": 1}},
    lambda: ("unit1", 3),
    lambda: {"unit1"},
    lambda: frozenset({1}),
    lambda: range(3),
    lambda: iter(()),
    lambda: Endless(),
    lambda: Breaking(),
    lambda: Pretender(),
    lambda: [[[[[[]]]]]],
    lambda: cash_management.ItemsTakenEvent(),
    lambda: devices.Destination("stacker"),
    lambda: devices.ItemsMoved(1, "unit1", "stacker"),
    lambda: object.__new__(devices.ItemsMoved),
)


def _raiser(make: Callable[[], BaseException]) -> Callable[[Any], Any]:
    def raise_it(_: Any) -> Any:
        raise make()

    return raise_it


RAISED: tuple[Callable[[], BaseException], ...] = (
    lambda: ValueError("no"),
    lambda: OSError(5, "no"),
    lambda: RecursionError(),
    lambda: MemoryError(),
    lambda: AssertionError(),
    lambda: StopIteration(3),
    lambda: StopAsyncIteration(),
    lambda: KeyboardInterrupt(),
    lambda: SystemExit(1),
    lambda: GeneratorExit(),
    lambda: asyncio.CancelledError(),
    lambda: trio.Cancelled._create(source="explicit"),  # type: ignore[attr-defined]
    lambda: trio.TooSlowError(),
    lambda: ExceptionGroup("several", [ValueError("no"), OSError("no")]),
    lambda: BaseExceptionGroup(
        "several",
        [trio.Cancelled._create(source="explicit"), ValueError("no")],  # type: ignore[attr-defined]
    ),
    lambda: BaseExceptionGroup("several", [KeyboardInterrupt(), SystemExit(3)]),
    lambda: errors.HardwareError("jammed"),
    lambda: errors.HardwareError(Weird()),  # type: ignore[arg-type]
    lambda: errors.CommandError("noSuchCode", "x"),
    lambda: errors.CommandError(5, "x"),  # type: ignore[arg-type]
    lambda: errors.CommandError([], {}),  # type: ignore[arg-type]
    lambda: errors.DeviceNotReady(b"x"),  # type: ignore[arg-type]
    lambda: errors.UserError("x", payload=Weird()),  # type: ignore[arg-type]
    lambda: errors.UserError("x", payload=cash_management.ItemsTakenEvent()),
    lambda: devices.CashUnitError("broken", ["unit1"]),  # type: ignore[arg-type]
    lambda: devices.CashUnitError("empty", [None]),  # type: ignore[list-item]
)


@coroutine
def foreign() -> Generator[Any, Any, None]:
    yield "a message for another library"


async def _await_foreign(device: Liar, arguments: tuple[Any, ...]) -> None:
    await foreign()


async def _await_foreign_for_ever(device: Liar, arguments: tuple[Any, ...]) -> None:
    while True:
        try:
            await foreign()
        except TypeError:
            continue


async def _set_status(device: Liar, arguments: tuple[Any, ...]) -> None:
    status: Any = device.status.common
    status.device = "onlin"


async def _replace_status(device: Liar, arguments: tuple[Any, ...]) -> None:
    broken: Any = cash_dispenser.Status(intermediate_stacker=5)  # type: ignore[arg-type]
    device.status.cash_dispenser = broken


async def _send_unsolicited(device: Liar, arguments: tuple[Any, ...]) -> None:
    device.send(cash_management.ItemsTakenEvent(position=42))  # type: ignore[arg-type]


async def _send_nothing_known(device: Liar, arguments: tuple[Any, ...]) -> None:
    device.send(Weird())  # type: ignore[arg-type]


async def _change_a_unit(device: Liar, arguments: tuple[Any, ...]) -> None:
    device.unit_changed("unit1", "brokn")  # type: ignore[arg-type]


ACTS = (
    _await_foreign,
    _await_foreign_for_ever,
    _set_status,
    _replace_status,
    _send_unsolicited,
    _send_nothing_known,
    _change_a_unit,
)

COUNTS = (-1, "3", 1.5, float("nan"), float("inf"), Decimal(3), 2**63, 2**70, True, None, NumpyLike(), [1])
NAMES = ("stackr", "nirvana", "unit99", None, b"unit1", [], {}, 5, "\ud800", "", ("unit1",))
SETS = (["unit1"], None, {"unit1"}, "unit1", frozenset({"unit99"}), frozenset({None}), frozenset({5}), 7)
WRONG: Mapping[str, tuple[Any, ...]] = {
    "moved": (None, {}, 42, [], (1,), (None,), "stacker", ({"count": 1},), object()),
    "failure": (
        ValueError("no"),
        "jammed",
        3,
        errors.XfsError,
        errors.CommandError("noSuchCode"),
        errors.CommandError(5),  # type: ignore[arg-type]
        devices.CashUnitError("broken", ["unit1"]),  # type: ignore[arg-type]
        devices.CashUnitError("empty", [None]),  # type: ignore[list-item]
    ),
    "inaccurate": SETS,
    "emptied": SETS,
    "into": SETS,
    "bunches": ("nan", -3, [1], 1.5, True, 2**70),
    "additional_bunches": ("nan", -3, [1], 1.5, True, 2**70),
    "presented": ("yes", 1, 0, []),
    "dispensed": (None, {"unit1": -1}, {"unit99": 1}, {5: 1}, {"unit1": 1.5}, [("unit1", 1)], Breaking()),
    "counted": (None, {"unit1": -1}, {"unit99": 1}, {5: 1}, {"unit1": 1.5}, [("unit1", 1)], Endless()),
    "failed": ({"unit1": "broken"}, {"unit99": "empty"}, None, {"unit1": None}, []),
    "reason": ("because", None, 5),
}
WRONG_ITEMS: Mapping[str, tuple[Any, ...]] = {
    "count": COUNTS,
    "source": NAMES,
    "target": NAMES,
    "origin": ("unit99", 5, "stacker", [], "\ud800"),
    "item": (7, "", "typeXYZ9", "\ud800", b"x"),
    "level": ("bad", 3, []),
    "accessible": (None, 1, "yes"),
}
WRONG_UNITS: Mapping[str, tuple[Any, ...]] = {
    "index": ("1", 0, -1, 1.0, None, True, 2**70),
    "capacity": (None, -1, 1.5, "2000", float("nan")),
    "types": (None, ["cashOut"], frozenset({"cashOutt"}), frozenset({5}), "cashOut"),
    "items": (None, ["fit"], frozenset({"fitt"})),
    "cash_items": ((5,), ["typeEUR20"], ("typeXYZ",), ("\ud800",), "typeEUR20"),
    "currency": (5, "euro", "\ud800", b"EUR"),
    "value": (float("nan"), 20.0, "20", Decimal("NaN"), Decimal("Infinity"), Decimal(-1), Decimal("1e-50")),
    "id": (5, "", "too long", "\ud800", b"x"),
    "position_name": (5, "\ud800"),
    "serial_number": (5, "\ud800", b"x"),
    "status": ("okay", None, 5),
    "low_threshold": (-1, 1.5, "3"),
    "high_threshold": (-1, 1.5, "3"),
    "max_retracts": (-1, 1.5, "3"),
    "hardware_sensors": (None, 1),
    "retract_areas": (0, -1, 1.5),
    "retract_thresholds": (None, 1),
    "initial": (-1, 2.0, None, "5", True, 2**64),
}


def lie(random: Random, operation: str) -> Lie:
    """A lie for an operation: never anything that it may say."""
    moment = random.choice(("instead", "middle", "after"))
    steps = random.randrange(4)
    kind = random.random()
    if kind < 0.25:
        make = random.choice(RAISED)
        return Lie(moment, _raiser(make), f"raises {type(make()).__name__}", steps=steps)
    if kind < 0.35:
        act = random.choice(ACTS)
        return Lie(moment, lambda _: _Act(act), act.__name__, steps=steps)
    if kind < 0.5:
        value = random.choice(SCALARS)
        return Lie(moment, lambda _: value(), "returns a scalar", steps=steps)
    if kind < 0.6 or operation not in (*MOVING, "recall", "cash_units", "unit_counts", "get_item_info"):
        value = random.choice(STRUCTURES)
        return Lie(moment, lambda _: value(), "returns a structure", steps=steps)
    if operation == "cash_units":
        name = random.choice(list(WRONG_UNITS))
        wrong = random.choice(WRONG_UNITS[name])
        return Lie("after", lambda units: _spoilt_unit(units, name, wrong), f"{name} {_text(wrong)}")
    if operation == "unit_counts":
        return Lie("after", lambda counts: {**counts, "unit1": random.choice(COUNTS)}, "a count")
    if operation == "get_item_info":
        spoilt = cash_management.ItemInfo(note_type=5)  # type: ignore[arg-type]
        return Lie("after", lambda items: [*items, spoilt], "an item")
    return _movement(random, operation)


def _movement(random: Random, operation: str) -> Lie:
    """A lie about what was moved."""

    def told(result: Any) -> Any:
        if not isinstance(result, devices.CashMovement):
            return 42
        fields = {field.name for field in dataclasses.fields(result)}
        if result.moved and random.random() < 0.6:
            number = random.randrange(len(result.moved))
            name = random.choice(list(WRONG_ITEMS))
            spoilt: Any = dataclasses.replace(
                result.moved[number], **{name: random.choice(WRONG_ITEMS[name])}
            )
            moved = (*result.moved[:number], spoilt, *result.moved[number + 1 :])
            return dataclasses.replace(result, moved=moved)
        if operation == "recall":
            fields.discard("failure")  # nobody is told of it any more
        name = random.choice([name for name in WRONG if name in fields])
        return dataclasses.replace(result, **{name: random.choice(WRONG[name])})

    return Lie("after", told, "a movement")


def _spoilt_unit(units: Mapping[str, Any], name: str, wrong: Any) -> Any:
    changed = dataclasses.replace(units["unit1"], **{name: wrong})
    return {**units, "unit1": changed}


def _text(value: Any) -> str:
    return type(value).__name__
