"""Who stands before the device, for the cases that need somebody there."""

from __future__ import annotations

from typing import Protocol

from xfs4iot.dataclass import dataclass

__all__ = ["Act", "Person"]


@dataclass(frozen=True)
class Act:
    """Something that somebody does at the device.

    Attributes:
        name: of what is done, such as `insertCard`; the same for all cases.
        text: what to do, as one asks for it.
        keys: names of the keys to press, for acts that press some.
    """

    name: str
    text: str
    keys: tuple[str, ...] = ()


class Person(Protocol):
    """Somebody who does what he is asked for, or not.

    Attributes:
        seconds: how long he is given for one thing.
    """

    seconds: float

    async def ready(self, case: str, title: str) -> str:
        """Ask whether he is there.

        Args:
            case, title: id and rule of what is to be tried.

        Returns:
            Why it is not tried; empty if he is there.
        """

    async def please(self, act: Act) -> None:
        """Ask him to do something; whether it was done shows at the device."""

    async def did(self, act: Act) -> bool:
        """Whether he has done what the device has not noticed."""
