"""The conformance suite: our own services pass it, and each case finds a service that breaks its rule."""

from __future__ import annotations

from importlib import import_module

import pytest
import trio

import xfs4iot
from mutants import MUTANTS, mutated
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


def target(port: int, service: str = "CashDispenser", patience: float = 5.0) -> conformance.Target:
    return conformance.Target(
        service_uri("ws", "127.0.0.1", port, service),
        client.Credentials(),
        patience=patience,
        publisher=service_uri("ws", "127.0.0.1", port),
    )


@pytest.mark.parametrize("specification", versions.SPECIFICATIONS)
async def test_every_simulated_service_conforms(atm: xfs4iot.Publisher, specification: str) -> None:
    assert atm.port is not None
    wrong = []
    for name in atm.services:
        if name == "Simulator":
            continue
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


def test_every_written_case_has_a_mutant() -> None:
    assert set(MUTANTS) == set(CASES) - {PORT}


@pytest.fixture
async def dispenser(nursery: trio.Nursery) -> xfs4iot.Publisher:
    """A cash dispenser alone, which gives nonces."""
    profile = read("sp-dev")
    services = simulated_atm(profile, ledger=xfs4iot.Ledger.open(None), seconds=0)
    publisher = xfs4iot.Publisher([one for one in services if one.name == "CashDispenser"], port=0)
    await nursery.start(publisher.serve)
    return publisher


SAMPLE = set(list(MUTANTS)[::4])
"""Each would start a service twice: all of them are tried with --long."""


@pytest.mark.parametrize(
    "case", [one if one in SAMPLE else pytest.param(one, marks=pytest.mark.long) for one in MUTANTS]
)
async def test_a_case_finds_the_service_that_breaks_its_rule(
    dispenser: xfs4iot.Publisher, nursery: trio.Nursery, case: str
) -> None:
    atm = dispenser
    assert atm.port is not None
    good = await conformance.run(target(atm.port), level="destructive", pattern=[case])
    assert {one.verdict for one in good.results} == {"pass"}, good.results
    port = await nursery.start(mutated, case, "127.0.0.1", atm.port)
    # Short, for some mutants say nothing.
    on = target(port, patience=1.0)
    # Asked of the good one, for what is offered says which cases there are; but for those about just that.
    mutant = await conformance.run(on, level="destructive", pattern=[case])
    assert [one.verdict for one in mutant.results if one.case.id == case] in (["fail"], ["warn"])


async def test_a_port_that_is_not_the_standards_is_advised_against(atm: xfs4iot.Publisher) -> None:
    assert atm.port is not None
    report = await conformance.run(target(atm.port), pattern=[PORT])
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
