"""Imports run one way through the house: no room reaches back."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import xfs4iot

ROOT = Path(xfs4iot.__file__).parent
ALL = ("__version__", "addresses", "close_matches", "dataclass", "digests", "late", "reasons", "telling")
MAY_USE = {
    "addresses": set(),
    "close_matches": set(),
    "dataclass": set(),
    "digests": set(),
    "late": set(),
    "reasons": set(),
    "telling": set(),
    "protocol": {"_core"},
    "transport": set(),
    "ledger": {"protocol"},
    "denominate": {"_core"},
    "tokens": {"protocol"},
    "toml_file": set(),
    "pcsc": {"devices", "protocol"},
    "escpos": {"devices", "printing", "protocol"},
    "devices": {"protocol", "tokens"},
    "printing": {"devices", "protocol"},
    "server": {"protocol", "transport", "devices", "ledger", "_core"},
    "interfaces": {"server", "devices", "ledger", "protocol", "denominate", "tokens"},
    "assembly": {"interfaces", "server", "devices", "ledger", "protocol"},
    "simulator": {
        "_core",
        "assembly",
        "toml_file",
        "interfaces",
        "server",
        "devices",
        "ledger",
        "protocol",
        "denominate",
        "printing",
    },
    "client": {"protocol", "transport", "_core"},
    "recording": {"client", "protocol", "transport"},
    "telemetry": {"interfaces", "server", "protocol", "transport", "_core"},
    "console": {"server", "ledger", "protocol", "transport"},
    "conformance": {"client", "protocol", "recording"},
    "stories": {"client", "interfaces", "protocol", "simulator", "tokens"},
    "scaffold": {"interfaces", "devices", "protocol"},
    "fleet": {
        "client",
        "interfaces",
        "ledger",
        "protocol",
        "server",
        "telemetry",
        "transport",
        "_core",
    },
    "testing": {"assembly", "interfaces", "server", "devices", "ledger", "protocol"},
}
"""What each room may import, beside those of `ALL`; the command line and the package are above."""


def imports(file: Path) -> Iterator[str]:
    """First part below `xfs4iot` of everything a module imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts == ["xfs4iot"]:
                yield from (alias.name for alias in node.names)
            elif parts[0] == "xfs4iot":
                yield parts[1]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "xfs4iot" and len(parts) > 1:
                    yield parts[1]


@pytest.mark.parametrize("room", MAY_USE)
def test_a_room_uses_only_the_rooms_below_it(room: str) -> None:
    files = [ROOT / f"{room}.py"] if (ROOT / f"{room}.py").exists() else sorted((ROOT / room).rglob("*.py"))
    assert files
    wrong = {
        f"{file.relative_to(ROOT)} imports {used}"
        for file in files
        for used in imports(file)
        if used not in (room, *ALL) and used not in MAY_USE[room]
    }
    assert not wrong


def test_no_two_modules_import_each_other_by_any_way_round() -> None:
    files = {name(file): file for file in ROOT.rglob("*.py")}
    del files["xfs4iot"]
    # A module of messages hands those of its commands on: to type checkers, and to who asks for one.
    graph = {
        module: set(modules_used(file, files)) - {module, f"{module}_commands"}
        for module, file in files.items()
    }
    assert sum(map(len, graph.values())) > len(files)
    assert len(list(TopologicalSorter(graph).static_order())) == len(files)


def name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


def modules_used(file: Path, known: Container[str]) -> Iterator[str]:
    """Every module of the package that a module imports, be it only for its types."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                used = module if module in known else node.module
                if used in known:
                    yield used
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def test_one_module_imports_what_cryptography_calls_decrepit() -> None:
    importing = [
        str(file.relative_to(ROOT)) for file in ROOT.rglob("*.py") if "hazmat.decrepit" in file.read_text()
    ]
    assert importing == [str(Path("simulator", "secure_part", "ciphers.py"))]
