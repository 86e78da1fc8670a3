"""The command line for who types it: wrong arguments, pipes, consoles of few characters, completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from xfs4iot.cli import cli
from xfs4iot.ledger import Ledger, SetPosting

XFS4IOT = (sys.executable, "-m", "xfs4iot")
URI = "wss://127.0.0.1:1/xfs4iot/v1.0/CashDispenser"
UNITS = ("--unit", "50x2", "--unit", "20x3")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*XFS4IOT, *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--amount", "abc"], "'abc' is not an amount of money"),
        (["demo", "--amount", "NaN"], "'NaN' is not an amount of money"),
        (["demo", "--inject", "jam"], "need a --scenario"),
        (["simulate", "--device", "x"], "--device says nothing without --uplink"),
        (["simulate", "--device", "x", "--uplink", "uplink.toml"], "--device says nothing without --uplink"),
        (["simulate", "--nonce-timeout", "5"], "--nonce-timeout says nothing without --token-key"),
        (["demo", "--amount", "-5"], "'-5' is not an amount of money"),
        (["denominate", "5_0", *UNITS], "'5_0' is not an amount of money"),
        (["denominate", "٥٠", *UNITS], "is not an amount of money"),
        (["denominate", "50", "--unit", "50x٥"], "is not [NAME=]VALUExCOUNT"),
        (
            ["denominate", "1" + 18 * "0", *UNITS],
            "has more than 18 digits before the point; give a smaller amount",
        ),
        (
            ["denominate", "50", "--unit", "50x1" + 18 * "0"],
            "a number of more than 18 digits; give a smaller",
        ),
        (
            ["denominate", "50", *UNITS, "--partial", "unit3=1"],
            "no unit is called 'unit3'; name one of unit1, unit2",
        ),
        (["denominate", "50", *UNITS, *2 * ("--partial", "unit1=1")], "named twice; give one count"),
        (
            ["bench", "denominate", "--json", "--markdown"],
            "--markdown says nothing with --json; leave it out",
        ),
        (["bench", "denominate", "--plot", f"{__file__}/x.png"], "there is no directory"),
        (["bench", "denominate", "--plot", "x.docx"], "end it in .png or .svg or .pdf"),
        (["denominate", "70", *UNITS, "--currency", "eur"], "did you mean EUR?"),
        (["denominate", "70", *UNITS, "--currency", "EURO"], "three capitals of ISO 4217"),
        (["call", URI, "Common.Status", "--plain"], "--plain contradicts"),
        (["watch", URI, "--plain"], "--plain contradicts"),
        (["call", "http://atm17/", "Common.Status"], "is not a URI of a service"),
        (["call", "wss://[zz]/x", "Common.Status"], "is not a URI of a service"),
        (["watch", "ws://127.0.0.1:99999/x"], "is not a URI of a service"),
        (["watch", URI, "--event", "ItemTakenEvent"], "did you mean 'ItemsTakenEvent'?"),
        (["discover", "http://atm17"], "name the host alone"),
        (["discover", "atm17:5846"], "did you mean atm17 --port 5846?"),
        (["discover", "127.0.0.1:5846"], "did you mean 127.0.0.1 --port 5846?"),
        (["discover", "[::1]:5846"], "did you mean [::1] --port 5846?"),
        (["conform", "wss://atm17/xfs4iot/v1.0"], "name one of its services"),
        (["conform", URI, "--html", f"{__file__}/x.html"], "there is no directory"),
        (["conform", URI, "--junit", f"{__file__}/x.xml"], "there is no directory"),
        (["discover", "atm17", "--port", "99999"], "1<=x<=65535"),
        (["simulate", "--seconds", "nan"], "not a number of seconds"),
        (["simulate", "--state", f"{__file__}/state"], "choose a directory that you may write"),
        (["ledgr", "check"], "did you mean 'ledger'?"),
        (["sim"], "did you mean 'simulate'?"),
        (["ledger", "chek"], "did you mean 'check'?"),
        (["xyzzy"], "there are demo, simulate, "),
    ],
)
def test_bad_usage_exits_with_2_and_says_what_would_be_right(arguments: list[str], said: str) -> None:
    done = run(*arguments, PYTHONIOENCODING="utf-8")
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.decode().split())
    assert done.stdout == b""


def test_what_all_ports_say_alike_is_said_once() -> None:
    done = run("discover", "127.0.0.1", *(f"--port={port}" for port in (1, 2, 3, 7)))
    assert done.returncode == 1
    assert done.stderr.decode().strip().endswith(": ports 1-3, 7: cannot be reached: Connection refused")
    nameless = run("discover", "no-such-host.invalid").stderr.decode()
    assert nameless.count("\n") == 1
    assert "80, 443, 5846-5856: cannot be reached: " in nameless


def test_a_console_of_few_characters_gets_plain_ones() -> None:
    done = run("demo", PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stderr) == (0, b"")
    printed = done.stdout.decode("cp1252")
    assert "> Common.Status" in printed
    assert "ok all of it in" in printed
    arrows = run("call", URI.replace("wss", "ws"), "Common.Stätus", PYTHONIOENCODING="ascii")
    assert b"Traceback" not in arrows.stderr
    helped = run("denominate", "--help", PYTHONIOENCODING="ascii")
    assert "Named unit1, unit2, ... by" in helped.stdout.decode("ascii")


def test_json_is_utf_8_on_any_console() -> None:
    units = ("--unit", "Münze→=50x2")
    done = run("denominate", "100", *units, "--json", PYTHONIOENCODING="cp1252")
    assert json.loads(done.stdout)["values"] == {"Münze→": 2}


@pytest.mark.parametrize("form", ["csv", "json"])
async def test_an_export_that_nobody_reads_to_its_end_is_no_error(tmp_path: Path, form: str) -> None:
    file = tmp_path / "ledger.sqlite"
    with Ledger.open(file) as ledger:
        intent = await ledger.service("CashDispenser").begin("set")
        units = [SetPosting(f"a long name of unit {number}", "in", "", "", number) for number in range(2000)]
        await ledger.service("CashDispenser").book(intent, units)
    command = f"{sys.executable} -m xfs4iot ledger export {file} --format {form} | head -n 1"
    done = await trio.run_process(command, shell=True, capture_stdout=True, capture_stderr=True)
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


def test_a_dash_is_standard_output_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Ledger.open(Path("ledger.sqlite")).close()
    form = 'XFSFORM "x" BEGIN SIZE 8,6 XFSFIELD "f" BEGIN POSITION 0,0 SIZE 4,1 END END'
    Path("x.form").write_text(form)

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(cli, [*arguments, "--output", "-"])
        assert done.exit_code == 0, done.output
        assert done.stdout == CliRunner().invoke(cli, arguments).stdout
        return done.stdout

    assert said("ledger", "export", "ledger.sqlite").startswith("sequence,")
    assert '"x"' in said("forms", "convert", "x.form")
    for refused in (
        ["record", URI, "-o", "-"],
        ["forms", "draw", "x.form", "--output", "-"],
        ["ledger", "recover", "ledger.sqlite", "-"],
        ["conform", URI, "--junit", "-"],
        ["bench", "denominate", "--plot", "-"],
    ):
        done = CliRunner().invoke(cli, refused)
        assert done.exit_code == 2
        assert "is standard output" in done.stderr
    assert not Path("-").exists()


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("certificate", "--help"),
        ("completion", "bash"),
        ("denominate", "100", *UNITS),
        ("denominate", "100", *UNITS, "--json"),
        ("ledger", "export", "FILE"),
        ("ledger", "show", "FILE"),
    ],
)
def test_a_full_disk_behind_standard_output_is_said_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = tmp_path / "ledger.sqlite"
    Ledger.open(file).close()
    given = [str(file) if word == "FILE" else word for word in arguments]
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*XFS4IOT, *given],
            stdout=full,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("error: ")
    assert line.endswith("; make room where it is written to, and try again")


def complete(line: str) -> set[str]:
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    done = run(_XFS4IOT_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    return {one.partition(",")[2] for one in done.stdout.decode().splitlines()}


def test_shells_complete_commands_options_and_names_of_messages() -> None:
    assert complete("xfs4iot de") == {"demo", "denominate"}
    assert complete("xfs4iot ledger ex") == {"export"}
    assert "--timeout" in complete("xfs4iot call --ti")
    assert complete(f"xfs4iot call {URI} CashDispenser.Pre") == {
        "CashDispenser.Present",
        "CashDispenser.PrepareDispense",
    }
    assert complete(f"xfs4iot watch {URI} --event ItemsT") == {"ItemsTakenEvent"}


def test_a_colon_does_not_end_a_word_to_be_completed() -> None:
    """bash hands over `ws`, `:`, `//atm17`, `:`, `443/x`."""
    assert complete("xfs4iot call ws : //atm17 : 443/x Common.Stat") == {"Common.Status"}
    assert "Common.Status" in complete("xfs4iot call ws : //atm17 : 443/x ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed(shell: str) -> None:
    done = run("completion", shell, PATH="")
    assert done.returncode == 0, done.stderr
    assert f"_XFS4IOT_COMPLETE={shell}_complete" in done.stdout.decode()
    assert done.stderr == b""


@pytest.mark.parametrize("columns", ["20", "40", "60"])
def test_a_narrow_terminal_loses_nothing(columns: str) -> None:
    done = run("denominate", "1230", "--unit", "50x200", "--unit", "20x3000", COLUMNS=columns)
    assert done.returncode == 0
    said = done.stdout.decode()
    assert "…" not in said
    for word in ("unit1", "unit2", "3000", "value", "holds", "minimumBills"):
        assert word in said, said


async def test_a_ledger_is_shown_whole_on_a_narrow_terminal(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    with Ledger.open(file) as ledger:
        intent = await ledger.service("CashDispenser").begin("set")
        units = [SetPosting("unit1", "in", "typeEUR10", "", 500)]
        await ledger.service("CashDispenser").book(intent, units)
    done = run("ledger", "show", str(file), COLUMNS="30")
    assert done.returncode == 0, done.stderr
    words = done.stdout.decode().split()
    assert {"number:", "kind:", "outcome:", "done", "changed:", "unit1", "typeEUR10:"} <= set(words), words


def test_a_comparison_says_at_once_what_it_lacks() -> None:
    program = (
        "import sys; sys.modules['ortools'] = None; sys.argv = ['xfs4iot', 'bench', 'denominate'];"
        "from xfs4iot.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'xfs4iot[bench]'" in done.stderr


def test_a_state_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "Camera.truth.json").write_text('{"pictures": "of another version"}')
    done = run("simulate", "--plain", "--port", "0", "--state", str(tmp_path))
    assert done.returncode == 1
    said = done.stderr.decode()
    assert "Camera.truth.json" in said
    assert "--state" in said
    assert b"Traceback" not in done.stderr
