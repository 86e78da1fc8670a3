"""What generators end with: write a file, or with `--check` only look whether it is what would be written.

Of a page that is written by hand, a generator writes what is between two marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["between_marks", "keep_current"]

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def between_marks(page: str, lines: Iterable[str]) -> str:
    """A page with these lines between its marks; a page without marks gets them at its end."""
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n" + "\n".join(lines).rstrip() + f"\n{END}{tail}"


def keep_current(target: Path, text: str) -> int:
    """Write `text` to `target`, or look at it; the exit code."""
    if "--check" not in sys.argv:
        target.write_text(text, "utf-8")
        return 0
    if target.exists() and target.read_text("utf-8") == text:
        return 0
    print(f"{target.name} is not current: run python tools/{Path(sys.argv[0]).name}", file=sys.stderr)
    return 1
