"""How two recordings differ: what was asked, what was answered, in which order, how long it took.

Exchanges are paired by service and name, in order (`pairing`). Ignored are what differs
from run to run (request ids, times, texts of errors, addresses) and whatever is masked on either side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from xfs4iot.dataclass import dataclass
from xfs4iot.protocol.masking import is_masked
from xfs4iot.recording.entries import Entry, Recording
from xfs4iot.recording.exchanges import Exchange, Told, by_service
from xfs4iot.recording.pairing import pairs

__all__ = ["Deviation", "differences", "payload_differences"]

IGNORED = ("$..errorDescription", "$..serviceURI", "$..timeout")
"""Paths that differ from run to run; `$..name` is a property of that name anywhere."""
_ENVELOPE = {"completionCode", "status", "errorDescription", "timeout"}
"""What 2021-1 has in the payload, and later versions in the header."""
_MISSING = object()
_NOISE_MICROSECONDS = 20_000
"""What two runs may differ by without anybody having become slower."""


@dataclass(frozen=True)
class Deviation:
    """One difference.

    Attributes:
        service: of which service; empty for the publisher.
        number: of the exchange, from 1, in the expected recording; 0 for unsolicited events.
        command: its name, or `unsolicited events`.
        what: `command`, `request`, `acknowledge`, `events`, `completion`, `payload`, `time`.
        path: of the value in the payload; empty for what is no payload.
        expected, seen: the values; None for nothing there.
    """

    service: str
    number: int
    command: str
    what: str
    path: str
    expected: Any
    seen: Any


def differences(
    expected: Recording,
    seen: Recording,
    *,
    ignore: Iterable[str] = (),
    slower: float | None = None,
) -> list[Deviation]:
    """Everything in which `seen` differs from `expected`.

    Args:
        ignore: further paths to ignore, such as `$.positions[*].shutter` or `$..serialNumber`; `*` stands
            for any part.
        slower: a command that took so many times as long is a difference too; None: time does not matter.
    """
    ignored = (*IGNORED, *ignore)
    before, after = by_service(expected), by_service(seen)
    found: list[Deviation] = []
    for service in dict.fromkeys((*before, *after)):
        found += _of_service(
            service, before.get(service, Told()), after.get(service, Told()), ignored, slower
        )
    return found


def _of_service(
    service: str, expected: Told, seen: Told, ignored: tuple[str, ...], slower: float | None
) -> Iterator[Deviation]:
    names = [one.command.name for one in expected.exchanges]
    others = [one.command.name for one in seen.exchanges]
    number = 0
    for i, j in pairs(names, others):
        number = number if i is None else i + 1
        if i is not None and j is not None:
            one, other = expected.exchanges[i], seen.exchanges[j]
            yield from _of_exchange(service, number, one, other, ignored, slower)
        elif i is not None:
            yield Deviation(service, number, names[i], "command", "", names[i], None)
        elif j is not None:
            yield Deviation(service, number + 1, others[j], "command", "", None, others[j])
    yield from _of_events(service, 0, "unsolicited events", expected.unsolicited, seen.unsolicited, ignored)


def _of_exchange(
    service: str,
    number: int,
    expected: Exchange,
    seen: Exchange,
    ignored: tuple[str, ...],
    slower: float | None,
) -> Iterator[Deviation]:
    name = expected.command.name

    def deviation(what: str, path: str, one: Any, other: Any) -> Deviation:
        return Deviation(service, number, name, what, path, one, other)

    for path, one, other in _payloads(expected.command, seen.command, ignored):
        yield deviation("request", path, one, other)
    if expected.refused != seen.refused:
        yield deviation("acknowledge", "", expected.refused or "ok", seen.refused or "ok")
    yield from _of_events(service, number, name, expected.events, seen.events, ignored)
    one_code, other_code = _code(expected.completion), _code(seen.completion)
    if one_code != other_code:
        yield deviation("completion", "", one_code, other_code)
    if expected.completion is not None and seen.completion is not None:
        for path, one, other in _payloads(expected.completion, seen.completion, ignored):
            yield deviation("payload", path, one, other)
    before, after = expected.microseconds, seen.microseconds
    if slower is None or before is None or after is None:
        return
    if after > before * slower and after - before > _NOISE_MICROSECONDS:
        yield deviation("time", "", before, after)


def _of_events(
    service: str,
    number: int,
    command: str,
    expected: list[Entry],
    seen: list[Entry],
    ignored: tuple[str, ...],
) -> Iterator[Deviation]:
    names, others = [one.name for one in expected], [one.name for one in seen]
    if names != others:
        yield Deviation(service, number, command, "events", "", names, others)
        return
    for one, other in zip(expected, seen, strict=True):
        for path, value, instead in _payloads(one, other, ignored):
            yield Deviation(service, number, command, "events", f"{one.name} {path}", value, instead)


def _code(completion: Entry | None) -> str | None:
    if completion is None:
        return None
    header, payload = completion.part("header"), completion.part("payload")
    return str(header.get("completionCode") or payload.get("completionCode") or "success")


def _payloads(expected: Entry, seen: Entry, ignored: tuple[str, ...]) -> Iterator[tuple[str, Any, Any]]:
    one, other = (
        {name: value for name, value in entry.part("payload").items() if name not in _ENVELOPE}
        for entry in (expected, seen)
    )
    return payload_differences(one, other, ignored)


def payload_differences(
    expected: Any, seen: Any, ignored: tuple[str, ...] = IGNORED, path: str = "$"
) -> Iterator[tuple[str, Any, Any]]:
    """Path, expected and seen value of all in which two payloads differ; null and nothing are the same."""
    if any(_matches(path, pattern) for pattern in ignored):
        return
    if isinstance(expected, dict) and isinstance(seen, dict):
        for name in dict.fromkeys((*expected, *seen)):
            yield from payload_differences(expected.get(name), seen.get(name), ignored, f"{path}.{name}")
    elif isinstance(expected, list) and isinstance(seen, list):
        for place in range(max(len(expected), len(seen))):
            one, other = (values[place] if place < len(values) else _MISSING for values in (expected, seen))
            if one is _MISSING or other is _MISSING:
                yield (
                    f"{path}[{place}]",
                    None if one is _MISSING else one,
                    None if other is _MISSING else other,
                )
            else:
                yield from payload_differences(one, other, ignored, f"{path}[{place}]")
    elif not (is_masked(expected) or is_masked(seen)) and (
        expected != seen or isinstance(expected, bool) != isinstance(seen, bool)
    ):
        yield path, expected, seen


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("$.."):
        return path.rpartition(".")[2].partition("[")[0] == pattern[3:]
    # The brackets of a list are no set of characters here.
    return fnmatchcase(path, pattern.replace("[", "[[]"))
