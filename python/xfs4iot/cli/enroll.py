"""`xfs4iot enroll`: a device gets its certificate for a code."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from xfs4iot.cli.asking import ask
from xfs4iot.cli.connection import print_json, run
from xfs4iot.cli.waiting import waiting
from xfs4iot.protocol.visible import visible
from xfs4iot.reasons import reason
from xfs4iot.transport.failures import TLSError

__all__ = ["enroll"]

_PATIENCE = 30.0
"""Seconds for an authority that does not listen yet: that of a fleet which was just started."""


@click.command()
@click.argument("code")
@click.argument("authority", metavar="HOST[:PORT]")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where the files go; default: here.",
)
@click.option("--replace", is_flag=True, help="Also where there is a certificate that has not ended.")
@click.option("--proxy", metavar="URL", help="http://host:port by which the device reaches the fleet.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def enroll(
    code: str, authority: str, directory: Path, replace: bool, proxy: str | None, as_json: bool
) -> None:
    """Show CODE to the fleet's authority, and get a certificate for a key that is made here.

    CODE is what `xfs4iot fleet invite` has printed, @FILE for one in a file, or - to be asked for
    it. Writes `device.pem` (key and certificate), `ca.pem` and `uplink.toml`, which holds [uplink]
    of a configuration. If the answer is lost, the same can be said again. A device that was revoked, or
    whose key another has, is enrolled anew with --replace: what it has stays until there is the new one,
    which a service that runs takes up by itself.
    """
    from xfs4iot.fleet.code import Code
    from xfs4iot.fleet.enroll import EnrolmentFailed
    from xfs4iot.fleet.enroll import enroll as enroll_by
    from xfs4iot.fleet.enrolment import PORT
    from xfs4iot.transport.proxy import Proxy

    host, _, port = (
        authority.rpartition(":") if ":" in authority.rpartition("]")[2] else (authority, "", str(PORT))
    )
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise click.UsageError(f"{authority!r} is not HOST or HOST:PORT")
    try:
        if code == "-":
            code = ask("Code", "give @FILE in place of -, with the code in FILE")
        elif code.startswith("@"):
            code = Path(code[1:]).read_text("utf-8")
        wanted = Code.read(code)
        if proxy is not None:
            Proxy.read(proxy)
    except (ValueError, OSError) as wrong:
        raise click.UsageError(reason(wrong)) from None

    def late(why: str) -> None:
        click.echo(
            f"waiting up to {_PATIENCE:g} s for the authority at {visible(authority)}: {why}", err=True
        )

    async def main() -> int:
        try:
            with waiting(f"asking {visible(authority)}"):
                done = await enroll_by(
                    wanted,
                    host.strip("[]"),
                    int(port),
                    directory,
                    proxy=proxy,
                    replacing=replace,
                    patience=_PATIENCE,
                    late=late,
                )
        except (EnrolmentFailed, TLSError, OSError) as problem:
            raise click.ClickException(reason(problem)) from None
        if as_json:
            print_json({name: str(value) for name, value in asdict(done).items()})
        else:
            click.echo(f"enrolled as {done.device}, until {done.until}; then renewed by itself")
            click.echo(f"put what is in {done.configuration} into the configuration of `xfs4iot serve`")
        return 0

    run(main)
