"""What the package would find on another platform: `XFS4IOT_ELSEWHERE=windows pytest`, or `macos`.

Modules of the package that import `os`, `select` and others then get what those hold there; all other
code, trio and the tests among it, has what is really there. Processes that tests start see the same.
Tests that are about this platform itself carry the mark `posix`, and are skipped.

It takes effect when it is imported, which must be before the package is.
"""

from __future__ import annotations

import builtins
import errno
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["WHERE", "not_on_windows", "where"]

WHERE = "XFS4IOT_ELSEWHERE"
"""The variable that names the platform."""

_WINDOWS_LACKS = Path(__file__).with_name("not_on_windows.txt")


def not_on_windows() -> dict[str, frozenset[str]]:
    """What modules lack on Windows: names by module."""
    found: dict[str, set[str]] = {}
    names: set[str] = set()
    for line in _WINDOWS_LACKS.read_text("utf-8").splitlines():
        if line.startswith("["):
            names = found.setdefault(line.strip("[]"), set())
        elif not line.startswith("#"):
            names.update(line.split())
    return {module: frozenset(names) for module, names in found.items()}


_NO_MODULES = frozenset(
    (
        "_posixsubprocess",
        "curses",
        "fcntl",
        "grp",
        "posix",
        "pty",
        "pwd",
        "readline",
        "resource",
        "syslog",
        "termios",
        "tty",
    )
)
"""What is not there at all."""


def where() -> str | None:
    """The platform that is pretended; None for this one."""
    return os.environ.get(WHERE) or None


class _Other(ModuleType):
    """A module as it is elsewhere."""

    def __init__(self, real: ModuleType, lacks: frozenset[str], has: Mapping[str, object]) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__.update(has)
        self.__dict__["_real"] = real
        self.__dict__["_lacks"] = lacks

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["_lacks"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} here")
        return getattr(self.__dict__["_real"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__dict__["_real"], name, value)


class _WithoutDescriptor:
    """A selector that trio cannot wait for, as on Windows."""

    def __init__(self) -> None:
        import select

        self.select = select.select


def _macos() -> dict[str, ModuleType]:
    import select

    return {
        # Its own selector, kqueue, has a file descriptor as the one of this platform has.
        "select": _Other(select, frozenset(("epoll",)), {}),
        "sys": _Other(sys, frozenset(), {"platform": "darwin"}),
    }


_MOVES = ("remove", "rename", "replace", "unlink")


def _open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    """There, a directory cannot be opened."""
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return os.open(path, flags, mode, dir_fd=dir_fd)


def _refuse_if_open(*paths: Any) -> None:
    """There, what somebody has open, this process for one, can neither be moved nor removed nor replaced."""
    try:
        held = {os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}
    except OSError:
        held = set()  # one of them has been closed meanwhile
    for path in paths:
        whole = os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))
        if whole in held:
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(path))


def _unless_open(name: str) -> Callable[..., None]:
    really: Callable[..., None] = getattr(os, name)

    def call(*paths: Any, **more: Any) -> None:
        _refuse_if_open(*paths)
        really(*paths, **more)

    return call


def _refuse_by_path(name: str) -> None:
    """Have the method of paths refuse as `os` does, where the package calls it."""
    really: Callable[..., Any] = getattr(Path, name)

    def call(path: Path, *others: Any, **more: Any) -> Any:
        by = sys._getframe(1).f_globals.get("__name__", "")
        if by.split(".")[0] == "xfs4iot":
            _refuse_if_open(path, *others)
        return really(path, *others, **more)

    setattr(Path, name, call)


def _windows() -> dict[str, ModuleType]:
    import fcntl
    import mmap
    import select
    import selectors
    import signal
    import socket
    import ssl
    import time

    def locking(handle: int, mode: int, _bytes: int) -> None:
        assert mode == 2
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    msvcrt: Any = ModuleType("msvcrt")
    msvcrt.locking, msvcrt.LK_NBLCK = locking, 2
    has: dict[str, tuple[ModuleType, dict[str, object]]] = {
        "mmap": (mmap, {}),
        "os": (os, {"name": "nt", "open": _open, **{name: _unless_open(name) for name in _MOVES}}),
        "sys": (sys, {"platform": "win32"}),
        "select": (select, {}),
        "selectors": (selectors, {"DefaultSelector": _WithoutDescriptor}),
        "signal": (signal, {"SIGBREAK": signal.SIGTERM}),
        "socket": (socket, {"SO_EXCLUSIVEADDRUSE": socket.SO_REUSEADDR}),
        "ssl": (ssl, {"enum_certificates": lambda _store: []}),
        "time": (time, {}),
    }
    lacks = not_on_windows()
    for name in ("rename", "replace", "unlink"):
        _refuse_by_path(name)
    others: dict[str, ModuleType] = {
        name: _Other(real, lacks.get(name, frozenset()), own) for name, (real, own) in has.items()
    }
    return {**others, "msvcrt": msvcrt}


_IMPORTED: Mapping[str, Callable[[], dict[str, ModuleType]]] = {"macos": _macos, "windows": _windows}


def _pretend() -> None:
    """Have the package's modules, which must not be imported yet, import what is found elsewhere.

    Raises:
        ValueError: the variable names no platform that can be pretended.
    """
    platform = where()
    if platform is None:
        return
    if platform not in _IMPORTED:
        raise ValueError(f"{WHERE}={platform} is none of {', '.join(_IMPORTED)}")
    others = _IMPORTED[platform]()
    missing = _NO_MODULES if platform == "windows" else frozenset()
    really = builtins.__import__

    def found(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        by = (globals or {}).get("__name__", "")
        if level == 0 and isinstance(by, str) and by.split(".")[0] == "xfs4iot":
            if name in missing:
                raise ModuleNotFoundError(f"no module named {name!r} on {platform}", name=name)
            if name in others:
                return others[name]
        return really(name, globals, locals, fromlist, level)

    builtins.__import__ = found


_pretend()
