"""How a client's version is found, and what a version lacks or says otherwise, over the wire."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from xfs4iot.conformance.schemas import problems
from xfs4iot.devices import Device
from xfs4iot.interfaces.common.common import Common
from xfs4iot.protocol.messages import auxiliaries, cash_management
from xfs4iot.protocol.messages import deposit as deposit_messages
from xfs4iot.protocol.versions import telling_version
from xfs4iot.server.handler import Interface, handles
from xfs4iot.server.service import Service

VERSIONS = ("2021-1", "2023-2", "2024-3")
NEWER = VERSIONS[1:]


def fields(message: dict[str, Any]) -> dict[str, Any]:
    """What the envelope says, wherever this version puts it."""
    found: dict[str, Any] = message["header"] | message.get("payload", {})
    return found


async def ended(client: Dialogue, name: str, payload: Any = None, **header: Any) -> dict[str, Any]:
    """A command's completion; its acknowledge and itself valid in the client's version."""
    request_id = await client.send(name, {} if payload is None else payload, **header)
    acknowledge = await client.until("acknowledge", request_id)
    completion = await client.until("completion", request_id)
    wrong = [one for message in (acknowledge, completion) for one in problems(client.specification, message)]
    assert not wrong, wrong
    return completion


@pytest.fixture
async def clients(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> dict[str, Dialogue]:
    """One client of each version, each of which has spoken."""
    found: dict[str, Dialogue] = {
        version: await nursery.start(dialogue, atm.uri("CashDispenser"), version) for version in VERSIONS
    }
    for client in found.values():
        await ended(client, "Common.Status")
    return found


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_refusal_is_in_the_clients_envelope(clients: dict[str, Dialogue], version: str) -> None:
    client = clients[version]
    twice = [await client.send("CashManagement.Reset", {}, requestId=70) for _ in range(2)]
    assert twice == [70, 70]
    refusals = [await client.until("acknowledge", 70) for _ in range(2)][1:]
    refusals.append(await refusal(client, await client.send("Common.Status", {}, requestId=0)))
    refusals.append(await refusal(client, await client.send("Common.Status", {}, type="completion")))
    await client.send_text("this is no message")
    unread = await client.until("acknowledge")
    expected = ["invalidRequestID", "invalidRequestID", "invalidMessage", "invalidMessage"]
    for message, status in zip([*refusals, unread], expected, strict=True):
        place = message["payload"] if version == "2021-1" else message["header"]
        assert place["status"] == status
        assert ("errorDescription" in place) == (version == "2021-1"), (
            "later acknowledges have no place for it"
        )
        assert ("version" in message["header"]) == (version != "2021-1")
    wrong = [one for message in refusals for one in problems(version, message)]
    assert not wrong, wrong


async def refusal(client: Dialogue, request_id: int) -> dict[str, Any]:
    return await client.until("acknowledge", request_id)


async def test_a_client_that_has_not_spoken_is_told_events_and_refusals_as_the_newest_has_them(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, clients: dict[str, Dialogue]
) -> None:
    silent: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"))
    await ended(clients["2023-2"], "Storage.StartExchange")
    event = await silent.until("unsolicited", name="Common.StatusChangedEvent")
    assert not problems("2024-3", event)
    await silent.send_text("[]")
    assert (await silent.until("acknowledge"))["header"]["status"] == "invalidMessage"


async def test_the_version_in_a_commands_header_rules_its_answers(clients: dict[str, Dialogue]) -> None:
    client = clients["2024-3"]
    newest = await client.completion("Common.Capabilities")
    older = await client.completion("Common.Capabilities", version="2.0")
    oldest = await client.completion("Common.Capabilities", version="1.0")
    assert [one["header"]["version"] for one in (newest, oldest)] == ["3.0", "1.0"]
    assert not problems("2024-3", older)
    request_id = await client.send("Common.Capabilities", {}, version=None)
    assert fields(await client.until("acknowledge", request_id))["status"] == "ok"
    assert not problems("2021-1", await client.until("completion", request_id))


async def test_a_version_that_is_not_served_is_refused_with_those_that_are(dispenser: Dialogue) -> None:
    completion = await dispenser.completion("Common.Status", version="9.0")
    assert outcome(completion) == "invalidCommand"
    assert "1.0, 2.0, 3.0" in completion["header"]["errorDescription"]


async def test_a_version_that_two_share_means_the_older_until_the_client_has_shown_the_newer(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"))
    before = await client.completion("Common.Status", version="2.0")
    shown = await client.completion("Common.Status", version="3.0")
    after = await client.completion("Common.Status", version="2.0")
    assert [one["header"]["version"] for one in (before, shown, after)] == ["2.0", "3.0", "3.0"]


async def test_set_versions_changes_one_connection_only(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    one: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"))
    other: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"))
    await one.success("Common.SetVersions", {"commands": {"Common.Status": 3}}, version="2.0")
    answers = [await client.completion("Common.Status", version="2.0") for client in (one, other)]
    assert [answer["header"]["version"] for answer in answers] == ["3.0", "2.0"]


async def test_set_versions_with_a_version_that_two_share_decides_nothing(
    clients: dict[str, Dialogue],
) -> None:
    client = clients["2023-2"]
    await client.success("Common.SetVersions", {"commands": {"Common.Status": 2, "Common.Cancel": 2}})
    assert (await ended(client, "Common.Status"))["header"]["version"] == "2.0"


async def test_set_versions_chooses_the_version_of_an_event_and_of_nothing_else(
    clients: dict[str, Dialogue],
) -> None:
    client = clients["2024-3"]
    await client.success("Common.SetVersions", {"events": {"Common.StatusChangedEvent": 1}})
    await ended(clients["2023-2"], "Storage.StartExchange")
    changed = await client.until("unsolicited", name="Common.StatusChangedEvent")
    assert changed["header"]["version"] == "1.0"
    assert changed["payload"] == {"exchange": "active"}
    assert (await client.completion("Common.Status", version="2.0"))["header"]["version"] == "3.0"


async def test_a_command_in_version_1_with_a_header_of_later_versions_is_answered_with_both(
    atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    client: Dialogue = await nursery.start(dialogue, atm.uri("CashDispenser"))
    flat = {"denomination": {"denomination": {"currencies": {"EUR": 50}}, "mix": "mix1"}}
    request_id = await client.send("CashDispenser.Dispense", flat, version="1.0")
    done = await client.until("completion", request_id)
    assert (done["header"]["version"], outcome(done)) == ("1.0", "success")
    event = await client.until("event", request_id, "CashDispenser.StartDispenseEvent")
    assert event["header"]["version"] == "1.0"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, "no version was chosen"),
        ({"commands": {"Common.Status": 7}}, "Common.Status: version 7 is not served; 1.0, 2.0, 3.0"),
        ({"commands": {"Common.Stats": 2}}, "there is no such message"),
        ({"events": {"Common.StatusChangedEvent": 9}}, "version 9 is not served"),
    ],
)
async def test_set_versions_is_validated_and_changes_nothing_when_wrong(
    dispenser: Dialogue, wanted: dict[str, Any], words: str
) -> None:
    wanted = {"commands": {"Common.Status": 3}, **wanted} if "events" in wanted else wanted
    completion = await dispenser.completion("Common.SetVersions", wanted, version="2.0")
    assert outcome(completion) == "invalidData"
    assert words in completion["header"]["errorDescription"]
    assert (await dispenser.completion("Common.Status", version="2.0"))["header"]["version"] == "2.0"


@pytest.mark.parametrize("version", VERSIONS)
async def test_capabilities_list_every_version_of_each_command_and_event(
    clients: dict[str, Dialogue], version: str
) -> None:
    listed = (await ended(clients[version], "Common.Capabilities"))["payload"]["interfaces"]
    common = next(one for one in listed if one["name"] == "Common")
    assert common["commands"]["Common.Status"]["versions"] == ["1.0", "2.0", "3.0"]
    assert {"1.0", "2.0", "3.0"} <= set(common["events"]["Common.StatusChangedEvent"]["versions"])


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_timeout_counts_wherever_the_version_puts_it(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery, version: str
) -> None:
    client: Dialogue = await nursery.start(dialogue, slow_atm.uri("CashDispenser"), version)
    await client.send("CashManagement.Reset", {})
    legacy = version == "2021-1"
    late = await ended(
        client, "CashManagement.Reset", {"timeout": 50} if legacy else {}, timeout=None if legacy else 50
    )
    assert fields(late)["completionCode"] == "timeOut"


async def test_power_is_saved_by_the_command_of_either_version_and_each_sees_it_in_its_own_place(
    clients: dict[str, Dialogue],
) -> None:
    name = "Common.PowerSaveControl"
    for client, command, seconds in (
        (clients["2021-1"], name, 3),
        (clients["2023-2"], name, 4),
        (clients["2024-3"], f"PowerManagement{name[6:]}", 2),
        (clients["2024-3"], name, 0),
    ):
        done = await ended(client, command, {"maxPowerSaveRecoveryTime": seconds})
        assert outcome(done) == "success"
        for version, other in clients.items():
            status = (await ended(other, "Common.Status"))["payload"]
            assert status["common"]["powerSaveRecoveryTime"] == seconds
            assert status.get("powerManagement") == (
                {"powerSaveRecoveryTime": seconds} if version == "2024-3" else None
            )


async def test_a_device_saving_power_wakes_when_it_is_to_move(clients: dict[str, Dialogue]) -> None:
    client = clients["2024-3"]
    await ended(client, "PowerManagement.PowerSaveControl", {"maxPowerSaveRecoveryTime": 5})
    await ended(client, "CashManagement.Reset")
    status = (await ended(client, "Common.Status"))["payload"]
    assert status["powerManagement"]["powerSaveRecoveryTime"] == 0


async def test_power_save_without_a_time_is_invalid_data(clients: dict[str, Dialogue]) -> None:
    done = await ended(clients["2024-3"], "PowerManagement.PowerSaveControl")
    assert outcome(done) == "invalidData"


async def test_a_client_is_not_offered_what_only_a_later_version_has(clients: dict[str, Dialogue]) -> None:
    request_id = await clients["2021-1"].send("PowerManagement.PowerSaveControl", {})
    assert fields(await clients["2021-1"].until("acknowledge", request_id))["status"] == "ok"
    completion = await clients["2021-1"].until("completion", request_id)
    assert completion["payload"]["completionCode"] == "unsupportedCommand"
    assert "2021-1" in completion["payload"]["errorDescription"]
    for version, client in clients.items():
        capabilities = (await ended(client, "Common.Capabilities"))["payload"]
        names = {one["name"] for one in capabilities["interfaces"]}
        assert ("PowerManagement" in names) == ("powerManagement" in capabilities) == (version == "2024-3")


async def test_an_error_code_that_a_version_lacks_becomes_a_completion_code(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, clients: dict[str, Dialogue]
) -> None:
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    await simulator.success("Simulator.OpenSafeDoor")
    asked = {"currencies": {"EUR": 50}}
    flat = {"denomination": {"denomination": asked, "mix": "mix1"}}
    grouped = {"denomination": {"denomination": {"service": {**asked, "mix": "mix1"}}}}
    for version, client in clients.items():
        done = await ended(client, "CashDispenser.Dispense", flat if version == "2021-1" else grouped)
        found = fields(done)
        codes = found["completionCode"], found.get("errorCode")
        older = ("userError", None)
        assert codes == (older if version == "2021-1" else ("commandErrorCode", "safeDoorOpen"))


async def test_an_event_that_a_version_sends_to_all_is_sent_to_all_of_that_version(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, clients: dict[str, Dialogue]
) -> None:
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    await simulator.success("Simulator.EmptyUnit", {"unit": "unit3"})
    asked = {"app": {"currencies": {"EUR": 50}, "counts": {"unit3": 1}}}
    await ended(clients["2024-3"], "CashDispenser.Dispense", {"denomination": {"denomination": asked}})
    for version, client in clients.items():
        await ended(client, "Common.Status")
        told = [one for one in client.passed if one["header"]["name"] == "Storage.StorageErrorEvent"]
        assert [one["header"]["type"] for one in told] == (
            {"2021-1": ["unsolicited"], "2023-2": [], "2024-3": ["event"]}[version]
        )
        assert not [problem for one in told for problem in problems(version, one)]


async def test_an_event_that_a_version_sends_with_a_command_goes_to_who_runs_it(
    slow_atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    uri = slow_atm.uri("CashDispenser")
    runs, other, newest = [
        await nursery.start(dialogue, uri, version) for version in ("2021-1", "2021-1", "2024-3")
    ]
    for client in (runs, other, newest):
        await ended(client, "Common.Status")
    request_id = await runs.send("CashManagement.Reset", {})
    await runs.until("acknowledge", request_id)
    await ended(runs, "Storage.GetStorage")
    device = slow_atm.services["CashDispenser"].device
    assert device is not None
    device.send(cash_management.MediaDetectedEvent(target="outDefault"))
    told = await runs.until("event", request_id)
    assert told["payload"] == {"outputPosition": "outDefault"}
    event = await newest.until("unsolicited", name="CashManagement.MediaDetectedEvent")
    assert event["payload"] == {"target": "outDefault"}
    assert not problems("2021-1", told)
    await ended(other, "Common.Status")
    assert not [one for one in other.passed if one["header"]["name"].endswith("MediaDetectedEvent")]


async def test_clients_whose_status_event_has_no_shutter_are_told_of_it_by_an_event_of_its_own(
    atm: xfs4iot.Publisher, nursery: trio.Nursery, clients: dict[str, Dialogue]
) -> None:
    simulator: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    newest = clients["2024-3"]
    await newest.success("CashManagement.OpenShutter", {})
    await newest.success("CashManagement.CloseShutter", {})
    await simulator.success("Simulator.Inject", {"fault": "shutterJammed"})
    for version, client in clients.items():
        await ended(client, "Common.Status")
        told = [one for one in client.passed if one["header"]["type"] == "unsolicited"]
        assert not [problem for one in told for problem in problems(version, one)]
        apart = [
            one["payload"] for one in told if one["header"]["name"].endswith("ShutterStatusChangedEvent")
        ]
        together = [
            at["shutter"]
            for one in told
            for at in one["payload"].get("cashDispenser", {}).get("positions", ())
            if "shutter" in at
        ]
        if version == "2021-1":
            # Dispenser and acceptor both tell of the output, which is one all the same.
            shutters = {
                place: [one["shutter"] for one in apart if one["position"] == place]
                for place in ("inDefault", "outDefault")
            }
            assert shutters["inDefault"] == shutters["outDefault"] == ["open", "closed", "jammed"]
            assert not together
        else:
            assert not apart
            assert together == ["open", "closed", "jammedClosed"]


class Auxiliaries(Interface):
    """One command that the versions of the standard spell differently."""

    name: ClassVar[str] = "Auxiliaries"

    @handles("Auxiliaries.GetAutoStartupTime")
    def get(self, request: None, command: object) -> auxiliaries.GetAutoStartupTimeCompletion:
        return auxiliaries.GetAutoStartupTimeCompletion(mode="daily")


class Deposit(Interface):
    """An interface that only the newest version has."""

    name: ClassVar[str] = "Deposit"

    @handles("Deposit.Retract")
    def retract(self, request: object, command: object) -> deposit_messages.RetractCompletion:
        return deposit_messages.RetractCompletion()


@pytest.fixture
async def others(nursery: trio.Nursery) -> xfs4iot.Publisher:
    """Services of an interface that is spelled otherwise, and of one that is new."""
    ledger = xfs4iot.Ledger.open(None)
    services = [
        Service(kind.name, Device(kind.name), [Common, kind], ledger=ledger.service(kind.name))
        for kind in (Auxiliaries, Deposit)
    ]
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_command_is_known_by_every_spelling_and_listed_by_the_versions_own(
    others: xfs4iot.Publisher, nursery: trio.Nursery, version: str
) -> None:
    client: Dialogue = await nursery.start(dialogue, others.uri("Auxiliaries"), version)
    own = "Auxiliaries.GetAutoStart" + ("UpTime" if version == "2023-2" else "upTime")
    other = "Auxiliaries.GetAutoStart" + ("upTime" if version == "2023-2" else "UpTime")
    assert (await ended(client, own))["payload"]["mode"] == "daily"
    number = None if version == "2021-1" else telling_version(own, version)
    request_id = await client.send(other, {}, version=number)
    await client.until("acknowledge", request_id)
    completion = await client.until("completion", request_id)
    assert completion["header"]["name"] == other
    assert completion["payload"]["mode"] == "daily"
    listed = (await ended(client, "Common.Capabilities"))["payload"]["interfaces"]
    assert list(next(one for one in listed if one["name"] == "Auxiliaries")["commands"]) == [own]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_service_of_a_new_interface_is_published_to_clients_that_may_know_it(
    others: xfs4iot.Publisher, nursery: trio.Nursery, version: str
) -> None:
    client: Dialogue = await nursery.start(dialogue, others.uri(), version)
    completion = await ended(client, "ServicePublisher.GetServices")
    names = [one["serviceURI"].rpartition("/")[2] for one in completion["payload"]["services"]]
    assert names == (["Auxiliaries"] if version == "2021-1" else ["Auxiliaries", "Deposit"])
