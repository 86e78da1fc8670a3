"""Publishers that lie or name thousands, services that say nothing: the commands end, and say why."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostile import Reply, mute, service, xfs4iot

MANY = 65_000


def publishing(services: Any) -> Reply:
    """A publisher with just these services."""

    def reply(header: dict[str, Any], say: Callable[..., None]) -> None:
        say("acknowledge")
        if header["name"] == "ServicePublisher.GetServices":
            say("completion", {"vendorName": "x", "services": services})
        else:
            say("completion", {}, completionCode="unsupportedCommand")

    return reply


WRONG: list[Any] = [
    5,
    "wss://a/b",
    [1, None],
    [{"serviceURI": 7}],
    [{"uri": "ws://a"}],
    {"serviceURI": []},
    [[]],
]


@pytest.mark.parametrize("services", WRONG, ids=str)
def test_a_list_of_services_that_is_none_is_said_to_be(services: Any, tmp_path: Path) -> None:
    with service(publishing(services)) as port:
        uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0"
        done = [
            xfs4iot("discover", "127.0.0.1", "--port", str(port), "--plain"),
            xfs4iot("record", uri, "-o", str(tmp_path / "x4r")),
        ]
    for one in done:
        assert one.returncode == 1
        assert "is not as the standard says" in " ".join(one.stderr.split())
        assert "Traceback" not in one.stderr


def test_thousands_of_services_are_told_and_the_table_stays_short() -> None:
    uris = [{"serviceURI": f"ws://127.0.0.1:1/xfs4iot/v1.0/Service{number}"} for number in range(MANY)]
    with service(publishing(uris)) as port:
        where = ("discover", "127.0.0.1", "--port", str(port), "--plain")
        shown, told = xfs4iot(*where), xfs4iot(*where, "--json")
    assert len(shown.stdout.splitlines()) < 600
    assert f"and {MANY - 500} more; --json shows all" in shown.stdout
    assert len(json.loads(told.stdout)[0]["services"]) == MANY


def test_a_service_that_says_nothing_more_is_given_up() -> None:
    """Its TCP connection stays; only no ping is answered."""
    with mute() as port:
        uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S"
        done = xfs4iot("call", uri, "Common.Status", "--version", "2021-1", "--silence", "0.5")
    assert done.returncode == 1
    assert "not even the answer to a ping" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("statuses", "within"),
    [((), "not acknowledged Common.Status within 0.5 s"), (("ok",), "its timeout of 0.1 s and 0.5 s more")],
)
def test_a_service_that_answers_nothing_but_pings_is_given_up(statuses: tuple[str, ...], within: str) -> None:
    heard: list[str] = []

    def idle(header: dict[str, Any], say: Callable[..., None]) -> None:
        heard.append(header["name"])
        for status in statuses:
            say("acknowledge", status=status)

    with service(idle) as port:
        uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S"
        done = xfs4iot("call", uri, "Common.Status", "--patience", "0.5", "--timeout", "100")
    assert done.returncode == 1
    assert within in " ".join(done.stderr.split())
    assert heard[-2:] == ["Common.Status", "Common.Cancel"]


def test_a_service_that_works_for_long_is_waited_for() -> None:
    """Longer than the silence, but it answers pings."""

    def slow(header: dict[str, Any], say: Callable[..., None]) -> None:
        say("acknowledge")
        threading.Event().wait(2)
        say("completion", {"common": {"device": "online"}})

    with service(slow) as port:
        uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S"
        done = xfs4iot("call", uri, "Common.Status", "--version", "2023-2", "--silence", "0.3")
    assert done.returncode == 0, done.stderr
