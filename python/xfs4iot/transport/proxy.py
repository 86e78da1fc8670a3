"""A way out through a proxy: HTTP's CONNECT (RFC 9110, section 9.3.6), as branches have them.

What is said through it is TLS from end to end: the proxy sees names and ports.
"""

from __future__ import annotations

import base64
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

import trio

from xfs4iot import reasons
from xfs4iot.addresses import address
from xfs4iot.dataclass import dataclass
from xfs4iot.telling import told

__all__ = ["Proxy", "ProxyFailed", "dial"]

_LARGEST_ANSWER = 16 * 1024
_PORT = 3128


class ProxyFailed(OSError):
    """The proxy is not there or lets nobody through; the text says what to do."""


@dataclass(frozen=True)
class Proxy:
    """Where a proxy is, and who asks it.

    Attributes:
        credentials: user and password, `user:password`; empty where it asks nobody. Never shown.
    """

    host: str
    port: int
    credentials: str = ""

    @classmethod
    def read(cls, text: str) -> Proxy:
        """A proxy as it is written in a configuration: `http://[user:password@]host[:port]`.

        Raises:
            ValueError: this is none; the text never has the password.
        """
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port or _PORT
        except ValueError:
            host, port, parts = None, 0, urlsplit("")
        bare = not parts.query and not parts.fragment and parts.path in ("", "/")
        if parts.scheme != "http" or not host or not bare or not host.isprintable() or " " in host:
            raise ValueError("proxy: write http://host:port or http://user:password@host:port")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(host, port, f"{user}:{password}" if user else "")

    def __repr__(self) -> str:
        return f"Proxy({address(self.host, self.port)})"

    async def reach(self, host: str, port: int) -> trio.SocketStream:
        """A connection to `host`, of which not a byte has been taken.

        Raises:
            ProxyFailed: there is none.
        """
        proxy = address(self.host, self.port)
        try:
            stream = await trio.open_tcp_stream(self.host, self.port)
        except OSError as problem:
            why = reasons.reason(problem)
            raise ProxyFailed(f"the proxy at {proxy} cannot be reached: {why}") from None
        try:
            await stream.send_all(self._asking(address(host, port)))
            status, reason = await self._answer(stream, proxy)
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(stream)
            raise ProxyFailed(f"the proxy at {proxy} hung up") from None
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        if 200 <= status < 300:
            return stream
        await trio.aclose_forcefully(stream)
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise ProxyFailed(
                f"the proxy at {proxy} wants a user and a password (Basic): write it as "
                "http://user:password@host:port"
            )
        raise ProxyFailed(
            f"the proxy at {proxy} lets nobody through to {address(host, port)} ({status} "
            f"{told(reason)}); it has to allow CONNECT there"
        )

    def _asking(self, target: str) -> bytes:
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self.credentials:
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(self.credentials.encode()).decode()}")
        return "\r\n".join([*lines, "", ""]).encode()

    async def _answer(self, stream: trio.SocketStream, proxy: str) -> tuple[int, str]:
        """Status and reason of the proxy's answer; what is behind its head stays unread."""
        head = b""
        # By single bytes: what follows is the other end's, and a broker speaks first.
        while not head.endswith(b"\r\n\r\n"):
            more = await stream.receive_some(1)
            if not more:
                raise ProxyFailed(f"the proxy at {proxy} hung up")
            head += more
            if len(head) > _LARGEST_ANSWER:
                raise ProxyFailed(f"the proxy at {proxy} answers without end; is it an HTTP proxy?")
            if len(head) == 5 and head != b"HTTP/":
                raise ProxyFailed(f"the proxy at {proxy} does not answer as one; is it an HTTP proxy?")
        version, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        status, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or not (status.isdecimal() and len(status) == 3):
            raise ProxyFailed(f"the proxy at {proxy} does not answer as one; is it an HTTP proxy?")
        return int(status), reason[:100]


async def dial(host: str, port: int, proxy: Proxy | None) -> trio.SocketStream:
    """A connection, straight or through a proxy.

    Raises:
        OSError: there is none.
    """
    if proxy is None:
        return await trio.open_tcp_stream(host, port)
    return await proxy.reach(host, port)
