"""`xfs4iot conform`: whether a service does what the standard says."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click
import trio
from click.core import ParameterSource
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from xfs4iot import Publisher, client
from xfs4iot.cli import arguments
from xfs4iot.cli.asking import go_on
from xfs4iot.cli.attendance import AtTheTerminal
from xfs4iot.cli.characters import escape
from xfs4iot.cli.complaint import complain
from xfs4iot.cli.connection import CONNECTION_OPTIONS, connection_options, print_json, refuse_plain, run
from xfs4iot.cli.group import UntilTold
from xfs4iot.cli.hosting import beside, heard, simulated_atm, until_told
from xfs4iot.cli.listener_options import LISTENER_OPTIONS, listener_options
from xfs4iot.cli.prose import Console
from xfs4iot.cli.published import show_published
from xfs4iot.cli.table import Table
from xfs4iot.cli.waiting import waiting
from xfs4iot.held_signals import INTERRUPTED, let_go
from xfs4iot.protocol import versions
from xfs4iot.protocol.endpoints import PATH
from xfs4iot.protocol.visible import visible
from xfs4iot.recording import Listener, Recorder

try:
    from xfs4iot import conformance
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.partition(".")[0] == "xfs4iot":
        raise
    complain(f"conform needs {missing.name}: pip install 'xfs4iot[conform]'")
    sys.exit(1)

__all__ = ["conform"]

_NEW = arguments.NewFile()
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_COLOURS: dict[conformance.Verdict, str] = {
    "pass": "green",
    "fail": "bold red",
    "error": "bold red",
    "warn": "yellow",
    "waived": "yellow",
    "skipped": "dim",
    "notApplicable": "dim",
}
_SHOWN: tuple[conformance.Verdict, ...] = (
    "pass",
    "fail",
    "warn",
    "notApplicable",
    "skipped",
    "waived",
    "error",
)
_USAGE = 2
_OF_SERVICES = (
    "level", "profiles", "pattern", "waivers", "attended", "act_within", "yes", "listing", *CONNECTION_OPTIONS
)  # fmt: skip
"""Options that say nothing with --serve; and those that say nothing without."""
_OF_APPLICATIONS = LISTENER_OPTIONS


def _uri(ctx: click.Context, param: click.Parameter, given: str | None) -> str | None:
    return None if given is None else arguments.service_uri(ctx, param, given)


@click.command(cls=UntilTold)
@click.argument("uri", required=False, callback=_uri)
@click.option("--serve", is_flag=True, help="Watch an application instead, with a simulated ATM.")
@click.option(
    "--level", type=click.Choice(conformance.LEVELS), default="safe", show_default=True,
    help="How far to go: look only, move things, or also change counts, keys and exchanges.",
)  # fmt: skip
@click.option(
    "--profile", "profiles", multiple=True, help="Only cases of this interface; may be given again."
)
@click.option(
    "--case", "pattern", multiple=True, help="Only cases like this, such as 'CD-*'; may be given again."
)
@click.option("--waivers", type=_FILE, help="TOML file of deviations that somebody answers for.")
@click.option(
    "--patience",
    type=arguments.NumberRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Seconds for an answer; of an application: for that of a ping.",
)
@click.option(
    "--attended", is_flag=True,
    help="Also cases for which somebody must stand before the device; he is asked at this terminal.",
)  # fmt: skip
@click.option(
    "--act-within", type=arguments.NumberRange(min=0.1), default=60.0, show_default=True,
    help="Seconds for what somebody is asked to do.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask before something moves.")
@click.option("--html", "html", type=_NEW, callback=arguments.new_file, help="Also write a page here.")
@click.option("--junit", type=_NEW, callback=arguments.new_file, help="Also write JUnit XML here.")
@click.option("--list", "listing", is_flag=True, help="Only list the cases that would be tried.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@listener_options
@connection_options
def conform(
    uri: str | None,
    serve: bool,
    level: conformance.Level,
    profiles: tuple[str, ...],
    pattern: tuple[str, ...],
    waivers: Path | None,
    patience: float,
    attended: bool,
    act_within: float,
    yes: bool,
    html: Path | None,
    junit: Path | None,
    listing: bool,
    as_json: bool,
    listener: Callable[[], Listener],
    connection: dict[str, Any],
) -> None:
    """Try whether the service at URI does what the standard says.

    Works with any vendor's service. With --serve an application is watched instead: point it to the address
    that is printed. Exit 0 if nothing failed, 1 if something did, 2 if it could not be tried.

    \b
    xfs4iot conform wss://atm17/xfs4iot/v1.0/Lights --ca bank.pem --html atm.html
    """
    if serve == (uri is not None):
        raise click.UsageError("give the URI of a service, or --serve to watch an application")
    idle = (_OF_SERVICES, "with --serve") if serve else (_OF_APPLICATIONS, "without --serve")
    arguments.refuse_idle(*idle)
    if uri is None:
        run(lambda: _watch(listener, patience, html, junit, as_json))
        return
    if urlsplit(uri).path.rstrip("/").lower() == PATH.lower():
        publisher = uri.rstrip("/")
        raise click.UsageError(
            f"{publisher} is the publisher; name one of its services, such as {publisher}/CashDispenser: "
            "`xfs4iot discover HOST` lists them"
        )
    let_go()
    refuse_plain(uri, connection)
    trace = connection.pop("trace")
    reached = _reached(click.get_current_context())
    version = connection.pop("version") or versions.NEWEST
    diagnostics = Console(stderr=True)
    try:
        waived = conformance.read_waivers(waivers) if waivers is not None else ()
    except conformance.WaiverError as wrong:
        complain(wrong)
        sys.exit(_USAGE)

    async def main() -> int:
        if not attended:
            return await trying(None)
        person = AtTheTerminal(diagnostics, act_within)
        async with beside(person.serve):
            return await trying(person)

    async def trying(person: AtTheTerminal | None) -> int:
        credentials = client.Credentials(**connection)
        with waiting(f"asking {visible(uri)}", diagnostics, traced=trace is not None):
            publisher = await _publisher(uri, credentials)
        target = conformance.Target(
            uri, credentials, version, patience=patience,
            publisher=publisher, person=person,
        )  # fmt: skip
        if trace is not None:
            target.show = trace
        choice = conformance.Choice(pattern, profiles)
        if listing:
            with waiting(f"asking {visible(uri)}", diagnostics, traced=trace is not None):
                await target.find_out()
            _list(choice.of(conformance.cases_of(target)), as_json)
            return 0
        with Progress(
            TextColumn("[dim]{task.description}"), BarColumn(), MofNCompleteColumn(),
            console=diagnostics, transient=True, disable=not diagnostics.is_terminal or trace is not None,
        ) as progress:  # fmt: skip
            task = progress.add_task("…")

            def chosen(cases: Sequence[conformance.Case]) -> None:
                progress.update(task, total=len(cases))
                progress.stop()
                _warn(cases, yes or as_json, diagnostics)
                progress.start()

            report = await conformance.run(
                target,
                level=level,
                choice=choice,
                waivers=waived,
                chosen=chosen,
                progress=lambda result: progress.update(
                    task,
                    # What was noticed about schemas comes at the end, and was announced by nobody.
                    advance=result.verdict != "skipped" and not result.case.id.startswith("MSG-SCHEMA-"),
                    description=result.case.id[:40],
                ),
            )
        report.options = reached
        return await _tell(report, html, junit, as_json)

    run(_or_usage(main))


def _reached(ctx: click.Context) -> list[str]:
    """The options without which a case would end otherwise, for the commands that try it again."""
    words = []
    for name in ("ca", "certificate", "key", "token_file", "patience", "waivers"):
        given = ctx.params[name]
        if given is not None and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            word = given if isinstance(given, Path) else getattr(given, "name", given)
            words += [f"--{name.replace('_', '-')}", str(word)]
    return words


async def _tell(report: conformance.Report, html: Path | None, junit: Path | None, as_json: bool) -> int:
    """Print the report, write the others, and give the exit code."""
    if as_json:
        print_json(report.plain(), indent=0)
    else:
        _show(report)
    # What is printed is not lost if the others cannot be written.
    if html is not None:
        await trio.Path(html).write_text(conformance.page(report), "utf-8")
    if junit is not None:
        await trio.Path(junit).write_text(conformance.junit(report), "utf-8")
    if report.interrupted:
        return INTERRUPTED
    if not report.tried:
        return _USAGE
    return 0 if report.conforms else 1


async def _watch(
    listener: Callable[[], Listener], patience: float, html: Path | None, junit: Path | None, as_json: bool
) -> int:
    """Watch what an application does with a simulated ATM, until interrupted."""
    with (
        tempfile.TemporaryDirectory(prefix="xfs4iot-") as directory,
        heard(signal.SIGINT, signal.SIGTERM) as signals,
    ):
        where = listener()
        await where.open()
        async with simulated_atm(Path(directory), port=0, plain=True) as atm:
            inner = atm.publisher.uri()
            auditor = conformance.Auditor(inner, await _offered(atm.publisher))
            recorder = Recorder(
                inner, client.Credentials(), where, auditor, pinged=auditor.asked, ping_seconds=patience
            )
            await recorder.find_services()
            own = {name: recorder.own_uri(name) for name in recorder.services}
            async with until_told(signals):
                if as_json:
                    print_json({"ready": True, "publisher": recorder.own_uri(), "services": own}, indent=0)
                else:
                    show_published(Console(), recorder.own_uri(), own, "watching; Ctrl-C ends")
                await recorder.serve()
        return await _tell(auditor.report(), html, junit, as_json)


async def _offered(publisher: Publisher) -> dict[str, dict[str, list[str]]]:
    """Versions of the commands that each service offers."""
    found = {}
    for name in publisher.services:
        target = conformance.Target(publisher.uri(name), client.Credentials())
        await target.find_out()
        found[name] = target.commands
    return found


def _or_usage(main: Any) -> Any:
    async def wrapped() -> int:
        try:
            return int(await main())
        except (client.Disconnected, conformance.Deviates) as unreached:
            complain(f"the service cannot be tried: {unreached}")
        except (conformance.NothingChosen, conformance.WaiverError) as idle:
            complain(idle)
        return _USAGE

    return wrapped


async def _publisher(uri: str, credentials: client.Credentials) -> str | None:
    """The publisher's URI beside a service's, if one answers there."""
    parts = urlsplit(uri)
    beside = urlunsplit(parts._replace(path=PATH))
    try:
        async with client.open_websocket(beside, credentials):
            return beside
    except client.Disconnected:
        return None


def _warn(cases: Sequence[conformance.Case], sure: bool, console: Console) -> None:
    """Say what may move, and ask."""
    moving = Counter(case.moves for case in cases if case.moves)
    if not moving:
        return
    console.print("[bold]With real hardware, things move:[/]")
    for text, times in list(moving.items())[:12]:
        console.print(f"  {escape(text)}" + (f" ({times} cases)" if times > 1 else ""), highlight=False)
    if len(moving) > 12:
        console.print(f"  and {len(moving) - 12} more; --list shows all", highlight=False)
    if not sure:
        go_on("add --yes if it may move")


def _list(cases: Sequence[conformance.Case], as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {"id": case.id, "title": case.title, "cites": case.cites, "profile": case.interface,
                 "level": case.level, "moves": case.moves, "attended": case.attended}
                for case in cases
            ]
        )  # fmt: skip
        return
    console = Console(highlight=False)
    for case in cases:
        console.print(
            f"[cyan]{escape(case.id)}[/] [dim]{case.level}{', attended' if case.attended else ''}[/] "
            f"{escape(case.title)}"
        )
    console.print(f"{len(cases)} cases")


def _show(report: conformance.Report) -> None:
    console = Console(highlight=False)
    table = Table(box=SIMPLE_HEAD)
    table.add_column("profile", no_wrap=True)
    table.add_column("verdict")
    shown = [one for one in _SHOWN if report.counts()[one]]
    for verdict in shown:
        table.add_column("n/a" if verdict == "notApplicable" else verdict, justify="right")
    for profile, verdict in report.profiles.items():
        counts = report.counts(profile)
        cells = [str(counts[one] or "") for one in shown]
        table.add_row(profile, f"[{_COLOURS[verdict]}]{verdict}[/]", *cells)
    console.print(table)
    for result in report.results:
        if result.verdict not in ("fail", "error", "warn", "waived"):
            continue
        colour = _COLOURS[result.verdict]
        console.print(
            f"[{colour}]{result.verdict}[/] [cyan]{escape(result.case.id)}[/] {escape(result.case.title)}"
        )
        if result.expected:
            console.print(f"     expected {escape(result.expected)}; seen {escape(result.seen)}")
        if result.reason:
            console.print(f"     {escape(result.reason)}")
        if result.verdict in ("fail", "error") and conformance.repeat(report, result):
            console.print(f"     [dim]{escape(conformance.repeat(report, result))}[/]", soft_wrap=True)
    counts = report.counts()
    if not report.tried:
        reasons = "; ".join(dict.fromkeys(one.reason for one in report.results if one.reason))
        console.print(
            f"{escape(report.service)}: [yellow]nothing was tried[/] of {len(report.results)} cases: "
            f"{escape(reasons)}"
        )
        return
    verdict, said = report.outcome
    colour = "yellow" if verdict == "skipped" else _COLOURS[verdict]
    level = "" if report.level is None else f" at level {report.level}"
    console.print(
        f"{escape(report.service)} [{colour}]{said}[/] to XFS4IoT {report.specification}{level}: "
        f"{counts['pass']} of {len(report.results)} cases pass"
    )
    skipped = Counter(one.reason for one in report.results if one.verdict == "skipped")
    for reason, times in skipped.items():
        console.print(f"{times} skipped: {escape(reason)}")
