"""Code lines: what clients of 2021-1 are told of them, and that no other client is told anything."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
import trio

from dialogue import Dialogue, another, outcome
from printers import Scribe
from vendors import refusal, serving

IMAGE, MAPPING = "Printer.ReadImage", "Printer.GetCodelineMapping"
FRONT = {"frontImageType": "jpg", "frontImageColorFormat": "fullcolor"}
NEWER = {"2023-2": FRONT, "2024-3": {"frontImage": {"imageType": "jpg", "colorFormat": "fullcolor"}}}
LINE = "T123T 456O 7"


class Reader(Scribe):
    """It reads code lines, too.

    Attributes:
        lines: by format, what is read.
    """

    codelines: Mapping[Any, str] = {"e13b": "TAOD*", "cmc7": "vwxyz*", "ocr": ""}

    def __init__(self) -> None:
        super().__init__()
        self.inserted_media.set()
        self.lines: dict[str, Any] = {"e13b": LINE, "cmc7": "v12w AB", "ocr": "P<UTO 4711"}

    async def read_codeline(self, form: Any, events: Any) -> str | None:
        await self._do("read_codeline", form)
        return self.lines.get(form)


@pytest.fixture
def device() -> Reader:
    return Reader()


@pytest.fixture
async def newest(device: Reader, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


@pytest.fixture
async def client(newest: Dialogue, nursery: trio.Nursery) -> Dialogue:
    """A client of 2021-1."""
    return await another(newest, nursery, "2021-1")


def ended(completion: dict[str, Any]) -> str:
    """How a command ended; in 2021-1 no description says why."""
    code = outcome(completion)
    return str(completion["payload"]["errorCode"]) if code == "commandErrorCode" else code


def of(line: str) -> dict[str, str]:
    return {"status": "ok", "data": base64.b64encode(line.encode()).decode()}


async def test_only_clients_of_2021_1_are_told_that_code_lines_are_read(
    client: Dialogue, newest: Dialogue, nursery: trio.Nursery
) -> None:
    told = await client.success("Common.Capabilities")
    assert told["printer"]["codelineFormat"] == {"e13b": True, "cmc7": True, "ocr": True}
    assert told["printer"]["imageSource"] == {"imageFront": True, "imageBack": True, "codeLine": True}
    commands = next(one for one in told["interfaces"] if MAPPING in one["commands"])["commands"]
    assert commands[MAPPING] == {"versions": ["1.0"]}
    for other in (newest, await another(newest, nursery, "2023-2")):
        found = await other.success("Common.Capabilities")
        assert found["printer"]["imageSource"]["imageFront"]
        assert "codeline" not in json.dumps(found, default=str).lower()
        # From what is remembered, too.
        assert await other.success("Common.Capabilities") == found
    assert await client.success("Common.Capabilities") == told


async def test_the_mapping_says_which_characters_stand_for_symbols(client: Dialogue) -> None:
    for form, symbols in (("e13b", "TAOD*"), ("cmc7", "vwxyz*")):
        found = await client.success(MAPPING, {"codelineFormat": form})
        assert found | {"completionCode": None} == {
            "codelineFormat": form,
            "charMapping": symbols,
            "completionCode": None,
        }
    for wrong in ({}, {"codelineFormat": "ocr"}, {"codelineFormat": "E13B"}, None):
        assert ended(await client.completion(MAPPING, wrong)) == "invalidData"


async def test_a_code_line_is_read_beside_images_or_alone(client: Dialogue, device: Reader) -> None:
    for form, line in device.lines.items():
        found = await client.success(IMAGE, {**FRONT, "codelineFormat": form})
        assert found["images"]["front"]["status"] == "ok"
        assert found["images"]["codeline"] == of(line)
    device.called.clear()
    wanted = {"codelineFormat": "e13b", "imageSource": {"codeline": True}}
    assert (await client.success(IMAGE, wanted))["images"] == {"codeline": of(LINE)}
    assert device.called == [("read_codeline", "e13b")]
    # Of a cheque without one.
    device.lines.clear()
    assert (await client.success(IMAGE, wanted))["images"] == {"codeline": {"status": "missing"}}


async def test_a_code_line_is_not_read_where_other_sources_are_named(
    client: Dialogue, device: Reader
) -> None:
    wanted = {**FRONT, "codelineFormat": "e13b", "imageSource": {"front": True}}
    assert "codeline" not in (await client.success(IMAGE, wanted))["images"]
    wanted["imageSource"] = {"front": True, "codeline": False}
    assert "codeline" not in (await client.success(IMAGE, wanted))["images"]
    assert [one[0] for one in device.called].count("read_codeline") == 0


@pytest.mark.parametrize(
    ("reads", "says"),
    [
        ({"e13b": "TAOD*", "cmc7": "vwxyz*"}, "$.codelineFormat: ocr is not one of cmc7, e13b"),
        ({}, "$.codelineFormat: the device reads no code lines; ask for an image"),
    ],
)
async def test_which_code_lines_can_be_read_is_told_where_another_is_wanted(
    device: Reader, nursery: trio.Nursery, reads: Mapping[Any, str], says: str
) -> None:
    device.codelines = reads
    client = await another(await serving(device, nursery), nursery, "2021-1")
    completion = await client.completion(IMAGE, {"codelineFormat": "ocr"})
    assert ended(completion) == "invalidData"
    assert (completion["header"] | completion["payload"])["errorDescription"] == says


async def test_what_cannot_be_asked_of_a_code_line(client: Dialogue, device: Reader) -> None:
    for wrong in (
        {**FRONT, "imageSource": {"codeline": True}},
        {**FRONT, "codelineFormat": "ocrb"},
        {"codelineFormat": "e13b", "imageSource": {"codeline": False}},
        {},
    ):
        assert ended(await client.completion(IMAGE, wrong)) == "invalidData"
    assert not device.called


@pytest.mark.parametrize("told", [{}, {"cmc7": "vwxyz*"}], ids=["none", "another"])
async def test_a_format_that_is_not_read_is_said_beside_the_image(
    client: Dialogue, device: Reader, told: Any
) -> None:
    device.codelines = told
    images = (await client.success(IMAGE, {**FRONT, "codelineFormat": "e13b"}))["images"]
    assert (images["front"]["status"], images["codeline"]) == ("ok", {"status": "notSupported"})
    assert ended(await client.completion(IMAGE, {"codelineFormat": "e13b"})) == "invalidData"
    assert ended(await client.completion(MAPPING, {"codelineFormat": "e13b"})) in (
        "invalidData",
        "unsupportedCommand",
    )


async def test_a_printer_that_reads_none_offers_nothing_of_it(nursery: trio.Nursery) -> None:
    device = Scribe()
    device.inserted_media.set()
    oldest = await another(await serving(device, nursery), nursery, "2021-1")
    offered = (await oldest.success("Common.Capabilities"))["printer"]
    assert not any(offered.get("codelineFormat", {}).values())
    assert offered["imageSource"]["imageFront"]
    assert not offered["imageSource"].get("codeLine")
    assert outcome(await oldest.completion(MAPPING, {"codelineFormat": "cmc7"})) == "unsupportedCommand"


@pytest.mark.parametrize("version", NEWER)
async def test_newer_clients_have_no_code_lines(
    newest: Dialogue, device: Reader, nursery: trio.Nursery, version: str
) -> None:
    client = await another(newest, nursery, version)
    await client.success("Common.Status")
    for header in ({}, {"version": "1.0"}, {"version": "2.0"}):
        assert await client.failure(MAPPING, {"codelineFormat": "e13b"}, **header) == "unsupportedCommand"
    # To them these are names without a meaning, whatever they hold.
    for unknown in ({"codelineFormat": "e13b", "imageSource": {"codeline": True}}, {"imageSource": 7}):
        images = (await client.success(IMAGE, {**NEWER[version], **unknown}))["images"]
        assert images["front"]["status"] == "ok"
        assert "codeline" not in images
    assert await client.failure(IMAGE, {"codelineFormat": "e13b"}) == "invalidData"
    assert [one[0] for one in device.called].count("read_codeline") == 0


LIES: dict[str, Any] = {
    "bytes": b"T12",
    "number": 4711,
    "nothing": "",
    "letter": "T12x",
    "not ASCII": "T12\u20ac",
    "a symbol of another font": "v4711",
    "a line feed": "T12\n",
    "endless": "1" * 1_000_000,
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_code_line_that_cannot_be_is_a_fault_of_the_device(
    client: Dialogue, device: Reader, caplog: pytest.LogCaptureFixture, lie: str
) -> None:
    device.lines["e13b"] = LIES[lie]
    assert ended(await client.completion(IMAGE, {**FRONT, "codelineFormat": "e13b"})) == "hardwareError"
    assert "Reader.read_codeline returned what cannot be" in caplog.text
    device.lines["e13b"] = LINE
    images = (await client.success(IMAGE, {**FRONT, "codelineFormat": "e13b"}))["images"]
    assert images["codeline"] == of(LINE)


@pytest.mark.parametrize(
    ("form", "symbols"),
    [
        ("e13b", "TAO"),
        ("e13b", "TAODDD"),
        ("e13b", "TTOD*"),
        ("e13b", "TAO1*"),
        ("cmc7", "vwxyZ*"),
        ("cmc7", ""),
    ],
)
async def test_symbols_that_cannot_be_are_a_fault_of_the_device(
    client: Dialogue, device: Reader, caplog: pytest.LogCaptureFixture, form: str, symbols: str
) -> None:
    device.codelines = {form: symbols}
    device.lines = {form: "12"}
    assert ended(await client.completion(MAPPING, {"codelineFormat": form})) == "hardwareError"
    assert ended(await client.completion(IMAGE, {"codelineFormat": form})) == "hardwareError"
    assert caplog.text.count(f"codelines['{form}']") >= 2
    assert (await client.success("Common.Status"))["common"]["device"] == "hardwareError"


@pytest.mark.parametrize("told", [{"e13b": 5}, {"e13b": "TAO D"}, {"micr": "TAOD*"}, "e13b", None])
async def test_what_is_no_table_of_symbols_is_no_table(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, told: Any
) -> None:
    with pytest.raises(Exception, match="codelines"):
        Reader().codelines = told
    device = type("Wrong", (Reader,), {"codelines": told})()
    client = await another(await serving(device, nursery), nursery, "2021-1")
    for command in (MAPPING, IMAGE):
        answer = ended(await client.completion(command, {"codelineFormat": "e13b"}))
        assert answer not in ("success", "internalError")
    assert "codelines" in caplog.text
    assert await client.success("Common.Capabilities")
    assert (await client.success(IMAGE, FRONT))["images"]["front"]["status"] == "ok"


@pytest.mark.parametrize("code", ["shutterFail", "mediaJammed", "lampInoperative", "mediaSize"])
async def test_a_code_line_fails_as_the_device_says(client: Dialogue, device: Reader, code: str) -> None:
    device.refuses["read_codeline"] = refusal(code)
    assert ended(await client.completion(IMAGE, {"codelineFormat": "e13b"})) == code


async def test_a_document_that_cannot_be_taken_has_no_code_line(client: Dialogue, device: Reader) -> None:
    device.refuses["accept_media"] = refusal("mediaRejected")
    assert ended(await client.completion(IMAGE, {"codelineFormat": "e13b"})) == "mediaRejected"
    rejected = await client.until("event", name="Printer.MediaRejectedEvent")
    assert rejected["payload"] == {"reason": "long"}


async def test_a_code_line_is_in_no_log(
    client: Dialogue, device: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await client.success(IMAGE, {**FRONT, "codelineFormat": "e13b"})
    device.lines["e13b"] = wrong = "T998877x"
    assert ended(await client.completion(IMAGE, {"codelineFormat": "e13b"})) == "hardwareError"
    for line in (LINE, wrong):
        assert line not in caplog.text
        assert of(line)["data"] not in caplog.text
