"""Loads other people's code by name: device classes that packages offer, and anything in a module."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from xfs4iot.close_matches import close_matches
from xfs4iot.devices import Device

__all__ = ["ModuleUnknown", "load_device", "load_handler"]

_DEVICES = "xfs4iot.devices"


class ModuleUnknown(ValueError):
    """Python does not find a module.

    Attributes:
        module: its name.
    """

    def __init__(self, module: str) -> None:
        super().__init__(f"Python finds no module {module}")
        self.module = module


def load_device(name: str) -> type[Device]:
    """The device class called `name`: an entry point of `xfs4iot.devices`, or `module:Class`.

    Raises:
        ModuleUnknown: Python does not find the module.
        ValueError: there is no such class; the text says what to write.
    """
    found: Any
    if ":" in name:
        found = _load(name)
    else:
        # Here, since it loads readers of mail and of archives, and most devices are named by their class.
        from importlib.metadata import entry_points

        known = {point.name: point for point in entry_points(group=_DEVICES)}
        if name not in known:
            raise ValueError(
                f"no installed package offers a device {name!r}; "
                "install its package, or write module:Class or one of: "
                f"{', '.join(sorted(known)) or 'none is installed'}"
            )
        try:
            found = known[name].load()
        except Exception as problem:
            raise ValueError(f"device {name!r} ({known[name].value}) cannot be loaded: {problem!r}") from None
    if not (isinstance(found, type) and issubclass(found, Device)):
        raise ValueError(f"{name} is not a class derived from xfs4iot.devices.Device")
    return found


def load_handler(name: str) -> logging.Handler:
    """What `module:function` gives, which is called without arguments: a handler for the log.

    Raises:
        ValueError: there is none; the text says what to write.
    """
    if ":" not in name:
        raise ValueError(
            f"{name!r} is not a handler; write module:function, of one that returns a logging.Handler"
        )
    function = _load(name)
    try:
        made = function()
    except Exception as problem:
        raise ValueError(f"{name} fails: {problem!r}") from None
    if not isinstance(made, logging.Handler):
        raise ValueError(f"{name} returns a {type(made).__name__}, no logging.Handler")
    return made


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        imported = import_module(module)
    except ModuleNotFoundError as problem:
        # Missing is the module or a package around it; otherwise it is something the module imports.
        if problem.name is not None and f"{module}.".startswith(f"{problem.name}."):
            raise ModuleUnknown(module) from None
        raise ValueError(f"module {module} cannot be imported: {problem}; install what it needs") from None
    except ImportError as problem:
        raise ValueError(f"module {module} cannot be imported: {problem}") from None
    except Exception as problem:
        raise ValueError(f"module {module} fails on import: {problem!r}") from None
    found = getattr(imported, attribute, None)
    if found is None:
        classes = [name for name, one in vars(imported).items() if isinstance(one, type)]
        near = close_matches(attribute, classes, 1)
        hint = f"; did you mean {module}:{near[0]}?" if near else ""
        raise ValueError(f"module {module} has no {attribute}{hint}")
    return found
