"""What counts as an amount of money, wherever a client gives one.

JSON knows numbers of any length. Amounts are refused before anything is reckoned with them, so
that arithmetic with all others is exact within `Decimal`'s 28 digits, and the solver can take any.
"""

from __future__ import annotations

from decimal import Decimal

__all__ = ["is_exact", "is_item_value", "is_possible"]

_LARGEST = Decimal(10) ** 14
_SMALLEST = Decimal("0.00001")


def is_possible(amount: Decimal) -> bool:
    """Whether a device could hold as much at all."""
    # Not abs(), which rounds to the context's precision.
    return amount.copy_abs() <= _LARGEST


def is_exact(amount: Decimal) -> bool:
    """Whether an amount that is possible has five decimals at most."""
    return amount == amount.quantize(_SMALLEST)


def is_item_value(value: Decimal) -> bool:
    """Whether an item can be worth as much; tokens may be worth nothing."""
    # In this order: `quantize` raises where a result has more digits than the context allows.
    return value >= 0 and is_possible(value) and is_exact(value)
