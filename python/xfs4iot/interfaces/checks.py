"""Checks that the commands of several interfaces share.

What only one interface checks stands in its own module, what only a family checks in the family's.
"""

from __future__ import annotations

from typing import Any

from xfs4iot.protocol import errors
from xfs4iot.server.handler import Check, Interface, check

__all__ = ["device_ready", "given"]


def given(field: str, advice: str = "") -> Check:
    """That a property of the request is there.

    Args:
        field: attribute of the request, such as `max_power_save_recovery_time`.
        advice: what to do, for the error description.
    """
    wire = _wire_name(field)

    def there(on: Interface[Any], request: Any) -> None:
        if request is None or getattr(request, field) is None:
            raise errors.InvalidData(f"$.{wire} is missing" + (f"; {advice}" if advice else ""))

    there.__doc__ = f"`{wire}` is given"
    return check("invalidData", name=f"given {wire}")(there)


@check("deviceNotReady")
def device_ready(on: Interface[Any], request: object) -> None:
    """the device is there"""
    common = on.device.status.common
    state = common.device if common is not None else None
    if state not in (None, "online"):
        raise errors.DeviceNotReady(f"the device is {state}; see Common.Status")


def _wire_name(field: str) -> str:
    """`max_items` → `maxItems`."""
    first, *rest = field.split("_")
    return first + "".join(part.capitalize() for part in rest)
