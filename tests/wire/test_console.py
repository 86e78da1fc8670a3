"""What the publisher answers to browsers below `/console/`, and to whom."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from xfs4iot.console import Console
from xfs4iot.console.facts import MOVES_CASH
from xfs4iot.protocol.index import COMMANDS
from xfs4iot.server.access import Access, ClientRule
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.simulator.control import Simulator
from xfs4iot.transport.passwords import check_password, hash_password
from xfs4iot.transport.tokens import make_token

PASSWORD = "correct horse battery"
PAGE = Path(xfs4iot.__file__).parent / "console" / "page"


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        return self.headers["set-cookie"].partition(";")[0]


async def ask(
    publisher: xfs4iot.Publisher, path: str, method: str = "GET", body: bytes = b"", **headers: str
) -> Answer:
    port = publisher.port
    given = {"Host": f"127.0.0.1:{port}"} | {name.replace("_", "-"): one for name, one in headers.items()}
    if body:
        given["Content-Length"] = str(len(body))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {one}\r\n" for name, one in given.items())
    async with await trio.open_tcp_stream("127.0.0.1", port or 0) as stream:
        await stream.send_all(head.encode() + b"\r\n" + body)
        data = b"".join([one async for one in stream])
    first, _, content = data.partition(b"\r\n\r\n")
    lines = first.decode().split("\r\n")
    found = {name.lower(): one for name, _, one in (line.partition(": ") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]), found, content)


async def log_in(publisher: xfs4iot.Publisher, name: str, secret: str, **headers: str) -> Answer:
    own = {"Origin": f"http://127.0.0.1:{publisher.port}", "Content_Type": "application/json"}
    body = json.dumps({"name": name, "secret": secret}).encode()
    return await ask(publisher, "/console/login", "POST", body, **(own | headers))


async def served(nursery: trio.Nursery, access: Access | None = None, **settings: Any) -> xfs4iot.Publisher:
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), seconds=0)
    publisher = xfs4iot.Publisher(services, port=0, access=access)
    Console(publisher, **settings)
    await nursery.start(publisher.serve)
    return publisher


@pytest.fixture(scope="module")
def rules() -> tuple[ClientRule, ...]:
    return (
        ClientRule("operator", ("*",), password_hash=hash_password(PASSWORD)),
        ClientRule("monitoring", ("Common.Status",), token_hash=make_token()[1]),
    )


async def test_it_is_off_unless_it_is_wanted(atm: xfs4iot.Publisher) -> None:
    answer = await ask(atm, "/console/")
    assert answer.status == 426
    assert "xfs4iot/v1.0" not in answer.headers


async def test_the_page_may_run_nothing_but_its_own_files_and_be_framed_by_nobody(
    nursery: trio.Nursery,
) -> None:
    publisher = await served(nursery)
    answer = await ask(publisher, "/console/")
    policy = answer.headers["content-security-policy"]
    assert answer.status == 200
    assert b"<xfs-console>" in answer.body
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    for file in PAGE.rglob("*"):
        if file.suffix in (".html", ".js", ".css", ".svg"):
            text = file.read_text("utf-8").replace("http://www.w3.org/", "")
            assert "http://" not in text
            assert "https://" not in text
            assert "innerHTML" not in text
            assert "eval(" not in text
            assert 'setAttribute("style"' not in text
    html = (PAGE / "index.html").read_text()
    assert "<style" not in html
    assert "style=" not in html
    assert html.count("<script") == html.count('<script type="module" src=')


def test_all_languages_say_the_same_things() -> None:
    found = {file.stem: json.loads(file.read_text("utf-8")) for file in (PAGE / "languages").iterdir()}
    assert set(found) == {"en", "de", "ja", "es"}
    for words in found.values():
        assert list(words) == list(found["en"])
        assert all(words.values())
        for key, text in words.items():
            holes = {
                one
                for one in ("{count}", "{all}", "{command}", "{version}", "{specification}")
                if one in text
            }
            assert holes == {one for one in holes if one in found["en"][key]}


def test_what_can_be_done_to_a_simulated_atm_has_a_name_in_every_language() -> None:
    with xfs4iot.Ledger.open(None) as ledger:
        simulator = simulated_atm(ledger=ledger, seconds=0)[-1].interface(Simulator).described()
    offered = {name for name, one in simulator["commands"].items() if one["services"]}
    words = {file.stem: json.loads(file.read_text("utf-8")) for file in (PAGE / "languages").iterdir()}
    assert offered == {name for name in words["en"] if name.startswith("Simulator.")} - {
        "Simulator.ClearFaults",
        "Simulator.StartClock",
        "Simulator.StopClock",
    }
    for language in words.keys() - {"en"}:
        assert [name for name in offered if words[language][name] == words["en"][name]] == []


@pytest.mark.parametrize("specification", ["2021-1", "2023-2", "2024-3"])
async def test_the_catalogue_of_each_version_is_compressed_and_kept(
    nursery: trio.Nursery, specification: str
) -> None:
    publisher = await served(nursery)
    path = f"/console/catalogue/{specification}.json"
    whole = await ask(publisher, path)
    small = await ask(publisher, path, Accept_Encoding="gzip, br")
    assert whole.json["specification"] == specification
    assert gzip.decompress(small.body) == whole.body
    assert len(small.body) < len(whole.body) / 8
    again = await ask(publisher, path, If_None_Match=small.headers["etag"])
    assert (again.status, again.body) == (304, b"")


async def test_nothing_else_is_answered(nursery: trio.Nursery) -> None:
    publisher = await served(nursery)
    for path in ("/console/../console.py", "/console/%2e%2e/console.py", "/console/x", "/console/languages/"):
        assert (await ask(publisher, path)).status == 404
    assert (await ask(publisher, "/consoles")).status == 426
    assert (await ask(publisher, "/console")).headers["location"] == "/console/"
    assert (await ask(publisher, "/console/", "PUT")).status == 405
    assert (await ask(publisher, "/console/atm", "GET", b"x")).status == 400
    assert (await ask(publisher, "/console/login", "POST", b"x" * 9000)).status == 413
    assert (await ask(publisher, "/console/login", "POST", Transfer_Encoding="chunked")).status == 413
    head = await ask(publisher, "/console/", "HEAD")
    assert (head.status, head.body) == (200, b"")


async def test_a_name_that_is_not_this_publishers_gets_nothing(nursery: trio.Nursery) -> None:
    publisher = await served(nursery)
    for host in ("evil.example", f"evil.example:{publisher.port}"):
        assert (await ask(publisher, "/console/atm", Host=host)).status == 421
    assert (await ask(publisher, "/console/atm", Host=f"localhost:{publisher.port}")).status == 200


async def connects(publisher: xfs4iot.Publisher, **headers: str) -> int:
    """The status with which a WebSocket is answered; 101 if it opens."""
    opening = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec_WebSocket_Version": "13",
    }
    given = {"Host": f"127.0.0.1:{publisher.port}"} | opening | headers
    lines = "".join(f"{name.replace('_', '-')}: {one}\r\n" for name, one in given.items())
    async with await trio.open_tcp_stream("127.0.0.1", publisher.port or 0) as stream:
        await stream.send_all(f"GET /xfs4iot/v1.0/CashDispenser HTTP/1.1\r\n{lines}\r\n".encode())
        return int((await stream.receive_some()).split()[1])


async def test_a_page_of_another_site_drives_nothing(nursery: trio.Nursery) -> None:
    publisher = await served(nursery)
    port = publisher.port
    assert await connects(publisher, Origin=f"http://127.0.0.1:{port}") == 101
    for origin in ("https://evil.example", f"http://localhost:{port}", f"https://127.0.0.1:{port}", "null"):
        assert await connects(publisher, Origin=origin) == 403


async def test_who_is_known_by_no_rule_is_asked_to_log_in(
    nursery: trio.Nursery, rules: tuple[ClientRule, ...]
) -> None:
    publisher = await served(nursery, Access(rules, anonymous=()))
    origin = f"http://127.0.0.1:{publisher.port}"
    assert (await ask(publisher, "/console/")).status == 200
    nobody = await ask(publisher, "/console/atm")
    assert (nobody.status, nobody.json["login"]) == (401, True)
    assert (await ask(publisher, "/console/ledger")).status == 401
    assert await connects(publisher, Origin=origin) == 401

    wrong = await log_in(publisher, "operator", "something else")
    assert (wrong.status, "set-cookie" in wrong.headers) == (401, False)
    assert (await log_in(publisher, "monitoring", PASSWORD)).status == 401

    answer = await log_in(publisher, "operator", PASSWORD)
    told = answer.headers["set-cookie"]
    assert answer.status == 200
    assert "HttpOnly" in told
    assert "SameSite=Strict" in told
    known = await ask(publisher, "/console/atm", Cookie=answer.cookie)
    assert (known.json["user"]["name"], known.json["user"]["loggedIn"]) == ("operator", True)
    assert await connects(publisher, Origin=origin, Cookie=answer.cookie) == 101
    # Another site cannot make use of it, even if a browser sent it.
    assert await connects(publisher, Origin="https://evil.example", Cookie=answer.cookie) == 403

    own = {"Origin": origin, "Content_Type": "application/json", "Cookie": answer.cookie}
    await ask(publisher, "/console/logout", "POST", b"{}", **own)
    assert (await ask(publisher, "/console/atm", Cookie=answer.cookie)).status == 401


async def test_a_token_logs_in_without_a_name_and_brings_only_its_own_rights(nursery: trio.Nursery) -> None:
    token, token_hash = make_token()
    access = Access([ClientRule("monitoring", ("Common.Status",), token_hash=token_hash)], anonymous=())
    publisher = await served(nursery, access)
    answer = await log_in(publisher, "", token)
    known = await ask(publisher, "/console/atm", Cookie=answer.cookie)
    cash = next(one for one in known.json["services"] if one["name"] == "CashDispenser")
    assert known.json["user"]["may"] == ["Common.Status"]
    assert [name for name, may in cash["commands"].items() if may] == ["Common.Status"]
    assert (await ask(publisher, "/console/ledger", Cookie=answer.cookie)).status == 403


async def test_only_the_page_itself_may_log_in(nursery: trio.Nursery, rules: tuple[ClientRule, ...]) -> None:
    publisher = await served(nursery, Access(rules, anonymous=()))
    assert (await log_in(publisher, "operator", PASSWORD, Origin="https://evil.example")).status == 403
    assert (await log_in(publisher, "operator", PASSWORD, Content_Type="text/plain")).status == 415
    own = {"Origin": f"http://127.0.0.1:{publisher.port}", "Content_Type": "application/json"}
    for body in (b"{", b"[]", b'{"name": 1, "secret": "x"}', b'{"name": "operator"}'):
        assert (await ask(publisher, "/console/login", "POST", body, **own)).status == 400


async def test_after_five_wrong_trials_not_even_the_right_password_is_taken(
    nursery: trio.Nursery, rules: tuple[ClientRule, ...]
) -> None:
    publisher = await served(nursery, Access(rules, anonymous=()))
    for _ in range(5):
        assert (await log_in(publisher, "operator", "wrong password")).status == 401
    answer = await log_in(publisher, "operator", PASSWORD)
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")


async def test_trials_at_once_are_no_more_than_trials_in_turn(
    nursery: trio.Nursery, rules: tuple[ClientRule, ...]
) -> None:
    publisher = await served(nursery, Access(rules, anonymous=()))
    statuses = Counter[int]()

    async def guess(number: int) -> None:
        statuses[(await log_in(publisher, "operator", f"wrong {number}")).status] += 1

    async with trio.open_nursery() as guessing:
        for number in range(20):
            guessing.start_soon(guess, number)
    assert statuses == {401: 5, 429: 15}


@asynccontextmanager
async def opened(publisher: xfs4iot.Publisher, cookie: str) -> AsyncIterator[trio.SocketStream]:
    """A WebSocket that the console's page has opened."""
    opening = (
        f"GET /xfs4iot/v1.0/CashDispenser HTTP/1.1\r\nHost: 127.0.0.1:{publisher.port}\r\n"
        f'Origin: http://127.0.0.1:{publisher.port}\r\nCookie: other={{"a"}}; {cookie}\r\n'
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with await trio.open_tcp_stream("127.0.0.1", publisher.port or 0) as stream:
        await stream.send_all(opening.encode())
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
        yield stream


async def is_cut(stream: trio.SocketStream) -> bool:
    """Whether the connection is closed because its user may no longer be here."""
    data = b""
    with trio.fail_after(10):
        while not data.endswith(b"the login has ended"):
            if not (more := await stream.receive_some()):
                return False
            data += more
        # A close frame with code 1008, and nothing after it.
        return b"\x88\x15\x03\xf0the login has ended" in data and not await stream.receive_some()


async def test_logging_out_closes_what_was_opened_by_the_login_and_no_more(
    nursery: trio.Nursery, rules: tuple[ClientRule, ...]
) -> None:
    publisher = await served(nursery, Access(rules, anonymous=()))
    own = {"Origin": f"http://127.0.0.1:{publisher.port}", "Content_Type": "application/json"}
    one, other = [(await log_in(publisher, "operator", PASSWORD)).cookie for _ in range(2)]
    async with opened(publisher, one) as first, opened(publisher, one) as second, opened(publisher, other):
        await ask(publisher, "/console/logout", "POST", b"{}", Cookie=one, **own)
        assert await is_cut(first)
        assert await is_cut(second)
        assert (await ask(publisher, "/console/atm", Cookie=one)).status == 401
        assert (await ask(publisher, "/console/atm", Cookie=other)).status == 200
    # Who logs in anew leaves nothing of the old login behind, wherever its cookie may have gone.
    async with opened(publisher, other) as third:
        newest = await log_in(publisher, "operator", PASSWORD, Cookie=other)
        assert await is_cut(third)
        assert (await ask(publisher, "/console/atm", Cookie=other)).status == 401
        assert (await ask(publisher, "/console/atm", Cookie=newest.cookie)).status == 200


async def test_a_connection_ends_with_the_time_of_its_login(
    nursery: trio.Nursery, rules: tuple[ClientRule, ...]
) -> None:
    publisher = await served(nursery, Access(rules, anonymous=()), session_seconds=0.5)
    answer = await log_in(publisher, "operator", PASSWORD)
    async with opened(publisher, answer.cookie) as stream:
        assert await is_cut(stream)


async def test_a_cookie_that_somebody_else_made_is_no_login_and_does_no_harm(
    nursery: trio.Nursery, rules: tuple[ClientRule, ...]
) -> None:
    publisher = await served(nursery, Access(rules, anonymous=()))
    cookie = (await log_in(publisher, "operator", PASSWORD)).cookie
    name = cookie.partition("=")[0]
    for foreign in (f"{name}=x", f"{name}=", name, ";;=", 'a={"b": [1]}', "\xe9=\xff", f'{name}="\\073"'):
        assert (await ask(publisher, "/console/atm", Cookie=foreign)).status == 401
        assert (await ask(publisher, "/console/atm", Cookie=f"{foreign}; {cookie}")).status == 200
        assert (await ask(publisher, "/console/atm", Cookie=f"{cookie}; {foreign}")).status == 200


async def raw(publisher: xfs4iot.Publisher, *pieces: bytes) -> list[int]:
    """The status of every answer to bytes that are sent piece by piece."""
    async with await trio.open_tcp_stream("127.0.0.1", publisher.port or 0) as stream:
        for piece in pieces:
            await stream.send_all(piece)
            await trio.lowlevel.checkpoint()
        data = b"".join([one async for one in stream])
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


async def test_requests_that_servers_read_differently_get_one_answer_at_most(nursery: trio.Nursery) -> None:
    publisher = await served(nursery)
    host = f"Host: 127.0.0.1:{publisher.port}\r\n".encode()
    get = b"GET /console/icon.svg HTTP/1.1\r\n" + host
    post = b"POST /console/login HTTP/1.1\r\n" + host
    assert await raw(publisher, *[bytes([one]) for one in get + b"\r\n"]) == [200]
    # Of what follows the first request nothing is answered.
    assert await raw(publisher, 2 * (get + b"\r\n")) == [200]
    for headers in (
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: \xb2\r\n",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
        b"Content-Length : 5\r\n",
        b" folded: x\r\n",
        b"A: " + b"x" * 20000 + b"\r\n",
        b"A: x\r\n" * 120,
        host,
    ):
        [status] = await raw(publisher, post + headers + b"\r\n" + get + b"\r\n")
        assert status >= 400, headers
    for method in (b"OPTIONS", b"TRACE", b"CONNECT", b"DELETE", b"PATCH", b"get"):
        [status] = await raw(publisher, get.replace(b"GET", method, 1) + b"\r\n")
        assert status >= 400, method
    # A range is not served in parts, and what is said to be compressed is not unpacked.
    assert await raw(publisher, get + b"Range: bytes=0-0,0-0\r\n\r\n") == [200]
    packed = gzip.compress(b" " * 1_000_000)
    kind = f"Origin: http://127.0.0.1:{publisher.port}\r\nContent-Type: application/json\r\n".encode()
    length = f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    assert await raw(publisher, post + kind + length + packed) == [400]


async def test_a_login_ends_by_itself(nursery: trio.Nursery, rules: tuple[ClientRule, ...]) -> None:
    publisher = await served(nursery, Access(rules, anonymous=()), session_seconds=0)
    answer = await log_in(publisher, "operator", PASSWORD)
    assert (await ask(publisher, "/console/atm", Cookie=answer.cookie)).status == 401


async def test_the_ledgers_last_movements_are_told_newest_first(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.sqlite"
    with xfs4iot.Ledger.open(file) as ledger:
        services = simulated_atm(ledger=ledger, seconds=0)
        publisher = xfs4iot.Publisher(services, port=0)
        Console(publisher, ledger=file)
        async with trio.open_nursery() as inner:
            await inner.start(publisher.serve)
            async with xfs4iot.connect(publisher.uri("CashDispenser")) as cash:
                wanted = {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}
                await cash.call("CashDispenser.Dispense", {"denomination": {"denomination": wanted}})
            movements = (await ask(publisher, "/console/ledger")).json["movements"]
            inner.cancel_scope.cancel()
    assert movements[0]["command"] == "CashDispenser.Dispense"
    assert movements[0]["outcome"] == "done"
    assert {
        "unit": "unit3",
        "bucket": "count",
        "item": "typeEUR50",
        "level": "fit",
        "delta": -1,
    } in movements[0]["changes"]
    numbers = [one["number"] for one in movements]
    assert numbers == sorted(numbers, reverse=True)


def test_a_password_is_known_by_a_hash_that_is_salted() -> None:
    one, other = hash_password(PASSWORD), hash_password(PASSWORD)
    assert one != other
    assert check_password(PASSWORD, one)
    assert not check_password(PASSWORD + "!", one)
    assert not check_password(PASSWORD, None)
    assert not check_password(PASSWORD, "scrypt:x")
    with pytest.raises(ValueError, match="10 to 200"):
        hash_password("short")


def test_a_rule_with_a_password_fits_nobody_who_has_not_logged_in(rules: tuple[ClientRule, ...]) -> None:
    operator = rules[0]
    assert not operator.fits(None, None, "127.0.0.1")
    assert operator.fits(None, None, "127.0.0.1", "operator")
    wrong = ClientRule("x", ("*",), password_hash="sha256:00")
    assert [what for what, _ in wrong.mistakes()] == ["password_hash"]


def test_what_asks_again_is_in_the_standard() -> None:
    assert set(COMMANDS) >= MOVES_CASH
