"""Simulated lights: lamps that shine, or are dead, stuck, or lack a colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import Lamp, LightColor, LightDirection, LightFlashRate, Lit
from xfs4iot.protocol import errors
from xfs4iot.simulator.commands import Completion, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

__all__ = ["SimulatedLights"]

_ALL_RATES: frozenset[LightFlashRate] = frozenset({"off", "slow", "medium", "quick", "continuous"})
_GUIDANCE = Lamp(flash_rates=frozenset({"off", "slow", "medium", "continuous"}))
_STATUS = Lamp()
_LIGHTS: Mapping[str, Mapping[str, Lamp]] = {
    "cardReader": {
        "default": Lamp(
            flash_rates=_ALL_RATES,
            colors=frozenset({"green", "red", "white"}),
            directions=frozenset({"entry", "exit"}),
        )
    },
    **{
        light: {"default": _GUIDANCE}
        for light in ("pinPad", "notesDispenser", "billAcceptor", "receiptPrinter", "checkUnit", "scanner")
    },
    "contactless": {"default": _GUIDANCE},
    **{
        light: {"default": _STATUS}
        for light in ("statusGood", "statusWarning", "statusBad", "statusSupervisor", "statusInService")
    },
    "fasciaLight": {
        position: Lamp(flash_rates=_ALL_RATES, colors=frozenset({"white", "cyan", "blue"}))
        for position in ("left", "right", "logo")
    },
}
"""What is on the simulated fascia; the position `logo` is its vendor's own."""
_PAINT = {None: "#e8c040", "green": "#30b050", "red": "#d03030"}


@dataclass(frozen=True)
class LightsSettings:
    """What a profile may say: whether each light can flash at a rate of its own."""

    individual_flash_rates: bool = True


class SwitchLight(Request):
    """A light, its position, and what it is to show.

    Attributes:
        light, position: as in the capabilities.
        flash_rate, color, direction: as in Lights.SetLight.
    """

    light: str | None = None
    position: str = "default"
    flash_rate: LightFlashRate = "continuous"
    color: LightColor | None = None
    direction: LightDirection | None = None


class DrawLightsCompletion(Completion):
    """The fascia as a picture (SVG)."""

    svg: str


class ShownTruth(Completion):
    """What really shines: light, position, and flash rate and colour."""

    lights: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)


class SimulatedLights(SimulatedDevice, devices.Lights):
    """The lights of a simulated ATM."""

    lights = _LIGHTS

    Settings: ClassVar = LightsSettings
    FAULTS: ClassVar = {
        "lampDead": Fault("unit", "the lamp `unit` (such as `statusBad.default`) does not light"),
        "lampStuck": Fault("unit", "the lamp `unit` stays as it is"),
        "redChannelDead": Fault("unit", "the lamp `unit` has no red: asked for white it shows cyan"),
        "controllerOffline": Fault("lasts", "the lights cannot be reached"),
    }

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.individual_flash_rates = self.configured(LightsSettings).individual_flash_rates
        self._shines: dict[tuple[str, str], Lit] = {
            (light, position): Lit() for light, positions in _LIGHTS.items() for position in positions
        }

    def units_with_faults(self) -> tuple[str, ...]:
        return tuple(f"{light}.{position}" for light, position in self._shines)

    async def set_light(self, wanted: Mapping[str, Mapping[str, Lit]]) -> None:
        await self.clock.until(self.clock.now + self.seconds)
        if self.faults.active("controllerOffline"):
            raise errors.DeviceNotReady("the lights do not answer; see Simulator.ClearFaults")
        broken: list[str] = []
        for light, positions in wanted.items():
            for position, lit in positions.items():
                shows = self._after(light, position, lit)
                self._shines[light, position] = shows
                if shows != lit:
                    broken.append(f"{light}.{position}")
        if broken:
            for light, positions in wanted.items():
                for position in positions:
                    self.lit(light, position, self._shines[light, position])
            raise errors.CommandError("lightError", f"{', '.join(broken)} cannot show what was asked")

    def _after(self, light: str, position: str, lit: Lit) -> Lit:
        """What a lamp shows when it is asked for something."""
        fault = self.faults.of_units.get(f"{light}.{position}")
        if fault == "lampDead":
            return Lit()
        if fault == "lampStuck":
            return self._shines[light, position]
        if fault == "redChannelDead" and lit.color == "white":
            return Lit(lit.flash_rate, "cyan", lit.direction)
        return lit

    @command
    def switch_light(self, request: SwitchLight) -> None:
        """Somebody switches a light at the machine."""
        where = (request.light or "", request.position)
        if where not in self._shines:
            raise errors.InvalidData(f"$.light: name one of {', '.join(self.units_with_faults())}")
        off = request.flash_rate == "off"
        self._shines[where] = Lit() if off else Lit(request.flash_rate, request.color, request.direction)
        self.lit(*where, self._shines[where])

    @command
    def draw_lights(self, request: Request) -> DrawLightsCompletion:
        """The fascia, drawn."""
        from html import escape

        rows = []
        for number, ((light, position), lit) in enumerate(self._shines.items()):
            paint = "#303030" if lit.flash_rate == "off" else _PAINT.get(lit.color, lit.color)
            y = 24 + 24 * number
            text = f"{light}.{position}: {_in_words(lit)}"
            rows.append(
                f'<circle cx="20" cy="{y}" r="8" fill="{paint}" stroke="#808080"/>'
                f'<text x="40" y="{y + 5}" font-family="sans-serif" font-size="14">{escape(text)}</text>'
            )
        height = 24 * len(rows) + 24
        return DrawLightsCompletion(
            svg=f'<svg xmlns="http://www.w3.org/2000/svg" width="420" height="{height}">'
            f'<rect width="100%" height="100%" fill="#f4f4f4"/>{"".join(rows)}</svg>'
        )

    def shown_truth(self) -> ShownTruth:
        found: dict[str, dict[str, str]] = {}
        for (light, position), lit in self._shines.items():
            if lit.flash_rate != "off":
                found.setdefault(light, {})[position] = _in_words(lit)
        return ShownTruth(lights=found)


def _in_words(lit: Lit) -> str:
    return " ".join(filter(None, (lit.flash_rate, lit.color, lit.direction)))
