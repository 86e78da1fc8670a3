"""`xfs4iot certificate`: make, sign, show and check certificates, and bearer tokens."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson
import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.cli import arguments, renewal
from xfs4iot.cli.asking import ask
from xfs4iot.cli.characters import escape
from xfs4iot.cli.complaint import subcommand
from xfs4iot.cli.group import Group
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.cli.waiting import waiting
from xfs4iot.protocol.visible import visible
from xfs4iot.transport import certificates, inspection, passwords, tokens
from xfs4iot.transport.failures import TLSError
from xfs4iot.transport.pairs import load_key

__all__ = ["certificate"]

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = arguments.NewFile()
_SOON_DAYS = 30
_CA = "ca.pem"
"""In the directory of a test authority."""


@click.group(cls=Group)
def certificate() -> None:
    """Make, sign, show and check certificates.

    A test bench makes its own with `authority`, `device` and `client`. A real device sends
    a `request` to the bank's authority, and `check`s what comes back.
    """


def _command(function: Callable[..., int | None]) -> click.Command:
    """A subcommand with --json."""
    with_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)
    return subcommand(certificate, TLSError, OSError, ValueError)(with_json)


def _authority(directory: Path, new: bool, name: str) -> certificates.TestAuthority:
    """The test authority in a directory; made there only if that is asked for.

    Args:
        directory: where it is.
        new: make it there if there is none.
        name: for whom it signs.

    Raises:
        ValueError: there is none, and none is asked for; or name and directory have changed places.
    """
    if not (directory / _CA).exists() and (Path(name) / _CA).exists():
        raise ValueError(
            f"{name} is the directory of an authority, and {directory} is none; "
            f"write {name} before {directory}"
        )
    try:
        return certificates.test_authority(directory, make=new)
    except ValueError as problem:
        raise ValueError(f"{problem} --new makes one there") from None


@contextmanager
def _unless_forced() -> Iterator[None]:
    try:
        yield
    except FileExistsError as problem:
        raise ValueError(f"{problem}; --force replaces it") from None


def _not_a_key(file: Path) -> None:
    """The key is written beside FILE with the suffix .key; FILE must not be that itself."""
    if file.suffix == ".key":
        raise ValueError(
            f"{file} is a name for a key; name the file for the certificate, such as x.pem or x.csr"
        )


def _tell(as_json: bool, **facts: Any) -> None:
    """Print what was done: one JSON object, or one line for each fact."""
    if as_json:
        click.echo(_json(facts))
        return
    console = Console()
    width = max(map(len, facts))
    for name, value in facts.items():
        console.print(f"[bold]{name:{width}}[/]  {escape(str(_plain(value)))}", highlight=False)


def _json(value: Any) -> bytes:
    """As JSON, which is UTF-8, with names as on the wire: `notAfter`."""
    return orjson.dumps(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(name): _plain(one) for name, one in value.items()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


_host = click.option(
    "--host", "hosts", multiple=True, help="Name or address of the device; may be given again."
)
_kind = click.option(
    "--kind", type=click.Choice(["ecdsa", "rsa"]), default="ecdsa", show_default=True, help="Kind of key."
)
_force = click.option("--force", is_flag=True, help="Replace a certificate and key of this name.")
_new = click.option("--new", is_flag=True, help="Make the authority if DIRECTORY has none.")
_crl_url = click.option("--crl-url", help="Where the authority's revocation list is published.")
_days = click.option(
    "--days", type=arguments.NumberRange(min=0), default=365, show_default=True, help="How long."
)


@_command
@click.argument("directory", type=_DIRECTORY)
def authority(directory: Path, as_json: bool) -> None:
    """Make a test authority in DIRECTORY, or show the one that is there."""
    made = certificates.test_authority(directory)
    _tell(as_json, ca=made.certificate_file)


@_command
@click.argument("directory", type=_DIRECTORY)
@click.argument("name")
@_host
@_kind
@_days
@_crl_url
@_new
@_force
def device(
    directory: Path,
    name: str,
    hosts: tuple[str, ...],
    kind: certificates.KeyKind,
    days: float,
    crl_url: str | None,
    new: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Make a certificate for the device NAME, signed by the test authority in DIRECTORY."""
    made = _authority(directory, new, name)
    made.crl_url = crl_url
    with _unless_forced():
        file, key = made.issue_device(name, hosts or (name,), kind=kind, days=days, replace=force)
    _tell(as_json, certificate=file, key=key, ca=made.certificate_file)


@_command
@click.argument("directory", type=_DIRECTORY)
@click.argument("name")
@click.option("--san", "sans", multiple=True, help="Name, address or URI of the client; may be given again.")
@_kind
@_days
@_new
@_force
def client(
    directory: Path,
    name: str,
    sans: tuple[str, ...],
    kind: certificates.KeyKind,
    days: float,
    new: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Make a certificate for the client NAME, signed by the test authority in DIRECTORY."""
    made = _authority(directory, new, name)
    with _unless_forced():
        file, key = made.issue_client(name, sans, kind=kind, days=days, replace=force)
    (content, *_) = inspection.show(file)
    _tell(
        as_json,
        certificate=file,
        key=key,
        ca=made.certificate_file,
        subject=content.subject,
        fingerprint=content.fingerprint,
    )


@_command
@click.argument("name")
@click.argument("file", type=_NEW)
@_host
@_kind
@click.option(
    "--key", type=_FILE, help="Use this key instead of a new one (at renewal, a new one is better)."
)
def request(
    name: str, file: Path, hosts: tuple[str, ...], kind: certificates.KeyKind, key: Path | None, as_json: bool
) -> None:
    """Write a signing request for NAME to FILE, for a real authority, and the key beside it.

    NAME is a common name, or a whole subject such as CN=atm17,O=Bank,C=DE.
    """
    _not_a_key(file)
    private = load_key(key) if key else certificates.new_key(kind)
    content = certificates.make_request(name, hosts, private)
    if key is None:
        key = file.with_suffix(".key")
        if key.exists():
            raise ValueError(f"{key} is there already; use it with --key {key}, or move it away")
        # Before the request: one that is signed without a saved key is worth nothing.
        certificates.write_key(key, private)
    certificates.write_pem(file, content)
    _tell(as_json, request=file, key=key)


@_command
@click.argument("directory", type=_DIRECTORY)
@click.argument("request", type=_FILE)
@click.argument("file", type=_NEW)
@click.option("--client", "for_client", is_flag=True, help="For a client, not a device.")
@_days
def sign(directory: Path, request: Path, file: Path, for_client: bool, days: float, as_json: bool) -> None:
    """Sign the signing REQUEST with the test authority in DIRECTORY, and write the certificate to FILE."""
    made = certificates.test_authority(directory, make=False)
    asked = x509.load_pem_x509_csr(request.read_bytes())
    signed = made.sign(asked, "client" if for_client else "device", days=days)
    certificates.write_pem(file, signed)
    _tell(as_json, certificate=file, ca=made.certificate_file)


@_command
@click.argument("directory", type=_DIRECTORY)
@click.argument("revoked", type=_FILE, nargs=-1)
@click.option("--days", type=float, default=30, show_default=True, help="How long the list is valid.")
def revoke(directory: Path, revoked: tuple[Path, ...], days: float, as_json: bool) -> None:
    """Write the revocation list of the test authority in DIRECTORY, naming the REVOKED certificates."""
    _tell(as_json, crl=certificates.test_authority(directory, make=False).revoke(revoked, days=days))


@_command
@click.argument("file", type=_FILE)
def show(file: Path, as_json: bool) -> None:
    """Show the certificates, the signing request or the revocation list in FILE."""
    contents = inspection.show(file)
    if as_json:
        click.echo(_json([{**dataclasses.asdict(one), "days_left": one.days_left} for one in contents]))
        return
    console = Console()
    for content in contents:
        table = Table(show_header=False, title=content.kind, title_justify="left", box=None, padding=(0, 1))
        table.add_column()
        # A fingerprint fits into a line of 80 columns, to be copied.
        table.add_column(overflow="fold")
        for name, value in (
            ("subject", content.subject),
            ("issuer", content.issuer),
            ("names", ", ".join(content.names)),
            ("usage", ", ".join(content.usage)),
            ("key", content.key),
            ("valid from", _plain(content.not_before)),
            ("valid until", _until(content)),
            ("revoked", ", ".join(content.revoked)),
            ("SHA-256", content.fingerprint),
        ):
            # Only `_until` returns markup; the rest comes from the file and must be escaped.
            if value:
                table.add_row(f"[bold]{name}[/]", value if name == "valid until" else escape(str(value)))
        console.print(table)


def _until(content: inspection.Content) -> str:
    days = content.days_left
    if days is None:
        return ""
    colour = "red" if days < 0 else "yellow" if days < _SOON_DAYS else "green"
    return f"{_plain(content.not_after)} [{colour}]({days} days)[/]"


@_command
@click.argument("file", type=_FILE)
@click.argument("key", type=_FILE, required=False)
@click.option("--ca", type=_FILE, help="Authorities that the other side trusts.")
@click.option("--crl", "crls", type=_FILE, multiple=True, help="Their revocation lists.")
@click.option("--host", help="Name or address under which the device is reached.")
@click.option("--client", "for_client", is_flag=True, help="It is a client's, not a device's.")
def check(
    file: Path,
    key: Path | None,
    ca: Path | None,
    crls: tuple[Path, ...],
    host: str | None,
    for_client: bool,
    as_json: bool,
) -> int:
    """Check whether the certificate FILE will do: its KEY, dates, chain, names, use. Exit 0 or 1."""
    found = inspection.check(file, key, use="client" if for_client else "device", ca=ca, crls=crls, host=host)
    return _report(inspection.show(file)[0], found, as_json)


def _report(content: inspection.Content, found: tuple[inspection.Finding, ...], as_json: bool) -> int:
    """Print what was found about a certificate; the exit code."""
    good = all(one.good for one in found)
    if as_json:
        click.echo(
            _json(
                {
                    "good": good,
                    "findings": [dataclasses.asdict(one) for one in found],
                    "subject": content.subject,
                    "issuer": content.issuer,
                    "names": content.names,
                    "not_after": content.not_after,
                    "days_left": content.days_left,
                    "fingerprint": content.fingerprint,
                }
            )
        )
    else:
        for one in found:
            _mark(one.good, f"{one.what}: {one.text}")
    return 0 if good else 1


def _mark(good: bool, text: str) -> None:
    mark = "[green]✓[/]" if good else "[red]✗[/]"
    Console().print(f"{mark} {escape(text)}", highlight=False)


@_command
@click.argument("where")
@click.option("--ca", type=_FILE, help="Authorities that its clients trust.")
@click.option("--crl", "crls", type=_FILE, multiple=True, help="Their revocation lists.")
@click.option("--host", help="The name that clients ask for; default: the one in WHERE.")
@click.option(
    "--days", type=click.IntRange(min=0), default=_SOON_DAYS, show_default=True, help="Good for how long yet."
)
def served(
    where: str, ca: Path | None, crls: tuple[Path, ...], host: str | None, days: int, as_json: bool
) -> int:
    """Check the certificate that the running device at WHERE (HOST, HOST:PORT or URI) shows. Exit 0 or 1."""
    with waiting(f"asking {visible(where)}"):
        contents, found = trio.run(functools.partial(renewal.served, where, ca, crls, host=host, days=days))
    return _report(contents[0], found, as_json)


@_command
@click.argument("config", type=_FILE)
@click.argument("file", type=_FILE)
@click.argument("key", type=_FILE, required=False)
@click.option("--instead-of", type=_FILE, help="The configured certificate to replace, if there are several.")
@click.option("--wait", type=arguments.NumberRange(min=0), default=20.0, show_default=True, help="Seconds.")
@click.option("--rename", is_flag=True, help="It need not be for the names of the old one.")
def renew(
    config: Path,
    file: Path,
    key: Path | None,
    instead_of: Path | None,
    wait: float,
    rename: bool,
    as_json: bool,
) -> int:
    """Put the certificate FILE (and its KEY, if it is new) in the place of the one that CONFIG names.

    It is checked first; if there is any doubt nothing changes. Then the running service is
    watched until it shows the new certificate, or until --wait has passed.
    """
    with waiting("waiting until the service shows the new certificate"):
        done = renewal.renew(config, file, key, instead_of=instead_of, wait=wait, rename=rename)
    if as_json:
        click.echo(_json({**dataclasses.asdict(done), "content": dataclasses.asdict(done.content)}))
    else:
        _mark(
            True, f"{done.content.subject}, until {done.content.not_after:%Y-%m-%d}, is in {done.certificate}"
        )
        if done.taken_up is None:
            Console().print("- no service was seen there; it takes the certificate up when it starts")
        elif done.taken_up:
            _mark(True, "the service shows it to new connections; those that are open go on")
        else:
            _mark(False, "the service does not show it; its log says why. The old files are beside, as .old")
    return 1 if done.taken_up is False else 0


_password = click.option(
    "--password-file",
    type=click.File(),
    help="File whose first line is the password; default: asked for.",
)


def _read_password(password_file: Any, *, confirm: bool) -> str:
    if password_file is not None:
        # Only the line's end: spaces may belong to the password.
        return str(password_file.readline()).rstrip("\r\n")
    return ask("Password", "add --password-file FILE", hide=True, twice=confirm)


@_command
@click.argument("file", type=_FILE)
@click.argument("key", type=_FILE)
@click.argument("package", type=_NEW)
@_password
def pack(file: Path, key: Path, package: Path, password_file: Any, as_json: bool) -> None:
    """Pack the certificate FILE and its KEY into PACKAGE, as PKCS#12."""
    content = inspection.pack(file, key, _read_password(password_file, confirm=True))
    certificates.write_secret(package, content)
    _tell(as_json, package=package)


@_command
@click.argument("package", type=_FILE)
@click.argument("file", type=_NEW)
@_password
def unpack(package: Path, file: Path, password_file: Any, as_json: bool) -> None:
    """Take certificate and key out of the PKCS#12 file PACKAGE; they become FILE and its .key."""
    chain, private = inspection.unpack(package.read_bytes(), _read_password(password_file, confirm=False))
    _not_a_key(file)
    key = file.with_suffix(".key")
    if key.exists():
        raise ValueError(f"{key} is there already; move it away, or choose another FILE")
    certificates.write_key(key, private)
    certificates.write_pem(file, b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    _tell(as_json, certificate=file, key=key)


@_command
@_password
def password(password_file: Any, as_json: bool) -> None:
    """Hash a password with which a person logs in to the console, for the device's [access]."""
    chosen = _read_password(password_file, confirm=True)
    _tell(as_json, password_hash=passwords.hash_password(chosen))


@_command
def token(as_json: bool) -> None:
    """Make a bearer token for a client without a certificate, and the hash for the device's [access]."""
    made, token_hash = tokens.make_token()
    _tell(as_json, token=made, token_hash=token_hash)
