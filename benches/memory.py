"""What an idle connection costs: the whole service against bare servers, plain and TLS.

    python benches/memory.py [--connections 1000] [--rounds 3] [--json]

Each server runs in a process of its own, a new one for every round. Clients connect, send one
command, take the replies and then keep silent; the growth of the server's resident memory is
divided by their number. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from compare import OURS, STATUS, Server, real_replies, server
from peers import opening
from rich.console import Console
from rich.progress import track
from rich.table import Table

from xfs4iot.transport.certificates import test_authority

PEERS = ("trio-websocket", "websockets")
BARS = {"plain": (0.75, 0.4), "TLS": (1.0, 0.7)}
"""What ours may cost of what trio-websocket costs, and the part to reach for."""
WARM_UP = 50
COMMAND = b'{"header":{"name":"Common.Status","requestId":1,"type":"command","version":"3.0"}}'
FRAME = bytes([0x81, 0x80 | len(COMMAND)]) + bytes(4) + COMMAND
REPLIES = 2


def resident(running: Server) -> int:
    """Resident memory of a server, in bytes."""
    return int(Path(f"/proc/{running.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def connect(running: Server, context: ssl.SSLContext | None) -> socket.socket:
    """A connection that has carried one command and its replies."""
    connection = socket.create_connection(("127.0.0.1", running.port))
    if context is not None:
        connection = context.wrap_socket(connection, server_hostname="localhost")
    connection.sendall(opening())
    answer = connection.makefile("rb", buffering=0)
    while answer.readline() not in (b"\r\n", b""):
        pass
    connection.sendall(FRAME)
    for _ in range(REPLIES):
        _, size = answer.read(2)
        if size == 126:
            size = int.from_bytes(answer.read(2), "big")
        while size:
            size -= len(answer.read(size))
    return connection


def cost(name: str, replies: Path, files: list[str], context: ssl.SSLContext | None, count: int) -> float:
    """Bytes for one of `count` connections."""
    with server(name, replies, files) as running, ExitStack() as stack:
        for _ in range(WARM_UP):
            stack.enter_context(connect(running, context))
        before = resident(running)
        for _ in range(count):
            stack.enter_context(connect(running, context))
        return (resident(running) - before) / count


@click.command()
@click.option("--connections", default=1000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(connections: int, rounds: int, as_json: bool) -> None:
    """Measure, and print medians of the rounds; exit 1 if a bar is missed."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, connections + WARM_UP + 100)), hard))
    names = (OURS, *PEERS)
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        replies = real_replies(directory)[STATUS]
        authority = test_authority(directory)
        pair = authority.issue_device("memory", ["localhost", "127.0.0.1"])
        context = ssl.create_default_context(cafile=authority.certificate_file)
        cases = [(how, name) for how in BARS for _ in range(rounds) for name in names]
        for how, name in track(cases, "holding connections", console=Console(stderr=True)):
            secure = how == "TLS"
            one = cost(
                name,
                replies,
                list(map(str, pair)) if secure else [],
                context if secure else None,
                connections,
            )
            found.setdefault(how, {}).setdefault(name, []).append(one)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    table = Table("", *(f"{name}, KiB" for name in names), f"ours to {PEERS[0]}", "at most", "reach for")
    missed = False
    for how, costs in found.items():
        part = statistics.median(a / b for a, b in zip(costs[OURS], costs[PEERS[0]], strict=True))
        bar, reach = BARS[how]
        missed |= part > bar
        table.add_row(
            how,
            *(f"{statistics.median(costs[name]) / 1024:.1f}" for name in names),
            f"[{'red' if part > bar else 'green'}]{part:.2f}[/]",
            f"{bar:g}",
            f"{reach:g}",
        )
    if not as_json:
        Console().print(table)
    sys.exit(missed)


if __name__ == "__main__":
    main()
