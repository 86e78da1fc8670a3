"""Which devices a simulated ATM has: a profile, a file in TOML.

    seed = 1
    seconds = 0.2

    [services.CashDispenser]
    kinds = ["CashDispenser"]

A service is a table with the name of the service; `kinds` are those of the table in
`simulator.kinds`, several for a device of several interfaces; everything else in it are the settings
of the device. What a service does not say is as in the default profile.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["DEFAULT", "Profile", "ServiceProfile", "read", "shipped", "shipped_settings"]

_DIRECTORY = Path(__file__).parent / "profiles"
DEFAULT = "default"


@dataclass(frozen=True)
class ServiceProfile:
    """One service.

    Attributes:
        kinds: of the device.
        settings: of the device, by name.
    """

    kinds: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """A simulated ATM.

    Attributes:
        services: by name, in the order in which they are published.
        seed: what all chance follows from.
        seconds: how long a movement takes.
        dialect: of its listener.
    """

    services: Mapping[str, ServiceProfile]
    seed: int = 1
    seconds: Decimal = Decimal("0.2")
    dialect: str = "standard"


def shipped() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(file.stem for file in _DIRECTORY.glob("*.toml"))


def read(profile: str | Path) -> Profile:
    """The profile in a file, or the one that comes with the package under this name."""
    file = _DIRECTORY / f"{profile}.toml" if str(profile) in shipped() else Path(profile)
    content = tomllib.loads(file.read_text("utf-8"), parse_float=Decimal)
    services = {
        name: {"kinds": table.pop("kinds", [name]), "settings": table}
        for name, table in content.pop("services", {}).items()
    }
    return msgspec.convert({**content, "services": services}, Profile)


@cache
def _default() -> Profile:
    return read(DEFAULT)


def shipped_settings(device: type[Any]) -> dict[str, Any]:
    """What the default profile says of a device of this class."""
    names = {kind.__name__ for kind in device.__mro__}
    settings: dict[str, Any] = {}
    for service in _default().services.values():
        if any(f"Simulated{kind}" in names for kind in service.kinds):
            settings |= service.settings
    return settings
