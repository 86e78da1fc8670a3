"""Signals that come while the program still starts: held until its command can end in order.

A command line takes a moment to be imported, and a service another to be made. A signal in that time
would end the process where it happens to be: SIGINT with a traceback, SIGTERM and SIGHUP without a word.
So the first thing that the program does is to note them instead. A command that runs until it is told to
end takes over what was noted (`xfs4iot.cli.hosting.heard`), as if it came then. Any other ends at once, once
it is known which command it is, but in order: SIGTERM and SIGHUP let it clear up as Ctrl-C does, temporary
directories with keys in them first, and only then end it as they always do. A second signal does not wait.

Little else is imported here: this must be there before the rest is.
"""

from __future__ import annotations

import signal
import sys

__all__ = ["INTERRUPTED", "end_as_told", "hold", "let_go"]

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as a shell reports it."""

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_LONGEST_SECONDS = 30
"""How long what is told to end may still start, or clear up: a device class may hang while it is made."""

_usual: dict[int, object] = {}
_noted: list[int] = []
_ending: list[int] = []
"""The signal by which the process is to end, once it has cleared up."""


def _note(number: int, frame: object) -> None:
    ends = number in (signal.SIGINT, signal.SIGTERM)
    if ends and any(one in (signal.SIGINT, signal.SIGTERM) for one in _noted):
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _noted.append(number)
    # SIGHUP is no end for every command: to `serve` it says that there are new certificates.
    if ends:
        _not_for_ever()


def _clear_up(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, signal.SIG_DFL):
        # A shell's background job: there is no Ctrl-C that could be imitated.
        signal.raise_signal(number)
    _ending.append(number)
    _not_for_ever()
    # Not by an exception of our own: trio knows where this one may be raised.
    signal.raise_signal(signal.SIGINT)


def _not_for_ever() -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(_LONGEST_SECONDS)


def hold() -> None:
    """Note what tells the program to end, from now on. What is ignored, as by `nohup`, stays so."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            _usual[number] = signal.signal(number, _note)


def let_go() -> None:
    """Hold no more: who has set a handler meanwhile gets what was noted; the rest ends the process.

    Raises:
        KeyboardInterrupt: SIGINT was noted, or what ends the process like it, and nobody has set a handler.
    """
    noted = tuple(_noted)
    _noted.clear()
    if noted and hasattr(signal, "alarm"):
        signal.alarm(0)
    for number, handler in _usual.items():
        if signal.getsignal(number) is _note:
            signal.signal(number, _clear_up if handler is signal.SIG_DFL else handler)  # type: ignore[arg-type]
    _usual.clear()
    for number in noted:
        signal.raise_signal(number)


def end_as_told() -> None:
    """End the process by the signal that told it to end, if one did: all is cleared up now."""
    if _ending:
        from contextlib import suppress

        # What is gone or full was told already, or is told to nobody.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        signal.raise_signal(_ending[0])
