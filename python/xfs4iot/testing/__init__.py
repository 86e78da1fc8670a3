"""The test kit for vendors: a device class is served as `serve` would, and driven through the wire.

    report = trio.run(check_device, MyDispenser)
    assert report.good, report.text()

A test suite derives a class from `DeviceContract`. `xfs4iot check-device module:Class` and the pytest fixture
`xfs4iot_check` are built on the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xfs4iot.late import late

if TYPE_CHECKING:
    from xfs4iot.testing.checking import check_device
    from xfs4iot.testing.contract import DeviceContract
    from xfs4iot.testing.faults import FAULTS, LINE_FAULTS
    from xfs4iot.testing.report import Finding, Report

__all__ = ["FAULTS", "LINE_FAULTS", "DeviceContract", "Finding", "Report", "check_device"]

_HOMES = {
    "FAULTS": "faults",
    "LINE_FAULTS": "faults",
    "DeviceContract": "contract",
    "Finding": "report",
    "Report": "report",
    "check_device": "checking",
}

if not TYPE_CHECKING:
    # Every pytest loads this package for its plug-in.
    __getattr__ = late(__name__, _HOMES)
