"""Card readers as vendors write them, each told by a test what its hardware does next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from dialogue import Dialogue
from xfs4iot import devices
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import card_reader as messages

__all__ = [
    "ATR",
    "FULL",
    "TRACK1",
    "TRACK2",
    "Contactless",
    "Dip",
    "Latched",
    "Motor",
    "Permanent",
    "Swipe",
    "counts",
    "media",
    "retained",
]

ATR = bytes.fromhex("3B2A008065A20102013172D643")
TRACK1 = b"B4761739001010010^CARDHOLDER/TEST^29122011"
TRACK2 = b"4761739001010010=29122011234567"


class Reader(devices.CardReader):
    """What all of them do.

    Attributes:
        sources, chips, verdict: what is read.
        arrives: the customer inserts a card.
        refuses: what an operation raises, by its name.
        hand: what happens while an operation runs, by its name.
        called: operations that were asked for, with their arguments.
    """

    read_tracks = frozenset({"track1", "track2", "track3"})
    chip_protocols = frozenset({"chipT0", "chipT1"})

    def __init__(self) -> None:
        super().__init__("CardReader")
        self.sources: dict[Any, devices.CardData] = {
            "track1": devices.CardData(TRACK1),
            "track2": devices.CardData(TRACK2),
            "track3": devices.CardData(status="dataMissing"),
        }
        self.chips = (devices.CardData(ATR),)
        self.verdict: Any = None
        self.arrives = trio.Event()
        self.refuses: dict[str, errors.XfsError] = {}
        self.hand: dict[str, Any] = {}
        self.called: list[tuple[Any, ...]] = []
        self.drawn_in = False

    async def _do(self, name: str, *arguments: Any) -> None:
        self.called.append((name, *arguments))
        if name in self.hand:
            await self.hand[name]()
        if name in self.refuses:
            raise self.refuses[name]

    async def accept_card(
        self, wanted: frozenset[Any], flux_inactive: bool, events: devices.CardEvents
    ) -> None:
        self.drawn_in = False
        self.events = events
        events.insert_card()
        await self.arrives.wait()
        await self._do("accept_card", wanted, flux_inactive)
        self.drawn_in = True

    async def read_card(self, wanted: frozenset[Any], events: devices.CardEvents) -> devices.CardContent:
        await self._do("read_card", wanted)
        events.track_detected({"track1", "track2"} if wanted & {"track1", "track2", "track3"} else ())
        return devices.CardContent(self.sources, self.chips if "chip" in wanted else (), self.verdict)

    async def reset(self, to: Any, unit: str | None, events: devices.MovingCard) -> devices.CardsReset:
        await self._do("reset", to, unit)
        return devices.CardsReset()

    async def chip_io(self, protocol: Any, data: bytes) -> bytes:
        await self._do("chip_io", protocol, data)
        return b"\x61\x1c"

    async def chip_power(self, action: Any) -> bytes | None:
        await self._do("chip_power", action)
        return None if action == "off" else ATR


class Motor(Reader, devices.Storage):
    """A motor reader with a bin, a stack and a parking station."""

    reader_type = "motor"
    read_tracks = frozenset(
        {"track1", "track2", "track3", "frontTrack1", "watermark", "ddi", "frontImage", "track1JIS"}
    )
    write_tracks = frozenset({"track1", "track2", "track3", "track1JIS"})
    write_mode = frozenset({"hico", "auto"})
    memory_chip_protocols = frozenset({"gpm896"})
    security_type = "cim86"
    card_taken_sensor = True

    def __init__(self) -> None:
        super().__init__()
        self.ifm_identifiers = {"emv": "IFM-1"}
        self.sees: str | None = None
        self.moved = devices.CardMoved()
        self.found: devices.CardsReset | None = None
        self.stopped: str | None = None

    async def units(self) -> Mapping[str, devices.StorageUnit]:
        return {
            "unitBIN": devices.CardUnit(type="retain", capacity=3, threshold=2),
            "unitBIN2": devices.CardUnit(type="retain", capacity=3),
            "unitNEW": devices.CardUnit(type="dispense", capacity=10, threshold=2, initial=4),
            "unitPARK": devices.CardUnit(type="park", capacity=1),
        }

    async def start_exchange(self) -> None:
        pass

    async def end_exchange(self) -> None:
        pass

    async def open(self) -> None:
        await super().open()
        if self.sees is not None:
            self.card_at(self.sees)

    async def stop_accepting(self) -> str | None:
        await self._do("stop_accepting")
        return self.stopped or ("transport" if self.drawn_in else None)

    async def write_card(self, tracks: Mapping[Any, devices.CardWrite], events: devices.CardEvents) -> None:
        await self._do("write_card", dict(tracks))

    async def move_card(self, source: str, target: str, events: devices.MovingCard) -> devices.CardMoved:
        await self._do("move_card", source, target)
        return self.moved

    async def reset(self, to: Any, unit: str | None, events: devices.MovingCard) -> devices.CardsReset:
        await super().reset(to, unit, events)
        if self.found is not None:
            return self.found
        if self.status.card_reader.media == "notPresent":
            return devices.CardsReset()
        place = {"exit": "exit", "retain": unit or "unitBIN"}.get(to, "transport")
        return devices.CardsReset((place,))

    async def set_key(self, key: bytes) -> None:
        await self._do("set_key", key)


class Latched(Reader):
    reader_type = "latchedDip"

    async def move_card(self, source: str, target: str, events: devices.MovingCard) -> devices.CardMoved:
        await self._do("move_card", source, target)
        return devices.CardMoved()


class Dip(Reader):
    reader_type = "dip"


class Swipe(Reader):
    reader_type = "swipe"
    chip_protocols = frozenset()


class Permanent(devices.CardReader):
    """A chip that is built in."""

    reader_type = "permanent"
    chip_protocols = frozenset({"chipT0"})

    async def chip_power(self, action: Any) -> bytes | None:
        return None if action == "off" else ATR

    async def chip_io(self, protocol: Any, data: bytes) -> bytes:
        return b"\x90\x00"


class Contactless(devices.CardReader):
    """A reader with kernels inside."""

    reader_type = "intelligentContactless"
    emv_applications = (
        devices.ContactlessApplication(bytes.fromhex("A0000000031010"), b"\x03"),
        devices.ContactlessApplication(bytes.fromhex("A0000000041010")),
    )

    def __init__(self) -> None:
        super().__init__("CardReader")
        self.outcomes: dict[Any, devices.ContactlessOutcome] = {
            "chip": devices.ContactlessOutcome("onlineRequest", data=b"\x9f\x26\x08ABCDEFGH")
        }
        self.update: devices.ContactlessOutcome | None = devices.ContactlessOutcome("approve")
        self.refuses: dict[str, errors.XfsError] = {}
        self.configured: list[devices.ContactlessConfiguration] = []
        self.taps = True

    def _do(self, name: str) -> None:
        if name in self.refuses:
            raise self.refuses[name]

    async def emv_cless_configure(self, configuration: devices.ContactlessConfiguration) -> None:
        self._do("configure")
        self.configured.append(configuration)

    async def emv_cless_perform_transaction(
        self, data: bytes | None, events: devices.ContactlessEvents
    ) -> Mapping[Any, devices.ContactlessOutcome]:
        events.send(messages.EMVClessReadStatusEvent(message_id=1, status="readyToRead", hold_time=0))
        if not self.taps:
            await trio.sleep_forever()
        self._do("perform")
        return self.outcomes

    async def emv_cless_issuer_update(
        self, data: bytes | None, events: devices.ContactlessEvents
    ) -> devices.ContactlessOutcome | None:
        self._do("update")
        return self.update

    async def reset(self, to: Any, unit: str | None, events: devices.MovingCard) -> devices.CardsReset:
        return devices.CardsReset()


async def media(client: Dialogue) -> Any:
    """Where the service says that the card is; None where it does not."""
    return (await client.success("Common.Status"))["cardReader"].get("media")


async def counts(client: Dialogue) -> dict[str, int]:
    """Cards by unit, as the books have them."""
    units = (await client.success("Storage.GetStorage"))["storage"]
    return {name: unit["card"]["status"]["count"] for name, unit in units.items()}


async def retained(client: Dialogue) -> int:
    """How many of the stack's cards were retained."""
    units = (await client.success("Storage.GetStorage"))["storage"]
    found: int = units["unitNEW"]["card"]["status"]["retainCount"]
    return found


FULL = {"unitBIN": 0, "unitBIN2": 0, "unitNEW": 4, "unitPARK": 0}
"""The counts of a `Motor` that has not moved anything."""
