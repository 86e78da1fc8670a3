"""Modules that are imported when the first of their names is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["late", "late_libraries"]


def late(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        package: its `__name__`.
        modules: by name the module in it where that is defined.
    """

    def find(name: str) -> Any:
        module = modules.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return find


def late_libraries(names: Iterable[str]) -> None:
    """Make `import` of modules of others cost nothing before they are used.

    For a program, before it imports what imports them: they are late for everyone in the process. Such a
    module is itself from the beginning; what it holds comes with the first name that is asked for. One that
    is loaded already, or is not installed, stays as it is.

    Args:
        names: of modules that are in no package.
    """
    for name in names:
        if name not in sys.modules:
            _begin(name)


def _begin(name: str) -> None:
    # Not imported by everyone who imports this.
    from importlib.util import find_spec, module_from_spec
    from threading import RLock

    spec = find_spec(name)
    if spec is None or spec.loader is None:
        return
    loader = spec.loader
    # Not `LazyLoader`: it loads at the very `import`, which looks at `__spec__` of what is in `sys.modules`.
    module = module_from_spec(spec)
    names, lock, begun = module.__dict__, RLock(), False

    def find(wanted: str) -> Any:
        nonlocal begun
        # Tools look for names such as `__path__` in all modules.
        if wanted.startswith("__"):
            raise AttributeError(f"module {name!r} has no attribute {wanted!r}")
        with lock:
            if not begun:
                begun = True
                try:
                    loader.exec_module(module)
                except BaseException:
                    begun = False
                    names["__getattr__"] = find
                    raise
            # While it is loaded, it may ask for names of its own.
            own = names.get("__getattr__")
            if wanted in names or own is not find:
                return getattr(module, wanted)
        raise AttributeError(f"module {name!r} has no attribute {wanted!r}")

    names["__getattr__"] = find
    sys.modules[name] = module
