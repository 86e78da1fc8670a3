"""Every operation of every abstract device class says what it returns, so that it can be checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import xfs4iot.devices
from xfs4iot.server.results import declared

FILES = sorted(Path(xfs4iot.devices.__file__).parent.glob("[!_]*.py"))


def asked() -> dict[str, Callable[..., Any]]:
    """What the service asks of devices, by class and name."""
    found = {}
    for name in ("_device", *(file.stem for file in FILES)):
        module = import_module(f"xfs4iot.devices.{name}")
        for owner, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, xfs4iot.devices.Device) and kind.__module__ == module.__name__:
                found |= {
                    f"{owner}.{attribute}": function
                    for attribute, function in vars(kind).items()
                    if inspect.iscoroutinefunction(function)
                }
    return found


@pytest.mark.parametrize("operation", asked())
def test_what_an_operation_returns_can_be_checked(operation: str) -> None:
    assert callable(declared(asked()[operation]).check)


def test_there_are_operations_to_ask() -> None:
    assert {"CashDispenser.dispense", "Storage.units", "Device.open"} <= set(asked())
