"""Writes docs/troubleshooting/: every message that the program can print; `--check` only compares.

What a message does not say by itself stands in docs/troubleshooting/remedies.toml, under its text.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from current import keep_current
from messages_in_code import Message, messages

from xfs4iot.protocol import errors

TARGET = Path(__file__).resolve().parent.parent / "docs" / "troubleshooting"
REMEDIES = TARGET / "remedies.toml"


@dataclass(frozen=True)
class Page:
    """Args:
    file: its name.
    title: its heading.
    opening: what stands above the messages.
    holds: whether a message stands on it; it stands on the first that holds it.
    group: the heading above a message, or nothing.
    sure: whether each message there must say what to do.
    """

    file: str
    title: str
    opening: str
    holds: Callable[[Message], bool]
    group: Callable[[Message], str]
    sure: bool = False


def _answer_of(message: Message) -> str | None:
    """The completion code that goes with an exception; None if a client does not see it."""
    kind = getattr(errors, message.raised, None)
    return kind.completion_code if isinstance(kind, type) and issubclass(kind, errors.XfsError) else None


def _interface(message: Message) -> str:
    parts = message.module.removesuffix(".py").removesuffix("/__init__").split("/")
    return " ".join(parts[1:]).replace("_", " ").capitalize() or "General"


PAGES = (
    Page(
        "log.md",
        "Messages in the log",
        "Warnings and errors of a running service. `<…>` stands for what is filled in.",
        lambda message: message.raised.startswith("log."),
        lambda _: "",
        sure=True,
    ),
    Page(
        "simulator.md",
        "Messages of the simulated devices",
        "What a simulated device answers, and what is wrong with an `atm.toml`, a scenario or a `Simulator` "
        "command. A real device's class says its own.",
        lambda message: message.module.startswith("simulator/"),
        _interface,
    ),
    Page(
        "answers.md",
        "Messages in answers",
        "The `errorDescription` of completions, by the part of the program that says it. The completion code "
        "tells whose turn it is, see [Troubleshooting](../troubleshooting.md).",
        lambda message: message.module.startswith(("interfaces/", "protocol/", "printing/", "devices/")),
        _interface,
    ),
    Page(
        "terminal.md",
        "Messages at the terminal",
        "What `xfs4iot` and the modules that an application imports say when something cannot be done.",
        lambda _: True,
        _interface,
        sure=True,
    ),
)


def _paragraphs(message: Message, remedies: Mapping[str, str]) -> Iterable[str]:
    code = _answer_of(message)
    if code is not None:
        yield f"`{code}`" + (f", error code `{message.code}`" if message.code else "")
    if remedy := remedies.get(message.text):
        yield remedy


def _page(page: Page, found: list[Message], remedies: Mapping[str, str]) -> str:
    lines = [f"# {page.title}", "", page.opening]
    told: set[str] = set()
    for group, some in groupby(sorted(found, key=page.group), page.group):
        if group:
            lines += ["", f"## {group}"]
        for message in some:
            if message.text in told:
                continue
            told.add(message.text)
            text = message.text.replace("`", "'")
            lines += ["", f"{'###' if group else '##'} `{text}`"]
            for paragraph in _paragraphs(message, remedies):
                lines += ["", paragraph]
    return "\n".join(lines) + "\n"


def main() -> int:
    remedies: dict[str, str] = tomllib.loads(REMEDIES.read_text("utf-8"))["remedies"]
    left = messages()
    texts = {message.text for message in left}
    faults = [f"remedies.toml: no message says {text!r}" for text in remedies if text not in texts]
    status = 0
    for page in PAGES:
        here = [message for message in left if page.holds(message)]
        left = [message for message in left if not page.holds(message)]
        if page.sure:
            faults += [
                f"remedies.toml: say what to do about {message.text!r} ({message.module})"
                for message in here
                if message.text not in remedies and ";" not in message.text
            ]
        status |= keep_current(TARGET / page.file, _page(page, here, remedies))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else status


if __name__ == "__main__":
    sys.exit(main())
