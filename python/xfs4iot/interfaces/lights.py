"""Lights: guidance lights, status lights, the fascia, and a vendor's own.

State is light → position → what it shows. A SetLight names some lights and positions; all others stay
as they are. It is checked as a whole before anything is asked of the device: a light or position that does
not exist is `invalidLight`, one that cannot show what is asked is `invalidData`. The status is kept here:
after a success it is what was asked for, after a failure what the device has reported. One event tells
clients of all changes, before the completion.

`off` needs neither colour nor direction. A light of one colour need not be given it. Where all lights flash
at one rate (`individualFlashRates` false) the light that was set last wins, and those that are lit follow.

Clients of versions that know one position of a light leave it out for the default one: it is
`default`, or the only position that the light has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from xfs4iot import devices
from xfs4iot.devices import Lamp, Lit
from xfs4iot.interfaces.checks import device_ready
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import lights as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Check, Interface, check, handles

__all__ = ["Lights"]

_DEFAULT = "default"


def _asked(request: messages.SetLight) -> Iterator[tuple[str, str, messages.PositionStatus]]:
    """Every light and position of a request."""
    for light, positions in request.to_plain().items():
        for position, shows in positions.items():
            yield light, position, shows


def _position(on: Lights, light: str, position: str) -> str:
    """The position that is meant: the only one, where the default is asked for and there is none."""
    known = on.device.lights.get(light, {})
    return next(iter(known)) if position == _DEFAULT and len(known) == 1 else position


def _lamps(on: Lights, request: messages.SetLight) -> Iterator[tuple[str, Lamp, messages.PositionStatus]]:
    """Path, abilities and what is asked, of every light and position of a request."""
    for light, position, shows in _asked(request):
        yield f"$.{light}.{position}", on.device.lights[light][_position(on, light, position)], shows


@check("invalidData")
def lights_given(on: Lights, request: messages.SetLight) -> None:
    """whether a light is given, and for each one position at least"""
    lights = request.to_plain()
    if not lights:
        raise errors.InvalidData("no light is given; see lights in Common.Capabilities")
    for light, positions in lights.items():
        if not positions or "" in positions:
            raise errors.InvalidData(f"$.{light}: give positions by their names, such as {_DEFAULT}")


@check("invalidLight")
def lights_exist(on: Lights, request: messages.SetLight) -> None:
    """whether the device has the lights"""
    for light in request.to_plain():
        if light not in on.device.lights:
            raise errors.CommandError(
                "invalidLight", f"$.{light}: the device has no such light; see Common.Capabilities"
            )


@check("invalidLight")
def positions_exist(on: Lights, request: messages.SetLight) -> None:
    """whether the lights have the positions"""
    for light, position, _ in _asked(request):
        known = on.device.lights[light]
        if _position(on, light, position) not in known:
            raise errors.CommandError(
                "invalidLight",
                f"$.{light}.{position}: the light has no such position; positions: {', '.join(known)}",
            )


@check("invalidData")
def flash_rates_shown(on: Lights, request: messages.SetLight) -> None:
    """the flash rates: given, and such as the light can show"""
    for path, lamp, shows in _lamps(on, request):
        if shows.flash_rate is None:
            raise errors.InvalidData(f"{path}.flashRate is missing; say off to switch the light off")
        _shown(f"{path}.flashRate", shows.flash_rate, lamp.flash_rates)


@check("invalidData")
def colors_shown(on: Lights, request: messages.SetLight) -> None:
    """the colours"""
    for path, lamp, shows in _lamps(on, request):
        if shows.color is not None and shows.flash_rate != "off":
            _shown(f"{path}.color", shows.color, lamp.colors)


@check("invalidData")
def directions_shown(on: Lights, request: messages.SetLight) -> None:
    """the directions"""
    for path, lamp, shows in _lamps(on, request):
        if shows.direction is not None and shows.flash_rate != "off":
            _shown(f"{path}.direction", shows.direction, lamp.directions)


@check("invalidData")
def one_flash_rate(on: Lights, request: messages.SetLight) -> None:
    """whether one rate is asked for, where all lights flash at one"""
    rates = {shows.flash_rate for _, _, shows in _asked(request)} - {"off"}
    if len(rates) > 1 and not on.device.individual_flash_rates:
        raise errors.InvalidData(
            f"all lights of this device flash at one rate, not at {' and '.join(sorted(map(str, rates)))}"
        )


def _shown(path: str, wanted: str, known: frozenset[str]) -> None:
    if wanted not in known:
        raise errors.InvalidData(
            f"{path}: the light cannot show {wanted}; it shows {', '.join(sorted(known)) or 'none'}"
        )


_CHECKS: tuple[Check, ...] = (
    lights_given,
    lights_exist,
    positions_exist,
    flash_rates_shown,
    colors_shown,
    directions_shown,
    one_flash_rate,
    device_ready,
)


class Lights(Interface[devices.Lights]):
    """The interface of lights."""

    name: ClassVar[str] = "Lights"

    async def start(self) -> None:
        """Show as off what the device has not reported yet."""
        status = self.device.status.lights.to_plain()
        for light, positions in self.device.lights.items():
            for position in reversed(list(positions)):
                if position not in (status.get(light) or {}):
                    self.device.lit(light, position, Lit())

    @handles("Lights.SetLight", checks=_CHECKS, device=("lightError",))
    async def set_light(self, request: messages.SetLight, command: Command) -> None:
        """`Lights.SetLight` 3.0, completion 2.0."""
        wanted: dict[str, dict[str, Lit]] = {}
        for light, position, shows in _asked(request):
            assert shows.flash_rate is not None
            off = shows.flash_rate == "off"
            lit = Lit() if off else Lit(shows.flash_rate, shows.color, shows.direction)
            wanted.setdefault(light, {})[_position(self, light, position)] = lit
        wanted = self._with_followers(wanted)
        await self.ask(devices.Lights.set_light, wanted)
        for light, positions in wanted.items():
            for position, lit in positions.items():
                self.device.lit(light, position, lit)

    def _with_followers(self, wanted: dict[str, dict[str, Lit]]) -> dict[str, dict[str, Lit]]:
        """With the lights that flash already and take over the rate that is set now."""
        rates = {lit.flash_rate for positions in wanted.values() for lit in positions.values()} - {"off"}
        if self.device.individual_flash_rates or not rates:
            return wanted
        rate = rates.pop()
        status: Mapping[str, Mapping[str, messages.PositionStatus]] = self.device.status.lights.to_plain()
        for light, positions in status.items():
            for position, now in positions.items():
                lit = now.flash_rate not in (None, "off", rate)
                if lit and position not in wanted.get(light, {}):
                    wanted.setdefault(light, {})[position] = Lit(rate, now.color, now.direction)
        return wanted
