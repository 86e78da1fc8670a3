"""What `Receiver` makes of a client's bytes: whole messages, whatever pieces they come in."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frames import CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from xfs4iot import _core

HEADER = {"type": "command", "name": "Common.Status", "requestId": 7, "version": "2.0"}


def command(payload: Any = None, **header: Any) -> str:
    return json.dumps({"header": {**HEADER, **header}, "payload": payload}, ensure_ascii=False)


def seen(item: Any) -> tuple[Any, ...]:
    """An item as plain data."""
    said = {name: getattr(item, name) for name in dir(item) if not name.startswith("_")}
    return (type(item).__name__, *(one for one in said.items() if not callable(one[1])))


def received(data: bytes, *pieces: int) -> list[tuple[Any, ...]]:
    """What a receiver gives when `data` comes cut at the given places."""
    receiver = _core.Receiver()
    places = [0, *sorted(place % (len(data) + 1) for place in pieces), len(data)]
    found = []
    for start, end in pairwise(places):
        found += receiver.receive(data[start:end])
    return [seen(item) for item in found]


texts = st.text(max_size=400)
masks = st.binary(min_size=4, max_size=4)


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """Frames of a client that keeps the rules, with fragments, pings between them, and bad messages."""
    out = b""
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            data = command({"text": draw(texts)}, requestId=draw(st.integers(-1, 2**64))).encode()
        else:
            data = draw(texts).encode()
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
        places = [0, *cuts, len(data)]
        for index, (start, end) in enumerate(pairwise(places)):
            opcode = CONTINUATION if index else TEXT
            out += frame(data[start:end], opcode, fin=index == len(cuts), mask=draw(masks))
            if draw(st.booleans()):
                out += frame(draw(st.binary(max_size=125)), draw(st.sampled_from([PING, PONG])))
    if draw(st.booleans()):
        out += frame(b"\x03\xe8" + draw(st.text(max_size=20)).encode(), CLOSE)
    return out


@given(conversations(), st.lists(st.integers(0), max_size=20))
def test_any_cut_of_the_stream_gives_the_same_messages(data: bytes, pieces: list[int]) -> None:
    assert received(data, *pieces) == received(data)


@given(conversations())
@settings(max_examples=20)
def test_byte_by_byte_gives_the_same_messages(data: bytes) -> None:
    assert received(data, *range(len(data))) == received(data)


@given(st.binary(max_size=300), st.lists(st.integers(0), max_size=5))
def test_noise_is_answered_and_never_raises(data: bytes, pieces: list[int]) -> None:
    assert received(data, *pieces) == received(data)


@given(texts, masks, st.integers(0, 70_000))
def test_the_payload_is_handed_on_as_it_was_sent(text: str, mask: bytes, more: int) -> None:
    sent = command({"text": text + "x" * more})
    (message,) = _core.Receiver().receive(frame(sent, mask=mask))
    assert isinstance(message, _core.Message)
    assert message.payload is not None
    assert json.loads(message.payload) == {"text": text + "x" * more}
    assert message.payload in sent.encode()
    assert message.size == len(sent.encode())


def test_a_message_says_who_and_what() -> None:
    (message,) = _core.Receiver().receive(frame(command({}, timeout=1500)))
    assert isinstance(message, _core.Message)
    assert (message.type, message.name, message.request_id) == ("command", "Common.Status", 7)
    assert (message.version, message.timeout, message.payload) == ("2.0", 1500, b"{}")


def test_names_and_versions_are_made_once() -> None:
    first, second = _core.Receiver().receive(frame(command()) * 2)
    assert isinstance(first, _core.Message)
    assert isinstance(second, _core.Message)
    assert first.name is second.name
    assert first.version is second.version


def test_many_messages_in_one_read_come_in_order() -> None:
    data = b"".join(frame(command(requestId=number)) for number in range(1, 1001))
    items = _core.Receiver().receive(data)
    assert [item.request_id for item in items if isinstance(item, _core.Message)] == list(range(1, 1001))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_of_bytes_will_do(kind: Any) -> None:
    assert len(_core.Receiver().receive(kind(frame(command())))) == 1


def test_what_is_no_buffer_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        _core.Receiver().receive("text")  # type: ignore[arg-type]


def test_pending_counts_what_waits_and_nothing_else() -> None:
    receiver = _core.Receiver()
    data = frame("x" * 1000, fin=False)
    assert receiver.pending == 0
    receiver.receive(data[:3])
    assert receiver.pending == 3
    receiver.receive(data[3:508])
    assert receiver.pending == 500
    receiver.receive(data[508:] + frame(b"y", PING)[:-1])
    assert receiver.pending == 1000
    receiver.receive(frame(b"y", PING)[-1:] + frame(b"", CONTINUATION))
    assert receiver.pending == 0


def test_a_length_that_is_only_announced_takes_no_memory() -> None:
    receiver = _core.Receiver()
    assert receiver.receive(b"\x81\xff" + (2_097_152).to_bytes(8, "big") + b"\0\0\0\0") == []
    assert receiver.pending == 0


def test_the_limit_is_exact() -> None:
    sent = command()
    size = len(sent)
    assert isinstance(_core.Receiver(max_message=size).receive(frame(sent))[0], _core.Message)
    (violation,) = _core.Receiver(max_message=size - 1).receive(frame(sent)[:8])
    assert isinstance(violation, _core.Violation)
    assert violation.code == 1009
    assert str(size - 1) in violation.reason


def test_the_limit_counts_all_fragments() -> None:
    receiver = _core.Receiver(max_message=10)
    assert receiver.receive(frame(b"x" * 6, fin=False)) == []
    (violation,) = receiver.receive(frame(b"x" * 5, CONTINUATION)[:6])
    assert isinstance(violation, _core.Violation)
    assert violation.code == 1009


@pytest.mark.parametrize("last", [frame(b"\x03\xe8", CLOSE), frame(b"x", 3)])
def test_nothing_follows_a_close_or_a_violation(last: bytes) -> None:
    receiver = _core.Receiver()
    items = receiver.receive(frame(command()) + last + frame(command()))
    assert len(items) == 2
    assert receiver.receive(frame(command())) == []
    assert receiver.pending == 0
