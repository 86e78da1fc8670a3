"""Malformed, stalled and abruptly ended handshakes by the hundred: other clients hardly notice.

A polite client asks two devices by turns, one that is attacked right before each question and
one that is not: whatever else this machine is busy with slows down both.
"""

from __future__ import annotations

import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
from websockets.sync.client import ClientConnection, connect

from secured import HOSTS, Pair, for_threads
from xfs4iot.transport.certificates import TestAuthority, test_authority

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")

SERVER = """
import sys, trio, xfs4iot
from secured import config, secure_atm
from xfs4iot.transport.limits import Limits

async def main():
    async with trio.open_nursery() as nursery:
        limits = Limits(total=5000, per_address=256, handshake_seconds=8)
        certificate, key, ca = sys.argv[1:]
        settings = config((certificate, key), client_certificates="optional", client_ca=ca)
        publisher = await secure_atm(nursery, settings, limits=limits)
        print(publisher.port, flush=True)

trio.run(main)
"""
STATUS = '{"header":{"type":"command","name":"Common.Status","requestId":%d,"version":"2.0"},"payload":{}}'
FACTOR = 8
"""How much slower the median answer may become when an attack comes right before each question.

The device spends the processor time of a handshake on each, which is many times what a
question costs."""


@dataclass
class Device:
    process: subprocess.Popen[str]
    port: int
    authority: TestAuthority

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @contextmanager
    def client(self) -> Iterator[ClientConnection]:
        context = for_threads(ssl.create_default_context(cafile=self.authority.certificate_file))
        uri = f"wss://localhost:{self.port}/xfs4iot/v1.0/CashDispenser"
        with connect(uri, ssl=context, sock=socket.create_connection(self.address)) as connection:
            yield connection

    def hello(self) -> bytes:
        """A client's first flight."""
        outgoing = ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=self.authority.certificate_file)
        with suppress(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
        return outgoing.read()


@contextmanager
def running(directory: Path) -> Iterator[Device]:
    """A device in a process of its own."""
    authority = test_authority(directory)
    pair: Pair = authority.issue_device("atm17", HOSTS)
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, *map(str, pair), str(authority.certificate_file)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    try:
        assert process.stdout is not None
        yield Device(process, int(process.stdout.readline()), authority)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """The one that is attacked."""
    with running(tmp_path_factory.mktemp("attacked")) as started:
        yield started


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """The one that is not."""
    with running(tmp_path_factory.mktemp("undisturbed")) as started:
        yield started


def call(connection: ClientConnection, number: int) -> float:
    """One command; how long its completion took, in seconds."""
    began = time.perf_counter()
    connection.send(STATUS % number)
    assert "acknowledge" in str(connection.recv(20))
    done = str(connection.recv(20))
    assert '"type":"completion"' in done
    assert "completionCode" not in done
    return time.perf_counter() - began


def hardly_notices(device: Device, undisturbed: Device, attack: Callable[[int], None], times: int) -> None:
    """A client of the attacked device is answered about as soon as one of the other."""
    with device.client() as there, undisturbed.client() as elsewhere:
        under, calm = [], []
        for number in range(1, times + 1):
            attack(number)
            under.append(call(there, number))
            calm.append(call(elsewhere, number))
    ratio = median(under) / median(calm)
    print(f"{times} attacks: {ratio:.1f} times the undisturbed answer of {median(calm) * 1e6:.0f} us")
    assert ratio < FACTOR


def source(number: int) -> tuple[str, int]:
    """An address of this machine's own; limits count each by itself."""
    return (f"127.0.1.{number % 200 + 1}", 0)


def settled(device: Device, before: int) -> None:
    """Wait until the device holds no more descriptors than before."""
    deadline = time.monotonic() + 60
    while device.descriptors > before:
        assert time.monotonic() < deadline, "connections were left behind"
        time.sleep(0.1)


def malformed(hello: bytes, chance: random.Random) -> bytes:
    """A first flight with something wrong: bits flipped, a piece cut, doubled or made up."""
    data = bytearray(hello)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        match chance.randrange(6):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at:]
                data += b"\0"
            case 2:
                data[at:at] = data[at : at + chance.randrange(200)]
            case 3:
                data[at : at + 2] = chance.choice([b"\xff\xff", b"\0\0", b"\x40\0"])
            case 4:
                data = bytearray(chance.randbytes(chance.randint(1, 2000)))
            case 5:
                # Lengths of the record and of the message; the rest stays.
                struct.pack_into(">H", data, 3, chance.randrange(65536)) if len(data) > 5 else None
    return bytes(data)


def spoil_second_flight(attacker: socket.socket, context: ssl.SSLContext, chance: random.Random) -> None:
    """Begin well; then the key exchange, certificate, signature or finish is malformed."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    attacker.settimeout(20)
    flight, data = 0, b" "
    while data:
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        if ready := outgoing.read():
            flight += 1
            attacker.sendall(ready if flight == 1 else malformed(ready, chance))
        if flight == 2:
            return
        data = attacker.recv(65536)
        incoming.write(data)


def test_500_malformed_handshakes_leave_it_standing(device: Device, undisturbed: Device) -> None:
    """Half of them in the first flight, a quarter each in the second of TLS 1.2 and 1.3."""
    chance, hello, before = random.Random(42), device.hello(), device.descriptors
    own = device.authority.issue_client("attacker")
    held: list[socket.socket] = []
    later: list[ssl.SSLContext] = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=device.authority.certificate_file)
        context.load_cert_chain(*own)
        context.minimum_version = context.maximum_version = version
        later.append(context)

    def attack(number: int) -> None:
        attacker = socket.create_connection(device.address, source_address=source(number))
        with suppress(ConnectionError):
            if number % 2:
                attacker.sendall(malformed(hello, chance))
            else:
                spoil_second_flight(attacker, later[number % 4 // 2], chance)
        held.append(attacker)
        if len(held) > 50:
            held.pop(0).close()

    hardly_notices(device, undisturbed, attack, 500)
    for one in held:
        one.close()
    settled(device, before)


def test_500_stalled_handshakes_are_ended_and_hold_up_nobody(device: Device, undisturbed: Device) -> None:
    hello, before = device.hello(), device.descriptors
    held: list[socket.socket] = []

    def attack(number: int) -> None:
        attacker = socket.create_connection(device.address, source_address=source(number))
        attacker.sendall(hello[: number % len(hello)])
        held.append(attacker)

    hardly_notices(device, undisturbed, attack, 500)
    settled(device, before)
    for one in held:
        with closing(one), suppress(ConnectionError):
            one.settimeout(5)
            while one.recv(4096):
                pass


def test_slow_headers_are_ended_too(device: Device, undisturbed: Device) -> None:
    before = device.descriptors
    context = ssl.create_default_context(cafile=device.authority.certificate_file)
    held: list[ssl.SSLSocket] = []

    def attack(number: int) -> None:
        raw = socket.create_connection(device.address, source_address=source(number))
        secured = context.wrap_socket(raw, server_hostname="localhost")
        secured.sendall(b"GET / HTTP/1.1\r\nX: "[: number % 20])
        held.append(secured)

    hardly_notices(device, undisturbed, attack, 100)
    settled(device, before)
    for one in held:
        one.close()


def test_1000_abrupt_disconnects_leave_nothing_behind(device: Device, undisturbed: Device) -> None:
    """Resets at every stage: after connecting, amid the handshake, after it, amid a message."""
    hello, before = device.hello(), device.descriptors
    context = ssl.create_default_context(cafile=device.authority.certificate_file)
    reset = struct.pack("ii", 1, 0)

    def attack(number: int) -> None:
        attacker = socket.create_connection(device.address, source_address=source(number))
        attacker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        if number % 20 == 0:
            secured = context.wrap_socket(attacker, server_hostname="localhost")
            secured.sendall(b"GET /xfs4iot/v1.0 HTTP/1.1\r\n"[: number % 30])
            os.close(secured.detach())
        else:
            attacker.sendall(hello[: number % (len(hello) + 1)])
            attacker.close()

    hardly_notices(device, undisturbed, attack, 1000)
    settled(device, before)
    with device.client() as connection:
        call(connection, 1)


def test_a_flood_from_one_address_keeps_nobody_else_out(device: Device) -> None:
    before = device.descriptors
    flood = [socket.create_connection(device.address, source_address=("127.0.2.1", 0)) for _ in range(300)]
    with device.client() as connection:
        assert call(connection, 1) > 0
        refused = 0
        for one in flood:
            one.settimeout(0.001)
            try:
                refused += one.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                refused += 1
        assert refused == 300 - 256
    for one in flood:
        one.close()
    settled(device, before)
