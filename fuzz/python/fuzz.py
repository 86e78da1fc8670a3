"""Run a target with libFuzzer: `python fuzz/python/fuzz.py form_language -max_total_time=600`.

    pip install '.[fuzz]'

The corpus is `fuzz/corpus/TARGET`; new inputs go to `fuzz/found/TARGET`. Whatever libFuzzer takes may follow.
An input that fails goes to `fuzz/regressions/TARGET`, where the tests find it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["xfs4iot"]):
    from properties import TARGETS

HERE = Path(__file__).parent.parent


def main() -> None:
    """Take the target's name and leave the rest to libFuzzer."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"say which target: {', '.join(TARGETS)}")
    name, rest = sys.argv[1], sys.argv[2:]
    found = HERE / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    directories = [str(found), str(HERE / "corpus" / name)]
    atheris.Setup([sys.argv[0], *rest, *directories], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
