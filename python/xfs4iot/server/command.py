"""One command from acceptance to completion.

A command is `waiting` in its service's queue, then `running`, then `done`; a command
that answers at once goes straight to `done` or, if that would take long, is first `running`
beside the queue. Exactly one completion is sent, by `complete`, whoever ends the command: its
handler, a cancel, its deadline, or the end of the service. This module also holds the one
place where exceptions become completions.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import cached_property, partial
from typing import Any, Generic, NamedTuple, Protocol, TypeGuard

import msgspec
import trio

from xfs4iot import _core, telling
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import errors, exact, registry, versions, wire
from xfs4iot.protocol.message import Payload, SentEvent
from xfs4iot.server.deadlines import Deadline
from xfs4iot.server.peer import Peer

__all__ = ["Command", "Connection", "Handler", "Later", "Recipient", "Token", "running", "told"]

_LARGE = 32 * 1024
"""Bytes of an answer that is adapted in a thread; a millisecond's work."""
_running: ContextVar[Command | None] = ContextVar("_running", default=None)


def running() -> Command | None:
    """The command that the calling task is at work for, also inside a device class; else None."""
    return _running.get()


def told(event: Payload) -> tuple[registry.EventEntry, bytes | None]:
    """An event as it is sent; its payload is None if the event has none.

    Raises:
        ValueError: it is not one of the standard; the text names what is wrong.
    """
    kind = type(event)
    try:
        entry = registry.event_of(kind)
        sound: Payload = exact.checked(kind, event)
    except KeyError:
        raise ValueError(f"{exact.shown(event)} is not an event of the standard") from None
    except exact.Mismatch as wrong:
        raise ValueError(f"{kind.__name__} of the device is not the standard's: {wrong}") from None
    return entry, None if entry.empty else wire.encode(sound)


class Recipient(Protocol):
    """Who can be sent an event: a connection."""

    versions: versions.ConnectionVersions

    def send_event(
        self,
        entry: registry.EventEntry,
        payload: bytes | None,
        request_id: int | None,
        specification: str,
        without_version: bool | None = None,
    ) -> None: ...


class Connection(Recipient, Protocol):
    """The connection a command came from, as far as the command and its handler may reach it."""

    identity: str
    peer: Peer

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]: ...

    commands: dict[int, Command]

    def tell(self, command: Command, entry: registry.EventEntry, payload: bytes | None) -> None: ...

    def failed(self, command: Command, fault: BaseException) -> None: ...

    @property
    def adapting(self) -> trio.CapacityLimiter: ...

    def complete(
        self,
        command: Command,
        code: str,
        description: str | None,
        payload: bytes | None,
        adapted: bool = False,
    ) -> None: ...


@dataclass(frozen=True)
class Token:
    """What an end-to-end token must say to allow a command.

    Attributes:
        key: the name in the token.
        field: the request's attribute whose value, in capitals, the token must have under that name;
            None where the token has amounts that may be used in parts.
    """

    key: str
    field: str | None = None


@dataclass(frozen=True)
class Handler:
    """One command of one interface as the engine sees it.

    Attributes:
        name: the command's wire name.
        function: called with the decoded request and the `Command`; returns the
            completion's payload or None, or raises an `XfsError`.
        immediate: the function is plain and answers at once, or gives `Later`.
        beside_queue: the function does not wait for its turn.
        token: what an end-to-end token must say to allow the command; None if it takes none.
        everyday: answers everyday requests from their text, in a version of the standard; None to others.
    """

    name: str
    function: Callable[[Any, Command], Any]
    immediate: bool
    beside_queue: bool
    token: Token | None = None
    everyday: Callable[[bytes | None, str], bytes | None] | None = None

    @cached_property
    def entry(self) -> registry.CommandEntry:
        """The command's row of the catalogue: types, versions, error codes."""
        return registry.command(self.name)


@dataclass(frozen=True)
class Later:
    """What a plain handler gives when its answer takes longer than other clients should wait.

    Attributes:
        answer: runs beside the queue, under the command's cancel and timeout.
    """

    answer: Callable[[], Awaitable[Any]]


class _Adapted(NamedTuple):
    """An answer that is the client's version's already."""

    payload: bytes | None


def _written(answer: Any) -> object:
    """An answer as it is sent; what is none, or cannot be written, as it is."""
    if answer is None or isinstance(answer, bytes | BaseException):
        return answer
    try:
        return wire.encode(answer)
    except Exception:
        # Whoever completes the command says what is wrong.
        return answer


def _is_large(answer: object) -> TypeGuard[bytes]:
    """Whether to write an answer for an older version takes longer than others should wait."""
    return type(answer) is bytes and len(answer) > _LARGE


async def _given(answer: bytes) -> bytes:
    return answer


class Command(Generic[SentEvent]):
    """One accepted command; `Command[ReadEvents]` sends the events of Read, `Command` sends none.

    Attributes:
        session: the connection it came from.
        handler: what serves it.
        name: wire name.
        request_id: the client's id for it, unique among the connection's open commands.
        version: version in the command's header; None in the envelope of 2021-1.
        specification: the version of the standard in which the client is answered.
        deadline: when its timeout runs out, in trio's time; infinite without one.
        received: when it came, in trio's time.
        request: the decoded payload.
        canceled: the client no longer wants it, or is gone.
        queued: it waits in the service's queue.
        expiry: what ends it there when its time runs out; None without a timeout.
        completion_code: how it ended; None while it is open.
    """

    __slots__ = (
        "_scope",
        "canceled",
        "completion_code",
        "deadline",
        "expiry",
        "handler",
        "name",
        "queued",
        "received",
        "request",
        "request_id",
        "session",
        "specification",
        "version",
    )

    def __init__(
        self,
        session: Connection,
        handler: Handler,
        message: _core.Message,
        specification: str,
        request: Any,
        received: float,
    ) -> None:
        self.session = session
        self.handler = handler
        self.name = message.name
        assert message.request_id is not None
        self.request_id = message.request_id
        self.version = message.version
        self.specification = specification
        self.received = received
        self.deadline = received + message.timeout / 1000 if message.timeout else math.inf
        self.request = request
        self.canceled = False
        self.queued = False
        self.expiry: Deadline | None = None
        self.completion_code: str | None = None
        self._scope: trio.CancelScope | None = None

    @property
    def running(self) -> bool:
        """Whether its handler has begun and not ended."""
        return self._scope is not None and self.completion_code is None

    @property
    def cancel_requested(self) -> bool:
        """Whether the client cancelled the command or its timeout ran out."""
        return self.canceled or trio.current_time() >= self.deadline

    @property
    def identity(self) -> str:
        """Who asked, for the journal and the log."""
        return self.session.identity

    @property
    def peer(self) -> Peer:
        """Who asked: address, identity, certificate, access rule."""
        return self.session.peer

    def send(self, event: SentEvent) -> None:
        """Send one of the command's events to its client, with the command's requestId.

        What is not an event of the command is named in the log and not sent: a device that moves
        something is not stopped for it.
        """
        if (send := self.prepared(event)) is not None:
            send()

    def prepared(self, event: SentEvent) -> Callable[[], None] | None:
        """What sends one of the command's events as it is now; None for what is not sent."""
        try:
            entry, payload = told(event)
        except ValueError as wrong:
            self.session.log.error("an event of %s was not sent: %s", self.name, wrong)
            return None
        if entry.name not in self.handler.entry.events:
            self.session.log.error("%s is not an event of %s and was not sent", entry.name, self.name)
            return None
        return partial(self.session.tell, self, entry, payload)

    def cancel(self) -> None:
        """Ask for the end of the command: at once if it waits, at its next checkpoint if it runs."""
        self.canceled = True
        if self._scope is not None:
            self._scope.cancel()
        elif self.completion_code is None:
            self.complete(errors.Canceled(f"{self.name} was cancelled before it began"))

    def expire(self) -> None:
        """End a command whose time ran out while it waited."""
        if self._scope is None and self.completion_code is None:
            self.complete(errors.TimeOut(f"{self.name} waited longer than its timeout; nothing was done"))

    def answer_at_once(self) -> Later | None:
        """Run a plain handler and complete, or return what there is still to `run`."""
        try:
            outcome = self.handler.function(self.request, self)
        except Exception as fault:
            outcome = fault
        if type(outcome) is Later:
            return outcome
        if self.specification != registry.NEWEST and _is_large(outcome := _written(outcome)):
            return Later(partial(_given, outcome))
        self.complete(outcome)
        return None

    async def run(self, later: Later | None = None) -> None:
        """Run the handler, or what it has left for later, under the command's deadline and complete."""
        # Cancelled after its task was started, before the task first ran.
        if self.completion_code is not None:
            return
        outcome: object = None
        before = _running.set(self)
        scope = self._scope = trio.CancelScope(deadline=self.deadline)
        try:
            with scope:
                try:
                    answer = later.answer() if later else self.handler.function(self.request, self)
                    outcome = await answer
                except Exception as fault:
                    outcome = fault
        # The scope absorbs what it cancelled itself, so this comes from outside.
        except trio.Cancelled:
            self.complete(errors.Canceled(f"{self.name} was cancelled: the service ends"))
            raise
        finally:
            _running.reset(before)
        # A device that stops early says that it was cancelled; it cannot tell by whom.
        stopped_early = isinstance(outcome, errors.Canceled) and self.cancel_requested
        if scope.cancelled_caught or stopped_early:
            # How far it has come is worth knowing, whoever stopped it.
            how_far = isinstance(outcome, errors.Canceled) and outcome.description
            far = f": {how_far}" if how_far else ""
            if self.canceled:
                outcome = errors.Canceled(f"{self.name} was cancelled{far}")
            else:
                outcome = errors.TimeOut(f"{self.name} was not done within its timeout{far}")
        if self.specification != registry.NEWEST and _is_large(outcome := _written(outcome)):
            outcome = await self._adapted(outcome)
        self.complete(outcome)

    async def _adapted(self, answer: bytes) -> object:
        """A large answer as an older version has it: worked out in a thread, so that nobody waits for it.

        What was done is done: neither cancel nor timeout takes the answer away.
        """
        adapt = partial(versions.adapt_completion, self.name, answer, self.specification)
        # What goes wrong here goes wrong again when the session tries it, which says why.
        with trio.CancelScope(shield=True), suppress(Exception):
            return _Adapted(await trio.to_thread.run_sync(adapt, limiter=self.session.adapting))
        return answer

    def complete(self, outcome: object) -> None:
        """Send the completion: of a payload, of None, or of the exception that ended the command."""
        if self.completion_code is not None:
            return
        description: str | None = None
        code = "success"
        payload: Any = outcome
        if isinstance(outcome, BaseException):
            self.session.failed(self, outcome)
            code, description, payload = self._failure(outcome)
            description = description and telling.told(description, telling.DESCRIPTION)
            if isinstance(outcome, errors.CommandError):
                code = versions.completion_code(self.name, code, outcome.error_code, self.specification)
        self.completion_code = code
        if type(payload) is _Adapted:
            self.session.complete(self, code, description, payload.payload, adapted=True)
            return
        body: bytes | None = None
        if payload is not None:
            try:
                body = payload if type(payload) is bytes else wire.encode(payload)
            except Exception:
                self.session.log.exception("the completion of %s could not be written", self.name)
                self.completion_code = code = "internalError"
                description = "the service could not write its answer; see its log"
        self.session.complete(self, code, description, body)

    def _failure(self, fault: BaseException) -> tuple[str, str | None, msgspec.Struct | None]:
        if isinstance(fault, errors.CommandError):
            known = self.handler.entry.error_codes
            if fault.error_code not in known:
                self.session.log.error(
                    "%s gave errorCode %s, which it does not define", self.name, fault.error_code
                )
                return (
                    "internalError",
                    f"the service gave errorCode {fault.error_code}, which {self.name} does not define: "
                    f"{fault.description}",
                    None,
                )
            payload = fault.payload
            if payload is None:
                completion = self.handler.entry.completion
                assert completion is not None
                payload = completion()
            answer: Any = payload
            answer.error_code = fault.error_code
            return fault.completion_code, fault.description or None, answer
        if isinstance(fault, errors.XfsError):
            return fault.completion_code, fault.description or None, fault.payload
        self.session.log.error("%s failed", self.name, exc_info=fault)
        return "internalError", f"{self.name} failed inside the service; see its log", None
