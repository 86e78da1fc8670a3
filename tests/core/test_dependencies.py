"""The package imports what it says that it needs, and nothing that others happen to bring along."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import xfs4iot

PACKAGE = Path(xfs4iot.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = {
    "cli/form_drawing.py": ("simulator",),
    "comparison": ("bench",),
    "conformance": ("conform",),
    "pcsc.py": ("pcsc",),
    "printing": ("simulator", "escpos"),
    "simulator": ("simulator",),
    "telemetry": ("telemetry",),
}
"""What the parts of the package need beside what all need; where there are two, either is enough."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def distribution(requirement: str) -> str:
    """The name of what is required, as names are compared."""
    found = _NAME.match(requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def run_time_imports(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """Modules that are imported when the program runs; not what only type checkers read."""
    for statement in body:
        match statement:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=other):
                yield from run_time_imports(other)
            case ast.Import(names=names):
                yield from ((alias.name, statement.lineno) for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module, statement.lineno
            case _:
                for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                    yield from run_time_imports(getattr(statement, field, []))


def test_what_is_imported_is_required() -> None:
    extras = PROJECT["optional-dependencies"]
    provided = packages_distributions()
    missing = []
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        named = [of for part, of in EXTRAS.items() if place.is_relative_to(part)]
        wanted = (*PROJECT["dependencies"], *(one for of in named for name in of for one in extras[name]))
        required = {distribution(one) for one in wanted}
        for module, line in run_time_imports(ast.parse(file.read_text("utf-8")).body):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top in ("xfs4iot", "msvcrt"):
                continue
            if top == "pytest" and file.parent.name == "testing":
                continue  # who tests a device with it has it
            by = {distribution(one) for one in provided.get(top, [top])}
            if not by & required:
                missing.append(f"{place}:{line}: {module}")
    assert not missing, "import what pyproject.toml names, or name it there:\n" + "\n".join(missing)


WITHOUT = """
import sys
for module in sys.argv[1:]:
    sys.modules[module] = None
import xfs4iot.cli
for name in xfs4iot.cli._COMMANDS:
    try:
        xfs4iot.cli.cli.get_command(None, name)
    except SystemExit:
        print(name)
"""
"""Loads each command, and names those that refuse."""


def test_a_command_whose_extra_is_not_there_names_it() -> None:
    extras = {distribution(one) for of in PROJECT["optional-dependencies"].values() for one in of}
    extras -= {distribution(one) for one in PROJECT["dependencies"]}
    provided = packages_distributions()
    modules = [one for one, by in provided.items() if {distribution(name) for name in by} <= extras]
    assert "jsonschema" in modules
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *modules], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.stdout.split() == ["conform"], done.stderr
    assert done.stderr.split("\n")[:-1] == ["error: conform needs jsonschema: pip install 'xfs4iot[conform]'"]
