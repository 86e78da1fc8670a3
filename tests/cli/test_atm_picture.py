"""The simulated ATM as it is announced, discovered, and drawn: the same services everywhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from xfs4iot.simulator.profile import read

PICTURE = Path(__file__).parent.parent.parent / "docs" / "atm.svg"
XFS4IOT = (sys.executable, "-m", "xfs4iot")


def test_simulate_lists_all_services_discover_shows_them_and_the_picture_has_them() -> None:
    process = subprocess.Popen(
        [*XFS4IOT, "simulate", "--plain", "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        port = re.search(r":(\d+)/", ready["publisher"])
        assert port is not None
        discovered = subprocess.run(
            [*XFS4IOT, "discover", "127.0.0.1", "--port", port[1], "--plain"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    finally:
        process.terminate()
        process.communicate(timeout=60)
    devices = set(read("default").services)
    assert set(ready["services"]) == devices | {"Simulator"}
    rows = [line.split() for line in discovered.splitlines()[1:]]
    assert rows == [["Service", "URI"], *([name, uri] for name, uri in ready["services"].items())]
    drawn = {one.text for one in ElementTree.parse(PICTURE).iter("{http://www.w3.org/2000/svg}text")}
    assert devices <= drawn
    assert {"InsertCard", "InsertNotes", "PressPinPadKeys", "Inject", "GetTruth"} <= drawn
