"""BanknoteNeutralization over the wire: systems that say what cannot be, fail, hang, and say nothing.

Whatever they do: no protection is told that may not be there, no note is paid out that may be stained, the
journal has what was asked for, and the next command is served.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import lies
import xfs4iot
from cash import chosen
from dialogue import Dialogue, dialogue
from secured_tokens import KEY, nonce, secured
from vendors import Minimal, refusal
from xfs4iot import devices, tokens
from xfs4iot.devices import BanknoteNeutralizationUnit
from xfs4iot.ledger import LedgerReader
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import banknote_neutralization as messages
from xfs4iot.protocol.messages import cash_management

SET = "BanknoteNeutralization.SetProtection"
TRIGGER = "BanknoteNeutralization.TriggerNeutralization"
DISPENSE = "CashDispenser.Dispense"
START, END = "Storage.StartExchange", "Storage.EndExchange"
ARM: dict[str, Any] = {"newState": "arm"}
NOW: dict[str, Any] = {"neutralizationAction": "trigger"}
PAY: dict[str, Any] = {"denomination": chosen({"unit1": 1})}
BOTH = {"set_protection": (SET, ARM), "trigger_neutralization": (TRIGGER, NOW)}
PATIENCE = 10
"""Seconds after which what does not react to being cancelled comes back all the same, so that a test ends."""


class Silent(Minimal, devices.BanknoteNeutralization):
    """A dispenser whose system says nothing by itself, neither of its state nor of its cassettes.

    Attributes:
        acts: by operation, what it does instead of its work.
    """

    def __init__(self, name: str = "Silent") -> None:
        super().__init__(name)
        self.acts: dict[str, Callable[[], Any]] = {}
        exchange = cash_management.CapabilitiesExchangeType(by_hand=True)
        self.capabilities.cash_management = cash_management.Capabilities(exchange_type=exchange)

    async def _act(self, name: str) -> Any:
        return await self.acts[name]() if name in self.acts else None

    async def set_protection(self, new_state: devices.Protection) -> Any:
        return await self._act("set_protection")

    async def trigger_neutralization(self) -> Any:
        return await self._act("trigger_neutralization")


class Inked(Silent):
    """The same, and it names a cassette, of which it never says anything again."""

    def __init__(self, name: str = "Silent") -> None:
        super().__init__(name)
        self.ink = BanknoteNeutralizationUnit(capacity=100, protection="armed", identifier="A1")

    async def units(self) -> Any:
        return {"unit1": ((await self.cash_units())["unit1"], self.ink)}


def raising(make: Callable[[], BaseException]) -> Callable[[], Any]:
    async def act() -> None:
        raise make()

    return act


def returning(make: Callable[[], Any]) -> Callable[[], Any]:
    async def act() -> Any:
        return make()

    return act


async def served(nursery: trio.Nursery, *made: devices.Device, **settings: Any) -> list[Dialogue]:
    """Services whose devices count as hung after a moment."""
    settings = {"operation_limit": 0.1, "restart_seconds": 0.001, **settings}
    services = [xfs4iot.Service(one, **settings) for one in made]
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return [await nursery.start(dialogue, publisher.uri(one.name)) for one in made]


async def mode(client: Dialogue) -> str:
    found: str = (await client.success("Common.Status"))["banknoteNeutralization"]["state"]["mode"]
    return found


def journal(file: Path) -> list[tuple[str, str]]:
    with LedgerReader.open(file) as reader:
        assert reader.verify().problems == []
        return [
            (one.intent.command.partition(".")[2], one.outcome)
            for one in reader.movements()
            if one.intent.kind.startswith("neutralization")
        ]


async def hang() -> None:
    await trio.sleep_forever()


UNKNOWN: dict[str, Callable[[], Any]] = {
    "raises": raising(lambda: RuntimeError("torn off")),
    "is broken": raising(lambda: errors.HardwareError("who knows")),
    "raises what the command lacks": raising(lambda: refusal("noItems")),
    "returns something": returning(lambda: "armed"),
    "returns what raises": returning(lies.Weird),
    "hangs": hang,
}


@pytest.mark.parametrize("how", UNKNOWN)
@pytest.mark.parametrize("name", BOTH)
async def test_a_protection_of_which_nobody_knows_is_not_told_as_the_one_before(
    nursery: trio.Nursery, tmp_path: Path, name: str, how: str
) -> None:
    device = Silent()
    (client,) = await served(nursery, device, ledger=xfs4iot.Ledger.open(tmp_path / "ledger"))
    await client.success(SET, ARM)
    assert await mode(client) == "armed"
    device.acts[name] = UNKNOWN[how]
    command, payload = BOTH[name]
    assert await client.failure(command, payload) == "hardwareError"
    assert await mode(client) == "fault"
    device.acts.clear()
    await client.success(SET, ARM)
    assert await mode(client) == "armed"
    assert journal(tmp_path / "ledger") == [
        ("SetProtection", "done"),
        (command.partition(".")[2], "unknown"),
        ("SetProtection", "done"),
    ]


@pytest.mark.parametrize("name", BOTH)
async def test_what_is_refused_changes_nothing(nursery: trio.Nursery, name: str) -> None:
    device = Silent()
    (client,) = await served(nursery, device)
    await client.success(SET, ARM)
    device.acts[name] = raising(lambda: errors.DeviceNotReady("its door is open"))
    assert await client.failure(*BOTH[name]) == "deviceNotReady"
    assert await mode(client) == "armed"
    await client.success(DISPENSE, PAY)


@pytest.mark.parametrize("how", [None, *UNKNOWN])
async def test_no_note_that_may_be_stained_is_paid_out_until_it_was_exchanged(
    nursery: trio.Nursery, tmp_path: Path, how: str | None
) -> None:
    for life in ("triggered", "exchanged", "afterwards"):
        device = Silent()
        with xfs4iot.Ledger.open(tmp_path / "ledger") as ledger:
            async with trio.open_nursery() as living:
                (client,) = await served(living, device, ledger=ledger)
                if life == "triggered":
                    if how is not None:
                        device.acts["trigger_neutralization"] = UNKNOWN[how]
                    await client.completion(TRIGGER, NOW)
                    device.acts.clear()
                    await client.success(SET, {"newState": "disarm"})
                if life != "afterwards":
                    assert await client.failure(DISPENSE, PAY) == "cashUnitError"
                if life == "exchanged":
                    await client.success(START)
                    await client.success(END)
                if life != "triggered":
                    await client.success(DISPENSE, PAY)
                living.cancel_scope.cancel()


async def test_a_trigger_that_the_power_cut_short_counts_where_nobody_says_more(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    file = tmp_path / "ledger"
    with xfs4iot.Ledger.open(file) as ledger:
        await ledger.service("Silent").begin("neutralizationTrigger", command=TRIGGER)
    (client,) = await served(nursery, Silent(), ledger=xfs4iot.Ledger.open(file))
    assert journal(file) == [("TriggerNeutralization", "unknown")]
    assert await client.failure(DISPENSE, PAY) == "cashUnitError"


async def test_a_system_that_says_that_it_is_armed_has_stained_nothing(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    class Saying(Silent):
        async def open(self) -> None:
            await super().open()
            self.status.banknote_neutralization.state = messages.State(mode="armed")

    file = tmp_path / "ledger"
    with xfs4iot.Ledger.open(file) as ledger:
        await ledger.service("Silent").begin("neutralizationTrigger", command=TRIGGER)
    (client,) = await served(nursery, Saying(), ledger=xfs4iot.Ledger.open(file))
    await client.success(DISPENSE, PAY)


async def test_a_trigger_that_succeeded_has_stained_cassettes_that_say_nothing(nursery: trio.Nursery) -> None:
    device = Inked()
    (client,) = await served(nursery, device)
    await client.success(TRIGGER, NOW)
    event = await client.until("unsolicited", name="Storage.StorageChangedEvent")
    protection = event["payload"]["unit1"]["banknoteNeutralization"]["protection"]
    assert protection == "neutralizationTriggered"
    await client.success(SET, {"newState": "disarm"})
    assert await client.failure(DISPENSE, PAY) == "cashUnitError"
    device.ink = dataclasses.replace(device.ink, protection="disarmed")
    await client.success(START)
    await client.success(END)
    await client.success(DISPENSE, PAY)


@pytest.mark.parametrize("name", BOTH)
async def test_what_comes_back_late_is_not_believed(nursery: trio.Nursery, name: str) -> None:
    device = Silent()
    (client,) = await served(nursery, device)
    back = trio.Event()

    async def late() -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(PATIENCE):
            await back.wait()

    device.acts[name] = late
    assert await client.failure(*BOTH[name]) == "hardwareError"
    assert await client.failure(*BOTH[name]) == "deviceNotReady"
    back.set()
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert await mode(client) == "fault"
    device.acts.clear()
    await client.success(*BOTH[name])


@pytest.mark.parametrize("name", BOTH)
async def test_whatever_an_operation_raises_is_its_own_fault(nursery: trio.Nursery, name: str) -> None:
    device, other = Silent(), Minimal("Other")
    client, beside = await served(nursery, device, other)
    for make in lies.RAISED:
        device.acts[name] = raising(make)
        code = await client.failure(*BOTH[name])
        assert code in ("hardwareError", "deviceNotReady", "userError"), make()
        assert await mode(client) == "fault"
    device.acts.clear()
    await client.success(*BOTH[name])
    assert (await beside.success("Common.Status"))["common"]["device"] == "online"


@pytest.mark.parametrize("name", BOTH)
async def test_what_returns_nothing_has_nothing_to_return(nursery: trio.Nursery, name: str) -> None:
    device = Silent()
    (client,) = await served(nursery, device)
    for make in (*lies.SCALARS, *lies.STRUCTURES):
        device.acts[name] = returning(make)
        assert await client.failure(*BOTH[name]) == "hardwareError", make
    assert await mode(client) == "fault"


async def test_a_token_is_spent_once_whatever_the_system_does(nursery: trio.Nursery) -> None:
    device = Silent()
    (client,) = await served(nursery, device, security=secured())
    for act in UNKNOWN.values():
        device.acts = dict.fromkeys(BOTH, act)
        for command, payload, says in (
            (SET, ARM, {"SETPROTECTION": "ARM"}),
            (TRIGGER, NOW, {"TRIGGERNEUTRALIZATION": "TRIGGER"}),
        ):
            token = tokens.make_token(KEY, await nonce(client), says)
            assert await client.failure(command, {**payload, "token": token}) == "hardwareError"
            assert await client.failure(command, {**payload, "token": token}) == "noCommandNonce"


def _cassette(**fields: Any) -> Any:
    return dataclasses.replace(BanknoteNeutralizationUnit(capacity=100, protection="armed"), **fields)


SAID: dict[str, Callable[[Inked], object]] = {
    "a protection that does not exist": lambda d: d.neutralization_changed(
        "unit1", _cassette(protection="on")
    ),
    "no protection": lambda d: d.neutralization_changed("unit1", _cassette(protection=None)),
    "an identifier as a number": lambda d: d.neutralization_changed("unit1", _cassette(identifier=7)),
    "a lid as a truth value": lambda d: d.neutralization_changed("unit1", _cassette(lid=True)),
    "a power supply as text": lambda d: d.neutralization_changed("unit1", _cassette(power_supply="full")),
    "a cassette that does not exist": lambda d: d.neutralization_changed("unit9", _cassette()),
    "a cassette that cannot be a key": lambda d: d.neutralization_changed([], _cassette()),  # type: ignore[arg-type]
    "a unit of cash": lambda d: d.neutralization_changed("unit1", 5),  # type: ignore[arg-type]
    "a mode that does not exist": lambda d: setattr(d.status.banknote_neutralization.state, "mode", "on"),
    "a state as text": lambda d: setattr(d.status.banknote_neutralization, "state", "armed"),
    "no status": lambda d: setattr(d.status, "banknote_neutralization", None),
    "a door as a number": lambda d: setattr(d.status.banknote_neutralization, "safe_door", 1),
    "warnings as a list": lambda d: setattr(d.status.banknote_neutralization, "warnings", ["alarm"]),
    "inputs as a list": lambda d: setattr(d.status.banknote_neutralization, "custom_inputs", ["maintenance"]),
}


@pytest.mark.parametrize("what", SAID)
async def test_what_cannot_be_said_is_not_told(nursery: trio.Nursery, what: str) -> None:
    device = Inked()
    (client,) = await served(nursery, device)
    await client.success(SET, ARM)

    async def says() -> None:
        SAID[what](device)

    device.acts["set_protection"] = says
    await client.completion(SET, ARM)
    with contextlib.suppress(Exception):
        SAID[what](device)
    await trio.testing.wait_all_tasks_blocked(0.05)
    device.acts.clear()
    await client.success(SET, ARM)
    assert await mode(client) == "armed"
    storage = (await client.success("Storage.GetStorage"))["storage"]
    assert set(storage) == {"unit1"}
    assert storage["unit1"]["banknoteNeutralization"]["protection"] == "armed"
    await client.success(DISPENSE, PAY)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("protection", "on"),
        ("protection", None),
        ("identifier", "A" * 10**6 + "-"),
        ("identifier", b"A1"),
        ("warning", "fire"),
        ("tilt", True),
        ("lid", 1),
        ("power_supply", {"powerInStatus": "powering"}),
        ("storage_unit_identifier", 7),
        ("capacity", 50),
    ],
    ids=lambda value: f"{value!r:.20}",
)
async def test_a_cassette_that_cannot_be_is_not_told_and_pays_nothing_out(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, name: str, wrong: Any
) -> None:
    device = Inked()
    device.ink = dataclasses.replace(device.ink, **{name: wrong})
    client, beside = await served(nursery, device, Minimal("Other"))
    assert await client.success("Storage.GetStorage") == {}
    (line,) = [text for text in caplog.messages if "Inked.units returned what cannot be" in text]
    assert len(line) < 1000
    # No unit has a value or a currency.
    assert await client.failure(DISPENSE, PAY) == "invalidCurrency"
    assert (await beside.success("Common.Status"))["common"]["device"] == "online"


STATED: Mapping[str, Any] = {
    "gas_sensor": "yes",
    "neutralization_mode": "sometimes",
    "safe_seismic_sensor": 3,
}


@pytest.mark.parametrize("name", STATED)
async def test_what_a_class_states_wrongly_is_left_out(nursery: trio.Nursery, name: str) -> None:
    device = type("Stating", (Inked,), {name: STATED[name]})()
    client, beside = await served(nursery, device, Minimal("Other"))
    await client.success("Common.Capabilities")
    await client.success(SET, ARM)
    assert (await beside.success("Common.Status"))["common"]["device"] == "online"
