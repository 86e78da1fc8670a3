"""Who may do what: by certificate, by token, by origin, seen from the wire."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
import trio_websocket

import xfs4iot
from dialogue import Dialogue
from secured import HOSTS, Pair, config, secure_atm
from xfs4iot import client
from xfs4iot.server.access import Access, ClientRule
from xfs4iot.transport.certificates import TestAuthority, test_authority
from xfs4iot.transport.limits import Limits
from xfs4iot.transport.pairs import fingerprint, load_certificates
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
    code = completion["header"]["completionCode"]
    if code == "authorisationRequired":
        assert f"may not use {command}" in completion["header"]["errorDescription"]
        assert "payload" not in completion or not completion["payload"]
    return bool(code != "authorisationRequired")


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


async def test_who_it_was_stands_in_the_log(
    nursery: trio.Nursery, authority: TestAuthority, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    own = authority.issue_client("CN=monitor,O=Bank")
    access = Access([ClientRule("monitor", READ_ONLY, subject="CN=monitor,O=Bank")])
    settings = config(pair, client_certificates="required", client_ca=authority.certificate_file)
    publisher = await secure_atm(nursery, settings, access=access)
    async with talking(publisher, authority, own) as dialogue:
        assert not await may(dialogue, "CashDispenser.Present")
    refused = [
        record.getMessage() for record in caplog.records if "authorisationRequired" in record.getMessage()
    ]
    assert refused
    assert any(
        "monitor" in record.getMessage() or "monitor" in str(vars(record)) for record in caplog.records
    )


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
