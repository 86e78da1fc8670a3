"""Deadlines are called in order and on time, and cost nothing once they are dropped."""

from __future__ import annotations

import trio
import trio.testing

from xfs4iot.server.deadlines import Deadlines


async def test_deadlines_are_called_at_their_time(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    deadlines, called = Deadlines(), []
    nursery.start_soon(deadlines.run)
    began = trio.current_time()
    for after in (7, 3, 3, 90, 5):
        deadlines.add(began + after, lambda: called.append(trio.current_time() - began))
    await trio.sleep(10)
    assert called == [3, 3, 5, 7]
    deadlines.add(began + 20, lambda: called.append(trio.current_time() - began))
    await trio.sleep(90)
    assert called == [3, 3, 5, 7, 20, 90]


async def test_a_dropped_deadline_is_not_called(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    deadlines, called = Deadlines(), []
    nursery.start_soon(deadlines.run)
    first = deadlines.add(trio.current_time() + 1, lambda: called.append("first"))
    deadlines.add(trio.current_time() + 2, lambda: called.append("second"))
    deadlines.drop(first)
    deadlines.drop(first)
    await trio.sleep(5)
    assert called == ["second"]


async def test_one_deadline_may_drop_and_add_others(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    deadlines, called = Deadlines(), []
    nursery.start_soon(deadlines.run)
    began = trio.current_time()
    others = [deadlines.add(began + 1.5, lambda: called.append("dropped")) for _ in range(500)]

    def due() -> None:
        for other in others:
            deadlines.drop(other)
        deadlines.add(trio.current_time() + 1, lambda: called.append("added"))

    deadlines.add(began + 1, due)
    await trio.sleep(5)
    assert called == ["added"]
    assert not len(deadlines)


def test_dropped_deadlines_of_the_far_future_take_no_room() -> None:
    deadlines = Deadlines()
    kept = deadlines.add(1e12, lambda: None)
    for _ in range(10_000):
        deadlines.drop(deadlines.add(1e9, lambda: None))
    assert len(deadlines) < 200
    assert kept.due is not None
