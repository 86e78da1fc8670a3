"""Presenting what is returned: where it can be, and whether there is anything to be presented."""

from __future__ import annotations

from typing import Any

from xfs4iot.interfaces.cash.accepting import Accepting
from xfs4iot.interfaces.cash.positions import output_position, require_empty_output, status_of
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.server.handler import check

__all__ = [
    "items_to_present",
    "named_output_empty",
    "output_exists",
    "presented_by_command",
    "units_not_exchanged",
]


def _by_returning(on: Accepting, position: str) -> bool:
    """Whether items are presented at a position by the command that returns them."""
    known = on.device.capabilities.cash_acceptor.positions or ()
    return next((one.present_control is not False for one in known if one.position == position), True)


@check("unsupportedPosition")
def output_exists(on: Accepting, request: Any) -> None:
    """the position: an output"""
    output_position(on.device, request.position)


@check("unsupportedPosition")
def presented_by_command(on: Accepting, request: messages.PresentMedia) -> None:
    """the position: an output at which items are presented by this command"""
    position = output_position(on.device, request.position)
    if _by_returning(on, position):
        raise errors.CommandError(
            "unsupportedPosition", f"at {position} items are presented by the command that returns them"
        )


@check("positionNotEmpty")
def named_output_empty(on: Accepting, request: messages.PreparePresent) -> None:
    """items at the position"""
    require_empty_output(on.device, output_position(on.device, request.position))


@check("noItems")
def items_to_present(on: Accepting, request: Any) -> None:
    """whether there is anything to be presented"""
    at = status_of(on.device, output_position(on.device, request.position))
    outside = at is None or at.position_status != "empty"
    if not on.cash.counts.inside() and not outside and on.transaction.record.reliable:
        raise errors.CommandError("noItems", "there is nothing to be presented; see GetPresentStatus")


@check("sequenceError", name="no_exchange")
def units_not_exchanged(on: Accepting, request: object) -> None:
    """an exchange"""
    if on.cash.storage.exchange_active:
        raise errors.SequenceError("units are being exchanged; see Storage.EndExchange")
