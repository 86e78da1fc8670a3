"""Which commands move money, cards or paper, or change what is on the books: not replayed by accident."""

from __future__ import annotations

from xfs4iot.protocol.index import COMMANDS

__all__ = ["moves", "only_looks"]

_INTERFACES = {
    "BanknoteNeutralization",
    "CardReader",
    "CashAcceptor",
    "CashDispenser",
    "CashManagement",
    "Check",
    "Deposit",
    "KeyManagement",
    "MixedMedia",
    "Printer",
    "Storage",
}
"""Whose commands move something, or cannot be taken back, but for those that only look."""
_LOOKS = ("Get", "Query", "Denominate")
_DOES_MORE = {"Check.GetNextItem", "Common.GetCommandNonce", "PinPad.GetPinBlock"}
"""Named as if they looked: a cheque moves, a nonce takes the place of another, a PIN is used up."""
_ALSO_LOOKS = {"Common.Status", "Common.Capabilities"}


def moves(command: str) -> bool:
    """Whether a command may move something, or change counts or keys."""
    interface, _, name = command.partition(".")
    return interface in _INTERFACES and (command in _DOES_MORE or not name.startswith(_LOOKS))


def only_looks(command: str) -> bool:
    """Whether a command is known to change nothing at all, not even a lamp, a mode or a lock of a door.

    For whoever sends one command to many devices: what is in no standard does not only look.
    """
    if command in _ALSO_LOOKS:
        return True
    return command in COMMANDS and command.partition(".")[2].startswith(_LOOKS) and command not in _DOES_MORE
