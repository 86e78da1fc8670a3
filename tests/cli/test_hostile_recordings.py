"""Recordings of others: diff and replay read them or say why not, and nothing steers the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostile import service, xfs4iot

HEADING = '{"x4r":1,"uri":"\\u001b[31m","recorded":"\\u001b]0;t\\u0007","by":"x"}\n'
EVIL = "\x1b[31m\x1b]0;title\x07\u202eEVIL[bold]x[/bold]"
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def line(**told: Any) -> str:
    return json.dumps({"at": 1, "connection": 1, "service": "S", **told}) + "\n"


def said(sender: str, header: Any, payload: Any = None) -> str:
    return line(**{"from": sender, "message": {"header": header, "payload": payload}})


RECORDINGS: dict[str, str] = {
    "drawing": line() + said("client", {"type": "command", "name": EVIL, "requestId": 1}, {EVIL: EVIL}),
    "service drawing": line(service=EVIL) + line(service="../../etc/passwd") + line(service="a b?x#y"),
    "wrong types": line()
    + said("client", [], 5)
    + said("client", {"type": 5, "name": [1], "requestId": "x"}, "y")
    + said("service", {"type": "completion", "requestId": 10**40}),
    "answers to nothing": line() + "".join(
        said("service", {"type": kind, "name": "Common.Status", "requestId": 7})
        for kind in ("completion", "acknowledge", "event", "acknowledge")
    ),
    "ends twice": line(ended="x") + line() + line() + line(ended="x") + line(ended="x"),
    "negative": json.dumps({"at": -5, "connection": -1, "service": "S"}) + "\n",
    "not UTF-8": "\udcff\n",
    "binary": "\x00\x01\x02" * 1000 + "\n",
    "deep": '{"at":1,"connection":1,"service":"S","from":"client","message":'
    + '{"a":' * 500 + "1" + "}" * 501 + "\n",
    "one long line": line() + "A" * 5_000_000 + "\n",
}  # fmt: skip


def answering(header: dict[str, Any], say: Callable[..., None]) -> None:
    say("acknowledge")
    say("completion", {}, completionCode="unsupportedCommand")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("content", RECORDINGS)
def test_a_hostile_recording_ends_in_words(content: str, tmp_path: Path) -> None:
    file = tmp_path / "[bold]x.x4r"
    file.write_bytes((HEADING + RECORDINGS[content]).encode(errors="surrogateescape"))
    with service(answering) as port:
        to = ("--to", f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S", "--patience", "0.2", "--moves")
        for done in (xfs4iot("diff", str(file), str(file)), xfs4iot("replay", str(file), *to)):
            told = done.stdout + done.stderr
            assert done.returncode in (0, 1, 2)
            assert "Traceback" not in told, told
            assert not HIDDEN.search(told)
            assert len(told) < 5_000


def test_a_file_name_is_printed_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "[bold]x.x4r"
    file.write_text(HEADING + line() + '{"at"')
    done = xfs4iot("replay", str(file), "--to", "ws://127.0.0.1:1/xfs4iot/v1.0/S")
    assert "[bold]x.x4r ends within a line" in "".join(done.stderr.split("\n"))


def test_recordings_in_which_nothing_is_said_are_not_the_same(tmp_path: Path) -> None:
    file = tmp_path / "empty.x4r"
    file.write_text(HEADING)
    to = ("--to", "ws://127.0.0.1:1/xfs4iot/v1.0/S")
    for done, why in (
        (xfs4iot("diff", str(file), str(file)), "nothing to compare"),
        (xfs4iot("replay", str(file), *to), "nothing to replay"),
        (xfs4iot("replay", str(file), "--serve"), "nothing to replay"),
        (xfs4iot("replay", str(file), "--serve", "--moves"), "--moves says nothing with --serve"),
        (xfs4iot("replay", str(file), *to, "--port", "1"), "--port says nothing with --to"),
        (xfs4iot("diff", str(file), str(file), "--ignore", "serialNumber"), "is no path; write one"),
    ):
        assert done.returncode == 2, done.stdout
        assert why in " ".join(done.stderr.split())
