"""Depositories as vendors write them, told by a test what is put in and what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from xfs4iot import devices
from xfs4iot.devices import DepositMoved, DepositReset
from xfs4iot.protocol.messages import deposit as messages

__all__ = ["Bags", "Depository"]


class Depository(devices.Deposit):
    """A device with everything.

    Attributes:
        ends: what an operation returns, or raises, by its name.
        hand: what happens while an operation runs, by its name.
        called: operations that were asked for, with their arguments.
        inserted: set when the customer has put something in; an Entry waits for it.
        level, supply: as the sensors see them when the units are asked for.
    """

    dep_transport = True
    has_shutter = True
    retract_envelope: Any = "container"

    def __init__(self) -> None:
        super().__init__("Deposit")
        self.deposit_printer = messages.PrintCapabilities(
            toner=True, print_on_retract=True, max_num_chars=10, unicode_support=False
        )
        self.ends: dict[str, Any] = {}
        self.hand: dict[str, Any] = {}
        self.called: list[tuple[Any, ...]] = []
        self.inserted = trio.Event()
        self.inserted.set()
        self.level: Any = None
        self.supply: Any = "ok"
        self.kind: Any = "motorized"

    async def _do(self, name: str, otherwise: Any, *arguments: Any) -> Any:
        self.called.append((name, *arguments))
        if name in self.hand:
            await self.hand[name]()
        end = self.ends.get(name, otherwise)
        # `isinstance` would ask the object itself.
        if issubclass(type(end), Exception):
            raise end
        return end

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {
            "unitBOX": devices.DepositUnit(capacity=5, high=3, container_level=self.level),
            "unitENV": devices.DepositUnit(
                container=False, env_supply=self.kind, capacity=50, supply_level=self.supply
            ),
        }

    async def entry(self) -> None:
        self.insert_deposit()
        await self.inserted.wait()
        await self._do("entry", None)

    async def stop_entry(self) -> bool:
        found: bool = await self._do("stop_entry", False)
        return found

    async def deposit(self, print_data: str | None, events: Any) -> DepositMoved:
        found: DepositMoved = await self._do("deposit", DepositMoved("container"), print_data)
        return found

    async def dispense(self) -> None:
        await self._do("dispense", None)

    async def retract(self, print_data: str | None, events: Any) -> DepositMoved:
        found: DepositMoved = await self._do("retract", DepositMoved(self.retract_envelope), print_data)
        return found

    async def reset(self, control: Any, events: Any) -> DepositReset:
        found: DepositReset = await self._do("reset", DepositReset(dispense_media="noMedia"), control)
        return found

    async def supply_replenish(self, supplies: frozenset[Any]) -> None:
        await self._do("supply_replenish", None, supplies)


class Bags(devices.Deposit):
    """A slot for bags, without anything else."""

    deposit_types = frozenset({"bag"})

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {"unitBOX": devices.DepositUnit()}

    async def entry(self) -> None:
        self.insert_deposit()

    async def deposit(self, print_data: str | None, events: Any) -> DepositMoved:
        return DepositMoved("container")

    async def dispense(self) -> None:
        raise AssertionError("there is no supply")

    async def retract(self, print_data: str | None, events: Any) -> DepositMoved:
        raise AssertionError("there is nothing to retract")

    async def supply_replenish(self, supplies: frozenset[Any]) -> None:
        raise AssertionError("there is nothing to replenish")
