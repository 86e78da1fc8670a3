"""What a device may not say itself it must not have others say for it: broker, gateway, authority."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
import trio

from secured_fleet import Secured
from xfs4iot.fleet.carrier import Carried, CarrierLost
from xfs4iot.fleet.events import EVENTS, make_events
from xfs4iot.fleet.keeping import Keeping
from xfs4iot.fleet.last import LARGEST, LAST, bucket_of_last
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.registry import PRESENCE
from xfs4iot.fleet.store import KeyValue, ask_broker
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.fleet.trust import TRUST

EVENT, STATUS = "x4.bank.atm17.e.Common", "$KV.x4-bank-last.atm17"
BAIT = "$KV.x4-bank-presence.{0}", "$KV.x4-bank-trust.{0}", "$KV.x4-bank-last.{0}"


class Two:
    """Two devices of a fleet with all its parts: atm17 is hostile, atm18 is to notice nothing.

    Attributes:
        heard: what atm18 and its gateway have heard that nobody should have said.
    """

    def __init__(self, secured: Secured) -> None:
        self.secured = secured
        self.heard: list[Carried] = []

    async def begin(self) -> None:
        await self.secured.decide()
        gateway = await self.secured.gateway()
        await self.secured.office()
        assert isinstance(gateway._carrier, Nats)
        self.gateway = gateway._carrier
        await make_events(self.gateway, "bank")
        await bucket_of_last(self.gateway, "bank").make()
        self.hostile, self.other = [await self._device(name) for name in ("atm17", "atm18")]
        for subject in ("x4.bank.atm18.*.d.>", "x4.bank.atm18.*.ctl", "_INBOX.bank.atm18.*"):
            self.other.subscribe(subject, self.heard.append)
        self.gateway.subscribe("x4.bank.*.hello", self._greeted)
        for one in (self.gateway, self.other):
            await one.flush()

    def _greeted(self, message: Carried) -> None:
        if "atm18" in message.subject:
            self.heard.append(message)

    async def _device(self, name: str) -> Nats:
        self.secured.admit(name, f"xfs4iot://device/{name}")
        return await self.secured.carrier(name, inbox=f"_INBOX.bank.{name}")

    async def kept(self, device: str) -> list[bytes]:
        """Whatever the buckets have of a device."""
        gateway, operator = self.gateway, await self.secured.carrier("operator")
        found = []
        for carrier, bucket in ((gateway, PRESENCE), (operator, TRUST), (operator, LAST)):
            if (value := await KeyValue(carrier, bucket.format("bank")).get(device)) is not None:
                found.append(value[0])
        return found


@pytest.fixture
async def two(secured: Secured) -> Two:
    fleet = Two(secured)
    await fleet.begin()
    return fleet


@pytest.mark.parametrize(
    ("subject", "body"),
    [(EVENT, b"{}"), (STATUS, b"{}"), (STATUS, b"x" * (LARGEST + 1)),
     ("x4.bank.atm17.hello", b'{"epoch": 1, "instance": "x"}'), ("x4.bank.atm17.renew", b"{}")],
    ids=["event", "status", "too large", "hello", "renewal"],
)  # fmt: skip
async def test_nobody_answers_a_device_where_another_hears_or_is_kept(
    two: Two, subject: str, body: bytes
) -> None:
    for where in (
        *(one.format("atm18") for one in BAIT), "x4.bank.atm18.1.ctl", "x4.bank.atm18.1.d.g.s",
        "x4.bank.atm18.hello", "x4.bank.atm18.e.Common", "_INBOX.bank.atm18.1",
    ):  # fmt: skip
        two.hostile.publish(subject, body, where)
        # A trace of its way, for which a header asks, would be the broker's word as well.
        two.hostile.publish(subject, body, headers={"Nats-Trace-Dest": where})
    await two.hostile.flush()
    await trio.sleep(0.5)
    assert [one.subject for one in two.heard] == []
    assert await two.kept("atm18") == []
    stream = await ask_broker(two.gateway, f"STREAM.INFO.{EVENTS.format('bank')}", None)
    assert stream["state"]["messages"] == (8 if subject == EVENT else 0)


async def test_what_is_kept_is_confirmed_to_its_own_device_alone(two: Two) -> None:
    confirmed: list[Carried] = []
    two.other.subscribe("x4.bank.atm18.kept.*", confirmed.append)
    await two.other.flush()
    keeping = Keeping(two.hostile, Subjects("bank"), "atm17")
    with trio.fail_after(5):
        await keeping.keep(EVENT, b'{"number": 1}', 4)
        await keeping.keep(STATUS, b"{}", 4)
    with pytest.raises(CarrierLost):
        await keeping.keep(STATUS, b"x" * (LARGEST + 1), 0.5)
    # It cannot ask for another's confirmations, nor make any.
    two.hostile.publish("x4.bank.atm18.kept.last", b"{}")
    two.hostile.subscribe("x4.bank.atm18.kept.*", confirmed.append)
    two.other.publish("x4.bank.atm18.kept.last", b"{}")
    for one in (two.hostile, two.other):
        await one.flush()
    refused = [said for one in (two.hostile, two.other) for said in one.refusals if ".kept." in said]
    assert len(refused) == 3
    assert await two.kept("atm17") == [b"{}"]
    assert confirmed == []


async def test_a_fleet_that_was_begun_before_confirms_as_it_should(secured: Secured) -> None:
    await secured.decide()
    gateway = await secured.carrier("gateway")
    # As they were made once: confirmed to whomever a message names.
    old = KeyValue(gateway, LAST.format("bank"), largest=LARGEST)
    await old.make()
    secured.admit("atm18", "xfs4iot://device/atm18")
    device = await secured.carrier("atm18", inbox="_INBOX.bank.atm18")
    await KeyValue(device, LAST.format("bank")).put("atm18", b"told before")
    makes: tuple[Callable[[], Awaitable[None]], ...] = (
        lambda: bucket_of_last(gateway, "bank").make(),
        lambda: make_events(gateway, "bank"),
    )
    for make in makes * 2:
        await make()
    for stream in (f"KV_{LAST.format('bank')}", EVENTS.format("bank")):
        made = await ask_broker(gateway, f"STREAM.INFO.{stream}", None)
        assert made["config"]["no_ack"] is True
    operator = KeyValue(await secured.carrier("operator"), LAST.format("bank"))
    assert (await operator.everything()) == {"atm18": b"told before"}
    await Keeping(device, Subjects("bank"), "atm18").keep("$KV.x4-bank-last.atm18", json.dumps({}).encode())
    assert (await operator.everything()) == {"atm18": b"{}"}
