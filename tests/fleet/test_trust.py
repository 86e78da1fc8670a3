"""Who is let in to the broker, what each may say there, and what holds while nobody decides."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

import xfs4iot
from dialogue import dialogue
from secured_fleet import Secured
from xfs4iot.fleet import nats
from xfs4iot.fleet.carrier import Carried, CarrierLost
from xfs4iot.fleet.deployment import deploy
from xfs4iot.fleet.nkeys import NKey, NKeyRefused, read_token
from xfs4iot.fleet.opening import Authorities
from xfs4iot.fleet.registry import PRESENCE
from xfs4iot.fleet.store import KeyValue
from xfs4iot.fleet.uplink import Uplink
from xfs4iot.transport.pairs import fingerprint, load_certificates


async def test_a_cluster_of_three_goes_on_deciding_when_a_node_dies(
    server: str, tmp_path: Path, nursery: trio.Nursery
) -> None:
    secured = Secured(nursery, tmp_path, nodes=3)
    try:
        async with trio.open_nursery() as starting:
            for node in secured.nodes:
                starting.start_soon(node.start)
        await secured.decide()
        await secured.decide()
        carrier = await secured.carrier("gateway")
        store = KeyValue(carrier, PRESENCE.format("bank"), replicas=3)
        with trio.fail_after(40):
            await until_done(store.make)
            await until_done(lambda: store.put("atm17", b"here"))
        secured.nodes[0].kill()
        secured.admit("atm17", "xfs4iot://device/atm17")
        device = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
        assert device.connected
        # One of three copies is gone: a majority has what was kept.
        with trio.fail_after(40):
            await until_done(lambda: store.get("atm17"))
        found = await store.get("atm17")
        assert found is not None
        assert found[0] == b"here"
    finally:
        for node in secured.nodes:
            node.kill()


async def until_done(what: Callable[[], Awaitable[object]]) -> None:
    """Do it as often as it takes: a cluster chooses its leaders within seconds."""
    while True:
        try:
            await what()
        except CarrierLost:
            await trio.sleep(0.1)
        else:
            return


async def test_a_device_behind_a_gateway_with_no_more_than_it_may(
    secured: Secured, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    await secured.decide()
    gateway = await secured.gateway()
    secured.admit("atm17", "xfs4iot://device/atm17")
    carrier = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    authorities = Authorities(secured.keys / "ca.pem")
    ledger = xfs4iot.Ledger.open(None).service("uplink")
    uplink = Uplink(atm, carrier, ledger, tenant="bank", device="atm17", authorities=authorities)
    await nursery.start(uplink.run)
    with trio.fail_after(10):
        await uplink.admitted.wait()
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
    known = await gateway.registry.get("atm17")
    assert known is not None
    # The device is let answer whoever asks it, and nobody else.
    await gateway.registry.look("atm17", known)
    operator = await secured.carrier("operator")
    store = KeyValue(operator, PRESENCE.format("bank"))
    assert list(await store.everything()) == ["atm17"]
    assert carrier.refusals == []
    assert operator.refusals == []


@pytest.mark.parametrize(
    "subject", ["x4.bank.atm18.hello", "x4.bank.atm17.1.d.g.s", "$KV.x4-bank-presence.atm17", "_INBOX.a.b"]
)
async def test_a_device_cannot_speak_for_another(secured: Secured, subject: str) -> None:
    await secured.decide()
    gateway = await secured.carrier("gateway")
    heard: list[Carried] = []
    gateway.subscribe("x4.bank.*.hello", heard.append)
    await gateway.flush()
    secured.admit("atm17", "xfs4iot://device/atm17")
    device = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    device.publish(subject, b"{}")
    device.publish("x4.bank.atm17.hello", b"{}")
    await device.flush()
    assert [one for one in device.refusals if subject in one]
    with trio.fail_after(5):
        while not heard:  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert [one.subject for one in heard] == ["x4.bank.atm17.hello"]


@pytest.mark.parametrize("subject", ["x4.>", "x4.bank.atm18.*.d.>", "x4.bank.*.hello", "_INBOX.>"])
async def test_a_device_cannot_hear_what_is_for_another(secured: Secured, subject: str) -> None:
    await secured.decide()
    secured.admit("atm17", "xfs4iot://device/atm17")
    device = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    device.subscribe(subject, lambda _: None)
    await device.flush()
    assert [one for one in device.refusals if subject in one]


async def test_a_device_has_a_node_remember_no_subscriptions_without_end(secured: Secured) -> None:
    await secured.decide()
    secured.admit("atm17", "xfs4iot://device/atm17")
    device = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    for number in range(300):
        device.subscribe(f"x4.bank.atm17.1.d.g.{number}", lambda _: None)
    with suppress(CarrierLost):
        await device.flush()
    with trio.fail_after(10):
        while not any("maximum subscriptions" in one for one in device.refusals):  # noqa: ASYNC110
            await trio.sleep(0.01)


@pytest.mark.parametrize(
    "sans",
    [
        (),
        ("https://bank.example",),
        ("xfs4iot://device/",),
        ("xfs4iot://device/a.b",),
        ("xfs4iot://device/*",),
        ("xfs4iot://device/atm17", "xfs4iot://gateway"),
        ("xfs4iot://teller",),
    ],
)
async def test_a_certificate_of_nobody_is_not_let_in(secured: Secured, sans: tuple[str, ...]) -> None:
    await secured.decide()
    secured.admit("somebody", *sans)
    carrier = await secured.carrier("somebody", let_in=False)
    assert not carrier.connected
    assert "Authorization Violation" in carrier.trouble
    # And what tells more.
    assert "`xfs4iot fleet callout` prints" in carrier.trouble
    assert secured.callout.admitted == 0


async def test_where_no_callout_runs_that_is_what_is_told(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who came too early does not wait for the broker, which gives up far later."""
    monkeypatch.setattr(nats, "_FIRST_OPENING_SECONDS", 0.3)
    secured.admit("somebody", "xfs4iot://gateway")
    carrier = await secured.carrier("somebody", let_in=False)
    assert "does `xfs4iot fleet callout` run?" in carrier.trouble
    assert carrier.answered
    await secured.decide()
    with trio.fail_after(10):
        await carrier.until_connected()


async def test_a_revoked_certificate_is_not_let_in(secured: Secured) -> None:
    secured.admit("atm17", "xfs4iot://device/atm17")
    stolen = fingerprint(load_certificates(secured.keys / "atm17.pem")[0])
    await secured.decide(frozenset({stolen}))
    carrier = await secured.carrier("atm17", let_in=False)
    assert not carrier.connected
    assert secured.callout.refused >= 1


async def test_who_is_in_is_put_out_when_the_certificate_ends(secured: Secured) -> None:
    await secured.decide()
    begins = datetime.now(UTC) - timedelta(hours=1)
    secured.admit("atm17", "xfs4iot://device/atm17", begins=begins, days=(3600 + 4) / 86400)
    carrier = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    with trio.fail_after(15):
        while carrier.connected:  # noqa: ASYNC110
            await trio.sleep(0.05)


def test_tokens_are_believed_by_their_signature_alone() -> None:
    key = NKey.new("account")
    token = key.token({"sub": "U"})
    assert read_token(token)["iss"] == key.public == NKey.of(key.seed).public
    head, body, signature = token.split(".")
    other = NKey.new("account").token({"sub": "V"}).split(".")[1]
    for wrong in (f"{head}.{other}.{signature}", f"{head}.{body}.", "", "a.b.c", "x" * 300_000):
        with pytest.raises(NKeyRefused):
            read_token(wrong)


@pytest.mark.parametrize("nodes", [1, 3, 9])
def test_the_broker_takes_what_init_writes(server: str, tmp_path: Path, nodes: int) -> None:
    where = ("init", str(tmp_path / "new"), *(("--node", "127.0.0.1") * nodes), "--json")
    said = json.loads(
        subprocess.run(
            [sys.executable, "-m", "xfs4iot", "fleet", "--tenant", "bank", *where],
            check=True, capture_output=True, text=True, timeout=60,
        ).stdout
    )  # fmt: skip
    assert (len(said["nodes"]), said["replicas"]) == (nodes, min(3, nodes))
    assert len(set(said["servers"])) == nodes
    for file in said["nodes"]:
        subprocess.run([server, "-t", "-c", file], check=True, capture_output=True, timeout=60)
    keys = Path(said["keys"])
    secrets = [*keys.rglob("*.key"), *keys.glob("*.seed")]
    assert len(secrets) == 9 + nodes
    assert {one.stat().st_mode & 0o077 for one in secrets} == {0}
    with pytest.raises(FileExistsError):
        deploy(tmp_path / "new", "bank", ["127.0.0.1"])
