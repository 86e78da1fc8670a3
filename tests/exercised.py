"""What was exercised: every message that services of ours send during the tests of tests/wire.

A frame is looked at where a connection puts it into its outgoing buffer, so that it does not matter
which client reads it, nor whether the test looks at it. Each is held against the schemas of its version: its
header's version says which, and where several versions of the standard have a message in the same version, it
is exercised in each whose schemas it keeps. A message that keeps none fails its test.

What was seen already in the same words is not looked at again: that makes it cheap.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, cast

import orjson

from traffic import catalogue
from xfs4iot.conformance.schemas import problems
from xfs4iot.protocol.adapters import SPECIFICATIONS, spelling
from xfs4iot.protocol.dialects import STANDARD
from xfs4iot.server.session import Session

__all__ = ["Exercised"]

_TEXT, _MASK = 1, 0x0F
_OLDEST = SPECIFICATIONS[0]
_VENDORS_OWN = re.compile(
    r"payload(\.lights){1,2}\.[^.]+ is unknown|interfaces\[\d+\]\.name: \S+ is not one of"
)
_TABLES = {"event": "events", "unsolicited": "events", "acknowledge": "commands", "completion": "commands"}


class Exercised:
    """What was seen on the wire, by version of the standard and name of the message.

    Attributes:
        outcomes: of commands: `success`, completion codes, and error codes of the command's own.
        events: names of events.
        messages: how many were looked at, repeated ones too.
        shown: what the running test has shown, by version: a command or an event, or a command and a code.
        afresh: each test shows all that is sent in it, what was sent before, too.
    """

    def __init__(self) -> None:
        self.outcomes: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.events: set[tuple[str, str]] = set()
        self.messages = 0
        self.shown: set[tuple[str, str]] = set()
        self.afresh = False
        self._wrong: list[str] = []
        self._listening = False
        self._seen: set[int] = set()

    def listen(self) -> None:
        """Look at what every service of this process sends, from now on."""
        send = cast("Callable[[Session, bytes], None]", Session.send)

        def observed(session: Session, frames: bytes) -> None:
            if self._listening and not session._closing and session.dialect is STANDARD:
                for text in _texts(frames):
                    self._look(text)
            send(session, frames)

        Session.send = observed  # type: ignore[method-assign]

    def begin(self, listening: bool) -> None:
        """A test begins; what it sends counts if `listening`."""
        self._listening = listening
        self._wrong.clear()
        self.shown.clear()
        if self.afresh:
            self._seen.clear()

    def wrong(self) -> list[str]:
        """What services sent in this test that is not their version's."""
        return self._wrong

    def has_seen(self, version: str, kind: str, name: str) -> bool:
        """Whether something of a version was seen: a command, an event, or a command and an error code."""
        message, _, code = name.partition(" ")
        if kind == "events":
            return (version, name) in self.events
        return (code or "success") in self.outcomes.get((version, message), ())

    def _look(self, text: bytes) -> None:
        message: dict[str, Any] = orjson.loads(text)
        self.messages += 1
        header = message["header"]
        request_id = header.get("requestId")
        if "requestId" in header:
            header["requestId"] = 0
        key = hash(orjson.dumps(message))
        if key in self._seen:
            return
        self._seen.add(key)
        if "requestId" in header:
            header["requestId"] = request_id
        self._record(message)

    def _record(self, message: Mapping[str, Any]) -> None:
        header = message["header"]
        kind, name = header["type"], header.get("name")
        if name is None or (kind == "acknowledge" and header.get("status", "ok") != "ok"):
            return  # Of something that could not be read: see `strict`.
        candidates = _versions(kind, name, header.get("version"))
        fields = header | message.get("payload", {})
        code = fields.get("completionCode", "success")
        if not candidates:
            # What a version lacks is refused in its own envelope; messages of the oldest in a later envelope
            # are nobody's schema: `strict` reads them.
            refused = kind == "acknowledge" or code == "unsupportedCommand"
            if not refused and not _is_of_the_oldest(name, header.get("version")) and _is_standard(name):
                self._wrong.append(f"{name} in version {header.get('version')} is no {kind} of the standard")
            return
        found = {version: _complaints(version, message) for version in candidates}
        for version in (one for one, wrong in found.items() if not wrong):
            spelt = spelling(name, version)
            if kind == "completion":
                ended = code if code != "commandErrorCode" else fields["errorCode"]
                self.outcomes[version, spelt].add(ended)
                self.shown.add((version, spelt if ended == "success" else f"{spelt} {ended}"))
            elif kind != "acknowledge":
                self.events.add((version, spelt))
                self.shown.add((version, spelt))
        if all(found.values()):
            self._wrong += found[candidates[-1]]


def _complaints(version: str, message: Mapping[str, Any]) -> list[str]:
    """What is wrong with a message; a vendor's own lights and interfaces are not."""
    header = message["header"]
    spelt = {**message, "header": {**header, "name": spelling(header["name"], version)}}
    return [one for one in problems(version, spelt) if not _VENDORS_OWN.search(one)]


def _texts(frames: bytes) -> Iterator[bytes]:
    """The payloads of unmasked frames, one behind the other, that hold text."""
    while frames:
        head = {126: 4, 127: 10}.get(frames[1], 2)
        end = head + (frames[1] if head == 2 else int.from_bytes(frames[2:head], "big"))
        if frames[0] & _MASK == _TEXT:
            yield frames[head:end]
        frames = frames[end:]


@cache
def _is_standard(name: str) -> bool:
    interface = name.partition(".")[0]
    return any(interface in catalogue(version)["interfaces"] for version in SPECIFICATIONS)


def _is_of_the_oldest(name: str, version: str | None) -> bool:
    interface, _, short = spelling(name, _OLDEST).partition(".")
    own = catalogue(_OLDEST)["interfaces"].get(interface, {"commands": {}, "events": {}})
    return version == "1.0" and (short in own["commands"] or short in own["events"])


@cache
def _versions(kind: str, name: str, version: str | None) -> tuple[str, ...]:
    """The versions of the standard that have a message in this version."""
    found = []
    for one in SPECIFICATIONS[1:] if version is not None else (_OLDEST,):
        interface, _, short = spelling(name, one).partition(".")
        own = catalogue(one)["interfaces"].get(interface, {}).get(_TABLES[kind], {}).get(short)
        if own is None:
            continue
        part = own["completion"] if kind == "completion" else own
        if kind == "acknowledge" or version is None or part["version"] == version:
            found.append(one)
    return tuple(found)
