"""TLS over any trio stream, with pyOpenSSL.

Theory of operation. OpenSSL is given two buffers in memory instead of a socket: what the
peer sent is written into one, what it must get is read from the other; no call into it
ever waits. So the only questions are who moves the bytes, and what a cancellation leaves
behind.

- *One sender.* Ciphertext must leave in the order in which OpenSSL made it. `send_all`
  and `send_now` send, never both at once, and so do the handshake and closing. What OpenSSL
  has to say while it reads (that it does not renegotiate) leaves with the data of a
  `send_all` in progress, or else at once, shielded from cancellation.
  Therefore `receive_some` can run beside `send_all`, and be cancelled at any time without loss.
- *A cancelled `send_all`* may have sent any part of a record, and nothing can follow that.
  The stream still receives, but refuses to send. A cancelled handshake leaves a stream that
  can only be closed.
- *Whole records.* The stream follows the lengths in the record headers. It asks OpenSSL
  for as many records as are complete, instead of asking until it says no: each no would
  be an exception.
- *Closing* sends the goodbye if it can be sent at once in its turn, and waits for no
  answer. A send that still goes on is broken off.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import ip_address
from typing import cast

import trio
from OpenSSL import SSL

from xfs4iot.transport import tcp
from xfs4iot.transport.failures import CredentialsRefused, TLSBroken, TLSError, explain
from xfs4iot.transport.identity import Identity
from xfs4iot.transport.memory_bio import calls
from xfs4iot.transport.pairs import ascii_name
from xfs4iot.transport.policy import Handshake, TLSConfig, client_context, server_context
from xfs4iot.transport.records import RECORD, WholeRecords
from xfs4iot.transport.sessions import Sessions

__all__ = [
    "CredentialsRefused",
    "Identity",
    "TLSBroken",
    "TLSConfig",
    "TLSError",
    "TLSStream",
    "client_context",
    "server_context",
]

_CHUNK = 4 * RECORD
# Room for what the records add to the data, so that one read takes all of the ciphertext.
_SLACK = 1024
# The handshake may have taken in later records, uncounted: OpenSSL is asked until it wants more.
_UNKNOWN = 1 << 30
_GOODBYE_SECONDS = 1.0
_PLAIN_HTTP = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT ")
_SPEAK_TLS = b"This port speaks TLS only: use wss:// (or https://).\n"


class _State(Enum):
    NEW = "new"
    SHAKING_HANDS = "shaking hands"
    OPEN = "open"
    ENDED = "ended"
    FAILED = "failed"
    CLOSED = "closed"


# With every message: a member of an Enum takes longer to look up.
_OPEN = _State.OPEN


class TLSStream(trio.abc.HalfCloseableStream):
    """TLS over `stream`, which it owns from now on.

    Args:
        stream: what carries it.
        context: from `server_context` or `client_context`.
        server_side: whether this end is the device.
        server_hostname: at a client, the name or address of the device; its certificate must be
            for it.
        peer: what to call the other side where something fails; default: `the client` or `the device`.
    """

    __slots__ = (
        "_carrier",
        "_connection",
        "_failure",
        "_found",
        "_handshake",
        "_identity",
        "_interjection",
        "_peer",
        "_receiving",
        "_records",
        "_rest",
        "_sending",
        "_server_side",
        "_shaken",
        "_state",
        "_stream",
        "_unsendable",
        "_whole",
    )

    def __init__(
        self,
        stream: trio.abc.Stream,
        context: SSL.Context,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        peer: str | None = None,
    ) -> None:
        self._stream = stream
        self._carrier = cast("tcp.SocketStream", stream)
        self._rest = b""
        self._peer = peer or ("the client" if server_side else "the device")
        self._connection = connection = SSL.Connection(context, None)
        if server_side:
            connection.set_accept_state()
        else:
            connection.set_connect_state()
            if server_hostname is not None and not _is_address(server_hostname):
                connection.set_tlsext_host_name(ascii_name(server_hostname).encode())
        self._handshake = Handshake(server_hostname, self._peer)
        connection.set_app_data(self._handshake)
        self._server_side = server_side
        self._state = _State.NEW
        self._shaken: trio.Event | None = None
        self._sending = False
        self._receiving = False
        self._unsendable: str | None = None
        self._records = WholeRecords()
        self._whole = 0
        self._failure: TLSError | None = None
        self._interjection: trio.Event | None = None
        self._found: SSL.Error | None = None
        self._identity: Identity | None = None

    @property
    def identity(self) -> Identity | None:
        """Whom the peer's certificate names; None if it gave none, or before the handshake."""
        return self._identity

    @property
    def only_looks(self) -> bool:
        """Whether the client said that it only looks at the device's certificate."""
        return self._handshake.looks

    @property
    def failure(self) -> TLSError | None:
        """What broke the connection, if TLS did."""
        return self._failure

    @property
    def version(self) -> str:
        """`TLSv1.3` or `TLSv1.2`, after the handshake."""
        return self._connection.get_protocol_version_name()

    async def do_handshake(self) -> None:
        """Shake hands; later calls return at once. Sending and receiving do it if need be.

        Raises:
            TLSError: the two sides do not come together; the text says why. The stream is broken.
            trio.BrokenResourceError: the connection was lost.
        """
        if self._state is _State.SHAKING_HANDS:
            assert self._shaken is not None
            await self._shaken.wait()
        elif self._state is _State.NEW:
            self._state = _State.SHAKING_HANDS
            self._shaken = trio.Event()
            try:
                await self._shake_hands()
            except BaseException:
                # Cancelled too: part of a flight may have left. A state that `aclose` has set is kept.
                if self._state is _State.SHAKING_HANDS:
                    self._state = _State.FAILED
                raise
            finally:
                self._shaken.set()
                self._shaken = None
            return
        else:
            await trio.lowlevel.checkpoint()
        self._check()

    async def _shake_hands(self) -> None:
        connection, first = self._connection, True
        while True:
            try:
                connection.do_handshake()
                finished = True
            except SSL.WantReadError:
                finished = False
            except (SSL.Error, TLSError) as problem:
                raise await self._fail(problem) from None
            # Sent even when finished: the last step leaves bytes of its own (Finished, session tickets).
            if outgoing := self._outgoing():
                await self._stream.send_all(outgoing)
            if self._state is not _State.SHAKING_HANDS:
                raise trio.ClosedResourceError("this connection was closed already")
            if finished:
                break
            data = await self._stream.receive_some()
            if not data:
                raise self._broken(f"{self._peer} hung up during the TLS handshake")
            if first and self._server_side and data.startswith(_PLAIN_HTTP):
                await self._answer_http()
            first = False
            # Counts nothing yet, but keeps track of where in a record the bytes end.
            self._records.completed(data)
            connection.bio_write(data)
        try:
            certificate = connection.get_peer_certificate(as_cryptography=True)
            identity = None if certificate is None else Identity.of(certificate)
        except Exception as problem:
            # An authority that we trust signed it, and yet it is not well formed.
            raise await self._turn_away(
                f"the certificate of {self._peer} cannot be read: {problem}"
            ) from None
        if certificate is not None and identity is not None:
            if not self._is_still_good(identity):
                raise await self._turn_away(
                    f"what was verified when the session of {self._peer} began does not hold any more: "
                    "its certificate, one of its authorities or a revocation list has expired, "
                    "or two hours have passed; connect without resuming"
                )
            self._identity = identity
        connection.set_app_data(None)
        self._whole = _UNKNOWN
        self._state = _State.OPEN

    def _is_still_good(self, identity: Identity) -> bool:
        """Whether what was verified of the peer's chain still holds: OpenSSL believes a resumed session."""
        sessions, handshake = self._connection.get_context().get_app_data(), self._connection.get_app_data()
        if not isinstance(sessions, Sessions):
            return True
        if isinstance(handshake, Handshake) and handshake.until is not None:
            sessions.verified(identity.fingerprint, handshake.until)
            return True
        return sessions.are_good(identity.fingerprint)

    async def _turn_away(self, text: str) -> TLSBroken:
        """End a handshake that OpenSSL thinks good; what to raise."""
        failure = self._broken(text)
        await self._last_words(self._with_rest(self._goodbye()))
        return failure

    async def _answer_http(self) -> None:
        """Tell whoever speaks plain HTTP here what to do, in HTTP."""
        head = (
            f"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(_SPEAK_TLS)}\r\nConnection: close\r\n\r\n"
        )
        failure = self._broken(f"{self._peer} speaks plain HTTP on a TLS port")
        await self._last_words(head.encode() + _SPEAK_TLS)
        raise failure

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; if cancelled, nothing can be sent any more.

        Raises:
            trio.BusyResourceError: another task is sending.
            trio.BrokenResourceError: the connection was lost, or an earlier send was cancelled.
            trio.ClosedResourceError: this end was closed.
        """
        if self._state is not _State.OPEN:
            await self._open_for_sending()
        # What the receiving task interjects also sets `_sending`, but is over soon: wait instead of refusing.
        if self._interjection is not None:
            await self._interjection.wait()
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this connection")
        if self._unsendable is not None:
            raise trio.BrokenResourceError(self._unsendable)
        # Before anything is encrypted, so that a cancellation that came earlier does no harm.
        await trio.lowlevel.checkpoint_if_cancelled()
        self._sending = True
        try:
            if self._rest:
                unsent, self._rest = self._rest, b""
                await self._stream.send_all(unsent)
            if not data:
                return
            if len(data) <= _CHUNK:
                await self._stream.send_all(self._encrypt(data))
            else:
                rest = memoryview(data)
                while rest:
                    await self._stream.send_all(self._encrypt(rest[:_CHUNK]))
                    # The connection may have failed or been closed while this waited.
                    self._check()
                    rest = rest[_CHUNK:]
        except BaseException as problem:
            self._unsendable = f"an earlier send did not finish ({type(problem).__name__})"
            raise
        finally:
            self._sending = False

    @property
    def has_unsent(self) -> bool:
        """Whether records of `send_now` wait for `send_all` to send the rest of them."""
        return bool(self._rest)

    def fileno(self) -> int:
        """The file descriptor of the socket below; -1 when closed."""
        return self._carrier.fileno()

    def send_now(self, data: bytes) -> int:
        """How many bytes of `data` were accepted without waiting: all, or some whole records.

        What the network did not take of an accepted record is kept (`has_unsent`), and leaves
        with the next `send_all`.

        Raises:
            trio.BrokenResourceError: the connection was lost, or an earlier send was cancelled.
            trio.ClosedResourceError: this end was closed.
        """
        if self._state is not _OPEN and self._state is not _State.ENDED:
            self._check()
            return 0
        if self._unsendable is not None:
            raise trio.BrokenResourceError(self._unsendable)
        # Ciphertext keeps its order: nothing new is encrypted before the rest has left.
        if self._sending or self._rest:
            return 0
        chunk = data if len(data) <= _CHUNK else data[:_CHUNK]
        encrypted = self._encrypt(chunk)
        sent = self._carrier.send_now(encrypted)
        if sent < len(encrypted):
            self._rest = encrypted[sent:]
        return len(chunk)

    def receive_now(self) -> bytes | None:
        """What has arrived; None if nothing whole, empty when the peer has said goodbye.

        Raises:
            TLSError: the peer sent an alert, or what is not TLS; the text says which.
            trio.BrokenResourceError: the connection was lost, or ended without a goodbye.
            trio.ClosedResourceError: this end was closed.
        """
        if self._state is not _OPEN:
            if self._state is _State.ENDED:
                return b""
            self._check()
        encrypted = self._carrier.receive_now()
        if encrypted is not None:
            if not encrypted:
                raise self._broken(f"{self._peer} hung up without a TLS goodbye")
            self._whole += self._records.completed(encrypted)
            calls.put(self._connection, encrypted)
        if not self._whole:
            return None
        try:
            return self._decrypt(None)
        except (SSL.Error, TLSError) as problem:
            failure = self._failed(problem)
            if not self._sending and (words := self._with_rest(self._outgoing())):
                self._carrier.send_now(words)
            raise failure from None

    async def _open_for_sending(self) -> None:
        if self._state in (_State.NEW, _State.SHAKING_HANDS):
            await self.do_handshake()
        elif self._state is not _State.ENDED:
            self._check()

    def _encrypt(self, data: bytes | bytearray | memoryview) -> bytes:
        connection, size = self._connection, len(data)
        if not size:
            return self._outgoing()
        try:
            written = calls.send(connection, data)
            while written < size:
                written += calls.send(connection, memoryview(data)[written:])
        except SSL.Error as problem:
            raise self._broken(explain(problem, self._peer)) from None
        room = size + _SLACK
        encrypted = calls.take(connection, room)
        return encrypted if len(encrypted) < room else encrypted + self._outgoing()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the connection takes data again."""
        self._check()
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has arrived, at least one byte; nothing when the peer has said goodbye.

        Raises:
            TLSError: the peer sent an alert, or what is not TLS; the text says which.
            trio.BusyResourceError: another task is receiving.
            trio.BrokenResourceError: the connection was lost, or ended without a goodbye.
            trio.ClosedResourceError: this end was closed.
        """
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._state in (_State.NEW, _State.SHAKING_HANDS):
            await self.do_handshake()
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving on this connection")
        if self._state is not _State.OPEN:
            await trio.lowlevel.checkpoint()
            self._check()
            return b""
        self._receiving = True
        try:
            waited = False
            while True:
                if self._whole:
                    # Before anything is decrypted: what a cancelled task has taken out would be lost.
                    await trio.lowlevel.checkpoint_if_cancelled()
                    try:
                        data = self._decrypt(max_bytes)
                    except (SSL.Error, TLSError) as problem:
                        raise await self._fail(problem) from None
                    if data is not None:
                        if not waited:
                            await trio.lowlevel.cancel_shielded_checkpoint()
                        return data
                    if not self._sending and (words := self._outgoing()):
                        await self._interject(words)
                encrypted = await self._stream.receive_some()
                waited = True
                if not encrypted:
                    raise self._broken(f"{self._peer} hung up without a TLS goodbye")
                self._check()
                self._whole += self._records.completed(encrypted)
                calls.put(self._connection, encrypted)
        finally:
            self._receiving = False

    async def _interject(self, words: bytes) -> None:
        """Send what OpenSSL said while it read."""
        self._sending, self._interjection = True, trio.Event()
        words = self._with_rest(words)
        try:
            # Shielded: a half-sent record would damage all later sending. Bounded: the peer may not read.
            with trio.move_on_after(_GOODBYE_SECONDS, shield=True) as scope:
                await self._stream.send_all(words)
            if scope.cancelled_caught:
                self._unsendable = f"{self._peer} took no answer of the TLS layer"
        finally:
            self._interjection.set()
            self._sending, self._interjection = False, None

    def _decrypt(self, max_bytes: int | None) -> bytes | None:
        """What the whole records hold, or its first `max_bytes`; empty at the goodbye, None if nothing."""
        connection = self._connection
        parts: list[bytes] = []
        if self._found is not None:
            raise self._found
        try:
            if max_bytes is not None:
                part = connection.recv(max_bytes)
                if not connection.pending():
                    self._whole -= 1
                return part
            while self._whole:
                parts.append(calls.receive(connection, RECORD))
                self._whole -= 1
        except SSL.WantReadError:
            # Some records hold no data for the caller, such as session tickets.
            self._whole = 0
        except SSL.ZeroReturnError:
            if not parts:
                self._state = _State.ENDED
                return b""
        except SSL.Error as problem:
            if not parts:
                raise
            # The data before the damage is handed out first; the next call raises this.
            self._found = problem
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def send_eof(self) -> None:
        """Say goodbye: nothing more is sent; receiving goes on."""
        if self._state in (_State.NEW, _State.SHAKING_HANDS):
            await self.do_handshake()
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this connection")
        if self._unsendable is not None or self._state not in (_State.OPEN, _State.ENDED):
            self._check()
            await trio.lowlevel.checkpoint()
            return
        goodbye = self._with_rest(self._goodbye())
        # Set before the wait: nothing may be sent behind the goodbye.
        self._unsendable = "the end of this side was sent already"
        await self._stream.send_all(goodbye)
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            await self._stream.send_eof()

    async def aclose(self) -> None:
        """Say goodbye if that can be done, and close; what other tasks do here breaks off."""
        # First of all, so that tasks that wake during the goodbye find the stream closed.
        state, self._state = self._state, _State.CLOSED
        try:
            if state in (_State.OPEN, _State.ENDED) and not self._sending and self._unsendable is None:
                self._unsendable = "this connection was closed already"
                with trio.move_on_after(_GOODBYE_SECONDS):
                    await self._stream.send_all(self._with_rest(self._goodbye()))
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            pass
        finally:
            await self._stream.aclose()

    def _goodbye(self) -> bytes:
        try:
            self._connection.shutdown()
        except SSL.Error:
            return b""
        return self._outgoing()

    def _outgoing(self) -> bytes:
        parts: list[bytes] = []
        try:
            while True:
                parts.append(self._connection.bio_read(RECORD))
                # A short read has emptied the buffer; asking again would cost an exception.
                if len(parts[-1]) < RECORD:
                    break
        except SSL.WantReadError:
            pass
        return b"".join(parts)

    def _with_rest(self, words: bytes) -> bytes:
        """Ciphertext behind the rest of a record that has been sent in part, which is taken away."""
        rest, self._rest = self._rest, b""
        return rest + words

    def _check(self) -> None:
        """Raise what forbids using this stream."""
        if self._state is _State.CLOSED:
            raise trio.ClosedResourceError("this connection was closed already")
        if self._state is _State.FAILED:
            if self._failure is not None:
                raise TLSBroken(str(self._failure))
            raise trio.BrokenResourceError("the connection was lost, or its handshake was broken off")

    def _broken(self, text: str) -> TLSBroken:
        if self._state is not _State.CLOSED:
            self._state = _State.FAILED
        self._failure = TLSBroken(text)
        # What is raised holds the frames it passes, and they this stream: it is another one.
        return TLSBroken(text)

    async def _fail(self, problem: SSL.Error | TLSError) -> TLSBroken:
        """Break: send the alert, and return what to raise."""
        failure = self._failed(problem)
        if not self._sending:
            await self._last_words(self._with_rest(self._outgoing()))
        return failure

    def _failed(self, problem: SSL.Error | TLSError) -> TLSBroken:
        """Break; what to raise."""
        handshake = self._connection.get_app_data()
        if isinstance(handshake, Handshake) and handshake.refusal is not None:
            return self._broken(handshake.refusal)
        if isinstance(problem, SSL.Error):
            return self._broken(explain(problem, self._peer))
        return self._broken(str(problem))

    async def _last_words(self, words: bytes) -> None:
        """Send an alert such that the peer can read it."""
        self._unsendable = "this connection has failed"
        try:
            with trio.move_on_after(_GOODBYE_SECONDS):
                if words:
                    await self._stream.send_all(words)
                    await tcp.linger(self._stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True
