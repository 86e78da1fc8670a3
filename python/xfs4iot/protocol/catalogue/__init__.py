"""The messages of each version of the standard, as data: names, types, enumerations, versions."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["catalogue"]


@cache
def catalogue(specification: str) -> dict[str, Any]:
    """Everything that one version of the standard says about its messages."""
    text = Path(__file__).with_name(f"{specification}.json").read_bytes()
    content: dict[str, Any] = msgspec.json.decode(text)
    return content
