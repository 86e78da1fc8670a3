"""A recording by exchanges: each command with all that the service sent because of it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import field

from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import wire
from xfs4iot.recording.entries import Entry, Recording

__all__ = ["Exchange", "Told", "by_service", "exchanges", "told_to_all"]


@dataclass
class Exchange:
    """A command and its answers.

    Attributes:
        command: the message.
        answers: acknowledge, events and completion, as they came.
        after: unsolicited events that came between its first answer and the next command's.
    """

    command: Entry
    answers: list[Entry] = field(default_factory=list)
    after: list[Entry] = field(default_factory=list)

    @property
    def completion(self) -> Entry | None:
        return next((one for one in self.answers if one.kind == "completion"), None)

    @property
    def events(self) -> list[Entry]:
        return [one for one in self.answers if one.kind in ("event", "unsolicited")]

    @property
    def refused(self) -> str:
        """The acknowledge's status, if the command was refused; else empty."""
        for one in self.answers:
            if one.kind == "acknowledge":
                status = one.part("header").get("status") or one.part("payload").get("status") or ""
                return "" if status == "ok" else str(status)
        return ""

    @property
    def microseconds(self) -> int | None:
        """From command to completion; None if it was never completed."""
        return None if (completion := self.completion) is None else completion.at - self.command.at


@dataclass
class Told:
    """What one service was asked and said, on all connections, in the order of its commands.

    Attributes:
        before: unsolicited events before any command.
        exchanges: of all connections.
    """

    before: list[Entry] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def unsolicited(self) -> list[Entry]:
        return [*self.before, *(event for one in self.exchanges for event in one.after)]


def exchanges(entries: Iterable[Entry]) -> Told:
    """What was asked and said on one connection."""
    told = Told()
    running: dict[int, Exchange] = {}
    latest: Exchange | None = None
    for entry in entries:
        if entry.sender == "client" and entry.kind == "command":
            one = Exchange(entry)
            told.exchanges.append(one)
            # A request id may be used again once its command has completed.
            if entry.request_id is not None:
                running[entry.request_id] = one
        elif entry.sender == "service":
            asked = None if entry.request_id is None else running.get(entry.request_id)
            if asked is not None:
                asked.answers.append(entry)
                latest = asked
            elif entry.kind in ("event", "unsolicited"):
                (told.before if latest is None else latest.after).append(entry)
    return told


def by_service(recording: Recording) -> dict[str, Told]:
    """What each service was asked and said; the publisher is the service without a name."""
    found: dict[str, Told] = {}
    for entries in recording.of_connections().values():
        told = exchanges(entries)
        whole = found.setdefault(entries[0].service, Told())
        whole.before += told.before
        whole.exchanges += told.exchanges
    for told in found.values():
        told.exchanges.sort(key=lambda one: one.command.at)
    return found


def told_to_all(recording: Recording) -> dict[str, Told]:
    """As `by_service`, but as a service tells unsolicited events: each once, after the command, of whatever
    connection, that came last before it; not once for each connection that heard it."""
    found = by_service(recording)
    heard: dict[str, list[Entry]] = {}
    known: set[tuple[str, bytes, int]] = set()
    for entries in recording.of_connections().values():
        times = Counter[tuple[str, bytes]]()
        for event in exchanges(entries).unsolicited:
            what = event.service, wire.encode([event.name, event.part("payload")])
            times[what] += 1
            if (occurrence := (*what, times[what])) not in known:
                known.add(occurrence)
                heard.setdefault(event.service, []).append(event)
    for service, told in found.items():
        told.before = []
        for one in told.exchanges:
            one.after = []
        began = [one.command.at for one in told.exchanges]
        for event in sorted(heard.get(service, ()), key=lambda event: event.at):
            place = bisect_right(began, event.at) - 1
            (told.exchanges[place].after if place >= 0 else told.before).append(event)
    return found
