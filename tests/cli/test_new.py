"""`xfs4iot new`: each package that it writes is clean, passes its own tests, and conforms."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

import xfs4iot
from xfs4iot.protocol import registry
from xfs4iot.scaffold import NameRefused, Package, UnknownKind, kind_called, kinds

GUIDE = Path(__file__).parents[2] / "docs" / "new_device.md"
XFS4IOT = (sys.executable, "-m", "xfs4iot")
SAMPLE = ("BarcodeReader", "VendorMode", "Storage")
"""Those of ordinary runs: with units and without, of one operation and of several, waiting and not."""
INSTALLED = "Lights"
"""The one that is installed in ordinary runs, too; what is small is quick."""


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=240,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env={**os.environ, **environment},
    )


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(root: Path) -> dict[str, str]:
    """The environment in which a package is installed: its entry points are found, its module imported."""
    package = next((root / "src").iterdir()).name
    name = package.replace("_", "-")
    about = root / "src" / f"{package}-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    points = re.search(
        r'\[project.entry-points\."(.+?)"\]\n(\S+) = "(.+?)"', (root / "pyproject.toml").read_text()
    )
    assert points is not None
    (about / "entry_points.txt").write_text(f"[{points[1]}]\n{points[2]} = {points[3]}\n")
    return {"PYTHONPATH": str(root / "src"), "MYPYPATH": str(root / "src")}


def in_an_environment(root: Path) -> str:
    """Install a package as its page says, in a virtual environment of its own; the interpreter of that.

    What it needs is found in the environment of the tests: nothing is fetched from anywhere.
    """
    directory = root.parent / "venv"
    venv.create(directory, symlinks=os.name != "nt")
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (packages,) = directory.glob("Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages")
    found = [str(Path(xfs4iot.__file__).parents[1]), *(one for one in sys.path if "site-packages" in one)]
    (packages / "those-of-the-tests.pth").write_text("".join(f"{one}\n" for one in found))
    good(
        run(
            *(sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"),
            *("--quiet", "--no-index", "--no-build-isolation", f"{root}[test]"),
            cwd=root.parent,
        )
    )
    return str(python)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", SAMPLE)
def test_a_package_passes_its_tests_and_conforms(kind: str, tmp_path: Path) -> None:
    package = Package(kind_called(kind), f"acme-{kind}")
    package.write(tmp_path)
    root = tmp_path / package.name
    tried(package, root, sys.executable, installed(root))


@pytest.mark.timeout(600)
@pytest.mark.skipif(
    int(version("setuptools").partition(".")[0]) < 77,
    reason="older setuptools build no such package: pip install '.[test]'",
)
@pytest.mark.parametrize(
    "kind", [one if one == INSTALLED else pytest.param(one, marks=pytest.mark.long) for one in kinds()]
)
def test_a_package_that_pip_installs_passes_its_tests_and_conforms(kind: str, tmp_path: Path) -> None:
    done = run(*XFS4IOT, "new", kind, f"acme-{kind}", "--json", cwd=tmp_path)
    root = tmp_path / json.loads(good(done))["directory"]
    python = in_an_environment(root)
    # Elsewhere, where only what is installed is found.
    where = run(python, "-c", f"import {root.name.replace('-', '_')} as it; print(it.__file__)", cwd=tmp_path)
    assert str(tmp_path / "venv") in good(where)
    tried(Package(kind_called(kind), root.name), root, python, {})


def tried(package: Package, root: Path, python: str, environment: dict[str, str]) -> None:
    """Run a package's tests, serve its device, and try whether that conforms."""
    tests = run(python, "-m", "pytest", "-p", "no:cacheprovider", cwd=root, **environment)
    assert "7 passed" in good(tests), tests.stdout
    configuration = root / "atm.toml"
    configuration.write_text(configuration.read_text().replace("port = 5846", "port = 0"))
    with subprocess.Popen(
        [python, "-u", "-m", "xfs4iot", "serve", "atm.toml"],
        cwd=root, env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as service:  # fmt: skip
        try:
            assert service.stdout is not None
            said = []
            while not (uri := re.search(r"publishing at (ws://\S+)", said[-1] if said else "")):
                line = service.stdout.readline()
                assert line, "".join(said)
                said.append(line)
            conforms = run(
                *(python, "-m", "xfs4iot", "conform", f"{uri[1]}/{package.service}"),
                *("--level", "destructive", "--yes"),
                cwd=root,
            )
            assert conforms.returncode == 0, conforms.stdout + conforms.stderr + "".join(said)
        finally:
            service.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 20
            while service.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            service.kill()


def test_all_packages_are_clean_for_linters_and_type_checkers(tmp_path: Path) -> None:
    for kind in kinds().values():
        Package(kind, f"acme-{kind.name}").write(tmp_path)
    good(run("ruff", "check", "--extend-select", "E,F,W,I,UP,B,RUF", ".", cwd=tmp_path))
    good(run("ruff", "format", "--check", ".", cwd=tmp_path))
    sources = sorted(str(one) for one in tmp_path.glob("*/src"))
    modules = [argument for one in tmp_path.glob("*/src/*") for argument in ("-p", one.name)]
    good(run("mypy", "--strict", *modules, cwd=tmp_path, MYPYPATH=os.pathsep.join(sources)))


@pytest.mark.parametrize("kind", kinds())
def test_error_codes_that_a_package_raises_are_those_of_the_command(kind: str, tmp_path: Path) -> None:
    package = Package(kind_called(kind), f"acme-{kind}")
    package.write(tmp_path)
    code = next((tmp_path / package.name).glob("src/*/device.py")).read_text()
    for operation in ast.walk(ast.parse(code)):
        if not isinstance(operation, ast.AsyncFunctionDef):
            continue
        raised = re.findall(
            r"errors\.CommandError\(\s*\"(\w+)\"", ast.get_source_segment(code, operation) or ""
        )
        if not raised:
            continue
        named = re.match(r"`(\w+\.\w+)`", ast.get_docstring(operation) or "")
        assert named is not None, operation.name
        assert set(raised) <= set(registry.command(named[1]).error_codes), (operation.name, raised)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CashDispenser", "CashDispenser"),
        ("cash-dispenser", "CashDispenser"),
        ("cashdispenser", "CashDispenser"),
        ("dispenser", "CashDispenser"),
        ("text_terminal", "TextTerminal"),
        ("Recycler", "recycler"),
    ],
)
def test_a_device_is_named_in_any_spelling(text: str, kind: str) -> None:
    assert kind_called(text).name == kind


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("CashDispencer", "did you mean CashDispenser?"),
        ("printr", "did you mean Printer?"),
        ("Common", "every service has it"),
        ("toaster-oven", "there are "),
    ],
)
def test_an_unknown_device_is_told_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(UnknownKind, match=re.escape(hint)):
        kind_called(text)


@pytest.mark.parametrize(
    "name",
    [
        *("", "7up", "a b/c", "../x", "json", "class", "xfs4iot", "x" * 41, "ä", "con", "NUL", "lpt1"),
        *("click", "pytest", "Msgspec", "none", "True", "hardware", "any", "mapping", "device-contract"),
        *("hardware-failed", "acme-", "-acme", "a--b", "ﬁrma", "acme\n", "acme\x00", "."),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(NameRefused):
        Package(kind_called("Lights"), name)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    done = run(*XFS4IOT, "new", "Lights", "acme", cwd=tmp_path)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert list((tmp_path / "acme").iterdir()) == []


def test_bad_usage_exits_with_2_and_writes_nothing(tmp_path: Path) -> None:
    for device, name in (("CashDispencer", "acme"), ("Lights", "json")):
        done = run(*XFS4IOT, "new", device, name, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_json_says_what_was_written_and_what_to_do_next(tmp_path: Path) -> None:
    said = json.loads(good(run(*XFS4IOT, "new", "recycler", "Acme_Recycler", "--json", cwd=tmp_path)))
    assert said["class"] == "acme_recycler:AcmeRecycler"
    assert said["interfaces"] == ["CashDispenser", "CashAcceptor"]
    assert all((tmp_path / one).is_file() for one in said["files"])
    assert said["next"][0] == f"cd {said['directory']}"


def test_the_page_is_what_happens(tmp_path: Path) -> None:
    first, second = re.findall(r"```sh\n(.+?)```", GUIDE.read_text(), re.DOTALL)
    commands = [*first.splitlines(), *second.splitlines()]
    shown = good(run(*XFS4IOT, *commands[0].split()[1:], cwd=tmp_path))
    assert [one for one in commands[1:] if one not in shown] == []
    written = {
        str(one.relative_to(tmp_path / "acme-dispenser")) for one in tmp_path.rglob("*") if one.is_file()
    }
    assert set(re.findall(r"^\| `(\S+\.\w+)` \|", GUIDE.read_text(), re.MULTILINE)) <= written
