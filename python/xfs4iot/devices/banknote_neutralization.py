"""BanknoteNeutralization: what a vendor writes for a system that stains notes when it is attacked.

class MySystem(devices.BanknoteNeutralization, devices.Storage):
    gas_sensor = True

    async def units(self):
        return {
            name: devices.BanknoteNeutralizationUnit(serial_number=found.serial, protection=found.state)
            for name, found in await self.port.cassettes()
        }

    async def set_protection(self, new_state):
        await self.port.write(new_state)

It may be part of a dispenser or acceptor: `class MyDispenser(devices.CashDispenser,
devices.BanknoteNeutralization)`, whose `units` are then tuples of a `CashUnit` and a
`BanknoteNeutralizationUnit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from xfs4iot.devices._device import Device, implements, operation
from xfs4iot.devices._parts import derived
from xfs4iot.devices.storage import BanknoteNeutralizationUnit, Name
from xfs4iot.protocol import exact
from xfs4iot.protocol.messages import banknote_neutralization as messages
from xfs4iot.protocol.messages import storage
from xfs4iot.protocol.observed import leave

__all__ = ["BanknoteNeutralization", "Protection"]

Protection: TypeAlias = Literal["arm", "ignoreAllSafeSensors", "disarm"]
"""What `BanknoteNeutralization.SetProtection` asks for."""


def _unknown(device: BanknoteNeutralization) -> messages.State:
    """The state, before anything is known: the standard has no word for that but `fault`."""
    state = messages.State(mode="fault")
    leave(state, ("mode", "submode"))
    return state


def _inputs(device: BanknoteNeutralization) -> dict[str, messages.CapabilitiesCustomInputs] | None:
    return {
        name: messages.CapabilitiesCustomInputs(active_input=active) for name, active in device.inputs.items()
    } or None


class BanknoteNeutralization(
    Device,
    messages=messages,
    status={"state": derived(_unknown)},
    capabilities={
        "mode": "neutralization_mode",
        "seismic_sensor": "safe_seismic_sensor",
        "custom_inputs": "neutralization_inputs",
    },
    needs=(("set_protection", "trigger_neutralization"),),
):
    """A system that neutralises notes. One whose cassettes are units is a `Storage` as well.

    Sets in `open`, and whenever it changes, what the hardware says: `self.status.banknote_neutralization`,
    of which the service keeps `state` after its own commands, unless the class sets it.

    Attributes:
        neutralization_mode: `clientControlled`; `autonomous` if it arms itself when the safe is closed and
            locked; `vendorSpecific`. Follows from `set_protection`.
        gas_sensor, light_sensor, safe_seismic_sensor, safe_intrusion_detection: what it senses.
        external_dry_contact_status_box, real_time_clock, physical_storage_units_access_control: what it has.
        inputs: by name (`maintenance`, `triggerNeutralization`, `disableGas`, `disableSeismic`,
            `disableSafeDoorAttack`, or the vendor's own), whether the input is in use.
    """

    neutralization_mode: Literal["autonomous", "clientControlled", "vendorSpecific"] = derived(
        lambda device: "clientControlled" if implements(device, "set_protection") else "autonomous"
    )
    gas_sensor: bool = False
    light_sensor: bool = False
    safe_seismic_sensor: bool = False
    safe_intrusion_detection: bool = False
    external_dry_contact_status_box: bool = False
    real_time_clock: bool = False
    physical_storage_units_access_control: bool = False
    inputs: Mapping[Name, bool] = {}
    neutralization_inputs: Any = derived(_inputs)

    def neutralization_changed(self, unit: str, now: BanknoteNeutralizationUnit) -> None:
        """Tell that a cassette is no longer what `units` said of it; what `now` leaves out is withdrawn.

        Raises:
            ValueError: no cassette can be so.
        """
        exact.checked(BanknoteNeutralizationUnit, now)
        self.send(
            storage.StorageChangedEvent(
                {unit: storage.StorageUnit(status=now.status, banknote_neutralization=now.told())}
            )
        )

    @operation
    async def set_protection(self, new_state: Protection) -> None:
        """`BanknoteNeutralization.SetProtection`: arm, also without the safe's sensors, or disarm.

        A system that has to wait for the door to be closed sets `state.submode` to `armPending`.

        Raises:
            CommandError: `sensorNotReady`.
        """
        raise NotImplementedError

    @operation
    async def trigger_neutralization(self) -> None:
        """`BanknoteNeutralization.TriggerNeutralization`: stain the notes of all cassettes, for good.

        Not cancelled once it has begun. After a failure `neutralization_changed` says what became of each.
        """
        raise NotImplementedError
