"""Keyboard over the wire: entries at the simulated PIN pad, its layouts, and what a vendor's pad may
tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import trio
from fingers import DIGITS, SECURE_KEYS, entry, keys_of, pin_entered, secure_entered
from host import KBPK, b64, imported, kcv, unb64

import xfs4iot
from dialogue import Dialogue, another, dialogue, outcome
from vendors import serving
from xfs4iot import devices
from xfs4iot.ledger import Ledger
from xfs4iot.simulator import atm as simulated_atm

DATA, PIN, SECURE = "Keyboard.DataEntry", "Keyboard.PinEntry", "Keyboard.SecureKeyEntry"
IMPORT = "KeyManagement.ImportKey"
ALL: dict[str, Any] = {name: {} for name in (*DIGITS, "clear", "backspace", "fdk01", "decPoint")} | {
    name: {"terminate": True} for name in ("enter", "cancel", "fdk02")
}
GOOD: dict[str, dict[str, Any]] = {
    DATA: {"maxLen": 4, "autoEnd": True, "activeKeys": ALL},
    PIN: {"minLen": 4, "maxLen": 6, "autoEnd": True, "activeKeys": ALL},
    SECURE: {
        "keyLen": 32,
        "autoEnd": False,
        "verificationType": "zero",
        "cryptoMethod": "tripleDes",
        "activeKeys": SECURE_KEYS,
    },
}


@pytest.mark.parametrize(
    ("text", "pressed", "completion"),
    [
        ("12 enter", "12", "enter"),
        ("1234", "1234", "auto"),
        ("1 clear 2 enter", "2", "enter"),
        ("12 backspace 3 enter", "13", "enter"),
        ("1 cancel", "", "cancel"),
        ("1 fdk02", "1", "fdk"),
        ("1 fdk01 2 enter", "12", "enter"),
        ("1 decPoint 5 enter", "1 decPoint 5", "enter"),
        ("1 help 2 enter", "12", "enter"),
    ],
)
async def test_data_is_entered(
    pad: Dialogue, simulator: Dialogue, text: str, pressed: str, completion: str
) -> None:
    done = await entry(pad, simulator, DATA, GOOD[DATA], text)
    expected = keys_of(pressed)
    found = done["payload"]
    assert found["completion"] == completion
    assert found.get("keys", 0) == len(expected)
    assert [one["digit"] for one in found.get("pinKeys", [])] == expected


async def test_every_key_of_data_is_told_before_the_completion(pad: Dialogue, simulator: Dialogue) -> None:
    await entry(pad, simulator, DATA, {**GOOD[DATA], "autoEnd": False}, "12345 fdk01 clear 6 enter")
    told = [message["payload"] for message in pad.passed if message["header"]["name"] == "Keyboard.KeyEvent"]
    assert [(one["digit"], one["completion"]) for one in told] == [
        ("one", "continue"),
        ("two", "continue"),
        ("three", "continue"),
        ("four", "continue"),
        ("fdk01", "contFdk"),
        ("clear", "clear"),
        ("six", "continue"),
        ("enter", "enter"),
    ]


@pytest.mark.parametrize(
    ("text", "digits", "completion"),
    [
        ("123 enter 4 enter", 4, "enter"),
        ("123456", 6, "auto"),
        ("12 clear 9876 enter", 4, "enter"),
        ("12345 backspace enter", 4, "enter"),
        ("1234 cancel", 0, "cancel"),
        ("1234 fdk02", 4, "fdk"),
        ("1234 decPoint enter", 4, "enter"),
    ],
)
async def test_a_pin_is_entered(
    pad: Dialogue, simulator: Dialogue, text: str, digits: int, completion: str
) -> None:
    done = await entry(pad, simulator, PIN, GOOD[PIN], text)
    assert done["payload"].get("digits", 0) == digits
    assert done["payload"]["completion"] == completion


async def trace(pad: Dialogue, simulator: Dialogue, command: str, text: str) -> list[Any]:
    pad.passed.clear()
    done = await entry(pad, simulator, command, GOOD[command], text)
    for message in (*pad.passed, done):
        del message["header"]["requestId"]
    return [*pad.passed, done]


async def test_nothing_on_the_wire_depends_on_the_digits_of_a_pin(pad: Dialogue, simulator: Dialogue) -> None:
    traces = [await trace(pad, simulator, PIN, pin) for pin in ("123456", "998070")]
    assert traces[0] == traces[1]
    assert sum(one["header"]["name"] == "Keyboard.KeyEvent" for one in traces[0]) == 6


async def test_nothing_on_the_wire_but_the_check_value_depends_on_the_digits_of_a_key(
    pad: Dialogue, simulator: Dialogue
) -> None:
    parts = (bytes(range(16)), bytes(range(1, 17)))
    traces = [await trace(pad, simulator, SECURE, " ".join(part.hex()) + " enter") for part in parts]
    values = [one[-1]["payload"].pop("kcv") for one in traces]
    assert traces[0] == traces[1]
    assert [unb64(value) for value in values] == [kcv("T", part) for part in parts]


async def test_keys_pressed_before_they_are_asked_for_do_not_count(
    pad: Dialogue, simulator: Dialogue
) -> None:
    await simulator.success("Simulator.PressPinPadKeys", {"keys": keys_of("9999")})
    done = await entry(pad, simulator, DATA, GOOD[DATA], "1 enter")
    assert done["payload"]["keys"] == 1


@pytest.mark.parametrize(
    ("command", "change", "code"),
    [
        (DATA, {"activeKeys": None}, "noActivekeys"),
        (DATA, {"activeKeys": {}}, "noActivekeys"),
        (DATA, {"activeKeys": {"one": {}, "banana": {}}}, "keyInvalid"),
        (DATA, {"activeKeys": {"fdk09": {}}}, "keyNotSupported"),
        (PIN, {"activeKeys": None}, "noActivekeys"),
        (PIN, {"activeKeys": {"fdk33": {}}}, "keyInvalid"),
        (PIN, {"activeKeys": {"a": {}}}, "keyNotSupported"),
        (PIN, {"minLen": 7}, "minimumLength"),
        (PIN, {"autoEnd": False, "activeKeys": {"one": {}, "enter": {}}}, "noTerminatekeys"),
        (PIN, {"echo": "**"}, "invalidData"),
        (PIN, {"minLen": -1}, "invalidData"),
        (SECURE, {"keyLen": None}, "invalidData"),
        (SECURE, {"keyLen": 20}, "invalidData"),
        (SECURE, {"verificationType": None}, "invalidData"),
        (SECURE, {"activeKeys": None}, "noActiveKeys"),
        (SECURE, {"activeKeys": {"xyz": {}}}, "keyInvalid"),
        (SECURE, {"activeKeys": {"fdk01": {}}}, "keyNotSupported"),
        (SECURE, {"cryptoMethod": "des"}, "invalidKeyLength"),
        (SECURE, {"activeKeys": {"one": {}, "enter": {"terminate": True}}}, "missingKeys"),
        (SECURE, {"activeKeys": {**SECURE_KEYS, "enter": {}, "cancel": {}}}, "noTerminatekeys"),
    ],
)
async def test_an_entry_that_cannot_be_is_refused(
    pad: Dialogue, command: str, change: dict[str, Any], code: str
) -> None:
    assert await pad.failure(command, {**GOOD[command], **change}) == code


@pytest.mark.parametrize("command", [DATA, PIN])
async def test_field_14_a_key_that_is_not_there_is_not_supported_and_none_is_no_active_keys(
    pad: Dialogue, command: str
) -> None:
    assert await pad.failure(command, {**GOOD[command], "activeKeys": {"fdk09": {}}}) == "keyNotSupported"
    assert await pad.failure(command, {**GOOD[command], "activeKeys": None}) == "noActivekeys"


async def test_field_14_a_key_with_shift_is_taken_for_a_key_entry(pad: Dialogue, simulator: Dialogue) -> None:
    done = await secure_entered(pad, simulator, bytes.fromhex("abcdef01" * 4))
    assert done["payload"]["digits"] == 32


async def test_a_key_is_entered_in_parts_by_two_custodians(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery
) -> None:
    parts = (bytes(range(16)), bytes(range(100, 116)))
    whole = bytes(a ^ b for a, b in zip(*parts, strict=True))
    attributes = {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D"}
    part = {"key": "Master", "keyAttributes": attributes, "constructing": True}
    clients = (pad, await another(pad, nursery))
    for client, value in zip(clients, parts, strict=True):
        done = await secure_entered(client, simulator, value)
        assert unb64(done["payload"]["kcv"]) == kcv("T", value)
        await client.success(IMPORT, part)
        told = (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]["Master"]
        assert told["loaded"] == "construct"
        assert await client.failure(IMPORT, part) == "keyNoValue"
    other = {
        "key": "Other",
        "keyAttributes": attributes,
        "value": b64(bytes(16)),
        "decryptKey": "TestKek",
        "decryptMethod": "ecb",
    }
    assert await pad.failure(IMPORT, other) == "sequenceError"
    # For another purpose it would read the keys that come under it; a wrong end keeps the parts.
    for usage, mode in (("D0", "B"), ("K0", "X"), ("P0", "E")):
        wrong = {"key": "Master", "keyAttributes": {**attributes, "keyUsage": usage, "modeOfUse": mode}}
        stranger = await another(pad, nursery)
        assert await stranger.failure(IMPORT, wrong) == "useViolation"
        assert await stranger.failure(IMPORT, {**wrong, "constructing": True}) == "keyNoValue"
    found = await pad.success(IMPORT, {"key": "Master", "keyAttributes": attributes})
    assert unb64(found["verificationData"]) == kcv("T", whole)
    told = (await pad.success("KeyManagement.GetKeyDetail"))["keyDetails"]["Master"]
    assert told["loaded"] == "yes"


async def test_a_part_is_stored_by_the_client_that_had_it_entered(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery
) -> None:
    """A stranger would take it for a key of its own: a data key reads what comes under the master key."""
    parts = (bytes(range(16)), bytes(range(100, 116)))
    stranger = await another(pad, nursery)
    mine = {"key": "Master", "keyAttributes": {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D"}}
    theirs = {"key": "X", "keyAttributes": {"keyUsage": "D0", "algorithm": "T", "modeOfUse": "B"}}
    for value in parts:
        await secure_entered(pad, simulator, value)
        assert await stranger.failure(IMPORT, {**theirs, "constructing": True}) in (
            "keyNoValue",
            "sequenceError",
        )
        assert await stranger.failure(IMPORT, {**mine, "constructing": True}) == "keyNoValue"
        await pad.success(IMPORT, {**mine, "constructing": True})
    await pad.success(IMPORT, mine)


@pytest.mark.parametrize("between", [0, 1])
async def test_a_part_that_was_entered_already_is_refused(
    pad: Dialogue, simulator: Dialogue, between: int
) -> None:
    """Two of them cancel each other: who has entered the third knows the key."""
    part = {
        "key": "Master",
        "keyAttributes": {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D"},
        "constructing": True,
    }
    for number in range(between + 1):
        await secure_entered(pad, simulator, bytes(range(number, number + 16)))
        await pad.success(IMPORT, part)
    await secure_entered(pad, simulator, bytes(range(16)))
    assert await pad.failure(IMPORT, part) == "invalidValue"
    await secure_entered(pad, simulator, bytes(range(100, 116)))
    await pad.success(IMPORT, part)


async def test_parts_are_of_one_length_and_are_given_up_by_deleting(
    pad: Dialogue, simulator: Dialogue
) -> None:
    attributes = {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D"}
    part = {"key": "Master", "keyAttributes": attributes, "constructing": True}
    await secure_entered(pad, simulator, bytes(range(16)))
    await pad.success(IMPORT, part)
    assert await pad.failure(IMPORT, {"key": "Master", "keyAttributes": attributes}) == "sequenceError"
    await secure_entered(pad, simulator, bytes(range(24)))
    assert await pad.failure(IMPORT, part) == "invalidKeyLength"
    await pad.success("KeyManagement.DeleteKey", {"key": "Master"})
    await imported(pad, "free", "P0 T E", bytes(range(16)))


@pytest.mark.parametrize("text", ["12 cancel", "cancel"])
async def test_a_cancelled_part_cannot_be_stored(pad: Dialogue, simulator: Dialogue, text: str) -> None:
    done = await entry(pad, simulator, SECURE, GOOD[SECURE], text)
    assert done["payload"]["completion"] == "cancel"
    assert "kcv" not in done["payload"]
    part = {
        "key": "Master",
        "keyAttributes": {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D"},
        "constructing": True,
    }
    assert await pad.failure(IMPORT, part) == "keyNoValue"


@pytest.mark.parametrize("mode", ["data", "pin", "secure"])
async def test_the_layout_of_each_entry_is_told(pad: Dialogue, mode: str) -> None:
    one = (await pad.success("Keyboard.GetLayout", {"entryMode": mode}))["layout"]
    every = (await pad.success("Keyboard.GetLayout"))["layout"]
    assert one == {mode: every[mode]}
    assert set(every) == {"data", "pin", "secure"}


async def test_layouts_are_told_while_something_is_entered(pad: Dialogue) -> None:
    number = await pad.send(PIN, {"activeKeys": {"one": {}, "enter": {"terminate": True}}})
    await pad.until("event", number, "Keyboard.EnterDataEvent")
    assert set((await pad.success("Keyboard.GetLayout"))["layout"]) == {"data", "pin", "secure"}
    await pad.success("Common.Cancel", {"requestIds": [number]})
    assert outcome(await pad.until("completion", number)) == "canceled"


def frame(*names: str, width: int = 100) -> dict[str, Any]:
    keys = [
        {"xPos": i * width, "yPos": 0, "xSize": width, "ySize": 100, "key": name}
        for i, name in enumerate(names)
    ]
    return {"xPos": 0, "yPos": 0, "xSize": 0, "ySize": 0, "keys": keys}


ONE = {"xPos": 0, "yPos": 0, "xSize": 100, "ySize": 100, "key": "one"}


@pytest.mark.parametrize(
    ("layout", "code"),
    [
        (None, "invalidData"),
        ({}, "invalidData"),
        ({"data": []}, "invalidData"),
        ({"data": [{**frame("one"), "xPos": None}]}, "invalidData"),
        ({"data": [{**frame("one"), "keys": []}]}, "invalidData"),
        ({"data": [{**frame("one"), "keys": [{**ONE, "ySize": None}]}]}, "invalidData"),
        ({"data": [{**frame("one"), "keys": [{**ONE, "key": None}]}]}, "invalidData"),
        ({"data": [{**frame("one"), "keys": [{**ONE, "key": "banana"}]}]}, "invalidData"),
        ({"data": [frame("one"), frame("two")]}, "tooManyFrames"),
        ({"data": [{**frame("one"), "xPos": 5}]}, "frameCoordinate"),
        ({"data": [{**frame("one"), "keys": [{**ONE, "xPos": 950}]}]}, "keyCoordinate"),
        ({"data": [{**frame("one"), "keys": [ONE, {**ONE, "key": "two", "xPos": 99}]}]}, "keyOverlap"),
        ({"data": [{**frame("one"), "keys": [ONE, {**ONE, "xPos": 100}]}]}, "keyAlreadyDefined"),
    ],
)
async def test_a_layout_that_cannot_be_leaves_all_as_it_was(pad: Dialogue, layout: Any, code: str) -> None:
    before = await pad.success("Keyboard.GetLayout")
    both = layout if not layout else {"pin": [frame("one", "two")], **layout}
    assert await pad.failure("Keyboard.DefineLayout", {"layout": both}) == code
    assert await pad.success("Keyboard.GetLayout") == before


async def test_a_layout_decides_which_keys_there_are(pad: Dialogue, simulator: Dialogue) -> None:
    await pad.success("Keyboard.DefineLayout", {"layout": {"pin": [frame("one", "two", "enter")]}})
    assert await pad.failure(PIN, {**GOOD[PIN], "activeKeys": {"three": {}}}) == "keyNotSupported"
    request = {**GOOD[PIN], "activeKeys": {"one": {}, "enter": {"terminate": True}}}
    done = await entry(pad, simulator, PIN, request, "1111 enter")
    assert done["payload"]["digits"] == 4
    assert (await pad.success("Keyboard.GetLayout"))["layout"]["data"]


async def test_a_defined_layout_outlives_a_restart() -> None:
    ledger = Ledger.open(None)
    for turn in range(2):
        async with trio.open_nursery() as nursery:
            publisher = xfs4iot.Publisher(simulated_atm(ledger=ledger, seconds=0), port=0)
            await nursery.start(publisher.serve)
            pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
            if not turn:
                await pad.success("Keyboard.DefineLayout", {"layout": {"pin": [frame("one", "enter")]}})
            keys = (await pad.success("Keyboard.GetLayout"))["layout"]["pin"][0]["keys"]
            assert [key["key"] for key in keys] == ["one", "enter"]
            nursery.cancel_scope.cancel()


class Touch(devices.Keyboard):
    """A touch screen with room for two frames of three keys."""

    layouts: ClassVar = {"pin": (devices.KeyFrame(devices.key_grid(("one", "enter")), 0, 0, 1000, 1000),)}
    ets_caps = xfs4iot.protocol.messages.keyboard.CapabilitiesEtsCaps(
        x_pos=0, y_pos=0, x_size=1000, y_size=1000, maximum_touch_frames=2, maximum_touch_keys=3
    )
    fault: str | None = None

    async def define_layout(self, layouts: Mapping[str, Any]) -> None:
        pass

    async def pin_entry(
        self, request: devices.EntryRequest, events: devices.CommandEvents
    ) -> devices.PinEntered:
        if self.fault is not None:
            raise xfs4iot.protocol.errors.CommandError(self.fault, "the screen is too small")
        for digit in ("shift", "seven", "doubleZero"):
            events.send(xfs4iot.protocol.messages.keyboard.KeyEvent(completion="continue", digit=digit))
        return devices.PinEntered(4, "enter")


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([(0, 0, 500, 500, 1), (500, 0, 500, 500, 1)], None),
        ([(0, 0, 500, 500, 1), (400, 0, 500, 500, 1)], "frameOverlap"),
        ([(0, 0, 500, 500, 2), (500, 0, 500, 500, 2)], "tooManyKeys"),
        ([(600, 0, 500, 500, 1)], "frameCoordinate"),
        ([(0, 0, 50, 500, 1)], "keyCoordinate"),
        ([(0, 0, 300, 300, 1), (300, 0, 300, 300, 1), (600, 0, 300, 300, 1)], "tooManyFrames"),
    ],
)
async def test_frames_of_a_touch_screen_lie_within_it_and_apart(
    nursery: trio.Nursery, frames: Any, code: str | None
) -> None:
    client = await serving(Touch("Touch"), nursery)
    names = iter(DIGITS)
    wanted = [
        {**frame(*(next(names) for _ in range(count))), "xPos": x, "yPos": y, "xSize": w, "ySize": h}
        for x, y, w, h, count in frames
    ]
    request = {"layout": {"pin": wanted}}
    if code is None:
        await client.success("Keyboard.DefineLayout", request)
    else:
        assert await client.failure("Keyboard.DefineLayout", request) == code
    assert await client.failure("Keyboard.DefineLayout", {"layout": {"data": wanted}}) == "modeNotSupported"
    assert await client.failure("Keyboard.GetLayout", {"entryMode": "data"}) == "modeNotSupported"


async def test_a_digit_that_a_vendors_class_tells_is_taken_out(nursery: trio.Nursery) -> None:
    device = Touch("Touch")
    client = await serving(device, nursery)
    request = {"activeKeys": {"one": {}, "enter": {"terminate": True}}}
    await client.success(PIN, request)
    events = [message["payload"] for message in client.passed]
    assert events == [{"completion": "continue"}] * 2
    for code in ("tooManyFrames", "partialFrame"):
        device.fault = code
        assert await client.failure(PIN, request) == code


async def test_an_entry_that_takes_too_long_ends(nursery: trio.Nursery, tmp_path: Any) -> None:
    from test_key_management import publisher_with

    publisher = await publisher_with(
        nursery,
        tmp_path,
        "entry_seconds = 0.05",
        kinds='KeyManagement", "Keyboard',
        K=("K1", "A", "D", KBPK.hex()),
    )
    pad: Dialogue = await nursery.start(dialogue, publisher.uri("PinPad"))
    for command in (PIN, SECURE):
        assert await pad.failure(command, GOOD[command]) == "entryTimeout"


@pytest.mark.parametrize("command", [DATA, PIN, SECURE])
@pytest.mark.parametrize("end", ["canceled", "timeOut"])
async def test_an_entry_can_be_given_up_and_the_next_begins_anew(
    pad: Dialogue, simulator: Dialogue, command: str, end: str
) -> None:
    number = await pad.send(command, GOOD[command], timeout=200 if end == "timeOut" else 0)
    await pad.until("event", number, "Keyboard.EnterDataEvent")
    await simulator.success("Simulator.PressPinPadKeys", {"keys": ["one"]})
    if end == "canceled":
        await pad.success("Common.Cancel", {"requestIds": [number]})
    assert (await pad.until("completion", number))["header"]["completionCode"] == end
    done = await entry(pad, simulator, DATA, GOOD[DATA], "2 enter")
    assert done["payload"]["keys"] == 1


async def test_beeps_are_switched_and_shown(pad: Dialogue) -> None:
    shown = (await pad.success("Common.Status"))["keyboard"]["autoBeepMode"]
    assert shown == {"activeAvailable": True, "inactiveAvailable": True}
    await pad.success("Keyboard.KeypressBeep", {"mode": {"active": True}})
    shown = (await pad.success("Common.Status"))["keyboard"]["autoBeepMode"]
    assert shown == {"activeAvailable": True, "inactiveAvailable": False}


async def test_a_beep_that_cannot_be_switched_is_unsupported(nursery: trio.Nursery) -> None:
    class Loud(Touch):
        beeps = frozenset({"active"})

        async def keypress_beep(self, active: bool, inactive: bool) -> None:
            pass

    client = await serving(Loud("Loud"), nursery)
    await client.success("Keyboard.KeypressBeep", {"mode": {"active": True}})
    assert await client.failure("Keyboard.KeypressBeep", {"mode": {"inactive": True}}) == "unsupportedData"
    assert await client.failure("Keyboard.KeypressBeep") == "unsupportedData"


async def test_bad_luck_with_the_simulated_keyboard(pad: Dialogue, simulator: Dialogue) -> None:
    await simulator.success("Simulator.Inject", {"fault": "stuckKey"})
    done = await entry(pad, simulator, DATA, GOOD[DATA], "1 enter")
    assert done["payload"]["keys"] == 3
    await simulator.success("Simulator.Inject", {"fault": "entryLimit"})
    assert await pad.failure(PIN, GOOD[PIN]) == "deviceNotReady"
    await simulator.success("Simulator.ClearFaults")
    await simulator.success("Simulator.Inject", {"fault": "tamperedDuringEntry"})
    done = await entry(pad, simulator, PIN, GOOD[PIN], "1")
    assert done["header"]["completionCode"] == "hardwareError"
    assert await simulator.failure("Simulator.PressPinPadKeys", {"keys": ["banana"]}) == "invalidData"


async def test_a_reset_forgets_what_was_entered(pad: Dialogue, simulator: Dialogue) -> None:
    await secure_entered(pad, simulator, bytes(range(16)))
    await pad.success("Keyboard.Reset")
    part = {
        "key": "Master",
        "keyAttributes": {"keyUsage": "K0", "algorithm": "T", "modeOfUse": "D"},
        "constructing": True,
    }
    assert await pad.failure(IMPORT, part) == "keyNoValue"


@pytest.mark.parametrize("older", ["2021-1", "2023-2"])
async def test_older_clients_let_things_be_entered(
    pad: Dialogue, simulator: Dialogue, nursery: trio.Nursery, older: str
) -> None:
    old = await another(pad, nursery, older)
    await old.success("Keyboard.GetLayout", {"entryMode": "pin"})
    await old.success("Keyboard.KeypressBeep", {"mode": {"active": True}})
    keys: Any = ALL
    number = await old.send(PIN, {**GOOD[PIN], "activeKeys": keys})
    await old.until("event", number, "Keyboard.EnterDataEvent")
    await simulator.success("Simulator.PressPinPadKeys", {"keys": keys_of("1234 enter")})
    assert (await old.until("completion", number))["payload"]["digits"] == 4
    await old.success("Keyboard.Reset")


async def test_no_pin_reaches_a_log(
    pad: Dialogue, simulator: Dialogue, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await pin_entered(pad, simulator, "730519")
    for name in ("seven", "three", "nine", "730519", "[7, 3, 0, 5, 1, 9]"):
        assert name not in caplog.text
