"""Device classes by name: those that packages offer, and those of any module."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from xfs4iot.devices import Device

__all__ = ["load_device"]

_DEVICES = "xfs4iot.devices"


def load_device(name: str) -> type[Device]:
    """The device class called `name`: an entry point of `xfs4iot.devices`, or `module:Class`.

    Raises:
        ValueError: there is none; the text says what to write.
    """
    found: Any
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            imported = import_module(module)
        except ImportError as problem:
            raise ValueError(f"module {module} cannot be imported: {problem}") from None
        except Exception as problem:
            raise ValueError(f"module {module} fails on import: {problem!r}") from None
        found = getattr(imported, attribute, None)
        if found is None:
            raise ValueError(f"module {module} has no {attribute}")
    else:
        known = {point.name: point for point in entry_points(group=_DEVICES)}
        if name not in known:
            raise ValueError(
                f"no installed package offers a device {name!r}; write module:Class, or one of: "
                f"{', '.join(sorted(known)) or 'none is installed'}"
            )
        try:
            found = known[name].load()
        except Exception as problem:
            raise ValueError(f"device {name!r} ({known[name].value}) cannot be loaded: {problem!r}") from None
    if not (isinstance(found, type) and issubclass(found, Device)):
        raise ValueError(f"{name} is no class derived from xfs4iot.devices.Device")
    return found
