"""What tests of Check share: taking cheques in, the state of the transaction, the counts of its units."""

from __future__ import annotations

from typing import Any

from dialogue import Dialogue
from scanners import Scanner

FRONT = {"source": "front", "type": "jpg", "colorFormat": "grayScale", "scanColor": "white"}
ALL = {"codelineFormat": "e13b", "image": [FRONT]}


async def do(client: Dialogue, name: str, payload: Any = None) -> dict[str, Any]:
    return await client.success(f"Check.{name}", payload)


async def cannot(client: Dialogue, name: str, payload: Any = None, **header: Any) -> str:
    return await client.failure(f"Check.{name}", payload, **header)


async def take_in(client: Dialogue, device: Scanner, *slot: str) -> dict[str, Any]:
    device.slot = list(slot or ("good", "good", "good"))
    return await do(client, "MediaIn", ALL)


async def state(client: Dialogue) -> str:
    found: str = (await do(client, "GetTransactionStatus"))["mediaInTransaction"]
    return found


async def counts(client: Dialogue) -> dict[str, tuple[int, int, int] | None]:
    """By unit; None if they are not known."""
    units = (await client.success("Storage.GetStorage"))["storage"]
    found = {name: unit["check"]["status"].get("in") for name, unit in units.items()}
    return {
        name: None if one is None else (one["mediaInCount"], one["count"], one["retractOperations"])
        for name, one in found.items()
    }


EMPTY = {"unit1": (0, 0, 0), "unit2": (0, 0, 0), "unitR": (0, 0, 0)}
UNKNOWN = EMPTY | {"unit1": None, "unit2": None}
