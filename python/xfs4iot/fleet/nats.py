"""A client of NATS on trio: what the fleet needs of it, and no more.

One task reads and calls the subscribers on the spot; what they publish leaves in one send, by this task,
when all that arrived has been handled. What others publish is sent by a second task, which collects all of
one turn of trio's loop, and waits where the server does not take what is sent. While there is no connection
nothing is kept: `publish` says so, and whoever needs delivery (`link`) sends again. A server that does not
answer two pings is given up for the next one.
"""

from __future__ import annotations

import base64
import json
import random
import re
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import orjson
import trio
from OpenSSL import SSL

from xfs4iot import _core
from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.carrier import LOST, Answer, Carried, CarrierLost, Unsubscribe
from xfs4iot.reasons import reason
from xfs4iot.telling import logger, told
from xfs4iot.transport import tcp, tls
from xfs4iot.transport.proxy import Proxy, dial

__all__ = ["Login", "Nats"]

_log = logger("xfs4iot.nats")
_OPENING_SECONDS = 15.0
"""How long a server may take to let in: with a whole fleet before the door, the callout has a queue."""
_FIRST_OPENING_SECONDS = 2.0
"""For the first attempt of who is no device, doubled with each: what was asked before there was a callout is
never answered, and what is asked next is."""
_UNSENT_BYTES = 64 * 1024 * 1024
"""What may wait for a server that takes nothing; then the connection is given up."""
_HEADER_LINE = "NATS/1.0"
_LARGEST_LINE = 64 * 1024
_SUBJECT = re.compile(r"[^\s\x00-\x1f]{1,1000}")
_MOST_KNOWN = 4096
"""Subjects that are known to be ones."""


@dataclass(frozen=True)
class Login:
    """How a client proves who it is, beside its certificate.

    Attributes:
        context: what TLS needs; None for a connection in plain text. Called for each connection.
        user, password: of a user of the server's configuration.
        jwt: the credential of a user, where the server knows accounts by JWT.
        nkey: the public key that signs.
        sign: signs what the server has made up; gives 64 bytes.
    """

    context: Callable[[], SSL.Context] | None = None
    user: str | None = None
    password: str | None = None
    jwt: str | None = None
    nkey: str | None = None
    sign: Callable[[bytes], bytes] | None = None


class Nats:
    """A connection to one of several servers; `run` keeps it up.

    Args:
        servers: `tls://host:port` or `nats://host:port`; one by chance, another when it is lost.
        wait: seconds before an attempt, by how many have failed in a row; None for a quick client's.
        name: told to the server, for its list of connections.
        proxy: through which servers are reached; None for straight.

    Attributes:
        refusals: what the server has refused since the connection began; permissions mostly.
        trouble: why the last attempt or connection ended; empty before.
        answered: whether a server has ever answered, so that it is not its address that is wrong.
        client_id: number of the connection at its server.
    """

    def __init__(
        self,
        servers: tuple[str, ...],
        login: Login | None = None,
        *,
        name: str = "xfs4iot",
        ping_seconds: float = 20.0,
        wait: Callable[[int], float] | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        if not servers:
            raise ValueError("no server is named; give at least one, such as tls://broker.bank.example:4222")
        self.servers = servers
        self.login = login or Login()
        self.name = name
        self.ping_seconds = ping_seconds
        self.proxy = proxy
        self.info: dict[str, Any] = {}
        self.refusals: list[str] = []
        self.trouble = ""
        self.answered = False
        self._hasty = wait is None
        self._wait = wait or (lambda failures: random.uniform(0, min(5.0, 0.05 * 2.0 ** min(failures, 10))))
        self._inbox = f"_INBOX.{secrets.token_hex(8)}"
        # Nobody who knows the inbox guesses where the next answer is awaited.
        self._guess = secrets.token_hex(8)
        self._stream: tcp.SocketStream | tls.TLSStream | None = None
        self._up = trio.Event()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._unsent = b""
        self._writable = trio.Event()
        self._writing = False
        self._handling = self._collecting = False
        self._known: dict[str, bytes] = {}
        self._afterwards: list[Callable[[], None]] = []
        self._subscribed: dict[int, tuple[str, str, Callable[[Carried], None]]] = {}
        self._last_sid = 0
        self._awaited: dict[str, Callable[[Carried], None]] = {}
        self._asked = 0
        self._connections = 0
        self._pinged: deque[trio.Event] = deque()
        self._told: list[Callable[[], None]] = []
        self._heard = 0.0
        self._serving: trio.CancelScope | None = None
        self._redials = False
        self._hurried = trio.Event()
        self.subscribe(f"{self._inbox}.*", self._answered)

    @property
    def inbox(self) -> str:
        """Prefix of subjects that are this connection's own."""
        return self._inbox

    @inbox.setter
    def inbox(self, prefix: str) -> None:
        self._inbox = prefix
        self._subscribed[1] = (f"{prefix}.*", "", self._answered)
        self._put(f"UNSUB 1\r\nSUB {prefix}.*  1\r\n".encode())

    @property
    def connected(self) -> bool:
        """Whether messages leave at present."""
        return self._stream is not None

    @property
    def client_id(self) -> int:
        """Number of this connection at its server."""
        return int(self.info.get("client_id", 0))

    async def until_connected(self) -> None:
        """Wait for a connection."""
        while self._stream is None:
            await self._up.wait()

    def on_connected(self, called: Callable[[], None]) -> None:
        """Have `called` called each time a connection is there anew."""
        self._told.append(called)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a connection up until cancelled; started at once, connected or not."""
        task_status.started()
        failures = 0
        last = ""
        pause = self._wait(failures)
        while True:
            self._hurried = trio.Event()
            with trio.move_on_after(pause):
                await self._hurried.wait()
            self._redials = False
            others = [one for one in self.servers if one != last] or list(self.servers)
            last = random.choice(others)
            began = trio.current_time()
            lost = None
            try:
                await self._serve(last, self._patience(failures))
            except* (OSError, CarrierLost, tls.TLSError, trio.BrokenResourceError, ValueError) as problems:
                lost = problems
            except* trio.ClosedResourceError:
                pass
            up = self._stream is not None
            self._stream = None
            if self._up.is_set():
                # Else somebody may be waiting for it since before this attempt.
                self._up = trio.Event()
            self._out.clear()
            self._out_bytes = 0
            self._unsent, self._writing = b"", False
            self._connections += 1
            while self._pinged:
                self._pinged.popleft().set()
            for received in list(self._awaited.values()):
                received(Carried("", b"", status=LOST))
            # Only what has lasted is a success: a server that lets in and drops is no better than one
            # that refuses.
            lasted = self._redials or trio.current_time() - began > 2 * self.ping_seconds
            failures = 0 if up and lasted else failures + 1
            first: BaseException | None = lost
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            self.trouble = told("the connection ended" if first is None else reason(first), 500)
            pause = 0.0 if self._redials else self._wait(failures)
            if not self._redials:
                _log.warning("%s: %s; tried again in %.1f s", last, self.trouble, pause)

    def hurry(self) -> None:
        """Do not wait for the next attempt, if one is waited for: what was refused may be taken now."""
        self._hurried.set()

    async def redial(self) -> None:
        """End the connection, and make another at once; what was sent before has arrived."""
        with suppress(CarrierLost):
            await self.flush()
        if self._serving is not None:
            self._redials = True
            self._serving.cancel()

    def _patience(self, failures: int) -> float:
        """Seconds that an attempt may take, by how many have failed in a row."""
        if not self._hasty:
            return _OPENING_SECONDS
        return min(_OPENING_SECONDS, _FIRST_OPENING_SECONDS * 2.0 ** min(failures, 10))

    async def _serve(self, server: str, patience: float) -> None:
        self.info = {}
        with trio.move_on_after(patience) as opening:
            stream, rest = await self._open(server)
        if opening.cancelled_caught:
            if self.info:
                raise CarrierLost(
                    f"it has answered, but let nobody in within {patience:g} s; does `xfs4iot fleet callout` "
                    "run?"
                )
            raise CarrierLost(f"no connection within {patience:g} s")
        try:
            async with trio.open_nursery() as nursery:
                self._heard = trio.current_time()
                self.refusals = []
                self._stream = stream
                self._serving = nursery.cancel_scope
                nursery.start_soon(self._write, stream)
                nursery.start_soon(self._watch)
                for sid, (subject, queue, _) in self._subscribed.items():
                    self._put(f"SUB {subject} {queue} {sid}\r\n".encode())
                self._up.set()
                for called in self._told:
                    called()
                await self._read(stream, rest)
                nursery.cancel_scope.cancel()
        finally:
            self._stream = self._serving = None
            await trio.aclose_forcefully(stream)

    async def _open(self, server: str) -> tuple[tcp.SocketStream | tls.TLSStream, bytes]:
        parts = urlsplit(server)
        if parts.scheme not in ("tls", "nats") or not parts.hostname:
            raise ValueError(f"{server!r} is not tls://host:port")
        plain = await dial(parts.hostname, parts.port or 4222, self.proxy)
        carrier = tcp.SocketStream(plain.socket)
        stream: tcp.SocketStream | tls.TLSStream = carrier
        try:
            line, rest = await _line(carrier, b"")
            if not line.startswith(b"INFO "):
                raise CarrierLost("this is no NATS server")
            self.info = orjson.loads(line[5:])
            self.answered = True
            secured = parts.scheme == "tls"
            if secured:
                if self.login.context is None:
                    raise ValueError(f"{server}: no certificates are given for TLS")
                stream = tls.TLSStream(
                    carrier, self.login.context(), server_side=False, server_hostname=parts.hostname,
                    peer="the broker",
                )  # fmt: skip
                await stream.do_handshake()
                rest = b""
            await stream.send_all(b"CONNECT " + self._connect(secured) + b"\r\nPING\r\n")
            while True:
                line, rest = await _line(stream, rest)
                if line == b"PONG":
                    return stream, rest
                if line.startswith(b"-ERR"):
                    raise CarrierLost(_not_let_in(line[5:].decode("utf-8", "replace")))
                if line == b"PING":
                    await stream.send_all(b"PONG\r\n")
                if line.startswith(b"INFO "):
                    self.info = orjson.loads(line[5:])
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise

    def _connect(self, secured: bool) -> bytes:
        login = self.login
        said: dict[str, Any] = {
            "verbose": False, "pedantic": False, "tls_required": secured, "name": self.name,
            "lang": "python", "version": "1", "protocol": 1, "headers": True, "no_responders": True,
            "user": login.user, "pass": login.password, "jwt": login.jwt, "nkey": login.nkey,
        }  # fmt: skip
        if login.sign is not None and (nonce := self.info.get("nonce")):
            said["sig"] = base64.urlsafe_b64encode(login.sign(nonce.encode())).decode().rstrip("=")
        return json.dumps({name: value for name, value in said.items() if value is not None}).encode()

    async def _watch(self) -> None:
        """Ask a server that is silent whether it is there."""
        while True:
            await trio.sleep(self.ping_seconds)
            silent = trio.current_time() - self._heard
            if silent > 2 * self.ping_seconds:
                raise CarrierLost(f"the server has been silent for {silent:.0f} s")
            if self._put(b"PING\r\n"):
                self._pinged.append(trio.Event())

    def afterwards(self, called: Callable[[], None]) -> None:
        """Have `called` called when all that arrived together is handed on; see `Carrier.afterwards`."""
        if self._handling:
            self._afterwards.append(called)
        else:
            called()

    def collect(self) -> None:
        """Keep what is published until `flush_now`."""
        self._collecting = True

    def flush_now(self) -> None:
        """Send what was published, as far as the network takes it; a task sends the rest."""
        self._collecting = False
        stream, out = self._stream, self._out
        if stream is None or self._writing or not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._out_bytes = 0
        size, sent = len(data), 0
        try:
            while sent < size and (more := stream.send_now(data[sent:] if sent else data)):
                sent += more
                if stream.has_unsent:
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # Whoever reads finds out, and says so.
            return
        if sent < size or stream.has_unsent:
            self._unsent, self._writing = data[sent:], True
            self._writable.set()

    async def _write(self, stream: tcp.SocketStream | tls.TLSStream) -> None:
        while True:
            self.flush_now()
            if self._writing:
                await stream.send_all(self._unsent)
                self._unsent, self._writing = b"", False
            else:
                self._writable = trio.Event()
                await self._writable.wait()

    async def _read(self, stream: tcp.SocketStream | tls.TLSStream, rest: bytes) -> None:
        parts, size, wanted = [rest], len(rest), 0
        while True:
            if size >= wanted:
                self._handling = True
                try:
                    items, done, more = _core.read_nats(parts[0] if len(parts) == 1 else b"".join(parts))
                    wanted = more
                    if done < size:
                        rest = b"".join(parts)[done:]
                        parts, size = [rest], len(rest)
                    else:
                        parts, size = [], 0
                    for item in items:
                        if isinstance(item, tuple):
                            self._message(*item)
                        else:
                            self._line(item)
                    while self._afterwards:
                        self._follow(self._afterwards.pop())
                finally:
                    self._handling = False
                if not wanted and size > _LARGEST_LINE:
                    raise CarrierLost("the server sends a line without end")
                self.flush_now()
            data = await stream.receive_some()
            if not data:
                raise CarrierLost("the server hung up")
            self._heard = trio.current_time()
            parts.append(data)
            size += len(data)

    def _line(self, line: bytes) -> None:
        if line == b"PING":
            self._put(b"PONG\r\n")
        elif line == b"PONG":
            # In the order in which they were asked for.
            if self._pinged:
                self._pinged.popleft().set()
        elif line.startswith(b"-ERR"):
            said = told(line[5:].decode("utf-8", "replace").strip("'"))
            self.refusals.append(said)
            del self.refusals[:-100]
            _log.warning("the broker refuses: %s", said)
        elif line.startswith(b"INFO "):
            self.info = orjson.loads(line[5:])

    def _message(self, subscription: int, subject: str, reply: str, head: bytes, body: bytes) -> None:
        entry = self._subscribed.get(subscription)
        if entry is None:
            return
        message = Carried(subject, body, reply)
        if head:
            message.status, message.headers = _headers(head)
        try:
            entry[2](message)
        except Exception:
            _log.exception("a message at %s could not be handled", told(subject))

    def _follow(self, called: Callable[[], None]) -> None:
        try:
            called()
        except Exception:
            _log.exception("what follows from messages could not be done")

    def _answered(self, message: Carried) -> None:
        if (received := self._awaited.get(message.subject)) is not None:
            received(message)

    def _put(self, data: bytes) -> bool:
        if self._stream is None or self._out_bytes > _UNSENT_BYTES:
            return False
        self._out.append(data)
        self._out_bytes += len(data)
        if not (self._handling or self._collecting):
            self._writable.set()
        return True

    def publish(
        self, subject: str, body: bytes, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> bool:
        """Send, never waiting; False where it cannot leave and is dropped."""
        to = self._known.get(subject) or self._know(subject)
        if reply:
            to = b"%b %b" % (to, reply.encode())
        if headers:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"{_HEADER_LINE}\r\n{lines}\r\n".encode()
            size = len(head) + len(body)
            return self._put(b"HPUB %b %d %d\r\n%b%b\r\n" % (to, len(head), size, head, body))
        return self._put(b"PUB %b %d\r\n%b\r\n" % (to, len(body), body))

    def _know(self, subject: str) -> bytes:
        if not _SUBJECT.fullmatch(subject):
            raise ValueError(f"{told(subject)!r} is not a subject")
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[subject] = known = subject.encode()
        return known

    def subscribe(self, subject: str, received: Callable[[Carried], None], queue: str = "") -> Unsubscribe:
        """Have `received` called for each message, now and after each new connection."""
        self._last_sid = sid = self._last_sid + 1
        self._subscribed[sid] = (subject, queue, received)
        self._put(f"SUB {subject} {queue} {sid}\r\n".encode())

        def unsubscribe() -> None:
            if self._subscribed.pop(sid, None) is not None:
                self._put(f"UNSUB {sid}\r\n".encode())

        return unsubscribe

    async def request(
        self, subject: str, body: bytes, seconds: float = 5.0, headers: Mapping[str, str] | None = None
    ) -> Carried:
        """Send, and wait for the answer; see `Carrier.request`."""
        self._asked += 1
        reply = f"{self._inbox}.{self._guess}{self._asked}"
        answer = Answer()
        self._awaited[reply] = answer.received
        try:
            return await answer.to(self.publish(subject, body, reply, headers), subject, seconds)
        finally:
            del self._awaited[reply]

    async def flush(self, seconds: float = 5.0) -> None:
        """Wait until the server has handled all that was sent.

        Raises:
            CarrierLost: no connection, or no answer.
        """
        answered, connection = trio.Event(), self._connections
        if not self._put(b"PING\r\n"):
            raise CarrierLost("there is no connection to the broker")
        self._pinged.append(answered)
        with trio.move_on_after(seconds) as patience:
            await answered.wait()
        if patience.cancelled_caught:
            raise CarrierLost(f"the broker does not answer within {seconds:g} s")
        if self._connections != connection:
            raise CarrierLost("the connection to the broker was lost")


def _not_let_in(said: str) -> str:
    """What to do after a server has refused to let in; it does not say why, the callout does."""
    said = told(said.strip().strip("'"))
    if "Authorization" not in said and "Authentication" not in said:
        return f"refused: {said}"
    return (
        f"not let in ({said}): who shows this certificate is revoked, was never enrolled or has another by "
        "now, or no callout runs. `xfs4iot fleet callout` prints which, and "
        "`xfs4iot fleet enrolled` lists devices"
    )


def _headers(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("utf-8", "replace").split("\r\n")
    status = lines[0][len(_HEADER_LINE) :].strip()[:3]
    pairs = (line.partition(":") for line in lines[1:] if line)
    return (int(status) if status.isdecimal() else 0), {
        name.strip(): value.strip() for name, _, value in pairs
    }


async def _line(stream: tcp.SocketStream | tls.TLSStream, rest: bytes) -> tuple[bytes, bytes]:
    """One line, and what came behind it."""
    while b"\r\n" not in rest:
        data = await stream.receive_some()
        if not data:
            raise CarrierLost("the server hung up; it may have refused the certificate or the user")
        rest += data
        if len(rest) > _LARGEST_LINE:
            raise CarrierLost("the server sends a line without end")
    line, _, rest = rest.partition(b"\r\n")
    return line, rest
