"""TLS handshakes and idle connections: ours and trio's on the standard library, side by side.

    python benches/tls.py [--rounds N] [--handshakes N] [--idle N] [--json]

Each server runs in a process of its own; the client is the standard library's for both.
What is compared is the processor time that the server spends on a handshake, from accept
to the first byte received, in rounds that take turns; and the resident memory that one
more idle TLS stream costs after it has carried a message. What a whole connection costs,
WebSocket, session and all, `memory.py` measures. Ratios hold from machine to machine,
absolute figures do not.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trio

_HELLO = b"hello"


def _serve(kind: str, certificate: str, key: str, ca: str | None) -> None:
    """Answer each connection's first bytes; print processor time whenever a line comes in."""
    if kind == "ours":
        from xfs4iot.transport import tcp, tls

        config = tls.TLSConfig(
            certificate, key, client_certificates="required" if ca else "none", client_ca=ca
        )
        ours = tls.server_context(config)

        def secure(connection: trio.socket.SocketType) -> trio.abc.Stream:
            return tls.TLSStream(tcp.SocketStream(connection), ours, server_side=True)

    else:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        if ca:
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED

        def secure(connection: trio.socket.SocketType) -> trio.abc.Stream:
            return trio.SSLStream(trio.SocketStream(connection), context, server_side=True)

    async def connection(accepted: trio.socket.SocketType) -> None:
        stream = secure(accepted)
        try:
            while data := await stream.receive_some():
                await stream.send_all(data)
        except trio.BrokenResourceError:
            pass
        await trio.aclose_forcefully(stream)

    async def report() -> None:
        async for _ in trio.wrap_file(sys.stdin):
            print(time.process_time(), flush=True)

    async def main() -> None:
        listener = trio.socket.socket()
        await listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        print(listener.getsockname()[1], flush=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report)
            while True:
                accepted, _ = await listener.accept()
                nursery.start_soon(connection, accepted)

    trio.run(main)


class _Server:
    def __init__(self, process: subprocess.Popen[str], client: ssl.SSLContext) -> None:
        assert process.stdout is not None
        self.process = process
        self.client = client
        self.port = int(process.stdout.readline())
        self.session: ssl.SSLSession | None = None

    def seconds(self) -> float:
        """Processor time that the server has used."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def resident(self) -> int:
        """Resident memory of the server, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024

    def connect(self, *, resume: bool) -> ssl.SSLSocket:
        """One connection that has carried a message."""
        raw = socket.create_connection(("127.0.0.1", self.port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secured = self.client.wrap_socket(
            raw, server_hostname="localhost", session=self.session if resume else None
        )
        secured.sendall(_HELLO)
        assert secured.recv(100) == _HELLO
        if resume and self.session is not None:
            assert secured.session_reused
        self.session = secured.session
        return secured

    def handshakes(self, count: int, *, resume: bool) -> float:
        """Handshakes per second of the server's processor time."""
        self.connect(resume=False).close()
        before = self.seconds()
        for _ in range(count):
            self.connect(resume=resume).close()
        return count / (self.seconds() - before)

    def idle(self, count: int) -> float:
        """Bytes that one of `count` idle connections costs."""
        warm = [self.connect(resume=False) for _ in range(20)]
        before = self.resident()
        held = [self.connect(resume=False) for _ in range(count)]
        cost = (self.resident() - before) / count
        for one in (*warm, *held):
            one.close()
        return cost


@contextmanager
def _running(
    kind: str, certificate: Path, key: Path, client: ssl.SSLContext, ca: Path | None
) -> Iterator[_Server]:
    arguments = [sys.executable, __file__, "--serve", kind, str(certificate), str(key)]
    process = subprocess.Popen(
        [*arguments, *([str(ca)] if ca else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield _Server(process, client)
    finally:
        process.kill()
        process.communicate()


def compare(rounds: int, handshakes: int, idle: int) -> dict[str, dict[str, float]]:
    """Every figure of both servers, and how many times better ours is."""
    from xfs4iot.transport.certificates import test_authority

    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="xfs4iot-bench-") as directory:
        authority = test_authority(directory)
        for key_kind in ("ecdsa", "rsa"):
            device = authority.issue_device(f"atm {key_kind}", ["localhost"], kind=key_kind)  # type: ignore[arg-type]
            own = authority.issue_client(f"client {key_kind}", kind=key_kind)  # type: ignore[arg-type]
            for mutual in (False, True):
                client = ssl.create_default_context(cafile=authority.certificate_file)
                if mutual:
                    client.load_cert_chain(*own)
                ca = authority.certificate_file if mutual else None
                with ExitStack() as stack:
                    servers = {
                        name: stack.enter_context(_running(name, *device, client, ca))
                        for name in ("ours", "trio")
                    }
                    for resume in (False, True):
                        measured: dict[str, list[float]] = {name: [] for name in servers}
                        for _ in range(rounds):
                            for name, server in servers.items():
                                measured[name].append(server.handshakes(handshakes, resume=resume))
                        what = (
                            f"{'resumed' if resume else 'full'} handshakes/s, {key_kind}, "
                            f"{'with' if mutual else 'without'} client certificate"
                        )
                        medians = {name: statistics.median(found) for name, found in measured.items()}
                        figures[what] = {**medians, "ratio": medians["ours"] / medians["trio"]}
                        _say(what, figures[what])
                    if key_kind == "ecdsa":
                        what = f"idle connection, bytes, {'with' if mutual else 'without'} client certificate"
                        costs = {name: server.idle(idle) for name, server in servers.items()}
                        figures[what] = {**costs, "ratio": costs["ours"] / costs["trio"]}
                        _say(what, figures[what])
    return figures


def _say(what: str, found: dict[str, float]) -> None:
    print(
        f"{what:60} ours {found['ours']:9.0f}  trio {found['trio']:9.0f}  ratio {found['ratio']:.2f}",
        file=sys.stderr,
    )


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        kind, certificate, key, *ca = sys.argv[2:]
        _serve(kind, certificate, key, ca[0] if ca else None)
        return
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--handshakes", type=int, default=200)
    options.add_argument("--idle", type=int, default=400)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    figures = compare(chosen.rounds, chosen.handshakes, chosen.idle)
    if chosen.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
