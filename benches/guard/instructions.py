"""Fails when the hot paths execute more instructions than they are known to need.

    python benches/guard/instructions.py            compare with baseline.json; exit 1 above 10 %
    python benches/guard/instructions.py --update   write baseline.json anew

Callgrind counts instructions of framing and of denomination, case by case; the count does not
depend on how busy the machine is. Each case is run twice, and the difference of the two runs is
what its repetitions cost without the start of the program.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BASELINE = HERE / "baseline.json"
MARGIN = 1.10
FRAMING = (
    "receive small",
    "receive 2 KB",
    "receive picture",
    "receive fragments",
    "receive byte by byte",
    "receive 32 at once",
    "refuse",
    "read message",
    "acknowledge",
    "completion",
)
FEW, MANY = 2, 12


def built() -> Path:
    """Where Cargo puts the examples that it builds: it heeds CARGO_TARGET_DIR and its configuration."""
    asked = ["cargo", "metadata", "--no-deps", "--format-version=1"]
    told = json.loads(subprocess.run(asked, cwd=ROOT, capture_output=True, check=True).stdout)
    return Path(told["target_directory"]) / "release" / "examples"


def counted(program: Path, case: str, times: int) -> int:
    """Instructions of one run."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={directory}/out",
                str(program),
                case,
                str(times),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def measure() -> dict[str, int]:
    """Instructions of one repetition of every case."""
    build = ["cargo", "build", "--release", "--quiet", "--example"]
    for example in ("framing_guard", "denominate_guard"):
        subprocess.run([*build, example], cwd=ROOT, check=True)
    programs = built()
    solver = programs / "denominate_guard"
    names = subprocess.run([solver], capture_output=True, text=True, check=True).stdout.splitlines()
    cases = [(programs / "framing_guard", "framing", name) for name in FRAMING]
    cases += [(solver, "denominate", name) for name in names]
    console = Console(stderr=True)
    return {
        f"{group}: {name}": (counted(program, name, MANY) - counted(program, name, FEW)) // (MANY - FEW)
        for program, group, name in track(cases, "counting instructions", console=console)
    }


def main() -> int:
    """Count, and compare or write."""
    if shutil.which("valgrind") is None:
        print("valgrind is not here: instruction counts are not checked")
        return 0
    now = measure()
    if "--update" in sys.argv:
        BASELINE.write_text(json.dumps(now, indent=2) + "\n")
        print(f"{BASELINE.name} written")
        return 0
    known: dict[str, int] = json.loads(BASELINE.read_text())
    table = Table("case", "instructions", "baseline", "ratio")
    worse = []
    for name, count in now.items():
        before = known.get(name)
        ratio = count / before if before else float("inf")
        if ratio > MARGIN:
            worse.append(name)
        mark = "red" if ratio > MARGIN else "green"
        table.add_row(name, str(count), str(before), f"[{mark}]{ratio:.3f}[/]")
    Console().print(table)
    if worse:
        print(f"more instructions than known: {', '.join(worse)}; if that is meant, run with --update")
    return bool(worse)


if __name__ == "__main__":
    sys.exit(main())
