"""What is kept from one command to the next: each end of the table in docs/keys.md ends it, and nothing else.

A row of the table is made, something happens, and it is looked at whether the row is still there.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from fingers import DIGITS, entry, pin_entered, secure_entered
from host import KBPK, KEK, b64, ecb, imported, unb64
from test_key_management import publisher_with
from test_pin_pad import BLOCK, block
from test_remote_loading import HOST_PUBLIC, host_key, signed_by_manufacturer, transport_key

from dialogue import Dialogue, another, dialogue, outcome

IMPORT, DETAIL = "KeyManagement.ImportKey", "KeyManagement.GetKeyDetail"
SEND, START = "German.SecureMsgSend", "KeyManagement.StartAuthenticate"
PIN_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
PART = {
    "key": "Master",
    "keyAttributes": {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D"},
    "constructing": True,
}
KINDS = 'KeyManagement", "Keyboard", "PinPad", "German'
TABLE = Path(__file__).parents[3] / "docs" / "keys.md"


@dataclass
class Bench:
    """Clients of one pad.

    Attributes:
        client: whose state it is.
        other: of the same pad.
    """

    nursery: trio.Nursery
    client: Dialogue
    other: Dialogue
    simulator: Dialogue
    random: bytes = b""

    async def at_hand(self) -> Dialogue:
        """The client, or another if its connection has ended."""
        with suppress(Exception):
            await self.client.success("Common.Status")
            return self.client
        return self.other


async def enter(client: Dialogue, bench: Bench) -> None:
    await pin_entered(client, bench.simulator, "1234")


async def compare(client: Dialogue, bench: Bench) -> int:
    """What the module says of a PIN: 0: it is kept, 1: it is the one that was kept."""
    await enter(client, bench)
    return await compared(client)


async def compared(client: Dialogue) -> int:
    made = await client.success(SEND, {"protocol": "pinCmp", "msg": b64(b"x")})
    return unb64(made["msg"])[6]


async def has_pin(bench: Bench) -> bool:
    answer = await (await bench.at_hand()).completion(BLOCK, block())
    return outcome(answer) == "success"


async def has_compared(bench: Bench) -> bool:
    return await compare(await bench.at_hand(), bench) == 1


async def prepare(bench: Bench) -> None:
    await bench.client.success("PinPad.SetPinBlockData", block())


ENTRY = {"activeKeys": {"one": {}, "cancel": {"terminate": True}}}


async def has_prepared(bench: Bench) -> bool:
    client = await bench.at_hand()
    number = await client.send("Keyboard.PinEntry", ENTRY)
    while True:
        message = await client.receive()
        if message["header"]["name"] == "Keyboard.EnterDataEvent":
            await bench.simulator.success("Simulator.PressPinPadKeys", {"keys": ["cancel"]})
        if message["header"]["type"] == "completion" and message["header"]["requestId"] == number:
            return outcome(message) == "success"


async def keeps_pins(bench: Bench) -> bool:
    client = await bench.at_hand()
    await enter(client, bench)
    await client.success(BLOCK, block())
    return await has_pin(bench)


async def enter_part(bench: Bench) -> None:
    await secure_entered(bench.client, bench.simulator, bytes(range(16)))


async def has_part(bench: Bench) -> bool:
    """Whether what was entered can be stored."""
    return outcome(await (await bench.at_hand()).completion(IMPORT, PART)) == "success"


async def store_part(bench: Bench) -> None:
    await enter_part(bench)
    await bench.client.success(IMPORT, PART)


async def has_parts(bench: Bench) -> bool:
    """Whether no other key can be imported, as one is constructed."""
    value = b64(ecb("T", KEK, bytes(range(50, 66))))
    attributes = {"keyUsage": "D0", "algorithm": "T", "modeOfUse": "B"}
    request = {"key": "D", "keyAttributes": attributes, "value": value, "decryptKey": "TestKek"}
    answer = await (await bench.at_hand()).completion(IMPORT, {**request, "decryptMethod": "ecb"})
    return outcome(answer) == "sequenceError"


async def challenge(bench: Bench) -> None:
    await imported(bench.client, "OLD", "D0 T B", bytes(range(70, 86)))
    await bench.client.success(START, {"command": {"deleteKey": {"key": "OLD"}}})


GIVEN = {"key": "OLD", "authentication": {"method": "cmac", "key": "MacHost", "data": b64(bytes(8))}}


async def has_challenge(bench: Bench) -> bool:
    """Whether an answer to it, a wrong one, is looked at."""
    client = await bench.at_hand()
    await imported(client, "OLD", "D0 T B", bytes(range(70, 86)))
    return await client.failure("KeyManagement.DeleteKey", GIVEN) == "macInvalid"


async def begin_exchange(bench: Bench) -> None:
    bench.random = unb64((await bench.client.success("KeyManagement.StartKeyExchange"))["randomItem"])


async def has_random(bench: Bench) -> bool:
    """Whether a host's key is taken that has it."""
    client = await bench.at_hand()
    signature, _ = await signed_by_manufacturer(bench.simulator, HOST_PUBLIC)
    await client.success(IMPORT, host_key(signature))
    return outcome(await client.completion(IMPORT, await transport_key(client, bench.random))) == "success"


async def waste_random(bench: Bench) -> None:
    signature, _ = await signed_by_manufacturer(bench.simulator, HOST_PUBLIC)
    await bench.other.success(IMPORT, host_key(signature))
    assert await bench.other.failure(IMPORT, await transport_key(bench.other, bytes(16))) == "randomInvalid"


@dataclass(frozen=True)
class Kept:
    """A row of the table.

    Attributes:
        make: makes it.
        there: whether it is still there.
        use: uses it up.
        more: what the profile says.
    """

    make: Callable[[Bench], Awaitable[object]]
    there: Callable[[Bench], Awaitable[bool]]
    use: Callable[[Bench], Awaitable[object]]
    more: str = ""


async def use_part(bench: Bench) -> None:
    await bench.client.success(IMPORT, PART)


async def use_parts(bench: Bench) -> None:
    await secure_entered(bench.client, bench.simulator, bytes(range(100, 116)))
    await bench.client.success(IMPORT, PART)
    await bench.client.success(IMPORT, {name: PART[name] for name in ("key", "keyAttributes")})


KEPT = {
    "the PIN that was entered": Kept(
        lambda bench: enter(bench.client, bench),
        has_pin,
        lambda bench: bench.client.success(BLOCK, block()),
    ),
    "the PIN that German `pinCmp` compares with the next": Kept(
        lambda bench: compare(bench.client, bench), has_compared, lambda bench: compare(bench.client, bench)
    ),
    "what the next PIN is for (SetPinBlockData)": Kept(
        prepare,
        has_prepared,
        lambda bench: entry(bench.client, bench.simulator, "Keyboard.PinEntry", ENTRY, "cancel"),
        "set_pinblock_data_required = true",
    ),
    "that PINs stay after their use (MaintainPin true)": Kept(
        lambda bench: bench.client.success("PinPad.MaintainPin", {"maintainPIN": True}),
        keeps_pins,
        lambda bench: bench.client.success("Common.Status"),
    ),
    "the part of a key that was entered (SecureKeyEntry)": Kept(enter_part, has_part, use_part),
    "the parts that are stored (ImportKey `constructing`)": Kept(store_part, has_parts, use_parts),
    "what a host is to sign (StartAuthenticate)": Kept(
        challenge, has_challenge, lambda bench: bench.client.failure("KeyManagement.DeleteKey", GIVEN)
    ),
    "the random of an exchange (StartKeyExchange)": Kept(begin_exchange, has_random, waste_random),
}
"""The rows of the table."""


def does(name: str, payload: Any = None) -> Callable[[Bench], Awaitable[object]]:
    async def run(bench: Bench) -> None:
        await bench.other.success(name, payload)

    return run


async def entry_of_other(bench: Bench) -> None:
    await entry(bench.other, bench.simulator, "Keyboard.PinEntry", ENTRY, "1 cancel")


async def data_of_other(bench: Bench) -> None:
    request = {"activeKeys": {"enter": {"terminate": True}} | {name: {} for name in DIGITS}}
    await entry(bench.other, bench.simulator, "Keyboard.DataEntry", request, "1 enter")


async def compare_of_other(bench: Bench) -> None:
    assert await compare(bench.other, bench) == 0, "another's PIN was compared"


async def part_of_other(bench: Bench) -> None:
    await secure_entered(bench.other, bench.simulator, bytes(range(1, 17)))


async def leave(bench: Bench) -> None:
    await bench.client.connection.aclose()
    await bench.other.success("Common.Status")


async def initialize_module(bench: Bench) -> None:
    """And personalise it again, so that it compares PINs."""
    await bench.other.success("German.HSMInit", {"initMode": "temp"})
    await bench.other.success(SEND, {"protocol": "isoPs", "msg": b64(b"x")})
    answer = await bench.simulator.success("Simulator.AnswerAsHost", {"content": b64(b"PERS")})
    await bench.other.success("German.SecureMsgReceive", {"protocol": "isoPs", "msg": answer["msg"]})


async def delete_constructed(bench: Bench) -> None:
    await bench.other.completion("KeyManagement.DeleteKey", {"key": "Master"})


async def let_time_pass(bench: Bench) -> None:
    await trio.sleep(0.6)


HAPPENS: dict[str, Callable[[Bench], Awaitable[object]]] = {
    "time": let_time_pass,
    "PinEntry": entry_of_other,
    "DataEntry": data_of_other,
    "Keyboard.Reset": does("Keyboard.Reset"),
    "PinPad.Reset": does("PinPad.Reset"),
    "KeyManagement.Reset": does("KeyManagement.Reset"),
    "MaintainPin false": does("PinPad.MaintainPin", {"maintainPIN": False}),
    "Initialization": does("KeyManagement.Initialization"),
    "HSMInit": initialize_module,
    "DeleteKey": delete_constructed,
    "another's pinCmp": compare_of_other,
    "another's SetPinBlockData": does("PinPad.SetPinBlockData", block(key="OTHER")),
    "another's SecureKeyEntry": part_of_other,
    "another's StartKeyExchange": does("KeyManagement.StartKeyExchange"),
    "another's StartAuthenticate": does(START, {"command": {"deleteKey": {"key": "OLD"}}}),
    "disconnection": leave,
}


def table() -> dict[str, list[str]]:
    """What ends each row, as the documentation says it."""
    text = (
        TABLE.read_text("utf-8").split("### What is kept from one command to the next")[1].split("\n## ")[0]
    )
    rows = [re.split(r" \| ", line.strip("| \n")) for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[-1].split(", ") for row in rows if row[0] != "kept"}


def test_the_table_is_the_one_that_is_tried() -> None:
    assert set(table()) == set(KEPT)
    assert {end for ends in table().values() for end in ends} == {"use", *HAPPENS}


async def bench_for(row: str, nursery: trio.Nursery, tmp_path: Path, seconds: float) -> Bench:
    keys = {
        "TestKbpk": ("K1", "A", "D", KBPK.hex()),
        "TestKek": ("K0", "T", "D", KEK.hex()),
        "PEK": ("P0", "T", "E", PIN_KEY.hex()),
        "OTHER": ("P0", "T", "E", PIN_KEY[::-1].hex()),
        "MacHost": ("M6", "A", "V", "FE" * 16),
    }
    more = f"pin_seconds = {seconds}\nhsm_status = 5\n{KEPT[row].more}"
    publisher = await publisher_with(nursery, tmp_path, more, kinds=KINDS, **keys)
    pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    return Bench(nursery, pad, await another(pad, nursery), simulator)


ENDS = [(row, end) for row, ends in table().items() for end in ends]


@pytest.mark.parametrize(("row", "end"), ENDS)
async def test_what_is_kept_ends(nursery: trio.Nursery, tmp_path: Path, row: str, end: str) -> None:
    bench = await bench_for(row, nursery, tmp_path, 0.4 if end == "time" else 180)
    await KEPT[row].make(bench)
    await (KEPT[row].use if end == "use" else HAPPENS[end])(bench)
    assert not await KEPT[row].there(bench)


NEEDS_PIN = {"PinEntry", "another's pinCmp"}
"""What begins with an entry of a PIN."""


@pytest.mark.parametrize("row", KEPT)
async def test_what_is_kept_ends_by_nothing_else(nursery: trio.Nursery, tmp_path: Path, row: str) -> None:
    bench = await bench_for(row, nursery, tmp_path, 180)
    await KEPT[row].make(bench)
    others = HAPPENS.keys() - set(table()[row]) - {"time"}
    if "PinEntry" in table()[row] or KEPT[row].more:
        others -= NEEDS_PIN
    if not KEPT[row].more:
        # Only there where a device needs to know what PINs are for.
        others -= {"another's SetPinBlockData"}
    for end in sorted(others, key=lambda end: end == "disconnection"):
        await HAPPENS[end](bench)
    assert await KEPT[row].there(bench)
