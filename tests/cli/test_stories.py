"""The stories of `xfs4iot demo --scenario`: what they do at the machine, and how they are told."""

from __future__ import annotations

import base64
import io
import json
import os
import pty
import re
import secrets
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import zxingcpp
from PIL import Image, ImageOps

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import psec

from xfs4iot.cli.demo import injected
from xfs4iot.cli.hosting import simulated_atm
from xfs4iot.cli.prose import Console
from xfs4iot.cli.story_screen import ScreenTeller
from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
from xfs4iot.protocol.sensitive import masked
from xfs4iot.stories import STORIES, play
from xfs4iot.stories.host import Host, Wish
from xfs4iot.stories.stage import Rows, Stage, Step, StepFailed

PAN = "4761739001010010"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Listener:
    """Remembers what a story tells."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.commands: set[str] = set()
        self.failed: StepFailed | None = None
        self.pictures: dict[str, Path] = {}
        self.tables: list[Rows] = []

    def begins(self, step: Step) -> None: ...

    def ends(self, step: Step) -> None:
        self.steps.append(step.title)
        self.commands.update(step.commands)

    def fails(self, failed: StepFailed) -> None:
        self.failed = failed

    def shows(self, rows: Rows) -> None:
        self.tables.append(rows)

    def keeps(self, file: Path, what: str) -> None:
        self.pictures[file.name] = file


class Played:
    """A story that was played.

    Attributes:
        listener: what it told.
        truth: where everything is afterwards, by service.
        messages: all that were sent and received.
    """

    def __init__(self) -> None:
        self.listener = Listener()
        self.truth: dict[str, Any] = {}
        self.messages: list[str] = []


async def played(name: str, directory: Path, *faults: str) -> Played:
    """Play a story over TLS, after faults were injected."""
    found, key = Played(), secrets.token_bytes(32)
    security = EndToEndSecurity(key=key, required="always", responses="always")
    async with simulated_atm(directory, STORIES[name].profile, port=0, seconds=0, security=security) as atm:
        uris = {service: atm.publisher.uri(service) for service in atm.publisher.services}
        assert all(uri.startswith("wss:") for uri in uris.values())
        async with Stage.opened(
            uris,
            teller=found.listener,
            host=Host(key),
            pictures=directory / "pictures",
            ca=atm.ca,
            trace=lambda _, text: found.messages.append(text),
        ) as stage:
            for fault in faults:
                service, _, named = fault.partition(":")
                await stage.hand("Inject", {"service": service, "fault": named})
            with suppress(StepFailed):
                await play(name, stage)
            found.truth = (await stage.hand("GetTruth"))["services"]
    return found


async def test_a_withdrawal_uses_every_device_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    story = await played("withdrawal", tmp_path)
    assert story.listener.failed is None
    assert story.listener.commands > {
        "KeyManagement.ImportKey",
        "CardReader.ReadRawData",
        "CardReader.ChipIO",
        "Keyboard.PinEntry",
        "PinPad.GetPinBlock",
        "Common.GetCommandNonce",
        "CashDispenser.Dispense",
        "CashDispenser.Present",
        "Printer.PrintForm",
        "CardReader.Move",
    }
    truth = story.truth
    assert truth["CashDispenser"]["places"]["customer"] == {"unit1": 1, "unit2": 1, "unit4": 2}
    assert "credit" in truth["CardReader"]["hands"]
    assert "PinKey" in truth["PinPad"]["keys"]
    assert truth["ReceiptPrinter"]["printed"] == 1
    with Image.open(story.listener.pictures["receipt.png"]) as receipt:
        codes = zxingcpp.read_barcodes(ImageOps.expand(receipt.convert("L"), 40, 255))
    assert [one.text for one in codes] == ["withdrawal 1 230 EUR"]
    traced = "".join(masked(text) for text in story.messages)
    for text in (caplog.text, traced):
        assert PAN not in text
        assert PAN.encode().hex() not in text
        assert '"one","two","three","four"' not in text


async def test_a_deposit_gives_back_what_is_no_bank_note(tmp_path: Path) -> None:
    story = await played("deposit", tmp_path)
    assert story.listener.failed is None
    counted = story.listener.tables[0].rows
    assert [tuple(row) for row in counted] == [
        ("EUR10", 2, 20),
        ("EUR20", 2, 40),
        ("EUR50", 1, 50),
        ("in all", 5, 110),
    ]
    places = story.truth["CashDispenser"]["places"]
    inside = {unit: there["customer"] for unit, there in places.items() if "customer" in there}
    assert inside.pop("customer", inside.pop("world", 0)) in (0, 1)
    assert inside == {"unit2": 2, "unit3": 1, "unit6": 2}


async def test_recycling_pays_out_the_very_notes_that_came_in(tmp_path: Path) -> None:
    story = await played("recycling", tmp_path)
    assert story.listener.failed is None
    assert {"Notes identified", "Notes recognised"} < set(story.listener.steps)
    places = story.truth["CashRecycler"]["places"]
    assert places["unit3"] == {"unit3": 200}
    told = [table for table in story.listener.tables if table.title == "Cash units"]
    assert len(told) == 2
    for table in told:
        for row in table.rows:
            one = dict(zip(table.headers, row, strict=True))
            assert one["Before"] + one.get("Paid in", 0) - one.get("Paid out", 0) == one["After"]


async def test_a_cheque_ends_in_its_unit_and_is_seen_from_both_sides(tmp_path: Path) -> None:
    story = await played("cheque", tmp_path)
    assert story.listener.failed is None
    assert story.truth["Check"]["units"]["unitPOCKET1"] == 1
    assert sorted(story.listener.pictures) == ["cheque-back.jpg", "cheque-front.jpg"]
    for file in story.listener.pictures.values():
        with Image.open(file) as picture:
            assert picture.size == (1216, 560)


async def test_a_replenishment_leaves_the_safe_closed_and_the_units_full(tmp_path: Path) -> None:
    story = await played("replenishment", tmp_path)
    assert story.listener.failed is None
    cash = story.truth["CashDispenser"]
    assert {unit: sum(there.values()) for unit, there in cash["places"].items() if unit != "world"} == {
        "unit1": 800,
        "unit2": 600,
        "unit3": 500,
        "unit4": 450,
    }
    assert cash["safeDoor"] == "closed"


async def test_vendor_mode_is_entered_and_left_when_all_agree(tmp_path: Path) -> None:
    story = await played("vendor-mode", tmp_path)
    assert story.listener.failed is None
    asked = ("Enter", "Exit")
    assert {f"VendorMode.{way}ModeAcknowledge" for way in asked} < story.listener.commands


@pytest.mark.parametrize(
    ("name", "fault", "title", "seen"),
    [
        ("withdrawal", "CardReader:cardJamsEntering", "Card in", "mediaJam"),
        ("withdrawal", "CardReader:chipMute", "Card in", "one without it"),
        ("withdrawal", "CardReader:chipForgets", "Application selected", "atrNotObtained"),
        ("withdrawal", "ReceiptPrinter:paperJams", "Receipt printed", "paperJammed"),
        ("withdrawal", "CardReader:cardSwallowed", "Card out", "mediaRetained"),
        ("deposit", "PinPad:deadKeys", "Confirmed", "timeOut"),
        ("cheque", "Check:pocketJams", "Cheque deposited", "mediaBinError"),
        ("replenishment", "CashDispenser:unitsStuck", "Exchange begun", "storageUnitError"),
        ("vendor-mode", "VendorMode:refuses", "Mode entered", "nothing"),
    ],
)
async def test_a_step_that_fails_is_named(
    name: str,
    fault: str,
    title: str,
    seen: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "xfs4iot.stories.stage._PATIENCE", 0.3 if fault in ("PinPad:deadKeys", "refuses") else 30
    )
    failed = (await played(name, tmp_path, fault)).listener.failed
    assert failed is not None
    assert failed.title == title
    assert failed.seen.startswith(seen)


def test_the_host_reads_pins_that_others_have_encrypted() -> None:
    key = secrets.token_bytes(32)
    host = Host(pin_key=key)
    for pin, right in (("1234", True), ("1235", False)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            block = psec.pinblock.encipher_pinblock_iso_4(key, pin, PAN)
        answer = host.authorise(Wish(PAN, 0, block, b"", 1, bytes(8)))
        assert (answer.pin, answer.genuine, answer.issuer) == (right, False, b"")


def test_the_hosts_key_block_is_one_to_others() -> None:
    key = secrets.token_bytes(32)
    block = base64.b64decode(Host(pin_key=key).key_block()).decode()
    protection = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header, found = psec.tr31.unwrap(protection, block)
    assert found == key
    assert (header.key_usage, header.algorithm, header.mode_of_use) == ("P0", "A", "E")


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xfs4iot", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_json_has_an_object_to_a_line_and_says_how_it_ended(tmp_path: Path) -> None:
    good = demo("--scenario", "cheque", "--json", "--trace", "--pictures", str(tmp_path))
    lines = [json.loads(line) for line in good.stdout.splitlines()]
    assert good.returncode == 0, good.stderr
    assert lines[0]["services"]["Check"].startswith("wss:")
    assert [one["step"] for one in lines if "step" in one] == list(range(1, 8))
    assert sorted(one["picture"] for one in lines if "picture" in one) == [
        str(tmp_path / f"cheque-{side}.jpg") for side in ("back", "front")
    ]
    assert lines[-1]["result"] == "success"
    assert "→" in good.stderr


def test_what_is_printed_can_be_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    done = demo("--scenario", "vendor-mode", "--picture", str(picture))
    assert done.returncode == 0, done.stderr
    root = ElementTree.parse(picture).getroot()
    # What is of one style stands in an element of its own.
    drawn = "".join("".join(root.itertext()).split())
    shown = [line.split(":")[0] for line in done.stdout.splitlines() if line.startswith("▸")]
    assert len(shown) > 5
    wanted = ("xfs4iot demo --scenario vendor-mode", *shown)
    assert [text for text in wanted if "".join(text.split()) not in drawn] == []
    # Nothing is fetched when it is looked at.
    assert "url(http" not in picture.read_text("utf-8")


def test_a_story_that_fails_ends_with_1_and_says_what_was_expected(tmp_path: Path) -> None:
    bad = demo("--scenario", "cheque", "--inject", "chequeJams")
    assert bad.returncode == 1
    assert "\x1b" not in bad.stdout
    assert bad.stdout.splitlines()[-3:] == [
        "✗ step 1, Cheque in",
        "  expected: Check.MediaIn to succeed",
        *[line for line in bad.stdout.splitlines()[-1:] if line.startswith("  seen: mediaJammed")],
    ]


def on_a_terminal(columns: int, *arguments: str) -> str:
    """What a command prints on a terminal of so many columns."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "xfs4iot", *arguments],
        stdout=slave,
        stderr=slave,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm"},
    )
    os.close(slave)
    found = b"".join(chunks(master))
    assert process.wait() == 0
    return found.decode()


def chunks(terminal: int) -> Iterator[bytes]:
    with io.FileIO(terminal) as file:
        while True:
            try:
                chunk = file.read(65536)
            except OSError:
                # The other end is closed: so Linux says it.
                return
            if not chunk:
                return
            yield chunk


def test_what_the_plain_demo_says_keeps_its_words_whole_on_a_terminal() -> None:
    lines = ESCAPES.sub("", on_a_terminal(80, "demo")).replace("\r", "\n").split("\n")
    assert max(map(len, lines)) <= 80
    assert any(
        line.startswith("▸ Common.Capabilities: Common, ") and line.rstrip().endswith(",") for line in lines
    )


def test_a_narrow_terminal_shows_what_is_under_way_and_whole_words(tmp_path: Path) -> None:
    shown = on_a_terminal(60, "demo", "--scenario", "recycling", "--pictures", str(tmp_path))
    assert "Notes counted out …" in shown
    lines = ESCAPES.sub("", shown).replace("\r", "\n").split("\n")
    assert max(map(len, lines)) <= 60
    assert "▸ Notes out: the shutter is open, the notes wait for the" in lines
    assert "  customer" in lines


def test_the_path_of_a_picture_is_whole_on_a_narrow_terminal(tmp_path: Path) -> None:
    told = io.StringIO()
    picture = tmp_path / "longer than a line of this terminal" / "receipt.png"
    ScreenTeller(Console(file=told, force_terminal=True, width=30)).keeps(picture, "the receipt")
    assert f"  {picture}\n" in ESCAPES.sub("", told.getvalue())


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("jam", {"fault": "jam"}),
        ("CashDispenser:jam", {"service": "CashDispenser", "fault": "jam"}),
        ("feedsNothing:unit1", {"fault": "feedsNothing", "unit": "unit1"}),
        (
            "CashDispenser:feedsNothing:unit1",
            {"service": "CashDispenser", "fault": "feedsNothing", "unit": "unit1"},
        ),
    ],
)
def test_a_fault_to_inject_names_its_service_and_its_unit(said: str, meant: dict[str, str]) -> None:
    assert injected(said) == meant
