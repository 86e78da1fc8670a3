"""Real receipt printers, with one that a test plays at the other end of the line."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import trio
import zxingcpp
from PIL import Image, ImageOps

from dialogue import Dialogue
from receipt_printers import VirtualPrinter
from vendors import serving
from xfs4iot import devices
from xfs4iot.devices import PrintBarcode, PrintFont, PrintGraphic, PrintJob, PrintPage, PrintStyle, PrintText
from xfs4iot.escpos import EscPosPrinter
from xfs4iot.printing.escpos.sensors import Sensors
from xfs4iot.protocol import errors
from xfs4iot.testing import check_device

pytest.importorskip("serial", reason="pyserial is not installed")


class Events:
    operation = 1
    cancel_requested = False

    def send(self, event: Any) -> None:
        raise AssertionError(f"a printer without sensors at its slot sends nothing: {event}")


EVENTS: Any = Events()
LINE = 4_233


@pytest.fixture
def far() -> VirtualPrinter:
    return VirtualPrinter()


@pytest.fixture(params=["address", "port", pytest.param("file", marks=pytest.mark.posix)])
async def way(request: pytest.FixtureRequest, far: VirtualPrinter, nursery: trio.Nursery) -> dict[str, Any]:
    if request.param == "address":
        return {"address": f"127.0.0.1:{await nursery.start(far.on_network)}"}
    return {request.param: await nursery.start(far.on_terminal), "flow": "none"}


@pytest.fixture
async def near(far: VirtualPrinter, nursery: trio.Nursery) -> AsyncIterator[EscPosPrinter]:
    device = EscPosPrinter(
        "Receipts", {"address": f"127.0.0.1:{await nursery.start(far.on_network)}", "seconds": 3}
    )
    await device.open()
    yield device
    await device.close()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


async def until_online(client: Dialogue) -> None:
    with trio.fail_after(30):
        while (await client.success("Common.Status"))["common"]["device"] != "online":
            await client.until("unsolicited", name="Common.StatusChangedEvent")


def paper_of(device: EscPosPrinter) -> str | None:
    paper = device.status.printer.paper
    return None if paper is None else paper.upper


def page(*texts: str, style: PrintStyle | None = None) -> PrintPage:
    items = [
        PrintText(0, number * LINE, 30_000, LINE, text, PrintFont(style=style or PrintStyle()))
        for number, text in enumerate(texts)
    ]
    return PrintPage(width=72_000, length=None, front=tuple(items))


def job(*pages: PrintPage) -> PrintJob:
    return PrintJob(pages=pages, source="upper")


@pytest.mark.parametrize("output", ["text", "picture"])
async def test_pages_are_printed_and_cut_on_every_line(
    way: dict[str, Any], far: VirtualPrinter, output: str
) -> None:
    device = EscPosPrinter("Receipts", {**way, "output": output})
    await device.open()
    assert device.status.common.device == "online"
    assert await device.print_pages(job(page("first"), page("second")), EVENTS) == devices.Printed()
    assert await device.control_media(("cut", "eject"), None, EVENTS) == devices.PrinterMediaMoved()
    await device.close()
    (piece,) = far.pieces
    assert piece.lines == (("first", "second") if output == "text" else ())
    assert ImageOps.invert(piece.piece.convert("L")).getbbox() is not None
    assert not piece.partial


async def test_a_picture_is_what_was_drawn(near: EscPosPrinter, far: VirtualPrinter) -> None:
    barcode = PrintBarcode(0, 10_000, 40_000, 20_000, "https://example.com/1", "QR")
    shown = PrintPage(width=72_000, length=None, front=(*page("שלום").front, barcode))
    await near.print_pages(job(shown), EVENTS)
    await near.control_media(("partialCut",), None, EVENTS)
    (piece,) = far.pieces
    assert piece.partial
    (found,) = zxingcpp.read_barcodes(piece.piece.convert("L"))
    assert found.text == "https://example.com/1"


async def test_the_printers_own_font_is_used_where_it_has_all_of_a_page(
    far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    port = await nursery.start(far.on_network)
    device = EscPosPrinter("Receipts", {"address": f"127.0.0.1:{port}", "output": "text"})
    await device.open()
    await device.print_pages(
        job(page("Grüße"), page("שלום"), page("x", style=PrintStyle(italic=True))), EVENTS
    )
    await device.control_media(("cut",), None, EVENTS)
    assert far.pieces[0].lines == ("Grüße",), "the other two are pictures"
    await device.close()


@pytest.mark.parametrize(
    ("seen", "device", "paper"),
    [
        (Sensors(), "online", "full"),
        (Sensors(paper_low=True), "online", "low"),
        (Sensors(offline=True, paper_out=True, paper_low=True), "online", "out"),
        (Sensors(offline=True, cover_open=True), "userError", "full"),
        (Sensors(offline=True, cutter_failed=True), "online", "jammed"),
        (Sensors(offline=True, unrecoverable=True), "hardwareError", "full"),
    ],
)
async def test_status_is_what_the_sensors_see(
    near: EscPosPrinter, far: VirtualPrinter, nursery: trio.Nursery, seen: Sensors, device: str, paper: str
) -> None:
    nursery.start_soon(near.run)
    await far.see(seen)
    await until(lambda: (near.status.common.device, paper_of(near)) == (device, paper))


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (Sensors(offline=True, paper_out=True), "paperOut"),
        (Sensors(offline=True, cutter_failed=True), "paperJammed"),
        (Sensors(offline=True, cover_open=True), "deviceNotReady"),
        (Sensors(offline=True, unrecoverable=True), "hardwareError"),
        (Sensors(overheated=True), "hardwareError"),
    ],
)
async def test_nothing_is_sent_to_a_printer_that_is_not_ready(
    near: EscPosPrinter, far: VirtualPrinter, seen: Sensors, code: str
) -> None:
    await far.see(seen)
    for operation in (
        near.print_pages(job(page("x")), EVENTS),
        near.control_media(("cut",), None, EVENTS),
        near.print_raw(b"x", False, EVENTS),
    ):
        with pytest.raises(errors.XfsError) as refused:
            await operation
        assert getattr(refused.value, "error_code", refused.value.completion_code) == code
    await far.see(Sensors())
    assert far.torn() is None


class Watched(tuple[Any, ...]):
    """What is on a page, that notes how many bytes had come to the printer whenever it was looked at."""

    far: VirtualPrinter
    seen: list[int]

    def __iter__(self) -> Iterator[Any]:
        self.seen.append(len(self.far.came))
        return super().__iter__()


async def test_pages_are_drawn_one_by_one_as_they_are_printed(
    near: EscPosPrinter, far: VirtualPrinter
) -> None:
    dots = Image.effect_noise((576, 1_000), 255).convert("1")
    file = io.BytesIO()
    dots.save(file, "PNG")
    pages, watched = [], []
    for _ in range(4):
        items = Watched([PrintGraphic(0, 0, 72_000, 125_000, file.getvalue(), "png", "bestFit")])
        items.far, items.seen = far, []
        watched.append(items)
        pages.append(PrintPage(width=72_000, length=None, front=items))
    assert await near.print_pages(job(*pages), EVENTS) == devices.Printed()
    last_looks = [one.seen[-1] for one in watched]
    for number, (before, after) in enumerate(pairwise(last_looks)):
        assert after - before > 60_000, f"page {number} was not on paper when the next one was drawn"


@pytest.mark.parametrize(
    "bad",
    [
        PrintBarcode(0, 0, 40_000, 20_000, "no digits", "EAN13"),
        PrintBarcode(0, 0, 1_000, 1_000, "too small a box", "QR"),
        PrintGraphic(0, 0, 10_000, 10_000, b"\x89PNG\r\n\x1a\nbroken", "png", "bestFit"),
    ],
    ids=["barcode", "room", "graphic"],
)
async def test_what_cannot_be_drawn_on_the_last_page_wastes_no_paper(
    near: EscPosPrinter, far: VirtualPrinter, bad: Any
) -> None:
    sheet = PrintPage(width=72_000, length=None, front=(bad,))
    with pytest.raises(devices.UnprintableItem) as refused:
        await near.print_pages(job(page("good"), sheet), EVENTS)
    assert refused.value.item is bad
    assert far.torn() is None
    assert b"\x1dv0" not in far.came


async def test_a_job_given_up_between_two_pages_says_how_many_are_printed(
    near: EscPosPrinter, far: VirtualPrinter
) -> None:
    class GivenUp(Events):
        @property
        def cancel_requested(self) -> bool:  # type: ignore[override]
            return far.came.count(b"\x1dr\x01") >= 2

    pages = [page(f"page {number}") for number in range(4)]
    events: Any = GivenUp()
    assert await near.print_pages(job(*pages), events) == devices.Printed(pages=2)


async def test_paper_that_runs_out_in_the_middle_is_told_and_nothing_is_printed_later(
    near: EscPosPrinter, far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    async def run_out() -> None:
        # The first page is there: the second finds no paper.
        await until(lambda: b"\x1dr\x01" in far.came)
        await far.see(Sensors(offline=True, paper_out=True))

    nursery.start_soon(run_out)
    pages = [page(f"page {number}") for number in range(40)]
    found = await near.print_pages(job(*pages), EVENTS)
    assert found.pages is not None
    assert 1 <= found.pages < 40
    assert isinstance(found.failure, errors.CommandError)
    assert found.failure.error_code == "paperOut"
    assert paper_of(near) == "out"
    await far.see(Sensors())
    printed = far.torn()
    assert printed is not None
    height = printed.piece.height
    await near.print_pages(job(page("again")), EVENTS)
    again = far.torn()
    assert again is not None
    assert again.piece.height < height or found.pages == 1


async def test_a_printer_that_falls_silent_is_offline_until_it_answers_again(
    near: EscPosPrinter, far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    nursery.start_soon(near.run)
    far.mute = True
    await until(lambda: near.status.common.device == "offline")
    with pytest.raises(errors.DeviceNotReady, match="does not answer"):
        await near.print_pages(job(page("x")), EVENTS)
    far.mute = False
    await until(lambda: near.status.common.device == "online")
    assert await near.print_pages(job(page("x")), EVENTS) == devices.Printed()


async def test_raw_bytes_pass_through_with_their_answer(near: EscPosPrinter, far: VirtualPrinter) -> None:
    assert await near.print_raw(b"raw\n\x1dI\x42", True, EVENTS) == b"_XFS4IOT\0"
    assert await near.print_raw(b"more\n\x1dV\x00", False, EVENTS) is None
    await until(lambda: far.pieces)
    assert far.pieces[0].lines == ("raw", "more")


RAW = b"line\n" * 40


@pytest.mark.parametrize("answers", [False, True])
async def test_paper_that_runs_out_in_the_middle_of_raw_bytes_is_told(
    near: EscPosPrinter, far: VirtualPrinter, answers: bool
) -> None:
    far.paper_left = 100
    with pytest.raises(errors.CommandError) as out:
        await near.print_raw(RAW, answers, EVENTS)
    assert out.value.error_code == "paperOut"
    assert paper_of(near) == "out"
    # What was not printed is not printed when there is paper again.
    await until(lambda: far.came.endswith(b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"))
    await far.see(Sensors())
    torn = far.torn()
    assert torn is not None
    assert torn.lines == ("line",) * 20
    assert await near.print_raw(b"again\n", False, EVENTS) is None
    again = far.torn()
    assert again is not None
    assert again.lines == ("again",)


@pytest.mark.parametrize("cut", [1, 2, 4, 9, 10])
async def test_a_raw_command_may_come_in_two_parts(
    near: EscPosPrinter, far: VirtualPrinter, cut: int
) -> None:
    # Nothing is asked of the printer in between, which it would take for a part of the picture.
    raster = b"\x1dv0\x00\x01\x00\x08\x00" + b"\xff" * 8
    sent = len(far.came)
    await near.print_raw(raster[:cut], False, EVENTS)
    assert b"\x1dr" not in far.came[sent:]
    await near.print_raw(raster[cut:] + b"seen\n", False, EVENTS)
    assert b"\x1dr\x01" in far.came[far.came.rindex(b"seen\n") :]
    torn = far.torn()
    assert torn is not None
    assert torn.lines == ("seen",)


async def test_a_line_that_is_lost_is_told_by_who_finds_it_lost(
    near: EscPosPrinter, far: VirtualPrinter
) -> None:
    # Nobody looks at the sensors beside these.
    far.hangs_up_after = len(far.came) + 1_000
    printed = await near.print_pages(job(page(*["W" * 30] * 20)), EVENTS)
    assert isinstance(printed.failure, errors.DeviceNotReady)
    assert near.status.common.device == "offline"
    assert await near.print_raw(b"x\n", False, EVENTS) is None
    assert near.status.common.device == "online"
    far.mute = True
    for operation in (
        near.print_raw(b"x\n", False, EVENTS),
        near.control_media(("cut",), None, EVENTS),
        near.reset(None, EVENTS),
    ):
        near.status.common.device = "online"
        with pytest.raises(errors.DeviceNotReady):
            await operation
        assert near.status.common.device == "offline"


async def test_clients_see_a_lost_printer_offline_before_their_command_ends(
    near: EscPosPrinter, far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    client = await serving(near, nursery)
    raw = {"inputData": "no", "data": base64.b64encode(bytes(200_000)).decode()}
    far.hangs_up_after = len(far.came) + 1_000
    client.passed.clear()
    assert await client.failure("Printer.PrintRaw", raw) == "deviceNotReady"
    told = [one["payload"] for one in client.passed if one["header"]["name"] == "Common.StatusChangedEvent"]
    assert [one["common"]["device"] for one in told if "common" in one][:1] == ["offline"]
    await until_online(client)
    await client.success("Printer.PrintRaw", raw)


async def test_a_printer_that_was_switched_off_and_on_between_two_commands_prints_the_second(
    near: EscPosPrinter, far: VirtualPrinter
) -> None:
    assert await near.print_pages(job(page("first")), EVENTS) == devices.Printed()
    assert await near.print_raw(b"\x1b*\x21", False, EVENTS) is None
    await far.switch_off()
    far.switch_on()
    # Nothing is left of the command that was not whole, in the printer and here.
    assert await near.print_raw(b"second\n", False, EVENTS) is None
    # The sensors may have been asked since.
    assert b"\x1dr\x01" in far.came[far.came.rindex(b"second\n") :]
    assert await near.print_pages(job(page("third")), EVENTS) == devices.Printed()
    assert near.status.common.device == "online"
    torn = far.torn()
    assert torn is not None
    assert torn.lines == ("second",)


async def test_a_printer_that_is_switched_off_is_offline_until_it_is_on_again(
    near: EscPosPrinter, far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    client = await serving(near, nursery)
    raw = {"inputData": "no", "data": base64.b64encode(b"once\n").decode()}
    await far.switch_off()
    assert await client.failure("Printer.PrintRaw", raw) == "deviceNotReady"
    assert (await client.success("Common.Status"))["common"]["device"] == "offline"
    far.switch_on()
    await until_online(client)
    await client.success("Printer.PrintRaw", raw)
    torn = far.torn()
    assert torn is not None
    assert torn.lines == ("once",)


async def test_a_printer_that_prints_a_byte_a_second_is_waited_for_as_long_as_was_said(
    near: EscPosPrinter, far: VirtualPrinter
) -> None:
    far.print_pace = 1
    # It has all of it, and nothing is wrong: what it prints may be long.
    assert await near.print_raw(b"W" * 500 + b"\n", False, EVENTS) is None
    assert near.status.common.device == "online"
    printed = await near.print_pages(job(page("first"), page("second")), EVENTS)
    assert printed.pages == 0
    assert isinstance(printed.failure, errors.HardwareError)
    far.print_pace = 0
    await until(lambda: not far.busy)
    far.torn()
    assert await near.print_raw(b"whole\n", False, EVENTS) is None
    torn = far.torn()
    assert torn is not None
    assert torn.lines == ("whole",)


async def test_a_printer_that_takes_a_byte_a_second_is_offline_until_it_answers_in_time(
    near: EscPosPrinter, far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    client = await serving(near, nursery)
    raw = {"inputData": "no", "data": base64.b64encode(b"line\n").decode()}
    far.pace = 1
    for command in (("Printer.PrintRaw", raw), ("Printer.Reset", None)):
        assert await client.failure(*command) == "deviceNotReady"
        assert (await client.success("Common.Status"))["common"]["device"] == "offline"
    far.pace = 0
    await until_online(client)
    await client.success("Printer.PrintRaw", raw)


async def test_a_slow_line_is_waited_for_as_long_as_something_moves_on_it(
    far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    seconds = 1.0
    port = await nursery.start(far.on_terminal)
    device = EscPosPrinter("Receipts", {"port": port, "flow": "none", "seconds": seconds})
    await device.open()
    far.pace, far.gulp = 0.04, 4_096
    began = trio.current_time()
    # More than what lies between the two ends can hold.
    assert await device.print_raw(bytes(150_000) + b"seen\n", False, EVENTS) is None
    torn = far.torn()
    assert torn is not None
    assert torn.lines == ("seen",)
    assert trio.current_time() - began > seconds, "it took longer than nothing may move"
    await device.close()


async def test_answers_that_nobody_waited_for_do_no_harm(near: EscPosPrinter, far: VirtualPrinter) -> None:
    await far.see(Sensors(paper_low=True))
    # Asked for by the client, who did not want the answers; and a printer that talks unasked.
    await near.print_raw(b"\x10\x04\x04" * 5 + b"\x1da\xff", False, EVENTS)
    for _ in range(3):
        assert await near.print_pages(job(page("x")), EVENTS) == devices.Printed()
        assert (near.status.common.device, paper_of(near)) == ("online", "low")


async def test_a_printer_that_talks_without_end_is_not_listened_to_without_end(
    near: EscPosPrinter, far: VirtualPrinter
) -> None:
    near._patience = 1
    far.chatter = b"\x12" * 1_000
    answer = await near.print_raw(b"raw\n", True, EVENTS)
    assert answer == b"\x12" * 65_536
    await near.close()
    printed = await near.print_pages(job(page("x")), EVENTS)
    assert printed.pages == 0
    assert isinstance(printed.failure, errors.HardwareError | errors.DeviceNotReady)


async def test_a_printer_that_hangs_up_half_way_is_found_again(
    far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    address = f"127.0.0.1:{await nursery.start(far.on_network)}"
    client = await serving(EscPosPrinter("Receipts", {"address": address, "seconds": 3}), nursery)
    lines = {
        f"f{y}": {"position": {"x": 0, "y": 5 * y}, "size": {"width": 70, "height": 5}} for y in range(25)
    }
    form = {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 70, "height": 125}, "fields": lines}
    await client.success("Printer.SetForm", {"name": "F", "form": form})
    payload = {"formName": "F", "fields": dict.fromkeys(lines, "W" * 30), "mediaControl": {"cut": True}}
    far.hangs_up_after = len(far.came) + 2_000
    assert await client.failure("Printer.PrintForm", payload) == "deviceNotReady"
    assert not far.pieces
    await until_online(client)
    await client.success("Printer.PrintForm", payload)
    assert len(far.pieces) == 1


async def test_reset_frees_what_it_can(near: EscPosPrinter, far: VirtualPrinter) -> None:
    await far.see(Sensors(cutter_failed=True, offline=True))
    with pytest.raises(errors.CommandError) as stuck:
        await near.reset(None, EVENTS)
    assert stuck.value.error_code == "paperJammed"
    await far.see(Sensors())
    assert await near.reset(None, EVENTS) == devices.PrinterMediaMoved()


async def test_one_that_is_not_there_is_not_ready() -> None:
    for options in ({"address": "127.0.0.1:9"}, {"port": "/dev/nowhere"}, {"file": "/dev/nowhere"}):
        device = EscPosPrinter("Receipts", options)
        with pytest.raises(errors.DeviceNotReady, match="cannot be reached") as refused:
            await device.open()
        assert "Errno" not in str(refused.value)


@pytest.mark.parametrize("options", [{}, {"address": "x", "output": "smoke"}])
def test_wrong_options_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="options"):
        EscPosPrinter("Receipts", options)


async def test_a_form_is_printed_over_the_wire(
    near: EscPosPrinter, far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    client = await serving(near, nursery)
    form = {
        "unit": {"base": "rowColumn", "x": 1, "y": 1},
        "size": {"width": 40, "height": 12},
        "fields": {
            "total": {"position": {"x": 0, "y": 0}, "size": {"width": 40, "height": 1}, "vertical": "top"},
            "code": {
                "position": {"x": 0, "y": 2},
                "size": {"width": 20, "height": 10},
                "fieldType": "barcode",
                "font": {"name": "QR"},
            },
        },
    }
    await client.success("Printer.SetForm", {"name": "R", "form": form})
    request = {
        "formName": "R",
        "fields": {"total": "12,50 €", "code": "https://example.com/7"},
        "mediaControl": {"cut": True, "move": "eject"},
    }
    await client.success("Printer.PrintForm", request)
    assert (await client.success("Common.Status"))["printer"]["media"] == "notPresent", "nobody senses it"
    (piece,) = far.pieces
    (found,) = zxingcpp.read_barcodes(piece.piece.convert("L"))
    assert found.text == "https://example.com/7"
    offered = (await client.success("Common.Capabilities"))["printer"]
    assert offered["control"]["cut"]
    assert not offered["control"]["retract"]
    assert not offered["mediaTaken"]


async def test_what_the_sensors_see_reaches_clients(
    near: EscPosPrinter, far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    client = await serving(near, nursery)
    await far.see(Sensors(paper_low=True))
    event = await client.until("unsolicited", name="Printer.PaperThresholdEvent")
    assert event["payload"] == {"paperSource": "upper", "threshold": "low"}
    await far.see(Sensors(offline=True, paper_out=True))
    event = await client.until("unsolicited", name="Printer.PaperThresholdEvent")
    assert event["payload"] == {"paperSource": "upper", "threshold": "out"}
    raw = {"inputData": "no", "data": base64.b64encode(b"x").decode()}
    assert await client.failure("Printer.PrintRaw", raw) == "paperOut"
    await far.see(Sensors(offline=True, cover_open=True))
    while (await client.success("Common.Status"))["common"]["device"] != "userError":
        await client.until("unsolicited", name="Common.StatusChangedEvent")
    assert await client.failure("Printer.PrintRaw", raw) == "deviceNotReady"
    await far.see(Sensors())
    await until_online(client)
    answer = await client.success(
        "Printer.PrintRaw", {"inputData": "yes", "data": base64.b64encode(b"\x1dI\x42").decode()}
    )
    assert base64.b64decode(answer["data"]) == b"_XFS4IOT\0"


async def test_nothing_is_found_wrong_with_the_device_class(
    far: VirtualPrinter, nursery: trio.Nursery
) -> None:
    port = await nursery.start(far.on_network)
    report = await check_device(EscPosPrinter, {"address": f"127.0.0.1:{port}", "seconds": 3}, patience=20)
    assert report.good, report.text()
    assert far.pieces
