"""`xfs4iot token`: make and check tokens of end-to-end security, for test benches.

The key comes from a file or from the environment, never from the command line, where every
user of the machine could read it.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click
import orjson

from xfs4iot import tokens
from xfs4iot.cli.characters import escape
from xfs4iot.cli.group import Group
from xfs4iot.cli.prose import Console
from xfs4iot.protocol import errors

__all__ = ["token"]

_KEY_VARIABLE = "XFS4IOT_TOKEN_KEY"
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_key = click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"File with the key in hexadecimal digits. Default: the environment's {_KEY_VARIABLE}.",
)


def _read_key(file: Path | None) -> bytes:
    try:
        if file is not None:
            return tokens.read_key(file)
        text = os.environ.get(_KEY_VARIABLE)
        if text is None:
            raise click.UsageError(f"there is no key: give --key-file, or set {_KEY_VARIABLE}")
        return tokens.key_from_text(text, _KEY_VARIABLE)
    except tokens.KeyUnusable as wrong:
        raise click.UsageError(str(wrong)) from None


@click.group(cls=Group)
def token() -> None:
    """Make and check tokens of end-to-end security."""


def _amount(given: str) -> str:
    if not re.fullmatch(r"[0-9]+(?:\.[0-9]+)?[A-Z]{3}", given):
        raise click.BadParameter(f"{given!r} is not an amount such as 50.00EUR", param_hint="--dispense")
    return given


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise click.BadParameter(f"{given!r} is not NAME=VALUE", param_hint="--say")
    return name, value


@token.command()
@click.argument("nonce")
@click.option(
    "--dispense", multiple=True, metavar="AMOUNT", help="Allow to dispense so much, such as 50.00EUR."
)
@click.option("--say", multiple=True, metavar="NAME=VALUE", help="Anything else that the token is to say.")
@_key
@_json
def make(
    nonce: str, dispense: tuple[str, ...], say: tuple[str, ...], key_file: Path | None, as_json: bool
) -> None:
    """Make a token of NONCE, which comes from Common.GetCommandNonce.

    \b
      xfs4iot token make 254611E63B253157 --dispense 50.00EUR --key-file bench.key
    """
    key = _read_key(key_file)
    says = {f"DISPENSE{number}": _amount(given) for number, given in enumerate(dispense, 1)}
    try:
        made = tokens.make_token(key, nonce, says | dict(map(_pair, say)))
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    click.echo(orjson.dumps({"token": made}) if as_json else made)


def _of_answer(text: str) -> str:
    """The token of a completion's payload; text that is none stays as it is."""
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    found = answer.get("token") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else text


@token.command()
@click.argument("text", metavar="TOKEN")
@click.option("--nonce", help="It must be made of this nonce.")
@_key
@_json
def check(text: str, nonce: str | None, key_file: Path | None, as_json: bool) -> None:
    """Check TOKEN, or the one on standard input for `-`, and show what it says; exit 1 if it is not good.

    Standard input may also be an answer that has a token, as `xfs4iot call` prints it.

    Works for tokens of commands and for those in answers (CashDispenser.GetPresentStatus). Whether
    a token was used already, only the service knows that it is for.
    """
    key = _read_key(key_file)
    if text == "-":
        text = _of_answer(sys.stdin.read().strip())
    try:
        found = tokens.authenticate(text, key)
        if nonce is not None and found.nonce != nonce:
            raise errors.InvalidTokenNonce("the token is made of another nonce")
    except errors.XfsError as wrong:
        code, why = wrong.completion_code, wrong.description
        if as_json:
            click.echo(orjson.dumps({"good": False, "code": code, "text": why}))
        else:
            Console(stderr=True).print(f"[bold red]{code}:[/] {escape(why)}")
        sys.exit(1)
    if as_json:
        click.echo(
            orjson.dumps({"good": True, "nonce": found.nonce, "says": dict(found.values), "hmac": found.hmac})
        )
        return
    console = Console(highlight=False)
    console.print("[green]good[/]")
    for name, value in {"NONCE": found.nonce, **found.values, "HMACSHA256": found.hmac}.items():
        console.print(f"  {name:18} {escape(value)}")
