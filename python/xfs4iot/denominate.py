"""Denomination: which items from which units make up amounts of money, exactly.

    >>> from xfs4iot.denominate import Unit, denominate
    >>> units = [Unit("CASS1", "EUR", 50, 200), Unit("CASS2", "EUR", 20, 3000)]
    >>> denominate(210, units).values
    {'CASS1': 3, 'CASS2': 3}

Of units that are asked again and again a `Stock` is quicker, which has read them:

    >>> Stock(units).denominate(210).items
    6

Money is exact: `int`, `Decimal`, or text where a `Unit` is made; five decimals at most, and a
`float` is refused. A mix is `"minimumBills"`, `"equalEmptying"`, `"maxCashUnits"` (the
standard's algorithms) or a house's own `MixTable`. docs/denominate.md states what each one
minimises and how ties are broken; the solver and the proof that its answers are best are in
`rust/src/denominate`.

Every failure is a `DenominateError` (a `ValueError`) whose `error_code` is the standard's, except
for `WorkLimit`: it says that the answer is not known, and has the completion code `internalError`.
"""

from xfs4iot._core import (
    AmountNotInMixTable,
    DenominateError,
    Denomination,
    InvalidCurrency,
    InvalidDenomination,
    MixRow,
    MixTable,
    NoCurrencyMix,
    NotDispensable,
    Stock,
    TooManyItems,
    Unit,
    WorkLimit,
    denominate,
    nearest,
)

__all__ = [
    "AmountNotInMixTable",
    "DenominateError",
    "Denomination",
    "InvalidCurrency",
    "InvalidDenomination",
    "MixRow",
    "MixTable",
    "NoCurrencyMix",
    "NotDispensable",
    "Stock",
    "TooManyItems",
    "Unit",
    "WorkLimit",
    "denominate",
    "nearest",
]
