"""Lights over the wire: a vendor's fascia, and the simulated one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from xml.etree import ElementTree

import hypothesis
import pytest
import trio
from hypothesis import strategies

import xfs4iot
from dialogue import Dialogue, another, dialogue
from order import Break, Command, Pair, Walk, pairs, walks
from vendors import serving
from xfs4iot import devices
from xfs4iot.conformance.schemas import problems
from xfs4iot.devices import Lamp, Lit
from xfs4iot.interfaces.lights import Lights
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import lights as messages

SET = "Lights.SetLight"
STANDARD = list(messages.Status.PROPERTIES.values())
RGB = Lamp(
    flash_rates=frozenset({"off", "slow", "continuous"}),
    colors=frozenset({"red", "green"}),
    directions=frozenset({"entry"}),
)


class Fascia(devices.Lights):
    """Every light of the standard, one at two positions, and a vendor's own at a position of its own."""

    lights: ClassVar = {
        **{name: {"default": RGB} for name in STANDARD},
        "fasciaLight": {"left": RGB, "right": RGB},
        "ramp": {"edge": Lamp()},
    }

    def __init__(self) -> None:
        super().__init__("Lights")
        self.asked: list[Mapping[str, Mapping[str, Lit]]] = []
        self.fault: Exception | None = None

    async def set_light(self, wanted: Mapping[str, Mapping[str, Lit]]) -> None:
        self.asked.append(wanted)
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def device() -> Fascia:
    return Fascia()


@pytest.fixture
async def client(device: Fascia, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def status(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["lights"]
    return found


def changes(client: Dialogue) -> list[Any]:
    """What status events told of lights; they are taken out."""
    told = [
        message["payload"]["lights"]
        for message in client.passed
        if message["header"]["name"] == "Common.StatusChangedEvent"
    ]
    client.passed.clear()
    return told


@pytest.mark.parametrize("light", [name for name in STANDARD if name != "fasciaLight"])
async def test_field_08_each_light_is_set_shown_told_alone_and_switched_off(
    client: Dialogue, light: str
) -> None:
    shows = {"flashRate": "slow", "color": "green", "direction": "entry"}
    await client.success(SET, {light: {"default": shows}})
    assert changes(client) == [{light: {"default": shows}}]
    assert (await status(client))[light] == {"default": shows}
    await client.success(SET, {light: {"default": {"flashRate": "off", "color": "red"}}})
    assert (await status(client))[light] == {"default": {"flashRate": "off"}}


async def test_at_the_start_all_lights_are_off(client: Dialogue) -> None:
    shown = await status(client)
    assert set(shown) == {*STANDARD, "ramp"}
    assert {one["flashRate"] for light in shown.values() for one in light.values()} == {"off"}


async def test_positions_of_one_light_show_different_things(client: Dialogue, nursery: trio.Nursery) -> None:
    sides = {
        "left": {"flashRate": "slow", "color": "red"},
        "right": {"flashRate": "continuous", "color": "green"},
    }
    await client.success(SET, {"fasciaLight": sides})
    assert (await status(client))["fasciaLight"] == sides
    capabilities = (await client.success("Common.Capabilities"))["lights"]["lights"]
    assert set(capabilities["fasciaLight"]) == {"left", "right"}
    for older in ("2021-1", "2023-2"):
        old = await another(client, nursery, older)
        request = await old.send("Common.Status")
        shown = (await old.until("completion", request))["payload"]["lights"]["fasciaLight"]
        assert shown == {"position": "right", **sides["right"]}


async def test_a_light_of_the_vendors_own_is_set_in_every_version(
    client: Dialogue, device: Fascia, nursery: trio.Nursery
) -> None:
    await client.success(SET, {"ramp": {"edge": {"flashRate": "continuous"}}})
    assert (await status(client))["ramp"] == {"edge": {"flashRate": "continuous"}}
    for older in ("2021-1", "2023-2"):
        old = await another(client, nursery, older)
        # Clients of 2021-1 say how long they wait in the payload: it is no light.
        wait: dict[str, Any] = {"timeout": 5000} if older == "2021-1" else {}
        request = await old.send(SET, {"ramp": {"flashRate": "off"}, "pinPad": {"flashRate": "slow"}, **wait})
        await old.until("completion", request)
        assert device.asked[-1] == {"ramp": {"edge": Lit()}, "pinPad": {"default": Lit("slow")}}
        request = await old.send("Common.Status")
        shown = (await old.until("completion", request))["payload"]["lights"]
        assert shown["ramp"]["flashRate"] == "off"
        assert shown["pinPad"]["flashRate"] == "slow"


async def test_two_lights_that_are_easily_mixed_up_are_not(client: Dialogue, device: Fascia) -> None:
    wanted = {
        "notesDispenser2": {"default": {"flashRate": "slow", "color": "red"}},
        "billAcceptor2": {"default": {"flashRate": "slow", "color": "green"}},
    }
    await client.success(SET, wanted)
    assert device.asked == [
        {
            "notesDispenser2": {"default": Lit("slow", "red")},
            "billAcceptor2": {"default": Lit("slow", "green")},
        }
    ]
    assert len(changes(client)) == 1


async def test_setting_what_is_shown_already_tells_nothing(client: Dialogue) -> None:
    for _ in range(2):
        await client.success(SET, {"pinPad": {"default": {"flashRate": "slow"}}})
    assert len(changes(client)) == 1


@pytest.mark.parametrize(
    ("payload", "code", "where"),
    [
        (None, "invalidData", "no light"),
        ({}, "invalidData", "no light"),
        ({"pinPad": {}}, "invalidData", "$.pinPad"),
        ({"pinPad": {"": {"flashRate": "off"}}}, "invalidData", "$.pinPad"),
        ({"pinPad": {"default": None}}, "invalidData", "$.pinPad"),
        ({"pinPad": None}, "invalidData", "no light"),
        ({"jukebox": {"default": {"flashRate": "off"}}}, "invalidLight", "$.jukebox"),
        ({"fasciaLight": {"top": {"flashRate": "off"}}}, "invalidLight", "$.fasciaLight.top"),
        ({"pinPad": {"default": {"color": "red"}}}, "invalidData", "$.pinPad.default.flashRate"),
        ({"pinPad": {"default": {"flashRate": "quick"}}}, "invalidData", "$.pinPad.default.flashRate"),
        ({"pinPad": {"default": {"flashRate": "slow", "color": "blue"}}}, "invalidData", "default.color"),
        (
            {"pinPad": {"default": {"flashRate": "slow", "direction": "exit"}}},
            "invalidData",
            "default.direction",
        ),
        ({"pinPad": "on"}, "invalidData", "$.pinPad"),
    ],
)
async def test_what_a_light_cannot_show_is_refused_before_the_device_is_asked(
    client: Dialogue, device: Fascia, payload: Any, code: str, where: str
) -> None:
    before = await status(client)
    completion = await client.completion(SET, payload)
    header = completion["header"]
    found = header["completionCode"]
    assert (completion["payload"]["errorCode"] if found == "commandErrorCode" else found) == code
    assert where in header["errorDescription"]
    assert await status(client) == before
    assert not device.asked
    assert not client.passed


async def test_lights_of_one_flash_rate_follow_the_last_one(nursery: trio.Nursery) -> None:
    device = type("Common", (Fascia,), {"individual_flash_rates": False})()
    client = await serving(device, nursery)
    rates = [
        {name: {"default": {"flashRate": rate}}}
        for name, rate in (("pinPad", "slow"), ("scanner", "continuous"))
    ]
    assert await client.failure(SET, rates[0] | rates[1]) == "invalidData"
    await client.success(SET, rates[0])
    await client.success(SET, rates[1])
    shown = await status(client)
    assert shown["pinPad"]["default"]["flashRate"] == shown["scanner"]["default"]["flashRate"] == "continuous"
    assert changes(client)[-1] == {
        "scanner": {"default": {"flashRate": "continuous"}},
        "pinPad": {"default": {"flashRate": "continuous"}},
    }


async def test_after_a_failure_the_status_is_what_the_device_told(client: Dialogue, device: Fascia) -> None:
    device.fault = errors.CommandError("lightError", "scanner: the lamp is dead")
    payload = {name: {"default": {"flashRate": "slow"}} for name in ("pinPad", "scanner")}
    assert await client.failure(SET, payload) == "lightError"
    assert (await status(client))["pinPad"]["default"]["flashRate"] == "off"
    device.lit("pinPad", "default", Lit("slow"))
    assert (await status(client))["pinPad"]["default"]["flashRate"] == "slow"


async def test_everyone_hears_of_a_light_before_the_command_completes(
    client: Dialogue, nursery: trio.Nursery
) -> None:
    bystander = await another(client, nursery)
    request = await client.send(SET, {"statusGood": {"default": {"flashRate": "continuous"}}})
    await client.until("completion", request)
    assert len(changes(client)) == 1
    event = await bystander.until("unsolicited", name="Common.StatusChangedEvent")
    assert event["payload"] == {"lights": {"statusGood": {"default": {"flashRate": "continuous"}}}}


_ANY = strategies.fixed_dictionaries(
    {},
    optional={
        "flashRate": strategies.sampled_from(["off", "slow", "medium", "quick", "continuous"]),
        "color": strategies.sampled_from(["red", "green", "yellow"]),
        "direction": strategies.sampled_from(["entry", "exit"]),
    },
)
_REQUESTS = strategies.dictionaries(
    strategies.sampled_from(["pinPad", "fasciaLight", "ramp", "jukebox"]),
    strategies.dictionaries(strategies.sampled_from(["default", "left", "edge", ""]), _ANY, max_size=2),
    max_size=3,
)


def allowed(request: dict[str, Any]) -> bool:
    """Whether the declared capabilities have all that is asked."""
    for light, positions in request.items():
        lamps = Fascia.lights.get(light)
        if lamps is None or not positions:
            return False
        for position, shows in positions.items():
            lamp = lamps.get(position) or (
                next(iter(lamps.values())) if position == "default" and len(lamps) == 1 else None
            )
            rate = shows.get("flashRate")
            if lamp is None or rate not in lamp.flash_rates:
                return False
            if rate != "off" and (
                shows.get("color") not in {None, *lamp.colors}
                or shows.get("direction") not in {None, *lamp.directions}
            ):
                return False
    return bool(request)


@hypothesis.given(requests=strategies.lists(_REQUESTS, max_size=8))
@hypothesis.settings(max_examples=25, deadline=None)
def test_a_request_is_accepted_exactly_if_it_is_declared(requests: list[dict[str, Any]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            client = await serving(Fascia(), nursery)
            for request in requests:
                completion = await client.completion(SET, request)
                assert ("completionCode" not in completion["header"]) is allowed(request), request
            nursery.cancel_scope.cancel()

    trio.run(main)


async def offline(device: Fascia) -> None:
    device.status.common.device = "offline"


def showing(light: str = "pinPad", position: str = "default", **shows: Any) -> Break:
    return Break({light: {position: {"flashRate": "slow", **shows}}})


ORDER = {
    SET: Command(
        {
            "lights_given": Break({"scanner": {}}),
            "lights_exist": showing("jukebox"),
            "positions_exist": showing("fasciaLight", "top"),
            "flash_rates_shown": showing(flashRate="quick"),
            "colors_shown": Break(
                {"scanner": {"default": {"flashRate": "slow", "color": "blue"}}}, says="color"
            ),
            "directions_shown": Break(
                {"checkUnit": {"default": {"flashRate": "slow", "direction": "exit"}}}, says="direction"
            ),
            "one_flash_rate": Break(
                {
                    "statusBad": {"default": {"flashRate": "slow"}},
                    "statusGood": {"default": {"flashRate": "continuous"}},
                },
                says="one rate",
            ),
            "device_ready": Break(before=offline),
        },
        together={
            "flash_rates_shown": Break(
                {
                    "scanner": {"default": {"flashRate": "slow", "color": "blue"}},
                    "pinPad": {"default": {"flashRate": "quick"}},
                },
                code="invalidData",
                says="pinPad.default.flashRate",
            )
        },
    )
}


@pytest.mark.parametrize("pair", pairs(Lights, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(nursery: trio.Nursery, pair: Pair) -> None:
    device = type("Common", (Fascia,), {"individual_flash_rates": False})()
    await pair.prove(await serving(device, nursery), device)


APART = {"Lights.SetLight": "older clients say it in another shape"}
"""What an older client is not answered here, and why."""


@pytest.mark.parametrize("walk", walks(Lights, ORDER, APART), ids=str)
async def test_older_clients_are_answered_alike(nursery: trio.Nursery, walk: Walk) -> None:
    device = type("Common", (Fascia,), {"individual_flash_rates": False})()
    await walk.prove(await serving(device, nursery), device, device)


@pytest.fixture
async def simulated(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Lights"))
    return found


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


WHITE = {"cardReader": {"default": {"flashRate": "quick", "color": "white", "direction": "entry"}}}


@pytest.mark.parametrize(
    ("fault", "shows"),
    [
        ("lampDead", {"flashRate": "off"}),
        ("lampStuck", {"flashRate": "off"}),
        ("redChannelDead", {"flashRate": "quick", "color": "cyan", "direction": "entry"}),
    ],
)
async def test_a_lamp_that_fails_is_told_as_it_shines(
    simulated: Dialogue, simulator: Dialogue, fault: str, shows: dict[str, str]
) -> None:
    await simulator.success("Simulator.Inject", {"fault": fault, "unit": "cardReader.default"})
    assert await simulated.failure(SET, WHITE) == "lightError"
    assert (await status(simulated))["cardReader"]["default"] == shows
    await simulator.success("Simulator.ClearFaults")
    await simulated.success(SET, WHITE)


@pytest.mark.parametrize("command", ["Common.Status", "Common.Capabilities"])
async def test_the_simulated_fascia_has_nothing_that_the_newest_catalogue_lacks(
    simulated: Dialogue, command: str
) -> None:
    assert problems("2024-3", await simulated.completion(command)) == []


async def test_lights_that_cannot_be_reached_are_not_ready(simulated: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "controllerOffline"})
    assert await simulated.failure(SET, WHITE) == "deviceNotReady"


async def test_a_switch_at_the_machine_is_told(simulated: Dialogue, simulator: Dialogue) -> None:
    await simulator.success(
        "Simulator.SwitchLight", {"light": "fasciaLight", "position": "logo", "color": "cyan"}
    )
    event = await simulated.until("unsolicited", name="Common.StatusChangedEvent")
    assert event["payload"]["lights"] == {
        "fasciaLight": {"logo": {"flashRate": "continuous", "color": "cyan"}}
    }
    assert await simulator.failure("Simulator.SwitchLight", {"light": "jukebox"}) == "invalidData"
    svg = (await simulator.success("Simulator.DrawLights", {}))["svg"]
    assert any("fasciaLight.logo: continuous cyan" in (one.text or "") for one in ElementTree.fromstring(svg))
