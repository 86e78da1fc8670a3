"""Whose a PIN is, over the wire: its client's, and nobody else uses, keeps or prepares it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from fingers import DIGITS, entry, pin_entered
from host import b64, imported
from test_german import RECEIVE, SEND
from test_key_management import publisher_with
from test_pin_pad import AES, BLOCK, DES, PRESENT, TDES, VISA, block

import xfs4iot
from dialogue import Dialogue, another, dialogue, outcome
from vendors import serving
from xfs4iot import devices
from xfs4iot.protocol import errors

COMPARE = {"protocol": "pinCmp", "msg": b64(b"compare")}
USES: dict[str, dict[str, Any]] = {
    BLOCK: block(),
    "PinPad.LocalDES": DES,
    "PinPad.LocalVisa": {**VISA, "key": "PVV"},
    "PinPad.PresentIDC": PRESENT,
    SEND: COMPARE,
}
KEEP = ("PinPad.MaintainPin", {"maintainPIN": True})
KINDS = 'KeyManagement", "Keyboard", "PinPad'
PREPARE = "PinPad.SetPinBlockData"


async def keys_loaded(pad: Dialogue) -> None:
    for number, (name, kind) in enumerate((("PEK", "P0 T E"), ("PVK", "V1 T V"), ("PVV", "V2 T V"))):
        await imported(pad, name, kind, bytes([TDES[0] ^ number << 1]) + TDES[1:])


@pytest.mark.parametrize("command", USES)
async def test_no_other_client_uses_a_pin_and_its_own_can_still(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, command: str
) -> None:
    await keys_loaded(pad)
    other = await another(pad, nursery)
    await pin_entered(pad, simulator, "1234")
    for stranger in USES:
        assert await other.failure(stranger, USES[stranger]) == "noPin"
    await pad.success(command, USES[command])
    for client in (pad, other):
        assert await client.failure(command, USES[command]) == "noPin"


async def test_no_other_client_sends_a_pin_to_its_host(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery
) -> None:
    other = await another(pad, nursery)
    await pin_entered(pad, simulator, "1234")
    ask = {"protocol": "genAs", "msg": b64(b"x")}
    assert await other.failure(SEND, ask) == "noPin"
    await pad.success(SEND, ask)
    # Without any PIN there is nothing that could be somebody else's.
    answer = await simulator.success("Simulator.AnswerAsHost", {"content": b64(b"answer")})
    await pad.success(RECEIVE, {"protocol": "genAs", "msg": answer["msg"]})
    await pad.success(SEND, ask)


async def test_what_one_client_keeps_another_does_not(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery
) -> None:
    await keys_loaded(pad)
    other = await another(pad, nursery)
    await pad.success(*KEEP)
    await pin_entered(other, simulator, "1234")
    await other.success(BLOCK, block())
    assert await other.failure(BLOCK, block()) == "noPin"
    await pin_entered(pad, simulator, "1234")
    for _ in range(2):
        await pad.success(BLOCK, block())


@pytest.mark.parametrize("end", [("PinPad.MaintainPin", {"maintainPIN": False}), ("PinPad.Reset", None)])
async def test_whoever_ends_all_pins_ends_that_of_another_too(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, end: tuple[str, Any]
) -> None:
    await keys_loaded(pad)
    other = await another(pad, nursery)
    await pad.success(*KEEP)
    await pin_entered(pad, simulator, "1234")
    await other.success(*end)
    assert await pad.failure(BLOCK, block()) == "noPin"
    await pin_entered(pad, simulator, "1234")
    await pad.success(BLOCK, block())
    assert await pad.failure(BLOCK, block()) == "noPin"


class Pad(devices.Keyboard, devices.PinPad):
    """A vendor's pad that notes what it is told of PINs."""

    pin_can_persist_after_use = True
    layouts = {"pin": (devices.KeyFrame(devices.key_grid((*DIGITS, "enter"))),)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__("Pad")
        self.told: list[Any] = []
        self.heard = trio.Event()
        self.entered, self.go_on = trio.Event(), trio.Event()

    async def pin_entry(self, request: Any, events: Any) -> devices.PinEntered:
        # Firmware that does not let itself be disturbed.
        with trio.CancelScope(shield=True):
            self.entered.set()
            await self.go_on.wait()
        return devices.PinEntered(4, "enter")

    async def forget_pin(self) -> None:
        self.told.append("forgotten")
        self.heard.set()

    async def maintain_pin(self, maintain: bool) -> None:
        self.told.append(maintain)
        if not maintain:
            self.heard.set()


async def test_a_device_keeps_pins_as_long_as_a_client_is_there_that_wants_it(nursery: trio.Nursery) -> None:
    pad = Pad()
    client = await serving(pad, nursery)
    others = [await another(client, nursery) for _ in range(2)]
    for other in others:
        await other.success(*KEEP)
    await others[0].connection.aclose()
    await client.success("Common.Status")
    assert pad.told == [True, True]
    await others[1].connection.aclose()
    await pad.heard.wait()
    assert pad.told == [True, True, False]


async def test_what_is_to_be_forgotten_again_is_not_the_pin_that_is_entered_meanwhile(
    nursery: trio.Nursery,
) -> None:
    pad = Pad()
    forgets = pad.forget_pin

    async def fails() -> None:
        await forgets()
        raise errors.HardwareError("busy")

    pad.forget_pin = fails  # type: ignore[method-assign]
    pad.go_on.set()
    client = await serving(pad, nursery)
    other = await another(client, nursery)
    keys = {"activeKeys": {"one": {}, "enter": {"terminate": True}}}
    await client.success("Keyboard.PinEntry", keys)
    pad.entered, pad.go_on = trio.Event(), trio.Event()
    await client.connection.aclose()
    await pad.heard.wait()
    entry = await other.send("Keyboard.PinEntry", keys)
    await pad.entered.wait()
    told = len(pad.told)
    await trio.sleep(0.5)
    pad.go_on.set()
    assert outcome(await other.until("completion", entry)) == "success"
    await trio.sleep(0.5)
    assert len(pad.told) == told


async def test_a_pin_whose_client_has_gone_as_it_was_entered_is_forgotten(nursery: trio.Nursery) -> None:
    pad = Pad()
    client = await serving(pad, nursery)
    await client.send("Keyboard.PinEntry", {"activeKeys": {"one": {}, "enter": {"terminate": True}}})
    await pad.entered.wait()
    bystander = await another(client, nursery)
    await client.connection.aclose()
    pad.go_on.set()
    await pad.heard.wait()
    assert pad.told == ["forgotten"]
    assert (await bystander.success("Common.Status"))["common"]["device"] == "online"


async def that_must_know(
    nursery: trio.Nursery, tmp_path: Path, more: str = "set_pinblock_data_required = true"
) -> xfs4iot.Publisher:
    keys = {"PEK": ("P0", "T", "E", TDES.hex()), "OTHER": ("P0", "T", "E", AES.hex())}
    return await publisher_with(nursery, tmp_path, more, kinds=KINDS, **keys)


async def test_a_pin_stays_for_what_it_was_entered_for(nursery: trio.Nursery, tmp_path: Path) -> None:
    publisher = await that_must_know(nursery, tmp_path)
    pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    await pad.success(PREPARE, block())
    await pin_entered(pad, simulator, "1234")
    await pad.success(PREPARE, block(key="OTHER"))
    assert await pad.failure(BLOCK, block(key="OTHER")) == "invalidData"
    await pad.success(BLOCK, block())


async def test_what_a_pin_is_for_is_said_by_its_own_client(nursery: trio.Nursery, tmp_path: Path) -> None:
    publisher = await that_must_know(nursery, tmp_path)
    pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    other: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    active = {"activeKeys": {"one": {}, "enter": {"terminate": True}}}
    await other.success(PREPARE, block(key="OTHER"))
    assert await pad.failure("Keyboard.PinEntry", active) == "sequenceError"
    await other.connection.aclose()
    third: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    assert await third.failure("Keyboard.PinEntry", active) == "sequenceError"
    await pad.success(PREPARE, block())
    await pin_entered(pad, simulator, "1234")
    await pad.success(BLOCK, block())


async def test_a_device_may_say_that_pins_are_for_all_clients(nursery: trio.Nursery, tmp_path: Path) -> None:
    more = "set_pinblock_data_required = true\npins_for_all_clients = true"
    publisher = await that_must_know(nursery, tmp_path, more)
    screen: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    host: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    await host.success(*KEEP)
    await host.success(PREPARE, block())
    await pin_entered(screen, simulator, "1234")
    for client in (host, screen):
        await client.success(BLOCK, block())
    # It still ends with the client that had it entered.
    await screen.connection.aclose()
    assert await host.failure(BLOCK, block()) in ("noPin", "sequenceError")


async def test_a_module_is_free_again_if_its_client_goes_while_it_sends(nursery: trio.Nursery) -> None:
    class Module(devices.German):
        def __init__(self) -> None:
            super().__init__("Module")
            self.sending, self.go_on = trio.Event(), trio.Event()

        async def secure_msg_send(self, protocol: str, msg: bytes | None) -> bytes:
            self.sending.set()
            await self.go_on.wait()
            return b"secured"

    module = Module()
    client = await serving(module, nursery)
    other = await another(client, nursery)
    await client.send(SEND, {"protocol": "rawData", "msg": b64(b"x")})
    await module.sending.wait()
    await client.connection.aclose()
    await other.success("Common.Status")
    module.go_on.set()
    await other.success(SEND, {"protocol": "rawData", "msg": b64(b"x")})


async def test_an_entry_that_another_client_begins_ends_the_pin_before(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery
) -> None:
    await keys_loaded(pad)
    other = await another(pad, nursery)
    await pin_entered(pad, simulator, "1234")
    request = {"activeKeys": {"one": {}, "cancel": {"terminate": True}}}
    await entry(other, simulator, "Keyboard.PinEntry", request, "1 cancel")
    for client in (pad, other):
        assert await client.failure(BLOCK, block()) == "noPin"
