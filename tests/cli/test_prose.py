"""What the command line prints reads well: lines break at words on any terminal, and nowhere in a pipe."""

from __future__ import annotations

import io
import itertools
import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.text import Text
from wcwidth import wcswidth

from xfs4iot.cli import cli
from xfs4iot.cli.prose import Console, wrapped

CLI = Path(__file__).parents[2] / "python" / "xfs4iot" / "cli"


def commands(command: click.Command, *words: str) -> Iterator[tuple[str, ...]]:
    """The words of each command that is no group."""
    if not isinstance(command, click.Group):
        yield words
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, *words, name)


ALL = list(commands(cli))


@pytest.mark.parametrize("words", ALL, ids="-".join)
def test_each_command_says_how_to_get_help_in_place_of_a_wrong_option(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*words, "--hlep"], prog_name="xfs4iot")
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert f"Try 'xfs4iot {' '.join(words)} --help' for help." in said
    assert "No such option" in said


@pytest.mark.parametrize("words", ALL, ids="-".join)
def test_each_command_that_needs_something_says_what(words: tuple[str, ...]) -> None:
    context = click.Context(cli)
    command: click.Command | None = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(context, word)
    assert command is not None
    needed = [one for one in command.params if one.required]
    if not needed:
        return
    done = CliRunner().invoke(cli, [*words])
    assert done.exit_code == 2
    assert "Error: Missing " in done.output
    assert needed[0].human_readable_name.split("[")[0] in done.output or "bash" in done.output


@pytest.mark.parametrize("file", sorted(CLI.glob("*.py")), ids=lambda one: one.stem)
def test_texts_are_printed_in_one_way(file: Path) -> None:
    """Only what prints no texts, or only messages as they are, goes past it."""
    if file.stem not in ("prose", "table", "logs", "connection"):
        assert "from rich.console import Console" not in file.read_text()


SAID = "good for 364 days more\n  names: wss://atm17.bank.example:5846/xfs4iot/v1.0/CardReader, 銀行 銀行"


def printed(*texts: str | Text, terminal: bool, width: int) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, color_system=None, highlight=False)
    console.print(*texts)
    return file.getvalue()


@pytest.mark.parametrize("width", range(1, 90, 7))
def test_lines_break_at_words_and_lose_none(width: int) -> None:
    told = printed(SAID, terminal=True, width=width)
    assert told.split() == SAID.split()
    for line in told.splitlines():
        assert wcswidth(line) <= width or len(line.split()) == 1
        assert line == line.rstrip()
    # Each line is full: the next word had no room.
    lines = told.splitlines()
    for before, after in itertools.pairwise(lines):
        if before and after.split()[0] != "names:":
            assert wcswidth(f"{before} {after.split()[0]}") > width


def test_what_goes_on_is_indented_as_its_line_is() -> None:
    assert printed("  one two three", terminal=True, width=7) == "  one\n  two\n  three\n"


def test_colours_stay_with_their_words() -> None:
    text = printed("[bold]one[/] two [bold]three[/]", Text("four"), terminal=True, width=9)
    assert text == "one two\nthree\nfour\n"


def test_room_that_is_taken_counts() -> None:
    assert wrapped("one two", 7) == "one two"
    assert wrapped("one two", 7, used=1) == "one\ntwo"


def test_a_pipe_has_each_text_in_a_line() -> None:
    assert printed(SAID, terminal=False, width=10) == f"{SAID}\n"


def on_a_terminal(columns: int, *arguments: str) -> list[str]:
    """The lines that a person sees, as the program breaks them."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    place = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    said = b""
    with subprocess.Popen(
        [sys.executable, "-m", "xfs4iot", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**place, "TERM": "xterm"},
    ):  # fmt: skip
        os.close(theirs)
        try:
            while more := os.read(ours, 65536):
                said += more
        # Linux says so that the other end is closed.
        except OSError:
            pass
        os.close(ours)
    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", said).decode().replace("\r", "").splitlines()


@pytest.mark.posix
@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(
    "arguments",
    [
        ("certificate", "served", "127.0.0.1:1"),
        ("denominate", "1235", "--unit", "50x200", "--unit", "20x3000", "--currency", "EUR"),
        ("conform", "wss://127.0.0.1/xfs4iot/v1.0"),
        ("check-device", "xfs4iot.simulator:SimulatedLight"),
        ("serve", "nothing.toml"),
    ],
    ids=lambda one: one[0],
)
def test_a_narrow_terminal_has_lines_that_end_with_a_word(arguments: tuple[str, ...], columns: int) -> None:
    lines = on_a_terminal(columns, *arguments)
    assert len(" ".join(lines)) > 20
    assert [
        one for one in lines if wcswidth(one) > columns and len(one.split()) > 1 and "--help" not in one
    ] == []
