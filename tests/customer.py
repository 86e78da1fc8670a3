"""A customer for attended cases: does at a simulated ATM what he is asked for, through `Simulator`."""

from __future__ import annotations

from typing import Any

import xfs4iot
from xfs4iot import client
from xfs4iot.conformance import Act
from xfs4iot.protocol.endpoints import service_uri

__all__ = ["ACTS", "Customer"]

ACTS: dict[str, tuple[str, dict[str, Any]] | None] = {
    "insertCard": ("Simulator.InsertCard", {"card": "stripe"}),
    "takeCard": ("Simulator.TakeCard", {}),
    "insertNotes": ("Simulator.InsertNotes", {"notes": [{"note": "EUR20", "count": 3}, {"note": "EUR50"}]}),
    "takeNotes": ("Simulator.TakeItems", {}),
    "leaveNotes": None,
    "pressKeys": ("Simulator.PressPinPadKeys", {}),
    "pressTerminalKeys": ("Simulator.PressKeys", {}),
    "showBarcode": (
        "Simulator.ShowBarcode",
        {"symbology": "ean13", "text": "5901234123457", "lasts": 2000},
    ),
    "presentFinger": ("Simulator.PresentFinger", {"finger": "alice", "lasts": 300}),
    "insertCheque": ("Simulator.InsertCheques", {"items": [{}]}),
    "takeCheque": ("Simulator.TakeCheques", {}),
    "insertEnvelope": ("Simulator.InsertEnvelope", {}),
    "openSafeDoor": ("Simulator.SetAuxiliary", {"name": "safeDoor", "value": "open"}),
    "closeSafeDoor": ("Simulator.SetAuxiliary", {"name": "safeDoor", "value": "closed"}),
    "takePrintout": ("Simulator.TakePrintouts", {"service": "ReceiptPrinter"}),
}
"""What `Simulator` is told for each act; None for what is just left alone."""


class Customer:
    """A person who does everything at once, and says so.

    Attributes:
        idle: whether he only watches, and says that he did nothing.
    """

    def __init__(self, port: int, seconds: float = 6.0, *, idle: bool = False) -> None:
        self.seconds = seconds
        self.idle = idle
        self.asked: list[Act] = []
        self._port = port

    async def ready(self, case: str, title: str) -> str:
        return ""

    async def please(self, act: Act) -> None:
        self.asked.append(act)
        what = ACTS[act.name]
        if what is None or self.idle:
            return
        command, payload = what
        if act.keys:
            payload = {"keys": list(act.keys)}
        uri = service_uri("ws", "127.0.0.1", self._port, "Simulator")
        async with xfs4iot.connect(uri) as simulator:
            try:
                await simulator.call(command, payload, timeout=10)
            except client.CommandFailed as failed:
                # A mutant may have left nothing there to take.
                if failed.completion_code != "sequenceError":
                    raise

    async def did(self, act: Act) -> bool:
        return not self.idle
