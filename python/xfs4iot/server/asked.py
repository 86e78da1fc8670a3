"""What a device is asked for, as a copy of its own: what its class does to that changes nothing here."""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["copied"]


def copied(value: Any) -> Any:
    """The same, with dicts and lists of its own, also in frozen dataclasses; all else is as it was."""
    kind = type(value)
    if kind is dict:
        return {key: copied(member) for key, member in value.items()}
    if kind is list:
        return [copied(member) for member in value]
    # Not other dataclasses: they may be what a device tells the service with.
    if dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        own = {field.name: getattr(value, field.name) for field in dataclasses.fields(kind) if field.init}
        changed = {name: new for name, old in own.items() if (new := copied(old)) is not old}
        return dataclasses.replace(value, **changed) if changed else value
    return value
