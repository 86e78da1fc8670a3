"""What happens to the paper over the wire: moved, presented, taken, retracted, counted, remembered."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, another
from printers import Receipts, ReceiptsWithBins, Scribe, form
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.interfaces.storage.printer import PrinterUnits
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import printer as messages

CONTROL, RETRACT, RESET = "Printer.ControlMedia", "Printer.RetractMedia", "Printer.Reset"
EJECT: dict[str, Any] = {"mediaControl": {"move": "eject"}}


class Presenter(ReceiptsWithBins):
    """The same, whose sensors say in `open` where the medium is, if a test wants it."""

    sees: str | None = None

    async def open(self) -> None:
        if self.sees is not None:
            self.media_at(self.sees)
        await super().open()


@pytest.fixture
def device() -> ReceiptsWithBins:
    return Presenter()


@pytest.fixture
async def client(device: ReceiptsWithBins, nursery: trio.Nursery) -> Dialogue:
    client = await serving(device, nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    return client


async def prints(client: Dialogue, **more: Any) -> dict[str, Any]:
    """A receipt is printed; how that ended."""
    return await client.completion("Printer.PrintForm", {"formName": "F", "fields": {"f": "x"}, **more})


async def status(client: Dialogue) -> Any:
    return (await client.success("Common.Status"))["printer"]


async def bins(client: Dialogue) -> dict[str, tuple[int, str]]:
    """How many retracts came into each bin, and its level."""
    units = (await client.success("Storage.GetStorage"))["storage"]
    told = {name: unit["printer"]["status"] for name, unit in units.items()}
    return {name: (one["in"], one["replenishmentStatus"]) for name, one in told.items()}


def names(client: Dialogue) -> list[str]:
    return [one["header"]["name"].partition(".")[2] for one in client.passed]


async def test_what_is_ejected_is_presented_before_the_command_completes_and_then_taken(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    completion = await prints(client, mediaControl={"cut": True, "move": "eject"})
    number = completion["header"]["requestId"]
    presented = await client.until("event", number, "Printer.MediaPresentedEvent")
    assert presented["payload"] == {"wadIndex": 1, "totalWads": 1}
    assert (await status(client))["media"] == "entering"
    assert device.called[-1] == ("control_media", ("cut", "eject"), None)
    client.passed.clear()
    device.media_taken()
    await client.until("unsolicited", name="Printer.MediaTakenEvent")
    assert names(client)[-1] == "StatusChangedEvent"
    assert (await status(client))["media"] == "notPresent"


async def test_a_customer_faster_than_the_device_takes_after_it_was_presented(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    async def snatch() -> None:
        device.media_taken()

    device.hand["control_media"] = snatch
    completion = await prints(client, **EJECT)
    assert "completionCode" not in completion["header"]
    await client.success("Common.Status")
    told = [one for one in names(client) if one.startswith("Media")]
    assert told == ["MediaPresentedEvent", "MediaTakenEvent"]
    assert (await status(client))["media"] == "notPresent"


async def test_bundles_are_presented_as_the_device_says(
    client: Dialogue, device: ReceiptsWithBins, nursery: trio.Nursery
) -> None:
    class Wads(Presenter):
        async def control_media(self, actions: Any, unit: Any, events: Any) -> devices.PrinterMediaMoved:
            events.send(messages.MediaPresentedEvent(wad_index=1, total_wads=2))
            return devices.PrinterMediaMoved()

    wads = Wads()
    client = await serving(wads, nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    await prints(client, **EJECT)
    presented = await client.until("event", name="Printer.MediaPresentedEvent")
    assert presented["payload"] == {"wadIndex": 1, "totalWads": 2}
    wads.media_taken()
    wads.media_presented(2, 2)
    second = await client.until("unsolicited", name="Printer.MediaPresentedUnsolicitedEvent")
    assert second["payload"] == {"wadIndex": 2, "totalWads": 2}
    assert (await status(client))["media"] == "entering"
    assert names(client).count("MediaPresentedEvent") == 0


async def test_actions_are_done_in_a_fixed_order(client: Dialogue, device: ReceiptsWithBins) -> None:
    await prints(client)
    control = {"cut": True, "skip": True, "alarm": True, "move": "expel"}
    await client.success(CONTROL, {"mediaControl": control})
    assert device.called[-1] == ("control_media", ("alarm", "skip", "cut", "expel"), None)
    assert (await status(client))["media"] == "notPresent"


@pytest.mark.parametrize(
    "control",
    [None, {}, {"flush": False}, {"stamp": True}, {"move": "park"}, {"cut": True, "partialCut": True}],
)
async def test_what_cannot_be_done_with_the_medium_is_invalid(client: Dialogue, control: Any) -> None:
    assert await client.failure(CONTROL, {"mediaControl": control}) == "invalidData"


CODES = """
    noMediaPresent flushFail retractBinFull stackerFull pageTurnFail mediaTurnFail shutterFail mediaJammed
    paperJammed paperOut inkOut tonerOut sequenceInvalid mediaRetained blackMark mediaRetracted
"""


@pytest.mark.parametrize("returned", [False, True])
@pytest.mark.parametrize("code", CODES.split())
async def test_the_device_says_why_it_does_not_move_the_medium(
    client: Dialogue, device: ReceiptsWithBins, code: str, returned: bool
) -> None:
    await prints(client)
    device.refuses["control_media"] = (
        devices.PrinterMediaMoved(failure=refusal(code)) if returned else refusal(code)
    )
    assert await client.failure(CONTROL, EJECT) == code
    # What the device does not find has been taken, and no sensor has seen it.
    expected = {"mediaJammed": "jammed", "noMediaPresent": "notPresent"}.get(code, "present")
    assert (await status(client))["media"] == expected


@pytest.mark.parametrize("returned", [False, True])
async def test_what_was_taken_before_it_was_ejected_is_told_as_printing_can(
    client: Dialogue, device: ReceiptsWithBins, returned: bool
) -> None:
    gone = refusal("noMediaPresent")
    device.refuses["control_media"] = devices.PrinterMediaMoved(failure=gone) if returned else gone
    completion = await prints(client, **EJECT)
    assert completion["payload"] == {"errorCode": "sequenceInvalid"}
    assert completion["header"]["errorDescription"].endswith("; all was printed")
    told = await status(client)
    assert told["media"] == "notPresent"
    assert (await client.success("Common.Status"))["common"]["device"] == "online"
    device.refuses.clear()
    await prints(client, **EJECT)
    assert device.jobs[-1].source == "upper", "the next is printed on paper that is drawn"


async def test_reading_a_form_prints_first_what_waits_if_the_medium_is_moved(nursery: trio.Nursery) -> None:
    device = Scribe()
    client = await serving(device, nursery)
    fields = {"f": (0, 0, 5, 1), "n": (0, 1, 5, 1, {"access": "read", "fieldType": "ocr"})}
    await client.success("Printer.SetForm", {"name": "F", "form": form(fields)})
    device.media_inserted()
    device.read = ("7",)
    await prints(client, mediaControl={"flush": False})
    await client.success("Printer.ReadForm", {"formName": "F"})
    assert not device.jobs
    await client.success("Printer.ReadForm", {"formName": "F", **EJECT})
    assert [name for name, *_ in device.called[-3:]] == ["read_form", "print_pages", "control_media"]


async def test_without_a_medium_only_an_alarm_sounds(client: Dialogue, device: ReceiptsWithBins) -> None:
    assert await client.failure(CONTROL, EJECT) == "noMediaPresent"
    await client.success(CONTROL, {"mediaControl": {"alarm": True}})
    assert device.called == [("control_media", ("alarm",), None)]
    assert (await status(client))["media"] == "notPresent"


async def test_what_printing_alone_can_fail_with_is_a_failed_flush(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    for told in (refusal("mediaSkewed"), devices.Printed(pages=0, failure=refusal("mediaSkewed"))):
        await prints(client, mediaControl={"flush": False})
        device.refuses["print_pages"] = told
        assert await client.failure(CONTROL, EJECT) == "flushFail"
        device.refuses.clear()
        await client.success("Printer.ClearBuffer")


# Retracts.


async def test_a_retract_is_counted_in_the_bin(client: Dialogue, device: ReceiptsWithBins) -> None:
    await prints(client, **EJECT)
    assert await client.success(RETRACT, {"mediaControl": "unitBIN1"}) == {"result": "unitBIN1"}
    assert await bins(client) == {"unitBIN1": (1, "ok"), "unitBIN2": (0, "ok")}
    counted = await client.until("unsolicited", name="Storage.CountsChangedEvent")
    assert counted["payload"] == {"unitBIN1": {"printer": {"status": {"in": 1, "initial": 0}}}}
    assert (await status(client))["media"] == "retracted"


async def test_nothing_is_retracted_to_where_there_is_no_place(nursery: trio.Nursery) -> None:
    device = Receipts()
    assert "retract" in device.controls
    client = await serving(device, nursery)
    assert (await client.success("Common.Capabilities"))["printer"]["control"]["retract"] is False
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    await client.success("Printer.PrintForm", {"formName": "F"})
    asked = {"mediaControl": {"move": "retract"}}
    assert await client.failure(CONTROL, asked) == "invalidData"
    assert await client.failure("Printer.PrintForm", {"formName": "F", **asked}) == "invalidData"
    assert [name for name, *_ in device.called] == ["print_pages"]


async def test_a_bin_fills_up_level_by_level_and_then_the_next_is_taken(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    levels = []
    for _ in range(4):
        await prints(client, mediaControl={"move": "retract"})
        levels.append(await bins(client))
    assert [one["unitBIN1"] for one in levels] == [(1, "ok"), (2, "high"), (3, "full"), (3, "full")]
    assert levels[-1]["unitBIN2"] == (1, "full")
    crossed = [one for one in names(client) if one == "StorageThresholdEvent"]
    assert len(crossed) == 3
    # Nothing is printed that could not be retracted.
    printed = len(device.jobs)
    completion = await prints(client, mediaControl={"move": "retract"})
    assert completion["payload"]["errorCode"] == "retractBinFull"
    assert len(device.jobs) == printed
    await prints(client, **EJECT)
    assert await client.failure(RETRACT, {"mediaControl": "unitBIN2"}) == "retractBinFull"
    assert await client.failure(RESET, {"mediaControl": "unitBIN2"}) == "retractBinFull"
    # Without a place it goes to the transport.
    assert await client.success(RETRACT) == {"result": "transport"}
    assert await bins(client) == levels[-1]


async def test_an_emptied_bin_begins_anew(client: Dialogue, device: ReceiptsWithBins) -> None:
    await prints(client, mediaControl={"move": "retract"})
    setting = {"storage": {"unitBIN1": {"printer": {"status": {"initial": 2}}}}}
    await client.success("Storage.SetStorage", setting)
    assert (await bins(client))["unitBIN1"] == (0, "high")
    too_many = {"storage": {"unitBIN1": {"printer": {"status": {"initial": 4}}}}}
    assert await client.failure("Storage.SetStorage", too_many) == "invalidData"
    described = (await client.success("Storage.GetStorage"))["storage"]["unitBIN1"]["printer"]
    assert described["capabilities"] == {"maxRetracts": 3}
    assert described["status"] == {"index": 1, "initial": 2, "in": 0, "replenishmentStatus": "high"}


async def test_what_went_elsewhere_is_booked_where_it_is(client: Dialogue, device: ReceiptsWithBins) -> None:
    await prints(client, **EJECT)
    device.refuses["retract_media"] = devices.PrinterMediaMoved(at="unitBIN2")
    assert await client.success(RETRACT, {"mediaControl": "unitBIN1"}) == {"result": "unitBIN2"}
    assert await bins(client) == {"unitBIN1": (0, "ok"), "unitBIN2": (1, "full")}


@pytest.mark.parametrize(
    ("place", "ends"),
    [
        ("notPresent", "success"),
        ("transport", "success"),
        ("jammed", "mediaJammed"),
        ("present", "hardwareError"),
        ("entering", "hardwareError"),
        ("expelled", "hardwareError"),
        ("unknown", "hardwareError"),
        ("stacker", "hardwareError"),
    ],
)
async def test_only_what_was_retracted_is_told_as_retracted(
    client: Dialogue, device: ReceiptsWithBins, place: str, ends: str
) -> None:
    await prints(client, **EJECT)
    device.refuses["retract_media"] = devices.PrinterMediaMoved(at=place)
    asked = {"mediaControl": "unitBIN1"}
    if ends == "success":
        told = {"notPresent": "nomedia"}.get(place, place)
        assert await client.success(RETRACT, asked) == {"result": told}
    else:
        assert await client.failure(RETRACT, asked) == ends
    assert (await bins(client))["unitBIN1"] == (0, "ok")


async def test_a_bin_that_does_not_exist_is_the_device_classs_mistake(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    await prints(client, **EJECT)
    device.refuses["retract_media"] = devices.PrinterMediaMoved(at="unitX")
    assert await client.failure(RETRACT, {"mediaControl": "unitBIN1"}) == "hardwareError"
    units = (await client.success("Storage.GetStorage"))["storage"]
    assert units["unitBIN1"]["printer"]["status"]["in"] == 0
    assert (await status(client))["media"] == "unknown"


@pytest.mark.parametrize(
    ("place", "code"),
    [("unitX", "invalidData"), ("transport", "invalidData"), ("unitBIN1", "noMediaPresent")],
)
async def test_a_retract_that_cannot_be(nursery: trio.Nursery, place: str, code: str) -> None:
    class WithoutTransport(ReceiptsWithBins):
        retract_to_transport = False

    client = await serving(WithoutTransport(), nursery)
    completion = await client.completion(RETRACT, {"mediaControl": place})
    if code == "invalidData":
        assert completion["header"]["completionCode"] == code
    else:
        assert completion["payload"] == {"errorCode": code, "result": "nomedia"}


async def test_a_printer_without_a_place_for_it_retracts_nothing(nursery: trio.Nursery) -> None:
    client = await serving(Receipts(), nursery)
    assert await client.failure(RETRACT) == "unsupportedCommand"
    interfaces = (await client.success("Common.Capabilities"))["interfaces"]
    assert RETRACT not in next(one["commands"] for one in interfaces if one["name"] == "Printer")

    class WithTransport(Receipts):
        retract_to_transport = True

    client = await serving(WithTransport(), nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    await prints(client, **EJECT)
    assert await client.success(RETRACT) == {"result": "transport"}


async def test_a_jam_on_the_way_back_counts_nothing(client: Dialogue, device: ReceiptsWithBins) -> None:
    await prints(client, **EJECT)
    device.refuses["retract_media"] = devices.PrinterMediaMoved(at="jammed", failure=refusal("mediaJammed"))
    assert await client.failure(RETRACT) == "mediaJammed"
    assert (await bins(client))["unitBIN1"] == (0, "ok")
    assert (await status(client))["media"] == "jammed"


@pytest.fixture
def soon(device: ReceiptsWithBins) -> ReceiptsWithBins:
    device.auto_retract_period = 50
    return device


async def test_what_nobody_takes_is_retracted_and_counted(soon: ReceiptsWithBins, client: Dialogue) -> None:
    await prints(client, **EJECT)
    told = await client.until("unsolicited", name="Printer.MediaAutoRetractedEvent")
    assert told["payload"] == {"result": "unitBIN1"}
    assert (await bins(client))["unitBIN1"] == (1, "ok")
    assert (await status(client))["media"] == "retracted"


async def test_what_is_taken_in_time_is_not_retracted(soon: ReceiptsWithBins, client: Dialogue) -> None:
    await prints(client, **EJECT)
    soon.media_taken()
    await trio.sleep(0.2)
    assert "retract_media" not in [name for name, *_ in soon.called]
    assert (await bins(client))["unitBIN1"] == (0, "ok")


async def test_what_jams_when_nobody_takes_it_is_told(soon: ReceiptsWithBins, client: Dialogue) -> None:
    soon.refuses["retract_media"] = devices.PrinterMediaMoved(at="jammed", failure=refusal("mediaJammed"))
    await prints(client, **EJECT)
    told = await client.until("unsolicited", name="Printer.MediaAutoRetractedEvent")
    assert told["payload"] == {"result": "jammed"}
    assert (await status(client))["media"] == "jammed"


async def test_a_device_that_retracts_on_its_own_is_counted_before_clients_are_told(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    await prints(client, **EJECT)
    device.media_auto_retracted("unitBIN2")
    await client.until("unsolicited", name="Printer.MediaAutoRetractedEvent")
    order = [one for one in names(client) if one in ("CountsChangedEvent", "StorageThresholdEvent")]
    assert order == ["CountsChangedEvent", "StorageThresholdEvent"]
    assert (await bins(client))["unitBIN2"] == (1, "full")


# Reset.


@pytest.mark.parametrize(
    ("place", "at", "position"),
    [
        (None, None, None),
        ("unitBIN1", "unitBIN1", "unitBIN1"),
        (None, "jammed", "jammed"),
        ("expel", "expelled", "expelled"),
        ("eject", "entering", "entering"),
        (None, "transport", "present"),
    ],
)
async def test_a_reset_tells_what_it_has_found(
    client: Dialogue, device: ReceiptsWithBins, place: str | None, at: str | None, position: str | None
) -> None:
    device.refuses["reset"] = devices.PrinterMediaMoved(at=at)
    await client.success(RESET, {} if place is None else {"mediaControl": place})
    assert device.called[-1] == ("reset", place)
    await client.success("Common.Status")
    found = [one["payload"] for one in client.passed if one["header"]["name"].endswith("MediaDetectedEvent")]
    assert found == ([] if position is None else [{"position": position}])
    assert ("MediaPresentedEvent" in names(client)) is (at == "entering")
    assert (await bins(client))["unitBIN1"][0] == (1 if at == "unitBIN1" else 0)


@pytest.mark.parametrize("code", ["shutterFail", "retractBinFull", "mediaJammed", "paperJammed"])
async def test_a_reset_fails_as_the_device_says(
    client: Dialogue, device: ReceiptsWithBins, code: str
) -> None:
    device.refuses["reset"] = devices.PrinterMediaMoved(failure=refusal(code))
    assert await client.failure(RESET) == code


@pytest.mark.parametrize("place", ["eject", "unitX"])
async def test_a_reset_to_nowhere_is_invalid(nursery: trio.Nursery, place: str) -> None:
    class Cutter(ReceiptsWithBins):
        controls = frozenset({"cut"})

    client = await serving(Cutter(), nursery)
    assert await client.failure(RESET, {"mediaControl": place}) == "invalidData"


# Power.


async def test_a_receipt_that_waits_in_the_slot_is_known_after_power_loss(tmp_path: Path) -> None:
    """Media at the exit when power goes: known afterwards, and retracted if nobody takes it."""
    file = tmp_path / "ledger.sqlite"
    device = Presenter()
    device.auto_retract_period = 60_000
    with xfs4iot.Ledger.open(file) as ledger:
        async with trio.open_nursery() as nursery:
            client = await serving(device, nursery, ledger)
            await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
            await prints(client, **EJECT)
            nursery.cancel_scope.cancel()
    again = Presenter()
    again.auto_retract_period = 1
    with xfs4iot.Ledger.open(file) as ledger:
        async with trio.open_nursery() as nursery:
            client = await serving(again, nursery, ledger)
            with trio.fail_after(30):
                while (await status(client))["media"] != "retracted":
                    pass
            assert (await bins(client))["unitBIN1"] == (1, "ok")
            nursery.cancel_scope.cancel()
    seeing = Presenter()
    seeing.sees = "jammed"
    with xfs4iot.Ledger.open(file) as ledger:
        async with trio.open_nursery() as nursery:
            client = await serving(seeing, nursery, ledger)
            assert (await status(client))["media"] == "jammed"
            nursery.cancel_scope.cancel()


class Recalling(Presenter):
    """A printer that keeps where its last movement has left the medium."""

    place: str | None = None

    async def recall_media(self, operation: int) -> str | None:
        return self.place


@pytest.mark.parametrize(
    ("place", "count", "media"),
    [("unitBIN1", 1, "retracted"), ("jammed", 0, "jammed"), (None, 0, "entering")],
)
async def test_the_power_fails_during_a_retract_and_the_device_recalls_how_it_ended(
    tmp_path: Path, nursery: trio.Nursery, place: str | None, count: int, media: str
) -> None:
    await cut(tmp_path)
    device = Recalling()
    device.place = place
    client = await serving(device, nursery, xfs4iot.Ledger.open(tmp_path / "copy.sqlite"))
    assert (await bins(client))["unitBIN1"][0] == count
    assert (await status(client))["media"] == media


@pytest.mark.parametrize(("sees", "media"), [(None, "unknown"), ("entering", "entering")])
async def test_the_power_fails_during_a_retract_and_its_bin_is_in_doubt(
    tmp_path: Path, nursery: trio.Nursery, sees: str | None, media: str
) -> None:
    await cut(tmp_path)
    device = Presenter()
    device.sees = sees
    ledger = xfs4iot.Ledger.open(tmp_path / "copy.sqlite")
    client = await serving(device, nursery, ledger)
    assert (await bins(client))["unitBIN1"][0] == 0
    assert (await status(client))["media"] == media
    units: Any = device._host
    assert units.interface(Storage).kind(PrinterUnits).accuracy("unitBIN1") == "inaccurate"


async def cut(directory: Path) -> None:
    """Leave in `copy.sqlite` what the disk has if the power fails while a receipt is retracted."""
    device = Presenter()
    with xfs4iot.Ledger.open(directory / "ledger.sqlite") as ledger:
        async with trio.open_nursery() as nursery:
            client = await serving(device, nursery, ledger)
            await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
            await prints(client, **EJECT)

            async def copy() -> None:
                for suffix in ("", "-wal"):
                    file = directory / f"ledger.sqlite{suffix}"
                    if file.exists():
                        shutil.copyfile(file, directory / f"copy.sqlite{suffix}")

            device.hand["retract_media"] = copy
            await client.success(RETRACT, {"mediaControl": "unitBIN1"})
            nursery.cancel_scope.cancel()


# The stacker.


async def test_what_is_cut_falls_on_the_stacker_and_is_ejected_as_one(nursery: trio.Nursery) -> None:
    class Stacking(Receipts):
        max_media_on_stacker = 2

    device = Stacking()
    client = await serving(device, nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    for count in (1, 2):
        await prints(client, mediaControl={"cut": True})
        assert (await status(client))["mediaOnStacker"] == count
    # The next one is printed on new paper, not on what is on the stacker.
    assert [job.source for job in device.jobs] == ["upper", "upper"]
    assert (await prints(client, mediaControl={"cut": True}))["payload"]["errorCode"] == "stackerFull"
    assert await client.failure(CONTROL, {"mediaControl": {"cut": True}}) == "stackerFull"
    await client.success(CONTROL, EJECT)
    assert (await status(client))["mediaOnStacker"] == 0


async def test_a_medium_that_the_device_has_seen_elsewhere_is_not_gone_because_none_is_found(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    await prints(client)
    device.media_at("jammed")
    device.refuses["control_media"] = refusal("noMediaPresent")
    assert await client.failure(CONTROL, EJECT) == "noMediaPresent"
    assert (await status(client))["media"] == "jammed"


@pytest.mark.parametrize(
    ("controls", "media"), [({"cut", "eject"}, "present"), ({"cut", "alarm"}, "notPresent")]
)
async def test_what_is_cut_without_a_stacker_waits_for_the_presenter_or_is_in_the_hand(
    nursery: trio.Nursery, controls: set[Any], media: str
) -> None:
    device = Receipts()
    device.controls = frozenset(controls)
    client = await serving(device, nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    await prints(client)
    assert (await status(client))["media"] == "present"
    await client.success(CONTROL, {"mediaControl": {"cut": True}})
    assert (await status(client))["media"] == media


async def test_without_a_sensor_what_was_ejected_counts_as_taken(nursery: trio.Nursery) -> None:
    class Blind(Receipts):
        media_taken_sensor = False

    client = await serving(Blind(), nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": form({"f": (0, 0, 5, 1)})})
    await prints(client, **EJECT)
    await client.until("event", name="Printer.MediaPresentedEvent")
    assert (await status(client))["media"] == "notPresent"


# Sheets, supplies, bytes.


async def test_a_blank_sheet_is_dispensed_once(client: Dialogue, device: ReceiptsWithBins) -> None:
    await client.success("Printer.DispensePaper", {"paperSource": "lower"})
    assert device.called == [("dispense_paper", "lower")]
    assert (await status(client))["media"] == "present"
    assert await client.failure("Printer.DispensePaper") == "sequenceInvalid"
    await prints(client)
    assert (device.jobs[-1].source, device.jobs[-1].pages[0].width) == (None, 210_000)


@pytest.mark.parametrize("code", ["paperJammed", "paperOut", "mediaRetracted"])
async def test_a_sheet_that_does_not_come(client: Dialogue, device: ReceiptsWithBins, code: str) -> None:
    device.refuses["dispense_paper"] = refusal(code)
    assert await client.failure("Printer.DispensePaper", {"paperSource": "lower"}) == code
    paper = (await status(client))["paper"]["lower"]
    assert paper == {"paperJammed": "jammed", "paperOut": "out"}.get(code, "full")


async def test_a_source_that_the_device_lacks(client: Dialogue) -> None:
    assert await client.failure("Printer.DispensePaper", {"paperSource": "aux"}) == "sourceInvalid"
    assert (await prints(client, paperSource="aux"))["payload"]["errorCode"] == "sourceInvalid"


async def test_levels_are_told_once_in_both_directions(client: Dialogue, device: ReceiptsWithBins) -> None:
    for level in ("low", "low", "jammed", "low", "out", "full"):
        device.paper_is("upper", level)  # type: ignore[arg-type]
        await client.success("Common.Status")
    device.status.printer.toner = "low"
    device.status.printer.lamp = "fading"
    await client.success("Common.Status")
    told = [
        (one["header"]["name"].partition(".")[2], *one["payload"].values())
        for one in client.passed
        if "Threshold" in one["header"]["name"]
    ]
    assert told == [
        ("PaperThresholdEvent", "upper", "low"),
        ("PaperThresholdEvent", "upper", "out"),
        ("PaperThresholdEvent", "upper", "full"),
        ("TonerThresholdEvent", "low"),
        ("LampThresholdEvent", "fading"),
    ]
    changes = names(client).index("StatusChangedEvent")
    assert changes < names(client).index("PaperThresholdEvent")


async def test_refilled_supplies_are_full_unless_the_device_measures_them(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    device.paper_is("upper", "out")
    device.status.printer.lamp = "inop"
    await client.success("Printer.SupplyReplenish", {"upper": True, "lamp": True, "lower": False})
    assert device.called == [("supply_replenish", frozenset({"upper", "lamp"}))]
    told = await status(client)
    assert (told["paper"]["upper"], told["lamp"]) == ("full", "ok")
    device.measures_supplies = True
    device.paper_is("upper", "low")
    await client.success("Printer.SupplyReplenish", {"upper": True})
    assert (await status(client))["paper"]["upper"] == "low"


@pytest.mark.parametrize("supplies", [None, {}, {"upper": False}, {"ink": True}])
async def test_a_supply_that_the_device_lacks_cannot_be_refilled(client: Dialogue, supplies: Any) -> None:
    assert await client.failure("Printer.SupplyReplenish", supplies) == "invalidData"


async def test_black_marks(client: Dialogue, device: ReceiptsWithBins) -> None:
    assert (await status(client))["blackMarkMode"] == "off"
    await client.success("Printer.SetBlackMarkMode", {"blackMarkMode": True})
    assert (await status(client))["blackMarkMode"] == "on"
    assert device.called == [("set_black_mark_mode", True)]
    assert await client.failure("Printer.SetBlackMarkMode", {}) == "invalidData"


@pytest.mark.parametrize(("answers", "data"), [("yes", {"data": "YWI="}), ("no", {}), (None, {})])
async def test_bytes_go_through_as_they_are(
    client: Dialogue, device: ReceiptsWithBins, answers: str | None, data: Any
) -> None:
    device.refuses["print_raw"] = b"ab"
    sent = {"data": "G0AA"} | ({"inputData": answers} if answers else {})
    assert await client.success("Printer.PrintRaw", sent) == data
    assert device.called == [("print_raw", b"\x1b@\x00", answers == "yes")]
    assert await client.failure("Printer.PrintRaw", {"data": ""}) == "invalidData"


RAW = "shutterFail mediaJammed paperJammed paperOut tonerOut mediaRetained blackMark mediaRetracted"


@pytest.mark.parametrize("code", RAW.split())
async def test_raw_printing_fails_as_the_device_says(
    client: Dialogue, device: ReceiptsWithBins, code: str
) -> None:
    device.refuses["print_raw"] = refusal(code)
    assert await client.failure("Printer.PrintRaw", {"data": "AAAA"}) == code


async def test_raw_printing_fails_on_the_paper_in_place_or_else_on_what_could_be_drawn_from(
    client: Dialogue, device: ReceiptsWithBins
) -> None:
    await prints(client, paperSource="lower")
    device.refuses["print_raw"] = refusal("paperJammed")
    await client.failure("Printer.PrintRaw", {"data": "AAAA"})
    assert (await status(client))["paper"] == {"upper": "full", "lower": "jammed"}
    device.paper_is("lower", "full")
    await client.success(CONTROL, EJECT)
    device.media_taken()
    await client.failure("Printer.PrintRaw", {"data": "AAAA"})
    assert (await status(client))["paper"] == {"upper": "jammed", "lower": "full"}


async def test_a_native_job_is_handled_after_each_page(client: Dialogue, device: ReceiptsWithBins) -> None:
    control = {"cut": True, "move": "eject"}
    await client.success("Printer.PrintNative", {"data": "AAAA", "mediaControl": control})
    assert device.called == [
        ("print_native", b"\0\0\0", "upper", ("cut", "eject")),
        ("control_media", ("cut", "eject"), None),
    ]
    assert await client.failure("Printer.PrintNative", {}) == "invalidData"
    bad = {"data": "AAAA", "paperSource": "aux"}
    device.media_at("notPresent")
    assert await client.failure("Printer.PrintNative", bad) == "sourceInvalid"


NATIVE = """
    shutterFail mediaJammed paperJammed paperOut tonerOut noMediaPresent flushFail retractBinFull stackerFull
    pageTurnFail mediaTurnFail inkOut sequenceInvalid mediaOverflow mediaRetained blackMark sourceInvalid
    mediaRejected mediaRetracted
"""


@pytest.mark.parametrize("code", NATIVE.split())
async def test_native_printing_fails_as_the_device_says(
    client: Dialogue, device: ReceiptsWithBins, code: str
) -> None:
    device.refuses["print_native"] = devices.Printed(pages=1, failure=errors.CommandError(code))
    completion = await client.completion("Printer.PrintNative", {"data": "AAAA"})
    assert completion["payload"] == {"errorCode": code}
    assert completion["header"]["errorDescription"] == "1 pages were printed whole"


# Passbooks.


async def test_pages_of_a_passbook_are_turned(nursery: trio.Nursery) -> None:
    device = Scribe()
    client = await serving(device, nursery)
    turn = "Printer.ControlPassbook"
    assert await client.failure(turn, {"action": "forward"}) == "noMediaPresent"
    device.media_inserted()
    await client.until("unsolicited", name="Printer.MediaInsertedUnsolicitedEvent")
    await client.success(turn, {"action": "forward", "count": 2})
    await client.success(turn, {"action": "closeForward"})
    assert device.called == [("control_passbook", "forward", 2), ("control_passbook", "closeForward", 1)]
    for payload in ({}, {"action": "closeBackward"}):
        assert await client.failure(turn, payload) == "invalidData"
    codes = "noMediaPresent pageTurnFail mediaJammed passbookClosed lastOrFirstPageReached mediaSize"
    for code in codes.split():
        device.refuses["control_passbook"] = refusal(code)
        assert await client.failure(turn, {"action": "forward"}) == code


async def test_a_parked_passbook_leaves_the_way_free(nursery: trio.Nursery) -> None:
    device = Scribe()
    client = await serving(device, nursery)
    device.media_inserted()
    await client.success(CONTROL, {"mediaControl": {"move": "park"}})
    assert (await status(client))["media"] == "notPresent"
    device.media_inserted()
    device.refuses["control_media"] = refusal("sequenceInvalid")
    assert await client.failure(CONTROL, {"mediaControl": {"move": "park"}}) == "sequenceInvalid"
    page = {"mediaControl": {"turnPage": "backward", "turnMedia": True}}
    device.refuses.clear()
    await client.success(CONTROL, page)
    assert device.called[-1] == ("control_media", ("pageBackward", "turnMedia"), None)


async def test_two_clients_have_one_printer(client: Dialogue, nursery: trio.Nursery) -> None:
    other = await another(client, nursery)
    await prints(client, **EJECT)
    assert (await status(other))["media"] == "entering"
    await other.success(RETRACT)
    assert (await status(client))["media"] == "retracted"
