"""What the page is told about the ATM, its user, and the messages of the standard."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from xfs4iot import __version__
from xfs4iot.protocol import catalogue as catalogues
from xfs4iot.protocol import sensitive, versions
from xfs4iot.protocol.endpoints import PATH
from xfs4iot.server.access import Access
from xfs4iot.server.peer import Peer
from xfs4iot.server.service import Service

__all__ = ["MOVES_CASH", "atm", "catalogue", "masks"]

MOVES_CASH = frozenset(
    {
        "BanknoteNeutralization.SetProtection",
        "BanknoteNeutralization.TriggerNeutralization",
        "CashAcceptor.CashIn",
        "CashAcceptor.CashInEnd",
        "CashAcceptor.CashInRollback",
        "CashAcceptor.CashUnitCount",
        "CashAcceptor.CreateSignature",
        "CashAcceptor.Deplete",
        "CashAcceptor.PresentMedia",
        "CashAcceptor.Replenish",
        "CashDispenser.Count",
        "CashDispenser.Dispense",
        "CashDispenser.Present",
        "CashDispenser.Reject",
        "CashDispenser.TestCashUnits",
        "CashManagement.CalibrateCashUnit",
        "CashManagement.OpenShutter",
        "CashManagement.Reset",
        "CashManagement.Retract",
        "Storage.EndExchange",
        "Storage.SetStorage",
        "Storage.StartExchange",
    }
)
"""Commands that move cash, spoil it, or change its books: on real hardware the page asks again."""


@cache
def catalogue(specification: str) -> bytes:
    """Everything that a version of the standard says about its messages, as JSON.

    Raises:
        KeyError: there is no such version.
    """
    if specification not in versions.SPECIFICATIONS:
        raise KeyError(specification)
    return files(catalogues.__name__).joinpath(f"{specification}.json").read_bytes()


@cache
def masks() -> bytes:
    """By which names values are masked; see `xfs4iot.protocol.sensitive`."""
    return orjson.dumps(sensitive.rules())


def atm(
    services: Mapping[str, Service],
    endpoint: Service,
    access: Access,
    peer: Peer,
    simulator: Mapping[str, Any] | None,
    ledger: bool,
) -> dict[str, Any]:
    """What there is, and what this user may do with it.

    Args:
        services: by name.
        endpoint: the publisher's own.
        access: the rules.
        peer: the user.
        simulator: the messages of the service `Simulator`; None where there is none.
        ledger: whether the ledger's movements can be asked for.
    """
    return {
        "version": __version__,
        "path": PATH,
        "specifications": list(versions.SPECIFICATIONS),
        "simulated": simulator is not None,
        "simulator": simulator,
        "ledger": ledger,
        "movesCash": sorted(MOVES_CASH),
        "user": {"name": peer.rule, "may": access.patterns(peer)},
        "services": [
            {
                "name": one.name,
                "interfaces": list(one.interfaces),
                "commands": {name: access.permits(peer, name) for name in one.handlers},
            }
            for one in (endpoint, *services.values())
        ],
    }
