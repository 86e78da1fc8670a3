"""What a release contains, as CycloneDX documents: of the Rust core, and of what installing it brings.

    pip install cyclonedx-bom && python tools/bill_of_materials.py DIRECTORY

Writes `xfs4iot-rust.cdx.json` and `xfs4iot-python.cdx.json`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def of_rust(file: Path) -> None:
    """The crates that the wheels' extension is linked from: what is in the wheels, too."""
    shutil.copyfile(ROOT / "rust" / "crates.cdx.json", file)


def of_python(file: Path) -> None:
    """The distributions that are installed with the package, and nothing else."""
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        python = Path(directory, "Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        subprocess.run([python, "-m", "pip", "install", "-q", ROOT], check=True)
        told = subprocess.run(
            [python, "-m", "pip", "show", "xfs4iot"], capture_output=True, text=True, check=True
        )
        # In one go: afterwards there is no pip.
        subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "setuptools", "pip"], check=True)
        command = [
            sys.executable,
            "-m",
            "cyclonedx_py",
            "environment",
            python,
            "--pyproject",
            "pyproject.toml",
        ]
        subprocess.run([*command, "--of", "JSON", "-o", file], cwd=ROOT, check=True)
    # The project's table leaves its version to the build, and so does the document.
    version = next(line.split()[1] for line in told.stdout.splitlines() if line.startswith("Version:"))
    document = json.loads(file.read_text("utf-8"))
    document["metadata"]["component"]["version"] = version
    file.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def main() -> None:
    """Write both, and print how many components each names."""
    if len(sys.argv) != 2:
        sys.exit("bill_of_materials.py DIRECTORY: say where to write")
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, written in (("rust", of_rust), ("python", of_python)):
        file = (directory / f"xfs4iot-{name}.cdx.json").resolve()
        written(file)
        print(f"{file}: {len(json.loads(file.read_text('utf-8'))['components'])} components")


if __name__ == "__main__":
    main()
