"""The conformance suite: our own services pass it, and each case finds a service that breaks its rule."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from customer import Customer
from mutant_proxy import Passing, proxied
from mutants import MUTANTS, mutated
from printers import form
from xfs4iot import client, conformance
from xfs4iot.conformance.case import written
from xfs4iot.conformance.cases import WRITTEN
from xfs4iot.conformance.cases.derived import derived
from xfs4iot.protocol import versions
from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.protocol.endpoints import service_uri
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.simulator.profile import read

for module in WRITTEN:
    import_module(f"xfs4iot.conformance.cases.{module}")
CASES = {one.id: one for one in written()}
PORT = "SP-PORT-01P"
"""Only advises, and the tests' own ports are not the standard's."""


def target(
    port: int, service: str = "CashDispenser", patience: float = 5.0, person: Customer | None = None
) -> conformance.Target:
    return conformance.Target(
        service_uri("ws", "127.0.0.1", port, service),
        client.Credentials(),
        patience=patience,
        publisher=service_uri("ws", "127.0.0.1", port),
        person=person,
    )


@pytest.mark.parametrize("specification", versions.SPECIFICATIONS)
async def test_every_simulated_service_conforms(atm: xfs4iot.Publisher, specification: str) -> None:
    assert atm.port is not None
    wrong = []
    for name in atm.services:
        on = target(atm.port, name)
        on.specification = specification
        report = await conformance.run(on, level="destructive")
        assert report.counts()["pass"] > 40
        wrong += [
            f"{name} {one.case.id}: expected {one.expected}; seen {one.seen}{one.reason}"
            for one in report.results
            if one.verdict in ("fail", "error")
        ]
    assert not wrong, "\n".join(wrong)


ATTENDED = [one.id for one in CASES.values() if one.attended]


@pytest.mark.parametrize("specification", versions.SPECIFICATIONS)
async def test_every_simulated_service_notices_its_customer(
    atm: xfs4iot.Publisher, specification: str
) -> None:
    assert atm.port is not None
    found: dict[str, list[str]] = {}
    for name in atm.services:
        on = target(atm.port, name, person=Customer(atm.port))
        on.specification = specification
        await on.find_out()
        mine = [one.id for one in conformance.cases_of(on) if one.attended]
        if not mine:
            continue
        report = await conformance.run(on, level="destructive", choice=conformance.Choice(mine))
        for one in report.results:
            told = one.verdict if one.verdict == "pass" else f"{one.verdict}: {one.seen}{one.reason}"
            found.setdefault(one.case.id, []).append(told)
    known = {one for one in ATTENDED if CASES[one].interface in catalogue(specification)["interfaces"]}
    assert set(found) - {"MSG-SCHEMA-P"} == known
    # A journal printer has nothing to take.
    assert [told for told in found.values() if "pass" not in told] == []
    assert [one for told in found.values() for one in told if one.startswith(("fail", "error"))] == []


@pytest.mark.parametrize("case", ATTENDED)
async def test_what_nobody_does_is_skipped_and_says_so(atm: xfs4iot.Publisher, case: str) -> None:
    assert atm.port is not None
    idle = Customer(atm.port, seconds=0.3, idle=True)
    for person in (None, idle):
        on = target(atm.port, tried(case)[1], person=person)
        (result, *_) = (
            await conformance.run(on, level="destructive", choice=conformance.Choice([case]))
        ).results
        if case == "CD-LEAVE-01P" and person is idle:
            # Nothing was to be done.
            assert result.verdict == "pass", result
            continue
        assert result.verdict == "skipped", result
        assert ("say --attended" if person is None else "nobody did it") in result.reason
    assert idle.asked


def test_every_written_case_has_a_mutant() -> None:
    assert set(MUTANTS) == set(CASES) - {PORT}


def test_the_page_tells_how_many_cases_each_profile_has() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()
    told = re.findall(r"^\| (\w+) \| (\d+) \| (\d*) \|$", page, re.MULTILINE)
    counts = Counter(one.interface for one in CASES.values())
    attended = Counter(one.interface for one in CASES.values() if one.attended)
    assert {name: (int(all_), int(some or 0)) for name, all_, some in told} == {
        name: (count, attended[name]) for name, count in counts.items()
    }


SERVICES = {
    "CardReader": "CardReader",
    "Check": "Check",
    "Deposit": "Deposit",
    "Printer": "ReceiptPrinter",
    "Lights": "Lights",
    "Auxiliaries": "Auxiliaries",
    "TextTerminal": "TextTerminal",
    "VendorMode": "VendorMode",
    "VendorApplication": "VendorApplication",
    "MixedMedia": "MixedMedia",
    "BarcodeReader": "BarcodeReader",
    "Biometric": "Biometric",
    "Camera": "Camera",
    **dict.fromkeys(("KeyManagement", "Crypto", "PinPad", "Keyboard", "German"), "PinPad"),
}
"""The service on which the cases of an interface are tried; those of all others on the dispenser."""
_CELLS = {"unit": {"base": "rowColumn", "x": 1, "y": 1}, "size": {"width": 20, "height": 10}}
BEFORE: dict[str, tuple[str, dict[str, Any]]] = {
    "PRT-FORMLIST-01P": ("Printer.SetForm", {"name": "receipt", "form": form({"TOTAL": (0, 0, 10, 1)})}),
    "PRT-MEDIALIST-01P": ("Printer.SetMedia", {"name": "roll", "media": {"mediaType": "generic", **_CELLS}}),
}
"""What is done to a service so that a case says something about it."""


def tried(case: str) -> tuple[str, str]:
    """Profile and service on which a case is tried: the dispenser is one that gives nonces."""
    interface = CASES[case].interface
    if interface == "MixedMedia":
        return "mixed-media", "MixedMedia"
    recycles = interface in ("CashAcceptor", "CashManagement", "PowerManagement")
    return "default" if recycles or interface in SERVICES else "sp-dev", SERVICES.get(
        interface, "CashDispenser"
    )


@pytest.fixture
async def good(nursery: trio.Nursery, case: str) -> conformance.Target:
    """The service on which a case is tried, alone."""
    profile, name = tried(case)
    services = simulated_atm(read(profile), ledger=xfs4iot.Ledger.open(None), seconds=0)
    alone = {name, "Simulator"} if CASES[case].attended else {name}
    publisher = xfs4iot.Publisher([one for one in services if one.name in alone], port=0)
    await nursery.start(publisher.serve)
    assert publisher.port is not None
    on = target(publisher.port, name, person=Customer(publisher.port))
    if case in BEFORE:
        async with on.conversation() as talk:
            answer = await talk.call(*BEFORE[case])
            assert answer.code == "success", answer
    return on


SAMPLE = set(list(MUTANTS)[::5])
"""Each would start a service twice: all of them are tried with --long."""


@pytest.mark.parametrize(
    "case", [one if one in SAMPLE else pytest.param(one, marks=pytest.mark.long) for one in MUTANTS]
)
async def test_a_case_finds_the_service_that_breaks_its_rule(
    good: conformance.Target, nursery: trio.Nursery, case: str
) -> None:
    host, port = "127.0.0.1", int(good.uri.split(":")[2].split("/")[0])
    report = await conformance.run(good, level="destructive", choice=conformance.Choice([case]))
    assert {one.verdict for one in report.results} == {"pass"}, report.results
    # Short, for some mutants say nothing.
    at = await nursery.start(mutated, case, host, port)
    on = target(at, tried(case)[1], patience=1.0, person=Customer(port, seconds=2))
    # Asked of the good one, for what is offered says which cases there are; but for those about just that.
    mutant = await conformance.run(on, level="destructive", choice=conformance.Choice([case]))
    assert [one.verdict for one in mutant.results if one.case.id == case] in (["fail"], ["warn"])


async def test_what_is_found_by_one_of_many_at_once_is_a_failure(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    def silent(passing: Passing) -> list[bytes]:
        return [] if passing.completes("Status") and passing.connection == 7 else passing.unchanged()

    at = await nursery.start(proxied, silent, "127.0.0.1", atm.port)
    choice = conformance.Choice(["COM-EVERYBODY-01P"])
    report = await conformance.run(target(at, patience=0.3), choice=choice)
    assert [(one.verdict, one.seen) for one in report.results] == [("fail", "nothing within 0.3 s")]


async def test_a_waiver_of_a_message_that_is_good_again_must_go(atm: xfs4iot.Publisher) -> None:
    assert atm.port is not None
    waivers = [
        conformance.Waiver(f"MSG-SCHEMA-{name}-P", "known", "K. Berg", date(2099, 1, 1))
        for name in ("Common.Status", "Printer.PrintForm")
    ]
    choice = conformance.Choice(["COM-STATUS-01P", "MSG-SCHEMA-*"])
    report = await conformance.run(target(atm.port), choice=choice, waivers=waivers)
    found = {one.case.id: one.verdict for one in report.results}
    assert found == {"COM-STATUS-01P": "pass", "MSG-SCHEMA-P": "pass", "MSG-SCHEMA-Common.Status-P": "fail"}


async def test_a_port_that_is_not_the_standards_is_advised_against(atm: xfs4iot.Publisher) -> None:
    assert atm.port is not None
    report = await conformance.run(target(atm.port), choice=conformance.Choice([PORT]))
    assert [one.verdict for one in report.results] == ["warn"]
    assert report.conforms


def test_cases_follow_for_each_command_with_a_payload() -> None:
    """Each property that can be wrong in itself is, once for each way; none is forgotten by accident."""
    total = 0
    without = []
    for specification in versions.SPECIFICATIONS:
        for interface, content in catalogue(specification)["interfaces"].items():
            for command, told in content["commands"].items():
                cases = [one.id for one in derived(specification, interface, command)]
                assert len(set(cases)) == len(cases)
                total += len(cases)
                named = set((told["payload"] or {}).get("properties", {})) - {"timeout"}
                if named and not cases:
                    without.append(f"{specification} {interface}.{command}")
    assert total > 3000
    # Their only properties have free keys, or any type.
    assert len(without) <= 6, without
