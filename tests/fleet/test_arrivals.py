"""Sessions go on in turn when all has been handed on, and one that fails keeps none of the others."""

from __future__ import annotations

import logging

import pytest

from xfs4iot.fleet.arrivals import Arrivals
from xfs4iot.fleet.carrier import Carried, MemoryBroker
from xfs4iot.fleet.link import Link


class Session:
    def __init__(self, name: str) -> None:
        self.name, self.link = name, Link(0.0)


async def test_a_session_that_fails_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    carrier = MemoryBroker().carrier()
    sessions = {name: Session(name) for name in ("a", "b", "c")}
    went: list[str] = []

    def settle(session: Session, now: float) -> None:
        went.append(session.name)
        if session.name == "a":
            raise ValueError("a is broken")

    arrivals = Arrivals(carrier, settle)

    def received(message: Carried) -> None:
        # Twice, and settled once; in the order of their arrival.
        for name in (*sessions, *sessions):
            arrivals.add(sessions[name])
        assert went in ([], ["a", "b", "c"])

    carrier.subscribe("those", received)
    with caplog.at_level(logging.ERROR):
        carrier.publish("those", b"")
    assert went == ["a", "b", "c"]
    assert [one.link.ended is None for one in sessions.values()] == [False, True, True]
    assert "cannot go on" in caplog.text
    # And nothing of that is left for the next time.
    carrier.publish("those", b"")
    assert went == ["a", "b", "c"] * 2


async def test_a_session_that_brings_about_its_own_arrival_holds_up_nobody() -> None:
    carrier = MemoryBroker().carrier()
    one, other = Session("one"), Session("other")
    went: list[str] = []

    def settle(session: Session, now: float) -> None:
        went.append(session.name)
        if session is one and went.count("one") < 3:
            arrivals.add(one)

    arrivals = Arrivals(carrier, settle)

    def received(message: Carried) -> None:
        arrivals.add(one)
        arrivals.add(other)

    carrier.subscribe("those", received)
    carrier.publish("those", b"")
    assert went == ["one", "other", "one", "one"]
