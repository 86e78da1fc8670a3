"""What a service sends: frames whose text is the envelope of the client's version."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfs4iot import _core


def message(data: bytes) -> Any:
    """The text of one unmasked frame, its header checked by hand."""
    assert data[0] == 0x81
    size, start = data[1], 2
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 4
        assert size >= 126
    elif size == 127:
        size, start = int.from_bytes(data[2:10], "big"), 10
        assert size >= 1 << 16
    assert len(data) == start + size
    return json.loads(data[start:])


def command(name: str, version: str | None, request_id: int = 7) -> _core.Message:
    """A command as it is received."""
    header = {"name": name, "requestId": request_id, "type": "command", "version": version}
    text = json.dumps({"header": {key: one for key, one in header.items() if one is not None}}).encode()
    size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    received = _core.Receiver().receive(b"\x81" + size + bytes(4) + text)[0]
    assert isinstance(received, _core.Message)
    return received


@pytest.mark.parametrize("name", ["Common.Status", "A.B", "A." + "long" * 40])
@pytest.mark.parametrize("version", [None, "1.0", "3.0"])
@pytest.mark.parametrize("code", [None, "success"])
def test_an_answer_is_an_acknowledge_and_a_completion(
    name: str, version: str | None, code: str | None
) -> None:
    acknowledged = version and "2.0"
    for request_id in (1, 4711, 2**53 - 1):
        for size in (0, 50, 200, 70_000):
            payload = b'{"a":"%s"}' % (b"x" * size)
            answer = command(name, version, request_id).answer(acknowledged, version, code, payload)
            assert answer == _core.acknowledge(name, request_id, acknowledged) + _core.completion(
                name, request_id, version, code, payload=payload
            )


def test_an_answer_has_an_object_for_a_payload() -> None:
    with pytest.raises(ValueError, match="not the text of a JSON object"):
        command("A.B", "1.0").answer("2.0", "1.0", None, b"[]")


def test_an_acknowledge_that_accepts_has_no_status() -> None:
    assert message(_core.acknowledge("Common.Status", 7, "2.0")) == {
        "header": {"name": "Common.Status", "requestId": 7, "type": "acknowledge", "version": "2.0"}
    }


def test_an_acknowledge_that_refuses_has_a_status_and_no_place_for_a_description() -> None:
    assert message(_core.acknowledge("A.B", 7, "2.0", "invalidRequestID", "in use")) == {
        "header": {
            "name": "A.B",
            "requestId": 7,
            "type": "acknowledge",
            "version": "2.0",
            "status": "invalidRequestID",
        }
    }


def test_in_2021_1_an_acknowledge_speaks_in_its_payload() -> None:
    header = {"name": "A.B", "requestId": 7, "type": "acknowledge"}
    assert message(_core.acknowledge("A.B", 7, None)) == {"header": header, "payload": {"status": "ok"}}
    assert message(_core.acknowledge("A.B", 7, None, "tooManyRequests", "later")) == {
        "header": header,
        "payload": {"status": "tooManyRequests", "errorDescription": "later"},
    }


def test_what_could_not_be_read_is_answered_empty() -> None:
    answer = message(_core.acknowledge(None, None, None, "invalidMessage"))
    assert answer["header"] == {"name": "", "requestId": 0, "type": "acknowledge"}


def test_a_completion_carries_code_description_and_payload() -> None:
    header = {"name": "A.B", "requestId": 7, "type": "completion", "version": "1.0"}
    assert message(_core.completion("A.B", 7, "1.0", "userError")) == {
        "header": {**header, "completionCode": "userError"}
    }
    assert message(_core.completion("A.B", 7, "1.0", "timeOut", "after 3 s", b' {"a": [1]}\n')) == {
        "header": {**header, "completionCode": "timeOut", "errorDescription": "after 3 s"},
        "payload": {"a": [1]},
    }


def test_success_is_said_by_leaving_the_code_out_and_in_2021_1_by_a_word() -> None:
    header = {"name": "A.B", "requestId": 7, "type": "completion"}
    assert message(_core.completion("A.B", 7, "1.0")) == {"header": {**header, "version": "1.0"}}
    assert message(_core.completion("A.B", 7, None)) == {
        "header": header,
        "payload": {"completionCode": "success"},
    }


@pytest.mark.parametrize("payload", [None, b"{}", b" { \n} ", b'{"a":{"b":1}}', b'\t{ "a" : 1, "c":[] } '])
def test_in_2021_1_a_completion_joins_its_payload(payload: bytes | None) -> None:
    given = json.loads(payload) if payload else {}
    answer = message(_core.completion("A.B", 7, None, "hardwareError", 'jam "x"', payload))
    assert answer == {
        "header": {"name": "A.B", "requestId": 7, "type": "completion"},
        "payload": {"completionCode": "hardwareError", "errorDescription": 'jam "x"', **given},
    }


def test_an_event_belongs_to_a_command_or_to_none() -> None:
    assert message(_core.event("A.BEvent", 7, "1.0", b'{"a":1}')) == {
        "header": {"name": "A.BEvent", "requestId": 7, "type": "event", "version": "1.0"},
        "payload": {"a": 1},
    }
    assert message(_core.event("A.BEvent", None, "1.0")) == {
        "header": {"name": "A.BEvent", "type": "unsolicited", "version": "1.0"}
    }
    assert message(_core.event("A.BEvent", None, "1.0", None, "event")) == {
        "header": {"name": "A.BEvent", "type": "event", "version": "1.0"}
    }
    assert message(_core.event("A.BEvent", None, None, b"{}")) == {
        "header": {"name": "A.BEvent", "type": "unsolicited"},
        "payload": {},
    }


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b'"{}"', b"}{"])
def test_a_payload_must_be_an_object(payload: bytes) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        _core.completion("A.B", 1, "1.0", "success", None, payload)
    with pytest.raises(ValueError, match="JSON object"):
        _core.event("A.B", 1, "1.0", payload)


@given(st.text(), st.text(), st.integers(1, 2**63 - 1), st.none() | st.just("12.34"))
def test_any_text_arrives_as_it_was(
    name: str, description: str, request_id: int, version: str | None
) -> None:
    answer = message(_core.completion(name, request_id, version, "success", description))
    assert (answer["header"]["name"], answer["header"]["requestId"]) == (name, request_id)
    assert answer["payload" if version is None else "header"]["errorDescription"] == description


def test_half_of_a_surrogate_pair_does_not_stop_a_reply() -> None:
    answer = message(_core.acknowledge("A.B", 1, None, "invalidMessage", "file \udcff"))
    assert answer["payload"]["errorDescription"].startswith("file ")


@pytest.mark.parametrize("size", [0, 1, 20, 125, 126, 127, 65_535, 65_536, 70_000, 3_000_000])
def test_frames_of_any_size(size: int) -> None:
    empty = len(_core.event("A.B", 1, "1.0", b'{"a":""}'))
    payload = json.dumps({"a": "x" * max(0, size - empty)}, separators=(",", ":")).encode()
    assert message(_core.event("A.B", 1, "1.0", payload))["payload"] == json.loads(payload)


def test_control_frames() -> None:
    assert _core.ping() == b"\x89\x00"
    assert _core.ping(b"there?") == b"\x89\x06there?"
    assert _core.pong(b"x" * 125) == b"\x8a\x7d" + b"x" * 125
    assert _core.close(1000) == b"\x88\x02\x03\xe8"
    assert _core.close(4999, "done") == b"\x88\x06\x13\x87done"
    with pytest.raises(ValueError, match="125"):
        _core.pong(b"x" * 126)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_a_code_that_must_not_be_sent_is_an_error(code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        _core.close(code)


@given(st.text(min_size=60))
def test_a_long_reason_is_cut_between_characters(reason: str) -> None:
    data = _core.close(1002, reason)
    assert data[1] == len(data) - 2 <= 125
    assert reason.startswith(data[4:].decode())


def test_a_client_reads_every_reply() -> None:
    def read(data: bytes) -> _core.Envelope:
        return _core.read_envelope(json.dumps(message(data)))

    for version in ("2.0", None):
        good = read(_core.acknowledge("A.B", 7, version))
        assert (good.type, good.name, good.request_id, good.version) == ("acknowledge", "A.B", 7, version)
        assert (good.status, good.completion_code, good.error_description) == (None, None, None)
        bad = read(_core.acknowledge("A.B", 7, version, "tooManyRequests", "later"))
        assert (bad.status, bad.error_description) == ("tooManyRequests", None if version else "later")
        done = read(_core.completion("A.B", 7, version, "timeOut", "late", b'{"a":1}'))
        assert (done.type, done.completion_code, done.error_description) == ("completion", "timeOut", "late")
        assert json.loads(done.payload or b"")["a"] == 1
        event = read(_core.event("A.BEvent", None, version))
        assert (event.type, event.request_id, event.payload) == ("unsolicited", None, None)


def test_a_client_reads_text_and_bytes() -> None:
    text = '{"header":{"type":"event","name":"É.B","requestId":3,"version":"1.0"}}'
    assert _core.read_envelope(text).name == "É.B"
    assert _core.read_envelope(text.encode()).name == "É.B"
    assert _core.read_envelope(bytearray(text.encode())).size == len(text.encode())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "an object is expected"),
        ("{}", "header is missing"),
        (b"\xff", "not UTF-8 at byte 0"),
        ('{"header":{"type":"event","name":"A.B","requestId":-3}}', "header.requestId is -3"),
        ('{"header":{"type":"event"}}', "header.name is missing"),
        (
            '{"header":{"type":"completion","name":"A.B","requestId":1,"version":"1.0","completionCode":1}}',
            "header.completionCode is a number",
        ),
    ],
)
def test_what_is_no_message_is_a_value_error(data: str | bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        _core.read_envelope(data)
