"""The messages of each version of the standard, as data: names, types, enumerations, versions."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["catalogue"]


@cache
def catalogue(specification: str) -> dict[str, Any]:
    """Everything that one version of the standard says about its messages."""
    text = files(__name__).joinpath(f"{specification}.json").read_text("utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
