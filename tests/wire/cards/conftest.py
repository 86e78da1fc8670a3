"""What the tests of cards share: a motorised reader whose customer has inserted a card."""

from __future__ import annotations

import pytest
import trio

from dialogue import Dialogue
from readers import Motor
from vendors import serving


@pytest.fixture
def device() -> Motor:
    found = Motor()
    found.arrives.set()
    return found


@pytest.fixture
async def client(device: Motor, nursery: trio.Nursery) -> Dialogue:
    """A client of that reader."""
    return await serving(device, nursery)
