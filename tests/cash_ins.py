"""What tests of a cash-in share: failures, the state, the status, events; see `acceptors` for the devices."""

from __future__ import annotations

from typing import Any

from acceptors import do
from dialogue import Dialogue


async def cannot(client: Dialogue, name: str, payload: Any = None, **header: Any) -> str:
    return await client.failure(f"CashAcceptor.{name}", payload, **header)


async def state(client: Dialogue) -> str:
    found: str = (await do(client, "GetCashInStatus"))["status"]
    return found


async def places(client: Dialogue) -> dict[str, Any]:
    found: dict[str, Any] = (await client.success("Common.Status"))["cashAcceptor"]
    return found


def events(client: Dialogue, name: str) -> list[dict[str, Any]]:
    return [one.get("payload") or {} for one in client.passed if one["header"]["name"] == name]


LIMITS = {"totalItemsLimit": 3, "amountLimit": [{"currency": "EUR", "value": 100.5}]}
A, B = ({"noteType": "typeEUR20", "signature": data} for data in ("YSBub3Rl", "YW5vdGhlcg=="))
COMPARED = {"referenceSignatures": [A], "signatures": [B, A]}
