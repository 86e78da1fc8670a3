"""What is given to people: with every licence, with what it is made of, and without paths of who made it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_wheel  # noqa: E402

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
RUST = shutil.which("cargo") is not None
INFORMATION = "xfs4iot-1.0.dist-info"
FONTS = "xfs4iot/printing/fonts"
EXTENSION = "xfs4iot/_core.abi3.so"
HASH = "0123456789abcdef0123456789abcdef01234567"
SAME_EVERYWHERE = (
    "\x7fELF\0crates/pyo3-0.29.3/src/err.rscrates\\smallvec-1.16.6\\src\\lib.rsand/or rust/src/durations.rs"
    f"/rustc/{HASH}/library/std/src/io/mod.rs/rustc/{HASH}/library/std/src/sys/io/io_slice/iovec.rs"
    f"/rustc/{HASH}/library\\core\\src\\fmt\\mod.rs/rust/deps/gimli-0.32.3/src/read/line.rs"
    "rustlib/library/core/src/panicking.rs/proc/self/exe\0/usr/lib/debug/.build-id/\0/dev/urandom\0"
    "$ORIGIN/../xfs4iot.libs\0@rpath/xfs4iot._core.abi3.so\0/usr/lib/libSystem.B.dylib\0\\\\.\\pipe\\rust\0"
    "see https://docs.example/a/b/c for application/json, text/plain; a:b\\n"
)
GOOD: dict[str, str | bytes] = {
    f"{INFORMATION}/METADATA": (
        f"Metadata-Version: 2.4\nLicense-Expression: {PROJECT['license']}\n"
        f"Project-URL: Source, https://example.org/a/b\n\n{(ROOT / 'README.md').read_text('utf-8')}"
    ),
    f"{INFORMATION}/WHEEL": "Wheel-Version: 1.0\nGenerator: maturin (1.16.0)\nTag: cp311-abi3-any\n",
    **{f"{INFORMATION}/licenses/{file}": (ROOT / file).read_bytes() for file in PROJECT["license-files"]},
    f"{INFORMATION}/sboms/crates.cdx.json": (ROOT / "rust" / "crates.cdx.json").read_bytes(),
    f"{FONTS}/Forged.ttf": "",
    f"{FONTS}/LICENSE": (ROOT / "python" / FONTS / "LICENSE").read_bytes(),
    "xfs4iot/cli/__init__.py": (ROOT / "python" / "xfs4iot" / "cli" / "__init__.py").read_bytes(),
    EXTENSION: SAME_EVERYWHERE,
}


def forged(directory: Path, changed: Mapping[str, str | bytes | None], record: str | None = None) -> Path:
    """A wheel, with a RECORD of what is in it unless one is given."""
    wheel = directory / "xfs4iot-1.0-cp311-abi3-any.whl"
    rows = []
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in (GOOD | changed).items():
            if content is not None:
                data = content.encode() if isinstance(content, str) else content
                archive.writestr(name, data)
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                rows.append(f"{name},sha256={digest},{len(data)}\n")
        if record != "":
            archive.writestr(f"{INFORMATION}/RECORD", record or f"{''.join(rows)}{INFORMATION}/RECORD,,\n")
    return wheel


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({f"{INFORMATION}/METADATA": None}, "not a wheel"),
        ({f"{INFORMATION}/METADATA": "License-Expression: MIT\n"}, "states the licence 'MIT'"),
        ({f"{INFORMATION}/WHEEL": None}, "it has no WHEEL"),
        ({f"{INFORMATION}/licenses/rust/LICENSES.txt": None}, "lacks the licence rust/LICENSES.txt"),
        ({f"{FONTS}/LICENSE": None}, "Forged.ttf has no licence beside it"),
        ({f"{INFORMATION}/sboms/crates.cdx.json": None}, "no bill of materials"),
        ({EXTENSION: None}, "no extension"),
        ({"xfs4iot/__pycache__/cli.cpython-311.pyc": "x"}, "was compiled by one Python"),
        ({"xfs4iot/cli/__init__.py": "x"}, "cli/__init__.py is not as in this tree"),
        ({"../xfs4iot/cli.py": "x"}, "is no path within it"),
        ({"D:\\a\\xfs4iot\\cli.py": "x"}, "is no path within it"),
    ],
)
def test_a_wheel_is_told_what_it_lacks(
    changed: dict[str, str | bytes | None], said: str | None, tmp_path: Path
) -> None:
    found = list(check_wheel.problems(forged(tmp_path, changed)))
    assert (said is None) == (not found), found
    assert said is None or said in found[0]


DIRECTORIES = (
    "/root/.cargo/registry/src/index/pyo3/src/err.rs",
    "/home/runner/work/x.rs",
    "/home/müller/xfs4iot/x.rs",
    "/опт/сборка/xfs4iot/x.rs",
    "/Users/runner/x.rs",
    "/__w/xfs4iot/xfs4iot/rust/src/lib.rs",
    "/io/x.rs",
    "/io/rust/src/lib.rs",
    "/tmp/pip-req-build-x1y2/rust/src/lib.rs",
    "/private/var/folders/ab/T/x.rs",
    "/build/xfs4iot/x.rs",
    "/nix/store/abc-rust/lib/x.rs",
    "/mnt/c/crates/pyo3-0.29.3/src/err.rs",
    "/rustc/../root/.cargo/x.rs",
    "C:\\Users\\runneradmin\\.cargo\\x.rs",
    "D:\\a\\xfs4iot\\xfs4iot\\x.rs",
    "D:/a/xfs4iot/xfs4iot/x.rs",
    "\\\\builder\\share\\xfs4iot\\x.rs",
    "file:///srv/xfs4iot",
    str(ROOT),
    str(Path.home()),
)


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_no_file_of_a_wheel_names_a_directory_of_the_machine(directory: str, tmp_path: Path) -> None:
    quoted = directory.replace("\\", "\\\\")
    readme = (ROOT / "README.md").read_text("utf-8")
    places: dict[str, str | bytes] = {
        EXTENSION: f"{SAME_EVERYWHERE}\0src/lib.rs{directory}\0",
        "xfs4iot.libs/libz-1a2b.so.1.2": f"\x7fELF\0{directory}\0",
        "xfs4iot/wide.pyd": b"MZ\0" + directory.encode("utf-16-le") + b"\0\0",
        "xfs4iot/wide_and_odd.pyd": b"MZ\0\1" + directory.encode("utf-16-be") + b"\0\0",
        "xfs4iot/made.py": f'where = "{quoted}"\n',
        f"{INFORMATION}/WHEEL": f"Wheel-Version: 1.0\nBuilt-In: {directory}\n",
        f"{INFORMATION}/METADATA": f"License-Expression: {PROJECT['license']}\nHome: {directory}\n\n{readme}",
        f"{INFORMATION}/direct_url.json": json.dumps({"url": f"file://{directory}"}, ensure_ascii=False),
        f"{INFORMATION}/sboms/crates.cdx.json": json.dumps({"at": directory}, ensure_ascii=False),
        f"{INFORMATION}/entry_points.txt": f"[x]\nx = {directory}\n",
    }
    found = list(check_wheel.problems(forged(tmp_path, places)))
    named = {one.partition(" ")[0] for one in found if " names " in one}
    # A bill of materials that is not ours is told as such, and what it names if it looks like somebody's.
    assert places.keys() - {f"{INFORMATION}/sboms/crates.cdx.json"} <= named, found
    assert {one.partition(" ")[0] for one in found} == places.keys(), found
    assert all(len(one.splitlines()) == 1 for one in found)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("", "it has no RECORD"),
        ("xfs4iot/_core.abi3.so,sha256=AAAA,1\n", "is not what RECORD says"),
        ("xfs4iot/gone.py,sha256=AAAA,1\n", "has xfs4iot/gone.py, which is not in it"),
        ("xfs4iot/cli/__init__.py\n", "has a line of 1 columns"),
        ("a,b,c\na,b,c\n", "has a twice"),
    ],
)
def test_the_record_of_a_wheel_is_held_against_what_is_in_it(record: str, said: str, tmp_path: Path) -> None:
    found = list(check_wheel.problems(forged(tmp_path, {}, record)))
    assert any(said in one for one in found), found


@pytest.mark.parametrize("damage", ["gone", "a directory", "no archive", "cut off", "changed"])
def test_what_is_no_wheel_is_said_in_one_line(damage: str, tmp_path: Path) -> None:
    wheel = forged(tmp_path, {})
    data = wheel.read_bytes()
    wheel.unlink()
    if damage == "a directory":
        wheel.mkdir()
    elif damage != "gone":
        middle = data.index(b"pyo3-0.29.3")
        changed = data[:middle] + b"x" + data[middle + 1 :]
        wheel.write_bytes({"no archive": b"x", "cut off": data[:-100], "changed": changed}[damage])
    (found,) = check_wheel.problems(wheel)
    assert "it cannot be read" in found or "it is no whole zip archive" in found
    assert len(found.splitlines()) == 1


TRIPLE = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=False) if RUST else None
HOST = "" if TRIPLE is None else re.findall(r"^host: (.+)$", TRIPLE.stdout, re.MULTILINE)[0]
OUR_FLAGS = tomllib.loads((ROOT / ".cargo" / "config.toml").read_text())["build"]["rustflags"]
VARIABLE = f"CARGO_TARGET_{HOST.upper().replace('-', '_')}_RUSTFLAGS"


@pytest.mark.skipif(not RUST, reason="there is no Rust")
@pytest.mark.parametrize(
    ("environment", "configuration", "arguments", "wanted"),
    [
        ({}, "", [], []),
        ({"RUSTFLAGS": "--cfg a"}, "[build]\nrustflags = ['--cfg', 'b']", [], ["a"]),
        ({"RUSTFLAGS": "--cfg a", "CARGO_ENCODED_RUSTFLAGS": "--cfg\x1fb"}, "", [], ["b"]),
        ({}, "[build]\nrustflags = ['--cfg', 'a']", [], ["a"]),
        ({"CARGO_BUILD_RUSTFLAGS": "--cfg a"}, "", [], ["a"]),
        ({VARIABLE: "--cfg a"}, "[build]\nrustflags = ['--cfg', 'b']", [], ["a"]),
        (
            {},
            f"[target.{HOST}]\nrustflags = ['--cfg', 'a']\n[target.'cfg(all())']\nrustflags = ['--cfg', 'b']",
            [f"--target={HOST}"],
            ["a", "b"],
        ),
        ({}, "", ["--release", "--config", "build.rustflags=['--cfg', 'a']", "--locked"], ["a"]),
    ],
)
def test_rustc_is_told_also_what_it_would_have_been_told(
    environment: dict[str, str], configuration: str, arguments: list[str], wanted: list[str], tmp_path: Path
) -> None:
    """Cargo takes flags from one source only: whatever that is, the prefixes come beside it."""
    if configuration:
        arguments = [*arguments, "--config", str(tmp_path / "config.toml")]
        (tmp_path / "config.toml").write_text(configuration)
    place = {one: value for one, value in os.environ.items() if not one.endswith("RUSTFLAGS")} | environment
    asked = [sys.executable, ROOT / "tools" / "remapped_paths.py", *arguments]
    told = subprocess.run(asked, capture_output=True, text=True, check=True, env=place).stdout.split("\x1f")
    # Ours are the build's, and give way to whatever ranks above that, as Cargo has it.
    above = environment.keys() & {"RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", VARIABLE}
    above_build = above or "[target" in configuration
    assert [one for one in told if one in OUR_FLAGS] == ([] if above_build else OUR_FLAGS)
    flags = [one for one in told if not one.startswith("--remap-path-prefix=") and one not in OUR_FLAGS]
    assert sorted(flags[1::2]) == wanted
    assert set(flags[::2]) <= {"--cfg"}
    assert sum(one.startswith("--remap-path-prefix=") for one in told) >= 3


@pytest.mark.skipif(not RUST, reason="there is no Rust")
@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_directories_of_any_name_are_remapped_in_any_locale(locale: dict[str, str], tmp_path: Path) -> None:
    place = {**os.environ, **locale, "CARGO_TARGET_DIR": str(tmp_path / "für 日本")}
    asked = [sys.executable, ROOT / "tools" / "remapped_paths.py"]
    told = subprocess.run(asked, capture_output=True, check=True, env=place).stdout.split(b"\x1f")
    assert b"--remap-path-prefix=" + os.fsencode(tmp_path) + "/für 日本=target".encode() in told


@pytest.mark.skipif(not RUST, reason="there is no Rust")
def test_instructions_are_counted_where_cargo_builds(tmp_path: Path) -> None:
    asked = "import instructions; print(instructions.built())"
    place = {
        **os.environ, "CARGO_TARGET_DIR": str(tmp_path), "PYTHONPATH": str(ROOT / "benches" / "guard"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, check=True, text=True, env=place
    )
    assert Path(done.stdout.strip()) == tmp_path / "release" / "examples"


@pytest.mark.skipif(not RUST, reason="there is no Rust")
def test_rustc_is_told_of_every_directory() -> None:
    asked = [sys.executable, ROOT / "tools" / "remapped_paths.py"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\x1f")
    prefixes = [one.removeprefix("--remap-path-prefix=").rpartition("=") for one in told]
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
