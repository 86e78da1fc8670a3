"""`xfs4iot bench`: comparisons with peers, measured on this machine.

The benches belong to the source tree and not to the installed package, so this works in a
checkout (with `pip install -e .[bench]`).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from xfs4iot.cli.group import Group
from xfs4iot.cli.table import Table

__all__ = ["bench"]

_TREE = Path(__file__).parents[3] / "benches"


@click.group(cls=Group)
def bench() -> None:
    """Compare with peers on this machine; needs a checkout of the source tree."""


def _load(room: str, *names: str) -> list[Any]:
    """Modules of a directory of the benches."""
    directory = _TREE / room
    if not directory.is_dir():
        raise click.ClickException(
            f"there is no {directory}: run this in a checkout, installed with pip install -e '.[bench]'"
        )
    sys.path.insert(0, str(directory))
    try:
        return [importlib.import_module(name) for name in names]
    except ModuleNotFoundError as missing:
        raise click.ClickException(f"{missing}; pip install -e '.[bench]'") from None
    finally:
        sys.path.remove(str(directory))


@bench.command()
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="The quickest counts."
)
@click.option("--rust/--no-rust", default=True, help="Measure the solver alone, too, by criterion.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the table: FILE.png.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown, for a document.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in seconds.")
def denominate(rounds: int, rust: bool, plot: Path | None, markdown: bool, as_json: bool) -> None:
    """Denomination: ours, greedy, dynamic programming, CP-SAT, HiGHS and plain recursion."""
    compare, plotting = _load("denominate", "compare", "plot")
    diagnostics = Console(stderr=True)
    with diagnostics.status("measuring") as status:
        # HiGHS greets on standard output, which is for the result alone.
        output = os.dup(1)
        os.dup2(2, 1)
        try:
            rows = list(compare.measure(rounds, status.update))
        except compare.Disagreement as wrong:
            raise click.ClickException(str(wrong)) from None
        finally:
            os.dup2(output, 1)
            os.close(output)
        status.update("cargo bench")
        if rust and (reason := compare.rust(rows)):
            diagnostics.print(f"[yellow]no times of the solver alone:[/] {reason}")
    figures = compare.summary(rows)
    if as_json:
        cases = [
            {
                "case": row.case,
                "items": row.items,
                "seconds": row.seconds,
                "remarks": row.remarks,
                "ratio": row.ratio,
            }
            for row in rows
        ]
        click.echo(json.dumps({"cases": cases, "summary": figures}, indent=2))
    else:
        if markdown:
            columns, lines = _cells(compare, rows)
            ruler = ["---", *["--:"] * (len(columns) - 1)]
            for line in (columns, ruler, *lines):
                click.echo(f"| {' | '.join(line)} |")
        else:
            Console(width=None if sys.stdout.isatty() else 180).print(_table(compare, rows))
        for name, figure in figures.items():
            click.echo(f"{name}: {figure:.3g}" if figure < 1000 else f"{name}: {figure:,.0f}")
    if plot is not None:
        ratio = figures["median ratio to CP-SAT"]
        plotting.draw(rows, plot, f"Exact denomination: median {ratio:,.0f} times faster than CP-SAT")


def _cells(compare: Any, rows: list[Any]) -> tuple[list[str], list[list[str]]]:
    """The columns' names, and what stands in them."""
    peers = [
        compare.OURS,
        compare.RUST,
        "greedy",
        "dynamic programming",
        compare.CP_SAT,
        "HiGHS",
        "recursion",
    ]
    lines = [
        [
            row.case,
            "none" if row.items is None else f"{row.items:,}",
            *(_cell(row.seconds.get(peer), row.remarks.get(peer)) for peer in peers),
            f"{row.ratio:,.0f}",
        ]
        for row in rows
    ]
    return ["case", "items", *peers, "CP-SAT / ours"], lines


def _table(compare: Any, rows: list[Any]) -> Table:
    (case, *columns, ratio), lines = _cells(compare, rows)
    table = Table(title="One denomination", title_justify="left")
    table.add_column(case, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column(ratio, justify="right", style="bold")
    for line in lines:
        table.add_row(*line)
    return table


def _cell(seconds: float | None, remark: str | None) -> str:
    if seconds is None:
        return remark or "–"
    scales = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
    unit, size = next((scale for scale in scales if seconds >= scale[1]), scales[-1])
    text = f"{seconds / size:.3g} {unit}"
    return f"{text} ({remark})" if remark else text
