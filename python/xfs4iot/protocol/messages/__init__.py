"""The messages of the newest version as classes, generated from the catalogue.

What a device tells of itself all the time is in the module of its interface. The payloads of commands and
events are to be had from there as well, but stand in a module of their own, `<interface>_commands`, that is
loaded when one of them is first asked for.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["interface_module", "later"]

_COMMANDS = "_commands"


def later(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of an interface's module: loads its commands and events once one is asked for."""

    def find(name: str) -> Any:
        own = vars(sys.modules[module])
        # Python itself asks modules for many names with an underscore: no message has one.
        if not name.startswith("_"):
            for one, found in vars(import_module(f"{module}{_COMMANDS}")).items():
                if not one.startswith("_"):
                    own.setdefault(one, found)
            if name in own:
                return own[name]
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return find


def interface_module(kind: type[Any]) -> str:
    """The name of the interface's module from which a message class is to be had."""
    return kind.__module__.removesuffix(_COMMANDS)
