"""What the fleet knows of its devices, by key: in the broker's key-value store, or in memory for tests."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, NoReturn, Protocol, TypeVar

import msgspec
import trio

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.carrier import Carried, Carrier, CarrierLost, Late

__all__ = [
    "Conflict",
    "Entry",
    "KeyValue",
    "MemoryStore",
    "NothingKept",
    "Patience",
    "Store",
    "ask_broker",
    "make_stream",
    "read_as",
    "refusal",
]

_WRONG_LAST_SEQUENCE = 10071
_NO_STREAM = 10059
_NO_LEADER = 10008
_PIECE_SECONDS = 2.0
_PIECE = {"batch": 256, "max_bytes": 4 * 2**20, "expires": int(_PIECE_SECONDS * 1e9)}
_PATIENCE_SECONDS = 3.0
_EMPTY_SECONDS = 0.02
_KNOWN_SECONDS = 2.0
"""Within which all nodes know of a new consumer."""
_AGAIN_SECONDS = 0.5
_ANSWER_SECONDS = 5.0
_reads = itertools.count(1)
_Kind = TypeVar("_Kind")


class Conflict(Exception):
    """The value has been changed by somebody else meanwhile."""


class NothingKept(CarrierLost):
    """What is asked of has never been made: the part of the fleet that makes it has not been started yet."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value as it is kept.

    Attributes:
        at: when it was, by the broker's clock, in seconds since 1970.
    """

    key: str
    value: bytes
    at: float


def read_as(decoder: msgspec.json.Decoder[_Kind], value: bytes) -> _Kind:
    """A value as what it should be; whoever may write it, a gateway for one, may be in wrong hands.

    Raises:
        ValueError: it is something else.
    """
    try:
        return decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise ValueError(str(wrong)) from None


def refusal(answer: dict[str, Any]) -> CarrierLost | None:
    """What the broker's answer means to whoever asked, if it is a refusal."""
    if (error := answer.get("error")) is None:
        return None
    try:
        _refuse(error)
    except CarrierLost as refused:
        return refused


def _refuse(error: dict[str, Any]) -> NoReturn:
    if error.get("err_code") == _NO_STREAM:
        raise NothingKept(
            "nothing of this fleet is kept at the broker yet: do its gateway, callout and authority run, "
            "and is the tenant (`xfs4iot fleet --tenant`) the same as theirs?"
        )
    if error.get("err_code") == _NO_LEADER:
        raise CarrierLost("the broker's nodes have no leader at present")
    raise CarrierLost(f"the broker's store: {error.get('description', error)}")


async def _answer(
    carrier: Carrier, subject: str, body: bytes, headers: Mapping[str, str] | None = None
) -> Carried:
    """What the broker's store says; where it says nothing, in words that name no subject."""
    try:
        return await carrier.request(subject, body, _ANSWER_SECONDS, headers)
    except Late:
        raise Late(f"the broker's store does not answer within {_ANSWER_SECONDS:g} s") from None


async def ask_broker(carrier: Carrier, what: str, said: Any) -> dict[str, Any]:
    """Ask JetStream, the part of the broker that keeps what it is told.

    Raises:
        CarrierLost: it cannot be asked, or refuses; the text has its words.
    """
    body = b"" if said is None else json.dumps(said).encode()
    found: dict[str, Any] = json.loads((await _answer(carrier, f"$JS.API.{what}", body)).body)
    if "error" in found:
        _refuse(found["error"])
    return found


async def make_stream(carrier: Carrier, config: Mapping[str, Any]) -> None:
    """Make what JetStream calls a stream, unless one of this name is there.

    How it confirms is put right in one that is there.

    Raises:
        CarrierLost: it cannot be asked, or refuses.
    """
    try:
        there = (await ask_broker(carrier, f"STREAM.INFO.{config['name']}", None))["config"]
    except Late:
        raise
    except CarrierLost:
        await ask_broker(carrier, f"STREAM.CREATE.{config['name']}", config)
        return
    confirms = {name: config[name] for name in ("no_ack", "republish") if name in config}
    if any(there.get(name) != value for name, value in confirms.items()):
        await ask_broker(carrier, f"STREAM.UPDATE.{config['name']}", {**there, **confirms})


@dataclass(frozen=True)
class Patience:
    """How long a reader goes on asking: when a node has died, the others first choose who leads.

    Attributes:
        seconds: from the first question without an answer.
        told: of what is waited for, each time that this begins.
    """

    seconds: float
    told: Callable[[str], None]


class _Asking:
    """One thing that is asked until there is an answer."""

    def __init__(self, patience: Patience | None) -> None:
        self._patience = patience
        self._until: float | None = None

    async def failed(self, problem: CarrierLost) -> None:
        """Wait a moment before it is asked again.

        Raises:
            CarrierLost: that was long enough, or nothing comes of asking again.
        """
        if self._patience is None or isinstance(problem, NothingKept):
            raise problem
        seconds = self._patience.seconds
        if self._until is None:
            self._until = trio.current_time() + seconds
            told = f"{problem}; its nodes may be choosing a leader: tried for up to {seconds:g} s"
            self._patience.told(told)
        if trio.current_time() >= self._until:
            raise CarrierLost(
                f"{problem}, and was asked for {seconds:g} s; are most of its nodes up? "
                "As soon as more than half of them are, ask again"
            )
        await trio.sleep(_AGAIN_SECONDS)


class Store(Protocol):
    """Values by key, each with a revision."""

    async def get(self, key: str) -> tuple[bytes, int] | None:
        """The value and its revision; None if there is none."""

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        """Keep a value; its revision.

        Args:
            revision: the revision that it replaces; 0 if there must be none; None for whatever is there.

        Raises:
            Conflict: there is another.
            CarrierLost: the store cannot be reached, or refuses.
        """

    def entries(self, *, live: bool = False, key: str = "") -> AsyncGenerator[list[Entry], None]:
        """All values, by pieces; for `aclosing`.

        Args:
            live: go on with what changes; an empty piece comes when all that was there has been given.
            key: only this one's.

        Raises:
            CarrierLost: the store cannot be reached, or not any more: what has changed since is not known.
        """

    async def everything(self) -> dict[str, bytes]:
        """All values by key."""


class MemoryStore:
    """A store in memory."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, int]] = {}
        self._entries: dict[str, tuple[Entry, int]] = {}
        self._last = 0
        self._changed = trio.Event()

    async def get(self, key: str) -> tuple[bytes, int] | None:
        await trio.lowlevel.checkpoint()
        return self._values.get(key)

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        await trio.lowlevel.checkpoint()
        if revision is not None and self._values.get(key, (b"", 0))[1] != revision:
            raise Conflict(key)
        self._last += 1
        self._values[key] = (value, self._last)
        self._entries[key] = Entry(key, value, time.time()), self._last
        self._changed.set()
        self._changed = trio.Event()
        return self._last

    async def entries(self, *, live: bool = False, key: str = "") -> AsyncGenerator[list[Entry], None]:
        await trio.lowlevel.checkpoint()
        given = 0
        while True:
            now = [
                (seen, one) for one, seen in self._entries.values() if seen > given and key in ("", one.key)
            ]
            given = self._last
            if now:
                yield [one for _, one in sorted(now, key=lambda each: each[0])]
            if not live:
                return
            yield []
            while self._last == given:
                await self._changed.wait()

    async def everything(self) -> dict[str, bytes]:
        return await _everything(self)


class KeyValue:
    """A bucket of NATS's key-value store.

    Args:
        replicas: on how many nodes of a cluster each value is kept.
        largest: bytes of a value; None for whatever the broker takes.
        more: what else the bucket is made with.
        patience: of who reads, except live; without it the first question that has no answer is the last.
    """

    def __init__(
        self,
        carrier: Carrier,
        bucket: str,
        *,
        replicas: int = 1,
        largest: int | None = None,
        more: Mapping[str, Any] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._carrier, self.bucket, self.replicas, self.largest = carrier, bucket, replicas, largest
        self._stream, self._more = f"KV_{bucket}", more or {}
        self._patience = patience

    async def make(self) -> None:
        """Make the bucket, unless it is there."""
        await make_stream(
            self._carrier,
            {
                "name": self._stream, "subjects": [f"$KV.{self.bucket}.>"], "max_msgs_per_subject": 1,
                "storage": "file", "discard": "new", "deny_delete": True, "deny_purge": True,
                # Who may write one value must not, by a header, remove those of all others.
                "allow_rollup_hdrs": False, "max_msg_size": -1 if self.largest is None else self.largest,
                "allow_direct": True, "num_replicas": self.replicas, "retention": "limits",
                **self._more,
            },
        )  # fmt: skip

    async def get(self, key: str) -> tuple[bytes, int] | None:
        asking = _Asking(self._patience)
        while True:
            try:
                return await self._get(key)
            except CarrierLost as problem:
                await asking.failed(problem)

    async def _get(self, key: str) -> tuple[bytes, int] | None:
        # Asked of the leader: a replica may not have the latest epoch yet.
        answer = await _answer(
            self._carrier,
            f"$JS.API.STREAM.MSG.GET.{self._stream}",
            json.dumps({"last_by_subj": f"$KV.{self.bucket}.{key}"}).encode(),
        )
        found = json.loads(answer.body)
        if "error" in found:
            if found["error"].get("code") == 404 and found["error"].get("err_code") != _NO_STREAM:
                return None
            _refuse(found["error"])
        message = found["message"]
        return base64.b64decode(message.get("data", "")), int(message["seq"])

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        headers = None if revision is None else {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        try:
            answer = await _answer(self._carrier, f"$KV.{self.bucket}.{key}", value, headers)
        except Late as late:
            raise Late(f"{late}: whether it has written that down is not known; do the same again") from None
        found = json.loads(answer.body)
        if "error" in found:
            if found["error"].get("err_code") == _WRONG_LAST_SEQUENCE:
                raise Conflict(key)
            _refuse(found["error"])
        return int(found["seq"])

    async def entries(self, *, live: bool = False, key: str = "") -> AsyncGenerator[list[Entry], None]:
        # Live, whoever reads must know that it begins anew.
        patience = None if live else self._patience
        asking, given = _Asking(patience), set[str]()
        while True:
            try:
                async with aclosing(self._entries(live, key)) as pieces:
                    async for piece in pieces:
                        if patience is not None:
                            piece = [one for one in piece if one.key not in given]
                            given.update(one.key for one in piece)
                            if not piece:
                                continue
                        yield piece
                return
            except CarrierLost as problem:
                await asking.failed(problem)

    async def _entries(self, live: bool, key: str) -> AsyncGenerator[list[Entry], None]:
        made = await ask_broker(
            self._carrier,
            f"CONSUMER.CREATE.{self._stream}",
            {
                "stream_name": self._stream,
                "config": {
                    "deliver_policy": "last_per_subject", "filter_subject": f"$KV.{self.bucket}.{key or '>'}",
                    "ack_policy": "none", "replay_policy": "instant", "inactive_threshold": 10_000_000_000,
                    "mem_storage": True, "num_replicas": 1,
                },
            },
        )  # fmt: skip
        left = int(made.get("num_pending", 0))
        arrived, received = trio.Event(), list[Carried]()
        # Of all buckets together: several may be read over one connection at the same time.
        to = f"{self._carrier.inbox}.read{next(_reads)}"
        prefix = len(f"$KV.{self.bucket}.")

        def take(message: Carried) -> None:
            received.append(message)
            arrived.set()

        unsubscribe = self._carrier.subscribe(to, take)
        new, known_by = True, trio.current_time() + _KNOWN_SECONDS
        try:
            if live and not left:
                yield []
            while live or left:
                # Asked for by pieces, so that who reads slowly neither gathers much nor is put out.
                wanted = json.dumps(_PIECE).encode()
                if not self._carrier.publish(
                    f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{made['name']}", wanted, to
                ):
                    raise CarrierLost("there is no connection to the broker")
                empty, over = True, False
                while not over:
                    with trio.move_on_after(_PIECE_SECONDS + _PATIENCE_SECONDS):
                        await arrived.wait()
                    arrived = trio.Event()
                    if not received:
                        raise Late("the broker's store has become silent")
                    if any(one.status == 503 for one in received):
                        if new and trio.current_time() < known_by:
                            # In a cluster our node may hear of it a moment after the one that made it.
                            received.clear()
                            break
                        raise CarrierLost("the broker's store does not know any more what was read")
                    over = any(one.status for one in received)
                    before = left
                    piece = []
                    for message in received:
                        if not message.status:
                            moment, left = _delivered(message.reply)
                            piece.append(Entry(message.subject[prefix:], message.body, moment))
                    received.clear()
                    if piece:
                        empty = new = False
                        yield piece
                    if before and not left:
                        if not live:
                            return
                        yield []
                if empty:
                    # As a rule it has waited for long; but the broker may have refused at once.
                    await trio.sleep(_EMPTY_SECONDS)
        finally:
            unsubscribe()

    async def everything(self) -> dict[str, bytes]:
        return await _everything(self)


async def _everything(store: Store) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    async with aclosing(store.entries()) as pieces:
        async for piece in pieces:
            found.update((one.key, one.value) for one in piece)
    return found


def _delivered(reply: str) -> tuple[float, int]:
    """When a message was kept, in seconds since 1970, and how many come behind it.

    `$JS.ACK.stream.consumer.deliveries.sequence.sequence.nanoseconds.pending`, in newer servers with domain
    and account before the stream.
    """
    parts = reply.split(".")
    first = 2 if len(parts) == 9 else 4
    return int(parts[first + 5]) / 1e9, int(parts[first + 6])
