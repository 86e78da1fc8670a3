"""End-to-end security over the wire: nonces, tokens of dispenses, and response tokens."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing
from test_cash_vendor import Teller

import xfs4iot
from cash import amount, content, unit
from dialogue import Dialogue, dialogue, outcome
from secured_tokens import KEY, WRONG_KEY, asked, connected, nonce, publish, secured, signed, spend, token
from xfs4iot import tokens
from xfs4iot.conformance.schemas import problems
from xfs4iot.server.channel import SessionLimits
from xfs4iot.simulator import atm as simulated_atm

CLEARED = "Common.NonceClearedEvent"
NEVER_MADE = "0" * 32


@pytest.fixture
async def dispenser(nursery: trio.Nursery) -> Dialogue:
    """A conversation with a simulated cash dispenser that always needs tokens."""
    return await connected(nursery, await publish(nursery, nonce_timeout=60), "CashDispenser")


async def state(dispenser: Dialogue) -> Any:
    """Everything that a refused token must leave alone."""
    return (
        await dispenser.success("Storage.GetStorage"),
        await dispenser.success("CashDispenser.GetPresentStatus", {}),
        await dispenser.success("Common.Status"),
    )


def resigned(text: str, old: str, new: str) -> str:
    """A token with a part changed by somebody who has the key."""
    return signed(KEY, text[:-64].replace(old, new))


async def test_capabilities_and_status_tell_that_tokens_are_needed(dispenser: Dialogue) -> None:
    capabilities = await dispenser.success("Common.Capabilities")
    assert capabilities["common"]["endToEndSecurity"] == {
        "required": "always",
        "hardwareSecurityElement": False,
        "responseSecurityEnabled": "always",
        "commands": [
            "CashDispenser.Dispense",
            "BanknoteNeutralization.SetProtection",
            "BanknoteNeutralization.TriggerNeutralization",
        ],
        "commandNonceTimeout": 60,
    }
    offered = next(one for one in capabilities["interfaces"] if one["name"] == "Common")
    assert {"Common.GetCommandNonce", "Common.ClearCommandNonce"} <= offered["commands"].keys()
    assert (await dispenser.success("Common.Status"))["common"]["endToEndSecurity"] == "enforced"


async def test_without_end_to_end_security_tokens_are_ignored_and_nonces_not_offered(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client = await connected(nursery, atm, "CashDispenser")
    assert "endToEndSecurity" not in (await client.success("Common.Capabilities"))["common"]
    assert "endToEndSecurity" not in (await client.success("Common.Status"))["common"]
    assert await client.failure("Common.GetCommandNonce") == "unsupportedCommand"
    assert await client.failure("Common.ClearCommandNonce") == "unsupportedCommand"
    await client.success("CashDispenser.Dispense", asked(50, "no token"))
    status = await client.success("CashDispenser.GetPresentStatus", {"nonce": NEVER_MADE})
    assert "token" not in status


async def test_a_token_allows_its_dispense_once(dispenser: Dialogue) -> None:
    allowed = await token(dispenser, EUR=50)
    assert await spend(dispenser, 50, allowed) == "success"
    assert (await dispenser.until("unsolicited", name=CLEARED))["payload"] == {
        "reasonDescription": "the nonce was used up"
    }
    assert await spend(dispenser, 50, allowed) == "noCommandNonce"
    await nonce(dispenser)
    assert await spend(dispenser, 50, allowed) == "invalidTokenNonce"


async def test_each_failure_has_its_own_code_and_changes_nothing(dispenser: Dialogue) -> None:
    before = await state(dispenser)
    made = tokens.make_token(KEY, NEVER_MADE, {"DISPENSE1": "50.00EUR"})
    assert await spend(dispenser, 50, made) == "noCommandNonce"

    good = await token(dispenser, EUR="50.00")
    fresh = good[6:38]
    empty = resigned(good, "=50.00EUR", "=")
    refused = {
        None: "invalidToken",
        "": "invalidToken",
        made: "invalidTokenNonce",
        tokens.dispense_token(WRONG_KEY, fresh, {"EUR": 50}): "invalidTokenHMAC",
        good.replace("50.00", "90.00"): "invalidTokenHMAC",
        good[:-1] + ("1" if good[-1] == "0" else "0"): "invalidTokenHMAC",
        good[:-1]: "invalidTokenFormat",
        good + " ": "invalidTokenFormat",
        good.lower(): "invalidTokenFormat",
        good + "," + good: "invalidTokenFormat",
        resigned(good, "LENGTH=0164", "LENGTH=0165"): "invalidTokenFormat",
        resigned(good, "FORMAT=1", "FORMAT=2"): "invalidTokenFormat",
        good.replace("50.00EUR", "50.00€UR"): "invalidTokenFormat",
        resigned(good, ",DISPENSE1=50.00EUR", ""): "invalidTokenFormat",
        "x" * 2000: "invalidTokenFormat",
        empty: "invalidTokenKeyNoValue",
        good[:-64]: "invalidTokenKeyNoValue",
        tokens.make_token(KEY, fresh, {"OTHER": "1"}): "invalidToken",
        tokens.make_token(KEY, fresh, {"DISPENSE2": "50EUR"}): "invalidToken",
        tokens.make_token(KEY, fresh, {"DISPENSE1": "50"}): "invalidToken",
        tokens.make_token(KEY, fresh, {"DISPENSE1": "-50EUR"}): "invalidToken",
        tokens.make_token(KEY, fresh, {"DISPENSE1": "50EUR", "DISPENSE2": "50EUR"}): "invalidToken",
        tokens.dispense_token(KEY, fresh, {"EUR": "49.99"}): "invalidToken",
        tokens.dispense_token(KEY, fresh, {"USD": 50}): "invalidToken",
    }
    for text, code in refused.items():
        assert await spend(dispenser, 50, text) == code, text
    assert await state(dispenser) == before
    assert not [event for event in dispenser.passed if event["header"]["name"] == CLEARED]
    assert await spend(dispenser, 50, good) == "success"


async def test_the_token_is_checked_after_all_else(dispenser: Dialogue) -> None:
    too_much = asked(1_000_000, None)
    assert await dispenser.failure("CashDispenser.Dispense", too_much) == "notDispensable"
    good = await token(dispenser, EUR=1_000_000)
    assert await dispenser.failure("CashDispenser.Dispense", asked(1_000_000, good)) == "notDispensable"
    assert await spend(dispenser, 50, good) == "success"


async def test_one_token_allows_parts_up_to_its_amount(dispenser: Dialogue) -> None:
    allowed = await token(dispenser, EUR="230.00")
    assert await spend(dispenser, 100, allowed) == "success"
    assert await spend(dispenser, 140, allowed) == "invalidToken"
    assert await spend(dispenser, 120, allowed) == "success"
    assert await spend(dispenser, 20, allowed) == "invalidToken"
    assert await spend(dispenser, 10, allowed) == "success"
    assert await spend(dispenser, 10, allowed) == "noCommandNonce"


async def test_a_nonce_belongs_to_the_first_token_that_used_it(dispenser: Dialogue) -> None:
    fresh = await nonce(dispenser)
    first = tokens.dispense_token(KEY, fresh, {"EUR": 100})
    other = tokens.dispense_token(KEY, fresh, {"EUR": 500})
    assert await spend(dispenser, 50, first) == "success"
    assert await spend(dispenser, 50, other) == "invalidToken"
    assert await spend(dispenser, 50, first) == "success"


async def test_amounts_of_two_currencies_are_used_each_by_itself(nursery: trio.Nursery) -> None:
    device = Teller()
    publisher = xfs4iot.Publisher([xfs4iot.Service(device, security=secured())], port=0)
    await nursery.start(publisher.serve)
    client = await connected(nursery, publisher, "Teller")

    async def pay(counts: dict[str, int], text: str) -> str:
        mix = {"denomination": {"app": {"currencies": {"EUR": 0, "USD": 0}, "counts": counts}}}
        position = {"position": "outLeft", "token": text}
        completion = await client.completion("CashDispenser.Dispense", {"denomination": mix, **position})
        return str(outcome(completion))

    both = await token(client, EUR=60, USD=100)
    assert await pay({"unit1": 4}, both) == "invalidToken"
    assert await pay({"unit1": 2, "unit2": 1}, both) == "success"
    assert await pay({"unit1": 1, "unit2": 2}, both) == "invalidToken"
    assert await pay({"unit1": 1}, both) == "success"
    assert await pay({"unit1": 1}, both) == "invalidToken"
    assert await pay({"unit2": 1}, both) == "success"
    assert await pay({"unit2": 1}, both) == "noCommandNonce"


async def test_what_was_not_dispensed_may_be_dispensed_later(nursery: trio.Nursery) -> None:
    publisher = await publish(nursery)
    client = await connected(nursery, publisher, "CashDispenser")
    simulator = await connected(nursery, publisher, "Simulator")
    allowed = await token(client, EUR=150)
    await simulator.success("Simulator.EmptyUnit", {"unit": "unit3"})
    counts = {"denomination": {"app": {"currencies": {"EUR": 0}, "counts": {"unit4": 1, "unit3": 1}}}}
    failed = await client.failure("CashDispenser.Dispense", {"denomination": counts, "token": allowed})
    assert failed == "cashUnitError"
    await client.success("CashDispenser.Reject")
    assert await spend(client, 60, allowed) == "invalidToken"
    assert await spend(client, 40, allowed) == "success"
    assert await spend(client, 10, allowed) == "success"
    assert await spend(client, 10, allowed) == "noCommandNonce"


async def test_a_dispense_that_moved_nothing_uses_nothing_up(nursery: trio.Nursery) -> None:
    publisher = await publish(nursery)
    client = await connected(nursery, publisher, "CashDispenser")
    simulator = await connected(nursery, publisher, "Simulator")
    allowed = await token(client, EUR=50)
    await simulator.success("Simulator.OpenSafeDoor")
    assert await client.failure("CashDispenser.Dispense", asked(50, allowed)) == "safeDoorOpen"
    await simulator.success("Simulator.CloseSafeDoor")
    assert await spend(client, 50, allowed) == "success"


async def test_a_client_cannot_make_notes_cheap_for_a_token(dispenser: Dialogue) -> None:
    await dispenser.success("Storage.StartExchange")
    cheap = {"storage": {"unit4": {"cash": {"configuration": {"value": 1}}}}}
    await dispenser.success("Storage.SetStorage", cheap)
    await dispenser.success("Storage.EndExchange")
    notes = {"denomination": {"app": {"currencies": {"EUR": 0}, "counts": {"unit4": 1}}}}
    allowed = await token(dispenser, EUR=99)
    payload = {"denomination": notes, "token": allowed}
    assert await dispenser.failure("CashDispenser.Dispense", payload) == "invalidToken"
    payload["token"] = await token(dispenser, EUR=100)
    await dispenser.success("CashDispenser.Dispense", payload)
    await dispenser.success("CashDispenser.Reject")
    assert await spend(dispenser, 10, payload["token"]) == "noCommandNonce"


async def test_there_is_one_nonce_at_a_time(dispenser: Dialogue) -> None:
    first = await token(dispenser, EUR=50)
    second = await token(dispenser, EUR=50)
    assert first[6:38] != second[6:38]
    replaced = await dispenser.until("unsolicited", name=CLEARED)
    assert "newer" in replaced["payload"]["reasonDescription"]
    assert await spend(dispenser, 50, first) == "invalidTokenNonce"
    assert await spend(dispenser, 50, second) == "success"


async def test_a_cleared_nonce_is_gone_for_every_client(nursery: trio.Nursery) -> None:
    publisher = await publish(nursery)
    one, other = [await connected(nursery, publisher, "CashDispenser") for _ in range(2)]
    allowed = await token(one, EUR=50)
    await other.success("Common.ClearCommandNonce")
    for client in (one, other):
        event = await client.until("unsolicited", name=CLEARED)
        assert "ClearCommandNonce" in event["payload"]["reasonDescription"]
    assert await spend(one, 50, allowed) == "noCommandNonce"
    await other.success("Common.ClearCommandNonce")
    assert not other.passed


async def test_a_nonce_times_out(mock_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    publisher = await publish(nursery, nonce_timeout=30)
    client = await connected(nursery, publisher, "CashDispenser")
    allowed = await token(client, EUR=100)
    mock_clock.jump(29)
    assert await spend(client, 50, allowed) == "success"
    mock_clock.jump(2)
    assert await spend(client, 50, allowed) == "noCommandNonce"
    event = await client.until("unsolicited", name=CLEARED)
    assert event["payload"] == {"reasonDescription": "the nonce timed out"}


async def test_a_nonce_outlives_its_connection(nursery: trio.Nursery) -> None:
    publisher = await publish(nursery)
    async with trio.open_nursery() as brief:
        client: Dialogue = await brief.start(dialogue, publisher.uri("CashDispenser"))
        allowed = await token(client, EUR=50)
        brief.cancel_scope.cancel()
    client = await connected(nursery, publisher, "CashDispenser")
    assert await spend(client, 50, allowed) == "success"


async def test_a_client_that_was_cut_off_learns_what_happened_and_cannot_repeat_it(
    nursery: trio.Nursery,
) -> None:
    publisher = await publish(nursery, seconds=0.2)
    async with trio.open_nursery() as brief:
        client: Dialogue = await brief.start(dialogue, publisher.uri("CashDispenser"))
        allowed = await token(client, EUR=50)
        await client.send("CashDispenser.Dispense", asked(50, allowed))
        await client.until("event", name="CashDispenser.StartDispenseEvent")
        brief.cancel_scope.cancel()
    client = await connected(nursery, publisher, "CashDispenser")
    status = await client.success("CashDispenser.GetPresentStatus", {"nonce": "1414"})
    report = tokens.read_present_token(status["token"], KEY, "1414")
    assert report.dispense_id == allowed[-64:]
    assert report.dispensed == {"EUR": 50}
    assert report.presented is False
    assert content(await unit(client, "unit3")) == 499
    await client.success("CashDispenser.Reject")
    assert await spend(client, 50, allowed) == "noCommandNonce"
    assert content(await unit(client, "unit3")) == 499


async def reported(client: Dialogue, fresh: str = "1414") -> tokens.PresentReport:
    """What the response token says."""
    status = await client.success("CashDispenser.GetPresentStatus", {"nonce": fresh})
    return tokens.read_present_token(status["token"], KEY, fresh)


async def test_the_response_token_follows_the_notes(nursery: trio.Nursery) -> None:
    client = await connected(nursery, await publish(nursery), "CashDispenser")
    assert await reported(client) == tokens.PresentReport()
    allowed = await token(client, EUR=80)
    await client.success("CashDispenser.Dispense", asked(80, allowed))
    report = tokens.PresentReport(allowed[-64:], {"EUR": Decimal(80)}, False)
    assert await reported(client) == report
    await client.success("CashDispenser.Present", {})
    presented = {"EUR": Decimal(80)}
    report = tokens.PresentReport(allowed[-64:], presented, True, presented)
    assert await reported(client) == report
    await client.success("CashManagement.Retract", {})
    report = tokens.PresentReport(allowed[-64:], presented, True, presented, True, presented)
    assert await reported(client) == report


async def test_notes_stuck_on_their_way_out_are_reported_as_not_presented(
    nursery: trio.Nursery,
) -> None:
    publisher = await publish(nursery)
    client = await connected(nursery, publisher, "CashDispenser")
    simulator = await connected(nursery, publisher, "Simulator")
    allowed = await token(client, EUR=50)
    await client.success("CashDispenser.Dispense", asked(50, allowed))
    await simulator.success("Simulator.Inject", {"fault": "jam"})
    assert await client.failure("CashDispenser.Present", {}) == "presentErrorNoItems"
    assert (await reported(client)).presented is False


async def test_the_present_status_has_a_token_only_for_a_nonce(dispenser: Dialogue) -> None:
    for payload in ({}, {"nonce": ""}, {"nonce": None}):
        assert "token" not in await dispenser.success("CashDispenser.GetPresentStatus", payload)
    for wrong in ("9" * 1000, "xyz", "-1"):
        assert await dispenser.failure("CashDispenser.GetPresentStatus", {"nonce": wrong}) == "invalidData"


@pytest.mark.parametrize("specification", ["2021-1", "2023-2", "2024-3"])
async def test_a_client_of_any_version_has_tokens(nursery: trio.Nursery, specification: str) -> None:
    publisher = await publish(nursery)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"), specification)

    async def asked_for(name: str, payload: Any, code: str = "success") -> dict[str, Any]:
        await client.send(name, payload)
        completion = await client.until("completion")
        found = {**completion["header"], **completion.get("payload", {})}
        assert found.get("completionCode", "success") == code, completion
        assert not problems(specification, completion)
        return found

    old = specification == "2021-1"
    empty = {"timeout": 0} if old else {}
    told = await asked_for("Common.Capabilities", empty)
    assert told["common"]["endToEndSecurity"]["required"] == "always"
    fresh = (await asked_for("Common.GetCommandNonce", empty))["commandNonce"]
    allowed = tokens.dispense_token(KEY, fresh, {"EUR": 50})
    flat = {"denomination": {"currencies": {"EUR": 50}}, "mix": "mix1"}
    wanted = flat if old else amount(50)
    for text, code in ((allowed[:-1], "invalidTokenFormat"), (allowed, "success")):
        await asked_for("CashDispenser.Dispense", {"token": text, "denomination": wanted, **empty}, code)
    status = await asked_for("CashDispenser.GetPresentStatus", {"nonce": "1414", **empty})
    assert tokens.read_present_token(status["token"], KEY, "1414").dispense_id == allowed[-64:]
    cleared = await client.until("unsolicited", name=CLEARED)
    assert not problems(specification, cleared)


async def test_nothing_secret_reaches_the_log(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), seconds=0, security=secured())
    limits = SessionLimits(log_messages=True)
    publisher = xfs4iot.Publisher(services, port=0, session_limits=limits)
    await nursery.start(publisher.serve)
    client = await connected(nursery, publisher, "CashDispenser")
    allowed = await token(client, EUR=50)
    assert await spend(client, 50, allowed[:-1]) == "invalidTokenFormat"
    assert await spend(client, 50, allowed) == "success"
    assert await spend(client, 50, allowed) == "noCommandNonce"
    report = await client.success("CashDispenser.GetPresentStatus", {"nonce": "314159265358979"})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("xfs4iot")]
    log = "\n".join(ours)
    assert "CashDispenser.Dispense" in log
    for secret in (allowed, allowed[6:38], allowed[-64:-1], report["token"], "314159265358979", KEY.hex()):
        assert secret.lower() not in log.lower()
    assert str(KEY) not in repr(secured())
