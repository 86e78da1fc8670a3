"""What OpenSSL is asked for with every message: bytes in and bytes out of a connection without a socket.

pyOpenSSL's methods for it spend most of their time on what does not concern us: texts instead of bytes,
flags, and finding out whether a call failed that has succeeded. `put`, `receive`, `send` and `take`
stand for `bio_write`, `recv`, `send` and `bio_read` of `OpenSSL.SSL.Connection`: they ask the same OpenSSL
directly, and leave every failure to pyOpenSSL, which knows what to raise. They need attributes of
pyOpenSSL that are not its interface; where a later version lacks one, its own methods serve (`OWN`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from OpenSSL import SSL

__all__ = ["OWN", "QUICK", "Calls", "calls"]


class Calls(NamedTuple):
    """Calls of a `Connection` that is their first argument; each raises what pyOpenSSL's does.

    Attributes:
        put: write ciphertext of the peer in.
        receive: the next bytes of the peer, so many at most, of one record.
        send: encrypt bytes; how many were.
        take: ciphertext for the peer, so much at most.
    """

    put: Callable[[Any, Any], int]
    receive: Callable[[Any, int], bytes]
    send: Callable[[Any, Any], int]
    take: Callable[[Any, int], bytes]


OWN: Final = Calls(
    SSL.Connection.bio_write, SSL.Connection.recv, SSL.Connection.send, SSL.Connection.bio_read
)
"""pyOpenSSL's own."""


def _quick() -> Calls | None:
    """Those that ask OpenSSL directly; None if pyOpenSSL has not what they need."""
    openssl: Any = SSL
    try:
        ffi, library = openssl._ffi, openssl._lib
        ssl_read, ssl_write = library.SSL_read, library.SSL_write
        bio_read, bio_write = library.BIO_read, library.BIO_write
        buffer = ffi.buffer
        connection = openssl.Connection(openssl.Context(openssl.TLS_METHOD), None)
        needed = ("_ssl", "_into_ssl", "_from_ssl", "_raise_ssl_error", "_handle_bio_errors")
        if not all(hasattr(connection, name) for name in needed):
            return None
        # Memory of its own for each call: OpenSSL runs without the interpreter's lock. Not cleared first.
        room = ffi.new_allocator(should_clear_after_alloc=False)
    except AttributeError:
        return None

    def put(connection: Any, data: Any) -> int:
        if type(data) is not bytes:
            return OWN.put(connection, data)
        written: int = bio_write(connection._into_ssl, data, len(data))
        if written <= 0:
            connection._handle_bio_errors(connection._into_ssl, written)
        return written

    def receive(connection: Any, most: int) -> bytes:
        place = room("char[]", most)
        size = ssl_read(connection._ssl, place, most)
        if size <= 0:
            connection._raise_ssl_error(connection._ssl, size)
        received: bytes = buffer(place, size)[:]
        return received

    def send(connection: Any, data: Any) -> int:
        if type(data) is not bytes:
            return OWN.send(connection, data)
        written: int = ssl_write(connection._ssl, data, len(data))
        if written <= 0:
            connection._raise_ssl_error(connection._ssl, written)
        return written

    def take(connection: Any, most: int) -> bytes:
        place = room("char[]", most)
        size = bio_read(connection._from_ssl, place, most)
        if size <= 0:
            connection._handle_bio_errors(connection._from_ssl, size)
        taken: bytes = buffer(place, size)[:]
        return taken

    return Calls(put, receive, send, take)


QUICK: Final = _quick()
"""Those that ask OpenSSL directly; None where they cannot."""

calls: Final = QUICK or OWN
"""The best that there are."""
