"""Devices as vendors write them, for what the simulated dispenser is not: tellers, currencies, no stacker."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_dispenser, cash_management

__all__ = ["Minimal", "Teller", "power_cut", "refusal", "serving"]


def refusal(code: str) -> errors.CommandError:
    """An error of the command, as a device raises it."""
    return errors.CommandError(code, "as the test wants it")


class Minimal(devices.CashDispenser):
    """As little as a vendor has to write: one unit, no stacker, no sensors."""

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        return {
            "unit1": devices.CashUnit(
                index=1,
                capacity=100,
                types=frozenset({"cashOut"}),
                cash_items=("typeEUR20",),
                currency="EUR",
                value=Decimal(20),
                initial=50,
            )
        }

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        return devices.Dispensed(moved=devices.items_from(request.counts, "output"))


class Teller(Minimal):
    """A teller device of two currencies with a cash box, which reads what it counts."""

    fault: errors.XfsError | None = None

    def __init__(self) -> None:
        super().__init__("Teller")
        self.capabilities.cash_dispenser = cash_dispenser.Capabilities(
            type="tellerBill",
            max_dispense_items=20,
            positions=cash_dispenser.CapabilitiesPositions(left=True, right=True),
        )
        self.capabilities.cash_management = cash_management.Capabilities(
            cash_box=True, exchange_type=cash_management.CapabilitiesExchangeType(by_hand=True)
        )
        self.bank_notes = {
            f"type{currency}{value}": cash_management.BankNote(
                cash_item=cash_management.CashItem(note_id=number, currency=currency, value=Decimal(value))
            )
            for number, (currency, value) in enumerate([("EUR", 20), ("USD", 50)], 1)
        }

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        euros = (await super().cash_units())["unit1"]
        dollars = devices.CashUnit(
            index=2,
            capacity=100,
            types=frozenset({"cashOut"}),
            cash_items=("typeUSD50",),
            currency="USD",
            value=Decimal(50),
            initial=30,
        )
        return {"unit1": euros, "unit2": dollars}

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        if self.fault is not None:
            raise self.fault
        return await super().dispense(request, events)

    async def get_item_info(self) -> list[cash_management.ItemInfo]:
        return [
            cash_management.ItemInfo(note_type="typeEUR20", level=level, serial_number=f"X{number}")
            for number, level in enumerate(("fit", "fit", "suspect"), 1)
        ]


def power_cut(directory: Path) -> Callable[[], Awaitable[None]]:
    """What leaves in `copy.sqlite` all that the disk has of `ledger.sqlite`, if the power fails now."""

    async def copy() -> None:
        for suffix in ("", "-wal"):
            file = directory / f"ledger.sqlite{suffix}"
            if file.exists():
                shutil.copyfile(file, directory / f"copy.sqlite{suffix}")

    return copy


async def serving(
    device: devices.Device, nursery: trio.Nursery, ledger: xfs4iot.Ledger | None = None
) -> Dialogue:
    publisher = xfs4iot.Publisher([xfs4iot.Service(device, ledger=ledger)], port=0)
    await nursery.start(publisher.serve)
    found: Dialogue = await nursery.start(dialogue, publisher.uri(device.name))
    return found


@asynccontextmanager
async def running(device: devices.Device, ledger: Path) -> AsyncIterator[Dialogue]:
    """A client of a service that begins here and ends with the block, with the ledger in that file."""
    opened = xfs4iot.Ledger.open(ledger)
    try:
        async with trio.open_nursery() as served:
            yield await serving(device, served, opened)
            served.cancel_scope.cancel()
    finally:
        opened.close()
