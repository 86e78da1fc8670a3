"""One service: a device endpoint with its interfaces, its sessions, its queue and its events.

The queue. Commands that move hardware run one at a time, in the order they came, by the
service's one worker. A waiting command that is cancelled or runs out of time is completed
on the spot and skipped when its turn comes, so the queue is never searched.
Commands that only read run beside the queue.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec
import trio

from xfs4iot.devices import Device
from xfs4iot.devices._mistakes import mistakes
from xfs4iot.ledger import ServiceLedger
from xfs4iot.protocol import errors, observed, registry, versions, wire
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import common
from xfs4iot.server.command import Command, Connection, Handler, Recipient, told
from xfs4iot.server.containment import fault_of
from xfs4iot.server.deadlines import Deadlines
from xfs4iot.server.large_messages import LargeMessages
from xfs4iot.server.observation import Observer
from xfs4iot.server.operations import Operations
from xfs4iot.server.peer import Peer
from xfs4iot.server.session import Session
from xfs4iot.server.status import StatusChanges
from xfs4iot.telling import logger

__all__ = ["Recipient", "Service"]

_STATUS_CHANGED = "Common.StatusChangedEvent"
_LONGEST_PAUSE = 60.0
_END_SECONDS = 3.0
"""How long running movements may take when the service ends; then they are given up."""


class _Interface(Protocol):
    """The rules of one interface, as the engine sees them."""

    name: ClassVar[str]

    def __init__(self, service: Service) -> None: ...

    async def start(self) -> None: ...

    async def reopened(self) -> None: ...

    def observe(self, event: Payload) -> object: ...

    def status_told(self) -> None: ...

    def failed(self, fault: BaseException, command: Command) -> None: ...

    def disconnected(self, connection: Connection) -> None: ...

    def handlers(self) -> Mapping[str, Handler]: ...


_Kind = TypeVar("_Kind", bound=_Interface)


class _Turn:
    """A place in the queue that no command has."""

    def __init__(self) -> None:
        self.come, self.over = trio.Event(), trio.Event()


class Service:
    """One device and its interfaces, as clients see them at one URI.

    Args:
        name: last part of the URI, unique on its publisher.
        device: the vendor's object; None for the publisher's own endpoint.
        interfaces: classes of the interfaces to offer, `Common` among them.
        ledger: where the service keeps what must outlive power loss.
        queue_limit: commands that may wait; above it `tooManyRequests`.
        operation_limit: seconds after which a device operation counts as hung.
        open_limit: the same for opening the device.
        restarts: how often in a row a device class that fails in `open` or `run` is started
            again before it is given up. One whose `open` raises `DeviceNotReady` has not failed: it is
            tried again as long as the service runs.
        restart_seconds: pause before the first restart; doubled with each, up to a minute. A
            class that has run for ten times the longest pause starts again with the first.
    """

    def __init__(
        self,
        name: str,
        device: Device | None,
        interfaces: Iterable[type[_Interface]],
        *,
        ledger: ServiceLedger,
        queue_limit: int = 1000,
        operation_limit: float = 600.0,
        open_limit: float = 30.0,
        restarts: int = 5,
        restart_seconds: float = 1.0,
    ) -> None:
        self.name = name
        self.device = device
        self.ledger = ledger
        self.queue_limit = queue_limit
        self.open_limit = open_limit
        self.restarts = restarts
        self.restart_seconds = restart_seconds
        self.log = logger(f"xfs4iot.service.{name or 'publisher'}")
        self.operations = Operations(device, operation_limit, self.log)
        self.sessions: set[Session] = set()
        self.interfaces: dict[str, _Interface] = {}
        self.handlers: dict[str, Handler] = {}
        for interface in interfaces:
            self.interfaces[interface.name] = interface(self)
        self.nursery: trio.Nursery
        self.running: Command | None = None
        self.draining = False
        self._completed = trio.Event()
        self.status_pending = False
        self.status_serial = 0
        self.authorise: Callable[[Peer, str], None] = lambda peer, command: None
        """Raises `AuthorizationRequired` if this client may not use this command; set by the publisher."""
        self.observer: Observer | None = None
        self.listeners: list[Callable[[registry.EventEntry, bytes | None], None]] = []
        """Told of every unsolicited event, with its payload in the newest version; they must not raise."""
        self.filters: dict[str, Callable[[Any, bytes | None], bytes | None]] = {}
        """What of an event, by its name in a version, a connection is told; None for nothing."""
        self.deadlines = Deadlines()
        self.large = LargeMessages()
        self.adapting = trio.CapacityLimiter(1)
        """Threads that put large answers into the words of older versions."""
        self._queue: deque[Command | _Turn] = deque()
        self._waiting = 0
        self._arrived = trio.Event()
        self._changes: StatusChanges | None = None
        self._warned: set[str] = set()
        self._status_changed = trio.Event()
        self._thread = 0
        self._token: trio.lowlevel.TrioToken

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the device and serve its commands until cancelled; started when clients may come."""
        self._thread = threading.get_ident()
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            self.nursery = self.operations.nursery = nursery
            await self._open()
            nursery.start_soon(self._work)
            nursery.start_soon(self.deadlines.run)
            nursery.start_soon(self._tell_status)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                await self._end()

    async def _open(self) -> None:
        device = self.device
        if device is not None:
            device._host = self
            self._warn(device)
            observed.bind(device.status, self._status_set)
            self.nursery.start_soon(self._supervise, device, await self._open_device(device))
        for interface in self.interfaces.values():
            await interface.start()
        for interface in self.interfaces.values():
            self._offer(interface)
        if device is not None:
            # Last: what opening and `start` have set is the baseline, not a change to announce.
            self._changes = StatusChanges(device.status)
        self.status_pending = False

    def interface(self, kind: type[_Kind]) -> _Kind:
        """The rules of one of the service's interfaces.

        Raises:
            KeyError: the service does not have it.
        """
        found = self.interfaces[kind.name]
        assert isinstance(found, kind)
        return found

    def _offer(self, interface: _Interface) -> None:
        """Serve what an interface handles, by every name that a version of the standard has for it."""
        handlers = interface.handlers()
        for name, handler in handlers.items():
            self.handlers |= dict.fromkeys(versions.names(name), handler)
        self.large.offered(self.handlers)

    async def _open_device(self, device: Device) -> str | None:
        """Open the device; the state in which it is instead, None if it is open."""
        state = "hardwareError"
        self.operations.opened = False
        try:
            await self.operations.ask(Device.open, limit=self.open_limit)
            self.operations.opened = True
            self.derive()
            self._warn(device, opened=True)
            return None
        except errors.DeviceNotReady as fault:
            state = "offline"
            self.log.error("the device is not ready: %s; it is tried again", fault)
        except errors.HardwareError:
            self.log.error("the device could not be opened; it is tried again")
        except errors.XfsError as fault:
            self.log.error("the device could not be opened: %s; it is tried again", fault)
        self._set_device_state(device, state)
        return state

    def _warn(self, device: Device, opened: bool = False) -> None:
        """Tell what the device class probably got wrong, each once."""
        try:
            for mistake in mistakes(device, opened=opened):
                if mistake not in self._warned:
                    self._warned.add(mistake)
                    self.log.warning("%s", mistake)
        except Exception:
            self.log.exception("%s cannot be looked at for mistakes", type(device).__name__)

    def derive(self) -> None:
        """Let the device tell what follows from its class, after something has changed of it."""
        if self.device is not None:
            known = set(map(str, self.device._derivation.wrong.values()))
            try:
                self.device._derivation.again()
            except Exception:
                self.log.exception(
                    "%s: its capabilities do not follow from the class; those told before stay",
                    type(self.device).__name__,
                )
            for wrong in self.device._derivation.wrong.values():
                if str(wrong) not in known:
                    self.log.error("the device class is wrong about itself: %s; it is left out", wrong)

    async def _supervise(self, device: Device, state: str | None) -> None:
        """Keep the device class running; after repeated failures give it up, visibly.

        Args:
            device: the device.
            state: what opening it has left; None: it is open.
        """
        failures = pauses = 0
        while True:
            if state is not None:
                # One that is not there, such as a printer that is off, has not failed: it is looked for as
                # long as the service runs.
                failures += state != "offline"
                if failures > self.restarts:
                    break
                await trio.sleep(min(self.restart_seconds * 2.0 ** min(pauses, 32), _LONGEST_PAUSE))
                pauses += 1
                state = await self._open_device(device)
                if state is not None:
                    continue
            began = trio.current_time()
            fault = await fault_of(self._watch(device, pauses > 0))
            # `run` returned by itself: the class needs no task of its own, the device stays in use.
            if fault is None:
                return
            self.log.error("%s.run failed", type(device).__name__, exc_info=fault)
            state = "hardwareError"
            self._set_device_state(device, state)
            if trio.current_time() - began > 10 * _LONGEST_PAUSE:
                failures = pauses = 0
        self.operations.opened = False
        self.log.critical("the device failed %d times and is given up; restart the service", failures)
        self._set_device_state(device, "noDevice")

    async def _watch(self, device: Device, reopened: bool) -> None:
        """Let the device class run, after the interfaces have taken notice that it was opened again."""
        if reopened:
            for interface in self.interfaces.values():
                await interface.reopened()
                self._offer(interface)
        await device.run()

    @staticmethod
    def _set_device_state(device: Device, state: str) -> None:
        if device.status.common is not None:
            device.status.common.device = state  # type: ignore[assignment]

    async def _end(self) -> None:
        """Complete what is open, say goodbye to every client, let go of the device; within seconds."""
        # Shielded, for this task is cancelled by now and every wait would end at once. Movements get
        # their time first; what still runs after that is given up and drained a second time.
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _END_SECONDS):
            await self.drain()
        self.operations.end()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _END_SECONDS):
            await self.drain()
            async with trio.open_nursery() as nursery:
                for session in list(self.sessions):
                    nursery.start_soon(session.close)
            if self.device is not None:
                with suppress(errors.XfsError):
                    await self.operations.ask(Device.close)

    async def drain(self) -> None:
        """Take no more commands, cancel those that wait, and return when none runs."""
        self.draining = True
        for command in self._queue:
            if isinstance(command, Command) and command.completion_code is None:
                command.complete(errors.Canceled(f"{command.name} was cancelled: the service ends"))
        while any(session.commands for session in self.sessions):
            # No checkpoint between the test above and the wait: no completion can be missed.
            self._completed = trio.Event()
            await self._completed.wait()

    def command_completed(self) -> None:
        """Tell who drains the service that a command has completed."""
        self._completed.set()

    async def serve(self, session: Session, first: bytes = b"") -> None:
        """Serve one connection until it ends."""
        self.sessions.add(session)
        if self.observer is not None:
            self.observer.connected(self.name)
        try:
            await session.run(first)
        finally:
            # First, so that what the interfaces broadcast now goes to the others only.
            self.sessions.discard(session)
            if self.observer is not None:
                self.observer.disconnected(self.name)
            for interface in self.interfaces.values():
                interface.disconnected(session)

    def is_connected(self, connection: Connection) -> bool:
        """Whether a connection has not ended: what belongs to one that has would never be given up."""
        return connection in self.sessions

    def unsupported(self, name: str) -> errors.UnsupportedCommand:
        """Why `name` has no handler here, and what to do."""
        if registry.is_command(name):
            interface = name.partition(".")[0]
            if interface in self.interfaces:
                return errors.UnsupportedCommand(
                    f"this device does not offer {name}; see Common.Capabilities for what it offers"
                )
            return errors.UnsupportedCommand(
                f"{f'service {self.name}' if self.name else 'the publisher'} has no interface {interface}; "
                "see ServicePublisher.GetServices"
            )
        return errors.UnsupportedCommand(f"{name} is not an XFS4IoT command; see Common.Capabilities")

    @property
    def waiting(self) -> int:
        """How many commands wait for their turn."""
        return self._waiting

    @property
    def queue_is_full(self) -> bool:
        """Whether no more commands may wait."""
        return self._waiting >= self.queue_limit

    def enqueue(self, command: Command) -> None:
        """Start a command that runs beside the queue, or put it at the queue's end."""
        if command.handler.beside_queue:
            self.nursery.start_soon(command.run)
            return
        if len(self._queue) > 2 * self.queue_limit:
            # While a long movement keeps its place taken, let go of what completed before its turn.
            self._queue = deque(one for one in self._queue if isinstance(one, _Turn) or one.queued)
        if command.deadline != math.inf:
            command.expiry = self.deadlines.add(command.deadline, command.expire)
        self._queue.append(command)
        command.queued = True
        self._waiting += 1
        self._arrived.set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until all that was sent before has run; while the block lasts no command runs.

        For what a service does with its device without being asked to: a class is entered by one at a time.
        """
        turn = _Turn()
        self._queue.append(turn)
        self._arrived.set()
        try:
            await turn.come.wait()
            yield
        finally:
            turn.over.set()

    def left_queue(self, command: Command) -> None:
        """Count a command no more: its turn has come, or it completed before and is skipped later."""
        command.queued = False
        self._waiting -= 1
        if command.expiry is not None:
            self.deadlines.drop(command.expiry)

    def find(self, session: Connection, request_ids: Iterable[int] | None) -> list[Command]:
        """The open commands of `session` with these ids; all of them if None."""
        if request_ids is None:
            return list(session.commands.values())
        return [session.commands[number] for number in request_ids if number in session.commands]

    async def _work(self) -> None:
        """Run the waiting commands, one at a time."""
        while True:
            while not self._queue:
                self._arrived = trio.Event()
                await self._arrived.wait()
            command = self._queue.popleft()
            if isinstance(command, _Turn):
                command.come.set()
                await command.over.wait()
                continue
            # It completed while it waited; `left_queue` has counted it out already.
            if command.completion_code is not None:
                continue
            self.left_queue(command)
            self.running = command
            try:
                await command.run()
            finally:
                self.running = None

    def failed(self, command: Command, fault: BaseException) -> None:
        """Let the interfaces see a command fail, before its completion goes out."""
        for interface in self.interfaces.values():
            try:
                interface.failed(fault, command)
            except Exception:
                # The command completes all the same: who is only told of it must not end the service.
                self.log.exception("%s could not see how %s failed", interface.name, command.name)

    def device_event(self, event: Payload) -> None:
        """Let the interfaces see an unsolicited event of the device, then broadcast it.

        A device class may call this from a thread of its own.

        Raises:
            ValueError: it is not an event of the standard.
        """
        if threading.get_ident() != self._thread:
            self._token.run_sync_soon(self._thread_event, event)
            return
        entry, payload = told(event)
        # A list, not a generator inside `any`: every interface must see the event.
        held = [interface.observe(event) is True for interface in self.interfaces.values()]
        if not any(held):
            self._broadcast(entry, payload)

    def _thread_event(self, event: Payload) -> None:
        """An event from a thread, which nobody can be told about but the log."""
        try:
            self.device_event(event)
        except Exception:
            self.log.exception("an event of the device could not be sent")

    def broadcast(self, event: Payload) -> None:
        """Send an unsolicited event to every connection, each in its version of the standard."""
        entry = registry.event_of(type(event))
        self._broadcast(entry, None if entry.empty else wire.encode(event))

    def send_to(self, connection: Recipient, event: Payload) -> None:
        """Send an unsolicited event to one connection only, in its version of the standard."""
        entry = registry.event_of(type(event))
        specification = connection.versions.event_specification(entry.name)
        connection.send_event(entry, None if entry.empty else wire.encode(event), None, specification)

    def _broadcast(self, entry: registry.EventEntry, payload: bytes | None) -> None:
        if self.status_pending:
            self.flush_status()
        if self.observer is not None:
            self.observer.told(self.name, entry.name)
        for heard in self.listeners:
            heard(entry, payload)
        for session in list(self.sessions):
            specification = session.versions.event_specification(entry.name)
            if not versions.has_event(entry.name, specification):
                continue
            if versions.unsolicited(entry, specification):
                session.send_event(entry, payload, None, specification)
            else:
                for command in session.commands.values():
                    if command.running and versions.raises(command.name, entry.name, specification):
                        # Only once per connection, even if several of its commands could carry it.
                        session.send_event(entry, payload, command.request_id, specification)
                        break

    def tell(
        self, owner: Session, command: Command, entry: registry.EventEntry, payload: bytes | None
    ) -> None:
        """Send an event of a command: to its client, and to those whose version has it unsolicited."""
        if self.observer is not None:
            self.observer.told(self.name, entry.name)
        own = command.specification
        request_id = None if versions.unsolicited(entry, own) else command.request_id
        owner.send_event(entry, payload, request_id, own, command.version is None)
        if specifications := versions.broadcast_in(entry.name):
            for session in list(self.sessions):
                specification = session.versions.event_specification(entry.name)
                if session is not owner and specification in specifications:
                    session.send_event(entry, payload, None, specification)

    def _status_set(self, *_: Any) -> None:
        if threading.get_ident() != self._thread:
            self._token.run_sync_soon(self._status_set)
            return
        self.status_serial += 1
        self.status_pending = True
        self._status_changed.set()

    async def _tell_status(self) -> None:
        """Flush status changes that nothing else has flushed."""
        while True:
            await self._status_changed.wait()
            self._status_changed = trio.Event()
            if self.status_pending:
                self.flush_status()

    def flush_status(self) -> None:
        """Tell every client what has changed in the status since they were last told."""
        # Cleared first: `_broadcast` flushes what is pending and would come back here.
        self.status_pending = False
        if self._changes is None:
            return
        try:
            changed = self._changes.take()
            if not changed:
                return
            # Decoded only as a check: the class may have set what the standard does not allow.
            wire.decode(common.StatusChangedEvent, payload := msgspec.json.encode(changed))
        except Exception as wrong:
            self.log.error("the device class set a status that cannot be told to clients: %s", wrong)
            return
        self._broadcast(registry.event(_STATUS_CHANGED), payload)
        for interface in self.interfaces.values():
            interface.status_told()
