"""What the tests of keys share: the simulated PIN pad of the default profile."""

from __future__ import annotations

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue


@pytest.fixture
async def pad(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("PinPad"))
    return found


@pytest.fixture
async def simulator(atm: xfs4iot.Publisher, nursery: trio.Nursery) -> Dialogue:
    found: Dialogue = await nursery.start(dialogue, atm.uri("Simulator"))
    return found
