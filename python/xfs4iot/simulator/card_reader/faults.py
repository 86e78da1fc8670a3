"""What can go wrong with the simulated card reader."""

from __future__ import annotations

from collections.abc import Mapping

from xfs4iot.simulator.faults import Fault

__all__ = ["FAULTS"]

FAULTS: Mapping[str, Fault] = {
    "cardJamsEntering": Fault("once", "the next card is stuck on its way in"),
    "cardJamsLeaving": Fault("once", "the next card is stuck on its way out or into a unit"),
    "cardStaysStuck": Fault("lasts", "a Reset does not get a stuck card loose"),
    "cardSwallowed": Fault("once", "the next card on its way out goes into the retain unit instead"),
    "entranceStuck": Fault("lasts", "the shutter does not move"),
    "stripeUnreadable": Fault("once", "the next stripe is read with wrong parity on all tracks"),
    "swipedTooFast": Fault("once", "the next stripe is read too short on all tracks"),
    "writeFails": Fault("once", "what the next write has written is not what is read back"),
    "chipMute": Fault("once", "the next reset of a chip gives no ATR"),
    "chipForgets": Fault("once", "the chip is reset in the middle of its dialogue"),
    "securityFails": Fault("lasts", "the security module cannot look at a card"),
    "readerPowerOff": Fault(
        "lasts",
        "the reader has no power; what it was doing ends, and when power is back "
        "it does with a card what `power_on` says",
    ),
    "readerOffline": Fault("lasts", "the reader cannot be reached"),
    "readerBlind": Fault("lasts", "the sensors do not see where a card is"),
    "readerBreaks": Fault("once", "the device class raises after the next movement, before it tells of it"),
    "readerHangs": Fault("once", "the next movement does not come to an end"),
    "skimmer": Fault("lasts", "the anti-fraud module has found something at the entrance"),
}
