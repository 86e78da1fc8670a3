"""What rustc must be told so that nothing built names a directory of the building machine.

Panics of Rust name the file that they come from, and for a crate that is the absolute path of where Cargo
unpacked it: somebody's home directory, in every wheel. rustc writes other paths if it is told each prefix,
but no file of a checkout can tell it, since none knows where it will be built. So Cargo is asked, before.

    CARGO_ENCODED_RUSTFLAGS=$(python tools/remapped_paths.py) maturin build --release

is for those who call maturin themselves, as releases do; with `--target` and `--config` as Cargo will be
given them. `pip` asks by build_backend.py.

Of all that may give rustc flags (this variable, RUSTFLAGS, `target.….rustflags` and `build.rustflags` of
several files, and variables for each of these) Cargo uses one, by rules that change with its version. So they
are not read here: Cargo is made to run a build script, and says what it gives to it. That goes with the
prefixes into the variable that displaces all others. (A wrapper of rustc would need no such question, but
Cargo would not know of what it adds, and reuse what was built without.)

Nothing is imported that Python 3.8 does not have: builders of wheels begin with what their image has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List, Optional, Sequence  # noqa: UP035

ROOT = Path(__file__).resolve().parent.parent

__all__ = ["DifferentFlags", "all_flags", "flags_so_far", "remapped_prefixes"]

_UNIVERSAL = ("aarch64-apple-darwin", "x86_64-apple-darwin")
"""What maturin builds for `universal2-apple-darwin`."""
_ASKING = """
use std::{env::var_os, fs::write, path::Path};
fn main() {
    let told = Path::new(&var_os("ASKED_FROM").unwrap()).join(var_os("TARGET").unwrap());
    write(told, var_os("CARGO_ENCODED_RUSTFLAGS").unwrap().as_encoded_bytes()).unwrap();
}
"""


class DifferentFlags(Exception):
    """One wheel is to be built for several targets, for which Cargo is configured differently."""


def _text(raw: bytes) -> str:
    """What Cargo says is in UTF-8, whatever the locale says; paths go back to it as the same bytes."""
    return os.fsdecode(raw)


def _sysroot() -> Optional[str]:  # noqa: UP045
    asked = [os.environ.get("RUSTC", "rustc"), "--print=sysroot"]
    try:
        told = subprocess.run(asked, cwd=str(ROOT), stdout=subprocess.PIPE, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None  # Cargo is told elsewhere which rustc to take.
    return _text(told).rstrip("\r\n")


def remapped_prefixes() -> List[str]:  # noqa: UP006
    """rustc's arguments, which give what is built the same paths wherever it is built.

    Raises:
        subprocess.CalledProcessError: Cargo could not tell where its crates are; it says why on stderr.
    """
    asked = ["cargo", "metadata", "--format-version=1", "--features=python"]
    told = json.loads(_text(subprocess.run(asked, cwd=str(ROOT), stdout=subprocess.PIPE, check=True).stdout))
    ours = set(told["workspace_members"])
    crates = {
        str(Path(one["manifest_path"]).parent.parent) for one in told["packages"] if one["id"] not in ours
    }
    # Of two that fit, rustc takes the last.
    prefixes = {told["workspace_root"]: "xfs4iot", told["target_directory"]: "target"}
    if (sysroot := _sysroot()) is not None:
        # Where rust-src is installed, rustc finds the standard library there.
        prefixes[str(Path(sysroot) / "lib" / "rustlib" / "src" / "rust")] = "rustlib"
    prefixes.update((directory, "crates") for directory in sorted(crates))
    return [f"--remap-path-prefix={directory}={name}" for directory, name in prefixes.items()]


def flags_so_far(arguments: Sequence[str] = ()) -> List[str]:  # noqa: UP006
    """What Cargo would give rustc for the package, from wherever it has it.

    Args:
        arguments: of Cargo that make a difference, `--target=…` and `--config=…`.

    Raises:
        subprocess.CalledProcessError: Cargo could not tell; it says why on stderr.
        DifferentFlags: for one target this, for another that.
    """
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        told = directory / "told"
        told.mkdir()
        # A workspace of its own, and no member of one that happens to be around it.
        (directory / "Cargo.toml").write_text('[package]\nname = "asking"\nedition = "2021"\n[workspace]\n')
        (directory / "build.rs").write_text(_ASKING)
        (directory / "src").mkdir()
        (directory / "src" / "lib.rs").write_text("#![no_std]\n")
        asked = ["cargo", "check", "--quiet", "--manifest-path", str(directory / "Cargo.toml")]
        asked += ["--target-dir", str(directory / "target"), *arguments]
        # From the root, as Cargo's configuration goes by where it is called.
        done = subprocess.run(
            asked, cwd=str(ROOT), env={**os.environ, "ASKED_FROM": str(told)}, stderr=subprocess.PIPE
        )
        flags = {one.name: _text(one.read_bytes()) for one in told.iterdir()}
    if not flags:
        sys.stderr.write(_text(done.stderr))
        raise subprocess.CalledProcessError(done.returncode or 1, asked)
    if len(set(flags.values())) > 1:
        raise DifferentFlags(
            f"Cargo is configured to give rustc other flags for {' than for '.join(sorted(flags))}: "
            "build a wheel for each with --target"
        )
    (one,) = set(flags.values())
    return one.split("\x1f") if one else []


def all_flags(arguments: Sequence[str] = ()) -> str:
    """What CARGO_ENCODED_RUSTFLAGS must be when Cargo is called with these arguments.

    Args:
        arguments: of maturin or Cargo; only `--target` and `--config` make a difference.

    Raises:
        subprocess.CalledProcessError, DifferentFlags: as `flags_so_far` does.
    """
    wanted = []
    given = iter(arguments)
    for one in given:
        name, is_there, value = one.partition("=")
        if name not in ("--target", "--config"):
            continue
        value = value if is_there else next(given, "")
        both = name == "--target" and value == "universal2-apple-darwin"
        wanted += [f"{name}={each}" for each in (_UNIVERSAL if both else (value,))]
    return "\x1f".join(flags_so_far(wanted) + remapped_prefixes())


if __name__ == "__main__":
    try:
        # As bytes: a path may have characters that the encoding of standard output lacks.
        sys.stdout.buffer.write(os.fsencode(all_flags(sys.argv[1:])))
    except (DifferentFlags, subprocess.CalledProcessError) as problem:
        sys.exit(f"remapped_paths.py: {problem}")
