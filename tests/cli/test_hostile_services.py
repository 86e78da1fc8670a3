"""Services of others that lie, flood and draw: the commands end, say why, and nothing steers the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostile import Reply, service, xfs4iot
from hostile_services import EVIL, HIDDEN


def drawing(header: dict[str, Any], say: Callable[..., None]) -> None:
    """Everything that is a text is one that would steer a terminal."""
    say("acknowledge", status="ok")
    if header["name"] == "ServicePublisher.GetServices":
        services = [{"serviceURI": f"ws://127.0.0.1:1/xfs4iot/v1.0/Service{EVIL}"}]
        say("completion", {"vendorName": EVIL, "services": services})
    elif header["name"] == "Common.Capabilities":
        listed = [{"name": "Common", "commands": {"Common.Status": {"versions": ["2.0"]}}}]
        say("completion", {"interfaces": listed, "common": {"deviceInformation": [{"modelName": EVIL}]}})
    else:
        say("completion", {"errorCode": EVIL}, completionCode="hardwareError", errorDescription=EVIL)


def flooding(header: dict[str, Any], say: Callable[..., None]) -> None:
    """Events, and no end of them."""
    say("acknowledge", status="ok")
    for _ in range(100_000):
        say("event", {"x": EVIL}, name=f"Common.{EVIL}")


def nesting(header: dict[str, Any], say: Callable[..., None]) -> None:
    """A payload deeper than any stack."""
    say("acknowledge", status="ok")
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    say("raw", json.dumps({"header": {**header, "type": "completion"}})[:-1] + f', "payload": {deep}}}')


def test_texts_of_a_service_steer_no_terminal_and_no_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    with service(drawing) as port:
        uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S"
        where = ("127.0.0.1", "--port", str(port), "--plain")
        tried = xfs4iot("conform", uri, "--patience", "1", "--case", "COM-*P", "--html", str(page))
        done = [xfs4iot("call", uri, "Common.Status"), xfs4iot("discover", *where), tried]
        found = json.loads(xfs4iot("discover", *where, "--json").stdout)
    assert [one.returncode for one in done] == [1, 0, 1], [one.stderr for one in done]
    for one in done:
        assert "EVIL" in one.stdout + one.stderr
        assert not HIDDEN.search(one.stdout + one.stderr)
    assert found[0]["vendorName"] == EVIL, "JSON means the same as before"
    html = page.read_text()
    assert not HIDDEN.search(html)
    assert "<script>" not in html


@pytest.mark.parametrize(("reply", "why"), [(flooding, "more than"), (nesting, "a message of XFS4IoT")])
def test_a_service_that_cannot_be_asked_cannot_be_tried(reply: Reply, why: str) -> None:
    with service(reply) as port:
        done = xfs4iot("conform", f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S", "--patience", "1")
    assert done.returncode == 2
    assert why in done.stderr
    assert len(done.stderr) < 2000


def test_a_message_that_cannot_be_read_ends_the_connection() -> None:
    with service(nesting) as port:
        done = xfs4iot("call", f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S", "Common.Status")
    assert done.returncode == 1
    assert "not an XFS4IoT message" in done.stderr
    assert "Traceback" not in done.stderr
