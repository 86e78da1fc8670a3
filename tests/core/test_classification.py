"""Masks of serial numbers fit what they say, and no mask takes long."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from xfs4iot.interfaces.cash.classification import is_listed
from xfs4iot.protocol.messages.cash_management import CashItem, ClassificationElement


def fits(serial_number: str, mask: str) -> bool:
    elements = [ClassificationElement(serial_number=mask)]
    return is_listed(serial_number, None, elements) == "onClassificationList"


@given(st.text("AB1", min_size=1, max_size=12), st.text("AB1?*", min_size=1, max_size=12))
def test_a_mask_fits_as_a_regular_expression_would(serial_number: str, mask: str) -> None:
    pattern = re.escape(mask).replace(r"\?", ".").replace(r"\*", ".*")
    assert fits(serial_number, mask) == bool(re.fullmatch(pattern, serial_number))


def test_the_worst_mask_is_answered() -> None:
    assert not fits("A" * 2000 + "B", "*A" * 500 + "*C")


def test_an_element_may_be_of_one_currency_and_value_only() -> None:
    fifty = CashItem(currency="EUR", value=50)  # type: ignore[arg-type]
    listed = {
        (currency, value): is_listed(
            "X1",
            fifty,
            [ClassificationElement(serial_number="X1", currency=currency, value=value)],  # type: ignore[arg-type]
        )
        for currency in (None, "EUR", "USD")
        for value in (None, 0, 50, 20)
    }
    assert {key for key, found in listed.items() if found == "onClassificationList"} == {
        (currency, value) for currency in (None, "EUR") for value in (None, 0, 50)
    }
    assert is_listed(None, fifty, [ClassificationElement()]) == "classificationListUnknown"
