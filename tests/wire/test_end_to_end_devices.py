"""Who checks tokens: a device with a key store, a device's firmware; and the commands besides Dispense."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from secured_tokens import KEY, Firmware, connected, nonce, secured, spend, token
from xfs4iot import devices, tokens
from xfs4iot.interfaces.common import Common
from xfs4iot.interfaces.end_to_end_security import CommandTokens
from xfs4iot.protocol.messages import banknote_neutralization, common
from xfs4iot.server import service
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, handles
from xfs4iot.simulator import SimulatedCashDispenser

CLEARED = "Common.NonceClearedEvent"


class KeyStore(SimulatedCashDispenser):
    """A device with a key store, which says in its capabilities what it wants."""

    keys: dict[str, bytes]

    def __init__(self, required: Any) -> None:
        super().__init__("CashDispenser", seconds=0)
        self.keys = {}
        assert self.capabilities.common is not None
        self.capabilities.common.end_to_end_security = common.EndToEndSecurity(
            required=required, response_security_enabled="ifConfigured", command_nonce_timeout=9
        )

    async def token_key(self, name: str) -> bytes | None:
        return self.keys.get(name)


@pytest.mark.parametrize(
    ("required", "without", "code"),
    [("always", "notConfigured", "authorisationRequired"), ("ifConfigured", "notEnforced", "success")],
)
async def test_without_a_key_the_device_says_whether_it_dispenses(
    nursery: trio.Nursery, required: str, without: str, code: str
) -> None:
    device = KeyStore(required)
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0)
    await nursery.start(publisher.serve)
    client = await connected(nursery, publisher, "CashDispenser")

    async def told() -> str:
        status: str = (await client.success("Common.Status"))["common"]["endToEndSecurity"]
        return status

    assert (await client.success("Common.Capabilities"))["common"]["endToEndSecurity"]["required"] == required
    assert await told() == without
    assert await spend(client, 50, None) == code
    assert "token" not in await client.success("CashDispenser.GetPresentStatus", {"nonce": "1414"})

    device.keys["endToEndSecurity"] = KEY
    assert await spend(client, 50, None) == "invalidToken"
    event = await client.until("unsolicited", name="Common.StatusChangedEvent")
    while "common" not in event["payload"]:
        event = await client.until("unsolicited", name="Common.StatusChangedEvent")
    assert event["payload"]["common"] == {"endToEndSecurity": "enforced"}
    assert await told() == "enforced"
    assert await spend(client, 50, await token(client, EUR=50)) == "success"

    device.keys["endToEndSecurity"] = KEY[:8]
    assert await spend(client, 50, None) == code
    assert await told() == without


async def test_a_device_whose_firmware_checks_is_asked(nursery: trio.Nursery) -> None:
    device = Firmware()
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0)
    await nursery.start(publisher.serve)
    client = await connected(nursery, publisher, "CashDispenser")
    told = (await client.success("Common.Capabilities"))["common"]["endToEndSecurity"]
    assert told["hardwareSecurityElement"] is True
    assert told["commands"] == ["CashDispenser.Dispense", "CashDispenser.Count"]
    assert await spend(client, 50, None) == "invalidToken"
    assert await spend(client, 50, "its own format") == "noCommandNonce"
    assert await nonce(client) == "1234567890"
    assert await spend(client, 50, "its own format") == "success"
    use = devices.TokenUse("CashDispenser.Dispense", {"EUR": Decimal(50)})
    assert device.uses == [("its own format", use)] * 2
    status = await client.success("CashDispenser.GetPresentStatus", {"nonce": "77"})
    assert status["token"] == "NONCE=77,of the firmware"
    await client.success("Common.ClearCommandNonce")
    assert (await client.until("unsolicited", name=CLEARED))["payload"] == {"reasonDescription": "by command"}


class Neutralization(Interface):
    """The commands of BanknoteNeutralization, as far as tokens are concerned."""

    name: ClassVar[str] = "BanknoteNeutralization"

    def __init__(self, service: service.Service) -> None:
        super().__init__(service)
        self.done: list[str] = []

    @property
    def tokens(self) -> CommandTokens:
        found = self.service.interfaces["Common"]
        assert isinstance(found, Common)
        return found.tokens

    @handles("BanknoteNeutralization.SetProtection")
    async def set_protection(
        self, request: banknote_neutralization.SetProtection, command: Command
    ) -> banknote_neutralization.SetProtectionCompletion:
        await self.tokens.authorise(command.name, request.token, request=request)
        self.done.append(str(request.new_state))
        return banknote_neutralization.SetProtectionCompletion()

    @handles("BanknoteNeutralization.TriggerNeutralization")
    async def trigger(self, request: banknote_neutralization.TriggerNeutralization, command: Command) -> None:
        await self.tokens.authorise(command.name, request.token, request=request)
        self.done.append("trigger")


async def test_a_token_of_another_command_allows_one_use_and_nothing_else(nursery: trio.Nursery) -> None:
    served = service.Service(
        "IBNS",
        devices.Device("IBNS"),
        [Common, Neutralization],
        ledger=xfs4iot.Ledger.open(None).service("IBNS"),
    )
    common_interface, neutralization = served.interfaces.values()
    assert isinstance(common_interface, Common)
    assert isinstance(neutralization, Neutralization)
    common_interface.tokens.settings = secured()
    serving = xfs4iot.Publisher([served], port=0)
    await nursery.start(serving.serve)
    client: Dialogue = await nursery.start(dialogue, serving.uri("IBNS"))
    told = (await client.success("Common.Capabilities"))["common"]["endToEndSecurity"]["commands"]
    set_protection, trigger = told
    assert told == ["BanknoteNeutralization.SetProtection", "BanknoteNeutralization.TriggerNeutralization"]

    fresh = await nonce(client)
    disarm = {"newState": "disarm"}
    for text, code in (
        (None, "invalidToken"),
        (tokens.dispense_token(KEY, fresh, {"EUR": 50}), "invalidToken"),
        (tokens.make_token(KEY, fresh, {"SETPROTECTION": "ARM"}), "invalidToken"),
        (tokens.make_token(KEY, fresh, {"TRIGGERNEUTRALIZATION": "TRIGGER"}), "invalidToken"),
        (tokens.make_token(KEY, "AB", {"SETPROTECTION": "DISARM"}), "invalidTokenNonce"),
    ):
        assert await client.failure(set_protection, {**disarm, "token": text}) == code
    assert not neutralization.done
    allowed = tokens.make_token(KEY, fresh, {"SETPROTECTION": "DISARM"})
    assert (
        await client.failure(trigger, {"neutralizationAction": "trigger", "token": allowed}) == "invalidToken"
    )
    await client.success(set_protection, {**disarm, "token": allowed})
    assert (await client.until("unsolicited", name=CLEARED))["payload"]
    assert await client.failure(set_protection, {**disarm, "token": allowed}) == "noCommandNonce"
    allowed = tokens.make_token(KEY, await nonce(client), {"TRIGGERNEUTRALIZATION": "TRIGGER"})
    await client.success(trigger, {"neutralizationAction": "trigger", "token": allowed})
    assert neutralization.done == ["disarm", "trigger"]


async def test_an_operator_chooses_which_commands_need_a_token(nursery: trio.Nursery) -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0)
    chosen = secured(commands=("BanknoteNeutralization.SetProtection",))
    serving = xfs4iot.Publisher([xfs4iot.Service(device, security=chosen)], port=0)
    await nursery.start(serving.serve)
    client = await connected(nursery, serving, "CashDispenser")
    assert "commands" not in (await client.success("Common.Capabilities"))["common"]["endToEndSecurity"]
    assert await spend(client, 50, None) == "success"
