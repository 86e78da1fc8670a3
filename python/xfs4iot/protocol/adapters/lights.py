"""Lights between the versions of the standard.

Until 2023-2 a light has one position among its properties; since 2024-3 a light is a set of
positions, each with its properties. Lights of a vendor's own, which the newest catalogue does not
name, pass in all versions: clients that do not know them ignore them.
"""

from __future__ import annotations

from typing import Any

from xfs4iot.protocol.adapters.changes import UNTIMED, Changes, Left, Plain, Reshaped, Values

__all__ = ["CHANGES"]

_LIGHTS = (
    "billAcceptor",
    "billAcceptor2",
    "cardReader",
    "cardReader2",
    "checkUnit",
    "coinAcceptor",
    "coinDispenser",
    "contactless",
    "documentPrinter",
    "envelopeDepository",
    "envelopeDispenser",
    "fasciaLight",
    "notesDispenser",
    "notesDispenser2",
    "passbookPrinter",
    "pinPad",
    "receiptPrinter",
    "scanner",
    "statusBad",
    "statusGood",
    "statusInService",
    "statusSupervisor",
    "statusWarning",
)
_CUSTOM = "lights of a vendor's own pass, though the catalogue of 2024-3 does not name them"


def _lights_up(old: Plain) -> Plain:
    found: Plain = {}
    for name, light in old.items():
        if isinstance(light, dict):
            position = light.get("position")
            said = {key: value for key, value in light.items() if key != "position"}
            found[name] = {position if isinstance(position, str) else "default": said}
        else:
            found[name] = light
    return found


def _lights_down(new: Plain) -> Plain:
    """The first position of each light, the one that was set last: an older client knows one."""
    found: Plain = {}
    for name, places in new.items():
        first = next(iter(places.items()), None) if isinstance(places, dict) else None
        if first is not None and isinstance(first[1], dict):
            found[name] = {"position": first[0], **first[1]}
    return found


def _capabilities_down(new: Plain) -> Plain:
    """What a light can do at any of its positions."""
    lights = new.get("lights")
    found: Plain = {}
    for name, places in lights.items() if isinstance(lights, dict) else ():
        if not isinstance(places, dict):
            continue
        light: dict[str, Any] = {"position": {place: True for place in places if place != "default"}}
        for abilities in places.values():
            for kind, flags in abilities.items() if isinstance(abilities, dict) else ():
                if isinstance(flags, dict):
                    both = light.setdefault(kind, {})
                    for flag, can in flags.items():
                        both[flag] = bool(can) or both.get(flag, False)
        found[name] = light
    return found


_STATUS = (
    Reshaped(tuple(f"lights.{name}" for name in _LIGHTS), down=_lights_down, at="lights"),
    Left(("lights.*",), _CUSTOM),
)

CHANGES: Changes = {
    ("2021-1", "completion", "Common.Status"): tuple(
        Values(f"lights.{name}.position", up={}, down={"default": None}) for name in ("*", *_LIGHTS)
    ),
    ("2021-1", "request", "Lights.SetLight"): (UNTIMED,),
    ("2023-2", "request", "Lights.SetLight"): (Reshaped(_LIGHTS, up=_lights_up), Left(("*",), _CUSTOM)),
    ("2023-2", "completion", "Common.Status"): _STATUS,
    ("2023-2", "event", "Common.StatusChangedEvent"): _STATUS,
    ("2023-2", "completion", "Common.Capabilities"): (
        Reshaped(tuple(f"lights.{name}" for name in _LIGHTS), down=_capabilities_down, at="lights"),
        Left(("lights.*",), _CUSTOM),
    ),
}
