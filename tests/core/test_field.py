"""What the field had to mend in other services, and asks of every one: each has a test named after it.

The numbers are those of the list; `test_field_07_...` shows row 7, over the wire.
"""

from __future__ import annotations

import re
from pathlib import Path

WIRE = Path(__file__).parents[1] / "wire"
ROWS = {
    1: "who signs certificates that are loaded: the six of the standard",
    2: "partial counts in Dispense and Denominate",
    3: "vendor mode ends as inactive",
    4: "a UPS that is good",
    5: "a device that detects no storage",
    6: "a reset of a chip answers with its ATR",
    7: "amounts that are too large are answered without waiting",
    8: "the light of the check unit",
    9: "items are tested, calibrated and reset into the reject unit",
    10: "CardReader.Reset looks at the storage id only where it matters",
    11: "the area of a retract reaches the device",
    12: "ExportRSADeviceSignedItem is offered and runs",
    13: "several cameras, each in status and capabilities",
    14: "keys of a keyboard that are not supported, and none that are active",
    15: "completion code and description stand in the header, and an empty payload is left out",
}


def test_each_row_has_a_test_that_is_named_after_it() -> None:
    named = {
        int(number)
        for file in WIRE.rglob("test_*.py")
        for number in re.findall(r"^(?:async )?def test_field_(\d\d)_", file.read_text("utf-8"), re.M)
    }
    assert len(ROWS) == 15
    assert named == ROWS.keys()
