"""Applications reach devices through a gateway, over a broker in memory."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import xfs4iot
from dialogue import dialogue, outcome
from xfs4iot.fleet.admission import Admission
from xfs4iot.fleet.carrier import MemoryBroker
from xfs4iot.fleet.gateway import Gateway
from xfs4iot.fleet.store import MemoryStore
from xfs4iot.fleet.uplink import Uplink
from xfs4iot.transport.limits import Limits


class Fleet:
    def __init__(self, nursery: trio.Nursery) -> None:
        self.broker, self.store, self.nursery = MemoryBroker(), MemoryStore(), nursery

    async def gateway(self, *anonymous: str, **more: object) -> Gateway:
        more = {"admission": Admission(anonymous=anonymous or ("*",)), **more}
        gateway = Gateway(self.broker.carrier(), self.store, tenant="bank", port=0, **more)  # type: ignore[arg-type]
        await self.nursery.start(gateway.serve)
        return gateway

    async def device(self, publisher: xfs4iot.Publisher, name: str, ledger: xfs4iot.Ledger) -> Uplink:
        uplink = Uplink(
            publisher,
            self.broker.carrier(),
            ledger.service("uplink"),
            tenant="bank",
            device=name,
            authorities=None,
        )
        await self.nursery.start(uplink.run)
        return uplink


@pytest.fixture
def fleet(nursery: trio.Nursery) -> Fleet:
    return Fleet(nursery)


async def test_a_device_is_found_and_asked_through_the_gateway(
    fleet: Fleet, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    gateway = await fleet.gateway()
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    publisher = await nursery.start(dialogue, gateway.uri("atm17"))
    found = await publisher.success("ServicePublisher.GetServices")
    uris = [one["serviceURI"] for one in found["services"]]
    assert gateway.uri("atm17", "CashDispenser") in uris
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    status = await client.success("Common.Status")
    assert status["common"]["device"] == "online"


async def test_a_broken_connection_is_mended_without_a_loss(
    fleet: Fleet, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    gateway = await fleet.gateway()
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    carrier = uplink._carrier
    carrier.cut()  # type: ignore[attr-defined]
    request = await client.send("Common.Status")
    await trio.sleep(0.3)
    carrier.mend()  # type: ignore[attr-defined]
    assert await client.until("completion", request)


async def test_an_older_instance_is_a_clone(fleet: Fleet, atm: xfs4iot.Publisher) -> None:
    await fleet.gateway()
    ledger = xfs4iot.Ledger.open(None)
    first = await fleet.device(atm, "atm17", ledger)
    await first.admitted.wait()
    second = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    with trio.fail_after(5):
        while second.refused is None:  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert "twice" in second.refused
    assert not second.admitted.is_set()


async def test_a_newer_instance_takes_the_place_of_the_older(fleet: Fleet, atm: xfs4iot.Publisher) -> None:
    await fleet.gateway()
    ledger = xfs4iot.Ledger.open(None)
    first = await fleet.device(atm, "atm17", ledger)
    await first.admitted.wait()
    second = await fleet.device(atm, "atm17", ledger)
    with trio.fail_after(5):
        await second.admitted.wait()
        await first._ended.wait()
    assert second.epoch == first.epoch + 1


@pytest.mark.parametrize("alive", [True, False])
async def test_a_newer_instance_is_an_alarm_if_the_older_is_there(
    fleet: Fleet, atm: xfs4iot.Publisher, caplog: pytest.LogCaptureFixture, alive: bool
) -> None:
    """A copy of a running device's disk has its certificate, and counts on from its epoch."""
    gateway = await fleet.gateway()
    ledger = xfs4iot.Ledger.open(None)
    first = await fleet.device(atm, "atm17", ledger)
    await first.admitted.wait()
    if not alive:
        first._carrier.cut()  # type: ignore[attr-defined]
    second = await fleet.device(atm, "atm17", ledger)
    with trio.fail_after(5):
        await second.admitted.wait()
    await trio.testing.wait_all_tasks_blocked(0.05)
    known = await gateway.registry.get("atm17")
    assert known is not None
    assert (known.epoch, known.instance, known.alarms) == (2, second.instance, int(alive))
    assert ("it is there twice, and the newer is taken" in caplog.text) is alive


async def test_a_command_is_cancelled_by_its_own_session_alone_whatever_the_gateway(
    fleet: Fleet, slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    """Ids of requests are those of a connection; two applications count alike."""
    first, second = await fleet.gateway(), await fleet.gateway()
    uplink = await fleet.device(slow_atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    own = await nursery.start(dialogue, first.uri("atm17", "CashDispenser"))
    other = await nursery.start(dialogue, second.uri("atm17", "CashDispenser"))
    fifty = {"denomination": {"denomination": {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}}}
    request = await own.send("CashDispenser.Dispense", fifty)
    await own.until("acknowledge", request)
    assert await other.failure("Common.Cancel", {"requestIds": [request]}) == "noMatchingRequestIDs"
    await other.success("Common.Cancel")
    assert outcome(await own.until("completion", request)) == "success"


async def test_the_device_refuses_what_the_gateway_does_not_allow(
    fleet: Fleet, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    gateway = await fleet.gateway("Common.*")
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    await client.success("Common.Status")
    assert await client.failure("CashDispenser.GetMixTypes") == "authorizationRequired"


@pytest.mark.parametrize(("path", "status"), [("atm17/Nothing", 404), ("atm18", 404)])
async def test_what_is_not_there_is_refused_before_the_websocket_opens(
    fleet: Fleet, atm: xfs4iot.Publisher, path: str, status: int
) -> None:
    gateway = await fleet.gateway()
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    with pytest.raises(xfs4iot.Disconnected, match=f"HTTP {status}"):
        async with xfs4iot.connect(gateway.uri(path)):
            pass


NESTED = b"[" * 100_000
HELLOS = (
    b"", b"[]", b"{}", NESTED, b'{"epoch": ' + NESTED, b'{"epoch": 1e999, "instance": "a"}',
    b'{"epoch": null}',
    b'{"epoch": 1, "instance": "a", "services": 5}', b'{"goodbye": [], "epoch": {}}', b"\xff",
)  # fmt: skip


@pytest.mark.parametrize("hello", HELLOS, ids=range(len(HELLOS)))
async def test_a_device_that_says_nonsense_disturbs_no_other(
    fleet: Fleet, atm: xfs4iot.Publisher, hello: bytes
) -> None:
    await fleet.gateway()
    fleet.broker.carrier().publish("x4.bank.atm18.hello", hello, "_INBOX.m9.1")
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    with trio.fail_after(5):
        await uplink.admitted.wait()


async def test_an_application_is_told_of_a_device_that_does_not_answer(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    """Its line is cut without a word, and the broker has not noticed."""
    way = MemoryBroker()
    limits = Limits(handshake_seconds=0.5)
    gateway = Gateway(way.carrier(), MemoryStore(), tenant="bank", port=0, limits=limits)
    await nursery.start(gateway.serve)
    kept = xfs4iot.Ledger.open(None).service("uplink")
    uplink = Uplink(atm, way.carrier(), kept, tenant="bank", device="atm17", authorities=None)
    await nursery.start(uplink.run)
    with trio.fail_after(10):
        await uplink.admitted.wait()
    way.disturb = lambda message: 0
    with pytest.raises(xfs4iot.Disconnected, match="HTTP 504: Device atm17 does not answer"):
        async with xfs4iot.connect(gateway.uri("atm17", "CashDispenser")):
            pass


async def test_a_fleet_that_was_away_for_long_has_its_devices_back_soon(
    autojump_clock: trio.testing.MockClock, fleet: Fleet
) -> None:
    publisher = xfs4iot.Publisher([xfs4iot.Service(xfs4iot.devices.VendorMode("VendorMode"))], port=0)
    uplink = await fleet.device(publisher, "atm17", xfs4iot.Ledger.open(None))
    await trio.sleep(3600)
    assert not uplink.admitted.is_set()
    await fleet.gateway()
    with trio.fail_after(15):
        await uplink.admitted.wait()
