"""What can go wrong with the simulated printer."""

from __future__ import annotations

from collections.abc import Mapping

from xfs4iot.simulator.faults import Fault

__all__ = ["FAULTS"]

FAULTS: Mapping[str, Fault] = {
    "paperJams": Fault("once", "the next page is stuck in its middle: `paperJammed` until Reset"),
    "mediaJams": Fault("once", "the next medium that is moved is stuck: `mediaJammed` until Reset"),
    "mediaStaysStuck": Fault("lasts", "Reset does not free what is stuck"),
    "cutterFails": Fault("once", "the cutter is stuck at the next cut: `paperJammed` until Reset"),
    "exitStuck": Fault("lasts", "the shutter does not move: `shutterFail`"),
    "markMissed": Fault("once", "the next black mark is not found: `blackMark`"),
    "pageDoesNotTurn": Fault("once", "the next page of a passbook does not turn: `pageTurnFail`"),
    "mediaDoesNotTurn": Fault("once", "the next medium is not turned over: `mediaTurnFail`"),
    "stripeUnwritable": Fault("once", "the next stripe cannot be read or written: `msfError`"),
    "printBlurred": Fault("once", "what is read next cannot be read"),
    "printerHangs": Fault("once", "the next movement does not come to an end"),
    "printerBreaks": Fault("once", "the device class raises in the middle of the next movement of media"),
    "printerOffline": Fault("lasts", "`device: offline`; everything ends `deviceNotReady`"),
    "printerPowerOff": Fault("lasts", "`device: powerOff`; everything ends `deviceNotReady`"),
}
