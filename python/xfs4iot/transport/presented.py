"""Which certificate a running device shows, seen from outside, as any client sees it.

The device need not know who asks: it shows its certificate before it asks for the
client's.
"""

from __future__ import annotations

import trio
from cryptography import x509

from xfs4iot.transport.failures import TLSError
from xfs4iot.transport.pairs import PrivateKey
from xfs4iot.transport.policy import observing_context
from xfs4iot.transport.proxy import Proxy, dial
from xfs4iot.transport.tls import TLSStream

__all__ = ["presented"]

_SECONDS = 10.0


async def presented(
    host: str,
    port: int,
    *,
    name: str | None = None,
    key: PrivateKey | None = None,
    proxy: Proxy | None = None,
) -> tuple[x509.Certificate, ...]:
    """The certificate that the device at `host` shows, then those of its authorities.

    Args:
        name: the name to ask for (SNI); None asks for `host`.
        key: ask for a certificate for a key of this kind, of a device that has several.
        proxy: through which it is reached; None for straight.

    Raises:
        OSError: there is nothing to be reached there.
        TLSError: what is there shows no certificate; the text says what it did.
    """
    found: dict[int, x509.Certificate] = {}
    reason = f"no answer within {_SECONDS:g} s"
    with trio.move_on_after(_SECONDS):
        carrier = await dial(host, port, proxy)
        stream = TLSStream(
            carrier, observing_context(found, key), server_side=False, server_hostname=name or host
        )
        try:
            await stream.do_handshake()
        except (TLSError, trio.BrokenResourceError) as problem:
            reason = str(problem)
        finally:
            await stream.aclose()
    if 0 not in found:
        raise TLSError(f"{host}:{port} shows no certificate: {reason}")
    return tuple(found[depth] for depth in sorted(found))
