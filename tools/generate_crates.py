"""What the wheel's extension is linked from: `rust/LICENSES.txt`, and `rust/crates.cdx.json` for CycloneDX.

    python tools/generate_crates.py [--check]

Both go into every wheel. They name what any platform links; what only builds (macros, build scripts, tests)
is in neither. A crate that may be had under the MIT licence is taken under it, and one that may not ends this
with a word: then the licence of the package, in pyproject.toml, has to be thought about.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from current import keep_current

ROOT = Path(__file__).resolve().parent.parent
LICENCES = ROOT / "rust" / "LICENSES.txt"
MATERIALS = ROOT / "rust" / "crates.cdx.json"

_HEAD = """\
The extension of this package is linked from the crates below, each under the MIT licence that follows its
name, and from the standard library of Rust (https://www.rust-lang.org), under the same:

    Copyright (c) The Rust Project Contributors

What that library is made of in turn is told by COPYRIGHT-library.html, which comes with each release of Rust.
"""

Package = dict[str, Any]


def linked() -> list[Package]:
    """The packages that are linked into the extension on any platform, ours first, then by name.

    `links` of each has the ids of what it is linked with.
    """
    asked = ["cargo", "metadata", "--format-version=1", "--locked", "--features=python"]
    told = json.loads(subprocess.run(asked, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    packages = {package["id"]: package for package in told["packages"]}
    needs = {node["id"]: node["deps"] for node in told["resolve"]["nodes"]}
    found: dict[str, Package] = {}
    waiting = [told["resolve"]["root"]]
    while waiting:
        package = packages[waiting.pop()]
        if package["id"] in found or any("proc-macro" in target["kind"] for target in package["targets"]):
            continue
        found[package["id"]] = package
        normal = [
            one for one in needs[package["id"]] if any(kind["kind"] is None for kind in one["dep_kinds"])
        ]
        package["links"] = {one["pkg"] for one in normal}
        waiting.extend(package["links"])
    ours, *others = found.values()
    return [ours, *sorted(others, key=lambda package: (package["name"], package["version"]))]


def _purl(package: Package) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def licence_text(package: Package) -> str:
    """The MIT licence of a crate, as the crate has it.

    Raises:
        SystemExit: it cannot be had under that licence, or has no text of it.
    """
    name = f"{package['name']} {package['version']}"
    if "MIT" not in re.split(r" OR |\s*/\s*", package["license"] or ""):
        sys.exit(f"{name} is under {package['license']!r}, not MIT: see what pyproject.toml must say then")
    directory = Path(package["manifest_path"]).parent
    for file in ("LICENSE-MIT", "LICENSE-MIT.md", "LICENSE-MIT.txt", "LICENSE", "LICENSE.md", "LICENSE.txt"):
        if (directory / file).exists():
            return "\n".join(
                line.rstrip() for line in (directory / file).read_text("utf-8").splitlines()
            ).strip()
    return sys.exit(f"{name} has no text of its licence in {directory.name}: put its name and the text here")


def licences(packages: list[Package]) -> Iterator[str]:
    """The lines of the notice."""
    yield _HEAD
    for package in packages:
        yield f"\n{'=' * 20} {package['name']} {package['version']}, {package['repository']} {'=' * 20}\n"
        yield licence_text(package)


def materials(ours: Package, packages: list[Package]) -> str:
    """The bill of materials, without a date or a number of its own: it changes when what is linked does."""
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text("utf-8"))["package"]
    sums = {(one["name"], one["version"]): one["checksum"] for one in locked if "checksum" in one}

    def component(package: Package) -> dict[str, Any]:
        name, version = package["name"], package["version"]
        told: dict[str, Any] = {
            "type": "library",
            "bom-ref": _purl(package),
            "name": name,
            "version": version,
        }
        told["description"] = package["description"].strip().partition("\n")[0]
        if (name, version) in sums:
            told["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
        told["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
        if package["source"] is not None:
            told["purl"] = _purl(package)
        if package["repository"]:
            told["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
        return told

    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(ours)},
        "components": [component(package) for package in packages],
        "dependencies": [
            {
                "ref": _purl(package),
                "dependsOn": [_purl(other) for other in packages if other["id"] in package["links"]],
            }
            for package in (ours, *packages)
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def main() -> int:
    """Write both files, or with `--check` look whether they are current."""
    ours, *packages = linked()
    stale = keep_current(LICENCES, "\n".join(licences(packages)) + "\n")
    return keep_current(MATERIALS, materials(ours, packages)) or stale


if __name__ == "__main__":
    sys.exit(main())
