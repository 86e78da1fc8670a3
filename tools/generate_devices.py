"""Write what `devices/` has in generated form.

`__init__.py` has every public name of the device classes, imported when it is first asked for;
`_told.py` has the types of a device's status and capabilities.

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
TOLD = DEVICES / "_told.py"

HEAD = '''"""What a vendor writes: one class per device, made of the classes of its interfaces.

Written by `tools/generate_devices.py` from the modules' `__all__`. A name's module is imported when
the name is first asked for, so that a service costs only what its device is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xfs4iot.late import late

if TYPE_CHECKING:
'''

TAIL = """
if not TYPE_CHECKING:
    __getattr__ = late(__name__, _MODULES)


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


TOLD_HEAD = '''"""The types of a device's status and capabilities.

Written by `tools/generate_devices.py`. To a type checker every part is there, for those of a device's
own interfaces always are; those of others are None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xfs4iot.protocol.messages import common

__all__: list[str] = []

if TYPE_CHECKING:
    from msgspec import field

'''

TOLD_TAIL = """
else:
    DeviceStatus = common.StatusCompletion
    DeviceCapabilities = common.CapabilitiesCompletion
"""


def told() -> str:
    """The module with the types of status and capabilities."""
    from xfs4iot.protocol.messages import common

    parts = {
        "DeviceStatus": (common.StatusCompletion, "Status", "StatusProperties"),
        "DeviceCapabilities": (common.CapabilitiesCompletion, "Capabilities", "CapabilityProperties"),
    }
    modules, classes = {"common"}, ""
    for name, (whole, part, own) in parts.items():
        classes += f"\n    class {name}(common.{whole.__name__}):\n"
        for one in whole.__struct_fields__:
            if one == "interfaces":
                continue
            modules.add(one)
            kind = f"_{one}.{own if one == 'common' else part}"
            classes += f"        {one}: {kind} = field(default_factory={kind})\n"
    imports = "".join(
        f"    from xfs4iot.protocol.messages import {one} as _{one}\n" for one in sorted(modules)
    )
    return formatted(TOLD_HEAD + imports + classes + TOLD_TAIL, TOLD)


def formatted(text: str, target: Path) -> str:
    """A module's text as ruff wants it."""
    ruff = ["ruff", "format", "-q", "--stdin-filename", str(target), "-"]
    text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    fix = ["ruff", "check", "-q", "--fix", "--stdin-filename", str(target), "-"]
    return subprocess.run(fix, input=text, capture_output=True, text=True, check=True).stdout


def exports() -> str:
    """The module with the public names."""
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
    return formatted(text + TAIL, TARGET)


if __name__ == "__main__":
    for target, write in ((TARGET, exports), (TOLD, told)):
        text = write()
        if "--check" in sys.argv[1:]:
            if not target.exists() or target.read_text() != text:
                sys.exit(f"{target.name} is stale: run python tools/generate_devices.py")
        else:
            target.write_text(text)
