"""What generators end with: write a file, or with `--check` only look whether it is what would be written."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["keep_current"]


def keep_current(target: Path, text: str) -> int:
    """Write `text` to `target`, or look at it; the exit code."""
    if "--check" not in sys.argv:
        target.write_text(text, "utf-8")
        return 0
    if target.exists() and target.read_text("utf-8") == text:
        return 0
    print(f"{target.name} is not current: run python tools/{Path(sys.argv[0]).name}", file=sys.stderr)
    return 1
