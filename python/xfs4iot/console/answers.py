"""HTTP answers: whole, one to a connection, with all that keeps a browser from doing what it need not."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import field
from functools import cached_property
from http import HTTPStatus

from xfs4iot.dataclass import dataclass
from xfs4iot.transport.upgrade import PageRequest

__all__ = ["JSON", "Content", "answer"]

JSON = "application/json"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ("Connection", "close"),
)
_WORTH_COMPRESSING = 1024


@dataclass(frozen=True)
class Content:
    """What is answered.

    Attributes:
        body: uncompressed.
        kind: media type.
        status: of HTTP.
        headers: further ones, such as a cookie.
        kept: the browser may keep it, and asks whether it has changed.
    """

    body: bytes
    kind: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    kept: bool = field(default=False)

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.body, 9, mtime=0)

    @cached_property
    def tag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:20]}"'


def answer(request: PageRequest, content: Content, always: Iterable[tuple[str, str]] = ()) -> bytes:
    """The bytes to send.

    Args:
        request: what was asked.
        content: what is answered to it.
        always: headers that go with every answer of this server.
    """
    headers = [*_ALWAYS, *always, *content.headers]
    status, body = content.status, content.body
    if content.kept:
        headers += ("ETag", content.tag), ("Cache-Control", "no-cache")
        if content.tag in request.headers.get("if-none-match", ""):
            status, body = 304, b""
    else:
        headers.append(("Cache-Control", "no-store"))
    if status != 304:
        headers.append(("Content-Type", content.kind))
        if len(body) > _WORTH_COMPRESSING and "gzip" in request.headers.get("accept-encoding", ""):
            headers += ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")
            # Kept with the content, where it is kept: compressed once for all who ask.
            body = content.compressed
        headers.append(("Content-Length", str(len(body))))
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers)
    return head.encode("latin-1") + b"\r\n" + (b"" if request.method == "HEAD" else body)
