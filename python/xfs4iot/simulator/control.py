"""The service `Simulator`: what hands, customers, bad luck and time do to the simulated devices.

Its commands come in the same envelope as all others, so that any client can script them:

    Simulator.Inject           something fails
    Simulator.ClearFaults      everything works again
    Simulator.GetFaults        what can fail
    Simulator.StopClock, Simulator.StartClock, Simulator.Advance
    Simulator.GetTruth         where everything really is
    Simulator.Play             a scenario: all of this, moment by moment, without a client

and those that each device adds (`simulator.commands`). Where several devices have the same command
or fault, `service` says which one is meant. Times are in milliseconds of the devices' clock.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec

from xfs4iot.close_matches import close_matches
from xfs4iot.protocol import errors, registry, wire
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Handler, Interface
from xfs4iot.simulator.commands import Completion, Milliseconds, Request, command, entry, offered
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.scenario import Play, Player
from xfs4iot.simulator.world import World

__all__ = ["Simulator"]

_Found = TypeVar("_Found")
_REFERENCE = "#/definitions/{name}"


class Inject(Request):
    """A fault; for some the unit, or how often."""

    fault: str | None = None
    unit: str | None = None
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None


class GetFaultsCompletion(Completion):
    """What can be injected, by name, and what it does; of all devices, and by service."""

    faults: dict[str, str] = msgspec.field(default_factory=dict)
    services: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)


class Advance(Request):
    """How far to move the clock."""

    milliseconds: Milliseconds | None = None


class GetTruthCompletion(Completion):
    """Where everything is, by service; what is said of cash, where one device has it, also stands outside.

    Attributes:
        places: items by place, and there by the unit they came from.
        operation: the operation that the device recorded last.
    """

    services: dict[str, Any] = msgspec.field(default_factory=dict)
    places: dict[str, dict[str, int]] | None = None
    shutter: str | None = None
    safe_door: str | None = None
    operation: int | None = None


class Simulator(Interface[Any]):
    """Drives the simulated devices."""

    name: ClassVar[str] = "Simulator"
    scenario: Play | None = None
    """What is played from the start."""

    def drive(self, world: World, devices: Iterable[SimulatedDevice]) -> None:
        """Take the devices of an ATM, with the commands that each of them brings.

        Raises:
            ValueError: two devices have the same command with different messages.
        """
        self._world = world
        self._devices = {device.name: device for device in devices}
        self._commands: dict[str, dict[str, Callable[..., Any]]] = {}
        for name, method in offered(self):
            self._commands[name] = {"": method}
        for device in self._devices.values():
            for name, method in offered(device):
                self._commands.setdefault(name, {})[device.name] = method
        for name, methods in self._commands.items():
            first, *others = [entry(name, method) for method in methods.values()]
            if any(other != first for other in others):
                raise ValueError(f"{name}: {', '.join(methods)} have different messages; share them")
            registry.extend({name: first})

        requests = {name: registry.command(name).request or Request for name in self._commands}
        self.player = Player(world, self._act, requests)

    async def start(self) -> None:
        self._world.nursery = self.service.nursery
        if self.scenario is not None:
            self.player.play(self.scenario.moments)

    async def _act(self, name: str, request: Request) -> None:
        """Carry out a command of a scenario."""
        found = self._method(name, request)(request)
        if inspect.isawaitable(found):
            await found

    def _method(self, name: str, request: Request) -> Callable[..., Any]:
        methods = self._commands[name]
        return methods[""] if "" in methods else _only(methods, request.service, name)

    def handlers(self) -> Mapping[str, Handler]:
        return {name: self._handler(name, methods) for name, methods in self._commands.items()}

    def described(self) -> dict[str, Any]:
        """The messages of these commands, as a catalogue has those of the standard.

        Each command has its `payload` and `completion` (JSON Schema), the `services` whose devices have
        it (none: all of them), and what it does, in a sentence.
        """
        entries = {name: registry.command(name) for name in sorted(self._commands)}
        kinds = [
            kind
            for one in entries.values()
            for kind in (one.request or Request, one.completion or Completion)
        ]
        found, definitions = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
        schemas = iter(found)
        return {
            "commands": {
                name: {
                    "payload": next(schemas),
                    "completion": next(schemas),
                    "services": [one for one in self._commands[name] if one],
                    "text": _first_line(next(iter(self._commands[name].values()))),
                }
                for name in entries
            },
            "definitions": definitions,
        }

    def _handler(self, name: str, methods: Mapping[str, Callable[..., Any]]) -> Handler:
        waits = inspect.iscoroutinefunction(next(iter(methods.values())))

        def call(request: Request, command: Command) -> Any:
            return self._method(name, request)(request)

        async def wait(request: Request, command: Command) -> Any:
            return await call(request, command)

        return Handler(name, wait if waits else call, immediate=not waits, beside_queue=waits)

    def _meant(self, service: str | None) -> Mapping[str, SimulatedDevice]:
        """The device of a service; all of them where none is named."""
        if service is None:
            return self._devices
        return {service: _only(self._devices, service, "a device")}

    @command
    def inject(self, request: Inject) -> None:
        """Something fails."""
        fault = request.fault or ""
        meant = self._meant(request.service)
        having = {name: device for name, device in meant.items() if fault in device.faults.table}
        if not having:
            known = dict.fromkeys(one for device in meant.values() for one in device.faults.table)
            near = close_matches(fault[:50], known, 1)
            # A whole ATM has too many to read through.
            offer = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise errors.InvalidData(f"$.fault: {fault[:50]!r} is not a fault; {offer}")
        device = _only(having, request.service, f"the fault {fault}")
        device.inject(fault, request.unit, request.count)

    @command
    def clear_faults(self, request: Request) -> None:
        """Everything works again, or all of one service's device."""
        for device in self._meant(request.service).values():
            device.clear_faults()

    @command
    def get_faults(self, request: Request) -> GetFaultsCompletion:
        """What can fail."""
        services = {
            name: {fault: row.text for fault, row in device.faults.table.items()}
            for name, device in self._meant(request.service).items()
        }
        faults = {fault: text for table in services.values() for fault, text in table.items()}
        return GetFaultsCompletion(faults=faults, services=services)

    @command
    def stop_clock(self, request: Request) -> None:
        """Time stands still until it is advanced, or started again."""
        self._world.clock.stop()

    @command
    def start_clock(self, request: Request) -> None:
        """Time runs again."""
        self._world.clock.start()

    @command
    def advance(self, request: Advance) -> None:
        """Time passes at once."""
        if request.milliseconds is None:
            raise errors.InvalidData("$.milliseconds is missing; say how far to move the clock")
        self._world.clock.advance(request.milliseconds / 1000)

    @command
    def play(self, request: Play) -> None:
        """A scenario begins."""
        self.player.play(request.moments)

    @command
    def get_truth(self, request: Request) -> GetTruthCompletion:
        """Where everything really is."""
        shown = {name: device.shown_truth() for name, device in self._meant(request.service).items()}
        services = {name: wire.plain(truth) for name, truth in shown.items() if truth is not None}
        cash = [truth for truth in services.values() if "places" in truth]
        outside = msgspec.convert(cash[0], GetTruthCompletion) if len(cash) == 1 else GetTruthCompletion()
        outside.services = services
        return outside


def _first_line(method: Callable[..., Any]) -> str:
    return (inspect.getdoc(method) or "").partition("\n")[0]


def _only(found: Mapping[str, _Found], service: str | None, what: str) -> _Found:
    """The one that is meant.

    Raises:
        InvalidData: there are several, or not this one.
    """
    if service is not None and service in found:
        return found[service]
    if service is None and len(found) == 1:
        return next(iter(found.values()))
    problem = f"{service[:50]!r} is not one" if service is not None else "say which is meant"
    raise errors.InvalidData(f"$.service: {problem}; {what}: {', '.join(found)}")
