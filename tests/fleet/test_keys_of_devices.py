"""Devices come to the broker by the key that is written down for them, and nobody else does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import trio

import xfs4iot
from dialogue import dialogue
from secured_fleet import Secured
from xfs4iot.fleet import renewal as renewing
from xfs4iot.fleet.carrier import Carried
from xfs4iot.fleet.credential import due
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.renewal import Renewal
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.fleet.trust import key_of

SUBJECTS = Subjects("bank")


async def until(what: Callable[[], object], seconds: float = 15) -> None:
    with trio.fail_after(seconds):
        while not what():  # noqa: ASYNC110
            await trio.sleep(0.02)


async def refused(secured: Secured, name: str) -> str:
    """What a device reads that is not let in; and that no other attempt is."""
    before = secured.callout.refused
    carrier = await secured.carrier(name, let_in=False)
    await until(lambda: secured.callout.refused > before)
    assert not carrier.connected
    return carrier.trouble


async def test_a_device_comes_by_its_key_alone(secured: Secured, caplog: pytest.LogCaptureFixture) -> None:
    await secured.decide(by_key=True)
    authority = await secured.office()
    # A certificate of the root itself, and nobody has enrolled it.
    secured.admit("atm16", "xfs4iot://device/atm16")
    await refused(secured, "atm16")
    assert "device atm16 is not enrolled" in caplog.text
    await secured.enroll(authority, "atm17")
    await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    # Somebody has the key of an authority, and makes himself a certificate for a device that is there.
    made = secured.admit("false", "xfs4iot://device/atm17")
    await refused(secured, made)
    assert [one.levelname for one in caplog.records if "a copy of" in one.getMessage()].count("CRITICAL") >= 1
    assert "xfs4iot fleet revoke atm17" in caplog.text


async def test_a_revoked_device_is_put_out_and_stays_out_until_it_is_enrolled_anew(
    secured: Secured, atm: xfs4iot.Publisher
) -> None:
    await secured.decide(by_key=True)
    authority = await secured.office()
    await secured.gateway()
    for name in ("atm17", "atm18"):
        await secured.enroll(authority, name)
    ledger = xfs4iot.Ledger.open(None)
    _, carrier = await secured.device(atm, "atm17", ledger)
    other = await secured.carrier("atm18", inbox="_INBOX.bank.atm18")
    await (await secured.trust()).revoke("atm17")
    await until(lambda: not carrier.connected)
    await until(lambda: "Authorization Violation" in carrier.trouble)
    assert other.connected
    await secured.enroll(authority, "atm17")
    await until(lambda: carrier.connected)


async def test_a_device_that_was_revoked_while_no_callout_ran_is_put_out_by_the_next(
    secured: Secured,
) -> None:
    first = await secured.decide(by_key=True)
    authority = await secured.office()
    await secured.enroll(authority, "atm17")
    device = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    trust = await secured.trust()
    first.cancel()
    await trust.revoke("atm17")
    assert device.connected
    await secured.decide(by_key=True)
    await until(lambda: not device.connected)


async def test_a_certificate_is_renewed_over_the_link_and_no_session_is_lost(
    secured: Secured, atm: xfs4iot.Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    await secured.decide(by_key=True)
    authority = await secured.office()
    gateway = await secured.gateway()
    credential = await secured.enroll(authority, "atm17")
    before = credential.load()
    shutil.copy(credential.file, secured.keys / "copy.pem")
    copy = await secured.carrier("copy", inbox="_INBOX.bank.atm17")
    _, carrier = await secured.device(atm, "atm17")
    client = await secured.nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    connection = carrier.client_id
    asked = [await client.send("Common.Status") for _ in range(20)]
    await Renewal(credential, carrier, SUBJECTS).renew(before)
    asked += [await client.send("Common.Status") for _ in range(20)]
    for request in asked:
        assert await client.until("completion", request)
    await until(lambda: carrier.connected and carrier.client_id != connection)
    after = credential.load()
    assert key_of(after.certificate) != key_of(before.certificate)
    assert after.not_after >= before.not_after
    trust = await secured.trust()

    async def known() -> frozenset[str]:
        found = await trust.get("atm17")
        assert found is not None
        return found.keys

    with trio.fail_after(10):
        while await known() != {key_of(after.certificate)}:  # noqa: ASYNC110
            await trio.sleep(0.05)
    # Whoever has a copy of the old disk is put out, and an alarm tells when he comes again.
    await until(lambda: not copy.connected)
    await until(lambda: "a copy of" in caplog.text)
    assert carrier.connected
    assert (await client.success("Common.Status"))["common"]["device"] == "online"


async def test_an_answer_that_was_lost_is_asked_for_again_and_the_old_certificate_serves_meanwhile(
    secured: Secured,
) -> None:
    await secured.decide(by_key=True)
    authority = await secured.office()
    credential = await secured.enroll(authority, "atm17")
    pair = credential.load()
    carrier = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    renewal = Renewal(credential, carrier, SUBJECTS)
    take = credential.take
    credential.take = broken  # type: ignore[method-assign]
    with pytest.raises(OSError, match="disk"):
        await renewal.renew(pair)
    # As after a power cut: nothing but what is on disk.
    assert key_of(credential.load().certificate) == key_of(pair.certificate)
    await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    credential.take = take  # type: ignore[method-assign]
    await renewal.renew(pair)
    assert key_of(credential.load().certificate) != key_of(pair.certificate)


def broken(*_: object) -> None:
    raise OSError("the disk is full")


async def test_whoever_renews_by_a_copied_key_is_found_out(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    await secured.decide(by_key=True)
    authority = await secured.office()
    credential = await secured.enroll(authority, "atm17")
    pair = credential.load()
    carrier = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    renewal, connection = Renewal(credential, carrier, SUBJECTS), carrier.client_id
    await renewal.renew(pair)
    await until(lambda: carrier.connected and carrier.client_id != connection)
    # The other of the two, whichever is the right one.
    with pytest.raises(Exception, match=r"asks for a key with one that it has replaced|a copy of"):
        await renewal.renew(pair)
    assert [one for one in caplog.records if one.levelname == "CRITICAL"]


async def test_nobody_renews_in_the_name_of_another(secured: Secured) -> None:
    """Neither a device, nor whoever has the broker."""
    await secured.decide()
    authority = await secured.office()
    mine, other = [await secured.enroll(authority, name) for name in ("atm17", "atm18")]
    carrier = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    said: list[dict[str, str]] = []

    class Told(Nats):
        async def request(self, subject: str, body: bytes, *more: object, **also: object) -> Carried:  # type: ignore[override]
            said.append({"subject": subject, **orjson.loads(body)})
            raise OSError("not sent")

    for credential in (mine, other):
        with pytest.raises(OSError, match="not sent"):
            await Renewal(credential, Told(secured.servers), SUBJECTS).renew(credential.load())
    own, others = said
    carrier.publish(others["subject"], orjson.dumps(others), f"{carrier.inbox}.1")
    await carrier.flush()
    assert [one for one in carrier.refusals if others["subject"] in one]

    async def answer(device: str, body: dict[str, str]) -> str:
        with pytest.raises(Exception, match=r".") as refused:
            await authority.renew(device, orjson.dumps(body))
        return str(refused.value)

    assert "signature is wrong" in await answer("atm17", {**own, "request": others["request"]})
    assert "lacks the alternative name" in await answer("atm17", others)
    assert "signature is wrong" in await answer("atm17", {**own, "signature": others["signature"]})
    assert "lacks the alternative name" in await answer(
        "atm17", {**own, "certificates": others["certificates"]}
    )
    gateway = (secured.keys / "gateway.pem").read_text()
    assert "lacks the alternative name" in await answer("atm17", {**own, "certificates": gateway})
    assert "cannot be read" in await answer("atm17", {"request": "x" * 100_000})
    for body in (b"", b"[]", b"[" * 60_000, b"{}", b'{"request": 1, "certificates": [], "signature": "zz"}'):
        with pytest.raises(Exception, match="cannot be read"):
            await authority.renew("atm17", body)
    # As it is, it is good: and again, since nobody but the device has the key.
    assert await authority.renew("atm17", orjson.dumps(own))
    assert await authority.renew("atm17", orjson.dumps(own))


async def test_renewal_begins_at_two_thirds_and_is_spread(secured: Secured) -> None:
    await secured.decide()
    credential = await secured.enroll(await secured.office(), "atm17")
    pair = credential.load()
    begins, life = (
        pair.certificate.not_valid_before_utc,
        pair.not_after - pair.certificate.not_valid_before_utc,
    )
    moments = {
        due(pair, Renewal(credential, Nats(secured.servers), SUBJECTS)._shift) - begins for _ in range(50)
    }
    assert len(moments) > 40
    assert all(0.6 < moment / life < 0.73 for moment in moments)


async def test_what_is_due_is_renewed_by_itself(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also by a clock that is far ahead: not all the time; and it is told when nobody answers."""
    monkeypatch.setattr(renewing, "_PAUSE", 0)
    monkeypatch.setattr(renewing, "_ANSWER_SECONDS", 0.2)
    await secured.decide(by_key=True)
    # Begins an hour ago, and so is past two thirds at once.
    authority = await secured.office(days=(3600 + 600) / 86400, begun=timedelta(hours=1))
    credential = await secured.enroll(authority, "atm17")
    before = key_of(credential.load().certificate)
    carrier = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    assert due(credential.load(), 0) < datetime.now(UTC) < credential.load().not_after - timedelta(minutes=1)
    with trio.move_on_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Renewal(credential, carrier, SUBJECTS).run)
            await until(lambda: key_of(credential.load().certificate) != before)
            nursery.cancel_scope.cancel()
    assert key_of(credential.load().certificate) != before


async def test_what_is_not_renewed_is_told_before_it_is_too_late(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(renewing, "_PAUSE", 1e-5)
    await secured.decide()
    authority = await secured.office(days=(3600 + 600) / 86400, begun=timedelta(hours=1))
    credential = await secured.enroll(authority, "atm17")
    carrier = await secured.carrier("atm17", inbox="_INBOX.bank.atm17")
    nobody = Subjects("bank")
    monkeypatch.setattr(nobody, "renew", lambda device: f"x4.bank.{device}.u.nobody")

    async def told(subjects: Subjects, text: str, level: str) -> None:
        caplog.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Renewal(credential, carrier, subjects).run)
            await until(lambda: text in caplog.text)
            nursery.cancel_scope.cancel()
        assert {one.levelname for one in caplog.records if text in one.getMessage()} == {level}

    await told(nobody, "is not renewed yet: nobody listens", "WARNING")
    # A part of its life that makes it urgent.
    monkeypatch.setattr(renewing, "_URGENT", 0.1)
    await told(nobody, "is not renewed yet: nobody listens", "CRITICAL")
    monkeypatch.setattr(renewing, "_URGENT", 0.9)
    await (await secured.trust()).admit("atm17", "ab" * 32, 0)
    await told(SUBJECTS, "is not renewed yet: somebody comes as device atm17", "CRITICAL")
