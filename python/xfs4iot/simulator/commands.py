"""How a simulated device offers `Simulator` commands of its own: typed messages, and methods for them.

    class TakeCard(Request):
        after: Milliseconds | None = None

    class CardReaderCommands(CardReaderMachine):
        @command
        def take_card(self, request: TakeCard) -> None: ...

That is `Simulator.TakeCard`: its name, its request and its completion follow from the method, so that
nothing else needs declaring. Every request may name the `service` it is meant for, and must where
several have the command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec

from xfs4iot.protocol import registry

__all__ = ["Completion", "Count", "Milliseconds", "Request", "command", "entry", "offered"]

Count = Annotated[int, msgspec.Meta(ge=0)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0)]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Request(msgspec.Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Payload of a command of `Simulator`; every property is optional on the wire.

    Unlike a service of the standard, `Simulator` refuses what it does not know: nobody has a newer version
    of it, and what a script misspells would silently not happen.

    Attributes:
        service: the service whose device is meant; not needed where only one has the command.
    """

    service: str | None = None


class Completion(msgspec.Struct, rename="camel", omit_defaults=True):
    """Payload of a completion of `Simulator`."""


def command(function: _Function) -> _Function:
    """Make a method of a simulated device a command of the service `Simulator`.

    `take_card(self, request: TakeCard) -> TakeCardCompletion | None` is `Simulator.TakeCard`.
    """
    function.__simulator_command__ = True  # type: ignore[attr-defined]
    return function


def offered(owner: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Wire names and bound methods of the commands that an object offers."""
    for name in dir(type(owner)):
        if getattr(getattr(type(owner), name, None), "__simulator_command__", False):
            short = "".join(part.capitalize() for part in name.split("_"))
            yield f"Simulator.{short}", getattr(owner, name)


def entry(name: str, method: Callable[..., Any]) -> registry.CommandEntry:
    """The row of the registry that follows from a method.

    Raises:
        TypeError: its annotations do not say what it takes and gives.
    """
    hints = get_type_hints(method)
    request = hints.get("request")
    if not (isinstance(request, type) and issubclass(request, Request)) or "return" not in hints:
        raise TypeError(
            f"{name}: annotate the method: (self, request: <a Request>) -> <a Completion or None>"
        )
    completion = hints["return"]
    return registry.CommandEntry(
        name, "1.0", request, "1.0", None if completion is type(None) else completion
    )
