"""The chips of simulated cards: a whole EMV transaction over the wire, checked by means that are not ours."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pyemv
import pytest
import trio
from test_card_simulated import Bench, bench_of

from xfs4iot.interfaces.cards import tlv
from xfs4iot.simulator.card_reader.cryptogram import scheme_keys

# pyemv, which the cryptograms are held against, takes triple DES from where it no longer is at home.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

IO, READ = "CardReader.ChipIO", "CardReader.ReadRawData"
PSE = "00A404000E315041592E5359532E444446303100"
CREDIT = "00A4040007A000000003101000"
OPTIONS = "80A8000006830402800978" + "00"
TERMINAL = bytes.fromhex("00000001000000000000000002800000000000097826112600DEADBEEF")
MASTER = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PAN = "4761739001010010"


class Terminal:
    """Talks to the chip in the reader as a kernel does."""

    def __init__(self, bench: Bench, protocol: str = "chipT0") -> None:
        self.bench = bench
        self._protocol = protocol

    async def send(self, command: str | bytes) -> bytes:
        """What the chip answers, just so."""
        data = bytes.fromhex(command) if isinstance(command, str) else command
        payload = {"chipProtocol": self._protocol, "chipData": base64.b64encode(data).decode()}
        return base64.b64decode((await self.bench.reader.success(IO, payload))["chipData"])

    async def ask(self, command: str | bytes) -> bytes:
        """Data and status word, with what T=0 fetches apart."""
        answer = await self.send(command)
        data = bytes.fromhex(command) if isinstance(command, str) else command
        if answer[0] == 0x61:
            return await self.send(b"\x00\xc0\x00\x00" + answer[1:2])
        if answer[0] == 0x6C:
            return await self.send(data[:4] + answer[1:2])
        return answer

    async def good(self, command: str | bytes) -> bytes:
        answer = await self.ask(command)
        assert answer[-2:] == b"\x90\x00", answer.hex()
        return answer[:-2]

    async def status(self, command: str | bytes) -> str:
        return (await self.ask(command))[-2:].hex().upper()

    async def start(self) -> bytes:
        """Select the application and begin a transaction; AIP and AFL."""
        await self.good(CREDIT)
        return dict(tlv.objects(await self.good(OPTIONS)))[0x80]

    async def generate(self, kind: int, data: bytes) -> tuple[int, bytes, bytes, bytes]:
        """CID, counter, cryptogram and issuer data."""
        answer = await self.good(bytes([0x80, 0xAE, kind, 0x00, len(data)]) + data + b"\x00")
        made = dict(tlv.objects(answer))[0x80]
        return made[0], made[1:3], made[3:11], made[11:]


def flat(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for tag, value in tlv.objects(data):
        found |= flat(value) if tag in (0x6F, 0x70, 0x61, 0xA5, 0xBF0C) else {tag: value}
    return found


@pytest.fixture
async def bench(nursery: trio.Nursery) -> AsyncIterator[Bench]:
    async with bench_of() as found:
        yield found


@pytest.fixture
async def terminal(bench: Bench) -> Terminal:
    found = await bench.insert("credit", "chip")
    assert base64.b64decode(found["chip"][0]["data"])[0] == 0x3B
    return Terminal(bench)


async def test_the_environment_names_the_application(terminal: Terminal) -> None:
    assert (await terminal.send(PSE))[0] == 0x61
    assert flat(await terminal.good(PSE))[0x88] == b"\x01"
    assert (await terminal.send("00B2010C00"))[0] == 0x6C
    entry = flat(await terminal.good("00B2010C00"))
    assert (entry[0x4F].hex().upper(), entry[0x50]) == ("A0000000031010", b"CREDIT")
    assert await terminal.status("00B2020C00") == "6A83"


async def test_t1_answers_at_once_and_offers_its_applications_in_order(bench: Bench) -> None:
    found = await bench.insert("debit", "chip")
    atr = base64.b64decode(found["chip"][0]["data"])
    check = 0
    for byte in atr[1:]:
        check ^= byte
    assert check == 0
    terminal = Terminal(bench, "chipT1")
    first = flat((await terminal.send("00A4040005A00000000400"))[:-2])
    second = flat((await terminal.send("00A4040205A00000000400"))[:-2])
    assert (first[0x50], second[0x50]) == (b"DEBIT", b"DEBIT CASH")
    assert await terminal.status("00A4040205A00000000400") == "6A82"


def session_key(counter: bytes) -> bytes:
    key = pyemv.kd.derive_icc_mk_a(MASTER, PAN, "01")
    found: bytes = pyemv.kd.derive_common_sk(key, counter + bytes(6))
    return found


async def test_a_transaction_with_its_issuer(terminal: Terminal, bench: Bench) -> None:
    options = await terminal.start()
    assert options[:2] == b"\x3c\x00"
    kind, counter, arqc, issuer = await terminal.generate(0x40, TERMINAL)
    assert (kind, counter) == (0x80, b"\x00\x01")
    signed = TERMINAL + options[:2] + counter + issuer
    assert pyemv.ac.generate_ac(session_key(counter), signed, pyemv.ac.PaddingType.EMV) == arqc
    arpc = pyemv.ac.generate_arpc_1(session_key(counter), arqc, b"00")
    answer = (await bench.do("AnswerAsIssuer", code="00"))["answer"]
    assert answer == (arpc + b"00").hex().upper()
    await terminal.good(bytes.fromhex(f"008200000A{answer}"))
    kind, counter, certificate, issuer = await terminal.generate(0x40, b"00" + TERMINAL)
    assert kind == 0x40
    signed = TERMINAL + options[:2] + counter + issuer
    assert pyemv.ac.generate_ac(session_key(counter), signed, pyemv.ac.PaddingType.EMV) == certificate
    assert await terminal.status(b"\x80\xae\x40\x00\x1d" + TERMINAL) == "6985"
    assert flat(await terminal.good("80CA9F1300"))[0x9F13] == counter


async def test_the_second_method_of_the_issuer(terminal: Terminal) -> None:
    await terminal.start()
    _, counter, arqc, _ = await terminal.generate(0x80, TERMINAL)
    update = b"\x00\x82\x00\x00"
    arpc = pyemv.ac.generate_arpc_2(session_key(counter), arqc, update)
    await terminal.good(b"\x00\x82\x00\x00\x08" + arpc + update)
    assert (await terminal.generate(0x40, b"00" + TERMINAL))[0] == 0x40


async def test_a_wrong_issuer_is_refused_and_the_card_declines(terminal: Terminal) -> None:
    await terminal.start()
    await terminal.generate(0x80, TERMINAL)
    assert await terminal.status("008200000A" + "00" * 10) == "6300"
    assert (await terminal.generate(0x40, b"00" + TERMINAL))[0] == 0x00


async def test_the_card_approves_alone_up_to_its_limit(bench: Bench) -> None:
    await bench.insert("debit", "chip")
    terminal = Terminal(bench, "chipT1")
    for amount, kind in ((5000, 0x40), (5001, 0x80)):
        await terminal.good("00A4040007A000000004101000")
        await terminal.good(OPTIONS)
        data = bytes.fromhex(f"{amount:012}") + TERMINAL[6:]
        assert (await terminal.generate(0x40, data))[0] == kind
    await terminal.good("00A4040007A000000004101000")
    await terminal.good(OPTIONS)
    assert (await terminal.generate(0x00, TERMINAL))[0] == 0x00


def recovered(certificate: bytes, modulus: int) -> bytes:
    return pow(int.from_bytes(certificate), 3, modulus).to_bytes(len(certificate))


async def test_the_card_proves_itself_offline(terminal: Terminal) -> None:
    locator = (await terminal.start())[2:]
    found: dict[int, bytes] = {}
    static = b""
    for at in range(0, len(locator), 4):
        file, first, last, signed = locator[at : at + 4]
        for number in range(first, last + 1):
            record = await terminal.good(bytes([0x00, 0xB2, number, file | 4, 0x00]))
            found |= flat(record)
            if number - first < signed:
                static += dict(tlv.objects(record))[0x70]
    assert found[0x5A].hex() == PAN
    issuer = recovered(found[0x90], scheme_keys().authority.modulus)
    assert issuer[:2] == b"\x6a\x02"
    assert issuer[-1:] == b"\xbc"
    rest = found.get(0x92, b"")
    assert hashlib.sha1(issuer[1:-21] + rest + found[0x9F32]).digest() == issuer[-21:-1]
    issuer_key = int.from_bytes(issuer[15:-21] + rest)
    card = recovered(found[0x9F46], issuer_key)
    assert card[:2] == b"\x6a\x04"
    assert card[2:12].hex().upper() == PAN + "FFFF"
    static += b"\x3c\x00"
    rest = found.get(0x9F48, b"")
    assert hashlib.sha1(card[1:-21] + rest + found[0x9F47] + static).digest() == card[-21:-1]
    card_key = int.from_bytes(card[21:-21] + rest)
    number = b"\x12\x34\x56\x78"
    answer = await terminal.good(b"\x00\x88\x00\x00\x04" + number + b"\x00")
    signature = recovered(dict(tlv.objects(answer))[0x80], card_key)
    assert signature[:3] == b"\x6a\x05\x01"
    assert hashlib.sha1(signature[1:-21] + number).digest() == signature[-21:-1]


async def test_the_pin_is_tried_so_often_and_then_blocked(terminal: Terminal) -> None:
    await terminal.start()
    assert await terminal.status("0020008008241234FFFFFFFFFF") == "9000"
    for left in ("63C2", "63C1", "63C0", "6983"):
        assert await terminal.status("0020008008249999FFFFFFFFFF") == left
    assert flat(await terminal.good("80CA9F1700"))[0x9F17] == b"\x00"


async def test_the_pin_can_come_enciphered(terminal: Terminal) -> None:
    await terminal.start()
    for changed, status in ((b"", "9000"), (b"\x00", "6984")):
        challenge = await terminal.good("0084000000")
        key = scheme_keys().card
        plain = b"\x7f" + bytes.fromhex("241234FFFFFFFFFF") + (changed or challenge[:1]) + challenge[1:]
        block = pow(int.from_bytes(plain.ljust(key.size, b"\x5a")), 3, key.modulus).to_bytes(key.size)
        if changed == b"\x00" and challenge[:1] == b"\x00":
            continue
        assert await terminal.status(bytes([0x00, 0x20, 0x00, 0x88, key.size]) + block) == status


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00", "6700"),
        ("00FF0000", "6D00"),
        ("80FF0000", "6D00"),
        ("A0A40000023F00", "6E00"),
        ("90FF0000", "6E00"),
        ("00A4040009A0", "6700"),
        ("00A4000007A0000000031010", "6A86"),
        ("00A4040007A0000000099999", "6A82"),
        ("00B2010000", "6A86"),
        ("00B2010C00", "6985"),
        ("80A80000028300", "6985"),
        ("80AE4000021234", "6985"),
        ("0088000004DEADBEEF", "6985"),
        ("008200000A" + "00" * 10, "6985"),
        ("0020008008241234FFFFFFFFFF", "6985"),
        ("00C0000010", "6985"),
        ("80CA9F3600", "6985"),
    ],
)
async def test_what_does_not_fit_gets_its_status_word(terminal: Terminal, command: str, status: str) -> None:
    assert await terminal.status(command) == status


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("80A8000003830102", "6700"),
        ("80CA9F9900", "6A88"),
        ("80AE400002" + "1234", "6985"),
        ("00B2053400", "6A82"),
        ("00B2091400", "6A83"),
    ],
)
async def test_what_does_not_fit_an_application(terminal: Terminal, command: str, status: str) -> None:
    await terminal.good(CREDIT)
    assert await terminal.status(command) == status


async def test_the_counter_of_a_chip_outlives_its_insertion(terminal: Terminal, bench: Bench) -> None:
    for number in (1, 2):
        await terminal.start()
        assert (await terminal.generate(0x80, TERMINAL))[1] == number.to_bytes(2)
        await bench.reader.success(READ, {"chip": True})
        assert await terminal.status("80AE800002" + "1234") == "6985"


async def test_bad_luck_with_a_chip(terminal: Terminal, bench: Bench) -> None:
    await terminal.start()
    await bench.do("Inject", fault="chipForgets")
    command = {"chipData": base64.b64encode(bytes.fromhex(CREDIT)).decode()}
    assert await bench.reader.failure(IO, command) == "atrNotObtained"
    await bench.do("Inject", fault="chipMute")
    assert await bench.reader.failure("CardReader.ChipPower", {"chipPower": "cold"}) == "atrNotObtained"
    status = await bench.reader.success("Common.Status")
    assert status["cardReader"]["chipPower"] == "hardwareError"
    atr = await bench.reader.success("CardReader.ChipPower", {"chipPower": "cold"})
    assert base64.b64decode(atr["chipData"]).startswith(b"\x3b")
    await terminal.start()
    assert await bench.cannot("AnswerAsIssuer") == "sequenceError"


async def test_a_contactless_reader_talks_to_what_is_in_its_field() -> None:
    async with bench_of(type="contactless", units={}) as bench:
        await bench.do("TapCard", cards=["credit"])
        found = await bench.reader.success(READ, {"chip": True})
        assert found["chip"] == [{"data": base64.b64encode(bytes.fromhex("04A1B2C3")).decode()}]
        terminal = Terminal(bench, "chipTypeAPart4")
        directory = flat(await terminal.good("00A404000E325041592E5359532E444446303100"))
        assert directory[0x4F].hex().upper() == "A0000000031010"
        await bench.do("TakeCard")
        command = {"chipData": base64.b64encode(bytes.fromhex(CREDIT)).decode()}
        assert await bench.reader.failure(IO, command) in ("noMedia", "atrNotObtained")
        await bench.do("TapCard", cards=["credit", "debit"])
        assert await bench.reader.failure(READ, {"chip": True}) == "cardCollision"


CONFIGURATION = {
    "terminalData": base64.b64encode(bytes.fromhex("9F1A0202805F2A020978")).decode(),
    "aidData": [
        {"aid": base64.b64encode(bytes.fromhex(aid)).decode(), "partialSelection": True, "transactionType": 0}
        for aid in ("A000000003", "A000000004")
    ],
}
PERFORM, UPDATE = "CardReader.EMVClessPerformTransaction", "CardReader.EMVClessIssuerUpdate"
AMOUNT = base64.b64encode(bytes.fromhex("9F0206000000010000")).decode()


@asynccontextmanager
async def kernel(**settings: Any) -> AsyncIterator[Bench]:
    async with bench_of(type="intelligentContactless", units={}, **settings) as bench:
        await bench.reader.success("CardReader.EMVClessConfigure", CONFIGURATION)
        yield bench


async def test_a_kernel_goes_through_a_transaction_and_its_cryptogram_is_right() -> None:
    async with kernel() as bench:
        await bench.do("TapCard", cards=["credit"], after=20)
        found = (await bench.reader.success(PERFORM, {"data": AMOUNT}))["chip"]
        told = [
            message["payload"]["status"]
            for message in bench.reader.passed
            if message["header"]["name"] == "CardReader.EMVClessReadStatusEvent"
        ]
        assert told == ["readyToRead", "processing", "cardReadOk"]
        assert found["txOutcome"] == "onlineRequest"
        data = flat(base64.b64decode(found["dataRead"]))
        assert data[0x9F02].hex() == "000000010000"
        terminal = data[0x9F02] + bytes(6) + b"\x02\x80" + bytes(5) + b"\x09\x78" + bytes(4) + data[0x9F37]
        signed = terminal + data[0x82] + data[0x9F36] + data[0x9F10]
        made = pyemv.ac.generate_ac(session_key(data[0x9F36]), signed, pyemv.ac.PaddingType.EMV)
        assert made == data[0x9F26]


async def test_the_issuer_answers_a_card_that_is_tapped_again() -> None:
    chip = {"contactless": True, "outcome": "onlineRequestCompletionRequired"}
    cards = {"slow": {"chip": chip}, "other": {"chip": {"contactless": True}}}
    async with kernel(cards=cards) as bench:
        await bench.do("TapCard", cards=["slow"], after=20)
        found = (await bench.reader.success(PERFORM, {"data": AMOUNT}))["chip"]
        assert (found["txOutcome"], found["cardholderAction"]) == ("onlineRequestCompletionRequired", "retap")
        answer = (await bench.do("AnswerAsIssuer"))["answer"]
        data = base64.b64encode(bytes.fromhex(f"910A{answer}8A023030")).decode()
        await bench.do("TapCard", cards=["other"], after=20)
        assert await bench.reader.failure(UPDATE, {"data": data}) == "invalidMedia"
        await bench.do("TapCard", cards=["slow"], after=20)
        assert (await bench.reader.success(UPDATE, {"data": data}))["chip"]["txOutcome"] == "approve"


@pytest.mark.parametrize(
    "data",
    [
        "91820100" + "00" * 256,
        "910100",
        "8D0A" + "9F" * 10,
        "8D019F",
        "9F02820100" + "99" * 256,
        "8A820100" + "30" * 256,
        "82009F360057005A008C008D00",
    ],
)
async def test_whatever_the_issuer_answers_the_card_has_the_last_word(data: str) -> None:
    chip = {"contactless": True, "outcome": "onlineRequestCompletionRequired"}
    async with kernel(cards={"slow": {"chip": chip}}) as bench:
        await bench.do("TapCard", cards=["slow"], after=1)
        await bench.reader.success(PERFORM, {"data": AMOUNT})
        await bench.do("TapCard", cards=["slow"], after=1)
        payload = {"data": base64.b64encode(bytes.fromhex(data)).decode()}
        assert (await bench.reader.success(UPDATE, payload))["chip"]["txOutcome"] == "decline"


async def test_a_reader_with_a_kernel_talks_to_cards_that_are_no_payment_cards_too() -> None:
    async with kernel() as bench:
        await bench.do("TapCard", cards=["credit"])
        found = await bench.reader.success(READ, {"chip": True})
        assert found["chip"] == [{"data": base64.b64encode(bytes.fromhex("04A1B2C3")).decode()}]
        await Terminal(bench, "chipTypeAPart4").good("00A404000E325041592E5359532E444446303100")
        await bench.reader.success("CardReader.Move", {"from": "transport", "to": "exit"})
        command = {"chipData": base64.b64encode(bytes.fromhex(CREDIT)).decode()}
        assert await bench.reader.failure(IO, command) in ("noMedia", "atrNotObtained")
        await bench.do("TapCard", cards=["debit"], after=20)
        assert (await bench.reader.success(PERFORM))["chip"]["txOutcome"] == "onlineRequest"


@pytest.mark.parametrize(
    "outcome", ["tryAgain", "tryAnotherInterface", "endApplication", "confirmationRequired"]
)
async def test_a_card_can_let_a_transaction_end_otherwise(outcome: str) -> None:
    cards = {"odd": {"chip": {"contactless": True, "outcome": outcome}}}
    async with kernel(cards=cards) as bench:
        await bench.do("TapCard", cards=["odd"], after=20)
        assert (await bench.reader.success(PERFORM))["chip"]["txOutcome"] == outcome


@pytest.mark.parametrize(
    ("cards", "outcome"),
    [(["credit", "debit"], "multipleCards"), (["stripe"], "endApplication"), (["debit"], "onlineRequest")],
)
async def test_what_is_in_the_field_decides(cards: list[str], outcome: str) -> None:
    async with kernel() as bench:
        await bench.do("TapCard", cards=cards, after=20)
        assert (await bench.reader.success(PERFORM))["chip"]["txOutcome"] == outcome


async def test_nobody_taps() -> None:
    async with kernel() as bench:
        assert await bench.reader.failure(PERFORM, timeout=50) == "timeOut"
        assert await bench.cannot("InsertCard", card="credit") == "sequenceError"


async def test_a_permanent_chip_is_talked_to() -> None:
    async with bench_of(type="permanent", built_in="credit", units={}) as bench:
        await bench.reader.success("CardReader.ChipPower", {"chipPower": "cold"})
        await Terminal(bench).start()
        await bench.reader.success("CardReader.Reset")
