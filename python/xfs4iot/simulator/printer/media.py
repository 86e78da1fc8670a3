"""What the simulated printer does with media: draws them in, turns, cuts, ejects and retracts them."""

from __future__ import annotations

from typing import Any

import trio

from xfs4iot import devices, printing
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import printer as messages
from xfs4iot.simulator.printer.documents import Medium
from xfs4iot.simulator.printer.machine import Offered, PrinterMachine

__all__ = ["PrinterMedia"]

_STAMP = (180, 0, 0)


class PrinterMedia(PrinterMachine):
    """The printer as far as it moves media."""

    def require_medium(self) -> Medium:
        """What is under the head.

        Raises:
            CommandError: `noMediaPresent`.
        """
        if self.state.medium is None:
            raise errors.CommandError("noMediaPresent", "there is no medium under the head")
        return self.state.medium

    async def accept_media(self, events: Any) -> None:
        self.begin()
        self.require_free("media")
        self.require_exit()
        if self.state.medium is not None:
            return
        self.slot_open = True
        try:
            offered = await self._next_in()
        finally:
            self.slot_open = False
        self.begin()
        await self.time()
        reason = self.refusal(offered)
        if reason is not None:
            events.send(messages.MediaRejectedEvent(reason=reason))
            raise errors.CommandError("mediaRejected", f"the medium is handed back: {reason}")
        if self.faults.strikes("mediaJams"):
            self.state.medium = offered.medium
            raise self.jam("media")
        self.state.medium = offered.medium
        self.save()

    async def _next_in(self) -> Offered:
        """Wait for what comes in."""
        while self.hand is None:
            self.came = trio.Event()
            if self.setup.customer is not None:
                self.hand = await self.offered(self.setup.documents[self.setup.customer])
                break
            await self.came.wait()
            # Power may have gone meanwhile.
            self.begin()
        offered, self.hand = self.hand, None
        return offered

    async def stop_accepting(self) -> Any:
        self.slot_open = False
        return None if self.state.medium is None else "present"

    async def control_media(
        self, actions: tuple[Any, ...], unit: str | None, events: Any
    ) -> devices.PrinterMediaMoved:
        self.begin()
        self.require_free()
        state = self.state
        if state.medium is None and not (state.stacker or state.transport or state.slot):
            raise errors.CommandError("noMediaPresent", "there is nothing in the printer; print first")
        self._remember(events)
        moved = await self.carry_out(actions, unit)
        if moved.failure is None and self.faults.strikes("printerBreaks"):
            raise RuntimeError("the simulated device class fails, as injected")
        return moved

    async def carry_out(self, actions: tuple[Any, ...], unit: str | None = None) -> devices.PrinterMediaMoved:
        """Do with the medium what is asked for, in this order.

        Raises:
            CommandError: nothing was done.
        """
        state, done = self.state, False
        for action in actions:
            await self.time(1 / len(actions))
            try:
                place = await self._act(action, unit)
            except errors.CommandError as failure:
                if not done and state.jammed is None:
                    raise
                # Something has been done already, or is stuck: the operation has a result.
                return devices.PrinterMediaMoved(at=self._where(), on_stacker=self._stacked, failure=failure)
            done = True
            if place is not None:
                state.place = place
                self.save()
        await self.written()
        return devices.PrinterMediaMoved(at=self._where(), on_stacker=self._stacked)

    @property
    def _stacked(self) -> int | None:
        return len(self.state.stacker) if self.max_media_on_stacker else None

    def _remember(self, events: Any) -> None:
        """Keep which movement this is, before anything moves."""
        self.state.operation, self.state.place = events.operation, self.place
        self.save()

    def _where(self) -> Any:
        state = self.state
        lasting = state.place.startswith("unit") or state.place == "expelled"
        return state.place if lasting else self.place

    async def _act(self, action: str, unit: str | None) -> str | None:
        """Carry out one action; where the medium is now, if it was moved."""
        state = self.state
        if action in ("eject", "ejectToTransport", "expel", "retract", "stack", "park"):
            return self._move(action, unit)
        if action == "alarm":
            return None
        medium = self.require_medium()
        if action in ("cut", "partialCut"):
            return self._cut(medium)
        if action in ("pageForward", "pageBackward"):
            if self.faults.strikes("pageDoesNotTurn") or not self._turn(
                medium, 1 if action == "pageForward" else -1
            ):
                raise errors.CommandError("pageTurnFail", "the page does not turn")
        elif action == "turnMedia":
            if self.faults.strikes("mediaDoesNotTurn"):
                raise errors.CommandError("mediaTurnFail", "the medium does not turn over")
            front, back = medium.sides[medium.page]
            medium.sides[medium.page] = back, front
        elif action == "rotate180":
            for side in medium.sides[medium.page]:
                await trio.to_thread.run_sync(side.rotate, self.drawings)
        elif action in ("stamp", "perforate"):
            await trio.to_thread.run_sync(self._mark, medium, action)
        elif action == "skip":
            await self._skip(medium)
        state.place = self.place
        self.save()
        return None

    def _turn(self, medium: Medium, by: int) -> bool:
        """Turn pages of a passbook; whether it has so many, and is open."""
        if medium.closed or not 0 <= medium.page + by < len(medium.sides):
            return False
        medium.page += by
        return True

    def _cut(self, medium: Medium) -> str | None:
        if self.faults.strikes("cutterFails"):
            raise self.jam("paper")
        medium.cut = True
        if not self.setup.stacker:
            return None
        self._stack([medium])
        self.state.medium = None
        return "stacker"

    def _stack(self, media: list[Medium]) -> None:
        if len(self.state.stacker) + len(media) > self.setup.stacker:
            raise errors.CommandError("stackerFull", f"the stacker has room for {self.setup.stacker}")
        self.state.stacker += media

    def _mark(self, medium: Medium, action: str) -> None:
        """Stamp or perforate what is under the head."""
        side = medium.side()
        before = side.opened()
        size = max(1, round(self.head.in_dots(medium.width))), max(1, round(self.head.in_dots(medium.length)))
        canvas = printing.Canvas(*(size if before is None else before.size), color=True)
        if before is not None:
            canvas.picture(0, 0, before)
        look = printing.Lettering(size=self.head.dots / 5, bold=True, color=_STAMP)
        if action == "stamp":
            canvas.text(canvas.width - look.width("STAMPED") - look.size, look.size, "STAMPED", look)
        else:
            dots = "· " * int(canvas.width / look.width("· "))
            canvas.text(0, (canvas.height or 0) / 2, dots, printing.Lettering(size=look.size))
        side.put(canvas.finished(), canvas.words, self.drawings)

    async def _skip(self, medium: Medium) -> None:
        """Feed paper to the next black mark."""
        if self.faults.strikes("markMissed"):
            raise errors.CommandError("blackMark", "the black mark was not found")
        mark = self.setup.mark * 1_000
        rest = -medium.length % mark
        source = next(iter(self.setup.sources))
        if medium.kind == "roll" and rest and not medium.cut:
            blank = printing.Canvas(max(1, round(self.head.in_dots(medium.width))))
            blank.reach(self.head.in_dots(rest))
            await self.print_on_roll(source, blank.finished(), ())

    # From place to place.

    def _move(self, action: str, unit: str | None) -> str:
        """Move what is in the printer; where it is then, which the caller saves with it."""
        state = self.state
        if action in ("eject", "expel"):
            self.require_exit()
        if action == "park" and state.parked is not None:
            raise errors.CommandError("sequenceInvalid", "another medium is parked; take it out first")
        target = self._bin(unit) if action == "retract" else None
        if self.faults.strikes("mediaJams"):
            raise self.jam("media")
        if action == "stack":
            self._stack([self.require_medium()])
            state.medium = None
            return "stacker"
        if action == "park":
            state.parked, state.medium = self.require_medium(), None
            return "parked"
        media = [*state.stacker, *state.transport, *([] if state.medium is None else [state.medium])]
        state.stacker, state.transport, state.medium = [], [], None
        for medium in media:
            medium.cut = True
        if action == "eject":
            # Saved with what it brings out: a loss of power finds both or neither.
            state.place = "entering"
            self.deliver(media)
            return "entering"
        if action == "ejectToTransport":
            state.transport = media
            return "transport"
        for medium in media:
            self.finish(medium)
        if target is not None:
            state.bins[target] += 1
        # What lies in the slot goes with it, in or out.
        state.slot = []
        return target or "expelled"

    def _bin(self, wanted: str | None) -> str:
        """The bin that is meant, or the first with room.

        Raises:
            CommandError: `retractBinFull`.
        """
        for name in [wanted] if wanted is not None else list(self.setup.units):
            if self.state.bins.get(name, 0) < self.setup.units[name].capacity:
                return name
        raise errors.CommandError(
            "retractBinFull", f"{wanted or 'every bin'} is full; see Simulator.EmptyBins"
        )

    async def retract_media(self, to: str, events: Any) -> devices.PrinterMediaMoved:
        self.begin()
        self.require_free("media")
        state = self.state
        if state.medium is None and not (state.slot or state.stacker or state.transport):
            raise errors.CommandError("noMediaPresent", "there is nothing to retract")
        target = to if to == "transport" else self._bin(to)
        self._remember(events)
        await self.time()
        if self.faults.strikes("mediaJams"):
            failure = self.jam("media")
            return devices.PrinterMediaMoved(at="jammed", on_stacker=self._stacked, failure=failure)
        # Taken while the slot was closing.
        if state.medium is None and not (state.slot or state.stacker or state.transport):
            raise errors.CommandError("noMediaPresent", "it was taken just now")
        media = self.inside()
        if target == "transport":
            state.transport = media
        else:
            state.bins[target] += 1
        state.place = target
        self.save()
        await self.written()
        if self.faults.strikes("printerBreaks"):
            raise RuntimeError("the simulated device class fails, as injected")
        return devices.PrinterMediaMoved(at=target, on_stacker=self._stacked)

    async def reset(self, to: str | None, events: Any) -> devices.PrinterMediaMoved:
        self.begin()
        state = self.state
        self._remember(events)
        await self.time()
        if state.jammed is not None and self.faults.active("mediaStaysStuck"):
            still = errors.CommandError(f"{state.jammed}Jammed", f"{state.jammed} is still stuck")
            return devices.PrinterMediaMoved(at="jammed", failure=still)
        state.jammed, self.hand = None, None
        if self._raw is not None:
            self._raw.torn()
        self.save()
        self._show()
        if state.medium is None and not (state.slot or state.stacker or state.transport):
            return devices.PrinterMediaMoved(on_stacker=self._stacked)
        target = to
        place: Any
        failure: errors.XfsError | None = None
        if target is None:
            # As it thinks best: where nobody can take what may be somebody else's.
            target = next(
                (one for one in state.bins if state.bins[one] < self.setup.units[one].capacity), "eject"
            )
        try:
            place = self._bring(target)
        except errors.CommandError as wrong:
            place, failure = self.place, wrong
        state.place = place
        self.save()
        self.write_soon()
        return devices.PrinterMediaMoved(at=place, on_stacker=self._stacked, failure=failure)

    def _bring(self, target: str) -> str:
        """Bring all that a reset has found to where it is wanted."""
        if target in ("eject", "expel"):
            self.require_exit()
        else:
            self._bin(target)
        already = list(self.state.slot)
        media = self.inside()
        if target == "eject":
            self.state.slot = already
            out = [one for one in media if not any(one is other for other in already)]
            self.state.slot += out
            self.expect_taking(out)
            return "entering"
        if target != "expel":
            self.state.bins[target] += 1
            return target
        return "expelled"

    async def recall_media(self, operation: int) -> Any:
        state = self.state
        if state.operation != operation:
            return None
        return "jammed" if state.jammed is not None else state.place

    async def control_passbook(self, action: Any, count: int) -> None:
        self.begin()
        self.require_free("media")
        medium = self.require_medium()
        await self.time()
        if medium.kind != "passbook":
            raise errors.CommandError("mediaSize", "this is no passbook")
        if action.startswith("close"):
            if medium.closed:
                raise errors.CommandError("passbookClosed", "the passbook is closed already")
            medium.closed = True
            medium.page = len(medium.sides) - 1 if action == "closeForward" else 0
        elif medium.closed:
            # A closed one is opened at its end or its beginning.
            if (action == "forward") == (medium.page == 0):
                medium.closed = False
            else:
                raise errors.CommandError("passbookClosed", "the passbook is closed; turn it the other way")
        elif self.faults.strikes("pageDoesNotTurn"):
            raise errors.CommandError("pageTurnFail", "the page does not turn")
        elif not self._turn(medium, count if action == "forward" else -count):
            raise errors.CommandError(
                "lastOrFirstPageReached",
                f"the passbook is at page {medium.page + 1} of {len(medium.sides)}",
            )
        self.save()
