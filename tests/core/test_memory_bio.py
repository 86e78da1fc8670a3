"""Asking OpenSSL directly gives and raises what pyOpenSSL's own methods do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from xfs4iot.transport import memory_bio
from xfs4iot.transport.certificates import test_authority
from xfs4iot.transport.memory_bio import OWN, Calls
from xfs4iot.transport.records import RECORD

SIZES = (1, 100, RECORD - 1, RECORD, RECORD + 1, 3 * RECORD)
ROOM = 4 * RECORD


def moved(calls: Calls, of: SSL.Connection, to: SSL.Connection, kind: Callable[[bytes], Any] = bytes) -> None:
    """Carry all ciphertext from one connection to the other."""
    with suppress(SSL.WantReadError):
        while True:
            calls.put(to, kind(calls.take(of, ROOM)))


def pair(directory: Path, version: int) -> tuple[SSL.Connection, SSL.Connection]:
    """A client and a service that have shaken hands."""
    certificate, key = test_authority(directory).issue_device("atm", ["localhost"])
    context, clients = SSL.Context(SSL.TLS_METHOD), SSL.Context(SSL.TLS_METHOD)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    clients.set_max_proto_version(version)
    client, service = SSL.Connection(clients, None), SSL.Connection(context, None)
    client.set_connect_state()
    service.set_accept_state()
    for one, other in itertools.islice(itertools.cycle([(client, service), (service, client)]), 8):
        with suppress(SSL.WantReadError):
            one.do_handshake()
        moved(OWN, one, other)
    return client, service


def raised(call: Callable[..., Any], *arguments: Any) -> tuple[type[BaseException], object]:
    """What a call that must fail raises."""
    with pytest.raises(SSL.Error) as caught:
        call(*arguments)
    return caught.type, caught.value.args


@pytest.fixture(params=[SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["TLS 1.2", "TLS 1.3"])
def both(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[], tuple[SSL.Connection, SSL.Connection]]:
    return lambda: pair(tmp_path, request.param)


Both = Callable[[], tuple[SSL.Connection, SSL.Connection]]


def quick() -> Calls:
    """With the pyOpenSSL that is here, OpenSSL can be asked directly."""
    assert memory_bio.QUICK is not None, "look at what of pyOpenSSL has changed; until then TLS is slower"
    assert memory_bio.calls is memory_bio.QUICK
    return memory_bio.QUICK


def test_what_one_sends_the_other_receives(both: Both) -> None:
    for sending, receiving in itertools.product([OWN, quick()], repeat=2):
        client, service = both()
        for size in SIZES:
            for kind in (bytes, bytearray, memoryview):
                data = bytes(range(256)) * (size // 256 + 1)
                sent = 0
                while sent < size:
                    sent += sending.send(client, kind(data[sent:size]))
                moved(sending, client, service, kind)
                received = b""
                while len(received) < size:
                    received += receiving.receive(service, RECORD)
                assert received == data[:size]


def test_what_is_not_there_is_wanted(both: Both) -> None:
    for calls in (OWN, quick()):
        _, service = both()
        found = [raised(calls.receive, service, RECORD), raised(calls.take, service, ROOM)]
        assert found == [(SSL.WantReadError, ())] * 2


def test_a_goodbye_and_damage_raise_the_same(both: Both) -> None:
    found = []
    for calls in (OWN, quick()):
        client, service = both()
        client.shutdown()
        moved(calls, client, service)
        goodbye = raised(calls.receive, service, RECORD)
        client, service = both()
        calls.send(client, b"something")
        record = bytearray(calls.take(client, ROOM))
        record[-1] ^= 1
        calls.put(service, bytes(record))
        found.append((goodbye, raised(calls.receive, service, RECORD)))
        service = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
        service.set_accept_state()
        found[-1] += (raised(calls.send, service, b"too early"),)
    assert found[0] == found[1]
    assert found[0][0] == (SSL.ZeroReturnError, ())
