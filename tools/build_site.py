"""Build the documentation as a site that needs no network: target/site.

    pip install '.[docs]' && python tools/build_site.py

The pages are plain Markdown in docs/, whose links also work where the repository is browsed. Those that
lead out of docs/ lead to copies here. Fails if the site's builder complains, or if a link leads nowhere.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from os.path import relpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
DOCS, SOURCE, SITE = ROOT / "docs", ROOT / "target" / "docs", ROOT / "target" / "site"
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<to>[^)#\s]+)(?P<part>#[^)\s]*)?\)")


def prepare() -> None:
    """Copy the pages, and beside them the files they refer to."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(DOCS, SOURCE)
    for page in SOURCE.rglob("*.md"):
        page.write_text(_LINK.sub(partial(_kept, page), page.read_text("utf-8")), "utf-8")


def _kept(page: Path, link: re.Match[str]) -> str:
    """A link as it is, or to the copy of what it leads to; of a folder only the text."""
    to = link["to"]
    if urlsplit(to).scheme:
        return link[0]
    target = (DOCS / page.relative_to(SOURCE)).parent / to
    if target.resolve().is_relative_to(DOCS):
        # A folder has no page of its own.
        return link["text"] if target.is_dir() else link[0]
    if target.is_dir():
        return link["text"]
    copy = SOURCE / "files" / target.resolve().relative_to(ROOT)
    # A page among them would be built as one of the site.
    copy = copy.with_name(f"{copy.name}.txt") if copy.suffix in (".md", ".py", ".toml", "") else copy
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target, copy)
    return f"{link['image']}[{link['text']}]({relpath(copy, page.parent)})"


class _Page(HTMLParser):
    """What a page links to, and the anchors in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name == "id" and value:
                self.anchors.add(value)


def dead_links() -> Iterator[str]:
    """Links of the site that lead nowhere, or away from it for something that a page loads."""
    pages = {file: _Page(file.read_text("utf-8")) for file in SITE.rglob("*.html")}
    for file, page in pages.items():
        if file.name == "404.html":
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{file.relative_to(SITE)}: {link}"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{file.relative_to(SITE)}: {link} (no such place on the page)"


def main() -> int:
    """Build it; 0 if all is good."""
    prepare()
    builder = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    built = subprocess.run(builder, cwd=ROOT, check=False)
    if built.returncode:
        return built.returncode
    dead = sorted(set(dead_links()))
    print("\n".join(dead) or f"{len(list(SITE.rglob('*.html')))} pages in {SITE}")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
