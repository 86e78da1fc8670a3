"""The text format of Prometheus, 0.0.4, and durations as it wants them; they are counted in `_core`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["BUCKETS", "Sample", "exposition", "histogram"]

BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the durations that are counted, in seconds."""
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[str, Mapping[str, str], float]
"""Name, labels and value."""


def histogram(name: str, labels: Mapping[str, str], buckets: Sequence[int], total: float) -> Iterator[Sample]:
    """The samples of one histogram.

    Args:
        buckets: how many took up to each bound of `BUCKETS`, and longer than the last, each counted once.
        total: seconds of all together.
    """
    so_far = 0
    for bound, count in zip((*BUCKETS, math.inf), buckets, strict=True):
        so_far += count
        yield f"{name}_bucket", {**labels, "le": "+Inf" if bound == math.inf else f"{bound:g}"}, so_far
    yield f"{name}_sum", labels, round(total, 6)
    yield f"{name}_count", labels, so_far


def exposition(known: Mapping[str, tuple[str, str]], samples: Iterable[Sample]) -> str:
    """Everything as text.

    Args:
        known: type and meaning of each metric by its name.
    """
    lines: dict[str, list[str]] = {name: [] for name in known}
    for name, labels, value in samples:
        family = next(one for one in (name, name.rpartition("_")[0]) if one in known)
        lines[family].append(_line(name, labels, value))
    told = []
    for name, (kind, meaning) in known.items():
        if lines[name]:
            told += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *lines[name]]
    return "\n".join(told) + "\n"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
    return f"{name}{{{told}}} {value}" if told else f"{name} {value}"
