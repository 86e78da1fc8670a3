"""What `elsewhere` pretends is what the type checker knows of Windows."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import SimpleNamespace

import mypy
import pytest

from elsewhere import not_on_windows

_STUBS = Path(mypy.__file__).parent / "typeshed" / "stdlib"


def _named(module: str, platform: str) -> set[str]:
    """What the stub of a module names for a platform."""
    file = _STUBS / module / "__init__.pyi"
    tree = ast.parse((file if file.exists() else _STUBS / f"{module}.pyi").read_text("utf-8"))
    known = {"sys": SimpleNamespace(platform=platform, version_info=sys.version_info[:2])}
    found: set[str] = set()

    def walk(statements: list[ast.stmt]) -> None:
        for one in statements:
            match one:
                case ast.If(test=test, body=body, orelse=otherwise):
                    holds = eval(compile(ast.Expression(test), str(file), "eval"), known)
                    walk(body if holds else otherwise)
                case ast.ClassDef(name="Signals", body=body):
                    walk(body)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    found.add(name)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found.add(name)
                case ast.Assign(targets=targets):
                    found.update(target.id for target in targets if isinstance(target, ast.Name))
                case ast.ImportFrom(names=names, module=str(), level=0):
                    found.update(name.asname or name.name for name in names)

    walk(tree.body)
    return found


@pytest.mark.parametrize("module", sorted(not_on_windows()))
def test_all_that_windows_lacks_is_taken_away(module: str) -> None:
    lacks = _named(module, "linux") - _named(module, "win32")
    there = {name for name in lacks if hasattr(sys.modules.get(module) or __import__(module), name)}
    assert sorted(there - not_on_windows()[module]) == []
