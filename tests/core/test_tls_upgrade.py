"""The opening handshake, the limits on connections, and bearer tokens."""

from __future__ import annotations

import pytest

from xfs4iot.transport.limits import Limits, Refused
from xfs4iot.transport.tokens import check_token, hash_token, make_token
from xfs4iot.transport.upgrade import (
    Upgrade,
    UpgradeReader,
    UpgradeRefused,
    accept_response,
    refuse_response,
)

LINES = (
    b"GET /xfs4iot/v1.0/CashDispenser?x=1 HTTP/1.1",
    b"Host: atm17.bank.example:5846",
    b"Upgrade: WebSocket",
    b"Connection: keep-alive, Upgrade",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version: 13",
)
END = b"\r\n\r\n"


def request(*more: bytes, without: bytes = b"\0") -> bytes:
    kept = [line for line in LINES if not line.lower().startswith(without.lower())]
    return b"\r\n".join((*kept, *more)) + END


def read(data: bytes) -> Upgrade:
    found = UpgradeReader().feed(data)
    assert found is not None
    return found


def test_a_request_is_read_however_it_is_cut_up() -> None:
    whole = request(b"Origin: https://bank.example", b"Authorization: bearer  secret") + b"\x81\x80frames"
    for size in (1, 2, 3, 7, 50, 1000):
        reader, found, rest = UpgradeReader(), None, whole
        while found is None:
            found, rest = reader.feed(rest[:size]), rest[size:]
        assert found.path == "/xfs4iot/v1.0/CashDispenser?x=1"
        assert found.headers["host"] == "atm17.bank.example:5846"
        assert (found.origin, found.bearer) == ("https://bank.example", "secret")
        assert found.trailing + rest == b"\x81\x80frames"


def test_the_accept_key_is_the_one_of_rfc_6455() -> None:
    answer = accept_response(read(request()))
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert answer.endswith(END)


def test_a_request_through_a_proxy_may_name_the_whole_uri() -> None:
    line = b"GET http://atm17:5846/xfs4iot/v1.0 HTTP/1.1"
    assert read(b"\r\n".join((line, *LINES[1:])) + END).path == "/xfs4iot/v1.0"


@pytest.mark.parametrize(
    ("asked", "host"),
    [
        (b"ATM17.bank.example:5846", "atm17.bank.example"),
        (b"atm_17.", "atm_17."),
        (b"10.0.0.7:", "10.0.0.7"),
        (b"[2001:DB8::7]:5846", "2001:db8::7"),
        (b"[fe80::1%eth0]", "fe80::1%eth0"),
        (b"", ""),
    ],
)
def test_the_host_that_is_asked_for_is_a_name_or_an_address(asked: bytes, host: str) -> None:
    assert read(request(b"Host: " + asked, without=b"host")).host == host


def test_a_token_is_not_shown_by_its_request() -> None:
    assert "secret" not in repr(read(request(b"Authorization: Bearer secret")))


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (request(without=b"upgrade"), 426, "WebSocket"),
        (request(without=b"connection"), 426, "WebSocket"),
        (request(b"Sec-WebSocket-Version: 8", without=b"sec-websocket-version"), 426, "13"),
        (request(without=b"sec-websocket-version"), 426, "13"),
        (request(without=b"sec-websocket-key"), 400, "Sec-WebSocket-Key"),
        (request(b"Sec-WebSocket-Key: c2hvcnQ=", without=b"sec-websocket-key"), 400, "16 bytes"),
        (request(b"Sec-WebSocket-Key: ????", without=b"sec-websocket-key"), 400, "16 bytes"),
        (request(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400, "more than once"),
        (request(b"Origin: a", b"Origin: b"), 400, "more than once"),
        (request(b"Authorization: Bearer a", b"Authorization: Bearer b"), 400, "more than once"),
        (request(without=b"host"), 400, "Host"),
        (request(b"Content-Length: 3") + b"abc", 400, "no body"),
        (request(b"Transfer-Encoding: chunked"), 400, "no body"),
        (request(b"Content-Length: 0", b"Content-Length: 7"), 400, "not an HTTP"),
        (b"\r\n".join((b"GET / HTTP/1.0", *LINES[1:])) + END, 505, "HTTP/1.1"),
        (b"POST / HTTP/1.1\r\nHost: a" + END, 405, "GET"),
        (b"\x16\x03\x01\x02\x00\x01", 400, "wss://"),
        (b"\x00\x01\x02\x03" + END, 400, "not an HTTP"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, 431, "not an HTTP"),
        (b"GET /" + b"a" * 20_000, 431, "not an HTTP"),
        (request(*(b"X-%d: a" % number for number in range(101))), 431, "100 headers"),
        (b"", 400, "ended"),
    ],
)
def test_what_is_no_upgrade_is_refused_with_its_status_and_a_reason(
    data: bytes, status: int, words: str
) -> None:
    with pytest.raises(UpgradeRefused) as refused:
        assert UpgradeReader().feed(data) is not None
    assert refused.value.status == status
    assert words in refused.value.body
    answer = refuse_response(status, refused.value.body, refused.value.headers)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    head, _, body = answer.partition(END)
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head


def test_connections_are_counted_by_address_and_in_all() -> None:
    limits = Limits(total=3, per_address=2)
    with limits.admit("10.0.0.1"), limits.admit("10.0.0.1"):
        with pytest.raises(Refused, match=r"10\.0\.0\.1"), limits.admit("::ffff:10.0.0.1"):
            pass
        with (
            limits.admit("10.0.0.2"),
            pytest.raises(Refused, match="3 connections"),
            limits.admit("10.0.0.3"),
        ):
            pass
    assert limits.open == 0
    with limits.admit("10.0.0.1"):
        assert limits.open == 1


def test_a_network_of_one_ipv6_host_counts_as_one_address() -> None:
    limits = Limits(per_address=1)
    with limits.admit("2001:db8::1"):
        with pytest.raises(Refused), limits.admit("2001:db8::ffff"):
            pass
        with limits.admit("2001:db8:0:1::1"), limits.admit("fe80::1%eth0"):
            pass


def test_a_token_fits_its_hash_and_no_other() -> None:
    token, token_hash = make_token()
    assert token not in token_hash
    assert check_token(token, token_hash)
    assert check_token(token, token_hash.upper().replace("SHA256", "sha256"))
    for wrong in (token[:-1], token + "x", "", "ä€\udcff", make_token()[0]):
        assert not check_token(wrong, token_hash)
    for no_hash in ("", "sha256:", token, "scrypt:abc", "ä"):
        assert not check_token(token, no_hash)
    with pytest.raises(ValueError, match="random"):
        hash_token("secret")
