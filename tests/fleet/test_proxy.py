"""A device whose branch lets nothing out but through a proxy."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tunnelling_proxy import Tunnels
from xfs4iot.fleet.broker import Broker
from xfs4iot.fleet.code import Code
from xfs4iot.fleet.deployment import deploy
from xfs4iot.fleet.enroll import EnrolmentFailed, enroll
from xfs4iot.fleet.nats import Nats
from xfs4iot.transport.proxy import Proxy, ProxyFailed


@pytest.fixture
async def tunnels(nursery: trio.Nursery) -> Tunnels:
    proxy = Tunnels(password="atm17:secret")
    await nursery.start(proxy.serve)
    return proxy


async def test_the_broker_is_reached_through_a_proxy(
    broker: Broker, tunnels: Tunnels, nursery: trio.Nursery
) -> None:
    tunnels.speaks_first = int(broker.url.rpartition(":")[2])
    nats = Nats((broker.url,), proxy=Proxy.read(tunnels.url))
    await nursery.start(nats.run)
    with trio.fail_after(10):
        await nats.until_connected()
        await nats.flush()
    assert tunnels.asked == [broker.url.rpartition("/")[2]]


async def test_a_device_enrols_through_a_proxy_and_then_uses_it(
    tmp_path: Path, tunnels: Tunnels, nursery: trio.Nursery
) -> None:
    from test_enrolment import Office

    office = Office(deploy(tmp_path / "fleet", "bank", ["127.0.0.1"]).keys)
    await office.open(nursery)
    code = await office.invite("atm17")
    port = office.enrolment.port
    assert port is not None
    done = await enroll(code, "127.0.0.1", port, tmp_path / "atm17", proxy=tunnels.url)
    assert tunnels.asked == [f"127.0.0.1:{port}"] * 2
    assert tomllib.loads(done.configuration.read_text("utf-8"))["uplink"]["proxy"] == tunnels.url
    assert stat.S_IMODE(done.configuration.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants a user and a password"),
        (b"HTTP/1.1 403 Forb\x1b[31mdden\r\n\r\n", "lets nobody through to 127.0.0.1:9 (403"),
        (b"", "hung up"),
        (b"HTTP/1.1 200", "hung up"),
        (b"INFO {}\r\n", "is it an HTTP proxy?"),
        (b"HTTP/1.1 yes\r\n\r\n", "is it an HTTP proxy?"),
        (b"HTTP/1.1 200 \r\n" + b"x" * 20_000, "without end"),
    ],
    ids=["password", "forbidden", "nothing", "half", "other", "nonsense", "endless"],
)
async def test_a_proxy_that_lets_nobody_through_is_told_with_what_to_do(
    answer: bytes, said: str, nursery: trio.Nursery
) -> None:
    proxy = Tunnels("user:secret", answer)
    await nursery.start(proxy.serve)
    with trio.fail_after(10), pytest.raises(ProxyFailed) as problem:
        await Proxy.read(proxy.url).reach("127.0.0.1", 9)
    assert said in str(problem.value)
    assert f"127.0.0.1:{proxy.port}" in str(problem.value)
    assert "secret" not in str(problem.value)
    assert "\x1b" not in str(problem.value)


async def test_a_proxy_that_is_not_there_is_told_by_link_and_enrolment(
    keys_of: Callable[[], Code], nursery: trio.Nursery, tmp_path: Path
) -> None:
    nats = Nats(("nats://127.0.0.1:4222",), proxy=Proxy("127.0.0.1", 1))
    await nursery.start(nats.run)
    with trio.fail_after(10):
        while not nats.trouble:  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert "the proxy at 127.0.0.1:1 cannot be reached" in nats.trouble
    with pytest.raises(EnrolmentFailed, match=r"the proxy at 127\.0\.0\.1:1 cannot be reached"):
        await enroll(keys_of(), "127.0.0.1", 2, tmp_path / "atm17", proxy="http://127.0.0.1:1")


@pytest.fixture
def keys_of(tmp_path: Path) -> Callable[[], Code]:
    from xfs4iot.transport.pairs import load_certificates

    keys = deploy(tmp_path / "fleet", "bank", ["127.0.0.1"]).keys
    return lambda: Code.new("atm17", load_certificates(keys / "ca.pem")[0])


@pytest.mark.parametrize(
    "text",
    ["", "proxy:3128", "socks5://proxy:1080", "https://proxy", "http://", "http://proxy:99999",
     "http://u:secret@proxy:x", "http://proxy/path", "http://proxy?secret", "http://[::1", "http://pro xy"],
)  # fmt: skip
def test_what_is_no_proxy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="proxy: write http://host:port") as problem:
        Proxy.read(text)
    assert "secret" not in str(problem.value)


def test_user_and_password_may_have_any_signs_and_are_never_shown() -> None:
    proxy = Proxy.read("http://bank%5Catm17:p%40ss%3Aword@[::1]:8080/")
    assert (proxy.host, proxy.port, proxy.credentials) == ("::1", 8080, "bank\\atm17:p@ss:word")
    assert "p@ss" not in repr(proxy)
    assert Proxy.read("http://proxy.branch.example") == Proxy("proxy.branch.example", 3128)
