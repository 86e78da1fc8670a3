"""What a device class probably got wrong: reported at its start, so that no customer has to find it.

Nothing here is certain, and the device is served all the same: each finding names the class, the method and
what to write instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import msgspec

from xfs4iot.close_matches import close_matches
from xfs4iot.devices._device import Device
from xfs4iot.devices._operation import implements
from xfs4iot.devices._parts import parts_of, promised_by
from xfs4iot.protocol.annotations import field_annotations, own_module

__all__: list[str] = []

_NEAR = 0.75
"""How alike two names must be for one to be taken for a misspelling of the other."""


def mistakes(device: Device, *, opened: bool = False) -> Iterator[str]:
    """What is probably wrong with a device's class, in sentences.

    Args:
        device: as it was made.
        opened: it has been opened since.
    """
    kind = type(device)
    if not device._derivation.initialised:
        yield (
            f"{kind.__name__}.__init__ does not call super().__init__(name, options): "
            "the device has neither its name nor its options"
        )
    yield from _missing(device)
    yield from _misspelt(kind)
    yield from _promises(device)
    if opened and device.status.common.device == "starting":
        yield (
            f"{kind.__name__}.open has returned, but the status is still 'starting', and nothing that moves "
            'will be carried out: end it with self.status.common.device = "online" or await super().open()'
        )


def _missing(device: Device) -> Iterator[str]:
    """Operations that the device's interfaces cannot do without."""
    kind = type(device)
    for part in parts_of(kind):
        for names in part.needs:
            if not any(_overrides(kind, name) for name in names):
                yield (
                    f"{kind.__name__} does not implement {' or '.join(names)}, which it cannot do without: "
                    f"write async def {names[-1]}(self, ...)"
                )


def _overrides(kind: type[Any], name: str) -> bool:
    """Whether a method is not the one of the abstract classes."""
    return any(name in vars(base) for base in kind.__mro__ if not own_module(base) or _is_concrete(base))


def _is_concrete(base: type[Any]) -> bool:
    """Whether one of our own classes is a device as vendors write them, such as a simulated one."""
    return issubclass(base, Device) and not base.__module__.startswith(f"{__package__}.")


def _misspelt(kind: type[Any]) -> Iterator[str]:
    """Methods and attributes that look like those which the framework knows, and are not."""
    bases = [base for base in kind.__mro__ if issubclass(base, Device) and not _is_vendors(base)]
    methods = {name for base in bases for name, one in vars(base).items() if inspect.isfunction(one)}
    attributes = {name for base in bases for name in field_annotations(base)} - methods
    for base in kind.__mro__:
        if not _is_vendors(base):
            continue
        for name, value in vars(base).items():
            if name.startswith("_"):
                continue
            if name in methods and not callable(value) and not hasattr(value, "__get__"):
                before = "async " if inspect.iscoroutinefunction(_known(bases, name)) else ""
                yield (
                    f"{base.__name__}.{name} is a {type(value).__name__}, where the service calls a method: "
                    f"write {before}def {name}(self, ...), and return it there"
                )
                continue
            known = methods if inspect.isfunction(value) else attributes
            if name in known:
                if inspect.iscoroutinefunction(_known(bases, name)) and not inspect.iscoroutinefunction(
                    value
                ):
                    yield f"{base.__name__}.{name} is not a coroutine function: write async def {name}"
                continue
            # What the class overrides already is spelt right somewhere: it is not what was meant.
            own = {one for one in known if not _overrides(kind, one)}
            if near := close_matches(name, own - {name}, 1, _NEAR):
                yield (
                    f"{base.__name__}.{name} is never used by the service; did you mean {near[0]}? "
                    "If not, begin its name with an underscore"
                )


def _known(bases: list[type[Any]], name: str) -> Any:
    return next((vars(base)[name] for base in bases if name in vars(base)), None)


def _is_vendors(base: type[Any]) -> bool:
    return base is not object and not own_module(base)


def _promises(device: Device) -> Iterator[str]:
    """Capabilities, and what else a class states, that no operation keeps."""
    kind = type(device)
    for part in parts_of(kind):
        for name, wanted in (part.in_vain or {}).items():
            if getattr(device, name, None) and not any(implements(device, one) for one in wanted):
                yield f"{kind.__name__} states {name} in vain: it does not implement {' or '.join(wanted)}"
        told = getattr(device.capabilities, part.name, None) if part.capabilities is not None else None
        if told is None:
            continue
        for field in msgspec.structs.fields(type(told)):
            operations = promised_by(kind, part.attributes.get(field.name, field.name))
            if (
                operations
                and getattr(told, field.name)
                and not any(implements(device, one) for one in operations)
            ):
                yield (
                    f"{kind.__name__} says capabilities.{part.name}.{field.name}, but does not implement "
                    f"{' or '.join(operations)}"
                )
