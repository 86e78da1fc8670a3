"""Throughput of the whole service against bare servers of other libraries, side by side.

    python benches/compare.py [--rounds 5] [--seconds 1] [--plot FILE.png] [--json]

Server and load generator run in processes of their own, each on a core of its own; the
generator is compiled (`benches/load`) and reports its own processor time, which shows
whether it was the bottleneck. Every round measures every server once, in turn, so that
the noise of the machine falls on all; ratios are formed within a round, and their median
is reported.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import trio
from peers import PATH, PEERS
from rich.console import Console
from rich.progress import Progress

from xfs4iot import client
from xfs4iot.transport.certificates import test_authority

HERE = Path(__file__).parent
LOAD = HERE / "load" / "target" / "release" / "load"
SCENARIOS = {
    "32 in flight, plain": (1, 32, False),
    "32 in flight, TLS": (1, 32, True),
    "100 connections, plain": (100, 1, False),
    "100 connections, TLS": (100, 1, True),
}
OURS = "ours"


@contextlib.contextmanager
def server(name: str, replies: Path, files: list[str]) -> Iterator[int]:
    """One server in a process of its own, on the first core."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "peers.py"), name, str(replies), *files],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def load(port: int, connections: int, in_flight: int, seconds: float, ca: str | None) -> dict[str, Any]:
    """Load one server from the last core."""
    command = [str(LOAD), "--port", str(port), "--path", PATH, "--seconds", str(seconds)]
    command += ["--connections", str(connections), "--in-flight", str(in_flight)]
    command += ["--ca", ca, "--host", "localhost"] if ca else []
    core = max(os.sched_getaffinity(0))
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def real_replies(directory: Path) -> Path:
    """The texts with which ours answers Common.Status, for the bare servers to send."""
    texts: list[str] = []

    async def ask(port: int) -> None:
        def trace(direction: str, text: str) -> None:
            if direction == "←":
                texts.append(text)

        async with client.connect(f"ws://127.0.0.1:{port}{PATH}", trace=trace) as service:
            await service.call("Common.Status")

    nothing = directory / "none.json"
    nothing.write_text("[]")
    with server(OURS, nothing, []) as port:
        trio.run(ask, port)
    replies = directory / "replies.json"
    replies.write_text(json.dumps(texts))
    return replies


def measure(rounds: int, seconds: float, names: list[str], console: Console) -> dict[str, Any]:
    """Commands per second of every server in every round of every scenario."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary, Progress(console=console) as progress:
        directory = Path(temporary)
        authority = test_authority(directory)
        certificate, key = authority.issue_device("bench", ["localhost", "127.0.0.1"])
        replies = real_replies(directory)
        task = progress.add_task("measuring", total=rounds * len(SCENARIOS) * len(names))
        for scenario, (connections, in_flight, secure) in SCENARIOS.items():
            files = [str(certificate), str(key)] if secure else []
            ca = str(authority.certificate_file) if secure else None
            with contextlib.ExitStack() as stack:
                ports = {name: stack.enter_context(server(name, replies, files)) for name in names}
                for _ in range(rounds):
                    for name in names:
                        progress.update(task, description=f"{scenario}: {name}")
                        result = load(ports[name], connections, in_flight, seconds, ca)
                        results.setdefault(scenario, {}).setdefault(name, []).append(result)
                        progress.advance(task)
    return results


def ratios(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Ours to each peer: median over the rounds of the ratio within a round."""
    return {
        scenario: {
            name: statistics.median(
                mine["commands_per_second"] / its["commands_per_second"]
                for mine, its in zip(servers[OURS], servers[name], strict=True)
            )
            for name in servers
            if name != OURS
        }
        for scenario, servers in results.items()
    }


def generator_load(results: dict[str, Any]) -> dict[str, float]:
    """How busy the generator's core was while ours was measured; 1 would be the bottleneck."""
    return {
        scenario: statistics.median(
            one["generator_processor_seconds"] / one["seconds"] for one in servers[OURS]
        )
        for scenario, servers in results.items()
    }


def markdown(found: dict[str, dict[str, float]], busy: dict[str, float]) -> str:
    """The table: how many times as many commands a second as each peer."""
    peers = list(next(iter(found.values())))
    lines = [
        "| | " + " | ".join(peers) + " | generator busy |",
        "|---" * (len(peers) + 2) + "|",
    ]
    for scenario, row in found.items():
        cells = " | ".join(f"{row[peer]:.1f}" for peer in peers)
        lines.append(f"| {scenario} | {cells} | {busy[scenario]:.0%} |")
    return "\n".join(lines)


def plot(found: dict[str, dict[str, float]], file: Path) -> None:
    """The same as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    peers = list(next(iter(found.values())))
    figure, axes = plt.subplots(figsize=(11, 5.5), layout="constrained")
    height = 0.8 / len(found)
    for row, (scenario, values) in enumerate(found.items()):
        places = [index - row * height for index in range(len(peers))]
        bars = axes.barh(places, [values[peer] for peer in peers], height=height * 0.9, label=scenario)
        axes.bar_label(bars, fmt="%.1f×", padding=3, fontsize=8)
    axes.axvline(1, color="0.3", linewidth=1, linestyle="--")
    axes.set_yticks(
        [index - 0.8 / 2 + height / 2 for index in range(len(peers))], [f"bare {p}" for p in peers]
    )
    axes.invert_yaxis()
    axes.set_xlabel("commands per second of the whole xfs4iot service, as a multiple of the bare server")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(file, dpi=150)


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="Per measurement.")
@click.option("--peer", "only", multiple=True, help="Only these peers.")
@click.option("--plot", "picture", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def main(rounds: int, seconds: float, only: tuple[str, ...], picture: Path | None, as_json: bool) -> None:
    """Measure and print the table."""
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=HERE / "load", check=True)
    console = Console(stderr=True)
    names = [OURS, *(only or [name for name in PEERS if name != OURS])]
    results = measure(rounds, seconds, names, console)
    found, busy = ratios(results), generator_load(results)
    if picture:
        plot(found, picture)
    if as_json:
        click.echo(json.dumps({"ratios": found, "generator_busy": busy, "rounds": results}, indent=2))
    else:
        click.echo(markdown(found, busy))


if __name__ == "__main__":
    main()
