"""A virtual session carries bytes once, in order, or ends: whatever happens on the way."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfs4iot.fleet import link
from xfs4iot.fleet.link import CHUNK, Kind, Link, Segment


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
            for message in end.take_out():
                for _ in range(
                    0 if self.chance.random() < self.loss else 1 + (self.chance.random() < self.double)
                ):
                    self.on_way.append((1 - index, message))
        if self.chance.random() < self.shuffle:
            self.chance.shuffle(self.on_way)
        taken, self.on_way = self.on_way, []
        for index, body in taken:
            self.ends[index].receive(body, self.now)
        for index, end in enumerate(self.ends):
            while (taken := end.take()) is not None:
                number, data, _ = taken
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
    for message in one.take_out():
        other.receive(message, 0.0)
    while (taken := other.take()) is not None:
        other.consumed(taken[0], 0.0)
    other.tick(0.1)
    for message in other.take_out():
        one.receive(message, 0.1)
    assert one.room == link.WINDOW


def test_what_comes_too_late_is_not_handed_on() -> None:
    one, other = Link(0.0), Link(500.0)
    one.send(b"dispense", 1.0)
    (late,) = one.take_out()
    other.receive(late, 501.0 + link.TTL + 1)
    assert not other.has_arrived
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
    one.receive(Segment(kind, 0, 7, 0).encode(), 0.0)
    assert one.ended is not None


@given(st.binary(max_size=60))
def test_no_bytes_break_an_end(body: bytes) -> None:
    end = Link(0.0)
    with suppress(ValueError):
        end.receive(body, 0.0)


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
    for message in other.take_out():
        one.receive(message, 5.0)
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
    for message in one.take_out():
        other.receive(message, 0.0)
    assert other.take() == (3, b"a" * 10 + b"b" * 10 + b"c" * CHUNK, True)
    assert other.take() == (4, b"d", False)
    assert other.take() is None


def test_an_end_that_sends_more_than_there_is_room_for_ends_the_link() -> None:
    """It lies: what it was not told to be consumed it must keep to itself."""
    one = Link(0.0)
    number = 0
    while one.ended is None:
        number += 1
        one.receive(Segment(Kind.PART, number, 0, 0, bytes(CHUNK)).encode(), 0.0)
        assert number <= link.WINDOW // CHUNK + 1
    assert one.ended == "the other end sends more than there is room for"


def test_pieces_of_nothing_take_no_room_and_are_no_end() -> None:
    one = Link(0.0)
    for number in range(1, 1001):
        one.receive(Segment(Kind.DATA, number, 0, 0).encode(), 0.0)
    assert one.ended is None
    assert one.take() is None
    # They are acknowledged as others are.
    assert 1000 - Segment.decode(one.take_out()[-1]).ack < 16


def test_who_asks_without_end_for_what_was_sent_does_not_get_it_without_end() -> None:
    one = Link(0.0)
    assert one.send(bytes(link.WINDOW), 0.0) == link.WINDOW
    one.take_out()
    sent = 0
    for step in range(1000):
        one.receive(Segment(Kind.AGAIN, 0, 0, 0).encode(), step / 1000)
        sent += sum(map(len, one.take_out()))
    assert one.ended is None
    # Within a second, of which each asking would have brought the whole window.
    assert link.WINDOW < sent < 10 * link.WINDOW
