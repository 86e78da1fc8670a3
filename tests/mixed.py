"""A simulated device for notes and cheques, as tests use it: what is inserted, and where it must be."""

from __future__ import annotations

from typing import Any

from cash import content
from simulated import Bench

__all__ = ["CHEQUE", "Mixed", "note"]

CHEQUE: dict[str, Any] = {}


def note(value: int = 20) -> dict[str, Any]:
    return {"kind": "banknote", "value": value}


class Mixed(Bench):
    """The simulated device."""

    service = "MixedMedia"

    def _whole(self, name: str) -> str:
        return name if "." in name else f"CashAcceptor.{name}" if name.startswith("Cash") else f"Check.{name}"

    async def insert(self, *items: dict[str, Any]) -> None:
        await self.hand("InsertCheques", items=list(items))

    async def mode(self, **modes: bool) -> None:
        await self.do("MixedMedia.SetMode", {"modes": modes})

    async def modes(self) -> dict[str, bool]:
        found: dict[str, bool] = (await self.status("mixedMedia"))["modes"]
        return found

    async def states(self) -> tuple[str, str]:
        """Of the cash-in, and of the media-in."""
        cash = (await self.do("CashAcceptor.GetCashInStatus"))["status"]
        return cash, (await self.do("GetTransactionStatus"))["mediaInTransaction"]

    async def conserved(self, inserted: int, taken: int = 0) -> None:
        """Each item is at one place, and the books of both kinds agree with where they are."""
        truth, units = await self.truth(), await self.units()
        held = sum(truth[place] for place in ("slot", "stacker", "waiting", "refused", "presented"))
        held += truth["notes"] + truth["notesAside"] + truth["chequesAside"] + sum(truth["units"].values())
        held += sum(sum(notes.values()) for notes in truth["notesStored"].values())
        assert held == inserted - taken
        for name, unit in units.items():
            assert unit["check"]["status"]["in"]["count"] == truth["units"][name], (name, unit)
            stored = truth["notesStored"].get(name, {})
            assert content(unit["cash"]) == sum(stored.values()), (name, unit)
