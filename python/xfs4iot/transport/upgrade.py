"""The WebSocket opening handshake, server side (RFC 6455, section 4.2).

`UpgradeReader` works on bytes alone; h11 reads the HTTP. What is not an upgrade request is
refused with an answer that a person with curl or a browser can understand, unless it asks for a page
where pages are served.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import h11
import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.digests import sha1
from xfs4iot.telling import DESCRIPTION, told

__all__ = [
    "PageRequest",
    "Request",
    "Upgrade",
    "UpgradeReader",
    "UpgradeRefused",
    "accept_request",
    "accept_response",
    "answer",
    "refuse_response",
]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEADER_BYTES = 16 * 1024
_HEADERS = 100
_BODY_BYTES = 8 * 1024
# A proxy in between might go by the first of two, and this server by the second.
_SINGLE = frozenset({"host", "origin", "authorization", "sec-websocket-key", "sec-websocket-version"})
_TLS_HANDSHAKE = 0x16
_HOST = re.compile(
    r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._-]{1,40})?\])(?::[0-9]{0,5})?"
)
"""A host name or an address, as `Host` has it, perhaps with a port (RFC 9110, section 7.2).

It is told to this client and others as a part of URIs; what is wider is not let in.
"""


@dataclass(frozen=True)
class Request:
    """A valid request.

    Attributes:
        path: as requested, with the query; never with scheme and host.
        headers: by lower-case name; values of a repeated header are joined by commas.
        host: the name or address that the client asked for; empty if it named none.
        origin: the web page's origin; None if no browser asks.
        bearer: the bearer token of the `Authorization` header.
        bearer_hash: its hash, where a gateway vouches for the client and keeps the token to itself.
    """

    path: str
    headers: Mapping[str, str]
    host: str = ""
    origin: str | None = None
    bearer: str | None = None
    bearer_hash: str | None = None

    def __repr__(self) -> str:
        # The headers may hold a token, or the cookie of a login.
        return f"{type(self).__name__}({self.path!r})"


@dataclass(frozen=True, repr=False)
class Upgrade(Request):
    """A valid request to upgrade to WebSocket.

    Attributes:
        trailing: what the client sent after the request: WebSocket frames already.
    """

    trailing: bytes = b""


@dataclass(frozen=True, repr=False)
class PageRequest(Request):
    """A request of a browser for something below the path where pages are served.

    Attributes:
        method: `GET`, `HEAD` or `POST`.
        body: what is posted.
    """

    method: str = "GET"
    body: bytes = b""


class UpgradeRefused(Exception):
    """The request is not served; the client gets an HTTP answer that says why.

    Attributes:
        status: HTTP status.
        body: text for the person or the log at the other end.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, body: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        body = "\n".join(told(line, DESCRIPTION) for line in body.split("\n"))
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body
        self.headers = headers


class UpgradeReader:
    """Reads one request from bytes as they come.

    Args:
        pages: path below which pages are served, such as `/console`; None serves none.
    """

    def __init__(self, pages: str | None = None) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEADER_BYTES)
        self._begun = False
        self._pages = pages
        self._page: Request | None = None
        self._method = ""
        self._body = b""

    def feed(self, data: bytes | bytearray) -> Upgrade | PageRequest | None:
        """The request, when it is whole; None while it is not.

        Args:
            data: what has arrived; empty if the client will send no more.

        Raises:
            UpgradeRefused: it is none that is served.
        """
        if not self._begun and data:
            self._begun = True
            if data[0] == _TLS_HANDSHAKE:
                raise UpgradeRefused(
                    400, "You speak TLS, but this port speaks plain text: use ws:// instead of wss://."
                )
        if not data:
            raise UpgradeRefused(400, "The request ended before it was whole.")
        try:
            self._http.receive_data(bytes(data))
            return self._next()
        except h11.RemoteProtocolError as problem:
            raise UpgradeRefused(
                problem.error_status_hint, f"This is not an HTTP request: {problem}."
            ) from None

    def _next(self) -> Upgrade | PageRequest | None:
        if self._page is None:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                return None
            assert isinstance(event, h11.Request)
            headers = _headers(event)
            if not self._is_page(event, headers):
                return self._upgrade(event, headers)
            self._check_page(event, headers)
            self._page, self._method = _request(event, headers), event.method.decode()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.EndOfMessage):
                return PageRequest(**vars(self._page), method=self._method, body=self._body)
            if isinstance(event, h11.Data):
                self._body += bytes(event.data)

    def _is_page(self, request: h11.Request, headers: Mapping[str, str]) -> bool:
        if self._pages is None or "websocket" in _listed(headers, "upgrade"):
            return False
        path = _target(request).partition("?")[0]
        return path == self._pages or path.startswith(self._pages + "/")

    @staticmethod
    def _check_page(request: h11.Request, headers: Mapping[str, str]) -> None:
        if request.method not in (b"GET", b"HEAD", b"POST"):
            raise UpgradeRefused(405, "Pages are read with GET.", (("Allow", "GET, HEAD, POST"),))
        length = headers.get("content-length", "0").strip()
        if "transfer-encoding" in headers or not length.isdigit() or int(length) > _BODY_BYTES:
            raise UpgradeRefused(
                413, f"A body has a Content-Length, of {_BODY_BYTES} bytes at most, and no encoding."
            )
        if request.method != b"POST" and length != "0":
            raise UpgradeRefused(400, "Only POST has a body.")

    def _upgrade(self, request: h11.Request, headers: Mapping[str, str]) -> Upgrade:
        if request.method != b"GET":
            raise UpgradeRefused(
                405,
                f"{request.method.decode('latin-1')} is not served; a WebSocket begins with GET.",
                (("Allow", "GET"),),
            )
        if request.http_version != b"1.1":
            raise UpgradeRefused(505, "A WebSocket begins with HTTP/1.1.")
        if "websocket" not in _listed(headers, "upgrade") or "upgrade" not in _listed(headers, "connection"):
            raise UpgradeRefused(
                426,
                "This is an XFS4IoT publisher. It speaks WebSocket: connect with a ws:// or wss:// URI."
                + ("" if self._pages is None else f" A browser finds the console at {self._pages}/."),
                (("Upgrade", "websocket"),),
            )
        if headers.get("sec-websocket-version", "").strip() != "13":
            raise UpgradeRefused(
                426, "Only version 13 of WebSocket is spoken.", (("Sec-WebSocket-Version", "13"),)
            )
        try:
            key = base64.b64decode(headers.get("sec-websocket-key", ""), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != 16:
            raise UpgradeRefused(400, "Sec-WebSocket-Key must be 16 bytes in base64.")
        if headers.get("content-length", "0").strip() != "0" or "transfer-encoding" in headers:
            raise UpgradeRefused(400, "An upgrade request has no body.")
        found = _request(request, headers)
        # Past the end of the request, so that all h11 still holds is what came after it.
        self._http.next_event()
        return Upgrade(**vars(found), trailing=bytes(self._http.trailing_data[0]))


def _target(request: h11.Request) -> str:
    """What is asked for, without scheme and host."""
    target = request.target.decode("latin-1")
    if target.startswith("/"):
        return target
    try:
        parts = urlsplit(target)
    except ValueError as problem:
        raise UpgradeRefused(400, f"This is not an address: {target} ({problem}).") from None
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _request(request: h11.Request, headers: Mapping[str, str]) -> Request:
    target = _target(request)
    asked = headers.get("host", "").strip()
    named = _HOST.fullmatch(asked)
    if asked and (named is None or not _is_host(named["host"])):
        raise UpgradeRefused(400, f"Host: {asked} names no host.")
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return Request(
        path=target,
        headers=headers,
        host="" if named is None else named["host"].strip("[]").lower(),
        origin=headers.get("origin"),
        bearer=bearer.strip() if scheme.lower() == "bearer" else None,
    )


async def accept_request(stream: trio.abc.Stream, pages: str | None = None) -> Upgrade | PageRequest:
    """Read one request from `stream`; the caller sets the time limit.

    Args:
        pages: as in `UpgradeReader`.

    Raises:
        UpgradeRefused: the request is none that is served.
        trio.BrokenResourceError: the client hung up before it said anything, or was lost.
    """
    reader = UpgradeReader(pages)
    begun = False
    while True:
        data = await stream.receive_some()
        if not data and not begun:
            raise trio.BrokenResourceError("the client hung up before it asked for anything")
        begun = True
        request = reader.feed(data)
        if request is not None:
            return request


def accept_response(request: Upgrade) -> bytes:
    """The answer that opens the WebSocket."""
    digest = sha1(request.headers["sec-websocket-key"].strip().encode() + _GUID)
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def refuse_response(status: int, body: str, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """An answer of plain text, after which the connection closes."""
    return answer(status, body if body.endswith("\n") else body + "\n", headers)


def answer(
    status: int,
    body: str,
    headers: tuple[tuple[str, str], ...] = (),
    *,
    kind: str = "text/plain; charset=utf-8",
) -> bytes:
    """A whole answer of HTTP, after which the connection closes."""
    # Here, for clients that upgrade get no such answer.
    from http import HTTPStatus

    text = body.encode()
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Refused"
    fields = (
        ("Content-Type", kind),
        ("Content-Length", str(len(text))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'"),
        ("Connection", "close" if status != 426 else "Upgrade, close"),
        *headers,
    )
    head = f"HTTP/1.1 {status} {phrase}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    return head.encode("latin-1") + b"\r\n" + text


def _headers(request: h11.Request) -> dict[str, str]:
    if len(request.headers) > _HEADERS:
        raise UpgradeRefused(431, f"The request has more than {_HEADERS} headers.")
    headers: dict[str, str] = {}
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name not in headers:
            headers[name] = value
        elif name in _SINGLE:
            raise UpgradeRefused(400, f"Header {name} comes more than once.")
        else:
            headers[name] += ", " + value
    return headers


def _is_host(text: str) -> bool:
    if not text.startswith("["):
        return bool(text.strip(".-"))
    try:
        ipaddress.IPv6Address(text[1:-1])
    except ValueError:
        return False
    return True


def _listed(headers: Mapping[str, str], name: str) -> set[str]:
    return {one.strip().lower() for one in headers.get(name, "").split(",")}
