"""Throughput of the whole service against bare servers of other libraries, side by side.

    pip install '.[bench]' && python benches/compare.py

Takes about eight minutes. The tables are printed and written to `target/compare.md`, the picture
to `target/compare.png`; exits with 1 if one of the bars is missed.

Two commands: Common.Status, and CashDispenser.Denominate of everyday amounts, from 10 to 1,000, for which a
bare server sends the same answer each time. Ours is a whole service; all others are bare: they
know neither the command nor the standard. So is it said in the tables and in the picture.

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
from typing import NamedTuple

import click
import trio
import trio_websocket
from peers import PATH, PEERS
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from xfs4iot.transport.certificates import test_authority

HERE = Path(__file__).parent
OUT = HERE.parent / "target"
_BUILT = HERE / "load" / "target"
LOAD = _BUILT / "release" / "load"
FLYING, FLYING_TLS = "32 in flight, plain", "32 in flight, TLS"
MANY, MANY_TLS = "100 connections, plain", "100 connections, TLS"
SCENARIOS = {
    FLYING: (1, 32, False),
    FLYING_TLS: (1, 32, True),
    MANY: (100, 1, False),
    MANY_TLS: (100, 1, True),
}
"""Connections, commands in flight on each, TLS."""


class Command(NamedTuple):
    """What is sent: a command, its version (none in 2021-1) and its payload."""

    name: str
    version: str
    payload: str


_GROUPED = '{"request":{"denomination":{"service":{"currencies":{"EUR":AMOUNT},"mix":"mix1"}}}}'
STATUS, DENOMINATE = "Status", "Denominate"
OLDER = ("Denominate of 2023-2", "Denominate of 2021-1")
COMMANDS = {
    STATUS: Command("Common.Status", "3.0", "{}"),
    DENOMINATE: Command("CashDispenser.Denominate", "3.0", _GROUPED),
    OLDER[0]: Command("CashDispenser.Denominate", "2.0", _GROUPED),
    OLDER[1]: Command(
        "CashDispenser.Denominate", "", '{"denomination":{"currencies":{"EUR":AMOUNT}},"mix":"mix1"}'
    ),
}
COMPARED = (STATUS, DENOMINATE)
"""The commands whose replies bare servers send; the others are of ours alone."""
OURS = "ours"
WARM_UP = 0.3
"""Seconds of load before counting begins."""


class Row(NamedTuple):
    """One thing that is measured: a server and what it is sent."""

    server: str
    command: str

    @property
    def label(self) -> str:
        """For people, with what kind of server it is."""
        return f"{self.command}, {kind(self.server)}"


def kind(server: str) -> str:
    """What a server is."""
    return "xfs4iot, whole service" if server == OURS else f"{server}, bare"


class Bar(NamedTuple):
    """What a ratio of two rows must be, and what to reach for."""

    scenario: str
    of: Row
    against: Row
    must: float
    reach: float


def _against(peer: str, command: str, bars: dict[str, tuple[float, float]]) -> list[Bar]:
    """Bars of ours against a peer that sends the same."""
    return [Bar(one, Row(OURS, command), Row(peer, command), *values) for one, values in bars.items()]


_STATUS, _DENOMINATE = Row(OURS, STATUS), Row(OURS, DENOMINATE)
BARS = [
    *_against(
        "trio-websocket",
        STATUS,
        {FLYING: (6, 12), FLYING_TLS: (6, 12), MANY: (3, 5), MANY_TLS: (2.5, 4)},
    ),
    *_against("trio-websocket", DENOMINATE, {FLYING: (5, 8), MANY: (2.5, 4)}),
    *_against("websockets-uvloop", STATUS, {MANY: (1.1, 1.7), MANY_TLS: (1.4, 2)}),
    *_against("picows", STATUS, {MANY: (1, 1.2)}),
    *_against("picows-coalesced", STATUS, {MANY: (0.5, 0.75)}),
    *(Bar(one, _DENOMINATE, _STATUS, 0.5, 0.7) for one in (FLYING, MANY)),
    *(Bar(FLYING, Row(OURS, older), _DENOMINATE, 0.85, 1) for older in OLDER),
]
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
    target: Server,
    connections: int,
    in_flight: int,
    seconds: float,
    ca: str | None = None,
    sent: Command = COMMANDS[STATUS],
) -> dict[str, float]:
    """Load one server from the last core; what the generator reports, and how busy both were."""
    command = [str(LOAD), "--port", str(target.port), "--path", PATH, "--seconds", str(seconds)]
    command += ["--connections", str(connections), "--in-flight", str(in_flight)]
    command += ["--warm-up", str(WARM_UP)]
    command += ["--command", sent.name, "--version", sent.version, "--payload", sent.payload]
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


def build() -> None:
    """Build the load generator."""
    # Else CARGO_TARGET_DIR says another place.
    asked = ["cargo", "build", "--release", "--quiet", "--target-dir", str(_BUILT)]
    subprocess.run(asked, cwd=HERE / "load", check=True)


def real_replies(directory: Path) -> dict[str, Path]:
    """The texts with which ours answers each command, for the bare servers to send."""
    texts: dict[str, list[str]] = {}

    async def ask(port: int) -> None:
        async with trio_websocket.open_websocket_url(f"ws://127.0.0.1:{port}{PATH}") as connection:
            for name in COMPARED:
                command = COMMANDS[name]
                header = {"name": command.name, "requestId": 1, "type": "command", "version": command.version}
                payload = command.payload.replace("AMOUNT", "380")
                await connection.send_message(f'{{"header":{json.dumps(header)},"payload":{payload}}}')
                texts[name] = [await connection.get_message() for _ in range(2)]

    nothing = directory / "none.json"
    nothing.write_text("[]")
    with server(OURS, nothing, []) as running:
        trio.run(ask, running.port)
    files = {name: directory / f"{name}.json" for name in COMPARED}
    for name, file in files.items():
        file.write_text(json.dumps(texts[name]))
    return files


@contextlib.contextmanager
def servers(names: list[str], replies: dict[str, Path], files: list[str]) -> Iterator[dict[Row, Server]]:
    """All that is measured in a scenario: ours once for all commands, the others once for each."""
    with contextlib.ExitStack() as stack:
        running: dict[Row, Server] = {}
        for name in names:
            if name == OURS:
                ours = stack.enter_context(server(name, replies[STATUS], files))
                running |= {Row(name, command): ours for command in COMMANDS}
            else:
                for command in COMPARED:
                    running[Row(name, command)] = stack.enter_context(server(name, replies[command], files))
        yield running


Results = dict[str, dict[Row, list[dict[str, float]]]]
"""What was measured: by scenario and row, round by round."""


def measure(rounds: int, seconds: float, names: list[str], console: Console) -> Results:
    """What every server did in every round of every scenario."""
    results: Results = {}
    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn())
    with tempfile.TemporaryDirectory() as temporary, Progress(*columns, console=console) as progress:
        directory = Path(temporary)
        authority = test_authority(directory)
        certificate, key = authority.issue_device("bench", ["localhost", "127.0.0.1"])
        replies = real_replies(directory)
        rows = len(COMMANDS) + len(COMPARED) * (len(names) - 1)
        task = progress.add_task("measuring", total=rounds * len(SCENARIOS) * rows)
        for scenario, (connections, in_flight, secure) in SCENARIOS.items():
            files = [str(certificate), str(key)] if secure else []
            ca = str(authority.certificate_file) if secure else None
            with servers(names, replies, files) as running:
                for _ in range(rounds):
                    for row, target in running.items():
                        progress.update(task, description=f"{scenario}: {row.label}")
                        result = load(target, connections, in_flight, seconds, ca, COMMANDS[row.command])
                        results.setdefault(scenario, {}).setdefault(row, []).append(result)
                        progress.advance(task)
    return results


def ratios(measured: dict[Row, list[dict[str, float]]], of: Row, against: Row) -> list[float]:
    """One row's rate to another's, in every round."""
    return [
        mine["commands_per_second"] / its["commands_per_second"]
        for mine, its in zip(measured[of], measured[against], strict=True)
    ]


def rate(rounds: list[dict[str, float]], key: str = "commands_per_second") -> float:
    """The median of what was measured."""
    return statistics.median(one[key] for one in rounds)


def _spread(values: list[float]) -> str:
    middle = statistics.median(values)
    digits = ".2g" if middle < 10 else ".0f"
    return f"{middle:{digits}} ({min(values):{digits}} to {max(values):{digits}})"


def judged(results: Results) -> Iterator[tuple[Bar, float]]:
    """Every bar that was measured, and the ratio."""
    for bar in BARS:
        measured = results[bar.scenario]
        if bar.of in measured and bar.against in measured:
            yield bar, statistics.median(ratios(measured, bar.of, bar.against))


def markdown(results: Results) -> str:
    """The tables: ratios, bars, and what each server did and who was busy doing it."""
    first = next(iter(results.values()))
    peers = list(dict.fromkeys(row.server for row in first if row.server != OURS))
    lines = [
        f"The whole service's commands a second as multiples of bare servers', which send the same replies "
        f"and do nothing else; medians of {len(next(iter(first.values())))} rounds (least to greatest).",
        "",
        "| xfs4iot, whole service | " + " | ".join(f"bare {peer}" for peer in peers) + " |",
        "|---" * (len(peers) + 1) + "|",
    ]
    for command in COMPARED:
        for scenario, measured in results.items():
            found = [ratios(measured, Row(OURS, command), Row(peer, command)) for peer in peers]
            lines.append(f"| {command}, {scenario} | " + " | ".join(map(_spread, found)) + " |")
    lines += ["", "| | | against | ratio | bar | to reach for | |", "|---|---|---|---|---|---|---|"]
    for bar, ratio in judged(results):
        verdict = "reached" if ratio >= bar.reach else "good" if ratio >= bar.must else "MISSED"
        lines.append(
            f"| {bar.scenario} | {bar.of.label} | {bar.against.label} | {ratio:.2f} | {bar.must:g} "
            f"| {bar.reach:g} | {verdict} |"
        )
    lines += [
        "",
        "| | | | commands/s | latency, µs | server's core busy | generator's core busy |",
        "|---|---|---|---|---|---|---|",
    ]
    for scenario, measured in results.items():
        for row, rounds in measured.items():
            lines.append(
                f"| {scenario} | {row.command} | {kind(row.server)} | {rate(rounds):,.0f} "
                f"| {rate(rounds, 'latency_us'):,.0f} | {rate(rounds, 'server_busy'):.0%} "
                f"| {rate(rounds, 'generator_busy'):.0%} |"
            )
    return "\n".join(lines)


def plot(results: Results, file: Path) -> None:
    """All rates in one picture: the whole service, and the bare servers, in another colour."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure, grid = plt.subplots(
        len(COMPARED), len(results), figsize=(16, 7), layout="constrained", squeeze=False
    )
    for line, command in zip(grid, COMPARED, strict=True):
        for axes, (scenario, measured) in zip(line, results.items(), strict=True):
            rows = [row for row in measured if row.command == command]
            rates = [rate(measured[row]) for row in rows]
            colours = ["tab:blue" if row.server == OURS else "0.7" for row in rows]
            bars = axes.barh([kind(row.server) for row in rows], rates, color=colours)
            mine = rates[0]
            axes.axvline(mine, color="tab:blue", linewidth=0.8, linestyle="--")
            # The line passes behind the figures.
            behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            axes.bar_label(bars, [f"{one:,.0f}" for one in rates], padding=3, fontsize=7, bbox=behind)
            axes.margins(x=0.25)
            axes.invert_yaxis()
            axes.tick_params(labelsize=8)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(f"{command}, {scenario}", fontsize=9)
            if axes is not line[0]:
                axes.set_yticklabels([])
    figure.supxlabel(
        "commands a second; blue: a whole service, grey: bare servers that send the same replies"
    )
    figure.savefig(file, dpi=150)


@click.command()
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="How often each is measured."
)
@click.option("--seconds", default=0.8, show_default=True, help="Per measurement.")
@click.option("--peer", "only", multiple=True, type=click.Choice(list(LIBRARIES)), help="Only these peers.")
@click.option(
    "--markdown", "text", type=click.Path(path_type=Path), default=OUT / "compare.md",
    help="Where the tables go. Default: target/compare.md.",
)  # fmt: skip
@click.option(
    "--plot", "picture", type=click.Path(path_type=Path), default=OUT / "compare.png",
    help="Where the picture goes. Default: target/compare.png.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print every figure of every round.")
def main(
    rounds: int, seconds: float, only: tuple[str, ...], text: Path, picture: Path, as_json: bool
) -> None:
    """Measure, print the tables and draw the picture; exit 1 if a bar is missed.

    Takes about eight minutes; with all peers a round has 64 measurements. One round, or a machine with other
    work, says little: see how busy each core was.
    """
    console = Console(stderr=True)
    with console.status("building the load generator"):
        build()
    peers = [name for name in PEERS if name != OURS and (not only or name in only)]
    absent = {name for name in peers if not all(map(importlib.util.find_spec, LIBRARIES[name]))}
    if len(absent) == len(peers):
        raise click.UsageError("no peer is installed; pip install '.[bench]'")
    if absent:
        missing = f"left out, not installed: {', '.join(sorted(absent))}; pip install '.[bench]'"
        console.print(missing, markup=False)
    if len(os.sched_getaffinity(0)) < 2:
        console.print("there is one core only: server and generator share it, and the figures with it")
    try:
        results = measure(rounds, seconds, [OURS, *(name for name in peers if name not in absent)], console)
    except Failed as failure:
        raise click.ClickException(str(failure)) from None
    table = markdown(results)
    text.parent.mkdir(parents=True, exist_ok=True)
    text.write_text(table + "\n")
    if importlib.util.find_spec("matplotlib"):
        plot(results, picture)
        console.print(f"picture: {picture}")
    if as_json:
        rows = {
            scenario: {row.label: rounds for row, rounds in measured.items()}
            for scenario, measured in results.items()
        }
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo(table)
    sys.exit(any(ratio < bar.must for bar, ratio in judged(results)))


if __name__ == "__main__":
    main()
