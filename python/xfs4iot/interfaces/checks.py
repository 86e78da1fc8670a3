"""Checks that the commands of several interfaces share.

What only one interface checks stands in its own module, what only a family checks in the family's.
"""

from __future__ import annotations

from typing import Any

from xfs4iot.protocol import errors
from xfs4iot.server.handler import Check, Interface, check

__all__ = ["cash_mode_on", "check_mode_on", "device_ready", "given", "require_ready", "there_to_delete"]


def given(field: str, advice: str = "", *, filled: bool = False) -> Check:
    """That a property of the request is there.

    Args:
        field: attribute of the request, such as `max_power_save_recovery_time`.
        advice: what to do, for the error description.
        filled: an empty text is as good as none.
    """
    wire = _wire_name(field)

    def there(on: Interface[Any], request: Any) -> None:
        value = getattr(request, field) if request is not None else None
        if value is None or (filled and not value):
            what = "is missing" if value is None else "is empty"
            raise errors.InvalidData(f"$.{wire} {what}" + (f"; {advice}" if advice else ""))

    there.__doc__ = f"`{wire}`"
    return check("invalidData", name=f"given {wire}")(there)


def there_to_delete(field: str, error_code: str, held: str) -> Check:
    """That a definition which is not given, and so is to be deleted, is there.

    Args:
        field: property of the definition, such as `form`.
        error_code: if none has the name.
        held: attribute of the interface, in which they are by their names.
    """

    def there(on: Any, request: Any) -> None:
        if getattr(request, field) is None and request.name not in getattr(on, held):
            raise errors.CommandError(
                error_code,
                f"without $.{field} a {field} is deleted, and there is none of this name; "
                f"give $.{field} to set one",
            )

    there.__doc__ = f"without a {field}: whether there is one to delete"
    return check(error_code, name=f"{field}_to_delete_exists")(there)


_NOT_READY = {
    "offline": "the device is offline",
    "powerOff": "the device is switched off",
    "noDevice": "there is no device",
    "starting": "the device is still starting",
}


def require_ready(device: Any) -> None:
    """Refuse what a device cannot do that is not there.

    Raises:
        DeviceNotReady: it is off, offline, starting or gone.
    """
    common = device.status.common
    if common is not None and common.device in _NOT_READY:
        raise errors.DeviceNotReady(f"{_NOT_READY[common.device]}; see Common.Status")


@check("deviceNotReady")
def device_ready(on: Interface[Any], request: object) -> None:
    """whether the device is there"""
    require_ready(on.device)


def _mode_on(field: str, what: str) -> Check:
    """That a device for several kinds of media takes one of them now."""

    def on_now(on: Interface[Any], request: object) -> None:
        mixed = on.device.status.mixed_media
        modes = mixed.modes if mixed is not None else None
        if modes is not None and getattr(modes, field) is False:
            raise errors.SequenceError(f"the device takes no {what} now; see MixedMedia.SetMode")

    on_now.__doc__ = f"of a device for notes and cheques: whether it takes {what} now"
    return check("sequenceError", name=f"{field} mode")(on_now)


cash_mode_on = _mode_on("cash_accept", "notes")
check_mode_on = _mode_on("check_accept", "cheques")


def _wire_name(field: str) -> str:
    """`max_items` → `maxItems`."""
    first, *rest = field.split("_")
    return first + "".join(part.capitalize() for part in rest)
