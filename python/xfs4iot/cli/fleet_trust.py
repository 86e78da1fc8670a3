"""`xfs4iot fleet callout|authority|invite|revoke|admit|enrolled`: who belongs to a fleet, and who decides."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
import trio
from OpenSSL import SSL

from xfs4iot.addresses import address
from xfs4iot.cli import arguments
from xfs4iot.cli.broker import as_role, broker_is_trusted, made, reach
from xfs4iot.cli.complaint import innermost
from xfs4iot.cli.connection import print_json, run
from xfs4iot.cli.group import UntilTold
from xfs4iot.cli.hosting import heard, until_told
from xfs4iot.cli.operator import as_operator, bucket_of, device_argument
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.fleet.authority import Authority, OwnSigning, ProgramSigning, Signing
from xfs4iot.fleet.callout import Callout
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.fleet.code import Code
from xfs4iot.fleet.enrolment import PORT, Enrolment, Facts
from xfs4iot.fleet.names import DEVICE, fleet_names
from xfs4iot.fleet.nats import Login, Nats
from xfs4iot.fleet.nkeys import NKey
from xfs4iot.fleet.roll import Roll
from xfs4iot.fleet.store import KeyValue
from xfs4iot.fleet.subjects import Subjects, check_id
from xfs4iot.fleet.trust import TRUST, Trust, Trusted, hash_code, key_of
from xfs4iot.fleet.view import instant
from xfs4iot.reasons import reason
from xfs4iot.transport import tls
from xfs4iot.transport.certificates import test_authority, write_secret
from xfs4iot.transport.pairs import load_certificates
from xfs4iot.transport.rotation import Credentials

__all__ = ["admit", "authority", "callout", "enrolled", "invite", "revoke"]

_BROKER_SECONDS = 60.0
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")
_replicas = click.option(
    "--replicas",
    type=click.IntRange(1, 5),
    help="Nodes that keep what is known; default: as in --fleet, or 1.",
)


def _keys(settings: dict[str, Any], keys: Path | None) -> Path:
    """The directory of keys that `init` has written."""
    if keys is None and settings["directory"] is not None:
        keys = settings["directory"] / "keys"
    if keys is None or not (keys / "ca.pem").exists():
        raise click.UsageError("name the directory of keys that `xfs4iot fleet init` has written, or --fleet")
    return keys


def _until_signalled(main: Callable[[trio.Nursery], Awaitable[None]]) -> None:
    """Run something until SIGTERM or SIGINT; what it cannot do ends the process with 1."""

    async def whole() -> int:
        with heard(signal.SIGTERM, signal.SIGINT) as signals:
            async with until_told(signals), trio.open_nursery() as nursery:
                await main(nursery)
        return 0

    try:
        run(whole)
    except* (CarrierLost, RuntimeError) as problems:
        raise click.ClickException(str(innermost(problems))) from None


@click.command(cls=UntilTold)
@click.argument("keys", type=_DIRECTORY, required=False)
@click.option("--revoked", multiple=True, metavar="SHA256", help="A certificate that is not let in any more.")
@click.option("--any-key", is_flag=True, help="Let in every device with a certificate, enrolled or not.")
@_replicas
@_json
@click.pass_obj
def callout(
    settings: dict[str, Any],
    keys: Path | None,
    revoked: tuple[str, ...],
    any_key: bool,
    replicas: int | None,
    as_json: bool,
) -> None:
    """Decide for the broker who may connect, by the keys that `init` has written to KEYS.

    Run two or more: while none runs, nobody new comes in.
    """
    given = settings["given"]
    settings = as_role(given, "callout")
    keys = _keys(given, keys)
    try:
        broker_is_trusted(settings["servers"])
        issuer, user, system = (
            NKey.of((keys / f"{name}.seed").read_text("ascii")) for name in ("issuer", "callout", "system")
        )
        tenant = check_id(settings["tenant"], "tenant")
    except (ValueError, OSError) as problem:
        raise click.ClickException(
            reason(problem) if isinstance(problem, OSError) else f"{keys}: {problem}"
        ) from None

    def login(key: NKey | None = None) -> Login:
        def context() -> SSL.Context:
            return tls.client_context(
                ca=keys / "ca.pem", certificate=keys / "callout.pem", key=keys / "callout.key"
            )

        return Login(context) if key is None else Login(context, nkey=key.public, sign=key.sign)

    unwanted = frozenset(one.replace(":", "").lower() for one in revoked)

    async def main(nursery: trio.Nursery) -> None:
        servers = settings["servers"]
        deciding, listing, ending = (
            Nats(servers, one, name="xfs4iot callout") for one in (login(user), login(), login(system))
        )
        roll = None
        if not any_key:
            store = KeyValue(listing, TRUST.format(tenant), replicas=replicas or settings.get("replicas", 1))
            roll = Roll(store, ending)
        Callout(deciding, issuer, tenant, unwanted, roll=roll)
        await nursery.start(deciding.run)
        await reach(deciding, _BROKER_SECONDS)
        await deciding.flush()
        if roll is not None:
            # Let in by itself, or by another that runs already.
            for one in (listing, ending):
                await nursery.start(one.run)
                await reach(one, _BROKER_SECONDS)
            await made(store.make)
            nursery.start_soon(roll.run)
        if as_json:
            click.echo(orjson.dumps({"ready": True, "broker": list(servers)}))
        else:
            click.echo(f"deciding who comes in to {', '.join(servers)}; Ctrl-C ends")
        await trio.sleep_forever()

    _until_signalled(main)


@click.command(cls=UntilTold)
@click.argument("keys", type=_DIRECTORY, required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address at which devices are enrolled.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True)
@click.option(
    "--days", type=arguments.NumberRange(min=0.01), default=90, show_default=True, help="Of a certificate."
)
@click.option("--sign-with", metavar="PROGRAM", help="Has requests signed elsewhere: see docs/fleet.md.")
@click.option("--sign-ca", type=_FILE, help="With --sign-with: PEM file of the authorities it leads to.")
@click.option(
    "--device-broker",
    "told",
    multiple=True,
    metavar="URL",
    help="Where devices reach the broker; default: as the authority does.",
)
@click.option("--no-enrolment", is_flag=True, help="Only renew, over the broker; listen nowhere.")
@_replicas
@_json
@click.pass_obj
def authority(
    settings: dict[str, Any],
    keys: Path | None,
    host: str,
    port: int,
    days: float,
    sign_with: str | None,
    sign_ca: Path | None,
    told: tuple[str, ...],
    no_enrolment: bool,
    replicas: int | None,
    as_json: bool,
) -> None:
    """Give devices their certificates: by a code, at a port of its own, and their next, over the broker.

    KEYS is the directory that `init` has written; of it `authority.pem`, `authority.key`, `ca.pem`
    and `devices` are needed, and not `ca.key`.
    """
    given = settings["given"]
    settings = as_role(given, "authority")
    keys = _keys(given, keys)
    settings = {
        "ca": keys / "ca.pem", "certificate": keys / "authority.pem", "key": keys / "authority.key",
        **{name: value for name, value in settings.items() if value is not None},
    }  # fmt: skip
    if (sign_with is None) != (sign_ca is None):
        raise click.UsageError("--sign-with and --sign-ca belong together: give both, or none")
    try:
        broker_is_trusted((*settings["servers"], *told))
        tenant = check_id(settings["tenant"], "tenant")
        signing: Signing = (
            OwnSigning(test_authority(keys / "devices", make=False), days)
            if sign_with is None
            else ProgramSigning(tuple(shlex.split(sign_with)))
        )
        roots = settings["ca"].read_text("ascii")
        credentials = Credentials(tls.TLSConfig(settings["certificate"], settings["key"]))
    except (ValueError, OSError, tls.TLSError) as problem:
        raise click.ClickException(reason(problem)) from None

    async def main(nursery: trio.Nursery) -> None:
        carrier = Nats(settings["servers"], _login(settings), name="xfs4iot authority")
        await nursery.start(carrier.run)
        await reach(carrier, _BROKER_SECONDS)
        store = KeyValue(carrier, TRUST.format(tenant), replicas=replicas or settings.get("replicas", 1))
        await made(store.make)
        deciding = Authority(Trust(store), signing, sign_ca or settings["ca"])
        deciding.serve_renewals(carrier, Subjects(tenant), nursery)
        await carrier.flush()
        where = None
        if not no_enrolment:
            facts = Facts(tenant, told or settings["servers"], roots)
            enrolment = Enrolment(deciding, facts, credentials=credentials, host=host, port=port)
            await nursery.start(enrolment.serve)
            assert enrolment.port is not None, "it serves"
            where = address(host, enrolment.port)
        if as_json:
            click.echo(orjson.dumps({"ready": True, "enrolment": where, "broker": list(settings["servers"])}))
        else:
            click.echo(f"{'renewing' if where is None else f'enrolling devices at {where}'}; Ctrl-C ends")
        await trio.sleep_forever()

    _until_signalled(main)


def _login(settings: dict[str, Any]) -> Login:
    files = {name: settings[name] for name in ("ca", "certificate", "key")}
    return Login(lambda: tls.client_context(**files))


def _trust(carrier: Nats, settings: dict[str, Any]) -> Trust:
    return Trust(bucket_of(carrier, TRUST, settings["tenant"]))


async def _trust_there(carrier: Nats, tenant: str) -> None:
    await KeyValue(carrier, TRUST.format(tenant)).get("nobody")


@click.command()
@click.argument("devices", nargs=-1, required=True)
@click.option(
    "--hours",
    type=arguments.NumberRange(min=0.01, max=24 * 90),
    default=24,
    show_default=True,
    help="How long a code is good.",
)
@click.option(
    "--replace", "replacing", is_flag=True, help="They are enrolled already, and come with new keys."
)
@click.option(
    "--directory",
    "codes",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each code to a file DEVICE.code.",
)
@_json
@click.pass_obj
def invite(
    settings: dict[str, Any],
    devices: tuple[str, ...],
    hours: float,
    replacing: bool,
    codes: Path | None,
    as_json: bool,
) -> None:
    """Make codes by which DEVICES can be enrolled, each once."""
    if settings["ca"] is None:
        raise click.UsageError("a code is made for the fleet's authority: name --ca, or --fleet")
    root = load_certificates(settings["ca"])[0]
    try:
        made_codes = [Code.new(device, root) for device in devices]
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None

    if codes is not None:
        codes.mkdir(parents=True, exist_ok=True)

    async def main(carrier: Nats) -> None:
        trust = _trust(carrier, settings)
        for code in made_codes:
            hashed = hash_code(code.device, code.secret)
            await trust.invite(code.device, hashed, hours * 3600, replacing=replacing)
            expires = datetime.fromtimestamp(time.time() + hours * 3600, UTC)
            if codes is not None:
                file = codes / f"{code.device}.code"
                write_secret(file, f"{code}\n".encode())
                said: dict[str, object] = {"device": code.device, "file": str(file)}
            else:
                said = {"device": code.device, "code": str(code)}
            if as_json:
                click.echo(orjson.dumps({**said, "expires": expires.isoformat(timespec="seconds")}))
            elif codes is not None:
                click.echo(said["file"])
            else:
                click.echo(code)

    as_operator(settings, main, there=_trust_there)


@click.command()
@device_argument
@click.pass_obj
def revoke(settings: dict[str, Any], device: str) -> None:
    """Let DEVICE in no more, and end the connections that it has."""

    async def main(carrier: Nats) -> None:
        await _trust(carrier, settings).revoke(device)
        click.echo(f"{device} is let in no more; its connections end as soon as a callout knows")

    as_operator(settings, main, there=_trust_there)


@click.command()
@click.argument("certificate", type=_FILE)
@click.pass_obj
def admit(settings: dict[str, Any], certificate: Path) -> None:
    """Take in the device of a CERTIFICATE that was made elsewhere, by its key."""
    try:
        holder = load_certificates(certificate)[0]
    except tls.TLSError as problem:
        raise click.ClickException(str(problem)) from None
    names = fleet_names(holder)
    if len(names) != 1 or not names[0].startswith(DEVICE):
        raise click.ClickException(f"{certificate} is no device's; it needs one name {DEVICE}NAME")
    device = check_id(names[0].removeprefix(DEVICE), "device")

    async def main(carrier: Nats) -> None:
        trust = _trust(carrier, settings)
        await trust.admit(device, key_of(holder), holder.not_valid_after_utc.timestamp())
        click.echo(f"{device} is let in by this key, and no other")

    as_operator(settings, main, there=_trust_there)


@click.command()
@_json
@click.pass_obj
def enrolled(settings: dict[str, Any], as_json: bool) -> None:
    """List the devices that belong to the fleet, and until when their certificates are good."""

    async def main(carrier: Nats) -> None:
        known = await _trust(carrier, settings).everything()
        rows = [{"device": name, **_told(one)} for name, one in sorted(known.items())]
        if as_json:
            print_json(rows)
            return
        table = Table("device", "", "certificate until (UTC)", "code until (UTC)")
        for row in rows:
            table.add_row(row["device"], row["state"], _short(row["until"]), _short(row["code"]))
        Console().print(table)

    as_operator(settings, main, there=_trust_there)


def _told(one: Trusted) -> dict[str, str | None]:
    state = "revoked" if one.revoked else "invited"
    if one.keys:
        # Its request was taken, and then not signed.
        state = "enrolled" if one.until else "unsigned"
    open_code = one.invitation is not None and not one.invitation.key
    return {
        "state": state,
        "until": instant(one.until or None),
        "code": instant(one.invitation.expires) if one.invitation is not None and open_code else None,
    }


def _short(said: str | None) -> str:
    """A moment for people, to the minute."""
    return (said or "")[:16].replace("T", " ")
