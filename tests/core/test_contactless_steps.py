"""The contactless transaction of a card reader can take each step in each state."""

from __future__ import annotations

from itertools import product
from typing import get_args

from xfs4iot.interfaces.cards.contactless import STEPS, State, Step


def test_each_step_is_known_in_each_state_for_the_device_may_be_opened_again_meanwhile() -> None:
    assert set(STEPS) == set(product(get_args(State), get_args(Step)))
