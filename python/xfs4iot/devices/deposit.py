"""Deposit: what a vendor writes for a depository, which takes in envelopes or bags.

class MyDepository(devices.Deposit):
    deposit_types = frozenset({"envelope"})
    dep_transport = True
    has_shutter = True

    async def units(self):
        return {"unit1": devices.DepositUnit(capacity=200, high=180)}

    async def entry(self):
        await self.port.open_shutter()
        self.insert_deposit()
        await self.port.inserted()

    async def stop_entry(self):
        return await self.port.close_shutter()  # says whether something lies in the slot

    async def deposit(self, print_data, events):
        await self.port.feed()
        return devices.DepositMoved("container")
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import CommandEvents
from xfs4iot.devices._operation import operation, waits_for_people
from xfs4iot.devices._parts import derived, follows_from
from xfs4iot.devices.storage import DepositUnit, Storage
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import deposit as messages
from xfs4iot.protocol.messages import storage

__all__ = ["Deposit", "DepositMoved", "DepositPlace", "DepositReset", "MovingDeposit"]

DepositPlace = Literal["container", "transport", "printer", "shutter", "removed", "dispenser", "unknown"]
"""Where an item can be after it was moved; `shutter` is the slot, `removed` with the customer."""
Found = Literal["noMedia", "retracted", "dispenser", "ejected", "jammed", "unknown"]
"""What a reset has found, and where that is now."""
ContainerLevel = Literal["ok", "high", "full", "inoperative", "unknown"]
SupplyLevel = Literal["ok", "low", "empty", "inoperative", "unlocked", "unknown"]


class MovingDeposit(CommandEvents[Any], Protocol):
    """What a device is given while it moves an item that must not be lost.

    Attributes:
        operation: the movement's number, for a device that keeps what it moved; see `recall_deposit`.
    """

    operation: int


@dataclass(frozen=True)
class DepositMoved:
    """Where an item is now.

    Attributes:
        place: what has come into the container counts as a deposit, also after a failure.
        failure: what went wrong.
    """

    place: DepositPlace
    failure: errors.XfsError | None = None


@dataclass(frozen=True, kw_only=True)
class DepositReset:
    """What a reset has found, and where it has brought that; each `retracted` counts as a deposit.

    Attributes:
        deposit_media: on the way into the container.
        dispense_media: on the way out of the supply; None without one.
        failure: what went wrong.
    """

    deposit_media: Found = "noMedia"
    dispense_media: Found | None = None
    failure: errors.XfsError | None = None


def _dispenser(device: Any) -> str | None:
    return "ok" if any(unit.env_supply for unit in device.units_of(DepositUnit).values()) else None


class Deposit(
    Storage,
    messages=messages,
    capabilities={"type": "deposit_types", "shutter": "has_shutter", "printer": "deposit_printer"},
    status={
        "dep_transport": derived(lambda device: "ok" if device.dep_transport else None),
        "env_dispenser": derived(_dispenser),
        "printer": derived(lambda device: "ok" if device.deposit_printer else None),
        "toner": derived(lambda device: "unknown" if device.has_toner else None),
        "shutter": derived(lambda device: "closed" if device.has_shutter else None),
    },
    needs=(("entry",), ("deposit",)),
):
    """A depository. The service counts the deposits, and keeps where the item of the last Entry is.

    The device sets what only it can know of the status: `dep_transport`, `env_dispenser`, `printer`, `toner`,
    `shutter`.

    Attributes:
        deposit_types: what it takes in.
        dep_transport: a transport leads from the slot to the container.
        has_shutter: the slot has one.
        deposit_printer: prints on what is taken in; None: nothing does.
        retract_envelope: where an envelope goes that nobody took; None: it cannot be retracted.
        supply_sensors: of the supplies whose level the device senses and tells itself. The others the service
            takes as full once they were replenished, and as used up when an operation ends for want of them.
        senses_taken: it notices when an envelope is taken out of the slot, and calls `envelope_taken`.
    """

    deposit_types: frozenset[Literal["envelope", "bag"]] = frozenset({"envelope"})
    dep_transport: bool = False
    has_shutter: bool = False
    deposit_printer: messages.PrintCapabilities | None = None
    retract_envelope: Literal["container", "dispenser"] | None = None
    supply_sensors: frozenset[Literal["toner", "envelope"]] = frozenset()
    senses_taken: bool = follows_from("dispense")

    @property
    def has_toner(self) -> bool:
        """Whether the printer has a toner that can be looked at."""
        return self.deposit_printer is not None and bool(self.deposit_printer.toner)

    def insert_deposit(self) -> None:
        """Tell that the slot is open, and the customer is to put something in: sends `InsertDepositEvent`."""
        self.send(messages.InsertDepositEvent())

    def envelope_taken(self) -> None:
        """Tell that the customer has taken what lay in the slot: sends `EnvTakenEvent`."""
        self.send(messages.EnvTakenEvent())

    def deposit_levels(
        self, unit: str, *, container: ContainerLevel | None = None, supply: SupplyLevel | None = None
    ) -> None:
        """Tell what the sensors of a unit see; None: as before."""
        status = messages.StorageStatus(dep_container=container, env_supply=supply)
        part = messages.Storage(status=status)
        self.send(storage.StorageChangedEvent({unit: storage.StorageUnit(deposit=part)}))

    @waits_for_people
    @operation
    async def entry(self) -> None:
        """`Deposit.Entry`, first half: open the slot, and wait until the customer has put something in.

        Call `insert_deposit` when it is time to ask for it. Return at once if something lies in the slot
        already. Cancelled when the client gives up: see `stop_entry`.

        Raises:
            CommandError: nothing was put in: `shutterNotOpened`, `depJammed`, `containerMissing`, `depFull`.
        """
        raise NotImplementedError

    @operation
    async def stop_entry(self) -> bool:
        """Close the slot after `entry` was cancelled; whether something was put in before.

        If so the deposit goes on. Without this operation nothing was.
        """
        return False

    @operation
    async def deposit(self, print_data: str | None, events: MovingDeposit) -> DepositMoved:
        """`Deposit.Entry`, second half: close the slot, print on the item, bring it into the container.

        What fails once it has moved is returned with the place where the item is: `shutterNotClosed`,
        `printerFail`, `tonerOut`, `depJammed`, `depFull`, `containerMissing`, `envSize` (pushed back to
        `shutter`), `unknown`.

        Args:
            print_data: None for nothing. Characters that the printer lacks are printed as its substitute.

        Raises:
            CommandError: one of these, and the item lies in the slot as before.
        """
        raise NotImplementedError

    @operation
    async def dispense(self) -> None:
        """`Deposit.Dispense`: present an envelope, or unlock the supply; do not wait until it is taken.

        Raises:
            CommandError: `empty`, `jammed`, `shutterNotOpened`.
        """
        raise NotImplementedError

    @operation
    async def retract(self, print_data: str | None, events: MovingDeposit) -> DepositMoved:
        """`Deposit.Retract`: bring an envelope that nobody took to where `retract_envelope` says.

        What fails once it has moved is returned: `depJammed`, `envJammed`, `printerFail`, `shutterNotClosed`.

        Raises:
            CommandError: `noEnv`, or one of these, and the envelope lies in the slot as before.
        """
        raise NotImplementedError

    @operation
    async def reset(self, control: Literal["eject", "retract"] | None, events: MovingDeposit) -> DepositReset:
        """`Deposit.Reset`: clear the transport, the dispenser and the slot; None: as the device likes.

        What fails once something has moved is returned.

        Raises:
            CommandError: nothing has moved: `depFull`, `depJammed`, `envJammed`, `shutterNotOpened`,
                `shutterNotClosed`, `containerMissing`.
        """
        raise NotImplementedError

    @operation
    async def supply_replenish(self, supplies: frozenset[Literal["toner", "envelope"]]) -> None:
        """`Deposit.SupplyReplenish`: learn that supplies were refilled."""
        raise NotImplementedError

    @operation
    async def recall_deposit(self, operation: int) -> DepositMoved | DepositReset | None:
        """What the movement of this number has moved; None if it has not begun. Asked after a crash."""
        raise NotImplementedError

    @operation
    async def deposit_inside(self) -> DepositPlace | Literal["none"]:
        """Where the item of the last Entry is: asked after a crash that came while one was waited for."""
        raise NotImplementedError
