"""Camera over the wire: cameras of a vendor, and the simulated ones."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
import trio
from PIL import Image

import xfs4iot
from dialogue import Dialogue, another, dialogue
from order import Break, Command, Pair, Walk, pairs, walks
from vendors import serving
from xfs4iot import devices
from xfs4iot.interfaces.camera import Camera
from xfs4iot.protocol import errors
from xfs4iot.simulator import atm as simulated_atm

TAKE = "Camera.TakePicture"
CAMERAS = ("room", "person", "exitSlot", "parking lot")


class Cameras(devices.Camera):
    """Four cameras on one medium of ten pictures."""

    cameras = CAMERAS
    max_pictures = 10
    high_percent = 90
    man_add = True
    max_data_length = 5

    def __init__(self) -> None:
        super().__init__("Camera")
        self.taken: list[tuple[str, str | None]] = []
        self.fault: Exception | None = None
        self.hangs = False

    async def take_picture(self, camera: str, text: str | None) -> bytes | None:
        if self.hangs:
            await trio.sleep_forever()
        if self.fault is not None:
            raise self.fault
        self.taken.append((camera, text))
        return b"a picture of somebody"

    async def reset(self) -> None:
        pass


@pytest.fixture
def device() -> Cameras:
    return Cameras()


@pytest.fixture
async def client(device: Cameras, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def status(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["camera"]
    return found


async def test_field_13_every_camera_is_in_status_and_capabilities(client: Dialogue) -> None:
    shown = await status(client)
    assert shown == {
        "media": dict.fromkeys(CAMERAS, "ok"),
        "cameras": dict.fromkeys(CAMERAS, "ok"),
        "pictures": dict.fromkeys(CAMERAS, 0),
    }
    capabilities = (await client.success("Common.Capabilities"))["camera"]
    assert capabilities["cameras"] == dict.fromkeys(CAMERAS, True)
    assert capabilities["camData"] == {"autoAdd": False, "manAdd": True}


async def test_a_camera_that_is_not_declared_is_absent(nursery: trio.Nursery) -> None:
    device = type("One", (Cameras,), {"cameras": ("exitSlot",)})()
    client = await serving(device, nursery)
    assert (await status(client))["cameras"] == {"exitSlot": "ok"}


@pytest.mark.parametrize("camera", CAMERAS)
async def test_each_camera_takes_a_picture_and_only_its_count_is_told(
    client: Dialogue, device: Cameras, camera: str
) -> None:
    taken = await client.success(TAKE, {"camera": camera})
    assert base64.b64decode(taken["pictureFile"]) == b"a picture of somebody"
    assert device.taken == [(camera, None)]
    told = await client.until("unsolicited", name="Common.StatusChangedEvent")
    assert told["payload"] == {"camera": {"pictures": {camera: 1}}}


@pytest.mark.parametrize(
    ("text", "written", "told"),
    [
        ("", "", False),
        ("five!", "five!", False),
        ("six...", "six..", True),
        ("a\nb", "a b", True),
        ("1234\N{GRINNING FACE}", "1234\N{GRINNING FACE}", False),
        ("12345\N{GRINNING FACE}", "12345", True),
    ],
)
async def test_a_text_that_does_not_fit_is_cut_and_the_client_told(
    client: Dialogue, device: Cameras, text: str, written: str, told: bool
) -> None:
    await client.success(TAKE, {"camera": "room", "camData": text})
    assert device.taken == [("room", written)]
    events = [message["header"]["name"] for message in client.passed]
    assert ("Camera.InvalidDataEvent" in events) is told


async def test_a_device_that_writes_no_text_says_so_and_takes_the_picture(nursery: trio.Nursery) -> None:
    device = type("Plain", (Cameras,), {"man_add": False})()
    client = await serving(device, nursery)
    await client.success(TAKE, {"camera": "room", "camData": "hello"})
    assert device.taken == [("room", None)]
    assert client.passed[0]["header"]["name"] == "Camera.InvalidDataEvent"


async def test_the_medium_becomes_high_and_full_and_is_told_once_each(
    client: Dialogue, device: Cameras, nursery: trio.Nursery
) -> None:
    bystander = await another(client, nursery)
    for _ in range(10):
        await client.success(TAKE, {"camera": "room"})
    for threshold in ("high", "full"):
        event = await bystander.until("unsolicited", name="Camera.MediaThresholdEvent")
        assert event["payload"] == {"mediaThreshold": threshold}
    assert await client.failure(TAKE, {"camera": "person"}) == "mediaFull"
    assert (await status(client))["pictures"]["room"] == 10
    await client.success("Camera.Reset")
    assert await client.failure(TAKE, {"camera": "person"}) == "mediaFull"
    device.medium_emptied()
    event = await bystander.until("unsolicited", name="Camera.MediaThresholdEvent")
    assert event["payload"] == {"mediaThreshold": "ok"}
    await client.success(TAKE, {"camera": "person"})


async def test_a_disk_that_is_not_counted_is_never_full(nursery: trio.Nursery) -> None:
    device = type("Disk", (Cameras,), {"max_pictures": None})()
    client = await serving(device, nursery)
    for _ in range(12):
        await client.success(TAKE, {"camera": "room"})
    assert "media" not in await status(client)


async def test_the_counts_outlive_a_restart(tmp_path: Any) -> None:
    ledger = xfs4iot.Ledger.open(None)
    for count in (1, 2):
        async with trio.open_nursery() as nursery:
            client = await serving(Cameras(), nursery, ledger)
            await client.success(TAKE, {"camera": "room"})
            assert (await status(client))["pictures"]["room"] == count
            nursery.cancel_scope.cancel()


async def test_a_camera_that_failed_is_not_used_until_a_reset(client: Dialogue, device: Cameras) -> None:
    device.fault = errors.CommandError("cameraInoperable", "the cable is cut")
    assert await client.failure(TAKE, {"camera": "room"}) == "cameraInoperable"
    device.fault = None
    assert await client.failure(TAKE, {"camera": "room"}) == "cameraInoperable"
    assert (await status(client))["cameras"]["room"] == "inop"
    await client.success(TAKE, {"camera": "person"})
    await client.success("Camera.Reset")
    await client.success(TAKE, {"camera": "room"})


@pytest.mark.parametrize("payload", [None, {}, {"camera": ""}, {"camera": 1}, {"camera": "x" * 300}])
async def test_a_camera_must_be_named(client: Dialogue, payload: Any) -> None:
    assert await client.failure(TAKE, payload) == "invalidData"


async def test_a_camera_that_the_device_lacks_is_not_supported(client: Dialogue) -> None:
    assert await client.failure(TAKE, {"camera": "kitchen"}) == "cameraNotSupported"


@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_a_picture_can_be_given_up(client: Dialogue, device: Cameras, end: str) -> None:
    device.hangs = True
    request = await client.send(TAKE, {"camera": "room"}, timeout=50 if end == "timeOut" else 0)
    if end == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    assert (await client.until("completion", request))["header"]["completionCode"] == end
    device.hangs = False
    await client.success(TAKE, {"camera": "room"})
    assert (await status(client))["pictures"]["room"] == 1


async def test_neither_picture_nor_text_reaches_a_log(
    client: Dialogue, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await client.success(TAKE, {"camera": "room", "camData": "PAN 1"})
    assert "PAN 1" not in caplog.text
    assert base64.b64encode(b"a picture of somebody").decode() not in caplog.text


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_take_pictures(
    client: Dialogue, device: Cameras, nursery: trio.Nursery, older: str
) -> None:
    old = await another(client, nursery, older)
    request = await old.send(TAKE, {"camera": "exitSlot"})
    await old.until("completion", request)
    assert device.taken == [("exitSlot", None)]


async def offline(device: Cameras) -> None:
    device.status.common.device = "offline"


async def broken(device: Cameras) -> None:
    device.camera_changed("room", "inop")


async def full(device: Cameras) -> None:
    device.max_pictures = 1
    host: Any = device._host
    host.interface(Camera)._pictures = {"room": 1}


ORDER = {
    TAKE: Command(
        {
            "given camera": Break({"camera": None}),
            "camera_exists": Break({"camera": "kitchen"}),
            "device_ready": Break(before=offline),
            "camera_works": Break(before=broken),
            "room_on_medium": Break(before=full),
        },
        good={"camera": "room"},
        apart={"given camera": "a camera that is not named cannot be a strange one"},
    )
}


@pytest.mark.parametrize("pair", pairs(Camera, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(client: Dialogue, device: Cameras, pair: Pair) -> None:
    await pair.prove(client, device)


@pytest.mark.parametrize("walk", walks(Camera, ORDER), ids=str)
async def test_older_clients_are_answered_alike(client: Dialogue, device: Cameras, walk: Walk) -> None:
    await walk.prove(client, device, device)


@pytest.fixture
async def simulated(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Camera"))
    return found


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


def opened(taken: dict[str, Any]) -> Image.Image:
    picture = Image.open(io.BytesIO(base64.b64decode(taken["pictureFile"])))
    picture.load()
    return picture


async def test_a_simulated_camera_makes_pictures_that_differ(simulated: Dialogue) -> None:
    first, second = [
        opened(await simulated.success(TAKE, {"camera": "person", "camData": text})) for text in ("a", "b")
    ]
    assert first.format == "JPEG"
    assert first.size == (640, 480)
    assert first.tobytes() != second.tobytes()


async def test_bad_luck_with_a_simulated_camera(simulated: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "lensCovered"})
    extrema: Any = opened(await simulated.success(TAKE, {"camera": "room"})).convert("L").getextrema()
    assert extrema[1] < 8
    await simulator.success("Simulator.ClearFaults")
    await simulator.success("Simulator.Inject", {"fault": "cameraDead"})
    assert await simulated.failure(TAKE, {"camera": "room"}) == "cameraInoperable"
    await simulated.success("Camera.Reset")
    await simulator.success("Simulator.Inject", {"fault": "pictureBroken"})
    with pytest.raises(OSError, match="truncated"):
        opened(await simulated.success(TAKE, {"camera": "room"}))
    await simulator.success("Simulator.Inject", {"fault": "noDisk"})
    assert await simulated.failure(TAKE, {"camera": "room"}) == "hardwareError"


async def test_a_slow_exposure_ends_at_the_timeout(simulated: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "slowExposure", "count": 60})
    assert await simulated.failure(TAKE, {"camera": "room"}, timeout=50) == "timeOut"


async def test_the_simulated_medium_keeps_its_pictures_over_a_restart(tmp_path: Any) -> None:
    for held in (0, 2):
        async with trio.open_nursery() as nursery:
            services = simulated_atm(ledger=xfs4iot.Ledger.open(None), state=tmp_path, seconds=0)
            publisher = xfs4iot.Publisher(services, port=0)
            await nursery.start(publisher.serve)
            client: Dialogue = await nursery.start(dialogue, publisher.uri("Camera"))
            simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
            assert (await status(client))["pictures"]["parkingLot"] == held
            for _ in range(2):
                await client.success(TAKE, {"camera": "parkingLot"})
            if held:
                await simulator.success("Simulator.PullOutMedium", {})
                assert (await status(client))["pictures"]["parkingLot"] == 0
            nursery.cancel_scope.cancel()


async def test_a_medium_that_was_filled_while_the_device_was_away_is_told(nursery: trio.Nursery) -> None:
    class Knowing(Cameras):
        held = 0

        async def stored_pictures(self) -> dict[str, int]:
            return {"room": self.held}

    device = Knowing()
    service = xfs4iot.Service(device)
    publisher = xfs4iot.Publisher([service], port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("Camera"))
    await client.success("Common.Status")
    for held, state in ((9, "high"), (10, "full"), (0, "ok")):
        device.held = held
        await service.interface(Camera).reopened()
        event = await client.until("unsolicited", name="Camera.MediaThresholdEvent")
        assert event["payload"] == {"mediaThreshold": state}
    await service.interface(Camera).reopened()
    await client.success("Common.Status")
    assert not [one for one in client.passed if one["header"]["name"] == "Camera.MediaThresholdEvent"]
