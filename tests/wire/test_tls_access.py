"""Who may do what: by certificate, by token, by origin, seen from the wire."""

from __future__ import annotations

import io
import json
import logging
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
import trio.testing
import trio_websocket
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import xfs4iot
from dialogue import Dialogue, outcome
from secured import HOSTS, Pair, config, secure_atm
from xfs4iot import client
from xfs4iot.cli import logs
from xfs4iot.server.access import Access, ClientRule
from xfs4iot.simulator import SimulatedCashDispenser
from xfs4iot.transport.certificates import TestAuthority, test_authority
from xfs4iot.transport.identity import Identity
from xfs4iot.transport.limits import Limits
from xfs4iot.transport.pairs import fingerprint, load_certificates
from xfs4iot.transport.presented import presented
from xfs4iot.transport.rotation import Credentials
from xfs4iot.transport.tokens import make_token

READ_ONLY = ("Common.Status", "Common.Capabilities", "Storage.GetStorage")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return test_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: TestAuthority) -> Pair:
    return authority.issue_device("atm17", HOSTS)


@asynccontextmanager
async def talking(
    publisher: xfs4iot.Publisher,
    authority: TestAuthority,
    own: Pair | None = None,
    **headers: str,
) -> AsyncIterator[Dialogue]:
    """A raw conversation with the cash dispenser, as this client."""
    context = ssl.create_default_context(cafile=authority.certificate_file)
    if own is not None:
        context.load_cert_chain(*own)
    where = urlsplit(publisher.uri("CashDispenser"))
    raw = await trio.open_tcp_stream("127.0.0.1", publisher.port or 0)
    stream = trio.SSLStream(raw, context, server_hostname="localhost")
    failure: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                connection = await trio_websocket.wrap_client_stream(
                    nursery, stream, where.netloc, where.path, extra_headers=list(headers.items())
                )
                yield Dialogue(connection)
            except Exception as problem:
                failure = problem
            nursery.cancel_scope.cancel()
    except* trio_websocket.ConnectionRejected as rejected:
        (failure,) = rejected.exceptions
    except* trio_websocket.HandshakeError as problems:
        (failure,) = problems.exceptions
    finally:
        await trio.aclose_forcefully(raw)
    if failure is not None:
        raise failure


async def may(dialogue: Dialogue, command: str) -> bool:
    """Whether the command is permitted; how else it ends does not matter."""
    completion = await dialogue.completion(command)
    code = outcome(completion)
    if code == "authorizationRequired":
        assert f"may not use {command}" in completion["header"]["errorDescription"]
        assert "payload" not in completion or not completion["payload"]
    return bool(code != "authorizationRequired")


async def test_a_monitor_reads_and_only_the_switch_moves_money(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair
) -> None:
    monitor = authority.issue_client("monitor")
    switch = authority.issue_client("CN=switch,O=Bank", ["switch.bank.example"])
    manager = authority.issue_client("cash manager")
    other = authority.issue_client("somebody")
    access = Access(
        [
            ClientRule("monitor", READ_ONLY, subject="CN=monitor"),
            ClientRule("switch", ("*",), san="switch.bank.example"),
            ClientRule(
                "manager",
                ("Common.*", "Storage.*"),
                fingerprint=fingerprint(load_certificates(manager[0])[0]),
            ),
        ],
        anonymous=("Common.Status",),
    )
    settings = config(pair, client_certificates="optional", client_ca=authority.certificate_file)
    publisher = await secure_atm(nursery, settings, access=access)
    permitted = {
        "monitor": (monitor, {"Common.Status", "Storage.GetStorage"}),
        "switch": (switch, {"Common.Status", "Storage.GetStorage", "CashDispenser.Present", "Common.Cancel"}),
        "manager": (manager, {"Common.Status", "Storage.GetStorage", "Common.Cancel"}),
        "other": (other, {"Common.Status"}),
        "nobody": (None, {"Common.Status"}),
    }
    commands = ("Common.Status", "Storage.GetStorage", "CashDispenser.Present", "Common.Cancel")
    for own, allowed in permitted.values():
        async with talking(publisher, authority, own) as dialogue:
            assert {command for command in commands if await may(dialogue, command)} == allowed


async def test_a_token_does_what_a_certificate_does(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token, token_hash = make_token()
    access = Access([ClientRule("switch", ("*",), token_hash=token_hash)], anonymous=())
    publisher = await secure_atm(nursery, config(pair), access=access)
    async with talking(publisher, authority, Authorization=f"Bearer {token}") as dialogue:
        assert await may(dialogue, "CashDispenser.Present")
    for wrong in ({"Authorization": f"Bearer {token}x"}, {"Authorization": f"Basic {token}"}, {}):
        with pytest.raises(trio_websocket.ConnectionRejected) as rejected:
            async with talking(publisher, authority, None, **wrong):
                pass
        assert rejected.value.status_code == 401
        assert (b"www-authenticate", b"Bearer") in {
            (name.lower(), value) for name, value in rejected.value.headers
        }
    async with client.connect(
        publisher.uri("CashDispenser"), ca=authority.certificate_file, token=token
    ) as ours:
        assert await ours.call("Common.Status")
    assert token not in caplog.text


async def test_token_and_certificate_may_both_be_asked_for(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair
) -> None:
    own = authority.issue_client("switch")
    token, token_hash = make_token()
    access = Access([ClientRule("switch", ("*",), subject="CN=switch", token_hash=token_hash)], anonymous=())
    settings = config(pair, client_certificates="optional", client_ca=authority.certificate_file)
    publisher = await secure_atm(nursery, settings, access=access)
    bearer = {"Authorization": f"Bearer {token}"}
    async with talking(publisher, authority, own, **bearer) as dialogue:
        assert await may(dialogue, "CashDispenser.Present")
    for held, sent in ((own, {}), (None, bearer)):
        with pytest.raises(trio_websocket.ConnectionRejected):
            async with talking(publisher, authority, held, **sent):
                pass


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://bank.example.evil.example"])
async def test_a_web_page_is_refused_unless_its_origin_is_listed(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair, origin: str
) -> None:
    publisher = await secure_atm(nursery, config(pair), access=Access(origins=("https://bank.example",)))
    with pytest.raises(trio_websocket.ConnectionRejected) as rejected:
        async with talking(publisher, authority, None, Origin=origin):
            pass
    assert rejected.value.status_code == 403
    async with talking(publisher, authority, None, Origin="https://bank.example") as dialogue:
        assert await may(dialogue, "Common.Status")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What `xfs4iot serve` would have logged in JSON since it was last asked for."""
    logger = logging.getLogger("xfs4iot")
    before = logger.handlers[:], logger.propagate, logger.level
    written = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", written)
        logs.configure("json", "debug")
    (handler,) = logger.handlers

    def take() -> list[dict[str, Any]]:
        handler.flush()
        lines = [json.loads(line) for line in written.getvalue().splitlines()]
        written.truncate(0)
        written.seek(0)
        return lines

    yield take
    logger.handlers[:], logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


class Talkative(SimulatedCashDispenser):
    """Writes a line of its own while it works, and fails."""

    async def power_save_control(self, seconds: int) -> None:
        logging.getLogger("xfs4iot.vendor").info("the power supply hums")
        raise RuntimeError("broken")


async def test_who_it_was_stands_in_every_line_of_the_log(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair, log: Callable[[], list[dict[str, Any]]]
) -> None:
    own = authority.issue_client("CN=switch,O=Bank", ["switch.bank.example", "10.1.2.3"])
    access = Access([ClientRule("switch", ("Common.*", "CashDispenser.*"), subject="CN = switch, O = Bank")])
    publisher = xfs4iot.Publisher(
        [xfs4iot.Service(Talkative("CashDispenser", seconds=0))],
        port=0,
        credentials=Credentials(
            config(pair, client_certificates="required", client_ca=authority.certificate_file)
        ),
        access=access,
        advertise="localhost",
    )
    await nursery.start(publisher.serve)
    log()
    async with talking(publisher, authority, own) as dialogue:
        assert not await may(dialogue, "Storage.GetStorage")
        save = {"maxPowerSaveRecoveryTime": 5}
        assert outcome(await dialogue.completion("Common.PowerSaveControl", save))
        await dialogue.send_text("no message")
    lines = log()
    texts = " ".join(line["text"] for line in lines)
    for words in (
        "connected to CashDispenser by TLSv1.3, certificate CN=switch,O=Bank for switch",
        "may not",
    ):
        assert words in texts
    who = {
        "identity": lines[0]["identity"],
        "connection": lines[0]["connection"],
        "subject": "CN=switch,O=Bank",
        "sans": ["switch.bank.example", "10.1.2.3"],
        "fingerprint": fingerprint(load_certificates(own[0])[0]),
    }
    assert who["identity"] == f"switch at {who['connection']}"
    assert lines
    for line in lines:
        assert {name: line.get(name) for name in who} == who, line


async def test_a_certificate_that_no_rule_fits_is_described_in_the_log(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    own = authority.issue_client("CN=monitor,O=Bank")
    settings = config(pair, client_certificates="required", client_ca=authority.certificate_file)
    access = Access([ClientRule("monitor", ("*",), subject="O=Bank,CN=monitor")], anonymous=())
    publisher = await secure_atm(nursery, settings, access=access)
    with pytest.raises(trio_websocket.ConnectionRejected):
        async with talking(publisher, authority, own):
            pass
    assert "no rule of [access] fits subject CN=monitor,O=Bank, names none, fingerprint" in caplog.text


@pytest.mark.parametrize(
    "rule",
    [
        {"fingerprint": "as openssl prints it"},
        {"subject": "CN = switch, O = Bank"},
        {"san": "SWITCH.bank.example"},
    ],
)
async def test_a_rule_may_be_written_as_other_tools_print_it(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair, rule: dict[str, str]
) -> None:
    own = authority.issue_client("CN=switch,O=Bank", ["switch.bank.example"])
    if "fingerprint" in rule:
        hexadecimal = fingerprint(load_certificates(own[0])[0]).upper()
        rule = {"fingerprint": ":".join(hexadecimal[at : at + 2] for at in range(0, 64, 2))}
    settings = config(pair, client_certificates="required", client_ca=authority.certificate_file)
    access = Access([ClientRule("switch", ("*",), **rule)], anonymous=())
    publisher = await secure_atm(nursery, settings, access=access)
    async with talking(publisher, authority, own) as dialogue:
        assert await may(dialogue, "Common.Status")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ClientRule("a", ("Common.Statsu",), san="a"), "did you mean Common.Status"),
        (ClientRule("a", ("CashDispensr.*",), san="a"), "did you mean CashDispenser"),
        (ClientRule("a", ("Common",), san="a"), "allows nothing"),
        (ClientRule("a", ("*",)), "fits nobody"),
        (ClientRule("anonymous", ("*",), san="a"), "no rule fits; give another name"),
        (ClientRule(" Anonymous ", ("*",), san="a"), "no rule fits; give another name"),
        (ClientRule("a", ("*",), subject="the switch"), "RFC 4514"),
        (ClientRule("a", ("*",), subject=""), "empty"),
        (ClientRule("a", ("*",), subject=" "), "empty"),
        (ClientRule("a", ("*",), san=""), "empty"),
        (ClientRule("a", ("*",), san="URI:"), "empty"),
        (ClientRule("", ("*",), san="a"), "1 to 100 characters"),
        (ClientRule(" ", ("*",), san="a"), "1 to 100 characters"),
        (ClientRule("a\nb", ("*",), san="a"), "1 to 100 characters"),
        (ClientRule("anonymous\u200b", ("*",), san="a"), "1 to 100 characters"),
        (ClientRule("a" * 1_000_000, ("*",), san="a"), "1 to 100 characters"),
    ],
)
def test_a_rule_that_can_never_work_is_refused(rule: ClientRule, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Access([rule])
    Access([ClientRule("a", ("Vendor.Anything", "Vendor.*"), san="a")])


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Access([ClientRule("a", ("*",), san="a"), ClientRule("a", ("Common.*",), san="b")])


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"san": "switch.bank.example"}, False),
        ({"san": "URI:switch.bank.example"}, True),
        ({"san": "uri:switch.bank.example"}, True),
        ({"san": "email:switch.bank.example"}, False),
        ({"san": "email:ops@bank.example"}, True),
        ({"san": "ops@bank.example"}, False),
        ({"san": "10.1.2.3"}, True),
        ({"subject": r"CN=a\, b=c,O=B \+ C"}, True),
        ({"subject": r"CN=a\2C b\3Dc , O = B \2B C"}, True),
        ({"subject": r"CN=a,b=c,O=B + C"}, False),
        ({"subject": r"CN=a\,b=c,O=B\+C"}, False),
    ],
)
def test_names_are_compared_as_what_they_are(rule: dict[str, str], fits: bool) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "B + C"),
            x509.NameAttribute(NameOID.COMMON_NAME, "a, b=c"),
        ]
    )
    names = x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier("switch.bank.example"),
            x509.RFC822Name("ops@bank.example"),
            x509.IPAddress(ip_address("10.1.2.3")),
        ]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    assert ClientRule("switch", ("*",), **rule).fits(Identity.of(certificate), None, "127.0.0.1") is fits


@pytest.mark.parametrize(
    "host",
    [
        *("[", "[zz]", "a[b", "//[", "[::1", "[]", "[v1.x]", "[1:2]", ":80", "a:b", "a:b:c", "a:999999"),
        *(
            "user@bank.example",
            "a b",
            'a"b',
            "a<b>",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "%00",
            "..",
            "bänk",
            "a" * 300,
        ),
    ],
)
async def test_a_host_that_names_nothing_gets_an_answer(host: str, atm: xfs4iot.Publisher) -> None:
    for target in ("/xfs4iot/v1.0/CashDispenser", f"http://{host}/x"):
        stream = await trio.open_tcp_stream("127.0.0.1", atm.port or 0)
        async with stream:
            await stream.send_all(
                f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            with trio.fail_after(20):
                answer = await stream.receive_some()
        assert answer.startswith(b"HTTP/1.1 4"), answer


async def test_who_only_looks_at_the_certificate_leaves_no_failure_in_the_log(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = config(pair, client_certificates="required", client_ca=authority.certificate_file)
    publisher = await secure_atm(nursery, settings)
    caplog.clear()
    (shown, *_) = await presented("localhost", publisher.port or 0)
    assert shown == load_certificates(pair[0])[0]
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


async def test_our_client_says_why_it_cannot_connect(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair, tmp_path: Path
) -> None:
    settings = config(pair, client_certificates="required", client_ca=authority.certificate_file)
    publisher = await secure_atm(nursery, settings)
    own = authority.issue_client("monitor")
    stranger = test_authority(tmp_path)
    foreign = stranger.issue_client("stranger")
    here = {"ca": authority.certificate_file}
    uri = publisher.uri("CashDispenser")
    attempts: list[tuple[str, dict[str, Any], str]] = [
        (uri, here, "the device demands a certificate, and none was given"),
        (
            uri,
            {**here, "certificate": foreign[0], "key": foreign[1]},
            "does not trust the authority that signed",
        ),
        (uri, {"ca": stranger.certificate_file}, "CN=atm17 comes from an authority that is not trusted here"),
        (uri.replace("wss", "ws"), here, "This port speaks TLS only"),
    ]
    for where, settings_, words in attempts:
        with pytest.raises(client.Disconnected) as failed:
            async with client.connect(where, **settings_) as connection:
                await connection.call("Common.Status")
        assert words in str(failed.value), where
    async with client.connect(uri, certificate=own[0], key=own[1], **here) as connection:
        assert await connection.call("Common.Status")


async def test_our_client_names_its_own_files_that_will_not_do(authority: TestAuthority, pair: Pair) -> None:
    own, other = authority.issue_client("monitor"), authority.issue_client("other")
    ca = authority.certificate_file
    attempts: list[tuple[dict[str, Any], str]] = [
        ({"ca": own[1]}, r"monitor\.key holds no certificate in PEM"),
        ({"ca": ca, "certificate": own[0], "key": other[1]}, r"other\.key is not the key of .*monitor\.pem"),
        ({"ca": ca, "certificate": pair[0], "key": pair[1]}, "it is not for a client"),
        ({"ca": ca, "certificate": own[0]}, "the key of .* is missing"),
    ]
    for settings, words in attempts:
        for where, service in (("wss://localhost:1/xfs4iot/v1.0", None), ("localhost", "CashDispenser")):
            with pytest.raises(client.CredentialsRefused, match=words):
                async with client.connect(where, service, **settings):
                    pass


async def test_our_client_waits_for_a_silent_device_no_longer_than_half_a_minute(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for scheme in ("ws", "wss"):
            uri = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/xfs4iot/v1.0"
            began = trio.current_time()
            with pytest.raises(client.Disconnected, match="no answer within 30 s"):
                async with client.connect(uri):
                    pass
            assert trio.current_time() - began == pytest.approx(30)


async def test_our_client_sends_no_token_in_plain_text_over_a_network() -> None:
    with pytest.raises(ValueError, match="a token would be read by all: use wss://"):
        async with client.connect("ws://atm17.bank.example/xfs4iot/v1.0", token=make_token()[0]):
            pass


class _Downgrading(xfs4iot.Publisher):
    """Publishes its services in plain text, though it speaks TLS itself."""

    def uri(self, service: str | None = None, *, host: str | None = None) -> str:
        uri = super().uri(service, host=host)
        return uri if service is None else uri.replace("wss:", "ws:")


async def test_our_client_does_not_follow_a_publisher_from_tls_into_plain_text(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair
) -> None:
    publisher = _Downgrading(
        [xfs4iot.Service(SimulatedCashDispenser("CashDispenser"))], credentials=Credentials(config(pair))
    )
    await nursery.start(publisher.serve)
    with pytest.raises(client.Disconnected, match="in plain text, though TLS was asked for"):
        async with client.connect("127.0.0.1", "CashDispenser", ca=authority.certificate_file):
            pass


async def test_only_the_named_address_is_bound(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair
) -> None:
    publisher = await secure_atm(nursery, config(pair))
    await (await trio.open_tcp_stream("127.0.0.1", publisher.port or 0)).aclose()
    for other in ("127.0.0.2", "::1"):
        with pytest.raises(OSError, match="failed"):
            await trio.open_tcp_stream(other, publisher.port or 0)


async def test_a_browser_is_told_to_come_by_tls_only(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair
) -> None:
    publisher = await secure_atm(nursery, config(pair))
    context = ssl.create_default_context(cafile=authority.certificate_file)
    raw = await trio.open_tcp_stream("127.0.0.1", publisher.port or 0)
    async with trio.SSLStream(raw, context, server_hostname="localhost", https_compatible=True) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"\r\nStrict-Transport-Security: max-age=" in await stream.receive_some()


async def test_one_connection_too_many_is_turned_away_and_the_others_go_on(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair
) -> None:
    publisher = await secure_atm(nursery, config(pair), limits=Limits(per_address=2))
    async with talking(publisher, authority) as first, talking(publisher, authority) as second:
        with pytest.raises(client.Disconnected, match="no TLS connection"):
            async with client.connect(publisher.uri("CashDispenser"), ca=authority.certificate_file):
                pass
        assert await may(first, "Common.Status")
        assert await may(second, "Common.Status")
