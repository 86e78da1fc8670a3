"""The files of a package, and their text."""

from __future__ import annotations

import ast
import keyword
import re
import sys
from collections.abc import Iterable
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from string import Template
from textwrap import dedent, indent

from xfs4iot import __version__, devices
from xfs4iot.scaffold.kinds import Kind
from xfs4iot.scaffold.parts import part
from xfs4iot.scaffold.signatures import Imports, Signature, annotation, operations, signature

__all__ = ["NameRefused", "Package"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_WINDOWS = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")  # devices, in each directory
_LONGEST = 40
_WIDTH = 110
_LIFE = {
    "open": "Connect to the hardware. If it does not answer, the service tries again and tells its clients.",
    "close": "Let go of the hardware.",
    "run": "Watch the hardware for as long as the service lives.",
    "units": "The units that the hardware finds; asked at the start and after each exchange.",
    "cash_units": "The units that the hardware finds; asked at the start and after each exchange.",
}
"""What the methods do that are no operations."""


class NameRefused(ValueError):
    """A package cannot be called so; the text says why."""


class Package:
    """A package for one device.

    Attributes:
        kind: of the device.
        name: of the package, as `pip` knows it.
        module: as Python imports it.
        class_name: of the device class.

    Raises:
        NameRefused: `name` cannot be the name of a package.
    """

    def __init__(self, kind: Kind, name: str) -> None:
        self.kind = kind
        self.name = re.sub(r"[_. ]", "-", name).lower()
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST:
            raise NameRefused(
                f"{name[:_LONGEST]!r} cannot name a package: letters, digits and hyphens, "
                f"beginning with a letter, {_LONGEST} at most"
            )
        self.module = self.name.replace("-", "_")
        if _WINDOWS.fullmatch(self.name):
            raise NameRefused(f"{self.name!r} cannot be a directory on Windows; choose another")
        taken = self.module in sys.stdlib_module_names or self.module in ("xfs4iot", "trio", "test", "tests")
        if taken or keyword.iskeyword(self.module) or _installed(self.module):
            raise NameRefused(f"{self.name!r} is taken by Python or by what is installed; choose another")
        self.class_name = "".join(word.capitalize() for word in self.name.split("-"))
        if keyword.iskeyword(self.class_name):
            raise NameRefused(f"its class would be {self.class_name}, a word of Python; choose another name")
        self._part = part(kind.parts)
        bases = [getattr(devices, interface) for interface in kind.interfaces]
        self._known = {name: one for base in bases for name, one in operations(base)}
        if self.class_name in self._used():
            raise NameRefused(
                f"its class would be {self.class_name}, which its modules have already; choose another name"
            )

    def _used(self) -> set[str]:
        """Names that its modules have beside its class."""
        used: set[str] = set()
        # Whence the class itself is imported.
        own = (self.module, f"{self.module}.device")
        for path, text in self.files().items():
            if not path.endswith(".py"):
                continue
            for one in ast.walk(ast.parse(text)):
                if isinstance(one, ast.ClassDef) and not path.endswith("/device.py"):
                    used.add(one.name)
                elif isinstance(one, ast.Import) or (
                    isinstance(one, ast.ImportFrom) and one.module not in own
                ):
                    used |= {alias.asname or alias.name for alias in one.names}
        return used

    def files(self) -> dict[str, str]:
        """The text of each file, by its path in the package."""
        device, hardware = self._device(), self._hardware()
        source = f"src/{self.module}"
        return {
            "README.md": self._filled(_README, offered=self._offered(), missing=self._missing()),
            "pyproject.toml": self._filled(_PROJECT),
            "atm.toml": self._filled(_ATM),
            ".gitignore": "__pycache__/\n*.egg-info/\nbuild/\ndist/\n*.sqlite*\nreport.*\n",
            ".github/workflows/test.yml": self._filled(_WORKFLOW),
            f"{source}/__init__.py": self._filled(_INIT),
            f"{source}/device.py": device,
            f"{source}/hardware.py": hardware,
            f"{source}/py.typed": "",
            "tests/test_device.py": self._filled(_TESTS),
        }

    def write(self, directory: Path) -> list[Path]:
        """Write the files into a directory of the package's name below `directory`.

        Raises:
            FileExistsError: there is something of that name already; nothing was written.
            OSError: it cannot be written.
        """
        root, files = directory / self.name, self.files()
        root.mkdir(parents=True)
        written = []
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            written.append(path)
        return written

    @property
    def service(self) -> str:
        """The name of its service: the kind's, beginning with a capital."""
        return self.kind.name[0].upper() + self.kind.name[1:]

    @property
    def _does(self) -> str:
        *first, last = self._part.does
        return f"{', '.join(first)} and {last}" if first else last

    def _filled(self, template: str, **more: str) -> str:
        version = ".".join(__version__.split(".")[:2])
        return Template(dedent(template).lstrip("\n")).substitute(
            name=self.name,
            module=self.module,
            device=self.class_name,
            does=self._does,
            service=self.service,
            interfaces=", ".join(self.kind.interfaces),
            version=version,
            **more,
        )

    def _device(self) -> str:
        chosen, imports = self._part, Imports()
        for line in chosen.imports:
            imports.take(line)
        imports.add("collections.abc", "Mapping")
        imports.add("typing", "Any")
        imports.add("xfs4iot", "devices")
        imports.add(f"{self.module}.hardware", "Hardware")
        methods = [_INIT_METHOD]
        wanted = {"open": _OPEN, "close": _CLOSE} | chosen.operations
        for name, statements in wanted.items():
            wrapped, doc = self._method(name, imports)
            methods.append(f'{wrapped.text}\n        """{doc}"""\n{indent(statements, " " * 8)}')
        bases = ", ".join(f"devices.{one}" for one in self.kind.interfaces)
        body = [f'    """A device that {self._does}."""']
        if chosen.attributes:
            lines = [self._attribute(name, line, imports) for name, line in chosen.attributes.items()]
            body.append(indent("\n".join(lines), " " * 4))
        text = [
            f'"""{self.class_name}: a device that {self._does}."""',
            "from __future__ import annotations",
            imports.lines(self.module),
            f'__all__ = ["{self.class_name}"]',
        ]
        return (
            "\n\n".join(text)
            + f"\n\n\nclass {self.class_name}({bases}):\n"
            + "\n\n".join([*body, *methods])
            + "\n"
        )

    def _attribute(self, name: str, line: str, imports: Imports) -> str:
        """A class attribute; a mapping has its type, so that nobody takes it for one that may change."""
        value = line.partition("=")[2].strip()
        if value[0] not in "{[":
            return line
        kinds = [getattr(devices, interface) for interface in self.kind.interfaces]
        text = f"{name}: {annotation(kinds, name, imports)} = {value}"
        if len(text) > _WIDTH - 4 and "\n" not in value:
            text = text.removesuffix(value) + f"{value[0]}\n    {value[1:-1]},\n{value[-1]}"
        return text

    def _method(self, name: str, imports: Imports) -> tuple[Signature, str]:
        """The signature of a method, and its docstring."""
        found = self._known.get(name)
        if found is None:
            kinds = [getattr(devices, interface) for interface in self.kind.interfaces]
            found = next(getattr(one, name) for one in kinds if hasattr(one, name))
        written = signature(found, imports)
        return written, _LIFE.get(name, written.doc)

    def _hardware(self) -> str:
        chosen, imports = self._part, Imports()
        for line in chosen.hardware_imports:
            imports.take(line)
        imports.add("trio", "*")
        state = "".join(f"\n{indent(line, ' ' * 8)}" for line in chosen.state.values())
        methods = "".join(f"\n\n{indent(text, ' ' * 4)}" for text in chosen.hardware.values())
        head = Template(_HARDWARE).substitute(imports=imports.lines(self.module), state=state)
        return head + methods + "\n"

    def _offered(self) -> str:
        return _table(name for name in self._part.operations if name in self._known)

    def _missing(self) -> str:
        rows = []
        for name, one in self._known.items():
            if name not in self._part.operations and not _is_commons(one):
                rows.append(f"| `{name}` | {signature(one, Imports()).doc} |")
        return "\n".join(rows) or "| none | |"


def _installed(module: str) -> bool:
    """Whether something is installed that has a module of this name, and is no device, made here before."""
    return any(
        not distribution(owner).entry_points.select(group="xfs4iot.devices")
        for owner in packages_distributions().get(module, ())
    )


def _is_commons(function: object) -> bool:
    """Whether an operation is one of every device, not of the interface."""
    return getattr(function, "__module__", "").endswith("._device")


def _table(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_INIT_METHOD = """\
    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, options)
        self.hardware = Hardware(seconds=float(self.options.get("seconds", 0.1)))"""
_OPEN = """\
await self.hardware.connect()
await super().open()"""
_CLOSE = "await self.hardware.disconnect()"
_HARDWARE = '''\
"""The line to the hardware: a stand-in, to be replaced by the real one.

The device talks to its hardware by the methods of `Hardware` and by nothing else. Keep their names, and
let each do on the real line what its docstring says. A driver that blocks goes through a thread:
`await trio.to_thread.run_sync(self.port.read, 64)`.
"""

from __future__ import annotations

$imports

__all__ = ["Hardware", "HardwareFailed"]


class HardwareFailed(Exception):
    """The hardware did not answer, or could not do what it was told. The client gets `hardwareError`."""


class Hardware:
    """A stand-in: it does as if everything had moved.

    Attributes:
        seconds: how long a movement takes, and a customer.
        connected: whether there is a line.
    """

    def __init__(self, seconds: float = 0.1) -> None:
        self.seconds = seconds
        self.connected = False$state

    async def connect(self) -> None:
        """Open the line, and see whether the hardware answers."""
        await self._act()
        self.connected = True

    async def disconnect(self) -> None:
        """Close the line."""
        self.connected = False

    async def _act(self) -> None:
        """Take the time that the hardware takes."""
        await trio.sleep(self.seconds)'''
_INIT = '''
    """$device: a device that $does, served by xfs4iot."""

    from $module.device import $device

    __all__ = ["$device"]
'''
_TESTS = '''
    """$device keeps the contract of a device, whatever happens to it and to its hardware."""

    from collections.abc import Mapping
    from typing import Any

    from xfs4iot.testing import DeviceContract

    from $module import $device
    from $module.hardware import HardwareFailed


    class Test$device(DeviceContract):
        device = $device
        options: Mapping[str, Any] = {"seconds": 0}
        line = "hardware"
        jam = HardwareFailed
'''
_PROJECT = """
    [build-system]
    requires = ["setuptools>=77"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "$name"
    version = "0.1.0"
    description = "A device that $does, served by xfs4iot"
    readme = "README.md"
    requires-python = ">=3.11"
    dependencies = ["xfs4iot>=$version"]

    [project.optional-dependencies]
    test = ["mypy>=2.0", "pytest>=8.3", "ruff>=0.15", "xfs4iot[conform]"]

    [project.entry-points."xfs4iot.devices"]
    $name = "$module:$device"

    [tool.setuptools.packages.find]
    where = ["src"]

    [tool.setuptools.package-data]
    $module = ["py.typed"]

    [tool.pytest.ini_options]
    testpaths = ["tests"]

    [tool.mypy]
    strict = true
    files = ["src", "tests"]

    [tool.ruff]
    line-length = 110
"""
_ATM = """
    # `xfs4iot serve atm.toml` serves the device on this machine; with `--check` it only reads this file.

    [publisher]
    host = "127.0.0.1"
    port = 5846
    plain = true       # no TLS: only on a loopback address

    [ledger]
    file = "ledger.sqlite"

    [[service]]
    name = "$service"
    device = "$name"

    [service.options]
    seconds = 0.1      # how long the stand-in takes for a movement
"""
_WORKFLOW = """
    name: test
    on: [push, pull_request]
    jobs:
      test:
        runs-on: ubuntu-latest
        strategy:
          matrix:
            python: ["3.11", "3.13"]
        steps:
          - uses: actions/checkout@v4
          - uses: actions/setup-python@v5
            with:
              python-version: $${{ matrix.python }}
          - run: pip install -e '.[test]'
          - run: ruff check . && ruff format --check .
          - run: mypy
          - run: pytest
          - name: Conformance
            run: |
              xfs4iot serve atm.toml &
              for _ in $$(seq 50); do xfs4iot discover 127.0.0.1 --port 5846 --plain && break; sleep 0.2; done
              xfs4iot conform ws://127.0.0.1:5846/xfs4iot/v1.0/$service \\
                --level destructive --yes --junit report.xml
"""
_README = """
    # $name

    A device that $does, served by [xfs4iot](https://pypi.org/project/xfs4iot/). Interfaces: $interfaces.

    In a virtual environment that has xfs4iot (`pip install xfs4iot`, or its wheel; `xfs4iot --version` shows
    that it is there):

    ```sh
    pip install -e '.[test]'
    pytest
    xfs4iot serve atm.toml
    ```

    `[test]` brings what the tests, the linters and `xfs4iot conform` need; to serve the device none of it is
    needed. While it is served:

    ```sh
    xfs4iot conform ws://127.0.0.1:5846/xfs4iot/v1.0/$service
    ```

    ## Where to go on

    1. `src/$module/hardware.py` is a stand-in. Put the real line in its place, method by method.
    2. `src/$module/device.py` is the device. It offers what it overrides, and states as class attributes
       what its hardware is. Overridden so far: $offered.
    3. `tests/test_device.py` tries everything it offers, with the hardware jammed, lying or slow, with
       commands cancelled and the power cut. The tests come with xfs4iot, so they grow with it.

    ## Not offered yet

    Override one in `device.py`, and clients can use it.

    | operation | what it does |
    |---|---|
    $missing
"""
