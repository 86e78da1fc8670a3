"""A ledger's file as SQLite is told of it: by a URI that says how it may be opened."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

__all__ = ["uri"]


def uri(file: Path, how: str) -> str:
    """The URI of a file, opened by `how`: such as `mode=rw`, which makes no file that is not there.

    `Path.as_uri` says the same, and loads an HTTP client for it (Python 3.14).
    """
    path = file.absolute().as_posix()
    # A drive of Windows has no slash before it.
    before = "//" if path.startswith("/") else "///"
    return f"file:{before}{quote(os.fsencode(path), safe='/:')}?{how}"
