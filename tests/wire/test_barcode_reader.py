"""BarcodeReader over the wire."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
import pytest
import trio

from dialogue import Dialogue, another, outcome
from order import Break, Command, Pair, Walk, pairs, walks
from vendors import serving
from xfs4iot import devices
from xfs4iot.interfaces.barcode_reader import BarcodeReader
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import barcode_reader as messages

SYMBOLOGIES = [field.encode_name for field in msgspec.structs.fields(messages.CapabilitiesSymbologies)]
QR = devices.Barcode(b"4711", "qrCode")
EAN = devices.Barcode(b"4006381333931", "ean13")


class Reader(devices.BarcodeReader):
    """Reads what lies in view, and waits while nothing does."""

    symbologies = frozenset({"qrCode", "ean13"})
    filters_symbologies = True

    def __init__(self, name: str = "BarcodeReader", options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, options)
        self.looks: list[tuple[devices.Barcode, ...] | errors.XfsError] = []
        self.asked: list[frozenset[str] | None] = []

    async def read(
        self, wanted: frozenset[str] | None, events: devices.CommandEvents
    ) -> tuple[devices.Barcode, ...]:
        self.asked.append(wanted)
        if not self.looks:
            await trio.sleep_forever()
        look = self.looks.pop(0)
        if isinstance(look, errors.XfsError):
            raise look
        return look

    async def reset(self) -> None:
        pass


@pytest.fixture
def device() -> Reader:
    return Reader()


@pytest.fixture
async def reader(device: Reader, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


async def scanner(client: Dialogue) -> str:
    status = await client.success("Common.Status")
    return str(status["barcodeReader"]["scanner"])


@pytest.mark.parametrize("payload", [None, {}, {"symbologies": {}}, {"symbologies": {"qrCode": False}}])
async def test_without_a_symbology_all_codes_in_view_are_read(
    reader: Dialogue, device: Reader, payload: Any
) -> None:
    device.looks = [(QR, EAN)]
    read = (await reader.success("BarcodeReader.Read", payload))["readOutput"]
    assert read == [
        {"symbology": "qrCode", "barcodeData": base64.b64encode(b"4711").decode()},
        {"symbology": "ean13", "barcodeData": base64.b64encode(b"4006381333931").decode()},
    ]
    assert device.asked == [None]


async def test_a_code_that_was_not_asked_for_is_passed_over(reader: Dialogue, device: Reader) -> None:
    device.looks = [(EAN,), (EAN, QR)]
    read = (await reader.success("BarcodeReader.Read", {"symbologies": {"qrCode": True}}))["readOutput"]
    assert [one["symbology"] for one in read] == ["qrCode"]
    assert device.asked == [frozenset({"qrCode"})] * 2


async def test_a_reader_that_cannot_filter_ignores_the_symbologies(nursery: trio.Nursery) -> None:
    device = type("Simple", (Reader,), {"filters_symbologies": False})()
    device.looks = [(EAN,)]
    client = await serving(device, nursery)
    read = await client.success("BarcodeReader.Read", {"symbologies": {"maxiCode": True}})
    assert [one["symbology"] for one in read["readOutput"]] == ["ean13"]


async def test_a_kind_outside_the_capabilities_is_unknown_and_named(reader: Dialogue, device: Reader) -> None:
    device.looks = [(devices.Barcode(b"1", "aztec"), devices.Barcode(b"2", None, "Acme code"))]
    read = (await reader.success("BarcodeReader.Read"))["readOutput"]
    assert [(one["symbology"], one["symbologyName"]) for one in read] == [
        ("symbologyUnknown", "aztec"),
        ("symbologyUnknown", "Acme code"),
    ]


async def test_a_code_without_content_is_passed_over(reader: Dialogue, device: Reader) -> None:
    device.looks = [(devices.Barcode(b"", "qrCode"),), (devices.Barcode(b"", "qrCode"), EAN)]
    read = (await reader.success("BarcodeReader.Read"))["readOutput"]
    assert [one["symbology"] for one in read] == ["ean13"]


async def test_a_kind_without_a_name_has_none(reader: Dialogue, device: Reader) -> None:
    device.looks = [
        (devices.Barcode(b"1", "", ""), devices.Barcode(b"2"), devices.Barcode(b"3", "qrCode", ""))
    ]
    read = (await reader.success("BarcodeReader.Read"))["readOutput"]
    assert [one["symbology"] for one in read] == ["symbologyUnknown", "symbologyUnknown", "qrCode"]
    assert not any("symbologyName" in one for one in read)


async def test_a_device_that_names_no_kind_reads_all_as_unknown(nursery: trio.Nursery) -> None:
    device = type("Nameless", (Reader,), {"symbologies": frozenset()})()
    device.looks = [(QR,)]
    client = await serving(device, nursery)
    assert "symbologies" not in (await client.success("Common.Capabilities"))["barcodeReader"]
    read = (await client.success("BarcodeReader.Read"))["readOutput"]
    assert [(one["symbology"], one["symbologyName"]) for one in read] == [("symbologyUnknown", "qrCode")]
    assert await client.failure("BarcodeReader.Read", {"symbologies": {"qrCode": True}}) == "unsupportedData"


async def test_a_kind_that_the_standard_has_no_name_for_is_said_to_be_none(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = type("Misspelt", (Reader,), {"symbologies": frozenset({"qrCode", "qr-code"})})()
    client = await serving(device, nursery)
    told = (await client.success("Common.Capabilities"))["barcodeReader"]["symbologies"]
    assert [name for name, can in told.items() if can] == ["qrCode"]
    assert "symbologies" in caplog.text
    assert "'qr-code'" in caplog.text


@pytest.mark.parametrize("symbology", SYMBOLOGIES)
async def test_every_symbology_of_the_standard_is_told_asked_for_and_read(
    nursery: trio.Nursery, symbology: str
) -> None:
    device = type("One", (Reader,), {"symbologies": frozenset({symbology})})()
    device.looks = [(devices.Barcode(b"x", symbology),)]
    client = await serving(device, nursery)
    capabilities = (await client.success("Common.Capabilities"))["barcodeReader"]
    assert [name for name, can in capabilities["symbologies"].items() if can] == [symbology]
    read = await client.success("BarcodeReader.Read", {"symbologies": {symbology: True}})
    assert read["readOutput"][0]["symbology"] == symbology
    assert device.asked == [frozenset({symbology})]


def test_a_symbology_is_written_the_same_in_capabilities_and_results() -> None:
    kinds = get_args(msgspec.structs.fields(messages.ReadCompletionReadOutputItem)[0].type)
    assert {*SYMBOLOGIES, "symbologyUnknown"} == {name for kind in kinds for name in get_args(kind)}


@pytest.mark.parametrize("how", ["timeOut", "canceled", "gone"])
async def test_the_scanner_is_off_when_a_read_ends_without_a_code(
    reader: Dialogue, device: Reader, nursery: trio.Nursery, how: str
) -> None:
    other = await another(reader, nursery)
    timeout = 50 if how == "timeOut" else 0
    request = await reader.send("BarcodeReader.Read", timeout=timeout)
    assert await told(other) == "on"
    if how == "gone":
        await reader.connection.aclose()
    elif how == "canceled":
        await reader.success("Common.Cancel", {"requestIds": [request]})
    assert await told(other) == "off"
    if how != "gone":
        completion = await reader.until("completion", request)
        assert outcome(completion) == how
    device.looks = [(QR,)]
    await other.success("BarcodeReader.Read")


async def test_a_reset_waits_for_a_read_until_that_is_cancelled(
    reader: Dialogue, device: Reader, nursery: trio.Nursery
) -> None:
    other = await another(reader, nursery)
    request = await reader.send("BarcodeReader.Read")
    assert await told(other) == "on"
    reset = await other.send("BarcodeReader.Reset")
    await other.until("acknowledge", reset)
    assert await scanner(other) == "on"
    await reader.success("Common.Cancel", {"requestIds": [request]})
    assert outcome(await reader.until("completion", request)) == "canceled"
    assert outcome(await other.until("completion", reset)) == "success"
    assert await told(other) == "off"
    device.looks = [(QR,)]
    await other.success("BarcodeReader.Read")
    # On and off once each, and nothing beside them.
    assert [await told(other), await told(other)] == ["on", "off"]
    assert not [one for one in other.passed if one["header"]["name"] == "Common.StatusChangedEvent"]


async def told(client: Dialogue) -> str:
    event = await client.until("unsolicited", name="Common.StatusChangedEvent")
    return str(event["payload"]["barcodeReader"]["scanner"])


async def test_a_scanner_that_broke_works_again_after_a_reset(reader: Dialogue, device: Reader) -> None:
    device.looks = [errors.HardwareError("the lamp is dead")]
    assert await reader.failure("BarcodeReader.Read") == "hardwareError"
    assert await scanner(reader) == "inoperative"
    assert await reader.failure("BarcodeReader.Read") == "hardwareError"
    await reader.success("BarcodeReader.Reset")
    device.looks = [(QR,)]
    await reader.success("BarcodeReader.Read")


async def test_a_device_that_gives_up_or_floods_ends_the_read(reader: Dialogue, device: Reader) -> None:
    large = devices.Barcode(b"x" * 65537, "qrCode")
    for look in (errors.CommandError("barcodeInvalid", "torn"), (), (QR,) * 65, (large,)):
        device.looks = [look]
        assert await reader.failure("BarcodeReader.Read") == "barcodeInvalid"
    assert await scanner(reader) == "off"


async def test_what_a_code_says_reaches_no_log(
    reader: Dialogue, device: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    device.looks = [(devices.Barcode(b"private", "qrCode"),)]
    await reader.success("BarcodeReader.Read")
    assert "private" not in caplog.text
    assert base64.b64encode(b"private").decode() not in caplog.text


async def offline(device: Reader) -> None:
    device.status.common.device = "offline"


async def broken(device: Reader) -> None:
    device.status.barcode_reader.scanner = "inoperative"


async def code_in_view(device: Reader) -> None:
    device.looks = [(devices.Barcode(b"4006381333931", "ean13"),)]


ORDER = {
    "BarcodeReader.Read": Command(
        before=code_in_view,
        breaks={
            "device_ready": Break(before=offline),
            "scanner_works": Break(before=broken),
            "symbologies_supported": Break({"symbologies": {"maxiCode": True}}),
        },
    )
}


@pytest.mark.parametrize("pair", pairs(BarcodeReader, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(reader: Dialogue, device: Reader, pair: Pair) -> None:
    await pair.prove(reader, device)


@pytest.mark.parametrize("walk", walks(BarcodeReader, ORDER), ids=str)
async def test_older_clients_are_answered_alike(reader: Dialogue, device: Reader, walk: Walk) -> None:
    await walk.prove(reader, device, device)


@pytest.mark.parametrize(
    "wrong",
    [
        devices.Barcode(9780201379624),  # type: ignore[arg-type]
        devices.Barcode("9780201379624"),  # type: ignore[arg-type]
        devices.Barcode(b"", 9780201379624),  # type: ignore[arg-type]
        devices.Barcode(b"1", "9780201379624" * 9),
        9780201379624,
        {9780201379624: 1},
    ],
    ids=lambda one: type(one).__name__,
)
async def test_what_a_code_says_is_not_told_wherever_a_class_puts_it(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, wrong: Any
) -> None:
    class Lying(devices.BarcodeReader):
        async def read(self, wanted: frozenset[str] | None, events: devices.CommandEvents) -> Any:
            return (wrong,)

    client = await serving(Lying("BarcodeReader"), nursery)
    request = await client.send("BarcodeReader.Read", {})
    answer = await client.until("completion", request)
    assert answer["header"]["completionCode"] == "hardwareError"
    for told in (answer["header"]["errorDescription"], caplog.text):
        assert "9780201379624" not in told
