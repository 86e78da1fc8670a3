"""VendorMode over the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount
from dialogue import Dialogue, another, dialogue
from vendors import Minimal, serving
from xfs4iot import devices
from xfs4iot.protocol import errors

Serve = Callable[["Atm"], Awaitable[Dialogue]]


class Atm(devices.VendorMode):
    """Hands over when it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__("VendorMode")
        self.asked: list[str] = []
        self.fault: Exception | None = None
        self.slow: trio.Event | None = None

    async def _hand_over(self, what: str) -> None:
        self.asked.append(what)
        if self.slow is not None:
            await self.slow.wait()
        if self.fault is not None:
            raise self.fault

    async def enter_vendor_mode(self) -> None:
        await self._hand_over("enter")

    async def exit_vendor_mode(self) -> None:
        await self._hand_over("exit")


@pytest.fixture
def atm_device() -> Atm:
    return Atm()


@pytest.fixture
async def engineer(atm_device: Atm, nursery: trio.Nursery) -> Dialogue:
    return await serving(atm_device, nursery)


async def registered(client: Dialogue, nursery: trio.Nursery, name: str) -> Dialogue:
    """A further client, an application that is registered."""
    application = await another(client, nursery)
    await application.success("VendorMode.Register", {"appName": name})
    return application


async def told(client: Dialogue, name: str) -> dict[str, Any]:
    """The payload of an event that comes unasked."""
    event = await client.until("unsolicited", name=name)
    payload: dict[str, Any] = event.get("payload") or {}
    return payload


async def state(client: Dialogue) -> str:
    """The next state that the client is told."""
    while True:
        changed = await told(client, "Common.StatusChangedEvent")
        if "service" in changed.get("vendorMode", {}):
            return str(changed["vendorMode"]["service"])


async def mode(client: Dialogue) -> str:
    return str((await client.success("Common.Status"))["vendorMode"]["service"])


async def enter(client: Dialogue) -> None:
    """Enter while nobody is registered."""
    await client.success("VendorMode.EnterModeRequest")
    await told(client, "VendorMode.ModeEnteredEvent")


async def test_with_nobody_registered_the_mode_is_entered_and_left(
    engineer: Dialogue, atm_device: Atm
) -> None:
    await engineer.success("VendorMode.EnterModeRequest")
    assert [await state(engineer), await state(engineer)] == ["enterPending", "active"]
    await told(engineer, "VendorMode.ModeEnteredEvent")
    await engineer.success("VendorMode.ExitModeRequest")
    assert [await state(engineer), await state(engineer)] == ["exitPending", "inactive"]
    assert await told(engineer, "VendorMode.ModeExitedEvent") == {"connectedApplications": []}
    assert atm_device.asked == ["enter", "exit"]


async def test_field_03_the_status_ends_with_inactive_and_no_command_fails(
    engineer: Dialogue, nursery: trio.Nursery
) -> None:
    application = await registered(engineer, nursery, "shop")
    for way, states in (("Enter", ["enterPending", "active"]), ("Exit", ["exitPending", "inactive"])):
        await engineer.success(f"VendorMode.{way}ModeRequest")
        await told(application, f"VendorMode.{way}ModeRequestEvent")
        await application.success(f"VendorMode.{way}ModeAcknowledge")
        assert [await state(engineer), await state(engineer)] == states


async def test_everyone_registered_is_asked_and_waited_for(
    engineer: Dialogue, atm_device: Atm, nursery: trio.Nursery
) -> None:
    await engineer.success("VendorMode.Register", {"appName": "console"})
    applications = [engineer, *[await registered(engineer, nursery, f"app {n}") for n in (1, 2)]]
    bystander = await another(engineer, nursery)
    await engineer.success("VendorMode.EnterModeRequest")
    for application in applications:
        await told(application, "VendorMode.EnterModeRequestEvent")
        assert not atm_device.asked
        await application.success("VendorMode.EnterModeAcknowledge")
    for client in (*applications, bystander):
        await told(client, "VendorMode.ModeEnteredEvent")
    assert not [m for m in bystander.passed if m["header"]["name"] == "VendorMode.EnterModeRequestEvent"]
    assert atm_device.asked == ["enter"]


async def test_who_registers_while_a_transition_is_pending_is_asked_the_next_time(
    engineer: Dialogue, nursery: trio.Nursery
) -> None:
    first = await registered(engineer, nursery, "first")
    await engineer.success("VendorMode.EnterModeRequest")
    late = await registered(engineer, nursery, "late")
    await first.success("VendorMode.EnterModeAcknowledge")
    await told(late, "VendorMode.ModeEnteredEvent")
    await engineer.success("VendorMode.ExitModeRequest")
    for application in (first, late):
        await told(application, "VendorMode.ExitModeRequestEvent")
        await application.success("VendorMode.ExitModeAcknowledge")
    names = (await told(engineer, "VendorMode.ModeExitedEvent"))["connectedApplications"]
    assert sorted(names) == ["first", "late"]


@pytest.mark.parametrize("last", [False, True])
async def test_a_client_that_vanishes_is_not_waited_for(
    engineer: Dialogue, nursery: trio.Nursery, last: bool
) -> None:
    staying, gone = [await registered(engineer, nursery, name) for name in ("staying", "gone")]
    await engineer.success("VendorMode.EnterModeRequest")
    if last:
        await staying.success("VendorMode.EnterModeAcknowledge")
        await gone.connection.aclose()
    else:
        await gone.connection.aclose()
        await staying.success("VendorMode.EnterModeAcknowledge")
    await told(engineer, "VendorMode.ModeEnteredEvent")
    await engineer.success("VendorMode.ExitModeRequest")
    await staying.success("VendorMode.ExitModeAcknowledge")
    exited = await told(engineer, "VendorMode.ModeExitedEvent")
    assert exited == {"connectedApplications": ["staying"]}


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("EnterModeRequest", {"inactive"}),
        ("EnterModeAcknowledge", {"enterPending"}),
        ("ExitModeRequest", {"active"}),
        ("ExitModeAcknowledge", {"exitPending"}),
    ],
)
@pytest.mark.parametrize("now", ["inactive", "enterPending", "active", "exitPending"])
async def test_a_command_is_refused_in_every_other_state(
    engineer: Dialogue, nursery: trio.Nursery, command: str, allowed: set[str], now: str
) -> None:
    application = await registered(engineer, nursery, "shop")
    if now != "inactive":
        await engineer.success("VendorMode.EnterModeRequest")
    if now in ("active", "exitPending"):
        await application.success("VendorMode.EnterModeAcknowledge")
        await told(engineer, "VendorMode.ModeEnteredEvent")
    if now == "exitPending":
        await engineer.success("VendorMode.ExitModeRequest")
    stranger = await another(engineer, nursery)
    if now in allowed:
        await stranger.success(f"VendorMode.{command}")
    else:
        assert await stranger.failure(f"VendorMode.{command}") == "sequenceError"
        assert await mode(stranger) == now


async def test_a_second_acknowledgement_changes_nothing(engineer: Dialogue, nursery: trio.Nursery) -> None:
    one, _ = [await registered(engineer, nursery, name) for name in ("one", "two")]
    await engineer.success("VendorMode.EnterModeRequest")
    await one.success("VendorMode.EnterModeAcknowledge")
    await one.success("VendorMode.EnterModeAcknowledge")
    assert await mode(engineer) == "enterPending"


@pytest.mark.parametrize("name", [None, "", "   ", "x" * 257])
async def test_a_name_is_needed_to_register(engineer: Dialogue, name: str | None) -> None:
    payload = None if name is None else {"appName": name}
    assert await engineer.failure("VendorMode.Register", payload) == "invalidData"


async def test_registering_again_renames(engineer: Dialogue) -> None:
    await engineer.success("VendorMode.Register", {"appName": "before"})
    await engineer.success("VendorMode.Register", {"appName": "after"})
    for way in ("Enter", "Exit"):
        await engineer.success(f"VendorMode.{way}ModeRequest")
        await engineer.success(f"VendorMode.{way}ModeAcknowledge")
        exited = await told(engineer, f"VendorMode.Mode{'Entered' if way == 'Enter' else 'Exited'}Event")
    assert exited == {"connectedApplications": ["after"]}


async def test_a_device_that_fails_leaves_the_mode_as_it_was_and_says_so(
    engineer: Dialogue, atm_device: Atm
) -> None:
    atm_device.fault = errors.HardwareError("the panel is dead")
    await engineer.success("VendorMode.EnterModeRequest")
    assert [await state(engineer), await state(engineer)] == ["enterPending", "inactive"]
    failed = await told(engineer, "Common.ErrorEvent")
    assert failed["eventId"] == "hardware"
    assert "the panel is dead" in failed["vendorDescription"]
    atm_device.fault = None
    await enter(engineer)
    atm_device.fault = errors.DeviceNotReady("gone")
    await engineer.success("VendorMode.ExitModeRequest")
    assert [await state(engineer) for _ in range(4)][-2:] == ["exitPending", "active"]
    assert (await engineer.success("Common.Status"))["vendorMode"]["device"] == "offline"


async def test_an_application_that_never_acknowledges_ends_the_transition_or_is_passed_over(
    engineer: Dialogue, atm_device: Atm, nursery: trio.Nursery
) -> None:
    atm_device.acknowledge_seconds = 0.05
    await registered(engineer, nursery, "hung")
    await engineer.success("VendorMode.EnterModeRequest")
    assert "hung" in (await told(engineer, "Common.ErrorEvent"))["vendorDescription"]
    assert await mode(engineer) == "inactive"
    assert not atm_device.asked
    atm_device.force_entry = True
    await enter(engineer)


@pytest.mark.parametrize("end", ["entered", "timeOut", "canceled", "gone", "fails"])
async def test_a_request_that_is_held_completes_with_the_transition(
    engineer: Dialogue, atm_device: Atm, nursery: trio.Nursery, end: str
) -> None:
    atm_device.hold_requests = True
    application = await registered(engineer, nursery, "shop")
    requester = await another(engineer, nursery)
    timeout = 50 if end == "timeOut" else 0
    request = await requester.send("VendorMode.EnterModeRequest", timeout=timeout)
    await told(application, "VendorMode.EnterModeRequestEvent")
    if end == "fails":
        atm_device.fault = errors.HardwareError("the panel is dead")
    if end in ("entered", "fails"):
        await application.success("VendorMode.EnterModeAcknowledge")
    elif end == "canceled":
        await requester.success("Common.Cancel", {"requestIds": [request]})
    elif end == "gone":
        await requester.connection.aclose()
    assert await state(application) == "enterPending"
    assert await state(application) == ("active" if end == "entered" else "inactive")
    if end != "gone":
        header = (await requester.until("completion", request))["header"]
        expected = {"entered": "success", "fails": "hardwareError"}.get(end, end)
        assert header.get("completionCode", "success") == expected


async def test_the_device_is_asked_once_when_the_last_two_answer_in_one_moment(
    engineer: Dialogue, atm_device: Atm, nursery: trio.Nursery
) -> None:
    for _ in range(20):
        one, two = [await registered(engineer, nursery, name) for name in ("one", "two")]
        await engineer.success("VendorMode.EnterModeRequest")
        async with trio.open_nursery() as both:
            both.start_soon(one.connection.aclose)
            both.start_soon(two.success, "VendorMode.EnterModeAcknowledge")
        await told(engineer, "VendorMode.ModeEnteredEvent")
        await two.connection.aclose()
        await engineer.success("VendorMode.ExitModeRequest")
        await told(engineer, "VendorMode.ModeExitedEvent")
    assert atm_device.asked == ["enter", "exit"] * 20


@pytest.mark.parametrize(("reached", "after"), [("active", "active"), ("exitPending", "active")])
async def test_the_mode_that_was_reached_outlives_a_restart(reached: str, after: str) -> None:
    ledger = xfs4iot.Ledger.open(None)
    async with trio.open_nursery() as nursery:
        client = await serving(Atm(), nursery, ledger)
        await enter(client)
        if reached == "exitPending":
            await client.success("VendorMode.Register", {"appName": "shop"})
            await client.success("VendorMode.ExitModeRequest")
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        client = await serving(Atm(), nursery, ledger)
        assert await mode(client) == after
        await client.success("VendorMode.ExitModeRequest")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_clients_of_all_versions_take_part_in_one_transition(
    engineer: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    old = await another(engineer, nursery, older)
    request = await old.send("VendorMode.Register", {"appName": "old"})
    await old.until("completion", request)
    await engineer.success("VendorMode.EnterModeRequest")
    await told(old, "VendorMode.EnterModeRequestEvent")
    request = await old.send("VendorMode.EnterModeAcknowledge")
    await old.until("completion", request)
    await told(old, "VendorMode.ModeEnteredEvent")
    await told(engineer, "VendorMode.ModeEnteredEvent")


@pytest.mark.parametrize("refuses", [False, True])
async def test_other_services_refuse_strangers_what_moves_them_if_they_are_told_to(refuses: bool) -> None:
    pay = {"denomination": amount(20)}
    ledger = xfs4iot.Ledger.open(None)
    for restarted in (False, True):
        atm = Atm()
        atm.refuse_others = refuses
        services = [xfs4iot.Service(Minimal("CashDispenser")), xfs4iot.Service(atm, ledger=ledger)]
        async with trio.open_nursery() as nursery:
            publisher = xfs4iot.Publisher(services, port=0)
            await nursery.start(publisher.serve)
            engineer: Dialogue = await nursery.start(dialogue, publisher.uri("VendorMode"))
            client: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
            if not restarted:
                await client.success("CashDispenser.Dispense", pay)
                await enter(engineer)
            if restarted and refuses:
                # Nobody knows any more who asked for the mode.
                assert await client.failure("CashDispenser.Dispense", pay) == "sequenceError"
            else:
                # Without certificates the engineer is known by his address, which is the client's here.
                await client.success("CashDispenser.Dispense", pay)
            await client.success("Common.Status")
            await client.success("CashDispenser.Denominate", {"request": amount(20)})
            if restarted:
                await engineer.success("VendorMode.ExitModeRequest")
                await told(engineer, "VendorMode.ModeExitedEvent")
                await client.success("CashDispenser.Dispense", pay)
            nursery.cancel_scope.cancel()
