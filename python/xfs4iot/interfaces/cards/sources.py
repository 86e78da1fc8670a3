"""What of a card can be read and written, and how requests name it."""

from __future__ import annotations

from typing import Any

from xfs4iot.protocol.messages import card_reader as messages

__all__ = ["SOURCES", "TRACKS", "wanted", "writes"]

TRACKS = {
    "track1": "track1",
    "track2": "track2",
    "track3": "track3",
    "track1_front": "track1Front",
    "track1_jis": "track1JIS",
    "track3_jis": "track3JIS",
}
"""Tracks that can be written: property and name."""
SOURCES = {
    **TRACKS,
    "watermark": "watermark",
    "ddi": "ddi",
    "front_image": "frontImage",
    "back_image": "backImage",
    "memory_chip": "memoryChip",
    "chip": "chip",
    "security": "security",
}
"""What can be read, in the order in which it is looked at."""


def wanted(request: messages.ReadRawData | None) -> list[str]:
    """What is to be read."""
    if request is None:
        return []
    return [name for field, name in SOURCES.items() if getattr(request, field)]


def writes(request: messages.WriteRawData | None) -> dict[str, Any]:
    """What is to be written, by track."""
    if request is None:
        return {}
    found = {name: getattr(request, field) for field, name in TRACKS.items()}
    return {name: track for name, track in found.items() if track is not None}
