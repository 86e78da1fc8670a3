"""Signals that come while the program still starts: held until its command can end in order.

A command line takes a moment to be imported, and a service another to be made. A signal in that time
would end the process where it happens to be: SIGINT with a traceback, SIGTERM and SIGHUP without a word.
So the first thing that the program does is to note them instead. A command that runs until it is told to
end takes over what was noted (`xfs4iot.cli.hosting.heard`), as if it came then; for any other, signals do
what they always do once it is known which command it is. A second SIGINT or SIGTERM does not wait.

Nothing else is imported here: this must be there before the rest is.
"""

from __future__ import annotations

import signal

__all__ = ["hold", "let_go"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_LONGEST_SECONDS = 30
"""How long what is told to end may still start: a device class may hang while it is made."""

_usual: dict[int, object] = {}
_noted: list[int] = []


def _note(number: int, frame: object) -> None:
    ends = number in (signal.SIGINT, signal.SIGTERM)
    if ends and any(one in (signal.SIGINT, signal.SIGTERM) for one in _noted):
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _noted.append(number)
    # SIGHUP is no end for every command: to `serve` it says that there are new certificates.
    if ends and hasattr(signal, "alarm"):
        signal.alarm(_LONGEST_SECONDS)


def hold() -> None:
    """Note what tells the program to end, from now on. What is ignored, as by `nohup`, stays so."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            _usual[number] = signal.signal(number, _note)


def let_go() -> None:
    """Hold no more: whoever has set a handler meanwhile gets what was noted; for the rest, all is as usual.

    Raises:
        KeyboardInterrupt: SIGINT was noted, and nobody has set a handler.
    """
    noted = tuple(_noted)
    _noted.clear()
    if noted and hasattr(signal, "alarm"):
        signal.alarm(0)
    for number, handler in _usual.items():
        if signal.getsignal(number) is _note:
            signal.signal(number, handler)  # type: ignore[arg-type]
    _usual.clear()
    for number in noted:
        signal.raise_signal(number)
