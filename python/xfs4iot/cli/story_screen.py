"""How `demo --scenario` tells a story: to a person at a terminal, into a pipe, or as lines of JSON.

On a terminal the step that is under way is shown while it lasts, and what is longer than a line goes on
below its beginning. Into a pipe every step is a line of its own, however long. As JSON every step, table
and picture is an object on a line of its own, the last one says how the story ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.status import Status
from rich.text import Text

from xfs4iot.cli.characters import escape
from xfs4iot.cli.connection import print_json
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.stories.stage import Rows, Step, StepFailed

__all__ = ["JsonTeller", "ScreenTeller"]


class ScreenTeller:
    """Tells a story to people.

    Args:
        console: where it is told; what has failed as well.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Status | None = None

    def opens(self, story: str, summary: str, publisher: str, services: Mapping[str, str]) -> None:
        """What will be told, and of which ATM."""
        self._line("", f"[bold]{escape(summary)}.[/]")
        self._line("", f"{escape(publisher)} publishes {len(services)} services")

    def begins(self, step: Step) -> None:
        if self._console.is_terminal:
            self._progress = self._console.status(Text(f"{step.title} …"), spinner="dots")
            self._progress.start()

    def ends(self, step: Step) -> None:
        self._stop()
        self._line("[bold cyan]▸[/]", f"[bold]{escape(step.title)}[/]: {escape('; '.join(step.seen))}")
        sent = ", ".join(f"{name} × {count}" if count > 1 else name for name, count in step.commands.items())
        if sent:
            self._line(" ", f"[dim]{escape(sent)}[/]")

    def fails(self, failed: StepFailed) -> None:
        self._stop()
        self._line("[bold red]✗[/]", f"[bold]step {failed.number}, {escape(failed.title)}[/]")
        self._line(" ", f"expected: {escape(failed.expected)}")
        self._line(" ", f"seen: {escape(failed.seen)}")

    def shows(self, rows: Rows) -> None:
        table = Table(*rows.headers, title=rows.title)
        for number, row in enumerate(rows.rows):
            cells = [escape(str(cell)) for cell in row]
            table.add_row(*(f"[yellow]{cell}[/]" if number in rows.changed else cell for cell in cells))
        self._console.print(table)

    def keeps(self, file: Path, what: str) -> None:
        told = f"{escape(what)}: {escape(str(file))}"
        if len(Text.from_markup(f"→ {told}")) <= self._console.width or not self._console.is_terminal:
            self._line("[bold green]→[/]", told)
        else:
            self._line("[bold green]→[/]", f"{escape(what)}:")
            # In one piece, so that it can be selected and opened; the terminal itself goes on below.
            self._console.print(Text.from_markup(f"  {escape(str(file))}"), highlight=False, soft_wrap=True)

    def leaves(self) -> None:
        """The story is over, or given up: nothing is shown as under way any more."""
        self._stop()

    def closes(self, story: str, succeeded: bool, seconds: float) -> None:
        """How it ended; where it failed, the step has said so."""
        if succeeded:
            self._line("[green]✓[/]", f"all of it over TLS in {seconds:.1f} s")

    def _line(self, mark: str, text: str) -> None:
        """One line in a pipe; in a terminal as many as it takes, all of them indented alike."""
        start = Text.from_markup(f"{mark} " if mark else "")
        told = Text.from_markup(text, overflow="fold")
        lines = [told]
        if self._console.is_terminal:
            lines = [*told.wrap(self._console, max(self._console.width - len(start), 10))]
        for line in lines:
            line.rstrip()
            self._console.print(Text.assemble(start, line), highlight=False, soft_wrap=True)
            start = Text(" " * len(start))

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class JsonTeller:
    """Tells a story to programs, an object to a line."""

    def opens(self, story: str, summary: str, publisher: str, services: Mapping[str, str]) -> None:
        """Which story will be told, and of which ATM."""
        self._say({"story": story, "publisher": publisher, "services": services})

    def begins(self, step: Step) -> None: ...

    def ends(self, step: Step) -> None:
        self._say(
            {
                "step": step.number,
                "title": step.title,
                "result": "success",
                "seen": step.seen,
                "commands": step.commands,
            }
        )

    def fails(self, failed: StepFailed) -> None:
        self._say(
            {
                "step": failed.number,
                "title": failed.title,
                "result": "failed",
                "expected": failed.expected,
                "seen": failed.seen,
            }
        )

    def shows(self, rows: Rows) -> None:
        self._say(
            {"table": rows.title, "rows": [dict(zip(rows.headers, row, strict=True)) for row in rows.rows]}
        )

    def keeps(self, file: Path, what: str) -> None:
        self._say({"picture": str(file), "of": what})

    def leaves(self) -> None: ...

    def closes(self, story: str, succeeded: bool, seconds: float) -> None:
        """How it ended."""
        self._say(
            {"story": story, "result": "success" if succeeded else "failed", "seconds": round(seconds, 1)}
        )

    def _say(self, line: dict[str, Any]) -> None:
        print_json(line, indent=0)
