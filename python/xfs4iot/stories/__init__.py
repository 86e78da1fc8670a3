"""What an ATM is there for, told step by step as an application sees it: one story to a file.

    withdrawal      card, chip, PIN, host, token, notes, receipt
    deposit         notes in, one of them refused, counted, confirmed, receipt
    recycling       what one customer deposits is paid out to the next
    cheque          a cheque in, its code line and pictures, deposited
    replenishment   an operator opens the safe, fills units, closes the books
    vendor_mode     two applications let go of the devices, and take them again

`xfs4iot demo --scenario NAME` plays one in front of whoever looks on. Each story is a plain function of a
`Stage`, which has the ATM's services, the hands of its customers (the service `Simulator`), a test host, and
someone to tell the steps to.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from xfs4iot.dataclass import dataclass

if TYPE_CHECKING:
    from xfs4iot.stories.stage import Stage

__all__ = ["STORIES", "Story", "play"]


@dataclass(frozen=True)
class Story:
    """One story.

    Attributes:
        summary: what it shows, in one line.
        profile: of the simulated ATM that it is played at.
        needs: modules with which its devices draw and see, of the extra `simulator`.
    """

    summary: str
    profile: str = "default"
    needs: tuple[str, ...] = ()


STORIES: Mapping[str, Story] = {
    "withdrawal": Story(
        "A customer with card and PIN gets notes that a host has authorised, and a receipt",
        needs=("PIL", "zxingcpp"),
    ),
    "deposit": Story("A customer deposits notes; what is no bank note is given back", needs=("PIL",)),
    "recycling": Story("The notes that one customer deposits are paid out to the next", "recycler"),
    "cheque": Story("A cheque is read, pictured, and deposited", needs=("PIL",)),
    "replenishment": Story("An operator opens the safe, fills the units, and closes the books"),
    "vendor-mode": Story("Two applications let go of the devices for an engineer, and take them again"),
}
"""Every story by the name under which `xfs4iot demo --scenario` knows it; the module has the same."""


async def play(name: str, stage: Stage) -> None:
    """Play a story from its beginning to its end.

    Raises:
        StepFailed: a step did not go as it had to.
    """
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    await module.play(stage)
