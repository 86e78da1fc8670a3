"""Write `devices/__init__.py`: every public name of the device classes, imported when it is first asked for.

    python tools/generate_devices.py            write it
    python tools/generate_devices.py --check    fail if it is not what would be written

A module of `devices/` makes a name public by its `__all__`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

DEVICES = Path(__file__).parent.parent / "python" / "xfs4iot" / "devices"
TARGET = DEVICES / "__init__.py"

HEAD = '''"""What a vendor writes: one class per device, made of the classes of its interfaces.

Written by `tools/generate_devices.py` from the modules' `__all__`. A name's module is imported when
the name is first asked for, so that a service costs only what its device is made of.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
'''

TAIL = """

def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
"""


def public(file: Path) -> list[str]:
    """The names in a module's `__all__`."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        ):
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def written() -> str:
    """The whole module."""
    modules = {file.stem: public(file) for file in sorted(DEVICES.glob("*.py")) if file != TARGET}
    modules = {module: names for module, names in modules.items() if names}
    owners: dict[str, str] = {}
    text = HEAD
    for module, names in modules.items():
        for name in names:
            if name in owners:
                raise SystemExit(f"{name} is public in devices/{owners[name]}.py and devices/{module}.py")
            owners[name] = module
        listed = "".join(f"        {name},\n" for name in sorted(names))
        text += f"    from xfs4iot.devices.{module} import (\n{listed}    )\n"
    text += "\n__all__ = [\n" + "".join(f'    "{name}",\n' for name in sorted(owners)) + "]\n"
    text += "\n_MODULES = {\n" + "".join(f'    "{n}": "{owners[n]}",\n' for n in sorted(owners)) + "}\n"
    ruff = ["ruff", "format", "-q", "--stdin-filename", str(TARGET), "-"]
    text = subprocess.run(ruff, input=text + TAIL, capture_output=True, text=True, check=True).stdout
    fix = ["ruff", "check", "-q", "--fix", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(fix, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    text = written()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text() != text:
            sys.exit(f"{TARGET.name} is stale: run python tools/generate_devices.py")
    else:
        TARGET.write_text(text)
