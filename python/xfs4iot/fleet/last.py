"""What a device has told of itself last: its services, their state, and what their storage units hold.

The device's uplink writes it to the bucket `x4-T-last`, under the device's name, which is the only key that
the broker lets it write. Whoever reads it does not trust it: it is small, of known types, and its texts do
nothing to a terminal. There is nothing secret in it: states, names and counts, chosen one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from xfs4iot.fleet.carrier import Carrier
from xfs4iot.fleet.keeping import confirmed_at
from xfs4iot.fleet.store import KeyValue, read_as
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.interfaces.storage.storage import Storage
from xfs4iot.interfaces.storage.summary import UnitSummary, unit_summaries
from xfs4iot.protocol import wire
from xfs4iot.server.service import Service
from xfs4iot.telling import told

__all__ = ["LARGEST", "LAST", "Last", "ToldService", "Unit", "Unreadable", "bucket_of_last", "snapshot"]

LAST = "x4-{}-last"
"""Bucket of what a tenant's devices have told last."""
LARGEST = 64 * 1024
"""Bytes of one device's."""
_MOST_SERVICES, _MOST_INTERFACES, _MOST_UNITS = 64, 64, 256
_TEXT = 64
"""Characters of a text."""

_Count = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
_Text = Annotated[str, msgspec.Meta(max_length=_TEXT)]
_LARGEST_VALUE = Decimal(10**15)


def bucket_of_last(carrier: Carrier, tenant: str, *, replicas: int = 1) -> KeyValue:
    """The bucket, as it is made: devices write to it."""
    bucket = LAST.format(tenant)
    confirms = confirmed_at(f"$KV.{bucket}.*", Subjects(tenant), "last")
    return KeyValue(carrier, bucket, replicas=replicas, largest=LARGEST, more=confirms)


class Unreadable(ValueError):
    """What a device has written is not what a device writes."""


class Unit(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=False):
    """One storage unit; see `xfs4iot.interfaces.storage.summary.UnitSummary`."""

    id: _Text | None = None
    kind: _Text | None = None
    gives: bool = False
    status: _Text | None = None
    replenishment: _Text | None = msgspec.field(default=None, name="replenishmentStatus")
    capacity: _Count | None = None
    currency: _Text | None = None
    value: Decimal | None = None
    count: _Count | None = None
    initial: _Count | None = None
    came_in: _Count | None = msgspec.field(default=None, name="in")
    went_out: _Count | None = msgspec.field(default=None, name="out")


class ToldService(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service.

    Attributes:
        interfaces: their names.
        device: the device's state, as in `Common.Status`; None for a service without a device.
        units: storage units by name.
    """

    interfaces: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=_MOST_INTERFACES)] = ()
    device: _Text | None = None
    units: dict[_Text, Unit] = {}


class Last(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one device has told.

    Attributes:
        epoch: of the start in which it did.
        version: of its software.
        services: by name.
        left_out: how many units there were no room for.
    """

    epoch: _Count = 0
    version: _Text = ""
    services: dict[_Text, ToldService] = {}
    left_out: _Count = 0

    def encode(self) -> bytes:
        """As it is kept."""
        return wire.encode(msgspec.to_builtins(self, builtin_types=(Decimal,)))

    @classmethod
    def decode(cls, value: bytes) -> Last:
        """As somebody has written it: checked, and its texts made visible.

        Raises:
            Unreadable: it is something else.
        """
        if len(value) > LARGEST:
            raise Unreadable(f"it has {len(value)} bytes, and {LARGEST} are the most")
        try:
            found = read_as(_decoder, value)
        except ValueError as wrong:
            raise Unreadable(told(str(wrong), 200)) from None
        if len(found.services) > _MOST_SERVICES:
            raise Unreadable(f"it has {len(found.services)} services, and {_MOST_SERVICES} are the most")
        units = [unit for one in found.services.values() for unit in one.units.values()]
        if len(units) > _MOST_UNITS:
            raise Unreadable(f"it has {len(units)} storage units, and {_MOST_UNITS} are the most")
        if any(one.value is not None and not _sensible(one.value) for one in units):
            raise Unreadable("the value of a unit's items is no sensible number")
        visible: Last = _visible(found)
        return visible


_decoder = msgspec.json.Decoder(Last, float_hook=Decimal)


def _sensible(value: Decimal) -> bool:
    """Whether writing a number down takes few digits: 1e999999999 does not."""
    if not value.is_finite():
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and -6 <= exponent <= 15 and abs(value) <= _LARGEST_VALUE


def _visible(one: Any) -> Any:
    """The same with every text such that it can be shown."""
    match one:
        case str():
            return told(one, _TEXT)
        case msgspec.Struct():
            return type(one)(*(_visible(getattr(one, name)) for name in one.__struct_fields__))
        case Mapping():
            return {_visible(name): _visible(value) for name, value in one.items()}
        case tuple():
            return tuple(map(_visible, one))
        case _:
            return one


def snapshot(services: Iterable[Service], *, epoch: int, version: str) -> Last:
    """What is to be told of services now."""
    found: dict[str, ToldService] = {}
    room, left_out = _MOST_UNITS, 0
    for service in services:
        if len(found) == _MOST_SERVICES:
            break
        units: dict[str, Unit] = {}
        if (storage := service.interfaces.get("Storage")) is not None:
            assert isinstance(storage, Storage)
            for unit in unit_summaries(storage):
                if room:
                    units[_cut(unit.name)] = _unit(unit)
                    room -= 1
                else:
                    left_out += 1
        status = None if service.device is None else service.device.status.common
        state = None if status is None else _cut(str(status.device))
        interfaces = tuple(map(_cut, list(service.interfaces)[:_MOST_INTERFACES]))
        found[_cut(service.name)] = ToldService(interfaces, state, units)
    made = Last(epoch, _cut(version), found, left_out)
    if len(made.encode()) > LARGEST:
        # Units of many long names; which services there are, and in which state, matters more.
        bare = {name: ToldService(one.interfaces, one.device) for name, one in found.items()}
        made = Last(epoch, _cut(version), bare, _MOST_UNITS - room + left_out)
    return made


def _unit(one: UnitSummary) -> Unit:
    value = None if one.value is None else Decimal(one.value)
    return Unit(
        _cut(one.id), one.kind, one.gives, _cut(one.status), _cut(one.replenishment), one.capacity,
        _cut(one.currency), value if value is not None and _sensible(value) else None, one.count, one.initial,
        one.came_in, one.went_out,
    )  # fmt: skip


def _cut(text: Any) -> Any:
    return None if text is None else str(text)[:_TEXT]
