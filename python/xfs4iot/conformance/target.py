"""The service under test, and conversations with it: every message is kept, and held against its schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec
import trio
import trio_websocket

from xfs4iot import client
from xfs4iot.conformance.outcome import Deviates, NotApplicable
from xfs4iot.conformance.person import Person
from xfs4iot.conformance.schemas import problems
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import versions, wire
from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.protocol.offered import offered_interfaces
from xfs4iot.protocol.sensitive import masked

__all__ = ["OLDEST", "Answer", "Conversation", "Target", "command_text", "shortened"]

OLDEST = "2021-1"
"""The version whose envelope is in the payload."""
_NEWEST_CHOICE = {
    "commands": {"Common.Status": versions.major(versions.telling_version("Common.Status", versions.NEWEST))}
}
"""A version that only the newest specification has."""
_MOST_KEPT = 200
"""Messages of a trace."""
_LONGEST_KEPT = 20_000
"""Characters of a message in a trace."""
_MOST_EVENTS = 5_000
"""Messages that may come before a command ends."""
_AGAIN_SECONDS = 0.2
"""Between attempts to reach a service that was lost."""
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


@dataclass
class Answer:
    """What came of a command.

    Attributes:
        refused: the acknowledge's status; empty if it was acknowledged.
        code: completion code; `success` where the service gives none; None if it was refused.
        payload: of the completion.
        description: of the completion or the refusal.
        events: names and payloads of its events.
    """

    refused: str = ""
    code: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def error_code(self) -> str:
        return str(self.payload.get("errorCode") or "")

    def told(self) -> str:
        """In a few words."""
        if self.refused:
            return f"the acknowledge {self.refused}"
        return f"completion {self.code}" + (f" with {self.error_code}" if self.error_code else "")

    def require_success(self, expected: str = "success") -> None:
        """See that the command has done what it was to do.

        Args:
            expected: what that is, in words.

        Raises:
            Deviates: it has not.
        """
        if self.code != "success":
            raise Deviates(expected, f"{self.told()}: {self.description}")


def command_text(
    specification: str, command: str, request_id: object = 1, payload: Any = None, **header: Any
) -> str:
    """A command's text, in the envelope of a version of the standard.

    Args:
        request_id: also one that is none.
        payload: an empty object if None.
        header: what else is in the header, or there instead.
    """
    head: dict[str, Any] = {"type": "command", "name": command, "requestId": request_id}
    body: Any = {} if payload is None else payload
    if specification == OLDEST:
        body = {"timeout": 0, **body} if isinstance(body, dict) else body
    else:
        head["version"] = "1.0"
        with suppress(KeyError):
            head["version"] = versions.command_version(command, specification)
    return wire.encode({"header": {**head, **header}, "payload": body}).decode()


def shortened(text: str) -> str:
    """A message for a trace: not all of one that is very long."""
    if len(text) <= _LONGEST_KEPT:
        return text
    return f"{text[:_LONGEST_KEPT]}… and {len(text) - _LONGEST_KEPT} characters more"


class Conversation:
    """One connection to the service.

    Attributes:
        specification: the version of the standard that is spoken.
        checks: whether messages are held against their schemas.
    """

    def __init__(
        self, websocket: trio_websocket.WebSocketConnection, target: Target, specification: str
    ) -> None:
        self.websocket = websocket
        self.specification = specification
        self.checks = True
        self._target = target
        self._last = 0
        self._arrived: list[dict[str, Any]] = []

    def next_id(self) -> int:
        self._last += 1
        return self._last

    async def send(self, text: str) -> None:
        """Send a text as it is.

        Raises:
            Deviates: the service has hung up.
        """
        self._target.note("→", text)
        try:
            await self.websocket.send_message(text)
        except trio_websocket.ConnectionClosed as closed:
            raise Deviates("an open connection", f"the service ended it: {closed.reason}") from None

    async def receive(self, patience: float | None = None) -> dict[str, Any]:
        """The next message.

        Args:
            patience: seconds to wait for it; None for the target's.

        Raises:
            Deviates: none came in time, the service hung up, or it is not what its schema says.
        """
        if self._arrived:
            return self._arrived.pop(0)
        text: str | bytes = ""
        patience = self._target.patience if patience is None else patience
        try:
            with trio.fail_after(patience):
                text = await self.websocket.get_message()
        except trio.TooSlowError:
            raise Deviates("an answer", f"nothing within {patience:g} s") from None
        except trio_websocket.ConnectionClosed as closed:
            code = closed.reason.code if closed.reason is not None else 1006
            raise Deviates("an answer", f"the service ended the connection with code {code}") from None
        self._target.note("←", text)
        try:
            message = _decode(text)
            header = message["header"]
            kind, name = header["type"], header.get("name", "")
            if not isinstance(kind, str) or not isinstance(name, str):
                raise TypeError("type and name of the header must be strings")
            if not isinstance(message.get("payload"), dict | None):
                raise TypeError("the payload must be an object")
        except (
            msgspec.DecodeError,
            RecursionError,
            UnicodeError,
            KeyError,
            TypeError,
            AttributeError,
        ) as wrong:
            raise Deviates("a message of XFS4IoT", f"{masked(text)[:200]} ({wrong})") from None
        if self.checks:
            self._target.check(self.specification, kind, name, message)
        found: dict[str, Any] = message
        return found

    async def answer(self, request_id: int, patience: float | None = None) -> Answer:
        """All that comes for a request, to its end; what is for others is kept.

        Args:
            patience: seconds to wait for each message; None for the target's.

        Raises:
            Deviates: it is not acknowledged first, or is answered in another way than exactly once.
        """
        answer = Answer()
        acknowledged = False
        others: list[dict[str, Any]] = []
        while True:
            message = await self.receive(patience)
            header, payload = message["header"], message.get("payload") or {}
            if len(others) + len(answer.events) > _MOST_EVENTS:
                raise Deviates("an end", f"more than {_MOST_EVENTS} messages before it")
            if header.get("requestId") != request_id:
                others.append(message)
                continue
            kind = header["type"]
            said = {**payload, **header} if self.specification != OLDEST else {**header, **payload}
            if kind == "acknowledge":
                if acknowledged:
                    raise Deviates("one acknowledge", "a second one")
                acknowledged = True
                status = said.get("status")
                answer.description = str(said.get("errorDescription") or "")
                if status not in (None, "ok"):
                    answer.refused = str(status)
                    break
            elif not acknowledged:
                raise Deviates("the acknowledge first", f"{kind} {header.get('name')}")
            elif kind == "event":
                answer.events.append((header.get("name", ""), payload))
            elif kind == "completion":
                answer.code = str(said.get("completionCode") or "success")
                answer.description = str(said.get("errorDescription") or "")
                answer.payload = payload
                break
        self._arrived = others + self._arrived
        return answer

    async def begin(self, command: str, payload: Any = None, timeout: int = 0) -> int:
        """Send a command that may run for a while; its request id is returned.

        Args:
            timeout: milliseconds; 0 for none.
        """
        number = self.next_id()
        header: dict[str, Any] = {}
        if timeout and self.specification == OLDEST:
            payload = {**(payload or {}), "timeout": timeout}
        elif timeout:
            header["timeout"] = timeout
        await self.send(command_text(self.specification, command, number, payload, **header))
        return number

    async def call(self, command: str, payload: Any = None, **header: Any) -> Answer:
        """Send a command and wait for its end."""
        number = self.next_id()
        await self.send(command_text(self.specification, command, number, payload, **header))
        return await self.answer(number)

    async def acknowledged(self, request_id: int) -> Answer | None:
        """Wait until a command is acknowledged; what else comes for it is kept for `answer`.

        Returns:
            What came of it, if it was refused.
        """
        message = await self._until(
            "the acknowledge",
            lambda header: (
                header.get("requestId") == request_id and header["type"] in ("acknowledge", "completion")
            ),
        )
        header = message["header"]
        said = {**(message.get("payload") or {}), **header}
        refused = header["type"] == "completion" or said.get("status") not in (None, "ok")
        return await self.answer(request_id) if refused else None

    async def waits(self, request_id: int, event: str = "") -> bool:
        """Wait until a command waits for somebody; what comes for it is kept for `answer`.

        Args:
            event: by which it asks for somebody; empty if it has none, and waits from its acknowledge on.

        Returns:
            Whether it does; it may also have ended already.
        """
        if await self.acknowledged(request_id) is not None:
            return False
        if not event:
            return True
        message = await self._until(
            event,
            lambda header: (
                header.get("name") == event
                or (header.get("requestId") == request_id and header["type"] == "completion")
            ),
        )
        return bool(message["header"]["type"] != "completion")

    async def event(self, name: str, seconds: float) -> dict[str, Any] | None:
        """Wait for an event that may answer no command; what else comes meanwhile is kept.

        Args:
            name: of it.
            seconds: how long, whatever else comes.

        Returns:
            Its payload; None if it has not come.
        """
        with trio.move_on_after(seconds):
            message = await self._until(name, lambda header: header.get("name") == name, seconds + 1)
            self._arrived.remove(message)
            return message.get("payload") or {}
        return None

    async def _until(
        self, expected: str, found: Callable[[dict[str, Any]], bool], patience: float | None = None
    ) -> dict[str, Any]:
        """The first message whose header is sought; it is kept, with all before it.

        Raises:
            Deviates: it does not come; see `receive`.
        """
        others: list[dict[str, Any]] = []
        try:
            while len(others) <= _MOST_EVENTS:
                others.append(await self.receive(patience))
                if found(others[-1]["header"]):
                    return others[-1]
        finally:
            self._arrived = others + self._arrived
        raise Deviates(expected, f"more than {_MOST_EVENTS} messages before it")

    async def status(self, *path: str) -> Any:
        """A value of Common.Status; None if it is not told."""
        found: Any = (await self.call("Common.Status")).payload
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    async def nothing_more(self, seconds: float = 0.3) -> None:
        """Nothing but unsolicited events arrives for a while.

        Raises:
            Deviates: something does.
        """
        with trio.move_on_after(seconds):
            while True:
                text = await self.websocket.get_message()
                self._target.note("←", text)
                header = _decode(text)["header"]
                if header.get("requestId") is not None:
                    raise Deviates("nothing more for the request", f"{header['type']} {header.get('name')}")


class Target:
    """The service under test.

    Args:
        uri: of it.
        credentials: who we are.
        specification: the version of the standard to speak.
        patience: seconds for an answer.
        noticed: called with the name of a message, and what is wrong with it by its schema.
        publisher: the publisher's URI, if it is known.
        person: who stands before the device; None for nobody.
    """

    def __init__(
        self,
        uri: str,
        credentials: client.Credentials,
        specification: str = versions.NEWEST,
        *,
        patience: float = 10.0,
        noticed: Callable[[str, str], None] = lambda name, problem: None,
        publisher: str | None = None,
        person: Person | None = None,
    ) -> None:
        self.person = person
        self.uri = uri
        self.credentials = credentials
        self.specification = specification
        self.patience = patience
        self.publisher = publisher
        self.trace: list[str] = []
        self.show: Callable[[str, str], None] | None = None
        self.capabilities: dict[str, Any] = {}
        self.noticed = noticed
        self.checked: set[str] = set()
        """Names of the messages that were held against their schemas."""

    async def find_out(self) -> None:
        """Ask for the capabilities.

        Raises:
            Deviates: the service does not answer, or with what no list of interfaces can be read from.
            Disconnected: it cannot be reached.
        """
        async with self.conversation() as talk:
            answer = await talk.call("Common.Capabilities")
        if answer.code != "success":
            raise Deviates("capabilities", answer.told())
        try:
            offered_interfaces(answer.payload)
        except ValueError as wrong:
            raise Deviates("capabilities that list interfaces with their commands", str(wrong)) from None
        self.capabilities = answer.payload

    @cached_property
    def commands(self) -> dict[str, list[str]]:
        """Versions of each command that the service says it offers, by wire name."""
        found: dict[str, list[str]] = {}
        for interface in offered_interfaces(self.capabilities):
            for name, told in (interface.commands or {}).items():
                whole = name if "." in name else f"{interface.name}.{name}"
                found[whole] = (told.versions if told is not None else None) or []
        return found

    @cached_property
    def interfaces(self) -> list[str]:
        """Interfaces that the service says it has."""
        return [one.name for one in offered_interfaces(self.capabilities) if one.name is not None]

    def requires(self, command: str) -> None:
        """Go on only if the service offers a command.

        Raises:
            NotApplicable: it does not.
        """
        if command not in self.commands:
            raise NotApplicable(f"Common.Capabilities does not list {command}")

    @asynccontextmanager
    async def conversation(
        self, specification: str | None = None, uri: str | None = None
    ) -> AsyncIterator[Conversation]:
        """A connection of its own, for as long as the block lasts."""
        async with client.open_websocket(uri or self.uri, self.credentials) as (websocket, _):
            talk = Conversation(websocket, self, specification or self.specification)
            # What other services say is theirs to answer for.
            talk.checks = uri is None
            if talk.specification == versions.NEWEST:
                # A service of several versions may speak an older one until it is told.
                await talk.call("Common.SetVersions", _NEWEST_CHOICE)
            yield talk

    async def is_well(self) -> None:
        """The service still answers a newcomer.

        Raises:
            Deviates: it does not.
        """
        async with self.conversation() as talk:
            answer = await talk.call("Common.Status")
        if answer.code != "success":
            raise Deviates("a service that goes on, and answers Common.Status", answer.told())

    async def answers(self) -> bool:
        """Whether the service says anything to a newcomer, good or bad, at the latest after its patience: it
        may be that something starts it anew."""
        text = command_text(self.specification, "Common.Status")
        with trio.move_on_after(self.patience):
            while True:
                with suppress(client.Disconnected, trio_websocket.ConnectionClosed):
                    async with client.open_websocket(self.uri, self.credentials) as (websocket, _):
                        await websocket.send_message(text)
                        await websocket.get_message()
                        return True
                await trio.sleep(_AGAIN_SECONDS)
        return False

    def note(self, direction: str, text: str | bytes) -> None:
        """Keep a message for the trace, masked."""
        if self.show is not None:
            self.show(direction, text if isinstance(text, str) else text.decode(errors="replace"))
        if len(self.trace) < _MOST_KEPT:
            self.trace.append(f"{direction} {shortened(masked(text))}")

    def check(self, specification: str, kind: str, name: str, message: dict[str, Any]) -> None:
        """Hold a message against its schema; what is wrong is told to `noticed`.

        What answers a message of no interface has no schema.
        """
        if name.partition(".")[0] not in catalogue(specification)["interfaces"]:
            return
        self.checked.add(name)
        for problem in problems(specification, message):
            self.noticed(name, problem)
