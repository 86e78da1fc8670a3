"""How every command says on standard error why it could not do what it was asked."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

__all__ = ["complain"]


def complain(problem: BaseException | str) -> None:
    """Print a problem; of several that came together in a group, the first."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    text = f"[bold red]error:[/] {escape(str(problem))}"
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)
