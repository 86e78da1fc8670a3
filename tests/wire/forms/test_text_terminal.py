"""TextTerminal over the wire: a vendor's terminal, and the simulated one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import trio
from hypothesis import strategies

import xfs4iot
from dialogue import Dialogue, another, dialogue, outcome
from order import Break, Command, Pair, Walk, pairs, walks
from vendors import serving
from xfs4iot import devices
from xfs4iot.devices import BeepType, ScreenPosition, ScreenRun
from xfs4iot.interfaces.forms.text_terminal import TextTerminal
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import text_terminal as messages
from xfs4iot.simulator import atm as simulated_atm

WRITE, READ = "TextTerminal.Write", "TextTerminal.Read"
ENTER = {"enter": {"terminate": True}}
FORM: dict[str, Any] = {
    "size": {"width": 20, "height": 3},
    "version": {"version": "1.2", "date": "2026-01-31", "author": "us"},
    "fields": {
        "title": {
            "position": {"x": 0, "y": 0},
            "size": {"width": 20, "height": 1},
            "class": "static",
            "initialValue": "Service",
            "horizontal": "center",
            "style": {"inverted": True},
        },
        "amount": {
            "position": {"x": 0, "y": 1},
            "size": {"width": 6},
            "access": "readWrite",
            "class": "required",
            "keys": "numeric",
            "horizontal": "right",
        },
        "code": {
            "position": {"x": 10, "y": 1},
            "size": {"width": 4},
            "fieldType": "password",
            "access": "read",
            "keys": "hexadecimal",
        },
        "note": {
            "position": {"x": 0, "y": 2},
            "size": {"width": 5, "height": 1},
            "overflow": "truncate",
        },
    },
}


class Panel(devices.TextTerminal):
    """A small display whose keys a test presses."""

    resolutions = ((20, 4), (8, 2))
    has_cursor = True
    has_key_lock = True
    keys = "0123456789ABCDEFabcdefZ"
    command_keys = {  # noqa: RUF012
        **dict.fromkeys(("enter", "cancel", "fdk01"), True),
        **dict.fromkeys(("clear", "backspace", "doubleZero", "tripleZero", "arrowUp", "arrowDown"), False),
    }
    beep_types = frozenset({"warning", "error"})

    def __init__(self) -> None:
        super().__init__("Panel")
        self.rows = [[" "] * 20 for _ in range(4)]
        self.looks: dict[tuple[int, int], Any] = {}
        self.cursors: list[ScreenPosition | None] = []
        self.beeps: list[tuple[str | None, bool]] = []
        self.pictures: list[Any] = []
        self.fault: Exception | None = None
        self.resets = 0
        self.changed = self.asked = trio.Event()
        self.press, self._pressed = trio.open_memory_channel[str](1000)

    async def show(self, runs: tuple[ScreenRun, ...], cursor: ScreenPosition | None) -> None:
        if self.fault is not None:
            raise self.fault
        for run in runs:
            for x, one in enumerate(run.text, run.x):
                self.rows[run.y][x] = one
                self.looks[x, run.y] = run.attributes
        self.cursors.append(cursor)
        self.changed.set()
        self.changed = trio.Event()

    async def read_key(self, active: frozenset[str]) -> str:
        self.asked.set()
        return await self._pressed.receive()

    async def flush_keys(self) -> None:
        while True:
            try:
                self._pressed.receive_nowait()
            except trio.WouldBlock:
                return

    async def beep(self, beep_type: BeepType | None, continuous: bool) -> None:
        self.beeps.append((beep_type, continuous))

    async def set_resolution(self, width: int, height: int) -> None:
        if self.fault is not None:
            raise self.fault
        self.rows = [[" "] * width for _ in range(height)]

    async def draw_graphic(
        self, position: ScreenPosition, width: int, height: int, scaling: str, picture: bytes
    ) -> None:
        self.pictures.append((position, width, height, scaling, picture))

    async def reset(self) -> None:
        self.resets += 1
        self.rows = [["#"] * 20 for _ in range(4)]

    async def shows(self, row: str) -> None:
        """Wait until this is in the first row."""
        while self.screen[0] != row:
            await self.changed.wait()

    def types(self, *keys: str) -> None:
        for key in keys:
            self.press.send_nowait(key)

    @property
    def screen(self) -> list[str]:
        return ["".join(row).rstrip() for row in self.rows]


@pytest.fixture
def device() -> Panel:
    return Panel()


@pytest.fixture
async def client(device: Panel, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


def at(x: int = 0, y: int = 0, **more: Any) -> dict[str, Any]:
    return {"mode": "absolute", "posX": x, "posY": y} | more


async def status(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["textTerminal"]
    return found


async def test_capabilities_and_status_follow_from_the_class(client: Dialogue) -> None:
    assert (await client.success("Common.Capabilities"))["textTerminal"] == {
        "type": "fixed",
        "resolutions": [{"sizeX": 20, "sizeY": 4}, {"sizeX": 8, "sizeY": 2}],
        "keyLock": True,
        "cursor": True,
        "forms": True,
    }
    assert await status(client) == {
        "keyboard": "off",
        "keyLock": "off",
        "displaySizeX": 20,
        "displaySizeY": 4,
    }


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("one\ntwo", ["one", "two", "", ""]),
        ("one\r\ntwo\n\rthree", ["one", "two", "three", ""]),
        ("one\n\ntwo", ["one", "", "two", ""]),
        ("one\r\rtwo", ["one", "", "two", ""]),
        ("x" * 20 + "\ny", ["x" * 20, "y", "", ""]),
        ("x" * 21, ["x" * 20, "x", "", ""]),
        ("a\nb\nc\nd\ne", ["b", "c", "d", "e"]),
        ("a\n", ["a", "", "", ""]),
    ],
)
async def test_text_wraps_breaks_and_scrolls(
    client: Dialogue, device: Panel, text: str, rows: list[str]
) -> None:
    await client.success(WRITE, at(text=text))
    assert device.screen == rows


async def test_without_scrolling_the_rest_is_lost_and_the_log_says_so(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = type("Fixed", (Panel,), {"scrolls": False})()
    client = await serving(device, nursery)
    await client.success(WRITE, at(0, 3, text="x" * 20 + "lost\nlost"))
    assert device.screen == ["", "", "", "x" * 20]
    assert any("8 characters are lost" in record.getMessage() for record in caplog.records)


async def test_positions_are_relative_to_where_the_last_text_ended(client: Dialogue, device: Panel) -> None:
    await client.success(WRITE, at(2, 1, text="ab"))
    await client.success(WRITE, {"mode": "relative", "posX": 1, "posY": 1, "text": "c"})
    await client.success(WRITE, at(0, 3, text=""))
    await client.success(WRITE, {"mode": "relative", "posX": 0, "posY": 0, "text": "x" * 20})
    await client.success(WRITE, {"mode": "relative", "posX": 0, "posY": 0, "text": "y"})
    assert device.screen == ["  ab", "     c", "x" * 20, "y"]


async def test_wide_and_combined_characters_take_the_columns_that_they_have(
    client: Dialogue, device: Panel
) -> None:
    await client.success(WRITE, at(17, 0, text="漢字"))
    await client.success(WRITE, at(0, 2, text="e\u0301x"))
    await client.success(WRITE, at(18, 0, text="!"))
    assert "".join(device.rows[0])[17:] == " ! "
    assert device.rows[1][0] == "字"


async def test_attributes_are_of_the_text_alone(client: Dialogue, device: Panel) -> None:
    await client.success(WRITE, at(text="a", textAttr={"underline": True, "flash": True}))
    await client.success(WRITE, at(1, text="b"))
    assert device.looks[0, 0] == devices.CellAttributes(underline=True, flash=True)
    assert device.looks[1, 0] == devices.CellAttributes()
    await client.success("TextTerminal.ClearScreen")
    assert device.looks[0, 0] == devices.CellAttributes()


async def test_a_character_that_cannot_be_shown_leaves_the_screen_as_it_is(nursery: trio.Nursery) -> None:
    device = type("Ascii", (Panel,), {"characters": "abc"})()
    client = await serving(device, nursery)
    await client.success(WRITE, at(text="abc"))
    assert await client.failure(WRITE, at(text="aé")) == "characterSetsData"
    assert device.screen[0] == "abc"
    plain = await serving(Panel(), nursery)
    assert await plain.failure(WRITE, at(text="a\x1b[31m")) == "characterSetsData"


async def test_a_part_of_the_screen_is_cleared_and_the_cursor_goes_there(
    client: Dialogue, device: Panel
) -> None:
    await client.success(WRITE, at(text="abcdef\nabcdef"))
    area = {"positionX": 1, "positionY": 0, "width": 2, "height": 2}
    await client.success("TextTerminal.ClearScreen", {"screen": area})
    assert device.screen[:2] == ["a  def", "a  def"]
    await client.success(WRITE, {"mode": "relative", "posX": 0, "posY": 0, "text": "x"})
    assert device.screen[0] == "ax def"
    await client.success("TextTerminal.ClearScreen", {"screen": {}})
    assert device.screen == [""] * 4


async def test_another_resolution_is_blank_and_told(client: Dialogue, device: Panel) -> None:
    await client.success(WRITE, at(text="x"))
    size = {"resolution": {"sizeX": 8, "sizeY": 2}}
    device.fault = errors.HardwareError("stuck")
    assert await client.failure("TextTerminal.SetResolution", size) == "hardwareError"
    assert device.screen[0] == "x"
    assert (await status(client))["displaySizeX"] == 20
    device.fault = None
    await client.success("TextTerminal.SetResolution", size)
    assert device.screen == ["", ""]
    event = await client.until("unsolicited", name="Common.StatusChangedEvent")
    while "textTerminal" not in event["payload"]:
        event = await client.until("unsolicited", name="Common.StatusChangedEvent")
    assert event["payload"]["textTerminal"]["displaySizeX"] == 8
    assert await client.failure(WRITE, at(8, 0, text="x")) == "invalidData"
    wrong = {"resolution": {"sizeX": 9, "sizeY": 2}}
    assert await client.failure("TextTerminal.SetResolution", wrong) == "resolutionNotSupported"


async def test_a_beep_is_once_or_until_it_is_ended(client: Dialogue, device: Panel) -> None:
    await client.success("TextTerminal.Beep", {"beep": {"beepType": "error"}})
    await client.success("TextTerminal.Beep", {"beep": {"beepType": "warning", "continuous": True}})
    await client.success("TextTerminal.Beep", {"beep": {"continuous": True}})
    assert device.beeps == [("error", False), ("warning", True), (None, False)]
    assert await client.failure("TextTerminal.Beep", {"beep": {"beepType": "critical"}}) == "unsupportedData"
    await client.success("TextTerminal.Reset")
    assert device.beeps[-1] == (None, False)
    assert device.screen == [""] * 4


async def test_an_input_ends_at_a_terminating_key_and_each_key_is_told_before(
    client: Dialogue, device: Panel
) -> None:
    device.types("1", "Z", "2", "backspace", "doubleZero", "enter")
    payload = at(2, 1, numOfChars=4, autoEnd=False, activeKeys=["one", "two"])
    payload["activeCommandKeys"] = {"backspace": {}, "doubleZero": {"terminate": False}, **ENTER}
    request = await client.send(READ, payload | {"visible": True})
    completion = await client.until("completion", request)
    assert completion["payload"] == {"input": "100"}
    told = [one for one in client.passed if one["header"].get("name") == "TextTerminal.KeyEvent"]
    assert [one["payload"] for one in told] == [
        {"key": "one"},
        {"key": "two"},
        {"commandKey": "backspace"},
        {"commandKey": "doubleZero"},
        {"commandKey": "enter"},
    ]
    assert {one["header"]["requestId"] for one in told} == {request}
    assert device.screen[1] == "  100"
    assert device.cursors[-2:] == [ScreenPosition(5, 1), None]


@pytest.mark.parametrize(
    ("active", "typed", "given"),
    [
        (["A", "B"], "aB", "AB"),
        (["A", "a", "B"], "aAb", "aAB"),
        (["one", "Z"], "1Z", "1Z"),
    ],
)
async def test_letters_are_given_in_the_case_that_was_asked_for(
    client: Dialogue, device: Panel, active: list[str], typed: str, given: str
) -> None:
    device.types(*typed)
    found = await client.success(READ, at(numOfChars=len(typed), activeKeys=active))
    assert found["input"] == given


@pytest.mark.parametrize(
    ("more", "typed", "given"),
    [
        ({"numOfChars": 2}, "123", "12"),
        ({"numOfChars": 0}, "", None),
        ({"numOfChars": 2, "autoEnd": False}, ["1", "2", "3", "enter"], "12"),
        ({"numOfChars": 2, "autoEnd": False}, ["enter"], None),
        ({"numOfChars": 3, "autoEnd": False}, ["1", "doubleZero", "tripleZero", "enter"], "100"),
        ({"numOfChars": 2, "autoEnd": False}, ["backspace", "1", "clear", "2", "enter"], "2"),
    ],
)
async def test_an_input_ends_by_itself_only_if_it_may(
    client: Dialogue, device: Panel, more: dict[str, Any], typed: Any, given: str | None
) -> None:
    device.types(*typed)
    keys = ["one", "two", "three"]
    commands = {**ENTER, **{name: {} for name in ("backspace", "clear", "doubleZero", "tripleZero")}}
    found = await client.success(READ, at(activeKeys=keys, activeCommandKeys=commands) | more)
    assert found.get("input") == given


async def test_a_password_shows_asterisks_and_is_taken_off_at_a_timeout(
    client: Dialogue, device: Panel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    device.types("7", "8")
    payload = at(numOfChars=3, echoMode="password", activeKeys=["seven", "eight"])
    request = await client.send(READ, payload, timeout=200)
    await device.shows("**")
    assert (await status(client))["keyboard"] == "on"
    completion = await client.until("completion", request)
    assert completion["header"]["completionCode"] == "timeOut"
    assert "payload" not in completion or "input" not in completion["payload"]
    assert device.screen[0] == ""
    assert (await status(client))["keyboard"] == "off"
    device.types("7", "8", "7")
    assert (await client.success(READ, payload))["input"] == "787"
    assert device.screen[0] == "***"
    assert not any("787" in record.getMessage() for record in caplog.records)


async def test_an_invisible_input_needs_no_room_and_leaves_the_screen(
    client: Dialogue, device: Panel
) -> None:
    device.types(*"1" * 30)
    payload = at(19, 0, numOfChars=30, echoMode="invisible", activeKeys=["one"])
    assert (await client.success(READ, payload))["input"] == "1" * 30
    assert device.screen[0] == ""


async def test_keys_typed_before_are_read_unless_they_are_flushed(client: Dialogue, device: Panel) -> None:
    device.types("1", "2")
    assert (await client.success(READ, at(numOfChars=1, activeKeys=["one", "two"])))["input"] == "1"
    device.asked = trio.Event()
    request = await client.send(READ, at(numOfChars=1, activeKeys=["one", "two"], flush=True))
    await device.asked.wait()
    device.types("1")
    assert (await client.until("completion", request))["payload"] == {"input": "1"}


async def test_a_cancelled_input_leaves_the_keyboard_off_and_the_next_client_reads(
    client: Dialogue, device: Panel, nursery: trio.Nursery
) -> None:
    other = await another(client, nursery)
    first = await client.send(READ, at(numOfChars=1, activeKeys=["one"]))
    await client.until("acknowledge", first)
    second = await other.send(READ, at(numOfChars=1, activeKeys=["two"]))
    await other.until("acknowledge", second)
    await client.success("Common.Cancel", {"requestIds": [first]})
    assert (await client.until("completion", first))["header"]["completionCode"] == "canceled"
    device.types("2")
    assert (await other.until("completion", second))["payload"] == {"input": "2"}
    assert (await status(client))["keyboard"] == "off"


async def test_locked_keys_are_not_read(client: Dialogue, device: Panel) -> None:
    device.status.text_terminal.key_lock = "on"
    assert await client.failure(READ, at(numOfChars=1, activeKeys=["one"])) == "deviceNotReady"


async def test_a_key_that_the_device_does_not_have_is_its_mistake(
    client: Dialogue, device: Panel, caplog: pytest.LogCaptureFixture
) -> None:
    device.types("rubbish")
    assert await client.failure(READ, at(numOfChars=1, activeKeys=["one"])) == "hardwareError"
    assert any("Panel.read_key" in record.getMessage() for record in caplog.records)
    assert not any("rubbish" in record.getMessage() for record in caplog.records)


async def test_the_keys_of_the_device_are_told(client: Dialogue, nursery: trio.Nursery) -> None:
    found = await client.success("TextTerminal.GetKeyDetail")
    assert found["keys"][:3] == ["zero", "one", "two"]
    assert found["commandKeys"]["enter"] == {"terminate": True}
    assert found["commandKeys"]["clear"] == {"terminate": False}
    old = await another(client, nursery, "2021-1")
    shown = await old.success("TextTerminal.GetKeyDetail")
    assert shown["keys"].startswith("0123456789A")
    assert "enter" in shown["commandKeys"]


async def test_older_versions_read_and_write(client: Dialogue, device: Panel, nursery: trio.Nursery) -> None:
    old = await another(client, nursery, "2021-1")
    device.types("1", "enter")
    payload = {
        **at(0, 1, numOfChars=3, autoEnd=True, echoMode="text", visible=False, flush=False),
        "echoAttr": {"underline": False, "inverted": False, "flash": False},
        "activeKeys": "12",
        "activeCommandKeys": {"enter": {"terminate": True}},
    }
    request = await old.send(READ, payload)
    assert (await old.until("completion", request))["payload"]["input"] == "1"
    event = await old.until("event", request, "TextTerminal.KeyEvent")
    assert event["payload"] == {"key": "1"}
    area = {"positionX": 0, "positionY": 1, "width": 1, "height": 1}
    await old.success("TextTerminal.ClearScreen", area)
    assert device.screen[1] == ""


# Forms.


async def test_a_form_is_written_as_it_is_defined(client: Dialogue, device: Panel) -> None:
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
    await client.success(WRITE, at(0, 3, text="below"))
    fields = {"amount": "250", "note": "truncated"}
    request = await client.send("TextTerminal.WriteForm", {"formName": "Ask", "fields": fields})
    completion = await client.until("completion", request)
    assert "completionCode" not in completion["header"]
    warning = await client.until("event", request, "TextTerminal.FieldWarningEvent")
    assert warning["payload"] == {"formName": "Ask", "fieldName": "note", "failure": "overflow"}
    assert device.screen == ["      Service", "   250", "trunc", "below"]
    assert device.looks[0, 0].inverted
    await client.success(
        "TextTerminal.WriteForm", {"formName": "Ask", "clearScreen": True, "fields": {"amount": "1"}}
    )
    assert device.screen == ["      Service", "     1", "", ""]


@pytest.mark.parametrize(
    ("fields", "failure", "code"),
    [
        ({"amount": "1", "colour": "red"}, "notFound", "fieldError"),
        ({"amount": "1", "title": "mine"}, "staticOverwrite", "fieldError"),
        ({"amount": "1", "code": "1"}, "notWrite", "fieldError"),
        ({"note": "x"}, "required", "fieldError"),
        (None, "required", "fieldError"),
        ({"amount": "1234567"}, "overflow", "fieldError"),
        ({"amount": "\x07"}, "charSetForm", "characterSetsData"),
        # Several at once: each value by itself, then what is missing, then the room.
        ({"note": "\x07", "colour": "red"}, "charSetForm", "characterSetsData"),
        ({"colour": "red", "note": "\x07"}, "notFound", "fieldError"),
        ({"note": "\x07"}, "charSetForm", "characterSetsData"),
    ],
)
async def test_a_value_that_does_not_fit_its_field_shows_nothing_of_the_form(
    client: Dialogue, device: Panel, fields: Any, failure: str, code: str
) -> None:
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
    request = await client.send("TextTerminal.WriteForm", {"formName": "Ask", "fields": fields})
    completion = await client.until("completion", request)
    assert completion["payload"]["errorCode"] == code
    event = await client.until("event", request, "TextTerminal.FieldErrorEvent")
    assert event["payload"]["failure"] == failure
    assert device.screen == [""] * 4


async def test_overwriting_goes_on_to_the_end_of_the_row(client: Dialogue, device: Panel) -> None:
    form = {
        "size": {"width": 4, "height": 1},
        "fields": {
            "all": {
                "position": {"x": 0, "y": 0},
                "size": {"width": 4},
                "overflow": "overwrite",
            }
        },
    }
    await client.success("TextTerminal.SetForm", {"name": "Over", "form": form})
    await client.success("TextTerminal.WriteForm", {"formName": "Over", "fields": {"all": "abcdefgh"}})
    assert device.screen[0] == "abcdefgh"


async def test_a_picture_is_drawn_where_its_field_is(client: Dialogue, device: Panel) -> None:
    form = {
        "size": {"width": 4, "height": 1},
        "fields": {"logo": {"position": {"x": 1, "y": 0}, "size": {"width": 2}, "fieldType": "graphic"}},
    }
    await client.success("TextTerminal.SetForm", {"name": "Logo", "form": form})
    await client.success("TextTerminal.WriteForm", {"formName": "Logo", "fields": {"logo": "UE5H"}})
    assert device.pictures == [(ScreenPosition(1, 0), 2, 1, "bestFit", b"PNG")]
    request = await client.send("TextTerminal.WriteForm", {"formName": "Logo", "fields": {"logo": "?"}})
    event = await client.until("event", request, "TextTerminal.FieldErrorEvent")
    assert event["payload"]["failure"] == "typeNotSupported"


async def filled(client: Dialogue, device: Panel, *keys: str, **more: Any) -> dict[str, Any]:
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
    device.types(*keys)
    return await client.completion("TextTerminal.ReadForm", {"formName": "Ask"} | more)


async def test_a_form_is_filled_in_field_by_field(client: Dialogue, device: Panel) -> None:
    keys = ["1", "A", "2", "enter", "A", "Z", "7", "arrowUp", "backspace", "3", "enter", "enter"]
    completion = await filled(client, device, *keys)
    assert completion["payload"] == {"fields": {"amount": "13", "code": "A7"}}
    assert device.screen[1] == "13        **"


async def test_a_required_field_is_asked_for_until_it_is_filled(client: Dialogue, device: Panel) -> None:
    completion = await filled(client, device, "enter", "F", "enter", "9", "fdk01")
    assert completion["payload"] == {"fields": {"amount": "9", "code": "F"}}
    (warning,) = [one for one in client.passed if one["header"]["name"] == "TextTerminal.FieldWarningEvent"]
    # 2021-1 says no more than that there is something wrong.
    assert client.specification == "2021-1" or warning["payload"]["failure"] == "required"


async def test_cancel_ends_a_form_without_values(client: Dialogue, device: Panel) -> None:
    completion = await filled(client, device, "1", "enter", "2", "cancel")
    assert completion["payload"] == {"errorCode": "keyCanceled"}
    assert device.screen[1] == "1"


async def test_what_stands_in_a_field_is_kept_when_it_is_read(client: Dialogue, device: Panel) -> None:
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
    await client.success("TextTerminal.WriteForm", {"formName": "Ask", "fields": {"amount": "250"}})
    device.types("0", "fdk01")
    found = await client.success("TextTerminal.ReadForm", {"formName": "Ask", "fields": ["amount"]})
    assert found == {"fields": {"amount": "2500"}}


async def test_only_what_is_typed_stands_in_the_fields_that_are_filled_in(
    client: Dialogue, device: Panel
) -> None:
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
    await client.success("TextTerminal.WriteForm", {"formName": "Ask", "fields": {"amount": "250"}})
    assert device.screen[1] == "   250"
    device.types("0", "enter", "A", "B", "enter")
    await client.success("TextTerminal.ReadForm", {"formName": "Ask"})
    assert device.screen[1] == "2500      **"
    # A password of before is nobody's input now.
    device.types("clear", "7", "enter", "C", "enter")
    found = await client.success("TextTerminal.ReadForm", {"formName": "Ask"})
    assert found == {"fields": {"amount": "7", "code": "C"}}
    assert device.screen[1] == "7         *"


async def test_a_field_looks_as_its_style_says_while_it_is_filled_in(client: Dialogue, device: Panel) -> None:
    field = {"position": {"x": 2, "y": 0}, "size": {"width": 4}, "access": "read"}
    form = {"size": {"width": 20, "height": 1}, "fields": {"f": field | {"style": {"inverted": True}}}}
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": form})
    device.types("1", "2", "backspace", "enter")
    assert await client.success("TextTerminal.ReadForm", {"formName": "Ask"}) == {"fields": {"f": "1"}}
    assert device.screen[0] == "  1"
    assert [device.looks[x, 0].inverted for x in range(8)] == [2 <= x < 6 for x in range(8)]


async def test_what_only_the_operator_fills_in_is_required_of_him(client: Dialogue, device: Panel) -> None:
    code = {"position": {"x": 0, "y": 0}, "size": {"width": 4}, "access": "read", "class": "required"}
    form = {"size": {"width": 20, "height": 1}, "fields": {"code": code}}
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": form})
    await client.success("TextTerminal.WriteForm", {"formName": "Ask"})
    device.types("enter", "7", "enter")
    request = await client.send("TextTerminal.ReadForm", {"formName": "Ask"})
    assert (await client.until("completion", request))["payload"] == {"fields": {"code": "7"}}
    event = await client.until("event", request, "TextTerminal.FieldWarningEvent")
    assert event["payload"]["failure"] == "required"


@pytest.mark.parametrize("command", ["TextTerminal.DefineKeys", READ])
async def test_keys_that_the_device_lacks_are_not_supported(client: Dialogue, command: str) -> None:
    where = at(numOfChars=1) if command == READ else {}
    assert await client.failure(command, where | {"activeKeys": ["Y"]}) == "keyNotSupported"
    assert await client.failure(command, where) == "noActiveKeys"


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_form_that_is_given_up_gives_no_values_and_shows_no_password(
    client: Dialogue, device: Panel, how: str
) -> None:
    code = {"position": {"x": 0, "y": 0}, "size": {"width": 4}, "access": "read", "fieldType": "password"}
    form = {"size": {"width": 4, "height": 1}, "fields": {"code": code}}
    await client.success("TextTerminal.SetForm", {"name": "Code", "form": form})
    device.types("1", "2")
    timeout = {"timeout": 200} if how == "timeout" else {}
    read = await client.send("TextTerminal.ReadForm", {"formName": "Code"}, **timeout)
    await device.shows("**")
    assert (await status(client))["keyboard"] == "on"
    if how == "cancel":
        await client.success("Common.Cancel", {"requestIds": [read]})
    completion = await client.until("completion", read)
    assert outcome(completion) == {"timeout": "timeOut", "cancel": "canceled"}[how]
    assert "fields" not in (completion.get("payload") or {})
    assert device.screen[0] == ""
    assert (await status(client))["keyboard"] == "off"


async def test_a_form_clears_the_screen_only_if_it_is_to(client: Dialogue, device: Panel) -> None:
    await client.success(WRITE, at(0, 3, text="below"))
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
    values = {"formName": "Ask", "fields": {"amount": "1"}}
    await client.success("TextTerminal.WriteForm", values)
    assert device.screen[3] == "below"
    await client.success("TextTerminal.WriteForm", values | {"clearScreen": True})
    assert device.screen[3] == ""
    assert device.screen[1] == "     1"


async def test_a_reset_leaves_the_resolution_and_the_forms(client: Dialogue, device: Panel) -> None:
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
    await client.success("TextTerminal.SetResolution", {"resolution": {"sizeX": 8, "sizeY": 2}})
    await client.success("TextTerminal.Reset")
    assert device.resets == 1
    assert (await status(client))["displaySizeX"] == 8
    assert await client.success("TextTerminal.GetFormList") == {"formList": ["Ask"]}


async def test_defined_keys_are_for_the_next_form_only(client: Dialogue, device: Panel) -> None:
    keys = {"activeKeys": ["one"], "activeCommandKeys": {"fdk01": {"terminate": True}}}
    await client.success("TextTerminal.DefineKeys", keys)
    completion = await filled(client, device, "2", "1", "enter", "fdk01", fields=["amount"])
    assert completion["payload"] == {"fields": {"amount": "1"}}
    completion = await filled(client, device, "2", "enter", fields=["amount"])
    assert completion["payload"] == {"fields": {"amount": "12"}}


async def test_defined_keys_are_for_the_forms_of_the_client_that_defined_them(
    client: Dialogue, device: Panel, nursery: trio.Nursery
) -> None:
    other = await another(client, nursery)
    ends = {"activeCommandKeys": {"fdk01": {"terminate": True}}}
    await client.success("TextTerminal.DefineKeys", {"activeKeys": ["one"], **ends})
    completion = await filled(other, device, "2", "enter", fields=["amount"])
    assert completion["payload"] == {"fields": {"amount": "2"}}
    completion = await filled(client, device, "3", "1", "enter", "fdk01", fields=["amount"])
    assert completion["payload"] == {"fields": {"amount": "21"}}


async def test_defined_keys_are_not_for_a_form_that_waited_before_them(
    client: Dialogue, device: Panel
) -> None:
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
    read = await client.send(READ, at(numOfChars=1, activeKeys=["one"]))
    form = await client.send("TextTerminal.ReadForm", {"formName": "Ask", "fields": ["amount"]})
    ends = {"activeCommandKeys": {"fdk01": {"terminate": True}}}
    define = await client.send("TextTerminal.DefineKeys", {"activeKeys": ["one"], **ends})
    await client.until("acknowledge", define)
    device.types("1", "2", "enter")
    await client.until("completion", read)
    assert (await client.until("completion", form))["payload"] == {"fields": {"amount": "2"}}
    assert outcome(await client.until("completion", define)) == "success"


async def test_a_reset_forgets_the_defined_keys(client: Dialogue, device: Panel) -> None:
    ends = {"activeCommandKeys": {"fdk01": {"terminate": True}}}
    await client.success("TextTerminal.DefineKeys", {"activeKeys": ["one"], **ends})
    await client.success("TextTerminal.Reset")
    completion = await filled(client, device, "2", "enter", fields=["amount"])
    assert completion["payload"] == {"fields": {"amount": "2"}}


@pytest.mark.parametrize(
    ("fields", "code", "failure"),
    [
        (["colour"], "fieldError", "notFound"),
        (["note"], "fieldError", "notRead"),
        (["title"], "fieldError", "notRead"),
        (["amount", "amount"], "fieldSpecFailure", None),
    ],
)
async def test_fields_that_cannot_be_read_are_refused(
    client: Dialogue, device: Panel, fields: list[str], code: str, failure: str | None
) -> None:
    completion = await filled(client, device, fields=fields)
    assert completion["payload"]["errorCode"] == code
    told = [one["payload"]["failure"] for one in client.passed if "Field" in one["header"]["name"]]
    assert told == ([failure] if failure else [])


async def test_a_form_without_an_ending_key_is_not_read(client: Dialogue, device: Panel) -> None:
    await client.success("TextTerminal.DefineKeys", {"activeKeys": ["one"]})
    completion = await filled(client, device)
    assert completion["header"]["completionCode"] == "invalidData"


async def test_forms_are_listed_queried_deleted_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    for start in range(2):
        async with trio.open_nursery() as nursery:
            with xfs4iot.Ledger.open(path) as ledger:
                client = await serving(Panel(), nursery, ledger)
                if start == 0:
                    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
                    await client.success("TextTerminal.SetForm", {"name": "Other", "form": FORM})
                    await client.success("TextTerminal.SetForm", {"name": "Other", "form": None})
                assert await client.success("TextTerminal.GetFormList") == {"formList": ["Ask"]}
                form = (await client.success("TextTerminal.GetQueryForm", {"formName": "Ask"}))["form"]
                assert form["size"] == FORM["size"]
                assert form["fields"]["amount"] == {
                    **FORM["fields"]["amount"],
                    "size": {"width": 6, "height": 1},
                    "fieldType": "text",
                    "scaling": "bestFit",
                    "overflow": "terminate",
                }
                query = {"formName": "Ask", "fieldName": "code"}
                fields = (await client.success("TextTerminal.GetQueryField", query))["fields"]
                assert list(fields) == ["code"]
                assert await client.failure("TextTerminal.GetQueryForm", {"formName": "Other"}) == (
                    "formNotFound"
                )
                query["fieldName"] = "colour"
                assert await client.failure("TextTerminal.GetQueryField", query) == "fieldNotFound"
                nursery.cancel_scope.cancel()


DEFINITION = """XFSFORM "Ask" BEGIN SIZE 20, 2
    VERSION 1, 2, "2026-01-31", "us"
    XFSFIELD "amount" BEGIN POSITION 0, 1 SIZE 6 ACCESS READWRITE KEYS NUMERIC END
END"""


@pytest.mark.parametrize("version", [None, "2021-1", "2023-2"])
async def test_forms_that_do_not_exist(client: Dialogue, nursery: trio.Nursery, version: str | None) -> None:
    asking = await another(client, nursery, version)
    await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
    commands = ["GetQueryForm", "GetQueryField", "WriteForm", "ReadForm"]
    for command in commands:
        done = await asking.completion(f"TextTerminal.{command}", {"formName": "x"})
        assert done["payload"]["errorCode"] == "formNotFound", command
    query = {"formName": "Ask", "fieldName": "x"}
    done = await asking.completion("TextTerminal.GetQueryField", query)
    assert done["payload"]["errorCode"] == "fieldNotFound"
    nothing = {"name": "x", "form": None}
    assert await client.failure("TextTerminal.SetForm", nothing) == "formNotFound"


@pytest.mark.parametrize("version", ["2021-1", "2023-2"])
async def test_a_form_loaded_as_text_is_queried_in_every_version(
    client: Dialogue, nursery: trio.Nursery, version: str
) -> None:
    old = await another(client, nursery, version)
    load = {"definition": DEFINITION, "overwrite": False}
    request = await old.send("TextTerminal.LoadForm", load)
    assert outcome(await old.until("completion", request)) == "success"
    event = await old.until("event", request, "TextTerminal.FormLoadedEvent")
    assert event["payload"] == {"name": "Ask"}
    assert await old.failure("TextTerminal.LoadForm", load) == "definitionExists"
    await old.success("TextTerminal.LoadForm", load | {"overwrite": True})
    field = (await old.success("TextTerminal.GetQueryField", {"formName": "Ask"}))["fields"]["amount"]
    assert field["access"] == {"read": True, "write": True}
    assert field["type"] == "text"
    unknown = {"formName": "Ask", "fieldName": "colour"}
    assert await old.failure("TextTerminal.GetQueryField", unknown) == "fieldNotFound"
    shown = await old.success("TextTerminal.GetQueryForm", {"formName": "Ask"})
    assert (shown["width"], shown["height"], shown["fields"]) == (20, 2, ["amount"])
    new = (await client.success("TextTerminal.GetQueryForm", {"formName": "Ask"}))["form"]
    assert new["version"]["version"] == "1.2"
    assert new["fields"]["amount"]["keys"] == "numeric"


@pytest.mark.parametrize(("width", "height"), [(21, 2), (20, 5), (8, 5)])
async def test_a_form_larger_than_every_screen_is_refused_when_it_is_set(
    client: Dialogue, width: int, height: int
) -> None:
    form = {**FORM, "size": {"width": width, "height": height}}
    if width < 20:
        form["fields"] = {"f": {"position": {"x": 0, "y": 0}, "size": {"width": 4, "height": 1}}}
    completion = await client.completion("TextTerminal.SetForm", {"name": "Large", "form": form})
    assert completion["payload"]["errorCode"] == "formInvalid"
    assert "20 x 4, 8 x 2" in completion["header"]["errorDescription"]
    assert await client.success("TextTerminal.GetFormList") == {"formList": []}


@pytest.mark.parametrize("version", ["1234567890", "1." + "9" * 5_000])
async def test_a_version_of_more_digits_than_older_clients_can_be_told_is_refused(
    client: Dialogue, version: str
) -> None:
    form = {**FORM, "version": {"version": version}}
    completion = await client.completion("TextTerminal.SetForm", {"name": "Ask", "form": form})
    assert completion["payload"]["errorCode"] == "formInvalid"
    assert "more than 9 digits" in completion["header"]["errorDescription"]


@pytest.mark.parametrize("blank", ["", " \n\t"])
async def test_a_definition_that_is_blank_is_none(
    client: Dialogue, nursery: trio.Nursery, blank: str
) -> None:
    old = await another(client, nursery, "2023-2")
    completion = await old.completion("TextTerminal.LoadForm", {"definition": blank})
    assert outcome(completion) == "invalidData"


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        ("XFSMEDIA", "expected XFSFORM"),
        (DEFINITION.replace("POSITION 0, 1", "POSITION 15, 1"), "outside the form"),
        (DEFINITION.replace("READWRITE", "PERHAPS"), "line 3, column 57: expected one of WRITE"),
        (DEFINITION + "\nEND", "line 5, column 1"),
        ('XFSFORM "A" BEGIN SIZE 1,1 END', "no field"),
        (DEFINITION.replace("SIZE 20, 2", "SIZE 21, 2"), "larger than every screen"),
    ],
)
async def test_a_definition_that_is_wrong_is_named_with_its_place(
    client: Dialogue, nursery: trio.Nursery, definition: str, says: str
) -> None:
    old = await another(client, nursery, "2023-2")
    completion = await old.completion("TextTerminal.LoadForm", {"definition": definition})
    assert completion["payload"]["errorCode"] == "formInvalid"
    assert says in completion["header"]["errorDescription"]


async def test_a_terminal_without_keys_offers_what_it_can(nursery: trio.Nursery) -> None:
    class Display(devices.TextTerminal):
        async def show(self, runs: tuple[ScreenRun, ...], cursor: ScreenPosition | None) -> None:
            pass

    client = await serving(Display("Display"), nursery)
    interfaces = (await client.success("Common.Capabilities"))["interfaces"]
    commands = next(one["commands"] for one in interfaces if one["name"] == "TextTerminal")
    assert set(commands) == {
        f"TextTerminal.{name}"
        for name in (
            "ClearScreen",
            "GetFormList",
            "GetQueryField",
            "GetQueryForm",
            "LoadForm",
            "SetForm",
            "Write",
            "WriteForm",
        )
    }
    assert await client.failure(READ, at(numOfChars=1, activeKeys=["one"])) == "unsupportedCommand"


async def test_a_display_that_failed_shows_everything_afterwards(client: Dialogue, device: Panel) -> None:
    device.fault = errors.HardwareError("no answer")
    assert await client.failure(WRITE, at(text="lost?")) == "hardwareError"
    device.fault = None
    await client.success(WRITE, at(0, 1, text="no"))
    assert device.screen[:2] == ["lost?", "no"]


# Hostile and odd payloads.

_WORDS = strategies.sampled_from(
    ["absolute", "relative", "one", "A", "a", "enter", "fdk01", "", "Ask", "x" * 300]
)
_SCALARS = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(-2, 2**63),
    _WORDS,
    strategies.text(max_size=5),
)
_VALUES = strategies.recursive(
    _SCALARS,
    lambda inner: strategies.one_of(
        strategies.lists(inner, max_size=3), strategies.dictionaries(_WORDS, inner, max_size=3)
    ),
    max_leaves=6,
)
_PROPERTIES = strategies.sampled_from(
    sorted(
        {
            prop
            for command in (
                messages.Beep,
                messages.ClearScreen,
                messages.GetQueryField,
                messages.LoadForm,
                messages.Read,
                messages.ReadForm,
                messages.SetForm,
                messages.SetResolution,
                messages.Write,
                messages.WriteForm,
            )
            for prop in command.__struct_encode_fields__
        }
    )
)
_NAMES = strategies.sampled_from([mark.command for mark in TextTerminal.handled()])


@hypothesis.given(
    strategies.lists(
        strategies.tuples(_NAMES, strategies.dictionaries(_PROPERTIES, _VALUES, max_size=6)), max_size=8
    )
)
@hypothesis.settings(max_examples=40, deadline=None)
def test_no_payload_is_an_internal_error(requests: list[tuple[str, Any]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            client = await serving(Panel(), nursery)
            await client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})
            for name, payload in requests:
                request = await client.send(name, payload, timeout=20)
                completion = await client.until("completion", request)
                assert completion["header"].get("completionCode") != "internalError", completion
            nursery.cancel_scope.cancel()

    trio.run(main)


@dataclass
class Bench:
    client: Dialogue
    device: Panel


async def offline(on: Bench) -> None:
    on.device.status.common.device = "offline"


async def locked(on: Bench) -> None:
    on.device.status.text_terminal.key_lock = "on"


async def form_set(on: Bench) -> None:
    await on.client.success("TextTerminal.SetForm", {"name": "Ask", "form": FORM})


async def small_screen(on: Bench) -> None:
    before, on.device.status.common.device = on.device.status.common.device, "online"
    await on.client.success("TextTerminal.SetResolution", {"resolution": {"sizeX": 8, "sizeY": 2}})
    on.device.status.common.device = before


async def no_end(on: Bench) -> None:
    await on.client.success("TextTerminal.DefineKeys", {"activeKeys": ["one"]})


async def cancel_pressed(on: Bench) -> None:
    on.device.types("cancel")


GONE = Break(before=offline)
ORDER = {
    "TextTerminal.Beep": Command(
        {
            "given beep": Break({"beep": None}),
            "beep_exists": Break({"beep": {"beepType": "critical"}}),
            "device_ready": GONE,
        },
        good={"beep": {"beepType": "error"}},
        apart={"given beep": "what is not given has no type"},
    ),
    "TextTerminal.ClearScreen": Command(
        {
            "area_whole": Break({"screen": {"width": None}}, says="missing"),
            "area_on_screen": Break({"screen": {"positionY": 4}}, says="beyond"),
            "device_ready": GONE,
        },
        good={"screen": {"positionX": 0, "positionY": 0, "width": 1, "height": 1}},
    ),
    "TextTerminal.SetResolution": Command(
        {
            "resolution_whole": Break({"resolution": {"sizeX": None}}),
            "resolution_exists": Break({"resolution": {"sizeY": 3}}),
            "device_ready": GONE,
        },
        good={"resolution": {"sizeX": 8, "sizeY": 2}},
    ),
    WRITE: Command(
        {
            "given mode": Break({"mode": None}, says="mode"),
            "given posX": Break({"posX": None}, says="posX"),
            "given posY": Break({"posY": None}, says="posY"),
            "given text": Break({"text": None}, says="text"),
            "text_bounded": Break({"text": "x" * 65_537}, says="65536"),
            "start_on_screen": Break({"posY": 4}, says="beyond"),
            "characters_shown": Break({"text": "\x07"}),
            "device_ready": GONE,
        },
        good=at(text="x"),
        apart={"given text": "what is not given is not long"},
        together={"given posY": Break({"posY": None, "text": None}, says="posY")},
    ),
    "TextTerminal.Reset": Command({"device_ready": GONE}),
    READ: Command(
        {
            "keys_active": Break({"activeKeys": None, "activeCommandKeys": None}),
            "keys_bounded": Break({"activeKeys": ["one"] * 1_001}, says="1,000 at most"),
            "can_end": Break({"autoEnd": False}, says="could not end"),
            "keys_exist": Break({"activeKeys": ["z"]}),
            "keys_on_device": Break({"activeKeys": ["Y"]}),
            "given numOfChars": Break({"numOfChars": None}, says="numOfChars"),
            "given posX": Break({"posX": None}, says="posX"),
            "given posY": Break({"posY": None}, says="posY"),
            "start_on_screen": Break({"posX": 20}, says="beyond the screen"),
            "input_fits": Break({"numOfChars": 21}, says="beyond the row"),
            "device_ready": GONE,
            "keys_unlocked": Break(before=locked, says="locked"),
        },
        good=at(numOfChars=1, activeKeys=["one"]),
        together={
            "keys_exist": Break({"activeKeys": ["z", "Y"]}),
            "given posY": Break({"posY": None, "posX": 20}, says="posY"),
        },
    ),
    "TextTerminal.DefineKeys": Command(
        {
            "keys_active": Break({"activeKeys": None}),
            "keys_bounded": Break({"activeKeys": ["one"] * 1_001}, says="1,000 at most"),
            "keys_exist": Break({"activeKeys": ["z"]}),
            "keys_on_device": Break({"activeKeys": ["Y"]}),
        },
        good={"activeKeys": ["one"]},
        together={
            "keys_bounded": Break({"activeKeys": ["z"] * 1_001}),
            "keys_exist": Break({"activeKeys": ["z", "Y"]}),
        },
        apart={"keys_active": "where there is no key, there are not too many, and none is wrong"},
    ),
    "TextTerminal.GetQueryForm": Command(
        {"given formName": Break({"formName": None}), "form_exists": Break({"formName": "None"})},
        good={"formName": "Ask"},
        apart={"given formName": "what is not named does not exist"},
    ),
    "TextTerminal.GetQueryField": Command(
        {
            "given formName": Break({"formName": None}),
            "form_exists": Break({"formName": "None"}),
            "field_exists": Break({"fieldName": "colour"}),
        },
        good={"formName": "Ask"},
        before=form_set,
        together={"given formName": Break({"formName": None, "fieldName": "colour"})},
    ),
    "TextTerminal.LoadForm": Command(
        {
            "given definition": Break({"definition": None}),
            "definition_read": Break({"definition": DEFINITION + "END"}),
            "form_new": Break(before=form_set),
        },
        good={"definition": DEFINITION},
        apart={"given definition": "what is not given cannot be read"},
    ),
    "TextTerminal.SetForm": Command(
        {
            "given name": Break({"name": None}),
            "form_whole": Break({"form": {"size": None}}),
            "form_sound": Break({"form": {"fields": {"note": {"position": {"x": 30}}}}}),
            "form_to_delete_exists": Break({"form": None}),
        },
        good={"name": "Ask", "form": FORM},
        together={"given name": Break({"name": None, "form": {"size": None}})},
        apart={"form_sound": "a form that is deleted is not looked at"},
    ),
    "TextTerminal.WriteForm": Command(
        {
            "given formName": Break({"formName": None}),
            "form_exists": Break({"formName": "None"}),
            "form_on_screen": Break(before=small_screen),
            "device_ready": GONE,
            "values_fit": Break({"fields": {"colour": "red"}}, code="fieldError"),
        },
        good={"formName": "Ask", "fields": {"amount": "1"}},
        before=form_set,
        together={"given formName": Break({"formName": None})},
    ),
    "TextTerminal.ReadForm": Command(
        {
            "given formName": Break({"formName": None}),
            "form_exists": Break({"formName": "None"}),
            "form_readable": Break(before=small_screen),
            "device_ready": GONE,
            "keys_unlocked": Break(before=locked, says="locked"),
            "fields_readable": Break({"fields": ["colour"]}),
            "reading_can_end": Break(before=no_end),
            "not_cancelled": Break(before=cancel_pressed),
        },
        good={"formName": "Ask"},
        before=form_set,
        together={"given formName": Break({"formName": None})},
    ),
}


@pytest.mark.parametrize("pair", pairs(TextTerminal, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(nursery: trio.Nursery, pair: Pair) -> None:
    device = Panel()
    client = await serving(device, nursery)
    await pair.prove(client, Bench(client, device))


APART = {
    "TextTerminal.Read success": "nobody presses a key",
    "TextTerminal.ReadForm success": "nobody presses a key",
    "TextTerminal.GetQueryForm success": "it has no form",
}
"""What an older client is not answered here, and why."""


@pytest.mark.parametrize("walk", walks(TextTerminal, ORDER, APART), ids=str)
async def test_older_clients_are_answered_alike(nursery: trio.Nursery, walk: Walk) -> None:
    device = Panel()
    client = await serving(device, nursery)
    await walk.prove(client, Bench(client, device), device)


# The simulated terminal.


@pytest.fixture
async def simulated(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("TextTerminal"))
    return found


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found


async def removable(directory: Path, nursery: trio.Nursery) -> tuple[Dialogue, Dialogue]:
    """A terminal that can be unplugged, and who does so."""
    file = directory / "removable.toml"
    file.write_text('seconds = 0\n\n[services.TextTerminal]\nkinds = ["TextTerminal"]\nremovable = true\n')
    publisher = xfs4iot.Publisher(simulated_atm(file, ledger=xfs4iot.Ledger.open(None)), port=0)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("TextTerminal"))
    simulator: Dialogue = await nursery.start(dialogue, publisher.uri("Simulator"))
    return client, simulator


async def lines(simulator: Dialogue) -> list[str]:
    return [line.rstrip() for line in (await simulator.success("Simulator.GetScreen"))["lines"]]


async def test_a_unit_that_is_unplugged_ends_the_input_and_shows_all_of_it_again_when_it_is_back(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    client, simulator = await removable(tmp_path, nursery)
    await client.success(WRITE, at(text="kept"))
    read = await client.send(READ, at(0, 1, numOfChars=4, activeKeys=["one"]))
    await client.until("acknowledge", read)
    await simulator.success("Simulator.Unplug")
    assert outcome(await client.until("completion", read)) == "deviceNotReady"
    assert await client.failure(WRITE, at(text="x")) == "deviceNotReady"
    assert (await client.success("Common.Status"))["common"]["device"] == "noDevice"
    await simulator.success("Simulator.Unplug", {"plugged": True})
    assert await lines(simulator) == [""] * 4
    await client.success(WRITE, at(0, 2, text="new"))
    assert await lines(simulator) == ["kept", "", "new", ""]


async def test_a_unit_that_comes_back_has_the_resolution_that_it_has(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    client, simulator = await removable(tmp_path, nursery)
    await client.success("TextTerminal.SetResolution", {"resolution": {"sizeX": 40, "sizeY": 25}})
    await client.success(WRITE, at(30, 20, text="large"))
    await simulator.success("Simulator.Unplug")
    await simulator.success("Simulator.Unplug", {"plugged": True})
    assert (await status(client))["displaySizeX"] == 20
    assert await client.failure(WRITE, at(30, 20, text="x")) == "invalidData"
    await client.success(WRITE, at(text="small"))
    assert await lines(simulator) == ["small", "", "", ""]


async def test_what_is_pressed_is_read_and_what_is_written_can_be_seen(
    simulated: Dialogue, simulator: Dialogue
) -> None:
    await simulated.success(WRITE, at(text="PIN 漢: ", textAttr={"inverted": True, "flash": True}))
    request = await simulated.send(
        READ, at(0, 1, numOfChars=4, activeKeys=["one", "A"], activeCommandKeys=ENTER)
    )
    await simulator.success("Simulator.PressKeys", {"text": "1a", "keys": ["enter"]})
    assert (await simulated.until("completion", request))["payload"]["input"] == "1A"
    shown = await simulator.success("Simulator.GetScreen")
    assert [line.rstrip() for line in shown["lines"]] == ["PIN 漢:", "1A", "", ""]
    assert shown["attributes"][0].startswith("IIIIIIII.")
    svg = (await simulator.success("Simulator.DrawScreen"))["svg"]
    assert "漢" in svg
    assert await simulator.failure("Simulator.PressKeys", {"keys": ["jump"]}) == "invalidData"


async def test_a_locked_keyboard_takes_no_keys(simulated: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.TurnKeyLock", {"locked": True})
    assert await simulated.failure(READ, at(numOfChars=1, activeKeys=["one"])) == "deviceNotReady"
    await simulator.success("Simulator.PressKeys", {"text": "1"})
    assert "waiting" not in await simulator.success("Simulator.GetScreen")
    await simulator.success("Simulator.TurnKeyLock", {"locked": False})
    await simulator.success("Simulator.PressKeys", {"text": "1"})
    assert (await simulated.success(READ, at(numOfChars=1, activeKeys=["one"])))["input"] == "1"


@pytest.mark.parametrize(
    ("fault", "command", "payload"),
    [
        ("displayDead", WRITE, at(text="x")),
        ("resolutionFails", "TextTerminal.SetResolution", {"resolution": {"sizeX": 16, "sizeY": 2}}),
        ("soundDead", "TextTerminal.Beep", {"beep": {"beepType": "error"}}),
    ],
)
async def test_a_fault_of_the_simulated_terminal_is_told(
    simulated: Dialogue, simulator: Dialogue, fault: str, command: str, payload: Any
) -> None:
    await simulator.success("Simulator.Inject", {"fault": fault})
    assert await simulated.failure(command, payload) == "hardwareError"
    await simulator.success("Simulator.ClearFaults")
    await simulated.success(command, payload)


async def test_dead_and_stuck_keys(simulated: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "keysDead"})
    request = await simulated.send(READ, at(numOfChars=3, activeKeys=["one"]), timeout=100)
    await simulator.success("Simulator.PressKeys", {"text": "1"})
    assert (await simulated.until("completion", request))["header"]["completionCode"] == "timeOut"
    await simulator.success("Simulator.ClearFaults")
    await simulator.success("Simulator.Inject", {"fault": "keyStuck", "count": 2})
    await simulator.success("Simulator.PressKeys", {"text": "1"})
    flushed = at(numOfChars=3, activeKeys=["one"], flush=False)
    assert (await simulated.success(READ, flushed))["input"] == "111"


async def test_a_slow_display_holds_the_command_and_the_clock_can_pass_it(
    simulated: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.StopClock")
    await simulator.success("Simulator.Inject", {"fault": "displaySlow", "count": 5})
    request = await simulated.send(WRITE, at(text="x"))
    await simulated.until("acknowledge", request)
    await simulator.success("Simulator.Advance", {"milliseconds": 5000})
    assert "completionCode" not in (await simulated.until("completion", request))["header"]
