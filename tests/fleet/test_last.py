"""What the fleet knows of a device's state and counts, and what a device that lies can do to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

import xfs4iot
from conftest import Tenant
from dialogue import dialogue
from secured_fleet import Secured
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.fleet.keeping import Keeping
from xfs4iot.fleet.last import LARGEST, LAST, Last, ToldService, Unit, Unreadable, bucket_of_last, snapshot
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.registry import PRESENCE, Presence
from xfs4iot.fleet.reporter import Pace
from xfs4iot.fleet.store import KeyValue
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.fleet.view import Known
from xfs4iot.fleet.where import parse
from xfs4iot.server.service import Service

FIFTY = {"denomination": {"denomination": {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}}}


async def until(tenant: Tenant, holds: Callable[[Known], bool]) -> Known:
    with trio.fail_after(20):
        while True:
            known = await tenant.view.get("atm17")
            if known is not None and holds(known):
                return known
            await trio.sleep(0.02)


async def test_states_and_counts_are_known_and_follow_what_moves(
    tenant: Tenant, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    await tenant.gateway()
    await tenant.device(atm)
    known = await until(tenant, lambda one: one.last is not None)
    assert known.last is not None
    assert known.last.version == known.presence.version == "xfs4iot 1.2.3"
    assert set(known.last.services) == set(atm.services)
    dispenser = known.last.services["CashDispenser"]
    assert dispenser.device == "online"
    assert "CashAcceptor" in dispenser.interfaces
    unit = dispenser.units["unit3"]
    assert (unit.kind, unit.currency, unit.value, unit.capacity) == ("cash", "EUR", Decimal(50), 2000)
    before = unit.count
    assert before is not None
    client = await nursery.start(dialogue, atm.uri("CashDispenser"))
    await client.success("CashDispenser.Dispense", FIFTY)

    def has_paid(one: Known) -> bool:
        return one.last is not None and one.last.services["CashDispenser"].units["unit3"].count == before - 1

    known = await until(tenant, has_paid)
    assert known.last is not None
    after = known.last.services["CashDispenser"].units["unit3"]
    assert (after.went_out, after.initial) == (1, unit.initial)
    assert parse("unit.out == 1 and unit.value == 50").matches(known.rows())
    atm.services["Lights"].device.status.common.device = "hardwareError"  # type: ignore[union-attr]
    await until(tenant, lambda one: "Lights hardwareError" in one.troubles())


async def test_what_changes_often_is_written_seldom(
    tenant: Tenant, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    await tenant.gateway()
    uplink = await tenant.device(atm, pace=Pace(0.05, 0.2, 60))
    await until(tenant, lambda one: one.last is not None)
    status = atm.services["Lights"].device.status.common  # type: ignore[union-attr]
    for turn in range(100):
        status.device = "hardwareError" if turn % 2 else "online"
        await trio.sleep(0.005)
    await until(tenant, lambda one: "Lights hardwareError" in one.troubles())
    assert uplink.reporter.written <= 6


async def test_a_device_that_has_gone_keeps_its_last_values_and_their_time(
    tenant: Tenant, atm: xfs4iot.Publisher
) -> None:
    await tenant.gateway()
    uplink = await tenant.device(atm)
    known = await until(tenant, lambda one: one.last is not None)
    uplink._ended.set()
    gone = await until(tenant, lambda one: not one.presence.online)
    assert (gone.last, gone.at) == (known.last, known.at)
    assert parse("not online and unit.count > 0 and age >= 0").matches(gone.rows())


HOSTILE: list[Any] = [
    b"", b"\xff\xfe", b"null", b"[]", b"7", b'"x"', b"{", b"[" * 20_000, b'{"a":' * 5000,
    {"services": []}, {"services": {"x": 7}}, {"services": {"x": {"units": [1]}}}, {"epoch": "one"},
    {"services": {"x" * 65: {}}}, {"services": {"x": {"device": {"a": 1}}}}, {"version": "v" * 65},
    {"services": {"x": {"units": {"u": {"count": 10**30}}}}},
    {"services": {"x": {"units": {"u": {"count": 1.5}}}}},
    {"services": {"x": {"units": {"u": {"count": True}}}}},
    b'{"services": {"x": {"units": {"u": {"value": 1e999999999}}}}}',
    b'{"services": {"x": {"units": {"u": {"value": 1e-999999999}}}}}',
    b'{"services": {"x": {"units": {"u": {"value": "NaN"}}}}}',
    b'{"services": {"x": {"units": {"u": {"count": ' + b"9" * 30_000 + b"}}}}}",
    {"services": {f"s{number}": {} for number in range(65)}},
    {"services": {"x": {"units": {f"u{number}": {} for number in range(257)}}}},
    {"services": {"x": {"interfaces": ["i"] * 65}}},
]  # fmt: skip


@pytest.mark.parametrize("written", HOSTILE)
def test_what_no_device_writes_is_no_status_and_harms_nobody(written: Any) -> None:
    value = written if isinstance(written, bytes) else json.dumps(written).encode()
    with pytest.raises(Unreadable) as raised:
        Last.decode(value)
    assert len(str(raised.value)) < 500
    there = Presence(1, "i", True, 0.0).encode()
    known = Known.of("atm17", there, value or b"{", 0.0)
    assert known.problem
    assert known.troubles() == ["its status cannot be read"]
    assert parse("problem != missing").matches(known.rows())


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["services", "x", "units", "unit1", "count", "device", "value"]), inner
    ),
).map(lambda one: json.dumps(one).encode()))  # fmt: skip
def test_whatever_is_written_is_read_or_refused(value: bytes) -> None:
    try:
        known = Known.of("atm17", Presence(1, "i", True, 0.0).encode(), value, 0.0)
    except Exception as other:  # pragma: no cover
        pytest.fail(f"{other!r}")
    known.rows()
    json.dumps(known.described(), default=str)
    known.facts()


def test_texts_of_a_device_do_nothing_to_a_terminal() -> None:
    nasty = "\x1b[2J\u202e\r\n"
    value = json.dumps({
        "version": nasty, "services": {nasty: {"device": nasty, "interfaces": [nasty], "units": {nasty: {
            "id": nasty, "status": nasty, "kind": nasty, "replenishmentStatus": nasty, "currency": nasty,
        }}}},
    }).encode()  # fmt: skip
    told = Known.of("atm17", Presence(1, "i", True, 0.0).encode(), value, 0.0)
    said = repr(told.described()) + repr(told.troubles()) + repr(told.rows())
    assert "x1b" in said
    assert not {"\x1b", "\u202e", "\r", "\n"} & set("".join(_texts(told.described())))


def _texts(of: Any) -> list[str]:
    if isinstance(of, dict):
        return [text for name, value in of.items() for text in (name, *_texts(value))]
    if isinstance(of, list):
        return [text for one in of for text in _texts(one)]
    return [of] if isinstance(of, str) else []


def test_what_is_larger_than_there_is_room_for_is_refused() -> None:
    units = {f"unit{number:03}{'ü' * 57}": Unit(id="ü" * 64, status="ü" * 64) for number in range(256)}
    largest = Last(1, "", {"x": ToldService((), None, units)})
    assert len(largest.encode()) > LARGEST
    with pytest.raises(Unreadable):
        Last.decode(largest.encode())


def test_a_device_with_very_much_tells_of_what_there_is_room_for() -> None:
    ledger = xfs4iot.Ledger.open(None).service("x")
    services = [Service(f"{number:03}" + "x" * 100, None, (), ledger=ledger) for number in range(100)]
    made = snapshot(services, epoch=1, version="v" * 500)
    assert Last.decode(made.encode()) == made
    assert len(made.encode()) < LARGEST


@pytest.fixture
async def device(secured: Secured) -> Nats:
    """A device that is connected by its certificate, at a broker with the fleet's buckets."""
    await secured.decide()
    gateway = await secured.carrier("gateway")
    await KeyValue(gateway, PRESENCE.format("bank")).make()
    last = bucket_of_last(gateway, "bank")
    await last.make()
    secured.admit("atm17", "xfs4iot://device/atm17")
    return await secured.carrier("atm17", inbox="_INBOX.bank.atm17")


async def test_a_device_writes_its_own_status_and_no_more(secured: Secured, device: Nats) -> None:
    own, mine = Keeping(device, Subjects("bank"), "atm17"), "$KV.x4-bank-last.atm17"
    await own.keep(mine, b"{}")
    secured.admit("atm18", "xfs4iot://device/atm18")
    other = Keeping(await secured.carrier("atm18", inbox="_INBOX.bank.atm18"), Subjects("bank"), "atm18")
    await other.keep("$KV.x4-bank-last.atm18", b"mine")
    with pytest.raises(CarrierLost):
        await own.keep(mine, b"x" * (LARGEST + 1), 0.5)
    # A message that bears this would take the place of all others in the bucket.
    for value in ("all", "sub"):
        device.publish(mine, b"{}", headers={"Nats-Rollup": value})
    for subject in (
        "$KV.x4-bank-last.atm18", "$KV.x4-bank-last.>", "$KV.x4-bank-presence.atm17",
        "$JS.API.STREAM.PURGE.KV_x4-bank-last", "$JS.API.STREAM.DELETE.KV_x4-bank-last",
        "$JS.API.STREAM.MSG.GET.KV_x4-bank-last", "$JS.API.CONSUMER.CREATE.KV_x4-bank-last",
        "$JS.API.STREAM.UPDATE.KV_x4-bank-last", "$JS.API.DIRECT.GET.KV_x4-bank-last",
    ):  # fmt: skip
        device.publish(subject, b"{}")
        await device.flush()
        assert [one for one in device.refusals if f'"{subject}"' in one], subject
    operator = KeyValue(await secured.carrier("operator"), LAST.format("bank"))
    assert (await operator.everything())["atm18"] == b"mine"
    with pytest.raises(CarrierLost):
        await operator.put("atm18", b"{}")
