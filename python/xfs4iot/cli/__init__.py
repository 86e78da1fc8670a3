"""The command line, `xfs4iot`.

Each command is a module of its own, imported when it is called, so that `xfs4iot --help`
is quick. Exit codes: 0 good, 1 the command failed, 2 bad usage, 130 Ctrl-C. What fails by an exception of
ours is told in one line: here, where no command has more to say of it.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from xfs4iot import __version__
from xfs4iot.cli.characters import show_all_characters, shown
from xfs4iot.cli.group import Group
from xfs4iot.held_signals import INTERRUPTED, end_as_told
from xfs4iot.late import late_libraries

__all__ = ["cli", "main"]

# trio and others import them, but a service has no use for them: its TLS and its hashes are those of
# cryptography's OpenSSL, and `ssl` and `hashlib` would load another one.
late_libraries(("ssl", "hashlib", "hmac", "secrets", "idna", "shutil"))

_COMMANDS = {
    "demo": "A simulated ATM pays out money over TLS, end to end.",
    "simulate": "Run a whole simulated ATM until interrupted.",
    "serve": "Run real services from a configuration file.",
    "new": "Begin a package for a device of your own.",
    "gateway": "Let applications reach a fleet of devices that dial out.",
    "fleet": "Begin a fleet, let its parts in; list, watch and call its devices.",
    "enroll": "Get a device its certificate in a fleet, for a code.",
    "check-device": "Check a vendor's device class, faults included.",
    "discover": "Find the publishers and services of a host.",
    "call": "Send one command to a service.",
    "watch": "Print the events of a service.",
    "conform": "Try whether a service does what the standard says.",
    "record": "Write down what clients and services say.",
    "replay": "Play the clients, or the services, of a recording.",
    "diff": "Compare two recordings.",
    "forms": "Check, convert and draw forms of printers and text terminals.",
    "denominate": "Work out which notes pay an amount.",
    "bench": "Compare with peers on this machine.",
    "token": "Make and check tokens of end-to-end security.",
    "ledger": "Verify, list, export and recover ledgers.",
    "certificate": "Make, sign, show and check certificates.",
    "completion": "Let a shell complete what is typed.",
}
"""Every command with its one line of help; `<name>.py` beside this file holds it, with `_` for `-`."""


class _Lazy(Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return self._invoked(ctx)
        # A nursery may have made a group of it.
        except* KeyboardInterrupt:
            pass
        finally:
            end_as_told()
        sys.exit(INTERRUPTED)

    def _invoked(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.ClickException as wrong:
            said = shown(wrong.format_message())
            if sys.stderr.isatty():
                from xfs4iot.cli.prose import Console, wrapped

                said = wrapped(said, Console(stderr=True).width, len("Error: "))
            wrong.format_message = lambda: said  # type: ignore[method-assign]
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = import_module(f"xfs4iot.cli.{name}")
        command = getattr(module, f"{name}_command", None) or getattr(module, name)
        assert isinstance(command, click.Command)
        return command

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        return list(_COMMANDS.items())


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xfs4iot")
def cli() -> None:
    """XFS4IoT (CWA 17852): services for ATM devices, and clients of them."""


def main() -> None:
    """Entry point of the console script."""
    show_all_characters()
    if "_XFS4IOT_COMPLETE" in os.environ:
        import_module("xfs4iot.cli.completion")
    try:
        cli(prog_name="xfs4iot")
    except Exception as problem:
        from xfs4iot.cli.complaint import complain, has_a_name, innermost, no_room, nobody_reads

        if not has_a_name(problem):
            raise
        if isinstance(innermost(problem), BrokenPipeError) or no_room(innermost(problem)):
            nobody_reads()
        complain(problem)
        sys.exit(1)
