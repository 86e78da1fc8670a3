"""`xfs4iot fleet list`, `show` and `watch`: what they print, for few devices and for many, and of liars."""

from __future__ import annotations

import io
import json
import re
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import trio
from msgspec.structs import replace
from rich.console import Console

from conftest import Tenant
from xfs4iot.cli.fleet_view import _Line, _Screen
from xfs4iot.cli.table import Table
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.fleet.last import LAST, Last, ToldService, Unit
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.registry import PRESENCE, Presence
from xfs4iot.fleet.store import Entry, KeyValue, MemoryStore, Patience
from xfs4iot.fleet.view import Change, FleetView, Known
from xfs4iot.fleet.where import parse

NASTY = "\x1b[2J\x1b]0;x\x07\u202e[red]"


def holding(count: int, replenishment: str = "ok", device: str = "online") -> Last:
    unit = Unit("C1", "cash", True, "ok", replenishment, 2000, "EUR", Decimal(20), count)
    return Last(
        1, "xfs4iot 1.2.3", {"CashDispenser": ToldService(("Common", "Storage"), device, {"unit1": unit})}
    )


async def three(tenant: Tenant) -> None:
    await tenant.known("atm1", holding(500))
    await tenant.known("atm2", holding(20, "low"))
    await tenant.known("atm3", holding(0, "empty", "hardwareError"), online=False, alarms=2)


async def test_a_list_has_what_is_to_look_at(tenant: Tenant) -> None:
    await three(tenant)
    done = await tenant.run("list")
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.replace("│", " ").split()) for line in done.output.splitlines()]
    assert "atm1 online 2026-11-27 08:00:00 xfs4iot 1.2.3" in lines
    assert "atm2 online 2026-11-27 08:00:00 xfs4iot 1.2.3 CashDispenser.unit1" in lines
    assert "seen twice (2);" in done.output
    assert "\x1b" not in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    meant = await tenant.run(
        "list", "--json", "--where", "unit.replenishmentStatus == low and unit.count < 100"
    )
    assert [one["device"] for one in json.loads(meant.output)] == ["atm2"]
    nobody = await tenant.run("list", "--where", "unit.count > 9999")
    assert nobody.output == "no device fits --where\n"


async def test_a_list_on_a_narrow_terminal_loses_nothing(tenant: Tenant) -> None:
    await three(tenant)
    done = await tenant.run("list", columns=30)
    for word in ("atm1", "atm2", "hardwareError", "twice", "1.2.3", "CashDispenser.unit1"):
        assert word in done.output.replace("\n", ""), done.output


async def test_a_wrong_expression_is_shown_with_its_place(tenant: Tenant) -> None:
    done = await tenant.run("list", "--where", "online and unit.count < low")
    assert done.exit_code == 2
    place = [line for line in done.stderr.splitlines() if line.strip() == "^"]
    assert place == [" " * (2 + 24) + "^"]
    assert "column 25: unit.count is a number" in done.stderr
    hostile = await tenant.run("list", "--where", NASTY + "x" * 900)
    assert hostile.exit_code == 2
    assert "\x1b" not in hostile.stderr
    assert len(hostile.stderr) < 2000


async def test_one_device_is_shown_whole(tenant: Tenant) -> None:
    await three(tenant)
    done = await tenant.run("show", "atm3")
    assert "offline since 2026-11-27 08:00:00" in done.output
    assert "What follows is what it told last" in done.output
    for word in ("hardwareError", "EUR 20", "2000", "empty", "a copy of it was seen 2 times"):
        assert word in done.output, done.output
    said = json.loads((await tenant.run("show", "atm3", "--json")).output)
    assert said["services"]["CashDispenser"]["units"]["unit1"]["value"] == 20
    assert (await tenant.run("show", "atm9")).exit_code == 1
    for wrong in (">", "*", "a.b", "", NASTY):
        refused = await tenant.run("show", wrong)
        assert refused.exit_code == 2
        assert "\x1b" not in refused.stderr


@pytest.mark.parametrize("columns", [30, 40, 60, 80])
async def test_a_name_to_be_typed_stays_whole(tenant: Tenant, columns: int) -> None:
    """What `show` says of services and units is put into `--where` and `--service`."""
    services = {
        "CashDispenser": replace(
            holding(500).services["CashDispenser"],
            interfaces=("Common", "CashManagement", "CashDispenser", "Storage", "PowerManagement"),
        )
    }
    await tenant.known("atm1", Last(1, "", services))
    shown = (await tenant.run("show", "atm1", columns=columns)).output
    for name in ("CashManagement", "PowerManagement", "CashDispenser.unit1"):
        assert name in shown, shown


async def test_a_moment_is_written_in_one_way(tenant: Tenant) -> None:
    await tenant.known("atm1", holding(500))
    (listed,) = json.loads((await tenant.run("list", "--json")).output)
    shown = json.loads((await tenant.run("show", "atm1", "--json")).output)
    assert listed["since"] == shown["since"] == "2026-11-27T08:00:00+00:00"
    assert listed["toldAt"] == shown["toldAt"]
    assert datetime.fromisoformat(shown["toldAt"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize("command", ["list", "show atm1", "list --json", "show atm1 --json"])
async def test_a_device_that_lies_does_nothing_to_a_terminal(tenant: Tenant, command: str) -> None:
    told = holding(1, NASTY, NASTY)
    unit = told.services["CashDispenser"].units["unit1"]
    said = Last(1, NASTY, {NASTY: ToldService((NASTY,), NASTY, {NASTY: unit})})
    await tenant.known("atm1", said, version=NASTY, services=(NASTY,))
    await tenant.known("atm2", b"[" * 30_000)
    done = await tenant.run(*command.split())
    assert done.exit_code == 0, done.output
    assert not set("\x1b\x07\u202e") & set(done.output)
    assert "[red]" in done.output
    if command == "list":
        assert "its status cannot" in done.output


class Following:
    """Somebody who watches, and what was told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.troubles: list[str] = []

    async def until(self, count: int) -> None:
        with trio.fail_after(30):
            while len(self.changes) < count:  # noqa: ASYNC110
                await trio.sleep(0.01)

    @property
    def said(self) -> list[tuple[str, str, dict[str, object]]]:
        return [
            (one.kind, one.known.device, {what: new for what, _, new in one.changes}) for one in self.changes
        ]


async def test_who_watches_is_told_of_what_is_meant(tenant: Tenant, nursery: trio.Nursery) -> None:
    await three(tenant)
    following = Following()
    nursery.start_soon(tenant.view.watch, following.changes.append, parse("online and unit.count < 100"))
    await following.until(1)
    await tenant.known("atm1", holding(499))  # not meant
    await tenant.known("atm1", holding(99, "low"))
    await following.until(2)
    await tenant.known("atm1", holding(99, "low"))  # nothing has changed
    await tenant.known("atm2", holding(20, "low"), online=False)
    await following.until(3)
    assert following.said == [
        ("known", "atm2", {}),
        ("changed", "atm1", {
            "CashDispenser.unit1.count": 99, "CashDispenser.unit1.replenishmentStatus": "low",
        }),
        ("left", "atm2", {"online": False}),
    ]  # fmt: skip


@pytest.mark.parametrize("value", [b"{}", b"[]", b"\xff", b'{"epoch": 1, "services": 7}', b'{"more": {}}'])
async def test_what_no_gateway_has_written_harms_nobody(tenant: Tenant, value: bytes) -> None:
    await three(tenant)
    await tenant.presence.put("odd", value)
    listed = json.loads((await tenant.run("list", "--json")).output)
    assert [(one["device"], one["online"]) for one in listed] == [
        ("atm1", True), ("atm2", True), ("atm3", False), ("odd", False),
    ]  # fmt: skip
    assert "cannot be read" in (await tenant.run("show", "odd")).output


async def test_who_watches_takes_no_bucket_for_another(tenant: Tenant, nursery: trio.Nursery) -> None:
    """Both are read over one connection; a long name stays one where it is cut at the wrong place."""
    following = Following()
    await tenant.known("berlin-alexanderplatz-1", holding(5))
    nursery.start_soon(tenant.view.watch, following.changes.append)
    await following.until(1)
    for count in range(20):
        await tenant.known("berlin-alexanderplatz-1", holding(count + 10), alarms=count + 1)
    await following.until(41)
    assert {one.known.device for one in following.changes} == {"berlin-alexanderplatz-1"}


async def test_watching_in_a_pipe_prints_a_line_a_change(tenant: Tenant, nursery: trio.Nursery) -> None:
    await three(tenant)

    async def change() -> None:
        count = 500
        while True:
            count -= 1
            await tenant.known("atm1", holding(count))
            await trio.sleep(0.1)

    nursery.start_soon(change)
    done = await tenant.run("watch", "--count", "1")
    assert done.exit_code == 0, done.output
    line = done.stdout.splitlines()
    assert len(line) == 1
    assert "atm1 CashDispenser.unit1.count " in line[0]
    objects = [
        json.loads(one) for one in (await tenant.run("watch", "--json", "--count", "1")).stdout.splitlines()
    ]
    assert [one["kind"] for one in objects] == ["known"] * 3 + ["changed"]
    moments = {objects[0]["state"]["since"][-6:], *(one["at"][-6:] for one in objects)}
    assert moments == {"+00:00"}
    assert objects[-1]["changes"][0]["of"] == "CashDispenser.unit1.count"
    nursery.cancel_scope.cancel()


async def test_what_changed_while_the_broker_was_lost_is_told_when_it_is_back(
    own_tenant: Tenant, nursery: trio.Nursery
) -> None:
    watcher = await own_tenant.connect()
    view = FleetView(
        KeyValue(watcher, PRESENCE.format(own_tenant.name)), KeyValue(watcher, LAST.format(own_tenant.name))
    )
    await own_tenant.known("atm1", holding(500))
    following = Following()
    nursery.start_soon(view.watch, following.changes.append, None, following.troubles.append)
    await following.until(1)
    own_tenant.broker.kill()
    with trio.fail_after(30):
        while not following.troubles:  # noqa: ASYNC110
            await trio.sleep(0.05)
    await own_tenant.broker.start()
    with trio.fail_after(20):
        await own_tenant.carrier.until_connected()
    await own_tenant.known("atm1", holding(7))
    await following.until(2)
    with trio.fail_after(20):
        while following.troubles[-1]:  # noqa: ASYNC110
            await trio.sleep(0.05)
    assert following.said[1] == ("changed", "atm1", {"CashDispenser.unit1.count": 7})


async def test_more_than_the_broker_lets_wait_is_read_whole(tenant: Tenant) -> None:
    """Pushed at once it would be more than `max_pending`, and the reader would be put out."""
    value = b"x" * 60_000
    async with trio.open_nursery() as putting:
        for number in range(300):
            putting.start_soon(tenant.tell, f"atm{number}", value)
    seen = 0
    async with aclosing(tenant.last.entries()) as pieces:
        async for piece in pieces:
            seen += len(piece)
            await trio.sleep(0.01)
    assert seen == 300


class Endless(MemoryStore):
    """As many devices as are wanted, without holding them."""

    def __init__(self, count: int, value: bytes) -> None:
        super().__init__()
        self.count, self.value = count, value

    async def entries(self, *, live: bool = False, key: str = "") -> AsyncGenerator[list[Entry], None]:
        for number in range(self.count):
            await trio.lowlevel.checkpoint()
            yield [Entry(f"atm{number}", bytes(bytearray(self.value)), 0.0)]
        if live:
            yield []
            await trio.sleep_forever()


def much(count: int) -> FleetView:
    units = {f"unit{number}": Unit(id="C" * 50, status="ok", count=number) for number in range(100)}
    value = Last(1, "", {"CashDispenser": ToldService(("Common",), "online", units)}).encode()
    return FleetView(Endless(count, Presence(1, "i", True, 0.0).encode()), Endless(count, value))


async def test_a_list_of_many_devices_holds_little_of_each() -> None:
    peaks = []
    for count in (20, 80):
        view = much(count)
        tracemalloc.start()
        async with aclosing(view.everything()) as devices:
            lines = [_Line.of(known) async for known in devices]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(lines) == count
    # Of 10 KB that each has told.
    assert (peaks[1] - peaks[0]) / 60 < 2500, peaks


async def test_watching_many_devices_holds_little_of_each_and_shows_what_there_is_room_for() -> None:
    console = Console(width=80, height=24, file=open("/dev/null", "w"), force_terminal=True)  # noqa: SIM115, ASYNC230
    screen = _Screen(console)
    tracemalloc.start()
    with trio.move_on_after(30) as scope:

        def changed(change: Change) -> None:
            screen.changed(change)
            if len(screen._first) + len(screen._latest) == 80:
                scope.cancel()

        await much(80).watch(changed, None)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / 80 < 5000
    picture = screen._picture()
    assert isinstance(picture, Table)
    assert picture.row_count < 24
    assert "80 devices, 80 online; 9 of them, the last to change first" in str(picture.caption)
    console.file.close()


async def test_a_broker_that_cannot_be_reached_is_told(nursery: trio.Nursery) -> None:
    carrier = Nats(("nats://127.0.0.1:1",))
    with pytest.raises(Exception, match="no connection"):
        await KeyValue(carrier, "x").everything()


def test_the_live_table_begins_by_name_and_goes_on_by_what_has_changed() -> None:
    """On a narrow terminal as well, where it is no table: what it says at its end stays."""
    for width in (100, 40):
        with io.StringIO() as out:
            console = Console(width=width, height=40, file=out)
            screen = _Screen(console)
            console.print(screen._picture())
            assert "0 devices, 0 online; Ctrl-C ends" in out.getvalue()
            assert "device " not in out.getvalue()
            for name in ("atm1", "atm2", "atm3"):
                screen.changed(Change("known", known(name)))
            screen.changed(Change("changed", known("atm2")))
            screen.changed(Change("changed", known("atm3")))
            out.seek(0)
            out.truncate()
            console.print(screen._picture())
            said = out.getvalue()
            assert re.findall(r"atm\d", said) == ["atm3", "atm2", "atm1"]
            screen.changed(Change("left", known("atm3")))
            out.seek(0)
            out.truncate()
            console.print(screen._picture())
            assert re.findall(r"atm\d", out.getvalue()) == ["atm2", "atm1"]
            assert "2 devices, 2 online; Ctrl-C ends" in " ".join(out.getvalue().split())


def known(device: str) -> Known:
    return Known.of(device, Presence(1, "i", True, 0.0, "xfs4iot 1.2.3").encode(), None, None)


async def test_a_reader_that_has_waited_long_enough_says_what_to_do(own_tenant: Tenant) -> None:
    carrier = await own_tenant.connect()
    own_tenant.broker.kill()
    reader = KeyValue(carrier, LAST.format(own_tenant.name), patience=Patience(0.2, lambda text: None))
    with pytest.raises(CarrierLost, match=r"asked for 0\.2 s; are most of its nodes up\? .* ask again"):
        await reader.everything()
