"""Throughput of the whole service against bare servers of other libraries, side by side.

    pip install '.[bench]' && python benches/compare.py

Takes about five minutes. The tables are printed and written to `target/compare.md`, the chart
to `target/compare.png`; exits with 1 if one of the bars is missed.

Server and load generator run in processes of their own, each on a core of its own. Every
round of a scenario measures every server once, in turn, so that the noise of the machine
falls on all; ratios are formed within a round, and their median is reported with the least
and the greatest. The generator is compiled (`benches/load`). That it is not the bottleneck is
part of the result: how busy it kept its core, and the server its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import trio
from peers import PATH, PEERS
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from xfs4iot import client
from xfs4iot.transport.certificates import test_authority

HERE = Path(__file__).parent
OUT = HERE.parent / "target"
LOAD = HERE / "load" / "target" / "release" / "load"
SCENARIOS = {
    "32 in flight, plain": (1, 32, False),
    "32 in flight, TLS": (1, 32, True),
    "100 connections, plain": (100, 1, False),
    "100 connections, TLS": (100, 1, True),
}
"""Connections, commands in flight on each, TLS."""
OURS = "ours"
WARM_UP = 0.3
"""Seconds of load before counting begins."""
BARS = {
    ("32 in flight, plain", "trio-websocket"): (6, 12),
    ("32 in flight, TLS", "trio-websocket"): (6, 12),
    ("100 connections, plain", "trio-websocket"): (3, 5),
    ("100 connections, TLS", "trio-websocket"): (2.5, 4),
    ("100 connections, plain", "websockets-uvloop"): (1.1, 1.7),
    ("100 connections, TLS", "websockets-uvloop"): (1.1, 1.7),
}
"""The ratio that must be, and the one to reach for."""
LIBRARIES = {
    "trio-websocket": ["trio_websocket"],
    "websockets": ["websockets"],
    "websockets-uvloop": ["websockets", "uvloop"],
    "aiohttp": ["aiohttp", "uvloop"],
    "picows": ["picows", "uvloop"],
    "picows-coalesced": ["picows", "uvloop"],
}
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A server or the generator did not do its part; the text says what it said."""


@dataclass
class Server:
    """One server that runs.

    Attributes:
        port: where it listens.
        pid: its process.
    """

    port: int
    pid: int

    def processor_seconds(self) -> float:
        """Processor time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def server(name: str, replies: Path, files: list[str]) -> Iterator[Server]:
    """One server in a process of its own, on the first core."""
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "peers.py"), name, str(replies), *files],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            if not port:
                errors.seek(0)
                raise Failed(f"{name} did not start:\n{errors.read()[-2000:]}")
            yield Server(int(port), process.pid)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def load(
    target: Server, connections: int, in_flight: int, seconds: float, ca: str | None
) -> dict[str, float]:
    """Load one server from the last core; what the generator reports, and how busy both were."""
    command = [str(LOAD), "--port", str(target.port), "--path", PATH, "--seconds", str(seconds)]
    command += ["--connections", str(connections), "--in-flight", str(in_flight)]
    command += ["--warm-up", str(WARM_UP)]
    command += ["--ca", ca, "--host", "localhost"] if ca else []
    core = max(os.sched_getaffinity(0))
    before = target.processor_seconds()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    used = target.processor_seconds() - before
    if done.returncode:
        raise Failed(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    result = json.loads(done.stdout)
    return {
        "commands_per_second": result["commands_per_second"],
        "server_busy": min(used / (WARM_UP + result["seconds"]), 1.0),
        "generator_busy": result["generator_processor_seconds"] / result["seconds"],
        "latency_us": result["latency_us"]["median"],
    }


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
    with server(OURS, nothing, []) as running:
        trio.run(ask, running.port)
    replies = directory / "replies.json"
    replies.write_text(json.dumps(texts))
    return replies


def measure(rounds: int, seconds: float, names: list[str], console: Console) -> dict[str, Any]:
    """What every server did in every round of every scenario."""
    results: dict[str, Any] = {}
    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn())
    with tempfile.TemporaryDirectory() as temporary, Progress(*columns, console=console) as progress:
        directory = Path(temporary)
        authority = test_authority(directory)
        certificate, key = authority.issue_device("bench", ["localhost", "127.0.0.1"])
        replies = real_replies(directory)
        task = progress.add_task("measuring", total=rounds * len(SCENARIOS) * len(names))
        for scenario, (connections, in_flight, secure) in SCENARIOS.items():
            files = [str(certificate), str(key)] if secure else []
            ca = str(authority.certificate_file) if secure else None
            with contextlib.ExitStack() as stack:
                servers = {name: stack.enter_context(server(name, replies, files)) for name in names}
                for _ in range(rounds):
                    for name, target in servers.items():
                        progress.update(task, description=f"{scenario}: {name}")
                        result = load(target, connections, in_flight, seconds, ca)
                        results.setdefault(scenario, {}).setdefault(name, []).append(result)
                        progress.advance(task)
    return results


def ratios(results: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Ours to each peer, in every round."""
    return {
        scenario: {
            name: [
                mine["commands_per_second"] / its["commands_per_second"]
                for mine, its in zip(servers[OURS], servers[name], strict=True)
            ]
            for name in servers
            if name != OURS
        }
        for scenario, servers in results.items()
    }


def markdown(results: dict[str, Any], found: dict[str, dict[str, list[float]]]) -> str:
    """The tables: ratios, bars, and what each server did and who was busy doing it."""
    peers = list(next(iter(found.values())))
    lines = [
        f"Commands a second, the whole service against bare servers; medians of "
        f"{len(found[next(iter(found))][peers[0]])} rounds (least to greatest).",
        "",
        "| | " + " | ".join(peers) + " |",
        "|---" * (len(peers) + 1) + "|",
    ]
    for scenario, row in found.items():
        cells = [
            f"{statistics.median(row[peer]):.2g} ({min(row[peer]):.2g} to {max(row[peer]):.2g})"
            if statistics.median(row[peer]) < 10
            else f"{statistics.median(row[peer]):.0f} ({min(row[peer]):.0f} to {max(row[peer]):.0f})"
            for peer in peers
        ]
        lines.append(f"| {scenario} | " + " | ".join(cells) + " |")
    lines += ["", "| against | | ratio | bar | to reach for | |", "|---|---|---|---|---|---|"]
    for (scenario, peer), (bar, reach) in BARS.items():
        if peer in found[scenario]:
            ratio = statistics.median(found[scenario][peer])
            verdict = "reached" if ratio >= reach else "good" if ratio >= bar else "MISSED"
            lines.append(f"| {peer} | {scenario} | {ratio:.1f} | {bar:g} | {reach:g} | {verdict} |")
    lines += [
        "",
        "| | | commands/s | latency, µs | server's core busy | generator's core busy |",
        "|---|---|---|---|---|---|",
    ]
    for scenario, servers in results.items():
        for name, rounds in servers.items():
            median = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
            lines.append(
                f"| {scenario} | {name} | {median['commands_per_second']:,.0f} | {median['latency_us']:,.0f} "
                f"| {median['server_busy']:.0%} | {median['generator_busy']:.0%} |"
            )
    return "\n".join(lines)


def missed(found: dict[str, dict[str, list[float]]]) -> bool:
    """Whether a bar is missed."""
    return any(
        statistics.median(found[scenario][peer]) < bar
        for (scenario, peer), (bar, _) in BARS.items()
        if peer in found[scenario]
    )


def plot(found: dict[str, dict[str, list[float]]], file: Path) -> None:
    """The ratios as a picture; logarithmic, so that 2 and 1/2 lie as far from even."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    peers = list(next(iter(found.values())))
    figure, axes = plt.subplots(figsize=(11, 5.5), layout="constrained")
    height = 0.8 / len(found)
    for row, (scenario, values) in enumerate(found.items()):
        places = [index + (row - (len(found) - 1) / 2) * height for index in range(len(peers))]
        medians = [statistics.median(values[peer]) for peer in peers]
        spread = [
            [middle - min(values[peer]) for middle, peer in zip(medians, peers, strict=True)],
            [max(values[peer]) - middle for middle, peer in zip(medians, peers, strict=True)],
        ]
        bars = axes.barh(
            places,
            medians,
            height=height * 0.9,
            label=scenario,
            xerr=spread,
            error_kw={"elinewidth": 0.8, "ecolor": "0.3"},
        )
        axes.bar_label(bars, fmt="%.1f×", padding=4, fontsize=8)
    axes.axvline(1, color="0.3", linewidth=1, linestyle="--")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_yticks(range(len(peers)), [f"bare {peer}" for peer in peers])
    axes.invert_yaxis()
    axes.set_xlabel("commands per second of the whole xfs4iot service, as a multiple of the bare server")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(file, dpi=150)


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="Per measurement.")
@click.option("--peer", "only", multiple=True, type=click.Choice(list(LIBRARIES)), help="Only these peers.")
@click.option("--markdown", "text", type=click.Path(path_type=Path), default=OUT / "compare.md")
@click.option("--plot", "picture", type=click.Path(path_type=Path), default=OUT / "compare.png")
@click.option("--json", "as_json", is_flag=True, help="Print every figure of every round.")
def main(
    rounds: int, seconds: float, only: tuple[str, ...], text: Path, picture: Path, as_json: bool
) -> None:
    """Measure, print the tables and draw the chart; exit 1 if a bar is missed."""
    console = Console(stderr=True)
    with console.status("building the load generator"):
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=HERE / "load", check=True)
    peers = [name for name in PEERS if name != OURS and (not only or name in only)]
    absent = {name for name in peers if not all(map(importlib.util.find_spec, LIBRARIES[name]))}
    if len(absent) == len(peers):
        raise click.UsageError("no peer is installed; pip install '.[bench]'")
    if absent:
        console.print(f"left out, not installed: {', '.join(sorted(absent))}; pip install '.[bench]'")
    if len(os.sched_getaffinity(0)) < 2:
        console.print("there is one core only: server and generator share it, and the figures with it")
    try:
        results = measure(rounds, seconds, [OURS, *(name for name in peers if name not in absent)], console)
    except Failed as failure:
        raise click.ClickException(str(failure)) from None
    found = ratios(results)
    table = markdown(results, found)
    text.parent.mkdir(parents=True, exist_ok=True)
    text.write_text(table + "\n")
    if importlib.util.find_spec("matplotlib"):
        plot(found, picture)
        console.print(f"chart: {picture}")
    click.echo(json.dumps({"ratios": found, "rounds": results}, indent=2) if as_json else table)
    sys.exit(missed(found))


if __name__ == "__main__":
    main()
