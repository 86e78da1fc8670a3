"""The operations of the simulated card reader: what its hardware does with the card it is given.

A motor reader draws the card in, moves it to the exit or into a unit, and remembers its last movement. A
dip or a swipe reads what passes; a latched dip holds the card whose chip it reads; a contactless reader
talks to what is in its field, with or without a kernel of its own.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.card_reader import ReadRawDataEvents, WriteRawDataEvents
from xfs4iot.protocol.messages import card_reader as messages
from xfs4iot.simulator.card_reader.cards import Card
from xfs4iot.simulator.card_reader.commands import CardReaderCommands

if TYPE_CHECKING:
    from xfs4iot.simulator.card_reader.kernel import Kernel

__all__ = ["SimulatedCardReader"]

_DRAW, _READ, _CHIP, _EXCHANGE, _EJECT, _RETAIN, _TAP = 1.0, 0.6, 0.25, 0.05, 0.9, 1.9, 0.5
"""Parts of a movement's time."""
_STRIPE = ("track1", "track2", "track3")
_PICTURES = {"frontImage": "front", "backImage": "back"}


def _refused(code: str, text: str) -> errors.CommandError:
    return errors.CommandError(code, text)


class SimulatedCardReader(CardReaderCommands):
    """A card reader that can be told what people, cards and bad luck do to it."""

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self._key = b""
        self._configuration: devices.ContactlessConfiguration | None = None
        self._kernel: Kernel | None = None
        self._paid = ""

    async def accept_card(
        self, wanted: frozenset[Any], flux_inactive: bool, events: devices.CardEvents[WriteRawDataEvents]
    ) -> None:
        self.begin()
        if self.state.exit is not None:
            await self._draw_in(self.state.exit, events)
            return
        if self.faults.active("entranceStuck"):
            raise _refused("shutterFail", "the shutter does not open")
        self.field, self.passed = (self.field if self._waits_for_tap else ()), None
        self.entrance_open = True
        events.insert_card()
        try:
            while True:
                offered = await self.next_in()
                self.begin()
                if offered.card is None or offered.way != "right":
                    await self.time(_DRAW / 4)
                    events.invalid_media()
                    continue
                await self._come_in(offered.card, events)
                return
        finally:
            self.entrance_open = False

    @property
    def _waits_for_tap(self) -> bool:
        return self.reader_type in ("contactless", "intelligentContactless")

    async def _come_in(self, name: str, events: devices.CardEvents[WriteRawDataEvents]) -> None:
        """A card comes to where it can be read."""
        if self._waits_for_tap:
            await self.time(_TAP)
            events.media_inserted()
            if len(self.field) > 1:
                raise _refused("cardCollision", "more than one card is in the field")
            return
        if self.reader_type == "swipe":
            self.passed = name
            await self.time(_READ)
            events.media_inserted()
            return
        if self.reader_type == "motor":
            self.shift(name, "exit")
            self.show_place()
            length = self.card(name).length
            if length != "normal":
                raise _refused(
                    f"cardToo{length.capitalize()}", f"the card is too {length}; it is in the slot"
                )
            await self._draw_in(name, events)
            return
        await self.time(_DRAW / 4)
        self.shift(name, "transport")
        self.passed = name
        self.show_place()
        events.media_inserted()
        if (
            self.setup.takes_after is not None
            and self.reader_type == "dip"
            and self.world.nursery is not None
        ):
            self.world.later(float(self.setup.takes_after), self.take)

    async def _draw_in(self, name: str, events: devices.CardEvents[WriteRawDataEvents]) -> None:
        await self.time(_DRAW)
        # Set by whoever pulled the card back during the wait; `begin` made a fresh event.
        if self.pulled.is_set():
            raise _refused("noMedia", "the card was pulled back")
        if self.faults.strikes("cardJamsEntering"):
            raise self._jam()
        self.shift(name, "transport")
        self.show_place()
        events.media_inserted()

    def _jam(self) -> errors.CommandError:
        self.state.jammed = True
        self.save()
        self.show_place()
        return _refused("mediaJam", "the card is stuck; see CardReader.Reset")

    async def stop_accepting(self) -> str | None:
        self.entrance_open = False
        state = self.state
        if state.exit is not None and not state.jammed:
            self.shift(state.exit, None)
        return "jammed" if state.jammed else "transport" if state.transport is not None else None

    async def read_card(
        self, wanted: frozenset[Any], events: devices.CardEvents[ReadRawDataEvents]
    ) -> devices.CardContent:
        self.begin()
        name = self.inside
        if name is None:
            raise _refused("noMedia", "there is no card to read")
        card = self.card(name)
        if not card.stripe and card.chip is None:
            raise _refused("invalidMedia", "the card has neither a stripe nor a chip")
        sources = {}
        if wanted & {*_STRIPE, "track1Front", "track1JIS", "track3JIS"}:
            await self.time(_READ)
            sources = self._read_stripe(name, card)
            found = {
                "frontTrack1" if one == "track1Front" else one for one, got in sources.items() if got.data
            }
            events.track_detected(found & {*_STRIPE, "watermark", "frontTrack1"})
        for source in wanted & {"watermark", "ddi", "memoryChip", *_PICTURES}:
            sources[source] = self._read_other(name, card, source)
        chips: tuple[devices.CardData, ...] = ()
        if "chip" in wanted:
            await self.time(_CHIP)
            chips = (self._reset_chip(name, card),)
        # Asked again: a dip card can be pulled out during the waits above.
        if self.inside is None or ("chip" in wanted and self.contacted is None):
            raise _refused("noMedia", "the card was pulled out")
        verdict: Any = None
        if "security" in wanted:
            verdict = "hardwareError" if self.faults.active("securityFails") else self._verdict()
        return devices.CardContent(sources, chips, verdict)

    def _verdict(self) -> str:
        return "notInitialized" if self.security_type == "cim86" and not self._key else "readLevel1"

    async def set_key(self, key: bytes) -> None:
        if len(key) not in (8, 16, 24):
            raise _refused("invalidKey", "a key has 8, 16 or 24 bytes")
        self._key = key

    def _read_stripe(self, name: str, card: Card) -> dict[Any, devices.CardData]:
        status: Any = None
        if self.faults.strikes("stripeUnreadable"):
            status = "dataInvalid"
        elif self.faults.strikes("swipedTooFast"):
            status = "dataTooShort"
        written = {**card.tracks, **self.memory(name).tracks}
        found: dict[Any, devices.CardData] = {}
        for track in _STRIPE:
            if not card.stripe:
                found[track] = devices.CardData(status="dataSourceMissing")
            elif status is not None or track in card.damaged:
                found[track] = devices.CardData(status=status or "dataInvalid")
            elif not written.get(track):
                found[track] = devices.CardData(status="dataMissing")
            else:
                found[track] = devices.CardData(written[track])
        for other in ("track1Front", "track1JIS", "track3JIS"):
            found[other] = self._read_other(name, card, other)
        return found

    def _read_other(self, name: str, card: Card, source: str) -> devices.CardData:
        if source in _PICTURES:
            return devices.CardData(_picture(f"{name}, {_PICTURES[source]}"))
        content = dict(card.sources).get(source)  # type: ignore[call-overload]
        if content is None:
            return devices.CardData(status="dataSourceMissing" if source == "memoryChip" else "dataMissing")
        return devices.CardData(bytes.fromhex(content))

    def _reset_chip(self, name: str, card: Card) -> devices.CardData:
        """Reset the chip; what it answers."""
        self.session = None
        chip = card.chip
        if chip is None or (self._waits_for_tap and not chip.contactless):
            return devices.CardData(status="dataSourceMissing")
        if chip.mute or self.faults.strikes("chipMute"):
            return devices.CardData(status="dataMissing")
        # Here, and below: chips are loaded when the first is powered.
        from xfs4iot.simulator.card_reader.chip import ChipSession

        interface = "contactless" if self._waits_for_tap else "contact"
        protocol = "T=CL" if self._waits_for_tap else chip.protocol
        self.session = ChipSession(card, self.memory(name), self.chance, protocol, interface)
        if self.reader_type == "latchedDip":
            self.state.latched = True
            self.save()
        return devices.CardData(bytes.fromhex(chip.uid) if self._waits_for_tap else chip.answer_to_reset)

    async def write_card(
        self, tracks: Mapping[Any, devices.CardWrite], events: devices.CardEvents[WriteRawDataEvents]
    ) -> None:
        self.begin()
        name = self.inside
        if name is None:
            raise _refused("noMedia", "there is no card to write")
        if not self.card(name).stripe:
            raise _refused("invalidMedia", "the card has no stripe")
        await self.time(_READ)
        for track, wanted in tracks.items():
            self.memory(name).tracks[track] = wanted.data
        self.save()
        await self.time(_READ)
        if self.faults.strikes("writeFails"):
            raise errors.HardwareError(f"{', '.join(tracks)} does not read as it was written")

    async def move_card(self, source: str, target: str, events: devices.MovingCard) -> devices.CardMoved:
        self.begin()
        state = self.state
        if self._waits_for_tap:
            self.field, self.session = (), None
            return devices.CardMoved()
        if self.reader_type == "latchedDip":
            state.latched, self.session = False, None
            self.save()
            if state.transport is not None:
                self.at_exit(state.transport)
            return devices.CardMoved()
        name = self._at(source)
        if name is None and not (state.stock.get(source)):
            raise _refused("noMedia", f"there is no card at {source}")
        # Kept before anything moves, so that `recall_card` is right after a crash at any later point.
        state.operation, state.place = events.operation, source
        self.save()
        if target == "exit" and self.faults.active("entranceStuck"):
            raise _refused("shutterFail", "the shutter does not open; the card is where it was")
        if target in self.layout and not self._has_room(target):
            raise _refused("full", f"{target} has no room")
        await self.time((_EJECT if target in ("exit", "transport") else _RETAIN) / 2)
        if name is None:
            name = self.give(source)
        if self.faults.strikes("cardJamsLeaving"):
            self.shift(name, "transport")
            return devices.CardMoved("jammed", self._jam())
        bins = [unit for unit, one in self.layout.items() if one.type == "retain" and self._has_room(unit)]
        if target == "exit" and bins and self.faults.strikes("cardSwallowed"):
            self.shift(name, bins[0])
            return devices.CardMoved(bins[0], _refused("mediaRetained", f"the card is in {bins[0]}"))
        await self.time((_EJECT if target in ("exit", "transport") else _RETAIN) / 2)
        self.shift(name, target)
        if self.faults.strikes("readerBreaks"):
            self.show_place()
            raise RuntimeError("the simulated device class fails, as injected")
        self.show_place()
        if target == "exit":
            self.at_exit(name)
        return devices.CardMoved()

    def _at(self, place: str) -> str | None:
        state = self.state
        if place in ("exit", "transport"):
            found: str | None = getattr(state, place)
            return found
        return next(iter(state.units.get(place, [])), None)

    async def recall_card(self, operation: int) -> str | None:
        state = self.state
        if state.operation != operation:
            return None
        return "jammed" if state.jammed else str(state.place)

    async def reset(self, to: Any, unit: str | None, events: devices.MovingCard) -> devices.CardsReset:
        self.begin()
        self.session, self.field, self.passed = None, (), None
        state = self.state
        if self.reader_type == "permanent":
            return devices.CardsReset()
        name = state.transport or state.exit
        place = "exit" if state.exit is not None else "transport"
        state.operation, state.place = events.operation, place
        self.save()
        await self.time(_EJECT)
        if state.jammed and self.faults.active("cardStaysStuck"):
            return devices.CardsReset(("jammed",), _refused("mediaJam", "the card is still stuck"))
        state.jammed = state.latched = False
        self.save()
        if name is None:
            self.show_place()
            return devices.CardsReset()
        if self.reader_type != "motor":
            self.show_place()
            return devices.CardsReset(("transport",))
        return self._arrive(name, place, to, unit)

    def _arrive(self, name: str, place: str, to: str, unit: str | None) -> devices.CardsReset:
        """Bring a card that a reset has found to where it is wanted."""
        failure: errors.XfsError | None = None
        target = {"exit": "exit", "currentPosition": place, "auto": "exit"}.get(to, place)
        bins = [one for one, kind in self.layout.items() if kind.type == "retain" and self._has_room(one)]
        if to == "retain":
            wanted = [one for one in bins if unit in (None, one)]
            target = wanted[0] if wanted else place
            failure = None if wanted else _refused("retainBinFull", f"{unit or 'every bin'} is full")
        if target == "exit" and self.faults.active("entranceStuck"):
            target, failure = place, _refused("shutterFail", "the shutter does not open")
        self.shift(name, target)
        self.show_place()
        if target == "exit" and place != "exit":
            self.at_exit(name)
        return devices.CardsReset((target,), failure)

    async def chip_io(self, protocol: Any, data: bytes) -> bytes:
        self.begin()
        await self.time(_EXCHANGE)
        if self.contacted is None:
            raise _refused("noMedia", "the card was pulled out")
        if self.faults.strikes("chipForgets"):
            self.session = None
        if self.session is None:
            raise _refused("atrNotObtained", "the chip has lost its power")
        answer = self.session.answer(data)
        self.save()
        return answer

    async def chip_power(self, action: Any) -> bytes | None:
        self.begin()
        await self.time(_CHIP)
        name = self.contacted
        if name is None:
            raise _refused("noMedia", "there is no card")
        if action == "off":
            self.session = None
            return None
        found = self._reset_chip(name, self.card(name))
        if found.data is None:
            raise _refused("atrNotObtained", "the chip gives no ATR")
        return found.data

    # A reader with kernels.

    async def emv_cless_configure(self, configuration: devices.ContactlessConfiguration) -> None:
        self.require_power()
        self._configuration, self._kernel = configuration, None

    async def emv_cless_perform_transaction(
        self, data: bytes | None, events: devices.ContactlessEvents
    ) -> Mapping[Any, devices.ContactlessOutcome]:
        from xfs4iot.simulator.card_reader.chip import ChipSession
        from xfs4iot.simulator.card_reader.kernel import Kernel

        assert self._configuration is not None
        try:
            name, card = await self._tapped(events)
            if len(self.field) > 1:
                return {"chip": devices.ContactlessOutcome("multipleCards")}
            if card.chip is None or not card.chip.contactless:
                return {"chip": devices.ContactlessOutcome("endApplication")}
            session = ChipSession(card, self.memory(name), self.chance, "T=CL", "contactless")
            try:
                kernel = Kernel(session, self._configuration, data or b"", self.chance.randbytes(4))
                outcome = kernel.run()
            # Data of the card or the terminal did not parse; to a kernel that is the end of the application.
            except ValueError:
                return {"chip": devices.ContactlessOutcome("endApplication")}
            self.save()
            events.send(_told(2, "cardReadOk"))
            self.session = session
            self._kernel, self._paid = kernel, name
            return {"chip": outcome}
        finally:
            self.field = ()

    async def _tapped(self, events: devices.ContactlessEvents) -> tuple[str, Card]:
        """Wait for a tap, and tell how it goes."""
        self.begin()
        if not self.field:
            self.let_go()
        events.send(_told(1, "readyToRead"))
        offered = await self.next_in()
        name = offered.card or ""
        if not self.field:
            self.field = (name,)
        self.begin()
        events.send(_told(3, "processing"))
        await self.time(_TAP)
        if not self.field:
            raise _refused("noMedia", "the card was taken out of the field too early")
        return name, self.card(name)

    async def emv_cless_issuer_update(
        self, data: bytes | None, events: devices.ContactlessEvents
    ) -> devices.ContactlessOutcome | None:
        assert self._kernel is not None
        try:
            name, _ = await self._tapped(events)
            if name != self._paid:
                raise _refused("invalidMedia", "this is not the card of the transaction")
            outcome = self._kernel.update(data or b"")
            self.save()
            return outcome
        finally:
            self.field = ()


def _told(number: int, status: Any) -> messages.EMVClessReadStatusEvent:
    return messages.EMVClessReadStatusEvent(message_id=number, status=status, hold_time=0)


def _picture(text: str) -> bytes | None:
    """A PNG file of one side of a card."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise errors.HardwareError("the reader cannot draw: pip install 'xfs4iot[simulator]'") from None
    picture: Image.Image = Image.new("RGB", (428, 270), "#28465f")
    ImageDraw.Draw(picture).text((24, 24), text, fill="white", font_size=24)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
