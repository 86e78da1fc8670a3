"""The contract of a device as tests: a suite derives a class, says which device, and has them all.

class TestAcme(DeviceContract):
    device = Acme
    options = {"port": "loop"}
    line = "hardware"
    jam = HardwareFailed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from xfs4iot.testing.checking import check_device
from xfs4iot.testing.faults import FAULTS, LINE_FAULTS

if TYPE_CHECKING:
    from xfs4iot.devices import Device
    from xfs4iot.testing.report import Report

__all__ = ["DeviceContract"]


class DeviceContract:
    """Tests of one device class, through the wire; derive from it, and call the class `Test…`.

    Attributes:
        device: the class.
        options: of its objects, as `[service.options]` has them.
        line: attribute that is its line to the hardware, whose coroutines are jammed, and made to lie;
            None: it has none, and these tests are skipped.
        jam: makes what the line raises when the hardware fails, from a text.
        patience: seconds that a command may take.
    """

    device: type[Device]
    options: Mapping[str, Any] = {}
    line: str | None = None
    jam: Callable[[str], Exception] = OSError
    patience: float = 30.0

    def stand_in(self, device: Any) -> None:
        """Put something in the place of the hardware of an object that was just made."""

    def check(self, *faults: str) -> Report:
        """Try everything that the device offers, then with these faults; fail for what was wrong."""
        report = trio.run(
            partial(
                check_device, self.device, self.options, stand_in=self.stand_in, faults=faults,
                patience=self.patience, line=self.line, jam=type(self).jam,
            )
        )  # fmt: skip
        if not report.good:
            pytest.fail(report.text(), pytrace=False)
        return report

    def test_keeps_to_the_standard(self) -> None:
        """Every command is answered as the catalogue has it, and the books add up."""
        self.check()

    @pytest.mark.parametrize("fault", [*FAULTS, *LINE_FAULTS])
    def test_withstands(self, fault: str) -> None:
        """No command is lost, and no count false, whatever happens while an operation runs."""
        if fault in LINE_FAULTS and self.line is None:
            pytest.skip("the class names no line to the hardware")
        self.check(fault)
