"""One client: its commands are accepted or refused, and it is answered in its version and dialect.

Everyday commands. A client asks the same few things over and over, and most of what is found out about
such a command (who serves it, in which versions it and its answers are) is the same each time. What was
found out for one whose handler could answer it from its text is kept, and serves the next of its name and
version until the client's versions change: a few look-ups, and acknowledge and completion are written at
once. Whatever is not plain about such a command (others are open, the status has changed, the service
ends, the log wants it) sends it the usual way, which alone knows what to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

import trio

from xfs4iot import _core
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors, registry, versions, wire
from xfs4iot.protocol.dialects import STANDARD, Dialect
from xfs4iot.protocol.sensitive import masked
from xfs4iot.protocol.versions import ConnectionVersions
from xfs4iot.server.channel import Channel, SessionLimits
from xfs4iot.server.command import Command, Handler
from xfs4iot.server.deadlines import Deadlines
from xfs4iot.server.large_messages import LARGEST, LargeMessages
from xfs4iot.server.observation import Observer
from xfs4iot.server.peer import Peer
from xfs4iot.telling import DESCRIPTION, logger, told
from xfs4iot.transport.readers import Readers, ReadyStream

__all__ = ["Session"]

_log = logger("xfs4iot.session")


_MOST_KNOWN = 32
"""Everyday commands of which a connection keeps what was found out: versions come from clients."""


@dataclass(slots=True)
class _Known:
    """What was found out about an everyday command; with slots, which are read quicker than a tuple's names.

    Attributes:
        answer: gives the payload of its completion for its payload, in a version of the standard.
        specification: the version of the standard in which it is served.
        serial: of the connection's versions, when this was found out.
        acknowledged: the version in the header of its acknowledge; None in the envelope of 2021-1.
        completed: the same of its completion.
        code: how its success is written.
        observer: who observed the service, when this was found out.
        durations: where that observer counts it; None if it wants to be told of each.
    """

    answer: Callable[[bytes | None, str], bytes | None]
    specification: str
    serial: int
    acknowledged: str | None
    completed: str | None
    code: str | None
    observer: Observer | None
    durations: _core.Durations | None


class _Host(Protocol):
    """The service, as far as a connection may reach it."""

    handlers: dict[str, Handler]
    nursery: trio.Nursery
    draining: bool
    status_pending: bool
    deadlines: Deadlines
    adapting: trio.CapacityLimiter
    large: LargeMessages
    authorise: Callable[[Peer, str], None]
    name: str
    observer: Observer | None
    filters: dict[str, Callable[[Any, bytes | None], bytes | None]]

    @property
    def queue_is_full(self) -> bool: ...

    def unsupported(self, name: str) -> errors.UnsupportedCommand: ...

    def enqueue(self, command: Command) -> None: ...

    def left_queue(self, command: Command) -> None: ...

    def command_completed(self) -> None: ...

    def flush_status(self) -> None: ...

    def failed(self, command: Command, fault: BaseException) -> None: ...

    def tell(
        self, owner: Session, command: Command, entry: registry.EventEntry, payload: bytes | None
    ) -> None: ...


class Session(Channel):
    """One client's connection to one service."""

    __slots__ = ("_acknowledged_in", "_clock", "_known", "commands", "dialect", "identity", "versions")

    service: _Host

    def __init__(
        self,
        service: _Host,
        stream: ReadyStream,
        readers: Readers,
        peer: Peer,
        limits: SessionLimits,
        dialect: Dialect = STANDARD,
    ) -> None:
        super().__init__(service, stream, readers, peer, limits)
        self.identity = peer.identity
        self.dialect = dialect
        self._acknowledged_in = dialect.acknowledge_version
        self.versions = ConnectionVersions()
        self.commands: dict[int, Command] = {}
        self._clock: float | None = None
        self._known: dict[tuple[str, str | None], _Known] = {}

    def _ended(self) -> None:
        # A copy: a waiting command completes here and thereby leaves `commands`.
        for command in list(self.commands.values()):
            command.cancel()

    def _accept(self, message: _core.Message) -> None:
        """Acknowledge a command and run or queue it, or refuse it."""
        if self._known and self._answered(message):
            return None
        name, request_id, version = message.name, message.request_id, message.version
        if message.type != "command":
            return self._refuse(
                name,
                request_id,
                version,
                "invalidMessage",
                f"header.type is {message.type!r}; a client sends commands only",
            )
        assert request_id is not None
        if request_id in self.commands:
            return self._refuse(
                name,
                request_id,
                version,
                "invalidRequestID",
                f"request id {request_id} is in use by {self.commands[request_id].name}; use a new one",
            )
        service = self.service
        handler = service.handlers.get(name)
        waits = handler is not None and not handler.immediate and not handler.beside_queue
        if len(self.commands) >= self.limits.open_commands or (waits and service.queue_is_full):
            return self._refuse(
                name,
                request_id,
                version,
                "tooManyRequests",
                "too many commands are waiting; send this one again when others have completed",
            )
        if message.size > self.limits.message_bytes:
            if message.size > LARGEST.get(name, 0):
                return self.refuse_large(f"a message of {name} has at most {self.limits.message_bytes} bytes")
            if not service.large.hold((self, request_id), message.size):
                return self._refuse(
                    name,
                    request_id,
                    version,
                    "tooManyRequests",
                    "too many large messages at once; send this one again when others have completed",
                )
        # Acknowledged before it is looked at: what is wrong from here on is said in a completion.
        self.send(_core.acknowledge(name, request_id, version and (self._acknowledged_in or version)))
        if self.limits.log_messages and _log.isEnabledFor(logging.DEBUG):
            self.log.debug("← %s %d %s", name, request_id, masked(message.payload or b"{}"))
        try:
            if service.draining:
                raise errors.Canceled("the service ends; connect again when it is back")
            if handler is None:
                raise service.unsupported(name)
            specification = self.versions.specification_for(name, version)
            # Before decoding: a client that may not use the command learns nothing about its payload.
            service.authorise(self.peer, name)
            payload, answer, request = message.payload, None, None
            if message.size > 2 * self.limits.message_values:
                self._require_few_values(payload)
            if handler.everyday is not None:
                answer = handler.everyday(payload, specification)
                if answer is not None:
                    self._keep(name, version, handler.everyday, specification)
            if answer is None:
                request = self._request(name, handler, payload, specification)
        except errors.XfsError as refused:
            specification = self.versions.specification_of_refusal(name, version)
            return self._complete_unaccepted(message, refused, specification)
        except Exception:
            self.log.exception("%s could not be accepted", name)
            failed = errors.InternalError(f"{name} failed inside the service; see its log")
            return self._complete_unaccepted(message, failed, registry.NEWEST)
        command = Command(self, handler, message, specification, request, self.last_received)
        if answer is not None:
            command.completion_code = "success"
            return self.complete(command, "success", None, answer, adapted=True)
        if handler.immediate:
            # Entered in `commands` only if it stays open; mostly it has been answered by then.
            if (later := command.answer_at_once()) is not None:
                self.commands[request_id] = command
                service.nursery.start_soon(command.run, later)
            return None
        self.commands[request_id] = command
        service.enqueue(command)
        return None

    def _answered(self, message: _core.Message) -> bool:
        """Acknowledge and complete an everyday command about which all is known; False if it is none."""
        name, service, versions = message.name, self.service, self.versions
        known = self._known.get((name, message.version))
        if (
            known is None
            or known.serial != versions.serial
            or self.commands
            or service.status_pending
            or service.draining
            or message.size > self.limits.message_bytes
            or _log.isEnabledFor(logging.INFO)
        ):
            return False
        try:
            service.authorise(self.peer, name)
            answer = known.answer(message.payload, known.specification)
        except Exception:
            # It is raised, and answered, once more on the usual way.
            return False
        if answer is None:
            return False
        versions.spoken = known.specification
        if service.observer is not None:
            # As `_observe` and the observer do it, which are two calls more for each of very many commands;
            # and without variables, as those would cost those most who have no observer.
            if service.observer is not known.observer:
                # The usual way finds out anew where it is counted.
                return False
            if known.durations is None or self._clock is None or service.observer.one_by_one:
                self._observe(name, "success", self.last_received)
            else:
                known.durations.add(perf_counter() + self._clock - self.last_received)
        self.send(message.answer(known.acknowledged, known.completed, known.code, answer))
        return True

    def _keep(
        self,
        name: str,
        version: str | None,
        answer: Callable[[bytes | None, str], bytes | None],
        specification: str,
    ) -> None:
        """Keep what was found out about an everyday command."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        observer = self.service.observer
        durations = None if observer is None else observer.counted(self.service.name, name, "success")
        self._known[name, version] = _Known(
            answer,
            specification,
            self.versions.serial,
            version and (self._acknowledged_in or version),
            self.versions.completion_version(name, specification, version),
            self.dialect.codes.get("success", "success"),
            observer,
            durations,
        )

    def _observe(self, name: str, code: str, received: float) -> None:
        """Tell the observer of a completion."""
        assert self.service.observer is not None
        # Quicker than trio.current_time(), from which it differs by what was found out once.
        if self._clock is None:
            self._clock = trio.current_time() - perf_counter()
        self.service.observer.completed(
            self.service.name, name, code, perf_counter() + self._clock - received
        )

    def _require_few_values(self, payload: bytes | None) -> None:
        """Refuse what would take very much time and memory once it is decoded, while others wait.

        A value and its comma are two bytes at least: shorter messages need not be looked at.

        Raises:
            InvalidData: there are too many.
        """
        most = self.limits.message_values
        if payload is not None and _core.has_more_values(payload, most):
            raise errors.InvalidData(
                f"$: the payload has more than {most:,} members and elements; send fewer at once"
            )

    @staticmethod
    def _request(name: str, handler: Handler, payload: bytes | None, specification: str) -> Any:
        """What a command asks for; None if there is nothing to ask.

        Raises:
            InvalidData: the payload does not fit.
        """
        entry = handler.entry
        if versions.adapts_to(name, specification):
            wire.check_numbers(payload)
            payload = versions.adapt_request(name, payload, specification)
        return None if entry.request is None else wire.decode(entry.request, payload)

    def _refuse_unread(self, refusal: _core.Refusal) -> None:
        version = self.versions.version_of_refusal(refusal.name, refusal.version)
        self._refuse(refusal.name, refusal.request_id, version, refusal.status, refusal.reason)

    def _refuse(
        self, name: str | None, request_id: int | None, version: str | None, status: str, reason: str
    ) -> None:
        reason = told(reason, DESCRIPTION)
        self.log.warning("%s refused, %s: %s", name or "a message", status, reason)
        if (observer := self.service.observer) is not None:
            observer.refused(self.service.name, status)
        version = version and (self._acknowledged_in or version)
        self.send(_core.acknowledge(name, request_id, version, status, reason))

    def _complete_unaccepted(
        self, message: _core.Message, refused: errors.XfsError, specification: str
    ) -> None:
        self.service.large.release((self, message.request_id))
        self.log.warning("%s: %s: %s", message.name, refused.completion_code, refused)
        if (observer := self.service.observer) is not None:
            observer.completed(self.service.name, message.name, refused.completion_code, 0.0)
        version = self.versions.completion_version(message.name, specification, message.version)
        code = refused.completion_code
        self.send(
            _core.completion(
                message.name,
                message.request_id,
                version,
                self.dialect.codes.get(code, code),
                refused.description or None,
            )
        )

    @property
    def adapting(self) -> trio.CapacityLimiter:
        """Threads that put large answers into the words of older versions."""
        return self.service.adapting

    def failed(self, command: Command, fault: BaseException) -> None:
        """Let the interfaces see why one of this connection's commands fails."""
        self.service.failed(command, fault)

    def complete(
        self,
        command: Command,
        code: str,
        description: str | None,
        payload: bytes | None,
        adapted: bool = False,
    ) -> None:
        """Send the completion of `command` and free its request id.

        Args:
            adapted: the payload is the client's version's already, and not the newest's.
        """
        service = self.service
        if command.queued:
            service.left_queue(command)
        # Clients must have been told what the command changed before they see it complete.
        if service.status_pending:
            service.flush_status()
        self.commands.pop(command.request_id, None)
        if service.large.most:
            service.large.release((self, command.request_id))
        if service.draining:
            service.command_completed()
        if service.observer is not None:
            self._observe(command.name, code, command.received)
        # Not earlier: the bookkeeping above is due for a lost connection as well.
        if self._closing:
            return
        if _log.isEnabledFor(logging.INFO):
            self._log_completion(command, code, description, payload)
        specification = command.specification
        if not adapted and versions.adapts_to(command.name, specification):
            try:
                payload = versions.adapt_completion(command.name, payload, specification)
            except Exception:
                self.log.exception("the completion of %s has no form in %s", command.name, specification)
                code, payload = "internalError", None
                description = f"the service could not write its answer for {specification}; see its log"
        version = self.versions.completion_version(command.name, specification, command.version)
        written = self.dialect.codes.get(code, code)
        self.send(_core.completion(command.name, command.request_id, version, written, description, payload))

    def _log_completion(
        self, command: Command, code: str, description: str | None, payload: bytes | None
    ) -> None:
        _log.log(
            logging.INFO if code == "success" else logging.WARNING,
            "%s %s%s",
            command.name,
            code,
            f": {description}" if description else "",
            extra={
                **self.peer.log_fields,
                "command": command.name,
                "requestId": command.request_id,
                "completionCode": code,
                "seconds": round(trio.current_time() - command.received, 6),
            },
        )
        if self.limits.log_messages and payload is not None:
            self.log.debug("→ %s %d %s", command.name, command.request_id, masked(payload))

    def tell(self, command: Command, entry: registry.EventEntry, payload: bytes | None) -> None:
        """Send an event of one of this connection's commands to whom its version of the standard tells it."""
        self.service.tell(self, command, entry, payload)

    def send_event(
        self,
        entry: registry.EventEntry,
        payload: bytes | None,
        request_id: int | None,
        specification: str,
        without_version: bool | None = None,
    ) -> None:
        """Send an event as the client's version of the standard has it; nothing if that lacks it."""
        if self.service.status_pending:
            self.service.flush_status()
        if without_version is None:
            without_version = self.versions.without_version
        filters = self.service.filters
        for name, version, whole in versions.adapt_event(entry.name, payload, specification):
            body = filters[name](self, whole) if name in filters else whole
            if body is None and whole is not None:
                continue
            header_version = None if without_version else version
            self.send(_core.event(name, request_id, header_version, body, self.dialect.unsolicited))
