"""Real chip card readers: any that PC/SC knows, on Linux, macOS and Windows (`pip install 'xfs4iot[pcsc]'`).

    [[service]]
    name = "CardReader"
    device = "pcsc"
    options = { reader = "Omnikey", type = "dip" }

A card in such a reader is always in contact, so the reader is a `dip`, `contactless`, or has a built-in
chip (`permanent`). PC/SC reads chips only, not magnetic stripes.

PC/SC calls block, so each runs in a thread. One context watches for cards all the time, another holds the
connection to the card, because a context serves one call at a time. Unplugging the reader makes the device
`offline` until the reader is back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import trio

from xfs4iot import devices
from xfs4iot.protocol import errors

__all__ = ["PcscCardReader"]


# Bounded, since a thread inside PC/SC cannot be interrupted; this is how long an abandoned one lives on.
_WATCH_MS = 500
_PAUSE_SECONDS = 0.5
_UID = bytes.fromhex("FFCA000000")
"""What a reader is asked for the identification of a contactless card (PC/SC part 3, 3.2.2.1.3)."""
_TYPES = ("dip", "contactless", "permanent")


class PcscCardReader(devices.CardReader):
    """A chip reader behind PC/SC.

    Options:
        reader: part of its name as PC/SC lists it; by default the first reader.
        type: `dip` (the default), `contactless` or `permanent`.
    """

    card_taken_sensor = True
    service_version = "1.0"

    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, options)
        kind = self.options.get("type", "dip")
        if kind not in _TYPES:
            raise ValueError(f"options.type: {kind!r} is not one of {', '.join(_TYPES)}")
        self.reader_type = kind
        if kind == "contactless":
            self.chip_protocols = frozenset({"chipTypeAPart4", "chipProtocolNotRequired"})
        else:
            self.chip_protocols = frozenset({"chipT0", "chipT1", "chipProtocolNotRequired"})
        self._pcsc: Any = None
        self._reader = ""
        self._watching: Any = None
        self._context: Any = None
        self._card: Any = None
        self._protocol = 0
        self._here: bool | None = False
        """Whether a card is there; None while the reader cannot be asked."""
        self._changed = trio.Event()

    async def open(self) -> None:
        try:
            # pyscard is an optional extra: the module must be importable without it.
            from smartcard import scard
        except ImportError:
            raise errors.HardwareError("PC/SC needs pyscard: pip install 'xfs4iot[pcsc]'") from None
        self._pcsc = scard
        await self._begin()
        await self._show(await self._state())
        await super().open()

    async def _begin(self) -> None:
        """Find the reader, in new contexts: old ones are void after a restart of the PC/SC service."""
        await self.close()
        self._watching = await self._do("SCardEstablishContext", self._pcsc.SCARD_SCOPE_USER)
        self._context = await self._do("SCardEstablishContext", self._pcsc.SCARD_SCOPE_USER)
        self._reader = await self._find()

    async def close(self) -> None:
        await self._let_go()
        for context in (self._watching, self._context):
            if context is not None:
                await self._call("SCardReleaseContext", context)
        self._watching = self._context = None

    async def run(self) -> None:
        """Watch cards and readers come and go."""
        while True:
            try:
                state = await self._state()
                await self._show(state)
                if self.status.common.device == "offline":
                    self.status.common.device = "online"
                # PC/SC returns at once if this differs from what it sees by now, so no change is missed in
                # between.
                change = (self._reader, state)
                await self._call("SCardGetStatusChange", self._watching, _WATCH_MS, [change], abandon=True)
            except errors.DeviceNotReady as fault:
                # Logged once per outage, not at every attempt to get the reader back.
                if self.status.common.device != "offline":
                    self.log.error("%s", fault)
                self.status.common.device = "offline"
                self._sees(None)
                if self.reader_type != "permanent":
                    self.card_at("unknown")
                await self._let_go()
                await trio.sleep(_PAUSE_SECONDS)
                with suppress(errors.XfsError):
                    await self._begin()

    async def _show(self, state: int) -> None:
        """Report what has become of the card."""
        here = bool(state & self._pcsc.SCARD_STATE_PRESENT)
        if here == self._here:
            return
        before = self._here
        self._sees(here)
        # A chip that is built in neither comes nor goes for a client.
        if self.reader_type == "permanent":
            return
        if here:
            self.card_at("transport")
            return
        if self.reader_type == "dip" and before:
            self.card_taken()
        else:
            self.card_at(None)
        # The handle outlives the card: left alone, each card would leave one behind with the daemon.
        await self._let_go()

    def _sees(self, here: bool | None) -> None:
        self._here = here
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _find(self) -> str:
        """The name of the wanted reader."""
        wanted = str(self.options.get("reader", ""))
        result, *found = await self._call("SCardListReaders", self._watching, [])
        names = found[0] if result == 0 and found else []
        for name in names:
            if wanted.lower() in name.lower():
                return str(name)
        raise errors.DeviceNotReady(
            f"PC/SC knows no reader {wanted!r}; it knows {', '.join(names) or 'none'}; plug it in, "
            "and see that pcscd runs"
        )

    async def _state(self) -> int:
        pcsc = self._pcsc
        change = (self._reader, pcsc.SCARD_STATE_UNAWARE)
        found = await self._do("SCardGetStatusChange", self._watching, 0, [change])
        # The bit only reports a difference; it must not be part of the state that is passed back in.
        state: int = found[0][1] & ~pcsc.SCARD_STATE_CHANGED
        if state & (pcsc.SCARD_STATE_UNKNOWN | pcsc.SCARD_STATE_UNAVAILABLE | pcsc.SCARD_STATE_IGNORE):
            raise errors.DeviceNotReady(f"the reader {self._reader} is unplugged")
        return state

    async def _call(self, name: str, *arguments: Any, abandon: bool = False) -> Any:
        """Call PC/SC in a thread: its result code, and whatever else it returns."""
        function = getattr(self._pcsc, name)
        found = await trio.to_thread.run_sync(partial(function, *arguments), abandon_on_cancel=abandon)
        # pyscard gives a bare result code where a call has nothing else to give.
        return found if isinstance(found, (list, tuple)) else [found]

    async def _do(self, name: str, *arguments: Any) -> Any:
        """What a successful call returns.

        Raises:
            XfsError: the call failed.
        """
        result, *found = await self._call(name, *arguments)
        if result != 0:
            raise self._failed(name, result)
        return found[0] if len(found) == 1 else tuple(found)

    def _failed(self, name: str, result: int) -> errors.XfsError:
        """How a command ends after a failed PC/SC call."""
        pcsc = self._pcsc
        text = f"{name}: {pcsc.SCardGetErrorMessage(result)}"
        if result in (pcsc.SCARD_W_REMOVED_CARD, pcsc.SCARD_E_NO_SMARTCARD):
            return errors.CommandError("noMedia", text)
        if result in (pcsc.SCARD_W_UNRESPONSIVE_CARD, pcsc.SCARD_W_UNPOWERED_CARD, pcsc.SCARD_W_RESET_CARD):
            return errors.CommandError("atrNotObtained", text)
        if result == pcsc.SCARD_W_UNSUPPORTED_CARD:
            return errors.CommandError("invalidMedia", text)
        gone = (
            pcsc.SCARD_E_NO_SERVICE,
            pcsc.SCARD_E_SERVICE_STOPPED,
            pcsc.SCARD_E_UNKNOWN_READER,
            pcsc.SCARD_E_READER_UNAVAILABLE,
            pcsc.SCARD_E_NO_READERS_AVAILABLE,
            pcsc.SCARD_E_INVALID_HANDLE,
        )
        return errors.DeviceNotReady(text) if result in gone else errors.HardwareError(text)

    async def accept_card(
        self, wanted: frozenset[Any], flux_inactive: bool, events: devices.CardEvents
    ) -> None:
        events.insert_card()
        while not self._here:
            if self._here is None:
                raise errors.DeviceNotReady("the reader is gone; see Common.Status")
            await self._changed.wait()
        events.media_inserted()

    async def stop_accepting(self) -> str | None:
        return "transport" if self._here else None

    async def read_card(self, wanted: frozenset[Any], events: devices.CardEvents) -> devices.CardContent:
        try:
            atr = await self._connect("cold")
        except errors.CommandError as fault:
            if fault.error_code != "atrNotObtained":
                raise
            return devices.CardContent(chips=(devices.CardData(status="dataMissing"),))
        if self.reader_type == "contactless":
            answer = await self._transmit(_UID)
            if len(answer) > 2 and answer[-2:] == b"\x90\x00":
                return devices.CardContent(chips=(devices.CardData(answer[:-2]),))
        return devices.CardContent(chips=(devices.CardData(atr),))

    async def _connect(self, action: str) -> bytes:
        """Reset the chip; its ATR."""
        pcsc = self._pcsc
        # The reader picks one of the two; `_transmit` must then use the header of that one.
        protocols = pcsc.SCARD_PROTOCOL_T0 | pcsc.SCARD_PROTOCOL_T1
        if self._card is None:
            self._card, self._protocol = await self._do(
                "SCardConnect", self._context, self._reader, pcsc.SCARD_SHARE_EXCLUSIVE, protocols
            )
        else:
            how = pcsc.SCARD_UNPOWER_CARD if action == "cold" else pcsc.SCARD_RESET_CARD
            try:
                self._protocol = await self._do(
                    "SCardReconnect", self._card, pcsc.SCARD_SHARE_EXCLUSIVE, protocols, how
                )
            except errors.XfsError:
                await self._let_go()
                raise
        *_, atr = await self._do("SCardStatus", self._card)
        return bytes(atr)

    async def _let_go(self) -> None:
        """Disconnect from the chip and power it off."""
        # Forgotten before the call, so that a handle is never disconnected twice.
        card, self._card = self._card, None
        if card is not None:
            await self._call("SCardDisconnect", card, self._pcsc.SCARD_UNPOWER_CARD)

    async def _transmit(self, data: bytes) -> bytes:
        pcsc = self._pcsc
        if self._card is None:
            raise errors.CommandError("atrNotObtained", "the chip has no power")
        header = pcsc.SCARD_PCI_T1 if self._protocol == pcsc.SCARD_PROTOCOL_T1 else pcsc.SCARD_PCI_T0
        return bytes(await self._do("SCardTransmit", self._card, header, list(data)))

    async def chip_io(self, protocol: Any, data: bytes) -> bytes:
        return await self._transmit(data)

    async def chip_power(self, action: Any) -> bytes | None:
        if action == "off":
            await self._let_go()
            return None
        return await self._connect(action)

    async def move_card(self, source: str, target: str, events: devices.MovingCard) -> devices.CardMoved:
        await self._let_go()
        return devices.CardMoved()

    async def reset(self, to: Any, unit: str | None, events: devices.MovingCard) -> devices.CardsReset:
        await self._let_go()
        return devices.CardsReset(("transport",) if self._here and self.reader_type == "dip" else ())
