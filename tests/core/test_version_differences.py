"""Every difference between the versions of the standard is dealt with, in all interfaces.

The differences are computed from the catalogue. Payloads of every message are generated from one
version's schema, taken to another version, and validated against that version's schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from traffic import Traffic
from xfs4iot.protocol import adapters, differences
from xfs4iot.protocol.adaptation import adapt
from xfs4iot.protocol.adapters import (
    CHANGES,
    FALLBACKS,
    NEWEST,
    SENT_OTHERWISE,
    SPECIFICATIONS,
    STEPS,
    WITHDRAWN,
    canonical,
    spelling,
)
from xfs4iot.protocol.adapters.changes import Left, Moved, Part, Reshaped, Values, compiled
from xfs4iot.protocol.adapters.formats import FORMATS
from xfs4iot.protocol.catalogue import catalogue

OLDER = SPECIFICATIONS[:-1]


def schema(version: str, part: str, name: str) -> dict[str, Any] | None:
    interface, _, short = name.partition(".")
    own = catalogue(version)["interfaces"][interface]
    if part == "event":
        return own["events"][short]["payload"]
    command = own["commands"][short]
    return command["payload"] if part == "request" else command["completion"]["payload"]


def shared(version: str) -> list[tuple[Part, str]]:
    """The message parts that a version has in common with the newest, by the version's own names."""
    found: list[tuple[Part, str]] = []
    for interface, own in catalogue(version)["interfaces"].items():
        newest = catalogue(NEWEST)["interfaces"].get(interface, {"commands": {}, "events": {}})
        for kind, parts in (("commands", ("request", "completion")), ("events", ("event",))):
            for short in own[kind]:
                if canonical(f"{interface}.{short}").partition(".")[2] in newest[kind]:
                    found += [(part, f"{interface}.{short}") for part in parts]
    return found


def paths(content: Any, path: str = "") -> set[str]:
    """Every path at which a payload has something."""
    found = {path}
    if isinstance(content, dict):
        for key, value in content.items():
            found |= paths(value, f"{path}.{key}" if path else key)
            found |= paths(value, f"{path}.*" if path else "*")
    elif isinstance(content, list):
        for value in content:
            found |= paths(value, f"{path}[]")
    return found


@pytest.mark.parametrize("older", STEPS)
def test_every_difference_has_an_adapter_or_a_reason(older: str) -> None:
    missing = [
        f"{part} {name}: {one.path} {one.kind} {one.went or one.came or ''}"
        for part, name, newer_name in differences.messages(older)
        for one in differences.open_differences(older, part, name, newer_name)
    ]
    assert not missing, f"{older} → {STEPS[older]}, give these an adapter or a reason:\n" + "\n".join(missing)


def test_no_adapter_is_for_what_does_not_differ() -> None:
    parts = {
        (older, part, canonical(name)): {
            one.path for one in differences.differences(older, part, name, newer_name)
        }
        for older in STEPS
        for part, name, newer_name in differences.messages(older)
    }
    for key, changes in CHANGES.items():
        for change in changes:
            named = [change.path] if isinstance(change, Values) else change.covers
            for path in named:
                known = any(one == path or one.startswith((f"{path}.", f"{path}[")) for one in parts[key])
                assert known, f"{key}: {path} does not differ"
            if isinstance(change, Left):
                assert change.reason, key


@pytest.mark.parametrize("file", sorted(Path(adapters.__path__[0]).glob("*.py")), ids=lambda file: file.stem)
def test_everything_about_the_versions_of_an_interface_stands_in_its_module(file: Path) -> None:
    if file.stem in ("__init__", "changes", "formats"):
        return
    module = import_module(f"{adapters.__name__}.{file.stem}")
    names = {name for _, _, name in module.CHANGES} - COMPOSED
    for fact in ("SPELT", "SENT_OTHERWISE", "WITHDRAWN"):
        names |= {name for _, name in getattr(module, fact, {})}
    names |= {*getattr(module, "TOLD_BY", ())}
    names |= {name for told in getattr(module, "TOLD_APART", {}).values() for name, _ in told}
    interfaces = {"".join(part.title() for part in file.stem.split("_"))}
    assert {name.partition(".")[0] for name in names} <= interfaces


COMPOSED = {"Common.Capabilities", "Common.Status", "Common.StatusChangedEvent"}
"""Messages that have a part of each interface."""


def test_every_format_that_is_listed_occurs() -> None:
    seen = {
        (one.went[0], one.came[0])
        for older in STEPS
        for part, name, newer_name in differences.messages(older)
        for one in differences.differences(older, part, name, newer_name)
        if one.kind == "format"
    }
    assert FORMATS.keys() <= seen


def test_what_an_older_version_cannot_say_as_an_error_code_has_a_completion_code() -> None:
    known = set(catalogue(NEWEST)["completionCodes"])
    assert all(set(catalogue(version)["completionCodes"]) - {"success"} == known for version in OLDER)
    assert set(FALLBACKS.values()) <= known
    for version in OLDER:
        for part, name in shared(version):
            if part == "completion":
                own, newest = (codes(one, spelling(name, one)) for one in (version, NEWEST))
                assert newest - own <= FALLBACKS.keys(), f"{version} {name}: {newest - own}"


def codes(version: str, name: str) -> set[str]:
    interface, _, short = name.partition(".")
    own = catalogue(version)["interfaces"][interface]["commands"][short]
    return set(own["completion"].get("errorCodes") or ())


def test_events_that_a_version_sends_otherwise_are_listed() -> None:
    computed = {}
    for version in OLDER:
        for part, name in shared(version):
            if part == "event":
                interface, _, short = name.partition(".")
                own, newest = (
                    catalogue(one)["interfaces"][interface]["events"][short]["kind"]
                    for one in (version, NEWEST)
                )
                if own != newest:
                    computed[version, name] = own
    assert computed == SENT_OTHERWISE


@pytest.mark.parametrize("version", OLDER)
def test_what_the_newest_says_is_valid_in_every_older_version(version: str) -> None:
    traffic = Traffic(NEWEST, seed=1)
    for part, name in shared(version):
        if part == "request":
            continue
        older = schema(version, part, name)
        for _ in range(6):
            payload = traffic.payload(schema(NEWEST, part, canonical(name)))
            adapted = adapt(part, canonical(name), json.dumps(payload).encode(), version)
            content = json.loads(adapted or b"{}")
            if older is None:
                assert content == {}, name
                continue
            valid(version, older, content, f"{version} {part} {name}")


@pytest.mark.parametrize("version", OLDER)
def test_what_an_older_version_asks_is_valid_in_the_newest(version: str) -> None:
    traffic = Traffic(version, seed=2)
    refused = {(version, key[2], path) for key, changes in CHANGES.items() for path in left(changes)}
    for part, name in shared(version):
        newest = schema(NEWEST, part, canonical(name))
        if part != "request" or newest is None:
            continue
        for _ in range(6):
            payload = traffic.payload(schema(version, part, name))
            for kept in [path for (_, message, path) in refused if message == canonical(name)]:
                payload.pop(kept, None)
            adapted = adapt(part, name, json.dumps(payload).encode(), version)
            valid(NEWEST, newest, json.loads(adapted or b"{}"), f"{version} {part} {name}")


def left(changes: Any) -> list[str]:
    return [path for change in changes if isinstance(change, Left) for path in change.paths]


def valid(version: str, form: dict[str, Any], content: Any, where: str) -> None:
    """Valid but for the formats of texts and bounds of numbers, which are not adapted."""
    whole = {**form, "definitions": catalogue(version)["definitions"]}
    for error in innermost(jsonschema.Draft202012Validator(whole).iter_errors(content)):
        # Flags that exclude each other become one value, `eject and retract`, which the service refuses.
        exclude = error.validator == "enum" and " and " in str(error.instance)
        allowed = exclude or error.validator in ("pattern", "minimum", "maximum")
        assert allowed, f"{where}: {error.json_path}: {error.message}"


def innermost(found: Iterable[jsonschema.ValidationError]) -> Iterator[jsonschema.ValidationError]:
    """What is wrong, below the choice between an object and null."""
    for error in found:
        inner = [one for one in error.context or () if one.validator_value != "null"]
        yield from innermost(inner) if inner else (error,)


@pytest.mark.parametrize("key", CHANGES, ids=".".join)
def test_adapters_say_what_they_are_for(key: tuple[str, Part, str]) -> None:
    older, part, name = key
    up = part == "request"
    source = older if up else STEPS[older]
    adapter = compiled(CHANGES[key], up) or (lambda content: content)
    seen: set[str] = set()
    for seed in range(40):
        payload = Traffic(source, seed).payload(schema(source, part, spelling(name, source)))
        seen |= paths(adapter(payload))
    for change in CHANGES[key]:
        wanted = change.covers if isinstance(change, Reshaped) and not up else ()
        if isinstance(change, Moved):
            wanted = (change.newer if up else change.older,)
        for path in wanted:
            said = any(one == path or one.startswith((f"{path}.", f"{path}[")) for one in seen)
            assert said or (name, path) in UNSAID, f"no {path}"


UNSAID = {
    ("Printer.GetQueryForm", "formName"): "the client has just named it",
    ("TextTerminal.GetQueryForm", "formName"): "the client has just named it",
}
"""Properties of an older version that the newer does not carry, and why."""


def test_what_a_later_version_withdrew_is_listed_with_what_tells_the_same() -> None:
    gone = set()
    for version in OLDER:
        newer = catalogue(STEPS[version])["interfaces"]
        for interface, own in catalogue(version)["interfaces"].items():
            for kind in ("commands", "events"):
                for short in own[kind]:
                    spelt = spelling(f"{interface}.{short}", STEPS[version]).partition(".")[2]
                    message = newer[interface][kind].get(spelt)
                    if message is None or message.get("registered") is False:
                        gone.add((version, f"{interface}.{short}"))
    assert gone == WITHDRAWN.keys()


@pytest.mark.parametrize("version", OLDER)
def test_no_request_however_wrong_breaks_an_adapter(version: str) -> None:
    traffic = Traffic(version, seed=3)
    tried = 0
    for part, name in shared(version):
        if part != "request" or (traffic.commands[name]["payload"] is None):
            continue
        for number in range(40):
            text = traffic.mutated(traffic.command(name, number + 1))
            try:
                payload = json.dumps(json.loads(text)["payload"], allow_nan=False).encode()
            except (ValueError, KeyError, TypeError):
                continue
            adapt("request", name, payload, version)
            tried += 1
    assert tried > 1000
