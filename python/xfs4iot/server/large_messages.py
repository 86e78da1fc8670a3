"""Messages that may be larger than others: forms with pictures, print jobs.

A command listed here may be larger than `message_bytes`, where a service offers it. What such messages take,
while they arrive and until their command has completed, is one allowance of the whole service: its memory
stays bounded however many clients send them at once. A client for whose message nothing is left is told so
(`tooManyRequests`, or 1009 if the message is still arriving), and can send it again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

__all__ = ["LARGEST", "LargeMessages"]

_MEBIBYTE = 1024 * 1024

LARGEST: Mapping[str, int] = {
    "Printer.PrintForm": 16 * _MEBIBYTE,
    "Printer.PrintNative": 32 * _MEBIBYTE,
    "Printer.PrintRaw": 16 * _MEBIBYTE,
    "Printer.SetForm": 16 * _MEBIBYTE,
    "TextTerminal.SetForm": 16 * _MEBIBYTE,
    "TextTerminal.WriteForm": 16 * _MEBIBYTE,
}
"""Bytes of the largest message of each command that may exceed `message_bytes`."""


class LargeMessages:
    """What the large messages of one service take.

    Args:
        allowance: bytes, for all of them together.

    Attributes:
        most: bytes of the largest message that the service's commands may have; 0 if none may be large.
    """

    def __init__(self, allowance: int = 64 * _MEBIBYTE) -> None:
        self.allowance = allowance
        self.most = 0
        self._held: dict[Hashable, int] = {}
        self._sum = 0

    def offered(self, commands: Iterable[str]) -> None:
        """Take notice of the commands that the service offers."""
        self.most = max((LARGEST.get(name, 0) for name in commands), default=0)

    def hold(self, owner: Hashable, size: int) -> bool:
        """Set aside so much for a message, in the place of what was before; whether there was enough."""
        more = size - self._held.get(owner, 0)
        if self._sum + more > self.allowance:
            return False
        self._held[owner] = size
        self._sum += more
        return True

    def release(self, owner: Hashable) -> None:
        """Give back what was set aside."""
        self._sum -= self._held.pop(owner, 0)
