"""The services of a simulated ATM, as a profile says."""

from __future__ import annotations

from pathlib import Path

from xfs4iot.assembly import Service
from xfs4iot.devices import Device
from xfs4iot.interfaces.common.common import Common
from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
from xfs4iot.ledger import Ledger
from xfs4iot.server import service
from xfs4iot.simulator.control import Simulator
from xfs4iot.simulator.profile import Profile, read
from xfs4iot.simulator.scenario import read_scenario
from xfs4iot.simulator.shipped import DEFAULT
from xfs4iot.simulator.world import World

__all__ = ["atm"]


def atm(
    profile: Profile | Path | str = DEFAULT,
    *,
    ledger: Ledger,
    state: Path | None = None,
    seconds: float | None = None,
    seed: int | None = None,
    security: EndToEndSecurity | None = None,
    scenario: Path | None = None,
) -> list[service.Service]:
    """The services of a simulated ATM: its devices, and `Simulator`, which drives them.

    Args:
        profile: what the ATM has; a name of one that comes with the package, or a file.
        ledger: keeps the services' counts.
        state: directory where the devices' physical truth is kept, apart from the ledger;
            None keeps it in memory.
        seconds: how long a movement takes, 0 for no time; None: as the profile says.
        seed: what all chance follows from; None: as the profile says.
        security: dispense with end-to-end tokens only; None: without any.
        scenario: file of what happens by itself, from the start; see `simulator.scenario`.

    Raises:
        ConfigurationError: the profile or the scenario cannot be used.
    """
    if not isinstance(profile, Profile):
        profile = read(profile)
    world = World(
        state=state,
        seconds=float(profile.seconds if seconds is None else seconds),
        seed=profile.seed if seed is None else seed,
    )
    devices = [one.device(name, one.settings, world=world) for name, one in profile.services.items()]
    control = service.Service(
        "Simulator", Device("Simulator"), [Common, Simulator], ledger=ledger.service("Simulator")
    )
    simulator = control.interface(Simulator)
    simulator.drive(world, devices)
    if scenario is not None:
        simulator.scenario = read_scenario(scenario, simulator.player)
    if security is None and profile.command_nonces:
        security = EndToEndSecurity()
    services: list[service.Service] = [
        Service(device, ledger=ledger, security=security if device.takes_tokens else None)
        for device in devices
    ]
    for one in services:
        # Not for `Simulator` itself: scenarios follow what the devices' services do.
        one.observer = simulator.player
    return [*services, control]
