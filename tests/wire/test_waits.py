"""What waits for somebody is not taken for hung, however long it takes; the client's timeout ends it."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm as simulated_atm

WAITS: dict[str, tuple[str, dict[str, Any]]] = {
    "CardReader.ReadRawData": ("CardReader", {"track2": True}),
    "BarcodeReader.Read": ("BarcodeReader", {}),
    "Biometric.Read": ("Biometric", {"dataTypes": [{"format": "isoFid"}], "numCaptures": 1, "mode": "scan"}),
    "Keyboard.DataEntry": (
        "PinPad",
        {"maxLen": 4, "autoEnd": False, "activeKeys": {"one": {}, "enter": {"terminate": True}}},
    ),
    "TextTerminal.Read": (
        "TextTerminal",
        {
            "numOfChars": 1,
            "mode": "relative",
            "posX": 0,
            "posY": 0,
            "echoMode": "text",
            "echoAttr": {},
            "visible": True,
            "flush": True,
            "autoEnd": True,
            "activeKeys": ["one"],
        },
    ),
    "Check.MediaIn": ("Check", {}),
    "Deposit.Entry": ("Deposit", {"type": "envelope"}),
    "CashAcceptor.CashIn": ("CashDispenser", {}),
}


@pytest.mark.parametrize("command", WAITS)
async def test_a_wait_for_somebody_has_no_limit_but_the_clients(nursery: trio.Nursery, command: str) -> None:
    services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=None, seconds=0)
    name, payload = WAITS[command]
    publisher = xfs4iot.Publisher([one for one in services if one.name in (name, "Simulator")], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri(name))
    if command == "CashAcceptor.CashIn":
        await client.success(
            "CashAcceptor.CashInStart", {"useRecycleUnits": False, "inputPosition": "inDefault"}
        )
    publisher.services[name].operations.limit = 0.5
    assert await client.failure(command, payload, timeout=1200) == "timeOut"
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
