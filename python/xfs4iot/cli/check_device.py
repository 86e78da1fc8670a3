"""`xfs4iot check-device`: the test kit for vendors, on the command line."""

from __future__ import annotations

import logging
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import click
import orjson
import trio
from rich.box import SIMPLE_HEAD

from xfs4iot.cli import arguments
from xfs4iot.cli.characters import escape, utf8_output
from xfs4iot.cli.complaint import complain
from xfs4iot.cli.device_classes import ModuleUnknown, load_device
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.testing import FAULTS, LINE_FAULTS, Report, check_device

__all__ = ["check_device_command"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = arguments.NewFile()
_USAGE = 2


@click.command("check-device")
@click.argument("device", metavar="MODULE:CLASS")
@click.option("--options", type=_FILE, help="TOML file: what [service.options] would say.")
@click.option(
    "--stand-in",
    metavar="MODULE:FUNCTION",
    help="Called with each device before it is opened, instead of hardware.",
)
@click.option(
    "--python-path",
    type=click.Path(exists=True, file_okay=False),
    default=".",
    show_default=True,
    help="Where modules are looked for first.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    type=click.Choice([*FAULTS, *LINE_FAULTS]),
    help="Only this fault; repeatable.",
)
@click.option("--no-faults", is_flag=True, help="Only drive the device, without faults.")
@click.option(
    "--line", metavar="ATTRIBUTE",
    help="The attribute that is the device's line to its hardware: it is jammed, and made to lie, as well.",
)  # fmt: skip
@click.option(
    "--patience",
    type=arguments.NumberRange(min=1),
    default=30.0,
    show_default=True,
    help="Seconds for a command.",
)
@click.option("--junit", type=_NEW, help="Also write JUnit XML here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--log", is_flag=True, help="Show what the services log meanwhile.")
def check_device_command(
    device: str,
    options: Path | None,
    stand_in: str | None,
    python_path: str,
    faults: tuple[str, ...],
    no_faults: bool,
    line: str | None,
    patience: float,
    junit: Path | None,
    as_json: bool,
    log: bool,
) -> None:
    """Check a device class before a customer does.

    Loads the class as serve would, drives every command that it offers over the wire, holds every answer
    against the standard, and repeats each with faults: slow, cancelled, raising, power cut. Real hardware
    moves, unless --stand-in puts something in its place. Exit 0 if nothing was wrong, 1 if something was,
    2 if the class cannot be loaded.
    """
    sys.path.insert(0, str(Path(python_path).resolve()))
    try:
        kind = load_device(device)
        settings = tomllib.loads(options.read_text("utf-8")) if options is not None else {}
        replace = None if stand_in is None else _function(stand_in)
    except (ValueError, OSError) as problem:
        complain(f"{problem}; see --python-path" if isinstance(problem, ModuleUnknown) else problem)
        sys.exit(_USAGE)
    if faults and no_faults:
        raise click.UsageError("--fault and --no-faults exclude each other; leave one of them out")
    if line is None and (needing := [fault for fault in faults if fault in LINE_FAULTS]):
        complain(f"--fault {needing[0]} needs --line, the attribute that is the line to the hardware")
        sys.exit(_USAGE)
    shown = logging.StreamHandler()
    # Silenced by its level: with no handler at all, `logging` would print warnings by its last resort.
    shown.setLevel(logging.WARNING if log else logging.CRITICAL + 1)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", handlers=[shown])
    console = Console(stderr=True)
    with console.status("…") as status:
        report = trio.run(
            partial(
                check_device,
                kind,
                settings,
                stand_in=replace,
                faults=() if no_faults else faults or tuple(FAULTS),
                line=line,
                patience=patience,
                progress=lambda what: status.update(escape(what)),
            )
        )
    if junit is not None:
        junit.write_text(report.junit(), "utf-8")
    if as_json:
        with utf8_output() as stream:
            stream.write(orjson.dumps(report.plain(), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _show(report)
    if report.good and (nothing := _nothing(report, faults)):
        complain(nothing)
        sys.exit(_USAGE)
    sys.exit(0 if report.good else 1)


def _nothing(report: Report, faults: tuple[str, ...]) -> str:
    """What was asked for and met nothing; empty if all did."""
    if all(one.startswith("Common.") for one in report.offered):
        served = ", ".join(one for one in report.interfaces if one != "Common") or "Common"
        return (
            f"{report.device} offers no command of {served}, so nothing of its own was checked; override an "
            "operation"
        )
    met = {one.fault for one in report.findings}
    if idle := [one for one in faults if one not in met]:
        return f"--fault {idle[0]} met no command of {report.device}; leave it out"
    return ""


def _function(name: str) -> Any:
    """What `module:function` names.

    Raises:
        ValueError: there is no such function.
    """
    from importlib import import_module

    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as problem:
        raise ValueError(f"--stand-in {name}: {problem}; write module:function") from None
    return found


def _show(report: Report) -> None:
    console = Console()
    console.print(
        f"[bold]{escape(report.device)}[/] offers {len(report.offered)} commands of "
        + ", ".join(report.interfaces)
    )
    if report.missing:
        table = Table("not offered", "why", box=SIMPLE_HEAD)
        for command, why in report.missing.items():
            table.add_row(command, escape(why))
        console.print(table)
    table = Table(box=SIMPLE_HEAD)
    table.add_column("command", no_wrap=True)
    for title in ("fault", "ended", ""):
        table.add_column(title)
    for one in report.findings:
        mark = "[red]✗[/]" if one.problem else "[yellow]–[/]" if one.skipped else "[green]✓[/]"
        table.add_row(one.subject, one.fault, one.outcome, mark)
    console.print(table)
    wrong = [(one.subject, one.fault, one.problem) for one in report.findings if one.problem]
    for subject, fault, problem in dict.fromkeys(wrong):
        where = f"{subject}, {fault}" if fault else subject
        console.print(f"[red]✗ {escape(where)}[/]: {escape(problem)}", highlight=False)
    skipped: dict[str, list[str]] = {}
    for one in report.findings:
        if one.skipped:
            skipped.setdefault(one.skipped, []).append(one.subject)
    for why, subjects in skipped.items():
        names = ", ".join(dict.fromkeys(subjects))
        console.print(f"[yellow]– {escape(names)}[/]: {escape(why)}", highlight=False)
    counts = report.counts()
    color = "green" if report.good else "red"
    console.print(
        f"[{color}]{counts['good']} good, {counts['wrong']} wrong[/], {counts['skipped']} not tried",
        highlight=False,
    )
