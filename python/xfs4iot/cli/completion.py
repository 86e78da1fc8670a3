"""`xfs4iot completion`: the script that lets a shell complete what is typed."""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    BashComplete,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

__all__ = ["completion"]

_SHELLS = ("bash", "zsh", "fish")


@add_completion_class
class _Bash(BashComplete):
    """For bash a colon ends a word; the URIs of services are put together again."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words: list[str] = []
        current = int(os.environ["COMP_CWORD"])
        last = None
        for place, word in enumerate(split_arg_string(os.environ["COMP_WORDS"])):
            # Bash makes three words of `a:b`: `a`, `:` and `b`.
            if words and place and ":" in (word, last):
                words[-1] += word
                # A bool as 0 or 1: only what is joined up to the cursor moves the cursor's word.
                current -= place <= int(os.environ["COMP_CWORD"])
            else:
                words.append(word)
            last = word
        return words[1:current], words[current] if current < len(words) else ""


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the script with which SHELL completes commands, options and names of messages.

    \b
    bash  cd ~/.local/share/bash-completion/completions
          xfs4iot completion bash > xfs4iot
    zsh   xfs4iot completion zsh > "${fpath[1]}/_xfs4iot"
    fish  xfs4iot completion fish > ~/.config/fish/completions/xfs4iot.fish

    A new shell takes it up. The directories must be there (mkdir -p).
    """
    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(click.get_current_context().find_root().command, {}, "xfs4iot", "_XFS4IOT_COMPLETE")
    # The text alone: bash's own would start a bash to ask it for its version.
    click.echo(ShellComplete.source(made))
