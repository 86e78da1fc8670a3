"""What the commands of a text terminal share: its screen, its keys and its forms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import trio

from xfs4iot import devices
from xfs4iot.interfaces.forms.definitions import Definitions
from xfs4iot.interfaces.forms.screen import Screen, columns
from xfs4iot.interfaces.forms.terminal_forms import Form
from xfs4iot.interfaces.forms.terminal_keys import ActiveKeys, of_device
from xfs4iot.protocol import errors, exact
from xfs4iot.protocol.messages import text_terminal as messages
from xfs4iot.server.command import Connection
from xfs4iot.server.handler import Interface
from xfs4iot.server.service import Service

__all__ = ["TerminalState"]

_DOCUMENT = "TextTerminal.forms"
_SECONDS_TO_TIDY_UP = 5
_QUICK = 4_096
"""Characters that are worked with on the spot; some milliseconds' work."""
_Result = TypeVar("_Result")


def _printable(grapheme: str) -> bool:
    # A joiner between two parts of one character is not printable by itself.
    return grapheme.replace("\u200d", "").isprintable()


class TerminalState(Interface[devices.TextTerminal]):
    """The interface of text terminals, without its commands.

    Attributes:
        screen: what is on it.
        forms: that clients have set.
        defined: by connection the keys of its next ReadForm; all for those that are not in it.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.screen = Screen(*self.device.resolutions[0])
        self.forms: Definitions[Form] = Definitions(service, _DOCUMENT, lambda: messages.SetFormForm)
        self.defined: dict[Connection, ActiveKeys] = {}

    async def start(self) -> None:
        """Recall the forms."""
        self.forms.start()

    async def reopened(self) -> None:
        """Another unit may have been plugged in: show everything the next time."""
        self.screen.forget_shown()

    def status_told(self) -> None:
        """A removable unit that comes back shows nothing, and another one may have another resolution."""
        status = self.device.status
        if status.common.device != "online":
            self.screen.forget_shown()
        size = status.text_terminal.display_size_x, status.text_terminal.display_size_y
        if size != (self.screen.width, self.screen.height) and size in self.device.resolutions:
            self.screen = Screen(*size)

    def disconnected(self, connection: Connection) -> None:
        """Nobody is there any more whose next form they could be for."""
        self.defined.pop(connection, None)

    def area(self, request: messages.ClearScreen | None) -> tuple[int, int, int, int]:
        """What is to be cleared: x, y, width, height; the whole screen if nothing is said."""
        area = request.screen if request is not None else None
        if area is None or area.width is None:
            return 0, 0, self.screen.width, self.screen.height
        return cast(tuple[int, int, int, int], (area.position_x, area.position_y, area.width, area.height))

    def start_of(self, request: messages.Write | messages.Read) -> tuple[int, int]:
        """Where a text or an input begins."""
        x, y = request.pos_x or 0, request.pos_y or 0
        if request.mode == "relative":
            return self.screen.x + x, self.screen.y + y
        return x, y

    def cannot_show(self, characters: Iterable[str]) -> str | None:
        """The first character that the device cannot show."""
        known = None if self.device.characters is None else set(self.device.characters)
        for one in characters:
            if columns(one) < 0 or not (set(one) <= known if known is not None else _printable(one)):
                return one
        return None

    async def worked_out(self, work: Callable[..., _Result], size: int, *arguments: Any) -> _Result:
        """Do something with the screen; in a thread, if so many characters would let others wait.

        Its end is waited for: nobody else may use the screen meanwhile.
        """
        if size <= _QUICK:
            return work(*arguments)
        return await trio.to_thread.run_sync(work, *arguments)

    async def show(self, cursor: bool = False) -> None:
        """Let the device show what has changed."""
        runs = await self.worked_out(self.screen.changes, self.screen.most_changed)
        place = self.screen.cursor if cursor and self.device.has_cursor else None
        try:
            await self.ask(devices.TextTerminal.show, runs, place)
        except BaseException:
            # The device may have shown some of it: the next time everything is sent.
            self.screen.forget_shown()
            raise

    async def key(self, active: ActiveKeys) -> str:
        """The next active key that is typed."""
        known = of_device(self.device)

        def believe(typed: str) -> None:
            if typed not in known.names and typed.upper() not in known.characters:
                raise exact.Mismatch("one of the device's keys", "another text")

        while True:
            # A device may hand over keys that are not active; those are skipped.
            typed = await self.ask(devices.TextTerminal.read_key, active.names, believe=believe)
            key = active.counts_as(typed)
            if key is not None:
                return key

    @asynccontextmanager
    async def keyboard(self, flush: bool) -> AsyncIterator[None]:
        """Keep the keyboard on inside; if that ends badly, tidy up the screen."""
        status = self.device.status.text_terminal
        if flush and devices.implements(self.device, "flush_keys"):
            await self.ask(devices.TextTerminal.flush_keys)
        status.keyboard = "on"
        ended_well = False
        try:
            yield
            ended_well = True
        finally:
            status.keyboard = "off"
            # The cursor is hidden again, and an echo taken off, even when the client's time is over.
            with trio.move_on_after(_SECONDS_TO_TIDY_UP) as patience:
                patience.shield = not ended_well
                try:
                    await self.show()
                except errors.XfsError:
                    if ended_well:
                        raise
