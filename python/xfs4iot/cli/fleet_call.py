"""`xfs4iot fleet call`: one command to many devices, a few at a time."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import click
import trio
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from xfs4iot import client
from xfs4iot.cli import arguments
from xfs4iot.cli.asking import ask
from xfs4iot.cli.characters import escape
from xfs4iot.cli.connection import connection_options, print_json, refuse_plain
from xfs4iot.cli.operator import as_operator, view_of, where_option
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.fleet import bulk
from xfs4iot.fleet.bulk import Bulk, Outcome, Target
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.subjects import check_id
from xfs4iot.fleet.where import Expression
from xfs4iot.protocol import registry
from xfs4iot.protocol.index import COMMANDS
from xfs4iot.recording.moving import only_looks
from xfs4iot.telling import told

__all__ = ["call"]

_LOOKING = (8, 600.0)
_MOVING = (1, 6.0)
"""At once, and a minute, unless it is said."""
_MOST_NAMED = 20
"""Devices that a line of the summary names."""
_MEANINGS = {
    bulk.ABSENT: "not connected; not told, now or later",
    bulk.NOT_REACHED: "no session could be had; not told",
    bulk.NOT_TOLD: "interrupted before; not told",
    bulk.UNKNOWN: "told; what became of it is not known",
}


def _names(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(check_id(one, "device") for one in given)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), ctx, param) from None


@click.command()
@click.argument("command", shell_complete=arguments.command_names)
@click.argument("payload", required=False)
@where_option
@click.option("--device", "names", multiple=True, callback=_names, help="Only this one; may be given again.")
@click.option("--service", help="Name of the service; default: the only one that has the interface.")
@click.option(
    "--gateway", default="ws://127.0.0.1:8443/xfs4iot/v1.0", show_default=True, metavar="URI",
    envvar="XFS4IOT_GATEWAY", show_envvar=True,
    callback=arguments.gateway_uri, help="Where the devices are reached.",
)  # fmt: skip
@click.option("--moves", is_flag=True, help="Also what moves something, or changes anything.")
@click.option("--confirm", type=click.IntRange(min=1), metavar="N", help="Do not ask, if it is N devices.")
@click.option("--at-once", type=click.IntRange(1, 1000), help="Devices at a time; default 8, with --moves 1.")
@click.option(
    "--per-minute", type=arguments.NumberRange(min=0, min_open=True),
    help="Devices that begin within a minute; default 600, with --moves 6.",
)  # fmt: skip
@click.option(
    "--timeout", type=arguments.NumberRange(min=0, min_open=True), default=60.0, show_default=True,
    help="Seconds at each device.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a device, as they complete.")
@connection_options
@click.pass_obj
def call(
    settings: dict[str, Any],
    command: str,
    payload: str | None,
    wanted: Expression | None,
    names: tuple[str, ...],
    service: str | None,
    gateway: str,
    moves: bool,
    confirm: int | None,
    at_once: int | None,
    per_minute: float | None,
    timeout: float,
    as_json: bool,
    connection: dict[str, Any],
) -> None:
    """Send COMMAND (Interface.Command) with PAYLOAD (a JSON object) to many devices through a gateway.

    Commands that do more than look need --moves, and are confirmed by typing the number of devices. Ctrl-C
    tells nobody any more and waits for who has been told; a second one does not wait. Nothing is kept for a
    device that is absent. Exit 0 if all devices that were meant succeeded. --certificate, --key and --ca
    before `call` are for the broker, those after it for the gateway.

    \b
    xfs4iot fleet call Common.Status --service Lights --where "device ~ 'atm1*'"
    xfs4iot fleet call CashManagement.Reset --moves --device atm17
    """
    content = arguments.payload(payload)
    if not names and wanted is None:
        raise click.UsageError(
            "say which devices: --where EXPR or --device NAME; all: --where \"device ~ '*'\""
        )
    if "." not in command:
        raise click.BadParameter("COMMAND is Interface.Command, such as Common.Status")
    _check_known(command)
    if not moves and not only_looks(command):
        raise click.UsageError(f"{told(command)} does more than look; if that is meant, add --moves")
    refuse_plain(gateway, connection)
    usual = _LOOKING if only_looks(command) else _MOVING
    at_once, per_minute = at_once or usual[0], per_minute or usual[1]
    diagnostics = Console(stderr=True)

    async def main(carrier: Nats) -> int:
        targets, absent = await _meant(settings, carrier, command, wanted, names, service)
        if not targets and not absent:
            raise click.ClickException("no device fits --where; see `xfs4iot fleet list` with the same")
        if not only_looks(command):
            await _confirm(command, len(targets), at_once, per_minute, confirm)
        outcomes = _Outcomes(command, as_json, diagnostics)
        for name in absent:
            description = "offline when it began"
            outcomes.add(Outcome(Target(name, service or ""), bulk.ABSENT, False, description=description))
        with outcomes.progress(len(targets)):
            calls = Bulk(
                gateway, command, content, connection=connection, timeout=timeout, at_once=at_once,
                per_minute=per_minute, ended=outcomes.add,
            )  # fmt: skip
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_interrupt, signals, calls, diagnostics)
                    await calls.run(targets)
                    nursery.cancel_scope.cancel()
        outcomes.summary(calls.stopped)
        return 130 if calls.stopped else 0 if outcomes.good else 1

    as_operator(settings, main)


def _check_known(command: str) -> None:
    """Refuse a command that an interface of the standard lacks; what vendors add has interfaces of its own.

    Raises:
        click.UsageError: no version of the standard has it.
    """
    interface = command.partition(".")[0]
    if registry.is_command(command) or not any(one.startswith(f"{interface}.") for one in COMMANDS):
        return
    near = client.nearest_command(command)
    raise click.UsageError(
        f"there is no command {told(command)}" + (f"; did you mean {near}?" if near else "")
    )


async def _meant(
    settings: dict[str, Any],
    carrier: Nats,
    command: str,
    wanted: Expression | None,
    names: tuple[str, ...],
    service: str | None,
) -> tuple[list[Target], list[str]]:
    """Whom to tell, and who is meant but not there."""
    targets, absent, wrong, missing = [], [], [], set(names)
    async with aclosing(view_of(carrier, settings["tenant"]).everything(wanted)) as devices:
        async for known in devices:
            if names and known.device not in names:
                continue
            missing.discard(known.device)
            if not known.presence.online:
                absent.append(known.device)
                continue
            target = bulk.target_of(known, command, service)
            if isinstance(target, Target):
                targets.append(target)
            else:
                wrong.append(target)
    if wrong:
        more = f", and {len(wrong) - 1} devices more are not clear either" if len(wrong) > 1 else ""
        near = client.nearest_command(command)
        meant = f"did you mean {near}? Else say" if near else "say"
        raise click.UsageError(
            f"{told(min(wrong))}{more}; {meant} --service NAME, or leave them out by --where"
        )
    if missing and wanted is None:
        raise click.ClickException(f"there is no device {sorted(missing)[0]}; see `xfs4iot fleet list`")
    return sorted(targets, key=lambda one: one.device), sorted(absent)


async def _confirm(command: str, count: int, at_once: int, per_minute: float, confirmed: int | None) -> None:
    """Be sure that somebody knows how many devices will do something."""
    minutes = count / per_minute
    what = (
        f"{told(command)} goes to {count} device{'' if count == 1 else 's'}, {at_once} at a time and "
        f"{per_minute:g} a minute: {f'about {minutes:.0f} minutes' if minutes >= 2 else 'within two minutes'}"
    )
    if confirmed is not None:
        if confirmed != count:
            raise click.UsageError(f"{what}; --confirm says {confirmed}: look at the list again")
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{what}; nobody can be asked here: add --confirm {count}")

    asked = partial(ask, f"{what}.\nType the number of devices to go on", f"add --confirm {count}")
    # In a thread, or the broker would take us for gone meanwhile.
    if await trio.to_thread.run_sync(asked, abandon_on_cancel=True) != str(count):
        raise click.ClickException("nobody was told anything; that was not the number of devices")


async def _interrupt(signals: AsyncIterator[int], calls: Bulk, diagnostics: Console) -> None:
    async for _ in signals:
        calls.stop()
        waiting = ", ".join(sorted(one.device for one in calls.running)[:_MOST_NAMED])
        if waiting:
            said = f"nobody else is told; waiting for {waiting}. Ctrl-C again does not wait"
            diagnostics.print(said, highlight=False)


class _Outcomes:
    """Prints what becomes of a command, and sums it up."""

    def __init__(self, command: str, as_json: bool, diagnostics: Console) -> None:
        self._command, self._as_json, self._diagnostics = command, as_json, diagnostics
        self._console = Console()
        self._counts: Counter[str] = Counter()
        self._named: dict[str, list[str]] = {}
        self._bar: Progress | None = None
        self._seconds = 0.0

    @property
    def good(self) -> bool:
        """Whether all succeeded."""
        return set(self._counts) == {"success"}

    def progress(self, total: int) -> Progress:
        """A bar on standard error, where that is a terminal."""
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=self._diagnostics, transient=True, disable=not self._diagnostics.is_terminal,
        )  # fmt: skip
        self._bar.add_task(escape(self._command), total=total)
        return self._bar

    def add(self, outcome: Outcome) -> None:
        """Take one."""
        code = outcome.code if not outcome.error_code else f"{outcome.code}/{outcome.error_code}"
        code = told(code, 100)
        self._counts[code] += 1
        named = self._named.setdefault(code, [])
        if len(named) < _MOST_NAMED:
            named.append(outcome.target.device)
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])
        if self._as_json:
            print_json(outcome.described(self._command), indent=0)
        elif code != "success":
            why = f": {told(outcome.description)}" if outcome.description else ""
            where = self._bar.console if self._bar is not None else self._diagnostics
            where.print(
                f"[red]{escape(outcome.target.device)}[/] {escape(code)}{escape(why)}",
                highlight=False,
            )  # fmt: skip

    def summary(self, interrupted: bool) -> None:
        """How many there were of each."""
        where = self._diagnostics if self._as_json else self._console
        table = Table("completion", "devices", "")
        table.columns[1].justify = "right"
        for code, count in self._counts.most_common():
            names = ", ".join(self._named[code]) + (", …" if count > len(self._named[code]) else "")
            said = (
                names if code == "success" else f"{_MEANINGS[code]}: {names}" if code in _MEANINGS else names
            )
            table.add_row(escape(code), str(count), escape(said))
        where.print(table)
        if interrupted:
            where.print("interrupted: whom this table calls not told has been told nothing")
