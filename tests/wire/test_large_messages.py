"""Messages above the usual size: those of forms with pictures and of print jobs, and no others."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio
import trio_websocket

import xfs4iot
from dialogue import Dialogue, another, dialogue, outcome
from frames import frame, raw_connection
from printers import Receipts, Scribe, form
from vendors import Minimal, serving
from xfs4iot.server.channel import SessionLimits
from xfs4iot.server.large_messages import LARGEST

MEGABYTE = 1024 * 1024


def data(size: int) -> str:
    """So many bytes, in base64."""
    return base64.b64encode(bytes(size)).decode()


class Held(Receipts):
    """A printer that keeps a job until a test lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = trio.Event()
        self.sizes: list[int] = []
        self.hand["print_raw"] = self.go.wait

    async def print_raw(self, data: bytes, answers: bool, events: Any) -> bytes | None:
        self.sizes.append(len(data))
        return await super().print_raw(data, answers, events)


async def test_forms_and_pictures_above_2_mb(nursery: trio.Nursery) -> None:
    """A form with a picture is set, printed with another, and read back."""
    device = Receipts()
    client = await serving(device, nursery)
    picture = b"BM" + bytes(5 * MEGABYTE)
    text = base64.b64encode(picture).decode()
    fields = {
        "logo": (0, 0, 5, 5, {"fieldType": "graphic", "class": "static", "initialGraphic": text}),
        "photo": (5, 0, 5, 5, {"fieldType": "graphic"}),
    }
    await client.success("Printer.SetForm", {"name": "F", "form": form(fields)})
    await client.success("Printer.PrintForm", {"formName": "F", "fields": {"photo": text}})
    logo, photo = device.jobs[-1].pages[0].front
    assert logo.data == photo.data == picture  # type: ignore[union-attr]
    told = await client.success("Printer.GetQueryForm", {"formName": "F"})
    assert told["form"]["fields"]["logo"]["initialGraphic"] == text


async def test_images_of_pages_above_8_mb(nursery: trio.Nursery) -> None:
    class Sharp(Scribe):
        async def read_image(self, wanted: Any, events: Any) -> Any:
            return {"front": bytes(12 * MEGABYTE)}

    device = Sharp()
    uri = await served(device, nursery)
    device.media_at("present")
    async with xfs4iot.connect(uri) as client:
        wanted = {"frontImage": {"imageType": "jpg", "colorFormat": "fullcolor"}}
        found: Any = await client.call("Printer.ReadImage", wanted)
        assert len(found["images"]["front"]["data"]) == 16 * MEGABYTE


async def test_what_need_not_be_large_may_not_be(nursery: trio.Nursery) -> None:
    for device, name, size in (
        (Receipts(), "Printer.GetQueryForm", 3 * MEGABYTE),
        (Receipts(), "Printer.PrintRaw", LARGEST["Printer.PrintRaw"]),
        (Minimal("Printer"), "Printer.PrintRaw", 3 * MEGABYTE),
    ):
        client = await serving(device, nursery)
        with pytest.raises(trio_websocket.ConnectionClosed) as closed:
            await client.success(name, {"formName": "x", "data": data(size)})
        assert closed.value.reason.code == 1009
        other = await another(client, nursery)
        assert await other.success("Common.Status")


async def limited(device: Any, nursery: trio.Nursery, allowance: int) -> Dialogue:
    limits = SessionLimits(large_bytes=allowance)
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0, session_limits=limits)
    await nursery.start(publisher.serve)
    found: Dialogue = await nursery.start(dialogue, publisher.uri(device.name))
    return found


async def test_large_messages_wait_for_room_in_memory(nursery: trio.Nursery) -> None:
    device = Held()
    client = await limited(device, nursery, 10 * MEGABYTE)
    first = await client.send("Printer.PrintRaw", {"data": data(4 * MEGABYTE)})
    await client.until("acknowledge", first)
    # 4 MB are 5.3 in base64, and half of a second message does not fit beside them.
    second = await another(client, nursery)
    with pytest.raises(trio_websocket.ConnectionClosed) as closed:
        await second.success("Printer.PrintRaw", {"data": data(4 * MEGABYTE)})
    assert closed.value.reason.code == 1009
    assert "send it again later" in (closed.value.reason.reason or "")
    # Small ones go on.
    assert await client.success("Common.Status")
    device.go.set()
    completion = await client.until("completion", first)
    assert "completionCode" not in completion["header"]
    third = await another(client, nursery)
    await third.success("Printer.PrintRaw", {"data": data(4 * MEGABYTE)})
    assert device.sizes == [4 * MEGABYTE] * 2


async def test_a_large_message_that_has_arrived_whole_can_be_sent_again_later(nursery: trio.Nursery) -> None:
    device = Held()
    limits = SessionLimits(message_bytes=1000, large_bytes=5000)
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0, session_limits=limits)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri(device.name))
    await client.until("acknowledge", await client.send("Printer.PrintRaw", {"data": data(3000)}))
    refused = await client.until("acknowledge", await client.send("Printer.PrintRaw", {"data": data(3000)}))
    assert refused["header"]["status"] == "tooManyRequests"
    device.go.set()
    await client.until("completion")
    assert await client.success("Printer.PrintRaw", {"data": data(3000)}) == {}


async def test_what_a_client_that_went_took_is_given_back(nursery: trio.Nursery) -> None:
    device = Receipts()
    client = await limited(device, nursery, 6 * MEGABYTE)
    service: Any = device._host
    begun = frame(bytes(5 * MEGABYTE), fin=False)
    for _ in range(3):
        async with raw_connection(client.uri) as connection:
            await connection.send(begun)
            with trio.fail_after(30):
                while service.large._sum < 4 * MEGABYTE:  # noqa: ASYNC110
                    await trio.sleep(0.01)
        with trio.fail_after(30):
            while service.large._sum:  # noqa: ASYNC110
                await trio.sleep(0.01)
    await client.success("Printer.PrintRaw", {"data": data(4 * MEGABYTE)})
    assert not service.large._sum


MANY = 110_000


FLOODS: dict[str, tuple[str, Any]] = {
    "members": ("Printer.SetForm", {"name": "F", "form": {"fields": {f"f{one}": {} for one in range(MANY)}}}),
    "values": ("Printer.PrintForm", {"formName": "F", "fields": {f"f{one}": "" for one in range(MANY)}}),
    "elements": ("Printer.PrintForm", {"formName": "F", "fields": {"f": [""] * MANY}}),
    "numbers": ("Common.Cancel", {"requestIds": [1] * MANY}),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_more_values_than_can_be_decoded_at_once_are_refused(flood: str, nursery: trio.Nursery) -> None:
    client = await serving(Receipts(), nursery)
    wrong = await client.completion(*FLOODS[flood])
    assert outcome(wrong) == "invalidData"
    assert "more than 100,000 members and elements" in wrong["header"]["errorDescription"]
    assert (await client.success("Printer.GetFormList"))["formList"] == []


async def test_long_texts_full_of_commas_are_no_values(nursery: trio.Nursery) -> None:
    client = await serving(Receipts(), nursery)
    commas = ',"[{' * MANY
    wrong = await client.completion("Printer.PrintForm", {"formName": "F", "fields": {"f": commas}})
    assert wrong["payload"]["errorCode"] == "formNotFound"


async def test_how_many_values_a_payload_may_have_is_a_setting(nursery: trio.Nursery) -> None:
    device = Receipts()
    limits = SessionLimits(message_values=5)
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0, session_limits=limits)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri(device.name))
    few = await client.completion("Common.Cancel", {"requestIds": [7, 8, 9, 10]})
    assert outcome(few) != "invalidData"
    wrong = await client.completion("Common.Cancel", {"requestIds": [7, 8, 9, 10, 11]})
    assert "more than 5 members" in wrong["header"]["errorDescription"]


async def served(device: Any, nursery: trio.Nursery) -> str:
    return (await serving(device, nursery)).uri
