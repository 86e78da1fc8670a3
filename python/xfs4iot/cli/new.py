"""`xfs4iot new`: begin a package for a device of one's own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from xfs4iot.cli.characters import escape
from xfs4iot.cli.complaint import complain
from xfs4iot.cli.connection import print_json
from xfs4iot.cli.prose import Console
from xfs4iot.reasons import reason
from xfs4iot.scaffold import NameRefused, Package, UnknownKind, kind_called, kinds

__all__ = ["new"]

_USAGE = 2
_STEPS = (
    ("pip install -e '.[test]'", "install it, in the virtual environment that has xfs4iot"),
    ("pytest", "its tests: jam, lies, slowness, cancel, power cut"),
    ("xfs4iot serve atm.toml", "serve it on this machine"),
    ("xfs4iot conform {uri}", "from another terminal: does it do what the standard says?"),
)


@click.command(epilog=f"Devices: {', '.join(kinds())}.")
@click.argument("device")
@click.argument("name")
@click.option(
    "--directory", type=click.Path(file_okay=False, path_type=Path), default=".", show_default=True,
    help="Where the package's directory is made.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def new(device: str, name: str, directory: Path, as_json: bool) -> None:
    """Begin a package NAME for a DEVICE of your own; it runs at once.

    DEVICE is an interface, such as CashDispenser or card-reader, or what vendors build of several:
    recycler, epp. The package has the device class, a stand-in for the hardware, tests, a configuration
    for serve, and a workflow for a build server. Nothing is overwritten. Exit 0 if it was written, 1 if it
    could not be, 2 if there is no such device or the name cannot be one.
    """
    try:
        package = Package(kind_called(device), name)
    except (UnknownKind, NameRefused) as problem:
        complain(problem)
        sys.exit(_USAGE)
    root = directory / package.name
    try:
        written = package.write(directory)
    except FileExistsError:
        complain(f"{root} is there already, and nothing was written; choose another name or --directory")
        sys.exit(1)
    except OSError as problem:
        complain(f"{root} cannot be written: {reason(problem)}")
        sys.exit(1)
    uri = f"ws://127.0.0.1:5846/xfs4iot/v1.0/{package.service}"
    steps = [f"cd {root}", *(step.format(uri=uri) for step, _ in _STEPS)]
    if as_json:
        print_json(
            {
                "package": package.name,
                "directory": str(root),
                "class": f"{package.module}:{package.class_name}",
                "interfaces": list(package.kind.interfaces),
                "files": [str(path) for path in written],
                "next": steps,
            }
        )
        return
    console = Console()
    interfaces = ", ".join(package.kind.interfaces)
    console.print(
        f"[green]✓[/] [bold]{escape(str(root))}[/]: {package.class_name}, {interfaces}",
        highlight=False,
    )  # fmt: skip
    for path in written:
        console.print(f"  {escape(str(path.relative_to(root)))}", highlight=False, soft_wrap=True)
    console.print("\nNext:")
    for step, what in zip(steps, ("", *(what for _, what in _STEPS)), strict=True):
        # Beside it, the longest would be broken on a terminal of 80 columns.
        if what:
            console.print(f"  [dim]# {what}[/]", highlight=False)
        console.print(f"  [cyan]{escape(step)}[/]", highlight=False, soft_wrap=True)
    console.print(
        f"\nThen put the real line in the place of [bold]src/{package.module}/hardware.py[/].",
        highlight=False,
    )  # fmt: skip
