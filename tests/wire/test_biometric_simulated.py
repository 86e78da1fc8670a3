"""The simulated fingerprint sensor: fingers, bad luck, and matches that are really made."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import rsa

import xfs4iot
from dialogue import Dialogue, dialogue, outcome
from xfs4iot.simulator import atm as simulated_atm
from xfs4iot.simulator.biometric import minutiae, minutiae_records
from xfs4iot.simulator.secure_part import ciphers, rsa_keys

READ, IMPORT, MATCH, SET = "Biometric.Read", "Biometric.Import", "Biometric.Match", "Biometric.SetMatch"
PRESENT, LIFT, INJECT = "Simulator.PresentFinger", "Simulator.LiftFinger", "Simulator.Inject"
FMD = {"format": "isoFmd"}
IDENTIFY = {"compareMode": "identity", "maximum": 5, "threshold": 40}
AES = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
PAIR = rsa.generate_private_key(65537, 2048)
PROFILE = """
[services.Biometric]
kinds = {kinds}
{settings}
[services.Biometric.fingers]
alice = {{}}
bob = {{ position = "leftThumb" }}
"""


class Sensor:
    """A client of the sensor, and the hands before it."""

    def __init__(self, client: Dialogue, simulator: Dialogue) -> None:
        self.client, self.simulator = client, simulator

    async def present(self, finger: str, **how: Any) -> None:
        await self.simulator.success(PRESENT, {"finger": finger, **how})

    async def template(self, finger: str, format: str = "isoFmd") -> str:
        found = await self.simulator.success("Simulator.GetTemplate", {"finger": finger, "format": format})
        return str(found["templateData"])

    async def imported(self, *fingers: str) -> list[str]:
        templates = [{"type": FMD, "data": await self.template(finger)} for finger in fingers]
        return list((await self.client.success(IMPORT, {"templates": templates}))["templates"])

    async def candidates(self, how: Any = IDENTIFY) -> dict[str, int]:
        found = (await self.client.success(MATCH, how)).get("candidates", {})
        return {name: one["confidenceLevel"] for name, one in found.items()}

    async def begun(self, payload: Any = None, **header: Any) -> int:
        """A Read that waits for a finger."""
        request = await self.client.send(READ, payload, **header)
        await self.client.until("event", request, "Biometric.PresentSubjectEvent")
        return request


async def sensor_of(publisher: xfs4iot.Publisher, nursery: trio.Nursery) -> Sensor:
    client = await nursery.start(dialogue, publisher.uri("Biometric"))
    return Sensor(client, await nursery.start(dialogue, publisher.uri("Simulator")))


@pytest.fixture
async def sensor(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Sensor:
    return await sensor_of(atm, nursery)


async def configured(
    nursery: trio.Nursery,
    directory: Path,
    settings: str = "",
    kinds: str = '["Biometric"]',
    keys: str = "",
    **more: Any,
) -> Sensor:
    profile = directory / "profile.toml"
    profile.write_text(PROFILE.format(kinds=kinds, settings=settings) + keys, "utf-8")
    options = {"ledger": xfs4iot.Ledger.open(None), "state": None, "seconds": 0, **more}
    publisher = xfs4iot.Publisher(simulated_atm(profile, **options), port=0)
    await nursery.start(publisher.serve)
    return await sensor_of(publisher, nursery)


async def test_a_finger_is_told_from_others(sensor: Sensor) -> None:
    alice, bob, carol = await sensor.imported("alice", "bob", "carol")
    for finger, name in (("alice", alice), ("bob", bob), ("carol", carol)):
        await sensor.present(finger)
        await sensor.client.success(READ, {"mode": "match"})
        found = await sensor.candidates()
        assert list(found) == [name]
        assert found[name] >= 70


async def test_a_wrong_finger_is_no_match(sensor: Sensor) -> None:
    (alice,) = await sensor.imported("alice")
    await sensor.present("bob")
    await sensor.client.success(READ, {"mode": "match"})
    verify = {"compareMode": "verify", "identifier": alice, "threshold": 40}
    assert await sensor.candidates(verify) == {}
    await sensor.client.success(READ, {"mode": "match"})
    weak = await sensor.candidates({**verify, "threshold": 0})
    assert weak[alice] < 40


async def test_what_one_read_enrols_another_finds(sensor: Sensor) -> None:
    await sensor.present("carol")
    both = {"dataTypes": [FMD, {"format": "ansiFmd"}], "mode": "scan"}
    enrolled = (await sensor.client.success(READ, both))["dataRead"]
    again = (await sensor.client.success(READ, both))["dataRead"]
    # The same finger never gives the same data twice.
    assert enrolled[0]["data"] != again[0]["data"]
    names = (await sensor.client.success(IMPORT, {"templates": enrolled}))["templates"]
    assert [one["format"] for one in names.values()] == ["isoFmd", "ansiFmd"]
    await sensor.client.success(READ)
    assert sorted(await sensor.candidates()) == sorted(names)


@pytest.mark.parametrize("format", ["isoFid", "ansiFid"])
async def test_pictures_are_given_and_not_taken(sensor: Sensor, format: str) -> None:
    await sensor.present("alice")
    read = (await sensor.client.success(READ, {"dataTypes": [{"format": format}]}))["dataRead"]
    assert base64.b64decode(read[0]["data"])[:4] == b"FIR\0"
    small = {"type": {"format": format}, "data": "AAAA"}
    assert await sensor.client.failure(IMPORT, {"templates": [small]}) == "formatNotSupported"


async def test_a_read_waits_for_a_finger_and_tells_each_step(sensor: Sensor) -> None:
    request = await sensor.begun()
    await sensor.present("alice")
    for event in ("SubjectDetectedEvent", "RemoveSubjectEvent"):
        await sensor.client.until("event", request, f"Biometric.{event}")
    # The completion does not wait until it is lifted.
    await sensor.client.until("completion", request)
    await sensor.simulator.success(LIFT)
    await sensor.client.until("unsolicited", name="Biometric.SubjectRemovedEvent")
    assert (await sensor.client.success("Common.Status"))["biometric"]["subject"] == "notPresent"
    assert await sensor.simulator.failure(LIFT) == "sequenceError"
    assert await sensor.simulator.failure(PRESENT, {"finger": "dave"}) == "invalidData"


async def test_a_read_that_is_cancelled_with_the_finger_on_keeps_nothing(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    sensor = await configured(nursery, tmp_path, seconds=30)
    await sensor.present("alice")
    request = await sensor.client.send(READ, {"dataTypes": [FMD]})
    await sensor.client.until("event", request, "Biometric.SubjectDetectedEvent")
    await sensor.client.success("Common.Cancel", {"requestIds": [request]})
    assert outcome(await sensor.client.until("completion", request)) == "canceled"
    shown = (await sensor.client.success("Common.Status"))["biometric"]
    assert (shown["subject"], shown["capture"]) == ("present", False)
    await sensor.simulator.success(LIFT)
    await sensor.client.until("unsolicited", name="Biometric.SubjectRemovedEvent")
    assert (await sensor.client.success("Common.Status"))["biometric"]["subject"] == "notPresent"


async def test_a_finger_that_lies_wrong_is_laid_on_again(sensor: Sensor) -> None:
    request = await sensor.begun()
    await sensor.present("alice", turned=True)
    await sensor.client.until("unsolicited", name="Biometric.OrientationEvent")
    await sensor.present("alice")
    assert outcome(await sensor.client.until("completion", request)) == "success"


async def test_a_finger_that_is_lifted_too_early_costs_an_attempt(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    sensor = await configured(nursery, tmp_path, seconds=1)
    await sensor.simulator.success("Simulator.StopClock")
    request = await sensor.begun({"numCaptures": 2})
    await sensor.present("alice", lasts=300)
    await sensor.client.until("event", request, "Biometric.SubjectDetectedEvent")
    await sensor.simulator.success("Simulator.Advance", {"milliseconds": 500})
    await sensor.client.until("unsolicited", name="Biometric.SubjectRemovedEvent")
    await sensor.simulator.success("Simulator.Advance", {"milliseconds": 500})
    await sensor.present("alice")
    await sensor.client.until("event", request, "Biometric.SubjectDetectedEvent")
    await sensor.simulator.success("Simulator.Advance", {"milliseconds": 1000})
    assert outcome(await sensor.client.until("completion", request)) == "success"


@pytest.mark.parametrize("fault", ["badImage", "notLive"])
async def test_bad_pictures_cost_attempts(sensor: Sensor, fault: str) -> None:
    await sensor.present("alice")
    await sensor.simulator.success(INJECT, {"fault": fault, "count": 2})
    await sensor.client.success(READ, {"numCaptures": 3})
    await sensor.simulator.success(INJECT, {"fault": fault, "count": 2})
    assert await sensor.client.failure(READ, {"numCaptures": 2}) == "readFailed"
    assert await sensor.client.failure(READ, {"numCaptures": 6}) == "invalidData"


@pytest.mark.parametrize("how", [{"alive": False}, {"wet": True}])
async def test_a_copy_and_a_wet_finger_are_not_read(sensor: Sensor, how: Any) -> None:
    await sensor.present("alice", **how)
    assert await sensor.client.failure(READ) == "readFailed"


async def test_a_dirty_sensor_lowers_the_confidence(sensor: Sensor) -> None:
    (alice,) = await sensor.imported("alice")
    await sensor.present("alice")
    await sensor.simulator.success(INJECT, {"fault": "dirtySensor"})
    everybody = {**IDENTIFY, "threshold": 0}
    await sensor.client.success(READ)
    dirty = (await sensor.candidates(everybody))[alice]
    await sensor.simulator.success("Simulator.ClearFaults")
    await sensor.client.success(READ)
    assert dirty < (await sensor.candidates(everybody))[alice]


async def test_a_finger_that_is_not_noticed_lets_the_read_time_out(sensor: Sensor) -> None:
    await sensor.present("alice")
    await sensor.simulator.success(INJECT, {"fault": "noticesNothing"})
    assert await sensor.client.failure(READ, timeout=100) == "timeOut"
    await sensor.simulator.success("Simulator.ClearFaults")
    await sensor.client.success(READ)


async def test_a_broken_sensor_works_after_a_reset(sensor: Sensor) -> None:
    await sensor.present("alice")
    for fault in ("sensorBreaks", "sensorStaysBroken"):
        await sensor.simulator.success(INJECT, {"fault": fault})
    assert await sensor.client.failure(READ) == "hardwareError"
    assert (await sensor.client.success("Common.Status"))["common"]["device"] == "hardwareError"
    assert await sensor.client.failure("Biometric.Reset") == "hardwareError"
    assert await sensor.client.failure(READ) == "hardwareError"
    await sensor.client.success("Biometric.Reset")
    await sensor.client.success(READ)


async def test_a_sensor_that_is_unplugged_while_it_waits_ends_the_read(sensor: Sensor) -> None:
    request = await sensor.begun()
    await sensor.simulator.success(INJECT, {"fault": "sensorUnplugged"})
    assert outcome(await sensor.client.until("completion", request)) == "deviceNotReady"
    assert await sensor.client.failure(READ) == "deviceNotReady"


async def test_a_full_memory_and_bad_records_leave_the_templates_before(sensor: Sensor) -> None:
    before = await sensor.imported("alice")
    good = {"type": FMD, "data": await sensor.template("bob")}
    bad = {"type": FMD, "data": base64.b64encode(b"FMR\0 20\0 and no more").decode()}
    refused = await sensor.client.completion(IMPORT, {"templates": [good, bad]})
    assert refused["payload"]["errorCode"] == "invalidData"
    # Not by an identifier, which its client has never seen.
    assert refused["header"]["errorDescription"].startswith("$.templates[1] is no isoFmd: ")
    ansi = {"type": FMD, "data": await sensor.template("bob", "ansiFmd")}
    assert await sensor.client.failure(IMPORT, {"templates": [ansi]}) == "invalidData"
    await sensor.simulator.success(INJECT, {"fault": "memoryFull"})
    assert await sensor.client.failure(IMPORT, {"templates": [good]}) == "capacityExceeded"
    assert list((await sensor.client.success("Biometric.GetStorageInfo"))["templates"]) == before
    truth = (await sensor.simulator.success("Simulator.GetTruth", {"service": "Biometric"}))["services"]
    assert truth["Biometric"] == {"finger": None, "captured": False, "templates": 1}


async def test_combined_matching_compares_while_it_reads(nursery: trio.Nursery, tmp_path: Path) -> None:
    sensor = await configured(nursery, tmp_path, 'match = "combinedMatch"\ngives_templates = true')
    alice, _ = await sensor.imported("alice", "bob")
    verify = {"compareMode": "verify", "identifier": alice, "threshold": 60}
    await sensor.client.success(SET, verify)
    await sensor.present("alice")
    await sensor.client.success(READ, {"mode": "match"})
    found = (await sensor.client.success(MATCH, verify))["candidates"][alice]
    assert found["confidenceLevel"] >= 60
    assert found["templateData"] == await sensor.template("alice")


async def test_a_device_may_not_compare_at_all(nursery: trio.Nursery, tmp_path: Path) -> None:
    sensor = await configured(nursery, tmp_path, 'match = "none"\ncustomer = "bob"')
    assert await sensor.client.failure(MATCH, IDENTIFY) == "unsupportedCommand"
    # Somebody comes by himself, and goes again.
    await sensor.client.success(READ)
    await sensor.client.until("unsolicited", name="Biometric.SubjectRemovedEvent")


async def test_templates_and_their_seal_outlive_the_simulator(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()

    async def life(begin: bool) -> None:
        with xfs4iot.Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            async with trio.open_nursery() as nursery:
                sensor = await configured(nursery, tmp_path, ledger=ledger, state=state)
                if begin:
                    await sensor.client.success(
                        "Biometric.SetDataPersistence", {"persistenceMode": "persist"}
                    )
                    await sensor.imported("alice")
                await sensor.present("alice")
                await sensor.client.success(READ)
                assert len(await sensor.candidates()) == 1
                nursery.cancel_scope.cancel()

    await life(True)
    await life(False)


KEYS = f"""
[services.Biometric.keys]
Both = {{ usage = "D0", algorithm = "A", mode_of_use = "B", value = "{AES.hex()}" }}
Encrypts = {{ usage = "D0", algorithm = "A", mode_of_use = "E", value = "{AES.hex()}" }}
Macs = {{ usage = "M6", algorithm = "A", mode_of_use = "G", value = "{AES.hex()}" }}
Pair = {{ usage = "D1", algorithm = "R", mode_of_use = "B", value = "{rsa_keys.stored(PAIR).hex()}" }}
"""


def clear_text(algorithm: str, data: bytes) -> bytes:
    if algorithm != "rsa":
        method: Any = algorithm
        return ciphers.decrypt("A", AES, data, method, None)
    assert PAIR.key_size == 2048
    blocks = [data[at : at + 256] for at in range(0, len(data), 256)]
    return b"".join(rsa_keys.decrypt(PAIR, "rsaesOaep", block) for block in blocks)


@pytest.mark.parametrize("algorithm", ["ecb", "cbc", "cfb", "rsa"])
async def test_each_algorithm_encrypts_as_it_says(
    nursery: trio.Nursery, tmp_path: Path, algorithm: str
) -> None:
    sensor = await configured(nursery, tmp_path, kinds='["KeyManagement", "Biometric"]', keys=KEYS)
    kind = {**FMD, "algorithm": algorithm, "keyName": "Pair" if algorithm == "rsa" else "Both"}
    await sensor.present("alice")
    (read,) = (await sensor.client.success(READ, {"dataTypes": [kind]}))["dataRead"]
    assert read["type"] == kind
    data = base64.b64decode(read["data"])
    assert not data.startswith(b"FMR")
    record = minutiae_records.decode(clear_text(algorithm, data), "isoFmd", padded=True)
    assert len(record.minutiae) > 20
    # What was given out encrypted can be taken in again, and is another impression of the same finger.
    (name,) = (await sensor.client.success(IMPORT, {"templates": [read]}))["templates"]
    await sensor.client.success(READ)
    assert (await sensor.candidates())[name] >= 70


@pytest.mark.parametrize(
    ("algorithm", "key", "reason"),
    [
        ("ecb", None, None),
        ("ecb", "Nobody", "keyNotFound"),
        ("ecb", "Macs", "useViolation"),
        ("ecb", "Pair", "algorithmNotSupported"),
        ("rsa", "Both", "algorithmNotSupported"),
    ],
)
async def test_a_key_that_is_not_for_it_is_refused_and_told(
    nursery: trio.Nursery, tmp_path: Path, algorithm: str, key: str | None, reason: str | None
) -> None:
    sensor = await configured(nursery, tmp_path, kinds='["KeyManagement", "Biometric"]', keys=KEYS)
    kind = {**FMD, "algorithm": algorithm, "keyName": key}
    assert await sensor.client.failure(READ, {"dataTypes": [kind]}) == "keyNotFound"
    if reason is not None:
        event = await sensor.client.until("unsolicited", name="KeyManagement.IllegalKeyAccessEvent")
        assert event["payload"] == {"keyName": key, "errorCode": reason}
    template = {"type": {**kind, "keyName": key and "Encrypts"}, "data": "AAAA"}
    assert await sensor.client.failure(IMPORT, {"templates": [template]}) == "keyNotFound"


async def test_others_are_served_while_large_templates_are_compared(sensor: Sensor) -> None:
    chance = random.Random(378)
    points = [minutiae.Minutia(*(chance.randrange(60) for _ in range(3)), "other") for _ in range(255)]
    record = minutiae_records.encode(minutiae_records.MinutiaeRecord(tuple(points), 0, 0, 320, 400), "isoFmd")
    template = {"type": FMD, "data": base64.b64encode(record).decode()}
    await sensor.client.success(IMPORT, {"templates": [template] * 42})
    await sensor.present("alice")
    await sensor.client.success(READ)
    match = await sensor.client.send(MATCH, IDENTIFY)
    await sensor.client.until("acknowledge", match)
    await sensor.client.success("Common.Status")
    await sensor.client.success("Common.Cancel", {"requestIds": [match]})
    ended = await sensor.client.until("completion", match)
    assert outcome(ended) == "canceled"


async def test_whatever_is_imported_the_service_goes_on(sensor: Sensor) -> None:
    chance = random.Random(19794)
    good = base64.b64decode(await sensor.template("alice"))
    ends = set()
    for _ in range(300):
        record = bytearray(good)
        at = chance.randrange(len(record))
        for _ in range(chance.randint(1, 3)):
            record[chance.randrange(len(record))] = chance.randrange(256)
        if chance.random() < 0.5:
            record[at : at + chance.randint(0, 8)] = chance.randbytes(chance.randint(0, 8))
        template = {"type": FMD, "data": base64.b64encode(record).decode()}
        completion = await sensor.client.completion(IMPORT, {"templates": [template]})
        ends.add((outcome(completion), completion["payload"].get("errorCode")))
    # Both happen: some changes are of one point only.
    assert ends == {("success", None), ("commandErrorCode", "invalidData")}
