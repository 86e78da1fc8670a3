"""Common between the versions of the standard.

An older client is told of no interface, command or event that its version lacks. What 2024-3
says in `powerManagement` is said in `common` until 2023-2, and where a device class keeps only
the newer, the older is made of it.
"""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Adapter, Changes, Moved, Plain, Reshaped
from xfs4iot.protocol.index import COMMANDS, EVENTS, KEPT_COMMANDS, OLDER

__all__ = ["CHANGES"]


def _interfaces(older: str, spelt: dict[str, str]) -> Adapter:
    """Leaves out commands, events and interfaces that the older version does not have."""
    # On their way to a version before this one; clients of this one are not told of them (`kept`).
    earlier = {name for version, names in OLDER.items() if version < older for name in names}
    kept = earlier & KEPT_COMMANDS.keys()
    known = OLDER[older].keys() | kept
    standard = COMMANDS.keys() | EVENTS.keys() | {name for names in OLDER.values() for name in names}

    def adapter(new: Plain) -> Plain:
        listed = []
        for interface in new.get("interfaces") or ():
            left = {
                kind: {
                    spelt.get(name, name): one
                    for name, one in interface[kind].items()
                    # A name that no version of the standard has is an extension, open to every client.
                    if spelt.get(name, name) in known or name not in standard
                }
                for kind in ("commands", "events")
                if kind in interface
            }
            if left.get("commands"):
                listed.append({**interface, **left})
        return {**new, "interfaces": listed}

    return adapter


def _power_save(name: str) -> Adapter:
    """Tells in `common` what a device tells in `powerManagement`."""

    def adapter(new: Plain) -> Plain:
        power = new.get("powerManagement")
        if isinstance(power, dict) and (value := power.get(name)) is not None:
            common = new.get("common")
            # A value that the device gave in `common` itself takes precedence.
            new = {**new, "common": {name: value, **(common if isinstance(common, dict) else {})}}
        return new

    return adapter


_STARTUP = {
    f"Auxiliaries.{verb}AutoStartupTime": f"Auxiliaries.{verb}AutoStartUpTime"
    for verb in ("Clear", "Get", "Set")
}
_BACK = {later: earlier for earlier, later in _STARTUP.items()}
_STATUS = (Reshaped((), down=_power_save("powerSaveRecoveryTime")),)

CHANGES: Changes = {
    ("2021-1", "completion", "Common.Capabilities"): (
        Reshaped(("interfaces[].name",), down=_interfaces("2021-1", _BACK)),
    ),
    ("2021-1", "event", "Common.StatusChangedEvent"): tuple(
        Moved(name, f"common.{name}")
        for name in (
            "antiFraudModule",
            "device",
            "devicePosition",
            "endToEndSecurity",
            "exchange",
            "powerSaveRecoveryTime",
        )
    ),
    ("2023-2", "completion", "Common.Status"): _STATUS,
    ("2023-2", "event", "Common.StatusChangedEvent"): _STATUS,
    ("2023-2", "completion", "Common.Capabilities"): (
        Reshaped(("interfaces[].name",), down=_interfaces("2023-2", _STARTUP)),
        Reshaped((), down=_power_save("powerSaveControl")),
    ),
}
