"""`xfs4iot check-device` and its pytest fixture find what a device class does wrong, and pass a good one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import pytest

from hostile import xfs4iot
from xfs4iot import devices
from xfs4iot.interfaces import MODULES
from xfs4iot.protocol import errors
from xfs4iot.simulator import SimulatedCashDispenser
from xfs4iot.simulator.kinds import KINDS, device_class
from xfs4iot.testing import FAULTS, check_device

ROOT = Path(__file__).parent.parent.parent

WRONG = """
from xfs4iot import devices
from xfs4iot.protocol import errors


class Wrong(devices.CashDispenser):
    async def open(self):
        await super().open()
        self.port.open()

    async def cash_units(self):
        kind = {"types": frozenset({"cashOut"}), "currency": "EUR", "value": 20, "initial": 100}
        return {"unit1": devices.CashUnit(index=1, **kind)}

    async def dispense(self, request, events):
        raise errors.CommandError("noSuchCode", "a code that the standard does not have")

    async def presnt(self, position, events):
        ...


class Port:
    def open(self):
        pass


def stand_in(device):
    device.port = Port()
"""


def check(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xfs4iot", "check-device", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory, timeout=120)


def test_the_device_of_the_readme_passes() -> None:
    done = check(ROOT / "examples", "two_cassettes:TwoCassettes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 wrong" in done.stdout
    # Its tables; a text is in one line in a pipe.
    assert max(len(one) for one in done.stdout.splitlines() if one.startswith(" ")) <= 80


def test_a_recycler_passes_and_its_cash_in_is_tried() -> None:
    done = check(ROOT / "tests", "acceptors:Recycler", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    good = {one["subject"] for one in json.loads(done.stdout)["findings"] if not one["problem"]}
    assert {"CashAcceptor.CashIn", "CashAcceptor.Replenish", "CashAcceptor.CashUnitCount"} <= good


def test_what_is_wrong_is_named_and_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    done = check(tmp_path, "wrong:Wrong", "--stand-in", "wrong:stand_in", "--json", "--junit", "junit.xml")
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads(done.stdout)
    problems = {(one["subject"], one["fault"]): one["problem"] for one in found["findings"] if one["problem"]}
    assert "did you mean present?" in problems["class", ""]
    assert "noSuchCode" in problems["CashDispenser.Dispense", ""]
    assert found["notOffered"]["CashDispenser.Present"] == "Wrong does not override present"
    (suite,) = xml.parse(tmp_path / "junit.xml").getroot()
    failed = [one for one in found["findings"] if one["problem"]]
    assert int(suite.attrib["failures"]) == len(failed) == len(suite.findall("testcase/failure"))


def test_without_the_stand_in_the_hardware_is_missed(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    done = check(tmp_path, "wrong:Wrong", "--json", "--no-faults")
    states = {one["subject"]: one["outcome"] for one in json.loads(done.stdout)["findings"]}
    assert states["open"] == "hardwareError"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere:Thing"],
        ["wrong:Wrung"],
        ["wrong:Wrong", "--stand-in", "wrong:nothing"],
        ["wrong:Wrong", "--fault", "flood"],
        ["wrong:Wrong", "--fault", "jam"],
        ["wrong:Wrong", "--options", "missing.toml"],
    ],
)
def test_what_cannot_be_loaded_is_bad_usage(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    done = check(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr


def test_the_fixture_fails_the_test_of_a_vendor(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "test_vendor.py").write_text(
        "import wrong\n\n"
        "def test_mine(xfs4iot_check):\n"
        "    xfs4iot_check(wrong.Wrong, stand_in=wrong.stand_in, faults=())\n"
    )
    installed = any(one.name == "xfs4iot" for one in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "xfs4iot.testing.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "CashDispenser.Dispense: it ended with hardwareError" in done.stdout


PEOPLE: dict[str, dict[str, Any]] = {
    "CardReader": {"customer": "credit", "inserts_after": 0},
    "Check": {"customer": 1},
    "Biometric": {"fingers": {"alice": {}}, "customer": "alice"},
    "Deposit": {"customer": True},
    "MixedMedia": {"customer": 1},
}
"""Who is at the simulated ATM, where a device needs somebody."""


@pytest.mark.parametrize("kind", KINDS)
async def test_each_simulated_device_passes(kind: str) -> None:
    options = {"seconds": 0, **PEOPLE.get(kind, {})}
    report = await check_device(device_class((kind,)), options, patience=20)
    assert report.good, report.text()
    assert not [one for one in report.findings if "no plan" in one.skipped]


async def test_every_operation_of_the_dispenser_meets_every_fault() -> None:
    report = await check_device(SimulatedCashDispenser, {"seconds": 0})
    for command in ("Dispense", "Present", "Reject", "Count", "TestCashUnits"):
        found = [one.fault for one in report.findings if one.subject == f"CashDispenser.{command}"]
        assert set(found) == {"", *FAULTS}


def test_every_plan_has_the_name_of_an_interface() -> None:
    served = {path.stem for path in (ROOT / "python/xfs4iot/testing/plans").glob("*.toml")}
    assert served <= {module.rpartition(".")[2] for module in MODULES.values()}


class GivesUp(devices.BarcodeReader):
    """Never reads anything, though its plan says what a Read may end with."""

    async def read(
        self, wanted: frozenset[str] | None, events: devices.CommandEvents
    ) -> tuple[devices.Barcode, ...]:
        raise errors.CommandError("barcodeInvalid", "always")


async def test_an_outcome_that_the_plan_does_not_name_is_wrong() -> None:
    report = await check_device(GivesUp, faults=())
    (found,) = [one for one in report.findings if one.subject == "BarcodeReader.Read"]
    assert "barcodeInvalid" in found.problem
    assert "success, timeOut, canceled" in found.problem


class Wire:
    """The line to a scanner."""

    async def scan(self) -> bytes:
        return b"1"


class OverAWire(devices.BarcodeReader):
    """It hears of nothing that goes wrong with its hardware."""

    def __init__(self, name: str, options: Any = None) -> None:
        super().__init__(name, options)
        self.wire = Wire()

    async def read(
        self, wanted: frozenset[str] | None, events: devices.CommandEvents
    ) -> tuple[devices.Barcode, ...]:
        return (devices.Barcode(await self.wire.scan(), "qrCode"),)


class Deaf(OverAWire):
    """It takes a failure of its hardware for an answer."""

    async def read(
        self, wanted: frozenset[str] | None, events: devices.CommandEvents
    ) -> tuple[devices.Barcode, ...]:
        with suppress(OSError):
            return await super().read(wanted, events)
        return (devices.Barcode(b"0", "qrCode"),)


async def test_a_hardware_that_fails_or_lies_is_no_success() -> None:
    report = await check_device(OverAWire, line="wire")
    assert report.good, report.text()
    ended = {one.fault: one.outcome for one in report.findings if one.subject == "BarcodeReader.Read"}
    assert ended["jam"] == ended["lying"] == "hardwareError"


async def test_a_device_that_does_not_hear_of_a_jam_is_wrong() -> None:
    report = await check_device(Deaf, faults=("jam",), line="wire")
    (found,) = [one for one in report.findings if one.fault == "jam"]
    assert "the hardware had failed" in found.problem


class Numbering(devices.BarcodeReader):
    """What it states cannot be, and is served by the default in its place."""

    symbologies = frozenset({39})  # type: ignore[arg-type]

    async def read(self, symbologies: Any, events: Any) -> Any:
        raise errors.CommandError("barcodeInvalid", "nothing in sight")


async def test_what_a_class_states_and_cannot_be_is_wrong() -> None:
    report = await check_device(Numbering, faults=())
    wrong = [one.problem for one in report.findings if one.problem]
    assert any("Numbering.symbologies" in one and "it must be text" in one for one in wrong), wrong


class Scanner(devices.Printer):
    """It reads what somebody has left in it, as PNG."""

    paper_sources: Mapping[str, devices.Paper] = {"upper": devices.Paper(width=80_000)}
    reads = frozenset({"ocr"})
    scan_types = frozenset({"png"})
    scan_sources = frozenset({"imageFront"})
    front_scan_colors = frozenset({"grayscale"})

    async def open(self) -> None:
        await super().open()
        self.media_at("present")

    async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
        return devices.Printed()

    async def read_form(self, fields: tuple[devices.ReadWanted, ...], events: Any) -> Any:
        return tuple("4711" for _ in fields)

    async def read_image(self, wanted: Mapping[Any, Any], events: Any) -> Any:
        return dict.fromkeys(wanted, b"a picture")


async def test_what_a_printer_reads_is_tried() -> None:
    report = await check_device(Scanner, faults=("raising",))
    assert [one.problem for one in report.findings if one.problem] == []
    struck = {one.subject: one.outcome for one in report.findings if one.fault == "raising"}
    assert struck["Printer.ReadForm"] == struck["Printer.ReadImage"] == "hardwareError"


async def test_a_line_that_the_device_has_not_is_named() -> None:
    report = await check_device(OverAWire, faults=("lying",), line="wier")
    assert "no attribute 'wier'" in report.text()
    with pytest.raises(ValueError, match="needs `line`"):
        await check_device(OverAWire, faults=("lying",))


@pytest.mark.parametrize(
    ("source", "arguments", "said"),
    [
        ("class Mine(devices.Lights): ...", (), "Mine offers no command of Lights"),
        ("class Mine(devices.Lights): ...", ("--fault", "slow", "--no-faults"), "exclude each other"),
    ],
)
def test_what_meets_nothing_is_told(
    tmp_path: Path, source: str, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "mine.py").write_text(f"from xfs4iot import devices\n{source}\n")
    done = xfs4iot("check-device", "mine:Mine", "--python-path", str(tmp_path), *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in " ".join(done.stderr.split())
