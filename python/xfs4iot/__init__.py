"""XFS4IoT (CWA 17852): services for ATM devices, and clients of them.

A vendor writes a device class (`xfs4iot.devices`) and publishes it:

    publisher = xfs4iot.Publisher([xfs4iot.Service(MyDispenser("CashDispenser"))])
    trio.run(publisher.serve)

An application connects and calls:

    async with xfs4iot.connect("atm17.bank.example", "CashDispenser", ca="bank.pem") as dispenser:
        answer = await dispenser.call("Common.Status")
"""

from __future__ import annotations

from importlib import import_module

# `typing` has its price, and is needed only by type checkers, which know this name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from xfs4iot import denominate, tokens
    from xfs4iot._core import __version__
    from xfs4iot.assembly import Publisher, Service
    from xfs4iot.client import (
        CallError,
        Client,
        CommandFailed,
        CommandRefused,
        Disconnected,
        Event,
        EventsLost,
        NotFound,
        connect,
        discover,
    )
    from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
    from xfs4iot.ledger import Ledger

__all__ = [
    "CallError",
    "Client",
    "CommandFailed",
    "CommandRefused",
    "Disconnected",
    "EndToEndSecurity",
    "Event",
    "EventsLost",
    "Ledger",
    "NotFound",
    "Publisher",
    "Service",
    "__version__",
    "connect",
    "denominate",
    "discover",
    "tokens",
]

_HOMES = {
    "EndToEndSecurity": "xfs4iot.interfaces.common.end_to_end_security",
    "Ledger": "xfs4iot.ledger",
    "Publisher": "xfs4iot.assembly",
    "Service": "xfs4iot.assembly",
    # The program imports this package before it can hold signals: what takes time comes later.
    "__version__": "xfs4iot._core",
}
"""Where a public name is defined, if not in the client; imported when it is first used."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("denominate", "tokens"):
        return import_module(f"xfs4iot.{name}")
    value = getattr(import_module(_HOMES.get(name, "xfs4iot.client")), name)
    globals()[name] = value
    return value
