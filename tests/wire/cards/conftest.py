"""What the tests of cards share: a motorised reader whose customer has inserted a card."""

from __future__ import annotations

import pytest

from readers import Motor


@pytest.fixture
def device() -> Motor:
    found = Motor()
    found.arrives.set()
    return found
