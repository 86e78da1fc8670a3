"""Who checks tokens: a device with a key store, a device's firmware; and the commands besides Dispense."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
import trio

import xfs4iot
from cash import amount
from secured_tokens import KEY, Firmware, connected, nonce, secured, spend, token
from xfs4iot import devices, tokens
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_dispenser, common
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
    [("always", "notConfigured", "authorizationRequired"), ("ifConfigured", "notEnforced", "success")],
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
    assert await spend(client, 50, None) == "authorizationRequired"
    assert await told() == "notConfigured"


class Deaf(KeyStore):
    """A device that fails in the middle of a dispense, and for a while does not say what it has moved."""

    deaf = True

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        if not self.deaf:
            return await super().dispense(request, events)
        raise errors.HardwareError("it broke")

    async def recall(self, operation: int) -> devices.CashMovement | None:
        if self.deaf:
            raise errors.HardwareError("it does not answer")
        return await super().recall(operation)


async def test_a_dispense_of_which_nothing_is_known_yet_is_not_given_back(nursery: trio.Nursery) -> None:
    device = Deaf("always")
    device.keys["endToEndSecurity"] = KEY
    serving = xfs4iot.Publisher([xfs4iot.Service(device)], port=0)
    await nursery.start(serving.serve)
    client = await connected(nursery, serving, "CashDispenser")
    allowed = await token(client, EUR=50)
    assert await spend(client, 50, allowed) == "hardwareError"
    assert await spend(client, 50, allowed) == "invalidToken"
    device.deaf = False
    await client.success("CashManagement.Reset", {})
    assert await spend(client, 50, allowed) == "success"


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
    assert status["token"].startswith("NONCE=77,TOKENFORMAT=1,TOKENLENGTH=0127,BY=FIRMWARE,")
    await client.success("Common.ClearCommandNonce")
    assert (await client.until("unsolicited", name=CLEARED))["payload"] == {"reasonDescription": "by command"}


class Bunches(devices.CashDispenser):
    """A device that presents note by note, and takes back what it cannot tell apart."""

    stacked = 0

    async def cash_units(self) -> Mapping[str, devices.CashUnit]:
        return {
            "unit1": devices.CashUnit(
                index=1,
                capacity=100,
                types=frozenset({"cashOut", "cashOutRetract"}),
                cash_items=("typeEUR20",),
                currency="EUR",
                value=Decimal(20),
                initial=50,
                retract_areas=1,
            )
        }

    async def dispense(
        self, request: devices.DispenseRequest, events: devices.CashEvents
    ) -> devices.Dispensed:
        self.stacked = request.counts["unit1"]
        return devices.Dispensed(moved=devices.items_from(request.counts, "stacker"), bunches=self.stacked)

    async def present(self, position: str, events: devices.CashEvents) -> devices.Presented:
        self.stacked -= 1
        moved = (devices.ItemsMoved(1, "stacker", "output", origin="unit1"),)
        return devices.Presented(moved=moved, additional_bunches=self.stacked)

    async def retract(self, request: devices.RetractRequest, events: devices.CashEvents) -> devices.Retracted:
        assert request.destination.unit is not None
        return devices.Retracted(moved=(devices.ItemsMoved(1, "output", request.destination.unit),))


async def test_bunches_presented_one_by_one_add_up(nursery: trio.Nursery) -> None:
    device = Bunches("CashDispenser")
    device.capabilities.cash_dispenser = cash_dispenser.Capabilities(
        intermediate_stacker=True, retract_areas=cash_dispenser.CapabilitiesRetractAreas(retract=True)
    )
    serving = xfs4iot.Publisher([xfs4iot.Service(device, security=secured())], port=0)
    await nursery.start(serving.serve)
    client = await connected(nursery, serving, "CashDispenser")

    async def reported() -> tokens.PresentReport:
        status = await client.success("CashDispenser.GetPresentStatus", {"nonce": "1"})
        return tokens.read_present_token(status["token"], KEY, "1")

    allowed = await token(client, EUR=60)
    await client.success("CashDispenser.Dispense", {"denomination": amount(60), "token": allowed})
    for presented in (20, 40):
        await client.success("CashDispenser.Present", {})
        assert (await reported()).presented_amounts == {"EUR": presented}
    await client.success("CashManagement.Retract", {})
    report = await reported()
    assert (report.retracted, report.retracted_amounts) == (True, None)


async def test_an_operator_chooses_which_commands_need_a_token(nursery: trio.Nursery) -> None:
    device = SimulatedCashDispenser("CashDispenser", seconds=0)
    chosen = secured(commands=("BanknoteNeutralization.SetProtection",))
    serving = xfs4iot.Publisher([xfs4iot.Service(device, security=chosen)], port=0)
    await nursery.start(serving.serve)
    client = await connected(nursery, serving, "CashDispenser")
    assert "commands" not in (await client.success("Common.Capabilities"))["common"]["endToEndSecurity"]
    assert await spend(client, 50, None) == "success"
