"""BanknoteNeutralization over the wire: a vendor's system within a dispenser, and the simulated one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount, chosen
from dialogue import Dialogue, another, dialogue
from order import Break, Command, Pair, pairs
from secured_tokens import KEY, nonce, secured
from vendors import Minimal, refusal
from xfs4iot import devices, tokens
from xfs4iot.devices import BanknoteNeutralizationUnit
from xfs4iot.interfaces.cash.banknote_neutralization import BanknoteNeutralization
from xfs4iot.ledger import LedgerReader
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import banknote_neutralization as messages
from xfs4iot.protocol.messages import power_management
from xfs4iot.simulator.kinds import device_class

SET = "BanknoteNeutralization.SetProtection"
TRIGGER = "BanknoteNeutralization.TriggerNeutralization"
DENOMINATE = "CashDispenser.Denominate"
DISPENSE = "CashDispenser.Dispense"
NOW: dict[str, Any] = {"neutralizationAction": "trigger"}
PAY: dict[str, Any] = {"denomination": chosen({"unit1": 1})}


class Inked(Minimal, devices.BanknoteNeutralization):
    """A dispenser whose one cassette has ink; all else follows from the commands."""

    gas_sensor = True
    inputs: Mapping[str, bool] = {"maintenance": True, "ours": False}

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__("Inked")
        self.fault = fault
        self.asked: list[str] = []
        self.working: trio.Event | None = None
        self.ink = BanknoteNeutralizationUnit(
            capacity=100, protection="armed", identifier="A1", tilt="notTilted"
        )

    async def units(self) -> Mapping[str, devices.StorageUnit | tuple[devices.StorageUnit, ...]]:
        return {"unit1": ((await self.cash_units())["unit1"], self.ink)}

    async def set_protection(self, new_state: devices.Protection) -> None:
        self.asked.append(new_state)
        if self.fault is not None:
            raise self.fault

    async def trigger_neutralization(self) -> None:
        self.asked.append("trigger")
        if self.working is not None:
            self.working.set()
            await trio.sleep(0.2)
        if self.fault is not None:
            raise self.fault


class Alone(devices.BanknoteNeutralization):
    """A system without units, which arms itself."""

    async def trigger_neutralization(self) -> None:
        pass


async def serving(
    device: devices.Device, nursery: trio.Nursery, file: Path | None = None, **settings: Any
) -> Dialogue:
    ledger = xfs4iot.Ledger.open(file) if file is not None else None
    publisher = xfs4iot.Publisher([xfs4iot.Service(device, ledger=ledger, **settings)], port=0)
    await nursery.start(publisher.serve)
    found: Dialogue = await nursery.start(dialogue, publisher.uri(device.name))
    return found


async def status(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["banknoteNeutralization"]
    return found


async def cassette(client: Dialogue, unit: str = "unit1") -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Storage.GetStorage"))["storage"][unit]
    return found


async def told(client: Dialogue, name: str) -> Any:
    return (await client.until("unsolicited", name=name))["payload"]


@pytest.mark.parametrize(
    ("wanted", "state"),
    [
        ("arm", {"mode": "armed"}),
        ("ignoreAllSafeSensors", {"mode": "armed", "submode": "allSafeSensorsIgnored"}),
        ("disarm", {"mode": "disarmed"}),
    ],
)
async def test_the_state_follows_from_the_command_where_the_device_does_not_say_it(
    nursery: trio.Nursery, wanted: str, state: dict[str, str]
) -> None:
    device = Inked()
    client = await serving(device, nursery)
    assert (await status(client))["state"] == {"mode": "fault"}
    await client.success(SET, {"newState": wanted})
    assert device.asked == [wanted]
    assert (await status(client))["state"] == state
    # Withdrawn again: `submode` is absent.
    await client.success(SET, {"newState": "arm"})
    assert (await status(client))["state"] == {"mode": "armed"}


@pytest.mark.parametrize("payload", [None, {}, {"token": "NONCE=AB"}])
@pytest.mark.parametrize(("name", "missing"), [(SET, "newState"), (TRIGGER, "neutralizationAction")])
async def test_without_what_is_wanted_the_property_is_named_and_nothing_done(
    nursery: trio.Nursery, name: str, missing: str, payload: Any
) -> None:
    """In the reference no payload is an internal error, and the text of a trigger names the other's."""
    device = Inked()
    completion = await (await serving(device, nursery)).completion(name, payload)
    assert completion["header"]["completionCode"] == "invalidData"
    assert missing in completion["header"]["errorDescription"]
    assert device.asked == []


async def test_only_what_has_changed_of_the_state_is_told(nursery: trio.Nursery) -> None:
    client = await serving(Inked(), nursery)
    for wanted in ("arm", "ignoreAllSafeSensors"):
        await client.success(SET, {"newState": wanted})
    changes = [
        one["payload"]["banknoteNeutralization"]["state"]
        for one in client.passed
        if one["header"]["name"] == "Common.StatusChangedEvent"
    ]
    assert changes == [{"mode": "armed"}, {"submode": "allSafeSensorsIgnored"}]


async def test_what_the_device_says_of_the_state_is_not_overwritten(nursery: trio.Nursery) -> None:
    class Waiting(Inked):
        async def set_protection(self, new_state: devices.Protection) -> None:
            self.status.banknote_neutralization.state = messages.State("disarmed", "armPending")

    client = await serving(Waiting(), nursery)
    await client.success(SET, {"newState": "arm"})
    assert (await status(client))["state"] == {"mode": "disarmed", "submode": "armPending"}


async def test_capabilities_say_what_the_class_has(nursery: trio.Nursery) -> None:
    capabilities = await (await serving(Inked(), nursery)).success("Common.Capabilities")
    assert capabilities["banknoteNeutralization"] == {
        "mode": "clientControlled",
        "gasSensor": True,
        "lightSensor": False,
        "seismicSensor": False,
        "safeIntrusionDetection": False,
        "externalDryContactStatusBox": False,
        "realTimeClock": False,
        "physicalStorageUnitsAccessControl": False,
        "customInputs": {"maintenance": {"activeInput": True}, "ours": {"activeInput": False}},
    }
    alone = await serving(Alone("Alone"), nursery)
    capabilities = await alone.success("Common.Capabilities")
    assert capabilities["banknoteNeutralization"]["mode"] == "autonomous"
    completion = await alone.completion(SET, {"newState": "arm"})
    assert completion["header"]["completionCode"] == "unsupportedCommand"
    await alone.success(TRIGGER, NOW)
    assert (await status(alone))["state"] == {"mode": "neutralizationTriggered"}


async def test_a_cassette_is_told_as_the_device_says_it_and_so_is_every_change(nursery: trio.Nursery) -> None:
    device = Inked()
    client = await serving(device, nursery)
    whole = await cassette(client)
    assert whole["capacity"] == 100
    assert "cash" in whole
    assert whole["banknoteNeutralization"] == {
        "identifier": "A1",
        "protection": "armed",
        "tilt": "notTilted",
    }
    device.ink = replace(device.ink, warning="alarm", lid="opened")
    device.neutralization_changed("unit1", device.ink)
    change = await told(client, "Storage.StorageChangedEvent")
    assert change["unit1"]["banknoteNeutralization"]["warning"] == "alarm"
    assert (await cassette(client))["banknoteNeutralization"]["lid"] == "opened"
    device.ink = replace(device.ink, warning=None)
    device.neutralization_changed("unit1", device.ink)
    await told(client, "Storage.StorageChangedEvent")
    assert "warning" not in (await cassette(client))["banknoteNeutralization"]


async def test_a_sensor_at_rest_is_told(nursery: trio.Nursery) -> None:
    """In the reference `light: notDetected` ends the process."""
    device = Inked()
    client = await serving(device, nursery)
    device.status.banknote_neutralization.light = "detected"
    device.status.banknote_neutralization.light = "notDetected"
    await told(client, "Common.StatusChangedEvent")
    assert (await status(client))["light"] == "notDetected"
    device.status.banknote_neutralization.light = None
    assert "light" not in await status(client)
    device.status.banknote_neutralization.errors = messages.Errors(protection_enabling_failure=True)
    assert (await status(client))["errors"] == {"protectionEnablingFailure": True}


async def test_inputs_and_supplies_are_told_where_they_belong(nursery: trio.Nursery) -> None:
    """The reference tells of a system's power as if it were the terminal's."""
    device = Inked()
    client = await serving(device, nursery)
    system = device.status.banknote_neutralization
    assert "powerSupply" not in await status(client)
    system.custom_inputs = {"maintenance": messages.StatusCustomInputs(input_state="triggered")}
    event = await told(client, "Common.StatusChangedEvent")
    assert event == {"banknoteNeutralization": {"customInputs": {"maintenance": {"inputState": "triggered"}}}}
    info = power_management.PowerInfo(power_in_status="noPower", battery_status="low")
    system.power_supply = power_management.Status(info=info)
    event = await told(client, "Common.StatusChangedEvent")
    assert set(event) == {"banknoteNeutralization"}
    assert event["banknoteNeutralization"]["powerSupply"]["info"]["batteryStatus"] == "low"
    assert "powerSupply" not in (await cassette(client))["banknoteNeutralization"]
    device.ink = replace(device.ink, power_supply=power_management.PowerInfo(battery_status="critical"))
    device.neutralization_changed("unit1", device.ink)
    change = await told(client, "Storage.StorageChangedEvent")
    assert change["unit1"]["banknoteNeutralization"]["powerSupply"] == {"batteryStatus": "critical"}


async def test_the_protection_is_never_that_from_before_a_restart(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.sqlite"
    for protection, mode in (("armed", "armed"), ("disarmed", "fault")):
        device = Inked()
        device.ink = replace(device.ink, protection=protection)
        with xfs4iot.Ledger.open(file) as ledger:
            async with trio.open_nursery() as life:
                publisher = xfs4iot.Publisher([xfs4iot.Service(device, ledger=ledger)], port=0)
                await life.start(publisher.serve)
                client: Dialogue = await life.start(dialogue, publisher.uri("Inked"))
                assert (await cassette(client))["banknoteNeutralization"]["protection"] == protection
                if mode == "armed":
                    await client.success(SET, {"newState": "arm"})
                assert (await status(client))["state"]["mode"] == mode
                life.cancel_scope.cancel()


async def test_the_protection_of_a_missing_cassette_does_not_work(nursery: trio.Nursery) -> None:
    device = Inked()
    client = await serving(device, nursery)
    device.unit_changed("unit1", "missing")
    assert (await cassette(client))["banknoteNeutralization"] == {"protection": "fault"}


async def test_an_identifier_that_the_standard_does_not_have_is_not_told(nursery: trio.Nursery) -> None:
    device = Inked()
    device.ink = replace(device.ink, identifier="A-1")
    client = await serving(device, nursery)
    assert await client.success("Storage.GetStorage") == {}


async def test_stained_notes_are_not_dispensed(nursery: trio.Nursery) -> None:
    device = Inked()
    client = await serving(device, nursery)
    await client.success(DISPENSE, PAY)
    device.ink = replace(device.ink, protection="neutralizationTriggered")
    device.neutralization_changed("unit1", device.ink)
    client.passed.clear()
    device.status.cash_dispenser.positions = None
    assert await client.failure(DISPENSE, PAY) == "cashUnitError"
    error = await client.until("event", name="Storage.StorageErrorEvent")
    assert error["payload"]["failure"] == "error"


class Bare(Inked):
    """Its cassette says nothing by itself."""

    async def units(self) -> Mapping[str, devices.StorageUnit | tuple[devices.StorageUnit, ...]]:
        return await self.cash_units()


async def test_no_amount_is_made_up_of_notes_from_the_moment_that_they_are_stained(
    nursery: trio.Nursery,
) -> None:
    device = Bare()
    client = await serving(device, nursery)
    asked = {"request": amount(20)}
    assert (await client.success(DENOMINATE, asked))["result"]["values"] == {"unit1": 1}
    # An attack, of which no command and no unit tells.
    device.status.banknote_neutralization.state = messages.State(mode="neutralizationTriggered")
    for request in (asked, {**asked, "x-vendor": 1}):
        assert await client.failure(DENOMINATE, request) == "notDispensable"
    device.status.banknote_neutralization.state = messages.State(mode="disarmed")
    assert (await client.success(DENOMINATE, asked))["result"]["values"] == {"unit1": 1}


async def test_where_cassettes_say_nothing_the_system_does(nursery: trio.Nursery) -> None:
    client = await serving(Bare(), nursery)
    await client.success(TRIGGER, NOW)
    assert await client.failure(DISPENSE, PAY) == "cashUnitError"


async def test_stained_cassettes_are_not_armed_again_but_disarmed(nursery: trio.Nursery) -> None:
    client = await serving(Inked(), nursery)
    await client.success(TRIGGER, NOW)
    assert await client.failure(SET, {"newState": "arm"}) == "sequenceError"
    # A trigger that has not stained everything can be tried again.
    await client.success(TRIGGER, NOW)
    await client.success(SET, {"newState": "disarm"})
    await client.success(SET, {"newState": "arm"})


async def test_what_the_device_refuses_is_told(nursery: trio.Nursery) -> None:
    device = Inked(refusal("sensorNotReady"))
    client = await serving(device, nursery)
    assert await client.failure(SET, {"newState": "arm"}) == "sensorNotReady"
    assert (await status(client))["state"] == {"mode": "fault"}


async def test_nothing_can_be_set_of_a_cassette_that_only_has_ink(nursery: trio.Nursery) -> None:
    found = device_class(("BanknoteNeutralization",))("Ink", seconds=0)
    client = await serving(found, nursery)
    assert len((await client.success("Storage.GetStorage"))["storage"]) == 4
    nothing: dict[str, Any] = {"storage": {"unit1": {}}}
    assert await client.failure("Storage.SetStorage", nothing) == "invalidData"
    await client.success("Storage.StartExchange")
    await client.success("Storage.EndExchange")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (None, "done"),
        (errors.HardwareError("who knows"), "unknown"),
        (errors.DeviceNotReady("offline"), "failed"),
    ],
)
async def test_the_journal_knows_who_asked_for_it_and_how_it_ended(
    nursery: trio.Nursery, tmp_path: Path, fault: Exception | None, outcome: str
) -> None:
    file = tmp_path / "ledger.sqlite"
    client = await serving(Inked(fault), nursery, file)
    await client.completion(SET, {"newState": "disarm"})
    await client.completion(TRIGGER, NOW)
    with LedgerReader.open(file) as reader:
        found = [
            (one.intent.kind, one.outcome, one.intent.command, one.intent.detail)
            for one in reader.movements()
            if one.intent.kind.startswith("neutralization")
        ]
    assert found == [
        ("neutralizationProtection", outcome, SET, {"newState": "disarm"}),
        ("neutralizationTrigger", outcome, TRIGGER, {}),
    ]


async def test_a_trigger_that_has_begun_is_neither_cancelled_nor_timed_out(nursery: trio.Nursery) -> None:
    device = Inked()
    device.working = trio.Event()
    client = await serving(device, nursery)
    request = await client.send(TRIGGER, NOW, timeout=20)
    await device.working.wait()
    await client.success("Common.Cancel", {"requestIds": [request]})
    await client.until("completion", request)
    assert (await status(client))["state"] == {"mode": "neutralizationTriggered"}


@pytest.mark.parametrize(("mode", "outcome"), [("neutralizationTriggered", "done"), ("armed", "unknown")])
async def test_an_interrupted_trigger_is_settled_by_what_the_hardware_says(
    nursery: trio.Nursery, tmp_path: Path, mode: Any, outcome: str
) -> None:
    file = tmp_path / "ledger.sqlite"
    with xfs4iot.Ledger.open(file) as ledger:
        await ledger.service("Inked").begin("neutralizationTrigger", command=TRIGGER)

    class Knowing(Inked):
        async def open(self) -> None:
            await super().open()
            self.status.banknote_neutralization.state = messages.State(mode=mode)

    await serving(Knowing(), nursery, file)
    with LedgerReader.open(file) as reader:
        assert reader.open_intents() == []
        assert [one.outcome for one in reader.movements() if one.intent.command == TRIGGER] == [outcome]


@contextmanager
def unwritable(file: Path) -> Iterator[None]:
    """A ledger that cannot be written: another program holds it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def outcomes_in(file: Path) -> list[str]:
    """How the triggers in the journal ended, once all have."""
    with trio.fail_after(20):
        while True:
            with LedgerReader.open(file) as reader:
                if not reader.open_intents():
                    return [str(one.outcome) for one in reader.movements() if one.intent.command == TRIGGER]
            await trio.sleep(0.05)


async def test_a_service_starts_where_an_interrupted_trigger_cannot_be_written_yet(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    with xfs4iot.Ledger.open(file) as ledger:
        async with trio.open_nursery() as life:
            await life.start(xfs4iot.Publisher([xfs4iot.Service(Inked(), ledger=ledger)], port=0).serve)
            life.cancel_scope.cancel()
        await ledger.service("Inked").begin("neutralizationTrigger", command=TRIGGER)
        async with trio.open_nursery() as life:
            with unwritable(file):
                publisher = xfs4iot.Publisher([xfs4iot.Service(Inked(), ledger=ledger)], port=0)
                await life.start(publisher.serve)
                client: Dialogue = await life.start(dialogue, publisher.uri("Inked"))
                assert (await status(client))["state"] == {"mode": "fault"}
            assert await outcomes_in(file) == ["unknown"]
            await client.success(SET, {"newState": "disarm"})
            life.cancel_scope.cancel()


async def test_an_outcome_that_could_not_be_written_is_written_without_a_restart(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.sqlite"
    device = Inked()
    device.working = trio.Event()
    client = await serving(device, nursery, file)
    request = await client.send(TRIGGER, NOW)
    await device.working.wait()
    with unwritable(file):
        assert "errorCode" not in (await client.until("completion", request)).get("payload", {})
        assert (await status(client))["state"]["mode"] == "neutralizationTriggered"
    assert await outcomes_in(file) == ["done"]


async def test_a_token_says_which_state_and_is_used_once(nursery: trio.Nursery, tmp_path: Path) -> None:
    device = Inked()
    client = await serving(device, nursery, tmp_path / "ledger.sqlite", security=secured())
    security = (await client.success("Common.Capabilities"))["common"]["endToEndSecurity"]
    assert security["commands"] == [DISPENSE, SET, TRIGGER]
    fresh = await nonce(client)
    arm = tokens.make_token(KEY, fresh, {"SETPROTECTION": "ARM"})
    for token, code in (
        (None, "invalidToken"),
        (tokens.make_token(KEY, fresh, {"SETPROTECTION": "DISARM"}), "invalidToken"),
        (tokens.make_token(KEY, fresh, {"TRIGGERNEUTRALIZATION": "TRIGGER"}), "invalidToken"),
        (tokens.dispense_token(KEY, fresh, {"EUR": 20}), "invalidToken"),
        (arm[:-1] + ("0" if arm[-1] != "0" else "1"), "invalidTokenHMAC"),
        (tokens.make_token(KEY, "AB", {"SETPROTECTION": "ARM"}), "invalidTokenNonce"),
        ("NONCE=AB", "invalidTokenFormat"),
        ("NONCE=,TOKENFORMAT=1", "invalidTokenKeyNoValue"),
    ):
        assert await client.failure(SET, {"newState": "arm", "token": token}) == code, token
    assert await client.failure(TRIGGER, {**NOW, "token": arm}) == "invalidToken"
    assert device.asked == []
    await client.success(SET, {"newState": "arm", "token": arm})
    assert await client.failure(SET, {"newState": "arm", "token": arm}) == "noCommandNonce"
    trigger = tokens.make_token(KEY, await nonce(client), {"TRIGGERNEUTRALIZATION": "TRIGGER"})
    await client.success(TRIGGER, {**NOW, "token": trigger})
    assert device.asked == ["arm", "trigger"]


async def test_a_system_by_itself_tells_that_its_nonce_is_gone(nursery: trio.Nursery) -> None:
    """The reference cannot: its stub of it ends the process."""
    client = await serving(Alone("Alone"), nursery, security=secured())
    await nonce(client)
    await client.success("Common.ClearCommandNonce")
    await told(client, "Common.NonceClearedEvent")
    fresh = await nonce(client)
    trigger = tokens.make_token(KEY, fresh, {"TRIGGERNEUTRALIZATION": "TRIGGER"})
    await client.success(TRIGGER, {**NOW, "token": trigger})


async def test_without_a_key_neither_is_authorised(nursery: trio.Nursery) -> None:
    device = Inked()
    client = await serving(device, nursery, security=secured(key=None))
    assert await client.failure(TRIGGER, NOW) == "authorizationRequired"
    assert await client.failure(SET, {"newState": "disarm"}) == "authorizationRequired"
    assert device.asked == []


async def test_older_clients_see_units_without_ink_and_no_commands(nursery: trio.Nursery) -> None:
    client = await serving(Inked(), nursery)
    for older in ("2021-1", "2023-2"):
        old = await another(client, nursery, older)
        request = await old.send("Storage.GetStorage")
        unit = (await old.until("completion", request))["payload"]["storage"]["unit1"]
        assert "banknoteNeutralization" not in unit
        request = await old.send("Common.Status")
        assert "banknoteNeutralization" not in (await old.until("completion", request))["payload"]


async def offline(device: Inked) -> None:
    device.status.common.device = "offline"


async def triggered(device: Inked) -> None:
    device.status.banknote_neutralization.state = messages.State(mode="neutralizationTriggered")


_TOKEN = Break({"token": "NONCE=AB"}, code="invalidTokenFormat")
ORDER = {
    SET: Command(
        {
            "given newState": Break({"newState": None}, before=triggered),
            "not_triggered": Break(before=triggered),
            "device_ready": Break(before=offline),
            "token": _TOKEN,
        },
        good={"newState": "arm"},
        together={"given newState": Break({"newState": None}, before=triggered)},
    ),
    TRIGGER: Command(
        {
            "given neutralizationAction": Break({"neutralizationAction": None}),
            "device_ready": Break(before=offline),
            "token": _TOKEN,
        },
        good=NOW,
    ),
}


@pytest.mark.parametrize("pair", pairs(BanknoteNeutralization, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(nursery: trio.Nursery, pair: Pair) -> None:
    device = Inked()
    await pair.prove(await serving(device, nursery, security=secured()), device)


# The simulated system, part of the simulated dispenser.


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


def sensor(name: str, value: str) -> dict[str, str]:
    return {"sensor": name, "value": value}


async def test_the_simulated_system_arms_when_the_safe_is_closed(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    assert (await status(dispenser))["state"] == {"mode": "disarmed"}
    await simulator.success("Simulator.OpenSafeDoor")
    assert (await status(dispenser))["safeDoor"] == "doorOpened"
    await dispenser.success(SET, {"newState": "arm"})
    assert (await status(dispenser))["state"]["submode"] == "armPending"
    assert (await cassette(dispenser))["banknoteNeutralization"]["protection"] == "disarmed"
    await simulator.success("Simulator.CloseSafeDoor")
    assert (await status(dispenser))["state"] == {"mode": "armed"}
    assert (await cassette(dispenser))["banknoteNeutralization"]["protection"] == "armed"
    assert await dispenser.failure("Storage.StartExchange") == "storageUnitError"
    await dispenser.success(SET, {"newState": "disarm"})
    await dispenser.success("Storage.StartExchange")
    await dispenser.success("Storage.EndExchange")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("tilt", "tilted", "tilted"),
        ("light", "detected", "light"),
        ("gas", "criticalLevel", "gasCriticalLevel"),
        ("seismic", "criticalLevel", "seismicActivityCriticalLevel"),
        ("safeDoor", "doorOpened", None),
        ("triggerNeutralization", "triggered", None),
    ],
)
async def test_an_attack_stains_all_notes_of_an_armed_system(
    dispenser: Dialogue, simulator: Dialogue, name: str, value: str, error: str | None
) -> None:
    await dispenser.success(SET, {"newState": "arm"})
    await simulator.success("Simulator.SetSafeSensor", sensor(name, value))
    now = await status(dispenser)
    assert now["state"] == {"mode": "neutralizationTriggered"}
    assert error is None or now["errors"][error] is True
    storage = (await dispenser.success("Storage.GetStorage"))["storage"]
    assert {one["banknoteNeutralization"]["protection"] for one in storage.values()} == {
        "neutralizationTriggered"
    }
    code = await dispenser.failure(DISPENSE, PAY)
    assert code == "cashUnitError"
    await dispenser.success(SET, {"newState": "disarm"})
    await dispenser.success("Storage.StartExchange")
    await dispenser.success("Storage.EndExchange")
    await dispenser.success(DISPENSE, PAY)


async def test_no_deposit_is_stored_where_notes_were_stained(
    dispenser: Dialogue, simulator: Dialogue
) -> None:
    await dispenser.success("CashAcceptor.CashInStart", {})
    request = await dispenser.send("CashAcceptor.CashIn")
    await dispenser.until("event", request, "CashAcceptor.InsertItemsEvent")
    await simulator.success("Simulator.InsertNotes", {"notes": [{"note": "EUR20", "count": 2}]})
    await dispenser.until("completion", request)
    await dispenser.success(SET, {"newState": "arm"})
    await simulator.success("Simulator.SetSafeSensor", sensor("gas", "criticalLevel"))
    assert await dispenser.failure("CashAcceptor.CashInEnd") == "cashUnitError"
    error = await dispenser.until("event", name="Storage.StorageErrorEvent")
    assert error["payload"]["failure"] == "error"
    await dispenser.success("CashAcceptor.CashInRollback")
    await simulator.success("Simulator.TakeItems")
    refill = {"source": "unit7", "replenishTargets": [{"target": "unit2"}]}
    await simulator.success("Simulator.FillUnit", {"unit": "unit7", "count": 10})
    assert await dispenser.failure("CashAcceptor.Replenish", refill) == "cashUnitError"
    await dispenser.success("CashAcceptor.CashInStart", {})
    assert await dispenser.failure("CashAcceptor.CashIn") == "cashUnitError"


@pytest.mark.parametrize("state", ["disarm", "ignoreAllSafeSensors"])
async def test_what_is_not_watched_stains_nothing(
    dispenser: Dialogue, simulator: Dialogue, state: str
) -> None:
    await dispenser.success(SET, {"newState": state})
    await simulator.success("Simulator.SetSafeSensor", sensor("gas", "criticalLevel"))
    assert (await status(dispenser))["state"]["mode"] != "neutralizationTriggered"
    await simulator.success("Simulator.OpenCassette", {"unit": "unit2"})
    ink = (await cassette(dispenser, "unit2"))["banknoteNeutralization"]
    # A lid counts whenever the cassettes are armed.
    assert (ink["protection"] == "neutralizationTriggered") is (state != "disarm")
    assert ink["lid"] == "opened"
    assert (await cassette(dispenser, "unit1"))["banknoteNeutralization"]["lid"] == "closed"


async def test_faults_of_the_simulated_system(dispenser: Dialogue, simulator: Dialogue) -> None:
    async def inject(fault: str) -> None:
        await simulator.success("Simulator.ClearFaults")
        await simulator.success("Simulator.Inject", {"fault": fault})

    await inject("sensorNotReady")
    assert await dispenser.failure(SET, {"newState": "arm"}) == "sensorNotReady"
    await inject("protectionStuck")
    assert await dispenser.failure(SET, {"newState": "arm"}) == "hardwareError"
    assert (await status(dispenser))["errors"]["protectionEnablingFailure"] is True
    await inject("cassettePowerLow")
    assert (await cassette(dispenser))["banknoteNeutralization"]["powerSupply"]["batteryStatus"] == "low"
    await inject("neutralizationOffline")
    assert (await status(dispenser))["state"] == {"mode": "fault"}
    assert await dispenser.failure(TRIGGER, NOW) == "deviceNotReady"
    await inject("neutralizationFails")
    assert await dispenser.failure(TRIGGER, NOW) == "hardwareError"
    protection = [
        (await cassette(dispenser, unit))["banknoteNeutralization"]["protection"]
        for unit in ("unit1", "unit2")
    ]
    assert protection[0] == "neutralizationTriggered" != protection[1]
    await dispenser.success(TRIGGER, NOW)
    for wrong in (sensor("nose", "x"), sensor("gas", "smelly"), sensor("disableGas", "ok")):
        assert await simulator.failure("Simulator.SetSafeSensor", wrong) == "invalidData"
