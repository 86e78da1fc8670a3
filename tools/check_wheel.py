r"""Whether wheels can be given to people: whole, licensed, and with nothing of the machine that built them.

    python tools/check_wheel.py WHEEL...

Every file of a wheel is looked at. What is byte for byte in this tree was read by people before: it may only
not name what looks like a directory of somebody (`/home/…`, `D:\a\…`). The rest was made by the build, the
compiled extension most of all: there each absolute path is refused that is not one of those that are the same
on every machine (`_EVERYWHERE`). A list of the directories that
machines have is never whole; that one can be.
"""

from __future__ import annotations

import base64
import csv
import email
import hashlib
import io
import re
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

_FONTS = {".ttf", ".otf", ".woff2"}
_LIBRARY = re.compile(r"\.(?:so(?:\.\d+)*|pyd|dll|dylib|a|lib|pdb)$")
_SOMEBODYS = re.compile(
    r"(?:/(?:home|root|Users|__w|private|github/(?:home|workspace))|/tmp/(?:pip|build|tmp)[\w.-]*)/[^\s\"'<>]*"
    r"|(?<![A-Za-z])[A-Za-z]:(?:\\+|/(?!/))(?:Users|a|actions-runner|_work)[\\/][^\s\"'<>]*"
    r"|file://[^\s\"'<>]*|\S*registry[\\/]src[\\/]\S*|\S*\.cargo[\\/]git[\\/]checkouts\S*"
)
"""What directories of people, of services that build, of pip and of Cargo look like."""

_SOURCE = r"[\w.+@-]+(?:[\\/]+[\w.+@-]+)*?\.rs"
_EVERYWHERE = re.compile(
    # The standard library of Rust, and the crates in it, as its builders remap them.
    rf"/rustc/[0-9a-f]{{40}}[\\/]{_SOURCE}|/rust/deps[\\/]{_SOURCE}|/checkout/src/llvm-project/[\w/-]+"
    # What remapped_paths.py writes.
    rf"|(?<![\w.@~+%-][\\/])(?:crates|rustlib|target|(?:xfs4iot[\\/])?rust[\\/]src)[\\/]{_SOURCE}"
    # Where every system of a kind has what a program asks for at run time.
    r"|/(?:proc/self|dev|sys/fs/cgroup|lib64/ld-|usr/lib/(?:debug|lib|system)|System/Library)[\w./+-]*"
    # Machine code has eight characters of a path in an instruction, and another instruction after them.
    r"|/(?:proc/se|usr/lib)[A-Z]"
    r"|/etc/(?:ssl|pki|resolv|hosts|localtime|os-release|passwd|nsswitch)[\w./+-]*|/usr/share/zoneinfo[\w/]*"
    r"|\\\\[.?]\\(?:pipe\\|GLOBALROOT\\|UNC\\)?|(?:\$ORIGIN|@rpath|@loader_path)/[\w./-]+"
    # Pages to read on.
    r"|https?://[\w./%?&=~+-]+"
)
"""Paths that tell nothing of the machine that a library was built on."""

_NAME = r"[\w.@~+%-]"
_ABSOLUTE = rf"/{_NAME}+/(?:{_NAME}|[\\/])+|[A-Za-z]:(?:\\+|/(?!/)){_NAME}+[\\/]+(?:{_NAME}|[\\/])+"
_IN_TEXT = re.compile(rf"(?<![\w.:/<#)\]}}*-])(?:{_ABSOLUTE})|\\{{2,}}{_NAME}+\\+{_NAME}+\\\S*")
_IN_LIBRARY = re.compile(rf"(?:{_ABSOLUTE})|\\\\{_NAME}{{2,}}\\{_NAME}{{2,}}\\{_NAME}{{2,}}\S*")
"""Texts of Rust stand one after the other in a library: a path begins where another ends."""
_SHORTEST = 8
"""Characters of a path in a library: what is shorter, machine code is by chance; `/io/x.rs` has as many."""
_WIDE = re.compile(rb"(?:[\x20-\xff]\x00){5,}|(?:\x00[\x20-\xff]){5,}")
"""Text in UTF-16."""


def _texts(data: bytes) -> Iterator[str]:
    """What may be read in a file."""
    yield data.decode("utf-8", "replace")
    wide = (found[0] for found in _WIDE.finditer(data))
    yield "\n".join(one.replace(b"\0", b"").decode("latin-1") for one in wide)


def _directory_named(data: bytes, *, made: bool, library: bool) -> str | None:
    """A directory of some machine, or of this one, that the data names.

    Args:
        data: a file's.
        made: by the build.
        library: compiled.
    """
    # In an image that builds, a tree may lie at the root, as `/io`: what short names mean, nobody knows.
    here = [one for one in (str(ROOT), str(Path.home())) if len(one) > 4]
    for text in _texts(data):
        if library:
            text = _EVERYWHERE.sub("\n", text)
        if (found := _SOMEBODYS.search(text)) is not None:
            return found[0]
        if (mine := next((one for one in here if one in text), None)) is not None:
            return mine
        if library:
            for one in _IN_LIBRARY.finditer(text):
                if len(one[0]) >= _SHORTEST:
                    return one[0]
        elif made and (found := _IN_TEXT.search(text)) is not None:
            return found[0]
    return None


def _source(name: str, directory: str) -> Path | None:
    """The file in this tree that a file of a wheel was copied from, if there is one."""
    source = ROOT / "python" / name
    if name.startswith(f"{directory}/licenses/"):
        source = ROOT / name.removeprefix(f"{directory}/licenses/")
    elif name.startswith(f"{directory}/sboms/"):
        source = ROOT / "rust" / PurePosixPath(name).name
    elif _LIBRARY.search(name):
        return None
    return source if source.is_file() else None


def _record_problems(archive: zipfile.ZipFile, directory: str) -> Iterator[str]:
    """Whether the RECORD has each file, as it is."""
    record, names = f"{directory}/RECORD", archive.namelist()
    if record not in names:
        yield "it has no RECORD: pip refuses it; build it again"
        return
    recorded = {}
    for row in csv.reader(io.StringIO(archive.read(record).decode("utf-8", "replace"))):
        if len(row) != 3:
            yield f"RECORD has a line of {len(row)} columns: path, hash and size are wanted; build it again"
        elif row[0] in recorded:
            yield f"RECORD has {row[0]} twice: build it again"
        else:
            recorded[row[0]] = row[1:]
    for name in names:
        if name.endswith("/") or name == record:
            continue
        data = archive.read(name)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        stated = recorded.get(name)
        if stated is None:
            yield f"{name} is not in RECORD: build it again"
        elif stated != [f"sha256={digest}", str(len(data))]:
            yield f"{name} is not what RECORD says (SHA-256 and size): somebody changed it; build it again"
    for name in recorded.keys() - set(names):
        yield f"RECORD has {name}, which is not in it: build it again"


def problems(wheel: Path) -> Iterator[str]:
    """What is wrong with a wheel, and what to do about it."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield from _problems(archive)
    except OSError as problem:
        yield f"it cannot be read: {problem.strerror or problem}"
    # An archive that is cut off, changed or encrypted.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, csv.Error) as problem:
        yield f"it is no whole zip archive ({problem}): copy it or build it again"


def _problems(archive: zipfile.ZipFile) -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = archive.namelist()
    information = next((name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)), None)
    if information is None:
        yield "it has no metadata: it is not a wheel"
        return
    metadata = email.message_from_bytes(archive.read(information))
    directory = str(PurePosixPath(information).parent)
    if (stated := metadata["License-Expression"]) != project["license"]:
        yield f"its metadata states the licence {stated!r}, pyproject.toml {project['license']!r}"
    for file in project["license-files"]:
        if f"{directory}/licenses/{file}" not in names:
            yield f"it lacks the licence {file}: see license-files in pyproject.toml"
    if not any(name.startswith(f"{directory}/sboms/") for name in names):
        yield "it has no bill of materials: see [tool.maturin.sbom] in pyproject.toml"
    if not any(name.endswith((".so", ".pyd")) for name in names):
        yield "it has no extension"
    if f"{directory}/WHEEL" not in names:
        yield "it has no WHEEL: pip refuses it; build it again"
    yield from _record_problems(archive, directory)
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} is in it twice: build it again"
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            yield f"{name} is no path within it: build it again"
        if path.suffix in _FONTS and str(path.parent / "LICENSE") not in names:
            yield f"{name} has no licence beside it: put it there, and into license-files"
        if path.suffix in {".pyc", ".pyo"}:
            yield f"{name} was compiled by one Python: leave it out, each compiles its own"
    other = []
    for name in [*names, None]:
        data = archive.comment if name is None else archive.read(name)
        source = None if name is None else _source(name, directory)
        if source is not None and source.read_bytes() != data:
            other.append(name)
        library = name is not None and source is None and (_LIBRARY.search(name) is not None or b"\0" in data)
        found = _directory_named(data, made=False, library=library)
        if found is None and source is None:
            # What people read first is in the metadata, too.
            made = data.replace((ROOT / "README.md").read_bytes(), b"") if name == information else data
            found = _directory_named(made, made=True, library=library)
        if found is not None:
            yield (
                f"{name or 'its comment'} names {_shown(found)}, of the machine that built it: "
                "build with pip, or with tools/remapped_paths.py"
            )
    if other:
        more = f" and {len(other) - 1} more files are" if len(other) > 1 else " is"
        yield f"{other[0]}{more} not as in this tree: look at a wheel from the tree that it was built from"


def _shown(found: str) -> str:
    """On one line, and short."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in found[:120])


def main() -> int:
    """Print what is wrong; 0 if nothing is, 1 if anything, 2 if no wheel is named."""
    if len(sys.argv) < 2:
        print("usage: python tools/check_wheel.py WHEEL...")
        return 2
    # Names in wheels may have characters that a pipe's encoding lacks.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    bad = 0
    for wheel in map(Path, sys.argv[1:]):
        found = list(problems(wheel))
        bad += bool(found)
        print("\n".join(f"{wheel.name}: {one}" for one in found) or f"{wheel.name}: good")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
