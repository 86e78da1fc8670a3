"""What is given to people: with every licence, with what it is made of, and without paths of who made it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_wheel  # noqa: E402

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
INFORMATION = "xfs4iot-1.0.dist-info"
FONTS = "xfs4iot/printing/fonts"
GOOD = {
    f"{INFORMATION}/METADATA": f"Metadata-Version: 2.4\nLicense-Expression: {PROJECT['license']}\n",
    **{f"{INFORMATION}/licenses/{file}": "…" for file in PROJECT["license-files"]},
    f"{INFORMATION}/sboms/crates.cdx.json": "{}",
    f"{INFORMATION}/RECORD": "",
    f"{FONTS}/DejaVuSans.ttf": "",
    f"{FONTS}/LICENSE": "…",
    "xfs4iot/_core.abi3.so": "\x7fELF crates/pyo3-0.29.3/src/err.rs /rustc/0a1b/library/core/src/panic.rs",
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({f"{INFORMATION}/METADATA": None}, "not a wheel"),
        ({f"{INFORMATION}/METADATA": "License-Expression: MIT\n"}, "states the licence 'MIT'"),
        ({f"{INFORMATION}/licenses/rust/LICENSES.txt": None}, "lacks the licence rust/LICENSES.txt"),
        ({f"{FONTS}/LICENSE": None}, "DejaVuSans.ttf has no licence beside it"),
        ({f"{INFORMATION}/sboms/crates.cdx.json": None}, "no bill of materials"),
        ({"xfs4iot/_core.abi3.so": None}, "no extension"),
        (
            {f"{INFORMATION}/sboms/crates.cdx.json": '"path+file:///srv/xfs4iot#1.0"'},
            "names file:///srv/xfs4iot",
        ),
        *(
            ({"xfs4iot/_core.abi3.so": f"\x00a{path}\x00"}, f"{path}")
            for path in (
                "/root/.cargo/registry/src/index/pyo3/src/err.rs",
                "/home/runner/work/x.rs",
                "/Users/runner/x.rs",
                "C:\\Users\\runneradmin\\.cargo\\x.rs",
                str(ROOT),
                str(Path.home()),
            )
        ),
        (
            {"xfs4iot/_core.abi3.so": "registry/src/mirror.example/x.rs"},
            "names registry/src/mirror.example/x.rs",
        ),
    ],
)
def test_a_wheel_is_told_what_it_lacks(
    changed: dict[str, str | None], said: str | None, tmp_path: Path
) -> None:
    wheel = tmp_path / "xfs4iot-1.0-cp311-abi3-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in (GOOD | changed).items():
            if text is not None:
                archive.writestr(name, text)
    found = list(check_wheel.problems(wheel))
    assert (said is None) == (not found), found
    assert said is None or said in found[0]


@pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no Rust")
def test_rustc_is_told_of_every_directory_and_of_what_it_was_told_before() -> None:
    asked = [sys.executable, ROOT / "tools" / "remapped_paths.py"]
    place = {**os.environ, "RUSTFLAGS": "-C target-cpu=native"}
    place.pop("CARGO_ENCODED_RUSTFLAGS", None)
    told = subprocess.run(asked, capture_output=True, text=True, check=True, env=place).stdout.split("\x1f")
    assert told[:2] == ["-C", "target-cpu=native"]
    prefixes = [one.removeprefix("--remap-path-prefix=").rpartition("=") for one in told[2:]]
    asked = ["cargo", "metadata", "--format-version=1", "--features=python"]
    packages = json.loads(subprocess.run(asked, cwd=ROOT, capture_output=True, check=True).stdout)["packages"]
    for package in packages:
        assert any(package["manifest_path"].startswith(prefix) for prefix, _, _ in prefixes), package["name"]
    assert not [name for _, _, name in prefixes if Path(name).is_absolute()]


def test_the_bill_of_materials_has_what_is_locked() -> None:
    """What is linked at all is looked at by `tools/generate_crates.py --check`."""
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    sums = {(one["name"], one["version"]): one.get("checksum") for one in locked}
    document = json.loads((ROOT / "rust" / "crates.cdx.json").read_text())
    notice = (ROOT / "rust" / "LICENSES.txt").read_text()
    assert "pyo3" in {one["name"] for one in document["components"]}
    for one in document["components"]:
        assert one["hashes"][0]["content"] == sums[one["name"], one["version"]]
        assert f"= {one['name']} {one['version']}, " in notice
    assert PYPROJECT["tool"]["maturin"]["sbom"] == {"rust": False, "include": ["rust/crates.cdx.json"]}


def test_every_font_has_its_licence_in_the_metadata() -> None:
    fonts = [
        file for file in (ROOT / "python").rglob("*") if file.suffix in {".ttf", ".otf", ".woff", ".woff2"}
    ]
    assert fonts
    for font in fonts:
        licence = font.with_name("LICENSE")
        assert str(licence.relative_to(ROOT).as_posix()) in PROJECT["license-files"]
        # Whoever brings another font reads its licence, and adds it here and to the expression.
        assert "Bitstream Vera Fonts Copyright" in licence.read_text("utf-8")
        assert font.name.startswith("DejaVu")
    assert PROJECT["license"] == "MIT AND Bitstream-Vera"


def test_vectors_of_others_come_with_their_licence() -> None:
    vectors = json.loads((ROOT / "tests" / "core" / "wycheproof.json").read_text())
    assert vectors["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "tests" / "core" / "wycheproof.LICENSE").read_text()


@pytest.mark.skipif(not (ROOT / ".github").exists(), reason="this is no checkout")
def test_no_action_can_change_under_us() -> None:
    """A branch moves, and a tag can be moved: only a commit stays what was looked at."""
    used = [
        (file.name, line.strip())
        for file in (ROOT / ".github" / "workflows").iterdir()
        for line in file.read_text().splitlines()
        if re.match(r"\s*(- )?uses:", line)
    ]
    assert used
    pinned = re.compile(r"(- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [one for one in used if pinned.fullmatch(one[1]) is None] == []


def test_each_threat_names_tests_that_are_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    named = set(re.findall(r"`(tests/[\w/.]+)`", page))
    assert len(named) > 15
    assert [one for one in sorted(named) if not (ROOT / one).exists()] == []
    rows = page.partition("## Threats")[2].partition("## Not covered")[0]
    assert all("`tests/" in row for row in re.findall(r"^\| (?!threat|-).*$", rows, re.MULTILINE))
