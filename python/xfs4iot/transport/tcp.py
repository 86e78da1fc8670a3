"""TCP: a low-overhead stream, and listeners on exactly the addresses named.

Trio's own socket stream yields to the scheduler in every send and every receive, and asks
the kernel before it waits. A server that answers each message needs only one of the two:
`receive_some` here yields exactly once (by waiting, or by a checkpoint when there is more
to read at once), and `send_all` yields when the kernel takes no more, or once in a while,
so that a task that only ever sends cannot starve the others either. After a read that did
not fill its buffer the kernel most likely has nothing more: the next read waits first and
saves the system call that would have said so.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address

import trio

__all__ = ["SocketStream", "is_loopback", "linger", "open_listener"]

_RECEIVE_BYTES = 64 * 1024
_SENDS_WITHOUT_YIELDING = 16
_BACKLOG = 1024
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 256 * 1024


class SocketStream(trio.abc.HalfCloseableStream):
    """A TCP connection as a stream; takes the socket over.

    `TCP_NODELAY` is set. Network errors are raised as `trio.BrokenResourceError`, use
    after closing as `trio.ClosedResourceError`.
    """

    __slots__ = ("_drained", "_sends", "_socket")

    has_unsent = False
    """Never: the kernel holds what `send_now` accepted."""

    def __init__(self, connection: trio.socket.SocketType | socket.socket) -> None:
        # The plain socket instead of trio's, whose every call is a checkpoint.
        self._socket = socket.socket(
            connection.family, connection.type, connection.proto, connection.detach()
        )
        self._socket.setblocking(False)
        self._drained = True
        self._sends = 0
        # Fails where the peer is gone already (on macOS), and where this is not TCP.
        with suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`.

        Checkpoints if the kernel takes no more, and once in sixteen times.

        Raises:
            trio.BrokenResourceError: the peer is gone.
            trio.ClosedResourceError: this end was closed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as problem:
            raise self._error(problem) from None
        if sent == len(data):
            self._sends += 1
            if self._sends >= _SENDS_WITHOUT_YIELDING:
                self._sends = 0
                # Shielded: everything was sent, and a cancellation here would say otherwise.
                await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._sends = 0
        rest = memoryview(data)[sent:]
        while rest:
            await self.wait_send_all_might_not_block()
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                pass
            except OSError as problem:
                raise self._error(problem) from None

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes data again."""
        try:
            await trio.lowlevel.wait_writable(self._socket)
        # ValueError: the socket was closed, and its descriptor is -1.
        except (OSError, ValueError) as problem:
            raise self._error(problem) from None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has arrived, at least one byte; nothing when the peer has ended its side.

        Always yields.

        Raises:
            trio.BrokenResourceError: the connection was lost.
            trio.ClosedResourceError: this end was closed.
        """
        size = _RECEIVE_BYTES if max_bytes is None else max_bytes
        if size < 1:
            raise ValueError("max_bytes must be at least 1")
        self._sends = 0
        if not self._drained:
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                data = self._socket.recv(size)
            except BlockingIOError:
                pass
            except OSError as problem:
                raise self._error(problem) from None
            else:
                self._drained = len(data) < size
                # Shielded: the data has left the kernel, and a cancellation here would lose it.
                await trio.lowlevel.cancel_shielded_checkpoint()
                return data
        while True:
            try:
                await trio.lowlevel.wait_readable(self._socket)
                data = self._socket.recv(size)
            except BlockingIOError:
                continue
            except (OSError, ValueError) as problem:
                raise self._error(problem) from None
            self._drained = len(data) < size
            return data

    def fileno(self) -> int:
        """The socket's file descriptor; -1 when closed."""
        return self._socket.fileno()

    def receive_now(self) -> bytes | None:
        """What has arrived; None if nothing, empty when the peer has ended its side.

        Raises:
            trio.BrokenResourceError: the connection was lost.
            trio.ClosedResourceError: this end was closed.
        """
        try:
            return self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return None
        except OSError as problem:
            raise self._error(problem) from None

    def send_now(self, data: bytes | memoryview) -> int:
        """How many bytes of `data` the kernel took; never waits.

        Raises:
            trio.BrokenResourceError: the peer is gone.
            trio.ClosedResourceError: this end was closed.
        """
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as problem:
            raise self._error(problem) from None

    async def send_eof(self) -> None:
        """End this side's sending; receiving goes on."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as problem:
            raise self._error(problem) from None

    async def aclose(self) -> None:
        """Close; whoever waits in another task gets `trio.ClosedResourceError`."""
        if self._socket.fileno() != -1:
            # Before closing: the number of a closed descriptor can be another socket's at once.
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.checkpoint()

    def _error(self, problem: Exception) -> Exception:
        if self._socket.fileno() == -1:
            return trio.ClosedResourceError("this connection was closed already")
        return trio.BrokenResourceError(getattr(problem, "strerror", None) or str(problem))


async def open_listener(host: str, port: int) -> list[trio.socket.SocketType]:
    """Listening sockets on the addresses of `host`, and on no other.

    Args:
        host: an address, or a name; every address of a name is bound.
        port: 0 takes any free port, the same for all addresses.

    Returns:
        At least one listening trio socket.

    Raises:
        OSError: an address could not be bound.
    """
    found = await trio.socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    listeners: list[trio.socket.SocketType] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listener = trio.socket.socket(family, kind, protocol)
            listeners.append(listener)
            # On Windows SO_REUSEADDR lets other programs share the port; elsewhere it allows quick restarts.
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Otherwise `::` takes IPv4 as well, and 0.0.0.0 cannot be bound beside it.
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if port == 0 and len(listeners) > 1:
                address = (address[0], listeners[0].getsockname()[1], *address[2:])
            await listener.bind(address)
            listener.listen(_BACKLOG)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, which no other machine can reach."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def linger(stream: trio.abc.Stream) -> None:
    """Close `stream` so that the peer can still read what was sent last.

    A socket that is closed while something from the peer is unread resets the connection,
    and the peer may lose the refusal that explains it. So this end stops sending, takes
    what the peer had on its way, within limits, and only then closes.
    """
    try:
        with trio.move_on_after(_LINGER_SECONDS):
            if isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
                taken = 0
                while taken < _LINGER_BYTES and (data := await stream.receive_some()):
                    taken += len(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        await trio.aclose_forcefully(stream)
