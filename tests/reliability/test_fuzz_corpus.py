"""The corpora of the fuzz targets, and every input that once failed, hold what the targets assert.

The targets themselves run with libFuzzer (`fuzz/python/fuzz.py`); those of the Rust core in `cargo test`.
"""

from __future__ import annotations

import random
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent.parent.parent / "fuzz"
TARGETS: dict[str, Callable[[bytes], None]] = runpy.run_path(str(FUZZ / "python" / "properties.py"))[
    "TARGETS"
]


def inputs(target: str) -> list[bytes]:
    found = [
        path.read_bytes() for kind in ("corpus", "regressions") for path in (FUZZ / kind / target).glob("*")
    ]
    assert found, f"no inputs for {target}"
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpora_hold_what_the_targets_assert(target: str) -> None:
    for data in inputs(target):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("count", [500, pytest.param(500_000, marks=pytest.mark.long)])
def test_spoilt_inputs_hold_it_as_well(target: str, count: int) -> None:
    """What a machine without libFuzzer can do: bytes changed, cut, doubled and taken from elsewhere."""
    luck = random.Random(target)
    known = inputs(target)
    for _ in range(count):
        data = bytearray(luck.choice(known))
        for _ in range(luck.randint(1, 4)):
            at = luck.randrange(len(data) + 1)
            match luck.randrange(4):
                case 0:
                    data[at : at + 1] = luck.randbytes(1)
                case 1:
                    del data[at : at + luck.randint(1, 8)]
                case 2:
                    data[at:at] = data[at : at + luck.randint(1, 64)]
                case _:
                    other = luck.choice(known)
                    data[at:] = other[luck.randrange(len(other)) :]
        TARGETS[target](bytes(data))
