"""Where items are and go: positions, destinations, and what lies in the way.

A dispenser and an acceptor each report their positions in a status of their own. A recycler is both, and its
output positions are the same things in either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from xfs4iot.devices import CashUnitError, Destination
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol import errors
from xfs4iot.protocol.flags import chosen
from xfs4iot.protocol.messages import cash_management as messages

__all__ = [
    "DEFAULT_INPUT",
    "DEFAULT_OUTPUT",
    "destination",
    "entries_of",
    "input_position",
    "output_position",
    "position_of_either_side",
    "require_closed_shutter",
    "require_empty_output",
    "require_free_way",
    "require_items",
    "require_items_inside",
    "require_room",
    "retract_areas",
    "sides",
    "stacker_capacity",
    "status_of",
]

DEFAULT_INPUT, DEFAULT_OUTPUT = "inDefault", "outDefault"
_TAKES_ITEMS_IN = frozenset({"cashIn", "replenishment", "cashInRetract", "cashOutRetract", "reject"})
_AREAS = ("retract", "transport", "stacker", "reject", "itemCassette", "cashIn")


def sides(whole: Any) -> list[Any]:
    """The parts of a device's status, or of its capabilities, that have positions: dispenser and acceptor."""
    return [part for part in (whole.cash_dispenser, whole.cash_acceptor) if part is not None]


def stacker_capacity(device: Any) -> int:
    """How many items an acceptor's stacker holds; 0 if it has none, or does not say."""
    capabilities = device.capabilities.cash_acceptor
    return (capabilities.intermediate_stacker or 0) if capabilities is not None else 0


def _reported(device: Any) -> Iterator[Any]:
    """The live status of every position, on both sides."""
    for side in sides(device.status):
        yield from side.positions or ()


def _declared(device: Any, prefix: str) -> set[str]:
    """The positions in the capabilities, outputs (`out`) or inputs (`in`)."""
    found: set[str] = set()
    for side in sides(device.capabilities):
        if isinstance(side.positions, list):
            found |= {one.position for one in side.positions if one.position is not None}
        else:
            found |= {f"out{name.capitalize()}" for name in chosen(side.positions)}
    return {name for name in found if name.startswith(prefix)}


def output_position(device: Any, position: str | None) -> Any:
    """The output position meant, as the device reports it; the default one if none is named.

    Raises:
        CommandError: `unsupportedPosition`.
    """
    wanted = position or DEFAULT_OUTPUT
    if wanted.startswith("in"):
        raise errors.CommandError("unsupportedPosition", f"{wanted} is not an output position")
    return _position(device, wanted, DEFAULT_OUTPUT)


def input_position(device: Any, position: str | None) -> Any:
    """The input position meant, likewise.

    Raises:
        CommandError: `unsupportedPosition`.
    """
    return _position(device, position or DEFAULT_INPUT, DEFAULT_INPUT)


def position_of_either_side(device: Any, position: str | None) -> Any:
    """The position meant; if none is named, the default output, or the default input of a mere acceptor.

    Raises:
        CommandError: `unsupportedPosition`.
    """
    default = DEFAULT_OUTPUT if device.status.cash_dispenser is not None else DEFAULT_INPUT
    wanted = position or default
    if wanted.startswith("in") and device.status.cash_acceptor is None:
        raise errors.CommandError(
            "unsupportedPosition", f"a dispenser has no input position such as {wanted}"
        )
    return input_position(device, wanted) if wanted.startswith("in") else output_position(device, wanted)


def _position(device: Any, wanted: str, default: str) -> str:
    prefix = default.removesuffix("Default")
    reported = [one.position for one in _reported(device) if one.position and one.position.startswith(prefix)]
    if wanted in reported:
        return wanted
    if wanted == default:
        return reported[0] if reported else wanted
    if wanted not in _declared(device, prefix):
        raise errors.CommandError(
            "unsupportedPosition", f"the device has no position {wanted}; see Common.Capabilities"
        )
    return default if default in reported else wanted


def entries_of(device: Any, position: str) -> list[Any]:
    """The live status of a position, on each side that reports it."""
    return [entry for entry in _reported(device) if entry.position == position]


def status_of(device: Any, position: str) -> Any:
    """The live status of a position; None if the device reports none."""
    return next(iter(entries_of(device, position)), None)


def _occupied(device: Any, position: str | None) -> dict[str, Any]:
    """Whether items are inside and, at a position, outside: places with what the device says of them."""
    at = status_of(device, position) if position is not None else None
    places: dict[str, Any] = {} if position is None else {f"at {position}": at and at.position_status}
    for one in [at] if at is not None else _outputs(device):
        places[f"on the transport of {one.position}"] = one.transport_status
    # The worst that any side says: both mean the same stacker.
    places["on the stacker"] = _worst(side.intermediate_stacker for side in sides(device.status))
    return {place: state for place, state in places.items() if state is not None}


def _outputs(device: Any) -> Iterator[Any]:
    return (one for one in _reported(device) if not (one.position or "").startswith("in"))


def _worst(states: Iterable[str | None]) -> str | None:
    told = [state for state in states if state is not None]
    return next((state for state in told if state != "empty"), told[0] if told else None)


def require_free_way(device: Any, position: str) -> None:
    """Refuse to dispense onto what is still there.

    Raises:
        CommandError: `itemsLeft`.
    """
    for place, state in _occupied(device, position).items():
        if state.startswith("notEmpty"):
            raise errors.CommandError(
                "itemsLeft", f"there are items {place}; present, reject or retract them first"
            )


def require_items(device: Any, position: str) -> None:
    """Refuse to bring back nothing, if the device is sure that there is nothing.

    Raises:
        CommandError: `noItems`.
    """
    places = _occupied(device, position)
    if places and all(state == "empty" for state in places.values()):
        raise errors.CommandError("noItems", f"there is nothing at {position}, nor inside")


def require_items_inside(device: Any) -> None:
    """Refuse to move what is not on the stacker or transport, if the device is sure that it is not.

    Raises:
        CommandError: `noItems`.
    """
    places = _occupied(device, None)
    if "on the stacker" in places and all(state == "empty" for state in places.values()):
        raise errors.CommandError("noItems", "there is nothing on the stacker; see CashDispenser.Dispense")


def require_empty_output(device: Any, position: str) -> None:
    """Refuse to bring items to an output that is not empty.

    Raises:
        CommandError: `positionNotEmpty`.
    """
    at = status_of(device, position)
    if at is not None and at.position_status in ("notEmpty", "foreignItems"):
        raise errors.CommandError(
            "positionNotEmpty", f"there are items at {position}; they must be taken or retracted first"
        )


def require_room(device: Any, where: Destination) -> None:
    """Refuse to bring items onto a stacker that holds some.

    Raises:
        CommandError: `positionNotEmpty`.
    """
    stacker = _worst(side.intermediate_stacker for side in sides(device.status))
    if where.target == "stacker" and stacker not in (None, "empty"):
        raise errors.CommandError("positionNotEmpty", "the stacker is not empty")


def require_closed_shutter(device: Any, position: str) -> None:
    """Refuse to move items to a shutter that is open.

    Raises:
        CommandError: `shutterOpen`.
    """
    at = status_of(device, position)
    if at is not None and str(at.shutter) in ("open", "jammedOpen", "jammedPartiallyOpen", "jammedUnknown"):
        raise errors.CommandError("shutterOpen", f"the shutter at {position} is {at.shutter}; close it first")


def retract_areas(device: Any) -> set[str]:
    """The areas that the device can retract to, as on the wire."""
    names = {"billCassette": "itemCassette"}
    found = {area for side in sides(device.capabilities) for area in chosen(side.retract_areas)}
    return {names.get(area, area) for area in found}


def destination(
    cash: CashUnits,
    wanted: messages.ItemTargetData | None,
    *,
    not_supported: str = "notRetractArea",
    wrong_index: str = "invalidRetractPosition",
    wrong_unit: str = "invalidCashUnit",
    prefer: tuple[str, ...] = ("retract", "reject"),
) -> Destination:
    """Where items are to go.

    Args:
        wanted: as the client says; None for the device's default.
        not_supported, wrong_index, wrong_unit: the command's error codes for an area that the
            device lacks, an index above its retract areas, something that is not a unit.
        prefer: the default, first that the device has.

    Raises:
        InvalidData: a unit is needed.
        CommandError: this device does not have the destination, or no unit there works.
    """
    target = wanted.target if wanted is not None else None
    if wanted is None or target is None:
        areas = [area for area in prefer if _units_for(cash, area)]
        if not areas:
            raise errors.CommandError(
                not_supported, "the device has no unit for items that are in the way; name a destination"
            )
        working = [area for area in areas if _working(cash, _units_for(cash, area))]
        # Where none works, `_area` refuses with the units of the preferred one.
        return _area(cash, (working or areas)[0], None, wrong_index)
    if target == "singleUnit":
        if not wanted.unit:
            raise errors.InvalidData("position.unit is missing; a single unit needs its name")
        if wanted.unit not in cash.units:
            raise errors.CommandError(
                wrong_unit, f"there is no unit {wanted.unit!r}; see Storage.GetStorage for those there are"
            )
        if not cash.units[wanted.unit].types & _TAKES_ITEMS_IN:
            raise errors.CommandError(
                wrong_unit, f"no items can be moved into {wanted.unit!r}; see its types in Storage.GetStorage"
            )
        return Destination("singleUnit", _require_working(cash, [wanted.unit])[0])
    if target not in _AREAS:
        return Destination(output_position(cash.device, target))
    if target not in retract_areas(cash.device) and not (target == "reject" and cash.names_of_type("reject")):
        raise errors.CommandError(
            not_supported,
            f"the device cannot move items to {target}; see retractAreas in Common.Capabilities",
        )
    return _area(cash, target, wanted.index, wrong_index)


def _units_for(cash: CashUnits, area: str) -> list[str]:
    """The units that an area stands for; empty if the area is not a unit."""
    types = {"reject": ("reject",), "retract": ("cashOutRetract", "cashInRetract")}.get(area, ())
    return cash.names_of_type(*types)


def _working(cash: CashUnits, units: list[str]) -> list[str]:
    return [name for name in units if cash.hardware_status(name) == "ok"]


def _require_working(cash: CashUnits, units: list[str]) -> list[str]:
    """Those of the units that items can be moved into.

    Raises:
        CashUnitError: none of them.
    """
    working = _working(cash, units)
    if not working:
        raise CashUnitError("error", units, f"{', '.join(units)} cannot take items; see Storage.GetStorage")
    return working


def _area(cash: CashUnits, area: str, index: int | None, wrong_index: str) -> Destination:
    """An area inside the device, with the unit if it stands for some: the first that has room."""
    units = _units_for(cash, area)
    if not units:
        return Destination(area, index=index)
    if area == "retract" and index is not None:
        return Destination(area, _retract_unit(cash, units, index, wrong_index), index)
    working = _require_working(cash, units)
    with_room = [name for name in working if cash.replenishment_status(name) != "full"]
    return Destination(area, (with_room or working)[0], index)


def _retract_unit(cash: CashUnits, units: list[str], index: int, wrong_index: str) -> str:
    """The unit of a retract position; positions are counted through all retract units."""
    within = index
    for name in units:
        areas = cash.units[name].retract_areas or 1
        if within <= areas:
            return _require_working(cash, [name])[0]
        within -= areas
    raise errors.CommandError(
        wrong_index,
        f"there is no retract position {index}; see retractAreas of the units in Storage.GetStorage",
    )
