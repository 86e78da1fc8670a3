"""The broker's subjects, by which the parts of a fleet find each other.

A device's epoch is in the subject at which it is told anything: an older instance of it hears nothing.
"""

from __future__ import annotations

import re

__all__ = ["Subjects", "check_id"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_id(text: str, what: str) -> str:
    """`text`, if it can be a part of a subject.

    Raises:
        ValueError: it cannot.
    """
    if not _ID.fullmatch(text):
        raise ValueError(f"{what} {text[:80]!r}: it has 1 to 64 letters, digits, - and _")
    return text


class Subjects:
    """Subjects of one tenant's fleet."""

    def __init__(self, tenant: str) -> None:
        self.root = f"x4.{check_id(tenant, 'tenant')}"

    def to_device(self, device: str, epoch: int | str, gateway: str, sid: str) -> str:
        """Where a device hears of one session; `*` for all."""
        return f"{self.root}.{device}.{epoch}.d.{gateway}.{sid}"

    def to_gateway(self, device: str, gateway: str, sid: str) -> str:
        """Where a gateway hears of one session; `*` for all."""
        return f"{self.root}.{device}.u.{gateway}.{sid}"

    def hello(self, device: str) -> str:
        """Where a device says that it is there, and some gateway answers."""
        return f"{self.root}.{device}.hello"

    def told(self, device: str, epoch: int | str) -> str:
        """Where one instance of a device is told what concerns it as a whole."""
        return f"{self.root}.{device}.{epoch}.ctl"

    def renew(self, device: str) -> str:
        """Where a device asks for its next certificate, and some authority answers; `*` for all."""
        return f"{self.root}.{device}.renew"

    def alarm(self, device: str) -> str:
        """Where it is told that a device is there twice."""
        return f"{self.root}.{device}.alarm"

    def kept(self, device: str, what: str) -> str:
        """Where the broker says what it has kept of a device's; `*` for all."""
        return f"{self.root}.{device}.kept.{what}"

    def inbox(self, device: str) -> str:
        """Where a device awaits answers: nobody may be answered elsewhere for it."""
        return f"_INBOX.{self.root.partition('.')[2]}.{device}"

    def event(self, device: str, interface: str) -> str:
        """Where a device copies events of an interface; `*` for all."""
        return f"{self.root}.{device}.e.{interface}"
