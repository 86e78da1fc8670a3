"""What goes on with a device's keys: the table, who changes it, and what a status says of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.devices import StoredKey
from xfs4iot.interfaces.keys import reported
from xfs4iot.interfaces.keys.authentication import Challenges
from xfs4iot.interfaces.keys.checks import LONGEST_NAME
from xfs4iot.interfaces.keys.components import Components
from xfs4iot.interfaces.keys.key_table import IllegalAccess, Key, KeyTable
from xfs4iot.ledger import LedgerError
from xfs4iot.protocol import errors
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import key_management as messages
from xfs4iot.server.command import Command, Connection
from xfs4iot.server.handler import Interface
from xfs4iot.server.service import Service

__all__ = ["KeyState"]

_Result = TypeVar("_Result")


class KeyState(Interface[devices.KeyManagement]):
    """The table of keys and its upkeep; base class of the commands."""

    name: ClassVar[str] = "KeyManagement"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.table = KeyTable(service.ledger, self._show)
        self.components = Components(lambda: getattr(self.device, "pins_for_all_clients", False))
        self.challenges = Challenges()
        self._busy = False
        self.locks: list[Callable[[], str | None]] = []
        """Interfaces that something of theirs goes on for, during which keys must not be initialized."""
        self.ends: list[Callable[[], Awaitable[None]]] = []
        """What interfaces have kept, and ends when the keys are reset or initialized."""
        # Not reentrant: `_reconcile` takes it as well, and must never be awaited while it is held.
        self._changing = trio.Lock()

    async def start(self) -> None:
        """Read the table, and let the device correct it."""
        await self._open_table()

    async def reopened(self) -> None:
        """The device may be another one: begin with what it has."""
        self.components.abandon()
        await self._open_table()

    async def _open_table(self) -> None:
        try:
            # Without a key from the device the table is an ordinary, unsealed document.
            vault = None
            if devices.implements(self.device, "ledger_key"):
                vault = self.service.ledger.vault(await self.ask(devices.Device.ledger_key))
        except errors.XfsError as fault:
            # Not opened unsealed either, as that would bypass the vault; the next opening tries again.
            self.service.log.error("the key table cannot be read: %s", fault)
            return
        try:
            self.table.open(vault)
        except LedgerError as fault:
            self.service.log.warning("the key table is made anew from the keys of the device: %s", fault)
        await self._reconcile()

    async def _reconcile(self) -> None:
        """Let the table say what the device has."""
        if not devices.implements(self.device, "stored_keys"):
            return
        try:
            async with self._changing:
                stored = await self.ask(devices.KeyManagement.stored_keys, believe=reported.keys_named)
                for wrong in await self.table.reconcile(stored):
                    self.service.log.warning("%s", wrong)
        except errors.XfsError as fault:
            self.service.log.error("what keys the device has is not known: %s", fault)

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[None]:
        """Change keys, one at a time; what was begun is booked, even if nobody wants it any more."""
        async with self._computing():
            # The wait for the lock can be cancelled, the change itself cannot.
            with trio.CancelScope(shield=True):
                yield

    @asynccontextmanager
    async def _computing(self) -> AsyncIterator[None]:
        """Let the device change its keys, one at a time: `encryptionState` is `busy` meanwhile."""
        async with self._changing:
            self._busy = True
            self._show()
            try:
                yield
            except LedgerError:
                # The table does not say what the device has: in the background, as the lock is held here.
                self.service.nursery.start_soon(self._reconcile)
                raise
            finally:
                self._busy = False
                self._show()

    async def _changed_by(self, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        """Let the device change its keys; if that ends unexpectedly, look at what it has."""
        try:
            return await ask()
        # A clean refusal: the device has said that nothing changed, so its keys need no second look.
        except (errors.CommandError, errors.InvalidData):
            raise
        except BaseException:
            # In the background: the caller holds `_changing`, and the lock is free only after this raises.
            self.service.nursery.start_soon(self._reconcile)
            raise

    async def book(self, name: str, stored: StoredKey) -> None:
        """Note in the table that the device has a key."""
        await self.table.put(name, Key(stored))

    def _show(self) -> None:
        """Make the status say what the keys are good for."""
        keys = self.table.keys.values()
        # RSA keys do not count: the state follows from the symmetric keys alone.
        usages = [key.usage for key in keys if key.loaded == "yes" and key.algorithm != "R"]
        state: Literal["busy", "ready", "initialized", "notInitialized"]
        if self._busy:
            state = "busy"
        elif any(usage[0] != "K" for usage in usages):
            state = "ready"
        elif any(usage[0] == "K" for usage in usages):
            state = "initialized"
        else:
            state = "notInitialized"
        self.device.status.key_management.encryption_state = state

    def failed(self, fault: BaseException, command: Command) -> None:
        """Tell all clients about a refused use of a key."""
        if isinstance(fault, IllegalAccess):
            reason: Any = fault.reason
            # Cut: a client may name a key by a text of any length, which must not go to everybody.
            name = fault.key[:LONGEST_NAME]
            self.service.broadcast(messages.IllegalKeyAccessEvent(key_name=name, error_code=reason))

    def observe(self, event: Payload) -> None:
        """A device that was initialized by hand has other keys."""
        if isinstance(event, messages.InitializedEvent):
            self.service.nursery.start_soon(self._initialized_by_hand)

    async def _initialized_by_hand(self) -> None:
        try:
            await self._forget(None)
        except errors.XfsError as fault:
            self.service.log.error("the keys that are gone could not be taken out of the table: %s", fault)
        await self._reconcile()

    def disconnected(self, connection: Connection) -> None:
        """What was given to a client to be signed ends with its connection, and so does what it entered."""
        self.challenges.ended(connection)
        # With parts in the device the entered one stays until the next takes its place: nobody can store it.
        if self.components.left(connection) and self.components.name is None:
            self.service.nursery.start_soon(self._forget_entered)

    async def _forget_entered(self) -> None:
        try:
            async with self._change():
                if not self.components.begun:
                    await self._forget_parts()
        except errors.XfsError as fault:
            self.service.log.error(
                "the device keeps what was entered of a key until the next entry: %s", fault
            )

    async def _forget(self, name: str | None) -> None:
        """Take what was deleted out of the table, with the parts of a key that is constructed."""
        gone = [
            one
            for one, key in self.table.keys.items()
            if one == name or (not name and not key.stored.preloaded)
        ]
        await self.table.remove(*gone)
        if self.components.name is not None and self.components.name in {*gone, name or self.components.name}:
            await self._forget_parts()

    async def _forget_parts(self) -> None:
        self.components.abandon()
        if devices.implements(self.device, "forget_key_parts"):
            await self.ask(devices.KeyManagement.forget_key_parts, moving=True)
