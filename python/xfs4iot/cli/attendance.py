"""Somebody at the terminal who also stands before the device: asked for what attended cases need."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import trio

from xfs4iot.cli.characters import escape
from xfs4iot.cli.prose import Console

if TYPE_CHECKING:  # without its extra it is not there, which `conform` itself tells
    from xfs4iot.conformance import Act

__all__ = ["AtTheTerminal"]

_ANSWER = 4096
"""Bytes of an answer that are read."""


class AtTheTerminal:
    """Asks at the terminal, and reads the answers from standard input.

    Args:
        console: where to ask.
        seconds: how long to wait, for an answer as for what is done.

    Attributes:
        seconds: the same.
    """

    def __init__(self, console: Console, seconds: float) -> None:
        self.seconds = seconds
        self._console = console
        self._lines, self._arrived = trio.open_memory_channel[str](0)
        self._gone = ""
        self._wanted = trio.Event()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read standard input from the first question on, until cancelled or until it ends."""
        task_status.started()
        # Not before: others may ask at the same terminal.
        await self._wanted.wait()
        number = sys.stdin.fileno()
        async with self._lines:
            # Not sys.stdin: its lock would be held by the thread that waits when the program ends.
            while told := await trio.to_thread.run_sync(os.read, number, _ANSWER, abandon_on_cancel=True):
                for line in told.decode(errors="replace").splitlines():
                    await self._lines.send(line.strip().casefold())
            self._gone = "standard input has ended"

    async def ready(self, case: str, title: str) -> str:
        """See `Person`."""
        self._wanted.set()
        if self._gone:
            return f"nobody answered: {self._gone}"
        self._say(
            f"[bold]{escape(case)}[/] {escape(title)}", "Enter: I am at the device; s: skip this; q: skip all"
        )
        answer = await self._answer()
        if answer is None:
            return f"nobody answered: {self._gone or f'no answer within {self.seconds:g} s'}"
        if answer.startswith("q"):
            self._gone = "no attended case was wanted any more"
        return "it was left out at the terminal" if answer[:1] in ("s", "q") else ""

    async def please(self, act: Act) -> None:
        """See `Person`."""
        self._say(f"→ now {escape(act.text)}")

    async def did(self, act: Act) -> bool:
        """See `Person`; who does not answer did nothing."""
        self._say(f"The service noticed nothing. Did you {escape(act.text)}? y or n")
        return (await self._answer() or "n").startswith("y")

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._console.print(line, highlight=False)

    async def _answer(self) -> str | None:
        """A line that comes now; None if none does in time."""
        with trio.move_on_after(self.seconds):
            try:
                return await self._arrived.receive()
            except trio.EndOfChannel:
                return None
        return None
