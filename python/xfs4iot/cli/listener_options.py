"""Where `record` and `replay --serve` listen: options that say the address, and whether there is TLS."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import click

from xfs4iot.recording import Listener
from xfs4iot.transport.tls import TLSConfig

__all__ = ["LISTENER_OPTIONS", "listener_options"]

LISTENER_OPTIONS = ("host", "port", "own_certificate", "own_key", "own_ca")
"""Names of the parameters that `listener_options` adds."""
_FILE = click.Path(exists=True, dir_okay=False)


def listener_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add options for a listener; passed on as the argument `listener`, a function that makes it.

    The function raises ValueError or CredentialsRefused where they cannot be used.
    """

    @click.option("--host", default="127.0.0.1", help="Address to listen at.", show_default=True)
    @click.option(
        "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen at; 0 for a free one."
    )
    @click.option("--own-certificate", type=_FILE, help="PEM file of the certificate to listen with.")
    @click.option("--own-key", type=_FILE, help="PEM file of its private key.")
    @click.option("--own-ca", type=_FILE, help="PEM file of who signs clients; all others are turned away.")
    @functools.wraps(function)
    def wrapped(
        *args: Any, host: str, port: int, own_certificate: Any, own_key: Any, own_ca: Any, **rest: Any
    ) -> Any:
        if (own_certificate is None) != (own_key is None):
            raise click.UsageError("--own-certificate and --own-key belong together: give both, or none")

        if own_ca is not None and own_certificate is None:
            raise click.UsageError("--own-ca needs --own-certificate and --own-key; give them, too")

        def listener() -> Listener:
            config = None
            if own_certificate is not None:
                asked: Literal["none", "required"] = "none" if own_ca is None else "required"
                config = TLSConfig(own_certificate, own_key, client_certificates=asked, client_ca=own_ca)
            return Listener(host, port, config)

        return function(*args, listener=listener, **rest)

    return wrapped
