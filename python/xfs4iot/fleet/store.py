"""What the fleet knows of its devices, by key: in the broker's key-value store, or in memory for tests."""

from __future__ import annotations

import base64
import json
from typing import Any, Protocol

import trio

from xfs4iot.fleet.carrier import Carried, Carrier, CarrierLost, Late

__all__ = ["Conflict", "KeyValue", "MemoryStore", "Store"]

_WRONG_LAST_SEQUENCE = 10071
_NO_STREAM = 10059


class Conflict(Exception):
    """The value has been changed by somebody else meanwhile."""


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

    async def everything(self) -> dict[str, bytes]:
        """All values by key."""


class MemoryStore:
    """A store in memory."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, int]] = {}
        self._last = 0

    async def get(self, key: str) -> tuple[bytes, int] | None:
        await trio.lowlevel.checkpoint()
        return self._values.get(key)

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        await trio.lowlevel.checkpoint()
        if revision is not None and self._values.get(key, (b"", 0))[1] != revision:
            raise Conflict(key)
        self._last += 1
        self._values[key] = (value, self._last)
        return self._last

    async def everything(self) -> dict[str, bytes]:
        await trio.lowlevel.checkpoint()
        return {key: value for key, (value, _) in self._values.items()}


class KeyValue:
    """A bucket of NATS's key-value store.

    Args:
        replicas: on how many nodes of a cluster each value is kept.
    """

    def __init__(self, carrier: Carrier, bucket: str, *, replicas: int = 1) -> None:
        self._carrier, self.bucket, self.replicas = carrier, bucket, replicas
        self._stream = f"KV_{bucket}"
        self._reads = 0

    async def _ask(self, what: str, said: Any) -> dict[str, Any]:
        answer = await self._carrier.request(
            f"$JS.API.{what}", b"" if said is None else json.dumps(said).encode()
        )
        found: dict[str, Any] = json.loads(answer.body)
        if "error" in found:
            raise CarrierLost(f"the broker's store: {found['error'].get('description', found['error'])}")
        return found

    async def make(self) -> None:
        """Make the bucket, unless it is there."""
        try:
            await self._ask(f"STREAM.INFO.{self._stream}", None)
        except Late:
            raise
        except CarrierLost:
            await self._ask(
                f"STREAM.CREATE.{self._stream}",
                {
                    "name": self._stream, "subjects": [f"$KV.{self.bucket}.>"], "max_msgs_per_subject": 1,
                    "storage": "file", "discard": "new", "allow_rollup_hdrs": True, "deny_delete": True,
                    "allow_direct": True, "num_replicas": self.replicas, "retention": "limits",
                },
            )  # fmt: skip

    async def get(self, key: str) -> tuple[bytes, int] | None:
        # Asked of the leader: a replica may not have the latest epoch yet.
        answer = await self._carrier.request(
            f"$JS.API.STREAM.MSG.GET.{self._stream}",
            json.dumps({"last_by_subj": f"$KV.{self.bucket}.{key}"}).encode(),
        )
        found = json.loads(answer.body)
        if "error" in found:
            if found["error"].get("code") == 404 and found["error"].get("err_code") != _NO_STREAM:
                return None
            raise CarrierLost(f"the broker's store: {found['error'].get('description')}")
        message = found["message"]
        return base64.b64decode(message.get("data", "")), int(message["seq"])

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        headers = None if revision is None else {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        answer = await self._carrier.request(f"$KV.{self.bucket}.{key}", value, headers=headers)
        found = json.loads(answer.body)
        if "error" in found:
            if found["error"].get("err_code") == _WRONG_LAST_SEQUENCE:
                raise Conflict(key)
            raise CarrierLost(f"the broker's store: {found['error'].get('description')}")
        return int(found["seq"])

    async def everything(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        arrived, received = trio.Event(), list[Carried]()
        self._reads += 1
        to = f"{self._carrier.inbox}.all{self._reads}"

        def take(message: Carried) -> None:
            received.append(message)
            arrived.set()

        unsubscribe = self._carrier.subscribe(to, take)
        try:
            made = await self._ask(
                f"CONSUMER.CREATE.{self._stream}",
                {
                    "stream_name": self._stream,
                    "config": {
                        "deliver_subject": to, "deliver_policy": "last_per_subject",
                        "filter_subject": f"$KV.{self.bucket}.>", "ack_policy": "none",
                        "replay_policy": "instant", "inactive_threshold": 10_000_000_000, "mem_storage": True,
                        "num_replicas": 1,
                    },
                },
            )  # fmt: skip
            wanted = int(made.get("num_pending", 0)) + int(made["delivered"]["consumer_seq"])
            count, prefix = 0, len(f"$KV.{self.bucket}.")
            with trio.move_on_after(30.0):
                while count < wanted:
                    await arrived.wait()
                    arrived = trio.Event()
                    for message in received:
                        count += 1
                        found[message.subject[prefix:]] = message.body
                    received.clear()
            if count < wanted:
                raise Late(f"the broker's store gave {count} of {wanted} values in time")
        finally:
            unsubscribe()
        return found
