"""Steps that tests of end-to-end security share: a host with a key, and a dispenser that asks for tokens."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import trio

import xfs4iot
from cash import amount
from dialogue import Dialogue, dialogue, outcome
from xfs4iot import devices, tokens
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import common
from xfs4iot.simulator import SimulatedCashDispenser, atm

__all__ = [
    "KEY",
    "WRONG_KEY",
    "Firmware",
    "asked",
    "connected",
    "nonce",
    "publish",
    "secured",
    "signed",
    "spend",
    "token",
]

KEY = bytes(range(32))
WRONG_KEY = bytes(range(1, 33))


def signed(key: bytes, text: str) -> str:
    """A text with the HMAC that belongs to it, whatever the text is."""
    return text + hmac.new(key, text.encode(), hashlib.sha256).hexdigest().upper()


def secured(**settings: Any) -> xfs4iot.EndToEndSecurity:
    """The settings of a service that always needs tokens."""
    return xfs4iot.EndToEndSecurity(**{"key": KEY, "required": "always", "responses": "always", **settings})


async def publish(
    nursery: trio.Nursery,
    ledger: xfs4iot.Ledger | None = None,
    *,
    state: Path | None = None,
    seconds: float = 0,
    **settings: Any,
) -> xfs4iot.Publisher:
    """A simulated ATM that always needs tokens."""
    kept = ledger if ledger is not None else xfs4iot.Ledger.open(None)
    services = atm(ledger=kept, state=state, seconds=seconds, security=secured(**settings))
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher


async def connected(nursery: trio.Nursery, publisher: xfs4iot.Publisher, service: str) -> Dialogue:
    """A conversation with one of its services."""
    found: Dialogue = await nursery.start(dialogue, publisher.uri(service))
    return found


async def nonce(client: Dialogue) -> str:
    """A fresh command nonce."""
    found: str = (await client.success("Common.GetCommandNonce"))["commandNonce"]
    return found


async def token(client: Dialogue, key: bytes = KEY, **amounts: Any) -> str:
    """A token of a fresh nonce."""
    return tokens.dispense_token(key, await nonce(client), amounts)


def asked(value: Any, token: str | None, currency: str = "EUR") -> dict[str, Any]:
    """The payload of a dispense with a token."""
    return {"denomination": amount(value, currency=currency), "token": token}


async def spend(client: Dialogue, value: Any, token: str | None, currency: str = "EUR") -> str:
    """Dispense, and take the items out of the way; how it ended."""
    completion = await client.completion("CashDispenser.Dispense", asked(value, token, currency))
    code: str = outcome(completion)
    if code == "success":
        await client.success("CashDispenser.Reject")
    return code


class Firmware(SimulatedCashDispenser):
    """A device whose firmware has nonce and key, and checks by rules of its own."""

    nonce = ""

    def __init__(self) -> None:
        super().__init__("CashDispenser", seconds=0)
        self.uses: list[tuple[str, devices.TokenUse]] = []
        assert self.capabilities.common is not None
        self.capabilities.common.end_to_end_security = common.EndToEndSecurity(
            required="always",
            hardware_security_element=True,
            response_security_enabled="always",
            commands=["CashDispenser.Dispense", "CashDispenser.Count"],
        )

    async def get_command_nonce(self) -> str:
        self.nonce = "1234567890"
        return self.nonce

    async def clear_command_nonce(self) -> None:
        self.nonce = ""
        self.send(common.NonceClearedEvent(reason_description="by command"))

    async def check_token(self, token: str, use: devices.TokenUse) -> None:
        self.uses.append((token, use))
        if not self.nonce:
            raise errors.NoCommandNonce("no nonce")

    async def present_token(self, nonce: str, report: tokens.PresentReport) -> str:
        return f"NONCE={nonce},TOKENFORMAT=1,TOKENLENGTH=0127,BY=FIRMWARE,HMACSHA256={'0' * 64}"
