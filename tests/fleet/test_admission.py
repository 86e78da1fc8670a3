"""Who may use which device through a gateway, how much, and that a device judges it as well."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from test_gateway_in_memory import Fleet

import xfs4iot
from dialogue import dialogue
from frames import frame
from xfs4iot import _core, client
from xfs4iot.cli.gateway_settings import GatewayLimits, read_settings
from xfs4iot.fleet.admission import Admission, GatewayRule, Quota
from xfs4iot.fleet.gateway import Gateway
from xfs4iot.fleet.link import Kind, Segment
from xfs4iot.server.access import Access, ClientRule
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.toml_file import ConfigurationError
from xfs4iot.transport import tls
from xfs4iot.transport.certificates import test_authority as authority_in
from xfs4iot.transport.rotation import Credentials
from xfs4iot.transport.tokens import make_token

PAGE = Path(__file__).parents[2] / "docs" / "fleet.md"
CASH = "CashDispenser"
TOKEN, TOKEN_HASH = make_token()
SWITCH = {
    "name": "switch", "allow": ("Common.*", "CashDispenser.GetPresentStatus"), "subject": "CN=switch",
    "devices": ("berlin-*",), "services": ("CashDispenser",),
}  # fmt: skip
RULES = (
    GatewayRule(**SWITCH),  # type: ignore[arg-type]
    GatewayRule("switch elsewhere", ("Common.Status",), subject="CN=switch", services=("CashDispenser",)),
    GatewayRule("monitor", ("Common.Status",), token_hash=TOKEN_HASH),
)


BERLIN = (
    ClientRule("switch", ("*",), subject="CN=switch"),
    ClientRule("monitor", ("*",), token_hash=TOKEN_HASH),
)


class Secure(Fleet):
    """A gateway with TLS, and a device whose own rules look at who comes by it."""

    def __init__(self, nursery: trio.Nursery, directory: Path) -> None:
        super().__init__(nursery)
        self.directory, self.authority = directory, authority_in(directory)
        self.at: Gateway

    async def begin(self) -> None:
        pair = self.authority.issue_device("gateway", ["127.0.0.1"])
        ca = self.authority.certificate_file
        config = tls.TLSConfig(*pair, client_certificates="optional", client_ca=ca)
        self.at = await self.gateway(
            admission=Admission(RULES, anonymous=()), credentials=Credentials(config)
        )
        for name, rules in (
            ("berlin-1", BERLIN),
            ("bonn-1", [ClientRule("other", ("*",), subject="CN=other")]),
        ):  # fmt: skip
            services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
            publisher = xfs4iot.Publisher(services, port=0, access=Access(rules, anonymous=()))
            await self.nursery.start(publisher.serve)
            uplink = await self.device(publisher, name, xfs4iot.Ledger.open(None))
            await uplink.admitted.wait()

    def identity(self, name: str | None) -> dict[str, Any]:
        said: dict[str, Any] = {"ca": self.authority.certificate_file}
        if name == "token":
            return {**said, "token": TOKEN}
        if name is not None:
            certificate, key = self.authority.issue_client(name)
            return {**said, "certificate": certificate, "key": key}
        return said

    async def ask(self, name: str | None, device: str, service: str, command: str) -> str:
        """How it went: `success`, the status of HTTP, or the completion code."""
        try:
            async with client.connect(self.at.uri(device, service), **self.identity(name)) as connected:
                await connected.call(command)
        except client.CommandFailed as failed:
            return failed.completion_code
        except (client.CallError, OSError) as refused:
            return str(refused).partition("HTTP ")[2][:3]
        return "success"


@pytest.fixture
async def secure(nursery: trio.Nursery, tmp_path: Path) -> Secure:
    one = Secure(nursery, tmp_path)
    await one.begin()
    return one


async def test_a_client_may_what_both_the_gateway_and_the_device_allow(secure: Secure) -> None:
    denied = "authorizationRequired"
    for name, device, service, command, expected in (
        ("switch", "berlin-1", CASH, "Common.Status", "success"),
        ("switch", "berlin-1", CASH, "CashDispenser.GetPresentStatus", "success"),
        ("switch", "berlin-1", CASH, "CashDispenser.GetMixTypes", denied),
        # No rule of the gateway reaches this service for it.
        ("switch", "berlin-1", "CardReader", "Common.Status", "401"),
        # The gateway lets it through, the device does not know it.
        ("switch", "bonn-1", CASH, "Common.Status", "401"),
        ("token", "berlin-1", "CardReader", "Common.Status", "success"),
        ("token", "berlin-1", CASH, "Common.Capabilities", denied),
        ("other", "bonn-1", CASH, "Common.Status", "401"),
        (None, "berlin-1", CASH, "Common.Status", "401"),
    ):
        found = await secure.ask(name, device, service, command)
        assert found == expected, (name, device, service, command)


@pytest.mark.parametrize("service", ["%43ashDispenser", "CardReader%2f..%2fCashDispenser", "cashdispenser"])
async def test_a_service_is_not_reached_past_its_rule_by_writing_it_otherwise(
    secure: Secure, service: str
) -> None:
    """A rule that is passed over makes room for the next."""
    rules = (
        GatewayRule("cash", ("Common.Status",), token_hash=TOKEN_HASH, services=("CashDispenser",)),
        GatewayRule("else", ("*",), token_hash=TOKEN_HASH),
    )
    secure.at.admission = Admission(rules, anonymous=())
    assert await secure.ask("token", "berlin-1", service, "CashDispenser.GetMixTypes") != "success"


async def test_who_opens_too_many_sessions_is_told_to_wait(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    fleet = Fleet(nursery)
    gateway = await fleet.gateway(admission=Admission(quota=Quota(sessions=2, openings=0.5, burst=10)))
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    uri = gateway.uri("atm17", CASH)
    async with trio.open_nursery() as sessions:
        for _ in range(2):
            await sessions.start(dialogue, uri)
        with pytest.raises(client.CallError, match=r"429.*limits.sessions_per_client; close some"):
            async with client.connect(uri):
                pass
        sessions.cancel_scope.cancel()
    with trio.fail_after(5):
        while gateway.sessions:  # noqa: ASYNC110
            await trio.sleep(0.01)
    for _ in range(3):
        async with client.connect(uri):
            pass
    with pytest.raises(client.CallError, match=r"429.*openings_per_second; try again in \d s"):
        async with client.connect(uri):
            pass


async def test_who_sends_too_much_is_read_more_slowly_and_loses_nothing(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    fleet = Fleet(nursery)
    gateway = await fleet.gateway(admission=Admission(quota=Quota(messages=40, burst=0.25)))
    uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
    await uplink.admitted.wait()
    client = await nursery.start(dialogue, gateway.uri("atm17", CASH))
    began = trio.current_time()
    asked = [await client.send("Common.Status") for _ in range(60)]
    for request in asked:
        await client.until("completion", request)
    await client.success("Common.Status")
    # 60 with 10 at once and 40 a second: whoever asks again is held back for a second and more.
    assert trio.current_time() - began > 1.0


PAYLOADS = st.lists(st.integers(0, 70_000), max_size=8)


@given(PAYLOADS, st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_frames_are_counted_wherever_their_bytes_are_cut(sizes: list[int], cuts: list[int]) -> None:
    stream = b"".join(frame(b"\x81" * size) for size in sizes)
    counter, count, at = _core.FrameCounter(), 0, 0
    while at < len(stream):
        step = cuts[at % len(cuts)]
        count += counter.feed(stream[at : at + step])
        at += step
    assert count == len(sizes)


REFUSALS = (
    b"", b"[]", b"[" * 50_000, b'{"status": 200, "body": "a", "headers": []}',
    b'{"status": 1e999, "body": "a", "headers": []}', b'{"status": 403, "body": "a", "headers": 5}',
    b'{"status": 403, "body": "a", "headers": [["Set-Cookie", "a=b"], ["Retry-After", "1\\r\\nX-Bad: 1"]]}',
)  # fmt: skip


@pytest.mark.parametrize("said", REFUSALS, ids=range(len(REFUSALS)))
async def test_a_device_that_refuses_in_nonsense_tells_an_application_no_more_than_that(
    nursery: trio.Nursery, said: bytes
) -> None:
    fleet = Fleet(nursery)
    gateway = await fleet.gateway()
    device = fleet.broker.carrier()

    def refuse(message: Any) -> None:
        gateway_name, sid = message.subject.rsplit(".", 2)[1:]
        to = f"x4.bank.atm17.u.{gateway_name}.{sid}"
        device.publish(to, Segment(Kind.REFUSE, 0, 0, 0, said).encode())

    device.subscribe("x4.bank.atm17.1.d.*.*", refuse)
    await gateway.registry.hello("atm17", {"epoch": 1, "instance": "a"})
    assert gateway.port is not None
    stream = await trio.open_tcp_stream("127.0.0.1", gateway.port)
    head = (
        f"GET /xfs4iot/v1.0/atm17/{CASH} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    )
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    await stream.send_all((head + key).encode())
    answer = b""
    with trio.fail_after(5):
        while b"\r\n\r\n" not in answer and (data := await stream.receive_some()):
            answer += data
    await stream.aclose()
    assert answer.startswith((b"HTTP/1.1 502", b"HTTP/1.1 403"))
    assert b"Set-Cookie" not in answer
    assert b"X-Bad" not in answer


async def test_applications_are_told_that_their_gateway_ends(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    fleet = Fleet(nursery)
    async with trio.open_nursery() as running:
        fleet.nursery = running
        gateway = await fleet.gateway()
        uplink = await fleet.device(atm, "atm17", xfs4iot.Ledger.open(None))
        await uplink.admitted.wait()
        client = await nursery.start(dialogue, gateway.uri("atm17", CASH))
        running.cancel_scope.cancel()
    reason = await client.closed()
    assert (reason.code, reason.reason) == (1001, "the gateway ends; connect to another")


CONFIG = """
[access]
anonymous = ["Common.Status"]

[[access.client]]
name = "switch"
allow = ["*"]
subject = "CN=switch"
devices = ["berlin-*"]

[limits]
messages_per_second = 10
"""


def test_the_file_is_read_or_refused_with_every_mistake(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG)
    found = read_settings(file, certificates=True)
    assert found.access.client == (GatewayRule("switch", ("*",), subject="CN=switch", devices=("berlin-*",)),)
    assert (found.limits.messages_per_second, found.limits.openings_per_second) == (10, 50)
    (documented,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    file.write_text(documented)
    assert read_settings(file, certificates=True).limits == GatewayLimits()
    assert read_settings(None, certificates=False).access.anonymous == ("*",)
    second = (
        '\n[[access.client]]\nname = "switch"\nallow = ["Comon.Status"]\ndialect = "sp-dev"\ndevices = []\n'
    )
    file.write_text(CONFIG.replace("Common", "Comon") + second + "sessions = 0\n[log]\n")
    with pytest.raises(ConfigurationError) as wrong:
        read_settings(file, certificates=False)
    said = str(wrong.value)
    assert "sessions is not known" in said
    assert "log is not known" in said
    file.write_text(CONFIG.replace("Common", "Comon") + second)
    with pytest.raises(ConfigurationError) as wrong:
        read_settings(file, certificates=False)
    said = str(wrong.value)
    for one in (
        "configured twice", "give --client-ca", "did you mean Common?", "dialect does nothing",
        "reaches none",
    ):  # fmt: skip
        assert one in said, one
