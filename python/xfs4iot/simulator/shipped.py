"""The profiles that come with the package, and what the default one says about each device."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["DEFAULT", "names", "profile_file", "settings_of"]

_DIRECTORY = Path(__file__).parent / "profiles"
DEFAULT = "default"


def names() -> list[str]:
    """What the profiles are called."""
    return sorted(file.stem for file in _DIRECTORY.glob("*.toml"))


def profile_file(name: str) -> Path:
    """The file of a profile."""
    return _DIRECTORY / f"{name}.toml"


@cache
def _default_services() -> dict[str, dict[str, Any]]:
    content = tomllib.loads(profile_file(DEFAULT).read_text("utf-8"), parse_float=Decimal)
    services: dict[str, dict[str, Any]] = content["services"]
    return services


def settings_of(device: type[Any]) -> dict[str, Any]:
    """The settings that the default profile has for the first device of this class."""
    classes = {kind.__name__ for kind in device.__mro__}
    settings: dict[str, Any] = {}
    known: set[str] = set()
    for service in _default_services().values():
        found = {kind for kind in service["kinds"] if f"Simulated{kind}" in classes}
        if found - known:
            settings |= service
            known |= found
    # A service may be a device of several kinds, of which this one need not have all.
    named = {one.name for kind in device.settings_classes() for one in fields(kind)}
    return {name: value for name, value in settings.items() if name in named}
