"""`xfs4iot simulate`: a whole simulated ATM until interrupted."""

from __future__ import annotations

import signal
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
import trio

from xfs4iot.cli import arguments
from xfs4iot.cli.connection import run
from xfs4iot.cli.group import UntilTold
from xfs4iot.cli.hosting import Hosted, dialect_option, heard, simulated_atm, until_told
from xfs4iot.cli.published import published, say
from xfs4iot.cli.waiting import waiting
from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
from xfs4iot.protocol.visible import visible
from xfs4iot.simulator.shipped import DEFAULT, names
from xfs4iot.simulator.text_terminal import SimulatedTextTerminal
from xfs4iot.tokens import KeyUnusable, read_key
from xfs4iot.toml_file import read_table

if TYPE_CHECKING:
    from xfs4iot.cli.settings import UplinkSettings

__all__ = ["simulate"]


def _ending() -> list[signal.Signals]:
    """What ends it: also its terminal that is closed, unless `nohup` or the like has it go on."""
    ending = [signal.SIGTERM, signal.SIGINT]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    return ending


@click.command(cls=UntilTold)
@click.option("--port", type=click.IntRange(0, 65535), help="Default: the standard's first free one; 0: any.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--plain", is_flag=True, help="Plain text, no TLS.")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    callback=arguments.directory,
    help="Keep the ATM's state here.",
)
@click.option(
    "--profile", default=DEFAULT, show_default=True,
    help=f"What the ATM has: {', '.join(names())}, or a TOML file.",
)  # fmt: skip
@click.option(
    "--scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file of what happens by itself.",
)  # fmt: skip
@click.option("--seed", type=int, help="What all chance follows from. Default: the profile's.")
@click.option(
    "--seconds", type=float, callback=arguments.seconds,
    help="How long a movement takes. Default: the profile's.",
)  # fmt: skip
@click.option(
    "--token-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Dispense with end-to-end tokens only; the file holds the key in hexadecimal digits.",
)
@click.option(
    "--nonce-timeout",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="With --token-key: seconds after which a command nonce is gone; 0: never.",
)
@dialect_option
@click.option(
    "--uplink",
    "uplinks",
    multiple=True,
    metavar="NATS-URL|FILE",
    help="Dial out to a fleet: a broker on this machine (repeatable), or the `uplink.toml` of `enroll`.",
)
@click.option(
    "--device", default="atm1", show_default=True, help="With the broker's URL: the ATM's name in the fleet."
)
@click.option(
    "--screen", is_flag=True, help="Show the operator's screen (TextTerminal) here, and take its keys."
)
@click.option("--console", is_flag=True, help="Serve the console, a page for browsers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready.")
def simulate(
    port: int | None,
    host: str,
    plain: bool,
    state: Path | None,
    profile: str,
    scenario: Path | None,
    seed: int | None,
    seconds: float | None,
    token_key: Path | None,
    nonce_timeout: int,
    dialect: str | None,
    uplinks: tuple[str, ...],
    device: str,
    screen: bool,
    console: bool,
    as_json: bool,
) -> None:
    """Run a simulated ATM: a service for each device of its profile, and Simulator, which drives them.

    Its clients must trust the certificate authority whose PEM file is named when it is
    ready. Without --state everything is gone when it ends.
    """
    if screen:
        from xfs4iot.cli import operator_screen

        operator_screen.require_terminal()
    if not any("://" in uplink for uplink in uplinks):
        arguments.refuse_idle(["device"], "without --uplink and the broker's URL")
    if token_key is None:
        arguments.refuse_idle(["nonce_timeout"], "without --token-key")
    fleet = None
    if uplinks:
        try:
            fleet = _fleet(uplinks, device)
        except ValueError as wrong:
            raise click.BadParameter(str(wrong), param_hint="--uplink") from None
    security = None
    if token_key is not None:
        try:
            security = EndToEndSecurity(
                key=read_key(token_key), required="always", responses="always", nonce_timeout=nonce_timeout
            )
        except KeyUnusable as wrong:
            raise click.BadParameter(str(wrong), param_hint="--token-key") from None

    async def main() -> int:
        # Listened to before anything is made: whoever ends it at once finds nothing left either.
        with heard(*_ending()) as signals, ExitStack() as stack:
            directory = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xfs4iot-")))
            starting = stack.enter_context(ExitStack())
            starting.enter_context(waiting("a simulated ATM starts"))
            async with (
                until_told(signals),
                simulated_atm(
                    directory,
                    profile,
                    host=host,
                    port=port,
                    plain=plain,
                    seconds=seconds,
                    seed=seed,
                    security=security,
                    scenario=scenario,
                    dialect=dialect,
                    console=console,
                    uplink=fleet,
                ) as atm,
            ):
                terminal = _terminal_of(atm) if screen else None
                services = {name: atm.publisher.uri(name) for name in atm.publisher.services}
                starting.close()
                if as_json:
                    ready = {
                        "ready": True,
                        "publisher": atm.publisher.uri(),
                        "ca": str(atm.ca) if atm.ca else None,
                        "services": services,
                        "console": atm.console,
                    }
                    click.echo(msgspec.json.encode(ready))
                else:
                    for line in published(atm.publisher.uri(), services, "a simulated ATM, ready"):
                        say(*line)
                    if atm.publisher.passed_over:
                        say((atm.publisher.passed_over, "dim"))
                    if atm.ca:
                        say((f"certificate authority: {visible(str(atm.ca))}", ""))
                    if atm.console:
                        say((f"console: {atm.console}", ""))
                    say(("Ctrl-C ends", "dim"))
                async with trio.open_nursery() as nursery:
                    if terminal is not None:
                        from xfs4iot.cli import operator_screen
                        from xfs4iot.cli.prose import Console

                        nursery.start_soon(operator_screen.operate, terminal, Console())
                    await trio.sleep_forever()
        return 0

    run(main)


def _fleet(uplinks: tuple[str, ...], device: str) -> UplinkSettings:
    """What --uplink says: URLs of the broker's nodes, or a file.

    Raises:
        ValueError: it cannot be used.
    """
    from xfs4iot.cli.broker import broker_is_trusted
    from xfs4iot.cli.settings import UplinkSettings

    if len(uplinks) == 1 and "://" not in uplinks[0]:
        wanted = read_table(Path(uplinks[0]), "uplink", UplinkSettings)
    else:
        wanted = UplinkSettings(uplinks, device)
    broker_is_trusted(wanted.servers)
    return replace(wanted, spread=0.0)


def _terminal_of(atm: Hosted) -> SimulatedTextTerminal:
    """The operator's display.

    Raises:
        click.UsageError: the profile has none.
    """
    for service in atm.publisher.services.values():
        if isinstance(service.device, SimulatedTextTerminal):
            return service.device
    raise click.UsageError("--screen: the profile has no TextTerminal")
