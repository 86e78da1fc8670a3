"""What comes with an extra of the package, and what is said at once where it is not there."""

from __future__ import annotations

import importlib.util

import click

__all__ = ["require"]


def require(extra: str, what: str, *modules: str) -> None:
    """See that what a command needs is here, before it begins.

    Args:
        extra: of the package, with which the modules come.
        what: needs them, for the complaint.

    Raises:
        ClickException: some of them are not installed.
    """
    if missing := [name for name in modules if not _installed(name)]:
        raise click.ClickException(f"{what} needs {', '.join(missing)}; pip install 'xfs4iot[{extra}]'")


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:
        # So it is for a loaded module whose `__spec__` is None.
        return False
