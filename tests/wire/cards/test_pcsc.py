"""PC/SC readers, over the wire, with a virtual reader (vpcd) and our own simulated chip in it."""

from __future__ import annotations

import base64
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from dialogue import Dialogue
from vendors import serving
from xfs4iot.pcsc import PcscCardReader
from xfs4iot.simulator.card_reader.cards import Card, CardMemory, Chip
from xfs4iot.simulator.card_reader.chip import ChipSession

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
DAEMON = shutil.which("pcscd")
pytest.importorskip("smartcard", reason="pyscard is not installed")
pytestmark = pytest.mark.skipif(
    DAEMON is None or not DRIVER.exists(), reason="pcscd and vsmartcard-vpcd are not installed"
)

READ, IO, POWER = "CardReader.ReadRawData", "CardReader.ChipIO", "CardReader.ChipPower"
SELECT = bytes.fromhex("00A4040007A0000000031010")


class VirtualCard:
    """A card in the virtual reader, for as long as it is connected."""

    def __init__(self, port: int, chip: Chip) -> None:
        self.card = Card(chip=chip)
        self.memory = CardMemory()
        self.resets = 0
        self._session = ChipSession(self.card, self.memory, random.Random(1), chip.protocol)
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        chip = self.card.chip
        assert chip is not None
        while (message := self._receive()) is not None:
            if len(message) == 1 and message[0] != 4:
                self.resets += message[0] in (1, 2)
                self._session = ChipSession(self.card, self.memory, random.Random(1), chip.protocol)
                continue
            answer = chip.answer_to_reset if len(message) == 1 else self._session.answer(message)
            self._socket.sendall(len(answer).to_bytes(2) + answer)

    def _receive(self) -> bytes | None:
        head = self._exactly(2)
        return self._exactly(int.from_bytes(head)) if head else None

    def _exactly(self, size: int) -> bytes | None:
        found = b""
        try:
            while len(found) < size:
                part = self._socket.recv(size - len(found))
                if not part:
                    return None
                found += part
        except OSError:
            return None
        return found

    def pull_out(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Daemon:
    """The service of PC/SC, with a virtual reader into which cards are put at a port."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._directory = directory
        (directory / "vpcd").write_text(
            f'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:{self.port:#x}\n'
            f"LIBPATH {DRIVER}\nCHANNELID {self.port:#x}\n"
        )

    def start(self) -> None:
        log = self._directory.with_suffix(".log")
        assert DAEMON is not None
        command = [DAEMON, "--foreground", "--config", str(self._directory)]
        with open(log, "wb") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        for _ in range(200):
            if self._process.poll() is not None:
                pytest.skip(f"pcscd does not run here: {log.read_text()[:200]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                threading.Event().wait(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    found = Daemon(tmp_path_factory.mktemp("readers"))
    found.start()
    yield found
    found.stop()


@pytest.fixture
def port(daemon: Daemon) -> int:
    return daemon.port


@pytest.fixture
async def client(port: int, nursery: trio.Nursery) -> Dialogue:
    return await serving(PcscCardReader("CardReader", {"reader": "Virtual PCD 00 00"}), nursery)


async def until_media(client: Dialogue, media: str) -> None:
    while (await client.success("Common.Status"))["cardReader"]["media"] != media:
        await client.until("unsolicited", name="Common.StatusChangedEvent")


async def insert(client: Dialogue, port: int, chip: Chip) -> tuple[VirtualCard, dict[str, Any]]:
    await until_media(client, "notPresent")
    request = await client.send(READ, {"chip": True})
    await client.until("event", request, "CardReader.InsertCardEvent")
    card = await trio.to_thread.run_sync(VirtualCard, port, chip)
    await client.until("event", request, "CardReader.MediaInsertedEvent")
    completion = await client.until("completion", request)
    return card, completion["payload"]


async def send(client: Dialogue, data: bytes) -> bytes:
    answer = await client.success(IO, {"chipData": base64.b64encode(data).decode()})
    return base64.b64decode(answer["chipData"])


@pytest.mark.parametrize("protocol", ["T=0", "T=1"])
async def test_a_chip_is_read_talked_to_and_pulled_out(client: Dialogue, port: int, protocol: Any) -> None:
    card, found = await insert(client, port, Chip(protocol=protocol))
    assert base64.b64decode(found["chip"][0]["data"]) == Chip(protocol=protocol).answer_to_reset
    answer = await send(client, SELECT)
    if protocol == "T=0":
        assert answer[0] == 0x61
        answer = await send(client, b"\x00\xc0\x00\x00" + answer[1:2])
    assert answer[0] == 0x6F
    assert answer[-2:] == b"\x90\x00"
    card.pull_out()
    await client.until("unsolicited", name="CardReader.MediaRemovedEvent")
    status = (await client.success("Common.Status"))["cardReader"]
    assert (status["media"], status["chipPower"]) == ("notPresent", "noCard")
    assert await client.failure(IO, {"chipData": "AKQ="}) == "noMedia"


async def test_the_chip_is_reset_and_switched_off(client: Dialogue, port: int) -> None:
    card, _ = await insert(client, port, Chip())
    atr = base64.b64encode(Chip().answer_to_reset).decode()
    before = card.resets
    for action in ("warm", "cold"):
        assert await client.success(POWER, {"chipPower": action}) == {"chipData": atr}
    assert card.resets > before
    await client.success(POWER, {"chipPower": "off"})
    assert await client.failure(IO, {"chipData": "AKQ="}) == "atrNotObtained"
    assert await client.success(POWER, {"chipPower": "cold"}) == {"chipData": atr}
    assert (await send(client, SELECT))[0] == 0x61
    await client.success("CardReader.Reset")
    detected = await client.until("unsolicited", name="CardReader.MediaDetectedEvent")
    assert detected["payload"] == {"position": "transport"}
    card.pull_out()
    await until_media(client, "notPresent")


async def test_nobody_inserts_a_card(client: Dialogue) -> None:
    await until_media(client, "notPresent")
    assert await client.failure(READ, {"chip": True}, timeout=100) == "timeOut"
    assert await client.failure(READ, {"track1": True}) == "invalidData"
    assert (
        await client.failure("CardReader.Move", {"from": "transport", "to": "exit"}) == "unsupportedCommand"
    )


async def test_a_contactless_reader_gives_what_identifies_the_card(port: int, nursery: trio.Nursery) -> None:
    device = PcscCardReader("CardReader", {"reader": "virtual pcd 00 00", "type": "contactless"})
    client = await serving(device, nursery)
    request = await client.send(READ, {"chip": True})
    await client.until("event", request, "CardReader.InsertCardEvent")
    card = await trio.to_thread.run_sync(VirtualCard, port, Chip(protocol="T=1"))
    found = (await client.until("completion", request))["payload"]
    assert base64.b64decode(found["chip"][0]["data"]) == Chip(protocol="T=1").answer_to_reset
    assert (await send(client, SELECT))[0] == 0x6F
    await client.success("CardReader.Move", {"from": "transport", "to": "exit"})
    assert await client.failure(IO, {"chipData": "AKQ="}) == "atrNotObtained"
    card.pull_out()


async def test_a_reader_that_is_not_there_is_offline(port: int, nursery: trio.Nursery) -> None:
    client = await serving(PcscCardReader("CardReader", {"reader": "no such"}), nursery)
    assert (await client.success("Common.Status"))["common"]["device"] == "offline"
    assert await client.failure(READ, {"chip": True}) == "deviceNotReady"


def test_a_type_that_pcsc_cannot_have_is_named() -> None:
    with pytest.raises(ValueError, match="dip, contactless, permanent"):
        PcscCardReader("CardReader", {"type": "motor"})


async def test_the_service_of_pcsc_may_be_restarted(client: Dialogue, daemon: Daemon) -> None:
    await trio.to_thread.run_sync(daemon.stop)
    await until_device(client, "offline")
    assert await client.failure(READ, {"chip": True}) == "deviceNotReady"
    await trio.to_thread.run_sync(daemon.start)
    await until_device(client, "online")
    card, _ = await insert(client, daemon.port, Chip())
    card.pull_out()
    await until_media(client, "notPresent")


async def test_who_waits_for_a_card_is_told_that_the_reader_has_gone(
    client: Dialogue, daemon: Daemon
) -> None:
    await until_media(client, "notPresent")
    request = await client.send(READ, {"chip": True})
    await client.until("event", request, "CardReader.InsertCardEvent")
    await trio.to_thread.run_sync(daemon.stop)
    try:
        ended = await client.until("completion", request)
        assert ended["header"]["completionCode"] == "deviceNotReady"
        assert (await client.success("Common.Status"))["cardReader"]["media"] == "unknown"
    finally:
        await trio.to_thread.run_sync(daemon.start)
    await until_device(client, "online")
    card, _ = await insert(client, daemon.port, Chip())
    card.pull_out()
    await until_media(client, "notPresent")


async def until_device(client: Dialogue, state: str) -> None:
    while (await client.success("Common.Status"))["common"]["device"] != state:
        await client.until("unsolicited", name="Common.StatusChangedEvent")


async def test_a_card_that_was_pulled_out_is_let_go(port: int, nursery: trio.Nursery) -> None:
    called: list[str] = []
    gone = trio.Event()

    class Noting(PcscCardReader):
        async def _call(self, name: str, *arguments: Any, abandon: bool = False) -> Any:
            called.append(name)
            result = await super()._call(name, *arguments, abandon=abandon)
            if name == "SCardDisconnect":
                gone.set()
            return result

    client = await serving(Noting("CardReader", {"reader": "Virtual PCD 00 00"}), nursery)
    card, _ = await insert(client, port, Chip())
    await send(client, SELECT)
    assert "SCardDisconnect" not in called
    card.pull_out()
    with trio.fail_after(20):
        await gone.wait()
    assert called.count("SCardDisconnect") == 1
