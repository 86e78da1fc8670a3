"""Draw the simulated ATM of the default profile, docs/atm.svg; `--check` only looks whether it is current.

What is drawn is asked of the devices themselves: services and their interfaces, units and what they hold,
the commands of `Simulator` that each of them brings, how many faults each has. Only where a device stands in
the machine, and what else lies where in it, is said here; a device that is not placed is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from current import keep_current

import xfs4iot
from xfs4iot.simulator import atm
from xfs4iot.simulator.commands import offered
from xfs4iot.simulator.control import Simulator
from xfs4iot.simulator.device import SimulatedDevice

TARGET = Path(__file__).parent.parent / "docs" / "atm.svg"

WIDTH, EDGE, GAP = 1040, 20, 14
COLUMNS = 3
INSIDE = 12
ROW, PILL, CHIP = 17, 20, 20
CHARACTER = 6.7
"""Of the fonts in which all characters are equally wide, at 11 px."""

FRONT = (
    "CardReader",
    "PinPad",
    "ReceiptPrinter",
    "Check",
    "Deposit",
    "Biometric",
    "BarcodeReader",
    "Camera",
    "Lights",
)
BACK = ("TextTerminal", "JournalPrinter", "Auxiliaries", "VendorMode", "VendorApplication")
SAFE = ("CashDispenser",)
LYING: Mapping[str, Sequence[str]] = {
    "CardReader": ("slot", "transport"),
    "PinPad": ("16 keys, 8 function keys", "key store"),
    "ReceiptPrinter": ("roll, 80 m", "print position", "slot"),
    "JournalPrinter": ("roll, 80 m",),
    "Check": ("slot", "scanner", "stacker"),
    "Deposit": ("slot", "printer", "container, 200", "supply, 100 envelopes"),
    "Biometric": ("finger", "templates, 64 kB"),
    "BarcodeReader": ("window",),
    "Camera": ("four cameras", "medium, 100 pictures"),
    "Lights": ("lamps at every slot",),
    "TextTerminal": ("screen", "keyboard", "key lock"),
    "Auxiliaries": ("doors", "sensors", "UPS and battery"),
    "VendorMode": ("registered applications",),
    "VendorApplication": ("two programs", "two screens"),
    "CashDispenser": (),
}
"""What else is where in a device, besides its units."""

GIVING = ("cashOut", "replenishment")
"""Uses of a cash unit in which notes leave it."""

STYLE = """
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2430}
.m{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:11px}
.h{font-size:15px;font-weight:600}.z{font-size:13px;font-weight:600;fill:#5b6472}
.s{font-size:11px;fill:#5b6472}
.page{fill:#ffffff}.zone{fill:#f2f4f7;stroke:#cfd5dd}.safe{fill:#e9edf2;stroke:#8792a2;stroke-width:3}
.card{fill:#ffffff;stroke:#cfd5dd}.chip{fill:#f2f4f7;stroke:#cfd5dd}
.pill{fill:#e4effd;stroke:#a9c8f0}.hand{fill:#1b4f91}
.line{stroke:#5b6472;stroke-width:1.5;fill:none}.tip{fill:#5b6472}
"""
DARK = """
text{fill:#e6e9ef}.z,.s{fill:#a3adbb}
.page{fill:#11151c}.zone{fill:#181d26;stroke:#333c4a}.safe{fill:#1c222d;stroke:#7b8798}
.card{fill:#222a36;stroke:#3a4454}.chip{fill:#181d26;stroke:#3a4454}
.pill{fill:#1d3350;stroke:#2f5583}.hand{fill:#a8cdfb}
.line{stroke:#a3adbb}.tip{fill:#a3adbb}
"""


@dataclass
class Drawn:
    """Something that was drawn: its elements from its own left upper edge, and its height."""

    elements: list[str]
    height: float

    def at(self, x: float, y: float) -> str:
        return f'<g transform="translate({x:g} {y:g})">' + "".join(self.elements) + "</g>"


def text(x: float, y: float, style: str, content: str, anchor: str = "start") -> str:
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{style}" x="{x:g}" y="{y:g}"{where}>{escape(content)}</text>'


def box(x: float, y: float, width: float, height: float, style: str, radius: float = 8) -> str:
    return (
        f'<rect class="{style}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}"/>'
    )


def flowing(words: Iterable[str], width: float, style: str, written: str, height: float) -> Drawn:
    """Boxes with a text in each, as many to a line as there is room for."""
    elements: list[str] = []
    x = y = 0.0
    for word in words:
        size = len(word) * CHARACTER + 14
        if x and x + size > width:
            x, y = 0.0, y + height + 5
        elements.append(box(x, y, size, height, style, height / 2 if style == "pill" else 4))
        elements.append(text(x + size / 2, y + height / 2 + 4, f"m{written}", word, "middle"))
        x += size + 5
    return Drawn(elements, y + height if elements else 0)


def units(device: SimulatedDevice) -> list[str]:
    """The units of a device that is no cash device, and what they are for."""
    found = []
    for name, unit in dict(device.options.get("units") or {}).items():
        said: Mapping[str, Any] = dict(unit)
        if said.get("count"):
            found.append(f"{name}: {said['count']} {said.get('card', '')}".rstrip())
        else:
            use = said.get("type") or "/".join(said.get("uses", ())) or ""
            found.append(f"{name}: {use or 'empty'}, room for {said['capacity']}")
    return found


def cards(device: SimulatedDevice) -> list[str]:
    """The cards that people have."""
    having = len(dict(device.options.get("cards") or {}))
    return [f"{having} cards in people's hands"] if having else []


def hands(device: SimulatedDevice) -> list[str]:
    return [name.partition(".")[2] for name, _ in offered(device)]


def interfaces(service: Any) -> str:
    return ", ".join(name for name in service.interfaces if name not in ("Common", "PowerManagement"))


def wrapped(content: str, width: float) -> list[str]:
    """Lines of a text of 11 px, in which a character has about 6 px."""
    lines = [""]
    for word in content.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) * 6 > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def card(service: Any, width: float, middle: Drawn | None = None) -> Drawn:
    """A device: its name, its interfaces, what is where in it, and what can be done to it."""
    device: SimulatedDevice = service.device
    inside = width - 2 * INSIDE
    y = 24.0
    elements = [
        text(INSIDE, y, "h", service.name),
        text(width - INSIDE, y, "s", f"{len(device.faults.table)} faults", "end"),
    ]
    said = interfaces(service)
    if said != service.name:
        for line in wrapped(said, inside):
            y += ROW - 1
            elements.append(text(INSIDE, y, "s", line))
    y += 9
    if middle is None:
        middle = flowing([*LYING[service.name], *cards(device), *units(device)], inside, "chip", "", CHIP)
    elements.append(middle.at(INSIDE, y))
    y += middle.height + 10
    pills = flowing(hands(device), inside, "pill", " hand", PILL)
    elements.append(pills.at(INSIDE, y))
    y += pills.height + INSIDE
    return Drawn([box(0, 0, width, y, "card"), *elements], y)


def arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """A straight line with a tip, horizontal or vertical."""
    tip = (
        f"{to_x:g},{to_y:g} {to_x - 5:g},{to_y - 9:g} {to_x + 5:g},{to_y - 9:g}"
        if to_x == x and to_y > y
        else f"{to_x:g},{to_y:g} {to_x - 5:g},{to_y + 9:g} {to_x + 5:g},{to_y + 9:g}"
        if to_x == x
        else f"{to_x:g},{to_y:g} {to_x - 9:g},{to_y - 5:g} {to_x - 9:g},{to_y + 5:g}"
        if to_x > x
        else f"{to_x:g},{to_y:g} {to_x + 9:g},{to_y - 5:g} {to_x + 9:g},{to_y + 5:g}"
    )
    return f'<path class="line" d="M{x:g} {y:g}L{to_x:g} {to_y:g}"/><polygon class="tip" points="{tip}"/>'


def cash(device: SimulatedDevice, width: float) -> Drawn:
    """The way of the notes: slot, transport, stacker, and the units below."""
    places = ("slot with shutter", "transport and reader", "stacker, 200 notes")
    size, high = 230.0, 34.0
    between = (width - len(places) * size) / (len(places) - 1)
    elements = []
    for number, place in enumerate(places):
        x = number * (size + between)
        elements.append(box(x, 0, size, high, "chip", 4))
        elements.append(text(x + size / 2, high / 2 + 4, "m", place, "middle"))
        if number:
            left, right = x - between + 4, x - 4
            elements.append(arrow(left, high / 2 - 6, right, high / 2 - 6))
            elements.append(arrow(right, high / 2 + 6, left, high / 2 + 6))
    boxes = dict(device.options["units"])
    one = (width - (len(boxes) - 1) * 10) / len(boxes)
    top, tall = high + 56, 92.0
    stacker = (len(places) - 1) * (size + between) + size / 2
    rail = high + 26
    elements.append(f'<path class="line" d="M{one / 2:g} {rail:g}H{width - one / 2:g}"/>')
    elements.append(arrow(stacker - 6, rail, stacker - 6, high + 4))
    elements.append(arrow(stacker + 6, high + 4, stacker + 6, rail - 2))
    for number, (name, unit) in enumerate(boxes.items()):
        x = number * (one + 10)
        uses = unit.get("uses", ["cashOut"])
        gives = [use in GIVING for use in uses]
        middle = x + one / 2
        if any(gives):
            at = middle - (0 if all(gives) else 6)
            elements.append(arrow(at, top - 3, at, rail + 2))
        if not all(gives):
            at = middle + (6 if any(gives) else 0)
            elements.append(arrow(at, rail, at, top - 3))
        elements.append(box(x, top, one, tall, "chip", 4))
        holds = f"{unit['value']} {unit['currency']}" if "value" in unit else "all kinds"
        count = unit.get("count", 0)
        for line, (style, content) in enumerate(
            [
                ("h", name),
                ("m", f"{count} × {holds}" if count else f"none of {holds}" if "value" in unit else "empty"),
                *(("s", use) for use in uses),
            ]
        ):
            elements.append(text(x + one / 2, top + 18 + 16 * line, style, content, "middle"))
    return Drawn(elements, top + tall)


def zone(title: str, said: str, cards: Sequence[Drawn], columns: int, style: str = "zone") -> Drawn:
    """A part of the machine: its devices in columns, each where the column is shortest."""
    width = (WIDTH - 2 * EDGE - 2 * GAP - (columns - 1) * GAP) / columns
    heights = [40.0] * columns
    elements = []
    for one in cards:
        column = heights.index(min(heights))
        elements.append(one.at(GAP + column * (width + GAP), heights[column]))
        heights[column] += one.height + GAP
    height = max(heights)
    head = [
        box(0, 0, WIDTH - 2 * EDGE, height, style, 12),
        text(GAP + 2, 25, "z", title),
        text(WIDTH - 2 * EDGE - GAP - 2, 25, "s", said, "end"),
    ]
    return Drawn([*head, *elements], height)


def picture() -> str:
    """The whole picture."""
    services = {one.name: one for one in atm(ledger=xfs4iot.Ledger.open(None), seconds=0)}
    control = services.pop("Simulator")
    if set(services) != {*FRONT, *BACK, *SAFE}:
        raise SystemExit(
            f"place these in the picture, or take them out: {set(services) ^ {*FRONT, *BACK, *SAFE}}"
        )
    third = (WIDTH - 2 * EDGE - (COLUMNS + 1) * GAP) / COLUMNS
    whole = WIDTH - 2 * EDGE - 2 * GAP
    notes = services["CashDispenser"]
    of_all = [name.partition(".")[2] for name, _ in offered(control.interface(Simulator))]
    strip = flowing(of_all, whole, "pill", " hand", PILL)
    zones = [
        zone(
            "In front",
            "where customers put their hands",
            [card(services[one], third) for one in FRONT],
            COLUMNS,
        ),
        zone(
            "Behind",
            "where operators and engineers work",
            [card(services[one], third) for one in BACK],
            COLUMNS,
        ),
        zone(
            "In the safe",
            "arrows: the ways of the notes",
            [card(notes, whole, cash(notes.device, whole - 2 * INSIDE))],
            1,
            "safe",
        ),
        Drawn(
            [
                box(0, 0, WIDTH - 2 * EDGE, 40 + strip.height + GAP, "zone", 12),
                text(GAP + 2, 25, "z", "Time, luck and truth"),
                text(WIDTH - 2 * EDGE - GAP - 2, 25, "s", "of all devices", "end"),
                strip.at(GAP, 40),
            ],
            40 + strip.height + GAP,
        ),
    ]
    y = 58.0
    body = []
    for one in zones:
        body.append(one.at(EDGE, y))
        y += one.height + GAP
    height = y + 2
    place, hand = "where things are", "what hands and bad luck do: Simulator.…"
    right = WIDTH - EDGE - len(hand) * CHARACTER - 14
    left = right - len(place) * CHARACTER - 22
    key = [
        text(EDGE, 34, "h", "What is in the simulated ATM"),
        flowing([place], WIDTH, "chip", "", CHIP).at(left, 20),
        flowing([hand], WIDTH, "pill", " hand", PILL).at(right, 20),
    ]
    dark = "@media (prefers-color-scheme:dark){" + DARK.replace("\n", "") + "}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        'aria-label="The devices of the simulated ATM, what is in them, and what can be done to them">\n'
        f"<style>{STYLE}{dark}</style>\n"
        + box(0, 0, WIDTH, height, "page", 12)
        + "".join(key)
        + "\n"
        + "\n".join(body)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    sys.exit(keep_current(TARGET, picture()))
