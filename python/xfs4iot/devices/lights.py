"""Lights: what a vendor writes for the lights of an ATM.

class MyFascia(devices.Lights):
    lights = {
        "cardReader": {"default": devices.Lamp(colors=frozenset({"green", "red"}))},
        "statusBad": {"left": devices.Lamp(), "right": devices.Lamp()},
    }

    async def set_light(self, wanted):
        for light, positions in wanted.items():
            await self.bus.write(light, positions)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import Device
from xfs4iot.devices._operation import operation
from xfs4iot.devices._parts import derived
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import lights as messages

__all__ = ["Lamp", "LightColor", "LightDirection", "LightFlashRate", "Lights", "Lit"]

LightFlashRate = Literal["off", "slow", "medium", "quick", "continuous"]
LightColor = Literal["red", "green", "yellow", "blue", "cyan", "magenta", "white"]
LightDirection = Literal["entry", "exit"]


@dataclass(frozen=True, kw_only=True)
class Lamp:
    """What a light can show at one position.

    Attributes:
        flash_rates: how it can flash. Slow and medium guidance lights flash no faster than twice a
            second; rules of accessibility may allow only these.
        colors: what it can shine in; none if it has one colour only.
        directions: the directions it can show; none if it shows none.
    """

    flash_rates: frozenset[LightFlashRate] = frozenset({"off", "continuous"})
    colors: frozenset[LightColor] = frozenset()
    directions: frozenset[LightDirection] = frozenset()


@dataclass(frozen=True)
class Lit:
    """What a light shows at one position.

    Attributes:
        flash_rate: how it flashes.
        color: None for its only or usual one, and for what is off.
        direction: None for no direction.
    """

    flash_rate: LightFlashRate = "off"
    color: LightColor | None = None
    direction: LightDirection | None = None


def _capabilities(device: Any) -> messages.CapabilitiesLights:
    return messages.CapabilitiesLights.of(
        {
            light: {
                position: messages.PositionCaps(
                    flash_rate=flags(messages.PositionCapsFlashRate, lamp.flash_rates),
                    color=flags(messages.PositionCapsColor, lamp.colors) if lamp.colors else None,
                    direction=flags(messages.PositionCapsDirection, lamp.directions)
                    if lamp.directions
                    else None,
                )
                for position, lamp in positions.items()
            }
            for light, positions in device.lights.items()
        }
    )


class Lights(Device, messages=messages, capabilities={"lights": "lights_told"}):
    """A device with lights: guidance lights at the slots, status lights, the fascia, a vendor's own.

    What the lights show is kept by the service: all are off at the start unless `lit` is called in `open`.

    Attributes:
        lights: what each can show, by light and position. Lights have the standard's names
            (`cardReader`, `checkUnit`, `statusGood`, `fasciaLight`, ...) or the vendor's own, positions
            `default`, `left`, `right`, `center`, `top`, `bottom`, `front`, `rear`, or the vendor's own.
        individual_flash_rates: whether each can flash at a rate of its own; else all that flash do so
            at the rate that was set last.
    """

    lights: Mapping[str, Mapping[str, Lamp]] = {}
    individual_flash_rates: bool = True
    lights_told: messages.CapabilitiesLights = derived(_capabilities)

    @operation
    async def set_light(self, wanted: Mapping[str, Mapping[str, Lit]]) -> None:
        """`Lights.SetLight`: let lights shine, by light and position; all others stay as they are.

        If only some can be set, call `lit` for what the lights really show, then raise.

        Raises:
            CommandError: `lightError`; the description says which.
        """
        raise NotImplementedError

    def lit(self, light: str, position: str, shows: Lit) -> None:
        """Tell what a light shows, where that is not what was asked for last."""
        status = self.status.lights.to_plain()
        shown = messages.PositionStatus(
            flash_rate=shows.flash_rate, color=shows.color, direction=shows.direction
        )
        # What was set last stands first: versions that know one position of a light are told that one.
        others = {name: one for name, one in (status.get(light) or {}).items() if name != position}
        status[light] = {position: shown, **others}
        # A new object, because changes inside the old one would go unnoticed.
        self.status.lights = messages.Status.of(status)
