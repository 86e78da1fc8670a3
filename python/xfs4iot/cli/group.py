"""Groups of subcommands: help shows whole first sentences, and an unknown name gets the nearest one."""

from __future__ import annotations

import click

from xfs4iot.close_matches import close_matches
from xfs4iot.held_signals import let_go

__all__ = ["Group", "UntilTold"]


class UntilTold(click.Command):
    """A command that runs until a signal ends it, and takes over the signals that come before (`heard`)."""


class Group(click.Group):
    """A `click.Group` whose help cuts no sentence and whose complaints help."""

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Every subcommand with its one line of help."""
        found = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                found.append((name, command.get_short_help_str(limit=200)))
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(self.summaries(ctx))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        names = self.list_commands(ctx)
        if name not in names and not name.startswith("-") and not ctx.resilient_parsing:
            near = [one for one in names if one.startswith(name.lower())]
            near = near or close_matches(name.lower(), names, 1, 0.5)
            hint = (
                f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(names)}"
            )
            ctx.fail(f"{ctx.command_path} has no command {name!r}; {hint}")
        found = super().resolve_command(ctx, args)
        if not isinstance(found[1], (click.Group, UntilTold)):
            let_go()
        return found
