"""`xfs4iot bench`: comparisons with peers, measured on this machine.

The peers come with `pip install 'xfs4iot[bench]'`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from xfs4iot.cli import arguments
from xfs4iot.cli.extras import require
from xfs4iot.cli.group import Group
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.comparison import measuring, plot
from xfs4iot.comparison.cases import CASES
from xfs4iot.comparison.peers import TIME_OUT

__all__ = ["bench"]


LEGEND = (
    "CP-SAT / ours: how many times as long as ours CP-SAT takes; units read before: the same for ours with "
    "units read before; at most: what it would be for a search that takes no time. "
    f"none: no items pay the amount; finds none: greedy misses those that do; time-out: {TIME_OUT:g} s."
)
"""What the table's words mean."""


@click.group(cls=Group)
def bench() -> None:
    """Compare with peers on this machine; they come with pip install 'xfs4iot[bench]'."""


_PICTURES = (".png", ".svg", ".pdf")


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[str], None]]:
    """Says which of `total` steps is under way: a bar on a terminal, else a line for each."""
    numbers = count(1)
    if not console.is_terminal:
        yield lambda name: console.print(f"{next(numbers)}/{total} {name}", highlight=False)
        return
    columns = (SpinnerColumn(), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)

        def step(name: str) -> None:
            progress.update(task, description=name, completed=next(numbers) - 1)

        yield step


@contextmanager
def _output_for_the_result_alone() -> Iterator[None]:
    """HiGHS greets on standard output."""
    # The descriptor itself: HiGHS writes from C++, past `sys.stdout`.
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(output, 1)
        os.close(output)
        os.close(nowhere)


@bench.command()
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True,
    help="How often each is measured; the quickest counts.",
)  # fmt: skip
@click.option(
    "--rust/--no-rust",
    default=True,
    help="Measure the solver alone as well, by cargo bench, in a checkout of the source tree.",
)
@click.option(
    "--plot", "picture", type=arguments.NewFile(), callback=arguments.new_file,
    help="Draw the table as a picture: FILE.png, .svg or .pdf.",
)  # fmt: skip
@click.option("--markdown", is_flag=True, help="Print the table in Markdown, for a document.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in seconds.")
def denominate(rounds: int, rust: bool, picture: Path | None, markdown: bool, as_json: bool) -> None:
    """Denomination: ours, greedy, dynamic programming, CP-SAT, HiGHS and plain recursion.

    All are called from Python and timed with everything that one amount needs. Ours, CP-SAT (at the best of
    five settings) and HiGHS are compiled; greedy and recursion are written in Python, dynamic programming
    with numpy. Takes some minutes.
    """
    if as_json:
        arguments.refuse_idle(["markdown"], "with --json")
    if picture is not None and picture.suffix not in _PICTURES:
        raise click.BadParameter(
            f"{picture.name!r} is no kind of picture; end it in {' or '.join(_PICTURES)}",
            param_hint="'--plot'",
        )
    require("bench", "the comparison", "ortools", "highspy", *(["matplotlib"] if picture else []))
    diagnostics = Console(stderr=True)
    with _progress(diagnostics, len(CASES) + rust) as step:
        with _output_for_the_result_alone():
            try:
                rows = list(measuring.measure(rounds, step))
            except measuring.Disagreement as wrong:
                raise click.ClickException(str(wrong)) from None
        if rust:
            step("the solver alone, by cargo bench")
            if reason := measuring.rust(rows):
                diagnostics.print(f"[yellow]no times of the solver alone:[/] {reason}")
    figures = measuring.summary(rows)
    if as_json:
        cases = [
            {
                "case": row.case,
                "items": row.items,
                "seconds": row.seconds,
                "remarks": row.remarks,
                "ratio": row.ratio,
                "most": row.most,
                "prepared": row.prepared,
                "prepared_most": row.prepared_most,
            }
            for row in rows
        ]
        click.echo(json.dumps({"cases": cases, "summary": figures}, indent=2))
    else:
        if markdown:
            columns, lines = _cells(rows)
            ruler = ["---", *["--:"] * (len(columns) - 1)]
            for line in (columns, ruler, *lines):
                click.echo(f"| {' | '.join(line)} |")
        else:
            Console(width=None if sys.stdout.isatty() else 240).print(_table(rows))
        for name, figure in figures.items():
            click.echo(f"{name}: {figure:.3g}" if figure < 1000 else f"{name}: {figure:,.0f}")
    if picture is not None:
        ratio = figures["median ratio to CP-SAT"]
        plot.draw(rows, picture, f"Exact denomination: median {ratio:,.0f} times faster than CP-SAT")


def _cells(rows: list[measuring.Row]) -> tuple[list[str], list[list[str]]]:
    """The columns' names, and what stands in them."""
    peers = [
        measuring.OURS,
        measuring.BESIDE,
        measuring.PREPARED,
        measuring.PREPARED_BESIDE,
        measuring.RUST,
        "greedy",
        "dynamic programming",
        measuring.CP_SAT,
        "HiGHS",
        "recursion",
    ]
    lines = [
        [
            row.case,
            "none" if row.items is None else f"{row.items:,}",
            *(_cell(row.seconds.get(peer), row.remarks.get(peer)) for peer in peers),
            f"{row.ratio:,.0f}",
            f"{row.most:,.0f}",
            f"{row.prepared:,.0f}",
            f"{row.prepared_most:,.0f}",
        ]
        for row in rows
    ]
    ratios = ["CP-SAT / ours", "at most", "units read before", "at most"]
    return ["case", "items", *peers, *ratios], lines


def _table(rows: list[measuring.Row]) -> Table:
    (case, *columns, ratio, most, prepared, prepared_most), lines = _cells(rows)
    table = Table(title="One denomination", title_justify="left", caption=LEGEND, caption_justify="left")
    table.add_column(case, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column(ratio, justify="right", style="bold")
    table.add_column(most, justify="right")
    table.add_column(prepared, justify="right", style="bold")
    table.add_column(prepared_most, justify="right")
    for line in lines:
        table.add_row(*line)
    return table


def _cell(seconds: float | None, remark: str | None) -> str:
    if seconds is None:
        return remark or "–"
    scales = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
    # As it will be written: 999.9 µs are 1 ms.
    rounded = float(f"{seconds:.3g}")
    unit, size = next((scale for scale in scales if rounded >= scale[1]), scales[-1])
    text = f"{seconds / size:.3g} {unit}"
    return f"{text} ({remark})" if remark else text
