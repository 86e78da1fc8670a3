"""A key is used in its time only: from its activating date to its expiry date."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import trio
from host import b64
from test_key_order import CRYPTO, KEY_MANAGEMENT, PIN_PAD, Bench

# The pad of these tests, and its keys.
from test_key_order import bench as bench
from test_key_order import client as client

from dialogue import Dialogue, another
from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.interfaces.keys.key_management import KeyManagement
from xfs4iot.interfaces.keys.key_table import IllegalAccess, Key, KeyTable
from xfs4iot.interfaces.keys.purposes import ENCRYPT_PIN
from xfs4iot.ledger import Ledger

USES = {
    "KeyManagement.ImportKey": "useViolation",
    "KeyManagement.ImportEmvPublicKey": "useViolation",
    "KeyManagement.ExportRSADeviceSignedItem": "accessDenied",
    "Crypto.CryptoData": "useViolation",
    "Crypto.GenerateAuthentication": "useViolation",
    "Crypto.VerifyAuthentication": "useViolation",
    "PinPad.GetPinBlock": "useViolation",
    "PinPad.SetPinBlockData": "useViolation",
    "PinPad.LocalDES": "useViolation",
    "PinPad.LocalVisa": "useViolation",
}
"""Commands that use a key, and how they refuse one that is out of its time."""
GOOD = {name: one.good or {} for name, one in {**KEY_MANAGEMENT, **CRYPTO, **PIN_PAD}.items()}
GOOD["KeyManagement.ExportRSADeviceSignedItem"] = {
    "exportItemType": "deviceId",
    "sigKey": "_EPPSignKey",
    "signatureAlgorithm": "rsassaPkcs1V15",
}
GOOD["KeyManagement.ImportEmvPublicKey"] = {
    "key": "E",
    "keyUsage": "E1",
    "importScheme": "issuer",
    "value": b64(bytes(64)),
    "verifyKey": "PEK",
}
FAR = timedelta(days=400)


async def dated(bench: Bench, activating: date | None, expiry: date | None) -> None:
    """Give all keys these dates, as a device would that keeps them."""
    table = bench.host.interface(KeyManagement).table
    days = {
        name: None if day is None else f"{day:%Y%m%d}"
        for name, day in (("activating_date", activating), ("expiry_date", expiry))
    }
    await table.replace({name: Key(replace(key.stored, **days)) for name, key in table.keys.items()})


@pytest.mark.parametrize("command", USES)
@pytest.mark.parametrize("when", ["too early", "too late"])
async def test_a_key_out_of_its_time_is_used_for_nothing(
    client: Dialogue, bench: Bench, nursery: trio.Nursery, command: str, when: str
) -> None:
    today = datetime.now(UTC).date()
    bystander = await another(client, nursery)
    await dated(bench, *((today + FAR, None) if when == "too early" else (None, today - FAR)))
    assert await client.failure(command, GOOD[command]) == USES[command]
    event = await bystander.until("unsolicited", name="KeyManagement.IllegalKeyAccessEvent")
    assert event["payload"]["errorCode"] == "useViolation"


@pytest.mark.parametrize("command", ["Crypto.CryptoData", "Crypto.GenerateAuthentication"])
async def test_a_key_in_its_time_is_used_and_its_dates_are_told(
    client: Dialogue, bench: Bench, command: str
) -> None:
    today = datetime.now(UTC).date()
    await dated(bench, today - FAR, today + FAR)
    await client.success(command, GOOD[command])
    told = (await client.success("KeyManagement.GetKeyDetail", {"keyName": "PEK"}))["keyDetails"]["PEK"]
    assert told["activatingDate"] == f"{today - FAR:%Y%m%d}"
    assert told["expiryDate"] == f"{today + FAR:%Y%m%d}"


async def test_a_key_out_of_its_time_can_be_told_of_and_deleted(client: Dialogue, bench: Bench) -> None:
    await dated(bench, None, datetime.now(UTC).date() - FAR)
    await client.success("KeyManagement.GenerateKCV", {"key": "PEK", "keyCheckMode": "zero"})
    await client.success("KeyManagement.DeleteKey", {"key": "PEK"})


@pytest.mark.parametrize(
    ("today", "good"),
    [((2026, 3, 31), False), ((2026, 4, 1), True), ((2027, 2, 28), True), ((2027, 3, 1), False)],
)
async def test_both_days_are_of_its_time(today: tuple[int, int, int], good: bool) -> None:
    table = KeyTable(Ledger.open(None).service("PinPad"), today=lambda: date(*today))
    attributes = KeyAttributes(usage="P0", algorithm="T", mode_of_use="E")
    await table.put("K", Key(StoredKey(attributes, activating_date="20260401", expiry_date="20270228")))
    if good:
        assert table.for_use("K", ENCRYPT_PIN).usage == "P0"
    else:
        with pytest.raises(IllegalAccess, match=r"may be used from|expired on"):
            table.for_use("K", ENCRYPT_PIN)
