"""A disk that is full, or fails to sync: nothing moves unbooked, nothing that moved is forgotten."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from cash import bucket, content
from power import ATM, Launcher, assert_closed
from secured_tokens import KEY
from xfs4iot import client
from xfs4iot.ledger import LedgerReader
from xfs4iot.tokens import dispense_token

SEVENTY = {"denomination": {"denomination": {"service": {"currencies": {"EUR": 70}, "mix": "mix1"}}}}


async def dispense(device: client.Client) -> Any:
    return await device.call("CashDispenser.Dispense", SEVENTY, timeout=30)


async def unit(device: client.Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await device.call("Storage.GetStorage"))["storage"][name]["cash"]
    return found


async def settled(device: client.Client) -> dict[str, Any]:
    """The present status once it is known again."""
    with trio.fail_after(20):
        while True:
            status: dict[str, Any] = await device.call("CashDispenser.GetPresentStatus")
            if status["presentState"] != "unknown":
                return status
            await trio.sleep(0.1)


@pytest.mark.parametrize(("failing", "code"), [("writes", "notEnoughSpace"), ("syncs", "internalError")])
async def test_what_cannot_be_announced_does_not_move(
    failing: str, code: str, tmp_path: Path, launcher: Launcher
) -> None:
    atm = ATM(tmp_path, launcher)
    async with atm.running(), client.connect(atm.uris["CashDispenser"], plain=True) as device:
        atm.full.write_text(failing)
        for _ in range(2):
            with pytest.raises(client.CommandFailed, match="cannot be written") as refused:
                await dispense(device)
            assert refused.value.completion_code == code
        assert not atm.truth().get("stacker")
        assert (await device.call("CashDispenser.GetPresentStatus"))["presentState"] == "unknown"
        atm.full.unlink()
        assert (await dispense(device))["denomination"]["currencies"] == {"EUR": 70}
        assert bucket(await unit(device, "unit3"), "out", "stacked") == 1
    assert_closed(atm.ledger)


async def test_what_moved_and_could_not_be_booked_is_held_and_booked_later(
    tmp_path: Path, launcher: Launcher
) -> None:
    atm = ATM(tmp_path, launcher, recalls=False, seconds=0.8)
    async with (
        atm.running(),
        client.connect(atm.uris["CashDispenser"], plain=True) as device,
        client.connect(atm.uris["CashDispenser"], plain=True) as other,
        trio.open_nursery() as nursery,
    ):
        failures: list[client.CommandFailed] = []
        failed_once = trio.Event()

        async def dispensing() -> None:
            with pytest.raises(client.CommandFailed) as failed:
                await dispense(device)
            failures.append(failed.value)
            failed_once.set()

        async with device.events("CashDispenser.StartDispenseEvent") as events:
            nursery.start_soon(dispensing)
            await anext(events)
        atm.full.write_text("writes")
        with trio.fail_after(20):
            await failed_once.wait()
        assert "do not repeat the command" in str(failures[0])
        assert sum(atm.truth()["stacker"].values()) == 2
        assert (await other.call("CashDispenser.GetPresentStatus"))["presentState"] == "unknown"
        assert (await unit(other, "unit3"))["status"]["accuracy"] == "unknown"
        with pytest.raises(client.CommandFailed, match="cannot be written"):
            await other.call("CashDispenser.Present", {}, timeout=30)
        atm.full.unlink()
        counted = {"cash": {"status": {"initial": {"unrecognized": sum(atm.truth()["unit3"].values())}}}}
        await other.call("Storage.SetStorage", {"storage": {"unit3": counted}}, timeout=30)
        status = await settled(other)
        assert status["presentState"] == "notPresented"
        assert status["denomination"]["values"] == {"unit2": 1, "unit3": 1}
        kept = await unit(other, "unit3")
        assert content(kept) == sum(atm.truth()["unit3"].values())
        assert kept["status"]["accuracy"] == "accurateSet"
        await other.call("CashDispenser.Present", {}, timeout=30)


async def test_a_service_restarts_on_a_full_disk_and_goes_on_when_there_is_room(
    tmp_path: Path, launcher: Launcher
) -> None:
    atm = ATM(tmp_path, launcher)
    async with atm.running(), client.connect(atm.uris["CashDispenser"], plain=True) as device:
        await dispense(device)
    async with (
        atm.running(disk_full=True),
        client.connect(atm.uris["CashDispenser"], plain=True) as device,
    ):
        assert bucket(await unit(device, "unit3"), "out", "stacked") == 1
        with pytest.raises(client.CommandFailed, match="cannot be written"):
            await device.call("CashDispenser.Reject", timeout=30)
        atm.full.unlink()
        await device.call("CashDispenser.Reject", timeout=30)
        assert not atm.truth().get("stacker")


async def test_a_nonce_that_times_out_on_a_full_disk_is_gone_and_told_when_there_is_room(
    tmp_path: Path, launcher: Launcher
) -> None:
    key_file = tmp_path / "token.key"
    key_file.write_text(KEY.hex())
    key_file.chmod(0o600)
    atm = ATM(tmp_path, launcher, options=("--token-key", str(key_file), "--nonce-timeout", "1"))
    async with (
        atm.running(),
        client.connect(atm.uris["CashDispenser"], plain=True) as device,
        device.events("Common.NonceClearedEvent") as events,
    ):
        nonce = (await device.call("Common.GetCommandNonce"))["commandNonce"]
        atm.full.write_text("writes")
        await trio.sleep(2)
        with pytest.raises(client.CommandFailed) as refused:
            await device.call(
                "CashDispenser.Dispense", {**SEVENTY, "token": dispense_token(KEY, nonce, {"EUR": 70})}
            )
        assert refused.value.completion_code == "noCommandNonce"
        atm.full.unlink()
        with trio.fail_after(20):
            cleared = await anext(events)
        assert cleared.payload["reasonDescription"] == "the nonce timed out"
        assert not atm.truth().get("stacker")


async def test_a_nonce_that_could_not_be_replaced_is_gone_for_good(
    tmp_path: Path, launcher: Launcher
) -> None:
    key_file = tmp_path / "token.key"
    key_file.write_text(KEY.hex())
    key_file.chmod(0o600)
    atm = ATM(tmp_path, launcher, options=("--token-key", str(key_file)))

    async def refused(device: client.Client) -> str:
        token = dispense_token(KEY, nonce, {"EUR": 70})
        with pytest.raises(client.CommandFailed) as failed:
            await device.call("CashDispenser.Dispense", {**SEVENTY, "token": token})
        return failed.value.completion_code

    async with (
        atm.running(),
        client.connect(atm.uris["CashDispenser"], plain=True) as device,
        device.events("Common.NonceClearedEvent") as events,
    ):
        nonce = (await device.call("Common.GetCommandNonce"))["commandNonce"]
        atm.full.write_text("writes")
        with pytest.raises(client.CommandFailed):
            await device.call("Common.GetCommandNonce")
        assert await refused(device) == "noCommandNonce"
        atm.full.unlink()
        with trio.fail_after(20):
            await anext(events)
    async with atm.running(), client.connect(atm.uris["CashDispenser"], plain=True) as device:
        assert await refused(device) == "noCommandNonce"
        assert not atm.truth().get("stacker")


BUNCH = {"notes": [{"note": "EUR20", "count": 3}]}
ACCEPTED = {"typeEUR20": {"fit": 3}}


async def cash_in(atm: ATM, device: client.Client, before: Callable[[], object] = lambda: None) -> Any:
    """A CashIn for which a customer inserts three notes; `before` is called when he is asked to.

    Returns:
        What it has accepted, or how it failed.
    """
    found: Any = None
    async with (
        client.connect(atm.uris["Simulator"], plain=True) as simulator,
        device.events("CashAcceptor.InsertItemsEvent") as asked,
        trio.open_nursery() as nursery,
    ):

        async def customer() -> None:
            await anext(asked)
            before()
            while not atm.truth().get("input"):
                with contextlib.suppress(client.CommandFailed):
                    await simulator.call("Simulator.InsertNotes", BUNCH)

        nursery.start_soon(customer)
        try:
            found = (await device.call("CashAcceptor.CashIn", timeout=30))["items"]
        except client.CommandFailed as failed:
            found = failed
        nursery.cancel_scope.cancel()
    return found


async def cash_in_status(device: client.Client) -> dict[str, Any]:
    found: dict[str, Any] = await device.call("CashAcceptor.GetCashInStatus")
    return found


async def refused_for_want_of_room(device: client.Client, name: str, payload: Any = None) -> None:
    with pytest.raises(client.CommandFailed, match="cannot be written") as refused:
        await device.call(name, payload, timeout=30)
    assert refused.value.completion_code == "notEnoughSpace"


async def test_no_note_is_taken_in_stored_or_given_back_unannounced(
    tmp_path: Path, launcher: Launcher
) -> None:
    atm = ATM(tmp_path, launcher)
    async with atm.running(), client.connect(atm.uris["CashDispenser"], plain=True) as device:
        atm.full.write_text("writes")
        await refused_for_want_of_room(device, "CashAcceptor.CashInStart", {})
        atm.full.unlink()
        assert (await cash_in_status(device))["status"] == "unknown"
        await device.call("CashAcceptor.CashInStart", {})

        refused = await cash_in(atm, device, before=lambda: atm.full.write_text("writes"))
        assert refused.completion_code == "notEnoughSpace"
        # They lie where the customer has put them, and he can have them back.
        assert (atm.truth().get("input"), atm.truth().get("stacker")) == ({"customer": 3}, None)
        async with client.connect(atm.uris["Simulator"], plain=True) as simulator:
            await simulator.call("Simulator.TakeBack")
        atm.full.unlink()
        status = await cash_in_status(device)
        assert (status["status"], status.get("noteNumberList")) == ("active", None)

        assert await cash_in(atm, device) == ACCEPTED
        atm.full.write_text("writes")
        for name in ("CashAcceptor.CashInEnd", "CashAcceptor.CashInRollback"):
            await refused_for_want_of_room(device, name)
        assert atm.truth()["stacker"] == {"customer": 3}
        atm.full.unlink()
        assert await cash_in_status(device) == {**status, "noteNumberList": ACCEPTED}
        stored = (await device.call("CashAcceptor.CashInEnd", timeout=30))["storage"]
        assert stored == {"unit2": {"deposited": ACCEPTED}}
    assert_closed(atm.ledger)


async def test_notes_that_came_in_while_the_disk_was_full_are_held_and_booked_later(
    tmp_path: Path, launcher: Launcher
) -> None:
    atm = ATM(tmp_path, launcher, recalls=False, seconds=1.5)
    async with (
        atm.running(),
        client.connect(atm.uris["CashDispenser"], plain=True) as device,
        client.connect(atm.uris["CashDispenser"], plain=True) as other,
        trio.open_nursery() as nursery,
    ):
        await device.call("CashAcceptor.CashInStart", {})

        async def fill() -> None:
            while True:
                if atm.truth().get("stacker"):
                    break
                await trio.sleep(0.02)
            atm.full.write_text("writes")

        nursery.start_soon(fill)
        assert "do not repeat the command" in str(await cash_in(atm, device))
        assert atm.truth()["stacker"] == {"customer": 3}
        assert (await cash_in_status(other))["status"] == "unknown"
        with pytest.raises(client.CommandFailed, match="cannot be written"):
            await other.call("CashAcceptor.CashInRollback", timeout=30)
        assert atm.truth()["stacker"] == {"customer": 3}
        atm.full.unlink()
        with trio.fail_after(20):
            while True:
                status = await cash_in_status(other)
                if status["status"] != "unknown":
                    break
                await trio.sleep(0.1)
        assert (status["status"], status["noteNumberList"]) == ("active", ACCEPTED)
        await other.call("CashAcceptor.CashInRollback", timeout=30)
        assert atm.truth()["output"] == {"customer": 3}
    with LedgerReader.open(atm.ledger) as reader:
        assert reader.verify().problems == []
