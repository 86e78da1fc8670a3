"""What the package would find on another platform: `XFS4IOT_ELSEWHERE=windows pytest`, or `macos`.

Modules of the package that import `os`, `select` and others then get what those hold there; all other
code, trio and the tests among it, has what is really there. Processes that tests start see the same.
Tests that are about this platform itself carry the mark `posix`, and are skipped.

It takes effect when it is imported, which must be before the package is.
"""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

__all__ = ["WHERE", "where"]

WHERE = "XFS4IOT_ELSEWHERE"
"""The variable that names the platform."""

_NOT_ON_WINDOWS: Mapping[str, str] = {
    "os": """
        chown fchmod fchown lchown fork forkpty getuid geteuid getgid getegid getpgid getsid setsid setuid
        setgid killpg mkfifo mknod nice openpty pread pwrite preadv pwritev readv writev posix_fadvise
        posix_fallocate sendfile sync uname wait WNOHANG O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC
        O_DSYNC statvfs sched_getaffinity sched_setaffinity ttyname ctermid getloadavg
    """,
    "select": "epoll poll kqueue",
    "signal": """
        SIGHUP SIGKILL SIGUSR1 SIGUSR2 SIGALRM SIGCHLD SIGPIPE SIGQUIT SIGWINCH SIGTSTP SIGCONT alarm pause
        setitimer pthread_sigmask sigwait siginterrupt
    """,
    "socket": """
        AF_UNIX SO_REUSEPORT SOCK_CLOEXEC SOCK_NONBLOCK MSG_DONTWAIT MSG_NOSIGNAL TCP_DEFER_ACCEPT
        TCP_QUICKACK TCP_USER_TIMEOUT CMSG_LEN SCM_RIGHTS
    """,
}
"""What modules lack on Windows."""

_NO_MODULES = frozenset(
    ("curses", "fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
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


def _windows() -> dict[str, ModuleType]:
    import fcntl
    import select
    import selectors
    import signal
    import socket
    import ssl

    def locking(handle: int, mode: int, _bytes: int) -> None:
        assert mode == 2
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    msvcrt: Any = ModuleType("msvcrt")
    msvcrt.locking, msvcrt.LK_NBLCK = locking, 2
    has: dict[str, tuple[ModuleType, dict[str, object]]] = {
        "os": (os, {"name": "nt"}),
        "sys": (sys, {"platform": "win32"}),
        "select": (select, {}),
        "selectors": (selectors, {"DefaultSelector": _WithoutDescriptor}),
        "signal": (signal, {"SIGBREAK": signal.SIGTERM}),
        "socket": (socket, {"SO_EXCLUSIVEADDRUSE": socket.SO_REUSEADDR}),
        "ssl": (ssl, {"enum_certificates": lambda _store: []}),
    }
    others: dict[str, ModuleType] = {
        name: _Other(real, frozenset(_NOT_ON_WINDOWS.get(name, "").split()), own)
        for name, (real, own) in has.items()
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
