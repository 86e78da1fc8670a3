"""A virtual session carries bytes once, in order, or ends: whatever happens on the way."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfs4iot.fleet import link
from xfs4iot.fleet.link import CHUNK, Kind, Link, Malformed, Segment


class Way:
    """Two ends, and a way between them that loses, doubles and reorders by a seed."""

    def __init__(self, seed: int, loss: float, double: float, shuffle: float) -> None:
        self.chance = random.Random(seed)
        self.loss, self.double, self.shuffle = loss, double, shuffle
        self.now = 100.0
        self.ends = (Link(self.now), Link(self.now + 0.0))
        self.got = (bytearray(), bytearray())
        self.on_way: list[tuple[int, bytes]] = []

    def step(self) -> None:
        for index, end in enumerate(self.ends):
            for segment in end.out:
                for _ in range(
                    0 if self.chance.random() < self.loss else 1 + (self.chance.random() < self.double)
                ):
                    self.on_way.append((1 - index, segment.encode()))
            end.out.clear()
        if self.chance.random() < self.shuffle:
            self.chance.shuffle(self.on_way)
        taken, self.on_way = self.on_way, []
        for index, body in taken:
            self.ends[index].receive(Segment.decode(body), self.now)
        for index, end in enumerate(self.ends):
            while end.arrived:
                number, data, _ = end.arrived.popleft()
                self.got[index].extend(data)
                end.consumed(number, self.now)
            end.tick(self.now)
        self.now += 0.05


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 1), st.binary(min_size=1, max_size=300)), max_size=60),
    st.floats(0, 0.4),
    st.floats(0, 0.5),
    st.floats(0, 1),
)
def test_all_arrives_once_and_in_order_over_a_bad_way(
    seed: int, said: list[tuple[int, bytes]], loss: float, double: float, shuffle: float
) -> None:
    way = Way(seed, loss, double, shuffle)
    sent = (bytearray(), bytearray())
    for index, data in said:
        if way.ends[index].ended is None:
            assert way.ends[index].send(data, way.now) == len(data)
            sent[index].extend(data)
        way.step()
    for _ in range(600):
        way.step()
        for index in (0, 1):
            assert sent[1 - index].startswith(way.got[index])
    # A way as bad as this may end a link for what came too late; it never falsifies it.
    if not any(end.ended for end in way.ends):
        assert way.got == (sent[1], sent[0])
        assert not any(end.unacknowledged for end in way.ends)
    elif loss < 0.05:
        pytest.fail(f"ended on a good way: {[end.ended for end in way.ends]}")


def test_an_end_that_does_not_consume_makes_the_other_wait() -> None:
    one, other = Link(0.0), Link(0.0)
    data = bytes(2 * link.WINDOW)
    assert one.send(data, 0.0) == link.WINDOW
    assert one.room == 0
    for segment in one.out:
        other.receive(segment, 0.0)
    while other.arrived:
        other.consumed(other.arrived.popleft()[0], 0.0)
    other.tick(0.1)
    for segment in other.out:
        one.receive(segment, 0.1)
    assert one.room == link.WINDOW


def test_what_comes_too_late_is_not_handed_on() -> None:
    one, other = Link(0.0), Link(500.0)
    one.send(b"dispense", 1.0)
    other.receive(one.out[0], 501.0 + link.TTL + 1)
    assert not other.arrived
    assert other.ended is not None


def test_silence_ends_a_link() -> None:
    one = Link(0.0)
    one.tick(link.PATIENCE - 1)
    assert one.ended is None
    one.tick(link.PATIENCE + 1)
    assert one.ended is not None


@pytest.mark.parametrize("kind", [Kind.AGAIN, Kind.BEAT])
def test_an_end_that_claims_what_was_never_sent_ends_the_link(kind: Kind) -> None:
    one = Link(0.0)
    one.receive(Segment(kind, 0, 7, 0), 0.0)
    assert one.ended is not None


@given(st.binary(max_size=60))
def test_no_bytes_break_an_end(body: bytes) -> None:
    end = Link(0.0)
    with suppress(Malformed):
        end.receive(Segment.decode(body), 0.0)


def test_both_ends_know_when_all_is_said() -> None:
    way = Way(1, 0, 0, 0)
    way.ends[0].send(b"last", way.now)
    way.ends[0].close(way.now)
    way.ends[1].close(way.now)
    for _ in range(10):
        way.step()
    assert all(end.finished for end in way.ends)
    assert way.got[1] == b"last"


def test_an_end_may_be_on_its_way_to_another_node() -> None:
    one, other = Link(0.0), Link(0.0)
    one.nobody(1.0)
    one.tick(1.0 + link.ABSENT_SECONDS - 1)
    assert one.ended is None
    other.resume(5.0)
    for segment in other.out:
        one.receive(segment, 5.0)
    one.tick(5.0 + link.ABSENT_SECONDS)
    assert one.ended is None
    one.nobody(11.5)
    one.tick(11.6 + link.ABSENT_SECONDS)
    assert one.ended is not None


def test_what_has_arrived_is_taken_in_one_piece_as_large_as_one_message() -> None:
    one, other = Link(0.0), Link(0.0)
    one.send(b"a" * 10, 0.0)
    one.send(b"b" * 10, 0.0, whole=False)
    one.send(b"c" * CHUNK, 0.0)
    one.send(b"d", 0.0, whole=False)
    for segment in one.out:
        other.receive(segment, 0.0)
    assert other.take() == (3, b"a" * 10 + b"b" * 10 + b"c" * CHUNK, True)
    assert other.take() == (4, b"d", False)
    assert not other.arrived
