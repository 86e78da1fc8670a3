"""Draw how a message travels, docs/architecture.svg; `--check` only looks whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from current import keep_current
from generate_atm_picture import DARK, STYLE, arrow, box, text

TARGET = Path(__file__).parent.parent / "docs" / "architecture.svg"

WIDTH, EDGE, STEP, HIGH = 1040, 20, 30, 74
WAY = (
    ("transport", ("TCP, TLS", "upgrade, limits")),
    ("_core", ("Rust: frames,", "the envelope")),
    ("server", ("sessions, queue,", "cancel, time-outs")),
    ("interfaces", ("rules, counts,", "order of checks")),
    ("devices", ("one abstract class", "per interface")),
    ("your class", ("moves the", "hardware")),
)
"""Rooms that a command passes, and what each does."""
BELOW = (
    ("protocol", "every message of three versions as data; adapters between them", 2),
    ("ledger", "intent before, outcome after; what outlives power loss", 3),
    ("simulator", "in place of yours: no hardware", 4),
)
"""Rooms that serve those above, and which room they begin below."""
ABOVE = (
    ("client, cli, stories", "applications"),
    ("recording, conformance", "try it"),
    ("telemetry, console", "look on"),
)
"""Rooms that stand on top."""


def picture() -> str:
    """The whole picture."""
    wide = (WIDTH - 2 * EDGE - STEP * (len(WAY) - 1)) / len(WAY)
    parts: list[str] = []
    y = 74.0
    for number, (name, said) in enumerate(WAY):
        x = EDGE + number * (wide + STEP)
        parts += [box(x, y, wide, HIGH, "card"), text(x + 10, y + 24, "h", name)]
        parts += [text(x + 10, y + 44 + 16 * line, "s", words) for line, words in enumerate(said)]
        if number:
            parts += [arrow(x - STEP + 4, y + 26, x - 4, y + 26), arrow(x - 4, y + 50, x - STEP + 4, y + 50)]
    top = (WIDTH - 2 * EDGE - 2 * STEP) / len(ABOVE)
    for number, (name, said) in enumerate(ABOVE):
        x = EDGE + number * (top + STEP)
        parts += [box(x, 16, top, 40, "zone"), text(x + 12, 41, "h", name)]
        parts.append(text(x + top - 12, 41, "s", said, "end"))
    for number, (name, said, first) in enumerate(BELOW):
        x, below = EDGE + first * (wide + STEP), y + HIGH + 18 + number * 48
        parts += [box(x, below, WIDTH - EDGE - x, 40, "zone"), text(x + 12, below + 25, "h", name)]
        parts.append(text(WIDTH - EDGE - 12, below + 25, "s", said, "end"))
    commands, events = y + HIGH + 40, y + HIGH + 62
    parts += [arrow(EDGE, commands, EDGE + 40, commands), text(EDGE + 50, commands + 4, "s", "commands")]
    parts += [
        arrow(EDGE + 40, events, EDGE, events),
        text(EDGE + 50, events + 4, "s", "acknowledges, events, completions"),
    ]
    height = y + HIGH + 18 + len(BELOW) * 48 + 8
    style = f"<style>{STYLE}@media (prefers-color-scheme:dark){{{DARK}}}</style>"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        'aria-label="The rooms that a command passes from the network to a device, and back">'
    )
    return "\n".join([head, style, box(0, 0, WIDTH, height, "page", 0), *parts, "</svg>", ""])


if __name__ == "__main__":
    sys.exit(keep_current(TARGET, picture()))
