"""The engine's one hook for whoever watches it: metrics, traces, the simulator's scenarios.

Nobody is told anything unless an observer is set. What it is told carries names and codes, never payloads.
"""

from __future__ import annotations

from typing import Protocol

from xfs4iot._core import Durations

__all__ = ["Observer"]


class Observer(Protocol):
    """Told what happens, as it happens: it must be quick, must not wait, and must not raise.

    Attributes:
        one_by_one: of how many commands more it wants to be told by `completed`, each; when 0, everyday
            commands may be added to what `counted` has given for them instead.
    """

    one_by_one: int

    def completed(self, service: str, command: str, code: str, seconds: float) -> None:
        """A command was completed, with this completion code, so many seconds after it was received."""

    def counted(self, service: str, command: str, code: str) -> Durations | None:
        """Where completions like this are counted, when `completed` is to be told no more of each than that.

        None if it must be told of each, whatever `one_by_one` says.
        """

    def told(self, service: str, event: str) -> None:
        """An event was sent."""

    def refused(self, service: str, status: str) -> None:
        """A message was refused by an acknowledge with this status."""

    def connected(self, service: str) -> None:
        """A client has connected."""

    def disconnected(self, service: str) -> None:
        """A client's connection has ended."""
