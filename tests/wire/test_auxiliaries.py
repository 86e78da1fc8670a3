"""Auxiliaries over the wire: a vendor's cabinet, and the simulated one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import trio
from hypothesis import strategies

import xfs4iot
from dialogue import Dialogue, another, dialogue
from order import Break, Command, Pair, Walk, pairs, walks
from vendors import serving
from xfs4iot import devices
from xfs4iot.devices import AutoStartup, AuxiliaryValue
from xfs4iot.interfaces.auxiliaries import Auxiliaries
from xfs4iot.protocol import errors

SET, STARTUP = "Auxiliaries.SetAuxiliaries", "Auxiliaries.SetAutoStartupTime"
DOOR: frozenset[Any] = frozenset({"closed", "open", "bolted", "tampered"})


class Cabinet(devices.Auxiliaries):
    """Some of everything."""

    operator_switch = frozenset({"run", "supervisor"})
    tamper_sensor = seismic_sensor = fascia_microphone_sensor = True
    safe_door = front_cabinet = rear_cabinet = DOOR
    left_cabinet = frozenset({"closed", "open"})
    vandal_shield = frozenset({"closed", "open", "locked"})
    open_close_indicator = audio = heating = consumer_display_backlight = signage_display = True
    audible_alarm = True
    volume = microphone_volume = 100
    ups = frozenset({"low", "engaged", "powering", "recovered"})
    enhanced_audio_control = enhanced_microphone_control = frozenset({"modeControllable"})
    auto_startup_mode = frozenset({"specific", "daily", "weekly"})

    def __init__(self) -> None:
        super().__init__("Cabinet")
        self.asked: list[Mapping[str, AuxiliaryValue]] = []
        self.times: list[AutoStartup | None] = []
        self.fault: Exception | None = None

    async def set_auxiliaries(self, wanted: Mapping[str, AuxiliaryValue]) -> None:
        self.asked.append(wanted)
        if self.fault is not None:
            raise self.fault

    async def set_auto_startup_time(self, time: AutoStartup | None) -> None:
        if self.fault is not None:
            raise self.fault
        self.times.append(time)


@pytest.fixture
def device() -> Cabinet:
    return Cabinet()


@pytest.fixture
async def client(device: Cabinet, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def status(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["auxiliaries"]
    return found


def changes(client: Dialogue) -> list[Any]:
    """What status events told; they are taken out."""
    told = [
        one["payload"]["auxiliaries"]
        for one in client.passed
        if one["header"]["name"] == "Common.StatusChangedEvent" and "auxiliaries" in one["payload"]
    ]
    client.passed.clear()
    return told


async def test_what_the_class_has_is_there_and_nothing_else(client: Dialogue) -> None:
    shown = await status(client)
    assert shown == {
        "operatorSwitch": "run",
        "tamperSensor": "off",
        "seismicSensor": "off",
        "fasciaMicrophoneSensor": "off",
        "safeDoor": "closed",
        "cabinetFrontDoor": "closed",
        "cabinetRearDoor": "closed",
        "cabinetLeftDoor": "closed",
        "vandalShield": "closed",
        "openClosedIndicator": "closed",
        "audio": {"rate": "off", "signal": "keypress"},
        "heating": "off",
        "consumerDisplayBacklight": "on",
        "signageDisplay": "off",
        "volume": 500,
        "UPS": {"low": False, "engaged": False, "powering": False, "recovered": False},
        "audibleAlarm": "off",
        "enhancedAudioControl": "publicAudioManual",
        "enhancedMicrophoneControl": "publicAudioManual",
        "microphoneVolume": 500,
    }
    capabilities = (await client.success("Common.Capabilities"))["auxiliaries"]
    assert capabilities["operatorSwitch"] == {"run": True, "maintenance": False, "supervisor": True}
    assert capabilities["safeDoor"]["bolted"] is True
    assert "heatSensor" not in capabilities or not capabilities["heatSensor"]
    assert capabilities["enhancedMicrophoneControl"] == {"headsetDetection": False, "modeControllable": True}
    assert capabilities["autoStartupMode"] == {"specific": True, "daily": True, "weekly": True}


async def test_field_04_an_idle_and_healthy_ups_shows_four_times_false(
    client: Dialogue, device: Cabinet, nursery: trio.Nursery
) -> None:
    four = dict.fromkeys(("low", "engaged", "powering", "recovered"), False)
    assert (await status(client))["UPS"] == four
    without = type("Bare", (Cabinet,), {"ups": frozenset()})()
    assert "UPS" not in await status(await serving(without, nursery))


@pytest.mark.parametrize(
    "door", ["safe_door", "cabinet_front_door", "cabinet_rear_door", "cabinet_left_door"]
)
async def test_a_door_that_opens_is_told_alone_and_to_everybody(
    client: Dialogue, device: Cabinet, nursery: trio.Nursery, door: str
) -> None:
    other = await another(client, nursery)
    await other.success("Common.Status")
    setattr(device.status.auxiliaries, door, "open")
    first, *words = door.split("_")
    name = first + "".join(map(str.capitalize, words))
    for one in (client, other):
        event = await one.until("unsolicited", name="Common.StatusChangedEvent")
        assert event["payload"]["auxiliaries"] == {name: "open"}


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"safeDoor": "bolt"}, {"safeDoor": "bolted"}),
        ({"cabinetDoors": "bolt"}, {"cabinetFrontDoor": "bolted", "cabinetRearDoor": "bolted"}),
        ({"frontCabinetDoors": "bolt"}, {"cabinetFrontDoor": "bolted"}),
        ({"vandalShield": "open"}, {"vandalShield": "open"}),
        ({"openClose": "open"}, {"openClosedIndicator": "open"}),
        ({"audio": {"rate": "continuous", "signal": "error"}}, {"audio": {"rate": "on", "signal": "error"}}),
        ({"audio": {"signal": "warning"}}, {"audio": {"rate": "on", "signal": "warning"}}),
        ({"heating": "on"}, {"heating": "on"}),
        ({"consumerDisplayBackLight": "off"}, {"consumerDisplayBacklight": "off"}),
        ({"signageDisplay": "on"}, {"signageDisplay": "on"}),
        ({"volume": 1}, {"volume": 1}),
        ({"microphoneVolume": 1000}, {"microphoneVolume": 1000}),
        ({"audibleAlarm": "on"}, {"audibleAlarm": "on"}),
        ({"enhancedAudioControl": "publicAudioSemiAuto"}, {"enhancedAudioControl": "publicAudioSemiAuto"}),
        (
            {"enhancedMicrophoneControl": "privateAudioAuto"},
            {"enhancedMicrophoneControl": "privateAudioAuto"},
        ),
        ({"heating": "on", "volume": 7}, {"heating": "on", "volume": 7}),
    ],
)
async def test_what_is_set_is_shown_and_told_in_one_event(
    client: Dialogue, wanted: dict[str, Any], shown: dict[str, Any]
) -> None:
    await client.success(SET, wanted)
    assert changes(client) == [shown]
    assert (await status(client)).items() >= shown.items()
    await client.success(SET, wanted)
    assert changes(client) == []


async def test_the_ups_is_engaged_unless_its_battery_is_low(client: Dialogue, device: Cabinet) -> None:
    await client.success(SET, {"ups": "engage"})
    assert changes(client)[0]["UPS"]["engaged"] is True
    await client.success(SET, {"ups": "disengage"})
    ups = device.status.auxiliaries.ups
    assert ups is not None
    ups.low = True
    assert await client.failure(SET, {"ups": "engage"}) == "sequenceError"


async def test_an_open_door_is_not_bolted_and_a_bolted_one_is_closed_when_unbolted(
    client: Dialogue, device: Cabinet
) -> None:
    device.status.auxiliaries.safe_door = "open"
    assert await client.failure(SET, {"safeDoor": "bolt"}) == "sequenceError"
    device.status.auxiliaries.safe_door = "closed"
    await client.success(SET, {"safeDoor": "bolt"})
    await client.success(SET, {"safeDoor": "unbolt"})
    assert (await status(client))["safeDoor"] == "closed"


@pytest.mark.parametrize(
    ("payload", "code", "where"),
    [
        (None, "invalidData", "nothing"),
        ({}, "invalidData", "nothing"),
        ({"audio": {}}, "invalidData", "$.audio"),
        ({"volume": 0}, "invalidData", "$.volume"),
        ({"volume": 1001}, "invalidData", "$.volume"),
        ({"heating": "warm"}, "invalidData", "$.heating"),
        ({"leftCabinetDoors": "bolt"}, "invalidAuxiliary", "$.leftCabinetDoors"),
        ({"rightCabinetDoors": "bolt"}, "invalidAuxiliary", "$.rightCabinetDoors"),
        ({"vandalShield": "keyboard"}, "invalidAuxiliary", "$.vandalShield"),
        ({"heating": "on", "rightCabinetDoors": "bolt"}, "invalidAuxiliary", "$.rightCabinetDoors"),
    ],
)
async def test_what_is_not_there_is_refused_and_nothing_is_done(
    client: Dialogue, device: Cabinet, payload: Any, code: str, where: str
) -> None:
    before = await status(client)
    completion = await client.completion(SET, payload)
    header = completion["header"]
    found = header["completionCode"]
    assert (completion["payload"]["errorCode"] if found == "commandErrorCode" else found) == code
    assert where in header["errorDescription"]
    assert not device.asked
    assert await status(client) == before


async def test_a_device_without_doors_refuses_all_of_them(nursery: trio.Nursery) -> None:
    class Bare(devices.Auxiliaries):
        heating = True

        async def set_auxiliaries(self, wanted: Mapping[str, AuxiliaryValue]) -> None:
            pass

    client = await serving(Bare("Bare"), nursery)
    for name in ("cabinetDoors", "safeDoor", "frontCabinetDoors"):
        assert await client.failure(SET, {name: "unbolt"}) == "invalidAuxiliary"
    assert await client.failure(STARTUP, {"mode": "daily"}) == "unsupportedCommand"


async def test_a_device_that_fails_leaves_the_status_as_it_says(client: Dialogue, device: Cabinet) -> None:
    device.fault = errors.HardwareError("the relay sticks")
    assert await client.failure(SET, {"heating": "on"}) == "hardwareError"
    assert (await status(client))["heating"] == "off"


async def test_whoever_unbolts_the_safe_from_afar_must_be_known_and_is_journalled(
    device: Cabinet, nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xfs4iot.server import peer

    with xfs4iot.Ledger.open(tmp_path / "ledger") as ledger:
        client = await serving(device, nursery, ledger)
        await client.success(SET, {"safeDoor": "unbolt"})
        monkeypatch.setattr(peer, "is_loopback", lambda host: False)
        assert await client.failure(SET, {"safeDoor": "unbolt"}) == "authorizationRequired"
        await client.success(SET, {"safeDoor": "bolt"})
    with xfs4iot.ledger.LedgerReader.open(tmp_path / "ledger") as reader:
        (unbolted,) = [one for one in reader.movements() if one.intent.kind == "unbolt"]
    assert unbolted.intent.command == SET


TOMORROW = datetime.now() + timedelta(days=1)
SPECIFIC = {
    "year": TOMORROW.year,
    "month": TOMORROW.month,
    "day": TOMORROW.day,
    "hour": 3,
    "minute": 30,
}


@pytest.mark.parametrize(
    ("mode", "time", "more"),
    [
        ("specific", SPECIFIC, {"dayOfWeek": "Monday"}),
        ("daily", {"hour": 0, "minute": 59}, {"year": 2020}),
        ("weekly", {"dayOfWeek": "Saturday", "hour": 23, "minute": 0}, {"day": 1}),
    ],
)
async def test_the_time_to_start_up_is_kept_and_given_to_the_device_again(
    nursery: trio.Nursery, tmp_path: Path, mode: str, time: dict[str, Any], more: dict[str, Any]
) -> None:
    with xfs4iot.Ledger.open(tmp_path / "ledger") as ledger:
        device = Cabinet()
        client = await serving(device, nursery, ledger)
        assert await client.success("Auxiliaries.GetAutoStartupTime") == {}
        await client.success(STARTUP, {"mode": mode, "startTime": time | more})
        assert await client.success("Auxiliaries.GetAutoStartupTime") == {"mode": mode, "startTime": time}
        again = Cabinet()
        second = await serving(again, nursery, ledger)
        assert again.times == device.times
        assert again.times[0] is not None
        assert again.times[0].mode == mode
        await second.success("Auxiliaries.ClearAutoStartupTime")
        await second.success("Auxiliaries.ClearAutoStartupTime")
        assert again.times[-1] is None
        assert await second.success("Auxiliaries.GetAutoStartupTime") == {}


@pytest.mark.parametrize(
    ("mode", "time", "code", "where"),
    [
        ("specific", {**SPECIFIC, "month": None}, "invalidData", "$.startTime.month"),
        ("specific", {**SPECIFIC, "year": 2001}, "invalidData", "has passed"),
        ("specific", {**SPECIFIC, "month": 4, "day": 31}, "invalidData", "day"),
        ("daily", {"hour": 24, "minute": 0}, "invalidData", "$.startTime.hour"),
        ("daily", {"hour": 1}, "invalidData", "$.startTime.minute"),
        ("weekly", {"hour": 1, "minute": 1}, "invalidData", "$.startTime.dayOfWeek"),
        ("daily", None, "invalidData", "$.startTime"),
        (None, {"hour": 1, "minute": 1}, "invalidData", "$.mode"),
    ],
)
async def test_a_time_that_cannot_be_is_refused(
    client: Dialogue, device: Cabinet, mode: Any, time: Any, code: str, where: str
) -> None:
    completion = await client.completion(STARTUP, {"mode": mode, "startTime": time})
    assert completion["header"]["completionCode"] == code
    assert where in completion["header"]["errorDescription"]
    assert not device.times


async def test_a_device_that_starts_up_weekly_only_says_and_takes_so(nursery: trio.Nursery) -> None:
    device = type("Weekly", (Cabinet,), {"auto_startup_mode": frozenset({"weekly"})})()
    client = await serving(device, nursery)
    shown = (await client.success("Common.Capabilities"))["auxiliaries"]["autoStartupMode"]
    assert [name for name, can in shown.items() if can] == ["weekly"]
    daily = {"mode": "daily", "startTime": {"hour": 1, "minute": 1}}
    assert await client.failure(STARTUP, daily) == "unsupportedData"


async def test_registration_is_of_the_connection(client: Dialogue, nursery: trio.Nursery) -> None:
    old = await another(client, nursery, "2021-1")
    register = {"safeDoor": "register", "cabinetDoor": "register", "operatorSwitch": "deregister"}
    # The timeout is in the payload of 2021-1, and is none of its auxiliaries.
    for payload in (register, register | {"timeout": 1000}):
        completion = await old.completion("Auxiliaries.Register", payload)
        assert completion["payload"]["completionCode"] == "success"
    for newer in (client, await another(client, nursery, "2023-2")):
        assert await newer.success("Auxiliaries.Register", {"safeDoor": "register"}) == {}
    assert await client.failure("Auxiliaries.Register", {"heatSensor": "register"}) == "invalidAuxiliary"
    assert await client.failure("Auxiliaries.Register", {}) == "invalidData"


async def test_a_client_of_2021_1_is_told_what_it_registered_for(
    client: Dialogue, device: Cabinet, nursery: trio.Nursery
) -> None:
    doors, sensors, neither = [await another(client, nursery, "2021-1") for _ in range(3)]
    await doors.completion("Auxiliaries.Register", {"safeDoor": "register", "cabinetDoor": "register"})
    everything = {"tamperSensor": "register", "ups": "register", "volumeControl": "register"}
    registered = await sensors.completion("Auxiliaries.Register", {**everything, "timeout": 5000})
    assert registered["payload"]["completionCode"] == "success"
    await client.success("Common.Status")
    device.status.auxiliaries.safe_door = "open"
    device.status.auxiliaries.cabinet_rear_door = "tampered"
    device.status.auxiliaries.tamper_sensor = "on"
    device.status.auxiliaries.volume = 3
    event = await doors.until("unsolicited", name="Auxiliaries.AuxiliaryStatusEvent")
    assert event["payload"] == {"safeDoorState": "open", "cabinetRearDoorState": "tampered"}
    event = await sensors.until("unsolicited", name="Auxiliaries.AuxiliaryStatusEvent")
    assert event["payload"] == {"tamperSensor": "on", "volumeState": {"volumeLevel": 3}}
    await sensors.completion("Auxiliaries.Register", {"tamperSensor": "deregister"})
    device.status.auxiliaries.tamper_sensor = "off"
    for one in (sensors, neither):
        await one.completion("Common.Status")
        assert not [told for told in one.passed if "AuxiliaryStatusEvent" in told["header"]["name"]]


async def test_older_clients_set_and_see_by_their_names(client: Dialogue, nursery: trio.Nursery) -> None:
    old = await another(client, nursery, "2021-1")
    set_ = {"displayBackLight": "off", "volume": 30}
    assert (await old.completion(SET, set_))["payload"]["completionCode"] == "success"
    shown = (await old.completion("Common.Status"))["payload"]["auxiliaries"]
    assert shown["volume"] == {"volumeLevel": 30}
    middle = await another(client, nursery, "2023-2")
    daily = {"mode": "daily", "startTime": {"hour": 1, "minute": 2}}
    await middle.success("Auxiliaries.SetAutoStartUpTime", daily)
    assert (await middle.success("Auxiliaries.GetAutoStartUpTime"))["mode"] == "daily"


_VALUES = strategies.one_of(
    strategies.none(),
    strategies.integers(-1, 1001),
    strategies.sampled_from(["on", "off", "bolt", "unbolt", "open", "closed", "engage", "register", "daily"]),
    strategies.dictionaries(
        strategies.sampled_from(["rate", "signal", "hour"]), strategies.integers(0, 99), max_size=2
    ),
)
_NAMES = strategies.sampled_from([mark.command for mark in Auxiliaries.handled()])
_PROPERTIES = strategies.sampled_from(
    ["safeDoor", "cabinetDoors", "audio", "volume", "ups", "heating", "mode", "startTime", "vandalShield"]
)


@hypothesis.given(
    strategies.lists(
        strategies.tuples(_NAMES, strategies.dictionaries(_PROPERTIES, _VALUES, max_size=4)), max_size=8
    )
)
@hypothesis.settings(max_examples=25, deadline=None)
def test_no_payload_is_an_internal_error(requests: list[tuple[str, Any]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            client = await serving(Cabinet(), nursery)
            for name, payload in requests:
                completion = await client.completion(name, payload)
                assert completion["header"].get("completionCode") != "internalError", completion
            nursery.cancel_scope.cancel()

    trio.run(main)


async def offline(device: Cabinet) -> None:
    device.status.common.device = "offline"


async def low(device: Cabinet) -> None:
    assert device.status.auxiliaries.ups is not None
    device.status.auxiliaries.ups.low = True


async def safe_open(device: Cabinet) -> None:
    device.status.auxiliaries.safe_door = "open"


ORDER = {
    SET: Command(
        {
            "something_given": Break({"audio": {}}),
            "auxiliaries_exist": Break({"rightCabinetDoors": "bolt"}),
            "doors_closed": Break({"safeDoor": "bolt"}, before=safe_open, says="safeDoor"),
            "ups_charged": Break({"ups": "engage"}, before=low, says="ups"),
            "device_ready": Break(before=offline),
        },
        apart={"device_ready": "who comes from afar is looked at where it happens: see above"},
    ),
    STARTUP: Command(
        {
            "given mode": Break({"mode": None}, says="$.mode"),
            "given startTime": Break({"startTime": None}, says="$.startTime"),
            "mode_supported": Break({"mode": "weekly"}),
            "time_whole": Break({"startTime": {"minute": None}}, says="$.startTime.minute"),
            "device_ready": Break(before=offline),
        },
        good={"mode": "daily", "startTime": {"hour": 1, "minute": 1}},
        together={"given startTime": Break({"startTime": None, "mode": "weekly"}, says="$.startTime")},
    ),
    "Auxiliaries.Register": Command(
        {"register_something": Break(), "registered_exist": Break({"heatSensor": "register"})},
        apart={"register_something": "what is nothing exists"},
    ),
}


@pytest.mark.parametrize("pair", pairs(Auxiliaries, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(nursery: trio.Nursery, pair: Pair) -> None:
    device = type("Daily", (Cabinet,), {"auto_startup_mode": frozenset({"daily"})})()
    await pair.prove(await serving(device, nursery), device)


APART = {
    "Auxiliaries.SetAuxiliaries success": "what passes each check there asks for nothing",
    "Auxiliaries.Register success": "likewise",
}
"""What an older client is not answered here, and why."""


@pytest.mark.parametrize("walk", walks(Auxiliaries, ORDER, APART), ids=str)
async def test_older_clients_are_answered_alike(nursery: trio.Nursery, walk: Walk) -> None:
    device = type("Daily", (Cabinet,), {"auto_startup_mode": frozenset({"daily"})})()
    await walk.prove(await serving(device, nursery), device, device)


@pytest.fixture
async def simulated(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Auxiliaries"))
    return found


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


async def test_a_door_that_is_forced_open_is_told(simulated: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.ForceDoor", {"name": "safeDoor"})
    event = await simulated.until("unsolicited", name="Common.StatusChangedEvent")
    told = event["payload"]["auxiliaries"]
    while len(told) < 3:
        event = await simulated.until("unsolicited", name="Common.StatusChangedEvent")
        told |= event["payload"]["auxiliaries"]
    assert told == {"safeDoor": "tampered", "tamperSensor": "on", "seismicSensor": "on"}
    assert await simulator.failure("Simulator.ForceDoor", {"name": "heating"}) == "invalidData"


async def test_everything_that_the_world_moves_can_be_moved(simulated: Dialogue, simulator: Dialogue) -> None:
    moved = {
        "operatorSwitch": "supervisor",
        "proximitySensor": "present",
        "ambientLightSensor": "veryDark",
        "handsetSensor": "offTheHook",
        "cabinetLeftDoor": "open",
        "vandalShield": "jammed",
        "volume": 3,
    }
    for name, value in moved.items():
        await simulator.success("Simulator.SetAuxiliary", {"name": name, "value": value})
    assert (await status(simulated)).items() >= moved.items()
    for wrong in ({"name": "UPS", "value": "low"}, {"name": "safeDoor", "value": "ajar"}):
        assert await simulator.failure("Simulator.SetAuxiliary", wrong) == "invalidData"


async def test_a_ups_carries_the_machine_until_its_battery_is_empty_and_recovers(
    simulated: Dialogue, simulator: Dialogue
) -> None:
    async def ups() -> set[str]:
        shown = (await status(simulated))["UPS"]
        return {name for name, is_so in shown.items() if is_so}

    async def passes(seconds: int, becomes: set[str]) -> None:
        await simulator.success("Simulator.Advance", {"milliseconds": seconds * 1000})
        with trio.fail_after(20):
            while await ups() != becomes:
                await simulated.until("unsolicited", name="Common.StatusChangedEvent")

    await simulator.success("Simulator.StopClock")
    await simulated.success(SET, {"ups": "engage"})
    assert await ups() == {"engaged"}
    await simulator.success("Simulator.SwitchMains", {"on": False})
    await passes(0, {"engaged", "powering"})
    await passes(250, {"engaged", "powering", "low"})
    await passes(60, {"low", "recovered"})
    await simulator.success("Simulator.SwitchMains", {"on": True})
    assert await simulated.failure(SET, {"ups": "engage"}) == "sequenceError"
    await passes(700, {"recovered"})
    await simulated.success(SET, {"ups": "engage"})
    assert await ups() == {"engaged"}


@pytest.mark.parametrize(
    ("fault", "wanted", "code"),
    [
        ("setFails", {"heating": "on"}, "hardwareError"),
        ("boltBlocked", {"safeDoor": "bolt"}, "hardwareError"),
        ("cabinetOffline", {"heating": "on"}, "deviceNotReady"),
    ],
)
async def test_a_fault_of_the_simulated_cabinet_is_told(
    simulated: Dialogue, simulator: Dialogue, fault: str, wanted: Any, code: str
) -> None:
    await simulator.success("Simulator.Inject", {"fault": fault})
    assert await simulated.failure(SET, wanted) == code
    await simulator.success("Simulator.ClearFaults")
    await simulated.success(SET, wanted)


async def test_dead_sensors_notice_nothing(simulated: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "sensorsDead"})
    await simulator.success("Simulator.SetAuxiliary", {"name": "safeDoor", "value": "open"})
    assert (await status(simulated))["safeDoor"] == "closed"
