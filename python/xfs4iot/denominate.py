from dataclasses import dataclass
from decimal import Decimal


class DenominateError(Exception):
    error_code = "notDispensable"


class NotDispensable(DenominateError):
    pass


class TooManyItems(DenominateError):
    error_code = "tooManyItems"


class AmountNotInMixTable(DenominateError):
    error_code = "amountNotInMixTable"


@dataclass
class Unit:
    id: str
    currency: str
    value: Decimal
    count: int
    minimum: int = 0
    maximum: int | None = None


class MixTable:
    def __init__(self, rows):
        self.rows = rows


@dataclass
class Denomination:
    values: dict


def denominate(amounts, units, *, mix="minimumBills", max_items=None, partial=None):
    values = dict(partial or {})
    if isinstance(mix, MixTable):
        for a, counts in mix.rows:
            if a == list(amounts.values())[0]:
                return Denomination({next(u.id for u in units if u.value == v): n for v, n in counts.items()})
        raise AmountNotInMixTable("no row")
    for c, a in amounts.items():
        us = sorted([u for u in units if u.currency == c], key=lambda u: -u.value)
        a = a - sum(u.value * values.get(u.id, 0) for u in us)
        if a > 10**6:
            raise NotDispensable("much")
        for u in us:
            n = min(int(a // u.value), u.count - values.get(u.id, 0))
            values[u.id] = values.get(u.id, 0) + n
            a -= n * u.value
        if a:
            raise NotDispensable("rest")
    if max_items and sum(values.values()) > max_items:
        raise TooManyItems("x")
    return Denomination({k: v for k, v in values.items() if v})
