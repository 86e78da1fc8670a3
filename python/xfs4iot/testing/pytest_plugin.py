"""For vendors' test suites: the fixture `xfs4iot_check`, there for pytest wherever xfs4iot is installed.

def test_my_dispenser_is_sound(xfs4iot_check):
    xfs4iot_check(MyDispenser, {"port": "loop"}, stand_in=put_simulated_port)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xfs4iot.devices import Device
    from xfs4iot.testing.report import Report

__all__ = ["xfs4iot_check"]


@pytest.fixture
def xfs4iot_check() -> Callable[..., Report]:
    """A function that checks a device class as `xfs4iot check-device` does; a wrong one fails the test.

    It is called from a plain test function, not from a coroutine, with the arguments of
    `xfs4iot.testing.check_device`, and returns the report.
    """

    def check(kind: type[Device], options: Mapping[str, Any] | None = None, **settings: Any) -> Report:
        # Here, because every run of pytest loads this plugin, most without using it.
        import trio

        from xfs4iot.testing import check_device

        report = trio.run(partial(check_device, kind, options, **settings))
        if not report.good:
            pytest.fail(report.text(), pytrace=False)
        return report

    return check
