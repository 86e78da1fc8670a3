"""What a client that is not the host could learn of a PIN by asking often: as little as by asking once.

A PIN is gone after its first use. A client that keeps PINs (MaintainPin) gets more answers of one entry:
a few verifications in all, and blocks for one account only. With the blocks of two accounts, and a few
entries of its own, it would find digits out by comparing, though it has no key.
"""

from __future__ import annotations

from typing import Any

import pytest
from fingers import pin_entered
from host import imported
from test_pin_pad import ACCOUNT, AES, BLOCK, DES, TDES, VISA, block

from dialogue import Dialogue

KEEP = ("PinPad.MaintainPin", {"maintainPIN": True})
OTHER = "5500000000000004"
BLOCKS: dict[str, dict[str, Any]] = {
    "the same": block(),
    "another account": block(customerData=OTHER[-13:-1]),
    "format 3": block("iso3"),
    "format 4": block("iso4", "AES"),
    "no account": block("ibm3624"),
}


async def keys_loaded(pad: Dialogue) -> None:
    for number, (name, kind) in enumerate((("PEK", "P0 T E"), ("PVK", "V1 T V"), ("PVV", "V2 T V"))):
        await imported(pad, name, kind, bytes([TDES[0] ^ number << 1]) + TDES[1:])
    await imported(pad, "AES", "P0 A E", AES)


@pytest.mark.parametrize("first", BLOCKS)
async def test_one_block_is_made_of_one_pin(pad: Dialogue, simulator: Dialogue, first: str) -> None:
    await keys_loaded(pad)
    await pin_entered(pad, simulator, "1234")
    await pad.success(BLOCK, BLOCKS[first])
    for request in BLOCKS.values():
        assert await pad.failure(BLOCK, request) == "noPin"


OF_ONE = (block(), block("ansi"), block("iso3"), block("iso4", "AES"), block(customerData="999" + ACCOUNT))
OF_ANOTHER = (
    block(customerData=OTHER[-13:-1]),
    block("ansi", customerData=OTHER[-13:-1]),
    block("iso3", customerData=OTHER[-13:-1]),
    block("iso4", "AES", customerData=OTHER),
    block(customerData=ACCOUNT[1:]),
)


@pytest.mark.parametrize("first", range(len(OF_ONE)))
async def test_a_pin_that_is_kept_is_of_one_account(pad: Dialogue, simulator: Dialogue, first: int) -> None:
    await keys_loaded(pad)
    await pad.success(*KEEP)
    await pin_entered(pad, simulator, "1234")
    await pad.success(BLOCK, OF_ONE[first])
    for request in OF_ANOTHER:
        assert await pad.failure(BLOCK, request) == "accessDenied"
    await pad.success(*KEEP)
    assert await pad.failure(BLOCK, OF_ANOTHER[0]) == "accessDenied"
    for request in OF_ONE:
        await pad.success(BLOCK, request)
    # The next entry is somebody else's.
    await pin_entered(pad, simulator, "1234")
    await pad.success(BLOCK, OF_ANOTHER[0])
    assert await pad.failure(BLOCK, OF_ONE[0]) == "accessDenied"


async def test_a_block_that_could_not_be_made_binds_a_pin_to_no_account(
    pad: Dialogue, simulator: Dialogue
) -> None:
    await keys_loaded(pad)
    await pad.success(*KEEP)
    await pin_entered(pad, simulator, "1234")
    for wrong in ({"key": "nobody"}, {"customerData": "x"}, {"key": "AES"}):
        await pad.failure(BLOCK, {**OF_ANOTHER[0], **wrong})
    await pad.success(BLOCK, OF_ONE[0])


ASKS = {"PinPad.LocalDES": DES, "PinPad.LocalVisa": {**VISA, "key": "PVV"}}


@pytest.mark.parametrize("command", ASKS)
async def test_one_pin_is_verified_once(pad: Dialogue, simulator: Dialogue, command: str) -> None:
    """All 10,000 PINs, tried against one entry: the first try is the last."""
    await keys_loaded(pad)
    await pin_entered(pad, simulator, "1234")
    tried = {"offset": "0000"} if command == "PinPad.LocalDES" else {"pvv": "0000"}
    assert "result" in await pad.success(command, {**ASKS[command], **tried})
    for number in (1, 2, 9999):
        tried = dict.fromkeys(tried, f"{number:04}")
        assert await pad.failure(command, {**ASKS[command], **tried}) == "noPin"


async def test_nothing_gives_a_pin_that_is_kept_more_verifications(
    pad: Dialogue, simulator: Dialogue
) -> None:
    await keys_loaded(pad)
    await pad.success(*KEEP)
    await pin_entered(pad, simulator, "1234")
    for command in ("PinPad.LocalDES", "PinPad.LocalVisa", "PinPad.LocalDES"):
        await pad.success(command, ASKS[command])
    for command, request in (
        KEEP,
        (BLOCK, block()),
        ("KeyManagement.Reset", None),
        ("KeyManagement.DeleteKey", {"key": "PEK"}),
        ("PinPad.PresentIDC", None),
        ("Common.Status", None),
    ):
        await pad.completion(command, request)
        for asked, what in ASKS.items():
            assert await pad.failure(asked, what) == "accessDenied"
    # Another key of the same value does not help either.
    await imported(pad, "PVV", "V2 T V", bytes([TDES[0] ^ 4]) + TDES[1:])
    assert await pad.failure("PinPad.LocalVisa", ASKS["PinPad.LocalVisa"]) == "accessDenied"
