"""`xfs4iot fleet list`, `show` and `watch`: what is known of the devices of a fleet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import datetime
from itertools import chain, islice
from typing import Any

import click
import trio
from rich.live import Live
from rich.text import Text

from xfs4iot.cli.characters import escape
from xfs4iot.cli.connection import print_json
from xfs4iot.cli.operator import as_operator, device_argument, view_of, where_option
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.view import Change, FleetView, Known, instant, moment
from xfs4iot.fleet.where import FIELDS, Expression

__all__ = ["fields", "list_devices", "show", "watch"]

_MOST_TROUBLES = 4
_NARROW = 70
"""Columns of a terminal that has no room for the table."""
_REFRESH_SECONDS = 0.25
_WAIT_SECONDS, _WAIT_PAUSE = 60.0, 0.5
_NAME = 40
"""Characters of names that stay whole, such as `CashDispenser.unit1`: they are typed in `--where`."""
_MOST_CHANGES = 20
"""Changes of a device that one line tells of; the rest is counted."""


@dataclass(frozen=True, slots=True)
class _Line:
    """What a list has of a device: little, since there may be many."""

    device: str
    online: bool
    since: float
    epoch: int
    alarms: int
    version: str
    services: tuple[str, ...]
    told: float | None
    troubles: tuple[str, ...]
    more: int

    @classmethod
    def of(cls, known: Known) -> _Line:
        there, troubles = known.presence, known.troubles()
        return cls(
            known.device, there.online, there.since, there.epoch, there.alarms, there.version,
            there.services, known.at, tuple(troubles[:_MOST_TROUBLES]),
            max(0, len(troubles) - _MOST_TROUBLES),
        )  # fmt: skip

    def cells(self) -> Iterator[str]:
        yield escape(self.device)
        yield "[green]online[/]" if self.online else "offline"
        yield moment(self.since).replace("T", " ")
        yield escape(self.version)
        marks = [*self.troubles, *([f"and {self.more} more"] if self.more else [])]
        if self.alarms:
            marks.insert(0, f"seen twice ({self.alarms})")
        yield escape("; ".join(marks))


def _table(lines: Iterator[_Line] | list[_Line]) -> Table:
    table = Table("device", "", "since (UTC)", "version", "to look at")
    for line in lines:
        table.add_row(*line.cells())
    return table


@click.command("list")
@where_option
@click.option(
    "--wait", "awaited", type=click.IntRange(min=1), metavar="N",
    help="Wait until N of them are online, for a minute at most.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_devices(
    settings: dict[str, Any], wanted: Expression | None, awaited: int | None, as_json: bool
) -> None:
    """List devices: whether they are there, since when, their software, and what is to look at.

    With --wait, exit 1 if they did not come in time; the list is printed all the same.

    \b
    xfs4iot fleet list --where 'unit.replenishmentStatus == low'
    xfs4iot fleet list --where 'not online or service.device != online'
    """

    async def main(carrier: Nats) -> int:
        view = view_of(carrier, settings["tenant"])
        deadline = trio.current_time() + _WAIT_SECONDS
        lines = await _lines(view, wanted)
        while late := awaited is not None and sum(line.online for line in lines) < awaited:
            if trio.current_time() > deadline:
                break
            await trio.sleep(_WAIT_PAUSE)
            lines = await _lines(view, wanted)
        if as_json:
            print_json([_plain(line) for line in lines])
        elif lines:
            Console().print(_table(lines))
        else:
            click.echo("no device fits --where" if wanted else "there are no devices yet")
        if late:
            there = sum(line.online for line in lines)
            said = f"after {_WAIT_SECONDS:g} s {there} of {awaited} devices are online"
            raise click.ClickException(said)
        return 0

    as_operator(settings, main)


async def _lines(view: FleetView, wanted: Expression | None) -> list[_Line]:
    """Of all devices that are meant, by name."""
    async with aclosing(view.everything(wanted)) as devices:
        return sorted([_Line.of(known) async for known in devices], key=lambda line: line.device)


def _plain(line: _Line) -> dict[str, Any]:
    return {
        "device": line.device, "online": line.online, "since": instant(line.since), "epoch": line.epoch,
        "alarms": line.alarms, "version": line.version, "services": list(line.services),
        "toldAt": instant(line.told), "toLookAt": list(line.troubles),
        "more": line.more,
    }  # fmt: skip


@click.command()
@device_argument
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def show(settings: dict[str, Any], device: str, as_json: bool) -> None:
    """Show what is known of DEVICE: its services, their state, and what their storage units hold."""

    async def main(carrier: Nats) -> None:
        known = await view_of(carrier, settings["tenant"]).get(device)
        if known is None:
            raise KeyError(device)
        if as_json:
            print_json(known.described())
        else:
            _print(Console(), known)

    as_operator(settings, main)


def _print(console: Console, known: Known) -> None:
    there = known.presence
    state = "[green]online[/]" if there.online else "[red]offline[/]"
    said = f"[bold]{escape(known.device)}[/] {state} since {moment(there.since).replace('T', ' ')} UTC, "
    console.print(said + f"epoch {there.epoch}, {escape(there.version)}", highlight=False)
    if there.alarms:
        console.print(f"[red]a copy of it was seen {there.alarms} times: see docs/fleet.md[/]")
    if known.problem is not None:
        console.print(f"[red]its last status cannot be read: {escape(known.problem)}[/]")
    if known.last is None:
        console.print("It has told nothing of its services yet." if known.problem is None else "")
        return
    age = "" if known.at is None else f", {_ago(time.time() - known.at)} ago"
    if not there.online:
        console.print(f"[yellow]What follows is what it told last{age}.[/]")
    elif known.at is not None:
        console.print(f"[dim]as of {moment(known.at).replace('T', ' ')} UTC{age}[/]", highlight=False)
    services = Table("service", "device", "interfaces", whole=_NAME)
    units = Table("unit", "", "count", "of", "item", "replenishment", whole=_NAME)
    for column in (2, 3):
        units.columns[column].justify = "right"
    for name, service in known.last.services.items():
        colour = "green" if service.device == "online" else "red"
        device = "" if service.device is None else f"[{colour}]{escape(service.device)}[/]"
        services.add_row(escape(name), device, escape(", ".join(service.interfaces)))
        for unit, one in service.units.items():
            level = one.replenishment or ""
            well = ("", "ok") if one.gives else ("", "ok", "low", "empty")
            units.add_row(
                escape(f"{name}.{unit}"), escape(one.status or ""),
                "" if one.count is None else str(one.count),
                "" if one.capacity is None else str(one.capacity),
                escape(f"{one.currency or ''} {'' if one.value is None else f'{one.value:f}'}".strip()),
                f"[yellow]{escape(level)}[/]" if level not in well else escape(level),
            )  # fmt: skip
    console.print(services)
    if units.row_count:
        console.print(units)
    if known.last.left_out:
        console.print(f"{known.last.left_out} more units, which are too many to be kept")


def _ago(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


@click.command()
@where_option
@click.option("--count", type=click.IntRange(min=1), help="End after so many changes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, first one for each device.")
@click.pass_obj
def watch(settings: dict[str, Any], wanted: Expression | None, count: int | None, as_json: bool) -> None:
    """Show devices as they change: a live table in a terminal, a line for each change in a pipe.

    When the broker is lost it goes on as soon as it is back, and tells what has changed meanwhile.

    \b
    xfs4iot fleet watch --where 'any(unit.replenishmentStatus == low)'
    xfs4iot fleet watch --json | jq -c 'select(.kind == "changed")'
    """
    console, diagnostics = Console(), Console(stderr=True)
    live = console.is_terminal and not as_json and count is None

    def trouble(text: str) -> None:
        said = f"[yellow]the broker is lost: {escape(text)}; it is tried again[/]" if text else "it is back"
        diagnostics.print(said, highlight=False)

    async def main(carrier: Nats) -> None:
        view = view_of(carrier, settings["tenant"])
        if live:
            await _Screen(console).run(lambda changed, lost: view.watch(changed, wanted, lost))
            return
        seen = 0
        diagnostics.print("[dim]watching the fleet; Ctrl-C ends[/]")
        with trio.CancelScope() as scope:

            def changed(change: Change) -> None:
                nonlocal seen
                if seen == count:
                    return
                if as_json:
                    print_json(_as_object(change), indent=0)
                elif change.kind != "known":
                    _print_change(console, change)
                if change.kind != "known":
                    seen += 1
                    if seen == count:
                        scope.cancel()

            await view.watch(changed, wanted, trouble)

    as_operator(settings, main, long=True)


def _as_object(change: Change) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": change.kind, "at": instant(time.time()), "device": change.known.device}
    if change.kind == "known":
        return said | {"state": change.known.described()}
    changes = [{"of": what, "before": old, "after": new} for what, old, new in change.changes]
    return said | {"online": change.known.presence.online, "changes": changes}


def _print_change(console: Console, change: Change) -> None:
    now = datetime.now().strftime("%H:%M:%S")
    told = [f"{what} {_said(old)} → {_said(new)}" for what, old, new in change.changes[:_MOST_CHANGES]]
    if len(change.changes) > _MOST_CHANGES:
        told.append(f"and {len(change.changes) - _MOST_CHANGES} more")
    left = " [dim](is not meant any more)[/]" if change.kind == "left" else ""
    console.print(
        f"[dim]{now}[/] [magenta]{escape(change.known.device)}[/]{left} {escape(', '.join(told))}",
        highlight=False,
    )


def _said(value: Any) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


class _Screen:
    """The live table: what has changed last is at the top, as much of it as there is room for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._first: dict[str, _Line] = {}
        """As they were at the beginning, by name."""
        self._latest: dict[str, _Line] = {}
        """Which have changed since; the last to change is the last."""
        self._trouble = ""
        self._stale = True

    def changed(self, change: Change) -> None:
        name = change.known.device
        self._first.pop(name, None)
        self._latest.pop(name, None)
        if change.kind != "left":
            (self._first if change.kind == "known" else self._latest)[name] = _Line.of(change.known)
        self._stale = True

    def lost(self, text: str) -> None:
        self._trouble = text
        self._stale = True

    def _picture(self) -> Table | Text:
        count = len(self._first) + len(self._latest)
        # Each device may need several lines, and on a narrow terminal one for each cell.
        room = max(1, (self._console.height - 6) // (2 if self._console.width >= _NARROW else 5))
        lines = list(islice(chain(reversed(self._latest.values()), self._first.values()), room))
        there = sum(line.online for line in chain(self._first.values(), self._latest.values()))
        said = f"{count} devices, {there} online"
        if len(lines) < count:
            said += f"; {len(lines)} of them, the last to change first"
        if self._trouble:
            said = f"[red]the broker is lost: {escape(self._trouble)}[/]"
        said += "; Ctrl-C ends"
        if not lines:
            return Text.from_markup(said)
        table = _table(lines)
        table.caption = said
        return table

    async def run(self, follow: Callable[..., Any]) -> None:
        with Live(console=self._console, auto_refresh=False) as shown:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow, self.changed, self.lost)
                while True:
                    if self._stale:
                        self._stale = False
                        shown.update(self._picture(), refresh=True)
                    await trio.sleep(_REFRESH_SECONDS)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def fields(as_json: bool) -> None:
    """List what can be asked for in --where."""
    if as_json:
        print_json(
            [{"field": name, "kind": one.kind, "meaning": one.meaning} for name, one in FIELDS.items()]
        )
        return
    table = Table("field", "", "meaning")
    for name, one in FIELDS.items():
        table.add_row(name, one.kind, escape(one.meaning))
    Console().print(table)
