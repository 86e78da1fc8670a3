"""Whether wheels can be given to people: with their licences, and nothing of the machine that built them.

    python tools/check_wheel.py WHEEL...

Looked at are the metadata, the licences and the bill of materials, and whether anything compiled or written
by the build names a directory of the machine.
"""

from __future__ import annotations

import email
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

_FONTS = {".ttf", ".otf", ".woff2"}
_DIRECTORIES = re.compile(
    rb"(?:/(?:home|root|Users)|[A-Za-z]:[\\/]+Users)[\\/][\x21-\x7e]*"
    rb"|file://[\x21-\x7e]*|[\x21-\x7e]*registry[\\/]src[\x21-\x7e]*"
)
"""What the directories of people and of Cargo look like."""


def _directory_named(data: bytes) -> bytes | None:
    """A directory of some machine, or of this one, that the data names."""
    if (found := _DIRECTORIES.search(data)) is not None:
        return found[0]
    # In an image that builds, a tree may lie at the root, as `/io`: what short names mean, nobody knows.
    here = (str(ROOT).encode(), str(Path.home()).encode())
    return next((one for one in here if len(one) > 4 and one in data), None)


def problems(wheel: Path) -> Iterator[str]:
    """What is wrong with a wheel, and what to do about it.

    Raises:
        OSError, zipfile.BadZipFile: it cannot be read.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        information = next((name for name in names if name.endswith(".dist-info/METADATA")), None)
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
        for name in names:
            path = PurePosixPath(name)
            if path.suffix in _FONTS and str(path.parent / "LICENSE") not in names:
                yield f"{name} has no licence beside it: put it there, and into license-files"
        if not any(name.startswith(f"{directory}/sboms/") for name in names):
            yield "it has no bill of materials: see [tool.maturin.sbom] in pyproject.toml"
        built = [n for n in names if n.endswith((".so", ".pyd")) or n.startswith(f"{directory}/sboms/")]
        if not any(name.endswith((".so", ".pyd")) for name in built):
            yield "it has no extension"
        for name in (*built, information, f"{directory}/RECORD"):
            if name in names and (found := _directory_named(archive.read(name))) is not None:
                yield (
                    f"{name} names {found[:120].decode(errors='replace')}, of the machine that built it: "
                    "build with pip, or with tools/remapped_paths.py"
                )


def main() -> int:
    """Print what is wrong; 0 if nothing is, 1 if anything, 2 if no wheel is named."""
    if len(sys.argv) < 2:
        print("usage: python tools/check_wheel.py WHEEL...")
        return 2
    bad = 0
    for wheel in map(Path, sys.argv[1:]):
        found = list(problems(wheel))
        bad += bool(found)
        print("\n".join(f"{wheel.name}: {one}" for one in found) or f"{wheel.name}: good")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
