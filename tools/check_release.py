"""Whether the tree can be released under a tag: the version is said once, and the changelog has it.

    python tools/check_release.py v1.2.0

The version stands in `Cargo.toml`; package, module and wheels take it from there.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_TAG = re.compile(r"v(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")
_SECTION = re.compile(r"^## (?P<title>.+?)\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_DATED = re.compile(r"(\S+) \((\d{4}-\d{2}-\d{2})\)")


def problems(tag: str, cargo: str, changelog: str) -> Iterator[str]:
    """What forbids a release, and what to do about it.

    Args:
        tag: of git, `v1.2.0`.
        cargo: the text of `Cargo.toml`.
        changelog: the text of `CHANGELOG.md`.
    """
    if (named := _TAG.fullmatch(tag)) is None:
        yield f"the tag {tag!r} is not of the form v1.2.0, v1.2.0b1 or v1.2.0rc1: delete it and set another"
        return
    wanted = named[1]
    # Cargo writes 1.2.0-rc.1 where Python writes 1.2.0rc1.
    stated = str(tomllib.loads(cargo)["package"]["version"])
    for long, short in (("-alpha.", "a"), ("-beta.", "b"), ("-rc.", "rc")):
        stated = stated.replace(long, short)
    if stated != wanted:
        yield f"Cargo.toml has version {stated}, the tag says {wanted}: change `version` there, and tag that"
    sections = {section["title"]: section["text"].strip() for section in _SECTION.finditer(changelog)}
    if sections.get("Unreleased"):
        yield f'CHANGELOG.md has changes under "Unreleased": head them "## {wanted} (YYYY-MM-DD)"'
    dated = {found[1]: text for title, text in sections.items() if (found := _DATED.fullmatch(title))}
    if not dated.get(wanted):
        yield f'CHANGELOG.md has no changes under "## {wanted} (YYYY-MM-DD)": write them'


def main() -> int:
    """Print what forbids the release; 0 if nothing does."""
    if len(sys.argv) != 2:
        print("usage: python tools/check_release.py TAG")
        return 2
    found = list(
        problems(sys.argv[1], *((ROOT / name).read_text() for name in ("Cargo.toml", "CHANGELOG.md")))
    )
    print("\n".join(found) or f"{sys.argv[1]} can be released")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
