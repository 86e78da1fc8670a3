"""Who has the broker, or a part of the fleet, is no more than that part."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import trio
import trio.testing
from test_gateway_in_memory import Fleet

import xfs4iot
from dialogue import dialogue
from xfs4iot.cli.broker import made
from xfs4iot.cli.settings import UplinkSettings
from xfs4iot.cli.uplink import uplinked
from xfs4iot.fleet import application
from xfs4iot.fleet import gateway as gateway_module
from xfs4iot.fleet.authority import Authority, OwnSigning, RequestRefused
from xfs4iot.fleet.broker import Broker
from xfs4iot.fleet.carrier import Carried, CarrierLost, MemoryBroker
from xfs4iot.fleet.deployment import deploy
from xfs4iot.fleet.link import CHUNK, Kind, Link, Segment
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.opening import Authorities, Opening, Signer
from xfs4iot.fleet.store import KeyValue, MemoryStore
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.fleet.trust import Trust, hash_code
from xfs4iot.fleet.uplink import Uplink
from xfs4iot.fleet.view import Known
from xfs4iot.server.access import Access, ClientRule
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.transport.certificates import make_request, new_key
from xfs4iot.transport.certificates import test_authority as authority_in
from xfs4iot.transport.failures import CredentialsRefused
from xfs4iot.transport.pairs import load_key


class Watched(Fleet):
    """A device that believes gateways alone, and whatever goes by the broker."""

    def __init__(self, nursery: trio.Nursery, keys: Path) -> None:
        super().__init__(nursery)
        self.keys = keys
        self.passed: list[Carried] = []
        self.broker.disturb = self._seen
        self.uplink: Uplink

    def _seen(self, message: Carried) -> int:
        self.passed.append(message)
        return 1

    async def begin(self) -> None:
        rules = [ClientRule("switch", ("*",), subject="CN=switch")]
        services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
        publisher = xfs4iot.Publisher(services, port=0, access=Access(rules, anonymous=["Common.Status"]))
        await self.nursery.start(publisher.serve)
        self.uplink = Uplink(
            publisher, self.broker.carrier(), xfs4iot.Ledger.open(None).service("uplink"), tenant="bank",
            device="atm17", authorities=Authorities(self.keys / "ca.pem"),
        )  # fmt: skip
        await self.nursery.start(self.uplink.run)
        await self.uplink.admitted.wait()

    def say(self, opening: bytes, subject: str) -> str:
        """What the device answers to an opening at a subject; empty if nothing."""
        before = len(self.passed)
        self.broker.carrier().publish(subject, Segment(Kind.OPEN, 0, 0, 0, opening).encode())
        answers = [Segment.decode(one.body) for one in self.passed[before:] if ".u." in one.subject]
        return "".join(f"{one.kind.name} {one.data.decode()}" for one in answers)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy(tmp_path_factory.mktemp("fleet") / "fleet", "bank", ["127.0.0.1"]).keys


async def test_an_opening_is_believed_once_for_one_session_and_from_a_gateway_alone(
    keys: Path, nursery: trio.Nursery
) -> None:
    watched = Watched(nursery, keys)
    signer = Signer(keys / "gateway.pem", keys / "gateway.key")
    gateway = await watched.gateway(signer=signer)
    await watched.begin()
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    assert await client.failure("CashDispenser.GetMixTypes") == "authorizationRequired"
    (sent,) = [one for one in watched.passed if b'"opening"' in one.body]
    signed = Segment.decode(sent.body).data
    *_, name, sid = sent.subject.split(".")
    # As it was, or by another gateway's way: the session is there once.
    assert watched.say(signed, sent.subject) == ""
    assert watched.say(signed, f"x4.bank.atm17.1.d.other.{sid}") == ""
    # For another session.
    assert "it is for another session" in watched.say(signed, f"x4.bank.atm17.1.d.{name}.other")
    opening = Opening.decode(signed, None)
    identity = {"subject": "CN=switch", "fingerprint": "ab" * 32, "rule": "switch", "permitted": ("*",)}
    forged = dataclasses.replace(opening, sid="forged", **identity)  # type: ignore[arg-type]
    where = f"x4.bank.atm17.1.d.{name}.forged"
    # Nobody signed it; or it stands in the place of what was signed.
    assert "REFUSE" in watched.say(forged.encode(None), where)
    said = orjson.loads(signed)
    said["opening"] = orjson.loads(forged.encode(None))["opening"]
    assert "signature is wrong" in watched.say(orjson.dumps(said), where)
    # Signed by somebody else of the same fleet, in the name of a gateway.
    for other in ("operator", "authority", "callout", "node1"):
        false = dataclasses.replace(forged, sid=f"by{other}")
        body = orjson.loads(false.encode(_Other(keys / f"{other}.pem", keys / f"{other}.key")))
        assert "the signer is no gateway" in watched.say(orjson.dumps(body), f"{where[:-6]}by{other}")
    # By an authority for devices that has been stolen.
    stolen = authority_in(keys / "devices").issue_client("false", ["xfs4iot://gateway"])
    body = orjson.loads(dataclasses.replace(forged, sid="stolen").encode(Signer(*stolen)))
    body["certificates"] += (keys / "devices" / "ca.pem").read_text()
    assert "not of an authority" in watched.say(orjson.dumps(body), f"{where[:-6]}stolen")
    # What was signed before the device was started anew.
    watched.uplink.epoch += 1
    assert "it is for another session" in watched.say(signed, f"x4.bank.atm17.1.d.{name}.late")
    # A gateway itself may say who comes; so its key is to be kept, and is looked at by nobody but devices.
    good = dataclasses.replace(forged, epoch=watched.uplink.epoch, sid="good").encode(signer)
    assert watched.say(good, f"x4.bank.atm17.1.d.{name}.good").startswith("ACCEPT")
    end = Segment(Kind.RESET, 0, 0, 0, b"over").encode()
    watched.broker.carrier().publish(f"x4.bank.atm17.1.d.{name}.good", end)


class _Other(Signer):
    """A key that is no gateway's, used as one."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._key, self.chain = load_key(key), certificate.read_text()


async def test_a_device_answers_in_no_session_but_its_own(
    nursery: trio.Nursery, atm: xfs4iot.Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = Fleet(nursery)
    gateway = await fleet.gateway()
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    (own,) = uplink._sessions
    name, sid = own.rsplit(".", 2)[1:]
    other = fleet.broker.carrier()
    # It may publish below its own name, and has heard of the session.
    for kind in (Kind.RESET, Kind.DATA, Kind.CLOSE, Kind.REFUSE, Kind.ACCEPT):
        other.publish(f"x4.bank.atm18.u.{name}.{sid}", Segment(kind, 1, 0, 0, b"\x81\x02{}").encode())
    assert caplog.text.count("is not where this session is carried") == 5
    assert (await client.success("Common.Status"))["common"]["device"] == "online"


async def test_an_ended_certificate_keeps_no_machine_from_what_it_does_on_the_spot(
    keys: Path, atm: xfs4iot.Publisher, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    """By its own clock, which may also be wrong. What is damaged does: it is told before anything starts."""
    begins = datetime.now(UTC) - timedelta(days=100)
    certificate, key = authority_in(keys).issue_client(
        "ended", ["xfs4iot://device/a"], begins=begins, days=90
    )
    ca = keys / "ca.pem"
    wanted = UplinkSettings(("tls://127.0.0.1:1",), "a", "bank", certificate, key, ca, ca)
    with xfs4iot.Ledger.open(None) as ledger:
        async with uplinked(atm, ledger, wanted):
            client = await nursery.start(dialogue, atm.uri("CashDispenser"))
            assert (await client.success("Common.Status"))["common"]["device"] == "online"
        (told,) = [one for one in caplog.records if one.levelname == "CRITICAL"]
        assert "expired on" in told.getMessage()
        assert "enrol it anew" in told.getMessage()
        with pytest.raises(CredentialsRefused, match="is not the key of"):
            async with uplinked(atm, ledger, dataclasses.replace(wanted, key=keys / "gateway.key")):
                pass


async def test_a_bucket_is_waited_for_while_a_cluster_chooses_and_no_longer(
    cluster_to_be: list[Broker], nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *others = cluster_to_be
    await first.start()
    carrier = Nats((first.url,), ping_seconds=1)
    await nursery.start(carrier.run)
    with trio.fail_after(10):
        await carrier.until_connected()
    store = KeyValue(carrier, "x4-bank-presence", replicas=3)
    with pytest.raises(CarrierLost, match=r"not ready after 1 s: .*; are most of its nodes up"):
        await made(store.make, 1)
    assert capsys.readouterr().err.startswith("waiting up to 1 s for the broker's store: ")
    async with trio.open_nursery() as starting:
        starting.start_soon(made, store.make, 60)
        for node in others:
            starting.start_soon(node.start)

    async def put() -> None:
        await store.put("atm17", b"here")

    # That there is one is not yet known at each node.
    await made(put, 60)


async def test_a_device_that_says_hello_without_end_costs_the_fleet_no_more_than_others(
    nursery: trio.Nursery, atm: xfs4iot.Publisher, autojump_clock: trio.testing.MockClock
) -> None:
    fleet = Fleet(nursery)
    gateway = await fleet.gateway()
    flood = fleet.broker.carrier()
    revisions = []
    for number in range(1, 1001):
        said = {"epoch": number, "instance": f"i{number}", "version": "x" * number}
        flood.publish("x4.bank.atm18.hello", orjson.dumps(said), "nobody")
        await trio.sleep(0.001)
    found = await fleet.store.get("atm18")
    assert found is not None
    revisions.append(found[1])
    assert revisions[0] < 50
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    assert set(await gateway.registry.everything()) == {"atm17", "atm18"}
    # A device that is well again is taken in as others are.
    await trio.sleep(30)
    flood.publish("x4.bank.atm18.hello", orjson.dumps({"epoch": 2000, "instance": "well"}), "nobody")
    await trio.sleep(1)
    presence = await gateway.registry.get("atm18")
    assert presence is not None
    assert presence.instance == "well"


async def test_a_device_that_asks_for_renewal_without_end_is_answered_now_and_then(
    keys: Path, nursery: trio.Nursery
) -> None:
    broker = MemoryBroker()
    signing = OwnSigning(authority_in(keys / "devices"))
    authority = Authority(Trust(MemoryStore()), signing, keys / "ca.pem")
    authority.serve_renewals(broker.carrier(), Subjects("bank"), nursery)
    device = broker.carrier()
    answers: list[bytes] = []
    device.subscribe("_INBOX.bank.atm17.1", lambda message: answers.append(message.body))
    for _ in range(1000):
        device.publish("x4.bank.atm17.renew", b"{" * 1000, "_INBOX.bank.atm17.1")
    other = broker.carrier()
    other.inbox = "_INBOX.bank.atm18"
    assert b"refused" in (await other.request("x4.bank.atm18.renew", b"{}")).body
    with trio.fail_after(10):
        while len(answers) < 20:  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert len(answers) < 40


async def test_who_sends_what_is_no_message_of_a_session_ends_it_and_fills_no_log(
    nursery: trio.Nursery, atm: xfs4iot.Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = Fleet(nursery)
    gateway = await fleet.gateway()
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    other = fleet.broker.carrier()
    for to_device in (False, True):
        client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
        (own,) = uplink._sessions
        name, sid = own.rsplit(".", 2)[1:]
        to = own if to_device else f"x4.bank.atm17.u.{name}.{sid}"
        caplog.clear()
        for _ in range(100):
            other.publish(to, b"\xff" * 30)
        assert caplog.text.count("there is no kind 255") == 1
        with trio.fail_after(10):
            assert (await client.closed()).code == 1001
            while uplink._sessions:  # noqa: ASYNC110
                await trio.sleep(0.01)


ASKS = (
    b"GET /xfs4iot/v1.0/atm17/CashDispenser HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def test_a_device_that_sends_more_than_its_application_takes_has_its_session_ended(
    nursery: trio.Nursery,
) -> None:
    """As a device must not: the gateway holds what is in the window, and no more."""
    fleet = Fleet(nursery)
    gateway = await fleet.gateway()
    device = fleet.broker.carrier()

    def lie(message: Carried) -> None:
        if Segment.decode(message.body).kind is Kind.OPEN:
            name, sid = message.subject.rsplit(".", 2)[1:]
            to = f"x4.bank.atm17.u.{name}.{sid}"
            device.publish(to, Segment(Kind.ACCEPT, 0, 0, 0).encode())
            nursery.start_soon(flood, to)

    async def flood(to: str) -> None:
        for number in range(1, 400):
            device.publish(to, Segment(Kind.PART, number, 0, 0, bytes(CHUNK)).encode())
            await trio.lowlevel.checkpoint()

    device.subscribe("x4.bank.atm17.1.d.*.*", lie)
    await gateway.registry.hello("atm17", {"epoch": 1, "instance": "a"})
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port or 0) as socket:
        await socket.send_all(ASKS)
        with trio.fail_after(20):
            while not gateway.sessions:  # noqa: ASYNC110
                await trio.sleep(0.01)
            (session,) = gateway._applications.values()
            while session.link.ended is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
    assert session.link.ended == "the other end sends more than there is room for"


class Mute:
    """A device that takes all that it is sent, says that it is there, and nothing else."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self._carrier, self._name = fleet.broker.carrier(), name
        self._links: dict[str, Link] = {}
        self._carrier.subscribe(f"x4.bank.{name}.1.d.*.*", self._hear)

    def _hear(self, message: Carried) -> None:
        gateway, sid = message.subject.rsplit(".", 2)[1:]
        to, now = f"x4.bank.{self._name}.u.{gateway}.{sid}", trio.current_time()
        if Segment.decode(message.body).kind is Kind.OPEN:
            self._links[sid] = Link(now)
            self._carrier.publish(to, Segment(Kind.ACCEPT, 0, 0, 0).encode())
            return
        link = self._links[sid]
        link.receive(message.body, now)
        while (taken := link.take()) is not None:
            link.consumed(taken[0], now)
        for one in link.take_out():
            self._carrier.publish(to, one)


async def test_a_device_that_ends_nothing_keeps_no_session_whose_application_has_gone(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts among those that its client may have: a device must not use them up."""
    monkeypatch.setattr(application, "_LEAVING_SECONDS", 0.3)
    fleet = Fleet(nursery)
    gateway = await fleet.gateway()
    Mute(fleet, "atm17")
    await gateway.registry.hello("atm17", {"epoch": 1, "instance": "a"})
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port or 0) as socket:
        await socket.send_all(ASKS)
        assert b" 101 " in await socket.receive_some()
        # As long as the application is there, so is the session.
        await trio.sleep(0.5)
        assert gateway.sessions
    with trio.fail_after(10):
        while gateway.sessions:  # noqa: ASYNC110
            await trio.sleep(0.02)


SPOILT = (
    b"", b"{", b"[]", b'{"epoch": 1}', b"\xff\xfe",
    b'{"epoch": "1.ctl x", "instance": "a", "online": true, "since": 1}',
    b'{"epoch": 1e400, "instance": "a", "online": true, "since": 1}',
    b'{"epoch": 1, "instance": "a", "online": true, "since": 1, "services": 5}',
    b'{"epoch": 1, "instance": "a", "online": true, "since": 1e300}',
    b'{"epoch": 1, "instance": "a", "online": true, "since": 1, "more": '
    + b'{"a":' * 9_999 + b"1" + b"}" * 10_000,
)  # fmt: skip


@pytest.mark.parametrize("value", SPOILT, ids=range(len(SPOILT)))
async def test_what_a_gateway_has_spoilt_of_one_device_ends_no_other_gateway(
    nursery: trio.Nursery, atm: xfs4iot.Publisher, monkeypatch: pytest.MonkeyPatch, value: bytes
) -> None:
    monkeypatch.setattr(gateway_module, "_LOOK_SECONDS", 0.02)
    fleet = Fleet(nursery)
    await fleet.store.put("atm18", value)
    gateway = await fleet.gateway()
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    await trio.sleep(0.1)
    assert "atm17" in await gateway.registry.everything()
    Known.of("atm18", value, None, None).described()
    with pytest.raises(xfs4iot.Disconnected, match=r"HTTP 50[34]"):
        async with xfs4iot.connect(gateway.uri("atm18", "CashDispenser")):
            pass
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
    await gateway.registry.readmit("atm18")
    presence = await gateway.registry.get("atm18")
    assert presence is not None
    assert presence.epoch == 0


@pytest.mark.parametrize(
    "value", [*SPOILT[:3], SPOILT[-1], b'{"key": 5}', b'{"invitation": {"code": 5}}'], ids=range(6)
)
async def test_a_spoilt_record_lets_nobody_in_and_is_mended_by_an_invitation(
    keys: Path, nursery: trio.Nursery, value: bytes
) -> None:
    store, broker = MemoryStore(), MemoryBroker()
    trust = Trust(store)
    await store.put("atm17", value)
    authority = Authority(trust, OwnSigning(authority_in(keys / "devices")), keys / "ca.pem")
    authority.serve_renewals(broker.carrier(), Subjects("bank"), nursery)
    asked = make_request("atm17", ["xfs4iot://device/atm17"], new_key()).decode()
    with pytest.raises(RequestRefused):
        await authority.enroll("atm17", "A" * 20, asked)
    assert (await trust.everything())["atm17"].revoked
    await trust.invite("atm17", hash_code("atm17", "A" * 20), 60)
    assert "BEGIN CERTIFICATE" in await authority.enroll("atm17", "A" * 20, asked)
