"""Which commands move money, cards or paper, or change what is on the books: not replayed by accident."""

from __future__ import annotations

__all__ = ["moves"]

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


def moves(command: str) -> bool:
    """Whether a command may move something, or change counts or keys."""
    interface, _, name = command.partition(".")
    return interface in _INTERFACES and not name.startswith(_LOOKS)
