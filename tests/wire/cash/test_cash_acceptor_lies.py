"""CashAcceptor over the wire: classes that say what cannot be, in all that does not move cash.

What moves cash, and lies of it, is in `tests/reliability/test_cash_in_world.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

import lies
import xfs4iot
from acceptors import SIGNATURE, Acceptor
from dialogue import Dialogue, dialogue
from vendors import Minimal, power_cut, refusal, serving
from xfs4iot import devices
from xfs4iot.protocol import errors

ACCEPTOR = "CashAcceptor."
COMPARED: dict[str, Any] = {
    "referenceSignatures": [{"noteType": "typeEUR20", "signature": "AAAA"}],
    "signatures": [{"noteType": "typeEUR20", "signature": "AAAA"}],
}
OPERATIONS: dict[str, tuple[str, Any]] = {
    "cash_in_start": ("CashInStart", {}),
    "configure_note_types": ("ConfigureNoteTypes", {"items": [{"item": "typeEUR20", "enabled": True}]}),
    "configure_note_reader": ("ConfigureNoteReader", {"loadAlways": True}),
    "create_signature": ("CreateSignature", None),
    "compare_signature": ("CompareSignature", COMPARED),
    "device_lock_control": ("DeviceLockControl", {"deviceAction": "lock", "cashUnitAction": "lockAll"}),
    "device_locks": ("GetDeviceLockStatus", None),
}
TRUTHS: dict[str, tuple[Any, ...]] = {
    # What of these an operation may return all the same.
    "configure_note_reader": (True, False),
}


class Sensing(Acceptor):
    """It senses its locks by itself."""

    async def device_locks(self) -> devices.DeviceLocks:
        await self._do("device_locks")
        return devices.DeviceLocks("lock")


async def beside(nursery: trio.Nursery, device: devices.Device) -> tuple[Dialogue, Dialogue]:
    """Clients of a device's service and of another one of the same publisher."""
    services = [xfs4iot.Service(one, operation_limit=0.2) for one in (device, Minimal("Other"))]
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    one = await nursery.start(dialogue, publisher.uri(device.name))
    return one, await nursery.start(dialogue, publisher.uri("Other"))


async def still_works(client: Dialogue, other: Dialogue) -> None:
    """A cash-in begins, and the other service has noticed nothing."""
    assert (await other.success("Common.Status"))["common"]["device"] == "online"
    status = await client.success("CashAcceptor.GetCashInStatus")
    assert status["status"] != "active"
    await client.success("CashAcceptor.CashInStart", {})
    assert await client.failure("CashAcceptor.CashInEnd") == "noItems"


@pytest.mark.parametrize("name", OPERATIONS)
async def test_what_an_operation_cannot_return_is_not_told(nursery: trio.Nursery, name: str) -> None:
    device = Sensing()
    client, other = await beside(nursery, device)
    command, payload = OPERATIONS[name]
    for make in (*lies.SCALARS, *lies.STRUCTURES):
        if any(make() is truth for truth in TRUTHS.get(name, ())):
            continue

        async def returns(*arguments: Any, make: Callable[[], Any] = make) -> Any:
            return make()

        setattr(device, name, returns)
        completion = await client.completion(ACCEPTOR + command, payload)
        header = completion["header"]
        if name == "compare_signature" and "completionCode" not in header:
            assert not completion.get("payload"), completion
            continue
        assert header.get("completionCode") == "hardwareError", (make, completion)
    delattr(device, name)
    await still_works(client, other)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_whatever_an_operation_raises_is_its_own_fault(nursery: trio.Nursery, name: str) -> None:
    device = Sensing()
    client, other = await beside(nursery, device)
    command, payload = OPERATIONS[name]
    for make in lies.RAISED:

        async def raises(*arguments: Any, make: Callable[[], BaseException] = make) -> Any:
            raise make()

        setattr(device, name, raises)
        code = await client.failure(ACCEPTOR + command, payload)
        assert code in ("hardwareError", "deviceNotReady", "userError", "cashUnitError"), make()
    delattr(device, name)
    await still_works(client, other)


CLAIMS: dict[str, tuple[str, Any]] = {
    "a candidate that was not given": ("compare_signature", (devices.SignatureMatch(1),)),
    "more than certain": ("compare_signature", (devices.SignatureMatch(0, 101),)),
    "less than nothing": ("compare_signature", (devices.SignatureMatch(-1, 3),)),
    "a signature without data": (
        "create_signature",
        devices.SignatureCreated(signature=type(SIGNATURE)(note_type="typeEUR20")),
    ),
    "a signature of nothing known": (
        "create_signature",
        devices.SignatureCreated(signature=type(SIGNATURE)(note_type="typeXYZ1", signature=b"1")),
    ),
    "a lock of no unit": ("device_locks", devices.DeviceLocks("lock", {"unitZ": "lock"})),
    "a lock that is not one": ("device_locks", devices.DeviceLocks("locked")),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_what_cannot_be_is_not_believed(nursery: trio.Nursery, claim: str) -> None:
    device = Sensing()
    client, other = await beside(nursery, device)
    name, told = CLAIMS[claim]

    async def claims(*arguments: Any) -> Any:
        return told

    setattr(device, name, claims)
    command, payload = OPERATIONS[name]
    assert await client.failure(ACCEPTOR + command, payload) == "hardwareError"
    delattr(device, name)
    await still_works(client, other)


async def locks(client: Dialogue) -> list[str]:
    known = await client.success("CashAcceptor.GetDeviceLockStatus")
    return [known["deviceLockStatus"], *(one["unitLockStatus"] for one in known["unitLock"])]


@pytest.mark.parametrize(
    ("fault", "device_is", "unit_is"),
    [
        (RuntimeError("torn off"), "lockUnknown", "lockUnknown"),
        (errors.HardwareError("stuck"), "lockUnknown", "lockUnknown"),
        (refusal("deviceLockFailure"), "lockUnknown", "lockUnknown"),
        (errors.DeviceNotReady("not now"), "lock", "lock"),
    ],
    ids=str,
)
async def test_a_lock_that_failed_is_not_told_as_before(
    nursery: trio.Nursery, fault: Exception, device_is: str, unit_is: str
) -> None:
    device = Acceptor()
    client = await serving(device, nursery)
    all_locked = {"deviceAction": "lock", "cashUnitAction": "lockAll"}
    await client.success("CashAcceptor.DeviceLockControl", all_locked)
    device.raises["device_lock_control"] = fault
    one = {"storageUnit": "unitB", "unitAction": "unlock"}
    wanted = {"deviceAction": "unlock", "cashUnitAction": "lockIndividual", "unitLockControl": [one]}
    await client.failure("CashAcceptor.DeviceLockControl", wanted)
    assert await locks(client) == [device_is, "lock", unit_is, "lock"]
    device.raises.clear()
    await client.success("CashAcceptor.DeviceLockControl", wanted)
    assert await locks(client) == ["unlock", "lock", "unlock", "lock"]


async def test_a_lock_that_the_power_cut_short_is_unknown(tmp_path: Path) -> None:
    ledger = xfs4iot.Ledger.open(tmp_path / "ledger.sqlite")
    async with trio.open_nursery() as nursery:
        device = Acceptor()
        client = await serving(device, nursery, ledger)
        await client.success("CashAcceptor.DeviceLockControl", {"deviceAction": "lock"})
        device.hand["device_lock_control"] = power_cut(tmp_path)
        await client.success("CashAcceptor.DeviceLockControl", {"deviceAction": "unlock"})
        assert (await locks(client))[0] == "unlock"
        nursery.cancel_scope.cancel()
    ledger.close()
    ledger = xfs4iot.Ledger.open(tmp_path / "copy.sqlite")
    async with trio.open_nursery() as nursery:
        assert (await locks(await serving(Acceptor(), nursery, ledger)))[0] == "lockUnknown"
        nursery.cancel_scope.cancel()
    ledger.close()
