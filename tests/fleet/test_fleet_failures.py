"""What docs/fleet.md promises when something fails: each row of its table is a test of that name."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest
import trio
import trio_websocket

import xfs4iot
from conftest import Tenant
from dialogue import Dialogue, dialogue
from secured_fleet import Secured
from xfs4iot.fleet import application
from xfs4iot.fleet import renewal as renewing
from xfs4iot.fleet.broker import Broker
from xfs4iot.fleet.carrier import MemoryBroker
from xfs4iot.fleet.gateway import Gateway
from xfs4iot.fleet.last import LAST
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.registry import PRESENCE
from xfs4iot.fleet.renewal import Renewal
from xfs4iot.fleet.store import KeyValue, MemoryStore, Patience
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.fleet.uplink import Uplink
from xfs4iot.server.channel import SessionLimits
from xfs4iot.simulator import atm as simulated_atm

PAGE = Path(__file__).parents[2] / "docs" / "fleet.md"
NOTICED = 30
"""Seconds in which what is promised within 12 or 15 s has happened on a machine that is busy."""


def rows() -> list[str]:
    """What may fail, as the page says it."""
    table = PAGE.read_text("utf-8").partition("\n## When something fails\n")[2].partition("\n\n## ")[0]
    first = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
    assert first[0] == "what"
    return first[1:]


def test_each_row_of_the_page_has_its_test() -> None:
    tests = {name for name in globals() if name.startswith("test_when_")}
    assert {f"test_when_{row.replace(' ', '_')}" for row in rows()} == tests


async def until(what: Callable[[], object], seconds: float = NOTICED) -> None:
    with trio.fail_after(seconds):
        while not what():  # noqa: ASYNC110
            await trio.sleep(0.02)


async def refused(uri: str) -> str:
    """Why no session can be opened there; the text has the HTTP status."""
    with pytest.raises(xfs4iot.Disconnected) as problem:
        async with xfs4iot.connect(uri):
            pass
    return str(problem.value)


async def told_that_it_is_lost(client: Dialogue) -> None:
    with trio.fail_after(NOTICED):
        assert (await client.closed()).code == 1001


class Real:
    """Gateways and a device over real brokers, each with a connection that can be cut off without a word."""

    def __init__(self, nursery: trio.Nursery, urls: tuple[str, ...]) -> None:
        self.nursery, self.urls = nursery, urls

    async def carrier(self) -> tuple[Nats, trio.CancelScope]:
        carrier, scope = Nats(self.urls, ping_seconds=1), trio.CancelScope()

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with scope:
                await carrier.run(task_status=task_status)

        await self.nursery.start(run)
        with trio.fail_after(20):
            await carrier.until_connected()
        return carrier, scope

    async def gateway(self, replicas: int = 1) -> tuple[Gateway, trio.CancelScope]:
        """A gateway, and what kills it as far as devices can see."""
        carrier, scope = await self.carrier()
        store = KeyValue(carrier, PRESENCE.format("bank"), replicas=replicas)
        with trio.fail_after(30):
            while True:
                try:
                    await store.make()
                    break
                except Exception:
                    await trio.sleep(0.2)
        gateway = Gateway(carrier, store, tenant="bank", port=0)
        await self.nursery.start(gateway.serve)
        return gateway, scope

    async def device(
        self, publisher: xfs4iot.Publisher, ledger: xfs4iot.Ledger | None = None
    ) -> tuple[Uplink, Nats, trio.CancelScope]:
        """A device that is taken in, its connection, and what takes that away without a word."""
        carrier, scope = await self.carrier()
        kept = (ledger or xfs4iot.Ledger.open(None)).service("uplink")
        uplink = Uplink(publisher, carrier, kept, tenant="bank", device="atm17", authorities=None)
        await self.nursery.start(uplink.run)
        await until(uplink.admitted.is_set)
        return uplink, carrier, scope


@pytest.mark.parametrize("what", [Broker.kill, Broker.freeze])
async def test_when_a_node_of_the_broker_dies(
    cluster: list[Broker], atm: xfs4iot.Publisher, nursery: trio.Nursery, what: Callable[[Broker], None]
) -> None:
    real = Real(nursery, tuple(node.url for node in cluster))
    gateway, _ = await real.gateway(replicas=3)
    _, carrier, _ = await real.device(atm)
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    held = next(node for node in cluster if node.configuration["server_name"] == carrier.info["server_name"])
    what(held)
    request = await client.send("Common.Status")
    with trio.fail_after(20):
        assert await client.until("completion", request)


async def test_when_a_gateway_dies(broker: Broker, atm: xfs4iot.Publisher, nursery: trio.Nursery) -> None:
    real = Real(nursery, (broker.url,))
    first, kill = await real.gateway()
    second, _ = await real.gateway()
    uplink, _, _ = await real.device(atm)
    await nursery.start(dialogue, first.uri("atm17", "CashDispenser"))
    assert uplink.busy
    kill.cancel()
    await until(lambda: not uplink.busy)
    other = await nursery.start(dialogue, second.uri("atm17", "CashDispenser"))
    assert await other.success("CashDispenser.GetPresentStatus")


async def test_when_a_device_loses_power(
    broker: Broker, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    real = Real(nursery, (broker.url,))
    gateway, _ = await real.gateway()
    ledger = xfs4iot.Ledger.open(None)
    _, _, cut = await real.device(atm, ledger)
    uri = gateway.uri("atm17", "CashDispenser")
    client = await nursery.start(dialogue, uri)
    cut.cancel()
    await told_that_it_is_lost(client)
    assert "HTTP 503" in await refused(uri)
    with trio.fail_after(NOTICED):
        while (presence := await gateway.registry.get("atm17")) is None or presence.online:  # noqa: ASYNC110
            await trio.sleep(0.1)
    # It starts again, and nothing of before is executed or waited for.
    again, _, _ = await real.device(atm, ledger)
    assert again.epoch == 2
    assert not again.busy
    other = await nursery.start(dialogue, uri)
    assert await other.success("CashDispenser.GetPresentStatus")


async def test_when_a_line_freezes(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> None:
    """Nothing is carried any more, and nobody is told so."""
    way = MemoryBroker()
    gateway = Gateway(way.carrier(), MemoryStore(), tenant="bank", port=0)
    await nursery.start(gateway.serve)
    kept = xfs4iot.Ledger.open(None).service("uplink")
    uplink = Uplink(atm, way.carrier(), kept, tenant="bank", device="atm17", authorities=None)
    await nursery.start(uplink.run)
    await until(uplink.admitted.is_set)
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    way.disturb = lambda message: 0
    await client.send("CashDispenser.GetMixTypes")
    await told_that_it_is_lost(client)
    await until(lambda: not uplink.busy)
    # What was on its way when it froze is not executed when it is thawed.
    way.disturb = lambda message: 1
    other = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    assert await other.success("CashDispenser.GetPresentStatus")


async def test_when_the_same_device_comes_twice(
    broker: Broker, atm: xfs4iot.Publisher, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    real = Real(nursery, (broker.url,))
    gateway, _ = await real.gateway()
    ledger = xfs4iot.Ledger.open(None)
    first, _, _ = await real.device(atm, ledger)
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    # What the copy was made of is as old as that.
    carrier, _ = await real.carrier()
    copied = xfs4iot.Ledger.open(None).service("uplink")
    copy = Uplink(atm, carrier, copied, tenant="bank", device="atm17", authorities=None)
    await nursery.start(copy.run)
    await until(lambda: copy.refused)
    assert not copy.admitted.is_set()
    alarms = {one.name for one in caplog.records if one.levelname == "CRITICAL"}
    assert alarms == {"xfs4iot.uplink", "xfs4iot.fleet"}
    presence = await gateway.registry.get("atm17")
    assert presence is not None
    assert presence.alarms
    assert presence.instance == first.instance
    assert await client.success("Common.Status")
    # The copy hears what is for the device, and must answer nothing of it.
    for _ in range(10):
        async with xfs4iot.connect(gateway.uri("atm17", "CashDispenser")) as device:
            await device.call("Common.Status")
    assert await client.success("Common.Status")


async def test_when_an_application_is_slow(
    broker: Broker, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(application, "_SEND_SECONDS", 5.0)
    atm = xfs4iot.Publisher(
        simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0), port=0,
        session_limits=SessionLimits(send_seconds=1),
    )  # fmt: skip
    await nursery.start(atm.serve)
    real = Real(nursery, (broker.url,))
    gateway, _ = await real.gateway()
    uplink, _, _ = await real.device(atm)
    uri = gateway.uri("atm17", "CashDispenser")
    prompt = await nursery.start(dialogue, uri)
    socket = trio.socket.socket()
    # So that little is enough.
    socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
    await socket.connect(("127.0.0.1", gateway.port or 0))
    slow = trio.SocketStream(socket)
    async with slow, trio.open_nursery() as sending:
        connection = await trio_websocket.wrap_client_stream(
            sending, slow, "127.0.0.1", uri.partition("://")[2].partition("/")[1] + uri.split("/", 3)[3],
            message_queue_size=1,
        )  # fmt: skip
        talk = Dialogue(connection)

        async def ask() -> None:
            try:
                while True:
                    await talk.send("Common.Capabilities")
            except trio_websocket.ConnectionClosed:
                return

        sending.start_soon(ask)
        await until(lambda: len(uplink._sessions) == 2)
        with trio.fail_after(2 * NOTICED):
            while "it took no data for 1 s" not in caplog.text or len(uplink._sessions) == 2:
                # The others do not wait for it.
                assert await prompt.success("Common.Status")
                await trio.sleep(0.05)
        sending.cancel_scope.cancel()
    assert await prompt.success("Common.Status")


async def test_when_no_callout_answers(
    secured: Secured, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    deciding = await secured.decide()
    gateway = await secured.gateway()
    for name in ("atm17", "atm18"):
        secured.admit(name, f"xfs4iot://device/{name}")
    await secured.device(atm, "atm17")
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    deciding.cancel()
    late = Nats(secured.servers, secured._login("atm18"), ping_seconds=1)
    await nursery.start(late.run)
    with trio.move_on_after(3):
        await late.until_connected()
    assert not late.connected
    # Also with a new session of who was in.
    assert await client.success("Common.Status")
    other = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    assert await other.success("Common.Status")
    await secured.decide()
    with trio.fail_after(NOTICED):
        await late.until_connected()


async def test_when_no_authority_answers(
    secured: Secured,
    atm: xfs4iot.Publisher,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(renewing, "_PAUSE", 1e-5)
    await secured.decide()
    # Begins an hour ago, and so is past two thirds at once.
    signing = await secured.office(days=(3600 + 600) / 86400, begun=timedelta(hours=1))
    credential = await secured.enroll(signing, "atm17")
    before = (secured.keys / "atm17.pem").read_bytes()
    gateway = await secured.gateway()
    _, carrier = await secured.device(atm, "atm17")
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    absent = Subjects("bank")
    monkeypatch.setattr(absent, "renew", lambda device: f"x4.bank.{device}.u.nobody")
    async with trio.open_nursery() as renewal:
        renewal.start_soon(Renewal(credential, carrier, absent).run)
        await until(lambda: caplog.text.count("is not renewed yet") > 1)
        assert await client.success("Common.Status")
        assert (secured.keys / "atm17.pem").read_bytes() == before
        monkeypatch.undo()
        await until(lambda: (secured.keys / "atm17.pem").read_bytes() != before)
        renewal.cancel_scope.cancel()


async def test_when_the_registry_cannot_be_asked(
    cluster: list[Broker], atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    """Two of three nodes are gone: the third carries messages, and decides nothing alone."""
    real = Real(nursery, tuple(node.url for node in cluster))
    gateway, _ = await real.gateway(replicas=3)
    here = Real(nursery, (cluster[0].url,))
    serving, _ = await here.gateway(replicas=3)
    await here.device(atm)
    uri = serving.uri("atm17", "CashDispenser")
    client = await nursery.start(dialogue, uri)
    assert gateway.name != serving.name
    for node in cluster[1:]:
        node.kill()
    with trio.fail_after(2 * NOTICED):
        # The last word of a leader that has lost the others may still be given.
        while "HTTP 503" not in (said := await _tried(uri)):  # noqa: ASYNC110
            await trio.sleep(0.5)
    assert "cannot be asked" in said
    assert await client.success("Common.Status")
    for node in cluster[1:]:
        await node.start()
    with trio.fail_after(2 * NOTICED):
        while await _tried(uri):  # noqa: ASYNC110
            await trio.sleep(0.5)
    assert await client.success("Common.Status")


async def _tried(uri: str) -> str:
    """Why no session can be opened there; empty if one can."""
    try:
        async with xfs4iot.connect(uri):
            return ""
    except xfs4iot.Disconnected as problem:
        return str(problem)


async def test_a_gateway_that_ends_tells_and_another_serves(
    broker: Broker, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    """In order, not by a failure: nobody waits for anything."""
    real = Real(nursery, (broker.url,))
    second, _ = await real.gateway()
    carrier, _ = await real.carrier()
    first = Gateway(carrier, KeyValue(carrier, PRESENCE.format("bank")), tenant="bank", port=0)
    scope = trio.CancelScope()

    async def serve(*, task_status: trio.TaskStatus[None]) -> None:
        with scope:
            await first.serve(task_status=task_status)

    await nursery.start(serve)
    uplink, _, _ = await real.device(atm)
    client = await nursery.start(dialogue, first.uri("atm17", "CashDispenser"))
    assert uplink.busy
    scope.cancel()
    await told_that_it_is_lost(client)
    await until(lambda: not uplink.busy)
    other = await nursery.start(dialogue, second.uri("atm17", "CashDispenser"))
    assert (await other.success("Common.Status"))["common"]["device"] == "online"


async def test_an_application_is_told_that_its_device_has_gone(
    broker: Broker, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    """In order: the device says so."""
    real = Real(nursery, (broker.url,))
    gateway, _ = await real.gateway()
    uplink, _, _ = await real.device(atm)
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    uplink._ended.set()
    await told_that_it_is_lost(client)


async def test_when_the_rest_of_the_nodes_chooses_who_leads(
    own_tenant: Tenant, nursery: trio.Nursery
) -> None:
    """A reader waits, and gets each value once."""
    async with trio.open_nursery() as putting:
        for number in range(300):
            putting.start_soon(own_tenant.tell, f"atm{number}", b"x" * 100)
    told: list[str] = []
    carrier = await own_tenant.connect()
    reader = KeyValue(carrier, LAST.format(own_tenant.name), patience=Patience(30, told.append))
    keys: list[str] = []
    one: list[bytes] = []

    async def get() -> None:
        found = await reader.get("atm7")
        assert found is not None
        one.append(found[0])

    async with trio.open_nursery() as meanwhile, aclosing(reader.entries()) as pieces:
        async for piece in pieces:
            if not keys:
                own_tenant.broker.kill()
                meanwhile.start_soon(get)
                meanwhile.start_soon(own_tenant.broker.start)
            keys += [each.key for each in piece]
    assert sorted(keys) == sorted(f"atm{number}" for number in range(300))
    assert one == [b"x" * 100]
    assert len(told) == 2
    assert all("choosing a leader: tried for up to 30 s" in each for each in told)
