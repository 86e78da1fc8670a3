"""What the engine adds to codec and OpenSSL, in one process: sessions against the codec alone, and TLS.

    python benches/engine.py [--rounds N]

Both take the same read of a client and end with the bytes of all answers; the network and TLS are
left out. A session besides finds out who may ask what, in which version, and what is answered. TLS is
what a service does for one message: ciphertext in, text out, text in, ciphertext out; against pyOpenSSL's own
methods.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import click
import framing
import trio
from OpenSSL import SSL
from rich.console import Console
from rich.table import Table
from test_session import COMMAND, PAYLOADS, Nowhere

import xfs4iot
from xfs4iot import _core
from xfs4iot.server.access import Access
from xfs4iot.server.channel import SessionLimits
from xfs4iot.server.peer import Peer
from xfs4iot.server.session import Session
from xfs4iot.simulator import atm
from xfs4iot.transport.certificates import test_authority
from xfs4iot.transport.memory_bio import OWN, Calls, calls
from xfs4iot.transport.readers import Readers
from xfs4iot.transport.records import RECORD


class Kept(Nowhere):
    """Keeps what was sent last."""

    sent = b""

    def send_now(self, data: bytes) -> int:
        self.sent = data
        return super().send_now(data)


def _codec(payload: bytes) -> Callable[[bytes], bytes]:
    """What is answered to a read by the codec alone, which sends the same payload each time."""
    receiver = _core.Receiver()

    def answer(read: bytes) -> bytes:
        answers = []
        for message in receiver.receive(read):
            assert isinstance(message, _core.Message)
            name, request_id = message.name, message.request_id
            answers.append(_core.acknowledge(name, request_id, "2.0"))
            answers.append(_core.completion(name, request_id, "3.0", payload=payload))
        return b"".join(answers)

    return answer


@asynccontextmanager
async def rows() -> AsyncIterator[list[framing.Row]]:
    """Everyday commands, one and many in a read."""
    async with trio.open_nursery() as nursery:
        services = atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
        await nursery.start(services[0].run)
        services[0].authorise = Access().check
        yield [_tls(), *(_row(services[0], name, commands, bar) for (name, commands), bar in BARS.items())]
        nursery.cancel_scope.cancel()


BARS = {
    ("Common.Status", 1): 0.25,
    ("Common.Status", 32): 0.25,
    ("CashDispenser.Denominate", 1): 0.2,
}
_TLS_BAR = 1.25
_QUESTION, _ANSWER = b"x" * 110, b"y" * 800
_ROOM = 64 * 1024


def _tls() -> framing.Row:
    """A message there and back, at both ends by the same calls."""
    return framing.Row("a message through TLS", "pyOpenSSL", _exchange(calls), _exchange(OWN), _TLS_BAR, None)


def _exchange(by: Calls) -> Callable[[], None]:
    with tempfile.TemporaryDirectory() as directory:
        certificate, key = test_authority(Path(directory)).issue_device("bench", ["localhost"])
        context = SSL.Context(SSL.TLS_METHOD)
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(key))
    client, service = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None), SSL.Connection(context, None)
    client.set_connect_state()
    service.set_accept_state()
    for one, other in [(client, service), (service, client)] * 3:
        with suppress(SSL.WantReadError):
            one.do_handshake()
        with suppress(SSL.WantReadError):
            other.bio_write(one.bio_read(_ROOM))

    def exchange() -> None:
        for sender, receiver, text in ((client, service, _QUESTION), (service, client, _ANSWER)):
            by.send(sender, text)
            by.put(receiver, by.take(sender, len(text) + 1024))
            by.receive(receiver, RECORD)

    return exchange


def _row(service: Any, name: str, commands: int, bar: float) -> framing.Row:
    stream, peer = Kept(), Peer("nowhere", "nobody", "localhost")
    session = Session(service, stream, Readers(), peer, SessionLimits())
    payload = PAYLOADS.get(name, "{}")
    texts = (COMMAND % (name, number, "3.0", payload) for number in range(1, commands + 1))
    read = b"".join(framing.masked(text.encode()) for text in texts)
    # Asked once before: only then is there a payload, and all known that is kept.
    for _ in range(2):
        session.received(read, 0.0)
    last = stream.sent[stream.sent.rindex(b'"payload":') + len(b'"payload":') : -1]
    codec = _codec(last)
    codec(read)
    return framing.Row(
        f"{name}, {commands} in one read, in a session",
        "codec alone",
        lambda: session.received(read, 0.0),
        lambda: codec(read),
        bar,
        None,
    )


async def _measured(rounds: int) -> list[dict[str, Any]]:
    async with rows() as found:
        return [framing.measured(row, rounds) for row in found]


def measured(rounds: int) -> list[dict[str, Any]]:
    """All rows, measured: as in `framing.measured`."""
    return trio.run(_measured, rounds)


@click.command()
@click.option("--rounds", default=25, show_default=True, help="Rounds, each of about 10 ms per row.")
def main(rounds: int) -> None:
    """Compare sessions with the codec alone, and TLS with pyOpenSSL; exit 1 if a bar is missed."""
    gc.freeze()
    table = Table("what", "against", "ours, µs", "theirs, µs", "ratio", "bar", title="Engine")
    good = True
    for row in measured(rounds):
        good &= row["good"]
        mark = "green" if row["good"] else "red"
        table.add_row(
            row["what"],
            row["against"],
            f"{row['ours_us']:.2f}",
            f"{row['theirs_us']:.2f}",
            f"[{mark}]{row['ratio']:.2f}[/]",
            f"{row['bar']:g}",
        )
    Console().print(table)
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
