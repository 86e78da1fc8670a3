"""What rustc must be told so that nothing built names a directory of the building machine.

Panics of Rust name the file that they come from, and for a crate that is the absolute path of where Cargo
unpacked it: somebody's home directory, in every wheel. rustc writes other paths if it is told each prefix,
but no file of a checkout can tell it, since none knows where it will be built. So Cargo is asked, before.

    CARGO_ENCODED_RUSTFLAGS=$(python tools/remapped_paths.py) maturin build --release

is for those who call maturin themselves, as releases do; `pip` asks by build_backend.py. Nothing is imported
that Python 3.8 does not have: builders of wheels begin with what their image has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import List, Optional  # noqa: UP035

ROOT = Path(__file__).resolve().parent.parent

__all__ = ["flags_so_far", "remapped_prefixes"]


def remapped_prefixes() -> List[str]:  # noqa: UP006
    """rustc's arguments, which give what is built the same paths wherever it is built.

    Raises:
        subprocess.CalledProcessError: Cargo could not tell where its crates are; it says why on stderr.
    """
    asked = ["cargo", "metadata", "--format-version=1", "--features=python"]
    told = json.loads(subprocess.run(asked, cwd=str(ROOT), stdout=subprocess.PIPE, check=True).stdout)
    ours = set(told["workspace_members"])
    crates = {
        str(Path(one["manifest_path"]).parent.parent) for one in told["packages"] if one["id"] not in ours
    }
    # Of two that fit, rustc takes the last.
    prefixes = {told["workspace_root"]: "xfs4iot", told["target_directory"]: "target"}
    prefixes.update((directory, "crates") for directory in sorted(crates))
    return [f"--remap-path-prefix={directory}={name}" for directory, name in prefixes.items()]


def flags_so_far() -> Optional[List[str]]:  # noqa: UP006, UP045
    """What the environment tells rustc, or None if it says nothing, so that Cargo's configuration may."""
    encoded = os.environ.get("CARGO_ENCODED_RUSTFLAGS")
    if encoded is not None:
        return encoded.split("\x1f") if encoded else []
    plain = os.environ.get("RUSTFLAGS")
    return None if plain is None else plain.split()


if __name__ == "__main__":
    sys.stdout.write("\x1f".join((flags_so_far() or []) + remapped_prefixes()))
