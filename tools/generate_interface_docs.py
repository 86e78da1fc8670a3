"""Write the tables of docs/interfaces/*.md: what each interface serves, checks and answers.

    python tools/generate_interface_docs.py            write them
    python tools/generate_interface_docs.py --check    fail if one is not what would be written

A page has a table between two marks; everything else in it is written by hand. An interface whose page is
missing gets one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from current import between_marks

from xfs4iot import devices
from xfs4iot.interfaces import MODULES, interface
from xfs4iot.interfaces.service_publisher import ServicePublisher
from xfs4iot.protocol import registry, versions
from xfs4iot.server.handler import Handled

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "interfaces"


def served() -> list[str]:
    """The interfaces that have rules here; the publisher's last, which no device has."""
    below = ROOT / "python" / "xfs4iot" / "interfaces"
    known = [name for name, module in MODULES.items() if (below / f"{module.replace('.', '/')}.py").exists()]
    return [*known, ServicePublisher.name]


def quoted(codes: Iterable[str]) -> str:
    """Codes as the cell of a table."""
    return ", ".join(f"`{code}`" for code in codes)


def how(mark: Handled) -> str:
    """When a command runs."""
    if not mark.waits:
        return "at once"
    return "beside the queue" if mark.beside_queue else "in turn"


def tables(name: str) -> Iterator[str]:
    """The lines of an interface's generated part."""
    publishers = name == ServicePublisher.name
    kind = ServicePublisher if publishers else interface(name)
    device = devices.Device if name == "Common" or publishers else getattr(devices, name)
    marks = list(kind.handled())
    if not publishers:
        home = "device" if name == "Common" else device.__module__.rpartition(".")[2]
        yield f"What a device class has for it: [{device.__name__}](../api/devices_{home}.md)."
        yield ""
    yield "## Commands"
    yield ""
    yield "| command | versions served | runs | offered if the device class has |"
    yield "|---|---|---|---|"
    for mark in marks:
        offered = ", ".join(versions.served(mark.command)) or "none"
        operation = mark.operation(device)
        needs = f"`{operation}`" if operation else "-"
        yield f"| `{mark.command}` | {offered} | {how(mark)} | {needs} |"
    yield ""
    events = {event for mark in marks for event in registry.command(mark.command).events}
    events |= set(registry.unsolicited_events(name))
    own = sorted(event for event in events if event.startswith(f"{name}."))
    if own:
        yield "## Events"
        yield ""
        yield "| event | versions served | goes to |"
        yield "|---|---|---|"
        for event in own:
            entry = registry.event(event)
            goes = "every client" if entry.unsolicited else "the command's client"
            yield f"| `{event}` | {', '.join(versions.served(event))} | {goes} |"
        yield ""
    looking = [mark for mark in marks if mark.checks or registry.command(mark.command).error_codes]
    if looking:
        yield "## What is looked at, in this order"
        yield ""
        yield "The first thing wrong is answered, and nothing has changed then."
        yield ""
    for mark in looking:
        yield f"### {mark.command}"
        yield ""
        yield "| looks at | answers |"
        yield "|---|---|"
        for one in mark.checks:
            yield f"| {one.text} | {quoted(one.codes)} |"
        if mark.device:
            yield f"| what the device says while it works | {quoted(mark.device)} |"
        for code, reason in mark.never.items():
            yield f"| never given: {reason} | `{code}` |"
        yield ""


def page(name: str) -> tuple[Path, str]:
    """The file of an interface's page, and what it should say."""
    module = MODULES.get(name, ServicePublisher.__module__)
    file = PAGES / f"{module.rpartition('.')[2]}.md"
    before = file.read_text("utf-8") if file.exists() else f"# {name}\n\n"
    return file, between_marks(before, tables(name))


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    stale = []
    for name in served():
        file, text = page(name)
        if not file.exists() or file.read_text("utf-8") != text:
            stale.append(file.name)
            if "--check" not in sys.argv[1:]:
                file.write_text(text, "utf-8")
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"{', '.join(stale)}: stale, run python tools/generate_interface_docs.py")
