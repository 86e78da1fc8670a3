"""End-to-end security: what a device that checks tokens in its own firmware is told.

Who checks is the vendor's choice. A device whose firmware holds the nonce and the key implements
`get_command_nonce`, `clear_command_nonce`, `check_token` and `present_token`. A device that
only keeps the key implements `token_key`, and the service does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal

from xfs4iot.dataclass import dataclass

__all__ = ["TokenUse"]


@dataclass(frozen=True)
class TokenUse:
    """What a token is to allow.

    Attributes:
        command: wire name of the command that carries it.
        amounts: of a dispense, what the items it will take from the units are worth, by currency;
            None if that is not certain.
        says: of other commands, what the token must say, by name (`SETPROTECTION`: `DISARM`).
    """

    command: str
    amounts: Mapping[str, Decimal] | None = None
    says: Mapping[str, str] = field(default_factory=dict)
