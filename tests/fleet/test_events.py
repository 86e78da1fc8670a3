"""Events of all devices as a stream: what is in it, who may put it there, and who is harmed by whom."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from test_bulk import FIFTY

import xfs4iot
from conftest import Tenant
from dialogue import dialogue
from secured_fleet import Secured
from xfs4iot.fleet.carrier import Carried, CarrierLost, MemoryBroker
from xfs4iot.fleet.event_spool import EventSpool, Spooled
from xfs4iot.fleet.events import (
    EVENTS,
    INTERFACES,
    LARGEST,
    EventFeed,
    Retention,
    add_consumer,
    consumers,
    make_events,
    remove_consumer,
)
from xfs4iot.fleet.keeping import Keeping
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.protocol import registry

EXAMPLE = Path(__file__).parents[2] / "examples" / "fleet_events.py"
STATUS = registry.event("Common.StatusChangedEvent")


class Taking:
    """A consumer by our own client: what it has been given."""

    def __init__(
        self, carrier: Nats, tenant: str, name: str, inbox: str | None = None, *, confirms: bool = True
    ) -> None:
        self._carrier, self._stream, self._name = carrier, EVENTS.format(tenant), name
        self._inbox = inbox or f"{carrier.inbox}.{name}"
        self._confirms = confirms
        self.messages: list[Carried] = []
        carrier.subscribe(self._inbox, self._take)

    def _take(self, message: Carried) -> None:
        if message.status:
            return
        self.messages.append(message)
        if message.reply and self._confirms:
            self._carrier.publish(message.reply, b"+ACK")

    def ask(self) -> None:
        wanted = json.dumps({"batch": 1000, "expires": 30_000_000_000}).encode()
        self._carrier.publish(f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}", wanted, self._inbox)

    async def until(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        with trio.fail_after(30):
            while not holds(self.events):  # noqa: ASYNC110
                await trio.sleep(0.02)
        return self.events

    @property
    def events(self) -> list[dict[str, Any]]:
        return [{"device": one.subject.split(".")[2], **json.loads(one.body)} for one in self.messages]


async def consumer(tenant: Tenant, name: str, *interfaces: str) -> Taking:
    await add_consumer(tenant.carrier, tenant.name, name, interfaces)
    taking = Taking(tenant.carrier, tenant.name, name)
    taking.ask()
    return taking


async def test_what_happens_at_a_device_is_kept_for_who_was_away(
    tenant: Tenant, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    await tenant.gateway()
    uplink = await tenant.device(atm)
    client = await nursery.start(dialogue, atm.uri("CashDispenser"))
    await client.success("CashDispenser.Dispense", FIFTY)
    atm.services["Lights"].device.status.common.device = "hardwareError"  # type: ignore[union-attr]
    with trio.fail_after(20):
        while not uplink.events.number or uplink.events._waiting:  # noqa: ASYNC110
            await trio.sleep(0.02)
    # Only now does anybody want them.
    everything, cash = await consumer(tenant, "all"), await consumer(tenant, "cash", "Storage")
    events = await everything.until(lambda found: any(one["service"] == "Lights" for one in found))
    assert [one["number"] for one in events] == list(range(1, len(events) + 1))
    assert {(one["device"], one["epoch"]) for one in events} == {("atm17", 1)}
    (lights,) = (one for one in events if one["service"] == "Lights")
    assert (lights["event"], lights["payload"]) == (
        "Common.StatusChangedEvent", {"common": {"device": "hardwareError"}},
    )  # fmt: skip
    counts = [one for one in events if one["event"] == "Storage.CountsChangedEvent"]
    assert counts
    stored = [one for one in events if one["event"].startswith("Storage.")]
    assert await cash.until(lambda found: len(found) == len(stored)) == stored
    listed = json.loads((await tenant.run("consumer", "list", "--json")).output)
    assert [(one["name"], one["interfaces"], one["waiting"]) for one in listed] == [
        ("all", [], 0), ("cash", ["Storage"], 0),
    ]  # fmt: skip


class Feed(EventFeed):
    """A feed that hears of what a test says."""

    def status(self, **payload: Any) -> None:
        self.heard("CashDispenser", STATUS, json.dumps(payload or {"common": {"device": "online"}}).encode())


def test_nothing_sensitive_is_copied() -> None:
    feed = Feed(MemoryBroker().carrier(), Subjects("bank"), "atm17")
    feed.status(track2={"data": "4929000000006=2512"}, digit="5", commandNonce="ABCDEF", value=12.50)
    feed.status(
        common={"vendor": {"message": "card 4929000000006 stuck", "5413330089020011": 5413330089020011}}
    )
    feed.heard("x", STATUS, b"{" + b" " * LARGEST + b"}")
    feed.heard("x", STATUS, None)
    first, vendors, large, empty = feed._waiting
    assert first.subject == "x4.bank.atm17.e.Common"
    said = json.loads(first.body)
    hidden = {"track2": {"data": "•••"}, "digit": "•••", "commandNonce": "•••", "value": 12.50}
    assert said["payload"] == hidden
    assert "4929" not in first.body
    # As in recordings: of vendors under names of no standard, and in any text.
    assert "4929" not in vendors.body
    assert "5413" not in vendors.body
    assert "stuck" in vendors.body
    assert json.loads(large.body)["leftOut"] > LARGEST
    assert len(large.body) < 500
    assert "payload" not in json.loads(empty.body)


async def test_what_waits_too_long_is_missed_by_its_number(tenant: Tenant, nursery: trio.Nursery) -> None:
    feed = Feed(tenant.carrier, Subjects(tenant.name), "atm1")
    for _ in range(1500):
        feed.status()
    assert (feed.number, feed.dropped, len(feed._waiting)) == (1500, 500, 1000)
    nursery.start_soon(feed.run)
    taking = await consumer(tenant, "all")
    events = await taking.until(lambda found: bool(found) and found[-1]["number"] == 1500)
    # Of one interface of one device the stream of the tests keeps 50.
    numbers = [one["number"] for one in events]
    assert numbers == sorted(numbers)
    assert numbers[0] > 500


async def test_events_while_the_broker_is_lost_come_later_in_order(
    own_tenant: Tenant, nursery: trio.Nursery
) -> None:
    feed = Feed(await own_tenant.connect(), Subjects(own_tenant.name), "atm1")
    nursery.start_soon(feed.run)
    feed.status()
    with trio.fail_after(10):
        while feed._waiting:  # noqa: ASYNC110
            await trio.sleep(0.01)
    own_tenant.broker.kill()
    for _ in range(20):
        feed.status()
    await trio.sleep(0.1)
    await own_tenant.broker.start()
    with trio.fail_after(40):
        await own_tenant.carrier.until_connected()
        while feed._waiting:  # noqa: ASYNC110
            await trio.sleep(0.05)
    taking = await consumer(own_tenant, "all")
    events = await taking.until(lambda found: found[-1:] != [] and found[-1]["number"] == 21)
    assert sorted({one["number"] for one in events}) == list(range(1, 22))
    # Twice stands one whose confirmation was lost, and beside itself.
    assert [one["number"] for one in events] == sorted(one["number"] for one in events)
    assert len(events) < 24


async def test_events_that_wait_outlast_a_loss_of_power_and_how_a_start_ended_is_told(
    own_tenant: Tenant, nursery: trio.Nursery
) -> None:
    kept = xfs4iot.Ledger.open(None).service("uplink")
    carrier, spool = await own_tenant.connect(), EventSpool(kept)

    async def start(epoch: int) -> tuple[Feed, trio.CancelScope]:
        feed, scope = Feed(carrier, Subjects(own_tenant.name), "atm1", kept), trio.CancelScope()
        await feed.begin(epoch)

        async def run() -> None:
            with scope:
                await feed.run()

        nursery.start_soon(run)
        return feed, scope

    async def until(holds: Callable[[Spooled], bool]) -> None:
        with trio.fail_after(40):
            while (spooled := spool.read()) is None or not holds(spooled):  # noqa: ASYNC110
                await trio.sleep(0.02)

    feed, power = await start(1)
    feed.status(common={"device": "online"})
    with trio.fail_after(10):
        while feed._waiting:  # noqa: ASYNC110
            await trio.sleep(0.01)
    own_tenant.broker.kill()
    for _ in range(5):
        feed.status(common={"device": "offline"})
    await until(lambda spooled: len(spooled.waiting) == 5)
    power.cancel()
    # The broker is still away, and the power fails once more.
    feed, power = await start(2)
    feed.status(common={"device": "online"})
    await until(lambda spooled: spooled.epoch == 2 and len(spooled.waiting) == 7)
    power.cancel()
    await own_tenant.broker.start()
    feed, power = await start(3)
    await until(lambda spooled: spooled.epoch == 3 and not spooled.waiting)
    feed.status()
    with trio.fail_after(10):
        while feed._waiting:  # noqa: ASYNC110
            await trio.sleep(0.01)
    await feed.end()
    power.cancel()
    feed, _ = await start(4)
    await own_tenant.carrier.until_connected()
    taking = await consumer(own_tenant, "all")
    events = await taking.until(lambda found: bool(found) and found[-1]["epoch"] == 4)
    places = [(1, one) for one in range(1, 7)] + [(2, 1), (2, 2), (3, 1), (3, 2), (4, 1)]
    assert [(one["epoch"], one["number"]) for one in events] == places
    assert [one["before"] for one in events if "before" in one] == [
        {"epoch": 1, "number": 6, "dropped": 0, "inOrder": False},
        {"epoch": 2, "number": 2, "dropped": 0, "inOrder": False},
        {"epoch": 3, "number": 2, "dropped": 0, "inOrder": True},
    ]


async def test_nothing_is_kept_of_events_while_the_broker_takes_them(
    tenant: Tenant, nursery: trio.Nursery
) -> None:
    kept = xfs4iot.Ledger.open(None).service("uplink")
    feed = Feed(tenant.carrier, Subjects(tenant.name), "atm1", kept)
    await feed.begin(1)
    nursery.start_soon(feed.run)
    feed.status()
    feed.status()
    with trio.fail_after(10):
        while feed._waiting:  # noqa: ASYNC110
            await trio.sleep(0.01)
    await trio.sleep(0.2)
    assert EventSpool(kept).read() == Spooled(epoch=1)


@pytest.mark.posix  # An open file cannot be moved elsewhere.
async def test_a_ledger_that_cannot_be_written_keeps_no_event_from_the_broker(
    tenant: Tenant, nursery: trio.Nursery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "a.ledger")
    # As if somebody had put another file in its place.
    (tmp_path / "a.ledger").rename(tmp_path / "b.ledger")
    feed = Feed(tenant.carrier, Subjects(tenant.name), "atm1", ledger.service("uplink"))
    await feed.begin(1)
    nursery.start_soon(feed.run)
    feed.status()
    taking = await consumer(tenant, "all")
    await taking.until(lambda found: len(found) == 1)
    assert caplog.text.count("cannot be kept") == 1


async def test_a_consumer_that_takes_nothing_harms_nobody(
    tenant: Tenant, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    gateway = await tenant.gateway()
    await tenant.device(atm)
    # One asks and confirms nothing, one never asks.
    await add_consumer(tenant.carrier, tenant.name, "stuck")
    await add_consumer(tenant.carrier, tenant.name, "away")
    stuck = Taking(await tenant.connect(), tenant.name, "stuck", confirms=False)
    stuck.ask()
    taking = await consumer(tenant, "good")
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    status = atm.services["Lights"].device.status.common  # type: ignore[union-attr]
    for turn in range(120):
        status.device = "hardwareError" if turn % 2 else "offline"
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
    await taking.until(lambda found: len([one for one in found if one["service"] == "Lights"]) >= 100)
    known = {one.name: one for one in await consumers(tenant.carrier, tenant.name)}
    assert known["stuck"].unacknowledged > 0
    # What one does not take is not kept for it without end: 50 of each interface.
    assert known["away"].waiting <= 50 * len(INTERFACES)
    await remove_consumer(tenant.carrier, tenant.name, "stuck")
    with pytest.raises(CarrierLost):
        await remove_consumer(tenant.carrier, tenant.name, "stuck")


async def test_a_device_that_sends_very_much_pushes_out_nothing_but_its_own(tenant: Tenant) -> None:
    subjects = Subjects(tenant.name)
    await Keeping(tenant.carrier, subjects, "quiet").keep(subjects.event("quiet", "Common"), b'{"number": 1}')
    for number in range(300):
        tenant.carrier.publish(subjects.event("loud", "Common"), json.dumps({"number": number}).encode())
    await Keeping(tenant.carrier, subjects, "loud").keep(subjects.event("loud", "Storage"), b'{"number": 1}')
    taking = await consumer(tenant, "all")
    events = await taking.until(lambda found: len(found) >= 52)
    assert [one["device"] for one in events].count("quiet") == 1
    assert [one["device"] for one in events].count("loud") == 51


async def test_each_says_and_takes_only_what_is_its_own(secured: Secured) -> None:
    await secured.decide()
    gateway = await secured.carrier("gateway")
    await make_events(gateway, "bank", retention=Retention())
    await make_events(gateway, "bank")
    operator = await secured.carrier("operator")
    await add_consumer(operator, "bank", "reconciliation", ["CashDispenser"])
    assert [one.name for one in await consumers(operator, "bank")] == ["reconciliation"]
    secured.admit("atm17", "xfs4iot://device/atm17")
    device = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    stream = EVENTS.format("bank")
    keeping = Keeping(device, Subjects("bank"), "atm17")
    await keeping.keep("x4.bank.atm17.e.CashDispenser", b'{"epoch": 1}')
    device.publish("x4.bank.atm17.e.CashDispenser", b"{}", headers={"Nats-Rollup": "all"})
    device.publish("x4.bank.atm17.e.CashDispenser", b"x" * (LARGEST + 2000))
    await device.flush()
    for subject in (
        "x4.bank.atm18.e.CashDispenser", "x4.bank.atm17.e.Anything", "x4.bank.atm17.e.Common.x",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.reconciliation", f"$JS.API.CONSUMER.CREATE.{stream}.x",
        f"$JS.API.STREAM.PURGE.{stream}", f"$JS.API.STREAM.MSG.GET.{stream}",
    ):  # fmt: skip
        device.publish(subject, b"{}")
        await device.flush()
        assert [one for one in device.refusals if f'"{subject}"' in one], subject
    secured.admit("reconciliation", "xfs4iot://consumer/reconciliation")
    other = await secured.carrier("reconciliation", inbox="_INBOX.bank.c.reconciliation.own")
    taking = Taking(other, "bank", "reconciliation", "_INBOX.bank.c.reconciliation.own.events")
    taking.ask()
    assert await taking.until(lambda found: len(found) == 1) == [{"device": "atm17", "epoch": 1}]
    await add_consumer(operator, "bank", "fraud")
    for subject in (
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.fraud", f"$JS.API.CONSUMER.CREATE.{stream}.mine",
        f"$JS.API.CONSUMER.CREATE.{stream}", f"$JS.ACK.{stream}.fraud.1.1.1.1.0", "x4.bank.atm17.1.ctl",
        "x4.bank.atm17.e.Common", "$KV.x4-bank-presence.atm17",
        f"$JS.API.CONSUMER.DELETE.{stream}.fraud", "$JS.API.CONSUMER.CREATE.KV_x4-bank-last",
    ):  # fmt: skip
        other.publish(subject, b"{}")
        await other.flush()
        assert [one for one in other.refusals if f'"{subject}"' in one], subject
    for subject in ("x4.bank.>", "_INBOX.>", "_INBOX.bank.atm17.*", "_INBOX.bank.c.fraud.>", ">"):
        other.subscribe(subject, lambda _: None)
        await other.flush()
        assert [one for one in other.refusals if f'"{subject}"' in one], subject


async def test_the_example_takes_events_and_goes_on_where_it_was(
    tenant: Tenant, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    added = await tenant.run("consumer", "add", "reconciliation", "--interface", "Common")
    assert added.exit_code == 0, added.output
    feed = Feed(tenant.carrier, Subjects(tenant.name), "atm17")
    feed.epoch = 3
    nursery.start_soon(feed.run)
    arguments = [sys.executable, str(EXAMPLE), tenant.broker.url, tenant.name, "reconciliation"]
    for turn in ("offline", "online"):
        feed.status(common={"device": turn})
        process = await trio.lowlevel.open_process(arguments, stdout=subprocess.PIPE)
        said = b""
        with trio.fail_after(30):
            assert process.stdout is not None
            while b"\n" not in said:
                some = await process.stdout.receive_some()
                assert some, said
                said += some
        # It confirms after it has printed.
        await trio.sleep(0.3)
        process.kill()
        await process.wait()
        assert said.decode().endswith(
            f"CashDispenser Common.StatusChangedEvent {{'common': {{'device': '{turn}'}}}}\n"
        )
        assert said.count(b"\n") == 1
        assert said.startswith(b"atm17 ")
