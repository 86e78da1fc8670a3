"""What the callout knows of devices' keys, kept current; it ends connections by keys that are good no more.

As long as it has not been read once, no device is let in. When it cannot be read any more, what was read last
holds: nobody can be revoked then either, since that is written to the same place.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import orjson
import trio

from xfs4iot.fleet.carrier import Carried, Carrier, CarrierLost
from xfs4iot.fleet.store import Store
from xfs4iot.fleet.trust import Copied, Trust, Trusted, Unknown
from xfs4iot.telling import logger

__all__ = ["ACCOUNT", "Roll"]

_log = logger("xfs4iot.callout")
ACCOUNT = "FLEET"
"""The broker's account in which devices and gateways meet."""
_CONNECTIONS = "$SYS.REQ.SERVER.PING.CONNZ"
_ANSWERS_SECONDS = 2.0
_AGAIN_SECONDS = 5.0
"""Seconds after which connections are ended once more: one may have been on its way."""
_PAUSE_SECONDS = 1.0
_MOST_WAITING = 10_000
_AT_ONCE = 20


class Roll:
    """The devices of one tenant and their keys.

    Args:
        store: the bucket of the records.
        system: a connection to the broker's account for its own business; None ends no connections.

    Attributes:
        read: whether it has been read.
    """

    def __init__(self, store: Store, system: Carrier | None) -> None:
        self._store, self._trust, self._system = store, Trust(store), system
        self._known: dict[str, Trusted] = {}
        self.read = False
        self._todo, self._tasks = trio.open_memory_channel[Callable[[], Awaitable[None]]](_MOST_WAITING)
        self._asked = 0

    def admit(self, device: str, key: str) -> None:
        """Be sure that a device may come by this key, and take note that it does.

        Raises:
            Unknown: it may not.
        """
        if not self.read:
            raise Unknown("the list of devices has not been read yet; try again")
        known = self._known.get(device, Trusted())
        try:
            known.admit(device, key)
        except Copied as copied:
            _log.critical("%s", copied)
            raise
        if known.before and key == known.key:
            self._do(lambda: self._came(device, key))

    async def run(self) -> None:
        """Keep it current until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work, nursery)
            while True:
                try:
                    async with aclosing(self._store.entries(live=True)) as pieces:
                        async for piece in pieces:
                            for one in piece:
                                self._changed(one.key, one.value)
                            if not piece:
                                self._loaded()
                except CarrierLost as problem:
                    _log.info("the list of devices is read anew: %s", problem)
                await trio.sleep(_PAUSE_SECONDS)

    def _loaded(self) -> None:
        if not self.read:
            _log.info("%d devices are known", len(self._known))
            # Whoever was revoked while no callout ran may still be there.
            for device, known in self._known.items():
                if known.revoked:
                    self._do(lambda device=device: self._end(device))  # type: ignore[misc]
        self.read = True

    def _changed(self, device: str, value: bytes) -> None:
        try:
            now = Trusted.decode(value)
        except (ValueError, TypeError) as wrong:
            _log.error("the record of device %s cannot be read: %s", device, wrong)
            now = Trusted()
        before = self._known.get(device, Trusted())
        self._known[device] = now
        if self.read and before.keys - now.keys:
            if now.revoked:
                _log.warning("device %s is revoked; its connections end", device)
            else:
                _log.info("device %s has another key now; connections by the one before end", device)
            self._do(lambda: self._end(device))

    def _do(self, what: Callable[[], Awaitable[None]]) -> None:
        try:
            self._todo.send_nowait(what)
        except trio.WouldBlock:
            _log.error("too much is to be written down at once; device connections are not ended in time")

    async def _work(self, nursery: trio.Nursery) -> None:
        at_once = trio.CapacityLimiter(_AT_ONCE)

        async def do(what: Callable[[], Awaitable[None]]) -> None:
            async with at_once:
                try:
                    await what()
                except (CarrierLost, ValueError, KeyError, TypeError) as problem:
                    _log.warning("the broker does not do what the list of devices asks for: %s", problem)

        async for what in self._tasks:
            nursery.start_soon(do, what)

    async def _came(self, device: str, key: str) -> None:
        await self._trust.came(device, key)

    async def _end(self, device: str, *, again: bool = True) -> None:
        """End a device's connections by keys that it has no more, at all nodes."""
        if self._system is None:
            return
        system = self._system
        self._asked += 1
        to = f"{system.inbox}.connections{self._asked}"

        def answered(message: Carried) -> None:
            allowed = self._known.get(device, Trusted()).keys
            said = orjson.loads(message.body) if message.body else {}
            server = said.get("server", {}).get("id")
            for one in said.get("data", {}).get("connections", ()):
                shown = (one.get("tls_peer_certs") or [{}])[0].get("spki_sha256")
                if shown not in allowed:
                    kick = json.dumps({"cid": one["cid"]}).encode()
                    # The broker does nothing where nobody awaits an answer.
                    system.publish(f"$SYS.REQ.SERVER.{server}.KICK", kick, f"{system.inbox}.ended")

        unsubscribe = system.subscribe(to, answered)
        try:
            question = {"auth": True, "acc": ACCOUNT, "user": f"device {device}"}
            if not system.publish(_CONNECTIONS, json.dumps(question).encode(), to):
                raise CarrierLost("there is no connection to the broker's account SYSTEM")
            # Each node answers for itself.
            await trio.sleep(_ANSWERS_SECONDS)
        finally:
            unsubscribe()
        if again:
            await trio.sleep(_AGAIN_SECONDS)
            await self._end(device, again=False)
