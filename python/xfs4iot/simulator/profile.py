"""Which devices a simulated ATM has: a profile, a file in TOML.

    seed = 1
    seconds = 0.2

    [services.CashDispenser]
    kinds = ["CashDispenser"]

A service is a table with the name of the service. `kinds` are rows of the table in `simulator.kinds`,
several for a device of several interfaces; everything else is a setting of the device, as its
classes declare in `Settings`. What a service leaves out is as in the default profile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from xfs4iot import toml_file
from xfs4iot.dataclass import dataclass
from xfs4iot.simulator import shipped
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.kinds import KINDS, device_class

__all__ = ["Profile", "ServiceProfile", "read"]


@dataclass(frozen=True)
class ServiceProfile:
    """One service.

    Attributes:
        device: the class of its device.
        settings: of the device, by name.
    """

    device: type[SimulatedDevice]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Profile:
    """A simulated ATM.

    Attributes:
        services: by name, in the order in which they are published.
        seed: what all chance follows from.
        seconds: how long a movement takes.
        dialect: of its listener.
        command_nonces: whether services whose commands can carry end-to-end tokens give nonces, though
            without a key no token is needed.
    """

    services: Mapping[str, ServiceProfile]
    seed: int
    seconds: Decimal
    dialect: str
    command_nonces: bool = False


@dataclass(frozen=True)
class _File:
    """What a profile says; for its attributes see `Profile`."""

    services: dict[str, Any] = field(default_factory=dict)
    seed: int = 1
    seconds: Decimal = Decimal("0.2")
    dialect: Literal["standard", "sp-dev"] = "standard"
    command_nonces: bool = False


def read(profile: str | Path) -> Profile:
    """The profile that comes with the package under this name, or the one in a file.

    Raises:
        ConfigurationError: with every mistake in the file, its line, and what is allowed.
    """
    names = shipped.names()
    if str(profile) not in names and not Path(profile).is_file():
        text = f"there is no such file, and no such profile; profiles: {', '.join(names)}"
        raise toml_file.ConfigurationError(Path(profile), [toml_file.Mistake(0, text)])
    file = shipped.profile_file(str(profile)) if str(profile) in names else Path(profile)
    content, lines = toml_file.load(file, Decimal)
    reader = _Reader(file.parent, lines)
    said: _File | None = reader.table(_File, content, ())
    if said is not None and said.seconds < 0:
        reader.mistake(("seconds",), "seconds: 0 or more")
    tables = said.services if said is not None else content.get("services")
    services = {
        name: reader.service(name, one) for name, one in (tables.items() if isinstance(tables, dict) else ())
    }
    if tables == {}:
        reader.mistake(("services",), "no service is configured; add [services.NAME] with kinds")
    if reader.mistakes or said is None:
        # What several kinds of a device declare is wrong in each, and told once.
        raise toml_file.ConfigurationError(file, list(dict.fromkeys(reader.mistakes)))
    found = {name: one for name, one in services.items() if one is not None}
    return Profile(found, said.seed, said.seconds, said.dialect, said.command_nonces)


class _Reader(toml_file.Reader):
    """Reads a profile, collecting mistakes."""

    def service(self, name: str, content: Any) -> ServiceProfile | None:
        """One service; None if its device cannot be told."""
        where = ("services", name)
        if not isinstance(content, dict):
            self.mistake(where, f"{toml_file.title(where)} must be a table")
            return None
        if name == "Simulator" or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            self.mistake(where, f"a service cannot be called {name!r}; use letters, digits, _ . -")
        kinds = content.get("kinds")
        if not isinstance(kinds, list) or not kinds or any(kind not in KINDS for kind in kinds):
            self.mistake((*where, "kinds"), f"services.{name}.kinds: a list of {', '.join(KINDS)}")
            return None
        device = device_class(tuple(kinds))
        settings = {key: value for key, value in content.items() if key != "kinds"}
        self._check(device, {**shipped.settings_of(device), **settings}, where)
        return ServiceProfile(device, settings)

    def _check(self, device: type[SimulatedDevice], settings: Mapping[str, Any], where: Any) -> None:
        """Whether the device can be made with these settings."""
        kinds = device.settings_classes()
        known = {one.name: kind for kind in kinds for one in fields(kind)}
        for name in settings:
            if name not in known:
                self.mistake(
                    (*where, name),
                    f"{toml_file.title((*where, name))} is not known; known are: kinds, {', '.join(known)}",
                )
        for kind in kinds:
            own = {one.name for one in fields(kind)}
            table = self.table(kind, {key: one for key, one in settings.items() if key in own}, where)
            if table is not None and hasattr(table, "mistakes"):
                for way, text in table.mistakes():
                    self.mistake((*where, *way), f"{toml_file.title((*where, *way))}: {text}")
