"""MixedMedia: what a vendor writes for a device that takes in notes and cheques through one slot.

class MyDeposits(devices.MixedMedia):
    stacker_capacity = max_media_on_stacker = 100

    async def units(self):
        one = {"index": 1, "capacity": 900}
        notes = devices.CashUnit(types=frozenset({"cashIn"}), cash_items=("typeEUR20",), **one)
        cheques = devices.CheckUnit(types=frozenset({"mediaIn"}), **one)
        return {"unit1": (notes, cheques)}

    async def set_mode(self, cash, check):
        await self.port.accept(cash, check)

    async def cash_in(self, request, events):
        bunch = await self.port.take_in()  # both kinds; the cheques wait for media_in
        return devices.CashedIn(moved=devices.items_inserted(bunch.notes))

Everything else is as of `devices.CashAcceptor` and `devices.Check`.
"""

from __future__ import annotations

from typing import Any, Literal

from xfs4iot.devices._operation import operation
from xfs4iot.devices._parts import derived
from xfs4iot.devices.cash_acceptor import CashAcceptor
from xfs4iot.devices.check import Check
from xfs4iot.protocol.messages import mixed_media as messages

__all__ = ["MixedMedia"]


def _modes(device: Any) -> messages.Modes:
    """All that it can take it takes, until it says otherwise."""
    return messages.Modes(
        cash_accept="cashAccept" in device.media_modes, check_accept="checkAccept" in device.media_modes
    )


class MixedMedia(
    CashAcceptor,
    Check,
    messages=messages,
    capabilities={"modes": "media_modes", "dynamic": "dynamic_modes"},
    status={"modes": derived(_modes)},
    needs=(("set_mode",),),
):
    """A device that takes in notes and cheques in one bunch.

    The service keeps two transactions, one for each kind, and books what each moves. One bunch may hold both:
    whichever of `cash_in` and `media_in` is called first draws it in and reports what is of its kind, the
    other then reports the rest, without opening the slot again. What is of a kind that is not accepted now is
    refused. A reset of either kind clears the whole device: the service calls `reset` and `reset_media`.

    A device whose modes are not all on at the start sets `status.mixed_media.modes` in `open`.

    Attributes:
        media_modes: what it can take.
        dynamic_modes: whether the modes may change while a transaction is active.
    """

    media_modes: frozenset[Literal["cashAccept", "checkAccept"]] = frozenset({"cashAccept", "checkAccept"})
    dynamic_modes: bool = False

    @operation
    async def set_mode(self, cash: bool, check: bool) -> None:
        """`MixedMedia.SetMode`: from now on accept notes, cheques, both or none; the service shows it.

        Raises:
            CommandError: `transactionActive`, if the device knows of one that the service does not.
        """
        raise NotImplementedError
