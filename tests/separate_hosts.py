"""Hosts of their own on one machine: network namespaces, and a branch behind a router.

    broker1, broker2, broker3, enroll, gateway, office   at one switch, 10.77.0.0/24
    provider   between that and the line
    router     at the other end of the line; translates addresses, and nobody gets in
    atm        192.168.7.2

Each host knows the others by names of `bank.example`. For Linux; needs to be root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

CENTRE = {
    "broker1": "10.77.0.11", "broker2": "10.77.0.12", "broker3": "10.77.0.13",
    "enroll": "10.77.0.21", "gateway": "10.77.0.31", "office": "10.77.0.41",
}  # fmt: skip
_LAN = "192.168.7"
_ABROAD = "10.99.0"


def possible() -> str:
    """Why there can be none on this machine; empty if there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux, and root"
    for program in ("ip", "iptables"):
        if shutil.which(program) is None:
            return f"needs {program}"
    if not os.access("/dev/net/tun", os.W_OK):
        return "needs /dev/net/tun"
    tried = subprocess.run(["ip", "netns", "add", "x4-trial"], capture_output=True, text=True)
    if tried.returncode:
        return f"no network namespaces: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", "x4-trial"], check=True)
    return ""


class Hosts:
    """All hosts while the block lasts; processes on them end with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[str]] = []
        self._line: subprocess.Popen[str] | None = None

    def _names(self) -> list[str]:
        return [*CENTRE, "provider", "router", "atm"]

    def __enter__(self) -> Hosts:
        self._remove()
        named = "127.0.0.1 localhost\n" + "".join(
            f"{address} {name}.bank.example\n" for name, address in CENTRE.items()
        )
        for name in self._names():
            self.ip("netns", "add", f"x4-{name}")
            self.ip("-n", f"x4-{name}", "link", "set", "lo", "up")
            there = Path("/etc/netns", f"x4-{name}")
            there.mkdir(parents=True)
            (there / "hosts").write_text(named + f"{_LAN}.1 proxy.branch.example\n", "utf-8")
        # The provider is the switch, too.
        self.ip("-n", "x4-provider", "link", "add", "switch", "type", "bridge")
        for name, address in CENTRE.items():
            self.ip("link", "add", "eth0", "netns", f"x4-{name}", "type", "veth",
                    "peer", "name", name, "netns", "x4-provider")  # fmt: skip
            self.ip("-n", "x4-provider", "link", "set", name, "master", "switch", "up")
            self._up(name, f"{address}/24", "10.77.0.1")
        self.ip("-n", "x4-provider", "address", "add", "10.77.0.1/24", "dev", "switch")
        self.ip("-n", "x4-provider", "link", "set", "switch", "up")
        self.ip("link", "add", "eth0", "netns", "x4-atm", "type", "veth",
                "peer", "name", "eth0", "netns", "x4-router")  # fmt: skip
        self._up("router", f"{_LAN}.1/24", None)
        self._up("atm", f"{_LAN}.2/24", f"{_LAN}.1")
        ends = (
            "x4-provider", f"{_ABROAD}.1", f"{_ABROAD}.2/32", "x4-router", f"{_ABROAD}.2", f"{_ABROAD}.1/32",
        )  # fmt: skip
        self._line = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "wide_area.py"), *ends],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._line.stdout is not None
        assert self._line.stdout.readline() == "ready\n"
        self.ip("-n", "x4-router", "route", "add", "default", "dev", "line")
        self.ip("-n", "x4-provider", "route", "add", f"{_ABROAD}.0/24", "dev", "line")
        for name in ("provider", "router"):
            self.on(name, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.on("router", "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "line", "-j", "MASQUERADE")
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*reversed(self.processes), *([] if self._line is None else [self._line])):
            process.kill()
            process.wait()
            for end in (process.stdin, process.stdout):
                if end is not None:
                    end.close()
        self._remove()

    def _remove(self) -> None:
        for name in self._names():
            subprocess.run(["ip", "netns", "delete", f"x4-{name}"], capture_output=True)
            shutil.rmtree(f"/etc/netns/x4-{name}", ignore_errors=True)

    def _up(self, name: str, address: str, gateway: str | None) -> None:
        self.ip("-n", f"x4-{name}", "address", "add", address, "dev", "eth0")
        self.ip("-n", f"x4-{name}", "link", "set", "eth0", "up")
        if gateway is not None:
            self.ip("-n", f"x4-{name}", "route", "add", "default", "via", gateway)

    @staticmethod
    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True)

    @staticmethod
    def _there(name: str, arguments: tuple[str, ...]) -> list[str]:
        return ["ip", "netns", "exec", f"x4-{name}", *arguments]

    def on(self, name: str, *arguments: str, check: bool = True, **more: Any) -> str:
        """Run a program on a host until it ends; what it has printed, also of its complaints."""
        done = subprocess.run(
            self._there(name, arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=self.directory, **more,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{name}: {arguments}: {done.stdout}"
        return done.stdout

    def xfs4iot(self, name: str, *arguments: str, check: bool = True) -> str:
        """A command of ours on a host."""
        return self.on(name, sys.executable, "-m", "xfs4iot", *arguments, check=check)

    def start(self, name: str, *arguments: str, ready: bool = True) -> IO[str] | None:
        """Start a program on a host; waits for its first line if it says when it is ready.

        What it complains of is in a file of its name.
        """
        number = len(self.processes)
        with (self.directory / f"{name}-{number}.log").open("w") as log:
            process = subprocess.Popen(
                self._there(name, arguments), stdout=subprocess.PIPE if ready else log, stderr=log,
                text=True, cwd=self.directory, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self.processes.append(process)
        if ready:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (self.directory / f"{name}-{number}.log").read_text()[-2000:]
        return process.stdout

    def line(self, what: str) -> None:
        """Tell the line between branch and centre: `delay SECONDS`, `cut` or `mend`."""
        assert self._line is not None
        assert self._line.stdin is not None
        assert self._line.stdout is not None
        self._line.stdin.write(what + "\n")
        self._line.stdin.flush()
        assert self._line.stdout.readline() == "done\n"
