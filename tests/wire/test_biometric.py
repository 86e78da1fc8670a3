"""Biometric over the wire: what is stored, for how long, and what is refused."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, another, dialogue, outcome
from order import Break, Command, Pair, Walk, pairs, walks
from vendors import refusal, serving
from xfs4iot import devices
from xfs4iot.interfaces.biometrics.biometric import Biometric
from xfs4iot.ledger import Ledger, LedgerUnavailable
from xfs4iot.ledger.service_ledger import ServiceLedger
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import biometric as messages
from xfs4iot.server.channel import SessionLimits

READ, IMPORT, MATCH, SET = "Biometric.Read", "Biometric.Import", "Biometric.Match", "Biometric.SetMatch"
INFO, CLEAR, RESET = "Biometric.GetStorageInfo", "Biometric.Clear", "Biometric.Reset"
PERSIST = "Biometric.SetDataPersistence"
FMD = {"format": "isoFmd"}
IDENTIFY = {"compareMode": "identity", "maximum": 5, "threshold": 50}
SECRET = b"the ridges of somebody's finger"


def told(data: bytes) -> str:
    return base64.b64encode(data).decode()


def templates(*data: bytes) -> dict[str, Any]:
    return {"templates": [{"type": FMD, "data": told(one)} for one in data]}


class Scanner(devices.Biometric):
    """A device that finds every template as like as the test says, and does what its hand says meanwhile."""

    biometric_type = frozenset({"fingerprint"})
    data_formats = frozenset({"isoFmd", "isoFid"})
    persistence_modes = frozenset({"persist", "clear"})
    scan_modes = frozenset({"scan", "match"})
    compare_modes = frozenset({"verify", "identity"})
    max_capture = 3
    template_storage = 100

    def __init__(self, name: str = "Biometric", options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, options)
        self.calls: list[tuple[str, Any]] = []
        self.refuses: dict[str, Exception] = {}
        self.gives: tuple[bytes, ...] | None = None
        self.finds: Mapping[str, Any] | None = None
        self.hangs = False
        self.erased = trio.Event()
        self.holds: Mapping[str, devices.BiometricTemplate] = {}

    def _called(self, name: str, argument: Any) -> None:
        self.calls.append((name, argument))
        if name in self.refuses:
            raise self.refuses[name]

    def named(self, name: str) -> list[Any]:
        return [argument for called, argument in self.calls if called == name]

    async def ledger_key(self) -> bytes:
        return b"k" * 32

    async def read(self, request: devices.BiometricReadRequest, events: Any) -> tuple[bytes, ...]:
        self._called("read", request)
        events.send(messages.PresentSubjectEvent())
        if self.hangs:
            await trio.sleep_forever()
        events.send(messages.SubjectDetectedEvent())
        events.send(messages.RemoveSubjectEvent())
        return self.gives if self.gives is not None else tuple(SECRET for _ in request.data_types)

    async def clear(self, kinds: frozenset[str]) -> None:
        self._called("clear", kinds)
        if kinds == {"scannedData"}:
            self.erased.set()
        if "importedData" in kinds:
            self.holds = {}

    async def reset(self) -> None:
        self._called("reset", None)

    async def import_templates(self, given: Mapping[str, devices.BiometricTemplate]) -> None:
        self._called("import_templates", given)
        self.holds = given

    async def match(self, match: devices.BiometricMatch) -> Mapping[str, devices.BiometricCandidate]:
        self._called("match", match)
        if self.finds is not None:
            return self.finds
        names = [match.identifier] if match.identifier else list(self.holds)
        return {name: devices.BiometricCandidate(80) for name in names}


class Combined(Scanner):
    """Compares while it reads."""

    async def set_match(self, match: devices.BiometricMatch) -> None:
        self._called("set_match", match)


@pytest.fixture
def device() -> Scanner:
    return Scanner()


@pytest.fixture
async def client(device: Scanner, nursery: trio.Nursery) -> Dialogue:
    return await serving(device, nursery)


@pytest.fixture
async def combined(nursery: trio.Nursery) -> tuple[Dialogue, Combined]:
    device = Combined()
    return await serving(device, nursery), device


async def status(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["biometric"]
    return found


async def imported(client: Dialogue, *data: bytes) -> list[str]:
    return list((await client.success(IMPORT, templates(*data)))["templates"])


async def test_capabilities_follow_from_the_class(client: Dialogue) -> None:
    told = (await client.success("Common.Capabilities"))["biometric"]
    assert told["matchSupported"] == "storedMatch"
    assert told["storage"] == {"secure": True, "clear": False}
    assert told["clearData"] == {"scannedData": True, "importedData": True, "setMatchedData": False}
    assert "encryptionAlgorithms" not in told
    assert await client.failure(SET, IDENTIFY) == "unsupportedCommand"


async def test_a_device_that_only_reads_offers_no_more(nursery: trio.Nursery) -> None:
    class Reader(devices.Biometric):
        async def read(self, request: devices.BiometricReadRequest, events: Any) -> tuple[bytes, ...]:
            return ()

        async def clear(self, kinds: frozenset[str]) -> None:
            pass

    client = await serving(Reader("Biometric"), nursery)
    assert (await client.success("Common.Capabilities"))["biometric"].get("matchSupported") is None
    for command, payload in ((IMPORT, templates(b"x")), (MATCH, IDENTIFY), (INFO, None), (RESET, None)):
        assert await client.failure(command, payload) == "unsupportedCommand"
    assert await client.failure(PERSIST, {"persistenceMode": "clear"}) == "unsupportedCommand"
    await client.success(READ)
    await client.success(CLEAR)


@pytest.mark.parametrize("payload", [None, {}, {"dataTypes": []}])
async def test_a_read_without_types_keeps_what_it_captured_in_the_device(
    client: Dialogue, device: Scanner, payload: Any
) -> None:
    assert await client.success(READ, payload) == {}
    assert device.named("read") == [devices.BiometricReadRequest((), 0, None)]
    assert (await status(client))["capture"] is True


async def test_data_comes_in_every_type_that_was_asked_for(client: Dialogue, device: Scanner) -> None:
    device.gives = (b"points", b"picture")
    wanted = {"dataTypes": [FMD, {"format": "isoFid"}], "numCaptures": 2, "mode": "scan"}
    read = (await client.success(READ, wanted))["dataRead"]
    assert [(one["type"]["format"], one["data"]) for one in read] == [
        ("isoFmd", told(b"points")),
        ("isoFid", told(b"picture")),
    ]
    assert device.named("read")[0].captures == 2


async def test_events_tell_what_the_subject_is_to_do_and_where_it_is(
    client: Dialogue, device: Scanner
) -> None:
    request = await client.send(READ)
    for event in ("PresentSubjectEvent", "SubjectDetectedEvent", "RemoveSubjectEvent"):
        assert (await client.until("event", request))["header"]["name"] == f"Biometric.{event}"
    await client.until("completion", request)
    assert (await status(client))["subject"] == "present"
    device.badly_placed()
    device.subject_removed()
    await client.until("unsolicited", name="Biometric.OrientationEvent")
    await client.until("unsolicited", name="Biometric.SubjectRemovedEvent")
    assert (await status(client))["subject"] == "notPresent"


async def test_a_device_that_notices_no_subject_still_has_a_status(nursery: trio.Nursery) -> None:
    device = type("Blind", (Scanner,), {"detects_subject": False})()
    client = await serving(device, nursery)
    await client.success(READ)
    device.subject_removed()
    found = await status(client)
    assert found.get("subject") is None
    assert found["capture"] is True


@pytest.mark.parametrize("how", ["timeOut", "canceled"])
async def test_nothing_is_kept_of_a_read_that_was_given_up(
    client: Dialogue, device: Scanner, how: str
) -> None:
    await client.success(READ)
    device.hangs = True
    request = await client.send(READ, timeout=50 if how == "timeOut" else 0)
    await client.until("event", request)
    if how == "canceled":
        await client.success("Common.Cancel", {"requestIds": [request]})
    assert outcome(await client.until("completion", request)) == how
    assert (await status(client))["capture"] is False
    assert device.named("clear")[-1] == {"scannedData"}


@pytest.mark.parametrize("gives", [(), (b"1", b"2"), (b"",), ("text",), b"text"])
async def test_data_that_was_not_asked_for_does_not_go_out(
    client: Dialogue, device: Scanner, gives: Any, caplog: pytest.LogCaptureFixture
) -> None:
    device.gives = gives
    assert await client.failure(READ, {"dataTypes": [FMD]}) == "hardwareError"
    assert "text" not in caplog.text


@pytest.mark.parametrize("again", [FMD, {**FMD, "keyName": "of nothing that is encrypted"}])
async def test_one_form_is_given_once_in_a_read(client: Dialogue, device: Scanner, again: Any) -> None:
    twice = [FMD, {"format": "isoFid"}, again]
    completion = await client.completion(READ, {"dataTypes": twice})
    assert outcome(completion) == "invalidData"
    assert "$.dataTypes[2] is that of $.dataTypes[0]" in completion["header"]["errorDescription"]
    assert device.named("read") == []


async def test_an_import_takes_the_place_of_the_one_before(client: Dialogue, device: Scanner) -> None:
    first = await imported(client, b"alice", b"bob")
    assert (await status(client))["remainingStorage"] == 100 - len(b"alice" + b"bob")
    second = await imported(client, b"carol")
    # No identifier comes twice: nobody is verified by a template that was not meant.
    assert not set(first) & set(second)
    assert list((await client.success(INFO))["templates"].items()) == [(second[0], FMD)]
    assert (await status(client))["remainingStorage"] == 95
    assert {name: one.data for name, one in device.holds.items()} == {second[0]: b"carol"}


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        ({}, "invalidData"),
        ({"templates": []}, "invalidData"),
        ({"templates": [{"type": FMD}]}, "invalidData"),
        ({"templates": [{"data": "AAAA"}]}, "invalidData"),
        ({"templates": [{"type": {"algorithm": "ecb"}, "data": "AAAA"}]}, "invalidData"),
        ({"templates": [{"type": {"format": "wso"}, "data": "AAAA"}]}, "formatNotSupported"),
        (templates(b"x" * 101), "capacityExceeded"),
        (templates(b"x" * 100, b"y"), "capacityExceeded"),
        ({"templates": [{"type": {**FMD, "algorithm": "ecb"}, "data": "AAAA"}]}, "unsupportedData"),
    ],
)
async def test_a_refused_import_leaves_the_templates_before(
    client: Dialogue, refused: Any, code: str
) -> None:
    before = await imported(client, b"alice")
    assert await client.failure(IMPORT, refused) == code
    assert list((await client.success(INFO))["templates"]) == before


async def test_what_a_device_does_to_the_templates_it_was_given_changes_none(
    client: Dialogue, device: Scanner
) -> None:
    async def import_templates(given: Any) -> None:
        while given:
            device.holds = dict([given.popitem(), *device.holds.items()])

    device.import_templates = import_templates  # type: ignore[method-assign]
    names = await imported(client, b"alice", b"bob")
    assert len(names) == 2
    assert list((await client.success(INFO))["templates"]) == names
    assert (await status(client))["remainingStorage"] == 100 - len(b"alice" + b"bob")
    await client.success(READ)
    assert set((await client.success(MATCH, IDENTIFY))["candidates"]) == set(names)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("text",), "[0] is str (not shown); it must be bytes"),
        ((bytearray(b"1"),), "[0] is bytearray (not shown); it must be bytes"),
        ((b"",), "[0] is bytes (not shown); it must be of a length of at least 1"),
        ((b"1", b"2"), "it is 2 items; it must be 1 items"),
        ("text", "it is str (not shown); it must be a tuple"),
    ],
)
async def test_what_is_wrong_with_data_is_said_without_showing_it(
    client: Dialogue, device: Scanner, given: Any, said: str
) -> None:
    device.gives = given
    request = await client.send(READ, {"dataTypes": [FMD]})
    answer = await client.until("completion", request)
    assert said in answer["header"]["errorDescription"]


async def test_templates_may_fill_the_memory_to_the_last_byte(client: Dialogue) -> None:
    await imported(client, b"x" * 99, b"y")
    assert (await status(client))["remainingStorage"] == 0
    # They take the place of those before, which need no room beside them.
    await imported(client, b"z" * 100)
    await client.success(CLEAR)
    assert (await status(client))["remainingStorage"] == 100


@pytest.mark.parametrize("code", ["invalidData", "formatNotSupported", "capacityExceeded", "keyNotFound"])
async def test_a_device_that_refuses_templates_leaves_those_before(
    client: Dialogue, device: Scanner, code: str
) -> None:
    before = await imported(client, b"x" * 100)
    device.refuses["import_templates"] = refusal(code)
    assert await client.failure(IMPORT, templates(b"bob")) == code
    assert list((await client.success(INFO))["templates"]) == before


@pytest.mark.parametrize("code", ["readFailed", "modeNotSupported", "formatNotSupported", "keyNotFound"])
async def test_a_device_may_fail_to_read(client: Dialogue, device: Scanner, code: str) -> None:
    await client.success(READ)
    device.refuses["read"] = refusal(code)
    assert await client.failure(READ) == code
    assert (await status(client))["capture"] is False


async def test_candidates_are_sorted_and_cut_and_above_the_threshold(
    client: Dialogue, device: Scanner
) -> None:
    a, b, c, d = await imported(client, b"a", b"b", b"c", b"d")
    await client.success(PERSIST, {"persistenceMode": "persist"})
    await client.success(READ, {"mode": "match"})
    like = {a: 60, b: 90, c: 49, d: 75}
    device.finds = {name: devices.BiometricCandidate(one, SECRET) for name, one in like.items()}
    found = (await client.success(MATCH, IDENTIFY))["candidates"]
    assert [(name, one["confidenceLevel"]) for name, one in found.items()] == [(b, 90), (d, 75), (a, 60)]
    assert found[b]["templateData"] == told(SECRET)
    assert list((await client.success(MATCH, {**IDENTIFY, "maximum": 1}))["candidates"]) == [b]
    device.finds = {}
    assert await client.success(MATCH, IDENTIFY) == {}


async def test_a_template_that_is_not_given_out_is_absent(client: Dialogue, device: Scanner) -> None:
    (name,) = await imported(client, b"a")
    await client.success(READ)
    device.finds = {name: devices.BiometricCandidate(90, b"")}
    assert (await client.success(MATCH, IDENTIFY))["candidates"] == {name: {"confidenceLevel": 90}}


@pytest.mark.parametrize(
    "finds", [{"id99": 80}, {"name": 80}, {"id1": 101}, {"id1": True}, {"id1": 80, "id2": 9}]
)
async def test_a_device_cannot_find_whom_nobody_looked_for(
    client: Dialogue, device: Scanner, finds: dict[str, Any]
) -> None:
    await imported(client, b"a", b"b")
    await client.success(READ)
    device.finds = {name: devices.BiometricCandidate(one) for name, one in finds.items()}
    verify = {"compareMode": "verify", "identifier": "id1", "threshold": 0}
    assert await client.failure(MATCH, verify) == "hardwareError"


async def test_confidence_can_be_told_in_steps_and_matches_be_few(nursery: trio.Nursery) -> None:
    device = type("Coy", (Scanner,), {"confidence_step": 10, "matches_per_capture": 2})()
    client = await serving(device, nursery)
    a, b = await imported(client, b"a", b"b")
    await client.success(PERSIST, {"persistenceMode": "persist"})
    await client.success(READ)
    device.finds = {a: devices.BiometricCandidate(87), b: devices.BiometricCandidate(78)}
    # What is no multiple of ten says nothing of where 78 lies between 70 and 80.
    found = (await client.success(MATCH, {**IDENTIFY, "threshold": 75}))["candidates"]
    assert {name: one["confidenceLevel"] for name, one in found.items()} == {a: 80}
    found = (await client.success(MATCH, {**IDENTIFY, "threshold": 70}))["candidates"]
    assert [one["confidenceLevel"] for one in found.values()] == [80, 70]
    assert await client.failure(MATCH, IDENTIFY) == "noCaptureData"


async def test_an_exact_match_is_one_in_any_steps(nursery: trio.Nursery) -> None:
    device = type("Coy", (Scanner,), {"confidence_step": 30})()
    client = await serving(device, nursery)
    (a,) = await imported(client, b"a")
    await client.success(READ)
    device.finds = {a: devices.BiometricCandidate(100)}
    found = (await client.success(MATCH, {**IDENTIFY, "threshold": 100}))["candidates"]
    assert found[a]["confidenceLevel"] == 100


async def test_in_the_mode_clear_a_capture_is_used_once(client: Dialogue, device: Scanner) -> None:
    await imported(client, b"a")
    assert (await status(client))["dataPersistence"] == "clear"
    await client.success(READ)
    await client.success(MATCH, IDENTIFY)
    assert device.named("clear")[-1] == {"scannedData"}
    assert await client.failure(MATCH, IDENTIFY) == "noCaptureData"
    await client.success(READ, {"dataTypes": [FMD]})
    assert await client.failure(MATCH, IDENTIFY) == "noCaptureData"
    await client.success(PERSIST, {"persistenceMode": "persist"})
    await client.success(READ, {"dataTypes": [FMD]})
    await client.success(MATCH, IDENTIFY)
    await client.success(MATCH, IDENTIFY)


async def test_a_guarded_capture_is_for_the_client_that_made_it(nursery: trio.Nursery) -> None:
    device = type("Guarding", (Scanner,), {"guards_capture": True})()
    client = await serving(device, nursery)
    other = await another(client, nursery)
    await client.success(PERSIST, {"persistenceMode": "persist"})
    await imported(client, b"a")
    await client.success(READ)
    assert await other.failure(MATCH, IDENTIFY) == "noCaptureData"
    await client.success(MATCH, IDENTIFY)
    await client.connection.aclose()
    with trio.fail_after(5):
        while (await other.success("Common.Status"))["biometric"]["capture"]:  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert await other.failure(MATCH, IDENTIFY) == "noCaptureData"


async def test_a_capture_ends_with_the_last_connection(
    client: Dialogue, device: Scanner, nursery: trio.Nursery
) -> None:
    await client.success(PERSIST, {"persistenceMode": "persist"})
    await imported(client, b"a")
    other = await another(client, nursery)
    await other.success("Common.Status")
    await client.success(READ)
    await client.connection.aclose()
    # Somebody is still there.
    await other.success(MATCH, IDENTIFY)
    await other.connection.aclose()
    with trio.fail_after(30):
        await device.erased.wait()
    late = await another(client, nursery)
    refused = await late.completion(MATCH, IDENTIFY)
    assert refused["payload"]["errorCode"] == "noCaptureData"
    # Who reads and compares by two calls of the command line must learn why.
    assert "a capture ends with the last connection" in refused["header"]["errorDescription"]


async def test_combined_matching_needs_all_steps_in_order(combined: tuple[Dialogue, Combined]) -> None:
    client, device = combined
    assert await client.failure(SET, IDENTIFY) == "noImportedData"
    assert await client.failure(MATCH, IDENTIFY) == "noImportedData"
    (name,) = await imported(client, b"a")
    await client.success(READ)
    assert await client.failure(MATCH, IDENTIFY) == "sequenceError"
    await client.success(SET, IDENTIFY)
    # The capture is older than SetMatch; and one that was only to scan was not compared.
    assert await client.failure(MATCH, IDENTIFY) == "sequenceError"
    await client.success(READ, {"mode": "scan"})
    assert await client.failure(MATCH, IDENTIFY) == "sequenceError"
    await client.success(READ, {"mode": "match"})
    assert await client.failure(MATCH, {**IDENTIFY, "threshold": 51}) == "invalidCompareMode"
    assert list((await client.success(MATCH, IDENTIFY))["candidates"]) == [name]
    verify = {"compareMode": "verify", "identifier": name, "threshold": 50}
    await client.success(SET, verify)
    await imported(client, b"b")
    # The one that was to be verified is not there any more.
    assert await client.failure(MATCH, verify) == "invalidIdentifier"
    assert await client.failure(MATCH, IDENTIFY) == "sequenceError"
    assert [one.compare_mode for one in device.named("set_match")] == ["identity", "verify"]


async def test_what_a_mode_does_not_need_is_not_looked_at(client: Dialogue, device: Scanner) -> None:
    (name,) = await imported(client, b"a")
    await client.success(READ)
    await client.success(MATCH, {**IDENTIFY, "identifier": "idNobody"})
    await client.success(READ)
    await client.success(MATCH, {"compareMode": "verify", "identifier": name, "threshold": 1, "maximum": 3})
    assert [(one.identifier, one.maximum) for one in device.named("match")] == [(None, 5), (name, None)]


@pytest.mark.parametrize("command", [CLEAR, RESET])
async def test_each_kind_that_was_there_is_told_to_be_cleared(
    combined: tuple[Dialogue, Combined], command: str
) -> None:
    client, device = combined
    await imported(client, b"a")
    await client.success(SET, IDENTIFY)
    await client.success(READ)
    await client.success(command, {"clearData": "scannedData"})
    assert await cleared(client, "Common.Status") == ["scannedData"]
    await client.success(READ)
    assert await cleared(client, command) == ["scannedData", "importedData", "setMatchedData"]
    assert await cleared(client, command) == []
    assert await client.failure(INFO) == "noImportedData"
    assert (await status(client))["remainingStorage"] == 100
    assert device.named("clear")[-1] == {"scannedData", "importedData", "setMatchedData"}


async def cleared(client: Dialogue, command: str) -> list[str]:
    """The kinds that are told to be cleared until a command has completed."""
    await client.success(command)
    events = [one for one in client.passed if one["header"]["name"] == "Biometric.DataClearedEvent"]
    client.passed = []
    return [one["payload"]["clearData"] for one in events]


async def test_a_reset_works_where_nothing_can_be_cleared_for_itself(nursery: trio.Nursery) -> None:
    device = type("Whole", (Scanner,), {"clear_data": frozenset()})()
    client = await serving(device, nursery)
    await client.success(RESET)
    assert await client.failure(CLEAR, {"clearData": "scannedData"}) == "unsupportedData"


async def test_data_that_the_device_erased_by_itself_is_gone(client: Dialogue, device: Scanner) -> None:
    await imported(client, b"a")
    await client.success(READ)
    device.data_cleared("scannedData")
    assert await client.failure(MATCH, IDENTIFY) == "noCaptureData"
    device.data_cleared("importedData")
    assert await client.failure(INFO) == "noImportedData"
    assert (await client.until("unsolicited", name="Biometric.DataClearedEvent"))["payload"]


@pytest.mark.parametrize("held_up", ["erasing", "keeping"])
async def test_templates_are_kept_though_the_device_tells_of_those_before_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_up: str
) -> None:
    class Teller(Scanner):
        async def import_templates(self, given: Mapping[str, devices.BiometricTemplate]) -> None:
            await super().import_templates(given)
            if given and self.tells:
                self.data_cleared("importedData")

        tells = False

    put = ServiceLedger.put_sealed

    async def slow(self: ServiceLedger, name: str, record: Any) -> None:
        await put(self, name, record)
        if (record is None) == (held_up == "erasing"):
            await trio.sleep(0.05)

    monkeypatch.setattr(ServiceLedger, "put_sealed", slow)
    file = tmp_path / "ledger.sqlite"
    device = Teller()
    async with Life(file, device) as client:
        await client.success(PERSIST, {"persistenceMode": "persist"})
        await imported(client, b"alice")
        device.tells = True
        names = await imported(client, b"bob")
        await trio.sleep(0.1)
        assert list((await client.success(INFO))["templates"]) == names
    async with Life(file) as client:
        assert list((await client.success(INFO))["templates"]) == names


async def test_templates_that_the_device_does_not_erase_are_over_nevertheless(
    client: Dialogue, device: Scanner
) -> None:
    await imported(client, b"alice")
    device.refuses["clear"] = errors.HardwareError("the flash is worn out")
    assert await client.failure(CLEAR, {"clearData": "importedData"}) == "hardwareError"
    assert (await client.until("unsolicited", name="Biometric.DataClearedEvent"))["payload"] == {
        "clearData": "importedData"
    }
    assert (await status(client))["remainingStorage"] == device.template_storage
    assert await client.failure(INFO) == "noImportedData"


class Life:
    """A service that runs on a ledger's file while the block lasts."""

    def __init__(self, file: Path, device: Scanner | None = None) -> None:
        self.file, self.device = file, device or Scanner()

    async def __aenter__(self) -> Dialogue:
        self.ledger = Ledger.open(self.file)
        self._manager = trio.open_nursery()
        self.nursery = await self._manager.__aenter__()
        return await serving(self.device, self.nursery, self.ledger)

    async def __aexit__(self, *fault: Any) -> None:
        self.nursery.cancel_scope.cancel()
        await self._manager.__aexit__(None, None, None)
        self.ledger.close()


def bytes_of(file: Path) -> bytes:
    return b"".join(one.read_bytes() for one in file.parent.iterdir())


async def test_templates_outlive_a_restart_sealed_if_persistence_says_so(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    async with Life(file) as client:
        await client.success(PERSIST, {"persistenceMode": "persist"})
        (name,) = await imported(client, SECRET)
        await client.success(READ)
    assert SECRET not in bytes_of(file)
    assert told(SECRET).encode() not in bytes_of(file)
    life = Life(file)
    async with life as client:
        assert (await status(client))["dataPersistence"] == "persist"
        assert (await status(client))["remainingStorage"] == 100 - len(SECRET)
        assert list((await client.success(INFO))["templates"]) == [name]
        assert life.device.holds[name].data == SECRET
        # A capture does not.
        assert await client.failure(MATCH, IDENTIFY) == "noCaptureData"
        assert await imported(client, SECRET) != [name]
        await client.success(CLEAR, {"clearData": "importedData"})
    async with Life(file) as client:
        assert await client.failure(INFO) == "noImportedData"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_templates_are_gone_after_a_restart_if_it_does_not(tmp_path: Path, when: str) -> None:
    file = tmp_path / "ledger.sqlite"
    async with Life(file) as client:
        await client.success(PERSIST, {"persistenceMode": "clear" if when == "before" else "persist"})
        await imported(client, SECRET)
        await client.success(PERSIST, {"persistenceMode": "clear"})
        await client.success(INFO)
    life = Life(file)
    async with life as client:
        assert await client.failure(INFO) == "noImportedData"
        assert life.ledger.service("Biometric").sealed_names() == []
        # The device may have held them all the while.
        assert life.device.named("clear")[0] >= {"importedData", "scannedData"}


@pytest.mark.parametrize("mode", ["clear", "persist"])
async def test_an_identifier_means_nobody_else_after_a_restart(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "ledger.sqlite"
    given: list[str] = []
    for _ in range(3):
        async with Life(file) as client:
            await client.success(PERSIST, {"persistenceMode": mode})
            given += await imported(client, b"a", b"b")
            await client.success(CLEAR)
    assert len(set(given)) == 6


async def test_templates_imported_before_are_kept_once_persistence_says_so(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    async with Life(file) as client:
        (name,) = await imported(client, SECRET)
        await client.success(PERSIST, {"persistenceMode": "persist"})
    async with Life(file) as client:
        assert list((await client.success(INFO))["templates"]) == [name]


async def test_without_a_key_of_the_device_no_template_is_in_the_file(tmp_path: Path) -> None:
    class Keyless(Scanner):
        ledger_key = devices.Biometric.ledger_key

    file = tmp_path / "ledger.sqlite"
    async with Life(file, Keyless()) as client:
        assert (await client.success("Common.Capabilities"))["biometric"]["storage"]["clear"] is True
        await client.success(PERSIST, {"persistenceMode": "persist"})
        await imported(client, SECRET)
    assert SECRET not in bytes_of(file)
    async with Life(file, Keyless()) as client:
        assert await client.failure(INFO) == "noImportedData"


async def test_templates_sealed_with_another_key_are_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Other(Scanner):
        async def ledger_key(self) -> bytes:
            return b"o" * 32

    file = tmp_path / "ledger.sqlite"
    async with Life(file) as client:
        await client.success(PERSIST, {"persistenceMode": "persist"})
        await imported(client, SECRET)
    async with Life(file, Other()) as client:
        assert await client.failure(INFO) == "noImportedData"
        assert "does not open" in caplog.text
        await client.success(CLEAR)
    async with Life(file) as client:
        assert await client.failure(INFO) == "noImportedData"


async def test_templates_that_cannot_be_kept_are_not_imported(
    client: Dialogue, device: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await imported(client, b"alice")
    await client.success(PERSIST, {"persistenceMode": "persist"})

    async def full(self: ServiceLedger, name: str, record: Any) -> None:
        raise LedgerUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(ServiceLedger, "put_sealed", full)
        assert await client.failure(IMPORT, templates(b"bob")) == "internalError"
    assert list((await client.success(INFO))["templates"]) == before
    assert [one.data for one in device.holds.values()] == [b"alice"]


async def test_large_pictures_pass(client: Dialogue, device: Scanner, nursery: trio.Nursery) -> None:
    device.gives = (bytes(range(256)) * 2_900,)
    read = await client.success(READ, {"dataTypes": [{"format": "isoFid"}]})
    assert base64.b64decode(read["dataRead"][0]["data"]) == device.gives[0]


async def test_a_picture_larger_than_what_may_wait_passes_with_its_events(
    device: Scanner, nursery: trio.Nursery
) -> None:
    limits = SessionLimits(outgoing_bytes=50_000)
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0, session_limits=limits)
    await nursery.start(publisher.serve)
    client = await nursery.start(dialogue, publisher.uri(device.name))
    # Nothing is erased then, so that the completion and the last events leave together.
    await client.success(PERSIST, {"persistenceMode": "persist"})
    device.gives = (bytes(range(256)) * 400,)
    read = await client.success(READ, {"dataTypes": [{"format": "isoFid"}]})
    assert base64.b64decode(read["dataRead"][0]["data"]) == device.gives[0]
    await client.success("Common.Status")


async def test_large_templates_pass(nursery: trio.Nursery) -> None:
    device = type("Roomy", (Scanner,), {"template_storage": None})()
    client = await serving(device, nursery)
    large = bytes(range(256)) * 4_000
    (name,) = await imported(client, large)
    assert device.holds[name].data == large
    assert (
        "remainingStorage" not in await status(client) or (await status(client))["remainingStorage"] is None
    )


async def test_biometric_data_reaches_no_log(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    device = Scanner()
    limits = SessionLimits(log_messages=True)
    publisher = xfs4iot.Publisher([xfs4iot.Service(device)], port=0, session_limits=limits)
    await nursery.start(publisher.serve)
    client: Dialogue = await nursery.start(dialogue, publisher.uri("Biometric"))
    (name,) = await imported(client, SECRET)
    await client.success(READ, {"dataTypes": [FMD]})
    await client.success(READ)
    device.finds = {name: devices.BiometricCandidate(80, SECRET)}
    await client.success(MATCH, IDENTIFY)
    device.refuses["read"] = RuntimeError("a driver's fault")
    await client.failure(READ)
    device.gives, device.refuses = ((SECRET, SECRET),), {}  # type: ignore[assignment]
    await client.failure(READ, {"dataTypes": [FMD]})
    device.finds = {name: SECRET}
    await client.failure(MATCH, IDENTIFY)
    await client.failure(IMPORT, {"templates": [{"type": {"format": "wso"}, "data": told(SECRET)}]})
    assert "Biometric.Import" in caplog.text
    for form in (SECRET.decode(), told(SECRET), SECRET.hex(), repr(SECRET)):
        assert form not in caplog.text


@pytest.mark.parametrize("specification", ["2021-1", "2023-2"])
async def test_older_clients_are_served(client: Dialogue, nursery: trio.Nursery, specification: str) -> None:
    old = await another(client, nursery, specification)
    capabilities = (await old.success("Common.Capabilities"))["biometric"]
    assert capabilities["matchSupported"] == "storedMatch"
    (name,) = await imported(old, b"a")
    request = await old.send(READ, {"dataTypes": [FMD]})
    kind = "unsolicited" if specification == "2021-1" else "event"
    await old.until(kind, name="Biometric.PresentSubjectEvent")
    assert (await old.until("completion", request))["payload"]["dataRead"][0]["data"] == told(SECRET)
    await old.success(READ, {"mode": "match"})
    verify = {"compareMode": "verify", "identifier": "idNobody", "threshold": 10}
    # Only the newest version has a code for it.
    assert outcome(await old.completion(MATCH, verify)) == "invalidData"
    found = (await old.success(MATCH, {**verify, "identifier": name}))["candidates"]
    assert list(found) == [name]


async def full(bench: tuple[Dialogue, Combined]) -> None:
    client, _ = bench
    await imported(client, b"a")


async def ready(bench: tuple[Dialogue, Combined]) -> None:
    await full(bench)
    await bench[0].success(SET, IDENTIFY)
    await bench[0].success(READ, {"mode": "match"})


async def gone(bench: tuple[Dialogue, Combined]) -> None:
    await bench[0].success(CLEAR, {"clearData": "scannedData"})


async def unset(bench: tuple[Dialogue, Combined]) -> None:
    await bench[0].success(CLEAR, {"clearData": "setMatchedData"})


async def unplugged(bench: tuple[Dialogue, Combined]) -> None:
    bench[1].status.common.device = "offline"


async def only_identity(bench: tuple[Dialogue, Combined]) -> None:
    bench[1].compare_modes = frozenset({"identity"})


async def empty(bench: tuple[Dialogue, Combined]) -> None:
    await bench[0].success(CLEAR, {"clearData": "importedData"})


async def no_modes(bench: tuple[Dialogue, Combined]) -> None:
    bench[1].scan_modes = frozenset()


async def encrypting(bench: tuple[Dialogue, Combined]) -> None:
    bench[1].encryption_algorithms = frozenset({"rsa"})


async def fleeting(bench: tuple[Dialogue, Combined]) -> None:
    bench[1].persistence_modes = frozenset({"clear"})


async def whole(bench: tuple[Dialogue, Combined]) -> None:
    bench[1].clear_data = frozenset()


OFFLINE = Break(before=unplugged)
VERIFY = {"compareMode": "verify", "identifier": "id1", "threshold": 50, "maximum": None}
COMPARING = {
    "given compareMode": Break({"compareMode": None}, says="compareMode"),
    "threshold_given": Break({"threshold": None}),
    "maximum_given": Break({"maximum": None}),
    "identifier_given": Break({"compareMode": "verify"}),
    "device_ready": OFFLINE,
    "compare_mode_supported": Break(VERIFY, before=only_identity),
    "templates_imported": Break(before=empty),
    "identifier_known": Break({**VERIFY, "identifier": "idNobody"}),
    "criteria_set": Break(before=unset),
    "criteria_same": Break({"threshold": 60}),
    "capture_there": Break(before=gone),
}
APART = {
    "maximum_given": "one is for identity, the other for verify",
    "criteria_set": "what is not set cannot be another",
}
TOGETHER = {
    "templates_imported": Break({**VERIFY, "identifier": "idNobody"}, before=empty),
    "identifier_given": Break({**VERIFY, "identifier": None}, before=unplugged),
}
RSA = {"format": "isoFmd", "algorithm": "rsa", "keyName": "K"}
ORDER = {
    READ: Command(
        breaks={
            "data_types_whole": Break({"dataTypes": [{}]}, says="format"),
            "captures_possible": Break({"numCaptures": 4}, says="attempts"),
            "device_ready": OFFLINE,
            "read_mode_supported": Break({"mode": "match"}, before=no_modes),
            "formats_readable": Break({"dataTypes": [{"format": "wso"}]}),
            "encryption_possible": Break({"dataTypes": [RSA]}),
            "read_keys_usable": Break({"dataTypes": [RSA]}),
        },
        together={"formats_readable": Break({"dataTypes": [{**RSA, "format": "wso"}]})},
    ),
    IMPORT: Command(
        good=templates(b"a"),
        breaks={
            "templates_whole": Break({"templates": []}),
            "device_ready": OFFLINE,
            "formats_takeable": Break({"templates": [{"type": {"format": "wso"}, "data": "AAAA"}]}),
            "encryption_possible": Break({"templates": [{"type": RSA, "data": "AAAA"}]}),
            "import_keys_usable": Break({"templates": [{"type": RSA, "data": "AAAA"}]}),
            "room_for_templates": Break(templates(b"x" * 101)),
        },
        together={
            "formats_takeable": Break({"templates": [{"type": {**RSA, "format": "wso"}, "data": "AAAA"}]}),
            "import_keys_usable": Break(
                {"templates": [{"type": RSA, "data": told(b"x" * 101)}]},
                before=encrypting,
            ),
        },
    ),
    MATCH: Command(good=IDENTIFY, before=ready, breaks=COMPARING, apart=APART, together=TOGETHER),
    SET: Command(good=IDENTIFY, before=full, breaks=COMPARING, apart=APART, together=TOGETHER),
    PERSIST: Command(
        good={"persistenceMode": "clear"},
        breaks={
            "given persistenceMode": Break({"persistenceMode": None}),
            "device_ready": OFFLINE,
            "persistence_supported": Break({"persistenceMode": "persist"}, before=fleeting),
        },
    ),
    CLEAR: Command(
        breaks={
            "device_ready": OFFLINE,
            "clearable": Break({"clearData": "scannedData"}, before=whole),
        }
    ),
    RESET: Command(
        breaks={
            "device_ready": OFFLINE,
            "clearable": Break({"clearData": "scannedData"}, before=whole),
        }
    ),
}


@pytest.mark.parametrize("pair", pairs(Biometric, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(
    combined: tuple[Dialogue, Combined], pair: Pair
) -> None:
    await pair.prove(combined[0], combined)


@pytest.mark.parametrize("walk", walks(Biometric, ORDER), ids=str)
async def test_older_clients_are_answered_alike(combined: tuple[Dialogue, Combined], walk: Walk) -> None:
    await walk.prove(combined[0], combined, combined[1])


async def test_a_threshold_must_be_one(client: Dialogue, device: Scanner) -> None:
    await imported(client, b"a")
    for threshold in (0, 100):
        await client.success(READ)
        await client.success(MATCH, {**IDENTIFY, "threshold": threshold})
    for threshold in (-1, 101):
        assert await client.failure(MATCH, {**IDENTIFY, "threshold": threshold}) == "invalidData"
    assert await client.failure(MATCH, {"compareMode": "identity", "maximum": 1}) == "invalidThreshold"


async def test_a_persistence_that_the_device_lacks_is_refused(nursery: trio.Nursery) -> None:
    device = type("Fleeting", (Scanner,), {"persistence_modes": frozenset({"clear"})})()
    client = await serving(device, nursery)
    assert await client.failure(PERSIST, {"persistenceMode": "persist"}) == "modeNotSupported"
