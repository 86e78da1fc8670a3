"""The envelope: what is read from a header, what is refused, and what the refusal says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import frame
from xfs4iot import _core

GOOD = '{"header":{"type":"command","name":"A.B","requestId":3,"version":"1.0"},"payload":{}}'


def receive(text: str | bytes) -> Any:
    (item,) = _core.Receiver().receive(frame(text))
    return item


def refused(text: str | bytes) -> _core.Refusal:
    item = receive(text)
    assert isinstance(item, _core.Refusal), item
    return item


def header(**fields: Any) -> str:
    base = {"type": "command", "name": "A.B", "requestId": 3, "version": "1.0"}
    return json.dumps({"header": {k: v for k, v in {**base, **fields}.items() if v is not ...}})


@pytest.mark.parametrize(
    "text",
    [
        '{"payload":{},"header":{"version":"1.0","requestId":3,"name":"A.B","type":"command"}}',
        ' \r\n\t{ "header" : { "type" : "command" , "name" : "A.B",'
        '"requestId":3,"version":"1.0"} , "payload":{ } } ',
        '{"extra":[1,{"header":5}],' + GOOD[1:],
        GOOD.replace('"name"', '"unknown":{"name":"C.D"},"name"'),
        GOOD.replace('"name":"A.B"', '"name":"C.D","name":"A.B"'),
        '{"header":{"type":"event"},"payload":7,' + GOOD[1:],
        '{"header":5,' + GOOD[1:],
        GOOD.replace('"header"', '"he\\u0061der"').replace('"name"', '"\\u006eame"'),
        GOOD.replace('"A.B"', '"\\u0041.B"'),
        GOOD.replace('"version"', '"timeout":null,"version"'),
    ],
    ids=["any order", "space", "unknown", "unknown in header", "duplicates", "duplicate sections",
         "duplicate of another kind", "escaped keys", "escaped value", "null timeout"],
)  # fmt: skip
def test_the_same_command_in_other_words(text: str) -> None:
    message = receive(text)
    assert isinstance(message, _core.Message), message
    assert (message.type, message.name, message.request_id) == ("command", "A.B", 3)
    assert (message.version, message.timeout) == ("1.0", 0)
    assert json.loads(message.payload or b"") == {}


@pytest.mark.parametrize("payload", ["null", None])
def test_no_payload_is_none(payload: str | None) -> None:
    text = GOOD.replace(',"payload":{}', "" if payload is None else f',"payload":{payload}')
    assert receive(text).payload is None


@pytest.mark.parametrize("payload", ["[1]", "5", '"x"', "true"])
def test_a_payload_of_another_kind_is_left_to_whom_knows_its_type(payload: str) -> None:
    assert receive(GOOD.replace("{}", payload)).payload == payload.encode()


def test_names_may_hold_any_character() -> None:
    message = receive(header(name='Ä"\\\n𝄞'))
    assert message.name == 'Ä"\\\n𝄞'
    assert receive(GOOD.replace("A.B", "\\ud834\\udd1e")).name == "𝄞"


def test_without_a_version_it_is_the_envelope_of_2021_1() -> None:
    message = receive(
        '{"header":{"type":"command","name":"A.B","requestId":3,"timeout":9},"payload":{"timeout":250,"x":1}}'
    )
    assert message.version is None
    assert message.timeout == 250
    assert message.payload == b'{"timeout":250,"x":1}'


def test_with_a_version_a_timeout_in_the_payload_is_payload() -> None:
    assert receive(GOOD.replace("{}", '{"timeout":"soon"}')).timeout == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "an object is expected, but the text ends at byte 0"),
        (b"hello", "an object is expected, found h at byte 0"),
        (b"[1]", "an object is expected, found [ at byte 0"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "byte order mark"),
        (GOOD[:-1], "',' or '}' is expected, but the text ends"),
        (GOOD + "x", f"nothing may follow the message's object, found x at byte {len(GOOD)}"),
        (GOOD.replace("{}", "{,}"), "a property's name is expected, found , at byte"),
        (GOOD.replace("{}", '{"a":1,}'), "a property's name is expected, found }"),
        (GOOD.replace("{}", "[1,]"), "a value is expected, found ]"),
        (GOOD.replace("{}", "[1 2]"), "',' or ']' is expected, found 2"),
        (GOOD.replace("{}", '{"a" 1}'), "':' is expected"),
        (GOOD.replace("{}", "{a:1}"), "a property's name is expected, found a"),
        (GOOD.replace("{}", "{'a':1}"), "found '"),
        (GOOD.replace("{}", "[01]"), "this is no number"),
        (GOOD.replace("{}", "[1.]"), "this is no number"),
        (GOOD.replace("{}", "[-]"), "this is no number"),
        (GOOD.replace("{}", "[1e]"), "this is no number"),
        (GOOD.replace("{}", "[.5]"), "a value is expected, found ."),
        (GOOD.replace("{}", "[+1]"), "a value is expected, found +"),
        (GOOD.replace("{}", "[NaN]"), "a value is expected, found N"),
        (GOOD.replace("{}", "[nul]"), "words"),
        (GOOD.replace("{}", '["\n"]'), "a control character in a string must be escaped, found 0x0a"),
        (GOOD.replace("{}", '["\\x"]'), "no such escape"),
        (GOOD.replace("{}", '["\\u12g4"]'), "no such escape"),
        (GOOD.replace("{}", '["\\ud800"]'), "half of a surrogate pair"),
        (GOOD.replace("{}", '["\\udc00\\ud800"]'), "half of a surrogate pair"),
        (GOOD.replace("{}", '["\\ud800\\u0041"]'), "half of a surrogate pair"),
        (GOOD.replace("{}", '["x'), "the end of a string is expected"),
        (GOOD.replace("{}", "[" * 100_000), "too many levels are open, at most 128"),
        (GOOD.replace("{}", '{"a":' * 100_000), "too many levels are open, at most 128"),
        (GOOD.replace("{}", "[1}"), "',' or ']' is expected, found }"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_its_place(text: str | bytes, says: str) -> None:
    refusal = refused(text)
    assert refusal.status == "invalidMessage"
    assert says in refusal.reason


def test_as_many_levels_as_promised_are_taken() -> None:
    deep = "[" * 127 + "]" * 127
    assert isinstance(receive(GOOD.replace("{}", deep)), _core.Message)
    assert "levels" in refused(GOOD.replace("{}", f"[{deep}]")).reason
    assert isinstance(receive(GOOD.replace("{}", f'{{"a":{deep[1:-1]}}}')), _core.Message)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "header is missing"),
        ('{"payload":{}}', "header is missing"),
        ('{"header":null}', "header is null"),
        ('{"header":"x"}', "header is a string"),
        (GOOD[:-1] + ',"header":[]}', "header is an array"),
        ('{"header":{}}', "header.type is missing"),
        (header(type=1), "header.type is a number"),
        (header(type="completion"), 'header.type is "completion"'),
        (header(type="unsolicited"), 'header.type is "unsolicited"'),
        (header(type="Command"), 'header.type is "Command"'),
        (header(type="x" * 9999), 'xxx…"'),
        (header(name=...), "header.name is missing"),
        (header(name=None), "header.name is null"),
        (header(name=["A"]), "header.name is an array"),
        (header(name=""), "header.name is empty"),
        (header(name="x" * 10_000), "header.name has 10000 bytes"),
        (header(version=2), "header.version is a number"),
        (header(version=None), "header.version is null"),
        (header(version="2"), 'header.version is "2"; it must be "major.minor"'),
        (header(version="2.0.1"), "header.version"),
        (header(version="2."), "header.version"),
        (header(version="²·0"), "header.version"),
        (header(version="1." + "0" * 1000), "header.version"),
        (header(timeout="5"), "header.timeout is a string"),
        (header(timeout=-1), "header.timeout is -1"),
        (header(timeout=1.5), "header.timeout is 1.5"),
        (header(timeout=2**63), "header.timeout is 9223372036854775808"),
        (
            header(version=...).replace("}}", '},"payload":{"timeout":true}}'),
            "payload.timeout is a boolean",
        ),
    ],
)
def test_an_unusable_header_is_an_invalid_message(text: str, says: str) -> None:
    refusal = refused(text)
    assert refusal.status == "invalidMessage"
    assert says in refusal.reason
    assert len(refusal.reason) < 300


@pytest.mark.parametrize("value", [..., None, 0, -1, 1.5, 2**63, 10**400, "3", True, [], {}])
def test_a_request_id_is_a_positive_integer(value: Any) -> None:
    refusal = refused(header(requestId=value))
    assert refusal.status == "invalidRequestID"
    assert "header.requestId" in refusal.reason
    assert (refusal.name, refusal.request_id, refusal.version) == ("A.B", 0, "1.0")
    assert len(refusal.reason) < 300


@pytest.mark.parametrize("written", ["1.0", "1e2", "-0", "3.0e0"])
def test_a_request_id_is_written_as_an_integer(written: str) -> None:
    assert refused(GOOD.replace(":3,", f":{written},")).status == "invalidRequestID"


def test_the_greatest_request_id_is_taken() -> None:
    assert receive(header(requestId=2**63 - 1)).request_id == 2**63 - 1


def test_a_refusal_carries_what_could_be_read() -> None:
    for text in (header(type="event"), header(timeout=-1), GOOD + "}", GOOD.replace("{}", "{]")):
        refusal = refused(text)
        assert (refusal.name, refusal.request_id, refusal.version) == ("A.B", 3, "1.0")
    refusal = refused("{")
    assert (refusal.name, refusal.request_id, refusal.version) == ("", 0, None)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values), st.booleans(), st.sampled_from([None, 1]))
def test_any_json_is_stepped_over(payload: dict[str, Any], ascii: bool, indent: int | None) -> None:
    text = json.dumps(payload, ensure_ascii=ascii, indent=indent)
    message = receive(GOOD.replace("{}", text))
    assert isinstance(message, _core.Message)
    assert message.payload == text.encode()
    assert _core.read_envelope(GOOD.replace("{}", text)).payload == text.encode()


@given(st.data())
def test_a_text_is_taken_when_json_takes_it(data: st.DataObject) -> None:
    text = GOOD.replace("{}", json.dumps(data.draw(json_values), ensure_ascii=data.draw(st.booleans())))
    at = data.draw(st.integers(0, len(text) - 1))
    broken = text[:at] + data.draw(st.sampled_from(["", *'{}[]",:\\0e.-tn \x00é'])) + text[at + 1 :]
    refusal = receive(broken)
    try:
        json.loads(broken, parse_constant=lambda constant: pytest.fail(constant))
    except ValueError:
        assert isinstance(refusal, _core.Refusal)
        assert "JSON" in refusal.reason
    else:
        lone = isinstance(refusal, _core.Refusal) and "surrogate" in refusal.reason
        assert lone or not (isinstance(refusal, _core.Refusal) and "JSON" in refusal.reason)
